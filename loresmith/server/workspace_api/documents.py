"""Documents and sources: list, upload, delete, add, remove. Indexing them is a job (working.py)."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from loresmith import timings
from loresmith import workspace as folders
from loresmith.errors import UsageError
from loresmith.server import uploads
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import (
    ERRORS,
    Body,
    Editor,
    Here,
    Name,
    Owner,
    PathName,
    Reader,
    missing,
    toml_edited,
)
from loresmith.sources.files import name_of
from loresmith.state import DocumentInfo, ItemRow, State
from loresmith.workspace import WorkspaceDir, is_url, is_web, translated_os_errors

router = APIRouter(tags=["documents"], responses=ERRORS)

MOST_FILES = 500
_PAGED = ("application/pdf", "application/vnd.openxmlformats-officedocument.presentationml.presentation")

_pages: OrderedDict[tuple[str, str], int] = OrderedDict()
_pages_lock = threading.Lock()


@router.get("/documents", summary="What is indexed, what failed, and the sources")
def documents(
    here: Reader,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> dict[str, Any]:
    """Documents first, then files that could not be read; `waiting` are uploads that no sync has seen."""
    asker = here.asker
    with State.open(here.folder.state_path) as state:
        infos = [info for info in state.infos() if asker.holds(info.labels)]
        items = state.items()
        generation = state.current()
        indexed = state.indexed(generation.id) if generation else {}
        failed = [i for i in items.values() if i.failure is not None and asker.holds(i.labels)]
        entries: list[DocumentInfo | ItemRow] = [*infos, *failed]
        shown = [
            _document(here, state, entry, items, indexed.get(entry.id, ("", 0))[1])
            for entry in entries[offset : offset + limit]
        ]
    last = timings.read(here.folder.data, "sync")
    return {
        "documents": shown,
        "total": len(entries),
        "waiting": _waiting(here, items),
        "sources": [
            {"uri": source.uri if asker.role == "owner" else name_of(spec.uri), "labels": list(spec.labels)}
            for source, spec in zip(here.folder.config.sources, here.folder.source_specs(), strict=True)
            if asker.holds(spec.labels)
        ],
        "last_sync": {"at": last[-1].get("at"), "seconds": last[-1]["seconds"]} if last else None,
    }


def _document(
    here: Here, state: State, entry: DocumentInfo | ItemRow, items: dict[str, ItemRow], passages: int
) -> dict[str, Any]:
    owner = here.asker.role == "owner"
    shown = {
        "id": entry.id,
        "source": entry.source if owner else name_of(entry.source),
        "uri": entry.uri if owner or is_web(entry.uri) else entry.id,
        "labels": list(entry.labels),
        "passages": passages,
        "uploaded": _uploaded(here.folder, items.get(entry.id if isinstance(entry, ItemRow) else entry.item)),
    }
    if isinstance(entry, ItemRow):
        more: dict[str, Any] = {
            "title": entry.id.rpartition("/")[2],
            "media_type": "",
            "pages": None,
            "modified": entry.mtime_ns / 1e9,
            "language": "",
            "summary": "",
            "warnings": [],
            "state": "failed",
            "reason": entry.failure if owner else _placeless(entry),
        }
    else:
        more = {
            "title": entry.title,
            "media_type": entry.media_type,
            "pages": _page_count(state, entry),
            "modified": entry.modified,
            "language": entry.language,
            "summary": entry.summary,
            "warnings": list(entry.warnings),
            "state": "indexed",
            "reason": None,
        }
    return shown | more


def _placeless(item: ItemRow) -> str:
    """The reason of a failure without the place of the file on this machine."""
    return (item.failure or "").replace(item.path, item.id).replace(item.source, name_of(item.source))


def _page_count(state: State, info: DocumentInfo) -> int | None:
    """Pages or slides; None of what has none. Counted once a version: it takes the whole document."""
    if info.media_type not in _PAGED:
        return None
    key = (info.id, info.version)
    with _pages_lock:
        if key in _pages:
            return _pages[key]
    count = max((block.page or 0 for block in state.document(info.id).blocks), default=0)
    with _pages_lock:
        _pages[key] = count
        while len(_pages) > 20_000:
            _pages.popitem(last=False)
    return count


def _uploaded(folder: WorkspaceDir, item: ItemRow | None) -> bool:
    return item is not None and any(uploads.is_place(folder, parent) for parent in Path(item.path).parents)


def _waiting(here: Here, items: dict[str, ItemRow]) -> list[dict[str, Any]]:
    """Uploads whose present bytes no sync has read."""
    read = {item.path: (item.size, item.mtime_ns) for item in items.values()}
    found = []
    for spec in here.folder.source_specs():
        place = Path(spec.uri)
        if is_url(spec.uri) or not uploads.is_place(here.folder, place) or not here.asker.holds(spec.labels):
            continue
        for entry in sorted(os.scandir(place), key=lambda e: e.name) if place.is_dir() else ():
            if uploads.wrong_name(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            stat = entry.stat()
            if read.get(entry.path) != (stat.st_size, stat.st_mtime_ns):
                found.append({"name": entry.name, "size": stat.st_size, "labels": list(spec.labels)})
    return found


# --- uploads ----------------------------------------------------------------------------------------

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        },
                        "labels": {"type": "array", "items": {"type": "string"}},
                    },
                }
            }
        },
    }
}


@router.post(
    "/documents",
    status_code=201,
    summary="Upload files",
    openapi_extra=_FORM,
    responses={200: {"description": "Nothing was stored; each file says why"}},
)
async def upload(request: Request, here: Editor) -> JSONResponse:
    """Each file is stored, or refused with a reason of its own; a sync (POST /api/jobs) indexes them.

    Fields: `files` (any number), `labels` (any number; who lacks one of them never sees the files).
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ApiError(415, "Files come as multipart/form-data.", "unsupported_media_type")
    try:
        # What is larger than a megabyte lies there until it is whole.
        with translated_os_errors(Path(tempfile.gettempdir())):
            async with request.form(max_files=MOST_FILES, max_fields=100, max_part_size=1 << 16) as form:
                files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
                labels = [
                    part for name, part in form.multi_items() if name == "labels" and isinstance(part, str)
                ]
                if not files:
                    raise ApiError(422, "There is no file in it.", "missing", param="files")
                found = await run_in_threadpool(
                    _store, here, [(part.filename or "", part.file) for part in files], labels
                )
    except ClientDisconnect:
        raise ApiError(400, "The body came only in part.", "incomplete_body") from None
    stored = any(one.stored for one in found)
    return JSONResponse({"files": [one.to_dict() for one in found]}, 201 if stored else 200)


