"""Rows of every origin together: each once, none out of date, none more than a reader may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dataset_rows import closed, grounded
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.dataset import pool, store
from loresmith.expert import Workspace
from loresmith.state import State


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "docs").mkdir()
    for name in ("a.md", "b.md"):
        (tmp_path / "docs" / name).write_text(f"# {name}\n\nThe torque in {name} is 25 Nm.\n")
    with Workspace(folders.create(tmp_path / "plant"), embedder=HashEmbedder()) as workspace:
        workspace.add(str(tmp_path / "docs"), labels=["workshop"])
        workspace.sync()
        yield workspace


def reasons(plant: Workspace) -> list[str]:
    with State.open(plant.folder.state_path) as state:
        return [r.reason for r in pool.collect(state)[1]]


def test_an_origin_replaces_its_own_rows_only(plant):
    with State.open(plant.folder.state_path) as state:
        pool.put_built(state, [closed("Q1?", "A1"), closed("Q2?", "A2")])
        pool.put_imported(state, Path("x.csv"), [closed("Q3?", "A3", origin="import:x.csv#2")])
        pool.put_built(state, [closed("Q4?", "A4")])
        assert [e.question for e in pool.collect(state)[0]] == ["Q3?", "Q4?"]


def test_rows_of_changed_and_removed_documents_are_left_out_distractors_too(plant):
    rows = [
        grounded("Which torque in a?", "25 Nm", "The torque in a.md is 25 Nm.", "a.md"),
        # The row rests on a.md, but a passage of b.md stands in its prompt.
        grounded("Which torque?", "25 Nm", "The torque in b.md is 25 Nm.", "b.md", documents=("a.md",)),
    ]
    with State.open(plant.folder.state_path) as state:
        pool.put_built(state, rows)
    assert reasons(plant) == []
    docs = plant.folder.root.parent / "docs"
    (docs / "b.md").unlink()
    plant.sync()
    assert reasons(plant) == ["document gone: b.md"]
    (docs / "a.md").write_text("# a.md\n\nThe torque is 30 Nm.\n")
    plant.sync()
    assert reasons(plant) == ["document changed: a.md; run `loresmith dataset build`", "document gone: b.md"]


def test_rows_take_the_labels_that_their_documents_have_now(plant):
    with State.open(plant.folder.state_path) as state:
        pool.put_built(state, [closed("Q?", "A", documents=("a.md",)), closed("Free?", "Yes, free.")])
        rows, _ = pool.collect(state)
    assert [e.labels for e in rows] == [("workshop",), ()]
    made = pool.examine(rows, plant.folder.config, access=[])
    assert [e.question for e in made.checked.accepted] == ["Free?"]
    assert made.checked.rejected[0].reason == "access: needs the label workshop"
    stored = pool.publish(plant.folder, pool.examine(rows, plant.folder.config, access=["workshop"])).dataset
    assert stored is not None
    assert store.load(plant.folder.datasets_dir).labels == ("workshop",)
    assert set(stored.documents) == {"a.md"}
    assert len(stored.documents["a.md"]) == 64
