"""What a promotion rests on: the report that speaks for the candidate, and, where the present release
was measured in another comparison, the two on the questions that both were asked.

Promises: answers are held against each other only where question and accepted answers are the same;
what only one was asked counts for neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from loresmith import releases
from loresmith.answering.text import fold
from loresmith.errors import UsageError
from loresmith.evaluation import statistics
from loresmith.evaluation.comparison import report as reports
from loresmith.evaluation.comparison import run, scores, store
from loresmith.evaluation.comparison.values import STRATA, Question
from loresmith.releases import Release
from loresmith.state import State
from loresmith.training import adapters
from loresmith.types import Arm
from loresmith.workspace import WorkspaceDir

CANDIDATE, PRESENT = "candidate", "present"
Asked = tuple[str, tuple[str, ...] | None]


def report(folder: WorkspaceDir, name: str | None = None) -> dict[str, Any] | None:
    """The object of report.json of this comparison (the newest without a name); None where nothing
    was compared yet and none is named.

    Raises:
        UsageError: no report of that name.
    """
    if name is None and store.latest(folder.reports_dir) is None:
        return None
    return reports.compute(store.find(folder.reports_dir, name))


def stale(folder: WorkspaceDir, found: Mapping[str, Any]) -> list[str]:
    """Why a comparison may speak of another state than the present one: other documents, another
    adapter."""
    said = []
    adapter = (found.get("adapter") or {}).get("id")
    now = adapters.current(folder.adapters_dir)
    if now is not None and now.id != adapter:
        said.append(f"the report {found['id']} compared {adapter or 'no adapter'}, and {now.id} is in use")
    index = found.get("index") or {}
    with State.open(folder.state_path) as state:
        generation, infos = state.current(), state.infos()
    if generation is not None and index.get("generation") not in (None, generation.folder):
        said.append(f"the index was built anew since the report {found['id']}")
    elif index.get("digest") not in (None, run.digest(infos)):
        said.append(f"documents were added, changed or removed since the report {found['id']}")
    return said


def across(
    folder: WorkspaceDir, found: Mapping[str, Any], arm: Arm | None, present: Release | None
) -> dict[str, Any] | None:
    """Pairs of the candidate and the present release, overall and by stratum, where the present one
    was measured in another comparison; None where it is in this one, or in none that is left.

    Args:
        found: the report of the candidate.  arm: the candidate; None is the recommended one.
    """
    if present is None or not present.report or releases.same_weights(present, found):
        return None
    try:
        before = store.find(folder.reports_dir, present.report)
    except UsageError:
        return None
    after = store.find(folder.reports_dir, found["id"])
    chosen = arm or cast("Arm", found["verdict"]["recommended"])
    questions = {_asked(q): q for q in store.questions(after)}
    one, other = _served(after, chosen), _served(before, present.arm)
    both = [questions[key] for key in questions if key in one and key in other]
    if not any(q.stratum != "general" for q in both):
        return None
    settings = found["settings"]

    def pair(of: Sequence[Question]) -> dict[str, Any]:
        ours, theirs = ([side[_asked(q)] for q in of] for side in (one, other))
        clusters = [q.cluster or q.id for q in of]
        difference = statistics.paired(ours, theirs, clusters, seed=int(settings.get("seed", 0)))
        p = statistics.signs([a - b for a, b in zip(ours, theirs, strict=True)], clusters)
        return {"one": CANDIDATE, "other": PRESENT, "difference": asdict(difference), "p": p}

    strata = {s: [q for q in both if q.stratum == s] for s in STRATA}
    return {
        "pairs": [pair([q for q in both if q.stratum != "general"])],
        "strata": {s: {"pairs": [pair(of)]} for s, of in strata.items() if of},
    }


def _served(folder: Path, arm: Arm) -> dict[Asked, float]:
    """Mean success over seeds of each question that `arm` answered for: general ability by the arm
    without documents."""
    questions = {q.id: q for q in store.questions(folder)}
    found: dict[Asked, list[float]] = {}
    for record in store.records(folder):
        question = questions[record.question]
        meant = releases.UNAIDED.get(arm, arm) if question.stratum == "general" else arm
        if record.arm == meant:
            found.setdefault(_asked(question), []).append(scores.score(question, record).success)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _asked(question: Question) -> Asked:
    return fold(question.question), question.answer
