"""What the words of a question can be: the values that linking finds and understanding reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["table", "column", "name", "value", "quote", "number", "date", "operator", "glue", "unknown"]


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    folded: str
    stem: str
    start: int
    end: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class ColumnLink:
    """Words [first, last) of the question name this column."""

    table: str
    column: str
    score: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ValueLink:
    """Words [first, last) of the question stand as a value in this column.

    whole: they are all of it; else it begins with them."""

    table: str
    column: str
    value: str
    count: int
    first: int
    last: int
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the question; `unit` as it stands with it ("" where none), canonical."""

    value: int | float
    unit: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Span:
    """A date of the question: "2024", "2024-03", "2024-03-07"; with `until`: from the one to the other."""

    value: str
    until: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Operator:
    """Words that say what is asked; `kinds` the likeliest first (vocabulary.py)."""

    kinds: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Atom:
    """A span of the question with what it can be."""

    kind: Kind
    first: int
    last: int
    text: str
    tables: tuple[tuple[str, float], ...] = ()
    columns: tuple[ColumnLink, ...] = ()
    values: tuple[ValueLink, ...] = ()
    number: Number | None = None
    date: Span | None = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Links:
    """What a question's words are in these tables.

    Attributes:
        tables: (sql name, score), the likeliest first; those of score 0 are left out.
        columns, values: of the chosen cover, every reading of a span.
        unexplained: content words that nothing accounts for.
        other: where a cell's text is also a table's name, and was taken for the cell: for the table.
        atoms: the cover, in the question's order.
    """

    question: str
    language: str
    words: tuple[Word, ...]
    tables: tuple[tuple[str, float], ...] = ()
    columns: tuple[ColumnLink, ...] = ()
    values: tuple[ValueLink, ...] = ()
    numbers: tuple[Number, ...] = ()
    dates: tuple[Span, ...] = ()
    operators: tuple[Operator, ...] = ()
    unexplained: tuple[str, ...] = ()
    atoms: tuple[Atom, ...] = field(default=())
    other: Links | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A span with one kind of reading and what choosing it is worth."""

    atom: Atom
    worth: float


def text_of(words: Sequence[Word], first: int, last: int) -> str:
    return " ".join(w.folded for w in words[first:last])
