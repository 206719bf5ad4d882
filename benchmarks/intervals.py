"""Which bootstrap interval holds the truth as often as it says: `python benchmarks/intervals.py`.

Questions with a known share (or a known difference of two arms) are drawn, single ones or in clusters
of one to three that hang together; counted is how often each kind of 95 % interval holds the truth,
and how wide it is on average:

    percentile   the 2.5 and 97.5 % points of the resampled means
    BCa          corrected for bias and skewness (Efron 1987)
    ours         evaluation/statistics.py: the expanded percentile interval (Hesterberg 2015), and at
                 least the exact bound where fewer than six clusters differ from the rest
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from loresmith.evaluation import statistics

SIZES = (20, 30, 50, 100, 300)
# (name, largest cluster, share) and (name, largest cluster, (only one, only the other))
SHARES = [
    ("share .50", 1, 0.5),
    ("share .80", 1, 0.8),
    ("share .95", 1, 0.95),
    ("share .90, clusters", 3, 0.9),
]
PAIRS = [
    ("difference .00 of .40", 1, (0.2, 0.2)),
    ("difference .25 of .35", 1, (0.3, 0.05)),
    ("difference .03 of .07", 1, (0.05, 0.02)),
    ("difference .10, clusters", 3, (0.2, 0.1)),
]
_NORMAL = NormalDist()


def shares(
    n: int, largest: int, p: float, random: np.random.Generator
) -> tuple[np.ndarray, list[int] | None, float]:
    """0/1 values, their clusters, and the truth."""
    if largest == 1:
        return (random.random(n) < p).astype(float), None, p
    chance = random.beta(p * 2 / 3, (1 - p) * 2 / 3, n)
    clusters = np.repeat(np.arange(n), random.integers(1, largest + 1, n))
    return (random.random(len(clusters)) < chance[clusters]).astype(float), clusters.tolist(), p


def differences(
    n: int, largest: int, only: tuple[float, float], random: np.random.Generator
) -> tuple[np.ndarray, list[int] | None, float]:
    """-1, 0 or 1 for each question; in a cluster 60 % go with the cluster."""
    truth = only[0] - only[1]

    def draw(size: int) -> np.ndarray:
        return random.choice([1.0, -1.0, 0.0], size, p=[*only, 1 - sum(only)])

    if largest == 1:
        return draw(n), None, truth
    clusters = np.repeat(np.arange(n), random.integers(1, largest + 1, n))
    values = np.where(random.random(len(clusters)) < 0.6, draw(n)[clusters], draw(len(clusters)))
    return values, clusters.tolist(), truth


def intervals(
    values: np.ndarray, clusters: list[int] | None, seed: int, signed: bool
) -> Iterator[tuple[str, float, float]]:
    sums, sizes = statistics.totals(values, clusters)
    drawn = statistics.means(sums, sizes, seed=seed, resamples=2000)
    below, above = np.quantile(drawn, [0.025, 0.975])
    yield "percentile", below, above
    yield "BCa", *_bca(sums, sizes, drawn)
    if signed:
        ours = statistics.paired(values, np.zeros(len(values)), clusters, seed=seed)
    else:
        ours = statistics.interval(values, clusters, seed=seed)
    yield "ours", ours.low, ours.high


def _bca(sums: np.ndarray, sizes: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    mean = sums.sum() / sizes.sum()
    share = np.clip(((drawn < mean).mean() + (drawn <= mean).mean()) / 2, 1e-4, 1 - 1e-4)
    left = (sums.sum() - sums) / (sizes.sum() - sizes)
    away = left.mean() - left
    spread = (away**2).sum() ** 1.5
    skew = (away**3).sum() / (6 * spread) if spread > 1e-12 else 0.0
    bias = _NORMAL.inv_cdf(float(share))
    tails = [bias + _NORMAL.inv_cdf(tail) for tail in (0.025, 0.975)]
    below, above = np.quantile(drawn, [_NORMAL.cdf(bias + z / (1 - skew * z)) for z in tails])
    return float(below), float(above)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| truth | clusters | percentile | BCa | ours | width: percentile | BCa | ours |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    cases = [(name, shares, largest, truth) for name, largest, truth in SHARES]
    cases += [(name, differences, largest, truth) for name, largest, truth in PAIRS]
    for name, make, largest, truth in cases:
        for n in given.sizes:
            random = np.random.default_rng([given.seed, n, largest])
            held: dict[str, int] = {}
            width: dict[str, float] = {}
            for number in range(given.draws):
                values, clusters, true = make(n, largest, truth, random)
                for kind, low, high in intervals(values, clusters, number % 20, make is differences):
                    held[kind] = held.get(kind, 0) + (low - 1e-9 <= true <= high + 1e-9)
                    width[kind] = width.get(kind, 0.0) + high - low
            kinds = ("percentile", "BCa", "ours")
            cells = [f"{100 * held[kind] / given.draws:.1f} %" for kind in kinds]
            cells += [f"{width[kind] / given.draws:.3f}" for kind in kinds]
            print(f"| {name} | {n} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
