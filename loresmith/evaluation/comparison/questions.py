"""The user's question file -> questions as they are asked, with a stratum each.

    JSON lines, JSON, CSV, TSV, XLSX -> rows -> Question -> without duplicates -> without leaks -> even sample

`answer` (a string, several, or null: not answerable from the documents), `documents`, `page`, `kind`,
`terms`, `avoid`, `pattern`, `stratum`, `language`, `cluster` are read where they are there. In a table
several answers are divided by " | ", several documents by ";", and the word null stands for null.

Promises: one bad row costs one row, which is named with its line; no answer is ever invented; the same
file and seed give the same questions.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from loresmith.dataset import rows as files
from loresmith.dataset.duplicates import disagree, normal
from loresmith.errors import DatasetError
from loresmith.evaluation.comparison.values import STRATA, Question, Stratum
from loresmith.language import detect

_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "nr", "no", "number", "key"),
    "question": (
        "question", "query", "prompt", "frage", "pregunta", "domanda", "vraag", "pergunta", "问题", "質問",
    ),
    "answer": (
        "answer", "answers", "expected", "expectedanswer", "gold", "reference", "antwort", "réponse",
        "respuesta", "risposta", "antwoord", "resposta", "答案", "回答",
    ),
    "answerable": ("answerable", "isanswerable"),
    "documents": ("documents", "document", "sources", "source", "file", "files", "dokument", "dokumente"),
    "page": ("page", "pages", "seite", "página", "pagina"),
    "kind": ("kind", "type", "category"),
    "terms": ("terms", "mustsay", "vocabulary"),
    "avoid": ("avoid", "mustnotsay"),
    "pattern": ("pattern", "regex"),
    "stratum": ("stratum",),
    "language": ("language", "lang", "sprache"),
    "cluster": ("cluster", "fact", "group"),
    "passages": ("passages",),
}  # fmt: skip
_LISTS = ("documents", "terms", "avoid", "passages")
_NULL = frozenset(("null", "not answerable", "unanswerable", "nicht beantwortbar"))
_FALSE = frozenset(("false", "no", "0", "nein", "n"))
_WANTED = (
    "Wanted: JSON lines, JSON, CSV, TSV or XLSX with `question` and, where known, `answer` "
    "(null: not in the documents) and `documents`."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot be used. `line` as a person counts it."""

    line: int | str
    reason: str


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """What a file holds: rows under our names for their columns, each with its "line"."""

    name: str
    kind: str
    questions: list[dict[str, Any]]
    problems: list[Problem]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A question that is not asked. `beside`: what it is too much like, "" where that is not why."""

    id: str
    question: str
    reason: str
    beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The questions of a comparison.

    Attributes:
        source: where they are from, in words.
        checks: "absent" and "gold_unseen", see store.py.
        spare: how many more there would be without a limit.
    """

    questions: list[Question]
    removed: list[Removed] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    source: str = ""
    checks: Mapping[str, Any] = field(default_factory=dict)
    spare: int = 0


def read(path: Path) -> QuestionFile:
    """The rows of a question file.

    Raises:
        DatasetError: it cannot be read, or none of its rows is a question.
    """
    try:
        opened = files.read(path, lambda names: len(_columns(names)))
        records = list(opened.records)
    except DatasetError as error:
        if "is no training file" not in error.problem:
            raise
        problem = error.problem.replace("is no training file", "is no question file")
        raise DatasetError(problem, _WANTED) from error
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    warnings: list[str] = []
    table = not opened.kind.startswith("JSON")
    seen: set[str] = set()
    for line, record in records:
        if isinstance(record, files.Fault):
            problems.append(Problem(line, record.reason))
            continue
        if isinstance(record, str):
            record = {"question": record}
        if not isinstance(record, Mapping):
            problems.append(Problem(line, "not an object with a question"))
            continue
        seen.update(map(str, record))
        row = _row(line, record, table, warnings)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            found.append(row)
    if not found:
        first = f" The first: line {problems[0].line}: {problems[0].reason}." if problems else ""
        columns = f" Its columns are {', '.join(sorted(seen)[:12])}." if seen else ""
        raise DatasetError(f"{path} ({opened.kind}) holds no question.{columns}{first}", _WANTED)
    return QuestionFile(path.name, opened.kind, found, problems, warnings)


def _columns(names: Sequence[str]) -> dict[str, str]:
    """Our name -> the column's name."""
    bare = {re.sub(r"[\W_]+", "", str(name).casefold()): name for name in reversed(list(names))}
    return {
        ours: next(bare[word] for word in words if word in bare)
        for ours, words in _NAMES.items()
        if any(word in bare for word in words)
    }


