"""Databases, with a real MariaDB: its types, its moments in UTC, its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databases
import pytest
from databases import PASSWORD, Server, contents, document, failures, items, scanned, version

from loresmith.errors import SourceError
from loresmith.types import SourceSpec

pymysql = pytest.importorskip("pymysql")


@pytest.fixture
def world(mariadb_server: Server, request: pytest.FixtureRequest) -> Iterator[tuple[Server, str, Any]]:
    name = "stock_" + re.sub(r"\W+", "_", request.node.name)[-40:].lower()
    owner = pymysql.connect(
        host="127.0.0.1", port=mariadb_server.port, user="root", autocommit=True, charset="utf8mb4"
    )
    with owner, owner.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        cursor.execute("DROP USER IF EXISTS ''@'localhost'")
        cursor.execute("CREATE USER IF NOT EXISTS reader IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute(f"USE {name}")
        cursor.execute("SET sql_mode = ''")
        cursor.execute(
            "CREATE TABLE pumps (id varchar(20) PRIMARY KEY, name text) COMMENT 'Pumps of the plant.'"
        )
        cursor.execute(
            "CREATE TABLE log (id int unsigned PRIMARY KEY AUTO_INCREMENT,"
            " pump varchar(20) COMMENT 'Which pump', hours decimal(6,2),"
            " changed timestamp NOT NULL, note text, FOREIGN KEY (pump) REFERENCES pumps(id))"
        )
        cursor.execute("INSERT INTO pumps VALUES ('P-100', 'Förderpumpe 🛠'), ('P-200', 'Drain pump')")
        cursor.execute(
            "INSERT INTO log VALUES (1, 'P-100', 1.50, '2024-07-05 10:00:00', 'bearing'),"
            " (2, 'P-200', 2.25, '2024-07-06 10:00:00', 'seal')"
        )
        cursor.execute(f"GRANT SELECT ON {name}.* TO reader")
        yield mariadb_server, name, cursor
        cursor.execute(f"DROP DATABASE {name}")
        cursor.execute("DROP USER reader")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCK_PASSWORD", PASSWORD)


def spec_of(world: tuple[Server, str, Any], **more: Any) -> SourceSpec:
    return SourceSpec(world[0].uri(world[1]), **more)


def test_tables_with_types_keys_references_and_moments_in_utc(world: Any, tmp_path: Path) -> None:
    found = scanned(spec_of(world), tmp_path)
    assert failures(found) == {}
    table, rows = contents(items(found)[f"{world[1]}/log"])
    assert [(c.name, c.type, c.description) for c in table.columns] == [
        ("id", "integer", ""),
        ("pump", "text", "Which pump"),
        ("hours", "real", ""),
        ("changed", "datetime", "UTC"),
        ("note", "text", ""),
    ]
    assert (table.key, table.foreign) == (("id",), (("pump", "pumps", "id"),))
    assert rows[0] == ("1", [1, "P-100", 1.5, "2024-07-05 08:00:00", "bearing"])
    pumps, rows = contents(items(found)[f"{world[1]}/pumps"])
    assert pumps.caption == "Pumps of the plant."
    assert rows[0][1] == ["P-100", "Förderpumpe 🛠"]
    assert "hours: 1.50" in document(items(found)[f"{world[1]}/log"]).text


def test_every_type_of_mariadb(world: Any, tmp_path: Path) -> None:
    world[2].execute(
        "CREATE TABLE kinds (a tinyint(1), b tinyint(1), c bigint unsigned, d decimal(10,0), e double,"
        " f year, g date, h datetime(3), i time, j enum('new','worn out'), k set('x','y'), l json, m blob,"
        " n bit(1), o bit(8), p varbinary(5), q geometry, r date, s char(3), t mediumtext)"
    )
    world[2].execute(
        "INSERT INTO kinds VALUES (1, 5, 18446744073709551615, 12, 0.1, 2024, '2024-02-29',"
        " '2024-02-29 23:59:59.123', '100:00:01', 'worn out', 'x,y', '{\"a\": 1}', 'b', b'1', b'101',"
        " 'v', POINT(1,1), '0000-00-00', 'ab', 'so')"
    )
    item = items(scanned(spec_of(world, tables=("kinds",)), tmp_path))[f"{world[1]}/kinds"]
    table, rows = contents(item)
    values = dict(zip([c.name for c in table.columns], rows[0][1], strict=True))
    assert values == {
        "a": True,
        "b": 5,
        "c": 18446744073709551615.0,
        "d": 12,
        "e": 0.1,
        "f": 2024,
        "g": "2024-02-29",
        "h": "2024-02-29 23:59:59",
        "i": "100:00:01",
        "j": "worn out",
        "k": "x,y",
        "l": '{"a": 1}',
        "n": True,
        "o": 5,
        "r": None,
        "s": "ab",
        "t": "so",
    }
    warnings = "\n".join(document(item).warnings)
    for left_out in ("m (", "p (", "q ("):
        assert left_out in warnings
    assert "0000-00-00" in warnings


def test_newer_rows_by_time(world: Any, tmp_path: Path) -> None:
    spec = spec_of(world, tables=("log",), since=(("log", "changed"),))
    before = version(items(scanned(spec, tmp_path))[f"{world[1]}/log"])
    assert version(items(scanned(spec, tmp_path))[f"{world[1]}/log"]) == before
    world[2].execute(
        "INSERT INTO log VALUES (3, 'P-200', 4, '2024-08-01', 'new'), (4, 'P-200', 4, '2020-08-01', 'late')"
    )
    world[2].execute("DELETE FROM log WHERE id = 1")
    world[2].execute("UPDATE log SET hours = 9, changed = '2024-08-02' WHERE id = 2")
    _, rows = contents(items(scanned(spec, tmp_path))[f"{world[1]}/log"])
    assert sorted((place, row[2]) for place, row in rows) == [("2", 9.0), ("3", 4.0), ("4", 4.0)]


def test_a_table_without_permission_and_one_that_is_gone(world: Any, tmp_path: Path) -> None:
    world[2].execute(f"REVOKE ALL ON {world[1]}.* FROM reader")
    world[2].execute(f"GRANT SELECT ON {world[1]}.pumps TO reader")
    found = scanned(spec_of(world, tables=("pumps", "log")), tmp_path)
    assert list(items(found)) == [f"{world[1]}/pumps"]
    assert "no permission to read it" in str(failures(found))
    found = scanned(spec_of(world, tables=("pumps", "pums")), tmp_path)
    assert list(items(found)) == [f"{world[1]}/pumps"]
    assert len(failures(found)) == 1


def test_a_wrong_password_a_wrong_database_and_a_host_that_is_away(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"refuses user or password|no such database"):
        scanned(SourceSpec(world[0].uri("nowhere")), tmp_path)
    away = f"mysql://reader:${{STOCK_PASSWORD}}@127.0.0.1:{databases.free_port()}/stock"
    with pytest.raises(SourceError, match="cannot be reached"):
        scanned(SourceSpec(away), tmp_path)
    monkeypatch.setenv("STOCK_PASSWORD", "sesame-17")
    with pytest.raises(SourceError, match="refuses user or password") as caught:
        scanned(spec_of(world), tmp_path)
    assert "sesame-17" not in str(caught.value)


def test_a_connection_that_drops_costs_one_table(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loresmith.sources import statements

    world[2].execute("INSERT INTO log (pump, hours, changed) SELECT 'P-100', 1, now() FROM seq_1_to_20000")
    read, cut = statements.select, []

    def cutting(*args: Any, **more: Any) -> Iterator[Any]:
        for number, row in enumerate(read(*args, **more)):
            if number == 100 and not cut:
                world[2].execute("SELECT id FROM information_schema.processlist WHERE user = 'reader'")
                cut.append(world[2].fetchone()[0])
                world[2].execute(f"KILL CONNECTION {cut[0]}")
            yield row

    monkeypatch.setattr("loresmith.sources.mirroring.select", cutting)
    found = scanned(spec_of(world), tmp_path)
    assert cut
    assert "the connection was lost" in failures(found)[f"{world[1]}/log"]
    assert f"{world[1]}/pumps" in items(found)


def test_nothing_can_be_written(world: Any, tmp_path: Path) -> None:
    """Not even as the owner, by a view that calls a function."""
    world[2].execute(
        "CREATE FUNCTION sneaky() RETURNS int BEGIN INSERT INTO pumps VALUES ('P-666', 'evil'); RETURN 1; END"
    )
    world[2].execute("CREATE VIEW trap AS SELECT sneaky() AS x")
    world[2].execute("CREATE USER IF NOT EXISTS chief IDENTIFIED BY %s", (PASSWORD,))
    world[2].execute("GRANT ALL ON *.* TO chief")
    found = scanned(SourceSpec(world[0].uri(world[1], user="chief"), tables=("trap",)), tmp_path)
    world[2].execute("DROP USER chief")
    assert "READ ONLY transaction" in str(failures(found))
    world[2].execute("SELECT count(*) FROM pumps")
    assert world[2].fetchone() == (2,)


def test_names_of_any_kind(world: Any, tmp_path: Path) -> None:
    world[2].execute("CREATE TABLE `100% ``odd``: t` (`select` int PRIMARY KEY, `a %%s :b; --` text)")
    world[2].execute("INSERT INTO `100% ``odd``: t` VALUES (1, 'so')")
    name = "100% `odd`: t"
    spec = spec_of(world, tables=(name,), since=((name, "select"),))
    for rows in (1, 2):
        found = scanned(spec, tmp_path)
        assert failures(found) == {}
        table, read = contents(items(found)[f"{world[1]}/{name}"])
        assert [c.name for c in table.columns] == ["select", "a %%s :b; --"]
        assert len(read) == rows
        world[2].execute("REPLACE INTO `100% ``odd``: t` VALUES (2, 'more')")
