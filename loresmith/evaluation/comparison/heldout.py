"""Questions where the user has none: from the test split of the dataset, which never trained.

    closed rows of held-out documents        -> indexed   (facts the adapter was not taught)
    unseen wordings of facts that it learned -> trained
    rows that nothing in the documents answers -> unanswerable
    a person's questions with their queries  -> tables

The accepted answers are the bare value that the row was made of and, where there is none, its sentence.
Queries that were derived from the tables are none of them: those that code would read wrongly were left
out when they were made, so that they would flatter every arm that asks tables.
Promises: one question a fact; nothing that trained; what cannot be judged strictly (long prose) or whose
document has changed since is left out and counted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from loresmith.dataset import store as datasets
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Dataset, Example
from loresmith.errors import DatasetError
from loresmith.evaluation.comparison.questions import Prepared, Removed
from loresmith.evaluation.comparison.strata import Taught
from loresmith.evaluation.comparison.values import Question, Stratum
from loresmith.evaluation.metrics import tokens
from loresmith.expert import Workspace
from loresmith.state import DocumentInfo

# What is longer is prose, of which no code can say whether an answer is right.
_LONGEST = 12
_FULL_WORDS = 5


def build(workspace: Workspace, known: Taught, infos: Sequence[DocumentInfo]) -> Prepared:
    """The held-out questions, in the order of their facts.

    Raises:
        DatasetError: there is no dataset, or its test split is empty.
    """
    dataset = known.dataset or _current(workspace)
    now = {info.id: info.version for info in infos}
    train_facts = {row.fact for row in dataset.train if row.fact}
    train_documents = {d for row in dataset.train for d in row.documents}
    warnings: list[str] = []
    removed: list[Removed] = []
    groups: dict[tuple[Stratum, str], list[Example]] = defaultdict(list)
    long = 0
    # Datasets of before do not tell a row that nothing answers from one whose passage was taken away.
    marked = any(row.value for row in dataset.train)
    for row in dataset.test:
        place = _stratum(row, train_facts, train_documents)
        if place is None or (row.kind == "abstain" and not marked):
            continue
        if row.kind == "closed" and not _gold(row):
            long += 1
            continue
        groups[place, row.fact or row.id].append(row)
    wanted = _pages(workspace, [row for held in groups.values() for row in held])
    questions = []
    for (stratum, fact), held in sorted(groups.items()):
        row = min(held, key=lambda r: (not _full(r.question), r.id))
        question = _question(row, stratum, fact, dataset, wanted)
        stale = [d for d in row.documents if now.get(d) != (dataset.documents or {}).get(d)]
        if stale:
            reason = f"its document {stale[0]} changed since the question was made"
            removed.append(Removed(id=question.id, question=question.question, reason=reason))
        else:
            questions.append(question)
    if long:
        warnings.append(f"{long} held-out rows are long prose, which no code can judge: not asked.")
    if not any(q.stratum == "unanswerable" for q in questions):
        warnings.append("No held-out question is unanswerable: whether it refuses to guess is not measured.")
    return Prepared(
        questions=questions,
        removed=removed,
        warnings=warnings,
        source=f"held out of training (test split of dataset {dataset.id})",
    )


def check_left(questions: Sequence[Question], removed: Sequence[Removed], source: str) -> None:
    """Something must be left to ask.

    Raises:
        DatasetError: nothing is; the message says why.
    """
    if questions:
        return
    first = f" The first: {removed[0].id}: {removed[0].reason}." if removed else ""
    raise DatasetError(
        f"No question is left to ask ({source}; {len(removed)} taken out).{first}",
        "Give other questions with --questions FILE.",
    )


def _current(workspace: Workspace) -> Dataset:
    place = workspace.folder.datasets_dir
    if datasets.current(place) is None:
        raise DatasetError(
            "There is no question file, and no dataset from which questions were held out.",
            "Give --questions FILE, or run `loresmith dataset build` first.",
        )
    return datasets.load(place)


def _stratum(row: Example, facts: set[str], documents: set[str]) -> Stratum | None:
    if row.kind == "abstain":
        # A row whose right passage was only taken away is answered by the documents.
        return None if row.value or not row.documents else "unanswerable"
    if row.kind == "query":  # whose result is one value: what a list must say, no code can judge
        return "tables" if row.origin.startswith("import:") and row.value else None
    if row.kind != "closed":
        return None
    if row.fact in facts:
        return "trained"
    return "indexed" if row.documents and not documents & set(row.documents) else None


def _gold(row: Example) -> tuple[str, ...]:
    """What is accepted: the value, else a short answer; nothing where neither can be judged."""
    if row.kind == "query":
        return (row.value,)
    asked = set(normal(row.question).split())
    # A question that holds the value itself asks for the other end of the fact.
    if set(normal(row.value).split()) - asked and len(tokens(row.value)) <= _LONGEST:
        return (row.value,)
    own = set(normal(row.answer).split()) - asked
    return (row.answer,) if own and len(own) <= _LONGEST and len(tokens(row.answer)) <= 2 * _LONGEST else ()


def _full(question: str) -> bool:
    """A whole question, which says what it is about, rather than key words."""
    return len(re.findall(r"\w+", question)) >= _FULL_WORDS and question.rstrip()[-1:] in "?.？"


def _pages(workspace: Workspace, rows: Sequence[Example]) -> Mapping[str, int]:
    """Passage id -> its page, where it has one."""
    ids = list(dict.fromkeys(p for row in rows for p in row.passages))
    if not ids:
        return {}
    found = workspace.expert().passages(ids)
    return {p.id: p.locator.page for p in found if p.locator.page is not None}


def _question(
    row: Example, stratum: Stratum, fact: str, dataset: Dataset, pages: Mapping[str, int]
) -> Question:
    kind, _, _ = row.origin.partition(":")
    return Question(
        id=row.id,
        question=row.question,
        answer=None if stratum == "unanswerable" else _gold(row),
        stratum=stratum,
        documents=() if stratum == "unanswerable" else row.documents,
        pages=tuple(dict.fromkeys(pages[p] for p in row.passages if p in pages)),
        passages=() if stratum == "unanswerable" else row.passages,
        kind=kind,
        language=row.language,
        cluster=fact,
        origin=f"dataset:{dataset.id}#{row.id}",
    )
