"""Numbers as they stand in report tables, and the scale they are given in ("in thousands", "€m", "%")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from loresmith.answering.text import fold

Scale = Literal["", "thousand", "million", "billion", "percent"]

# Languages that write 1.234,5.
_COMMA = ("de", "es", "it", "fr", "pt", "nl", "ro", "pl", "da", "sv", "fi", "cs", "tr", "ru")

FACTOR: dict[Scale, float] = {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "percent": 0.01}

_CURRENCY = r"(?:us\$|nt\$|hk\$|a\$|c\$|r\$|[$€£¥₹]|\b(?:usd|eur|gbp|chf|cny|rmb|jpy|inr)\b)"
_SCALES: tuple[tuple[Scale, str], ...] = (
    ("billion", rf"billions?\b|\bbn\b|{_CURRENCY}\s?bn?\b|\bmrd\b|\bmilliarden\b|\bmiliardi\b|\bmilliards\b"),
    (
        "million",
        rf"millions?\b|\bmillion(?:en|es|i)\b|\bmillones\b|\bmilioni\b|\bmio\b|\bmn\b|\bmm\b"
        rf"|{_CURRENCY}\s?['’]?m(?:n|m)?\b|\bm{_CURRENCY}|\bm(?:eur|usd|gbp)\b"
        r"|\b(?:eur|usd|gbp|chf|dkk|sek|nok) ?m\b|000[.,]000s?\b",
    ),
    (
        "thousand",
        rf"thousands?\b|\btausend\b|\btsd\b|\bmiles\b|\bmigliaia\b|\bmilliers\b|['’]\s?000s?\b"
        rf"|{_CURRENCY}\s?000s?\b|\(000s?\)|{_CURRENCY}\s?k\b|\bk{_CURRENCY}|\bt{_CURRENCY}|\bteur\b|\bkeur\b"
        r"|\b000['’]?s\b|\bin 000\b|\bk(?:usd|eur)\b|\bkgbp\b",
    ),
)
_PERCENT = re.compile(r"%|\bper\s?cent\b|\bpercent(?:age)?\b|\bprozent\b|\bpor ciento\b|\bpercentuale\b")
# What is counted by itself whatever the table's scale is.
_PLAIN = re.compile(
    r"\bper (?:[\w-]+ )?(?:share|unit|ads|ordinary share|employee|day|barrel|ounce|tonne|ton)\b|\bcents?\b"
    r"|\beps\b|\bje aktie\b|\bpor acción\b|\bper azione\b|\bpar action\b|\bratio\b|\b(?:in )?years?\)"
    r"|\(days?\)|\((?:anzahl|number|count|stück|fte)\)|^(?:number of |anzahl (?:der )?)?"
    r"(?:employees|headcount|mitarbeiter(?:innen)?|beschäftigte|empleados|dipendenti|salariés)$"
    r"|\bnumber of (?:employees|stores|locations|customers|countries)\b|\(x\)"
)
_PROSE = re.compile(
    r"(?:\bin\s+(?:(?:u\.?s\.?|us|nt|new|taiwan|canadian|australian|dollars?|euros?|pounds?|sterling|rmb|usd|eur"
    r"|gbp|chf|us\$|\$|€|£)\s+){0,4}[$€£]?\s?(?P<plural>thousands|millions|billions)\b"
    r"|\bin (?:[$€£]|us\$|eur|usd|gbp|chf|euro)\s?(?P<single>thousand|million|billion|000|'000)\b"
    r"|\(\s*(?:in\s+)?(?P<bracket>[^()]{0,40}?(?:thousands?|millions?|billions?|['’]000s?|\$000s?|000['’]?s|[$€£]m))[^()]{0,80}\)"
    r"|\bin (?P<german>tausend|tsd|mio|millionen|mrd|milliarden)\b|\ben (?P<spanish>miles|millones) de\b"
    r"|\bin (?P<italian>migliaia|milioni) di\b|\ben (?P<french>milliers|millions|milliards) d)"
)
_NUMBER = re.compile(
    r"(?P<digits>\d{1,3}(?:(?P<group>[.,'’ ])\d{3})(?:(?P=group)\d{3})*(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)"
)
_DASH = re.compile(r"(?:[-–—−‐]+|nil|-\s*%|–\s*%|—\s*%)")
_TAIL = re.compile(
    r"^(?P<percent>%|per ?cent|percent)?\s*"
    r"(?P<scale>thousand|million|billion|bn|mn|m|k|mio\.?|mrd\.?|tsd\.?)?"
    r"(?:\s*(?:x|pts?|pp|bps|years?|days?|cents?|p|shares?))?$"
)
_SHORT: dict[str, Scale] = {
    "thousand": "thousand", "k": "thousand", "tsd": "thousand",
    "million": "million", "m": "million", "mn": "million", "mio": "million",
    "billion": "billion", "bn": "billion", "mrd": "billion",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Number:
    """A cell's number. `scale` None where the cell itself names none; `nil`: a dash."""

    value: float
    scale: Scale | None = None
    nil: bool = False
    decimals: int = 0
    currency: str = ""


