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
from dataclasses import dataclass, field, replace
from typing import Literal

from loresmith.querying import vocabulary
from loresmith.querying.naming import CORE, ColumnName, Names, keys, stem
from loresmith.tables import dates as cell_dates
from loresmith.tables import numbers as cell_numbers
from loresmith.tables.names import fold
from loresmith.tables.values import Catalog, ValueHit

_LONGEST_VALUE = 8
_MANY = 40
"""A value that stands in more columns than this says nothing."""
_CHUNK = re.compile(r"[<>=≥≤]+|!=|[^\s<>=≥≤]+")
_WORD = re.compile(r"[^\W_]+")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”“]+)[”“]|„([^“”„]+)[“”]|«([^»]+)»|(?<!\w)['‘]([^'‘’]+)['’](?!\w)")
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
_QUARTER = re.compile(r"q([1-4])$")

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
    names = Names(catalog, language)
    if language == "de":
        words = _decompounded(words, names, language)
    spans = list(_readings(question, words, names, catalog, connection, language))
    atoms = _cover(words, spans, language)
    if any(a.kind == "unknown" for a in atoms):
        spans += _in_part(question, words, atoms, catalog, connection, language)
        atoms = _cover(words, spans, language)
    return _links(question, language, words, atoms, ranked_tables)


def language_of(question: str) -> str:
    """The language whose words explain most of a question: "en" where none does better."""
    folded = fold(question).split()
    best, most = "en", -1.0
    for language in vocabulary.LANGUAGES:
        plain = vocabulary.glue(language)
        single = {w for words in vocabulary.operators(language) for w in words if len(w) > 2}
        score = sum(1.0 if word in plain else 0.9 if word in single else 0.0 for word in folded)
        if score > most + 0.5:
            best, most = language, score
    return best


def _words(question: str, language: str) -> tuple[Word, ...]:
    quotes = [m.span() for m in _QUOTED.finditer(question)]
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


@dataclass(frozen=True, slots=True)
class _Reading:
    """A span with one kind of reading and what choosing it is worth."""

    atom: Atom
    worth: float


def _readings(
    question: str,
    words: Sequence[Word],
    names: Names,
    catalog: Catalog,
    connection: sqlite3.Connection,
    language: str,
) -> Iterator[_Reading]:
    yield from _named(words, names, language)
    yield from _operators(question, words, language)
    yield from _numbers_and_dates(question, words, language)
    yield from _valued(question, words, catalog, connection, language)


def _text(words: Sequence[Word], first: int, last: int) -> str:
    return " ".join(w.folded for w in words[first:last])


def _named(words: Sequence[Word], names: Names, language: str) -> Iterator[_Reading]:
    known = vocabulary.operators(language)
    ordinary = vocabulary.glue(language) | vocabulary.negations(language)
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + names.longest + 2) + 1):
            window = words[first:last]
            if any(w.quoted for w in window):
                break
            if len(window) > 1 and (_skipped(window[0]) or _skipped(window[-1])):
                continue
            if len(window) == 1 and (window[0].folded,) in known and not names.literal(window[0].folded):
                continue
            stems = frozenset(s for w in window if not _skipped(w) for s in w.stem.split())
            tables = names.tables(stems)
            columns = names.columns(stems)
            if not tables and not columns and len(window) == 1 and not window[0].text.istitle():
                tables = names.kin(window[0].stem)
            if not tables and not columns:
                continue
            best = max([*tables.values(), *(c.score for c in columns)])
            if best <= CORE and len(window) == 1 and window[0].folded in ordinary:
                continue  # "no" is not the number of a part
            atom = Atom(
                "name" if tables and columns else "table" if tables else "column",
                first,
                last,
                _text(words, first, last),
                tables=tuple(sorted(tables.items(), key=lambda t: -t[1])),
                columns=tuple(ColumnLink(c.table, c.column, c.score, first, last) for c in _best(columns)),
            )
            yield _Reading(atom, len(window) * (0.55 + 0.55 * best))


