"""The optimiser is AdamW in float32, whatever precision the model computes in."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loresmith.training.optimiser import FlatAdamW  # noqa: E402


def shapes(dtype):
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(n, m).to(dtype)) for n, m in ((3, 4), (5, 2))]


def test_it_moves_as_pytorchs_own_does():
    mine, theirs = shapes(torch.float32), shapes(torch.float32)
    flat = FlatAdamW(mine, weight_decay=0.1)
    plain = torch.optim.AdamW(theirs, lr=1e-2, weight_decay=0.1)
    for step in range(5):
        for parameters in (mine, theirs):
            sum((p * (step + 1)).pow(2).sum() for p in parameters).backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        plain.step()
        plain.zero_grad()
        assert flat.step(learning_rate=1e-2, clip=1.0) == pytest.approx(float(norm), rel=1e-5)
        for a, b in zip(mine, theirs, strict=True):
            assert torch.allclose(a, b, atol=1e-6)


def test_gradients_of_micro_batches_add_up():
    [once, *_], [twice, *_] = shapes(torch.float32), shapes(torch.float32)
    a, b = FlatAdamW([once]), FlatAdamW([twice])
    (2 * once.pow(2)).sum().backward()
    for _ in range(2):
        twice.pow(2).sum().backward()
    assert torch.allclose(a.gradient, b.gradient)
    assert twice.grad is None


def test_updates_too_small_for_bf16_are_not_lost():
    """bf16 has 8 bits: one step of 1e-4 on weights of about 1 rounds to nothing, a hundred must not."""
    [weight, *_] = shapes(torch.bfloat16)
    start = weight.detach().float().clone()
    flat = FlatAdamW([weight])
    for _ in range(100):
        weight.sum().backward()
        flat.step(learning_rate=1e-4, clip=1e9)
    moved = start - weight.detach().float()
    assert float(moved.mean()) == pytest.approx(1e-2, rel=0.2)

    [lost, *_] = shapes(torch.bfloat16)
    plain = torch.optim.AdamW([lost], lr=1e-4, weight_decay=0.0)
    for _ in range(100):
        plain.zero_grad()
        lost.sum().backward()
        plain.step()
    assert abs(float((start - lost.detach().float()).mean())) < 0.5e-2


def test_a_gradient_that_is_no_number_changes_nothing():
    [weight, *_] = shapes(torch.float32)
    flat = FlatAdamW([weight])
    before = weight.detach().clone()
    (weight * float("nan")).sum().backward()
    assert flat.step(learning_rate=1e-2, clip=1.0) != 0.0
    assert torch.equal(weight, before)
    assert not flat.gradient.any()


def test_state_comes_back_to_the_last_bit():
    [weight, *_] = shapes(torch.bfloat16)
    flat = FlatAdamW([weight])

    def go(steps):
        for _ in range(steps):
            weight.pow(2).sum().backward()
            flat.step(learning_rate=1e-2, clip=1.0)
        return flat.master.clone()

    go(3)
    kept = {name: value.clone() for name, value in flat.tensors().items()}
    expected = go(3)
    flat.restore(kept)
    assert torch.equal(go(3), expected)
