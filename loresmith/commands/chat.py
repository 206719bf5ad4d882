"""chat: a conversation whose earlier turns are found again when they matter."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands import show
from loresmith.commands.ask import ArmOption, say_choice
from loresmith.commands.common import Call, ModelOption, SetOption, command, counted, overrides

if TYPE_CHECKING:
    from loresmith.expert import Workspace
    from loresmith.types import Arm

LEAVE = {"/exit", "/quit"}


def register(app: typer.Typer) -> None:
    command(app)(chat)


def chat(
    call: Call,
    name: Annotated[
        str, typer.Option("--name", help="Which conversation; each has its own memory.")
    ] = "chat",
    forget: Annotated[bool, typer.Option("--forget", help="Erase what this conversation holds.")] = False,
    arm: ArmOption = None,
    model: ModelOption = None,
    settings: SetOption = None,
) -> None:
    """Ask one question after the other; earlier ones are remembered. Leave with /exit or Ctrl-D."""
    with call.workspace(overrides(settings, model=model)) as workspace:
        if forget:
            erased = workspace.forget(name)
            if call.json:
                call.emit({"chat": name, "forgotten": erased})
            call.say(f"Erased {counted(erased, 'turn')} of “{name}”.")
            return
        turns = converse(call, workspace, name, arm)
    if call.json:
        call.emit({"chat": name, "turns": turns})


def converse(call: Call, workspace: Workspace, name: str, arm: Arm | None = None) -> list[dict[str, Any]]:
    """Answer until the questions end; what was answered, as JSON."""
    turns = []
    with call.progress() as progress:
        expert = workspace.expert(progress)
        if (arm or expert.released()[0]) in ("base", "rag"):
            say_choice(call, workspace)
        for question in questions(call):
            citations = show.Citations()
            show_sentence = functools.partial(show.sentence, call, citations=citations)
            answer = expert.ask(question, arm=arm, chat=name, on_sentence=show_sentence)
            show.closing(call, answer, citations)
            turns.append(answer.to_dict())
    return turns


def questions(call: Call) -> Iterator[str]:
    """Lines of standard input until it ends; a prompt where a person types them."""
    typed = sys.stdin.isatty()
    if typed:
        call.note("Leave with /exit or Ctrl-D. `loresmith chat --forget` erases this conversation.")
    while True:
        if typed:
            call.stderr.print("[bold]›[/bold] ", end="")
        line = sys.stdin.readline()
        if not line or line.strip() in LEAVE:
            return
        if line.strip():
            yield line.strip()
