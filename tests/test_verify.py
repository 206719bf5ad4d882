"""verify finds every kind of planted damage, names it, and --repair mends it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import pytest
from helpers import HashEmbedder, texts_of

from loresmith import workspace as folders
from loresmith.index import open_current
from loresmith.state import FeedbackRow, MemoryRow, State, learning
from loresmith.sync import sync
from loresmith.types import Filter
from loresmith.verify import verify
from loresmith.workspace import WorkspaceDir


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synchronised workspace and its documents; each test damages a copy."""
    root = tmp_path_factory.mktemp("pristine")
    docs = root / "docs"
    docs.mkdir()
    for number in range(12):
        sections = "".join(
            f"# Part {number}.{n}\n\nPart {number}.{n} takes {n} Nm at word{number}x{n}.\n\n"
            for n in range(4)
        )
        (docs / f"part{number}.md").write_text(sections)
    plant = folders.add_sources(folders.create(root / "plant", {"parsing.workers": 1}), [str(docs)])
    sync(plant, HashEmbedder())
    return root


@pytest.fixture
def plant(pristine: Path, tmp_path: Path) -> WorkspaceDir:
    shutil.copytree(pristine, tmp_path / "w")
    return folders.open_dir(tmp_path / "w" / "plant")


def table(plant: WorkspaceDir) -> Any:
    with State.open(plant.state_path) as state:
        generation = state.current()
    assert generation is not None
    db = lancedb.connect(str(plant.index_dir / generation.folder), read_consistency_interval=timedelta(0))
    return db.open_table("passages")


def change_state(plant: WorkspaceDir, *statements: str) -> None:
    db = sqlite3.connect(plant.state_path)
    with db:
        for statement in statements:
            db.execute(statement)
    db.close()


def drop_rows(plant: WorkspaceDir) -> None:
    table(plant).delete("text LIKE '%word3x%'")


def double_a_row(plant: WorkspaceDir) -> None:
    rows = table(plant)
    rows.add(rows.search().where("text LIKE '%word3x1%'").to_arrow())


def alter_a_text(plant: WorkspaceDir) -> None:
    table(plant).update(where="text LIKE '%word3x1%'", values={"text": "Part 3.1 takes 99 Nm."})


def alter_a_label(plant: WorkspaceDir) -> None:
    table(plant).update(where="document = 'part3.md'", values={"access": '["secret"]'})


def alter_the_terms(plant: WorkspaceDir) -> None:
    table(plant).update(where="document = 'part3.md'", values={"terms": "nothing"})


def alter_a_vector(plant: WorkspaceDir) -> None:
    table(plant).update(where="text LIKE '%word3x1%'", values={"vector": [0.5] * 32})


def add_an_unknown_document(plant: WorkspaceDir) -> None:
    rows = table(plant)
    row = rows.search().where("text LIKE '%word3x1%'").to_arrow().to_pylist()[0]
    rows.add([{**row, "id": "f" * 32, "document": "ghost.md"}])


def drop_the_postings(plant: WorkspaceDir) -> None:
    table(plant).drop_index("terms_idx")


def drop_the_label_index(plant: WorkspaceDir) -> None:
    table(plant).drop_index("access_idx")


def stale_postings(plant: WorkspaceDir) -> None:
    rows = table(plant)
    kept = rows.search().where("document = 'part3.md'").to_arrow()
    rows.delete("document = 'part3.md'")
    rows.add(kept)  # the very same rows, but in no index


def _index_files(plant: WorkspaceDir, folder: str, pattern: str = "*") -> list[Path]:
    """Files of the index that were recorded, the largest first."""
    found = [p for p in plant.index_dir.glob(f"*/passages.lance/{folder}/**/{pattern}") if p.is_file()]
    return sorted(found, key=lambda p: (-p.stat().st_size, p.name))


