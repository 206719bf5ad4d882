"""What a value in a result is: its type, its unit, how many places after the point it deserves.

Worked out from the statement, through aggregates and arithmetic: a sum of hours is in hours, a ratio of
two amounts has no unit, an average has at most two places more than what it averages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loresmith.tables.values import Cell, ColumnType

if TYPE_CHECKING:
    from sqlglot import exp

_MOST_PLACES = 6
_DAYS = "d"


@dataclass(frozen=True, slots=True)
class Figure:
    """What an expression gives.

    Attributes:
        places: after the point, where a person reads it; None where the statement does not say.
        derived: by division, so that its places never end.
        table, column: sql names, where it is a column or an aggregate of one.
        amount: large numbers may be written with separators (never years, never identifiers).
        aggregate: over several rows.
    """

    type: ColumnType = "text"
    unit: str = ""
    places: int | None = None
    table: str = ""
    column: str = ""
    amount: bool = False
    aggregate: bool = False
    derived: bool = False


UNKNOWN = Figure()


def figure(node: exp.Expr) -> Figure:
    """What an expression gives; its columns carry theirs in `meta["figure"]`."""
    from sqlglot import exp

    if isinstance(node, exp.Column):
        found = node.meta.get("figure")
        return found if isinstance(found, Figure) else UNKNOWN
    if isinstance(node, exp.Literal):
        if node.is_string:
            return UNKNOWN
        text = str(node.this)
        places = len(text.partition(".")[2].rstrip("0"))
        return Figure("real" if "." in text else "integer", places=places, amount=True)
    if isinstance(
        node, exp.Alias | exp.Paren | exp.Filter | exp.Window | exp.Distinct | exp.Ordered | exp.Neg
    ):
        inner = node.expressions[0] if isinstance(node, exp.Distinct) else node.this
        return figure(inner)
    if isinstance(node, exp.Subquery):
        select = node.this
        return figure(select.expressions[0]) if isinstance(select, exp.Select) else UNKNOWN
    if isinstance(node, exp.Count | exp.RowNumber | exp.Rank | exp.DenseRank | exp.Length | exp.StrPosition):
        return Figure("integer", places=0, amount=True, aggregate=isinstance(node, exp.Count))
    if isinstance(node, exp.Sum | exp.Avg | exp.Min | exp.Max):
        return _aggregate(node)
    if isinstance(node, exp.Abs | exp.Least | exp.Greatest | exp.Coalesce | exp.Nullif | exp.Lag | exp.Lead):
        return figure(node.this)
    if isinstance(node, exp.FirstValue | exp.LastValue):
        return figure(node.this)
    if isinstance(node, exp.Round | exp.Ceil | exp.Floor):
        inner = figure(node.this)
        given = node.args.get("decimals") if isinstance(node, exp.Round) else None
        count = int(str(given.this)) if isinstance(given, exp.Literal) and given.this.isdigit() else 0
        return replace(inner, places=min(count, _MOST_PLACES))
    if isinstance(node, exp.Cast):
        inner = figure(node.this)
        whole = node.to.is_type("int", "bigint", "smallint", "tinyint")
        if node.to.is_type("text", "varchar", "char"):
            return replace(inner, type="text", unit="", amount=False)
        return replace(inner, type="integer" if whole else "real", places=0 if whole else inner.places)
    if isinstance(node, exp.Case):
        branches = [figure(b.args["true"]) for b in node.args["ifs"]]
        return _common([*branches, *([figure(node.args["default"])] if node.args.get("default") else [])])
    if isinstance(node, exp.If):
        return _common([figure(n) for n in (node.args.get("true"), node.args.get("false")) if n is not None])
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        return _arithmetic(node)
    if isinstance(node, exp.Anonymous):
        name = str(node.this).casefold()
        if name == "total":
            return _aggregate(node)
        if name == "julianday":
            return Figure("real", unit="julianday", places=2)
        return Figure({"date": "date", "datetime": "datetime", "time": "time"}.get(name, "text"))  # type: ignore[arg-type]
    if isinstance(node, exp.Predicate | exp.Not | exp.And | exp.Or | exp.Boolean):
        return Figure("boolean", places=0)
    return UNKNOWN


def _aggregate(node: exp.Expression) -> Figure:
    from sqlglot import exp

    arguments = node.this if isinstance(node, exp.Sum | exp.Avg | exp.Min | exp.Max) else node.expressions[0]
    inner = replace(figure(arguments), aggregate=True)
    if isinstance(node, exp.Min | exp.Max):
        return inner
    if inner.type == "boolean":
        inner = replace(inner, type="integer", places=0)
    if isinstance(node, exp.Avg):
        places = None if inner.places is None else min(inner.places + 2, _MOST_PLACES)
        return replace(inner, type="real", places=places, amount=True, derived=True)
    return replace(inner, amount=True)


def _common(figures: list[Figure]) -> Figure:
    """One for branches of a case: literals like 0 and NULL take the unit of the others."""
    real = [f for f in figures if f.unit] or [f for f in figures if f != UNKNOWN] or figures
    places = [f.places for f in figures if f.places is not None]
    units = {f.unit for f in real}
    kind: ColumnType = "real" if any(f.type == "real" for f in real) else real[0].type
    unit = real[0].unit if len(units) == 1 else ""
    return Figure(kind, unit, max(places, default=None), amount=any(f.amount for f in real))


def _arithmetic(node: exp.Expression) -> Figure:
    from sqlglot import exp

    left, right = figure(node.this), figure(node.expression)
    aggregate = left.aggregate or right.aggregate
    places: int | None
    if isinstance(node, exp.Div):
        places = min(max(left.places or 0, right.places or 0) + 2, _MOST_PLACES)
        if _percent(node.this) and _units(left, right) == "":
            return Figure("real", "%", 2, aggregate=aggregate, derived=True)
        return Figure("real", _units(left, right), places, amount=True, aggregate=aggregate, derived=True)
    known = None not in (left.places, right.places)
    if isinstance(node, exp.Mul):
        scale = _hundred(node)
        if scale is not None and isinstance(scale, exp.Div | exp.Paren):
            over = scale.this if isinstance(scale, exp.Paren) else scale
            if isinstance(over, exp.Div) and _units(figure(over.this), figure(over.expression)) == "":
                return Figure("real", "%", 2, aggregate=aggregate, derived=True)
        places = min((left.places or 0) + (right.places or 0), _MOST_PLACES) if known else None
        unit = f"{left.unit}·{right.unit}" if left.unit and right.unit else left.unit or right.unit
    else:
        places = max(left.places or 0, right.places or 0) if known else None
        unit = left.unit if left.unit == right.unit or _plain(node.expression) else ""
        if _plain(node.this):
            unit = right.unit
        if left.unit == right.unit == "julianday":
            return Figure("real", _DAYS, 2, aggregate=aggregate)
    kind: ColumnType = "integer" if left.type == right.type == "integer" else "real"
    return Figure(kind, unit, places, amount=True, aggregate=aggregate)


def _plain(node: exp.Expression) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Literal)


def _hundred(node: exp.Expression) -> exp.Expression | None:
    """The other side of a product with 100."""
    from sqlglot import exp

    for one, other in ((node.this, node.expression), (node.expression, node.this)):
        if isinstance(one, exp.Literal) and not one.is_string and float(one.this) == 100:
            return other if isinstance(other, exp.Expression) else None
    return None


def _percent(node: exp.Expression) -> bool:
    from sqlglot import exp

    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return isinstance(node, exp.Mul) and (_hundred(node) is not None or _percent(node.this))


def _units(over: Figure, under: Figure) -> str:
    if over.unit == under.unit:
        return ""
    return over.unit if not under.unit else f"{over.unit or '1'}/{under.unit}"


# --- values as they are shown -----------------------------------------------------------------


def tidy(value: Cell, what: Figure) -> Cell:
    """A value without what floating point added to it; of a quotient seven digits."""
    if not isinstance(value, float):
        return value
    if what.derived:
        exact = float(f"{value:.7g}")
        return int(exact) if exact.is_integer() and abs(exact) < 1e15 and what.type == "integer" else exact
    return rounded(value, what)


def rounded(value: Cell, what: Figure) -> Cell:
    """A value as a person reads it."""
    if not isinstance(value, float):
        return value
    places = _MOST_PLACES if what.places is None else what.places
    told = round(value, places)
    if what.places is not None and told == 0 and value:
        told = float(f"{value:.3g}")  # a small figure is not nothing
    if what.type == "integer" and told.is_integer() and abs(told) < 1e15:
        return int(told)
    return told
