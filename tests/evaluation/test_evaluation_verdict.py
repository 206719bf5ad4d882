"""comparison/verdict.py: what is said of given successes."""

from __future__ import annotations

import numpy as np
import pytest

from loresmith.evaluation.comparison import tally, verdict
from loresmith.evaluation.comparison.standing import Around, Part
from loresmith.evaluation.comparison.values import CONTENDERS, Score

TEST = tally.Test(seed=0)


def board(stratum: str = "indexed", **successes) -> tally.Board:
    return tally.Board(
        Score(question=f"q{i}", arm=arm, stratum=stratum, cluster=f"q{i}", success=float(s), answered=True,
              answerable=True, right=bool(s))
        for arm, values in successes.items()
        for i, s in enumerate(values)
    )  # fmt: skip


def part(**successes) -> Part:
    return board(**successes).part(TEST)


def of(served: int, n: int, start: int = 0) -> list[float]:
    """`served` of `n` questions, from question `start` on."""
    return [float((i - start) % n < served) for i in range(n)]


def decide(around: Around | None = None, **successes):
    return verdict.decide(part(**successes), around)


def test_a_winner_beats_every_other_one():
    said = decide(base=of(12, 100), rag=of(81, 100), tuned=of(34, 100), both=of(55, 100))
    assert (said.kind, said.winner, said.recommended) == ("winner", "rag", "rag")
    assert said.headline == "rag wins: it served 81 of 100 questions, base 12, tuned 34 and both 55."
    first = said.reasons[0]
    assert first.startswith(
        "rag served 81 of 100 questions, base 12; the difference of 69 points lies between "
    )
    low, high = (int(word.rstrip(".")) for word in first.split("between ")[1].split(" and "))
    assert 55 <= low < 69 < high <= 80
    assert said.findings == ("do_not_fine_tune",)
    assert said.needed is None


def test_what_both_cannot_beat_is_not_worth_training():
    both = of(80, 100)
    both[0], both[85] = 0.0, 1.0
    said = decide(base=of(5, 100), rag=of(80, 100), tuned=of(30, 100), both=both)
    assert (said.kind, said.winner, said.recommended) == ("do_not_fine_tune", None, "rag")
    assert said.headline == (
        "Do not fine-tune: rag served 80 of 100 questions (base 5), and fine-tuning brought nothing beyond"
        " that (tuned 30 and both 80)."
    )
    assert any("rag is the cheapest to keep" in reason for reason in said.reasons)


def test_where_base_is_as_good_nothing_is_worth_it():
    said = decide(base=of(95, 100), rag=of(96, 100), tuned=of(95, 100, 2), both=of(94, 100))
    assert (said.kind, said.recommended) == ("no_difference", "base")
    assert said.headline.startswith("Nothing is worth it: base served 95 of 100 questions")
    assert "do_not_fine_tune" in said.findings


def test_tuning_that_helps_is_not_called_useless():
    said = decide(base=of(5, 100), rag=of(6, 100), tuned=of(80, 100), both=of(81, 100))
    assert (said.kind, said.recommended) == ("no_difference", "tuned")
    assert "do_not_fine_tune" not in said.findings
    assert said.headline.startswith("No detectable difference between tuned and both (81)")


def test_both_wins_where_it_is_better_than_each():
    said = decide(base=of(2, 60), rag=of(20, 60), tuned=of(25, 60), both=of(52, 60))
    assert (said.kind, said.winner) == ("winner", "both")
    assert said.findings == ()


def test_a_lead_that_may_be_chance_asks_for_more_questions():
    said = decide(base=of(6, 60), rag=of(42, 60), tuned=of(18, 60), both=of(48, 60, 4))
    assert (said.kind, said.winner, said.recommended) == ("more_questions", None, "rag")
    assert said.headline == (
        "rag served 42 of 60 questions, clearly more than base (6) and tuned (18);"
        " whether both (48) is better still takes more questions."
    )
    assert said.needed is not None
    assert said.needed > 60
    assert any(f"About {said.needed:,} questions would settle it" in reason for reason in said.reasons)


