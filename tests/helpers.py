"""Stand-ins that several tests share: a deterministic embedder, passages and documents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from loresmith.index import open_current
from loresmith.state import State
from loresmith.types import Block, Document, Locator, Passage, Vectors
from loresmith.workspace import WorkspaceDir


class HashEmbedder:
    """Every word is a fixed random direction, a text their normalised sum: texts that share words
    are near. Counts what it was asked, so that a test can say that nothing was embedded."""

    def __init__(self, dimension: int = 32, name: str = "hash", max_tokens: int = 256) -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.fingerprint = f"{name}-{dimension}"
        self.embedded: list[str] = []
        self.closed = False

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded.extend(texts)
        return self.embed_queries(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        rows = [self._embed(text) for text in texts]
        return np.asarray(rows, np.float32).reshape(len(texts), self.dimension)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        self.closed = True

    def _embed(self, text: str) -> Vectors:
        total = np.full(self.dimension, 1e-3)
        for word in re.findall(r"\w+", text.lower()):
            seed = int.from_bytes(hashlib.sha256(f"{self.name} {word}".encode()).digest()[:8], "little")
            total += np.random.default_rng(seed).standard_normal(self.dimension)
        return (total / np.linalg.norm(total)).astype(np.float32)


def passage(
    text: str,
    *,
    document: str = "a.txt",
    ordinal: int = 0,
    start: int = 0,
    labels: Sequence[str] = (),
    source: str = "/docs",
    modified: float | None = None,
) -> Passage:
    digest = hashlib.sha256(f"{document} {start} {text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Passage(
        id=digest,
        document=document,
        ordinal=ordinal,
        text=text,
        locator=Locator(start=start, end=start + len(text), page=1),
        title="Title",
        heading=("Chapter", "Section"),
        language="en",
        source=source,
        labels=tuple(labels),
        modified=modified,
        tokens=len(text.split()),
    )


def document(text: str, *, id: str = "a.txt", labels: Sequence[str] = (), version: str = "v1") -> Document:  # noqa: A002
    """A plain-text document, one paragraph block per blank-line separated part."""
    blocks = [
        Block(kind="paragraph", start=found.start(), end=found.end())
        for found in re.finditer(r"[^\n]+(?:\n[^\n]+)*", text)
    ]
    return Document(
        id=id,
        source="/docs",
        uri=f"/docs/{id}",
        version=version,
        media_type="text/plain",
        title=id,
        text=text,
        blocks=tuple(blocks),
        labels=tuple(labels),
    )


def texts_of(workspace: WorkspaceDir) -> list[str]:
    """The text of every passage that the workspace's index holds."""
    with State.open(workspace.state_path) as state:
        store = open_current(workspace, state)
        return sorted(p.text for p in store.get(store.ids()))


def acknowledged(workspace: WorkspaceDir) -> dict[str, list[str]]:
    """Document id to the passages that the index holds of it, for what state.db says is indexed."""
    with State.open(workspace.state_path) as state:
        generation = state.current()
        if generation is None:
            return {}
        store = open_current(workspace, state)
        return {d: [p.text for p in store.of_document(d)] for d in state.indexed(generation.id)}
