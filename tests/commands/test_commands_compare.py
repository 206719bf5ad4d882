"""compare at the terminal: what comes out, and what is said of bad input. Without a language model the
arm rag quotes, which is enough to see the command work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.models

ROWS = [
    {"id": "m8", "question": "Which torque for the M8 flange bolts of the P-200?", "answer": "25 Nm",
     "documents": ["manual.md"]},
    {"id": "seal", "question": "How often is the mechanical seal changed?", "answer": "every 8,000 hours",
     "documents": ["manual.md"]},
    {"id": "wrong", "question": "At which temperature are spare seals stored?",
     "answer": "between 5 and 99 °C", "documents": ["storage.txt"]},
    {"id": "colour", "question": "Which colour has the X-900 fan?", "answer": None},
]  # fmt: skip


@pytest.fixture
def synced(loresmith, plant, tmp_path, model_files):
    model_files("all-MiniLM-L6-v2")
    assert loresmith("sync", "-w", "plant").status == 0
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return plant


def test_compare_gives_a_verdict_and_a_report_and_asks_nothing_twice(loresmith, synced, tmp_path):
    ran = loresmith("compare", "-w", "plant", "--questions", "q.jsonl", "--json")
    assert ran.status == 0, ran.err
    assert "base is not compared: there is no language model" in ran.err
    assert "About" in ran.err
    assert ran.json.keys() == {"id", "arms", "strata", "verdict", "report"}
    rag = ran.json["arms"]["rag"]
    assert rag.keys() == {"correct", "abstention", "citations", "latency", "cost"}
    assert rag["correct"]["value"] == 0.75
    assert rag["cost"]["index_seconds"] > 0
    assert ran.json["strata"].keys() == {"indexed", "unanswerable"}
    assert ran.json["verdict"].keys() == {"winner", "recommended", "kind", "headline", "reasons"}
    page = Path(ran.json["report"]).read_text(encoding="utf-8")
    assert "Which torque for the M8 flange bolts of the P-200?" in page
    manifest = json.loads((tmp_path / f"plant/.loresmith/reports/{ran.json['id']}/manifest.json").read_text())
    assert manifest["checks"]["gold_unseen"] == ["wrong"]
    again = loresmith("compare", "-w", "plant", "--questions", "q.jsonl", "--json")
    assert again.json["id"] == ran.json["id"]
    assert "About" not in again.err
    shown = loresmith("compare", "-w", "plant", "--questions", "q.jsonl")
    assert shown.status == 0
    assert "report.html" in shown.out


def test_estimate_asks_two_and_stops(loresmith, synced):
    ran = loresmith(
        "compare", "-w", "plant", "--questions", "q.jsonl", "--estimate", "--no-controls", "--json"
    )
    assert ran.status == 0, ran.err
    assert (ran.json["answers"], ran.json["kept"]) == (2, 2)
    assert ran.json["by_arm"].keys() == {"rag"}


def test_limit_takes_an_even_sample_and_says_so(loresmith, synced):
    ran = loresmith("compare", "-w", "plant", "--questions", "q.jsonl", "--limit", "2", "--json")
    assert ran.status == 0, ran.err
    assert "2 of 4 questions are asked, evenly over the strata" in ran.err
    assert ran.json["arms"]["rag"]["correct"]["n"] == 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--arms", "rag,all"], 2, "--arms rag,all: all is none. Arms: base, rag, tuned, both"),
        (["--arms", "base"], 2, "No arm can be asked here (base: there is no language model"),
        (["--questions", "none.jsonl"], 1, "none.jsonl: No such file or directory"),
        (["--questions", "q.pdf"], 1, "is no question file (application/pdf). Wanted: JSON lines"),
        (["--questions", "bad.csv"], 1, "holds no question. Its columns are name, price."),
        (["--adapter", "lora-1"], 1, "lora-1: no adapter of that name here. Train one: loresmith train"),
        ([], 1, "There is no question file, and no dataset"),
        (["--limit", "0"], 2, "Invalid value for '--limit'"),
    ],
)
def test_bad_input_is_told(loresmith, synced, tmp_path, arguments, status, message):
    (tmp_path / "q.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "bad.csv").write_text("name,price\nbolt,3\n")
    ran = loresmith("compare", "-w", "plant", *arguments)
    assert ran.status == status
    assert message in " ".join(ran.err.split())
    assert not (synced / ".loresmith/reports").exists()


def test_before_a_sync_it_says_what_to_run(loresmith, plant, tmp_path):
    (tmp_path / "q.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    ran = loresmith("compare", "-w", "plant", "--questions", "q.jsonl")
    assert ran.status == 2
    assert "rag: nothing is indexed; run `loresmith sync`" in ran.err
