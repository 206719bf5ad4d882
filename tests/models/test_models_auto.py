"""The automatic choice of a model, on machines of several sizes."""

from __future__ import annotations

import pytest

from loresmith.config import ModelSection
from loresmith.errors import ModelError
from loresmith.models import auto, cpu

GB = 1e9


def choose(memory, cores, disk=100 * GB, threads=0):
    return auto.choose_language_model(ModelSection(threads=threads), auto.Machine(memory * GB, cores, disk))


@pytest.mark.parametrize(
    ("memory", "cores", "name"),
    [
        (16, 8, "qwen2.5-coder-1.5b"),
        (16, 2, "qwen2.5-coder-1.5b"),
        (16, 1, "qwen2.5-coder-0.5b"),
        (1.5, 8, "qwen2.5-coder-0.5b"),
        (0.7, 2, "smollm2-135m"),
    ],
)
def test_the_largest_that_runs_well(memory, cores, name):
    row, reason = choose(memory, cores)
    assert row.name == name
    assert reason.startswith(f"{name} is the largest that runs well here")


def test_the_reason_says_why_the_larger_ones_were_passed_over():
    _, reason = choose(1.5, 8)
    assert "Not qwen2.5-coder-1.5b: needs 2.1 GB of memory, 1.5 GB are free." in reason
    _, reason = choose(16, 1)
    assert "Not qwen2.5-coder-1.5b: about 4" in reason


def test_threads_that_the_user_set_count():
    assert choose(16, 8, threads=1)[0].name == "qwen2.5-coder-0.5b"


def test_a_full_disk_counts_only_for_what_must_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("LORESMITH_CACHE", str(tmp_path))
    row, reason = choose(16, 8, disk=0.3 * GB)
    assert row.name == "smollm2-135m"
    assert "in the model cache" in reason


def test_nothing_fits():
    with pytest.raises(ModelError, match="smollm2-135m: needs"):
        choose(0.2, 2)


def test_this_machine_is_believable():
    here = auto.this_machine()
    assert here.memory > 1e8
    assert 1 <= here.cores <= 4096
    assert 1 <= cpu.free(0.02) <= here.cores
