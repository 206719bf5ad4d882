"""Advice: rules, what the workspace shows, the tokenizer's pieces, and measurement beside the rules."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from evaluation.made_folders import every, question, write
from helpers import HashEmbedder

from loresmith import timings, workspace
from loresmith.dataset import store as datasets
from loresmith.dataset.example import Example
from loresmith.evaluation.advice import Facts, advise, collect, interview, knowledge, measured, vocabulary
from loresmith.evaluation.advice.facts import over
from loresmith.evaluation.comparison import report
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.state import DocumentInfo

PLENTY = {"rows": 2000, "documents": 40}


@pytest.mark.parametrize(
    ("facts", "arm"),
    [
        (Facts(documents=40), "rag"),
        (Facts(**PLENTY, changes="weekly"), "rag"),
        (Facts(**PLENTY, sources=True, synthesis=True), "rag"),
        (Facts(**PLENTY, style=True, changes="never"), "both"),
        (Facts(documents=0, rows=2000, style=True, changes="never"), "tuned"),
        (Facts(**PLENTY, flow=True), "both"),
        (Facts(documents=40, rows=30, flow=True, style=True), "rag"),
        (Facts(documents=0, rows=30, style=True), "base"),
        (Facts(**PLENTY, known=0.95), "base"),
        (Facts(**PLENTY, known=0.95, sources=True), "rag"),
        (Facts(**PLENTY, style=True, obstacle="no memory"), "rag"),
        (Facts(**PLENTY, style=True, training=90 * 3600.0), "rag"),
        # A hint alone does not turn anything.
        (Facts(**PLENTY, vocabulary=0.5, parameters=135_000_000), "rag"),
        (Facts(), "rag"),
    ],
)
def test_the_usual_rules(facts: Facts, arm: str) -> None:
    assert advise(facts).recommended == arm


def test_every_rule_that_fires_has_its_fact_its_origin_and_a_source() -> None:
    facts = over(Facts(), {"documents": 40, "rows": 12}, "the workspace")
    facts = over(facts, {"changes": "daily", "style": True, "flow": True, "readers": True}, "flag")
    found = advise(facts)
    by_rule = {rule.rule: rule for rule in found.fired}
    assert {"external", "changing", "style", "flow", "readers", "little data"} == set(by_rule)
    assert by_rule["little data"].fact == "12 training rows are at hand"
    assert by_rule["little data"].known_from == "the workspace"
    assert by_rule["changing"].known_from == "flag"
    assert all(rule.sources and rule.because for rule in found.fired)
    assert "under these conditions" in found.headline


def test_what_would_change_it_does_change_it() -> None:
    facts = Facts(documents=40, rows=2000, style=True)
    found = advise(facts)
    assert found.recommended == "both"
    changes = dict(found.changes)
    assert changes["no form or vocabulary of the house were needed"] == "rag"
    assert changes["there were fewer than 100 training rows"] == "rag"
    assert changes["there were no documents"] == "tuned"
    assert advise(Facts(documents=0, rows=2000, style=True)).recommended == "tuned"
    # Nobody told these, and each could matter.
    assert {"sources", "changes", "flow", "known"} <= set(found.unknown)


def test_the_interview_asks_what_nobody_knows_and_takes_short_answers() -> None:
    answers = {"changes": "w", "sources": "Y", "synthesis": "perhaps", "flow": ""}
    asked: list[str] = []

    def answer(one: interview.Asked) -> str:
        asked.append(one.fact)
        said = answers.get(one.fact, "no")
        answers[one.fact] = "no"
        return said

    found = interview.interview(Facts(style=True), answer)
    assert asked == ["changes", "sources", "synthesis", "synthesis", "flow", "readers"]
    assert (found.changes, found.sources, found.synthesis) == ("weekly", True, False)
    assert (found.flow, found.readers, found.style) == (None, False, True)
    assert found.origins["sources"] == "your answer"


# --- what the workspace shows -----------------------------------------------------------------

NOW = 1_800_000_000.0
DAY = 86_400.0


def info(number: int, age: float | None = None, version: str = "a") -> DocumentInfo:
    return DocumentInfo(
        id=f"{number}.txt", item=f"{number}.txt", source="/docs", uri="", version=version, media_type="",
        title="", language="en", labels=(), modified=None if age is None else NOW - age * DAY, warnings=(),
        summary="", characters=100,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> workspace.WorkspaceDir:
    return workspace.create(tmp_path / "plant", {"model.name": "none"})


def stamp(days: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - days * DAY))


def test_how_soon_documents_change_by_the_record_of_syncs(folder: workspace.WorkspaceDir) -> None:
    infos = [info(i) for i in range(20)]
    lines = [
        {"work": "sync", "at": stamp(100), "seconds": 9, "added": 20},
        {"work": "sync", "at": stamp(50), "seconds": 1, "changed": 4, "removed": 1},
        {"work": "sync", "at": stamp(1), "seconds": 1, "changed": 5},
    ]
    (folder.data / timings.NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Half of the documents in 100 days: a tenth in 20.
    assert collect.how_soon(folder, infos, NOW) == (
        "monthly", "10 changes of 20 documents in 3 syncs over 100 days",
    )  # fmt: skip


def test_how_soon_documents_change_by_the_versions_a_dataset_was_made_from(
    folder: workspace.WorkspaceDir,
) -> None:
    row = Example(
        messages=({"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}),
        kind="closed",
        question="q",
        documents=tuple(f"{i}.txt" for i in range(10)),
    )
    made = datasets.save(
        folder.datasets_dir, [row], {row.id: "train"}, documents={f"{i}.txt": "a" for i in range(10)}
    )
    manifest = folder.datasets_dir / made.id / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "created": stamp(365)}))
    same = [info(i) for i in range(10)]
    assert collect.how_soon(folder, same, NOW) == (
        "never", "0 of 10 documents changed in the 365 days since a dataset was made",
    )  # fmt: skip
    changed = [info(i, version="b" if i < 2 else "a") for i in range(9)]  # two changed, one gone
    found = collect.how_soon(folder, changed, NOW)
    assert found is not None
    assert found[0] == "yearly"
    assert found[1].startswith("3 of 10 documents changed")


def test_dates_of_documents_are_believed_only_where_they_are_not_those_of_a_copy(
    folder: workspace.WorkspaceDir,
) -> None:
    spread = [info(i, age=10 + 40 * i) for i in range(20)]
    assert collect.how_soon(folder, spread, NOW) == (
        "yearly", "a tenth of the documents is dated within the last 90 days",
    )  # fmt: skip
    copied = [info(i, age=0.01 * i if i < 8 else 40 * i) for i in range(20)]
    assert collect.how_soon(folder, copied, NOW) is None
    assert collect.how_soon(folder, [info(i) for i in range(20)], NOW) is None


def test_facts_of_a_workspace(tmp_path: Path) -> None:
    documents = tmp_path / "docs"
    documents.mkdir()
    (documents / "a.md").write_text("# P-200\n\nThe torque of the M8 bolts is 25 Nm.\n")
    folder = workspace.create(tmp_path / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder(32)) as opened:
        opened.folder = workspace.add_sources(opened.folder, [str(documents)], ["staff"])
        opened.sync()
        folder = opened.folder
    found = collect.collect(folder)
    assert (found.documents, found.readers, found.rows) == (1, True, None)
    assert found.origins["readers"] == "the workspace: 1 documents have access labels"
    assert found.obstacle == "no language model is configured"
    assert advise(found).recommended == "rag"


def test_what_the_model_knows_alone_is_asked_once_a_fact(tmp_path: Path) -> None:
    def row(fact: str, wording: str, answer: str, value: str) -> Example:
        asked = f"{wording} the torque of {fact}?"
        turns = ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
        return Example(messages=turns, kind="closed", question=asked, fact=fact, value=value)

    rows = [
        row(f"bolt {i}", wording, f"The torque is {40 + i} Nm.", f"{40 + i} Nm")
        for i in range(8)
        for wording in ("What is", "Tell me")
    ]
    folder = workspace.create(tmp_path / "plant")
    datasets.save(folder.datasets_dir, rows, {r.id: "train" for r in rows})
    model = FakeModel({"bolt 3": "It is 43 Nm.", "bolt 5": "45 Nm."}, default="It is 12 Nm.")
    with Workspace(folder, embedder=HashEmbedder(32), model=model) as opened:
        known = knowledge.ask_base(opened, lambda stage, done, total: None)
    assert (known.right, known.asked) == (2, 8)
    assert known.share == 0.25


# --- the tokenizer's pieces -------------------------------------------------------------------


def test_words_are_counted_by_the_pieces_they_break_into() -> None:
    pieces = {"torque": ["torque"], "flange": ["fl", "ange"], "mastic": ["m", "ast", "ic"]}
    found = vocabulary.measure(
        ["The torque of the flange. MASTIC, mastic and Mastic; the M8 and 25 Nm."],
        lambda word: pieces.get(word, list(word) if word in ("MASTIC", "Mastic") else [word]),
    )
    assert (found.words, found.distinct) == (5, 5)
    assert found.share == 3 / 5
    assert found.examples[0] == ("MASTIC", ("m", "ast", "ic"), 1)
    assert vocabulary.measure([], list).share == 0.0


@pytest.mark.models
@pytest.mark.parametrize("name", ["smollm2-135m", "qwen2.5-coder-0.5b"])
def test_pieces_are_those_of_the_model(name: str, model_files) -> None:
    """Held against the merges of `tokenizers`, the library that the models' makers use."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    from loresmith.models import gguf, pieces

    path = model_files(name)[0]
    raw = gguf.arrays(path, "tokenizer.ggml.tokens", "tokenizer.ggml.merges")
    merges = [tuple(merge.split(" ", 1)) for merge in raw["tokenizer.ggml.merges"]]
    ids = {token: i for i, token in enumerate(raw["tokenizer.ggml.tokens"])}
    reference = Tokenizer(BPE(vocab=ids, merges=merges))
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    reference.decoder = decoders.ByteLevel()
    ours = pieces.tokenizer(name)
    assert ours is not None
    text = Path(__file__).read_text() + " Anzugsmoment Größe Wellendichtring presión 扭矩 Gleitringdichtung"
    words = sorted({word for word in text.split() if word.isalpha()})
    assert len(words) > 150
    for word in words:
        assert len(ours(word)) == len(reference.encode(f" {word}").tokens), word
    assert "".join(ours("Pumpe")) == "Pumpe"


