"""What goes wrong in a request, in the one shape that every route answers with.

    {"error": {"message": …, "type": …, "code": …, "param": …}}        OpenAI's shape, also under /api

Promises: every error of errors.py has a status; a message never holds a traceback, nor a word of a
document, nor, but for an owner, where on this machine a file lies.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from loresmith import errors
from loresmith.errors import LoresmithError

log = logging.getLogger("loresmith.server")

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    421: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


class Said(BaseModel):
    message: str
    type: str
    code: str | None = None
    param: str | None = None


class ErrorBody(BaseModel):
    """The shape of every refusal."""

    error: Said


_MEANINGS = {
    400: "Something of the request cannot be done.",
    401: "A key is needed, or this one is unknown or revoked.",
    403: "The key's role or labels do not suffice.",
    404: "There is no such thing, or not for this key.",
    408: "The body came too slowly.",
    409: "Something else is under way, or stands against it.",
    413: "The body is too large.",
    415: "This kind of content is not read, or there is none of it to show.",
    421: "This server is not reached by that name.",
    422: "The request has another form than described.",
    429: "Too many questions are waiting.",
    501: "A package that this needs is not installed.",
    502: "A model at another address failed.",
    503: "It cannot be answered now.",
    504: "It took too long.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the `responses` of a router: what else it may answer; without statuses, all of them."""
    return {
        status: {"model": ErrorBody, "description": _MEANINGS[status]} for status in statuses or _MEANINGS
    }


# The first class that an error is of counts.
_STATUS: tuple[tuple[type[LoresmithError], int], ...] = (
    (errors.WorkspaceNotFound, 503),
    (errors.ConfigError, 503),
    (errors.UsageError, 400),
    (errors.WorkspaceLocked, 409),
    (errors.GateClosed, 409),
    (errors.StorageError, 503),
    (errors.SourceError, 422),
    (errors.ParseError, 422),
    (errors.DatasetError, 422),
    (errors.NotForReader, 403),
    (errors.TrainingError, 409),
    (errors.MissingExtra, 501),
    (errors.EndpointError, 502),
    (errors.PromptTooLong, 400),
    (errors.ArmMissing, 404),
    (errors.ModelError, 503),
)


class ApiError(HTTPException):
    """Refuse a request. An HTTPException, since FastAPI takes any other error that comes while a body is
    read for a malformed body.

    Args:
        status: of HTTP.
        message: for a person: what is wrong, and the remedy.
        code: for a program: "model_not_found", "queue_full" …
        param: the field of the request that is wrong.
        headers: to send along, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


_FOLDERS = re.compile(r"(?<![\w/:.~])[/~](?:[^/\s:'\"`]*/)+(?=[^/\s])")


def placeless(text: str) -> str:
    """`text` with the names of files, but without the folders in which they lie."""
    return _FOLDERS.sub("", text)


def translated(error: LoresmithError, *, places: bool = False) -> ApiError:
    """An error of the other rooms as one of HTTP. `places`: whether the folders of files are told."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return ApiError(status, str(error) if places else placeless(str(error)), _snake(type(error).__name__))


def body(error: ApiError) -> dict[str, Any]:
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {"error": {"message": error.message, "type": kind, "code": error.code, "param": error.param}}


def response(error: ApiError) -> JSONResponse:
    return JSONResponse(body(error), error.status, dict(error.headers or {}))


def install(app: FastAPI) -> None:
    """Answer every error in the one shape."""

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> JSONResponse:
        return response(error)

    @app.exception_handler(LoresmithError)
    async def failed(request: Request, error: LoresmithError) -> JSONResponse:
        asker = getattr(request.state, "caller", None)
        return response(translated(error, places=asker is not None and asker.role == "owner"))

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return response(unreadable(error))

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> JSONResponse:
        code = {400: "malformed", 404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
        headers = dict(error.headers) if error.headers else None
        if error.status_code == 405:
            headers = {"Allow": ", ".join(_methods(app, request.url.path)) or "GET"}
        return response(
            ApiError(error.status_code, f"{str(error.detail).rstrip('.')}.", code, headers=headers)
        )

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # The message may quote a document, so the log gets the place alone.
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        route = getattr(request.scope.get("route"), "path", None)  # a path may hold the name of a document
        log.error("unexpected %s at %s", type(error).__name__, where, extra={"route": route})
        return response(ApiError(500, "A fault of Loresmith: its log says where.", "internal_error"))


def _methods(app: FastAPI, path: str) -> list[str]:
    """What may be done with this path; a router alone names the methods of the first route that it fits."""
    described: dict[str, dict[str, Any]] = app.openapi()["paths"]
    found: set[str] = set(described.get(path, ()))
    for template, methods in described.items() if not found else ():
        # The id of a document may hold slashes.
        pieces = re.escape(template).replace(r"\{document\}", ".+")
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", pieces), path):
            found.update(methods)
    return sorted(method.upper() for method in found)


def unreadable(error: RequestValidationError) -> ApiError:
    """What a request has wrong, without its contents."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] == "json_invalid":
        return ApiError(400, "The body is not JSON.", "invalid_json")
    field = ".".join(where[1:]) or where[0]
    return ApiError(422, f"{field}: {first['msg']}.", str(first["type"]), param=field)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
