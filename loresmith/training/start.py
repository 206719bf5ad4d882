"""What a run is about before anything is computed: dataset, base, method; new, or begun before.

asked() or resumed() -> Asked        begin() leaves run.json, so that a kill can be resumed
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loresmith.config import TrainingSection
from loresmith.dataset import store
from loresmith.dataset.example import Dataset
from loresmith.errors import DatasetError, ModelError, TrainingError
from loresmith.models import auto, download, registry
from loresmith.state import State
from loresmith.training import adapters, record
from loresmith.training.planning import architecture, choice, hardware, lengths
from loresmith.training.planning import plan as plans
from loresmith.training.values import Method, Recipe
from loresmith.workspace import WorkspaceDir, fsync_dir, translated_os_errors, write_atomic

PATIENCE = {"quick": 15 * 60, "normal": 60 * 60, "thorough": 4 * 60 * 60}
"""Seconds that a training may take by the forecast where the model is for the program to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run is about.

    Attributes:
        settings: as configured, with what the forecast of memory asks for.
        dataset: its labels are those of now, where documents have got more since.
        reason: why this model and this method, in a sentence or two.
        notes: what has become of the documents since the dataset was made.
        recipe, fingerprint: of the run that is resumed.
    """

    dataset: Dataset
    model: str
    method: Method
    settings: TrainingSection
    reason: str = ""
    recipe: Recipe | None = None
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    started: str = field(default_factory=record.now)


def asked(workspace: WorkspaceDir, dataset: str | None) -> Asked:
    """A new run, as the configuration wants it.

    Raises:
        DatasetError: there is no such dataset, or it has no training row.
        ModelError: the model is none that could be trained.
        TrainingError: no method fits the memory.
    """
    data = store.load(workspace.datasets_dir, dataset)
    if not data.train:
        raise DatasetError(
            f"Dataset {data.id} has no row to train on.",
            "`loresmith dataset show` tells what was rejected; build or import more.",
        )
    labels, notes = _since(workspace, data)
    data = replace(data, labels=labels)
    found = _chosen(workspace, data)
    return Asked(
        dataset=data,
        notes=notes,
        model=found.model,
        method=found.method,
        settings=found.settings,
        reason=found.reason,
    )


def _since(workspace: WorkspaceDir, data: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels that a reader needs by now, and which documents are not what they were."""
    used = data.documents or {}
    if not used or not workspace.state_path.is_file():
        return data.labels, ()
    with State.open(workspace.state_path) as state:
        infos = {info.id: info for info in state.infos() if info.id in used}
    labels = sorted({*data.labels, *(label for info in infos.values() for label in info.labels)})
    notes = []
    for one, many, names in (
        ("is gone", "are gone", [d for d in used if d not in infos]),
        (
            "has changed",
            "have changed",
            [d for d, version in used.items() if d in infos and version != infos[d].version],
        ),
    ):
        if names:
            shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
            notes.append(
                f"{len(names)} of {len(used)} documents of this dataset {one if len(names) == 1 else many} "
                f"since it was made ({shown}): `loresmith dataset build` makes a new one."
            )
    return tuple(labels), tuple(notes)


def resumed(workspace: WorkspaceDir) -> Asked:
    """The unfinished run that was active last, with the recipe it was started with.

    Raises:
        TrainingError: there is none, or its run.json cannot be read.
    """
    runs = adapters.unfinished(workspace.adapters_dir)
    if not runs:
        raise TrainingError("There is no unfinished training here.", "Start one: loresmith train")
    raw = runs[0].run
    try:
        recipe = _recipe(raw["recipe"])
        data = store.load(workspace.datasets_dir, raw["dataset"])
        labels, notes = _since(workspace, data)
        return Asked(
            dataset=replace(data, labels=labels),
            notes=notes,
            model=recipe.model,
            method=recipe.method,
            settings=workspace.config.training,
            reason=raw["reason"],
            recipe=recipe,
            fingerprint=raw["base_fingerprint"],
            started=raw["started"],
        )
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"{runs[0].folder / adapters.CHECKPOINT / adapters.RUN} cannot be read: {error}.",
            f"Remove it: loresmith adapters remove {runs[0].id}",
        ) from error


