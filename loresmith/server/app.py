"""The application: routes, guards, life. `loresmith serve` runs it; tests call `create_app`.

    /v1      openai_api      OpenAI's way of asking        /mcp      mcp     for agents
    /api     workspace_api   the workspace's own routes    /         page    for people
    /healthz /readyz /metrics   operation

Each request: guards.Records (headers, log, count) > guards.Refusals (host, origin, size, pace) > the
route, which takes `Depends(access.caller)` or `Depends(access.needs(role))`. A route finds the
engine as `request.app.state.engine` and the keys as `request.app.state.keys`; long streams watch
`engine.stopping`. Further long-lived parts are entered in `_life`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from loresmith import __version__
from loresmith.errors import LoresmithError
from loresmith.server import faults, jobs, openai_api, operation, page, responses_api, workspace_api
from loresmith.server.access import Keys, is_loopback
from loresmith.server.engine import Engine
from loresmith.server.guards import Records, Refusals
from loresmith.server.mcp import Agents
from loresmith.server.models import Served

log = logging.getLogger("loresmith.server")


def create_app(
    workspace_path: Path, *, overrides: dict[str, Any] | None = None, models: Served | None = None
) -> FastAPI:
    """The application over one workspace.

    Args:
        overrides: dotted keys of loresmith.toml; `server.host` decides whether keys are needed.
        models: loaded ones, instead of those that the configuration names.

    Raises:
        WorkspaceNotFound, ConfigError: as opening the workspace.
    """
    engine = Engine(workspace_path, overrides=overrides, models=models)
    settings = engine.workspace.folder.config.server
    app = FastAPI(
        title="Loresmith",
        version=__version__,
        description="Answers from your documents, each sentence tied to the page it stands on.",
        lifespan=_life,
        docs_url=None,  # those pages are loaded from elsewhere; docs/server.md and /openapi.json are here
        redoc_url=None,
    )
    app.state.engine = engine
    app.state.keys = keys = Keys(engine.workspace.folder, local=is_loopback(settings.host))
    faults.install(app)
    app.include_router(operation.router)
    app.include_router(openai_api.router)
    app.include_router(responses_api.router)
    app.include_router(workspace_api.router)
    app.state.agents = agents = Agents(engine, keys)
    app.router.routes.append(Route("/mcp", agents, include_in_schema=False))
    page.mount(app)
    upload, other = settings.upload_mb * 1_000_000, settings.request_mb * 1_000_000
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(
        Refusals,
        keys=keys,
        hosts=settings.hosts,
        sizes={"/api/documents": upload, "": other},
        seconds=settings.body_seconds,
        most=settings.connections,
    )
    app.add_middleware(Records, meters=engine.meters)
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    engine: Engine = app.state.engine
    async with AsyncExitStack() as parts:
        parts.push_async_callback(engine.close)
        try:
            if again := await asyncio.to_thread(jobs.take_up, engine.workspace.folder):
                log.info("a sync that was cut off is started again: %s", again.id)
        except LoresmithError as error:
            log.warning("a sync that was cut off is not started again: %s", error)
        warming = asyncio.create_task(engine.start())
        parts.callback(warming.cancel)
        await parts.enter_async_context(app.state.agents.life())
        yield
