"""GGUF files: loaded by the real llama.cpp, they say what the adapter says in transformers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from training.making import make_adapter
from training.tiny import PHI3_TAGS, PHI3_TEMPLATE, WORDS

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
transformers = pytest.importorskip("transformers", reason="pip install loresmith[train]")
gguf = pytest.importorskip("gguf", reason="pip install loresmith[train]")

from loresmith.config import ModelSection  # noqa: E402
from loresmith.errors import TrainingError  # noqa: E402
from loresmith.models import gguf as heads  # noqa: E402
from loresmith.models import llamacpp  # noqa: E402
from loresmith.training import adapters  # noqa: E402
from loresmith.training import base as bases  # noqa: E402
from loresmith.training.exporting import export, gguf_head, merge  # noqa: E402
from loresmith.training.tokens import Chat  # noqa: E402
from loresmith.types import Message  # noqa: E402

QUESTION = [
    Message(role="system", content="You answer in short sentences."),
    Message(role="user", content="Which torque is for the bolt of the pump?"),
]


def by_llama_cpp(path, tokens=16):
    """Token ids of the answer, each the likeliest behind those before."""
    model = llamacpp.load(ModelSection(name=str(path), threads=1, context_tokens=512))
    prompt = model._prompt(QUESTION)
    ids = list(prompt)
    for _ in range(tokens):
        likely = model.next_logprobs(ids, 4)
        ids.append(max(likely, key=lambda token: likely[token]))
    model.close()
    return prompt, ids[len(prompt) :]


def by_transformers(adapter, tokens=16):
    """The same by PEFT over the base, in float32."""
    base = bases.load(adapter.base_model, method=adapter.method, precision="fp32", device="cpu")
    model = merge.attached(base.model, adapter.folder)
    chat = Chat(base.tokenizer)
    prompt = chat.encode(chat.prompt(QUESTION))
    ids = list(prompt)
    for _ in range(tokens):
        with torch.inference_mode():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return prompt, ids[len(prompt) :]


@pytest.mark.parametrize("method", ["lora", "qlora"])
@pytest.mark.parametrize("kind", ["phi3", "llama"])
def test_llama_cpp_says_what_the_adapter_says(kind, method, request, tmp_path):
    adapter = adapters.read(make_adapter(tmp_path / "a1", request.getfixturevalue(kind), method=method))
    done = export.gguf(adapter, tmp_path / "out", quantise="f16")
    assert done.path == tmp_path / "out" / "a1-f16.gguf"
    assert done.proof["agreement"] == 1.0
    assert done.proof["answers"] == done.proof["questions"] == 6
    assert done.proof["drift"] < 0.01 < 0.2 < done.proof["effect"]
    assert by_llama_cpp(done.path) == by_transformers(adapter)


@pytest.mark.parametrize("quantise", ["f32", "bf16", "q8_0"])
def test_every_type_of_weights_loads_and_agrees(quantise, phi3, tmp_path):
    adapter = adapters.read(make_adapter(tmp_path / "a1", phi3, use_dora=True))
    done = export.gguf(adapter, tmp_path / "out", quantise=quantise)
    kinds = {str(t.tensor_type.name).lower() for t in gguf.GGUFReader(done.path).tensors if len(t.shape) > 1}
    assert kinds == {quantise}
    assert done.proof["agreement"] > 0.97
    assert done.proof["drift"] < 0.03


def test_a_gguf_base_keeps_its_keys_and_the_tensors_that_were_not_trained(llama, tmp_path):
    first = adapters.read(make_adapter(tmp_path / "a1", llama))
    base = export.gguf(first, tmp_path / "base", quantise="q8_0").path
    second = adapters.read(make_adapter(tmp_path / "a2", base, precision="bf16", target_modules=["q_proj"]))
    done = export.gguf(second, tmp_path / "out", quantise="f16")
    before, after = gguf.GGUFReader(base), gguf.GGUFReader(done.path)
    own = ("GGUF.", "general.file_type")
    for name, field in before.fields.items():
        if not name.startswith(own):
            assert after.fields[name].contents() == field.contents(), name
    changed = [
        old.name
        for old, new in zip(before.tensors, after.tensors, strict=True)
        if old.data.tobytes() != new.data.tobytes()
    ]
    assert changed == ["blk.0.attn_q.weight", "blk.1.attn_q.weight"]
    assert done.proof["agreement"] > 0.97


def test_a_gguf_base_that_was_in_4_bits_while_training(llama, tmp_path):
    first = adapters.read(make_adapter(tmp_path / "a1", llama))
    base = export.gguf(first, tmp_path / "base", quantise="q8_0").path
    second = adapters.read(make_adapter(tmp_path / "a2", base, method="qlora", target_modules=["q_proj"]))
    done = export.gguf(second, tmp_path / "out", quantise="f16")
    after = {t.name: t.tensor_type.name for t in gguf.GGUFReader(done.path).tensors}
    # Layers without an adapter were rounded to nf4 as well; the embedding never was.
    assert after["blk.0.ffn_down.weight"] == "F16"
    assert after["token_embd.weight"] == "Q8_0"
    assert done.proof["agreement"] > 0.97


def sentencepiece_phi3(folder: Path) -> Path:
    """A Phi-3 with a tokenizer of the real one's kind: pieces with ▁, bytes for what is unknown, and
    tags that swallow the white space behind them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = [word.replace(" ", "▁") for word in WORDS]
    letters = sorted(set("".join(pieces) + "▁abcdefghijklmnopqrstuvwxyz?.,"))
    vocabulary += [letter for letter in letters if letter not in vocabulary]
    merges = []
    for piece in pieces:
        for n in range(1, len(piece)):
            if piece[: n + 1] not in vocabulary:
                merges.append((piece[:n], piece[n]))
                vocabulary.append(piece[: n + 1])
    backend = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(vocabulary)},
            merges=merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens([AddedToken(token, special=True) for token in ("<unk>", "<s>", "</s>")])
    backend.add_special_tokens(
        [AddedToken(tag, special=True, rstrip=tag != "<|endoftext|>") for tag in PHI3_TAGS]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="<|endoftext|>",
        unk_token="<unk>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = PHI3_TEMPLATE
    return saved(transformers.Phi3ForCausalLM, phi3_config(tokenizer), tokenizer, folder)


def phi3_config(tokenizer, **more):
    return transformers.Phi3Config(
        vocab_size=len(tokenizer) + -len(tokenizer) % 32, hidden_size=64, intermediate_size=128,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
        original_max_position_embeddings=512, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id, **more,
    )  # fmt: skip


def saved(kind, config, tokenizer, folder):
    torch.manual_seed(3)
    kind(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_sentencepiece_tokenizer_is_written_from_what_trained(tmp_path):
    """Phi-3's own kind of tokenizer, without its tokenizer.model: the same ids in llama.cpp."""
    base = sentencepiece_phi3(tmp_path / "base-of-a-phi")
    adapter = adapters.read(make_adapter(tmp_path / "a1", base))
    done = export.gguf(adapter, tmp_path / "out", quantise="f32")
    served = llamacpp.load(ModelSection(name=str(done.path), threads=1, context_tokens=512))
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    for text in ("Which torque?", "Zwölf Größen, 水泵 🙂 and  two blanks", "  The pump\nis   short.", "x"):
        messages = [Message(role="user", content=text), Message(role="assistant", content="one"), QUESTION[1]]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        expected = tokenizer.encode(rendered, add_special_tokens=False)
        assert served._prompt(messages) == expected, text
    served.close()
    assert done.proof["agreement"] == 1.0
    assert by_llama_cpp(done.path) == by_transformers(adapter)


def test_positions_stretched_by_longrope(phi3, tmp_path):
    """Phi-3-mini-128k's way: factors for each frequency, as tensors of their own."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(phi3)
    config = phi3_config(tokenizer)
    config.max_position_embeddings = 2048
    config.rope_parameters = {
        "rope_type": "longrope", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0,
        "short_factor": [1.0 + 0.2 * n for n in range(8)], "long_factor": [4.0 + n for n in range(8)],
        "original_max_position_embeddings": 512, "factor": 4.0,
    }  # fmt: skip
    base = saved(transformers.Phi3ForCausalLM, config, tokenizer, tmp_path / "base")
    done = export.gguf(adapters.read(make_adapter(tmp_path / "a1", base)), tmp_path / "out", quantise="f32")
    assert {"rope_factors_long.weight", "rope_factors_short.weight"} <= tensor_names(done.path)
    assert done.proof["drift"] < 0.005


def test_positions_stretched_as_in_llama_3(llama, tmp_path):
    raw = json.loads((llama / "config.json").read_text())
    config = transformers.LlamaConfig(**raw)
    config.rope_parameters = {
        "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
    }  # fmt: skip
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    base = saved(transformers.LlamaForCausalLM, config, tokenizer, tmp_path / "base")
    done = export.gguf(adapters.read(make_adapter(tmp_path / "a1", base)), tmp_path / "out", quantise="f32")
    assert "rope_freqs.weight" in tensor_names(done.path)
    assert done.proof["drift"] < 0.005


def tensor_names(path):
    return {tensor.name for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3"])
def test_qwen_with_its_biases_and_norms(kind, llama, tmp_path):
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer) + -len(tokenizer) % 32, hidden_size=64, intermediate_size=128,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
        head_dim=32, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=kind == "Qwen3",
    )  # fmt: skip
    if kind == "Qwen2":
        config.head_dim = 16
    base = saved(getattr(transformers, f"{kind}ForCausalLM"), config, tokenizer, tmp_path / "base")
    done = export.gguf(adapters.read(make_adapter(tmp_path / "a1", base)), tmp_path / "out", quantise="f32")
    assert heads.read(done.path).architecture == kind.lower()
    assert done.proof["agreement"] == 1.0
    assert done.proof["drift"] < 0.005


def test_a_model_without_a_template_and_one_without_padding(tmp_path):
    from training.tiny import tiny_phi3

    base = tiny_phi3(tmp_path / "base", template=False, pad=False)
    done = export.gguf(adapters.read(make_adapter(tmp_path / "a1", base)), tmp_path / "out", quantise="f32")
    assert heads.read(done.path).chat_template == ""
    assert done.proof["agreement"] == 1.0


def test_an_unknown_architecture_is_told_and_nothing_is_left(llama, tmp_path):
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    config = transformers.StableLmConfig(
        vocab_size=len(tokenizer) + -len(tokenizer) % 32, hidden_size=64, intermediate_size=128,
        num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=4,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    base = saved(transformers.StableLmForCausalLM, config, tokenizer, tmp_path / "base")
    adapter = adapters.read(make_adapter(tmp_path / "a1", base))
    with pytest.raises(TrainingError, match="stablelm is not written as GGUF"):
        export.gguf(adapter, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"base", "a1"}


@pytest.mark.parametrize(
    ("regex", "name"),
    [
        (r"\p{N}", "qwen2"),
        (r"\p{N}{1,3}", "dbrx"),
        (r"\d+", None),
    ],
)
def test_how_a_tokenizer_cuts_text_is_known_by_name_or_refused(regex, name):
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + regex + r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    backend = {
        "model": {"type": "BPE"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}}, {"type": "ByteLevel"}],
        },
    }
    if name is None:
        with pytest.raises(TrainingError, match="no known name"):
            gguf_head._cut(backend)
    else:
        assert gguf_head._cut(backend) == name


def test_the_same_export_has_the_same_bytes(phi3, tmp_path):
    adapter = adapters.read(make_adapter(tmp_path / "a1", phi3))
    one, two = (export.gguf(adapter, tmp_path / name, quantise="q8_0").path for name in ("one", "two"))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, two)]
    assert digests[0] == digests[1]
