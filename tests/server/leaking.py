"""A served workspace with a secret under each set of labels, and whether an answer gives one away.

Under each set of labels lie a text, a table and (for one) a PDF; each holds words and figures that stand
nowhere else: its canary, the name of a column, codewords, amounts. Whatever of these is not in a request
must not be in what a key without the labels gets, nor in a prompt that is made for it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from helpers import HashEmbedder
from serving import Serve
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.types import Message

sys.path.insert(0, str(Path(__file__).parents[1] / "parsing"))

import make

LABELS = ("hr", "lab", "board")
SETS: tuple[tuple[str, ...], ...] = ((), ("hr",), ("lab",), ("hr", "lab"), ("board", "hr", "lab"))
"""The label sets of the documents."""
ROWS = 6
DRAWN = "plan-hr.pdf"


def canary(labels: Sequence[str]) -> str:
    return "canary" + "".join(label.capitalize() for label in labels) + "Zq"


def column(labels: Sequence[str]) -> str:
    """What a column is called in the table under these labels, and nothing else."""
    return "grade" + "".join(reversed("".join(labels) or "open")) + "qx"


def amounts(labels: Sequence[str]) -> list[int]:
    """The figures of that table; no sum of some is a figure of others."""
    first = (113_171, 227_233, 341_947, 457_829, 571_001)[SETS.index(tuple(labels))]
    return [first + row for row in range(ROWS)]


def document_of(labels: Sequence[str]) -> str:
    return "paper-" + ("-".join(labels) or "open") + ".md"


def table_of(labels: Sequence[str]) -> str:
    return "stock-" + ("-".join(labels) or "open") + ".csv"


def text_of(labels: Sequence[str]) -> str:
    word = canary(labels)
    return (
        f"# Paper {word}\n\nThe secret codeword of the {word} vault is {word}-4711.\n\n"
        f"The torque of the {word} valve is {30 + len(labels)} Nm.\n"
    )


def rows_of(labels: Sequence[str]) -> str:
    word = canary(labels)
    lines = [f"part,site,{column(labels)},amount (kg)"]
    # Sites are common to all tables, so that they can be joined.
    lines += [
        f"{word} pump {row},Hall {row % 3},{word}-4711-{row},{amount}"
        for row, amount in enumerate(amounts(labels))
    ]
    return "\n".join(lines) + "\n"


@dataclass
class World:
    """What is served, and what its model was shown."""

    serve: Serve
    client: TestClient
    prompts: list[str] = field(default_factory=list)
    passages: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    keys: dict[tuple[str, tuple[str, ...]], dict[str, str]] = field(default_factory=dict)

    def key(self, role: str, labels: Sequence[str]) -> dict[str, str]:
        name = f"{role}-{'-'.join(labels)}"
        if (role, tuple(labels)) not in self.keys:
            self.keys[role, tuple(labels)] = self.serve.key(name, role, labels)  # type: ignore[arg-type]
        return self.keys[role, tuple(labels)]


@contextmanager
def made(root: Path) -> Iterator[World]:
    folder = folders.create(root / "plant", {"model.name": "none", "parsing.workers": 1})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        for labels in SETS:
            place = root / ("docs-" + ("-".join(labels) or "open"))
            place.mkdir()
            (place / document_of(labels)).write_text(text_of(labels), encoding="utf-8")
            (place / table_of(labels)).write_text(rows_of(labels), encoding="utf-8")
            if labels == ("hr",):
                words = [(72, 90, 12, f"The plan of {canary(labels)}-4711.")]
                (place / DRAWN).write_bytes(make.pdf([make.PdfPage(words)]))
            workspace.add(str(place), labels=labels)
        assert not workspace.sync().failed
        own = {labels: (document_of(labels), table_of(labels), DRAWN) for labels in SETS}
        hits = {labels: workspace.search(canary(labels), 100) for labels in SETS}
    with ExitStack() as stack:
        serve = Serve(root / "plant", stack)
        prompts: list[str] = []

        def parrot(messages: Sequence[Message]) -> str:
            """A model that says whatever it is shown."""
            shown = "\n".join(message["content"] for message in messages)
            prompts.append(shown)
            said = re.findall(r"The secret codeword[^.]*\.", shown)
            return " ".join(said) or shown[-400:]

        serve.key("olga", "owner")
        found = World(serve, serve(FakeModel(parrot), overrides={"server.queue": 500}), prompts)
        for labels, some in hits.items():
            found.passages[labels] = [h.passage.id for h in some if h.passage.document in own[labels]]
            assert len({h.passage.document for h in some} & set(own[labels])) >= 2
        yield found


def not_for(held: Sequence[str]) -> list[tuple[str, ...]]:
    return [labels for labels in SETS if not set(labels) <= set(held)]


@cache
def _secrets(labels: tuple[str, ...]) -> tuple[str, ...]:
    drawn = (DRAWN,) if labels == ("hr",) else ()
    names = (document_of(labels), table_of(labels), table_of(labels).replace("-", "_")[:-4], *drawn)
    return tuple(one.casefold() for one in (canary(labels), column(labels), *names))


@cache
def _figures(labels: tuple[str, ...]) -> re.Pattern[str]:
    own = amounts(labels)
    told = {*own, sum(own), *(sum(own[site::3]) for site in range(3)), own[0] * 2}
    written = {str(number) for number in told} | {f"{number:,}" for number in told}
    return re.compile(rf"(?<![\w.,])(?:{'|'.join(sorted(written))})(?![\w]|[.,]\d)")


def leaks(held: Sequence[str], sent: str, shown: str) -> list[str]:
    """What of the secrets of others stands in `shown`, but where it was in the request."""
    asked, told = sent.casefold(), shown.casefold()
    rest = told.replace(asked, "") if asked else told
    found = []
    for labels in not_for(held):
        found += [secret for secret in _secrets(labels) if secret not in asked and secret in rest]
        word = canary(labels).casefold()
        found += [f"{word}-4711"] if f"{word}-4711" in rest else []
        found += _figures(labels).findall(shown)
    return found


def check(held: Sequence[str], sent: str, answers: Sequence[str], face: str = "") -> None:
    """No answer holds what is not for who holds `held`, but where it was in the request."""
    for body in answers:
        assert not leaks(held, sent, body), (face, held, sent, leaks(held, sent, body))


def answer_in(text: str) -> dict[str, Any]:
    """The object of the last event of a stream of /api/ask."""
    found: dict[str, Any] = json.loads(text.rpartition("data: ")[2])
    return found
