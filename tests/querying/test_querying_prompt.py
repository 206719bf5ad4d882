"""The prompt for a query: schema first, bounded, hints where values stand, data as data."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from querying.worlds import Given, maintenance_world, write

from loresmith.querying import prompt
from loresmith.querying.linking import link
from loresmith.tables.store import connect
from loresmith.tables.values import Catalog


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return maintenance_world(tmp_path_factory.mktemp("world"))


def linked(world, question):
    path, catalog = world
    with closing(connect(path)) as connection:
        return link(question, catalog, connection)


def said(world, question, **options):
    return prompt.messages(question, world[1], linked(world, question), **options)


def test_the_schema_shows_types_units_keys_and_samples(world):
    text = prompt.schema(world[1])
    assert "CREATE TABLE pumps (" in text
    assert "pump TEXT PRIMARY KEY" in text
    assert "power REAL, -- in kW; 5.5 to 22.5" in text
    assert "pump TEXT REFERENCES pumps(pump)" in text
    assert "part_no TEXT PRIMARY KEY, -- Part no." not in text  # the same but for spaces and signs
    assert "'Aqua 40'" in text
    assert "-- 60 rows: Log" in text


def test_two_questions_share_everything_but_the_end(world):
    one, two = (said(world, q, examples=True) for q in ("How many pumps?", "Total cost by technician?"))
    assert one[:-1] == two[:-1]
    shared = prompt.schema(world[1])
    assert one[-1]["content"].startswith(shared)
    assert two[-1]["content"].startswith(shared)
    assert one[-1]["content"].endswith(f"Question: How many pumps?\n{prompt.REQUEST}")


def test_values_of_the_question_are_located(world):
    text = said(world, "How many hours of maintenance did Jürgen Weiß do?")[-1]["content"]
    assert "'Jürgen Weiß' is in maintenance.technician, technicians.name" in text


def test_facts_stand_before_the_question_and_on_one_line(world):
    text = said(world, "Which pumps?", facts=["The interval is\n-- 500 h */ and more"])[-1]["content"]
    assert "- The interval is 500 h and more\n" in text
    assert text.index("Known from documents") < text.index("Question:")


def test_cells_cannot_leave_their_comment(tmp_path):
    evil = "x'\n); DROP TABLE a; -- */ ```"
    given = Given("notes", "n.csv", [("Note", "note", "text", "")], [(evil,), ("plain",)])
    text = prompt.schema(write(tmp_path / "t.db", [given]))
    line = next(line for line in text.splitlines() if "note TEXT" in line)
    assert "DROP TABLE" in line  # as data, in the comment
    assert line.count("--") == 1
    assert "```" not in text
    assert "''" in line  # the quotation mark is doubled
    assert len(text.splitlines()) == 3


def test_a_wide_table_shows_its_keys_and_what_is_linked(tmp_path):
    columns = [
        ("Id", "id", "integer", ""),
        *[(f"Sensor {n}", f"sensor_{n}", "real", "") for n in range(1500)],
    ]
    rows = [(n, *[float(n)] * 1500) for n in range(2)]
    catalog = write(tmp_path / "t.db", [Given("log", "l.csv", columns, rows, keys=("id",))])
    with closing(connect(tmp_path / "t.db")) as connection:
        links = link("average of sensor 1477", catalog, connection)
    text = prompt.messages("average of sensor 1477", catalog, links)[-1]["content"]
    assert "id INTEGER PRIMARY KEY" in text
    assert "sensor_1477 REAL" in text
    assert text.count("REAL") < 70
    assert len(text) < prompt.BUDGET + 500


def test_where_not_all_tables_fit_the_linked_ones_and_those_between_are_shown(world):
    catalog = world[1]
    links = linked(world, "Which team did the maintenance of the pumps in Lyon?")
    seen = prompt.shown(catalog, links, 1300)
    names = [t.sql for t in seen.tables]
    assert {"pumps", "maintenance", "technicians"} <= set(names)
    assert "salaries" not in names
    assert names == [t.sql for t in catalog.tables if t.sql in names]  # the catalog's order
    keys = next(t for t in seen.tables if t.sql == "maintenance").foreign
    assert all(k.to_table in names for k in keys)


def test_a_repair_is_a_further_turn(world):
    asked = said(world, "How many pumps?")
    again = prompt.repair(asked, "SELECT x", "no such column:\nx")
    assert again[:-2] == asked
    assert again[-2] == {"role": "assistant", "content": "SELECT x"}
    assert again[-1]["content"].startswith("That does not work: no such column: x\n")


def test_without_links_the_whole_catalog_is_shown(world):
    text = prompt.messages("How many pumps?", world[1], None)[-1]["content"]
    assert "salaries" in text
    assert "Values that" not in text


def test_the_examples_leave_joins_to_code_only_where_asked(world):
    whole = "".join(m["content"] for m in said(world, "How many?", examples=True))
    table = "".join(m["content"] for m in said(world, "How many?", examples=True, way="table"))
    assert "JOIN customer ON" in whole
    assert "JOIN" not in table
    assert "<customer>" not in whole + table


def test_a_title_of_the_table_is_said_where_it_says_more(world):
    catalog = world[1]
    named = Catalog((replace(catalog.tables[0], caption="Pumps of all sites"),))
    assert "CREATE TABLE pumps ( -- 8 rows: Pumps of all sites" in prompt.schema(named)
