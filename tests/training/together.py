"""What each process of test_training_distributed runs, under torchrun.

    torchrun --nproc-per-node 2 together.py FOLDER group STRATEGY

Every process writes what it has to say to FOLDER/<rank>.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from loresmith.errors import TrainingError
from loresmith.training import distributed


def group(strategy: str) -> dict[str, object]:
    with distributed.group(strategy, "cpu") as here:
        torch.manual_seed(here.rank)
        weights = [torch.nn.Parameter(torch.zeros(3, 2)), torch.nn.Parameter(torch.zeros(5))]
        # The second process has no share of this batch.
        if here.leader:
            weights[0].grad = torch.full((3, 2), 1.5)
            weights[1].grad = torch.arange(5.0)
        else:
            weights[0].grad = torch.full((3, 2), 2.0)
        here.add_gradients(weights)
        try:
            here.agree("recipe", f"of {here.rank}")
        except TrainingError as error:
            differs = str(error)
        else:
            differs = ""
        return {
            "rank": here.rank,
            "world": here.world,
            "sum": here.add(1.0, float(here.rank)),
            "gradients": [w.grad.tolist() for w in weights],
            "any": [here.any(False), here.any(here.rank == 1)],
            "from leader": here.from_leader({"adapter": f"by {here.rank}"}),
            "differs": differs,
        }


if __name__ == "__main__":
    said = {"group": group}[sys.argv[2]](*sys.argv[3:])
    (Path(sys.argv[1]) / f"{said['rank']}.json").write_text(json.dumps(said))
