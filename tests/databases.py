"""Real database servers for tests: PostgreSQL and MariaDB as Debian installs them, each in a folder of
its own on a port of its own, under a user of its own (they refuse to run as root)."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loresmith.config import ParsingSection, WebSection
from loresmith.parsing.read import read
from loresmith.sources import scan
from loresmith.tables.mirror import read_table
from loresmith.tables.values import RawTable
from loresmith.types import Document, Failure, SourceItem, SourceSpec

PASSWORD = "p@ss/word:1 %ü"
"""Of every user: with all that must not be taken for a part of an address."""


@dataclass(frozen=True)
class Server:
    """A running server. `admin` connects as its owner; users are made by the tests."""

    scheme: str
    port: int
    process: subprocess.Popen[bytes]

    def uri(self, database: str, user: str = "reader", variable: str = "STOCK_PASSWORD") -> str:
        return f"{self.scheme}://{user}:${{{variable}}}@127.0.0.1:{self.port}/{database}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(*names: str) -> str | None:
    """The newest of Debian's PostgreSQL, or what is on the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def account(*names: str) -> dict[str, Any]:
    """Popen's arguments that run a program as one of these users, where this one is root."""
    if os.getuid() != 0:
        return {}
    for name in (*names, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}


@contextmanager
def running(
    prepare: list[str], command: list[str], folder: Path, who: dict[str, Any], port: int
) -> Iterator[Any]:
    """A server between `prepare` and its end; it is asked to stop and waited for."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(prepare, check=True, timeout=120, **quiet, **who)
    stop = signal.SIGINT if "postgres" in command[0] else signal.SIGTERM
    # A test run that is killed takes its servers along.
    tied = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG")] if shutil.which("setpriv") else []
    process = subprocess.Popen([*tied, *command], **quiet, **who)
    try:
        until = time.monotonic() + 60
        while not listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not start (status {process.poll()})")
            time.sleep(0.05)
        asks = program("pg_isready") if "postgres" in command[0] else None
        while asks and subprocess.run([asks, "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
            if time.monotonic() > until:
                raise RuntimeError(f"{command[0]} is not ready")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def folder_for(who: dict[str, Any]) -> Iterator[Path]:
    # Not pytest's folders: another user may not look into those.
    folder = Path(tempfile.mkdtemp(prefix="loresmith-db-"))
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[Server]:
    """Its owner is `owner`. Raises FileNotFoundError where PostgreSQL is not installed."""
    server, initdb = program("postgres"), program("initdb")
    if not server or not initdb:
        raise FileNotFoundError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    who = account("postgres")
    with folder_for(who) as folder:
        secret = folder / "secret"
        secret.write_text(PASSWORD, encoding="utf-8")
        if who:
            os.chown(secret, who["user"], who["group"])
        port, data = free_port(), str(folder / "data")
        prepare = [initdb, "-D", data, "-U", "owner", "-A", "scram-sha-256", "--pwfile", str(secret)]
        command = [server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        command += ["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "timezone=Europe/Rome"]
        prepare += ["--no-sync", "-E", "UTF8", "--locale", "C.UTF-8"]
        with running(prepare, command, folder, who, port) as process:
            yield Server("postgresql", port, process)


@contextmanager
def mariadb() -> Iterator[Server]:
    """Its owner is `root`, without a password. Raises FileNotFoundError where it is not installed."""
    server, install = program("mariadbd", "mysqld"), program("mariadb-install-db")
    if not server or not install:
        raise FileNotFoundError("MariaDB is not installed (Debian: apt-get install mariadb-server-core)")
    who = account("mysql")
    with folder_for(who) as folder:
        port, data = free_port(), str(folder / "data")
        prepare = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        prepare += ["--skip-test-db", f"--tmpdir={folder}"]
        command = [server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={folder / 's'}", f"--tmpdir={folder}", f"--pid-file={folder / 'pid'}"]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]
        command += ["--default-time-zone=+02:00", "--skip-log-bin", "--performance-schema=OFF"]
        with running(prepare, command, folder, who, port) as process:
            yield Server("mariadb", port, process)


# --- what the tests look at -------------------------------------------------------------------------


def scanned(spec: SourceSpec, root: Path, prefix: str = "") -> list[SourceItem | Failure]:
    """What the source offers now; its mirrors are under `root`."""
    return list(
        scan(spec, prefix=prefix, web=WebSection(), web_dir=root / "web", mirrors_dir=root / "mirrors")
    )


def items(found: list[SourceItem | Failure]) -> dict[str, SourceItem]:
    return {item.id: item for item in found if isinstance(item, SourceItem)}


def failures(found: list[SourceItem | Failure]) -> dict[str, str]:
    return {item.source: item.reason for item in found if isinstance(item, Failure)}


def contents(item: SourceItem) -> tuple[RawTable, list[tuple[Any, list[Any]]]]:
    table, rows = read_table(Path(item.path))
    return table, [(place, list(cells)) for place, cells in rows]


def version(item: SourceItem) -> str:
    return hashlib.sha256(Path(item.path).read_bytes()).hexdigest()


def document(item: SourceItem) -> Document:
    return read(Path(item.path).read_bytes(), item, ParsingSection())[0]
