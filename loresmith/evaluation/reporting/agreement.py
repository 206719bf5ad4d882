"""How far raters agree: with the automatic score, and with each other.

Source: Cohen 1960 (kappa: agreement beyond what two raters' habits alone would give). Its interval is a
percentile bootstrap over questions, as two answers to one question are not independent.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from loresmith.evaluation.comparison.values import Rating, Score

RESAMPLES = 2000
_AT_ONCE = 200

Said = Mapping[tuple[str, str], bool]
"""(question, arm) to whether that answer is accepted."""


def agreement(ratings: Iterable[Rating], scores: Iterable[Score], *, seed: int = 0) -> list[dict[str, Any]]:
    """Every rater against the score that arms are compared by, and against the others.

    Returns:
        [{"rater", "kind", "rated", "n", "agreement", "kappa", "with"}], people first; "rated" counts all
        ratings, "n" those of answers that have a score; "kappa" is {"value", "low", "high", "n"}, None
        where everything is one and the same; "with" the same for each other rater.
    """
    automatic: dict[tuple[str, str], bool] = {}
    for score in scores:
        if score.answerable is not None and not score.error:  # of several seeds the first is rated
            automatic.setdefault((score.question, score.arm), score.success >= 0.5)
    said: dict[tuple[str, str], dict[tuple[str, str], bool]] = {}
    for rating in ratings:
        said.setdefault((rating.kind, rating.rater), {})[rating.question, rating.arm] = rating.accepted
    order = sorted(said, key=lambda who: (who[0] != "person", who[1]))
    return [
        {
            "rater": rater,
            "kind": kind,
            "rated": len(said[kind, rater]),
            **_pair(said[kind, rater], automatic, seed),
            "with": [
                {"rater": name, "kind": sort, **_pair(said[kind, rater], said[sort, name], seed)}
                for sort, name in order
                if (sort, name) != (kind, rater)
            ],
        }
        for kind, rater in order
    ]


def _pair(one: Said, other: Said, seed: int) -> dict[str, Any]:
    shared = sorted(one.keys() & other.keys())
    ours, theirs = [one[k] for k in shared], [other[k] for k in shared]
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    return {
        "n": len(shared),
        "agreement": same / len(shared) if shared else None,
        "kappa": interval(ours, theirs, [question for question, _ in shared], seed=seed),
    }


def cohen(one: Sequence[bool], other: Sequence[bool]) -> float | None:
    """Cohen's kappa; None where both always say one and the same, or nothing was said."""
    value = float(_kappa(_cells(one, other).sum(axis=0)))
    return None if np.isnan(value) else value


def interval(
    one: Sequence[bool],
    other: Sequence[bool],
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any] | None:
    """Kappa with its interval. Draws in which it is not defined are left out."""
    value = cohen(one, other)
    if value is None:
        return None
    places = {key: i for i, key in enumerate(dict.fromkeys(clusters))}
    counts = np.zeros((len(places), 4))
    np.add.at(counts, [places[key] for key in clusters], _cells(one, other))
    random, drawn = np.random.default_rng(seed), []
    for start in range(0, RESAMPLES, _AT_ONCE):
        times = min(_AT_ONCE, RESAMPLES - start)
        drawn.append(
            _kappa(random.multinomial(len(places), np.full(len(places), 1 / len(places)), times) @ counts)
        )
    low, high = np.nanquantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2])
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value), "n": len(one)}


def _cells(one: Sequence[bool], other: Sequence[bool]) -> npt.NDArray[np.float64]:
    """One row an item: both yes, only one, only the other, both no."""
    a, b = np.asarray(one, bool), np.asarray(other, bool)
    return np.stack([a & b, a & ~b, ~a & b, ~a & ~b], axis=1).astype(float)


def _kappa(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of counts (..., 4); not a number where chance alone already agrees everywhere."""
    yes, first, second, no = np.moveaxis(counts, -1, 0)
    total = yes + first + second + no
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = ((yes + first) * (yes + second) + (no + first) * (no + second)) / total**2
        found: npt.NDArray[np.float64] = ((yes + no) / total - chance) / (1 - chance)
    return np.where(np.isfinite(found), found, np.nan)
