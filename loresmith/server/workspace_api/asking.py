"""Ask, and say what was right: answers as they come, and feedback on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from loresmith.dataset import feedback as verdicts
from loresmith.errors import LoresmithError
from loresmith.server import faults
from loresmith.server.engine import Event, Finished
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.finding import hit_dict
from loresmith.server.workspace_api.shared import (
    ALIVE,
    ERRORS,
    QUIET_SECONDS,
    Body,
    Events,
    Here,
    Name,
    Question,
    Reader,
    Text,
    arm_for,
    event,
)
from loresmith.types import Answer, Arm, Sentence

router = APIRouter(tags=["ask"], responses=ERRORS)

SECONDS = 0.2
"""What goes wrong so soon is told by the status of HTTP, later by an event."""


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
    response_class=Events,
    responses={
        200: {
            "description": "Events `sentence` {text, citations}, then `answer` {id, answer} as "
            "`loresmith ask --json` prints it; or `error` {error}"
        }
    },
)
async def ask(body: Asked, here: Reader) -> Events:
    """Each sentence comes when it is verified. Feedback (POST /api/feedback) names the answer's `id`."""
    arm = await here.engine.run(arm_for, here, body.arm)
    where = here.asker.where(documents=tuple(body.documents))
    events = here.engine.ask(body.question, caller=here.asker, arm=arm, where=where, chat=body.chat, k=body.k)
    first = asyncio.ensure_future(anext(events))
    done, _ = await asyncio.wait({first}, timeout=SECONDS)
    if done and (error := first.exception()) is not None:
        await events.aclose()
        raise error
    return Events(_told(events, first))


async def _told(
    events: AsyncGenerator[Event, None], upcoming: asyncio.Future[Event]
) -> AsyncGenerator[bytes, None]:
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=QUIET_SECONDS)
            if not done:
                yield ALIVE
                continue
            found = upcoming.result()
            if isinstance(found, Sentence):
                yield event(sentence_dict(found), "sentence")
            elif isinstance(found, Finished):
                yield event({"id": found.id, "answer": answer_dict(found.answer)}, "answer")
                return
            upcoming = asyncio.ensure_future(anext(events))
    except LoresmithError as error:
        yield event(faults.body(faults.translated(error)), "error")
    except ApiError as error:
        yield event(faults.body(error), "error")
    finally:
        if not upcoming.done():
            upcoming.cancel()
            # It ends the generator from within; only then may that be closed.
            await asyncio.wait({upcoming})
        await events.aclose()


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
