"""The rows that a result rests on: from the statement's own FROM, WHERE and groups, row by row.

    SELECT SUM(hours) FROM maintenance WHERE pump = 'P-200'   ->   the rows of maintenance that were added

For a list they are the listed rows in their order; for a figure the rows that went into it (not those
whose cell is empty; for a highest value, those that have it); for groups that are cut or restricted,
only the rows of the groups that are shown. Tables asked in subqueries come after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loresmith.errors import QueryFailed
from loresmith.querying.check import Checked
from loresmith.querying.conditions import literal
from loresmith.querying.execute import Limits, Query, Rows, guarded, parts_of
from loresmith.querying.trees import figures as aggregates
from loresmith.querying.trees import groups as grouped
from loresmith.querying.trees import meant, once, own, terms, with_clause
from loresmith.tables.values import Catalog, Cell, Column, Table
from loresmith.types import BasisRow, BasisTable

if TYPE_CHECKING:
    from sqlglot import exp

_KEPT = 20
_MOST_COLUMNS = 20
_LONGEST_CELL = 2_000
_MOST_SORTED = 50_000  # rows; of more, those that come first are shown
_MOST_LISTED = 20_000  # characters of groups, listed one by one
_NOTHING = "\u2205 null"  # stands for NULL where groups are compared
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement that gives the row numbers of one table as `r`.

    single: each once.  everything: all rows of the table, so that nobody need count them.
    listed: in an order that the statement asks for."""

    table: str
    sql: str
    single: bool
    listed: bool
    everything: bool


def basis(
    path: Path,
    checked: Checked,
    catalog: Catalog,
    shown: Rows | None = None,
    *,
    keep: int = _KEPT,
    limits: Limits = _LIMITS,
) -> tuple[BasisTable, ...]:
    """What a statement's result rests on; a table whose rows cannot be told in time is left out.

    Args:
        shown: what the statement gave, so that its groups need not be found again.
    """
    parts: dict[str, list[_Part]] = {}
    for select, arm in _selects(checked.tree):
        for part in _parts(select, catalog, shown if select is checked.tree else None):
            known = parts.setdefault(part.table, [])
            if not known or arm:  # the arms of a union add up; a subquery on the same table does not
                known.append(part)
    found = []
    with guarded(
        path, checked.tables, catalog, limits, width=_MOST_COLUMNS, hidden=True, parts=parts_of(checked.tree)
    ) as query:
        for name, its in parts.items():
            table = catalog.table(name)
            if table is None or query.late():
                continue
            try:
                found.append(_rows(table, its, checked, query, keep))
            except QueryFailed:
                continue
    return tuple(found)


def _rows(table: Table, parts: Sequence[_Part], checked: Checked, query: Query, keep: int) -> BasisTable:
    if len(parts) == 1:
        only, single = parts[0].sql, parts[0].single
    else:
        only, single = " UNION ".join(f"SELECT r FROM ({p.sql})" for p in parts), True
    only = query.renamed(only)
    listed = parts[0].listed and len(parts) == 1
    if parts[0].everything:
        total = table.rows
        some = query(f"SELECT _row FROM {table.sql} ORDER BY _row LIMIT {keep}", keep)
    elif single or listed:
        counted = "COUNT(*)" if single else "COUNT(DISTINCT r)"
        total = int(str(query(f"SELECT {counted} FROM ({only}) WHERE NOT r IS NULL", 1)[0][0]))
        order = "" if listed or total > _MOST_SORTED else " ORDER BY r"
        most = keep if single else keep * 50  # rows of a join repeat
        some = query(f"SELECT r FROM ({only}) WHERE NOT r IS NULL{order} LIMIT {most}", most)
    else:
        # Looked up by number: counting different numbers of a large join takes SQLite five times as long.
        where = f"FROM {table.sql} WHERE _row IN ({only}) ORDER BY _row LIMIT {keep}"
        some = query(f"SELECT _row, COUNT(*) OVER () {where}", keep)
        total = int(str(some[0][1])) if some else 0
    numbers = list(dict.fromkeys(int(str(row[0])) for row in some))[:keep]
    columns = _chosen(table, checked)
    names = ", ".join(("_row", "_place", *(c.sql for c in columns)))
    chosen = ", ".join(str(n) for n in numbers) or "NULL"
    cells = {row[0]: row for row in query(f"SELECT {names} FROM {table.sql} WHERE _row IN ({chosen})", keep)}
    rows = [
        BasisRow(locator=table.locator(cells[n][1]), cells=tuple(map(_cut, cells[n][2:])))
        for n in numbers
        if n in cells
    ]
    heads = tuple(f"{c.name} ({c.unit})" if c.unit else c.name for c in columns)
    return BasisTable(document=table.document, table=table.name, columns=heads, rows=tuple(rows), total=total)


