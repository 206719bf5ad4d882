"""Results: values with units, the very rows they rest on, sentences that say no more than that."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from loresmith.errors import PlanError
from loresmith.querying.check import check
from loresmith.querying.execute import execute
from loresmith.querying.plan import Condition, Measure, Plan, Ref, to_sql
from loresmith.querying.result import holds, number, result, sentences
from loresmith.tables.values import Catalog, ForeignKey
from loresmith.types import Citation, Locator, TableResult
from tests.querying import worlds
from tests.querying.worlds import MAINTENANCE, Given

World = tuple[Path, Catalog]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    path, catalog = worlds.maintenance_world(tmp_path_factory.mktemp("world"))
    return path, catalog.visible(())


def ask(world: World, sql: str, *, limit: int = 50) -> TableResult:
    path, catalog = world
    checked = check(sql, catalog)
    return result(path, checked, execute(path, checked, catalog), catalog, by="user", limit=limit)


def said(world: World, sql: str, language: str = "en") -> str:
    return " ".join(s.text for s in sentences("?", ask(world, sql), world[1], language))


def based(found: TableResult) -> dict[str, list[object]]:
    """Rows of the basis by table: the row numbers of files, the keys of databases."""
    return {t.table: [r.locator.row or r.locator.key for r in t.rows] for t in found.basis}


def numbers(passes) -> list[int]:  # type: ignore[no-untyped-def]
    """The numbers in the file of the maintenance rows that pass."""
    return [n + 2 for n, row in enumerate(MAINTENANCE) if passes(row)]


# --- what a result rests on -----------------------------------------------------------------------


def test_a_sum_rests_on_the_rows_that_were_added(world: World) -> None:
    found = ask(world, "SELECT SUM(cost) FROM maintenance WHERE pump = 'P-201'")
    expected = numbers(lambda r: r[1] == "P-201" and r[5] is not None)
    assert based(found) == {"Log": expected}
    assert found.basis[0].total == len(expected)
    assert found.basis[0].columns == (
        "Date",
        "Pump",
        "Technician",
        "Kind of work",
        "Hours (h)",
        "Cost (€)",
        "Part",
    )
    assert found.rows[0][0] == pytest.approx(sum(row.cells[5] for row in found.basis[0].rows))  # type: ignore[misc]
    assert found.basis[0].rows[0].locator == Locator(sheet="Log", row=expected[0], table="Log")


def test_only_the_first_rows_are_kept_and_all_are_counted(world: World) -> None:
    basis = ask(world, "SELECT COUNT(*) FROM maintenance").basis[0]
    assert (len(basis.rows), basis.total) == (20, 60)
    some = ask(world, "SELECT COUNT(*) FROM maintenance WHERE hours > 1").basis[0]
    assert (len(some.rows), some.total) == (20, len(numbers(lambda r: r[4] > 1)))


def test_the_highest_value_rests_on_the_rows_that_have_it(world: World) -> None:
    top = max(row[5] for row in MAINTENANCE if row[5] is not None)
    assert based(ask(world, "SELECT MAX(cost) FROM maintenance")) == {"Log": numbers(lambda r: r[5] == top)}
    by_kind = ask(world, "SELECT kind_of_work, MIN(hours) FROM maintenance GROUP BY kind_of_work")
    low = {k: min(r[4] for r in MAINTENANCE if r[3] == k) for k in {r[3] for r in MAINTENANCE}}  # type: ignore[type-var]
    assert by_kind.basis[0].total == len(numbers(lambda r: r[4] == low[r[3]]))


def test_a_list_rests_on_its_rows_in_its_order(world: World) -> None:
    found = ask(world, "SELECT date, cost FROM maintenance WHERE cost > 100 ORDER BY cost DESC, date LIMIT 4")
    assert [row.cells[0] for row in found.basis[0].rows] == [row[0] for row in found.rows]
    assert found.basis[0].total == 4


def test_groups_that_are_cut_rest_on_rows_of_those_that_are_shown(world: World) -> None:
    sql = (
        "SELECT part, SUM(hours) AS t FROM maintenance GROUP BY part HAVING COUNT(*) > 5 "
        "ORDER BY t DESC LIMIT 2"
    )
    found = ask(world, sql)
    parts = [row[0] for row in found.rows]
    assert None in parts  # a group of empty cells has rows too
    assert found.basis[0].total == len(numbers(lambda r: r[6] in parts))
    assert {row.cells[6] for row in found.basis[0].rows} == set(parts)


def test_a_having_by_alias_restricts_the_rows(world: World) -> None:
    found = ask(
        world, "SELECT pump, SUM(hours) AS t FROM maintenance GROUP BY pump HAVING t > 23 ORDER BY t DESC"
    )
    pumps = {row[0] for row in found.rows}
    assert 0 < len(pumps) < 7
    assert found.basis[0].total == len(numbers(lambda r: r[1] in pumps))


def test_a_join_rests_on_both_tables_what_was_measured_first(world: World) -> None:
    sql = (
        "SELECT SUM(m.hours) FROM pumps AS p JOIN maintenance AS m ON m.pump = p.pump "
        "WHERE p.site = 'Lyon' AND m.hours > 3"
    )
    site = {row[0]: row[2] for row in worlds.PUMPS}
    rows = numbers(lambda r: site[r[1]] == "Lyon" and r[4] > 3)
    pumps = {MAINTENANCE[n - 2][1] for n in rows}
    found = ask(world, sql)
    assert [t.table for t in found.basis] == ["Log", "pumps"]
    assert based(found)["Log"] == rows
    assert {row.cells[0] for row in found.basis[1].rows} == pumps
    assert found.basis[1].total == len(pumps)


def test_rows_of_a_database_are_told_by_key(world: World) -> None:
    found = ask(world, "SELECT name FROM technicians WHERE team = 'Electrics'")
    assert based(found) == {"technicians": ["3", "4"]}
    assert found.basis[0].document == "staff/technicians"


def test_tables_asked_in_subqueries_come_after(world: World) -> None:
    found = ask(world, "SELECT pump FROM pumps WHERE pump IN (SELECT pump FROM maintenance WHERE hours > 4)")
    assert [t.table for t in found.basis] == ["pumps", "Log"]
    assert based(found)["Log"] == numbers(lambda r: r[4] > 4)


def test_parts_unions_and_filters(world: World) -> None:
    part = "WITH a AS (SELECT pump FROM maintenance WHERE hours > 4) SELECT COUNT(*) FROM a"
    assert based(ask(world, part)) == {"Log": numbers(lambda r: r[4] > 4)}
    both = "SELECT pump FROM pumps WHERE power > 20 UNION SELECT pump FROM pumps WHERE power < 6"
    assert ask(world, both).basis[0].total == 4
    only = "SELECT COUNT(*) FILTER(WHERE hours > 4) FROM maintenance"
    assert based(ask(world, only)) == {"Log": numbers(lambda r: r[4] > 4)}
    same = "SELECT COUNT(*) FROM maintenance WHERE hours > (SELECT AVG(hours) FROM maintenance)"
    mean = sum(r[4] for r in MAINTENANCE) / 60  # type: ignore[misc]
    assert ask(world, same).basis[0].total == len(numbers(lambda r: r[4] > mean))


def test_what_is_missing_elsewhere_rests_on_the_rows_that_are_there(world: World) -> None:
    sql = "SELECT pump FROM pumps WHERE NOT EXISTS (SELECT 1 FROM maintenance AS m WHERE m.pump = pumps.pump)"
    found = ask(world, sql)
    assert [row.cells[0] for row in found.basis[0].rows] == ["P-302"]


def test_distinct_beside_figures(world: World) -> None:
    sql = "SELECT DISTINCT site, COUNT(*) FROM pumps GROUP BY site, model ORDER BY site LIMIT 2"
    assert ask(world, sql).basis[0].total > 0
    assert ask(world, "SELECT DISTINCT COUNT(*) FROM pumps LIMIT 3").basis[0].total == 8
    assert ask(world, "SELECT DISTINCT site FROM pumps WHERE power > 11").basis[0].total == 4


def test_numbers_in_the_heads_are_no_figures_of_the_result(world: World) -> None:
    sql = "SELECT COUNT(*) FILTER(WHERE part_no <= '00418') AS a, COUNT(*) AS b FROM parts"
    assert "00418" in said(world, sql, "de")
    assert said(world, sql, "fr").endswith("2, nombre de lignes 6.")


def test_a_wide_table_shows_its_key_and_what_was_asked(tmp_path: Path) -> None:
    columns = [(f"C{n}", f"c{n}", "integer", "") for n in range(300)]
    rows = [tuple(range(start, start + 300)) for start in (0, 1000)]
    given = Given("wide", "wide.csv", columns, rows, keys=("c250",))  # type: ignore[arg-type]
    world = tmp_path / "tables.db", worlds.write(tmp_path / "tables.db", [given])
    basis = ask(world, "SELECT SUM(c299) FROM wide WHERE c100 > 500").basis[0]
    assert {"C250", "C299", "C100"} <= set(basis.columns)
    assert len(basis.columns) <= 30
    assert basis.rows[0].cells[basis.columns.index("C299")] == 1299


# --- values ---------------------------------------------------------------------------------------


def test_floating_point_adds_nothing(world: World) -> None:
    total = ask(world, "SELECT SUM(cost) FROM maintenance WHERE STRFTIME('%Y', date) = '2024'")
    assert total.rows == ((3776.95,),)  # 3776.9500000000003 in the database
    mean = ask(world, "SELECT AVG(hours) FROM maintenance WHERE pump = 'P-202'")
    assert mean.rows[0][0] == 2.055556  # seven digits of 2.0555…, of which a person reads fewer
    (said,) = sentences("", mean, world[1], "en")
    assert said.text.endswith(" is 2.056 h.")


def test_a_small_figure_is_not_nothing(tmp_path: Path) -> None:
    given = Given("t", "t.csv", [("x", "x", "integer", "")], [(n,) for n in range(5000)])
    world = tmp_path / "tables.db", worlds.write(tmp_path / "tables.db", [given])
    assert ask(world, "SELECT 1.0 * COUNT(*) FILTER(WHERE x = 1) / COUNT(*) FROM t").rows == ((0.0002,),)


def test_no_more_rows_than_wanted(world: World) -> None:
    found = ask(world, "SELECT pump FROM pumps", limit=3)
    assert (len(found.rows), found.truncated) == (3, True)
    assert not ask(world, "SELECT pump FROM pumps", limit=8).truncated


# --- sentences ------------------------------------------------------------------------------------

SENTENCES = [
    (
        "SELECT SUM(cost) FROM maintenance WHERE pump = 'P-200'",
        "The sum of Cost in the rows of Log with Pump P-200 is 2,129.95 €.",
        "Die Summe von Cost in den Zeilen von Log mit Pump P-200 ist 2.129,95 €.",
    ),
    ("SELECT COUNT(*) FROM maintenance", "Log has 60 rows.", "Log hat 60 Zeilen."),
    (
        "SELECT torques.tightening_torque FROM torques WHERE screw = 'Motor flange'",
        "The Tightening torque in the row of torques with Screw Motor flange is 85.5 Nm.",
        "Tightening torque in der Zeile von torques mit Screw Motor flange ist 85,5 Nm.",
    ),
    (
        "SELECT COUNT(*) FROM pumps WHERE site IN ('Köln', 'Basel') AND installed > '2018-12-31'",
        "2 rows of pumps have Site Köln or Basel and Installed after 2018-12-31.",
        "2 Zeilen von pumps haben Site Köln oder Basel und Installed nach 2018-12-31.",
    ),
    (
        "SELECT pump FROM pumps WHERE site = 'Lyon'",
        "2 rows of pumps have Site Lyon: P-202, P-300.",
        "2 Zeilen von pumps haben Site Lyon: P-202, P-300.",
    ),
    (
        "SELECT technician, SUM(hours) FROM maintenance GROUP BY technician ORDER BY SUM(hours) DESC LIMIT 1",
        "Ann Lee has the highest sum of Hours in Log: 39 h.",
        "Bei Ann Lee ist Summe von Hours in Log am größten: 39 h.",
    ),
    (  # what has no plain words is said by its reading
        "SELECT COUNT(*) FROM pumps WHERE site = 'Lyon' OR power > 20",
        "Number of rows of pumps where Site is Lyon or Power is over 20 kW: 4.",
        "Anzahl der Zeilen von pumps, wo Site gleich Lyon ist oder Power über 20 kW liegt: 4.",
    ),
    (
        "SELECT site, SUM(power) FROM pumps GROUP BY site",
        "Sum of Power of pumps, by Site: Basel: 33.5 kW; Köln: 44.5 kW; Lyon: 30 kW.",
        "Summe von Power von pumps, je Site: Basel: 33,5 kW; Köln: 44,5 kW; Lyon: 30 kW.",
    ),
    (
        "SELECT pump, max_pressure FROM pumps WHERE pump = 'P-302'",
        "1 row of pumps has Pump P-302: Pump P-302, Max. pressure no value.",
        "1 Zeile von pumps hat Pump P-302: Pump P-302, Max. pressure kein Wert.",
    ),
    (
        "SELECT MIN(STRFTIME('%Y', installed)), MAX(max_pressure) FROM pumps",
        "Lowest year of Installed, highest Max. pressure of pumps: lowest year of Installed 2015, "
        "highest Max. pressure 25 bar.",
        "Kleinster Wert von Jahr von Installed, größter Wert von Max. pressure von pumps: kleinster Wert "
        "von Jahr von Installed 2015, größter Wert von Max. pressure 25 bar.",
    ),
    (
        "SELECT pump FROM pumps WHERE power > 1000",
        "No row of pumps has a Power over 1000 kW.",
        "Keine Zeile von pumps hat Power über 1000 kW.",
    ),
    (
        "SELECT pump FROM pumps WHERE NOT max_pressure IS NULL ORDER BY max_pressure LIMIT 1",
        "Pump of pumps where Max. pressure is given, by Max. pressure lowest first, only the first: P-100 "
        "(others share the last place).",
        "Pump von pumps, wo Max. pressure angegeben ist, nach Max. pressure kleinste zuerst, nur die erste "
        "Zeile: P-100 (andere teilen den letzten Platz).",
    ),
    (
        "SELECT date FROM maintenance ORDER BY date",
        "Date of Log, by Date earliest first: more than 50 rows, the first 5: 2022-01-10, 2022-01-27, "
        "2022-02-13, 2022-03-02, 2022-03-19.",
        "Date von Log, nach Date älteste zuerst: mehr als 50 Zeilen, die ersten 5: 2022-01-10, 2022-01-27, "
        "2022-02-13, 2022-03-02, 2022-03-19.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "english", "german"), SENTENCES)
def test_sentences(world: World, sql: str, english: str, german: str) -> None:
    assert said(world, sql) == english
    assert said(world, sql, "de") == german


@pytest.mark.parametrize(
    ("language", "one", "none", "mean"),
    [
        ("es", "2 filas de pumps tienen Site Lyon", "Ninguna fila de pumps tiene Power superior a 1000 kW",
         "El promedio de Power en pumps es 13,5 kW"),
        ("it", "2 righe di pumps hanno Site Lyon", "Nessuna riga di pumps ha Power superiore a 1000 kW",
         "La media di Power in pumps è 13,5 kW"),
        ("fr", "2 lignes de pumps ont Site Lyon", "Aucune ligne de pumps n'a Power supérieur à 1000 kW",
         "La moyenne de Power dans pumps est 13,5 kW"),
    ],
)  # fmt: skip
def test_sentences_of_other_languages(world: World, language: str, one: str, none: str, mean: str) -> None:
    assert said(world, "SELECT COUNT(*) FROM pumps WHERE site = 'Lyon'", language) == f"{one}."
    assert said(world, "SELECT COUNT(*) FROM pumps WHERE power > 1000", language) == f"{none}."
    assert said(world, "SELECT AVG(power) FROM pumps", language) == f"{mean}."


@pytest.mark.parametrize("language", ["es", "it", "fr"])
def test_figures_stand_in_every_language(world: World, language: str) -> None:
    text = said(world, "SELECT SUM(cost) FROM maintenance WHERE pump = 'P-200'", language)
    assert text.endswith(("2.129,95 €.", "2\u202f129,95 €."))


def test_sentences_cite_at_most_five_rows_of_every_table(world: World) -> None:
    found = ask(world, "SELECT SUM(m.hours) FROM maintenance AS m JOIN pumps AS p ON p.pump = m.pump")
    (sentence,) = sentences("?", found, world[1], "en")
    assert [c.document for c in sentence.citations] == ["maintenance.xlsx"] * 4 + ["pumps.csv"]
    first = sentence.citations[0]
    assert first.locator == Locator(sheet="Log", row=2, table="Log")
    assert first.quote == (
        "Date: 2022-01-10; Pump: P-100; Technician: Ann Lee; Kind of work: inspection; Hours (h): 0.5; "
        "Cost (€): 40.0"
    )


def test_a_row_that_stands_in_the_document_is_quoted_from_there(world: World) -> None:
    found = ask(world, "SELECT pump FROM pumps WHERE power > 20 ORDER BY pump")

    def quote(document: str, locator: Locator) -> Citation | None:
        if locator.row != 8:
            return None
        return Citation(document=document, passage="p8", locator=locator, quote="P-301 | Hydro X5 | Köln")

    (sentence,) = sentences("?", found, world[1], "en", quote)
    assert [c.passage for c in sentence.citations] == ["p8", ""]
    assert sentence.citations[0].quote == "P-301 | Hydro X5 | Köln"
    assert sentence.citations[1].quote.startswith("Pump: P-302; Model: Hydro X5")


def test_a_result_that_was_computed_from_cells_has_sentences_too() -> None:
    found = TableResult(
        sql="", reading="change of Revenue from 2018 to 2019", columns=("change",), units=("%",),
        rows=((-22.22,),), formula="(44.1 − 56.7) / 56.7",
    )  # fmt: skip
    (sentence,) = sentences("By how much?", found, Catalog(), "de")
    assert sentence.text == "Change of Revenue from 2018 to 2019: −22,22 %."


# --- figures that are not in the result -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language", "stands"),
    [
        ("1,204.5 h", "en", True),
        ("1.204,5 h", "de", True),
        ("1.204,5 h", "en", False),
        ("1,204 h", "en", False),
        ("1,204.51 h", "en", False),
        ("−3", "en", True),
        ("3", "en", False),
        ("P-200: −3", "en", True),
        ("2 rows: −3", "en", True),
        ("7 rows: −3", "en", False),
        ("5 Nm", "en", False),
    ],
)
def test_every_figure_of_a_sentence_stands_in_the_result(text: str, language: str, stands: bool) -> None:
    found = TableResult(
        sql="", reading="", columns=("Pump", "x"), units=("", "h"), rows=(("P-200", 1204.5), ("P-7", -3))
    )
    assert holds(text, found, language) is stands


def test_a_sentence_with_a_figure_of_its_own_is_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ask(world, "SELECT SUM(hours) FROM maintenance")
    assert sentences("?", found, world[1], "en")
    monkeypatch.setattr("loresmith.querying.result.number", lambda value, language, grouped: "149.9")
    assert sentences("?", found, world[1], "en") == []


@pytest.mark.parametrize(
    ("value", "language", "grouped", "text"),
    [
        (1204.5, "en", True, "1,204.5"),
        (1204.5, "de", True, "1.204,5"),
        (1204.5, "fr", True, "1\u202f204,5"),
        (2024, "en", False, "2024"),
        (-1234567, "en", True, "−1,234,567"),
        (3.0, "en", True, "3"),
        (1e-07, "en", True, "1e-07"),
        (0.5, "xx", True, "0.5"),
    ],
)
def test_numbers_as_a_language_writes_them(value: float, language: str, grouped: bool, text: str) -> None:
    assert number(value, language, grouped=grouped) == text


def test_a_reader_who_sees_less_rests_on_less(tmp_path: Path) -> None:
    """Nothing of a hidden table is in basis, citations or sentences."""
    path, everything = worlds.maintenance_world(tmp_path)
    found = ask((path, everything.visible(())), "SELECT name FROM technicians")
    assert [t.table for t in found.basis] == ["technicians"]
    assert "7788" not in str(found.to_dict())


def test_names_in_other_scripts(tmp_path: Path) -> None:
    columns = [
        ("价格", "价格", "real", "元"),
        ("Größe", "größe", "text", ""),
        ("Цена", "цена", "integer", ""),
    ]
    given = Given("товары", "товары.csv", columns, [(2.5, "klein", 3), (4.0, "groß", 4)])  # type: ignore[arg-type]
    world = tmp_path / "tables.db", worlds.write(tmp_path / "tables.db", [given])
    found = ask(world, "SELECT GRÖSSE, SUM(价格) FROM ТОВАРЫ WHERE Цена > 3 GROUP BY Größe")
    assert found.rows == (("groß", 4.0),)
    assert found.sql == "SELECT größe, SUM(价格) FROM товары WHERE цена > 3 GROUP BY größe"
    assert found.basis[0].total == 1
    (sentence,) = sentences("?", found, world[1], "en")
    assert (
        sentence.text == "Sum of 价格 of товары where Цена is over 3, by Größe: Größe groß, sum of 价格 4 元."
    )


def test_a_table_with_a_foreign_key_to_itself(tmp_path: Path) -> None:
    key = ForeignKey(column="above", to_table="parts", to_column="id")
    given = Given(
        "parts", "parts.csv", [("id", "id", "integer", ""), ("above", "above", "integer", "")],
        [(1, None), (2, 1), (3, 1)], keys=("id",), foreign=(key,),
    )  # fmt: skip
    world = tmp_path / "tables.db", worlds.write(tmp_path / "tables.db", [given])
    found = ask(world, "SELECT COUNT(*) FROM parts AS a JOIN parts AS b ON b.above = a.id")
    assert found.rows == ((2,),)
    assert found.basis[0].total == 3  # the one above and the two below it


def test_figures_are_what_the_rows_they_rest_on_come_to(world: World) -> None:
    """Random plans over four tables: a count is the number of its rows, a sum that of their cells."""
    rng = random.Random(11)
    tables = [t for t in world[1].tables if t.sql in ("pumps", "maintenance", "technicians", "parts")]
    summed = [("maintenance", "hours"), ("maintenance", "cost"), ("parts", "stock"), ("pumps", "power")]

    def condition() -> Condition:
        table = rng.choice(tables)
        column = rng.choice(table.columns)
        values = ["2023", "2022-05", "2024-01-28"] if column.type == "date" else list(column.frequent)
        op = rng.choice(["=", "!=", "<=", "not null"])
        given = () if op == "not null" else (rng.choice(values or [2, 10, 20.5]),)
        return Condition(Ref(table.sql, column.sql), op, given)  # type: ignore[arg-type]

    counted, added = 0, 0
    for _ in range(150):
        column = Ref(*rng.choice(summed))
        measure = rng.choice([Measure("count"), Measure("sum", column)])
        own = rng.choice(tables).sql if measure.ref is None else column.table
        plan = Plan(
            own if measure.ref is None else rng.choice(tables).sql,
            measures=(measure,),
            where=tuple(condition() for _ in range(rng.randrange(3))),
        )
        try:
            found = ask(world, to_sql(plan, world[1]))
        except PlanError:  # it would count twice
            continue
        name = next(t.name for t in tables if t.sql == own)
        basis = next(t for t in found.basis if t.table == name)
        if measure.ref is None:
            counted += 1
            assert found.rows == ((basis.total,),), found.sql
        elif basis.total <= len(basis.rows):
            added += 1
            at = [c.sql for t in tables if t.sql == own for c in t.columns].index(column.column)
            total = sum(row.cells[at] for row in basis.rows)  # type: ignore[misc]
            assert (found.rows[0][0] or 0) == pytest.approx(total), found.sql
    assert counted > 30
    assert added > 15
