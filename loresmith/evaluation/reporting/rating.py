"""What people say of the answers: a blinded sheet out, ratings back, agreement.

    export(folder, path)        a CSV of answers in pairs; which arm gave which stays in the folder
    read(folder, path, rater)   the filled-in sheet as ratings, and every row that could not be read
    append(folder, ratings)     ratings.jsonl, one rating of one answer a line
    agreement(ratings, scores)  each rater against the automatic score and against the other raters

Promises: the sheet does not say which arm an answer is from; the same report, arms and seed give the
same sheet; a rating is never made up: a row without a choice is no rating.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loresmith.answering.text import fold
from loresmith.errors import StorageError, UsageError
from loresmith.evaluation.comparison import scores as scoring
from loresmith.evaluation.comparison import store
from loresmith.evaluation.comparison.values import CONTENDERS, Contender, Question, Rating, Record
from loresmith.evaluation.reporting.agreement import agreement as agreement
from loresmith.workspace import translated_os_errors, write_atomic

RATINGS = "ratings.jsonl"
PAIRS = 50
CHOICE = "your choice: A, B, both or neither"
COLUMNS = ("id", "question", "accepted answer", "A", "B", CHOICE, "comment")
CHOICES = {"a": (True, False), "b": (False, True), "both": (True, True), "neither": (False, False)}
"""What is typed, and whether it accepts A and B."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A sheet. `alike`: pairs that were left out because both arms said the same."""

    id: str
    arms: tuple[Contender, Contender]
    pairs: int
    alike: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that could not be read, counted as spreadsheet programs do, and what to do."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What came back. `empty`: rows without a choice."""

    ratings: list[Rating]
    empty: int
    problems: list[Problem]


# --- out --------------------------------------------------------------------------------------


def export(
    folder: Path,
    path: Path,
    *,
    arms: tuple[Contender, Contender] | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
) -> Exported:
    """Write a sheet to rate.

    Args:
        folder: of the comparison.
        path: the CSV to write; it must not be there yet, as somebody may have filled it in.
        arms: the two that are held against each other; else the two that served most.
        pairs: at most so many, evenly over the strata.

    Raises:
        UsageError: `path` is there, an arm was not asked, or the two never said different things.
    """
    if path.exists():
        raise UsageError(f"{path} is there already.", "Choose another name: it may hold ratings.")
    questions = {q.id: q for q in store.questions(folder)}
    records: dict[tuple[str, str], Record] = {
        (r.question, r.arm): r for r in store.records(folder) if not r.error and r.seed == 0
    }
    one, other = arms or _best(questions, records)
    for arm in (one, other):
        if not any(asked == arm for _, asked in records):
            raise UsageError(f"The arm {arm} has no answers in this report.", "See `loresmith report`.")
    both = [q for q in questions.values() if (q.id, one) in records and (q.id, other) in records]
    differ = [q for q in both if fold(_said(records[q.id, one])) != fold(_said(records[q.id, other]))]
    if not differ:
        raise UsageError(f"{one} and {other} said the same everywhere.", "Choose other arms with --arms.")
    report = store.manifest(folder)["id"]
    name = _hash(report, one, other, str(seed), str(pairs))
    chance = random.Random(name)
    rows, key = [], {}
    for question in _even(differ, pairs, chance):
        row = _hash(name, question.id)
        first, second = (one, other) if chance.random() < 0.5 else (other, one)
        key[row] = {"question": question.id, "A": first, "B": second}
        gold = "(not in the documents)" if question.answer is None else " / ".join(question.answer)
        shown = (
            question.question,
            gold,
            _said(records[question.id, first]),
            _said(records[question.id, second]),
        )
        rows.append([row, *map(_cell, shown), "", ""])
    content = {"id": name, "arms": [one, other], "seed": seed, "rows": key}
    write_atomic(folder / f"rating-{name}.json", store.to_bytes(content))
    write_atomic(path, _csv([COLUMNS, *rows]))
    return Exported(name, (one, other), len(rows), len(both) - len(differ))


def _best(
    questions: Mapping[str, Question], records: Mapping[tuple[str, str], Record]
) -> tuple[Contender, Contender]:
    """The two contenders with the largest share of questions served."""
    served: dict[Contender, list[float]] = {}
    for (asked, _), record in records.items():
        question = questions[asked]
        if question.stratum != "general" and record.arm in CONTENDERS:
            served.setdefault(record.arm, []).append(scoring.score(question, record).success)
    order = sorted(served, key=lambda arm: (-sum(served[arm]) / len(served[arm]), CONTENDERS.index(arm)))
    if len(order) < 2:
        raise UsageError("There are no two arms to hold against each other.", "Run `loresmith compare`.")
    return order[0], order[1]