# --- measurement before rules -----------------------------------------------------------------


def compared(tmp_path: Path, **served: int) -> dict:
    questions = [question(i, ("indexed", "changed", "style", "trained")[i % 4]) for i in range(200)]
    return report.compute(write(tmp_path, questions, {arm: every(n) for arm, n in served.items()}))


def test_a_measurement_that_agrees_confirms_rule_by_rule(tmp_path: Path) -> None:
    found = compared(tmp_path, base=1, rag=9, tuned=4, both=8)
    advice = advise(Facts(documents=40, changes="weekly"))
    seen = measured.read(found, advice)
    assert seen is not None
    assert (seen.recommended, seen.agrees) == ("rag", True)
    standing = {test.rule: test for test in seen.tested}
    assert standing["changing"].standing == "confirmed"
    assert "rag serves +40 points against tuned" in standing["changing"].words


def test_a_measurement_that_disagrees_says_so_and_goes_first(tmp_path: Path) -> None:
    found = compared(tmp_path, base=1, rag=9, tuned=2, both=3)
    advice = advise(Facts(documents=40, rows=2000, flow=True))
    assert advice.recommended == "both"
    seen = measured.read(found, advice, ["documents changed since"])
    assert seen is not None
    assert (seen.recommended, seen.agrees, seen.stale) == ("rag", False, ("documents changed since",))
    assert "disagree: the rules say both, the comparison rag" in seen.words
    assert {test.rule: test.standing for test in seen.tested}["flow"] == "contradicted"


def test_a_measurement_that_settles_nothing_leaves_the_rules_standing(tmp_path: Path) -> None:
    questions = [question(i) for i in range(8)]
    found = report.compute(write(tmp_path, questions, {"base": every(3), "rag": every(6)}))
    seen = measured.read(found, advise(Facts(documents=40)))
    assert seen is not None
    assert seen.agrees is None
    assert "settles nothing yet" in seen.words
    assert "Until then the rules speak, for rag" in seen.words
