"""What a question wants of a report table: a value, a change, a share, the year in which, how many.

Read off the wording alone; whether the table has what it names is arithmetic's to see. Questions for
reasons, definitions and names of things are none of its business: None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from loresmith.answering.text import fold
from loresmith.querying import periods
from loresmith.querying.periods import Period
from loresmith.querying.scales import FACTOR, Scale, named

Kind = Literal[
    "value", "change", "percent", "sum", "average", "ratio", "share", "difference", "extreme", "filter",
    "count", "periods",
]  # fmt: skip


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
        phrases: what it wants it of: two for a ratio, a share, a difference of two things, a sum of two.
        periods: as they are named, in the question's order.
        spread: the periods are the ends of a span ("2017 to 2019").
        largest: of an extreme.
        rows: the extreme or the count is over rows, not over years; `phrases[1]` says of which.
        year_average: "the 2019 average X": the mean of the figures at the year's end and the one before.
    """

    kind: Kind
    phrases: tuple[str, ...]
    periods: tuple[Period, ...]
    spread: bool = False
    largest: bool = True
    rows: bool = False
    limit: Limit | None = None
    year_average: bool = False


_NOT = re.compile(
    r"^\W*(?:why|how (?:did|does|do|is|are|was|were|has|have|would|will|can|could)\b(?!.*\b(?:much|many)\b)|who|whom"
    r"|where|when|what (?:does|do|did|caused|drove|led|kind|type|types|method|happened|would|will|can|could)\b"
    r"|which (?:method|standard|section|note)|warum|weshalb|wieso|wo|wann|wer|por qué|dónde|perché|dove|pourquoi"
    r"|what (?:is|was|are|were) (?:the )?(?:definition|meaning|reason|reasons|purpose|basis|cause|nature|method))\b"
    r"|\b(?:consist|consists|consisted|comprise|comprises|comprised|components|factored|defined|mean by|refer to"
    r"|refers to|due to|attributable to what|explain|explanation|listed|categories|types of)\b"
)
_UP = r"increase[ds]?|decrease[ds]?|change[ds]?|growth|grow|grew|decline[ds]?|rise|rose|drop(?:ped)?|difference|fell|fall"
_PERCENT = re.compile(
    rf"\b(?:percent(?:age)?|per cent|%|prozentuale?|porcentual|percentuale|pourcentage)(?: point)?s? (?:of )?"
    rf"(?:(?:increase ?/ ?\(?decrease\)?|{_UP}|veränderung|änderung|cambio|variación|variazione|change))"
    rf"|\b(?:{_UP}|veränderung|cambio|variación|variazione|variation)\b[^?]*"
    rf"\b(?:in|by|as|en|in) (?:a )?(?:percent(?:age)?|%|prozent|porcentaje|percentuale|pourcentage)(?!\w| (?:of|points))"
    rf"|\bchange \(%\)|\bwhat percent(?:age)? (?:did|has|have) [^?]*\b(?:{_UP})\b|\bgrowth rate\b|\byear[- ]on[- ]year\b|\byear[- ]over[- ]year\b|\bby (?:what|how many) percent|\bwachstumsrate\b"
    rf"|\bvariation en pourcentage|\btasa de crecimiento|\btasso di crescita|\btaux de croissance"
)
_CHANGE = re.compile(
    rf"\b(?:{_UP}|veränderung|änderung|differenz|zunahme|abnahme|unterschied|cambio|variación|diferencia"
    r"|variazione|differenza|variation|différence|how much (?:more|less|higher|lower))\b"
)
_AVERAGE = re.compile(
    r"\b(?:average|mean|durchschnitt\w*|mittelwert|promedio|moyenne|(?:la|in) media|media d\w+)\b"
)
_SUM = re.compile(r"\b(?:total|sum|combined|altogether|summe|insgesamt|suma|somma|somme|totale?)\b")
_YEAR_AVERAGE = re.compile(r"(?:19|20)\d\d(?:'s)? average\b")
_BETWEEN = re.compile(
    r"\b(?:between|from|zwischen|von|entre|tra|de|dal)\b[^?]*?(?:19|20)\d\d[^?]*?\b(?:and|to|und|bis|y|e|et|a|à|al)\b"
    r"|(?:19|20)\d\d ?(?:-|to|through|until|bis) ?(?:fiscal )?(?:19|20)\d\d"
)
_HIGH = r"largest|highest|higher|larger|greater|greatest|most|maximum|biggest|bigger|höchsten?|größten?|höher|größer|mayor|más alto|maggiore|più alto|plus élevée?|plus haute?"
_LOW = r"lowest|lower|smallest|smaller|least|minimum|fewest|niedrigsten?|kleinsten?|niedriger|kleiner|geringsten?|menor|más bajo|minore|più basso|plus basse?|plus faible"
_WHICH_YEAR = re.compile(
    r"\b(?:which|what|welche[msrn]?|en qué|qué|quale|quel(?:le)?|in which|in what)\s+(?:of the )?"
    r"(?:fiscal |financial |reporting )?(?:years?|periods?|quarters?|fy|jahr(?:en?)?|quartal|años?|ann[oi]|années?)\b"
)
_MORE = r"more than|greater than|higher than|larger than|above|over|exceed(?:s|ed|ing)?|at least|mehr als|größer als|über|más de|mayor que|più di|superiore a|plus de|supérieur(?:e)? à"
_LESS = r"less than|lower than|smaller than|below|under|fewer than|at most|weniger als|kleiner als|unter|menos de|menor que|meno di|inferiore a|moins de|inférieur(?:e)? à"
_LIMIT = re.compile(
    rf"\b(?:(?P<more>{_MORE})|(?P<less>{_LESS}))\s*(?:us)?[$€£]?\s?(?P<number>\d[\d,]*(?:\.\d+)?)\s?"
    r"(?P<scale>%|percent|thousands?|millions?|billions?|k|m|bn)?"
)
_HOW_MANY_YEARS = re.compile(
    r"\b(?:how many|number of)\b[^?]{0,20}?\b(?:years|periods|quarters)\b|\bwie viele jahre\b"
)
_RESPECTIVE = re.compile(r"\brespective(?:ly)?\b|\bjeweils\b|\brespectiv|\brispettiv")
_GIVEN = re.compile(
    r"\b(?:calculated|recorded|reported|provided?|provides|shown?|shows|presented|computed|compared|available"
    r"|the table|in the table|given|disclosed|covered|tabulated|included|listed|information)\b"
)
_SHARE = (
    re.compile(
        r"(?P<a>.+?),? (?:expressed )?as an? (?P<how>percentage|percent|proportion|share|fraction|ratio|%) (?:of|to|over) (?P<b>.+)"
    ),
    re.compile(r"\bratio of (?P<a>.+?) to (?P<b>.+)"),
    re.compile(r"\bverhältnis (?:von|der|des) (?P<a>.+?) zu[rm]? (?P<b>.+)"),
    re.compile(
        r"\b(?P<how>percentage|percent|proportion|share|%|percentage constitution|fraction) of (?P<a>.+?),? "
        r"(?:out of|over|relative to|compared to|to|against|in|within|of|among) (?P<b>(?:the )?(?:total|overall|entire|whole|[a-z’']+ total).+)"
    ),
    re.compile(
        r"\b(?P<how>percentage|percent|proportion|share|%|percentage constitution|fraction) of (?P<a>.+?),? "
        r"(?:out of|over|relative to|compared to|to|against|in) (?P<b>.+)"
    ),
    re.compile(
        r"\bwhat (?P<how>percentage|percent|proportion|share|%|fraction) of (?P<b>.+?) "
        r"(?:is|was|were|are|comes? from|came from|(?:is|was|were|are) (?:made up|from|due)|does|did|do|consists? of|consisted of) (?P<a>.+)"
    ),
    re.compile(r"\b(?P<how>anteil) (?:von|der|des) (?P<a>.+?) a[nm] (?P<b>.+)"),
)
_TWO = (
    re.compile(
        r"\b(?:difference|unterschied|differenz|diferencia|differenza|différence)\b.*?\b(?:between|zwischen|entre|tra) (?P<a>.+?) (?:and|und|y|e|et) (?P<b>.+)"
    ),
    re.compile(
        r"\bhow much (?:more|higher|larger|greater) (?:is|was|were|are) (?P<a>.+?) (?:than|as compared to|compared to|over) (?P<b>.+)"
    ),
)
_SUM_OF = re.compile(
    r"\b(?:sum|total|summe|suma|somma|somme) (?:amount |value )?(?:of|von|de|di|für) (?P<a>.+?) (?:and|plus|und|y|e|et) (?P<b>.+)"
)


