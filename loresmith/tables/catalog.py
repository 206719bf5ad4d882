"""The store of tables as readers see it: read-only, what the state knows, nothing else.

Readers open the file themselves, each time anew: they never wait for the writer, and see what was
committed last.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from loresmith.errors import StorageError
from loresmith.tables.values import Catalog, Column, ForeignKey, Table, ValueHit

LAYOUT = 1
"""`user_version` of the file; of another one nothing is read."""
_AT_ONCE = 500


def damage(path: Path) -> str:
    """What SQLite's own check says is wrong with the store; "" where nothing is."""
    if not path.is_file():
        return ""
    try:
        with closing(connect(path)) as db:
            said = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    except (StorageError, sqlite3.Error) as error:
        return str(error)
    return "" if said == ["ok"] else "; ".join(said)


def looked_through(path: Path) -> dict[str, str]:
    """Document id -> version, of all that were looked through for tables."""
    if not path.is_file():
        return {}
    with translated(path), closing(connect(path)) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
            return {}
        return dict(db.execute("SELECT document, version FROM _documents").fetchall())


def connect(path: Path) -> sqlite3.Connection:
    """The store for reading only; close it.

    Raises:
        StorageError: it is not there or cannot be read.
    """
    if not path.is_file():
        raise StorageError(f"{path}: there are no tables yet.", "Run `loresmith sync`.")
    with translated(path):
        try:
            return _readable(path, "mode=ro")
        except sqlite3.OperationalError:
            log = path.with_name(f"{path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise
            # A read-only medium, where SQLite cannot keep its shared index of the log beside it.
            return _readable(path, "immutable=1")


def _readable(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=30, isolation_level=None)
    try:
        db.execute("PRAGMA query_only=ON")
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def read_catalog(path: Path, versions: Mapping[str, str] | None = None) -> Catalog:
    """The tables of the store; with `versions` (document id -> version, as the state knows them) only
    theirs. Empty where there is no store.

    Raises:
        StorageError: the store cannot be read.
    """
    if not path.is_file():
        return Catalog()
    with translated(path), closing(connect(path)) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
            return Catalog()
        every = tables(db)
    known = Catalog(tuple(every))
    if versions is None:
        return known
    return known.only([t for t in every if versions.get(t.document) == t.version])


def tables(db: sqlite3.Connection) -> list[Table]:
    return [table(row[0]) for row in db.execute("SELECT json FROM _catalog ORDER BY document, rowid")]


def table(text: str) -> Table:
    raw: dict[str, Any] = json.loads(text)
    raw["columns"] = tuple(Column(**{**c, "frequent": tuple(c["frequent"])}) for c in raw["columns"])
    raw["foreign"] = tuple(ForeignKey(**f) for f in raw["foreign"])
    for name in ("labels", "keys"):
        raw[name] = tuple(raw[name])
    return Table(**raw)


def lookup(connection: sqlite3.Connection, ngrams: Sequence[str], catalog: Catalog) -> list[ValueHit]:
    """The cell values in tables of the catalog that read like one of these, as `fold` leaves it; in the
    order of the n-grams, more frequent values first."""
    visible = {table.sql for table in catalog.tables}
    order = {ngram: n for n, ngram in reversed(list(enumerate(ngrams)))}
    found: list[tuple[int, ValueHit]] = []
    wanted = list(order)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        rows = connection.execute(
            "SELECT folded, table_name, column_name, value, count FROM _values "
            f"WHERE folded IN ({', '.join('?' * len(some))})",
            some,
        )
        found += [(order[row[0]], ValueHit(*row[1:])) for row in rows if row[1] in visible]
    return [hit for _, hit in sorted(found, key=lambda pair: (pair[0], -pair[1].count, pair[1].table))]


@contextmanager
def translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text:
            raise StorageError(
                f"{path}: the disk is full.", "Free some space and run the command again; nothing is lost."
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise StorageError(f"{path}: no permission to write.", "Change its permissions.") from error
        raise StorageError(
            f"{path}: {text}.", "Remove it and run `loresmith sync`: it is made anew."
        ) from error
