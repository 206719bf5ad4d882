"""The registry of adapters: what counts as one, what is in use, and what a kill leaves behind."""

from __future__ import annotations

import json

import pytest

from loresmith.errors import StorageError, TrainingError
from loresmith.training import adapters


@pytest.fixture
def place(tmp_path):
    return tmp_path / "adapters"


def put(place, name, *, created="2026-01-01T00:00:00+00:00", **card):
    folder = place / name
    folder.mkdir(parents=True)
    (folder / adapters.WEIGHTS).write_bytes(b"weights")
    (folder / adapters.CONFIG).write_text("{}")
    raw = {
        "id": name, "base_model": "smollm2-135m", "base_fingerprint": "ab12", "method": "lora",
        "labels": ["secret"], "created": created, **card,
    }  # fmt: skip
    (folder / adapters.CARD).write_text(json.dumps(raw))
    return folder


def begin(place, name):
    checkpoint = place / name / adapters.CHECKPOINT
    checkpoint.mkdir(parents=True)
    (checkpoint / adapters.RUN).write_text('{"dataset": "d1"}')


def test_a_workspace_without_adapters_has_none(place):
    assert adapters.listing(place) == []
    assert adapters.current(place) is None
    assert adapters.unfinished(place) == []
    with pytest.raises(TrainingError, match="loresmith train"):
        adapters.find(place, "auto")


def test_listing_has_whole_adapters_only_newest_first(place):
    put(place, "lora-old", created="2026-01-01T00:00:00+00:00")
    put(place, "lora-new", created="2026-02-01T00:00:00+00:00")
    put(place, ".lora-arriving")
    begin(place, "lora-begun")
    (put(place, "lora-torn") / adapters.CARD).unlink()
    assert [adapter.id for adapter in adapters.listing(place)] == ["lora-new", "lora-old"]
    assert [run.id for run in adapters.unfinished(place)] == ["lora-begun"]


def test_the_card_says_what_it_fits_and_who_may_use_it(place):
    put(place, "lora-a")
    found = adapters.find(place, "lora-a")
    assert (found.base_model, found.base_fingerprint, found.method) == ("smollm2-135m", "ab12", "lora")
    assert found.labels == ("secret",)


def test_use_finds_by_beginning_and_auto_means_the_one_in_use(place):
    put(place, "lora-1111")
    put(place, "qlora-2222")
    adapters.use(place, "qlora")
    assert adapters.find(place, "auto").id == "qlora-2222"
    adapters.use(place, "lora-1")
    assert adapters.current(place).id == "lora-1111"


def test_a_beginning_that_several_share_is_not_guessed(place):
    put(place, "lora-11")
    put(place, "lora-12")
    with pytest.raises(TrainingError, match="lora-12, lora-11"):
        adapters.use(place, "lora")
    assert adapters.current(place) is None


def test_an_unknown_name_gets_the_nearest(place):
    put(place, "lora-1234")
    with pytest.raises(TrainingError, match="Did you mean lora-1234"):
        adapters.find(place, "lora-1243")


def test_a_folder_outside_is_read_but_neither_used_nor_removed(place, tmp_path):
    put(place, "lora-there")
    folder = put(tmp_path / "elsewhere", "lora-there")
    assert adapters.find(place, str(folder)).id == "lora-there"
    with pytest.raises(TrainingError, match="outside"):
        adapters.use(place, str(folder))
    with pytest.raises(TrainingError, match="no adapter of this workspace"):
        adapters.remove(place, str(folder))
    assert (folder / adapters.CARD).is_file()
    assert [adapter.id for adapter in adapters.listing(place)] == ["lora-there"]


def test_removing_the_one_in_use_takes_it_out_of_use(place):
    put(place, "lora-a")
    put(place, "lora-b")
    adapters.use(place, "lora-a")
    assert adapters.remove(place, "lora-a") == "lora-a"
    assert adapters.current(place) is None
    assert [adapter.id for adapter in adapters.listing(place)] == ["lora-b"]


def test_an_unfinished_run_can_be_removed(place):
    begin(place, "lora-begun")
    adapters.remove(place, "lora-begun")
    assert adapters.unfinished(place) == []


def test_a_run_that_is_unfinished_is_no_adapter_and_says_how_to_finish_it(place):
    begin(place, "lora-begun")
    with pytest.raises(TrainingError, match="--resume"):
        adapters.find(place, "lora-begun")


@pytest.mark.parametrize("name", ["..", ".", "../other", "/", ""])
def test_remove_never_leaves_the_folder_of_adapters(place, tmp_path, name):
    put(place, "lora-a")
    (tmp_path / "other").mkdir()
    with pytest.raises(TrainingError):
        adapters.remove(place, name)
    assert (tmp_path / "other").is_dir()
    assert [adapter.id for adapter in adapters.listing(place)] == ["lora-a"]


@pytest.mark.parametrize("content", ["", "[]", '{"id": 3}', '{"id": "x", "method": "lora"}'])
def test_a_damaged_card_is_named(place, content):
    folder = put(place, "lora-a")
    (folder / adapters.CARD).write_text(content)
    with pytest.raises(TrainingError, match=r"card\.json cannot be read"):
        adapters.find(place, "lora-a")


def test_a_damaged_current_is_named_with_the_way_out(place):
    put(place, "lora-a")
    (place / adapters.CURRENT).write_text("{")
    with pytest.raises(StorageError, match="adapters use"):
        adapters.current(place)
    adapters.use(place, "lora-a")
    assert adapters.current(place).id == "lora-a"
