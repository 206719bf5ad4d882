"""The base of a QLoRA adapter for llama.cpp: a GGUF file whose linear layers are rounded to nf4 and back.

    <cache>/models/rounded/<fingerprint>-<precision>.gguf     one for all adapters of that base

An adapter corrects the very base it saw, and llama.cpp has no nf4, so the rounded weights are kept in
8 bits (Q8_0), which hold them closely. Embeddings, head and norms are copied as they stand. Promises:
made once, whole or not at all; the original is never touched.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loresmith.errors import MissingExtra
from loresmith.models import nf4
from loresmith.models.gguf import GGUF
from loresmith.models.lora_gguf import file_order, training_order
from loresmith.types import Progress
from loresmith.workspace import fsync_dir, translated_os_errors

try:
    import gguf
except ImportError as missing:
    raise MissingExtra("A QLoRA adapter", missing.name or "gguf", "train") from missing


def make(head: GGUF, out: Path, precision: str, progress: Progress | None = None) -> Path:
    """Write the rounded base.

    Args:
        precision: "bf16", "fp16" or "fp32", as the weights were before training rounded them.

    Raises:
        StorageError: the disk is full, or the cache cannot be written.
    """
    reader = gguf.GGUFReader(head.path)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    with translated_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer = gguf.GGUFWriter(temporary, head.architecture, use_temp_file=False)
            for field in reader.fields.values():
                if field.name.startswith("GGUF.") or field.name == "general.architecture":
                    continue
                inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
            for tensor in reader.tensors:
                rounds = _is_linear(tensor)
                kind = gguf.GGMLQuantizationType.Q8_0 if rounds else tensor.tensor_type
                shape = gguf.quant_shape_to_byte_shape(tuple(reversed(tensor.shape.tolist())), kind)
                size = int(np.prod(shape)) if rounds else int(tensor.n_bytes)
                plain = kind in _PLAIN
                writer.add_tensor_info(
                    tensor.name,
                    tensor.data.shape if plain else shape,
                    tensor.data.dtype if plain else np.dtype(np.uint8),
                    size,
                    raw_dtype=None if plain else kind,
                )
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for done, tensor in enumerate(reader.tensors):
                if progress:
                    progress("rounding the base as in training", done, len(reader.tensors))
                writer.write_tensor_data(
                    _rounded(tensor, head, precision) if _is_linear(tensor) else tensor.data
                )
            writer.close()
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, out)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(out.parent)
    if progress:
        progress("rounding the base as in training", len(reader.tensors), len(reader.tensors))
    return out


_PLAIN = (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)


def _is_linear(tensor: gguf.ReaderTensor) -> bool:
    """Whether training held it in nf4: the linear layers of the blocks (training/nf4.py)."""
    return bool(tensor.name.startswith("blk.") and tensor.name.endswith(".weight") and len(tensor.shape) == 2)


def _rounded(tensor: gguf.ReaderTensor, head: GGUF, precision: str) -> npt.NDArray[np.uint8]:
    weight = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    name = tensor.name.removesuffix(".weight")
    # The constants of nf4 are shared by neighbouring rows, so the rows stand as they did in training.
    rounded = nf4.round_matrix(training_order(weight, name, head), precision)
    packed: npt.NDArray[np.uint8] = gguf.quantize(
        file_order(rounded, name, head), gguf.GGMLQuantizationType.Q8_0
    )
    return packed
