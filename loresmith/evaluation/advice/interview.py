"""The few questions that only a person can answer, asked where nothing else did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loresmith.evaluation.advice.facts import CHANGES, Facts, over


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the interview: yes, no, or one of `choices`."""

    fact: str
    question: str
    choices: tuple[str, ...] = ("yes", "no")

    def value(self, answer: str) -> Any:
        """What an answer means; None for one that means nothing."""
        meant = [choice for choice in self.choices if answer and choice.startswith(answer.strip().lower())]
        if len(meant) != 1:
            return None
        return meant[0] == "yes" if self.choices == ("yes", "no") else meant[0]


QUESTIONS: tuple[Asked, ...] = (
    Asked("changes", "How soon does a tenth of what is asked about change?", CHANGES),
    Asked("sources", "Must readers see where an answer stands?"),
    Asked("synthesis", "Do answers put several documents together?"),
    Asked("style", "Must answers keep a form, a tone or a vocabulary of your own?"),
    Asked("flow", "Does a program work on with the answers, with no person in between?"),
    Asked("readers", "Are there readers who may not see every document?"),
)


def open_questions(facts: Facts) -> Iterator[Asked]:
    """The questions that nothing has answered yet."""
    return (asked for asked in QUESTIONS if getattr(facts, asked.fact) is None)


def interview(facts: Facts, answer: Callable[[Asked], str]) -> Facts:
    """`facts` with the answers of a person.

    Args:
        answer: puts a question to the person; an empty answer leaves the fact unknown.
    """
    for asked in open_questions(facts):
        while said := answer(asked).strip():
            value = asked.value(said)
            if value is not None:
                facts = over(facts, {asked.fact: value}, "your answer")
                break
    return facts
