"""Zip packages of XML (DOCX, PPTX, XLSX, EPUB): opened with limits, parsed without entities.

Promises: a part is never unpacked beyond `MAX_PART` bytes, whatever its header declares; XML with
a document type declaration is refused, so that no entity is ever expanded.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft

MAX_PART = 256 * 2**20
MAX_RATIO = 400


class Package:
    """An open package; parts are named without a leading slash."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError) as error:
            raise ParseError(f"damaged file: {error}.", "Save it again.") from error
        self.names = frozenset(self._zip.namelist())

    def read(self, name: str) -> bytes:
        """The bytes of a part.

        Raises:
            ParseError: it is missing, damaged, encrypted, or unpacks to far more than a document holds.
        """
        if name not in self.names:
            raise ParseError(f"damaged file: its part {name} is missing.", "Save it again.")
        info = self._zip.getinfo(name)
        if info.flag_bits & 1:
            raise ParseError("protected by a password.", "Remove the protection.")
        limit = min(MAX_PART, max(2**20 * 8, info.compress_size * MAX_RATIO))
        try:
            with self._zip.open(info) as part:
                data = part.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
            raise ParseError(f"damaged file: part {name}: {error}.", "Save it again.") from error
        if len(data) > limit:
            raise ParseError(
                f"part {name} unpacks to more than {limit >> 20} MB (a decompression bomb?).",
                "Leave this file out.",
            )
        return data

    def xml(self, name: str) -> ElementTree.Element:
        return parse_xml(self.read(name), name)

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """Relation id -> (kind, target part), for the part `name`."""
        folder, base = posixpath.split(name)
        rels = posixpath.join(folder, "_rels", f"{base}.rels")
        if rels not in self.names:
            return {}
        found = {}
        for relation in self.xml(rels):
            target = relation.get("Target", "")
            kind = relation.get("Type", "").rsplit("/", 1)[-1]
            if relation.get("TargetMode") != "External":
                target = (
                    target[1:]
                    if target.startswith("/")
                    else posixpath.normpath(posixpath.join(folder, target))
                )
            found[relation.get("Id", "")] = (kind, target)
        return found

    def core_properties(self, draft: Draft) -> None:
        """Title, author and date that office programs store."""
        if "docProps/core.xml" not in self.names:
            return
        try:
            properties = list(self.xml("docProps/core.xml"))
        except ParseError as error:
            # The text is whole without them.
            draft.warn(error.problem.rstrip("."))
            return
        for element in properties:
            name, value = local(element.tag), (element.text or "").strip()
            if not value:
                continue
            if name == "title":
                draft.title = value
            elif name in ("creator", "subject", "keywords", "description", "language"):
                draft.metadata["author" if name == "creator" else name] = value
            elif name in ("modified", "created"):
                draft.metadata[name] = value


def parse_xml(data: bytes, name: str) -> ElementTree.Element:
    """Raises ParseError where it is not well-formed or declares entities."""
    refuse_entities(data, name)
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ParseError(f"damaged file: part {name}: {error}.", "Save it again.") from error


def refuse_entities(data: bytes, name: str) -> None:
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", data[:4096].replace(b"\x00", b"")):
        raise ParseError(f"part {name} declares XML entities.", "Save it again with an office program.")


def local(tag: str) -> str:
    """The tag's name without its namespace."""
    return tag.rsplit("}", 1)[-1]


def child(element: ElementTree.Element | None, *path: str) -> ElementTree.Element | None:
    """The first descendant along local names."""
    for name in path:
        if element is None:
            return None
        element = next((e for e in element if local(e.tag) == name), None)
    return element


def children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (e for e in element if local(e.tag) == name)


def attribute(element: ElementTree.Element | None, name: str) -> str | None:
    """An attribute by its local name."""
    if element is None:
        return None
    value = element.get(name)
    if value is not None:
        return value
    return next((v for k, v in element.attrib.items() if local(k) == name), None)
