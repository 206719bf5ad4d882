"""Run a checked statement: reading only, and no longer, larger or wider than it may.

The database is asked to refuse what was not allowed, whatever the parser made of the text: its
authorizer lets through reading of the tables that the statement names, with columns that the catalog
names, and functions of a list. Time ends a query in the middle; the page cache is small and what does
not fit goes to a temporary file, so that memory stays flat; a result is cut at a number of rows, and
refused where its texts alone would fill the memory.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from loresmith.errors import QueryFailed
from loresmith.querying.check import LONGEST, Checked
from loresmith.querying.trees import doubtful, meant
from loresmith.tables.values import Catalog, Cell

if TYPE_CHECKING:
    from sqlglot import exp

HIDDEN = ("_row", "_place")
_NAMES = (
    "count sum total avg min max group_concat abs round ceil ceiling floor sqrt pow power coalesce ifnull "
    "nullif iif lower upper length trim ltrim rtrim substr substring instr strftime date time datetime "
    "julianday like current_date current_timestamp row_number rank dense_rank ntile lag lead first_value "
    "last_value "
)
_FUNCTIONS = frozenset(_NAMES.split())
_STEPS = 1_000  # of the virtual machine between two looks at the clock
_CACHE_KIB = 16_384
_BATCH = 64
_MOST_TRIMMED = 100
_Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may take: rows of its result, seconds, and memory for its result and its sorting."""

    rows: int = 1000
    seconds: float = 5.0
    memory_mb: int = 256


