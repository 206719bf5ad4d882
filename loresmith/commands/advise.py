"""advise: which of the four arms is likely worth it, and after a comparison which one was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from loresmith.commands.common import Call, ModelOption, SetOption, command, counted, overrides
from loresmith.errors import UsageError, WorkspaceNotFound

if TYPE_CHECKING:
    from loresmith.evaluation.advice.facts import Facts
    from loresmith.evaluation.advice.interview import Asked
    from loresmith.evaluation.advice.measured import Measured
    from loresmith.evaluation.advice.rules import Advice, Fired
    from loresmith.evaluation.advice.sources import Source
    from loresmith.evaluation.advice.vocabulary import Vocabulary
    from loresmith.expert import Workspace


def register(app: typer.Typer) -> None:
    command(app)(advise)


def advise(
    call: Call,
    changes: Annotated[
        Literal["never", "yearly", "monthly", "weekly", "daily"] | None,
        typer.Option("--changes", help="How soon a tenth of what is asked about changes."),
    ] = None,
    sources: Annotated[
        bool | None,
        typer.Option("--sources/--no-sources", help="Readers must see where an answer stands."),
    ] = None,
    synthesis: Annotated[
        bool | None,
        typer.Option("--synthesis/--no-synthesis", help="Answers put several documents together."),
    ] = None,
    style: Annotated[
        bool | None,
        typer.Option("--style/--no-style", help="Answers keep a form, tone or exact vocabulary of your own."),
    ] = None,
    flow: Annotated[
        bool | None,
        typer.Option("--flow/--no-flow", help="A program works on with the answers, without a person."),
    ] = None,
    readers: Annotated[
        bool | None,
        typer.Option("--readers/--no-readers", help="Some readers may not see every document."),
    ] = None,
    documents: Annotated[
        int | None, typer.Option("--documents", metavar="N", min=0, help="How many documents there are.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", metavar="N", min=0, help="How many training rows there are.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask the model alone 30 questions of the dataset: what it knows.")
    ] = False,
    no_interview: Annotated[
        bool, typer.Option("--no-interview", help="Ask nothing, also on a terminal.")
    ] = False,
    model: ModelOption = None,
    settings: SetOption = None,
) -> None:
    """Say whether documents, training, both or neither are likely worth it, and why.

    What the workspace shows is read from it; flags say what it cannot show, and a terminal is asked for
    the rest. Works without a workspace. After `loresmith compare` the measurement goes first.
    """
    from loresmith.evaluation.advice import interview
    from loresmith.evaluation.advice import rules as usual
    from loresmith.evaluation.advice.facts import over

    flags = {
        "changes": changes, "sources": sources, "synthesis": synthesis, "style": style, "flow": flow,
        "readers": readers, "documents": documents, "rows": rows,
    }  # fmt: skip
    found: dict[str, Any] | None = None
    stale: list[str] = []
    workspace = _workspace(call, overrides(settings, model=model))
    if workspace is None:
        if probe:
            raise UsageError("--probe needs a workspace with a dataset.", "Run it in one, or leave it out.")
        facts = over(_without_workspace(overrides(settings, model=model)), flags, "flag")
    else:
        with workspace, call.progress() as progress:
            from loresmith import releases
            from loresmith.evaluation import succession
            from loresmith.evaluation.advice import collect, knowledge

            facts = over(collect.collect(workspace.folder), flags, "flag")
            if probe:
                known = knowledge.ask_base(workspace, progress)
                how = f"{known.right} of {known.asked} questions of the dataset"
                facts = over(facts, {"known": known.share}, f"the model alone: {how}")
            found = succession.report(workspace.folder)
            if found:
                measured = found["model"]
                weights = measured.get("fingerprint") or ""
                stale = [
                    *releases.other_model(workspace.folder, str(measured["name"]), weights),
                    *succession.stale(workspace.folder, found),
                ]
    if not (no_interview or call.json) and sys.stdin.isatty() and call.stderr.is_terminal:
        facts = interview.interview(facts, lambda asked: _ask(call, asked))
    advice = usual.advise(facts)
    result = _measured(found, advice, stale)
    if call.json:
        settled = result is not None and result.agrees is not None
        call.emit(
            {
                "recommended": result.recommended if result and settled else advice.recommended,
                "facts": facts.to_dict(),
                "advice": advice.to_dict(),
                "measured": result.to_dict() if result else None,
            }
        )
        return
    _show(call, facts, advice, result)


def _workspace(call: Call, flags: dict[str, Any]) -> Workspace | None:
    """The workspace of this call; None where there is none and none was named."""
    try:
        return call.workspace(flags)
    except WorkspaceNotFound:
        if call.path is not None:
            raise
        return None


def _without_workspace(flags: dict[str, Any]) -> Facts:
    from loresmith import config
    from loresmith.evaluation.advice import collect

    raw: dict[str, Any] = {}
    for key, value in flags.items():
        config.put(raw, key, value)
    return collect.of_model(config.validate(raw))


def _measured(found: dict[str, Any] | None, advice: Advice, stale: list[str]) -> Measured | None:
    from loresmith.evaluation.advice import measured

    return measured.read(found, advice, stale) if found else None


def _ask(call: Call, asked: Asked) -> str:
    """One question on the terminal; an empty line passes it over."""
    choices = "/".join(asked.choices)
    call.stderr.print(f"[bold]{asked.question}[/bold] [dim]({choices}, empty: not known)[/dim] ", end="")
    return sys.stdin.readline().strip()


def _show(call: Call, facts: Facts, advice: Advice, measured: Measured | None) -> None:
    if measured is not None:
        call.say(
            f"Measured on {counted(measured.questions, 'question')} (report {measured.report}):", style="bold"
        )
        call.say(f"  {measured.headline}")
        for line in measured.stale:
            call.say(f"  But {line}.")
        call.say(f"  {measured.words}")
        call.say()
    call.say("By the rules:" if measured else "Advice:", style="bold")
    call.say(f"  {advice.headline}")
    standing = {test.rule: test for test in measured.tested} if measured else {}
    numbers: dict[Source, int] = {}
    for heading, fired in _grouped(advice):
        call.say()
        call.say(heading, style="bold")
        for rule in fired:
            _show_rule(call, rule, numbers)
            if rule.rule in standing:
                call.say(f"    measured: {standing[rule.rule].standing}; {standing[rule.rule].words}.")
    if facts.words is not None and facts.words.examples:
        call.say()
        call.say(f"Broken up most often: {_words(facts.words)}.")
    if advice.changes:
        call.say()
        call.say("It would be another recommendation if", style="bold")
        for words, arm in advice.changes:
            call.say(f"  {words}: {arm}")
    if numbers:
        call.say()
        call.say("Sources", style="bold")
        for source, number in numbers.items():
            call.say(f"  [{number}] {source.name}, {source.place}: {source.found}.", style="dim")
    if advice.unknown:
        flags = [f"--{name}" for name in advice.unknown if name not in ("known", "training")]
        also = [*flags, *(["--probe"] if "known" in advice.unknown else [])]
        call.note(f"Not known: {', '.join(advice.unknown)}. Say it with {', '.join(also)}.")
    if measured is None:
        call.note("These are rules. `loresmith compare` measures.")


def _grouped(advice: Advice) -> Iterator[tuple[str, list[Fired]]]:
    headings = {
        "rag": "For the documents (rag)",
        "tuned": "For training (tuned)",
        "both": "For both",
        "base": "For the model alone (base)",
        "no training": "Against training",
    }
    for side, heading in headings.items():
        fired = [rule for rule in advice.fired if rule.side == side]
        if fired:
            yield heading, fired


def _show_rule(call: Call, rule: Fired, numbers: dict[Source, int]) -> None:
    known = f" ({rule.known_from})" if rule.known_from else ""
    weight = "" if rule.decides else " A hint; it decides nothing."
    marks = "".join(f"[{numbers.setdefault(source, len(numbers) + 1)}]" for source in rule.sources)
    call.say(f"  · {rule.fact[0].upper()}{rule.fact[1:]}{known}. {rule.because}{weight} {marks}".rstrip())


def _words(words: Vocabulary) -> str:
    return ", ".join("·".join(pieces) for _, pieces, _ in words.examples[:8])
