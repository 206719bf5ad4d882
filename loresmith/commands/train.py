"""train, and adapters list, use, remove: from a dataset to an adapter that answers, and back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from loresmith.commands.common import (
    DONE,
    SECONDS_BETWEEN_LINES,
    STOPPED,
    Call,
    ModelOption,
    SetOption,
    command,
    complain,
    counted,
    overrides,
)
from loresmith.errors import UsageError
from loresmith.server import progress as told

if TYPE_CHECKING:
    from types import FrameType

    from loresmith.training.adapters import Adapter
    from loresmith.training.run import Started
    from loresmith.training.values import Step, TrainResult

AdapterArgument = Annotated[
    str, typer.Argument(metavar="ID", help="An id of `loresmith adapters list`, or its beginning.")
]
RESUME = "Go on with: loresmith train --resume"
TRAINING = "training"
"""The stage that is told of a run once it can be resumed; the page goes by it."""


def register(app: typer.Typer) -> None:
    command(app)(train)
    group = typer.Typer(help="Adapters by id: list, use, remove.", no_args_is_help=True)
    command(group, "list")(list_adapters)
    command(group)(use)
    command(group)(remove)
    app.add_typer(group, name="adapters")


def train(
    call: Call,
    method: Annotated[
        Literal["auto", "lora", "qlora"] | None,
        typer.Option("--method", help="auto takes what fits the memory and is faster, and says why."),
    ] = None,
    effort: Annotated[
        Literal["quick", "normal", "thorough"] | None, typer.Option("--effort", help="How long to train.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="ID", help="Not the current dataset but this one.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was interrupted, as it was started.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Train although this very adapter, or a part of it, is here.")
    ] = False,
    model: ModelOption = None,
    settings: SetOption = None,
) -> int:
    """Train an adapter on the current dataset and answer with it from now on.

    Ctrl-C makes a checkpoint and stops; a second one stops at once, with the last checkpoint.
    """
    if resume and (again or method or effort or dataset or model or settings):
        raise UsageError(
            "--resume goes on with a run as it was started; no other option can change it.",
            "Leave the others out, or start a new run without --resume.",
        )
    flags = overrides(settings, model=model)
    for key, value in (("training.method", method), ("training.effort", effort)):
        if value is not None:
            flags[key] = value
    # Read once, when torch loads OpenMP: threads that spin while they wait are ruinous on a machine
    # that does something else too (120 s instead of 35 with its cores taken).
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    with call.workspace(flags) as workspace:
        from loresmith.training import run

        # Under torchrun every process runs this; one of them talks.
        leader = os.environ.get("RANK", "0") == "0"
        with _stopping() as stopping, call.progress() as progress, _Screen(call, leader) as screen:

            def start(started: Started) -> None:
                stopping.after_a_checkpoint = True
                screen.start(started)

            try:
                result = run.train(
                    workspace.folder,
                    dataset=dataset,
                    resume=resume,
                    again=again,
                    progress=progress if leader else None,
                    on_start=start,
                    on_step=screen.step,
                    stop=lambda: stopping.asked and screen.stopping(),
                )
            except KeyboardInterrupt:
                if not stopping.after_a_checkpoint:
                    raise
                complain("Stopped at once.", f"The last checkpoint is whole. {RESUME}", call.json)
                return STOPPED
        if leader:
            _show(call, result)
    return STOPPED if result.stopped == "interrupted" else DONE


class _Stopping:
    """What was asked by signals: nothing, to stop after a checkpoint, or to stop at once."""

    def __init__(self) -> None:
        self.asked = False
        self.after_a_checkpoint = False

    def handle(self, number: int, _: FrameType | None) -> None:
        # Nothing is printed here: a signal may come in the middle of another print.
        impatient = self.asked and number == signal.SIGINT
        if impatient or not self.after_a_checkpoint:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def _stopping() -> Iterator[_Stopping]:
    """Ctrl-C, `kill` and a closed terminal ask for a checkpoint first. A signal that is ignored (a
    background job, nohup) stays ignored."""
    stopping = _Stopping()
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, stopping.handle)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """The run as it goes: one bar on a terminal, a line now and then in a log."""

    def __init__(self, call: Call, leader: bool) -> None:
        self._call = call
        self._leader = leader
        self._bar: Any = None
        self._task: Any = None
        self._steps = self._first = 0
        self._began = self._said = time.monotonic()
        self._told = False
        self._last: dict[str, float] = {}
        self._tokens = 0
        base = told.place() if leader else None
        self._record = told.step_recorder(base) if base is not None else None
        self._tell = told.recorder(base) if base is not None else None

    def __enter__(self) -> _Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, started: Started) -> None:
        self._steps = started.recipe.steps
        self._began = self._said = time.monotonic()
        if not self._leader:
            return
        if self._tell is not None:
            self._tell(TRAINING, max((step.step for step in started.history), default=0), self._steps)
        if self._record is not None:
            for step in started.history:
                self._record(step.to_dict())
        for line in heading(started):
            self._call.note(line)
        if self._call.stderr.is_terminal:
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("training"),
                progress.BarColumn(bar_width=24),
                progress.TextColumn("{task.fields[said]}"),
                console=self._call.stderr,
                transient=True,
            )
            self._task = self._bar.add_task("", total=self._steps, said="first step …")
            self._bar.start()

    def step(self, step: Step) -> None:
        if not self._leader:
            return
        if self._record is not None:
            self._record(step.to_dict())
        if step.loss is not None:
            self._first = self._first or step.step
            self._tokens += step.tokens
            self._last["loss"] = step.loss
        if step.dev_loss is not None:
            self._last["dev loss"] = step.dev_loss
            right = f", {step.dev_accuracy:.1%} of its tokens right" if step.dev_accuracy is not None else ""
            self._call.note(f"step {step.step}: dev loss {step.dev_loss:.3f}{right}")
        if self._tell is not None:
            self._tell(TRAINING, step.step, self._steps, self._left(step.step))
        said = self._words(step.step)
        if self._bar is not None:
            self._bar.update(self._task, completed=step.step, said=said)
            if step.step >= self._steps and step.loss is not None:
                self._bar.stop()
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            self._call.note(f"training: {said}")

    def _words(self, step: int) -> str:
        """ "120 of 300 · loss 0.842 · dev loss 0.910 · 412 tokens/s · 4:20 left"."""
        passed = time.monotonic() - self._began
        parts = [f"{step:,} of {self._steps:,}"]
        parts += [f"{name} {value:.3f}" for name, value in self._last.items()]
        if passed > 0:
            parts.append(f"{self._tokens / passed:,.0f} tokens/s")
        if (left := self._left(step)) is not None:
            parts.append(f"{clock(left)} left")
        return " · ".join(parts)

    def _left(self, step: int) -> float | None:
        """Seconds until the last step, by those that this process did."""
        done = step - self._first + 1
        if not self._first or done <= 0:
            return None
        return (time.monotonic() - self._began) / done * (self._steps - step)

    def stopping(self) -> bool:
        """Say, once, that the wish to stop was heard."""
        if self._leader and not self._told:
            self._told = True
            self._call.note("Stopping after a checkpoint. Ctrl-C again stops at once, with the last one.")
        return True


def clock(seconds: float) -> str:
    """ "4:20", "1:04:20"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def heading(started: Started) -> list[str]:
    """What is about to be trained, in lines."""
    recipe = started.recipe
    lines = [
        f"{'Going on with' if started.resumed else 'Training'} {started.adapter}: {recipe.model} by "
        f"{recipe.method}, {recipe.precision}, rank {recipe.rank} on {', '.join(recipe.targets)}; "
        f"{counted(started.rows, 'row')} ({started.tokens:,} tokens), {recipe.epochs:.3g} times, in "
        f"{counted(recipe.steps, 'step')} of {recipe.batch_tokens:,} tokens on {started.device}.",
    ]
    if started.reason:
        lines.append(started.reason)
    lines += started.notes
    shown = started.problems[:5]
    if started.problems:
        lines.append(f"{counted(len(started.problems), 'row')} left out:")
        lines += [f"  {problem}" for problem in shown]
        if len(started.problems) > len(shown):
            lines.append(f"  … and {len(started.problems) - len(shown):,} more; record.json names them")
    return lines


