"""Every name of a statement, resolved as SQLite would: which table, which column, what an output is.

Nothing that is not in the catalog exists here; the stars are written out, since the store's tables have
columns that are nobody's business. What was found stays with the tree: a column's `Figure` in its
`meta["figure"]`, a query's tables in `meta["sources"]`, whether it needs the query around it in
`meta["correlated"]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loresmith.errors import Unsound
from loresmith.querying.figures import Figure, figure
from loresmith.tables.values import Catalog, Column, Table

if TYPE_CHECKING:
    from sqlglot import exp

MOST_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Source:
    """What stands in a FROM: a table of the catalog, or a query with outputs.

    Attributes:
        alias: how the query calls it.  table: sql name, "" for a query.
        columns: name (casefolded) -> figure, in order.  names: as they are written.
    """

    alias: str
    table: str
    columns: Mapping[str, Figure]
    names: tuple[str, ...] = ()


Outputs = tuple[tuple[str, Figure], ...]


@dataclass(slots=True)
class _Scope:
    sources: list[Source]
    outer: _Scope | None
    ctes: Mapping[str, Outputs]
    shared: set[str] = field(default_factory=set)  # columns of USING: the same on both sides
    outputs: dict[str, Figure] = field(default_factory=dict)
    correlated: bool = False


def resolve(tree: exp.Expression, catalog: Catalog) -> Outputs:
    """The outputs of a query; names are settled in place.

    Raises:
        Unsound: a table or column that the catalog does not have, or a name that could be two.
    """
    return _Resolver(catalog).query(tree, {}, None)


def _figure_of(table: Table, column: Column) -> Figure:
    amount = column.numeric and (bool(column.unit) or column.type == "real")
    places = (
        0 if column.type in ("integer", "boolean") else column.decimals if column.type == "real" else None
    )
    return Figure(column.type, column.unit, places, table.sql, column.sql, amount)


class _Resolver:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    # --- queries -----------------------------------------------------------------------------

    def query(self, node: exp.Expression, ctes: Mapping[str, Outputs], outer: _Scope | None) -> Outputs:
        from sqlglot import exp

        ctes = self._with(node, ctes)
        if isinstance(node, exp.Subquery):
            inner = self.query(node.this, ctes, outer)
            self._sorted(node, inner)
            return inner
        if isinstance(node, exp.SetOperation):
            left = self.query(node.this, ctes, outer)
            right = self.query(node.expression, ctes, outer)
            if len(left) != len(right):
                raise Unsound(f"The parts of a union have {len(left)} and {len(right)} columns.")
            self._sorted(node, left)
            return left
        if not isinstance(node, exp.Select):
            raise Unsound("Only SELECT is allowed.")
        return self._select(node, ctes, outer)

    def _with(self, node: exp.Expression, ctes: Mapping[str, Outputs]) -> Mapping[str, Outputs]:
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        if clause.args.get("recursive"):
            raise Unsound("WITH RECURSIVE is not allowed.")
        known = dict(ctes)
        for cte in clause.expressions:
            name = str(cte.alias)
            if name.startswith("_") or name.casefold().startswith("sqlite") or self.catalog.table(name):
                raise Unsound(f"{name} cannot be the name of a part of a query.", "Choose another.")
            outputs = self.query(cte.this, known, None)
            given = cte.args["alias"].args.get("columns") or []
            if given:
                if len(given) != len(outputs):
                    raise Unsound(f"{name} names {len(given)} columns and has {len(outputs)}.")
                outputs = tuple((c.name, f) for c, (_, f) in zip(given, outputs, strict=True))
            known[name.casefold()] = outputs
        return known

    def _sorted(self, node: exp.Expression, outputs: Outputs) -> None:
        """ORDER BY of a union or of brackets: its names are the outputs'."""
        from sqlglot import exp

        scope = _Scope([], None, {}, outputs={n.casefold(): f for n, f in outputs})
        order = node.args.get("order")
        for term in order.expressions if order else ():
            if isinstance(term.this, exp.Literal):
                self._ordinal(term.this, len(outputs))
            self._expression(term, scope, aliases=True)

    def _select(self, node: exp.Select, ctes: Mapping[str, Outputs], outer: _Scope | None) -> Outputs:
        from sqlglot import exp

        scope = _Scope([], outer, ctes)
        start = node.args.get("from_")
        if start is not None:
            scope.sources.append(self._source(start.this, scope))
        for join in node.args.get("joins") or ():
            if str(join.args.get("method") or "").upper() == "NATURAL":
                raise Unsound("NATURAL JOIN is not allowed.", "Say with ON which columns join.")
            source = self._source(join.this, scope)
            for using in join.args.get("using") or ():
                name = using.name.casefold()
                if name not in source.columns or not any(name in s.columns for s in scope.sources):
                    raise Unsound(f"USING needs a column {using.name} on both sides.")
                scope.shared.add(name)
            scope.sources.append(source)
        aliases = [s.alias.casefold() for s in scope.sources]
        if len(set(aliases)) != len(aliases):
            raise Unsound("Two tables of a query have the same name.", "Give each an alias.")
        self._stars(node, scope)
        for join in node.args.get("joins") or ():
            if join.args.get("on") is not None:
                self._expression(join.args["on"], scope, aliases=False)
        outputs = []
        for n, projection in enumerate(node.expressions):
            self._expression(projection, scope, aliases=False)
            outputs.append((projection.alias_or_name or f"column{n + 1}", figure(projection)))
        scope.outputs = {name.casefold(): what for name, what in outputs}
        for part in ("where", "group", "having"):
            if node.args.get(part) is not None:
                self._expression(node.args[part], scope, aliases=True)
        for window in node.args.get("windows") or ():
            self._expression(window, scope, aliases=False)
        order = node.args.get("order")
        for term in (*(order.expressions if order else ()), *_group_terms(node)):
            inner = term.this if isinstance(term, exp.Ordered) else term
            if isinstance(inner, exp.Literal):
                self._ordinal(inner, len(outputs))
            if isinstance(term, exp.Ordered):
                self._expression(term, scope, aliases=True)
        node.meta["sources"] = tuple((s.alias, s.table) for s in scope.sources)
        node.meta["correlated"] = scope.correlated
        return tuple(outputs)

    def _ordinal(self, literal: exp.Expression, count: int) -> None:
        if literal.args.get("is_string"):
            return
        text = str(literal.this)
        if not text.isdigit() or not 1 <= int(text) <= count:
            raise Unsound(f"There is no column {text} to order or group by.")

    # --- sources and stars -------------------------------------------------------------------

    def _source(self, node: exp.Expression, scope: _Scope) -> Source:
        from sqlglot import exp

        if isinstance(node, exp.Subquery):
            if not isinstance(node.this, exp.Query) or node.args.get("joins"):
                raise Unsound("Joins in brackets are not allowed.", "Join one table after another.")
            # A query in FROM does not see its neighbours, nor what stands around the statement's part.
            return _of_outputs(str(node.alias), self.query(node, scope.ctes, None))
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise Unsound("Only tables and queries can stand in FROM.")
        if node.args.get("db") or node.args.get("catalog"):
            raise Unsound(f"{node.sql('sqlite')} names another database.", "Name the table alone.")
        if any(
            node.args.get(k) for k in ("joins", "pivots", "indexed", "sample", "when", "laterals", "hints")
        ):
            raise Unsound(f"{node.name} stands in FROM with words that are not allowed.")
        alias = node.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise Unsound(f"The columns of {node.name} cannot be renamed in FROM.")
        if node.name.casefold() in scope.ctes:
            return _of_outputs(str(node.alias_or_name), scope.ctes[node.name.casefold()])
        table = self.catalog.table(node.name)
        if table is None:
            there = ", ".join(t.sql for t in self.catalog.tables[:20])
            raise Unsound(f"There is no table {node.name}.", f"There are: {there}." if there else "")
        node.this.set("quoted", False)
        node.this.set("this", table.sql)
        figures = {c.sql.casefold(): _figure_of(table, c) for c in table.columns}
        return Source(str(node.alias_or_name), table.sql, figures, tuple(c.sql for c in table.columns))

    def _stars(self, node: exp.Select, scope: _Scope) -> None:
        """`*` and `t.*` written out."""
        from sqlglot import exp

        if _in_exists(node):
            if any(isinstance(p, exp.Star) for p in node.expressions):
                node.set("expressions", [exp.Literal.number(1)])
            return
        listed: list[exp.Expression] = []
        for projection in node.expressions:
            qualified = isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
            if not isinstance(projection, exp.Star) and not qualified:
                listed.append(projection)
                continue
            wanted = projection.table.casefold() if qualified else None
            sources = [s for s in scope.sources if wanted is None or s.alias.casefold() == wanted]
            if not sources:
                raise Unsound(f"{projection.sql('sqlite')} names nothing that stands in FROM.")
            several, seen = len(scope.sources) > 1, set[str]()
            for source in sources:
                for name in source.names:
                    if name.casefold() in scope.shared and name.casefold() in seen:
                        continue
                    seen.add(name.casefold())
                    listed.append(exp.column(name, source.alias if several and source.alias else None))
            if len(listed) > MOST_COLUMNS:
                break
        if len(listed) > MOST_COLUMNS:
            raise Unsound(
                f"A result has at most {MOST_COLUMNS} columns.", "Name the columns that are wanted."
            )
        node.set("expressions", listed)

    # --- names in expressions ----------------------------------------------------------------

    def _expression(self, node: exp.Expression, scope: _Scope, *, aliases: bool) -> None:
        from sqlglot import exp

        if isinstance(node, exp.Select | exp.SetOperation | exp.Subquery):
            self.query(node, scope.ctes, scope)
            return
        if isinstance(node, exp.Column):
            self._column(node, scope, aliases=aliases)
            return
        for child in list(node.iter_expressions()):
            self._expression(child, scope, aliases=aliases)

    def _column(self, node: exp.Column, scope: _Scope, *, aliases: bool) -> None:
        from sqlglot import exp

        if node.args.get("db") or not isinstance(node.this, exp.Identifier):
            raise Unsound(f"{node.sql('sqlite')} is not a column.")
        name, wanted = node.name.casefold(), node.table.casefold()
        if aliases and not wanted and name in scope.outputs and _ordering(node):
            node.meta["figure"] = scope.outputs[name]  # ORDER BY sees the outputs first
            return
        inner: list[_Scope] = []
        at: _Scope | None = scope
        while at is not None:
            sources = [s for s in at.sources if not wanted or s.alias.casefold() == wanted]
            found = [s for s in sources if name in s.columns]
            if len(found) > 1 and name not in at.shared:
                says = " or ".join(f"{s.alias}.{node.name}" for s in found)
                raise Unsound(f"{node.name} could be {says}.", "Name the table.")
            if found:
                node.meta["figure"] = found[0].columns[name]
                node.meta["source"] = found[0].alias
                node.this.set("quoted", False)
                if found[0].table:  # SQLite folds the case of A to Z only
                    node.this.set("this", found[0].columns[name].column)
                if node.args.get("table") is not None:
                    node.args["table"].set("quoted", False)
                for between in inner:
                    between.correlated = True
                return
            if aliases and at is scope and not wanted and name in scope.outputs:
                node.meta["figure"] = scope.outputs[name]
                return
            inner.append(at)
            at = at.outer
        if node.this.args.get("quoted") and not wanted and _compared(node):
            # SQLite reads "text" in double quotes as a text where no column has that name.
            node.replace(exp.Literal.string(node.name))
            return
        raise Unsound(*_unknown(node, scope, self.catalog))


