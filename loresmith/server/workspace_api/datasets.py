"""Datasets: what there is, and its rows to review. A verdict on a row is feedback, which the next build
heeds."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from loresmith.dataset import feedback as verdicts
from loresmith.dataset import store
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example, Kind, Split
from loresmith.errors import DatasetError
from loresmith.index import open_generation
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import ERRORS, Body, Text, Whole, missing
from loresmith.state import State, learning
from loresmith.types import Passage
from loresmith.workspace import WorkspaceDir

router = APIRouter(prefix="/datasets", tags=["datasets"], responses=ERRORS)

Review = Literal["accept", "reject", "mend"]
_VERDICTS: dict[Review, verdicts.Verdict] = {
    "accept": "approved",
    "reject": "rejected",
    "mend": "corrected",
}
_REVIEWS: dict[str, Review] = {verdict: review for review, verdict in _VERDICTS.items()}


@router.get("", summary="Every dataset, oldest first; `current` is what `train` takes")
def listing(here: Whole) -> dict[str, Any]:
    return {
        "datasets": [
            {k: v for k, v in made.items() if k not in ("corpus", "documents")}
            for made in store.listing(here.folder.datasets_dir)
        ]
    }


@router.get("/current", summary="Rows of the current dataset")
def current(
    here: Whole,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    split: Split | None = None,
    kind: Kind | None = None,
    review: Annotated[Review | Literal["none"] | None, Query(description="none: not reviewed yet")] = None,
) -> dict[str, Any]:
    """`total` counts what the filters leave. `review` of a row: accept, reject, mend, or null."""
    rows, name = _rows(here.folder)
    said = _said(here.folder)
    chosen = [
        (example, part, found)
        for example, part in rows
        if (split is None or part == split) and (kind is None or example.kind == kind)
        for found in [said.get((normal(example.question), normal(example.answer)))]
        if review is None or (found["review"] if found else "none") == review
    ]
    return {
        "dataset": name,
        "total": len(chosen),
        "rows": [_row(*entry) for entry in chosen[offset : offset + limit]],
    }


def _row(example: Example, split: Split, said: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": example.id,
        "split": split,
        "kind": example.kind,
        "question": example.question,
        "answer": example.answer,
        "quote": example.quote,
        "documents": list(example.documents),
        "passages": list(example.passages),
        "origin": example.origin,
        "labels": list(example.labels),
        "language": example.language,
        "messages": [dict(message) for message in example.messages] if example.kind == "chat" else None,
        "review": said["review"] if said else None,
        "correction": said["correction"] if said else "",
    }


class Reviewed(Body):
    """`answer`: what is right instead; with `mend` only."""

    id: Text
    verdict: Review
    answer: Text = ""


@router.post("/rows", status_code=201, summary="Accept, reject or mend a row of the current dataset")
def review_row(body: Reviewed, here: Whole) -> dict[str, Any]:
    """The dataset itself stays what it is; the next build leaves out what was rejected and takes what was
    mended. The latest verdict on a question counts."""
    rows, _ = _rows(here.folder)
    example = next((example for example, _ in rows if example.id == body.id), None)
    if example is None:
        raise missing("row", body.id)
    if example.kind == "chat":
        raise ApiError(422, "A whole conversation is mended in the file it came from.", "chat", param="id")
    key = verdicts.record(
        here.folder,
        example.question,
        example.answer,
        _VERDICTS[body.verdict],
        correction=body.answer,
        passages=_passages(here.folder, example),
        cited=example.passages,
        labels=example.labels,
        abstained=example.kind == "abstain",
        model="",
    )
    return {"feedback": key}


def _rows(folder: WorkspaceDir) -> tuple[list[tuple[Example, Split]], str | None]:
    """Rows with their split; none where no dataset was built yet."""
    if store.current(folder.datasets_dir) is None:
        return [], None
    try:
        dataset = store.load(folder.datasets_dir)
    except DatasetError as error:
        raise ApiError(503, str(error), "dataset_error") from error
    parts: dict[Split, tuple[Example, ...]] = {
        "train": dataset.train,
        "dev": dataset.dev,
        "test": dataset.test,
    }
    return [(example, split) for split, found in parts.items() for example in found], dataset.id


def _said(folder: WorkspaceDir) -> dict[tuple[str, str], dict[str, Any]]:
    """(question, answer) in normal form to the latest verdict on them."""
    with State.open(folder.state_path) as state:
        return {
            (normal(row.payload["question"]), normal(row.payload["answer"])): {
                "review": _REVIEWS[row.payload["verdict"]],
                "correction": row.payload["correction"],
            }
            for row in learning.feedback(state)
        }


def _passages(folder: WorkspaceDir, example: Example) -> list[Passage]:
    if not example.passages:
        return []
    with State.open(folder.state_path) as state:
        generation = state.current()
    if generation is None:
        return []
    with closing(open_generation(folder, generation)) as opened:
        return opened.get(list(example.passages))
