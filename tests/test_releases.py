"""Releases: what answers by default, the gate before it, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loresmith import releases, workspace
from loresmith.errors import GateClosed, ModelError, StorageError, TrainingError, UsageError, WorkspaceLocked
from loresmith.models.fingerprint import fingerprint
from loresmith.training import adapters
from loresmith.workspace import WorkspaceDir

Figures = tuple[float, float, float, int, float]
"""difference, low, high, n, p."""


@pytest.fixture
def plant(tmp_path: Path) -> WorkspaceDir:
    return workspace.create(tmp_path / "plant", {"model.name": "none"})


def adapter(plant: WorkspaceDir, name: str = "lora-0123abcd") -> str:
    folder = plant.adapters_dir / name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"id": name, "base_model": "m", "method": "lora"}))
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / file).write_text("{}")
    return name


def pair(one: str, other: str, figures: Figures) -> dict[str, Any]:
    value, low, high, n, p = figures
    return {
        "one": one,
        "other": other,
        "difference": {"value": value, "low": low, "high": high, "n": n},
        "p": p,
        "p_holm": min(1.0, 6 * p),
        "significant": False,
    }


def report(
    recommended: str = "rag",
    *,
    arms: tuple[str, ...] = ("base", "rag", "tuned", "both"),
    name: str = "0123456789ab",
    adapter: str | None = "lora-0123abcd",
    overall: Mapping[tuple[str, str], Figures] | None = None,
    strata: Mapping[str, Mapping[tuple[str, str], Figures]] | None = None,
    **model: str,
) -> dict[str, Any]:
    pairs = {("rag", "both"): (0.02, -0.06, 0.1, 100, 0.7), **(overall or {})}
    return {
        "id": name,
        "model": {"name": "tiny", "fingerprint": None, **model},
        "adapter": {"id": adapter} if adapter else None,
        "settings": {"alpha": 0.05},
        "arms": {arm: {"questions": 100, "errors": 0} for arm in arms},
        "verdict": {"recommended": recommended},
        "pairs": [pair(*key, figures) for key, figures in pairs.items()],
        "strata": {
            stratum: {"pairs": [pair(*key, figures) for key, figures in found.items()]}
            for stratum, found in (strata or {}).items()
        },
    }


def test_the_recommended_arm_of_the_report_is_promoted(plant: WorkspaceDir) -> None:
    assert releases.current(plant) is None
    name = adapter(plant)
    made = releases.promote(plant, report=report("both"))
    assert (made.id, made.arm, made.adapter, made.report) == ("r1", "both", name, "0123456789ab")
    assert releases.current(plant) == made
    assert made.gate is not None
    assert made.gate["passed"]
    assert made.gate["checks"][0]["difference"] == -0.02  # both less rag, which answered so far
    said = releases.Check(**made.gate["checks"][0]).describe()
    assert said == "overall it serves 2 points fewer (between 10 fewer and 6 more, 100 questions, p = 0.700)"


def test_the_gate_refuses_what_loses_in_a_stratum_and_names_it_with_figures(plant: WorkspaceDir) -> None:
    releases.promote(plant, "rag", report=report())
    adapter(plant)
    lost = {"changed": {("rag", "both"): (0.41, 0.27, 0.55, 60, 0.00001)}}
    with pytest.raises(GateClosed) as refused:
        releases.promote(plant, "both", report=report(strata=lost))
    said = str(refused.value)
    assert refused.value.exit_status == 3
    assert (
        "in the stratum changed it serves 41 points fewer (between 27 and 55, 60 questions, p < 0.001)"
        in said
    )
    assert "--reason" in said
    now = releases.current(plant)
    assert now is not None
    assert now.arm == "rag"


def test_a_reason_opens_the_gate_and_is_kept_with_the_figures(plant: WorkspaceDir) -> None:
    adapter(plant)
    lost = report(overall={("rag", "both"): (0.2, 0.1, 0.3, 100, 0.001)})
    made = releases.promote(plant, "both", report=lost, reason="the house's form\nis wanted")
    assert made.reason == "the house's form is wanted"
    kept = json.loads(plant.releases_path.read_text())["releases"][0]
    assert not kept["gate"]["passed"]
    assert "overall it serves 20 points fewer" in kept["gate"]["problems"][0]
    assert releases.listing(plant) == [made]


def test_a_loss_that_chance_explains_closes_nothing(plant: WorkspaceDir) -> None:
    adapter(plant)
    lost = {
        "style": {("rag", "both"): (0.2, -0.1, 0.5, 10, 0.2)},
        "other": {("rag", "both"): (1.0, 0.3, 1.0, 3, 0.25)},
    }
    made = releases.promote(plant, "both", report=report(strata=lost))
    assert made.gate is not None
    assert made.gate["passed"]
    assert made.gate["notes"][-1] == "too few questions to see a loss: other (3)"


def test_a_loss_on_a_handful_of_questions_is_no_proof_that_there_is_none(plant: WorkspaceDir) -> None:
    lost = {("base", "rag"): (-1.0, -1.0, -1.0, 4, 0.125)}
    with pytest.raises(GateClosed, match=r"100 points fewer \(.*4 questions.*too few questions to tell"):
        releases.promote(plant, "base", report=report(overall=lost))
    adapter(plant)
    won = {("rag", "both"): (-0.5, -1.0, 0.0, 4, 0.5)}
    assert releases.promote(plant, "both", report=report(overall=won)).arm == "both"


def test_forgetting_is_looked_at_in_the_arms_without_documents(plant: WorkspaceDir) -> None:
    adapter(plant)
    forgot = {"general": {("base", "tuned"): (0.3, 0.2, 0.4, 60, 0.0001)}}
    with pytest.raises(GateClosed, match="stratum general it serves 30 points fewer"):
        releases.promote(plant, "both", report=report(strata=forgot))


def test_what_answers_without_a_release_is_protected_too(plant: WorkspaceDir) -> None:
    better = {("base", "rag"): (-0.5, -0.6, -0.4, 100, 0.00001)}
    with pytest.raises(GateClosed, match="base is not promoted: overall it serves 50 points fewer"):
        releases.promote(plant, "base", report=report(overall=better))


def test_nothing_is_promoted_unmeasured_without_a_reason(plant: WorkspaceDir) -> None:
    with pytest.raises(GateClosed, match=r"Nothing was compared here.*loresmith compare"):
        releases.promote(plant)
    with pytest.raises(GateClosed, match="Nothing was compared that speaks for rag"):
        releases.promote(plant, "rag")
    made = releases.promote(plant, "rag", reason="documents only")
    assert (made.report, made.gate, made.reason) == ("", None, "documents only")
    with pytest.raises(ModelError, match=r"both needs an adapter.*loresmith train"):
        releases.promote(plant, "both", reason="because")


def test_an_arm_that_was_not_compared(plant: WorkspaceDir) -> None:
    with pytest.raises(UsageError, match=r"no answers of the arm both.*compared base, rag\."):
        releases.promote(plant, "both", report=report(arms=("base", "rag", "oracle")))


def test_an_adapter_that_is_gone(plant: WorkspaceDir) -> None:
    with pytest.raises(TrainingError, match="lora-0123abcd: no adapter of that name here"):
        releases.promote(plant, "tuned", report=report())
    adapter(plant)
    releases.promote(plant, "both", report=report())
    releases.promote(plant, "rag", report=report())
    adapters.remove(plant.adapters_dir, "lora-0123abcd")
    with pytest.raises(TrainingError, match="lora-0123abcd"):
        releases.rollback(plant)
    now = releases.current(plant)
    assert now is not None
    assert now.id == "r2"


def test_a_report_of_other_weights(tmp_path: Path) -> None:
    here = tmp_path / "tiny.gguf"
    here.write_bytes(b"weights")
    plant = workspace.create(tmp_path / "plant", {"model.name": str(here)})
    releases.promote(plant, "rag", report=report(fingerprint=fingerprint(here)))
    with pytest.raises(GateClosed, match=r"tiny was measured, and .*tiny\.gguf answers here"):
        releases.promote(plant, "rag", report=report(fingerprint="0" * 16))


def test_another_adapter_is_held_against_the_present_one_only_on_the_same_questions(
    plant: WorkspaceDir,
) -> None:
    old, new = adapter(plant), adapter(plant, "lora-89abcdef")
    releases.promote(plant, "both", report=report(adapter=old))
    with pytest.raises(
        GateClosed, match=r"present release r1 \(both with lora-0123abcd\) was not measured on these"
    ):
        releases.promote(plant, "both", report=report(adapter=new))
    across = {"pairs": [pair("candidate", "present", (-0.3, -0.4, -0.2, 80, 0.0001))], "strata": {}}
    with pytest.raises(GateClosed, match="overall it serves 30 points fewer"):
        releases.promote(plant, "both", report=report(adapter=new), across=across)
    across = {"pairs": [pair("candidate", "present", (0.3, 0.2, 0.4, 80, 0.0001))], "strata": {}}
    made = releases.promote(plant, "both", report=report(adapter=new), across=across)
    assert (made.id, made.adapter) == ("r2", new)


def test_the_way_back_is_quick_goes_on_and_is_recorded(plant: WorkspaceDir) -> None:
    name = adapter(plant)
    for arm in ("base", "rag", "both"):
        releases.promote(plant, arm, report=report())  # type: ignore[arg-type]
    started = time.perf_counter()
    back = releases.rollback(plant, reason="complaints")
    assert time.perf_counter() - started < 1
    assert (back.id, back.arm, back.adapter, back.returns_to) == ("r4", "rag", None, "r2")
    assert releases.rollback(plant).arm == "base"
    start = releases.rollback(plant)
    assert (start.arm, start.returns_to) == ("rag", releases.START)
    assert releases.current(plant) is None
    with pytest.raises(UsageError, match="nothing to go back from"):
        releases.rollback(plant)
    forward = releases.rollback(plant, "r3")
    assert (forward.arm, forward.adapter) == ("both", name)
    assert [e.id for e in releases.listing(plant)] == [f"r{n}" for n in range(1, 8)]
    # The release before r3 is r2, whichever way led to it.
    assert releases.rollback(plant).returns_to == "r2"
    with pytest.raises(UsageError, match=r"r9: no release of that name\. Releases: r1, r2, r3"):
        releases.rollback(plant, "r9")


def test_a_promotion_after_a_rollback_goes_back_to_what_stood(plant: WorkspaceDir) -> None:
    releases.promote(plant, "base", reason="a")
    releases.promote(plant, "rag", reason="b")
    releases.rollback(plant)
    assert releases.promote(plant, "rag", reason="c").before == "r1"
    assert releases.rollback(plant).arm == "base"


def test_going_back_waits_for_no_sync(plant: WorkspaceDir) -> None:
    releases.promote(plant, "base", reason="a")
    with plant.writing(), plant.training():
        assert releases.rollback(plant).returns_to == releases.START
    with plant.releasing(), pytest.raises(WorkspaceLocked, match="is releasing in"):
        releases.rollback(plant)


def test_a_kill_while_promoting_leaves_the_old_releases(plant: WorkspaceDir) -> None:
    releases.promote(plant, "base", reason="a")
    before = plant.releases_path.read_bytes()
    program = (
        "import os, sys; from loresmith import releases, workspace; from pathlib import Path\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "releases.promote(workspace.open_dir(Path(sys.argv[1])), 'rag', reason='b')"
    )
    ran = subprocess.run([sys.executable, "-c", program, plant.root], check=False)
    assert ran.returncode == -9
    assert plant.releases_path.read_bytes() == before
    assert releases.promote(plant, "rag", reason="b").id == "r2"


def test_a_damaged_file_says_so(plant: WorkspaceDir) -> None:
    plant.releases_path.write_text('{"format": 1, "releases": [{"id": "r1"}]}')
    with pytest.raises(StorageError, match=r"releases\.json cannot be read"):
        releases.current(plant)
    plant.releases_path.write_text('{"format": 9, "releases": []}')
    with pytest.raises(StorageError, match="newer version"):
        releases.current(plant)
    assert os.listdir(plant.data).count("releases.json") == 1
