"""Examples for the tests of datasets."""

from __future__ import annotations

from typing import Any

from loresmith.answering import prompt, unaided
from loresmith.dataset.example import Example
from loresmith.types import Hit, Locator, Message, Passage


def closed(question: str, answer: str, **more: Any) -> Example:
    said = Message(role="assistant", content=answer)
    more.setdefault("origin", "table:a.pdf")
    return Example(messages=(*unaided.messages(question), said), kind="closed", question=question, **more)


def grounded(question: str, answer: str, text: str, document: str = "a.pdf", **more: Any) -> Example:
    passage = Passage(id=text[:8], document=document, ordinal=0, text=text, locator=Locator())
    asked = prompt.messages(question, [Hit(passage=passage, rank=1, score=1.0)])
    more = {"origin": f"table:{document}", "documents": (document,), "kind": "grounded"} | more
    said = Message(role="assistant", content=answer)
    return Example(messages=(*asked, said), question=question, **more)


def chat(*turns: tuple[str, str], origin: str = "import:chat.jsonl#1", **more: Any) -> Example:
    said = tuple(Message(role=role, content=text) for role, text in turns)  # type: ignore[typeddict-item]
    question = next((text for role, text in turns if role == "user"), "")
    return Example(messages=said, kind="chat", question=question, origin=origin, **more)


def facts(documents: int, each: int, wordings: int, name: str = "doc") -> list[Example]:
    """Closed rows: `each` facts of every document, in so many wordings."""
    forms = (
        "Which torque has bolt {b} of {d}?",
        "Bolt {b} of {d}: how tight?",
        "Tell me the torque of {b} ({d}).",
        "How tight is {b} on {d} to be?",
    )
    return [
        closed(
            forms[w].format(b=f"M{10 * d + f}", d=f"P-{d}"),
            f"The torque of bolt M{10 * d + f} of P-{d} is {10 * d + f + 5} Nm.",
            documents=(f"{name}{d}.pdf",),
            fact=f"{d}.{f}",
        )
        for d in range(documents)
        for f in range(each)
        for w in range(wordings)
    ]
