"""The arms "base" and "tuned": the model alone, without documents. Nothing is cited, so nothing is
promised."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from loresmith.answering.generate import OnSentence, abstention, refuses
from loresmith.answering.sentences import split
from loresmith.config import ModelSection
from loresmith.types import Answer, Arm, LanguageModel, Message, Sentence

_SYSTEM = "You answer questions in one or two short sentences."


def messages(question: str, shots: Sequence[tuple[str, str]] = ()) -> list[Message]:
    """The prompt without documents; what the arm "tuned" was trained on.

    Args:
        shots: questions with their answers, shown as earlier turns.
    """
    told: list[Message] = []
    for asked, answered in shots:
        told += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [{"role": "system", "content": _SYSTEM}, *told, {"role": "user", "content": question}]


def unaided(
    question: str,
    model: LanguageModel,
    settings: ModelSection,
    language: str = "",
    on_sentence: OnSentence | None = None,
    *,
    arm: Arm = "base",
    adapter: str | None = None,
    shots: Sequence[tuple[str, str]] = (),
) -> Answer:
    """What `model` says of its own; sentences carry no citations.

    It abstains where it says nothing, or nothing but that it cannot tell.
    """
    clock = time.perf_counter()
    asked = messages(question, shots)
    text, count = "", 0
    parts = model.generate(asked, max_tokens=settings.max_tokens, temperature=settings.temperature)
    with closing(parts) as pieces:  # type: ignore[type-var]
        for piece in pieces:
            text += piece.text
            count += piece.tokens
    written = split(text)
    told = [s for s in written if not refuses(s)]
    sentences = tuple(Sentence(text=s, citations=()) for s in (written if told else ()))
    for sentence in sentences:
        if on_sentence is not None:
            on_sentence(sentence)
    return Answer(
        question=question,
        answer=" ".join(s.text for s in sentences) or abstention(language),
        abstained=not sentences,
        sentences=sentences,
        hits=(),
        model=model.name,
        adapter=adapter,
        arm=arm,
        reason="" if sentences else _silence(written),
        seconds={"retrieval": 0.0, "generation": round(time.perf_counter() - clock, 4), "verification": 0.0},
        tokens={"prompt": model.count_tokens(asked), "answer": count},
    )


def _silence(written: list[str]) -> str:
    return "the model says that it cannot tell" if written else "the model said nothing"
