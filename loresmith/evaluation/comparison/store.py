"""A comparison on disk: written once, appended to, read by whoever reports, rates or promotes.

    reports/<id>/manifest.json   first: what is compared, by which models, and what is held constant
    reports/<id>/questions.jsonl one `Question` a line
    reports/<id>/answers.jsonl   one `Record` a line, fsynced
    reports/<id>/costs.json      what was measured while asking: memory by arm, loading

manifest.json holds "schema", "id", "created", "workspace", "model", "adapter", "index", "settings",
"labels" (of all that the answers may hold), "versions", "source", "arms", "asked" (records that are
wanted), "removed", "warnings", "known" (costs known before anything is asked, by arm) and "checks":
{"absent": {question: [gold documents that are not in the index]}, "gold_unseen": [questions whose
accepted answer stands nowhere in their documents], "skipped": {arm: why it is not asked}}.

Promises: a kill leaves whole lines but for the last, which readers leave out and the next writer cuts
off; of two records of one question and arm the later one counts; what is read does not depend on
the order in which it was asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, get_args

from loresmith.errors import StorageError, UsageError
from loresmith.evaluation.comparison.values import ArmName, Question, Record
from loresmith.workspace import fsync_dir, translated_os_errors, write_atomic

MANIFEST, QUESTIONS, ANSWERS, COSTS = "manifest.json", "questions.jsonl", "answers.jsonl", "costs.json"
SCHEMA = 1

_COMPARE = "Run `loresmith compare`."


def create(reports_dir: Path, manifest: Mapping[str, Any], questions: Sequence[Question]) -> Path:
    """The folder of the comparison that `manifest` describes; left alone where it is there already."""
    folder = reports_dir / str(manifest["id"])
    with translated_os_errors(reports_dir):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MANIFEST).is_file():
            lines = [json.dumps(q.to_dict(), ensure_ascii=False) for q in questions]
            write_atomic(folder / QUESTIONS, "".join(f"{line}\n" for line in lines).encode())
            write_atomic(folder / MANIFEST, to_bytes(manifest))
        fsync_dir(reports_dir)
    return folder


def to_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def manifest(folder: Path) -> dict[str, Any]:
    """What is compared.

    Raises:
        StorageError: `folder` holds no comparison, or a damaged one.
    """
    found = _read_json(folder / MANIFEST)
    if not {"id", "arms", "settings"} <= found.keys():
        raise StorageError(f"{folder / MANIFEST} is damaged (keys are missing).", _again(folder))
    return found


def questions(folder: Path) -> list[Question]:
    """The questions, in the order in which they are asked."""
    path = folder / QUESTIONS
    try:
        return [Question.from_dict(raw) for raw in _lines(path)]
    except TypeError as error:
        raise StorageError(f"{path} is damaged ({error}).", _again(folder)) from error


def records(folder: Path) -> list[Record]:
    """The answers, one for each question, arm and seed: by seed, arm and question, as the manifest
    and the questions have them."""
    path = folder / ANSWERS
    if not path.is_file():
        return []
    places = {q.id: n for n, q in enumerate(questions(folder))}
    arms = {arm: n for n, arm in enumerate(get_args(ArmName))}
    found: dict[tuple[int, int, int], Record] = {}
    try:
        for raw in _lines(path, unfinished=True):
            record = Record(**raw)
            if record.question in places:
                found[record.seed, arms[record.arm], places[record.question]] = record
    except (TypeError, KeyError) as error:
        raise StorageError(f"{path} is damaged ({error}).", _again(folder)) from error
    return [found[key] for key in sorted(found)]


def wanted(manifest: Mapping[str, Any], question: Question) -> tuple[ArmName, ...]:
    """The arms that `question` is asked of: general ability concerns base and tuned alone."""
    arms: tuple[ArmName, ...] = tuple(manifest["arms"])
    return tuple(a for a in arms if a in ("base", "tuned")) if question.stratum == "general" else arms


def finished(folder: Path) -> bool:
    """Whether every question was asked of every arm."""
    done = {(r.arm, r.question) for r in records(folder)}
    found = manifest(folder)
    return all((arm, q.id) in done for q in questions(folder) for arm in wanted(found, q))


def costs(folder: Path) -> dict[str, Any]:
    """What was measured while asking; empty where nothing was."""
    return _read_json(folder / COSTS) if (folder / COSTS).is_file() else {}


def put_costs(folder: Path, content: Mapping[str, Any]) -> None:
    write_atomic(folder / COSTS, to_bytes(content))


def listing(reports_dir: Path) -> list[dict[str, Any]]:
    """The manifests of every comparison, the newest first, each with its "folder" (a Path)."""
    if not reports_dir.is_dir():
        return []
    found = [
        {**manifest(path.parent), "folder": path.parent} for path in reports_dir.glob(f"[!.]*/{MANIFEST}")
    ]
    return sorted(found, key=lambda m: (str(m.get("created", "")), m["id"]), reverse=True)


def latest(reports_dir: Path) -> Path | None:
    """The newest comparison."""
    found = listing(reports_dir)
    return Path(found[0]["folder"]) if found else None


def find(reports_dir: Path, name: str | None = None) -> Path:
    """The comparison of this id (its beginning is enough), or the newest.

    Raises:
        UsageError: there is none, or several begin so; the message lists what is there.
    """
    known = [str(m["id"]) for m in listing(reports_dir)]
    if not known:
        raise UsageError("Nothing was compared here yet.", _COMPARE)
    if name is None:
        return reports_dir / known[0]
    meant = [one for one in known if name and one.startswith(name)]
    if len(meant) == 1:
        return reports_dir / meant[0]
    problem = "is the beginning of several reports" if meant else "no report of that id"
    raise UsageError(f"{name}: {problem}.", f"Here: {', '.join(meant or known[:10])}.")


class Append(Protocol):
    def __call__(self, record: Record) -> None: ...


@contextmanager
def appending(folder: Path) -> Iterator[Append]:
    """A function that writes one record and returns when it is on the disk; half a line that a kill
    left behind is cut off first."""
    path = folder / ANSWERS
    with translated_os_errors(path):
        stream = path.open("a+b", buffering=0)
    with stream:
        with translated_os_errors(path):
            stream.seek(0)
            content = stream.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.ftruncate(stream.fileno(), whole)

        def append(record: Record) -> None:
            rest = (json.dumps(asdict(record), ensure_ascii=False, default=str) + "\n").encode()
            with translated_os_errors(path):
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())

        yield append


def _lines(path: Path, *, unfinished: bool = False) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file; with `unfinished` without a last line that has no end."""
    content = _read(path)
    if unfinished:
        content = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(content.split(b"\n"), 1):
        if line:
            try:
                raw = json.loads(line)
                if not isinstance(raw, dict):
                    raise ValueError("no object")
            except ValueError as error:
                raise StorageError(
                    f"{path}, line {number} is damaged ({error}).", _again(path.parent)
                ) from error
            yield raw


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_read(path))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise StorageError(f"{path} is damaged ({error}).", _again(path.parent)) from error
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}.", _COMPARE) from error


def _again(folder: Path) -> str:
    return f"Remove {folder} and compare again."
