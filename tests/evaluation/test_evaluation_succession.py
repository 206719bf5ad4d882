"""Promotion after comparisons: the present release of another report, and the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluation.made_folders import every, question, write

from loresmith import cli, releases, workspace
from loresmith.errors import GateClosed, UsageError
from loresmith.evaluation import succession
from loresmith.evaluation.comparison.values import Question
from loresmith.workspace import WorkspaceDir

QUESTIONS = [question(i) for i in range(60)] + [question(i, "general") for i in range(100, 140)]


@pytest.fixture
def plant(tmp_path: Path) -> WorkspaceDir:
    folder = workspace.create(tmp_path / "plant", {"model.name": "m"})
    for name in ("lora-1", "lora-2"):
        place = folder.adapters_dir / name
        place.mkdir(parents=True)
        (place / "card.json").write_text(json.dumps({"id": name, "base_model": "m", "method": "lora"}))
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            (place / file).write_text("{}")
    return folder


def compared(
    plant: WorkspaceDir, name: str, adapter: str, questions: list[Question] | None = None, **served: int
) -> dict:
    arms = {arm: every(n) for arm, n in served.items()}
    write(
        plant.reports_dir, questions or QUESTIONS, arms, id=name, adapter={"id": adapter}, index=None,
        model={"name": "m", "fingerprint": ""}, created=f"2026-11-20T19:0{name[0]}:00+00:00",
    )  # fmt: skip
    found = succession.report(plant, name)
    assert found is not None
    return found


def promote(plant: WorkspaceDir, found: dict, arm=None, **more) -> releases.Release:
    across = succession.across(plant, found, arm, releases.current(plant))
    return releases.promote(plant, arm, report=found, across=across, **more)


def test_nothing_compared_is_no_report(plant: WorkspaceDir) -> None:
    assert succession.report(plant) is None
    with pytest.raises(UsageError, match="Nothing was compared"):
        succession.report(plant, "abc")


def test_a_new_adapter_is_held_against_the_present_one_on_shared_questions(plant: WorkspaceDir) -> None:
    first = compared(plant, "1aaa", "lora-1", base=1, rag=4, tuned=5, both=9)
    assert promote(plant, first).describe() == "both with lora-1"
    worse = compared(plant, "2bbb", "lora-2", base=1, rag=3, tuned=4, both=6)
    with pytest.raises(GateClosed, match=r"overall it serves 30 points fewer .*60 questions"):
        promote(plant, worse, "both")
    better = compared(plant, "3ccc", "lora-2", base=1, rag=4, tuned=6, both=10)
    made = promote(plant, better)
    assert (made.id, made.adapter, made.before) == ("r2", "lora-2", "r1")
    assert made.gate is not None
    assert [check["stratum"] for check in made.gate["checks"]] == ["overall", "indexed", "general"]
    assert releases.rollback(plant).adapter == "lora-1"


def test_forgetting_by_a_new_adapter_closes_the_gate(plant: WorkspaceDir) -> None:
    promote(plant, compared(plant, "1aaa", "lora-1", base=1, rag=4, tuned=10, both=9))
    forgot = compared(plant, "2bbb", "lora-2", base=1, rag=4, tuned=3, both=9)
    with pytest.raises(GateClosed, match="in the stratum general it serves 70 points fewer"):
        promote(plant, forgot, "both")


def test_reports_without_a_question_in_common_cannot_speak_for_each_other(plant: WorkspaceDir) -> None:
    promote(plant, compared(plant, "1aaa", "lora-1", base=1, rag=4, tuned=5, both=9))
    others = [question(i) for i in range(200, 260)]
    found = compared(plant, "2bbb", "lora-2", others, base=1, rag=4, tuned=5, both=10)
    with pytest.raises(GateClosed, match=r"r1 \(both with lora-1\) was not measured on these questions"):
        promote(plant, found)
    # The same words with another accepted answer are another question.
    changed = [question(i, answer=("7 Nm",)) for i in range(60)]
    found = compared(plant, "3ccc", "lora-2", changed, base=1, rag=4, tuned=5, both=10)
    assert succession.across(plant, found, None, releases.current(plant)) is None


def test_a_comparison_of_another_state_is_named(plant: WorkspaceDir) -> None:
    found = compared(plant, "1aaa", "lora-1", rag=4, both=9)
    assert succession.stale(plant, found) == []
    (plant.adapters_dir / "current.json").write_text('{"adapter": "lora-2"}')
    found["index"] = {"generation": "g0001", "digest": "0" * 16}
    said = succession.stale(plant, found)
    assert said == [
        "the report 1aaa compared lora-1, and lora-2 is in use",
        "documents were added, changed or removed since the report 1aaa",
    ]


def test_the_commands(plant: WorkspaceDir, capfd: pytest.CaptureFixture[str]) -> None:
    def loresmith(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = cli.run([*words, "--workspace", str(plant.root)])
        return status, *capfd.readouterr()

    status, out, _ = loresmith("releases")
    assert (status, "Nothing was promoted: rag answers" in out) == (0, True)
    status, out, _ = loresmith("promote", "--json")
    assert status == 3
    assert json.loads(out)["error"]["kind"] == "GateClosed"
    compared(plant, "1aaa", "lora-1", base=1, rag=9, tuned=2, both=4)
    status, out, err = loresmith("promote", "both")
    assert status == 3
    assert "both is not promoted: overall it serves 50 points fewer (between" in err
    status, out, _ = loresmith("promote", "--json")
    assert (status, json.loads(out)["release"]["arm"]) == (0, "rag")
    status, out, err = loresmith("promote", "both", "--reason", "a trial for the board")
    assert status == 0
    assert "r2: both with lora-1 answers from now on" in out
    assert "Against the gate: overall it serves 50 points fewer" in out
    status, out, _ = loresmith("rollback", "--json")
    assert json.loads(out)["release"]["returns_to"] == "r1"
    status, out, _ = loresmith("releases")
    assert "against the gate: a trial for the board" in " ".join(out.split())
    assert "→" in out
    assert "back to r1" in out
    status, _, err = loresmith("promote", "--report", "zzz")
    assert (status, "zzz: no report of that id" in err) == (2, True)


def test_advice_by_flags_needs_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["advise", "--json", "--flow", "--documents", "9", "--rows", "900", "--model", "m"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["recommended"], found["measured"]) == ("both", None)
    assert found["facts"]["flow"] == {"value": True, "from": "flag"}
    assert found["facts"]["changes"] == {"value": None, "from": None}
    assert cli.run(["advise", "--probe"]) == 2
    assert "--probe needs a workspace" in capfd.readouterr().err
    assert cli.run(["advise", "--changes", "daily", "--documents", "3", "--model", "m"]) == 0
    shown = capfd.readouterr().out
    assert "rag: answer from the documents, and train nothing." in shown
    assert "arXiv 2312.05934" in shown


def test_advice_after_a_comparison_speaks_from_it_first(
    plant: WorkspaceDir, capfd: pytest.CaptureFixture[str]
) -> None:
    compared(plant, "1aaa", "lora-1", base=1, rag=9, tuned=2, both=4)
    words = ["advise", "--flow", "--documents", "9", "--rows", "900", "-w", str(plant.root)]
    assert cli.run(words) == 0
    shown = capfd.readouterr().out
    assert shown.index("Measured on 60 questions (report 1aaa)") < shown.index("By the rules:")
    assert "disagree: the rules say both, the comparison rag" in shown
    assert "measured: contradicted; over all questions, both serves -50 points against rag" in shown
    assert cli.run([*words, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["recommended"], found["advice"]["recommended"]) == ("rag", "both")
    assert found["measured"]["agrees"] is False