def whole(folder: Path, run: Asked, fingerprint: str, *, resume: bool, again: bool) -> bool:
    """Whether there is nothing to do, since this adapter was trained before.

    Raises:
        TrainingError: a run of it is unfinished and nobody said what to do about it; or the base is
            not the one that the resumed run was started with.
    """
    if resume:
        if fingerprint != run.fingerprint:
            raise TrainingError(
                f"{run.model} is not the model that this run was started with: its weights have changed.",
                "Put the old files back, or start anew with `loresmith train`.",
            )
        return False
    if again:
        return False
    if (folder / adapters.CHECKPOINT / adapters.RUN).is_file():
        raise TrainingError(
            f"{folder.name}: this very training was begun before and is unfinished.",
            "Go on with `loresmith train --resume`, or begin anew with --again.",
        )
    return (folder / adapters.CARD).is_file()


def begin(folder: Path, run: Asked, recipe: Recipe, fingerprint: str) -> None:
    """Make the run resumable from here on; what an earlier try has left goes."""
    raw: dict[str, Any] = {
        "recipe": recipe.to_dict(),
        "dataset": run.dataset.id,
        "base_fingerprint": fingerprint,
        "reason": run.reason,
        "started": run.started,
        "status": "training",
    }
    place = folder / adapters.CHECKPOINT
    with translated_os_errors(folder):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        write_atomic(place / adapters.RUN, json.dumps(raw, ensure_ascii=False, indent=1).encode())
        fsync_dir(folder)
        fsync_dir(folder.parent)


def _recipe(raw: dict[str, Any]) -> Recipe:
    return Recipe(**{**raw, "targets": tuple(raw["targets"])})


# --- model and method -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Choice:
    """Base and method, the settings with what memory asks for, and why. `seconds` by the forecast."""

    model: str
    method: Method
    settings: TrainingSection
    reason: str
    seconds: float = 0.0
    obstacle: str = ""


def _chosen(workspace: WorkspaceDir, data: Dataset) -> _Choice:
    config = workspace.config
    if config.model.endpoint:
        raise ModelError(
            f"{config.model.name} answers at {config.model.endpoint} and cannot be trained here.",
            "Name a model of this machine: --model NAME --set model.endpoint=",
        )
    if config.model.name == "none":
        raise ModelError('Training needs a language model, and model.name is "none".', "Use --model NAME.")
    machine = hardware.here()
    if config.model.name != "auto":
        return _by_plan(config.model.name, config.training, data, machine)
    here = [row for row in registry.ROWS if row.kind == "language" and download.present(row)]
    if not here:
        row, why = auto.choose_language_model(config.model)
        found = _by_plan(row.name, config.training, data, machine)
        return replace(found, reason=f"{why} {found.reason}".strip())
    passed: list[str] = []
    smallest = min(here, key=lambda row: row.parameters)
    for row in sorted(here, key=lambda row: -row.parameters):
        try:
            found = _by_plan(row.name, config.training, data, machine)
        except TrainingError as error:
            passed.append(error.problem)
            continue
        patient = found.seconds <= PATIENCE[config.training.effort] or row is smallest
        if patient and not found.obstacle:
            why = f"{row.name}: forecast {plans.hours(found.seconds)}."
            return replace(found, reason=" ".join(filter(None, (why, *passed, found.reason))))
        passed.append(f"Not {row.name}: {found.obstacle or 'forecast ' + plans.hours(found.seconds)}.")
    raise TrainingError(f"No model that is here can be trained. {' '.join(passed)}", "Free memory.")


def _by_plan(name: str, settings: TrainingSection, data: Dataset, machine: hardware.Hardware) -> _Choice:
    method: Method = "lora" if settings.method == "auto" else settings.method
    reason = ""
    try:
        shape = architecture.read(name)
        rows = lengths.of(data.train, shape, f"dataset {data.id}")
        plan = plans.plan(shape, rows, settings, machine)
    except (ModelError, DatasetError) as error:
        # The loader knows more families than the planner and counts tokens exactly: what is wrong
        # with a name or with the rows it says better.
        return _Choice(name, method, settings, f"Not planned: {error.problem}")
    if settings.method == "auto":
        method, reason = choice.choose_method(plan)
    planned = plan.method(method)
    if planned.obstacle:
        reason = f"By the forecast {method} does not fit: {planned.obstacle}. It is tried all the same."
    if planned.recipe is not None and settings.checkpointing == "auto" and planned.recipe.checkpointing:
        settings = settings.model_copy(update={"checkpointing": "on"})
    if planned.recipe is not None and settings.micro_tokens is None and planned.smaller:
        settings = settings.model_copy(update={"micro_tokens": planned.recipe.micro_tokens})
    return _Choice(name, method, settings, reason, planned.seconds, planned.obstacle)
