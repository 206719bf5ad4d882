"""plan: what training would take, here or elsewhere, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands.common import DONE, Call, ModelOption, SetOption, command, overrides
from loresmith.errors import TrainingError, UsageError, WorkspaceNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from loresmith.config import Config
    from loresmith.training.planning.lengths import Lengths
    from loresmith.training.planning.plan import MethodPlan, Plan
    from loresmith.training.planning.shapes import Architecture
    from loresmith.types import Progress

PARTS = (
    ("base", "libraries, context"),
    ("weights", "weights"),
    ("quantisation", "4-bit constants"),
    ("adapter", "adapter"),
    ("gradients", "gradients"),
    ("optimizer", "optimiser"),
    ("activations", "activations"),
    ("logits", "logits"),
    ("workspace", "workspace"),
    ("heap", "heap's holes"),
    ("mapped", "mapped file"),
)


def register(app: typer.Typer) -> None:
    command(app)(plan)


def plan(
    call: Call,
    model: ModelOption = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="ID", help="Not the current dataset but this one.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Without a dataset: this many rows.")
    ] = None,
    length: Annotated[
        int | None, typer.Option("--length", min=1, help="Without a dataset: tokens of each row.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu", metavar="[Nx]NAME", help="Not this machine but such GPUs: RTX-4090, 2xA100-80GB."
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Run a few real steps of each method and correct the forecast.")
    ] = False,
    settings: SetOption = None,
) -> int:
    """Say what full tuning, LoRA and QLoRA of a model take: memory, time, GPUs.

    Works without a workspace and without the model's weights: the shapes of a config.json, a GGUF
    file or a well-known hub id are enough (--probe needs the weights).
    """
    if dataset is not None and (rows is not None or length is not None):
        raise UsageError("--dataset goes without --rows and --length.", "Give one or the other.")
    if probe and gpu is not None:
        raise UsageError("--probe measures this machine, and --gpu names another.", "Leave one out.")
    flags = overrides(settings, model=model)
    config, datasets = _configuration(call, flags)
    from loresmith.training.planning import architecture, hardware
    from loresmith.training.planning import plan as planning

    with call.progress() as progress:
        shapes = architecture.read(_name(config))
        lengths, known = _lengths(config, datasets, dataset, rows, length, shapes)
        where = hardware.named(gpu) if gpu else hardware.here()
        found = planning.plan(shapes, lengths, config.training, where)
        if probe:
            found = _probed(found, config, known, progress)
    verdict = _verdict(found)
    if call.json:
        call.emit({**found.to_dict(), **verdict})
    _show(call, found, verdict)
    return DONE


def _configuration(call: Call, flags: dict[str, Any]) -> tuple[Config, Path | None]:
    """The workspace's settings and its folder of datasets; without one the defaults."""
    from loresmith import config, workspace

    try:
        folder = workspace.open_dir(call.path, flags)
    except WorkspaceNotFound:
        if call.path is not None or "model.name" not in flags:
            raise
        raw: dict[str, Any] = {}
        for key, value in flags.items():
            config.put(raw, key, value)
        return config.validate(raw), None
    return folder.config, folder.datasets_dir


def _name(config: Config) -> str:
    if config.model.name == "none" or config.model.endpoint:
        raise UsageError("The configured model cannot be trained here.", "Name one with --model.")
    if config.model.name != "auto":
        return config.model.name
    from loresmith.models import auto

    return auto.choose_language_model(config.model)[0].name


def _lengths(
    config: Config,
    datasets: Path | None,
    dataset: str | None,
    rows: int | None,
    length: int | None,
    shapes: Architecture,
) -> tuple[Lengths, tuple[Path, str] | None]:
    """Row lengths, and where the rows themselves are."""
    from loresmith.training.planning import lengths

    if rows is None and length is None and datasets is not None:
        from loresmith.dataset import store

        name = dataset or store.current(datasets)
        if name is not None:
            data = store.load(datasets, name)
            return lengths.of(data.train, shapes, f"dataset {data.id}"), (datasets, data.id)
    if dataset is not None:
        raise UsageError("--dataset needs a workspace.", "Give --workspace, or --rows and --length.")
    if rows is None and length is None:
        return lengths.USUAL, None
    values = (length or lengths.USUAL_LENGTH,) * (rows or lengths.USUAL_ROWS)
    return lengths.Lengths(values, source="as given"), None


