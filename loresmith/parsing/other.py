"""Formats without a reader of our own (RTF, ODT): text and headings by Kreuzberg, without places."""

from __future__ import annotations

import re
from typing import Any

from loresmith.errors import MissingExtra, ParseError
from loresmith.parsing.draft import Draft
from loresmith.parsing.textual import read_markdown


def read_other(data: bytes, *, kind: str, **_: Any) -> Draft:
    try:
        import kreuzberg
    except ImportError:
        missing = MissingExtra("reading RTF and ODT", "kreuzberg", "rtf")
        raise ParseError(missing.problem, missing.remedy) from None
    config = kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False)
    try:
        result = kreuzberg.extract_bytes_sync(data, kind, config)
    except kreuzberg.KreuzbergError as error:
        raise ParseError(f"damaged file: {str(error).splitlines()[0]}.", "Save it again.") from error
    draft = read_markdown(re.sub(r"\n{3,}", "\n\n", result.content).encode())
    # The lines are those of the conversion, not of the file.
    draft.lined = False
    draft.metadata.pop("encoding", None)
    return draft
