"""What is read of each column of a database's table: its type here, and the expression that reads it.

PostgreSQL and MySQL are asked for text, whatever the type: so every type of theirs can be read, and
decimals, moments and identifiers keep the digits that the database shows. SQLite gives what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loresmith.mirrors import MirrorColumn

# PostgreSQL: (pattern of format_type's text, type here).
_POSTGRESQL = (
    (r"smallint|integer|bigint|oid", "integer"),
    (r"numeric\((\d+),0\)", "integer"),
    (r"numeric.*|real|double precision|money", "real"),
    (r"boolean", "boolean"),
    (r"date", "date"),
    (r"timestamp.*", "datetime"),
    (r"time(\(\d\))? without time zone", "time"),
)
_POSTGRESQL_LEFT_OUT = re.compile(
    r"(?:bytea|tsvector|tsquery|raster|geometry|geography|vector|halfvec|sparsevec)\b.*"
)
_MYSQL = (
    (r"tinyint\(1\).*|bool.*|bit(\(1\))?", "boolean"),
    (r"(tiny|small|medium|big)?int(eger)?\b.*|year.*|bit\(.*", "integer"),
    (r"decimal\(\d+(, ?0)?\).*|numeric\(\d+(, ?0)?\).*", "integer"),
    (r"(decimal|numeric|float|double|real)\b.*", "real"),
    (r"date", "date"),
    (r"(datetime|timestamp)\b.*", "datetime"),
)
_MYSQL_LEFT_OUT = re.compile(
    r"(tiny|medium|long)?blob.*|(var)?binary.*|(multi)?(point|linestring|polygon)|geometry.*|null"
)
_SQLITE_LEFT_OUT = re.compile(r"blob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the columns of a table are read, in order.

    Attributes:
        columns: as the card names them.  expressions: SQLAlchemy's, one each.
        notes: what is left out or changed, for a person.
    """

    columns: tuple[MirrorColumn, ...]
    expressions: tuple[Any, ...]
    notes: tuple[str, ...] = ()


def reading(kind: str, found: Sequence[tuple[str, str, str]]) -> Reading:
    """Of a table whose columns are `found` as (name, declared type, comment)."""
    columns, expressions, left_out, zoned = [], [], [], []
    for name, declared, comment in found:
        lowered = declared.lower()
        if _left_out(kind, lowered):
            left_out.append(f"{name} ({declared})")
            continue
        in_utc = lowered.endswith("with time zone") and lowered.startswith("timestamp")
        in_utc = in_utc or (kind == "mysql" and lowered.startswith("timestamp"))
        if in_utc:
            zoned.append(name)
            comment = f"{comment} (UTC)" if comment else "UTC"
        columns.append(
            MirrorColumn(name=name, declared=declared, type=_type(kind, lowered), description=comment)
        )
        expressions.append(_expression(kind, name, lowered))
    notes = []
    if left_out:
        notes.append(f"columns that hold no text or number were left out: {', '.join(left_out)}")
    if zoned:
        notes.append(f"moments with a time zone are given in UTC: {', '.join(zoned)}")
    return Reading(columns=tuple(columns), expressions=tuple(expressions), notes=tuple(notes))


def _left_out(kind: str, declared: str) -> bool:
    if kind == "postgresql":
        return _POSTGRESQL_LEFT_OUT.fullmatch(declared.rpartition(".")[2]) is not None
    pattern = _MYSQL_LEFT_OUT if kind == "mysql" else _SQLITE_LEFT_OUT
    return pattern.fullmatch(declared) is not None


def _type(kind: str, declared: str) -> str:
    """SQLite's columns hold anything, whatever is declared: their rows say ("")."""
    if kind == "sqlite":
        return ""
    table = _POSTGRESQL if kind == "postgresql" else _MYSQL
    return next((here for pattern, here in table if re.fullmatch(pattern, declared)), "text")


def _expression(kind: str, name: str, declared: str) -> Any:
    import sqlalchemy as sa

    column: Any = column_of(name)
    if kind == "sqlite":
        return column
    if kind == "postgresql" and declared.endswith("[]"):
        return sa.func.array_to_string(column, ", ")
    if kind == "postgresql" and declared == "money":
        column = sa.cast(column, sa.Numeric)
    if kind == "mysql" and declared.startswith("bit"):
        column = column + sa.literal_column("0")
    return sa.cast(column, sa.Text if kind == "postgresql" else sa.CHAR)


def column_of(name: str) -> Any:
    """The column in a statement; always quoted, since no list of reserved words is whole."""
    import sqlalchemy as sa

    return sa.column(sa.sql.quoted_name(name, quote=True))


def settle(column: MirrorColumn, seen: Seen) -> MirrorColumn:
    """The column as its values showed it to be, where its declaration does not say."""
    kind = column.type
    if kind == "boolean" and seen.largest > 1:
        kind = "integer"
    elif kind == "":
        kind = seen.type(column.declared.lower())
    return MirrorColumn(name=column.name, declared=column.declared, type=kind, description=column.description)


_DATE = re.compile(r"\d{4}-[01]\d-[0-3]\d")
_MOMENT = re.compile(r"\d{4}-[01]\d-[0-3]\d[ T][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?")


@dataclass(slots=True)
class Seen:
    """What the values of a column looked like: counts by kind, and what had to be left empty."""

    integers: int = 0
    floats: int = 0
    dates: int = 0
    moments: int = 0
    texts: int = 0
    largest: int = 0
    odd: int = 0
    example: str = ""

    def type(self, declared: str) -> str:
        """Of an SQLite column, from its values; where it has none, from its declaration."""
        words = self.dates + self.moments + self.texts
        numbers = self.integers + self.floats
        if words and numbers:
            return ""  # whoever takes the rows decides by all of them
        if words:
            if self.texts:
                return "text"
            return "date" if not self.moments else "datetime"
        if "bool" in declared and self.largest <= 1 and not self.floats:
            return "boolean"
        if numbers:
            return "real" if self.floats else "integer"
        return "text" if any(word in declared for word in ("char", "text", "clob")) else ""

    def leave(self, value: Any) -> None:
        """Note a value that cannot be kept; the cell is empty."""
        self.odd += 1
        self.example = self.example or str(value)[:40]


def tidy(column: MirrorColumn, value: Any, seen: Seen) -> Any:
    """`value` as it is stored; what is no value of the column's type becomes None and is noted."""
    if value is None:
        return None
    if column.type == "":
        return _own(value, seen)
    if column.type in ("date", "datetime"):
        # "infinity", years beyond 9999 or before our era, MySQL's 0000-00-00.
        if value[4:5] == "-" and value[:4] != "0000" and not value.endswith("BC"):
            return value
        seen.leave(value)
        return None
    if column.type == "real" and value[-1:] in "yNf":
        seen.leave(value)  # NaN, Infinity, inf
        return None
    if column.type == "boolean" and value.isdigit():
        seen.largest = max(seen.largest, int(value))
    return value


def _own(value: Any, seen: Seen) -> Any:
    """SQLite: numbers, texts, and bytes where one expected texts."""
    if isinstance(value, bytes):
        seen.leave(f"{len(value)} bytes")
        return None
    if isinstance(value, int):
        seen.integers += 1
        seen.largest = max(seen.largest, abs(value))
        return value
    if isinstance(value, float):
        if value - value != 0:
            seen.leave(value)
            return None
        seen.floats += 1
        return value
    if _DATE.fullmatch(value):
        seen.dates += 1
    elif _MOMENT.fullmatch(value):
        seen.moments += 1
    else:
        seen.texts += 1
    return value
