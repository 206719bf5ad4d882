"""Finding the one row of a report table that a phrase means, and its cells of the periods asked for.

Promise: None where no row fits well enough, where the row has no such period, or where two rows with
different figures fit equally well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loresmith.answering.text import fold
from loresmith.querying import periods
from loresmith.querying.grids import Cell
from loresmith.querying.operations import Asked
from loresmith.querying.periods import Period
from loresmith.querying.scales import Scale
from loresmith.querying.series import Match, Names, Series
from loresmith.querying.terms import terms

# Fitted on the first half of TAT-QA's dev contexts (benchmarks/finance_tables.py).
MIN_COVER = 0.6
MIN_SCORE = 0.5
# A plain look-up has nothing in its wording that says that it is one of figures.
MIN_LOOK_UP = 0.8
MARGIN = 0.06

Point = tuple[Period, Cell]


def find(
    names: Names, phrase: str, wanted: Sequence[Period] = (), *, least: int = 0, beside: Match | None = None
) -> Match | None:
    """The one series that a phrase names and that has the periods; None where none or several do.

    least: how many points it must have.  beside: the series of a comparison's other half, whose column
    counts for this one too unless it names its own.
    """
    listed = names.matches(phrase)
    if beside is not None:  # in the same table, where it has such a row
        own = [m for m in listed if m.series.grid is beside.series.grid]
        listed = own if own and own[0].score >= MIN_SCORE else listed
    if beside is not None and beside.series.head:
        same = [m for m in listed if m.series.head == beside.series.head and m.series != beside.series]
        if (
            same
            and same[0].score > listed[0].score - 0.35
            and not (set(terms(listed[0].series.head)) - {"total"} & set(terms(phrase)))
        ):
            listed = same
    if not listed or listed[0].score < MIN_SCORE or listed[0].cover < MIN_COVER:
        return None
    fitting = [
        m
        for m in listed
        if all(cell_at(m.series, period) for period in wanted) and len(m.series.points) >= least
    ]
    if not fitting or fitting[0].score < MIN_SCORE or fitting[0].cover < MIN_COVER:
        return None
    best = fitting[0]
    # The row that is meant has no such year: another one is not the answer.
    if listed[0].score > best.score + 0.15:
        return None
    for other in fitting[1:]:
        if other.score < best.score - MARGIN:
            break
        if _values(other.series, wanted) != _values(best.series, wanted):
            return None
    return best


def _values(series: Series, wanted: Sequence[Period]) -> list[tuple[float | None, Scale]]:
    cells = [cell_at(series, period) for period in wanted] if wanted else [c for _, c in series.points]
    return [(c.number, c.scale) for c in cells if c is not None]


def cell_at(series: Series, wanted: Period) -> Cell | None:
    """The cell of a period; in a table of one period, which only its surroundings name, the only one."""
    if len(series.points) == 1 and not series.points[0][0]:
        year = periods.year_of(wanted)
        told = fold(f"{series.grid.caption} {series.grid.around} {series.grid.title}")
        return series.points[0][1] if year is None or str(year) in told else None
    return series.at(wanted)


def points_at(series: Series, wanted: Sequence[Period]) -> list[Point]:
    found = [(p, cell_at(series, p)) for p in wanted]
    return [(p, c) for p, c in found if c is not None]


def has(series: Series, *words: str) -> bool:
    own = set(terms(f"{series.label} {series.head} {'' if series.label else 'total'}"))
    return bool(own & set(words))


# Rows whose figures stand in brackets because they are taken off: an expense of (97) is one of 97.
_TAKEN_OFF = frozenset({"expense", "cost", "less", "allowance", "gasto", "costo", "charge"})
_TAKEN_OFF_ENDS = ("aufwand", "aufwendung", "aufwendungen", "kosten")


def as_amounts(series: Series, points: Sequence[Point]) -> list[Point]:
    """The points, without the brackets that only say that an expense is taken off."""
    own = terms(series.label)
    named = set(own) & _TAKEN_OFF or any(term.endswith(_TAKEN_OFF_ENDS) for term in own)
    taken = named and all((c.number or 0.0) <= 0 for _, c in series.points)
    return [(p, replace(c, number=-(c.number or 0.0))) if taken else (p, c) for p, c in points]


def several(asked: Asked, series: Series) -> list[Point]:
    """The points that a sum, an average or a comparison is over; none where they cannot be compared."""
    points = _all_asked(asked, series)
    return points if periods.comparable(p for p, _ in points) else []


def _all_asked(asked: Asked, series: Series) -> list[Point]:
    if len(asked.periods) == 2 and (asked.spread or len(series.points) == 2):
        return series.between(asked.periods[0], asked.periods[1])
    if asked.periods:
        return points_at(series, asked.periods)
    return list(series.points)


def row_points(asked: Asked, rows: Sequence[Series]) -> list[tuple[Series, Point]] | None:
    found = []
    for series in rows:
        if asked.periods:
            point = points_at(series, asked.periods[:1])
        else:
            point = list(series.points) if len(series.points) == 1 else []
        if len(point) != 1:
            return None
        found.append((series, point[0]))
    return found if len({point[1].scale for _, point in found}) == 1 else None
