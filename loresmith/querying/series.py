"""What a phrase means in a report table: the cells that differ only in their period.

"net sales in APAC" is the row "APAC" under the heads "Net sales", one cell a year: a series. A phrase
is matched to the series whose label, section and head it names, rare words counting more; two that
fit equally well are no match.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loresmith.querying import periods
from loresmith.querying.grids import Cell, Grid
from loresmith.querying.periods import Period
from loresmith.querying.terms import CHANGES, FRAMES, OPTIONALS, core, near, terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Cells of a grid that differ only in their period. `head`: what its columns say beside that."""

    grid: Grid
    label: str
    section: str
    head: str
    points: tuple[tuple[Period, Cell], ...]

    @property
    def name(self) -> str:
        """What it is called in a reading: the label where there is one."""
        own = self.label or (f"total of {self.section}" if self.section else "total")
        head = self.head.strip(" ()")
        return f"{own}, {head}" if head and head.casefold() not in own.casefold() else own

    def at(self, wanted: Period) -> Cell | None:
        """The cell of a period; None where there is none, or several."""
        found = periods.pick(wanted, [p for p, _ in self.points])
        cells = [c for p, c in self.points if p in found]
        return cells[0] if len(cells) == 1 else None

    def between(self, first: Period, last: Period) -> list[tuple[Period, Cell]]:
        """The points of all years from one to the other."""
        low, high = sorted((periods.year_of(first) or 0, periods.year_of(last) or 0))
        return [(p, c) for p, c in self.points if low <= (periods.year_of(p) or 0) <= high]


def series_of(grid: Grid) -> list[Series]:
    """Every series of numbers in a grid."""
    column_periods = [periods.period(head.replace(" › ", " ")) for head in grid.heads]
    if sum(bool(p) for p in column_periods) >= 1 and len(set(column_periods)) > 1:
        return _by_columns(grid, column_periods)
    row_periods = [_joined(periods.period(row.label), periods.period(row.section)) for row in grid.rows]
    if len({p for p in row_periods if p}) >= 2:
        return _by_rows(grid, row_periods)
    shared = column_periods[0] if column_periods else frozenset()
    return [
        Series(grid=grid, label=row.label, section=row.section, head=head, points=((shared, cell),))
        for row in grid.rows
        for head, cell in zip(_own(grid.heads), row.cells, strict=True)
        if cell is not None and cell.number is not None
    ]


def _joined(finer: Period, coarser: Period) -> Period:
    """The second quarter, in a section of 2019."""
    kinds = {kind for kind, _ in finer}
    return finer | {(kind, number) for kind, number in coarser if kind not in kinds}


def _own(heads: Sequence[str]) -> list[str]:
    """The heads without periods and without the levels that stand over all of them."""
    levels = [[level for level in head.split(" › ") if level] for head in heads]
    common = set(levels[0]).intersection(*levels[1:]) if len(levels) > 1 else set()
    return [" ".join(periods.without(level) for level in own if level not in common) for own in levels]


def _by_columns(grid: Grid, column_periods: Sequence[Period]) -> list[Series]:
    own = _own(grid.heads)
    dated = [p for p in column_periods if p]
    if len(set(dated)) == len(dated):
        # Each period stands over one column: what else its head says ("53 weeks") names no series.
        own = ["" if period else head for head, period in zip(own, column_periods, strict=True)]
    groups: dict[str, list[int]] = {}
    for column, head in enumerate(own):
        groups.setdefault(head if column_periods[column] else f"\0{column}", []).append(column)
    found = []
    for row in grid.rows:
        for columns in groups.values():
            points = [
                (_in_section(column_periods[c], row.section), cell)
                for c in columns
                if (cell := row.cells[c]) is not None and cell.number is not None
            ]
            if points:
                head = own[columns[0]]
                found.append(
                    Series(grid=grid, label=row.label, section=row.section, head=head, points=tuple(points))
                )
    return found


def _in_section(column: Period, section: str) -> Period:
    """The first quarter under a year of its own in the middle of the table."""
    years = {part for part in periods.period(section) if part[0] == "y"}
    if len(years) != 1 or not any(kind == "q" for kind, _ in column):
        return column
    return frozenset({part for part in column if part[0] != "y"} | years)


def _by_rows(grid: Grid, row_periods: Sequence[Period]) -> list[Series]:
    groups: dict[tuple[str, str, int], list[tuple[Period, Cell]]] = {}
    own = _own(grid.heads)
    for row, period in zip(grid.rows, row_periods, strict=True):
        named = bool(periods.period(row.label))
        label = periods.without(row.label) if named else row.label
        section = row.section if named else periods.without(row.section)
        for column, cell in enumerate(row.cells):
            if cell is not None and cell.number is not None:
                groups.setdefault((label, section, column), []).append((period, cell))
    return [
        Series(grid=grid, label=label, section=section, head=own[column], points=tuple(points))
        for (label, section, column), points in groups.items()
    ]


