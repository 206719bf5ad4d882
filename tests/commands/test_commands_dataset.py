"""dataset and feedback at the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loresmith.dataset import store

ROWS = [
    {"question": f"Which torque has bolt M{i} of the P-{p}?", "answer": f"{i + p} Nm"}
    for i in range(5, 25)
    for p in (200, 300)
]


@pytest.fixture
def here(loresmith, tmp_path) -> Path:
    assert loresmith("init", "plant", "--model", "none").status == 0
    return tmp_path


def write(path: Path, *records: object) -> None:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records) + "\n")


def test_import_makes_a_dataset_and_says_what_it_left_out(loresmith, here):
    write(here / "rows.jsonl", *ROWS, "{broken", {"question": "Alone?"}, ROWS[0])
    ran = loresmith("dataset", "import", "rows.jsonl", "-w", "plant", "--json")
    assert ran.status == 0, ran.err
    found = ran.json
    assert (found["accepted"], found["repaired"]) == (40, 0)
    assert [(r["row"], r["reason"].split(" (")[0].split(":")[0]) for r in found["rejected"]] == [
        (41, "not JSON"),
        (42, "no question and answer"),
        (43, "duplicate"),
    ]
    assert sum(found["splits"].values()) == 40
    assert found["format"] == "question/answer, JSON lines"
    assert store.load(here / "plant/.loresmith/datasets").id == found["dataset"]
    assert Path(found["report"]).is_file()


def test_the_text_names_columns_reasons_and_what_comes_next(loresmith, here):
    (here / "rows.csv").write_text("Frage;Lösung;Nr\nWelches Öl?;ISO VG 68;1\nWelches Fett?;;2\n")
    ran = loresmith("dataset", "import", "rows.csv", "-w", "plant", "--map", "answer=Lösung")
    assert ran.status == 0, ran.err
    assert "question/answer, CSV (question from Frage, answer from Lösung; not used: Nr)" in ran.out
    assert "row 2: Welches Öl? → ISO VG 68" in ran.out
    assert "1 row accepted, 1 rejected." in ran.out
    assert "1 × no answer" in ran.out
    assert "rows.csv#3" in ran.out
    assert "Too little data to matter: 1 rows" in ran.out
    assert "Next: loresmith train" in ran.out


def test_check_of_a_file_stores_nothing(loresmith, here):
    write(here / "rows.jsonl", *ROWS)
    ran = loresmith("dataset", "check", "rows.jsonl", "-w", "plant", "--json")
    assert (ran.json["dataset"], ran.json["accepted"]) == (None, 40)
    assert ran.json["preview"][0] == {"row": 1, "kind": "closed", **ROWS[0]}
    assert not (here / "plant/.loresmith/datasets").exists()
    ran = loresmith("dataset", "check", "-w", "plant")
    assert ran.status == 1
    assert "There is nothing to check. Run `loresmith dataset build`" in ran.err


def test_only_bad_rows_change_nothing(loresmith, here):
    write(here / "rows.jsonl", *ROWS)
    before = loresmith("dataset", "import", "rows.jsonl", "-w", "plant", "--json").json["dataset"]
    write(here / "bad.jsonl", "{", "[]", {"question": "", "answer": "x"})
    ran = loresmith("dataset", "import", "bad.jsonl", "-w", "plant", "--json")
    assert ran.status == 1
    assert [r["row"] for r in ran.json["rejected"]] == [1, 2, 3]
    assert "none of its 3 rows can be used; nothing was changed" in ran.err
    assert store.current(here / "plant/.loresmith/datasets") == before


def test_the_same_file_again_replaces_its_rows_and_remove_takes_them_out(loresmith, here):
    write(here / "a.jsonl", *ROWS)
    write(here / "b.jsonl", {"question": "Which oil?", "answer": "ISO VG 68"})
    for name in ("a.jsonl", "b.jsonl"):
        loresmith("dataset", "import", name, "-w", "plant")
    write(here / "a.jsonl", *ROWS[:30])
    found = loresmith("dataset", "import", "a.jsonl", "-w", "plant", "--json").json
    assert (found["accepted"], found["rows"]) == (30, 31)
    ran = loresmith("dataset", "remove", "a.jsonl", "-w", "plant")
    assert "30 rows" in ran.out
    assert loresmith("dataset", "check", "-w", "plant", "--json").json["rows"] == 1
    ran = loresmith("dataset", "remove", "c.jsonl", "-w", "plant")
    assert (ran.status, "b.jsonl (1)" in ran.err) == (2, True)


def test_show(loresmith, here):
    ran = loresmith("dataset", "show", "-w", "plant")
    assert (ran.status, "There is no dataset yet" in ran.err) == (1, True)
    write(here / "a.jsonl", *ROWS)
    made = loresmith("dataset", "import", "a.jsonl", "-w", "plant", "--json").json
    shown = loresmith("dataset", "show", "-w", "plant", "--rows", "1")
    assert made["dataset"] in shown.out
    assert "[closed] Which torque has bolt" in shown.out
    raw = loresmith("dataset", "show", made["dataset"][:5], "-w", "plant", "--json").json
    assert raw["splits"] == made["splits"]
    assert raw["check"]["figures"]["facts"] == made["facts"]
    assert [
        d["id"] for d in loresmith("dataset", "show", "--all", "-w", "plant", "--json").json["datasets"]
    ] == [made["dataset"]]


def test_wrong_usage(loresmith, here):
    write(here / "a.jsonl", *ROWS)
    for arguments, problem in [
        (("import", "a.jsonl", "--map", "question"), "not PART=COLUMN"),
        (("import", "a.jsonl", "--map", "question=Quest"), "no column 'Quest'"),
        (("import", "none.jsonl"), "No such file"),
        (("import", "."), "is a folder"),
        (("check", "--map", "question=q"), "go with a file"),
    ]:
        ran = loresmith("dataset", *arguments, "-w", "plant")
        assert ran.status in (1, 2)
        assert problem in ran.err


def test_a_disk_that_is_full_loses_nothing(loresmith, here):
    write(here / "a.jsonl", *ROWS)
    before = loresmith("dataset", "import", "a.jsonl", "-w", "plant", "--json").json["dataset"]
    big = [
        {"question": f"Question {i} about pump P-{i}?", "answer": f"{i} " + "word " * 60} for i in range(4000)
    ]
    write(here / "b.jsonl", *big)
    ran = subprocess.run(
        [
            *("prlimit", "--fsize=300000", sys.executable, "-m", "loresmith"),
            *("dataset", "import", "b.jsonl", "-w", "plant", "--json"),
        ],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "Error: " in ran.stderr
    assert "Traceback" not in ran.stderr
    assert store.load(here / "plant/.loresmith/datasets").id == before
    assert loresmith("dataset", "import", "b.jsonl", "-w", "plant").status == 0


def test_feedback_is_kept_listed_and_taken_back(loresmith, here):
    ran = loresmith(
        "feedback", "Which oil?", "--answer", "Water", "--correct", "ISO VG 68.", "-w", "plant", "--json"
    )
    key = ran.json["feedback"][0]
    listed = loresmith("feedback", "-w", "plant")
    assert "corrected  Which oil?" in listed.out
    assert "Water → ISO VG 68." in listed.out
    found = loresmith("dataset", "check", "-w", "plant", "--json").json
    assert (found["accepted"], found["kinds"]) == (1, {"closed": 1})
    assert loresmith("feedback", "--remove", key[:4], "-w", "plant").status == 0
    assert loresmith("feedback", "-w", "plant", "--json").json == {"feedback": []}


def test_feedback_of_a_file_is_kept_whole_or_not_at_all(loresmith, here):
    lines = [
        {"question": "Which oil?", "answer": "ISO VG 68.", "verdict": "approved"},
        {"question": "Which grease?", "answer": "Butter.", "verdict": "corrected", "correction": "LGMT 2."},
    ]
    write(here / "said.jsonl", *lines, {"question": "Which bolt?", "answer": "M8"})
    ran = loresmith("feedback", "--file", "said.jsonl", "-w", "plant")
    assert (ran.status, "line 3: no verdict" in ran.err) == (2, True)
    assert loresmith("feedback", "-w", "plant", "--json").json == {"feedback": []}
    ran = loresmith("feedback", "--file", "said.jsonl", "--reject", "-w", "plant", "--json")
    assert len(ran.json["feedback"]) == 3
    assert loresmith("dataset", "check", "-w", "plant", "--json").json["accepted"] == 2


def test_feedback_needs_one_verdict_and_a_question(loresmith, here):
    for arguments, problem in [
        (("Q?",), "no verdict"),
        (("Q?", "--approve"), "without the answer"),
        (("Q?", "--approve", "--reject", "--answer", "a"), "More than one verdict"),
        (("--approve",), "question is missing"),
        (("Q?", "--file", "x.json"), "holds questions and answers itself"),
    ]:
        ran = loresmith("feedback", *arguments, "-w", "plant")
        assert ran.status == 2
        assert problem in ran.err


@pytest.mark.models
@pytest.mark.slow
def test_build_asks_feedback_and_import_become_one_dataset(loresmith, plant, tmp_path, model_files):
    model_files("all-MiniLM-L6-v2")
    assert loresmith("sync", "-w", "plant").status == 0
    answer = loresmith("ask", "Which torque for the M8 flange bolts of the P-200?", "-w", "plant", "--json")
    (tmp_path / "answer.json").write_text(answer.out)
    assert loresmith("feedback", "--file", "answer.json", "--approve", "-w", "plant").status == 0
    write(tmp_path / "rows.jsonl", *ROWS)
    assert loresmith("dataset", "import", "rows.jsonl", "-w", "plant").status == 0
    found = loresmith("dataset", "build", "-w", "plant", "--json")
    assert found.status == 0, found.err
    manifest = loresmith("dataset", "show", "-w", "plant", "--json").json
    assert manifest["origins"]["import"] == 40
    assert manifest["origins"]["feedback"] == 2
    assert set(manifest["documents"]) >= {"manual.md"}
    again = loresmith("dataset", "build", "-w", "plant", "--json").json
    assert again["dataset"] == found.json["dataset"]
