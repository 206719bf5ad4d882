"""A served workspace for tests: some documents for all, some under labels, models that cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.models.fake import FakeModel
from loresmith.server import access
from loresmith.server.access import Role
from loresmith.server.app import create_app
from loresmith.server.models import Served
from loresmith.sync import sync
from loresmith.workspace import WorkspaceDir

MANUAL = """# P-200 service manual

## Torques

The torque for the M8 flange bolts of the P-200 is 25 Nm. The torque for the M10 foot bolts is 49 Nm.

## Oil

Change the oil of the P-200 every 4,000 operating hours. Use ISO VG 68.
"""
SALARIES = "# Salaries\n\nThe salary of the plant manager Erna Frost is 90,000 euros a year.\n"
QUESTION = "Which torque for the M8 flange bolts of the P-200?"


def make(root: Path, documents: dict[str, tuple[str, Sequence[str]]] | None = None) -> WorkspaceDir:
    """A synchronised workspace in `root`/plant.

    Args:
        documents: file name to (text, labels).
    """
    documents = documents or {"p-200.md": (MANUAL, ()), "salaries.md": (SALARIES, ("staff",))}
    folder = folders.create(
        root / "plant", {"model.name": "none", "parsing.workers": 1, "server.warm": False}
    )
    by_labels: dict[tuple[str, ...], list[str]] = {}
    for name, (text, labels) in documents.items():
        place = root / "-".join(("docs", *labels))
        place.mkdir(exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
        by_labels.setdefault(tuple(labels), []).append(str(place))
    for labels, places in by_labels.items():
        folder = folders.add_sources(folder, [places[0]], labels)
    sync(folder, HashEmbedder())
    return folder


@dataclass
class Plant:
    """A running application over a workspace; `as_` gives a client that shows a key."""

    folder: WorkspaceDir
    client: TestClient

    def key(self, role: Role = "reader", labels: Sequence[str] = (), name: str = "") -> str:
        return access.create(self.folder, name or f"{role}-{'-'.join(labels) or 'none'}", role, labels)[1]

    def sync(self) -> None:
        sync(folders.open_dir(self.folder.root), HashEmbedder())


def shown(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def serving(
    folder: WorkspaceDir, says: str | Callable[..., str] | None = None, **overrides: Any
) -> Iterator[Plant]:
    """The application in this process. `says`: what the language model says; None: quotes only."""
    models = Served(embedder=HashEmbedder(), model=FakeModel(says) if says is not None else None)
    app = create_app(
        folder.root,
        overrides={**({"model.name": "fake"} if says is not None else {}), **overrides},
        models=models,
    )
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield Plant(folder, client)
