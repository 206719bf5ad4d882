"""A language model for tests: it says what its script says, word by word, and keeps what it was asked.

Promises: deterministic, no files, the whole protocol of `LanguageModel` including the refusal of a
prompt that does not fit; closing the iterator stops it, as with the real engines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from loresmith.errors import ModelError, PromptTooLong
from loresmith.types import Generated, Message

Script = str | Sequence[str] | Mapping[str, str] | Callable[[Sequence[Message]], str]


class FakeModel:
    """A scripted model.

    Args:
        script: one answer for all; a list, said in order (the last one again and again); a
            mapping from a piece of the last message to the answer (else `default`); or a
            function of the messages.
        choices: log-probabilities by choice for `choice_logprobs`; None says the engine cannot.

    Attributes:
        prompts: the messages of every call of `generate`, in order.
        spoken: words yielded so far, to see that closing the iterator stopped it.
    """

    def __init__(
        self,
        script: Script = "",
        *,
        default: str = "",
        choices: Mapping[str, float] | Callable[[Sequence[Message]], Mapping[str, float]] | None = None,
        name: str = "fake",
        context_tokens: int = 4096,
        supports_grammar: bool = True,
    ) -> None:
        self.name = name
        self.context_tokens = context_tokens
        self.prompts: list[list[Message]] = []
        self.grammars: list[str | None] = []
        self.spoken = 0
        self.closed = False
        self._script = script
        self._default = default
        self._choices = choices
        self._supports_grammar = supports_grammar

    @property
    def supports_grammar(self) -> bool:
        return self._supports_grammar

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Words plus four a message."""
        return sum(len(m["content"].split()) + 4 for m in messages)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        grammar: str | None = None,
    ) -> Iterator[Generated]:
        if self.closed:
            raise ModelError(f"{self.name} is closed.", "Load it again.")
        needed = self.count_tokens(messages) + max_tokens
        if needed > self.context_tokens:
            raise PromptTooLong(
                f"The prompt and {max_tokens} tokens of answer need {needed} tokens; "
                f"{self.name} takes {self.context_tokens}.",
                "Shorten the prompt.",
            )
        self.prompts.append(list(messages))
        self.grammars.append(grammar)
        text = self._answer(messages)
        for mark in stop:
            text = text.partition(mark)[0]
        return self._speak(re.findall(r"\s*\S+|\s+$", text)[:max_tokens])

    def _speak(self, words: Sequence[str]) -> Iterator[Generated]:
        for word in words:
            self.spoken += 1
            yield Generated(word, 1, -0.1)

    def _answer(self, messages: Sequence[Message]) -> str:
        script = self._script
        if isinstance(script, str):
            return script
        if isinstance(script, Mapping):
            last = messages[-1]["content"]
            return next((answer for piece, answer in script.items() if piece in last), self._default)
        if isinstance(script, Sequence):
            return script[min(len(self.prompts), len(script)) - 1]
        return script(messages)

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        if self._choices is None:
            return None
        table = self._choices(messages) if callable(self._choices) else self._choices
        return [table.get(choice, -20.0) for choice in choices]

    def close(self) -> None:
        self.closed = True
