"""Which tables and columns words can mean: names are compared by stems, in any order, in full or in part.

A column's variants, with their scores: its whole name 1.0; without what says nothing by itself ("id",
"code", "name", the table's own name, "number of") 0.9; its last words (the head: "torque" for "tightening
torque") 0.7; a word of the same sense ("price" for "cost") 0.6; its first words ("round trip" for "round
trip cost") 0.5; its unit ("hours") 0.5.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from loresmith.querying.vocabulary import ABBREVIATIONS, CODES, DIMENSIONS, SUFFIXES, UNITS, glue, unit_of
from loresmith.tables.names import fold
from loresmith.tables.values import Catalog, Column, Table

WHOLE, CORE, HEAD, SAME, FIRST, UNIT, KIN, ABOUT = 1.0, 0.9, 0.7, 0.6, 0.5, 0.5, 0.4, 0.3
_MONEY = ("cost", "price", "kosten", "preis", "costo", "precio", "prezzo", "cout", "prix")
_STEMMERS = {"en": "english", "de": "german", "es": "spanish", "it": "italian", "fr": "french"}
BIRTH = frozenset(
    ("birthdat", "birth", "built", "baujahr", "geburt", "geburtsdat", "nascit", "nacimient", "naissanc")
)
"""Stems of columns that say how old something is."""
_MAIL = re.compile(r"\be[-_ ]mail\b", re.IGNORECASE)
_REACHED = {"email": "address", "telephone": "number"}
"""Words by which a column's name may go on when people speak of it."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "staff": "employee",
    "feet": "foot", "mice": "mouse", "costing": "cost", "costs": "cost", "priced": "price", "datum": "date",
    "weigh": "weight", "weighs": "weight", "weighing": "weight",
}  # fmt: skip


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(_STEMMERS[language])


@lru_cache(maxsize=20_000)
def stem(folded: str, language: str) -> str:
    """What the forms of a word have in common; abbreviations of column names in full."""
    word = ABBREVIATIONS.get(folded, folded)
    word = _IRREGULAR.get(word, word) if language == "en" else word
    if len(word) < 3 or any(c.isdigit() for c in word):
        return word
    found: str = _stemmer(language).stemWord(word)
    # Plurals of English stand in tables and questions of all languages.
    return found[:-1] if language != "en" and len(found) > 3 and found.endswith("s") else found


@lru_cache(maxsize=20_000)
def keys(name: str, language: str) -> tuple[str, ...]:
    """The stems of a name's words: "flightId", "flight_id" and "Flight ID" are the same."""
    name = _MAIL.sub("email", name)
    words = [fold(part) for part in re.split(r"[\W_]+", _CAMEL.sub(" ", name)) if part]
    return tuple(
        stem(w, language) for word in words for w in word.split() if w not in ("of", "the", "der", "de")
    )


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column that words can mean."""

    table: str
    column: str
    score: float


class Names:
    """The names of a catalog's tables and columns, by the stems of one language."""

    def __init__(self, catalog: Catalog, language: str) -> None:
        self.language = language
        self._tables: dict[frozenset[str], dict[str, float]] = defaultdict(dict)
        self._columns: dict[frozenset[str], dict[tuple[str, str], float]] = defaultdict(dict)
        alone = Counter(t.document for t in catalog.tables)
        self._literal: set[str] = set()
        self.flags = {(t.sql, c.sql) for t in catalog.tables for c in t.columns if c.type == "boolean"}
        for table in catalog.tables:
            for name in (table.name, table.sql, *(n for c in table.columns for n in (c.name, c.sql))):
                self._literal.update(fold(name).split())
            own = set(keys(table.sql, language)) | set(keys(table.name, language))
            for variant, score in _table_variants(table, language, alone[table.document] == 1):
                self._keep(self._tables, frozenset(variant), table.sql, score)
            for column in table.columns:
                for variant, score in _column_variants(column, own, language):
                    self._keep(self._columns, frozenset(variant), (table.sql, column.sql), score)
        self.longest = max((len(k) for k in (*self._tables, *self._columns)), default=0)

    @staticmethod
    def _keep(
        index: dict[frozenset[str], dict[Any, float]], key: frozenset[str], what: Any, score: float
    ) -> None:
        if key:
            index[key][what] = max(score, index[key].get(what, 0.0))

    def tables(self, stems: frozenset[str]) -> dict[str, float]:
        return self._tables.get(stems, {})

    def columns(self, stems: frozenset[str]) -> list[ColumnName]:
        found = self._columns.get(stems, {})
        return sorted(
            (ColumnName(table, column, score) for (table, column), score in found.items()),
            key=lambda c: -c.score,
        )

    def literal(self, word: str) -> bool:
        """Whether a name has this very word."""
        return word in self._literal or word.removesuffix("s") in self._literal

    def kin(self, word: str) -> dict[str, float]:
        """Tables whose name begins as a word does: "maintained", "maintenance"."""
        found = {}
        for key, tables in self._tables.items():
            if len(key) == 1:
                (name,) = key
                common = next(
                    (n for n, (a, b) in enumerate(zip(name, word, strict=False)) if a != b),
                    min(len(name), len(word)),
                )
                if common >= 5 and common >= 0.65 * max(len(name), len(word)):
                    found.update({t: KIN for t, score in tables.items() if score >= 0.8})
        return found

    def known(self, word: str) -> bool:
        """A single stem that is a table or a column."""
        one = frozenset((word,))
        return one in self._tables or one in self._columns


