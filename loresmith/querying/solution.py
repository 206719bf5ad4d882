"""What arithmetic found in a report table: figures, scale, formula, and the cells it rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.querying import operations, periods
from loresmith.querying.finding import Point
from loresmith.querying.grids import Cell, Grid
from loresmith.querying.periods import Period
from loresmith.querying.scales import Scale
from loresmith.querying.series import Match, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """An answer from a report table.

    Attributes:
        kind: what was done.  name: of what.  names: what each of `cells` is called in a reading.
        numbers: the result, unrounded; texts: as it is shown ("$1,496.5", "2019").
        scale: of the numbers; "percent" where they are percentages or points of them.
        formula: how they were computed from cells, "" for a look-up.
        cells: what it rests on, with the period of each.
        labels: what each of several numbers belongs to (its year), else ().
        chosen: of a "top row", the cell that won.
        score: how well the question names the row, about 0.5 to 1.2.
    """

    kind: operations.Kind
    name: str
    numbers: tuple[float, ...]
    texts: tuple[str, ...]
    scale: Scale
    formula: str
    grid: Grid
    cells: tuple[Point, ...]
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    score: float = 0.0
    limit: operations.Limit | None = None
    largest: bool = True
    chosen: Point | None = None

    @property
    def confidence(self) -> float:
        """How often such an answer is right: as on the first half of TAT-QA's dev contexts, less what
        the second half, on which nothing was chosen, showed to be too much."""
        if self.kind == "periods":
            return 0.8
        return 0.87 if self.score >= 1.05 else 0.78 if self.score >= 0.8 else 0.6


def value_of(cell: Cell) -> float:
    return cell.number or 0.0


def shown(cell: Cell) -> str:
    """A cell's number inside a formula, its digits as they stand in the document."""
    digits = re.search(r"[.,]?\d[\d.,'’\s]*\d|\d", cell.text)
    text = digits[0] if digits else f"{abs(value_of(cell)):g}"
    text += " %" if cell.scale == "percent" else ""
    return f"(−{text})" if value_of(cell) < 0 else text


def said(series: Series, period: Period) -> str:
    """A period as a person says it: the year where that tells it from the others."""
    years = [periods.year_of(p) for p, _ in series.points]
    own = periods.year_of(period)
    if own is not None and years.count(own) <= 1:
        return str(own)
    return periods.said(period)


def solution(
    kind: operations.Kind,
    match: Match,
    points: Sequence[Point],
    numbers: Sequence[float],
    *,
    formula: str = "",
    scale: Scale | None = None,
    texts: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Solution:
    cells = [c for _, c in points]
    return Solution(
        kind=kind,
        name=match.series.name,
        numbers=tuple(n + 0.0 if n else 0.0 for n in numbers),
        texts=tuple(texts),
        scale=(cells[0].scale if cells else "") if scale is None else scale,
        formula=formula,
        grid=match.series.grid,
        cells=tuple(points),
        labels=tuple(labels),
        names=(match.series.name,),
        score=match.score,
    )
