"""XLSX: each row one line of text, with its sheet, its row number and values as the program shows them.

Hidden sheets and hidden rows are left out and reported. Dates read YYYY-MM-DD whatever the format:
"03/04" says nothing without knowing the country.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.package import Package, attribute, child, children, local, refuse_entities
from loresmith.parsing.tables import Cell, add_table, column_names, header_rows
from loresmith.parsing.tabular import PROSE_SAMPLE, is_prose, too_many
from loresmith.parsing.xlsx_formats import BUILT_IN, kind_of, show
from loresmith.types import BlockKind

_Row = tuple[int, dict[int, str], bool]
"""Row number, column number -> text, whether every cell is bold."""
_ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")


def read_xlsx(data: bytes, settings: ParsingSection | None = None, **_: Any) -> Draft:
    limit = (settings or ParsingSection()).rows
    package = Package(data)
    draft = Draft()
    package.core_properties(draft)
    main = next((t for k, t in package.relations("").values() if k == "officeDocument"), "xl/workbook.xml")
    workbook = package.xml(main)
    relations = package.relations(main)
    book = _Book(package, relations, workbook)
    listed = child(workbook, "sheets")
    for sheet in listed if listed is not None else ():
        name = sheet.get("name", "")
        if sheet.get("state") in ("hidden", "veryHidden"):
            draft.warn(f"hidden sheet {name!r} was left out")
            continue
        identifier = next((v for k, v in sheet.attrib.items() if k.endswith("}id")), "")
        kind, part = relations.get(identifier, ("", ""))
        if kind == "worksheet" and part in package.names:
            _sheet(draft, book, package.read(part), part, name, limit)
    return draft


def read_cells(data: bytes) -> Iterator[tuple[str, int, list[str]]]:
    """(sheet, row number, cells from column A on) of every visible row, for tables read as data: line
    breaks in cells stay, nothing is merged. A large sheet is never in memory as a tree.

    Raises:
        ParseError: damaged, protected, or a decompression bomb.
    """
    for sheet in _visible(data):
        for number, tr in _streamed(sheet.raw, sheet.part):
            if tr.get("hidden") not in ("1", "true"):
                yield sheet.name, number, _values(sheet.book, tr)


@dataclass(frozen=True, slots=True)
class _Visible:
    """A worksheet that is shown, before it is parsed."""

    book: _Book
    name: str
    part: str
    raw: bytes


def _visible(data: bytes) -> Iterator[_Visible]:
    package = Package(data)
    main = next((t for k, t in package.relations("").values() if k == "officeDocument"), "xl/workbook.xml")
    workbook = package.xml(main)
    relations = package.relations(main)
    book = _Book(package, relations, workbook)
    listed = child(workbook, "sheets")
    for sheet in listed if listed is not None else ():
        identifier = next((v for k, v in sheet.attrib.items() if k.endswith("}id")), "")
        kind, part = relations.get(identifier, ("", ""))
        hidden = sheet.get("state", "").lower().endswith("hidden")
        if kind == "worksheet" and part in package.names and not hidden:
            yield _Visible(book, sheet.get("name", ""), part, package.read(part))


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A row as data: column number -> (value, unit); dates and times are ISO text, percentages as shown."""

    number: int
    values: dict[int, tuple[str | int | float | bool, str]]
    bold: bool


@dataclass(frozen=True, slots=True)
class ValueSheet:
    """A visible sheet as data. `merged`: (first row, last row, first column, last column)."""

    name: str
    merged: list[tuple[int, int, int, int]]
    rows: Iterator[ValueRow]


def read_values(data: bytes) -> Iterator[ValueSheet]:
    """The visible sheets with their values as stored, not as shown: hidden rows and columns left out.
    Take the rows of one sheet before the next; a large sheet is never in memory as a tree.

    Raises:
        ParseError: damaged, protected, or a decompression bomb.
    """
    for sheet in _visible(data):
        rows = _value_rows(sheet.book, sheet.raw, sheet.part)
        yield ValueSheet(sheet.name, _merged_in(sheet.raw), rows)


_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]+)(\d+):([A-Z]+)(\d+)\"")
_COL = re.compile(rb"<(?:\w+:)?col\s([^>]*)>")


def _merged_in(raw: bytes) -> list[tuple[int, int, int, int]]:
    return [
        (int(m[2]), int(m[4]), _number_of(m[1].decode()), _number_of(m[3].decode()))
        for m in _MERGE.finditer(raw)
    ]


