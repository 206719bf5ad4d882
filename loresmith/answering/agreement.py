"""Whether a piece of evidence speaks of what the question asks about.

The right figure in the wrong place is a wrong answer: another pump's torque, another year's sales,
the next row, the next column. Each function here refuses one such confusion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from loresmith.answering import facts
from loresmith.answering.evidence import Piece, Question, around, cells_of
from loresmith.answering.facts import Number
from loresmith.answering.text import fold, matches, terms, words
from loresmith.answering.vocabulary import HEAD, OPPOSITES, WITH, WITHOUT
from loresmith.types import Passage


def near_miss(question: Question, passage: Passage) -> bool:
    """Whether a passage speaks of a sibling of what the question names: of the P-250 and never of
    the P-200. A small model that reads it answers with the sibling's figure."""
    held = facts.codes(passage.text) | facts.codes(around(passage))
    for code in question.codes:
        # "P-200 or P-250?": a passage about one of them is none.
        asked = {c for c in question.codes if _shape(c) == _shape(code)}
        if not asked & held and any(_shape(c) == _shape(code) for c in held):
            return True
    return False


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
    for one, other in ((WITH, WITHOUT), (WITHOUT, WITH)):
        turned = _objects(one, question.text) & _objects(other, piece.text)
        if turned - _objects(one, piece.text):
            return "it says without where the question says with, or the other way round"
    asked, said = set(words(question.text)), set(words(piece.text))
    why = _other_count(question, piece) or _other_day(question, piece)
    if why:
        return why
    for here, there in (*OPPOSITES, *((b, a) for a, b in OPPOSITES)):
        if here in asked - said and there in said - asked:
            return f"it says {there} where the question says {here}"
    everything = fold("\n".join((piece.passage.text, piece.around, document)))
    for name in question.names:
        if fold(name) in everything or fold(name).removesuffix("s") in everything:
            continue
        # "European" is said where "Europe" stands.
        held = terms(piece.passage.text) | terms(piece.around) | terms(document)
        word = len(name) > 5 and name.isalpha() and name[1:].islower()
        if not (word and any(matches(t, held) for t in terms(name))):
            return f"“{name}” does not stand in {piece.passage.document}"
    return ""


def _other_count(question: Question, piece: Piece) -> str:
    """ "for 6 sectors" is not answered where 1, 2, 3 and 4 sectors are told apart."""
    if not question.numbers:
        return ""
    text = f"{piece.passage.text}\n{piece.around}"
    held = facts.evidence_numbers(text)
    for number in question.numbers:
        noun = re.search(rf"{re.escape(number.text)}[\s-]+([^\W\d_]{{3,}})", question.text)
        if noun is None or any(number.agrees(other) for other in held):
            continue
        stem = re.escape(noun[1][: max(4, len(noun[1]) - 1)])
        if len(set(re.findall(rf"(\d[\d.,]*)[\s-]+{stem}", text, re.IGNORECASE))) > 1:
            return f"it is not about {number.text} {noun[1]}"
    return ""


def _other_day(question: Question, piece: Piece) -> str:
    """What holds on other days or in other months is no answer for the one that is asked about."""
    for find, kind in ((facts.weekdays, "day"), (facts.months, "month")):
        asked, said = find(question.text), find(piece.text)
        if asked and said and not asked & (said | find(piece.around)):
            return f"it is about another {kind}"
    return ""


def _objects(pattern: re.Pattern[str], text: str) -> frozenset[str]:
    return frozenset().union(*(terms(m[1]) for m in pattern.finditer(text)))


def names_what_is_asked(question: Question, piece: Piece, *, strictly: bool = False) -> bool:
    """Whether the thing asked for ("Which batch number …") is named where a piece stands; always
    true across languages, where its name is another.

    Args:
        strictly: every word of it, in the piece or around it; else one word, in its passage.
    """
    head = HEAD.match(question.text)
    language = piece.passage.language
    if head is None or (question.language and language and question.language != language):
        return True
    wanted = terms(" ".join(filter(None, head.groups())))
    near = piece.terms | terms(piece.around)
    if strictly:
        return all(matches(t, near) for t in wanted)
    first = terms(head[1]) or wanted
    return not first or any(matches(t, near | terms(piece.passage.text)) for t in wanted if t in first)


def _shape(code: str) -> str:
    return re.sub(r"\d+", "9", code)


def loses_to_sibling(question: Question, piece: Piece, found: Sequence[Piece]) -> bool:
    """Whether another table row holds all that this one holds of the question, and more.

    "Which oil for the gearbox?": the row "Gearbox | VG 220" beats "Bearing | VG 68".
    """
    if not piece.row:
        return False
    wanted = question.terms | question.codes

    def held(row: Piece) -> set[str]:
        figures = {n.text for n in question.numbers if any(n.agrees(m) for m in row.numbers)}
        near = row.codes | facts.codes(row.around)
        return figures | {t for t in wanted if matches(t, row.terms) or t in near}

    mine = held(piece)
    return any(mine < held(row) for row in found if row.row and not row.header)


def siblings(one: Piece, other: Piece) -> bool:
    """Whether two pieces are rows of one table: the same document and column names."""
    if not (one.row and other.row) or one.passage.document != other.passage.document:
        return False
    return _columns(one) == _columns(other)


def _columns(row: Piece) -> tuple[str, ...]:
    names = re.findall(r"(?:^|; )([^:;]{1,80}): ", row.text)
    return tuple(names) if len(names) > 1 else (row.passage.context, str(row.text.count(" | ")))


def wrong_column(question: Question, piece: Piece, numbers: Sequence[Number]) -> bool:
    """Whether a figure stands under a column name that fits the question less than another's.

    "Standard version: 1.4021; Version for sea water: 1.4462", asked for sea water.
    """
    cells = cells_of(piece)
    if len(cells) < 2:
        return False

    def named(key: str) -> set[str]:
        return {t for t in question.terms if matches(t, terms(key))} | (question.codes & facts.codes(key))

    keys = [named(key) for key, _ in cells]
    asked = [n for n in numbers if not any(n.agrees(m) for m in question.numbers)]
    for number in asked:
        under = [k for k, (_, value) in zip(keys, cells, strict=True) if _holds(value, number)]
        if under and all(any(k < other for other in keys) for k in under):
            return True
    return False


def _holds(cell: str, number: Number) -> bool:
    return any(number.agrees(other) for other in facts.evidence_numbers(cell))


def about(question: Question, piece: Piece) -> bool:
    """Whether a piece shares a word or a code with the question; always true across languages."""
    language = piece.passage.language
    if question.language and language and question.language != language:
        return True
    near = terms(piece.passage.text) | terms(piece.around)
    if not question.terms or question.codes & piece.codes:
        return True
    return any(matches(t, near) for t in question.terms)
