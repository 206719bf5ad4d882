"""The worker process: reads one file after the other within the limits of the operating system.

Started by pool.py as `python -m loresmith.parsing.worker MEMORY_MB`. For each task it first says
the hash of the bytes, then the documents or the reason why there are none.
"""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import sys
from typing import Any, BinaryIO

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing import limited, wire
from loresmith.parsing.read import read
from loresmith.types import SourceItem


def main() -> None:
    pipe = limited.enter(int(sys.argv[1]))
    for message in limited.tasks():
        item, settings = wire.task_from(message)
        limited.limit_cpu(settings.seconds)
        _answer(pipe, item, settings)


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
