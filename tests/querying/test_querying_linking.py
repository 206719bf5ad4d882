"""What the words of a question are linked to: names, values, numbers, dates, operators."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from querying.worlds import Given, maintenance_world, write

from loresmith.querying.linking import Links, language_of, link
from loresmith.tables.values import Catalog

World = tuple[Catalog, sqlite3.Connection]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    path, catalog = maintenance_world(tmp_path_factory.mktemp("world"))
    with closing(sqlite3.connect(path)) as connection:
        yield catalog, connection


def linked(question: str, world: World) -> Links:
    return link(question, *world)


def columns(links: Links) -> set[tuple[str, str]]:
    return {(c.table, c.column) for c in links.columns if c.score >= 0.7}


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("the hours of all jobs", ("maintenance", "hours")),
        ("every Kind of Work", ("maintenance", "kind_of_work")),
        ("the kinds of work", ("maintenance", "kind_of_work")),
        ("what max pressure", ("pumps", "max_pressure")),
        ("the torque", ("torques", "tightening_torque")),
        ("unit prices", ("parts", "unit_price")),
        ("the unitPrice", ("parts", "unit_price")),
        ("unit_price", ("parts", "unit_price")),
        ("part number", ("parts", "part_no")),
        ("all sites", ("pumps", "site")),
    ],
)
def test_names_in_any_form(question: str, column: tuple[str, str], world: World) -> None:
    assert column in columns(linked(question, world))


def test_a_value_is_found_whatever_its_case_accents_and_punctuation(world: World) -> None:
    for question in ("jurgen weiß", "Who is JÜRGEN WEISS?", "hours of Jurgen Weiss"):
        found = {(v.column, v.value) for v in linked(question, world).values}
        assert ("technician", "Jürgen Weiß") in found
    assert {v.value for v in linked("Tom O'Neill's hours", world).values} == {"Tom O'Neill"}
    assert {v.value for v in linked("what did p200 cost, and P-200?", world).values} == {"P-200"}


def test_the_longest_value_wins(world: World) -> None:
    links = linked("How many Seal ring 40 mm are there?", world)
    assert {(v.table, v.column, v.value) for v in links.values} == {
        ("parts", "description", "Seal ring 40 mm")
    }
    assert not links.numbers  # 40 is part of the value


def test_a_value_in_another_form(world: World) -> None:
    links = linked("all inspections and oil changes", world)
    assert {v.value for v in links.values} == {"inspection", "oil change"}


def test_values_of_tables_that_the_reader_may_not_see_do_not_exist(world: World) -> None:
    catalog, connection = world
    question = "What is the salary of CANARY-7788?"
    assert {v.table for v in link(question, catalog, connection).values} == {"salaries"}
    hidden = link(question, catalog.visible(()), connection)
    assert not hidden.values
    assert not hidden.columns
    assert "CANARY" in hidden.unexplained
    assert "salary" in hidden.unexplained


def test_hidden_values_do_not_even_make_a_name_ambiguous(tmp_path: Path) -> None:
    def people(name: str, names: list[str], labels: tuple[str, ...] = ()) -> Given:
        rows = [(n,) for n in names]
        return Given(name, f"{name}.csv", [("Name", "name", "text", "")], rows, labels=labels)

    path = tmp_path / "tables.db"
    catalog = write(
        path, [people("staff", ["Ann Lee"]), people("board", ["Tom Lee", "Kim Park"], ("board",))]
    )
    with closing(sqlite3.connect(path)) as connection:
        everything = link("the name of Lee", catalog, connection)
        assert everything.unexplained == ("Lee",)  # whose name it is, nobody can say
        seen = link("the name of Lee", catalog.visible(()), connection)
        assert [v.value for v in seen.values] == ["Ann Lee"]
        assert link("the name of Park", catalog.visible(()), connection).unexplained == ("Park",)
        assert [v.value for v in link("the name of Park", catalog, connection).values] == ["Kim Park"]


def test_numbers_as_people_write_them(world: World) -> None:
    def numbers(question: str) -> list[tuple[int | float, str]]:
        return [(n.value, n.unit) for n in linked(question, world).numbers]

    assert numbers("cost over 1,234.50 €") == [(1234.5, "€")]
    assert numbers("Wie viele Pumpen haben eine Leistung über 1.234,5 kW?") == [(1234.5, "kW")]
    assert numbers("Wie viele Pumpen haben eine Leistung über 1.234 kW?") == [(1234, "kW")]
    assert numbers("which pumps have a power above 5kW") == [(5, "kW")]
    assert numbers("which pumps have more than 12 bar?") == [(12, "bar")]
    assert numbers("the top three pumps") == [(3, "")]
    assert numbers("which one is it") == []


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("hours on 2023-03-07", "2023-03-07"),
        ("hours on 7 March 2023", "2023-03-07"),
        ("hours on March 7, 2023", "2023-03-07"),
        ("Stunden am 07.03.2023", "2023-03-07"),
        ("hours in March 2023", "2023-03"),
        ("horas en marzo de 2023", "2023-03"),
        ("hours in 2023", "2023"),
    ],
)
def test_dates(question: str, value: str, world: World) -> None:
    assert [d.value for d in linked(question, world).dates] == [value]


def test_a_quarter_is_from_a_month_to_a_month(world: World) -> None:
    (date,) = linked("hours in Q2 2023", world).dates
    assert (date.value, date.until) == ("2023-04", "2023-06")


def test_a_date_that_can_be_read_in_two_ways_is_none(world: World) -> None:
    assert not linked("hours on 03/07/2023", world).dates


def test_operators(world: World) -> None:
    def kinds(question: str) -> list[str]:
        return [o.kinds[0] for o in linked(question, world).operators]

    assert kinds("How many pumps per site?") == ["count", "group"]
    assert kinds("total hours by technician") == ["sum", "group"]
    assert kinds("power >= 10") == ["ge"]
    assert kinds("Wie viele Pumpen je Standort?") == ["count", "group"]
    assert kinds("la potencia media por sitio") == ["avg", "group"]


def test_what_nothing_accounts_for_is_said(world: World) -> None:
    assert linked("Which pumps exploded in Atlantis?", world).unexplained == ("exploded", "Atlantis")
    assert linked("How many pumps are there in Köln?", world).unexplained == ()


def test_german_compounds_in_their_parts(world: World) -> None:
    links = linked("Wie hoch ist die Gesamtleistung? Was ist der Durchschnittspreis?", world)
    assert "Gesamtleistung" in links.unexplained  # no column is called Leistung here
    given = Given("wartung", "wartung.csv", [("Stunden", "stunden", "real", "h")], [(1.5,), (2.0,)])
    with closing(sqlite3.connect(":memory:")) as nothing:
        nothing.execute("CREATE TABLE _values(table_name, column_name, value, folded, count)")
        catalog = Catalog((_table(given),))
        found = link("Wie viele Wartungsstunden waren es?", catalog, nothing)
        assert not found.unexplained
        assert ("wartung", "stunden") in columns(found)


def _table(given: Given):  # type: ignore[no-untyped-def]
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "tables.db", [given]).tables[0]


def test_the_language_of_a_question() -> None:
    assert language_of("How many pumps are in Köln?") == "en"
    assert language_of("Wie viele Pumpen stehen in Köln?") == "de"
    assert language_of("¿Cuántas bombas hay en Colonia?") == "es"
    assert language_of("Quante pompe ci sono a Colonia?") == "it"
    assert language_of("Combien de pompes y a-t-il ?") == "fr"
    assert language_of("P-200") == "en"


def test_tables_are_ranked_by_what_they_account_for(world: World) -> None:
    links = linked("total hours of inspections per technician", world)
    assert links.tables[0][0] == "maintenance"


def test_every_word_is_in_at_most_one_span(world: World) -> None:
    for question in (
        "How many hours did Ann Lee work on P-200 in March 2023?",
        "List parts with stock < 20 and a unit price above 10 € of supplier Kugel & Co",
    ):
        links = linked(question, world)
        taken = [n for atom in links.atoms for n in range(atom.first, atom.last)]
        assert sorted(taken) == list(range(len(links.words)))


@pytest.mark.parametrize("question", ["", "?", "   ", "«»", "''", "= = =", "\x00", "P" * 5000, "a " * 400])
def test_any_text_is_a_question(question: str, world: World) -> None:
    assert linked(question, world).question == question
