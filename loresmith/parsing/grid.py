"""Rows of segments without ruling lines to a table: columns, wrapped cells, header names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loresmith.parsing.layout import Row, is_tabular
from loresmith.parsing.tables import NAME_SEPARATOR, Cell, header_rows, is_number, is_year
from loresmith.parsing.words import Segment
from loresmith.types import Box


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the header is the first row where `headers` is 1; `sure` says that each column
    has its own name, so that rows may be read as "Column: value"."""

    rows: list[list[Cell]]
    headers: int
    sure: bool


Interval = tuple[float, float]


def grid_of(rows: Sequence[Row]) -> Grid | None:
    """The rows as a table, or None where they do not align in columns."""
    multi = [row for row in rows if is_tabular(row)]
    if len(multi) < 2:
        return None
    columns = _columns(multi)
    if len(columns) < 2:
        return None
    fitting = sum(_fits(row, columns) for row in multi)
    numeric = sum(any(is_number(s.text) and not is_year(s.text) for s in row.segments[1:]) for row in multi)
    if fitting < 0.7 * len(multi) or (len(multi) < 3 and numeric == 0):
        return None
    first_body = _first_body(rows, columns)
    names, boxes = _names(rows[:first_body], columns)
    body = [_cells(row, columns) for row in rows[first_body:]]
    body = _unwrapped(body, rows[first_body:])
    if not body:
        return None
    if not first_body:
        texts = [[cell.text for cell in line] for line in body]
        styled = rows[0].bold and not all(row.bold for row in rows)
        headers = header_rows(texts, styled=styled) if numeric or styled else 0
        return Grid(body, headers, bool(headers))
    head = [Cell(name, box) for name, box in zip(names, boxes, strict=True)]
    used = [c for c in range(1, len(columns)) if any(line[c].text for line in body)]
    levels = sum(is_tabular(row) for row in rows[:first_body])
    distinct = len({names[c] for c in used}) == len(used)
    return Grid([head, *body], 1, bool(used) and levels == 1 and distinct and all(names[c] for c in used))


def _columns(rows: Sequence[Row]) -> list[Interval]:
    """The x-intervals of the columns, from the rows that are surely body rows."""
    body = [row for row in rows if any(is_number(s.text) and not is_year(s.text) for s in row.segments[1:])]
    chosen = body if len(body) >= max(2, 0.3 * len(rows)) else list(rows)
    found = _union([(s.x0, s.x1) for row in chosen for s in row.segments])
    counts = [len(row.segments) for row in chosen]
    usual = max(set(counts), key=lambda n: (counts.count(n), n))
    if len(found) < usual:
        # Something spans: take the rows that have the usual number of cells.
        found = _union([(s.x0, s.x1) for row in chosen if len(row.segments) == usual for s in row.segments])
    return found


def _union(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for x0, x1 in sorted(intervals):
        if merged and x0 < merged[-1][1] - 0.5:
            merged[-1] = (merged[-1][0], max(merged[-1][1], x1))
        else:
            merged.append((x0, x1))
    return merged


def _column_of(segment: Segment, columns: Sequence[Interval]) -> int:
    """The column with the largest overlap, else the nearest."""

    def score(column: Interval) -> tuple[float, float]:
        overlap = min(segment.x1, column[1]) - max(segment.x0, column[0])
        distance = abs((segment.x0 + segment.x1) - (column[0] + column[1]))
        return (max(0.0, overlap), -distance)

    return max(range(len(columns)), key=lambda c: score(columns[c]))


def _fits(row: Row, columns: Sequence[Interval]) -> bool:
    places = [(_column_of(s, columns), s) for s in row.segments]
    for (column, a), (next_column, b) in pairwise(sorted(places, key=lambda p: (p[0], p[1].y0))):
        # The lines of one cell stand one under the other.
        if column == next_column and b.y0 < a.y1 - 0.4 * a.height:
            return False
    return True


def _cells(row: Row, columns: Sequence[Interval]) -> list[Cell]:
    cells = [Cell("") for _ in columns]
    for segment in sorted(row.segments, key=lambda s: (round(s.y0), s.x0)):
        column = _column_of(segment, columns)
        # A lone label begins at the left whatever it runs over.
        if len(row.segments) == 1 and segment.x0 < columns[1][0] - 5 and segment.x0 < columns[0][1]:
            column = 0
        before = cells[column]
        text = f"{before.text} {segment.text}".strip()
        cells[column] = Cell(text, join_boxes(before.box, segment.box))
    return cells


def join_boxes(a: Box | None, b: Box | None) -> Box | None:
    if a is None or b is None:
        return a or b
    return Box(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))


