"""The workspace's own routes under /api."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from loresmith import __version__
from loresmith.server.access import Caller, Keys, caller
from loresmith.server.engine import Engine

router = APIRouter(prefix="/api", tags=["workspace"])


@router.get("/status", summary="What is served, and who asks")
async def status(request: Request, asker: Annotated[Caller, Depends(caller)]) -> dict[str, Any]:
    engine: Engine = request.app.state.engine
    keys: Keys = request.app.state.keys
    config = engine.workspace.folder.config
    infos = [info for info in await engine.run(engine.workspace.documents) if asker.holds(info.labels)]
    return {
        "workspace": config.name,
        "documents": len(infos),
        "model": config.model.name,
        "caller": {"name": asker.name, "role": asker.role, "labels": asker.labels},
        "version": __version__,
        "needs_key": keys.needed(),
    }