def test_a_lead_over_all_that_may_be_chance_names_no_better_one():
    said = decide(base=of(20, 40), rag=of(25, 40, 3))
    assert (said.kind, said.recommended) == ("more_questions", "base")
    assert said.headline == (
        "More questions are needed: rag served 25 of 40 questions, base 20, and that may be chance."
    )


def test_a_small_lead_sends_nobody_for_more_questions():
    """Three of a hundred more: no detectable difference, and how many questions it would take."""
    said = decide(base=of(60, 100), rag=of(63, 100, 30))
    assert (said.kind, said.recommended) == ("no_difference", "base")
    assert said.needed is not None
    assert any(f"{said.needed:,} questions" in reason for reason in said.reasons)


def test_five_questions_settle_nothing_and_it_is_said():
    said = decide(base=of(0, 5), rag=of(5, 5), tuned=of(0, 5), both=of(5, 5))
    assert (said.kind, said.winner) == ("more_questions", None)
    # Base served none: however cheap, it is not recommended beside one that served all.
    assert said.recommended == "rag"
    assert "5 questions can settle little" in said.headline
    assert said.needed is not None
    assert said.needed >= 30


def test_five_of_five_against_none_is_not_significant_and_six_are():
    assert decide(base=of(0, 5), rag=of(5, 5)).winner is None
    assert decide(base=of(0, 6), rag=of(6, 6)).winner == "rag"


def test_missing_documents_come_first_where_they_are_many():
    data = {"base": of(5, 40), "rag": of(20, 40), "tuned": of(8, 40), "both": of(20, 40, 1)}
    said = decide(Around(missing=15, answerable=40), **data)
    assert said.kind == "documents_missing"
    assert said.headline.startswith("Documents are missing: 15 of 40 questions")
    assert any("Add the documents" in reason for reason in said.reasons)
    few = decide(Around(missing=1, answerable=40), **data)
    assert few.kind != "documents_missing"
    assert few.findings[-1] == "documents_missing"


def test_a_winner_with_missing_documents_is_still_a_winner():
    said = decide(Around(missing=20, answerable=60), base=of(2, 60), rag=of(40, 60))
    assert (said.kind, said.findings) == ("winner", ("documents_missing",))


def test_controls_never_win():
    said = decide(base=of(10, 60), rag=of(30, 60), oracle=of(60, 60), format=of(55, 60))
    assert said.winner == "rag"
    assert "oracle" not in said.headline


def test_reasons_by_stratum_name_who_leads_on_what():
    changed = part(base=of(1, 20), rag=of(18, 20), tuned=of(2, 20), both=of(17, 20))
    said = decide(
        Around(strata={"changed": changed}),
        base=of(5, 80), rag=of(60, 80), tuned=of(30, 80), both=of(61, 80),
    )  # fmt: skip
    line = next(reason for reason in said.reasons if reason.startswith("For facts changed after training"))
    assert "(20 questions) rag (18) and both (17) served more than base (1) and tuned (2)" in line
    assert "rag before tuned: the difference of 80 points" in line


def test_what_is_lost_in_general_is_named():
    general = part(base=of(50, 60), tuned=of(25, 60))
    said = decide(Around(strata={"general": general}), base=of(2, 60), rag=of(20, 60), tuned=of(55, 60))
    assert said.recommended == "tuned"
    assert said.worse == ("general",)
    assert any(
        reason.startswith("Fine-tuning made the model forget: base served 50 of 60")
        for reason in said.reasons
    )


def test_a_loss_that_may_be_chance_is_not_called_none():
    general = part(base=of(27, 44), tuned=of(22, 44))
    said = decide(Around(strata={"general": general}), base=of(2, 60), tuned=of(55, 60))
    assert any(reason.startswith("Forgetting was not shown, and cannot be") for reason in said.reasons)
    assert said.worse == ()


def test_no_forgetting_is_not_called_forgetting():
    general = part(base=of(50, 60), tuned=of(49, 60))
    said = decide(Around(strata={"general": general}), base=of(2, 60), tuned=of(55, 60))
    assert any(reason.startswith("No forgetting was detected") for reason in said.reasons)
    assert said.worse == ()


