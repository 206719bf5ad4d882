"""Plans: what they come to is what Python counts in the same rows; what would be wrong is refused."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from loresmith.errors import PlanError
from loresmith.querying.plan import (
    Condition,
    Having,
    Measure,
    Order,
    Plan,
    Ref,
    from_json,
    schema,
    to_sql,
)
from loresmith.tables.values import Catalog, ForeignKey
from tests.querying import worlds
from tests.querying.worlds import Given

World = tuple[Path, Catalog]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return worlds.maintenance_world(tmp_path_factory.mktemp("world"))


def run(world: World, plan: Plan) -> list[tuple[object, ...]]:
    path, catalog = world
    with closing(sqlite3.connect(path)) as db:
        return db.execute(to_sql(plan, catalog)).fetchall()


def m(column: str) -> Ref:
    return Ref("maintenance", column)


def p(column: str) -> Ref:
    return Ref("pumps", column)


def t(column: str) -> Ref:
    return Ref("technicians", column)


COUNT = Measure("count")
SITE = {pump[0]: pump[2] for pump in worlds.PUMPS}


# --- figures ------------------------------------------------------------------------------------


def test_rows_are_counted(world: World) -> None:
    assert run(world, Plan("maintenance", measures=(COUNT,))) == [(60,)]


def test_a_sum_over_a_join_restricted_by_the_other_table(world: World) -> None:
    plan = Plan(
        "maintenance", measures=(Measure("sum", m("hours")),), where=(Condition(p("site"), "=", ("Köln",)),)
    )
    expected = sum(row[4] for row in worlds.MAINTENANCE if SITE[row[1]] == "Köln")  # type: ignore[misc]
    assert run(world, plan) == [(pytest.approx(expected),)]


def test_groups_by_a_joined_column(world: World) -> None:
    plan = Plan("maintenance", measures=(COUNT,), group=(p("site"),), order=(Order(p("site")),))
    assert run(world, plan) == sorted(Counter(SITE[row[1]] for row in worlds.MAINTENANCE).items())


def test_groups_by_year_come_in_order(world: World) -> None:
    plan = Plan("maintenance", measures=(Measure("avg", m("hours")),), group=(m("date"),), period="year")
    by_year = defaultdict(list)
    for row in worlds.MAINTENANCE:
        by_year[int(str(row[0])[:4])].append(row[4])
    expected = [(y, pytest.approx(sum(h) / len(h))) for y, h in sorted(by_year.items())]  # type: ignore[arg-type]
    assert run(world, plan) == expected


@pytest.mark.parametrize(("period", "length"), [("month", 7), ("day", 10)])
def test_groups_by_month_and_day(world: World, period: str, length: int) -> None:
    plan = Plan("maintenance", measures=(COUNT,), group=(m("date"),), period=period)  # type: ignore[arg-type]
    assert run(world, plan) == sorted(Counter(str(row[0])[:length] for row in worlds.MAINTENANCE).items())


def test_the_group_with_most(world: World) -> None:
    stock = Measure("sum", Ref("parts", "stock"))
    supplier = Ref("parts", "supplier")
    plan = Plan("parts", measures=(stock,), group=(supplier,), order=(Order(stock, True),), limit=1)
    assert run(world, plan) == [("Dichtag", 200)]


def test_groups_are_restricted_by_a_figure(world: World) -> None:
    plan = Plan(
        "maintenance", show=(m("pump"),), group=(m("pump"),), having=(Having(COUNT, ">=", 9),),
        order=(Order(m("pump")),),
    )  # fmt: skip
    counts = Counter(str(row[1]) for row in worlds.MAINTENANCE)
    assert run(world, plan) == [(pump,) for pump in sorted(counts) if counts[pump] >= 9]


def test_a_share_in_percent(world: World) -> None:
    oil = Measure("count", None, (Condition(m("kind_of_work"), "=", ("oil change",)),))
    plan = Plan("maintenance", measures=(oil, COUNT), ratio=True, percent=True)
    expected = 100 * sum(row[3] == "oil change" for row in worlds.MAINTENANCE) / 60
    assert run(world, plan) == [(pytest.approx(expected),)]


def test_different_values_are_counted_once(world: World) -> None:
    plan = Plan("maintenance", measures=(Measure("count_distinct", m("pump")),))
    assert run(world, plan) == [(len({row[1] for row in worlds.MAINTENANCE}),)]


# --- rows that would count twice ----------------------------------------------------------------


def test_a_table_that_only_restricts_multiplies_nothing(world: World) -> None:
    """Two pumps had long repairs several times: each is listed and its power added once."""
    long = Condition(m("hours"), ">=", (4,))
    had = {row[1] for row in worlds.MAINTENANCE if row[4] >= 4}  # type: ignore[operator]
    listed = run(world, Plan("pumps", show=(p("pump"),), where=(long,)))
    assert sorted(listed) == sorted((pump,) for pump in had)
    power = run(world, Plan("pumps", measures=(Measure("sum", p("power")),), where=(long,)))
    assert power == [(sum(row[4] for row in worlds.PUMPS if row[0] in had),)]  # type: ignore[misc]


def test_conditions_on_one_other_table_meet_in_one_row(world: World) -> None:
    where = (Condition(m("hours"), ">=", (4,)), Condition(m("kind_of_work"), "=", ("inspection",)))
    had = {r[1] for r in worlds.MAINTENANCE if r[4] >= 4 and r[3] == "inspection"}  # type: ignore[operator]
    assert {pump for (pump,) in run(world, Plan("pumps", show=(p("pump"),), where=where))} == had


def test_a_restriction_reaches_across_two_tables(world: World) -> None:
    """Pumps that somebody of the team Electrics worked on."""
    team = {row[1]: row[2] for row in worlds.TECHNICIANS}
    had = {r[1] for r in worlds.MAINTENANCE if team[r[2]] == "Electrics" and r[4] > 4}  # type: ignore[operator]
    where = (Condition(t("team"), "=", ("Electrics",)), Condition(m("hours"), ">", (4,)))
    assert {pump for (pump,) in run(world, Plan("pumps", show=(p("pump"),), where=where))} == had


def test_rows_of_the_one_side_are_counted_once_each(world: World) -> None:
    plan = Plan("pumps", measures=(COUNT,), group=(t("name"),))
    by_name = defaultdict(set)
    for row in worlds.MAINTENANCE:
        by_name[row[2]].add(row[1])
    assert dict(run(world, plan)) == {name: len(pumps) for name, pumps in by_name.items()}  # type: ignore[arg-type]


def test_a_sum_that_would_count_twice_is_refused(world: World) -> None:
    with pytest.raises(PlanError, match="several times"):
        run(world, Plan("pumps", measures=(Measure("sum", p("power")),), group=(t("name"),)))


def test_what_has_no_row_elsewhere(world: World) -> None:
    assert run(world, Plan("pumps", show=(p("pump"),), without=("maintenance",))) == [("P-302",)]
    in_2024 = Condition(m("date"), "=", ("2024",))
    had = {row[1] for row in worlds.MAINTENANCE if str(row[0]).startswith("2024")}
    plan = Plan("pumps", measures=(COUNT,), where=(in_2024,), without=("maintenance",))
    assert run(world, plan) == [(len(worlds.PUMPS) - len(had),)]


def test_a_row_is_not_lost_because_what_is_shown_beside_it_is_unknown(world: World) -> None:
    plan = Plan("maintenance", show=(m("date"), Ref("parts", "description")))
    rows = run(world, plan)
    assert len(rows) == 60
    assert sum(part is None for _, part in rows) == sum(row[6] is None for row in worlds.MAINTENANCE)


# --- order --------------------------------------------------------------------------------------


def test_rows_without_the_value_are_never_the_lowest(world: World) -> None:
    plan = Plan("pumps", show=(p("pump"),), order=(Order(p("max_pressure")), Order(p("pump"))), limit=1)
    assert run(world, plan) == [("P-100",)]
    cheapest = Plan(
        "maintenance", group=(m("date"),), order=(Order(Measure("sum", m("cost"))),), limit=1
    )  # one date's cost is empty
    first = min((row[5], row[0]) for row in worlds.MAINTENANCE if row[5] is not None)
    assert run(world, cheapest) == [(first[1],)]


def test_rows_without_the_value_come_last_in_a_full_list(world: World) -> None:
    rows = run(world, Plan("pumps", show=(p("pump"),), order=(Order(p("max_pressure")),)))
    assert rows[-1] == ("P-302",)


# --- conditions ---------------------------------------------------------------------------------

CONDITIONS = [
    (Condition(p("site"), "!=", ("Köln",)), lambda r: r[2] != "Köln"),
    (Condition(p("model"), "like", ("hydro",)), lambda r: "Hydro" in r[1]),
    (Condition(p("model"), "not like", ("Hydro%",)), lambda r: "Hydro" not in r[1]),
    (Condition(p("site"), "in", ("Köln", "Lyon")), lambda r: r[2] in ("Köln", "Lyon")),
    (Condition(p("site"), "not in", ("Köln", "Lyon")), lambda r: r[2] not in ("Köln", "Lyon")),
    (Condition(p("power"), "between", (22.5, 11)), lambda r: 11 <= r[4] <= 22.5),
    (Condition(p("power"), ">", ("11.0",)), lambda r: r[4] > 11),
    (Condition(p("max_pressure"), "null"), lambda r: r[5] is None),
    (Condition(p("max_pressure"), "not null"), lambda r: r[5] is not None),
    (Condition(p("installed"), "=", ("2018",)), lambda r: str(r[3]).startswith("2018")),
    (Condition(p("installed"), "!=", ("2018-11-23",)), lambda r: r[3] not in (None, "2018-11-23")),
    (Condition(p("installed"), "<", (2018,)), lambda r: r[3] is not None and r[3] < "2018"),
    (Condition(p("installed"), "<=", ("2018-11",)), lambda r: r[3] is not None and r[3] <= "2018-11-30"),
    (Condition(p("installed"), ">", ("2018",)), lambda r: r[3] is not None and r[3] > "2018-12-31"),
    (Condition(p("installed"), ">=", ("2018",)), lambda r: r[3] is not None and r[3] >= "2018"),
    (Condition(p("installed"), "between", ("2019", "2020")), lambda r: str(r[3])[:4] in ("2019", "2020")),
    (Condition(p("installed"), "in", ("2019", "2021-09")), lambda r: str(r[3])[:7] in ("2019-02", "2021-09")),
]


@pytest.mark.parametrize(
    ("condition", "passes"), CONDITIONS, ids=[f"{c.ref.column} {c.op} {c.values}" for c, _ in CONDITIONS]
)
def test_conditions(world: World, condition: Condition, passes) -> None:  # type: ignore[no-untyped-def]
    rows = run(world, Plan("pumps", show=(p("pump"),), where=(condition,)))
    assert [pump for (pump,) in rows] == [row[0] for row in worlds.PUMPS if passes(row)]


def test_a_code_given_as_a_number_is_compared_as_text(world: World) -> None:
    with pytest.raises(PlanError, match="numbers"):
        run(world, Plan("parts", where=(Condition(Ref("parts", "stock"), ">", ("many",)),)))
    plan = Plan("technicians", show=(t("name"),), where=(Condition(t("name"), "=", ("Tom O'Neill",)),))
    assert run(world, plan) == [("Tom O'Neill",)]


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> World:
    path = tmp_path_factory.mktemp("moments") / "tables.db"
    rows = [
        (1, "2024-03-31 23:59:59", 1, "2024-04-01 08:00:00"),
        (2, "2024-04-01 00:00:00", 0, "2024-03-30 08:00:00"),
        (3, "2024-12-31 10:00:00", None, None),
        (4, "2025-01-01 00:00:00", 1, "2025-01-02 00:00:00"),
    ]
    columns = [("id", "id", "integer", ""), ("at", "at", "datetime", ""), ("ok", "ok", "boolean", "")]
    columns.append(("due", "due", "datetime", ""))
    return path, worlds.write(path, [Given("events", "events.csv", columns, rows)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("op", "value", "ids"),
    [
        ("=", "2024", [1, 2, 3]),
        ("=", "2024-03", [1]),
        ("=", "2024-12-31", [3]),
        ("=", "2024-12-31 10:00", [3]),
        ("<=", "2024-12-31", [1, 2, 3]),
        (">", "2024-03-31", [2, 3, 4]),
        ("!=", "2024", [4]),
    ],
)
def test_a_day_of_a_moment_is_the_whole_day(moments: World, op: str, value: str, ids: list[int]) -> None:
    plan = Plan("events", show=(Ref("events", "id"),), where=(Condition(Ref("events", "at"), op, (value,)),))  # type: ignore[arg-type]
    assert [i for (i,) in run(moments, plan)] == ids


def test_yes_and_no(moments: World) -> None:
    plan = Plan("events", measures=(COUNT,), where=(Condition(Ref("events", "ok"), "=", ("yes",)),))
    assert run(moments, plan) == [(2,)]
    with pytest.raises(PlanError, match="yes or no"):
        run(moments, replace(plan, where=(Condition(Ref("events", "ok"), "=", ("maybe",)),)))


def test_a_column_is_compared_with_another(moments: World) -> None:
    late = Condition(Ref("events", "at"), ">", (Ref("events", "due"),))
    assert run(moments, Plan("events", show=(Ref("events", "id"),), where=(late,))) == [(2,)]


# --- what is refused ----------------------------------------------------------------------------

REFUSED = [
    (Plan("nothing"), "no table nothing"),
    (Plan("pumps", show=(p("colour"),)), "no column colour"),
    (Plan("pumps", measures=(Measure("sum", p("site")),)), "has no sum"),
    (Plan("pumps", measures=(Measure("avg"),)), "needs a column"),
    (Plan("pumps", where=(Condition(p("power"), "like", ("1",)),)), "like is for texts"),
    (Plan("pumps", where=(Condition(p("installed"), "=", ("soon",)),)), "dates"),
    (Plan("pumps", where=(Condition(p("installed"), "=", ("2023-02-30",)),)), "no date"),
    (Plan("pumps", where=(Condition(p("power"), "between", (1,)),)), "takes 2"),
    (Plan("pumps", where=(Condition(p("power"), "=", (float("nan"),)),)), "finite"),
    (Plan("pumps", measures=(COUNT,), ratio=True), "two measures"),
    (Plan("pumps", measures=(Measure("max", p("site")), COUNT), ratio=True), "is no number"),
    (Plan("pumps", having=(Having(COUNT, ">", 1),)), "Only groups"),
    (Plan("pumps", show=(Ref("torques", "screw"),)), "Nothing joins"),
    (Plan("pumps", measures=(COUNT,), order=(Order(p("site")),)), "neither shown nor a group"),
    (Plan("pumps", measures=(Measure("none", p("site")), COUNT)), "group by it"),
    (Plan("pumps", without=("torques",)), "Nothing joins"),
]


@pytest.mark.parametrize(("plan", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_refused(world: World, plan: Plan, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        to_sql(plan, world[1])


def test_two_ways_between_tables_are_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "tables.db"
    airports = Given(
        "airports", "airports.csv", [("code", "code", "text", "")], [("BSL",), ("CGN",)], keys=("code",)
    )
    flights = Given(
        "flights", "flights.csv", [("from", "start", "text", ""), ("to", "goal", "text", "")],
        [("BSL", "CGN"), ("BSL", "BSL")],
        foreign=(ForeignKey(column="start", to_table="airports", to_column="code"),
                 ForeignKey(column="goal", to_table="airports", to_column="code")),
    )  # fmt: skip
    world = path, worlds.write(path, [airports, flights])
    plan = Plan("flights", measures=(COUNT,), group=(Ref("airports", "code"),))
    with pytest.raises(PlanError, match=r"2 ways.*flights\.start = airports\.code or flights\.goal"):
        run(world, plan)
    said = replace(plan, joins=((Ref("flights", "start"), Ref("airports", "code")),))
    assert run(world, said) == [("BSL", 2)]


# --- JSON ---------------------------------------------------------------------------------------


def test_a_plan_comes_back_from_json(world: World) -> None:
    raw = {
        "table": "maintenance",
        "show": ["pumps.site"],
        "measures": [
            {"func": "sum", "column": "hours", "where": [{"column": "hours", "op": ">", "values": [1]}]},
            {"func": "count", "column": "*"},
        ],
        "where": [{"column": "maintenance.pump", "op": "in", "values": ["P-200", "P-201"]}],
        "group": ["pumps.site"],
        "having": [{"measure": "measure 2", "op": ">", "value": 3}],
        "order": [{"by": "measure 1", "descending": True}, {"by": "pumps.site", "descending": False}],
        "limit": 5,
    }
    plan = from_json(json.loads(json.dumps(raw)), world[1])
    hours = Measure("sum", m("hours"), (Condition(m("hours"), ">", (1,)),))
    assert plan == Plan(
        "maintenance",
        show=(p("site"),),
        measures=(hours, COUNT),
        where=(Condition(m("pump"), "in", ("P-200", "P-201")),),
        group=(p("site"),),
        having=(Having(COUNT, ">", 3),),
        order=(Order(hours, True), Order(p("site"))),
        limit=5,
    )
    rows = [r for r in worlds.MAINTENANCE if r[1] in ("P-200", "P-201")]
    assert run(world, plan) == [("Köln", sum(r[4] for r in rows if r[4] > 1), len(rows))]  # type: ignore[misc, operator]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([], "JSON object"),
        ({"table": "secrets"}, "no table"),
        ({"table": "pumps", "show": ["pumps._row"]}, "no column _row"),
        ({"table": "pumps", "show": "pump"}, "a list"),
        ({"table": "pumps", "where": ["x"]}, "list of objects"),
        ({"table": "pumps", "where": [{"column": "pump", "op": "; drop", "values": []}]}, "none of"),
        ({"table": "pumps", "measures": [{"func": "load_extension", "column": "*"}]}, "none of"),
        ({"table": "pumps", "order": [{"by": "measure 1", "descending": True}]}, "no measure 1"),
        ({"table": "pumps", "limit": True}, "whole number"),
        ({"table": "pumps", "limit": -1}, "whole number"),
        ({"table": "pumps", "period": "century"}, "none of"),
        ({"table": "pumps", "where": [{"column": "pump", "op": "=", "values": [{}]}]}, "numbers and texts"),
    ],
)
def test_json_that_is_no_plan(world: World, raw: object, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        from_json(raw, world[1])  # type: ignore[arg-type]


def test_the_schema_knows_nothing_but_the_catalog(world: World) -> None:
    seen = world[1].visible(())
    text = json.dumps(schema(seen))
    assert "maintenance.hours" in text
    assert "salar" not in text
    assert "_row" not in text
