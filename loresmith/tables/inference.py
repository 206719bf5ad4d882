"""The type of a column, from all of its cells at once; never two readings in one column.

    Evidence.see(cell), cell after cell  ->  settle(...)  ->  Reading.convert(cell)

What a single cell leaves open ("1.234", "01/02/2024") is decided by the other cells of the column,
then by the other columns of the table, then by the document's language, and then it is said in a
warning. A few cells that are no numbers in a column of numbers become empty and are named; more of
them, and the column stays text. Codes stay text: a leading zero in one cell is enough.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from loresmith.parsing.draft import clean
from loresmith.tables import dates, numbers
from loresmith.tables.values import Cell, ColumnType

MISSING = frozenset(
    (
        *(
            "",
            "-",
            "–",
            "—",
            "--",
            "---",
            "n/a",
            "na",
            "n.a.",
            "#n/a",
            "null",
            "none",
            "nan",
            "k.a.",
            "k. a.",
        ),
        *("keine angabe", "n/v", "n.v.", "s/d", "n.d.", "?", "tbd", ".", "..", "…", "unknown", "unbekannt"),
        *("inconnu", "sconosciuto"),
    )
)
"""What stands for "no value" in a column of numbers or dates."""

_BOOLEAN_PAIRS = (
    ("false", "true"), ("no", "yes"), ("nein", "ja"), ("non", "oui"), ("no", "sí"), ("no", "sì"),
    ("no", "si"), ("falsch", "wahr"), ("faux", "vrai"), ("falso", "verdadero"), ("falso", "vero"),
    ("n", "y"), ("n", "j"), ("nee", "ja"), ("não", "sim"),
)  # fmt: skip
_BOOLEANS = {word: value for pair in _BOOLEAN_PAIRS for value, word in enumerate(pair)}
_PAIRS = {
    word: {number for number, pair in enumerate(_BOOLEAN_PAIRS) if word in pair}
    for pair in _BOOLEAN_PAIRS
    for word in pair
}

_STRAY_SHARE = 0.05
_CODE_NAME = re.compile(
    r"(?:^|[\s_\-.])(?:id|nr|no|num|code|key|sku|ean|gtin|isbn|iban|bic|zip|plz|cap|phone|tel|telefon|fax|mobil|serial)\.?$"
    r"|(?:nummer|number|code|postleitzahl|telefon|-nr\.?|artikelnr\.?|teilenr\.?)$",
    re.IGNORECASE,
)
_DAY_FIRST = frozenset(
    ("de", "fr", "es", "it", "nl", "pt", "ro", "pl", "cs", "da", "sv", "no", "fi", "ru", "tr")
)
_COMMA_DECIMAL = _DAY_FIRST
_INT_LIMIT = 2**63
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a distinct cell is: `shape` of numbers.py or dates.py, "b" for a boolean word, "m" where
    nothing is there, "t" for text, "I", "F", "B" for native values."""

    shape: str
    unit: str = ""
    timed: bool = False
    zoned: bool = False
    whole: bool = False
    word: str = ""


_MISSING_SEEN = Seen("m")
_TEXT_SEEN = Seen("t")
_INTEGER_SEEN, _POINT_SEEN, _EITHER_SEEN = Seen("i"), Seen("p"), Seen("ap")


def look(text: str) -> Seen:
    """What a stripped cell can be."""
    if len(text) <= 16 and _PLAIN.fullmatch(text):
        whole, mark, fraction = text.lstrip("-").partition(".")
        if not mark:
            return _INTEGER_SEEN
        return _EITHER_SEEN if len(fraction) == 3 and len(whole) <= 3 and whole != "0" else _POINT_SEEN
    folded = text.casefold() if len(text) <= 16 else ""
    if folded in MISSING and len(text) <= 16:
        return _MISSING_SEEN
    number = numbers.read(text)
    if number is not None:
        return Seen(number.shape, number.unit, whole=number.shape in ("p", "c") and _grouped(number.body))
    moment = dates.read(text)
    if moment is not None:
        return Seen(moment.shape, timed=moment.clock is not None, zoned=moment.offset is not None)
    if folded in _PAIRS:
        return Seen("b", word=folded)
    return _TEXT_SEEN


