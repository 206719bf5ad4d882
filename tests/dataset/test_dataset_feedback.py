"""What people say of answers becomes examples, as long as the documents still say it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dataset_rows import closed
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.answering import prompt, unaided
from loresmith.dataset import feedback, pool
from loresmith.errors import UsageError
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.state import State
from loresmith.types import Message

MANUAL = """# P-200 manual

## Torques

The torque for the M8 flange bolts of the P-200 is 25 Nm.

## Oil

Change the oil of the P-200 every 4,000 operating hours.
"""
QUESTION = "Which torque for the M8 flange bolts of the P-200?"


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL, encoding="utf-8")
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder(), model=FakeModel("It is 25 Nm.")) as workspace:
        workspace.add(str(tmp_path / "docs"), labels=["workshop"])
        workspace.sync()
        yield workspace


def lessons(plant: Workspace) -> feedback.Lessons:
    with State.open(plant.folder.state_path) as state:
        return feedback.lessons(state)


def change(plant: Workspace, text: str | None) -> None:
    path = plant.folder.root.parent / "docs" / "p-200.md"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    plant.sync()


def test_an_approved_answer_is_taught_alone_and_with_its_passages(plant):
    answer = plant.ask(QUESTION)
    assert plant.feedback(answer, "approved") == plant.feedback(answer, "approved")
    closed, grounded = lessons(plant).examples
    assert closed.messages == (
        *unaided.messages(QUESTION),
        Message(role="assistant", content="It is 25 Nm."),
    )
    assert (grounded.kind, grounded.answer) == ("grounded", "It is 25 Nm.")
    assert grounded.messages[0]["content"] == prompt.SYSTEM
    assert "flange bolts of the P-200 is 25 Nm." in grounded.messages[1]["content"]
    for example in (closed, grounded):
        assert example.documents == ("p-200.md",)
        assert example.labels == ("workshop",)
        assert example.origin.startswith("feedback:")


def test_a_correction_is_taught_instead_and_with_passages_only_where_they_prove_it(plant):
    answer = plant.ask(QUESTION)
    plant.feedback(answer, "corrected", "The torque is 25 Nm for each of the M8 flange bolts.")
    assert [e.kind for e in lessons(plant).examples] == ["closed", "grounded"]
    plant.feedback(answer, "corrected", "The torque is 32 Nm.")
    found = lessons(plant)
    assert [(e.kind, e.answer) for e in found.examples] == [("closed", "The torque is 32 Nm.")]


def test_the_latest_word_counts_and_a_wrong_answer_is_taught_no_longer(plant):
    answer = plant.ask(QUESTION)
    plant.feedback(answer, "approved")
    plant.feedback(answer, "rejected")
    assert lessons(plant).examples == []
    same = closed(QUESTION, "it is 25 nm")
    other = closed("How often is the oil changed?", "Every 4,000 hours.")
    with State.open(plant.folder.state_path) as state:
        pool.put_built(state, [same, other])
        kept, left_out = pool.collect(state)
    assert [(r.reason, r.example) for r in left_out] == [("called wrong by a person", same)]
    assert kept == [other]
    plant.feedback(answer, "approved")
    assert len(lessons(plant).examples) == 2


def test_an_approved_abstention_teaches_to_abstain(plant):
    answer = plant.ask("Which colour has the crown of the king of France?")
    assert answer.abstained
    plant.feedback(answer, "approved")
    assert answer.hits
    found = lessons(plant).examples
    assert [(e.kind, e.answer, e.passages) for e in found] == [("abstain", "The documents do not say.", ())]


def test_an_approval_falls_with_the_passage_it_rests_on(plant):
    plant.feedback(plant.ask(QUESTION), "approved")
    change(plant, MANUAL.replace("25 Nm", "28 Nm"))
    found = lessons(plant)
    assert found.examples == []
    assert found.unused[0].reason.startswith("document changed")
    change(plant, None)
    assert lessons(plant).unused[0].reason == "document gone: p-200.md"
    change(plant, MANUAL)
    assert len(lessons(plant).examples) == 2


def test_no_text_of_a_document_is_kept_with_feedback(plant):
    plant.feedback(plant.ask("How often is the oil of the P-200 changed?"), "rejected")
    with State.open(plant.folder.state_path) as state:
        payload = state.select("SELECT payload FROM feedback")[0][0]
    assert "M8 flange" not in payload


@pytest.mark.parametrize(
    ("question", "answer", "verdict", "correction", "problem"),
    [
        ("", "a", "approved", "", "without a question"),
        ("q", "", "approved", "", "without the answer"),
        ("q", "a", "corrected", " ", "without the right answer"),
        ("q", "a", "approved", "b", "A correction with the verdict approved"),
        ("q", "a", "good", "", "'good' is no verdict"),
    ],
)
def test_what_does_not_go_together(plant, question, answer, verdict, correction, problem):
    with pytest.raises(UsageError, match=problem):
        feedback.record(plant.folder, question, answer, verdict, correction=correction)
    assert lessons(plant).examples == []
