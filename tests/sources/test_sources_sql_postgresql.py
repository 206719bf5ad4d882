"""Databases, with a real PostgreSQL: types, what is new, what went wrong, and that nothing is written."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databases
import pytest
from databases import PASSWORD, Server, contents, document, failures, items, scanned, version

from loresmith.errors import SourceError
from loresmith.sources import connecting, statements
from loresmith.types import Failure, SourceSpec

psycopg = pytest.importorskip("psycopg")

WORLD = """
CREATE TABLE pumps (id text PRIMARY KEY, name text NOT NULL, flow numeric(8,3), bought date);
COMMENT ON TABLE pumps IS 'Pumps of the plant.';
COMMENT ON COLUMN pumps.flow IS 'Flow in m3/h.';
CREATE TABLE log (
  id bigint PRIMARY KEY, pump text REFERENCES pumps(id), hours numeric(6,2), changed timestamptz, note text);
INSERT INTO pumps VALUES ('P-100', 'Feed pump', 1.234, '2019-05-01'), ('P-200', 'Drain pump', 80, NULL);
INSERT INTO log VALUES (1, 'P-100', 1.50, '2024-01-05 10:00+01', 'bearing replaced'),
                       (2, 'P-200', 2.25, '2024-02-05 10:00+01', 'seal leaked');
"""


@pytest.fixture
def world(postgresql_server: Server, request: pytest.FixtureRequest) -> Iterator[tuple[Server, str, Any]]:
    """A server, a database of its own for this test, and its owner's connection."""
    name = "stock_" + re.sub(r"\W+", "_", request.node.name)[-40:].lower()
    login = {"host": "127.0.0.1", "port": postgresql_server.port, "user": "owner", "password": PASSWORD}
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        if not owner.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'").fetchone():
            owner.execute("CREATE USER reader PASSWORD '" + PASSWORD.replace("'", "''") + "'")
    with psycopg.connect(**login, dbname=name, autocommit=True) as owner:
        owner.execute(WORLD)
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        yield postgresql_server, name, owner
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as owner:
        owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCK_PASSWORD", PASSWORD)


def spec_of(world: tuple[Server, str, Any], **more: Any) -> SourceSpec:
    return SourceSpec(world[0].uri(world[1]), **more)


def test_each_table_is_an_item_with_types_keys_references_and_comments(world: Any, tmp_path: Path) -> None:
    found = scanned(spec_of(world, labels=("stock",)), tmp_path)
    assert failures(found) == {}
    name = world[1]
    assert list(items(found)) == [f"{name}/log", f"{name}/pumps"]
    item = items(found)[f"{name}/log"]
    assert item.labels == ("stock",)
    assert item.uri == f"postgresql://127.0.0.1:{world[0].port}/{name}#log"
    table, rows = contents(item)
    assert [(c.name, c.type, c.description) for c in table.columns] == [
        ("id", "integer", ""),
        ("pump", "text", ""),
        ("hours", "real", ""),
        ("changed", "datetime", "UTC"),
        ("note", "text", ""),
    ]
    assert (table.key, table.foreign, table.numbered) == (("id",), (("pump", "pumps", "id"),), False)
    assert rows == [
        ("1", [1, "P-100", 1.5, "2024-01-05 09:00:00", "bearing replaced"]),
        ("2", [2, "P-200", 2.25, "2024-02-05 09:00:00", "seal leaked"]),
    ]
    pumps, rows = contents(items(found)[f"{name}/pumps"])
    assert pumps.caption == "Pumps of the plant."
    assert pumps.columns[2].description == "Flow in m3/h."
    assert rows[0] == ("P-100", ["P-100", "Feed pump", 1.234, "2019-05-01"])


def test_a_row_is_text_with_its_key_and_the_digits_of_the_database(world: Any, tmp_path: Path) -> None:
    read = document(items(scanned(spec_of(world), tmp_path))[f"{world[1]}/log"])
    row = next(block for block in read.blocks if block.key == "1")
    assert read.text[row.start : row.end] == (
        "id: 1; pump: P-100; hours: 1.50; changed: 2024-01-05 09:00:00; note: bearing replaced"
    )
    assert row.table == "log"
    assert "moments with a time zone are given in UTC: changed" in read.warnings


