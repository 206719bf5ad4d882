"""The tables of a workspace: `.loresmith/tables.db`, SQLite, one writer beside many readers.

    _catalog(document, version, sql, json)      one Table each
    _documents(document, version, importer)     what was looked through for tables, with or without any
    _declared(document, sql, column, to_name, to_column)        foreign keys as sources declare them
    _values(table_name, column_name, value, folded, count)      distinct texts, to link questions to
    <sql>(_row, _place, …)                      the rows, as typed

Promises: a document's tables are replaced in one transaction, so a kill leaves the old or the new;
everything in here can be made again from the sources, so a file that is damaged or of another
version is made anew; readers open it read-only and never wait for the writer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from loresmith.tables import catalog, foreign
from loresmith.tables.catalog import LAYOUT, connect, damage, looked_through, lookup, read_catalog, translated
from loresmith.tables.converting import Tally
from loresmith.tables.loading import Loaded, load
from loresmith.tables.names import fold, identifier
from loresmith.tables.values import Column, RawRow, RawTable, Table

__all__ = [
    "IMPORTER",
    "MAX_COLUMNS",
    "TableStore",
    "connect",
    "damage",
    "fold",
    "looked_through",
    "lookup",
    "read_catalog",
    "remove",
]

IMPORTER = "1"
"""Part of what is noted of each document: a new number has its tables imported again."""
MAX_COLUMNS = 1998
"""SQLite's own limit is 2000, and two columns are the store's."""
_VALUES, _VALUE_LENGTH = 50_000, 80
_ALL_FREQUENT, _SOME_FREQUENT = 20, 10
_SHORT = 40
_DECLARED = {
    "integer": "INTEGER", "boolean": "INTEGER", "real": "REAL", "text": "TEXT", "date": "TEXT",
    "datetime": "TEXT", "time": "TEXT",
}  # fmt: skip


class TableStore:
    """The store, open for writing. The caller holds the workspace's lock."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open `path`, making it where it is not there, damaged, or of another version.

        Raises:
            StorageError: it cannot be written.
        """
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return cls(path, _writable(path))
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                remove(path)
                return cls(path, _writable(path))

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def replace(
        self,
        document: str,
        version: str,
        tables: Iterable[tuple[RawTable, Iterable[RawRow]]],
        *,
        title: str = "",
        labels: Sequence[str] = (),
        modified: float | None = None,
        language: str = "",
    ) -> tuple[list[Table], list[str]]:
        """Put the tables of a document in the place of those it had; returns them and what a person
        should know. In one transaction: an error on the way, the tables' own included, changes nothing.

        Raises:
            StorageError: full disk, missing permission.
        """
        made: list[Table] = []
        warnings: list[str] = []
        with self._transaction():
            self._forget(document)
            taken = {row[0].casefold() for row in self._db.execute("SELECT sql FROM _catalog")}
            stem = document.rpartition("/")[2].rpartition(".")[0] or document.rpartition("/")[2]
            for raw, rows in tables:
                base = Table(
                    sql=identifier(raw.name_hint or raw.name or stem, taken, otherwise="table_1"),
                    name=raw.name or stem,
                    document=document,
                    version=version,
                    columns=(),
                    rows=0,
                    title=title,
                    sheet=raw.sheet,
                    labels=tuple(sorted(set(labels))),
                    caption=raw.caption,
                    numbered=raw.numbered,
                    modified=modified,
                )
                taken.add(base.sql)
                table, said = self._load(base, raw, rows, language)
                made.append(table)
                self._note(table)
                names = _by_name(table, raw)
                self._db.executemany(
                    "INSERT INTO _declared VALUES (?, ?, ?, ?, ?)",
                    [(document, table.sql, names[c], to, to_c) for c, to, to_c in raw.foreign if c in names],
                )
                warnings += [f"table {table.name!r}: {text}" for text in said]
            self._db.execute("INSERT INTO _documents VALUES (?, ?, ?)", (document, version, IMPORTER))
            self._db.execute("DELETE FROM _meta WHERE name = 'linked'")
        return made, warnings

    def skip(self, document: str, version: str, limits: str) -> None:
        """Note that a document's tables could not be read within these limits."""
        with self._transaction():
            self._forget(document)
            self._db.execute(
                "INSERT INTO _documents VALUES (?, ?, ?)",
                (document, version, f"{IMPORTER} not within {limits}"),
            )

    def forget(self, document: str) -> None:
        """Take a document's tables out."""
        with self._transaction():
            self._forget(document)
            self._db.execute("DELETE FROM _meta WHERE name = 'linked'")

    def relabel(self, document: str, labels: Sequence[str]) -> None:
        """Put other labels on a document's tables."""
        with self._transaction():
            for table in self._of(document):
                self._note(replace(table, labels=tuple(sorted(set(labels)))))

    def documents(self, limits: str = "") -> dict[str, str]:
        """Document id -> version, of those that need not be looked through again within these limits."""
        rows = self._db.execute(
            "SELECT document, version FROM _documents WHERE importer IN (?, ?)",
            (IMPORTER, f"{IMPORTER} not within {limits}"),
        )
        return dict(rows.fetchall())

    def sweep(self, versions: Mapping[str, str]) -> list[str]:
        """Take out documents that are not in `versions` (document id -> version); returns them."""
        gone = [
            document
            for document, version in self._db.execute("SELECT document, version FROM _documents").fetchall()
            if versions.get(document) != version
        ]
        for document in gone:
            self.forget(document)
        return gone

    def link(self) -> None:
        """Find the foreign keys among all tables, where anything has changed since."""
        if self._db.execute("SELECT 1 FROM _meta WHERE name = 'linked'").fetchone():
            return
        with self._transaction():
            tables = catalog.tables(self._db)
            declared = self._db.execute("SELECT sql, column, to_name, to_column FROM _declared").fetchall()
            for table, keys in foreign.find(self._db, tables, declared):
                self._note(replace(table, foreign=keys))
            self._db.execute("INSERT OR REPLACE INTO _meta VALUES ('linked', '1')")

    # --- one table ----------------------------------------------------------------------------

    def _load(
        self, base: Table, raw: RawTable, rows: Iterable[RawRow], language: str
    ) -> tuple[Table, list[str]]:
        loaded = load(raw, rows, language, self.path.parent)
        with closing(loaded.spool):
            kept, names, warnings = _kept(loaded)
            declared = ", ".join(
                f"{name} {_DECLARED[loaded.readings[n].type]}" for n, name in zip(kept, names, strict=True)
            )
            place = "INTEGER" if raw.numbered else "TEXT"
            head = f"_row INTEGER PRIMARY KEY, _place {place}"
            self._db.execute(f"CREATE TABLE {base.sql} ({', '.join(filter(None, (head, declared)))})")
            marks = ", ".join("?" * (len(kept) + 1))
            whole = len(kept) == len(loaded.columns)
            self._db.executemany(
                f"INSERT INTO {base.sql} ({', '.join(('_place', *names))}) VALUES ({marks})",
                loaded.rows() if whole else ((row[0], *(row[n + 1] for n in kept)) for row in loaded.rows()),
            )
        columns = []
        for n, sql in zip(kept, names, strict=True):
            column = loaded.columns[n]
            reading, tally = loaded.readings[n], loaded.tallies[n]
            columns.append(
                self._column(
                    base.sql,
                    loaded.count,
                    Column(
                        name=column.name,
                        sql=sql,
                        type=reading.type,
                        unit=column.unit,
                        nulls=tally.nulls,
                        decimals=reading.decimals if reading.type == "real" else 0,
                        description=column.description,
                        mixed=tally.mixed,
                    ),
                    tally,
                )
            )
        table = replace(base, columns=tuple(columns), rows=loaded.count)
        return _keys(table, raw), [*warnings, *loaded.warnings]

    def _column(self, table: str, rows: int, column: Column, tally: Tally) -> Column:
        """The column with what its values look like; text values go into the index."""
        name = column.sql
        text = column.type == "text"
        if tally.values is None:
            low, high, distinct = self._db.execute(
                f"SELECT MIN({name}), MAX({name}), COUNT(DISTINCT {name}) FROM {table}"
            ).fetchone()
            common = self._common(table, name) if text else []
        else:
            counted = tally.values
            low, high = (min(counted), max(counted)) if counted else (None, None)
            distinct = len(counted)
            common = sorted(counted.items(), key=lambda item: (-item[1], item[0])) if text else []
        if text:
            indexed = [(v, n) for v, n in common if len(v) <= _VALUE_LENGTH][:_VALUES]
            self._db.executemany(
                "INSERT INTO _values VALUES (?, ?, ?, ?, ?)",
                ((table, name, v, fold(v), n) for v, n in indexed),
            )
            if any(isinstance(v, str) and len(v) > _SHORT for v in (low, high)):
                low = high = None
        frequent: tuple[str, ...] = ()
        if text:
            shown = [v for v, _ in common if len(v) <= _VALUE_LENGTH]
            few = distinct <= _ALL_FREQUENT
            frequent = tuple(shown[: _ALL_FREQUENT if few else _SOME_FREQUENT])
        key = rows > 0 and distinct == rows and not column.nulls
        return replace(column, distinct=distinct, low=low, high=high, frequent=frequent, key=key)

    def _common(self, table: str, name: str) -> list[tuple[str, int]]:
        """The texts that are short enough to be named, with how often they stand there, most often first."""
        return self._db.execute(
            f"SELECT {name}, COUNT(*) AS n FROM {table} WHERE {name} IS NOT NULL "
            f"AND length({name}) <= {_VALUE_LENGTH} GROUP BY {name} ORDER BY n DESC, {name} LIMIT {_VALUES}"
        ).fetchall()

    # --- the catalog --------------------------------------------------------------------------

    def _note(self, table: Table) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO _catalog VALUES (?, ?, ?, ?)",
            (table.document, table.version, table.sql, json.dumps(asdict(table), ensure_ascii=False)),
        )

    def _of(self, document: str) -> list[Table]:
        rows = self._db.execute("SELECT json FROM _catalog WHERE document = ?", (document,)).fetchall()
        return [catalog.table(row[0]) for row in rows]

    def _forget(self, document: str) -> None:
        for (sql,) in self._db.execute("SELECT sql FROM _catalog WHERE document = ?", (document,)).fetchall():
            self._db.execute(f"DROP TABLE IF EXISTS {sql}")
            self._db.execute("DELETE FROM _values WHERE table_name = ?", (sql,))
        self._db.execute("DELETE FROM _catalog WHERE document = ?", (document,))
        self._db.execute("DELETE FROM _declared WHERE document = ?", (document,))
        self._db.execute("DELETE FROM _documents WHERE document = ?", (document,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _writable(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        layout = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA cache_size=-32000")
        if layout != LAYOUT:
            _make(db)
    except BaseException:
        db.close()
        raise
    return db


def _make(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    ).fetchall():
        db.execute(f'DROP TABLE "{name}"')
    db.execute("CREATE TABLE _catalog (document TEXT, version TEXT, sql TEXT PRIMARY KEY, json TEXT)")
    db.execute("CREATE INDEX _catalog_document ON _catalog (document)")
    db.execute("CREATE TABLE _documents (document TEXT PRIMARY KEY, version TEXT, importer TEXT)")
    db.execute("CREATE TABLE _declared (document TEXT, sql TEXT, column TEXT, to_name TEXT, to_column TEXT)")
    db.execute("CREATE TABLE _meta (name TEXT PRIMARY KEY, value TEXT)")
    db.execute(
        "CREATE TABLE _values (table_name TEXT, column_name TEXT, value TEXT, folded TEXT, count INTEGER)"
    )
    db.execute("CREATE INDEX _values_folded ON _values (folded)")
    db.execute("CREATE INDEX _values_table ON _values (table_name)")
    db.execute(f"PRAGMA user_version={LAYOUT}")
    db.execute("COMMIT")


def _kept(loaded: Loaded) -> tuple[list[int], list[str], list[str]]:
    """(positions of the columns that are stored, their identifiers, warnings)."""
    kept = [n for n in range(len(loaded.columns)) if n not in loaded.void]
    warnings = []
    if len(kept) > MAX_COLUMNS:
        warnings.append(
            f"has {len(kept)} columns; the first {MAX_COLUMNS} can be asked about, the rest was left out"
        )
        kept = kept[:MAX_COLUMNS]
    taken: set[str] = set()
    names = []
    spoken: dict[str, int] = {}
    for n in kept:
        bare = identifier(loaded.columns[n].name, otherwise=f"column_{n + 1}")
        spoken[bare] = spoken.get(bare, 0) + 1
    for n in kept:
        column = loaded.columns[n]
        bare = identifier(column.name, otherwise=f"column_{n + 1}")
        # Two columns of one name are told apart by their units before they are by numbers.
        with_unit = f"{column.name} {column.unit}" if spoken[bare] > 1 and column.unit else column.name
        names.append(identifier(with_unit, taken, otherwise=f"column_{n + 1}"))
        taken.add(names[-1])
    return kept, names, warnings


def _keys(table: Table, raw: RawTable) -> Table:
    """The table with the columns that identify a row: declared, else one that does and looks like it."""
    by_name = _by_name(table, raw)
    if raw.key and all(name in by_name for name in raw.key):
        return replace(table, keys=tuple(by_name[name] for name in raw.key))
    unique = [c for c in table.columns if c.key and c.type in ("integer", "text")]
    named = [c for c in unique if foreign.names_a_key(c.name, table.name)]
    # Prose is no key, though no two rows have the same.
    first = [c for c in unique if c == table.columns[0] and c.low is not None]
    ranked = [
        *(c for c in named if c in first),
        *(c for c in named if foreign.speaks_of(c.name, table.name)),
        *(c for c in named if c.type == "text"),
        *first,
        *named,
    ]
    return replace(table, keys=(ranked[0].sql,) if ranked else ())


def _by_name(table: Table, raw: RawTable) -> dict[str, str]:
    """A source's column names -> identifiers."""
    return {column.name: made.sql for column, made in zip(raw.columns, table.columns, strict=False)}


def remove(path: Path) -> None:
    """Take the store away; the next sync makes it anew."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
