"""Scores of stored answers: strict about what was asked, the same as the reference implementations."""

from __future__ import annotations

import math
from random import Random

import pytest
import pytrec_eval
from rouge_score import rouge_scorer

from loresmith.evaluation import metrics
from loresmith.evaluation.comparison import scores
from loresmith.evaluation.comparison.values import ArmName, Question, Record

TORQUE = Question(
    id="q", question="Which torque for the M8 bolts of the P-200?", answer=("25 Nm",), stratum="indexed"
)


def said(text: str, *, arm: ArmName = "rag", cited: tuple = (), hits: tuple = (), error: str = "") -> Record:
    answer = {
        "answer": text,
        "abstained": not text,
        "sentences": [{"text": text, "citations": list(cited)}] if text else [],
        "hits": list(hits),
    }
    return Record(
        question="q", arm=arm, answer={} if error else answer, seconds=1.5, tokens={"answer": 7}, error=error
    )


def hit(document: str, text: str = "", page: int | None = None) -> dict:
    return {"document": document, "text": text, "locator": {"page": page} if page else {}}


def cite(document: str, quote: str = "", page: int | None = None) -> dict:
    return {"document": document, "quote": quote, "locator": {"page": page} if page else {}}


@pytest.mark.parametrize(
    ("question", "answer", "gold", "expected"),
    [
        ("Which torque for M8?", "The torque is 25 Nm.", "25 Nm", True),
        ("Which torque for M8?", "The torque of M8 is 20 Nm.", "25 Nm", False),
        # However much of the sentence agrees: the word that was asked for must be said.
        ("What is the seal made of?", "The seal is made of Viton.", "The seal is made of EPDM.", False),
        ("What is the seal made of?", "The seal is made of EPDM.", "The seal is made of EPDM.", True),
        ("Who leads the service?", "Maria Huber", "Maria Keller", False),
        ("Who leads the service?", "Keller", "Maria Keller", True),
        ("Who leads the service?", "Maria Keller leads the service of Brunnholt.", "Maria Keller", True),
        # A figure of the question is no answer to it.
        (
            "What is the order number of O-ring 40 x 3?",
            "O-ring 40 x 3: 2004-118",
            "O-ring 40 x 3: 2004-117",
            False,
        ),
        ("What is done at code E-05?", "At E-05 the pump runs.", "Pump off, next pump on", False),
        ("Is it 7 or 12?", "12", "12", True),
        ("Which number is larger, 7 or 12?", "7 is larger than 12.", "12", False),
        (
            "Which is heavier, an elephant or a mouse?",
            "An elephant is heavier than a mouse.",
            "elephant",
            True,
        ),
        ("Is oil or grease used?", "Grease is used.", "grease", True),
        ("Is oil or grease used?", "Oil is used.", "grease", False),
        ("Wie lange?", "Innerhalb von 8 Stunden.", "8 Stunden", True),
    ],
)
def test_right_is_strict_about_what_was_asked(question, answer, gold, expected):
    assert scores.right(question, answer, (gold,)) is expected


def test_success_of_an_answerable_question_needs_the_answer():
    right = scores.score(TORQUE, said("It is 25 Nm."))
    assert (right.success, right.right, right.answered, right.answerable) == (1.0, True, True, True)
    for wrong in (said("It is 30 Nm."), said(""), said("", error="ModelError: gone")):
        assert scores.score(TORQUE, wrong).success == 0.0
        assert scores.score(TORQUE, wrong).right is False


def test_success_of_an_unanswerable_question_is_to_abstain_but_not_to_fail():
    question = Question(id="q", question="Which colour?", answer=None, stratum="unanswerable")
    assert scores.score(question, said("")).success == 1.0
    assert scores.score(question, said("Blue.")).success == 0.0
    failed = scores.score(question, said("", error="ModelError: gone"))
    assert (failed.success, failed.error, failed.right) == (0.0, "ModelError: gone", None)


def test_without_an_accepted_answer_nothing_is_judged():
    question = Question(id="q", question="Which colour?", answer=(), stratum="other")
    score = scores.score(question, said("Blue."))
    assert (score.answerable, score.right, score.f1, score.success) == (None, None, None, 0.0)
    assert (score.answered, score.seconds, score.tokens) == (True, 1.5, 7)


