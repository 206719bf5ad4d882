"""The order of the rooms: imports go down only, and heavy packages are imported where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import loresmith

PACKAGE = Path(loresmith.__file__).parent
ROOT = PACKAGE.parent

OWNERS = {
    "lancedb": ("index/",),
    "pyarrow": ("index/", "parsing/columnar.py"),
    "liteparse": ("parsing/",),
    "kreuzberg": ("parsing/",),
    "torch": ("models/", "training/"),
    "transformers": ("models/", "training/"),
    "xllamacpp": ("models/",),
    "onnx": ("models/",),
    "onnxruntime": ("models/",),
    "tokenizers": ("models/", "training/"),
    "peft": ("models/", "training/"),
    "bitsandbytes": ("models/nf4.py", "training/"),
    "openai": ("models/",),
    "sqlite3": (
        *("state", "memory.py", "mirrors.py", "sources/", "parsing/columnar.py", "tables/", "querying/"),
        "dataset/queries",
    ),
    "sqlalchemy": ("sources/",),
    "sqlglot": ("querying/", "dataset/queries"),
    "typer": ("cli.py", "commands/"),
    "rich": ("commands/", "evaluation/reporting/terminal.py"),
}
"""Package -> the places of loresmith/ that are about it."""


def imported(file: Path) -> set[str]:
    """First parts of every module that `file` imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.skipif(not (ROOT / ".importlinter").exists(), reason="not a checkout")
def test_imports_go_down_only():
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("package", OWNERS)
def test_a_heavy_package_is_imported_only_where_it_belongs(package):
    strangers = [
        str(file.relative_to(PACKAGE))
        for file in sorted(PACKAGE.rglob("*.py"))
        if package in imported(file) and not str(file.relative_to(PACKAGE)).startswith(OWNERS[package])
    ]
    assert strangers == []
