"""Batches: every row once, the same on every machine, packed without rows seeing each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")

from loresmith.training import packing
from loresmith.training.values import Row


def rows(count=50, longest=90):
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        length = int(random.integers(4, longest))
        loss = np.zeros(length, bool)
        loss[-3:] = True
        made.append(Row(np.full(length, number, np.int32), loss))
    return made


def seen(batches):
    return [sorted(int(i) for m in b.micros for i in m.ids[m.starts[:-1]]) for b in batches]


def test_each_pass_holds_every_row_once_in_another_order():
    made = rows()
    passes = [list(packing.epoch(made, micro_tokens=128, batch_tokens=300, seed=3, epoch=e)) for e in (0, 1)]
    for batches in passes:
        assert sorted(itertools.chain(*seen(batches))) == list(range(50))
    assert seen(passes[0]) != seen(passes[1])


def test_the_same_seed_gives_the_same_batches():
    made = rows()
    once, again = (
        list(packing.epoch(made, micro_tokens=128, batch_tokens=300, seed=3, epoch=0)) for _ in "ab"
    )
    for a, b in zip(once, again, strict=True):
        for x, y in zip(a.micros, b.micros, strict=True):
            assert np.array_equal(x.ids, y.ids)


def test_a_pass_goes_on_from_any_step():
    made = rows()
    options = {"micro_tokens": 128, "batch_tokens": 300, "seed": 3, "epoch": 0}
    whole = seen(packing.epoch(made, **options))
    assert seen(packing.epoch(made, **options, start=4)) == whole[4:]


def test_steps_are_about_equally_large():
    sizes = [b.tokens for b in packing.epoch(rows(), micro_tokens=128, batch_tokens=300, seed=0, epoch=0)]
    assert max(sizes) <= 300 + 2 * 90
    assert min(sizes) >= 300 - 2 * 90


@pytest.mark.parametrize("micro_tokens", [32, 128, 4096])
@pytest.mark.parametrize("world", [1, 3])
def test_what_a_step_holds_depends_on_neither_micro_batches_nor_processes(micro_tokens, world):
    made = rows()
    expected = list(packing.epoch(made, micro_tokens=256, batch_tokens=300, seed=1, epoch=0))
    options = {"micro_tokens": micro_tokens, "batch_tokens": 300, "seed": 1, "epoch": 0, "world": world}
    shares = [list(packing.epoch(made, **options, rank=rank)) for rank in range(world)]
    for step, whole in enumerate(expected):
        parts = [share[step] for share in shares]
        assert {(p.tokens, p.targets) for p in parts} == {(whole.tokens, whole.targets)}
        assert sum(len(m.targets) for p in parts for m in p.micros) == whole.targets
        # Every process has equally many, since sharded weights are gathered by all at once.
        assert len({len(p.micros) for p in parts}) == 1


def test_a_micro_batch_is_no_larger_than_asked_but_for_a_longer_row():
    for batch in packing.epoch(rows(), micro_tokens=64, batch_tokens=300, seed=0, epoch=0):
        for micro in batch.micros:
            assert len(micro.ids) <= 64 or len(micro.starts) == 2


def test_positions_begin_anew_and_targets_are_the_next_tokens():
    first = Row(np.array([5, 6, 7, 8], np.int32), np.array([False, False, True, True]))
    # A label on the first token of a row is predicted by nothing, least of all by the row before.
    second = Row(np.array([9, 10, 11], np.int32), np.array([True, False, True]))
    [micro] = packing.batch([first, second], micro_tokens=10).micros
    assert micro.ids.tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert micro.positions.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert micro.starts.tolist() == [0, 4, 7]
    assert micro.sources.tolist() == [1, 2, 5]
    assert micro.targets.tolist() == [7, 8, 11]


def test_filled_up_batches_have_few_lengths_and_the_same_rows():
    [micro] = packing.batch(rows()[:3], micro_tokens=10_000).micros
    filled = micro.filled(64)
    assert len(filled.ids) % 64 == 0
    assert len(filled.ids) - len(micro.ids) < 64
    assert filled.ids[: len(micro.ids)].tolist() == micro.ids.tolist()
    # What was filled in is a row of its own, so that no attention reaches it, and carries no loss.
    assert filled.starts.tolist() == [*micro.starts.tolist(), len(filled.ids)]
    assert filled.positions[len(micro.ids)] == 0
    assert filled.targets.tolist() == micro.targets.tolist()
    assert filled.filled(64) is filled
