"""The values of releases, as releases.json holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from loresmith.types import Arm

START = "start"
"""What `Release.returns_to` says where a rollback leads to before the first release."""
DEFAULT: Arm = "rag"
"""What answers where nothing was ever promoted."""
OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look of the gate: the candidate against the present release on the same questions.

    Attributes:
        stratum: of the report, or "overall".
        difference, low, high: candidate less present, mean success, with its interval.
        p: exact McNemar, two-sided.
        worse: the interval lies below zero and p is below the report's alpha.
    """

    stratum: str
    difference: float
    low: float
    high: float
    n: int
    p: float
    worse: bool

    def describe(self) -> str:
        """ "in the stratum trained it serves 41 points fewer (between 27 and 55, 60 questions, p = …)"."""
        place = OVERALL if self.stratum == OVERALL else f"in the stratum {self.stratum}"
        points = f"{_points(abs(self.difference))} points {_way(self.difference)}"
        if self.low * self.high >= 0:
            low, high = sorted((abs(self.low), abs(self.high)))
            between = f"between {_points(low)} and {_points(high)}"
        else:
            between = f"between {_points(-self.low)} fewer and {_points(self.high)} more"
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        return f"{place} it serves {points} ({between}, {self.n} questions, {p})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the gate saw.

    Attributes:
        against: id of the release that answered, "" for what answers without any.
        checks: the figures, overall first.
        problems: why it is closed; empty where it is open.
        notes: what it could not look at, and what a person should know.
    """

    against: str
    checks: tuple[Check, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        raw = {"passed": self.passed, **asdict(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One entry of releases.json.

    Attributes:
        id: "r1", "r2", … in the order in which they were made.
        created: ISO 8601, UTC.
        arm, adapter: what answers; adapter is None in the arms base and rag.
        model, fingerprint: the weights that were measured, "" where nobody measured.
        report: id of the comparison, "" without one.
        gate: `Gate.to_dict()`, None without a report and for a rollback.
        reason: what the person who promoted or rolled back gave.
        before: id of the release that a rollback of this one leads to, "" for none.
        returns_to: of a rollback: the release it leads back to, or "start"; "" for a promotion.
    """

    id: str
    created: str
    arm: Arm
    adapter: str | None = None
    model: str = ""
    fingerprint: str = ""
    report: str = ""
    gate: Mapping[str, Any] | None = None
    reason: str = ""
    before: str = ""
    returns_to: str = ""

    def describe(self) -> str:
        """ "both with lora-0123abcd"."""
        return f"{self.arm} with {self.adapter}" if self.adapter else self.arm


def _points(share: float) -> str:
    return f"{round(share * 100)}"


def _way(difference: float) -> str:
    return "fewer" if difference < 0 else "more"
