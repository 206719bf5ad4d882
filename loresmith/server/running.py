"""From an application to a process that listens: the socket, the signals, the stop.

Promises: it refuses to listen beyond this machine without keys; SIGTERM and Ctrl-C let running answers
finish (`server.grace_seconds`), refuse what waits with 503 and end streams that would never end; a
second Ctrl-C stops at once; a client that does not finish its headers, or does not take its answer, is
hung up on.
"""

from __future__ import annotations

import asyncio
import errno
import logging.config
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from loresmith import workspace as folders
from loresmith.config import ServerSection
from loresmith.errors import LoresmithError, UsageError
from loresmith.server import access, faults
from loresmith.server.app import create_app
from loresmith.server.engine import Engine
from loresmith.server.faults import ApiError
from loresmith.server.guards import PACE
from loresmith.server.operation import log_config

# From the first byte of a request (or the connection) to the end of its headers.
HEADER_SECONDS = 20.0
# Whoever takes an answer more slowly than guards.PACE for so long is hung up on.
READ_SECONDS = 30.0


def run(
    root: Path,
    overrides: dict[str, Any],
    *,
    as_json: bool = False,
    debug: bool = False,
    ready: Callable[[str, bool], None] = lambda url, keyed: None,
) -> None:
    """Serve until a signal comes.

    Args:
        ready: called with the address, and whether requests need a key, once it listens.

    Raises:
        UsageError: it would listen beyond this machine without keys.  LoresmithError: the address is taken.
    """
    folder = folders.open_dir(root, overrides)
    settings = folder.config.server
    if not access.is_loopback(settings.host) and not access.listing(folder):
        raise UsageError(
            f"{settings.host} can be reached from other machines, and there are no keys.",
            "Make one first: loresmith keys create NAME --role owner",
        )
    _raise_limit_of_files()
    listener = _listen(settings)
    try:
        logging.config.dictConfig(log_config(as_json=as_json, debug=debug))
        app = create_app(root, overrides=overrides)
        server = Server(app, settings)
        ready(_url(listener, settings.host), app.state.keys.needed())
        server.run([listener])
    finally:
        listener.close()


class Server(uvicorn.Server):
    """Tells the engine before it waits for connections, and ends with the status of a success."""

    def __init__(self, app: FastAPI, settings: ServerSection) -> None:
        self._engine: Engine = app.state.engine
        config = uvicorn.Config(
            app,
            http=_Punctual,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who asks is told by the key, never by a header that anyone can send
            # Beyond what the guards refuse with a reason; here it is a bare 503.
            limit_concurrency=20 * settings.connections,
            timeout_graceful_shutdown=max(1, round(settings.grace_seconds)),
            lifespan="on",
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._engine.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not handed on to the default handler afterwards: being asked to stop is no failure.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


class _Punctual(H11Protocol):
    """Hangs up on who takes longer than `HEADER_SECONDS` for the head of a request, and on who leaves an
    answer lying."""

    _clock: asyncio.TimerHandle | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wind()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwind()
        elif self._clock is None:
            self._wind()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused in the shape of every other refusal, where nothing was answered yet."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            told = faults.response(ApiError(400, msg, "invalid_http", headers={"Connection": "close"}))
            for event in (
                h11.Response(status_code=400, headers=told.raw_headers),
                h11.Data(data=bytes(told.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwind()
        self._read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        self._read()
        super().resume_writing()

    def _wait_for_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._patience = self.loop.call_later(READ_SECONDS, self._unread, left)

    def _read(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _unread(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < PACE * READ_SECONDS:
            self.transport.abort()  # to close it would wait for the reader
        else:
            self._wait_for_reader()

    def _wind(self) -> None:
        self._clock = self.loop.call_later(HEADER_SECONDS, self._late)

    def _unwind(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _late(self) -> None:
        self._clock = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def _raise_limit_of_files() -> None:
    """As many as the system lets this process have: the usual 1024 end before `server.connections` does,
    and then files of the workspace cannot be opened either."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS says "no limit" and means another number
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(settings: ServerSection) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise LoresmithError(
                f"{where} is in use by another program.", "Choose another --port."
            ) from error
        raise LoresmithError(
            f"{where}: {error.strerror or error}.", "Choose another --host or --port."
        ) from error
    return listener


def _url(listener: socket.socket, host: str) -> str:
    shown = f"[{host.strip('[]')}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
