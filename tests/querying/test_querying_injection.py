"""Attempts to get more out of a query than it may give: none of the corpus succeeds.

And the other way round: without the guard the same attempts do succeed, so that the harness can tell.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from loresmith.errors import QueryFailed
from loresmith.querying.execute import Limits
from tests.querying import attempts
from tests.querying.attempts import World

CORPUS = attempts.corpus()
KINDS = sorted({item["kind"] for item in CORPUS})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return attempts.make(tmp_path_factory.mktemp("attempts") / "world")


@pytest.fixture(autouse=True)
def elsewhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path that an attempt writes to is seen."""
    monkeypatch.chdir(world.folder)


def test_the_corpus_is_large_and_every_attempt_says_what_success_would_be() -> None:
    assert len(CORPUS) >= 200
    assert len({item["id"] for item in CORPUS}) == len(CORPUS)
    assert all(item["success"] for item in CORPUS)
    texts = Counter(
        attempts.spelled(item, Path()) + str(item.get("plan", "")) + item["kind"] for item in CORPUS
    )
    assert [text for text, count in texts.items() if count > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_attempt_succeeds(world: World, kind: str) -> None:
    """Attempts that run into the limits of `ask`, which are seconds, are benchmarks/injection.py's."""
    items = [item for item in CORPUS if item["kind"] == kind and not item.get("slow")]
    reports = list(attempts.attempts(items, world, Limits(seconds=0.1, memory_mb=128)))
    assert len(reports) == len(items)
    assert [(r.id, r.harms) for r in reports if r.harms] == []


@contextmanager
def unguarded(path: Path, *_: Any, **__: Any) -> Iterator[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:

        def query(sql: str, most: int) -> list[tuple[object, ...]]:
            try:
                return db.execute(sql).fetchmany(most)
            except sqlite3.Error as error:
                raise QueryFailed(str(error)) from None

        yield query


@pytest.mark.parametrize(
    ("sql", "harm"),
    [
        ("DELETE FROM pumps", "changed the store"),
        ("PRAGMA user_version=7", "changed the store"),
        ("SELECT salary FROM salaries", "told 70001"),
        ("SELECT name FROM sqlite_master", "told the name of a hidden table"),
        ("SELECT sql FROM sqlite_master WHERE name = 'parts'", "told how the store is made"),
        ("SELECT json FROM _catalog", "told the name of a hidden table"),
        ("VACUUM INTO 'loot.db'", "made a file"),
        ("ATTACH 'loot.db' AS s", "made a file"),
        ("SELECT RANDOMBLOB(40000000)", "took"),
        ("SELECT COUNT(*) FROM events AS a, events AS b WHERE a.name > b.name", "took"),
    ],
)
def test_without_the_guard_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, harm: str
) -> None:
    world = attempts.make(tmp_path / "world")
    monkeypatch.chdir(world.folder)
    monkeypatch.setattr(attempts, "guarded", unguarded)
    monkeypatch.setattr(attempts, "_SLACK", 0.0)
    item = {"id": "x", "kind": "statement", "goal": "x", "text": sql}
    (report,) = attempts.attempts([item], world, Limits(seconds=0.01, memory_mb=128))
    assert any(found.startswith(harm) for found in report.harms), report
