"""Tables as lines of text: one line a row, so that a cell is found with its row and column heading.

Where the header is sure, a row reads "Column: value; Column: value"; where it is not, its cells
stand in order, "cell | cell | cell". Cells stay verbatim but for white space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.parsing.draft import Draft, Piece, one_line
from loresmith.types import Box

NAME_SEPARATOR = " › "

# A number as it stands in tables: signs and currency, digits, then a unit of a few letters.
_NUMBER_START = re.compile(r"[\s(+\-–—−~<>≤≥±$€£¥]*\d")
_NOT_UNIT = str.maketrans("", "", "0123456789.,'\u00a0\u202f /:-–—−+~<>≤≥±()%°‰$€£¥*×²³·†‡§")
_YEAR = re.compile(r"^(?:FY\s?|Q[1-4]\s?)?(?:19|20)\d\d(?:\s?Q[1-4])?$")
_KEY_NAMES = re.compile(
    r"^(?:_?id|key|uid|uuid|sku|code|nr\.?|no\.?|number|nummer)$"
    r"|[ _\-.](?:id|no\.?|nr\.?|number|code|nummer)$"
    r"|^(?:part|order|ticket|serial|teile|artikel|bestell)[ _\-]?(?:no\.?|nr\.?|number|nummer)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `box` where its place on the page is known."""

    text: str
    box: Box | None = None


def is_number(text: str) -> bool:
    """ "1,234", "(97)", "$ 4.69", "25 Nm", "5 %"; not "P-200" nor "25 pumps and more"."""
    text = text.strip()
    if len(text) > 40 or not _NUMBER_START.match(text):
        return False
    return len(text.translate(_NOT_UNIT)) <= 6


def is_year(text: str) -> bool:
    return _YEAR.match(text.strip()) is not None


def header_rows(rows: Sequence[Sequence[str]], *, styled: bool = False) -> int:
    """How many leading rows surely are column names: 0 where it is not sure.

    `styled`: the first row is set off by the format (bold, shaded, marked as header).
    """
    if len(rows) < 2:
        return 0
    first = [cell.strip() for cell in rows[0]]
    named = [cell for cell in first if cell]
    if len(named) < 2 or len(named) < len(first) - 1 or len(set(named)) < len(named):
        return 0
    if any(len(name) > 60 for name in named) or any(is_number(name) and not is_year(name) for name in named):
        return 0
    if not all(any(ch.isalpha() for ch in name) or is_year(name) or name in "#%°" for name in named):
        return 0
    if styled:
        return 1
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    digits = sum(any(ch.isdigit() for ch in row[0]) for row in body) / max(1, len(body))
    if any(ch.isdigit() for ch in first[0]) and not is_year(first[0]) and digits >= 0.6:
        # "1 to 4 pumps" over "5 to 9 pumps" is the first record.
        return 0
    if len(first) == 2:
        # "Voltage | 400 V" over "Power | 5 kW" has no header; "Bolt | Torque" over numbers has one.
        has_digit = any(ch.isdigit() for ch in first[1])
        units = [re.sub(r"[\d\s.,+()–−-]+", "", row[1]) for row in body if len(row) > 1 and is_number(row[1])]
        alike = max((units.count(unit) for unit in set(units)), default=0)
        return 1 if not has_digit and alike >= 0.6 * len(body) else 0
    return 1


