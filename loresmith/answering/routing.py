"""Which documents a question names, decided by code.

"In Apple's Q3 2022 10-Q" means the documents whose name or title says Q3 and 2022; "the latest
report" the newest of a series; "over the quarters" wants several documents beside each other, so
the passages must not all come from the one that is most similar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.answering import facts
from loresmith.answering.evidence import Question
from loresmith.answering.text import fold
from loresmith.answering.vocabulary import LATEST, MANY


@dataclass(frozen=True, slots=True)
class Entry:
    """What routing knows of a document."""

    id: str
    title: str
    modified: float | None = None

    @property
    def name(self) -> str:
        return re.sub(r"\.[A-Za-z]\w{1,4}\b", " ", re.sub(r"[_/]+", " ", f"{self.id} {self.title}"))


@dataclass(frozen=True, slots=True)
class Route:
    """Where to look. `documents`: only these ("": everywhere). `several`: beside each other."""

    documents: tuple[str, ...] = ()
    several: bool = False


def route(question: Question, entries: Sequence[Entry]) -> Route:
    """The documents that `question` names by period, code or "latest"."""
    text = question.text
    several = MANY.search(text) is not None
    period = {c for c in question.codes if re.fullmatch(r"q[1-4]", c)}
    if LATEST.search(text) and not period:
        series = sorted((key, e.id) for e in entries if (key := _period(e)) is not None)
        if len(series) > 1:
            newest = [doc for key, doc in series if key == series[-1][0]]
            return Route(() if several else tuple(newest), several)
    if period or question.years:
        named = [e.id for e in entries if _names(e, period, question.years)]
        if named and len(named) < len(entries):
            return Route(tuple(named), several or len(named) > 1)
    return Route((), several)


def _names(entry: Entry, period: set[str], years: frozenset[float]) -> bool:
    if period and not period & facts.codes(entry.name):
        return False
    stated = facts.years(entry.name)
    if years:
        return bool(years & stated)
    return bool(period)


def _period(entry: Entry) -> tuple[int, str] | None:
    """(year, quarter or month) by which documents of one series are ordered; None: no series."""
    years = facts.years(entry.name)
    if not years:
        return None
    quarters = sorted(c for c in facts.codes(entry.name) if re.fullmatch(r"q[1-4]", c))
    month = re.search(r"(?:19|20)\d{2}[-_ .](\d{2})\b", fold(entry.name))
    return int(max(years)), quarters[-1] if quarters else (month[1] if month else "")
