"""One file's bytes to its documents: detect the kind, call its reader, fill in what it left open.

Runs inside a limited worker process (see pool.py). Readers raise ParseError with a reason; every
other exception is a reader's failure on damaged input and is reported as such by the worker.
"""

from __future__ import annotations

import hashlib
import importlib
import posixpath
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from loresmith import mirrors
from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing import detect
from loresmith.parsing.draft import Draft, one_line
from loresmith.types import Document, SourceItem

MAX_DEPTH = 5

# media type -> module and function; imported when first needed, so that a worker that reads only
# text never loads the PDF engine.
_READERS = {
    detect.PDF: ("pdf", "read_pdf"),
    detect.DOCX: ("docx", "read_docx"),
    detect.PPTX: ("pptx", "read_pptx"),
    detect.XLSX: ("xlsx", "read_xlsx"),
    detect.EPUB: ("epub", "read_epub"),
    detect.HTML: ("html", "read_html"),
    detect.MARKDOWN: ("textual", "read_markdown"),
    detect.TEXT: ("textual", "read_text"),
    detect.CSV: ("tabular", "read_csv"),
    detect.JSON: ("records", "read_json"),
    detect.JSONL: ("records", "read_jsonl"),
    detect.PARQUET: ("columnar", "read_parquet"),
    detect.SQLITE: ("columnar", "read_sqlite"),
    "application/rtf": ("other", "read_other"),
    "application/vnd.oasis.opendocument.text": ("other", "read_other"),
    "image/png": ("ocr", "read_image"),
    "image/jpeg": ("ocr", "read_image"),
    "image/tiff": ("ocr", "read_image"),
    "image/bmp": ("ocr", "read_image"),
    "image/gif": ("ocr", "read_image"),
    "image/webp": ("ocr", "read_image"),
}

_NAMES = {
    "application/x-ole": ("an old or password-protected Office file", "Save it as DOCX, XLSX or PPTX."),
    detect.DAMAGED_ZIP: ("a damaged Office or ZIP file", "Copy or save it again."),
    "application/zip": ("a ZIP archive", "Unpack it into the folder."),
    "application/gzip": ("a gzip archive", "Unpack it into the folder."),
    "application/vnd.rar": ("a RAR archive", "Unpack it into the folder."),
    "application/x-7z-compressed": ("a 7z archive", "Unpack it into the folder."),
    "application/vnd.oasis.opendocument.spreadsheet": ("an OpenDocument spreadsheet", "Save it as XLSX."),
    "application/vnd.oasis.opendocument.presentation": ("an OpenDocument presentation", "Save it as PPTX."),
}


def kinds() -> frozenset[str]:
    """The media types that are read."""
    return frozenset({*_READERS, detect.MAIL})


def read(data: bytes, item: SourceItem, settings: ParsingSection) -> list[Document]:
    """The documents in a file: itself, then its attachments.

    Raises:
        ParseError: the file itself cannot be read (an attachment that cannot is a warning).
    """
    return _read(data, item, item.id, settings, depth=0)


def _read(
    data: bytes, item: SourceItem, name: str, settings: ParsingSection, *, depth: int
) -> list[Document]:
    if not data.strip(b"\x00"):
        raise ParseError("empty file (0 bytes)." if not data else "holds only zero bytes.", "Copy it again.")
    version = hashlib.sha256(data).hexdigest()
    kind = detect.media_type(data, name, item.media_type if depth == 0 else None)
    attachments: list[Any] = []
    if depth == 0 and item.media_type == mirrors.MEDIA_TYPE:
        # Only a source says so, never the bytes: a card leads to another file.
        from loresmith.parsing.mirror import read_mirror

        kind, draft = mirrors.MEDIA_TYPE, read_mirror(data, Path(item.path), settings)
    elif kind == detect.MAIL:
        from loresmith.parsing.mail import read_mail

        draft, attachments = read_mail(data)
    else:
        draft = _reader(kind)(data, settings=settings, kind=kind)
    if draft.empty and not attachments:
        reason = f" ({draft.warnings[0]})" if draft.warnings else ""
        raise ParseError(f"holds no text{reason}.", "Leave it out, or add text.")
    _expect_ending(draft, name, kind)
    document = _finish(draft, item, name, kind, version)
    documents = [document]
    warnings = list(document.warnings)
    for attachment in attachments:
        inner = f"{name}/{attachment.name}"
        if depth + 1 >= MAX_DEPTH:
            warnings.append(f"attachment {attachment.name} was left out: nested more than {MAX_DEPTH} deep")
            continue
        try:
            documents += _read(attachment.data, item, inner, settings, depth=depth + 1)
        except ParseError as error:
            warnings.append(f"attachment {attachment.name} was left out: {error.problem.rstrip('.')}")
    documents[0] = replace(document, warnings=tuple(warnings))
    return documents


def _reader(kind: str) -> Callable[..., Draft]:
    if kind not in _READERS:
        what, remedy = _NAMES.get(
            kind, (f"of a kind that is not read ({kind})", "Convert it to PDF or text.")
        )
        raise ParseError(f"is {what}.", remedy)
    module, function = _READERS[kind]
    reader: Callable[..., Draft] = getattr(importlib.import_module(f"loresmith.parsing.{module}"), function)
    return reader


def _finish(draft: Draft, item: SourceItem, name: str, kind: str, version: str) -> Document:
    stem = posixpath.splitext(posixpath.basename(name))[0]
    draft.title = title_of(draft, stem)
    if draft.modified is None:
        draft.modified = _moment(draft.metadata.get("modified")) or _moment(draft.metadata.get("created"))
    if draft.modified is None:
        draft.modified = item.mtime_ns / 1e9
    return draft.document(
        name, version=version, media_type=kind, source=item.source, uri=item.uri, labels=item.labels
    )


_JUNK_TITLE = re.compile(
    r"^(?:untitled|\(anonymous\)|microsoft (?:word|powerpoint|excel)\b.*|powerpoint[- ]pr.sentation.*"
    r"|document\d*|dokument\d*|presentation\d*|pr.sentation\d*|slide \d+|title|workbook|mappe\d*"
    r"|openpyxl|word document|[0-9A-Fa-f]{24,}|.*\.(?:docx?|indd|qxd|html?))$",
    re.IGNORECASE,
)


def title_of(draft: Draft, stem: str) -> str:
    """The document's own title where it has a sensible one, else its file name made readable."""
    own = one_line(draft.title)
    if own and not _JUNK_TITLE.match(own) and len(own) < 200:
        return own
    return one_line(re.sub(r"[_]+|(?<=[a-z])-(?=[a-z])", " ", stem)) or stem


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


_ENDINGS = {
    detect.PDF: (".pdf",),
    detect.DOCX: (".docx", ".docm", ".dotx"),
    detect.PPTX: (".pptx", ".pptm", ".ppsx"),
    detect.XLSX: (".xlsx", ".xlsm", ".xltx"),
}


def _expect_ending(draft: Draft, name: str, kind: str) -> None:
    ending = posixpath.splitext(name)[1].lower()
    if kind in _ENDINGS and ending and ending not in _ENDINGS[kind]:
        draft.warn(
            f"its name ends in {ending}, but it is {_ENDINGS[kind][0][1:].upper()}; it was read as that"
        )
