"""Offline scores of answers, citations, abstention and retrieval.

All functions are pure; shares are in [0, 1]. Words are compared after folding (Unicode, case,
articles and punctuation), as in SQuAD's evaluation (Rajpurkar et al. 2016); numbers by value with
a relative tolerance.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from typing import Any

from loresmith.answering import facts
from loresmith.answering.facts import Number
from loresmith.answering.text import CJK, fold
from loresmith.types import Answer

Gold = str | Sequence[str] | None
"""An accepted answer, several of them, or None: not answerable from the documents."""

_ARTICLES = frozenset(
    ("a", "an", "the", "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "le", "la", "les",
     "un", "une", "el", "los", "las", "il", "lo", "gli", "i")
)  # fmt: skip
_TOKEN = re.compile(rf"\d+(?:[.,]\d+)*|[{CJK}]|(?:(?![{CJK}])\w)+")


def tokens(text: str) -> list[str]:
    """Folded tokens without articles and punctuation; Chinese and Japanese by character."""
    return [t for t in _TOKEN.findall(fold(text)) if t not in _ARTICLES]


def token_f1(answer: str, gold: str) -> float:
    """F1 of the bags of tokens."""
    ours, theirs = Counter(tokens(answer)), Counter(tokens(gold))
    same = sum((ours & theirs).values())
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * same / (sum(ours.values()) + sum(theirs.values()))


def token_recall(answer: str, gold: str) -> float:
    """Share of the gold answer's tokens that the answer holds: kind to a full sentence."""
    ours, theirs = Counter(tokens(answer)), Counter(tokens(gold))
    return sum((ours & theirs).values()) / sum(theirs.values()) if theirs else 0.0


def _scaled(number: Number) -> set[float]:
    factor = {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}[number.scale]
    return {value * factor for value in number.values}


def _same(a: Number, b: Number, tolerance: float) -> bool:
    if a.unit and b.unit and a.unit != b.unit:
        return False
    pairs = [(x, y) for x in _scaled(a) for y in _scaled(b)]
    # A table's "82,959" (in millions) and a text's "$82,959 million" are the same figure.
    pairs += [(x, y) for x in a.values for y in b.values if not (a.scale and b.scale)]
    return any(math.isclose(abs(x), abs(y), rel_tol=tolerance, abs_tol=1e-9) for x, y in pairs)


def numeric_recall(answer: str, gold: str, tolerance: float = 0.005) -> float | None:
    """Share of the gold answer's figures that the answer holds; None where gold has no figure.

    Figures are numbers with a unit or of two digits and more; years and days of dates count only
    where gold has nothing else.
    """
    wanted = figures(gold)
    if not wanted:
        return None
    held = facts.numbers(answer)
    return sum(any(_same(n, m, tolerance) for m in held) for n in wanted) / len(wanted)


def figures(text: str) -> list[Number]:
    """The numbers that make an answer: with a unit, else all; no years, no days, no doubles."""
    found = {(n.text, n.unit): n for n in facts.numbers(text)}.values()
    strong = [n for n in found if n.unit or n.scale or any(v != int(v) or v > 2100 for v in n.values)]
    return strong or list(found)


def codes_match(answer: str, gold: str) -> bool:
    """Whether every code of the gold answer ("VG220", "E-14") stands in the answer."""
    wanted = facts.codes(gold)
    return bool(wanted) and wanted <= facts.codes(answer)


def right(answer: str, gold: Gold, *, f1: float = 0.5, tolerance: float = 0.005) -> bool:
    """Whether an answer counts as right.

    Short gold (up to eight tokens): every figure and code of it stands in the answer; without
    figures, its tokens do (recall at least .75) or token F1 reaches `f1`. Long gold (prose with
    figures): at least half of its figures stand in the answer; without figures, token F1 of at
    least half of `f1` or recall of `f1`. With several accepted answers the best one counts.
    """
    if gold is None:
        return False
    if not isinstance(gold, str):
        return any(right(answer, one, f1=f1, tolerance=tolerance) for one in gold)
    share = numeric_recall(answer, gold, tolerance)
    if len(tokens(gold)) <= 8:
        if share is not None:
            return share == 1.0
        return codes_match(answer, gold) or token_recall(answer, gold) >= 0.75 or token_f1(answer, gold) >= f1
    if share is not None:
        return share >= 0.5
    return token_f1(answer, gold) >= f1 / 2 or token_recall(answer, gold) >= f1