def _show(call: Call, result: TrainResult) -> None:
    if call.json:
        call.emit(result.to_dict())
    if result.stopped == "interrupted":
        call.say(f"Stopped after step {result.steps:,}, with a checkpoint. {RESUME}")
        return
    for note in result.notes:
        call.say(note)
    call.say(
        f"{result.adapter}: {counted(result.steps, 'step')}, {result.tokens:,} tokens in "
        f"{clock(result.seconds)} ({result.tokens_per_second:,.0f} tokens/s), "
        f"{result.peak_memory_bytes / 1e9:.1f} GB of memory at most."
    )
    losses = [f"{name} {value:.3f}" for name, value in result.loss.items() if value is not None]
    if losses:
        call.say(f"Loss: {', '.join(losses)}.")
    figures = result.extra.get("figures", {})
    if figures.get("dev_accuracy") is not None:
        kept = f"weights of step {figures['kept_step']:,}"
        call.say(f"Right tokens of the dev split: {figures['dev_accuracy']:.1%} ({kept}).")
    for line in _before_and_after(result.extra):
        call.say(line)
    call.say(f"Curves: {result.folder / 'curves.png'}")
    call.say('In use for the arms tuned and both. Next: loresmith ask --arm both "…"')


def _before_and_after(extra: Any) -> Iterator[str]:
    for name, figure in extra.get("figures", {}).get("perplexity", {}).items():
        yield f"Perplexity of {name}: {figure['before']:.2f} before, {figure['after']:.2f} after."
    samples: Sequence[Any] = extra.get("samples", ())
    if samples:
        trained = "trained" if samples[0]["trained"] else "never trained"
        yield f"{counted(len(samples), 'question')} ({trained}), before and after:"
    for sample in samples:
        yield f"  {_short(sample['question'])}"
        for name in ("expected", "before", "after"):
            yield f"    {name:<9} {_short(sample[name])}"


