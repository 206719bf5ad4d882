"""Releases: which expert answers by default, since when, and why.

    .loresmith/releases.json   {"format": 1, "releases": [...]}: every promotion and every way back,
                               oldest first; the last one counts, nothing is ever taken out

Promises: an expert that a comparison showed to be significantly worse than the present one, overall or
in any stratum, is promoted only with a reason, and the reason is kept; what nobody measured is not
promoted without one either; going back is one small write, keeps nobody waiting and is recorded too;
a kill leaves the old releases or the new.

The gate looks at each stratum by itself and does not correct for their number: a false alarm costs
a sentence of reason, a regression that slips through costs wrong answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from loresmith.errors import GateClosed, ModelError, StorageError, UsageError
from loresmith.models import fingerprint
from loresmith.training import adapters
from loresmith.types import Arm
from loresmith.workspace import WorkspaceDir, write_atomic

FORMAT = 1
START = "start"
"""What `Release.returns_to` says where a rollback leads to before the first release."""
DEFAULT: Arm = "rag"
"""What answers where nothing was ever promoted."""
OVERALL = "overall"

# The smallest number of discordant pairs with which the exact test reaches 5 % (2 * 0.5**6 = 0.031).
_FEWEST = 6
# Without documents the same weights are asked: general ability is measured on these arms alone.
UNAIDED: Mapping[str, str] = {"rag": "base", "both": "tuned"}


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
        points = f"{abs(self.difference) * 100:.0f} points {'fewer' if self.difference < 0 else 'more'}"
        low, high = sorted((abs(self.low), abs(self.high)))
        between = f"between {low * 100:.0f} and {high * 100:.0f}"
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


def listing(folder: WorkspaceDir) -> list[Release]:
    """Every release and every rollback, oldest first.

    Raises:
        StorageError: releases.json is damaged, or of a newer program.
    """
    path = folder.releases_path
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] > FORMAT:
            raise StorageError(f"{path}: written by a newer version of Loresmith.", "Use that version.")
        found = [Release(**entry) for entry in raw["releases"]]
        strange = [entry.arm for entry in found if entry.arm not in get_args(Arm)]
        if strange:
            raise ValueError(f"{strange[0]} is no arm")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.", "Move it away and promote again, or ask with --arm."
        ) from error
    return found


def current(folder: WorkspaceDir) -> Release | None:
    """What answers now; None where nothing was promoted, or the last rollback led to before."""
    found = listing(folder)
    return found[-1] if found and found[-1].returns_to != START else None


def promote(
    folder: WorkspaceDir,
    arm: Arm | None = None,
    *,
    report: Mapping[str, Any] | None = None,
    across: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
    reason: str = "",
) -> Release:
    """Let an arm answer from now on where no arm is named.

    Args:
        arm: None takes the one that the report recommends.
        report: the object of report.json that speaks for it.
        across: pairs "candidate", "present" where the present release was measured in another report
            (`evaluation.succession.across`).
        remarks: what a person should know of the report, kept beside the gate's own notes.
        reason: opens a closed gate, and is kept.

    Raises:
        GateClosed: it is significantly worse than the present one, or nobody measured it.
        UsageError: no arm is named and no report recommends one, or the report has no such arm.
        TrainingError, ModelError: its adapter is gone, or there is none.
    """
    reason = " ".join(reason.split())
    with folder.releasing():
        before = listing(folder)
        present = before[-1] if before and before[-1].returns_to != START else None
        chosen = _chosen(arm, report)
        adapter = _adapter(folder, chosen, report)
        seen = examine(folder, chosen, report, present, across, remarks) if report is not None else None
        _let_through(chosen, seen, reason)
        model = report["model"] if report is not None else {}
        made = Release(
            id=f"r{len(before) + 1}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            arm=chosen,
            adapter=adapter,
            model=str(model.get("name", "")),
            fingerprint=str(model.get("fingerprint") or ""),
            report=str(report["id"]) if report is not None else "",
            gate=seen.to_dict() if seen else None,
            reason=reason,
            before=_standing(present),
        )
        _write(folder, [*before, made])
    return made


def rollback(folder: WorkspaceDir, to: str | None = None, *, reason: str = "") -> Release:
    """Answer again with the release before the present one, or with the one named `to`.

    Rolling back once more goes one further back; by name one can go forward again.

    Raises:
        UsageError: there is nothing to go back to, or no such release.
        TrainingError: the adapter of that release is gone; nothing is changed.
    """
    with folder.releasing():
        entries = listing(folder)
        known = {entry.id: entry for entry in entries if not entry.returns_to}
        if not entries or (to is None and entries[-1].returns_to == START):
            raise UsageError(
                f"Nothing is promoted in {folder.root}: there is nothing to go back from.",
                "See `loresmith releases`.",
            )
        goal = to if to is not None else entries[-1].before
        if goal and goal not in (START, *known):
            raise UsageError(
                f"{goal}: no release of that name.", f"Releases: {', '.join(known)}, and {START} for none."
            )
        back = known.get(goal)
        if back is not None and back.adapter is not None:
            adapters.find(folder.adapters_dir, back.adapter)
        made = Release(
            id=f"r{len(entries) + 1}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            arm=back.arm if back else DEFAULT,
            adapter=back.adapter if back else None,
            model=back.model if back else "",
            fingerprint=back.fingerprint if back else "",
            report=back.report if back else "",
            reason=" ".join(reason.split()),
            before=back.before if back else "",
            returns_to=back.id if back else START,
        )
        _write(folder, [*entries, made])
    return made


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
    here = None if settings.endpoint else fingerprint.place(settings.name)
    if here is not None and weights:
        same = fingerprint.fingerprint(here) == weights
    else:
        same = name in (settings.name, Path(settings.name).stem)
    if not same:
        yield f"{name} was measured, and {settings.name} answers here"


def _chosen(arm: Arm | None, report: Mapping[str, Any] | None) -> Arm:
    if report is None:
        if arm is None:
            raise GateClosed(
                "Nothing was compared here yet, so nothing is recommended.",
                'Run `loresmith compare`, or name an arm with a reason: loresmith promote rag --reason "…".',
            )
        return arm
    chosen = arm or cast("Arm", report["verdict"]["recommended"])
    if not report["arms"].get(chosen, {}).get("questions"):
        names = ", ".join(name for name in report["arms"] if name in get_args(Arm))
        raise UsageError(
            f"The report {report['id']} holds no answers of the arm {chosen}.",
            f"It compared {names}. Compare again with --arms, or promote one of these.",
        )
    return chosen


def _adapter(folder: WorkspaceDir, arm: Arm, report: Mapping[str, Any] | None) -> str | None:
    """The adapter that goes with the arm, which must be there and whole."""
    if arm not in ("tuned", "both"):
        return None
    named = (report.get("adapter") or {}).get("id") if report is not None else None
    if named:
        return adapters.find(folder.adapters_dir, named).id
    wanted = folder.config.model.adapter
    found = adapters.current(folder.adapters_dir) if wanted == "auto" else None
    found = found or (adapters.find(folder.adapters_dir, wanted) if wanted != "auto" else None)
    if found is None:
        raise ModelError(
            f"The arm {arm} needs an adapter, and none is in use here.",
            "Train one (`loresmith train`), or choose one (`loresmith adapters use ID`).",
        )
    return found.id


def _let_through(arm: Arm, seen: Gate | None, reason: str) -> None:
    if reason or (seen is not None and seen.passed):
        return
    if seen is None:
        raise GateClosed(
            f"Nothing was compared that speaks for {arm}.",
            'Run `loresmith compare`, or give a reason that is kept: --reason "…".',
        )
    raise GateClosed(
        f"{arm} is not promoted: {'; '.join(seen.problems)}.",
        'Whoever wants it all the same gives a reason that is kept: --reason "…".',
    )


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


def _standing(entry: Release | None) -> str:
    """The promotion that an entry stands for."""
    return (entry.returns_to or entry.id) if entry else ""


def _write(folder: WorkspaceDir, entries: Sequence[Release]) -> None:
    content = {"format": FORMAT, "releases": [asdict(entry) for entry in entries]}
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_atomic(folder.releases_path, text.encode())
