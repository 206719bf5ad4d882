"""Bytes to documents with exact places: `ParserPool.parse` gives one `ParseResult` a file.

Nothing heavy is imported here; the engines load inside the worker processes.
"""

from __future__ import annotations

from loresmith.locate import locate
from loresmith.parsing.pool import ParseResult, ParserPool

PARSER_VERSION = "3"
"""Part of the fingerprint of a document: a new number has every file read again."""

__all__ = ["PARSER_VERSION", "ParseResult", "ParserPool", "locate", "render_page"]


def render_page(path: str, page: int, dpi: float = 110) -> bytes:
    """A page of a PDF as PNG. Raises ParseError where there is none."""
    from loresmith.parsing.pdf import render

    return render(path, page, dpi)
