"""One run by several processes: the same batches, the same losses as by one.

    torchrun --nproc-per-node 4 -m loresmith train

Each process takes its share of every batch's micro-batches. The loss is a sum over target tokens
divided by the number of them in the whole batch, and gradients are added up (not averaged), so a
step does not depend on how many processes share it, but for the order of the additions.

    ddp     every process holds the whole model; the adapter's gradients are added up once a step
    fsdp2   the frozen weights of the decoder layers, 16-bit or nf4, are sharded over the processes
            (`fully_shard`) and gathered layer by layer; the adapter, small, is held by each, as
            are embedding and head

PyTorch's DistributedDataParallel is not used: it averages, wants the same number of backward passes
from each process, and overlaps communication that is a few megabytes for an adapter.

Promises: the world is as large as the launcher said, or the run stops at once (a launcher that
quietly starts one process is found out); every process has the same recipe, data and weights;
only the leader writes; a process that dies is a TrainingError in the others and the last
checkpoint is whole. Without a launcher `group()` is a group of one, and nothing of this happens.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from loresmith.errors import MissingExtra, TrainingError

try:
    import torch
    import torch.distributed as dist
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

Strategy = Literal["ddp", "fsdp2"]

_LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Others wait while the leader writes; a process that died is noticed by torchrun, not by this.
_PATIENCE = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a run, as this one sees them.

    Attributes:
        rank: of this process, from 0.  world: number of processes.
        device: "cpu" or "cuda:<n>", this process's own.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"
    strategy: Strategy = "ddp"

    @property
    def leader(self) -> bool:
        """Whether this process writes, prints and decides what is random."""
        return self.rank == 0

    @property
    def load_device(self) -> str:
        """Where the base is loaded to before `wrap`: a model that is going to be sharded may be
        larger than one device."""
        return "cpu" if self.strategy == "fsdp2" and self.world > 1 else self.device

    def wrap(self, model: Any) -> None:
        """Make a PEFT model part of the group, in place: the leader's adapter everywhere, and with
        "fsdp2" the frozen weights sharded.

        Raises:
            TrainingError: the processes hold different weights, or the model has no decoder layers.
        """
        if self.world == 1:
            return
        self.agree("base weights", _digest(p for p in model.parameters() if not p.requires_grad))
        with _together():
            for parameter in _trained(model):
                here = parameter.data.to(self.device)
                dist.broadcast(here, src=0)
                parameter.data = here
        if self.strategy == "fsdp2":
            self._shard(model)

    def add(self, *values: float) -> tuple[float, ...]:
        """Each value summed over the processes, in float64."""
        if self.world == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        with _together():
            dist.all_reduce(total)
        return tuple(total.tolist())

    def sum(self, tensor: Any) -> None:
        """Add up `tensor` over the processes, in place, in every one of them."""
        if self.world > 1:
            with _together():
                dist.all_reduce(tensor)

    def any(self, flag: bool) -> bool:
        """Whether it holds in at least one process."""
        return self.add(float(flag))[0] > 0

    def from_leader(self, value: Any) -> Any:
        """The leader's value, in every process."""
        if self.world == 1:
            return value
        box = [value]
        with _together():
            dist.broadcast_object_list(box, src=0, device=torch.device(self.device))
        return box[0]

    def agree(self, what: str, value: str) -> None:
        """Stop the run if `value` is not the same in every process.

        Raises:
            TrainingError: it differs; the message names the processes that differ from the leader.
        """
        if self.world == 1:
            return
        said: list[str | None] = [None] * self.world
        with _together():
            dist.all_gather_object(said, value)
        others = [str(rank) for rank, one in enumerate(said) if one != said[0]]
        if others:
            raise TrainingError(
                f"The {what} of process {', '.join(others)} is not that of process 0.",
                "Give every process the same workspace, model files, command and package versions.",
            )

    def wait(self) -> None:
        """Until every process is here."""
        self.add(0.0)

    def _shard(self, model: Any) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        causal = model.get_base_model()
        trained = set(_trained(model))
        kinds = set(getattr(causal, "_no_split_modules", None) or ())
        layers = [module for module in causal.modules() if type(module).__name__ in kinds]
        if not layers:
            raise TrainingError(
                f"{type(causal).__name__} does not say what its decoder layers are, so it cannot be sharded.",
                'Set training.strategy = "ddp".',
            )
        mesh = init_device_mesh(self.device.partition(":")[0], (self.world,))
        for layer in layers:
            # Also in the root's sense: gathered for its forward and its backward pass only.
            fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
        sharded = {parameter for layer in layers for parameter in layer.parameters()}
        whole = set(causal.parameters()) - sharded - trained
        for parameter in whole:
            parameter.data = parameter.data.to(self.device)
        # The root only ties the layers together, so that each is fetched while the one before computes.
        fully_shard(causal.get_decoder(), mesh=mesh, ignored_params=trained | whole)


