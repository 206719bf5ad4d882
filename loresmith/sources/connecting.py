"""Connections to databases that can only read, and what goes wrong with them in words.

Promises: every transaction is read-only by the database's own rule; no secret is in any message, and
no exception of a driver (which may hold the address) is passed on.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loresmith import addresses
from loresmith.errors import SourceError

CONNECT_SECONDS = 10
LOCK_SECONDS = 10
STATEMENT_SECONDS = 900
"""Upper bound of one statement; a table is read in batches, each of which is one to PostgreSQL."""

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg", "postgres"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "sqlite": ("sqlite", "sqlite3", ""),
}


class Unreadable(Exception):
    """One table cannot be read: the reason for a person. `lost`: the connection is gone with it."""

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lost = lost


class Gone(Unreadable):
    """The table is not there any more, or never was."""


class Database:
    """An address and its engine; `reading` gives connections. A context manager."""

    def __init__(self, uri: str) -> None:
        """Raises SourceError: an unknown kind, a missing driver or variable, an address that is wrong."""
        kind = addresses.kind_of(uri)
        if kind is None:
            raise SourceError(
                f"{addresses.masked(uri)}: databases of this kind are not read.",
                "Use postgresql://, mysql:// or sqlite:///.",
            )
        self.uri = uri
        self.kind = kind
        driver, package, extra = _DRIVERS[kind]
        if find_spec(package) is None:
            raise SourceError(
                f"{addresses.masked(uri)}: reading it needs the package {package}, which is not installed.",
                f"Install it with: pip install 'loresmith[{extra}]'",
            )
        self._secrets: list[str] = []
        self._engine = self._create(driver)

    def _create(self, driver: str) -> Any:
        import sqlalchemy as sa

        if self.kind == "sqlite":
            path = addresses.sqlite_path(self.uri)
            return sa.create_engine("sqlite://", creator=lambda: _open_sqlite(path), poolclass=sa.NullPool)
        try:
            url = sa.make_url(self.uri).set(drivername=driver)
        except (sa.exc.ArgumentError, ValueError):
            raise SourceError(
                f"{addresses.masked(self.uri)}: not the address of a database.",
                "As in: postgresql://reader:${STOCK_PASSWORD}@host:5432/database",
            ) from None
        own = {name: self._expand(str(getattr(url, name) or "")) for name in ("username", "password", "host")}
        query = {name: self._expand(text) for name, text in url.query.items() if isinstance(text, str)}
        url = url.set(
            **{k: v or None for k, v in own.items()},  # type: ignore[arg-type]
            database=self._expand(url.database or "") or None,
            query=query,
        )
        if self.kind == "postgresql":
            # No prepared statements: poolers between us and the database lose them.
            more: dict[str, Any] = {
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "loresmith",
                "prepare_threshold": None,
            }
        else:
            more = {
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": STATEMENT_SECONDS,
                "charset": "utf8mb4",
                # Else a server could ask for this machine's files.
                "local_infile": False,
            }
            if own["password"]:
                # As text it would go out in Latin-1, whatever the server took it in.
                more["password"] = own["password"].encode()
        return sa.create_engine(url, connect_args=more, poolclass=sa.NullPool, hide_parameters=True)

    def _expand(self, text: str) -> str:
        for name in addresses.variables(text):
            self._secrets.append(addresses.expanded("${%s}" % name, self.uri))  # noqa: UP031
        return addresses.expanded(text, self.uri)

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection for one table after the other, each in `transaction`.

        Raises:
            SourceError: wrong password, no such database, host away, locked.
        """
        import sqlalchemy as sa

        try:
            connection = self._engine.connect()
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
            reason, remedy = connect_failure(self.kind, self.clean(error))
            raise SourceError(f"{addresses.masked(self.uri)}: {reason}", remedy) from None
        try:
            yield connection
        finally:
            try:
                connection.close()
            except (sa.exc.SQLAlchemyError, OSError):
                connection.invalidate()

    @contextmanager
    def transaction(self, connection: Any) -> Iterator[None]:
        """A read-only transaction that sees one state of the database.

        Raises:
            Unreadable: whatever the database refuses within it.
        """
        import sqlalchemy as sa

        try:
            with connection.begin():
                for statement in _BEGIN[self.kind]:
                    connection.exec_driver_sql(statement)
                if self.kind == "mysql":
                    limit = (
                        f"SET SESSION max_statement_time = {STATEMENT_SECONDS}"
                        if connection.dialect.is_mariadb
                        else f"SET SESSION max_execution_time = {STATEMENT_SECONDS * 1000}"
                    )
                    connection.exec_driver_sql(limit)
                    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                yield
        except sa.exc.NoSuchTableError:
            raise Gone("there is no such table.") from None
        except sa.exc.DBAPIError as error:
            lost = bool(error.connection_invalidated) or _LOST.search(str(error.orig)) is not None
            raise Unreadable(table_failure(self.clean(error), lost=lost), lost=lost) from None
        except sa.exc.SQLAlchemyError as error:
            raise Unreadable(table_failure(self.clean(error), lost=False)) from None

    def clean(self, error: BaseException) -> str:
        """The driver's own words on one line, without any secret."""
        own = getattr(error, "orig", None) or error
        # PyMySQL's errors are (number, text).
        text = str(own.args[1]) if len(own.args) == 2 and isinstance(own.args[0], int) else str(own)
        for secret in sorted(set(self._secrets), key=len, reverse=True):
            if secret:
                text = text.replace(secret, "***")
        return re.sub(r"\s+", " ", text).strip()[:300].rstrip(".")


