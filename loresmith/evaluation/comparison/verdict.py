"""What a comparison says.

`decide` is a function of shares, pairs and counts: no file is read here and no figure is made up.
Promises:

- A winner is named only where it is significantly better than every other contender (the interval
  excludes zero and Holm's p is below alpha). Controls never win.
- What is recommended is the cheapest contender that is not significantly worse than the best one; one
  that served nothing at all is not recommended while another served something.
- "More questions" is said where a dearer arm looks noticeably better and chance is not ruled out, or
  where so few were asked that nothing could come out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from loresmith.evaluation import statistics
from loresmith.evaluation.comparison import reasons
from loresmith.evaluation.comparison.standing import Around, Part
from loresmith.evaluation.comparison.values import Contender, Pair, Stratum, Verdict, VerdictKind

FEWEST = 30
"""Below this many questions a comparison without a winner settles nothing."""
NOTICEABLE, PROBABLE = 0.1, 0.05
"""A lead of a dearer arm that is worth more questions though it is not significant: so large, or so
large with a p (uncorrected) below `SUGGESTIVE`. Less would send most people whose arms are equal for
more questions, to find nothing."""
SUGGESTIVE = 0.1
MISSING = 0.2
"""Share of the answerable questions that found nothing from which on that is the headline."""


def decide(overall: Part, around: Around | None = None, *, alpha: float = 0.05) -> Verdict:
    """The verdict on what was measured.

    Args:
        overall: the figures over every question but those of general ability.
        around: strata, controls, costs and what went wrong.
        alpha: of the tests in `overall`.
    """
    around = around or Around()
    findings: list[VerdictKind] = ["documents_missing"] if around.missing else []
    if not overall.contenders:
        return Verdict(
            kind="more_questions",
            winner=None,
            recommended=around.order[0],
            headline=reasons.NOTHING,
            reasons=tuple(reasons.circumstances("more_questions", around)),
            findings=tuple(findings),
            needed=FEWEST,
        )
    winner = overall.winner()
    recommended = winner or overall.recommended(around.order)
    ahead = None if winner else _open(overall, recommended, around.order)
    settled = winner is not None or (ahead is None and overall.asked >= FEWEST)
    learned = [arm for arm in overall.contenders if arm in reasons.LEARNED]
    if settled and learned and recommended not in learned:
        findings.insert(0, "do_not_fine_tune")
    kind = _kind(winner, recommended, settled=settled, findings=findings, around=around)
    needed = None if winner else _needed(overall, ahead, recommended, alpha)
    return Verdict(
        kind=kind,
        winner=winner,
        recommended=recommended,
        headline=reasons.headline(kind, overall, recommended, ahead, around),
        reasons=(
            *reasons.figures(overall, recommended, around.order, kind),
            *reasons.doubt(overall, kind, needed),
            *reasons.circumstances(kind, around),
            *reasons.by_stratum(around.strata, around.order),
            *reasons.controls(overall, around),
            *reasons.forgetting(around.strata),
        ),
        findings=tuple(f for f in findings if f != kind),
        needed=needed,
        worse=tuple(_worse(around.strata, recommended)),
    )


def _kind(
    winner: Contender | None,
    recommended: Contender,
    *,
    settled: bool,
    findings: Sequence[VerdictKind],
    around: Around,
) -> VerdictKind:
    if winner:
        return "winner"
    if around.answerable and around.missing / around.answerable >= MISSING:
        return "documents_missing"
    if not settled:
        return "more_questions"
    # Where base serves as well as all the others, nothing at all is worth it: that says more.
    return "do_not_fine_tune" if "do_not_fine_tune" in findings and recommended != "base" else "no_difference"


def _open(overall: Part, recommended: Contender, order: Sequence[Contender]) -> Pair | None:
    """The arm that looks noticeably better than the recommended one, though it may be chance."""
    pairs = [pair for arm in order if (pair := overall.pair(arm, recommended)) is not None]
    ahead = [pair for pair in pairs if not pair.significant and _worth_asking(pair)]
    return max(ahead, key=lambda pair: pair.difference.value, default=None)


def _worth_asking(pair: Pair) -> bool:
    lead = pair.difference.value + 1e-9
    return lead >= NOTICEABLE or (lead >= PROBABLE and pair.p < SUGGESTIVE)


def _needed(overall: Part, ahead: Pair | None, recommended: Contender, alpha: float) -> int | None:
    """Questions that would settle what is open: the lead that was seen, else one of ten points."""
    if ahead is not None:
        return ahead.needed
    rivals = [pair for arm in overall.contenders if (pair := overall.pair(arm, recommended)) is not None]
    near = [pair for pair in rivals if not pair.significant]
    if not near:
        return None
    if overall.asked < FEWEST:
        wide = [p.needed for p in near if p.needed and abs(p.difference.value) >= PROBABLE]
        return max(FEWEST, *wide) if wide else FEWEST
    share = max((pair.one_only + pair.other_only) / pair.difference.n for pair in near)
    size = statistics.needed(0.1, share, alpha / len(overall.pairs))
    return size and math.ceil(size * overall.inflation)


def _worse(strata: Mapping[Stratum, Part], recommended: Contender) -> Iterator[Stratum]:
    for stratum, part in strata.items():
        arm = recommended
        if stratum == "general":
            # Asked of base and tuned alone: rag and both share their weights.
            arm = "tuned" if recommended in reasons.LEARNED else "base"
        if arm in part.contenders and any(part.better(other, arm) for other in part.contenders):
            yield stratum