def _number_of(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return column


def _hidden_columns(raw: bytes) -> set[int]:
    hidden: set[int] = set()
    for match in _COL.finditer(raw[: raw.find(b"sheetData") + 1 or None]):
        given = dict(re.findall(rb'(\w+)="([^"]*)"', match[1]))
        if given.get(b"hidden") in (b"1", b"true"):
            hidden.update(range(int(given.get(b"min", b"1")), min(int(given.get(b"max", b"1")), 16384) + 1))
    return hidden


def _value_rows(book: _Book, raw: bytes, part: str) -> Iterator[ValueRow]:
    hidden = _hidden_columns(raw)
    for number, tr in _streamed(raw, part):
        if tr.get("hidden") in ("1", "true"):
            continue
        values: dict[int, tuple[str | int | float | bool, str]] = {}
        bold = True
        for column, cell in _cells(tr):
            value, unit = book.typed(cell)
            if value != "" and value not in _ERRORS and column not in hidden:
                values[column] = (value, unit)
                bold = bold and book.is_bold(cell)
        if values:
            yield ValueRow(number, values, bold)


def _values(book: _Book, tr: ElementTree.Element) -> list[str]:
    found: list[str] = []
    for column, cell in _cells(tr):
        found += [""] * (column - len(found))
        value = book.value(cell).strip()
        found[column - 1] = "" if value in _ERRORS else value
    return found


def _streamed(data: bytes, name: str) -> Iterator[tuple[int, ElementTree.Element]]:
    refuse_entities(data, name)
    last = 0
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(data)):
            if local(element.tag) == "row":
                last = int(element.get("r") or last + 1)
                yield last, element
                element.clear()
    except ElementTree.ParseError as error:
        raise ParseError(f"damaged file: part {name}: {error}.", "Save it again.") from error


class _Book:
    """What all sheets share: strings, number formats, the epoch of dates."""

    def __init__(
        self, package: Package, relations: dict[str, tuple[str, str]], workbook: ElementTree.Element
    ) -> None:
        parts = dict(relations.values())
        self.strings: list[str] = []
        self.formats: list[str] = []
        self.bold: list[bool] = []
        self.epoch = datetime(1899, 12, 30)
        if attribute(child(workbook, "workbookPr"), "date1904") in ("1", "true"):
            self.epoch = datetime(1904, 1, 1)
        if parts.get("sharedStrings") in package.names:
            self.strings = [_rich(si) for si in children(package.xml(parts["sharedStrings"]), "si")]
        if parts.get("styles") in package.names:
            self._styles(package.xml(parts["styles"]))

    def _styles(self, root: ElementTree.Element) -> None:
        codes = dict(BUILT_IN)
        for element in child(root, "numFmts") or ():
            codes[int(element.get("numFmtId", "0"))] = element.get("formatCode", "")
        fonts = [child(font, "b") is not None for font in child(root, "fonts") or ()]
        for xf in child(root, "cellXfs") or ():
            font = int(xf.get("fontId", "0"))
            self.formats.append(codes.get(int(xf.get("numFmtId", "0")), ""))
            self.bold.append(fonts[font] if font < len(fonts) else False)

    def value(self, cell: ElementTree.Element) -> str:
        kind = cell.get("t", "n")
        raw = child(cell, "v")
        text = (raw.text or "") if raw is not None else ""
        if kind == "inlineStr":
            inline = child(cell, "is")
            return _rich(inline) if inline is not None else ""
        if kind == "s":
            return self.strings[int(text)] if text.isdigit() and int(text) < len(self.strings) else ""
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(text, text)
        if kind in ("str", "e", "d"):
            return text.replace("T00:00:00", "") if kind == "d" else text
        style = cell.get("s", "")
        code = self.formats[int(style)] if style.isdigit() and int(style) < len(self.formats) else ""
        return show(text, code, self.epoch) if text else ""

    def typed(self, cell: ElementTree.Element) -> tuple[str | int | float | bool, str]:
        """(value, unit): a number as it is stored; its unit is what the format puts beside it."""
        kind = cell.get("t", "n")
        raw = child(cell, "v")
        text = (raw.text or "") if raw is not None else ""
        if kind == "b":
            return text == "1", ""
        if kind != "n" or not text:
            return self.value(cell).strip(), ""
        style = cell.get("s", "")
        code = self.formats[int(style)] if style.isdigit() and int(style) < len(self.formats) else ""
        is_date, percent, unit = kind_of(code)
        if is_date:
            return show(text, code, self.epoch), ""
        try:
            # What the program computed in binary, as it shows it: 0.30000000000000004 is 0.3.
            number = float(f"{float(text) * (100 if percent else 1):.15g}")
        except ValueError:
            return text, ""
        return (int(number) if number.is_integer() and abs(number) < 1e15 else number), unit

    def is_bold(self, cell: ElementTree.Element) -> bool:
        style = cell.get("s", "")
        return style.isdigit() and int(style) < len(self.bold) and self.bold[int(style)]


def _rich(element: ElementTree.Element) -> str:
    """The text of a string item, without phonetic readings."""
    parts = []
    for node in element:
        if local(node.tag) == "t":
            parts.append(node.text or "")
        elif local(node.tag) == "r":
            parts += [t.text or "" for t in children(node, "t")]
    return re.sub(r"_x([0-9A-F]{4})_", lambda m: chr(int(m[1], 16)), "".join(parts))


