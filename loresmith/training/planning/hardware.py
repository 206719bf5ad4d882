"""What a machine offers to training: memory and speed of its GPUs, or of its processor.

    here()  |  named("A100-80GB")  ->  Hardware

Promises: torch is not imported (GPUs are asked of nvidia-smi); what is unknown is said, and speeds
are the makers' dense figures times the share that training reaches, never a promise.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from loresmith.errors import UsageError
from loresmith.models import auto, cpu

GB = 1e9
GIB = 2**30

REACHED = 0.35
"""Share of a GPU's dense peak that a training step of matrices reaches (model FLOPs utilisation)."""

# Floating-point operations a second of one core in a training step. Measured on AVX-512 with bf16
# instructions (Zen 4, 2.6 GHz); without them matrices run in float32.
CPU_BF16 = 95e9
CPU_FP32 = 60e9


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU model. `gigabytes` is what its maker calls them (GiB); `teraflops` dense, 16 bits."""

    name: str
    gigabytes: int
    teraflops: float
    bf16: bool = True


CARDS: tuple[Card, ...] = (
    Card("T4", 16, 65, bf16=False),
    Card("V100-16GB", 16, 125, bf16=False),
    Card("RTX-4060-Ti", 16, 88),
    Card("A10", 24, 125),
    Card("L4", 24, 121),
    Card("RTX-3090", 24, 71),
    Card("RTX-4090", 24, 165),
    Card("A100-40GB", 40, 312),
    Card("L40S", 48, 362),
    Card("A6000", 48, 155),
    Card("A100-80GB", 80, 312),
    Card("H100", 80, 989),
    Card("H200", 141, 989),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Where training would run.

    Attributes:
        memory: bytes that training may take: free memory of the machine, or of one GPU.
        count: GPUs (1 for a processor).
        flops: operations a second that a training step reaches, of one GPU or of all cores.
        bf16: the processor or GPU computes in bfloat16.
        cores: of the processor.
    """

    kind: Literal["cpu", "cuda"]
    name: str
    memory: int
    count: int
    flops: float
    bf16: bool = True
    cores: int = 1

    def describe(self) -> str:
        many = f"{self.count} × " if self.count > 1 else ""
        free = "free memory" if self.kind == "cpu" else "memory"
        return f"{many}{self.name}, {self.memory / GIB:.1f} GiB {free}"


def here() -> Hardware:
    """The GPUs of this machine where there are some, else its processor."""
    gpus = _gpus()
    if gpus:
        name, memory = min(gpus, key=lambda gpu: gpu[1])
        card = card_like(name)
        reached = card.teraflops * 1e12 * REACHED if card else 50e12
        return Hardware(
            kind="cuda", name=name, memory=memory, count=len(gpus), flops=reached,
            bf16=card.bf16 if card else True,
        )  # fmt: skip
    cores = cpu.count()
    bf16 = cpu.has("avx512_bf16", "amx_bf16", "bf16")
    machine = auto.this_machine()
    return Hardware(
        kind="cpu",
        name=f"processor, {cores} core{'s' if cores > 1 else ''}",
        memory=int(machine.memory),
        count=1,
        flops=cores * (CPU_BF16 if bf16 else CPU_FP32),
        bf16=bf16,
        cores=cores,
    )


def named(text: str) -> Hardware:
    """`text` is a card of `CARDS`, with a count before it where there are several ("2xA100-80GB").

    Raises:
        UsageError: no such card; the message lists them.
    """
    count, cross, name = text.partition("x")
    if not (cross and count.isdigit() and int(count) > 0):
        count, name = "1", text
    for card in CARDS:
        if card.name.lower() == name.strip().lower():
            return Hardware(
                kind="cuda",
                name=card.name,
                memory=card.gigabytes * GIB,
                count=int(count),
                flops=card.teraflops * 1e12 * REACHED,
                bf16=card.bf16,
            )
    raise UsageError(
        f"{text}: no GPU of that name is known.",
        f"One of {', '.join(card.name for card in CARDS)}, as in --gpu 2xA100-80GB.",
    )


def card_like(name: str) -> Card | None:
    """The row for a name as the driver gives it ("NVIDIA A100-SXM4-80GB")."""
    words = set(name.upper().replace("-", " ").split())
    best = [c for c in CARDS if set(c.name.upper().replace("-", " ").split()) <= words]
    if best:
        return max(best, key=lambda card: len(card.name))
    return next((c for c in CARDS if c.name.upper().partition("-")[0] in words), None)


def _gpus() -> list[tuple[str, int]]:
    """(name, free bytes) of each GPU that this process may use; none where the driver is missing."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return []  # a driver without a device: then the processor trains
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    rows = [row for row in csv.reader(listed.splitlines(), skipinitialspace=True) if len(row) == 2]
    found = [(name, int(free) * 2**20) for name, free in rows if free.strip().isdigit()]
    if visible is None:
        return found
    # Numbers as the driver counts them; a device by its UUID cannot be told from here.
    chosen = [part.strip() for part in visible.split(",") if part.strip()]
    if any(not part.isdigit() for part in chosen):
        return found[: len(chosen)]
    return [found[int(part)] for part in chosen if int(part) < len(found)]
