"""What measured shares are worth: intervals, tests, and how many questions it takes.

Pure functions over numbers; nothing here knows of arms. Promises:

- Questions that hang together (wordings of one fact) share a cluster and are drawn, flipped and
  counted together, so that asking one fact ten times is not ten pieces of evidence.
- The same values and seed give the same figures.
- Values that are nearly all alike still get an interval: no bootstrap can draw what it has not seen,
  but five rights of five do not prove a share of one.

Sources: the cluster bootstrap, Davison & Hinkley 1997 §3.8; the expanded percentile interval,
Hesterberg 2015 ("What teachers should know about the bootstrap") §5.3; the exact test, McNemar 1947
and, over clusters, Fisher's randomisation of signs; Holm 1979; the size of a paired sample, Connor 1987.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from loresmith.evaluation.comparison.values import Interval

Values = Sequence[float] | npt.NDArray[np.float64]
Clusters = Sequence[Hashable] | None

_NORMAL = NormalDist()
_FEW = 6
"""Below so many clusters that are not like most, what is drawn from them is too much alike: the
interval then reaches at least as far as the exact bound. Five of them cannot be significant anyway."""
_CELLS = 1_000_000
"""Draws that are turned to floats at a time: 8 MB."""


# --- intervals --------------------------------------------------------------------------------


def interval(
    values: Values,
    clusters: Clusters = None,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The mean of shares in [0, 1] with its interval; all zeros without values.

    Args:
        clusters: one key for each value; values with the same key are drawn together. "" and None
            stand for a cluster of its own.
    """
    return _bounded(np.asarray(values, float), clusters, seed, resamples, level, low=0.0)


def paired(
    one: Values,
    other: Values,
    clusters: Clusters = None,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The mean difference of two arms on the same questions, with its interval in [-1, 1]."""
    differences = np.asarray(one, float) - np.asarray(other, float)
    return _bounded(differences, clusters, seed, resamples, level, low=-1.0)


def _bounded(
    values: npt.NDArray[np.float64], clusters: Clusters, seed: int, resamples: int, level: float, low: float
) -> Interval:
    if not len(values):
        return Interval(value=0.0, low=0.0, high=0.0, n=0)
    sums, sizes = totals(values, clusters)
    value = float(values.mean())
    _, counts = np.unique(np.round(sums / sizes, 9), return_counts=True)
    odd, below, above = len(sums) - int(counts.max()), value, value
    if odd:
        drawn = means(sums, sizes, seed=seed, resamples=resamples)
        tails = [expanded(tail, len(sums)) for tail in ((1 - level) / 2, (1 + level) / 2)]
        below, above = (float(bound) for bound in np.quantile(drawn, tails))
    if odd < _FEW:
        # What was never seen in k clusters is rarer than this (Clopper-Pearson).
        reach = 1 - ((1 - level) / 2) ** (1 / len(sums))
        below, above = min(below, value - reach), max(above, value + reach)
    return Interval(
        value=value, low=max(low, min(below, value)), high=min(1.0, max(above, value)), n=len(values)
    )


def expanded(tail: float, clusters: int) -> float:
    """The tail of the bootstrap's distribution to cut at, so that few clusters do not make the
    interval too short: a percentile interval of n draws is short by √(n / (n - 1)) and by the
    difference of Student's t and the normal distribution (Hesterberg 2015)."""
    if clusters < 2:
        return tail
    reach = student(tail, clusters - 1) * math.sqrt(clusters / (clusters - 1))
    return _NORMAL.cdf(reach)


def student(p: float, degrees: int) -> float:
    """Quantile of Student's t, by bisection on its distribution function."""
    if p < 0.5:
        return -student(1 - p, degrees)
    low, high = 0.0, 1.0
    while _student_cdf(high, degrees) < p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, degrees) < p else (low, middle)
    return (low + high) / 2


def _student_cdf(t: float, degrees: int) -> float:
    """Of t >= 0; the finite sums of Abramowitz & Stegun 26.7.3 and 26.7.4."""
    if degrees > 300:
        # Cornish-Fisher; its error there is below 1e-7.
        return _NORMAL.cdf(t * (1 - 1 / (4 * degrees)) / math.sqrt(1 + t * t / (2 * degrees)))
    angle = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    series = 0.0 if degrees == 1 else term
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        series += term
    inside = 2 / math.pi * (angle + sine * series) if odd else sine * series
    return 0.5 + inside / 2


