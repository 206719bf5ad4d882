"""Who may compute when: turns that go round among callers, and a gate for what must be alone.

Promises: no more than `limit` turns are out; when the queue is full, whoever waits most often gives
way to a caller who waits less, and is refused with 429; a waiting caller that goes away leaves no trace.
All of it lives in one event loop, so nothing is locked.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loresmith.server.faults import ApiError


class Turns:
    """At most `limit` at a time, `queue` waiting."""

    def __init__(self, limit: int, queue: int) -> None:
        self.limit = limit
        self.queue = queue
        self.running = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it.

        Raises:
            ApiError: 429, the queue is full; 503, the server is stopping.
        """
        await self._take(who)
        try:
            yield
        finally:
            self._give()

    def close(self) -> None:
        """Refuse who waits and who comes; who has a turn keeps it."""
        self._closed = True
        for line in self._waiting.values():
            for place in line:
                _refuse(place, _stopping())
        self._waiting.clear()

    async def idle(self) -> None:
        """Wait until no turn is out."""
        await self._idle.wait()

    async def _take(self, who: str) -> None:
        if self._closed:
            raise _stopping()
        if self.running < self.limit and not self._waiting:
            self.running += 1
            self._idle.clear()
            return
        if self.waiting >= self.queue:
            self._make_room(who)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._give()  # the turn came in the moment of leaving
            else:
                self._leave(who, place)
            raise

    def _give(self) -> None:
        while self._waiting:
            who, line = self._waiting.popitem(last=False)
            place = line.popleft()
            if line:
                self._waiting[who] = line  # at the end: the others come first
            if not place.done():
                place.set_result(None)
                return
        self.running -= 1
        if not self.running:
            self._idle.set()

    def _leave(self, who: str, place: asyncio.Future[None]) -> None:
        line = self._waiting.get(who)
        if line is not None and place in line:
            line.remove(place)
            if not line:
                del self._waiting[who]

    def _make_room(self, who: str) -> None:
        """Refuse the newest place of whoever waits most often, which may be the one who comes."""
        greediest = max(self._waiting, key=lambda name: len(self._waiting[name]), default=who)
        if greediest == who or len(self._waiting[greediest]) <= len(self._waiting.get(who, ())) + 1:
            raise _full(self.queue)
        line = self._waiting[greediest]
        _refuse(line.pop(), _full(self.queue))


class Gate:
    """Many at once, or one alone; whoever wants to be alone is let in before newcomers."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._wanted = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone and not self._wanted)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            await _tell(self._changed)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._changed:
            self._wanted += 1
            try:
                await self._changed.wait_for(lambda: not self._alone and not self._inside)
                self._alone = True
            finally:
                self._wanted -= 1
        try:
            yield
        finally:
            self._alone = False
            await _tell(self._changed)


async def _tell(changed: asyncio.Condition) -> None:
    async def tell() -> None:
        async with changed:
            changed.notify_all()

    # Also where this task is cancelled, the others must hear of it.
    await asyncio.shield(asyncio.ensure_future(tell()))


def _refuse(place: asyncio.Future[None], error: ApiError) -> None:
    if not place.done():
        place.set_exception(error)


def _full(queue: int) -> ApiError:
    message = f"{queue} questions are waiting already. Try again in a moment."
    return ApiError(429, message, "queue_full", headers={"Retry-After": "5"})


def _stopping() -> ApiError:
    return ApiError(503, "The server is stopping.", "stopping", headers={"Retry-After": "10"})