def test_every_type_of_postgresql(world: Any, tmp_path: Path) -> None:
    world[2].execute("""
        CREATE TYPE state AS ENUM ('new', 'worn out');
        CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE >= 0);
        CREATE TABLE kinds (
          a smallint, b numeric(30,0), c numeric, d double precision, e real, f money, g boolean,
          h date, i timestamp, j time, k interval, l uuid, m json, n jsonb, o text[], p int[], q state,
          r percent, s inet, t bytea, u char(5), v tsvector, w numeric(4,0), x oid, y int4range, z xml,
          "odd ""name"": 100%" varchar(20), timestamptz timestamptz);
        INSERT INTO kinds VALUES (
          -7, 123456789012345678901234567890, 0.1, 1e300, 0.1, 12.5, true,
          '2024-02-29', '2024-02-29 23:59:59.999', '07:30', '1 day 2 hours',
          'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": 1}', '{"b": [2]}', '{red,"dark blue"}', '{1,2}',
          'worn out', 12.5, '10.0.0.1', '\\xdead', 'ab', 'cat', 42, 7, '[1,5)', '<a/>', 'so', 'infinity');
        INSERT INTO kinds (a, b, c, d, e, f, g, h, i) VALUES
          (NULL, NULL, 'NaN', 'Infinity', NULL, NULL, false, 'infinity', '0044-03-15 BC');
        GRANT SELECT ON kinds TO reader""")
    found = scanned(spec_of(world, tables=("kinds",)), tmp_path)
    item = items(found)[f"{world[1]}/kinds"]
    table, rows = contents(item)
    values = dict(zip([c.name for c in table.columns], rows[0][1], strict=True))
    types = {c.name: c.type for c in table.columns}
    assert values == {
        "a": -7,
        "b": 1.2345678901234568e29,
        "c": 0.1,
        "d": 1e300,
        "e": 0.1,
        "f": 12.5,
        "g": True,
        "h": "2024-02-29",
        "i": "2024-02-29 23:59:59",
        "j": "07:30:00",
        "k": "1 day 02:00:00",
        "l": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "m": '{"a": 1}',
        "n": '{"b": [2]}',
        "o": "red, dark blue",
        "p": "1, 2",
        "q": "worn out",
        "r": 12.5,
        "s": "10.0.0.1/32",
        "u": "ab",
        "w": 42,
        "x": 7,
        "y": "[1,5)",
        "z": "<a/>",
        'odd "name": 100%': "so",
        "timestamptz": None,
    }
    assert {types[name] for name in "abwx"} == {"integer"}
    assert {types[name] for name in "cdefr"} == {"real"}
    assert [types[name] for name in "ghijkq"] == ["boolean", "date", "datetime", "time", "text", "text"]
    assert rows[1][1][:10] == [None, None, None, None, None, None, False, None, None, None]
    assert not table.key
    assert [place for place, _ in rows] == [1, 2]
    warnings = "\n".join(document(item).warnings)
    assert "columns that hold no text or number were left out: t (bytea), v (tsvector)" in warnings
    assert "1 values of h were left empty: they cannot be kept (infinity)" in warnings
    assert "0044-03-15" in warnings


def test_nothing_is_read_anew_where_nothing_changed(world: Any, tmp_path: Path) -> None:
    first = items(scanned(spec_of(world), tmp_path))
    before = {item.id: (version(item), item.mtime_ns) for item in first.values()}
    world[2].execute("UPDATE pumps SET name = name")  # moves rows about, changes none
    second = items(scanned(spec_of(world), tmp_path))
    assert {item.id: (version(item), item.mtime_ns) for item in second.values()} == before
    world[2].execute("UPDATE pumps SET name = 'Feed pump 2' WHERE id = 'P-100'")
    third = items(scanned(spec_of(world), tmp_path))
    changed = {item.id for item in third.values() if version(item) != before[item.id][0]}
    assert changed == {f"{world[1]}/pumps"}


