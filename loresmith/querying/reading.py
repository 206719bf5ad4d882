"""A statement in plain words, from its resolved tree.

"sum of hours of maintenance where pump is P-200 and year of date is 2024, by technician, highest first".
A reading may be stiff, never wrong: every condition of the statement is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loresmith.querying.figures import Figure, figure
from loresmith.querying.phrases import words
from loresmith.querying.saying import Sayer
from loresmith.querying.trees import meant
from loresmith.tables.values import Catalog

if TYPE_CHECKING:
    from sqlglot import exp

_LONGEST_TITLE = 60


def reading(tree: exp.Expression, catalog: Catalog, language: str = "en") -> str:
    """The query in words."""
    return _Reader(catalog, words(language)).query(tree)


def sayer_of(tree: exp.Expression, catalog: Catalog, language: str) -> Sayer:
    """What says the values and conditions of a query."""
    return _Reader(catalog, words(language)).sayer(tree)


def titles(tree: exp.Expression, catalog: Catalog, language: str = "en") -> tuple[str, ...]:
    """A name for each column of the result."""
    from sqlglot import exp

    select = tree
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    sayer = _Reader(catalog, words(language)).sayer(select)
    named = [_title(projection, sayer) for projection in select.expressions]
    again = Counter(named)
    for n, projection in enumerate(select.expressions):
        owner = catalog.table(figure(projection.unalias()).table)
        if again[named[n]] > 1 and owner is not None:
            named[n] = f"{named[n]} ({owner.name})"
    seen = Counter[str]()
    for n, name in enumerate(named):
        seen[name] += 1
        named[n] = name if seen[name] == 1 else f"{name} {seen[name]}"
    return tuple(named)


def _title(projection: exp.Expression, sayer: Sayer) -> str:
    from sqlglot import exp

    inner = projection.unalias()
    if isinstance(inner, exp.Column):
        return sayer.title(inner)
    said = sayer.phrase(inner)
    if len(said) > _LONGEST_TITLE and isinstance(projection, exp.Alias):
        return projection.alias.replace("_", " ").strip() or said
    return said


@dataclass(frozen=True, slots=True)
class _Reader:
    """Says queries, and those within them, in one language."""

    catalog: Catalog
    said: Mapping[str, str]

    def say(self, key: str, *parts: str) -> str:
        return self.said[key].format(*parts)

    def sayer(self, select: exp.Expression) -> Sayer:
        tables = [table for _, table in select.meta.get("sources", ()) if table]
        outputs = {str(p.alias).casefold(): p.unalias() for p in select.expressions if p.args.get("alias")}
        twice = frozenset(table for table, count in Counter(tables).items() if count > 1)
        return Sayer(self.catalog, self.said, self.query, tables[0] if tables else "", twice, outputs)

    def query(self, tree: exp.Expression) -> str:
        from sqlglot import exp

        if isinstance(tree, exp.Subquery):
            return self.query(tree.this)
        if not isinstance(tree, exp.SetOperation):
            return self._select(tree)  # type: ignore[arg-type]
        key = "together"
        if isinstance(tree, exp.Except | exp.Intersect):
            key = "without" if isinstance(tree, exp.Except) else "common"
        both = [self.query(side) for side in (tree.this, tree.expression)]
        order = tree.args.get("order")
        first = tree.this
        while not isinstance(first, exp.Select):
            first = first.this
        sayer = self.sayer(first)
        ordered = [_ordered(term, first, sayer, 0) for term in order.expressions] if order else []
        return ", ".join([self.say(key, *both), *ordered, *self._cut(tree)])

    def _select(self, tree: exp.Select) -> str:
        from sqlglot import exp

        sayer = self.sayer(tree)
        group = tree.args.get("group")
        grouped = [meant(term, tree) for term in group.expressions] if group else []
        keys = {g.sql() for g in grouped}
        shown = [p.unalias() for p in tree.expressions]
        listed = [sayer.phrase(p) for p in shown if p.sql() not in keys] or [sayer.phrase(p) for p in shown]
        subject = self.said["row"] if all(isinstance(p, exp.Literal) for p in shown) else ", ".join(listed)
        if tree.args.get("distinct"):
            subject = self.say("distinct", subject)
        sources = self._sources(tree, sayer)
        several = len(tree.meta.get("sources", ())) > 1
        text = self.say("from" if several else "of", subject, sources) if sources else subject
        if tests := self._tests(tree, sayer):
            text = self.say("where", text, f" {self.said['and']} ".join(tests))
        tail = []
        if grouped:
            tail.append(self.say("by", ", ".join(sayer.phrase(g) for g in grouped)))
        having = tree.args.get("having")
        if having is not None:
            tail.append(self.say("having", sayer.condition(having.this)))
        order = tree.args.get("order")
        if order is not None:
            figures = len(shown) - len(keys & {p.sql() for p in shown})
            tail += [_ordered(term, tree, sayer, figures) for term in order.expressions]
        return ", ".join([text, *tail, *self._cut(tree)])

    # --- where it comes from -------------------------------------------------------------------

    def _sources(self, tree: exp.Select, sayer: Sayer) -> str:
        start = tree.args.get("from_")
        if start is None:
            return ""
        names = [self._source(tree, start.this, sayer)]
        for join in tree.args.get("joins") or ():
            name, side = self._source(tree, join.this, sayer), str(join.args.get("side") or "")
            if side:
                beside = self.said["beside"] if side == "LEFT" else f"{side} JOIN"
                tests = f" {self.said['and']} ".join(self._joined(join, sayer))
                name = self.say("with", name, f"{beside}: {tests}" if tests else beside)
            names.append(name)
        return f" {self.said['and']} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def _source(self, tree: exp.Select, node: exp.Expression, sayer: Sayer) -> str:
        from sqlglot import exp

        if isinstance(node, exp.Subquery):
            return f"({self.query(node.this)})"
        if (part := _part(tree, node.name)) is not None:
            return f"({self.query(part)})"
        table = self.catalog.table(node.name)
        if table is None:
            return str(node.name)
        return self.say("with", table.name, str(node.alias)) if table.sql in sayer.twice else table.name

    def _tests(self, tree: exp.Select, sayer: Sayer) -> list[str]:
        """The conditions of WHERE, and those of joins that leave rows out."""
        from sqlglot import exp

        where = tree.args.get("where")
        joins = [j for j in tree.args.get("joins") or () if not j.args.get("side")]
        joined = [said for join in joins for said in self._joined(join, sayer)]
        if where is None:
            return joined
        said = sayer.condition(where.this)
        return [f"({said})" if joined and isinstance(where.this, exp.Or) else said, *joined]

    def _joined(self, join: exp.Expression, sayer: Sayer) -> list[str]:
        """What a join says beyond that keys are the same."""
        from sqlglot import exp

        condition = join.args.get("on")
        parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
        return [sayer.condition(p) for p in parts if p is not None and not self._plain_join(p)]

    def _plain_join(self, node: exp.Expr) -> bool:
        """Two columns that are a reference, or have one name."""
        from sqlglot import exp

        if not isinstance(node, exp.EQ):
            return False
        sides = (node.this, node.expression)
        if not all(isinstance(side, exp.Column) for side in sides):
            return False
        a, b = (side.meta.get("figure", Figure()) for side in sides)
        if a.column == b.column or not a.table or not b.table:
            return True
        ways = [(t.sql, f.column, f.to_table, f.to_column) for t in self.catalog.tables for f in t.foreign]
        return any((x.table, x.column, y.table, y.column) in ways for x, y in ((a, b), (b, a)))

    def _cut(self, tree: exp.Expression) -> list[str]:
        limit, offset = tree.args.get("limit"), tree.args.get("offset")
        said = []
        if limit is not None:
            count = str(limit.expression.this)
            said.append(self.said["only first"] if count == "1" else self.say("first n", count))
        if offset is not None:
            said.append(self.say("after n", str(offset.expression.this)))
        return said


def _ordered(term: exp.Expression, tree: exp.Select, sayer: Sayer, figures: int) -> str:
    from sqlglot import exp

    term_is = meant(term.this, tree)
    what, down = figure(term_is), bool(term.args.get("desc"))
    if what.type in ("date", "datetime", "time") or term_is.find(exp.TimeToStr):
        direction = sayer.said["latest" if down else "earliest"]
    elif what.type == "text" and not what.aggregate:
        direction = sayer.said["z-a" if down else "a-z"]
    else:
        direction = sayer.said["highest" if down else "lowest"]
    group = tree.args.get("group")
    if group and [meant(g, tree).sql() for g in group.expressions] == [term_is.sql()]:
        return direction
    order = tree.args.get("order")
    alone = order is not None and len(order.expressions) == 1 and figures == 1
    chosen = term_is.sql() in {p.unalias().sql() for p in tree.expressions} and what.aggregate
    return direction if alone and chosen else sayer.say("ordered", sayer.phrase(term_is), direction)


def _part(tree: exp.Expression, name: str) -> exp.Expression | None:
    """The query that a WITH gives this name."""
    at: exp.Expression | None = tree
    while at is not None:
        clause = at.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            if str(cte.alias).casefold() == name.casefold():
                found: exp.Expression = cte.this
                return found
        at = at.parent  # type: ignore[assignment]
    return None
