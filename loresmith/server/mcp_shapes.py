"""What the tools for agents hand out: as much as an agent can use, and no more.

Whoever reads it here is a language model, and each number costs it room: places are words ("p. 4"), not
boxes; texts are there once; what only a page or a program shows (scores, seconds, dropped sentences) is
left to /api. The ids of passages are whole, since `open_source` takes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

from loresmith.server.citing import titles_of
from loresmith.types import Answer, Arm, Citation, Hit, Passage, TableResult


class Where(BaseModel):
    """Where something stands: `passage` is for open_source."""

    document: str
    title: str
    place: str
    passage: str


class Quoted(Where):
    """What a sentence rests on, verbatim."""

    quote: str


class Said(BaseModel):
    """A verified sentence."""

    text: str
    citations: list[Quoted]


class Rows(BaseModel):
    """What was read from tables: `query` in SQL or as a formula, `reading` in words."""

    columns: list[str]
    rows: list[list[int | float | str | None]]
    truncated: bool
    query: str
    reading: str


class Answered(BaseModel):
    """`nearest`: where an abstention looked; `arm` base or tuned: the model's own words, not verified."""

    answer: str
    abstained: bool
    reason: str
    arm: Arm
    sentences: list[Said]
    table: Rows | None
    nearest: list[Where]


class Found(Where):
    """A passage. `heading`: the headings above it."""

    heading: list[str]
    text: str


class Hits(BaseModel):
    """Passages, the best first."""

    hits: list[Found]


class Source(Found):
    """A passage between what stands `before` and `after` it. `columns`: of a table that was cut."""

    columns: str
    before: str
    after: str


def hits(found: Sequence[Hit]) -> Hits:
    return Hits(
        hits=[
            Found(**_place(hit.passage), heading=list(hit.passage.heading), text=hit.passage.text)
            for hit in found
        ]
    )


def answered(answer: Answer) -> Answered:
    titles = titles_of(answer)

    def quoted(one: Citation) -> Quoted:
        title, place = titles.get(one.document, ""), one.locator.describe()
        return Quoted(document=one.document, title=title, place=place, passage=one.passage, quote=one.quote)

    return Answered(
        answer=answer.answer,
        abstained=answer.abstained,
        reason=answer.reason,
        arm=answer.arm,
        sentences=[
            Said(text=sentence.text, citations=[quoted(one) for one in sentence.citations])
            for sentence in answer.sentences
        ],
        table=_rows(answer.result) if answer.result else None,
        nearest=[Where(**_place(hit.passage)) for hit in answer.hits] if answer.abstained else [],
    )


def source(found: Mapping[str, Any]) -> Source:
    """From what /api/source has of it."""
    kept = ("document", "title", "place", "passage", "heading", "text")
    return Source(**{key: found[key] for key in kept}, columns=found["header"], **found["context"])


def result(made: Answered | Hits | Source) -> CallToolResult:
    """The same as an object and as text, for clients that know nothing of objects."""
    text = TextContent(type="text", text=made.model_dump_json())
    return CallToolResult(content=[text], structured_content=made.model_dump(mode="json"))


def _place(passage: Passage) -> dict[str, str]:
    return {
        "document": passage.document,
        "title": passage.title,
        "place": passage.locator.describe(),
        "passage": passage.id,
    }


def _rows(found: TableResult) -> Rows:
    units = (f" ({unit})" if unit else "" for unit in found.units)
    return Rows(
        columns=[f"{name}{unit}" for name, unit in zip(found.columns, units, strict=True)],
        rows=[list(row) for row in found.rows],
        truncated=found.truncated,
        query=found.sql or found.formula,
        reading=found.reading,
    )
