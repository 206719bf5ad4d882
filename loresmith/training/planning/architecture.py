"""What a model is made of, read without loading it: shapes, parameters, linear layers.

    config.json | folder | hub id in the cache | GGUF head | published shapes  ->  Architecture

Promises: no weights are read and torch is not imported; parameters are exact (the tests compare
with the classes of transformers); a model whose family is unknown here is read from the heads of its
safetensors files, and one that can be read from nothing is an error that says what would help.
"""

from __future__ import annotations

import difflib
import json
import struct
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from loresmith.errors import ModelError
from loresmith.models import download, gguf, registry
from loresmith.training.planning.shapes import FAMILIES, Architecture, Linear, LinearKind, from_config

__all__ = ["Architecture", "Linear", "from_config", "published", "read"]

# GGUF's name of an architecture -> the family. Others are read only from a folder.
_GGUF_FAMILIES = {
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3", "gemma": "gemma",
    "gemma2": "gemma2", "gemma3": "gemma3_text", "granite": "granite", "smollm3": "smollm3",
}  # fmt: skip


def read(name_or_path: str) -> Architecture:
    """The architecture of a hub id, registry name, folder, config.json or GGUF file.

    What lies on this disk comes first, then the published shapes that ship with this program.

    Raises:
        ModelError: nothing here says what the model is made of.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return _from_folder(path, name_or_path)
    if path.suffix.lower() == ".gguf":
        return _from_gguf(path, name_or_path)
    if path.is_file():
        return from_config(_json(path), name_or_path, origin=str(path))
    if name_or_path.count("/") == 1:
        cached = download.hub_snapshot(name_or_path)
        if cached is not None and (cached / "config.json").is_file():
            return _from_folder(cached, name_or_path)
    rows = {row.name.lower(): row for row in registry.ROWS if row.kind == "language"}
    row = rows.get(name_or_path.lower())
    if row is not None and download.present(row):
        return _from_gguf(download.path_of(row), name_or_path)
    entry = _published(name_or_path) or (_published(_SHAPES_OF[row.name]) if row is not None else None)
    if entry is not None:
        return from_config(entry["config"], name_or_path, origin="published shapes")
    known = [str(e["name"]) for e in published()] + [r.name for r in rows.values()]
    near = difflib.get_close_matches(name_or_path, known, n=1, cutoff=0.5)
    raise ModelError(
        f"{name_or_path}: no such folder, config.json or GGUF file, not in the hub's cache, and not "
        "among the published shapes.",
        f"Did you mean {near[0]}?" if near else "Give the path of the model's config.json.",
    )


# The same models where the file itself is not in the cache.
_SHAPES_OF = {
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "qwen2.5-coder-0.5b": "Qwen/Qwen2.5-0.5B-Instruct",
    "qwen2.5-coder-1.5b": "Qwen/Qwen2.5-1.5B-Instruct",
}


@cache
def published() -> tuple[dict[str, Any], ...]:
    """The shapes that ship: rows with name, parameters (as published), licence, config."""
    folder = resources.files("loresmith.training.planning") / "data"
    return tuple(
        row
        for file in ("phi.json", "others.json")
        for row in json.loads((folder / file).read_text(encoding="utf-8"))["models"]
    )


def _published(name: str) -> dict[str, Any] | None:
    wanted = name.lower()
    for row in published():
        full = str(row["name"]).lower()
        if wanted in (full, full.partition("/")[2]):
            return row
    return None


# --- where it is read -----------------------------------------------------------------------------


def _json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}.", "Fetch it again.") from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path} holds no object.", "Name the config.json of a model.")
    return raw


def _from_folder(folder: Path, name: str) -> Architecture:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json.", "Name the folder that holds the model.")
    raw = _json(folder / "config.json")
    text = raw.get("text_config", raw)
    if str(raw.get("model_type", "")) in FAMILIES or str(text.get("model_type", "")) in FAMILIES:
        return from_config(raw, name, origin=str(folder))
    tensors = safetensors_shapes(folder)
    if not tensors:
        return from_config(raw, name, origin=str(folder))  # which raises and says why
    return from_tensors(tensors, text, name, origin=str(folder))


def safetensors_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor, from the heads of the folder's safetensors files.

    Raises:
        ModelError: a file is cut off or is no safetensors.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > min(path.stat().st_size, 1 << 28):
                    raise ValueError("a head longer than the file")
                head = json.loads(file.read(length))
            shapes |= {k: tuple(v["shape"]) for k, v in head.items() if k != "__metadata__"}
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is damaged: {error}.", "Fetch the model's folder again.") from error
    return shapes


def from_tensors(
    tensors: Mapping[str, tuple[int, ...]], raw: Mapping[str, Any], name: str, *, origin: str = ""
) -> Architecture:
    """For a family unknown here: linear layers are the matrices that are neither embedding nor head."""
    matrices: Counter[tuple[str, int, int, LinearKind]] = Counter()
    other, embedding, tied = 0, 0, True
    for key, shape in tensors.items():
        size = 1
        for length in shape:
            size *= length
        parts = key.removesuffix(".weight").split(".")
        if len(shape) == 2 and key.endswith("embed_tokens.weight"):
            embedding = shape[0]
            other += size
        elif len(shape) == 2 and parts[-1] in ("lm_head", "output"):
            tied = False
            matrices["lm_head", shape[1], shape[0], "head"] += 1
        elif len(shape) == 2 and key.endswith(".weight") and "norm" not in parts[-1]:
            kind: LinearKind = "attention" if "attn" in key or "attention" in key else "mlp"
            matrices[parts[-1], shape[1], shape[0], kind] += 1
        else:
            other += size
    heads = int(raw.get("num_attention_heads") or 1)
    hidden = int(raw.get("hidden_size") or 0)
    return Architecture(
        name=name,
        family=str(raw.get("model_type", "")),
        layers=int(raw.get("num_hidden_layers") or 0),
        hidden=hidden,
        heads=heads,
        kv_heads=int(raw.get("num_key_value_heads") or heads),
        head_dim=int(raw.get("head_dim") or hidden // heads),
        ffn=int(raw.get("intermediate_size") or 4 * hidden),
        vocab=int(raw.get("vocab_size") or embedding),
        context=int(raw.get("max_position_embeddings") or 2048),
        tied=tied,
        linears=tuple(
            Linear(name=n, inputs=i, outputs=o, count=count, kind=kind)
            for (n, i, o, kind), count in matrices.items()
        ),
        other=other,
        trainable_here="auto_map" not in raw,
        origin=origin,
    )


def _from_gguf(path: Path, name: str) -> Architecture:
    head = gguf.read(path)
    family = _GGUF_FAMILIES.get(head.architecture)
    if family is None:
        raise ModelError(
            f"{path}: a GGUF of the architecture {head.architecture} cannot be planned or trained here.",
            "Name the model's hub id or its folder with safetensors.",
        )

    def value(key: str) -> Any:
        return head.metadata.get(f"{head.architecture}.{key}")

    raw = {
        "model_type": family,
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "head_dim": value("attention.key_length"),
        "vocab_size": head.tensors["token_embd.weight"][-1],
        "max_position_embeddings": head.context_length or None,
        # transformers decides it the same way when it loads the file.
        "tie_word_embeddings": "output.weight" not in head.tensors,
        "attention_bias": "blk.0.attn_q.bias" in head.tensors,
    }
    return from_config({k: v for k, v in raw.items() if v is not None}, name, origin=str(path))
