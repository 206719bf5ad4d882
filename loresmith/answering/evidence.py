"""Where in the passages found a question or a sentence finds its support.

A `Piece` is what can be quoted: one sentence, list item or table row of a hit's passage, with the
facts code can check. `gather` cuts all hits into pieces once; `rank` orders them by how much of
the question they hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.answering import facts
from loresmith.answering.facts import Number
from loresmith.answering.sentences import pieces
from loresmith.answering.text import fold, matches, terms, words
from loresmith.answering.vocabulary import (
    ASKING,
    CAPTION,
    CURRENCIES,
    FIGURES,
    GERMAN,
    HOW_MANY,
    LATEST,
    MANY,
    MONEY,
    POLAR,
    QUANTITY,
    TO_MODEL,
    WHO,
)
from loresmith.types import Hit, Passage

# The heading of a group of rows is no longer than this.
_GROUP = 100


@dataclass(frozen=True, slots=True)
class Piece:
    """`passage.text[start:end]` and what stands in it.

    `around` is what belongs to it without being quoted: title, headings, table header, file name.
    `above` is, for a row, what stands over it in its own passage: column names, heading of its group.
    """

    hit: Hit
    start: int
    end: int
    row: bool
    header: bool = False
    above: str = ""

    @property
    def passage(self) -> Passage:
        return self.hit.passage

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]

    @property
    def around(self) -> str:
        inherited = around(self.hit.passage)
        return f"{inherited}\n{self.above}" if self.above else inherited

    @property
    def terms(self) -> frozenset[str]:
        return terms(self.text)

    @property
    def codes(self) -> frozenset[str]:
        return facts.codes(self.text)

    @property
    def numbers(self) -> tuple[Number, ...]:
        return facts.evidence_numbers(self.text)


def around(passage: Passage) -> str:
    """Title, headings, table header and file name: what a passage inherits."""
    name = re.sub(r"[_/]+", " ", re.sub(r"\.[A-Za-z]\w{1,4}$", "", passage.document))
    return "\n".join(part for part in (passage.title, *passage.heading, passage.context, name) if part)


def talks_to_model(text: str) -> bool:
    """Whether text of a document addresses a language model instead of a reader."""
    return TO_MODEL.search(text) is not None


def _only_names(passage: Passage, content: str, row: bool) -> bool:
    """Whether a piece is a heading, a caption or a row of column names: it says nothing itself."""
    if row:
        plain = " | " in content
        column_names = (plain and "›" in content) or content.strip() in passage.context
        wordy = plain and not any(c.isdigit() for c in content)
        return column_names or _names_columns(content) or (wordy and any(c.isdigit() for c in passage.text))
    bare = fold(content).strip("#*. ")
    return CAPTION.match(content) is not None or bare in {fold(h) for h in (passage.title, *passage.heading)}


def _names_columns(row: str) -> bool:
    """Whether a row of cells has no label and no figure but years: "| 2019 | 2018"."""
    cells = row.split("|")
    if len(cells) < 2 or cells[0].strip():
        return False
    return all(_is_year(n) for cell in cells for n in facts.numbers(cell))


def gather(hits: Sequence[Hit]) -> list[Piece]:
    """All pieces of all hits, in the order of the hits. A passage that talks to a model is no evidence
    at all: what stands beside such a line is not to be trusted either."""
    out: list[Piece] = []
    for hit in hits:
        text = hit.passage.text
        if talks_to_model(text):
            continue
        names: list[str] = []  # of the columns of the table at hand
        group, rows = "", 0
        for span in pieces(text):
            content = text[span.start : span.end]
            if not any(c.isalnum() for c in content):
                continue
            header = _only_names(hit.passage, content, span.row)
            above = ""
            if not span.row:
                group = content if len(content) <= _GROUP and content.endswith(":") else ""
                names = names if group else []
            elif header:
                names = [*names, content] if not rows else [content]
            else:
                above = "\n".join((*(names if " | " in content else ()), *filter(None, (group,))))
            rows = rows + 1 if span.row and not header else 0
            out.append(Piece(hit, span.start, span.end, span.row, header, above))
    return out


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what code can demand of its answer.

    Attributes:
        terms: stems of its content words.  codes: "p200", "m8", "q3".  years: 2023.0.
        names: capitalised words that are no sentence start (empty for German).
        language: ISO 639-1, "" where it is not known.
        numbers: figures it names ("after 1,000 hours"), years left out.
        wants_number: it asks for a figure.  unit: in which unit, where it says so.  wants_name: it asks who.
        polar: it can be answered with yes or no.
    """

    text: str
    terms: frozenset[str]
    codes: frozenset[str]
    years: frozenset[float]
    names: tuple[str, ...]
    language: str
    numbers: tuple[Number, ...]
    wants_number: bool
    unit: str
    wants_name: bool
    polar: bool


