"""A LoRA adapter's folder as PEFT writes it, read without torch: what it is, what it fits.

    adapter_config.json, adapter_model.safetensors     PEFT's
    card.json                                          ours: id, method, base (where it was trained here)
    adapter.gguf                                       the same for llama.cpp (lora_gguf.py)

Promises: an adapter is refused by name where it does not belong to the weights that are to answer,
before an engine, which would say nothing or talk nonsense, sees it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from loresmith.errors import ModelError
from loresmith.models import gguf
from loresmith.models.fingerprint import fingerprint
from loresmith.models.gguf import GGUF

WEIGHTS, CONFIG, CARD = "adapter_model.safetensors", "adapter_config.json", "card.json"
CONVERTED = "adapter.gguf"
_PREFIX = "base_model.model."
_PARTS = {".lora_A.weight": "a", ".lora_B.weight": "b"}

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter. `config` is PEFT's, `card` ours ({} where it was trained elsewhere)."""

    folder: Path
    config: Mapping[str, Any]
    card: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.card.get("id") or self.folder.name)

    @property
    def dora(self) -> bool:
        return bool(self.config.get("use_dora"))

    @property
    def quantised(self) -> bool:
        """Whether its base was in 4 bits while it was trained (QLoRA)."""
        return self.card.get("method") == "qlora"

    @property
    def base_model(self) -> str:
        return str(self.card.get("base_model") or self.config.get("base_model_name_or_path") or "")

    def scale(self, module: str, rank: int) -> float:
        """What B·A of a module is multiplied by (Hu et al. 2021; Kalajdzievski 2023 for the root)."""
        alpha = float(_of(self.config.get("alpha_pattern"), module, self.config["lora_alpha"]))
        return alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)


def _of(patterns: Mapping[str, Any] | None, module: str, default: Any) -> Any:
    return next((v for k, v in (patterns or {}).items() if module == k or module.endswith(f".{k}")), default)


def read(folder: Path) -> Lora:
    """The adapter in `folder`; its weights are not read yet.

    Raises:
        ModelError: there is none, it is no LoRA, or a file is damaged.
    """
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        missing = CONFIG if not (folder / CONFIG).is_file() else WEIGHTS
        raise ModelError(
            f"{folder} holds no adapter: {missing} is missing.", "Name the folder of one (model.adapter)."
        )
    config, card = _object(folder / CONFIG), {}
    if (folder / CARD).is_file():
        card = _object(folder / CARD)
    if config.get("peft_type") != "LORA" or "lora_alpha" not in config:
        raise ModelError(
            f"{folder / CONFIG}: of the kind {config.get('peft_type') or 'unknown'}; only LoRA can be used.",
            "Train one with `loresmith train`.",
        )
    return Lora(folder, config, card)


def _object(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Train or import the adapter again.") from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path} is not what an adapter has there.", "Train or import the adapter again.")
    return raw


def check_base(lora: Lora, weights: Path, name: str) -> None:
    """Refuse weights that are not those the adapter was trained on.

    Args:
        weights: GGUF file or folder that is to answer.  name: how the user calls it.

    Raises:
        ModelError: they are others.
    """
    trained_on = lora.card.get("base_fingerprint")
    if trained_on and fingerprint(weights) != trained_on:
        raise ModelError(
            f"The adapter {lora.id} was trained on {lora.base_model}, not on these weights of {name}.",
            "Set model.name to its base (or to auto), choose another with model.adapter, or train one for "
            f"{name}.",
        )


def keys(lora: Lora) -> set[str]:
    """The names of the adapter's weights, as PEFT has them; its weights are not read.

    Raises:
        ModelError: the file is damaged.
    """
    with _readable(lora.folder / WEIGHTS) as path, safetensors.safe_open(path, "numpy") as file:
        return set(file.keys())


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    try:
        yield path
    # safetensors raises an error of its own for everything that can be wrong with the file.
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Train or import the adapter again.") from error


def converted(lora: Lora, head: GGUF) -> Path | None:
    """`adapter.gguf`, if it was made of these weights, is whole, and fits the base's shapes."""
    path = lora.folder / CONVERTED
    if not path.is_file() or path.stat().st_mtime_ns < (lora.folder / WEIGHTS).stat().st_mtime_ns:
        return None
    try:
        made = gguf.read(path)
    except ModelError:  # it is made anew
        return None
    of_a = {name.removesuffix(".lora_a"): shape for name, shape in made.tensors.items() if "lora_a" in name}
    fits = all(
        head.tensors.get(name) == (a[0], made.tensors.get(f"{name}.lora_b", (0, 0))[1])
        for name, a in of_a.items()
    )
    return path if of_a and fits and made.architecture == head.architecture else None


def modules(lora: Lora) -> dict[str, tuple[Matrix, Matrix]]:
    """A (rank, in) and B (out, rank) of each module that carries the adapter, float32.

    Raises:
        ModelError: the file is damaged, or holds what is no plain LoRA of a linear layer.
    """
    path = lora.folder / WEIGHTS
    with _readable(path):
        raw = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    found: dict[str, dict[str, Matrix]] = {}
    for key, tensor in raw:
        name = key.removeprefix(_PREFIX)
        ending = next((e for e in _PARTS if name.endswith(e)), None)
        if ending is None or len(tensor["shape"]) != 2:
            raise ModelError(
                f"{path}: {key} is no plain LoRA of a linear layer.",
                "Answer with it by transformers (model.engine = transformers), or merge it: "
                "loresmith export --to merged",
            )
        found.setdefault(name.removesuffix(ending), {})[_PARTS[ending]] = _array(path, key, tensor)
    halves = [name for name, pair in found.items() if len(pair) != 2]
    if halves or not found:
        what = f"{halves[0]} has only half of its matrices" if halves else "it holds no weights"
        raise ModelError(f"{path} is damaged: {what}.", "Train or import the adapter again.")
    return {name: (pair["a"], pair["b"]) for name, pair in found.items()}


def _array(path: Path, key: str, tensor: Mapping[str, Any]) -> Matrix:
    kinds = {"F32": np.float32, "F16": np.float16, "F64": np.float64}
    kind = tensor["dtype"]
    if kind == "BF16":  # the upper half of a float32
        bits = np.frombuffer(tensor["data"], np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(tensor["shape"])
    if kind not in kinds:
        raise ModelError(f"{path}: {key} is of the unknown type {kind}.", "Save it in float32 or bfloat16.")
    return np.frombuffer(tensor["data"], kinds[kind]).reshape(tensor["shape"]).astype(np.float32)
