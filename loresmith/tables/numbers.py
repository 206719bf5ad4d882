"""Numbers as people write them, and which mark is the decimal one.

A cell's `shape` says what it can be; the column's cells together decide what it is (inference.py):
"1.234" alone is 1.234 or 1,234. Nothing here looks at more than one cell.

    i   digits only                          5, −5, (97)
    z   digits with a leading zero           007: a code, not a number
    p   the point is the decimal mark        1.5, 1,234.56, 1,234,567
    c   the comma is the decimal mark        1,5, 1.234,56, 1.234.567
    ap  one point before three digits        1.234
    ac  one comma before three digits        1,234
    f   floating with exponent               1.5e-3
    s   grouped by spaces or apostrophes     1 234, 1'234
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from loresmith.tables import units

NUMBERS = frozenset(("i", "p", "c", "ap", "ac", "f", "s"))
_CURRENCIES = "€$£¥₹"
_CODES = "EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|HUF|INR|AUD|CAD|BRL|RMB|US\\$|C\\$|A\\$|R\\$|CA\\$"
_CELL = re.compile(
    rf"""^(?P<open>\()?\s*
    (?P<sign>[+\-–—−]\s?)?
    (?:(?P<before>[{_CURRENCIES}]|(?:{_CODES})(?=[\s\d\-−]))\s*)?
    (?P<sign2>[\-–−]\s?)?
    (?P<body>\d(?:[\d.,'’\u00a0\u202f\u2009 ]*\d)?|[.,]\d+)
    (?P<exponent>[eE][+\-−]?\d{{1,3}})?
    (?P<dash>,[-–—])?
    (?P<close>\))?
    (?P<space>[\s\u00a0\u202f]*)(?P<after>[^\d\s().,;:'"!?][^;:'"!?\d]{{0,14}}[23²³]?|%|)
    (?P<close2>\))?$""",
    re.VERBOSE,
)
_SIMPLE = re.compile(r"-?\d+\.\d+")
_SPACES = re.compile(r"['’\u00a0\u202f\u2009 ]")
_GROUPED_SPACE = re.compile(r"\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+|\d{1,3}(?:['’]\d{3})+")
_POINT = re.compile(
    r"\d{1,3}(?:,\d{2,3})*,\d{3}\.\d+|\d*\.\d+|\d{1,3}(?:,\d{3}){2,}|\d{1,2}(?:,\d{2})+,\d{3}"
)
_COMMA = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d*,\d+|\d{1,3}(?:\.\d{3}){2,}")
_DIGITS = 15
"""A longer run of digits is an identifier: a real number cannot hold it."""


@dataclass(frozen=True, slots=True)
class Number:
    """A cell taken apart: the shape, the sign, the digits with their marks, the unit beside them."""

    shape: str
    negative: bool
    body: str
    unit: str
    spaced: bool = False


def read(text: str) -> Number | None:
    """The number that a cell (stripped, not empty) holds, or None."""
    if text.isdecimal() and text.isascii():
        if len(text) > 1 and text[0] == "0":
            return Number("z", False, text, "")
        return Number("i", False, text, "") if len(text) <= 18 else None
    if len(text) < 18 and _SIMPLE.fullmatch(text):
        negative = text[0] == "-"
        return _of(text[1:] if negative else text, "", negative, "")
    found = _CELL.match(text) if len(text) <= 48 else None
    if found is None:
        return None
    bracket = bool(found["open"])
    closed = bool(found["close"]) + bool(found["close2"])
    if bracket != (closed == 1) or closed > 1:
        return None
    if (found["sign"] and found["sign2"]) or ((found["sign"] or "").strip() == "+" and " " in found["body"]):
        return None  # "+49 170 1234567" is nobody's sum
    negative = bracket or (found["sign"] or found["sign2"] or "").strip() not in ("", "+")
    after, before = (found["after"] or "").strip(), found["before"] or ""
    if before and after and after != "%" and not units.is_unit(f"{after} {before}"):
        return None
    if after and not found["space"] and not _glued(after):
        return None
    unit = f"{after} {before}".strip()
    return _of(found["body"], found["exponent"] or "", negative, unit, bool(found["space"]))


def _glued(after: str) -> bool:
    """A unit that may stand right behind the digits: "5Nm", "12%", "30°C"; not "3D", "10a", "2nd"."""
    return units.is_unit(after) and (len(after) > 1 or after in "%‰°€$£¥VWhm")


def _of(body: str, exponent: str, negative: bool, unit: str, spaced: bool = False) -> Number | None:
    if exponent:
        # "1E5" and "12E3" are article numbers more often than numbers; "1.5e3", "1E-5", "1e+05" are not.
        if "." not in body and "," not in body and exponent[1] not in "+-−":
            return None
        if body.count(".") + body.count(",") > 1:
            return None
        return Number("f", negative, body.replace(",", ".") + exponent.replace("−", "-"), unit, spaced)
    grouped = False
    if _SPACES.search(body):
        whole = re.split(r"[.,]", body)[0]
        if not _GROUPED_SPACE.fullmatch(whole) or _SPACES.search(body[len(whole) :]):
            return None
        grouped, body = True, _SPACES.sub("", body)
    if body.isdecimal():
        if len(body) > _DIGITS:
            return None
        if len(body) > 1 and body[0] == "0":
            return None if unit else Number("z", negative, body, unit, spaced)
        return Number("s" if grouped else "i", negative, body, unit, spaced)
    shape = _marks(body, grouped)
    return Number(shape, negative, body, unit, spaced) if shape else None


def _marks(body: str, grouped: bool) -> str:
    points, commas = body.count("."), body.count(",")
    if points + commas == 1 and not grouped:
        mark = "." if points else ","
        whole, fraction = body.split(mark)
        if len(whole) > 1 and whole[0] == "0":
            return ""  # "01.12" is a date or a code
        if len(fraction) == 3 and 1 <= len(whole) <= 3 and whole != "0":
            return "ap" if points else "ac"
        return "p" if points else "c"
    if _POINT.fullmatch(body) and not (grouped and commas):
        return "p"
    if _COMMA.fullmatch(body) and not (grouped and points):
        return "c"
    return ""


def value(number: Number, decimal: str) -> int | float:
    """The number, its decimal mark being "." or ","."""
    body = number.body
    if number.shape == "f":
        result: int | float = float(body)
    elif number.shape in ("i", "z", "s"):
        result = int(body)
    else:
        body = body.replace("," if decimal == "." else ".", "")
        if decimal == ",":
            body = body.replace(",", ".")
        if body.count(".") > 1:
            raise ValueError(f"{number.body!r} does not read with {decimal!r}")
        result = float(body) if "." in body else int(body)
    return -result if number.negative else result


def decimals(number: Number, decimal: str) -> int:
    """Places after the decimal mark, as written."""
    if number.shape == "f":
        mantissa, _, power = number.body.lower().partition("e")
        return max(0, len(mantissa.partition(".")[2]) - int(power))
    return len(number.body.rpartition(decimal)[2]) if decimal in number.body else 0
