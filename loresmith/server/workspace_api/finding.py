"""Search, similar documents, and the places that citations point to: text in its context, pages drawn."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from loresmith.errors import ParseError
from loresmith.locate import locate, row_at
from loresmith.parsing.render import render
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import (
    ERRORS,
    Here,
    PathName,
    Question,
    Reader,
    missing,
)
from loresmith.state import State
from loresmith.tables.store import read_catalog
from loresmith.tables.values import Table
from loresmith.types import Box, Hit, Locator, Passage, SearchMode

router = APIRouter(tags=["search"], responses=ERRORS)

PDF = "application/pdf"
MOST_BOXES = 300
AROUND = 700
"""Characters of the document shown before and after a passage."""
DRAWING = 2
"""Pages drawn at the same time; each may take the memory that one document may."""

K = Annotated[int | None, Query(ge=1, le=100, description="how many; else retrieval.k")]


@router.get("/search", summary="Find passages")
async def search(
    here: Reader, q: Annotated[Question, Query()], k: K = None, mode: SearchMode | None = None
) -> dict[str, Any]:
    """As `loresmith search --json`, each hit with the id of its passage."""

    def find() -> list[Hit]:
        return here.engine.expert.search(q, k, mode, here.asker.where())

    return {"hits": [hit_dict(hit) for hit in await here.engine.run(find)]}


@router.get("/similar", summary="Recommend documents like this one")
async def similar(
    here: Reader, document: Annotated[str, Query(min_length=1, max_length=2_000)], k: K = None
) -> dict[str, Any]:
    def find() -> list[Hit]:
        here.info(document)
        return here.engine.expert.similar(document, k, here.asker.where())

    found = await here.engine.run(find)
    return {"hits": [hit_dict(hit) for hit in found]}


def hit_dict(hit: Hit) -> dict[str, Any]:
    return hit.to_dict() | {"passage": hit.passage.id}


@router.get("/source/{passage}", summary="A passage in its context")
async def source(passage: PathName, here: Reader) -> dict[str, Any]:
    """`text` is the passage, verbatim, from character `start` of the document; `context` is what stands
    before and after it; `header` the column names of a table that was cut."""
    return await here.engine.run(source_of, here, passage)


@router.get("/tables", summary="The tables of a document: their columns, units, types and how many rows")
async def tables(
    here: Reader, document: Annotated[str, Query(min_length=1, max_length=2_000)]
) -> dict[str, Any]:
    """Of documents that are data (docs/tables.md); `tables` is empty for others."""
    info = here.info(document)

    def found() -> list[Table]:
        return list(read_catalog(here.folder.tables_path, {info.id: info.version}).tables)

    return {"tables": [_table(table) for table in await run_in_threadpool(found)]}


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "sql": table.sql,
        "sheet": table.sheet,
        "caption": table.caption,
        "rows": table.rows,
        "columns": [
            {"name": c.name, "sql": c.sql, "unit": c.unit, "type": c.type, "description": c.description}
            for c in table.columns
        ],
    }


@router.get("/row", summary="The row of a table that a result rests on, in its place")
async def row(
    here: Reader,
    document: Annotated[str, Query(min_length=1, max_length=2_000)],
    start: Annotated[int | None, Query(ge=0)] = None,
    sheet: Annotated[str | None, Query(max_length=200)] = None,
    row: Annotated[int | None, Query(ge=1)] = None,
    key: Annotated[str | None, Query(max_length=500)] = None,
) -> dict[str, Any]:
    """As /source has it, of the passage that holds the row, with the row as `quote`. A row is named as
    `basis` of a result has it. 404: no passage holds it, as the later ones of a long table."""
    place = Locator(start=start, sheet=sheet, row=row, key=key)
    return await here.engine.run(_row_of, here, document, place)


def _row_of(here: Here, document: str, place: Locator) -> dict[str, Any]:
    info = here.info(document)
    with State.open(here.folder.state_path) as state:
        known = state.document(info.id)
    block = row_at(known, place)
    if block is None:
        raise missing("row", place.describe() or place.key or document)
    for passage in here.engine.expert.passages_of(info.id):
        span = passage.locator
        if (span.start or 0) <= block.start and block.end <= (span.end or 0):
            exact = locate(known, block.start, block.end)
            quote = known.text[block.start : block.end]
            return source_of(here, passage.id) | {"quote": quote, "locator": exact.to_dict()}
    raise missing("row", place.describe() or place.key or document)


def source_of(here: Here, passage: str) -> dict[str, Any]:
    """What /source answers; also a tool of MCP.

    Raises:
        ApiError: 404, there is no such passage, or not for this caller.
    """
    found: Passage | None = next(iter(here.engine.expert.passages([passage])), None)
    if found is None or not here.asker.holds(found.labels):
        raise missing("passage", passage)
    # By its document too: that may have been given a label since the passage was indexed.
    info = here.info(found.document)
    with State.open(here.folder.state_path) as state:
        text = state.document(info.id).text
    start, end = found.locator.start or 0, found.locator.end or 0
    unchanged = text[start:end] == found.text
    page = found.locator.page
    drawn = info.media_type == PDF and info.item == info.id and page is not None
    return {
        "passage": found.id,
        "document": info.id,
        "title": info.title,
        "media_type": info.media_type,
        "modified": info.modified,
        "locator": found.locator.to_dict(),
        "place": found.locator.describe(),
        "heading": list(found.heading),
        "text": found.text,
        "start": start,
        "header": found.context,
        "context": {
            "before": _tail(text[max(0, start - AROUND) : start], start > AROUND) if unchanged else "",
            "after": _head(text[end : end + AROUND], end + AROUND < len(text)) if unchanged else "",
        },
        "page": page if drawn else None,
    }


def _tail(text: str, cut: bool) -> str:
    """The end of a text, from the beginning of a word."""
    return text[text.find(" ") + 1 :] if cut and " " in text else text


def _head(text: str, cut: bool) -> str:
    return text[: text.rfind(" ")] if cut and " " in text else text


@router.get(
    "/page/{document:path}/{page}.png",
    summary="A page as a picture",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "The page, its boxes marked"}},
)
async def page(
    document: PathName,
    page: int,
    request: Request,
    here: Reader,
    boxes: Annotated[
        str, Query(max_length=20_000, description="x0,y0,x1,y1;… in points, as locators have them")
    ] = "",
) -> Response:
    """Only of PDF files, and only while the file is the one that was indexed (422 otherwise)."""
    wanted = _boxes(boxes)
    info = await run_in_threadpool(here.info, document)
    if info.media_type != PDF or info.item != info.id:
        raise ApiError(415, "Only PDF files have pages that are drawn.", "no_pages")
    with State.open(here.folder.state_path) as state:
        item = state.items().get(info.item)
    if item is None or not 1 <= page <= 100_000 or not Path(item.path).is_file():
        raise missing("page", f"{document}, p. {page}")
    async with _places_to_draw(request):
        try:
            picture = await run_in_threadpool(
                render, item.path, info.version, page, wanted, here.folder.config.parsing
            )
        except ParseError as error:
            raise ApiError(422, str(error).replace(item.path, document), "not_drawn") from error
    # Never kept by a browser: the next who sits there may have another key.
    return Response(picture, media_type="image/png")


def _places_to_draw(request: Request) -> asyncio.Semaphore:
    """One semaphore an application, since it belongs to an event loop."""
    if not hasattr(request.app.state, "drawing"):
        request.app.state.drawing = asyncio.Semaphore(DRAWING)
    return cast("asyncio.Semaphore", request.app.state.drawing)


def _boxes(text: str) -> list[Box]:
    try:
        found = [Box(*map(float, part.split(","))) for part in text.split(";") if part]
    except (ValueError, TypeError):
        raise ApiError(422, "boxes: not x0,y0,x1,y1;…", "boxes", param="boxes") from None
    if len(found) > MOST_BOXES or any(
        not abs(value) < 1e6 for box in found for value in (box.x0, box.y0, box.x1, box.y1)
    ):
        raise ApiError(422, f"boxes: more than {MOST_BOXES}, or beyond any page.", "boxes", param="boxes")
    return found
