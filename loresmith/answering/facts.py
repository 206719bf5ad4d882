"""What in a text can be checked by code: numbers with their units, codes, names.

A number is a set of possible values, because "1.500" is 1500 in German and 1.5 in English; two
numbers agree when they share a value. Units and scales are brought to one spelling over the
languages ("Stunden", "hours", "h"), so that a German answer can be checked against an English
table.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from loresmith.answering.text import CJK, fold
from loresmith.answering.vocabulary import (
    CURRENCIES,
    DAY,
    DAYS,
    MONTHS,
    NUMBER_WORDS,
    RANGE,
    SCALES,
    TIMES,
    UNITS,
)

_CANONICAL = {name: unit for unit, names in UNITS.items() for name in names.split()}
# One-letter units are units only right behind a number and in their own case (5 A, 12 V, 3 K).
_CASED = {"A": "a", "K": "k", "V": "v", "W": "w", "N": "n", "C": "°c", "L": "l", "J": "j"}
_SCALE = {name: scale for scale, names in SCALES.items() for name in names.split()}
_CURRENCY = "€$£¥"

_NUMBER = re.compile(
    r"""(?<![\w.,])(?P<sign>[-+−±]?)(?P<body>\d{1,3}(?:[\u00a0\u202f\u2009' ]\d{3})+(?:[.,]\d+)?(?!\d)
        |\d+(?:[.,]\d+)*)""",
    re.VERBOSE,
)
_AFTER = re.compile(
    r"\)?\s?(?P<unit>°\s?[CcFf]?|%|[€$£¥](?!\s?\d)|[^\W\d_]+(?:[·.*/\-][^\W\d_]*\d?[^\W\d_]*)*[²³23⁻¹]*(?:/[^\W\d_]+)?(?:-1|⁻¹)?(?:\(A\))?|1/min)"
)
_CODE = re.compile(r"(?<![\w])(?=[\w&./-]*\d)(?=[\w&./-]*[^\W\d_])[^\W_]+(?:[-./][^\W_]+)*(?![\w])")
_NAME = re.compile(r"(?<![\w'’-])(?:[^\W\d_]*[^\W\d_a-zß-öø-ÿ][^\W\d_]*)(?:[&'’-][^\W\d_]+)*")
_EDGE = re.compile(rf"(?<=[{CJK}])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9%])(?=[{CJK}])")
_PLAIN = re.compile(r"[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿß]{3,}|[a-zà-öø-ÿß]{2,}")
_SECTION = re.compile(r"^\s*\d{1,2}(?:\.\d{1,2})*[.)]?\s+(?=[^\W\d_a-zß-öø-ÿ][^\W\d_]{2,})")
_VERSION = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){2,3}(?![\w.]*\d)")
_NOUN = re.compile(r"\s[a-zà-öø-ÿß]{3,}\s([^\W\d_]{4,})")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)$")
_QUARTERS = {
    **{"first": "q1", "second": "q2", "third": "q3", "fourth": "q4"},
    **{"1st": "q1", "2nd": "q2", "3rd": "q3", "4th": "q4"},
}
_QUARTER = re.compile(r"\b(first|second|third|fourth|1st|2nd|3rd|4th)[\s-]+(?:fiscal[\s-]+)?quarter\b")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written, the values it may have, its unit and scale in one spelling."""

    text: str
    values: frozenset[float]
    unit: str = ""
    scale: str = ""

    def agrees(self, other: Number) -> bool:
        return not self.values.isdisjoint(other.values)


def _values(body: str) -> frozenset[float]:
    plain = re.sub(r"[\u00a0\u202f\u2009' ]", "", body)
    if re.fullmatch(r"\d+", plain):
        return frozenset({float(plain)})
    marks = re.findall(r"[.,]", plain)
    parts = re.split(r"[.,]", plain)
    groups = all(len(p) == 3 for p in parts[1:]) and 1 <= len(parts[0]) <= 3 and parts[0] != "0"
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        return frozenset({float("".join(parts[:-1]) + "." + parts[-1])})
    if len(marks) == 1:
        decimal = float(parts[0] + "." + parts[1])
        return frozenset({decimal, float("".join(parts))}) if groups else frozenset({decimal})
    if groups:
        return frozenset({float("".join(parts))})
    return frozenset()


def _unit_at(text: str, end: int) -> tuple[str, str]:
    """(unit, scale) that follow a number ending at `end`; the unit may follow the scale."""
    scale = ""
    for _ in range(2):
        found = _AFTER.match(text, end)
        if found is None:
            break
        raw = found["unit"].rstrip(".-/·*")
        name = fold(raw).replace(" ", "")
        if re.match(f"[{CJK}]", name):  # no spaces there: the unit is the beginning of the run
            name = next((name[:n] for n in (2, 1) if name[:n] in _CANONICAL), name)
        if name in _SCALE and not scale:
            scale, end = _SCALE[name], found.start("unit") + len(raw)
            continue
        unit = _unit_name(raw, name)
        if not unit and (noun := _NOUN.match(text, end)) is not None:  # "4,000 operating hours"
            unit = unit_of(noun[1])
        return unit, scale
    return "", scale


def _unit_name(raw: str, name: str) -> str:
    if raw in _CASED:
        return _CASED[raw]
    if raw == "MW":
        return "mw"
    if len(name) == 1 and name.isalpha() and raw.isupper():
        return ""
    return _CANONICAL.get(name, "")


def _spaced(text: str) -> str:
    """Chinese and Japanese write numbers and codes without spaces around: put them in."""
    return _EDGE.sub(" ", text)


@lru_cache(maxsize=8192)
def numbers(text: str) -> tuple[Number, ...]:
    """The numbers of `text`, codes left out ("P-200" and "M8" hold none)."""
    text = _spaced(unicodedata.normalize("NFC", text))
    taken = [m.span() for m in _CODE.finditer(text) if is_code(m.group()) or m.group()[0].isalpha()]
    out: list[Number] = []
    for found in _NUMBER.finditer(text):
        start, end = found.span("body")
        if any(a <= start < b for a, b in taken):
            continue
        unit, scale = _unit_at(text, end)
        before = text[: found.start()].rstrip()[-3:]
        if not unit and before and before[-1] in _CURRENCY:
            unit = before[-1]
        elif not unit and _CANONICAL.get(fold(before)) in CURRENCIES:
            unit = _CANONICAL[fold(before)]
        negative = found["sign"] in ("-", "−")
        # A hyphen after a word or digit joins; it is no sign ("10-15 bar", "2022-06-25").
        negative = negative and (found.start() == 0 or not text[found.start() - 1].isalnum())
        values = _values(found["body"])
        if values:
            signed = frozenset(-v for v in values) if negative else values
            if text[found.start() - 1 : found.start()] == "(" and text[end : end + 1] == ")":
                signed = values | frozenset(-v for v in values)  # accountants' negative
            out.append(Number(found.group(), signed, unit, scale))
            spaced = found["body"].split(" ")
            if len(spaced) > 1:  # "120 200 300" in a row may be three numbers as well as one
                out += [Number(p, _values(p), unit, scale) for p in spaced if _values(p)]
        else:  # a date or a version: 25.06.2022
            out += [
                Number(part, frozenset({float(part)}), "", "")
                for part in re.split(r"[.,]", found["body"])
                if part
            ]
    return tuple(out)


@lru_cache(maxsize=8192)
def evidence_numbers(text: str) -> tuple[Number, ...]:
    """`numbers`, and those written as words ("every three months"), which may prove a digit."""
    # The number of a section or a step proves nothing: "4 Maintenance", "2.1 Torques".
    out = list(numbers(_SECTION.sub("", text)))
    for found in re.finditer(r"[^\W\d_]+", text):
        value = NUMBER_WORDS.get(found.group().casefold())
        if value is not None:
            unit, scale = _unit_at(text, found.end())
            out.append(Number(found.group(), frozenset({float(value)}), unit, scale))
        month = MONTHS.get(found.group().casefold())
        if month is not None:
            out.append(Number(found.group(), frozenset({float(month)}), "", ""))
    return tuple(out)


@lru_cache(maxsize=8192)
def weekdays(text: str) -> frozenset[int]:
    """The days of the week that `text` names, those between two ("Tuesday to Friday") included."""
    found = [(DAYS.index(m[1].casefold()) % 7, m) for m in DAY.finditer(text)]
    out = {day for day, _ in found}
    for (first, one), (last, other) in pairwise(found):
        if RANGE.fullmatch(text, one.end(), other.start()):
            out.update((first + n) % 7 for n in range((last - first) % 7))
    return frozenset(out)


@lru_cache(maxsize=8192)
def months(text: str) -> frozenset[int]:
    """The months that `text` names in full; "may" and "mai" only with a capital letter, no first word."""
    found = re.finditer(r"[^\W\d_]+", text)
    return frozenset(
        MONTHS[m.group().casefold()]
        for m in found
        if m.group().casefold() in MONTHS
        and (len(m.group()) > 4 or (m.start() and m.group()[0].isupper() and len(m.group()) > 2))
    )


def has_quantity(text: str) -> bool:
    """Whether `text` says how much, how often or when: a figure, "weekly", "on Tuesdays"."""
    return bool(evidence_numbers(text)) or TIMES.search(text) is not None


@lru_cache(maxsize=8192)
def units_in(text: str) -> frozenset[str]:
    """Units and scales that `text` names anywhere: in a column heading, "(in millions)"."""
    out = {n.unit for n in numbers(text)} | {n.scale for n in numbers(text)}
    for token in re.findall(r"[^\s()\[\],;:|]+", text):
        name = fold(token).strip(".")
        if name in _SCALE:
            out.add(_SCALE[name])
        elif len(name) > 1 or token in _CASED or name in _CURRENCY + "%" or name in ("h", "s", "m", "g", "l"):
            out.add(_unit_name(token, name))
    out.discard("")
    return frozenset(out)


def unit_of(word: str) -> str:
    """The unit that a word names, in one spelling; "" for another word."""
    return _CANONICAL.get(fold(word), "") if len(word) > 1 else ""


def is_code(token: str) -> bool:
    """Whether `token` names something: letters and digits, but no number with its unit."""
    if (
        _ORDINAL.match(token)
        or fold(token) in _CANONICAL
        or not (any(c.isdigit() for c in token) and any(c.isalpha() for c in token))
    ):
        return False
    measured = re.fullmatch(r"\d+(?:[.,]\d+)*-?([^\W\d_].*)", token)
    if measured is None:
        return True
    tail = measured[1]
    name = fold(tail)
    return not (name in _CANONICAL or name in _SCALE or tail in _CASED)


def normal_code(token: str) -> str:
    """One spelling of a code: "P-200", "p 200" and "P200" are the same."""
    code = re.sub(r"[-./\s]", "", fold(token))
    return code.removesuffix("s") if re.search(r"[a-z]s$", code) and not re.search(r"\ds$", code) else code


@lru_cache(maxsize=8192)
def codes(text: str) -> frozenset[str]:
    """The codes of `text` in one spelling, quarters as "q1" to "q4" however they are written."""
    text = unicodedata.normalize("NFKC", text).replace("‑", "-").replace("–", "-")
    text = _spaced(text)
    tokens = (part for m in _CODE.finditer(text) if is_code(m.group()) for part in m.group().split("/"))
    # German joins a code and a word: "M8-Schrauben" is about M8.
    bare = ("-".join(p for p in token.split("-") if not _PLAIN.fullmatch(p)) for token in tokens)
    out = {normal_code(token) for token in bare if is_code(token)}
    for found in re.finditer(r"(?<!\w)([A-Z]{1,3}) (\d{1,5})(?![\w.,]*\d)(?!\w)", text):
        if _CANONICAL.get(fold(found[1])) not in CURRENCIES:
            out.add(normal_code(found.group()))
    out.update(m.group() for m in _VERSION.finditer(text))
    out.update(_QUARTERS[m[1]] for m in _QUARTER.finditer(fold(text)))
    return frozenset(out)


@lru_cache(maxsize=8192)
def years(text: str) -> frozenset[float]:
    return frozenset(
        v
        for n in numbers(text)
        for v in n.values
        if 1900 <= v <= 2100 and re.fullmatch(r"\d{4}", n.text) and not n.unit
    )


@lru_cache(maxsize=8192)
def names(text: str) -> tuple[str, ...]:
    """Words that are written like names: a capital letter that no sentence start explains.

    German writes all nouns so; callers leave names out for German text.
    """
    out: list[str] = []
    for found in _NAME.finditer(text):
        word = found.group()
        bare = re.sub(r"['’]s?$", "", word)
        inner = any(c.isupper() for c in bare[1:])
        before = text[: found.start()].rstrip(" \t\"'“”‘’(*_¿¡")
        starts = not before or before[-1] in ".!?:;\n•-–—|。！？>›"
        if (
            len(bare) < 2
            or bare == "I"
            or fold(bare) in MONTHS
            or fold(bare) in _CANONICAL
            or DAY.fullmatch(bare)
        ):
            continue
        if inner or (bare[0].isupper() and not starts):
            out.append(bare)
    return tuple(dict.fromkeys(out))
