"""A process of its own that reads files of strangers: how it is started, and the limits it sets itself.

    parent: start("loresmith.parsing.worker", "512") -> task, task, … -> end(process)
    child:  pipe = enter(memory_mb); for task in tasks(): limit_cpu(seconds); pipe.write(wire.frame(…))

Promises: the child limits itself before it reads anything; whatever a native library prints goes nowhere,
since the pipe is a private descriptor; a Ctrl-C on the terminal is for the parent alone.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import loresmith
from loresmith.parsing import wire

# Native engines reserve address space they never use; this much is not the document's.
_RESERVED_MB = 768
_ENVIRONMENT = {
    # One arena, one thread: address space is what the limit counts.
    "MALLOC_ARENA_MAX": "1",
    "OMP_THREAD_LIMIT": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}


# --- the parent's side --------------------------------------------------------------------------


def command(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command line that runs a module of this package, and its environment."""
    home = str(Path(loresmith.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return [sys.executable, "-m", module, *arguments], os.environ | {"PYTHONPATH": path} | _ENVIRONMENT


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    line, environment = command(module, *arguments)
    return subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End it whatever it is doing, and wait for it."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


# --- the child's side ---------------------------------------------------------------------------


def enter(memory_mb: int) -> BinaryIO:
    """Limit this process, and take its standard output for what it answers."""
    pipe = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    memory = (memory_mb + _RESERVED_MB) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Mark-up nests as deep as its author likes; readers that recurse end in RecursionError early.
    sys.setrecursionlimit(2000)
    return pipe


def tasks() -> Iterator[dict[str, Any]]:
    """What the parent asks for, until it goes."""
    buffer = bytearray()
    while True:
        message = wire.unframe(buffer)
        if message is not None:
            yield message
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            return
        buffer += chunk


def limit_cpu(seconds: float) -> None:
    """The CPU time of this process may grow by `seconds` for the next file."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
