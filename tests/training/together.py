"""What each process of test_training_distributed runs, under torchrun.

    torchrun --nproc-per-node 2 together.py FOLDER MODEL

Every process writes what it has to say to FOLDER/<rank>.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from loresmith.config import TrainingSection
from loresmith.dataset.example import Example
from loresmith.errors import TrainingError
from loresmith.training import base, distributed, recipe, tokens
from loresmith.training.distributed import Group
from loresmith.training.values import Row, Step

RUNS = [f"{strategy}:{method}" for strategy in ("ddp", "fsdp2") for method in ("lora", "qlora")]


def everything(out: Path, model: str) -> dict[str, Any]:
    with distributed.group("ddp", "cpu") as here:
        return {
            "rank": here.rank,
            "group": of_the_group(here),
            "runs": {run: one(here, model, run, out / run) for run in RUNS},
            "stopped": one(here, model, "ddp:lora", out / "parts", stop_after=3),
            "resumed": one(here, model, "ddp:lora", out / "parts", resume=True),
        }


def of_the_group(here: Group) -> dict[str, Any]:
    total = torch.full((3,), 1.0 + here.rank)
    here.sum(total)
    try:
        here.agree("recipe", f"of {here.rank}")
    except TrainingError as error:
        differs = str(error)
    else:
        differs = ""
    return {
        "world": here.world,
        "add": here.add(1.0, float(here.rank)),
        "sum": total.tolist(),
        "any": [here.any(False), here.any(here.rank == 1)],
        "from leader": here.from_leader({"adapter": f"by {here.rank}"}),
        "differs": differs,
    }


def one(
    group: Group, model: str, run: str, out: Path, stop_after: int = 0, resume: bool = False
) -> dict[str, Any]:
    """One run; with `stop_after` its last process alone is asked to stop after so many steps."""
    strategy, method = run.split(":")
    here = replace(group, strategy=strategy)
    loaded = base.load(model, method=method, precision="fp32", device=here.load_device)
    rows, dev = rows_of(loaded)
    seen: list[float] = []
    looks: list[float] = []
    shares: set[float] = set()

    def on_step(step: Step) -> None:
        (looks if step.loss is None else seen).append(step.dev_loss if step.loss is None else step.loss)
        shares.update(share_of(layer) for layer in loaded.model.get_decoder().layers)

    done = recipe.train(
        loaded,
        rows,
        dev,
        recipe.resolve(settings(), loaded, rows),
        out=out,
        resume=resume,
        on_step=on_step,
        stop=lambda: here.rank == here.world - 1 and len(seen) == stop_after > 0,
        group=here if here.world > 1 else None,
    )
    return {
        "losses": seen,
        "dev": looks,
        "stopped": done.stopped,
        "share": max(shares),
        "tokens": done.tokens,
    }


def share_of(layer: Any) -> float:
    """Which part of a decoder layer's frozen bytes this process holds."""
    frozen = [p for p in layer.parameters() if not p.requires_grad]
    here = sum(p.to_local().nbytes if isinstance(p, DTensor) else p.nbytes for p in frozen)
    return here / sum(p.numel() * p.element_size() for p in frozen)


def rows_of(loaded: base.Base) -> tuple[list[Row], list[Row]]:
    examples = [
        Example(
            messages=(
                {"role": "user", "content": f"Which torque for bolt {n}{' of the pump' * (n % 4)}?"},
                {"role": "assistant", "content": f"{7 * n} Nm{' and not more' * (n % 3)}"},
            ),
            kind="chat",
        )
        for n in range(11)
    ]
    rows, problems = tokens.rows(examples, loaded.tokenizer, max_length=512)
    assert not problems
    return rows[:9], rows[9:]


def settings() -> TrainingSection:
    # Steps of about three rows, one or two to a micro-batch: the processes have unlike shares.
    return TrainingSection(
        rank=4, max_steps=8, epochs=4, batch_tokens=90, micro_tokens=60, learning_rate=5e-3, eval_every=4
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    said = everything(folder, sys.argv[2])
    (folder / f"{said['rank']}.json").write_text(json.dumps(said))
