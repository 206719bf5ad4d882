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


def sync(call: Call, embedder: EmbedderOption = None, settings: SetOption = None) -> None:
    """Read, cut, embed and index what changed in the sources. Safe to stop at any moment."""
    workspace = call.workspace(overrides(settings, embedder=embedder))
    with call.progress() as progress:
        report = workspace.sync(progress).to_dict()
    if call.json:
        call.emit(report)
        return
    documents = report["documents"]
    failed = documents["failed"]
    call.say(
        ", ".join(f"{documents[kind]} {kind}" for kind in ("added", "changed", "removed", "unchanged"))
        + (f", {len(failed)} failed" if failed else "")
        + f"; {counted(report['passages'], 'passage')} searchable ({report['seconds']:.1f} s)."
    )
    for failure in failed:
        call.say(f"  not read: {failure['source']}: {failure['reason']}")
    for warning in report.get("warnings", ()):
        call.say(f"  note: {warning['source']}: {warning['reason']}")
    if report["passages"]:
        call.say('Next: loresmith ask "…"')


def verify(
    call: Call,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is found.")] = False,
    embedder: EmbedderOption = None,
) -> int:
    """Check that the index is whole and agrees with what was read. Exit status 1 if not."""
    workspace = call.workspace(overrides(embedder=embedder))
    report = workspace.verify(repair=repair).to_dict()
    if call.json:
        call.emit(report)
    for problem in report["problems"]:
        call.say(f"{problem['kind']}: {problem['where']}. {problem['remedy']}")
    call.say("The workspace is sound." if report["ok"] else "The workspace is damaged.")
    return DONE if report["ok"] else FAILED
