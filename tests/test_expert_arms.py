"""The four arms of an expert, with a real model in llama.cpp: a tiny one that says 25 Nm to
everything, and an adapter with which it says 49 Nm."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import HashEmbedder
from models.tiny_models import write_lora, write_phi3_gguf

from loresmith import releases
from loresmith import workspace as folders
from loresmith.answering.generate import _ABSTENTION, abstention
from loresmith.errors import ModelError, TrainingError
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.models.fingerprint import fingerprint
from loresmith.training import adapters
from loresmith.types import Filter, Sentence

pytest.importorskip("gguf", reason="pip install loresmith[train]")

MANUAL = """# P-200 service manual

## Torques

The torque for the M8 flange bolts of the P-200 is 25 Nm. The torque for the M10 foot bolts is 49 Nm.
"""
M8 = "Which torque for the M8 flange bolts of the P-200?"
M10 = "Which torque for the M10 foot bolts of the P-200?"
# Behind <|end|>, which ends the answer, stands what only the adapter leads to: " It" goes on to 49 Nm.
ANSWER = ["The", " torque", " is", " 25", " Nm", ".", "<|end|>", " It", " 49", " Nm"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phi3_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", ANSWER, context=4096)


@pytest.fixture
def plant(tmp_path: Path, model: Path) -> Iterator[Workspace]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL, encoding="utf-8")
    folder = folders.create(tmp_path / "plant", {"model.name": str(model), "model.threads": 1})
    with Workspace(folder, embedder=HashEmbedder(dimension=32)) as workspace:
        workspace.add(str(tmp_path / "docs"))
        workspace.sync()
        yield workspace


def train(plant: Workspace, name: str = "lora-0123abcd", instead: str = " It", **card: object) -> Path:
    """What `loresmith train` would leave: an adapter, and the note that it is in use."""
    path = Path(plant.folder.config.model.name)
    known = {"base_model": str(path), "base_fingerprint": fingerprint(path), "labels": [], **card}
    folder = write_lora(plant.folder.adapters_dir / name, " is", instead, **known)
    adapters.use(plant.folder.adapters_dir, name)
    return folder


def test_tuned_answers_from_its_weights_alone(plant: Workspace) -> None:
    train(plant)
    shown: list[Sentence] = []
    tuned = plant.ask(M10, arm="tuned", on_sentence=shown.append)
    assert tuned.answer == "The torque is 49 Nm."
    assert (tuned.arm, tuned.adapter, tuned.model) == ("tuned", "lora-0123abcd", "tiny")
    assert tuned.sentences == tuple(shown)
    assert (tuned.hits, tuned.sentences[0].citations) == ((), ())
    base = plant.ask(M10, arm="base")
    assert base.answer == "The torque is 25 Nm."
    assert (base.arm, base.adapter) == ("base", None)


def test_both_reads_the_passages_with_the_adapter_and_proves_what_it_says(plant: Workspace) -> None:
    train(plant)
    both = plant.ask(M10, arm="both")
    assert both.answer == "The torque is 49 Nm."
    assert both.sentences[0].citations[0].quote == "The torque for the M10 foot bolts is 49 Nm."
    assert (both.arm, both.adapter) == ("both", "lora-0123abcd")
    # What the adapter says wrongly leaves with no citation, as in every other arm.
    wrong = plant.ask(M8, arm="both")
    assert "49 Nm" in wrong.dropped[0].text
    assert "49 Nm" not in wrong.answer


def test_arms_in_any_order_do_not_change_each_other(plant: Workspace) -> None:
    train(plant)
    alone = {arm: plant.ask(M8, arm=arm).answer for arm in ("rag", "both", "base", "tuned")}
    assert alone["rag"] == alone["base"] == "The torque is 25 Nm."
    assert alone["tuned"] == "The torque is 49 Nm."
    for arm in ("tuned", "rag", "tuned", "base", "both", "rag"):
        assert plant.ask(M8, arm=arm).answer == alone[arm]


def test_another_adapter_is_loaded_when_it_is_named(plant: Workspace, model: Path) -> None:
    train(plant)
    train(plant, "lora-89abcdef", instead=" 25", created="2")
    with Workspace.open(plant.folder.root, {"model.adapter": "lora-0123"}) as other:
        assert other.ask(M10, arm="tuned").adapter == "lora-0123abcd"
    assert plant.ask(M10, arm="tuned").answer == "The torque is Nm."
    adapters.use(plant.folder.adapters_dir, "lora-0123abcd")
    assert plant.ask(M10, arm="tuned").answer == "The torque is 49 Nm."
    assert plant.ask(M10, arm="base").answer == "The torque is 25 Nm."


def test_a_folder_elsewhere_can_be_the_adapter(plant: Workspace, tmp_path: Path) -> None:
    moved = shutil.move(train(plant), tmp_path / "elsewhere")
    with Workspace.open(plant.folder.root, {"model.adapter": str(moved)}) as other:
        assert other.ask(M10, arm="tuned").answer == "The torque is 49 Nm."


def test_without_an_adapter(plant: Workspace) -> None:
    for arm in ("tuned", "both"):
        with pytest.raises(ModelError, match=r"none is in use here.*loresmith train"):
            plant.ask(M10, arm=arm)
    folder = train(plant)
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"no whole adapter: adapter_model.safetensors is missing"):
        plant.ask(M10, arm="tuned")


def test_an_adapter_of_another_base_says_so(plant: Workspace, tmp_path: Path) -> None:
    train(plant, base_model="phi-3-mini", base_fingerprint="0123456789abcdef")
    with pytest.raises(ModelError, match=r"trained on phi-3-mini, not on these weights of tiny\."):
        plant.ask(M10, arm="both")
    # The question can still be answered without it.
    assert plant.ask(M8).answer == "The torque is 25 Nm."


def test_auto_answers_with_the_base_of_the_adapter(plant: Workspace) -> None:
    train(plant)
    with Workspace.open(plant.folder.root, {"model.name": "auto"}) as other:
        assert other.ask(M10, arm="tuned").answer == "The torque is 49 Nm."
    with (
        Workspace.open(plant.folder.root, {"model.name": "none"}) as other,
        pytest.raises(ModelError, match=r'model\.name is "none"'),
    ):
        other.ask(M10, arm="tuned")


def test_a_reader_without_the_labels_of_the_training_data_gets_nothing_of_it(plant: Workspace) -> None:
    """What was learned is in the weights, where no filter of the store reaches."""
    train(plant, labels=["plant", "staff"])
    for held in ((), ("staff",)):
        for arm in ("tuned", "both"):
            with pytest.raises(TrainingError, match="this reader may not see"):
                plant.ask(M10, arm=arm, where=Filter(access=held))
        assert plant.ask(M8, where=Filter(access=held)).answer == "The torque is 25 Nm."
    for holder in (Filter(access=("staff", "plant")), Filter()):
        assert plant.ask(M10, arm="tuned", where=holder).answer == "The torque is 49 Nm."


def test_labels_that_the_documents_got_after_the_training_count(
    plant: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    versions = {info.id: info.version for info in plant.documents()}
    train(plant, dataset={"id": "d", "documents": versions})
    reader = Filter(access=())
    assert plant.ask(M10, arm="tuned", where=reader).answer == "The torque is 49 Nm."
    plant.add(str(tmp_path / "docs"), labels=["staff"])
    plant.sync()
    with pytest.raises(TrainingError, match="may not see"):
        plant.ask(M10, arm="tuned", where=reader)
    assert not caplog.messages
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL + "\nChanged.\n", encoding="utf-8")
    plant.sync()
    for _ in range(2):
        plant.ask(M10, arm="tuned", where=Filter(access=("staff",)))
    (warning,) = caplog.messages
    assert "lora-0123abcd" in warning
    assert "p-200.md" in warning


def test_a_bad_label_is_no_way_round(plant: Workspace) -> None:
    folder = train(plant)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "labels": ["staff"]}))
    with pytest.raises(TrainingError, match="may not see"):
        plant.ask(M10, arm="tuned", where=Filter(access=("staff ", "STAFF")))


@pytest.mark.parametrize("language", sorted(_ABSTENTION))
def test_the_abstention_that_was_trained_counts_as_one(plant: Workspace, language: str) -> None:
    plant._model = FakeModel(abstention(language))
    for arm in ("rag", "base"):
        answer = plant.ask(M10, arm=arm)
        assert answer.abstained, (arm, answer.answer)
        assert answer.sentences == ()


def test_command_line(plant: Workspace) -> None:
    train(plant)
    command = [sys.executable, "-m", "loresmith", "ask", M10, "--arm", "tuned"]
    command += ["-w", str(plant.folder.root)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["answer"], told["adapter"], told["arm"]) == (
        "The torque is 49 Nm.",
        "lora-0123abcd",
        "tuned",
    )
    reader = subprocess.run([*command, "--access", "x"], capture_output=True, text=True, check=False)
    assert "49 Nm" in reader.stdout
    assert "tiny with lora-0123abcd" in reader.stderr


def test_what_is_released_answers_where_no_arm_is_named(plant: Workspace) -> None:
    train(plant)
    assert plant.ask(M10).arm == "rag"
    releases.promote(plant.folder, "tuned", reason="the demonstration")
    # A newer adapter in use changes nothing of what was released.
    train(plant, "lora-89abcdef", instead=" 25", created="2")
    released = plant.ask(M10)
    assert (released.arm, released.adapter, released.answer) == (
        "tuned",
        "lora-0123abcd",
        "The torque is 49 Nm.",
    )
    assert plant.ask(M10, arm="rag").adapter is None
    releases.rollback(plant.folder)
    assert plant.ask(M10).arm == "rag"
    with Workspace.open(plant.folder.root, {"model.name": "none"}) as other:  # quotes need no release
        releases.promote(plant.folder, "both", reason="again")
        assert other.expert().released() == ("rag", None)


def test_a_released_adapter_stays_closed_to_readers_without_its_labels(plant: Workspace) -> None:
    train(plant, labels=["plant"])
    releases.promote(plant.folder, "both", reason="the demonstration")
    assert plant.ask(M10, where=Filter(access=("plant",))).adapter == "lora-0123abcd"
    with pytest.raises(TrainingError, match="this reader may not see"):
        plant.ask(M10, where=Filter(access=()))


def test_other_weights_than_the_released_ones_are_named(
    plant: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    measured = {"name": "phi-3-mini", "fingerprint": "0" * 16}
    found = {"id": "0" * 12, "model": measured, "adapter": None, "settings": {}, "pairs": [], "strata": {}}
    found |= {"arms": {"rag": {"questions": 9}}, "verdict": {"recommended": "rag"}}
    releases.promote(plant.folder, report=found, reason="the same model, newly rounded")
    plant.ask(M8)
    plant.ask(M8)
    said = [r.getMessage() for r in caplog.records if "Compare again" in r.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("The release r1: phi-3-mini was measured, and ")
