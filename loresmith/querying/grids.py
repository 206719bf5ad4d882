"""Tables that stand in documents, as grids: labels, heads over columns, cells with number and scale.

Tables of reports are not relational: rows carry names, columns are years, sections have heads of
their own, and "in thousands" stands above or beside. A grid is read back from the rows of a
`Document` (see parsing/tables.py), so that it works for PDF, HTML, DOCX and whatever else gives
rows, and each of its rows knows the block that a citation quotes.

Promises: a cell's number is what its text says ("(97)" is -97, "–" is 0 and marked so); a text that
is not wholly a number has none; nothing is guessed where comma and point could be either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.answering.text import fold
from loresmith.locate import locate
from loresmith.parsing.tables import NAME_SEPARATOR, is_year
from loresmith.querying import periods
from loresmith.querying.scales import FACTOR, Scale, amounts, in_prose, named, number, uses_comma
from loresmith.types import Block, Document, Locator

_FOOTNOTE = re.compile(r"(?:\s*(?:\((?:\d{1,2}|[a-z])(?:,\s?\d{1,2})*\)|\[\d{1,2}\]|[*†‡§¹²³⁴-⁹]+))+$", re.I)
_MARKS = 40  # how long the marks at the end of a label are at most
# "Order intake1": the mark of a footnote, where a table has several of them.
_GLUED = re.compile(r"(?<=[a-z)])\d{1,2}(?=$| \()")
_CHANGE = re.compile(r"change|variance|growth|difference|increase|decrease|veränderung|abweichung|%|percent")
MOST_ROWS = 300
# How far around a table its scale is looked for, in blocks.
_BEFORE, _AFTER = 12, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell. `number` None where it is no number; `nil`: a dash; `scale` of the number as shown."""

    text: str
    number: float | None
    scale: Scale
    row: int
    column: int
    nil: bool = False
    decimals: int = 0
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row with values. `section`: the heads above it in the table; `locator` of its block."""

    label: str
    section: str
    cells: tuple[Cell | None, ...]
    text: str
    locator: Locator


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of a document.

    Attributes:
        heads: one text a value column, levels joined by " › ".
        caption: what stands over the table and in its corner.
        around: the prose and headings next to it.
        scale: "thousand", "million", "billion", "percent" or "", for cells without one of their own.
    """

    document: str
    title: str
    table: str
    caption: str
    around: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    scale: Scale

    @property
    def name(self) -> str:
        return self.caption or self.title or f"table {self.table}"


def tables(document: Document) -> list[str]:
    """The tables of a document, in its order."""
    return list(dict.fromkeys(b.table for b in document.blocks if b.kind == "row" and b.table))


def near(document: Document, start: int, end: int) -> list[str]:
    """The tables that overlap a span of the document's text."""
    return list(
        dict.fromkeys(
            b.table
            for b in document.blocks
            if b.kind == "row" and b.table and b.start < end and start < b.end
        )
    )


def of(document: Document, table: str) -> Grid | None:
    """A table of a document as a grid; None where it has no labelled numbers, or more rows than a report
    table has."""
    blocks = [b for b in document.blocks if b.kind == "row" and b.table == table]
    if len(blocks) > MOST_ROWS:
        return None
    lines = [document.text[b.start : b.end] for b in blocks]
    cells, known = _cells(lines, blocks)
    width = max((len(row) for row in cells), default=0)
    if width < 2:
        return None
    cells = [row + [""] * (width - len(row)) for row in cells]
    first = _body(cells, int(known))
    top, body = cells[:first], cells[first:]
    heads, corner = _heads(top, width)
    before, after, caption = _around(document, blocks)
    comma = uses_comma((c for row in body for c in row[1:]), document.language)
    numbers = [c for row in body for c in row[1:]]
    scale = _scale(corner, heads)
    if _percents(body):
        scale = "percent"
    elif not scale:
        told = (in_prose(text) for text in (*before, *after))
        scale = _repeated(numbers, [*before, *after], comma) or next((found for found in told if found), "")
    made = _rows(document, blocks[first:], body, heads, scale, comma)
    if not any(c and c.number is not None for row in made for c in row.cells):
        return None
    return Grid(
        document=document.id,
        title=document.title,
        table=table,
        caption=" ".join(part for part in (caption, *corner) if part),
        around=" ".join([*before, *after]),
        heads=tuple(heads[1:]),
        rows=tuple(made),
        scale=scale,
    )


# --- the rows' texts back to cells --------------------------------------------------------------


def _cells(lines: Sequence[str], blocks: Sequence[Block]) -> tuple[list[list[str]], bool]:
    """The cells of each line, and whether the first line names the columns of the others."""
    split = [_split(line) for line in lines]
    if not blocks or not blocks[0].header or len(lines) < 2:
        return split, False
    names = split[0]
    read = [_named(line, names) for line in lines[1:]]
    fitting = sum(row is not None and any(c and n for c, n in zip(row, names, strict=True)) for row in read)
    if fitting <= sum(" | " in line for line in lines[1:]):
        return split, False
    body = (row if row is not None else plain for row, plain in zip(read, split[1:], strict=True))
    return [names, *body], True


