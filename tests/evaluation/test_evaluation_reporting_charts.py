"""Pictures: what is drawn stands where its figure says, and can be read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loresmith.evaluation.reporting import charts
from loresmith.evaluation.reporting.charts import Spot

SHARE = st.floats(0, 1)
SECONDS = st.floats(0.001, 100_000)


def spot(arm: str, value: float, seconds: float) -> Spot:
    return Spot(arm=arm, correct={"value": value, "low": value, "high": value}, seconds=seconds)


def test_the_dot_is_at_the_mean_and_the_band_over_the_interval():
    drawn = charts.interval("rag", {"value": 0.81, "low": 0.72, "high": 0.88, "n": 100})
    assert 'class="dot"' in drawn
    assert 'cx="81.00%"' in drawn
    assert 'x="72.00%" width="16.00%"' in drawn
    assert 'aria-label="RAG: 81\u202f%, between 72\u202f% and 88\u202f%"' in drawn


def test_an_arm_that_was_not_measured_has_no_dot():
    assert "dot" not in charts.interval("rag", None)
    assert 'aria-label="not measured"' in charts.interval("rag", None)


def test_zero_is_in_the_middle_of_a_difference():
    drawn = charts.difference({"value": 0.2, "low": -0.1, "high": 0.5}, 0.5, sure=False)
    assert 'cx="70.00%"' in drawn
    assert 'x1="40.00%" x2="100.00%"' in drawn
    assert "sure" not in drawn


@given(st.lists(st.tuples(SHARE, SECONDS), min_size=2, max_size=6))
def test_every_time_has_its_place_on_an_axis_with_round_ticks(found):
    spots = [spot(arm, *at) for arm, at in zip(("base", "rag", "tuned", "both", "oracle", "format"), found)]  # noqa: B905
    drawn = charts.against(spots, "Seconds")
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)%"', drawn)]
    assert len(places) == len(spots)
    order = sorted(range(len(spots)), key=lambda i: spots[i].seconds)
    assert [places[i] for i in order] == sorted(places)
    assert min(places) > 0
    assert max(places) < 100
    ticks = re.findall(r'dy="18"[^>]*>([^<]+)</text>', drawn)
    assert 1 <= len(ticks) <= 6
    assert all(re.fullmatch("\\d+\u202f(ms|s|min|h)", tick) for tick in ticks)


@pytest.mark.parametrize("other", [(0.77, 1.4), (0.76, 1.45), (0.8, 1.35)])
def test_names_of_arms_that_lie_together_do_not_cover_each_other(other):
    drawn = charts.against([spot("rag", 0.77, 1.4), spot("both", *other), spot("base", 0.05, 0.6)], "Seconds")
    names = re.findall(
        r'<text x="([\d.]+)%" y="([\d.]+)%" dx="(-?\d+)" dy="(-?\d+)" text-anchor="(\w+)"[^>]*>(\w+)<', drawn
    )
    boxes = []
    for x, y, dx, dy, anchor, name in names:
        left = float(x) * charts.WIDTH / 100 + int(dx) - (8 * len(name) if anchor == "end" else 0)
        top = float(y) * charts.HEIGHT / 100 + int(dy) - 12
        boxes.append((left, top, left + 8 * len(name), top + 14))
    assert len(boxes) == 3
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], names
