"""EPUB: the chapters in the order of the book's spine."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft
from loresmith.parsing.html import add_html, decode_html
from loresmith.parsing.package import Package, attribute, child, children, local


def read_epub(data: bytes, **_: Any) -> Draft:
    package = Package(data)
    if "META-INF/encryption.xml" in package.names and b"EncryptedData" in package.read(
        "META-INF/encryption.xml"
    ):
        rights = "META-INF/rights.xml" in package.names
        if rights:
            raise ParseError("protected by digital rights management.", "Use an unprotected copy.")
    container = package.xml("META-INF/container.xml")
    root = next((e for e in container.iter() if local(e.tag) == "rootfile"), None)
    main = attribute(root, "full-path") or ""
    book = package.xml(main)
    draft = Draft()
    metadata = child(book, "metadata")
    for element in metadata if metadata is not None else ():
        value = (element.text or "").strip()
        match local(element.tag):
            case "title" if value:
                draft.title = draft.title or value
            case "language" if value:
                draft.language = value.split("-")[0].lower()
            case "creator" if value:
                draft.metadata["author"] = value
            case "date" if value:
                draft.metadata["created"] = value
    manifest = child(book, "manifest")
    items = {item.get("id"): item for item in (children(manifest, "item") if manifest is not None else ())}
    spine = child(book, "spine")
    language = draft.language
    for entry in spine if spine is not None else ():
        item = items.get(entry.get("idref"))
        if item is None or "nav" in item.get("properties", "").split():
            continue
        name = posixpath.normpath(posixpath.join(posixpath.dirname(main), unquote(item.get("href", ""))))
        if name not in package.names:
            draft.warn(f"chapter {name} is missing in the file")
            continue
        add_html(draft, decode_html(package.read(name)))
    draft.language = language or draft.language
    return draft
