"""The pages of a document written in reading order: running heads out, headings, paragraphs, tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from loresmith.parsing.draft import Draft, Piece
from loresmith.parsing.grid import Grid, grid_of
from loresmith.parsing.layout import (
    MARKER,
    Row,
    is_tabular,
    joined_signs,
    regions,
    rows_of,
    table_runs,
    with_centred_cells,
)
from loresmith.parsing.tables import Cell, add_table, is_number, is_year
from loresmith.parsing.words import Segment
from loresmith.types import Box


@dataclass(slots=True)
class Page:
    """A page in the order of the file; `width` and `height` as it is read.

    Attributes:
        turned: texts that stand sideways.
        angle: how far the page was turned back to be read; its boxes are turned again.
    """

    number: int
    width: float
    height: float
    segments: list[Segment]
    turned: tuple[str, ...] = ()
    angle: int = 0

    def place(self, box: Box) -> Box:
        """A box of the page as it was read, on the page as it is shown."""
        match self.angle:
            case 90:
                return Box(self.height - box.y1, box.x0, self.height - box.y0, box.x1)
            case 180:
                return Box(
                    self.width - box.x1, self.height - box.y1, self.width - box.x0, self.height - box.y0
                )
            case 270:
                return Box(box.y0, self.width - box.x1, box.y1, self.width - box.x0)
        return box


@dataclass(slots=True)
class _Style:
    """What is usual in this document, to see what stands out."""

    body: float
    sizes: list[float]
    words: frozenset[str]


def write_pages(draft: Draft, pages: Sequence[Page]) -> None:
    """Append all pages to `draft`; fills in the title where the document names itself."""
    running = _running_lines(pages)
    if running.shown:
        draft.metadata["running"] = " / ".join(running.shown[:4])[:300]
    style = _style(pages)
    for page in pages:
        kept = [s for s in page.segments if (page.number, id(s)) not in running.segments]
        for region in regions(kept):
            _write_region(draft, rows_of(region), page.number, style)
        for text in page.turned:
            # A watermark or a label along the edge; a few letters say nothing.
            if len(text.split()) > 3:
                draft.add("paragraph", text, page=page.number)
        if page.angle:
            draft.move_boxes(page.number, page.place)


# --- running heads and feet -------------------------------------------------------------------


@dataclass(slots=True)
class _Running:
    segments: set[tuple[int, int]] = field(default_factory=set)
    shown: list[str] = field(default_factory=list)


_PAGE_NUMBER = re.compile(
    r"^\W*(?:(?:page|seite|página|pagina|p\.?|s\.?)\s*)?(?:\d{1,4}|[ivxl]{1,6})(?:\s*(?:/|of|von|de|di|\|)\s*\d{1,4})?\W*$",
    re.IGNORECASE,
)
_EDGE_ROWS = 3


def _running_lines(pages: Sequence[Page]) -> _Running:
    """Lines that stand at the head or foot of several pages, with the same words and the same
    numbers, or numbers that count the pages."""
    edges: dict[int, list[tuple[set[str], Row, bool]]] = {}
    counted: Counter[str] = Counter()
    for page in pages:
        rows = [row for row in rows_of(page.segments) if row.segments[0].table is None]
        top = [("top", row) for row in rows[:_EDGE_ROWS]]
        bottom = [("end", row) for row in rows[max(_EDGE_ROWS, len(rows) - _EDGE_ROWS) :]]
        found = [
            (_shapes(place, row.text, page.number), row, _margin(row, page)) for place, row in top + bottom
        ]
        edges[page.number] = found
        counted.update({shape for shapes, _, _ in found for shape in shapes})
    running = _Running()
    for page in pages:
        taken = []
        for shapes, row, in_margin in edges[page.number]:
            times = max(counted[shape] for shape in shapes)
            repeated = times >= max(3, 0.25 * len(pages)) or (
                in_margin and times >= 2 and times >= 0.4 * len(pages)
            )
            # Names of columns also repeat from page to page; they stand beside each other.
            table_like = len(row.segments) > 3 and not in_margin
            numbered = in_margin and _PAGE_NUMBER.match(row.text) is not None
            if (repeated and not table_like and len(row.text) < 200) or numbered:
                taken.append(row)
        held = {id(s) for row in taken for s in row.segments}
        if any(id(s) not in held for s in page.segments):
            # A page on which nothing else stands keeps its lines.
            running.segments.update((page.number, key) for key in held)
            running.shown += [row.text for row in taken if not _PAGE_NUMBER.match(row.text)]
    running.shown = list(dict.fromkeys(running.shown))
    return running


def _shapes(place: str, text: str, page: int) -> set[str]:
    """The line as it is, and with each of its numbers told by its distance from the page's."""
    shapes = {f"{place}:{text.lower()}"}
    for match in re.finditer(r"(?<![\d.,-])\d{1,4}(?![\d.,-])", text):
        distance = int(match[0]) - page
        shapes.add(f"{place}:{text[: match.start()].lower()}#{distance}{text[match.end() :].lower()}")
    return shapes


