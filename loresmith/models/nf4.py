"""The weights that QLoRA trained on: rounded to nf4 and back (Dettmers et al. 2023).

An adapter corrects the very base it saw. Put on the unrounded base, it loses part of what it learned
(measured: 26 of 34 facts instead of 33), so the base of a QLoRA adapter is rounded here first; it
then stays in 16 or 32 bits, which every processor computes in.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from loresmith.errors import MissingExtra
from loresmith.models.lora import Matrix

# It reports at import that an optional kernel hub is not installed, which concerns no one here.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
try:
    import bitsandbytes.functional as bnb
    import torch
except ImportError as missing:
    raise MissingExtra("A QLoRA adapter", missing.name or "bitsandbytes", "train") from missing


def round_trip(module: Any) -> None:
    """Round what training rounds (training/nf4.py), every linear layer but the output head, with
    double quantisation, in place."""
    head = module.get_output_embeddings()
    with torch.no_grad():
        for layer in module.modules():
            if type(layer) is torch.nn.Linear and layer is not head:
                weight = layer.weight.data
                packed, state = bnb.quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
                layer.weight.data = bnb.dequantize_4bit(packed, state).to(weight.dtype)


def round_matrix(weight: Matrix, precision: str) -> Matrix:
    """The same for one matrix outside a model, whose weights were in `precision` before."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    packed, state = bnb.quantize_4bit(
        torch.from_numpy(np.ascontiguousarray(weight)).to(kind), compress_statistics=True, quant_type="nf4"
    )
    back: Matrix = bnb.dequantize_4bit(packed, state).float().numpy()
    return back
