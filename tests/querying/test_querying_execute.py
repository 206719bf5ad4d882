"""Running: right rows, read-only, and an end to time, rows and size; whatever the parser let through."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from loresmith.errors import QueryFailed, StorageError
from loresmith.querying.check import check
from loresmith.querying.execute import Limits, execute, guarded
from loresmith.tables.values import Catalog
from tests.querying import worlds
from tests.querying.worlds import Given

World = tuple[Path, Catalog]
USUAL = Limits()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    path, catalog = worlds.maintenance_world(tmp_path_factory.mktemp("world"))
    return path, catalog.visible(())


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> World:
    """20,000 rows, one of them with a text of 400,000 characters."""
    path = tmp_path_factory.mktemp("many") / "tables.db"
    rows = [(n, f"name {n % 100}", "x" * (400_000 if n == 7 else 10)) for n in range(20_000)]
    columns = [("n", "n", "integer", ""), ("name", "name", "text", ""), ("note", "note", "text", "")]
    return path, worlds.write(path, [Given("many", "many.csv", columns, rows)])  # type: ignore[arg-type]


def run(world: World, sql: str, limits: Limits = USUAL) -> list[tuple[object, ...]]:
    path, catalog = world
    return list(execute(path, check(sql, catalog), catalog, limits).rows)


# --- right rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT site, COUNT(*), SUM(power) FROM pumps GROUP BY site ORDER BY site",
        "SELECT pump FROM pumps WHERE EXISTS (SELECT * FROM maintenance AS m WHERE m.pump = pumps.pump)",
        "WITH a AS (SELECT pump, SUM(hours) AS t FROM maintenance GROUP BY pump) SELECT MAX(t) FROM a",
        "SELECT pump FROM pumps EXCEPT SELECT pump FROM maintenance ORDER BY pump",
        "SELECT pump FROM pumps UNION SELECT pump FROM maintenance ORDER BY pump LIMIT 3",
        "SELECT technician, RANK() OVER (ORDER BY SUM(hours) DESC) FROM maintenance GROUP BY technician",
        "SELECT AVG(hours) FILTER(WHERE pump = 'P-200') FROM maintenance",
    ],
)
def test_the_same_as_the_database_gives_without_a_guard(world: World, sql: str) -> None:
    with closing(sqlite3.connect(world[0])) as db:
        plain = db.execute(sql).fetchall()
    assert run(world, sql) == plain
    assert plain


def test_letters_beyond_z_have_cases_too(world: World) -> None:
    assert run(world, "SELECT COUNT(*) FROM pumps WHERE UPPER(site) = 'KÖLN'") == [(3,)]
    assert run(world, "SELECT COUNT(*) FROM pumps WHERE site ILIKE 'KÖL%'") == [(3,)]
    assert run(world, "SELECT LOWER(NULL), UPPER(1.5), TRIM('xax', 'x'), INSTR('abc', 'c')") == [
        (None, "1.5", "a", 3)
    ]


def test_columns_come_with_names(world: World) -> None:
    path, catalog = world
    rows = execute(path, check("SELECT SUM(hours) FROM maintenance", catalog), catalog)
    assert rows.columns == ("sum of Hours",)
    assert not rows.truncated
    assert 0 < rows.seconds < 5


# --- the end of things --------------------------------------------------------------------------


def test_rows_are_cut_and_it_is_said(many: World) -> None:
    path, catalog = many
    rows = execute(path, check("SELECT n FROM many", catalog), catalog, Limits(rows=10))
    assert [n for (n,) in rows.rows] == list(range(10))
    assert rows.truncated
    assert not execute(path, check("SELECT n FROM many LIMIT 5", catalog), catalog, Limits(rows=10)).truncated
    assert execute(path, check("SELECT n FROM many LIMIT 50", catalog), catalog, Limits(rows=10)).truncated


def test_a_shared_last_place_is_noticed(world: World) -> None:
    path, catalog = world
    by_pressure = "SELECT pump FROM pumps WHERE NOT max_pressure IS NULL ORDER BY max_pressure LIMIT {}"
    shared = execute(path, check(by_pressure.format(1), catalog), catalog)  # P-100 and P-101 have 6 bar
    assert (shared.rows, shared.truncated) == ((("P-100",),), True)
    alone = execute(path, check(by_pressure.format(2), catalog), catalog)
    assert (alone.rows, alone.truncated) == ((("P-100",), ("P-101",)), False)
    by_alias = "SELECT site, COUNT(*) AS n FROM pumps GROUP BY site ORDER BY n DESC LIMIT 1"
    assert execute(path, check(by_alias, catalog), catalog).truncated  # Basel and Köln have three


def test_time_ends_a_query_in_the_middle(many: World) -> None:
    start = time.monotonic()
    with pytest.raises(QueryFailed, match=r"stopped after 0\.3 s"):
        run(
            many,
            "SELECT COUNT(*) FROM many AS a, many AS b, many AS c WHERE a.n + b.n + c.n > -1",
            Limits(seconds=0.3),
        )
    assert time.monotonic() - start < 2


def test_time_ends_a_sort_too(many: World) -> None:
    start = time.monotonic()
    with pytest.raises(QueryFailed, match="stopped"):
        run(
            many,
            "SELECT a.n FROM many AS a, many AS b WHERE a.n + b.n > 0 ORDER BY a.n * b.n",
            Limits(seconds=0.3),
        )
    assert time.monotonic() - start < 2


def test_a_result_of_long_texts_is_refused(many: World) -> None:
    with pytest.raises(QueryFailed, match="too large"):
        run(many, "SELECT a.note FROM many AS a, many AS b WHERE a.n = 7 AND b.n > a.n", Limits(memory_mb=16))


def test_a_text_that_grows_too_long_is_refused(many: World) -> None:
    with pytest.raises(QueryFailed, match="too long"):
        run(many, "SELECT GROUP_CONCAT(a.note) FROM many AS a, many AS b WHERE a.n = 7 AND b.n > a.n")


def test_what_the_database_says_is_passed_on(world: World) -> None:
    with pytest.raises(QueryFailed, match="Misuse of aggregate"):
        run(world, "SELECT pump FROM maintenance WHERE SUM(hours) > 1")


def test_rows_that_a_join_would_count_several_times_are_noticed(world: World) -> None:
    """Keys do not say it, so the rows do: each pump stands there once for each of its jobs."""
    joined = "FROM pumps AS p JOIN maintenance AS m ON m.pump = p.pump"
    for figure in ("SUM(p.power)", "AVG(p.power)", "COUNT(p.pump)", "SUM(p.power) FILTER(WHERE m.hours > 1)"):
        with pytest.raises(QueryFailed, match="counts rows of pumps several times"):
            run(world, f"SELECT {figure} {joined}")
    with pytest.raises(QueryFailed, match="several times"):
        run(world, f"SELECT p.site, SUM(p.power) {joined} GROUP BY p.site")
    one_each = "m.date IN (SELECT MIN(date) FROM maintenance GROUP BY pump)"
    assert run(world, f"SELECT SUM(p.power) {joined} WHERE {one_each}") == [(85.5,)]
    assert run(world, f"SELECT SUM(m.hours), COUNT(DISTINCT p.pump), MAX(p.power), COUNT(*) {joined}") == [
        (sum(row[4] for row in worlds.MAINTENANCE), 7, 22.5, 60)  # type: ignore[misc]
    ]


def test_no_store(tmp_path: Path, world: World) -> None:
    with pytest.raises(StorageError, match="no tables yet"):
        execute(tmp_path / "tables.db", check("SELECT COUNT(*) FROM pumps", world[1]), world[1])


def test_a_table_that_went_since_the_catalog_was_read(tmp_path: Path, world: World) -> None:
    path, catalog = worlds.maintenance_world(tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE torques")
        db.execute("ALTER TABLE parts RENAME COLUMN stock TO on_hand")
    with pytest.raises(QueryFailed, match="No such table: torques"):
        run((path, catalog), "SELECT COUNT(*) FROM torques")
    with pytest.raises(QueryFailed, match="No such column: stock"):
        run((path, catalog), "SELECT SUM(stock) FROM parts")


def test_questions_are_answered_while_somebody_writes(tmp_path: Path) -> None:
    path, catalog = worlds.maintenance_world(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM pumps")
        assert run((path, catalog), "SELECT COUNT(*) FROM pumps") == [(8,)]
        db.execute("ROLLBACK")


def test_many_threads_ask_at_once(world: World) -> None:
    found: list[object] = []
    sql = "SELECT SUM(hours) FROM maintenance"
    threads = [threading.Thread(target=lambda: found.extend(run(world, sql))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(sum(row[4] for row in worlds.MAINTENANCE),)] * 8  # type: ignore[misc]


# --- the second wall: what the database itself refuses --------------------------------------------

PAST_THE_PARSER = [
    "SELECT salary FROM salaries",
    "SELECT COUNT(*) FROM salaries",
    "SELECT 1 FROM salaries",
    "SELECT (SELECT COUNT(*) FROM salaries)",
    "SELECT * FROM _catalog",
    "SELECT value FROM _values",
    "SELECT * FROM sqlite_master",
    "SELECT sql FROM sqlite_schema",
    "SELECT * FROM pragma_table_info('salaries')",
    "SELECT * FROM dbstat",
    "SELECT _row FROM pumps",
    "SELECT rowid FROM pumps",
    "SELECT _place FROM maintenance",
    "SELECT name FROM technicians",  # in the catalog, but not what the statement was checked for
    "PRAGMA query_only=OFF",
    "PRAGMA table_info(salaries)",
    "ATTACH ':memory:' AS x",
    "DELETE FROM pumps",
    "INSERT INTO pumps(pump) VALUES ('x')",
    "UPDATE pumps SET site = 'x'",
    "CREATE TABLE x(y)",
    "CREATE TEMP TABLE x(y)",
    "CREATE TEMP VIEW v AS SELECT 1",
    "DROP TABLE pumps",
    "BEGIN",
    "SAVEPOINT x",
    "VACUUM",
    "REINDEX",
    "ANALYZE",
    "SELECT load_extension('x')",
    "SELECT randomblob(10)",
    "SELECT zeroblob(10)",
    "SELECT hex('a')",
    "SELECT printf('%d', 1)",
    "SELECT sqlite_version()",
    "SELECT random()",
    "SELECT json('{}')",
    "SELECT replace('a', 'a', 'b')",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9) SELECT x FROM n",
    "SELECT pump FROM pumps WHERE pump IN (SELECT name FROM salaries)",
    "WITH salaries AS (SELECT 1 AS x) SELECT COUNT(*) FROM salaries",
    "EXPLAIN SELECT salary FROM salaries",
]


@pytest.mark.parametrize("sql", PAST_THE_PARSER)
def test_the_authorizer_refuses(world: World, sql: str) -> None:
    path, catalog = world
    before = path.read_bytes()
    with guarded(path, ["pumps", "maintenance"], catalog, Limits()) as query, pytest.raises(QueryFailed):
        query(sql, 10)
    assert path.read_bytes() == before


def test_a_part_may_have_the_name_of_a_table_that_is_hidden(world: World) -> None:
    """And nothing tells the reader that there is such a table."""
    for name in ("salaries", "nonsense"):
        sql = f"WITH {name} AS (SELECT pump FROM pumps) SELECT COUNT(*) FROM {name}"
        assert run(world, sql) == [(8,)]
        alias = (
            f"WITH {name} AS (SELECT pump FROM pumps) SELECT x.pump FROM {name} AS x ORDER BY x.pump LIMIT 1"
        )
        assert run(world, alias) == [("P-100",)]
