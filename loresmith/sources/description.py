"""What a database says of one of its tables: columns, key, references, comments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from loresmith.mirrors import Card
from loresmith.sources.columns import Reading, reading
from loresmith.sources.connecting import Unreadable


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table as the database describes it.

    Attributes:
        name: as people see it.  table, schema: as the database knows it.
        since: name of the column by which only newer rows are read.
    """

    database: str
    name: str
    table: str
    schema: str | None
    reading: Reading
    key: tuple[str, ...]
    foreign: tuple[tuple[str, str, str], ...]
    comment: str
    since: str | None = None

    def position(self, column: str) -> int:
        return [c.name for c in self.reading.columns].index(column)

    @cached_property
    def key_positions(self) -> list[int]:
        return [self.position(name) for name in self.key]

    @cached_property
    def checked(self) -> list[int]:
        """Positions of the columns whose values are looked at one by one; the others are kept as they are."""
        return [n for n, c in enumerate(self.reading.columns) if c.type not in ("integer", "text", "time")]

    def card(self) -> Card:
        return Card(
            database=self.database,
            table=self.name,
            columns=self.reading.columns,
            key=self.key,
            foreign=self.foreign,
            comment=self.comment,
            notes=self.reading.notes,
        )

    @property
    def schema_text(self) -> str:
        """All that a copy depends on but the rows; another one means that it is read anew."""
        return json.dumps(asdict(self.card()), sort_keys=True)


def describe(
    connection: Any,
    inspector: Any,
    kind: str,
    database: str,
    name: str,
    since: str | None,
    default: str | None,
) -> Source:
    """What the database says of a table; within a transaction of `connection`.

    Raises:
        Unreadable: it has no column that can be read, or none of the name in `since`.
    """
    import warnings

    import sqlalchemy as sa

    schema, _, table = name.rpartition(".")
    own = schema or default
    with warnings.catch_warnings():
        # Types of extensions, which are unknown to SQLAlchemy, are read as text or left out here.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        found = inspector.get_columns(table, schema=schema or None)
        key = tuple(
            inspector.get_pk_constraint(table, schema=schema or None).get("constrained_columns") or ()
        )
        foreign = inspector.get_foreign_keys(table, schema=schema or None)
        try:
            comment = inspector.get_table_comment(table, schema=schema or None).get("text") or ""
        except NotImplementedError:
            comment = ""
    declared = _postgresql_types(connection, own, table) if kind == "postgresql" else {}
    read = reading(
        kind,
        [
            (c["name"], declared.get(c["name"]) or _compiled(c["type"], connection), c.get("comment") or "")
            for c in found
        ],
    )
    names = {column.name for column in read.columns}
    if not names:
        raise Unreadable("it has no column that holds text or numbers.")
    if since is not None and since not in names:
        raise Unreadable(
            f"--since names its column {since}, which is not there; it has: {some(sorted(names))}."
        )
    return Source(
        database=database,
        name=name,
        table=table,
        schema=schema or None,
        reading=read,
        key=key if set(key) <= names else (),
        foreign=tuple(
            (f["constrained_columns"][0], _named(f, own, default, kind), f["referred_columns"][0])
            for f in sorted(foreign, key=lambda f: f["constrained_columns"])
            if len(f["constrained_columns"]) == 1
            and f["referred_columns"]
            and f["constrained_columns"][0] in names
        ),
        comment=comment.strip(),
        since=since,
    )


def _named(foreign: Any, own: str | None, default: str | None, kind: str) -> str:
    """The table that is referred to, named as the sources name it: bare in the default schema."""
    # PostgreSQL's names stand bare where they are found without a schema, the others' in their own.
    schema = foreign.get("referred_schema") or (default if kind == "postgresql" else own)
    table = str(foreign["referred_table"])
    return table if schema == default else f"{schema}.{table}"


def _compiled(kind: Any, connection: Any) -> str:
    import sqlalchemy as sa

    try:
        return str(kind.compile(dialect=connection.dialect))
    except sa.exc.CompileError:
        return "NULL"


def _postgresql_types(connection: Any, schema: str | None, table: str) -> dict[str, str]:
    """The types as PostgreSQL writes them, of domains what they are made of; those of extensions too."""
    import sqlalchemy as sa

    found = connection.execute(
        sa.text(
            "SELECT a.attname, format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END,"
            " CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE n.nspname = :schema AND c.relname = :table AND a.attnum > 0 AND NOT a.attisdropped"
        ),
        {"schema": schema, "table": table},
    )
    return {str(name): str(declared) for name, declared in found}


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
