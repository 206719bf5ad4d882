"""Questions that the adapter has seen in training: found, taken out, counted.

    the same question (in its normal form)                        -> a leak
    nearly the same words, or nearly the same meaning,
    with the same figures, codes and negations and the same answer -> a leak

"Torque of M8" and "torque of M10" are different questions however near they lie, and so are two
questions with different answers. Promises: what is taken out is named beside what it is too much like;
without the training rows nothing is claimed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from loresmith.dataset.duplicates import disagree, normal
from loresmith.dataset.example import Example
from loresmith.evaluation.comparison.questions import Removed
from loresmith.evaluation.comparison.values import Question
from loresmith.types import Embedder, Vectors

WORDS = 0.9
"""Share of three-letter pieces (Dice) from which two questions are nearly the same words."""
MEANING = 0.96
"""Cosine from which two questions are nearly the same in meaning."""

_CHUNK = 512
_NEGATION = frozenset("not no never without nicht kein keine nie ohne ne pas sans sin non senza".split())  # noqa: SIM905


def find(
    questions: Sequence[Question],
    train: Sequence[Example],
    embedder: Embedder | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Removed]:
    """The questions that `train` holds too.

    Args:
        embedder: None compares words only.
    """
    rows = list({(normal(q), normal(row.answer)): (q, row) for row in train for q in _asked(row)}.items())
    same: dict[str, list[int]] = defaultdict(list)
    steady: dict[str, list[int]] = defaultdict(list)
    for place, ((asked, _), _) in enumerate(rows):
        same[asked].append(place)
        steady[_steady(asked)].append(place)
    pieces = [_pieces(asked) for (asked, _), _ in rows]
    found: dict[str, tuple[str, int]] = {}
    unsure: list[tuple[Question, list[int]]] = []
    for question in questions:
        asked = normal(question.question)
        if asked in same:
            found[question.id] = ("leak: the same question is in the training data", same[asked][0])
            continue
        near = [p for p in steady.get(_steady(asked), ()) if _agree(question, asked, rows[p][0][1])]
        own = _pieces(asked)
        best = max(near, key=lambda p: _dice(own, pieces[p]), default=None)
        if best is not None and _dice(own, pieces[best]) >= WORDS:
            found[question.id] = ("leak: nearly the same words are in the training data", best)
        elif near:
            unsure.append((question, near))
    if embedder is not None and unsure:
        found |= _by_meaning(unsure, [q for _, (q, _) in rows], embedder, progress)
    return [
        Removed(
            id=q.id,
            question=q.question,
            reason=found[q.id][0],
            beside=f"{rows[found[q.id][1]][1][0]} ({rows[found[q.id][1]][1][1].origin or 'training row'})",
        )
        for q in questions
        if q.id in found
    ]


def _asked(row: Example) -> list[str]:
    if row.kind == "chat":
        return [m["content"] for m in row.messages if m["role"] == "user"]
    return [row.question] if row.question else []


def _by_meaning(
    unsure: Sequence[tuple[Question, list[int]]],
    asked: Sequence[str],
    embedder: Embedder,
    progress: Callable[[int, int], None],
) -> dict[str, tuple[str, int]]:
    """By cosine, of those only that words leave open."""
    wanted = sorted({p for _, near in unsure for p in near})
    place = {p: n for n, p in enumerate(wanted)}
    theirs = _embedded(embedder, [asked[p] for p in wanted], progress)
    ours = _embedded(embedder, [q.question for q, _ in unsure], progress)
    found = {}
    for row, (question, near) in enumerate(unsure):
        alike = theirs[[place[p] for p in near]] @ ours[row]
        best = int(np.argmax(alike))
        if alike[best] >= MEANING:
            reason = f"leak: nearly the same question is in the training data (cosine {alike[best]:.2f})"
            found[question.id] = (reason, near[best])
    return found


def _embedded(embedder: Embedder, texts: Sequence[str], progress: Callable[[int, int], None]) -> Vectors:
    parts = []
    for start in range(0, len(texts), _CHUNK):
        parts.append(embedder.embed_queries(texts[start : start + _CHUNK]))
        progress(min(start + _CHUNK, len(texts)), len(texts))
    return np.concatenate(parts)


def _agree(question: Question, asked: str, answer: str) -> bool:
    """Whether a training row's answer is one that is accepted."""
    if not question.answer:
        return True
    return any(not disagree(asked, normal(gold), answer) for gold in question.answer)


def _steady(text: str) -> str:
    """What two askings of one thing share: figures, codes, negations."""
    words = re.findall(r"\w+", text)
    return " ".join(sorted({w for w in words if w in _NEGATION or any(map(str.isdigit, w))}))


def _pieces(text: str) -> frozenset[str]:
    padded = f"  {text} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
