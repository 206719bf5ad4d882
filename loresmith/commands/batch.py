"""Many questions from a file, one result a line; stopped at any point, the next run goes on.

A result line repeats the question's `id` and `question` beside the fields of the single command.
A line is written and fsynced as soon as it is known; half a line at the end (a kill) is cut off.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loresmith.commands.common import Call
from loresmith.errors import UsageError
from loresmith.workspace import translated_os_errors


def run(call: Call, file: Path, out: Path | None, answer: Callable[[str], dict[str, Any]]) -> None:
    """Answer every question of `file` into `out` (standard output without it).

    Raises:
        UsageError: a line of `file` is wrong, or `out` holds results of other questions.
    """
    started = time.monotonic()
    questions = read_questions(file)
    if out is not None and out.exists() and file.exists() and os.path.samefile(file, out):
        raise UsageError(f"--out {out} is the question file itself.", "Choose another name.")
    finished = read_finished(out, questions) if out else set()
    abstained = 0
    with call.progress() as progress, writing(out) as write:
        for position, (key, question) in enumerate(questions.items(), 1):
            if key not in finished:
                result = answer(question)
                abstained += bool(result.get("abstained"))
                row = {"id": json.loads(key), "question": question} | result
                write(json.dumps(row, ensure_ascii=False, default=str))
            progress("questions", position, len(questions))
    summary = {
        "questions": len(questions),
        "done": len(questions) - len(finished),
        "kept": len(finished),
        "abstained": abstained,
        "out": str(out) if out else None,
        "seconds": round(time.monotonic() - started, 3),
    }
    if out is not None and call.json:
        call.emit(summary)
    elif out is not None:
        kept = f", {summary['kept']} were there already" if finished else ""
        call.say(f"{summary['done']} of {summary['questions']} questions done{kept}: {out}")


def read_questions(file: Path) -> dict[str, str]:
    """id (as JSON) -> question, in the order of the file; a line without `id` gets its number.

    Raises:
        UsageError: names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"--file {file}: {error.strerror}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--file {file}: not UTF-8 text.", "Save it as UTF-8.") from error
    questions: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{where}: not JSON: {error.msg}.", "Write one JSON object a line.") from error
        question = row.get("question", row.get("query")) if isinstance(row, dict) else None
        if not isinstance(question, str) or not question.strip():
            raise UsageError(f"{where}: no `question`.", 'Each line needs {"id": …, "question": "…"}.')
        key = json.dumps(row.get("id", number), ensure_ascii=False)
        if key in questions:
            raise UsageError(f"{where}: the id {key} was used before.", "Give every question its own id.")
        questions[key] = question
    if not questions:
        raise UsageError(f"--file {file}: no questions in it.", "Write one JSON object a line.")
    return questions


def read_finished(out: Path, questions: dict[str, str]) -> set[str]:
    """Ids that `out` already answers; half a line at its end is cut off.

    Raises:
        UsageError: `out` is not a result file of these questions; nothing is changed.
    """
    if not out.exists():
        return set()
    remedy = "Choose another --out, or delete it."
    try:
        content = out.read_bytes()
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}.", remedy) from error
    whole = content[: content.rfind(b"\n") + 1]
    finished = set()
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            key, question = json.dumps(row["id"], ensure_ascii=False), row["question"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--out {out}, line {number}: not a result line.", remedy) from error
        if questions.get(key) != question:
            raise UsageError(f"--out {out}, line {number}: answers another question ({key}).", remedy)
        finished.add(key)
    if len(whole) < len(content):
        if not whole and not content.lstrip().startswith(b'{"id"'):
            raise UsageError(f"--out {out}: not a result file.", remedy)
        with translated_os_errors(out):
            os.truncate(out, len(whole))
    return finished


@contextmanager
def writing(out: Path | None) -> Iterator[Callable[[str], None]]:
    """A function that writes one line and returns when it is on the disk.

    Unbuffered, so that a full disk is told at the line it hits and by the name of the file.
    """
    if out is None:

        def to_stdout(line: str) -> None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

        yield to_stdout
        return
    with translated_os_errors(out):
        stream = out.open("ab", buffering=0)

    def to_file(line: str) -> None:
        rest = (line + "\n").encode()
        with translated_os_errors(out):
            while rest:
                rest = rest[stream.write(rest) :]
            os.fsync(stream.fileno())

    with stream:
        yield to_file
