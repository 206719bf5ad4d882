"""Databases: every table that is chosen is a document, kept as a mirror that `scan` brings up to date.

Promises: the database is only read, in read-only transactions; secrets come from the environment when
it connects and appear nowhere; a table that cannot be read is one line in the report, what was read of
it before stays, and the others are read; a table that is no longer there goes.
"""

from __future__ import annotations

import difflib
import hashlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loresmith import addresses, mirrors
from loresmith.errors import SourceError, StorageError
from loresmith.sources.connecting import Database, Gone, Unreadable, exists
from loresmith.sources.description import describe
from loresmith.sources.mirroring import bring_up
from loresmith.types import Failure, SourceItem, SourceSpec
from loresmith.workspace import translated_os_errors

MOST_TABLES = 2000


def scan_database(spec: SourceSpec, prefix: str, folder: Path) -> Iterator[SourceItem | Failure]:
    """One item a table, its card as the file.

    Args:
        folder: of all mirrors.

    Raises:
        SourceError: the database cannot be reached or refuses the user.
        StorageError: the mirrors cannot be written.
    """
    name = addresses.name_of(spec.uri)
    if addresses.kind_of(spec.uri) == "sqlite" and not exists(spec.uri):
        # A file that was deleted from a folder that is there: its tables go.
        yield Failure(spec.uri, f"{spec.uri}: no such file. Bring it back, or: loresmith remove '{spec.uri}'")
        return
    place = folder / _hash(spec.uri)
    with translated_os_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    with Database(spec.uri) as database:
        listed, views, default = _listed(database)
        waiting = list(dict.fromkeys(spec.tables)) or listed
        if not waiting:
            some = f"Its views: {', '.join(views[:20])}." if views else "Check user and database."
            raise SourceError(
                f"{spec.uri}: there is no table to read.", f"Name what to read with --table. {some}"
            )
        if len(waiting) > MOST_TABLES:
            raise SourceError(
                f"{spec.uri}: {len(waiting):,} tables are more than {MOST_TABLES:,}.",
                "Name those to read with --table.",
            )
        since = dict(spec.since)
        for table in sorted(since.keys() - set(waiting)):
            yield Failure(name, f"--since names the table {table}, which is not read.{_near(table, waiting)}")
        kept = set(waiting)
        while waiting:
            # A new connection where one was lost; where none is to be had the source itself has failed.
            with database.connection() as connection:
                while waiting:
                    table = waiting.pop(0)
                    card = place / f"{_hash(table)}.json"
                    try:
                        _read(database, connection, name, table, since.get(table), default, card)
                    except Gone as error:
                        kept.discard(table)
                        yield Failure(name, f"{table}: {error.reason}{_near(table, [*listed, *views])}")
                    except Unreadable as error:
                        more = " What was read of it before stays searchable." if card.exists() else ""
                        yield Failure(f"{prefix}{name}/{table}", error.reason + more)
                        if error.lost:
                            break
                    else:
                        yield _item(spec, f"{prefix}{name}/{table}", table, card)
    for path in place.iterdir():
        if path.name.partition(".")[0] not in {_hash(table) for table in kept}:
            path.unlink(missing_ok=True)


def _read(
    database: Database,
    connection: Any,
    name: str,
    table: str,
    since: str | None,
    default: str | None,
    card: Path,
) -> None:
    import sqlalchemy as sa

    try:
        with translated_os_errors(card), database.transaction(connection):
            inspector = sa.inspect(connection)
            source = describe(connection, inspector, database.kind, name, table, since, default)
            bring_up(connection, source, card)
    except sqlite3.Error as error:
        # The database's own errors come wrapped: this one is of the mirror.
        raise StorageError(
            f"{mirrors.rows_path(card)}: {error}.", "Free some space, or remove this file; it is read anew."
        ) from error


def _listed(database: Database) -> tuple[list[str], list[str], str | None]:
    """(tables, views, name) of the default schema.

    Raises:
        SourceError: also where the catalogue cannot be read.
    """
    import sqlalchemy as sa

    with database.connection() as connection:
        try:
            with database.transaction(connection):
                inspector = sa.inspect(connection)
                tables = set(inspector.get_table_names())
                views = set(inspector.get_view_names())
                if database.kind == "postgresql":
                    views |= set(inspector.get_materialized_view_names())
                    # The rows of a partition are those of its table.
                    tables -= set(
                        connection.execute(
                            sa.text(
                                "SELECT c.relname FROM pg_class c"
                                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                                " WHERE c.relispartition AND n.nspname = :schema"
                            ),
                            {"schema": inspector.default_schema_name},
                        ).scalars()
                    )
                return sorted(tables), sorted(views), inspector.default_schema_name
        except Unreadable as error:
            raise SourceError(f"{database.uri}: {error.reason}") from None


def _near(table: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(table, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""


def _item(spec: SourceSpec, document: str, table: str, card: Path) -> SourceItem:
    status = card.stat()
    return SourceItem(
        id=document,
        source=spec.uri,
        uri=f"{addresses.public(spec.uri)}#{table}",
        path=str(card),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        labels=spec.labels,
        media_type=mirrors.MEDIA_TYPE,
    )


def sweep_mirrors(specs: Sequence[SourceSpec], folder: Path) -> None:
    """Remove the mirrors of databases that are not on the list of sources."""
    wanted = {_hash(spec.uri) for spec in specs}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in wanted:
            shutil.rmtree(path, ignore_errors=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