def named(document: str, gold: Sequence[str]) -> bool:
    """Whether a document is one of the gold ones; gold may be patterns ("*2023 Q1*") or file names."""
    return any(
        document == g or fnmatch(document, g) or document.rsplit("/", 1)[-1] == g.rsplit("/", 1)[-1]
        for g in gold
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One question, judged. None: does not apply (no gold, or nothing was answered).

    Attributes:
        citation_precision: share of cited documents (and pages where gold has one) that are gold.
        page: the gold page is among the cited ones.
        quotes: share of quotes found verbatim in the passages that were retrieved.
    """

    id: str
    kind: str
    answerable: bool | None
    answered: bool
    right: bool | None
    f1: float | None
    figures: float | None
    citation_precision: float | None
    page: bool | None
    quotes: float | None
    seconds: float


def judge(question: Mapping[str, Any], answer: Answer | Mapping[str, Any]) -> Judged:
    """Judge one answer against its line of a question file.

    Args:
        question: `id`, `question`, and where known `answer`, `documents`, `page`, `kind`.
        answer: an `Answer` or its JSON form.
    """
    said = answer.to_dict() if isinstance(answer, Answer) else answer
    answered = not said["abstained"]
    known = "answer" in question
    gold: Gold = question.get("answer")
    answerable = (gold is not None) if known else None
    texts = [gold] if isinstance(gold, str) else list(gold or ())
    documents = question.get("documents") or []
    documents = [documents] if isinstance(documents, str) else list(documents)
    cited = [c for s in said["sentences"] for c in s["citations"]]
    passages = [fold(h["text"]) for h in said["hits"]]
    pages = _pages(question)
    shares = [s for g in texts if (s := numeric_recall(said["answer"], g)) is not None]
    scored = answered and bool(answerable)
    return Judged(
        id=str(question.get("id", "")),
        kind=str(question.get("kind", "")),
        answerable=answerable,
        answered=answered,
        right=(answered and right(said["answer"], gold)) if answerable else None,
        f1=max((token_f1(said["answer"], g) for g in texts), default=None) if scored else None,
        figures=max(shares, default=None) if scored else None,
        citation_precision=(
            sum(named(c["document"], documents) for c in cited) / len(cited)
            if scored and cited and documents
            else None
        ),
        page=(
            any(c["locator"].get("page") in pages and named(c["document"], documents) for c in cited)
            if scored and pages
            else None
        ),
        quotes=sum(any(fold(c["quote"]) in p for p in passages) for c in cited) / len(cited)
        if cited
        else None,
        seconds=sum(said["seconds"].values()),
    )


def _pages(question: Mapping[str, Any]) -> set[int]:
    page = question.get("page")
    if page is None:
        return set()
    return {int(p) for p in (page if isinstance(page, list) else [page]) if p is not None}


def summary(judged: Sequence[Judged]) -> dict[str, float | int | None]:
    """Means over questions; `false_answers` over the unanswerable, `false_refusals` over the answerable."""

    def mean(values: Sequence[float | bool | None]) -> float | None:
        kept = [float(v) for v in values if v is not None]
        return round(sum(kept) / len(kept), 4) if kept else None

    can = [j for j in judged if j.answerable]
    cannot = [j for j in judged if j.answerable is False]
    return {
        "questions": len(judged),
        "answered": mean([j.answered for j in judged]),
        "right": mean([j.right for j in can]),
        "right_of_answered": mean([j.right for j in can if j.answered]),
        "token_f1": mean([j.f1 for j in judged]),
        "figures": mean([j.figures for j in judged]),
        "citation_precision": mean([j.citation_precision for j in judged]),
        "page_right": mean([j.page for j in judged]),
        "quotes_verbatim": mean([j.quotes for j in judged]),
        "false_answers": mean([j.answered for j in cannot]),
        "false_refusals": mean([not j.answered for j in can]),
        "seconds_p50": round(sorted(j.seconds for j in judged)[len(judged) // 2], 3) if judged else None,
    }


def by_kind(judged: Sequence[Judged]) -> dict[str, dict[str, float | int | None]]:
    kinds = sorted({j.kind for j in judged})
    return {kind: summary([j for j in judged if j.kind == kind]) for kind in kinds}


def to_rows(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    return [asdict(j) for j in judged]


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], k: int = 10) -> float:
    """nDCG@k with gains 2^grade - 1 (Järvelin & Kekäläinen 2002; trec_eval's linear gain agrees
    for binary grades)."""
    gained = sum((2 ** relevant.get(d, 0) - 1) / math.log2(i + 2) for i, d in enumerate(ranked[:k]))
    best = sum(
        (2**g - 1) / math.log2(i + 2) for i, g in enumerate(sorted(relevant.values(), reverse=True)[:k])
    )
    return gained / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Sequence[str], k: int = 10) -> float:
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant)) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Sequence[str]) -> float:
    wanted = set(relevant)
    return next((1 / i for i, d in enumerate(ranked, start=1) if d in wanted), 0.0)
