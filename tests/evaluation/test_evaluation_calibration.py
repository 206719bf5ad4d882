"""Fitting abstention."""

from __future__ import annotations

from pathlib import Path

import pytest

from loresmith.answering import quoting
from loresmith.answering.abstain import FEATURES, QUOTE, shipped
from loresmith.errors import UsageError
from loresmith.evaluation.calibration import Row, fit, read_questions


def rows(count: int) -> list[Row]:
    out = []
    for i in range(count):
        wave = (i % 7) / 20
        out.append(Row({"dense": 0.4 + wave, "passage": 0.6 + wave, "entities": 1.0}, True))
        out.append(Row({"dense": 0.2 + wave, "passage": 0.2 + wave, "entities": 1.0}, False))
    return out


def test_fit_separates_and_keeps_false_refusals_low() -> None:
    calibration, quality = fit(rows(60))
    assert quality["auc"] > 0.95
    assert quality["false_refusals"] <= 0.05
    assert calibration.weights["passage"] > 0
    good = calibration.probability({"dense": 0.6, "passage": 0.9, "entities": 1.0})
    assert (
        good
        > calibration.threshold
        > calibration.probability({"dense": 0.2, "passage": 0.2, "entities": 1.0})
    )


def test_too_few_questions() -> None:
    with pytest.raises(UsageError, match="at least 10 of each"):
        fit(rows(3))


def test_shipped_weights_know_only_features_that_exist() -> None:
    for name, calibration in shipped().items():
        assert set(calibration.weights) <= set(quoting.FEATURES if name == QUOTE else FEATURES)
        assert 0 < calibration.threshold < 1


def test_question_file_errors_name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"question": "a"}\n\nnonsense\n', encoding="utf-8")
    with pytest.raises(UsageError, match="line 3"):
        read_questions(file)
    file.write_text('{"q": "a"}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="line 1: no `question`"):
        read_questions(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")
