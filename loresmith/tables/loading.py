"""One raw table to typed rows: look at every cell, decide the columns, convert, count.

    rows -> spool (disk beyond 16 MB) + evidence -> readings -> typed rows, with what they look like

Promises: memory does not grow with the number of rows; a totals row at the end is kept out when it
surely is one; what could not be read as its column is NULL and named with its row.
"""

from __future__ import annotations

import json
import marshal
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

from loresmith.tables import inference, units
from loresmith.tables.inference import Evidence, Hints, Reading
from loresmith.tables.values import Cell, RawColumn, RawRow, RawTable

_BATCH = 1000
_SPOOL = 16 * 2**20
_MEMO = 100_000
_COUNTED = 1_000_000
"""Distinct values that are counted in memory, over all columns of a table."""
_SHOWN = 5
TOTALS = frozenset(
    (
        *("total", "totals", "sum", "grand total", "sum total", "overall"),
        *("summe", "gesamt", "gesamtsumme", "insgesamt", "gesamtergebnis", "total general", "total général"),
        *("totale", "totali", "somme", "suma", "totaal", "razem", "celkem", "合计", "总计"),
    )
)


@dataclass(slots=True)
class Tally:
    """What the values of one typed column look like. `values` is None where there are too many."""

    nulls: int = 0
    mixed: int = 0
    strays: list[tuple[Any, str]] = field(default_factory=list)
    values: Counter[Any] | None = field(default_factory=Counter)
    total: float = 0.0


@dataclass(slots=True)
class Loaded:
    """A table that is being typed. Iterate `rows` once; the tallies are complete after that.

    Attributes:
        columns: as read, their units split off.  readings, tallies: column by column.
        count: rows given so far.  warnings: complete after the last row.
    """

    table: RawTable
    columns: tuple[RawColumn, ...]
    readings: list[Reading]
    tallies: list[Tally]
    warnings: list[str]
    spool: BinaryIO
    tail: list[tuple[Any, list[Any]]]
    count: int = 0

    def rows(self) -> Iterator[tuple[Any, list[Cell]]]:
        """(place, typed cells), in order, without a totals row at the end."""
        converters = [_Converter(r, t) for r, t in zip(self.readings, self.tallies, strict=True)]
        share = _COUNTED // max(1, len(converters))
        for batch in _read_back(self.spool):
            for place, cells in batch:
                yield place, [c.convert(cell, place) for c, cell in zip(converters, cells, strict=True)]
            self.count += len(batch)
            for tally in self.tallies:
                if tally.values is not None and len(tally.values) > share:
                    tally.values = None
        for position, (place, cells) in enumerate(self.tail):
            if position == len(self.tail) - 1 and self._is_total(place, cells):
                continue
            yield place, [c.convert(cell, place) for c, cell in zip(converters, cells, strict=True)]
            self.count += 1
        self._say_strays()

    def _is_total(self, place: Any, cells: Sequence[Any]) -> bool:
        """Whether the last row sums the others: it says so, and its figures are the sums, or its other
        text cells are empty."""
        filled = [n for n, cell in enumerate(cells) if cell is not None and str(cell).strip()]
        if self.count + len(self.tail) < 3 or not filled or not is_total_label(cells[filled[0]]):
            return False
        figures, proved = 0, False
        for n in filled[1:]:
            reading, tally = self.readings[n], self.tallies[n]
            if reading.type not in ("integer", "real"):
                return False
            try:
                value = Reading(reading.type, reading.unit, reading.decimal).convert(cells[n])
            except ValueError:
                return False
            figures += 1
            if value is not None and abs(float(value) - tally.total) <= 0.005 + 1e-6 * abs(tally.total):
                proved = True
        bare = len(cells) > 2 and figures > 0
        if proved or bare:
            self.warnings.append(
                f"row {place} holds the totals and is no record: it was left out of the data"
            )
            return True
        if figures:
            self.warnings.append(
                f"row {place} is called {str(cells[filled[0]])!r} but is not the sum: kept as a record"
            )
        return False

    def _say_strays(self) -> None:
        for column, reading, tally in zip(self.columns, self.readings, self.tallies, strict=True):
            self.warnings += reading.warnings
            if tally.mixed:
                shown = ", ".join(f"row {place}: {text!r}" for place, text in tally.strays)
                more = (
                    f" and {tally.mixed - len(tally.strays)} more" if tally.mixed > len(tally.strays) else ""
                )
                self.warnings.append(
                    f"column {column.name!r}: {tally.mixed} cells are not {_NOUNS[reading.type]} and count "
                    f"as empty ({shown}{more})"
                )


_NOUNS = {
    "integer": "numbers", "real": "numbers", "date": "dates", "datetime": "dates", "time": "times",
    "boolean": "yes or no", "text": "text",
}  # fmt: skip


