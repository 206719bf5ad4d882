"""Forecast of peak memory beside what real runs take: `python benchmarks/planning.py`.

Each line is a process of its own that trains with the real loop, on rows of random tokens: three equal
steps, as `plan --probe` does, or twelve steps of rows as `dataset build` makes them (half are questions
alone, half have passages). Peak is the resident memory of that process, libraries included (CPU),
or what the device holds (CUDA). The speed is that of the machine as it is: a busy one says little.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from typing import Any

from loresmith.config import TrainingSection
from loresmith.training.planning import architecture, hardware, plan, probe

# (row length, 0: mixed; micro-batch, checkpointing)
CASES = [(64, 512, "off"), (128, 1024, "off"), (128, 1024, "on"), (0, 512, "off"), (0, 1024, "off")]
MIXED_STEPS, MIXED_TOKENS = 12, 2400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--methods", nargs="+", default=["lora", "qlora"])
    parser.add_argument("--cases", nargs="+", help="LENGTH:TOKENS:on|off, instead of the usual five")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cases = [_case(text) for text in given.cases] if given.cases else CASES
    shape = architecture.read(given.model)
    # As if memory were endless: what is asked for is run, and not something smaller.
    here = replace(hardware.here(), memory=1 << 50)
    lines = []
    for length, tokens, checkpointing in cases:
        lengths = [length] * (8 * tokens // length) if length else _mixed()
        batch = tokens if length else MIXED_TOKENS
        settings = TrainingSection(batch_tokens=batch, micro_tokens=tokens, checkpointing=checkpointing)
        forecast = plan.plan(shape, lengths, settings, here)
        for name in given.methods:
            steps = None if length else MIXED_STEPS
            lines.append(_line(probe.probe(forecast, settings, methods=[name], steps=steps), name, length))
            if not given.json:
                print(_row(lines[-1]), flush=True)
    if given.json:
        print(json.dumps(lines, indent=1))
        return
    worst = max(abs(line["ratio"] - 1) for line in lines if line["ratio"])
    print(f"furthest off: {100 * worst:.1f} %")


def _mixed() -> list[int]:
    """Lengths as on the examples: short rows, and rows with passages."""
    rng = random.Random(0)
    return [rng.randint(40, 75) if n % 2 else rng.randint(250, 512) for n in range(200)]


def _case(text: str) -> tuple[int, int, str]:
    length, tokens, checkpointing = text.split(":")
    return int(length), int(tokens), checkpointing


def _line(found: plan.Plan, name: str, length: int) -> dict[str, Any]:
    method = found.method(name)
    seen = method.measured or plan.Measured(problem="not run")
    return {
        "model": found.model,
        "method": name,
        "rows": length or "mixed",
        "micro_tokens": method.setup.micro_tokens,
        "checkpointing": method.setup.checkpointing,
        "forecast": method.memory.peak,
        "measured": seen.peak,
        "ratio": method.memory.peak / seen.peak if seen.peak else 0.0,
        "tokens_per_second": seen.tokens_per_second,
        "problem": seen.problem,
    }


def _row(line: dict[str, Any]) -> str:
    return (
        f"| {line['model']} | {line['method']} | {line['rows']} | {line['micro_tokens']} | "
        f"{'yes' if line['checkpointing'] else 'no'} | {line['forecast'] / 1e6:,.0f} | "
        f"{line['measured'] / 1e6:,.0f} | {line['ratio']:.3f} | {line['problem']}"
    )


if __name__ == "__main__":
    main()
