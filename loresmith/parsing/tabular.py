"""CSV and TSV: each record one line of text, with its record number and, where it has one, its key."""

from __future__ import annotations

import csv
import io
from typing import Any

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, clean
from loresmith.parsing.tables import Cell, add_table, header_rows
from loresmith.parsing.textual import decode

_DELIMITERS = (",", ";", "\t", "|")
PROSE_SAMPLE = 200


_PROSE = 300
"""Characters of a mean record from which it is a text that somebody wrote, and worth finding as one."""
_LARGE = 64 * 2**20
_HEAD = 24 * 2**20


def read_csv(data: bytes, settings: ParsingSection | None = None, **_: Any) -> Draft:
    draft = Draft()
    limit = (settings or ParsingSection()).rows
    whole = len(data) <= _LARGE
    # The first rows are all that becomes text of a large one; the table has the others.
    text, encoding = decode(data if whole else data[: data.rfind(b"\n", 0, _HEAD) + 1 or _HEAD])
    text = clean(text)
    draft.metadata["encoding"] = encoding
    delimiter = find_delimiter(text)
    # A cell may be as long as the file; the module's own limit would reject long notes.
    csv.field_size_limit(2**31 - 1)
    filled: list[tuple[int, list[str]]] = []
    count, prose = 0, False
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter, strict=False), 1):
            if not any(cell.strip() for cell in row):
                continue
            count += 1
            if count == limit + 2:
                prose = is_prose([row for _, row in filled[:PROSE_SAMPLE]])
            if count <= limit + 1 or prose:
                filled.append((number, row))
    except csv.Error as error:
        raise ParseError(f"not readable as CSV: {error}.", "Check its quotes.") from error
    if not filled:
        return draft
    if count > len(filled) or not whole:
        draft.warn(too_many(len(filled) - 1, count - 1 if whole else None))
    headers = header_rows([row for _, row in filled[:200]])
    wide = [number for number, row in filled if len(row) > len(filled[0][1])]
    if headers and wide:
        draft.warn(f"{len(wide)} records have more cells than the header (first: record {wide[0]})")
    add_table(
        draft,
        [[Cell(value) for value in row] for _, row in filled],
        headers=headers,
        numbers=[number for number, _ in filled],
    )
    return draft


def is_prose(first: list[list[str]]) -> bool:
    """Whether records like these are long texts, all of which are wanted."""
    return sum(len(cell) for row in first for cell in row) > _PROSE * len(first)


def too_many(shown: int, count: int | None, name: str = "") -> str:
    """What is said where not every row of a table became text; `count` is None where nobody counted."""
    of = f"{name}: " if name else ""
    return (
        f"{of}only the first {shown:,} {f'of {count:,} ' if count else ''}rows can be found by their words "
        "(parsing.rows); questions about the table count all of them"
    )


def find_delimiter(text: str) -> str:
    """The delimiter that cuts the first records into the same number of cells, more than one."""
    sample = "\n".join(text.split("\n")[:50])
    if sample.startswith("sep=") and len(sample) > 4:
        return sample[4]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not widths or max(widths) < 2:
            continue
        usual = max(set(widths), key=widths.count)
        score = widths.count(usual) / len(widths) * min(usual, 10) if usual > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best
