"""Statements: what may be run is understood, what may not says why; readings say what is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loresmith.errors import Unsound
from loresmith.querying.check import LONGEST, check
from loresmith.querying.reading import reading, titles
from loresmith.tables.values import Catalog, Column, ForeignKey, Table
from tests.querying import worlds


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What a reader without labels sees: not the salaries."""
    return worlds.maintenance_world(tmp_path_factory.mktemp("world"))[1].visible(())


# --- what may not be run ------------------------------------------------------------------------

UNSOUND = [
    ("", "empty"),
    ("-- nothing", "One statement"),
    ("SELECT 1; SELECT 2", "One statement"),
    ("DELETE FROM pumps", "Only SELECT"),
    ("UPDATE pumps SET site = 'x'", "Only SELECT"),
    ("DROP TABLE pumps", "Only SELECT"),
    ("PRAGMA query_only = OFF", "Only SELECT"),
    ("ATTACH 'x.db' AS x", "Only SELECT"),
    ("VACUUM INTO 'x.db'", "Only SELECT|cannot be read"),
    ("EXPLAIN SELECT 1", "Only SELECT"),
    ("VALUES (1)", "Only SELECT"),
    ("SELECT 1 INTO x", "not allowed|cannot be read"),
    ("SELECT * FROM salaries", "no table salaries"),
    ("SELECT * FROM main.salaries", "another database"),
    ("SELECT * FROM sqlite_master", "no table sqlite_master"),
    ("SELECT * FROM _catalog", "no table _catalog"),
    ("SELECT * FROM _values", "no table _values"),
    ("SELECT * FROM pragma_table_info('pumps')", "Only tables|not allowed"),
    ("SELECT * FROM json_each('[1]')", "Only tables|not allowed"),
    ("SELECT _row FROM pumps", "no column _row"),
    ("SELECT _place FROM pumps", "no column _place"),
    ("SELECT rowid FROM pumps", "no column rowid"),
    ("SELECT p.oid FROM pumps AS p", "no column oid"),
    ("SELECT pump FROM maintenance, pumps", "could be maintenance.pump or pumps.pump"),
    ("SELECT cost FROM pumps", "cost is a column of maintenance"),
    ("SELECT m.cost FROM pumps", "m does not stand in FROM"),
    ("SELECT * FROM pumps NATURAL JOIN maintenance", "NATURAL"),
    ("SELECT 1 FROM pumps, pumps", "same name"),
    ("SELECT load_extension('x')", "LOAD_EXTENSION|load_extension"),
    ("SELECT readfile('/etc/passwd')", "readfile"),
    ("SELECT writefile('x', 'y')", "writefile"),
    ("SELECT randomblob(1000000000)", "randomblob"),
    ("SELECT zeroblob(1000000000)", "zeroblob"),
    ("SELECT printf('%1000000d', 1)", "printf"),
    ("SELECT format('%1000000d', 1)", "(?i)format"),
    ("SELECT hex(site) FROM pumps", "HEX"),
    ("SELECT replace(site, 'a', 'aaaa') FROM pumps", "REPLACE"),
    ("SELECT x'00'", "HEX STRING"),
    ("SELECT ?", "PLACEHOLDER"),
    ("SELECT :name", "PLACEHOLDER"),
    ("SELECT site GLOB '*' FROM pumps", "GLOB"),
    ("SELECT site REGEXP '.*' FROM pumps", "REGEXP"),
    ("SELECT site MATCH 'x' FROM pumps", "MATCH|cannot be read"),
    ("SELECT site COLLATE evil FROM pumps", "COLLATE evil"),
    ("WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT * FROM n", "RECURSIVE"),
    ("WITH n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT * FROM n", "no table n"),
    ("WITH pumps AS (SELECT 1 AS x) SELECT * FROM pumps", "cannot be the name"),
    ("WITH sqlite_x AS (SELECT 1 AS x) SELECT * FROM sqlite_x", "cannot be the name"),
    ("SELECT CAST(installed AS DATE) FROM pumps", "DATE"),
    ("SELECT CAST(site AS BLOB) FROM pumps", "not allowed"),
    ("SELECT pump FROM pumps LIMIT (SELECT 5)", "LIMIT|cannot be read"),
    ("SELECT pump FROM pumps ORDER BY 9", "no column 9"),
    ("SELECT pump, site FROM pumps UNION SELECT name FROM technicians", "2 and 1 columns"),
    ("SELECT pump FROM pumps WHERE site LIKE '" + "%a" * 20 + "'", "wildcards"),
    ("SELECT " + "(" * 60 + "1" + ")" * 60, "nested too deeply"),
    ("SELECT " + "NOT " * 3000 + "1", "nested too deeply"),
    ("SELECT " + "+".join("1" * 3000), "too long"),
    ("SELECT '" + "x" * LONGEST + "'", "characters"),
    ("SELECT 1" + " UNION ALL SELECT 1" * 30, "queries"),
    ("SELECT COUNT(*) FROM pumps AS a" + "".join(f", pumps AS b{n}" for n in range(20)), "tables"),
    ("SELECT 'a\x00b'", "control character"),
    ("SELECT pump FROM pumps TABLESAMPLE (1)", "not allowed|cannot be read"),
    ("SELECT pump FROM pumps INDEXED BY x", "not allowed"),
    ("SELECT EXTRACT(WEEK FROM installed) FROM pumps", "WEEK"),
    ("SELECT STRFTIME(site, installed) FROM pumps", "literal"),
    ("selekt 1", "Only SELECT|cannot be read"),
    ("SELECT FROM WHERE", "cannot be read"),
]


