"""The same training step with less work, put into a model for the time of a run and taken out again.

    with fast.speed_up(model):    losses and gradients as before, to rounding

Promises: nothing about the model is assumed that is not looked at: after the change one small packed
batch is run both ways, and where loss or gradients differ by more than rounding the change is taken
back (`Speed.why` tells); after the run the model is as it came.

What is changed:
- attention within rows only (`attention`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from loresmith.errors import MissingExtra
from loresmith.training import attention, packing
from loresmith.training.loss import completion_loss
from loresmith.training.values import Row

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

# Of two correct ways to compute in the given precision, measured on tiny and real models.
_LOSS = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 1e-2}
_COSINE = {torch.float32: 1 - 1e-5, torch.bfloat16: 0.98, torch.float16: 0.98}


@dataclass
class Speed:
    """What became of the change: `why` is empty where it holds."""

    why: str = ""


@contextlib.contextmanager
def speed_up(model: Any) -> Iterator[Speed]:
    """Change a PEFT model for training, in place, until the context ends."""
    inner = model.get_base_model()
    before = inner.config._attn_implementation
    speed = Speed()
    try:
        expected = _sample(model)
        try:
            inner.set_attn_implementation(attention.NAME)
            speed.why = _differs(expected, _sample(model), inner.dtype)
        # Any architecture may refuse in its own way, and then trains as it is.
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            speed.why = f"{type(error).__name__}: {error}"
        if speed.why:
            inner.set_attn_implementation(before)
        yield speed
    finally:
        inner.set_attn_implementation(before)


def _sample(model: Any) -> tuple[float, Any]:
    """Loss and adapter gradients of a small packed batch; gradients are cleared again."""
    generator = np.random.default_rng(0)
    vocabulary = model.get_base_model().get_input_embeddings().weight.shape[0]
    rows = []
    for length in (5, 11, 8):
        loss = np.zeros(length, bool)
        loss[length // 2 :] = True
        rows.append(Row(generator.integers(0, vocabulary, length).astype(np.int32), loss))
    [micro] = packing.batch(rows, micro_tokens=64).micros
    trained = [p for p in model.parameters() if p.requires_grad]
    training = model.training
    model.eval()
    try:
        loss = completion_loss(model, micro)
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
    finally:
        model.train(training)
    flat = [
        torch.zeros_like(p).flatten() if g is None else g.flatten()
        for p, g in zip(trained, gradients, strict=True)
    ]
    return float(loss.detach()), torch.cat(flat).float()


def _differs(expected: tuple[float, Any], got: tuple[float, Any], dtype: Any) -> str:
    """Why the second is not the first to rounding, or ""."""
    (loss, gradient), (other, slope) = expected, got
    if not abs(loss - other) <= _LOSS[dtype] * abs(loss):
        return f"the loss of a sample is {other:.5g}, not {loss:.5g}"
    cosine = float(torch.nn.functional.cosine_similarity(gradient, slope, dim=0))
    return "" if cosine >= _COSINE[dtype] else f"the gradient's cosine on a sample is {cosine:.4f}"
