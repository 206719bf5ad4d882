"""A model's statement with its columns and joins put right by code.

Small models know which columns a question is about, but not which table they stand in, and which alias
stands for it: "T2.name" where T1 has the name, "SELECT region … FROM restaurant" where the region stands
in another table. The name is mostly unique, and the way between the tables is known: so a column is
given to the table of the FROM that has it, else its table is joined along the foreign keys. What a
result is ordered by is shown beside it.

Promises: a statement whose names are all right comes back as it was, but for that; a table is joined
only along foreign keys (or columns of the same name of which one identifies its rows and holds every
value of the other); rows that a join multiplies are never counted or summed twice: they are counted by
key, listed once, or the statement is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loresmith.errors import PlanError
from loresmith.querying.joins import Step, steps, tree
from loresmith.tables.values import Catalog, Table

if TYPE_CHECKING:
    from sqlglot import exp

# Names that many tables have for things of their own: no reason to join them.
_GENERIC = frozenset(
    (
        "id",
        "name",
        "title",
        "description",
        "homepage",
        "url",
        "note",
        "notes",
        "date",
        "year",
        "type",
        "status",
    )
)

_SHOWN = 3


def mended(sql: str, catalog: Catalog, connection: sqlite3.Connection) -> str:
    """The statement with its columns where they are; as it was where it cannot be read.

    Raises:
        PlanError: a column's table cannot be joined, in one way, without counting rows twice.
    """
    import sqlglot
    from sqlglot import errors, exp

    try:
        parsed = sqlglot.parse_one(sql, dialect="sqlite")
    except (errors.SqlglotError, RecursionError):
        return sql
    changed = False
    for select in parsed.find_all(exp.Select):
        changed |= _Select(select, catalog, connection).mend()
    if isinstance(parsed, exp.Select):
        changed |= _show_order(parsed)
    return parsed.sql(dialect="sqlite") if changed else sql


def _show_order(select: exp.Select) -> bool:
    """Show the figure that a result is ordered by: "the three with the highest rating", with the rating."""
    from sqlglot import exp

    order = select.args.get("order")
    if order is None or select.args.get("distinct") or len(select.expressions) > _SHOWN:
        return False
    shown = [item.unalias() for item in select.expressions]
    names = {item.alias_or_name.casefold() for item in select.expressions}
    changed = False
    for ordered in order.expressions:
        by = ordered.this
        named = isinstance(by, exp.Column) and by.name.casefold() in names
        if named or by in shown or isinstance(by, exp.Literal) or by.find(exp.Select):
            continue
        select.select(by.copy(), copy=False)
        changed = True
    return changed


@dataclass(frozen=True, slots=True)
class _Source:
    alias: str
    table: Table | None  # None: a query


class _Select:
    """One SELECT on its way; `changed` says whether anything was put right."""

    def __init__(self, select: exp.Select, catalog: Catalog, connection: sqlite3.Connection) -> None:
        self.select = select
        self.catalog = catalog
        self.connection = connection
        self.sources = self._read(select)
        self.outer = self._around(select)
        self.named = {item.alias.casefold() for item in select.expressions if item.alias}
        self.settled: list[tuple[exp.Column, str]] = []
        self.changed = self.joined = self.multiplied = False

    def mend(self) -> bool:
        if not self.sources or self.sources[0].table is None:
            return False
        columns = self._columns()
        base = self.sources[0].table
        for column in columns:
            self._place(column)
        if self.joined:  # what was clear among fewer tables may not be now
            for column, alias in self.settled:
                self._give(column, alias)
        if self.multiplied:
            self._once(base)
        self._with_empty()
        self._grouped()
        self._ordered()
        return self.changed

    def _read(self, select: exp.Select) -> list[_Source]:
        from sqlglot import exp

        source = select.args.get("from_")
        nodes = ([source.this] if source is not None else []) + [
            j.this for j in select.args.get("joins") or ()
        ]
        return [
            _Source(n.alias_or_name, self.catalog.table(n.name) if isinstance(n, exp.Table) else None)
            for n in nodes
        ]

    def _around(self, select: exp.Select) -> list[_Source]:
        from sqlglot import exp

        found: list[_Source] = []
        around = select.find_ancestor(exp.Select)
        while around is not None:
            found += self._read(around)
            around = around.find_ancestor(exp.Select)
        return found

    def _columns(self) -> list[exp.Column]:
        """Its own columns, not those of a SELECT within."""
        from sqlglot import exp

        return [c for c in self.select.find_all(exp.Column) if c.find_ancestor(exp.Select) is self.select]

    def _place(self, column: exp.Column) -> None:
        """Give a column to a table that has it."""
        name, alias = column.name, column.table.casefold()
        if not alias and self._is_alias(column):
            return
        if alias:
            near = [s for s in (*self.sources, *self.outer) if s.alias.casefold() == alias]
            if near and (near[0].table is None or near[0].table.column(name)):
                return
        named = self.catalog.table(alias) if alias else None
        meant = named is not None and named.column(name) is not None
        own = [s for s in self.sources if s.table is not None and s.table.column(name)]
        if own and not meant:
            if alias or len(own) > 1:
                self._give(column, own[0].alias)
            else:
                self.settled.append((column, own[0].alias))
            return
        if any(s.table is None for s in self.sources):
            return  # a query in the FROM may have it: check knows
        if not meant and any(s.table is not None and s.table.column(name) for s in self.outer):
            return
        having = [t for t in self.catalog.tables if t.column(name) and (t is named or not meant)]
        if having:
            self._give(column, self._join(having).sql)

    def _is_alias(self, column: exp.Column) -> bool:
        """Whether a bare name in ORDER BY, HAVING or GROUP BY is that of a result column."""
        from sqlglot import exp

        within = column.find_ancestor(exp.Order, exp.Having, exp.Group)
        return within is not None and column.name.casefold() in self.named

    def _give(self, column: exp.Column, table: str) -> None:
        from sqlglot import exp

        column.set("table", exp.to_identifier(table))
        self.changed = True

    def _join(self, tables: Sequence[Table]) -> Table:
        """Join the nearest of the tables; returns it."""
        from sqlglot import exp

        here = {s.table.sql: s.alias for s in self.sources if s.table is not None}
        base = self.sources[0].table
        assert base is not None
        ways = steps(self.catalog)
        ways += self._same_names({(s.table, s.other) for s in ways})
        found: tuple[Table, list[Step]] | None = None
        problem: PlanError | None = None
        for table in tables:
            try:
                path = tree(base.sql, [*(t for t in here if t != base.sql), table.sql], ways)
            except PlanError as error:
                problem = problem or error
                continue
            new = [s for s in path if s.other not in here]
            if found is None or len(new) < len(found[1]):
                found = table, new
        if found is None:
            raise problem or PlanError(f"Nothing joins {tables[0].sql} with {base.sql}.")
        for step in found[1]:
            left = here.get(step.table, step.table)
            on = exp.EQ(
                this=exp.column(step.column, table=left),
                expression=exp.column(step.other_column, table=step.other),
            )
            self.select.join(step.other, on=on, copy=False)
            other = self.catalog.table(step.other)
            self.joined = True
            here[step.other] = step.other
            self.sources.append(_Source(step.other, other))
            self.multiplied |= step.multiplies
        return found[0]

    def _same_names(self, known: set[tuple[str, str]]) -> list[Step]:
        """Steps between columns of the same name, where no foreign key joins the tables."""
        found = []
        for table in self.catalog.tables:
            for column in table.columns:
                if column.sql in _GENERIC or column.type not in ("integer", "text"):
                    continue
                for other in self.catalog.tables:
                    key = other.column(column.sql)
                    if other.sql == table.sql or key is None or not key.key or key.type != column.type:
                        continue
                    if (table.sql, other.sql) in known or not self._holds(table, other, column.sql):
                        continue
                    found.append(
                        Step(table.sql, column.sql, other.sql, key.sql, False, not column.key, False)
                    )
                    found.append(
                        Step(other.sql, key.sql, table.sql, column.sql, not column.key, False, False)
                    )
        return list(dict.fromkeys(found))

    def _holds(self, table: Table, other: Table, column: str) -> bool:
        # The identifiers are the catalog's own, which need no quotes.
        missing = self.connection.execute(
            f"SELECT 1 FROM {table.sql} WHERE {column} IS NOT NULL "
            f"AND {column} NOT IN (SELECT {column} FROM {other.sql} WHERE {column} IS NOT NULL) LIMIT 1"
        )
        return missing.fetchone() is None

    def _with_empty(self) -> None:
        """NOT IN a query's rows holds for an empty cell too, which SQL alone would not say; and one empty
        cell among those rows does not make it hold for none."""
        from sqlglot import exp

        for node in self.select.find_all(exp.In):
            inner = node.args.get("query")
            column = node.this
            if not isinstance(node.parent, exp.Not) or inner is None or not isinstance(column, exp.Column):
                continue
            if node.find_ancestor(exp.Select) is not self.select:
                continue
            query = inner.this if isinstance(inner, exp.Subquery) else inner
            if not isinstance(query, exp.Select) or len(query.expressions) != 1:
                continue
            listed = query.expressions[0].unalias()
            if isinstance(listed, exp.Column) and self._empty(listed.name):
                query.where(exp.Not(this=exp.Is(this=listed.copy(), expression=exp.Null())), copy=False)
                self.changed = True
            if self._empty(column.name):
                missing = exp.Is(this=column.copy(), expression=exp.Null())
                whole = node.parent
                whole.replace(exp.Paren(this=exp.Or(this=missing, expression=whole.copy())))
                self.changed = True

    def _grouped(self) -> None:
        """A column that is shown beside figures is grouped by; SQLite would show that of any row."""
        from sqlglot import exp

        group = self.select.args.get("group")
        figures = [f for f in self.select.find_all(exp.AggFunc) if f.find_ancestor(exp.Select) is self.select]
        shown = [item.unalias() for item in self.select.expressions]
        plain = [item for item in shown if isinstance(item, exp.Column)]
        if (
            not plain
            or not figures
            or (group is None and all(isinstance(f, exp.Min | exp.Max) for f in figures))
        ):
            return  # beside MIN or MAX alone, SQLite shows the row that has it
        by = list(group.expressions) if group else []
        if any(isinstance(part, exp.Literal) for part in by):
            return
        names = {part.name.casefold() for part in by if isinstance(part, exp.Column)}
        for column in plain:
            if column.name.casefold() not in names and column.name.casefold() not in self.named:
                self.select.group_by(column.copy(), copy=False)
                names.add(column.name.casefold())
                self.changed = True

    def _ordered(self) -> None:
        """The lowest of a column is never an empty cell."""
        from sqlglot import exp

        order = self.select.args.get("order")
        if order is None or self.select.args.get("limit") is None:
            return
        for part in order.expressions:
            if (
                isinstance(part.this, exp.Column)
                and not part.args.get("desc")
                and self._empty(part.this.name)
            ):
                part.set("nulls_first", False)
                self.changed = True

    def _empty(self, name: str) -> bool:
        """Whether a column of this name has empty cells."""
        columns = (table.column(name) for table in self.catalog.tables)
        return any(column is not None and column.nulls for column in columns)

    def _once(self, base: Table) -> None:
        """Count each row of the first table once although joins multiply them."""
        from sqlglot import exp

        figures = [f for f in self.select.find_all(exp.AggFunc) if f.find_ancestor(exp.Select) is self.select]
        if not figures:
            if not self.select.args.get("group"):
                self.select.distinct(copy=False)
            return
        keys = [c for c in base.columns if c.key or base.keys == (c.sql,)]
        keys.sort(key=lambda c: c.type != "integer")
        key = keys[0].sql if keys else ""
        for figure in figures:
            if isinstance(figure, exp.Min | exp.Max) or isinstance(figure.this, exp.Distinct):
                continue
            if isinstance(figure, exp.Count) and isinstance(figure.this, exp.Star) and key:
                alias = self.sources[0].alias
                figure.set("this", exp.Distinct(expressions=[exp.column(key, table=alias)]))
                continue
            about = figure.this if isinstance(figure.this, exp.Column) else None
            where = about.table.casefold() if about is not None else ""
            if about is not None and where == self.sources[0].alias.casefold():
                if isinstance(figure, exp.Count):
                    figure.set("this", exp.Distinct(expressions=[about.copy()]))
                    continue
                raise PlanError(f"The joins would count rows of {base.sql} more than once in {figure.sql()}.")
