"""The plan corrected by what really happens: a few steps of the real loop, each method by itself.

    Plan + name + rows -> subprocess a method -> peak memory, tokens a second -> Plan

Each method runs in a process of its own, so that its peak is its own and a method that runs out of
memory takes nothing with it. The step is the one of the coming run that has the largest micro-batch.
Promises: nothing is written outside of a temporary folder; what a probe could not do is said in the
plan, and the forecast stands there beside what was measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from loresmith.config import TrainingSection
from loresmith.errors import LoresmithError, MissingExtra, ModelError, TrainingError
from loresmith.training.planning.plan import Measured, Plan, with_measured
from loresmith.training.values import Recipe
from loresmith.types import Progress

STEPS = 3
"""The first step compiles kernels and grows the heap; the best of the others is what counts."""

TIMEOUT = 1800.0


def probe(
    plan: Plan,
    settings: TrainingSection,
    *,
    dataset: tuple[Path, str] | None = None,
    methods: Sequence[str] = ("lora", "qlora"),
    steps: int | None = None,
    progress: Progress | None = None,
) -> Plan:
    """`plan` with its forecast replaced by measurements, for the model that it names.

    Args:
        dataset: (folder of datasets, id), whose real rows are used; without it rows of random tokens
            that are as long as the plan assumes.
        steps: so many steps of the run as planned, instead of its largest one three times: what memory
            comes to when lengths vary.

    Raises:
        MissingExtra: the extra for training is not installed.
        ModelError: the weights are not here, or damaged.
    """
    measured: dict[str, Measured] = {}
    for done, name in enumerate(methods):
        if progress:
            progress("probing", done, len(methods))
        method = plan.method(name)
        if method.recipe is None or not plan.architecture.trainable_here:
            continue
        task = {
            "model": plan.model,
            "recipe": method.recipe.to_dict(),
            "lengths": list(plan.lengths.values),
            "learned": plan.lengths.learned,
            "vocabulary": plan.architecture.vocab,
            "datasets": str(dataset[0]) if dataset else None,
            "dataset": dataset[1] if dataset else None,
            "max_length": settings.max_length,
            "device": plan.hardware.kind,
            "steps": steps,
        }
        measured[name] = in_a_process(task)
    if progress:
        progress("probing", len(methods), len(methods))
    return with_measured(plan, measured)


def in_a_process(task: dict[str, Any]) -> Measured:
    """`measure(task)` in a process of its own; whatever ends that process is a `problem`."""
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    with tempfile.TemporaryDirectory(prefix="loresmith-probe-") as folder:
        said = Path(folder) / "measured.json"
        command = [sys.executable, "-m", "loresmith.training.planning.probe", str(said)]
        try:
            ran = subprocess.run(
                command,
                input=json.dumps({**task, "out": folder}),
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            return Measured(problem=f"{STEPS} steps took more than {TIMEOUT / 60:.0f} minutes")
        if said.is_file():
            raw = json.loads(said.read_text())
            if raw.get("missing"):
                raise MissingExtra("Training", raw["missing"], "train")
            if raw.get("model"):
                raise ModelError(*raw["model"])
            return Measured(**raw)
    if ran.returncode in (-9, 137):
        return Measured(problem="it ran out of memory and was killed")
    last = next((line for line in reversed(ran.stderr.splitlines()) if line.strip()), "no word")
    return Measured(problem=f"the probe failed: {last[:200]}")


# --- in the process -------------------------------------------------------------------------------


def measure(task: dict[str, Any]) -> Measured:
    """Train some steps of the task's recipe and say what they took."""
    import torch

    from loresmith.models import cpu
    from loresmith.training import base, recipe

    if task["device"] == "cpu":
        torch.set_num_threads(cpu.count())
    raw = task["recipe"]
    wanted = Recipe(**{**raw, "targets": tuple(raw["targets"])})
    loaded = base.load(task["model"], method=wanted.method, precision=wanted.precision, device=task["device"])
    rows = _rows(task, loaded.tokenizer)
    steps: list[tuple[int, float]] = []
    count = task["steps"] or STEPS
    run = replace(wanted, steps=count, eval_every=count, patience=0)
    if not task["steps"]:
        rows = _largest_step(rows, wanted)
        run = replace(run, batch_tokens=sum(len(row.ids) for row in rows))
    recipe.train(
        loaded,
        rows,
        [],
        run,
        out=Path(task["out"]),
        on_step=lambda step: steps.append((step.tokens, step.seconds)) if step.loss is not None else None,
    )
    speed = max(tokens / seconds for tokens, seconds in steps[1:])
    return Measured(peak=_peak(loaded.device), tokens_per_second=speed, micro_tokens=wanted.micro_tokens)


def _rows(task: dict[str, Any], tokenizer: Any) -> list[Any]:
    if task["dataset"] is None:
        from loresmith.training.planning.lengths import random_rows

        return random_rows(task["lengths"], task["learned"], task["vocabulary"])
    from loresmith.dataset import store
    from loresmith.training import tokens

    train = store.load(Path(task["datasets"]), task["dataset"]).train
    rows, problems = tokens.rows(train, tokenizer, max_length=task["max_length"])
    if not rows:
        why = problems[0].reason if problems else "the dataset has none"
        raise TrainingError(f"No row can be trained on: {why}.", "`loresmith dataset check` says more.")
    return rows


def _largest_step(rows: Sequence[Any], recipe: Recipe) -> list[Any]:
    """The rows of the optimiser step with the largest micro-batch."""
    from loresmith.training.planning.lengths import largest_step

    return largest_step(rows, recipe)[0]


def _peak(device: str) -> int:
    if device.startswith("cuda"):
        import torch

        free, total = torch.cuda.mem_get_info(device)
        outside = total - free - torch.cuda.memory_reserved(device)
        return int(torch.cuda.max_memory_allocated(device) + outside)
    from loresmith.training import memory

    return memory.peak(device)


def _main() -> None:
    said = Path(sys.argv[1])
    try:
        raw: dict[str, Any] = asdict(measure(json.load(sys.stdin)))
    except MissingExtra as error:
        raw = {"missing": error.problem.partition("package ")[2].partition(",")[0]}
    except ImportError as error:
        raw = {"missing": error.name}
    except ModelError as error:
        raw = {"model": [error.problem, error.remedy]}
    except LoresmithError as error:
        raw = {"problem": str(error)}
    said.write_text(json.dumps(raw))


if __name__ == "__main__":
    _main()
