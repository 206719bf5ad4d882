"""state.db: what the workspace has acknowledged. The truth that the index is checked against.

SQLite in WAL mode with full synchronisation. It holds the items of the sources (with the reason
where one could not be read), the documents with text and blocks, the passage ledger of each
generation (digest of every row and vector the index must have), the index's files, conversation
memory, the journal, and what training learns from: examples and feedback (learning.py).

The journal makes two databases agree. Before the index commits a batch, everything that will be
true afterwards stands in the staged tables beside the index's version; then the index commits;
then one transaction moves the staged rows in. Whoever opens for writing after a kill calls
`recover`: if the index has moved past the noted version the staged rows are moved in, else they
are dropped. So an acknowledged batch is in both, an unacknowledged one in neither.

Readers may open it beside the writer at any time. One `State` may be shared by threads.
"""

from __future__ import annotations

from loresmith.state.database import State
from loresmith.state.values import (
    Batch,
    DocumentInfo,
    FeedbackRow,
    FileRow,
    Generation,
    ItemRow,
    LedgerRow,
    MemoryRow,
)

__all__ = [
    "Batch",
    "DocumentInfo",
    "FeedbackRow",
    "FileRow",
    "Generation",
    "ItemRow",
    "LedgerRow",
    "MemoryRow",
    "State",
]
