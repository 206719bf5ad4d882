"""Summaries by the language model: asked for in the configuration, written during sync, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.errors import ConfigError
from loresmith.models.fake import FakeModel
from loresmith.state import State
from loresmith.sync import summarising, sync
from loresmith.workspace import WorkspaceDir


@pytest.fixture
def plant(tmp_path: Path) -> WorkspaceDir:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "pump.txt").write_text("The pump delivers 40 litres. It is green.")
    made = folders.create(tmp_path / "plant", {"passages.summaries": "model", "model.name": "some.gguf"})
    return folders.add_sources(made, [str(tmp_path / "docs")])


def summary(plant: WorkspaceDir) -> str:
    with State.open(plant.state_path) as state:
        return state.infos()[0].summary


def test_the_language_model_writes_the_summary(plant: WorkspaceDir, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel("A green pump of 40 litres.")
    monkeypatch.setattr(summarising, "load_language_model", lambda *_: model)
    sync(plant, HashEmbedder())
    assert summary(plant) == "A green pump of 40 litres."
    assert "The pump delivers 40 litres." in model.prompts[0][-1]["content"]
    assert model.closed
    sync(plant, HashEmbedder())  # nothing has changed: the model is not asked again
    assert len(model.prompts) == 1


def test_an_invented_number_is_not_kept(plant: WorkspaceDir, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel("A pump of 55 litres.")
    monkeypatch.setattr(summarising, "load_language_model", lambda *_: model)
    sync(plant, HashEmbedder())
    assert "55" not in summary(plant)
    assert "40 litres" in summary(plant)


def test_a_long_text_is_shortened_until_it_fits() -> None:
    model = FakeModel("Words.", context_tokens=300)
    assert summarising.written(model, "word " * 1000) == "Words."
    assert model.count_tokens(model.prompts[0]) + 96 <= 300


def test_without_a_language_model_it_is_told(plant: WorkspaceDir) -> None:
    folders.remove_source(plant, plant.source_specs()[0].uri)
    none = folders.open_dir(plant.root, {"model.name": "none"})
    with pytest.raises(ConfigError, match=r"model\.name"):
        sync(none, HashEmbedder())
