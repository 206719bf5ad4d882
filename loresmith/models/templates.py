"""What is the same for every engine when messages become a prompt.

Promises: text of a user or a document never turns into a control token of the model. A control
token's text is broken by an invisible WORD JOINER behind its first character: the tokenizer then
reads ordinary characters, a person reads the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from loresmith.types import Generated, Message

JOINER = "\u2060"

# Marks that steer common chat models, as control tokens or as plain text in their templates.
# Guarded for every engine: behind an endpoint the model's own list is not known.
COMMON_MARKS = (
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
)
_TAG = r"<[|｜][^<>|｜\n]{1,60}[|｜]>"


def looks_like_tag(text: str) -> bool:
    """Whether a token that is not declared a control token is shaped like one."""
    return text in COMMON_MARKS or re.fullmatch(_TAG, text) is not None


END_MARK = "The answer ends here"


@lru_cache(maxsize=16)
def _pattern(special_tokens: tuple[str, ...]) -> re.Pattern[str]:
    marks = sorted({*special_tokens, *COMMON_MARKS}, key=len, reverse=True)
    # A one-character token cannot be broken by an insertion and is no tag.
    return re.compile("|".join([*(re.escape(m) for m in marks if len(m) > 1), _TAG]))


def neutralise(text: str, special_tokens: Iterable[str] = ()) -> str:
    """`text` with every control token's text broken by an invisible character.

    Only insertions: what is left can never join into another token.

    >>> neutralise("a <|end|> b") == "a <\u2060|end|> b"
    True
    """

    def broken(match: re.Match[str]) -> str:
        mark = match[0]
        return mark[0] + JOINER + mark[1:]

    pattern = _pattern(tuple(special_tokens))
    # An insertion can uncover a shorter token inside a longer one ("<|a<s>|>"): look again.
    while (guarded := pattern.sub(broken, text)) != text:
        text = guarded
    return text


def guarded(messages: Sequence[Message], special_tokens: Iterable[str] = ()) -> list[Message]:
    """The messages with every content neutralised."""
    special = tuple(special_tokens)
    return [Message(role=m["role"], content=neutralise(m["content"], special)) for m in messages]


def without_system(messages: Sequence[Message]) -> list[Message]:
    """System text moved to the front of the first user message, for templates that refuse it."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [m for m in messages if m["role"] != "system"]
    if not system or not rest:
        return list(rest)
    first = Message(role=rest[0]["role"], content=f"{system}\n\n{rest[0]['content']}")
    return [first, *rest[1:]]


def render(
    messages: Sequence[Message],
    apply: Callable[[list[Message]], str],
    refusal: type[Exception],
) -> str:
    """`apply(messages)`; where the template refuses the system role or silently leaves its text out
    (the first Phi-3 did), the text goes in front of the user's.
    """
    system = [m["content"].strip() for m in messages if m["role"] == "system"]
    try:
        text = apply(list(messages))
    except refusal:
        if not system:
            raise
    else:
        if all(content in text for content in system):
            return text
    return apply(without_system(messages))


def plain(messages: Sequence[Message]) -> str:
    """A prompt for a model that has no chat template (a base model)."""
    names = {"system": "System", "user": "User", "assistant": "Assistant"}
    turns = [f"{names[m['role']]}: {m['content']}" for m in messages]
    return "\n\n".join([*turns, "Assistant:"])


PLAIN_STOP = ("\nUser:", "\nSystem:")


def end_of_turn(rendered: str, special_tokens: Iterable[str]) -> str | None:
    """The control token behind the assistant's text in a rendered conversation.

    Args:
        rendered: a conversation whose last assistant message is `END_MARK`, rendered by the
            model's template without a generation prompt.
    """
    _, found, tail = rendered.partition(END_MARK)
    if not found:
        return None
    tail = tail.lstrip()
    return next((t for t in sorted(special_tokens, key=len, reverse=True) if tail.startswith(t)), None)


def until(pieces: Iterator[Generated], stop: Sequence[str]) -> Iterator[Generated]:
    """The pieces up to the first stop text, which may begin in one piece and end in another.

    Text that may still become a stop text is held back until that is decided.
    """
    marks = [mark for mark in stop if mark]
    held = ""
    for piece in pieces:
        held += piece.text
        found = [at for mark in marks if (at := held.find(mark)) >= 0]
        if found:
            yield Generated(held[: min(found)], piece.tokens, piece.logprob)
            return
        keep = max((_overlap(held, mark) for mark in marks), default=0)
        yield Generated(held[: len(held) - keep], piece.tokens, piece.logprob)
        held = held[len(held) - keep :]
    if held:
        yield Generated(held, 0)


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` that is a beginning of `mark`."""
    return next((n for n in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:n])), 0)
