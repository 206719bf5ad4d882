"""LoRA on the base: target modules read from the model, adapters attached, coverage checked.

Promises: "all-linear" means every linear layer of the decoder by the model's own names (Phi-3's fused
`qkv_proj` and `gate_up_proj` included), the head left out; a name that matches nothing, or a layer
that would silently stay without an adapter, stops the run before it starts. The fused experts of a
mixture stay as they are, which is said.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from loresmith.errors import MissingExtra, TrainingError
from loresmith.training.base import DTYPES, Base
from loresmith.training.values import Recipe

try:
    import peft
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "peft", "train") from missing

log = logging.getLogger(__name__)

ALL = "all-linear"


def targets_of(model: Any, wanted: Sequence[str] = (ALL,)) -> tuple[str, ...]:
    """The module names (last parts) that carry LoRA, in the order of the model.

    Args:
        wanted: names as the user wrote them; "all-linear" stands for every linear layer.

    Raises:
        TrainingError: the model has no such module; names what it has.
    """
    found = Counter(name.rpartition(".")[2] for name, _ in _linears(model))
    if not found:
        raise TrainingError(
            f"{type(model).__name__} has no linear layer that an adapter could sit on.",
            "Use another model.",
        )
    if ALL in wanted:
        return tuple(found)
    if unknown := [name for name in wanted if name not in found]:
        raise TrainingError(
            f"training.targets: {', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} no linear "
            f"layer of {type(model).__name__}.",
            f"It has: {', '.join(found)}. all-linear takes them all.",
        )
    return tuple(dict.fromkeys(wanted))


def attach(base: Base, recipe: Recipe) -> Any:
    """Put a fresh adapter on the base, in place; its weights depend on `recipe.seed` alone.

    Returns:
        The PEFT model. Adapter weights have the precision of the run; B is zero, so that the model
        says what it said before.

    Raises:
        TrainingError: not every target got its adapter.
    """
    if _fused_experts(base.model):
        log.warning("%s: its experts are fused tensors and carry no adapter; its attention does.", base.name)
    expected = [name for name, _ in _linears(base.model) if name.rpartition(".")[2] in recipe.targets]
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.targets),
        exclude_modules=_head_name(base.model),
        use_rslora=recipe.rslora,
        use_dora=recipe.dora,
        bias="none",
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(recipe.seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on layers that are not adapted
            model = peft.get_peft_model(base.model, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise TrainingError(f"No adapter could be attached: {error}", "Check training.targets.") from error
    finally:
        torch.random.set_rng_state(state)
    dtype = DTYPES["fp32" if recipe.precision == "fp16" else recipe.precision]
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(base.device, dtype)
    _check(model, expected, base.name)
    return model


def _linears(model: Any) -> list[tuple[str, Any]]:
    """Plain linear layers, nf4 ones too. A mixture's router is a subclass that returns more than a
    product: it carries no adapter."""
    head = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if (type(module) is torch.nn.Linear or hasattr(getattr(module, "weight", None), "quant_state"))
        and module is not head
    ]


def _fused_experts(model: Any) -> list[str]:
    """Names of the three-dimensional weights in which a mixture keeps its experts together."""
    return [name for name, p in model.named_parameters() if p.ndim == 3 and name.endswith("_proj")]


def _head_name(model: Any) -> list[str] | None:
    head = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if module is head]
    return names or None


def _check(model: Any, expected: Sequence[str], name: str) -> None:
    prefix = "base_model.model."
    got = {
        path.removeprefix(prefix)
        for path, module in model.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer)
    }
    bare = [path for path in expected if path not in got]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if bare or not expected or not trainable:
        shown = ", ".join(bare[:3]) + (" …" if len(bare) > 3 else "")
        raise TrainingError(
            f"{name}: {len(expected) - len(bare)} of {len(expected)} layers got an adapter"
            + (f"; without one: {shown}." if bare else "."),
            "Set training.targets to module names of this model, or report this architecture.",
        )
