"""The statements that read a table: whole, newer rows, keys, rows by key; all from streaming cursors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from loresmith.mirrors import Value
from loresmith.sources.columns import column_of
from loresmith.sources.description import Source

BATCH = 2000


def table_of(source: Source) -> Any:
    import sqlalchemy as sa

    schema = sa.sql.quoted_name(source.schema, quote=True) if source.schema else None
    return sa.table(sa.sql.quoted_name(source.table, quote=True), schema=schema)


def select(
    connection: Any,
    source: Source,
    *,
    ordered: bool = False,
    newer_than: Value = None,
    strictly: bool = False,
    only: Sequence[int] = (),
    of_keys: Sequence[Sequence[Value]] = (),
) -> Iterator[Sequence[Any]]:
    """Rows from a cursor that stays with the database."""
    import sqlalchemy as sa

    positions = only or range(len(source.reading.columns))
    statement = sa.select(*(source.reading.expressions[at].label(f"_loresmith_{at}") for at in positions))
    statement = statement.select_from(table_of(source))
    if newer_than is not None:
        column: Any = column_of(source.since or "")
        bound = bound_of(connection, source, newer_than)
        statement = statement.where(column > bound if strictly else column >= bound)
    if of_keys:
        wanted = [
            sa.and_(
                *(
                    column_of(n) == literal(connection, source, n, v)
                    for n, v in zip(source.key, key, strict=True)
                )
            )
            for key in of_keys
        ]
        statement = statement.where(sa.or_(*wanted))
    if ordered and source.key:
        statement = statement.order_by(*(column_of(name) for name in source.key))
    found = connection.execute(statement, execution_options={"stream_results": True, "yield_per": BATCH})
    cursor = found.cursor
    try:
        with closing(found):
            yield from found
    except sa.exc.DBAPIError:
        # PyMySQL would go on reading from a connection that is gone when its cursor is thrown away.
        rest: Any = getattr(cursor, "_result", None)
        if getattr(rest, "unbuffered_active", False):
            rest.unbuffered_active = False
        raise


def highest(connection: Any, source: Source) -> Value:
    """The highest value of the `since` column, as text where the table is read as text."""
    import sqlalchemy as sa

    if source.since is None:
        return None
    found: Any = sa.func.max(column_of(source.since))
    if connection.dialect.name != "sqlite":
        found = sa.cast(found, sa.Text if connection.dialect.name == "postgresql" else sa.CHAR)
    value = connection.execute(sa.select(found).select_from(table_of(source))).scalar()
    return value if isinstance(value, int | float | str) else None


def bound_of(connection: Any, source: Source, value: Value) -> Any:
    return literal(connection, source, source.since or "", value)


def literal(connection: Any, source: Source, column: str, value: Value) -> Any:
    """`value`, which was read as text, as the database compares it with the column."""
    import sqlalchemy as sa

    declared = source.reading.columns[source.position(column)]
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.bindparam(None, value, sa.Text, unique=True), _written(declared.declared))
    if connection.dialect.name == "mysql" and declared.type == "integer" and value is not None:
        return sa.literal(int(value))
    return sa.literal(value)


def _written(declared: str) -> Any:
    """A type as PostgreSQL wrote it."""
    import sqlalchemy as sa

    class Written(sa.types.UserDefinedType[Any]):
        cache_ok = True

        def __init__(self, text: str) -> None:
            self.text = text

        def get_col_spec(self, **_: Any) -> str:
            return self.text

    return Written(declared)
