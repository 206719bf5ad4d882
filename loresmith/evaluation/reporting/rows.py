"""Questions and answers as the page's script takes them: small, every passage once.

Promises: a place in a passage is counted in UTF-16 units, as a browser counts; a quote that does
not stand in the passage that is shown is given as such, never marked at a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loresmith.evaluation.comparison.values import CONTENDERS, CONTROLS
from loresmith.evaluation.reporting import words
from loresmith.types import Locator

OUTCOMES = {
    "right": "right",
    "silent": "rightly silent",
    "wrong": "wrong",
    "form": "right, but not in the wanted form",
    "invented": "answered, though it cannot be",
    "refused": "silent, though it can be answered",
    "failed": "the call failed",
    "unscored": "not scored",
}
SERVED = ("right", "silent")


def data(report: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Everything the script shows, as one JSON object."""
    passages = _Passages()
    shown = [_row(row, passages) for row in rows]
    arms = [a for a in (*CONTENDERS, *CONTROLS) if any(a in row["arms"] for row in shown)]
    return {
        "arms": [{"key": a, "name": words.NAMES[a], "control": a in CONTROLS} for a in arms],
        "strata": {key: name for key, (name, _) in words.STRATUM.items()},
        "outcomes": OUTCOMES,
        "served": list(SERVED),
        "rows": shown,
        "passages": passages.listed,
        "report": report["id"],
    }


def outcome(score: Mapping[str, Any]) -> str:
    """A key of `OUTCOMES`."""
    if score.get("error"):
        return "failed"
    if score.get("answerable") is None:
        return "unscored"
    if not score["answerable"]:
        return "invented" if score["answered"] else "silent"
    if not score["answered"]:
        return "refused"
    if score.get("right") is False:
        return "wrong"
    return "right" if score["success"] >= 0.5 else "form"


class _Passages:
    """Passages by number: arms and questions share them."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self.known: dict[tuple[str, str], int] = {}

    def number(self, hit: Mapping[str, Any]) -> int:
        key = (hit["document"], hit["text"])
        if key not in self.known:
            self.known[key] = len(self.listed)
            self.listed.append(
                {
                    "d": hit["document"],
                    "w": place(hit),
                    "h": " › ".join(hit.get("heading") or ()),
                    "t": hit["text"],
                }
            )
        return self.known[key]


def place(found: Mapping[str, Any]) -> str:
    return Locator.from_dict(found.get("locator") or {}).describe().replace("p. ", "p.\u00a0")


def _row(row: Mapping[str, Any], passages: _Passages) -> dict[str, Any]:
    question = row["question"]
    gold = question.get("answer")
    where = [*question.get("documents", ()), *(f"p.\u00a0{page}" for page in question.get("pages", ()))]
    wanted = [*(f"must say “{t}”" for t in question.get("terms", ()))]
    wanted += [f"must not say “{t}”" for t in question.get("avoid", ())]
    if question.get("pattern"):
        wanted.append(f"must match {question['pattern']}")
    return _filled(
        id=question["id"],
        q=question["question"],
        a=[gold] if isinstance(gold, str) else gold and list(gold),
        s=question["stratum"],
        where=where,
        wanted=wanted,
        origin=question.get("origin"),
        flags=list(row.get("flags") or ()),
        arms={arm: _answer(found, passages) for arm, found in row["arms"].items()},
    )


def _answer(found: Mapping[str, Any], passages: _Passages) -> dict[str, Any]:
    score, answer = found["score"], found.get("answer") or {}
    hits = answer.get("hits") or []
    cited: list[dict[str, Any]] = []
    sentences = []
    for sentence in answer.get("sentences") or ():
        numbers = []
        for citation in sentence["citations"]:
            made = _citation(citation, hits, passages)
            if made not in cited:
                cited.append(made)
            numbers.append(cited.index(made))
        sentences.append([sentence["text"], numbers])
    return _filled(
        o=outcome(score),
        silent=not score["answered"],
        text=answer.get("answer", "") if answer.get("abstained") or not sentences else "",
        say=sentences,
        cite=cited,
        hits=[passages.number(hit) for hit in hits],
        drop=[[d["text"], d["reason"]] for d in answer.get("dropped") or ()],
        why=answer.get("reason"),
        error=score.get("error"),
        sec=round(score.get("seconds") or 0.0, 3),
    )


def _citation(
    citation: Mapping[str, Any], hits: Iterable[Mapping[str, Any]], passages: _Passages
) -> dict[str, Any]:
    """The passage a quote stands in and where; without one, the words of the citation alone."""
    start, quote = words.dig(citation, "locator", "start"), citation["quote"]
    for hit in hits:
        if hit["document"] != citation["document"] or quote not in hit["text"]:
            continue
        begin = -1 if start is None else start - (words.dig(hit, "locator", "start") or 0)
        if begin < 0 or hit["text"][begin : begin + len(quote)] != quote:
            begin = hit["text"].index(quote)
        at = _units(hit["text"][:begin])
        return {"p": passages.number(hit), "from": at, "to": at + _units(quote), "w": place(citation)}
    return {"d": citation["document"], "w": place(citation), "quote": quote}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _filled(**values: Any) -> dict[str, Any]:
    """Without what is empty; `a: None` says that nothing is accepted but silence."""
    return {
        k: v for k, v in values.items() if k in ("a", "arms") or (v not in ("", [], None) and v is not False)
    }
