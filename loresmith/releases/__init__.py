"""Releases: which expert answers by default, since when, and why.

    .loresmith/releases.json   {"format": 1, "releases": [...]}: every promotion and every way back,
                               oldest first; the last one counts, nothing is ever taken out

Promises: an expert that a comparison showed to be significantly worse than the present one, overall or
in any stratum, is promoted only with a reason, and the reason is kept; what nobody measured is not
promoted without one either; going back is one small write, keeps nobody waiting and is recorded too;
a kill leaves the old releases or the new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast, get_args

from loresmith.errors import GateClosed, ModelError, StorageError, UsageError
from loresmith.releases.gate import UNAIDED, examine, other_model, same_weights
from loresmith.releases.values import DEFAULT, OVERALL, START, Check, Gate, Release
from loresmith.training import adapters
from loresmith.types import Arm
from loresmith.workspace import WorkspaceDir, write_atomic

__all__ = [
    "DEFAULT", "OVERALL", "START", "UNAIDED", "Check", "Gate", "Release", "current", "examine", "listing",
    "other_model", "promote", "remove_adapter", "rollback", "same_weights",
]  # fmt: skip

FORMAT = 1


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


def remove_adapter(folder: WorkspaceDir, name: str) -> str:
    """Delete an adapter, or what an unfinished run has left; returns its id.

    Raises:
        UsageError: it answers now.  TrainingError: there is none of that name.
        WorkspaceLocked: a training runs, or something else writes.
    """
    with folder.training(), folder.writing():
        present = current(folder)
        if present is not None and present.adapter is not None:
            # An id may be shortened; what an unfinished run has left is no adapter to be found.
            own = (folder.adapters_dir / name).is_dir()
            meant = name if own else adapters.find(folder.adapters_dir, name).id
            if meant == present.adapter:
                raise UsageError(
                    f"{meant} answers now: it is released as {present.id}.",
                    "Take the release back (`loresmith rollback`) or promote another one first.",
                )
        return adapters.remove(folder.adapters_dir, name)


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


def _standing(entry: Release | None) -> str:
    """The promotion that an entry stands for."""
    return (entry.returns_to or entry.id) if entry else ""


def _write(folder: WorkspaceDir, entries: Sequence[Release]) -> None:
    content = {"format": FORMAT, "releases": [asdict(entry) for entry in entries]}
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_atomic(folder.releases_path, text.encode())
