"""The process of one job: waits for its turn, runs the command line, writes down how it ended.

Started by jobs.py as `python -m loresmith.server.work FOLDER ID LOCK_FD`, in a session of its own, so
that it outlives the server. Promises: the job's lock is held as long as this process or its command
lives, by which anybody can see that it does, and so is its turn; SIGTERM goes on to the command, which
stops as it stops at a terminal; the end is written last, fsynced.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from loresmith.server import progress
from loresmith.workspace import write_atomic


class _Work:
    """The command that runs, and whether somebody asked it to stop."""

    def __init__(self) -> None:
        self.command: subprocess.Popen[bytes] | None = None
        self.stopped = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self.command is None:
            raise KeyboardInterrupt
        self.command.send_signal(signal.SIGTERM)


def main(folder: Path, job: str, lock: int) -> None:
    work = _Work()
    signal.signal(signal.SIGTERM, work.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    base = folder / job
    asked: dict[str, Any] = json.loads((folder / f"{job}.json").read_text(encoding="utf-8"))
    status = 130
    try:
        # Jobs that would be in each other's way wait here, in the order of the kernel's queue.
        with (folder / f"{asked['queue']}.queue").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            status = _run(work, base, asked, [lock, turn.fileno()])
    except KeyboardInterrupt:
        status = 130
    _write(base, "end", {"status": status, "finished": time.time(), "stopped": work.stopped})


def _run(work: _Work, base: Path, asked: dict[str, Any], locks: list[int]) -> int:
    _write(base, "started", {"started": time.time()})
    with (
        base.with_name(f"{base.name}.out").open("wb") as out,
        base.with_name(f"{base.name}.log").open("wb") as log,
    ):
        work.command = subprocess.Popen(
            [sys.executable, "-m", "loresmith", *asked["arguments"]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env=os.environ | {progress.VARIABLE: str(base)},
            pass_fds=locks,
        )
        if work.stopped:  # the signal came before there was anything to pass it on to
            work.command.terminate()
        return work.command.wait()


def _write(base: Path, kind: str, content: dict[str, Any]) -> None:
    write_atomic(base.with_name(f"{base.name}.{kind}"), json.dumps(content).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