def _grouped(body: str) -> bool:
    """ "1,234,567": marks that group only."""
    return body.count(".") > 1 or (body.count(",") > 1 and "." not in body)


@dataclass(slots=True)
class Evidence:
    """What the cells of one column were seen to be. `wholes`: with a mark, and still without a fraction."""

    shapes: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    words: set[str] = field(default_factory=set)
    places: list[Any] = field(default_factory=list)
    timed: int = 0
    zoned: int = 0
    wholes: int = 0

    def see(self, seen: Seen, count: int = 1) -> None:
        self.shapes[seen.shape] += count
        if seen.word:
            self.words.add(seen.word)
        elif seen.timed:
            self.timed += count
            self.zoned += seen.zoned
        if seen.unit:
            self.units[seen.unit] += count
        if seen.whole:
            self.wholes += count

    def see_native(self, value: bool | int | float, count: int = 1) -> None:
        if isinstance(value, bool):
            self.shapes["B"] += count
        elif isinstance(value, int):
            self.shapes["I" if -_INT_LIMIT <= value < _INT_LIMIT else "t"] += count
        elif math.isfinite(value):
            self.shapes["F"] += count
            self.wholes += count if value.is_integer() else 0
        else:
            self.shapes["m"] += count

    def count(self, shapes: Iterable[str]) -> int:
        return sum(self.shapes[shape] for shape in shapes)


@dataclass(frozen=True, slots=True)
class Hints:
    """What the rest of a table and the document say about readings that a column leaves open."""

    decimal: str = ""  # "." or ","
    order: str = ""  # "dmy" or "mdy"
    language: str = ""


@dataclass(slots=True)
class Reading:
    """How every cell of one column is read.

    Attributes:
        unit: beside the numbers.  decimals: seen so far by `convert`.
        warnings: what a person should know.
    """

    type: ColumnType
    unit: str = ""
    decimal: str = "."
    order: str = "dmy"
    decimals: int = 0
    warnings: list[str] = field(default_factory=list)

    def convert(self, cell: Any) -> Cell:
        """The cell as it is stored.

        Raises:
            ValueError: it is not of this type (the caller counts and names it).
        """
        if isinstance(cell, str):
            text = cell if cell.isprintable() else clean(cell)
            return self._text(text.strip())
        if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
            return None
        if self.type == "text":
            return _as_text(cell)
        if self.type == "boolean":
            if cell in (0, 1):
                return int(cell)
        elif self.type == "integer" and float(cell).is_integer() and -_INT_LIMIT <= cell < _INT_LIMIT:
            return int(cell)
        elif self.type == "real":
            self._places(cell)
            return float(cell)
        raise ValueError(str(cell))

    def _places(self, value: float) -> None:
        if self.decimals < 6 and isinstance(value, float) and not value.is_integer():
            shown = repr(value)
            if "e" not in shown:
                self.decimals = max(self.decimals, min(6, len(shown.partition(".")[2])))

    def _text(self, text: str) -> Cell:
        if not text:
            return None
        if self.type == "text":
            return text
        if len(text) <= 16 and text.casefold() in MISSING:
            return None
        if self.type in ("integer", "real"):
            return self._number(text)
        if self.type == "boolean":
            if text.casefold() in ("0", "1"):
                return int(text)
            if text.casefold() in _PAIRS:
                return _BOOLEANS[text.casefold()]
            raise ValueError(text)
        moment = dates.read(text)
        if moment is None or (moment.shape == "tm") != (self.type == "time"):
            raise ValueError(text)
        if self.type == "time":
            return dates.as_time(moment)
        return dates.as_date(moment, self._order(moment)) if self.type == "date" else self._moment(moment)

    def _number(self, text: str) -> int | float:
        if self.decimal == "." and len(text) <= 16 and _PLAIN.fullmatch(text):
            if self.type == "integer":
                return int(text)
            self.decimals = max(self.decimals, min(9, len(text.partition(".")[2])))
            return float(text)
        number = numbers.read(text)
        if number is None or number.unit not in ("", self.unit) or number.shape == "z":
            raise ValueError(text)
        if number.shape in ("p", "c") and _convention(number.shape) != self.decimal:
            raise ValueError(text)
        value = numbers.value(number, self.decimal)
        if self.type == "integer":
            return int(value)
        self.decimals = max(self.decimals, min(9, numbers.decimals(number, self.decimal)))
        return float(value)

    def _moment(self, moment: dates.Moment) -> str:
        return dates.as_moment(moment, self._order(moment))

    def _order(self, moment: dates.Moment) -> str:
        if moment.shape in ("dmy", "mdy") and moment.shape != self.order:
            raise ValueError("the other order")
        return "dmy" if moment.shape == "x." and self.order != "mdy" else self.order


