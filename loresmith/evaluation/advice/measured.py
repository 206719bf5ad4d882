"""After a comparison: what was measured goes before what the rules say.

    report.json's object, Advice -> Measured: what it found, and rule by rule whether it agrees

Promises: a rule is said to be confirmed or contradicted only where the difference that would show it is
significant; else it is said to be open, with the number of questions that would settle it where the
report has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from loresmith.evaluation.advice.rules import RULES, Advice, Fired

Standing = Literal["confirmed", "contradicted", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What a comparison says of one rule that fired."""

    rule: str
    standing: Standing
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a comparison found.

    Attributes:
        questions: that the arms were compared by, those of general ability apart.
        agrees: the rules recommend the same arm; None where the comparison settled nothing.
        words: one sentence about that.
        stale: why the comparison may speak of another state than the present one.
    """

    report: str
    created: str
    recommended: str
    winner: str | None
    kind: str
    headline: str
    questions: int
    agrees: bool | None
    words: str
    tested: tuple[Tested, ...]
    stale: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read(report: Mapping[str, Any], advice: Advice, stale: Sequence[str] = ()) -> Measured | None:
    """What `report` says beside `advice`; None where it holds no answers."""
    verdict = report["verdict"]
    recommended = report["arms"].get(verdict["recommended"])
    asked = int(recommended["correct"]["n"]) if recommended else 0
    if not asked:
        return None
    settled = verdict["kind"] != "more_questions"
    same = verdict["recommended"] == advice.recommended
    return Measured(
        report=str(report["id"]),
        created=str(report.get("created", "")),
        recommended=verdict["recommended"],
        winner=verdict.get("winner"),
        kind=verdict["kind"],
        headline=verdict["headline"],
        questions=asked,
        agrees=same if settled else None,
        words=_words(advice, verdict, settled=settled, same=same),
        tested=tuple(_tests(report, advice.fired)),
        stale=tuple(stale),
    )


def _words(advice: Advice, verdict: Mapping[str, Any], *, settled: bool, same: bool) -> str:
    rules, found = advice.recommended, verdict["recommended"]
    if not settled:
        needed = verdict.get("needed")
        more = f" About {needed:,} questions would." if needed else ""
        return f"The comparison settles nothing yet.{more} Until then the rules speak, for {rules}."
    if same:
        return f"Measurement and rules agree on {found}."
    return (
        f"Measurement and rules disagree: the rules say {rules}, the comparison {found}. Measured goes first."
    )


def _tests(report: Mapping[str, Any], fired: Sequence[Fired]) -> Iterator[Tested]:
    tests = {rule.name: rule.test for rule in RULES}
    for rule in fired:
        test = tests[rule.rule]
        if test is None:
            continue
        stratum, better, worse = test
        pairs = report["strata"].get(stratum, {}).get("pairs", []) if stratum else report["pairs"]
        pair = next((p for p in pairs if {p["one"], p["other"]} == {better, worse}), None)
        if pair is None:
            continue
        sign = 1 if pair["one"] == better else -1
        ahead = sign * float(pair["difference"]["value"])
        standing: Standing = "open"
        if pair["significant"]:
            standing = "confirmed" if ahead > 0 else "contradicted"
        place = f"in the stratum {stratum}" if stratum else "over all questions"
        yield Tested(rule=rule.rule, standing=standing, words=_figures(pair, better, worse, sign, place))


def _figures(pair: Mapping[str, Any], better: str, worse: str, sign: int, place: str) -> str:
    found = pair["difference"]
    low, high = sorted((sign * float(found["low"]), sign * float(found["high"])))
    return (
        f"{place}, {better} serves {_signed(sign * float(found['value']))} points against {worse} "
        f"(between {_signed(low)} and {_signed(high)}, {found['n']} questions)"
    )


def _signed(share: float) -> str:
    return f"{round(share * 100):+d}"
