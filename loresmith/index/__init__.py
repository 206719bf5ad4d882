"""Vectors, postings and payload of the passages, one folder per generation."""

from __future__ import annotations

import os
from pathlib import Path

from loresmith.errors import StorageError
from loresmith.index.store import Scored, Store, StoredRow
from loresmith.state import Generation, State
from loresmith.workspace import WorkspaceDir

__all__ = ["Scored", "Store", "StoredRow", "open_current", "open_generation", "open_store"]


def open_store(
    path: Path, *, dimension: int, metric: str, create: bool = False, table: str = "passages"
) -> Store:
    """Open the store in the folder `path`; one folder may hold several tables.

    Args:
        metric: "cosine", "dot" or "l2"; fixed when the store is made.
        create: make it where it is not there.

    Raises:
        IndexDamaged: it is not there (and not to be made), cannot be read, or has another dimension.
        StorageError: full disk or no permission.
    """
    # Its warnings about damage are for its makers; what they mean is raised as IndexDamaged.
    os.environ.setdefault("LANCEDB_LOG", "error")
    from loresmith.index.lance import LanceStore

    return LanceStore.open(path, dimension=dimension, metric=metric, create=create, table=table)


def open_generation(workspace: WorkspaceDir, generation: Generation, *, create: bool = False) -> Store:
    return open_store(
        workspace.index_dir / generation.folder,
        dimension=generation.dimension,
        metric=generation.metric,
        create=create,
    )


def open_current(workspace: WorkspaceDir, state: State) -> Store:
    """The store that answers now.

    Raises:
        StorageError: nothing has been synchronised yet.
    """
    generation = state.current()
    if generation is None:
        raise StorageError(f"{workspace.root}: nothing is indexed yet.", "Run `loresmith sync`.")
    return open_generation(workspace, generation)
