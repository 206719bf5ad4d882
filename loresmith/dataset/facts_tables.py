"""Table rows -> facts: row key × column -> value with unit, and the way back for unique values.

A row is told by its key: the first column whose values differ from row to row, or the first two
together. Cells that say nothing ("-", "n/a"), tables of contents and rows of ticks give no fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from loresmith.answering.text import fold
from loresmith.dataset.facts import Fact, codes_of, paths, single_spaced, text_of, topic_of, without_number
from loresmith.dataset.facts_columns import is_period, joined, scale_of, split_unit, useful
from loresmith.types import Block, Document

_NOTHING = re.compile(
    r"^\W*$|^(?:n/?a|none|nil|tbd|tba|k\.\s?a\.|entfällt|ninguno|aucune?|nessuno|无)\.?$", re.I
)
_INDEX = re.compile(r"^(?:no|nr|n°|nº|#|pos|item|line|row|lfd\.? nr|id|序号|编号)\.?$", re.I)
_TITLE_LIKE = re.compile(r"\b(?:table|tabelle|tableau|tabla|tabella|tabel|表)\s*\d+\s*[:.–-]?\s*", re.I)
_LONGEST_KEY = 70
_LONGEST_VALUE = 260
_MOST_COLUMNS = 14
PERIOD = "\0period"
"""`Fact.key` of a cell whose column is a time: its attribute is the row's name."""

CROSS = "\0cross"
"""`Fact.key` of a cell whose column is a kind and no attribute ("Van"): its subject is the row with
the column, its attribute what the table is about."""

_MEASURED = re.compile(
    r"price|cost|fee|rate|limit|premium|charge|time|date|year|month|day|hour|minute|length|width|height|depth|weight|mass"
    r"|size|diameter|torque|pressure|temperature|power|current|voltage|speed|flow|head|volume|capacity|quantity|number"
    r"|count|amount|stock|level|value|share|distance|interval|period|total|plan|actual|target|min|max|tolerance|seats"
    r"|preis|kosten|gebühr|zeit|datum|jahr|monat|tag|länge|breite|höhe|tiefe|gewicht|masse|durchmesser|druck|temperatur"
    r"|leistung|strom|spannung|drehzahl|menge|bestand|anzahl|zahl|wert|anteil|abstand|frist|pauschale|stück|soll|ist"
    r"|precio|plazo|garantía|límite|tamaño|peso|largo|ancho|alto|prezzo|durata|lunghezza|larghezza|altezza|prix|durée"
    r"|longueur|largeur|hauteur|poids|quantité|cantidad|价|量|长|宽|高|重|压|温",
    re.I,
)
_PROPERTY = re.compile(
    r"^(?:values?|specifications?|data|wert|werte|angabe|valor|valores|valeurs?|valore|valori|waarde|dato|值|数值|参数值)$",
    re.I,
)
_UNIT_COLUMN = re.compile(r"^(?:units?|einheit|unidad|unité|unità|eenheid|unidade|单位)$", re.I)


@dataclass(frozen=True)
class _Row:
    block: Block
    cells: tuple[str, ...]
    group: str = ""


def facts(document: Document, language: str) -> list[Fact]:
    """The facts of all tables of a document, in its order."""
    out: list[Fact] = []
    for names, rows, place in _tables(document):
        out += _of_table(document, language, names, rows, place)
    return out


def _tables(document: Document) -> Iterator[tuple[tuple[str, ...], list[_Row], str]]:
    """(column names, rows, caption or heading) of each table and sheet."""
    names: tuple[str, ...] = ()
    rows: list[_Row] = []
    current: tuple[str | None, str | None] | None = None
    place = caption = ""
    group = ""
    for block, path in zip(document.blocks, paths(document), strict=True):
        text = single_spaced(text_of(document, block))
        if block.kind != "row":
            if block.kind == "caption" or _TITLE_LIKE.match(text):
                caption = _TITLE_LIKE.sub("", text)
            elif block.kind == "heading":
                caption = ""
            continue
        if (block.table, block.sheet) != current:
            if rows:
                yield names, rows, place
            current, names, rows, group = (block.table, block.sheet), (), [], ""
            place = caption or (path[-1] if path else "")
        if block.header:
            names = tuple(single_spaced(c) for c in text.split(" | "))
            if text.startswith("| "):
                names = ("", *(single_spaced(c) for c in text[2:].split(" | ")))
            continue
        cells = _cells(text, names)
        if len(cells) == 1 and text.endswith(":"):
            group = text.rstrip(": ")
        elif len(cells) > 1:
            rows.append(_Row(block, cells, group))
    if rows:
        yield names, rows, place


