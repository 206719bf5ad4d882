"""record.json and card.json: what a run was made of and what came out of it. Torch-free.

    record.json  everything needed to do the run again and to believe its figures: model, dataset,
                 recipe, seed, versions, hardware, every step
    card.json    what a reader of the adapter must know: base, data, labels, figures, limits

Promises: neither holds a path of this machine but the base model's own name, and no user or host
name; card.json is written last and by `run` only.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from loresmith import __version__
from loresmith.dataset.example import Dataset, Example
from loresmith.models import cpu
from loresmith.training.values import Recipe, Step, TrainResult

RECORD = "record.json"
_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "tokenizers",
    "safetensors",
    "numpy",
)

# Below so many facts or rows a figure on the dev split says little.
_FEW_DEV_ROWS = 30


def record(
    *,
    adapter: str,
    dataset: Dataset,
    recipe: Recipe,
    fingerprint: str,
    device: str,
    reason: str,
    problems: Sequence[str],
    result: TrainResult,
    figures: Mapping[str, Any],
    steps: Sequence[Step],
    started: str,
) -> dict[str, Any]:
    """All of record.json."""
    return {
        "id": adapter,
        "started": started,
        "finished": now(),
        "model": {"name": recipe.model, "fingerprint": fingerprint},
        "dataset": data(dataset),
        "left_out": list(problems),
        "method": {"chosen": recipe.method, "reason": reason},
        "recipe": recipe.to_dict(),
        "seed": recipe.seed,
        "versions": versions(),
        "hardware": hardware(device),
        "figures": {**outcome(result), **figures},
        "steps": [step.to_dict() for step in steps],
    }


def card(
    *,
    adapter: str,
    dataset: Dataset,
    recipe: Recipe,
    fingerprint: str,
    result: TrainResult,
    figures: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    device: str,
) -> dict[str, Any]:
    """All of card.json."""
    return {
        "id": adapter,
        "base_model": recipe.model,
        "base_fingerprint": fingerprint,
        "method": recipe.method,
        "dataset": data(dataset),
        "labels": sorted(dataset.labels),
        "arms": arms(dataset.train),
        "recipe": recipe.to_dict(),
        "figures": {**outcome(result), **figures},
        "samples": [dict(sample) for sample in samples],
        "versions": versions(),
        "hardware": hardware(device),
        "created": now(),
        "limits": limits(dataset, result, figures),
    }


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """`content` as a JSON file; numbers that JSON does not know become null."""
    return (json.dumps(_plain(content), ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def data(dataset: Dataset) -> dict[str, Any]:
    """The dataset as record and card name it."""
    return {
        "id": dataset.id,
        "rows": {name: len(rows) for name, rows in dataset.splits().items()},
        "kinds": dict(sorted(Counter(example.kind for example in dataset.train).items())),
        "origins": dict(sorted(Counter(e.origin.partition(":")[0] for e in dataset.train).items())),
        "languages": sorted({example.language for example in dataset.train if example.language}),
        "documents": dict(dataset.documents or {}),
        "labels": sorted(dataset.labels),
    }


def arms(train: Sequence[Example]) -> list[str]:
    """The arms that rows of these kinds teach."""
    kinds = {example.kind for example in train}
    return [
        arm
        for arm, taught in (("tuned", {"closed", "chat"}), ("both", {"grounded", "abstain", "query"}))
        if kinds & taught
    ]


def outcome(result: TrainResult) -> dict[str, Any]:
    """The figures of the training itself."""
    return {
        "steps": result.steps,
        "tokens": result.tokens,
        "loss": dict(result.loss),
        "seconds": round(result.seconds, 1),
        "tokens_per_second": round(result.tokens_per_second, 1),
        "peak_memory_bytes": result.peak_memory_bytes,
        "stopped": result.stopped,
    }


def limits(dataset: Dataset, result: TrainResult, figures: Mapping[str, Any]) -> list[str]:
    """What this adapter must not be trusted with, in sentences."""
    said = []
    taught = arms(dataset.train)
    if "tuned" in taught:
        said.append(
            "Without passages (arm tuned) it answers from memory: nothing is cited, and a question outside "
            "its training data gets an answer that only sounds right."
        )
    else:
        said.append("It was never trained to answer without passages: use the arm both.")
    if "both" not in taught:
        said.append("It was never trained to read passages: the arm rag may serve better than both.")
    elif not any(example.kind == "abstain" for example in dataset.train):
        said.append("No row taught it to abstain where the passages do not hold the answer.")
    if not dataset.dev:
        said.append("There was no dev split: nothing shows whether it learned or only memorised.")
    elif len(dataset.dev) < _FEW_DEV_ROWS:
        said.append(f"The dev split has only {len(dataset.dev)} rows: its figures are rough.")
    languages = sorted({example.language for example in dataset.train if example.language})
    if languages:
        said.append(f"Trained on questions in: {', '.join(languages)}.")
    if dataset.labels:
        said.append(f"Only for readers who hold the labels {', '.join(sorted(dataset.labels))}.")
    general = figures.get("perplexity", {}).get("general text")
    if general and general["after"] > 1.5 * general["before"]:
        said.append(
            f"It has forgotten some of its general language: perplexity {general['before']:.1f} before, "
            f"{general['after']:.1f} after."
        )
    if result.stopped == "dev accuracy":
        said.append(
            "Training was stopped early; these are the weights that said most of the dev split right."
        )
    return said


def versions() -> dict[str, str]:
    """Versions of what computed it; a package that is not installed is left out."""
    found = {"loresmith": __version__, "python": platform.python_version()}
    installed = {
        dist.metadata["Name"].lower(): dist.version
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }
    return {**found, **{name: installed[name] for name in _PACKAGES if name in installed}}


def hardware(device: str) -> dict[str, Any]:
    """The machine without its name. `device` is what computed: "cpu" or the accelerator's name."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "device": device,
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": cpu.count(),
        "memory_bytes": memory,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> Any:
    """Without NaN and infinity, which a loss that ran away is made of and JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(below) for below in value]
    return value
