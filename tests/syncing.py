"""A sync in a process of its own, for tests and benchmarks that kill it:
`python syncing.py WORKSPACE EMBEDDER_NAME DIMENSION SECONDS_PER_EMBEDDING`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.sync import indexing, sync
from loresmith.types import Vectors
from loresmith.verify import verify


class SlowEmbedder(HashEmbedder):
    seconds = 0.0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        time.sleep(self.seconds)
        return super().embed_passages(texts)


def main(root: str, name: str, dimension: str, seconds: str, what: str = "sync") -> None:
    embedder = SlowEmbedder(int(dimension), name)
    embedder.seconds = float(seconds)
    indexing.FIRST_BATCH = indexing.BATCH = 20  # many commits in a small workspace
    plant = folders.open_dir(Path(root))
    sys.stdout.write("ready\n")  # all is imported: from here on a kill falls into the work
    sys.stdout.flush()
    if what == "repair":
        verify(plant, embedder=embedder, repair=True)
    else:
        sync(plant, embedder)


if __name__ == "__main__":
    main(*sys.argv[1:])
