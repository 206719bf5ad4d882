"""Documents to passages: the unit that is embedded, searched and quoted.

Structure decides first: a passage stays within its section, page, sheet and table; paragraphs and
table rows stay whole while they fit. Only a block longer than a passage is cut inside, at the
best sentence or word (semantic-text-splitter).

Promises: `passage.text == document.text[start:end]`; passages are in order and do not overlap;
every character that is not white space between two passages is in one; the same text in the same
place of the same document keeps its id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from loresmith.language import detect
from loresmith.locate import heading_path, locate
from loresmith.types import Block, Box, Document, Passage

CUT_VERSION = "2"
"""Part of what sync records: a change makes every document be cut again."""

_CONTEXT_SHARE = 0.3
_SUBHEADING = 60
_LEAD_IN = 120
_TOTALS = ("total", "sum", "gesamt", "somme", "合计", "総")
_COLUMN_NAME = re.compile(r"(?:19|20)\d\d|[^\W\d]+\.? \d{1,2},?(?: (?:19|20)\d\d)?|[^\d$€%]*")
_DETECTABLE = 200


@dataclass(frozen=True, slots=True)
class _Unit:
    """A block, or a part of one that was too long: the smallest thing a passage is made of.

    `context` is what a passage that begins here needs of its table's head, with its tokens.
    """

    start: int
    end: int
    tokens: int
    block: Block
    path: tuple[str, ...]
    context: tuple[str, int]


def cut(document: Document, count: Callable[[str], int], *, max_tokens: int) -> list[Passage]:
    """Cut a document into passages of at most `max_tokens` tokens, as `count` counts them.

    The tokens of `Passage.context` (the header of a table that was cut) are within the bound; title
    and headings, which `Passage.indexed_text` puts in front, are not.
    """
    units = list(_units(document, count, max_tokens))
    groups: list[list[_Unit]] = []
    size = 0
    for unit, rest in zip(units, _table_rests(units), strict=True):
        if (
            groups
            and size + unit.tokens <= max_tokens
            and _together(document, groups[-1], unit, size + rest <= max_tokens)
        ):
            groups[-1].append(unit)
            size += unit.tokens
        else:
            room = max_tokens - unit.tokens - unit.context[1]
            groups.append([*_lead_in(document, groups, unit, room), unit])
            size = sum(u.tokens for u in groups[-1]) + unit.context[1]
    language = document.language or detect(document.text)
    return [_passage(document, ordinal, group, language) for ordinal, group in enumerate(groups)]


def _together(document: Document, group: Sequence[_Unit], unit: _Unit, table_fits: bool) -> bool:
    """Whether `unit`, for which there is room, may stand in the passage begun by `group`."""
    last = group[-1].block
    only_headings = all(u.block.kind in ("heading", "caption") for u in group)
    leads_in = only_headings or all(_introduces(document, u.block) for u in group)
    if unit.block.sheet != last.sheet:
        return False
    if unit.block.page != last.page:
        # A heading at the foot of a page belongs to the text on the next.
        return only_headings
    if unit.block.kind == "heading":
        # Headings without text of their own go with what follows: alone they say nothing.
        return only_headings
    if _table(unit.block) not in (None, _table(last)):
        return leads_in or table_fits
    return True


def _lead_in(document: Document, groups: Sequence[list[_Unit]], unit: _Unit, room: int) -> list[_Unit]:
    """The end of the last passage where it introduces `unit`: "Operating expenses:"."""
    taken: list[_Unit] = []
    while groups and len(groups[-1]) > 1 and len(taken) < 3 and unit.block.kind != "heading":
        last = groups[-1][-1]
        room -= last.tokens
        if room < 0 or last.block.page != unit.block.page or not _introduces(document, last.block):
            break
        taken.insert(0, groups[-1].pop())
    return taken


def _introduces(document: Document, block: Block) -> bool:
    """Headings, captions, "(In millions)", "Cost of sales:": nothing without what follows."""
    text = document.text[block.start : block.end]
    if block.header or len(text) > _LEAD_IN:
        return False
    return _is_caption(document, block) or block.kind == "heading" or text.endswith((":", "："))


def _table_rests(units: Sequence[_Unit]) -> list[int]:
    """For each unit, the tokens of its table from there on; its own where it is in none."""
    rests: list[int] = []
    following: _Unit | None = None
    for unit in reversed(units):
        same = following is not None and _table(unit.block) is not None and _same_table(unit, following)
        rests.append(unit.tokens + (rests[-1] if same else 0))
        following = unit
    return rests[::-1]


def _same_table(a: _Unit, b: _Unit) -> bool:
    return _table(a.block) == _table(b.block) and a.block.sheet == b.block.sheet


def _table(block: Block) -> str | None:
    return (block.table or "table") if block.kind in ("row", "table") else None


def _passage(document: Document, ordinal: int, group: Sequence[_Unit], language: str) -> Passage:
    start, end = group[0].start, group[-1].end
    text = document.text[start:end]
    lead, trail = len(text) - len(text.lstrip()), len(text) - len(text.rstrip())
    start, end, text = start + lead, end - trail, text.strip()
    place = locate(document, start, end)
    name = f"{document.id}\0{start}\0{end}\0{text}".encode()
    return Passage(
        id=hashlib.sha256(name).hexdigest()[:32],
        document=document.id,
        ordinal=ordinal,
        text=text,
        locator=replace(place, boxes=_outline(place.boxes)),
        title=document.title,
        heading=_section(group),
        context=_context(group),
        # A manual in five languages is one document; its passages are not in one language.
        language=(detect(text, language) if len(text) > _DETECTABLE else "") or language,
        source=document.source,
        labels=document.labels,
        modified=document.modified,
        tokens=sum(unit.tokens for unit in group),
    )


def _context(group: Sequence[_Unit]) -> str:
    """The head of the table in whose middle the passage begins."""
    rows = [unit for unit in group if unit.block.kind == "row"]
    return rows[0].context[0] if rows and rows[0] in group[:2] else ""


def _section(group: Sequence[_Unit]) -> tuple[str, ...]:
    """The path of the section that the text stands in."""
    paths = [unit.path for unit in group if unit.block.kind != "heading"] or [group[-1].path]
    shared = [level[0] for level in zip(*paths, strict=False) if len(set(level)) == 1]
    return tuple(shared)


def _outline(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Lines of one column become one rectangle, so that a passage carries few boxes."""
    joined: list[Box] = []
    for box in boxes:
        last = joined[-1] if joined else None
        beside = last and min(last.x1, box.x1) > max(last.x0, box.x0)
        if last and beside and -1 <= box.y0 - last.y1 < 2 * max(box.y1 - box.y0, 1):
            joined[-1] = Box(min(last.x0, box.x0), last.y0, max(last.x1, box.x1), max(last.y1, box.y1))
        else:
            joined.append(box)
    return tuple(joined)


