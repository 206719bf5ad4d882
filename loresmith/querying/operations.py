"""What a question wants of a report table: a value, a change, a share, the year in which, how many.

Read off the wording alone; whether the table has what it names is arithmetic's to see. Questions for
reasons, definitions and names of things are none of its business: None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from loresmith.answering.text import fold
from loresmith.language import detect
from loresmith.querying import periods, wording
from loresmith.querying.periods import Period
from loresmith.querying.scales import FACTOR, Scale, named, uses_comma
from loresmith.querying.scales import number as written
from loresmith.querying.terms import content

Kind = Literal[
    "value", "change", "percent", "sum", "average", "ratio", "share", "difference", "extreme", "filter",
    "count", "periods", "top row", "count rows",
]  # fmt: skip


# No question for a figure is longer; the patterns take their time over what is.
_LONGEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """ "more than 200 million": `sign` ">" or "<"; `scale` None where the question names none."""

    sign: Literal[">", "<"]
    number: float
    scale: Scale | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a question wants.

    Attributes:
        phrases: what it wants it of: first the whole, then the two parts of a ratio, a share, a
            difference of two things, a sum of two.
        periods: as they are named, in the question's order.
        spread: the periods are the ends of a span ("2017 to 2019").
        largest: of an extreme.
        year_average: "the 2019 average X": the mean of the figures at the year's end and the one before.
    """

    kind: Kind
    phrases: tuple[str, ...]
    periods: tuple[Period, ...]
    spread: bool = False
    largest: bool = True
    limit: Limit | None = None
    year_average: bool = False


def read(question: str) -> Asked | None:
    """What a question wants of a report table; None where it wants something else."""
    if len(question) > _LONGEST:
        return None
    folded = fold(question).strip(" ?.!")
    if wording.OTHER.search(folded):
        return None
    asked = tuple(periods.asked(question))
    phrase = _phrase(folded)
    spread = len(asked) == 2 and wording.BETWEEN.search(folded) is not None
    limit = _limit(folded)
    if limit and wording.HOW_MANY.search(folded):
        years = wording.HOW_MANY_YEARS.search(folded)
        kind: Kind = "count" if years else "count rows"
        return Asked(kind=kind, phrases=(_unlimited(phrase),), periods=asked, spread=spread, limit=limit)
    if wording.WHICH_YEAR.search(folded):
        return _which_year(folded, phrase, asked, limit)
    extreme = wording.HIGH.search(folded) or wording.LOW.search(folded)
    which = wording.WHICH.search(folded)
    if which and extreme:
        if wording.NTH.search(folded):
            return None
        largest = wording.HIGH.search(folded) is not None
        return Asked(kind="top row", phrases=(phrase, which["noun"]), periods=asked, largest=largest)
    return _share(folded, asked) or _figure(folded, phrase, asked, spread)


def _figure(folded: str, phrase: str, asked: tuple[Period, ...], spread: bool) -> Asked:
    average, change = wording.AVERAGE.search(folded), wording.CHANGE.search(folded)
    if wording.RESPECTIVE.search(folded) and len(asked) > 1 and not average:
        return Asked(kind="value", phrases=(phrase,), periods=asked)
    if wording.PERCENT.search(folded) and "absolute" not in folded:
        return Asked(kind="percent", phrases=(phrase,), periods=asked)
    if change and not (average and average.start() < change.start()):
        return _change(folded, phrase, asked, averaged=average is not None)
    if average:
        yearly = wording.YEAR_AVERAGE.search(folded) is not None
        return Asked(kind="average", phrases=(phrase,), periods=asked, spread=spread, year_average=yearly)
    if wording.SUM.search(folded):
        found = wording.SUM_OF.search(folded)
        parts = (_phrase(found["a"]), _phrase(found["b"])) if found and len(asked) <= 1 else ()
        return Asked(kind="sum", phrases=(phrase, *parts), periods=asked, spread=spread)
    return Asked(kind="value", phrases=(phrase,), periods=asked)


def _which_year(folded: str, phrase: str, asked: tuple[Period, ...], limit: Limit | None) -> Asked | None:
    if limit:
        return Asked(kind="filter", phrases=(_unlimited(phrase),), periods=asked, limit=limit)
    high, low = wording.HIGH.search(folded), wording.LOW.search(folded)
    if high or low:
        if wording.NTH.search(folded):
            return None
        return Asked(kind="extreme", phrases=(phrase,), periods=asked, largest=high is not None)
    given = wording.GIVEN.search(folded)
    return Asked(kind="periods", phrases=(phrase,), periods=asked) if given else None


def _share(folded: str, asked: tuple[Period, ...]) -> Asked | None:
    if wording.PERCENT.search(folded) and " as a " not in folded:
        return None
    for pattern in wording.SHARES:
        found = pattern.search(folded)
        if found and content(_phrase(found["b"])):
            how = found.groupdict().get("how") or "ratio"
            kind: Kind = "share" if how in wording.PERCENT_KINDS or "const" in how else "ratio"
            return Asked(kind=kind, phrases=(_phrase(found["a"]), _phrase(found["b"])), periods=asked)
    return None


def _change(folded: str, phrase: str, asked: tuple[Period, ...], *, averaged: bool) -> Asked:
    if len(asked) <= 1 or not wording.FROM_YEAR.search(folded):
        for pattern in wording.TWO:
            found = pattern.search(folded)
            first, second = (_phrase(found["a"]), _phrase(found["b"])) if found else ("", "")
            if found and first and second:
                shared = _phrase(found.groupdict().get("of") or "")
                parts = (f"{first} {shared}".strip(), f"{second} {shared}".strip())
                return Asked(kind="difference", phrases=(phrase, *parts), periods=asked)
    yearly = averaged and len(asked) > 1
    return Asked(kind="change", phrases=(phrase,), periods=asked, year_average=yearly)


def _phrase(text: str) -> str:
    """What is left when the periods are taken out."""
    return re.sub(r"\bnet (?=difference|change|increase|decrease)", "", periods.cut(text)).strip(" ,;:")


def _limit(folded: str) -> Limit | None:
    found = wording.LIMIT.search(folded)
    if found is None:
        return None
    read = written(found["number"], comma=uses_comma([found["number"]], detect(folded)))
    if read is None or (not found["scale"] and 1900 <= read.value <= 2100 and found["number"].isdigit()):
        return None  # "over 2018"
    number = read.value
    scale = named(f"({found['scale']})") if found["scale"] else None
    if found["scale"] in ("k", "m", "bn"):
        scale = {"k": "thousand", "m": "million", "bn": "billion"}[found["scale"]]  # type: ignore[assignment]
    return Limit(sign=">" if found["more"] else "<", number=number, scale=scale)


def _unlimited(phrase: str) -> str:
    return " ".join(wording.LIMIT.sub(" ", phrase).split())


def in_scale(limit: Limit, scale: Scale) -> float:
    """The limit's number as a cell of that scale would show it."""
    if limit.scale is None or limit.scale == scale or "percent" in (limit.scale, scale):
        return limit.number
    return limit.number * FACTOR[limit.scale] / FACTOR[scale]
