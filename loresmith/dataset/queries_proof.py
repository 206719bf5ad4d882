"""Whether a query may be taught: it is checked and run on the tables as they are.

    SQL -> check -> execute -> the form that is taught -> check -> execute -> the same rows -> `Proof`

Promises: what is taught comes to what was given, row by row; a query that is not sound, does not run or
gives nothing is refused with the reason in words, the nearest name in it where a name is wrong.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loresmith.errors import QueryFailed, Unsound
from loresmith.state import State
from loresmith.tables.store import connect, read_catalog
from loresmith.tables.values import Catalog

if TYPE_CHECKING:
    from sqlglot import exp

    from loresmith.querying.check import Checked
    from loresmith.querying.execute import Rows

_MOST_ROWS = 200  # of a result: a longer one is no answer


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a workspace as the last sync left them, open for reading."""

    path: Path
    catalog: Catalog
    store: sqlite3.Connection


@dataclass(frozen=True, slots=True)
class Proof:
    """A query that ran: its checked form, as it is taught, and what came of it."""

    checked: Checked
    sql: str
    rows: Rows


def opened(path: Path, state: State) -> Tables | None:
    """The tables whose documents the state knows; None where there are none. Close its `store`.

    Raises:
        StorageError: the store is damaged.
    """
    versions = {info.id: info.version for info in state.infos()}
    catalog = read_catalog(path, versions)
    return Tables(path, catalog, connect(path)) if catalog.tables else None


def proved(sql: str, tables: Tables) -> Proof | str:
    """The query as it is taught, or why it is none."""
    from loresmith.querying.check import check
    from loresmith.querying.execute import execute

    try:
        checked = check(sql, tables.catalog)
        rows = execute(tables.path, checked, tables.catalog)
        taught = _taught(checked)
        again = check(taught, tables.catalog)
        if taught != checked.sql and execute(tables.path, again, tables.catalog).rows != rows.rows:
            again, taught = checked, checked.sql
    except (Unsound, QueryFailed) as error:
        return " ".join(part for part in (error.problem, error.remedy) if part)
    if not rows.rows or all(cell is None for row in rows.rows for cell in row):
        return "its query gives no rows"
    if len(rows.rows) > _MOST_ROWS:
        return f"its query gives more than {_MOST_ROWS} rows"
    return Proof(again, taught, rows)


def _taught(checked: Checked) -> str:
    """The statement in the form in which models write most easily and the grammar lets them: columns of
    the result without names of their own, shares as sums of cases."""
    from sqlglot import exp

    tree = checked.tree.copy()
    for node in list(tree.find_all(exp.Filter)):
        counted, where = node.this, node.expression
        if (
            isinstance(counted, exp.Count)
            and isinstance(counted.this, exp.Star)
            and isinstance(where, exp.Where)
        ):
            case = exp.Case().when(where.this.copy(), exp.Literal.number(1)).else_(exp.Literal.number(0))
            node.replace(exp.Sum(this=case))
    for divisor in list(tree.find_all(exp.Nullif)):
        if isinstance(divisor.this, exp.Count):  # rows there are, else it had not been proved
            divisor.replace(divisor.this.copy())
    if isinstance(tree, exp.Select):
        named = {}
        for item in list(tree.expressions):
            if isinstance(item, exp.Alias):
                named[item.alias.casefold()] = item.this
        for clause in ("order", "having", "group"):
            part = tree.args.get(clause)
            for column in list(part.find_all(exp.Column)) if part is not None else ():
                if not column.table and column.name.casefold() in named:
                    column.replace(named[column.name.casefold()].copy())
        tree.set("expressions", [i.this if isinstance(i, exp.Alias) else i for i in tree.expressions])
        _numbered(tree)
    _bare_columns(tree)
    text = tree.sql(dialect="sqlite", comments=False)
    # As people write it, and the models have read it.
    text = re.sub(r"\bNOT ([\w.]+) IS NULL", r"\1 IS NOT NULL", text)
    return re.sub(r"\bNOT ([\w.]+) (IN|LIKE)\b", r"\1 NOT \2", text)


def _bare_columns(tree: exp.Expression) -> None:
    """Columns without their table's name where there is but one table."""
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        source = select.args.get("from_") or select.args.get("from")
        if source is None or select.args.get("joins") or not isinstance(source.this, exp.Table):
            continue
        name = source.this.alias_or_name.casefold()
        for column in select.find_all(exp.Column):
            if column.table.casefold() == name and column.find_ancestor(exp.Select) is select:
                column.set("table", None)


def _numbered(tree: exp.Select) -> None:
    """What is shown, grouped and sorted by and long to write (the month of a date) is named by its place."""
    from sqlglot import exp

    for place, item in enumerate(tree.expressions, 1):
        if isinstance(item, exp.Column | exp.AggFunc) or item.find(exp.AggFunc):
            continue
        for clause in ("group", "order"):
            part = tree.args.get(clause)
            for other in list(part.expressions) if part is not None else ():
                inner = other.this if isinstance(other, exp.Ordered) else other
                if inner == item:
                    inner.replace(exp.Literal.number(place))
