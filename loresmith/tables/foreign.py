"""Foreign keys that nobody declared: a column whose name points at another table and whose values are
all there.

`maintenance.pump` holds values of `pumps.pump`; `orders.customer_id` those of `customers.id`. Name,
type and values must agree, and the column that is pointed at must identify its rows.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache

from loresmith.tables.names import identifier
from loresmith.tables.values import Column, ForeignKey, Table

_KEY_WORDS = frozenset(
    """id nr no num number nummer code key sku uid uuid ref kennung kuerzel kürzel numero número codice
    codigo código numéro""".split()  # noqa: SIM905
)
_LARGE = 20_000
_FEW = 2
"""A key of fewer values says nothing: every 0/1 column would point at it."""
_FIRST = 30
"""Keys stand among the first columns."""


def names_a_key(name: str, table: str) -> bool:
    """Whether a column is called like the key of its table: "id", "part_no", "pump" in "pumps"."""
    words = _words(name)
    return bool(words) and (words[-1] in _KEY_WORDS or speaks_of(name, table))


def speaks_of(name: str, table: str) -> bool:
    """Whether a key's name says that it is of this table: "id", "pump" or "pump_no" in "pumps", "pid"."""
    words, own = _words(name), _words(table)
    bare = [word for word in words if word not in _KEY_WORDS]
    return bool(words) and (not bare or _joined(bare) == _joined(own) or _short(words, own))


def _short(words: Sequence[str], table: Sequence[str]) -> bool:
    """ "aid" of "author", "paperid" of "paper", "otid" of "order types"."""
    found = re.fullmatch(r"([a-z]+)(?:id|key|code|nr|no)", words[0]) if len(words) == 1 else None
    if found is None or not table:
        return False
    return _joined(table).startswith(found[1]) or found[1] == "".join(word[0] for word in table)


def find(
    db: sqlite3.Connection, tables: Sequence[Table], declared: Sequence[tuple[str, str, str, str]] = ()
) -> Iterator[tuple[Table, tuple[ForeignKey, ...]]]:
    """Every table whose foreign keys are others than noted, with those it has now.

    Args:
        declared: (identifier of the table, of the column, name of the other table, of its column), as
            the sources declare them.
    """
    keys = [
        (table, column)
        for table in tables
        for number, column in enumerate(table.columns)
        if column.key and column.distinct > _FEW and (number < _FIRST or column.sql in table.keys)
    ]
    for table in tables:
        kept = [
            key
            for sql, column, name, to_column in declared
            if sql == table.sql and (key := _resolved(table, column, name, to_column, tables)) is not None
        ]
        settled = {f.column for f in kept}
        found = [
            ForeignKey(column=column.sql, to_table=best[0].sql, to_column=best[1].sql)
            for column in table.columns
            if column.sql not in settled and (best := _target(db, table, column, keys)) is not None
        ]
        if (*kept, *found) != table.foreign:
            yield table, (*kept, *found)


def _resolved(
    table: Table, column: str, name: str, to_column: str, tables: Sequence[Table]
) -> ForeignKey | None:
    """A declared key, where the table that it names is there: in the same document or beside it."""
    folder = table.document.rpartition("/")[0]
    near = [t for t in tables if t.name == name and t.document.rpartition("/")[0] == folder]
    for other in sorted(near, key=lambda t: t.document != table.document):
        # The name of a column may have lost its unit; its identifier is made of the whole one.
        for target in other.columns:
            if to_column in (target.name, target.sql) or identifier(to_column) == target.sql:
                return ForeignKey(column=column, to_table=other.sql, to_column=target.sql, declared=True)
        if not to_column and len(other.keys) == 1:
            return ForeignKey(column=column, to_table=other.sql, to_column=other.keys[0], declared=True)
    return None


def _target(
    db: sqlite3.Connection, table: Table, column: Column, keys: Sequence[tuple[Table, Column]]
) -> tuple[Table, Column] | None:
    if column.type not in ("integer", "text") or not column.distinct:
        return None
    ranked = []
    for other, key in keys:
        if other.sql == table.sql or key.type != column.type or column.distinct > key.distinct:
            continue
        score = _alike(table, column, other, key)
        if score:
            ranked.append((-score, other.document != table.document, other.sql, key.sql, other, key))
    for *_, other, key in sorted(ranked, key=lambda r: r[:4]):
        if _holds(db, table, column, other, key):
            return other, key
    return None


def _alike(table: Table, column: Column, other: Table, key: Column) -> int:
    """How surely the name of `column` points at `key` of `other`; 0: it does not."""
    own, name, target = _words(column.name), _words(key.name), _words(other.name)
    if not own or not name:
        return 0
    bare = [word for word in own if word not in _KEY_WORDS]
    key_bare = [word for word in name if word not in _KEY_WORDS]
    about = _joined(target)
    if (
        column.key
        and table.rows >= other.rows
        and _joined(own) == _joined(name)
        and not names_a_key(key.name, other.name)
    ):
        return 0
    if key_bare and _joined(key_bare) != about:
        # pump -> pumps.pump; part_no -> parts.part_no: the same name, and it speaks of that table.
        return (
            3
            if own == name and names_a_key(key.name, other.name)
            else (
                1 if own == name and (len(own) > 1 or (key.sql in other.keys and key.type == "text")) else 0
            )
        )
    if bare and _joined(bare) == about:
        return 4
    if bare and (_joined(bare).endswith(about) or about.endswith(_joined(bare))) and len(_joined(bare)) > 2:
        # home_team_id -> teams.id; the table may have a longer name ("staff_technicians").
        return 2
    if own == name and not bare and key.type == "text":
        return 1 if key.sql in other.keys and not column.key else 0  # "code" of a table of codes
    return 2 if own == name and key_bare else 0


def _holds(db: sqlite3.Connection, table: Table, column: Column, other: Table, key: Column) -> bool:
    inside = f"SELECT {key.sql} FROM {other.sql}"
    if (
        table.rows > _LARGE
        and not db.execute(
            f"SELECT COUNT(*) = 0 FROM (SELECT {column.sql} AS v FROM {table.sql} LIMIT 1000) "
            f"WHERE v IS NOT NULL AND v NOT IN ({inside})"
        ).fetchone()[0]
    ):
        return False
    found = db.execute(
        f"SELECT 1 FROM {table.sql} WHERE {column.sql} IS NOT NULL AND {column.sql} NOT IN ({inside}) LIMIT 1"
    ).fetchone()
    return found is None


@lru_cache(maxsize=8192)
def _words(name: str) -> tuple[str, ...]:
    """The words of a name, in the singular: "PumpIDs" -> "pump", "id"."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(_singular(word) for word in identifier(split).split("_") if word)


def _singular(word: str) -> str:
    if len(word) <= 3 or word.endswith("ss"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if word.endswith("en") and len(word) > 5:
        return word[:-1].removesuffix("e")
    return word.removesuffix("s")


def _joined(words: Sequence[str]) -> str:
    return "".join(words)
