"""Checkpoints: one file that holds all a run needs to go on as if it had never stopped.

    adapter/checkpoint/state-00000120.safetensors    tensors, and a JSON text in its header

Promises: written under a temporary name, fsynced, renamed, then the one before is removed, so that at
any moment at least one whole checkpoint is there; a full disk is a TrainingError and the last good one
stays; a file that cannot be read is passed over for the one before.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from loresmith.errors import MissingExtra, TrainingError
from loresmith.workspace import fsync_dir

try:
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

FOLDER = "checkpoint"


def save_state(out: Path, step: int, tensors: dict[str, Any], facts: dict[str, Any]) -> Path:
    """Write the state after `step` under `out`.

    Raises:
        TrainingError: it cannot be written; the last checkpoint is as it was.
    """
    folder = out / FOLDER
    target = folder / f"state-{step:08d}.safetensors"
    making = target.with_suffix(".making")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        raw = save(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            metadata={"facts": json.dumps(facts)},
        )
        with open(making, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        making.replace(target)
        fsync_dir(folder)
        for old in [*states(out), *folder.glob("*.making")]:
            if old != target:
                old.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            making.unlink(missing_ok=True)
        kept = states(out)
        last = f"The last whole checkpoint is {kept[-1].name}." if kept else "There is no checkpoint yet."
        raise TrainingError(
            f"{target}: the checkpoint of step {step} cannot be written: {error.strerror}. {last}",
            "Free some space, then go on with `loresmith train --resume`.",
        ) from error
    return target


def load_state(out: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(tensors, facts) of the newest checkpoint under `out` that is whole; None where there is none."""
    for path in reversed(states(out)):
        try:
            with safe_open(path, framework="pt") as file:
                facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
                return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError):
            continue
    return None


def history(out: Path) -> list[dict[str, Any]]:
    """Every step up to the newest checkpoint, without its tensors; empty where there is none."""
    for path in reversed(states(out)):
        try:
            with safe_open(path, framework="pt") as file:
                return list(json.loads((file.metadata() or {})["facts"])["history"])
        except (SafetensorError, OSError, KeyError, ValueError):
            continue
    return []


def states(out: Path) -> list[Path]:
    """The checkpoints under `out`, the oldest first."""
    return sorted((out / FOLDER).glob("state-*.safetensors"))


def random_state(device: str) -> dict[str, Any]:
    """The generators that dropout draws from, as tensors."""
    state = {"random.cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        state["random.cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(tensors: dict[str, Any], device: str) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    if device.startswith("cuda") and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)
