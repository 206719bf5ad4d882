"""Readings of spans of a question as cells of the tables: whole, in another form, or in part."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from loresmith.querying import vocabulary
from loresmith.querying.atoms import Atom, Reading, ValueLink, Word, text_of
from loresmith.querying.naming import stem
from loresmith.tables.names import fold
from loresmith.tables.store import lookup
from loresmith.tables.values import Catalog, ValueHit

_LONGEST_VALUE = 8
_MANY = 40
"""A value that stands in more columns than this says nothing."""
_AT_MOST = 60
_STATES = 12
"""A column of no more values than this tells states apart."""
_MOST_UNKNOWN = 4
QUOTED = re.compile(r"\"([^\"]+)\"|“([^”“]+)[”“]|„([^“”„]+)[“”]|«([^»]+)»|(?<!\w)['‘]([^'‘’]+)['’](?!\w)")


def valued(
    question: str, words: Sequence[Word], catalog: Catalog, connection: sqlite3.Connection, language: str
) -> Iterator[Reading]:
    windows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + _LONGEST_VALUE) + 1):
            windows[text_of(words, first, last)].append((first, last))
    hits: dict[str, list[ValueHit]] = defaultdict(list)
    asked = {*windows, *(map(_singular, windows) if language == "en" else ())}
    for hit in lookup(connection, list(asked), catalog):
        hits[fold(hit.value)].append(hit)
    columns = {(t.sql, c.sql): c for t in catalog.tables for c in t.columns}

    def few(hit: ValueHit) -> tuple[str, ...]:
        """The values of its column, where there are but a few and each stands often."""
        column = columns[hit.table, hit.column]
        return column.frequent if 2 <= column.distinct <= _STATES and hit.count > 1 else ()

    quoted = _quotes(question, words)
    visible = _visible(catalog)
    yield from _inflected(words, catalog, language)
    for text, places in windows.items():
        found = hits.get(text, []) or (hits.get(_singular(text), []) if language == "en" else [])
        if not found or len(found) > _MANY * 4:
            continue
        for first, last in places:
            window = words[first:last]
            if any(w.quoted for w in window) and (first, last) not in quoted:
                continue
            worth = _value_worth(question, window, found, (first, last) in quoted, language)
            if worth == 0 and last == first + 1 and len(text) > 3 and any(h.value in few(h) for h in found):
                found = [h for h in found if h.value in few(h)]  # "done", where it is a status
                worth = 1.06
            if worth > 0:
                links = tuple(ValueLink(h.table, h.column, h.value, h.count, first, last) for h in found)
                whole = {(h.table, h.column) for h in found}
                # "Aqua" is a supplier, and what models begin with.
                longer = _begins(connection, text, visible) if len(text) > 3 else []
                links += tuple(
                    ValueLink(h.table, h.column, h.value, h.count, first, last, whole=False)
                    for h in (longer if len(longer) < _AT_MOST else ())
                    if (h.table, h.column) not in whole
                )
                yield Reading(Atom("value", first, last, text, values=links), worth)
    for first, last in quoted:
        atom = Atom("quote", first, last, question[words[first].start : words[last - 1].end])
        yield Reading(atom, (last - first) * 0.9)


def _singular(text: str) -> str:
    """ "bearings 6305 c3" -> "bearing 6305 c3": the first word of several, in the singular."""
    first, space, rest = text.partition(" ")
    long = space and len(first) > 4 and first.endswith("s") and not first.endswith("ss")
    return f"{first[:-1]} {rest}" if long else text


@lru_cache(maxsize=4)
def _forms(catalog: Catalog, language: str) -> dict[str, list[ValueLink]]:
    """The stems of the values of columns of which all are known -> where they stand."""
    known: dict[str, list[ValueLink]] = defaultdict(list)
    for table in catalog.tables:
        for column in table.columns:
            if column.type != "text" or column.distinct > len(column.frequent):
                continue
            for value in column.frequent:
                stems = " ".join(stem(w, language) for w in fold(value).split())
                if stems and not stems.isdigit():
                    known[stems].append(ValueLink(table.sql, column.sql, value, 0, 0, 0))
    return known


def _inflected(words: Sequence[Word], catalog: Catalog, language: str) -> Iterator[Reading]:
    """Values in another form: "inspections" for "inspection", of columns of which all values are known."""
    known = _forms(catalog, language)
    plain = vocabulary.glue(language)
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + 5) + 1):
            window = words[first:last]
            text = text_of(words, first, last)
            links = [v for v in known.get(" ".join(w.stem for w in window), ()) if fold(v.value) != text]
            if not links or any(w.quoted for w in window) or all(w.folded in plain for w in window):
                continue
            found = tuple(replace(v, first=first, last=last) for v in links)
            yield Reading(Atom("value", first, last, text, values=found), 1.02 * len(window))


def _quotes(question: str, words: Sequence[Word]) -> list[tuple[int, int]]:
    found = []
    for match in QUOTED.finditer(question):
        inside = [n for n, w in enumerate(words) if match.start() <= w.start and w.end <= match.end()]
        if inside:
            found.append((inside[0], inside[-1] + 1))
    return found


def _value_worth(
    question: str, window: Sequence[Word], hits: Sequence[ValueHit], quoted: bool, language: str
) -> float:
    """What it is worth to read words as a value: less where they are ordinary words."""
    if quoted:
        return len(window) * 2.0
    as_written = question[window[0].start : window[-1].end]
    plain = vocabulary.glue(language)
    ordinary = all(w.folded in plain or (w.folded,) in vocabulary.operators(language) for w in window)
    exact = any(h.value == as_written for h in hits)
    marked = any(c.isdigit() or c.isupper() for c in as_written) and window[0].start > 0
    if ordinary or all(len(w.folded) < 2 for w in window):
        # "in" is Indiana only where it stands as "IN".
        return 1.15 * len(window) if exact and as_written.isupper() and len(as_written) > 1 else 0.0
    if as_written.isdecimal() and (len(as_written) < 3 or as_written[0] != "0"):
        return 1.1  # a number before it is a text of digits
    per_word = 1.3 if exact and (marked or len(window) > 1) else 1.25 if len(window) > 1 or marked else 1.06
    return per_word * len(window) + 0.02 * len(window) ** 2


def in_part(
    question: str,
    words: Sequence[Word],
    atoms: Sequence[Atom],
    catalog: Catalog,
    connection: sqlite3.Connection,
    language: str,
) -> list[Reading]:
    """Values of which the question says the beginning ("seal ring"), or one name of ("Lee")."""
    unknown = {a.first for a in atoms if a.kind == "unknown"}
    if len(unknown) > _MOST_UNKNOWN:
        return []  # it is about something else, and looking takes time where cells are many
    visible = _visible(catalog)
    plain = vocabulary.glue(language)
    found = []
    for first in sorted(unknown):
        for last in range(min(len(words), first + 4), first, -1):
            window = words[first:last]
            text = text_of(words, first, last)
            if any(w.quoted for w in window) or len(text) < 3 or window[-1].folded in plain or text.isdigit():
                continue
            as_written = question[window[0].start : window[-1].end]
            proper = first > 0 and (as_written[0].isupper() or any(c.isdigit() for c in as_written))
            hits = [] if len(window) == 1 and len(text) < 4 else _begins(connection, text, visible)
            if not hits and proper:
                hits = _stored(connection, "' ' || folded || ' ' LIKE '% ' || ? || ' %'", (text,), visible)
                if len({fold(h.value) for h in hits}) > 1:
                    hits = []  # whose name it is, nobody can say
            if hits and len(hits) < _AT_MOST:
                links = tuple(
                    ValueLink(h.table, h.column, h.value, h.count, first, last, whole=False) for h in hits
                )
                found.append(Reading(Atom("value", first, last, text, values=links), 1.0 * len(window)))
                break
    return found


def _begins(connection: sqlite3.Connection, text: str, visible: str) -> list[ValueHit]:
    """Values that go on after this text, or after its singular."""
    one = text.removesuffix("s")
    return _stored(
        connection,
        "(folded > ? AND folded < ? OR folded > ? AND folded < ?)",
        (text + " ", text + "!", one + " ", one + "!"),
        visible,
    )


def _stored(
    connection: sqlite3.Connection, condition: str, values: Sequence[str], visible: str
) -> list[ValueHit]:
    """At most `_AT_MOST` values; what the reader may not see does not even count."""
    rows = connection.execute(
        "SELECT table_name, column_name, value, count FROM _values "
        f"WHERE {condition} AND table_name IN (SELECT value FROM json_each(?)) LIMIT {_AT_MOST}",
        (*values, visible),
    )
    return [ValueHit(*row) for row in rows]


def _visible(catalog: Catalog) -> str:
    return json.dumps([table.sql for table in catalog.tables])