def _cells(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """The cells of a row as the parsers write it: "Name: value; Name: value" or "a | b"."""
    if " | " in text:
        return tuple(c.strip() for c in text.removeprefix("| ").split(" | "))
    if not names:
        return (text,)
    marks: list[tuple[int, int, int]] = []
    position = 0
    for column, name in enumerate(names):
        if not name:
            continue
        found = re.compile(rf"(?:^|; ){re.escape(name)}: ").search(text, position)
        if found is not None:
            marks.append((found.start(), found.end(), column))
            position = found.end() - 1
    out = [""] * len(names)
    if marks and marks[0][0] > 0:
        out[0] = text[: marks[0][0]]
    for number, (_, begin, column) in enumerate(marks):
        stop = marks[number + 1][0] if number + 1 < len(marks) else len(text)
        out[column] = text[begin:stop].strip()
    return tuple(out) if marks else (text,)


def _of_table(
    document: Document, language: str, names: tuple[str, ...], rows: list[_Row], place: str
) -> list[Fact]:
    width = max(len(r.cells) for r in rows)
    if width > _MOST_COLUMNS or _is_contents(rows):
        return []
    named = len(names) == width and sum(bool(n) for n in names) >= width - 1
    if not named:
        return _pairs(document, language, rows, place) if width == 2 else []
    rows = _told_apart([r for r in rows if len(r.cells) == width])
    keys = _key_columns(names, rows)
    if not keys:
        return []
    if keys == (0,) and (properties := _properties(document, language, names, rows)):
        return properties
    kinds = _kinds(names, rows, keys, place)
    above = " ".join((names[0], place))
    names = tuple("" if name.startswith("(") else name for name in names)
    topic = topic_of(document.title or document.id)
    out: list[Fact] = []
    for row in rows:
        subject = ", ".join(row.cells[k] for k in keys)
        if not subject.strip(" ,") or len(subject) > _LONGEST_KEY or _NOTHING.match(subject):
            continue
        base = Fact(
            kind="cell",
            document=document.id,
            language=language,
            start=row.block.start,
            end=row.block.end,
            quote=text_of(document, row.block),
            subject=subject,
            key=names[keys[0]] or _singular(place),
            topic=topic,
        )
        for column, value in enumerate(row.cells):
            if column in keys or _says_nothing(value) or len(value) > _LONGEST_VALUE:
                continue
            name, unit = split_unit(names[column])
            if not name or len(name) > 60 or _UNIT_COLUMN.match(name):
                continue
            fact = replace(base, attribute=joined(name, language), value=value, unit=useful(unit, value))
            if keys == (0,) and is_period(name) and any(c.isdigit() for c in value):
                # Not "the June 2022 of gross margin" but the gross margin in June 2022.
                period = " ".join(p.strip() for p in name.split("›"))
                fact = replace(
                    fact, key=PERIOD, subject=period, attribute=subject, unit=unit or scale_of(above, subject)
                )
            elif column in kinds:
                row_name = _of_key(names[keys[0]], subject)
                fact = replace(
                    fact, key=CROSS, subject=f"{row_name}, {name}", attribute=without_number(place)
                )
            out.append(fact)
            if _is_unique_code(value, [r.cells[column] for r in rows]):
                out.append(replace(fact, kind="reverse"))
    return out


def _kinds(names: Sequence[str], rows: Sequence[_Row], keys: tuple[int, ...], place: str) -> frozenset[int]:
    """The columns that tell kinds apart ("Small car | Mid-size | Van") instead of attributes: all of
    one sort of figure under a heading that says what is told."""
    heading = without_number(place)
    columns = [c for c in range(len(names)) if c not in keys and names[c]]
    if len(columns) < 2 or not 1 <= len(heading.split()) <= 5 or len(keys) > 1:
        return frozenset()
    sorts = []
    for column in columns:
        cells = [r.cells[column] for r in rows if not _says_nothing(r.cells[column])]
        figures = [c for c in cells if re.match(r"^[€$£]?\s?(?:[A-Z]{3}\s)?[\d.,:–-]+(?:\s?\S{1,4})?$", c)]
        measured = _MEASURED.search(names[column]) is not None or split_unit(names[column])[1]
        if len(figures) < 0.7 * len(cells) or not cells or measured or is_period(names[column]):
            continue
        sorts.append((column, re.sub(r"[\d.,\s]+", "0", figures[0])))
    alike = [c for c, sort in sorts if sort == sorts[0][1]]
    return frozenset(alike) if len(alike) >= 2 else frozenset()


def _of_key(name: str, subject: str) -> str:
    """ "class SF 10", "report time 06:00": a bare figure needs the name of its column."""
    plain = re.fullmatch(r"[^\W\d_ ]+(?: [^\W\d_ ]+)?", name) is not None
    return f"{name} {subject}" if subject[:1].isdigit() and plain else subject


def _properties(document: Document, language: str, names: Sequence[str], rows: Sequence[_Row]) -> list[Fact]:
    """ "Quantity | Value | Unit": each row is an attribute of what the document is about."""
    values = [c for c, name in enumerate(names) if _PROPERTY.match(name)]
    units = [c for c, name in enumerate(names) if _UNIT_COLUMN.match(name)]
    if len(values) != 1 or len(names) > 2 + len(units) or values == [0]:
        return []
    out = []
    for row in rows:
        value = row.cells[values[0]]
        attribute, own = split_unit(row.cells[0])
        if _says_nothing(value) or len(value) > _LONGEST_VALUE or len(attribute) > _LONGEST_KEY:
            continue
        unit = (row.cells[units[0]] if units else own).strip("-– ")
        out.append(
            Fact(
                kind="field",
                document=document.id,
                language=language,
                start=row.block.start,
                end=row.block.end,
                quote=text_of(document, row.block),
                attribute=attribute,
                value=value,
                unit=useful(unit, value),
                topic=topic_of(document.title or document.id),
            )
        )
    return out


def _told_apart(rows: list[_Row]) -> list[_Row]:
    """Rows of one name get the name of their group: "Basic (Earnings per share)"."""
    keys = [fold(r.cells[0]) for r in rows]
    return [
        replace(r, cells=(f"{r.cells[0]} ({r.group})", *r.cells[1:])) if r.group and keys.count(k) > 1 else r
        for r, k in zip(rows, keys, strict=True)
    ]


def _key_columns(names: Sequence[str], rows: Sequence[_Row]) -> tuple[int, ...]:
    """The columns that tell the rows apart: one, or two together; () where none do."""
    columns = range(len(names))
    filled = [c for c in columns if sum(bool(r.cells[c]) for r in rows) >= 0.9 * len(rows)]
    candidates = [
        c for c in filled if not _INDEX.match(names[c]) or any(x.isalpha() for x in rows[0].cells[c])
    ]
    for column in candidates[:2]:
        if _all_differ([r.cells[column] for r in rows]) and not _mostly_numbers(rows, column):
            return (column,)
    if candidates[:1] and _all_differ([r.cells[candidates[0]] for r in rows]):
        return (candidates[0],)
    for second in candidates[1:4]:
        pairs = [f"{r.cells[candidates[0]]}|{r.cells[second]}" for r in rows]
        if _all_differ(pairs) and any(any(ch.isalpha() for ch in p) for p in pairs):
            return (candidates[0], second)
    return ()


def _all_differ(values: Sequence[str]) -> bool:
    return len({fold(v) for v in values}) == len(values)


def _mostly_numbers(rows: Sequence[_Row], column: int) -> bool:
    return sum(re.fullmatch(r"[\d.,\s%-]+", r.cells[column]) is not None for r in rows) > len(rows) / 2


def _pairs(document: Document, language: str, rows: Sequence[_Row], place: str) -> list[Fact]:
    """A table of two columns without names: its caption says what the second column tells."""
    heading = without_number(place)
    if not heading or not _all_differ([r.cells[0] for r in rows]):
        return []
    out = []
    for row in rows:
        key, value = row.cells
        if (
            _NOTHING.match(key)
            or _says_nothing(value)
            or len(key) > _LONGEST_KEY
            or len(value) > _LONGEST_VALUE
        ):
            continue
        out.append(
            Fact(
                kind="cell",
                document=document.id,
                language=language,
                start=row.block.start,
                end=row.block.end,
                quote=text_of(document, row.block),
                subject=key.rstrip(":"),
                attribute=heading,
                value=value,
                topic=topic_of(document.title or document.id),
            )
        )
    return out


def _says_nothing(value: str) -> bool:
    return _NOTHING.match(value) is not None or not any(c.isalnum() for c in value)


def _is_contents(rows: Sequence[_Row]) -> bool:
    """Titles with page numbers: a table of contents."""
    ends = [r.cells[-1] for r in rows]
    pages = [int(e) for e in ends if re.fullmatch(r"\d{1,3}", e)]
    wordy = sum(len(r.cells[-2]) > 12 for r in rows if len(r.cells) > 1)
    return (
        len(rows) > 3 and len(pages) >= 0.9 * len(rows) and pages == sorted(pages) and wordy > len(rows) / 2
    )


def _is_unique_code(value: str, column: Sequence[str]) -> bool:
    """An order number, a serial number: one can ask what it belongs to."""
    code = codes_of(value) == (value,) or re.fullmatch(r"\+?[\d\s/()-]{6,}|\d{3,}-\d+", value) is not None
    dated = re.fullmatch(r"\d{4}-\d\d-\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d+:\d+.*", value)
    return code and not dated and len(value) < 25 and [fold(v) for v in column].count(fold(value)) == 1


def _singular(place: str) -> str:
    """The name of what the rows are, from the heading above a table whose first column has none."""
    bare = without_number(place)
    return "" if len(bare.split()) > 2 else bare