def _first_body(rows: Sequence[Row], columns: Sequence[Interval]) -> int:
    """How many leading rows hold names: nothing but years, dates and words over the value columns."""
    count = 0
    for number, row in enumerate(rows):
        cells = _cells(row, columns)
        values = [cell.text for cell in cells[1:] if cell.text]
        if any(is_number(value) and not is_year(value) for value in values):
            break
        if not values:
            # A label alone: it opens the body, unless names are still to come.
            if any(_cells(r, columns)[0].text == "" and is_tabular(r) for r in rows[number + 1 : number + 3]):
                continue
            break
        wrapped = count and len(values) >= 2 and row.y0 - rows[number - 1].y1 < 0.5 * (row.y1 - row.y0)
        if cells[0].text and not wrapped and (count or not _is_header(rows[number:], columns)):
            break
        count = number + 1
    body = [cell.text for row in rows[count:] for cell in _cells(row, columns)[1:]]
    # Without numbers it is a table of words; its header is found by its style.
    return count if any(is_number(text) for text in body) else 0


def _is_header(rows: Sequence[Row], columns: Sequence[Interval]) -> bool:
    """The first of the rows names every column, its own first one too."""
    texts = [[cell.text for cell in _cells(row, columns)] for row in rows]
    return header_rows(texts, styled=rows[0].bold and not rows[-1].bold) > 0


def _names(rows: Sequence[Row], columns: Sequence[Interval]) -> tuple[list[str], list[Box | None]]:
    """One name a column: levels joined by " › ", the lines of one level by a space."""
    names = ["" for _ in columns]
    boxes: list[Box | None] = [None for _ in columns]
    spanned = [False for _ in columns]
    for row in rows:
        for column, (segment, spans) in enumerate(_over(row, columns)):
            if segment is None:
                continue
            if not names[column]:
                names[column] = segment.text
            elif segment.text not in names[column].split(NAME_SEPARATOR):
                names[column] += (NAME_SEPARATOR if spanned[column] else " ") + segment.text
            boxes[column] = segment.box if spanned[column] else join_boxes(boxes[column], segment.box)
            spanned[column] = spans
    return names, boxes


def _over(row: Row, columns: Sequence[Interval]) -> list[tuple[Segment | None, bool]]:
    """For each column the segment of a header row above it, and whether it spans several."""
    values = list(range(1, len(columns)))
    over: list[tuple[Segment | None, bool]] = [(None, False) for _ in columns]
    heads = [s for s in row.segments if s.x1 > columns[0][1] or _column_of(s, columns) != 0]
    for segment in row.segments:
        if segment not in heads:
            over[0] = (segment, False)
    if not heads:
        return over
    share, rest = divmod(len(values), len(heads))
    if share >= 2 and rest == 0 and _centred(heads, values, columns, share):
        for number, segment in enumerate(heads):
            for column in values[number * share : (number + 1) * share]:
                over[column] = (segment, True)
        return over
    for segment in heads:
        under = [c for c in values if min(segment.x1, columns[c][1]) - max(segment.x0, columns[c][0]) > 0]
        under = under or [max(1, _column_of(segment, columns))]
        for column in under:
            over[column] = (segment, len(under) > 1)
    return over


def _centred(
    heads: Sequence[Segment], values: Sequence[int], columns: Sequence[Interval], share: int
) -> bool:
    for number, segment in enumerate(heads):
        group = [columns[c] for c in values[number * share : (number + 1) * share]]
        middle = (segment.x0 + segment.x1) / 2
        width = group[-1][1] - group[0][0]
        if not group[0][0] - 0.3 * width <= middle <= group[-1][1] + 0.1 * width:
            return False
    return True


def _unwrapped(body: list[list[Cell]], rows: Sequence[Row]) -> list[list[Cell]]:
    """Cells that run over several lines joined to one row."""
    found: list[list[Cell]] = []
    last_row: Row | None = None
    for cells, row in zip(body, rows, strict=True):
        if found and last_row is not None and _belongs(found[-1], cells, last_row, row):
            found[-1] = [
                Cell(
                    f"{a.text} {b.text}".strip(),
                    join_boxes(a.box, b.box) if a.text and b.text else a.box or b.box,
                )
                for a, b in zip(found[-1], cells, strict=True)
            ]
        else:
            found.append(cells)
        last_row = row
    return found


def _belongs(above: Sequence[Cell], below: Sequence[Cell], row: Row, next_row: Row) -> bool:
    """The line below goes on with the cells above."""
    gap = next_row.y0 - row.y1
    height = row.y1 - row.y0
    if gap > 0.6 * height:
        return False
    label_only = above[0].text != "" and not any(cell.text for cell in above[1:])
    if label_only:
        # "Common stock, 50,400 shares authorized; 15,647" / "and 15,943 issued | 70,667 | 64,849"
        return below[0].text[:1].islower() and not above[0].text.endswith(":")
    if not below[0].text:
        # Only words can be wrapped: a number below a number is a row of its own.
        return (
            all(
                cell.text == "" or (above[c].text != "" and not is_number(cell.text))
                for c, cell in enumerate(below)
            )
            and gap < 0.45 * height
        )
    return below[0].text[:1].islower() and not any(is_number(cell.text) for cell in below[1:])
