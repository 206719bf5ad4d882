"""The typed plan: what a question asks of the tables, before it is SQL.

    question -> Plan -> `to_sql` -> check -> execute

A plan names columns, never joins: the way between tables is found along their foreign keys, and a plan
that has two equally short ways, or would count a row more than once, is refused rather than guessed at.
Where only rows of another table restrict the count (pumps that had a long repair), that table is asked
in a subquery, so that no row is multiplied. Rows without a value never lead an order with a limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from loresmith.errors import PlanError
from loresmith.tables.values import Catalog, Column, Table

Op = Literal[
    "=", "!=", ">", ">=", "<", "<=", "like", "not like", "in", "not in", "between", "null", "not null"
]
Func = Literal["count", "count_distinct", "sum", "avg", "min", "max", "none"]
Period = Literal["year", "month", "day"]
Value = int | float | str


@dataclass(frozen=True, slots=True)
class Ref:
    """A column, by the sql names of its table and itself."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Condition:
    """`ref op values`: one value, two for between, any number for in, none for null and not null.

    A value may be another column. Dates are compared as spans: "2024", "2024-03" and "2024-03-07" stand
    for the whole year, month or day, also where the column holds moments.
    """

    ref: Ref
    op: Op
    values: tuple[Value | Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure over rows; `ref` None counts rows of the plan's table.

    where: only these of the rows count for this figure (the share of open orders).
    """

    func: Func
    ref: Ref | None = None
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Having:
    """Only groups whose `measure op value` holds."""

    measure: Measure
    op: Literal["=", "!=", ">", ">=", "<", "<="]
    value: Value


@dataclass(frozen=True, slots=True)
class Order:
    by: Measure | Ref
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A question to tables.

    Attributes:
        table: whose rows are listed or counted.
        show: columns to list, also beside measures where rows are grouped by them.
        measures: figures.  where: restricts the rows.  group: one row each of these values.
        having: restricts the groups.  order, limit: of the result.
        distinct: no row of the result twice.
        ratio: the result is measures[0] / measures[1]; percent: times 100.
        period: a date in `group` counts by its year, month or day.
        without: tables that must hold no row for a row of `table` (pumps without maintenance).
        joins: pairs of columns that join, where there is more than one way.
    """

    table: str
    show: tuple[Ref, ...] = ()
    measures: tuple[Measure, ...] = ()
    where: tuple[Condition, ...] = ()
    group: tuple[Ref, ...] = ()
    having: tuple[Having, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    distinct: bool = False
    ratio: bool = False
    percent: bool = False
    period: Period | None = None
    without: tuple[str, ...] = ()
    joins: tuple[tuple[Ref, Ref], ...] = ()


def resolve(ref: Ref, catalog: Catalog) -> tuple[Table, Column]:
    """The table and column that a reference means.

    Raises:
        PlanError: there is none.
    """
    table = catalog.table(ref.table)
    if table is None:
        raise PlanError(f"There is no table {ref.table}.")
    column = table.column(ref.column)
    if column is None:
        raise PlanError(f"The table {table.sql} has no column {ref.column}.")
    return table, column


def to_sql(plan: Plan, catalog: Catalog) -> str:
    """The statement of a plan, in SQLite's dialect, without quotes around identifiers.

    Raises:
        PlanError: a column that does not exist, a measure that the type does not allow, tables that
            nothing joins or that join in two ways, rows that would count twice.
    """
    from loresmith.querying.statement import write

    return write(plan, catalog)


# --- plans as JSON, for a model under a grammar -----------------------------------------------

MOST_MEASURES = 2


def schema(catalog: Catalog) -> dict[str, Any]:
    """The JSON schema of plans over these tables; `from_json` reads what follows it."""
    names = [f"{t.sql}.{c.sql}" for t in catalog.tables for c in t.columns]
    column: dict[str, Any] = {"enum": names}
    value = {"anyOf": [{"type": "string", "maxLength": 80}, {"type": "number"}]}
    compare = {"enum": ["=", "!=", ">", ">=", "<", "<="]}
    figure = [f"measure {n + 1}" for n in range(MOST_MEASURES)]

    def record(required: Sequence[str], **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        }

    def several(items: Any, most: int) -> dict[str, Any]:
        return {"type": "array", "items": items, "maxItems": most}

    condition = record(
        ("column", "op", "values"), column=column, op={"enum": list(get_args(Op))}, values=several(value, 10)
    )
    measure = record(
        ("func", "column"),
        func={"enum": list(get_args(Func))},
        column={"enum": ["*", *names]},
        where=several(condition, 3),
    )
    return record(
        ("table", "show", "measures", "where", "group", "order"),
        table={"enum": [t.sql for t in catalog.tables]},
        show=several(column, 6),
        measures=several(measure, MOST_MEASURES),
        where=several(condition, 6),
        group=several(column, 3),
        having=several(
            record(("measure", "op", "value"), measure={"enum": figure}, op=compare, value=value), 2
        ),
        order=several(
            record(("by", "descending"), by={"enum": [*figure, *names]}, descending={"type": "boolean"}), 2
        ),
        limit={"type": "integer", "minimum": 1, "maximum": 1000},
        distinct={"type": "boolean"},
        ratio={"type": "boolean"},
        percent={"type": "boolean"},
        period={"enum": list(get_args(Period))},
        without=several({"enum": [t.sql for t in catalog.tables]}, 2),
    )


def from_json(raw: Mapping[str, Any], catalog: Catalog) -> Plan:
    """A plan from its JSON form.

    Raises:
        PlanError: it is no plan over these tables; the text says what is wrong.
    """
    if not isinstance(raw, Mapping):
        raise PlanError("A plan is a JSON object.")
    table = catalog.table(str(raw.get("table", "")))
    if table is None:
        raise PlanError(f"There is no table {raw.get('table')!r}.")

    def ref(name: Any) -> Ref:
        owner, dot, column = str(name).partition(".")
        if not dot:
            owner, column = table.sql, owner
        found, its = resolve(Ref(owner, column), catalog)
        return Ref(found.sql, its.sql)

    def items(source: Mapping[str, Any], key: str) -> list[Any]:
        value = source.get(key) or []
        if not isinstance(value, list):
            raise PlanError(f"{key} of a plan is a list.")
        return value

    def records(source: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        found = items(source, key)
        if not all(isinstance(item, Mapping) for item in found):
            raise PlanError(f"{key} of a plan is a list of objects.")
        return found

    def condition(item: Mapping[str, Any]) -> Condition:
        return Condition(ref(item.get("column")), _one_of(item.get("op"), Op), _values(item.get("values")))

    def measure(item: Mapping[str, Any]) -> Measure:
        name = item.get("column")
        return Measure(
            _one_of(item.get("func"), Func),
            None if name in (None, "*", "") else ref(name),
            tuple(condition(c) for c in records(item, "where")),
        )

    measures = tuple(measure(item) for item in records(raw, "measures"))

    def figure(name: Any) -> Measure:
        number = str(name).removeprefix("measure ")
        if not number.isdigit() or not 1 <= int(number) <= len(measures):
            raise PlanError(f"The plan has no {name}.")
        return measures[int(number) - 1]

    def order(item: Mapping[str, Any]) -> Order:
        name = item.get("by")
        by = figure(name) if str(name).startswith("measure ") else ref(name)
        return Order(by, item.get("descending") is True)

    def having(item: Mapping[str, Any]) -> Having:
        values = _values([item.get("value")])
        op = _one_of(item.get("op"), Literal["=", "!=", ">", ">=", "<", "<="])
        return Having(figure(item.get("measure")), op, values[0])

    limit, period = raw.get("limit"), raw.get("period")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise PlanError("limit of a plan is a whole number from 1.")
    return Plan(
        table=table.sql,
        show=tuple(ref(name) for name in items(raw, "show")),
        measures=measures,
        where=tuple(condition(item) for item in records(raw, "where")),
        group=tuple(ref(name) for name in items(raw, "group")),
        having=tuple(having(item) for item in records(raw, "having")),
        order=tuple(order(item) for item in records(raw, "order")),
        limit=limit,
        distinct=raw.get("distinct") is True,
        ratio=raw.get("ratio") is True,
        percent=raw.get("percent") is True,
        period=None if period is None else _one_of(period, Period),
        without=tuple(str(name) for name in items(raw, "without")),
    )


def _one_of(value: Any, allowed: Any) -> Any:
    names = get_args(allowed)
    if value not in names:
        raise PlanError(f"{value!r} is none of {', '.join(names)}.")
    return value


def _values(raw: Any) -> tuple[Value, ...]:
    found = raw if isinstance(raw, list) else [] if raw is None else [raw]
    if not all(isinstance(v, int | float | str) for v in found):
        raise PlanError("Values in a plan are numbers and texts.")
    return tuple(int(v) if isinstance(v, bool) else v for v in found)
