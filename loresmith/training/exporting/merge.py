"""An adapter worked into its base: W + scale · B·A (or DoRA's form of it), in 16 bits.

    base (16 bit, or nf4 made 16 bit) + adapter -> plain model, or its tensors one by one

Promises: the sum is formed in float32 and rounded once; only one layer is in float32 at a time;
nothing is ever merged into 4 bits, where what was learned is lost (measured: 0 of 34 facts kept);
a weight that comes out as no number is an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from loresmith.errors import MissingExtra, TrainingError
from loresmith.training.adapters import WEIGHTS

try:
    import peft
    import safetensors
    import torch
    from peft.tuners.lora import LoraLayer
except ImportError as missing:
    raise MissingExtra("Export", missing.name or "peft", "train") from missing

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def attached(model: Any, folder: Path) -> Any:
    """`model` with the adapter of `folder` on it, for inference.

    Raises:
        TrainingError: the adapter does not fit the model.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT asks transformers for what is about to be renamed
            worn = peft.PeftModel.from_pretrained(model, str(folder), low_cpu_mem_usage=False).eval()
            with safetensors.safe_open(str(folder / WEIGHTS), "pt") as file:
                # Told that no embedding was trained, PEFT does not look for the base at the hub.
                own = peft.get_peft_model_state_dict(worn, save_embedding_layers=False)
                # PEFT only warns of weights for which the model has no place, and of places without.
                astray = set(file.keys()) ^ set(own)
    # PEFT, torch and safetensors raise whatever they like for weights that do not fit.
    except Exception as error:
        reason = next(
            (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        raise _misfit(folder, reason) from error
    if astray:
        raise _misfit(folder, f"{len(astray)} of its matrices have no counterpart, {min(astray)} among them.")
    return worn


def _misfit(folder: Path, reason: str) -> TrainingError:
    return TrainingError(
        f"{folder}: the adapter cannot be put on its base model: {reason}",
        "It belongs to another base model; its card.json names the right one.",
    )


def detached(model: Any) -> Any:
    """The base model of a PEFT model as it was before."""
    return model.unload()


def merge(model: Any, precision: str) -> Any:
    """The base model with the adapter in its weights; `model` is used up.

    Args:
        model: a PEFT model over 16-bit (or 32-bit) weights.
        precision: "bf16", "fp16" or "fp32": of all weights of the result.

    Raises:
        TrainingError: the base is quantised, a part of the adapter cannot be merged, or a weight
            comes out as no number.
    """
    dtype = PRECISIONS[precision]
    for name, layer in _layers(model):
        plain = layer.get_base_layer()
        for key, tensor in _merged(name, layer):
            getattr(plain, key).data = _rounded(f"{name}.{key}", tensor, dtype)
    merged = detached(model)
    # Not `merged.to(dtype)`: buffers (the angles of the position encoding) stay in float32.
    for parameter in merged.parameters():
        parameter.data = parameter.data.to(dtype)
    return merged


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the merged model. `load` makes it when it is wanted: in float32 where the
    adapter changed it, else as the base has it."""

    name: str
    shape: tuple[int, ...]
    changed: bool
    load: Callable[[], Any]


def tensors(model: Any) -> Iterator[Tensor]:
    """The tensors of the merged model under the names of the base; a tied output matrix does not
    come a second time. `model` stays as it is, and only one layer at a time is in float32.
    """
    layers = dict(_layers(model))
    seen: set[int] = set()
    for name, parameter in model.get_base_model().named_parameters(remove_duplicate=False):
        owner, _, key = name.rpartition(".base_layer.")
        shape = tuple(parameter.shape)
        if owner in layers:
            load = partial(_one, owner, layers[owner], key)
            yield Tensor(f"{owner}.{key}", shape, True, load)
        elif ".lora_" not in name and id(parameter) not in seen:
            seen.add(id(parameter))
            yield Tensor(name, shape, False, parameter.detach)


def _one(name: str, layer: Any, key: str) -> Any:
    return dict(_merged(name, layer))[key]


def _layers(model: Any) -> Iterator[tuple[str, Any]]:
    found = False
    embeddings = model.get_base_model().get_input_embeddings().weight
    for name, module in model.get_base_model().named_modules():
        if isinstance(module, peft.utils.ModulesToSaveWrapper):
            raise TrainingError(
                f"{name}: a layer that was trained whole cannot be merged.", "Export as peft."
            )
        if not isinstance(module, LoraLayer):
            continue
        plain = module.get_base_layer()
        if not isinstance(plain, torch.nn.Linear) or type(plain).__module__.startswith("bitsandbytes"):
            raise TrainingError(
                f"{name}: an adapter is not merged into {type(plain).__name__}.",
                "Merge into the 16-bit base, or export as peft.",
            )
        if plain.weight is embeddings:
            raise TrainingError(
                f"{name}: its weights are the embeddings' too, which the adapter does not change.",
                "Export as peft.",
            )
        found = True
        yield name, module
    if not found:
        raise TrainingError("There is no adapter on this model.", "Choose another adapter.")


def _merged(name: str, layer: Any) -> Iterator[tuple[str, Any]]:
    """The layer's weight, and its bias where it has one, merged in float32 on copies."""
    plain = layer.get_base_layer()
    kept = {key: parameter.data for key, parameter in plain.named_parameters(recurse=False)}
    own = {key: parameter.data for key, parameter in layer.named_parameters() if "base_layer" not in key}
    adapters = {key: parameter for key, parameter in layer.named_parameters() if "base_layer" not in key}
    try:
        for key, tensor in kept.items():
            getattr(plain, key).data = tensor.to(torch.float32, copy=True)
        for parameter in adapters.values():
            parameter.data = parameter.data.float()
        layer.merge()
        layer.merged_adapters.clear()
        results = {key: getattr(plain, key).data for key in kept}
    finally:
        for key, tensor in kept.items():
            getattr(plain, key).data = tensor
        for key, tensor in own.items():
            adapters[key].data = tensor
    for key, tensor in results.items():
        if not torch.isfinite(tensor).all():
            raise TrainingError(
                f"{name}.{key}: the merged weights are no numbers: the adapter is damaged.",
                "Take another adapter, or train again.",
            )
        yield key, tensor


def _rounded(name: str, tensor: Any, dtype: Any) -> Any:
    rounded = tensor.to(dtype)
    if not torch.isfinite(rounded).all():
        raise TrainingError(f"{name}: the merged weights do not fit fp16.", "Merge in bf16: --precision bf16")
    return rounded
