"""Adapters in the real engines: random LoRA weights on tiny models of the real classes, answered
with by transformers and, converted, by llama.cpp."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_gguf

from loresmith.config import ModelSection
from loresmith.errors import MissingExtra, ModelError
from loresmith.models import gguf, load_language_model, lora
from loresmith.models.fingerprint import fingerprint
from loresmith.types import Message, TunedModel

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
peft = pytest.importorskip("peft", reason="pip install loresmith[train]")
transformers = pytest.importorskip("transformers", reason="pip install loresmith[train]")
pytest.importorskip("gguf", reason="pip install loresmith[train]")

from training.tiny import tiny_llama, tiny_phi3  # noqa: E402

from loresmith.models import lora_gguf  # noqa: E402

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

QUESTIONS = ["Which torque?", "What is the pump for and with which bolt?", "Die Pumpe läuft nicht."]
TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
}


def ask(question: str) -> list[Message]:
    return [Message(role="system", content="Be brief."), Message(role="user", content=question)]


def to_gguf(folder: Path, out: Path) -> Path:
    """The tiny model in `folder` as llama.cpp's converter would write it, in float32."""
    config = json.loads((folder / "config.json").read_text())
    kind, heads = config["model_type"], config["num_attention_heads"]
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    names = lora_gguf.gguf.get_tensor_name_map(
        {n: a for a, n in lora_gguf.gguf.MODEL_ARCH_NAMES.items()}[kind], config["num_hidden_layers"]
    )
    tensors = {}
    for name, value in model.state_dict().items():
        array = value.numpy()
        if kind == "llama" and ("q_proj" in name or "k_proj" in name):
            count = heads if "q_proj" in name else config["num_key_value_heads"]
            rows, columns = array.shape
            array = array.reshape(count, 2, rows // count // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        if name == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        tensors[names.get_name(name, try_suffixes=(".weight",))] = np.ascontiguousarray(array)
    backend = json.loads((folder / "tokenizer.json").read_text())
    by_id = {i: t for t, i in tokenizer.get_vocab().items()}
    texts = [by_id.get(i, f"[unused{i}]") for i in range(config["vocab_size"])]
    special = {t["content"] for t in backend["added_tokens"]}
    metadata = {
        "general.architecture": kind,
        f"{kind}.context_length": config["max_position_embeddings"],
        f"{kind}.embedding_length": config["hidden_size"],
        f"{kind}.feed_forward_length": config["intermediate_size"],
        f"{kind}.block_count": config["num_hidden_layers"],
        f"{kind}.attention.head_count": heads,
        f"{kind}.attention.head_count_kv": config["num_key_value_heads"],
        f"{kind}.attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        f"{kind}.rope.dimension_count": config["hidden_size"] // heads,
        f"{kind}.vocab_size": config["vocab_size"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": [
            3 if t in special else 5 if t.startswith("[unused") else 1 for t in texts
        ],
        "tokenizer.ggml.merges": [
            m if isinstance(m, str) else " ".join(m) for m in backend["model"]["merges"]
        ],
        "tokenizer.ggml.bos_token_id": tokenizer.bos_token_id,
        "tokenizer.ggml.eos_token_id": tokenizer.eos_token_id,
        "tokenizer.ggml.padding_token_id": tokenizer.pad_token_id,
        "tokenizer.chat_template": tokenizer.chat_template.replace("{{ eos_token }}", "{{ '' }}"),
    }
    return write_gguf(out, metadata, tensors)


def write_adapter(base: Path, out: Path, *, card: dict[str, object] | None = None, **config: object) -> Path:
    """A LoRA with random weights, large enough to change what attention looks at."""
    kind = json.loads((base / "config.json").read_text())["model_type"]
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wanted = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS[kind], "task_type": "CAUSAL_LM", **config}
    worn = peft.get_peft_model(model, peft.LoraConfig(**wanted))
    chance = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in worn.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=chance) * 0.4)
    worn.save_pretrained(out)
    described = {"id": "lora-12345678", "base_model": str(base), "method": "lora", "labels": []}
    (out / "card.json").write_text(json.dumps({**described, **(card or {})}))
    return out


