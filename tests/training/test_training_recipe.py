"""The loop: it learns, stops where it should, and a run that was killed goes on bit for bit."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from training.rows import facts  # noqa: E402

from loresmith.config import TrainingSection  # noqa: E402
from loresmith.errors import DatasetError, TrainingError  # noqa: E402
from loresmith.training import base, checkpoint, recipe  # noqa: E402


def started(folder, method="lora", count=12, **settings):
    loaded = base.load(str(folder), method=method, precision=settings.pop("precision", "bf16"))
    rows = facts(loaded.tokenizer, count)
    values = {"max_steps": 12, "rank": 4, "learning_rate": 1e-2, "eval_every": 4, **settings}
    return loaded, rows, recipe.resolve(TrainingSection(**values), loaded, rows)


def losses(history):
    return [(s.step, s.loss, s.dev_loss) for s in history]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks for it
@pytest.mark.parametrize("method", ["lora", "qlora"])
@pytest.mark.parametrize("kind", ["phi3", "llama"])
def test_training_learns_and_saves_what_peft_loads(kind, method, request, tmp_path):
    import peft

    folder = request.getfixturevalue(kind)
    loaded, rows, plan = started(folder, method, max_steps=40, epochs=40)
    seen = []
    done = recipe.train(loaded, rows, rows[:4], plan, out=tmp_path, on_step=seen.append)
    assert done.loss["train"] < done.history[0].loss - 0.3
    looks = [s for s in seen if s.dev_loss is not None]
    best = max(looks, key=lambda s: (s.dev_accuracy, -s.dev_loss))
    assert done.loss["dev"] == pytest.approx(best.dev_loss)
    assert (done.steps, done.stopped) == (40, "")
    assert done.tokens == sum(s.tokens for s in seen)
    assert tuple(seen) == done.history

    fresh = base.load(str(folder), method=method, precision="bf16")
    tuned = peft.PeftModel.from_pretrained(fresh.model, str(tmp_path), autocast_adapter_dtype=False)
    again = recipe.evaluate(tuned, rows[:4], micro_tokens=plan.micro_tokens)
    assert again == pytest.approx(done.loss["dev"], rel=5e-3)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        folder
    )


def test_micro_batches_of_any_size_give_the_same_losses(phi3, tmp_path):
    runs = []
    for size in (40, 1000):
        loaded, rows, plan = started(phi3, precision="fp32", micro_tokens=size)
        runs.append(recipe.train(loaded, rows, (), plan, out=tmp_path / str(size)))
    for small, large in zip(runs[0].history, runs[1].history, strict=True):
        assert small.loss == pytest.approx(large.loss, rel=1e-4)
        assert small.gradient_norm == pytest.approx(large.gradient_norm, rel=1e-3)


def test_the_rate_warms_up_and_falls(phi3, tmp_path):
    loaded, rows, plan = started(phi3, max_steps=20, warmup=0.2)
    rates = [s.learning_rate for s in recipe.train(loaded, rows, (), plan, out=tmp_path).history]
    assert rates[:4] == pytest.approx([2.5e-3, 5e-3, 7.5e-3, 1e-2])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 3e-4


def test_it_stops_when_no_more_of_the_dev_split_is_right_and_keeps_the_best_weights(phi3, tmp_path):
    """Dev rows that contradict the training rows: what is learned makes them worse."""
    loaded, rows, plan = started(phi3, max_steps=200, eval_every=1, patience=3, learning_rate=5e-2)
    dev = [dataclasses.replace(row, ids=row.ids[::-1].copy()) for row in rows[:3]]
    done = recipe.train(loaded, rows, dev, plan, out=tmp_path)
    assert done.stopped == "dev accuracy"
    assert done.steps < 200
    looks = {s.step: (s.dev_accuracy, -s.dev_loss) for s in done.history if s.dev_loss is not None}
    assert done.best_step == max(looks, key=looks.get)
    best = max(accuracy for accuracy, _ in looks.values())
    assert done.steps == 3 + next(step for step, (accuracy, _) in looks.items() if accuracy == best)
    loss, right = recipe.judge(done.model, dev, micro_tokens=plan.micro_tokens)
    assert right == looks[done.best_step][0]
    assert loss == pytest.approx(-looks[done.best_step][1], rel=1e-3)


def test_the_share_of_tokens_right_is_what_the_logits_say(phi3, tmp_path):
    loaded, rows, plan = started(phi3, max_steps=10)
    model = recipe.train(loaded, rows, (), plan, out=tmp_path).model.eval()
    right = total = 0
    for row in rows:
        with torch.no_grad():
            said = model(input_ids=torch.tensor(row.ids, dtype=torch.long)[None]).logits[0].argmax(-1)
        for at in range(1, len(row.ids)):
            if row.loss[at]:
                total += 1
                right += int(said[at - 1]) == int(row.ids[at])
    _, share = recipe.judge(model, rows, micro_tokens=plan.micro_tokens)
    assert right > 0
    assert share == pytest.approx(right / total, abs=0.02)


def test_asked_to_stop_it_checkpoints_and_goes_on_as_if_it_had_not(phi3, tmp_path):
    loaded, rows, plan = started(phi3)
    whole = recipe.train(loaded, rows, rows[:3], plan, out=tmp_path / "whole")

    loaded, rows, plan = started(phi3)
    seen = []
    stop = lambda: len(seen) >= 5  # noqa: E731
    half = recipe.train(loaded, rows, rows[:3], plan, out=tmp_path / "half", on_step=seen.append, stop=stop)
    assert half.stopped == "interrupted"
    assert not (tmp_path / "half" / "adapter_model.safetensors").exists()

    loaded, rows, plan = started(phi3)
    rest = recipe.train(loaded, rows, rows[:3], plan, out=tmp_path / "half", resume=True)
    assert losses(rest.history) == losses(whole.history)
    name = "adapter_model.safetensors"
    assert (tmp_path / "half" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from training.rows import facts
from loresmith.config import TrainingSection
from loresmith.training import base, recipe
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
loaded = base.load(str(folder), method="lora", precision="bf16")
rows = facts(loaded.tokenizer, 12)
settings = TrainingSection(max_steps=12, rank=4, learning_rate=1e-2, eval_every=4, dropout=0.1,
                           checkpoint_seconds=1e-9, batch_tokens=130, micro_tokens=70)
plan = recipe.resolve(settings, loaded, rows)
print("ready", flush=True)
done = recipe.train(loaded, rows, rows[:3], plan, out=out, resume=True,
                    on_step=lambda s: print(s.step, s.loss, s.dev_loss, flush=True))
"""