def number(text: str, *, comma: bool = False) -> Number | None:
    """The number that a cell is; None where it is, or holds, anything else.

    Args:
        comma: a comma is the decimal point here.
    """
    shown = re.sub(r"\s*(?:\((?:\d|[a-z])\)|\[\d{1,2}\]|[*†‡§]+)$", "", fold(text))
    if _DASH.fullmatch(re.sub(rf"^{_CURRENCY}\s*", "", shown)):
        return Number(0.0, nil=True)
    currency = re.search(_CURRENCY, shown)
    bare = re.sub(_CURRENCY, "", shown).strip()
    negative = bool(re.match(r"\(.*\)|[-+]?\s*\(", bare)) and ")" in bare
    bare = bare.replace("(", "").replace(")", "").strip()
    sign = re.match(r"[-+]\s*", bare)
    negative = negative or bool(sign and sign[0].startswith("-"))
    bare = bare[sign.end() :] if sign else bare
    found = _NUMBER.match(bare)
    if found is None:
        return None
    tail = _TAIL.match(bare[found.end() :].strip())
    if tail is None:
        return None
    value, decimals = _value(found["digits"], comma)
    if value is None:
        return None
    scale: Scale | None = "percent" if tail["percent"] else None
    if tail["scale"]:
        scale = _SHORT[tail["scale"].rstrip(".")]
    return Number(
        -value if negative else value,
        scale,
        decimals=decimals,
        currency=currency[0].upper() if currency else "",
    )


def _value(digits: str, comma: bool) -> tuple[float | None, int]:
    point, group = (",", ".") if comma else (".", ",")
    plain = re.sub(r"['’ ]", "", digits)
    if plain.count(point) > 1:
        plain = plain.replace(point, "")
    plain = (
        plain.replace(group, "")
        if re.search(rf"\{group}\d{{3}}(?!\d)", plain)
        else plain.replace(group, point)
    )
    whole, _, fraction = plain.partition(point)
    try:
        return float(f"{whole or 0}.{fraction or 0}"), len(fraction)
    except ValueError:
        return None, 0


def uses_comma(cells: Iterable[str], language: str = "") -> bool:
    """Whether a comma is the decimal point in a table: by the cells that leave no doubt, else because a
    mark with three digits after it in every cell divides thousands, else by the document's language."""
    commas = points = 0
    dotted, comma_ed = [], []
    for cell in cells:
        commas += bool(re.search(r"\d\.\d{3},\d|\d{1,3}(?:\.\d{3}){2}|\d,(?:\d{1,2}|\d{4,})(?!\d)", cell))
        points += bool(re.search(r"\d,\d{3}\.\d|\d{1,3}(?:,\d{3}){2}|\d\.(?:\d{1,2}|\d{4,})(?!\d)", cell))
        dotted += re.findall(r"\d\.\d{3}(?!\d)", cell)
        comma_ed += re.findall(r"\d,\d{3}(?!\d)", cell)
    if commas != points:
        return commas > points
    if len(dotted) != len(comma_ed) and max(len(dotted), len(comma_ed)) >= 2:
        return len(dotted) > len(comma_ed)
    return language in _COMMA and not comma_ed


def named(text: str) -> Scale | None:
    """The scale that a head, label or corner names; "" where it says that there is none ("per
    share"); None where it says nothing."""
    folded = fold(text)
    excepted = re.split(r"\bexcept\b|\bausser\b|\baußer\b", folded)[0] or folded
    if _PERCENT.search(excepted):
        return "percent"
    for scale, pattern in _SCALES:
        if re.search(pattern, excepted):
            return scale
    return "" if _PLAIN.search(excepted) else None


def in_prose(text: str) -> Scale:
    """The scale that running text gives to a table ("… is as follows (in thousands):"), else ""."""
    found = _PROSE.search(fold(text))
    if found is None:
        return ""
    words = next(v for v in found.groupdict().values() if v)
    words = "thousand" if words.strip("'’ ") in ("000", "000s") else words
    # "($60 million)" is an amount, not the scale of a table.
    if re.search(r"\d\s*(?:thousand|million|billion)", words):
        return ""
    return named(words) or ""


def amounts(text: str) -> list[tuple[float, float]]:
    """The amounts "$24.2 million" in running text, written out, with the step of their last digit."""
    found = []
    for match in re.finditer(r"(\d[\d,]*(?:\.\d+)?)\s?(thousand|million|billion)\b", fold(text)):
        digits = match[1].replace(",", "")
        factor = FACTOR[_SHORT[match[2]]]
        decimals = len(digits.partition(".")[2])
        if len(digits.replace(".", "").lstrip("0")) >= 2:
            found.append((float(digits) * factor, factor * 10**-decimals))
    return found
