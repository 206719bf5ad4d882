"""What every command shares: its options, its output, and how a failure is told.

A command is a function `f(call: Call, ...) -> int | None`, registered with `@command(app)`, which
adds `--workspace`, `--json` and `--debug`. Promises:

- standard output holds the answer only (with `--json` exactly one JSON object), everything else
  goes to standard error;
- a failure is one message that names the thing and the remedy, without a traceback unless
  `--debug` is given;
- exit status: 0 done, 1 failed, 2 wrong usage, 3 abstained or not promoted, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import errno
import functools
import inspect
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.errors import LoresmithError, StorageError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from loresmith.expert import Workspace
    from loresmith.types import Progress

DONE, FAILED, USAGE, ABSTAINED, STOPPED = 0, 1, 2, 3, 130

SECONDS_BETWEEN_LINES = 10.0

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="DIR",
        help="The workspace; without it the one at or above the current folder.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log.")]

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help='Language model: "auto", "none", a name of `loresmith models list`, a GGUF file, '
        "a folder, or a hub id.",
    ),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option("--embedder", metavar="NAME", help="Embedder: a registry name or a folder."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any key of loresmith.toml for this run (docs/configuration.md). Repeatable.",
    ),
]


@dataclass(frozen=True)
class Call:
    """One run of a command: what was asked of it besides its own arguments, and where to print."""

    path: Path | None = None
    json: bool = False
    debug: bool = False
    stdout: Console = field(init=False, repr=False)
    stderr: Console = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from rich.console import Console

        object.__setattr__(self, "stdout", Console(soft_wrap=True, highlight=False, emoji=False))
        object.__setattr__(self, "stderr", Console(stderr=True, soft_wrap=True, highlight=False, emoji=False))

    def workspace(self, overrides: Mapping[str, Any] | None = None) -> Workspace:
        """The workspace of this call, opened with flags laid over its file."""
        from loresmith.expert import Workspace

        return Workspace.open(self.path, dict(overrides or {}))

    def emit(self, result: Mapping[str, Any]) -> None:
        """The JSON face: one object on standard output."""
        json.dump(result, sys.stdout, ensure_ascii=False, allow_nan=False, default=str)
        sys.stdout.write("\n")
        sys.stdout.flush()

    def say(self, text: str = "", *, end: str = "\n", **style: Any) -> None:
        """A line for a person on standard output; silent with `--json`."""
        if not self.json:
            self.stdout.print(printable(text), end=end, markup=False, **style)

    def say_text(self, text: Text) -> None:
        """The same for styled text."""
        if not self.json:
            self.stdout.print(text)

    def note(self, text: str) -> None:
        """A remark beside the answer, on standard error."""
        self.stderr.print(text, markup=False, style="dim")

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars on standard error, one a stage; a line now and then where that is no terminal, and a
        file where the server waits for it."""
        from loresmith.server import progress as told

        if (base := told.place()) is not None:
            yield told.recorder(base)
            return
        if not self.stderr.is_terminal:
            yield _lines(self)
            return
        bars = _Bars(self.stderr)
        try:
            yield bars.report
        finally:
            bars.shown.stop()


