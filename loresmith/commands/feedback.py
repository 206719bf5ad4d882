"""feedback: what people say of answers; the next dataset learns from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith.commands.common import Call, command, counted
from loresmith.errors import UsageError

if TYPE_CHECKING:
    from loresmith.dataset.feedback import Verdict
    from loresmith.types import Passage
    from loresmith.workspace import WorkspaceDir

_EXAMPLE = 'As in: loresmith feedback "Which torque …?" --answer "30 Nm" --correct "25 Nm."'


def register(app: typer.Typer) -> None:
    command(app)(feedback)


def feedback(
    call: Call,
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Without it and --file: list what was said.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", metavar="TEXT", help="The answer that was seen.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="It is right: teach it.")] = False,
    correct: Annotated[
        str | None, typer.Option("--correct", metavar="TEXT", help="This is right instead: teach it.")
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="It is wrong: teach it no longer.")] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="JSON",
            help="Answers as `ask --json` or `ask --out` wrote them, - for standard input; the fields "
            '"verdict" and "correction" of a line go before the options.',
        ),
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="ID", help="Take one verdict back.")
    ] = None,
) -> None:
    """Say that an answer is right, wrong, or what is right instead.

    Approved and corrected answers become examples of the next dataset; a wrong one is taught no longer.
    """
    from loresmith import workspace as folders

    folder = folders.open_dir(call.path)
    if remove is not None:
        return _remove(call, folder, remove)
    given = [name for name, on in (("approved", approve), ("corrected", correct), ("rejected", reject)) if on]
    if len(given) > 1:
        raise UsageError("More than one verdict.", "Choose one of --approve, --correct TEXT, --reject.")
    verdict = given[0] if given else None
    if file is not None:
        if question is not None or answer is not None:
            raise UsageError("--file holds questions and answers itself.", "Leave QUESTION and --answer out.")
        entries = _read(file)
    elif question is not None:
        entries = [{"question": question, "answer": answer or ""}]
    elif verdict is None and answer is None:
        return _list(call, folder)
    else:
        raise UsageError("The question is missing.", _EXAMPLE)
    ids = _record(folder, entries, verdict, correct or "")
    if call.json:
        call.emit({"feedback": ids})
    call.say(f"{counted(len(ids), 'verdict')} kept. Next: loresmith dataset build")
    return None


def _record(
    folder: WorkspaceDir, entries: Sequence[Mapping[str, Any]], verdict: str | None, correction: str
) -> list[str]:
    """Keep all of them, or, where one is wrong, none."""
    from typing import cast

    from loresmith.dataset import feedback as store

    ready: list[dict[str, Any]] = []
    for number, entry in enumerate(entries, 1):
        place = f"line {number}: " if len(entries) > 1 else ""
        own = entry.get("verdict") or verdict
        if own is None:
            raise UsageError(f"{place}no verdict.", "Give one of --approve, --correct TEXT, --reject.")
        right = str(entry.get("correction") or (correction if own == "corrected" else ""))
        passages, cited = _passages(folder, entry)
        ready.append(
            {
                "question": str(entry.get("question") or ""),
                "answer": str(entry.get("answer") or ""),
                "verdict": own,
                "correction": right,
                "passages": passages,
                "cited": cited,
                "abstained": bool(entry.get("abstained")),
                "model": str(entry.get("model") or ""),
                "sql": str((entry.get("result") or {}).get("sql") or ""),
            }
        )
        try:
            store.validated(ready[-1]["question"], ready[-1]["answer"], own, right)
        except UsageError as error:
            raise UsageError(f"{place}{error.problem}", error.remedy) from error
    ids = []
    for entry in ready:
        question, answer, own = entry.pop("question"), entry.pop("answer"), entry.pop("verdict")
        ids.append(store.record(folder, question, answer, cast("Verdict", own), **entry))
    return ids


def _passages(folder: WorkspaceDir, entry: Mapping[str, Any]) -> tuple[list[Passage], list[str]]:
    """The passages an answer was given from and the ids of those it cites, as the index has them."""
    from loresmith.index import open_generation
    from loresmith.state import State

    hits = entry.get("hits") or []
    sentences = entry.get("sentences") or []
    cited = [str(c["passage"]) for s in sentences for c in s.get("citations", ()) if c.get("passage")]
    if not hits and not cited:
        return [], []
    with State.open(folder.state_path) as state:
        generation = state.current()
        known = set(state.document_ids())
    if generation is None:
        return [], cited
    with closing(open_generation(folder, generation)) as store:
        found = {p.id: p for p in store.get(cited)}
        for hit in hits:
            place, document = hit.get("locator") or {}, hit.get("document")
            if document in known and place.get("start") is not None:
                for passage in store.of_document(document):
                    if passage.locator.start == place["start"] and passage.text == hit.get("text"):
                        found.setdefault(passage.id, passage)
    return list(found.values()), cited


def _read(file: Path) -> list[dict[str, Any]]:
    """Answers of a file: one JSON object, a list of them, or one a line."""
    if str(file) == "-":
        text = sys.stdin.read()
    else:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UsageError(f"--file {file}: {error.strerror}.", "Check the path.") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"--file {file}: not UTF-8 text.", "Save it as UTF-8.") from error
    try:
        value = json.loads(text)
        entries = value if isinstance(value, list) else [value]
    except json.JSONDecodeError:
        entries = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                entries += [json.loads(line)] if line.strip() else []
            except json.JSONDecodeError as error:
                raise UsageError(
                    f"--file {file}, line {number}: not JSON: {error.msg}.", "Mend it."
                ) from error
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"--file {file}: no answers in it.", "Write it with `loresmith ask … --json`.")
    return entries


def _list(call: Call, folder: WorkspaceDir) -> None:
    from loresmith.state import State, learning

    with State.open(folder.state_path) as state:
        rows = learning.feedback(state)
    if call.json:
        call.emit({"feedback": [{"id": r.id, "created": r.created, **r.payload} for r in rows]})
    for row in rows:
        said = row.payload
        right = f" → {said['correction']}" if said["correction"] else ""
        call.say(f"{row.id}  {said['verdict']:9}  {said['question']}\n    {said['answer']}{right}")
    if not rows:
        call.say("Nothing was said yet.")
        call.say(_EXAMPLE)


def _remove(call: Call, folder: WorkspaceDir, key: str) -> None:
    from loresmith.state import State, learning

    with State.open(folder.state_path) as state:
        meant = [row.id for row in learning.feedback(state) if row.id.startswith(key)]
        if len(meant) != 1:
            problem = "is not unique" if meant else "is not there"
            raise UsageError(f"The verdict {key} {problem}.", "`loresmith feedback` lists them.")
        learning.remove_feedback(state, meant[0])
    if call.json:
        call.emit({"removed": meant[0]})
    call.say(f"{meant[0]} taken back.")
