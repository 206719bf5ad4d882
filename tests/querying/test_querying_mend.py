"""A model's statement put right by code: columns in their tables, joins, texts as they stand there."""

from __future__ import annotations

from contextlib import closing

import pytest
from querying.worlds import MAINTENANCE, PUMPS, TECHNICIANS, Given, maintenance_world, write

from loresmith.errors import PlanError
from loresmith.querying import literals
from loresmith.querying.check import check
from loresmith.querying.execute import execute
from loresmith.querying.mend import mended
from loresmith.tables.store import connect


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return maintenance_world(tmp_path_factory.mktemp("world"))


def put_right(world, sql):
    path, catalog = world
    with closing(connect(path)) as connection:
        return mended(sql, catalog, connection)


def rows(world, sql):
    path, catalog = world
    return list(execute(path, check(put_right(world, sql), catalog), catalog).rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT site FROM pumps WHERE power > 10 ORDER BY site",
        "SELECT COUNT(*) AS number FROM maintenance GROUP BY pump ORDER BY number",
        "SELECT pumps.site FROM maintenance JOIN pumps ON maintenance.pump = pumps.pump",
        "SELECT pump FROM pumps WHERE NOT EXISTS (SELECT 1 FROM maintenance AS m WHERE m.pump = pumps.pump)",
        "this is no SQL (",
    ],
)
def test_what_is_right_stays_as_it_was(world, sql):
    assert put_right(world, sql) == sql


def test_a_column_of_another_table_joins_it(world):
    found = rows(world, "SELECT site, SUM(hours) FROM maintenance GROUP BY site")
    site = {p[0]: p[2] for p in PUMPS}
    expected: dict[str, float] = {}
    for _, pump, _, _, hours, *_ in MAINTENANCE:
        expected[site[pump]] = expected.get(site[pump], 0) + hours
    assert dict(found) == pytest.approx(expected)


def test_a_table_two_steps_away_is_reached(world):
    found = rows(world, "SELECT DISTINCT technicians.team FROM pumps WHERE pumps.site = 'Lyon' ORDER BY team")
    team = {t[1]: t[2] for t in TECHNICIANS}
    lyon = {p[0] for p in PUMPS if p[2] == "Lyon"}
    assert found == [(t,) for t in sorted({team[m[2]] for m in MAINTENANCE if m[1] in lyon})]


def test_a_wrong_alias_is_given_to_the_table_that_has_the_column(world):
    wrong = (
        "SELECT T2.site, T1.team FROM technicians AS T1 JOIN maintenance AS T2 ON T1.name = T2.technician "
        "WHERE T1.kind_of_work = 'oil change'"
    )
    assert "T2.kind_of_work = 'oil change'" in put_right(world, wrong)
    assert "pumps.site" in put_right(world, wrong)
    assert rows(world, wrong)


def test_what_was_clear_stays_clear_among_more_tables(world):
    sql = put_right(world, "SELECT pump, site, COUNT(*) FROM maintenance GROUP BY pump, site")
    assert "SELECT maintenance.pump, pumps.site" in sql
    check(sql, world[1])


def test_rows_that_a_join_multiplies_are_counted_once(world):
    found = rows(world, "SELECT COUNT(*) FROM pumps WHERE maintenance.hours > 4")
    assert found == [(len({m[1] for m in MAINTENANCE if m[4] > 4}),)]
    listed = rows(world, "SELECT pumps.model FROM pumps WHERE maintenance.kind_of_work = 'inspection'")
    assert len(listed) == len(set(listed))


def test_a_sum_over_multiplied_rows_is_refused(world):
    with pytest.raises(PlanError, match="more than once"):
        put_right(world, "SELECT SUM(pumps.power) FROM pumps WHERE maintenance.hours > 4")


