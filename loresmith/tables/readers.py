"""Files to raw tables: CSV and TSV, JSON and JSON lines, Parquet, SQLite (XLSX: sheets.py).

Runs in the limited process (worker.py). Rows are read as they are taken, so a file of a million rows
needs no more memory than one of a thousand; only JSON in one piece is read whole.
"""

from __future__ import annotations

import codecs
import csv
import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from loresmith.errors import ParseError
from loresmith.parsing import columnar, detect
from loresmith.parsing.tabular import find_delimiter
from loresmith.parsing.textual import decode
from loresmith.tables import headers
from loresmith.tables.loading import unnamed
from loresmith.tables.values import ColumnType, RawColumn, RawRow, RawTable

Source = Iterator[tuple[RawTable, Iterator[RawRow]]]
_CHUNK = 1 << 20
_SAMPLE = 4 * 2**20
_PROSE = 400
"""Characters of a mean text from which records are documents and not data."""
_FLAT_DEPTH = 2


def read(path: Path, name: str, media_type: str) -> Source:
    """The tables of a file, one after the other; each one's rows are to be read before the next.

    Args:
        name: of the document, for tables that have none of their own.

    Raises:
        ParseError: it cannot be read.
    """
    stem = posixpath.splitext(posixpath.basename(name))[0]
    if media_type == detect.CSV:
        yield from _csv(path, stem)
    elif media_type == detect.JSONL:
        yield from _jsonl(path, stem)
    elif media_type == detect.JSON:
        yield from _json(path, stem)
    elif media_type == detect.XLSX:
        from loresmith.tables.sheets import read as read_sheets

        yield from read_sheets(path, stem)
    elif media_type == detect.PARQUET:
        yield from _columnar(columnar.parquet_tables(path, stem))
    elif media_type == detect.SQLITE:
        yield from _columnar(columnar.sqlite_tables(path))


def named(names: Sequence[str]) -> tuple[RawColumn, ...]:
    """Columns of these names; one without a name is numbered."""
    return tuple(RawColumn(name=name.strip() or unnamed(n)) for n, name in enumerate(names, 1))


# --- CSV --------------------------------------------------------------------------------------


def _csv(path: Path, stem: str) -> Source:
    encoding = encoding_of(path)
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        sample = file.read(1 << 16)
        file.seek(0)
        csv.field_size_limit(2**31 - 1)
        delimiter = find_delimiter(sample.replace("\r\n", "\n").replace("\r", "\n"))
        records = _records(file, delimiter)
        first = list(islice(records, headers.LOOKED_AT))
        if first and len(first[0][1]) == 1 and first[0][1][0].startswith("sep="):
            first = first[1:]
        if not first:
            return
        head = headers.find([row for _, row in first])
        names = head.names
        if not any(len(row) > 1 for _, row in first):
            return  # lines of text with an ending that says otherwise
        table = RawTable(name=stem, columns=named(names), caption=head.caption, name_hint=stem)
        yield table, chain(iter(first[head.start :]), records)


def _records(file: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, with their numbers."""
    lines = (line.replace("\0", "") for line in file)
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter, strict=False), start=1):
            if any(row) and any(cell.strip() for cell in row):
                yield number, row
    except csv.Error as error:
        raise ParseError(f"not readable as CSV: {error}.", "Check its quotes.") from error


def encoding_of(path: Path) -> str:
    """The encoding that `decode` would find, without holding a large file."""
    with open(path, "rb") as file:
        head = file.read(_SAMPLE)
        if len(head) < _SAMPLE:
            return decode(head)[1]
        decoder = codecs.getincrementaldecoder("utf-8")()
        chunk = head
        try:
            while chunk:
                decoder.decode(chunk)
                before, chunk = chunk, file.read(_CHUNK)
        except UnicodeDecodeError:
            return decode((before if chunk is not head else b"") + chunk)[1]
    return decode(head)[1]


# --- JSON -------------------------------------------------------------------------------------


def _jsonl(path: Path, stem: str) -> Source:
    encoding = encoding_of(path)
    with open(path, encoding=encoding, errors="replace") as file:
        kept = _columns_of(record for _, record in _lines(file))
        if not kept:
            return
        file.seek(0)
        table = RawTable(name=stem, columns=named(kept), name_hint=stem)
        yield table, ((number, _cells(record, kept)) for number, record in _lines(file))


def _lines(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                continue  # named by the reader of the text
            if isinstance(value, dict):
                yield number, value


def _json(path: Path, stem: str) -> Source:
    text, _ = decode(path.read_bytes())
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ParseError("not valid JSON.", "Mend it.") from error
    lists = [(stem, value)] if isinstance(value, list) else []
    if isinstance(value, dict):
        lists = [(str(name), v) for name, v in value.items() if isinstance(v, list)]
    for name, records in lists:
        rows = [record for record in records if isinstance(record, dict)]
        if len(rows) == len(records) and (kept := _columns_of(rows)):
            table = RawTable(name=name, columns=named(kept), name_hint=name)
            yield table, ((number, _cells(record, kept)) for number, record in enumerate(rows, 1))


def _columns_of(records: Iterable[dict[str, Any]]) -> list[str]:
    """The fields of records that make a table, in the order in which they come; [] where they make
    none: a lone record, fields of its own in each, records within records, or texts with a title."""
    filled: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    nested, count = 0, 0
    for record in records:
        count += 1
        for name, value in _fields(record):
            filled[name] += 1
            if isinstance(value, str):
                characters[name] += len(value)
            elif isinstance(value, list) and any(isinstance(v, dict | list) for v in value):
                nested += 1
    if count < 2 or len(filled) < 2 or nested * 2 > count:
        return []
    if sum(filled.values()) < 0.3 * count * len(filled):
        return []
    prose = [name for name in filled if characters[name] > _PROSE * count]
    return [] if prose and len(filled) - len(prose) <= 3 else list(filled)


def _fields(record: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The leaves of a record, "address.city"."""
    for name, value in record.items():
        if isinstance(value, dict) and depth < _FLAT_DEPTH:
            yield from _fields(value, f"{prefix}{name}.", depth + 1)
        elif value is not None:
            yield f"{prefix}{name}", value


def _cells(record: dict[str, Any], names: Sequence[str]) -> list[Any]:
    fields = dict(_fields(record))
    return [_cell(fields.get(name)) for name in names]


def _cell(value: Any) -> Any:
    if isinstance(value, list) and not any(isinstance(v, dict | list) for v in value):
        return ", ".join(str(v) for v in value if v is not None)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value


# --- Parquet, SQLite --------------------------------------------------------------------------


def _columnar(tables: Iterable[columnar.Columnar]) -> Source:
    for table in tables:
        columns = tuple(
            RawColumn(
                name=name or unnamed(n),
                type=cast(ColumnType, kind) if kind else None,
                description=comment,
            )
            for n, (name, kind, comment) in enumerate(table.columns, 1)
        )
        if columns:
            raw = RawTable(
                name=table.name,
                columns=columns,
                key=table.key,
                foreign=table.foreign,
                numbered=not table.key,
                name_hint=table.name,
            )
            yield raw, table.rows
