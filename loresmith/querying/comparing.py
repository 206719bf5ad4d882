"""Which year or row of a report table is highest, and which or how many lie beyond a limit."""

from __future__ import annotations

from dataclasses import replace

from loresmith.querying import operations, periods
from loresmith.querying.finding import MARGIN, MIN_COVER, Point, cell_at, find, has, row_points, several
from loresmith.querying.grids import Cell
from loresmith.querying.operations import Asked
from loresmith.querying.series import Match, Names, Series
from loresmith.querying.solution import Solution, said, solution, value_of
from loresmith.querying.terms import content, terms


def extreme_of(asked: Asked, names: Names) -> Solution | None:
    match = find(names, asked.phrases[0], asked.periods, least=2)
    if match is None:
        return None
    points = several(asked, match.series)
    numbers = [value_of(c) for _, c in points]
    if len(points) < 2 or len({c.scale for _, c in points}) != 1 or not all(p for p, _ in points):
        return None
    if all(n <= 0 for n in numbers):
        numbers = [-n for n in numbers]  # costs in brackets: the larger one is the one further from 0
    elif any(n < 0 for n in numbers) and not asked.largest and has(match.series, "loss"):
        return None
    best = max(numbers) if asked.largest else min(numbers)
    if numbers.count(best) != 1:
        return None
    chosen = numbers.index(best)
    year = said(match.series, points[chosen][0])
    made = solution(
        "extreme", match, points, [value_of(points[chosen][1])], texts=[year],
        labels=[said(match.series, p) for p, _ in points],
    )  # fmt: skip
    return replace(made, largest=asked.largest)


def _over(asked: Asked, names: Names) -> tuple[Match, list[Point], list[Point]] | None:
    """The series, its points, and those beyond the limit."""
    match = find(names, asked.phrases[0], (), least=2)
    limit = asked.limit
    if match is None or limit is None:
        return None
    points = [(p, c) for p, c in match.series.points if p]
    if len(asked.periods) == 2 and asked.spread:
        points = match.series.between(asked.periods[0], asked.periods[1])
    held = [(period, cell) for period, cell in points if _beyond(limit, cell)]
    return (match, points, held) if points and periods.comparable(p for p, _ in points) else None


def filter_of(asked: Asked, names: Names) -> Solution | None:
    found = _over(asked, names)
    if found is None or not found[2]:
        return None
    match, points, held = found
    years = [said(match.series, p) for p, _ in held]
    made = solution("filter", match, points, [value_of(c) for _, c in held], texts=years, labels=years)
    return replace(made, limit=asked.limit)


def count_of(asked: Asked, names: Names) -> Solution | None:
    found = _over(asked, names)
    if found is None:
        return None
    match, points, held = found
    made = solution("count", match, points, [float(len(held))], scale="", texts=[str(len(held))])
    return replace(made, limit=asked.limit)


# What a row may be called when it is asked for without its name.
_THINGS = frozenset(
    terms(
        "segment department region category item country product type division unit company business line "
        "area group source component customer market brand vessel subsidiary asset class instrument row entry"
    )
)


def _group(asked: Asked, names: Names, phrase: str) -> tuple[list[Series], float] | None:
    """The rows under one head that a phrase names as a whole ("goodwill by segment"), totals left out."""
    groups: dict[tuple[int, str, str], list[Series]] = {}
    for series in names.series:
        whole = {"total", "sum", "summe", "gesamt"} & set(terms(series.label)) or not series.label
        if not whole and (not asked.periods or cell_at(series, asked.periods[0])):
            groups.setdefault((id(series.grid), series.section, series.head), []).append(series)
    wanted = content(phrase) - _THINGS
    rated = []
    for (_, section, head), members in groups.items():
        grid = members[0].grid
        own = set(terms(f"{section} {head} {grid.caption} {grid.title} {' '.join(grid.heads)}"))
        told = own | set(terms(grid.around))
        labels = {t for s in members for t in terms(s.label)}
        if len(members) < 2 or wanted - told - labels:
            continue
        near = (len(wanted & own) + 0.5 * len(wanted & told)) / len(wanted) if wanted else 0.0
        rated.append((near + 0.1 * len(set(terms(phrase)) & set(terms(head))), members))
    rated.sort(key=lambda r: -r[0])
    if not rated or (len(rated) > 1 and rated[1][0] > rated[0][0] - MARGIN):
        return None
    return rated[0][1], rated[0][0]


def top_row_of(asked: Asked, names: Names) -> Solution | None:
    """Which row has the largest figure of a period."""
    group = _group(asked, names, asked.phrases[0])
    points = row_points(asked, group[0]) if group and len(asked.periods) <= 1 else None
    if not points or group is None:
        return None
    numbers = [value_of(p[1]) for _, p in points]
    best = max(numbers) if asked.largest else min(numbers)
    if numbers.count(best) != 1 or min(numbers) < 0 < max(numbers):
        return None
    series, point = points[numbers.index(best)]
    made = solution(
        "top row", Match(series, group[1], 1.0), [p for _, p in points], [best], texts=[series.label]
    )
    return replace(made, largest=asked.largest, chosen=point)


def count_rows_of(asked: Asked, names: Names) -> Solution | None:
    """How many rows are beyond a limit."""
    group = _group(asked, names, asked.phrases[0])
    points = row_points(asked, group[0]) if group and len(asked.periods) <= 1 else None
    if not points or group is None or asked.limit is None:
        return None
    held = [p for _, p in points if _beyond(asked.limit, p[1])]
    match = Match(points[0][0], group[1], 1.0)
    made = solution(
        "count rows", match, [p for _, p in points], [float(len(held))], scale="", texts=[str(len(held))]
    )
    return replace(made, name=points[0][0].section or points[0][0].grid.name, limit=asked.limit)


def _beyond(limit: operations.Limit, cell: Cell) -> bool:
    bound = operations.in_scale(limit, cell.scale)
    return value_of(cell) > bound if limit.sign == ">" else value_of(cell) < bound


def periods_of(asked: Asked, names: Names) -> Solution | None:
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
    shown_as = list(dict.fromkeys(said(chosen.series, p) for p, _ in chosen.series.points))
    return solution("periods", chosen, chosen.series.points, [], texts=shown_as, labels=shown_as)
