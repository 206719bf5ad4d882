"""A whole comparison with a real model in llama.cpp: a tiny one that says 25 Nm to everything, and an
adapter with which it says 49 Nm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import HashEmbedder
from models.tiny_models import write_lora, write_phi3_gguf

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import store as datasets
from loresmith.dataset.example import Example
from loresmith.errors import DatasetError, ModelError, StorageError, UsageError
from loresmith.evaluation.comparison import (
    controls,
    costs,
    prepare,
    questions,
    run,
    scores,
    store,
    strata,
    tally,
)
from loresmith.evaluation.comparison.values import Question
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.models.fingerprint import fingerprint
from loresmith.training import adapters

pytest.importorskip("gguf", reason="pip install loresmith[train]")

MANUAL = """# P-200 service manual

## Torques

The torque for the M8 flange bolts of the P-200 is 25 Nm. The torque for the M10 foot bolts is 49 Nm.
"""
ANSWER = ["The", " torque", " is", " 25", " Nm", ".", "<|end|>", " It", " 49", " Nm"]
ROWS = [
    {"id": "m8", "question": "Which torque for the M8 flange bolts of the P-200?", "answer": "25 Nm",
     "documents": ["p-200.md"]},
    {"id": "m10", "question": "Which torque for the M10 foot bolts of the P-200?", "answer": "49 Nm",
     "documents": ["p-200.md"]},
    {"id": "fan", "question": "How loud is the fan of the X-900?", "answer": None},
]  # fmt: skip
ALL = ["base", "rag", "tuned", "both", "oracle", "format"]


def closed(question: str, answer: str, document: str, fact: str) -> Example:
    messages = (*unaided.messages(question), {"role": "assistant", "content": answer})
    return Example(
        messages=messages,
        kind="closed",
        question=question,
        documents=(document,),
        fact=fact,
        origin="table:x",
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phi3_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", ANSWER, context=4096)


@pytest.fixture
def plant(tmp_path: Path, model: Path) -> Iterator[Workspace]:
    """A workspace that is synchronised, with a dataset and the adapter that was trained on it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL, encoding="utf-8")
    folder = folders.create(tmp_path / "plant", {"model.name": str(model), "model.threads": 1})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        workspace.add(str(tmp_path / "docs"))
        workspace.sync()
        yield workspace


