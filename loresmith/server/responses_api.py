"""/v1/responses: the same answers in OpenAI's newer form, with its events.

Nothing is stored: a conversation is what the request brings (`input`), `previous_response_id` is
refused. `instructions` have no say in what may be answered, as system messages have none. Citations
stand in `annotations`, as citations of files, which clients know; ours have the quote and its place too.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from loresmith.errors import LoresmithError
from loresmith.server import openai_api
from loresmith.server.access import Caller, caller
from loresmith.server.citing import titles_of
from loresmith.server.engine import Engine, Finished, Writing
from loresmith.server.faults import ApiError, body, documented, translated
from loresmith.server.openai_shapes import Asked, Part, Shape, conversation
from loresmith.server.openai_shapes import Turn as ChatTurn
from loresmith.server.served_names import arm_of
from loresmith.server.streams import event, stream, while_here
from loresmith.server.writing import JsonForm, Piece, Writer, check_form, grammar

router = APIRouter(prefix="/v1", tags=["openai"], responses=documented())


# What other models did before this question; none of it is said to the user.
_PASSED_OVER = {"reasoning", "function_call", "function_call_output"}


class InputItem(Shape):
    """A message of the conversation; the steps of an agent are passed over, what else there is is refused
    by its type."""

    type: str = "message"
    role: str = "user"
    content: str | list[Part] | None = None


class TextForm(Shape):
    type: str = "text"
    schema_: dict[str, Any] | None = Field(None, alias="schema")


class TextOptions(Shape):
    format: TextForm | None = None


class ResponsesRequest(Asked):
    """POST /v1/responses."""

    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=1000)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    background: bool | None = False
    text: TextOptions | None = None

    def check(self) -> None:
        super().check()
        for name in ("previous_response_id", "conversation", "background"):
            if getattr(self, name):
                raise ApiError(400, f"{name} is not done here.", "unsupported_parameter", param=name)

    def turns(self) -> list[ChatTurn]:
        """
        Raises:
            ApiError: 400, an item is no message.
        """
        if isinstance(self.input, str):
            return [ChatTurn(role="user", content=self.input)]
        messages = [item for item in self.input if item.type not in _PASSED_OVER]
        strange = next((item.type for item in messages if item.type != "message"), None)
        if strange is not None:
            raise ApiError(
                400, f"Only messages are read here, not {strange}.", "unsupported_content", param="input"
            )
        roles = {"user", "assistant", "system", "developer"}
        if any(item.role not in roles for item in messages):
            raise ApiError(400, "A message has an unknown role.", "unsupported_content", param="input")
        return [ChatTurn.model_validate({"role": i.role, "content": i.content}) for i in messages]


@router.post("/responses", summary="Answer a question, in OpenAI's newer form")
async def responses(
    request: Request, wanted: ResponsesRequest, asker: Annotated[Caller, Depends(caller)]
) -> Response:
    wanted.check()
    engine: Engine = request.app.state.engine
    writer = await _writer(engine, asker, wanted)
    if wanted.stream:
        return await stream(request, _events(writer, wanted))
    return JSONResponse(await while_here(request, _whole(writer, wanted)))


async def _writer(engine: Engine, asker: Caller, wanted: ResponsesRequest) -> Writer:
    arm = arm_of(wanted.model)
    question, history = conversation(wanted.turns(), "input")
    form = wanted.text.format if wanted.text else None
    json_form: JsonForm = "no"
    held = None
    if form is not None and form.type != "text":
        json_form = "object" if form.type == "json_object" else "schema"
        schema = form.schema_ if json_form == "schema" else None
        if json_form == "schema" and schema is None:
            raise ApiError(400, "text.format.schema is missing.", "invalid_schema", param="text")
        await check_form(engine, asker, arm, schema)
        held = grammar(schema)
    return Writer(
        engine=engine,
        caller=asker,
        arm=arm,
        question=question,
        history=tuple(history),
        how=Writing(
            max_tokens=openai_api.bounded(engine, arm, wanted.max_output_tokens),
            temperature=wanted.temperature,
            grammar=held,
            words=True,
        ),
        k=wanted.k,
        footnotes=wanted.footnotes,
        json=json_form,
    )


async def _whole(writer: Writer, wanted: ResponsesRequest) -> dict[str, Any]:
    made = _Made(wanted)
    async with aclosing(writer.write()) as pieces:
        async for piece in pieces:
            made.take(piece)
    return made.response("completed")


async def _events(writer: Writer, wanted: ResponsesRequest) -> AsyncGenerator[str, None]:
    made = _Made(wanted)
    number = 0

    def told(kind: str, **more: Any) -> str:
        nonlocal number
        number += 1
        return event({"type": kind, "sequence_number": number - 1, **more}, kind)

    begun = False
    place = {"item_id": made.item_id, "output_index": 0, "content_index": 0}
    try:
        async with aclosing(writer.write()) as pieces:
            async for piece in pieces:
                if not begun:
                    begun = True
                    yield told("response.created", response=made.response("in_progress"))
                    yield told("response.in_progress", response=made.response("in_progress"))
                    item = made.item("in_progress", empty=True)
                    yield told("response.output_item.added", output_index=0, item=item)
                    yield told("response.content_part.added", **place, part=made.part(empty=True))
                made.take(piece)
                if isinstance(piece, Piece):
                    yield told("response.output_text.delta", **place, delta=piece.text, logprobs=[])
                    first = len(made.annotations) - len(piece.citations)
                    for count, one in enumerate(made.annotations[first:], first):
                        kind = "response.output_text.annotation.added"
                        yield told(kind, **place, annotation_index=count, annotation=one)
    except (ApiError, LoresmithError) as error:
        if not begun:
            raise
        said = body(error if isinstance(error, ApiError) else translated(error))["error"]
        yield told("error", code=said["code"], message=said["message"], param=said["param"])
        return
    yield told("response.output_text.done", **place, text=made.text, logprobs=[])
    yield told("response.content_part.done", **place, part=made.part())
    yield told("response.output_item.done", output_index=0, item=made.item("completed"))
    yield told("response.completed", response=made.response("completed"))


class _Made:
    """A response as it grows."""

    def __init__(self, wanted: ResponsesRequest) -> None:
        self._wanted = wanted
        self._id = f"resp_{secrets.token_hex(16)}"
        self.item_id = f"msg_{secrets.token_hex(16)}"
        self._created = int(time.time())
        self._finished: Finished | None = None
        self._citations: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.text = ""

    def take(self, piece: Piece | Finished) -> None:
        if isinstance(piece, Piece):
            self.text += piece.text
            self._citations += piece.citations
            self.annotations += [_annotation(one, len(self.text)) for one in piece.citations]
            return
        self._finished = piece
        titles = titles_of(piece.answer)
        self._citations = [{**one, "title": titles.get(one["document"], "")} for one in self._citations]

    def part(self, *, empty: bool = False) -> dict[str, Any]:
        text = "" if empty else self.text
        citations = [] if empty else self._citations
        noted = [] if empty else self.annotations
        kind = "output_text"
        return {"type": kind, "text": text, "annotations": noted, "logprobs": [], "citations": citations}

    def item(self, status: str, *, empty: bool = False) -> dict[str, Any]:
        content = [] if empty else [self.part()]
        return {
            "type": "message",
            "id": self.item_id,
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def response(self, status: str) -> dict[str, Any]:
        done = self._finished
        cut = done is not None and done.cut
        found: dict[str, Any] = {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": "incomplete" if cut else status,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "error": None,
            "model": self._wanted.model,
            "instructions": self._wanted.instructions,
            "output": [self.item("incomplete" if cut else "completed")] if done else [],
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "temperature": self._wanted.temperature,
            "metadata": {},
            "usage": None,
        }
        if done is not None:
            count = openai_api.usage([done])
            found["usage"] = {
                "input_tokens": count["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": count["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": count["total_tokens"],
            }
            found["loresmith"] = openai_api.said(done)
        return found


def _annotation(citation: dict[str, Any], end: int) -> dict[str, Any]:
    """As OpenAI cites a file, behind the sentence that ends at `end`; what it rests on is ours."""
    name = citation["document"]
    ours = {key: citation[key] for key in ("passage", "place", "quote")}
    return {"type": "file_citation", "file_id": name, "filename": name, "index": end, **ours}