# --- units ------------------------------------------------------------------------------------


def _units(document: Document, count: Callable[[str], int], max_tokens: int) -> Iterator[_Unit]:
    for block, head in _with_heads(document):
        text = document.text[block.start : block.end]
        if not text.strip():
            continue
        path = heading_path(document, block.start)
        context = _shortened(head, count, int(max_tokens * _CONTEXT_SHARE)) if head else ("", 0)
        room = max_tokens - context[1]
        tokens = count(text)
        if tokens <= room:
            yield _Unit(block.start, block.end, tokens, block, path, context)
            continue
        for start, end, size in split(text, count, room, tokens):
            yield _Unit(block.start + start, block.start + end, size, block, path, context)


def _with_heads(document: Document) -> Iterator[tuple[Block, str]]:
    """Each block, and for the body rows of a table its caption and header rows."""
    caption: Block | None = None
    header: list[Block] = []
    group = ""
    body = False
    previous: Block | None = None
    last_row: Block | None = None
    between = 0
    for block in document.blocks or (Block(kind="paragraph", start=0, end=len(document.text)),):
        if block.kind != "row":
            between += block.end - block.start
            yield block, ""
        else:
            if last_row is None or between or _table(last_row) != _table(block):
                if block.header or between > _SUBHEADING or not _alike(document, last_row, block):
                    header, group, body = [], "", False
                    caption = previous if previous is not None and _is_caption(document, previous) else None
            elif block.header and body:
                header, body = [], False
            if block.header or (header and not body and _names_columns(document, block)):
                header.append(block)
                yield block, ""
            else:
                body = True
                head = _head(document, block, header, caption)
                yield block, "\n".join(part for part in (head, group) if part)
                group = _group(document, block, group)
            last_row, between = block, 0
        previous = block