def test_what_a_result_is_ordered_by_is_shown(world):
    found = rows(world, "SELECT pump FROM pumps ORDER BY power DESC, pump LIMIT 1")
    assert found == [("P-301", 22.5)]
    found = rows(world, "SELECT pump FROM maintenance GROUP BY pump ORDER BY COUNT(*) DESC LIMIT 1")
    assert found[0][1] == max(sum(m[1] == p[0] for m in MAINTENANCE) for p in PUMPS)
    for same in (
        "SELECT pump, power FROM pumps ORDER BY power",
        "SELECT DISTINCT site FROM pumps ORDER BY power",
        "SELECT COUNT(*) AS number FROM pumps ORDER BY 1",
    ):
        assert put_right(world, same) == same


def test_a_table_that_is_named_but_not_there_is_joined_rather_than_another_taken(world):
    sql = put_right(
        world,
        "SELECT maintenance.pump FROM maintenance WHERE pumps.model = 'Aqua 40' AND pumps.pump = 'P-100'",
    )
    assert "JOIN pumps" in sql
    assert "pumps.pump = 'P-100'" in sql
    within = "SELECT technician FROM maintenance WHERE parts.supplier = 'Lubra'"
    inner = put_right(world, f"SELECT name FROM technicians WHERE name IN ({within})")
    assert "JOIN parts ON maintenance.part = parts.part_no WHERE parts.supplier = 'Lubra'" in inner


def test_empty_cells_are_not_in_anything(world):
    found = rows(
        world,
        "SELECT COUNT(*) FROM maintenance WHERE part NOT IN (SELECT part_no FROM parts WHERE stock > 20)",
    )
    assert found == [(sum(m[6] not in ("00417", "00418", "01201") for m in MAINTENANCE),)]
    none = rows(
        world,
        "SELECT part_no FROM parts WHERE part_no NOT IN (SELECT part FROM maintenance) ORDER BY part_no",
    )
    used = {m[6] for m in MAINTENANCE}
    assert [r[0] for r in none] == ["00418", "01200", "09000"]
    assert None in used


def test_what_is_shown_beside_a_figure_is_grouped_by(world):
    sql = put_right(world, "SELECT site, model, COUNT(*) FROM pumps GROUP BY site")
    assert sql.endswith("GROUP BY site, model")
    assert put_right(world, "SELECT site, COUNT(*) FROM pumps").endswith("GROUP BY site")
    highest = "SELECT pump, MAX(power) FROM pumps"
    assert put_right(world, highest) == highest  # SQLite shows the pump that has it


def test_the_lowest_is_never_an_empty_cell(world):
    found = rows(world, "SELECT pump, installed FROM pumps ORDER BY installed LIMIT 1")
    assert found == [("P-100", "2015-03-12")]


def test_tables_that_nothing_joins_are_refused(world):
    with pytest.raises(PlanError, match="joins"):
        put_right(world, "SELECT torques.thread FROM pumps")


def test_columns_of_one_name_join_where_one_identifies_its_rows(tmp_path):
    wid, title = ("wid", "wid", "integer", ""), ("t", "title", "text", "")
    tables = [
        Given("writer", "a", [wid, ("n", "penname", "text", "")], [(1, "Ann"), (2, "Bo")]),
        Given("book", "b", [title, wid], [("X", 1), ("Y", 1), ("Z", 2)]),
        Given("prize", "c", [wid, ("y", "won", "integer", "")], [(7, 2001)]),
    ]
    made = tmp_path / "t.db", write(tmp_path / "t.db", tables)
    found = rows(made, "SELECT penname, COUNT(*) FROM book GROUP BY penname ORDER BY penname")
    assert found == [("Ann", 2), ("Bo", 1)]
    with pytest.raises(PlanError):  # not every value of it is there
        put_right(made, "SELECT won FROM book")


