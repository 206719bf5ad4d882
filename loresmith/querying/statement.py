"""A plan as a statement: joins, subqueries for tables that only restrict, spans of dates, literals.

Written so that a person can read it: no quotes, no aliases of tables, columns bare where there is but
one table. Everything here is text that `check` reads again before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loresmith.errors import PlanError
from loresmith.querying.conditions import condition_sql, literal, sql_op
from loresmith.querying.joins import Step, steps, tree
from loresmith.querying.plan import Condition, Having, Measure, Order, Plan, Ref, resolve
from loresmith.tables.values import Catalog, Column, Table

_PERIODS = {
    "year": "CAST(STRFTIME('%Y', {0}) AS INTEGER)",
    "month": "STRFTIME('%Y-%m', {0})",
    "day": "DATE({0})",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the tables of a plan are brought together."""

    base: str
    joined: tuple[Step, ...]  # in the FROM of the statement
    restricting: tuple[tuple[Step, tuple[Step, ...]], ...]  # subqueries: the step to each, and those within
    missing: tuple[Step, ...]  # tables that must hold no row


def write(plan: Plan, catalog: Catalog) -> str:
    base = catalog.table(plan.table)
    if base is None:
        raise PlanError(f"There is no table {plan.table}.")
    for ref in _refs(plan):
        resolve(ref, catalog)
    return _Writer(plan, catalog, _shape(plan, catalog, base.sql)).statement()


def _refs(plan: Plan) -> list[Ref]:
    return [*_outer(plan), *(r for c in plan.where for r in _of_condition(c))]


def _of_condition(condition: Condition) -> list[Ref]:
    return [condition.ref, *(v for v in condition.values if isinstance(v, Ref))]


def _of_measure(measure: Measure) -> list[Ref]:
    own = [measure.ref] if measure.ref else []
    return [*own, *(r for c in measure.where for r in _of_condition(c))]


def _outer(plan: Plan) -> list[Ref]:
    """What must stand in the statement's own FROM."""
    figures = [*plan.measures, *(h.measure for h in plan.having)]
    figures += [o.by for o in plan.order if isinstance(o.by, Measure)]
    listed = [o.by for o in plan.order if isinstance(o.by, Ref)]
    return [*plan.show, *plan.group, *listed, *(r for m in figures for r in _of_measure(m))]


def _shape(plan: Plan, catalog: Catalog, base: str) -> _Shape:
    def sql(name: str) -> str:
        table = catalog.table(name)
        if table is None:
            raise PlanError(f"There is no table {name}.")
        return table.sql

    ways = steps(catalog, [((a.table, a.column), (b.table, b.column)) for a, b in plan.joins])
    without = [sql(name) for name in plan.without]
    outer = list(dict.fromkeys(sql(r.table) for r in _outer(plan)))
    if set(outer) & set(without) or base in without:
        raise PlanError(f"A table without rows cannot be listed or counted: {', '.join(without)}.")
    restricting = [sql(r.table) for c in plan.where for r in _of_condition(c)]
    restricting = [name for name in dict.fromkeys(restricting) if name not in without]
    taken = tree(base, [*outer, *restricting], ways)
    above = {step.other: step for step in taken}
    kept = {base}
    for name in outer:
        while name != base:
            kept.add(name)
            name = above[name].table
    joined, subqueries = [], dict[str, tuple[Step, list[Step]]]()
    owner: dict[str, str] = {}  # table in a subquery -> the table its subquery starts with
    for step in taken:
        if step.other in kept:
            joined.append(step)
        elif step.table in owner:
            owner[step.other] = owner[step.table]
            subqueries[owner[step.table]][1].append(step)
        else:
            owner[step.other] = step.other
            subqueries[step.other] = (step, [])
    # Where nothing multiplies, a plain join is the same and easier to read.
    plain = [s for s in subqueries.values() if not any(x.multiplies for x in (s[0], *s[1]))]
    joined += [step for first, inner in plain for step in (first, *inner)]
    own = [s for s in subqueries.values() if s not in plain]
    missing = []
    for name in without:
        path = tree(base, [name], ways)
        if len(path) != 1:
            raise PlanError(f"{name} has no column of {base}: rows without it cannot be told.")
        missing.append(path[0])
    return _Shape(base, tuple(joined), tuple((first, tuple(inner)) for first, inner in own), tuple(missing))


