"""calibrate: fit abstention to the user's own questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loresmith.commands.common import Call, SetOption, command, counted, overrides


def register(app: typer.Typer) -> None:
    command(app)(calibrate)


def calibrate(
    call: Call,
    questions: Annotated[
        Path,
        typer.Option(
            "--questions",
            metavar="JSONL",
            help="Questions with `answer` (null: not answerable) and, where known, `documents`.",
        ),
    ],
    settings: SetOption = None,
) -> None:
    """Fit when to abstain to your own questions. What is fitted stays in the workspace."""
    from loresmith.evaluation import calibration

    with call.workspace(overrides(settings)) as workspace, call.progress() as progress:
        report = calibration.calibrate(workspace, questions, progress)
    if call.json:
        call.emit(report)
    call.say(f"Fitted to {counted(report['questions'], 'question')}: threshold {report['threshold']:.2f}.")
    for label in ("before", "after"):
        if report[label]:
            call.say(
                f"  {label}: {report[label]['false_answers']:.0%} of what should be refused would pass, "
                f"{report[label]['false_refusals']:.0%} of what should pass would be refused"
            )
    call.say(f"Kept in {report['file']}; delete it to undo.")
