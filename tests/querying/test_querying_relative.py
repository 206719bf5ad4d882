"""Days that are said from today: what was asked for is said as the days it was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from querying.worlds import MAINTENANCE, maintenance_world

from loresmith.config import ModelSection
from loresmith.querying import relative
from loresmith.querying.ask import Outcome, ask
from loresmith.tables.values import Catalog

World = tuple[Path, Catalog]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return maintenance_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def thursday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relative, "today", lambda: date(2024, 1, 18))


def asked(question: str, world: World) -> Outcome:
    return ask(question, *world, None, ModelSection(name="none"))


def cost(first: str, last: str) -> float | None:
    there = [float(str(m[5])) for m in MAINTENANCE if first <= str(m[0]) <= last and m[5] is not None]
    return sum(there) if there else None


YEAR = cost("2023-01-01", "2023-12-31")


@pytest.mark.parametrize(
    ("question", "expected", "said"),
    [
        ("What was the total cost of maintenance last year?", YEAR, "2023"),
        ("What was the total cost of maintenance this year?", cost("2024-01-01", "2024-12-31"), "2024"),
        ("What was the total cost of maintenance last month?", cost("2023-12-01", "2023-12-31"), "2023-12"),
        ("What was the total cost of maintenance last week?", cost("2024-01-08", "2024-01-14"), "2024-01-08"),
        ("What was the total cost of maintenance yesterday?", cost("2024-01-17", "2024-01-17"), "2024-01-17"),
        (
            "What was the total cost of maintenance since last month?",
            cost("2023-12-01", "9999"),
            "2023-12-01",
        ),
        ("Was war die Summe der Kosten im letzten Jahr?", YEAR, "2023"),
        ("Was war die Summe der Kosten diesen Monat?", cost("2024-01-01", "2024-01-31"), "2024-01"),
        ("¿Cuál fue el cost total el año pasado?", YEAR, "2023"),
        ("Qual è stato il cost totale l'anno scorso?", YEAR, "2023"),
        ("Quel est le cost total l'année dernière ?", YEAR, "2023"),
    ],
)
def test_periods_from_today(question: str, expected: float | None, said: str, world: World) -> None:
    found = asked(question, world)
    assert found.result is not None, found.reason
    ((value,),) = found.result.rows
    assert value == (None if expected is None else pytest.approx(expected))
    assert said in found.sentences[0].text


@pytest.mark.parametrize(
    "question",
    [
        "What was the total cost of maintenance in the last year?",  # twelve months, or 2023
        "What was the total cost of maintenance recently?",
        "What was the total cost of maintenance three months ago?",
    ],
)
def test_what_is_not_certain_is_not_asked(question: str, world: World) -> None:
    assert asked(question, world).result is None
