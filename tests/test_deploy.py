"""What deploy/ says is what the command line understands, and what it copies is there."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from loresmith import cli

HOME = Path(__file__).resolve().parent.parent
UNIT = HOME / "deploy" / "loresmith.service"
CONTAINER = (HOME / "deploy" / "Containerfile").read_text(encoding="utf-8")


def started_by_the_unit() -> list[str]:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT, encoding="utf-8")
    return unit["Service"]["ExecStart"].split()[1:]


def started_by_the_container() -> list[str]:
    found = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", CONTAINER, re.MULTILINE)
    words = [word for one in found for word in json.loads(one)]
    return words[words.index("loresmith") + 1 :]


@pytest.mark.parametrize("words", [started_by_the_unit(), started_by_the_container()])
def test_what_is_started_is_understood(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = words[words.index("--workspace") + 1]
    there = [str(tmp_path / "none") if word == place else word for word in words]
    assert cli.run(there) != 0
    said = capsys.readouterr()
    assert str(tmp_path / "none") in said.out + said.err, "it comes as far as looking for the workspace"


def test_the_image_is_made_of_what_is_there() -> None:
    lines = (HOME / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "nothing that is not named: no weights, no workspace, no environment"
    named = [rule[1:] for rule in rules if rule.startswith("!") and "*" not in rule]
    assert named
    assert [name for name in named if not (HOME / name).exists()] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    # A program that is there, since the one of the unit is not.
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.M)
    copy = tmp_path / UNIT.name
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
