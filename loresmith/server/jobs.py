"""Long work of the server: sync, dataset, train, compare, each a process of the command line.

    .loresmith/jobs/<id>.json      what was asked for          <id>.lock   held while it lives
    .loresmith/jobs/<id>.started   since when it runs          <id>.end    how it ended, written last
    .loresmith/jobs/<id>.progress, <id>.steps, <id>.log, <id>.out   what it says

The files are all there is: the server keeps nothing in mind, so a restart of it, or of the page,
changes nothing for work that is under way. Promises: one job of a kind of lock works at a time, the
others wait; "running" is said only of a process that lives; what was killed is called "interrupted".
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import loresmith
from loresmith.errors import StorageError, UsageError
from loresmith.server import progress
from loresmith.workspace import WorkspaceDir, translated_os_errors, write_atomic

Kind = Literal["sync", "dataset", "train", "compare"]
State = Literal["queued", "running", "done", "failed", "stopped", "interrupted"]

QUEUES: dict[Kind, str] = {"sync": "index", "dataset": "index", "train": "train", "compare": "compare"}
"""Which jobs wait for one another: those that hold the writer's lock, and one of each other kind."""
UNDER_WAY = ("queued", "running")
MOST_WAITING = 8
KEPT = 50
"""Ended jobs of which the files stay."""
_LOG_TAIL = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work as its files tell it.

    Attributes:
        result: the JSON object that the command printed; None while it runs or where it failed.
        error: {"kind", "problem", "remedy"} of a failed one.
        stopping: it runs, and somebody asked it to stop.
        stage, done, total, left: how far it is; `left` in seconds, None while that is not known.
        line: the last line it said.
        steps: of a training, every step so far (`training.values.Step`).
    """

    id: str
    kind: Kind
    options: dict[str, Any]
    by: str
    labels: tuple[str, ...]
    state: State
    stopping: bool
    created: float
    started: float | None
    finished: float | None
    stage: str
    done: int
    total: int | None
    left: float | None
    line: str
    result: dict[str, Any] | None
    error: dict[str, str] | None
    steps: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def jobs_dir(folder: WorkspaceDir) -> Path:
    return folder.data / "jobs"


def post(
    folder: WorkspaceDir,
    kind: Kind,
    options: dict[str, Any],
    arguments: list[str],
    by: str,
    *,
    labels: Sequence[str] = (),
    again: bool = False,
) -> Job:
    """Start a job; one that waits for the same already is returned instead.

    Args:
        arguments: of the command line, without workspace and --json.
        by: who asked for it.
        labels: of all that is there now: whoever reads of the job later needs them.
        again: for one that was cut off.

    Raises:
        UsageError: too many wait already.  StorageError: it cannot be written down.
    """
    place = jobs_dir(folder)
    with translated_os_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    waiting = [job for job in listing(folder) if job.state == "queued"]
    for job in waiting:
        if job.kind == kind and job.options == options:
            return job
    if len(waiting) >= MOST_WAITING:
        raise UsageError(
            f"{len(waiting)} jobs are waiting already.", "Wait until some are done, or stop them."
        )
    _prune(folder)
    # The time first, so that names sort by age.
    now = time.time()
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    name = f"{moment}-{int(now * 1000) % 1000:03}{secrets.token_hex(2)}"
    asked = {
        "id": name,
        "kind": kind,
        "options": options,
        "by": by,
        "labels": list(labels),
        "queue": QUEUES[kind],
        "created": now,
        "arguments": [*arguments, "--workspace", str(folder.root), "--json"],
        "again": again,
    }
    with translated_os_errors(place):
        lock = os.open(place / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Taken here and inherited, so that there is no moment in which nobody holds it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_atomic(place / f"{name}.json", json.dumps(asked).encode())
        _start(folder.root, place, name, lock)
    finally:
        os.close(lock)
    return get(folder, name)


def _start(root: Path, place: Path, name: str, lock: int) -> None:
    home = str(Path(loresmith.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-m", "loresmith.server.work", str(place), name, str(lock)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=root,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))},
        pass_fds=[lock],
        start_new_session=True,
    )
    (place / f"{name}.pid").write_text(str(process.pid))
    # Only so that it does not stay a zombie; that it ends is seen by its lock.
    threading.Thread(target=process.wait, name=f"job {name}", daemon=True).start()


def take_up(folder: WorkspaceDir) -> Job | None:
    """Start the last sync again, where it was cut off with the machine or the container; once, since it
    may be what the machine died of. It goes on where it was; other work is for people to decide on."""
    last = next((job for job in listing(folder) if job.kind == "sync"), None)
    if last is None or last.state != "interrupted":
        return None
    asked = _json(jobs_dir(folder) / f"{last.id}.json") or {}
    if asked.get("again"):
        return None
    arguments = asked["arguments"][:-3]  # as `post` was given them
    return post(folder, "sync", last.options, arguments, last.by, labels=last.labels, again=True)


def listing(folder: WorkspaceDir) -> list[Job]:
    """Every job, the newest first, without steps."""
    names = sorted((p.stem for p in jobs_dir(folder).glob("[0-9]*.json")), reverse=True)
    return [_read(jobs_dir(folder), name, steps=False) for name in names]


def get(folder: WorkspaceDir, name: str) -> Job:
    """The job of this id.

    Raises:
        KeyError: there is none.
    """
    place = jobs_dir(folder)
    # Taken from what is there and never made from what was sent: `..` is no job.
    if name not in {path.stem for path in place.glob("[0-9]*.json")}:
        raise KeyError(name)
    return _read(place, name, steps=True)


def peek(folder: WorkspaceDir, name: str) -> Job:
    """`get` of an id that is known to be one, without the steps.

    Raises:
        KeyError: it is gone.
    """
    if not (jobs_dir(folder) / f"{name}.json").is_file():
        raise KeyError(name)
    return _read(jobs_dir(folder), name, steps=False)


def stop(folder: WorkspaceDir, name: str) -> Job:
    """Ask a job to stop, as Ctrl-C does; asked once more, or where it does not listen, it is killed.

    Raises:
        KeyError: there is none.
    """
    job = get(folder, name)
    place = jobs_dir(folder)
    if job.state in UNDER_WAY:
        asked_before = (place / f"{name}.stop").exists()
        write_atomic(place / f"{name}.stop", b"")
        try:
            process = int((place / f"{name}.pid").read_text())
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{place / name}.pid is gone: {error}.", "Stop the process by hand."
            ) from error
        # Whoever holds the lock lives, so the number is still its own.
        if _alive(place, name):
            if asked_before:
                os.killpg(process, signal.SIGKILL)
            else:
                os.kill(process, signal.SIGTERM)
    return get(folder, name)


def _alive(place: Path, name: str) -> bool:
    try:
        handle = os.open(place / f"{name}.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _read(place: Path, name: str, *, steps: bool) -> Job:
    base = place / name
    # Asked first: whatever is written after that, it lived then.
    alive = _alive(place, name)
    asked = _json(place / f"{name}.json") or {}
    end, started = _json(place / f"{name}.end"), _json(place / f"{name}.started")
    out = _json(place / f"{name}.out") if end else None
    failed = out.get("error") if out and isinstance(out.get("error"), dict) else None
    state: State
    if end is None:
        if alive:
            state = "running" if started else "queued"
        else:
            state = "stopped" if (place / f"{name}.stop").exists() else "interrupted"
    elif end.get("stopped") or end.get("status") == 130:
        state = "stopped"
    elif end.get("status", 0) < 0:  # by a signal that nobody sent from here
        state = "interrupted"
    else:
        state = "done" if end.get("status") in (0, 3) and failed is None else "failed"
    line = _last_line(place / f"{name}.log")
    if state == "interrupted" and end is not None:
        failed = {
            "kind": "Interrupted",
            "problem": f"Its process was ended from outside (signal {-end['status']}).",
            "remedy": "So it is where memory runs out. It goes on from what was kept last.",
        }
    if state == "failed" and failed is None:
        # A sync that could not read one of its sources has a result and a remark beside it.
        failed = {
            "kind": "Error",
            "problem": line or f"It ended with status {end and end['status']}.",
            "remedy": "",
        }
    told = progress.read(base)
    return Job(
        id=name,
        kind=asked.get("kind", "sync"),
        options=asked.get("options", {}),
        by=asked.get("by", ""),
        labels=tuple(asked.get("labels", ())),
        state=state,
        stopping=state in UNDER_WAY and (place / f"{name}.stop").exists(),
        created=asked.get("created", 0.0),
        started=started["started"] if started else None,
        finished=end["finished"] if end else None,
        stage=told["stage"],
        done=told["done"],
        total=told["total"],
        left=told["left"] if state == "running" else None,
        line=line,
        result=out if out and "error" not in out else None,
        error=failed,
        steps=progress.read_steps(base)[0] if steps else [],
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) else None


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_TAIL))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _prune(folder: WorkspaceDir) -> None:
    """Remove the files of the oldest ended jobs."""
    ended = [job for job in listing(folder) if job.state not in UNDER_WAY]
    for job in ended[KEPT:]:
        # What names the job goes first: without it the rest is nothing.
        (jobs_dir(folder) / f"{job.id}.json").unlink(missing_ok=True)
        for path in jobs_dir(folder).glob(f"{job.id}.*"):
            path.unlink(missing_ok=True)
