"""Plan and adapters: what training would take, and what it came to."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from loresmith import releases
from loresmith.errors import TrainingError, UsageError
from loresmith.server.commands import printed
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import ERRORS, Body, PathName, Whole, missing
from loresmith.training import adapters as book
from loresmith.training import record
from loresmith.training.adapters import Adapter

router = APIRouter(tags=["training"], responses=ERRORS)


@router.get("/plan", summary="Memory, time and GPUs that full tuning, LoRA and QLoRA would take here")
async def plan(here: Whole) -> dict[str, Any]:
    """As `loresmith plan --json`, of the configured model and the current dataset: `methods`, each with
    `memory_bytes` (by part, and `peak`), `seconds`, `trainable`, `fits_here`, `obstacle` and `gpus`;
    `method`: the one that `train` takes, and `reason`; `data`: rows and tokens; `hardware`."""
    return await printed(here.folder, ["plan"])


@router.get("/adapters", summary="Every adapter, the newest first, and runs that can be resumed")
def listing(here: Whole) -> dict[str, Any]:
    place = here.folder.adapters_dir
    in_use = book.current(place)
    return {
        "adapters": [_card(adapter, in_use) for adapter in book.listing(place)],
        "current": in_use.id if in_use else None,
        "unfinished": [{"adapter": run.id, **run.run} for run in book.unfinished(place)],
    }


@router.get("/adapters/{adapter}", summary="One adapter: its card, and the curves of its training")
def get(adapter: PathName, here: Whole) -> dict[str, Any]:
    """`curves`: {step, loss, dev_loss, dev_accuracy, learning_rate, tokens, seconds}, what was measured."""
    found = _find(here, adapter)
    try:
        made = json.loads((found.folder / record.RECORD).read_text(encoding="utf-8"))
        steps = list(made["steps"])
    except (OSError, ValueError, KeyError):
        steps = []  # one that was brought in from elsewhere may come without
    return {"adapter": _card(found, book.current(here.folder.adapters_dir)), "curves": steps}


class Used(Body):
    id: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


@router.post("/adapters/use", summary="Answer with this adapter from now on, in the arms tuned and both")
def use(body: Used, here: Whole) -> dict[str, Any]:
    _find(here, body.id)
    with here.engine.workspace.folder.writing():
        found = book.use(here.folder.adapters_dir, body.id)
    return {"adapter": found.id}


@router.delete("/adapters/{adapter}", summary="Delete an adapter, or what an unfinished run has left")
def remove(adapter: PathName, here: Whole) -> dict[str, Any]:
    """409 while a training runs, or while it is released. What is in use here alone can go: the arms tuned
    and both then answer no longer, until another one is used."""
    place = here.folder.adapters_dir
    there = {path.parent.name for path in place.glob(f"*/{book.CARD}")}
    if adapter not in there | {run.id for run in book.unfinished(place)}:
        raise missing("adapter", adapter)
    try:
        # Through the engine's folder: its threads wait for each other with writing.
        return {"removed": releases.remove_adapter(here.engine.workspace.folder, adapter)}
    except UsageError as error:
        raise ApiError(409, str(error), "released") from error


def _find(here: Whole, name: str) -> Adapter:
    # Only by a whole id: a name with a slash would mean a folder anywhere.
    found = next((a for a in book.listing(here.folder.adapters_dir) if a.folder.name == name), None)
    if found is None:
        raise missing("adapter", name)
    try:
        return book.find(here.folder.adapters_dir, found.folder.name)
    except TrainingError as error:
        raise ApiError(409, str(error), "training_error") from error


def _card(adapter: Adapter, in_use: Adapter | None) -> dict[str, Any]:
    return {"current": in_use is not None and adapter.id == in_use.id, **adapter.card}
