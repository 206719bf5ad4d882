"""state.db: documents come back exactly, batches are whole, memory goes with its documents."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import document
from hypothesis import given
from hypothesis import strategies as st

from loresmith.errors import StateDamaged, StorageError
from loresmith.state import (
    Batch,
    FeedbackRow,
    FileRow,
    ItemRow,
    LedgerRow,
    MemoryRow,
    State,
    journal,
    learning,
)
from loresmith.state.codec import digest, pack, unpack
from loresmith.types import Block, Box, Document


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state.db")


def item(name: str = "a.txt", **changes: object) -> ItemRow:
    row = ItemRow(
        id=name,
        source="/docs",
        uri=f"/docs/{name}",
        path=f"/docs/{name}",
        size=3,
        mtime_ns=7,
        version="v1",
        labels=("x",),
        fingerprint="1",
        documents=1,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def ledger(*ids: str) -> list[LedgerRow]:
    return [LedgerRow(i, b"t" * 16, b"r" * 16, b"v" * 16) for i in ids]


def put(
    state: State, generation: int, *documents: Document, gone: tuple[tuple[str, str | None], ...] = ()
) -> None:
    journal.stage(
        state,
        Batch(
            generation=generation,
            items=[item(d.id, version=d.version) for d in documents],
            documents=[(d.id, d, f"summary of {d.id}") for d in documents],
            ledger={d.id: ("recipe", ledger(f"{d.id}-0", f"{d.id}-1")) for d in documents},
            gone=gone,
        ),
        store_version=1,
    )
    journal.finish(state, [FileRow("data/x", 3, b"d" * 32)])


def generation(state: State, status: str = "current") -> int:
    made = state.add_generation(embedder="e", fingerprint="f", dimension=8, metric="cosine", status=status)
    return made.id


RICH = Document(
    id="m/ü 'x'.pdf",
    source="/docs",
    uri="/docs/x",
    version="abc",
    media_type="application/pdf",
    title="Pümpe",
    text="Line 1\nP-200 泵 \x00 25 Nm",
    blocks=(
        Block(
            kind="row",
            start=0,
            end=6,
            level=2,
            page=3,
            box=Box(1.5, 2, 3, 4.25),
            lines=((0, 6, Box(0.1, 0.2, 0.3, 0.4)),),
            sheet="S",
            row=4,
            key="k",
            table="Table 1",
            header=True,
        ),
        Block(kind="paragraph", start=7, end=18),
    ),
    language="de",
    labels=("a", "b"),
    metadata={"author": "Ä"},
    modified=12.25,
    warnings=("hidden text",),
    lined=True,
)


def test_a_document_comes_back_exactly(state: State) -> None:
    put(state, generation(state), RICH)
    assert state.document(RICH.id) == RICH
    info = state.info(RICH.id)
    assert info is not None
    assert (info.summary, info.warnings, info.characters) == (
        f"summary of {RICH.id}",
        ("hidden text",),
        len(RICH.text),
    )
    assert state.languages() == ["de"]


@given(st.text(max_size=60))
def test_any_text_survives_the_codec(text: str) -> None:
    assert unpack(pack(text, ())) == (text, ())


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_digests_see_the_borders_of_their_parts(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_staged_batch_is_invisible_until_it_is_finished(state: State) -> None:
    number = generation(state)
    batch = Batch(
        generation=number,
        items=[item()],
        documents=[("a.txt", document("x"), "")],
        ledger={"a.txt": ("r", ledger("1"))},
    )
    journal.stage(state, batch, store_version=5)
    assert journal.pending(state) == (number, 5)
    assert state.document_ids() == []
    assert state.ledger(number, "a.txt") == []
    with pytest.raises(StorageError, match="unfinished"):
        journal.stage(state, batch, store_version=5)
    journal.drop(state)
    assert journal.pending(state) is None
    journal.stage(state, batch, store_version=5)
    journal.finish(state)
    assert state.document_ids() == ["a.txt"]
    assert [row.id for row in state.ledger(number, "a.txt")] == ["1"]
    assert state.indexed(number) == {"a.txt": ("r", 1)}


def test_a_batch_replaces_a_document_and_its_ledger(state: State) -> None:
    number = generation(state)
    put(state, number, document("old"))
    put(state, number, document("new", version="v2"))
    assert state.document("a.txt").text == "new"
    assert state.passage_count(number) == 2
    assert state.items()["a.txt"].version == "v2"


def test_what_goes_leaves_every_generation(state: State) -> None:
    old, new = generation(state), generation(state, "building")
    put(state, old, document("x"), document("y", id="b.txt"))
    put(state, new, document("x"))
    put(state, new, gone=(("a.txt", "a.txt"),))
    assert state.document_ids() == ["b.txt"]
    assert list(state.items()) == ["b.txt"]
    assert list(state.indexed(old)) == ["b.txt"]
    assert state.indexed(new) == {}


def test_swapping_and_dropping_generations(state: State) -> None:
    old, new = generation(state), generation(state, "building")
    put(state, old, document("x"))
    state.swap(new)
    assert [g.status for g in state.generations()] == ["old", "current"]
    state.drop_generation(old)
    assert state.files(old) == {}
    assert [g.id for g in state.generations()] == [new]
    assert generation(state, "building") == new + 1  # a folder's name is never used twice


@pytest.mark.parametrize(("change", "remains"), [
    ({"version": "v2"}, ["other"]), ({"labels": ("secret",)}, ["other"]), ({}, ["a", "other"]),
])  # fmt: skip
def test_memory_goes_when_what_it_cites_changes(
    state: State, change: dict[str, object], remains: list[str]
) -> None:
    number = generation(state)
    put(state, number, document("x"), document("y", id="b.txt"))
    for name, cited in (("a", ("b.txt", "a.txt")), ("other", ("b.txt",))):
        state.remember(
            MemoryRow(id=name, chat="c", question="q", answer="a", documents=cited, labels=(), created=1.0)
        )
    put(state, number, replace(document("x"), **change))  # type: ignore[arg-type]
    assert [entry.id for entry in state.memory()] == remains
    put(state, number, gone=(("b.txt", None),))
    assert state.memory() == []


def test_memory_is_kept_and_forgotten_by_chat(state: State) -> None:
    rows = [
        MemoryRow(
            id=str(n), chat=f"c{n % 2}", question="q?", answer="ä", documents=("d",), labels=("l",), created=n
        )
        for n in range(4)
    ]
    for row in rows:
        state.remember(row)
    assert state.memory() == rows
    assert [r.id for r in state.memory(chat="c1")] == ["1", "3"]
    assert [r.id for r in state.memory(["2", "3", "9"])] == ["2", "3"]
    assert state.memory([]) == []
    assert state.forget("c1") == ["1", "3"]
    assert [r.id for r in state.memory()] == ["0", "2"]
    assert state.forget() == ["0", "2"]


def test_altered_documents_are_found(state: State) -> None:
    put(state, generation(state), document("x"), document("y", id="b.txt"), document("z", id="c.txt"))
    with state.transaction() as db:
        db.execute("UPDATE documents SET title = 'other' WHERE id = 'a.txt'")
        db.execute("UPDATE documents SET body = x'00' WHERE id = 'b.txt'")
    assert [d for d, _ in state.damaged_documents()] == ["a.txt", "b.txt"]
    with pytest.raises(StorageError, match=r"b\.txt is damaged"):
        state.document("b.txt")


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def fail() -> None:
        with state.transaction() as db:
            db.execute("CREATE TABLE more (id)")
            db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StateDamaged, match="nowhere"):
        fail()
    assert state.select("SELECT name FROM sqlite_master WHERE name = 'more'") == []


def test_readers_work_beside_the_writer_and_threads_share_one(state: State, tmp_path: Path) -> None:
    put(state, generation(state), document("x"))
    with state.transaction() as db, State.open(tmp_path / "state.db") as reader:
        db.execute("DELETE FROM documents")
        assert reader.document_ids() == ["a.txt"]
    seen: list[list[str]] = []
    threads = [threading.Thread(target=lambda: seen.append(state.document_ids())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[]] * 8


@pytest.mark.parametrize("content", [b"not a database at all" * 400, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(StateDamaged, match=r"state\.db is damaged.*--repair"):
        State.open(path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State.open(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="schema 99"):
        State.open(path)


def test_an_unknown_document_says_what_to_do(state: State) -> None:
    with pytest.raises(StorageError, match=r"nothing\.txt: no such document.*loresmith sync"):
        state.document("nothing.txt")
    assert state.info("nothing.txt") is None
    assert state.summary("nothing.txt") == ""


def test_what_cannot_be_written_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with State.open(path) as state:
        state.put_items([item()])
    (tmp_path / "state.db-shm").symlink_to("/nowhere/at/all")  # as if nothing could be written
    with State.open(path) as state:
        assert list(state.items()) == ["a.txt"]
        with pytest.raises(StorageError, match="no permission to write"):
            state.put_items([item("b.txt")])


def test_an_unfinished_log_is_never_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State.open(path).close()
    (tmp_path / "state.db-wal").write_bytes(b"acknowledged")
    (tmp_path / "state.db-shm").symlink_to("/nowhere/at/all")
    with pytest.raises(StorageError):
        State.open(path)


def test_what_training_learns_from_is_kept_by_origin(state: State) -> None:
    rows = [("1", {"id": "1", "n": "ä\udc80"}), ("2", {"id": "2"}), ("2", {"id": "2"})]
    assert learning.put_examples(state, "a.csv", rows) == 2
    learning.put_examples(state, "b.csv", [("1", {"id": "1"})])
    assert [payload for _, payload in learning.examples(state, "a.csv")] == [rows[0][1], rows[1][1]]
    assert learning.put_examples(state, "a.csv", [("3", {"id": "3"})]) == 1
    assert learning.example_origins(state) == {"b.csv": 1, "a.csv": 1}
    assert learning.remove_examples(state, "b.csv") == 1
    assert [payload["id"] for _, payload in learning.examples(state)] == ["3"]


def test_feedback_comes_back_in_order(state: State) -> None:
    learning.put_feedback(state, FeedbackRow("b", {"question": "?"}, 2.0))
    learning.put_feedback(state, FeedbackRow("a", {"question": "!"}, 1.0))
    assert [row.id for row in learning.feedback(state)] == ["a", "b"]
    assert learning.remove_feedback(state, "a")
    assert not learning.remove_feedback(state, "a")


def test_a_state_of_the_version_before_gets_the_new_tables(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with State.open(path) as state:
        state.put_items([item()])
    with sqlite3.connect(path) as db:
        db.executescript("DROP TABLE examples; DROP TABLE feedback; PRAGMA user_version = 1")
    db.close()
    with State.open(path) as state:
        assert list(state.items()) == ["a.txt"]
        assert learning.put_examples(state, "a.csv", [("1", {"id": "1"})]) == 1
        assert learning.feedback(state) == []