class Tiny:
    """A tiny base as a folder and as a GGUF file, and an adapter for both."""

    def __init__(self, folder: Path, make) -> None:
        self.folder = make(folder / "base")
        self.gguf = to_gguf(self.folder, folder / "base.gguf")
        self.adapter = write_adapter(self.folder, folder / "adapter")


@pytest.fixture(scope="module", params=["llama", "phi3"])
def tiny(request, tmp_path_factory):
    made = {"llama": tiny_llama, "phi3": tiny_phi3}[request.param]
    return Tiny(tmp_path_factory.mktemp(request.param), made)


@pytest.fixture(scope="module")
def phi3(tmp_path_factory):
    return Tiny(tmp_path_factory.mktemp("phi3"), tiny_phi3)


def by_llamacpp(tiny: Tiny, adapter: Path | None = None) -> TunedModel:
    settings = ModelSection(name=str(tiny.gguf), threads=1)
    return load_language_model(settings, adapter=adapter or tiny.adapter)


def expected(base: Path, adapter: Path | None, tokens: list[int]) -> np.ndarray:
    """log P of every next token by peft itself, in float32."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = peft.PeftModel.from_pretrained(model, str(adapter))
    with torch.inference_mode():
        logits = model(torch.tensor([tokens])).logits[0, -1].double()
    return torch.log_softmax(logits, -1).numpy()


def differences(model, base: Path, adapter: Path | None) -> float:
    """The largest difference of a log-probability between llama.cpp's `model` and peft."""
    largest = 0.0
    for question in QUESTIONS:
        tokens = model._prompt(ask(question))
        ours = model.next_logprobs(tokens, 50)
        theirs = expected(base, adapter, tokens)
        largest = max(largest, *(abs(value - theirs[token]) for token, value in ours.items()))
    return largest


def said(model, question: str = QUESTIONS[0], count: int = 16) -> str:
    return "".join(p.text for p in model.generate(ask(question), max_tokens=count))


def test_llamacpp_computes_what_peft_computes(tiny):
    model = by_llamacpp(tiny)
    try:
        assert isinstance(model, TunedModel)
        assert model.adapter == "lora-12345678"
        assert differences(model, tiny.folder, tiny.adapter) < 0.01
        # The adapter is strong: were it left out, the difference would be of another size.
        assert differences(model, tiny.folder, None) > 0.5
    finally:
        model.close()


def test_the_base_is_there_without_the_adapter_in_the_same_memory(tiny):
    plain = load_language_model(ModelSection(name=str(tiny.gguf), threads=1))
    alone = said(plain)
    plain.close()
    model = by_llamacpp(tiny)
    tuned, base = said(model), said(model.base)
    # One after the other, as the arms of a comparison ask: neither leaves anything to the other.
    again = [said(model), said(model.base), said(model), said(model.base)]
    model.close()
    assert base == alone != tuned
    assert again == [tuned, base, tuned, base]
    with pytest.raises(ModelError, match="closed"):
        model.base.count_tokens(ask("Which?"))


def test_the_base_outlives_the_name_of_its_model(phi3):
    base = by_llamacpp(phi3).base
    alone = said(base)
    assert said(base) == alone
    base.close()
    base.close()


def test_transformers_and_llamacpp_say_the_same(tiny):
    """bfloat16 rounds by .4 %, so the words may part where two tokens are as likely as each other."""
    cpp = by_llamacpp(tiny)
    torch_model = load_language_model(ModelSection(name=str(tiny.folder), threads=1), adapter=tiny.adapter)
    try:
        for one, other in ((cpp, torch_model), (cpp.base, torch_model.base)):
            for question in QUESTIONS:
                letters = list("abcdefghijklmnopqrstuvwxyz")
                a = np.array(one.choice_logprobs(ask(question), letters))
                b = np.array(other.choice_logprobs(ask(question), letters))
                assert np.abs(a - b).max() < 0.25
        assert said(torch_model) != said(torch_model.base)
        assert said(torch_model.base) == said(torch_model.base)
    finally:
        cpp.close()
        torch_model.close()


