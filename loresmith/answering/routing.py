"""Which documents a question names, decided by code.

"In Apple's Q3 2022 10-Q" means the documents whose name or title says Q3 and 2022; "the latest
report" the newest of a series; "over the quarters" wants several documents beside each other, so
the passages must not all come from the one that is most similar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loresmith.answering import facts
from loresmith.answering.evidence import Question
from loresmith.answering.text import fold
from loresmith.answering.vocabulary import LATEST, MANY
from loresmith.types import Filter, Hit

Search = Callable[[str, int, Filter], list[Hit]]
"""(query, k, filter) -> hits, best first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What routing knows of a document."""

    id: str
    title: str

    @property
    def name(self) -> str:
        return re.sub(r"\.[A-Za-z]\w{1,4}\b", " ", re.sub(r"[_/]+", " ", f"{self.id} {self.title}"))


@dataclass(frozen=True, slots=True)
class Route:
    """Where to look. `documents`: only these ("": everywhere). `several`: beside each other."""

    documents: tuple[str, ...] = ()
    several: bool = False


def route(question: Question, entries: Sequence[Entry]) -> Route:
    """The documents of a series that `question` names by period or as "the latest".

    Only documents whose names differ by nothing but year, quarter or date are a series: a year in
    a question about anything else says what to look for, not where.
    """
    several = MANY.search(question.text) is not None
    series = _series(entries)
    period = {c for c in question.codes if re.fullmatch(r"q[1-4]", c)}
    if period or question.years:
        named = [e.id for e in series if _names(e, period, question.years)]
        if named and len(named) < len(series):
            return Route(tuple(named), several or len(named) > 1)
    elif LATEST.search(question.text) and series:
        newest = max(_period(e) for e in series)
        latest = [e.id for e in series if _period(e) == newest]
        return Route(() if several else tuple(latest), several)
    return Route((), several)


def find(
    question: Question, entries: Sequence[Entry], k: int, where: Filter, search: Search
) -> tuple[list[Hit], bool]:
    """The passages to answer from, and whether several documents are wanted beside each other.

    Documents that the question names come first; where it wants several, each gives its best
    passages in turn, so that the most similar document does not take all places.

    Args:
        entries: the documents that the reader may see.
    """
    way = route(question, entries)
    if not way.several:
        named = search(question.text, k, _only(where, way.documents)) if way.documents else []
        rest = search(question.text, k, where) if len(named) < k else []
        known = {h.passage.id for h in named}
        return _ranked([*named, *(h for h in rest if h.passage.id not in known)][:k]), False
    documents = way.documents or tuple(
        dict.fromkeys(h.passage.document for h in search(question.text, 6 * k, where))
    )
    if len(documents) < 2:
        return search(question.text, k, where), False
    each = max(2, k // min(len(documents), k))
    lists = [search(question.text, each, _only(where, (d,))) for d in documents[:k]]
    return _ranked([hits[i] for i in range(each) for hits in lists if i < len(hits)]), True


def _only(where: Filter, documents: Sequence[str]) -> Filter:
    return replace(where, documents=tuple(documents))


def _ranked(hits: Sequence[Hit]) -> list[Hit]:
    return [replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1)]


def _series(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of the largest series; none where no two names belong together."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if facts.years(entry.name):
            bare = re.sub(r"\b(?:q[1-4]|\d+)\b|[-_.]", " ", fold(re.sub(r"\.\w{2,5}$", "", entry.id)))
            groups.setdefault(" ".join(bare.split()), []).append(entry)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) > 1 else []


def _names(entry: Entry, period: set[str], years: frozenset[float]) -> bool:
    if period and not period & facts.codes(entry.name):
        return False
    return bool(years & facts.years(entry.name)) if years else bool(period)


def _period(entry: Entry) -> tuple[float, str]:
    """(year, quarter or month) by which documents of one series are ordered."""
    quarters = sorted(c for c in facts.codes(entry.name) if re.fullmatch(r"q[1-4]", c))
    month = re.search(r"(?:19|20)\d{2}[-_ .](\d{2})\b", fold(entry.name))
    return max(facts.years(entry.name)), quarters[-1] if quarters else (month[1] if month else "")
