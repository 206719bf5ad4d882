"""How far a job is, as files that the server reads while the command line works.

    <job>.progress   the last {"stage", "done", "total", "left"}, replaced whole
    <job>.steps      one line a step of a training, appended

The command line writes them where the environment names the job (`LORESMITH_PROGRESS`). Promises:
what is read is whole; a full disk costs the progress, never the work.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

VARIABLE = "LORESMITH_PROGRESS"
SECONDS = 0.2
"""Between two writes; the last of a stage is always written."""
_SURE = 3.0
"""Seconds of a stage before it is said how long the rest takes."""

log = logging.getLogger(__name__)


class Recorder(Protocol):
    """A `types.Progress` that may be told how many seconds are left; else it says so of the stage."""

    def __call__(self, stage: str, done: int, total: int | None, left: float | None = None) -> None: ...


def place() -> Path | None:
    """Where this process is asked to tell its progress: the path without an ending."""
    told = os.environ.get(VARIABLE)
    return Path(told) if told else None


def recorder(base: Path) -> Recorder:
    """A recorder that keeps the last report in `<base>.progress`."""
    path = base.with_name(f"{base.name}.progress")
    said = 0.0
    known, since, first = "", 0.0, 0

    def report(stage: str, done: int, total: int | None, left: float | None = None) -> None:
        nonlocal said, known, since, first
        now = time.monotonic()
        if stage != known or done < first:
            known, since, first = stage, now, done
        elif now - said < SECONDS and done != total:
            return
        said = now
        if left is None and total is not None and done > first and now - since >= _SURE:
            left = (now - since) / (done - first) * (total - done)
        seconds = None if left is None else round(left, 1)
        told = {"stage": stage, "done": done, "total": total, "left": seconds}
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            temporary.write_text(json.dumps(told), encoding="utf-8")
            os.replace(temporary, path)
        except OSError as error:
            log.debug("the progress of %s is not told: %s", base.name, error)

    return report


def step_recorder(base: Path) -> Callable[[Mapping[str, Any]], None]:
    """A function that appends one step of a training to `<base>.steps`."""
    path = base.with_name(f"{base.name}.steps")

    def report(step: Mapping[str, Any]) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(dict(step)) + "\n")
        except OSError as error:
            log.debug("a step of %s is not told: %s", base.name, error)

    return report


def read(base: Path) -> dict[str, Any]:
    """The last report; stage "" where there is none yet."""
    try:
        raw = json.loads(base.with_name(f"{base.name}.progress").read_text(encoding="utf-8"))
        return {
            "stage": str(raw["stage"]),
            "done": raw["done"],
            "total": raw["total"],
            "left": raw.get("left"),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"stage": "", "done": 0, "total": None, "left": None}


def read_steps(base: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The whole steps from byte `offset` on, and the offset after them."""
    try:
        with base.with_name(f"{base.name}.steps").open("rb") as file:
            file.seek(offset)
            content = file.read()
    except OSError:
        return [], offset
    content = content[: content.rfind(b"\n") + 1]
    steps = []
    for line in content.split(b"\n"):
        try:
            steps += [json.loads(line)] if line else []
        except ValueError:
            continue
    return steps, offset + len(content)
