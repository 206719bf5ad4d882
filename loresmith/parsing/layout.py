"""Words on a page to rows, columns of text and tables, by geometry alone.

    words -> segments (words.py) -> regions in reading order -> rows -> tables (grid.py), text (flow.py)

A gutter splits a run of lines into columns only where both sides read as running text; everything
else that stands side by side stays in one row, since a table read column by column is lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from loresmith.parsing.tables import is_number, is_year
from loresmith.parsing.words import Segment

_LEAD = re.compile(r"^(?:\(?[$€£¥]|\(|US\$|A\$|C\$|CHF|EUR|USD|GBP)$")
_TRAIL = re.compile(r"^(?:[%)°*†‡§]|\)%|%\)|pts?\.?|bps)$")
# What stands before a list item, with a gap after it that is no column of a table.
MARKER = re.compile(
    r"^(?:(?:item|note|section|step|part|chapter|kapitel|abschnitt)\s+[\dIVX]{1,4}[A-Za-z]?[.:)]?"
    r"|[•●○◦▪■□–—\-*·‣➢✓✔o]"
    r"|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]"
    r"|\d{1,2}(?:\.\d{1,2}){1,3}\.?"
    r"|\[[^\]\s]{1,12}\])$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Row:
    """Segments on one visual line, left to right."""

    segments: list[Segment] = field(default_factory=list)

    @property
    def y0(self) -> float:
        return min(s.y0 for s in self.segments)

    @property
    def y1(self) -> float:
        return max(s.y1 for s in self.segments)

    @property
    def x0(self) -> float:
        return self.segments[0].x0

    @property
    def x1(self) -> float:
        return max(s.x1 for s in self.segments)

    @property
    def size(self) -> float:
        return max(s.size for s in self.segments)

    @property
    def bold(self) -> bool:
        return all(s.bold for s in self.segments)

    @property
    def text(self) -> str:
        return " ".join(s.text for s in self.segments)


def rows_of(segments: Sequence[Segment]) -> list[Row]:
    rows: list[Row] = []
    for segment in sorted(segments, key=lambda s: ((s.y0 + s.y1) / 2, s.x0)):
        last = rows[-1] if rows else None
        if last is not None and segment.table is None and last.segments[0].table is None:
            overlap = min(last.y1, segment.y1) - max(last.y0, segment.y0)
            if overlap > 0.5 * min(last.y1 - last.y0, segment.height) and not any(
                s.x0 < segment.x1 - 1 and segment.x0 < s.x1 - 1 for s in last.segments
            ):
                last.segments.append(segment)
                continue
        rows.append(Row([segment]))
    for row in rows:
        row.segments.sort(key=lambda s: s.x0)
    return rows


# --- columns of text --------------------------------------------------------------------------


def regions(segments: Sequence[Segment], depth: int = 0) -> list[list[Segment]]:
    """The segments in groups, in reading order; each group is one column of text or full width."""
    if len(segments) < 6 or depth > 6:
        return [list(segments)]
    rows = rows_of(segments)
    best = _best_gutter(rows)
    if best is None:
        return [list(segments)]
    gutter, first, last = best
    inside = [s for row in rows[first:last] for s in row.segments]
    above = [s for row in rows[:first] for s in row.segments]
    below = [s for row in rows[last:] for s in row.segments]
    left = [s for s in inside if s.x0 < gutter]
    right = [s for s in inside if s.x0 >= gutter]
    found: list[list[Segment]] = []
    for part in (above, left, right, below):
        if part:
            found += regions(part, depth + 1)
    return found


def _best_gutter(rows: Sequence[Row]) -> tuple[float, int, int] | None:
    left = min(row.x0 for row in rows)
    right = max(row.x1 for row in rows)
    width = right - left
    starts = sorted(s.x0 for row in rows for s in row.segments)
    candidates = set()
    for start in starts:
        near = sum(start - 2 <= other <= start + 2 for other in starts)
        if near >= 4 and left + 0.2 * width < start < left + 0.85 * width:
            candidates.add(round(start) - 3.0)
    best: tuple[int, float, int, int] | None = None
    for gutter in sorted(candidates):
        first = 0
        for at in range(len(rows) + 1):
            crossing = at == len(rows) or any(s.x0 < gutter < s.x1 for s in rows[at].segments)
            if not crossing:
                continue
            if (
                at - first >= 4
                and _is_text_on_both_sides(rows[first:at], gutter)
                and (best is None or at - first > best[0])
            ):
                best = (at - first, gutter, first, at)
            first = at + 1
    return (best[1], best[2], best[3]) if best else None


def _is_text_on_both_sides(rows: Sequence[Row], gutter: float) -> bool:
    for side in (0, 1):
        lines = [
            part
            for row in rows
            if (part := [s for s in row.segments if (s.x0 >= gutter) == bool(side) and s.table is None])
        ]
        if len(lines) < 4:
            return False
        words = [sum(len(s.text.split()) for s in part) for part in lines]
        x0 = min(part[0].x0 for part in lines)
        x1 = max(part[-1].x1 for part in lines)
        widths = [(part[-1].x1 - part[0].x0) / max(1.0, x1 - x0) for part in lines]
        letters = "".join(s.text for part in lines for s in part)
        digits = sum(ch.isdigit() for ch in letters) / max(1, len(letters))
        cjk = sum("\u3040" <= ch <= "\u9fff" for ch in letters) > 0.3 * len(letters)
        numbers = sum(is_number(s.text) for part in lines for s in part) / sum(map(len, lines))
        if (median(words) < 3.5 and not cjk) or sum(widths) / len(widths) < 0.5:
            return False
        if digits > 0.25 or numbers > 0.2:
            return False
        # Sentences run on from line to line; the cells of a table each begin anew.
        lower = sum(part[0].text[:1].islower() for part in lines)
        if lower < 0.2 * len(lines) and not cjk:
            return False
    return True


# --- rows that belong to tables ---------------------------------------------------------------


def joined_signs(row: Row) -> Row:
    """A currency sign joins the number after it, a percent sign or bracket the one before it."""
    joined: list[Segment] = []
    for segment in row.segments:
        last = joined[-1] if joined else None
        if last is not None and (_LEAD.match(last.text) and segment.text[:1] in "0123456789(.-–—,"):
            gap = "" if last.text in ("$", "€", "£", "¥", "(", "US$") else " "
            joined[-1] = _merged(last, segment, gap)
        elif last is not None and _TRAIL.match(segment.text) and segment.x0 - last.x1 < 2.5 * segment.height:
            joined[-1] = _merged(last, segment, "" if segment.text[0] in ")°*†‡§%" else " ")
        else:
            joined.append(segment)
    return Row(joined)


def _merged(a: Segment, b: Segment, gap: str) -> Segment:
    # The sign's box is left out where it stands far away: the box is to draw the number.
    near = b.x0 - a.x1 < 3 * b.height
    return replace(
        b,
        text=a.text + gap + b.text,
        x0=min(a.x0, b.x0) if near else b.x0,
        x1=max(a.x1, b.x1),
        y0=min(a.y0, b.y0),
        y1=max(a.y1, b.y1),
        bold=a.bold and b.bold,
    )


def with_centred_cells(rows: Sequence[Row]) -> list[Row]:
    """Rows joined where a cell of several lines stands centred beside cells of one line: its lines
    overlap the row in height and use a column that the row leaves empty."""
    found: list[Row] = []
    for row in rows:
        last = found[-1] if found else None
        if last is not None and (len(row.segments) > 1 or len(last.segments) > 1):
            height = min(row.y1 - row.y0, last.y1 - last.y0)
            overlap = min(row.y1, last.y1) - max(row.y0, last.y0)
            one, other = (row, last) if len(row.segments) <= len(last.segments) else (last, row)
            beside = all(_beside(s, other) for s in one.segments)
            if overlap > 0.2 * height and beside and row.segments[0].table is None:
                joined = sorted([*last.segments, *row.segments], key=lambda s: (s.x0, s.y0))
                found[-1] = Row(joined)
                continue
        found.append(row)
    return found


def _beside(segment: Segment, row: Row) -> bool:
    """Nothing of `row` on the same height stands over or under the segment."""
    return all(
        s.x1 <= segment.x0
        or segment.x1 <= s.x0
        or min(s.y1, segment.y1) - max(s.y0, segment.y0) < 0.1 * s.height
        for s in row.segments
    )


def is_tabular(row: Row) -> bool:
    """Several cells side by side; a list marker with its item is not."""
    segments = row.segments
    if len(segments) < 2 or segments[0].table is not None:
        return False
    first = segments[0].text
    # One character of a symbol font is a bullet, whatever letter it stands for.
    return not (len(segments) == 2 and (MARKER.match(first) or (len(first) == 1 and not first.isdigit())))


# A sentence that announces a table ends the one before it.
_ANNOUNCES = re.compile(
    r"\b(?:following|as follows|below|above|folgende|siguiente|suivant|seguente)\b.*[:.]$", re.IGNORECASE
)
LOOK_AHEAD = 3


def table_runs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Half-open ranges of rows that look like tables, before their columns were checked."""
    runs: list[tuple[int, int]] = []
    at = 0
    while at < len(rows):
        if not is_tabular(rows[at]):
            at += 1
            continue
        last = at
        while (following := _next_tabular(rows, last)) is not None:
            labels = rows[last + 1 : following]
            if (
                len(labels) > 1
                and not any(_has_number(row) for row in rows[at : last + 1])
                and not all(row.text.endswith(":") for row in labels)
            ):
                break
            if not all(_is_label(row, [*rows[at : last + 1], rows[following]]) for row in labels):
                break
            last = following
        # A label just under the last row may be the rest of a wrapped cell.
        while last + 1 < len(rows) and _close(rows, last + 1) and _continues(rows[last], rows[last + 1]):
            last += 1
        first = at
        while first > 0 and (not runs or first > runs[-1][1]) and _is_name_above(rows, first):
            first -= 1
        runs.append((first, last + 1))
        at = last + 1
    return runs


