"""When the tables cannot answer, and how far a model's statement is believed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from querying.worlds import maintenance_world

from loresmith.querying import judge
from loresmith.querying.ask import Attempt, Sound
from loresmith.querying.check import check
from loresmith.querying.execute import execute
from loresmith.querying.linking import link
from loresmith.tables.store import connect


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return maintenance_world(tmp_path_factory.mktemp("world"))


def linked(world, question):
    path, catalog = world
    with closing(connect(path)) as connection:
        return link(question, catalog, connection)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("How many pumps have a warranty?", ["warranty"]),
        ("Which technicians speak a foreign language?", ["speak", "foreign", "language"]),
        ("What is the average noise level of the pumps in Lyon?", ["noise", "level"]),
    ],
)
def test_what_stands_for_nothing_in_the_tables_is_named(world, question, words):
    links = linked(world, question)
    assert judge.strangers(links, world[1]) == words
    assert judge.hopeless(question, links, world[1]) != ""


@pytest.mark.parametrize(
    "question",
    [
        "How many pumps are in Köln?",
        "Calculate the difference between the highest and the lowest power of the pumps",
        "Show the same list of parts with their stock and supplier",
        "Which technicians are related to oil changes? Return the names",
        "Total maintenance hours of Jürgen Weiß in 2023",
    ],
)
def test_words_about_the_answer_are_no_strangers(world, question):
    links = linked(world, question)
    assert judge.strangers(links, world[1]) == []
    assert judge.hopeless(question, links, world[1]) == ""


def test_words_of_a_documents_fact_are_known(world):
    question = "Which pumps exceed the permitted power?"
    links = linked(world, question)
    assert judge.strangers(links, world[1]) == ["permitted"]
    assert judge.strangers(links, world[1], ["The permitted power is 12 kW."]) == []


def sound(world, question, sql, logprob=-0.05):
    path, catalog = world
    with closing(connect(path)) as connection:
        links = link(question, catalog, connection)
        attempt = Attempt(question, path, catalog, links, connection, logprob=logprob)
        checked = check(sql, catalog)
        return attempt, Sound(checked, execute(path, checked, catalog), "model")


def test_features_say_what_the_statement_leaves_out(world):
    question = "How many oil changes did Ann Lee make that took more than 2 hours?"
    anyone = "SELECT COUNT(*) FROM maintenance WHERE technician = 'Ann Lee'"
    whole = f"{anyone} AND kind_of_work = 'oil change' AND hours > 2"
    full = judge.features(*sound(world, question, whole))
    assert full["values"] == full["numbers"] == full["first"] == full["rows"] == 1
    less = judge.features(*sound(world, question, anyone))
    assert 0 < less["values"] < 1
    assert less["numbers"] == 0
    believed = [judge.confidence(*sound(world, question, sql)) for sql in (whole, anyone)]
    assert believed[0] > believed[1]


def test_nothing_found_and_a_hesitant_model_are_believed_less(world):
    question = "Which pumps are in Köln?"
    sql = "SELECT pump FROM pumps WHERE site = 'Köln'"
    sure = judge.confidence(*sound(world, question, sql))
    assert sure > judge.THRESHOLD
    assert judge.confidence(*sound(world, question, sql, logprob=-1.0)) < sure
    empty = judge.confidence(*sound(world, question, f"{sql} AND power > 1000"))
    assert empty < sure
    attempt, found = sound(world, question, sql)
    attempt.tried.append(("SELECT x", "no such column"))
    assert judge.confidence(attempt, found) < sure
    hesitant = sound(world, question, sql, logprob=-1.0)
    assert judge.confidence(attempt, replace(found, by="code")) > judge.confidence(*hesitant)
