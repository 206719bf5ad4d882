"""Conditions on one column and literals, as text: typed, and never more than a text.

Dates are compared as spans: "2024" is from the first to the last day of the year, also where the column
holds moments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, timedelta

from loresmith.errors import PlanError
from loresmith.querying.plan import Value
from loresmith.tables.values import Column

_YES, _NO = {"1", "true", "yes", "ja", "oui", "si", "sí", "sì"}, {"0", "false", "no", "nein", "non"}


def sql_op(op: str) -> str:
    return "<>" if op == "!=" else op


def literal(value: Value) -> str:
    """A value as SQL text."""
    if isinstance(value, str):
        if "\x00" in value:
            raise PlanError("A text with a zero character cannot be asked for.")
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and not math.isfinite(value):
        raise PlanError("A value is not a finite number.")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def condition_sql(name: str, column: Column, op: str, values: Sequence[Value]) -> str:
    """A condition on one column; `name` is how the statement calls it.

    Raises:
        PlanError: the values do not suit the operator or the column's type.
    """
    wanted = {"null": (0, 0), "not null": (0, 0), "between": (2, 2), "in": (1, 200), "not in": (1, 200)}
    least, most = wanted.get(op, (1, 1))
    if not least <= len(values) <= most:
        raise PlanError(f"{op} on {column.sql} takes {least} value(s), not {len(values)}.")
    if op in ("null", "not null"):
        return f"{name} IS NULL" if op == "null" else f"NOT {name} IS NULL"
    if op in ("like", "not like"):
        if column.type != "text":
            raise PlanError(f"{column.sql} holds {column.type}: like is for texts.")
        text = str(values[0])
        pattern = text if "%" in text or "_" in text else f"%{text}%"
        return f"{'NOT ' if op == 'not like' else ''}{name} LIKE {literal(pattern)}"
    if column.type in ("date", "datetime"):
        return _dates(name, column, op, values)
    given = [_typed(value, column) for value in values]
    if op in ("in", "not in"):
        listed = ", ".join(literal(v) for v in dict.fromkeys(given))
        return f"{'NOT ' if op == 'not in' else ''}{name} IN ({listed})"
    if op == "between":
        low, high = sorted(given, key=lambda v: (isinstance(v, str), v))
        return f"{name} BETWEEN {literal(low)} AND {literal(high)}"
    return f"{name} {sql_op(op)} {literal(given[0])}"


def _typed(value: Value, column: Column) -> Value:
    if column.type == "boolean":
        text = str(value).casefold()
        if text not in _YES | _NO:
            raise PlanError(f"{column.sql} is yes or no, not {value!r}.")
        return 1 if text in _YES else 0
    if column.numeric and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise PlanError(f"{column.sql} holds numbers, and {value!r} is none.") from None
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    if not column.numeric and not isinstance(value, str):
        return str(value)
    return value


_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:[ T](\d{2}:\d{2}(?::\d{2})?))?")


def span(value: Value, column: Column) -> tuple[str, str, bool]:
    """First and last moment of a date as the column stores them; the last is not part of it where the
    third is True."""
    match = _DATE.fullmatch(str(value).strip())
    if match is None:
        raise PlanError(f"{column.sql} holds dates, and {value!r} is none: use YYYY, YYYY-MM or YYYY-MM-DD.")
    year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
    try:
        first = date(year, month, day)
        if match[3]:
            after = first + timedelta(days=1)
        elif match[2]:
            after = date(year + month // 12, month % 12 + 1, 1)
        else:
            after = date(year + 1, 1, 1)
    except (ValueError, OverflowError):
        raise PlanError(f"{value!r} is no date.") from None
    if match[4] and column.type == "datetime":
        moment = f"{first} {match[4]}" + (":00" if len(match[4]) == 5 else "")
        return moment, moment, False
    if column.type == "datetime":
        return str(first), str(after), True
    return str(first), str(after - timedelta(days=1)), False


def _dates(name: str, column: Column, op: str, values: Sequence[Value]) -> str:
    spans = [span(value, column) for value in values]
    if op == "between":
        spans.sort()
        return _within(name, (spans[0][0], spans[1][1], spans[1][2]))
    if op in ("in", "not in"):
        text = " OR ".join(_within(name, s) for s in spans)
        return f"NOT ({text})" if op == "not in" else f"({text})"
    low, high, open_end = spans[0]
    if op == "=":
        return _within(name, spans[0])
    if op == "!=":
        return f"{name} <> '{low}'" if low == high and not open_end else f"NOT ({_within(name, spans[0])})"
    if op in ("<", ">="):
        return f"{name} {op} '{low}'"
    if op == "<=":
        return f"{name} {'<' if open_end else '<='} '{high}'"
    return f"{name} {'>=' if open_end else '>'} '{high}'"


def _within(name: str, limits: tuple[str, str, bool]) -> str:
    low, high, open_end = limits
    if open_end:
        return f"{name} >= '{low}' AND {name} < '{high}'"
    return f"{name} = '{low}'" if low == high else f"{name} BETWEEN '{low}' AND '{high}'"