def parse_question(text: str, *, language: str = "") -> Question:
    return Question(
        text=text,
        terms=terms(ASKING.sub(" ", MANY.sub(" ", LATEST.sub(" ", text)))),
        codes=facts.codes(text),
        years=facts.years(text),
        names=() if language == "de" or looks_german(text) else facts.names(text),
        language=language,
        numbers=tuple(n for n in facts.numbers(text) if not n.values & facts.years(text)),
        wants_number=QUANTITY.search(text) is not None,
        unit=_asked_unit(text),
        wants_name=WHO.search(text) is not None,
        polar=POLAR.search(text) is not None,
    )


def _asked_unit(text: str) -> str:
    """ "how many hours" asks for hours, "what does it cost" for money ("$" stands for any)."""
    if MONEY.search(text):
        return "$"
    found = HOW_MANY.search(text)
    return next(filter(None, map(facts.unit_of, found.groups(""))), "") if found else ""


def has_unit(question: Question, piece: Piece, *, widely: bool = False) -> bool:
    """Whether a piece holds a figure in the unit that the question asks for.

    Args:
        widely: the unit may stand anywhere in its passage: "(in thousands of dollars)".
    """
    if not question.unit:
        return True
    texts = [piece.text, piece.passage.context, piece.above]
    if widely:
        texts += [piece.around, piece.passage.text]
    units = {n.unit for n in piece.numbers}.union(*map(facts.units_in, texts))
    if question.unit != "$":
        return question.unit in units
    # A table of prices need not say in which currency.
    bare = piece.row and any(not n.unit and not _is_year(n) for n in piece.numbers)
    return bare or bool(units & CURRENCIES)


def looks_german(text: str) -> bool:
    """German writes every noun like a name; a few function words tell it apart."""
    found = set(words(text)) & GERMAN
    return bool(found - {"die", "was", "den", "im", "des"})


Weights = dict[str, float]
"""Weight of each term of a question: rare among the pieces found, heavy."""


def weigh(question: Question, found: Sequence[Piece], *, several: bool = False) -> Weights:
    """Inverse document frequency of the question's terms over the pieces at hand.

    A word that stands in or around every piece ("pump") tells no piece from another; one that stands in none
    weighs most, so that it pulls every coverage down.

    Args:
        several: the question compares documents: its words for the comparison ("changed over
            time") stand in none of them and do not count.
    """
    held = [piece.terms | terms(piece.around) for piece in found]
    counts = {term: sum(matches(term, h) for h in held) for term in question.terms}
    return {t: math.log(1 + (len(held) + 1) / (1 + n)) for t, n in counts.items() if n or not several}


def covered(weights: Weights, *held: frozenset[str]) -> float:
    """Share of the weight whose terms stand in `held`; 1.0 for a question without content words."""
    whole = sum(weights.values())
    if not whole:
        return 1.0
    return sum(w for t, w in weights.items() if any(matches(t, h) for h in held)) / whole


def _is_year(number: Number) -> bool:
    return not number.unit and any(1900 <= v <= 2100 for v in number.values)


