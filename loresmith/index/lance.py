"""The embedded store: LanceDB in the workspace's folder.

Why it is used as it is (each point was measured or is a known defect of the engine):

- Rows are replaced by one `merge_insert`, which is one version of the table, with
  `use_index(False)`: with an index, two writers of the same new key double the row.
- Vectors: HNSW_SQ in one partition, results refined against the exact vectors; below
  `EXACT_BELOW` rows no vector index at all, since a scan is exact and quick there.
- Text: postings over white-space separated terms that `index.analysis` made; no positions.
- The engine never calls fsync: `flush` (see files.py) does, before a commit is acknowledged.
- Versions younger than ten minutes are kept, since a reader may still be reading them.
- What was opened of a version stays open in the engine's caches after the version is gone, one file
  for each sync that was searched after: a reader that lives long begins anew now and then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, Bitmap, HnswSq
from lancedb.query import MatchQuery

from loresmith.errors import IndexDamaged, StorageError
from loresmith.index.filters import NOTHING, access_key, condition, is_in
from loresmith.index.store import Scored, StoredRow
from loresmith.types import Filter, Locator, Passage, Vectors

EXACT_BELOW = 10_000
REFINE = 5
KEEP_VERSIONS = timedelta(minutes=10)
_IDS_PER_QUERY = 1000
_PAYLOAD = [
    "id", "document", "ordinal", "text", "locator", "title", "heading", "context", "summary",
    "language", "source", "access", "modified", "tokens",
]  # fmt: skip
_INDEXES = {"terms_idx": "FTS", "access_idx": "BITMAP"}
_VECTOR_INDEX = "vector_idx"

# The engine's own bounds are 6 GB and 1 GB; each sync leaves metadata of a version that is gone.
_CACHES = {"index_cache_size_bytes": 1 << 30, "metadata_cache_size_bytes": 64 << 20}
RENEWED_AFTER = 20
"""Changes of the table that a reader sees before it lets go of all that its caches hold open."""


class LanceStore:
    """One table of passages. Safe to read from several threads and processes; one writer."""

    def __init__(self, path: Path, table: Any, dimension: int, metric: str) -> None:
        self.path = path
        self.dimension = dimension
        self.metric = metric
        self._table = table
        self._name = str(table.name)
        self._seen, self._changes = 0, 0
        self._label_sets: tuple[int, list[str]] | None = None

    @classmethod
    def open(cls, path: Path, *, dimension: int, metric: str, create: bool, table: str) -> LanceStore:
        if not create and not (path / f"{table}.lance").is_dir():
            raise IndexDamaged(f"{path}: the index is missing.", "Run `loresmith verify --repair`.")
        with _translated(path):
            if create:
                path.mkdir(parents=True, exist_ok=True)
            db = _connect(path)
            if create:
                handle = db.create_table(table, schema=_schema(dimension), exist_ok=True)
            else:
                handle = db.open_table(table)
            found = handle.schema.field("vector").type.list_size
        if found != dimension:
            raise IndexDamaged(
                f"{path}: holds vectors of {found} numbers, {dimension} were expected.",
                "Run `loresmith sync` with the embedder of the workspace.",
            )
        store = cls(path, handle, dimension, metric)
        if create:
            # Indexes on the empty table: a search before the first `optimize` already works.
            store._make_scalar_indexes()
        return store

    def close(self) -> None:
        self._table = None

    def version(self) -> int:
        with _translated(self.path):
            return int(self._table.version)

    # --- writing ------------------------------------------------------------------------------

    def replace(
        self,
        documents: Sequence[str],
        passages: Sequence[Passage],
        vectors: Vectors,
        terms: Sequence[str],
    ) -> None:
        if not documents:
            return
        rows = self._arrow(passages, vectors, terms)
        stray = {p.document for p in passages} - set(documents)
        if stray:
            raise ValueError(f"passages of documents that are not replaced: {sorted(stray)[:3]}")
        if len({p.id for p in passages}) != len(passages):
            raise ValueError("two passages with the same id")
        with _translated(self.path):
            (
                self._table.merge_insert("id")
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .when_not_matched_by_source_delete(is_in("document", documents))
                .use_index(False)
                .execute(rows)
            )

    def delete(self, documents: Sequence[str]) -> None:
        if documents:
            with _translated(self.path):
                self._table.delete(is_in("document", documents))

    def optimize(self) -> None:
        with _translated(self.path):
            self._make_scalar_indexes()
            self._make_vector_index()
            self._table.optimize(cleanup_older_than=KEEP_VERSIONS)

    # --- searching ----------------------------------------------------------------------------

    def search_dense(self, vector: Vectors, k: int, where: Filter) -> Scored:
        query = np.asarray(vector, np.float32).reshape(-1)
        if query.shape != (self.dimension,):
            raise ValueError(f"the query has {query.shape[0]} numbers, the index {self.dimension}")
        with _translated(self.path):
            clause = self._condition(where)
            if clause == NOTHING or k < 1:
                return []
            search = (
                self._searched()
                .search(query, vector_column_name="vector")
                .distance_type(self.metric)
                # The engine refuses to look at fewer than it must refine.
                .ef(max(100, REFINE * k))
                .refine_factor(REFINE)
                .limit(k)
                .select([*_PAYLOAD, "_distance"])
            )
            if clause:
                search = search.where(clause, prefilter=True)
            found = search.to_arrow().to_pylist()
        return [(_passage(row), _similarity(row["_distance"], self.metric)) for row in found]

    def search_text(self, terms: str, k: int, where: Filter) -> Scored:
        if not terms.split() or k < 1:
            return []
        with _translated(self.path):
            clause = self._condition(where)
            if clause == NOTHING:
                return []
            search = (
                self._searched()
                .search(MatchQuery(terms, "terms"), query_type="fts")
                .limit(k)
                .select([*_PAYLOAD, "_score"])
            )
            if clause:
                search = search.where(clause, prefilter=True)
            found = search.to_arrow().to_pylist()
        return [(_passage(row), float(row["_score"])) for row in found]

    # --- reading ------------------------------------------------------------------------------

    def get(self, ids: Sequence[str]) -> list[Passage]:
        found = {row["id"]: _passage(row) for row in self._by_id(ids, _PAYLOAD).to_pylist()}
        return [found[i] for i in ids if i in found]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        rows = self._by_id(ids, ["id", "vector"])
        at = {i: n for n, i in enumerate(rows.column("id").to_pylist())}
        return _matrix(rows.column("vector"), self.dimension)[[at[i] for i in ids]]

    def of_document(self, document: str) -> list[Passage]:
        with _translated(self.path):
            search = self._table.search().where(is_in("document", [document])).select(_PAYLOAD)
            rows = search.to_arrow().to_pylist()
        return sorted(map(_passage, rows), key=lambda p: p.ordinal)

    def ids(self) -> list[str]:
        with _translated(self.path):
            found: list[str] = self._table.search().select(["id"]).to_arrow().column("id").to_pylist()
        return found

    def count(self) -> int:
        with _translated(self.path):
            return int(self._table.count_rows())

    def rows(self) -> Iterator[StoredRow]:
        with _translated(self.path):
            for batch in self._table.search().select([*_PAYLOAD, "terms", "vector"]).to_batches(1000):
                matrix = _matrix(batch.column("vector"), self.dimension)
                for row, vector in zip(batch.drop_columns("vector").to_pylist(), matrix, strict=True):
                    yield StoredRow(_passage(row), row["terms"] or "", vector)

    # --- the engine's indexes -----------------------------------------------------------------

    def index_problems(self, *, behind: bool = False) -> list[str]:
        problems = []
        with _translated(self.path):
            present = {index.name for index in self._table.list_indices()}
            wanted = dict(_INDEXES)
            rows = int(self._table.count_rows())
            if not rows:  # killed before its first rows: the next sync makes them
                return []
            if rows >= EXACT_BELOW and not behind:
                wanted[_VECTOR_INDEX] = "HNSW_SQ"
            for name, kind in wanted.items():
                if name not in present:
                    problems.append(f"the {kind} index {name} is missing")
                    continue
                if behind:
                    continue
                stats = self._table.index_stats(name)
                if stats.num_unindexed_rows:
                    problems.append(
                        f"the {kind} index {name} is behind by {stats.num_unindexed_rows} of {rows} rows"
                    )
                elif stats.num_indexed_rows != rows:
                    problems.append(
                        f"the {kind} index {name} holds {stats.num_indexed_rows} rows, the table {rows}"
                    )
        return problems

    def rebuild_indexes(self) -> None:
        with _translated(self.path):
            for index in self._table.list_indices():
                self._table.drop_index(index.name)
        self.optimize()

    def _make_scalar_indexes(self) -> None:
        present = {index.name for index in self._table.list_indices()}
        if "terms_idx" not in present:
            postings = FTS(
                with_position=False,
                base_tokenizer="whitespace",
                stem=False,
                remove_stop_words=False,
                lower_case=False,
                ascii_folding=False,
                max_token_length=None,
            )
            self._table.create_index("terms", config=postings, name="terms_idx")
        if "access_idx" not in present:
            self._table.create_index("access", config=Bitmap(), name="access_idx")

    def _make_vector_index(self) -> None:
        present = {index.name for index in self._table.list_indices()}
        if _VECTOR_INDEX not in present and self._table.count_rows() >= EXACT_BELOW:
            config = HnswSq(distance_type=self.metric, num_partitions=1, m=16, ef_construction=128)
            self._table.create_index("vector", config=config, name=_VECTOR_INDEX)

    # --- inside -------------------------------------------------------------------------------

    def _searched(self) -> Any:
        """The table, opened anew where it has changed often."""
        changed = os.stat(self.path / f"{self._name}.lance" / "_versions").st_mtime_ns
        if changed != self._seen:
            self._seen = changed
            self._changes += 1
            if self._changes > RENEWED_AFTER:
                self._changes = 0
                self._table = _connect(self.path).open_table(self._name)
        return self._table

    def _condition(self, where: Filter) -> str | None:
        needs_labels = where.access is not None or bool(where.labels)
        return condition(where, self._distinct_labels() if needs_labels else ())

    def _distinct_labels(self) -> list[str]:
        version = int(self._table.version)
        if self._label_sets is None or self._label_sets[0] != version:
            column = self._table.search().select(["access"]).to_arrow().column("access")
            self._label_sets = version, [key for key in column.unique().to_pylist() if key is not None]
        return self._label_sets[1]

    def _by_id(self, ids: Sequence[str], columns: list[str]) -> pa.Table:
        parts = []
        with _translated(self.path):
            for start in range(0, len(ids), _IDS_PER_QUERY):
                clause = is_in("id", ids[start : start + _IDS_PER_QUERY])
                parts.append(self._table.search().where(clause).select(columns).to_arrow())
        return pa.concat_tables(parts) if parts else _schema(self.dimension).empty_table().select(columns)

    def _arrow(self, passages: Sequence[Passage], vectors: Vectors, terms: Sequence[str]) -> pa.Table:
        if not len(passages) == len(vectors) == len(terms):
            raise ValueError(f"{len(passages)} passages, {len(vectors)} vectors, {len(terms)} terms")
        matrix = np.ascontiguousarray(vectors, np.float32)
        if passages and matrix.shape[1:] != (self.dimension,):
            raise ValueError(f"vectors of shape {matrix.shape}, the index has {self.dimension} numbers")
        if not np.isfinite(matrix).all():
            raise ValueError("a vector holds a number that is not finite")
        columns = {
            "id": [p.id for p in passages],
            "document": [p.document for p in passages],
            "ordinal": [p.ordinal for p in passages],
            "text": [p.text for p in passages],
            "locator": [json.dumps(p.locator.to_dict()) for p in passages],
            "title": [p.title for p in passages],
            "heading": [json.dumps(p.heading) for p in passages],
            "context": [p.context for p in passages],
            "summary": [p.summary for p in passages],
            "language": [p.language for p in passages],
            "source": [p.source for p in passages],
            "access": [access_key(p.labels) for p in passages],
            "modified": [p.modified for p in passages],
            "tokens": [p.tokens for p in passages],
            "terms": list(terms),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), self.dimension),
        }
        return pa.table(columns, schema=_schema(self.dimension))


def _connect(path: Path) -> Any:
    session = lancedb.Session(**_CACHES)
    return lancedb.connect(str(path), read_consistency_interval=timedelta(0), session=session)


def _schema(dimension: int) -> pa.Schema:
    text = [(name, pa.string()) for name in _PAYLOAD if name not in ("ordinal", "modified", "tokens")]
    numbers = [("ordinal", pa.int32()), ("modified", pa.float64()), ("tokens", pa.int32())]
    return pa.schema([*text, *numbers, ("terms", pa.string()), ("vector", pa.list_(pa.float32(), dimension))])


def _matrix(column: pa.Array | pa.ChunkedArray, dimension: int) -> Vectors:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    # A row whose vector was set to NULL must be seen as altered, not shift the others.
    parts = [
        chunk.flatten().to_numpy(zero_copy_only=False)
        if chunk.null_count == 0
        else np.concatenate([np.asarray(v or [np.nan] * dimension, np.float32) for v in chunk.to_pylist()])
        for chunk in chunks
        if len(chunk)
    ]
    flat = np.concatenate(parts) if parts else np.empty(0)
    return flat.astype(np.float32, copy=False).reshape(-1, dimension)


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(
        id=row["id"],
        document=row["document"] or "",
        ordinal=row["ordinal"] or 0,
        text=row["text"] or "",
        locator=Locator.from_dict(json.loads(row["locator"] or "{}")),
        title=row["title"] or "",
        heading=tuple(json.loads(row["heading"] or "[]")),
        context=row["context"] or "",
        summary=row["summary"] or "",
        language=row["language"] or "",
        source=row["source"] or "",
        labels=tuple(json.loads(row["access"] or "[]")),
        modified=row["modified"],
        tokens=row["tokens"] or 0,
    )


def _similarity(distance: float, metric: str) -> float:
    # The engine gives 1 - cosine, 1 - dot and the squared Euclidean distance.
    return -float(np.sqrt(max(distance, 0.0))) if metric == "l2" else 1.0 - distance


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn the engine's errors into ours. Over damaged files it raises RuntimeError, ValueError,
    OSError, a missing column, or a Rust panic, which is no Exception."""
    try:
        yield
    except (StorageError, MemoryError):
        raise
    except OSError as error:
        raise _error(path, error) from error
    except (RuntimeError, ValueError, TypeError, LookupError) as error:
        raise _error(path, error) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise _error(path, error) from error
        raise


def _error(path: Path, error: BaseException) -> StorageError:
    text = str(error)
    if "No space left" in text or "os error 28" in text or getattr(error, "errno", None) == 28:
        return StorageError(
            f"{path}: the disk is full.", "Free some space and run the command again; nothing is lost."
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return StorageError(
            f"{path}: no permission to write.", "Change its permissions, or use another folder."
        )
    reason = text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
    return IndexDamaged(f"{path}: the index cannot be used ({reason}).", "Run `loresmith verify --repair`.")
