"""GET /api/status: what is served, and who asks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from loresmith import __version__, releases
from loresmith.errors import LoresmithError
from loresmith.server.access import Keys
from loresmith.server.models import NotLoaded
from loresmith.server.workspace_api.shared import ERRORS, Here, Reader
from loresmith.state import State
from loresmith.training import access, adapters
from loresmith.training.adapters import Adapter
from loresmith.types import Arm

router = APIRouter(tags=["workspace"], responses=ERRORS)


@router.get("/status", summary="What is served, and who asks")
def status(request: Request, here: Reader) -> dict[str, Any]:
    keys: Keys = request.app.state.keys
    config = here.folder.config
    infos = here.infos()
    with State.open(here.folder.state_path) as state:
        generation = state.current()
        indexed = state.indexed(generation.id) if generation else {}
    adapter = own_adapter(here)
    release = releases.current(here.folder)
    arms: list[Arm] = ["rag"]
    if config.model.name != "none":
        arms = ["base", "rag", *(("tuned", "both") if adapter and config.model.endpoint is None else ())]
    shown = None
    if release is not None and release.arm in arms and (not release.adapter or _may(here, release.adapter)):
        shown = {"id": release.id, "arm": release.arm, "adapter": release.adapter, "created": release.created}
    return {
        "workspace": config.name,
        "documents": len(infos),
        "passages": sum(indexed.get(info.id, ("", 0))[1] for info in infos),
        "model": _model(here),
        "embedder": generation.embedder if generation else config.embedder.name,
        "adapter": adapter.id if adapter else None,
        "release": shown,
        "arms": arms,
        "caller": {
            "name": here.asker.name,
            "role": here.asker.role,
            "labels": None if here.asker.labels is None else list(here.asker.labels),
        },
        "version": __version__,
        "needs_key": keys.needed(),
        "warm": here.engine.warm,
        "trouble": here.engine.trouble if here.asker.role == "owner" else "",
    }


def _model(here: Here) -> str:
    try:
        loaded = here.engine.workspace.model()
    except NotLoaded:
        return here.folder.config.model.name
    return loaded.name if loaded is not None else "none"


def own_adapter(here: Here) -> Adapter | None:
    """The adapter in use, where there is one and the caller may be answered with it."""
    try:
        found = adapters.current(here.folder.adapters_dir)
    except LoresmithError:
        return None
    return found if found is not None and _may(here, found.id) else None


def _may(here: Here, adapter: str) -> bool:
    """Whether the caller may be answered with this adapter, which is not always the one in use."""
    try:
        found = adapters.find(here.folder.adapters_dir, adapter)
        with State.open(here.folder.state_path) as state:
            access.check(found, state.infos(), here.asker.labels)
    except LoresmithError:
        return False
    return True
