"""What each arm costs: to prepare, to index, to train, to ask, to keep, and to change one fact.

Promises: every figure was measured on this machine or is None; nothing is estimated from a model's size.
`prepare_seconds` is the building of the dataset, `index_seconds` every sync since the index was made,
`change_one_fact_seconds` for rag what the syncs of few documents took for each, for tuned a new dataset
and a new training, for both all of it.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loresmith import timings
from loresmith.errors import ModelError
from loresmith.evaluation.comparison import store
from loresmith.evaluation.comparison.values import ArmName, Record
from loresmith.models import fingerprint
from loresmith.training.adapters import Adapter
from loresmith.types import usage
from loresmith.workspace import WorkspaceDir

SEARCHING: tuple[ArmName, ...] = ("rag", "both", "oracle")
LEARNED: tuple[ArmName, ...] = ("tuned", "both")

_FEW = 5


def known(
    folder: WorkspaceDir, arms: Sequence[ArmName], adapter: Adapter | None, model: str
) -> dict[ArmName, dict[str, Any]]:
    """What is known before anything is asked, for the manifest.

    Args:
        model: name of the model that answers.
    """
    syncs = timings.read(folder.data, "sync")
    index = sum(s["seconds"] for s in syncs) if syncs else None
    reindex = _one_document(syncs)
    dataset = str((adapter.card.get("dataset") or {}).get("id", "")) if adapter else ""
    builds = [t for t in timings.read(folder.data, "dataset build") if t.get("dataset") == dataset]
    prepare = builds[-1]["seconds"] if builds else None
    figures = (adapter.card.get("figures") or {}) if adapter else {}
    train = figures.get("seconds")
    again = prepare + train if prepare is not None and train is not None else None
    weights = 0 if model == "none" else _weights(model)
    found: dict[ArmName, dict[str, Any]] = {}
    for arm in arms:
        searches, learned = arm in SEARCHING, arm in LEARNED
        change = {
            (True, False): reindex,
            (False, True): again,
            (True, True): reindex + again if reindex is not None and again is not None else None,
        }.get((searches, learned))
        parts = [weights]
        parts += [_size(folder.index_dir)] if searches else []
        parts += [_size(adapter.folder)] if learned and adapter else []
        found[arm] = {
            "prepare_seconds": prepare if learned else 0.0,
            "index_seconds": index if searches else 0.0,
            "train_seconds": train if learned else 0.0,
            "change_one_fact_seconds": change,
            "disk_bytes": sum(p for p in parts if p is not None) if None not in parts else None,
        }
    return found


def _one_document(syncs: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds that a sync of few documents took for each of them; where there was none, the time of
    each document in the latest sync."""
    counted = [(s["seconds"], int(s.get("changed", 0)) + int(s.get("added", 0))) for s in syncs]
    worked = [(seconds, number) for seconds, number in counted if number]
    few = [(seconds, number) for seconds, number in worked if number <= _FEW]
    if not worked:
        return None
    seconds, number = (few or worked)[-1]
    return round(float(seconds) / number, 3)


def costs(folder: Path, records: Sequence[Record] | None = None) -> dict[ArmName, dict[str, Any]]:
    """The costs of each arm of a comparison, from its folder alone.

    Args:
        records: its answers, where they were read already.
    """
    manifest = store.manifest(folder)
    measured = store.costs(folder)
    answers = store.records(folder) if records is None else records
    memory: Mapping[str, Any] = measured.get("peak_memory_bytes") or {}
    found: dict[ArmName, dict[str, Any]] = {}
    for arm in manifest["arms"]:
        said = [r for r in answers if r.arm == arm and not r.error]
        read = [usage(r.tokens)[0] for r in said if "prompt" in r.tokens]
        written = [usage(r.tokens)[1] for r in said if "answer" in r.tokens]
        found[arm] = {
            "prepare_seconds": None,
            "index_seconds": None,
            "train_seconds": None,
            "change_one_fact_seconds": None,
            "disk_bytes": None,
            **(manifest.get("known", {}).get(arm) or {}),
            "peak_memory_bytes": memory.get(arm),
            "tokens_per_answer": round(sum(written) / len(written), 1) if written else None,
            "tokens_per_prompt": round(sum(read) / len(read), 1) if read else None,
        }
    return found


def _weights(model: str) -> int | None:
    try:
        return _size(fingerprint.place(model))
    except ModelError:  # a model at an endpoint has no files here
        return None


def _size(path: Path | None) -> int | None:
    """Bytes of a file, or of all files of a folder."""
    if path is None:
        return None
    try:
        if path.is_file():
            return path.stat().st_size
        return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    except OSError:
        return None


class Memory:
    """Peak memory of this process since `reset`, in bytes.

    Where the kernel does not let the peak be set back, it is the peak since the process began, and
    `exact` is False.
    """

    def __init__(self) -> None:
        self.exact = False

    def reset(self) -> None:
        try:
            # proc(5): 5 resets the peak of the resident set.
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            self.exact = True
        except OSError:
            self.exact = False

    def peak(self) -> int:
        try:
            with open("/proc/self/status") as file:
                line = next(line for line in file if line.startswith("VmHWM:"))
            return int(line.split()[1]) * 1024
        except (OSError, StopIteration):
            unit = 1 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
