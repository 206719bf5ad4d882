"""Parquet and SQLite files: their tables with the types and keys they declare, and the first rows as text.

`parquet_tables` and `sqlite_tables` give every row, for the store of tables; `read_parquet` and
`read_sqlite` give the document: its table names, columns and the rows that hold words.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft
from loresmith.parsing.tables import Cell, named_row, plain_row
from loresmith.parsing.tabular import too_many

_BATCH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Columnar:
    """A table of such a file.

    Attributes:
        columns: (name, type as tables.values.ColumnType names it or "", unit or comment).
        key: names of the columns of the primary key.  foreign: (column, table, column).
        rows: (number or key, cells), read as they are taken.
    """

    name: str
    columns: tuple[tuple[str, str, str], ...]
    rows: Iterator[tuple[int | str, Sequence[Any]]]
    count: int
    key: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str, str], ...] = ()


# --- Parquet ----------------------------------------------------------------------------------


def parquet_tables(source: Path | bytes, name: str) -> Iterator[Columnar]:
    """The one table of a Parquet file.

    Raises:
        ParseError: damaged or encrypted.
    """
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    handle = pyarrow.BufferReader(source) if isinstance(source, bytes) else str(source)
    try:
        file = parquet.ParquetFile(handle, memory_map=False, pre_buffer=False)
        schema = file.schema_arrow
    except (pyarrow.ArrowException, OSError) as error:
        raise ParseError(f"damaged Parquet file: {_line(error)}.", "Write it again.") from error
    columns = tuple((field.name, _arrow_type(field.type), _comment(field)) for field in schema)

    def rows() -> Iterator[tuple[int | str, Sequence[Any]]]:
        number = 0
        with closing(file):
            try:
                for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
                    lists = [_plain(column) for column in batch.columns]
                    for cells in zip(*lists, strict=True) if lists else ():
                        number += 1
                        yield number, cells
            except (pyarrow.ArrowException, OSError) as error:
                raise ParseError(f"damaged Parquet file: {_line(error)}.", "Write it again.") from error

    yield Columnar(name=name, columns=columns, rows=rows(), count=file.metadata.num_rows)


def _arrow_type(kind: Any) -> str:
    from pyarrow import types

    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "real"
    if types.is_date(kind):
        return "date"
    if types.is_timestamp(kind):
        return "datetime"
    if types.is_time(kind):
        return "time"
    return "text" if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind) else ""


def _comment(field: Any) -> str:
    raw = (field.metadata or {}).get(b"comment") or (field.metadata or {}).get(b"description") or b""
    return raw.decode("utf-8", errors="replace")[:300]


def _plain(column: Any) -> list[Any]:
    """The values of a column; a moment beyond Python's calendar or nanoseconds become text."""
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return [None if value is None else str(value) for value in column.cast(pyarrow.string()).to_pylist()]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160].rstrip(".")


# --- SQLite -----------------------------------------------------------------------------------


def sqlite_tables(source: Path | bytes, name: str = "") -> Iterator[Columnar]:
    """The user's tables of an SQLite file, in the order of their names. Its views, virtual tables and
    triggers are never run.

    Raises:
        ParseError: damaged, or no database.
    """
    try:
        with closing(_opened(source)) as db:
            listed = db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' "
                "AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name COLLATE NOCASE"
            ).fetchall()
            shadows = _shadows(db)
            for (table,) in listed:
                if table not in shadows:
                    yield _sqlite_table(db, table)
    except sqlite3.Error as error:
        raise _damaged(error) from error


def _damaged(error: sqlite3.Error) -> ParseError:
    return ParseError(
        f"damaged SQLite database: {_line(error)}.", "Copy it while no program is writing to it."
    )


def _opened(source: Path | bytes) -> sqlite3.Connection:
    if isinstance(source, bytes):
        db = sqlite3.connect(":memory:")
        # A database in memory keeps no log: the two bytes that ask for one say so.
        db.deserialize(source[:18] + b"\x01\x01" + source[20:])
    else:
        # What is read is what was hashed: the file alone, whoever has it open or locked.
        db = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        db.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        db.execute("PRAGMA query_only=ON")
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
    except BaseException:
        db.close()
        raise
    return db


def _shadows(db: sqlite3.Connection) -> set[str]:
    """The tables in which virtual tables (full text) keep their own data."""
    virtual = [
        row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'")
    ]
    everything = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table for table in everything for name in virtual if table.startswith(f"{name}_")}


def _sqlite_table(db: sqlite3.Connection, table: str) -> Columnar:
    quoted = _quoted(table)
    info = db.execute(f"PRAGMA table_info({quoted})").fetchall()
    columns = tuple((row[1], _sqlite_type(row[2]), "") for row in info)
    keyed = sorted((row[5], row[1]) for row in info if row[5])
    key = tuple(name for _, name in keyed)
    foreign = tuple(
        (row[3], row[2], row[4] or "")
        for row in db.execute(f"PRAGMA foreign_key_list({quoted})").fetchall()
        if row[1] == 0
    )
    count = db.execute(f"SELECT COUNT(*) FROM {quoted}").fetchone()[0]
    places = [n for n, row in enumerate(info) if row[1] in key]

    def rows() -> Iterator[tuple[int | str, Sequence[Any]]]:
        shown = ", ".join(_quoted(row[1]) for row in info)
        try:
            for number, cells in enumerate(db.execute(f"SELECT {shown} FROM {quoted}"), start=1):
                yield (", ".join(str(cells[n]) for n in places) if places else number), cells
        except sqlite3.Error as error:
            raise _damaged(error) from error

    return Columnar(name=table, columns=columns, rows=rows(), count=count, key=key, foreign=foreign)


def _sqlite_type(declared: str) -> str:
    """What a column of a dynamic database surely is; "" where its cells must show it."""
    kind = declared.upper()
    if "BOOL" in kind:
        return "boolean"
    return "text" if any(word in kind for word in ("CHAR", "TEXT", "CLOB", "UUID")) else ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# --- as documents -----------------------------------------------------------------------------


def read_parquet(data: bytes, settings: ParsingSection, **_: Any) -> Draft:
    draft = Draft()
    for table in parquet_tables(data, ""):
        _add(draft, table, settings.rows)
    return draft


def read_sqlite(data: bytes, settings: ParsingSection, **_: Any) -> Draft:
    draft = Draft()
    for table in sqlite_tables(data):
        draft.add("heading", table.name, level=1)
        _add(draft, table, settings.rows)
    if draft.empty:
        draft.warn("holds no tables")
    return draft


def _add(draft: Draft, table: Columnar, limit: int) -> None:
    """The names of the columns and, where some column holds words, the rows."""
    names = [name for name, _, _ in table.columns]
    identifier = table.name or draft.next_table()
    draft.add("row", plain_row([Cell(name) for name in names]), header=True, table=identifier)
    first = list(islice(table.rows, limit))
    if not any(_is_word(cell) for _, cells in first[:200] for cell in cells):
        return
    for place, cells in first:
        where = {"row": place} if isinstance(place, int) else {"key": place}
        texts = [Cell(_shown(cell)) for cell in cells]
        draft.add("row", named_row(names, texts), table=identifier, **where)
    if table.count > len(first):
        draft.warn(too_many(len(first), table.count, f"table {table.name!r}" if table.name else ""))


def _is_word(cell: Any) -> bool:
    return isinstance(cell, str) and any(c.isalpha() for c in cell)


def _shown(cell: Any) -> str:
    if cell is None or isinstance(cell, bytes | bytearray):
        return ""
    if isinstance(cell, float):
        return f"{cell:.15g}"
    return str(cell)