def _margin(row: Row, page: Page) -> bool:
    return row.y1 < 0.09 * page.height or row.y0 > 0.91 * page.height


# --- what stands out --------------------------------------------------------------------------


def _style(pages: Sequence[Page]) -> _Style:
    letters: Counter[float] = Counter()
    for page in pages:
        for segment in page.segments:
            if segment.table is None:
                letters[segment.size] += len(segment.text)
    body = letters.most_common(1)[0][0] if letters else 10.0
    total = sum(letters.values())
    larger = sorted((s for s, n in letters.items() if s > 1.12 * body and n < 0.3 * total), reverse=True)
    sizes: list[float] = []
    for size in larger:
        if not sizes or size < 0.94 * sizes[-1]:
            sizes.append(size)
    texts = [s.text for page in pages for s in page.segments]
    words = frozenset(
        word for text in texts for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.lower())
    )
    return _Style(body, sizes[:4], words)


_NUMBERED = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+\S")
_ENDS_SENTENCE = re.compile(r"[.;,:!?]$")


def _heading_level(row: Row, style: _Style) -> int:
    """0 for text; larger type first, then bold lines of body size."""
    text = row.text.strip()
    if len(text) > 160 or len(text) < 2 or not any(ch.isalpha() for ch in text):
        return 0
    larger = next((n for n, size in enumerate(style.sizes, 1) if row.size >= 0.94 * size), 0)
    if larger:
        level = larger
    elif row.bold and not _ENDS_SENTENCE.search(text.rstrip(":")) and len(text.split()) <= 16:
        level = len(style.sizes) + 1
    else:
        return 0
    numbered = _NUMBERED.match(text)
    if numbered:
        level += numbered[1].count(".")
    return min(level, 6)


# --- one region -------------------------------------------------------------------------------


def _write_region(draft: Draft, rows: list[Row], page: int, style: _Style) -> None:
    rows = with_centred_cells([joined_signs(row) for row in rows])
    grids: dict[int, tuple[int, Grid]] = {}
    for first, last in table_runs(rows):
        for one, end in _split(rows, first, last):
            grid = grid_of(rows[one:end])
            if grid is not None:
                grids[one] = (end, grid)
    at = 0
    lines: list[Row] = []
    right = max((row.x1 for row in rows), default=0.0)
    pitch = _pitch(rows)
    while at < len(rows):
        row = rows[at]
        if at in grids or row.segments[0].table is not None:
            _write_paragraph(draft, lines, page, style)
            lines = []
        if at in grids:
            at, grid = grids[at]
            _name_unit(draft, grid)
            add_table(
                draft,
                grid.rows,
                headers=grid.headers if grid.sure else 0,
                plain_headers=grid.headers,
                page=page,
            )
            continue
        at += 1
        table = row.segments[0].table
        if table is not None:
            add_table(draft, table, headers=row.segments[0].headers, page=page)
            continue
        if lines and _begins(lines, row, style, pitch, right):
            _write_paragraph(draft, lines, page, style)
            lines = []
        lines.append(row)
    _write_paragraph(draft, lines, page, style)


_UNIT = re.compile(
    r"\([^()]*\b(?:in|en|em) (?:\w+ )?(?:millions?|thousands|billions|percent|millones|milliers|€|%)[^()]*\)"
    r"|\([^()]*\bin (?:Mio|Tsd|T€|Millionen|Tausend)[^()]*\)",
    re.IGNORECASE,
)


def _name_unit(draft: Draft, grid: Grid) -> None:
    """ "(In millions)" above a table names its unit: it becomes the name of the first column, so
    that it goes along when the table is cut."""
    unit = _UNIT.search(draft.last_text()[-200:])
    if grid.headers and not grid.rows[0][0].text and unit:
        grid.rows[0][0] = Cell(unit[0])


