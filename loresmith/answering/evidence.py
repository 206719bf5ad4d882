"""Where in the passages found a question or a sentence finds its support.

A `Piece` is what can be quoted: one sentence, list item or table row of a hit's passage, with the
facts code can check. `gather` cuts all hits into pieces once; `rank` orders them by how much of
the question they hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.answering import facts
from loresmith.answering.facts import Number
from loresmith.answering.sentences import pieces
from loresmith.answering.text import coverage, fold, matches, terms, words
from loresmith.answering.vocabulary import GERMAN, POLAR, QUANTITY, TO_MODEL
from loresmith.types import Hit, Passage


@dataclass(frozen=True, slots=True)
class Piece:
    """`passage.text[start:end]` and what stands in it.

    `around` is what belongs to it without being quoted: title, headings, table header, file name.
    """

    hit: Hit
    start: int
    end: int
    row: bool
    header: bool = False

    @property
    def passage(self) -> Passage:
        return self.hit.passage

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]

    @property
    def around(self) -> str:
        p = self.hit.passage
        return around(p)

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


def gather(hits: Sequence[Hit]) -> list[Piece]:
    """All pieces of all hits, in the order of the hits. A passage that talks to a model is no evidence
    at all: what stands beside such a line is not to be trusted either."""
    out: list[Piece] = []
    for hit in hits:
        text = hit.passage.text
        if talks_to_model(text):
            continue
        for span in pieces(text):
            content = text[span.start : span.end]
            if any(c.isalnum() for c in content):
                header = span.row and not any(c.isdigit() for c in content)
                out.append(Piece(hit, span.start, span.end, span.row, header))
    return out


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what code can demand of its answer.

    Attributes:
        terms: stems of its content words.  codes: "p200", "m8", "q3".  years: 2023.0.
        names: capitalised words that are no sentence start (empty for German).
        language: ISO 639-1, "" where it is not known.
        wants_number: it asks for a figure.
        polar: it can be answered with yes or no.
    """

    text: str
    terms: frozenset[str]
    codes: frozenset[str]
    years: frozenset[float]
    names: tuple[str, ...]
    language: str
    wants_number: bool
    polar: bool


def parse_question(text: str, *, language: str = "") -> Question:
    return Question(
        text=text,
        terms=terms(text),
        codes=facts.codes(text),
        years=facts.years(text),
        names=() if language == "de" or looks_german(text) else facts.names(text),
        language=language,
        wants_number=QUANTITY.search(text) is not None,
        polar=POLAR.search(text) is not None,
    )


def looks_german(text: str) -> bool:
    """German writes every noun like a name; a few function words tell it apart."""
    found = set(words(text)) & GERMAN
    return bool(found - {"die", "was", "den", "im", "des"})


def score(question: Question, piece: Piece) -> float:
    """How well a piece answers, about 0 to 1.5: words in it count fully, words around it half."""
    here = piece.terms
    rest = frozenset(t for t in question.terms if not matches(t, here))
    near = frozenset(t for t in rest if matches(t, terms(piece.around)))
    beside = frozenset(t for t in rest - near if matches(t, terms(piece.passage.text)))
    whole = max(1, len(question.terms))
    value = (len(question.terms) - len(rest) + 0.6 * len(near) + 0.2 * len(beside)) / whole
    if question.wants_number:
        value += 0.2 if piece.numbers else -0.2
    value += 0.25 * len(question.codes & piece.codes) / max(1, len(question.codes))
    if piece.header or (len(piece.text) < 40 and not piece.row and not piece.numbers):
        value -= 0.35  # a heading or a header row names the subject and says nothing about it
    if piece.text.rstrip().endswith("?"):
        value -= 0.3
    return value + 0.1 / piece.hit.rank


def rank(question: Question, found: Sequence[Piece]) -> list[tuple[float, Piece]]:
    """Pieces by `score`, best first; ties keep the order of the hits."""
    return sorted(((score(question, p), p) for p in found), key=lambda pair: -pair[0])


def agreement(question: Question, piece: Piece, document: str = "") -> str:
    """Why a piece speaks of something else than the question asks about; "" when it does not.

    A code of the question ("P-200", "M8", "Q3") must stand in the piece or in what it inherits;
    elsewhere in the passage or in the document's text it is enough only while no sibling code
    ("P-300") stands closer. A year must stand in the piece, around it, or in its passage.
    """
    near = piece.codes | facts.codes(piece.around)
    far = facts.codes(piece.passage.text) | facts.codes(document)
    for code in sorted(question.codes - near):
        rivals = {c for c in near - question.codes if _shape(c) == _shape(code)}
        if code not in far or rivals:
            return f"it is not about {code.upper()}"
    if question.years:
        stated = facts.years(piece.text) | facts.years(piece.around)
        beside = facts.years(piece.passage.text)
        if not question.years & (stated | beside) and (stated or not question.years & facts.years(document)):
            return f"it is not about {', '.join(str(int(y)) for y in sorted(question.years))}"
    everything = fold("\n".join((piece.passage.text, piece.around, document)))
    for name in question.names:
        if fold(name) not in everything and fold(name).removesuffix("s") not in everything:
            return f"“{name}” does not stand in {piece.passage.document}"
    return ""


def _shape(code: str) -> str:
    return re.sub(r"\d+", "9", code)


def loses_to_sibling(question: Question, piece: Piece, found: Sequence[Piece]) -> bool:
    """Whether another row of the same table holds more of the question's distinguishing words.

    "Which oil for the gearbox?": the row "Gearbox | VG 220" beats "Bearing | VG 68". Words that
    stand in all rows or in none distinguish nothing.
    """
    if not piece.row:
        return False
    rows = [p for p in found if p.row and not p.header and p.passage.id == piece.passage.id]
    wanted = question.terms | question.codes

    def held(row: Piece) -> set[str]:
        return {t for t in wanted if matches(t, row.terms) or t in row.codes}

    sets = [held(row) for row in rows]
    if len(rows) < 2 or not any(sets):
        return False
    common = set.intersection(*sets)
    mine = held(piece) - common
    return any(mine < other - common for other in sets)


def about(question: Question, piece: Piece) -> bool:
    """Whether a piece shares a word or a code with the question; always true across languages."""
    language = piece.passage.language
    if question.language and language and question.language != language:
        return True
    near = piece.terms | terms(piece.around)
    return (
        not question.terms
        or any(matches(t, near) for t in question.terms)
        or bool(question.codes & piece.codes)
    )


def question_coverage(question: Question, piece: Piece) -> float:
    return coverage(question.terms, piece.terms | terms(piece.around))
