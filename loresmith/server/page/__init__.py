"""The page: static files served as they are, from memory, with the headers that keep it strict.

    GET /                 index.html
    GET /page/<file>      css, js, texts; nothing but what stands in this folder

Promises: no build step and nothing from elsewhere; a name that is not in the list is not looked up on
the disk; a browser that has the file is answered 304; the policy allows no inline script, no other
host and no frame around the page.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

FOLDER = Path(__file__).parent

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Nothing that is parsed as HTML is ever made from a string.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # Asked again each time, answered 304: a new version of the program is a new page at once.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page. `tag` is the hash of its content."""

    content: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def files() -> dict[str, File]:
    """Every file of the page by its name, read once."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            content = path.read_bytes()
            found[path.relative_to(FOLDER).as_posix()] = File(
                content=content,
                packed=gzip.compress(content, mtime=0),
                media_type=TYPES[path.suffix],
                tag=f'"{hashlib.sha256(content).hexdigest()[:20]}"',
            )
    return found


def mount(app: FastAPI) -> None:
    """Add the page to the application."""
    from starlette.routing import Route

    async def index(request: Request) -> Response:
        return respond("index.html", request)

    async def file(request: Request) -> Response:
        return respond(request.path_params["name"], request)

    app.router.routes += [
        Route("/", index, include_in_schema=False),
        Route("/page/{name:path}", file, include_in_schema=False),
    ]


def respond(name: str, request: Request) -> Response:
    """The file of this name, as short as the browser can take it."""
    from fastapi import Response
    from fastapi.responses import JSONResponse

    found = files().get(name)
    if found is None:
        error = {"message": "The page has no such file.", "type": "not_found", "code": None, "param": None}
        return JSONResponse({"error": error}, 404)
    headers = {**HEADERS, "ETag": found.tag}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, media_type=found.media_type, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
