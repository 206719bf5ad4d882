"""A probe really trains a few steps of each method, and the forecast stands beside what it saw."""

from __future__ import annotations

import json

import pytest

from loresmith import cli
from loresmith.config import TrainingSection
from loresmith.training.planning import architecture, choice, hardware, probe
from loresmith.training.planning import plan as planning

pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def middling(tmp_path_factory):
    """Large enough that activations and logits count beside the libraries."""
    from training.tiny import tiny_llama

    return tiny_llama(tmp_path_factory.mktemp("probe") / "llama", hidden=384, layers=8, heads=6, vocab=8192)


def test_the_forecast_is_within_a_tenth_of_what_is_measured(middling):
    settings = TrainingSection(batch_tokens=1024, micro_tokens=1024, precision="bf16")
    here = hardware.here()
    plan = planning.plan(architecture.read(str(middling)), [128] * 40, settings, here)
    seen = probe.probe(plan, settings)
    for name in ("lora", "qlora"):
        method = seen.method(name)
        assert method.measured is not None, name
        assert method.measured.problem == ""
        assert method.measured.tokens_per_second > 0
        assert method.memory.peak == pytest.approx(method.measured.peak, rel=0.1), name
        assert method.peak == method.measured.peak
        assert method.seconds == method.tokens / method.measured.tokens_per_second
    assert seen.method("full").measured is None


def test_a_probe_without_weights_is_an_error(tmp_path, monkeypatch, capsys):
    shapes = next(row for row in architecture.published() if row["name"].endswith("SmolLM2-135M-Instruct"))
    (tmp_path / "config.json").write_text(json.dumps(shapes["config"]))
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", "--model", str(tmp_path), "--probe"]) == 1
    assert "safetensors" in capsys.readouterr().err


def test_a_probe_that_fails_is_said_in_the_plan(middling):
    settings = TrainingSection(batch_tokens=512, precision="bf16")
    plan = planning.plan(architecture.read(str(middling)), [64] * 20, settings, hardware.here())
    failed = probe.in_a_process({"model": str(middling), "device": "cpu"})
    assert "probe failed" in failed.problem
    seen = planning.with_measured(plan, {"lora": failed})
    assert not seen.method("lora").fits
    assert choice.choose_method(seen)[0] == "qlora"
