"""What a run is about before anything is computed: dataset, base, method; new, or begun before.

asked() or resumed() -> Asked        begin() leaves run.json, so that a kill can be resumed
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loresmith.config import ModelSection
from loresmith.dataset import store
from loresmith.dataset.example import Dataset
from loresmith.errors import DatasetError, ModelError, TrainingError
from loresmith.training import adapters, record
from loresmith.training.values import Method, Recipe
from loresmith.types import Progress
from loresmith.workspace import WorkspaceDir, fsync_dir, translated_os_errors, write_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Attributes:
    reason: why this model and this method, in a sentence or two.
    recipe, fingerprint: of the run that is resumed.
    """

    dataset: Dataset
    model: str
    method: Method
    reason: str = ""
    recipe: Recipe | None = None
    fingerprint: str = ""
    started: str = field(default_factory=record.now)


def asked(workspace: WorkspaceDir, dataset: str | None, progress: Progress | None) -> Asked:
    """A new run, as the configuration wants it.

    Raises:
        DatasetError: there is no such dataset, or it has no training row.
        ModelError: the model is none that could be trained.
    """
    data = store.load(workspace.datasets_dir, dataset)
    if not data.train:
        raise DatasetError(
            f"Dataset {data.id} has no row to train on.",
            "`loresmith dataset show` tells what was rejected; build or import more.",
        )
    model, why = _model(workspace.config.model)
    method, reason = _method(workspace, model, data)
    return Asked(dataset=data, model=model, method=method, reason=" ".join(filter(None, (why, reason))))


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
        return Asked(
            dataset=store.load(workspace.datasets_dir, raw["dataset"]),
            model=recipe.model,
            method=recipe.method,
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


def _model(settings: ModelSection) -> tuple[str, str]:
    """The base by name, and why where that was a choice."""
    if settings.endpoint:
        raise ModelError(
            f"{settings.name} answers at {settings.endpoint} and cannot be trained here.",
            "Name a model of this machine: --model NAME --set model.endpoint=",
        )
    if settings.name == "none":
        raise ModelError('Training needs a language model, and model.name is "none".', "Use --model NAME.")
    if settings.name != "auto":
        return settings.name, ""
    from loresmith.models import auto

    row, why = auto.choose_language_model(settings)
    return row.name, why


def _method(workspace: WorkspaceDir, model: str, data: Dataset) -> tuple[Method, str]:
    """The method, and why where that was a choice."""
    wanted = workspace.config.training.method
    if wanted != "auto":
        return wanted, ""
    return "lora", ""
