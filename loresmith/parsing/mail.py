"""EML: the head of the mail, its text, and every attachment as a document of its own.

Attached mails are read the same way, with their own attachments; depth and number are limited.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.html import add_html, decode_html
from loresmith.parsing.textual import decode

MAX_ATTACHMENTS = 200


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    data: bytes


def read_mail(data: bytes, **_: Any) -> tuple[Draft, list[Attachment]]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise ParseError("not a mail.", "Save it again as .eml.")
    draft = Draft()
    _head(draft, message)
    bodies, attachments = _parts(message)
    for part in bodies:
        _body(draft, part)
    if len(attachments) > MAX_ATTACHMENTS:
        draft.warn(f"only the first {MAX_ATTACHMENTS} of {len(attachments)} attachments were read")
    named: list[Attachment] = []
    for part in attachments[:MAX_ATTACHMENTS]:
        name = _file_name(part, len(named) + 1)
        while any(other.name == name for other in named):
            stem, dot, ending = name.rpartition(".")
            name = f"{stem or ending}-{len(named) + 1}{dot}{ending if stem else ''}"
        try:
            named.append(Attachment(name, _bytes(part)))
        except (ValueError, LookupError, KeyError) as error:
            draft.warn(f"attachment {name} is damaged: {error}")
    if named:
        draft.add("paragraph", "Attachments: " + ", ".join(a.name for a in named))
    return draft, named


def _head(draft: Draft, message: EmailMessage) -> None:
    lines = []
    for name in ("From", "To", "Cc", "Date", "Subject"):
        try:
            value = one_line(str(message.get(name) or ""))
        except (ValueError, IndexError, AttributeError):
            # The standard library's header parser fails on some malformed addresses.
            value = one_line(str(dict(message.raw_items()).get(name, "")))
        if value:
            draft.metadata[name.lower()] = value
            if name != "Subject":
                lines.append(f"{name}: {value}")
    draft.title = draft.metadata.get("subject", "")
    if draft.title:
        draft.add("heading", draft.title, level=1)
    draft.add("paragraph", "\n".join(lines))
    if date := draft.metadata.get("date"):
        try:
            draft.modified = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            draft.warn(f"its date is unreadable: {date}")


def _parts(message: EmailMessage) -> tuple[list[EmailMessage], list[EmailMessage]]:
    """The parts a reader reads and the parts that are files."""
    bodies: list[EmailMessage] = []
    files: list[EmailMessage] = []

    def walk(part: EmailMessage) -> None:
        kind = part.get_content_type()
        if kind == "message/rfc822" or part.get_content_disposition() == "attachment":
            files.append(part)
        elif kind == "multipart/alternative":
            choices = [p for p in part.iter_parts() if isinstance(p, EmailMessage)]
            plain = next((p for p in choices if p.get_content_type() == "text/plain"), None)
            # Some programs leave the plain part empty: then the rich one counts.
            rich = next((p for p in choices if p is not plain), None)
            chosen = plain if plain is not None and _text(plain).strip() else rich or plain
            if chosen is not None:
                walk(chosen)
        elif part.is_multipart():
            for inner in part.iter_parts():
                if isinstance(inner, EmailMessage):
                    walk(inner)
        elif kind in ("text/plain", "text/html") and not part.get_filename():
            bodies.append(part)
        elif part.get_filename() and not (kind.startswith("image/") and part.get("Content-ID")):
            files.append(part)

    walk(message)
    return bodies, files


def _text(part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    charset = part.get_content_charset()
    if charset:
        try:
            return data.decode(charset)
        except (LookupError, UnicodeDecodeError):
            pass
    return decode_html(data) if part.get_content_type() == "text/html" else decode(data)[0]


def _body(draft: Draft, part: EmailMessage) -> None:
    text = _text(part)
    if part.get_content_type() == "text/html":
        add_html(draft, text)
        return
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = [line.rstrip() for line in paragraph.strip("\n").split("\n")]
        draft.add("paragraph", "\n".join(lines))


def _file_name(part: EmailMessage, number: int) -> str:
    name = part.get_filename() or ""
    if not name and part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        subject = one_line(str(inner.get("Subject", ""))) if isinstance(inner, EmailMessage) else ""
        name = (subject or f"message-{number}") + ".eml"
    # A name is a part of a document id: no folders, no control characters.
    name = one_line(re.sub(r"[\\/:]+", "-", name)).strip(". ")
    return name or f"attachment-{number}"


def _bytes(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        return inner.as_bytes() if isinstance(inner, EmailMessage) else b""
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
