"""promote, rollback, releases: which expert answers where no arm is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands.common import DONE, Call, command
from loresmith.types import Arm

if TYPE_CHECKING:
    from loresmith.releases import Release

ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]


def register(app: typer.Typer) -> None:
    for function in (promote, rollback, releases):
        command(app)(function)


def promote(
    call: Call,
    arm: Annotated[
        Arm | None, typer.Argument(metavar="ARM", help="base, rag, tuned or both; else what is recommended.")
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="ID", help="Not the latest report but this one.")
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="TEXT", help="Promote although the gate is closed; the reason is kept."
        ),
    ] = "",
) -> int:
    """Let the expert that a comparison recommends answer from now on.

    Exit status 3: it is significantly worse than the present one, or nobody measured it.
    """
    from loresmith import releases as book
    from loresmith.evaluation import succession

    with call.workspace() as workspace:
        folder = workspace.folder
        found = succession.report(folder, report)
        across = succession.across(folder, found, arm, book.current(folder)) if found else None
        remarks = succession.stale(folder, found) if found else []
        made = book.promote(folder, arm, report=found, across=across, remarks=remarks, reason=reason)
    if call.json:
        call.emit({"release": to_dict(made), "current": made.id})
        return DONE
    call.say(f"{made.id}: {made.describe()} answers from now on where no --arm is named.")
    gate: Mapping[str, Any] = made.gate or {}
    for problem in gate.get("problems", ()):
        call.say(f"Against the gate: {problem}.")
    for check in gate.get("checks", ()):
        if not check["worse"]:
            call.note(f"· {book.Check(**check).describe()}.")
    for remark in gate.get("notes", ()):
        call.note(f"· {remark}.")
    call.note("`loresmith rollback` takes it back.")
    return DONE


def rollback(
    call: Call,
    to: Annotated[
        str | None, typer.Argument(metavar="RELEASE", help='Not the one before but this one, or "start".')
    ] = None,
    reason: ReasonOption = "",
) -> None:
    """Answer again with the release before the present one."""
    from loresmith import releases as book

    with call.workspace() as workspace:
        made = book.rollback(workspace.folder, to, reason=reason)
    if call.json:
        call.emit({"release": to_dict(made), "current": None if made.returns_to == book.START else made.id})
    where = "before the first release" if made.returns_to == book.START else f"to {made.returns_to}"
    call.say(f"{made.id}: back {where}; {made.describe()} answers from now on.")


def releases(call: Call) -> None:
    """Every promotion and every rollback, and what answers now."""
    from loresmith import releases as book

    with call.workspace() as workspace:
        folder = workspace.folder
        entries = book.listing(folder)
        now = book.current(folder)
    if call.json:
        call.emit({"current": now.id if now else None, "releases": [to_dict(entry) for entry in entries]})
        return
    if not entries:
        call.say(
            f"Nothing was promoted: {book.DEFAULT} answers. See `loresmith compare`, `loresmith promote`."
        )
        return
    _table(call, entries, now)


def _table(call: Call, entries: list[Release], now: Release | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "release", "when", "what answers", "report", "why"):
        table.add_column(heading, no_wrap=heading in ("release", "when"))
    for entry in entries:
        said = [f"back to {entry.returns_to}"] if entry.returns_to else []
        if entry.gate and not entry.gate["passed"]:
            said.append("against the gate")
        said += [entry.reason] if entry.reason else []
        table.add_row(
            "→" if now is not None and entry.id == now.id else "",
            *(entry.id, entry.created[:16].replace("T", " "), entry.describe(), entry.report or "–"),
            ": ".join(said),
        )
    call.stdout.print(table)


def to_dict(entry: Release) -> dict[str, Any]:
    """The JSON form."""
    from dataclasses import asdict

    return asdict(entry)
