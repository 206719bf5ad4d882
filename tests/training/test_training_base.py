"""The base: where it comes from, that it is frozen, and that nf4 is what it says."""

from __future__ import annotations

import pytest
from training.tiny import tiny_phi3

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")

from loresmith.errors import ModelError, TrainingError  # noqa: E402
from loresmith.models.fingerprint import fingerprint  # noqa: E402
from loresmith.training import base, nf4  # noqa: E402

IDS = torch.arange(40)[None]


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits.float()


def test_every_weight_is_frozen_in_the_precision_asked_for(phi3):
    loaded = base.load(str(phi3), method="lora", precision="fp32")
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert (loaded.method, loaded.precision, loaded.device) == ("lora", "fp32", "cpu")
    assert loaded.fingerprint == fingerprint(phi3)


def test_qlora_quantises_every_linear_layer_but_the_head(phi3):
    import bitsandbytes

    whole = base.load(str(phi3), method="lora", precision="bf16")
    small = base.load(str(phi3), method="qlora", precision="bf16")
    kinds = {name: type(m) for name, m in small.model.named_modules() if isinstance(m, torch.nn.Linear)}
    assert kinds.pop("lm_head") is torch.nn.Linear
    assert set(kinds.values()) == {bitsandbytes.nn.Linear4bit}
    assert len(kinds) == 2 * 4
    # Weights are close to what they were, and not the same.
    was = whole.model.model.layers[0].mlp.down_proj.weight.float()
    now = nf4.weight(small.model.model.layers[0].mlp.down_proj).float()
    assert 0.9 < torch.nn.functional.cosine_similarity(was.flatten(), now.flatten(), dim=0) < 0.9999


def test_a_forward_pass_in_eval_leaves_nf4_weights_as_they_are(phi3):
    """bitsandbytes repacks them in place on some processors, and then trains through other weights."""
    loaded = base.load(str(phi3), method="qlora", precision="bf16")
    layer = loaded.model.model.layers[0].mlp.gate_up_proj
    before, raw = nf4.weight(layer), layer.weight.data.clone()
    loaded.model.eval()
    logits(loaded.model)
    assert torch.equal(layer.weight.data, raw)
    assert torch.equal(nf4.weight(layer), before)


def test_dequantised_it_computes_as_it_did_in_nf4(phi3):
    loaded = base.load(str(phi3), method="qlora", precision="bf16")
    before = logits(loaded.model)
    model = base.dequantise(loaded)
    assert type(model.model.layers[0].mlp.down_proj) is torch.nn.Linear
    assert model.model.layers[0].mlp.down_proj.weight.dtype is torch.bfloat16
    assert torch.allclose(logits(model), before, atol=2e-2)


def test_weights_of_fsdp_can_be_stored_as_float32(phi3):
    plain = base.load(str(phi3), method="qlora", precision="bf16")
    other = base.load(str(phi3), method="qlora", precision="bf16", quant_storage="float32")
    layer = other.model.model.layers[0].mlp.down_proj
    assert layer.weight.dtype is torch.float32
    assert torch.equal(nf4.weight(layer), nf4.weight(plain.model.model.layers[0].mlp.down_proj))


def test_a_missing_padding_token_changes_no_vocabulary(tmp_path):
    folder = tiny_phi3(tmp_path / "m", pad=False)
    loaded = base.load(str(folder), method="lora", precision="fp32")
    assert loaded.tokenizer.pad_token == loaded.tokenizer.eos_token
    assert len(loaded.tokenizer) <= loaded.model.get_input_embeddings().weight.shape[0]


@pytest.mark.parametrize("name", ["/nowhere/model", "no-such-model", "missing.gguf"])
def test_what_is_not_there_is_named(name):
    with pytest.raises(ModelError, match=r"no-such-model|nowhere|missing\.gguf"):
        base.load(name, method="lora")


def test_a_damaged_folder_is_named(tmp_path):
    folder = tiny_phi3(tmp_path / "m")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match=str(folder)):
        base.load(str(folder), method="lora")


def test_fp16_on_a_cpu_is_refused(phi3):
    with pytest.raises(TrainingError, match="bf16 or fp32"):
        base.load(str(phi3), method="lora", precision="fp16", device="cpu")


@pytest.mark.models
@pytest.mark.slow
def test_a_gguf_base_is_loaded_dense_and_quantised_again(model_files):
    [path] = model_files("smollm2-135m")
    loaded = base.load("smollm2-135m", method="qlora", precision="bf16")
    assert loaded.path == path
    assert sum(type(m).__name__ == "Linear4bit" for m in loaded.model.modules()) == 30 * 7
    assert loaded.model.get_input_embeddings().weight.shape == (49152, 576)
