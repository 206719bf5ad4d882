"""Exports as a user finds them: folders that load, cards that are true, nothing half written."""

from __future__ import annotations

import json
import re

import pytest
from training.making import make_adapter

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
transformers = pytest.importorskip("transformers", reason="pip install loresmith[train]")
peft = pytest.importorskip("peft", reason="pip install loresmith[train]")

from loresmith.dataset.example import Example  # noqa: E402
from loresmith.errors import ModelError, TrainingError, UsageError  # noqa: E402
from loresmith.training import adapters  # noqa: E402
from loresmith.training import base as bases  # noqa: E402
from loresmith.training.exporting import card, export, merge, proof  # noqa: E402
from loresmith.types import Message  # noqa: E402

QUESTIONS = [[Message(role="user", content=text)] for text in ("Which torque?", "What is the pump for?")]


def adapter_of(folder, base, **options):
    return adapters.read(make_adapter(folder, base, **options))


def names_in(folder):
    return {path.name for path in folder.iterdir()}


# --- peft -------------------------------------------------------------------------------------


def test_peft_loads_elsewhere_and_names_no_place_of_this_machine(phi3, tmp_path):
    adapter = adapter_of(tmp_path / "a1", phi3)
    done = export.peft(adapter, tmp_path / "out")
    config = json.loads((done.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == phi3.name
    base = transformers.AutoModelForCausalLM.from_pretrained(phi3)
    model = merge.attached(base, done.path)
    assert sum(".lora_A." in name for name, _ in model.named_parameters()) == 8
    for path in done.path.glob("*.[mj]*"):
        assert str(tmp_path) not in path.read_text()


# --- merged -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "qlora"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_merged_folder_loads_without_peft_and_says_the_same(method, precision, phi3, tmp_path):
    adapter = adapter_of(tmp_path / "a1", phi3, method=method)
    done = export.merged(adapter, tmp_path / "out", precision=precision, conversations=QUESTIONS)
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        done.path, dtype="auto", output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert model.dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert transformers.AutoTokenizer.from_pretrained(done.path).chat_template
    assert done.proof["questions"] == 2
    assert done.proof["agreement"] > 0.97
    assert done.proof["drift"] < 0.02 < 0.2 < done.proof["effect"]


def test_a_merge_of_a_gguf_base_is_a_plain_folder(llama, tmp_path):
    base = export.gguf(adapter_of(tmp_path / "a1", llama), tmp_path / "base").path
    done = export.merged(adapter_of(tmp_path / "a2", base, precision="bf16"), tmp_path / "out")
    assert "quantization_config" not in json.loads((done.path / "config.json").read_text())
    assert transformers.AutoModelForCausalLM.from_pretrained(done.path).config.model_type == "llama"
    assert done.proof["agreement"] > 0.95


# --- the proof itself -------------------------------------------------------------------------


def test_an_export_that_forgot_the_adapter_is_refused(phi3, tmp_path):
    """The bare base held against the adapter: what a merge that does nothing would come to."""
    adapter = adapter_of(tmp_path / "a1", phi3)
    base = bases.load(str(phi3), method="lora", precision="fp32", device="cpu")
    model = merge.attached(base.model, adapter.folder)
    told = proof.tell(model, base.tokenizer, QUESTIONS, 16)
    with model.disable_adapter():
        bare = proof.read_along(model, base.tokenizer, told)
    found = proof.compare("nothing merged", told, bare, bare)
    assert found.drift == found.effect > 0.2
    with pytest.raises(TrainingError, match="does not say what the adapter says"):
        proof.check(found, "bf16")
    itself = proof.compare("itself", told, proof.read_along(model, base.tokenizer, told), bare)
    assert (itself.agreement, itself.answers) == (1.0, 2)
    assert itself.drift < 1e-4
    proof.check(itself, "bf16")


def test_an_export_with_another_tokenizer_is_refused(phi3, llama, tmp_path):
    adapter = adapter_of(tmp_path / "a1", phi3)
    base = bases.load(str(phi3), method="lora", precision="fp32", device="cpu")
    model = merge.attached(base.model, adapter.folder)
    told = proof.tell(model, base.tokenizer, QUESTIONS, 4)
    with pytest.raises(TrainingError, match="reads a question as other tokens"):
        proof.read_along(model, transformers.AutoTokenizer.from_pretrained(llama), told)


def test_an_adapter_of_another_base_is_refused_before_anything_is_computed(phi3, llama, tmp_path):
    folder = make_adapter(tmp_path / "a1", phi3)
    raw = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**raw, "base_model": str(llama)}))
    with pytest.raises(ModelError, match="trained on"):
        export.merged(adapters.read(folder), tmp_path / "out")
    assert names_in(tmp_path) == {"a1"}


