"""From a question file, or from what was kept out of training, to the questions that are asked.

    rows -> one of each -> stratum -> without leaks -> even sample -> with general ability

Promises: what is left out is counted and named; the same workspace, file, limit and seed give the same
questions in the same order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.resources import files

from loresmith.evaluation.comparison import heldout, leakage, strata
from loresmith.evaluation.comparison.questions import Prepared, QuestionFile, Removed, to_questions
from loresmith.evaluation.comparison.strata import Taught
from loresmith.evaluation.comparison.values import Question
from loresmith.expert import Workspace
from loresmith.state import DocumentInfo, State
from loresmith.training import access
from loresmith.training.adapters import Adapter
from loresmith.types import Progress

FEW = 30
"""Below so many scored questions little can be told apart."""

HELD_OUT = 200
"""Held-out questions that are asked where no limit is given: ±6.9 points at 60 %."""

_FEWEST_GENERAL = 10


def prepare(
    workspace: Workspace,
    file: QuestionFile | None = None,
    *,
    adapter: Adapter | None = None,
    limit: int | None = None,
    seed: int = 0,
    general: bool = True,
    progress: Progress = lambda stage, done, total: None,
) -> Prepared:
    """The questions to ask.

    Args:
        file: the user's; None builds them from the test split of the adapter's (else the current) dataset.
        limit: at most so many, evenly over the strata; the general ones come beside them.
        general: ask questions of general ability too, of base and tuned (only with an adapter).

    Raises:
        DatasetError: there is neither a file nor a dataset, or nothing is left to ask.
    """
    folder = workspace.folder
    warnings: list[str] = []
    known = strata.taught(folder, adapter, warnings)
    with State.open(folder.state_path) as state:
        infos = state.infos()
        if file is not None:
            questions, removed, told = to_questions(file)
            warnings += told + [f"Line {p.line} is left out: {p.reason}." for p in file.problems]
            questions = strata.assign(questions, known, infos)
            source = f"{file.name} ({file.kind})"
        else:
            built = heldout.build(workspace, known, infos)
            questions, removed, source = built.questions, list(built.removed), built.source
            warnings += built.warnings
            limit = HELD_OUT if limit is None else limit
        if known.train is not None:
            embedder = workspace.embedder(progress) if questions else None
            leaks = leakage.find(
                questions,
                known.train,
                embedder,
                lambda done, total: progress("looking for leaks", done, total),
            )
            gone = {leak.id for leak in leaks}
            questions = [q for q in questions if q.id not in gone]
            removed += leaks
        heldout.check_left(questions, removed, source)
        chosen = sample(questions, limit, seed)
        if len(chosen) < len(questions):
            warnings.append(
                f"{len(chosen)} of {len(questions)} questions are asked, evenly over the strata; "
                "--limit N takes more."
            )
        checks = {"absent": strata.absent(chosen, infos), "gold_unseen": strata.gold_unseen(chosen, state)}
    warnings += _said(chosen, removed, known, adapter, infos)
    if general and adapter is not None:
        chosen += shipped(max(_FEWEST_GENERAL, len(chosen)), seed)
    return Prepared(
        questions=chosen,
        removed=removed,
        warnings=warnings,
        source=source,
        checks=checks,
        spare=len(questions) - len(chosen),
    )


def sample(questions: Sequence[Question], limit: int | None, seed: int) -> list[Question]:
    """At most `limit` questions, from each stratum its share (at least one), in their order."""
    if limit is None or limit >= len(questions):
        return list(questions)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.stratum].append(question)
    shares = {name: limit * len(held) / len(questions) for name, held in groups.items()}
    counts = {name: max(1, int(share)) for name, share in shares.items()}
    for name in sorted(shares, key=lambda n: (int(shares[n]) - shares[n], n)):
        if sum(counts.values()) < limit and counts[name] < len(groups[name]):
            counts[name] += 1
    kept = {
        q.id
        for name, held in groups.items()
        for q in sorted(held, key=lambda q: _drawn(seed, q.id))[: counts[name]]
    }
    chosen = [q for q in questions if q.id in kept]
    return chosen[:limit]


def shipped(number: int, seed: int) -> list[Question]:
    """Questions of general ability, at most `number` of them."""
    text = files("loresmith.evaluation").joinpath("data/general.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    questions = [
        Question(
            id=row["id"],
            question=row["question"],
            answer=tuple(row["answer"]),
            stratum="general",
            kind=row["kind"],
            language="en",
            origin="shipped:general",
        )
        for row in rows
    ]
    return sample(questions, number, seed)


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


def _said(
    questions: Sequence[Question],
    removed: Sequence[Removed],
    known: Taught,
    adapter: Adapter | None,
    infos: Sequence[DocumentInfo],
) -> list[str]:
    """What a reader of the report must know about these questions."""
    said = []
    leaks = sum(r.reason.startswith("leak") for r in removed)
    if leaks:
        said.append(f"{leaks} questions were taken out because the adapter was trained on them.")
    scored = sum(q.answer is None or bool(q.answer) for q in questions)
    unknown = [q for q in questions if q.answer == () and not (q.terms or q.avoid or q.pattern)]
    if unknown:
        said.append(
            f"{len(unknown)} questions have no accepted answer ({unknown[0].id} …): they are asked, but "
            "count in latency and refusals only. Add `answer`, or null where the documents do not say."
        )
    if scored < FEW:
        said.append(
            f"{scored} questions with a known answer: too few to tell arms apart unless they differ widely."
        )
    clusters = Counter(q.cluster for q in questions if q.cluster)
    if any(n > 1 for n in clusters.values()):
        said.append(
            "Questions about one fact are drawn together by the statistics: they are not independent."
        )
    if adapter is not None:
        old = access.outdated(adapter, infos)
        if old:
            said.append(
                f"{len(old)} documents that the adapter {adapter.id} was trained on are changed or gone "
                f"since ({', '.join(old[:3])}{' …' if len(old) > 3 else ''}); questions about them are in "
                "the stratum changed."
            )
    return said
