"""AdamW over one flat vector: all adapter weights as views of one tensor, their gradients of another.

Promises: the optimiser keeps float32 weights, so that small updates are not lost to bf16 rounding, and
the model computes with their rounding; gradients of micro-batches add up in float32; one kernel each
for norm, update and rounding, whatever the number of modules; one tensor to sum over processes.
(Decoupled weight decay: Loshchilov & Hutter 2019.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loresmith.errors import MissingExtra

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing


class FlatAdamW:
    """The trainable parameters of a model and everything that moves them.

    Attributes:
        weights: what the model computes with; its parameters are views of it.
        master: float32 (the same tensor where the model computes in float32).
        gradient: float32; backward passes add to it.
    """

    def __init__(self, parameters: Sequence[Any], *, weight_decay: float = 0.0) -> None:
        if len({p.dtype for p in parameters}) != 1:
            raise ValueError("all trainable parameters must have one dtype")
        first = parameters[0]
        size = sum(p.numel() for p in parameters)
        self.weights = torch.empty(size, dtype=first.dtype, device=first.device)
        self.gradient = torch.zeros(size, dtype=torch.float32, device=first.device)
        at = 0
        for parameter in parameters:
            end = at + parameter.numel()
            view = self.weights[at:end].view_as(parameter)
            view.copy_(parameter.data)
            parameter.data = view
            parameter.register_post_accumulate_grad_hook(_Adding(self.gradient[at:end].view_as(parameter)))
            at = end
        self.rounded = first.dtype != torch.float32
        self.master = self.weights.float() if self.rounded else self.weights
        leaf = torch.nn.Parameter(self.master)
        leaf.grad = self.gradient
        self._inner = torch.optim.AdamW([leaf], lr=0.0, weight_decay=weight_decay, fused=True)
        self._leaf = leaf

    def step(self, *, learning_rate: float, clip: float) -> float:
        """Clip, update, round, and clear the gradient.

        Returns:
            The gradient's norm before clipping. Where it is not finite nothing is updated.
        """
        norm = float(torch.linalg.vector_norm(self.gradient))
        if norm == norm and norm != float("inf"):
            if norm > clip:
                self.gradient.mul_(clip / norm)
            self._inner.param_groups[0]["lr"] = learning_rate
            self._inner.step()
            self.round()
        self.clear()
        return norm

    def round(self) -> None:
        """Let the model compute with what `master` now says."""
        if self.rounded:
            self.weights.copy_(self.master)

    def clear(self) -> None:
        self.gradient.zero_()

    def tensors(self) -> dict[str, Any]:
        """What a checkpoint keeps; copied by whoever keeps it for longer than a step."""
        state = self._inner.state.get(self._leaf, {})
        return {"master": self.master, **state}

    def restore(self, tensors: dict[str, Any]) -> None:
        """The state of `tensors()`, to the last bit."""
        self.master.copy_(tensors["master"])
        moments = {k: v.clone().to(self.master.device) for k, v in tensors.items() if k != "master"}
        if moments:
            self._inner.state[self._leaf] = moments
        self.round()
        self.clear()


class _Adding:
    """Adds a parameter's gradient to its place in the flat one, and drops it."""

    def __init__(self, total: Any) -> None:
        self.total = total

    def __call__(self, parameter: Any) -> None:
        self.total.add_(parameter.grad)
        parameter.grad = None
