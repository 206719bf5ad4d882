"""sync and verify: bring the index up to the sources, and check that all of it agrees."""

from __future__ import annotations

from typing import Annotated

import typer

from loresmith.commands.common import (
    DONE,
    FAILED,
    Call,
    EmbedderOption,
    SetOption,
    command,
    counted,
    overrides,
)


def register(app: typer.Typer) -> None:
    for function in (sync, verify):
        command(app)(function)


def sync(call: Call, embedder: EmbedderOption = None, settings: SetOption = None) -> int:
    """Read, cut, embed and index what changed in the sources. Safe to stop at any moment.

    A document that cannot be read is reported and the rest goes on; exit status 1 only where a
    source could not be read at all.
    """
    with call.workspace(overrides(settings, embedder=embedder)) as workspace:
        with call.progress() as progress:
            report = workspace.sync(progress).to_dict()
        sources = {spec.uri for spec in workspace.folder.source_specs()}
    if call.json:
        call.emit(report)
    documents = report["documents"]
    failed = documents["failed"]
    call.say(
        ", ".join(f"{documents[kind]} {kind}" for kind in ("added", "changed", "removed", "unchanged"))
        + (f", {len(failed)} failed" if failed else "")
        + f"; {counted(report['passages'], 'passage')} searchable ({report['seconds']:.1f} s)."
    )
    unread = [failure for failure in failed if failure["source"] in sources]
    for failure in failed:
        if failure not in unread:
            call.say(f"  not read: {described(failure)}")
    for warning in report["warnings"]:
        call.say(f"  note: {described(warning)}")
    if not sources:
        call.say("There are no sources. Next: loresmith add FOLDER")
    elif report["passages"]:
        call.say('Next: loresmith ask "…"')
    for failure in unread:
        call.stderr.print(f"Error: source not read: {described(failure)}", markup=False)
    return FAILED if unread else DONE


def described(failure: dict[str, str]) -> str:
    """ "place: reason", the place once."""
    source, reason = failure["source"], failure["reason"]
    return reason if reason.startswith(source) else f"{source}: {reason}"


def verify(
    call: Call,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is found.")] = False,
    embedder: EmbedderOption = None,
) -> int:
    """Check that the index is whole and agrees with what was read. Exit status 1 if not."""
    with call.workspace(overrides(embedder=embedder)) as workspace:
        report = workspace.verify(repair=repair).to_dict()
    if call.json:
        call.emit(report)
    mended = repair and report["ok"]
    for problem in report["problems"]:
        what = f"{problem['kind']}: {problem['where']}."
        call.say(f"mended: {what}" if mended else f"{what} {problem['remedy']}")
    call.say("The workspace is sound." if report["ok"] else "The workspace is damaged.")
    return DONE if report["ok"] else FAILED
