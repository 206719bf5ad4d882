"""Whether the tables can answer a question at all: how much of it they account for.

`signals` are plain counts of the links, `tabular` their logistic sum. The weights are fitted by
benchmarks/routing.py on questions that databases answer against questions that they do not, questions
about documents among them; the databases that it reports were not among those it was fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from loresmith.querying.linking import Atom, Links

_ASKING = ["count", "sum", "avg", "max", "min", "group", "percent", "share", "ratio", "much", "distinct"]
_LIMITING = ["gt", "ge", "lt", "le", "between", "order", "desc", "asc", "before", "after", "alphabetical"]
_CONTENT = ["table", "column", "name", "value", "date", "number", "quote", "unknown"]
_WHY = [
    "why",
    "warum",
    "wieso",
    "weshalb",
    "perche",
    "pourquoi",
    "explain",
    "describe",
    "can",
    "could",
    "is",
    "are",
]
_HOW = ["how", "wie", "como", "come", "comment"]
_MUCH = [
    "many",
    "much",
    "often",
    "long",
    "high",
    "old",
    "big",
    "viele",
    "viel",
    "oft",
    "hoch",
    "lange",
    "gross",
]
_STEPS = [
    "step",
    "steps",
    "process",
    "procedure",
    "explain",
    "purpose",
    "function",
    "mean",
    "means",
    "bedeutet",
]

WEIGHTS: Mapping[str, float] = {
    "coverage": 4.73, "unknown": -2.73, "names": 0.51, "values": 0.39, "asking": 1.58, "limiting": 1.62,
    "how": -1.06,
}  # fmt: skip
BIAS = -2.76


def signals(question: str, links: Links) -> Mapping[str, float]:
    """What speaks for and against an answer from tables, each in [0, 1].

    coverage: share of the content words that are names or values of the tables.
    unknown: content words that nothing accounts for, at most 6, of 6.
    names: how well the best name fits.  values: a value is named.
    asking, limiting: operators of a figure; of a condition or an order.
    how: an explanation is asked for: how something is done, or why.
    """
    content = [a for a in links.atoms if a.kind in _CONTENT]
    held = [a for a in content if a.kind in ("table", "column", "name", "value")]
    size = sum(map(_size, content)) or 1
    unknown = sum(_size(a) for a in links.atoms if a.kind in ("unknown", "quote"))
    kinds = {k.split(":")[0] for a in links.atoms if a.kind == "operator" for k in a.kinds[:1]}
    return {
        "coverage": sum(map(_size, held)) / size,
        "unknown": min(unknown, 6) / 6,
        "names": max((_best(a) for a in held), default=0.0),
        "values": float(any(a.kind == "value" for a in held)),
        "asking": min(len(kinds & set(_ASKING)), 2) / 2,
        "limiting": float(bool(kinds & set(_LIMITING))),
        "how": float(_explains([w.folded for w in links.words])),
    }


def tabular(question: str, links: Links) -> float:
    """An estimate in [0, 1] that the tables answer the question."""
    return score(signals(question, links)) if links.tables else 0.0


def score(found: Mapping[str, float]) -> float:
    """The logistic sum of signals."""
    return 1 / (1 + math.exp(-BIAS - sum(WEIGHTS[name] * value for name, value in found.items())))


def _size(atom: Atom) -> int:
    return max(1, atom.last - atom.first)


def _best(atom: Atom) -> float:
    return max([*(s for _, s in atom.tables), *(c.score for c in atom.columns)], default=0.0)


def _explains(words: list[str]) -> bool:
    """ "How do I", "why", "what are the steps": an explanation is asked for, no figure."""
    if not words:
        return False
    second = words[1] if len(words) > 1 else ""
    return words[0] in _WHY or (words[0] in _HOW and second not in _MUCH) or not set(_STEPS).isdisjoint(words)