@lru_cache(maxsize=4)
def names_of(catalog: Catalog, language: str) -> Names:
    """The names of a catalog: made once, since thousands of columns take a while."""
    return Names(catalog, language)


def _table_variants(table: Table, language: str, alone: bool) -> Iterator[tuple[tuple[str, ...], float]]:
    yield keys(table.sql, language), WHOLE
    yield keys(table.name, language), WHOLE
    if alone:
        yield keys(re.sub(r"\.\w{1,8}$", "", table.document.rsplit("/", 1)[-1]), language), 0.8
    if table.sheet:
        yield keys(table.sheet, language), 0.8
    for words in {keys(table.sql, language), keys(table.name, language)}:
        if len(words) > 1:
            yield words[-1:], HEAD - 0.1
        # "spare parts" of "spare-parts-p-200": what is left without codes, where that is several words.
        bare = tuple(w for w in words if len(w) > 2 and not any(c.isdigit() for c in w))
        if 1 < len(bare) < len(words):
            yield bare, 0.8
    # What the file and its caption are about says where to look, and nothing more.
    for name in (table.title, table.caption, re.sub(r"\.\w{1,8}$", "", table.document.rsplit("/", 1)[-1])):
        for word in keys(name, language)[:8]:
            if len(word) > 3 and not any(c.isdigit() for c in word):
                yield (word,), ABOUT


def _is_unit(word: str, unit: str) -> bool:
    one, other = unit_of(word), unit_of(unit)
    return word == unit.casefold() or (one is not None and other is not None and one[2] == other[2])


def _column_variants(column: Column, own: set[str], language: str) -> Iterator[tuple[tuple[str, ...], float]]:
    plain = glue(language)
    suffixes = {stem(s, language) for s in SUFFIXES}
    codes = {stem(s, language) for s in CODES}
    money = {stem(w, language) for w in _MONEY}
    counting = {stem("number", language), stem("count", language)}
    for words in {keys(column.name, language), keys(column.sql, language)}:
        yield words, WHOLE
        if money & set(words) and column.numeric:
            for word in money - set(words):
                yield tuple(word if w in money else w for w in words), SAME
                yield (word,), SAME
        if len(words) > 1 and column.unit and _is_unit(words[-1], column.unit):
            words = words[:-1]  # "price_eur"
            yield words, WHOLE
        core = tuple(w for w in words if w not in own)
        if core and core != words:
            yield core, CORE
        core = core or words
        if core[-1] in (reached := {stem(w, language): stem(more, language) for w, more in _REACHED.items()}):
            yield (*core, reached[core[-1]]), CORE
            yield (core[-1], reached[core[-1]]), HEAD
        if set(words) & BIRTH and column.type in ("date", "datetime"):
            for word in (
                "born",
                "birth",
                "birthday",
                "geboren",
                "geburtstag",
                "nato",
                "nata",
                "nacido",
                "ne",
            ):
                yield (stem(word, language),), CORE
        if column.numeric and len(core) > 1 and counting & set(core):
            yield tuple(w for w in core if w not in counting), CORE
        if len(core) > 1 and core[-1] in suffixes:
            # A code stands for the thing less well than its name does.
            yield core[:-1], CORE - (0.05 if core[-1] in codes else 0.0)
        if len(words) > 1 and words[-1] in suffixes:
            yield words[:-1], CORE - (0.15 if words[-1] in codes else 0.1)
        for part in {core, words}:
            for n in range(1, len(part)):
                if not all(w in plain or w in codes for w in part[n:]):
                    yield part[n:], HEAD  # "number" is not the phone's, nor the series'
                yield part[:n], FIRST
    if column.unit and (unit := unit_of(column.unit)):
        for form, (_, _, canonical) in UNITS.items():
            if canonical == unit[2] and form.isalpha() and len(form) > 2:
                yield (stem(form, language),), UNIT
        for word in DIMENSIONS.get(unit[0], ()) if column.numeric else ():
            yield (stem(word, language),), SAME if unit[0] == "mass" else KIN
