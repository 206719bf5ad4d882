"""Digests of what the index must hold: written by sync, compared by verify."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from loresmith.index.filters import access_key
from loresmith.state import LedgerRow
from loresmith.state.codec import digest
from loresmith.types import Passage, Vectors


def text_digest(passage: Passage) -> bytes:
    """Of what is embedded: equal digests need no second embedding."""
    return digest(passage.indexed_text())


def row_digest(passage: Passage, terms: str) -> bytes:
    """Of everything else in the row: what is shown, filtered by and searched for."""
    return digest(
        passage.id,
        passage.document,
        passage.text,
        json.dumps(passage.locator.to_dict()),
        passage.title,
        json.dumps(passage.heading),
        passage.context,
        passage.summary,
        passage.language,
        passage.source,
        access_key(passage.labels),
        repr((passage.ordinal, passage.tokens, passage.modified)),
        terms,
    )


def vector_digest(vector: Vectors) -> bytes:
    return digest(np.ascontiguousarray(vector, np.float32).tobytes())


def ledger_rows(passages: Sequence[Passage], terms: Sequence[str], vectors: Vectors) -> list[LedgerRow]:
    return [
        LedgerRow(p.id, text_digest(p), row_digest(p, t), vector_digest(v))
        for p, t, v in zip(passages, terms, vectors, strict=True)
    ]
