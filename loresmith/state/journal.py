"""The journal: how the index and state.db come to hold the same batch, or neither does.

    stage   what will be true stands in the staged tables, beside the index's version of now
    ...     the index commits, which moves its version
    finish  one transaction moves the staged rows in

After a kill, whoever opens for writing asks `pending`: if the index has moved past the version,
`finish`, else `drop`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from loresmith.errors import StorageError
from loresmith.state import tables
from loresmith.state.database import State
from loresmith.state.values import Batch, FileRow


def stage(state: State, batch: Batch, store_version: int) -> None:
    """Write down what will be true once the index has moved past `store_version`."""
    with state.transaction() as db:
        if db.execute("SELECT 1 FROM journal").fetchone():
            raise StorageError(f"{state.path}: an earlier batch is unfinished.", "Run `loresmith sync`.")
        db.execute("INSERT INTO journal VALUES (?, ?)", (batch.generation, store_version))
        tables.insert_items(db, "staged_items", batch.items)
        marks = ",".join("?" * 17)
        db.executemany(
            f"INSERT INTO staged_documents ({tables.DOCUMENT}) VALUES ({marks})",
            (tables.document_row(*entry) for entry in batch.documents),
        )
        db.executemany(
            "INSERT INTO staged_indexed VALUES (?, ?, ?, ?)",
            [(batch.generation, d, recipe, len(rows)) for d, (recipe, rows) in batch.ledger.items()],
        )
        db.executemany(
            "INSERT INTO staged_passages VALUES (?, ?, ?, ?, ?, ?)",
            (
                (batch.generation, d, r.id, r.text, r.row, r.vector)
                for d, (_, rows) in batch.ledger.items()
                for r in rows
            ),
        )
        gone = [*batch.gone, *((d, "") for d in batch.unindexed)]
        db.executemany("INSERT INTO staged_gone VALUES (?, ?)", gone)


def pending(state: State) -> tuple[int, int] | None:
    """(generation, store version) of an unfinished batch."""
    rows = state.select("SELECT generation, store_version FROM journal")
    return (rows[0][0], rows[0][1]) if rows else None


def finish(state: State, files: Sequence[FileRow] = ()) -> None:
    """Acknowledge the staged batch. `files` are the index's new files, already on disk."""
    with state.transaction() as db:
        generation = db.execute("SELECT generation FROM journal").fetchone()[0]
        _move_in(db, generation)
        tables.insert_files(db, generation, files)
        db.execute("UPDATE generations SET behind = 1 WHERE id = ?", (generation,))
        _clear_journal(db)


def drop(state: State) -> None:
    """Forget a batch the index never committed."""
    with state.transaction() as db:
        _clear_journal(db)


def _move_in(db: sqlite3.Connection, generation: int) -> None:
    # Memory that rests on a document which went or changed must not answer any more.
    db.execute(
        "DELETE FROM memory WHERE id IN (SELECT memory FROM memory_documents WHERE document IN ("
        " SELECT document FROM staged_gone WHERE item IS NOT '' UNION"
        " SELECT s.id FROM staged_documents s JOIN documents d ON d.id = s.id"
        "  WHERE d.version != s.version OR d.labels != s.labels))"
    )
    for table in ("indexed", "passages"):
        # What leaves the workspace leaves every generation's ledger; what is re-indexed, this one's.
        db.execute(
            f"DELETE FROM {table} WHERE document IN (SELECT document FROM staged_gone WHERE item IS NOT '')"
        )
        db.execute(
            f"DELETE FROM {table} WHERE generation = ? AND document IN"
            " (SELECT document FROM staged_gone UNION SELECT document FROM staged_indexed)",
            (generation,),
        )
    db.execute("DELETE FROM documents WHERE id IN (SELECT document FROM staged_gone WHERE item IS NOT '')")
    db.execute("DELETE FROM items WHERE id IN (SELECT item FROM staged_gone)")
    for table in tables.STAGED:
        db.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM staged_{table}")


def _clear_journal(db: sqlite3.Connection) -> None:
    for table in (*(f"staged_{name}" for name in tables.STAGED), "staged_gone", "journal"):
        db.execute(f"DELETE FROM {table}")