# --- matching -----------------------------------------------------------------------------------


_PARTS = frozenset({"percent", "percentage", "proportion", "share", "%"})
# How much a word of the question weighs against a row where only the prose around the table has it.
PROSE = 0.5
LIKE = 0.07


@dataclass(frozen=True, slots=True)
class Match:
    """A series with how well a phrase names it (about 0 to 1.2) and how much of the phrase it covers;
    `whole`: the phrase says its label as it stands."""

    series: Series
    score: float
    cover: float
    whole: bool = False


class Names:
    """The series of some grids, ready to be matched with many phrases."""

    def __init__(self, grids: Sequence[Grid]) -> None:
        self.series = [s for grid in grids for s in series_of(grid)]
        self._own = [
            (frozenset(core(s.label)), frozenset(terms(s.section)), frozenset(terms(s.head)), terms(s.label))
            for s in self.series
        ]
        distinct = {own[:3] for own in self._own}
        self._count = Counter(t for label, section, head in distinct for t in label | section | head)
        self._total = max(1, len(distinct))
        self._around = {id(g): frozenset(terms(f"{g.caption} {g.title} {' '.join(g.heads)}")) for g in grids}
        self._prose = {id(grid): frozenset(terms(grid.around)) for grid in grids}

    def weight(self, term: str) -> float:
        return 1.0 + math.log(self._total / self._count[term]) if term in self._count else 2.5

    def matches(self, phrase: str) -> list[Match]:
        """The series that a phrase may mean, best first."""
        listed = terms(phrase)
        wanted = {t for t in listed if t not in FRAMES}
        needed = {t for t in wanted if t not in OPTIONALS}
        text = f" {' '.join(listed)} "
        if not wanted:
            return []
        found = []
        for series, (label, section, head, spelled) in zip(self.series, self._own, strict=True):
            match = self._match(series, (label, section, head), spelled, wanted, needed, text)
            if match is not None:
                found.append(match)
        # Where a row is said by its name, one that is only like it is hardly meant.
        named = {id(m.series.grid) for m in found if m.whole}
        found = [
            replace(m, score=m.score - LIKE) if id(m.series.grid) in named and not m.whole else m
            for m in found
        ]
        return sorted(found, key=lambda m: -m.score)

    def _match(
        self,
        series: Series,
        own: tuple[frozenset[str], frozenset[str], frozenset[str]],
        spelled: Sequence[str],
        wanted: set[str],
        needed: set[str],
        text: str,
    ) -> Match | None:
        label, section, head = own
        whole = bool(spelled) and f" {' '.join(spelled)} " in text
        if whole and label <= FRAMES:  # "up to three months": said as it stands, its words count
            wanted, needed = wanted | label, needed | label
        said = label | frozenset(spelled)
        all_terms = said | section | head | ({"total"} if not label else set())
        hit = {t for t in wanted if t in all_terms or near(t, all_terms)}
        if not hit:
            return None
        around, prose = self._around[id(series.grid)], self._prose[id(series.grid)]
        got = possible = 0.0
        for term in needed | hit:
            weight = self.weight(term) * (0.5 if term in OPTIONALS else 1.0)
            if term in hit:
                got, possible = got + weight, possible + weight
            elif term in around:
                got, possible = got + 0.25 * weight, possible + 0.3 * weight
            elif term in prose:
                possible += PROSE * weight
            else:
                possible += weight
        cover = got / possible if possible else 0.0
        extra = self._share(label, wanted)
        score = cover - 0.45 * extra - 0.15 * self._share(head, wanted) - 0.05 * self._share(section, wanted)
        score -= 0.1 * self._share(said - label, wanted)  # what stands in brackets
        if whole:
            score += 0.1 + 0.02 * min(5, len(spelled))
        if head & CHANGES and not wanted & CHANGES:
            score -= 0.3
        if "%" in series.head and not wanted & _PARTS:
            score -= 0.1
        if "total" in head and not (head - {"total"}) and not hit & (section | head - {"total"}):
            score += 0.08  # of a row's several columns its total, where none is named
        if "total" in wanted and "total" not in all_terms:
            score -= 0.2
        return Match(series, score, cover, whole and not label <= FRAMES | OPTIONALS)

    def _share(self, own: frozenset[str], wanted: set[str]) -> float:
        """How much of a name the phrase does not say."""
        counted = {t for t in own if t not in FRAMES or t in wanted}
        total = sum(self.weight(t) for t in counted)
        missing = sum(
            self.weight(t) * (0.5 if t in OPTIONALS else 1.0)
            for t in counted
            if t not in wanted and not near(t, frozenset(wanted))
        )
        return missing / total if total else 0.0