def _best(columns: Sequence[ColumnName]) -> list[ColumnName]:
    """Those near the best, so that a name that fits in full is not beside one that fits in part."""
    return [c for c in columns if c.score > columns[0].score - 0.45][:60]


def _skipped(word: Word) -> bool:
    return word.folded in ("of", "the", "der", "des", "de", "del", "di", "du", "la")


def _operators(question: str, words: Sequence[Word], language: str) -> Iterator[_Reading]:
    known = vocabulary.operators(language)
    longest = max(map(len, known))
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + longest) + 1):
            if any(w.quoted for w in words[first:last]):
                break
            kinds = known.get(tuple(w.folded for w in words[first:last]), ())
            if last == first + 1 and (period := vocabulary.periods(language).get(words[first].folded)):
                kinds = (*kinds, f"period:{period}")
            if kinds:
                atom = Atom("operator", first, last, _text(words, first, last), kinds=kinds)
                yield _Reading(atom, (last - first) * 1.0 + 0.01 * (last - first) ** 2)


def _numbers_and_dates(question: str, words: Sequence[Word], language: str) -> Iterator[_Reading]:
    starts = {w.start: n for n, w in enumerate(words)}
    ends = {w.end: n + 1 for n, w in enumerate(words)}
    decimal = "." if language == "en" else ","
    chunks = [_stripped(question, *m.span()) for m in _CHUNK.finditer(question)]
    chunks = [c for c in chunks if c[1] > c[0]]
    for n, (a, b) in enumerate(chunks):
        for m in range(n + 1, min(n + 4, len(chunks)) + 1):
            first, last = starts.get(a), ends.get(chunks[m - 1][1])
            if first is not None and last is not None and not words[first].quoted:
                moment = cell_dates.read(question[a : chunks[m - 1][1]])
                if (
                    moment
                    and moment.shape != "tm"
                    and moment.clock is None
                    and (iso := _iso(moment, language))
                ):
                    span = Span(iso, "", first, last)
                    yield _Reading(Atom("date", first, last, iso, date=span), (last - first) * 1.4)
        number = cell_numbers.read(question[a:b])
        if number is None or number.shape == "z":
            continue
        mark = {"p": ".", "c": ","}.get(number.shape, decimal)
        value = cell_numbers.value(number, mark)
        inside = [k for k, w in enumerate(words) if a <= w.start and w.end <= b and not w.quoted]
        if not inside:
            continue
        first, last = inside[0], inside[-1] + 1
        unit = vocabulary.UNITS.get(number.unit) or vocabulary.UNITS.get(number.unit.casefold())
        yield from _numbered(question, words, value, unit[2] if unit else number.unit, first, last)
    yield from _spelled(words, language)


def _stripped(question: str, a: int, b: int) -> tuple[int, int]:
    while b > a and question[b - 1] in ".,;:?!)]}\"'”’»":
        b -= 1
    while a < b and question[a] in "([{\"'“„«‘":
        a += 1
    return a, b


def _iso(moment: cell_dates.Moment, language: str) -> str:
    if moment.shape == "x" and language == "en" and moment.first != moment.second:
        return ""  # 01/02/2024: nobody can say
    return cell_dates.as_date(moment, "mdy" if moment.shape == "mdy" else "dmy")


def _numbered(
    question: str, words: Sequence[Word], value: int | float, unit: str, first: int, last: int
) -> Iterator[_Reading]:
    """A number, alone and with the unit that follows; a year also as a date."""
    if not unit and last < len(words) and (times := vocabulary.MAGNITUDES.get(words[last].folded)):
        value, last = value * times, last + 1  # "2 million"
        value = int(value) if value == int(value) else value
    text = _text(words, first, last)
    yield _Reading(
        Atom("number", first, last, text, number=Number(value, unit, first, last)), (last - first) * 1.2
    )
    if not unit and last < len(words):
        between = question[words[last - 1].end : words[last].start]
        known = vocabulary.UNITS.get(words[last].text) or vocabulary.UNITS.get(words[last].folded)
        if known and between.strip() == "" and not words[last].quoted:
            number = Number(value, known[2], first, last + 1)
            # Worth less than the words apart where the unit's word names a column ("hours").
            yield _Reading(Atom("number", first, last + 1, text, number=number), (last - first) * 1.2 + 0.85)
    after = question[words[last - 1].end :].lstrip()[:1]
    if not unit and after in vocabulary.UNITS and not after.isalnum():
        number = Number(value, vocabulary.UNITS[after][2], first, last)
        yield _Reading(Atom("number", first, last, text, number=number), (last - first) * 1.25)
    if isinstance(value, int) and 1900 <= value <= 2100 and not unit and last - first == 1:
        year = Span(str(value), "", first, last)
        yield _Reading(Atom("date", first, last, text, date=year, number=Number(value, "", first, last)), 1.3)
        yield from _with_month(words, value, first)


