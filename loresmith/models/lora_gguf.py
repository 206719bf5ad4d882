"""A LoRA adapter for llama.cpp: PEFT's safetensors become `adapter.gguf` beside them.

    base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight (rank, in)
        -> blk.0.attn_q.weight.lora_a

Promises: written whole or not at all; every module of the adapter is in it, or none is and the
error names the one that cannot be; shapes are compared with the base's own before anything is
written. A and B stay in float32: they are small, and llama.cpp rounds activations to the type of
the matrix that they meet.

The converter of llama.cpp reorders the rows of q and k for the Llama family, since its rotary
embedding pairs neighbours where transformers pairs halves; B's rows follow (A acts on the input,
which keeps its order). Fused modules (Phi-3's qkv_proj and gate_up_proj) are fused there too.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from loresmith.errors import MissingExtra, ModelError
from loresmith.models import lora
from loresmith.models.gguf import GGUF
from loresmith.models.lora import Lora, Matrix
from loresmith.workspace import fsync_dir, translated_os_errors

try:
    import gguf
except ImportError as missing:
    raise MissingExtra("An adapter in llama.cpp", missing.name or "gguf", "train") from missing

# Architectures whose rows of q and k llama.cpp's converter reorders, and those that it leaves. One that
# stands in neither is refused: a wrong order is no error anywhere, the answers are but nonsense.
_REORDERED = frozenset(
    ("llama", "deci", "minicpm", "xverse", "olmo", "arctic", "granite", "granitemoe", "smollm3", "arcee",
     "nanbeige")
)  # fmt: skip
_STRAIGHT = frozenset(
    ("phi2", "phi3", "phimoe", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma", "gemma2", "gemma3",
     "starcoder2", "falcon", "gptneox", "stablelm", "olmo2", "nemotron", "exaone", "command-r", "cohere2",
     "hunyuan-dense")
)  # fmt: skip


def convert(folder: Path, head: GGUF, out: Path) -> Path:
    """Write the adapter in `folder` for the base whose head is `head`.

    Raises:
        ModelError: it is a DoRA (which is no low-rank sum), does not fit the base, or holds modules
            that llama.cpp has no place for.
        StorageError: the disk is full, or the folder cannot be written.
    """
    adapter = lora.read(folder)
    if adapter.dora:
        raise ModelError(
            f"{adapter.id} is a DoRA adapter, which llama.cpp cannot apply.",
            "Answer with it by transformers (model.engine = transformers), or merge it: "
            "loresmith export --to gguf",
        )
    names = _names(head)
    tensors: dict[str, Matrix] = {}
    alpha = float(adapter.config["lora_alpha"])
    for module, (a, b) in sorted(lora.modules(adapter).items()):
        name = names.get_name(module)
        if name is None or f"{name}.weight" not in head.tensors:
            raise _misfit(adapter, head, f"it has no {module}")
        expected = tuple(reversed(head.tensors[f"{name}.weight"]))
        if (b.shape[0], a.shape[1]) != expected:
            ours = f"{b.shape[0]} × {a.shape[1]}"
            raise _misfit(adapter, head, f"{module} is {expected[0]} × {expected[-1]} there, {ours} here")
        rank = a.shape[0]
        # The file has one alpha for all; what differs from it goes into B.
        b = b * np.float32(adapter.scale(module, rank) * rank / alpha)
        tensors[f"{name}.weight.lora_a"] = a
        tensors[f"{name}.weight.lora_b"] = file_order(b, name, head)
    _write(out, head.architecture, alpha, tensors)
    return out


def _names(head: GGUF) -> gguf.TensorNameMap:
    known = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    if head.architecture not in known or head.architecture not in _REORDERED | _STRAIGHT:
        raise ModelError(
            f"{head.path}: adapters for the architecture {head.architecture or 'not named'} cannot be "
            "converted.",
            "Answer with it by transformers (model.engine = transformers), or merge it: "
            "loresmith export --to gguf",
        )
    layers = int(head.metadata[f"{head.architecture}.block_count"])
    return gguf.get_tensor_name_map(known[head.architecture], layers)


def _misfit(adapter: Lora, head: GGUF, what: str) -> ModelError:
    return ModelError(
        f"The adapter {adapter.id} (trained on {adapter.base_model or 'an unknown base'}) does not fit "
        f"{head.path.name}: {what}.",
        "Name its base as model.name, or another adapter as model.adapter.",
    )


def file_order(rows: Matrix, name: str, head: GGUF) -> Matrix:
    """A matrix of training (or B of its adapter) with its rows as they stand in the file."""
    if heads := _heads(name, head):
        count, columns = rows.shape
        return rows.reshape(heads, 2, count // heads // 2, columns).swapaxes(1, 2).reshape(count, columns)
    return rows


def training_order(rows: Matrix, name: str, head: GGUF) -> Matrix:
    """The reverse of `file_order`."""
    if heads := _heads(name, head):
        count, columns = rows.shape
        return rows.reshape(heads, count // heads // 2, 2, columns).swapaxes(1, 2).reshape(count, columns)
    return rows


def _heads(name: str, head: GGUF) -> int:
    """How many heads' rows are reordered in this matrix; 0 where none are."""
    kind = name.rpartition(".")[2]
    if head.architecture not in _REORDERED or kind not in ("attn_q", "attn_k"):
        return 0
    heads = int(head.metadata[f"{head.architecture}.attention.head_count"])
    if kind == "attn_q":
        return heads
    return int(head.metadata.get(f"{head.architecture}.attention.head_count_kv", heads))


def _write(out: Path, architecture: str, alpha: float, tensors: dict[str, Matrix]) -> None:
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    with translated_os_errors(out):
        try:
            writer = gguf.GGUFWriter(temporary, architecture)
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
            writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
            for name, tensor in tensors.items():
                writer.add_tensor(name, np.ascontiguousarray(tensor, np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, out)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(out.parent)
