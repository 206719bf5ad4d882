"""Questions with passages: the prompt of the arm "both", answered, or rightly not answered.

    question -> retrieve -> the right passage among near misses -> prompt -> the answer
    question -> retrieve -> passages that do not hold the answer   -> prompt -> an abstention

The messages are those that `answering.generate` sends: its choice and order of hits, its request,
its language. Promises: an answered row's passages prove its answer by `answering.verify`; an
abstaining row's passages do not hold the value, and no rule of verification finds it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

from loresmith.answering import prompt
from loresmith.answering.agreement import near_miss
from loresmith.answering.evidence import Piece, Question, gather, parse_question, rank, talks_to_model
from loresmith.answering.generate import abstention, refuses
from loresmith.answering.sentences import split
from loresmith.answering.text import fold, terms
from loresmith.answering.verify import Support, verify
from loresmith.language import detect
from loresmith.types import Hit, Locator, Message, Passage

Retrieve = Callable[[str, int], list[Hit]]

WIDELY = 8
"""Hits that are looked at for one question, as many as the expert's own default."""

_ROOM = 760
"""Tokens of a prompt's passages and question: the expert's budget, counted on the safe side."""


def proved(
    question: str, answer: str, passages: Sequence[Passage], language: str
) -> tuple[Support, ...] | str:
    """The support of each sentence of `answer` in `passages`, or why one of them has none."""
    found = gather([Hit(passage=p, rank=n, score=1.0) for n, p in enumerate(passages, 1)])
    return proved_by(parse_question(question, language=language), answer, found)


def proved_by(asked: Question, answer: str, found: Sequence[Piece]) -> tuple[Support, ...] | str:
    out = []
    for said in split(answer):
        outcome = verify(said, asked, found, _place)
        if isinstance(outcome, str):
            return outcome
        out.append(outcome)
    return tuple(out) or "it says nothing"


def _place(passage: Passage, start: int, end: int) -> Locator:
    return Locator(start=start, end=end)


def answered(
    question: str, gold: Passage, found: Sequence[Hit], beside: int, rng: Random
) -> list[Message] | None:
    """The prompt with `gold` and up to `beside` distractors, as the expert would order them.

    None where the expert itself would leave `gold` out, or nothing but it fits.
    """
    language = detect(question)
    asked = parse_question(question, language=language)
    others = [h.passage for h in found if h.passage.id != gold.id and not talks_to_model(h.passage.text)]
    chosen = _as_read(asked, [gold, *_near(others, gold, beside, rng)], found)
    if gold not in chosen:
        return None
    return _messages(question, _fitting(question, chosen, gold, language), language)


def unanswered(
    question: str,
    answer: str,
    value: str,
    found: Sequence[Hit],
    beside: int,
    rng: Random,
    without: Callable[[Passage], bool],
) -> list[Message] | None:
    """The prompt with passages that do not answer; None where too little is left, or too much.

    Args:
        answer, value: what must not follow from the passages; "" where there is no true answer.
        without: passages that must not be there.
    """
    language = detect(question)
    asked = parse_question(question, language=language)
    told = fold(value)
    left = [h.passage for h in found if not without(h.passage) and not talks_to_model(h.passage.text)]
    if told:
        # A short value ("4") stands everywhere; a longer one must not stand in what is shown.
        left = [
            p
            for p in left
            if len(told) < 4 or not re.search(rf"(?<!\w){re.escape(told)}(?!\w)", fold(p.text))
        ]
    if not left:
        return None
    number = max(1, min(len(left), beside + rng.choice((0, 1, 1))))
    chosen = _as_read(asked, left[:number], found)
    if answer:
        pieces = gather([Hit(passage=p, rank=n, score=1.0) for n, p in enumerate(chosen, 1)])
        if not isinstance(proved_by(asked, answer, pieces), str):
            return None
    return _messages(question, _fitting(question, chosen, None, language), language)


def abstained(question: str, language: str) -> str:
    """The words of an abstention in the question's language, in the document's where that is too short."""
    return abstention(detect(question) or language)


def says_nothing(answer: str) -> bool:
    return refuses(answer) or not answer.strip()


def _near(others: Sequence[Passage], gold: Passage, beside: int, rng: Random) -> list[Passage]:
    """Distractors: the best of the search, at times fewer or more than usual."""
    number = max(0, beside + rng.choice((-1, 0, 0, 0, 1, 2)))
    return list(others[:number])


def _as_read(asked: Question, passages: Sequence[Passage], found: Sequence[Hit]) -> list[Passage]:
    """In the order of `generate`: as code would quote them, near misses left out."""
    ranks = {h.passage.id: h for h in found}
    hits = [ranks.get(p.id) or Hit(passage=p, rank=len(found) + 1, score=0.0) for p in passages]
    place: dict[str, int] = {}
    for position, (_, piece) in enumerate(rank(asked, gather(hits))):
        place.setdefault(piece.passage.id, position)
    ordered = sorted(hits, key=lambda h: place.get(h.passage.id, len(place)))
    kept = [h for h in ordered if not near_miss(asked, h.passage)] or ordered
    return [h.passage for h in kept]


def _fitting(
    question: str, passages: Sequence[Passage], gold: Passage | None, language: str
) -> list[Passage]:
    """As many of the passages as fit the expert's prompt, the right one among them."""
    kept: list[Passage] = []
    room = _ROOM - tokens(question) - (tokens(_shown(gold)) if gold is not None else 0)
    for passage in passages:
        size = tokens(_shown(passage)) if gold is None or passage.id != gold.id else 0
        if size <= room or not kept:
            kept.append(passage)
            room -= size
    if gold is not None and gold not in kept:
        kept = [gold]
    return kept


def _shown(passage: Passage | None) -> str:
    return prompt.fenced(1, passage) if passage is not None else ""


def tokens(text: str) -> int:
    """Tokens of `text` on the safe side, for models that cut numbers into digits."""
    words = re.findall(r"[^\W\d_]+|\d|[^\w\s]|[\u3400-\u9fff]", text)
    return sum(1 + (len(w) - 1) // (6 if w.isascii() else 3) for w in words)


def _messages(question: str, passages: Sequence[Passage], language: str) -> list[Message]:
    hits = [Hit(passage=p, rank=n, score=1.0) for n, p in enumerate(passages, 1)]
    return prompt.messages(question, hits, language=language)


def by_words(passages: Sequence[Passage]) -> Retrieve:
    """A search by shared words, for where there is no index to ask: rare words weigh more."""
    held = [terms(p.indexed_text()) for p in passages]
    counts: dict[str, int] = {}
    for one in held:
        for term in one:
            counts[term] = counts.get(term, 0) + 1

    def retrieve(query: str, k: int) -> list[Hit]:
        asked = terms(query)
        scores = [sum(1 / counts[t] for t in asked & one) for one in held]
        best = sorted(range(len(held)), key=lambda i: (-scores[i], passages[i].id))[:k]
        return [
            Hit(passage=passages[i], rank=n, score=scores[i]) for n, i in enumerate(best, 1) if scores[i] > 0
        ]

    return retrieve