def spelled(world, sql):
    path, catalog = world
    with closing(connect(path)) as connection:
        tree = check(sql, catalog).tree
        text = literals.respelled(tree, catalog, connection)
        return text, literals.missing(check(text, catalog).tree, catalog, connection)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("SELECT COUNT(*) FROM pumps WHERE site = 'koln'", "'Köln'"),
        ("SELECT COUNT(*) FROM maintenance WHERE technician = 'JURGEN WEISS'", "'Jürgen Weiß'"),
        ("SELECT COUNT(*) FROM maintenance AS m WHERE m.kind_of_work IN ('Oil Change')", "'oil change'"),
        ("SELECT COUNT(*) FROM technicians WHERE name = 'Tom ONeill'", ""),
        ("SELECT COUNT(*) FROM technicians WHERE name = 'tom o''neill'", "'Tom O''Neill'"),
    ],
)
def test_a_text_is_written_as_it_stands_in_its_column(world, wrong, right):
    sql, problems = spelled(world, wrong)
    assert right in sql
    assert bool(problems) == (right == "")


def test_a_text_that_stands_elsewhere_is_said_with_its_place(world):
    _, problems = spelled(world, "SELECT COUNT(*) FROM pumps WHERE model = 'Basel'")
    assert problems == ["'Basel' does not stand in pumps.model; it stands in pumps.site."]


def test_a_text_that_stands_nowhere_is_said_with_what_is_near(world):
    _, problems = spelled(world, "SELECT COUNT(*) FROM parts WHERE description = 'Seal rings'")
    assert len(problems) == 1
    assert problems[0].startswith("'Seal rings' does not stand in parts.description; near are 'Seal ring")


def test_patterns_count_as_standing_where_they_match(world):
    assert spelled(world, "SELECT COUNT(*) FROM parts WHERE description LIKE '%seal%'")[1] == []
    assert spelled(world, "SELECT COUNT(*) FROM parts WHERE LOWER(description) = 'gear oil 5 l'")[1] == []
    assert "stands in" in spelled(world, "SELECT COUNT(*) FROM parts WHERE description LIKE '%Lubra%'")[1][0]


def test_a_number_that_is_compared_with_a_text_must_stand_there(world):
    assert spelled(world, "SELECT COUNT(*) FROM pumps WHERE model IN (1, 2)")[1] != []


@pytest.mark.parametrize(
    ("question", "sql", "wrong"),
    [
        ("How many pumps have parking?", "SELECT COUNT(*) FROM pumps WHERE site = 'Basel'", 1),
        ("How many pumps in Basel?", "SELECT COUNT(*) FROM pumps WHERE site IN ('Basel', 'Lyon')", 1),
        ("How many pumps stand in basel?", "SELECT COUNT(*) FROM pumps WHERE site = 'Basel'", 0),
        (
            "How many seals were replaced?",
            "SELECT COUNT(*) FROM maintenance WHERE kind_of_work LIKE '%seal%'",
            0,
        ),
        ("Which pumps are strong?", "SELECT pump FROM pumps WHERE power > 12", 1),
        ("Which pumps have more than 12 kW?", "SELECT pump FROM pumps WHERE power > 12", 0),
        ("Which parts have 3 or more in stock?", "SELECT part_no FROM parts WHERE stock > 2", 0),
        ("Which parts are out of stock?", "SELECT part_no FROM parts WHERE stock = 0", 0),
        (
            "Hours in 2023?",
            "SELECT SUM(hours) FROM maintenance WHERE date BETWEEN '2023-01-01' AND '2023-12-31'",
            0,
        ),
    ],
)
def test_what_nobody_said_is_not_compared_with(world, question, sql, wrong):
    assert len(literals.invented(check(sql, world[1]).tree, world[1], question)) == wrong


def test_dates_and_numbers_are_no_texts(world):
    sql = "SELECT COUNT(*) FROM maintenance WHERE date > '2030-01-01' AND hours = 999"
    assert spelled(world, sql)[1] == []


def test_what_the_reader_may_not_see_is_not_told(world):
    path, catalog = world
    seen = catalog.visible(())
    with closing(connect(path)) as connection:
        tree = check("SELECT COUNT(*) FROM technicians WHERE team = 'CANARY-7788'", seen).tree
        problems = literals.missing(tree, seen, connection)
    assert problems == ["'CANARY-7788' does not stand in technicians.team."]