def test_form_asks_for_the_house_words_and_pattern():
    question = Question(
        id="q",
        question="How is it sealed?",
        answer=("EPDM",),
        stratum="style",
        terms=("Dichtring",),
        avoid=("gasket",),
        pattern=r"^Answer: ",
    )
    good = "Answer: by the Dichtring of EPDM."
    assert scores.score(question, said(good)).success == 1.0
    for bad in (
        "Answer: by the dichtring of EPDM.",
        "Answer: by the Dichtringe of EPDM.",
        "Answer: by the Dichtring, a Gasket of EPDM.",
        "It is by the Dichtring of EPDM.",
    ):
        score = scores.score(question, said(bad))
        assert (score.right, score.form, score.success) == (True, False, 0.0), bad
    formal = Question(id="q", question="Write it.", answer=(), stratum="style", pattern="^Answer: ")
    assert scores.score(formal, said("Answer: yes.")).success == 1.0
    assert scores.score(formal, said("Yes.")).success == 0.0


def test_citations_and_retrieval():
    question = Question(
        id="q",
        question="Which?",
        answer=("25 Nm",),
        stratum="indexed",
        documents=("a.pdf", "b.pdf"),
        pages=(2,),
    )
    hits = (hit("x.pdf"), hit("a.pdf", "the torque is 25 Nm", 2), hit("a.pdf"), hit("b.pdf"))
    cited = (cite("a.pdf", "torque is 25 Nm", 2), cite("x.pdf", "not there", 2), cite("a.pdf", "25 nm", 3))
    score = scores.score(question, said("25 Nm", cited=cited, hits=hits))
    assert score.citation_precision == pytest.approx(1 / 3)
    assert score.citation_recall == 0.5
    assert score.page is True
    assert score.quotes == pytest.approx(2 / 3)
    assert (score.recall, score.mrr) == (1.0, 0.5)
    wanted = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert score.ndcg == pytest.approx(wanted)
    # The ceiling does not search, and the model alone cannot cite.
    assert scores.score(question, said("25 Nm", arm="oracle", cited=cited, hits=hits)).ndcg is None
    base = scores.score(question, said("25 Nm", arm="base"))
    assert (base.citation_precision, base.citation_recall, base.quotes, base.ndcg) == (None,) * 4


def test_gold_documents_may_be_patterns():
    question = Question(id="q", question="Which?", answer=("1",), stratum="indexed", documents=("*2023 Q1*",))
    score = scores.score(question, said("1", hits=(hit("z"), hit("10-Q 2023 Q1.pdf"))))
    assert (score.recall, score.mrr) == (1.0, 0.5)


WORDS = ["pump", "torque", "seal", "25", "nm", "bolt", "valve", "of", "is", "flange"]


def test_rouge_l_is_that_of_the_reference():
    reference = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    rng = Random(4)
    pairs = [
        ("The torque of the M8 bolts is 25 Nm.", "M8 bolts: tighten to 25 Nm"),
        ("a b", "c d"),
        ("x", "x"),
    ]
    pairs += [
        (
            " ".join(rng.choices(WORDS, k=rng.randint(1, 15))),
            " ".join(rng.choices(WORDS, k=rng.randint(1, 15))),
        )
        for _ in range(200)
    ]
    for answer, gold in pairs:
        expected = reference.score(gold, answer)["rougeL"].fmeasure
        assert scores.rouge_l(answer, gold) == pytest.approx(expected), (answer, gold)
    assert scores.rouge_l("", "x") == 0.0


def test_retrieval_figures_are_those_of_trec_eval():
    rng = Random(7)
    names = [f"d{i}" for i in range(30)]
    measures = {"ndcg_cut_10", "recall_10", "recip_rank"}
    for _ in range(100):
        ranked = rng.sample(names, rng.randint(1, 20))
        relevant = rng.sample(names, rng.randint(1, 6))
        judged = pytrec_eval.RelevanceEvaluator({"q": dict.fromkeys(relevant, 1)}, measures)
        run = {name: float(len(ranked) - place) for place, name in enumerate(ranked)}
        expected = judged.evaluate({"q": run})["q"]
        ours = dict.fromkeys(relevant, 1.0)
        assert metrics.ndcg(ranked, ours, 10) == pytest.approx(expected["ndcg_cut_10"])
        assert metrics.recall(ranked, relevant, 10) == pytest.approx(expected["recall_10"])
        assert metrics.reciprocal_rank(ranked, relevant) == pytest.approx(expected["recip_rank"])


def test_exact_match_and_f1_as_squad_counts_them():
    # Worked by hand after Rajpurkar et al. 2016: articles, case and punctuation do not count.
    score = scores.score(TORQUE, said("The 25 Nm."))
    assert (score.exact, score.f1) == (True, 1.0)
    longer = scores.score(TORQUE, said("It is 25 Nm"))
    assert longer.exact is False
    assert longer.f1 == pytest.approx(2 * (2 / 4) * 1 / (2 / 4 + 1))
