"""Looking at resolved statements: what belongs to which query, and what would count twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loresmith.tables.values import Catalog

if TYPE_CHECKING:
    from sqlglot import exp


def meant(term: exp.Expression, select: exp.Select) -> exp.Expression:
    """What a term of GROUP BY or ORDER BY stands for: an ordinal, an alias, or itself."""
    from sqlglot import exp

    found: exp.Expression = term
    if isinstance(term, exp.Literal) and not term.is_string:
        found = select.expressions[int(str(term.this)) - 1].unalias()
    elif isinstance(term, exp.Column) and not term.table and "source" not in term.meta:
        for projection in select.expressions:
            if isinstance(projection, exp.Alias) and projection.alias.casefold() == term.name.casefold():
                found = projection.this
    return found


def terms(select: exp.Select, key: str) -> list[exp.Expression]:
    """The terms of GROUP BY ("group") or ORDER BY ("order"), as they stand."""
    clause = select.args.get(key)
    if clause is None:
        return []
    return [t.this if key == "order" else t for t in clause.expressions]


def groups(select: exp.Select) -> list[exp.Expression]:
    """What a query groups by."""
    return [meant(term, select) for term in terms(select, "group")]


def own(roots: Sequence[exp.Expression]) -> list[exp.Expression]:
    """Everything in these expressions that is not in a query within them."""
    from sqlglot import exp

    found: list[exp.Expression] = []
    for root in roots:
        found += [
            n for n in root.walk(prune=lambda n: isinstance(n, exp.Query)) if isinstance(n, exp.Expression)
        ]
    return found


def figures(select: exp.Select) -> list[exp.Expression]:
    """The aggregates among a query's outputs, those of windows apart."""
    from sqlglot import exp

    found = [n for n in own(select.expressions) if isinstance(n, exp.AggFunc)]
    return [n for n in found if not _windowed(n)]


def _windowed(node: exp.Expression) -> bool:
    from sqlglot import exp

    parent = node.parent.parent if isinstance(node.parent, exp.Filter) else node.parent
    return isinstance(parent, exp.Window)


def with_clause(select: exp.Expression) -> str:
    """The parts that stand around a query, so that it can be asked on its own."""
    clauses: list[str] = []
    at: exp.Expression | None = select
    while at is not None:
        clause = at.args.get("with_")
        if clause is not None:
            its = [c.sql(dialect="sqlite", comments=False) for c in clause.expressions]
            clauses = [c for c in its if c not in clauses] + clauses
        at = at.parent  # type: ignore[assignment]
    return f"WITH {', '.join(clauses)} " if clauses else ""


def once(alias: str, select: exp.Select, catalog: Catalog) -> bool:
    """Whether a join leads from each row of a source to at most one row of every other: by columns that
    are keys there."""
    from sqlglot import exp

    tables = {name.casefold(): catalog.table(table) for name, table in select.meta["sources"]}
    pairs: list[tuple[exp.Column, exp.Column]] = []
    for part in predicates(select):
        sides = part.this, part.args.get("expression")
        if isinstance(part, exp.EQ) and all(isinstance(side, exp.Column) for side in sides):
            pairs += [(part.this, part.expression), (part.expression, part.this)]
    reached, grown = {alias.casefold()}, True
    while grown:
        grown = False
        for here, there in pairs:
            a, b = (str(side.meta.get("source", "")).casefold() for side in (here, there))
            table = tables.get(b)
            column = table.column(there.name) if table is not None else None
            key = table is not None and column is not None and (column.key or table.keys == (column.sql,))
            if key and a in reached and b not in reached:
                reached.add(b)
                grown = True
    return len(reached) == len(tables)


def predicates(select: exp.Select) -> list[exp.Expression]:
    """What must hold of every row: the parts of WHERE and of the joins' ON."""
    from sqlglot import exp

    tests = [join.args.get("on") for join in select.args.get("joins") or ()]
    tests.append(select.args["where"].this if select.args.get("where") is not None else None)
    found: list[Any] = []
    for test in tests:
        found += [p for p in (test.flatten() if isinstance(test, exp.And) else [test]) if p is not None]
    return found


def doubtful(tree: exp.Expression, catalog: Catalog) -> list[tuple[str, str, str]]:
    """Figures over joins whose keys do not say that each row counts once.

    Returns:
        (statement that finds a row that counts several times, table, figure) for each.
    """
    from sqlglot import exp

    found = []
    for select in tree.find_all(exp.Select):
        sources = select.meta.get("sources", ())
        if len(sources) < 2 or select.meta.get("correlated"):
            continue
        for node in figures(select):
            alias = _added(node, catalog)
            table = next((t for name, t in sources if alias is not None and name == alias and t), "")
            if alias is None or not table or once(alias, select, catalog):
                continue
            under = select.copy()
            for key in ("group", "having", "order", "limit", "offset", "distinct", "with_", "windows"):
                under.set(key, None)
            row = exp.column("_row", alias)
            under.set("expressions", [exp.Literal.number(1)])
            under.where(exp.Not(this=exp.Is(this=row.copy(), expression=exp.Null())), copy=False)
            if isinstance(node.parent, exp.Filter):
                under.where(node.parent.expression.this.copy(), copy=False)
            under.group_by(*(g.copy() for g in groups(select)), row, copy=False)
            text = f"{with_clause(select)}{under.sql(dialect='sqlite', comments=False)} HAVING COUNT(*) > 1"
            found.append((text, table, node.sql(dialect="sqlite")))
    return found


def _added(node: exp.Expression, catalog: Catalog) -> str | None:
    """The source whose rows a figure adds up: a sum or an average of its column, a count of its key."""
    from sqlglot import exp

    column = node.this
    if not isinstance(node, exp.Sum | exp.Avg | exp.Count) or not isinstance(column, exp.Column):
        return None
    source = column.meta.get("source")
    if isinstance(node, exp.Count):
        table = catalog.table(column.meta["figure"].table) if "figure" in column.meta else None
        known = table.column(column.name) if table is not None else None
        if known is None or not known.key:
            return None
    return str(source) if source else None
