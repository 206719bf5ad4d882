"""What the routes share: who asks and over which folder, texts that are texts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from loresmith import workspace as folders
from loresmith.dataset import store as datasets
from loresmith.evaluation.comparison import store as reports
from loresmith.server.access import Caller, caller, needs
from loresmith.server.engine import Engine
from loresmith.server.faults import ApiError, ErrorBody, documented
from loresmith.state import DocumentInfo, State
from loresmith.training import adapters
from loresmith.workspace import WorkspaceDir

MOST_STREAMS = 64
"""Streams of events about jobs that are open at the same time."""
QUIET_SECONDS = 15.0
"""After so long a sign of life goes out, so that nobody between closes the stream."""

editing = threading.Lock()
"""Held while loresmith.toml is read, changed and written."""


@dataclass(frozen=True, slots=True)
class Here:
    """One request: the engine, the folder with loresmith.toml as it stands now, and who asks."""

    engine: Engine
    folder: WorkspaceDir
    asker: Caller

    def infos(self) -> list[DocumentInfo]:
        """The documents that the caller may see."""
        with State.open(self.folder.state_path) as state:
            return [info for info in state.infos() if self.asker.holds(info.labels)]

    def info(self, document: str) -> DocumentInfo:
        """The document of this id.

        Raises:
            ApiError: 404, there is none that the caller may see.
        """
        with State.open(self.folder.state_path) as state:
            found = state.info(document)
        if found is None or not self.asker.holds(found.labels):
            raise missing("document", document)
        return found


def _here(request: Request, asker: Caller) -> Here:
    engine: Engine = request.app.state.engine
    return Here(engine, folders.open_dir(engine.root, engine.overrides), asker)


def reader(request: Request, asker: Annotated[Caller, Depends(caller)]) -> Here:
    return _here(request, asker)


def editor(request: Request, asker: Annotated[Caller, Depends(needs("editor"))]) -> Here:
    return _here(request, asker)


def whole(here: Annotated[Here, Depends(editor)]) -> Here:
    if here.asker.labels is not None and not here.asker.holds(every_label(here.folder)):
        raise ApiError(403, "This holds what is under labels that this key does not have.", "label")
    return here


def owner(request: Request, asker: Annotated[Caller, Depends(needs("owner"))]) -> Here:
    return _here(request, asker)


Reader = Annotated[Here, Depends(reader)]
Editor = Annotated[Here, Depends(editor)]
Whole = Annotated[Here, Depends(whole)]
"""An editor who holds every label there is."""
Owner = Annotated[Here, Depends(owner)]


def every_label(folder: WorkspaceDir) -> set[str]:
    """The labels of all that is here: sources, documents, failed files, datasets, adapters, reports."""
    found = {label for source in folder.config.sources for label in source.labels}
    with State.open(folder.state_path) as state:
        found.update(label for info in state.infos() for label in info.labels)
        found.update(label for item in state.items().values() for label in item.labels)
    found.update(label for made in datasets.listing(folder.datasets_dir) for label in made["labels"])
    found.update(label for made in adapters.listing(folder.adapters_dir) for label in made.labels)
    found.update(label for made in reports.listing(folder.reports_dir) for label in made.get("labels", ()))
    return found


def missing(what: str, name: str) -> ApiError:
    return ApiError(404, f"There is no {what} {name!r} here.", "not_found")


@contextmanager
def toml_edited(here: Here) -> Iterator[WorkspaceDir]:
    """Hold loresmith.toml while it is changed; gives the folder as it stands then."""
    with editing:
        yield folders.open_dir(here.folder.root, here.engine.overrides)


# --- texts ----------------------------------------------------------------------------------------


def _whole(text: str) -> str:
    """JSON can hold halves of characters, and nothing behind here can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not Unicode text (half a character)") from None
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("empty")
    return text


Text = Annotated[str, Field(max_length=20_000), AfterValidator(_whole)]
Question = Annotated[
    str, Field(min_length=1, max_length=4_000), AfterValidator(_whole), AfterValidator(_filled)
]
Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_whole)]
PathName = Annotated[str, Path(min_length=1, max_length=2_000)]


class Body(BaseModel):
    """What is sent as JSON; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


# --- streams --------------------------------------------------------------------------------------


async def slept(seconds: float, stopping: asyncio.Event) -> bool:
    """Wait so long; True where the server is stopping."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


Error = ErrorBody
ERRORS = documented()
"""Documented answers besides 200, for `responses=`."""