@pytest.mark.parametrize(("sql", "reason"), UNSOUND, ids=[sql[:40] for sql, _ in UNSOUND])
def test_unsound(catalog: Catalog, sql: str, reason: str) -> None:
    with pytest.raises(Unsound, match=reason):
        check(sql, catalog)


def test_another_readers_table_is_as_if_it_were_not(catalog: Catalog) -> None:
    with pytest.raises(Unsound) as hidden:
        check("SELECT salary FROM salaries", catalog)
    with pytest.raises(Unsound) as none:
        check("SELECT salary FROM nonsense", catalog)
    assert str(hidden.value).replace("salaries", "nonsense") == str(none.value)


# --- what may be run ----------------------------------------------------------------------------


def test_names_are_settled_and_stars_written_out(catalog: Catalog) -> None:
    checked = check('select * from "PUMPS" where SITE = "Köln"', catalog)
    assert checked.sql == (
        "SELECT pump, model, site, installed, power, max_pressure FROM pumps WHERE site = 'Köln'"
    )
    assert checked.tables == ("pumps",)
    assert checked.columns == ("Pump", "Model", "Site", "Installed", "Power", "Max. pressure")
    assert checked.units == ("", "", "", "", "kW", "bar")


def test_columns_of_the_same_name_are_told_apart(catalog: Catalog) -> None:
    checked = check("SELECT * FROM maintenance AS m JOIN pumps AS p ON m.pump = p.pump", catalog)
    assert [c for c in checked.columns if c.startswith("Pump")] == ["Pump (Log)", "Pump (pumps)"]


def test_a_result_may_not_be_wider_than_a_person_can_read(catalog: Catalog) -> None:
    columns = tuple(Column(name=f"c{n}", sql=f"c{n}", type="integer") for n in range(2000))
    wide = Catalog((Table(sql="wide", name="wide", document="d", version="v", columns=columns, rows=1),))
    with pytest.raises(Unsound, match="at most 100 columns"):
        check("SELECT * FROM wide", wide)
    assert check("SELECT COUNT(*), MAX(c1999) FROM wide", wide).tables == ("wide",)


