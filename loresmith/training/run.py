"""train(): from a dataset of the workspace to an adapter that its expert can answer with.

    dataset + base -> rows -> recipe -> recipe.train -> before and after -> record, curves, card -> in use

The id of an adapter is the hash of what it was made of, so the same training has the same name.

Promises: another process may synchronise and answer while hours of training go by (the writer's
lock is held only while the adapter is published); whatever is interrupted, at any moment, goes on
with `resume` from the last checkpoint, also where only publishing was missing; card.json is written
last, and the adapter that was in use before stays in use until then.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loresmith.dataset.example import Dataset
from loresmith.errors import DatasetError, MissingExtra, TrainingError, WorkspaceLocked
from loresmith.models import cpu
from loresmith.training import (
    adapters,
    base,
    checkpoint,
    curves,
    distributed,
    record,
    samples,
    start,
    tokens,
    trackers,
)
from loresmith.training import recipe as recipes
from loresmith.training.base import Base
from loresmith.training.distributed import Group
from loresmith.training.recipe import RecipeResult
from loresmith.training.values import OnStep, Recipe, Row, Step, TrainResult
from loresmith.types import Progress
from loresmith.workspace import WorkspaceDir, fsync_dir, translated_os_errors, write_atomic

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

CURVES = "curves.png"
# A sync that is under way when a training ends may take so long before publishing is left to --resume.
LOCK_SECONDS = 600.0
# A look sees at least as many tokens as so many steps.
_LEAST_LOOK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What is about to be trained, for the screen.

    Attributes:
        rows: training rows.  tokens: of one pass over them.
        problems: examples left out, each with its reason.
        reason: why this model and this method.
        notes: what has become of the dataset's documents since it was made.
        history: of a run that goes on, the steps up to its checkpoint.
    """

    adapter: str
    dataset: str
    recipe: Recipe
    rows: int
    dev_rows: int
    tokens: int
    problems: tuple[str, ...]
    reason: str
    notes: tuple[str, ...]
    device: str
    resumed: bool
    history: tuple[Step, ...] = ()


