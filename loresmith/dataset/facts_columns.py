"""What a column's name says besides the attribute: a unit, a scale, a time, a group above it."""

from __future__ import annotations

import re

from loresmith.answering import facts as checked

_UNIT_TAIL = re.compile(
    r"^(?P<name>.*?\w.*?)[\s,]*(?:\((?:in )?(?P<a>[^()\s]+)\)|\[(?:in )?(?P<b>[^\[\]\s]+)\]"
    r"|\s(?:in|en)\s(?P<c>\S+)|\s(?P<d>\S+))$"
)

_PERIOD = re.compile(r"\b(?:19|20)\d\d\b|\bQ[1-4]\b|\d\s?Hz\b", re.I)

_PLAIN_UNITS = frozenset("kg mm cm km ml kwh bar mbar rpm mg m h s l g t".split())  # noqa: SIM905

_TIME_WORDS = frozenset(
    [
        "three",
        "six",
        "nine",
        "twelve",
        "months",
        "month",
        "year",
        "years",
        "ended",
        "ending",
        "fiscal",
        "quarter",
        "as",
        "of",
        "weeks",
        "for",
        "the",
        "first",
        "second",
        "third",
        "fourth",
        "half",
        "fy",
        "jahr",
        "geschäftsjahr",
        "exercice",
        "año",
        "anno",
        "ejercicio",
        "trimestre",
        "quartal",
    ]
)

_BEFORE_PERIOD = {
    "en": "in",
    "de": "für",
    "fr": "pour",
    "es": "para",
    "it": "per",
    "nl": "voor",
    "pt": "para",
}


_EXCEPTED = re.compile(r"\bshares?\b|\bper\b|\bRSUs?\b|%|\brate\b", re.I)


def is_period(name: str) -> bool:
    """Whether a column's name is a time and nothing else: "2023", "June 25, 2022", "Q3", "March"."""
    rest = re.sub(r"\b(?:19|20)\d\d\b|\bQ[1-4]\b|\b\d{1,2}\b", " ", name)
    words = re.findall(r"[^\W\d_]+", rest)
    timed = all(w.casefold() in _TIME_WORDS or checked.months(f"in {w}") for w in words)
    return timed and (rest != name or bool(words and checked.months(f"in {words[0]}")))


def scale_of(text: str, row: str) -> str:
    """ "million" of "(In millions, except per share amounts)", for a row that is not about shares."""
    if re.search(r"\bexcept\b", text, re.I) and re.search(
        r"\bshares?\b|\bper\b|\bRSUs?\b|%|rate\b", row, re.I
    ):
        return ""
    found = re.search(r"\bin (million|thousand|billion)s?\b", text, re.I)
    return found[1].lower() if found else ""


def split_unit(name: str) -> tuple[str, str]:
    """("Packed mass", "kg") of "Packed mass in kg"; the whole name and "" where it has no unit."""
    found = _UNIT_TAIL.match(name)
    if found is None:
        return name, ""
    if re.search(r"(?:\b(?:per|pro|por|par|je|al?|di|and|und|of|\d+)|/)$", found["name"]):
        return name, ""  # "price per kWh" has no unit of its own
    unit = next(filter(None, (found["a"], found["b"], found["c"], found["d"])))
    # "Weight kg" names its unit, "Value min" does not.
    bare = not unit.islower() or "/" in unit or unit in _PLAIN_UNITS
    known = unit == "%" or (len(unit) <= 8 and _is_unit(unit) and (found["d"] is None or bare))
    return (found["name"].strip(" ,"), unit) if known else (name, "")


def _is_unit(token: str) -> bool:
    return any(n.unit for n in checked.numbers(f"1 {token}")) or (
        "/" in token and any(n.unit for n in checked.numbers(f"1 {token.split('/')[0]}"))
    )


def useful(unit: str, value: str) -> str:
    """The column's unit, where the value is a bare figure."""
    return unit if re.fullmatch(r"[-+−±~≤≥<>]?\s?(?:[\d.,'\s–+-]|bis|to|hasta|à|fino a)*\d", value) else ""


def joined(name: str, language: str) -> str:
    """ "Price of pump › with motor" -> "Price of pump with motor"; "60 Hz › Power" -> "Power (60 Hz)"."""
    parts = [p.strip() for p in name.split("›") if p.strip()]
    if len(parts) < 2:
        return name.strip(" ›")
    *above, last = parts
    head = " ".join(above)
    if last[:1].islower():
        return f"{head} {last}"
    if _PERIOD.search(head) and not _PERIOD.search(last):
        return f"{last} ({head})"
    if _PERIOD.search(last):
        return f"{head} {_BEFORE_PERIOD.get(language, '–')} {last}"
    return f"{head}, {last}" if language != "en" else f"{head} ({last})"