def train(plant: Workspace, *rows: Example) -> adapters.Adapter:
    rows = rows or tuple(
        closed(f"What is the torque of bolt B{i}?", f"Bolt B{i}: {i} Nm.", f"old{i}.md", f"f{i}")
        for i in range(6)
    )
    versions = {info.id: info.version for info in plant.documents()}
    dataset = datasets.save(
        plant.folder.datasets_dir, rows, {r.id: "train" for r in rows}, documents=versions
    )
    path = Path(plant.folder.config.model.name)
    card = {
        "base_model": str(path), "base_fingerprint": fingerprint(path), "labels": [],
        "dataset": {"id": dataset.id, "documents": dict(dataset.documents or {})},
        "figures": {"seconds": 12.5}, "created": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    write_lora(plant.folder.adapters_dir / "lora-0123abcd", " is", " It", **card)
    return adapters.use(plant.folder.adapters_dir, "lora-0123abcd")


def question_file(tmp_path: Path, rows=ROWS) -> questions.QuestionFile:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return questions.read(path)


def compare(plant: Workspace, tmp_path: Path, rows=ROWS, *, general: bool = False, **more) -> Path:
    adapter = adapters.current(plant.folder.adapters_dir)
    held = run.hold(plant.folder, adapter)
    train_rows = strata.taught(held, adapter, []).train or ()
    with Workspace(held, embedder=HashEmbedder()) as workspace:
        arms, skipped = run.possible(held, adapter, train_rows)
        prepared = prepare.prepare(workspace, question_file(tmp_path, rows), adapter=adapter, general=general)
        return run.compare(
            workspace, prepared, arms=arms, skipped=skipped, adapter=adapter, train=train_rows, **more
        )


def success(folder: Path) -> dict[str, dict[str, float]]:
    asked = {q.id: q for q in store.questions(folder)}
    found: dict[str, dict[str, float]] = {}
    for record in store.records(folder):
        found.setdefault(record.arm, {})[record.question] = scores.score(
            asked[record.question], record
        ).success
    return found


def test_every_arm_and_control_is_asked_the_same_questions(plant, tmp_path):
    train(plant)
    folder = compare(plant, tmp_path, general=True)
    found = success(folder)
    assert sorted(found) == sorted(ALL)
    assert all({"m8", "m10", "fan"} <= answers.keys() for answers in found.values())
    # General ability concerns the weights alone.
    assert {arm for arm in ALL if len(found[arm]) > 3} == {"base", "tuned"}
    # What the tiny model says is 25 Nm, with the adapter 49 Nm; only what a passage proves leaves rag.
    assert (found["base"]["m8"], found["base"]["m10"]) == (1, 0)
    assert (found["tuned"]["m8"], found["tuned"]["m10"]) == (0, 1)
    assert found["rag"]["m8"] == found["oracle"]["m8"] == 1
    assert found["both"]["m10"] == 1
    assert store.finished(folder)
    by_arm = {r.arm: r.answer for r in store.records(folder) if r.question == "m8"}
    assert (by_arm["both"]["adapter"], by_arm["oracle"]["adapter"]) == ("lora-0123abcd", None)
    assert [h["document"] for h in by_arm["oracle"]["hits"]] == ["p-200.md"]
    assert by_arm["format"]["hits"] == []


def test_the_oracle_rests_on_the_gold_passages_and_asks_no_table(plant, tmp_path):
    (tmp_path / "docs" / "pumps.csv").write_text(
        "Pump,Site\nA-1,Basel\nA-2,Lyon\nA-3,Lyon\n", encoding="utf-8"
    )
    plant.sync()
    asked = {"id": "t", "question": "How many pumps are in Lyon?", "answer": "2", "documents": ["pumps.csv"]}
    folder = compare(plant, tmp_path, [*ROWS, asked])
    told = {r.arm: r.answer for r in store.records(folder) if r.question == "t"}
    assert told["rag"]["via"] == "tables"
    assert told["oracle"]["via"] == "passages"
    assert {hit["document"] for hit in told["oracle"]["hits"]} == {"pumps.csv"}
    # What tables answered says nothing of retrieval.
    by_id = {q.id: q for q in store.questions(folder)}
    board = tally.Board(scores.score(by_id[r.question], r) for r in store.records(folder))
    test = tally.Test(seed=0, resamples=50)
    whole, part = (board.beside("oracle", "rag", test, without) for without in ((), {"t"}))
    assert (whole.contender.n, part.contender.n) == (4, 3)


def test_the_same_comparison_again_asks_nothing_and_another_one_is_another(plant, tmp_path):
    train(plant)
    first = compare(plant, tmp_path)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    told = []
    again = compare(plant, tmp_path, on_estimate=lambda e: told.append(e) or True)
    assert again == first
    assert not told
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    (tmp_path / "docs" / "new.md").write_text("The X-900 hums.", encoding="utf-8")
    plant.sync()
    assert compare(plant, tmp_path) != first


def test_the_estimate_comes_after_two_answers_of_each_arm_and_may_end_it(plant, tmp_path):
    train(plant)
    told = []
    folder = compare(plant, tmp_path, on_estimate=lambda e: told.append(e))
    (found,) = told
    assert (found.kept, found.answers) == (12, 6)
    assert found.seconds > 0
    assert len(store.records(folder)) == 12
    assert not store.finished(folder)
    assert len(store.records(compare(plant, tmp_path))) == 18


def test_half_a_line_of_a_kill_costs_one_answer(plant, tmp_path):
    train(plant)
    folder = compare(plant, tmp_path)
    answers = folder / store.ANSWERS
    lines = answers.read_bytes().splitlines(keepends=True)
    answers.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    assert len(store.records(folder)) == 17
    compare(plant, tmp_path)
    records = store.records(folder)
    assert len(records) == 18
    assert {(r.arm, r.question): r.answer["answer"] for r in records} == {
        (raw["arm"], raw["question"]): raw["answer"]["answer"] for raw in map(json.loads, lines)
    }


def test_a_comparison_that_is_killed_goes_on(plant, tmp_path):
    train(plant)
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    script = """
import os, signal, sys
from pathlib import Path
from helpers import HashEmbedder
from loresmith.evaluation.comparison import prepare, questions, run, store, strata
from loresmith.expert import Workspace
from loresmith.training import adapters
from loresmith import workspace as folders
folder = folders.open_dir(Path(sys.argv[1]))
adapter = adapters.current(folder.adapters_dir)
held = run.hold(folder, adapter)
rows = strata.taught(held, adapter, []).train
def dies(*_):
    if len([l for p in held.reports_dir.glob('*/answers.jsonl') for l in p.open()]) >= 5:
        os.kill(os.getpid(), signal.SIGKILL)
with Workspace(held, embedder=HashEmbedder()) as workspace:
    arms, skipped = run.possible(held, adapter, rows)
    made = prepare.prepare(workspace, questions.read(Path(sys.argv[2])), adapter=adapter, general=False)
    run.compare(workspace, made, arms=arms, adapter=adapter, train=rows, progress=dies)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", script, str(plant.folder.root), str(file)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (folder,) = plant.folder.reports_dir.iterdir()
    assert len(store.records(folder)) == 5
    kept = {(r.arm, r.question): r.seconds for r in store.records(folder)}
    assert compare(plant, tmp_path) == folder
    records = store.records(folder)
    assert len(records) == 18
    assert {key: s for r in records if (key := (r.arm, r.question)) in kept for s in [r.seconds]} == kept


def test_a_question_that_fails_is_recorded_and_asked_again_the_next_time(plant, tmp_path):
    long = {"id": "long", "question": "Is it so that " + "very " * 4500 + "loud?", "answer": "no"}
    folder = compare(plant, tmp_path, [*ROWS, long])
    failed = [r for r in store.records(folder) if r.error]
    assert {(r.question, r.arm) for r in failed} >= {("long", "base")}
    assert all(r.question == "long" for r in failed)
    assert "PromptTooLong" in failed[0].error
    assert success(folder)["base"] == {"m8": 1, "m10": 0, "fan": 0, "long": 0}
    assert store.finished(folder)


def test_ten_failures_for_the_same_reason_end_it_with_the_reason(plant, tmp_path):
    rows = [{"id": str(n), "question": f"Which torque has bolt {n}?", "answer": "1"} for n in range(30)]
    with Workspace(plant.folder, embedder=HashEmbedder(), model=FakeModel("It is.")) as workspace:
        workspace.model().close()
        prepared = prepare.prepare(workspace, question_file(tmp_path, rows))
        with pytest.raises(ModelError, match=r"10 questions in a row failed in the arm base.*fake is closed"):
            run.compare(workspace, prepared, arms=["base"])
    (folder,) = plant.folder.reports_dir.iterdir()
    assert len(store.records(folder)) == 10


def test_a_comparison_names_the_labels_of_what_its_answers_may_hold(plant, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "pay.md").write_text("Erna Frost earns 90,000 euros a year.")
    plant.add(str(tmp_path / "secret"), labels=["staff"])
    plant.sync()
    assert store.manifest(compare(plant, tmp_path))["labels"] == ["staff"]


def test_without_an_adapter_the_rest_is_compared_and_that_is_said(plant, tmp_path):
    folder = compare(plant, tmp_path)
    manifest = store.manifest(folder)
    assert manifest["arms"] == ["base", "rag", "oracle"]
    assert manifest["adapter"] is None
    assert any("tuned is not compared: there is no adapter" in w for w in manifest["warnings"])


def test_an_adapter_of_other_weights_is_left_out_with_the_reason(plant, tmp_path):
    adapter = train(plant)
    card = json.loads((adapter.folder / "card.json").read_text())
    other = {**card, "base_fingerprint": "0" * 16, "base_model": "phi-3-mini"}
    (adapter.folder / "card.json").write_text(json.dumps(other))
    manifest = store.manifest(compare(plant, tmp_path))
    assert manifest["arms"] == ["base", "rag", "oracle", "format"]
    assert any("was trained on phi-3-mini, not on" in w for w in manifest["warnings"])


def test_without_a_model_only_quoting_is_left(plant, tmp_path):
    with Workspace.open(plant.folder.root, {"model.name": "none"}) as none:
        arms, skipped = run.possible(none.folder, None, ())
        assert arms == ["rag", "oracle"]
        assert "no language model" in skipped["base"]
        with pytest.raises(UsageError, match=r"No arm can be asked here.*no language model"):
            run.possible(none.folder, None, (), ["base"])


def test_what_is_held_constant(plant):
    adapter = train(plant)
    with Workspace.open(plant.folder.root, {"model.temperature": 0.9, "model.name": "auto"}) as warm:
        held = run.hold(warm.folder, adapter).config.model
    assert held.temperature == 0.0
    assert held.name == adapter.base_model
    assert held.adapter == str(adapter.folder)


def test_documents_that_change_meanwhile_end_it(plant, tmp_path):
    train(plant)

    def changes(stage: str, done: int, total: int | None) -> None:
        if stage == "asking rag":
            (tmp_path / "docs" / "p-200.md").write_text(MANUAL + "\nNew.\n", encoding="utf-8")
            plant.sync()

    with pytest.raises(StorageError, match="synchronised while they were being asked about"):
        compare(plant, tmp_path, progress=changes)


def test_documents_that_changed_after_training_are_a_stratum_of_their_own(plant, tmp_path):
    train(plant, closed("Which torque has the M8?", "25 Nm.", "p-200.md", "m8"))
    before = store.questions(compare(plant, tmp_path))
    assert {q.id: q.stratum for q in before} == {"m8": "trained", "m10": "trained", "fan": "unanswerable"}
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL.replace("25 Nm", "30 Nm"), encoding="utf-8")
    (tmp_path / "docs" / "x.md").write_text("The X-1 weighs 3 kg.", encoding="utf-8")
    plant.sync()
    rows = [
        *ROWS,
        {"id": "came later", "question": "What does the X-1 weigh?", "answer": "3 kg", "documents": ["x.md"]},
        {"id": "gone", "question": "What does the X-2 weigh?", "answer": "4 kg", "documents": ["y.md"]},
        {"id": "named", "question": "Say it as we do.", "answer": "so", "stratum": "style"},
        {"id": "form", "question": "Say it shortly.", "answer": "so", "pattern": "^So"},
        {"id": "nowhere", "question": "What is the sense?", "answer": "none known"},
    ]
    folder = compare(plant, tmp_path, rows)
    assert {q.id: q.stratum for q in store.questions(folder)} == {
        "m8": "changed", "m10": "changed", "fan": "unanswerable", "came later": "changed", "gone": "other",
        "named": "style", "form": "style", "nowhere": "other",
    }  # fmt: skip
    manifest = store.manifest(folder)
    assert manifest["checks"]["absent"] == {"gone": ["y.md"]}
    # The answer key still says 25 Nm, which stands nowhere any more.
    assert manifest["checks"]["gold_unseen"] == ["m8"]
    assert any("changed or gone since (p-200.md)" in w for w in manifest["warnings"])


def test_costs_are_measured_or_unknown(plant, tmp_path):
    train(plant)
    folder = compare(plant, tmp_path)
    found = costs.costs(folder)
    assert found["rag"]["index_seconds"] > 0
    assert found["rag"]["change_one_fact_seconds"] > 0
    assert found["base"]["index_seconds"] == found["base"]["train_seconds"] == 0
    assert found["tuned"]["train_seconds"] == 12.5
    # Nobody built that dataset here, so nobody knows what a new one takes.
    assert found["tuned"]["prepare_seconds"] is None
    assert found["tuned"]["change_one_fact_seconds"] is None
    assert found["both"]["disk_bytes"] > found["tuned"]["disk_bytes"] > found["base"]["disk_bytes"] > 0
    assert all(10e6 < found[arm]["peak_memory_bytes"] < 10e9 for arm in ALL)
    assert found["base"]["tokens_per_answer"] > 3
    assert found["rag"]["tokens_per_prompt"] > found["base"]["tokens_per_prompt"]


def test_examples_of_the_answer_format_come_from_training_and_never_from_a_question():
    rows = [closed(f"Question {n}?", f"Answer {n}.", f"d{n % 3}.md", f"f{n}") for n in range(12)]
    asked = [Question(id="a", question="please question 3", answer=("x",), stratum="trained", cluster="f5")]
    shown = controls.shots(rows, asked, 0)
    assert len(shown) == 4
    assert not {"Question 3?", "Question 5?"} & {q for q, _ in shown}
    assert shown == controls.shots(rows[::-1], asked, 0) != controls.shots(rows, asked, 1)
    fake = FakeModel("So.")
    unaided.unaided("New?", fake, folders.Config().model, shots=shown)
    roles = [m["role"] for m in fake.prompts[0]]
    assert roles == ["system", *["user", "assistant"] * 4, "user"]


def test_nothing_left_to_ask_says_why(plant, tmp_path):
    train(plant, closed(ROWS[0]["question"].upper(), "25 Nm.", "p-200.md", "m8"))
    with pytest.raises(DatasetError, match=r"No question is left to ask.*m8: leak: the same question"):
        compare(plant, tmp_path, ROWS[:1])


def test_an_even_sample_keeps_every_stratum():
    asked = [
        Question(id=str(n), question=f"Q{n}?", answer=("a",), stratum="indexed" if n < 90 else "style")
        for n in range(100)
    ]
    chosen = prepare.sample(asked, 20, 0)
    assert len(chosen) == 20
    assert sum(q.stratum == "style" for q in chosen) == 2
    assert [int(q.id) for q in chosen] == sorted(int(q.id) for q in chosen)
    assert chosen == prepare.sample(asked, 20, 0) != prepare.sample(asked, 20, 1)
    assert len(prepare.sample(asked, 1000, 0)) == 100
    assert len(prepare.sample(asked, 1, 0)) == 1


def test_the_general_by_idare_answered_by_their_own_answers():
    asked = prepare.shipped(1000, 0)
    assert len(asked) >= 60
    assert len({q.question for q in asked}) == len({q.id for q in asked}) == len(asked)
    for question in asked:
        for answer in question.answer:
            assert scores.right(question.question, answer, question.answer), question.id
        assert not scores.right(question.question, "I cannot tell.", question.answer), question.id
        assert (
            not scores.right(question.question, question.question, question.answer)
            or "or" in question.question
        )


def test_a_comparison_of_nobody_is_refused(plant):
    with pytest.raises(UsageError, match="Nothing was compared here yet"):
        store.find(plant.folder.reports_dir)
    assert store.latest(plant.folder.reports_dir) is None