def _even(questions: Sequence[Question], most: int, chance: random.Random) -> list[Question]:
    """A sample that takes from each stratum in turn, in an order that tells nothing."""
    piles: dict[str, list[Question]] = {}
    for question in sorted(questions, key=lambda q: q.id):
        piles.setdefault(question.stratum, []).append(question)
    for pile in piles.values():
        chance.shuffle(pile)
    taken: list[Question] = []
    while len(taken) < most and any(piles.values()):
        taken += [pile.pop() for pile in piles.values() if pile]
    taken = taken[:most]
    chance.shuffle(taken)
    return taken


def _said(record: Record) -> str:
    return str(record.answer.get("answer", ""))


def _cell(text: str) -> str:
    """Text that a spreadsheet shows and does not calculate."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    """With the mark and the line ends that Excel wants."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8-sig", "replace")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


# --- and back ---------------------------------------------------------------------------------


def read(folder: Path, path: Path, rater: str) -> Sheet:
    """The ratings of a filled-in sheet; rows that cannot be read are told, the others count.

    Raises:
        UsageError: no such file, or no sheet of this report.
    """
    rows = _rows(path)
    titles = [title.strip().casefold() for title in next(rows, [])]
    try:
        at, chosen = titles.index("id"), next(i for i, t in enumerate(titles) if t.startswith("your choice"))
    except (ValueError, StopIteration):
        raise UsageError(
            f"{path}: no columns “id” and “your choice”.",
            "Give the sheet of `loresmith rate export`, filled in.",
        ) from None
    remark = titles.index("comment") if "comment" in titles else -1
    key = _key(folder)
    sheet = Sheet([], 0, [])
    empty, seen = 0, set()
    for number, row in enumerate(rows, 2):
        cells = [cell.strip() for cell in row] + [""] * len(titles)
        name, choice = cells[at], cells[chosen].casefold().strip(" .\"'")
        if not any(cells):
            continue
        if name not in key:
            sheet.problems.append(
                Problem(number, f"the id {name or '(none)'} is not of this report: leave the ids alone")
            )
        elif not choice:
            empty += 1
        elif choice not in CHOICES:
            sheet.problems.append(
                Problem(number, f"“{cells[chosen]}” is no choice: write A, B, both or neither")
            )
        elif name in seen:
            sheet.problems.append(Problem(number, f"the id {name} stands twice: the first one counts"))
        else:
            seen.add(name)
            for side, accepted in zip("AB", CHOICES[choice], strict=True):
                sheet.ratings.append(
                    Rating(
                        rater=rater,
                        kind="person",
                        question=key[name]["question"],
                        arm=key[name][side],
                        accepted=accepted,
                        comment=cells[remark] if remark >= 0 else "",
                        export=key[name]["export"],
                    )
                )
    return Sheet(sheet.ratings, empty, sheet.problems)


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV as spreadsheet programs write it: UTF-8 or Windows' own, comma, semicolon, tab."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.", "Check the path.") from error
    if content[:2] == b"PK":
        raise UsageError(f"{path} is a workbook.", "Save it as CSV and import that.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _key(folder: Path) -> dict[str, dict[str, Any]]:
    """Row id to question and arms, of every sheet that was made of this report."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("rating-*.json")):
        try:
            content = json.loads(path.read_bytes())
            found |= {row: {**value, "export": content["id"]} for row, value in content["rows"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError(f"{path} is damaged ({error!r}).", "Remove it and export anew.") from error
    if not found:
        raise UsageError("No sheet was made of this report.", "Make one with `loresmith rate export FILE`.")
    return found


def load(folder: Path) -> list[Rating]:
    """Every rating that was kept, the oldest first.

    Raises:
        StorageError: ratings.jsonl is damaged.
    """
    path = folder / RATINGS
    if not path.is_file():
        return []
    content = path.read_bytes()
    found = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            found.append(Rating(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise StorageError(f"{path}, line {number} is damaged ({error}).", "Remove that line.") from error
    return found


def append(folder: Path, ratings: Sequence[Rating]) -> int:
    """Keep ratings; those that say again what was said are left out. Returns how many are new."""
    last = {_of(rating): rating for rating in load(folder)}
    new = [rating for rating in ratings if last.get(_of(rating)) != rating]
    path = folder / RATINGS
    lines = "".join(json.dumps(asdict(rating), ensure_ascii=False) + "\n" for rating in new)
    with translated_os_errors(path), path.open("a+b") as stream:
        stream.seek(0)
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)  # what a kill left of a line
        stream.write(lines.encode())
        stream.flush()
        os.fsync(stream.fileno())
    return len(new)


def _of(rating: Rating) -> tuple[str, str, str, str]:
    return rating.rater, rating.kind, rating.question, rating.arm
