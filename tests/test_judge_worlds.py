"""The worlds of benchmarks/judge.py are what they say: a truth can be held against them only then."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from loresmith.dataset.duplicates import normal
from loresmith.evaluation.comparison import questions

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("fresh", "style", "form", "known", "missing", "few")


@pytest.fixture(scope="module")
def worlds() -> Any:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module("judge_worlds").WORLDS
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_makes_one_world_and_its_questions_can_be_read(worlds, name, tmp_path):
    world = worlds[name](3)
    assert world == worlds[name](3)
    assert world != worlds[name](4)
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in world.questions), encoding="utf-8")
    found = questions.read(path)
    assert not found.problems
    asked, removed, _ = questions.to_questions(found)
    assert not removed
    assert len({q.id for q in asked}) == len(world.questions)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_planted_leaks(worlds, name):
    world = worlds[name](0)
    taught = {normal(row["question"]) for row in world.rows} | {normal(q) for q, _, _ in world.read}
    leaked = {q["id"] for q in world.questions if normal(q["question"]) in taught}
    # One of the planted leaks is a near one: its words differ a little.
    assert leaked == set(world.leaks) - {"leak-near"}


@pytest.mark.parametrize("name", ["fresh", "form", "known", "missing", "few"])
def test_each_answer_stands_in_its_document_but_the_wrong_ones(worlds, name):
    world = worlds[name](0)
    now = {**world.documents, **world.changed}
    wrong = []
    for question in world.questions:
        text = now[question["documents"][0]]
        if name == "known":
            assert any(answer.casefold() in text.casefold() for answer in question["answer"])
            continue
        said = next((line for line in text.splitlines() if question["answer"][0] in line), "")
        attribute = question["id"].split("-")[1]
        about = {"torque": "torque", "shelf": "shelf", "weight": "weighs", "inspector": "inspected"}[
            attribute
        ]
        if about not in said:
            wrong.append(question["id"])
    assert set(wrong) == set(world.wrong_gold)


def test_what_changed_is_asked_with_the_new_value(worlds):
    world = worlds["fresh"](0)
    assert len(world.changed) == 6
    assert len(world.before) == 18
    asked = {q["id"]: q for q in world.questions}
    for name, old in world.before.items():
        assert (old in asked[name]["answer"]) == (name in world.wrong_gold)


def test_no_document_says_the_words_of_the_house(worlds):
    world = worlds["style"](0)
    texts = "\n".join(world.documents.values()).casefold()
    words = {word for question in world.questions for word in question["terms"]}
    assert len(words) == 20
    assert not [word for word in words if word in texts]


def test_the_house_form_is_taught_of_other_facts_than_are_asked(worlds):
    world = worlds["form"](0)
    pattern = world.questions[0]["pattern"]
    assert all(re.search(pattern, answer) for _, _, answer in world.read)
    taught = "\n".join(answer for _, _, answer in world.read)
    assert not [q["id"] for q in world.questions if q["answer"][0] in taught]
    assert not {q["documents"][0] for q in world.questions} & {document for _, document, _ in world.read}
    assert not [text for text in world.documents.values() if re.search(pattern, text, re.MULTILINE)]


def test_the_demo_asks_what_the_examples_answer():
    own = {row["id"]: row for row in _lines("questions.jsonl")}
    taught = {normal(row["question"]) for row in _lines("house-words.jsonl")}
    words = {row["fact"] for row in _lines("house-words.jsonl")}
    for row in _lines("compare.jsonl"):
        if row["id"] in own:
            assert row == {key: value for key, value in own[row["id"]].items() if key in row}
        else:
            assert row["answer"][0] in words
            assert normal(row["question"]) not in taught


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()]
