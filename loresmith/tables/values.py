"""What is known of the tables: the values that travel from reading to querying.

    file or database -> typed rows -> tables.db + Catalog -> (question) -> SQL -> TableResult

Names: `name` is what people see (the header as it stands without its unit, the sheet, the table of the
database); `sql` is the identifier in statements, unique in its scope and never in need of quotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from loresmith.types import Locator

ColumnType = Literal["integer", "real", "text", "date", "datetime", "time", "boolean"]
"""How cells are stored: integer and boolean (0, 1) as INTEGER, real as REAL, the others as TEXT: dates
as YYYY-MM-DD, moments as YYYY-MM-DD HH:MM:SS, times as HH:MM:SS, so that they compare and work in
SQLite's date functions."""

Cell = int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and what its values look like.

    Attributes:
        name: as people see it, without its unit.  sql: identifier.
        unit: as it stands in the header or after every number ("Nm", "h", "€", "%"), "" where none.
            Values of "%" are stored as shown: 12.5 for 12.5 %.
        nulls: empty cells.  distinct: different values.
        low, high: the smallest and largest value (not for text of more than 40 characters).
        frequent: the most frequent values of a text column, as they stand, most frequent first; all
            of them where there are at most 20.
        decimals: the most places after the point in a real column.
        key: no two rows have the same value, none is empty.
        description: what the source says of it (a comment of the database).
        mixed: cells that are not of the type and were stored as NULL, with their text in warnings.
    """

    name: str
    sql: str
    type: ColumnType
    unit: str = ""
    nulls: int = 0
    distinct: int = 0
    low: Cell = None
    high: Cell = None
    frequent: tuple[str, ...] = ()
    decimals: int = 0
    key: bool = False
    description: str = ""
    mixed: int = 0

    @property
    def numeric(self) -> bool:
        return self.type in ("integer", "real")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`column` of this table holds values of `to_column` of the table `to_table` (sql identifiers).

    declared: the database says so; else it was found: by name, type, and every value being there."""

    column: str
    to_table: str
    to_column: str
    declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the store.

    Attributes:
        sql: identifier, unique in the workspace.  name: as people see it.
        document: id of the document it belongs to; version: of that document.
        title: of the document.  sheet: the worksheet it stands in.
        rows: how many.  labels: a reader needs every one of them.
        keys: sql identifiers of the columns that identify a row together (may be empty).
        caption: text over the table, or the database's comment.
        numbered: rows carry their number in the file (`_place` is that number); else `_place` is the
            record's key as text.
    """

    sql: str
    name: str
    document: str
    version: str
    columns: tuple[Column, ...]
    rows: int
    title: str = ""
    sheet: str | None = None
    labels: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    foreign: tuple[ForeignKey, ...] = ()
    caption: str = ""
    numbered: bool = True
    modified: float | None = None

    def column(self, sql: str) -> Column | None:
        """The column of this identifier, whatever its case."""
        return next((c for c in self.columns if c.sql.casefold() == sql.casefold()), None)

    def locator(self, place: Any) -> Locator:
        """Where a row stands, from its `_place`."""
        if self.numbered:
            return Locator(sheet=self.sheet, row=int(place), table=self.name)
        return Locator(table=self.name, key=str(place))


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables that a reader may see; nothing else exists for a query."""

    tables: tuple[Table, ...] = ()

    def table(self, sql: str) -> Table | None:
        return next((t for t in self.tables if t.sql.casefold() == sql.casefold()), None)

    def visible(self, access: Sequence[str] | None) -> Catalog:
        """What a reader who holds these labels may see (None: everything); fail closed. References to
        tables that are not there go too."""
        held = None if access is None else set(access)
        return self.only([t for t in self.tables if held is None or set(t.labels) <= held])

    def only(self, tables: Sequence[Table]) -> Catalog:
        """A catalog of some of its tables, in its own order."""
        names = {t.sql for t in tables}
        return Catalog(
            tuple(
                replace(t, foreign=tuple(f for f in t.foreign if f.to_table in names))
                for t in self.tables
                if t.sql in names
            )
        )


@dataclass(frozen=True, slots=True)
class ValueHit:
    """A cell value that a question names: `value` stands `count` times in table.column (sql names)."""

    table: str
    column: str
    value: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumn:
    """A column as a reader found it, before its values were looked at."""

    name: str
    unit: str = ""
    type: ColumnType | None = None  # where the source declares it
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A table as a reader found it; its rows come beside it, as (place, cells).

    Attributes:
        key: names of the columns that the source declares as primary key.
        foreign: (column name, table name, column name) as the source declares them.
        name_hint: what its identifier is made of.
    """

    name: str
    columns: tuple[RawColumn, ...]
    sheet: str | None = None
    caption: str = ""
    key: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str, str], ...] = ()
    numbered: bool = True
    name_hint: str = ""


RawRow = tuple[int | str, Sequence[Any]]
"""(place, cells): the row's number in the file or the record's key; cells as text, numbers, bool, None."""

Labels = Mapping[str, tuple[str, ...]]
