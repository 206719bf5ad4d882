"""Summaries by the language model, where `passages.summaries = "model"` asks for them.

Promises: the model is loaded with the first document that needs it and closed with the sync; a text
longer than its window is shortened, never cut off in the prompt; a summary with a number that does
not stand in the text is not used (summaries.py extracts one instead).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from loresmith.config import Config
from loresmith.errors import ConfigError
from loresmith.models import load_language_model
from loresmith.summaries import with_model
from loresmith.sync.indexing import Summarise
from loresmith.types import LanguageModel, Message, Progress

_TOKENS = 96
_TASK = "Summarise the following text in at most two sentences, in its own language.\n\n<text>\n{}\n</text>"


@contextmanager
def summariser(config: Config, progress: Progress) -> Iterator[Summarise | None]:
    """What the configuration asks for; None where no language model is wanted.

    Raises:
        ConfigError: summaries by a model are wanted, and model.name is "none".
        ModelError, EndpointError: it cannot be loaded or does not answer (while summarising).
    """
    if config.passages.summaries != "model":
        yield None
        return
    if config.model.name == "none":
        raise ConfigError(
            'passages.summaries = "model" needs a language model, and model.name is "none".',
            'Name one (model.name), or set passages.summaries = "extractive".',
        )
    loaded: list[LanguageModel] = []

    def write(text: str) -> str:
        if not loaded:
            loaded.append(load_language_model(config.model, progress))
        return written(loaded[0], text)

    try:
        yield lambda document, passages: with_model(document, passages, write)
    finally:
        for model in loaded:
            model.close()


def written(model: LanguageModel, text: str) -> str:
    """The model's summary of `text`; "" where it invented a number."""
    while True:
        messages: list[Message] = [{"role": "user", "content": _TASK.format(text)}]
        if model.count_tokens(messages) + _TOKENS <= model.context_tokens or len(text) < 200:
            break
        text = text[: len(text) // 2].rpartition(" ")[0] or text[: len(text) // 2]
    summary = "".join(piece.text for piece in model.generate(messages, max_tokens=_TOKENS)).strip()
    # The limit may have fallen into a sentence; what is whole is kept.
    whole = re.match(r".*[.!?。！？]", summary, re.DOTALL)
    summary = whole.group() if whole else summary
    return summary if set(re.findall(r"\d+", summary)) <= set(re.findall(r"\d+", text)) else ""