def is_total_label(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip(" :.").casefold() in TOTALS


class _Converter:
    """Converts the cells of a column, each distinct text once, and counts what comes out."""

    def __init__(self, reading: Reading, tally: Tally) -> None:
        self.reading, self.tally = reading, tally
        self.memo: dict[str, Cell] = {}
        self.numeric = reading.type in ("integer", "real")

    def convert(self, cell: Any, place: Any) -> Cell:
        tally = self.tally
        if isinstance(cell, str) and cell in self.memo:
            value = self.memo[cell]
        else:
            try:
                value = self.reading.convert(cell)
            except (ValueError, OverflowError):
                tally.mixed += 1
                tally.nulls += 1
                if len(tally.strays) < _SHOWN:
                    tally.strays.append((place, str(cell)[:40]))
                return None
            if isinstance(cell, str):
                if len(self.memo) >= _MEMO:
                    self.memo.clear()
                self.memo[cell] = value
        if value is None:
            tally.nulls += 1
            return None
        if self.numeric:
            tally.total += cast(float, value)
        if tally.values is not None:
            tally.values[value] += 1
        return value


def load(table: RawTable, rows: Iterable[RawRow], language: str, folder: Path) -> Loaded:
    """Look at all rows of a table and decide how each column is read.

    Args:
        language: of the document, ISO 639-1 or "".
        folder: where rows are kept meanwhile when there are many.
    """
    width = len(table.columns)
    evidence = [Evidence() for _ in range(width)]
    memo: dict[str, inference._Seen] = {}
    spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(_SPOOL, dir=str(folder)))  # noqa: SIM115
    tail: deque[tuple[Any, list[Any]]] = deque()
    batch: list[tuple[Any, list[Any]]] = []
    wide, first_wide = 0, None
    for place, given in rows:
        cells = [cell if isinstance(cell, str) else _plain(cell) for cell in given]
        if len(cells) != width:
            if len(cells) > width:
                wide, first_wide = wide + 1, place if not wide else first_wide
            cells = cells[:width] + [None] * (width - len(cells))
        tail.append((place, cells))
        if len(tail) > 1:
            row = tail.popleft()
            _see(row, evidence, memo)
            batch.append(row)
            if len(batch) >= _BATCH:
                _spool(spool, batch)
                batch = []
    if tail and not is_total_label(next((c for c in tail[-1][1] if c is not None and str(c).strip()), None)):
        _see(tail[-1], evidence, memo)
    if batch:
        _spool(spool, batch)
    given_hints = inference.hints(evidence, language)
    readings, columns = [], []
    for column, seen in zip(table.columns, evidence, strict=True):
        reading, column = _settled(column, seen, given_hints)
        readings.append(reading)
        columns.append(column)
    warnings = []
    if wide:
        warnings.append(
            f"{wide} rows have more cells than columns (first: row {first_wide}); the rest was cut"
        )
    return Loaded(
        table,
        tuple(columns),
        readings,
        [Tally() for _ in readings],
        warnings,
        spool,
        [(p, c) for p, c in tail],
    )


def _settled(column: RawColumn, seen: Evidence, hints: Hints) -> tuple[Reading, RawColumn]:
    reading = _declared(column, seen, hints)
    name, unit = units.split(column.name)
    if column.unit:
        unit = column.unit
    elif reading.type not in ("integer", "real"):
        name, unit = column.name, ""
    if reading.unit and not unit:
        unit = reading.unit
    elif reading.unit and unit and reading.unit != unit:
        # "Cost (€)" over "5 h": the cells know better.
        name, unit = column.name, reading.unit
    reading.unit = reading.unit or unit
    return reading, RawColumn(name=name, unit=unit, type=reading.type, description=column.description)


def _declared(column: RawColumn, seen: Evidence, hints: Hints) -> Reading:
    if column.type is None:
        return inference.settle(column.name, seen, hints)
    if column.type == "text":
        return Reading("text")
    found = inference.settle(column.name, seen, hints)
    if found.type == column.type:
        return found
    if column.type == "integer" and found.type == "real":
        return found  # what the source calls an integer and is none
    return Reading(column.type, decimal=hints.decimal or ".", order=hints.order or "dmy")


def _see(row: tuple[Any, list[Any]], evidence: list[Evidence], memo: dict[str, Any]) -> None:
    place, cells = row
    for seen, cell in zip(evidence, cells, strict=True):
        if isinstance(cell, str):
            found = memo.get(cell)
            if found is None:
                if len(memo) >= _MEMO:
                    memo.clear()
                found = memo[cell] = inference.look(cell.strip())
            seen.see(found, place)
        elif cell is None:
            seen.shapes["m"] += 1
        else:
            seen.see_native(cell)


def _plain(cell: Any) -> Any:
    """A native value as what can be spooled and typed."""
    if cell is None or isinstance(cell, bool | float):
        return cell
    if isinstance(cell, int):
        return cell if -(2**63) <= cell < 2**63 else str(cell)
    if isinstance(cell, Decimal):
        return int(cell) if cell == cell.to_integral_value() and abs(cell) < 2**53 else float(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, bytes | bytearray | memoryview):
        return None
    if isinstance(cell, dict | list | tuple):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def _spool(spool: BinaryIO, batch: list[tuple[Any, list[Any]]]) -> None:
    body = marshal.dumps(batch)
    spool.write(len(body).to_bytes(8, "little"))
    spool.write(body)


def _read_back(spool: BinaryIO) -> Iterator[list[tuple[Any, list[Any]]]]:
    spool.seek(0)
    while head := spool.read(8):
        yield marshal.loads(spool.read(int.from_bytes(head, "little")))