_BEGIN = {
    "postgresql": (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'",
        f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
        "SET LOCAL TimeZone = 'UTC'",
        "SET LOCAL DateStyle = 'ISO, YMD'",
        "SET LOCAL extra_float_digits = 1",
    ),
    "mysql": (
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION time_zone = '+00:00'",
        f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}",
    ),
    "sqlite": ("PRAGMA query_only = ON", "BEGIN"),
}

_LOST = re.compile(
    r"(?i)server closed the connection|terminating connection|connection (?:was )?(?:lost|reset|refused)|"
    r"lost connection|gone away|broken pipe|connection is closed|SSL SYSCALL|consuming input failed"
)


def _open_sqlite(path: str) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=2, check_same_thread=False)
    connection.text_factory = lambda data: data.decode("utf-8", errors="replace")
    connection.execute("PRAGMA trusted_schema = OFF")
    try:
        # Nothing is read before the first statement: a lock or another kind of file shows here.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_failure(kind: str, text: str) -> tuple[str, str]:
    """(what is wrong, remedy) of a connection that failed."""
    lowered = text.lower()
    if "password authentication failed" in lowered or "access denied for user" in lowered:
        return (
            f"the database refuses user or password ({text}).",
            "Check the user and the environment variable.",
        )
    if "no password supplied" in lowered:
        return "the database wants a password.", "Write it as ${NAME}, and set that environment variable."
    if "no pg_hba.conf entry" in lowered:
        return f"the database admits nobody from here ({text}).", "Ask its administrator."
    if ("does not exist" in lowered and "database" in lowered) or "unknown database" in lowered:
        return f"there is no such database ({text}).", "Check the name after the host."
    if "cryptography" in lowered:
        return (
            "the server asks for the password in a way that needs the package cryptography.",
            "Install it with: pip install 'pymysql[rsa]'",
        )
    if "locked" in lowered:
        return (
            "the database is locked by another program.",
            "Close it there; it is tried again at the next sync.",
        )
    if "not a database" in lowered:
        return "not an SQLite database, or an encrypted one.", "Check the path."
    if "malformed" in lowered:
        return f"the database is damaged ({text}).", "Restore it from a copy."
    if kind == "sqlite":
        return f"the database cannot be opened ({text}).", "Check the path and its permissions."
    return (
        f"the database cannot be reached ({text}).",
        "Check host, port and network; it is tried again next time.",
    )


def table_failure(text: str, *, lost: bool) -> str:
    """The reason why one table could not be read."""
    lowered = text.lower()
    if lost:
        return f"the connection was lost while it was being read ({text}). It is read again at the next sync."
    if "permission denied" in lowered or "command denied" in lowered:
        return f"no permission to read it ({text}). Grant SELECT on it to this user."
    if (
        "statement timeout" in lowered
        or "max_statement_time" in lowered
        or "maximum statement execution" in lowered
    ):
        return f"it took longer than {STATEMENT_SECONDS} s to read. Name a column with --since."
    if "lock timeout" in lowered or "lock wait timeout" in lowered or "database is locked" in lowered:
        return "it is locked by another program. It is tried again at the next sync."
    if "malformed" in lowered:
        return f"the database is damaged there ({text}). Restore it from a copy."
    return f"the database says: {text}."


def exists(uri: str) -> bool:
    """Whether the file of an SQLite address is there, or may be once its folder is mounted again."""
    path = Path(addresses.sqlite_path(uri))
    return path.exists() or not path.parent.exists()
