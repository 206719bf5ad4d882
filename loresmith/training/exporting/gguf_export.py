"""Merged weights into a GGUF file that llama.cpp and Ollama open.

    PEFT model (16 bit) -> merged tensors, one by one -> llama.cpp's names and order -> file

Promises: a GGUF base keeps its own keys, and the tensors that training did not change keep their
bytes; merged tensors are written from float32, rounded once; the file appears by one rename.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loresmith.errors import MissingExtra, TrainingError
from loresmith.training.exporting import gguf_head
from loresmith.training.exporting.merge import Tensor
from loresmith.types import Progress
from loresmith.workspace import fsync_dir, translated_os_errors

try:
    import gguf
except ImportError as missing:
    raise MissingExtra("Export to GGUF", missing.name or "gguf", "train") from missing

_TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
# Architectures whose layers transformers reads from GGUF as they are (but for llama's q and k).
_READ = ("llama", "qwen2", "qwen3", "phi3", "gemma2", "gemma3", "starcoder2")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tensor of the file: its shape in rows and columns, and what makes its bytes."""

    name: str
    shape: tuple[int, ...]
    kind: Any
    load: Callable[[], Any]


def write(
    out: Path,
    tensors: Iterable[Tensor],
    config: Any,
    tokenizer: Any,
    *,
    name: str,
    quantise: str = "f16",
    base: Path | None = None,
    all_layers: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the merged model to `out`.

    Args:
        tensors: of `merge.tensors`, under transformers' names.
        base: the GGUF file that the base model was loaded from, where it was one.
        all_layers: take every layer from `tensors`, not only the changed ones: the base was
            quantised for training, so none of its layers is what the file holds.
        quantise: "f32", "f16", "bf16" or "q8_0".

    Raises:
        TrainingError: an architecture, tokenizer or tensor that cannot be written rightly.
        StorageError: full disk.
    """
    kind, file_type = _TYPES[quantise]
    if base is None:
        arch = gguf_head.architecture_of(config)
        keys, extra = gguf_head.of_model(config, tokenizer, name)
        entries = list(_from_model(tensors, arch, config, kind))
        entries += [
            _Entry(key, array.shape, gguf.GGMLQuantizationType.F32, partial(np.asarray, array))
            for key, array in extra.items()
        ]
    else:
        keys = gguf_head.of_gguf(base)
        reader = gguf.GGUFReader(base)
        arch = str(reader.fields["general.architecture"].contents())
        if arch not in _READ:
            raise TrainingError(
                f"{base}: merging into a GGUF of the architecture {arch} is not tried.",
                "Export --to peft; llama.cpp can serve the adapter beside the base.",
            )
        entries = list(_into_file(reader, tensors, arch, config, kind, all_layers))
    writer = gguf.GGUFWriter(None, arch)
    for key, value, value_type, entry_type in keys:
        writer.add_key_value(key, value, value_type, sub_type=entry_type)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    return _save(writer, entries, out, progress)


def _from_model(tensors: Iterable[Tensor], arch: str, config: Any, kind: Any) -> Iterator[_Entry]:
    for tensor in tensors:
        name = _name(arch, config, tensor.name)
        yield _Entry(name, tensor.shape, _kind(tensor.shape, kind), _loader(tensor, name, arch, config))


def _into_file(
    reader: Any, tensors: Iterable[Tensor], arch: str, config: Any, kind: Any, all_layers: bool
) -> Iterator[_Entry]:
    changed = {
        _name(arch, config, tensor.name): tensor
        for tensor in tensors
        if tensor.changed or (all_layers and len(tensor.shape) == 2)
    }
    for old in reader.tensors:
        new = changed.pop(old.name, None)
        shape = tuple(int(n) for n in reversed(old.shape))
        if new is None or (not new.changed and not old.name.startswith("blk.")):
            yield _Entry(old.name, shape, old.tensor_type, partial(np.asarray, old.data))
        elif new.shape != shape:
            raise TrainingError(
                f"{old.name} has the shape {shape} in the base, {new.shape} when merged.",
                "The adapter belongs to another base.",
            )
        else:
            yield _Entry(old.name, shape, _kind(shape, kind), _loader(new, old.name, arch, config))
    # An untied copy of the output matrix, which transformers makes of a tied one, is no loss.
    lost = [name for name, tensor in changed.items() if tensor.changed]
    if lost:
        raise TrainingError(f"The base file has no tensor {lost[0]}.", "The adapter belongs to another base.")


def _name(arch: str, config: Any, name: str) -> str:
    known = gguf.get_tensor_name_map(_architecture(arch), int(config.num_hidden_layers))
    found = known.get_name(name, try_suffixes=(".weight", ".bias"))
    if found is None:
        raise TrainingError(f"{name}: llama.cpp's {arch} knows no such tensor.", "Export --to merged.")
    return str(found)


def _architecture(arch: str) -> Any:
    return next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == arch)


def _kind(shape: tuple[int, ...], wanted: Any) -> Any:
    """Vectors stay in float32; a row that does not fill blocks stays in 16 bits."""
    kinds = gguf.GGMLQuantizationType
    if len(shape) == 1:
        return kinds.F32
    return kinds.F16 if wanted == kinds.Q8_0 and shape[-1] % 32 else wanted


def _loader(tensor: Tensor, name: str, arch: str, config: Any) -> Callable[[], Any]:
    def load() -> Any:
        array = tensor.load().float().cpu().numpy()
        if arch == "llama" and ".attn_q." in name:
            return permuted(array, config.num_attention_heads)
        if arch == "llama" and ".attn_k." in name:
            return permuted(array, config.num_key_value_heads)
        return array

    return load


def permuted(array: Any, heads: int) -> Any:
    """Rows of q or k in the order of llama.cpp's rotary encoding (llama only)."""
    halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)


def _bytes(entry: _Entry) -> Any:
    array = np.ascontiguousarray(entry.load())
    # What is copied from the base comes in its own type already.
    if array.dtype == np.uint8:
        return array
    packed = gguf.quants.quantize(array, entry.kind)
    if packed.dtype == np.float16 and not np.isfinite(packed).all():
        raise TrainingError(f"{entry.name}: the weights do not fit f16.", "Export with --quantise bf16.")
    return packed


def _size(entry: _Entry) -> int:
    block, size = gguf.GGML_QUANT_SIZES[entry.kind]
    return math.prod(entry.shape) // int(block) * int(size)


def _save(writer: Any, entries: list[_Entry], out: Path, progress: Progress | None) -> Path:
    for entry in entries:
        writer.add_tensor_info(
            entry.name, entry.shape, np.dtype(np.float32), _size(entry), raw_dtype=entry.kind
        )
    making = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    with translated_os_errors(out):
        try:
            writer.write_header_to_file(making)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for done, entry in enumerate(entries):
                writer.write_tensor_data(_bytes(entry))
                if progress:
                    progress(f"writing {out.name}", done + 1, len(entries))
            for file in writer.fout:
                file.flush()
                os.fsync(file.fileno())
            writer.close()
            os.replace(making, out)
        finally:
            making.unlink(missing_ok=True)
        fsync_dir(out.parent)
    return out
