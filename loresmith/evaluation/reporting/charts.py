"""Pictures of a report as inline SVG that stretches with the page and keeps its text readable.

Positions along an axis are percentages, sizes are pixels, so nothing is distorted on a phone; the
names and figures beside a picture are ordinary text. Each picture says in `aria-label` what it
shows. Colours come from the style sheet by the class of the arm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loresmith.evaluation.comparison.values import CONTROLS
from loresmith.evaluation.reporting import words
from loresmith.evaluation.reporting.markup import Markup, el, flat

TICKS = (0, 25, 50, 75, 100)


def at(share: float) -> str:
    """A position along an axis, within it."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def interval(arm: str, found: Mapping[str, Any] | None, *, height: int = 26) -> Markup:
    """The track of one arm from 0 to 100 %: the interval as a band, the mean as a dot."""
    middle = height / 2
    lines = [el("rect", x="0%", width="100%", y=middle - 5, height=10, rx=5, class_="way")]
    lines += [
        el("line", x1=f"{t}%", x2=f"{t}%", y1=middle - 5, y2=middle + 5, class_="notch") for t in TICKS[1:-1]
    ]
    if not found or found.get("value") is None:
        return el("svg", lines, class_="track", height=height, role="img", aria_label="not measured")
    low, high = found.get("low", found["value"]), found.get("high", found["value"])
    band = el(
        "rect", x=at(low), width=at(high - low), y=middle - 5, height=10, rx=5, class_="band", opacity="0.28"
    )
    dot = el("circle", cx=at(found["value"]), cy=middle, r=6, class_="dot")
    said = (
        f"{words.NAMES[arm]}: {words.percent(found)}, between {words.percent(low)} and {words.percent(high)}"
    )
    return el("svg", lines, band, dot, class_="track", height=height, role="img", aria_label=said)


def scale(ticks: Sequence[int]) -> Markup:
    """The percentages under a column of tracks."""
    anchors = {0: "start", 100: "end"}
    marks = []
    for t in ticks:
        said = f"{t}{words.NARROW}%" if t == 100 else str(t)
        kind = "tick odd" if t % 50 else "tick"
        marks.append(el("text", said, x=f"{t}%", y=12, class_=kind, text_anchor=anchors.get(t, "middle")))
    return el("svg", marks, class_="scale", height=16, aria_hidden="true")


