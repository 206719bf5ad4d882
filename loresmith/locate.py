"""From a character span of a document to its exact place: page and boxes, sheet and row, line.

Promises: the page, sheet, row, key and table are those of the block in which the span begins;
boxes cover the span's characters on that page, one box for each visual line; the heading path
holds every heading that is open where the span begins (a heading is in its own section).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from loresmith.types import Block, Box, Document, Locator

HEADING_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class _Places:
    """What many look-ups in one document share; building it is linear in the blocks."""

    blocks: tuple[Block, ...]
    text: str
    starts: list[int]
    paths: list[tuple[str, ...]]
    line_starts: list[int]


# A document is located again and again while it is cut or cited; the last few are kept.
_recent: deque[_Places] = deque(maxlen=4)


def locate(document: Document, start: int, end: int) -> Locator:
    """The place of `document.text[start:end]`; only what the format knows is set.

    Raises:
        ValueError: the span does not lie within the text.
    """
    if not 0 <= start <= end <= len(document.text):
        raise ValueError(f"{document.id}: no span {start}:{end} in a text of {len(document.text)} characters")
    places = _places(document)
    position = _block_at(places, start)
    block = places.blocks[position] if position >= 0 else None
    path = places.paths[position] if position >= 0 else ()
    return Locator(
        start=start,
        end=end,
        page=block.page if block else None,
        boxes=_boxes(places, position, start, end),
        sheet=block.sheet if block else None,
        row=block.row if block else None,
        key=block.key if block else None,
        line=bisect_right(places.line_starts, start) if document.lined else None,
        heading=HEADING_SEPARATOR.join(path) or None,
        table=block.table if block else None,
    )


def row_at(document: Document, place: Locator) -> Block | None:
    """The row of a table that stands at a place: by its span, else by its number or its key."""

    def fits(block: Block) -> bool:
        if place.start is not None:
            return block.start <= place.start < block.end
        if block.header or (place.sheet is not None and block.sheet != place.sheet):
            return False
        if place.row is not None:
            return block.row == place.row
        return place.key is not None and block.key == place.key

    return next((block for block in document.blocks if block.kind == "row" and fits(block)), None)


def heading_path(document: Document, start: int) -> tuple[str, ...]:
    """The headings open at character `start`, outermost first."""
    places = _places(document)
    position = _block_at(places, start)
    return places.paths[position] if position >= 0 else ()


def _places(document: Document) -> _Places:
    for known in tuple(_recent):
        # Identity, not equality: comparing two long texts would cost more than it saves.
        if known.blocks is document.blocks and known.text is document.text:
            return known
    built = _Places(
        blocks=document.blocks,
        text=document.text,
        starts=[block.start for block in document.blocks],
        paths=_paths(document),
        line_starts=_line_starts(document.text) if document.lined else [],
    )
    _recent.append(built)
    return built


def _paths(document: Document) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    stack: list[tuple[int, str]] = []
    path: tuple[str, ...] = ()
    for block in document.blocks:
        if block.kind == "heading":
            while stack and stack[-1][0] >= block.level:
                stack.pop()
            stack.append((block.level, " ".join(document.text[block.start : block.end].split())))
            path = tuple(title for _, title in stack)
        paths.append(path)
    return paths


def _line_starts(text: str) -> list[int]:
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def _block_at(places: _Places, start: int) -> int:
    """The block that holds `start`; in the white space between two blocks, the next one."""
    position = bisect_right(places.starts, start) - 1
    beyond = position < 0 or start >= places.blocks[position].end
    if (
        beyond
        and position + 1 < len(places.blocks)
        and not places.text[start : places.starts[position + 1]].strip()
    ):
        return position + 1
    return position


def _boxes(places: _Places, position: int, start: int, end: int) -> tuple[Box, ...]:
    if position < 0 or places.blocks[position].page is None:
        return ()
    page = places.blocks[position].page
    pieces: list[Box] = []
    for block in places.blocks[position:]:
        if block.start >= max(end, start + 1) or block.page != page:
            break
        if block.lines:
            pieces += [_clip(line, start, end) for line in block.lines if line[0] < end and start < line[1]]
        elif block.box is not None:
            pieces.append(block.box)
    return tuple(_joined(pieces))


def _clip(line: tuple[int, int, Box], start: int, end: int) -> Box:
    """The part of a line's box under the span, each character taken as equally wide."""
    first, last, box = line
    if box.y1 - box.y0 > 2 * (box.x1 - box.x0) and last - first > 2:
        # Text that runs up or down the page: the whole line.
        return box
    width = (box.x1 - box.x0) / max(1, last - first)
    x0 = box.x0 + width * (max(start, first) - first)
    x1 = box.x1 - width * (last - min(end, last))
    return Box(round(x0, 2), box.y0, round(x1, 2), box.y1)


def _joined(pieces: list[Box]) -> list[Box]:
    """Neighbouring pieces that stand on one visual line become one box."""
    joined: list[Box] = []
    for box in pieces:
        last = joined[-1] if joined else None
        if last and _overlap(last, box) > 0.5 and -1 <= box.x0 - last.x1 < 3 * (box.y1 - box.y0):
            joined[-1] = Box(last.x0, min(last.y0, box.y0), max(last.x1, box.x1), max(last.y1, box.y1))
        else:
            joined.append(box)
    return joined


def _overlap(a: Box, b: Box) -> float:
    """Vertical overlap as a share of the lower of the two."""
    lower = min(a.y1 - a.y0, b.y1 - b.y0)
    return (min(a.y1, b.y1) - max(a.y0, b.y0)) / lower if lower > 0 else 0.0
