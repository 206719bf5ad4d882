"""The program `loresmith`: names only. Each command lives in loresmith/commands/.

Nothing heavy is imported here or at the top of a command's module, so that `--help` is quick and
works in a half-broken installation; tests/test_cli.py looks at `sys.modules`.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, cast

import typer

from loresmith import __version__
from loresmith.commands import (
    advise,
    ask,
    calibrate,
    chat,
    compare,
    dataset,
    doctor,
    export,
    feedback,
    keys,
    mcp,
    models,
    plan,
    rate,
    releases,
    report,
    serve,
    sync,
    train,
    workspace,
)
from loresmith.commands.common import FAILED, STOPPED, USAGE, complain

app = typer.Typer(
    name="loresmith",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
workspace.register(app)
sync.register(app)
ask.register(app)
chat.register(app)
feedback.register(app)
dataset.register(app)
plan.register(app)
train.register(app)
compare.register(app)
advise.register(app)
report.register(app)
rate.register(app)
releases.register(app)
export.register(app)
models.register(app)
serve.register(app)
mcp.register(app)
keys.register(app)
calibrate.register(app)
doctor.register(app)

# Typer carries its own copy of Click; this is the class of wrong usage in either layout.
WrongUsage = cast("type[Exception]", typer.BadParameter.__mro__[1])


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"loresmith {__version__}")
        raise typer.Exit


@app.callback()
def loresmith(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Answers from your documents, each sentence tied to the page it stands on.

    Exit status: 0 done, 1 failed, 2 wrong usage, 3 not in the documents or not promoted, 130 stopped.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    as_json = "--json" in arguments
    program = typer.main.get_command(app)
    try:
        status = program.main(list(arguments), prog_name="loresmith", standalone_mode=False)
    except WrongUsage as error:
        return _usage(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        complain("Stopped.", "", as_json)
        return STOPPED
    return status if isinstance(status, int) else 0


def _usage(error: Exception, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "loresmith")
    problem = str(getattr(error, "format_message", lambda: error)()).strip()
    if problem.startswith("Usage:"):  # a group without a command: its help says what to type
        print(problem, file=sys.stderr)  # noqa: T201
        return USAGE
    complain(problem.removesuffix(".") + ".", f"Help: {path} --help", as_json, "UsageError")
    return USAGE


def main() -> None:
    """The entry point of the console script."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = STOPPED
    except BrokenPipeError:
        status = FAILED
    _leave(status)


def _leave(status: int) -> None:
    """End the process once everything is closed, without taking the interpreter down first.

    Engines have threads of their own (the vector store's among them), and one that calls back into an
    interpreter that is being taken down ends the process with SIGABRT, its answer lost in a buffer:
    "FATAL: exception not rethrown".
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads and pools, as at any exit
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it is gone
            stream.flush()
    os._exit(status)
