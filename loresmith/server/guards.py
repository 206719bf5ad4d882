"""What every request passes before a route sees it, as plain ASGI so that streams stay streams.

Promises: a body is never larger than allowed, nor sent more slowly than allowed; without keys, no web
page of elsewhere reaches a server on this machine (the Host and Origin of each request are checked,
which also ends DNS rebinding); every response carries the headers that keep a browser strict; each
request is one log line and one count, without its query, its body or any word of a document.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loresmith.server.access import Keys, is_loopback
from loresmith.server.faults import ApiError, response
from loresmith.server.meters import Meters

log = logging.getLogger("loresmith.requests")

STRICT = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; frame-src 'self' blob:; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Headers of every response that does not set them itself."""

# What answers with data is never kept by a browser or a proxy; the page's files are.
_PRIVATE = ("/api", "/v1", "/mcp", "/metrics")


class Refusals:
    """How many at once, Host and Origin, the size of the body, and its pace.

    Args:
        sizes: bytes of a body, by the beginning of the path; the first that fits counts.
        seconds: longest silence of a client that is still sending.
        most: requests under way at the same time, streams counted in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        hosts: Iterable[str],
        sizes: dict[str, int],
        seconds: float,
        most: int,
    ) -> None:
        self._app = app
        self._keys = keys
        self._hosts = {host.casefold() for host in hosts}
        self._sizes = sizes
        self._seconds = seconds
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none here
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if self._under_way >= self._most and scope["path"] != "/healthz":
                raise ApiError(
                    503, f"{self._most} requests are under way.", "busy", headers={"Retry-After": "5"}
                )
            self._check_origin(headers)
            limit = self._limit(scope["path"])
            _check_length(headers, limit)
        except ApiError as error:
            await response(error)(scope, receive, send)
            return
        body = _Body(receive, limit, self._seconds)
        self._under_way += 1
        try:
            await self._app(scope, body.receive, body.watch(send))
        except ApiError as error:
            if body.answered:
                raise
            await response(error)(scope, receive, send)
        finally:
            self._under_way -= 1

    def _check_origin(self, headers: Headers) -> None:
        host = _name(headers.get("host", ""))
        origin = headers.get("origin")
        if origin is not None and _name(urlsplit(origin).netloc) not in ({host} | self._hosts):
            raise ApiError(403, "A page of another address may not call this server.", "origin")
        if self._keys.needed():
            return
        if not (is_loopback(host) or host in self._hosts):
            raise ApiError(
                421, f"This server is not {host!r}. Name it in server.hosts, or make keys.", "host"
            )

    def _limit(self, path: str) -> int:
        return next((size for prefix, size in self._sizes.items() if path.startswith(prefix)), 0)


class _Body:
    """The body as it comes, counted and timed until it is whole."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._size = 0
        self._whole = False
        self.answered = False

    async def receive(self) -> Message:
        if self._whole:  # what follows is the news that the client has gone
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._seconds)
        except TimeoutError:
            late = f"Nothing came for {self._seconds:g} s, and the body is not whole."
            raise ApiError(408, late, "body_too_slow", headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._size > self._limit:
                raise _too_large(self._limit)
        else:
            self._whole = True
        return message

    def watch(self, send: Send) -> Send:
        async def watched(message: Message) -> None:
            self.answered = True
            await send(message)

        return watched


class Records:
    """Strict headers on, one log line and one count for each request."""

    def __init__(self, app: ASGIApp, *, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        made = uuid.uuid4().hex[:16]

        async def recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in STRICT.items():
                    headers.setdefault(name, value)
                headers.setdefault("X-Request-Id", made)
                if scope["path"].startswith(_PRIVATE):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, recorded)
        finally:
            seconds = time.perf_counter() - began
            route = _route(scope)
            self._meters.request(route, status, seconds)
            caller = scope.get("state", {}).get("caller")
            log.info(
                "request",
                extra={
                    "id": made,
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "ms": round(1000 * seconds, 1),
                    "caller": caller.name if caller else None,
                },
            )


def _route(scope: Scope) -> str:
    """The route's pattern: a path may hold the name of a document."""
    route = scope.get("route")
    return str(getattr(route, "path", "") or "other")


def _check_length(headers: Headers, limit: int) -> None:
    told = headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413, f"The body is larger than {limit / 1e6:g} MB.", "too_large", headers={"Connection": "close"}
    )


def _name(netloc: str) -> str:
    """The host without its port."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").casefold()
    except ValueError:
        return ""
