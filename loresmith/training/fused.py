"""Operations of a decoder layer whose weights are frozen but for LoRA, with gradients written by hand.

    linear    y = x Wᵀ + s (x Aᵀ) Bᵀ   for all layers that read the same x, W in 16 bits or nf4
    feed      the same behind the gated unit: x = silu(g) ⊙ u
    norm      x / rms(x) ⊙ w

Promises: the same values as the modules they stand for, to rounding. What autograd would keep is not
kept: no float32 copies of activations, no product of the gate, no scaled or summed copies of outputs;
gradients of one input add up in the matrix product itself. Frozen weights get no gradient, and nf4
weights are made 16-bit once a pass, in the forward and again in the backward.
(LoRA: Hu et al. 2021, §4.1.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loresmith.errors import MissingExtra

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing


@dataclass(frozen=True, slots=True)
class Linear:
    """One frozen layer with its adapter: what PEFT's layer holds."""

    base: Any
    a: Any
    b: Any
    scale: float

    @property
    def weight(self) -> Any:
        """Shape (out, in), in 16 bits, made anew where it is kept as nf4."""
        if hasattr(self.base.weight, "quant_state"):
            from loresmith.training import nf4

            return nf4.weight(self.base)
        return self.base.weight


def linear(x: Any, layers: Sequence[Linear]) -> tuple[Any, ...]:
    """Outputs of `layers` for the same input (…, in)."""
    flat = x.reshape(-1, x.shape[-1])
    adapters = [p for layer in layers for p in (layer.a, layer.b)]
    outs = _Linear.apply(flat, tuple(layers), *adapters)
    return tuple(out.view(*x.shape[:-1], -1) for out in outs)


def feed(gated: Sequence[Any], layer: Linear) -> Any:
    """`layer` behind silu(gate) ⊙ up; `gated` is (gate, up), or (both,) side by side as in Phi-3."""
    shape = gated[0].shape[:-1]
    flat = [t.reshape(-1, t.shape[-1]) for t in gated]
    return _Feed.apply(layer, layer.a, layer.b, *flat).view(*shape, -1)


def norm(x: Any, weight: Any, epsilon: float) -> Any:
    return _Norm.apply(x, weight, epsilon)


class _Linear(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Any, layers: tuple[Linear, ...], *adapters: Any) -> tuple[Any, ...]:
        together = _stacked(adapters)
        narrow = x @ together.T
        outs = []
        for layer, h in zip(layers, narrow.split([a.shape[0] for a in adapters[::2]], 1), strict=True):
            y = torch.nn.functional.linear(x, layer.weight, layer.base.bias)
            outs.append(y.addmm_(h, layer.b.T, alpha=layer.scale))
        ctx.save_for_backward(x, narrow, *adapters)
        ctx.layers = layers
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> tuple[Any, ...]:
        x, narrow, *adapters = ctx.saved_tensors
        together = _stacked(adapters)
        slopes = torch.empty_like(narrow)
        dx = None
        gradients: list[Any] = []
        at = 0
        for layer, dy in zip(ctx.layers, upstream, strict=True):
            end = at + layer.a.shape[0]
            slopes[:, at:end] = (dy @ layer.b).mul_(layer.scale)
            gradients += [None, (dy.T @ narrow[:, at:end]).mul_(layer.scale)]
            if ctx.needs_input_grad[0]:
                dx = dy @ layer.weight if dx is None else dx.addmm_(dy, layer.weight)
            at = end
        if dx is not None:
            dx.addmm_(slopes, together)
        whole = slopes.T @ x
        gradients[::2] = whole.split([a.shape[0] for a in adapters[::2]])
        return dx, None, *gradients


class _Feed(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, layer: Linear, a: Any, b: Any, *gated: Any) -> Any:
        gate, up = _halves(gated)
        x = torch.nn.functional.silu(gate).mul_(up)
        h = x @ a.T
        y = torch.nn.functional.linear(x, layer.weight, layer.base.bias)
        ctx.save_for_backward(h, a, b, *gated)
        ctx.layer = layer
        return y.addmm_(h, b.T, alpha=layer.scale)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> tuple[Any, ...]:
        h, a, b, *gated = ctx.saved_tensors
        layer = ctx.layer
        gate, up = _halves(gated)
        slope = (upstream @ b).mul_(layer.scale)
        db = (upstream.T @ h).mul_(layer.scale)
        dx = (upstream @ layer.weight).addmm_(slope, a)
        open_ = torch.nn.functional.silu(gate)
        da = slope.T @ (open_ * up)
        if len(gated) == 1:
            both = torch.empty_like(gated[0])
            dgate, dup = _halves([both])
            torch.mul(dx, open_, out=dup)
            dgate.copy_(torch.ops.aten.silu_backward(dx.mul_(up), gate))
            return None, da, db, both
        dup = open_.mul_(dx)
        return None, da, db, torch.ops.aten.silu_backward(dx.mul_(up), gate), dup


class _Norm(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, epsilon: float) -> Any:
        wide = x.float()
        inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(x, inverse, weight)
        # Rounded before the weight, as the models do.
        return (wide * inverse).to(x.dtype) * weight

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> tuple[Any, None, None]:
        x, inverse, weight = ctx.saved_tensors
        unit = x.float().mul_(inverse)
        slope = (upstream * weight).float()
        along = (slope * unit).mean(-1, keepdim=True)
        return slope.sub_(unit.mul_(along)).mul_(inverse).to(x.dtype), None, None


def _stacked(adapters: Sequence[Any]) -> Any:
    """A of all layers below each other: one product reads the input once."""
    return adapters[0] if len(adapters) == 2 else torch.cat(list(adapters[::2]))


def _halves(gated: Sequence[Any]) -> tuple[Any, Any]:
    gate, up = gated if len(gated) == 2 else gated[0].chunk(2, -1)
    return gate, up
