"""The gate before a promotion: the candidate against what answers now, on the same questions.

It reads the figures of a report and computes none. Each stratum is looked at by itself, without a
correction for their number: a false alarm costs a sentence of reason, a regression that slips through
costs wrong answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loresmith.errors import ModelError
from loresmith.models import fingerprint
from loresmith.releases.values import DEFAULT, OVERALL, Check, Gate, Release
from loresmith.types import Arm
from loresmith.workspace import WorkspaceDir

# The smallest number of discordant pairs with which the exact test reaches 5 % (2 * 0.5**6 = 0.031).
_FEWEST = 6

UNAIDED: Mapping[str, str] = {"rag": "base", "both": "tuned"}
"""Without documents the same weights are asked: general ability is measured on these arms alone."""


def examine(
    folder: WorkspaceDir,
    arm: Arm,
    report: Mapping[str, Any],
    present: Release | None,
    across: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
) -> Gate:
    """What the gate sees of `arm` in `report`, against what answers now."""
    against = present.id if present else ""
    model = report["model"]
    problems = list(other_model(folder, str(model["name"]), model.get("fingerprint") or ""))
    notes = [*remarks, *_remarks(arm, report)]
    now = present.arm if present else DEFAULT
    measured = {name: figures for name, figures in report["arms"].items() if figures.get("questions")}
    checks: list[Check] = []
    if present is not None and not same_weights(present, report):
        if across is None:
            problems.append(
                f"the present release {present.id} ({present.describe()}) was not measured on these questions"
            )
        else:
            checks = list(_checks(across, "candidate", "present", report))
    elif now == arm:
        notes.append(f"{arm} is what answers now")
    elif now in measured:
        checks = list(_checks(report, arm, now, report))
    elif present is not None:
        problems.append(f"the present release {present.id} ({now}) was not measured in this comparison")
    else:
        notes.append(f"{now}, which answers without a release, was not measured: nothing to hold it against")
    problems += [check.describe() for check in checks if check.worse]
    # So few can show no loss: where they point to one, more have to be asked before it counts as chance.
    problems += [
        f"{check.describe()}: too few questions to tell it from chance"
        for check in checks
        if check.stratum == OVERALL and check.n < _FEWEST and check.difference < 0
    ]
    few = [f"{check.stratum} ({check.n})" for check in checks if check.n < _FEWEST]
    if few:
        notes.append(f"too few questions to see a loss: {', '.join(few)}")
    return Gate(against=against, checks=tuple(checks), problems=tuple(problems), notes=tuple(notes))


def other_model(folder: WorkspaceDir, name: str, weights: str) -> Iterator[str]:
    """That others than the measured weights answer here: a sentence, or nothing.

    Args:
        name, weights: of the model that was measured, and its fingerprint; "" where nobody knows.
    """
    settings = folder.config.model
    if not name or (settings.name in ("auto", "none") and not settings.endpoint):
        return
    here = "" if settings.endpoint or not weights else _weights(settings.name)
    if here != weights if here else name not in (settings.name, Path(settings.name).stem):
        yield f"{name} was measured, and {settings.name} answers here"


def _weights(name: str) -> str:
    """Fingerprint of a model; "" where its files are not here."""
    try:
        place = fingerprint.place(name)
        return fingerprint.fingerprint(place) if place else ""
    except ModelError:
        return ""


def _remarks(arm: Arm, report: Mapping[str, Any]) -> Iterator[str]:
    if report["verdict"]["recommended"] != arm:
        yield f"the report recommends {report['verdict']['recommended']}"
    errors = report["arms"][arm].get("errors", 0)
    if errors:
        yield f"{errors} of its answers failed"


def same_weights(present: Release, report: Mapping[str, Any]) -> bool:
    """Whether the report measured the very model and adapter of the present release."""
    model = report["model"]
    if present.fingerprint and model.get("fingerprint"):
        if present.fingerprint != model["fingerprint"]:
            return False
    elif present.model and present.model != model["name"]:
        return False
    return present.adapter is None or present.adapter == (report.get("adapter") or {}).get("id")


def _checks(
    figures: Mapping[str, Any], candidate: str, present: str, report: Mapping[str, Any]
) -> Iterator[Check]:
    alpha = float(report["settings"].get("alpha", 0.05))
    yield from _check(OVERALL, figures["pairs"], candidate, present, alpha)
    for stratum, found in figures.get("strata", {}).items():
        one, other = candidate, present
        if stratum == "general":
            one, other = UNAIDED.get(candidate, candidate), UNAIDED.get(present, present)
        yield from _check(stratum, found["pairs"], one, other, alpha)


def _check(
    stratum: str, pairs: Sequence[Mapping[str, Any]], candidate: str, present: str, alpha: float
) -> Iterator[Check]:
    for pair in pairs:
        if {pair["one"], pair["other"]} != {candidate, present}:
            continue
        found = pair["difference"]
        value, low, high = (float(found[key]) for key in ("value", "low", "high"))
        if pair["one"] == present:
            value, low, high = -value, -high, -low
        yield Check(
            stratum=stratum,
            difference=value,
            low=low,
            high=high,
            n=int(found["n"]),
            p=float(pair["p"]),
            worse=high < 0 and float(pair["p"]) < alpha,
        )
