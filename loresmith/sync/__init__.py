"""Bring the index up to the sources: read, cut, embed and index what changed.

    survey the sources -> parse what is new -> tables to their store -> cut, analyse -> embed -> commit
    -> optimise, swap

Promises: killed at any point it leaves a workspace whose index and state agree, and the next sync
finishes the work; what is unchanged is neither parsed nor embedded; a changed document is replaced
whole; a deleted one is gone from search, tables and memory; a table counts only when the state knows
its document in the same version; one unreadable file is one line in the report.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from loresmith import timings
from loresmith.errors import IndexDamaged
from loresmith.index import Store, open_generation
from loresmith.state import Generation, State
from loresmith.sync.generations import optimize, recover, swap, sweep, target
from loresmith.sync.indexing import Prepared, Summarise, Target, index, recipe_of
from loresmith.sync.reading import Survey, Work, read, survey
from loresmith.sync.summarising import summariser
from loresmith.tables import importing
from loresmith.tables.store import TableStore
from loresmith.types import Embedder, Failure, Progress
from loresmith.workspace import WorkspaceDir

__all__ = ["SyncReport", "sync"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did. Documents are counted, attachments among them.

    Attributes:
        passages: how many are searchable now.  embedded: how many were embedded by this sync.
        warnings: what the reader of a new or changed document should know.
    """

    added: int
    changed: int
    removed: int
    unchanged: int
    failed: tuple[Failure, ...]
    warnings: tuple[Failure, ...]
    passages: int
    embedded: int
    embedder: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith sync --json` prints."""
        return {
            "documents": {
                "added": self.added,
                "changed": self.changed,
                "removed": self.removed,
                "unchanged": self.unchanged,
                "failed": [{"source": f.source, "reason": f.reason} for f in self.failed],
            },
            "passages": self.passages,
            "embedded": self.embedded,
            "embedder": self.embedder,
            "warnings": [{"source": w.source, "reason": w.reason} for w in self.warnings],
            "seconds": round(self.seconds, 3),
        }


def sync(
    workspace: WorkspaceDir,
    embedder: Embedder,
    *,
    progress: Progress | None = None,
    summarise: Summarise | None = None,
) -> SyncReport:
    """Read, cut, embed and index what changed in the workspace's sources.

    Args:
        progress: called with the stages "scanning" and "reading" (items), "embedding" (passages)
            and "indexing"; from several threads, but one at a time.
        summarise: `(document, passages) -> (summary, passages)`; where not given, as
            `passages.summaries` says.

    Raises:
        WorkspaceLocked: another process is writing.
        StorageError: full disk, missing permission, a damaged file; what was acknowledged stays.
        EndpointError, ModelError: the embedder failed; what was committed before stays.
    """
    with workspace.writing(), State.open(workspace.state_path) as state:
        recover(workspace, state)
        sweep(workspace, state)
        report = run(workspace, state, embedder, _serial(progress), summarise)
    timings.note(
        workspace.data,
        "sync",
        report.seconds,
        added=report.added,
        changed=report.changed,
        removed=report.removed,
        passages=report.passages,
        embedded=report.embedded,
    )
    return report


def run(
    workspace: WorkspaceDir,
    state: State,
    embedder: Embedder,
    progress: Progress,
    summarise: Summarise | None = None,
) -> SyncReport:
    """The sync itself; the caller holds the lock and has recovered what a kill left."""
    with TableStore.open(workspace.tables_path) as tables:
        return _run(workspace, state, embedder, progress, summarise, tables)


def _run(
    workspace: WorkspaceDir,
    state: State,
    embedder: Embedder,
    progress: Progress,
    summarise: Summarise | None,
    tables: TableStore,
) -> SyncReport:
    started = time.monotonic()
    generation = target(workspace, state, embedder)
    known = {info.id: info.item for info in state.infos()}
    # Tables that are missing or of another version are made again with their document.
    again = importing.missing(tables, state.infos(), workspace.config.parsing)
    found = survey(workspace, state, progress, again)
    state.put_items(found.touched)
    added: set[str] = set()
    changed: set[str] = set()
    removed: set[str] = set()
    warnings: list[Failure] = []

    def committed(batch: Prepared) -> None:
        added.update(batch.fresh - known.keys())
        changed.update(batch.fresh & known.keys())
        removed.update(document for document, _ in batch.gone)
        warnings.extend(
            Failure(d.id, w) for _, d, _ in batch.documents if d.id in batch.fresh for w in d.warnings
        )

    # A generation that holds nothing yet may be made; one that should hold something must be there.
    empty = not state.indexed(generation.id)
    with (
        closing(open_generation(workspace, generation, create=empty)) as store,
        _answering(workspace, state, generation) as other,
    ):
        if state.current() is None:
            # The first one answers at once: what a killed first sync has acknowledged can be found.
            state.swap(generation.id)
            generation = replace(generation, status="current")
        place = Target(workspace, state, generation, store, recipe_of(workspace, embedder), other)
        work = _work(place, found, dict(known), progress, tables)
        with summariser(workspace.config, progress) as by_model:
            embedded = index(place, work, embedder, summarise or by_model, progress, committed)
        if embedded or added or changed or removed or store.index_problems():
            progress("indexing", 0, 1)
            optimize(workspace, state, generation, store)
            progress("indexing", 1, 1)
    swap(workspace, state, generation)
    tables.sweep({info.id: info.version for info in state.infos()})
    tables.link()
    return SyncReport(
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        unchanged=len(known.keys() - changed - removed),
        failed=tuple(sorted(set(found.failures), key=lambda f: (f.source, f.reason))),
        warnings=tuple(sorted(warnings, key=lambda w: (w.source, w.reason))),
        passages=state.passage_count(generation.id),
        embedded=embedded,
        embedder=embedder.name,
        seconds=time.monotonic() - started,
    )


def _work(
    place: Target, found: Survey, taken: dict[str, str], progress: Progress, tables: TableStore
) -> Generator[Work, None, None]:
    """All there is to do: what is gone, what is new or changed, what the index is behind with."""
    state, handled = place.state, set[str]()
    for item in found.removed:
        gone = tuple(info.id for info in state.documents_of(item.id))
        for document in gone:
            taken.pop(document, None)
            tables.forget(document)
        handled.update(gone)
        yield Work(owner=item.id, gone=gone)
    for unit in read(place.workspace, state, found, taken, progress, tables):
        handled.update(unit.gone, (document.id for document in unit.documents))
        yield unit
    indexed = state.indexed(place.generation.id)
    for info in state.infos():
        if info.id not in handled and indexed.get(info.id, ("", 0))[0] != place.recipe:
            yield Work(owner=info.item, documents=(state.document(info.id),))


@contextmanager
def _answering(
    workspace: WorkspaceDir, state: State, generation: Generation
) -> Generator[tuple[Generation, Store] | None, None, None]:
    """The generation that answers while another is being built, if it can be opened."""
    current = state.current()
    if current is None or current.id == generation.id:
        yield None
        return
    try:
        store = open_generation(workspace, current)
    except IndexDamaged:
        # It answers nobody, so nothing in it can be stale; the new one will replace it.
        yield None
        return
    with closing(store):
        yield current, store


def _serial(progress: Progress | None) -> Progress:
    lock = threading.Lock()

    def advance(stage: str, done: int, total: int | None) -> None:
        if progress is not None:
            with lock:
                progress(stage, done, total)

    return advance
