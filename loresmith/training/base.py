"""The model that is trained on: registry name, GGUF file, folder or hub id -> frozen base.

    name -> safetensors or GGUF (dequantised) in 16 bits -> for QLoRA: every linear layer to nf4

Promises: safetensors and GGUF only, and no code that comes with a model is run; every weight is
frozen; the vocabulary is never changed (a missing padding token costs nothing, since rows are packed
and never padded); the fingerprint names the files, wherever they lie.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loresmith.errors import MissingExtra, ModelError, TrainingError
from loresmith.models import cpu, download, gguf, registry
from loresmith.models.fingerprint import fingerprint
from loresmith.training.values import Method
from loresmith.types import Progress

# oneDNN keeps its last 1,024 kernels, and every length of a packed batch makes new ones: 70 MB a step on
# smollm2-135m, until they are 2 GB. One pass over the layers uses about 50; read at its first use.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "100")

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

from loresmith.models import transformers_model

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass
class Base:
    """A loaded, frozen model.

    Attributes:
        model: the transformers model, without an adapter.
        name: as it was asked for.  path: its GGUF file or folder.
        fingerprint: of the files (`loresmith.models.fingerprint`).
        precision: of weights that are not nf4, and of activations: "bf16", "fp16" or "fp32".
    """

    model: Any
    tokenizer: Any
    name: str
    path: Path
    fingerprint: str
    method: Method
    precision: str
    device: str


def load(
    name: str,
    *,
    method: Method,
    precision: str = "auto",
    device: str | None = None,
    progress: Progress | None = None,
    quant_storage: str = "uint8",
) -> Base:
    """Load `name` for training.

    Args:
        precision: "auto" takes bf16 where the hardware computes it, else fp32 (CPU) or fp16 (CUDA).
        device: "cpu", "cuda", "cuda:1"; None: CUDA where there is one.
        quant_storage: type of the tensors that hold nf4 weights; FSDP shards "float32" only.

    Raises:
        ModelError: no such model, damaged files, or an architecture that only its own code knows.
        MissingExtra: QLoRA without bitsandbytes, GGUF without gguf.
        TrainingError: it does not fit the memory.
    """
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    chosen = best_precision(where) if precision == "auto" else precision
    if chosen == "fp16" and where == "cpu":
        raise TrainingError(
            "fp16 is not trained on a CPU.", "Set training.precision to bf16 or fp32, or to auto."
        )
    path = find(name, progress)
    if progress:
        progress(f"loading {name}", 0, None)
    with _memory(name):
        tokenizer, model = transformers_model.read(path, DTYPES[chosen])
        model.requires_grad_(False)
        if method == "qlora":
            from loresmith.training import nf4

            nf4.quantise(model, where, compute=DTYPES[chosen], storage=getattr(torch, quant_storage))
        model = model.to(where)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return Base(model, tokenizer, name, path, fingerprint(path), method, chosen, where)


def find(name: str, progress: Progress | None = None) -> Path:
    """The GGUF file or the folder of safetensors behind a name; fetched where it is not here yet."""
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf":
        gguf.read(path)
        return path
    if registry.looks_like_place(name):
        folder = transformers_model.folder_of(name, progress)
        transformers_model.check_files(folder)
        return folder
    return download.ensure(registry.find(name, "language"), progress)


def dequantise(base: Base) -> Any:
    """The model with every nf4 weight back in 16 bits, in place: what an adapter of QLoRA is merged
    into, since it was trained on these very weights."""
    if base.method == "qlora":
        from loresmith.training import nf4

        nf4.dequantise(base.model, DTYPES[base.precision])
        base.method = "lora"
    return base.model


def best_precision(device: str) -> str:
    """bf16 where the hardware computes it; older cards get fp16, older processors fp32."""
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if cpu.has("avx512_bf16", "amx_bf16", "bf16") else "fp32"


@contextlib.contextmanager
def _memory(name: str) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError, ModelError) as error:
        # The reader makes a ModelError of whatever goes wrong in a model's files.
        if not out_of_memory(error.__cause__ if isinstance(error, ModelError) else error):
            raise
        raise TrainingError(
            f"{name} does not fit the memory.",
            "Take a smaller model, or --method qlora; `loresmith plan` tells what fits.",
        ) from error


def out_of_memory(error: BaseException | None) -> bool:
    """CPU allocations that fail are a plain RuntimeError; only the text tells."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
