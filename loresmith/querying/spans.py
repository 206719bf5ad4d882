"""Readings of spans of a question that need no cells: names, operators, numbers, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from loresmith.querying import relative, vocabulary
from loresmith.querying.atoms import Atom, ColumnLink, Number, Reading, Span, Word, text_of
from loresmith.querying.naming import CORE, SAME, ColumnName, Names, stem
from loresmith.tables import dates as cell_dates
from loresmith.tables import numbers as cell_numbers

CHUNK = re.compile(r"[<>=≥≤]+|!=|[^\s<>=≥≤]+")
"""A sign of comparison, or what stands between white space and such signs."""
_QUARTER = re.compile(r"q([1-4])$")


def named(words: Sequence[Word], names: Names, language: str) -> Iterator[Reading]:
    phrases = {" ".join(phrase) for phrase in vocabulary.operators(language)}
    ordinary = vocabulary.glue(language) | vocabulary.negations(language)
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + names.longest + 2) + 1):
            window = words[first:last]
            if any(w.quoted for w in window):
                break
            if len(window) > 1 and (_skipped(window[0]) or _skipped(window[-1])):
                continue
            begins = any(text_of(words, first, first + n) in phrases for n in (1, 2) if n <= len(window))
            if begins and not names.literal(window[0].folded):
                continue  # "number of invoices" is not the invoice's number
            stems = frozenset(s for w in window if not _skipped(w) for s in w.stem.split())
            tables = names.tables(stems)
            columns = names.columns(stems)
            if not tables and not columns and len(window) == 1 and not window[0].text.istitle():
                tables = names.kin(window[0].stem)
            if not tables and not columns and len(window) == 1:
                yield from _opposite(words, first, names, language)
            if not tables and not columns:
                continue
            best = max([*tables.values(), *(c.score for c in columns)])
            if best <= CORE and len(window) == 1 and window[0].folded in ordinary:
                continue  # "no" is not the number of a part
            atom = Atom(
                "name" if tables and columns else "table" if tables else "column",
                first,
                last,
                text_of(words, first, last),
                tables=tuple(sorted(tables.items(), key=lambda t: -t[1])),
                columns=tuple(ColumnLink(c.table, c.column, c.score, first, last) for c in _best(columns)),
            )
            yield Reading(atom, len(window) * (0.55 + 0.55 * best))


def _opposite(words: Sequence[Word], at: int, names: Names, language: str) -> Iterator[Reading]:
    """ "failed" where a column of yes and no is called "passed"."""
    other = vocabulary.OPPOSITES.get(words[at].folded)
    found = names.columns(frozenset((stem(other, language),))) if other else []
    flags = [c for c in found if (c.table, c.column) in names.flags]
    if flags:
        links = tuple(ColumnLink(c.table, c.column, SAME + 0.2, at, at + 1) for c in flags)
        yield Reading(Atom("column", at, at + 1, words[at].folded, columns=links, kinds=("opposite",)), 1.0)


def _best(columns: Sequence[ColumnName]) -> list[ColumnName]:
    """Those near the best, so that a name that fits in full is not beside one that fits in part."""
    return [c for c in columns if c.score > columns[0].score - 0.45][:60]


def _skipped(word: Word) -> bool:
    return word.folded in ("of", "the", "der", "des", "de", "del", "di", "du", "la")


def operators(question: str, words: Sequence[Word], language: str) -> Iterator[Reading]:
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
                atom = Atom("operator", first, last, text_of(words, first, last), kinds=kinds)
                yield Reading(atom, (last - first) * 1.0 + 0.01 * (last - first) ** 2)


def numbers_and_dates(question: str, words: Sequence[Word], language: str) -> Iterator[Reading]:
    starts = {w.start: n for n, w in enumerate(words)}
    ends = {w.end: n + 1 for n, w in enumerate(words)}
    decimal = "." if language == "en" else ","
    chunks = [_stripped(question, *m.span()) for m in CHUNK.finditer(question)]
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
                    yield Reading(Atom("date", first, last, iso, date=span), (last - first) * 1.4)
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
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + relative.LONGEST) + 1):
            if (when := relative.spoken(words, first, last, language)) is not None:
                # Worth less than a column that is called so.
                yield Reading(Atom("date", first, last, when.value, date=when), (last - first) * 1.06)


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
) -> Iterator[Reading]:
    """A number, alone and with the unit that follows; a year also as a date."""
    if not unit and last < len(words) and (times := vocabulary.MAGNITUDES.get(words[last].folded)):
        value, last = value * times, last + 1  # "2 million"
        value = int(value) if value == int(value) else value
    text = text_of(words, first, last)
    yield Reading(
        Atom("number", first, last, text, number=Number(value, unit, first, last)), (last - first) * 1.2
    )
    if not unit and last < len(words):
        between = question[words[last - 1].end : words[last].start]
        known = vocabulary.UNITS.get(words[last].text) or vocabulary.UNITS.get(words[last].folded)
        if known and between.strip() == "" and not words[last].quoted:
            number = Number(value, known[2], first, last + 1)
            # Worth less than the words apart where the unit's word names a column ("hours").
            yield Reading(Atom("number", first, last + 1, text, number=number), (last - first) * 1.2 + 0.85)
    after = question[words[last - 1].end :].lstrip()
    sign = after[:2] if after[:1] == "°" else after[:1]
    if not unit and sign in vocabulary.UNITS and not sign.isalnum():
        number = Number(value, vocabulary.UNITS[sign][2], first, last + (len(sign) > 1))
        atom = Atom("number", first, number.last, text, number=number)
        yield Reading(atom, (number.last - first) * 1.25)
    if isinstance(value, int) and 1900 <= value <= 2100 and not unit and last - first == 1:
        year = Span(str(value), "", first, last)
        yield Reading(Atom("date", first, last, text, date=year, number=Number(value, "", first, last)), 1.3)
        yield from _with_month(words, value, first)
        yield from _part_of_year(words, value, first)


def _part_of_year(words: Sequence[Word], year: int, at: int) -> Iterator[Reading]:
    """ "the first quarter of 2025", "zweites Halbjahr 2024"."""
    n = at - 1
    while n > 0 and words[n].folded in ("of", "in", "de", "del", "the", "des", "im"):
        n -= 1
    months = vocabulary.SPANS_OF_YEAR.get(words[n].folded) if n > 0 else None
    number = vocabulary.QUARTERS.get(words[n - 1].folded) if n > 0 else None
    if months and number and words[n - 1].folded == "last":
        number = 12 // months
    if months and number and number * months <= 12:
        low = months * (number - 1) + 1
        span = Span(f"{year}-{low:02}", f"{year}-{low + months - 1:02}", n - 1, at + 1)
        yield Reading(Atom("date", n - 1, at + 1, span.value, date=span), (at - n + 2) * 1.35)


def _with_month(words: Sequence[Word], year: int, at: int) -> Iterator[Reading]:
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
        yield Reading(Atom("date", n, at + 1, span.value, date=span), (back + 1) * 1.35)


def _spelled(words: Sequence[Word], language: str) -> Iterator[Reading]:
    known = vocabulary.number_words(language)
    for n, word in enumerate(words):
        if word.folded in known and not word.quoted:
            number = Number(known[word.folded], "", n, n + 1)
            yield Reading(Atom("number", n, n + 1, word.folded, number=number), 1.05)
