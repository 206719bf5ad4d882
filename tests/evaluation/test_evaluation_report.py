"""comparison/report.py: from the folder of a comparison to report.json, and to the files."""

from __future__ import annotations

import json

import pytest
from evaluation import made_folders
from evaluation.made_folders import every, question, said, served, silence, wrong

from loresmith.errors import StorageError
from loresmith.evaluation.comparison import report, store
from loresmith.evaluation.comparison.values import Record

ASKED = [
    *(question(n) for n in range(40)),
    *(question(n, "changed") for n in range(40, 60)),
    *(question(n, "unanswerable", answer=None, documents=()) for n in range(60, 70)),
    *(
        question(n, "general", question=f"What is {n} + 1?", answer=(str(n + 1),), documents=())
        for n in range(70, 80)
    ),
]
KNOWN = {"rag": {"index_seconds": 4.0, "disk_bytes": 10}}
ANSWERS = {
    "base": lambda q: served(q) if q.stratum == "general" else wrong(q),
    "rag": every(9),
    "tuned": lambda q: wrong(q) if q.stratum in ("changed", "general") else every(5)(q),
    "both": every(6),
    "oracle": every(10),
    "format": every(1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_folders.write(
        tmp_path_factory.mktemp("reports"),
        ASKED,
        ANSWERS,
        known=KNOWN,
    )


@pytest.fixture(scope="module")
def made(folder):
    return report.compute(folder)


def test_shares_are_counted_from_the_answers(made):
    assert {arm: round(f["correct"]["value"] * f["correct"]["n"]) for arm, f in made["arms"].items()} == {
        "base": 0, "rag": 63, "tuned": 30 - 5, "both": 42, "oracle": 70, "format": 7,
    }  # fmt: skip
    assert made["questions"]["asked"] == 80
    assert made["questions"]["by_stratum"] == {
        "indexed": 40,
        "changed": 20,
        "unanswerable": 10,
        "general": 10,
    }


def test_the_verdict_is_of_these_answers(made):
    said = made["verdict"]
    assert (said["kind"], said["winner"], said["recommended"]) == ("winner", "rag", "rag")
    assert said["headline"].startswith("rag wins: it served 63 of 70 questions")
    changed = made["strata"]["changed"]
    assert (changed["questions"], changed["arms"]["rag"]["value"], changed["arms"]["tuned"]["value"]) == (
        20,
        0.9,
        0.0,
    )
    assert changed["recommended"] == "rag"


def test_general_ability_is_apart(made):
    assert made["forgetting"]["base"] == 1.0
    assert made["forgetting"]["tuned"] == 0.0
    assert made["forgetting"]["difference"]["high"] < 0
    assert set(made["strata"]["general"]["arms"]) == {"base", "tuned"}
    assert made["arms"]["base"]["questions"] == 80
    assert made["arms"]["rag"]["questions"] == 70


def test_pairs_are_all_of_the_contenders_and_no_control(made):
    pairs = {(p["one"], p["other"]): p for p in made["pairs"]}
    assert list(pairs) == [
        ("rag", "base"), ("tuned", "base"), ("both", "base"),
        ("tuned", "rag"), ("both", "rag"), ("both", "tuned"),
    ]  # fmt: skip
    found = pairs["both", "rag"]
    assert (found["one_only"], found["other_only"]) == (0, 21)
    assert found["difference"]["value"] == pytest.approx(-0.3)
    assert found["p"] == pytest.approx(2 / 2**21)
    assert found["significant"]


def test_abstention_is_counted_both_ways(made):
    # Of 10 that cannot be answered rag answers one; of 60 that can it is silent on 6.
    assert made["arms"]["rag"]["abstention"] == {
        "precision": pytest.approx(9 / 15, abs=1e-4), "recall": 0.9, "false_answers": 1, "false_refusals": 6,
    }  # fmt: skip


def test_costs_are_those_of_the_folder_and_nothing_is_made_up(made):
    assert made["arms"]["rag"]["cost"]["index_seconds"] == 4.0
    assert made["arms"]["rag"]["cost"]["tokens_per_answer"] == 12
    assert made["arms"]["tuned"]["cost"]["train_seconds"] is None
    assert made["arms"]["rag"]["latency"] == {"p50": 0.5, "p95": 0.5, "mean": 0.5}


def test_it_says_how_it_was_made(made):
    said = made["settings"]
    assert (said["seed"], said["seeds"], said["alpha"], said["resamples"]) == (7, 1, 0.05, 2000)
    assert (said["level"], said["temperature"]) == (0.95, 0.0)
    assert made["literature"][0]["rag"] == 0.875


def test_the_same_folder_gives_the_same_bytes(folder):
    assert json.dumps(report.compute(folder)) == json.dumps(report.compute(folder))


def test_the_order_of_the_answers_does_not_matter(folder, tmp_path):
    path = folder / store.ANSWERS
    lines = path.read_bytes().splitlines(keepends=True)
    again = made_folders.write(tmp_path, ASKED, {arm: {} for arm in ANSWERS}, known=KNOWN)
    (again / store.ANSWERS).write_bytes(b"".join(reversed(lines)))
    assert report.compute(again) == report.compute(folder)


def test_rows_hold_each_question_with_its_answers(folder):
    rows = report.rows(folder)
    assert [r["question"]["id"] for r in rows] == [q.id for q in ASKED]
    first = rows[0]["arms"]
    assert list(first) == ["base", "rag", "tuned", "both", "oracle", "format"]
    assert first["rag"]["score"]["success"] == 1.0
    assert first["rag"]["answer"]["hits"][0]["document"] == "manual.pdf"
    assert list(rows[-1]["arms"]) == ["base", "tuned"]


def test_written_again_nothing_changes(folder):
    report.write(folder)
    before = {name: (folder / name).read_bytes() for name in (report.JSON, report.MARKDOWN, report.HTML)}
    assert report.write(folder)["verdict"]["winner"] == "rag"
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert json.loads(before[report.JSON])["id"] == "0123456789ab"
    assert b"wins: it served 63 of 70 questions" in before[report.HTML]


def test_a_failed_call_is_named_and_counts_as_not_served(tmp_path):
    asked = [question(n) for n in range(40)]
    folder = made_folders.write(
        tmp_path, asked, {"base": wrong, "rag": served}, errors=[("rag", "q0003"), ("rag", "q0004")]
    )
    made = report.compute(folder)
    assert (made["arms"]["rag"]["errors"], made["arms"]["rag"]["correct"]["value"]) == (2, 0.95)
    assert "Some calls failed and count as not served: rag 2." in made["verdict"]["reasons"]
    assert made["arms"]["rag"]["abstention"]["false_refusals"] == 0


def test_arms_are_compared_on_the_same_questions(tmp_path):
    """Broken off: both answered fewer than the others, and only those count for all."""
    asked = [question(n) for n in range(40)]
    half = {q.id: served(q) for q in asked[:30]}
    folder = made_folders.write(tmp_path, asked, {"base": wrong, "rag": served, "both": half})
    made = report.compute(folder)
    assert {arm: f["correct"]["n"] for arm, f in made["arms"].items()} == {"base": 30, "rag": 30, "both": 30}
    assert any("both answered 30 of 40 questions" in w for w in made["questions"]["warnings"])


def test_an_arm_that_was_hardly_begun_does_not_take_the_questions_of_the_others(tmp_path):
    asked = [question(n) for n in range(40)]
    two = {q.id: served(q) for q in asked[:2]}
    folder = made_folders.write(tmp_path, asked, {"base": wrong, "rag": served, "tuned": two})
    made = report.compute(folder)
    assert made["arms"]["rag"]["correct"]["n"] == 40
    assert made["arms"]["tuned"]["correct"]["n"] == 0
    assert made["verdict"]["winner"] == "rag"
    assert "tuned answered 2 of 40 questions (too few to count)" in made["questions"]["warnings"][-1]
    assert made["questions"]["warnings"][-1] in made["verdict"]["reasons"]


def test_nothing_answered_yet_is_a_report_too(tmp_path):
    folder = made_folders.write(tmp_path, [question(1)], {"base": {}, "rag": {}})
    made = report.compute(folder)
    assert made["arms"] == {}
    assert "Nothing could be compared" in made["verdict"]["headline"]


def test_questions_without_an_answer_key_are_asked_and_not_scored(tmp_path):
    asked = [*(question(n) for n in range(30)), *(question(n, answer=()) for n in range(30, 50))]
    folder = made_folders.write(
        tmp_path,
        asked,
        {"base": lambda q: wrong(q) if q.answer else silence(), "rag": lambda q: said("9 Nm")},
    )
    made = report.compute(folder)
    assert made["questions"]["asked"] == 50
    assert made["arms"]["rag"]["correct"]["n"] == 30
    assert made["arms"]["rag"]["questions"] == 50


def test_seeds_are_averaged_before_arms_are_compared(tmp_path):
    asked = [question(n) for n in range(30)]
    folder = made_folders.write(tmp_path, asked, {"base": wrong, "tuned": every(10)})
    with store.appending(folder) as append:
        for q in asked:
            append(Record(question=q.id, arm="tuned", answer=wrong(q), seconds=1.0, seed=1))
    made = report.compute(folder)
    assert made["settings"]["seeds"] == 2
    assert made["arms"]["tuned"]["correct"] == {**made["arms"]["tuned"]["correct"], "value": 0.5, "n": 30}


def test_wordings_of_one_fact_count_as_one(tmp_path):
    """Thirty wordings of three facts are three facts: no winner, where thirty facts would give one."""
    apart = [question(n) for n in range(30)]
    asked = [question(n, cluster=f"fact{n % 3}") for n in range(30)]
    answers = {"base": wrong, "rag": served}
    assert report.compute(made_folders.write(tmp_path / "a", apart, answers))["verdict"]["winner"] == "rag"
    assert report.compute(made_folders.write(tmp_path / "b", asked, answers))["verdict"]["winner"] is None


def test_findings_are_in_the_report_and_flagged_in_the_rows(tmp_path):
    asked = [question(n) for n in range(30)]
    otherwise = said("The torque is 25 Nm.", "25 Nm", "The torque of bolt 3 is 25 Nm.")

    def rag(q):
        return otherwise if q.id == "q0003" else served(q)

    folder = made_folders.write(
        tmp_path, asked, {"base": wrong, "rag": rag, "oracle": rag},
        checks={"absent": {"q0005": ["gone.pdf"]}, "gold_unseen": ["q0003"], "skipped": {}},
    )  # fmt: skip
    made = report.compute(folder)
    assert [e["id"] for e in made["findings"]["suspect_gold"]] == ["q0003"]
    assert [e["id"] for e in made["findings"]["documents_missing"]] == ["q0005"]
    assert "documents_missing" in made["verdict"]["findings"]
    flags = {r["question"]["id"]: r["flags"] for r in report.rows(folder) if r["flags"]}
    assert flags == {"q0003": ["suspect_gold"], "q0005": ["nothing_found"]}


def test_a_folder_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(StorageError, match="loresmith compare"):
        report.compute(tmp_path)
