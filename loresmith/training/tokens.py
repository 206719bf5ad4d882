"""Examples to tokens, with the mask that says which of them are learned.

    messages -> text by the model's own chat template -> ids, loss on assistant text and its end tag

Promises, each checked row by row before a run (`rows` leaves out and reports what fails):
- the prompt's tokens are those that inference will render (same template, same guard, same ids);
- the tokens that carry loss decode to the assistant's words and the end of its turn, nothing else;
- text of a user or a document is never a control token;
- what follows the last end of turn is cut off, since nothing is learned from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from loresmith.dataset.example import Example
from loresmith.errors import MissingExtra, TrainingError
from loresmith.models import templates
from loresmith.training.values import Row
from loresmith.types import Message

try:
    import jinja2
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "jinja2", "train") from missing

from loresmith.models.transformers_model import special_tokens_of


@dataclass(frozen=True, slots=True)
class Problem:
    """An example that cannot be trained on, and why."""

    example: str
    reason: str


_Ids = npt.NDArray[np.int32]
_Mask = npt.NDArray[np.bool_]


class _Unfit(Exception):
    """This conversation cannot become a row; the text says why."""


def rows(examples: Iterable[Example], tokenizer: Any, *, max_length: int) -> tuple[list[Row], list[Problem]]:
    """One row for each example that fits, in order, and the examples that do not.

    Raises:
        TrainingError: the tokenizer can mark no end of a turn, so that a trained model would not stop.
    """
    chat = Chat(tokenizer)
    made: list[Row] = []
    problems: list[Problem] = []
    for example in examples:
        try:
            row = chat.row(example)
        except _Unfit as error:
            problems.append(Problem(example.id, str(error)))
            continue
        if len(row.ids) > max_length:
            reason = f"{len(row.ids)} tokens, more than training.max_length = {max_length}"
            problems.append(Problem(example.id, reason))
        else:
            made.append(row)
    return made, problems


def show(row: Row, tokenizer: Any) -> str:
    """The row's text with ⟦what carries loss⟧ between brackets, token by token as the model sees it."""
    parts: list[str] = []
    at = 0
    for start, end in _runs(row.loss):
        parts += [_decode(tokenizer, row.ids[at:start]), f"⟦{_decode(tokenizer, row.ids[start:end])}⟧"]
        at = end
    return "".join([*parts, _decode(tokenizer, row.ids[at:])])