def train(
    workspace: WorkspaceDir,
    *,
    dataset: str | None = None,
    resume: bool = False,
    again: bool = False,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
    on_start: Callable[[Started], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train an adapter as `workspace.config` says, and use it from now on.

    Args:
        dataset: id; None: the current one.
        resume: go on with the unfinished run that was active last, as it was started.
        again: train although this very adapter is here already, or an unfinished run of it.
        stop: asked often; True makes a checkpoint and returns with `stopped` "interrupted".

    Raises:
        DatasetError: there is no dataset, or no row of it can be trained on.
        TrainingError: nothing to resume; a run that should be resumed; no memory; a full disk.
        ModelError: the base model is unknown, missing or damaged.
        WorkspaceLocked: another training runs here.
    """
    settings = workspace.config.training
    with distributed.group(settings.strategy) as group, _alone(workspace, group):
        if group.device == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(cpu.count())  # by itself it does not see a container's limit
        # The others do as the leader found: free memory, on which the method rests, is another for each.
        asked = group.from_leader(_asked(workspace, dataset, resume) if group.leader else None)
        loaded = base.load(
            asked.model,
            method=asked.method,
            precision=asked.recipe.precision if asked.recipe else asked.settings.precision,
            device=group.load_device,
            quant_storage="float32" if settings.strategy == "fsdp2" and group.world > 1 else "uint8",
            progress=progress,
        )
        if progress:
            progress(f"loading {asked.model}", 1, 1)
            progress("preparing the rows", 0, None)
        rows, dev, problems = _rows(asked, loaded)
        recipe = asked.recipe or recipes.resolve(asked.settings, loaded, rows)
        dev = _for_looks(dev, recipe)
        name = adapter_id(recipe, asked.dataset.id, loaded.fingerprint)
        folder = workspace.adapters_dir / name
        if group.from_leader(
            group.leader and start.whole(folder, asked, loaded.fingerprint, resume=resume, again=again)
        ):
            return _already(folder)
        if group.leader and not resume:
            start.begin(folder, asked, recipe, loaded.fingerprint)
        tracker = _tracker(workspace, name, asked, recipe, loaded) if group.leader else None
        if on_start is not None:
            history = tuple(Step(**step) for step in checkpoint.history(folder)) if resume else ()
            started = _started(name, asked, recipe, rows, dev, problems, loaded.device, resume)
            on_start(replace(started, history=history))

        def tell(step: Step) -> None:
            if tracker is not None:
                tracker.step(step)
            if on_step is not None:
                on_step(step)

        with _closing(tracker):
            done = recipes.train(
                loaded, rows, dev, recipe, out=folder, resume=resume, on_step=tell, stop=stop,
                group=group if group.world > 1 else None,
            )  # fmt: skip
            result = _result(name, folder, recipe, done)
            if done.stopped == "interrupted":
                return result
            figures, said = _before_and_after(done, asked.dataset, dev, recipe, loaded, group, progress)
            result = _with(result, figures, said)
            if group.leader:
                _publish(workspace, folder, asked, recipe, loaded, result, done.history, problems, progress)
                if tracker is not None:
                    tracker.end(done.steps, _flat(figures), finished=True)
        group.wait()
        return result


def _asked(workspace: WorkspaceDir, dataset: str | None, resume: bool) -> start.Asked:
    return start.resumed(workspace) if resume else start.asked(workspace, dataset)


def adapter_id(recipe: Recipe, dataset: str, fingerprint: str) -> str:
    """`<method>-<8 hex>` of what the adapter is made of; where the model lies does not matter, nor
    what memory there was on that day."""
    circumstances = ("model", "micro_tokens", "checkpointing", "checkpoint_seconds")
    made_of = {k: v for k, v in recipe.to_dict().items() if k not in circumstances}
    raw = json.dumps([made_of, dataset, fingerprint], sort_keys=True)
    return f"{recipe.method}-{hashlib.sha256(raw.encode()).hexdigest()[:8]}"


def _rows(asked: start.Asked, loaded: Base) -> tuple[list[Row], list[Row], tuple[str, ...]]:
    """Training rows, dev rows, and why others were left out."""
    length = asked.recipe.max_length if asked.recipe else asked.settings.max_length
    rows, problems = tokens.rows(asked.dataset.train, loaded.tokenizer, max_length=length)
    dev, more = tokens.rows(asked.dataset.dev, loaded.tokenizer, max_length=length)
    said = tuple(f"{problem.example}: {problem.reason}" for problem in (*problems, *more))
    if not rows:
        reasons = ", ".join(sorted({problem.reason for problem in problems})[:3])
        raise DatasetError(
            f"Dataset {asked.dataset.id}: none of its {len(asked.dataset.train)} training rows can be used"
            + (f": {reasons}." if reasons else "."),
            "Mend the rows, or raise training.max_length.",
        )
    return rows, dev, said


def _started(
    name: str,
    asked: start.Asked,
    recipe: Recipe,
    rows: Sequence[Row],
    dev: Sequence[Row],
    problems: tuple[str, ...],
    device: str,
    resumed: bool,
) -> Started:
    return Started(
        adapter=name,
        dataset=asked.dataset.id,
        recipe=recipe,
        rows=len(rows),
        dev_rows=len(dev),
        tokens=sum(len(row.ids) for row in rows),
        problems=problems,
        reason=asked.reason,
        notes=asked.notes,
        device=device,
        resumed=resumed,
    )


# --- one training at a time -----------------------------------------------------------------------


@contextmanager
def _alone(workspace: WorkspaceDir, group: Group) -> Iterator[None]:
    if not group.leader:
        yield
        return
    with workspace.training():
        yield


@contextmanager
def _writing(workspace: WorkspaceDir, progress: Progress | None) -> Iterator[None]:
    """The writer's lock, waited for: a sync is no reason to lose what hours have made."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        lock = workspace.writing()
        try:
            lock.__enter__()
            break
        except WorkspaceLocked as error:
            if time.monotonic() > until:
                raise TrainingError(
                    f"The adapter is trained, but cannot be published: {error.problem}",
                    "Then run `loresmith train --resume`; nothing is trained again.",
                ) from error
            if progress:
                progress("waiting for the writer of this workspace", 0, None)
            time.sleep(1)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


# --- what comes out -------------------------------------------------------------------------------


def _result(name: str, folder: Path, recipe: Recipe, done: RecipeResult) -> TrainResult:
    return TrainResult(
        adapter=name,
        folder=folder,
        method=recipe.method,
        steps=done.steps,
        tokens=done.tokens,
        loss=done.loss,
        seconds=done.seconds,
        tokens_per_second=done.tokens_per_second,
        peak_memory_bytes=done.peak_memory_bytes,
        stopped=done.stopped,
        notes=done.notes,
    )


def _with(result: TrainResult, figures: Mapping[str, Any], said: Sequence[Mapping[str, Any]]) -> TrainResult:
    return replace(result, extra={"figures": dict(figures), "samples": list(said)})


def _for_looks(dev: Sequence[Row], recipe: Recipe) -> list[Row]:
    """Dev rows for one look, kinds in turn: as many as cost a tenth of the training between two looks.

    A forward pass alone takes about a third of a training step's time.
    """
    kinds: dict[str, list[Row]] = {}
    for row in sorted(dev, key=lambda r: r.example):
        kinds.setdefault(row.kind, []).append(row)
    room = max(0.3 * recipe.eval_every * recipe.batch_tokens, _LEAST_LOOK * recipe.batch_tokens)
    chosen: list[Row] = []
    for row in (r for several in itertools.zip_longest(*kinds.values()) for r in several if r is not None):
        room -= len(row.ids)
        if room < 0 and chosen:
            break
        chosen.append(row)
    return chosen


def _before_and_after(
    done: RecipeResult,
    dataset: Dataset,
    dev: Sequence[Row],
    recipe: Recipe,
    loaded: Base,
    group: Group,
    progress: Progress | None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Perplexities and answers without the adapter and with it. Every process of a group takes part,
    since each may hold a share of the weights only."""
    asked = {example.id: example for example in samples.choose(dataset)}
    rows, _ = tokens.rows(asked.values(), loaded.tokenizer, max_length=recipe.max_length)
    general = samples.general_rows(loaded.tokenizer)
    together = group if group.world > 1 else None

    def look() -> tuple[list[str], float, float]:
        on_dev, on_general = (
            recipes.evaluate(done.model, part, micro_tokens=recipe.micro_tokens, group=together)
            if part
            else 0.0
            for part in (dev, general)
        )
        return samples.say(done.model, loaded.tokenizer, rows), on_dev, on_general

    if progress:
        progress("asking before and after", 0, 2)
    with done.model.disable_adapter():
        before, dev_before, general_before = look()
    if progress:
        progress("asking before and after", 1, 2)
    after, dev_after, general_after = look()
    if progress:
        progress("asking before and after", 2, 2)
    perplexity = {"general text": _pair(general_before, general_after)}
    if dev:
        perplexity = {"dev": _pair(dev_before, dev_after), **perplexity}
    held_out = bool(dataset.dev or dataset.test)
    said = samples.beside([asked[row.example] for row in rows], before, after, trained=not held_out)
    as_expected = {when: samples.like_expected(said, when) for when in ("before", "after")}
    looks = {step.step: step.dev_accuracy for step in done.history if step.dev_accuracy is not None}
    figures = {
        "kept_step": done.best_step,
        "dev_accuracy": looks.get(done.best_step),
        "perplexity": perplexity,
        "as_expected": {"of": len(said), **as_expected},
    }
    return figures, said


def _pair(before: float, after: float) -> dict[str, float]:
    return {"before": round(math.exp(min(before, 700)), 4), "after": round(math.exp(min(after, 700)), 4)}


def _publish(
    workspace: WorkspaceDir,
    folder: Path,
    asked: start.Asked,
    recipe: Recipe,
    loaded: Base,
    result: TrainResult,
    history: Sequence[Step],
    problems: Sequence[str],
    progress: Progress | None,
) -> None:
    """Everything beside the weights, the card last; then the adapter is in use."""
    made = {
        "adapter": result.adapter,
        "dataset": asked.dataset,
        "recipe": recipe,
        "fingerprint": loaded.fingerprint,
        "device": device_name(loaded.device),
        "result": result,
        "figures": result.extra["figures"],
    }
    told = record.record(**made, reason=asked.reason, problems=problems, steps=history, started=asked.started)
    card = record.card(**made, samples=result.extra["samples"])
    with _writing(workspace, progress):
        write_atomic(folder / record.RECORD, record.to_bytes(told))
        title = f"{result.adapter} · {recipe.model} · dataset {asked.dataset.id[:12]}"
        curves.draw(history, folder / CURVES, title=title, kept=result.extra["figures"]["kept_step"])
        # safetensors writes for its owner only; who may read the one file may read the other.
        (folder / adapters.WEIGHTS).chmod((folder / adapters.CONFIG).stat().st_mode)
        # Made of other weights: it is converted anew when it is needed.
        (folder / "adapter.gguf").unlink(missing_ok=True)
        write_atomic(folder / adapters.CARD, record.to_bytes(card))
        adapters.use(workspace.adapters_dir, folder.name)
    with translated_os_errors(folder):
        # Without run.json the rest is no run any more, however far the deletion comes.
        (folder / adapters.CHECKPOINT / adapters.RUN).unlink(missing_ok=True)
        shutil.rmtree(folder / adapters.CHECKPOINT)
        fsync_dir(folder)


def _already(folder: Path) -> TrainResult:
    """The result of a training that was done before, from its card."""
    found = adapters.read(folder)
    figures = found.card["figures"]
    return TrainResult(
        adapter=found.id,
        folder=folder,
        method=found.method,
        steps=figures["steps"],
        tokens=figures["tokens"],
        loss=figures["loss"],
        seconds=figures["seconds"],
        tokens_per_second=figures["tokens_per_second"],
        peak_memory_bytes=figures["peak_memory_bytes"],
        stopped=figures["stopped"],
        notes=(f"{found.id} was trained before with this recipe, dataset and base; --again trains it anew.",),
        extra={"figures": figures, "samples": found.card["samples"], "already": True},
    )


def device_name(device: str) -> str:
    """ "cpu", or the accelerator's own name."""
    if not device.startswith("cuda"):
        return device
    return str(torch.cuda.get_device_name(device))


# --- trackers -------------------------------------------------------------------------------------


def _tracker(
    workspace: WorkspaceDir, name: str, asked: start.Asked, recipe: Recipe, loaded: Base
) -> trackers.Tracker | None:
    return trackers.start(
        workspace.config.training.tracker,
        name,
        project=workspace.config.name,
        settings={
            **recipe.to_dict(),
            "dataset": asked.dataset.id,
            "rows": len(asked.dataset.train),
            "base_fingerprint": loaded.fingerprint,
        },
        folder=workspace.data,
    )


@contextmanager
def _closing(tracker: trackers.Tracker | None) -> Iterator[None]:
    """Whatever ends a run, its tracker hears of it; a run that is published has said good-bye before."""
    try:
        yield
    finally:
        if tracker is not None:
            tracker.end(0, {}, finished=False)


def _flat(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"perplexity {name} {when}": value
        for name, pair in figures["perplexity"].items()
        for when, value in pair.items()
    }
