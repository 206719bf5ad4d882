"""Which generation of the index is written to, and putting right what a kill left behind.

A generation is one build of the index for one embedder and metric. When either changes a new one
is built in a folder beside the old, which answers until the new one is complete; then one update
of state.db swaps them. A half-built one is continued by the next sync.
"""

from __future__ import annotations

import shutil
import time
from contextlib import closing

from loresmith import faults
from loresmith.errors import IndexDamaged
from loresmith.index import Store, files, open_generation
from loresmith.state import Batch, FileRow, Generation, State, journal
from loresmith.types import Embedder, Passage, Vectors
from loresmith.workspace import WorkspaceDir, translated_os_errors

KEEP_OLD_SECONDS = 600.0
"""How long an old generation stays: a reader may have opened it before the swap."""


def recover(workspace: WorkspaceDir, state: State) -> None:
    """Roll an unfinished batch forward when the index has committed it, else drop it."""
    known = {g.id: g for g in state.generations()}
    pending = journal.pending(state)
    if pending is not None:
        generation, version = pending
        if generation in known and _moved_past(workspace, known[generation], version):
            journal.finish(state, record_new(workspace, state, known[generation]))
        else:
            journal.drop(state)
    for unsettled in (g for g in known.values() if g.unsettled):
        state.settle(unsettled.id, files.record(workspace.index_dir / unsettled.folder))


def _moved_past(workspace: WorkspaceDir, generation: Generation, version: int) -> bool:
    try:
        with closing(open_generation(workspace, generation)) as store:
            return store.version() > version
    except IndexDamaged:
        return False  # what is staged is not acknowledged; verify will name the damage


def target(workspace: WorkspaceDir, state: State, embedder: Embedder) -> Generation:
    """The generation to write: the current one where it fits, else one that is being built."""
    metric = workspace.config.index.metric
    wanted = (embedder.fingerprint, embedder.dimension, metric)
    known = state.generations()
    fitting = None
    for generation in known:
        if generation.status in ("building", "current") and _made_for(generation) == wanted:
            fitting = generation if fitting is None or generation.status == "current" else fitting
    for generation in known:
        if generation.status == "building" and generation != fitting:
            # Until this sync is through, it is why documents may be in no generation that answers.
            state.abandon(generation.id)
    return fitting or state.add_generation(
        embedder=embedder.name,
        fingerprint=embedder.fingerprint,
        dimension=embedder.dimension,
        metric=metric,
        status="building",
    )


def _made_for(generation: Generation) -> tuple[str, int, str]:
    return generation.fingerprint, generation.dimension, generation.metric


def swap(workspace: WorkspaceDir, state: State, generation: Generation) -> None:
    """Let a complete generation answer from now on, and drop those that were begun for nothing."""
    if generation.status != "current":
        faults.point("swapping")
        state.swap(generation.id)
        faults.point("swapped")
    for other in state.generations():
        if other.status == "abandoned":
            discard(workspace, state, other)


def discard(workspace: WorkspaceDir, state: State, generation: Generation) -> None:
    # First out of state.db: a folder without an owner is swept up, an owner without a folder is not.
    state.drop_generation(generation.id)
    shutil.rmtree(workspace.index_dir / generation.folder, ignore_errors=True)


def sweep(workspace: WorkspaceDir, state: State) -> None:
    """Remove old generations that no reader can still use, and folders that belong to none."""
    for generation in state.generations():
        if generation.status == "old" and time.time() - generation.changed > KEEP_OLD_SECONDS:
            discard(workspace, state, generation)
    kept = {g.folder for g in state.generations()}
    with translated_os_errors(workspace.index_dir):
        workspace.index_dir.mkdir(parents=True, exist_ok=True)
        for folder in workspace.index_dir.iterdir():
            if folder.name not in kept and folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)


def record_new(workspace: WorkspaceDir, state: State, generation: Generation) -> list[FileRow]:
    return files.record(workspace.index_dir / generation.folder, state.files(generation.id))


def commit(
    workspace: WorkspaceDir,
    state: State,
    generation: Generation,
    store: Store,
    batch: Batch,
    rows: tuple[list[Passage], Vectors, list[str]] | None = None,
) -> None:
    """Bring one batch into the index and state.db: into both or, after a kill, into neither.

    Args:
        rows: passages, vectors and terms of the documents in `batch.ledger`.
    """
    documents = [*batch.ledger, *batch.unindexed, *(document for document, _ in batch.gone)]
    if not documents:
        state.put_items(batch.items)
        return
    version = store.version()
    journal.stage(state, batch, version)
    faults.point("staged")
    try:
        if rows is None:
            store.delete(documents)
        else:
            store.replace(documents, *rows)
        faults.point("stored")
        new = record_new(workspace, state, generation)
    except Exception:
        recover(workspace, state)
        raise
    journal.finish(state, new)
    faults.point("finished")


def optimize(workspace: WorkspaceDir, state: State, generation: Generation, store: Store) -> None:
    """Compact the index and note its files anew, since compaction removes some."""
    state.unsettle(generation.id)
    faults.point("optimizing")
    store.optimize()
    faults.point("optimized")
    state.settle(generation.id, files.record(workspace.index_dir / generation.folder), optimized=True)
