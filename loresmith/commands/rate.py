"""rate export, import: people rate pairs of answers without knowing which arm gave them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands.common import DONE, FAILED, Call, command, counted
from loresmith.errors import UsageError

if TYPE_CHECKING:
    from loresmith.evaluation.comparison.values import Contender

ReportOption = Annotated[
    str | None, typer.Option("--report", metavar="ID", help="Not the newest report but this one.")
]
_SHOWN = 10


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Let people rate pairs of answers, blinded.", no_args_is_help=True)
    command(group, "export")(export)
    command(group, "import")(import_)
    app.add_typer(group, name="rate")


def export(
    call: Call,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV to write; it must not exist.")],
    report: ReportOption = None,
    arms: Annotated[
        str | None,
        typer.Option("--arms", metavar="LIST", help="Two arms; else the two that served most."),
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", metavar="N", min=1, help="At most so many, evenly over the strata.")
    ] = 50,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the sample and its order.")] = 0,
) -> int:
    """Write a sheet to rate: question, accepted answer, two answers, no word of who gave them.

    It opens in any spreadsheet program. Whoever rates types A, B, both or neither: which of the two
    answers would serve.
    """
    from loresmith.evaluation.reporting import rating

    folder = _folder(call, report)
    made = rating.export(folder, file, arms=_two(arms), pairs=pairs, seed=seed)
    if call.json:
        call.emit({**asdict(made), "file": str(file), "report": folder.name})
        return DONE
    alike = f" ({counted(made.alike, 'question')} where both said the same left out)" if made.alike else ""
    call.say(f"{file}: {counted(made.pairs, 'pair')} to rate{alike}.")
    call.say(f"Filled in: loresmith rate import {file} --rater NAME")
    return DONE


def import_(
    call: Call,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sheet, filled in, as CSV.")],
    rater: Annotated[str, typer.Option("--rater", metavar="NAME", help="Who rated; the report names them.")],
    report: ReportOption = None,
) -> int:
    """Read ratings and say how far they agree with the automatic score.

    A second sheet of the same rater replaces what it rates again.
    """
    from loresmith.evaluation.comparison import report as reports
    from loresmith.evaluation.reporting import rating, words

    if not rater.strip():
        raise UsageError("--rater is empty.", "Give a name or an initial.")
    folder = _folder(call, report)
    sheet = rating.read(folder, file, rater.strip())
    new = rating.append(folder, sheet.ratings)
    found = reports.write(folder)
    judged = [j for j in found["judgements"] if j["rater"] == rater.strip() and j["kind"] == "person"]
    if call.json:
        call.emit(_face(sheet, new, judged))
    else:
        for problem in sheet.problems[:_SHOWN]:
            call.note(f"Row {problem.row}: {problem.reason}.")
        if len(sheet.problems) > _SHOWN:
            call.note(f"… and {len(sheet.problems) - _SHOWN:,} more rows like that.")
        empty = f", {counted(sheet.empty, 'row')} without a choice" if sheet.empty else ""
        call.say(f"{counted(len(sheet.ratings), 'rating')} read, {new:,} of them new{empty}.")
        for row in judged:
            agreed, kappa = words.percent(row["agreement"]), words.kappa(row["kappa"])
            call.say(
                f"Agreement with the automatic score: {words.printable(agreed)} of {row['n']:,} answers, "
                f"Cohen's kappa {kappa}."
            )
    return FAILED if sheet.problems and not sheet.ratings else DONE


def _face(sheet: Any, new: int, judged: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ratings": len(sheet.ratings),
        "new": new,
        "empty": sheet.empty,
        "problems": [asdict(problem) for problem in sheet.problems],
        **{key: judged[0][key] if judged else None for key in ("agreement", "kappa", "n")},
    }


def _folder(call: Call, name: str | None) -> Path:
    from loresmith.evaluation.comparison import store

    with call.workspace() as workspace:
        return store.find(workspace.folder.reports_dir, name)


def _two(text: str | None) -> tuple[Contender, Contender] | None:
    from loresmith.evaluation.comparison.values import CONTENDERS

    if text is None:
        return None
    named = [arm for name in text.split(",") for arm in CONTENDERS if arm == name.strip()]
    if len(named) != 2 or named[0] == named[1] or len(text.split(",")) != 2:
        raise UsageError(f"--arms {text}: not two arms.", f"Two of {', '.join(CONTENDERS)}: --arms rag,both")
    return named[0], named[1]