def _cut(cell: Cell) -> Cell:
    """A cell as evidence: the beginning of a very long text says which it is."""
    return cell[:_LONGEST_CELL] + "…" if isinstance(cell, str) and len(cell) > _LONGEST_CELL else cell


def _chosen(table: Table, checked: Checked) -> list[Column]:
    """All columns; of a wide table its key and what the statement names, then the first ones."""
    from sqlglot import exp

    if len(table.columns) <= _MOST_COLUMNS:
        return list(table.columns)
    named = {str(node.name).casefold() for node in checked.tree.find_all(exp.Column)}
    first = [c for c in table.columns if c.sql in table.keys or c.sql.casefold() in named]
    kept = {c.sql for c in [*first, *table.columns][:_MOST_COLUMNS]}
    kept |= {c.sql for c in first[:_MOST_COLUMNS]}
    return [c for c in table.columns if c.sql in kept][: 2 * _MOST_COLUMNS]


# --- from a query to the rows under it ----------------------------------------------------------


def _selects(tree: exp.Expression) -> list[tuple[exp.Select, bool]]:
    """The queries of a statement that stand on their own, outermost first; and whether each is an arm
    of the statement's union."""
    from sqlglot import exp

    arms: list[exp.Expression] = []

    def collect(node: exp.Expression) -> None:
        if isinstance(node, exp.Subquery):
            collect(node.this)
        elif isinstance(node, exp.SetOperation):
            collect(node.this)
            if not isinstance(node, exp.Except):
                collect(node.expression)
        else:
            arms.append(node)

    collect(tree)
    found = [(arm, True) for arm in arms if isinstance(arm, exp.Select)]
    found += [(s, False) for s in tree.find_all(exp.Select) if not any(s is arm for arm in arms)]
    return [(s, arm) for s, arm in found if not s.meta.get("correlated")]


def _parts(select: exp.Select, catalog: Catalog, shown: Rows | None) -> list[_Part]:
    from sqlglot import exp

    sources: Sequence[tuple[str, str]] = select.meta.get("sources", ())
    if not any(table for _, table in sources):
        return []
    under = _under(select, shown)
    bare = not any(under.args.get(k) for k in ("where", "limit", "group", "having")) and len(sources) == 1
    ordered = [s for s in sources if s[1] in _measured(select)]
    ordered += [s for s in sources if s not in ordered]
    found = []
    for alias, table in ordered:
        if not table:
            continue
        inner = under.copy()
        inner.set("expressions", [_aliased(exp.column("_row", alias), "r")])
        text = with_clause(select) + inner.sql(dialect="sqlite", comments=False)
        single = len(sources) == 1 or once(alias, select, catalog)
        listed = inner.args.get("order") is not None
        found.append(_Part(table, text, single=single, everything=bare, listed=listed))
    return found


def _under(select: exp.Select, rows: Rows | None) -> exp.Select:
    """The query without what it computes: the rows that it computes from."""
    from sqlglot import exp

    under = select.copy()
    figures, groups = aggregates(select), grouped(select)
    if select.args.get("distinct") and not figures:
        groups = [p.unalias() for p in select.expressions]
    windows = any(isinstance(n, exp.Window) for n in own(select.expressions))
    if (not groups and not figures and select.args.get("having") is None) or windows:
        for key in ("group", "having", "with_", "windows", "distinct"):
            under.set(key, None)
        if windows:
            for key in ("order", "limit", "offset"):
                under.set(key, None)
        else:
            _spell_out(under, select)
        return under
    for key in ("group", "having", "order", "limit", "offset", "distinct", "with_", "windows"):
        under.set(key, None)
    for condition in _counted(figures):
        under.where(condition, copy=False)
    extreme = figures[0] if len(figures) == 1 and isinstance(figures[0], exp.Min | exp.Max) else None
    cut = any(select.args.get(k) is not None for k in ("having", "limit"))
    if extreme is not None or (groups and cut):
        wanted = _listed(select, groups, extreme, rows) if rows is not None else None
        if wanted is not None:
            under.where(wanted, copy=False, dialect="sqlite")
        else:
            _restrict(under, select, groups, extreme)
    return under


