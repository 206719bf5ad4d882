"""Rows to batches: shuffled, cut into optimiser steps, packed end to end without padding.

    rows -> batches of about `batch_tokens` -> micro-batches of at most `micro_tokens`, shared out

Promises: the same rows, seed and epoch give the same batches on every machine; which rows make up a
step depends neither on `micro_tokens` nor on the number of processes, so that smaller micro-batches
or more processes give the same gradients; positions begin at 0 in each row, and attention never
reaches into the row before (`MicroBatch.starts`); the place in an epoch is one number, the step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loresmith.training.values import Row

MULTIPLE = 64
"""Tokens of a forward pass on a CPU come in multiples of this (`MicroBatch.filled`)."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows behind each other in one sequence.

    Attributes:
        ids, positions: shape (tokens,), int64; positions begin at 0 in each row.
        starts: shape (rows + 1,), int32: where each row begins, and the end.
        sources: positions in `ids` whose next token carries loss; targets: those next tokens.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]

    def filled(self, multiple: int) -> MicroBatch:
        """This one with a last row that nothing is learned from, up to the next multiple of tokens.

        On a CPU every new length makes new kernels and new holes in the heap: few lengths keep the
        memory of a long run where it was after its first steps (1.46 GB instead of 1.71 and growing,
        smollm2-135m, 40 steps), for no more time.
        """
        missing = -len(self.ids) % multiple
        if not missing:
            return self
        return replace(
            self,
            ids=np.concatenate([self.ids, np.full(missing, self.ids[0])]),
            positions=np.concatenate([self.positions, np.arange(missing)]),
            starts=np.append(self.starts, self.starts[-1] + missing).astype(np.int32),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """One optimiser step: this process's micro-batches, and what all processes have together."""

    micros: tuple[MicroBatch, ...]
    tokens: int
    targets: int


def epoch(
    rows: Sequence[Row],
    *,
    micro_tokens: int,
    batch_tokens: int,
    seed: int,
    epoch: int,
    world: int = 1,
    rank: int = 0,
    start: int = 0,
) -> Iterator[Batch]:
    """The optimiser batches of one pass over `rows`, from step `start` of this pass on."""
    for members in steps(rows, batch_tokens=batch_tokens, seed=seed, epoch=epoch)[start:]:
        yield batch([rows[i] for i in members], micro_tokens=micro_tokens, world=world, rank=rank)


def steps(rows: Sequence[Row], *, batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Row numbers of each optimiser step of one pass; every row is in exactly one of them.

    Steps hold about equally many tokens, at most one row more than `batch_tokens`.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(rows))
    lengths = np.array([len(rows[i].ids) for i in order], np.int64)
    total = int(lengths.sum())
    count = max(1, round(total / batch_tokens))
    # Cut by running total, so that the last step is no remnant with a noisy gradient.
    before = np.cumsum(lengths) - lengths
    number = np.minimum(before * count // max(1, total), count - 1)
    bounds = np.flatnonzero(np.diff(number)) + 1
    return [part.tolist() for part in np.split(order, bounds) if len(part)]


def batch(rows: Sequence[Row], *, micro_tokens: int, world: int = 1, rank: int = 0) -> Batch:
    """The rows of one step, packed; a row longer than `micro_tokens` has a micro-batch of its own.

    Every process has equally many micro-batches, since sharded weights are gathered by all at once;
    what is missing is the shortest row, with no target.
    """
    bins = _packed([len(row.ids) for row in rows], micro_tokens)
    shares = _shares(bins, rows, world)
    micros = [_micro([rows[i] for i in members]) for members in shares[rank]]
    for _ in range(max(map(len, shares)) - len(micros)):
        shortest = min(rows, key=lambda row: len(row.ids))
        micros.append(_micro([replace(shortest, loss=np.zeros_like(shortest.loss))]))
    return Batch(
        tuple(micros),
        sum(len(row.ids) for row in rows),
        # A row's first token is predicted by nothing.
        sum(int(row.loss[1:].sum()) for row in rows),
    )


def digest(rows: Sequence[Row]) -> str:
    """sha256 of the tokens and what is learned of them."""
    seen = hashlib.sha256()
    for row in rows:
        seen.update(row.ids.tobytes() + row.loss.tobytes())
    return seen.hexdigest()


def _packed(lengths: Sequence[int], room: int) -> list[list[int]]:
    """First fit, longest first: at most 11/9 of the fewest possible bins (Johnson 1973)."""
    bins: list[list[int]] = []
    left: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        place = next((b for b, free in enumerate(left) if free >= lengths[i]), None)
        if place is None:
            bins.append([i])
            left.append(room - lengths[i])
        else:
            bins[place].append(i)
            left[place] -= lengths[i]
    return bins


def _shares(bins: list[list[int]], rows: Sequence[Row], world: int) -> list[list[list[int]]]:
    """Bins for each process, the loads as even as longest-first makes them."""
    shares: list[list[list[int]]] = [[] for _ in range(world)]
    loads = [0] * world
    sizes = [sum(len(rows[i].ids) for i in members) for members in bins]
    for b in sorted(range(len(bins)), key=lambda b: (-sizes[b], b)):
        least = loads.index(min(loads))
        shares[least].append(bins[b])
        loads[least] += sizes[b]
    return shares


def _micro(rows: Sequence[Row]) -> MicroBatch:
    lengths = np.array([len(row.ids) for row in rows])
    starts = np.concatenate(([0], np.cumsum(lengths)))
    ids = np.concatenate([row.ids for row in rows]).astype(np.int64)
    learned = np.concatenate([row.loss for row in rows])
    learned[starts[:-1]] = False
    targets = np.flatnonzero(learned)
    return MicroBatch(
        ids,
        np.arange(len(ids)) - np.repeat(starts[:-1], lengths),
        starts.astype(np.int32),
        targets - 1,
        ids[targets],
    )
