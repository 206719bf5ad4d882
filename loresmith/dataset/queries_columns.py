"""Columns by what questions they are good for: what names a row, what groups, what is summed, what is a date.

Told by code from the profile alone (types, keys, how many values there are) and from a few words of names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from loresmith.querying.plan import Ref
from loresmith.querying.vocabulary import CODES, LABELS
from loresmith.tables.names import fold
from loresmith.tables.values import Column, Table

FEWEST_ROWS = 5
"""A smaller table is read, not queried."""
MOST_COLUMNS = 30
_PREPOSITIONS = frozenset(("in", "on", "at", "by", "since", "from", "to", "with", "for", "of", "seit", "von"))
_ADDED = frozenset(
    ("h", "min", "s", "d", "€", "$", "£", "EUR", "USD", "CHF", "GBP", "kg", "t", "g", "l", "kWh")
)
_ADDITIVE = re.compile(
    r"cost|amount|total|sum|hour|minute|quantit|qty|piece|count|revenue|sales|weight|mass|volume|stock|budget|"
    r"salar|fee|unit|item|paid|distance|duration|"
    r"betrag|kosten|menge|umsatz|stunden|anzahl|bestand|gewicht|dauer|stuck|gehalt|minuten",
)
_GROUPS = 40
_INTENSIVE = re.compile(
    r"price|preis|temp|rate|quote|percent|prozent|speed|pressure|druck|power|leistung|age|alter|score|"
    r"rating|grade|year|jahr|lat|lon|height|hohe|width|length|depth|limit|max|min|torque",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A column with its table."""

    table: Table
    column: Column

    @property
    def ref(self) -> Ref:
        return Ref(self.table.sql, self.column.sql)


@dataclass(frozen=True, slots=True)
class Profile:
    """The columns of a table by what they are good for."""

    table: Table
    label: Place | None
    categories: tuple[Place, ...]
    numbers: tuple[Place, ...]
    dates: tuple[Place, ...]
    gaps: tuple[Place, ...]
    """Columns with empty cells."""


def profile(table: Table) -> Profile:
    references = {key.column for key in table.foreign}
    columns = [Place(table, column) for column in table.columns[:MOST_COLUMNS]]
    texts = [p for p in columns if p.column.type == "text" and p.column.frequent]
    label = next((p for p in texts if p.column.key), None) or next(
        (p for p in texts if p.column.sql not in references and _named(p.column)), None
    )
    categories = tuple(
        p
        for p in texts
        if p != label
        and 2 <= p.column.distinct <= _GROUPS
        and (2 * p.column.distinct <= table.rows or p.column.sql in references)
    )
    numbers = tuple(
        p
        for p in columns
        if p.column.numeric
        and p.column.distinct > 2
        and p.column.sql not in references
        and p.column.sql not in table.keys
        and not set(fold(p.column.name).split()) & (CODES - {"number", "numero"})
        and not _year(p.column)
    )
    dates = tuple(p for p in columns if p.column.type in ("date", "datetime") and p.column.distinct > 2)
    gaps = tuple(p for p in columns if 0 < p.column.nulls < table.rows and p.column.type != "boolean")
    return Profile(table, label, categories, numbers, dates, gaps)


def _named(column: Column) -> bool:
    return bool(set(fold(column.name).split()) & LABELS) and column.distinct > 2


def _year(column: Column) -> bool:
    low, high = column.low, column.high
    whole = isinstance(low, int) and isinstance(high, int)
    return whole and 1900 <= int(low or 0) <= int(high or 0) <= 2100


def summable(place: Place) -> bool:
    """Whether a sum of it means something to people: hours and costs, not temperatures and prices."""
    column, name = place.column, fold(place.column.name)
    if _INTENSIVE.search(name):
        return False
    counted = column.type == "integer" and not column.unit
    return counted or column.unit in _ADDED or _ADDITIVE.search(name) is not None


def spoken(place: Place) -> bool:
    """Whether it can be asked for by its name, and is short enough to be told: not "specialised in", nor a
    column of whole sentences."""
    column = place.column
    if column.type == "text" and column.low is None and column.distinct:
        return False
    last = fold(column.name).replace("_", " ").split()[-1:]
    return column.type in ("date", "datetime") or not set(last) & _PREPOSITIONS


def rounded(value: int | float | str | None) -> int | float | None:
    """A number as a person would name a limit: two digits that count.

    >>> rounded(1267.3)
    1300
    """
    if not isinstance(value, int | float) or value == 0:
        return None
    shown = float(f"{value:.2g}")
    return int(shown) if shown.is_integer() else shown