def _sheet(draft: Draft, book: _Book, raw: bytes, part: str, name: str, limit: int) -> None:
    hidden_columns, used = _hidden_columns(raw), set[int]()
    rows: list[_Row] = []
    left_out: list[int] = []
    unsaved = count = 0
    prose = False
    for number, tr in _streamed(raw, part):
        values: dict[int, str] = {}
        bold = True
        for column, cell in _cells(tr):
            value = one_line(book.value(cell))
            if not value and child(cell, "f") is not None:
                unsaved += 1
            if value and column in hidden_columns:
                used.add(column)
            elif value and value not in _ERRORS:
                values[column] = value
                bold = bold and book.is_bold(cell)
        if not values:
            continue
        if tr.get("hidden") in ("1", "true"):
            left_out.append(number)
            continue
        count += 1
        if count == limit + 2:
            prose = is_prose([list(values.values()) for _, values, _ in rows[:PROSE_SAMPLE]])
        if count <= limit + 1 or prose:
            rows.append((number, values, bold))
    if count > len(rows):
        draft.warn(too_many(len(rows) - 1, count - 1, f"sheet {name!r}"))
    if left_out:
        draft.warn(f"sheet {name!r}: hidden rows were left out: {_ranges(left_out)}")
    if used and rows:
        draft.warn(f"sheet {name!r}: {len(used)} hidden columns were left out")
    if unsaved:
        draft.warn(f"sheet {name!r}: {unsaved} formulas have no stored result (open and save it once)")
    if rows:
        draft.add("heading", name, level=1, sheet=name)
        _tables(draft, rows, name, _merged_in(raw))


def _cells(tr: ElementTree.Element) -> Iterator[tuple[int, ElementTree.Element]]:
    last = 0
    for cell in tr:
        letters = re.match(r"[A-Z]+", cell.get("r", ""))
        column = _number_of(letters[0]) if letters else 0
        last = column or last + 1
        yield last, cell


def _ranges(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")


def _tables(
    draft: Draft,
    rows: list[_Row],
    sheet: str,
    merged: list[tuple[int, int, int, int]],
) -> None:
    """Split the sheet where a row is left empty; a lone cell above a table is its caption."""
    wide = {first for first, _, left, right in merged if right > left}
    for first, last, left, right in merged:
        if last - first < 10 and right - left < 50:
            _spread(rows, first, last, left, right)
    groups: list[list[_Row]] = []
    for row in rows:
        if groups and row[0] == groups[-1][-1][0] + 1:
            groups[-1].append(row)
        else:
            groups.append([row])
    previous: _Open | None = None
    for group in groups:
        while group and len(set(group[0][1].values())) == 1 and len(rows) > 1:
            number, values, bold = group.pop(0)
            text = next(iter(values.values()))
            kind: BlockKind = "heading" if bold and len(text) < 100 else "paragraph"
            draft.add(kind, text, level=2 if kind == "heading" else 0, sheet=sheet, row=number)
        if group:
            previous = _one_table(draft, group, sheet, previous, wide)


def _spread(rows: list[_Row], first: int, last: int, left: int, right: int) -> None:
    """A merged cell says its value in each row it covers, and in each column if it is a heading."""
    value = next((v[left] for n, v, _ in rows if n == first and left in v), None)
    if value is None:
        return
    widest = max((len(v) for n, v, _ in rows), default=0)
    for number, values, _ in rows:
        if first <= number <= last:
            values.setdefault(left, value)
            # Over the full width it is a caption, not a name of columns.
            if right - left + 1 < widest:
                for column in range(left, right + 1):
                    values.setdefault(column, value)


@dataclass(frozen=True, slots=True)
class _Open:
    """A table with sure names, which may go on after an empty row."""

    table: str
    columns: list[int]
    names: list[str]


def _one_table(
    draft: Draft, group: list[_Row], sheet: str, previous: _Open | None, wide: set[int]
) -> _Open | None:
    columns = sorted({column for _, values, _ in group for column in values})
    grid = [[values.get(column, "") for column in columns] for _, values, _ in group]
    bold = [is_bold for _, _, is_bold in group]
    headers = 0
    # Two header rows: names over names, the upper one merged over several columns.
    if len(grid) > 2 and (group[0][0] in wide or (bold[0] and bold[1] and len(set(grid[0])) < len(grid[0]))):
        headers = 2 if header_rows([column_names(grid[:2]), *grid[2:]], styled=True) else 0
    fresh = bold[0] and not all(bold)
    continued = previous is not None and set(columns) <= set(previous.columns) and not fresh
    if not headers and not continued:
        headers = header_rows(grid, styled=fresh)
    cells = [[Cell(text) for text in row] for row in grid]
    numbers = [number for number, _, _ in group]
    if continued and previous is not None and not headers:
        names = [previous.names[previous.columns.index(column)] for column in columns]
        add_table(draft, cells, names=names, table=previous.table, numbers=numbers, sheet=sheet)
        return previous
    table, names = add_table(draft, cells, headers=headers, numbers=numbers, sheet=sheet)
    return _Open(table, columns, names) if names else None