@pytest.mark.parametrize(
    ("sql", "units"),
    [
        ("SELECT SUM(hours), AVG(cost), MIN(hours), MAX(cost), COUNT(hours) FROM maintenance", "h € h € "),
        ("SELECT SUM(cost) / SUM(hours) FROM maintenance", "€/h"),
        ("SELECT SUM(cost) / COUNT(*) FROM maintenance", "€"),
        ("SELECT COUNT(*) / SUM(hours) FROM maintenance", "1/h"),
        ("SELECT SUM(hours) / (SELECT SUM(hours) FROM maintenance) FROM maintenance", ""),
        ("SELECT 100.0 * SUM(hours) / (SELECT SUM(hours) FROM maintenance) FROM maintenance", "%"),
        ("SELECT COUNT(*) FILTER(WHERE hours > 1) * 100.0 / COUNT(*) FROM maintenance", "%"),
        ("SELECT ROUND(AVG(hours), 1), COALESCE(SUM(cost), 0) FROM maintenance", "h €"),
        ("SELECT -hours, cost + 1 FROM maintenance", "h €"),
        ("SELECT hours * cost, hours * 2, hours + cost FROM maintenance", "h·€ h "),
        ("SELECT CASE WHEN hours > 2 THEN cost ELSE 0 END FROM maintenance", "€"),
        ("SELECT x.t FROM (SELECT SUM(hours) AS t FROM maintenance) AS x", "h"),
        ("WITH x AS (SELECT pump, SUM(hours) AS t FROM maintenance GROUP BY pump) SELECT MAX(t) FROM x", "h"),
        ("SELECT (SELECT MAX(power) FROM pumps)", "kW"),
        ("SELECT JULIANDAY(MAX(date)) - JULIANDAY(MIN(date)) FROM maintenance", "d"),
        ("SELECT STRFTIME('%Y', date), SUM(hours) OVER (PARTITION BY pump) FROM maintenance", " h"),
    ],
)
def test_units_go_through_the_statement(catalog: Catalog, sql: str, units: str) -> None:
    assert " ".join(check(sql, catalog).units) == units


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("SELECT COUNT(*) FROM maintenance WHERE STRFTIME('%Y', date) = 2024",
         "STRFTIME('%Y', date) = '2024'"),
        ("SELECT COUNT(*) FROM maintenance WHERE STRFTIME('%m', date) IN (3, 12)", "IN ('03', '12')"),
        ("SELECT COUNT(*) FROM maintenance WHERE YEAR(date) = 2024",
         "CAST(STRFTIME('%Y', date) AS INTEGER) = 2024"),
        ("SELECT EXTRACT(MONTH FROM date) FROM maintenance", "CAST(STRFTIME('%m', date) AS INTEGER)"),
        ("SELECT COUNT(DISTINCT pump) / COUNT(*) FROM maintenance", "1.0 * COUNT(DISTINCT pump) / COUNT(*)"),
    ],
)  # fmt: skip
def test_what_sqlite_would_silently_answer_wrongly_is_put_right(
    catalog: Catalog, written: str, run: str
) -> None:
    assert run in check(written, catalog).sql


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("installed = '2018'", "installed BETWEEN '2018-01-01' AND '2018-12-31'"),
        ("installed = 2018", "installed BETWEEN '2018-01-01' AND '2018-12-31'"),
        ("installed > '2018-11'", "installed > '2018-11-30'"),
        ("2018 >= installed", "installed <= '2018-12-31'"),
        ("installed IN ('2018', '2020-05')", "(installed BETWEEN '2018-01-01' AND '2018-12-31' OR "),
        ("NOT installed BETWEEN '2018' AND '2019'", "NOT installed BETWEEN '2018-01-01' AND '2019-12-31'"),
        ("installed = '2018-11-23'", "installed = '2018-11-23'"),
        ("power > '11'", "power > 11"),
        ("pump = 200", "pump = '200'"),
    ],
)
def test_literals_are_settled_by_the_column(catalog: Catalog, written: str, run: str) -> None:
    checked = check(f"SELECT pump FROM pumps WHERE {written}", catalog)
    assert f"WHERE {run}" in checked.sql
    assert check(checked.sql, catalog).sql == checked.sql


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("at <= '2024-12-31'", "at < '2025-01-01'"),
        ("at > '2024-12-31'", "at >= '2025-01-01'"),
        ("at = '2024-12-31'", "(at >= '2024-12-31' AND at < '2025-01-01')"),
        ("at BETWEEN '2024-12-01' AND '2024-12-31'", "(at >= '2024-12-01' AND at < '2025-01-01')"),
        ("at < '2024-12-31T10:00'", "at < '2024-12-31 10:00:00'"),
        ("at < '2024-12-31 10:00:00'", "at < '2024-12-31 10:00:00'"),
        ("ok = 'yes'", "ok = 1"),
        ("ok = 'Nein'", "ok = 0"),
        ("ok = TRUE", "ok = TRUE"),
    ],
)
def test_moments_are_compared_with_whole_days_and_words_with_yes_and_no(written: str, run: str) -> None:
    columns = (Column(name="at", sql="at", type="datetime"), Column(name="ok", sql="ok", type="boolean"))
    events = Catalog((Table(sql="events", name="e", document="d", version="v", columns=columns, rows=1),))
    assert check(f"SELECT COUNT(*) FROM events WHERE {written}", events).sql.endswith(f"WHERE {run}")


