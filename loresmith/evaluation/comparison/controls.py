"""The two arms that never win, and tell why another one does.

    oracle   the base model reads the passages that hold the answer, and asks no table: what perfect
             retrieval would give
    format   the base model is shown four questions with answers as the adapter was taught to write them:
             how much of tuning is style

Promises: both are the base model, asked by the same prompts as base and rag, the oracle of nothing but
its passages; no test question is ever
shown as an example.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from loresmith.answering.generate import refuses
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example
from loresmith.evaluation.comparison.strata import resolve
from loresmith.evaluation.comparison.values import Question
from loresmith.expert import Expert
from loresmith.state import DocumentInfo
from loresmith.types import Filter, Hit

SHOTS = 4

_WIDELY = 50
_LONGEST = 400


def gold_hits(expert: Expert, question: Question, documents: dict[str, DocumentInfo]) -> list[Hit] | None:
    """The passages of the gold documents, on the gold pages and with the gold ids first; empty where
    none of the documents is there, None where nobody says which they are (search as rag does)."""
    if question.answer is None or not question.documents:
        return None
    gold = resolve(question.documents, documents)
    if not gold:
        return []
    found = expert.search(question.question, _WIDELY, where=Filter(documents=tuple(gold)))

    def order(hit: Hit) -> tuple[bool, bool, int]:
        known = hit.passage.id in question.passages
        return (not known, hit.passage.locator.page not in question.pages, hit.rank)

    held = {hit.passage.id for hit in found}
    missing = expert.passages([name for name in question.passages if name not in held])
    found += [Hit(passage=p, rank=_WIDELY, score=found[0].score if found else 1.0) for p in missing]
    best = [hit for hit in found if hit.passage.id in question.passages]
    paged = [hit for hit in found if hit.passage.locator.page in question.pages]
    chosen = best or sorted(paged, key=order) or sorted(found, key=order)
    return [replace(hit, rank=rank) for rank, hit in enumerate(chosen[: expert.k], 1)]


def shots(train: Sequence[Example], questions: Sequence[Question], seed: int) -> list[tuple[str, str]]:
    """Questions with answers from the training rows, of as many documents as there are."""
    asked = {normal(q.question) for q in questions}
    facts = {q.cluster for q in questions if q.cluster}
    rows = sorted(
        (
            row
            for row in train
            if row.kind == "closed"
            and len(row.answer) <= _LONGEST
            and not refuses(row.answer)
            and normal(row.question) not in asked
            and row.fact not in facts
        ),
        key=lambda row: hashlib.sha256(f"{seed}\0{row.id}".encode()).digest(),
    )
    chosen: list[Example] = []
    used: set[str] = set()
    for fresh in (True, False):
        for row in rows:
            place = row.documents[0] if row.documents else row.fact or row.id
            if len(chosen) < SHOTS and row not in chosen and not (fresh and place in used):
                used.add(place)
                chosen.append(row)
    return [(row.question, row.answer) for row in chosen]
