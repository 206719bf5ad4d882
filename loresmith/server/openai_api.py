"""/v1: OpenAI's way of asking, so that programs which know it need to know nothing of Loresmith.

The last user message is the question, earlier turns are its history; system messages have no say in
what may be answered. From documents (rag, both) each sentence is sent once it is verified, with its
citations in `citations` and, where footnotes are wanted, as Markdown. Without them (base, tuned) the
model's own words are sent as they come. docs/server.md has the whole of it.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from loresmith.errors import LoresmithError
from loresmith.server import served_names
from loresmith.server.access import Caller, caller
from loresmith.server.citing import titles_of
from loresmith.server.engine import Engine, Finished, Writing
from loresmith.server.faults import ApiError, body, documented, translated
from loresmith.server.openai_shapes import ChatRequest, EmbeddingRequest, conversation
from loresmith.server.served_names import EMBEDDER, arm_of
from loresmith.server.streams import event, stream, while_here
from loresmith.server.writing import JsonForm, Piece, Writer, check_form, grammar
from loresmith.types import Answer, Arm

router = APIRouter(prefix="/v1", tags=["openai"], responses=documented())

Asker = Annotated[Caller, Depends(caller)]
_AT_ONCE = 16
"""Texts that are embedded in one turn."""


@router.get("/models", summary="The released expert, each arm, and the embedder")
async def models(request: Request, asker: Asker) -> dict[str, Any]:
    engine: Engine = request.app.state.engine
    return {"object": "list", "data": await engine.run(served_names.listing, engine, asker)}


@router.get("/models/{name}", summary="One of them")
async def model(request: Request, name: str, asker: Asker) -> dict[str, Any]:
    engine: Engine = request.app.state.engine
    listed = await engine.run(served_names.listing, engine, asker)
    found = next((one for one in listed if one["id"] == name), None)
    if found is None:
        raise ApiError(404, f"There is no model {name[:80]!r}.", "model_not_found", param="model")
    return found


@router.post("/chat/completions", summary="Answer a question, in one piece or as it is written")
async def chat(request: Request, wanted: ChatRequest, asker: Asker) -> Response:
    engine: Engine = request.app.state.engine
    writer = await _writer(engine, asker, wanted)
    if wanted.stream:
        return await stream(request, _chunks(writer, wanted))
    return JSONResponse(await while_here(request, _completion(writer, wanted)))


async def _writer(engine: Engine, asker: Caller, wanted: ChatRequest) -> Writer:
    """What is asked, in our terms.

    Raises:
        ApiError: 400 or 404, something of it cannot be done.
    """
    wanted.check()
    arm = arm_of(wanted.model)
    question, history = conversation(wanted.messages)
    form = wanted.response_format
    json_form: JsonForm = "no"
    held = None
    if form is not None and form.type != "text":
        json_form = "object" if form.type == "json_object" else "schema"
        schema = (form.json_schema or {}).get("schema") if json_form == "schema" else None
        if json_form == "schema" and not isinstance(schema, dict):
            raise ApiError(400, "json_schema.schema is missing.", "invalid_schema", param="response_format")
        await check_form(engine, asker, arm, schema)
        held = grammar(schema)
    limit = wanted.max_completion_tokens or wanted.max_tokens
    return Writer(
        engine=engine,
        caller=asker,
        arm=arm,
        question=question,
        history=tuple(history),
        how=Writing(
            max_tokens=bounded(engine, arm, limit),
            temperature=wanted.temperature,
            seed=wanted.seed,
            stop=wanted.stops(),
            grammar=held,
            words=True,
        ),
        k=wanted.k,
        footnotes=wanted.footnotes,
        json=json_form,
    )


async def _completion(writer: Writer, wanted: ChatRequest) -> dict[str, Any]:
    choices, answers = [], []
    for number in range(wanted.n or 1):
        text = ""
        citations: list[dict[str, Any]] = []
        async with aclosing(writer.write(number)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Piece):
                    text += piece.text
                    citations += piece.citations
                else:
                    answers.append(piece)
        message = {"role": "assistant", "content": text, "citations": _titled(citations, answers[-1])}
        choices.append(
            {
                "index": number,
                "message": message,
                "finish_reason": _reason(answers[-1]),
                "logprobs": None,
                "loresmith": said(answers[-1]),
            }
        )
    return {**_head(wanted, "chat.completion"), "choices": choices, "usage": usage(answers)}


async def _chunks(writer: Writer, wanted: ChatRequest) -> AsyncGenerator[str, None]:
    head = _head(wanted, "chat.completion.chunk")
    answers: list[Finished] = []

    def chunk(number: int, delta: dict[str, Any], **more: Any) -> str:
        choice = {"index": number, "delta": delta, "finish_reason": None, "logprobs": None, **more}
        return event({**head, "choices": [choice]})

    begun = False
    try:
        for number in range(wanted.n or 1):
            async with aclosing(writer.write(number)) as pieces:
                first: dict[str, Any] = {"role": "assistant"}
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        answers.append(piece)
                        end = {"finish_reason": _reason(piece), "loresmith": said(piece)}
                        yield chunk(number, {}, **end)
                    else:
                        delta = {**first, "content": piece.text}
                        if piece.citations:
                            delta["citations"] = list(piece.citations)
                        yield chunk(number, delta)
                        first = {}
                    begun = True
    except (ApiError, LoresmithError) as error:
        if not begun:
            raise
        yield event(body(error if isinstance(error, ApiError) else translated(error)))
        return
    if wanted.stream_options is not None and wanted.stream_options.include_usage:
        yield event({**head, "choices": [], "usage": usage(answers)})
    yield event("[DONE]")


@router.post("/embeddings", summary="Vectors of texts, by the workspace's embedder")
async def embeddings(request: Request, wanted: EmbeddingRequest, asker: Asker) -> Response:
    engine: Engine = request.app.state.engine
    name = engine.workspace.folder.config.embedder.name
    if wanted.model not in (EMBEDDER, name):
        raise ApiError(404, f"Here embeds {EMBEDDER} ({name}).", "model_not_found", param="model")
    texts = wanted.texts()

    def embed(texts: list[str]) -> tuple[Any, int]:
        embedder = engine.workspace.embedder()
        if wanted.dimensions not in (None, embedder.dimension):
            raise ApiError(
                400,
                f"The vectors of {name} have {embedder.dimension} numbers.",
                "unsupported_parameter",
                param="dimensions",
            )
        run = embedder.embed_queries if wanted.input_type == "query" else embedder.embed_passages
        return run(texts), sum(embedder.count_tokens(text) for text in texts)

    async def in_turn() -> tuple[list[Any], int]:
        """A few at a time, so that others' questions come between, and a client that goes stops it."""
        vectors, tokens = [], 0
        for start in range(0, len(texts), _AT_ONCE):
            async with engine.turns.turn(asker.key or asker.name):
                rows, counted = await engine.run(embed, texts[start : start + _AT_ONCE])
            vectors += list(rows)
            tokens += counted
        return vectors, tokens

    vectors, tokens = await while_here(request, in_turn())
    data = [
        {"object": "embedding", "index": number, "embedding": _encoded(row, wanted.encoding_format)}
        for number, row in enumerate(vectors)
    ]
    count = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": wanted.model, "usage": count})