def _split(rows: Sequence[Row], first: int, last: int) -> list[tuple[int, int]]:
    """A run as one table; where it does not align, or new names of columns begin, as several."""
    begins = [first]
    body = False
    left = min(row.x0 for row in rows[first:last])
    for at in range(first, last):
        values = [s.text for s in rows[at].segments[1:]]
        numeric = any(is_number(v) and not is_year(v) for v in values)
        names = is_tabular(rows[at]) and not numeric and rows[at].x0 > left + 30
        if body and names and all(is_year(s.text) or not is_number(s.text) for s in rows[at].segments):
            above = at
            while (
                above - 1 > begins[-1] and not is_tabular(rows[above - 1]) and rows[above - 1].x0 > left + 60
            ):
                above -= 1
            begins.append(above)
            body = False
        body = body or numeric
    parts = list(zip(begins, [*begins[1:], last], strict=True))
    found: list[tuple[int, int]] = []
    for one, end in parts:
        if grid_of(rows[one:end]) is not None:
            found.append((one, end))
            continue
        cut = one
        for at in range(one, end + 1):
            if at == end or not is_tabular(rows[at]):
                if at - cut >= 2:
                    found.append((cut, at))
                cut = at + 1
    return found


def _pitch(rows: Sequence[Row]) -> float:
    """The usual distance from one line to the next."""
    steps = [b.y0 - a.y0 for a, b in pairwise(rows) if 0 < b.y0 - a.y0 < 40]
    return median(steps) if steps else 12.0


def _begins(lines: Sequence[Row], row: Row, style: _Style, pitch: float, right: float) -> bool:
    """`row` begins a new paragraph after `lines`."""
    last = lines[-1]
    height = max(last.y1 - last.y0, 1.0)
    gap = row.y0 - last.y1
    step = row.y0 - last.y0
    if gap > 0.75 * height or (step > 1.35 * pitch and gap > 0.35 * height) or step < -height:
        return True
    if abs(row.size - last.size) > 0.12 * max(row.size, last.size):
        return True
    level, before = _heading_level(row, style), _heading_level(last, style)
    if (level > 0) != (before > 0) and (row.bold != last.bold or row.size > 1.12 * style.body):
        return True
    if MARKER.match(row.text.split()[0]) and len(row.text.split()) > 1 and not _in_sentence(last, row, right):
        return True
    if level and before:
        # Two headings stand one under the other unless the first is broken by the margin.
        return last.x1 < right - 0.25 * (right - row.x0) and not _centred(last, row)
    indented = row.x0 > lines[0].x0 + 8 and len(lines) > 1 and row.x0 > last.x0 + 8
    ended = last.text.rstrip()[-1:] in ".:!?" and last.x1 < right - 0.15 * (right - row.x0)
    return indented or ended


def _in_sentence(last: Row, row: Row, right: float) -> bool:
    """A number at the start of a line that only looks like a marker ("... of\n10. The")."""
    return row.text[:1].isdigit() and last.text.rstrip()[-1:] not in ".:;!?" and last.x1 > right - 0.1 * right


def _centred(a: Row, b: Row) -> bool:
    return abs((a.x0 + a.x1) - (b.x0 + b.x1)) < 12 and abs(a.x0 - b.x0) > 4 and a.size == b.size


def _write_paragraph(draft: Draft, rows: Sequence[Row], page: int, style: _Style) -> None:
    if not rows:
        return
    level = max((_heading_level(row, style) for row in rows), default=0)
    text = " ".join(row.text for row in rows)
    if level and (
        not all(_heading_level(row, style) for row in rows)
        or len(rows) > 3
        or (text.endswith(".") and len(text.split()) > 12)
    ):
        level = 0
    pieces: list[Piece] = []
    for number, row in enumerate(rows):
        for position, segment in enumerate(row.segments):
            if number and position == 0:
                pieces.append(_between(pieces, segment.text, style))
            elif pieces:
                pieces.append(Piece(" "))
            pieces.append(Piece(segment.text, segment.box))
    first = rows[0].text.split()[0]
    if level:
        draft.add("heading", pieces, level=level, page=page)
    elif MARKER.match(first) and len(rows[0].text.split()) > 1:
        draft.add("list", pieces, page=page)
    else:
        draft.add("paragraph", pieces, page=page)


def _between(pieces: list[Piece], text: str, style: _Style) -> Piece:
    """What joins two lines: a space; nothing in Chinese, nor after a hyphen."""
    last = pieces[-1].text
    broken = re.search(r"([^\W\d_]{2,})-$", last)
    if broken and text[:1].islower():
        rest = re.match(r"[^\W\d_]+", text)
        whole = (broken[1] + (rest[0] if rest else "")).lower()
        compound = (broken[0] + (rest[0] if rest else "")).lower()
        # A hyphen that only broke the word goes; that of a compound ("debt-related") stays.
        parts = {broken[1].lower(), (rest[0] if rest else "").lower()}
        if whole in style.words or (compound not in style.words and not parts <= style.words):
            pieces[-1] = Piece(last[:-1], pieces[-1].box)
        return Piece("")
    if _CJK_END.search(last) and _CJK_START.match(text):
        return Piece("")
    return Piece(" ")


_CJK_END = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]$")
_CJK_START = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
