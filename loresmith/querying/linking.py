"""Links a question's words to what the tables hold, by code: names, values, numbers, dates, operators.

    question -> words -> all readings of all spans -> the best cover -> Links

Promises: every word is in at most one span; a content word that nothing accounts for is in `unexplained`;
values come from the store's index as they stand there; nothing is guessed by likeness of meaning.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from loresmith.querying import cells, spans, vocabulary
from loresmith.querying.atoms import (
    Atom,
    ColumnLink,
    Kind,
    Links,
    Number,
    Operator,
    Reading,
    Span,
    ValueLink,
    Word,
)  # fmt: skip
from loresmith.querying.naming import Names, keys, names_of, stem
from loresmith.tables.names import fold
from loresmith.tables.values import Catalog

__all__ = [
    "Atom",
    "ColumnLink",
    "Kind",
    "Links",
    "Number",
    "Operator",
    "Span",
    "ValueLink",
    "Word",
    "language_of",
    "link",
]

_WORD = re.compile(r"[^\W_]+")
_SYMBOLS = {
    ">": "gt",
    ">=": "ge",
    "≥": "ge",
    "<": "lt",
    "<=": "le",
    "≤": "le",
    "=": "eq",
    "==": "eq",
    "!=": "ne",
    "<>": "ne",
}


def link(
    question: str, catalog: Catalog, connection: sqlite3.Connection, *, ranked_tables: Sequence[str] = ()
) -> Links:
    """What the words of the question are.

    Args:
        catalog: the tables that the reader may see; nothing else is linked to.
        connection: to the store, for values.
        ranked_tables: sql names, as retrieval by meaning ranks them: breaks ties.
    """
    language = language_of(question)
    words = _words(question, language)
    names = names_of(catalog, language)
    if language == "de":
        words = _decompounded(words, names, language)
    spans = list(_readings(question, words, names, catalog, connection, language))
    atoms = _cover(words, spans, language)
    if any(a.kind == "unknown" for a in atoms):
        spans += cells.in_part(question, words, atoms, catalog, connection, language)
        atoms = _cover(words, spans, language)
    links = _links(question, language, words, atoms, ranked_tables, catalog)
    named = {(s.atom.first, s.atom.last) for s in spans if any(score >= 0.8 for _, score in s.atom.tables)}
    twofold = {(a.first, a.last) for a in atoms if a.kind == "value"} & named
    if not twofold:
        return links
    # "spare parts": a cost centre, and a table.
    left = [s for s in spans if s.atom.kind != "value" or (s.atom.first, s.atom.last) not in twofold]
    other = _links(question, language, words, _cover(words, left, language), ranked_tables, catalog)
    return replace(links, other=other)


def language_of(question: str) -> str:
    """The language whose words explain most of a question: "en" where none does better."""
    folded = fold(question).split()
    best, most = "en", -1.0
    for language in vocabulary.LANGUAGES:
        plain = vocabulary.glue(language)
        single = {w for words in vocabulary.operators(language) for w in words if len(w) > 1}
        score = sum(1.0 if word in plain else 0.9 if word in single else 0.0 for word in folded)
        if score > most + 0.5:
            best, most = language, score
    return best


def _words(question: str, language: str) -> tuple[Word, ...]:
    quotes = [m.span() for m in cells.QUOTED.finditer(question)]
    found = []
    for match in _WORD.finditer(question):
        folded = fold(match.group())
        if folded:
            inside = any(a <= match.start() < b for a, b in quotes)
            stemmed = " ".join(keys(match.group(), language)) or folded
            found.append(Word(match.group(), folded, stemmed, match.start(), match.end(), inside))
    return tuple(found)


def _decompounded(words: Sequence[Word], names: Names, language: str) -> tuple[Word, ...]:
    """ "Wartungsstunden", "Gesamtkosten" in their two parts where the tables and operators know both."""
    known = vocabulary.operators(language)
    made: list[Word] = []
    for word in words:
        parts = (
            None
            if word.quoted or len(word.text) < 8 or names.known(word.stem)
            else _parts(word, names, known)
        )
        made.extend(parts or (word,))
    return tuple(made)


def _parts(
    word: Word, names: Names, known: dict[tuple[str, ...], tuple[str, ...]]
) -> tuple[Word, Word] | None:
    text = word.folded
    if len(text) != len(word.text) or (text,) in known:
        return None
    for cut in range(len(text) - 3, 3, -1):
        tail = stem(text[cut:], "de")
        if not names.known(tail) and (text[cut:],) not in known:
            continue
        for link_letters in ("", "s", "n", "en", "es"):
            head = text[:cut].removesuffix(link_letters) if link_letters else text[:cut]
            if len(head) < 4 or (link_letters and head == text[:cut]):
                continue
            if (head,) in known or (head + "e",) in known or names.known(stem(head, "de")):
                middle = word.start + cut
                first = head if (head,) in known or names.known(stem(head, "de")) else head + "e"
                return (
                    Word(word.text[:cut], first, stem(first, "de"), word.start, middle),
                    Word(word.text[cut:], text[cut:], tail, middle, word.end),
                )
    return None


def _readings(
    question: str,
    words: Sequence[Word],
    names: Names,
    catalog: Catalog,
    connection: sqlite3.Connection,
    language: str,
) -> Iterator[Reading]:
    yield from spans.named(words, names, language)
    yield from spans.operators(question, words, language)
    yield from spans.numbers_and_dates(question, words, language)
    yield from cells.valued(question, words, catalog, connection, language)


# --- the cover --------------------------------------------------------------------------------


def _cover(words: Sequence[Word], readings: Sequence[Reading], language: str) -> tuple[Atom, ...]:
    """The spans that together are worth most; what is left is glue or unknown."""
    plain = vocabulary.glue(language)
    starting: dict[int, list[Reading]] = defaultdict(list)
    for reading in readings:
        starting[reading.atom.first].append(reading)
    best: list[tuple[float, tuple[Atom, ...]]] = [(0.0, ())] * (len(words) + 1)
    for n in range(len(words) - 1, -1, -1):
        word = words[n]
        is_glue = word.folded in plain and not word.quoted
        alone = Atom("glue" if is_glue else "unknown", n, n + 1, word.folded)
        rest = best[n + 1]
        choice = (rest[0] + (0.5 if is_glue else 0.0), (alone, *rest[1]))
        for reading in starting[n]:
            rest = best[reading.atom.last]
            # Fewer spans where the sum is the same.
            total = rest[0] + reading.worth - 0.001
            if total > choice[0]:
                choice = (total, (reading.atom, *rest[1]))
        best[n] = choice
    return best[0][1]


def _links(
    question: str,
    language: str,
    words: tuple[Word, ...],
    atoms: tuple[Atom, ...],
    ranked: Sequence[str],
    catalog: Catalog,
) -> Links:
    scores: dict[str, float] = defaultdict(float)
    place = {table.sql: n for n, table in enumerate(catalog.tables)}
    for atom in atoms:
        here: dict[str, float] = {}
        for table, score in atom.tables:
            here[table] = max(here.get(table, 0.0), 1.5 * score)
        for column in atom.columns:
            here[column.table] = max(here.get(column.table, 0.0), column.score)
        for value in atom.values:
            here[value.table] = max(here.get(value.table, 0.0), 1.0)
        for table, score in here.items():
            scores[table] += score
    for n, table in enumerate(ranked):
        if table in scores or n < 5:
            scores[table] += 0.3 / (n + 1)
    with_signs = _with_symbols(question, words, atoms)
    return Links(
        question=question,
        language=language,
        words=words,
        tables=tuple(sorted(scores.items(), key=lambda t: -t[1])),
        columns=tuple(sorted((c for a in atoms for c in a.columns), key=lambda c: -c.score)),
        values=tuple(
            v for a in atoms for v in sorted(a.values, key=lambda v: (-scores[v.table], place[v.table]))
        ),
        numbers=tuple(a.number for a in atoms if a.number),
        dates=tuple(a.date for a in atoms if a.date),
        operators=tuple(Operator(a.kinds, a.first, a.last) for a in with_signs if a.kind == "operator"),
        unexplained=tuple(words[a.first].text for a in atoms if a.kind == "unknown"),
        atoms=with_signs,
    )


def _with_symbols(question: str, words: Sequence[Word], atoms: Sequence[Atom]) -> tuple[Atom, ...]:
    """ ">", "≤", "=" between words, as operators of no width in words."""
    made: list[Atom] = []
    for atom in atoms:
        before = question[words[atom.first - 1].end if atom.first else 0 : words[atom.first].start]
        found = next((m.group() for m in spans.CHUNK.finditer(before) if m.group() in _SYMBOLS), "")
        if found:
            made.append(Atom("operator", atom.first, atom.first, found, kinds=(_SYMBOLS[found],)))
        made.append(atom)
    return tuple(made)
