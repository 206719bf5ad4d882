"""One stored answer against its question: what arms are compared by, and secondary figures.

Whether an answer is right is `metrics.right` made strict about what was asked for: the figures and words
of an accepted answer that do not stand in the question must be said. "The seal is made of Viton" is not
right where EPDM is, however much of the sentence agrees.

Promises: pure functions; nothing here knows which arm it would like to win.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from loresmith.answering.text import fold
from loresmith.dataset.duplicates import normal
from loresmith.evaluation import metrics
from loresmith.evaluation.comparison.values import Question, Record, Score
from loresmith.types import usage

CITING = ("rag", "both", "oracle")
SEARCHING = ("rag", "both")

_AT = 10
_SHORT, _LONG = 0.75, 0.5
# From so many words on an answer is prose, of which half must be said.
_PROSE = 20
_WORD = re.compile(r"\w+")
_CHOICE = re.compile(r"(\w+)\s+(?:or|oder|ou|o|of)\s+(?:an?\s+|the\s+)?(\w+)\W*$")


def score(question: Question, record: Record) -> Score:
    """Judge one answer. A failed call is an answer that served nobody."""
    said: Mapping[str, Any] = record.answer
    answered = not record.error and not said.get("abstained", True)
    text = str(said.get("answer", "")) if answered else ""
    gold = question.answer or ()
    formed = form(question, text) if answered else None
    formal = bool(question.terms or question.avoid or question.pattern)
    answerable = None if question.answer == () and not formal else question.answer is not None
    judged = (answered and right(question.question, text, gold)) if gold else None
    if answerable:
        success = float(answered and judged in (None, True) and formed in (None, True))
    else:
        success = float(answerable is False and not answered and not record.error)
    scored = answered and bool(gold)
    shares = [s for g in gold if (s := metrics.numeric_recall(text, g)) is not None]
    cited = [c for s in said.get("sentences", ()) for c in s["citations"]]
    hits = said.get("hits", ())
    known = bool(question.documents) and bool(answerable)
    cites = known and answered and record.arm in CITING
    found = ranked(hits, question.documents) if known and record.arm in SEARCHING else None
    wanted = list(question.documents)
    return Score(
        question=question.id,
        arm=record.arm,
        stratum=question.stratum,
        cluster=question.cluster or question.id,
        success=success,
        answered=answered,
        answerable=answerable,
        right=judged,
        form=formed,
        exact=any(metrics.tokens(text) == metrics.tokens(g) for g in gold) if scored else None,
        f1=max(metrics.token_f1(text, g) for g in gold) if scored else None,
        rouge_l=max(rouge_l(text, g) for g in gold) if scored else None,
        figures=max(shares, default=None) if scored else None,
        citation_precision=_precision(question, cited) if cites and cited else None,
        citation_recall=_recall(question, cited) if cites else None,
        page=any(_on_page(question, c) for c in cited) if cites and question.pages else None,
        quotes=quotes(cited, hits) if cited else None,
        ndcg=metrics.ndcg(found, dict.fromkeys(wanted, 1.0), _AT) if found is not None else None,
        recall=metrics.recall(found, wanted, _AT) if found is not None else None,
        mrr=metrics.reciprocal_rank(found[:_AT], wanted) if found is not None else None,
        seconds=record.seconds,
        tokens=usage(record.tokens)[1],
        error=record.error,
    )


def right(question: str, said: str, gold: Sequence[str]) -> bool:
    """Whether one of the accepted answers is said."""
    return any(_says(question, said, one) for one in gold)


def _says(question: str, said: str, gold: str) -> bool:
    asked = set(normal(question).split())
    own = _own(gold, asked)
    heard = set(normal(said).split())
    if own <= asked and _other_first(question, said, own):
        return False
    share = metrics.numeric_recall(said, _without(gold, question))
    if share is not None:
        return share == 1.0 if len(metrics.tokens(gold)) <= _PROSE else share >= _LONG
    if metrics.codes_match(said, gold) and len(own) <= 1:
        return True
    held = len(own & heard) / len(own) if own else float(bool(heard))
    if held >= (_SHORT if len(own) <= _PROSE else _LONG):
        return True
    # A name cut short is the name, where nothing else is said.
    rest = heard - asked
    return bool(rest) and rest <= own and held >= _LONG


def _other_first(question: str, said: str, own: set[str]) -> bool:
    """Whether of two things that a question lets choose from the other one is named first: "7 is larger
    than 12" is no way to say 12."""
    found = _CHOICE.search(question)
    if found is None:
        return False
    others = {word for side in found.groups() for word in normal(side).split()} - own
    words = normal(said).split()
    first = next((word for word in words if word in own or word in others), "")
    return first in others


