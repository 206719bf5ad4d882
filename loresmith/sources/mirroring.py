"""One table of a database, copied into its mirror: whole, or only what is new.

Promises: the mirror is the old state or the new, never between; memory stays flat; what is unchanged
leaves the card's bytes as they were. By a `since` column the newer rows are read, and the keys and
times of all rows are compared, so that deleted rows go and rows that came in with an old time are found.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from loresmith import mirrors
from loresmith.mirrors import Card, Value
from loresmith.sources.columns import Seen, column_of, settle, tidy
from loresmith.sources.description import Source, some
from loresmith.sources.statements import BATCH, bound_of, highest, select, table_of
from loresmith.workspace import write_atomic

FETCH = 200
"""Rows that are asked for by their keys in one statement."""


def bring_up(connection: Any, source: Source, card_path: Path) -> None:
    """Bring the mirror of a table up to date, within a transaction. Errors of the database go through."""
    path = mirrors.rows_path(card_path)
    before = _known(path)
    alike = before is not None and all(before[n] == v for n, v in _identity(source).items())
    incremental = before is not None and alike and source.since and before["last"] is not None
    if not (incremental and _newer(connection, source, path, before or {})):
        try:
            _whole(connection, source, path, before)
        except sqlite3.IntegrityError:
            # SQLite lets a primary key be empty: such a one names no row.
            _whole(connection, replace(source, key=()), path, before)
    _publish(path, card_path)


def _identity(source: Source) -> dict[str, Any]:
    """What a mirror must have been made from to be carried on."""
    return {"schema": source.schema_text, "since": source.since}


def _known(path: Path) -> dict[str, Any] | None:
    """The meta values of a mirror; None where there is none that can be used."""
    if not path.is_file():
        return None
    try:
        with closing(mirrors.connect(path)) as mirror:
            found = dict(mirror.execute("SELECT name, value FROM meta"))
            return {name: json.loads(found[name]) for name in ("card", "schema", "since", "last", "seen")}
    except (sqlite3.Error, KeyError, ValueError):
        return None  # damaged: read anew


def _publish(path: Path, card_path: Path) -> None:
    """Write the card that belongs to the rows, if it is another; the last step of each change."""
    with closing(mirrors.connect(path)) as mirror:
        content = _card(mirror).to_bytes()
    if not card_path.is_file() or card_path.read_bytes() != content:
        write_atomic(card_path, content)


# --- the whole table ----------------------------------------------------------------------------------


def _whole(connection: Any, source: Source, path: Path, before: dict[str, Any] | None) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as mirror:
            mirror.execute("PRAGMA journal_mode = OFF")
            mirror.execute("PRAGMA synchronous = OFF")
            mirror.executescript(mirrors.SCHEMA)
            mirror.execute("BEGIN")
            last = highest(connection, source)
            seen = [Seen() for _ in source.reading.columns]
            total = 0
            for batch in _batches(select(connection, source, ordered=True)):
                rows = [_row(source, values, seen) for values in batch]
                total += sum(mirrors.digest(cells) for _, _, cells in rows)
                mirror.executemany("INSERT INTO rows (key, place, cells) VALUES (?, ?, ?)", rows)
            _remember(mirror, source, seen, total, last, before)
            mirror.execute("COMMIT")
            content = _card(mirror).content
        alike = before is not None and all(before[n] == v for n, v in _identity(source).items())
        if before is not None and alike and Card.from_bytes(before["card"].encode()).content == content:
            return  # the same rows: what is there stays, and so does their order
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _row(source: Source, values: Sequence[Any], seen: Sequence[Seen]) -> tuple[str | None, str | None, str]:
    """(key, place, cells) of a row as the mirror holds it."""
    cells = list(values)
    for at in source.checked:
        cells[at] = tidy(source.reading.columns[at], cells[at], seen[at])
    if not source.key:
        return None, None, mirrors.dump(cells)
    key = [cells[at] for at in source.key_positions]
    return mirrors.dump(key), " / ".join(str(part) for part in key), mirrors.dump(cells)


def _remember(
    mirror: sqlite3.Connection,
    source: Source,
    seen: Sequence[Seen],
    total: int,
    last: Value,
    before: dict[str, Any] | None,
) -> None:
    columns = tuple(settle(c, s) for c, s in zip(source.reading.columns, seen, strict=True))
    notes = [*source.reading.notes, *_changed(before, source)]
    for column, state in zip(columns, seen, strict=True):
        if state.odd:
            notes.append(
                f"{state.odd} values of {column.name} were left empty: they cannot be kept ({state.example})"
            )
    if source.since and not source.key:
        notes.append(f"it has no primary key: by {source.since} only added rows are seen")
    (rows,) = mirror.execute("SELECT count(*) FROM rows").fetchone()
    card = replace(
        source.card(), columns=columns, rows=rows, content=mirrors.total(total), notes=tuple(notes)
    )
    _write_meta(mirror, card, source, last, seen)


def _write_meta(
    mirror: sqlite3.Connection, card: Card, source: Source, last: Value, seen: Sequence[Seen]
) -> None:
    values = {
        "card": card.to_bytes().decode(),
        "schema": source.schema_text,
        "since": source.since,
        "last": last,
        "seen": [asdict(state) for state in seen],
    }
    mirror.executemany("REPLACE INTO meta VALUES (?, ?)", [(k, json.dumps(v)) for k, v in values.items()])


def _changed(before: dict[str, Any] | None, source: Source) -> Iterator[str]:
    """That the columns are others than at the last sync, in words."""
    if before is None or before["schema"] == source.schema_text:
        return
    old = {c["name"]: c["declared"] for c in json.loads(before["schema"])["columns"]}
    new = {c.name: c.declared for c in source.reading.columns}
    parts = [
        f"{word}: {some(names)}"
        for word, names in (
            ("new", [n for n in new if n not in old]),
            ("gone", [n for n in old if n not in new]),
            ("of another type", [n for n in new if n in old and new[n] != old[n]]),
        )
        if names
    ]
    if parts:
        yield f"its columns changed since an earlier sync ({'; '.join(parts)}): it was read anew"


# --- only what is new ---------------------------------------------------------------------------------


def _newer(connection: Any, source: Source, path: Path, before: dict[str, Any]) -> bool:
    """Read what is newer than `before["last"]`; False where the whole table must be read after all."""
    last = highest(connection, source)
    if last is None:
        return False
    with closing(sqlite3.connect(path, isolation_level=None)) as mirror:
        mirror.execute("BEGIN IMMEDIATE")
        try:
            card = _card(mirror)
            seen = [Seen(**state) for state in before["seen"]]
            odd = sum(state.odd for state in seen)
            total = int(card.content, 16)
            if source.key:
                outcome = _by_key(connection, source, mirror, before["last"], seen)
            else:
                outcome = _appended(connection, source, mirror, before["last"], seen)
            settled = tuple(settle(c, s) for c, s in zip(source.reading.columns, seen, strict=True))
            # A column that turns out to be of another type, or a value that cannot be kept, is said on
            # the card: that is for a whole reading.
            if outcome is None or settled != card.columns or sum(state.odd for state in seen) != odd:
                mirror.execute("ROLLBACK")
                return False
            (rows,) = mirror.execute("SELECT count(*) FROM rows").fetchone()
            content = mirrors.total(total + outcome)
            new = replace(card, rows=rows, content=content)
            if new != card or last != before["last"]:
                _write_meta(mirror, new, source, last, seen)
            mirror.execute("COMMIT")
        except BaseException:
            if mirror.in_transaction:
                mirror.execute("ROLLBACK")
            raise
    return True


def _by_key(
    connection: Any, source: Source, mirror: sqlite3.Connection, last: Value, seen: Sequence[Seen]
) -> int | None:
    """The change of the hash; None where so much is missing that the whole is read faster."""
    change = sum(
        _put(mirror, _row(source, values, seen)) for values in select(connection, source, newer_than=last)
    )
    since = source.position(source.since or "")
    positions = list(dict.fromkeys([*source.key_positions, since]))
    keys, moment = [positions.index(at) for at in source.key_positions], positions.index(since)
    checked, blank = [n for n, at in enumerate(positions) if at in source.checked and n in keys], Seen()
    (most,) = mirror.execute("SELECT max(n) FROM rows").fetchone()
    there = bytearray((most or 0) // 8 + 1)  # a bit for each row, so that a million of them are 125 kB
    lookup = f"SELECT n, json_extract(cells, '$[{since}]') FROM rows WHERE key = ?"
    wanted: list[list[Value]] = []
    for values in select(connection, source, only=positions):
        cells = list(values)
        for at in checked:
            cells[at] = tidy(source.reading.columns[positions[at]], cells[at], blank)
        key = [cells[at] for at in keys]
        known = mirror.execute(lookup, (mirrors.dump(key),)).fetchone()
        if known is not None:
            there[known[0] >> 3] |= 1 << (known[0] & 7)
        if known is None or known[1] != cells[moment]:
            # It came in with an old time, or went and came back with another.
            wanted.append(key)
            if len(wanted) > max(5 * BATCH, (most or 0) // 5):
                return None
    gone = [(n,) for (n,) in mirror.execute("SELECT n FROM rows") if not there[n >> 3] & 1 << (n & 7)]
    for row in gone:
        change -= mirrors.digest(mirror.execute("SELECT cells FROM rows WHERE n = ?", row).fetchone()[0])
    mirror.executemany("DELETE FROM rows WHERE n = ?", gone)
    for start in range(0, len(wanted), FETCH):
        for values in select(connection, source, of_keys=wanted[start : start + FETCH]):
            change += _put(mirror, _row(source, values, seen))
    return change


def _put(mirror: sqlite3.Connection, row: tuple[str | None, str | None, str]) -> int:
    """Insert or replace a row by its key; the change of the hash."""
    key, _, cells = row
    old = mirror.execute("SELECT cells FROM rows WHERE key = ?", (key,)).fetchone()
    if old is None:
        mirror.execute("INSERT INTO rows (key, place, cells) VALUES (?, ?, ?)", row)
        return mirrors.digest(cells)
    if old[0] != cells:
        mirror.execute("UPDATE rows SET cells = ? WHERE key = ?", (cells, key))
    return mirrors.digest(cells) - mirrors.digest(old[0])


def _appended(
    connection: Any, source: Source, mirror: sqlite3.Connection, last: Value, seen: Sequence[Seen]
) -> int | None:
    """Without a key: rows after `last` are added, if as many as before lie up to it."""
    import sqlalchemy as sa

    column: Any = column_of(source.since or "")
    up_to = sa.or_(column <= bound_of(connection, source, last), column.is_(None))
    there = connection.execute(sa.select(sa.func.count()).select_from(table_of(source)).where(up_to)).scalar()
    (rows,) = mirror.execute("SELECT count(*) FROM rows").fetchone()
    if there != rows:
        return None
    change = 0
    for values in select(connection, source, newer_than=last, strictly=True):
        row = _row(source, values, seen)
        mirror.execute("INSERT INTO rows (key, place, cells) VALUES (?, ?, ?)", row)
        change += mirrors.digest(row[2])
    return change


def _card(mirror: sqlite3.Connection) -> Card:
    (text,) = mirror.execute("SELECT value FROM meta WHERE name = 'card'").fetchone()
    return Card.from_bytes(json.loads(text).encode())


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
