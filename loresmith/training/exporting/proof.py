"""The proof of an export: does what was written say the same as the adapter on its base?

    questions -> what the adapter says (greedy) -> how likely each of its tokens is to the export

The answers of the tuned model are read along by the export token by token (teacher forcing), so
that one early difference does not hide or multiply others. Promises: prompts are tokenised by the
export itself and must come out as the same ids; the figures are counted, never estimated:

    agreement   share of the tokens that the export, too, would have said next
    answers     how many whole answers come out the same
    drift       mean |log p(adapter) - log p(export)| of the adapter's tokens, in nats
    effect      the same between the adapter and its bare base: what there was to keep
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loresmith.errors import MissingExtra, TrainingError
from loresmith.types import Message

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Export", missing.name or "torch", "train") from missing

from loresmith.training.tokens import Chat

LONGEST_PROMPT = 768
# Below this lead the adapter itself was undecided: rounding alone may turn the order around.
_UNDECIDED = 0.05


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: prompt and answer as token ids, and of each answer token its log probability, the
    most likely token in its place, and how far (in probability) that one leads the second."""

    conversation: tuple[Message, ...]
    prompt: tuple[int, ...]
    said: tuple[int, ...]
    logprobs: tuple[float, ...]
    likely: tuple[int, ...]
    leads: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an export may differ. `drift` in nats, `of_effect` as a share of the adapter's effect."""

    agreement: float
    drift: float
    of_effect: float


