"""nf4 with double quantisation (QLoRA, Dettmers et al. 2023, §3) by bitsandbytes, in process.

    bf16 weights, loaded however -> layer by layer -> 4 bits and their constants, and back

Promises: works for weights of any origin (GGUF too); never holds more than one layer twice; the
weights stay bit for bit what they are at quantisation. bitsandbytes repacks weights in place at the
first forward pass in `eval()` on processors with AVX512-BF16, after which gradients, `dequantize()`
and merges are wrong without a word; that is switched off on every layer.
"""

from __future__ import annotations

import logging
from typing import Any

from loresmith.errors import MissingExtra, TrainingError

# It reports at import that an optional kernel hub is not installed, which concerns no one here.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
try:
    import bitsandbytes
    import torch
except ImportError as missing:
    raise MissingExtra("QLoRA", missing.name or "bitsandbytes", "train") from missing


def quantise(model: Any, device: str, *, compute: Any, storage: Any = torch.uint8) -> int:
    """Replace every `nn.Linear` of the model but its head by one with nf4 weights on `device`.

    Returns:
        How many were replaced.

    Raises:
        TrainingError: there is none, so that QLoRA would be LoRA.
    """
    head = model.get_output_embeddings()
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear and child is not head
    ]
    for parent, name, child in found:
        setattr(parent, name, linear4bit(child, device, compute=compute, storage=storage))
        child.weight = None
    if not found:
        raise TrainingError(
            f"{type(model).__name__} has no linear layer that nf4 could replace.", "Use --method lora."
        )
    # What PEFT asks for before it puts its own 4-bit layer around one of these.
    model.is_loaded_in_4bit = True
    return len(found)


def linear4bit(linear: Any, device: str, *, compute: Any, storage: Any = torch.uint8) -> Any:
    """One frozen layer in nf4 on `device`."""
    with torch.device("meta"):
        layer = bitsandbytes.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=False,
            compute_dtype=compute,
            compress_statistics=True,
            quant_type="nf4",
            quant_storage=storage,
        )
    layer.weight = bitsandbytes.nn.Params4bit(
        linear.weight.detach().to(compute),
        requires_grad=False,
        compress_statistics=True,
        quant_type="nf4",
        quant_storage=storage,
        module=layer,
    ).to(device)
    if linear.bias is not None:
        layer.bias = torch.nn.Parameter(linear.bias.detach().to(device, compute), requires_grad=False)
    layer.support_avx512bf16_for_cpu = False
    return layer.train(linear.training)


def weight(layer: Any) -> Any:
    """The layer's weight in 16 bits, shape (out, in), newly made from its nf4 form."""
    state = layer.weight.quant_state
    return bitsandbytes.functional.dequantize_4bit(layer.weight.data, quant_state=state)


def dequantise(model: Any, dtype: Any) -> None:
    """Every nf4 layer back to `nn.Linear`, in place, with the weights that it computed with."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, bitsandbytes.nn.Linear4bit):
                with torch.device("meta"):
                    plain = torch.nn.Linear(child.in_features, child.out_features, bias=False)
                plain.weight = torch.nn.Parameter(weight(child).to(dtype), requires_grad=False)
                plain.bias = child.bias
                setattr(parent, name, plain.train(child.training))
    model.is_loaded_in_4bit = False
