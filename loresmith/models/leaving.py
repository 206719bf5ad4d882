"""Whether whoever asked is still there.

A closed iterator stops its engine, but only the thread that iterates can close it, and that one waits
for the engine. `left` is an event that any thread may set: an engine that can look at it while it
reads a prompt (llama.cpp) stops there, and the iterator ends.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar

left: ContextVar[threading.Event | None] = ContextVar("left", default=None)
"""Of the request that this thread computes for; None where nobody can leave."""
