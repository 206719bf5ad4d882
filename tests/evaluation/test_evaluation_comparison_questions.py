"""Question files of every kind and quality, leaks, and questions that were held out of training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dataset.dataset_rows import closed, grounded
from helpers import HashEmbedder
from parsing.make import cells, xlsx

from loresmith import workspace as folders
from loresmith.dataset import store as datasets
from loresmith.dataset.queries import pair
from loresmith.errors import DatasetError
from loresmith.evaluation.comparison import heldout, leakage, prepare, questions, store, strata
from loresmith.evaluation.comparison.values import Question
from loresmith.expert import Workspace

COUNT = "SELECT COUNT(*) FROM pumps"


def write(path: Path, content: str | bytes) -> questions.QuestionFile:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return questions.read(path)


def asked(file: questions.QuestionFile) -> dict[str, Question]:
    return {q.id: q for q in questions.to_questions(file)[0]}


TABLE = [
    ["Some title"],
    ["id", "question", "answer", "documents", "page", "terms"],
    ["a", "How hot?", "90 °C | 90 degrees", "a.pdf; b.pdf", "p. 3", "Grad"],
    ["b", "Who?", "null", "", "", ""],
    ["c", "When?", "", "", "", ""],
]


def as_csv(rows) -> str:
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows[1:])


def as_xlsx(rows) -> bytes:
    return xlsx({"Questions": cells(dict(enumerate(rows, 1)))})


@pytest.mark.parametrize(
    "content",
    [
        as_csv(TABLE),
        as_csv(TABLE).replace('","', '"\t"'),
        as_xlsx(TABLE),
        json.dumps(
            [
                {"id": "a", "question": "How hot?", "answer": ["90 °C", "90 degrees"],
                 "documents": ["a.pdf", "b.pdf"], "page": 3, "terms": "Grad"},
                {"id": "b", "question": "Who?", "answer": None},
                {"id": "c", "question": "When?"},
            ]
        ),
    ],
    ids=["csv", "tsv", "xlsx", "json"],
)  # fmt: skip
def test_the_same_questions_in_every_kind_of_file(tmp_path, content):
    # The name says nothing: the content decides.
    found = asked(write(tmp_path / "questions.txt", content))
    assert found["a"].answer == ("90 °C", "90 degrees")
    assert (found["a"].documents, found["a"].pages, found["a"].terms) == (("a.pdf", "b.pdf"), (3,), ("Grad",))
    assert found["b"].answer is None
    assert found["c"].answer == ()


def test_bad_rows_are_named_and_the_others_asked(tmp_path):
    lines = [
        '{"question": "Good?", "answer": "yes"}',
        '{"answer": "an answer alone"}',
        "{broken",
        '{"question": "  ", "answer": null}',
        '{"question": "Object?", "answer": {"a": 1}}',
        '{"question": "Pattern?", "pattern": "("}',
        "[1, 2]",
        '{"question": "Stratum?", "answer": 5, "stratum": "traind", "page": "cover"}',
    ]
    file = write(tmp_path / "q.jsonl", "\n".join(lines))
    assert {p.line: p.reason for p in file.problems} == {
        2: "an answer without a question",
        3: "not JSON (Expecting property name enclosed in double quotes, character 2)",
        4: "no question",
        5: "the answer is an object; give a text, a list of texts, or null",
        6: "pattern is no regular expression (missing ), unterminated subpattern at position 0)",
        7: "not an object with a question",
    }
    assert [q.question for q in asked(file).values()] == ["Good?", "Stratum?"]
    assert asked(file)["q8"].answer == ("5",)
    assert any("'traind' is not known and is left out; did you mean trained?" in w for w in file.warnings)
    assert any("page 'cover' is no number" in w for w in file.warnings)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"%PDF-1.7\n", r"is no question file \(application/pdf\).*Wanted: JSON lines"),
        (b"", "is empty"),
        (b"name,price\nbolt,3\n", r"holds no question. Its columns are name, price.*Wanted"),
        (b'{"answer": "a"}\n{"answer": "b"}\n', "line 1: an answer without a question"),
        (b'{"question": "cut off', "not JSON"),
    ],
)
def test_a_file_without_a_question_says_what_it_is_and_what_is_wanted(tmp_path, content, problem):
    with pytest.raises(DatasetError, match=problem):
        write(tmp_path / "questions", content)


def test_a_question_asked_twice_counts_once_and_two_answers_are_told(tmp_path):
    rows = [
        {"id": "a", "question": "What is the torque of the M8 bolts?", "answer": "25 Nm"},
        {"id": "b", "question": "what is torque of M8 bolt", "answer": "25"},
        {"id": "c", "question": "What is the torque of M8 bolts", "answer": "30 Nm"},
        {"id": "a", "question": "What is the torque of the M10 bolts?", "answer": "49 Nm"},
    ]
    file = write(tmp_path / "q.jsonl", "\n".join(map(json.dumps, rows)))
    kept, removed, warnings = questions.to_questions(file)
    assert [q.id for q in kept] == ["a", "a#2"]
    assert {r.id: r.reason for r in removed} == {
        "b": "asked twice",
        "c": "asked twice, with another answer: only the first one is used",
    }
    assert any("c asks what a asks and accepts another answer" in w for w in warnings)


TRAIN = [
    closed("What is the torque of the M8 bolts?", "The torque is 25 Nm.", documents=("a.pdf",)),
    closed(
        "How long is the guarantee for a pump of this series in years?", "Two years.", documents=("a.pdf",)
    ),
    grounded("Which oil does the gear take?", "ISO VG 68", "The gear takes ISO VG 68."),
]


def leaks(*rows: tuple[str, str], embedder=None) -> dict[str, str]:
    found = [Question(id=q, question=q, answer=(a,), stratum="indexed") for q, a in rows]
    return {leak.id: leak.reason for leak in leakage.find(found, TRAIN, embedder)}


def test_what_was_trained_is_no_test():
    assert "the same question" in leaks(("what is torque of M8 bolt", "25 Nm"))["what is torque of M8 bolt"]
    near = "How long is the guarantee for a pump of the series in years?"
    assert "nearly the same words" in leaks((near, "Two years"))[near]
    assert leaks(("Which oil does the gear take?", "ISO VG 68"))


def test_another_code_or_another_answer_is_another_question():
    assert not leaks(("What is the torque of the M10 bolts?", "49 Nm"))
    assert not leaks(("How long is the guarantee for a pump of that series in years?", "five years"))
    assert not leaks(("Which torque do I need for M8?", "25 Nm"))


def test_nearly_the_same_meaning_is_found_by_the_embedder():
    question = "of the M8 bolts, the torque: what is it? the the the torque of the bolts M8"

    class Same(HashEmbedder):
        def _embed(self, text):
            return super()._embed("the same")

    assert not leaks((question, "25 Nm"))
    assert "cosine 1.00" in leaks((question, "25 Nm"), embedder=Same())[question]
    assert not leaks((question, "30 Nm"), embedder=Same())
    assert not leaks((question.replace("M8", "M9"), "25 Nm"), embedder=Same())


def test_held_out_questions_are_those_that_never_trained(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ("told.md", "held.md"):
        (tmp_path / "docs" / name).write_text(f"# {name}\n\nThe pump weighs 3 kg.\n", encoding="utf-8")
    told, held, gone = {"documents": ("told.md",)}, {"documents": ("held.md",)}, {"documents": ("gone.md",)}
    no = "The documents do not say."
    rows = [
        (closed("What does it weigh?", "It weighs 3 kg.", **told, fact="f", value="3 kg"), "train"),
        (closed("How heavy is it?", "It weighs 3 kg.", **told, fact="f", value="3 kg"), "test"),
        (closed("How heavy is the other?", "That weighs 4 kg.", **held, fact="g", value="4 kg"), "test"),
        (closed("Other, heavy", "That weighs 4 kg.", **held, fact="g", value="4 kg"), "test"),
        (closed("What weighs 4 kg?", "The other weighs 4 kg.", **held, fact="r", value="4 kg"), "test"),
        (closed("Tell me all.", "word " * 60, **held, fact="h"), "test"),
        (grounded("How loud is it?", no, "x", "held.md", kind="abstain", fact="i"), "test"),
        (grounded("How tall is it?", no, "x", "held.md", kind="abstain", fact="j", value="2 m"), "test"),
        (closed("Which colour?", "It is blue.", **gone, fact="k", value="blue"), "test"),
        (pair("How many pumps are there?", COUNT, **held, value="12", origin="import:pairs.jsonl#1"), "test"),
        (pair("How many sites are there?", COUNT, **held, value="3", origin="query:held.md"), "test"),
        (pair("Which pumps are there?", COUNT, **held, origin="import:pairs.jsonl#2"), "test"),
    ]
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        workspace.add(str(tmp_path / "docs"))
        workspace.sync()
        infos = workspace.documents()
        versions = {info.id: info.version for info in infos}
        datasets.save(
            folder.datasets_dir, [r for r, _ in rows], {r.id: s for r, s in rows}, documents=versions
        )
        found = heldout.build(workspace, strata.Taught(), infos)
        asked = {q.question: (q.stratum, q.answer) for q in found.questions}
        assert asked == {
            "How heavy is it?": ("trained", ("3 kg",)),
            "How heavy is the other?": ("indexed", ("4 kg",)),
            "What weighs 4 kg?": ("indexed", ("The other weighs 4 kg.",)),
            "How loud is it?": ("unanswerable", None),
            "How many pumps are there?": ("tables", ("12",)),
        }
        assert [r.reason for r in found.removed] == [
            "its document gone.md changed since the question was made"
        ]
        assert any("1 held-out rows are long prose" in w for w in found.warnings)
        prepared = prepare.prepare(workspace)
        assert {q.question for q in prepared.questions} == asked.keys()


def test_without_a_file_and_a_dataset_it_says_what_to_do(tmp_path):
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    with (
        Workspace(folder, embedder=HashEmbedder()) as workspace,
        pytest.raises(DatasetError, match=r"no question file.*--questions FILE"),
    ):
        prepare.prepare(workspace)


def test_questions_without_a_known_answer_and_few_questions_are_told(tmp_path):
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    file = write(tmp_path / "q.jsonl", '{"question": "Good?", "answer": "yes"}\n{"question": "Open?"}\n')
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        prepared = prepare.prepare(workspace, file)
    assert any("1 questions have no accepted answer (q2 …)" in w for w in prepared.warnings)
    assert any("too few to tell arms apart" in w for w in prepared.warnings)


def test_questions_come_back_from_the_disk_as_they_were(tmp_path):
    asked = [
        Question(id="a", question="Größe?", answer=None, stratum="unanswerable"),
        Question(id="b", question="B?", answer=(), stratum="other", pages=(2, 3), terms=("X",), cluster="c"),
    ]
    manifest = {"id": "abc", "arms": ["base"], "settings": {}}
    folder = store.create(tmp_path / "reports", manifest, asked)
    assert store.questions(folder) == asked
    assert store.manifest(store.find(tmp_path / "reports", "ab")) == manifest
    assert [m["id"] for m in store.listing(tmp_path / "reports")] == ["abc"]
