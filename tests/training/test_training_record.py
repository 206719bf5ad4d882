"""record.json and card.json: whole, honest about limits, and free of this machine's names."""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from loresmith.config import TrainingSection
from loresmith.dataset.example import Dataset, Example
from loresmith.training import defaults, record
from loresmith.training.values import Step, TrainResult


def example(number, kind="closed", **values):
    messages = ({"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": "a"})
    return Example(messages=messages, kind=kind, **values)


DATA = Dataset(
    id="d1",
    train=(
        example(1, origin="table:a.xlsx", language="en", documents=("a.xlsx",)),
        example(2, "grounded", origin="section:b.md", language="de"),
        example(3, "abstain", origin="section:b.md", language="de"),
    ),
    dev=tuple(example(10 + n) for n in range(40)),
    labels=("secret", "plant"),
    documents={"a.xlsx": "v1"},
)
RESULT = TrainResult(
    adapter="lora-1", folder=Path("/somewhere/lora-1"), method="lora", steps=40, tokens=4000,
    loss={"train": 0.5, "dev": 0.7}, seconds=12.34, tokens_per_second=324.1, peak_memory_bytes=10**9,
)  # fmt: skip
FIGURES = {"perplexity": {"general text": {"before": 20.0, "after": 21.0}}}


@pytest.fixture
def recipe():
    return defaults.resolve(
        TrainingSection(), model="smollm2-135m", method="lora", precision="bf16", hidden=576,
        targets=("q_proj",), lengths=[40] * 100,
    )  # fmt: skip


def card(recipe, dataset=DATA, result=RESULT, figures=FIGURES):
    return record.card(
        adapter="lora-1", dataset=dataset, recipe=recipe, fingerprint="ab", result=result,
        figures=figures, samples=[{"question": "q"}], device="cpu",
    )  # fmt: skip


def said(recipe, **changed):
    return " ".join(card(recipe, **changed)["limits"])


def test_the_record_ties_everything_together(recipe):
    told = record.record(
        adapter="lora-1", dataset=DATA, recipe=recipe, fingerprint="ab", device="cpu", reason="LoRA fits.",
        problems=["x: too long"], result=RESULT, figures=FIGURES, steps=[Step(step=1, loss=2.0)],
        started="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    told = json.loads(record.to_bytes(told))
    assert told["model"] == {"name": "smollm2-135m", "fingerprint": "ab"}
    assert told["dataset"]["id"] == "d1"
    assert told["dataset"]["documents"] == {"a.xlsx": "v1"}
    assert told["recipe"]["learning_rate"] == recipe.learning_rate
    assert told["versions"]["torch"]
    assert told["hardware"]["cores"] >= 1
    assert told["figures"]["loss"] == {"train": 0.5, "dev": 0.7}
    assert told["steps"] == [{"step": 1, "loss": 2.0, "tokens": 0, "seconds": 0.0}]
    assert told["left_out"] == ["x: too long"]


def test_nothing_names_this_machine_or_its_user(recipe):
    text = record.to_bytes(card(recipe)).decode()
    for name in (socket.gethostname(), str(Path.home()), "/somewhere"):
        assert name not in text
    assert f'"{getpass.getuser()}"' not in text


def test_the_card_has_what_an_expert_must_know(recipe):
    told = card(recipe)
    assert told["arms"] == ["tuned", "both"]
    assert told["labels"] == ["plant", "secret"]
    assert told["dataset"]["kinds"] == {"abstain": 1, "closed": 1, "grounded": 1}
    assert told["dataset"]["origins"] == {"section": 2, "table": 1}
    assert told["base_fingerprint"] == "ab"


def test_limits_follow_from_data_and_figures(recipe):
    assert "plant, secret" in said(recipe)
    assert "de, en" in said(recipe)
    closed = replace(DATA, train=DATA.train[:1])
    assert "never trained to read passages" in said(recipe, dataset=closed)
    grounded = replace(DATA, train=DATA.train[1:2])
    assert "use the arm both" in said(recipe, dataset=grounded)
    assert "abstain" in said(recipe, dataset=grounded)
    assert "only 40 rows" not in said(recipe)
    assert "only 3 rows" in said(recipe, dataset=replace(DATA, dev=DATA.dev[:3]))
    assert "no dev split" in said(recipe, dataset=replace(DATA, dev=()))
    assert "forgotten" not in said(recipe)
    worse = {"perplexity": {"general text": {"before": 20.0, "after": 45.0}}}
    assert "forgotten some of its general language: perplexity 20.0 before, 45.0 after" in said(
        recipe, figures=worse
    )
    assert "stopped early" in said(recipe, result=replace(RESULT, stopped="dev accuracy"))


def test_a_loss_that_ran_away_is_still_json():
    assert json.loads(record.to_bytes({"loss": float("nan"), "all": [float("inf"), 1.0]})) == {
        "loss": None,
        "all": [None, 1.0],
    }
