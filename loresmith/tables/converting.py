"""The cells of one column, a batch at a time: each distinct cell is looked at and converted once.

A table of a million rows has few different technicians; where nearly every cell is different (times,
sums) nothing is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loresmith.tables import inference
from loresmith.tables.inference import Evidence, Reading
from loresmith.tables.values import Cell

_MEMO, _LEAST = 1_000_000, 1000
"""Distinct cells that are remembered: over all columns of a table, and of each at least."""
_SHOWN = 5
_HASHED_ALIKE = {int, float}
"""True is a key like 1: a batch that holds both is taken cell by cell."""


def _remembered(width: int) -> int:
    return max(_LEAST, min(50_000, _MEMO // max(1, width)))


class Watcher:
    """Collects the evidence of one column."""

    def __init__(self, width: int = 1) -> None:
        self.evidence = Evidence()
        self._memo: dict[str, inference.Seen] = {}
        self._most = _remembered(width)

    def see(self, cells: Sequence[Any], places: Sequence[Any]) -> None:
        kinds = set(map(type, cells))
        if bool in kinds and kinds & _HASHED_ALIKE:
            for cell, place in zip(cells, places, strict=False):
                self._one(cell, 1, place)
            return
        for cell, count in Counter(cells).items():
            self._one(cell, count, None)
        if self.evidence.shapes["t"] and len(self.evidence.places) < _SHOWN:
            self._say_where(cells, places)

    def _one(self, cell: Any, count: int, place: Any) -> None:
        if isinstance(cell, str):
            found = self._memo.get(cell)
            if found is None:
                if len(self._memo) >= self._most:
                    self._memo.clear()
                found = self._memo[cell] = inference.look(cell.strip())
            self.evidence.see(found, count)
            if found.shape == "t" and place is not None and len(self.evidence.places) < _SHOWN:
                self.evidence.places.append(place)
        elif cell is None:
            self.evidence.shapes["m"] += count
        else:
            self.evidence.see_native(cell, count)

    def _say_where(self, cells: Sequence[Any], places: Sequence[Any]) -> None:
        """Where the first texts stand, for a warning in case the others are numbers."""
        for cell, place in zip(cells, places, strict=False):
            if isinstance(cell, str) and (seen := self._memo.get(cell)) is not None and seen.shape == "t":
                self.evidence.places.append(place)
                if len(self.evidence.places) >= _SHOWN:
                    return


@dataclass(slots=True)
class Tally:
    """What the values of one typed column look like. `values` is None where there are too many."""

    nulls: int = 0
    mixed: int = 0
    strays: list[tuple[Any, str]] = field(default_factory=list)
    values: Counter[Any] | None = field(default_factory=Counter)
    total: float = 0.0


class Converter:
    """Converts the cells of one column and counts what comes out."""

    def __init__(self, reading: Reading, tally: Tally, width: int = 1) -> None:
        self.reading, self.tally = reading, tally
        self._most = _remembered(width)
        self._memo: dict[Any, Cell] = {}
        self._bad: set[Any] = set()
        self._numeric = reading.type in ("integer", "real")

    def convert(self, cells: Sequence[Any], places: Sequence[Any]) -> list[Cell]:
        kinds = set(map(type, cells))
        if bool not in kinds:
            return self._batch(cells, places)
        # True is a key like 1: what was kept of the one is not taken for the other.
        self._memo.clear()
        if not kinds & _HASHED_ALIKE:
            out = self._batch(cells, places)
        else:
            out = []
            for cell, place in zip(cells, places, strict=True):
                self._memo.clear()
                out += self._batch([cell], [place])
        self._memo.clear()
        return out

    def _batch(self, cells: Sequence[Any], places: Sequence[Any]) -> list[Cell]:
        memo, bad, tally = self._memo, self._bad, self.tally
        if len(memo) > self._most:
            memo.clear()
        for cell in set(cells).difference(memo):
            try:
                memo[cell] = self.reading.convert(cell)
            except (ValueError, OverflowError):
                memo[cell] = None
                bad.add(cell)
        out = [memo[cell] for cell in cells]
        if bad:
            self._strays(cells, places)
        nulls = out.count(None)
        tally.nulls += nulls
        if self._numeric:
            tally.total += sum(out) if not nulls else sum(v for v in out if v is not None)  # type: ignore[arg-type, misc]
        if tally.values is not None:
            tally.values.update(out)
            del tally.values[None]
        return out

    def _strays(self, cells: Sequence[Any], places: Sequence[Any]) -> None:
        for cell, place in zip(cells, places, strict=True):
            if cell in self._bad:
                self.tally.mixed += 1
                if len(self.tally.strays) < _SHOWN:
                    self.tally.strays.append((place, str(cell)[:40]))
