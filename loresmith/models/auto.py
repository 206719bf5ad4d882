"""`--model auto`: the largest model of the registry that runs well on the machine at hand.

"Well" means: it fits the memory that is free, and a question over a prompt of 1,000 tokens is
answered with 60 tokens within `PATIENCE` seconds. The choice looks at what the machine has, not at
what is busy this second, so that two runs choose alike.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from loresmith.config import ModelSection
from loresmith.errors import ModelError
from loresmith.models import cpu, download, registry

PATIENCE = 30.0
PROMPT_TOKENS, ANSWER_TOKENS = 1000, 60

# Parameters times tokens a second on one core, from 4-bit GGUF in xllamacpp (AVX2): Qwen2.5-Coder
# 0.5B read 85 and wrote 27 tokens a CPU second, 1.5B read 39 and wrote 17. On the safe side of both.
READING = 42e9
WRITING = 13e9

# Working memory beyond the weights: the window's keys and values, buffers, the repacked weights.
MEMORY_FACTOR = 1.5
MEMORY_EXTRA = 400e6


@dataclass(frozen=True, slots=True)
class Machine:
    """What a model may use. `disk` is the free space of the cache's file system, in bytes."""

    memory: float
    cores: int
    disk: float


def choose_language_model(
    settings: ModelSection, machine: Machine | None = None
) -> tuple[registry.ModelRow, str]:
    """The row to load, and the reason in one sentence.

    Raises:
        ModelError: not even the smallest fits.
    """
    here = machine or this_machine()
    cores = min(settings.threads, here.cores) if settings.threads else here.cores
    rows = sorted(
        (row for row in registry.ROWS if row.kind == "language"), key=lambda row: row.parameters, reverse=True
    )
    passed: list[str] = []
    for row in rows:
        obstacle = _obstacle(row, here, cores)
        if obstacle is None:
            why = (
                f"{row.name} is the largest that runs well here: {row.size / 1e9:.1f} GB of weights in "
                f"{here.memory / 1e9:.1f} GB of free memory, about {_seconds(row, cores):.0f} s "
                f"an answer on {cores} core{'s' if cores > 1 else ''}."
            )
            return row, " ".join([why, *passed])
        passed.append(f"Not {row.name}: {obstacle}.")
    # Slow is better than none: the smallest that fits the memory answers, however long it takes.
    fitting = [row for row in rows if _memory(row) <= here.memory and not _no_disk(row, here)]
    if fitting:
        row = fitting[-1]
        return row, f"{row.name} is the smallest; {_seconds(row, cores):.0f} s an answer. " + " ".join(passed)
    raise ModelError(
        f"No language model of the registry runs here. {' '.join(passed)}",
        "Free memory or disk, set model.endpoint, or model.name = none (quotes only).",
    )


def _obstacle(row: registry.ModelRow, here: Machine, cores: int) -> str | None:
    if _memory(row) > here.memory:
        return f"needs {_memory(row) / 1e9:.1f} GB of memory, {here.memory / 1e9:.1f} GB are free"
    if _no_disk(row, here):
        needed = row.size * download.SPACE_FACTOR
        return f"needs {needed / 1e9:.1f} GB in the model cache, {here.disk / 1e9:.1f} GB are free"
    if _seconds(row, cores) > PATIENCE:
        return f"about {_seconds(row, cores):.0f} s an answer"
    return None


def _seconds(row: registry.ModelRow, cores: int) -> float:
    return row.parameters / cores * (PROMPT_TOKENS / READING + ANSWER_TOKENS / WRITING)


def _memory(row: registry.ModelRow) -> float:
    return row.size * MEMORY_FACTOR + MEMORY_EXTRA


def _no_disk(row: registry.ModelRow, here: Machine) -> bool:
    return not download.present(row) and row.size * download.SPACE_FACTOR > here.disk


def this_machine() -> Machine:
    """Free memory (the container's limit included), cores, and free disk of the model cache."""
    folder = download.cache_dir()
    while not folder.exists():
        folder = folder.parent
    return Machine(_free_memory(), cpu.count(), shutil.disk_usage(folder).free)


def _free_memory() -> float:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    group = Path("/sys/fs/cgroup")
    limit, used = _lines(group / "memory.max"), _lines(group / "memory.current")
    if limit and used and limit[0] != "max":
        free = min(free, int(limit[0]) - int(used[0]))
    return float(free)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
