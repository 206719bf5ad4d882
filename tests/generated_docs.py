"""The generated parts of docs/: `python -m tests.generated_docs` writes them, a test compares.

docs/commands.md holds every help text; docs/configuration.md a table of every key of config.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from pydantic import BaseModel

from loresmith import cli
from loresmith.config import Config, SourceEntry

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- generated: begin (make docs) -->", "<!-- generated: end -->"
WIDTH = 100


def commands() -> str:
    """Every help text, in the order of `loresmith --help`."""
    return "\n".join(f"## {path}\n\n```text\n{text}\n```\n" for path, text in help_texts())


def help_texts() -> Iterator[tuple[str, str]]:
    """(command line, help text) of the program and each of its commands."""

    def walk(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
        context = command.context_class(
            command, info_name=path.split()[-1], parent=parent, **command.context_settings
        )
        context.terminal_width = WIDTH
        yield path, command.get_help(context).rstrip()
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, f"{path} {name}", context)

    yield from walk(typer.main.get_command(cli.app), "loresmith", None)


def keys() -> str:
    """A table of keys a section, with type, default and description."""
    return "\n".join(_section(name, field.annotation) for name, field in _sections())


def _sections() -> list[tuple[str, Any]]:
    return [(name, field) for name, field in Config.model_fields.items() if _model(field.annotation)]


def _model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(name: str, model: Any) -> str:
    rows = [f"### [{name}]", "", "| key | values | default | |", "| --- | --- | --- | --- |"]
    for key, field in model.model_fields.items():
        bounds = ", ".join(_bound(limit) for limit in field.metadata)
        kind = _words(field.annotation) + (f", {bounds}" if bounds else "")
        default = "unset" if field.default is None else f"`{_toml(field.default)}`"
        rows.append(f"| `{key}` | {kind} | {default} | {field.description or ''} |")
    return "\n".join([*rows, ""])


def _bound(limit: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(f"{sign} {getattr(limit, name)}" for name, sign in signs.items() if hasattr(limit, name))


def _words(annotation: Any) -> str:
    if str(get_origin(annotation)).endswith("Literal"):
        return " ".join(f'`"{value}"`' for value in get_args(annotation))
    if get_origin(annotation) is list:
        return f"list of {_words(get_args(annotation)[0])}"
    if get_args(annotation):
        return " or ".join(_words(a) for a in get_args(annotation) if a is not type(None))
    names = {str: "text", int: "whole number", float: "number", bool: "true, false", SourceEntry: "source"}
    return names[annotation]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def with_generated(page: str, generated: str) -> str:
    """`page` with what stands between the marks replaced."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{generated}\n{END}{tail}"


PAGES = {"commands.md": commands, "configuration.md": keys}


def main() -> None:
    for name, generate in PAGES.items():
        page = DOCS / name
        page.write_text(with_generated(page.read_text(encoding="utf-8"), generate()), encoding="utf-8")


if __name__ == "__main__":
    main()
