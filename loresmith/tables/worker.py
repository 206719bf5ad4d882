"""The worker process: reads the tables of one file within the limits of the operating system.

Started by importing.py as `python -m loresmith.tables.worker MEMORY_MB SECONDS`. It answers each task
with messages (wire.py): the hash of the bytes, then for each table its columns and its rows in batches,
at last "end"; or the reason why it cannot. What comes from a file is data for the parent, never code.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from loresmith.errors import ParseError
from loresmith.parsing import limited, wire
from loresmith.tables import readers
from loresmith.tables.cells import plain

_ROWS, _CHARACTERS = 2000, 2_000_000


def main() -> None:
    pipe = limited.enter(int(sys.argv[1]))
    for task in limited.tasks():
        limited.limit_cpu(float(sys.argv[2]))
        _answer(pipe, task)


def _answer(pipe: BinaryIO, task: dict[str, Any]) -> None:
    try:
        path = Path(task["path"])
        with open(path, "rb") as file:
            _send(pipe, {"version": hashlib.file_digest(file, "sha256").hexdigest()})
        for table, rows in readers.read(path, task["name"], task["media_type"]):
            _send(pipe, {"table": asdict(table)})
            batch: list[Any] = []
            size = 0
            for place, cells in rows:
                sent = [c if isinstance(c, str) or c is None else plain(c) for c in cells]
                batch.append((place, sent))
                size += sum(len(c) for c in sent if isinstance(c, str))
                if len(batch) >= _ROWS or size > _CHARACTERS:
                    _send(pipe, {"rows": batch})
                    batch, size = [], 0
            _send(pipe, {"rows": batch})
        _send(pipe, {"end": True})
    except ParseError as error:
        _send(pipe, {"reason": str(error)})
    except MemoryError:
        _send(pipe, {"reason": f"its tables need more than {sys.argv[1]} MB of memory to be read."})
    except RecursionError:
        _send(pipe, {"reason": "its content is nested too deeply."})
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - a reader failed on this file; the file is named, the rest goes on
        text = " ".join(str(error).split())[:200]
        _send(pipe, {"reason": f"its tables cannot be read ({type(error).__name__}: {text})."})


def _send(pipe: BinaryIO, message: dict[str, Any]) -> None:
    pipe.write(wire.frame(message))
    pipe.flush()


if __name__ == "__main__":
    main()
