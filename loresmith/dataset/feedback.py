"""What people say about answers, and the examples that follow from it.

    approved    the answer is right: it is taught
    corrected   another answer is right: that one is taught
    rejected    the answer is wrong: it is taught no longer, wherever else it comes from

Of a passage only its place is kept; the text is read from the document when it is needed. So a
document that is gone takes its text along, and an approval falls with the passage it rests on.
Promises: the latest verdict on a question counts; a correction is taught with passages only where
they prove it, as they must prove an answer. Of an answer from tables the question with its query is
taught, never the figure, which is another one tomorrow; a correction may be the right query itself.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from loresmith.answering import prompt, unaided
from loresmith.answering.evidence import gather, parse_question
from loresmith.answering.generate import abstention
from loresmith.answering.sentences import split
from loresmith.answering.verify import verify
from loresmith.dataset import queries
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example
from loresmith.dataset.formats import Rejected
from loresmith.dataset.lengths import estimate
from loresmith.errors import UsageError
from loresmith.language import detect
from loresmith.state import DocumentInfo, FeedbackRow, State, learning
from loresmith.types import Document, Hit, Locator, Message, Passage
from loresmith.workspace import WorkspaceDir

Verdict = Literal["approved", "corrected", "rejected"]

_TOKENS = 800  # of a prompt with passages: retrieval.context_tokens and what stands beside them


def record(
    workspace: WorkspaceDir,
    question: str,
    answer: str,
    verdict: Verdict,
    *,
    correction: str = "",
    passages: Sequence[Passage] = (),
    cited: Sequence[str] = (),
    labels: Sequence[str] = (),
    abstained: bool = False,
    model: str = "",
    sql: str = "",
) -> str:
    """Keep a verdict; returns its id. The same one given again is kept once.

    Args:
        passages: what the answer was given from, the best first.
        cited: ids of those that prove it; "" of an abstention.
        abstained: the answer was that the documents do not say.
        sql: the query that the answer rests on, where it came from tables.

    Raises:
        UsageError: something is missing or does not go together.
    """
    question, answer, correction = validated(question, answer, verdict, correction)
    proofs = set(cited)
    payload: dict[str, Any] = {
        "question": question,
        "answer": answer,
        "verdict": verdict,
        "correction": correction,
        "abstained": abstained,
        "passages": [_placed(passage) for passage in passages],
        "cited": list(cited),
        "labels": sorted({*labels, *(label for p in passages if p.id in proofs for label in p.labels)}),
        "model": model,
        "sql": sql,
    }
    key = hashlib.sha256(
        "\0".join((question, answer, verdict, correction)).encode(errors="replace")
    ).hexdigest()
    with State.open(workspace.state_path) as state:
        learning.put_feedback(state, FeedbackRow(key[:16], payload, time.time()))
    return key[:16]


def validated(question: str, answer: str, verdict: str, correction: str) -> tuple[str, str, str]:
    """Question, answer and correction without outer white space.

    Raises:
        UsageError: something is missing or does not go together.
    """
    question, answer, correction = question.strip(), answer.strip(), correction.strip()
    if verdict not in get_args(Verdict):
        raise UsageError(f"{verdict!r} is no verdict.", f"One of: {', '.join(get_args(Verdict))}.")
    if not question:
        raise UsageError("Feedback without a question.", "Give the question that was asked.")
    if verdict == "corrected" and not correction:
        raise UsageError("A correction without the right answer.", "Give the answer that is right.")
    if verdict != "corrected" and correction:
        raise UsageError(f"A correction with the verdict {verdict}.", "Its verdict is: corrected.")
    if verdict != "corrected" and not answer:
        raise UsageError("Feedback without the answer it is about.", "Give the answer that was seen.")
    return question, answer, correction


def _placed(passage: Passage) -> dict[str, Any]:
    return {
        "id": passage.id,
        "document": passage.document,
        "start": passage.locator.start,
        "end": passage.locator.end,
        "title": passage.title,
        "heading": list(passage.heading),
        "context": passage.context,
    }


@dataclass(frozen=True, slots=True)
class Lessons:
    """What feedback comes to.

    Attributes:
        wrong: (question, answer), normal forms, that a person called wrong.
        unused: verdicts that teach nothing any more, with the reason.
        refused: question (normal form) -> queries that a person called wrong.
    """

    examples: list[Example]
    wrong: frozenset[tuple[str, str]]
    unused: list[Rejected]
    refused: Mapping[str, frozenset[str]] = field(default_factory=dict)


def examples(state: State) -> list[Example]:
    """The examples that follow from all feedback."""
    return lessons(state).examples


def lessons(state: State) -> Lessons:
    """The examples, and what else follows from all feedback."""
    latest: dict[str, FeedbackRow] = {}
    wrong: dict[str, set[str]] = {}
    refused: dict[str, set[str]] = {}
    for row in learning.feedback(state):
        question = normal(row.payload["question"])
        latest[question] = row
        answers = wrong.setdefault(question, set())
        if row.payload["verdict"] == "approved":
            answers.discard(normal(row.payload["answer"]))
        elif row.payload["answer"]:
            answers.add(normal(row.payload["answer"]))
        if sql := _query(row.payload["answer"], row.payload):
            queried = refused.setdefault(question, set())
            (queried.discard if row.payload["verdict"] == "approved" else queried.add)(sql)
    infos = {info.id: info for info in state.infos()}
    texts: dict[str, Document] = {}
    found: list[Example] = []
    unused: list[Rejected] = []
    for row in latest.values():
        if row.payload["verdict"] == "rejected":
            continue
        made = _examples(state, row, infos, texts)
        if isinstance(made, str):
            unused.append(Rejected(row.id, made, where=f"feedback:{row.id}"))
        else:
            found += made
    pairs = frozenset((q, a) for q, answers in wrong.items() for a in answers)
    return Lessons(found, pairs, unused, {q: frozenset(several) for q, several in refused.items() if several})


def _examples(
    state: State, row: FeedbackRow, infos: Mapping[str, DocumentInfo], texts: dict[str, Document]
) -> list[Example] | str:
    said = row.payload
    question, language = said["question"], detect(said["question"])
    if sql := _taught_query(said):
        place = f"feedback:{row.id}"
        return [
            queries.pair(
                question, sql, origin=place, fact=place, labels=tuple(said["labels"]), language=language
            )
        ]
    cited = set(said["cited"])
    passages = [_passage(state, raw, infos, texts) for raw in said["passages"]]
    proofs = [p for raw, p in zip(said["passages"], passages, strict=True) if raw["id"] in cited]
    corrected = said["verdict"] == "corrected"
    gone = [
        raw["document"] for raw in said["passages"] if raw["id"] in cited and raw["document"] not in infos
    ]
    if gone:
        return f"document gone: {gone[0]}"
    if not corrected and None in proofs:
        return "document changed: what the approved answer rests on no longer stands there"
    whole = [p for p in passages if p is not None]
    proved = [p for p in proofs if p is not None]
    documents = tuple(dict.fromkeys(p.document for p in proved))
    base = Example(
        messages=(),
        kind="closed",
        question=question,
        documents=documents,
        passages=tuple(p.id for p in proved),
        fact=f"feedback:{row.id}",
        origin=f"feedback:{row.id}",
        labels=tuple(
            sorted({*said["labels"], *(label for p in whole for label in infos[p.document].labels)})
        ),
        language=language,
    )
    answer = said["correction"] if corrected else said["answer"]
    read = _read(question, proved, whole)
    if said["abstained"] and not corrected:
        if not read:
            return "no passages: an abstention without what was read teaches nothing"
        return [_grounded(base, read, abstention(language), "abstain", language)]
    own = Message(role="assistant", content=answer)
    out = [replace(base, messages=(*unaided.messages(question), own))]
    if read and (not corrected or _proves(question, answer, read, language)):
        out.append(_grounded(base, read, answer, "grounded", language))
    return out


def _query(answer: str, said: Mapping[str, Any]) -> str:
    """The query that was judged: the answer's, or the answer itself, as when a row is reviewed."""
    return said.get("sql") or (answer if queries.is_query(answer) else "")


