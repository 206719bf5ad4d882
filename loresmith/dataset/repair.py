"""What of a row can be mended without changing what it says: the order of its turns, its characters.

Promises: a row that comes out begins with at most one system text, then user and assistant take
turns, and the assistant has the last word; its text is what a tokenizer can take.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from loresmith.dataset.example import Example
from loresmith.types import Message

# Marks that exports leave at the end of an answer; the template sets its own.
_END_MARKS = re.compile(
    r"(?:\s*(?:</s>|<\|(?:im_end|endoftext|eot_id|end|end_of_text|eos)\|>|<end_of_turn>|<eos>|\[/INST\]))+\s*\Z"
)
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u2060\ufeff\u00ad]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€[™œ\u009d“”˜¦¢]|ï»¿")
_NOTHING = frozenset({"nan", "null", "n/a", "#n/a", "#ref!", "#value!", "#name?", "todo", "tbd", "undefined"})


def mend(example: Example, *, verbatim: bool = False) -> tuple[Example, list[str]] | str:
    """The mended row with what was done to it, or why it cannot be used.

    Args:
        verbatim: its text is that of a document, and only what no tokenizer takes may go.
    """
    done: list[str] = []
    turns: list[Message] = []
    for message in example.messages:
        text = _text(message["content"], done, verbatim)
        if message["role"] == "assistant" and not verbatim:
            bare = _END_MARKS.sub("", text)
            if bare != text:
                done.append("end mark removed")
                text = bare
        turns.append(Message(role=message["role"], content=text))
    ordered = _order(turns, done)
    if isinstance(ordered, str):
        return ordered
    question = _text(example.question, [], verbatim)
    if not done:
        return example, []
    first = next(m["content"] for m in ordered if m["role"] == "user")
    return replace(example, messages=tuple(ordered), question=question or first), list(dict.fromkeys(done))


def _text(text: str, done: list[str], verbatim: bool) -> str:
    if verbatim:
        clean = _SURROGATE.sub("", text)
        if clean != text:
            done.append("invisible characters removed")
        return clean
    if _MOJIBAKE.search(text):
        try:
            text = text.encode("cp1252").decode("utf-8")
            done.append("wrong encoding mended")
        except UnicodeError:
            text = _MOJIBAKE.sub(_decoded, text)
            done.append("wrong encoding mended in part")
    if _CONTROL.search(text) or _INVISIBLE.search(text):
        text = _INVISIBLE.sub("", _CONTROL.sub("", text))
        done.append("invisible characters removed")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        done.append("line ends made uniform")
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        done.append("letters and accents joined")
    if text != text.strip():
        text = text.strip()
        done.append("outer white space removed")
    return text


def _decoded(match: re.Match[str]) -> str:
    try:
        return match[0].encode("cp1252").decode("utf-8")
    except UnicodeError:
        return match[0]


def _order(turns: list[Message], done: list[str]) -> list[Message] | str:
    """Turns in the order that every chat template takes, or why that cannot be."""
    systems = [t["content"] for t in turns if t["role"] == "system" and t["content"]]
    late = any(t["role"] == "system" for t in turns[1:])
    said = [t for t in turns if t["role"] != "system"]
    if said and said[0]["role"] == "assistant":
        # A greeting: nobody asked for it.
        while said and said[0]["role"] == "assistant":
            said = said[1:]
        done.append("greeting before the first question left out")
    while said and said[-1]["role"] == "user":
        said = said[:-1]
        if said:
            done.append("question without an answer left out")
    if not said:
        return "wrong role order: no question that is followed by an answer"
    joined: list[Message] = []
    for turn in said:
        if joined and joined[-1]["role"] == turn["role"]:
            text = "\n\n".join(filter(None, (joined[-1]["content"], turn["content"])))
            joined[-1] = Message(role=turn["role"], content=text)
            done.append("neighbouring turns of one speaker joined")
        else:
            joined.append(turn)
    for turn in joined:
        if not turn["content"]:
            return "empty question" if turn["role"] == "user" else "empty answer"
        if turn["role"] == "assistant" and _says_nothing(turn["content"]):
            return f"empty answer: “{turn['content'][:20]}”"
    if len(systems) > 1 or late:
        done.append("system texts moved to the front")
    head = [Message(role="system", content="\n\n".join(systems))] if systems else []
    return [*head, *joined]


def _says_nothing(text: str) -> bool:
    return text.casefold().strip(" .") in _NOTHING or not any(c.isalnum() for c in text)
