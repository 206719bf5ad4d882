"""Question files: resumable, and clear about a wrong line."""

from __future__ import annotations

import json

import pytest

from loresmith.commands import batch
from loresmith.commands.common import Call
from loresmith.errors import StorageError, UsageError


def ask(question: str) -> dict[str, object]:
    return {"answer": question.upper(), "abstained": False}


@pytest.fixture
def questions(tmp_path):
    file = tmp_path / "questions.jsonl"
    rows = [{"id": 7, "question": "eins"}, {"id": "b", "question": "zwei"}, {"question": "drei"}]
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return file


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_line_repeats_id_and_question(questions, tmp_path, capsys):
    out = tmp_path / "answers.jsonl"
    batch.run(Call(json=True), questions, out, ask)
    assert lines(out) == [
        {"id": 7, "question": "eins", "answer": "EINS", "abstained": False},
        {"id": "b", "question": "zwei", "answer": "ZWEI", "abstained": False},
        {"id": 3, "question": "drei", "answer": "DREI", "abstained": False},
    ]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["questions"], summary["done"], summary["kept"]) == (3, 3, 0)


def test_stopped_and_run_again_asks_only_what_is_missing(questions, tmp_path, capsys):
    out = tmp_path / "answers.jsonl"
    asked = []

    def stopped(question):
        asked.append(question)
        if question == "zwei" and len(asked) < 3:
            raise KeyboardInterrupt
        return ask(question)

    with pytest.raises(KeyboardInterrupt):
        batch.run(Call(), questions, out, stopped)
    # As after a kill in the middle of a line.
    with out.open("a") as file:
        file.write('{"id": "b", "quest')
    batch.run(Call(), questions, out, stopped)
    assert asked == ["eins", "zwei", "zwei", "drei"]
    assert [row["id"] for row in lines(out)] == [7, "b", 3]
    assert "2 of 3 questions done, 1 were there already" in capsys.readouterr().out


def test_without_out_the_lines_go_to_standard_output(questions, capsys):
    batch.run(Call(), questions, None, ask)
    assert [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()] == [
        "EINS",
        "ZWEI",
        "DREI",
    ]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"id": 1, "question": "a"}\n{"id": 2,\n', "line 2: not JSON"),
        ('{"id": 1}\n', "line 1: no `question`"),
        ("[1]\n", "line 1: no `question`"),
        ('{"id": 1, "question": "a"}\n{"id": 1, "question": "b"}\n', "line 2: the id 1 was used before"),
        ("\n\n", "no questions in it"),
    ],
)
def test_a_wrong_question_file_names_the_line(tmp_path, content, named):
    file = tmp_path / "questions.jsonl"
    file.write_text(content)
    with pytest.raises(UsageError, match=named):
        batch.read_questions(file)


def test_a_missing_or_binary_question_file(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        batch.read_questions(tmp_path / "none.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        batch.read_questions(tmp_path / "binary.jsonl")


@pytest.mark.parametrize(
    "content", ['{"id": 7, "question": "something else"}\n', "notes of mine\n", "notes without a line end"]
)
def test_a_file_that_is_not_ours_is_never_touched(questions, tmp_path, content):
    out = tmp_path / "answers.jsonl"
    out.write_text(content)
    with pytest.raises(UsageError, match="Choose another --out"):
        batch.run(Call(), questions, out, ask)
    assert out.read_text() == content


def test_the_question_file_is_not_written_over(questions):
    before = questions.read_text()
    with pytest.raises(UsageError, match="the question file itself"):
        batch.run(Call(), questions, questions, ask)
    assert questions.read_text() == before


def test_an_out_in_a_missing_folder_is_told_before_the_first_question(questions, tmp_path):
    def never(question):
        raise AssertionError("asked although the answer has nowhere to go")

    with pytest.raises(StorageError, match="No such file or directory"):
        batch.run(Call(), questions, tmp_path / "nowhere/answers.jsonl", never)


def test_a_full_disk_is_named(questions):
    from pathlib import Path

    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with batch.writing(full) as write, pytest.raises(StorageError, match="/dev/full: the disk is full"):
        write("{}")
