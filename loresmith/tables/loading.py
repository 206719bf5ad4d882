"""One raw table to typed rows: look at every cell, decide the columns, convert, count.

    rows -> spool (disk beyond 16 MB) + evidence -> readings -> typed rows, with what they look like

Promises: memory does not grow with the number of rows; a totals row at the end is kept out when it
surely is one; what could not be read as its column is NULL and named with its row.
"""

from __future__ import annotations

import marshal
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO, cast

from loresmith.tables import inference, units
from loresmith.tables.cells import plain
from loresmith.tables.converting import Converter, Tally, Watcher
from loresmith.tables.inference import Evidence, Hints, Reading
from loresmith.tables.values import RawColumn, RawRow, RawTable

_BATCH = 2000
_TAIL = 4
"""Rows at the end of which some may be notes and the last of the others the totals."""
_SPOOL = 16 * 2**20
_COUNTED = 1_000_000
"""Distinct values that are counted in memory, over all columns of a table."""
TOTALS = frozenset(
    (
        *("total", "totals", "sum", "grand total", "sum total", "overall"),
        *("summe", "gesamt", "gesamtsumme", "insgesamt", "gesamtergebnis", "total general", "total général"),
        *("totale", "totali", "somme", "suma", "totaal", "razem", "celkem", "合计", "总计"),
    )
)


@dataclass(slots=True)
class Loaded:
    """A table that is being typed. Iterate `rows` once; the tallies are complete after that.

    Attributes:
        columns: as read, their units split off.  readings, tallies: column by column.
        tail: the last rows, of which the last may hold the totals.
        void: positions of columns without a name and without a value.
        count: rows given so far.  warnings: complete after the last row.
    """

    table: RawTable
    columns: tuple[RawColumn, ...]
    readings: list[Reading]
    tallies: list[Tally]
    warnings: list[str]
    spool: BinaryIO
    tail: list[tuple[Any, list[Any]]]
    void: frozenset[int]
    count: int = 0

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """(place, typed cells…), in order, without a totals row at the end."""
        width = len(self.readings)
        converters = [Converter(r, t, width) for r, t in zip(self.readings, self.tallies, strict=True)]
        share = _COUNTED // max(1, width)
        for places, columns in _read_back(self.spool):
            typed = [c.convert(cells, places) for c, cells in zip(converters, columns, strict=True)]
            yield from zip(places, *typed, strict=True)
            self.count += len(places)
            for tally in self.tallies:
                if tally.values is not None and len(tally.values) > share:
                    tally.values = None
        for number, (place, cells) in enumerate(self.tail, start=1):
            if number == len(self.tail) and self._is_total(place, cells):
                break
            yield place, *(c.convert([v], [place])[0] for c, v in zip(converters, cells, strict=True))
            self.count += 1
        self._say_strays()

    def _is_total(self, place: Any, cells: Sequence[Any]) -> bool:
        """Whether the last row sums the others: it says so, and its figures are the sums, or its other
        text cells are empty."""
        filled = [n for n, cell in enumerate(cells) if cell is not None and str(cell).strip()]
        if self.count < 2 or not filled or not _may_end(self.table) or not is_total_label(cells[filled[0]]):
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


def unnamed(number: int) -> str:
    """What a column without a name is called."""
    return f"column {number}"


def _may_end(table: RawTable) -> bool:
    """Whether rows at the end may be totals or notes: in what a person typed, not in a database."""
    return not table.key and not any(column.type for column in table.columns)


def _first(cells: Sequence[Any]) -> Any:
    return next((cell for cell in cells if cell is not None and str(cell).strip()), None)


def _is_note(cells: Sequence[Any], before: Sequence[Any]) -> bool:
    """ "Source: …", "* preliminary" in the first column and nothing beside it, below a fuller row or
    another note."""
    filled = [cell for cell in cells if cell is not None and str(cell).strip()]
    if len(filled) != 1 or filled[0] is not cells[0] or not isinstance(cells[0], str):
        return False
    others = sum(1 for cell in before if cell is not None and str(cell).strip())
    return _NOTE.match(cells[0].strip()) is not None and others != 0


_NOTE = re.compile(
    r"(?:sources?|quellen?|notes?|hinweise?|anmerkung(?:en)?|stand|as of|fuente|fonte|nota)\b\s*[:.\d]"
    r"|\*|[¹²³†‡]|[a-z1-9]\)\s|\(\d\)\s",
    re.IGNORECASE,
)