def _probed(found: Plan, config: Config, known: tuple[Path, str] | None, progress: Progress) -> Plan:
    from loresmith.training.planning import probe

    return probe.probe(found, config.training, dataset=known, progress=progress)


def _verdict(found: Plan) -> dict[str, Any]:
    from loresmith.training.planning import choice

    try:
        method, reason = choice.choose_method(found)
    except TrainingError as error:
        return {"method": None, "reason": str(error)}
    return {"method": method, "reason": reason}


# --- for a person ---------------------------------------------------------------------------------


def _show(call: Call, found: Plan, verdict: dict[str, Any]) -> None:
    shape, data = found.architecture, found.lengths
    call.say(
        f"{found.model}: {shape.parameters:,} parameters, {shape.layers} layers ({shape.family}; "
        f"{shape.origin}), {found.precision}"
    )
    about = " about" if data.estimated else ""
    call.say(
        f"{len(data.values):,} rows,{about} {data.tokens:,} tokens, the longest{about} {max(data.values):,}"
        f" ({data.source})"
    )
    call.say(f"on {found.hardware.describe()}")
    call.say()
    for line in _table(found):
        call.say(line.rstrip())
    call.say()
    for note in found.notes:
        call.say(note)
    call.say(verdict["reason"])


def _table(found: Plan) -> list[str]:
    from loresmith.training.planning.plan import hours

    names = {"full": "full", "lora": "LoRA", "qlora": "QLoRA"}
    methods = found.methods
    lines = [_line("", [names[m.method] for m in methods])]
    lines.append(_line("trained parameters", [f"{m.trainable:,}" for m in methods]))
    memories = [m.memory.to_dict() for m in methods]
    lines += [
        _line(title, [_gib(memory.get(part, 0)) for memory in memories])
        for part, title in PARTS
        if any(memory.get(part, 0) for memory in memories)
    ]
    lines.append(_line("  kept / computed again", [_activations(memory) for memory in memories]))
    lines.append(_line("while loading", [_gib(m["base"] + m["loading"]) for m in memories]))
    lines.append(_line("peak (forecast)", [_gib(m.memory.peak) for m in methods]))
    if any(m.measured for m in methods):
        lines.append(_line("peak (measured)", [_measured(m) for m in methods]))
    lines.append(_line("tokens a pass", [f"{m.setup.micro_tokens:,}" for m in methods]))
    lines.append(_line("tokens a second", [f"{m.tokens_per_second:,.0f}" for m in methods]))
    lines.append(_line("time", [hours(m.seconds) for m in methods]))
    lines.append(_line("fits here", ["yes" if m.fits else "no" for m in methods]))
    for position, cards in enumerate(methods[0].gpus):
        counts = [m.gpus[position].count for m in methods]
        lines.append(_line(f"GPUs of {cards.gigabytes} GB", [f"{n}" if n else "–" for n in counts]))
    return lines


def _line(title: str, cells: list[str]) -> str:
    return f"{title:<22}" + "".join(f"{cell:>18}" for cell in cells)


def _gib(size: int) -> str:
    return f"{size / 2**30:,.2f} GiB"


def _activations(memory: dict[str, int]) -> str:
    kept, again = memory["activations_kept"] / 2**30, memory["activations_checkpointed"] / 2**30
    return f"({kept:,.2f} / {again:,.2f})"


def _measured(method: MethodPlan) -> str:
    if method.measured is None:
        return "–"
    return _gib(method.measured.peak) if method.measured.peak else "failed"
