"""Completion loss: cross-entropy on the tokens the assistant should have said, and on nothing else.

    packed rows -> decoder -> hidden states of the labelled positions -> head, some rows at a time

Promises: the same sum as cross-entropy over all logits with every other position masked; logits exist
for labelled positions only and for at most `CHUNK_BYTES` of them at once, since the gradient with
respect to the hidden states is taken while the chunk is there (the head is frozen, so that it needs
no gradient; Wijmans et al. 2024, "Cut Your Losses", keeps even less, in kernels of its own).
"""

from __future__ import annotations

from typing import Any

from loresmith.errors import MissingExtra
from loresmith.training import attention
from loresmith.training.packing import MULTIPLE, MicroBatch

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

CHUNK_BYTES = 32 << 20


def completion_loss(model: Any, micro: MicroBatch) -> Any:
    """Sum over the labelled tokens of -log P(token), in nats: a float32 scalar with a gradient.

    Args:
        model: a transformers causal model, with or without PEFT around it.
    """
    states, weight, targets = _labelled(model, micro)
    if weight is None:
        return torch.nn.functional.cross_entropy(states.float(), targets, reduction="sum")
    return head_loss(states, weight, targets)


def completion_scores(model: Any, micro: MicroBatch) -> Any:
    """Shape (2,), float32, no gradient: the same sum, and how many labelled tokens were the likeliest."""
    with torch.no_grad():
        states, weight, targets = _labelled(model, micro)
        total = states.new_zeros(2, dtype=torch.float32)
        vocabulary = states.shape[1] if weight is None else weight.shape[0]
        size = max(1, CHUNK_BYTES // (4 * vocabulary))
        for part, said in zip(states.split(size), targets.split(size), strict=True):
            logits = (part if weight is None else part @ weight.T).float()
            total[0] += torch.nn.functional.cross_entropy(logits, said, reduction="sum")
            total[1] += (logits.argmax(dim=-1) == said).sum()
    return total


def _labelled(model: Any, micro: MicroBatch) -> tuple[Any, Any, Any]:
    """Decoder states of the labelled positions with the head's weight, or their logits and None; targets."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = inner.get_input_embeddings().weight.device
    if device.type == "cpu":
        micro = micro.filled(MULTIPLE)
    inputs: dict[str, Any] = {
        "input_ids": torch.from_numpy(micro.ids).to(device)[None],
        "position_ids": torch.from_numpy(micro.positions).to(device)[None],
        "use_cache": False,
    }
    if inner.config._attn_implementation == attention.NAME:
        starts = torch.from_numpy(micro.starts).to(device)
        longest = int((micro.starts[1:] - micro.starts[:-1]).max())
        inputs |= {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts}
        inputs |= {"max_length_q": longest, "max_length_k": longest}
    sources = torch.from_numpy(micro.sources).to(device)
    targets = torch.from_numpy(micro.targets).to(device)
    if not splits_at_head(inner):
        return inner(**inputs, logits_to_keep=sources).logits[0], None, targets
    hidden = inner.get_decoder()(**inputs).last_hidden_state[0].index_select(0, sources)
    return hidden, inner.get_output_embeddings().weight, targets


def splits_at_head(model: Any) -> bool:
    """Whether logits are the head's product with the decoder's output, and nothing is done to them."""
    head = model.get_output_embeddings()
    config = model.config.get_text_config()
    changed = ("final_logit_softcapping", "logits_scaling", "logit_scale", "lm_head_multiplier")
    return (
        type(head) is torch.nn.Linear
        and head.bias is None
        and not head.weight.requires_grad
        and not any(getattr(config, name, None) for name in changed)
        and hasattr(model, "get_decoder")
        and model.get_decoder() is not model
    )


def head_loss(hidden: Any, weight: Any, targets: Any) -> Any:
    """Sum of cross-entropies of `hidden @ weight.T`, shapes (n, h), (vocabulary, h), (n,)."""
    return _HeadLoss.apply(hidden, weight, targets)


class _HeadLoss(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, targets: Any) -> Any:
        wanted = ctx.needs_input_grad[0]
        total = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if wanted else None
        size = max(1, CHUNK_BYTES // (4 * weight.shape[0]))
        for start in range(0, len(targets), size):
            part, said = hidden[start : start + size], targets[start : start + size, None]
            logprobs = torch.log_softmax(part @ weight.T, dim=-1, dtype=torch.float32)
            total -= logprobs.gather(1, said).sum()
            if gradient is not None:
                # d loss / d logits is what the model believes minus what was said.
                belief = logprobs.exp_()
                belief.scatter_add_(1, said, belief.new_full((1, 1), -1.0).expand_as(said))
                torch.mm(belief.to(weight.dtype), weight, out=gradient[start : start + size])
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> tuple[Any, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.to(gradient.dtype), None, None