def test_by_a_time_column_only_newer_rows_are_read_and_all_changes_are_seen(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(world, tables=("log",), since=(("log", "changed"),))
    world[2].execute(
        "INSERT INTO log SELECT n, 'P-100', 1, '2023-01-01', 'old' FROM generate_series(10, 59) n"
    )
    scanned(spec, tmp_path)
    whole: list[int] = []
    read = statements.select

    def counted(*args: Any, **more: Any) -> Iterator[Any]:
        for row in read(*args, **more):
            if not more.get("only"):
                whole.append(1)
            yield row

    monkeypatch.setattr("loresmith.sources.mirroring.select", counted)
    world[2].execute("""
        INSERT INTO log VALUES (3, 'P-200', 4, '2024-03-01+00', 'new'),
                               (4, 'P-100', 5, '2020-01-01+00', 'late');
        UPDATE log SET note = 'seal replaced', changed = '2024-03-02+00' WHERE id = 2;
        DELETE FROM log WHERE id IN (1, 10, 59)""")
    item = items(scanned(spec, tmp_path))[f"{world[1]}/log"]
    _, rows = contents(item)
    assert len(rows) == 51
    found = dict(rows)
    assert found["2"][4] == "seal replaced"
    assert (found["3"][4], found["4"][4]) == ("new", "late")
    assert not {"1", "10", "59"} & found.keys()
    assert sum(whole) == 3  # 2 and 3 by their time, 4 by its key
    fresh = items(scanned(spec, tmp_path / "other"))[f"{world[1]}/log"]
    fresh_card, card = (json.loads(Path(i.path).read_bytes()) for i in (fresh, item))
    assert card == fresh_card
    assert sorted(contents(fresh)[1]) == sorted(rows)


def test_by_a_growing_key(world: Any, tmp_path: Path) -> None:
    spec = spec_of(world, tables=("log",), since=(("log", "id"),))
    before = version(items(scanned(spec, tmp_path))[f"{world[1]}/log"])
    assert version(items(scanned(spec, tmp_path))[f"{world[1]}/log"]) == before
    world[2].execute("INSERT INTO log VALUES (7, 'P-100', 1, NULL, 'x')")
    item = items(scanned(spec, tmp_path))[f"{world[1]}/log"]
    assert version(item) != before
    assert [place for place, _ in contents(item)[1]] == ["1", "2", "7"]


def test_without_a_key_rows_are_appended_and_a_deletion_is_noticed(world: Any, tmp_path: Path) -> None:
    world[2].execute("""CREATE TABLE events (at timestamp, what text);
        INSERT INTO events VALUES ('2024-01-01', 'a'), ('2024-01-02', 'b');
        GRANT SELECT ON events TO reader""")
    spec = spec_of(world, tables=("events",), since=(("events", "at"),))
    scanned(spec, tmp_path)
    world[2].execute("INSERT INTO events VALUES ('2024-01-03', 'c')")
    item = items(scanned(spec, tmp_path))[f"{world[1]}/events"]
    assert [row[1][1] for row in contents(item)[1]] == ["a", "b", "c"]
    assert any("no primary key" in warning for warning in document(item).warnings)
    world[2].execute("DELETE FROM events WHERE what = 'b'; INSERT INTO events VALUES ('2024-01-04', 'd')")
    item = items(scanned(spec, tmp_path))[f"{world[1]}/events"]
    assert sorted(row[1][1] for row in contents(item)[1]) == ["a", "c", "d"]


def test_changed_columns_are_read_anew_and_said(world: Any, tmp_path: Path) -> None:
    spec = spec_of(world, tables=("pumps",))
    scanned(spec, tmp_path)
    world[2].execute("ALTER TABLE pumps ADD price money DEFAULT 5; ALTER TABLE pumps DROP bought")
    world[2].execute("ALTER TABLE pumps ALTER flow TYPE double precision")
    item = items(scanned(spec, tmp_path))[f"{world[1]}/pumps"]
    table, rows = contents(item)
    assert [c.name for c in table.columns] == ["id", "name", "flow", "price"]
    assert rows[1] == ("P-200", ["P-200", "Drain pump", 80.0, 5.0])
    assert document(item).warnings == (
        "its columns changed since an earlier sync (new: price; gone: bought; of another type: flow): "
        "it was read anew",
    )
    assert version(items(scanned(spec, tmp_path))[f"{world[1]}/pumps"]) == version(item)


def test_a_table_that_is_gone_goes_and_a_wrong_name_is_helped(world: Any, tmp_path: Path) -> None:
    spec = spec_of(world, tables=("pumps", "log"))
    scanned(spec, tmp_path)
    world[2].execute("DROP TABLE log")
    found = scanned(spec, tmp_path)
    assert list(items(found)) == [f"{world[1]}/pumps"]
    assert failures(found) == {world[1]: "log: there is no such table."}
    assert len(list((tmp_path / "mirrors").glob("*/*.db"))) == 1
    assert failures(scanned(spec_of(world, tables=("pump",)), tmp_path)) == {
        world[1]: "pump: there is no such table. Did you mean pumps?"
    }


def test_views_and_other_schemas_where_they_are_named(world: Any, tmp_path: Path) -> None:
    world[2].execute("""CREATE VIEW worn AS SELECT name, flow FROM pumps;
        CREATE MATERIALIZED VIEW hours AS SELECT pump, sum(hours) total FROM log GROUP BY pump;
        CREATE SCHEMA sales; CREATE TABLE sales.orders (id int PRIMARY KEY, pump text REFERENCES pumps(id));
        INSERT INTO sales.orders VALUES (1, 'P-100');
        CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
        CREATE TABLE parts_24 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        INSERT INTO parts VALUES (1, '2024-05-05');
        GRANT USAGE ON SCHEMA sales TO reader; GRANT SELECT ON worn, hours, parts, sales.orders TO reader""")
    name = world[1]
    assert list(items(scanned(spec_of(world), tmp_path))) == [f"{name}/log", f"{name}/parts", f"{name}/pumps"]
    found = items(scanned(spec_of(world, tables=("worn", "hours", "sales.orders")), tmp_path))
    assert [len(contents(item)[1]) for item in found.values()] == [2, 2, 1]
    table, _ = contents(found[f"{name}/sales.orders"])
    assert (table.name, table.foreign) == ("sales.orders", (("pump", "pumps", "id"),))


def test_one_table_without_permission_is_said_and_the_others_are_read(world: Any, tmp_path: Path) -> None:
    scanned(spec_of(world), tmp_path)
    world[2].execute("REVOKE ALL ON log FROM reader")
    found = scanned(spec_of(world), tmp_path)
    assert list(items(found)) == [f"{world[1]}/pumps"]
    reason = failures(found)[f"{world[1]}/log"]
    assert "no permission to read it" in reason
    assert "What was read of it before stays searchable." in reason
    assert len(list((tmp_path / "mirrors").glob("*/*.db"))) == 2


def test_a_wrong_password_and_a_missing_one(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCK_PASSWORD", "sesame-17")
    with pytest.raises(SourceError, match="refuses user or password") as caught:
        scanned(spec_of(world), tmp_path)
    assert "sesame-17" not in str(caught.value)
    assert "${STOCK_PASSWORD}" in str(caught.value)
    monkeypatch.delenv("STOCK_PASSWORD")
    with pytest.raises(SourceError, match="environment variable STOCK_PASSWORD is not set"):
        scanned(spec_of(world), tmp_path)


def test_no_such_database_and_a_host_that_is_away(world: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such database"):
        scanned(SourceSpec(world[0].uri("nowhere")), tmp_path)
    away = f"postgresql://reader:${{STOCK_PASSWORD}}@127.0.0.1:{databases.free_port()}/stock"
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        scanned(SourceSpec(away), tmp_path)
    assert PASSWORD not in str(caught.value)


def test_a_connection_that_drops_in_the_middle_costs_one_table(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(spec_of(world), tmp_path)
    world[2].execute(
        "INSERT INTO log SELECT n, 'P-100', 1, now(), repeat('x', 500) FROM generate_series(10, 9000) n"
    )
    world[2].execute("UPDATE pumps SET name = 'Other' WHERE id = 'P-200'")
    read = statements.select
    cut: list[int] = []

    def cutting(*args: Any, **more: Any) -> Iterator[Any]:
        for number, row in enumerate(read(*args, **more)):
            if number == 2500 and not cut:
                cut.append(1)
                world[2].execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"
                )
            yield row

    monkeypatch.setattr("loresmith.sources.mirroring.select", cutting)
    found = scanned(spec_of(world), tmp_path)
    assert cut
    name = world[1]
    reason = failures(found)[f"{name}/log"]
    assert "the connection was lost" in reason
    assert "stays searchable" in reason
    assert [row[1][1] for row in contents(items(found)[f"{name}/pumps"])[1]] == ["Feed pump", "Other"]
    kept = [json.loads(path.read_bytes())["rows"] for path in (tmp_path / "mirrors").glob("*/*.json")]
    assert sorted(kept) == [2, 2]  # the log as it was before
    assert not list((tmp_path / "mirrors").glob("*/*.tmp"))
    assert len(contents(items(scanned(spec_of(world), tmp_path))[f"{name}/log"])[1]) == 8993


def test_a_locked_table_is_said(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = tuple(s.replace("'10s'", "'50ms'") for s in connecting._BEGIN["postgresql"])
    monkeypatch.setitem(connecting._BEGIN, "postgresql", begin)
    with world[2].transaction():
        world[2].execute("LOCK TABLE log IN ACCESS EXCLUSIVE MODE")
        found = scanned(spec_of(world, tables=("log", "pumps")), tmp_path)
    assert "locked by another program" in failures(found)[f"{world[1]}/log"]
    assert f"{world[1]}/pumps" in items(found)


def test_transactions_cannot_write_even_as_the_owner(world: Any, tmp_path: Path) -> None:
    world[2].execute(
        "CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql VOLATILE AS "
        "$$ BEGIN INSERT INTO pumps VALUES ('P-666', 'evil'); RETURN 1; END $$"
    )
    world[2].execute("CREATE VIEW trap AS SELECT sneaky() AS x; GRANT SELECT ON trap TO reader")
    spec = SourceSpec(world[0].uri(world[1], user="owner"), tables=("trap", "pumps"))
    found = scanned(spec, tmp_path)
    assert "read-only transaction" in failures(found)[f"{world[1]}/trap"]
    assert world[2].execute("SELECT count(*) FROM pumps").fetchone() == (2,)
    assert len(contents(items(found)[f"{world[1]}/pumps"])[1]) == 2


def test_a_table_is_seen_as_it_was_when_its_reading_began(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world[2].execute("INSERT INTO log SELECT n, 'P-100', 1, now(), 'x' FROM generate_series(10, 5000) n")
    read = statements.select

    def changing(*args: Any, **more: Any) -> Iterator[Any]:
        for number, row in enumerate(read(*args, **more)):
            if number == 10:
                world[2].execute("UPDATE log SET note = 'later'; DELETE FROM log WHERE id > 4000")
            yield row

    monkeypatch.setattr("loresmith.sources.mirroring.select", changing)
    _, rows = contents(items(scanned(spec_of(world, tables=("log",)), tmp_path))[f"{world[1]}/log"])
    assert len(rows) == 4993
    assert all(row[1][4] != "later" for row in rows)


def test_the_password_is_in_no_file_of_the_workspace(world: Any, tmp_path: Path) -> None:
    found = scanned(spec_of(world), tmp_path)
    assert PASSWORD not in repr(found)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()


def test_two_syncs_at_once_need_no_second_connection(world: Any, tmp_path: Path) -> None:
    """The connection of a stopped scan is given back: a consumer may stop in the middle."""
    before = world[2].execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'").fetchone()
    from loresmith.config import WebSection
    from loresmith.sources import scan

    started = scan(
        spec_of(world), prefix="", web=WebSection(), web_dir=tmp_path, mirrors_dir=tmp_path / "mirrors"
    )
    next(started)
    started.close()
    done = threading.Event()
    for _ in range(100):
        now = world[2].execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'").fetchone()
        if now == before:
            break
        done.wait(0.02)
    assert now == before
    assert isinstance(found := scanned(spec_of(world), tmp_path), list)
    assert not [item for item in found if isinstance(item, Failure)]


def test_names_of_any_kind(world: Any, tmp_path: Path) -> None:
    name = 'Weird "T" %s :x; --'
    quoted = '"' + name.replace('"', '""') + '"'
    world[2].execute(f'CREATE TABLE {quoted} ("order" int PRIMARY KEY, "a %%(b)s :c" text)')
    world[2].execute(f"INSERT INTO {quoted} VALUES (1, 'so'); GRANT SELECT ON {quoted} TO reader")
    spec = spec_of(world, tables=(name,), since=((name, "order"),))
    for rows in (1, 2):
        found = scanned(spec, tmp_path)
        assert failures(found) == {}
        table, read = contents(items(found)[f"{world[1]}/{name}"])
        assert [c.name for c in table.columns] == ["order", "a %%(b)s :c"]
        assert len(read) == rows
        world[2].execute(f"INSERT INTO {quoted} VALUES (2, 'more') ON CONFLICT DO NOTHING")
