"""Tickets: addresses that open one thing, once, within a minute, for whoever holds a key.

A browser's tab cannot send a key in a header, and a key in an address would stand in histories and
logs. So the page asks for a ticket (with its key) and the tab shows that. Promises: a ticket opens
only what it was made for, only once, and only as long as the key behind it does.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

from loresmith.server.faults import ApiError

SECONDS = 60.0
MOST = 1000
"""Unused ones that are kept; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class _Ticket:
    thing: str
    secret: str | None
    until: float


class Tickets:
    """Those that were made and not used yet; in memory alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, _Ticket] = {}

    def make(self, thing: str, secret: str | None) -> str:
        """A ticket for `thing`, in the name of the key `secret` (None where no key is needed)."""
        name = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._made = {n: t for n, t in self._made.items() if t.until > now}
            while len(self._made) >= MOST:
                del self._made[next(iter(self._made))]
            self._made[name] = _Ticket(thing, secret, now + SECONDS)
        return name

    def use(self, name: str, thing: str) -> str | None:
        """The key behind a ticket, which is gone from here on.

        Raises:
            ApiError: 410, there is no such ticket for this thing, or it was used, or a minute went by.
        """
        with self._lock:
            found = self._made.pop(name, None)
        if found is None or found.thing != thing or found.until <= time.monotonic():
            raise ApiError(410, "This address opens once. Open it again from the page.", "ticket")
        return found.secret
