"""keys: who may use the server, in which role, and which labels they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from loresmith.commands.common import Call, command

if TYPE_CHECKING:
    from loresmith.server.access import Key

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Whose key.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Keys of the server: with the first one, every request needs one.", no_args_is_help=True
    )
    app.add_typer(group, name="keys")
    command(group)(create)
    command(group, "list")(show)
    command(group)(revoke)


def create(
    call: Call,
    name: NameArgument,
    role: Annotated[
        Literal["owner", "editor", "reader"],
        typer.Option(
            "--role",
            help="A reader asks; an editor also changes documents, data and releases; an owner everything.",
        ),
    ] = "reader",
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="LABEL", help="An access label the key holds. Repeatable."),
    ] = None,
) -> None:
    """Make a key. It is shown this once; kept is only its hash."""
    from loresmith.server import access

    with call.workspace() as workspace:
        key, secret = access.create(workspace.folder, name, role, label or ())
    if call.json:
        call.emit({**to_dict(key), "key": secret})
        return
    call.say(secret)
    call.note(f"The key of {key.name} ({_may(key)}); it cannot be shown again.")


def show(call: Call) -> None:
    """Every key: role, labels, since when, and whether it was revoked."""
    from loresmith.server import access

    with call.workspace() as workspace:
        known = access.listing(workspace.folder)
    if call.json:
        call.emit({"keys": [to_dict(key) for key in known]})
        return
    if not known:
        call.say("There are no keys: on this machine everyone is the owner, and nobody elsewhere.")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("key", "of", "may", "since", "revoked"):
        table.add_column(heading)
    for key in known:
        table.add_row(key.id, key.name, _may(key), key.created[:10], (key.revoked or "")[:10])
    call.stdout.print(table, markup=False)


def revoke(call: Call, name: NameArgument) -> None:
    """Take a key back, by name or id; from the next request on it opens nothing."""
    from loresmith.server import access

    with call.workspace() as workspace:
        key = access.revoke(workspace.folder, name)
    if call.json:
        call.emit(to_dict(key))
    call.say(f"The key of {key.name} is revoked.")


def to_dict(key: Key) -> dict[str, Any]:
    """The JSON form, without the hash."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "labels": None if key.labels is None else list(key.labels),
        "created": key.created,
        "revoked": key.revoked,
    }


def _may(key: Key) -> str:
    if key.labels is None:
        return f"{key.role}, everything"
    return f"{key.role}, {', '.join(key.labels)}" if key.labels else f"{key.role}, unlabelled documents"
