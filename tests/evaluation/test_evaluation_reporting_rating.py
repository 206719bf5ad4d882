"""Blinded sheets out, ratings back: what a person with a spreadsheet meets."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import made_reports
import pytest

from loresmith.errors import StorageError, UsageError
from loresmith.evaluation.comparison import scores, store
from loresmith.evaluation.comparison.values import Rating
from loresmith.evaluation.reporting import rating


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = made_reports.stored(tmp_path_factory.mktemp("reports"), 60)
    (found / rating.RATINGS).unlink()
    return found


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "report"))


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill(path: Path, choices: dict[str, str] | str, **how: str) -> Path:
    """The sheet with choices by id (or the same everywhere), as a spreadsheet program saves it."""
    filled = rows(path)
    for row in filled:
        row[rating.CHOICE] = choices if isinstance(choices, str) else choices.get(row["id"], "")
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rating.COLUMNS, delimiter=how.get("delimiter", ","))
    writer.writeheader()
    writer.writerows(filled)
    path.write_bytes(out.getvalue().encode(how.get("encoding", "utf-8-sig"), "replace"))
    return path


def test_a_sheet_does_not_tell_the_arms_and_opens_in_excel(folder, tmp_path):
    sheet = tmp_path / "sheet.csv"
    made = rating.export(folder, sheet, arms=("rag", "both"), pairs=30, seed=1)
    assert made.arms == ("rag", "both")
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbfid,question,accepted answer,A,B,")
    told = rows(sheet)
    assert len(told) == made.pairs
    said = {(r.question, r.arm): r.answer["answer"] for r in store.records(folder)}
    texts = {q.question: q.id for q in store.questions(folder)}
    sides = set()
    for row in told:
        name = texts[row["question"]]
        assert {row["A"], row["B"]} == {said[name, "rag"], said[name, "both"]}
        assert name not in row["id"]
        sides.add(row["A"] == said[name, "rag"])
    assert sides == {True, False}  # either arm stands on either side
    assert not {"rag", "both"} & {cell for row in told for cell in (*row.keys(), row["id"])}


def test_the_same_seed_is_the_same_sheet_and_another_is_not(folder, tmp_path):
    sheets = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        rating.export(folder, tmp_path / name, pairs=20, seed=seed)
        sheets.append((tmp_path / name).read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def test_a_choice_becomes_two_ratings_of_the_right_arms(folder, tmp_path):
    sheet = tmp_path / "sheet.csv"
    rating.export(folder, sheet, arms=("tuned", "rag"), pairs=10)
    questions = {q.question: q for q in store.questions(folder)}
    records = {(r.question, r.arm): r for r in store.records(folder)}
    choices = {}
    for row in rows(sheet):
        question = questions[row["question"]]
        right = [
            side
            for side in "AB"
            if any(
                scores.score(question, records[question.id, arm]).success
                for arm in ("tuned", "rag")
                if records[question.id, arm].answer["answer"] == row[side]
            )
        ]
        choices[row["id"]] = {0: "neither", 1: right[0].lower() if right else "", 2: "Both "}[len(right)]
    found = rating.read(folder, fill(sheet, choices), "Anna")
    assert not found.problems
    assert len(found.ratings) == 20
    for one in found.ratings:
        question = next(q for q in questions.values() if q.id == one.question)
        assert one.accepted == bool(scores.score(question, records[one.question, one.arm]).success)
        assert (one.rater, one.kind) == ("Anna", "person")


def test_the_two_arms_that_served_most_are_taken_unasked(folder, tmp_path):
    assert set(rating.export(folder, tmp_path / "sheet.csv").arms) == {"rag", "both"}


def test_rows_that_cannot_be_read_are_told_and_the_others_count(folder, tmp_path):
    sheet = tmp_path / "sheet.csv"
    rating.export(folder, sheet, pairs=6)
    ids = [row["id"] for row in rows(sheet)]
    fill(sheet, {ids[0]: "A", ids[1]: "maybe", ids[3]: "neither"})
    text = sheet.read_bytes().decode("utf-8-sig").replace(ids[2], "moved")
    sheet.write_bytes(text.encode())
    found = rating.read(folder, sheet, "Anna")
    assert len(found.ratings) == 4
    assert found.empty == 2
    assert [(p.row, p.reason.partition(":")[0]) for p in found.problems] == [
        (3, "“maybe” is no choice"),
        (4, "the id moved is not of this report"),
    ]
    assert all("write" in p.reason or "leave" in p.reason for p in found.problems)


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "cp1252"), ("\t", "utf-8"), (",", "utf-8-sig")])
def test_as_spreadsheet_programs_of_other_countries_save_it(folder, tmp_path, delimiter, encoding):
    sheet = tmp_path / "sheet.csv"
    rating.export(folder, sheet, pairs=5)
    fill(sheet, "B", delimiter=delimiter, encoding=encoding)
    found = rating.read(folder, sheet, "Anna")
    assert (len(found.ratings), found.problems) == (10, [])


def test_an_answer_is_never_a_formula(tmp_path):
    folder = made_reports.stored(tmp_path / "reports", 20)
    lines = (folder / store.ANSWERS).read_text().replace("The bolts are", "=HYPERLINK() are")
    (folder / store.ANSWERS).write_text(lines)
    rating.export(folder, tmp_path / "sheet.csv")
    cells = [row[side] for row in rows(tmp_path / "sheet.csv") for side in "AB"]
    assert any(cell.startswith("'=HYPERLINK()") for cell in cells)
    assert not any(cell.startswith("=") for cell in cells)


def test_a_sheet_that_may_be_filled_in_is_not_written_over(folder, tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        rating.export(folder, sheet)
    assert sheet.read_text() == "mine"


def test_what_is_no_sheet_is_refused_with_what_to_do(folder, tmp_path):
    with pytest.raises(UsageError, match="Check the path"):
        rating.read(folder, tmp_path / "none.csv", "Anna")
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="rate export"):
        rating.read(folder, other, "Anna")
    book = tmp_path / "sheet.xlsx"
    book.write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="Save it as CSV"):
        rating.read(folder, book, "Anna")
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"id,{rating.CHOICE}\nx,A\n")
    with pytest.raises(UsageError, match="No sheet was made"):
        rating.read(folder, sheet, "Anna")


def test_arms_without_answers_or_without_a_difference(folder, tmp_path):
    alone = made_reports.stored(tmp_path / "alone", 10, arms=("rag",))
    with pytest.raises(UsageError, match="loresmith compare"):
        rating.export(alone, tmp_path / "sheet.csv")
    with pytest.raises(UsageError, match="no answers"):
        rating.export(alone, tmp_path / "sheet.csv", arms=("rag", "tuned"))


def test_importing_again_keeps_one_line_and_half_a_line_is_cut(folder):
    said = [Rating(rater="Anna", kind="person", question="q0001", arm="rag", accepted=True)]
    assert rating.append(folder, said) == 1
    assert rating.append(folder, said) == 0
    with (folder / rating.RATINGS).open("ab") as file:
        file.write(b'{"rater": "An')  # what a kill leaves
    assert rating.load(folder) == said
    changed = [Rating(rater="Anna", kind="person", question="q0001", arm="rag", accepted=False)]
    assert rating.append(folder, changed) == 1
    assert rating.load(folder) == [*said, *changed]


def test_a_damaged_line_is_named(folder):
    (folder / rating.RATINGS).write_text("no json\n")
    with pytest.raises(StorageError, match="line 1"):
        rating.load(folder)
