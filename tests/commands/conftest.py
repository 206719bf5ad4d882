"""A terminal for tests: `loresmith(...)` runs a command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loresmith import cli


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON object; anything beside it is a failure."""
        return json.loads(self.out)


Loresmith = Callable[..., Ran]


@pytest.fixture
def loresmith(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Loresmith:
    """Runs `loresmith ARGUMENTS` with the current folder at `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        status = cli.run([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def plant(loresmith: Loresmith, tmp_path: Path) -> Path:
    """A workspace with two small text files as its source, not synced yet."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "manual.md").write_text(
        "# P-200 manual\n\n## Assembly\n\nTighten the M8 flange bolts of the P-200 to 25 Nm in a "
        "crosswise order.\n\n## Service\n\nChange the mechanical seal every 8,000 operating hours.\n"
    )
    (documents / "storage.txt").write_text(
        "Store spare seals in a dry room between 5 and 25 degrees Celsius, away from ozone.\n"
    )
    assert loresmith("init", "plant", "--from", documents, "--model", "none").status == 0
    return tmp_path / "plant"
