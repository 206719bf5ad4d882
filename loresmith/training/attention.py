"""Attention within each row of a packed sequence: causal, exact, and no work beyond the rows' borders.

    queries, keys, values of several rows end to end -> blocks of one row at a time -> outputs

Promises: the same result as attention over the whole sequence under a mask that keeps rows apart;
scores and softmax in float32; memory for scores of one block only, since they are computed again for
the gradient. On a CPU this is plain matrix products: PyTorch's own kernel computes the whole square
of a packed sequence and throws most of it away (512 tokens of rows of 150: 28 ms a layer of nine
heads forth and back, against 9 ms here), and even by itself a short row's backward pass takes it
twice as long. On CUDA it is PyTorch's variable-length kernel.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from loresmith.errors import MissingExtra

try:
    import torch
    import transformers
    from transformers.masking_utils import AttentionMaskInterface
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

NAME = "loresmith_packed"
# Queries of one block: the scores of all heads stay in the processor's cache.
_BLOCK = 128
_MORE = ("softcap", "s_aux", "position_bias")


def packed(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[Any, None]:
    """transformers' attention interface: shapes (1, heads, tokens, size) -> (1, tokens, heads, size).

    `options` must hold `cu_seq_lens_q`, a tensor of where each row begins, and the end, and
    `max_length_q`, the longest row, as `completion_loss` passes them through the model.

    Raises:
        NotImplementedError: the model wants more of attention than this: caps, sinks, biases, dropout.
    """
    if more := [name for name in _MORE if options.get(name) is not None] + ["dropout"] * bool(
        options.get("dropout")
    ):
        raise NotImplementedError(f"attention with {', '.join(more)}")
    scale = options.get("scaling") or query.shape[-1] ** -0.5
    window = options.get("sliding_window") or 0
    starts, longest = options["cu_seq_lens_q"], options["max_length_q"]
    if query.device.type == "cuda":
        return _varlen(query, key, value, starts, longest, scale, window), None
    window = window if window < longest else 0
    return _Packed.apply(query[0], key[0], value[0], tuple(starts.tolist()), scale, window)[None], None


def _varlen(query: Any, key: Any, value: Any, starts: Any, longest: int, scale: float, window: int) -> Any:
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (t[0].transpose(0, 1) for t in (query, key, value))
    out = varlen_attn(
        q, k, v, starts, starts, longest, longest,
        scale=scale, window_size=(window - 1 if window else -1, 0), enable_gqa=q.shape[1] != k.shape[1],
    )  # fmt: skip
    return out[None]


class _Packed(torch.autograd.Function):  # type: ignore[misc]
    """Query heads that share a key head are rows of one product: keys are never repeated."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, starts: Any, scale: float, window: int) -> Any:
        heads, tokens = q.shape[:2]
        shared, group = k.shape[0], heads // k.shape[0]
        out = q.new_empty(tokens, shared, group, v.shape[2])
        for begin, end, keys in _rows(k, starts):
            for i, j, a in _blocks(begin, end, window):
                belief = _belief(q, keys[:, a - begin : j - begin], i, j, a, scale, window)
                said = torch.bmm(belief.to(v.dtype), v[:, a:j])
                out[i:j] = said.view(shared, group, j - i, -1).permute(2, 0, 1, 3)
        ctx.save_for_backward(q, k, v)
        ctx.starts, ctx.scale, ctx.window = starts, scale, window
        return out.view(tokens, heads, -1)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> tuple[Any, ...]:
        q, k, v = ctx.saved_tensors
        heads, tokens, size = q.shape
        shared, group = k.shape[0], heads // k.shape[0]
        # Laid out by token, as the projections before them want their gradients.
        dq = q.new_empty(tokens, shared, group, size)
        dk, dv = (t.new_zeros(tokens, shared, t.shape[2]).transpose(0, 1) for t in (k, v))
        upstream = upstream.view(tokens, shared, group, -1)
        for begin, end, keys in _rows(k, ctx.starts):
            for i, j, a in _blocks(begin, end, ctx.window):
                asked = _asked(q, shared, i, j)
                wanted = upstream[i:j].permute(1, 2, 0, 3).reshape(shared, group * (j - i), -1)
                belief = _belief(q, keys[:, a - begin : j - begin], i, j, a, ctx.scale, ctx.window)
                dv[:, a:j] += torch.bmm(belief.to(v.dtype).transpose(1, 2), wanted)
                slope = torch.bmm(wanted, v[:, a:j].transpose(1, 2)).float()
                slope = torch._softmax_backward_data(slope, belief, -1, torch.float32).mul_(ctx.scale)
                slope = slope.to(q.dtype)
                moved = torch.bmm(slope, k[:, a:j])
                dq[i:j] = moved.view(shared, group, j - i, size).permute(2, 0, 1, 3)
                dk[:, a:j] += torch.bmm(slope.transpose(1, 2), asked)
        return dq.view(tokens, heads, size).transpose(0, 1), dk, dv, None, None, None


def _rows(k: Any, starts: tuple[int, ...]) -> Iterator[tuple[int, int, Any]]:
    """(begin, end, keys in float32) of each row."""
    for begin, end in itertools.pairwise(starts):
        yield begin, end, k[:, begin:end].float()


def _blocks(begin: int, end: int, window: int) -> Iterator[tuple[int, int, int]]:
    """(first query, end of queries, first key) of each block of a row."""
    for i in range(begin, end, _BLOCK):
        yield i, min(i + _BLOCK, end), max(begin, i - window + 1) if window else begin


def _asked(q: Any, shared: int, i: int, j: int) -> Any:
    """Queries i to j, those of the same key head behind each other: (key heads, group × n, size)."""
    return q[:, i:j].reshape(shared, -1, q.shape[2])


def _belief(q: Any, keys: Any, i: int, j: int, a: int, scale: float, window: int) -> Any:
    """Softmax of the block's scores in float32, shape (key heads, group × queries, keys)."""
    shared, seen = keys.shape[0], keys.shape[1]
    scores = torch.bmm(_asked(q, shared, i, j).float() * scale, keys.transpose(1, 2))
    by_head = scores.view(shared, -1, j - i, seen)
    # Only the last keys of a block lie ahead of some of its queries.
    by_head[..., seen - (j - i) :] += _ahead(j - i, q.device)
    if window:
        query = torch.arange(i, j, device=q.device)[:, None]
        by_head.masked_fill_(torch.arange(a, j, device=q.device) <= query - window, -torch.inf)
    return torch.softmax(scores, -1)


@lru_cache(maxsize=256)
def _ahead(n: int, device: Any) -> Any:
    return torch.full((n, n), -torch.inf, device=device).triu_(1)


transformers.AttentionInterface.register(NAME, packed)
# Rows are kept apart by their borders: no mask is made.
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)