@dataclass(frozen=True, slots=True)
class Rows:
    """What came out.

    truncated: there is more; under the statement's own LIMIT: the next row has the same place in the
    order as the last one, so that another choice would be as right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    truncated: bool
    seconds: float


def execute(path: Path, checked: Checked, catalog: Catalog, limits: Limits = Limits()) -> Rows:
    """The rows of a statement.

    Raises:
        QueryFailed: the database refused it or it took too much; in the database's own words.
        StorageError: the store is missing or damaged.
    """
    start = time.perf_counter()
    asked = limit_of(checked.tree)
    parts, width = parts_of(checked.tree), len(checked.columns)
    ranked = _ranked(checked.tree, asked) if asked is not None and asked <= limits.rows else None
    sql = checked.sql if asked is not None else f"{checked.sql} LIMIT {limits.rows + 1}"
    most = limits.rows if asked is None else min(asked, limits.rows)
    with guarded(path, checked.tables, catalog, limits, width=width, parts=parts) as query:
        rows = query(query.renamed(ranked or sql), most + 1)
    if doubts := doubtful(checked.tree, catalog):
        _count_once(path, checked, catalog, limits, doubts)
    truncated = len(rows) > most
    if ranked is not None:
        truncated = truncated and rows[most][width:] == rows[most - 1][width:]
    kept = tuple(row[:width] for row in rows[:most])
    return Rows(checked.columns, kept, truncated, time.perf_counter() - start)


def _count_once(
    path: Path, checked: Checked, catalog: Catalog, limits: Limits, doubts: Sequence[tuple[str, str, str]]
) -> None:
    """Where keys do not say that a join counts each row once, the rows do."""
    parts = parts_of(checked.tree)
    with guarded(path, checked.tables, catalog, limits, hidden=True, parts=parts) as query:
        for sql, table, figure in doubts:
            if query(query.renamed(f"{sql} LIMIT 1"), 1):
                raise QueryFailed(
                    f"{figure} counts rows of {table} several times, once for each row joined to them.",
                    f"Restrict {table} with IN (SELECT …) instead of a join, or count DISTINCT.",
                )


def limit_of(tree: exp.Expression) -> int | None:
    limit = tree.args.get("limit")
    return None if limit is None else int(str(limit.expression.this))


def _ranked(tree: exp.Expression, asked: int) -> str | None:
    """The statement with one row more and what it is ordered by: whether the last place is shared."""
    from sqlglot import exp

    order = tree.args.get("order")
    if not isinstance(tree, exp.Select) or order is None or tree.args.get("distinct") or not asked:
        return None
    ranked = tree.copy()
    terms = [meant(term.this, ranked).copy() for term in ranked.args["order"].expressions]
    for term in terms:
        ranked.append("expressions", term)
    ranked.limit(asked + 1, copy=False)
    return ranked.sql(dialect="sqlite", comments=False)


def parts_of(tree: exp.Expression) -> frozenset[str]:
    """The names that a statement gives to its own parts, casefolded."""
    from sqlglot import exp

    return frozenset(str(cte.alias).casefold() for cte in tree.find_all(exp.CTE))


class Query:
    """Asks an open, guarded connection; all its statements share one deadline."""

    def __init__(
        self, connection: sqlite3.Connection, limits: Limits, parts: set[str], clashes: frozenset[str]
    ) -> None:
        self._connection, self._limits = connection, limits
        self._parts, self._clashes = parts, clashes
        self.deadline = time.monotonic() + limits.seconds

    def renamed(self, sql: str) -> str:
        """The statement, its parts renamed that have the name of a table it does not read: the
        authorizer could not tell which of the two is counted, and the reader shall not learn of it."""
        if not self._clashes:
            return sql
        import sqlglot
        from sqlglot import exp

        new = {name: f"part_{token_hex(8)}" for name in self._clashes}
        tree = sqlglot.parse_one(sql, dialect="sqlite")
        for node in tree.find_all(exp.Table, exp.TableAlias, exp.Column):
            identifier = node.args.get("table") if isinstance(node, exp.Column) else node.this
            if isinstance(identifier, exp.Identifier) and identifier.name.casefold() in new:
                identifier.set("this", new[identifier.name.casefold()])
        self._parts.update(new.values())
        return tree.sql(dialect="sqlite", comments=False)

    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def __call__(self, sql: str, most: int) -> list[tuple[Cell, ...]]:
        """At most `most` rows.

        Raises:
            QueryFailed: see `execute`.
        """
        found: list[tuple[Cell, ...]] = []
        room = self._limits.memory_mb * 1024 * 1024 // 4  # characters take up to four bytes
        try:
            cursor = self._connection.execute(sql)
            while len(found) < most and (batch := cursor.fetchmany(min(_BATCH, most - len(found)))):
                room -= sum(
                    len(cell) if isinstance(cell, str | bytes) else 16 for row in batch for cell in row
                )
                if room < 0:
                    raise QueryFailed("The result is too large.", "Ask for fewer columns or rows.")
                found += batch
            cursor.close()
        except sqlite3.Error as error:
            raise self._told(error) from None
        except (UnicodeDecodeError, OverflowError) as error:
            raise QueryFailed(f"The result cannot be read: {error}") from None
        return found

    def _told(self, error: sqlite3.Error) -> QueryFailed:
        if self.late():
            return QueryFailed(
                f"The query was stopped after {self._limits.seconds:g} s.", "Restrict it further."
            )
        words = str(error)
        if "not authorized" in words or "prohibited" in words:
            return QueryFailed(f"The database refused the query: {words}.")
        if "string or blob too big" in words:
            return QueryFailed("The query makes texts that are too long.")
        return QueryFailed(words[:1].upper() + words[1:] + ".")


@contextmanager
def guarded(
    path: Path,
    tables: Sequence[str],
    catalog: Catalog,
    limits: Limits,
    *,
    width: int = 1,
    hidden: bool = False,
    parts: frozenset[str] = frozenset(),
) -> Iterator[Query]:
    """A connection that reads these tables and nothing else.

    Args:
        width: columns of the result; a row of long texts must fit the memory.
        parts: names that the statement gives to parts of itself (WITH).
        hidden: also the numbers and places of rows (for what a result rests on).
    """
    from loresmith.tables.store import connect

    connection = connect(path)
    try:
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute("PRAGMA mmap_size=0")
        connection.execute("PRAGMA temp_store=FILE")
        longest = limits.memory_mb * 1024 * 1024 // 8 // max(width, 1)
        for what, most in (
            (sqlite3.SQLITE_LIMIT_LENGTH, min(max(longest, 131_072), 2_097_152)),
            (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 4 * LONGEST),
            (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 250),
            (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 30),
            (sqlite3.SQLITE_LIMIT_VDBE_OP, 500_000),
            (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 20),
            (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
            (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
            (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1),
            (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
            (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
        ):
            connection.setlimit(what, most)
        # SQLite's own know the letters A to Z only.
        connection.create_function("lower", 1, _cased(str.lower), deterministic=True)
        connection.create_function("upper", 1, _cased(str.upper), deterministic=True)
        # SQLite's own take the product of two lengths, in one step that no clock can interrupt.
        connection.create_function("instr", 2, _instr, deterministic=True)
        connection.create_function("trim", 2, _trimmed(str.strip), deterministic=True)
        connection.create_function("ltrim", 2, _trimmed(str.lstrip), deterministic=True)
        connection.create_function("rtrim", 2, _trimmed(str.rstrip), deterministic=True)
        there = {str(n).casefold() for (n,) in connection.execute("SELECT name FROM sqlite_master")}
        allowed = set(parts - there)
        connection.set_authorizer(_authorizer(tables, catalog, hidden, allowed))
        query = Query(connection, limits, allowed, parts & there)
        connection.set_progress_handler(query.late, _STEPS)
        yield query
    finally:
        connection.close()


def _cased(case: Callable[[str], str]) -> Callable[[Cell], str | None]:
    return lambda text: None if text is None else case(str(text))


def _instr(text: Cell, part: Cell) -> int | None:
    return None if text is None or part is None else str(text).find(str(part)) + 1


def _trimmed(strip: Callable[[str, str], str]) -> Callable[[Cell, Cell], str | None]:
    def trim(text: Cell, characters: Cell) -> str | None:
        if text is None or characters is None:
            return None
        return strip(str(text), str(characters)[:_MOST_TRIMMED]) if characters != "" else str(text)

    return trim


def _authorizer(tables: Sequence[str], catalog: Catalog, hidden: bool, parts: set[str]) -> _Authorizer:
    allowed: dict[str, frozenset[str]] = {}
    for name in tables:
        table = catalog.table(name)
        if table is not None:
            columns = {c.sql.casefold() for c in table.columns} | (set(HIDDEN) if hidden else set())
            allowed[table.sql.casefold()] = frozenset(columns)

    def authorize(
        action: int, first: str | None, second: str | None, schema: str | None, within: str | None
    ) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            known = (second or "").casefold() in _FUNCTIONS
            return sqlite3.SQLITE_OK if known else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ and (within is None or within.casefold() in parts):
            table, column = (first or "").casefold(), (second or "").casefold()
            if not column and schema is None:  # its rows are counted, none of its columns is read
                return sqlite3.SQLITE_OK if table in allowed or table in parts else sqlite3.SQLITE_DENY
            if schema == "main" and column in allowed.get(table, ()):
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return authorize