def test_a_gguf_file_answers_by_transformers_too(tiny, capfd):
    settings = ModelSection(name=str(tiny.gguf), threads=1, engine="transformers")
    model = load_language_model(settings, adapter=tiny.adapter)
    folder = load_language_model(ModelSection(name=str(tiny.folder), threads=1), adapter=tiny.adapter)
    letters = list("abcdefgh")
    assert "Converting" not in capfd.readouterr().err
    for one, other in ((model, folder), (model.base, folder.base)):
        a, b = (m.choice_logprobs(ask("Which torque?"), letters) for m in (one, other))
        assert a == pytest.approx(b, abs=0.1)
    model.close()
    folder.close()


def test_questions_to_both_at_once(phi3):
    model = load_language_model(ModelSection(name=str(phi3.folder), threads=1), adapter=phi3.adapter)
    right = {True: said(model), False: said(model.base)}
    found: list[tuple[bool, str]] = []

    def one(tuned: bool) -> None:
        found.append((tuned, said(model if tuned else model.base)))

    threads = [threading.Thread(target=one, args=(n % 2 == 0,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.close()
    assert len(found) == 6
    assert all(text == right[tuned] for tuned, text in found)


@pytest.mark.parametrize(
    "config",
    [
        {"use_rslora": True},
        {"alpha_pattern": {"o_proj": 3}, "rank_pattern": {"down_proj": 2}},
        {"target_modules": ["o_proj", "down_proj"]},
    ],
    ids=["rslora", "patterns", "some modules"],
)
def test_scales_and_targets_of_other_adapters(phi3, tmp_path, config):
    adapter = write_adapter(phi3.folder, tmp_path / "a", **config)
    model = by_llamacpp(phi3, adapter)
    try:
        assert differences(model, phi3.folder, adapter) < 0.01
        assert differences(model, phi3.folder, phi3.adapter) > 0.05
    finally:
        model.close()


def test_an_adapter_in_bfloat16_is_read_without_torch(phi3, tmp_path):
    from safetensors.torch import load_file, save_file

    adapter = shutil.copytree(phi3.adapter, tmp_path / "a")
    weights = {k: v.bfloat16() for k, v in load_file(adapter / lora.WEIGHTS).items()}
    save_file(weights, adapter / lora.WEIGHTS)
    ours = lora.modules(lora.read(adapter))["model.layers.1.self_attn.qkv_proj"]
    key = "base_model.model.model.layers.1.self_attn.qkv_proj.lora_{}.weight"
    for matrix, half in zip(ours, "AB", strict=True):
        assert np.array_equal(matrix, weights[key.format(half)].float().numpy())


def test_converted_once_and_again_when_the_weights_change(phi3, tmp_path):
    adapter = shutil.copytree(phi3.adapter, tmp_path / "a")
    by_llamacpp(phi3, adapter).close()
    made = adapter / lora.CONVERTED
    first = made.stat()
    by_llamacpp(phi3, adapter).close()
    assert made.stat().st_mtime_ns == first.st_mtime_ns
    other = write_adapter(phi3.folder, tmp_path / "b", r=2)
    shutil.copy(other / lora.WEIGHTS, adapter / lora.WEIGHTS)
    shutil.copy(other / lora.CONFIG, adapter / lora.CONFIG)
    os.utime(adapter / lora.WEIGHTS, ns=(first.st_mtime_ns + 10**9,) * 2)
    model = by_llamacpp(phi3, adapter)
    assert differences(model, phi3.folder, other) < 0.01
    model.close()
    assert sorted(p.name for p in adapter.iterdir() if p.name.startswith(".")) == []


def test_a_damaged_conversion_is_made_anew(phi3, tmp_path):
    adapter = shutil.copytree(phi3.adapter, tmp_path / "a")
    by_llamacpp(phi3, adapter).close()
    made = adapter / lora.CONVERTED
    whole = made.read_bytes()
    made.write_bytes(whole[: len(whole) // 2])
    model = by_llamacpp(phi3, adapter)
    assert differences(model, phi3.folder, adapter) < 0.01
    model.close()
    assert made.read_bytes() == whole


def test_answering_needs_no_converter(phi3, tmp_path, monkeypatch):
    """As on a machine that has imported the adapter and has no extra installed."""
    adapter = shutil.copytree(phi3.adapter, tmp_path / "a")
    by_llamacpp(phi3, adapter).close()
    for name in ("gguf", "loresmith.models.lora_gguf"):
        monkeypatch.setitem(sys.modules, name, None)
    model = by_llamacpp(phi3, adapter)
    assert said(model) != said(model.base)
    model.close()
    (adapter / lora.CONVERTED).unlink()
    monkeypatch.delitem(sys.modules, "loresmith.models.lora_gguf")
    monkeypatch.delattr("loresmith.models.lora_gguf", raising=False)
    with pytest.raises(MissingExtra, match=r"llama.cpp needs the package gguf.*loresmith\[train\]"):
        by_llamacpp(phi3, adapter)


def test_other_weights_than_those_it_was_trained_on_are_refused(phi3, tmp_path):
    other = tiny_phi3(tmp_path / "other", seed=1)
    card = {"base_fingerprint": fingerprint(phi3.folder), "base_model": "phi3-of-ours"}
    adapter = write_adapter(phi3.folder, tmp_path / "a", card=card)
    load_language_model(ModelSection(name=str(phi3.folder), threads=1), adapter=adapter).close()
    with pytest.raises(ModelError, match=r"trained on phi3-of-ours, not on these weights of .*other"):
        load_language_model(ModelSection(name=str(other), threads=1), adapter=adapter)
    with pytest.raises(ModelError, match="not on these weights"):
        load_language_model(ModelSection(name=str(phi3.gguf), threads=1), adapter=adapter)


def test_an_adapter_that_does_not_fit_is_refused_by_both_engines(phi3, tmp_path):
    larger = tiny_phi3(tmp_path / "larger", hidden=96)
    adapter = write_adapter(larger, tmp_path / "a")
    for place in (phi3.folder, phi3.gguf):
        with pytest.raises(ModelError, match="does not fit"):
            load_language_model(ModelSection(name=str(place), threads=1), adapter=adapter)
    assert not (adapter / lora.CONVERTED).exists()
    llama = tiny_llama(tmp_path / "llama")
    adapter = write_adapter(llama, tmp_path / "b")
    for place in (phi3.folder, phi3.gguf):
        with pytest.raises(ModelError, match="does not fit"):
            load_language_model(ModelSection(name=str(place), threads=1), adapter=adapter)


def test_dora_is_answered_by_transformers(phi3, tmp_path):
    adapter = write_adapter(phi3.folder, tmp_path / "a", use_dora=True)
    settings = ModelSection(name=str(phi3.gguf), threads=1, engine="llama.cpp")
    with pytest.raises(ModelError, match=r"DoRA.*transformers"):
        load_language_model(settings, adapter=adapter)
    model = load_language_model(ModelSection(name=str(phi3.gguf), threads=1), adapter=adapter)
    assert said(model) != said(model.base)
    model.close()


def test_the_base_of_a_qlora_adapter_is_rounded_as_it_was_in_training(phi3, tmp_path):
    bnb = pytest.importorskip("bitsandbytes")
    adapter = write_adapter(phi3.folder, tmp_path / "a", card={"method": "qlora"})
    model = load_language_model(ModelSection(name=str(phi3.folder), threads=1), adapter=adapter)
    weight = model.model.base_model.model.model.layers[0].mlp.down_proj.base_layer.weight
    original = transformers.AutoModelForCausalLM.from_pretrained(phi3.folder, dtype=weight.dtype)
    layer = original.model.layers[0].mlp.down_proj
    packed, state = bnb.functional.quantize_4bit(
        layer.weight.data, quant_type="nf4", compress_statistics=True
    )
    assert not torch.equal(weight, layer.weight)
    assert torch.equal(weight, bnb.functional.dequantize_4bit(packed, state))
    assert torch.equal(model.model.base_model.model.lm_head.weight, original.lm_head.weight)
    model.close()


def test_llamacpp_answers_with_the_base_that_qlora_saw(tiny, tmp_path, monkeypatch, caplog):
    nf4 = pytest.importorskip("loresmith.training.nf4", reason="pip install loresmith[train]")
    monkeypatch.setenv("LORESMITH_CACHE", str(tmp_path / "cache"))
    card = {"method": "qlora", "recipe": {"precision": "fp32"}, "base_fingerprint": fingerprint(tiny.gguf)}
    adapter = write_adapter(tiny.folder, tmp_path / "a", card=card)
    as_trained = shutil.copytree(tiny.folder, tmp_path / "rounded")
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny.folder, dtype=torch.float32)
    nf4.quantise(model, "cpu", compute=torch.float32)
    nf4.dequantise(model, torch.float32)
    model.save_pretrained(as_trained)

    original = tiny.gguf.read_bytes()
    first = by_llamacpp(tiny, adapter)
    (made,) = (tmp_path / "cache" / "models" / "rounded").iterdir()
    first.close()
    ours, right, unrounded = (
        {
            t.name: lora_gguf.gguf.dequantize(t.data, t.tensor_type)
            for t in lora_gguf.gguf.GGUFReader(p).tensors
        }
        for p in (made, to_gguf(as_trained, tmp_path / "right.gguf"), tiny.gguf)
    )
    for name, weight in right.items():
        off = np.linalg.norm(ours[name] - weight) / np.linalg.norm(weight)
        if "blk." in name and weight.ndim == 2:
            assert off < 0.01, name  # what eight bits cost
            assert np.linalg.norm(ours[name] - unrounded[name]) / np.linalg.norm(weight) > 0.05, name
        else:
            assert off == 0, name
    written = made.stat().st_mtime_ns
    by_llamacpp(tiny, adapter).close()
    assert (made.stat().st_mtime_ns, tiny.gguf.read_bytes()) == (written, original)

    # Where the base cannot be rounded, it answers as it is, and that is said.
    made.unlink()
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", None)
    for name in ("nf4", "rounded"):
        monkeypatch.delitem(sys.modules, f"loresmith.models.{name}")
        monkeypatch.delattr(f"loresmith.models.{name}")
    last = by_llamacpp(tiny, adapter)
    assert differences(last, tiny.folder, adapter) < 0.01
    last.close()
    assert "answers with the unrounded one" in caplog.text


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("adapter_config.json", None, "holds no adapter: adapter_config.json is missing"),
        ("adapter_model.safetensors", None, "adapter_model.safetensors is missing"),
        ("adapter_config.json", b"{", "cannot be read"),
        ("adapter_config.json", b'{"peft_type": "LOHA"}', "LOHA; only LoRA"),
        ("adapter_model.safetensors", b"\x00" * 64, "cannot be read"),
    ],
)
def test_damaged_adapters(phi3, tmp_path, file, content, words):
    adapter = shutil.copytree(phi3.adapter, tmp_path / "a")
    (adapter / lora.CONVERTED).unlink(missing_ok=True)
    (adapter / file).unlink()
    if content is not None:
        (adapter / file).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        by_llamacpp(phi3, adapter)


def test_modules_that_llamacpp_cannot_take(phi3, tmp_path):
    adapter = write_adapter(phi3.folder, tmp_path / "a", modules_to_save=["lm_head"])
    with pytest.raises(ModelError, match=r"lm_head.* no plain LoRA.*transformers"):
        by_llamacpp(phi3, adapter)


def test_an_architecture_whose_order_of_rows_is_not_known(phi3):
    head = gguf.read(phi3.gguf)
    head = dataclasses.replace(head, metadata={**head.metadata, "general.architecture": "plm"})
    with pytest.raises(ModelError, match=r"architecture plm cannot be converted.*transformers"):
        lora_gguf.convert(phi3.adapter, head, phi3.adapter / "other.gguf")
    assert not (phi3.adapter / "other.gguf").exists()


def test_an_endpoint_takes_no_adapter_of_this_machine(phi3):
    settings = ModelSection(name="m", endpoint="http://127.0.0.1:1/v1")
    with pytest.raises(ModelError, match="cannot be given an adapter"):
        load_language_model(settings, adapter=phi3.adapter)


def test_auto_takes_the_base_of_the_adapter(phi3, tmp_path):
    adapter = write_adapter(phi3.folder, tmp_path / "a", card={"base_model": str(phi3.gguf)})
    model = load_language_model(ModelSection(name="auto", threads=1), adapter=adapter)
    assert model.name == "base"
    assert isinstance(model.head, gguf.GGUF)
    model.close()
