"""The documentation says what is: help texts, keys, links, the tree, and a tutorial that runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from generated_docs import DOCS, PAGES, with_generated

ROOT = DOCS.parent
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_part_is_what_the_code_says(name):
    page = (DOCS / name).read_text(encoding="utf-8")
    assert page == with_generated(page, PAGES[name]()), "run `make docs`"


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_shows_every_module():
    tree = re.search(r"```text\nloresmith/\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree
    shown = {line.split()[0] for line in tree[1].splitlines() if line.startswith("  ")}
    package = ROOT / "loresmith"
    expected = {
        path.name + ("/" if path.is_dir() else "")
        for path in package.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert shown == expected


def sessions(page: Path) -> list[tuple[str, int, list[str]]]:
    """(command, exit status, lines of output) of the page's `console` blocks."""
    found: list[tuple[str, int, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *output = part.rstrip().splitlines()
            command, _, remark = command.partition("   # ")
            status = re.search(r"exit status (\d+)", remark)
            found.append((command, int(status[1]) if status else 0, output))
    return found


def unmatched(expected: list[str], output: str) -> str | None:
    """The first expected line that the output does not show, in order; "…" stands for anything."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for line in expected:
        words = " ".join(line.split())
        if words in ("", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in words.split("…")))
        if not any(pattern.fullmatch(shown) for shown in lines):
            return line
    return None


@pytest.mark.models
@pytest.mark.slow
def test_the_tutorial_runs_as_printed(tmp_path, model_files):
    model_files("all-MiniLM-L6-v2", "qwen2.5-coder-0.5b")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    folder = tmp_path
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    run = sessions(DOCS / "tutorial.md")
    assert len(run) > 8
    for command, status, expected in run:
        if command.startswith("cd "):
            folder = (folder / shlex.split(command)[1]).resolve()
            continue
        ran = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert ran.returncode == status, f"$ {command}\n{ran.stdout}{ran.stderr}"
        missing = unmatched(expected, ran.stdout)
        assert missing is None, f"$ {command}\nnot shown: {missing}\n---\n{ran.stdout}"
