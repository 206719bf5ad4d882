"""What an engine may know of the one it computes for, beyond what `generate` is told.

A closed iterator stops its engine, but only the thread that iterates can close it, and that one waits
for the engine. `left` is an event that any thread may set: an engine that can look at it while it
reads a prompt (llama.cpp) stops there, and the iterator ends.

Log probabilities of what is written cost a sort of the vocabulary a token, 2.5 % of the time with the
smallest model: who does not look at them says so with `probabilities`.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar

left: ContextVar[threading.Event | None] = ContextVar("left", default=None)
"""Of the request that this thread computes for; None where nobody can leave."""

probabilities: ContextVar[bool] = ContextVar("probabilities", default=True)
"""Whether `Generated.logprob` is wanted; without it the last piece may bring tokens without text."""
