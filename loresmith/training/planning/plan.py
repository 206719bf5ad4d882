"""What training a model would take: memory by part, time, and how many GPUs of which size.

    Architecture + row lengths + settings + Hardware -> Plan   (the JSON face of `loresmith plan`)

A forecast from shapes, torch not imported; `probe.py` replaces it by what one real step measures.
The recipe is the one that `train` would resolve, so the numbers are of that run. Times count the
floating-point operations of the matrices (Kaplan et al. 2020, §2.1: two a weight and token forward,
two more for the gradient that flows back through frozen weights, another two for each weight that is
itself trained) over what the hardware reaches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loresmith.config import TrainingSection
from loresmith.training import defaults
from loresmith.training.planning.footprint import Approach, Footprint, Setup, footprint, trainable
from loresmith.training.planning.hardware import GIB, Hardware
from loresmith.training.planning.lengths import USUAL, Lengths, largest_micro
from loresmith.training.planning.shapes import Architecture
from loresmith.training.values import Recipe

__all__ = ["Cards", "Lengths", "Measured", "MethodPlan", "Plan", "hours", "plan", "with_measured"]

METHODS: tuple[Approach, ...] = ("full", "lora", "qlora")

GPU_SIZES = (16, 24, 40, 48, 80, 141)
"""GiB of the cards that the table is made for."""

USABLE = 0.94
"""Share of a GPU's memory that a run may plan with; the rest is lost between blocks."""

LIMIT = 1024
"""GPUs beyond which no count is looked for."""

SLOW_BELOW = {"cpu": 256, "cuda": 1024}
"""Tokens of a forward pass below which computing activations again is the lesser loss of time."""

# Elements a second that come out of 4 bits: on one core (measured), and on a GPU as a share of its
# operations (it is bound by memory bandwidth, which grows about as they do).
UNPACKED_A_CORE = 230e6
OPERATIONS_AN_UNPACKED = 400


