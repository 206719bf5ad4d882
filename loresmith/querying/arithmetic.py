"""Questions about report tables answered by code: look-up, change, share, sum, average, the year in which.

    grids of a document + question -> Solution: figures with their scale, the formula, the cells

Promises: every figure is a cell's, or computed from cells that are named; nothing is answered where a
row, a column or a period is not found, or where two fit equally well; no language model is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loresmith.querying import comparing, operations, periods
from loresmith.querying.finding import (
    MARGIN,
    MIN_COVER,
    MIN_LOOK_UP,
    MIN_SCORE,
    Point,
    as_amounts,
    cell_at,
    find,
    has,
    points_at,
    row_points,
    several,
)
from loresmith.querying.grids import Cell, Grid
from loresmith.querying.operations import Asked
from loresmith.querying.periods import Period
from loresmith.querying.scales import FACTOR
from loresmith.querying.series import Match, Names, Series
from loresmith.querying.solution import Solution, said, shown, solution, value_of
from loresmith.querying.terms import content, terms

__all__ = ["Solution", "solve"]


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


# --- one function a kind ------------------------------------------------------------------------


def _value(asked: Asked, names: Names) -> Solution | None:
    match = find(names, asked.phrases[0], asked.periods)
    if match is None or match.score < MIN_LOOK_UP:
        return None
    series = match.series
    if not asked.periods and len(series.points) != 1:
        return None
    points = points_at(series, asked.periods) if asked.periods else list(series.points)
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
    return solution(
        "value",
        match,
        points,
        [c.number or 0.0 for c in cells],
        texts=[c.text for c in cells],
        labels=[said(match.series, p) for p, _ in points] if len(points) > 1 else (),
    )


def _ends(asked: Asked, series: Series) -> list[Point] | None:
    """The two points of a change, the earlier first."""
    points = points_at(series, asked.periods)
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
    if not periods.comparable(p for p, _ in points):
        return None
    first, last = sorted(points, key=lambda p: periods.order(p[0]))
    return as_amounts(series, [first, last]) if first[1] is not last[1] else None


def _in_time(series: Series) -> bool:
    return len({periods.order(p) for p, _ in series.points}) == len(series.points)


def _change(asked: Asked, names: Names) -> Solution | None:
    match = find(names, asked.phrases[0], asked.periods, least=2)
    if match is None:
        return _ready(asked, names, percent=False)
    if asked.year_average and not has(match.series, "average", "mean"):
        return _change_of_averages(asked, match)
    ends = _ends(asked, match.series)
    if ends is None:
        return None
    (_, old), (_, new) = ends
    return solution(
        "change", match, ends, [value_of(new) - value_of(old)], formula=f"{shown(new)} − {shown(old)}"
    )


def _change_of_averages(asked: Asked, match: Match) -> Solution | None:
    ends = [_with_before(match.series, p) for p in sorted(asked.periods, key=periods.order)]
    if len(ends) != 2 or any(e is None for e in ends):
        return None
    (a, b), (c, d) = [e for e in ends if e is not None]
    value = (value_of(d[1]) + value_of(c[1])) / 2 - (value_of(b[1]) + value_of(a[1])) / 2
    formula = f"({shown(d[1])} + {shown(c[1])}) / 2 − ({shown(b[1])} + {shown(a[1])}) / 2"
    return solution("change", match, list(dict.fromkeys([a, b, c, d])), [value], formula=formula)


def _with_before(series: Series, wanted: Period) -> tuple[Point, Point] | None:
    """The point of a year and that of the year before, the earlier first."""
    cell = cell_at(series, wanted)
    earlier = [p for p in series.points if periods.year_of(p[0]) == (periods.year_of(wanted) or 0) - 1]
    if cell is None or len(earlier) != 1:
        return None
    return earlier[0], (wanted, cell)


def _percent(asked: Asked, names: Names) -> Solution | None:
    match = find(names, asked.phrases[0], asked.periods, least=2)
    if match is None:
        return _ready(asked, names, percent=True)
    ends = _ends(asked, match.series)
    if ends is None:
        return _ready(asked, names, percent=True)
    (_, old), (_, new) = ends
    if not value_of(old):
        return None
    value = (value_of(new) - value_of(old)) / value_of(old) * 100
    told = _ready(asked, names, percent=True, near=value, of=match.series)
    if told is not None:
        return told
    formula = f"({shown(new)} − {shown(old)}) / {shown(old)}"
    return solution("percent", match, ends, [value], formula=formula, scale="percent")


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
        columns = [m for m in columns if abs(value_of(m.series.points[0][1]) - near) < 0.6]
        chosen = columns[0] if len(columns) == 1 else None
    else:
        chosen = columns[0] if columns and columns[0].score >= MIN_SCORE else None
        rival = len(columns) > 1 and chosen is not None and columns[1].score > chosen.score - MARGIN
        if rival or (chosen and chosen.cover < MIN_COVER):
            chosen = None
    return _looked_up(asked, chosen, chosen.series.points) if chosen else None


def _average(asked: Asked, names: Names) -> Solution | None:
    match = find(names, asked.phrases[0], asked.periods)
    if match is None:
        return None
    series = match.series
    if asked.year_average and not has(series, "average", "mean"):
        pair = _with_before(series, asked.periods[0])
        return _mean(match, list(pair)) if pair and len(asked.periods) == 1 else None
    points = several(asked, series)
    if len(points) == 1 or (has(series, "average", "mean") and 0 < len(asked.periods) < 2):
        return _looked_up(asked, match, points) if has(series, "average", "mean") else None
    return _mean(match, points)


def _mean(match: Match, points: Sequence[Point]) -> Solution | None:
    if len(points) < 2 or len({c.scale for _, c in points}) != 1:
        return None
    points = as_amounts(match.series, points)
    value = sum(value_of(c) for _, c in points) / len(points)
    formula = f"({' + '.join(shown(c) for _, c in points)}) / {len(points)}"
    return solution("average", match, points, [value], formula=formula)


def _sum(asked: Asked, names: Names) -> Solution | None:
    whole = find(names, asked.phrases[0], asked.periods)
    if whole is not None and (len(asked.phrases) == 1 or whole.score > 1.0):
        points = several(asked, whole.series)
        if len(points) > 1 and has(whole.series, "total") and whole.series.label and not asked.spread:
            return _looked_up(asked, whole, points) if asked.periods else None
        if len(points) == 1:
            # "Total sales" is a row of its own; the sum over rows that have no total is not sure.
            total = has(whole.series, "total", "summe", "sum", "combined", "net")
            return _looked_up(asked, whole, points) if total or len(asked.phrases) > 1 else None
        if not asked.periods and not has(whole.series, "total") and len(points) > 4:
            return None
        return _added(whole, points)
    if len(asked.phrases) == 3:
        found = [find(names, phrase, asked.periods) for phrase in asked.phrases[1:]]
        if all(f is not None for f in found):
            a, b = [f for f in found if f is not None]
            points = [p for m in (a, b) for p in several(asked, m.series)]
            same = a.series.grid is b.series.grid
            if same and len(points) == 2 and points[0][1] is not points[1][1]:
                made = _added(a, points)
                return replace(made, name=f"{a.series.name} + {b.series.name}") if made else None
    return _section_sum(asked, names) if whole is None else None


def _section_sum(asked: Asked, names: Names) -> Solution | None:
    """The sum of the rows of a section that has no total of its own."""
    wanted = content(asked.phrases[0])
    groups: dict[tuple[int, str, str], list[Series]] = {}
    for series in names.series:
        own, head = content(series.section), content(series.head)
        if own and own <= wanted and wanted <= own | head | content(" ".join(series.grid.heads)):
            groups.setdefault((id(series.grid), series.section, series.head), []).append(series)
    if len(groups) > 1:  # the column that is named
        groups = {key: rows for key, rows in groups.items() if content(key[2]) & wanted} or {
            key: rows for key, rows in groups.items() if not content(key[2]) - {"amount"}
        }
    if len(groups) != 1:
        return None
    rows = next(iter(groups.values()))
    points = row_points(asked, rows) if len(asked.periods) <= 1 else None
    if not points or any(has(series, "total", "net") for series in rows):
        return None
    made = _added(Match(rows[0], 0.8, 1.0), [p for _, p in points])
    return replace(made, name=rows[0].section, names=(rows[0].section,)) if made else None


def _added(match: Match, points: Sequence[Point]) -> Solution | None:
    if len(points) < 2 or len({c.scale for _, c in points}) != 1:
        return None
    formula = " + ".join(shown(c) for _, c in points)
    return solution("sum", match, points, [sum(value_of(c) for _, c in points)], formula=formula)


def _two(asked: Asked, names: Names) -> tuple[Match, Match, Cell, Cell] | None:
    """The two cells of a ratio or a difference between things, at the same period."""
    first, second = asked.phrases[-2:]
    a = find(names, first, asked.periods[:1])
    b = find(names, second, asked.periods[:1], beside=a)
    if a is None or b is None or len(asked.periods) > 1 or a.series.grid is not b.series.grid:
        return None
    ends = []
    for match in (a, b):
        if asked.periods:
            cell = cell_at(match.series, asked.periods[0])
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
    if not value_of(bottom) or (top.scale == "percent") != (bottom.scale == "percent"):
        return None
    factor = FACTOR[top.scale] / FACTOR[bottom.scale]
    if value_of(top) < 0 < value_of(bottom):  # costs in brackets are a share of what stands without
        top = replace(top, number=-value_of(top))
    value = value_of(top) / value_of(bottom) * factor
    share = asked.kind == "share"
    period = asked.periods[0] if asked.periods else frozenset()
    made = solution(
        asked.kind, a, [(period, top), (period, bottom)], [value * 100 if share else value],
        formula=f"{shown(top)} / {shown(bottom)}", scale="percent" if share else "",
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
    made = solution(
        "difference", a, [(period, first), (period, second)], [value_of(first) - value_of(second)],
        formula=f"{shown(first)} − {shown(second)}",
    )  # fmt: skip
    return replace(made, names=(a.series.name, b.series.name), score=min(a.score, b.score))


_SOLVERS: dict[operations.Kind, Callable[[Asked, Names], Solution | None]] = {
    "value": _value,
    "change": _change,
    "percent": _percent,
    "sum": _sum,
    "average": _average,
    "ratio": _ratio,
    "share": _ratio,
    "difference": _difference,
    "extreme": comparing.extreme_of,
    "filter": comparing.filter_of,
    "count": comparing.count_of,
    "periods": comparing.periods_of,
    "top row": comparing.top_row_of,
    "count rows": comparing.count_rows_of,
}
