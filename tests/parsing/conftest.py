from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loresmith.config import ParsingSection
from loresmith.parsing.read import read
from loresmith.types import Document, SourceItem


def item(name: str, **more: Any) -> SourceItem:
    return SourceItem(
        id=name, source="/s", uri=f"/s/{name}", path=f"/s/{name}", size=1, mtime_ns=5_000_000_000, **more
    )


@pytest.fixture
def parse() -> Callable[..., list[Document]]:
    """Read bytes in this process, and check what every document promises."""

    def run(name: str, data: bytes, **settings: Any) -> list[Document]:
        documents = read(data, item(name), ParsingSection(**settings))
        for document in documents:
            check(document)
        return documents

    return run


def check(document: Document) -> None:
    last = 0
    for block in document.blocks:
        assert last <= block.start < block.end <= len(document.text)
        assert not document.text[last : block.start].strip(), "text outside of blocks"
        text = document.text[block.start : block.end]
        assert text == text.strip(), "a block begins or ends with white space"
        if block.kind in ("row", "heading"):
            assert "\n" not in text
        for start, end, _ in block.lines:
            assert block.start <= start < end <= block.end
        last = block.end
    assert not document.text[last:].strip()


def texts(document: Document, *kinds: str) -> list[str]:
    return [document.text[b.start : b.end] for b in document.blocks if not kinds or b.kind in kinds]
