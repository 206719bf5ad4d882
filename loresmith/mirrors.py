"""A mirror: the copy of one table of a database, as `sync` last read it.

    .loresmith/sources/<source>/<table>.db     the rows (SQLite): rows(n, key, place, cells)
    .loresmith/sources/<source>/<table>.json   the card: what the table is, and the hash of its rows

The card's bytes follow from schema and rows alone, so their hash is the document's version: a table
that did not change is neither parsed nor imported again. It is written last, in one rename.
`cells` is a JSON list of the values as the database wrote them as text (SQLite's own: as they are).
Known to the side that writes (sources) and to the sides that read (parsing, tables).
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEDIA_TYPE = "application/vnd.loresmith.table"

SCHEMA = """
CREATE TABLE rows (n INTEGER PRIMARY KEY, key TEXT UNIQUE, place TEXT, cells TEXT NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT);
"""

Value = int | float | bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorColumn:
    """A column: `type` is one of tables.values.ColumnType, or "" where the rows must show it."""

    name: str
    declared: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a mirror holds.

    Attributes:
        database: name of the database.  table: of the table; with its schema where that is not the
            default one ("sales.parts").
        key: names of the columns of the primary key; () where there is none: then rows are numbered.
        foreign: (column, table, column) as the database declares them.
        rows: how many.  content: a hash of all rows, whatever their order.
        notes: what a person should know about how they were read.
    """

    database: str
    table: str
    columns: tuple[MirrorColumn, ...]
    key: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str, str], ...] = ()
    comment: str = ""
    rows: int = 0
    content: str = ""
    notes: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Card:
        """Raises ValueError, KeyError or TypeError where it is no card."""
        raw: dict[str, Any] = json.loads(data)
        raw["columns"] = tuple(MirrorColumn(**column) for column in raw["columns"])
        raw["foreign"] = tuple((a, b, c) for a, b, c in raw["foreign"])
        return cls(**raw | {name: tuple(raw[name]) for name in ("key", "notes")})

    @property
    def textual(self) -> bool:
        """Whether some column holds words: then its rows are worth finding by meaning."""
        return any(column.type == "text" for column in self.columns)


def rows_path(card: Path) -> Path:
    """The file of the rows, from the path of the card."""
    return card.with_suffix(".db")


def connect(path: Path) -> sqlite3.Connection:
    """The rows, read-only."""
    return sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)


def rows(card: Path, limit: int | None = None) -> Iterator[tuple[int, str | None, list[Any]]]:
    """(number, place, cells as stored), in order."""
    with closing(connect(rows_path(card))) as connection:
        found = connection.execute("SELECT n, place, cells FROM rows ORDER BY n LIMIT ?", (limit or -1,))
        for n, place, cells in found:
            yield n, place, json.loads(cells)


def value(cell: Any, kind: str) -> Value:
    """A stored cell as a value of its column's type; None where it is none."""
    if cell is None or kind in ("", "text"):
        return cell if isinstance(cell, int | float | str) else None
    if kind == "boolean":
        return str(cell).lower() in ("true", "t", "1")
    if kind == "integer":
        # Beyond 64 bits no store holds it as a whole number.
        number = int(cell)
        return number if -(2**63) <= number < 2**63 else float(number)
    if kind == "real":
        return float(cell)
    text = str(cell).replace("T", " ")
    return text[: {"date": 10, "datetime": 19, "time": 8}[kind]]


def shown(cell: Any, kind: str) -> str:
    """A stored cell as the rows' text says it: numbers with the digits that the database gave."""
    if cell is None:
        return ""
    if kind in ("date", "datetime", "time"):
        return str(value(cell, kind))
    if kind == "boolean":
        return "true" if value(cell, kind) else "false"
    return repr(cell) if isinstance(cell, float) else str(cell)


def digest(cells: str) -> int:
    """Hash of one row's cells; a table's is the sum of its rows', so that their order is no matter."""
    return int.from_bytes(hashlib.blake2b(cells.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def total(value: int) -> str:
    return f"{value % 2**128:032x}"


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump(cells: Sequence[Any]) -> str:
    return _encode(cells)


def _quoted(path: Path) -> str:
    return os.fspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
