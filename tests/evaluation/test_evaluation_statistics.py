"""evaluation/statistics.py against scipy, statsmodels and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loresmith.evaluation import statistics

scipy_stats = pytest.importorskip("scipy.stats")


def shares(n: int, p: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < p).astype(float)


# --- intervals --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "p"), [(100, 0.6), (300, 0.85), (1000, 0.3)])
def test_the_bootstrap_agrees_with_scipys(n, p):
    values = shares(n, p)
    ours = statistics.interval(values, seed=1, resamples=5000)
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    # A grain of the bootstrap of n shares is 1/n; ours reaches out a little more, by design.
    assert ours.value == values.mean()
    assert ours.low == pytest.approx(theirs.low, abs=2.5 / n + 0.003)
    assert ours.high == pytest.approx(theirs.high, abs=2.5 / n + 0.003)
    assert ours.high - ours.low >= theirs.high - theirs.low - 2 / n


def test_the_paired_bootstrap_agrees_with_scipys():
    one, other = shares(200, 0.7, 1), shares(200, 0.5, 2)
    ours = statistics.paired(one, other, seed=3, resamples=5000)
    theirs = scipy_stats.bootstrap(
        (one - other,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert ours.value == pytest.approx((one - other).mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_pairs_are_kept_together():
    """Two arms that fail on the same questions differ far more surely than their own shares say."""
    other = shares(100, 0.5)
    one = other.copy()
    one[np.flatnonzero(other == 0)[:10]] = 1.0
    apart = statistics.interval(one, seed=0).high - statistics.interval(one, seed=0).low
    together = statistics.paired(one, other, seed=0)
    assert together.low > 0
    assert together.high - together.low < 0.7 * apart


def test_wordings_of_one_fact_are_not_so_many_facts():
    facts = shares(40, 0.6)
    repeated, clusters = np.repeat(facts, 5), [f"c{i}" for i in np.repeat(np.arange(40), 5)]
    alone = statistics.interval(facts, seed=0)
    together = statistics.interval(repeated, clusters, seed=0)
    naive = statistics.interval(repeated, seed=0)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert together.n == 200
    assert naive.high - naive.low < 0.6 * (together.high - together.low)


def test_a_question_without_a_cluster_is_one_of_its_own():
    values = shares(50, 0.5)
    assert statistics.interval(values, [""] * 50, seed=0) == statistics.interval(values, seed=0)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(0).random(37)
    first = statistics.interval(values, seed=5)
    statistics._draws.cache_clear()
    assert statistics.interval(values, seed=5) == first
    assert statistics.interval(values, seed=6) != first


@pytest.mark.parametrize("n", [1, 5, 30, 300])
def test_all_alike_is_no_proof(n):
    """The exact bound of n successes of n (Clopper-Pearson)."""
    exact = scipy_stats.binomtest(n, n).proportion_ci(0.95, method="exact").low
    found = statistics.interval([1.0] * n, seed=0)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(exact)
    none = statistics.paired([1.0] * n, [1.0] * n, seed=0)
    assert none.low < 0 < none.high


def test_one_odd_value_does_not_make_an_interval_of_nothing():
    found = statistics.interval([0.0] * 29 + [1.0], seed=0)
    exact = scipy_stats.binomtest(1, 30).proportion_ci(0.95, method="exact")
    assert found.low == 0.0
    assert found.high >= 0.85 * exact.high


def test_no_values_give_no_share():
    assert statistics.interval([], seed=0).n == 0


@pytest.mark.parametrize(
    ("n", "p", "size"), [(20, 0.5, 1), (30, 0.8, 1), (50, 0.95, 1), (30, 0.6, 4), (100, 0.9, 3)]
)
def test_intervals_hold_the_truth_as_often_as_they_say(n, p, size):
    """Coverage near 95 % also of few questions, shares near one, and clusters."""
    random = np.random.default_rng(n)
    held = 0
    for _ in range(300):
        chance = random.beta(2 * p, 2 * (1 - p), n) if size > 1 else np.full(n, p)
        sizes = random.integers(1, size + 1, n)
        clusters = np.repeat(np.arange(n), sizes)
        values = (random.random(len(clusters)) < chance[clusters]).astype(float)
        found = statistics.interval(values, clusters.tolist(), seed=0, resamples=500)
        held += found.low - 1e-9 <= p <= found.high + 1e-9
    assert held / 300 > 0.905


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 19, 98, 299, 300, 301, 5000])
@pytest.mark.parametrize("p", [0.005, 0.025, 0.3, 0.975])
def test_students_t_agrees_with_scipys(degrees, p):
    assert statistics.student(p, degrees) == pytest.approx(scipy_stats.t.ppf(p, degrees), rel=1e-4)


# --- tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("b", "c"), [(0, 0), (1, 0), (5, 0), (6, 0), (3, 11), (40, 40), (80, 120), (900, 1100)]
)
def test_mcnemar_is_exact(b, c):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    theirs = tables.mcnemar([[10, b], [c, 10]], exact=True).pvalue
    assert statistics.mcnemar(b, c) == pytest.approx(min(1.0, theirs), rel=1e-9)
    assert statistics.mcnemar(b, c) == statistics.mcnemar(c, b)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (6, 0), (3, 11), (80, 120)])
def test_flipped_signs_of_single_questions_are_mcnemars_test(b, c):
    differences = [1.0] * b + [-1.0] * c + [0.0] * 20
    assert statistics.signs(differences) == pytest.approx(statistics.mcnemar(b, c), rel=1e-9)


def test_flipped_signs_of_clusters_are_exact():
    """Against scipy's own permutation of signs over the sums of the clusters."""
    differences = [1, 1, 1, 0, -1, 1, 1, 1, 1, -1, 1, 1]
    clusters = ["a", "a", "a", "b", "b", "c", "c", "d", "e", "e", "f", "g"]
    sums = [3.0, -1.0, 2.0, 1.0, 0.0, 1.0, 1.0]
    theirs = scipy_stats.permutation_test(
        (np.array(sums),), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert statistics.signs(differences, clusters) == pytest.approx(theirs)


def test_ten_wordings_of_one_fact_prove_nothing():
    assert statistics.mcnemar(10, 0) < 0.01
    assert statistics.signs([1.0] * 10, ["one"] * 10) == 1.0


def test_means_over_seeds_are_tested_by_their_size():
    thirds = [1 / 3, 2 / 3, 1.0, 1.0, 1.0, 2 / 3, -1 / 3]
    theirs = scipy_stats.permutation_test(
        (np.array([1, 2, 3, 3, 3, 2, -1]),), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert statistics.signs(thirds) == pytest.approx(theirs)
    # Without a common denominator the signs alone count.
    assert statistics.signs([math.pi / 4, math.e / 9, -1 / math.sqrt(2)]) == statistics.mcnemar(2, 1)


def test_holm_agrees_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for seed in range(20):
        ps = np.random.default_rng(seed).random(6) ** 3
        assert statistics.holm(list(ps)) == pytest.approx(list(multitest.multipletests(ps, method="holm")[1]))
    assert statistics.holm([]) == []


# --- how many questions -----------------------------------------------------------------------


def test_the_half_widths_of_the_protocol():
    assert [round(100 * statistics.half_width(0.6, n), 1) for n in (100, 195, 452)] == [9.6, 6.9, 4.5]


@pytest.mark.parametrize(("difference", "discordant"), [(0.1, 0.2), (0.1, 0.4), (0.2, 0.3), (0.3, 0.3)])
def test_the_questions_needed_give_the_power_that_is_promised(difference, discordant):
    n = statistics.needed(difference, discordant)
    assert n is not None
    random = np.random.default_rng(0)
    ahead = (discordant + difference) / 2
    found = 0
    for b, c, _ in random.multinomial(n, [ahead, discordant - ahead, 1 - discordant], size=2000):
        found += statistics.mcnemar(int(b), int(c)) < 0.05
    assert 0.77 <= found / 2000 <= 0.88


def test_a_smaller_difference_needs_more_and_none_needs_none():
    assert statistics.needed(0.05, 0.3) > 3 * statistics.needed(0.1, 0.3)
    assert statistics.needed(0.1, 0.3, alpha=0.05 / 6) > statistics.needed(0.1, 0.3)
    assert statistics.needed(0.0, 0.3) is None


def test_clusters_inflate_what_is_needed():
    values = shares(40, 0.5)
    clusters = [str(i) for i in np.repeat(np.arange(40), 5)]
    assert statistics.inflation(np.repeat(values, 5), clusters) == pytest.approx(5.0)
    assert statistics.inflation(values) == 1.0
