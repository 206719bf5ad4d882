"""init, add, remove, config: the user's side of a workspace; nothing here loads a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tomlkit
import typer

from loresmith import config as configuration
from loresmith import workspace as folders
from loresmith.commands.common import Call, EmbedderOption, ModelOption, SetOption, command, overrides
from loresmith.errors import ConfigError, UsageError
from loresmith.types import SourceSpec


def register(app: typer.Typer) -> None:
    command(app, in_workspace=False)(init)
    command(app)(add)
    command(app)(remove)
    command(app, "config")(show_config)


def init(
    call: Call,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    sources: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="SOURCE", help="A folder, file, URL or database to read. Repeatable."),
    ] = None,
    model: ModelOption = None,
    embedder: EmbedderOption = None,
    settings: SetOption = None,
) -> None:
    """Make a workspace: a folder that becomes one expert."""
    # The sources are checked first, so that a wrong one leaves no half-made workspace behind.
    for source in sources or ():
        folders.check_source(source)
    made = folders.create(directory, overrides(settings, model=model, embedder=embedder))
    if sources:
        made = folders.add_sources(made, sources)
    listed = [source.uri for source in made.source_specs()]
    if call.json:
        call.emit({"workspace": str(made.root), "sources": listed})
    call.say(f"Made {directory}/ with {len(listed)} source(s).")
    if listed:
        call.say(f"Next: cd {directory} && loresmith sync")
    else:
        call.say(f"Next: cd {directory} && loresmith add FOLDER && loresmith sync")


def add(
    call: Call,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Folders, files, URLs or databases: 'postgresql://reader:${STOCK_PASSWORD}@host/stock', "
            "mysql://…, sqlite:///PATH. ${NAME} is read from the environment when it connects.",
        ),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="LABEL", help="Who may read it: every label is needed. Repeatable."),
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="TABLE", help="Of a database: only this one. Repeatable."),
    ] = None,
    since: Annotated[
        list[str] | None,
        typer.Option(
            "--since",
            metavar="TABLE=COLUMN",
            help="Of a database: read only newer rows, by a time or growing key column. Repeatable.",
        ),
    ] = None,
) -> None:
    """Add sources; `sync` reads them."""
    columns: dict[str, str] = {}
    for pair in since or ():
        table, sign, column = pair.partition("=")
        if not (sign and table.strip() and column.strip()):
            raise UsageError(f"--since {pair}: not TABLE=COLUMN.", "As in: --since movements=changed")
        columns[table.strip()] = column.strip()
    changed = folders.add_sources(
        folders.open_dir(call.path), sources, labels or (), tables=tables or (), since=columns
    )
    _show_sources(call, changed)


def remove(
    call: Call,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As listed in loresmith.toml.")],
) -> None:
    """Take a source off the list. The next `sync` removes its documents."""
    _show_sources(call, folders.remove_source(folders.open_dir(call.path), source))


def _show_sources(call: Call, workspace: folders.WorkspaceDir) -> None:
    specs = workspace.source_specs()
    if call.json:
        call.emit({"sources": [_source(spec) for spec in specs]})
    for spec in specs:
        tables = f"  tables: {', '.join(spec.tables)}" if spec.tables else ""
        call.say(spec.uri + (f"  ({', '.join(spec.labels)})" if spec.labels else "") + tables)
    call.say("Next: loresmith sync")


def _source(spec: SourceSpec) -> dict[str, Any]:
    shown: dict[str, Any] = {"source": spec.uri, "labels": list(spec.labels)}
    if spec.tables:
        shown["tables"] = list(spec.tables)
    if spec.since:
        shown["since"] = dict(spec.since)
    return shown


def show_config(
    call: Call,
    key: Annotated[str | None, typer.Argument(help="One key, as retrieval.k; without it all.")] = None,
    value: Annotated[str | None, typer.Argument(help="Write this value into loresmith.toml.")] = None,
    settings: SetOption = None,
) -> None:
    """Show the settings that hold here, or change one. Flag > environment > file > default."""
    if key is not None and value is not None:
        write_setting(folders.open_dir(call.path), *next(iter(overrides([f"{key}={value}"]).items())))
    values = folders.open_dir(call.path, overrides(settings)).config.model_dump()
    if key is not None:
        _show_key(call, key, values)
    elif call.json:
        call.emit(values)
    else:
        call.say(tomlkit.dumps(_without_unset(values)), end="")


def write_setting(workspace: folders.WorkspaceDir, key: str, value: Any) -> None:
    """Change one key of loresmith.toml, comments kept.

    Raises:
        ConfigError: an unknown key or a wrong value; nothing is written.
    """
    path = workspace.root / configuration.FILE_NAME
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    configuration.put(document, key, value)
    configuration.validate(document.unwrap(), {"": str(path)})
    folders.write_atomic(path, tomlkit.dumps(document).encode())


def _show_key(call: Call, key: str, values: dict[str, Any]) -> None:
    value: Any = values
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ConfigError(f"Unknown key {key}.", "`loresmith config` lists every key.")
        value = value[part]
    if call.json:
        call.emit({key: value})
    call.say(str(value) if not isinstance(value, dict) else tomlkit.dumps(_without_unset(value)).rstrip())


def _without_unset(values: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: a key that is unset is left out."""
    return {k: _without_unset(v) if isinstance(v, dict) else v for k, v in values.items() if v is not None}
