"""Comparisons and releases: what was found, and which expert answers by default."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from loresmith import releases as book
from loresmith.errors import UsageError
from loresmith.evaluation import succession
from loresmith.evaluation.comparison import report as computed
from loresmith.evaluation.comparison import store
from loresmith.server import access
from loresmith.server.faults import ApiError
from loresmith.server.tickets import SECONDS, Tickets
from loresmith.server.workspace_api.shared import (
    ERRORS,
    Body,
    Error,
    Here,
    Name,
    PathName,
    Text,
    Whole,
    editor,
    missing,
    whole,
)
from loresmith.types import Arm
from loresmith.workspace import WorkspaceDir

router = APIRouter(responses=ERRORS)

# The page's own policy, in its head, allows its one script by its hash and nothing else; in a sandbox
# that script has no origin, so it reaches neither this API nor what a browser keeps for it.
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

_tickets = Tickets()


@router.get("/reports", summary="Every comparison, the newest first", tags=["comparisons"])
def reports(here: Whole) -> dict[str, Any]:
    return {"reports": [_told(made) for made in store.listing(here.folder.reports_dir)]}


def _told(made: dict[str, Any]) -> dict[str, Any]:
    folder: Path = made["folder"]
    finished = store.finished(folder)
    verdict = None
    if finished and (folder / computed.JSON).is_file():
        verdict = _json(folder / computed.JSON).get("verdict")
    return {
        "id": made["id"],
        "created": made.get("created"),
        "model": (made.get("model") or {}).get("name"),
        "adapter": (made.get("adapter") or {}).get("id"),
        "arms": made["arms"],
        "questions": len(store.questions(folder)),
        "answers": len(store.records(folder)),
        "wanted": made.get("asked"),
        "finished": finished,
        "verdict": verdict,
    }


@router.get("/reports/{report}", summary="One comparison: the object of report.json", tags=["comparisons"])
def report(report: PathName, here: Whole) -> dict[str, Any]:
    """`arms` and `strata`: shares as {value, low, high, n}, latencies, citations, costs; `pairs`: the
    differences; `questions`: how many, what was removed and why; `verdict`: kind, winner, recommended,
    headline, reasons. 404 for one that is no comparison; of an unfinished one what there is so far."""
    return _report(_find(here.folder, report), computed.JSON)


@router.post(
    "/reports/{report}/ticket",
    status_code=201,
    summary="An address that opens the comparison's page once, in a tab that has no key",
    tags=["comparisons"],
)
def ticket(report: PathName, request: Request, here: Whole) -> dict[str, Any]:
    """`address` holds no key, and is good for `seconds`, as long as the key of this request is."""
    place = _find(here.folder, report)
    made = _tickets.make(str(place), access.shown(request))
    return {"address": f"/api/reports/{place.name}/report.html?ticket={made}", "seconds": SECONDS}


def _with_ticket(
    report: PathName,
    request: Request,
    ticket: Annotated[str | None, Query(max_length=100, description="instead of a key, once")] = None,
) -> Here:
    if ticket is not None:
        # The key may have been revoked since, or have lost a label: asked now as for any request.
        place = str(request.app.state.engine.workspace.folder.reports_dir / report)
        request.state.caller = request.app.state.keys.caller(_tickets.use(ticket, place))
    return whole(editor(request, access.needs("editor")(request)))


@router.get(
    "/reports/{report}/report.html",
    summary="One comparison as a page of its own, with every answer",
    response_class=Response,  # else the errors too would be said to be HTML
    responses={
        200: {"content": {"text/html": {}}},
        410: {"description": "The ticket was used, or its minute is over", "model": Error},
    },
    tags=["comparisons"],
)
def page(report: PathName, here: Annotated[Here, Depends(_with_ticket)]) -> HTMLResponse:
    place = _find(here.folder, report)
    _report(place, computed.HTML)
    return HTMLResponse(
        (place / computed.HTML).read_text(encoding="utf-8"),
        headers={"Content-Security-Policy": _REPORT_POLICY},
    )


def _find(folder: WorkspaceDir, name: str) -> Path:
    if name not in {made["id"] for made in store.listing(folder.reports_dir)}:
        raise missing("report", name)
    return store.find(folder.reports_dir, name)


def _report(place: Path, wanted: str) -> dict[str, Any]:
    """report.json, computed anew where answers came after it."""
    made, answers = place / computed.JSON, place / store.ANSWERS
    fresh = (
        made.is_file()
        and (place / wanted).is_file()
        and (not answers.is_file() or made.stat().st_mtime_ns >= answers.stat().st_mtime_ns)
    )
    return _json(made) if fresh else computed.write(place)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


# --- releases ---------------------------------------------------------------------------------------


@router.get("/releases", summary="Every promotion and every way back, oldest first", tags=["releases"])
def releases(here: Whole) -> dict[str, Any]:
    now = book.current(here.folder)
    return {
        "current": now.id if now else None,
        "releases": [asdict(entry) for entry in book.listing(here.folder)],
    }


class Promotion(Body):
    """`arm`: else what the report recommends; `report`: else the newest; `reason`: opens a closed gate,
    and is kept."""

    arm: Arm | None = None
    report: Name | None = None
    reason: Text = ""


@router.post("/releases", status_code=201, summary="Let an arm answer from now on", tags=["releases"])
def promote(body: Promotion, here: Whole) -> dict[str, Any]:
    """409 `gate_closed`: it is significantly worse than the present one, or nobody measured it."""
    folder = here.folder
    if body.report is not None:
        _find(folder, body.report)
    found = succession.report(folder, body.report)
    across = succession.across(folder, found, body.arm, book.current(folder)) if found else None
    remarks = succession.stale(folder, found) if found else []
    made = book.promote(folder, body.arm, report=found, across=across, remarks=remarks, reason=body.reason)
    return {"release": asdict(made), "current": made.id}


class Rollback(Body):
    """`to`: a release, or "start"; else the one before the present one."""

    to: Name | None = None
    reason: Text = ""


@router.post("/releases/rollback", status_code=201, summary="Answer again as before", tags=["releases"])
def rollback(here: Whole, body: Rollback | None = None) -> dict[str, Any]:
    body = body or Rollback()
    try:
        made = book.rollback(here.folder, body.to, reason=body.reason)
    except UsageError as error:
        raise ApiError(409, str(error), "nothing_to_go_back_to") from error
    return {
        "release": asdict(made),
        "current": None if made.returns_to == book.START else made.id,
    }
