"""The way between tables: along foreign keys, the shortest, and only where there is one shortest.

A step from a table to another multiplies rows where several rows of the other belong to one. Who joins
must know it: a sum over multiplied rows is wrong and looks right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loresmith.errors import PlanError
from loresmith.tables.values import Catalog, Table


@dataclass(frozen=True, slots=True)
class Step:
    """From `table` to `other`, where `table.column = other.other_column`.

    multiplies: several rows of `other` may belong to one of `table`; back: the other way round."""

    table: str
    column: str
    other: str
    other_column: str
    multiplies: bool
    back: bool
    declared: bool


def steps(catalog: Catalog, explicit: Iterable[tuple[tuple[str, str], tuple[str, str]]] = ()) -> list[Step]:
    """Every step along a foreign key, in both directions; `explicit` pairs replace those between the
    same two tables."""
    found = []
    for table in catalog.tables:
        for key in table.foreign:
            other = catalog.table(key.to_table)
            if other is None:
                continue
            found += _both(table, key.column, other, key.to_column, key.declared)
    for (left, left_column), (right, right_column) in explicit:
        a, b = catalog.table(left), catalog.table(right)
        if a is None or b is None:
            raise PlanError(f"There is no table {left if a is None else right}.")
        found = [s for s in found if {s.table, s.other} != {a.sql, b.sql}]
        found += _both(a, left_column, b, right_column, True)
    return found


def _both(table: Table, column: str, other: Table, other_column: str, declared: bool) -> list[Step]:
    if table.sql == other.sql:
        return []  # a table's reference to itself never leads to another
    mine, its = table.column(column), other.column(other_column)
    if mine is None or its is None:
        raise PlanError(f"{table.sql}.{column} and {other.sql}.{other_column} are not both columns.")
    # Most steps lead to a key; where empty cells or repeats spoil it, rows do multiply.
    unique, alone = _unique(other, its.sql), _unique(table, mine.sql)
    return [
        Step(table.sql, mine.sql, other.sql, its.sql, not unique, not alone, declared),
        Step(other.sql, its.sql, table.sql, mine.sql, not alone, not unique, declared),
    ]


def _unique(table: Table, sql: str) -> bool:
    column = table.column(sql)
    return table.keys == (sql,) or (column is not None and column.key)


def tree(base: str, needed: Sequence[str], ways: Sequence[Step]) -> list[Step]:
    """The steps that bring every needed table to `base`, each table once, in an order that can be joined.

    Raises:
        PlanError: a table cannot be reached, or in two equally short ways.
    """
    joined, taken = [base], list[Step]()
    for target in needed:
        if target in joined:
            continue
        paths = _shortest(joined, target, ways)
        if not paths:
            raise PlanError(f"Nothing joins {target} with {base}.", "Ask of tables that share a key.")
        if len(paths) > 1:  # what the database declares is surer than what was found
            paths = [p for p in paths if all(s.declared for s in p)] or paths
        if len(paths) > 1:  # what leads to one row each is meant sooner than what leads to many
            paths = [p for p in paths if not any(s.multiplies for s in p)] or paths
        if len(paths) > 1:
            ways_said = " or ".join(
                " and ".join(f"{s.table}.{s.column} = {s.other}.{s.other_column}" for s in p)
                for p in paths[:3]
            )
            raise PlanError(
                f"{base} and {target} join in {len(paths)} ways: {ways_said}.", "Say which is meant."
            )
        for step in paths[0]:
            joined.append(step.other)
            taken.append(step)
    return taken


def _shortest(sources: Sequence[str], target: str, ways: Sequence[Step]) -> list[list[Step]]:
    """All shortest paths from any of the sources to the target."""
    seen = set(sources)
    paths: list[tuple[str, list[Step]]] = [(source, []) for source in sources]
    while paths:
        longer = [
            (step.other, [*path, step])
            for end, path in paths
            for step in ways
            if step.table == end and step.other not in seen
        ]
        arrived = [path for end, path in longer if end == target]
        if arrived:
            return arrived
        seen.update(end for end, _ in longer)
        paths = longer
        if len(paths) > 500:
            raise PlanError(f"There are too many ways to join {target}.")
    return []