ALONE = Group()


@contextmanager
def group(
    strategy: Strategy = "ddp", device: str | None = None, environment: Mapping[str, str] = os.environ
) -> Iterator[Group]:
    """The group that the launcher's environment describes; a group of one where there is none.

    Args:
        device: "cpu" or "cuda"; None takes CUDA where it is.

    Raises:
        TrainingError: the environment is incomplete, or the world is not as large as it says.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    launch = _launch(environment)
    if launch is None:
        yield Group(device=kind)
        return
    rank, local, world = launch
    if kind == "cuda":
        if local >= torch.cuda.device_count():
            raise TrainingError(
                f"Process {rank} wants GPU {local}, and this machine has {torch.cuda.device_count()}.",
                "Start one process per GPU: torchrun --nproc-per-node gpu -m loresmith train",
            )
        kind = f"cuda:{local}"
        torch.cuda.set_device(local)
    with _together():
        dist.init_process_group("nccl" if kind.startswith("cuda") else "gloo", timeout=_PATIENCE)
    try:
        found = Group(rank, world, kind, strategy)
        [present] = found.add(1.0)
        if present != world or dist.get_world_size() != world:
            raise TrainingError(
                f"{int(present)} of {world} processes are here.", "Start all of them by one torchrun command."
            )
        found.agree("strategy", strategy)
        found.agree("version of torch", torch.__version__)
        yield found
    finally:
        dist.destroy_process_group()


def _launch(environment: Mapping[str, str]) -> tuple[int, int, int] | None:
    """(rank, local rank, world) as the launcher set them; None where nothing launched this."""
    there = [name for name in _LAUNCHED if environment.get(name)]
    if "WORLD_SIZE" not in there and "RANK" not in there:
        # accelerate's simple launcher takes --num_processes and starts one all the same.
        if any(name.startswith("ACCELERATE_") for name in environment):
            raise TrainingError(
                "accelerate has started one process only, whatever number it was given.",
                "Start with: torchrun --nproc-per-node N -m loresmith train",
            )
        return None
    missing = [name for name in _LAUNCHED if name not in there]
    if missing:
        raise TrainingError(
            f"The environment describes a group of processes, but {' and '.join(missing)} is not set.",
            "Start with: torchrun --nproc-per-node N -m loresmith train",
        )
    try:
        rank, local, world = (int(environment[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    except ValueError as error:
        raise TrainingError(
            f"RANK, LOCAL_RANK or WORLD_SIZE is no number: {error}.", "Use torchrun."
        ) from error
    if not 0 <= rank < world:
        raise TrainingError(f"Process {rank} of {world}: there is no such one.", "Use torchrun.")
    return (rank, local, world) if world > 1 else None


@contextmanager
def _together() -> Iterator[None]:
    """What the backend raises when another process has gone, as one clear error."""
    try:
        yield
    except RuntimeError as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TrainingError(
            f"The other processes of this run do not answer: {first[:200]}",
            "See what they printed; `loresmith train --resume`, started alike, goes on from the checkpoint.",
        ) from error


def _trained(model: Any) -> list[Any]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _digest(parameters: Iterable[Any]) -> str:
    """Of the first and last bytes of every tensor: enough to tell two models apart, quick for 70B."""
    seen = hashlib.sha256()
    for parameter in parameters:
        flat = parameter.detach().reshape(-1)
        seen.update(f"{tuple(parameter.shape)}{parameter.dtype}".encode())
        for part in (flat[:64], flat[-64:]):
            seen.update(part.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()
