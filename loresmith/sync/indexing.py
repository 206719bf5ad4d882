"""From documents to committed passages, without letting the embedder wait.

    thread 1: read, parse, cut, analyse  ->  queue  ->  caller: embed  ->  thread 2: commit

The queue holds one batch and there is one commit at a time, so memory is bounded by three batches
whatever the number of documents. A passage whose indexed text is unchanged keeps its vector.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from loresmith.index import Store
from loresmith.index.analysis import ANALYSIS_VERSION, terms
from loresmith.passages import CUT_VERSION, cut
from loresmith.state import Batch, Generation, ItemRow, LedgerRow, State
from loresmith.summaries import summarise as extractive
from loresmith.sync.generations import commit
from loresmith.sync.ledger import ledger_rows, text_digest, vector_digest
from loresmith.sync.reading import Work
from loresmith.types import Document, Embedder, Passage, Progress, Vectors
from loresmith.workspace import WorkspaceDir

FIRST_BATCH = 256
BATCH = 2000
_BATCH_DOCUMENTS = 1000
_BATCH_CHARACTERS = 8_000_000
_EMBED_AT_ONCE = 256

Summarise = Callable[[Document, Sequence[Passage]], tuple[str, list[Passage]]]


@dataclass(slots=True)
class Prepared:
    """Documents cut and analysed, waiting for their vectors.

    Attributes:
        documents: (item id, document, summary).  fresh: ids of those that are new or changed.
        gone: (document, its item where that goes too).  dropped: items that go, without documents.
    """

    items: list[ItemRow] = field(default_factory=list)
    documents: list[tuple[str, Document, str]] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)
    passages: list[Passage] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)
    gone: list[tuple[str, str | None]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    characters: int = 0

    def units(self) -> int:
        return len(self.items) + len(self.documents) + len(self.gone) + len(self.dropped)


@dataclass(slots=True)
class Target:
    """What is written to, and where vectors that need no second embedding may stand.

    Attributes:
        recipe: how documents are cut, summarised and analysed; another one means again.
        other: the generation that still answers while this one is built.
    """

    workspace: WorkspaceDir
    state: State
    generation: Generation
    store: Store
    recipe: str
    other: tuple[Generation, Store] | None = None

    def reusable(self, embedder: Embedder) -> list[tuple[Generation, Store]]:
        places = [(self.generation, self.store), *([self.other] if self.other else [])]
        return [(g, s) for g, s in places if g.fingerprint == embedder.fingerprint]


def recipe_of(workspace: WorkspaceDir, embedder: Embedder) -> str:
    settings = workspace.config.passages
    tokens = min(settings.tokens, embedder.max_tokens)
    return f"cut {CUT_VERSION} {tokens} terms {ANALYSIS_VERSION} summaries {settings.summaries}"


def index(
    target: Target,
    work: Generator[Work, None, None],
    embedder: Embedder,
    summarise: Summarise | None,
    progress: Progress,
    committed: Callable[[Prepared], None],
) -> int:
    """Do the work; returns how many passages were embedded.

    Args:
        committed: told of each batch once it is acknowledged.
    """
    ready: queue.Queue[Prepared | BaseException | None] = queue.Queue(maxsize=1)
    stop, complete = threading.Event(), threading.Event()
    prepared = 0

    def produce() -> None:
        nonlocal prepared
        last: BaseException | None = None
        try:
            for batch in _batches(target, work, embedder, summarise):
                prepared += len(batch.passages)
                if not _offer(ready, batch, stop):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            last = error
        finally:
            work.close()
            complete.set()
            _offer(ready, last, stop)

    producer = threading.Thread(target=produce, name="loresmith-reading", daemon=True)
    producer.start()
    embedded = seen = 0

    def advance(done: int) -> None:
        progress("embedding", seen + done, prepared if complete.is_set() else None)

    running: Future[None] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="loresmith-commit") as committer:
        try:
            while (batch := ready.get()) is not None:
                if isinstance(batch, BaseException):
                    raise batch
                reused, missing = _reuse(target, batch, embedder)
                vectors = _embed(embedder, batch, reused, missing, advance)
                embedded += len(missing)
                seen += len(batch.passages)
                if running is not None:
                    running.result()
                running = committer.submit(_commit, target, batch, vectors, committed)
            if running is not None:
                running.result()
        finally:
            stop.set()
            producer.join()
    return embedded


def _offer(
    ready: queue.Queue[Prepared | BaseException | None],
    entry: Prepared | BaseException | None,
    stop: threading.Event,
) -> bool:
    while not stop.is_set():
        with suppress(queue.Full):
            ready.put(entry, timeout=0.1)
            return True
    return False


def _batches(
    target: Target, work: Iterator[Work], embedder: Embedder, summarise: Summarise | None
) -> Iterator[Prepared]:
    """Work cut and analysed, in batches; the first is small so that embedding starts soon."""
    tokens = min(target.workspace.config.passages.tokens, embedder.max_tokens)
    batch, size = Prepared(), FIRST_BATCH
    for unit in work:
        goes = unit.item is None and not unit.documents
        batch.gone.extend((document, unit.owner if goes else None) for document in unit.gone)
        if unit.item is not None:
            batch.items.append(unit.item)
        elif goes and not unit.gone:
            batch.dropped.append(unit.owner)
        for document in unit.documents:
            passages = cut(document, embedder.count_tokens, max_tokens=tokens)
            summary, passages = _summary(target, document, passages, summarise)
            if not document.language:
                document = replace(document, language=_language(passages))
            batch.documents.append((unit.owner, document, summary))
            if unit.item is not None:
                batch.fresh.add(document.id)
            batch.passages.extend(passages)
            batch.terms.extend(terms(p.indexed_text(), p.language) for p in passages)
            batch.characters += len(document.text)
        if (
            len(batch.passages) >= size
            or batch.units() >= _BATCH_DOCUMENTS
            or batch.characters >= _BATCH_CHARACTERS
        ):
            yield batch
            batch, size = Prepared(), BATCH
    if batch.units():
        yield batch


def _summary(
    target: Target, document: Document, passages: list[Passage], summarise: Summarise | None
) -> tuple[str, list[Passage]]:
    if target.workspace.config.passages.summaries == "off":
        return "", passages
    return (summarise or extractive)(document, passages)


def _language(passages: Sequence[Passage]) -> str:
    counted = Counter(p.language for p in passages if p.language)
    return counted.most_common(1)[0][0] if counted else ""


def _reuse(
    target: Target, batch: Prepared, embedder: Embedder
) -> tuple[dict[bytes, Vectors], dict[bytes, Passage]]:
    """(vectors at hand, passages to embed), both by the digest of the indexed text."""
    wanted = {text_digest(p): p for p in batch.passages}
    found: dict[bytes, Vectors] = {}
    for generation, store in target.reusable(embedder):
        noted = {
            row.text: row
            for _, document, _ in batch.documents
            for row in target.state.ledger(generation.id, document.id)
            if row.text in wanted and row.text not in found
        }
        rows = list(noted.values())
        present = {p.id for p in store.get([row.id for row in rows])}
        rows = [row for row in rows if row.id in present]
        for row, vector in zip(rows, store.vectors([row.id for row in rows]), strict=True):
            if vector_digest(vector) == row.vector:
                found[row.text] = vector
    return found, {key: p for key, p in wanted.items() if key not in found}


def _embed(
    embedder: Embedder,
    batch: Prepared,
    reused: dict[bytes, Vectors],
    missing: dict[bytes, Passage],
    advance: Callable[[int], None],
) -> Vectors:
    """One row per passage of the batch. Longest first: texts of one length waste no padding, and
    memory is at its highest at the start."""
    keys = sorted(missing, key=lambda key: -len(missing[key].text))
    vectors = dict(reused)
    for start in range(0, len(keys), _EMBED_AT_ONCE):
        some = keys[start : start + _EMBED_AT_ONCE]
        rows = embedder.embed_passages([missing[key].indexed_text() for key in some])
        vectors.update(zip(some, rows, strict=True))
        advance(len(reused) + start + len(some))
    if not batch.passages:
        return np.empty((0, embedder.dimension), np.float32)
    return np.stack([vectors[text_digest(p)] for p in batch.passages]).astype(np.float32, copy=False)


def _commit(target: Target, batch: Prepared, vectors: Vectors, committed: Callable[[Prepared], None]) -> None:
    state, generation = target.state, target.generation
    rows: dict[str, list[LedgerRow]] = {document.id: [] for _, document, _ in batch.documents}
    for passage, row in zip(batch.passages, ledger_rows(batch.passages, batch.terms, vectors), strict=True):
        rows[passage.document].append(row)
    if target.other is not None:
        # The old generation must not go on answering with what has changed or gone meanwhile.
        answering, store = target.other
        known = state.indexed(answering.id)
        stale = [d for d in (*batch.fresh, *(d for d, _ in batch.gone)) if d in known]
        if stale:
            old = Batch(generation=answering.id, ledger={}, unindexed=stale)
            commit(target.workspace, state, answering, store, old)
    what = Batch(
        generation=generation.id,
        items=batch.items,
        documents=batch.documents,
        ledger={document: (target.recipe, its) for document, its in rows.items()},
        gone=batch.gone,
    )
    commit(target.workspace, state, generation, target.store, what, (batch.passages, vectors, batch.terms))
    if batch.dropped:
        state.forget_items(batch.dropped)
    committed(batch)