def _split(line: str) -> list[str]:
    """ "cell | cell |  | cell"."""
    return [cell.strip() for cell in (f" {line} " if line.startswith("|") else line).split(" | ")]


def _named(line: str, names: Sequence[str]) -> list[str] | None:
    """ "Column: value; Column: value" back in the columns' order; None where it does not fit."""
    cells = [""] * len(names)
    at, column = 0, 0
    while at < len(line):
        here = [c for c in range(column, len(names)) if names[c] and line.startswith(f"{names[c]}: ", at)]
        if here:
            column, lead = here[0], len(names[here[0]]) + 2
        elif column < len(names) and not names[column]:
            lead = 0
        else:
            return None
        ends = [
            found
            for c in range(column + 1, len(names))
            if names[c] and (found := line.find(f"; {names[c]}: ", at + lead)) >= 0
        ]
        end = min(ends, default=len(line))
        cells[column] = line[at + lead : end].strip()
        at, column = end + 2, column + 1
    return cells


# --- heads --------------------------------------------------------------------------------------


def _body(cells: Sequence[Sequence[str]], known: int) -> int:
    """How many leading rows stand over the values."""
    last = known
    for at, row in enumerate(cells[known:], start=known):
        values = [c for c in row[1:] if c]
        if any(number(v) is not None and not _dated(v) for v in values):
            break
        if len(values) >= 2 or (values and (not row[0] or any(periods.parts(v) for v in values))):
            last = at + 1
    # A lone text over one column opens the body where the heads have already been.
    while (
        last > known + 1
        and _lone(cells[last - 1])
        and any(sum(bool(periods.parts(c)) for c in row[1:]) >= 2 for row in cells[: last - 1])
    ):
        if named(next(c for c in cells[last - 1][1:] if c)):
            break
        last -= 1
    return last


def _dated(text: str) -> bool:
    """ "2019", "2018 (4)", "2019 €m"."""
    shown = bare(text)
    return is_year(shown) or re.fullmatch(r"(?:FY ?)?(?:19|20)\d\d\s*[^\d.,]{1,6}", shown) is not None


def _lone(row: Sequence[str]) -> bool:
    return not row[0] and sum(bool(c) for c in row) == 1


def _heads(top: Sequence[Sequence[str]], width: int) -> tuple[list[str], list[str]]:
    """One text a column, and what stands in the corner over the labels."""
    levels: list[list[str]] = [[] for _ in range(width)]
    dated = {c for c in range(1, width) if any(periods.parts(row[c]) for row in top)}
    for row in top:
        levels[0] += [row[0]] if row[0] else []
        filled = [c for c in range(1, width) if row[c]]
        row = [bare(text) for text in row]
        for column, text in _over(row, filled, width).items():
            if len(filled) == 1 and len(dated) > 1 and column in dated and _CHANGE.search(fold(text)):
                continue  # "Percent change" stands over the columns that are no years
            if text not in levels[column]:
                levels[column].append(text)
    return [NAME_SEPARATOR.join(level) for level in levels], levels[0]


def _over(row: Sequence[str], filled: Sequence[int], width: int) -> dict[int, str]:
    """The text of a head row that belongs to each column; one that spans stands over its middle or
    its first column."""
    values = width - 1
    if not filled:
        return {}
    if len(filled) == 1:
        text = row[filled[0]]
        # A head of one column among many ("Change") is not over all of them.
        if width > 3 and filled[0] == width - 1 and not periods.parts(text) and not named(text):
            return {filled[0]: text}
        return dict.fromkeys(range(1, width), text)
    share, rest = divmod(values, len(filled))
    if share >= 2 and rest == 0:
        groups = [range(1 + n * share, 1 + (n + 1) * share) for n in range(len(filled))]
        if all(column in group for column, group in zip(filled, groups, strict=True)):
            return {c: row[at] for at, group in zip(filled, groups, strict=True) for c in group}
    return {column: row[column] for column in filled}


# --- body ---------------------------------------------------------------------------------------


