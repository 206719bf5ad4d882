"""XLSX to raw tables: values as stored, units from the format, several tables a sheet.

A sheet is cut where rows are left empty; what follows a gap under the same columns, without names of
its own, goes on with the table above. A merged cell says its value in every row it covers.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loresmith.parsing.xlsx import ValueRow, ValueSheet, read_values
from loresmith.tables import headers
from loresmith.tables.loading import unnamed
from loresmith.tables.values import RawColumn, RawRow, RawTable

Source = Iterator[tuple[RawTable, Iterator[RawRow]]]
_GENERIC = ("sheet", "tabelle", "feuil", "hoja", "foglio", "blatt", "planilha", "table", "data", "daten")
_TALLEST = 1000
"""Rows that a merged cell may cover."""


def read(path: Path, stem: str) -> Source:
    """The tables of all visible sheets.

    Raises:
        ParseError: damaged, protected, or a decompression bomb.
    """
    for sheet in read_values(path.read_bytes()):
        yield from _Reader(sheet, stem).tables()


class _Reader:
    """Rows of one sheet with some read ahead: enough to know where a table begins and what it is."""

    def __init__(self, sheet: ValueSheet, stem: str) -> None:
        self.sheet, self.stem = sheet, stem
        self.ahead: deque[ValueRow] = deque()
        self.rows = _spread(sheet)
        self.wide = {first for first, _, left, right in sheet.merged if right > left}

    def tables(self) -> Source:
        number = 0
        while group := self._group():
            columns = sorted({column for row in group for column in row.values})
            head = self._head(group, columns)
            nameless = not any(head.names)
            if (
                len(columns) < 2
                or len(group) <= head.start
                or (nameless and (len(columns) < 3 or len(group) < 3))
            ):
                self._skip(group)
                continue
            number += 1
            units = self._units(group[head.start :], columns)
            names = [name or unnamed(n) for n, name in enumerate(head.names, 1)]
            raw = RawTable(
                name=self._name(head.caption, number),
                columns=tuple(RawColumn(name=n, unit=u) for n, u in zip(names, units, strict=True)),
                sheet=self.sheet.name,
                caption=head.caption,
                name_hint=self._name(head.caption, number),
            )
            for _ in range(head.start):
                self.ahead.popleft()
            rows = self._rows(columns, units, named=not nameless)
            yield raw, rows
            for _ in rows:  # a consumer that stopped early
                pass

    def _name(self, caption: str, number: int) -> str:
        sheet = self.sheet.name.strip()
        generic = sheet.casefold().rstrip("0123456789 ()_-") in _GENERIC
        name = self.stem if generic or not sheet else sheet
        if number == 1:
            return name
        return caption if 0 < len(caption) <= 40 else f"{name} {number}"

    # --- reading ahead ------------------------------------------------------------------------

    def _fill(self, wanted: int) -> bool:
        """Have that many rows ahead; False where there are no more."""
        while len(self.ahead) < wanted:
            row = next(self.rows, None)
            if row is None:
                return False
            self.ahead.append(row)
        return True

    def _group(self) -> list[ValueRow]:
        """The rows ahead up to the first empty one, as many as are looked at."""
        self._fill(headers.LOOKED_AT)
        group: list[ValueRow] = []
        for row in self.ahead:
            if group and row.number > group[-1].number + 1:
                break
            group.append(row)
        return group

    def _skip(self, group: Sequence[ValueRow]) -> None:
        """Past a group that is no table; one longer than what was looked at goes on being none."""
        last = group[-1].number
        for _ in group:
            self.ahead.popleft()
        while self._fill(1) and self.ahead[0].number == last + 1:
            last = self.ahead.popleft().number

    def _rows(self, columns: list[int], units: list[str], *, named: bool) -> Iterator[RawRow]:
        last = self.ahead[0].number if self.ahead else 0
        while self._fill(1):
            row = self.ahead[0]
            if row.number > last + 1 and not (named and self._goes_on(columns)):
                return
            last = row.number
            self.ahead.popleft()
            yield row.number, [_cell(row.values.get(c), u) for c, u in zip(columns, units, strict=True)]

    def _goes_on(self, columns: list[int]) -> bool:
        """Whether what follows an empty row is more of the same table."""
        group = self._group()
        found = sorted({column for row in group for column in row.values})
        if not set(found) <= set(columns) or len(found) < 2:
            return False
        head = self._head(group, found)
        return not any(head.names) and not head.caption

    def _head(self, group: list[ValueRow], columns: list[int]) -> headers.Head:
        grid = [[_text(row.values.get(column)) for column in columns] for row in group]
        return headers.find(grid, bold=[row.bold for row in group], merged=group[0].number in self.wide)

    def _units(self, body: list[ValueRow], columns: list[int]) -> list[str]:
        """The unit that most numbers of a column are shown with."""
        found = []
        for column in columns:
            counted = Counter(
                row.values[column][1]
                for row in body
                if column in row.values and isinstance(row.values[column][0], int | float)
            )
            found.append(counted.most_common(1)[0][0] if counted else "")
        return found


def _text(cell: tuple[Any, str] | None) -> str:
    return "" if cell is None else f"{cell[0]} {cell[1]}".strip()


def _cell(cell: tuple[Any, str] | None, unit: str) -> Any:
    """A number shown with another unit than its column keeps it, so that it is not taken for the same."""
    if cell is None:
        return None
    value, own = cell
    return f"{value} {own}" if own and unit and own != unit else value


def _spread(sheet: ValueSheet) -> Iterator[ValueRow]:
    """Rows in which merged cells have said their value."""
    covering: dict[int, list[tuple[int, int, int]]] = {}
    for first, last, left, right in sheet.merged:
        if last - first < _TALLEST and right - left < 50:
            covering.setdefault(first, []).append((last, left, right))
    open_: list[tuple[int, int, int, tuple[Any, str]]] = []
    for row in sheet.rows:
        open_ = [entry for entry in open_ if entry[0] >= row.number]
        for _last, left, _right, value in open_:
            row.values.setdefault(left, value)
        for last, left, right in covering.get(row.number, ()):
            if left in row.values:
                value = row.values[left]
                if last > row.number:
                    open_.append((last, left, right, value))
                if len(row.values) > 1:  # alone in its row it is a caption
                    for column in range(left, right + 1):
                        row.values.setdefault(column, value)
        yield row
