"""Settings to a recipe: what the user left unset follows from model, data, hardware and effort.

Imports no torch, so that the planner can ask what a run would be. Where a value comes from:
- learning rate: Schulman et al. 2025, "LoRA Without Regret": ten times that of full tuning, falling
  with the model's width; about independent of the rank;
- batches of few rows: the same, "LoRA is less tolerant of large batch sizes";
- every linear layer: the same, and Biderman et al. 2024, "LoRA Learns Less and Forgets Less".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from loresmith.config import TrainingSection
from loresmith.errors import DatasetError
from loresmith.training.values import Method, Recipe

# Passes over the data, the fewest steps worth the name, and the most passes to reach them.
_EFFORT = {"quick": (1.0, 60, 3.0), "normal": (3.0, 250, 10.0), "thorough": (6.0, 600, 20.0)}
# On a CPU a pass over thousands of rows with passages takes hours: no more steps than this.
_CPU_STEPS = {"quick": 100, "normal": 400, "thorough": 2000}
_ROWS_A_STEP = 8
_MANY_ROWS, _ROWS_A_STEP_MANY = 2000, 16
# Beyond these, a larger forward pass is not faster any more, only larger.
_MICRO_TOKENS = {"cpu": 1024, "cuda": 8192}
_LOOKS = 20


def resolve(
    settings: TrainingSection,
    *,
    model: str,
    method: Method,
    precision: str,
    hidden: int,
    targets: tuple[str, ...],
    lengths: Sequence[int],
    device: str = "cpu",
    checkpointing: bool = False,
) -> Recipe:
    """Every value of the run.

    Args:
        hidden: the model's width.
        lengths: tokens of each training row.
        checkpointing: what "auto" means here: whether activations would not fit.

    Raises:
        DatasetError: there is nothing to train on.
    """
    if not lengths:
        raise DatasetError(
            "The dataset has no row to train on.",
            "`loresmith dataset show` tells what was rejected; training.max_length may be too small.",
        )
    total = sum(lengths)
    cuda = device.startswith("cuda")
    rows_a_step = _ROWS_A_STEP_MANY if cuda and len(lengths) >= _MANY_ROWS else _ROWS_A_STEP
    batch_tokens = settings.batch_tokens or max(16, round(rows_a_step * total / len(lengths)))
    a_pass = max(1, round(total / batch_tokens))
    epochs = settings.epochs or _epochs(settings.effort, a_pass)
    steps = max(1, round(epochs * a_pass))
    if not settings.epochs and not cuda:
        steps = min(steps, _CPU_STEPS[settings.effort])
    if settings.max_steps:
        steps = min(steps, settings.max_steps)
    widest = _MICRO_TOKENS["cuda" if cuda else "cpu"]
    return Recipe(
        model=model,
        method=method,
        precision=precision,
        steps=steps,
        epochs=round(steps / a_pass, 4),
        batch_tokens=batch_tokens,
        micro_tokens=settings.micro_tokens or max(min(widest, round(1.2 * batch_tokens)), max(lengths)),
        max_length=settings.max_length,
        rank=settings.rank,
        alpha=settings.alpha or 2.0 * settings.rank,
        dropout=settings.dropout,
        targets=targets,
        rslora=settings.rslora,
        dora=settings.dora,
        learning_rate=settings.learning_rate or _learning_rate(hidden),
        schedule=settings.schedule,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
        checkpointing=settings.checkpointing == "on" or (settings.checkpointing == "auto" and checkpointing),
        seed=settings.seed,
        eval_every=settings.eval_every or max(1, math.ceil(steps / _LOOKS)),
        patience=settings.patience,
        checkpoint_seconds=settings.checkpoint_seconds,
    )


def _epochs(effort: str, a_pass: int) -> float:
    passes, fewest, most = _EFFORT[effort]
    return min(most, max(passes, fewest / a_pass))


def _learning_rate(hidden: int) -> float:
    """10 × 5e-5 × (2000 / width) ^ 0.775 (the exponent that they found for Llama), two digits."""
    return float(f"{5e-4 * (2000 / hidden) ** 0.775:.1e}")
