"""Adapters sit on every layer that they should, by the model's own names, or the run stops."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from training.rows import facts  # noqa: E402

from loresmith.config import TrainingSection  # noqa: E402
from loresmith.errors import TrainingError  # noqa: E402
from loresmith.training import adapter, base, recipe  # noqa: E402

IDS = torch.arange(30)[None]


def resolved(loaded, **settings):
    return recipe.resolve(TrainingSection(**settings), loaded, facts(loaded.tokenizer))


def layers(model):
    return [n for n, m in model.named_modules() if isinstance(m, peft.tuners.lora.LoraLayer)]


def test_targets_are_the_models_own_names(phi3, llama):
    fused = base.load(str(phi3), method="lora", precision="fp32")
    assert set(adapter.targets_of(fused.model)) == {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
    apart = base.load(str(llama), method="lora", precision="fp32")
    names = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(adapter.targets_of(apart.model)) == names


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_every_linear_layer_gets_an_adapter_and_the_model_says_what_it_said(phi3, method):
    loaded = base.load(str(phi3), method=method, precision="bf16")
    with torch.no_grad():
        before = loaded.model(input_ids=IDS).logits
        model = adapter.attach(loaded, resolved(loaded, rank=4))
        assert torch.equal(model(input_ids=IDS).logits, before)
    assert len(layers(model)) == 2 * 4
    trained = [p for p in model.parameters() if p.requires_grad]
    # rank × (in + out) of each layer: qkv, o, gate_up, down
    assert sum(p.numel() for p in trained) == 2 * 4 * ((64 + 192) + (64 + 64) + (64 + 256) + (128 + 64))
    assert {p.dtype for p in trained} == {torch.bfloat16}


def test_names_of_another_model_stop_the_run(phi3):
    """On Phi-3 the usual names would train o_proj and down_proj only, without a word."""
    loaded = base.load(str(phi3), method="lora", precision="fp32")
    with pytest.raises(TrainingError, match=r"q_proj, v_proj are no linear layer.*qkv_proj"):
        resolved(loaded, targets=["q_proj", "v_proj", "o_proj"])


def test_a_recipe_of_another_model_stops_the_run(phi3, llama):
    here = base.load(str(phi3), method="lora", precision="fp32")
    there = base.load(str(llama), method="lora", precision="fp32")
    alien = dataclasses.replace(resolved(here), targets=("q_proj", "k_proj"))
    with pytest.raises(TrainingError, match="adapter"):
        adapter.attach(here, alien)
    assert adapter.targets_of(there.model, ["q_proj"]) == ("q_proj",)


def test_a_subset_is_taken_as_asked(phi3):
    loaded = base.load(str(phi3), method="lora", precision="fp32")
    model = adapter.attach(loaded, resolved(loaded, targets=["qkv_proj"]))
    assert len(layers(model)) == 2


def test_the_seed_alone_decides_the_weights(phi3):
    def weights(seed, noise):
        torch.manual_seed(noise)
        loaded = base.load(str(phi3), method="lora", precision="fp32")
        model = adapter.attach(loaded, resolved(loaded, seed=seed))
        return torch.cat([p.flatten() for p in model.parameters() if p.requires_grad])

    assert torch.equal(weights(1, 5), weights(1, 6))
    assert not torch.equal(weights(1, 5), weights(2, 5))


def test_a_mixtures_router_and_experts_stay_and_it_is_said(tmp_path, caplog):
    import transformers
    from training.tiny import tiny_phi3

    folder = tiny_phi3(tmp_path / "m")
    config = transformers.AutoConfig.from_pretrained(folder).to_dict()
    shape = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    mixture = transformers.PhimoeConfig(
        **{key: config[key] for key in shape}, num_key_value_heads=2, num_local_experts=4,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    transformers.PhimoeForCausalLM(mixture).save_pretrained(folder)
    loaded = base.load(str(folder), method="lora", precision="bf16")
    rows = facts(loaded.tokenizer)
    plan = recipe.resolve(TrainingSection(max_steps=15, rank=4, learning_rate=1e-2), loaded, rows)
    assert set(plan.targets) == {"q_proj", "k_proj", "v_proj", "o_proj"}
    done = recipe.train(loaded, rows, (), plan, out=tmp_path / "out")
    assert done.history[-1].loss < done.history[0].loss
    assert "experts are fused" in caplog.text


@pytest.mark.parametrize("settings", [{"rslora": True}, {"dora": True}])
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_variants_train(phi3, tmp_path, settings, method):
    loaded = base.load(str(phi3), method=method, precision="bf16")
    rows = facts(loaded.tokenizer)
    plan = recipe.resolve(TrainingSection(max_steps=25, rank=4, learning_rate=1e-2, **settings), loaded, rows)
    done = recipe.train(loaded, rows, (), plan, out=tmp_path)
    assert done.history[-1].loss < done.history[0].loss - 0.2
    config = peft.PeftConfig.from_pretrained(str(tmp_path))
    assert (config.use_rslora, config.use_dora) == (plan.rslora, plan.dora)
