"""A comparison's folder as `compare` leaves it, with answers made up: for tests of what is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loresmith.evaluation.comparison import store
from loresmith.evaluation.comparison.values import Question, Record

ARMS = ["base", "rag", "tuned", "both", "oracle", "format"]


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1, "id": "0123456789ab", "created": "2026-11-20T19:00:00+00:00", "workspace": "plant",
        "model": {"name": "m", "fingerprint": "f" * 16, "engine": "auto", "context_tokens": 4096},
        "adapter": {"id": "lora-1", "method": "lora", "dataset": "d1", "created": "2026-11-18T08:00:00+00:00",
                    "base_model": "m"},
        "index": {"generation": "g0001", "documents": 3, "passages": 30, "embedder": "e"},
        "settings": {"seed": 7, "temperature": 0.0, "max_tokens": 200, "context_tokens": 600, "k": 8},
        "arms": ARMS, "versions": {"loresmith": "0.1.0"}, "source": "questions.jsonl", "removed": [],
        "warnings": [], "checks": {"absent": {}, "gold_unseen": [], "skipped": {}}, "known": {},
        **changes,
    }  # fmt: skip


def question(number: int, stratum: str = "indexed", **changes: Any) -> Question:
    """ "What is the torque of bolt 7?", whose answer is 107 Nm and stands in manual.pdf."""
    values: dict[str, Any] = {
        "id": f"q{number:04d}", "question": f"What is the torque of bolt {number}?",
        "answer": (f"{100 + number} Nm",), "stratum": stratum, "documents": ("manual.pdf",), **changes,
    }  # fmt: skip
    return Question(**values)


def served(asked: Question) -> dict[str, Any]:
    """An answer that serves the question, with a quote."""
    return (
        silence() if asked.answer is None else said(f"The torque is {asked.answer[0]}.", str(asked.answer[0]))
    )


def wrong(asked: Question) -> dict[str, Any]:
    """One that does not: a figure made up, or silence where there is an answer."""
    return said("The torque is 999 Nm.") if asked.answer is None else silence()


def said(text: str, quote: str = "", passage: str = "", document: str = "manual.pdf") -> dict[str, Any]:
    text_of_hit = passage or f"Tighten it to {quote}."
    hit = {"rank": 1, "score": 1.0, "document": document, "locator": {"page": 3}, "text": text_of_hit}
    cited = {"document": document, "locator": {"page": 3}, "quote": quote, "passage": "p1"}
    sentence = {"text": text, "citations": [cited] if quote else []}
    return {"answer": text, "abstained": False, "sentences": [sentence], "hits": [hit] if quote else []}


def silence(hits: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    text = "The documents do not answer this question."
    return {"answer": text, "abstained": True, "sentences": [], "hits": list(hits)}


def write(
    root: Path,
    questions: list[Question],
    answers: Mapping[str, Mapping[str, Any]],
    *,
    errors: Iterable[tuple[str, str]] = (),
    **changes: Any,
) -> Path:
    """The folder under `root`.

    Args:
        answers: by arm; of each a callable of the question, or answers by question id.
        errors: (arm, question id) whose call failed.
    """
    folder = store.create(root, manifest(**{"arms": list(answers), **changes}), questions)
    failed = set(errors)
    with store.appending(folder) as append:
        for arm, by in answers.items():
            for asked in questions:
                answer = by(asked) if callable(by) else by.get(asked.id)
                if answer is None or (asked.stratum == "general" and arm not in ("base", "tuned")):
                    continue
                broken = (arm, asked.id) in failed
                append(
                    Record(
                        question=asked.id, arm=arm, answer={} if broken else answer, seconds=0.5,
                        tokens={} if broken else {"prompt": 300, "answer": 12},
                        error="ModelError: it broke" if broken else "",
                    )
                )  # fmt: skip
    return folder


def every(n: int, of: int = 10):
    """An arm that serves `n` of each `of` questions (by number), and is wrong on the others."""
    return lambda asked: served(asked) if int(asked.id[1:]) % of < n else wrong(asked)
