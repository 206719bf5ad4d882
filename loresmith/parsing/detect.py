"""What a file is, by its content; its name decides only among kinds of text."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EPUB = "application/epub+zip"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
CSV = "text/csv"
JSON = "application/json"
JSONL = "application/jsonl"
MAIL = "message/rfc822"
SQLITE = "application/vnd.sqlite3"
PARQUET = "application/vnd.apache.parquet"
DAMAGED_ZIP = "application/x-damaged-zip"

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
# Known, and not readable: said by name instead of "not a text".
_OTHER = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole"),
    (b"{\\rtf", "application/rtf"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-msdownload"),
    (b"SQLite format 3\x00", SQLITE),
    (b"PAR1", PARQUET),
    (b"GGUF", "application/x-gguf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_TEXT_ENDINGS = {
    ".md": MARKDOWN, ".markdown": MARKDOWN, ".mdown": MARKDOWN, ".csv": CSV, ".tsv": CSV, ".tab": CSV,
    ".json": JSON, ".jsonl": JSONL, ".ndjson": JSONL, ".html": HTML, ".htm": HTML, ".xhtml": HTML,
    ".eml": MAIL, ".txt": TEXT, ".text": TEXT, ".log": TEXT, ".rst": TEXT,
}  # fmt: skip
_MOST_ENTRIES = 100_000
_MAIL_HEAD = re.compile(
    rb"\A(?:From [^\n]+\n)?(?:[A-Za-z][A-Za-z0-9\-]{1,40}:[^\n]*\n(?:[ \t][^\n]*\n)*){3}", re.MULTILINE
)


def media_type(data: bytes, name: str, declared: str | None = None) -> str:
    """The media type of `data`; `declared` is what a web server said."""
    head = data[:4096]
    # Some programs write a few bytes before the mark; readers accept it within the first kilobyte.
    if b"%PDF-" in head[:1024]:
        return PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _package(data)
    for mark, kind in (*_IMAGES, *_OTHER):
        if head.startswith(mark) and not (len(mark) == 2 and _looks_like_text(head)):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "image/heic" if head[8:12] in (b"heic", b"mif1", b"avif") else "video/mp4"
    return _text(head, PurePosixPath(name).suffix.lower(), declared)


def _package(data: bytes) -> str:
    # This runs where files come in, without the limits of a parser: nothing is unpacked but the beginning
    # of one entry, whatever sizes are told, and a list of millions of names is not made.
    if data.count(b"PK\x01\x02") > _MOST_ENTRIES:
        return DAMAGED_ZIP
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = set(package.namelist())
            if "mimetype" in names:
                with package.open("mimetype") as entry:
                    told = entry.read(200)
                if len(told) < 200:
                    return told.decode("ascii", errors="replace").strip()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError):
        return DAMAGED_ZIP
    for folder, kind in (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX)):
        if any(name.startswith(folder) for name in names):
            return kind
    return EPUB if "META-INF/container.xml" in names else "application/zip"


def _looks_like_text(head: bytes) -> bool:
    strange = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    return strange * 50 < len(head)


def _text(head: bytes, ending: str, declared: str | None) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    by_name = _TEXT_ENDINGS.get(ending)
    if start.startswith((b"<!doctype html", b"<html")) or (
        start.startswith(b"<?xml") and b"<html" in head.lower()
    ):
        return HTML
    if by_name in (CSV, JSONL, MARKDOWN, HTML):
        return by_name
    if _MAIL_HEAD.match(head.replace(b"\r\n", b"\n")) and re.search(
        rb"(?im)^(?:from|to|received|message-id):", head
    ):
        return MAIL
    if by_name is not None:
        return by_name
    if declared and declared.split(";")[0].strip() in (HTML, CSV, JSON, JSONL, MARKDOWN, TEXT):
        return declared.split(";")[0].strip()
    if re.match(rb"<(?:head|body|div|p|h1|table|!--)", start):
        return HTML
    if start[:1] in (b"{", b"["):
        return JSON
    return TEXT
