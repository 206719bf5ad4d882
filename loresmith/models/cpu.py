"""How many cores this process may use, and how many of them idle right now."""

from __future__ import annotations

import os
import time
from pathlib import Path


def count() -> int:
    """Cores granted by the affinity mask and the control group (a container's limit)."""
    return min(len(_granted()), _quota())


def free(seconds: float = 0.1) -> int:
    """Granted cores that no other process uses, at least one, by watching for `seconds`.

    More threads than that slow each other down: each step of llama.cpp waits for its slowest
    thread. The load average would not do, since it remembers this program's own last run.
    """
    before = _idle_ticks()
    if before is None:
        return count()
    start, own = time.monotonic(), time.process_time()
    time.sleep(seconds)
    passed = time.monotonic() - start
    idle = ((_idle_ticks() or 0) - before) / os.sysconf("SC_CLK_TCK")
    ours = time.process_time() - own  # another thread of ours, which will wait for the answer
    return max(1, min(count(), round((idle + ours) / passed)))


def has(*features: str) -> bool:
    """Whether the processor names one of `features` among its flags; False where it cannot be read."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = {
        flag for line in text.splitlines() if line.startswith(("flags", "Features")) for flag in line.split()
    }
    return not flags.isdisjoint(features)


def _granted() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _idle_ticks() -> int | None:
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    names = {f"cpu{core}" for core in _granted()}
    rows = [line.split() for line in lines if line.partition(" ")[0] in names]
    return sum(int(row[4]) + int(row[5]) for row in rows)


def _quota() -> int:
    cores = os.cpu_count() or 1
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if limit == "max" else max(1, int(limit) // int(period))