def read(question: str) -> Asked | None:
    """What a question wants of a report table; None where it wants something else."""
    folded = fold(question).strip(" ?.!")
    if _NOT.search(folded):
        return None
    asked = tuple(periods.asked(question))
    phrase = _phrase(folded)
    spread = len(asked) == 2 and _BETWEEN.search(folded) is not None
    limit = _limit(folded)
    if _HOW_MANY_YEARS.search(folded) and limit:
        return Asked(
            kind="count", phrases=(_without_limit(phrase),), periods=asked, spread=spread, limit=limit
        )
    if _WHICH_YEAR.search(folded):
        return _which_year(folded, phrase, asked, limit)
    share = _share(folded, asked)
    if share is not None:
        return share
    if _RESPECTIVE.search(folded) and len(asked) > 1 and not _AVERAGE.search(folded):
        return Asked(kind="value", phrases=(phrase,), periods=asked)
    if _PERCENT.search(folded) and "absolute" not in folded:
        return Asked(kind="percent", phrases=(phrase,), periods=asked)
    average = _AVERAGE.search(folded)
    if _CHANGE.search(folded) and not (
        average and average.start() < (_CHANGE.search(folded) or average).start()
    ):
        return _change(folded, phrase, asked)
    if average:
        return Asked(
            kind="average", phrases=(phrase,), periods=asked, spread=spread,
            year_average=_YEAR_AVERAGE.search(folded) is not None,
        )  # fmt: skip
    if _SUM.search(folded):
        found = _SUM_OF.search(folded)
        if found and len(asked) <= 1:
            parts = (_phrase(found["a"]), _phrase(found["b"]))
            return Asked(kind="sum", phrases=(phrase, *parts), periods=asked)
        return Asked(kind="sum", phrases=(phrase,), periods=asked, spread=spread)
    return Asked(kind="value", phrases=(phrase,), periods=asked)


