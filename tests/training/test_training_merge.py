"""An adapter worked into its base: the same sums, in 16 bits, never in 4."""

from __future__ import annotations

import pytest
from training.making import make_adapter

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
peft = pytest.importorskip("peft", reason="pip install loresmith[train]")

from loresmith.errors import TrainingError  # noqa: E402
from loresmith.training import base as bases  # noqa: E402
from loresmith.training.exporting import merge  # noqa: E402

IDS = torch.arange(5, 45)[None]


def logits(model):
    with torch.inference_mode():
        return model.eval()(input_ids=IDS).logits.float()


def loaded(place, adapter, *, method="lora", precision="fp32"):
    base = bases.load(str(place), method=method, precision=precision, device="cpu")
    return base, merge.attached(base.model, adapter)


@pytest.mark.parametrize("options", [{}, {"use_dora": True}, {"use_rslora": True}, {"lora_bias": False}])
@pytest.mark.parametrize("kind", ["phi3", "llama"])
def test_the_merged_model_computes_what_the_adapter_does(kind, options, request, tmp_path):
    place = request.getfixturevalue(kind)
    _, model = loaded(place, make_adapter(tmp_path / "a", place, **options))
    adapted = logits(model)
    with model.disable_adapter():
        bare = logits(model)
    merged = merge.merge(model, "fp32")
    assert not any(".lora_" in name for name, _ in merged.named_parameters())
    assert (adapted - bare).abs().max() > 0.5
    assert torch.allclose(logits(merged), adapted, atol=2e-4)


def test_merging_in_16_bits_rounds_once(phi3, tmp_path):
    """The sum is formed in float32: what comes out is the exact sum, rounded to the nearest bf16."""
    folder = make_adapter(tmp_path / "a", phi3, strength=0.01)
    _, exact = loaded(phi3, folder, precision="bf16")
    layer = exact.get_base_model().model.layers[0].self_attn.o_proj
    a, b = layer.lora_A["default"].weight.float(), layer.lora_B["default"].weight.float()
    expected = (layer.base_layer.weight.float() + layer.scaling["default"] * (b @ a)).to(torch.bfloat16)
    merged = merge.merge(exact, "bf16")
    assert torch.equal(merged.model.layers[0].self_attn.o_proj.weight, expected)
    assert {parameter.dtype for parameter in merged.parameters()} == {torch.bfloat16}


def test_positions_stay_in_float32(llama, tmp_path):
    _, model = loaded(llama, make_adapter(tmp_path / "a", llama))
    merged = merge.merge(model, "bf16")
    assert merged.model.rotary_emb.inv_freq.dtype == torch.float32


def test_the_tensors_of_a_merge_are_those_of_the_merged_model(llama, tmp_path):
    _, model = loaded(llama, make_adapter(tmp_path / "a", llama))
    told = {tensor.name: tensor for tensor in merge.tensors(model)}
    values = {name: tensor.load() for name, tensor in told.items()}
    adapted = logits(model)  # nothing was changed by looking
    merged = merge.merge(model, "fp32")
    state = dict(merged.named_parameters())
    assert told.keys() == state.keys()
    assert "lm_head.weight" not in told  # tied to the embeddings
    assert all(torch.allclose(values[name], state[name], atol=1e-6) for name in state)
    assert told["model.layers.1.mlp.down_proj.weight"].changed
    assert not told["model.embed_tokens.weight"].changed
    assert torch.allclose(logits(merged), adapted, atol=2e-4)


def test_qlora_is_merged_into_what_its_4_bits_stand_for(phi3, tmp_path):
    folder = make_adapter(tmp_path / "a", phi3, method="qlora")
    base, quantised = loaded(phi3, folder, method="qlora")
    adapted = logits(quantised)
    base.model = merge.detached(quantised)
    merged = merge.merge(merge.attached(bases.dequantise(base), folder), "fp32")
    _, unrounded = loaded(phi3, folder)
    wrong = merge.merge(unrounded, "fp32")
    right_distance = (logits(merged) - adapted).abs().max()
    wrong_distance = (logits(wrong) - adapted).abs().max()
    assert right_distance < 1e-3
    assert wrong_distance > 20 * right_distance


def test_nothing_is_merged_into_4_bits(phi3, tmp_path):
    _, model = loaded(phi3, make_adapter(tmp_path / "a", phi3, method="qlora"), method="qlora")
    with pytest.raises(TrainingError, match="not merged into Linear4bit"):
        merge.merge(model, "bf16")


def test_an_adapter_of_another_shape_is_refused(phi3, llama, tmp_path):
    folder = make_adapter(tmp_path / "a", llama)
    base = bases.load(str(phi3), method="lora", precision="fp32", device="cpu")
    with pytest.raises(TrainingError, match="another base model"):
        merge.attached(base.model, folder)


def test_weights_that_are_no_numbers_are_refused(phi3, tmp_path):
    _, model = loaded(phi3, make_adapter(tmp_path / "a", phi3))
    model.get_base_model().model.layers[0].mlp.down_proj.lora_B["default"].weight.data[0, 0] = float("nan")
    with pytest.raises(TrainingError, match=r"down_proj\.weight: the merged weights are no numbers"):
        merge.merge(model, "bf16")


def test_what_does_not_fit_fp16_is_told(phi3, tmp_path):
    _, model = loaded(phi3, make_adapter(tmp_path / "a", phi3, strength=300.0))
    with pytest.raises(TrainingError, match="do not fit fp16"):
        merge.merge(model, "fp16")
