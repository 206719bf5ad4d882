"""compare: base, RAG, tuned and both on the same questions, with a verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loresmith.commands.common import (
    DONE,
    Call,
    EmbedderOption,
    ModelOption,
    SetOption,
    command,
    counted,
    overrides,
)
from loresmith.commands.report import show
from loresmith.errors import UsageError
from loresmith.server import progress as told_to

if TYPE_CHECKING:
    from loresmith.evaluation.comparison.questions import Prepared
    from loresmith.evaluation.comparison.run import Estimate
    from loresmith.evaluation.comparison.values import ArmName
    from loresmith.training.adapters import Adapter
    from loresmith.types import Progress
    from loresmith.workspace import WorkspaceDir

_SHOWN = 5


def register(app: typer.Typer) -> None:
    command(app)(compare)


def compare(
    call: Call,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            metavar="FILE",
            help="JSON lines, JSON, CSV, TSV or XLSX with question, answer (null: not in the documents) and "
            "documents. Without it: what was held out of training.",
        ),
    ] = None,
    arms: Annotated[
        str, typer.Option("--arms", metavar="LIST", help="Which arms, divided by commas.")
    ] = "base,rag,tuned,both",
    no_controls: Annotated[
        bool,
        typer.Option("--no-controls", help="Without the controls oracle and format, which never win."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="At most so many questions, evenly over the strata."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of samples and statistics.")] = 0,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Ask two questions of each arm, say how long the rest takes, stop."),
    ] = False,
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="ID", help="Not the adapter in use but this one.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge", metavar="MODEL", help="A language model judges too; the verdict stays without it."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before a comparison that takes long.")
    ] = False,
    model: ModelOption = None,
    embedder: EmbedderOption = None,
    settings: SetOption = None,
) -> int:
    """Compare the model alone, with documents, tuned, and both; say which one is worth it.

    Every answer is kept: stopped, the same command goes on; `report` computes again without asking.
    """
    from loresmith.evaluation.comparison import prepare, run, strata
    from loresmith.evaluation.comparison import questions as files
    from loresmith.expert import Workspace

    wanted = _arms(arms)
    file = files.read(questions) if questions is not None else None
    with call.workspace(overrides(settings, model=model, embedder=embedder)) as opened:
        folder = opened.folder
    chosen = _adapter(folder, adapter, explicit=adapter is not None)
    held = run.hold(folder, chosen)
    with Workspace(held) as workspace, call.progress() as progress:
        train = strata.taught(held, chosen, []).train or ()
        possible, skipped = run.possible(held, chosen, train, wanted, with_controls=not no_controls)
        prepared = prepare.prepare(
            workspace,
            file,
            adapter=chosen,
            limit=limit,
            seed=seed,
            general=bool({"base", "tuned"} <= set(possible)),
            progress=progress,
        )
        _introduce(call, prepared, possible, skipped)
        told: list[Estimate] = []
        overall, forecast = _overall(progress)

        def on_estimate(found: Estimate) -> bool:
            told.append(found)
            forecast(found)
            call.note(_words(found))
            return not estimate and _agreed(call, found, yes)

        place = run.compare(
            workspace,
            prepared,
            arms=possible,
            skipped=skipped,
            adapter=chosen,
            train=train,
            seed=seed,
            progress=overall,
            on_estimate=on_estimate,
        )
    if estimate:
        _say_estimate(call, place, told[-1] if told else None)
        return DONE
    if told and _unfinished(place):
        call.say("Nothing more was asked. The same command goes on.")
        return DONE
    if judge is not None:
        from loresmith.evaluation import judging

        with call.progress() as progress:
            judged = judging.judge(place, judge, progress, settings=folder.config.model)
        if judged.unclear:
            call.note(f"{judged.rater} said neither yes nor no of {counted(judged.unclear, 'answer')}.")
    return show(call, place)


def _overall(progress: Progress) -> tuple[Progress, Callable[[Estimate], None]]:
    """Where the server waits for it: progress over all arms, with the time left by the estimate. On a
    terminal each arm has a bar of its own."""
    base = told_to.place()
    if base is None:
        return progress, lambda found: None
    record = told_to.recorder(base)
    left: dict[str, float] = {}
    wanted: dict[str, int] = {}
    kept = total = first = 0

    def forecast(found: Estimate) -> None:
        nonlocal kept, total
        kept, total = found.kept, found.kept + found.answers
        left.update(found.by_arm)

    def report(stage: str, done: int, of: int | None) -> None:
        nonlocal first
        arm = stage.removeprefix("asking ")
        if stage == "first answers":  # a few of each arm
            first += 1
            record(stage, first, None)
            return
        if arm not in left or not of:
            record(stage, done, of)
            return
        wanted[arm] = done
        rest = sum(seconds for other, seconds in left.items() if other not in wanted)
        record(stage, kept + sum(wanted.values()), total, rest + left[arm] * (1 - done / of))

    return report, forecast


def _arms(text: str) -> list[ArmName]:
    from loresmith.evaluation.comparison.values import CONTENDERS

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in CONTENDERS]
    if unknown or not names:
        raise UsageError(
            f"--arms {text}: {'no arm' if not names else f'{unknown[0]} is none'}.",
            f"Arms: {', '.join(CONTENDERS)}; the controls come by themselves.",
        )
    return [arm for arm in CONTENDERS if arm in names]


def _adapter(folder: WorkspaceDir, name: str | None, *, explicit: bool) -> Adapter | None:
    """The adapter that is meant; None where there is none and none was named."""
    from loresmith.training import adapters

    configured = folder.config.model.adapter
    if explicit or configured != "auto":
        return adapters.find(folder.adapters_dir, name or configured)
    return adapters.current(folder.adapters_dir)


def _introduce(call: Call, prepared: Prepared, arms: list[ArmName], skipped: dict[str, str]) -> None:
    call.note(f"{counted(len(prepared.questions), 'question')}: {prepared.source}. Arms: {', '.join(arms)}.")
    for arm, reason in skipped.items():
        call.note(f"{arm} is not compared: {reason}.")
    for warning in prepared.warnings[: 2 * _SHOWN]:
        call.note(warning)
    if len(prepared.warnings) > 2 * _SHOWN:
        call.note(f"… and {len(prepared.warnings) - 2 * _SHOWN} more; the report lists them.")
    for removed in prepared.removed[:_SHOWN]:
        beside = f" (beside: {removed.beside})" if removed.beside else ""
        call.note(f"Not asked: {removed.question} — {removed.reason}{beside}")
    if len(prepared.removed) > _SHOWN:
        call.note(f"… and {len(prepared.removed) - _SHOWN} more that are not asked; the report lists them.")


def _words(found: Estimate) -> str:
    kept = f", {found.kept:,} are there already" if found.kept else ""
    parts = ", ".join(f"{arm} {_time(seconds)}" for arm, seconds in found.by_arm.items() if seconds)
    return f"About {_time(found.seconds)} for {counted(found.answers, 'answer')}{kept} ({parts})."


def _time(seconds: float) -> str:
    """ "40 s", "14 min", "3.2 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _agreed(call: Call, found: Estimate, yes: bool) -> bool:
    """Ask before an hour is spent, where somebody is there to be asked."""
    if yes or call.json or found.seconds < 3600 or not call.stderr.is_terminal:
        return True
    return typer.confirm("Go on?", default=True, err=True)


def _unfinished(place: Path) -> bool:
    from loresmith.evaluation.comparison import store

    return not store.finished(place)


def _say_estimate(call: Call, place: Path, found: Estimate | None) -> None:
    answers, seconds = (found.answers, found.seconds) if found else (0, 0.0)
    if call.json:
        call.emit(
            {
                "id": place.name,
                "answers": answers,
                "kept": found.kept if found else None,
                "seconds": round(seconds, 1),
                "by_arm": {arm: round(s, 1) for arm, s in found.by_arm.items()} if found else {},
            }
        )
    if found is None:
        call.say("Every answer is there already; without --estimate the report is shown.")
