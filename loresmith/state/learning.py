"""What training learns from, in state.db: examples by where they come from, and feedback.

An origin ("documents", or the path of an imported file) owns its examples: putting them anew
replaces those it had, so that a file imported twice or a dataset built twice is there once.
Payloads are JSON objects whose meaning belongs to dataset/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loresmith.state.database import State
from loresmith.state.values import FeedbackRow


def put_examples(state: State, origin: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
    """Replace the examples of `origin` by (id, payload) rows, the first of each id; returns how many
    it has now."""
    with state.transaction() as db:
        db.execute("DELETE FROM examples WHERE origin = ?", (origin,))
        db.executemany(
            "INSERT OR IGNORE INTO examples VALUES (?, ?, ?)",
            ((origin, key, json.dumps(payload, separators=(",", ":"))) for key, payload in rows),
        )
        return int(db.execute("SELECT count(*) FROM examples WHERE origin = ?", (origin,)).fetchone()[0])


def examples(state: State, origin: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(origin, payload) in the order in which they were put."""
    if not _has_tables(state):
        return
    sql = "SELECT origin, payload FROM examples WHERE ?1 IS NULL OR origin = ?1 ORDER BY rowid"
    for owner, payload in state.select(sql, (origin,)):
        yield owner, json.loads(payload)


def example_origins(state: State) -> dict[str, int]:
    """Origin to the number of its examples."""
    if not _has_tables(state):
        return {}
    return dict(state.select("SELECT origin, count(*) FROM examples GROUP BY origin ORDER BY min(rowid)"))


def remove_examples(state: State, origin: str) -> int:
    """Forget the examples of `origin`; returns how many there were."""
    with state.transaction() as db:
        return db.execute("DELETE FROM examples WHERE origin = ?", (origin,)).rowcount


def put_feedback(state: State, row: FeedbackRow) -> None:
    with state.transaction() as db:
        payload = json.dumps(dict(row.payload), separators=(",", ":"))
        db.execute("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)", (row.id, payload, row.created))


def feedback(state: State) -> list[FeedbackRow]:
    """Every verdict, oldest first."""
    if not _has_tables(state):
        return []
    rows = state.select("SELECT id, payload, created FROM feedback ORDER BY created, rowid")
    return [FeedbackRow(key, json.loads(payload), created) for key, payload, created in rows]


def remove_feedback(state: State, key: str) -> bool:
    """Whether there was one of that id."""
    with state.transaction() as db:
        return db.execute("DELETE FROM feedback WHERE id = ?", (key,)).rowcount > 0


def _has_tables(state: State) -> bool:
    # A file of an older version that can only be read has not got them.
    return bool(state.select("SELECT 1 FROM sqlite_master WHERE name = 'feedback'"))
