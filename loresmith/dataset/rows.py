"""A training file of any kind -> records: (row, columns to values), or (row, why it cannot be read).

    JSON lines, JSON (a list, an object that holds one, columns of values), CSV, TSV, XLSX

The content decides, not the name. Promises: one bad row costs one row. A line that is no JSON, an
unclosed quote, a byte that is no UTF-8, a row with too many cells is told with its number, and
what follows it is read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from loresmith.errors import DatasetError, ParseError
from loresmith.parsing import detect
from loresmith.parsing.tabular import find_delimiter
from loresmith.parsing.textual import decode
from loresmith.parsing.xlsx import read_cells

_HALF = re.compile("[\ud800-\udfff]")
# JSON may write half a character as an escape; no file and no tokenizer takes it.
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")

Record = tuple[int | str, Any]
"""Row as a person counts it (the line, the record, the spreadsheet's row), and a dict of values, or
whatever else stood there, or a `Fault`."""

_BIGGEST = 2**31
_DATA_KEYS = ("data", "rows", "examples", "items", "train", "records", "conversations")
# Records that swallow so many lines, so often, come from a file that is no CSV.
_SWALLOWED, _PATIENCE = 1000, 50
_HEADER_WITHIN = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be read."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rows:
    """An open file: its kind in words, and its records, which are read as they are taken."""

    kind: str
    records: Iterator[Record]


def read(path: Path, known: Callable[[Sequence[str]], int], *, headless: bool = False) -> Rows:
    """The records of `path`.

    Args:
        known: how many of these column names mean something; finds a spreadsheet's header row.
        headless: a table's first row is data; its columns are named "1", "2", …

    Raises:
        DatasetError: it cannot be read at all, or is no kind of table or list.
    """
    try:
        if path.is_dir():
            raise DatasetError(f"{path} is a folder.", "Name one file.")
        if path.stat().st_size > _BIGGEST:
            raise DatasetError(f"{path}: larger than 2 GB.", "Split it.")
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}.", "Check the path.") from error
    kind = detect.media_type(data, path.name)
    if kind == detect.XLSX:
        return Rows("XLSX", _sheets(path, data, known, headless=headless))
    if kind not in (detect.TEXT, detect.CSV, detect.JSON, detect.JSONL, detect.MARKDOWN, detect.MAIL):
        raise DatasetError(
            f"{path} is no training file ({kind}).",
            "Give JSON lines, JSON, CSV, TSV or XLSX; save old .xls files and parquet as one of these.",
        )
    text, broken = _text(data)
    start = text.lstrip()[:1]
    if not start:
        raise DatasetError(f"{path} is empty.", "Choose another file.")
    if (kind == detect.JSONL and start != "[") or _is_lines(text):
        return Rows("JSON lines", _whole(text, _json_lines(text, broken)))
    if start in "[{":
        return Rows("JSON", _whole(text, _json(path, text)))
    delimiter = find_delimiter(text)
    name = "TSV" if delimiter == "\t" else "CSV"
    return Rows(name, _table(_csv(text, broken, delimiter), headless=headless))


def _text(data: bytes) -> tuple[str, frozenset[int]]:
    """The text, and the numbers of the lines that are no UTF-8 in a file that otherwise is."""
    try:
        return data.decode("utf-8-sig"), frozenset()
    except UnicodeDecodeError:
        pass
    good, broken = 0, set()
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.isascii():
            try:
                line.decode("utf-8")
                good += 1
            except UnicodeDecodeError:
                broken.add(number)
    if good > len(broken):
        return data.decode("utf-8-sig", errors="replace"), frozenset(broken)
    return decode(data)[0].removeprefix("\ufeff"), frozenset()


# --- JSON -------------------------------------------------------------------------------------


def _is_lines(text: str) -> bool:
    """Whether the text is one JSON value a line: two of the first lines are whole objects."""
    first = [line for line in io.StringIO(text[:200_000]) if line.strip()][:20]
    whole = 0
    for line in first:
        try:
            whole += isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            continue
    return whole >= 2


def _whole(text: str, records: Iterator[Record]) -> Iterator[Record]:
    """The records without half characters."""
    if not _ESCAPED_HALF.search(text):
        return records
    return ((row, value if isinstance(value, Fault) else _without_halves(value)) for row, value in records)


def _without_halves(value: Any) -> Any:
    try:
        return json.loads(_HALF.sub("", json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        return Fault("not JSON (nested too deeply)")


def _json_lines(text: str, broken: frozenset[int]) -> Iterator[Record]:
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        if number in broken:
            yield number, Fault("not UTF-8 text")
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, Fault(_not_json(error))


def _not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg}, character {error.colno})"
    return (
        f"not JSON ({'nested too deeply' if isinstance(error, RecursionError) else 'a number is too long'})"
    )


def _json(path: Path, text: str) -> Iterator[Record]:
    text = text.strip()
    if text[0] == "[":
        return _array(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        place = f", line {line}" if line else ""
        raise DatasetError(
            f"{path}{place}: {_not_json(error)}.", "Mend it, or save it as JSON lines."
        ) from error
    return iter(enumerate(_held(value), 1))


def _held(value: dict[str, Any]) -> list[Any]:
    """The records that an object holds: a list under some name, columns of values, or itself."""
    lists = {k: v for k, v in value.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    if lists and not (
        "messages" in value or ("conversations" in lists and "from" in lists["conversations"][0])
    ):
        name = next((k for k in _DATA_KEYS if k in lists), max(lists, key=lambda k: len(lists[k])))
        return lists[name]
    columns = list(value.values())
    if len(columns) > 1 and all(isinstance(c, list) for c in columns) and len({len(c) for c in columns}) == 1:
        return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    if len(columns) > 1 and all(isinstance(c, dict) and c.keys() == columns[0].keys() for c in columns):
        return [{name: value[name][key] for name in value} for key in columns[0]]
    return [value]


def _array(text: str) -> Iterator[Record]:
    """The elements of a list one by one; after one that is broken, the next that looks like the first."""
    decoder = json.JSONDecoder()
    position, number, first = _blank(text, 1), 0, ""
    while position < len(text) and text[position] != "]":
        number += 1
        try:
            element, position = decoder.raw_decode(text, position)
            if not first and isinstance(element, dict) and element:
                first = json.dumps(next(iter(element)))
            yield number, element
        except (ValueError, RecursionError) as error:
            line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            yield number, Fault(f"{_not_json(error)}{line}")
            again = re.compile(r"\{\s*" + re.escape(first)).search(text, position + 1) if first else None
            if again is None:
                return  # nothing behind it can be told from the inside of a record
            position = again.start()
            continue
        position = _blank(text, position)
        if text[position : position + 1] == ",":
            position = _blank(text, position + 1)
    if position >= len(text):
        yield number + 1, Fault("the list does not end: the file is cut off")


def _blank(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


# --- tables -----------------------------------------------------------------------------------

_Cells = tuple[int | str, list[str] | Fault]


def _table(rows: Iterator[_Cells], *, headless: bool) -> Iterator[Record]:
    """Records of a table whose first row holds the names of its columns."""
    header: list[str] = []
    for number, cells in rows:
        if isinstance(cells, Fault):
            yield number, cells
        elif not any(cell.strip() for cell in cells):
            continue
        elif not header and not headless:
            header = _names(cells)
        else:
            yield number, _record(header, cells)


def _names(cells: Sequence[str]) -> list[str]:
    return [cell.strip().removeprefix("\ufeff") or str(column) for column, cell in enumerate(cells, 1)]


def _record(header: list[str], cells: list[str]) -> dict[str, str] | Fault:
    if not header:
        return {str(column): cell for column, cell in enumerate(cells, 1)}
    if any(cell.strip() for cell in cells[len(header) :]):
        return Fault(f"too many cells: {len(cells)}, the header has {len(header)} (is a quote missing?)")
    return dict(zip(header, chain(cells, [""] * (len(header) - len(cells))), strict=False))


class _Feed:
    """Lines for a csv.reader that can be put back."""

    def __init__(self, lines: list[str], position: int) -> None:
        self.lines, self.position = lines, position

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.position >= len(self.lines):
            raise StopIteration
        self.position += 1
        return self.lines[self.position - 1]


def _csv(text: str, broken: frozenset[int], delimiter: str) -> Iterator[_Cells]:
    # A cell may be as long as the file; the module's own limit would reject long answers.
    csv.field_size_limit(2**31 - 1)
    lines = list(io.StringIO(text, newline=""))
    feed = _Feed(lines, int(text.startswith("sep=")))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    number, width, wasted = 0, 0, 0
    while feed.position < len(lines):
        start = feed.position
        number += 1
        fault, cells = "", []
        try:
            cells = next(reader)
        except csv.Error as error:
            fault = "never closed" if "end of data" in str(error) else str(error)
        taken = feed.position - start
        if fault and taken == 1:
            # A space behind a closing quote is no reason to lose a row.
            loose = next(csv.reader([lines[start]], delimiter=delimiter), [])
            fault, cells = ("", loose) if len(loose) == width else (fault, [])
        width = width or len(cells)
        if not fault and len(cells) > width and taken > 1:
            fault = f"{len(cells)} cells, the header has {width}"
        if fault:
            yield number, Fault(f"wrong quotes: {fault} (line {start + 1})")
            wasted += taken > _SWALLOWED
            if wasted > _PATIENCE:
                yield number + 1, Fault(f"wrong quotes: too many; nothing after line {start + 1} was read")
                return
            feed.position = start + 1  # only the first line of what it swallowed is lost
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
        elif not broken.isdisjoint(range(start + 1, feed.position + 1)):
            yield number, Fault(f"not UTF-8 text (line {start + 1})")
        else:
            yield number, cells


def _sheets(
    path: Path, data: bytes, known: Callable[[Sequence[str]], int], *, headless: bool
) -> Iterator[Record]:
    """Records of every sheet that has a header with names that mean something; where none has one,
    of the first sheet."""
    sheets: dict[str, list[tuple[int, list[str]]]] = {}
    try:
        for sheet, number, cells in read_cells(data):
            if any(cells):
                cells = [cell if cell.isascii() else _HALF.sub("", cell) for cell in cells]
                sheets.setdefault(sheet, []).append((number, cells))
    except ParseError as error:
        raise DatasetError(f"{path}: {error.problem}", error.remedy) from error
    if not sheets:
        raise DatasetError(f"{path}: no visible sheet holds anything.", "Choose another file.")
    heads = {name: _head(rows, known) for name, rows in sheets.items()}
    used = [name for name, head in heads.items() if head is not None] or list(sheets)[:1]
    for name in used:
        rows = sheets[name][0 if headless else heads[name] or 0 :]
        numbered: Iterator[_Cells] = (
            (number if len(used) == 1 else f"{name}!{number}", cells) for number, cells in rows
        )
        yield from _table(numbered, headless=headless)


def _head(rows: list[tuple[int, list[str]]], known: Callable[[Sequence[str]], int]) -> int | None:
    """Position of the row that names the columns; titles and notes may stand above it."""
    best = max(range(min(_HEADER_WITHIN, len(rows))), key=lambda i: (known(_names(rows[i][1])), -i))
    return best if known(_names(rows[best][1])) >= 2 else None