def _store(here: Here, files: list[tuple[str, BinaryIO]], labels: list[str]) -> list[uploads.Upload]:
    labels = sorted({label.strip() for label in labels if label.strip()})
    if any(not label.isprintable() or len(label) > 100 for label in labels) or len(labels) > 20:
        raise ApiError(422, "A label is too long, or no printable text.", "labels", param="labels")
    if not here.asker.holds(labels):
        raise ApiError(403, "Files can only be given labels that this key holds.", "label", param="labels")
    with toml_edited(here) as folder:
        target = uploads.prepare(folder, labels)
    largest = min(folder.config.server.upload_mb * 1_000_000, folder.config.parsing.max_file_mb * 2**20)
    return [uploads.store(target, name, content, largest=largest) for name, content in files]


@router.delete("/documents/{document:path}", summary="Delete an uploaded file")
def delete(document: PathName, here: Editor) -> dict[str, Any]:
    """The file goes at once, what was indexed of it with the next sync. Of other documents the source is
    named instead (409): delete them where they lie.

    `document`: an id of `documents` or the name of one of `waiting`.
    """
    folder = here.folder
    with State.open(folder.state_path) as state:
        info = state.info(document)
        items = state.items()
        item = items.get(info.item if info is not None else document)
        if item is not None:
            gone = [other.id for other in state.documents_of(item.id)]
    labels = info.labels if info is not None else item.labels if item is not None else ()
    if item is None or not here.asker.holds(labels) or not here.asker.holds(item.labels):
        return _delete_waiting(here, items, document)
    if not _uploaded(folder, item):
        source = item.source if here.asker.role == "owner" else name_of(item.source)
        raise ApiError(
            409, f"{document} was not uploaded: it comes from {source}. Delete it there.", "not_uploaded"
        )
    uploads.remove(folder, Path(item.path))
    return {"deleted": gone or [item.id], "next": "sync"}


def _delete_waiting(here: Here, items: dict[str, ItemRow], name: str) -> dict[str, Any]:
    for entry in _waiting(here, items):
        if entry["name"] == name:
            uploads.remove(here.folder, uploads.place(here.folder, entry["labels"]) / name)
            return {"deleted": [name], "next": "sync"}
    raise missing("document", name)


# --- sources ----------------------------------------------------------------------------------------


class NewSource(Body):
    uri: Name
    labels: list[Name] = Field([], max_length=20)


@router.post("/sources", status_code=201, summary="Add a folder, file or web page of the server's machine")
def add_source(body: NewSource, here: Owner) -> dict[str, Any]:
    if is_url(body.uri):
        if not body.uri.lower().startswith(("http://", "https://")):
            raise ApiError(422, "Only http and https addresses are read.", "uri", param="uri")
        uri = body.uri
    else:
        if "\x00" in body.uri:
            raise ApiError(422, "No path holds a zero byte.", "uri", param="uri")
        # As loresmith.toml has it, and not from wherever the server was started.
        uri = folders.resolve_uri(body.uri, here.folder.root)
        try:
            place, there = Path(uri).resolve(), Path(uri).exists()
        except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
            raise ApiError(422, "That is no path of this machine.", "uri", param="uri") from error
        if place.is_relative_to(here.folder.data.resolve()):
            raise ApiError(422, "That is where Loresmith keeps its own files.", "uri", param="uri")
        if not there:
            raise ApiError(404, f"{body.uri}: no such file or folder.", "not_found", param="uri")
    with toml_edited(here) as folder:
        added = folders.add_sources(folder, [uri], body.labels)
    return {"sources": [source.shown() for source in added.config.sources], "next": "sync"}


@router.delete("/sources", summary="Take a source off the list")
def remove_source(here: Owner, uri: Annotated[str, Query(min_length=1, max_length=2_000)]) -> dict[str, Any]:
    """Its documents go with the next sync."""
    try:
        with toml_edited(here) as folder:
            left = folders.remove_source(folder, uri)
    except UsageError as error:
        raise ApiError(404, str(error), "not_found", param="uri") from error
    return {"sources": [source.shown() for source in left.config.sources], "next": "sync"}