WRONG = [
    ("SELECT pump FROM pumps WHERE installed = 'last spring'", "installed holds dates"),
    ("SELECT pump FROM pumps WHERE power = 'high'", "power holds numbers, and 'high' is none"),
    ("SELECT pump, SUM(hours) FROM maintenance", "pump stands beside figures and is no group"),
    ("SELECT site, model, COUNT(*) FROM pumps GROUP BY site", "model stands beside figures"),
    (
        "SELECT STRFTIME('%Y', date), pump FROM maintenance GROUP BY STRFTIME('%Y', date)",
        "pump stands beside",
    ),
    ("SELECT p.pump FROM pumps AS p, parts AS q WHERE p.power > 1 AND q.stock > 1", "Nothing joins p and q"),
    ("SELECT COUNT(*) FROM pumps JOIN parts ON 1 = 1", "Nothing joins pumps and parts"),
]


@pytest.mark.parametrize(("sql", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_what_would_run_and_be_wrong_is_refused(catalog: Catalog, sql: str, reason: str) -> None:
    with pytest.raises(Unsound, match=reason):
        check(sql, catalog)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pump, MAX(hours) FROM maintenance",  # SQLite shows the row that has it
        "SELECT p.pump, p.site, COUNT(*) FROM pumps AS p JOIN maintenance AS m USING (pump) GROUP BY p.pump",
        "SELECT SUBSTR(date, 1, 4), COUNT(*) FROM maintenance GROUP BY SUBSTR(date, 1, 4)",
        "SELECT date || pump, COUNT(*) FROM maintenance GROUP BY date, pump",
        "SELECT COUNT(*) FILTER(WHERE site = 'Lyon') FROM pumps",
        "SELECT pump, RANK() OVER (ORDER BY power) FROM pumps",
        "SELECT COUNT(DISTINCT pumps.pump) - COUNT(DISTINCT parts.part_no) FROM pumps, parts",
        "SELECT p.pump FROM pumps AS p, (SELECT AVG(power) AS a FROM pumps) AS m WHERE p.power > m.a",
        "SELECT p.pump FROM pumps AS p, maintenance AS m WHERE p.pump = m.pump",
        "SELECT p.pump, (SELECT COUNT(*) FROM maintenance AS m WHERE m.pump = p.pump) FROM pumps AS p",
    ],
)
def test_what_is_right_though_it_looks_alike_is_not_refused(catalog: Catalog, sql: str) -> None:
    assert check(sql, catalog).sql


def test_what_was_read_at_a_moment_is_not_summed() -> None:
    """A log of jobs notes what the pump's counter showed; the pumps' own table has each counter once."""
    hours = Column(name="Operating hours", sql="operating_hours", type="integer", unit="h")
    pump = Column(name="Pump", sql="pump", type="text")
    day, heat = (
        Column(name="Date", sql="date", type="date"),
        Column(name="Heat", sql="heat", unit="°C", type="real"),
    )
    minutes = Column(name="Minutes", sql="minutes", type="integer", unit="min")
    key = ForeignKey(column="pump", to_table="pumps", to_column="pump")
    columns = (day, pump, hours, minutes, heat)
    log = Table(sql="log", name="Log", document="d", version="v", columns=columns, rows=9, foreign=(key,))
    columns = (replace(pump, key=True), hours)
    pumps = Table(sql="pumps", name="Pumps", document="e", version="v", columns=columns, rows=3)
    plant = Catalog((log, pumps))
    for wrong in ("SUM(operating_hours)", "SUM(heat)"):
        with pytest.raises(Unsound, match="read at a moment"):
            check(f"SELECT pump, {wrong} FROM log GROUP BY pump", plant)
    for right in ("SUM(minutes)", "MAX(operating_hours) - MIN(operating_hours)", "AVG(heat)"):
        assert check(f"SELECT pump, {right} FROM log GROUP BY pump", plant).sql
    assert check("SELECT SUM(operating_hours) FROM pumps", plant).sql


