"""Ask, and say what was right: answers as they come, and feedback on them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from starlette.responses import StreamingResponse

from loresmith import memory
from loresmith.answering.generate import refuses
from loresmith.dataset import feedback as verdicts
from loresmith.errors import LoresmithError
from loresmith.server import faults, streams
from loresmith.server.engine import Event, Finished
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.finding import hit_dict
from loresmith.server.workspace_api.shared import (
    ERRORS,
    Body,
    Name,
    Question,
    Reader,
    Text,
)
from loresmith.state import State
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
    response_class=StreamingResponse,
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
    """`answer`: the id that came with it. `text`, `passages` and `cited`: the answer itself and the ids of
    its passages as they were shown, for when the server was restarted since."""

    question: Text = ""
    answer: Name
    verdict: Literal["approved", "corrected", "rejected"]
    correction: Text = ""
    text: Text = ""
    passages: list[Name] = Field(default=[], max_length=100)
    cited: list[Name] = Field(default=[], max_length=100)


@router.post("/feedback", status_code=201, summary="Say that an answer is right, wrong, or what is right")
async def feedback(body: Feedback, here: Reader) -> dict[str, Any]:
    """Kept when this answers; the next dataset learns from it. 404: the answer was not this key's, or is
    not known since a restart, and neither `question` nor `text` say what it was."""
    found = here.engine.find(body.answer, here.asker)
    used: set[str] = set()
    if found is not None:
        if body.question.strip() and body.question.strip() != found.question.strip():
            raise ApiError(422, "That is not the question of this answer.", "question", param="question")
        passages = [hit.passage for hit in found.hits]
        cited = [c.passage for s in found.sentences for c in s.citations]
        question, text, abstained, model = found.question, found.answer, found.abstained, found.model
        sql = found.result.sql if found.result else ""
        used.update(memory.rests_on(found))
        question = (found.result.asked if found.result else "") or question
    elif body.question.strip() and body.text.strip():
        # Not before it runs: a changed loresmith.toml closes the expert that was.
        passages = await here.engine.run(lambda: here.engine.expert.passages(body.passages))
        question, text, cited = body.question, body.text, body.cited
        abstained, model, sql = refuses(text), "", ""
    else:
        raise ApiError(
            404, "That answer is not known any more. Ask again.", "answer_not_found", param="answer"
        )

    def keep() -> str:
        with State.open(here.folder.state_path) as state:
            now = {info.id: info.labels for info in state.infos()}
        # What was shown then and may not be seen now teaches nothing through this caller, but what was
        # said of it keeps its labels, those of then and those of now.
        seen = [p for p in passages if p.document in now and here.asker.holds(now[p.document])]
        needed = {label for passage in passages for label in passage.labels}
        there = used | {passage.document for passage in passages}
        needed.update(label for name in there for label in now.get(name, ()))
        return verdicts.record(
            here.folder,
            question,
            text,
            body.verdict,
            correction=body.correction,
            passages=seen,
            cited=[passage for passage in cited if passage in {p.id for p in seen}],
            labels=sorted(needed),
            abstained=abstained,
            model=model,
            sql=sql,
        )

    return {"feedback": await run_in_threadpool(keep)}
