"""Databases through `sync`: tables in the store, rows that are found, what stays and what goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import PASSWORD, Server
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.expert import Workspace
from loresmith.sources import statements
from loresmith.state import State
from loresmith.sync import SyncReport, sync
from loresmith.tables.store import connect, read_catalog
from loresmith.tables.values import Catalog
from loresmith.verify import verify

psycopg = pytest.importorskip("psycopg")

DUMPS = next(
    (p for parent in Path(__file__).parents if (p := parent / "shared/data/sql").is_dir()),
    Path(__file__).parents[3] / "shared/data/sql",
)


@pytest.fixture
def owner(postgresql_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("STOCK_PASSWORD", PASSWORD)
    login = {"host": "127.0.0.1", "port": postgresql_server.port, "user": "owner", "password": PASSWORD}
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as first:
        first.execute("DROP DATABASE IF EXISTS stock WITH (FORCE)")
        first.execute("CREATE DATABASE stock")
        if not first.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'").fetchone():
            first.execute(f"CREATE USER reader PASSWORD '{PASSWORD}'")
    with psycopg.connect(**login, dbname="stock", autocommit=True) as connection:
        connection.execute("""
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
            CREATE TABLE pumps (id text PRIMARY KEY, name text, flow numeric(8,2));
            CREATE TABLE log (
              id int PRIMARY KEY, pump text REFERENCES pumps(id), hours numeric(6,2), note text);
            INSERT INTO pumps VALUES ('P-100', 'Feed pump', 12.5), ('P-200', 'Drain pump', 80);
            INSERT INTO log VALUES (1, 'P-100', 1.5, 'bearing replaced'), (2, 'P-200', 2.25, 'seal leaked'),
                                   (3, 'P-200', 4, 'impeller balanced')""")
        yield connection


@pytest.fixture
def plant(tmp_path: Path, postgresql_server: Server) -> folders.WorkspaceDir:
    plant = folders.create(tmp_path / "plant", {"model.name": "none"})
    return folders.add_sources(plant, [postgresql_server.uri("stock")], ["stores"])


def synced(plant: folders.WorkspaceDir) -> SyncReport:
    return sync(folders.open_dir(plant.root), HashEmbedder())


def catalog(plant: folders.WorkspaceDir) -> Catalog:
    with State.open(plant.state_path) as state:
        return read_catalog(plant.data / "tables.db", {i.id: i.version for i in state.infos()})


def counted(plant: folders.WorkspaceDir, query: str) -> Any:
    database = connect(plant.data / "tables.db")
    try:
        return database.execute(query).fetchone()[0]
    finally:
        database.close()


def test_tables_are_in_the_store_with_their_references_and_labels(
    plant: folders.WorkspaceDir, owner: Any
) -> None:
    report = synced(plant)
    assert (report.added, report.failed) == (2, ())
    known = catalog(plant)
    log, pumps = known.table("log"), known.table("pumps")
    assert log is not None
    assert pumps is not None
    assert (log.document, log.rows, log.labels, log.numbered) == ("stock/log", 3, ("stores",), False)
    assert [(f.column, f.to_table, f.to_column, f.declared) for f in log.foreign] == [
        ("pump", "pumps", "id", True)
    ]
    assert log.locator("2").to_dict() == {"table": "log", "key": "2"}
    assert counted(plant, "SELECT sum(hours) FROM log WHERE pump = 'P-200'") == 6.25
    assert verify(folders.open_dir(plant.root), embedder=HashEmbedder()).ok


def test_a_row_is_found_by_its_words_with_its_key(plant: folders.WorkspaceDir, owner: Any) -> None:
    synced(plant)
    with Workspace(folders.open_dir(plant.root), embedder=HashEmbedder()) as workspace:
        hits = workspace.search("seal leaked", k=3)
    assert hits[0].passage.document == "stock/log"
    assert "note: seal leaked" in hits[0].passage.text


def test_an_unchanged_database_is_neither_parsed_nor_imported(
    plant: folders.WorkspaceDir, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(plant)
    monkeypatch.setattr("loresmith.parsing.ParserPool.parse", _never)
    report = synced(plant)
    assert (report.added, report.changed, report.removed, report.unchanged) == (0, 0, 0, 2)
    monkeypatch.undo()
    monkeypatch.setenv("STOCK_PASSWORD", PASSWORD)
    owner.execute("UPDATE log SET hours = 10 WHERE id = 2; DELETE FROM log WHERE id = 3")
    report = synced(plant)
    assert (report.changed, report.unchanged) == (1, 1)
    assert counted(plant, "SELECT sum(hours) FROM log WHERE pump = 'P-200'") == 10
    assert "impeller" not in _texts(plant)


def _never(*_: object) -> None:
    raise AssertionError("something was parsed")


def _texts(plant: folders.WorkspaceDir) -> str:
    with State.open(plant.state_path) as state:
        return "\n".join(state.document(info.id).text for info in state.infos())


def test_what_was_read_stays_when_the_database_is_away(
    plant: folders.WorkspaceDir, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(plant)
    monkeypatch.setenv("STOCK_PASSWORD", "wrong-one")
    report = synced(plant)
    assert (report.removed, report.unchanged) == (0, 2)
    (failure,) = report.failed
    assert "refuses user or password" in failure.reason
    assert "What was read from it before stays searchable." in failure.reason
    assert counted(plant, "SELECT count(*) FROM log") == 3


def test_a_connection_that_drops_costs_no_table(
    plant: folders.WorkspaceDir, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(plant)
    owner.execute("INSERT INTO log SELECT n, 'P-100', 1, 'x' FROM generate_series(10, 9000) n")
    read = statements.select

    def cutting(*args: Any, **more: Any) -> Iterator[Any]:
        for number, row in enumerate(read(*args, **more)):
            if number == 2500:
                owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"
                )
            yield row

    with monkeypatch.context() as patched:
        patched.setattr("loresmith.sources.mirroring.select", cutting)
        report = synced(plant)
    assert (report.removed, report.unchanged) == (0, 2)
    assert "connection was lost" in report.failed[0].reason
    assert counted(plant, "SELECT count(*) FROM log") == 3
    assert synced(plant).changed == 1
    assert counted(plant, "SELECT count(*) FROM log") == 8994


def test_a_dropped_table_and_a_removed_source_leave_nothing(plant: folders.WorkspaceDir, owner: Any) -> None:
    synced(plant)
    owner.execute("DROP TABLE log")
    report = synced(plant)
    assert (report.removed, report.unchanged) == (1, 1)
    assert [table.name for table in catalog(plant).tables] == ["pumps"]
    here = folders.open_dir(plant.root)
    folders.remove_source(here, here.config.sources[0].uri)
    report = synced(plant)
    assert report.removed == 1
    assert catalog(plant).tables == ()
    assert not list((plant.data / "sources").iterdir())
    assert not re.search(rb"Drain pump", (plant.data / "tables.db").read_bytes())


def test_the_password_is_in_no_file_and_no_report(plant: folders.WorkspaceDir, owner: Any) -> None:
    report = synced(plant)
    assert PASSWORD not in str(report.to_dict())
    for path in plant.root.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


@pytest.mark.skipif(not DUMPS.is_dir(), reason="the dumps of shared/data/sql are not here")
def test_the_dumps_of_five_databases(
    postgresql_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table of them arrives whole: names, columns and rows as PostgreSQL counts them."""
    monkeypatch.setenv("STOCK_PASSWORD", PASSWORD)
    plant = folders.create(tmp_path / "plant", {"model.name": "none"})
    login = {"host": "127.0.0.1", "port": postgresql_server.port, "user": "owner", "password": PASSWORD}
    wanted: dict[str, int] = {}
    names = sorted(path.stem for path in DUMPS.glob("*.sql"))
    assert len(names) == 5
    for name in names:
        with psycopg.connect(**login, dbname="postgres", autocommit=True) as first:
            first.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(**login, dbname=name, autocommit=True) as connection:
            connection.execute((DUMPS / f"{name}.sql").read_text(encoding="utf-8"))
            for (table,) in connection.execute(
                "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public'"
            ).fetchall():
                (rows,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
                wanted[f"{name}/{table}"] = rows
        plant = folders.add_sources(plant, [postgresql_server.uri(name, "owner")])
    assert len(wanted) == 61
    report = synced(plant)
    assert report.failed == ()
    assert {table.document: table.rows for table in catalog(plant).tables} == wanted
