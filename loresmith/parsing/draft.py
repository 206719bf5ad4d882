"""A document while it is being written: text grows, blocks remember their spans.

Promises of what `Draft.document` returns: `text[block.start:block.end]` is the block's text, blocks
are in order and do not overlap, between them there is only white space, no block is empty.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loresmith.types import Block, BlockKind, Box, Document

# Control characters say nothing and break terminals and JSON readers; lone surrogates break UTF-8.
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")


def clean(text: str) -> str:
    """Without control characters, zero-width spaces and lone surrogates; composed (NFC)."""
    text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad", ""))
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(clean(text).split())


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a block's text that stands in one place on the page."""

    text: str
    box: Box | None = None


@dataclass(slots=True)
class Draft:
    """What a reader of one format fills.

    Attributes:
        title, language, modified, metadata: of the document itself where the format knows them.
        warnings: what a person should know about what was left out.
        lined: line numbers of the text are line numbers of the file.
        tables: how many tables there are so far; their number names them.
    """

    title: str = ""
    language: str = ""
    modified: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    lined: bool = False
    tables: int = 0
    _parts: list[str] = field(default_factory=list)
    _blocks: list[Block] = field(default_factory=list)
    _length: int = 0

    def add(self, kind: BlockKind, text: str | Sequence[Piece], **place: Any) -> None:
        """Append one block; `place` are the fields of `Block` beside kind, start, end, lines.

        `text` may come in pieces (they are joined as they are); those with a box become `lines`.
        """
        pieces = [Piece(text)] if isinstance(text, str) else list(text)
        if not any(piece.text.strip() for piece in pieces):
            return
        row_of = self._blocks[-1] if self._blocks else None
        tight = kind == "row" and row_of is not None and row_of.kind == "row"
        tight = tight and row_of is not None and row_of.table == place.get("table")
        tight = tight or (kind == "list" and row_of is not None and row_of.kind == "list")
        if row_of is not None:
            self._write("\n" if tight else "\n\n")
        start = self._length
        lines: list[tuple[int, int, Box]] = []
        for number, piece in enumerate(pieces):
            text_of = clean(piece.text)
            text_of = text_of.lstrip() if self._length == start else text_of
            text_of = text_of.rstrip() if number == len(pieces) - 1 else text_of
            if piece.box is not None and text_of:
                lines.append((self._length, self._length + len(text_of), piece.box))
            self._write(text_of)
        place.setdefault("box", _union([box for _, _, box in lines]))
        if self._length > start:
            self._blocks.append(Block(kind=kind, start=start, end=self._length, lines=tuple(lines), **place))

    def use_text(self, text: str, blocks: Sequence[Block]) -> None:
        """Take a whole text with blocks whose spans were found elsewhere (lined formats)."""
        self._parts, self._blocks, self._length = [text], list(blocks), len(text)

    def next_table(self) -> str:
        self.tables += 1
        return str(self.tables)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    @property
    def empty(self) -> bool:
        return not self._blocks

    def first_heading(self) -> str:
        text = "".join(self._parts)
        for block in self._blocks:
            if block.kind == "heading":
                return one_line(text[block.start : block.end])
        return ""

    def move_boxes(self, page: int, place: Callable[[Box], Box]) -> None:
        """Replace every box on a page by `place(box)`."""
        for number, block in enumerate(self._blocks):
            if block.page == page:
                self._blocks[number] = replace(
                    block,
                    box=place(block.box) if block.box else None,
                    lines=tuple((start, end, place(box)) for start, end, box in block.lines),
                )

    def last_text(self) -> str:
        """The text of the last block."""
        wanted = self._length - self._blocks[-1].start if self._blocks else 0
        parts: list[str] = []
        while wanted > 0:
            parts.append(self._parts[-1 - len(parts)])
            wanted -= len(parts[-1])
        return one_line("".join(reversed(parts)))

    def document(self, name: str, *, version: str, media_type: str, **more: Any) -> Document:
        """The finished value; `name` is its id, `more` the other fields of its source item."""
        return Document(
            id=name,
            version=version,
            media_type=media_type,
            title=self.title,
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            language=self.language,
            metadata=self.metadata,
            modified=self.modified,
            warnings=tuple(self.warnings),
            lined=self.lined,
            **more,
        )

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def _union(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    return Box(
        min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes)
    )