def label(weights: Weights, row: Piece) -> float:
    """Share of the question's weight in the cells that the question names whole.

    "Gross margin | 36,413" is what "What was the gross margin?" asks for, and "Total gross margin
    percentage | 44.5 %" is not, though it holds the same words.
    """
    asked = frozenset(weights)
    whole = frozenset(
        term
        for cell in re.split(r" \| |; |: ", row.text)
        if (held := terms(re.sub(r"\(\d+\)", "", cell))) and all(matches(t, asked) for t in held)
        for term in held
    )
    return covered(weights, whole) if whole else 0.0


def cells_of(row: Piece) -> list[tuple[str, str]]:
    """(column name, cell) of a row; names from the header at hand, [] where they are not known."""
    if not row.row:
        return []
    if " | " not in row.text:
        parts = [part.split(": ", 1) for part in row.text.split("; ")]
        label = [("", parts.pop(0)[0])] if len(parts[0]) == 1 else []
        return [*label, *((k, v) for k, v in parts)] if all(len(p) == 2 for p in parts) else []
    cells = [cell.strip() for cell in row.text.split(" | ")]
    for line in reversed((row.passage.context + "\n" + row.above).splitlines()):
        names = [cell.strip() for cell in line.split("|")]
        if len(names) == len(cells) and any(names[1:]):
            return list(zip(names, cells, strict=True))
    return []


def readable(piece: Piece, question: Question | None = None) -> str:
    """A piece as a sentence to show: without its bullet; a row with its column names, where they
    are at hand, and what `question` asks for in front: "Torque: 25 (Bolt: M8; Place: Cover)"."""
    text = re.sub(r"^[•‣◦▪*–-]\s+", "", " ".join(piece.text.split()))
    whole = cells_of(piece)
    if not whole:
        return text
    cells = [(name, cell) for name, cell in whole if cell]
    if question is not None and len(cells) > 2 and all(name for name, _ in cells[1:]):
        asked = [c for c in cells if any(matches(t, question.terms) for t in terms(c[0]))]
        given = [c for c in cells if terms(c[1]) & question.terms or facts.codes(c[1]) & question.codes]
        first = [c for c in asked if c not in given]
        if len(first) == 1:
            rest = "; ".join(_pair(c) for c in cells if c not in first)
            return f"{_pair(first[0])} ({rest})"
    if " | " not in text:
        return text
    label = whole[0][1]
    pairs = "; ".join(_pair(c) for c in cells if not label or c != whole[0])
    return f"{label}: {pairs}" if label else pairs


def _pair(cell: tuple[str, str]) -> str:
    name, value = cell
    return f"{name}: {value}" if name else value


def score(question: Question, piece: Piece, weights: Weights) -> float:
    """How well a piece answers, about 0 to 1.5: words in it count fully, words around it half."""
    here = covered(weights, piece.terms)
    near = covered(weights, piece.terms, terms(piece.around))
    beside = covered(weights, piece.terms, terms(piece.around), terms(piece.passage.text))
    value = here + 0.5 * (near - here) + 0.15 * (beside - near)
    value += 0.15 * len(question.codes & piece.codes) / max(1, len(question.codes))
    value += 0.2 * any(n.agrees(m) for n in question.numbers for m in piece.numbers)
    if piece.row:
        value += 0.4 * label(weights, piece)
    if question.wants_number:
        value += 0.2 if facts.has_quantity(piece.text) and has_unit(question, piece) else -0.2
    elif FIGURES.search(question.text):
        value += 0.1 * (piece.row + 1) if any(not _is_year(n) for n in piece.numbers) else 0.0
    if question.wants_name:
        value += 0.1 if facts.names(piece.text) else -0.2
    if piece.header or (len(piece.text) < 40 and not piece.row and not piece.numbers):
        value -= 0.35  # a heading or a header row names the subject and says nothing about it
    if piece.text.rstrip().endswith("?"):
        value -= 0.3
    return value + 0.1 / piece.hit.rank


def rank(question: Question, found: Sequence[Piece], *, several: bool = False) -> list[tuple[float, Piece]]:
    """Pieces by `score`, best first; ties keep the order of the hits."""
    weights = weigh(question, found, several=several)
    return sorted(((score(question, p, weights), p) for p in found), key=lambda pair: -pair[0])