def truncate_the_postings(plant: WorkspaceDir) -> None:
    for path in _index_files(plant, "_indices"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove_the_postings_files(plant: WorkspaceDir) -> None:
    for path in _index_files(plant, "_indices"):
        path.unlink()


def truncate_the_data(plant: WorkspaceDir) -> None:
    for path in _index_files(plant, "data"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_byte_of_the_data(plant: WorkspaceDir) -> None:
    for path in _index_files(plant, "data"):
        raw = bytearray(path.read_bytes())
        at = raw.find(b"word3x1")
        if at >= 0:
            raw[at] ^= 1
            path.write_bytes(raw)


def remove_the_manifests(plant: WorkspaceDir) -> None:
    for path in _index_files(plant, "_versions"):
        path.unlink()


def zero_the_newest_manifest(plant: WorkspaceDir) -> None:
    path = min(_index_files(plant, "_versions", "*.manifest"), key=lambda p: p.name)
    path.write_bytes(b"\0" * path.stat().st_size)


def remove_the_index(plant: WorkspaceDir) -> None:
    shutil.rmtree(plant.index_dir)


def forget_the_passages_of_a_document(plant: WorkspaceDir) -> None:
    change_state(plant, "DELETE FROM passages WHERE document = 'part3.md'")


def forget_that_a_document_is_indexed(plant: WorkspaceDir) -> None:
    drop_rows(plant)
    change_state(
        plant,
        "DELETE FROM passages WHERE document = 'part3.md'",
        "DELETE FROM indexed WHERE document = 'part3.md'",
    )


def forget_a_document(plant: WorkspaceDir) -> None:
    change_state(plant, "DELETE FROM documents WHERE id = 'part3.md'")


def alter_a_stored_document(plant: WorkspaceDir) -> None:
    change_state(plant, "UPDATE documents SET body = (SELECT body FROM documents WHERE id = 'part4.md')"
                        " WHERE id = 'part3.md'")  # fmt: skip


def spoil_a_stored_document(plant: WorkspaceDir) -> None:
    change_state(plant, "UPDATE documents SET body = x'00112233' WHERE id = 'part3.md'")


def alter_stored_labels(plant: WorkspaceDir) -> None:
    change_state(plant, "UPDATE documents SET labels = '[\"secret\"]' WHERE id = 'part3.md'")


def cut_a_document_from_its_item(plant: WorkspaceDir) -> None:
    change_state(plant, "UPDATE documents SET item = 'nowhere' WHERE id = 'part3.md'")


def spoil_the_state(plant: WorkspaceDir) -> None:
    change_state(plant, "PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(plant.state_path.read_bytes())
    for page in range(1, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 200] = b"\xaa" * 200
    plant.state_path.write_bytes(raw)


def spoil_the_head_of_the_state(plant: WorkspaceDir) -> None:
    change_state(plant, "PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(plant.state_path.read_bytes())
    raw[:100] = b"x" * 100
    plant.state_path.write_bytes(raw)


def truncate_the_state(plant: WorkspaceDir) -> None:
    change_state(plant, "PRAGMA wal_checkpoint(TRUNCATE)")
    raw = plant.state_path.read_bytes()
    plant.state_path.write_bytes(raw[: len(raw) // 2])


def empty_the_state(plant: WorkspaceDir) -> None:
    for path in plant.data.glob("state.db*"):
        path.unlink()
    plant.state_path.touch()


def remove_the_state(plant: WorkspaceDir) -> None:
    for path in plant.data.glob("state.db*"):
        path.unlink()


DAMAGE: list[tuple[Callable[[WorkspaceDir], None], str, str]] = [
    (drop_rows, "missing row", "part3.md"),
    (double_a_row, "doubled row", "part3.md"),
    (alter_a_text, "altered row", "part3.md"),
    (alter_a_label, "altered row", "part3.md"),
    (alter_the_terms, "altered row", "part3.md"),
    (alter_a_vector, "altered vector", "part3.md"),
    (add_an_unknown_document, "unknown row", "ghost.md"),
    (drop_the_postings, "postings", "terms_idx is missing"),
    (drop_the_label_index, "postings", "access_idx is missing"),
    (stale_postings, "postings", "behind"),
    (truncate_the_postings, "file", "_indices"),
    (remove_the_postings_files, "file", "is missing"),
    (truncate_the_data, "file", "bytes instead of"),
    (flip_a_byte_of_the_data, "file", "was altered"),
    (remove_the_manifests, "file", "_versions"),
    (zero_the_newest_manifest, "file", "was altered"),
    (remove_the_index, "index", "missing"),
    (forget_the_passages_of_a_document, "missing row", "part3.md"),
    (forget_that_a_document_is_indexed, "unindexed document", "part3.md"),
    (forget_a_document, "document", "part3.md"),
    (alter_a_stored_document, "document", "part3.md"),
    (spoil_a_stored_document, "document", "part3.md"),
    (alter_stored_labels, "document", "part3.md"),
    (cut_a_document_from_its_item, "document", "part3.md"),
    (spoil_the_state, "state", "state.db"),
    (spoil_the_head_of_the_state, "state", "state.db"),
    (truncate_the_state, "state", "state.db"),
    (empty_the_state, "state", "empty"),
    (remove_the_state, "state", "missing"),
]


@pytest.mark.parametrize(("damage", "kind", "where"), DAMAGE, ids=[d[0].__name__ for d in DAMAGE])
def test_planted_damage_is_found_and_mended(
    plant: WorkspaceDir, damage: Callable[[WorkspaceDir], None], kind: str, where: str
) -> None:
    before = texts_of(plant)
    damage(plant)
    report = verify(plant)
    assert not report.ok
    problems = [p for p in report.problems if p.kind == kind]
    assert any(where in p.where for p in problems), report.problems
    assert all(p.remedy for p in report.problems)
    mended = verify(plant, embedder=HashEmbedder(), repair=True)
    assert mended.ok, mended.problems
    assert mended.repaired
    assert verify(plant).problems == ()
    assert texts_of(plant) == before
    with State.open(plant.state_path) as state:
        store = open_current(plant, state)
        vector = HashEmbedder().embed_queries(["word3x1"])[0]
        assert "word3x1" in store.search_text("word3x1 3 1", 1, Filter(access=()))[0][0].text
        assert len(store.search_dense(vector, 100, Filter())) == len(before)
        for document in state.document_ids():
            assert re.search(r"takes 3 Nm", state.document(document).text)


def test_looking_does_not_mend(plant: WorkspaceDir) -> None:
    alter_a_text(plant)
    assert verify(plant).problems == verify(plant).problems != ()


def test_a_sound_workspace_is_sound_and_repair_leaves_it_alone(plant: WorkspaceDir) -> None:
    embedder = HashEmbedder()
    assert verify(plant).to_dict()["problems"] == []
    assert verify(plant, embedder=embedder, repair=True).ok
    assert embedder.embedded == []


def test_an_empty_workspace_is_sound(tmp_path: Path) -> None:
    assert verify(folders.create(tmp_path / "new")).ok


@pytest.mark.parametrize("damage", [drop_the_postings, truncate_the_postings, remove_the_postings_files])
def test_postings_are_built_again_without_embedding(
    plant: WorkspaceDir, damage: Callable[[WorkspaceDir], None]
) -> None:
    damage(plant)
    embedder = HashEmbedder()
    assert verify(plant, embedder=embedder, repair=True).ok
    assert embedder.embedded == []


def test_an_altered_vector_costs_one_embedding(plant: WorkspaceDir) -> None:
    alter_a_vector(plant)
    embedder = HashEmbedder()
    assert verify(plant, embedder=embedder, repair=True).ok
    assert len(embedder.embedded) <= 4  # the passages of that document, not of the others


def test_memory_outlives_a_lost_index_and_a_damaged_table(plant: WorkspaceDir) -> None:
    entry = MemoryRow(id="1", chat="c", question="q", answer="a", documents=(), labels=(), created=1.0)
    with State.open(plant.state_path) as state:
        state.remember(entry)
    remove_the_index(plant)
    change_state(plant, "DROP TABLE items")
    assert verify(plant, embedder=HashEmbedder(), repair=True).ok
    with State.open(plant.state_path) as state:
        assert state.memory() == [entry]
    assert len(list(plant.data.glob("state.db.damaged-*"))) >= 1


def test_imported_examples_and_feedback_outlive_a_damaged_table(plant: WorkspaceDir) -> None:
    rows = [("a.csv#2", {"id": "1", "question": "Which oil?"}), ("a.csv#3", {"id": "1", "question": "Oil?"})]
    said = FeedbackRow("f", {"question": "Which oil?"}, 1.0)
    with State.open(plant.state_path) as state:
        learning.put_examples(state, "a.csv", rows)
        learning.put_feedback(state, said)
    change_state(plant, "DROP TABLE items")
    assert verify(plant, embedder=HashEmbedder(), repair=True).ok
    with State.open(plant.state_path) as state:
        assert list(learning.examples(state)) == [("a.csv", payload) for _, payload in rows]
        assert learning.feedback(state) == [said]


def test_a_damaged_document_whose_file_is_gone_goes_too(plant: WorkspaceDir) -> None:
    spoil_a_stored_document(plant)
    (plant.root.parent / "docs" / "part3.md").unlink()
    mended = verify(plant, embedder=HashEmbedder(), repair=True)
    assert mended.ok  # the file is gone, so its document goes
    with State.open(plant.state_path) as state:
        assert "part3.md" not in state.document_ids()