# Measured on trained adapters (docs/export.md): 16 bits drift by about 0.01 nats, q8_0 by 0.02.
_SIXTEEN = Limits(0.95, 0.10, 0.10)
LIMITS = {
    "f32": _SIXTEEN,
    "f16": _SIXTEEN,
    "fp16": _SIXTEEN,
    "bf16": _SIXTEEN,
    "q8_0": Limits(0.93, 0.15, 0.15),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The figures; see the module."""

    export: str
    questions: int
    tokens: int
    agreement: float
    answers: int
    drift: float
    effect: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        """For the card and the terminal."""
        return (
            f"{self.answers} of {self.questions} answers and {self.agreement:.1%} of {self.tokens} tokens "
            f"are the adapter's own; drift {self.drift:.3f} nats a token "
            f"(the adapter itself moved its base by {self.effect:.3f})."
        )


Forward = Callable[[Sequence[int], int], Any]


def tell(model: Any, tokenizer: Any, conversations: Sequence[Sequence[Message]], tokens: int) -> list[Told]:
    """What a transformers model answers to each conversation, greedily, up to `tokens` tokens."""
    told = []
    chat = Chat(tokenizer)
    end = tokenizer.convert_tokens_to_ids(chat.end)
    for conversation in conversations:
        prompt = chat.encode(chat.prompt(conversation))
        if not prompt or len(prompt) > LONGEST_PROMPT:
            continue
        said = _greedy(model, prompt, tokens, end)
        logits = _logits(model, [*prompt, *said], len(said))
        logprobs, likely, leads = _read(logits, said)
        told.append(Told(tuple(conversation), tuple(prompt), tuple(said), logprobs, likely, leads))
    if not told:
        raise TrainingError(
            f"No question fits the {LONGEST_PROMPT} tokens of a comparison.", "Export as peft, or ask less."
        )
    return told


def read_along(model: Any, tokenizer: Any, told: Sequence[Told]) -> list[Told]:
    """The same tokens as a second transformers model sees them."""
    seen = []
    chat = Chat(tokenizer)
    for answer in told:
        _same_prompt(chat.encode(chat.prompt(answer.conversation)), answer)
        logits = _logits(model, [*answer.prompt, *answer.said], len(answer.said))
        seen.append(Told(answer.conversation, answer.prompt, answer.said, *_read(logits, answer.said)))
    return seen


def read_along_gguf(model: Any, told: Sequence[Told]) -> list[Told]:
    """The same tokens as llama.cpp sees them. `model` is a `models.llamacpp.LlamaCpp`."""
    seen = []
    for answer in told:
        _same_prompt(model._prompt(answer.conversation), answer)
        logprobs, likely, leads = [], [], []
        for position, token in enumerate(answer.said):
            before = [*answer.prompt, *answer.said[:position]]
            for entries in (64, 4096, model.head.vocabulary):
                known = model.next_logprobs(before, entries)
                if token in known:
                    break
            best = sorted(known.values(), reverse=True)[:2]
            logprobs.append(known[token])
            likely.append(max(known, key=lambda one: known[one]))
            leads.append(best[0] - best[-1])
        seen.append(
            Told(
                answer.conversation, answer.prompt, answer.said, tuple(logprobs), tuple(likely), tuple(leads)
            )
        )
    return seen


def compare(export: str, adapter: Sequence[Told], exported: Sequence[Told], base: Sequence[Told]) -> Proof:
    """The figures of `exported` against `adapter`; `base` is the base model without it."""
    same = [
        [
            mine == token or lead < _UNDECIDED
            for mine, token, lead in zip(b.likely, a.said, a.leads, strict=True)
        ]
        for a, b in zip(adapter, exported, strict=True)
    ]
    total = sum(len(row) for row in same)
    return Proof(
        export=export,
        questions=len(adapter),
        tokens=total,
        agreement=round(sum(map(sum, same)) / total, 4),
        answers=sum(all(row) for row in same),
        drift=round(_distance(adapter, exported), 5),
        effect=round(_distance(adapter, base), 5),
    )


def check(proof: Proof, precision: str) -> None:
    """
    Raises:
        TrainingError: the export differs more from the adapter than `LIMITS` allow.
    """
    limits = LIMITS[precision]
    allowed = max(limits.drift, limits.of_effect * proof.effect)
    if proof.agreement < limits.agreement or proof.drift > allowed:
        raise TrainingError(
            f"The export ({precision}) does not say what the adapter says: {proof.sentence()} "
            f"At least {limits.agreement:.0%} and at most {allowed:.3f} nats are asked for.",
            "Nothing was written. Export with more bits (--quantise f16), or as peft.",
        )


def _greedy(model: Any, prompt: Sequence[int], tokens: int, end: int) -> list[int]:
    """The answer with its end token, where it ends."""
    said: list[int] = []
    fed, cache = list(prompt), None
    with torch.inference_mode():
        while len(said) < tokens and said[-1:] != [end]:
            ids = torch.tensor([fed], device=model.device)
            out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = out.past_key_values
            fed = [int(out.logits[0, -1].argmax())]
            said += fed
    return said


def _logits(model: Any, ids: Sequence[int], last: int) -> Any:
    """Of the last `last` tokens, each in its place: shape (last, vocabulary), float32."""
    with torch.inference_mode():
        out = model(input_ids=torch.tensor([list(ids)], device=model.device), logits_to_keep=last + 1)
    return out.logits[0, :-1].float()


def _read(logits: Any, said: Sequence[int]) -> tuple[tuple[float, ...], tuple[int, ...], tuple[float, ...]]:
    logprobs = torch.log_softmax(logits, dim=-1)
    of_said = logprobs.gather(1, torch.tensor(list(said), device=logits.device)[:, None])[:, 0]
    best = logprobs.exp().topk(2, dim=-1)
    leads = best.values[:, 0] - best.values[:, 1]
    return tuple(of_said.tolist()), tuple(best.indices[:, 0].tolist()), tuple(leads.tolist())


def _distance(one: Sequence[Told], other: Sequence[Told]) -> float:
    gaps = [
        abs(x - y)
        for a, b in zip(one, other, strict=True)
        for x, y in zip(a.logprobs, b.logprobs, strict=True)
    ]
    return sum(gaps) / len(gaps)


def _same_prompt(prompt: Sequence[int], answer: Told) -> None:
    if tuple(prompt) != answer.prompt:
        raise TrainingError(
            "The export reads a question as other tokens than the model that was trained "
            f"({len(prompt)} against {len(answer.prompt)} of them).",
            "Its tokenizer or chat template is not carried over rightly; export as peft or merged.",
        )
