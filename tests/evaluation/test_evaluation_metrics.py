"""Scores: what counts as right, and what each figure of the table means."""

from __future__ import annotations

import pytest

from loresmith.evaluation import metrics


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("The torque is 25 Nm.", "25 Nm", True),
        ("The torque is 26 Nm.", "25 Nm", False),
        ("It is 25 bar.", "25 Nm", False),
        ("Net sales were $ 82,959.", "$82,959 million", True),
        ("Net sales were $83.0 billion", "$82,959 million", True),
        ("Alle 4.000 Stunden", "every 4,000 hours", True),
        ("Use ISO VG 68 oil.", ["ISO VG 68", "VG68"], True),
        ("Use ISO VG 220 oil.", "ISO VG 68", False),
        ("Check the bearing seal first.", "bearing seal", True),
        ("Check the motor.", "bearing seal", False),
        ("更换轴承", "更换轴承", True),
        ("Anything", None, False),
    ],
)
def test_right(answer: str, gold: metrics.Gold, expected: bool) -> None:
    assert metrics.right(answer, gold) is expected


def test_long_gold_needs_half_of_its_figures() -> None:
    gold = (
        "For the quarter ended June 25, 2022 the sales were $82,959 million, for December 31, 2022 they were "
        "$117,154 million, for April 1, 2023 $94,836 million and for July 1, 2023 $81,797 million."
    )
    assert metrics.right("Sales were 82,959 and 117,154.", gold)
    assert not metrics.right("Sales were 82,959.", gold)
    assert metrics.numeric_recall("Sales were 82,959.", gold) == 0.25


def test_judge_and_summary() -> None:
    said = {
        "answer": "It is 25 Nm.",
        "abstained": False,
        "sentences": [
            {
                "text": "It is 25 Nm.",
                "citations": [
                    {"document": "a.pdf", "locator": {"page": 3}, "quote": "25 Nm", "passage": "x"},
                    {"document": "b.pdf", "locator": {"page": 1}, "quote": "not there", "passage": "y"},
                ],
            }
        ],
        "hits": [{"text": "Torque:  25 Nm"}],
        "seconds": {"retrieval": 0.1, "generation": 1.0, "verification": 0.0},
    }
    silent = {**said, "answer": "The documents do not say.", "abstained": True, "sentences": []}
    gold = {"id": "1", "answer": "25 Nm", "documents": ["a.pdf"], "page": 3, "kind": "fact"}
    none = {"id": "2", "answer": None, "kind": "unanswerable"}
    one = metrics.judge(gold, said)
    assert (one.right, one.citation_precision, one.page, one.quotes) == (True, 0.5, True, 0.5)
    table = metrics.summary(
        [one, metrics.judge(gold, silent), metrics.judge(none, said), metrics.judge(none, silent)]
    )
    assert table["answered"] == 0.5
    assert table["right"] == 0.5
    assert table["false_refusals"] == 0.5
    assert table["false_answers"] == 0.5


def test_documents_may_be_patterns() -> None:
    assert metrics.named("2023 Q1 AAPL.pdf", ["*2023 Q1 AAPL*"])
    assert metrics.named("manuals/p200.pdf", ["p200.pdf"])
    assert not metrics.named("2023 Q2 AAPL.pdf", ["*2023 Q1 AAPL*"])


def test_ranking_scores() -> None:
    assert metrics.ndcg(["a", "b"], {"a": 1}) == 1.0
    assert metrics.ndcg(["b", "a"], {"a": 1}) == pytest.approx(0.6309, abs=1e-4)
    assert metrics.recall(["a", "b"], ["b", "c"]) == 0.5
    assert metrics.reciprocal_rank(["a", "b"], ["b"]) == 0.5
