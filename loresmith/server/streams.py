"""Answers that come in pieces: server-sent events, and what happens when the client goes away.

Promises: the status of a response is told only once it is known that there is something to send, so
that a refusal is a status and not an event; a client that leaves stops what was computed for it, in
streams and in plain requests alike.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse

from loresmith.server.faults import ApiError

T = TypeVar("T")

_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


def event(data: Mapping[str, Any] | str, name: str | None = None) -> str:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n"


async def while_here(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes away. Call it once the body is read.

    Raises:
        ApiError: 499, nobody is there to read the answer.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ApiError(499, "The client has gone.", "client_gone")
    finally:
        # More than once: a wait_for on the way (Python 3.11) loses a cancellation that comes as it ends.
        while rest := [one for one in (task, leaving) if not one.done()]:
            for one in rest:
                one.cancel()
            await asyncio.wait(rest, timeout=0.05)


async def stream(request: Request, parts: AsyncGenerator[str, None]) -> StreamingResponse:
    """A response of server-sent events, begun once the first of them is there."""
    try:
        first = await while_here(request, anext(parts))
    except BaseException:
        await parts.aclose()
        raise

    async def all_parts() -> AsyncGenerator[str, None]:
        try:
            yield first
            async for part in parts:
                yield part
        finally:
            await parts.aclose()

    return StreamingResponse(all_parts(), media_type="text/event-stream", headers=_HEADERS)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
