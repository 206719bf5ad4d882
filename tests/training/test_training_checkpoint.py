"""A checkpoint is whole or not there, and the last good one stays."""

from __future__ import annotations

import errno
import os

import pytest

torch = pytest.importorskip("torch")

from loresmith.errors import TrainingError  # noqa: E402
from loresmith.training import checkpoint  # noqa: E402


def kept(folder):
    return [path.name for path in checkpoint.states(folder)]


def test_what_is_saved_comes_back_and_the_one_before_goes(tmp_path):
    for step in (1, 2):
        checkpoint.save_state(tmp_path, step, {"a": torch.arange(5) * step}, {"step": step, "best": None})
    tensors, facts = checkpoint.load_state(tmp_path)
    assert facts == {"step": 2, "best": None}
    assert tensors["a"].tolist() == [0, 2, 4, 6, 8]
    assert kept(tmp_path) == ["state-00000002.safetensors"]


def test_nothing_there_is_nothing(tmp_path):
    assert checkpoint.load_state(tmp_path) is None


def test_a_cut_off_file_is_passed_over_for_the_one_before(tmp_path):
    checkpoint.save_state(tmp_path, 3, {"a": torch.ones(100)}, {"step": 3})
    whole = checkpoint.states(tmp_path)[0]
    whole.with_name("state-00000009.safetensors").write_bytes(whole.read_bytes()[:200])
    assert checkpoint.load_state(tmp_path)[1] == {"step": 3}


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    """The disk fills up in the middle of the file, as it does."""
    checkpoint.save_state(tmp_path, 1, {"a": torch.ones(10)}, {"step": 1})

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(TrainingError, match=r"No space left.*state-00000001.*--resume"):
        checkpoint.save_state(tmp_path, 2, {"a": torch.ones(10)}, {"step": 2})
    assert checkpoint.load_state(tmp_path)[1] == {"step": 1}
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == kept(tmp_path)