@dataclass(frozen=True, slots=True)
class Cards:
    """The fewest GPUs of one size that hold a run. `count` None: no number of them does."""

    gigabytes: int
    count: int | None
    sharding: str
    peak: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a probe saw: peak bytes and tokens a second of one real step; or why there was none."""

    peak: int = 0
    tokens_per_second: float = 0.0
    micro_tokens: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPlan:
    """One way to train.

    Attributes:
        recipe: what `train` would run (None for "full", which is planned but not offered).
        smaller: its micro-batch is smaller than usual, for the sake of memory.
        obstacle: why it cannot be trained here ("" where it can).
        seconds: of the whole run on the plan's hardware.
    """

    method: Approach
    parameters: int
    trainable: int
    setup: Setup
    memory: Footprint
    recipe: Recipe | None
    tokens: int
    seconds: float
    tokens_per_second: float
    gpus: tuple[Cards, ...]
    smaller: bool = False
    obstacle: str = ""
    measured: Measured | None = None

    @property
    def fits(self) -> bool:
        return not self.obstacle

    @property
    def peak(self) -> int:
        """Measured where a probe ran, else the forecast."""
        return self.measured.peak if self.measured and self.measured.peak else self.memory.peak

    def to_dict(self) -> dict[str, Any]:
        raw: dict[str, Any] = {
            "method": self.method,
            "parameters": self.parameters,
            "trainable": self.trainable,
            "memory_bytes": {**self.memory.to_dict(), "forecast": self.memory.peak, "peak": self.peak},
            "checkpointing": self.setup.checkpointing,
            "micro_tokens": self.setup.micro_tokens,
            "steps": self.recipe.steps if self.recipe else None,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
            "tokens_per_second": round(self.tokens_per_second, 1),
            "fits_here": self.fits,
            "obstacle": self.obstacle,
            "gpus": [
                {"gigabytes": c.gigabytes, "count": c.count, "sharding": c.sharding, "peak": c.peak}
                for c in self.gpus
            ],
        }
        if self.measured:
            raw["measured"] = {
                "peak": self.measured.peak or None,
                "tokens_per_second": self.measured.tokens_per_second or None,
                "problem": self.measured.problem,
            }
        return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All methods for one model and dataset on one kind of hardware."""

    model: str
    architecture: Architecture
    hardware: Hardware
    lengths: Lengths
    precision: str
    methods: tuple[MethodPlan, ...]
    notes: tuple[str, ...] = ()

    def method(self, name: str) -> MethodPlan:
        return next(m for m in self.methods if m.method == name)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith plan --json` prints."""
        shape = self.architecture
        return {
            "model": self.model,
            "family": shape.family,
            "origin": shape.origin,
            "parameters": shape.parameters,
            "precision": self.precision,
            "hardware": {
                "kind": self.hardware.kind,
                "name": self.hardware.name,
                "memory_bytes": self.hardware.memory,
                "count": self.hardware.count,
            },
            "data": {
                "rows": len(self.lengths.values),
                "tokens": self.lengths.tokens,
                "longest": max(self.lengths.values),
                "estimated": self.lengths.estimated,
                "source": self.lengths.source,
            },
            "methods": [method.to_dict() for method in self.methods],
            "notes": list(self.notes),
        }


def plan(
    architecture: Architecture,
    lengths: Lengths | Sequence[int] | None,
    settings: TrainingSection,
    hardware: Hardware,
) -> Plan:
    """What full tuning, LoRA and QLoRA of `architecture` take.

    Args:
        lengths: tokens of each training row; None: what is usual.

    Raises:
        DatasetError: there are no rows.
    """
    rows = lengths if isinstance(lengths, Lengths) else Lengths(tuple(lengths)) if lengths else USUAL
    kept = tuple(n for n in rows.values if n <= settings.max_length)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if hardware.bf16 else "fp16" if hardware.kind == "cuda" else "fp32"
    rows = replace(rows, values=kept)
    methods = tuple(_method(m, architecture, rows, settings, hardware, precision) for m in METHODS)
    return Plan(
        model=architecture.name,
        architecture=architecture,
        hardware=hardware,
        lengths=rows,
        precision=precision,
        methods=methods,
        notes=_notes(architecture, rows, settings),
    )


def _method(
    method: Approach,
    model: Architecture,
    rows: Lengths,
    settings: TrainingSection,
    hardware: Hardware,
    precision: str,
) -> MethodPlan:
    recipe = _recipe(method, model, rows, settings, hardware, precision)
    setup = _setup(method, model, rows, recipe, hardware, precision)
    if hardware.count > 1 and (method == "full" or settings.strategy == "fsdp2"):
        setup = replace(setup, world=hardware.count)
    usual = recipe.micro_tokens
    recipe, setup = _fitted(recipe, setup, model, rows, settings, hardware)
    memory = footprint(model, setup)
    tokens = round(rows.tokens * recipe.epochs)
    speed = 1 / seconds_a_token(model, setup, hardware)
    return MethodPlan(
        method=method,
        parameters=model.parameters,
        trainable=trainable(model, setup),
        setup=setup,
        memory=memory,
        recipe=None if method == "full" else recipe,
        tokens=tokens,
        seconds=tokens / speed,
        tokens_per_second=speed,
        gpus=tuple(cards(model, setup, size) for size in GPU_SIZES),
        smaller=recipe.micro_tokens < usual,
        obstacle=_obstacle(method, model, memory, hardware),
    )


def _fitted(
    recipe: Recipe,
    setup: Setup,
    model: Architecture,
    rows: Lengths,
    settings: TrainingSection,
    hardware: Hardware,
) -> tuple[Recipe, Setup]:
    """The first that fits of: smaller micro-batches (the same step), activations computed again, both.
    Where nothing does, the smallest."""
    sizes = [recipe.micro_tokens]
    while settings.micro_tokens is None and sizes[-1] > setup.longest:
        sizes.append(max(setup.longest, sizes[-1] // 2))
    quick = [size for size in sizes if size >= SLOW_BELOW[hardware.kind]] or sizes[:1]
    tries = [(size, setup.checkpointing) for size in (quick if settings.checkpointing == "auto" else sizes)]
    if settings.checkpointing == "auto":
        tries += [(size, True) for size in sizes]
    for size, again in tries:
        smaller = replace(recipe, micro_tokens=size, checkpointing=again)
        needed = replace(setup, micro_tokens=largest_micro(rows, smaller), checkpointing=again)
        if not _short(model, needed, hardware):
            break
    return smaller, needed


def _recipe(
    method: Approach,
    model: Architecture,
    rows: Lengths,
    settings: TrainingSection,
    hardware: Hardware,
    precision: str,
) -> Recipe:
    return defaults.resolve(
        settings,
        model=model.name,
        method="qlora" if method == "qlora" else "lora",
        precision=precision,
        hidden=model.hidden,
        targets=_targets(model, settings),
        lengths=rows.values,
        device=hardware.kind,
    )


def _targets(model: Architecture, settings: TrainingSection) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(linear.name for linear in model.adaptable))
    if "all-linear" in settings.targets:
        return names
    return tuple(name for name in names if name in settings.targets)


def _setup(
    method: Approach, model: Architecture, rows: Lengths, recipe: Recipe, hardware: Hardware, precision: str
) -> Setup:
    return Setup(
        method=method,
        rank=recipe.rank,
        targets=recipe.targets,
        dora=recipe.dora,
        dropout=recipe.dropout,
        itemsize=4 if precision == "fp32" else 2,
        micro_tokens=largest_micro(rows, recipe),
        longest=max(rows.values),
        varied=rows.estimated or len(set(rows.values)) > 1,
        learned=rows.learned,
        checkpointing=recipe.checkpointing,
        device=hardware.kind,
        from_gguf=model.origin.lower().endswith(".gguf"),
    )


def _short(model: Architecture, setup: Setup, hardware: Hardware) -> bool:
    return footprint(model, setup).needed > hardware.memory * (USABLE if hardware.kind == "cuda" else 1)


def _obstacle(method: Approach, model: Architecture, memory: Footprint, hardware: Hardware) -> str:
    if not model.trainable_here:
        return "only the model's own code can run it, which is never trusted here"
    room = hardware.memory * (USABLE if hardware.kind == "cuda" else 1)
    if memory.needed > room:
        each = " each" if hardware.count > 1 else ""
        return f"needs {memory.needed / GIB:.1f} GiB{each}, {room / GIB:.1f} are there"
    return ""


# --- GPUs -----------------------------------------------------------------------------------------


def cards(model: Architecture, setup: Setup, gigabytes: int) -> Cards:
    """The fewest GPUs of `gigabytes` that hold the run with its smallest micro-batch, checkpointed
    where that is needed; more than one share the frozen decoder layers (full tuning: everything)."""
    room = gigabytes * GIB * USABLE
    sharding = "fsdp2" if setup.method != "full" else "fsdp2, all of weights, gradients and optimiser"

    def peak(count: int, checkpointing: bool) -> int:
        small = replace(
            setup, device="cuda", world=count, checkpointing=checkpointing, micro_tokens=setup.longest
        )
        return footprint(model, small).peak

    if peak(1, False) <= room:
        return Cards(gigabytes, 1, "none", peak(1, False))
    if peak(1, True) <= room:
        return Cards(gigabytes, 1, "none, activations checkpointed", peak(1, True))
    if peak(LIMIT, True) > room:
        return Cards(gigabytes, None, sharding, peak(LIMIT, True))
    few, many = 1, LIMIT  # the peak falls as the count grows: halve what lies between
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if peak(middle, True) <= room else (middle, many)
    return Cards(gigabytes, many, f"{sharding}, activations checkpointed", peak(many, True))


# --- time -----------------------------------------------------------------------------------------


def operations(model: Architecture, setup: Setup) -> float:
    """Floating-point operations of one token's forward and backward pass."""
    through = 2.0 * model.active
    # Scores and their product with the values, for the half of the row that lies before a token.
    through += 2 * model.layers * model.heads * model.head_dim * setup.longest / 2 * 2
    times = 2 + (1 if setup.checkpointing else 0) + (1 if setup.method == "full" else 0)
    head = 2.0 * model.vocab * model.hidden * setup.learned * (3 if setup.method == "full" else 2)
    adapter = 0.0 if setup.method == "full" else 6.0 * trainable(model, setup)
    return through * times + head + adapter


def seconds_a_token(model: Architecture, setup: Setup, hardware: Hardware) -> float:
    """Seconds that one token takes, all GPUs or cores together."""
    seconds = operations(model, setup) / hardware.flops
    if setup.method == "qlora":
        # Every weight comes out of its 4 bits once a pass of a micro-batch.
        passes = 3 if setup.checkpointing else 2
        rate = hardware.flops / OPERATIONS_AN_UNPACKED
        if hardware.kind == "cpu":
            rate = UNPACKED_A_CORE * hardware.cores
        seconds += passes * model.quantisable / rate / setup.micro_tokens
    return seconds / hardware.count


# --- what a person should know --------------------------------------------------------------------


def _notes(model: Architecture, rows: Lengths, settings: TrainingSection) -> tuple[str, ...]:
    notes = []
    if rows.estimated:
        notes.append(f"Row lengths are {rows.source}.")
    if not model.trainable_here:
        notes.append(
            f"{model.family} needs code that comes with the model, which is never run here: the plan is "
            "of its shapes only."
        )
    if model.experts:
        notes.append(
            "The experts carry no adapter and stay in 16 bits, so QLoRA saves little: only "
            f"{100 * model.quantisable / model.parameters:.0f} % of the weights come to 4 bits."
        )
    if not _targets(model, settings):
        notes.append(f"training.targets names no layer of {model.family}.")
    return tuple(notes)


def with_measured(forecast: Plan, measured: Mapping[str, Measured]) -> Plan:
    """The plan corrected by what a probe saw, by method."""
    methods = []
    for method in forecast.methods:
        seen = measured.get(method.method)
        if seen is None:
            methods.append(method)
            continue
        changed = replace(method, measured=seen)
        if seen.problem:
            changed = replace(changed, obstacle=seen.problem)
        elif seen.tokens_per_second:
            room = forecast.hardware.memory
            changed = replace(
                changed,
                tokens_per_second=seen.tokens_per_second,
                seconds=method.tokens / seen.tokens_per_second,
                obstacle=""
                if seen.peak <= room
                else f"took {seen.peak / GIB:.1f} GiB, {room / GIB:.1f} are there",
            )
        methods.append(changed)
    return replace(forecast, methods=tuple(methods))


def hours(seconds: float) -> str:
    """A duration for a person: "40 s", "12 min", "3.4 h"."""
    if seconds < 100:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