def _encoded(row: Any, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    return [float(number) for number in row]


def bounded(engine: Engine, arm: Arm | None, wanted: int | None) -> int | None:
    """The limit of tokens: clients ask for more than the window holds, and mean "as many as there are"."""
    if wanted is None:
        return None
    settings = engine.workspace.folder.config.model
    most = settings.max_tokens if arm in ("rag", "both") else settings.context_tokens // 2
    return min(wanted, max(most, settings.max_tokens))


def usage(answers: list[Finished]) -> dict[str, int]:
    read = sum(one.answer.usage[0] for one in answers)
    written = sum(one.answer.usage[1] for one in answers)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _head(wanted: ChatRequest, kind: str) -> dict[str, Any]:
    made = f"chatcmpl-{secrets.token_hex(12)}"
    return {"id": made, "object": kind, "created": int(time.time()), "model": wanted.model}


def _reason(finished: Finished) -> str:
    return "length" if finished.cut else "stop"


def _titled(citations: list[dict[str, Any]], finished: Finished) -> list[dict[str, Any]]:
    titles = titles_of(finished.answer)
    return [{**one, "title": titles.get(one["document"], "")} for one in citations]


def said(finished: Finished) -> dict[str, Any]:
    """What an answer is beyond its text: our extension."""
    answer: Answer = finished.answer
    return {
        "answer_id": finished.id,
        "arm": answer.arm,
        "adapter": answer.adapter,
        "abstained": answer.abstained,
        "reason": answer.reason,
        "confidence": answer.confidence,
        "dropped": [{"text": one.text, "reason": one.reason} for one in answer.dropped],
        "seconds": dict(answer.seconds),
        "via": answer.via,
        "result": answer.result.to_dict() if answer.result else None,
    }
