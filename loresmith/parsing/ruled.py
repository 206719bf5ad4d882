"""Tables drawn with lines: the lines make the grid, the grid makes the cells.

Lines that touch belong to one table; a cell without a line to its neighbour is merged with it. A
merged cell says its text in each row and, as a heading, in each column that it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.parsing.tables import Cell, header_rows, is_number
from loresmith.parsing.words import Segment, Word, segments_of
from loresmith.types import Box

NEAR = 3.0
MAX_CELLS = 4000


@dataclass(frozen=True, slots=True)
class Shade:
    """A filled area of a page and its colour (ARGB)."""

    box: Box
    colour: str


def ruled_tables(lines: Sequence[Box], shades: Sequence[Shade], words: Sequence[Word]) -> list[Segment]:
    """Every table whose cells are drawn, as one segment each."""
    found = []
    for group in _touching(lines):
        grid = _Grid.of(group)
        if grid is not None:
            table = _table(grid, shades, words)
            if table is not None:
                found.append(table)
    # A table within a table's cell is part of that cell.
    return [t for t in found if not any(o is not t and _within(t, o) for o in found)]


def _within(inner: Segment, outer: Segment) -> bool:
    return (
        outer.x0 - 1 <= inner.x0
        and outer.y0 - 1 <= inner.y0
        and inner.x1 <= outer.x1 + 1
        and inner.y1 <= outer.y1 + 1
    )


def _is_vertical(line: Box) -> bool:
    return line.y1 - line.y0 > line.x1 - line.x0


def _touching(lines: Sequence[Box]) -> list[list[Box]]:
    """Groups of lines connected by crossings."""
    vertical = [line for line in lines if _is_vertical(line) and line.y1 - line.y0 > 4]
    horizontal = [line for line in lines if not _is_vertical(line) and line.x1 - line.x0 > 4]
    if len(vertical) < 2 or len(horizontal) < 2 or len(vertical) * len(horizontal) > 2_000_000:
        return []
    parent = list(range(len(vertical) + len(horizontal)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for v, up in enumerate(vertical):
        for h, across in enumerate(horizontal, len(vertical)):
            if across.x0 - NEAR <= up.x0 <= across.x1 + NEAR and up.y0 - NEAR <= across.y0 <= up.y1 + NEAR:
                parent[root(v)] = root(h)
    groups: dict[int, list[Box]] = {}
    for n, line in enumerate([*vertical, *horizontal]):
        groups.setdefault(root(n), []).append(line)
    return [group for group in groups.values() if len(group) >= 4]


@dataclass(slots=True)
class _Grid:
    """Positions of columns and rows, and which neighbours no line parts."""

    xs: list[float]
    ys: list[float]
    cell: dict[tuple[int, int], tuple[int, int]]
    """Row and column -> row and column of the first part of the (merged) cell."""

    @property
    def rows(self) -> int:
        return len(self.ys) - 1

    @property
    def columns(self) -> int:
        return len(self.xs) - 1

    @classmethod
    def of(cls, lines: Sequence[Box]) -> _Grid | None:
        vertical = [line for line in lines if _is_vertical(line)]
        horizontal = [line for line in lines if not _is_vertical(line)]
        xs = _positions([(v.x0 + v.x1) / 2 for v in vertical])
        ys = _positions([(h.y0 + h.y1) / 2 for h in horizontal])
        # A table may be open at its sides.
        left, right = min(h.x0 for h in horizontal), max(h.x1 for h in horizontal)
        top, bottom = min(v.y0 for v in vertical), max(v.y1 for v in vertical)
        xs = ([left] if left < xs[0] - 8 else []) + xs + ([right] if right > xs[-1] + 8 else [])
        ys = ([top] if top < ys[0] - 8 else []) + ys + ([bottom] if bottom > ys[-1] + 8 else [])
        if len(xs) < 3 or len(ys) < 3 or len(xs) * len(ys) > MAX_CELLS:
            return None
        cell = {(r, c): (r, c) for r in range(len(ys) - 1) for c in range(len(xs) - 1)}
        for r in range(len(ys) - 1):
            for c in range(1, len(xs) - 1):
                if not _covered(
                    [(v.y0, v.y1) for v in vertical if abs(v.x0 - xs[c]) <= NEAR], ys[r], ys[r + 1]
                ):
                    cell[r, c] = cell[r, c - 1]
        for r in range(1, len(ys) - 1):
            for c in range(len(xs) - 1):
                above = cell[r - 1, c]
                same_width = all(
                    (cell[r, k] == cell[r, c]) == (cell[r - 1, k] == above) for k in range(len(xs) - 1)
                )
                if same_width and not _covered(
                    [(h.x0, h.x1) for h in horizontal if abs(h.y0 - ys[r]) <= NEAR], xs[c], xs[c + 1]
                ):
                    own = cell[r, c]
                    for k in range(len(xs) - 1):
                        if cell[r, k] == own:
                            cell[r, k] = above
        return cls(xs, ys, cell)


def _positions(values: Sequence[float]) -> list[float]:
    """Values closer than `NEAR` are one."""
    found: list[list[float]] = []
    for value in sorted(values):
        if found and value - found[-1][-1] <= NEAR:
            found[-1].append(value)
        else:
            found.append([value])
    return [sum(group) / len(group) for group in found]


def _covered(parts: Sequence[tuple[float, float]], start: float, end: float) -> bool:
    """The parts together cover most of [start, end]."""
    total, reached = 0.0, start
    for one, last in sorted(parts):
        one, last = max(one, reached), min(last, end)
        if last > one:
            total += last - one
            reached = last
    return total >= 0.6 * (end - start)


def _table(grid: _Grid, shades: Sequence[Shade], words: Sequence[Word]) -> Segment | None:
    held: dict[tuple[int, int], list[Word]] = {}
    for word in words:
        place = _place(grid, word)
        if place is not None:
            held.setdefault(grid.cell[place], []).append(word)
    parts = set(grid.cell.values())
    # Frames, charts and forms are drawn with lines too: what is mostly empty is no table.
    if len(held) < max(3, 0.3 * len(parts)):
        return None
    # Bands without columns that hold most of the words are a frame around something else.
    spread = {part for r in range(grid.rows) for part in {grid.cell[r, 0]} & {grid.cell[r, grid.columns - 1]}}
    if sum(len(held.get(part, ())) for part in spread) > 0.5 * sum(map(len, held.values())):
        return None
    rows: list[list[Cell]] = []
    owners: list[list[tuple[int, int]]] = []
    for r in range(grid.rows):
        own = [grid.cell[r, c] for c in range(grid.columns)]
        for row in _lines_of(own, held):
            rows.append(row)
            owners.append(own)
    kept = [n for n, row in enumerate(rows) if any(cell.text for cell in row)]
    rows, owners = [rows[n] for n in kept], [owners[n] for n in kept]
    if len(rows) < 2:
        return None
    headers = _headers(rows, owners, held, grid, shades)
    body = [
        _once(row, own) if n >= headers else row
        for n, (row, own) in enumerate(zip(rows, owners, strict=True))
    ]
    return Segment(
        "",
        grid.xs[0],
        grid.ys[0],
        grid.xs[-1],
        grid.ys[-1],
        table=tuple(tuple(r) for r in body),
        headers=headers,
    )


def _place(grid: _Grid, word: Word) -> tuple[int, int] | None:
    x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    column = next((c for c in range(grid.columns) if grid.xs[c] <= x <= grid.xs[c + 1]), None)
    row = next((r for r in range(grid.rows) if grid.ys[r] <= y <= grid.ys[r + 1]), None)
    return None if row is None or column is None else (row, column)


def _lines_of(own: Sequence[tuple[int, int]], held: dict[tuple[int, int], list[Word]]) -> list[list[Cell]]:
    """The cells of a drawn row; as several rows where lines part only the columns."""
    lines = {part: _visual_lines(held.get(part, [])) for part in set(own)}
    numeric = [
        found
        for found in lines.values()
        if len(found) >= 4 and sum(is_number(_cell(line).text) for line in found) >= 0.7 * len(found)
    ]
    if not numeric:
        return [[_cell(held.get(part, [])) for part in own]]
    # A column of numbers shows where the records are; what stands between belongs to the one above.
    tops = _positions([line[0].y0 for found in lines.values() for line in found])
    split = []
    for number, top in enumerate(tops):
        end = tops[number + 1] if number + 1 < len(tops) else float("inf")
        split.append(
            [
                _cell([w for line in lines[part] for w in line if top - NEAR <= line[0].y0 < end - NEAR])
                for part in own
            ]
        )
    return split


def _visual_lines(words: Sequence[Word]) -> list[list[Word]]:
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda w: w.y0):
        if lines and word.y0 - lines[-1][0].y0 < 0.6 * (word.y1 - word.y0):
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _cell(words: Sequence[Word]) -> Cell:
    if not words:
        return Cell("")
    segments = segments_of(words)
    text = ""
    for segment in segments:
        # A word broken at the end of its line.
        broken = text.endswith("-") and len(text) > 2 and text[-2].islower() and segment.text[:1].islower()
        text = text[:-1] + segment.text if broken else f"{text} {segment.text}".strip()
    box = Box(
        round(min(s.x0 for s in segments), 1),
        round(min(s.y0 for s in segments), 1),
        round(max(s.x1 for s in segments), 1),
        round(max(s.y1 for s in segments), 1),
    )
    return Cell(text, box)


def _once(row: list[Cell], own: Sequence[tuple[int, int]]) -> list[Cell]:
    return [Cell("") if c and own[c] == own[c - 1] else cell for c, cell in enumerate(row)]


def _headers(
    rows: Sequence[Sequence[Cell]],
    owners: Sequence[Sequence[tuple[int, int]]],
    held: dict[tuple[int, int], list[Word]],
    grid: _Grid,
    shades: Sequence[Shade],
) -> int:
    """How many rows hold names: set off by type or shade, merged, or shown by what stands below."""

    def bold(n: int) -> bool:
        words = [word for part in set(owners[n]) for word in held.get(part, [])]
        return bool(words) and all(word.bold for word in words)

    def shade(n: int) -> str:
        part = owners[n][0]
        y = (grid.ys[part[0]] + grid.ys[part[0] + 1]) / 2
        x = grid.xs[0] + 2
        over = [s.colour for s in shades if s.box.x0 <= x <= s.box.x1 and s.box.y0 <= y <= s.box.y1]
        return over[-1] if over else ""

    last = len(rows) - 1
    styled = (bold(0) and not bold(last)) or (shade(0) != shade(last) and shade(0) != shade(min(2, last)))
    parts = len(set(owners[0]))
    if (
        styled
        and 1 < parts < len(owners[0])
        and len(rows) > 2
        and (bold(1) == bold(0) or shade(1) == shade(0))
    ):
        # Names over names: the upper ones are merged over several columns.
        return 2
    texts = [[cell.text for cell in row] for row in rows]
    return header_rows(texts, styled=styled)
