"""CSV and TSV: each record one line of text, with its record number and, where it has one, its key."""

from __future__ import annotations

import csv
import io
from typing import Any

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, clean
from loresmith.parsing.tables import Cell, add_table, header_rows
from loresmith.parsing.textual import decode

_DELIMITERS = (",", ";", "\t", "|")


def read_csv(data: bytes, **_: Any) -> Draft:
    draft = Draft()
    text, encoding = decode(data)
    text = clean(text)
    draft.metadata["encoding"] = encoding
    delimiter = find_delimiter(text)
    # A cell may be as long as the file; the module's own limit would reject long notes.
    csv.field_size_limit(2**31 - 1)
    try:
        records = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=False))
    except csv.Error as error:
        raise ParseError(f"not readable as CSV: {error}.", "Check its quotes.") from error
    filled = [(number, row) for number, row in enumerate(records, 1) if any(cell.strip() for cell in row)]
    if not filled:
        return draft
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