def _taught_query(said: Mapping[str, Any]) -> str:
    """The query that follows from a verdict, "" where it teaches an answer."""
    if said["verdict"] == "corrected":
        return said["correction"] if queries.is_query(said["correction"]) else ""
    return _query(said["answer"], said)


def _read(question: str, proved: Sequence[Passage], whole: Sequence[Passage]) -> list[Hit]:
    """The passages for the prompt: those that prove the answer, then others while there is room."""
    chosen: list[Hit] = []
    known = {p.id: p for p in (*proved, *whole)}
    for rank, passage in enumerate(known.values(), 1):
        more = [*chosen, Hit(passage=passage, rank=rank, score=0.0)]
        if chosen and estimate(prompt.messages(question, more)) > _TOKENS:
            break
        chosen = more
    return chosen


def _grounded(
    base: Example, read: Sequence[Hit], answer: str, kind: Literal["grounded", "abstain"], language: str
) -> Example:
    asked = prompt.messages(base.question, read, language=language)
    said = Message(role="assistant", content=answer)
    passages = base.passages if kind == "grounded" else ()
    labels = tuple(sorted({*base.labels, *(label for hit in read for label in hit.passage.labels)}))
    return replace(base, messages=(*asked, said), kind=kind, passages=passages, labels=labels)


def _proves(question: str, answer: str, read: Sequence[Hit], language: str) -> bool:
    asked, pieces = parse_question(question, language=language), gather(read)
    return all(
        not isinstance(verify(sentence, asked, pieces, lambda passage, start, end: Locator()), str)
        for sentence in split(answer)
    )


def _passage(
    state: State, raw: Mapping[str, Any], infos: Mapping[str, DocumentInfo], texts: dict[str, Document]
) -> Passage | None:
    """The passage as the document has it now; None where it no longer stands there."""
    name, start, end = raw["document"], raw["start"], raw["end"]
    if name not in infos or start is None:
        return None
    if name not in texts:
        texts[name] = state.document(name)
    text = texts[name].text[start:end]
    if hashlib.sha256(f"{name}\0{start}\0{end}\0{text}".encode()).hexdigest()[:32] != raw["id"]:
        return None
    return Passage(
        id=raw["id"],
        document=name,
        ordinal=0,
        text=text,
        locator=Locator(start=start, end=end),
        title=raw["title"],
        heading=tuple(raw["heading"]),
        context=raw["context"],
        labels=infos[name].labels,
    )
