"""search, similar, ask: one question, or a file of them (batch.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands import batch, show
from loresmith.commands.common import (
    ABSTAINED,
    DONE,
    Call,
    EmbedderOption,
    ModelOption,
    SetOption,
    command,
    overrides,
)
from loresmith.errors import UsageError
from loresmith.types import Arm, Filter, Hit, SearchMode
from loresmith.workspace import find_source

if TYPE_CHECKING:
    from loresmith.expert import Workspace

QuestionArgument = Annotated[str | None, typer.Argument(metavar="TEXT", help="The question or key words.")]
KOption = Annotated[int | None, typer.Option("--k", "-k", metavar="N", min=1, help="How many passages.")]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", metavar="JSONL", help="Many at once: JSON lines with id and question."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="JSONL", help="Where the results of --file go; a second run goes on."),
]
SourceFilter = Annotated[
    list[str] | None, typer.Option("--source", metavar="SOURCE", help="Only from this source. Repeatable.")
]
DocumentFilter = Annotated[
    list[str] | None, typer.Option("--document", metavar="ID", help="Only from this document. Repeatable.")
]
LabelFilter = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="LABEL", help="Only with this label. Repeatable."),
]
AccessFilter = Annotated[
    list[str] | None,
    typer.Option("--access", metavar="LABEL", help="As a reader who holds this label. Repeatable."),
]
SinceFilter = Annotated[
    datetime | None,
    typer.Option("--since", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="Only modified on or after."),
]
UntilFilter = Annotated[
    datetime | None,
    typer.Option("--until", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="Only modified before."),
]
ArmOption = Annotated[
    Arm | None,
    typer.Option(
        "--arm",
        help="What answers: the model alone (base), with the documents (rag), with the trained adapter "
        "(tuned), or with adapter and documents (both). Without it: what is released, else rag.",
    ),
]


def register(app: typer.Typer) -> None:
    for function in (search, similar, ask):
        command(app)(function)


def search(
    call: Call,
    query: QuestionArgument = None,
    k: KOption = None,
    mode: Annotated[SearchMode | None, typer.Option("--mode", help="How to search.")] = None,
    file: FileOption = None,
    out: OutOption = None,
    source: SourceFilter = None,
    document: DocumentFilter = None,
    label: LabelFilter = None,
    access: AccessFilter = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
    embedder: EmbedderOption = None,
    settings: SetOption = None,
) -> None:
    """Find passages."""
    check_one_of(query, file, out)
    flags = overrides(settings, embedder=embedder)
    with call.workspace(flags) as workspace, call.progress() as progress:
        where = make_filter(workspace, source, document, label, access, since, until)
        expert = workspace.expert(progress)
        if file is not None:
            batch.run(call, file, out, lambda q: found_dict(expert.search(q, k, mode, where)))
            return
        found = expert.search(query or "", k, mode, where)
    _show_hits(call, found)


def similar(
    call: Call,
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="A document id, as search shows it.")],
    k: KOption = None,
    source: SourceFilter = None,
    label: LabelFilter = None,
    access: AccessFilter = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
) -> None:
    """Recommend documents like this one."""
    with call.workspace() as workspace:
        where = make_filter(workspace, source, None, label, access, since, until)
        found = workspace.similar(document, k, where)
        summaries = {info.id: info.summary for info in workspace.documents()}
    # What is recommended is the document, so its own summary is shown and not that of a section.
    found = [
        replace(hit, passage=replace(hit.passage, summary=summaries.get(hit.passage.document, "")))
        for hit in found
    ]
    _show_hits(call, found)


def ask(
    call: Call,
    question: QuestionArgument = None,
    arm: ArmOption = None,
    k: KOption = None,
    file: FileOption = None,
    out: OutOption = None,
    source: SourceFilter = None,
    document: DocumentFilter = None,
    label: LabelFilter = None,
    access: AccessFilter = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
    model: ModelOption = None,
    embedder: EmbedderOption = None,
    settings: SetOption = None,
) -> int:
    """Answer from the documents, each sentence with its place.

    Exit status 3: the documents do not say; the nearest passages are shown.
    """
    check_one_of(question, file, out)
    flags = overrides(settings, model=model, embedder=embedder)
    citations = show.Citations()
    with call.workspace(flags) as workspace, call.progress() as progress:
        where = make_filter(workspace, source, document, label, access, since, until)
        expert = workspace.expert(progress)
        if (arm or expert.released()[0]) in ("base", "rag"):
            say_choice(call, workspace)
        if file is not None:
            batch.run(call, file, out, lambda q: expert.ask(q, arm=arm, where=where, k=k).to_dict())
            return DONE
        answer = expert.ask(
            question or "",
            arm=arm,
            where=where,
            k=k,
            on_sentence=lambda sentence: show.sentence(call, sentence, citations),
        )
    if call.json:
        call.emit(answer.to_dict())
    show.closing(call, answer, citations)
    return ABSTAINED if answer.abstained else DONE


def check_one_of(text: str | None, file: Path | None, out: Path | None) -> None:
    """Exactly one of a question and a file.

    Raises:
        UsageError: both, none, or --out without --file.
    """
    if (text is None) == (file is None):
        raise UsageError("Give either a question or --file, one of the two.", 'As in: loresmith ask "…"')
    if out is not None and file is None:
        raise UsageError("--out goes with --file.", "Give --file too, or use --json.")
    if text is not None and not text.strip():
        raise UsageError("The question is empty.", 'As in: loresmith ask "Which torque for the M8 bolts?"')


def say_choice(call: Call, workspace: Workspace) -> None:
    """With the model left to the program: which it takes, and why."""
    settings = workspace.folder.config.model
    if settings.name == "auto" and settings.endpoint is None:
        from loresmith.models import auto

        _, reason = auto.choose_language_model(settings)
        call.note(reason)


def make_filter(
    workspace: Workspace,
    source: list[str] | None,
    document: list[str] | None,
    label: list[str] | None,
    access: list[str] | None,
    since: datetime | None,
    until: datetime | None,
) -> Filter:
    return Filter(
        access=None if access is None else tuple(access),
        sources=tuple(find_source(workspace.folder, s) for s in source or ()),
        documents=tuple(document or ()),
        labels=tuple(label or ()),
        since=since.replace(tzinfo=UTC).timestamp() if since else None,
        until=until.replace(tzinfo=UTC).timestamp() if until else None,
    )


def found_dict(found: list[Hit]) -> dict[str, Any]:
    return {"hits": [hit.to_dict() for hit in found]}


def _show_hits(call: Call, found: list[Hit]) -> None:
    if call.json:
        call.emit(found_dict(found))
    elif found:
        show.hits(call, found)
    else:
        call.say("Nothing found.")
