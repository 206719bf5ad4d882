"""A teacher writes; what does not hold is not taught."""

from __future__ import annotations

from pathlib import Path

from building import SETTINGS, plant, write_documents

from loresmith.dataset import build, teacher
from loresmith.models.fake import FakeModel

GOOD = (
    "Q: After how many operating hours must the oil of the P-200 be changed?\n"
    "A: The oil must be changed every 4,000 operating hours."
)
WRONG = (
    "Q: For how long can preserved P-200 pumps be stored?\nA: Preserved pumps can be stored for 99 months."
)
LEANING = (
    "Q: What does this passage say about the oil?\nA: The oil must be changed every 4,000 operating hours."
)


def test_only_what_holds_becomes_rows(tmp_path: Path) -> None:
    model = FakeModel({"4,000 operating hours": f"{GOOD}\n{WRONG}\n\n{LEANING}"}, default="Nothing to ask.")
    workspace = plant(tmp_path / "plant", write_documents(tmp_path / "documents"))
    made = [r for r in build.build(workspace, settings=SETTINGS, writer=model) if r.origin == "teacher:fake"]
    assert made
    assert {r.kind for r in made} >= {"closed", "grounded"}
    assert all("4,000" in r.answer for r in made if r.kind != "abstain")
    assert not any("99 months" in m["content"] for r in made for m in r.messages)
    assert not any("this passage" in r.question for r in made)


def test_pairs_are_found_in_what_models_write() -> None:
    text = (
        "Sure!\n1. Q: What is A?\nA: It is one.\n\n**Q:** What is B?\n**A:** It is two.\nQ: no mark\nA: none"
    )
    assert teacher.pairs(text) == [("What is A?", "It is one."), ("What is B?", "It is two.")]


def test_a_passage_is_fenced_before_the_teacher_sees_it(tmp_path: Path) -> None:
    model = FakeModel("Nothing.")
    workspace = plant(tmp_path / "plant", write_documents(tmp_path / "documents"))
    build.build(workspace, settings=SETTINGS.model_copy(update={"max_rows": 20}), writer=model)
    assert model.prompts
    assert all(p[1]["content"].count('"""') == 2 for p in model.prompts)
