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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from loresmith.language import detect
from loresmith.locate import heading_path, locate
from loresmith.types import Block, Box, Document, Passage

CUT_VERSION = "1"
"""Part of what sync records: a change makes every document be cut again."""

_CONTEXT_SHARE = 0.3
_SMALL_SHARE = 0.15
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
    groups: list[list[_Unit]] = []
    size = 0
    for unit in _units(document, count, max_tokens):
        if groups and size + unit.tokens <= max_tokens and _together(groups[-1], unit, size, max_tokens):
            groups[-1].append(unit)
            size += unit.tokens
        else:
            groups.append([unit])
            size = unit.tokens + unit.context[1]
    language = document.language or detect(document.text)
    return [_passage(document, ordinal, group, language) for ordinal, group in enumerate(groups)]


def _together(group: Sequence[_Unit], unit: _Unit, size: int, max_tokens: int) -> bool:
    """Whether `unit` may stand in the passage begun by `group`, structure permitting."""
    last = group[-1]
    only_headings = all(u.block.kind in ("heading", "caption") for u in group)
    small = size < _SMALL_SHARE * max_tokens
    if unit.block.sheet != last.block.sheet:
        return False
    if unit.block.page != last.block.page:
        # A heading at the foot of a page belongs to the text on the next.
        return only_headings
    if unit.block.kind == "heading":
        return only_headings and len(unit.path) > len(last.path)
    if _table(unit.block) != _table(last.block):
        return only_headings or small
    return True


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
        heading=_common([unit.path for unit in group]),
        context=group[0].context[0],
        # A manual in five languages is one document; its passages are not in one language.
        language=(detect(text, language) if len(text) > _DETECTABLE else "") or language,
        source=document.source,
        labels=document.labels,
        modified=document.modified,
        tokens=sum(unit.tokens for unit in group),
    )


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The path of the section all units are in; a heading with what stands under it is one section."""
    deepest = max(paths, key=len)
    if all(deepest[: len(path)] == path for path in paths):
        return deepest
    shared = [a[0] for a in zip(*paths, strict=False) if len(set(a)) == 1]
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
    previous: Block | None = None
    for block in document.blocks or (Block(kind="paragraph", start=0, end=len(document.text)),):
        if block.kind == "row":
            new = previous is None or _table(previous) != _table(block) or previous.sheet != block.sheet
            if new:
                header = []
                caption = previous if previous is not None and previous.kind == "caption" else None
            if block.header:
                if previous is not None and not new and not previous.header:
                    header = []
                header.append(block)
        head = ""
        if block.kind == "row" and not block.header:
            row = document.text[block.start : block.end]
            texts = [document.text[b.start : b.end] for b in header]
            # "Column: value" rows carry their column names; the header would only repeat them.
            if texts and row.startswith(f"{texts[-1].split(' | ')[0].strip()}: "):
                texts = []
            if caption is not None:
                texts.insert(0, document.text[caption.start : caption.end])
            head = "\n".join(texts)
        yield block, head
        previous = block


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
