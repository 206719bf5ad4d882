"""export and import as typed: from a workspace to another machine's, and to other programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
pytest.importorskip("peft", reason="pip install loresmith[train]")

from training.making import make_adapter
from training.tiny import tiny_phi3


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return tiny_phi3(tmp_path_factory.mktemp("export") / "tiny-phi")


@pytest.fixture
def trained(plant, tiny, loresmith):
    """The workspace with an adapter in use."""
    make_adapter(plant / ".loresmith/adapters/lora-1", tiny, labels=("board",))
    assert loresmith("adapters", "use", "lora-1", "-w", plant).status == 0
    return plant


def test_each_form_is_written_where_it_is_told(trained, loresmith, tmp_path):
    ran = loresmith("export", "--to", "gguf", "-w", trained, "--label", "board", "--out", "g", "--json")
    assert ran.status == 0, ran.err
    told = ran.json
    assert (told["to"], told["adapter"]) == ("gguf", "lora-1")
    assert Path(told["path"]) == tmp_path / "g" / "lora-1-f16.gguf"
    assert told["bytes"] > Path(told["path"]).stat().st_size
    assert told["proof"]["answers"] == told["proof"]["questions"]
    ran = loresmith("export", "--to", "peft", "-w", trained, "--label", "board")
    assert ran.status == 0
    assert (tmp_path / "lora-1-peft" / "adapter_model.safetensors").is_file()
    again = loresmith("export", "--to", "peft", "-w", trained, "--label", "board")
    assert again.status == 2
    assert "nothing is overwritten" in again.err


def test_an_exported_file_answers(trained, loresmith):
    ran = loresmith("export", "--to", "gguf", "-w", trained, "--label", "board", "--out", "g", "--json")
    assert ran.status == 0, ran.err
    asked = loresmith(
        "ask", "-w", trained, "Which torque?", "--arm", "base", "--model", ran.json["path"], "--json"
    )
    assert asked.status in (0, 3), asked.err
    assert asked.json["model"] == "lora-1-f16"


def test_labels_fail_closed(trained, loresmith, tmp_path):
    ran = loresmith("export", "--to", "peft", "-w", trained, "--json")
    assert ran.status == 2
    assert ran.json["error"]["remedy"].endswith("--label board")
    assert not (tmp_path / "lora-1-peft").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--to", "peft", "--quantise", "q8_0"),
        ("--to", "gguf", "--precision", "bf16"),
        ("--to", "merged", "--with", "model"),
        ("--to", "bundle", "--with", "everything"),
        ("--to", "exe"),
    ],
)
def test_options_that_do_nothing_are_wrong_usage(options, plant, loresmith):
    assert loresmith("export", "-w", plant, *options).status == 2


def test_without_an_adapter_the_way_to_one_is_told(plant, loresmith):
    ran = loresmith("export", "--to", "gguf", "-w", plant)
    assert ran.status == 1
    assert "loresmith train" in ran.err


def test_a_bundle_answers_on_another_machine(trained, loresmith, tmp_path, model_files):
    model_files("all-MiniLM-L6-v2")
    packed = loresmith(
        "export",
        "-w",
        trained,
        "--to",
        "bundle",
        "--with",
        "documents",
        "--with",
        "model",
        "--label",
        "board",
    )
    assert packed.status == 0, packed.err
    assert "loresmith import lora-1.loresmith" in packed.out
    ran = loresmith("import", "lora-1.loresmith", "--into", "other", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["documents"] == 2
    assert ran.json["synced"]["documents"]["added"] == 2
    found = loresmith("search", "-w", "other", "torque of the flange bolts", "--json")
    assert "25 Nm" in found.json["hits"][0]["text"]
    asked = loresmith("ask", "-w", "other", "Which torque?", "--arm", "tuned", "--json")
    assert asked.status in (0, 3), asked.err
    assert asked.json["adapter"] == "lora-1"


def test_a_bundle_that_was_altered_is_one_message(trained, loresmith, tmp_path):
    assert loresmith("export", "-w", trained, "--to", "bundle", "--label", "board").status == 0
    path = tmp_path / "lora-1.loresmith"
    weights = (trained / ".loresmith/adapters/lora-1/adapter_model.safetensors").read_bytes()
    content = bytearray(path.read_bytes())
    content[content.index(weights[-64:])] ^= 1
    path.write_bytes(content)
    ran = loresmith("import", path, "--into", "other")
    assert ran.status == 1
    assert "damaged or was altered" in ran.err
    assert not (tmp_path / "other").exists()


def test_a_card_with_a_broken_head_is_told(trained, loresmith):
    card = trained / ".loresmith/adapters/lora-1/card.json"
    card.write_text(json.dumps({"id": "lora-1"}))
    ran = loresmith("export", "-w", trained, "--to", "peft", "--label", "board")
    assert ran.status == 1
    assert "card.json" in ran.err
