"""A tiny random Phi-3, the real class with its fused modules, goes the whole way that docs/phi3.md shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
for package in ("peft", "bitsandbytes", "gguf", "matplotlib"):
    pytest.importorskip(package, reason="pip install loresmith[train]")

from helpers import HashEmbedder  # noqa: E402

from loresmith import cli  # noqa: E402
from loresmith import workspace as folders  # noqa: E402
from loresmith.answering import unaided  # noqa: E402
from loresmith.config import ModelSection  # noqa: E402
from loresmith.models import llamacpp  # noqa: E402
from loresmith.sync import sync  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MANUAL = """# P-200 operating manual

## Torques of the P-200

| Bolt | Torque |
| --- | --- |
| M8 flange bolts | 25 Nm |
| M10 foot bolts | 49 Nm |
| M12 cover bolts | 86 Nm |

## Limits of the P-200

Largest pressure: 16 bar. Longest dry run: 30 seconds. Mass: 48 kg.
"""
QUESTION = "Which torque for the M8 flange bolts of the P-200?"
MODULES = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}

Loresmith = Callable[..., Any]


@pytest.fixture
def loresmith(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Loresmith:
    """Runs a command in this process; its JSON, or a failure that shows what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Any:
        capfd.readouterr()
        status = cli.run([*(str(a) for a in arguments), "--json"])
        said = capfd.readouterr()
        # 3: the model abstained, which a random one may.
        assert status in (0, 3), said.out + said.err
        return json.loads(said.out)

    return run


@pytest.fixture
def plant(tmp_path: Path, phi3: Path) -> Path:
    """A synced workspace whose model is the tiny Phi-3; found by words, since no embedder is at hand."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "p-200.md").write_text(MANUAL)
    settings = {
        "model.name": str(phi3), "model.max_tokens": 24, "model.context_tokens": 1024,
        "retrieval.mode": "text", "parsing.workers": 1, "passages.summaries": "off",
        "training.max_steps": 40, "training.learning_rate": 1e-2, "training.eval_every": 20,
        "training.epochs": 40,
    }  # fmt: skip
    made = folders.create(tmp_path / "plant", settings)
    sync(folders.add_sources(made, [str(documents)]), HashEmbedder())
    return tmp_path / "plant"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_from_documents_to_a_tuned_expert_in_every_form(loresmith, plant, tmp_path, method):
    built = loresmith("dataset", "build", "-w", plant)
    assert built["splits"]["train"] >= 20

    planned = {m["method"]: m for m in loresmith("plan", "-w", plant)["methods"]}
    assert planned["lora"]["trainable"] == planned["qlora"]["trainable"] > 0

    trained = loresmith("train", "-w", plant, "--method", method)
    assert trained["method"] == method
    folder = plant / ".loresmith" / "adapters" / trained["adapter"]
    config = json.loads((folder / "adapter_config.json").read_text())
    # Phi-3's own names: an adapter for q_proj and its like would train next to nothing.
    assert set(config["target_modules"]) == MODULES
    losses = [s["loss"] for s in json.loads((folder / "record.json").read_text())["steps"] if "loss" in s]
    assert losses[-1] < 0.9 * losses[0]

    base = loresmith("ask", QUESTION, "-w", plant, "--arm", "base")
    tuned = loresmith("ask", QUESTION, "-w", plant, "--arm", "tuned")
    both = loresmith("ask", QUESTION, "-w", plant, "--arm", "both")
    assert base["adapter"] is None
    assert tuned["adapter"] == both["adapter"] == trained["adapter"]
    assert tuned["answer"] != base["answer"]
    assert both["hits"]

    forms = ("peft", "merged", "gguf", "ollama", "bundle") if method == "lora" else ("merged", "gguf")
    exported = {
        form: loresmith("export", "--to", form, "-w", plant, "--out", tmp_path / form) for form in forms
    }
    assert all(Path(said["path"]).exists() for said in exported.values())
    [weights] = (tmp_path / "gguf").glob("*.gguf")
    with_gguf = llamacpp.load(ModelSection(name=str(weights), context_tokens=512))
    said = "".join(p.text for p in with_gguf.generate(unaided.messages(QUESTION), max_tokens=24))
    with_gguf.close()
    assert said.split()[:3] == tuned["answer"].split()[:3]


NOTEBOOK = ROOT / "examples" / "phi3.ipynb"


def test_the_notebook_holds_no_output_and_no_way_of_one_machine():
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 8
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "microsoft/Phi-3-mini-4k-instruct" in NOTEBOOK.read_text()


@pytest.mark.slow
@pytest.mark.models
def test_the_notebook_runs_cell_by_cell(tmp_path, phi3, model_files, monkeypatch, capfd):
    model_files("all-MiniLM-L6-v2")
    (tmp_path / "manuals").mkdir()
    (tmp_path / "manuals" / "p-200.md").write_text(MANUAL)
    for name, value in {
        "PHI3": str(phi3),
        "DOCUMENTS": str(tmp_path / "manuals"),
        "LORESMITH_TRAINING__MAX_STEPS": "8",
        "LORESMITH_TRAINING__LEARNING_RATE": "0.01",
        "LORESMITH_MODEL__CONTEXT_TOKENS": "1024",
        "LORESMITH_MODEL__MAX_TOKENS": "24",
        "LORESMITH_PARSING__WORKERS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(NOTEBOOK.read_text())["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    said = capfd.readouterr().out
    assert "⟦" in said  # the tokens that carry loss
    assert "In use for the arms tuned and both" in said
    assert [p.suffix for p in (tmp_path / "phi3-gguf").glob("*.gguf")] == [".gguf"]