def totals(
    values: npt.NDArray[np.float64], clusters: Clusters = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum and number of the values of each cluster, in order of appearance."""
    if clusters is None:
        return values, np.ones(len(values))
    places: dict[Hashable, int] = {}
    at = [
        places.setdefault(key if key not in ("", None) else (i,), len(places))
        for i, key in enumerate(clusters)
    ]
    sums = np.bincount(at, weights=values, minlength=len(places))
    return np.asarray(sums, np.float64), np.asarray(np.bincount(at, minlength=len(places)), np.float64)


def means(
    sums: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], *, seed: int, resamples: int
) -> npt.NDArray[np.float64]:
    """The mean over all questions in each resample of the clusters."""
    columns = np.column_stack([sums, sizes])
    parts = [chunk @ columns for chunk in _chunks(_draws(len(sums), seed, resamples))]
    drawn = np.concatenate(parts)
    return np.asarray(drawn[:, 0] / drawn[:, 1], float)


@lru_cache(maxsize=4)
def _draws(clusters: int, seed: int, resamples: int) -> npt.NDArray[np.uint16]:
    """How often each cluster was drawn, shape (resamples, clusters): one draw serves every pair of
    arms, so that their intervals differ by the answers alone."""
    random = np.random.default_rng([seed, clusters, resamples])
    counts = np.empty((resamples, clusters), np.uint16)
    step = max(1, _CELLS // clusters)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(0, clusters, (rows, clusters)) + clusters * np.arange(rows)[:, None]
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(
            rows, clusters
        )
    return counts


def _chunks(counts: npt.NDArray[np.uint16]) -> Iterator[npt.NDArray[np.float64]]:
    rows = max(1, _CELLS // counts.shape[1])
    for start in range(0, len(counts), rows):
        yield counts[start : start + rows].astype(float)


# --- tests ------------------------------------------------------------------------------------


def mcnemar(one_only: int, other_only: int) -> float:
    """Exact two-sided p of McNemar's test: twice the binomial tail of the smaller count."""
    n, k = one_only + other_only, min(one_only, other_only)
    total, term = 0, 1
    for i in range(k + 1):
        total += term
        term = term * (n - i) // (i + 1)
    return min(1.0, float(2 * total / 2**n))


def signs(differences: Values, clusters: Clusters = None) -> float:
    """Exact two-sided p that differences so large arise where the arms may be exchanged.

    Each cluster's sum of differences keeps its size and takes either sign with equal probability.
    With one 0/1 question a cluster this is McNemar's exact test, and it stays exact where questions
    hang together, where McNemar's own would count each as evidence of its own. Fractions (means over
    seeds) are brought to a common denominator of up to 60; others are counted by sign alone.
    """
    sums, _ = totals(np.asarray(differences, float), clusters)
    sums = sums[np.abs(sums) > 1e-9]
    if not len(sums):
        return 1.0
    scale = next((s for s in range(1, 61) if np.abs(sums * s - np.round(sums * s)).max() < 1e-6), 0)
    whole = np.round(sums * scale).astype(int) if scale else np.sign(sums).astype(int)
    if np.abs(whole).max() == 1:
        return mcnemar(int((whole > 0).sum()), int((whole < 0).sum()))
    chances = np.ones(1)
    for size, count in zip(*np.unique(np.abs(whole), return_counts=True), strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = _halves(int(count))
        chances = np.convolve(chances, spread)
    # chances[i] belongs to the sum 2 i - total: what is as far from zero as what was seen.
    sizes = np.abs(2 * np.arange(len(chances)) - np.abs(whole).sum())
    return min(1.0, float(chances[sizes >= abs(int(whole.sum()))].sum()))


@lru_cache(maxsize=64)
def _halves(n: int) -> npt.NDArray[np.float64]:
    """Binomial(n, 1/2), from whole numbers: no logarithm's error, no underflow but to zero."""
    out, term, whole = [], 1, 2**n
    for i in range(n + 1):
        out.append(term / whole)
        term = term * (n - i) // (i + 1)
    return np.array(out)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given: compare each with alpha."""
    out = [0.0] * len(ps)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        out[i] = highest
    return out


# --- how many questions -----------------------------------------------------------------------


def needed(difference: float, discordant_share: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Questions at which a difference of this size is found with this power (Connor 1987, with the
    correction of 1/|d| for the exact test); None where there is no difference to find.

    Args:
        difference: of the two shares.
        discordant_share: share of questions that only one of the two served, at least |difference|.
    """
    d = abs(difference)
    if d < 1e-9:
        return None
    share = min(1.0, max(discordant_share, d))
    z = _NORMAL.inv_cdf(1 - alpha / 2) * math.sqrt(share)
    z += _NORMAL.inv_cdf(power) * math.sqrt(max(0.0, share - d * d))
    return math.ceil((z / d) ** 2 + 1 / d)


def half_width(p: float, n: int, level: float = 0.95) -> float:
    """Half of the interval of a share p measured on n questions, by the normal distribution."""
    return _NORMAL.inv_cdf((1 + level) / 2) * math.sqrt(p * (1 - p) / n) if n > 0 else 1.0


def inflation(values: Values, clusters: Clusters = None) -> float:
    """How many times as many questions it takes because they hang together (design effect):
    variance of the mean over clusters, by that over single questions; never below 1."""
    array = np.asarray(values, float)
    sums, sizes = totals(array, clusters)
    if len(sums) < 2 or len(sums) == len(array) or np.ptp(array) < 1e-12:
        return 1.0
    rest = sums - array.mean() * sizes
    return max(1.0, float((rest @ rest) / ((array - array.mean()) ** 2).sum()))
