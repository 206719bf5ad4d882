"""The values that travel between the steps, and the seams between them.

    SourceItem -> Document -> Passage -> (index) -> Hit -> Answer

Values are frozen; a step is a function from one to the next. Offsets are counted in characters
(Python `str` indices), pages, rows and lines from 1, boxes in points from the page's top left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""Shape (number of texts, dimension), float32."""

SearchMode = Literal["hybrid", "dense", "text"]
Arm = Literal["base", "rag", "tuned", "both"]
BlockKind = Literal["heading", "paragraph", "list", "table", "row", "code", "caption"]


# --- where something stands -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in points, origin at the top left."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """The exact place of a span in a document; only what the format knows is set.

    Attributes:
        start, end: character span in `Document.text`.
        page: page or slide, from 1.  boxes: the span's lines on that page.
        sheet, row: worksheet and its row as the spreadsheet program numbers them (the CSV line's
            record number, the JSONL line).  key: the record's own identifier where it has one.
        line: line of the text file, from 1.
        heading: the heading path, joined by " › ".
        table: caption or number of the table.
    """

    start: int | None = None
    end: int | None = None
    page: int | None = None
    boxes: tuple[Box, ...] = ()
    sheet: str | None = None
    row: int | None = None
    key: str | None = None
    line: int | None = None
    heading: str | None = None
    table: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form without what is unset; boxes become lists [x0, y0, x1, y1]."""
        raw = {k: v for k, v in asdict(self).items() if v is not None and v != ()}
        if self.boxes:
            raw["boxes"] = [[b.x0, b.y0, b.x1, b.y1] for b in self.boxes]
        return raw

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Locator:
        values = dict(raw)
        values["boxes"] = tuple(Box(*b) for b in raw.get("boxes", ()))
        return cls(**values)

    def describe(self) -> str:
        """The place in words, for a person: "p. 14", "sheet Log, row 12", "key P-200", "line 3"."""
        parts = []
        if self.page is not None:
            parts.append(f"p. {self.page}")
        if self.sheet is not None:
            parts.append(f"sheet {self.sheet}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        elif self.key is not None and self.page is None:
            parts.append(f"key {self.key}")
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.heading and self.page is None and self.row is None:
            parts.append(f"“{self.heading}”")
        if not parts and self.key is None and self.table:
            parts.append(f"table {self.table}")
        return ", ".join(parts)


# --- documents --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One line of the user's list of sources.

    Attributes:
        uri: a path, a URL or the address of a database (with ${NAME} for secrets), as resolved.
        tables: of a database: only these.
        since: of a database: (table, the column by which only newer rows are read).
    """

    uri: str
    labels: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    since: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceItem:
    """Something a source offers, before it is read.

    Attributes:
        id: the document id: the path relative to its source, "/"-separated; stable between syncs.
        source: the `SourceSpec.uri` it came from.
        uri: absolute path or URL.
        path: the file to read; for a web page the downloaded copy.
        size, mtime_ns: of the file, to see cheaply that nothing changed.
        version: sha256 of the bytes where the source already knows it (web), else None.
        media_type: where the source knows it better than the bytes (web), else None.
    """

    id: str
    source: str
    uri: str
    path: str
    size: int
    mtime_ns: int
    labels: tuple[str, ...] = ()
    version: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a document's text with its structure and place: `document.text[start:end]`.

    Blocks are in reading order and do not overlap; what lies between them is white space.
    A table is a run of `row` blocks with the same `table`; `header` says which row holds the
    column names. `box` is the block's rectangle on `page`; `lines` are (start, end, box) of its
    visual lines, so that a quote can be drawn exactly.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int | None = None
    box: Box | None = None
    lines: tuple[tuple[int, int, Box], ...] = ()
    sheet: str | None = None
    row: int | None = None
    key: str | None = None
    table: str | None = None
    header: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One readable unit from a source, as text with structure.

    Attributes:
        version: sha256 (hex) of the original bytes.
        modified: seconds since the epoch, from the document's own metadata or its file.
        language: ISO 639-1 code or "" where unknown.
        labels: access labels; a reader needs every one of them.
        warnings: what a person should know ("hidden text on page 3 was left out").
        lined: the text is the file's own text, so that line numbers mean something.
    """

    id: str
    source: str
    uri: str
    version: str
    media_type: str
    title: str
    text: str
    blocks: tuple[Block, ...]
    language: str = ""
    labels: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified: float | None = None
    warnings: tuple[str, ...] = ()
    lined: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A source or document that could not be read, with the reason in one line."""

    source: str
    reason: str


# --- passages and what is found ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The unit of retrieval.

    Attributes:
        id: hash of document id, span and text: the same text in the same place keeps its id.
        text: exactly `document.text[locator.start:locator.end]`.
        heading: heading path from the outermost to the innermost.
        context: text that belongs to the passage but stands elsewhere: the header row of a table
            that was cut. Never part of a quote, but evidence for names and units.
        summary: stored summary of the passage's section ("" where the section is the passage).
        title, language, labels, modified, source: carried over from the document.
    """

    id: str
    document: str
    ordinal: int
    text: str
    locator: Locator
    title: str = ""
    heading: tuple[str, ...] = ()
    context: str = ""
    summary: str = ""
    language: str = ""
    source: str = ""
    labels: tuple[str, ...] = ()
    modified: float | None = None
    tokens: int = 0

    def indexed_text(self) -> str:
        """What is embedded and searched: title, headings, table header, text."""
        head = " › ".join(dict.fromkeys(h for h in (self.title, *self.heading) if h))
        return "\n".join(part for part in (head, self.context, self.text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which passages a reader may and wants to see; applied inside the store's query.

    Attributes:
        access: the labels the reader holds; None means the owner, who sees everything. A passage
            is visible only to a reader who holds every one of its labels (fail closed).
        labels: keep only documents that carry one of these labels.
        since, until: keep what was modified in [since, until), seconds since the epoch.
    """

    access: tuple[str, ...] | None = None
    sources: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found.

    Attributes:
        rank: from 1.  score: what the list is ordered by (fused or reranked).
        scores: the parts: "dense" (cosine, or what the metric gives), "text" (BM25), "rerank".
    """

    passage: Passage
    rank: int
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        p = self.passage
        return {
            "rank": self.rank,
            "score": self.score,
            "document": p.document,
            "locator": p.locator.to_dict(),
            "text": p.text,
            "title": p.title,
            "heading": list(p.heading),
            "summary": p.summary,
            "scores": dict(self.scores),
        }


# --- answers ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a sentence comes from. `quote` stands verbatim in the passage, at `locator`."""

    document: str
    passage: str
    locator: Locator
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A sentence the model wrote that did not pass verification, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisRow:
    """A row that a result rests on: its place and its cells, in the order of `BasisTable.columns`."""

    locator: Locator
    cells: tuple[int | float | str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisTable:
    """The rows of one table that a result rests on.

    Attributes:
        document: the document it stands in.  table: its name there.
        columns: of the table, with their units ("hours (h)").
        rows: the first of them.  total: how many there are.
    """

    document: str
    table: str
    columns: tuple[str, ...]
    rows: tuple[BasisRow, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult:
    """What was found in tables: exact, with the query and the rows it rests on.

    Attributes:
        sql: the statement that was run ("" where cells were computed with directly).
        formula: how a figure was computed from cells ("(44.1 − 56.7) / 56.7"), "" where `sql` says it.
        reading: the query in plain words.
        columns, units: of the result; units "" where there is none.
        rows: the result, at most `answer.rows` of them.  truncated: there are more.
        basis: what it rests on, table by table.
        by: who wrote the query: "code", "model" or "user".
        asked: the question that was put, where it is not the one that was asked: "and in Lyon?" made whole.
    """

    sql: str
    reading: str
    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[int | float | str | None, ...], ...]
    truncated: bool = False
    basis: tuple[BasisTable, ...] = ()
    formula: str = ""
    by: Literal["code", "model", "user"] = "code"
    asked: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "sql": self.sql,
            "formula": self.formula,
            "asked": self.asked,
            "reading": self.reading,
            "columns": list(self.columns),
            "units": list(self.units),
            "rows": [list(row) for row in self.rows],
            "truncated": self.truncated,
            "by": self.by,
            "basis": [
                {
                    "document": table.document,
                    "table": table.table,
                    "columns": list(table.columns),
                    "rows": [{"locator": r.locator.to_dict(), "cells": list(r.cells)} for r in table.rows],
                    "total": table.total,
                }
                for table in self.basis
            ],
        }


def usage(tokens: Mapping[str, int]) -> tuple[int, int]:
    """Tokens read and written, of `Answer.tokens`."""
    read = tokens.get("prompt", 0) + tokens.get("query_prompt", 0)
    return read, tokens.get("answer", 0) + tokens.get("query", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an expert says, after verification.

    Attributes:
        answer: the sentences joined; when abstaining, the words that say so.
        abstained: nothing verifiable was left, or the passages do not hold the answer.
        confidence: estimated probability in [0, 1] that the passages answer the question.
        dropped: what verification took out.
        seconds: "retrieval", "generation", "verification".
        tokens: "prompt" and "answer"; where a model wrote queries, also refused ones, "query_prompt" and
            "query".
        via: what it was answered from.  result: what the tables gave, where they were asked.
    """

    question: str
    answer: str
    abstained: bool
    sentences: tuple[Sentence, ...]
    hits: tuple[Hit, ...]
    model: str
    adapter: str | None = None
    arm: Arm = "rag"
    confidence: float = 0.0
    reason: str = ""
    dropped: tuple[Dropped, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    via: Literal["passages", "tables", "both"] = "passages"
    result: TableResult | None = None

    @property
    def usage(self) -> tuple[int, int]:
        """All tokens that a model read and wrote for it."""
        return usage(self.tokens)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith ask --json` prints."""
        return {
            "question": self.question,
            "answer": self.answer,
            "abstained": self.abstained,
            "reason": self.reason,
            "confidence": self.confidence,
            "sentences": [
                {
                    "text": s.text,
                    "citations": [
                        {
                            "document": c.document,
                            "locator": c.locator.to_dict(),
                            "quote": c.quote,
                            "passage": c.passage,
                        }
                        for c in s.citations
                    ],
                }
                for s in self.sentences
            ],
            "dropped": [{"text": d.text, "reason": d.reason} for d in self.dropped],
            "hits": [h.to_dict() for h in self.hits],
            "model": self.model,
            "adapter": self.adapter,
            "arm": self.arm,
            "seconds": dict(self.seconds),
            "tokens": dict(self.tokens),
            "via": self.via,
            "result": self.result.to_dict() if self.result else None,
        }


# --- seams ------------------------------------------------------------------------------------


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


Progress = Callable[[str, int, int | None], None]
"""`progress(stage, done, total)`: called often; total None while it is unknown."""


@runtime_checkable
class Embedder(Protocol):
    """Text to vectors. Two embedders with the same `fingerprint` give the same vectors."""

    name: str
    dimension: int
    max_tokens: int
    fingerprint: str

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit-length rows, in the order of `texts`. Texts beyond `max_tokens` are truncated."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` without special tokens; an estimate where there is no tokenizer."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Generated:
    """A piece of generated text. `logprob` is the sum over its tokens where known."""

    text: str
    tokens: int = 1
    logprob: float | None = None


@runtime_checkable
class LanguageModel(Protocol):
    """Messages to text, with the model's own chat template and stop tokens."""

    name: str
    context_tokens: int

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the rendered prompt, template and special tokens included."""
        ...

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
        """Stream the answer. Closing the iterator stops generation.

        Args:
            grammar: GBNF; ignored (after one logged warning) where `supports_grammar` is False.

        Raises:
            ModelError: the prompt with `max_tokens` does not fit `context_tokens`.
        """
        ...

    @property
    def supports_grammar(self) -> bool: ...

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        """log P(first token of each choice | prompt), or None where the engine cannot say."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TunedModel(LanguageModel, Protocol):
    """A model that answers with a LoRA adapter. Closing it or its base closes both."""

    adapter: str | None
    """Id of the adapter; None for the base itself."""

    @property
    def base(self) -> LanguageModel:
        """The same weights without the adapter, sharing the memory."""
        ...