def _is_caption(document: Document, block: Block) -> bool:
    """A caption, or a line in brackets such as "(In millions)", without which figures mean nothing."""
    text = document.text[block.start : block.end]
    return block.kind == "caption" or (len(text) <= _LEAD_IN and text.startswith("("))


def _alike(document: Document, last: Block | None, block: Block) -> bool:
    """Whether a table goes on: "Cost of sales:" between its rows parts it for a parser, not for a
    reader. The first row may lack the column of the labels."""
    if last is None or (last.page, last.sheet) != (block.page, block.sheet):
        return False
    columns = [document.text[b.start : b.end].count(" | ") for b in (last, block)]
    return min(columns) > 0 and abs(columns[0] - columns[1]) <= 1


def _names_columns(document: Document, row: Block) -> bool:
    """Whether a row under the header still is one: "June 25, | June 26,", "2022 | 2021"."""
    cells = [cell.strip() for cell in document.text[row.start : row.end].split(" | ")]
    return len(cells) > 1 and all(_COLUMN_NAME.fullmatch(cell) for cell in cells if cell)


def _group(document: Document, row: Block, group: str) -> str:
    """The row that heads the rows after `row`: "Cost of sales:" until "Total cost of sales"."""
    text = document.text[row.start : row.end]
    if text.endswith((":", "：")) and " | " not in text:
        return text
    return "" if text.lower().startswith(_TOTALS) else group


def _head(document: Document, row: Block, header: Sequence[Block], caption: Block | None) -> str:
    text = document.text[row.start : row.end]
    texts = [document.text[block.start : block.end] for block in header]
    # "Column: value" rows carry their column names; the header would only repeat them.
    if texts and text.startswith(f"{texts[-1].split(' | ')[0].strip()}: "):
        texts = []
    if caption is not None and (header or caption.kind == "caption"):
        title = document.text[caption.start : caption.end]
        texts = [title, *texts] if title not in "".join(texts) else texts
    return "\n".join(texts)


def _shortened(text: str, count: Callable[[str], int], max_tokens: int) -> tuple[str, int]:
    tokens = count(text)
    while tokens > max_tokens and len(text) > 1:
        text = text[: int(len(text) * max_tokens / tokens)].rsplit(" ", 1)[0]
        tokens = count(text)
    return text, tokens


def split(
    text: str, count: Callable[[str], int], max_tokens: int, tokens: int
) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of parts of `text` of about equal length, each of at most `max_tokens`.

    The splitter works in characters, by the text's own ratio of characters to tokens, since asking
    for tokens at every step would cost more than embedding. What then still is too long (a denser
    stretch) is split again.
    """
    parts = -(-tokens // max_tokens)
    # Above the mean, so that sentence ends can be respected without one part more.
    share = min(max_tokens, 1.25 * tokens / parts)
    pieces = _splitter(max(1, int(len(text) * share / tokens))).chunk_indices(text)
    if len(pieces) == 1 and tokens > max_tokens:
        half = len(text) // 2
        pieces = [(0, text[:half]), (half, text[half:])]
    for start, piece in pieces:
        size = count(piece)
        if size > max_tokens and len(piece) > 1:
            for a, b, part in split(piece, count, max_tokens, size):
                yield start + a, start + b, part
        else:
            yield start, start + len(piece), size


@lru_cache(maxsize=256)
def _splitter(characters: int):  # type: ignore[no-untyped-def]
    from semantic_text_splitter import TextSplitter

    return TextSplitter(characters)
