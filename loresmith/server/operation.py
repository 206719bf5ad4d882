"""For whoever runs the server: is it alive, is it ready, what does it do, and its log as JSON lines.

Promises: /healthz says only that the process answers; /readyz says 503 until a question could be
answered, and while it is stopping; neither tells anything else to one without a key; log lines hold no
question, no answer, no word of a document.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from loresmith.errors import LoresmithError
from loresmith.server import meters
from loresmith.server.access import Caller, needs
from loresmith.server.engine import UNREADABLE, Engine
from loresmith.server.faults import documented
from loresmith.state import State

router = APIRouter(tags=["operation"])

Editor = Annotated[Caller, Depends(needs("editor"))]


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Whether a question can be answered",
    responses={503: {"description": "Not now."}},
)
async def readyz(request: Request) -> JSONResponse:
    engine: Engine = request.app.state.engine
    reason = await _hindrance(engine)
    return JSONResponse(
        {"status": "not ready" if reason else "ready", "reason": reason}, 503 if reason else 200
    )


@router.get(
    "/metrics",
    summary="Counts and times for Prometheus",
    response_class=Response,
    responses=documented(401, 403, 503),
)
async def metrics(request: Request, _: Editor) -> Response:
    engine: Engine = request.app.state.engine
    return Response(engine.meters.text(), media_type=meters.CONTENT_TYPE)


async def _hindrance(engine: Engine) -> str:
    """Why not, in words that tell nothing of the workspace; "" where nothing hinders."""
    if engine.stopping.is_set():
        return "stopping"
    if not engine.warm:
        return "loading"
    if engine.hindrance:
        return engine.hindrance
    try:
        return await engine.run(_index, engine)
    except LoresmithError:  # its words are for those with a key
        return UNREADABLE


def _index(engine: Engine) -> str:
    with State.open(engine.workspace.folder.state_path) as state:
        if not state.current():
            return "nothing is indexed"
    if engine.doubted:
        engine.expert.search("ready", 1)
        engine.doubted = False
    return ""


# --- the log ------------------------------------------------------------------------------------

# What a record of Python's logging holds by itself.
_USUAL = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line. A traceback is shown only where `traces` says so: its message may quote
    a document."""

    def __init__(self, *, traces: bool = False) -> None:
        super().__init__()
        self._traces = traces

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_said_beside(record))
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            if self._traces:
                line["trace"] = self.formatException(record.exc_info)
            else:
                line["message"] = line["message"].partition("\n")[0]
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        more = " ".join(f"{k}={v}" for k, v in _said_beside(record).items() if v is not None)
        when = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{when} {record.levelname.lower()} {record.getMessage()} {more}".rstrip()
        if record.exc_info and record.exc_info[0] is not None:
            line = f"{line.partition(chr(10))[0]} ({record.exc_info[0].__name__})"
        return line


def _said_beside(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in record.__dict__.items() if k not in _USUAL and k != "color_message"}


def log_config(*, as_json: bool, debug: bool) -> dict[str, Any]:
    """For `logging.config.dictConfig`: everything to standard error, in lines for programs or people."""
    plain = {"()": "loresmith.server.operation.PlainLines"}
    lines = {"()": "loresmith.server.operation.JsonLines", "traces": debug}
    level = "DEBUG" if debug else "INFO"
    names = {"uvicorn": "INFO", "loresmith": level, "uvicorn.access": "WARNING", "mcp": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"out": lines if as_json else plain},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "out"}},
        "root": {"handlers": ["out"], "level": "WARNING"},
        "loggers": {name: {"level": value} for name, value in names.items()},
    }
