"""train and adapters as a user meets them: what is printed, Ctrl-C, kill -9, a full disk, wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import store
from loresmith.dataset.example import Example
from loresmith.training import adapters

# Threads that spin while they wait take the cores from the tests beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
pytest.importorskip("peft", reason="pip install loresmith[train]")

from training.tiny import tiny_phi3  # noqa: E402

QUICK = ("--set", "training.max_steps=6", "--set", "training.eval_every=3", "--set", "training.rank=4")


def example(number, wording):
    question = f"{wording} pump {number}?"
    messages = (*unaided.messages(question), {"role": "assistant", "content": f"It is {number + 20} Nm."})
    return Example(messages=messages, kind="closed", question=question, fact=f"f{number}", origin="table:x")


@pytest.fixture
def trainable(tmp_path):
    """A workspace with a tiny model and a dataset of two dozen rows."""
    folder = folders.create(tmp_path / "w", {"model.name": str(tiny_phi3(tmp_path / "model"))})
    rows = [example(n, wording) for n in range(12) for wording in ("Torque of", "How tight is")]
    store.save(folder.datasets_dir, rows, {r.id: "dev" if r.fact == "f0" else "train" for r in rows})
    return folder


class Program:
    """`loresmith train` in a process of its own, read line by line."""

    def __init__(self, folder, *arguments, within=()):
        self.lines = []
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", "loresmith", "train", "-w", str(folder.root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        )

    def until(self, words):
        for line in self.process.stdout:
            self.lines.append(line)
            if words in line:
                return
        status, said = self.end()
        pytest.fail(f"{words!r} was never said (exit status {status}):\n{said}")

    def end(self):
        self.lines += self.process.stdout
        self.process.stdout.close()
        return self.process.wait(), "".join(self.lines)


def test_what_a_training_says(loresmith, trainable):
    ran = loresmith("train", "-w", trainable.root, *QUICK)
    assert ran.status == 0
    assert "22 rows" in ran.err
    assert "o_proj, qkv_proj, gate_up_proj, down_proj" in ran.err
    assert "LoRA fits" in ran.err
    assert "step 3: dev loss" in ran.err
    assert "Perplexity of general text" in ran.out
    assert "2 questions (never trained), before and after:" in ran.out
    assert "expected  It is 20 Nm." in ran.out
    assert "loresmith ask --arm both" in ran.out
    listed = loresmith("adapters", "list", "-w", trainable.root)
    assert listed.out.startswith("* lora-")


def test_json_is_one_object_with_the_fields_scripts_rely_on(loresmith, trainable):
    result = loresmith("train", "-w", trainable.root, *QUICK, "--method", "lora", "--json").json
    assert result["method"] == "lora"
    assert result["steps"] == 6
    assert result["loss"].keys() == {"train", "dev"}
    for key in ("tokens", "seconds", "tokens_per_second", "peak_memory_bytes"):
        assert result[key] > 0
    assert {s["question"] for s in result["samples"]} == {"Torque of pump 0?", "How tight is pump 0?"}


def test_adapters_are_listed_used_and_removed_by_name(loresmith, trainable):
    assert "No adapter yet" in loresmith("adapters", "list", "-w", trainable.root).out
    first = loresmith("train", "-w", trainable.root, *QUICK, "--json").json["adapter"]
    second = loresmith("train", "-w", trainable.root, *QUICK, "--set", "training.seed=1", "--json").json[
        "adapter"
    ]
    listed = loresmith("adapters", "list", "-w", trainable.root, "--json").json
    assert {a["id"] for a in listed["adapters"]} == {first, second}
    assert listed["current"] == second
    assert loresmith("adapters", "use", first, "-w", trainable.root, "--json").json == {"adapter": first}
    assert adapters.current(trainable.adapters_dir).id == first
    promoted = loresmith("promote", "tuned", "--reason", "a try", "-w", trainable.root)
    assert promoted.status == 0, promoted.err
    kept = loresmith("adapters", "remove", first, "-w", trainable.root)
    assert kept.status == 2
    assert "rollback" in kept.err
    assert loresmith("rollback", "-w", trainable.root).status == 0
    assert loresmith("adapters", "remove", first, "-w", trainable.root).status == 0
    wrong = loresmith("adapters", "use", first, "-w", trainable.root)
    assert wrong.status == 1
    assert second in wrong.err
    assert not (trainable.adapters_dir / first).exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--resume",), 1, "no unfinished training"),
        (("--resume", "--effort", "quick"), 2, "as it was started"),
        (("--method", "full"), 2, "full"),
        (("--dataset", "ffff"), 1, "ffff"),
        (("--model", "smollm2-134m"), 1, "smollm2-135m"),
        (("--set", "training.rnk=4"), 2, "Did you mean training.rank?"),
        (("--set", "training.targets=['q_proj']"), 1, "qkv_proj"),
        (("--set", "training.max_length=20"), 1, "more than training.max_length = 20"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input_is_one_message(loresmith, trainable, arguments, status, said):
    ran = loresmith("train", "-w", trainable.root, *arguments)
    assert ran.status == status
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert adapters.unfinished(trainable.adapters_dir) == []


def test_without_a_dataset_it_says_how_to_make_one(loresmith, tmp_path):
    loresmith("init", tmp_path / "empty")
    ran = loresmith("train", "-w", tmp_path / "empty")
    assert ran.status == 1
    assert "loresmith dataset build" in ran.err


@pytest.mark.slow
def test_ctrl_c_once_and_twice_kill_and_kill_9_lose_nothing(loresmith, trainable, monkeypatch):
    long = ("--set", "training.epochs=999", "--set", "training.max_steps=120", "--set",
            "training.eval_every=5", "--set", "training.patience=0", "--set", "training.rank=4")  # fmt: skip
    said, at = [], 0
    for signals in ([signal.SIGINT], [signal.SIGINT] * 2, [signal.SIGTERM], [signal.SIGKILL]):
        arguments = ("--resume",) if at else (*long, "--set", "training.checkpoint_seconds=0.001")
        program = Program(trainable, *arguments)
        program.until("dev loss")
        step = int(program.lines[-1].split("step ")[1].split(":")[0])
        assert step > at
        at = step
        for number in signals:
            program.process.send_signal(number)
        status, text = program.end()
        said.append(text)
        assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
        assert "Traceback" not in text
        assert adapters.listing(trainable.adapters_dir) == []
        [run] = adapters.unfinished(trainable.adapters_dir)
        assert list(run.folder.glob("checkpoint/state-*.safetensors"))
    for text in (said[0], said[2]):
        assert "with a checkpoint. Go on with: loresmith train --resume" in text
    assert "train --resume" in said[1]
    assert "unfinished" in loresmith("adapters", "list", "-w", trainable.root).out

    # The same number of threads gives the same last bit.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    assert loresmith("train", "-w", trainable.root, "--resume").status == 0
    [found] = adapters.listing(trainable.adapters_dir)
    told = json.loads((found.folder / "record.json").read_text())
    assert [s["step"] for s in told["steps"] if "loss" in s] == list(range(1, 121))
    expected = (found.folder / adapters.WEIGHTS).read_bytes()
    assert loresmith("train", "-w", trainable.root, *long, "--again").status == 0
    assert (found.folder / adapters.WEIGHTS).read_bytes() == expected


@pytest.mark.slow
def test_a_disk_that_fills_up_is_one_message_and_the_run_goes_on_later(loresmith, trainable):
    often = ("--set", "training.checkpoint_seconds=0.001")
    status, said = Program(trainable, *QUICK, *often, within=("prlimit", "--fsize=20000")).end()
    assert status == 1
    assert "--resume" in said
    assert "Traceback" not in said
    assert adapters.listing(trainable.adapters_dir) == []
    assert loresmith("train", "-w", trainable.root, "--resume").status == 0
    assert len(adapters.listing(trainable.adapters_dir)) == 1
