"""calibrate: fit the threshold of abstention to the user's own questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loresmith.commands.common import Call, ModelOption, SetOption, command, overrides


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
    model: ModelOption = None,
    settings: SetOption = None,
) -> None:
    """Fit the threshold of abstention to your own questions. Writes answer.abstain_below."""
    workspace = call.workspace(overrides(settings, model=model))
    with call.progress() as progress:
        report = workspace.calibrate(questions, progress)
    if call.json:
        call.emit(report)
    for key, value in report.items():
        call.say(f"{key}: {value}")
