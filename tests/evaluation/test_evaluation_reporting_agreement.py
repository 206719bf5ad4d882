"""Agreement of raters; kappa against scikit-learn's."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import cohen_kappa_score

from loresmith.evaluation.comparison.values import Rating, Score
from loresmith.evaluation.reporting import agreement


def two(seed: int, agree: float, size: int = 80) -> tuple[list[bool], list[bool]]:
    chance = random.Random(seed)
    one = [chance.random() < 0.6 for _ in range(size)]
    return one, [value if chance.random() < agree else not value for value in one]


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_the_reference(seed):
    one, other = two(seed, 0.5 + seed / 10)
    assert agreement.cohen(one, other) == pytest.approx(cohen_kappa_score(one, other))


def test_undefined_where_all_is_one_and_the_same():
    assert agreement.cohen([True] * 5, [True] * 5) is None
    assert agreement.interval([True] * 5, [True] * 5, range(5)) is None
    assert agreement.cohen([], []) is None


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Raters that agree in 85 % of cases, 60 % yes: kappa of the population by its definition."""
    one, other = two(99, 0.85, size=400_000)
    truth = agreement.cohen(one, other)
    assert truth is not None
    hit = 0
    for seed in range(100):
        made = agreement.interval(*two(seed, 0.85, size=60), range(60), seed=seed)
        assert made is not None
        hit += made["low"] <= truth <= made["high"]
    assert 0.89 <= hit / 100 <= 0.99


def test_two_answers_to_one_question_are_not_twice_the_evidence():
    one, other = two(1, 0.8, size=40)
    alone = agreement.interval(one, other, range(40))
    doubled = agreement.interval(one * 2, other * 2, [*range(40), *range(40)])
    assert alone is not None
    assert doubled is not None
    assert doubled["high"] - doubled["low"] == pytest.approx(alone["high"] - alone["low"], rel=0.15)


def score(question: str, arm: str, success: float, **more: object) -> Score:
    values = {"answerable": True, "right": bool(success), "answered": True, **more}
    return Score(question=question, arm=arm, stratum="indexed", cluster=question, success=success, **values)


def rating(rater: str, question: str, accepted: bool, kind: str = "person", arm: str = "rag") -> Rating:
    return Rating(rater=rater, kind=kind, question=question, arm=arm, accepted=accepted)


def test_raters_are_held_against_the_score_and_against_each_other():
    scores = [score(f"q{i}", "rag", float(i < 6)) for i in range(10)]
    scores.append(score("q10", "rag", 1.0, answerable=None))  # nobody knows what is right
    anna = [rating("Anna", f"q{i}", i < 7) for i in range(11)]
    model = [rating("judge", f"q{i}", i < 6, kind="model") for i in range(10)]
    found = agreement.agreement([*model, *anna], scores)
    first, second = found
    assert (first["rater"], first["rated"], first["n"], first["agreement"]) == ("Anna", 11, 10, 0.9)
    assert (second["rater"], second["kind"], second["agreement"]) == ("judge", "model", 1.0)
    assert second["kappa"]["value"] == 1.0
    assert second["with"][0]["rater"] == "Anna"
    assert second["with"][0]["agreement"] == 0.9


def test_of_two_ratings_by_one_rater_the_later_counts():
    scores = [score("q1", "rag", 1.0), score("q2", "rag", 0.0)]
    said = [rating("Anna", "q1", False), rating("Anna", "q2", False), rating("Anna", "q1", True)]
    assert agreement.agreement(said, scores)[0]["agreement"] == 1.0


def test_nobody_rated():
    assert agreement.agreement([], []) == []
