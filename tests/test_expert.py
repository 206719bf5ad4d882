"""From a folder of files to answers, through the public Python face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.errors import ModelError, StorageError
from loresmith.expert import Workspace
from loresmith.memory import follows
from loresmith.models.fake import FakeModel
from loresmith.types import Filter, Sentence

MANUAL = """# P-200 service manual

## Torques

The torque for the M8 flange bolts of the P-200 is 25 Nm. The torque for the M10 foot bolts is 49 Nm.

## Oil

Change the oil of the P-200 every 4,000 operating hours. Use ISO VG 68.
"""
SECRET = "# Salaries\n\nThe salary of the plant manager Erna Frost is 90,000 euros a year.\n"
QUESTION = "Which torque for the M8 flange bolts of the P-200?"


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL, encoding="utf-8")
    (tmp_path / "secret" / "salaries.md").write_text(SECRET, encoding="utf-8")
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder(), model=FakeModel("It is 25 Nm.")) as workspace:
        workspace.add(str(tmp_path / "docs"))
        workspace.add(str(tmp_path / "secret"), labels=["staff"])
        workspace.sync()
        yield workspace


def test_answer_with_the_line_it_stands_on(plant: Workspace) -> None:
    shown: list[Sentence] = []
    answer = plant.ask(QUESTION, on_sentence=shown.append)
    assert answer.answer == "It is 25 Nm."
    citation = answer.sentences[0].citations[0]
    assert citation.document == "p-200.md"
    assert citation.quote == "The torque for the M8 flange bolts of the P-200 is 25 Nm."
    assert citation.locator.line == 5
    assert citation.locator.heading == "P-200 service manual › Torques"
    assert list(answer.sentences) == shown
    assert set(answer.seconds) == {"retrieval", "generation", "verification"}


def test_reader_without_the_label_learns_nothing(plant: Workspace) -> None:
    question = "What is the salary of the plant manager Erna Frost?"
    plant._model = FakeModel("It is 90,000 euros.")
    assert "90,000" in plant.ask(question).answer
    reader = plant.ask(question, where=Filter(access=()))
    assert reader.abstained
    assert "90,000" not in str(reader.to_dict())
    assert "salaries" not in str(reader.to_dict())


def test_changed_and_deleted_files_are_gone_from_answers(plant: Workspace, tmp_path: Path) -> None:
    plant._model = None  # quotes only
    assert "25 Nm" in plant.ask(QUESTION).answer
    file = tmp_path / "docs" / "p-200.md"
    file.write_text(MANUAL.replace("25 Nm", "27 Nm"), encoding="utf-8")
    plant.sync()
    assert "27 Nm" in plant.ask(QUESTION).answer
    file.unlink()
    plant.sync()
    assert plant.ask(QUESTION).abstained


def test_chat_remembers_and_forgets(plant: Workspace) -> None:
    plant._model = model = FakeModel(["It is 25 Nm.", "It is 49 Nm."])
    plant.ask(QUESTION, chat="one")
    follow_up = plant.ask("And for the M10?", chat="one")
    assert follow_up.answer == "It is 49 Nm."
    assert QUESTION in model.prompts[-1][-1]["content"]
    assert plant.forget("one") == 2
    plant.ask("And for the M10?", chat="one")
    assert QUESTION not in model.prompts[-1][-1]["content"]


def test_arms(plant: Workspace) -> None:
    plant._model = FakeModel("Usually 20 Nm.")
    base = plant.ask(QUESTION, arm="base")
    assert base.answer == "Usually 20 Nm."
    assert base.sentences[0].citations == ()
    with pytest.raises(ModelError, match="needs an adapter"):
        plant.ask(QUESTION, arm="both")


def test_before_the_first_sync(tmp_path: Path) -> None:
    folder = folders.create(tmp_path / "empty", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder()) as workspace, pytest.raises(StorageError, match="sync"):
        workspace.ask(QUESTION)


def test_vectors_of_two_embedders_never_mix(plant: Workspace) -> None:
    with (
        Workspace(plant.folder, embedder=HashEmbedder(name="other")) as other,
        pytest.raises(StorageError, match="was built with the embedder hash"),
    ):
        other.search("torque")


def test_documents_and_similar(plant: Workspace) -> None:
    assert {d.id for d in plant.documents()} == {"p-200.md", "salaries.md"}
    assert [h.passage.document for h in plant.similar("p-200.md")] == ["salaries.md"]
    assert plant.similar("p-200.md", where=Filter(access=())) == []


def test_what_follows_on() -> None:
    assert follows("And for the P-300?")
    assert not follows(QUESTION)