def _with_month(words: Sequence[Word], year: int, at: int) -> Iterator[_Reading]:
    """ "March 2024", "Q1 2024", "marzo de 2024"."""
    for back in (1, 2):
        n = at - back
        if n < 0 or (back == 2 and words[at - 1].folded not in ("of", "de", "del", "di")):
            continue
        month = vocabulary.months().get(words[n].folded)
        quarter = _QUARTER.match(words[n].folded)
        if month:
            span = Span(f"{year}-{month:02}", "", n, at + 1)
        elif quarter:
            low = 3 * int(quarter[1]) - 2
            span = Span(f"{year}-{low:02}", f"{year}-{low + 2:02}", n, at + 1)
        else:
            continue
        yield _Reading(Atom("date", n, at + 1, span.value, date=span), (back + 1) * 1.35)


def _spelled(words: Sequence[Word], language: str) -> Iterator[_Reading]:
    known = vocabulary.number_words(language)
    for n, word in enumerate(words):
        if word.folded in known and not word.quoted:
            number = Number(known[word.folded], "", n, n + 1)
            yield _Reading(Atom("number", n, n + 1, word.folded, number=number), 1.05)


def _valued(
    question: str, words: Sequence[Word], catalog: Catalog, connection: sqlite3.Connection, language: str
) -> Iterator[_Reading]:
    windows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + _LONGEST_VALUE) + 1):
            windows[_text(words, first, last)].append((first, last))
    hits: dict[str, list[ValueHit]] = defaultdict(list)
    for hit in find_values(connection, list(windows), catalog):
        hits[fold(hit.value)].append(hit)
    quotes = _quotes(question, words)
    yield from _inflected(words, catalog, language)
    for text, places in windows.items():
        found = hits.get(text, [])
        if not found or len(found) > _MANY * 4:
            continue
        for first, last in places:
            window = words[first:last]
            if any(w.quoted for w in window) and (first, last) not in quotes:
                continue
            worth = _value_worth(question, window, found, (first, last) in quotes, language)
            if worth > 0:
                links = tuple(ValueLink(h.table, h.column, h.value, h.count, first, last) for h in found)
                yield _Reading(Atom("value", first, last, text, values=links), worth)
    for first, last in quotes:
        atom = Atom("quote", first, last, question[words[first].start : words[last - 1].end])
        yield _Reading(atom, (last - first) * 0.9)


def _inflected(words: Sequence[Word], catalog: Catalog, language: str) -> Iterator[_Reading]:
    """Values in another form: "inspections" for "inspection", of columns of which all values are known."""
    known: dict[str, list[ValueLink]] = defaultdict(list)
    for table in catalog.tables:
        for column in table.columns:
            if column.type != "text" or column.distinct > len(column.frequent):
                continue
            for value in column.frequent:
                stems = " ".join(stem(w, language) for w in fold(value).split())
                if stems and not stems.isdigit():
                    known[stems].append(ValueLink(table.sql, column.sql, value, 0, 0, 0))
    plain = vocabulary.glue(language)
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + 5) + 1):
            window = words[first:last]
            text = _text(words, first, last)
            links = [v for v in known.get(" ".join(w.stem for w in window), ()) if fold(v.value) != text]
            if not links or any(w.quoted for w in window) or all(w.folded in plain for w in window):
                continue
            found = tuple(replace(v, first=first, last=last) for v in links)
            yield _Reading(Atom("value", first, last, text, values=found), 1.02 * len(window))


