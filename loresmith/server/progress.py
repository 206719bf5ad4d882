"""How far a job is, as files that the server reads while the command line works.

    <job>.progress   the last {"stage", "done", "total"}, replaced whole
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
from typing import Any

from loresmith.types import Progress

VARIABLE = "LORESMITH_PROGRESS"
SECONDS = 0.2
"""Between two writes; the last of a stage is always written."""

log = logging.getLogger(__name__)


def place() -> Path | None:
    """Where this process is asked to tell its progress: the path without an ending."""
    told = os.environ.get(VARIABLE)
    return Path(told) if told else None


def recorder(base: Path) -> Progress:
    """A `Progress` that keeps the last report in `<base>.progress`."""
    path = base.with_name(f"{base.name}.progress")
    said = 0.0

    def report(stage: str, done: int, total: int | None) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < SECONDS and done != total:
            return
        said = now
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            temporary.write_text(json.dumps({"stage": stage, "done": done, "total": total}), encoding="utf-8")
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
        return {"stage": str(raw["stage"]), "done": raw["done"], "total": raw["total"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"stage": "", "done": 0, "total": None}


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