def _as_text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def _convention(shape: str) -> str:
    return "," if shape == "c" else "."


# --- deciding ---------------------------------------------------------------------------------


def hints(columns: Iterable[Evidence], language: str) -> Hints:
    """What the sure cells of all columns of a table say together."""
    points = commas = dmy = mdy = 0
    for evidence in columns:
        points += evidence.shapes["p"] + evidence.shapes["F"]
        commas += evidence.shapes["c"]
        dmy += evidence.shapes["dmy"] + evidence.shapes["x."]
        mdy += evidence.shapes["mdy"]
    decimal = "" if bool(points) == bool(commas) else ("." if points else ",")
    order = "" if bool(dmy) == bool(mdy) else ("dmy" if dmy else "mdy")
    return Hints(decimal, order, language)


def settle(name: str, evidence: Evidence, hints: Hints) -> Reading:
    """The reading of a column, in the light of its table."""
    shapes = evidence.shapes
    filled = sum(shapes.values()) - shapes["m"]
    if not filled:
        return Reading("text")
    native = shapes["I"] + shapes["F"]
    amount = evidence.count(numbers.NUMBERS) + native
    day = evidence.count(dates.DATES)
    if shapes["B"] + shapes["b"] == filled:
        pairs = set.intersection(*(_PAIRS[w] for w in evidence.words)) if evidence.words else {0}
        single = len(evidence.words) == 1 and not evidence.words & {"true", "false"}
        return Reading("boolean" if pairs and not single else "text")
    # "000" and "0012" are codes; then the whole column is, whatever else stands in it.
    code = _CODE_NAME.search(name) is not None
    if shapes["z"] or (code and amount < filled):
        return _text(name, evidence, amount, filled) if not shapes["z"] else Reading("text")
    if _enough(amount, filled):
        return _number(name, evidence, hints, native)
    if _enough(shapes["tm"], filled):
        return Reading("time")
    if _enough(day, filled):
        return _date(name, evidence, hints)
    return _text(name, evidence, max(amount, day), filled)


def _enough(these: int, filled: int) -> bool:
    strays = filled - these
    return strays == 0 or strays <= _STRAY_SHARE * filled or (strays == 1 and these >= 4)


def _text(name: str, evidence: Evidence, most: int, filled: int) -> Reading:
    reading = Reading("text")
    if most >= 0.5 * filled and most >= 3 and filled - most:
        where = evidence.places
        rows = (
            f" (text in row {', '.join(map(str, where))}{' …' if filled - most > len(where) else ''})"
            if where
            else ""
        )
        reading.warnings.append(
            f"column {name!r} holds {most} numbers or dates and {filled - most} other texts: "
            f"read as text{rows}"
        )
    return reading


