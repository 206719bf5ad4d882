"""Counting: from scores to shares with intervals, pairs of arms, and the figures of each arm.

Promises: arms are held against each other on exactly the same questions; means over several seeds
count as one answer; a figure that nobody measured is None.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from loresmith.evaluation import statistics
from loresmith.evaluation.comparison.standing import Beside, Part
from loresmith.evaluation.comparison.values import (
    CONTENDERS,
    ArmName,
    Contender,
    Interval,
    Pair,
    Score,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """How figures are made: the seed and size of the bootstrap, and the levels."""

    seed: int
    alpha: float = 0.05
    resamples: int = 2000
    level: float = 0.95

    def interval(self, values: Sequence[float], clusters: Sequence[str]) -> Interval:
        return statistics.interval(
            values, clusters, seed=self.seed, resamples=self.resamples, level=self.level
        )

    def paired(self, one: Sequence[float], other: Sequence[float], clusters: Sequence[str]) -> Interval:
        return statistics.paired(
            one, other, clusters, seed=self.seed, resamples=self.resamples, level=self.level
        )


class Board:
    """Success by arm and question: the mean over seeds."""

    def __init__(self, scores: Iterable[Score]) -> None:
        found: dict[ArmName, dict[str, list[float]]] = {}
        self.clusters: dict[str, str] = {}
        for score in scores:
            if score.answerable is not None:
                found.setdefault(score.arm, {}).setdefault(score.question, []).append(score.success)
                self.clusters[score.question] = score.cluster
        self.success: dict[ArmName, dict[str, float]] = {
            arm: {question: sum(values) / len(values) for question, values in by.items()}
            for arm, by in found.items()
        }

    def part(self, test: Test) -> Part:
        """The contenders on the questions that all of them were asked, controls on those of them that
        they were asked too."""
        contenders = self.compared()
        common = self._common(contenders)
        arms: dict[ArmName, Interval] = {}
        for arm, by in self.success.items():
            if arm in contenders or arm not in CONTENDERS:
                asked = [q for q in common if q in by]
                arms[arm] = test.interval([by[q] for q in asked], self._clusters(asked))
        pairs, inflation = self._pairs(contenders, common, test)
        return Part(arms=arms, pairs=pairs, inflation=inflation)

    def compared(self) -> list[Contender]:
        """The contenders that were asked at least half of what the most asked one was: one that a
        broken-off comparison has hardly begun would leave the others nothing to be compared on."""
        sizes: dict[Contender, int] = {a: len(self.success[a]) for a in CONTENDERS if a in self.success}
        return [arm for arm, size in sizes.items() if 2 * size >= max(sizes.values())]

    def beside(
        self, control: ArmName, contender: Contender, test: Test, without: Container[str] = ()
    ) -> Beside | None:
        """A control beside a contender, on the questions that both were asked, `without` left out."""
        one, other = self.success.get(control, {}), self.success.get(contender, {})
        asked = [q for q in other if q in one and q not in without]
        if not asked:
            return None
        ours, theirs, clusters = [one[q] for q in asked], [other[q] for q in asked], self._clusters(asked)
        return Beside(
            control=test.interval(ours, clusters),
            contender=test.interval(theirs, clusters),
            difference=test.paired(ours, theirs, clusters),
        )

    def _common(self, arms: Sequence[ArmName]) -> list[str]:
        first, *rest = [self.success[arm] for arm in arms] or [{}]
        return [q for q in first if all(q in by for by in rest)]

    def _clusters(self, asked: Iterable[str]) -> list[str]:
        return [self.clusters[q] for q in asked]

    def _pairs(
        self, arms: Sequence[Contender], common: Sequence[str], test: Test
    ) -> tuple[list[Pair], float]:
        """Each pair as seen from the dearer arm, and how much clusters inflate the sample needed."""
        both = [(other, one) for one, other in combinations(arms, 2)] if common else []
        clusters = self._clusters(common)
        differences = [
            np.array([self.success[one][q] - self.success[other][q] for q in common]) for one, other in both
        ]
        ps = [statistics.signs(d, clusters) for d in differences]
        inflations = [statistics.inflation(d, clusters) for d in differences]
        found = []
        for (one, other), d, p, adjusted, inflation in zip(
            both, differences, ps, statistics.holm(ps), inflations, strict=True
        ):
            seen = test.paired([float(v) for v in d], [0.0] * len(d), clusters)
            ahead, behind = int((d > 1e-9).sum()), int((d < -1e-9).sum())
            size = statistics.needed(seen.value, (ahead + behind) / len(d), test.alpha / len(both))
            found.append(
                Pair(
                    one=one,
                    other=other,
                    difference=seen,
                    one_only=ahead,
                    other_only=behind,
                    p=p,
                    p_holm=adjusted,
                    significant=adjusted < test.alpha and (seen.low > 0 or seen.high < 0),
                    needed=math.ceil(size * inflation) if size else None,
                )
            )
        return found, max(inflations, default=1.0)


def order(costs: Mapping[ArmName, Mapping[str, Any]], latency: Mapping[ArmName, Any]) -> list[Contender]:
    """The contenders, the cheapest first: base, rag, tuned, both; tuned before rag only where it was
    measured as no dearer to make, to ask and to change, and cheaper in one of them."""

    def figures(arm: ArmName) -> list[float | None]:
        cost = costs.get(arm, {})
        made = [cost.get(key) for key in ("prepare_seconds", "index_seconds", "train_seconds")]
        known = [float(m) for m in made if m is not None]
        return [
            sum(known) if len(known) == len(made) else None,
            (latency.get(arm) or {}).get("p50"),
            cost.get("change_one_fact_seconds"),
        ]

    rag, tuned = figures("rag"), figures("tuned")
    pairs = [(r, t) for r, t in zip(rag, tuned, strict=True) if r is not None and t is not None]
    cheaper = len(pairs) == len(rag) and all(t <= r for r, t in pairs) and any(t < 0.9 * r for r, t in pairs)
    return ["base", "tuned", "rag", "both"] if cheaper else list(CONTENDERS)


def arm(scores: Sequence[Score], correct: Interval, cost: Mapping[str, Any], test: Test) -> dict[str, Any]:
    """The figures of one arm, over its questions but those of general ability.

    Args:
        scores: of the arm, each seed's.
        correct: its share of questions served, as it is compared.
    """
    asked = [s for s in scores if s.stratum != "general"]
    can = [s for s in asked if s.right is not None]
    by_question: dict[str, list[Score]] = defaultdict(list)
    for score in can:
        by_question[score.question].append(score)
    right = test.interval(
        [float(np.mean([bool(s.right) for s in group])) for group in by_question.values()],
        [group[0].cluster for group in by_question.values()],
    )
    return {
        "questions": len({s.question for s in scores}),
        "errors": sum(bool(s.error) for s in scores),
        "correct": interval(correct),
        "right": interval(right),
        "abstention": _abstention([s for s in asked if not s.error]),
        "citations": {
            "precision": _mean(asked, lambda s: s.citation_precision),
            "recall": _mean(asked, lambda s: s.citation_recall),
            "quotes": _mean(asked, lambda s: s.quotes),
            "page": _mean(asked, lambda s: s.page),
        },
        "secondary": {
            "exact": _mean(asked, lambda s: s.exact),
            "f1": _mean(asked, lambda s: s.f1),
            "rouge_l": _mean(asked, lambda s: s.rouge_l),
            "figures": _mean(asked, lambda s: s.figures),
        },
        "retrieval": {
            "ndcg": _mean(asked, lambda s: s.ndcg),
            "recall": _mean(asked, lambda s: s.recall),
            "mrr": _mean(asked, lambda s: s.mrr),
        }
        if any(s.ndcg is not None for s in asked)
        else None,
        "latency": latency(asked),
        "cost": dict(cost),
    }


def latency(scores: Sequence[Score]) -> dict[str, float | None]:
    """Seconds of a whole call; failed ones left out."""
    seconds = [s.seconds for s in scores if not s.error]
    if not seconds:
        return {"p50": None, "p95": None, "mean": None}
    return {
        "p50": round(float(np.quantile(seconds, 0.5)), 4),
        "p95": round(float(np.quantile(seconds, 0.95)), 4),
        "mean": round(float(np.mean(seconds)), 4),
    }


def _abstention(scores: Sequence[Score]) -> dict[str, float | int | None]:
    """Abstaining as a decision: precision, how many abstentions were right; recall, how many of the
    questions that cannot be answered were abstained from; and both mistakes counted."""
    silent = [s for s in scores if not s.answered and s.answerable is not None]
    cannot = [s for s in scores if s.answerable is False]
    rightly = sum(s.answerable is False for s in silent)
    return {
        "precision": round(rightly / len(silent), 4) if silent else None,
        "recall": round(rightly / len(cannot), 4) if cannot else None,
        "false_answers": len(cannot) - rightly,
        "false_refusals": len(silent) - rightly,
    }


def _mean(scores: Sequence[Score], of: Callable[[Score], float | bool | None]) -> float | None:
    kept = [float(v) for s in scores if (v := of(s)) is not None]
    return round(sum(kept) / len(kept), 4) if kept else None


def interval(found: Interval) -> dict[str, Any]:
    return {
        "value": round(found.value, 6),
        "low": round(found.low, 6),
        "high": round(found.high, 6),
        "n": found.n,
    }


def pair(found: Pair) -> dict[str, Any]:
    return {
        "one": found.one,
        "other": found.other,
        "difference": interval(found.difference),
        "one_only": found.one_only,
        "other_only": found.other_only,
        "p": float(f"{found.p:.6g}"),
        "p_holm": float(f"{found.p_holm:.6g}"),
        "significant": found.significant,
        "needed": found.needed,
    }
