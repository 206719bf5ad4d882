"""Adapters of the real kind on the tiny models, with weights that change what the model says."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
peft = pytest.importorskip("peft", reason="pip install loresmith[train]")

PHI3_TARGETS = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
LLAMA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make_adapter(
    folder: Path,
    base: Path | str,
    *,
    method: str = "lora",
    labels: tuple[str, ...] = (),
    strength: float = 0.3,
    precision: str = "fp32",
    card: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """An adapter of random weights on all linear layers, with its card, as training leaves it."""
    from loresmith.training import base as bases

    loaded = bases.load(str(base), method=method, precision=precision, device="cpu")
    fused = any(name.endswith("qkv_proj") for name, _ in loaded.model.named_modules())
    settings = {"r": 4, "lora_alpha": 8, "target_modules": PHI3_TARGETS if fused else LLAMA_TARGETS, **config}
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(loaded.model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    for name, parameter in model.named_parameters():
        if ".lora_" in name and "magnitude" not in name:
            parameter.data = torch.randn_like(parameter.data.float()) * strength
        elif "magnitude" in name:
            parameter.data = parameter.data * 1.2
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    written = {
        "id": folder.name,
        "base_model": str(base),
        "base_fingerprint": loaded.fingerprint,
        "method": method,
        "dataset": {"id": "d1", "rows": {"train": 40, "dev": 4}, "kinds": {"closed": 40}},
        "labels": list(labels),
        "arms": ["tuned"],
        "recipe": {"model": str(base), "precision": precision, "rank": 4},
        "figures": {"loss": {"train": 0.1, "dev": 0.2}, "steps": 10},
        "samples": [{"question": "secret question?", "before": "no", "after": "secret answer"}],
        "versions": {"loresmith": "0"},
        "created": "2026-11-20T00:00:00+00:00",
        "limits": ["It is a test."],
        **(card or {}),
    }
    (folder / "card.json").write_text(json.dumps(written))
    return folder
