"""A document's text and blocks as bytes for state.db, and back; exact in both directions.

The form is zlib over compact JSON (never pickle: the file may come from elsewhere). A changed
byte is found by zlib's checksum, by the JSON parser, or by the digest that stands beside it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any

from loresmith.types import Block, Box

Body = tuple[str, tuple[Block, ...]]


def pack(text: str, blocks: tuple[Block, ...]) -> bytes:
    rows = [
        [
            b.kind,
            b.start,
            b.end,
            b.level,
            b.page,
            _box(b.box),
            [[start, end, _box(box)] for start, end, box in b.lines],
            b.sheet,
            b.row,
            b.key,
            b.table,
            b.header,
        ]
        for b in blocks
    ]
    # Parsers may hand over lone surrogates (broken PDF encodings): ASCII escapes keep them.
    raw = json.dumps({"text": text, "blocks": rows}, separators=(",", ":"))
    return zlib.compress(raw.encode("ascii"), 1)


def unpack(body: bytes) -> Body:
    """Raises ValueError or zlib.error where `body` is damaged."""
    raw = json.loads(zlib.decompress(body))
    return raw["text"], tuple(_block(row) for row in raw["blocks"])


def digest(*parts: bytes | str) -> bytes:
    """16 bytes of SHA-256 over the parts, each with its length, so that borders count."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        sha.update(len(raw).to_bytes(8, "little"))
        sha.update(raw)
    return sha.digest()[:16]


def _box(box: Box | None) -> list[float] | None:
    return None if box is None else [box.x0, box.y0, box.x1, box.y1]


def _block(row: list[Any]) -> Block:
    kind, start, end, level, page, box, lines, sheet, number, key, table, header = row
    return Block(
        kind=kind,
        start=start,
        end=end,
        level=level,
        page=page,
        box=None if box is None else Box(*box),
        lines=tuple((s, e, Box(*b)) for s, e, b in lines),
        sheet=sheet,
        row=number,
        key=key,
        table=table,
        header=header,
    )