def column_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Header rows joined to one name a column: "Torque › Nm"."""
    width = max(len(row) for row in rows)
    names = []
    for column in range(width):
        parts = [one_line(row[column]) for row in rows if column < len(row) and row[column].strip()]
        names.append(NAME_SEPARATOR.join(dict.fromkeys(part.rstrip(":") for part in parts)))
    return names


def key_column(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    """The column that identifies records: named like a key, filled and unique."""
    for column, name in enumerate(names[:3]):
        if _KEY_NAMES.search(name.strip()):
            values = [row[column].strip() for row in rows if column < len(row)]
            short = all(0 < len(value) <= 60 for value in values)
            if len(values) > 1 and short and len(set(values)) == len(values):
                return column
    return None


def named_row(names: Sequence[str], cells: Sequence[Cell]) -> list[Piece]:
    """ "Column: value; Column: value", cells without text left out."""
    pieces: list[Piece] = []
    for column, cell in enumerate(cells):
        value = one_line(cell.text)
        if not value:
            continue
        name = names[column] if column < len(names) else ""
        lead = ("; " if pieces else "") + (f"{name}: " if name else "")
        if lead:
            pieces.append(Piece(lead))
        pieces.append(Piece(value, cell.box))
    return pieces


def plain_row(cells: Sequence[Cell]) -> list[Piece]:
    """ "cell | cell | cell"; empty cells keep their place, but not at the end."""
    texts = [one_line(cell.text) for cell in cells]
    last = max((i for i, text in enumerate(texts) if text), default=-1)
    pieces: list[Piece] = []
    for column in range(last + 1):
        if column:
            pieces.append(Piece(" | " if texts[column] or column < last else " |"))
        if texts[column]:
            pieces.append(Piece(texts[column], cells[column].box))
    return pieces


def add_table(
    draft: Draft,
    rows: Sequence[Sequence[Cell]],
    *,
    headers: int = 0,
    plain_headers: int = 0,
    names: Sequence[str] = (),
    table: str | None = None,
    page: int | None = None,
    numbers: Sequence[int] | None = None,
    sheet: str | None = None,
) -> tuple[str, list[str]]:
    """Append a table; returns its identifier and its column names ([] where unsure).

    Args:
        headers: leading rows that surely hold the column names.
        plain_headers: leading rows that look like names, where it is not sure.
        names, table: of a table that began earlier and goes on here, without a header of its own.
        numbers: the rows' numbers in their file.
    """
    table = table or draft.next_table()
    numbered = list(numbers) if numbers is not None else [None] * len(rows)
    known = list(names)
    if headers and _wordy(column_names([[cell.text for cell in row] for row in rows[:headers]])):
        plain_headers, headers = headers, 0
    if headers:
        known = column_names([[cell.text for cell in row] for row in rows[:headers]])
        boxes = _header_boxes(rows[:headers], len(known))
        pieces = plain_row([Cell(name, box) for name, box in zip(known, boxes, strict=True)])
        draft.add("row", pieces, header=True, table=table, page=page, sheet=sheet, row=numbered[headers - 1])
    key = key_column(known, [[cell.text for cell in row] for row in rows[headers:]]) if known else None
    plain_headers = plain_headers or (
        0 if known else _leading_names([[cell.text for cell in r] for r in rows])
    )
    for at, (row, number) in enumerate(zip(rows[headers:], numbered[headers:], strict=True)):
        pieces = named_row(known, row) if known else plain_row(row)
        own = (one_line(row[key].text) or None) if key is not None and key < len(row) else None
        head = not headers and at < plain_headers
        draft.add("row", pieces, table=table, page=page, sheet=sheet, row=number, key=own, header=head)
    return table, known


def _wordy(names: Sequence[str]) -> bool:
    """Names so long that they would drown the values if each cell said its own."""
    filled = [len(name) for name in names if name]
    return max(filled, default=0) > 70 or sum(filled) > 40 * max(1, len(filled))


def _leading_names(rows: Sequence[Sequence[str]]) -> int:
    """How many leading rows stand over the values only: no label, nothing but words and years."""
    for count, row in enumerate(rows[:6]):
        values = [cell for cell in row[1:] if cell.strip()]
        if (row and row[0].strip()) or not values or any(is_number(v) and not is_year(v) for v in values):
            return count if count < len(rows) else 0
    return 0


def _header_boxes(rows: Sequence[Sequence[Cell]], width: int) -> list[Box | None]:
    boxes: list[Box | None] = []
    for column in range(width):
        found = [row[column].box for row in rows if column < len(row) and row[column].text.strip()]
        boxes.append(found[-1] if found else None)
    return boxes
