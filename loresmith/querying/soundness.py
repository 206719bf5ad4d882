"""What SQLite would run and silently answer wrongly: put right where one meaning is plain, else refused.

- a date compared with a year or a month, a moment with a day: the whole year, month or day is meant
- yes and no compared with a word, a number with a text, a code with a number: SQLite finds nothing
- a column beside figures that is no group: SQLite shows that of any row
- tables that nothing joins: every row of one would stand beside every row of the other
- a sum of temperatures, or of the states of a counter
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from loresmith.errors import PlanError, Unsound
from loresmith.querying.conditions import condition_sql
from loresmith.querying.figures import Figure
from loresmith.querying.quantities import intensive, reading
from loresmith.querying.trees import figures, groups, own, predicates
from loresmith.tables.values import Catalog, Column

if TYPE_CHECKING:
    from sqlglot import exp

_WHOLE = {"date": r"\d{4}-\d{2}-\d{2}", "datetime": r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}"}
_FLIPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def compare(tree: exp.Expression, catalog: Catalog) -> None:
    """Settle comparisons of columns with literals, in place.

    Raises:
        Unsound: the literal is nothing that the column could hold.
    """
    from sqlglot import exp

    ops: dict[type, str] = {
        exp.EQ: "=",
        exp.NEQ: "!=",
        exp.GT: ">",
        exp.GTE: ">=",
        exp.LT: "<",
        exp.LTE: "<=",
    }
    for node in list(tree.find_all(*ops, exp.Between, exp.In)):
        subject, values, op = node.this, [node.args.get("expression")], ops.get(type(node), "")
        if isinstance(node, exp.Between):
            values, op = [node.args["low"], node.args["high"]], "between"
        elif isinstance(node, exp.In):
            values, op = list(node.expressions), "in"
        elif isinstance(subject, exp.Literal):
            subject, values, op = values[0], [subject], _FLIPPED.get(op, op)
        column = _column(subject, catalog)
        if column is None or not values or not all(isinstance(v, exp.Literal) for v in values):
            continue
        texts = [str(v.this) for v in values if v is not None]
        if column.type in _WHOLE:
            if not all(re.fullmatch(_WHOLE[column.type], text) for text in texts):
                _span(node, subject, column, op, texts)
            continue
        for literal in values:
            _settle(literal, column)


def _column(node: exp.Expr | None, catalog: Catalog) -> Column | None:
    from sqlglot import exp

    what = node.meta.get("figure") if isinstance(node, exp.Column) else None
    if not isinstance(what, Figure) or what.aggregate:
        return None
    table = catalog.table(what.table)
    return table.column(what.column) if table is not None else None


def _span(node: exp.Expr, subject: exp.Expr, column: Column, op: str, texts: list[str]) -> None:
    import sqlglot
    from sqlglot import exp

    try:
        text = condition_sql(subject.sql(dialect="sqlite"), column, op, texts)
    except PlanError as error:
        raise Unsound(error.problem) from None
    made = sqlglot.parse_one(text, dialect="sqlite")
    for copy in made.find_all(exp.Column):
        copy.meta.update(subject.meta)
    node.replace(exp.Paren(this=made) if isinstance(made, exp.Connector) else made)


def _settle(literal: exp.Expr | None, column: Column) -> None:
    from sqlglot import exp

    if not isinstance(literal, exp.Literal):
        return
    if column.type == "text" and not literal.is_string:
        literal.replace(exp.Literal.string(str(literal.this)))
    elif literal.is_string and (column.numeric or column.type == "boolean"):
        try:
            made = condition_sql("x", column, "=", [str(literal.this)])
        except PlanError as error:
            raise Unsound(error.problem) from None
        literal.replace(exp.Literal.number(made.removeprefix("x = ")))


def shown(tree: exp.Expression, catalog: Catalog) -> None:
    """Refuse a column beside figures that is no group.

    Raises:
        Unsound: a query has one.
    """
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        its, by = figures(select), groups(select)
        if not its and not by:
            continue
        if len(its) == 1 and isinstance(its[0], exp.Min | exp.Max) and not by:
            continue  # SQLite promises the row that has the lowest or highest value
        said = {g.sql() for g in by}
        keys = {g.meta.get("source") for g in by if (c := _column(g, catalog)) is not None and c.key}
        sources = {alias for alias, _ in select.meta.get("sources", ())}
        for projection in select.expressions:
            for node in own([projection.unalias()]):
                if not isinstance(node, exp.Column) or node.meta.get("source") not in sources - keys:
                    continue
                if not _settled(node, projection, said):
                    raise Unsound(
                        f"{node.sql(dialect='sqlite')} stands beside figures and is no group.",
                        "Add it to GROUP BY, or leave it out.",
                    )


def _settled(node: exp.Expression, projection: exp.Expression, said: set[str]) -> bool:
    """Whether a column is within an aggregate, or within what the query groups by."""
    from sqlglot import exp

    at: exp.Expr | None = node
    while at is not None and at is not projection.parent:
        if isinstance(at, exp.AggFunc | exp.Filter | exp.Window) or at.sql() in said:
            return True
        at = at.parent
    return False


def _indifferent(node: exp.Expression) -> bool:
    """Whether a figure is the same however often a row stands there."""
    from sqlglot import exp

    return isinstance(node, exp.Min | exp.Max) or isinstance(node.this, exp.Distinct)


def summed(tree: exp.Expression, catalog: Catalog) -> None:
    """Refuse sums of what does not add up.

    Raises:
        Unsound: a query has one.
    """
    from sqlglot import exp

    for node in tree.find_all(exp.Sum):
        what = node.this.meta.get("figure") if isinstance(node.this, exp.Column) else None
        column = _column(node.this, catalog)
        table = catalog.table(what.table) if isinstance(what, Figure) else None
        if column is None or table is None:
            continue
        if intensive(column) or reading(column, table):
            raise Unsound(
                f"{column.name} in {table.name} is what was read at a moment: its sum means nothing.",
                "Take the highest, the average, or the difference of two readings.",
            )


def joined(tree: exp.Expression) -> None:
    """Refuse tables of one FROM that nothing connects.

    Raises:
        Unsound: a query has some.
    """
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        sources = select.meta.get("sources", ())
        names = [alias for alias, table in sources if table]
        its = figures(select)
        if len(names) < 2 or (its and all(_indifferent(node) for node in its)):
            continue
        part = {alias: alias for alias, _ in sources}

        def root(alias: str, part: dict[str, str] = part) -> str:
            while part[alias] != alias:
                alias = part[alias]
            return alias

        def tie(aliases: list[str], part: dict[str, str] = part) -> None:
            known = [a for a in aliases if a in part]
            for a, b in pairwise(known):
                part[root(a, part)] = root(b, part)

        for test in predicates(select):
            tie([str(c.meta.get("source", "")) for c in test.find_all(exp.Column)])
        for n, join in enumerate(select.args.get("joins") or (), 1):
            if join.args.get("using"):
                tie([alias for alias, _ in sources[: n + 1]])
        first, *others = names
        for other in others:
            if root(first) != root(other):
                raise Unsound(
                    f"Nothing joins {first} and {other}: all rows of one would meet all of the other.",
                    "Say with ON which columns join.",
                )
