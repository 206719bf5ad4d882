"""report and rate on a terminal and for scripts."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from evaluation import made_reports

from loresmith.evaluation.comparison import store


@pytest.fixture
def reports(loresmith, tmp_path) -> Path:
    assert loresmith("init", "plant", "--model", "none").status == 0
    return made_reports.stored(tmp_path / "plant" / ".loresmith" / "reports", 30).parent


def test_the_newest_report_is_shown_again(loresmith, reports):
    ran = loresmith("report", "-w", "plant")
    assert ran.status == 0
    assert "Recommended: " in ran.out
    assert "RAG" in ran.out
    page = reports / "4c1d0b7a93ef" / "report.html"
    assert str(page) in ran.out.replace("\n", "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_for_scripts_the_face_is_that_of_compare(loresmith, reports):
    found = loresmith("report", "4c1d", "-w", "plant", "--json").json
    assert set(found) == {"id", "arms", "strata", "verdict", "report"}
    assert set(found["arms"]["rag"]) == {"correct", "abstention", "citations", "latency", "cost"}
    assert found["verdict"]["recommended"] in found["arms"]
    assert Path(found["report"]).is_file()


def test_what_is_there_is_listed_and_what_is_not_is_said(loresmith, reports):
    assert "4c1d0b7a93ef" in loresmith("report", "--list", "-w", "plant").out
    listed = loresmith("report", "--list", "-w", "plant", "--json").json["reports"]
    assert [(row["id"], row["questions"], row["finished"]) for row in listed] == [("4c1d0b7a93ef", 30, True)]
    ran = loresmith("report", "beef", "-w", "plant")
    assert ran.status != 0
    assert "4c1d0b7a93ef" in ran.err


def test_without_a_comparison_it_says_what_to_run(loresmith, tmp_path):
    assert loresmith("init", "plant", "--model", "none").status == 0
    ran = loresmith("report", "-w", "plant")
    assert ran.status != 0
    assert "loresmith compare" in ran.err
    assert loresmith("report", "--list", "-w", "plant", "--json").json == {"reports": []}


def test_an_unfinished_comparison_says_so(loresmith, reports):
    answers = reports / "4c1d0b7a93ef" / store.ANSWERS
    answers.write_bytes(b"".join(answers.read_bytes().splitlines(keepends=True)[:-20]))
    assert "not finished" in loresmith("report", "-w", "plant").out
    assert "not finished" in loresmith("report", "--list", "-w", "plant").out


def test_a_person_rates_and_the_report_says_how_far_they_agree(loresmith, reports, tmp_path):
    made = loresmith("rate", "export", "sheet.csv", "-w", "plant", "--arms", "rag,tuned", "--json").json
    assert made["arms"] == ["rag", "tuned"]
    sheet = tmp_path / "sheet.csv"
    rows = list(csv.reader(io.StringIO(sheet.read_text(encoding="utf-8-sig"), newline="")))
    for row in rows[1:]:
        row[5] = "both"
    rows[1][5] = "perhaps"
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    sheet.write_text(out.getvalue(), encoding="utf-8")

    ran = loresmith("rate", "import", "sheet.csv", "--rater", "Berta", "-w", "plant")
    assert ran.status == 0
    assert "Row 2: “perhaps” is no choice: write A, B, both or neither." in ran.err
    assert "Agreement with the automatic score" in ran.out
    again = loresmith("rate", "import", "sheet.csv", "--rater", "Berta", "-w", "plant", "--json").json
    assert again["new"] == 0
    assert again["ratings"] == 2 * (made["pairs"] - 1)
    assert "Berta" in (reports / "4c1d0b7a93ef" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("arms", ["rag", "rag,rag", "rag,oracle", "rag,both,tuned", ""])
def test_two_arms_are_wanted(loresmith, reports, arms):
    ran = loresmith("rate", "export", "sheet.csv", "-w", "plant", "--arms", arms)
    assert ran.status == 2
    assert "not two arms" in ran.err