def _row(
    line: int | str, record: Mapping[str, Any], table: bool, warnings: list[str]
) -> dict[str, Any] | Problem:
    values = {ours: record[name] for ours, name in _columns(list(record)).items()}
    question = values.get("question")
    if not isinstance(question, str) or not question.strip():
        if values.get("answer") not in (None, ""):
            return Problem(line, "an answer without a question")
        blank = question is None or isinstance(question, str)
        return Problem(line, "no question" if blank else "the question is no text")
    row: dict[str, Any] = {"line": line, "question": " ".join(question.split())}
    for name in ("id", "kind", "language", "cluster"):
        if values.get(name) not in (None, ""):
            row[name] = str(values[name]).strip()
    for name in _LISTS:
        if listed := _listed(values.get(name), table):
            row[name] = listed
    answer = _answer(values, table)
    if isinstance(answer, Problem):
        return Problem(line, answer.reason)
    if answer != ():
        row["answer"] = answer
    if values.get("page") not in (None, "", []):
        row["pages"] = [int(n) for n in re.findall(r"\d+", str(values["page"]))]
        if not row["pages"]:
            warnings.append(f"Line {line}: page {values['page']!r} is no number and is left out.")
    if pattern := values.get("pattern"):
        try:
            re.compile(str(pattern))
        except re.error as error:
            return Problem(line, f"pattern is no regular expression ({error})")
        row["pattern"] = str(pattern)
    if stratum := str(values.get("stratum") or "").strip().casefold():
        if stratum in STRATA:
            row["stratum"] = stratum
        else:
            near = difflib.get_close_matches(stratum, STRATA, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(STRATA)}."
            warnings.append(f"Line {line}: the stratum {stratum!r} is not known and is left out; {hint}")
    return row


def _listed(value: Any, table: bool) -> list[str]:
    if isinstance(value, str):
        text = value.strip()
        if table and text.startswith("["):
            value = _json(text)
        elif table:
            value = re.split(r"\s*[;|]\s*", text)
        else:
            value = [text]
    if isinstance(value, (list, tuple)):
        return [str(one).strip() for one in value if str(one).strip()]
    return [] if value is None else [str(value)]


def _answer(values: Mapping[str, Any], table: bool) -> tuple[str, ...] | Problem | None:
    """Accepted answers; None: not answerable; (): not given."""
    if str(values.get("answerable", "")).strip().casefold() in _FALSE:
        return None
    if "answer" not in values:
        return ()
    value = values["answer"]
    if isinstance(value, str) and table:
        text = value.strip()
        if text.casefold() in _NULL:
            return None
        value = _json(text) if text.startswith("[") else re.split(r"\s+\|\s+", text)
    if value is None:
        return () if table else None
    if isinstance(value, Mapping):
        return Problem(0, "the answer is an object; give a text, a list of texts, or null")
    several = value if isinstance(value, (list, tuple)) else [value]
    if several and all(one is None for one in several):
        return None
    if any(isinstance(one, (Mapping, list)) for one in several):
        return Problem(0, "the answer is a list of objects; give texts")
    return tuple(text for one in several if one is not None and (text := str(one).strip()))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return [text]


def to_questions(file: QuestionFile) -> tuple[list[Question], list[Removed], list[str]]:
    """Each row once, with an id of its own; the stratum is "other" where the row has none."""
    found: dict[str, Question] = {}
    asked: dict[str, Question] = {}
    removed: list[Removed] = []
    warnings = list(file.warnings)
    renamed = 0
    for row in file.questions:
        name = row.get("id") or f"q{row['line']}"
        answer = row.get("answer", ())
        question = Question(
            id=name,
            question=row["question"],
            answer=None if answer is None else tuple(answer),
            stratum=cast("Stratum", row.get("stratum", "other")),
            documents=tuple(row.get("documents", ())),
            pages=tuple(row.get("pages", ())),
            passages=tuple(row.get("passages", ())),
            kind=row.get("kind", ""),
            terms=tuple(row.get("terms", ())),
            avoid=tuple(row.get("avoid", ())),
            pattern=row.get("pattern", ""),
            language=row.get("language") or detect(row["question"]),
            cluster=row.get("cluster", ""),
            origin=f"file:{file.name}#{row['line']}",
        )
        key = normal(question.question)
        if key in asked:
            other = asked[key]
            reason = "asked twice"
            if _differ(other, question):
                reason = "asked twice, with another answer: only the first one is used"
                warnings.append(
                    f"{name} asks what {other.id} asks and accepts another answer; only {other.id} is used."
                )
            removed.append(
                Removed(
                    id=name, question=question.question, reason=reason, beside=f"{other.id}: {other.question}"
                )
            )
            continue
        if name in found:
            renamed += 1
            number = 2
            while f"{name}#{number}" in found:
                number += 1
            question = replace(question, id=f"{name}#{number}")
        asked[key] = found[question.id] = question
    if renamed:
        warnings.append(f"{renamed} ids were used more than once; the later ones got #2, #3 … behind them.")
    return list(found.values()), removed, warnings


def _differ(one: Question, other: Question) -> bool:
    if one.answer is None or other.answer is None:
        return (one.answer is None) != (other.answer is None)
    asked = normal(one.question)
    return bool(one.answer and other.answer) and all(
        disagree(asked, normal(a), normal(b)) for a in one.answer for b in other.answer
    )