def _own(gold: str, asked: set[str]) -> set[str]:
    """The words of an accepted answer that the question does not give away; all of them where it
    gives away every one (a choice between two)."""
    words = set(normal(gold).split())
    return (words - asked) or words


def _without(gold: str, question: str) -> str:
    """`gold` without the figures that the question already names, unless it has no others."""
    given = {n.text for n in metrics.figures(question)}
    kept = gold
    for number in metrics.figures(gold):
        if number.text in given:
            kept = kept.replace(number.text, " ")
    return kept if metrics.figures(kept) else gold


def form(question: Question, text: str) -> bool | None:
    """Whether the house's words and form hold; None where none are asked for."""
    if not (question.terms or question.avoid or question.pattern):
        return None
    folded = fold(text)
    return (
        all(_stands(term, text) for term in question.terms)
        and not any(_stands(fold(word), folded) for word in question.avoid)
        and (not question.pattern or re.search(question.pattern, text) is not None)
    )


def _stands(word: str, text: str) -> bool:
    """As a word of its own, not within another one."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def rouge_l(answer: str, gold: str) -> float:
    """ROUGE-L: F1 of the longest common subsequence of words (Lin 2004, section 2.2, beta = 1)."""
    ours, theirs = _WORD.findall(fold(answer)), _WORD.findall(fold(gold))
    if not ours or not theirs:
        return 0.0
    row = [0] * (len(theirs) + 1)
    for word in ours:
        previous = 0
        for place, other in enumerate(theirs, 1):
            above = row[place]
            row[place] = previous + 1 if word == other else max(above, row[place - 1])
            previous = above
    common = row[-1]
    return 2 * common / (len(ours) + len(theirs))


def ranked(hits: Sequence[Mapping[str, Any]], gold: Sequence[str]) -> list[str]:
    """The documents found, each once, best first; a gold one under the name that gold gives it."""
    names = [next((g for g in gold if metrics.named(h["document"], [g])), h["document"]) for h in hits]
    return list(dict.fromkeys(names))


def quotes(cited: Sequence[Mapping[str, Any]], hits: Sequence[Mapping[str, Any]]) -> float:
    """Share of quotes that stand verbatim in a passage shown."""
    shown = Counter(fold(h["text"]) for h in hits)
    return sum(any(fold(c["quote"]) in text for text in shown) for c in cited) / len(cited)


def _on_page(question: Question, citation: Mapping[str, Any]) -> bool:
    page = citation["locator"].get("page")
    return page in question.pages and metrics.named(citation["document"], question.documents)


def _precision(question: Question, cited: Sequence[Mapping[str, Any]]) -> float:
    """Share of citations of a gold document, and of a gold page where both know pages."""

    def good(citation: Mapping[str, Any]) -> bool:
        if not metrics.named(citation["document"], question.documents):
            return False
        page = citation["locator"].get("page")
        return not question.pages or page is None or page in question.pages

    return sum(map(good, cited)) / len(cited)


def _recall(question: Question, cited: Sequence[Mapping[str, Any]]) -> float:
    """Share of gold documents that are cited."""
    held = [any(metrics.named(c["document"], [gold]) for c in cited) for gold in question.documents]
    return sum(held) / len(held)
