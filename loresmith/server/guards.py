"""What every request passes before a route sees it, as plain ASGI so that streams stay streams.

Promises: where a key is needed, nothing of a body is read for one without; a key that is revoked, or
given other labels, while it is being answered gets no more of the answer; a body is never larger than
allowed, nor sent more slowly than allowed; without keys, no web page of elsewhere reaches a server on
this machine (the Host and Origin of each request are checked, which also ends DNS rebinding); every
response carries the headers that keep a browser strict; each request is one log line and one count,
without its query, its body or any word of a document.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loresmith.server.access import Caller, Keys, is_loopback, shown
from loresmith.server.faults import ApiError, body, response
from loresmith.server.meters import Meters
from loresmith.server.streams import event

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

# What answers with data: never without a key where there are keys, and never kept by a browser or a
# proxy; the page's files are.
_PRIVATE = ("/api", "/v1", "/mcp", "/metrics")
_ALIVE = "/healthz"
_TICKETED = re.compile(r"/api/reports/[^/]+/report\.html")
PACE = 10_000
"""Bytes a second that a body must come with, on the whole."""


class Refusals:
    """Host and Origin, the key, how many at once, the size of the body, and its pace.

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
        headers, limit = Headers(scope=scope), self._limit(scope["path"])
        standing = None
        try:
            _check_length(headers, limit)
            if scope["path"] != _ALIVE:
                self._check_origin(headers, scope["path"])
            if scope["path"].startswith(_PRIVATE) and not _by_ticket(scope, headers):
                standing = _Standing(self._keys, scope)
                scope.setdefault("state", {})["caller"] = standing.caller
            if self._under_way >= self._most and scope["path"] != _ALIVE:
                raise ApiError(
                    503, f"{self._most} requests are under way.", "busy", headers={"Retry-After": "5"}
                )
        except ApiError as error:
            await response(error)(scope, receive, send)
            return
        exchange = _Exchange(receive, send, limit, self._seconds, standing)
        self._under_way += 1
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ApiError as error:
            if exchange.answered:
                raise
            await response(error)(scope, receive, send)
        finally:
            self._under_way -= 1

    def _check_origin(self, headers: Headers, path: str) -> None:
        told = headers.get("host", "")
        host, needed = _name(told), self._keys.needed()
        origin = headers.get("origin")
        if origin is not None:
            place = origin.partition("://")[2]
            # Without keys the port counts too: what listens on another one of this machine is another's.
            same = _name(place) == host if needed else place.casefold() == told.casefold()
            if not ((same and host) or _name(place) in self._hosts):
                raise _elsewhere()
        if needed:
            return
        # What a page loads without asking (pictures, scripts) has no Origin, and this instead.
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and path.startswith(_PRIVATE):
            raise _elsewhere()
        if not (is_loopback(host) or host in self._hosts):
            raise ApiError(
                421, f"This server is not {host!r}. Name it in server.hosts, or make keys.", "host"
            )

    def _limit(self, path: str) -> int:
        return next((size for prefix, size in self._sizes.items() if path.startswith(prefix)), 0)


class _Standing:
    """Whether the key that a request came with is still what it was.

    Raises:
        ApiError: 401, there is no such key; 503, the keys cannot be read.
    """

    def __init__(self, keys: Keys, scope: Scope) -> None:
        self._keys = keys
        self._secret = shown(HTTPConnection(scope))
        self.caller: Caller = keys.caller(self._secret)

    def lost(self) -> ApiError | None:
        try:
            if self._keys.caller(self._secret) == self.caller:
                return None
        except ApiError as error:
            return error
        return ApiError(401, "What this key may do has changed. Ask again.", "invalid_api_key")


class _Exchange:
    """The body as it comes, counted and timed until it is whole; the answer as it goes, as long as the
    key stands."""

    def __init__(
        self, receive: Receive, send: Send, limit: int, seconds: float, standing: _Standing | None
    ) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._seconds = seconds
        self._standing = standing
        self._size = 0
        self._waited = 0.0
        self._whole = False
        self._in_pieces = self._events = False
        self._cut = asyncio.Event()
        self.answered = False

    async def receive(self) -> Message:
        if self._whole:  # what follows is the news that the client has gone
            return await self._leaving()
        began = time.monotonic()
        patience = min(self._seconds, self._seconds + self._size / PACE - self._waited)
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0.001))
        except TimeoutError:
            late = f"It came too slowly: {self._size:,} bytes, and the body is not whole."
            raise ApiError(408, late, "body_too_slow", headers={"Connection": "close"}) from None
        self._waited += time.monotonic() - began
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._size > self._limit:
                raise _too_large(self._limit)
        else:
            self._whole = True
        return message

    async def _leaving(self) -> Message:
        """The client has gone, or is to be told nothing more."""
        waits = [asyncio.ensure_future(one) for one in (self._receive(), self._cut.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            first = waits[0]
            return first.result() if first.done() else {"type": "http.disconnect"}  # type: ignore[return-value]
        finally:
            for one in waits:
                one.cancel()

    async def send(self, message: Message) -> None:
        if self._cut.is_set():
            return
        begins = message["type"] == "http.response.start"
        if begins:
            headers = Headers(raw=message.get("headers", []))
            self._in_pieces = "content-length" not in headers
            self._events = headers.get("content-type", "").startswith("text/event-stream")
        if self._standing and (begins or self._in_pieces) and (lost := self._standing.lost()):
            await self._end(lost)
            return
        self.answered = True
        await self._send(message)

    async def _end(self, lost: ApiError) -> None:
        self._cut.set()
        if not self.answered:
            self.answered = True
            told = response(lost)
            await self._send(
                {"type": "http.response.start", "status": lost.status, "headers": told.raw_headers}
            )
            await self._send({"type": "http.response.body", "body": told.body})
            return
        rest = event(body(lost), "error").encode() if self._events else b""
        await self._send({"type": "http.response.body", "body": rest, "more_body": False})


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
    route = str(getattr(scope.get("route"), "path", "") or "other")
    # A router within a router names its routes without what stands before them.
    within = scope["path"].startswith("/api/") and route.startswith("/") and not route.startswith("/api/")
    return f"/api{route}" if within else route


def _check_length(headers: Headers, limit: int) -> None:
    told = headers.get("content-length", "")
    if told and "transfer-encoding" in headers:
        # A proxy that believes the other of the two would let a second request pass as part of this one.
        raise ApiError(
            400, "The length of the body is told twice.", "two_lengths", headers={"Connection": "close"}
        )
    if told.isdigit() and int(told) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413, f"The body is larger than {limit / 1e6:g} MB.", "too_large", headers={"Connection": "close"}
    )


def _by_ticket(scope: Scope, headers: Headers) -> bool:
    """Whether a tab of a browser asks, which has no key but a ticket (tickets.py); its route looks at it."""
    ticket = b"ticket=" in scope["query_string"] and "authorization" not in headers
    return ticket and _TICKETED.fullmatch(scope["path"]) is not None


def _elsewhere() -> ApiError:
    return ApiError(403, "A page of another address may not call this server.", "origin")


def _name(netloc: str) -> str:
    """The host without its port."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").casefold()
    except ValueError:
        return ""