def _number(name: str, evidence: Evidence, hints: Hints, native: int) -> Reading:
    shapes, warnings = evidence.shapes, list[str]()
    amount = evidence.count(numbers.NUMBERS)
    unit = ""
    if evidence.units:
        unit, most = evidence.units.most_common(1)[0]
        others = sum(evidence.units.values()) - most
        if others > _STRAY_SHARE * amount or (others and amount < 20):
            shown = ", ".join(u for u, _ in evidence.units.most_common(4))
            warnings.append(f"column {name!r} holds numbers in several units ({shown}): read as text")
            return Reading("text", warnings=warnings)
        bare = amount + native - sum(evidence.units.values())
        if bare and bare > 0.5 * (amount + native):
            warnings.append(
                f"column {name!r}: only {most} of {amount + native} numbers have the unit {unit!r}"
            )
    point, comma = shapes["p"] + shapes["F"], shapes["c"]
    decimal = ","
    if point and comma:
        fewer, more = sorted((point, comma))
        if fewer > _STRAY_SHARE * (fewer + more):
            warnings.append(
                f"column {name!r} writes the decimal mark as point ({point} cells) and as comma ({comma}): "
                "read as text"
            )
            return Reading("text", warnings=warnings)
        decimal = "." if point > comma else ","
    elif point or comma:
        decimal = "." if point else ","
    elif shapes["ap"] or shapes["ac"]:
        decimal = _ambiguous(name, shapes, hints, warnings)
    else:
        decimal = hints.decimal or "."
    fractions = (
        shapes["f"]
        + shapes["F"]
        + (shapes["ap"] + shapes["p"] if decimal == "." else shapes["ac"] + shapes["c"])
        - evidence.wholes
    )
    return Reading("real" if fractions else "integer", unit, decimal, warnings=warnings)


def _ambiguous(name: str, shapes: Counter[str], hints: Hints, warnings: list[str]) -> str:
    """ "1.234" and nothing in the column that says more."""
    if shapes["ap"] and shapes["ac"]:
        # "1.234" beside "1,234": one of them groups, and nothing says which.
        decimal = hints.decimal or ("," if hints.language in _COMMA_DECIMAL else ".")
    elif hints.decimal:
        return hints.decimal
    elif hints.language:
        decimal = "," if hints.language in _COMMA_DECIMAL else "."
    else:
        # Three digits after the only mark: grouping is what people write by far more often.
        decimal = "," if shapes["ap"] else "."
    mark = "." if shapes["ap"] else ","
    what = "the decimal mark" if decimal == mark else "grouping thousands"
    why = (
        f"as is usual in this document's language ({hints.language})"
        if hints.language
        else "for want of a sign"
    )
    warnings.append(f"column {name!r}: numbers like 1{mark}234 were read with {mark!r} as {what}, {why}")
    return decimal


def _date(name: str, evidence: Evidence, hints: Hints) -> Reading:
    shapes, warnings = evidence.shapes, list[str]()
    first, second = shapes["dmy"] + shapes["x."], shapes["mdy"]
    if first and second:
        fewer, more = sorted((first, second))
        if fewer > _STRAY_SHARE * (fewer + more):
            warnings.append(f"column {name!r} mixes day/month and month/day: read as text")
            return Reading("text", warnings=warnings)
        order = "dmy" if first > second else "mdy"
    elif first or second:
        order = "dmy" if first else "mdy"
    elif shapes["x"] and hints.order:
        order = hints.order
    elif shapes["x"]:
        order = "mdy" if hints.language in ("en", "") else "dmy"
        shown = "month first" if order == "mdy" else "day first"
        why = f" as in {hints.language}" if hints.language else ""
        warnings.append(f"column {name!r}: dates like 01/02/2024 were read with the {shown}{why}")
    else:
        order = hints.order or "dmy"
    if evidence.zoned:
        warnings.append(f"column {name!r}: times with a zone were turned into UTC")
    return Reading("datetime" if evidence.timed else "date", order=order, warnings=warnings)
