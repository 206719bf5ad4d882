"""What kind of question each one is: of trained documents, indexed ones, changed ones, of style …

It is told from what the adapter was trained on (its card and its dataset) and from the documents of the
index now. Promises: a stratum that the question itself names stands; nothing is guessed from the words of
a question: without a gold document it is "other".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from loresmith.answering import facts
from loresmith.dataset import store as datasets
from loresmith.dataset.example import Dataset, Example
from loresmith.errors import DatasetError
from loresmith.evaluation import metrics
from loresmith.evaluation.comparison.values import Question, Stratum
from loresmith.language import detect
from loresmith.state import DocumentInfo, State
from loresmith.training.adapters import Adapter
from loresmith.workspace import WorkspaceDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What an adapter was trained on.

    Attributes:
        documents: those that a training row rests on.
        versions: of every document there was then, as far as it was recorded.
        whole: `versions` names every document of then, so that one it does not name came later.
        created: when it was trained, seconds since the epoch; None where the card does not say.
        train: its training rows; None where its dataset is gone.
    """

    documents: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    created: float | None = None
    train: tuple[Example, ...] | None = None
    dataset: Dataset | None = None


def taught(folder: WorkspaceDir, adapter: Adapter | None, warnings: list[str]) -> Taught:
    """What `adapter` learned from; what cannot be found out goes to `warnings`."""
    if adapter is None:
        return Taught()
    said: Mapping[str, Any] = adapter.card.get("dataset") or {}
    versions = dict(said.get("documents") or {})
    created = _time(adapter.card.get("created"))
    try:
        dataset = datasets.load(folder.datasets_dir, str(said["id"]))
        corpus = datasets.manifest(folder.datasets_dir, dataset.id).get("corpus")
    except (DatasetError, KeyError):
        warnings.append(
            f"The dataset of the adapter {adapter.id} is not here any more: what it was trained on is known "
            "from its card only, and leaks from its training rows cannot be looked for."
        )
        return Taught(documents=frozenset(versions), versions=versions, created=created)
    return Taught(
        documents=frozenset(d for row in dataset.train for d in row.documents),
        versions={**versions, **(corpus or {})},
        whole=corpus is not None,
        created=created,
        train=dataset.train,
        dataset=dataset,
    )


def _time(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def assign(questions: Sequence[Question], known: Taught, documents: Sequence[DocumentInfo]) -> list[Question]:
    """Each question in its stratum, its gold documents by their ids where they can be found."""
    now = {info.id: info for info in documents}
    out = []
    for question in questions:
        gold = resolve(question.documents, now)
        stratum = question.stratum if question.stratum != "other" else _stratum(question, gold, known, now)
        out.append(replace(question, stratum=stratum))
    return out


def resolve(gold: Sequence[str], documents: Mapping[str, DocumentInfo]) -> list[str]:
    """Ids of the documents of the index that gold names or that its patterns match."""
    return [name for name in documents if metrics.named(name, gold)] if gold else []


def _stratum(
    question: Question, gold: Sequence[str], known: Taught, now: Mapping[str, DocumentInfo]
) -> Stratum:
    if question.answer is None:
        return "unanswerable"
    if question.terms or question.avoid or question.pattern:
        return "style"
    if not gold:
        return "other"
    if known.versions and any(_changed(now[name], known) for name in gold):
        return "changed"
    return "trained" if any(name in known.documents for name in gold) else "indexed"


def _changed(info: DocumentInfo, known: Taught) -> bool:
    """Whether a document is another one than at training, or was not there yet."""
    before = known.versions.get(info.id)
    if before is not None:
        return before != info.version
    if known.whole:
        return True
    return known.created is not None and info.modified is not None and info.modified > known.created


def absent(questions: Sequence[Question], documents: Sequence[DocumentInfo]) -> dict[str, list[str]]:
    """Answerable questions with gold documents of which none is in the index."""
    now = {info.id: info for info in documents}
    return {
        q.id: list(q.documents)
        for q in questions
        if q.answer is not None and q.documents and not resolve(q.documents, now)
    }


def gold_unseen(questions: Sequence[Question], state: State) -> list[str]:
    """Questions of which no accepted answer stands in their gold documents: the answer key may be wrong.

    Only questions of a file are looked at; built ones are proved when they are made.
    """
    now = {info.id: info for info in state.infos()}
    texts: dict[str, str] = {}
    found = []
    for question in questions:
        gold = resolve(question.documents, now)
        if not question.answer or not gold or not question.origin.startswith("file:"):
            continue
        for name in gold:
            if name not in texts:
                texts[name] = state.document(name).text
        text = "\n".join(texts[name] for name in gold)
        foreign = any(now[name].language not in ("", _language(question)) for name in gold)
        if not any(_stands(answer, text, foreign) for answer in question.answer):
            found.append(question.id)
    return found


def _language(question: Question) -> str:
    return question.language or detect(question.question)


def _stands(answer: str, text: str, foreign: bool) -> bool:
    share = metrics.numeric_recall(text, answer)
    if share is not None:
        return share > 0
    if facts.codes(answer):
        return bool(facts.codes(answer) & facts.codes(text))
    return foreign or metrics.token_recall(text, answer) >= 0.5
