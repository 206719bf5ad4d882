"""What a model is made of: equal to what the classes of transformers really build."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from loresmith.errors import ModelError
from loresmith.training.planning import architecture

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

SHAPE = {
    "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 300, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CASES = {
    "phi3": {},
    "phi3-tied": {"model_type": "phi3", "tie_word_embeddings": True},
    "llama": {},
    "llama-biased": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "mistral": {"head_dim": 32},
    "qwen2": {},
    "qwen2-tied": {"model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 16},
    "gemma2": {"head_dim": 32},
    "gemma3_text": {"head_dim": 16},
    "granite": {},
    "smollm3": {},
    "phimoe": {"num_local_experts": 4, "attention_bias": True, "lm_head_bias": True},
    "mixtral": {"num_local_experts": 4},
}


def on_meta(config):
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


def built(case, folder):
    """The model on the meta device and the config.json that transformers writes for it."""
    more = dict(CASES[case])
    family = more.pop("model_type", case)
    config = transformers.AutoConfig.for_model(family, **SHAPE, **more)
    config.save_pretrained(folder)
    return on_meta(config)


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_exact(case, tmp_path):
    model = built(case, tmp_path)
    read = architecture.read(str(tmp_path))
    assert read.parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("case", CASES)
def test_the_linear_layers_are_those_of_the_model(case, tmp_path):
    model = built(case, tmp_path)
    real = Counter(
        (name.rpartition(".")[2], module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.endswith(("lm_head", "router", "gate"))
    )
    read = architecture.read(str(tmp_path))
    assert {(x.name, x.inputs, x.outputs): x.count for x in read.adaptable} == dict(real)


# PEFT asks for a property that transformers has renamed.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("case", ["phi3", "llama-biased", "qwen2"])
def test_adapter_parameters_are_what_peft_attaches(case, dora, tmp_path):
    peft = pytest.importorskip("peft")
    model = built(case, tmp_path)
    read = architecture.read(str(tmp_path))
    names = sorted(x.name for x in read.adaptable)
    settings = peft.LoraConfig(r=8, target_modules=names, use_dora=dora)
    attached = peft.get_peft_model(model, settings, low_cpu_mem_usage=True)
    trained = sum(p.numel() for p in attached.parameters() if p.requires_grad)
    assert read.lora_parameters(8, dora=dora) == trained


@pytest.mark.parametrize("row", architecture.published(), ids=lambda row: row["name"])
def test_the_published_shapes_give_the_published_number_of_parameters(row):
    assert architecture.read(row["name"]).parameters == row["parameters"]


def test_phi3_is_fused_and_small_needs_its_own_code():
    mini = architecture.read("microsoft/Phi-3-mini-4k-instruct")
    assert {x.name for x in mini.adaptable} == {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
    assert mini.lora_parameters(16) == 25_165_824
    assert mini.lora_parameters(16, ("o_proj", "down_proj")) == 8_912_896
    assert mini.trainable_here
    assert not architecture.read("Phi-3-small-8k-instruct").trainable_here


def test_experts_carry_no_adapter_and_only_some_of_them_work():
    moe = architecture.read("microsoft/Phi-3.5-MoE-instruct")
    assert {x.name for x in moe.adaptable} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert moe.active < 0.2 * moe.parameters
    assert moe.quantisable < 0.05 * moe.parameters


@pytest.mark.models
def test_a_gguf_file_is_read_by_its_head(model_files):
    small, qwen = model_files("smollm2-135m", "qwen2.5-coder-0.5b")
    assert architecture.read(str(small)).parameters == 134_515_008
    assert architecture.read("smollm2-135m").origin == str(small)
    # Its output head stands apart from the embedding in the file, and so it does when loaded.
    assert architecture.read(str(qwen)).parameters == 630_167_424


def test_an_unknown_family_is_read_from_its_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    config = transformers.AutoConfig.for_model("olmo2", **SHAPE)
    model = transformers.AutoModelForCausalLM.from_config(config)
    config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="olmo2"):
        architecture.read(str(tmp_path))
    safetensors.save_file(model.state_dict(), tmp_path / "model.safetensors")
    read = architecture.read(str(tmp_path))
    assert read.parameters == sum(p.numel() for p in model.parameters())
    assert read.lora_parameters(4) == sum(
        4 * (m.in_features + m.out_features)
        for name, m in model.named_modules()
        if isinstance(m, torch.nn.Linear) and name != "lm_head"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "no object"),
        ('{"model_type": "phi3", "hidden_size": 64}', "num_hidden_layers"),
        ('{"model_type": "phi3", "hidden_size": -1, "num_hidden_layers": 2, "vocab_size": 9}', "hidden_size"),
        ('{"model_type": "t5"}', "family t5"),
    ],
)
def test_a_bad_config_is_named_with_what_is_wrong(content, said, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=said):
        architecture.read(str(tmp_path / "config.json"))


def test_a_mistyped_name_is_guessed():
    with pytest.raises(ModelError, match="Did you mean microsoft/Phi-3-mini-4k-instruct"):
        architecture.read("microsoft/Phi-3-mini-4k-instuct")


def test_a_damaged_safetensors_file_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "unheard-of"}))
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        architecture.read(str(tmp_path))
