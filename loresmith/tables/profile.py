"""What a table holds, in words: appended to its document, so that the right table is found by meaning.

The words are Loresmith's, not the file's. They stand under a heading of their own, `HEADING`, which
every passage made of them carries first in its heading path (`written_here`): found by, never quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loresmith.tables.values import Cell, Column, Table
from loresmith.types import Block, Document, Passage

HEADING = "Description of the data, written by Loresmith"
_NOUNS = {
    "integer": "whole number",
    "real": "number",
    "date": "date",
    "datetime": "date and time",
    "time": "time",
    "boolean": "yes or no",
    "text": "text",
}
_SHOWN_COLUMNS = 60
_A_PARAGRAPH = 6
_VALUES = 8
_LONGEST = 40
_FEW_ROWS = 50
"""Up to so many rows say themselves what they hold; a second place for every value would only compete."""


def words(table: Table) -> str:
    """The description, in paragraphs."""
    return "\n\n".join(paragraphs(table))


def paragraphs(table: Table) -> list[str]:
    """First what the table is and its columns by name, then the columns one by one."""
    where = f" (sheet {table.sheet} of {table.title})" if table.sheet and table.title else ""
    first = f"Table {table.name}{where}: {_rows(table.rows)}, {_count(len(table.columns), 'column')}."
    if table.caption:
        first += f" {table.caption.rstrip('.')}."
    names = [_named(column) for column in table.columns[:_SHOWN_COLUMNS]]
    more = len(table.columns) - len(names)
    if names:
        first += f" Columns: {', '.join(names)}{f' and {more} more' if more else ''}."
    keyed = [c.name for c in table.columns if c.sql in table.keys]
    if keyed:
        first += f" One row for each {' and '.join(keyed)}."
    described = [_column(column, table.rows) for column in table.columns[:_SHOWN_COLUMNS]]
    grouped = [described[n : n + _A_PARAGRAPH] for n in range(0, len(described), _A_PARAGRAPH)]
    return [first, *(f"{table.name}: {'; '.join(some)}." for some in grouped)]


def described(document: Document, tables: Sequence[Table], warnings: Iterable[str] = ()) -> Document:
    """The document with the description of its tables at its end, and what is to be known of them."""
    text, blocks = document.text, list(document.blocks)

    def add(kind: str, more: str, level: int = 0) -> None:
        nonlocal text
        text += "\n\n" if text else ""
        blocks.append(Block(kind=kind, start=len(text), end=len(text) + len(more), level=level))  # type: ignore[arg-type]
        text += more

    if tables:
        add("heading", HEADING, 1)
    for table in tables:
        for paragraph in paragraphs(table):
            add("paragraph", paragraph)
    known = dict.fromkeys((*document.warnings, *warnings))
    return replace(document, text=text, blocks=tuple(blocks), warnings=tuple(known))


def written_here(passage: Passage) -> bool:
    """Whether a passage is made of these words: it may be found by, but never quoted."""
    return HEADING in passage.heading or passage.text.startswith(HEADING)


def _rows(count: int) -> str:
    return "no rows" if not count else _count(count, "row")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _named(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit and column.unit not in column.name else column.name


def _column(column: Column, rows: int) -> str:
    parts = [f"{_named(column)}, {_NOUNS[column.type]}"]
    if not column.distinct:
        parts[0] += ", always empty"
    elif rows > _FEW_ROWS and column.type == "text":
        parts[0] += _texts(column)
    elif rows > _FEW_ROWS and column.type != "boolean" and column.low is not None:
        parts[0] += f" from {_shown(column.low)} to {_shown(column.high)}"
    if column.description:
        parts.append(column.description.rstrip("."))
    if column.key and rows > 1:
        parts.append("different in every row")
    if column.distinct and column.nulls:
        parts.append(f"empty in {column.nulls:,} of {rows:,} rows")
    return ", ".join(parts)


def _texts(column: Column) -> str:
    values = [v for v in column.frequent if len(v) <= _LONGEST][:_VALUES]
    if not values:
        return f", {column.distinct:,} different"
    shown = ", ".join(values)
    if column.distinct <= len(values):
        return f": {shown}"
    return f", {column.distinct:,} different, such as {shown}"


def _shown(value: Cell) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