def test_the_recommended_arm_answers_for_its_worst_stratum():
    silent = part(base=of(1, 30), rag=of(28, 30), tuned=of(2, 30), both=of(10, 30))
    said = decide(
        Around(strata={"unanswerable": silent}),
        base=of(5, 80), rag=of(30, 80), tuned=of(20, 80), both=of(70, 80),
    )  # fmt: skip
    assert (said.winner, said.worse) == ("both", ("unanswerable",))


def test_style_is_told_from_knowledge():
    scores = board(base=of(5, 60), tuned=of(35, 60), format=of(30, 60))
    said = verdict.decide(scores.part(TEST), Around(format=scores.beside("format", "base", TEST)))
    line = next(reason for reason in said.reasons if reason.startswith("Style, not knowledge"))
    assert "tuned leads base by 50 points" in line
    assert "leads it by 42 points" in line
    known = board(base=of(5, 60), tuned=of(35, 60), format=of(8, 60))
    other = verdict.decide(known.part(TEST), Around(format=known.beside("format", "base", TEST)))
    assert not any(reason.startswith("Style") for reason in other.reasons)


def test_retrieval_or_the_model_whichever_is_lacking():
    def reasons(rag: int, oracle: int) -> str:
        scores = board(base=of(2, 60), rag=of(rag, 60), oracle=of(oracle, 60))
        around = Around(oracle=scores.beside("oracle", "rag", TEST))
        return " ".join(verdict.decide(scores.part(TEST), around).reasons)

    assert "Retrieval is what is lacking: given the right passages the model serves 55 of 60" in reasons(
        25, 55
    )
    assert "The model is what is lacking" in reasons(20, 22)
    assert "lacking" not in reasons(50, 52)


def test_failed_calls_and_arms_that_were_not_asked_are_named():
    around = Around(
        errors={"base": 0, "rag": 3}, skipped={"tuned": "there is no adapter", "format": "no rows"}
    )
    text = " ".join(decide(around, base=of(5, 40), rag=of(20, 40)).reasons)
    assert "Some calls failed and count as not served: rag 3." in text
    assert "tuned was not asked: there is no adapter." in text
    assert "format" not in text


def test_nothing_to_compare_is_said():
    said = verdict.decide(Part(arms={}, pairs=()))
    assert (said.kind, said.winner) == ("more_questions", None)
    assert "Nothing could be compared" in said.headline


def test_one_arm_alone_wins_nothing():
    said = decide(rag=of(30, 40))
    assert said.winner is None
    assert "Only one arm was compared: rag served 30 of 40 questions." in said.headline


def test_of_what_is_equal_the_cheapest_is_taken():
    equal = {arm: of(30, 60) for arm in CONTENDERS}
    assert decide(**equal).recommended == "base"
    assert (
        decide(Around(order=["base", "tuned", "rag", "both"]), rag=of(30, 60), tuned=of(30, 60)).recommended
        == "tuned"
    )


@pytest.mark.parametrize(
    ("train", "change", "second"), [(5.0, 1.0, "tuned"), (900.0, 909.0, "rag"), (None, 1.0, "rag")]
)
def test_tuned_is_cheaper_than_rag_only_where_that_was_measured(train, change, second):
    def cost(index, train, change):
        return {
            "prepare_seconds": 0.0,
            "index_seconds": index,
            "train_seconds": train,
            "change_one_fact_seconds": change,
        }

    costs = {"rag": cost(60.0, 0.0, 2.0), "tuned": cost(0.0, train, change)}
    found = tally.order(costs, {"rag": {"p50": 2.0}, "tuned": {"p50": 1.0}})
    assert found[:2] == ["base", second]


def test_equal_arms_hardly_ever_give_a_winner():
    """The whole way from successes to the verdict, on arms that are truly equal."""
    random = np.random.default_rng(5)
    winners = 0
    for _ in range(60):
        chance = random.random(40)
        data = {arm: (random.random(40) < chance).astype(float).tolist() for arm in CONTENDERS}
        winners += decide(**data).winner is not None
    assert winners <= 3
