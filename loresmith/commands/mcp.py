"""mcp: the expert as tools for agents, on standard input and output."""

from __future__ import annotations

from typing import Annotated

import typer

from loresmith.commands.common import Call, ModelOption, SetOption, command, overrides


def register(app: typer.Typer) -> None:
    command(app)(mcp)


def mcp(
    call: Call,
    access: Annotated[
        list[str] | None,
        typer.Option("--access", metavar="LABEL", help="As a reader who holds this label. Repeatable."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="As a reader without any label: only what everybody may see.")
    ] = False,
    model: ModelOption = None,
    settings: SetOption = None,
) -> None:
    """Serve search, ask, open_source and similar to an agent (Model Context Protocol).

    Standard output is the protocol's. `loresmith serve` offers the same at /mcp, with keys.
    """
    flags = overrides(settings, model=model)
    with call.workspace(flags) as workspace:
        root = workspace.folder.root
    import asyncio

    from loresmith.server.access import OWNER, Caller
    from loresmith.server.engine import Engine
    from loresmith.server.mcp import stdio

    who = OWNER if access is None and not public else Caller("agent", "reader", tuple(sorted(access or ())))

    async def run() -> None:
        await stdio(Engine(root, overrides=flags), who)

    asyncio.run(run())
