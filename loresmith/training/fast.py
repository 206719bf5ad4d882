"""The same training step with less work, put into a model for the time of a run and taken out again.

    with fast.speed_up(model):    losses and gradients as before, to rounding

Promises: nothing about the model is assumed that is not looked at: after the change one small packed
batch is run both ways, and where loss or gradients differ by more than rounding the change is taken
back (`Speed.why` tells); after the run the model is as it came.

What is changed:
- attention within rows only (`attention`): most of the time that is saved;
- linear layers with plain LoRA, the gated unit before the last of them, and norms (`fused`): half of
  the activations that a step keeps. DoRA and dropout stay PEFT's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loresmith.errors import MissingExtra
from loresmith.training import attention, fused, packing
from loresmith.training.loss import completion_loss
from loresmith.training.values import Row

try:
    import torch
    from peft.tuners.lora import LoraLayer
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "peft", "train") from missing

# Of two correct ways to compute in the given precision, measured on tiny and real models.
_LOSS = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 1e-2}
_COSINE = {torch.float32: 1 - 1e-5, torch.bfloat16: 0.98, torch.float16: 0.98}


_REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError)


@dataclass
class Speed:
    """What became of the change: `parts` of "norms", "layers", "attention" hold; where none does,
    `why` says what was wrong with the smallest change."""

    why: str = ""
    parts: tuple[str, ...] = ()


@contextlib.contextmanager
def speed_up(model: Any) -> Iterator[Speed]:
    """Change a PEFT model for training, in place, until the context ends."""
    inner = model.get_base_model()
    before = inner.config._attn_implementation
    speed = Speed()
    readers: list[tuple[Any, Any]] = []
    if getattr(inner.config.get_text_config(), "attention_dropout", 0):
        speed.why = "its attention has dropout"
        yield speed
        return
    with _noting(inner, readers):
        expected = _sample(model)
    groups = _groups(readers)
    del readers
    try:
        for parts in (("norms", "layers"), ("layers",), ()):
            changed = _Changed()
            try:
                inner.set_attn_implementation(attention.NAME)
                if "layers" in parts:
                    changed.layers(inner, groups)
                if "norms" in parts:
                    changed.norms(inner)
                speed.why = _differs(expected, _sample(model), inner.dtype)
            # Any architecture may refuse in its own way, and then trains as it is.
            except (
                RuntimeError,
                ValueError,
                TypeError,
                KeyError,
                AttributeError,
                NotImplementedError,
            ) as error:
                speed.why = f"{type(error).__name__}: {error}"
            if not speed.why:
                speed.parts = (*parts, "attention")
                break
            changed.back()
            inner.set_attn_implementation(before)
        yield speed
    finally:
        changed.back()
        inner.set_attn_implementation(before)


class _Changed:
    """Modules whose `forward` was replaced."""

    def __init__(self) -> None:
        self.modules: list[Any] = []

    def put(self, module: Any, forward: Callable[..., Any]) -> None:
        module.forward = forward
        self.modules.append(module)

    def back(self) -> None:
        for module in self.modules:
            del module.forward
        self.modules = []

    def norms(self, model: Any) -> None:
        for module in model.modules():
            epsilon = getattr(module, "variance_epsilon", None)
            if type(module).__name__.endswith("RMSNorm") and epsilon and not module.weight.requires_grad:
                self.put(module, _norm(module, epsilon))

    def layers(self, model: Any, groups: Sequence[Sequence[Any]]) -> None:
        """Gated units whole; what is left by the input that it reads."""
        done: set[int] = set()
        for module in model.modules():
            if unit := _gated_unit(module):
                inputs, last = unit
                self.put(module, _feed([_linear(m) for m in inputs], _linear(last)))
                done |= {id(m) for m in (*inputs, last)}
        for members in groups:
            plain = [m for m in members if id(m) not in done and _is_plain(m)]
            if plain:
                group = _Group([_linear(m) for m in plain])
                for number, module in enumerate(plain):
                    self.put(module, group.member(number))


class _Group:
    """Layers that read one input: the first call computes all, the others take their output."""

    def __init__(self, layers: list[fused.Linear]) -> None:
        self.layers = layers
        self.read: Any = None
        self.outs: list[Any] = []

    def member(self, number: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            if x is not self.read or self.outs[number] is None:
                self.read, self.outs = x, list(fused.linear(x, self.layers))
            out, self.outs[number] = self.outs[number], None
            if not any(o is not None for o in self.outs):
                self.read, self.outs = None, []
            return out

        return forward


def _norm(module: Any, epsilon: float) -> Callable[[Any], Any]:
    return lambda x: fused.norm(x, module.weight, epsilon)


def _feed(inputs: list[fused.Linear], last: fused.Linear) -> Callable[[Any], Any]:
    return lambda x: fused.feed(fused.linear(x, inputs), last)


def _gated_unit(module: Any) -> tuple[list[Any], Any] | None:
    """(layers that read its input, the last one) of a feed-forward unit down(silu(gate x) ⊙ up x)."""
    act = getattr(module, "act_fn", None) or getattr(module, "activation_fn", None)
    if not type(act).__name__.startswith("SiLU"):
        return None
    children = dict(module.named_children())
    for names in (("gate_proj", "up_proj"), ("gate_up_proj",)):
        parts = [children.get(name) for name in (*names, "down_proj")]
        if len(children) == len(parts) + 1 and all(_is_plain(part) for part in parts):
            return parts[:-1], parts[-1]
    return None


def _is_plain(module: Any) -> bool:
    """A linear layer with one LoRA adapter and nothing else to it."""
    return (
        isinstance(module, LoraLayer)
        and list(module.lora_A) == ["default"]
        and not module.lora_variant
        and not module.lora_bias["default"]
        and isinstance(module.lora_dropout["default"], torch.nn.Identity)
        and (type(module.base_layer) is torch.nn.Linear or hasattr(module.base_layer.weight, "quant_state"))
    )


def _linear(module: Any) -> fused.Linear:
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    return fused.Linear(module.base_layer, a, b, module.scaling["default"])


@contextlib.contextmanager
def _noting(model: Any, readers: list[tuple[Any, Any]]) -> Iterator[None]:
    """Note (layer, input) of each layer with an adapter, in the order of their calls."""
    hooks = [
        module.register_forward_pre_hook(lambda module, args: readers.append((module, args[0])))
        for module in model.modules()
        if isinstance(module, LoraLayer)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _groups(readers: list[tuple[Any, Any]]) -> list[list[Any]]:
    """Layers that were called one after the other with the very same tensor."""
    groups: list[list[Any]] = []
    last = None
    for module, x in readers:
        if x is last:
            groups[-1].append(module)
        else:
            groups.append([module])
        last = x
    return groups


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