def test_a_wanted_integer_division_stays(catalog: Catalog) -> None:
    assert "1.0" not in check("SELECT (max_pressure / 10) * 10 FROM pumps", catalog).sql


SOUND = [
    "SELECT site FROM pumps GROUP BY 1 HAVING COUNT(*) > 1 ORDER BY COUNT(*) DESC, 1 LIMIT 2 OFFSET 1",
    "SELECT pump AS p FROM pumps WHERE p <> 'x' ORDER BY p",
    "SELECT p.pump FROM pumps AS p WHERE EXISTS (SELECT * FROM maintenance AS m WHERE m.pump = p.pump)",
    "SELECT pump FROM pumps WHERE (site, model) IN (SELECT site, model FROM pumps)",
    "SELECT pump FROM maintenance JOIN pumps USING (pump)",
    "SELECT pump FROM pumps EXCEPT SELECT pump FROM maintenance",
    "WITH a AS (SELECT pump FROM pumps), b AS (SELECT pump FROM a) SELECT COUNT(*) FROM b",
    "SELECT t.n FROM (SELECT COUNT(*) AS n FROM pumps) AS t",
    "SELECT RANK() OVER (ORDER BY power DESC) FROM pumps",
    "SELECT GROUP_CONCAT(DISTINCT site) FROM pumps",
    "SELECT pump FROM pumps WHERE site LIKE 'K%' ESCAPE '!' OR LOWER(site) = 'lyon'",
    "(SELECT pump FROM pumps)",
    "SELECT DATE('now'), CURRENT_DATE",
    "SELECT pump FROM pumps; -- the end",
    "SELECT pump -- '; DROP TABLE pumps\nFROM pumps",
    "SELECT TOTAL(hours), IIF(1, 2, 3), SUBSTR('abc', 1, 2), INSTR('abc', 'b') FROM maintenance",
]


@pytest.mark.parametrize("sql", SOUND)
def test_sound(catalog: Catalog, sql: str) -> None:
    checked = check(sql, catalog)
    again = check(checked.sql, catalog)
    assert (again.sql, again.columns, again.units) == (checked.sql, checked.columns, checked.units)


# --- readings -----------------------------------------------------------------------------------

