"""Example: one training row, with where it comes from and what it rests on.

    question + answer (+ passages) -> messages as the expert will see them -> Example

Promises: an example's id is the hash of its messages, so the same row is never in a dataset twice;
every example keeps its origin, its documents and the access labels of all of them.

`kind` says which skill a row teaches:
    closed    the question alone, as the arm "tuned" is asked (`unaided.messages`)
    grounded  the question with passages, as the arm "both" is asked (`prompt.messages`)
    abstain   as grounded, but the passages do not hold the answer: the answer is an abstention
    query     the question with the tables it may need, as a model with an adapter is asked for a query
              (`querying.prompt.messages`); the answer is the SQL
    chat      the user's own conversation, turns as given
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from loresmith.types import Message

Kind = Literal["closed", "grounded", "abstain", "query", "chat"]
Split = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training row.

    Attributes:
        messages: the conversation; the last one is the assistant's. Every assistant turn carries
            loss, nothing else does.
        question: the user's question without passages and request (for checks and reports).
        documents: ids of the documents it rests on; rows are split by them.
        beside: ids of further documents whose tables stand in its prompt (query); of a pair that is not
            yet proved, the tables or the database that its file names.
        passages: ids of the passages that hold the answer (none for abstain).
        quote: verbatim text of a passage that proves the answer, where there is one.
        value: the bare answer within `answer`, where it is known; of a row that abstains the one that was
            taken away ("" where nothing answers it).
        fact: rows that say the same in other words share it ("" where nobody knows).
        origin: "table:<document>", "glossary:…", "procedure:…", "section:…", "teacher:<model>",
            "query:<document>", "import:<file>#<row>", "feedback:<id>".
        labels: access labels of everything it rests on.
        language: ISO 639-1 or "".
    """

    messages: tuple[Message, ...]
    kind: Kind
    question: str = ""
    documents: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()
    quote: str = ""
    value: str = ""
    fact: str = ""
    origin: str = ""
    labels: tuple[str, ...] = ()
    language: str = ""

    @property
    def answer(self) -> str:
        """The last assistant turn."""
        return self.messages[-1]["content"]

    @property
    def id(self) -> str:
        """sha256 (first 16 hex digits) of the messages."""
        raw = json.dumps(
            [[m["role"], m["content"]] for m in self.messages], ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """JSON form, the id first; what is empty is left out."""
        raw = {k: v for k, v in asdict(self).items() if v not in ("", ())}
        return {"id": self.id, **raw, "messages": [dict(m) for m in self.messages]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Example:
        """The example of `to_dict`; further keys ("id", "split") are ignored."""
        return cls(
            messages=tuple(Message(role=m["role"], content=m["content"]) for m in raw["messages"]),
            kind=raw["kind"],
            question=raw.get("question", ""),
            documents=tuple(raw.get("documents", ())),
            beside=tuple(raw.get("beside", ())),
            passages=tuple(raw.get("passages", ())),
            quote=raw.get("quote", ""),
            value=raw.get("value", ""),
            fact=raw.get("fact", ""),
            origin=raw.get("origin", ""),
            labels=tuple(raw.get("labels", ())),
            language=raw.get("language", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset as it lies in `datasets/<id>/`. `id` is the hash of its rows and splits.

    Attributes:
        labels: union of the labels of its examples; who uses an adapter trained on it must hold
            them all.
        documents: version hash of each document it rests on, to see that one has changed since.
    """

    id: str
    train: tuple[Example, ...]
    dev: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()
    labels: tuple[str, ...] = ()
    documents: Mapping[str, str] | None = None

    def splits(self) -> dict[str, tuple[Example, ...]]:
        return {"train": self.train, "dev": self.dev, "test": self.test}
