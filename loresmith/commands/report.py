"""report: what a comparison found, computed again from its stored answers and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from loresmith.commands.common import DONE, Call, command, counted


def register(app: typer.Typer) -> None:
    command(app)(report)


def report(
    call: Call,
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A report's id, or its beginning; without it the newest."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the comparisons that are here.")] = False,
) -> int:
    """Show a comparison again: verdict, arms, and where the page with every answer is.

    Figures and page are computed anew from the stored answers; nothing is asked.
    """
    from loresmith.evaluation.comparison import store

    with call.workspace() as workspace:
        reports = workspace.folder.reports_dir
    if listing:
        return _list(call, store.listing(reports))
    return show(call, store.find(reports, name))


def show(call: Call, place: Path) -> int:
    """Compute the report in `place` and print it."""
    from loresmith.evaluation.comparison import report as reports
    from loresmith.evaluation.reporting import terminal

    found = reports.write(place)
    if call.json:
        call.emit(face(found, place))
    else:
        call.stdout.print(terminal.render(found))
        call.say(f"Every answer: {place / reports.HTML}")
    return DONE


def face(found: dict[str, Any], place: Path) -> dict[str, Any]:
    """The stable JSON object of `compare` and `report`, from report.json's."""
    shown = ("correct", "abstention", "citations", "latency", "cost")
    arms = {arm: {key: values.get(key) for key in shown} for arm, values in found["arms"].items()}
    verdict = {k: found["verdict"].get(k) for k in ("winner", "recommended", "kind", "headline", "reasons")}
    return {
        "id": found["id"],
        "arms": arms,
        "strata": found["strata"],
        "verdict": verdict,
        "report": str(place / "report.html"),
    }


def _list(call: Call, manifests: list[dict[str, Any]]) -> int:
    from loresmith.evaluation.comparison import store

    rows = [
        {
            "id": manifest["id"],
            "created": manifest.get("created"),
            "model": (manifest.get("model") or {}).get("name"),
            "adapter": (manifest.get("adapter") or {}).get("id"),
            "arms": manifest["arms"],
            "questions": len(store.questions(manifest["folder"])),
            "answers": len(store.records(manifest["folder"])),
            "wanted": manifest.get("asked"),
            "finished": store.finished(manifest["folder"]),
        }
        for manifest in manifests
    ]
    if call.json:
        call.emit({"reports": rows})
        return DONE
    if not rows:
        call.say("Nothing was compared here yet. Run `loresmith compare`.")
    for row in rows:
        state = "" if row["finished"] else f", not finished: {row['answers']:,} answers so far"
        adapter = f" with {row['adapter']}" if row["adapter"] else ""
        call.say(
            f"{row['id']}  {row['created']}  {counted(row['questions'], 'question')}, "
            f"{', '.join(row['arms'])}; {row['model']}{adapter}{state}"
        )
    return DONE
