"""Words on a page joined to segments: pieces of a line without a wide gap, the cells of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loresmith.parsing.tables import Cell
from loresmith.types import Box

_CURRENCY = re.compile(r"^[$€£¥]$")


@dataclass(frozen=True, slots=True)
class Word:
    """`run` numbers the text run of the PDF that the word is part of."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    run: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Words of one line without a wide gap; or, with `table`, a ruled table as one object."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float = 0.0
    bold: bool = False
    table: tuple[tuple[Cell, ...], ...] | None = None
    headers: int = 0

    @property
    def box(self) -> Box:
        return Box(round(self.x0, 1), round(self.y0, 1), round(self.x1, 1), round(self.y1, 1))

    @property
    def height(self) -> float:
        return self.y1 - self.y0


def segments_of(words: Sequence[Word]) -> list[Segment]:
    """Words joined to segments, line by line."""
    lines: list[list[Word]] = []
    for run in sorted(_runs(words), key=lambda r: ((r[0].y0 + r[0].y1) / 2, r[0].x0)):
        best, fit = None, 0.55
        for line in lines[-8:]:
            on = _on_line(line, run)
            if on > fit:
                best, fit = line, on
        if best is not None:
            best += run
        else:
            lines.append(run)
    found: list[Segment] = []
    for line in lines:
        line.sort(key=lambda w: w.x0)
        current = [line[0]]
        for word in line[1:]:
            last = current[-1]
            height = max(last.y1 - last.y0, word.y1 - word.y0)
            wide = 1.5 if word.run == last.run else 0.95
            if _CURRENCY.match(word.text) and last.text[-1:] in "0123456789)%-–—":
                # A sign after a number belongs to the next number, however near it stands.
                wide = 0.4
            if word.x0 - last.x1 > wide * height:
                found.append(_segment(current))
                current = [word]
            else:
                current.append(word)
        found.append(_segment(current))
    return found


def _runs(words: Sequence[Word]) -> list[list[Word]]:
    """Words of one text run of the file, which stand on one line; run 0 is no run (OCR)."""
    found: list[list[Word]] = []
    for word in words:
        last = found[-1][-1] if found else None
        if last is not None and word.run and word.run == last.run and abs(word.y0 - last.y0) < 1:
            found[-1].append(word)
        else:
            found.append([word])
    return found


def _on_line(line: Sequence[Word], run: Sequence[Word]) -> float:
    """How far the run stands on the height of its nearest neighbour on the line, from 0 to 1.

    Only the nearest counts: lines of two columns drift apart, and each word would pull the next.
    """
    x0, x1, y0, y1 = run[0].x0, run[-1].x1, run[0].y0, run[0].y1
    first = line[0]
    if y0 > first.y1 + 20 or first.y0 > y1 + 20:
        return 0.0
    distance = float("inf")
    near = first
    for word in line:
        gap = max(word.x0 - x1, x0 - word.x1)
        if gap < distance:
            near, distance = word, gap
    if min(near.x1, x1) - max(near.x0, x0) > 0.5 * min(near.x1 - near.x0, x1 - x0):
        # One above the other.
        return 0.0
    return (min(near.y1, y1) - max(near.y0, y0)) / max(0.1, min(near.y1 - near.y0, y1 - y0))


def _segment(words: Sequence[Word]) -> Segment:
    text = words[0].text
    for before, word in pairwise(words):
        # Kerned or styled letters of one word come as words without a gap.
        gap = (word.x0 - before.x1) / max(word.y1 - word.y0, 1.0)
        tight = gap < (0.08 if word.run != before.run or not word.text[0].isalnum() else 0.03)
        text += word.text if tight else " " + word.text
    letters = sum(len(w.text) for w in words)
    return Segment(
        text=text,
        x0=min(w.x0 for w in words),
        y0=min(w.y0 for w in words),
        x1=max(w.x1 for w in words),
        y1=max(w.y1 for w in words),
        size=round(max(words, key=lambda w: len(w.text)).size, 1),
        bold=sum(len(w.text) for w in words if w.bold) > 0.6 * letters,
    )
