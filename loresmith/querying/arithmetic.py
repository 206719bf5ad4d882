"""Questions about report tables answered by code: look-up, change, share, sum, average, the year in which.

    grids of a document + question -> Solution: figures with their scale, the formula, the cells

Promises: every figure is a cell's, or computed from cells that are named; nothing is answered where a
row, a column or a period is not found, or where two fit equally well; no language model is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loresmith.answering.text import fold
from loresmith.querying import operations, periods
from loresmith.querying.grids import Cell, Grid
from loresmith.querying.operations import Asked
from loresmith.querying.periods import Period
from loresmith.querying.scales import FACTOR, Scale
from loresmith.querying.series import Match, Names, Series, content, terms

# Fitted on the first half of TAT-QA's dev contexts (benchmarks/finance_tables.py).
MIN_COVER = 0.6
MIN_SCORE = 0.5
MARGIN = 0.06

Point = tuple[Period, Cell]


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


def solve(
    question: str, grids: Sequence[Grid], texts: Sequence[str] = (), language: str = ""
) -> Solution | None:
    """The answer that a report table holds or gives by arithmetic; None where that is not sure.

    Args:
        grids: of the tables that were found for the question, best first.
        texts: sentences that were found beside them: where one of them names all that the question
            names and no row does, the answer stands there and not in a table.
        language: of the question ("" unknown); its words are looked for in every known language.
    """
    asked = operations.read(question)
    if asked is None or not grids:
        return None
    names = Names(grids)
    if not names.series:
        return None
    found = _SOLVERS[asked.kind](asked, names)
    if found is None or (found.kind == "value" and _better_told(question, found, texts)):
        return None
    return found


def _better_told(question: str, found: Solution, texts: Sequence[str]) -> bool:
    """A sentence names what the question asks and the row does not."""
    if found.score >= 0.8:
        return False
    wanted = {t for t in content(question) if not t.isdigit()}
    row = set(terms(found.name))
    return any(len(wanted & set(terms(text))) > len(wanted & row) + 1 for text in texts)


# --- finding the row ----------------------------------------------------------------------------


def _find(
    names: Names, phrase: str, wanted: Sequence[Period] = (), *, least: int = 0, beside: Match | None = None
) -> Match | None:
    """The one series that a phrase names and that has the periods; None where none or several do.

    least: how many points it must have.  beside: the series of a comparison's other half, whose column
    counts for this one too unless it names its own.
    """
    listed = names.matches(phrase)
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
        if all(_cell(m.series, period) for period in wanted) and len(m.series.points) >= least
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
    cells = [_cell(series, period) for period in wanted] if wanted else [c for _, c in series.points]
    return [(c.number, c.scale) for c in cells if c is not None]


def _cell(series: Series, wanted: Period) -> Cell | None:
    """The cell of a period; in a table of one period, which only its surroundings name, the only one."""
    if len(series.points) == 1 and not series.points[0][0]:
        year = periods.year_of(wanted)
        told = fold(f"{series.grid.caption} {series.grid.around} {series.grid.title}")
        return series.points[0][1] if year is None or str(year) in told else None
    return series.at(wanted)


def _points(series: Series, wanted: Sequence[Period]) -> list[Point]:
    found = [(p, _cell(series, p)) for p in wanted]
    return [(p, c) for p, c in found if c is not None]


def _has(series: Series, *words: str) -> bool:
    own = set(terms(f"{series.label} {series.head} {'' if series.label else 'total'}"))
    return bool(own & set(words))


# --- one function a kind ------------------------------------------------------------------------


def _value(asked: Asked, names: Names) -> Solution | None:
    match = _find(names, asked.phrases[0], asked.periods)
    if match is None:
        return None
    series = match.series
    if not asked.periods and len(series.points) != 1:
        return None
    points = _points(series, asked.periods) if asked.periods else list(series.points)
    wants = _RELATIVE & set(terms(asked.phrases[0]))
    told = set(terms(f"{series.label} {series.section} {series.head}"))
    if wants - told and not all(c.scale == "percent" for _, c in points):
        return None
    return _looked_up(asked, match, points)


# What is computed from two figures, where the table does not give it.
_RELATIVE = frozenset({"ratio", "proportion", "percentage", "percent", "average", "mean", "median"})


def _looked_up(asked: Asked, match: Match, points: Sequence[Point]) -> Solution | None:
    cells = [c for _, c in points]
    if not cells or len({c.scale for c in cells}) > 1:
        return None
    return _solution(
        "value",
        match,
        points,
        [c.number or 0.0 for c in cells],
        texts=[c.text for c in cells],
        labels=[_said(match.series, p) for p, _ in points] if len(points) > 1 else (),
    )


def _ends(asked: Asked, series: Series) -> list[Point] | None:
    """The two points of a change, the earlier first."""
    points = _points(series, asked.periods)
    ordered = sorted(series.points, key=lambda p: periods.order(p[0]))
    if len(points) == 1:
        before = [p for p in ordered if periods.order(p[0]) < periods.order(asked.periods[0])]
        points = [before[-1], points[0]] if before and _in_time(series) else points
    elif not asked.periods and len(ordered) == 2 and _in_time(series):
        points = ordered
    if len(points) > 2 and asked.spread:
        points = [points[0], points[-1]]
    if len(points) != 2 or len({c.scale for _, c in points}) != 1:
        return None
    first, last = sorted(points, key=lambda p: periods.order(p[0]))
    return [first, last] if first[1] is not last[1] else None


def _in_time(series: Series) -> bool:
    return len({periods.order(p) for p, _ in series.points}) == len(series.points)


def _change(asked: Asked, names: Names) -> Solution | None:
    match = _find(names, asked.phrases[0], asked.periods, least=2)
    if match is None:
        return _ready(asked, names, percent=False)
    if asked.year_average and not _has(match.series, "average", "mean"):
        return _change_of_averages(asked, match)
    ends = _ends(asked, match.series)
    if ends is None:
        return None
    (_, old), (_, new) = ends
    return _solution("change", match, ends, [_n(new) - _n(old)], formula=f"{_shown(new)} − {_shown(old)}")


def _change_of_averages(asked: Asked, match: Match) -> Solution | None:
    ends = [_with_before(match.series, p) for p in sorted(asked.periods, key=periods.order)]
    if len(ends) != 2 or any(e is None for e in ends):
        return None
    (a, b), (c, d) = [e for e in ends if e is not None]
    value = (_n(d[1]) + _n(c[1])) / 2 - (_n(b[1]) + _n(a[1])) / 2
    formula = f"({_shown(d[1])} + {_shown(c[1])}) / 2 − ({_shown(b[1])} + {_shown(a[1])}) / 2"
    return _solution("change", match, list(dict.fromkeys([a, b, c, d])), [value], formula=formula)


def _with_before(series: Series, wanted: Period) -> tuple[Point, Point] | None:
    """The point of a year and that of the year before, the earlier first."""
    cell = _cell(series, wanted)
    earlier = [p for p in series.points if periods.year_of(p[0]) == (periods.year_of(wanted) or 0) - 1]
    if cell is None or len(earlier) != 1:
        return None
    return earlier[0], (wanted, cell)


def _percent(asked: Asked, names: Names) -> Solution | None:
    match = _find(names, asked.phrases[0], asked.periods, least=2)
    if match is None:
        return _ready(asked, names, percent=True)
    ends = _ends(asked, match.series)
    if ends is None:
        return _ready(asked, names, percent=True)
    (_, old), (_, new) = ends
    if not _n(old):
        return None
    value = (_n(new) - _n(old)) / _n(old) * 100
    told = _ready(asked, names, percent=True, near=value, of=match.series)
    if told is not None:
        return told
    formula = f"({_shown(new)} − {_shown(old)}) / {_shown(old)}"
    return _solution("percent", match, ends, [value], formula=formula, scale="percent")


_CHANGE_HEADS = ("change", "variance", "growth", "difference", "increase", "decrease", "veränderung", "delta")


def _ready(
    asked: Asked, names: Names, *, percent: bool, near: float | None = None, of: Series | None = None
) -> Solution | None:
    """The change as the table itself gives it in a column of changes.

    near: what it must agree with; without, the phrase must name one such cell alone.
    """
    columns = [
        m
        for m in names.matches(f"{asked.phrases[0]} change")
        if len(m.series.points) == 1
        and set(terms(m.series.head)) & set(_CHANGE_HEADS)
        and (m.series.points[0][1].scale == "percent") == percent
        and (of is None or (m.series.label, m.series.section) == (of.label, of.section))
    ]
    if near is not None:
        columns = [m for m in columns if abs(_n(m.series.points[0][1]) - near) < 0.6]
        chosen = columns[0] if len(columns) == 1 else None
    else:
        chosen = columns[0] if columns and columns[0].score >= MIN_SCORE else None
        rival = len(columns) > 1 and chosen is not None and columns[1].score > chosen.score - MARGIN
        if rival or (chosen and chosen.cover < MIN_COVER):
            chosen = None
    return _looked_up(asked, chosen, chosen.series.points) if chosen else None


def _several(asked: Asked, series: Series) -> list[Point]:
    """The points that a sum or an average is over."""
    if len(asked.periods) == 2 and (asked.spread or len(series.points) == 2):
        return series.between(asked.periods[0], asked.periods[1])
    if asked.periods:
        return _points(series, asked.periods)
    return list(series.points)


def _average(asked: Asked, names: Names) -> Solution | None:
    match = _find(names, asked.phrases[0], asked.periods)
    if match is None:
        return None
    series = match.series
    if asked.year_average and not _has(series, "average", "mean"):
        pair = _with_before(series, asked.periods[0])
        return _mean(match, list(pair)) if pair and len(asked.periods) == 1 else None
    points = _several(asked, series)
    if len(points) == 1 or (_has(series, "average", "mean") and 0 < len(asked.periods) < 2):
        return _looked_up(asked, match, points) if _has(series, "average", "mean") else None
    return _mean(match, points)


def _mean(match: Match, points: Sequence[Point]) -> Solution | None:
    if len(points) < 2 or len({c.scale for _, c in points}) != 1:
        return None
    value = sum(_n(c) for _, c in points) / len(points)
    formula = f"({' + '.join(_shown(c) for _, c in points)}) / {len(points)}"
    return _solution("average", match, points, [value], formula=formula)


def _sum(asked: Asked, names: Names) -> Solution | None:
    whole = _find(names, asked.phrases[0], asked.periods)
    if whole is not None and (len(asked.phrases) == 1 or whole.score > 1.0):
        points = _several(asked, whole.series)
        if len(points) > 1 and _has(whole.series, "total") and whole.series.label and not asked.spread:
            return _looked_up(asked, whole, points) if asked.periods else None
        if len(points) == 1:
            # "Total sales" is a row of its own; the sum over rows that have no total is not sure.
            total = _has(whole.series, "total", "summe", "sum", "combined", "net")
            return _looked_up(asked, whole, points) if total or len(asked.phrases) > 1 else None
        if not asked.periods and not _has(whole.series, "total") and len(points) > 4:
            return None
        return _added(whole, points)
    if len(asked.phrases) == 3:
        found = [_find(names, phrase, asked.periods) for phrase in asked.phrases[1:]]
        if all(f is not None for f in found):
            a, b = [f for f in found if f is not None]
            points = [p for m in (a, b) for p in _several(asked, m.series)]
            same = a.series.grid is b.series.grid
            if same and len(points) == 2 and points[0][1] is not points[1][1]:
                made = _added(a, points)
                return replace(made, name=f"{a.series.name} + {b.series.name}") if made else None
    return None


def _added(match: Match, points: Sequence[Point]) -> Solution | None:
    if len(points) < 2 or len({c.scale for _, c in points}) != 1:
        return None
    formula = " + ".join(_shown(c) for _, c in points)
    return _solution("sum", match, points, [sum(_n(c) for _, c in points)], formula=formula)


def _two(asked: Asked, names: Names) -> tuple[Match, Match, Cell, Cell] | None:
    """The two cells of a ratio or a difference between things, at the same period."""
    first, second = asked.phrases[-2:]
    a = _find(names, first, asked.periods[:1])
    b = _find(names, second, asked.periods[:1], beside=a)
    if a is None or b is None or len(asked.periods) > 1 or a.series.grid is not b.series.grid:
        return None
    ends = []
    for match in (a, b):
        if asked.periods:
            cell = _cell(match.series, asked.periods[0])
        else:
            cell = match.series.points[0][1] if len(match.series.points) == 1 else None
        if cell is None:
            return None
        ends.append(cell)
    return (a, b, ends[0], ends[1]) if ends[0] is not ends[1] else None


def _ratio(asked: Asked, names: Names) -> Solution | None:
    found = _two(asked, names)
    if found is None:
        return None
    a, b, top, bottom = found
    if not _n(bottom) or (top.scale == "percent") != (bottom.scale == "percent"):
        return None
    factor = FACTOR[top.scale] / FACTOR[bottom.scale]
    if _n(top) < 0 < _n(bottom):  # costs in brackets are a share of what stands without
        top = replace(top, number=-_n(top))
    value = _n(top) / _n(bottom) * factor
    share = asked.kind == "share"
    period = asked.periods[0] if asked.periods else frozenset()
    made = _solution(
        asked.kind, a, [(period, top), (period, bottom)], [value * 100 if share else value],
        formula=f"{_shown(top)} / {_shown(bottom)}", scale="percent" if share else "",
    )  # fmt: skip
    score = min(a.score, b.score)
    return replace(made, name=a.series.name, names=(a.series.name, b.series.name), score=score)


def _difference(asked: Asked, names: Names) -> Solution | None:
    found = _two(asked, names)
    if found is None:
        # "the difference between 2018 and 2019 in X" and "between X in 2018 and in 2019"
        return _change(replace(asked, kind="change", phrases=asked.phrases[:1]), names)
    a, b, first, second = found
    if first.scale != second.scale:
        return None
    period = asked.periods[0] if asked.periods else frozenset()
    made = _solution(
        "difference", a, [(period, first), (period, second)], [_n(first) - _n(second)],
        formula=f"{_shown(first)} − {_shown(second)}",
    )  # fmt: skip
    return replace(made, names=(a.series.name, b.series.name), score=min(a.score, b.score))


def _extreme(asked: Asked, names: Names) -> Solution | None:
    match = _find(names, asked.phrases[0], asked.periods, least=2)
    if match is None:
        return None
    points = _several(asked, match.series) if asked.periods else list(match.series.points)
    numbers = [_n(c) for _, c in points]
    if len(points) < 2 or len({c.scale for _, c in points}) != 1 or not all(p for p, _ in points):
        return None
    if all(n <= 0 for n in numbers):
        numbers = [-n for n in numbers]  # costs in brackets: the larger one is the one further from 0
    elif any(n < 0 for n in numbers) and not asked.largest and _has(match.series, "loss"):
        return None
    best = max(numbers) if asked.largest else min(numbers)
    if numbers.count(best) != 1:
        return None
    chosen = numbers.index(best)
    made = _solution(
        "extreme", match, points, [_n(points[chosen][1])], texts=[_said(match.series, points[chosen][0])],
        labels=[_said(match.series, p) for p, _ in points],
    )  # fmt: skip
    return replace(made, largest=asked.largest)


def _over(asked: Asked, names: Names) -> tuple[Match, list[Point], list[Point]] | None:
    """The series, its points, and those beyond the limit."""
    match = _find(names, asked.phrases[0], (), least=2)
    limit = asked.limit
    if match is None or limit is None:
        return None
    points = [(p, c) for p, c in match.series.points if p]
    if len(asked.periods) == 2 and asked.spread:
        points = match.series.between(asked.periods[0], asked.periods[1])
    held = []
    for period, cell in points:
        bound = operations.in_scale(limit, cell.scale)
        if (_n(cell) > bound) if limit.sign == ">" else (_n(cell) < bound):
            held.append((period, cell))
    return (match, points, held) if points else None


def _filter(asked: Asked, names: Names) -> Solution | None:
    found = _over(asked, names)
    if found is None or not found[2]:
        return None
    match, points, held = found
    said = [_said(match.series, p) for p, _ in held]
    made = _solution("filter", match, points, [_n(c) for _, c in held], texts=said, labels=said)
    return replace(made, limit=asked.limit)


def _count(asked: Asked, names: Names) -> Solution | None:
    found = _over(asked, names)
    if found is None:
        return None
    match, points, held = found
    made = _solution("count", match, points, [float(len(held))], scale="", texts=[str(len(held))])
    return replace(made, limit=asked.limit)


def _periods(asked: Asked, names: Names) -> Solution | None:
    """The years that a table, or a row of it, gives figures for."""
    listed = names.matches(asked.phrases[0])
    dated = [s for s in names.series if len(s.points) > 1 and all(p for p, _ in s.points)]
    grids = {id(s.grid) for s in dated}
    if len(grids) != 1:
        return None
    chosen = next((m for m in listed if m.series in dated and m.cover >= MIN_COVER), None)
    longest = max(dated, key=lambda s: len(s.points))
    if chosen is None or len(chosen.series.points) < len(longest.points):
        chosen = Match(longest, listed[0].score if listed else 0.0, 0.0)
    said = list(dict.fromkeys(_said(chosen.series, p) for p, _ in chosen.series.points))
    return _solution("periods", chosen, chosen.series.points, [], texts=said, labels=said)


_SOLVERS = {
    "value": _value, "change": _change, "percent": _percent, "sum": _sum, "average": _average,
    "ratio": _ratio, "share": _ratio, "difference": _difference, "extreme": _extreme, "filter": _filter,
    "count": _count, "periods": _periods,
}  # fmt: skip


# --- building -----------------------------------------------------------------------------------


def _n(cell: Cell) -> float:
    return cell.number or 0.0


def _shown(cell: Cell) -> str:
    """A cell's number inside a formula."""
    text = f"{abs(_n(cell)):,.{cell.decimals}f}"
    text += " %" if cell.scale == "percent" else ""
    return f"(−{text})" if _n(cell) < 0 else text


def _said(series: Series, period: Period) -> str:
    """A period as a person says it: the year where that tells it from the others."""
    years = [periods.year_of(p) for p, _ in series.points]
    own = periods.year_of(period)
    if own is not None and years.count(own) <= 1:
        return str(own)
    return periods.said(period)


def _solution(
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