def _is_name_above(rows: Sequence[Row], at: int) -> bool:
    """The line above stands over the names of columns alone: "Three Months Ended"."""
    above, names = rows[at - 1], rows[at]
    if any(is_number(s.text) and not is_year(s.text) for s in names.segments):
        return False
    if len(above.segments) != 1 or above.segments[0].table is not None or not _close(rows, at):
        return False
    left = min(row.x0 for row in rows[at : at + 12])
    over = names.x0 - 40 <= above.x0 and above.x1 <= names.x1 + 40
    return names.x0 > left + 60 and above.x0 > left + 60 and over and len(above.text.split()) <= 10


def _has_number(row: Row) -> bool:
    return any(is_number(s.text) and not is_year(s.text) for s in row.segments[1:])


def _next_tabular(rows: Sequence[Row], at: int) -> int | None:
    for step in range(at + 1, min(len(rows), at + 2 + LOOK_AHEAD)):
        if not _close(rows, step) or rows[step].segments[0].table is not None:
            return None
        if is_tabular(rows[step]):
            return step
    return None


def _close(rows: Sequence[Row], at: int) -> bool:
    height = max(6.0, min(rows[at].y1 - rows[at].y0, rows[at - 1].y1 - rows[at - 1].y0))
    return rows[at].y0 - rows[at - 1].y1 < 2.4 * height


def _is_label(row: Row, table: Sequence[Row]) -> bool:
    """A line within a table that holds one cell: a group's name, a wrapped cell."""
    segment = row.segments[0]
    left, right = min(r.x0 for r in table), max(r.x1 for r in table)
    if segment.x0 < left - 40 or segment.x1 > right + 3:
        return False
    if _ANNOUNCES.search(segment.text) or (segment.text.endswith(".") and len(segment.text.split()) > 7):
        return False
    return segment.x1 - segment.x0 < 0.85 * (right - left) or segment.text.endswith(":")


def _continues(row: Row, below: Row) -> bool:
    """`below` is the rest of a wrapped cell of `row`."""
    if len(below.segments) != 1:
        return False
    tight = below.y0 - row.y1 < 0.5 * (row.y1 - row.y0)
    starts = any(abs(below.x0 - s.x0) < 12 for s in row.segments)
    return tight and starts and below.text[:1].islower()
