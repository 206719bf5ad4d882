"""Named points at which a test can kill the process, as a power cut or `kill -9` would.

`LORESMITH_FAULT=stored` makes the process kill itself with SIGKILL the first time it reaches the
point "stored"; `stored:3` the third time. Without the variable a point costs one dictionary
lookup. The points, in the order a sync passes them:

    tabled     a document's tables are in tables.db, the document itself is nowhere yet
    staged     the batch stands in state.db's journal, the index does not have it yet
    stored     the index has committed the batch, state.db has not acknowledged it
    finished   the batch is acknowledged
    optimizing the index is about to be compacted      optimized  it was, its files are unrecorded
    swapping   a new generation is complete            swapped    it is the current one
    repairing  rows were taken out, their replacements are not in yet
"""

from __future__ import annotations

import os
import signal

VARIABLE = "LORESMITH_FAULT"
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    at, _, nth = wanted.partition(":")
    if at == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)
