"""How many tokens a dataset's rows have, without loading a model, and how they are packed.

A folder's tokenizer.json counts exactly but for the chat template's tags; for a GGUF file, or where no
tokenizer is at hand, characters stand for tokens, and the result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loresmith.dataset.example import Example
from loresmith.training import packing
from loresmith.training.planning.shapes import Architecture
from loresmith.training.values import Recipe, Row

CHARACTERS_A_TOKEN = 3.3
"""Of technical prose and tables in the tokenizers of small models; they differ by a fifth."""

TAGS_A_TURN = 6
"""Tokens that a chat template puts around one message."""


# What is assumed where there is no dataset: rows, tokens of each, share that carries loss.
USUAL_ROWS, USUAL_LENGTH, USUAL_LEARNED = 1000, 300, 0.2


STEPS_LOOKED_AT = 500
"""Steps among which the one with the largest micro-batch is looked for."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of each training row. `estimated`: counted in characters, or not counted at all."""

    values: tuple[int, ...]
    learned: float = USUAL_LEARNED
    estimated: bool = False
    source: str = ""

    @property
    def tokens(self) -> int:
        return sum(self.values)


USUAL = Lengths((USUAL_LENGTH,) * USUAL_ROWS, estimated=True, source="assumed: no dataset was named")


def of(examples: Sequence[Example], model: Architecture, source: str) -> Lengths:
    """Tokens of each example as `model` would see it.

    Args:
        source: what the examples are, for the plan ("dataset 1a2b3c").
    """
    count, exact = _counter(model)
    lengths: list[int] = []
    learned = 0
    for example in examples:
        turns = [(m["role"], count(m["content"]) + TAGS_A_TURN) for m in example.messages]
        lengths.append(sum(size for _, size in turns))
        learned += sum(size for role, size in turns if role == "assistant")
    share = learned / sum(lengths) if lengths else USUAL_LEARNED
    how = "" if exact else "estimated from the characters of "
    return Lengths(tuple(lengths), share, estimated=not exact, source=f"{how}{source}")


def _counter(model: Architecture) -> tuple[Callable[[str], int], bool]:
    place = Path(model.origin) / "tokenizer.json"
    if not place.is_file():
        return (lambda text: max(1, round(len(text) / CHARACTERS_A_TOKEN))), False
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(place))
    return (lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)), True


def random_rows(lengths: Sequence[int], learned: float, vocabulary: int) -> list[Row]:
    """Rows of these lengths with tokens that mean nothing; the last share of each carries loss."""
    random = np.random.default_rng(0)
    rows = []
    for length in lengths:
        loss = np.zeros(length, np.bool_)
        loss[length - max(1, round(learned * length)) :] = True
        rows.append(Row(random.integers(0, vocabulary, length).astype(np.int32), loss))
    return rows


def largest_step(rows: Sequence[Row], recipe: Recipe) -> tuple[list[Row], int]:
    """The rows of the optimiser step whose micro-batch is the largest of the run's beginning, and the
    tokens of that micro-batch."""
    best: tuple[list[Row], int] = ([], 0)
    steps = packing.steps(rows, batch_tokens=recipe.batch_tokens, seed=recipe.seed, epoch=0)
    for members in steps[:STEPS_LOOKED_AT]:
        chosen = [rows[i] for i in members]
        packed = packing.batch(chosen, micro_tokens=recipe.micro_tokens)
        size = max(len(micro.ids) for micro in packed.micros)
        if size > best[1]:
            best = chosen, size
    return best


def largest_micro(rows: Lengths, recipe: Recipe) -> int:
    """Tokens of the largest micro-batch of the run's beginning."""
    blank = [Row(np.zeros(n, np.int32), np.zeros(n, np.bool_)) for n in rows.values]
    return largest_step(blank, recipe)[1]
