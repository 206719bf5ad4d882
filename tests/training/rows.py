"""Rows that the tests of training share."""

from __future__ import annotations

from typing import Any

from loresmith.answering import unaided
from loresmith.dataset.example import Example
from loresmith.training import tokens
from loresmith.training.values import Row
from loresmith.types import Message


def example(question: str, answer: str) -> Example:
    messages = (*unaided.messages(question), Message(role="assistant", content=answer))
    return Example(messages=messages, kind="closed", question=question)


def examples(count: int = 12) -> list[Example]:
    return [example(f"Which torque for the bolt M{i}?", f"The torque is {7 * i} Nm.") for i in range(count)]


def facts(tokenizer: Any, count: int = 12) -> list[Row]:
    rows, problems = tokens.rows(examples(count), tokenizer, max_length=256)
    assert not problems
    return rows
