"""From the events of the engine to text: what chat completions and responses send, piece by piece.

Promises: the pieces of a stream, put together, are the text of the plain response; a stop text never
appears in them. What a chat program asks for itself (a title of the conversation) is not looked for in
documents, and costs no turn there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal

from loresmith.releases import UNAIDED
from loresmith.server.access import Caller
from loresmith.server.citing import Footnotes, objects, table, titles_of
from loresmith.server.engine import Engine, Finished, Words, Writing
from loresmith.server.faults import ApiError
from loresmith.server.openai_shapes import is_task
from loresmith.types import Answer, Arm, Sentence

# Beyond this, checking a schema costs more than an answer.
LARGEST_SCHEMA = 64_000

AIDED = frozenset(UNAIDED)
"""The arms that answer from documents."""

JsonForm = Literal["no", "object", "schema"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to send, and the citations that begin in it."""

    text: str
    citations: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A question as a client of OpenAI's API asks it."""

    engine: Engine
    caller: Caller
    arm: Arm | None
    question: str
    history: tuple[tuple[str, str], ...]
    how: Writing
    k: int | None = None
    footnotes: bool = True
    json: JsonForm = "no"

    async def write(self, number: int = 0) -> AsyncGenerator[Piece | Finished, None]:
        """The pieces of one answer, then the answer. `number` tells answers to one question apart.

        Raises:
            ApiError, LoresmithError: as `Engine.ask`.
        """
        if is_task(self.question) and (arm := await arm_now(self.engine, self.caller, self.arm)) in AIDED:
            # An object without the wanted field: the program falls back on a title of its own.
            yield Piece("{}")
            yield Finished("", _no_answer(self.question, arm))
            return
        how = self.how if not number else replace(self.how, seed=(self.how.seed or 0) + number)
        state = _State(self)
        asked = self.engine.ask(
            self.question,
            caller=self.caller,
            arm=self.arm,
            history=self.history,
            k=self.k,
            writing=how,
        )
        async with aclosing(asked) as events:
            async for event in events:
                if isinstance(event, Finished):
                    for piece in state.end(event.answer):
                        yield piece
                    yield event
                elif (added := state.add(event)) is not None:
                    yield added


class _State:
    """How far one answer has come."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._notes = Footnotes(marked=writer.footnotes)
        self._raw = False
        self._stopped = False
        self._begun = False

    def add(self, event: Words | Sentence) -> Piece | None:
        if isinstance(event, Words):
            self._raw = True
            text = event.text if self._begun else event.text.lstrip()
            self._begun = self._begun or bool(text)
            return Piece(text) if text else None
        if self._raw or self._stopped or self._writer.json != "no":
            return None
        text, found = self._notes.sentence(event)
        ends = [text.find(stop) for stop in self._writer.how.stop if stop in text]
        if ends:
            self._stopped = True
            text = text[: min(ends)]
        self._begun = self._begun or bool(text)
        return Piece(text, tuple(found)) if text else None

    def end(self, answer: Answer) -> list[Piece]:
        if self._raw:
            return [] if self._begun else [Piece(answer.answer)]
        if self._writer.json != "no":
            return [Piece(_as_json(answer), tuple(objects(answer)))]
        if not self._begun and not self._stopped:
            return [Piece(answer.answer)]
        rest = "" if self._stopped else self._notes.rest(titles_of(answer))
        if not self._stopped and self._writer.footnotes:
            rest = table(answer.result) + rest
        return [Piece(rest)] if rest else []


async def arm_now(engine: Engine, caller: Caller, arm: Arm | None) -> Arm:
    """The arm that answers this caller."""
    return arm or (await engine.run(engine.released, caller))[0]


def _no_answer(question: str, arm: Arm) -> Answer:
    reason = "A task of the chat program's own; documents answer questions."
    return Answer(
        question=question,
        answer="{}",
        abstained=True,
        sentences=(),
        hits=(),
        model="",
        arm=arm,
        reason=reason,
    )


async def check_form(engine: Engine, caller: Caller, arm: Arm | None, schema: dict[str, Any] | None) -> None:
    """An answer from documents has a form of its own; only the model alone can be held to another.

    Raises:
        ApiError: 400.
    """
    if schema is None:
        return
    arm = await arm_now(engine, caller, arm)
    if arm in AIDED:
        raise ApiError(
            400,
            f"The arm {arm} answers in verified sentences; json_object gives them as JSON, and a schema can "
            "be asked of loresmith-base and loresmith-tuned.",
            "unsupported_parameter",
            param="response_format",
        )


def grammar(schema: dict[str, Any] | None) -> str:
    """What holds llama.cpp to a schema, or to any JSON object.

    Raises:
        ApiError: 400, the schema is too large or none.
    """
    from loresmith.models import grammar

    text = json.dumps(schema if schema is not None else {"type": "object"})
    try:
        if len(text) > LARGEST_SCHEMA:
            raise ValueError(f"more than {LARGEST_SCHEMA:,} characters")
        return grammar.of_schema(text)
    except (ValueError, RuntimeError) as error:
        raise ApiError(
            400, f"The schema cannot be used: {error}.", "invalid_schema", param="response_format"
        ) from error


def _as_json(answer: Answer) -> str:
    whole = answer.to_dict()
    kept = {key: whole[key] for key in ("answer", "abstained", "reason", "sentences")}
    return json.dumps(kept, ensure_ascii=False)
