"""A page of a PDF as a picture, with boxes drawn on it, by a process within the parser's limits.

`render` is called by the server; it starts `python -m loresmith.parsing.render`, since a PDF that was
only ever read may still be able to fill the memory when it is drawn. Promises: the file is read once,
and drawn only where its bytes are those that were indexed; the picture holds nothing but the page.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing import limited
from loresmith.parsing.worker import load
from loresmith.types import Box

DPI = 110
_PNG = b"\x89PNG\r\n\x1a\n"
_MARK = np.array([255, 214, 10], np.float32)  # a highlighter's yellow
_EDGE = np.array([190, 120, 0], np.float32)
_CHANGED, _FAILED = 3, 4

Pixels = npt.NDArray[np.uint8]


def render(
    path: str, version: str, page: int, boxes: Sequence[Box], settings: ParsingSection, *, dpi: int = DPI
) -> bytes:
    """Page `page` (from 1) of the PDF at `path` as PNG, `boxes` (in points) marked.

    Args:
        version: sha256 (hex) of the bytes that were indexed.

    Raises:
        ParseError: the file is gone or another one now, has no such page, or takes too much.
    """
    line, environment = limited.command("loresmith.parsing.render")
    asked = {
        "path": path,
        "version": version,
        "page": page,
        "boxes": [[b.x0, b.y0, b.x1, b.y1] for b in boxes],
        "dpi": dpi,
        "settings": settings.model_dump(),
    }
    try:
        ran = subprocess.run(
            line,
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=settings.seconds,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise ParseError(f"{path}: drawing took longer than {settings.seconds:g} s.", "") from None
    if ran.returncode == _CHANGED:
        raise ParseError(f"{path} has changed since it was indexed.", "Run `loresmith sync`.")
    if ran.returncode == _FAILED:
        raise ParseError(f"{path}: {ran.stderr.decode(errors='replace').strip()[-200:]}", "")
    if ran.returncode or not ran.stdout.startswith(_PNG):
        raise ParseError(f"{path}: page {page} cannot be drawn within {settings.memory_mb} MB of memory.", "")
    return ran.stdout


def mark(picture: bytes, boxes: Sequence[Sequence[float]], scale: float) -> bytes:
    """`picture` (PNG, 8 bits, no interlace) with the boxes marked; `scale` is pixels a point."""
    pixels = decode(picture)
    height, width, _ = pixels.shape
    for x0, y0, x1, y1 in boxes:
        left, right = (max(0, min(width, round(x * scale))) for x in (x0 - 1, x1 + 1))
        top, bottom = (max(0, min(height, round(y * scale))) for y in (y0 - 1, y1 + 1))
        if right <= left or bottom <= top:
            continue
        # Multiplied, as ink is: what stands under it stays black.
        area = pixels[top:bottom, left:right, :3]
        area[:] = (area.astype(np.float32) * _MARK / 255).astype(np.uint8)
        pixels[max(top, bottom - 2) : bottom, left:right, :3] = _EDGE.astype(np.uint8)
    return encode(pixels)


def decode(picture: bytes) -> Pixels:
    """Rows, columns, channels of a PNG with 8 bits a channel.

    Raises:
        ValueError: it is none, or one of another kind.
    """
    if not picture.startswith(_PNG):
        raise ValueError("no PNG")
    at, data = len(_PNG), b""
    width = height = channels = 0
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        body = picture[at + 8 : at + 8 + length]
        at += length + 12
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if depth != 8 or colour not in (0, 2, 6) or interlaced:
                raise ValueError("a PNG of another kind")
            channels = {0: 1, 2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            data += body
    raw = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * channels)
    pixels = _unfiltered(raw, channels).reshape(height, width, channels)
    return np.repeat(pixels, 3, axis=2) if channels == 1 else pixels


def _unfiltered(raw: Pixels, channels: int) -> Pixels:
    """PNG (ISO/IEC 15948), section 9: each row less what its filter foretells."""
    height, stride = raw.shape[0], raw.shape[1] - 1
    out = np.zeros((height, stride), np.uint8)
    above = np.zeros(stride, np.uint8)
    for number in range(height):
        kind, row = raw[number, 0], raw[number, 1:]
        if kind == 0:
            line = row.copy()
        elif kind == 1:
            line = np.add.accumulate(row.reshape(-1, channels), axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            line = row + above
        else:
            line = _slow(row, above, channels, paeth=kind == 4)
        out[number] = line
        above = out[number]
    return out


def _slow(row: Pixels, above: Pixels, channels: int, *, paeth: bool) -> Pixels:
    """The filters that look at both neighbours, one pixel after the other."""
    up, given = above.tolist(), row.tolist()
    line = [0] * len(given)
    for i, value in enumerate(given):
        a = line[i - channels] if i >= channels else 0
        b = up[i]
        if paeth:
            c = up[i - channels] if i >= channels else 0
            pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = a if pa <= pb and pa <= pc else b if pb <= pc else c
        else:
            guess = (a + b) // 2
        line[i] = (value + guess) & 255
    return np.array(line, np.uint8)


def encode(pixels: Pixels) -> bytes:
    height, width, channels = pixels.shape
    raw = np.zeros((height, 1 + width * channels), np.uint8)
    rows = pixels.reshape(height, width * channels)
    # Each row less the one above: a page is mostly white, and that becomes nearly nothing.
    raw[:, 0] = 2
    raw[0, 1:] = rows[0]
    raw[1:, 1:] = rows[1:] - rows[:-1]

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    body = zlib.compress(raw.tobytes(), 6)
    return _PNG + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _draw(data: bytes, page: int, dpi: int) -> bytes:
    from liteparse import LiteParse
    from liteparse import ParseError as EngineError

    # From a copy of the bytes that were hashed: the file could be another one by now.
    with tempfile.NamedTemporaryFile(suffix=".pdf") as copy:
        copy.write(data)
        copy.flush()
        parser = LiteParse(quiet=True, num_workers=1, dpi=dpi)
        try:
            found = parser.screenshot(copy.name, page_numbers=[page])
        except EngineError as error:
            raise ParseError(f"page {page} cannot be drawn: {' '.join(str(error).split())[:160]}.") from error
    if not found:
        raise ParseError(f"it has no page {page}.")
    return bytes(found[0].image_bytes)


def main() -> int:
    asked = json.load(sys.stdin)
    settings = ParsingSection.model_validate(asked["settings"])
    pipe = limited.enter(settings.memory_mb)
    limited.limit_cpu(settings.seconds)
    try:
        data = load(asked["path"], settings.max_file_mb)
        if hashlib.sha256(data).hexdigest() != asked["version"]:
            return _CHANGED
        data = data[max(0, data.find(b"%PDF-")) :]
        picture = _draw(data, asked["page"], asked["dpi"])
        pipe.write(mark(picture, asked["boxes"], asked["dpi"] / 72) if asked["boxes"] else picture)
        pipe.flush()
    except ParseError as error:
        sys.stderr.write(error.problem)
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
