"""Datasets: what there is, and its rows to review. A verdict on a row is feedback, which the next build
heeds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from loresmith.dataset import feedback as verdicts
from loresmith.dataset import store
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example, Kind, Split
from loresmith.errors import DatasetError
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import ERRORS, Body, Text, Whole, missing
from loresmith.state import State, learning
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
    """`total` counts what the filters leave, `reviewed` the rows of the whole dataset that have a verdict.
    `review` of a row: accept, reject, mend, or null."""
    rows, name = _rows(here.folder)
    said = _said(here.folder)
    judged = [(example, part, said.get(pair)) for example, part, pair in rows]
    chosen = [
        (example, part, found)
        for example, part, found in judged
        if (split is None or part == split)
        and (kind is None or example.kind == kind)
        and (review is None or (found["review"] if found else "none") == review)
    ]
    return {
        "dataset": name,
        "total": len(chosen),
        "reviewed": sum(found is not None for _, _, found in judged),
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
    example = next((example for example, _, _ in rows if example.id == body.id), None)
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
        passages=here.engine.expert.passages(example.passages),
        cited=example.passages,
        labels=example.labels,
        abstained=example.kind == "abstain",
        model="",
    )
    return {"feedback": key}


_Row = tuple[Example, Split, tuple[str, str]]
"""A row, the part of the data it is in, and (question, answer) in normal form."""


def _rows(folder: WorkspaceDir) -> tuple[tuple[_Row, ...], str | None]:
    """The rows of the current dataset; none where no dataset was built yet."""
    try:
        name = store.current(folder.datasets_dir)
        if name is None:
            return (), None
        seen = (folder.datasets_dir / name / store.EXAMPLES).stat()
        return _loaded(folder.datasets_dir, name, seen.st_mtime_ns, seen.st_ino), name
    except DatasetError as error:
        raise ApiError(503, str(error), "dataset_error") from error
    except FileNotFoundError as error:
        raise ApiError(503, "The current dataset is gone: make the rows anew.", "dataset_error") from error


# A dataset never changes, and whoever reviews asks for it with every row: a second each for 5,000 rows.
@lru_cache(maxsize=1)
def _loaded(place: Path, name: str, *_seen: int) -> tuple[_Row, ...]:
    dataset = store.load(place, name)
    parts: dict[Split, tuple[Example, ...]] = {
        "train": dataset.train,
        "dev": dataset.dev,
        "test": dataset.test,
    }
    return tuple(
        (example, split, (normal(example.question), normal(example.answer)))
        for split, found in parts.items()
        for example in found
    )


def _said(folder: WorkspaceDir) -> dict[tuple[str, str], dict[str, Any]]:
    """(question, answer) in normal form to the latest verdict on them; where the answer was mended, also
    what it was mended to, which is the answer of the next dataset."""
    said: dict[tuple[str, str], dict[str, Any]] = {}
    with State.open(folder.state_path) as state:
        for row in learning.feedback(state):
            question = normal(row.payload["question"])
            correction = row.payload["correction"]
            verdict = {"review": _REVIEWS[row.payload["verdict"]], "correction": correction}
            for answer in (row.payload["answer"], correction):
                if answer:
                    said[question, normal(answer)] = verdict
    return said
