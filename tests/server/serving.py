"""What the tests of the server share: a small workspace, and clients as from this machine.

client = serve()                          no keys: everyone is the owner
client = serve(FakeModel("It is 25 Nm.")) a model that writes
serve.key("anna", "reader", ["staff"])    headers with a new key of that workspace
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from helpers import HashEmbedder
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.server import access
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

    def key(self, name: str, role: access.Role = "reader", labels: Sequence[str] = ()) -> dict[str, str]:
        _, secret = access.create(folders.open_dir(self.root), name, role, labels)
        return {"Authorization": f"Bearer {secret}"}

    def revoke(self, name: str) -> None:
        access.revoke(folders.open_dir(self.root), name)


def engine_of(client: TestClient) -> Engine:
    engine = client.app.state.engine  # type: ignore[attr-defined]
    assert isinstance(engine, Engine)
    return engine
