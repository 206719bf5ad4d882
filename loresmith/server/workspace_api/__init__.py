"""The workspace's own routes under /api, one module a subject; docs/server.md and /openapi.json tell them.

Every route takes one of the dependencies of shared.py, which say who asks and what that key may do.
Promises: what carries a label that the caller does not hold is as if it were not there (404, never
403); what holds everything at once (jobs, datasets, adapters, reports, releases) is only for an editor
who holds every label there is; what names places of this machine is only for an owner.
"""

from __future__ import annotations

from fastapi import APIRouter

from loresmith.server.workspace_api.adapters import router as adapters_routes
from loresmith.server.workspace_api.asking import router as asking_routes
from loresmith.server.workspace_api.datasets import router as datasets_routes
from loresmith.server.workspace_api.documents import router as documents_routes
from loresmith.server.workspace_api.finding import router as finding_routes
from loresmith.server.workspace_api.reports import router as reports_routes
from loresmith.server.workspace_api.settings import router as settings_routes
from loresmith.server.workspace_api.status import router as status_routes
from loresmith.server.workspace_api.working import router as working_routes

router = APIRouter(prefix="/api")
for part in (
    status_routes,
    documents_routes,
    working_routes,
    finding_routes,
    asking_routes,
    datasets_routes,
    adapters_routes,
    reports_routes,
    settings_routes,
):
    router.include_router(part)
