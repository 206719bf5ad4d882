"""Attempts to get more out of a query than it may give: how many succeed (docs/tables.md).

    python benchmarks/injection.py [--seconds 1.0] [--memory 128] [--only KIND] [--json]

Makes every attempt of tests/querying/injection.jsonl in a store with things to steal and to break; see
tests/querying/attempts.py for what is tried and what counts as success. Exit status 1 where one does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="a query may take")
    parser.add_argument("--memory", type=int, default=128, help="MiB that a query may take")
    parser.add_argument("--only", default="", help="attempts whose id begins so")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from loresmith.querying.execute import Limits
    from tests.querying import attempts

    items = [item for item in attempts.corpus() if item["id"].startswith(wanted.only)]
    limits = Limits(seconds=wanted.seconds, memory_mb=wanted.memory)
    start = time.perf_counter()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        world = attempts.make(Path(folder) / "world")
        os.chdir(world.folder)
        try:
            reports = list(attempts.attempts(items, world, limits))
        finally:
            os.chdir(here)
    groups = defaultdict(list)
    for item, report in zip(items, reports, strict=True):
        groups[item["kind"], item["goal"]].append(report)
    lines = [
        {
            "kind": kind,
            "goal": goal,
            "attempts": len(its),
            "refused": sum(r.ended == "refused" for r in its),
            "answered harmlessly": sum(r.ended == "answered" and not r.harms for r in its),
            "succeeded": sum(bool(r.harms) for r in its),
            "longest s": round(max(r.seconds for r in its), 2),
            "peak MiB": round(max(r.peak_mb for r in its), 1),
        }
        for (kind, goal), its in groups.items()
    ]
    harms = [{"id": r.id, "harms": r.harms} for r in reports if r.harms]
    total = {
        "attempts": len(reports),
        "succeeded": len(harms),
        "seconds": round(time.perf_counter() - start, 1),
        "limits": {"seconds": limits.seconds, "memory_mb": limits.memory_mb},
    }
    if wanted.json:
        print(json.dumps({"groups": lines, "harms": harms, **total}, indent=1))
    else:
        for line in lines:
            print("  ".join(f"{key} {value}" for key, value in line.items()))
        for harm in harms:
            print("SUCCEEDED", harm["id"], ", ".join(harm["harms"]))
        print(f"{total['attempts']} attempts, {total['succeeded']} succeeded, {total['seconds']} s")
    return 1 if harms else 0


if __name__ == "__main__":
    raise SystemExit(main())
