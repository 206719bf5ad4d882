"""How arms stand to each other on one set of questions: what a verdict rests on.

Controls are in the shares, never in the pairs: they cannot win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loresmith.evaluation.comparison.values import CONTENDERS, ArmName, Contender, Interval, Pair, Stratum


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A set of questions that every contender was asked: all of them, or those of one stratum.

    Attributes:
        arms: mean success, controls too.
        pairs: of the contenders.
        inflation: how many times as many questions it takes because some hang together.
    """

    arms: Mapping[ArmName, Interval]
    pairs: Sequence[Pair] = ()
    inflation: float = 1.0

    @property
    def contenders(self) -> list[Contender]:
        return [arm for arm in CONTENDERS if arm in self.arms and self.arms[arm].n]

    @property
    def asked(self) -> int:
        return max((self.arms[arm].n for arm in self.contenders), default=0)

    def pair(self, one: Contender, other: Contender) -> Pair | None:
        """The pair of the two, as seen from `one`."""
        for pair in self.pairs:
            if (pair.one, pair.other) == (one, other):
                return pair
            if (pair.one, pair.other) == (other, one):
                return turned(pair)
        return None

    def better(self, one: Contender, other: Contender) -> bool:
        """Whether `one` is significantly better."""
        pair = self.pair(one, other)
        return pair is not None and pair.significant and pair.difference.value > 0

    def best(self, order: Sequence[Contender] = CONTENDERS) -> Contender:
        """The highest share; of equal ones the cheapest."""
        return max(self.contenders, key=lambda arm: (self.arms[arm].value, -order.index(arm)))

    def winner(self) -> Contender | None:
        """The contender that is significantly better than every other one."""
        found = self.contenders
        ahead = [a for a in found if all(self.better(a, b) for b in found if b != a)]
        return ahead[0] if ahead and len(found) > 1 else None

    def level(self, order: Sequence[Contender] = CONTENDERS) -> list[Contender]:
        """The contenders that are not significantly worse than the best one, the cheapest first."""
        best = self.best(order)
        return [arm for arm in order if arm in self.contenders and not self.better(best, arm)]

    def recommended(self, order: Sequence[Contender] = CONTENDERS) -> Contender:
        """The cheapest of `level`, but none that served nothing while another served something."""
        level = self.level(order)
        return next((arm for arm in level if self.arms[arm].value > 0), level[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A control beside a contender, on the questions that both were asked."""

    control: Interval
    contender: Interval
    difference: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What stands beside the overall figures.

    Attributes:
        strata: the same for each stratum.
        order: the contenders, the cheapest first.
        oracle: the oracle beside rag where rag answered from passages: what better retrieval would bring.
        format: base with sample answers beside base: what style alone brings.
        missing: answerable questions whose documents are not in the index or where nothing was found.
        answerable: how many questions can be answered.
        errors: failed calls by arm.
        skipped: why an arm was not asked.
        notes: sentences that belong to the reasons as they are.
    """

    strata: Mapping[Stratum, Part] = field(default_factory=dict)
    order: Sequence[Contender] = CONTENDERS
    oracle: Beside | None = None
    format: Beside | None = None
    missing: int = 0
    answerable: int = 0
    errors: Mapping[ArmName, int] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def turned(pair: Pair) -> Pair:
    """The same pair, seen from the other arm."""
    seen = pair.difference
    return replace(
        pair,
        one=pair.other,
        other=pair.one,
        difference=replace(seen, value=-seen.value, low=-seen.high, high=-seen.low),
        one_only=pair.other_only,
        other_only=pair.one_only,
    )