class Chat:
    """A tokenizer's chat template, as training and inference both use it."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.special = special_tokens_of(tokenizer)

    @cached_property
    def end(self) -> str:
        """The control token behind an assistant's turn.

        Raises:
            TrainingError: there is none.
        """
        mark = None
        if self.tokenizer.chat_template:
            asked = Message(role="user", content="Hello")
            told = Message(role="assistant", content=templates.END_MARK)
            mark = templates.end_of_turn(self._apply([asked, told], answer_follows=False), self.special)
        mark = mark or self.tokenizer.eos_token
        if not mark:
            raise TrainingError(
                "The tokenizer names no token that ends a turn or a text.",
                "Set eos_token in the model's tokenizer_config.json.",
            )
        return str(mark)

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text that inference renders for `messages`; the answer follows."""
        guarded = templates.guarded(messages, self.special)
        if not self.tokenizer.chat_template:
            return templates.plain(guarded)
        return self._apply(guarded, answer_follows=True)

    def encode(self, text: str) -> list[int]:
        """Ids of a rendered text, by the same rule as at inference."""
        start = self.tokenizer.bos_token
        add = not (start and text.startswith(start)) and not self.tokenizer.chat_template
        return list(self.tokenizer.encode(text, add_special_tokens=add))

    def row(self, example: Example) -> Row:
        messages = templates.guarded(example.messages, self.special)
        if not messages or messages[-1]["role"] != "assistant":
            raise _Unfit("the last turn is not the assistant's")
        if self.tokenizer.chat_template:
            text, spans = self._spans(messages)
        else:
            text, spans = self._plain_spans(messages)
        ids, loss = self._tokens(text, spans)
        self._check(ids, loss, text, spans)
        prompt = self.encode(self.prompt(example.messages[:-1]))
        if ids[: len(prompt)].tolist() != prompt:
            raise _Unfit("the prompt's tokens are not those of inference")
        return Row(ids, loss, example.id, example.kind)

    def _apply(self, messages: Sequence[Message], *, answer_follows: bool) -> str:
        def apply(shown: list[Message]) -> str:
            return str(
                self.tokenizer.apply_chat_template(
                    shown, tokenize=False, add_generation_prompt=answer_follows
                )
            )

        try:
            return templates.render(messages, apply, jinja2.TemplateError)
        except jinja2.TemplateError as error:
            raise _Unfit(f"the chat template refuses it: {error}") from error

    def _spans(self, messages: Sequence[Message]) -> tuple[str, list[tuple[int, int]]]:
        """The conversation up to its last end of turn, and where in it assistant turns stand."""
        text = self._apply(messages, answer_follows=False)
        spans = []
        for position, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._apply(messages[:position], answer_follows=True)
            if not text.startswith(before):
                raise _Unfit("the chat template writes a turn otherwise once another follows")
            content = message["content"].strip()
            start = len(before)
            begins = text.find(content, start)
            if not content or begins < 0 or text[start:begins].strip():
                raise _Unfit("the chat template changes the assistant's words")
            ends = text.find(self.end, begins + len(content))
            if ends < 0 or text[begins + len(content) : ends].strip():
                raise _Unfit(f"{self.end} does not follow the assistant's words")
            spans.append((start, ends + len(self.end)))
        return text[: spans[-1][1]], spans

    def _plain_spans(self, messages: Sequence[Message]) -> tuple[str, list[tuple[int, int]]]:
        """The same for a model without a template. Only the last turn ends the text; an earlier one
        is followed by the next speaker's name."""
        told = [Message(role=m["role"], content=m["content"].strip()) for m in messages]
        text, spans = "", []
        for position, message in enumerate(told):
            if message["role"] == "assistant":
                if not message["content"]:
                    raise _Unfit("the answer is empty")
                before = templates.plain(told[:position])
                text = f"{before} {message['content']}"
                spans.append((len(before), len(text)))
        spans[-1] = (spans[-1][0], spans[-1][1] + len(self.end))
        return text + self.end, spans

    def _tokens(self, text: str, spans: Sequence[tuple[int, int]]) -> tuple[_Ids, _Mask]:
        """Ids of `text`, and which of them belong to a span. Prompt and answer are encoded apart, as
        they are at inference: no token reaches from one into the other."""
        ids: list[int] = []
        loss: list[bool] = []
        at = 0
        for start, end in spans:
            for part, learned in ((text[at:start], False), (text[start:end], True)):
                new = self._continue(part) if ids else self.encode(part)
                ids += new
                loss += [learned] * len(new)
            at = end
        return np.array(ids, np.int32), np.array(loss, np.bool_)

    def _continue(self, part: str) -> list[int]:
        """Ids of a text that stands behind other text, where SentencePiece must not begin a word: it
        is encoded behind a control token, whose ids are then taken off."""
        marked: list[int] = self.tokenizer.encode(self.end + part, add_special_tokens=False)
        if marked[: len(self._lead)] == self._lead:
            return marked[len(self._lead) :]
        return list(self.tokenizer.encode(part, add_special_tokens=False))

    @cached_property
    def _lead(self) -> list[int]:
        return list(self.tokenizer.encode(self.end, add_special_tokens=False))

    def _check(self, ids: _Ids, loss: _Mask, text: str, spans: Sequence[tuple[int, int]]) -> None:
        # A decoder may drop the blank that a text begins with.
        said = [_decode(self.tokenizer, ids[start:end]).lstrip() for start, end in _runs(loss)]
        meant = [text[start:end].lstrip() for start, end in spans]
        if said != meant:
            raise _Unfit("the tokens that carry loss do not read as the assistant's words")


def _runs(mask: _Mask) -> list[tuple[int, int]]:
    """(start, end) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _decode(tokenizer: Any, ids: Any) -> str:
    return str(
        tokenizer.decode(
            np.asarray(ids).tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
    )