def _of_outputs(alias: str, outputs: Outputs) -> Source:
    columns: dict[str, Figure] = {}
    for name, what in outputs:
        columns.setdefault(name.casefold(), what)
    return Source(alias, "", columns, tuple(name for name, _ in outputs))


def _group_terms(node: exp.Select) -> Iterable[exp.Expression]:
    group = node.args.get("group")
    return list(group.expressions) if group is not None else []


def _in_exists(node: exp.Select) -> bool:
    from sqlglot import exp

    parent = node.parent
    while isinstance(parent, exp.Subquery):
        parent = parent.parent
    return isinstance(parent, exp.Exists)


def _ordering(node: exp.Column) -> bool:
    from sqlglot import exp

    return isinstance(node.parent, exp.Ordered)


def _compared(node: exp.Column) -> bool:
    from sqlglot import exp

    return isinstance(
        node.parent, exp.EQ | exp.NEQ | exp.In | exp.Like | exp.Between | exp.GT | exp.GTE | exp.LT | exp.LTE
    )


def _unknown(node: exp.Column, scope: _Scope, catalog: Catalog) -> tuple[str, str]:
    """What is wrong with a name, and what there is instead."""
    sources = [s for s in scope.sources if not node.table or s.alias.casefold() == node.table.casefold()]
    if node.table and not sources:
        return f"{node.table} does not stand in FROM of this query.", "Join it first."
    owners = [t.sql for t in catalog.tables if t.column(node.name) is not None]
    if owners and not node.name.startswith("_"):
        return (
            f"{node.name} is a column of {', '.join(owners[:5])}.",
            "Join that table, or name another column.",
        )
    there = [name for s in sources for name in s.names]
    shown = f"There are: {', '.join(there[:40])}." if there else ""
    return f"There is no column {node.name}.", shown