class _Writer:
    """One statement: what every part of it needs to know is the plan, its shape and the catalog."""

    def __init__(self, plan: Plan, catalog: Catalog, shape: _Shape) -> None:
        self.plan, self.catalog, self.shape = plan, catalog, shape
        self.bare = not shape.joined and not shape.restricting and not shape.missing
        self.within = {shape.base, *(s.other for s in shape.joined)}

    def statement(self) -> str:
        plan = self.plan
        columns = list(dict.fromkeys(plan.show or plan.group))
        together = self._figures() or plan.group
        grouped = list(dict.fromkeys([*plan.group, *plan.show])) if together else []
        chosen = [self._shown(ref, grouped) for ref in columns]
        chosen += self._measures(plain=not grouped and not plan.group)
        if not chosen:
            chosen = [self._name(Ref(self.shape.base, c.sql)) for c in self._table(self.shape.base).columns]
        parts = [f"SELECT {'DISTINCT ' if plan.distinct else ''}{', '.join(chosen)}", *self._from()]
        where = [*self._where(), *self._present()]
        if where:
            parts.append("WHERE " + " AND ".join(where))
        if grouped:
            parts.append("GROUP BY " + ", ".join(self._grouping(ref) for ref in grouped))
        having = [self._having(h) for h in plan.having]
        if plan.limit is not None and grouped:  # a group without the figure is not the lowest
            having += [f"NOT {self._measure(m)} IS NULL" for m in self._leading()]
        if having and not grouped:
            raise PlanError("Only groups can be restricted by a figure.")
        if having:
            parts.append("HAVING " + " AND ".join(having))
        order = [self._order(o, grouped) for o in plan.order]
        if not order and grouped and plan.period:
            order = [self._grouping(ref) for ref in grouped if self._dated(ref)]
        if order:
            parts.append("ORDER BY " + ", ".join(order))
        if plan.limit is not None:
            parts.append(f"LIMIT {int(plan.limit)}")
        return " ".join(parts)

    # --- names -------------------------------------------------------------------------------

    def _table(self, sql: str) -> Table:
        table = self.catalog.table(sql)
        if table is None:
            raise PlanError(f"There is no table {sql}.")
        return table

    def _name(self, ref: Ref, *, bare: bool | None = None) -> str:
        table, column = resolve(ref, self.catalog)
        return column.sql if (self.bare if bare is None else bare) else f"{table.sql}.{column.sql}"

    def _column(self, ref: Ref) -> Column:
        return resolve(ref, self.catalog)[1]

    def _dated(self, ref: Ref) -> bool:
        return self.plan.period is not None and self._column(ref).type in ("date", "datetime")

    def _grouping(self, ref: Ref) -> str:
        if self.plan.period is not None and self._dated(ref):
            return _PERIODS[self.plan.period].format(self._name(ref))
        return self._name(ref)

    def _shown(self, ref: Ref, grouped: Sequence[Ref]) -> str:
        if ref in grouped and self._dated(ref):
            return f"{self._grouping(ref)} AS {self._alias(str(self.plan.period))}"
        return self._name(ref)

    def _alias(self, name: str) -> str:
        taken = {c.sql.casefold() for t in self.within for c in self._table(t).columns}
        while name.casefold() in taken:
            name += "_"
        return name

    # --- FROM --------------------------------------------------------------------------------

    def _from(self) -> list[str]:
        lines = [f"FROM {self.shape.base}"]
        listed = {r.table for r in self.plan.show}
        needed = {r.table for r in self.plan.group}
        needed |= {r.table for c in self.plan.where for r in _of_condition(c)}
        needed |= {o.by.table for o in self.plan.order if isinstance(o.by, Ref)}
        needed |= {s.table for s in self.shape.joined}
        for step in self.shape.joined:
            # A row is not lost because what is only shown beside it is unknown.
            beside = not self._figures() and step.other in listed and step.other not in needed
            kind = "LEFT JOIN" if beside and not step.multiplies else "JOIN"
            lines.append(f"{kind} {step.other} ON {_on(step)}")
        return lines

    # --- WHERE -------------------------------------------------------------------------------

    def _where(self) -> list[str]:
        outside = {s.other for s in self.shape.missing}
        outside |= {s.other for first, inner in self.shape.restricting for s in (first, *inner)}
        clauses = [
            self._condition(c, bare=self.bare)
            for c in self.plan.where
            if not any(self._table(r.table).sql in outside for r in _of_condition(c))
        ]
        for first, inner in self.shape.restricting:
            clauses.append(self._subquery(first, inner, "IN"))
        for step in self.shape.missing:
            clauses.append(self._subquery(step, (), "NOT IN"))
        return clauses

    def _subquery(self, first: Step, inner: Sequence[Step], operator: str) -> str:
        tables = {first.other, *(s.other for s in inner)}
        bare = not inner
        conditions = []
        for c in self.plan.where:
            used = {self._table(r.table).sql for r in _of_condition(c)}
            if used & tables:
                if not used <= tables:
                    raise PlanError(f"{c.ref} cannot be compared across rows that are not one to one.")
                conditions.append(self._condition(c, bare=bare))
        column = first.other_column if bare else f"{first.other}.{first.other_column}"
        if operator == "NOT IN":  # one empty cell among them would make NOT IN hold for nothing
            conditions.append(f"NOT {column} IS NULL")
        joins = "".join(f" JOIN {s.other} ON {_on(s)}" for s in inner)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"{first.table}.{first.column} {operator} (SELECT {column} FROM {first.other}{joins}{where})"

    def _present(self) -> list[str]:
        """Rows without the value never lead an order that is cut."""
        refs = [o.by for o in self.plan.order if isinstance(o.by, Ref)]
        if self.plan.limit is None:
            return []
        return [f"NOT {self._name(r)} IS NULL" for r in dict.fromkeys(refs) if self._column(r).nulls]

    def _leading(self) -> list[Measure]:
        ascending = [o.by for o in self.plan.order if isinstance(o.by, Measure) and not o.descending]
        return [m for m in ascending if m.ref and m.func != "none" and self._column(m.ref).nulls]

    def _condition(self, condition: Condition, *, bare: bool) -> str:
        _, column = resolve(condition.ref, self.catalog)
        name = self._name(condition.ref, bare=bare)
        values = [self._name(v, bare=bare) if isinstance(v, Ref) else v for v in condition.values]
        columns = [isinstance(v, Ref) for v in condition.values]
        if any(columns):
            if condition.op not in ("=", "!=", "<", "<=", ">", ">=") or len(values) != 1:
                raise PlanError(f"{condition.ref} {condition.op} another column is not a comparison.")
            return f"{name} {sql_op(condition.op)} {values[0]}"
        return condition_sql(
            name, column, condition.op, [v for v in condition.values if not isinstance(v, Ref)]
        )

    # --- figures -----------------------------------------------------------------------------

    def _figures(self) -> bool:
        figures = [*self.plan.measures, *(h.measure for h in self.plan.having)]
        figures += [o.by for o in self.plan.order if isinstance(o.by, Measure)]
        return any(m.func != "none" for m in figures)

    def _measures(self, *, plain: bool) -> list[str]:
        plan = self.plan
        if plan.ratio:
            if len(plan.measures) != 2:
                raise PlanError("A ratio is made of two measures.")
            for m in plan.measures:
                if m.func in ("min", "max") and m.ref is not None and not self._column(m.ref).numeric:
                    raise PlanError(f"{m.ref} is no number: nothing can be divided by it or it by anything.")
            over, under = (self._measure(m) for m in plan.measures)
            name = "percent" if plan.percent else "ratio"
            return [
                f"{'100.0' if plan.percent else '1.0'} * {over} / NULLIF({under}, 0) AS {self._alias(name)}"
            ]
        chosen, names = [], set[str]()
        for measure in plan.measures:
            if measure.func == "none":
                if not plain or any(m.func != "none" for m in plan.measures) or measure.ref is None:
                    raise PlanError("A plain column cannot stand beside figures over rows: group by it.")
                chosen.append(self._name(measure.ref))
                continue
            name = measure.func if measure.ref is None else f"{measure.func}_{self._column(measure.ref).sql}"
            name = self._alias("count" if name == "count_distinct" else name)
            name = next(n for n in (name, *(f"{name}_{i}" for i in range(2, 99))) if n not in names)
            names.add(name)
            chosen.append(f"{self._measure(measure)} AS {name}")
        return chosen

    def _measure(self, measure: Measure) -> str:
        own = self.shape.base if measure.ref is None else self._table(measure.ref.table).sql
        repeats = _repeats(own, self.shape.joined)
        if measure.func == "none":
            raise PlanError("A figure needs a function.")
        if measure.ref is None:
            if measure.func not in ("count", "count_distinct"):
                raise PlanError(f"{measure.func} needs a column.")
            inner = "COUNT(*)"
            if repeats:
                inner = f"COUNT(DISTINCT {self._name(Ref(own, self._key(own)))})"
        else:
            column, name = self._column(measure.ref), self._name(measure.ref)
            if measure.func in ("sum", "avg") and not (column.numeric or column.type == "boolean"):
                raise PlanError(f"{measure.ref} holds {column.type}, which has no {measure.func}.")
            if repeats and (measure.func in ("sum", "avg") or (measure.func == "count" and not column.key)):
                raise PlanError(
                    f"{measure.ref} would count several times: {repeats} has several rows for one of {own}."
                )
            distinct = measure.func == "count_distinct" or (repeats and measure.func == "count")
            function = "COUNT" if measure.func == "count_distinct" else measure.func.upper()
            inner = f"{function}({'DISTINCT ' if distinct else ''}{name})"
        if measure.where:
            inner += (
                " FILTER(WHERE "
                + " AND ".join(self._condition(c, bare=self.bare) for c in measure.where)
                + ")"
            )
        return inner

    def _key(self, sql: str) -> str:
        table = self._table(sql)
        keys = table.keys if len(table.keys) == 1 else tuple(c.sql for c in table.columns if c.key)
        if not keys:
            raise PlanError(f"Rows of {sql} would count several times, and no column identifies them.")
        return str(keys[0])

    def _having(self, having: Having) -> str:
        if isinstance(having.value, str):
            raise PlanError("A figure is compared with a number.")
        return f"{self._measure(having.measure)} {sql_op(having.op)} {literal(having.value)}"

    def _order(self, order: Order, grouped: Sequence[Ref]) -> str:
        if isinstance(order.by, Measure):
            if self.plan.ratio and order.by == self.plan.measures[0]:
                text = self._measures(plain=False)[0].rpartition(" AS ")[0]
            elif order.by.func == "none" and order.by.ref is not None:
                text = self._name(order.by.ref)
            else:
                text = self._measure(order.by)
            return text + (" DESC" if order.descending else "")
        if self._figures() and order.by not in grouped:
            raise PlanError(f"{order.by} is neither shown nor a group: its order says nothing.")
        text = self._grouping(order.by) if grouped else self._name(order.by)
        if order.descending:
            return f"{text} DESC"
        empty = self._column(order.by).nulls and self.plan.limit is None
        return f"{text} NULLS LAST" if empty else text


def _on(step: Step) -> str:
    return f"{step.table}.{step.column} = {step.other}.{step.other_column}"


def _repeats(own: str, joined: Sequence[Step]) -> str:
    """The table that multiplies the rows of `own` in this FROM, "" where none does."""
    reached, grown = {own}, True
    while grown:
        grown = False
        for step in joined:
            for here, there, many in _directions(step, joined):
                if here in reached and there not in reached:
                    if many:
                        return there
                    reached.add(there)
                    grown = True
    return ""


def _directions(step: Step, joined: Sequence[Step]) -> Iterable[tuple[str, str, bool]]:
    yield step.table, step.other, step.multiplies
    # Against the step, one row of `other` has several of `table`: unless the step came from a key.
    yield step.other, step.table, step.back
