"""What the tests of the server share: a small workspace, and clients as from this machine.

client = serve()                          no keys: everyone is the owner
client = serve(FakeModel("It is 25 Nm.")) a model that writes
serve.key("anna", "reader", ["staff"])    headers with a new key of that workspace
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from fastapi import FastAPI
from helpers import HashEmbedder
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.server import access, running
from loresmith.server.app import create_app
from loresmith.server.engine import Engine
from loresmith.server.models import Served
from loresmith.types import LanguageModel

MANUAL = """# P-200 service manual

## Torques

The torque for the M8 flange bolts of the P-200 is 25 Nm. The torque for the M10 foot bolts is 49 Nm.

## Oil

Change the oil of the P-200 every 4,000 operating hours. Use ISO VG 68.
"""
SECRET = "# Salaries\n\nThe salary of the plant manager Erna Frost is 90,000 euros a year.\n"
QUESTION = "Which torque for the M8 flange bolts of the P-200?"
SECRET_QUESTION = "What is the salary of the plant manager Erna Frost?"
LOCAL = "http://127.0.0.1:8321"


class Serve:
    """Makes applications over one workspace, and keys for it. `root` is the workspace's folder."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root = root
        self._stack = stack

    def __call__(
        self,
        model: LanguageModel | None = None,
        *,
        overrides: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> TestClient:
        app = create_app(self.root, overrides=overrides, models=Served(HashEmbedder(), model))
        return self._stack.enter_context(TestClient(app, base_url=LOCAL, headers=headers))

    def live(self, model: LanguageModel | None = None, *, overrides: dict[str, Any] | None = None) -> Live:
        app = create_app(self.root, overrides=overrides, models=Served(HashEmbedder(), model))
        return self._stack.enter_context(Live(app))

    def key(self, name: str, role: access.Role = "reader", labels: Sequence[str] = ()) -> dict[str, str]:
        _, secret = access.create(folders.open_dir(self.root), name, role, labels)
        return {"Authorization": f"Bearer {secret}"}

    def revoke(self, name: str) -> None:
        access.revoke(folders.open_dir(self.root), name)


def engine_of(client: TestClient) -> Engine:
    engine = client.app.state.engine  # type: ignore[attr-defined]
    assert isinstance(engine, Engine)
    return engine


class Live:
    """A server on a free port of this machine, in a thread; `url` is its address."""

    def __init__(self, app: FastAPI) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.engine: Engine = app.state.engine
        self._server = running.Server(app, self.engine.workspace.folder.config.server)
        self._thread = threading.Thread(target=self._server.run, args=([listener],))

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            self._thread.join(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def unread(self) -> int:
        """Bytes of answers that clients have not taken yet."""
        kept = list(self._server.server_state.connections)
        return sum(one.transport.get_write_buffer_size() for one in kept)  # type: ignore[union-attr]

    def stop(self) -> None:
        """As a signal does; `with` waits for the end."""
        self._server.should_exit = True