def test_a_merge_that_fails_leaves_nothing(phi3, tmp_path):
    adapter = adapter_of(tmp_path / "a1", phi3, strength=300.0)
    with pytest.raises(TrainingError, match="do not fit fp16"):
        export.merged(adapter, tmp_path / "out", precision="fp16", conversations=QUESTIONS)
    assert names_in(tmp_path) == {"a1"}


@pytest.mark.parametrize("form", ["peft", "merged", "gguf", "ollama"])
def test_nothing_is_overwritten(form, phi3, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        getattr(export, form)(adapter_of(tmp_path / "a1", phi3), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"


def test_questions_of_the_proof_come_from_every_kind_of_row():
    def row(kind, number):
        asked = Message(role="user", content=f"{kind} {number}")
        return Example(kind=kind, messages=(asked, Message(role="assistant", content="a")))

    rows = (
        [row("closed", n) for n in range(50)] + [row("grounded", n) for n in range(2)] + [row("abstain", 0)]
    )
    chosen = [messages[0]["content"] for messages in export.conversations_of(rows, 6)]
    assert chosen == ["closed 0", "grounded 0", "abstain 0", "closed 1", "grounded 1", "closed 2"]
    assert len(export.conversations_of(rows[:3], 6)) == 3


# --- ollama -----------------------------------------------------------------------------------


def go(template, messages):
    """Ollama's reading of the few constructs that are used: conditions, a range, two fields."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    branch = re.match(
        r"\{\{ if \.System \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}\{\{ range \.Messages \}\}"
        r'\{\{ if eq \.Role "user" \}\}(.*?)\{\{ else if eq \.Role "assistant" \}\}(.*?)'
        r"\{\{ end \}\}\{\{ end \}\}$",
        template,
        re.DOTALL,
    )
    assert branch, template
    with_system, without, user, assistant = branch.groups()
    text = with_system.replace("{{ .System }}", system) if system else without
    for message in messages:
        piece = {"user": user, "assistant": assistant}.get(message["role"], "")
        text += piece.replace("{{ .Content }}", message["content"])
    return text


@pytest.mark.parametrize("kind", ["phi3", "llama"])
def test_the_modelfile_renders_as_the_model_was_trained(kind, request, tmp_path):
    adapter = adapter_of(tmp_path / "a1", request.getfixturevalue(kind))
    done = export.ollama(adapter, tmp_path / "out", conversations=QUESTIONS)
    text = (done.path / "Modelfile").read_text()
    assert text.startswith("FROM ./a1-q8_0.gguf\n")
    assert (done.path / "a1-q8_0.gguf").is_file()
    end = {"phi3": "<|end|>", "llama": "<|im_end|>"}[kind]
    assert f'PARAMETER stop "{end}"' in text
    assert "PARAMETER temperature 0\n" in text
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)[1]
    tokenizer = transformers.AutoTokenizer.from_pretrained(adapter.base_model)
    asked = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Which torque?"),
        Message(role="assistant", content="25 Nm."),
        Message(role="user", content="And the M10?"),
    ]
    for messages in (asked, asked[:2], asked[1:], asked[1:2]):
        expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert go(template, messages) == expected


# --- the card ---------------------------------------------------------------------------------


def test_the_card_states_data_licence_figures_and_limits_but_no_data(phi3, tmp_path):
    adapter = adapter_of(
        tmp_path / "a1",
        phi3,
        labels=("internal",),
        card={
            "dataset": {"id": "d1", "rows": {"train": 40}, "languages": ["de"], "documents": {"x.pdf": "0"}},
            "figures": {
                "loss": {"train": 0.1, "dev": None},
                "perplexity": {"dev": {"before": 9.0, "after": 2.0}},
            },
            "limits": ["Only for pumps."],
        },
    )
    done = export.merged(adapter, tmp_path / "out", conversations=QUESTIONS)
    text = (done.path / "README.md").read_text()
    assert text.startswith('---\nbase_model: "')
    for part in (
        "Dataset `d1`", "train 40", "Access labels: **internal**", "## Licence", "unknown",
        "| Loss (train), nats per token | 0.1000 |", "9.00 → 2.00", "- Only for pumps.",
        done.proof["sentence"],
    ):  # fmt: skip
        assert part in text, part
    everything = text + (done.path / "card.json").read_text()
    assert "secret" not in everything
    assert str(phi3) not in everything


def test_the_licence_of_the_base_is_found_where_it_stands(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    assert card.licence_of(str(folder)) == ""
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Phi\n")
    assert card.licence_of(str(folder)) == "mit"
    assert card.licence_of("smollm2-135m") == "Apache-2.0"
