"""The seam between the steps and the engine that keeps vectors, postings and payload.

A store holds the passages of one generation. Promises every store keeps, and the contract suite
(tests/index/) asserts for each of them:

- `replace` and `delete` are atomic: a reader, or whoever comes after a kill, sees the rows of
  before or of after.
- A filter is applied inside the query: k results are the k best of what may be seen. Access fails
  closed: a passage is seen only by a reader who holds every one of its labels.
- What is committed is visible to every search at once, optimised or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loresmith.types import Filter, Passage, Vectors

Scored = list[tuple[Passage, float]]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row as it stands in the store, for reconciliation."""

    passage: Passage
    terms: str
    vector: Vectors


class Store(Protocol):
    path: Path
    dimension: int
    metric: str

    def version(self) -> int:
        """Grows with every commit."""
        ...

    def replace(
        self,
        documents: Sequence[str],
        passages: Sequence[Passage],
        vectors: Vectors,
        terms: Sequence[str],
    ) -> None:
        """In one atomic commit the rows of `documents` become exactly these.

        `terms` is the analysed text that full-text search sees, one string per passage.
        """
        ...

    def delete(self, documents: Sequence[str]) -> None: ...

    def search_dense(self, vector: Vectors, k: int, where: Filter) -> Scored:
        """Best first. Score: cosine similarity, dot product or negative L2 distance."""
        ...

    def search_text(self, terms: str, k: int, where: Filter) -> Scored:
        """Best first, by BM25 over the analysed `terms`; a passage needs one of them."""
        ...

    def get(self, ids: Sequence[str]) -> list[Passage]:
        """In the order of `ids`; those that are not there are left out."""
        ...

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """One row per id, in order. Raises KeyError when one is not there."""
        ...

    def of_document(self, document: str) -> list[Passage]:
        """In reading order."""
        ...

    def ids(self) -> list[str]: ...

    def count(self) -> int: ...

    def rows(self) -> Iterator[StoredRow]:
        """Every row, streamed, without using any index."""
        ...

    def optimize(self) -> None:
        """Compact, bring the indexes up to date, clean what no reader can still be using."""
        ...

    def index_problems(self, *, behind: bool = False) -> list[str]:
        """What is missing or behind among the engine's indexes, in words; empty when all is well.

        Args:
            behind: rows were committed since the last `optimize`, so that to be behind is no problem.
        """
        ...

    def rebuild_indexes(self) -> None:
        """Throw the engine's indexes away and build them from the rows."""
        ...

    def close(self) -> None: ...
