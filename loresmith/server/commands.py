"""Answers of the command line for routes: what is quick, but heavy to import, runs apart.

Promises: at most `AT_ONCE` of them run, none longer than `SECONDS`; a client that goes away ends its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import loresmith
from loresmith.server.faults import ApiError
from loresmith.workspace import WorkspaceDir

SECONDS = 120.0
AT_ONCE = 2

_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def printed(folder: WorkspaceDir, arguments: list[str], *, in_workspace: bool = True) -> dict[str, Any]:
    """The JSON object that `loresmith ARGUMENTS --json` prints.

    Raises:
        ApiError: 409, the command failed (its own words); 504, it took too long.
    """
    home = str(Path(loresmith.__file__).parent.parent)
    where = ["--workspace", str(folder.root)] if in_workspace else []
    place = _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    async with place:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loresmith", *arguments, *where, "--json"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder.root,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))},
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            raise ApiError(504, f"`loresmith {arguments[0]}` took longer than {SECONDS:g} s.") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        raise ApiError(500, f"`loresmith {arguments[0]}` ended without a result.") from None
    if "error" in found:
        told = found["error"]
        raise ApiError(409, f"{told['problem']} {told['remedy']}".strip(), told["kind"].lower())
    return found