def is_total_label(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip(" :.").casefold() in TOTALS


def load(table: RawTable, rows: Iterable[RawRow], language: str, folder: Path) -> Loaded:
    """Look at all rows of a table and decide how each column is read.

    Args:
        language: of the document, ISO 639-1 or "".
        folder: where rows are kept meanwhile when there are many.
    """
    spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(_SPOOL, dir=str(folder)))  # noqa: SIM115
    try:
        return _loaded(table, rows, language, spool)
    except BaseException:
        spool.close()
        raise


def _loaded(table: RawTable, rows: Iterable[RawRow], language: str, spool: BinaryIO) -> Loaded:
    width = len(table.columns)
    watchers = [Watcher(width) for _ in range(width)]
    places: list[Any] = []
    batch: list[Sequence[Any]] = []
    wide, first_wide = 0, None

    def flush() -> None:
        """Look at all but the last rows, which may be notes and totals, and put them away."""
        if len(batch) > _TAIL:
            columns = [_plainly(cells) for cells in zip(*batch[:-_TAIL], strict=True)]
            for watcher, cells in zip(watchers, columns, strict=True):
                watcher.see(cells, places)
            _spool(spool, (places[:-_TAIL], columns))
            del places[:-_TAIL], batch[:-_TAIL]

    for place, given in rows:
        cells = given
        if len(cells) != width:
            if len(cells) > width:
                wide, first_wide = wide + 1, place if not wide else first_wide
            cells = [*cells[:width], *([None] * (width - len(cells)))]
        places.append(place)
        batch.append(cells)
        if len(batch) > _BATCH:
            flush()
    flush()
    tail = [(place, _plainly(cells)) for place, cells in zip(places, batch, strict=True)]
    warnings = []
    while len(tail) > 1 and width > 2 and _may_end(table) and _is_note(tail[-1][1], tail[-2][1]):
        place, cells = tail.pop()
        warnings.append(f"row {place} is a note and no record ({str(cells[0])[:40]!r}): left out of the data")
    for number, (place, cells) in enumerate(tail, start=1):
        if number < len(tail) or not is_total_label(_first(cells)):
            for watcher, cell in zip(watchers, cells, strict=True):
                watcher.see([cell], [place])
    evidence = [watcher.evidence for watcher in watchers]
    given_hints = inference.hints(evidence, language)
    readings, columns = [], []
    for column, seen in zip(table.columns, evidence, strict=True):
        reading, column = _settled(column, seen, given_hints)
        readings.append(reading)
        columns.append(column)
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
        tail,
        frozenset(
            n
            for n, (column, seen) in enumerate(zip(table.columns, evidence, strict=True))
            if _may_end(table) and column.name == unnamed(n + 1) and set(+seen.shapes) <= {"m"}
        ),
    )


def _settled(column: RawColumn, seen: Evidence, hints: Hints) -> tuple[Reading, RawColumn]:
    reading = _declared(column, seen, hints)
    name, unit = units.split(column.name)
    if reading.type not in ("integer", "real"):
        return reading, replace(column, type=reading.type, unit="")
    if column.unit:
        # The file's format says it: a number beside another unit is not of this column. The name may
        # say more ("k€").
        reading.unit = column.unit
        unit = unit if column.unit in unit else column.unit
    elif reading.unit and unit and reading.unit != unit:
        # "Cost (€)" over "5 h": the cells know better.
        name, unit = column.name, reading.unit
    else:
        unit = reading.unit = reading.unit or unit
    return reading, replace(column, name=name, unit=unit, type=reading.type)


def _declared(column: RawColumn, seen: Evidence, hints: Hints) -> Reading:
    if column.type is None:
        return inference.settle(column.name, seen, hints)
    found = inference.settle(column.name, seen, hints)
    if column.type == "text":
        # Databases without a type for dates keep them as text.
        return found if found.type in ("date", "datetime", "time") else Reading("text")
    if found.type == column.type:
        return found
    if column.type == "integer" and found.type == "real":
        return found  # what the source calls an integer and is none
    return Reading(column.type, decimal=hints.decimal or ".", order=hints.order or "dmy")


def _plainly(cells: Sequence[Any]) -> list[Any]:
    if set(map(type, cells)) <= {str, NoneType}:
        return list(cells)
    return [cell if isinstance(cell, str) else plain(cell) for cell in cells]


def _spool(spool: BinaryIO, batch: tuple[list[Any], list[list[Any]]]) -> None:
    body = marshal.dumps(batch)
    spool.write(len(body).to_bytes(8, "little"))
    spool.write(body)


def _read_back(spool: BinaryIO) -> Iterator[tuple[list[Any], list[list[Any]]]]:
    spool.seek(0)
    while head := spool.read(8):
        yield marshal.loads(spool.read(int.from_bytes(head, "little")))
