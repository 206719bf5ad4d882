"""Ask, and say what was right: answers as they come, and feedback on them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from starlette.responses import StreamingResponse

from loresmith.dataset import feedback as verdicts
from loresmith.errors import LoresmithError
from loresmith.server import faults, streams
from loresmith.server.engine import Event, Finished
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.finding import hit_dict
from loresmith.server.workspace_api.shared import (
    ERRORS,
    Body,
    EventSource,
    Here,
    Name,
    Question,
    Reader,
    Text,
)
from loresmith.types import Answer, Arm, Sentence

router = APIRouter(tags=["ask"], responses=ERRORS)


class Asked(Body):
    """`chat`: a name that the client chooses; earlier questions under the same name count."""

    question: Question
    arm: Arm | None = None
    chat: Name | None = None
    k: int | None = Field(None, ge=1, le=100)
    documents: list[Name] = Field([], max_length=1_000)


@router.post(
    "/ask",
    summary="Answer a question (server-sent events)",
    response_class=EventSource,
    responses={
        200: {
            "description": "Events `sentence` {text, citations}, then `answer` {id, answer} as "
            "`loresmith ask --json` prints it; or `error` {error}",
            "content": {"text/event-stream": {"schema": {"type": "object"}}},
        }
    },
)
async def ask(body: Asked, request: Request, here: Reader) -> StreamingResponse:
    """Each sentence comes when it is verified. Feedback (POST /api/feedback) names the answer's `id`."""
    events = here.engine.ask(
        body.question,
        caller=here.asker,
        arm=body.arm,
        where=here.asker.where(documents=tuple(body.documents)),
        chat=body.chat,
        k=body.k,
    )
    return await streams.stream(request, _told(events))


async def _told(events: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    begun = False
    async with aclosing(events):
        try:
            async for found in events:
                if isinstance(found, Sentence):
                    begun = True
                    yield streams.event(sentence_dict(found), "sentence")
                elif isinstance(found, Finished):
                    yield streams.event({"id": found.id, "answer": answer_dict(found.answer)}, "answer")
        except (LoresmithError, ApiError) as error:
            if not begun:
                raise  # it becomes the status of the response
            told = faults.translated(error) if isinstance(error, LoresmithError) else error
            yield streams.event(faults.body(told), "error")


def sentence_dict(sentence: Sentence) -> dict[str, Any]:
    """As `Answer.to_dict` has it."""
    citations = [
        {"document": c.document, "locator": c.locator.to_dict(), "quote": c.quote, "passage": c.passage}
        for c in sentence.citations
    ]
    return {"text": sentence.text, "citations": citations}


def answer_dict(answer: Answer) -> dict[str, Any]:
    """`Answer.to_dict` with the ids of the hits' passages, so that they can be opened."""
    return answer.to_dict() | {"hits": [hit_dict(hit) for hit in answer.hits]}


# --- feedback ---------------------------------------------------------------------------------------


class Feedback(Body):
    """`answer`: the id that came with it."""

    question: Text = ""
    answer: Name
    verdict: Literal["approved", "corrected", "rejected"]
    correction: Text = ""


@router.post("/feedback", status_code=201, summary="Say that an answer is right, wrong, or what is right")
async def feedback(body: Feedback, here: Reader) -> dict[str, Any]:
    """Kept when this answers; the next dataset learns from it. 404: the answer was not this key's, or is
    too long ago; ask again."""
    found = here.engine.find(body.answer, here.asker)
    if found is None:
        raise ApiError(
            404, "That answer is not known any more. Ask again.", "answer_not_found", param="answer"
        )
    if body.question.strip() and body.question.strip() != found.question.strip():
        raise ApiError(422, "That is not the question of this answer.", "question", param="question")
    return {"feedback": await run_in_threadpool(_keep, here, found, body)}


def _keep(here: Here, answer: Answer, body: Feedback) -> str:
    # What was shown then and may not be seen now teaches nothing through this caller.
    visible = {info.id for info in here.infos()}
    answer = replace(answer, hits=tuple(h for h in answer.hits if h.passage.document in visible))
    cited = [c.passage for s in answer.sentences for c in s.citations]
    return verdicts.record(
        here.folder,
        answer.question,
        answer.answer,
        body.verdict,
        correction=body.correction,
        passages=[hit.passage for hit in answer.hits],
        cited=cited,
        labels=sorted({label for hit in answer.hits for label in hit.passage.labels}),
        abstained=answer.abstained,
        model=answer.model,
    )
