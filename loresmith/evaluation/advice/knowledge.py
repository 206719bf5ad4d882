"""How much of what stands in the documents the base model knows without them: a few questions of the
current dataset, asked of the model alone.

Promises: judged as strictly as a comparison judges; one question a fact, the same ones for the same
seed; nothing is trained on what is asked here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from loresmith.dataset import store
from loresmith.dataset.example import Dataset, Example
from loresmith.errors import DatasetError
from loresmith.evaluation.comparison import scores
from loresmith.expert import Workspace
from loresmith.types import Progress

QUESTIONS = 30


@dataclass(frozen=True, slots=True)
class Known:
    """`right` of `asked` questions."""

    right: int
    asked: int

    @property
    def share(self) -> float:
        return self.right / self.asked


def ask_base(workspace: Workspace, progress: Progress, *, number: int = QUESTIONS, seed: int = 0) -> Known:
    """Ask the base model up to `number` questions whose answers the current dataset holds.

    Raises:
        DatasetError: there is no dataset, or none of its rows asks for a fact.
        ModelError: there is no language model.
    """
    rows = choose(store.load(workspace.folder.datasets_dir), number, seed)
    if not rows:
        raise DatasetError(
            "No row of the dataset asks for a fact.", "Run `loresmith dataset build`, or leave out --probe."
        )
    expert = workspace.expert(progress)
    right = 0
    for done, row in enumerate(rows):
        progress("questions to the model alone", done, len(rows))
        said = expert.ask(row.question, arm="base")
        gold = (row.value,) if row.value else (row.answer,)
        right += not said.abstained and scores.right(row.question, said.answer, gold)
    progress("questions to the model alone", len(rows), len(rows))
    return Known(right, len(rows))


def choose(dataset: Dataset, number: int, seed: int) -> list[Example]:
    """Rows that ask for a fact without passages: one a fact, spread by chance."""
    found: dict[str, Example] = {}
    rows = [
        row for rows in dataset.splits().values() for row in rows if row.kind == "closed" and row.question
    ]
    for row in sorted(rows, key=lambda row: _drawn(seed, row.id)):
        found.setdefault(row.fact or row.id, row)
    return list(found.values())[:number]


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
