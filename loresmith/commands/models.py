"""models list, get, path: the registry of models and the cache they are kept in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands.common import Call, command

if TYPE_CHECKING:
    from loresmith.models.registry import ModelRow

ModelName = Annotated[str, typer.Argument(metavar="NAME", help="A name of `loresmith models list`.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Models by name: list, get, path.", no_args_is_help=True)
    command(group, "list", in_workspace=False)(list_models)
    command(group, in_workspace=False)(get)
    command(group, in_workspace=False)(path)
    app.add_typer(group, name="models")


def list_models(call: Call) -> None:
    """List the models that can be fetched by name, with size and licence."""
    from loresmith.models import download, registry

    listed = [_as_dict(row, download.path_of(row), download.present(row)) for row in registry.ROWS]
    if call.json:
        call.emit({"models": listed})
    for row in listed:
        here = "here" if row["cached"] else "not fetched"
        size = f"{row['bytes'] / 1e6:,.0f} MB"
        call.say(f"{row['name']:<20} {row['kind']:<9} {size:>9}  {row['licence']:<11} {here}")
        if row["note"]:
            call.say(f"{'':<20} {row['note']}", style="dim")
    call.say(
        "Any GGUF file, sentence-transformers folder, hub id or OpenAI-compatible endpoint works too: "
        "docs/configuration.md."
    )


def _as_dict(row: ModelRow, place: Path, cached: bool) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "parameters": row.parameters,
        "bytes": row.size,
        "sha256": row.sha256,
        "licence": row.licence,
        "sources": [source.describe() for source in row.sources],
        "note": row.note,
        "cached": cached,
        "path": str(place),
    }


def get(
    call: Call,
    name: ModelName,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take it from this folder or file, not the network."),
    ] = None,
) -> None:
    """Fetch a model into the cache, checked against its pinned sha256."""
    from loresmith.models import download, registry

    row = registry.find(name)
    with call.progress() as progress:
        place = download.adopt(row, source, progress) if source else download.ensure(row, progress)
    _show_path(call, row.name, place)


def path(call: Call, name: ModelName) -> None:
    """Print where a fetched model lies."""
    from loresmith.errors import ModelError
    from loresmith.models import download, registry

    row = registry.find(name)
    if not download.present(row):
        raise ModelError(f"{row.name} has not been fetched.", f"Fetch it: loresmith models get {row.name}")
    _show_path(call, row.name, download.path_of(row))


def _show_path(call: Call, name: str, place: Path) -> None:
    if call.json:
        call.emit({"name": name, "path": str(place)})
    call.say(str(place))
