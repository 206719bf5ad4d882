"""Packed and unpacked, fast and plain, the loss and its gradient are the same."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from training.rows import facts  # noqa: E402

from loresmith.config import TrainingSection  # noqa: E402
from loresmith.training import adapter, attention, base, fast, loss, packing, recipe  # noqa: E402


def prepared(folder, method="lora", precision="fp32"):
    """A model whose adapter already does something, and rows."""
    loaded = base.load(str(folder), method=method, precision=precision)
    rows = facts(loaded.tokenizer, 6)
    model = adapter.attach(loaded, recipe.resolve(TrainingSection(rank=4), loaded, rows))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return model, rows


def gradients(model, micros):
    model.zero_grad()
    total = 0.0
    for micro in micros:
        part = loss.completion_loss(model, micro)
        part.backward()
        total += float(part.detach())
    return total, torch.cat([p.grad.flatten().clone() for p in model.parameters() if p.requires_grad])


def by_hand(model, rows):
    """Every row by itself, all logits, everything but the answer masked."""
    model.zero_grad()
    total = 0.0
    for row in rows:
        ids = torch.from_numpy(row.ids.astype(np.int64))[None]
        labels = torch.where(torch.from_numpy(row.loss)[None], ids, -100)
        logits = model(input_ids=ids, use_cache=False).logits
        part = torch.nn.functional.cross_entropy(logits[0, :-1].float(), labels[0, 1:], reduction="sum")
        part.backward()
        total += float(part.detach())
    return total, torch.cat([p.grad.flatten().clone() for p in model.parameters() if p.requires_grad])


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("kind", ["phi3", "llama"])
def test_packed_rows_give_the_loss_and_gradient_of_rows_one_by_one(kind, quick, request):
    model, rows = prepared(request.getfixturevalue(kind))
    expected = by_hand(model, rows)
    micros = packing.batch(rows, micro_tokens=120).micros
    assert len(micros) < len(rows)
    if quick:
        with fast.speed_up(model) as speed:
            assert (speed.why, speed.parts) == ("", ("norms", "layers", "attention"))
            got = gradients(model, micros)
    else:
        got = gradients(model, micros)
    assert got[0] == pytest.approx(expected[0], rel=1e-5)
    assert torch.allclose(got[1], expected[1], rtol=1e-3, atol=1e-4 * float(expected[1].abs().max()))


@pytest.mark.parametrize("method", ["lora", "qlora"])
@pytest.mark.parametrize("kind", ["phi3", "llama"])
def test_in_bf16_the_fast_way_agrees_with_the_plain_one(kind, method, request):
    model, rows = prepared(request.getfixturevalue(kind), method, "bf16")
    micros = packing.batch(rows, micro_tokens=120).micros
    plain = gradients(model, micros)
    with fast.speed_up(model) as speed:
        assert (speed.why, speed.parts) == ("", ("norms", "layers", "attention"))
        quick = gradients(model, micros)
    assert quick[0] == pytest.approx(plain[0], rel=5e-3)
    assert torch.nn.functional.cosine_similarity(plain[1].float(), quick[1].float(), dim=0) > 0.995
    # The model is as it came.
    again = gradients(model, micros)
    assert again[0] == plain[0]
    assert torch.equal(again[1], plain[1])


def test_activations_computed_again_give_the_same_gradient(phi3):
    model, rows = prepared(phi3)
    micros = packing.batch(rows, micro_tokens=120).micros
    model.train()
    with fast.speed_up(model):
        kept = gradients(model, micros)
        model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        again = gradients(model, micros)
    assert kept[0] == again[0]
    assert torch.allclose(kept[1], again[1], rtol=1e-5, atol=1e-7)


def test_a_model_that_does_something_else_trains_as_it_is(phi3, monkeypatch):
    """Where the fast way is not the same computation, it is found out and taken back."""
    model, rows = prepared(phi3)
    micros = packing.batch(rows, micro_tokens=120).micros
    expected = gradients(model, micros)
    right = attention.packed
    scaled = lambda *a, **k: (right(*a, **k)[0] * 1.5, None)  # noqa: E731
    monkeypatch.setitem(attention.transformers.AttentionInterface._global_mapping, attention.NAME, scaled)
    with fast.speed_up(model) as speed:
        assert "sample" in speed.why
        got = gradients(model, micros)
    assert got[0] == expected[0]
    assert torch.equal(got[1], expected[1])


@pytest.mark.parametrize("window", [0, 20])
def test_attention_stays_within_rows(window):
    """Against PyTorch's own attention under a mask; grouped heads, rows longer than a block."""
    torch.manual_seed(0)
    starts = (0, 40, 171, 400)
    q, k, v = (torch.randn(h, 400, 16, requires_grad=True) for h in (6, 2, 2))
    upstream = torch.randn(400, 6, 16)
    row = torch.bucketize(torch.arange(400), torch.tensor(starts[1:]), right=True)
    at = torch.arange(400)
    mask = (row[:, None] == row) & (at[:, None] >= at)
    if window:
        mask &= at > at[:, None] - window
    expected = torch.nn.functional.scaled_dot_product_attention(
        q[None], k.repeat_interleave(3, 0)[None], v.repeat_interleave(3, 0)[None], attn_mask=mask, scale=0.3
    )[0].transpose(0, 1)
    got, _ = attention.packed(
        None, q[None], k[None], v[None], None, scaling=0.3, sliding_window=window or None,
        cu_seq_lens_q=torch.tensor(starts, dtype=torch.int32), max_length_q=229,
    )  # fmt: skip
    assert torch.allclose(got[0], expected, atol=1e-5)
    for mine, theirs in zip(
        torch.autograd.grad(got[0], (q, k, v), upstream),
        torch.autograd.grad(expected, (q, k, v), upstream),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, atol=1e-4)


def test_attention_that_is_more_than_softmax_is_refused():
    q = torch.zeros(1, 2, 4, 8)
    starts = torch.tensor([0, 4], dtype=torch.int32)
    for more in ({"softcap": 50.0}, {"s_aux": torch.zeros(2)}, {"dropout": 0.1}):
        with pytest.raises(NotImplementedError, match=next(iter(more))):
            attention.packed(None, q, q, q, None, cu_seq_lens_q=starts, max_length_q=4, **more)


def test_the_heads_loss_in_chunks_is_cross_entropy(monkeypatch):
    torch.manual_seed(0)
    hidden = torch.randn(23, 16, requires_grad=True)
    weight, targets = torch.randn(50, 16), torch.randint(0, 50, (23,))
    expected = torch.nn.functional.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    [slope] = torch.autograd.grad(expected, hidden)
    monkeypatch.setattr(loss, "CHUNK_BYTES", 4 * 50 * 5)
    got = loss.head_loss(hidden, weight, targets)
    assert float(got.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert torch.allclose(torch.autograd.grad(got * 2, hidden)[0], slope * 2, atol=1e-5)
    with torch.no_grad():
        assert float(loss.head_loss(hidden, weight, targets)) == pytest.approx(
            float(expected.detach()), rel=1e-6
        )


def test_logits_that_the_model_changes_are_respected(llama):
    model, rows = prepared(llama)
    micro = packing.batch(rows[:1], micro_tokens=120).micros[0]
    plain = float(loss.completion_loss(model, micro).detach())
    model.get_base_model().config.final_logit_softcapping = 30.0
    # Llama itself ignores the value; what matters is that the model's own logits are taken.
    assert not loss.splits_at_head(model.get_base_model())
    assert float(loss.completion_loss(model, micro).detach()) == pytest.approx(plain, rel=1e-5)
