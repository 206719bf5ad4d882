"""Follow-up questions: made whole by code, left alone where they stand for themselves, else refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from querying.worlds import MAINTENANCE, PARTS, PUMPS, maintenance_world

from loresmith.querying.following import whole
from loresmith.querying.linking import link
from loresmith.querying.plan import to_sql
from loresmith.querying.understand import plans
from loresmith.tables.values import Catalog

World = tuple[Catalog, sqlite3.Connection]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    path, catalog = maintenance_world(tmp_path_factory.mktemp("world"))
    with closing(sqlite3.connect(path)) as connection:
        yield catalog, connection


def sums(year: str, pump: str = "") -> float:
    return sum(float(str(m[5])) for m in MAINTENANCE if str(m[0])[:4] == year and pump in str(m[1]) and m[5])


POWER = [float(str(p[4])) for p in PUMPS if p[2] == "Basel"]
DICHTAG = sum(int(str(p[3])) for p in PARTS if p[4] == "Dichtag")


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["How many pumps are in Köln?", "and in Lyon?"], 2),
        (["How many pumps are in Köln?", "and in Lyon?", "And Basel?"], 3),
        (["How many pumps are in Köln?", "Lyon?"], 2),
        (["How many pumps are in Köln?", "in Lyon and Basel?"], 5),
        (["How many pumps are in Köln?", "and not in Köln?"], 5),
        (["Which pumps are in Köln?", "And how many are in Lyon?"], 2),
        (["Which pumps are in Köln?", "How many of them?"], 3),
        (["Which pumps are in Köln?", "How many of them have a power over 15 kW?"], 1),
        (["Which pumps have a power over 10 kW?", "How many of these pumps are in Lyon?"], 2),
        (["Wie viele Pumpen stehen in Köln?", "Und in Lyon?"], 2),
        (["Wie viele Pumpen gibt es?", "Wie viele davon stehen in Basel?"], 3),
        (["¿Cuántas pumps hay en Köln?", "¿Y en Lyon?"], 2),
        (["Quante pumps ci sono a Köln?", "E a Lyon?"], 2),
        (["Combien de pumps sont à Köln ?", "Et à Lyon ?"], 2),
        (["What is the total cost in 2023?", "und 2024?"], sums("2024")),
        (["What was the total cost of P-200 in 2023?", "What about P-300?"], sums("2023", "P-300")),
        (["What was the total cost of P-200 in 2023?", "and for P-300?", "in 2024?"], sums("2024", "P-300")),
        (["What was the total cost of P-200?", "and in 2024?"], sums("2024", "P-200")),
        (["What is the average power of the pumps in Basel?", "and the highest?"], max(POWER)),
        (["Which parts are from Dichtag?", "What is their total stock?"], DICHTAG),
        (["How many pumps are there?", "and technicians?"], 5),
        (["How many pumps are in Köln?", "And how many parts are there?"], len(PARTS)),
        (["How do I grease a bearing?", "How many pumps are in Köln?", "and in Lyon?"], 2),
    ],
)
def test_a_follow_up_has_the_figure_of_the_whole_question(
    turns: list[str], expected: float, world: World
) -> None:
    catalog, connection = world
    asked = whole(turns[-1], turns[:-1], catalog, connection)
    assert asked is not None
    (plan, *_) = plans(asked, link(asked, catalog, connection), catalog)
    ((value,),) = connection.execute(to_sql(plan, catalog)).fetchall()
    assert value == pytest.approx(expected), asked


@pytest.mark.parametrize(
    ("turns", "rows"),
    [
        (["How many pumps are in Lyon?", "Which ones?"], {"P-202", "P-300"}),
        (["Which pumps have a power over 10 kW?", "and over 20?"], {"P-301", "P-302"}),
        (["How many pumps are there per site?", "and by model?"], {str(p[1]) for p in PUMPS}),
        (["Which pumps are in Köln?", "Which of them has the highest power?"], {"P-301"}),
    ],
)
def test_a_follow_up_lists_what_the_whole_question_does(
    turns: list[str], rows: set[str], world: World
) -> None:
    catalog, connection = world
    asked = whole(turns[-1], turns[:-1], catalog, connection)
    assert asked is not None
    (plan, *_) = plans(asked, link(asked, catalog, connection), catalog)
    assert {str(row[0]) for row in connection.execute(to_sql(plan, catalog))} == rows


@pytest.mark.parametrize(
    "turns",
    [
        ["How do I change the seal?", "and in Lyon?"],  # a question to the manuals
        ["Which technician worked the most hours?", "How many of them?"],
        ["How many pumps are in Köln?", "and the weather in Lyon?"],
        ["How many pumps are in Köln?", "and when?"],
        ["How many pumps are in Köln?", "and since 2019?"],  # of the pumps, or of their maintenance
        ["How many pumps are in Köln and how many are in Lyon?", "and in Basel?"],
    ],
)
def test_what_leans_on_a_turn_in_a_way_that_is_not_certain_is_not_asked(
    turns: list[str], world: World
) -> None:
    assert whole(turns[-1], turns[:-1], *world) is None


@pytest.mark.parametrize(
    "question",
    [
        "How many technicians are there?",
        "And how many parts are there?",
        "Which technicians worked on P-200 and what is their team?",
        "What are the torques of the screws?",
        "Wie viele Wartungen gab es diese Woche?",
        "E-mail addresses of the suppliers?",
        "Total cost by pump?",
    ],
)
def test_what_stands_for_itself_stays(question: str, world: World) -> None:
    assert whole(question, ["How many pumps are in Köln?"], *world) == question
