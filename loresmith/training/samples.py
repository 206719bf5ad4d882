"""Before and after: what the model says to the same questions, and how well it still knows language.

    choose -> prompts -> say (temperature 0) -> beside the expected answer
    general_rows: a general text of our own, whose perplexity shows what was forgotten

The questions are the same for the same dataset, whatever is trained on it. Prompts are the very
tokens of the rows up to the answer, so they are what the adapter was trained on and what inference
sends. The general text (data/general.txt) was written for this program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from loresmith.dataset.example import Dataset, Example
from loresmith.errors import MissingExtra
from loresmith.training.values import Row

try:
    import torch
    import transformers
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

QUESTIONS = 10
# Enough for two short sentences; an untuned model would go on and on.
ANSWER_TOKENS = 64
# Prompts that are read in one go, padding included: memory beside a training that fits just so.
_TOGETHER = 2048
_GENERAL_LENGTH = 256


def choose(dataset: Dataset, count: int = QUESTIONS) -> tuple[Example, ...]:
    """Questions that were not trained: unseen wordings, passages, abstentions in turn; from the
    training rows only where there is no dev and no test split."""
    held_out = [*dataset.dev, *dataset.test]
    by_kind: dict[str, list[Example]] = {}
    for example in sorted(held_out or dataset.train, key=_order):
        by_kind.setdefault(example.kind, []).append(example)
    chosen: list[Example] = []
    facts: set[str] = set()
    while len(chosen) < count and any(by_kind.values()):
        for kind in sorted(by_kind):
            # Another fact each time, while there are any.
            rows = by_kind[kind]
            rows.sort(key=lambda example: bool(example.fact) and example.fact in facts)
            if rows and len(chosen) < count:
                facts.add(rows[0].fact)
                chosen.append(rows.pop(0))
    return tuple(chosen)


def _order(example: Example) -> str:
    return hashlib.sha256(example.id.encode()).hexdigest()


def prompt_of(row: Row) -> tuple[list[int], int]:
    """The tokens of a row up to its last answer, and the token that ends that answer."""
    targets = np.flatnonzero(row.loss)
    last = int(targets[-1])
    before = np.flatnonzero(~row.loss[:last])
    start = int(before[-1]) + 1 if len(before) else 0
    return row.ids[:start].tolist(), int(row.ids[last])


def say(model: Any, tokenizer: Any, rows: Sequence[Row]) -> list[str]:
    """What `model` answers to the prompts of `rows` at temperature 0, in their order."""
    prompts = [prompt_of(row) for row in rows]
    answers = [""] * len(rows)
    with _at_rest(model):
        for group in _groups([len(prompt) for prompt, _ in prompts]):
            for place, text in zip(
                group, _generate(model, tokenizer, [prompts[i] for i in group]), strict=True
            ):
                answers[place] = text
    return answers


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Places of prompts of like length, together as many as `_TOGETHER` tokens hold."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        # Sorted by length: the newest one is the longest, and all are padded to it.
        if groups and (len(groups[-1]) + 1) * lengths[place] <= _TOGETHER:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _generate(model: Any, tokenizer: Any, prompts: Sequence[tuple[list[int], int]]) -> list[str]:
    longest = max(len(prompt) for prompt, _ in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, (prompt, _) in enumerate(prompts):
        ids[place, longest - len(prompt) :] = torch.tensor(prompt)
        mask[place, longest - len(prompt) :] = 1
    ends = {end for _, end in prompts} | {tokenizer.eos_token_id}
    settings = transformers.GenerationConfig(
        do_sample=False,
        max_new_tokens=ANSWER_TOKENS,
        eos_token_id=sorted(ends - {None}),
        pad_token_id=prompts[0][1],
        use_cache=True,
    )
    device = model.device
    with torch.inference_mode():
        said = model.generate(
            input_ids=ids.to(device), attention_mask=mask.to(device), generation_config=settings
        )
    return [
        tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()
        for tokens in said[:, longest:].tolist()
    ]


def general_rows(tokenizer: Any) -> list[Row]:
    """The general text, paragraphs put together to rows of equal length; every token but the first
    is a target."""
    text = resources.files("loresmith.training").joinpath("data/general.txt").read_text(encoding="utf-8")
    ids = np.asarray(tokenizer.encode(text, add_special_tokens=False), np.int32)
    rows = []
    for start in range(0, len(ids), _GENERAL_LENGTH):
        part = ids[start : start + _GENERAL_LENGTH]
        if len(part) > 1:
            rows.append(
                Row(ids=part, loss=np.arange(len(part)) > 0, example=f"general-{start}", kind="general")
            )
    return rows


class _at_rest:  # noqa: N801 - used as a function
    """No dropout and no checkpointing while the model is only asked; the mode as before afterwards."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __enter__(self) -> None:
        self._training = self._model.training
        self._model.eval()

    def __exit__(self, *_: object) -> None:
        self._model.train(self._training)


def beside(
    chosen: Sequence[Example], before: Sequence[str], after: Sequence[str], trained: bool
) -> list[dict[str, Any]]:
    """Question, expected answer, before, after: as card.json keeps them."""
    return [
        {
            "question": example.question
            or next(m["content"] for m in reversed(example.messages) if m["role"] == "user"),
            "kind": example.kind,
            "trained": trained,
            "expected": example.answer,
            "before": was,
            "after": now,
        }
        for example, was, now in zip(chosen, before, after, strict=True)
    ]


def like_expected(samples: Sequence[Mapping[str, Any]], when: str) -> int:
    """How many answers say the expected words in their order (case, blanks and the full stop apart)."""
    return sum(_bare(str(sample["expected"])) in _bare(str(sample[when])) for sample in samples)


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .。!?")