def _listed(
    select: exp.Select, groups: Sequence[exp.Expression], extreme: exp.Expression | None, rows: Rows
) -> str | None:
    """The same as `_restrict`, by the groups that the result shows; None where it does not show them."""
    outputs = [p.unalias().sql() for p in select.expressions]
    wanted = [*groups, *([extreme] if extreme is not None else [])]
    if not all(node.sql() in outputs for node in wanted):
        return None
    at = [outputs.index(node.sql()) for node in wanted]
    keys = [g.sql(dialect="sqlite") for g in groups]
    keys += [extreme.this.sql(dialect="sqlite")] if extreme is not None else []
    values = dict.fromkeys(tuple(row[n] for n in at) for row in rows.rows)
    if len(keys) == 1:
        there = [_literal(v) for (v,) in values if v is not None]
        text = f"{keys[0]} IN ({', '.join(there)})" if there else "1 = 0"
        if (None,) in values:
            text = f"({keys[0]} IS NULL OR {text})"
    else:
        filled = [f"COALESCE({key}, {_literal(_NOTHING)})" for key in keys]
        listed = ", ".join(
            f"({', '.join(_literal(_NOTHING if v is None else v) for v in row)})" for row in values
        )
        text = f"({', '.join(filled)}) IN (VALUES {listed})" if values else "1 = 0"
    return text if len(text) <= _MOST_LISTED else None


def _literal(value: Cell) -> str:
    return literal("" if value is None else value)


def _restrict(
    under: exp.Select, select: exp.Select, groups: Sequence[exp.Expression], extreme: exp.Expression | None
) -> None:
    """Only rows of the groups that are shown; of a highest value, only rows that have it."""
    from sqlglot import exp

    shown = select.copy()
    shown.set("with_", None)
    _spell_out(shown, select)
    keys = [_filled(g) for g in groups]
    values = [_filled(g) for g in groups]
    if extreme is not None:
        keys.append(extreme.this.copy())
        values.append(extreme.copy())
    shown.set("expressions", [_aliased(v, f"k{n}") for n, v in enumerate(values)])
    shown.set("distinct", exp.Distinct() if select.args.get("distinct") else None)
    if len(keys) == 1:
        left: exp.Expression = keys[0]
    else:
        left = exp.Tuple(expressions=keys)
    under.where(exp.In(this=left, query=exp.Subquery(this=shown)), copy=False)


def _counted(figures: Sequence[exp.Expression]) -> list[exp.Expression]:
    """What a row must have to go into the only figure there is."""
    from sqlglot import exp

    if len(figures) != 1:
        return []
    figure, found = figures[0], list[exp.Expression]()
    if isinstance(figure.parent, exp.Filter):
        found.append(figure.parent.expression.this.copy())
    value = figure.this
    if isinstance(value, exp.Distinct) and len(value.expressions) == 1:
        value = value.expressions[0]
    if isinstance(value, exp.Column):
        found.append(exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null())))
    return found


def _spell_out(query: exp.Select, select: exp.Select) -> None:
    """Names of outputs, by what the output is: the outputs go."""
    from sqlglot import exp

    for key in ("where", "having"):
        for node in list(query.args[key].find_all(exp.Column)) if query.args.get(key) is not None else ():
            what = meant(node, select)
            if what is not node:
                node.replace(exp.Paren(this=what.copy()))
    for key in ("group", "order"):
        clause = query.args.get(key)
        if clause is None:
            continue
        for term, was in zip(list(clause.expressions), terms(select, key), strict=True):
            what = meant(was, select).copy()
            (term.this if key == "order" else term).replace(what)


def _measured(select: exp.Select) -> set[str]:
    """Tables whose columns go into figures: what they hold is what the answer rests on."""
    from sqlglot import exp

    figures = [n for n in own(select.expressions) if isinstance(n, exp.AggFunc)]
    columns = [c for f in figures for c in f.find_all(exp.Column)]
    return {c.meta["figure"].table for c in columns if "figure" in c.meta}


def _aliased(node: exp.Expression, name: str) -> exp.Alias:
    from sqlglot import exp

    return exp.Alias(this=node, alias=exp.to_identifier(name))


def _filled(node: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    return exp.Coalesce(this=node.copy(), expressions=[exp.Literal.string(_NOTHING)])