def _short(text: str, width: int = 110) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def list_adapters(call: Call) -> None:
    """List the adapters of this workspace, and runs that can be resumed."""
    from loresmith.training import adapters

    with call.workspace() as workspace:
        place = workspace.folder.adapters_dir
        found = adapters.listing(place)
        in_use = adapters.current(place)
        unfinished = adapters.unfinished(place)
    current = in_use.id if in_use else None
    if call.json:
        call.emit(
            {
                "adapters": [_as_dict(adapter, current) for adapter in found],
                "current": current,
                "unfinished": [{"adapter": run.id, **run.run} for run in unfinished],
            }
        )
    for adapter in found:
        right = adapter.card.get("figures", {}).get("dev_accuracy")
        call.say(
            f"{'*' if adapter.id == current else ' '} {adapter.id:<16} {adapter.base_model:<24} "
            f"arms {', '.join(adapter.card.get('arms', ())) or '–':<12} "
            f"dev {'–' if right is None else f'{right:.1%}'}  {str(adapter.card.get('created', ''))[:16]}"
            + (f"  labels {', '.join(adapter.labels)}" if adapter.labels else "")
        )
    for run in unfinished:
        call.say(f"  {run.id:<16} unfinished. {RESUME}")
    if not found and not unfinished:
        call.say("No adapter yet. Next: loresmith dataset build, then loresmith train")


def _as_dict(adapter: Adapter, current: str | None) -> dict[str, Any]:
    return {"current": adapter.id == current, "folder": str(adapter.folder), **adapter.card}


def use(call: Call, adapter: AdapterArgument) -> None:
    """Answer with this adapter from now on, in the arms tuned and both."""
    from loresmith.training import adapters

    with call.workspace() as workspace, workspace.folder.writing():
        found = adapters.use(workspace.folder.adapters_dir, adapter)
    if call.json:
        call.emit({"adapter": found.id})
    call.say(f"{found.id} answers from now on.")


def remove(call: Call, adapter: AdapterArgument) -> None:
    """Delete an adapter, or what an unfinished run has left."""
    from loresmith import releases

    with call.workspace() as workspace:
        removed = releases.remove_adapter(workspace.folder, adapter)
    if call.json:
        call.emit({"removed": removed})
    call.say(f"{removed} is removed.")
