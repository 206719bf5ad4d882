"""The rows of state.db as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loresmith.types import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """A source item as it was last read: `failure` is the reason where it could not be,
    `documents` how many it gave."""

    id: str
    source: str
    uri: str
    path: str
    size: int
    mtime_ns: int
    version: str
    labels: tuple[str, ...]
    fingerprint: str
    failure: str | None = None
    documents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    """A document without its text."""

    id: str
    item: str
    source: str
    uri: str
    version: str
    media_type: str
    title: str
    language: str
    labels: tuple[str, ...]
    modified: float | None
    warnings: tuple[str, ...]
    summary: str
    characters: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the index must hold for one passage: digests of its indexed text, row and vector."""

    id: str
    text: bytes
    row: bytes
    vector: bytes


@dataclass(frozen=True, slots=True)
class Generation:
    """One build of the index.

    Attributes:
        status: "building", "current", "old", or "abandoned" while it was being built.
        changed: when it became that, in epoch seconds.
        unsettled: the engine may have removed files of its own since they were noted.
        behind: committed to since the engine's indexes were last brought up to date.
    """

    id: int
    folder: str
    status: str
    embedder: str
    fingerprint: str
    dimension: int
    metric: str
    changed: float
    unsettled: bool
    behind: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    path: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    id: str
    chat: str
    question: str
    answer: str
    documents: tuple[str, ...]
    labels: tuple[str, ...]
    created: float


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """What a person said about one answer; `payload` is JSON, its meaning is dataset/feedback.py's."""

    id: str
    payload: Mapping[str, Any]
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What will be true of one generation after a commit of the index.

    Attributes:
        items: source items read, with their outcome.
        documents: (item id, document, summary), new or changed.
        ledger: document id to its recipe and its complete rows in this generation.
        unindexed: documents whose rows leave this generation though the documents stay.
        gone: documents (with the item where that goes too) that leave altogether.
    """

    generation: int
    items: Sequence[ItemRow] = ()
    documents: Sequence[tuple[str, Document, str]] = ()
    ledger: dict[str, tuple[str, Sequence[LedgerRow]]]
    unindexed: Sequence[str] = ()
    gone: Sequence[tuple[str, str | None]] = ()