READINGS = [
    (
        "SELECT technician, SUM(hours) AS t FROM maintenance WHERE pump = 'P-200' "
        "AND STRFTIME('%Y', date) = '2024' GROUP BY technician ORDER BY t DESC",
        "sum of Hours of Log where Pump is P-200 and year of Date is 2024, by Technician, highest first",
        "Summe von Hours von Log, wo Pump gleich P-200 ist und Jahr von Date gleich 2024 ist, je Technician, "
        "größte zuerst",
    ),
    (
        "SELECT COUNT(*) FROM pumps WHERE NOT max_pressure IS NULL AND power > 11",
        "number of rows of pumps where Max. pressure is given and Power is over 11 kW",
        "Anzahl der Zeilen von pumps, wo Max. pressure angegeben ist und Power über 11 kW liegt",
    ),
    (
        "SELECT pump FROM pumps WHERE installed BETWEEN '2019-01-01' AND '2019-12-31' OR site = 'Lyon'",
        "Pump of pumps where Installed is in 2019 or Site is Lyon",
        "Pump von pumps, wo Installed in 2019 liegt oder Site gleich Lyon ist",
    ),
    (
        "SELECT pump FROM pumps WHERE (site = 'Köln' OR site = 'Lyon') AND power < 12",
        "Pump of pumps where (Site is Köln or Site is Lyon) and Power is under 12 kW",
        "Pump von pumps, wo (Site gleich Köln ist oder Site gleich Lyon ist) und Power unter 12 kW liegt",
    ),
    (
        "SELECT MAX(date) FROM maintenance WHERE kind_of_work LIKE '%seal%'",
        "latest Date of Log where Kind of work contains seal",
        "spätester Wert von Date von Log, wo Kind of work seal enthält",
    ),
    (
        "SELECT pump FROM pumps WHERE pump NOT IN (SELECT pump FROM maintenance WHERE hours >= 4)",
        "Pump of pumps where Pump is not among: Pump of Log where Hours is at least 4 h",
        "Pump von pumps, wo Pump nicht darunter ist: Pump von Log, wo Hours mindestens 4 h ist",
    ),
    (
        "SELECT 100.0 * COUNT(*) FILTER(WHERE site = 'Lyon') / COUNT(*) FROM pumps",
        "number of rows (Site is Lyon) in percent of number of rows of pumps",
        "Anzahl der Zeilen (Site gleich Lyon ist) in Prozent von Anzahl der Zeilen von pumps",
    ),
    (
        "SELECT SUM(DISTINCT hours) - AVG(hours + 1) / (MAX(hours) + 2) FROM maintenance",
        "sum of different Hours − (average of (Hours + 1) divided by (highest Hours + 2)) of Log",
        "Summe von verschiedene Hours − (Durchschnitt von (Hours + 1) geteilt durch "
        "(größter Wert von Hours + 2)) von Log",
    ),
    (
        "SELECT a.pump, b.pump FROM pumps AS a LEFT JOIN pumps AS b ON b.site = a.site AND b.power > 12",
        "Pump of a, Pump of b from pumps (a) and pumps (b) (where there is one: Power of b is over 12 kW)",
        "Pump von a, Pump von b aus pumps (a) und pumps (b) (wo es sie gibt: Power von b über 12 kW liegt)",
    ),
    (
        "SELECT COUNT(*) FROM pumps AS p JOIN technicians AS t ON t.name = p.model",
        "number of rows from pumps and technicians where name of technicians is Model",
        "Anzahl der Zeilen aus pumps und technicians, wo name von technicians gleich Model ist",
    ),
    (
        "SELECT pump, power FROM pumps ORDER BY power DESC LIMIT 3",
        "Pump, Power of pumps, by Power highest first, the first 3",
        "Pump, Power von pumps, nach Power größte zuerst, die ersten 3",
    ),
    (
        "SELECT site, COUNT(*) FROM pumps GROUP BY site HAVING COUNT(*) > 2",
        "number of rows of pumps, by Site, only where number of rows is over 2",
        "Anzahl der Zeilen von pumps, je Site, nur wo Anzahl der Zeilen über 2 liegt",
    ),
]


@pytest.mark.parametrize(("sql", "english", "german"), READINGS)
def test_readings(catalog: Catalog, sql: str, english: str, german: str) -> None:
    tree = check(sql, catalog).tree
    assert reading(tree, catalog) == english
    assert reading(tree, catalog, "de") == german


@pytest.mark.parametrize("language", ["es", "it", "fr", "xx"])
def test_every_language_reads_every_statement(catalog: Catalog, language: str) -> None:
    for sql in [*SOUND, *(r[0] for r in READINGS)]:
        tree = check(sql, catalog).tree
        assert reading(tree, catalog, language).strip()
        assert all(titles(tree, catalog, language))


def test_what_has_no_words_stays_as_it_is(catalog: Catalog) -> None:
    tree = check("SELECT RANK() OVER (ORDER BY power DESC) FROM pumps", catalog).tree
    assert reading(tree, catalog) == "RANK() OVER (ORDER BY power DESC) of pumps"


def test_a_condition_is_never_left_out_of_a_reading(catalog: Catalog, tmp_path: Path) -> None:
    """Every literal of a statement stands in its reading."""
    sql = (
        "WITH a AS (SELECT pump, SUM(hours) AS t FROM maintenance WHERE cost > 101 GROUP BY pump "
        "HAVING t > 102) SELECT p.site, COUNT(*) FROM pumps AS p "
        "JOIN a ON a.pump = p.pump AND p.pump > 'o100' "
        "WHERE p.power <> 103 AND NOT p.model LIKE 'x104%' AND p.site IN ('s105', 's106') "
        "AND EXISTS (SELECT 1 FROM parts WHERE stock < 107) "
        "AND CASE WHEN a.t > 108 THEN 109 ELSE 110 END = 111 GROUP BY p.site"
    )
    said = reading(check(sql, catalog).tree, catalog)
    assert [n for n in range(100, 112) if str(n) not in said] == []


def test_a_catalog_without_the_table_has_no_reading_of_it(catalog: Catalog) -> None:
    empty = replace(catalog, tables=())
    with pytest.raises(Unsound, match="no table pumps"):
        check("SELECT COUNT(*) FROM pumps", empty)
