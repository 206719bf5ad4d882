"""What work cost, as it was measured: one line a piece of work in `.loresmith/timings.jsonl`.

Promises: only what was measured is written; a line that cannot be written or read costs nothing but
itself, since nobody's work should fail for its own stopwatch.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

NAME = "timings.jsonl"

log = logging.getLogger(__name__)


def note(data: Path, work: str, seconds: float, **figures: Any) -> None:
    """Keep how long `work` took.

    Args:
        data: the workspace's `.loresmith`.
        figures: what it was done to (documents, passages, the dataset's id …).
    """
    line = {
        "work": work,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 3),
        **figures,
    }
    try:
        with (data / NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        log.debug("how long %s took is not kept: %s", work, error)


def read(data: Path, work: str) -> list[dict[str, Any]]:
    """What was kept of this work, the oldest first."""
    try:
        lines = (data / NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        if isinstance(raw, dict) and raw.get("work") == work and isinstance(raw.get("seconds"), int | float):
            found.append(raw)
    return found