def _quotes(question: str, words: Sequence[Word]) -> list[tuple[int, int]]:
    found = []
    for match in _QUOTED.finditer(question):
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


def find_values(connection: sqlite3.Connection, ngrams: Sequence[str], catalog: Catalog) -> list[ValueHit]:
    """The values that equal one of these folded texts, in tables and columns of the catalog."""
    found: list[ValueHit] = []
    wanted = [n for n in dict.fromkeys(ngrams) if n]
    for start in range(0, len(wanted), 400):
        part = wanted[start : start + 400]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(
            f"SELECT table_name, column_name, value, count FROM _values WHERE folded IN ({marks})",
            part,
        )
        found.extend(ValueHit(*row) for row in rows)
    return [h for h in found if (t := catalog.table(h.table)) is not None and t.column(h.column) is not None]


def _in_part(
    question: str,
    words: Sequence[Word],
    atoms: Sequence[Atom],
    catalog: Catalog,
    connection: sqlite3.Connection,
    language: str,
) -> list[_Reading]:
    """Values of which the question says the beginning ("seal ring"), or one name of ("Lee")."""
    unknown = {a.first for a in atoms if a.kind == "unknown"}
    plain = vocabulary.glue(language)
    found = []
    for first in sorted(unknown):
        for last in range(min(len(words), first + 4), first, -1):
            window = words[first:last]
            text = _text(words, first, last)
            if any(w.quoted for w in window) or len(text) < 3 or window[-1].folded in plain or text.isdigit():
                continue
            as_written = question[window[0].start : window[-1].end]
            proper = first > 0 and (as_written[0].isupper() or any(c.isdigit() for c in as_written))
            one = text.removesuffix("s")
            begins = connection.execute(
                "SELECT table_name, column_name, value, count FROM _values "
                "WHERE folded > ? AND folded < ? OR folded > ? AND folded < ? LIMIT 60",
                (text + " ", text + "!", one + " ", one + "!"),
            ).fetchall()
            if len(window) == 1 and len(text) < 4:
                begins = []
            rows = begins
            if not rows and proper:
                rows = connection.execute(
                    "SELECT table_name, column_name, value, count FROM _values "
                    "WHERE ' ' || folded || ' ' LIKE '% ' || ? || ' %' LIMIT 60",
                    (text,),
                ).fetchall()
                if len({fold(row[2]) for row in rows}) > 1:
                    rows = []  # whose name it is, nobody can say
            hits = [
                ValueHit(*row)
                for row in rows
                if (t := catalog.table(row[0])) is not None and t.column(row[1]) is not None
            ]
            if hits and len(rows) < 60:
                links = tuple(
                    ValueLink(h.table, h.column, h.value, h.count, first, last, whole=False) for h in hits
                )
                found.append(_Reading(Atom("value", first, last, text, values=links), 1.0 * len(window)))
                break
    return found


# --- the cover --------------------------------------------------------------------------------


def _cover(words: Sequence[Word], readings: Sequence[_Reading], language: str) -> tuple[Atom, ...]:
    """The spans that together are worth most; what is left is glue or unknown."""
    plain = vocabulary.glue(language)
    starting: dict[int, list[_Reading]] = defaultdict(list)
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
    question: str, language: str, words: tuple[Word, ...], atoms: tuple[Atom, ...], ranked: Sequence[str]
) -> Links:
    scores: dict[str, float] = defaultdict(float)
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
        values=tuple(v for a in atoms for v in a.values),
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
        found = next((m.group() for m in _CHUNK.finditer(before) if m.group() in _SYMBOLS), "")
        if found:
            made.append(Atom("operator", atom.first, atom.first, found, kinds=(_SYMBOLS[found],)))
        made.append(atom)
    return tuple(made)


def without(links: Links, *kinds: Kind) -> tuple[Atom, ...]:
    """The atoms that are not of these kinds."""
    return tuple(replace(a) for a in links.atoms if a.kind not in kinds)
