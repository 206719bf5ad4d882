"""The fixture that the tests of the server share; see serving.py."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import HashEmbedder
from serving import MANUAL, SECRET, Serve

from loresmith import workspace as folders
from loresmith.expert import Workspace


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; each test has a copy of its own."""
    home = tmp_path_factory.mktemp("served")
    (home / "docs").mkdir()
    (home / "secret").mkdir()
    (home / "docs" / "p-200.md").write_text(MANUAL, encoding="utf-8")
    (home / "secret" / "salaries.md").write_text(SECRET, encoding="utf-8")
    folder = folders.create(home / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        workspace.add(str(home / "docs"))
        workspace.add(str(home / "secret"), labels=["staff"])
        workspace.sync()
    return home


@pytest.fixture
def serve(indexed: Path, tmp_path: Path) -> Iterator[Serve]:
    """Two documents are indexed: p-200.md for everyone, salaries.md for holders of `staff`."""
    shutil.copytree(indexed, tmp_path, dirs_exist_ok=True)
    with ExitStack() as stack:
        yield Serve(tmp_path / "plant", stack)