def _which_year(folded: str, phrase: str, asked: tuple[Period, ...], limit: Limit | None) -> Asked | None:
    if limit:
        return Asked(kind="filter", phrases=(_without_limit(phrase),), periods=asked, limit=limit)
    high, low = re.search(rf"\b(?:{_HIGH})\b", folded), re.search(rf"\b(?:{_LOW})\b", folded)
    if high or low:
        return Asked(kind="extreme", phrases=(phrase,), periods=asked, largest=not low or bool(high))
    return Asked(kind="periods", phrases=(phrase,), periods=asked) if _GIVEN.search(folded) else None


def _share(folded: str, asked: tuple[Period, ...]) -> Asked | None:
    if _PERCENT.search(folded) and " as a " not in folded:
        return None
    for pattern in _SHARE:
        found = pattern.search(folded)
        if found:
            how = found.groupdict().get("how") or "ratio"
            kind: Kind = (
                "share"
                if how in ("percentage", "percent", "%", "share", "anteil") or "const" in how
                else "ratio"
            )
            if how == "share" and "market" in folded:
                return None
            parts = (_phrase(found["a"]), _phrase(found["b"]))
            return Asked(kind=kind, phrases=parts, periods=asked)
    return None


def _change(folded: str, phrase: str, asked: tuple[Period, ...]) -> Asked:
    if len(asked) <= 1 or not re.search(
        r"\b(?:between|from)\W+(?:fiscal |the |years? )*(?:19|20)\d\d", folded
    ):
        for pattern in _TWO:
            found = pattern.search(folded)
            if found and _phrase(found["a"]) and _phrase(found["b"]):
                parts = (_phrase(found["a"]), _phrase(found["b"]))
                return Asked(kind="difference", phrases=(phrase, *parts), periods=asked)
    return Asked(
        kind="change", phrases=(phrase,), periods=asked,
        year_average=_AVERAGE.search(folded) is not None and len(asked) > 1,
    )  # fmt: skip


def _phrase(text: str) -> str:
    """What is left when the periods are taken out."""
    return re.sub(r"\bnet (?=difference|change|increase|decrease)", "", periods.cut(text)).strip(" ,;:")


def _limit(folded: str) -> Limit | None:
    found = _LIMIT.search(folded)
    if found is None:
        return None
    return Limit(
        sign=">" if found["more"] else "<",
        number=float(found["number"].replace(",", "")),
        scale=named(f"({found['scale']})") if found["scale"] else None,
    )


def _without_limit(phrase: str) -> str:
    return " ".join(_LIMIT.sub(" ", phrase).split())


def in_scale(limit: Limit, scale: Scale) -> float:
    """The limit's number as a cell of that scale would show it."""
    if limit.scale is None or limit.scale == scale or "percent" in (limit.scale, scale):
        return limit.number
    return limit.number * FACTOR[limit.scale] / FACTOR[scale]
