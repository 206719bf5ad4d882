"""The values of training: what is asked for, what a step says, what comes out.

    Dataset -> rows (tokens with a loss mask) -> batches -> steps -> adapter + record

Nothing here imports torch, so that commands, the planner and the page can read a run's record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Method = Literal["lora", "qlora"]


@dataclass(frozen=True, slots=True)
class Row:
    """One example as tokens.

    Attributes:
        ids: shape (length,), int32.
        loss: shape (length,), bool: True where the token is a target (assistant text and its
            end-of-turn token).
    """

    ids: npt.NDArray[np.int32]
    loss: npt.NDArray[np.bool_]
    example: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every value of a run, resolved: nothing is "auto" here. Its hash is part of the adapter id.

    Attributes:
        model: the name by which the model was asked for.
        precision: of weights and activations: "bf16", "fp16" or "fp32".
        steps: optimiser steps if the run is not stopped early.
        batch_tokens: tokens of one optimiser step, all processes together (the effective batch).
        micro_tokens: tokens of one forward pass; smaller where memory runs out, the batch stays.
        max_length: longer rows are left out and reported.
        targets: module names that carry LoRA, as the model names them.
    """

    model: str
    method: Method
    precision: str
    steps: int
    epochs: float
    batch_tokens: int
    micro_tokens: int
    max_length: int
    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    rslora: bool
    dora: bool
    learning_rate: float
    schedule: Literal["cosine", "linear", "constant"]
    warmup: float
    weight_decay: float
    clip: float
    checkpointing: bool
    seed: int
    eval_every: int
    patience: int
    checkpoint_seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one optimiser step (or an evaluation after it) says. Loss in nats per target token,
    accuracy: the share of dev target tokens that are the model's likeliest."""

    step: int
    loss: float | None = None
    dev_loss: float | None = None
    dev_accuracy: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None}


OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run came to.

    Attributes:
        adapter: id of the adapter, the name of its folder.
        steps: optimiser steps done.  tokens: non-padding tokens seen, repeats counted.
        seconds: of training alone, over all resumes.
        peak_memory_bytes: of the process (CPU) or the device (CUDA).
        stopped: "" (all steps done), "dev accuracy" (early stop) or "interrupted".
    """

    adapter: str
    folder: Path
    method: Method
    steps: int
    tokens: int
    loss: Mapping[str, float | None]
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: int
    stopped: str = ""
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith train --json` prints."""
        raw = asdict(self)
        raw["folder"] = str(self.folder)
        raw["loss"] = dict(self.loss)
        raw["notes"] = list(self.notes)
        extra = raw.pop("extra")
        return {**raw, **extra}