def difference(found: Mapping[str, Any], reach: float, *, sure: bool) -> Markup:
    """The interval of a difference, zero in the middle, `reach` (a share) at both ends."""
    low, high = (0.5 + found[k] / (2 * reach) for k in ("low", "high"))
    value = 0.5 + found["value"] / (2 * reach)
    parts = [
        el("line", x1="0%", x2="100%", y1=11, y2=11, class_="grid"),
        el("line", x1="50%", x2="50%", y1=0, y2=22, class_="zero"),
        el("line", x1=at(low), x2=at(high), y1=11, y2=11, class_="whisker" + (" sure" if sure else "")),
        el("circle", cx=at(value), cy=11, r=4.5, class_="point" + (" sure" if sure else "")),
    ]
    points = [words.points(found[k]) for k in ("value", "low", "high")]
    said = "{} points, between {} and {}".format(*points)
    return el("svg", parts, class_="track", height=22, role="img", aria_label=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One arm in a picture of quality against cost. `seconds` above zero."""

    arm: str
    correct: Mapping[str, Any]
    seconds: float


WIDTH, HEIGHT = 400, 250
"""What labels are laid out for, in pixels; the width stretches, the height does not."""


def against(spots: Sequence[Spot], axis: str, note: str = "") -> Markup:
    """Share served, upwards, against seconds on a logarithmic axis; cheap and good is top left."""
    first, last = _decades([spot.seconds for spot in spots])
    span = last - first

    def along(value: float) -> float:
        return (math.log10(value) - first) / span

    grid = [
        el("line", x1="0%", x2="100%", y1=at(1 - t / 100), y2=at(1 - t / 100), class_="grid") for t in TICKS
    ]
    grid += [
        el("text", f"{t}", x=-8, y=at(1 - t / 100), dy="0.35em", text_anchor="end", class_="tick")
        for t in TICKS
    ]
    for tick, label in _ticks(first, last):
        place = at(along(tick))
        grid.append(el("line", x1=place, x2=place, y1="0%", y2="100%", class_="grid"))
        grid.append(el("text", label, x=place, y="100%", dy=18, text_anchor="middle", class_="tick"))
    marks, taken = [], [_dot(along(s.seconds), s.correct["value"]) for s in spots]
    for spot in spots:
        x, y = along(spot.seconds), spot.correct["value"]
        name = words.NAMES[spot.arm]
        dx, dy, anchor, box = _free(x, y, len(name), taken)
        taken.append(box)
        low, high = spot.correct.get("low", y), spot.correct.get("high", y)
        marks.append(
            el(
                "g",
                el("line", x1=at(x), x2=at(x), y1=at(1 - low), y2=at(1 - high), class_="stem"),
                el("circle", cx=at(x), cy=at(1 - y), r=6, class_="dot"),
                el("text", name, x=at(x), y=at(1 - y), dx=dx, dy=dy, text_anchor=anchor, class_="label"),
                class_=f"arm-{spot.arm}" + (" control" if spot.arm in CONTROLS else ""),
            )
        )
    said = "; ".join(
        f"{words.NAMES[s.arm]} {words.percent(s.correct)} at {words.seconds(s.seconds)}" for s in spots
    )
    picture = el("svg", grid, marks, class_="plot", height=HEIGHT, role="img", aria_label=f"{axis}: {said}")
    return el(
        "figure",
        el("figcaption", axis),
        el("div", picture, class_="frame"),
        el("p", note, class_="lead") if note else None,
    )


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis as powers of ten, with room for labels at both sides."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.15 * (high - low), 0.25)
    return low - room, high + room


def _ticks(first: float, last: float) -> list[tuple[float, str]]:
    """At most six round times between the ends of the axis: 1 s, 10 s, 1 min."""
    decimal, sixty = (1, 2, 5, 10, 20, 50, 100, 200, 500), (1, 2, 5, 10, 20, 30)
    units = [(1e-3, "ms", decimal), (1, "s", sixty), (60, "min", sixty), (3600, "h", decimal)]
    found = [
        (unit * n, f"{n}{words.NARROW}{name}")
        for unit, name, steps in units
        for n in steps
        if first <= math.log10(unit * n) <= last
    ]
    for coarse in ((1, 10, 100), (1, 5, 10, 30, 100)):
        kept = [tick for tick in found if int(tick[1].split(words.NARROW)[0]) in coarse]
        if 2 <= len(kept) <= 6 and len(found) > 6:
            return kept
    return found[:: max(1, math.ceil(len(found) / 6))]


_Box = tuple[float, float, float, float]


def _dot(x: float, y: float) -> _Box:
    left, top = x * WIDTH, (1 - y) * HEIGHT
    return left - 7, top - 8, left + 7, top + 8


def _free(x: float, y: float, letters: int, taken: Sequence[_Box]) -> tuple[int, int, str, _Box]:
    """Where a label stands: the first side of its dot on which it covers nothing."""
    width = 8.0 * letters
    px, py = x * WIDTH, (1 - y) * HEIGHT
    sides = [
        (12, 4, "start", (px + 12, py - 8, px + 12 + width, py + 8)),
        (-12, 4, "end", (px - 12 - width, py - 8, px - 12, py + 8)),
        (10, -10, "start", (px + 10, py - 22, px + 10 + width, py - 6)),
        (10, 19, "start", (px + 10, py + 6, px + 10 + width, py + 22)),
        (-10, -10, "end", (px - 10 - width, py - 22, px - 10, py - 6)),
        (-10, 19, "end", (px - 10 - width, py + 6, px - 10, py + 22)),
    ]

    def covered(box: _Box) -> float:
        outside = max(0.0, -box[0]) + max(0.0, box[2] - WIDTH) + max(0.0, box[3] - HEIGHT) * 9
        return outside + sum(
            max(0.0, min(box[2], o[2]) - max(box[0], o[0])) * max(0.0, min(box[3], o[3]) - max(box[1], o[1]))
            for o in taken
        )

    return min(sides, key=lambda side: covered(side[3]))


def arms(
    names: Sequence[str], values: Mapping[str, Any], *, about: bool, marked: str | None = None
) -> Markup:
    """One row an arm: name, track, figure; controls apart, below."""
    rows = []
    for arm in names:
        found = values.get(arm)
        control = arm in CONTROLS
        label = el(
            "span", el("b", words.NAMES[arm]), el("small", words.ABOUT[arm]) if about else None, class_="who"
        )
        said = el("span", el("b", words.percent(found)), el("small", words.bounds(found)), class_="what")
        classes = f"row arm-{arm}" + (" control" if control else "") + (" marked" if arm == marked else "")
        rows.append(el("div", label, interval(arm, found, height=30 if about else 22), said, class_=classes))
    return el(
        "div",
        flat(rows),
        el("div", el("span"), scale(TICKS if about else TICKS[::2]), el("span"), class_="row axis"),
        class_="arms",
    )
