"""Documents between a worker and its pool, as JSON: a worker that a hostile file took over can send
wrong text, but no code."""

from __future__ import annotations

import json
import struct
from typing import Any

from loresmith.config import ParsingSection
from loresmith.types import Block, Box, Document, SourceItem

_HEADER = struct.Struct("<I")
_BLOCK_FIELDS = ("level", "page", "sheet", "row", "key", "table", "header")


def frame(message: dict[str, Any]) -> bytes:
    """Length and JSON. Lone surrogates (odd file names) survive as escapes."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _HEADER.pack(len(body)) + body


def unframe(buffer: bytearray) -> dict[str, Any] | None:
    """Take the first whole message off the buffer; None while it is incomplete."""
    if len(buffer) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack_from(buffer)
    if len(buffer) < _HEADER.size + length:
        return None
    message: dict[str, Any] = json.loads(bytes(buffer[_HEADER.size : _HEADER.size + length]))
    del buffer[: _HEADER.size + length]
    return message


def task(item: SourceItem, settings: ParsingSection) -> dict[str, Any]:
    fields = {name: getattr(item, name) for name in SourceItem.__slots__}
    return {"item": fields, "settings": settings.model_dump()}


def task_from(message: dict[str, Any]) -> tuple[SourceItem, ParsingSection]:
    fields = message["item"] | {"labels": tuple(message["item"]["labels"])}
    return SourceItem(**fields), ParsingSection.model_validate(message["settings"])


def document_to(document: Document) -> dict[str, Any]:
    raw = {name: getattr(document, name) for name in Document.__slots__ if name != "blocks"}
    raw["metadata"] = dict(document.metadata)
    raw["blocks"] = [_block_to(block) for block in document.blocks]
    return raw


def document_from(raw: dict[str, Any]) -> Document:
    values = dict(raw)
    values["blocks"] = tuple(_block_from(block) for block in raw["blocks"])
    for name in ("labels", "warnings"):
        values[name] = tuple(raw[name])
    return Document(**values)


def _block_to(block: Block) -> list[Any]:
    more = {name: value for name in _BLOCK_FIELDS if (value := getattr(block, name))}
    box = [block.box.x0, block.box.y0, block.box.x1, block.box.y1] if block.box else 0
    lines = [(s, e, b.x0, b.y0, b.x1, b.y1) for s, e, b in block.lines]
    return [block.kind, block.start, block.end, more, box, lines]


def _block_from(raw: list[Any]) -> Block:
    kind, start, end, more, box, lines = raw
    return Block(
        kind=kind,
        start=start,
        end=end,
        box=Box(*box) if box else None,
        lines=tuple((line[0], line[1], Box(*line[2:])) for line in lines),
        **more,
    )
