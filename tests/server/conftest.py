"""The fixture that the tests of the server share; see serving.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import HashEmbedder
from serving import MANUAL, SECRET, Serve

from loresmith import workspace as folders
from loresmith.expert import Workspace


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Two documents are indexed: p-200.md for everyone, salaries.md for holders of `staff`."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL, encoding="utf-8")
    (tmp_path / "secret" / "salaries.md").write_text(SECRET, encoding="utf-8")
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        workspace.add(str(tmp_path / "docs"))
        workspace.add(str(tmp_path / "secret"), labels=["staff"])
        workspace.sync()
    with ExitStack() as stack:
        yield Serve(tmp_path / "plant", stack)