class _Bars:
    """Bars that are on the screen only while some stage is under way, so that text can follow."""

    def __init__(self, console: Console) -> None:
        from rich import progress

        self.shown = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[count]}"),
            progress.TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.tasks: dict[str, progress.TaskID] = {}

    def report(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self.tasks:
            if done == total:
                return
            self.tasks[stage] = self.shown.add_task(stage, total=total, count="")
        self.shown.update(self.tasks[stage], completed=done, total=total, count=_count(done, total))
        if not self.shown.finished:
            self.shown.start()
        else:
            self.shown.stop()
            for task in self.tasks.values():
                self.shown.remove_task(task)
            self.tasks.clear()


def _count(done: int, total: int | None) -> str:
    """ "3 of 40"; in megabytes where the numbers can only be bytes."""
    if total is None:
        return f"{done:,}"
    if total > 20_000_000:
        return f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
    return f"{done:,} of {total:,}"


def _lines(call: Call) -> Progress:
    """For logs: a stage that takes long says so, at most one line in `SECONDS_BETWEEN_LINES`."""
    said = time.monotonic()

    def report(stage: str, done: int, total: int | None) -> None:
        nonlocal said
        if time.monotonic() - said >= SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            call.note(f"{stage}: {_count(done, total)}")

    return report


def command(
    app: typer.Typer, name: str | None = None, *, in_workspace: bool = True
) -> Callable[[Callable[..., int | None]], None]:
    """Register a function as a command of `app`, with the common options and the error handling."""
    common: dict[str, Any] = {"json": (JsonOption, False), "debug": (DebugOption, False)}
    if in_workspace:
        common = {"workspace": (WorkspaceOption, None), **common}

    def register(function: Callable[..., int | None]) -> None:
        @functools.wraps(function)
        def run(*args: Any, json: bool, debug: bool, workspace: Path | None = None, **kwargs: Any) -> int:
            return execute(function, Call(workspace, json, debug), *args, **kwargs)

        own = inspect.signature(function, eval_str=True)
        parameters = list(own.parameters.values())[1:]  # without `call`
        parameters += [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
            for key, (option, default) in common.items()
        ]
        setattr(run, "__signature__", own.replace(parameters=parameters))  # noqa: B010
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        del run.__wrapped__
        app.command(name)(run)

    return register


def execute(function: Callable[..., int | None], call: Call, *args: Any, **kwargs: Any) -> int:
    """Run a command and turn whatever goes wrong into a message and an exit status."""
    logging.basicConfig(
        level=logging.DEBUG if call.debug else logging.WARNING, stream=sys.stderr, format="%(message)s"
    )
    for chatty in ("httpx", "httpcore", "openai", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        status = function(call, *args, **kwargs)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("Stopped.", "Nothing that was finished is lost; run the command again to go on.", call.json)
        return STOPPED
    except BrokenPipeError:
        _abandon_stdout()  # the reader (`| head`) has gone
        return FAILED
    except LoresmithError as error:
        if call.debug:
            traceback.print_exc()
        complain(error.problem, error.remedy, call.json, type(error).__name__)
        return error.exit_status
    except MemoryError:
        complain("Out of memory.", "Close other programs, or use a smaller model (--model).", call.json)
        return FAILED
    except Exception as error:  # noqa: BLE001 - the outermost place: the user gets a message, not a trace
        if call.debug:
            traceback.print_exc()
        known = _known_trouble(error)
        complain(known.problem, known.remedy, call.json, type(known if known else error).__name__)
        return FAILED
    return status or DONE


def complain(problem: str, remedy: str, as_json: bool, kind: str = "Error") -> None:
    """One message on standard error and, for scripts, the same as JSON on standard output."""
    message = f"{problem} {remedy}".strip()
    message = printable(message)
    print(f"Error: {message}" if problem != "Stopped." else message, file=sys.stderr)  # noqa: T201
    if as_json:
        error = {"error": {"kind": kind, "problem": problem, "remedy": remedy}}
        try:
            print(json.dumps(error, ensure_ascii=False), flush=True)  # noqa: T201
        except OSError:
            _abandon_stdout()  # it goes to a full disk, which may be what there is to tell


def _abandon_stdout() -> None:
    """Keep the interpreter from complaining at exit about what it could not write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _known_trouble(error: Exception) -> LoresmithError:
    """A message for an error nobody translated: the disk, or a fault of the program."""
    text = str(error).splitlines()[0] if str(error) else ""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    # SQLite and the vector engine tell it only in words.
    if full or "No space left on device" in str(error) or "disk is full" in str(error):
        place = getattr(error, "filename", None) or "The workspace's disk"
        return StorageError(f"{place}: the disk is full.", "Free some space and run the command again.")
    if isinstance(error, OSError) and error.filename:
        return StorageError(f"{error.filename}: {error.strerror}.", "Check the path and its permissions.")
    return LoresmithError(
        f"Unexpected {type(error).__name__}: {text}.".replace("..", "."),
        "This is a fault of Loresmith: please report it with what --debug shows.",
    )


def overrides(
    settings: Sequence[str] | None = None, *, model: str | None = None, embedder: str | None = None
) -> dict[str, Any]:
    """Flags as dotted configuration keys.

    Raises:
        UsageError: a `--set` that is not KEY=VALUE.
    """
    flags: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting}: not KEY=VALUE.", "Example: --set retrieval.k=12")
        flags[key.strip()] = parsed_value(value.strip())
    if model is not None:
        flags["model.name"] = _place(model)
    if embedder is not None:
        flags["embedder.name"] = _place(embedder)
    return flags


def _place(name: str) -> str:
    """A path made absolute, so that it means the same from every folder; any other name as it is."""
    if not name.strip():
        raise UsageError("The name of a model is empty.", "See `loresmith models list`.")
    if name in ("auto", "none"):
        return name
    path = Path(name).expanduser()
    if name.startswith((".", "~")) or path.suffix.lower() == ".gguf" or path.exists():
        return os.path.abspath(path)
    return name


def parsed_value(text: str) -> Any:
    """A TOML value where `text` is one, else the text itself, so that strings need no quotes."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def printable(text: str) -> str:
    """`text` without control characters: what a document says must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def counted(number: int, noun: str) -> str:
    """ "1 passage", "3 passages"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
