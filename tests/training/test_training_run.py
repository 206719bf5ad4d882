"""train(): what it leaves behind when it ends, when it is stopped, and when it cannot start."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import store
from loresmith.dataset.example import Example
from loresmith.errors import DatasetError, MissingExtra, ModelError, TrainingError, WorkspaceLocked
from loresmith.sync import sync
from loresmith.training import adapters

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
pytest.importorskip("matplotlib", reason="pip install loresmith[train]")

from loresmith.training import run  # noqa: E402

FEW = {"training.max_steps": 6, "training.eval_every": 3, "training.rank": 4}


def example(number, wording, *, length=1, labels=()):
    question = f"{wording} pump {number}?" + " Say it well." * length
    messages = (*unaided.messages(question), {"role": "assistant", "content": f"It is {number + 20} Nm."})
    return Example(
        messages=messages,
        kind="closed",
        question=question,
        fact=f"f{number}",
        origin="table:x",
        labels=labels,
    )


def put_dataset(folder, *, long=0, labels=()):
    rows = [example(n, wording, labels=labels) for n in range(8) for wording in ("Torque of", "How tight is")]
    rows += [example(100 + n, "Torque of", length=200) for n in range(long)]
    splits = {row.id: "dev" if row.fact in ("f0", "f1") else "train" for row in rows}
    return store.save(folder.datasets_dir, rows, splits)


@pytest.fixture
def plant(tmp_path, phi3):
    """Opens the workspace, with settings laid over its file."""
    folder = folders.create(tmp_path / "plant", {"model.name": str(phi3)})
    put_dataset(folder)

    def opened(**settings):
        keys = {key.replace("__", "."): value for key, value in settings.items()}
        return folders.open_dir(tmp_path / "plant", {**FEW, **keys})

    return opened


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / adapters.WEIGHTS).read_bytes()).hexdigest()


def after(steps, seen=None):
    """A `stop` and an `on_step` that stop the run behind so many steps."""
    done = [] if seen is None else seen
    return {
        "stop": lambda: sum(step.loss is not None for step in done) >= steps,
        "on_step": done.append,
    }


def test_a_training_ends_with_a_whole_adapter_in_use(plant):
    steps, started = [], []
    result = run.train(plant(), on_step=steps.append, on_start=started.append)
    found = adapters.current(plant().adapters_dir)
    assert found.id == result.adapter == result.folder.name == started[0].adapter
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "card.json", "curves.png", "record.json",
    ]  # fmt: skip
    assert (result.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads((result.folder / "record.json").read_text())
    assert [s["step"] for s in told["steps"] if "loss" in s] == [1, 2, 3, 4, 5, 6]
    assert [s["step"] for s in told["steps"] if "dev_loss" in s] == [3, 6]
    assert told["dataset"]["id"] == found.card["dataset"]["id"] == started[0].dataset
    assert found.card["arms"] == ["tuned"]
    assert len(found.card["samples"]) == 4  # the four dev rows
    assert (
        found.card["figures"]["perplexity"]["dev"]["after"]
        < found.card["figures"]["perplexity"]["dev"]["before"]
    )
    raw = result.to_dict()
    assert {
        "adapter",
        "method",
        "steps",
        "tokens",
        "loss",
        "seconds",
        "tokens_per_second",
        "peak_memory_bytes",
    } <= raw.keys()
    assert raw["loss"].keys() == {"train", "dev"}
    assert raw["steps"] == 6


def test_the_same_training_has_the_same_name_and_is_not_done_twice(plant):
    first = run.train(plant())
    before = weights(first.folder)
    second = run.train(plant(), on_step=lambda step: pytest.fail("it trained"))
    assert second.adapter == first.adapter
    assert "--again" in second.notes[0]
    third = run.train(plant(), again=True)
    assert (third.adapter, weights(third.folder)) == (first.adapter, before)
    assert "adapter" in third.to_dict()


def test_another_recipe_is_another_adapter_but_other_memory_is_not(plant):
    first = run.train(plant())
    other = run.train(plant(training__seed=1))
    assert other.adapter != first.adapter
    assert adapters.current(plant().adapters_dir).id == other.adapter
    smaller = run.train(plant(training__micro_tokens=64, training__checkpoint_seconds=9))
    assert smaller.adapter == first.adapter
    assert smaller.extra["already"]


def test_a_stopped_run_is_resumed_to_the_same_bytes(plant, phi3):
    whole = run.train(plant())
    expected = weights(whole.folder)
    losses = json.loads((whole.folder / "record.json").read_text())["steps"]
    adapters.remove(plant().adapters_dir, whole.adapter)

    stopped = run.train(plant(), **after(2))
    assert stopped.stopped == "interrupted"
    assert stopped.steps == 2
    assert adapters.listing(plant().adapters_dir) == []
    assert adapters.current(plant().adapters_dir) is None
    with pytest.raises(TrainingError, match="--resume"):
        run.train(plant())
    # The recipe is the run's own, whatever the file says now.
    resumed = run.train(plant(training__rank=8, training__max_steps=50), resume=True)
    assert resumed.adapter == whole.adapter
    assert weights(resumed.folder) == expected
    again = json.loads((resumed.folder / "record.json").read_text())["steps"]
    assert [(s.get("loss"), s.get("dev_loss")) for s in again] == [
        (s.get("loss"), s.get("dev_loss")) for s in losses
    ]
    assert not (resumed.folder / adapters.CHECKPOINT).exists()


def test_the_adapter_in_use_stays_in_use_until_the_new_one_is_whole(plant):
    first = run.train(plant())
    run.train(plant(training__seed=1), **after(1))
    assert adapters.current(plant().adapters_dir).id == first.adapter


def test_where_nothing_was_begun_there_is_nothing_to_resume(plant):
    with pytest.raises(TrainingError, match="no unfinished training"):
        run.train(plant(), resume=True)


def test_a_run_is_not_resumed_on_other_weights(plant, phi3, tmp_path):
    from training.tiny import tiny_phi3

    model = tiny_phi3(tmp_path / "model")
    run.train(plant(model__name=str(model)), **after(1))
    tiny_phi3(model, seed=7)
    with pytest.raises(TrainingError, match="weights have changed"):
        run.train(plant(), resume=True)


def test_a_sync_can_run_beside_but_no_second_training(plant):
    tried = []

    def beside(step):
        with plant().writing():
            tried.append(step)
        with pytest.raises(WorkspaceLocked, match="training in"):
            run.train(plant(training__seed=5))

    run.train(plant(training__max_steps=1), on_step=beside)
    assert tried


def test_a_trained_adapter_that_could_not_be_published_is_published_by_resume(plant, monkeypatch):
    monkeypatch.setattr(run, "LOCK_SECONDS", 0.0)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl; f = open({str(plant().data / 'lock')!r}, 'w'); "
         "fcntl.flock(f, 2); print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(TrainingError, match=r"trained, but cannot be published.*--resume"):
            run.train(plant())
    finally:
        holder.communicate("\n")
    assert adapters.listing(plant().adapters_dir) == []
    result = run.train(plant(), resume=True, on_step=lambda step: pytest.fail("it trained again"))
    assert adapters.current(plant().adapters_dir).id == result.adapter
    assert result.steps == 6


def test_rows_that_do_not_fit_are_left_out_and_named(plant):
    put_dataset(plant(), long=2)
    started = []
    result = run.train(plant(training__max_length=200), on_start=started.append)
    assert started[0].rows == 12
    assert len(started[0].problems) == 2
    assert "more than training.max_length = 200" in started[0].problems[0]
    told = json.loads((result.folder / "record.json").read_text())
    assert told["left_out"] == list(started[0].problems)


def test_a_dataset_without_a_usable_row_is_refused_with_the_reason(plant):
    with pytest.raises(DatasetError, match=r"none of its 12 training rows.*max_length"):
        run.train(plant(training__max_length=16))
    assert adapters.unfinished(plant().adapters_dir) == []


def test_labels_of_the_data_are_labels_of_the_adapter(plant):
    put_dataset(plant(), labels=("secret",))
    run.train(plant())
    assert adapters.current(plant().adapters_dir).labels == ("secret",)


def test_what_became_of_the_documents_since_is_said_and_their_labels_hold(plant):
    rows = [replace(example(n, "Torque of"), documents=(f"{n % 3}.md",), fact=f"g{n}") for n in range(6)]
    for name, labels in (("0.md", []), ("1.md", ["secret"])):
        file = plant().root / "documents" / name[0] / name
        file.parent.mkdir(parents=True)
        file.write_text(f"Text of {name}.")
        folders.add_sources(plant(), [str(file.parent)], labels)
    sync(plant(), HashEmbedder())
    versions = {"0.md": hashlib.sha256(b"Text of 0.md.").hexdigest(), "1.md": "an older one", "2.md": "v"}
    store.save(plant().datasets_dir, rows, {row.id: "train" for row in rows}, documents=versions)
    started = []
    run.train(plant(), on_start=started.append)
    assert started[0].notes == (
        "1 of 3 documents of this dataset is gone since it was made (2.md): `loresmith dataset build` makes "
        "a new one.",
        "1 of 3 documents of this dataset has changed since it was made (1.md): `loresmith dataset build` "
        "makes a new one.",
    )
    assert adapters.current(plant().adapters_dir).labels == ("secret",)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"model.name": "none"}, "model.name is"),
        ({"model.endpoint": "http://127.0.0.1:9/v1"}, "cannot be trained here"),
        ({"model.name": "smollm3"}, "smollm3"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(plant, settings, problem):
    with pytest.raises(ModelError, match=problem):
        run.train(folders.open_dir(plant().root, settings))


def test_there_must_be_a_dataset(tmp_path, phi3):
    empty = folders.create(tmp_path / "empty", {"model.name": str(phi3)})
    with pytest.raises(DatasetError, match="dataset build"):
        run.train(empty)


def test_a_tracker_that_is_not_installed_says_how_to_get_it(plant):
    try:
        import trackio  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r'pip install "loresmith\[trackio\]"'):
            run.train(plant(training__tracker="trackio"))
    else:
        pytest.skip("trackio is installed")


def test_qlora_trains_the_same_way(plant):
    pytest.importorskip("bitsandbytes", reason="pip install loresmith[train]")
    result = run.train(plant(training__method="qlora"))
    assert result.adapter.startswith("qlora-")
    assert adapters.current(plant().adapters_dir).method == "qlora"


def test_the_reason_for_a_method_is_kept(plant):
    started = []
    result = run.train(plant(), on_start=started.append)
    assert "LoRA" in started[0].reason
    told = json.loads((result.folder / "record.json").read_text())
    assert told["method"] == {"chosen": "lora", "reason": started[0].reason}