@pytest.mark.slow
def test_killed_at_several_moments_it_goes_on_to_the_last_bit(phi3, tmp_path):
    """kill -9 while it writes, computes and looks at dev; the losses and weights are the same bits."""
    program = PROGRAM.format(tests=os.path.dirname(os.path.dirname(__file__)))

    def run(out, kill_at=None):
        lines = []
        with subprocess.Popen(
            [sys.executable, "-c", program, str(phi3), str(out)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as process:
            for line in process.stdout:
                if line.strip() != "ready":
                    lines.append(line.strip())
                if kill_at is not None and len(lines) == kill_at:
                    process.send_signal(signal.SIGKILL)
                    break
            process.wait()
        return lines, process.returncode

    expected, status = run(tmp_path / "whole")
    assert status == 0
    seen = {}
    for kill_at in (3, 4):
        lines, status = run(tmp_path / "killed", kill_at)
        assert status == -signal.SIGKILL
        seen |= {tuple(line.split()[::2]): line for line in lines}
    lines, status = run(tmp_path / "killed")
    assert status == 0
    seen |= {tuple(line.split()[::2]): line for line in lines}
    # Steps that were done twice, before and after a kill, gave the same line as well.
    assert set(seen.values()) == set(expected)
    assert int(lines[0].split()[0]) > 4, "it began anew"
    name = "adapter_model.safetensors"
    assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_recipe_or_dataset_does_not_go_on_from_this_checkpoint(phi3, tmp_path):
    loaded, rows, plan = started(phi3, max_steps=3)
    recipe.train(loaded, rows, (), plan, out=tmp_path)
    loaded, rows, plan = started(phi3, max_steps=3, seed=7)
    with pytest.raises(TrainingError, match=r"another recipe.*without --resume"):
        recipe.train(loaded, rows, (), plan, out=tmp_path, resume=True)


def test_where_memory_runs_out_micro_batches_shrink_and_losses_stay(phi3, tmp_path, monkeypatch):
    """The allocator's own error, raised where a forward pass is larger than this machine."""
    loaded, rows, plan = started(phi3, precision="fp32", micro_tokens=400, batch_tokens=400)
    expected = recipe.train(loaded, rows, (), plan, out=tmp_path / "whole")
    real = recipe.completion_loss

    def small_machine(model, micro):
        if len(micro.ids) > 150:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …")
        return real(model, micro)

    monkeypatch.setattr(recipe, "completion_loss", small_machine)
    loaded, rows, plan = started(phi3, precision="fp32", micro_tokens=400, batch_tokens=400)
    done = recipe.train(loaded, rows, (), plan, out=tmp_path / "small")
    for a, b in zip(done.history, expected.history, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-4)
    assert any("memory ran out: micro-batches of at most" in note for note in done.notes)


def test_no_memory_for_one_row_is_said(phi3, tmp_path, monkeypatch):
    def no_memory(model, micro):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(recipe, "completion_loss", no_memory)
    loaded, rows, plan = started(phi3)
    with pytest.raises(TrainingError, match=r"No memory left for one row of \d+ tokens.*qlora"):
        recipe.train(loaded, rows, (), plan, out=tmp_path)


def test_a_loss_that_is_not_a_number_ends_the_run(phi3, tmp_path):
    loaded, rows, plan = started(phi3, max_steps=40)
    with torch.no_grad():
        loaded.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"not a number.*learning_rate"):
        recipe.train(loaded, rows, (), plan, out=tmp_path)


def test_a_full_disk_stops_the_run_and_the_checkpoint_is_usable(phi3, tmp_path, monkeypatch):
    loaded, rows, plan = started(phi3, checkpoint_seconds=1e-9)
    real, written = checkpoint.save, []

    def filling(tensors, metadata):
        written.append(1)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        return real(tensors, metadata)

    monkeypatch.setattr(checkpoint, "save", filling)
    with pytest.raises(TrainingError, match="No space left"):
        recipe.train(loaded, rows, (), plan, out=tmp_path)
    monkeypatch.undo()
    loaded, rows, plan = started(phi3, checkpoint_seconds=1e-9)
    done = recipe.train(loaded, rows, (), plan, out=tmp_path, resume=True)
    assert [s.step for s in done.history] == list(range(1, 13))


def test_no_rows_are_said(phi3):
    loaded = base.load(str(phi3), method="lora", precision="fp32")
    with pytest.raises(DatasetError, match="no row to train on"):
        recipe.resolve(TrainingSection(), loaded, [])


def test_effort_and_settings_decide_how_long(phi3):
    loaded, rows, _ = started(phi3)
    steps = {
        e: recipe.resolve(TrainingSection(effort=e), loaded, rows).steps
        for e in ("quick", "normal", "thorough")
    }
    assert steps["quick"] < steps["normal"] < steps["thorough"]
    assert recipe.resolve(TrainingSection(epochs=2.0), loaded, rows).epochs == 2.0
    plan = recipe.resolve(TrainingSection(max_steps=3, rank=2, alpha=7, learning_rate=0.5), loaded, rows)
    assert (plan.steps, plan.rank, plan.alpha, plan.learning_rate) == (3, 2, 7, 0.5)
