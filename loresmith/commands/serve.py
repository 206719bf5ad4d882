"""serve: the page, OpenAI's API, the workspace's own API and MCP, over one workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from loresmith.commands.common import Call, ModelOption, SetOption, command, overrides
from loresmith.errors import UsageError


def register(app: typer.Typer) -> None:
    command(app)(serve)


def serve(
    call: Call,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Where to listen; else this machine only.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any that is free.")
    ] = None,
    log: Annotated[
        str, typer.Option("--log", metavar="text|json", help="How the log is written, to standard error.")
    ] = "text",
    model: ModelOption = None,
    settings: SetOption = None,
) -> None:
    """Put the expert behind a page and an OpenAI-compatible API. Stop it with Ctrl-C.

    Beyond this machine it listens only where there are keys (`loresmith keys create`).
    """
    if log not in ("text", "json"):
        raise UsageError(f"--log {log}: neither text nor json.", "As in: --log json")
    flags = overrides(settings, model=model)
    flags |= {
        key: value for key, value in (("server.host", host), ("server.port", port)) if value is not None
    }
    with call.workspace(flags) as workspace:
        root = workspace.folder.root
    from loresmith.server import running

    def ready(url: str, keyed: bool) -> None:
        if call.json:
            call.emit({"url": url, "workspace": str(root), "keys": keyed})
        else:
            call.say(f"{url}  (stop with Ctrl-C{'; every request needs a key' if keyed else ''})")

    running.run(root, flags, as_json=log == "json", debug=call.debug, ready=ready)