def _rows(
    document: Document,
    blocks: Sequence[Block],
    body: Sequence[Sequence[str]],
    heads: Sequence[str],
    scale: Scale,
    comma: bool,
) -> list[Row]:
    found: list[Row] = []
    glued = sum(bool(_GLUED.search(row[0])) for row in body) > 1
    sections: list[str] = []
    after_values = False
    notes = {
        c for c, head in enumerate(heads) if fold(head) in ("note", "notes", "anhang", "nota", "note no.")
    }
    for block, row in zip(blocks, body, strict=True):
        filled = [c for c in range(1, len(row)) if row[c] and c not in notes]
        if not filled or _lone(row):
            if after_values:
                sections.clear()
            after_values = False
            sections.append(next((c for c in row if c), ""))
            continue
        if not any(number(row[c], comma=comma) for c in filled) and len(filled) > 1:
            continue  # heads that are said again inside the table
        after_values = True
        number_of = len(found)
        label = bare(_GLUED.sub("", row[0]) if glued else row[0])
        section = " ".join(bare(s.rstrip(":")) for s in sections)
        cells = [
            None if c in notes else _cell(row[c], number_of, c - 1, (row[0], heads[c], section), scale, comma)
            for c in range(1, len(row))
        ]
        found.append(
            Row(
                label=label,
                section=section,
                cells=tuple(_alike(cells)),
                text=document.text[block.start : block.end],
                locator=locate(document, block.start, block.end),
            )
        )
    return found


def bare(text: str) -> str:
    """A label without the marks of footnotes at its end."""
    end = text[-_MARKS:]
    return (text[:-_MARKS] + _FOOTNOTE.sub("", end)).strip()


def _cell(
    text: str, row: int, column: int, around: tuple[str, str, str], scale: Scale, comma: bool
) -> Cell | None:
    if not text:
        return None
    read = number(text, comma=comma)
    label, head, section = around
    # The nearest word on the scale counts: the cell's own, the row's, the column's, the section's.
    own = (read.scale if read else None) or next(
        (found for place in (label, head, section) if (found := named(place)) is not None), None
    )
    return Cell(
        text=text,
        number=read.value if read else None,
        scale=scale if own is None else own,
        row=row,
        column=column,
        nil=bool(read and read.nil),
        decimals=read.decimals if read else 0,
        currency=read.currency if read else "",
    )


def _alike(cells: Sequence[Cell | None]) -> list[Cell | None]:
    """A dash takes the scale of its row's other cells."""
    from dataclasses import replace

    shown = {c.scale for c in cells if c and c.number is not None and not c.nil}
    if len(shown) != 1:
        return list(cells)
    scale = shown.pop()
    return [replace(c, scale=scale) if c and c.nil else c for c in cells]


# --- what stands around -------------------------------------------------------------------------


def _around(document: Document, blocks: Sequence[Block]) -> tuple[list[str], list[str], str]:
    """Texts before (nearest first) and after the table, and its caption."""
    first = document.blocks.index(blocks[0])
    last = document.blocks.index(blocks[-1])
    before = [b for b in document.blocks[max(0, first - _BEFORE) : first] if b.kind != "row"][::-1]
    after = [b for b in document.blocks[last + 1 : last + 1 + _AFTER] if b.kind != "row"]
    if len(tables(document)) == 1:
        before = [b for b in document.blocks[:first] if b.kind != "row"][::-1]
        after = [b for b in document.blocks[last + 1 :] if b.kind != "row"]
    caption = next(
        (document.text[b.start : b.end] for b in before[:1] if b.kind in ("caption", "heading")), ""
    )
    return (
        [document.text[b.start : b.end] for b in before],
        [document.text[b.start : b.end] for b in after],
        caption,
    )


def _scale(corner: Sequence[str], heads: Sequence[str]) -> Scale:
    """Of the table as a whole, as its corner or its heads name it."""
    for text in corner:
        if found := named(text):
            return found
    told = {found for head in heads[1:] if (found := named(head)) and found != "percent"}
    return told.pop() if len(told) == 1 else ""


def _percents(body: Sequence[Sequence[str]]) -> bool:
    """A table of percentages that shows the sign in its first row only."""
    filled = [[c for c in row[1:] if c] for row in body]
    filled = [row for row in filled if row]
    first = filled[0] if filled else []
    rest = [c for row in filled[1:] for c in row]
    return (
        bool(first)
        and all("%" in c for c in first)
        and not any(re.search(r"[$€£¥]", c) for c in rest)
        and all(abs(n.value) <= 200 for c in rest if (n := number(c)))
        and any("%" not in c for c in rest)
    )


def _repeated(cells: Sequence[str], texts: Sequence[str], comma: bool) -> Scale:
    """The scale by which the prose says figures of the table again: 24,193 is "$24.2 million"."""
    read = [n for c in cells if (n := number(c, comma=comma))]
    shown = {abs(n.value) for n in read if abs(n.value) >= 100 and n.scale is None}
    votes: dict[Scale, set[float]] = {"thousand": set(), "million": set()}
    for text in texts:
        for amount, step in amounts(text):
            for scale, held in votes.items():
                held |= {n for n in shown if abs(n * FACTOR[scale] - amount) <= 0.5 * step}
    counts = sorted(((len(held), scale) for scale, held in votes.items()), reverse=True)
    return counts[0][1] if counts[0][0] >= 2 and counts[0][0] > counts[1][0] else ""
