"""The worker process: reads one file after the other within the limits of the operating system.

Started by pool.py as `python -m loresmith.parsing.worker MEMORY_MB`. For each task it first says
the hash of the bytes, then the documents or the reason why there are none. Whatever a native
library prints goes nowhere: the pipe is a private descriptor.
"""

from __future__ import annotations

import gc
import hashlib
import os
import resource
import stat
import sys
from typing import Any, BinaryIO

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing import wire
from loresmith.parsing.read import read
from loresmith.types import SourceItem

# Native engines reserve address space they never use; this much is not the document's.
RESERVED_MB = 768


def main() -> None:
    pipe = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    memory = (int(sys.argv[1]) + RESERVED_MB) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Mark-up nests as deep as its author likes; readers that recurse end in RecursionError early.
    sys.setrecursionlimit(2000)
    buffer = bytearray()
    while True:
        message = wire.unframe(buffer)
        if message is None:
            chunk = os.read(0, 1 << 16)
            if not chunk:
                return
            buffer += chunk
            continue
        item, settings = wire.task_from(message)
        limit_cpu(settings.seconds)
        _answer(pipe, item, settings)


def limit_cpu(seconds: float) -> None:
    """The CPU time of the process may grow by `seconds` for this file."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _answer(pipe: BinaryIO, item: SourceItem, settings: ParsingSection) -> None:
    try:
        data = load(item.path, settings.max_file_mb)
        _send(pipe, {"version": hashlib.sha256(data).hexdigest()})
        documents = [wire.document_to(document) for document in read(data, item, settings)]
        _send(pipe, {"documents": documents})
    except ParseError as error:
        _send(pipe, {"reason": str(error)})
    except MemoryError:
        gc.collect()
        _send(pipe, {"reason": f"needs more than {settings.memory_mb} MB of memory to be read."})
    except RecursionError:
        _send(pipe, {"reason": "its content is nested too deeply."})
    except Exception as error:  # noqa: BLE001 - a reader failed on this file; the file is named, the rest goes on
        _send(pipe, {"reason": f"damaged file ({type(error).__name__}: {_short(error)})."})


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _send(pipe: BinaryIO, message: dict[str, Any]) -> None:
    pipe.write(wire.frame(message))
    pipe.flush()


def load(path: str, max_mb: int) -> bytes:
    """The bytes of a file.

    Raises:
        ParseError: it is gone, may not be read, is no regular file or too large.
    """
    try:
        # Without blocking: a pipe put in the file's place must not hold the worker.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ParseError("not a regular file.", "")
            if status.st_size > max_mb * 2**20:
                raise ParseError(
                    f"larger than {max_mb} MB ({status.st_size / 2**20:.0f} MB).",
                    "Raise parsing.max_file_mb, or split it.",
                )
            return file.read()
    except FileNotFoundError:
        raise ParseError(
            "vanished while the folder was being read.", "It is tried again next time."
        ) from None
    except PermissionError:
        raise ParseError("no permission to read it.", "Change its permissions.") from None
    except OSError as error:
        raise ParseError(
            f"cannot be read: {error.strerror or error}.", "Check the disk or the mount."
        ) from None


if __name__ == "__main__":
    main()
