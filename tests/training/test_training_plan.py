"""What training would take: parts that are exact, sums that hold, choices with a reason."""

from __future__ import annotations

import json

import pytest

from loresmith import cli
from loresmith.config import TrainingSection
from loresmith.errors import DatasetError, TrainingError, UsageError
from loresmith.training import packing
from loresmith.training.planning import architecture, choice, hardware
from loresmith.training.planning import plan as planning
from loresmith.training.planning.footprint import Setup, footprint, layer_activations, nf4_constants
from loresmith.training.planning.lengths import TAGS_A_TURN, Lengths, largest_micro, of, random_rows

MINI = "microsoft/Phi-3-mini-4k-instruct"
LLAMA_70B = "meta-llama/Llama-2-70b-hf"


def planned(name=MINI, gpu="A100-80GB", lengths=(512,) * 200, **settings):
    return planning.plan(architecture.read(name), lengths, TrainingSection(**settings), hardware.named(gpu))


# --- parts ----------------------------------------------------------------------------------------


def test_full_tuning_is_twelve_bytes_a_parameter_and_activations():
    full = planned().method("full")
    memory = full.memory
    assert memory.weights + memory.gradients + memory.optimizer == 12 * 3_821_079_552
    assert memory.peak > 12 * 3_821_079_552


def test_4_bits_are_a_quarter_of_16_and_their_constants_an_eighth_of_a_bit():
    lora, qlora = planned().method("lora").memory, planned().method("qlora").memory
    saved = lora.weights - qlora.weights
    quantised = architecture.read(MINI).quantisable
    assert saved == quantised * 3 // 2
    assert 8 * qlora.quantisation / quantised == pytest.approx(0.127, abs=0.001)
    assert nf4_constants(64 * 256) == 256 + 4


@pytest.mark.parametrize(("method", "trained"), [("lora", 25_165_824), ("qlora", 25_165_824)])
def test_what_is_trained_costs_18_bytes_each(method, trained):
    found = planned().method(method)
    memory = found.memory
    assert found.trainable == trained
    assert memory.adapter + memory.gradients + memory.optimizer == 18 * trained


def test_checkpointing_keeps_a_layer_input_a_layer():
    model = architecture.read(MINI)
    setup = Setup(method="lora", micro_tokens=2048, longest=2048)
    found = footprint(model, setup)
    assert found.activations == found.kept == 32 * layer_activations(model, setup)
    assert found.checkpointed == 32 * 2048 * 3072 * 2 + layer_activations(model, setup)


@pytest.mark.parametrize("family", ["phi3", "llama", "qwen2", "mistral"])
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_activations_are_what_autograd_keeps(family, tmp_path):
    """The formula beside the tensors that a real forward pass saves, adapter on every linear layer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    from loresmith.training import fast, loss

    config = transformers.AutoConfig.for_model(
        family, hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=300, pad_token_id=0,
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    shape = architecture.read(str(tmp_path))
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    names = [linear.name for linear in shape.adaptable]
    settings = peft.LoraConfig(r=4, target_modules=names)
    model = peft.get_peft_model(model, settings, autocast_adapter_dtype=False)
    frozen = {p.untyped_storage().data_ptr() for p in model.parameters()}
    seen = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen:
            seen[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    micro = packing.batch(random_rows([40, 56], 0.05, 300), micro_tokens=96).micros[0]
    with fast.speed_up(model) as speed:
        assert speed.parts == ("norms", "layers", "attention")
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            assert loss.completion_loss(model, micro).requires_grad
    saved = sum(size for size, _ in seen.values())
    expected = footprint(shape, Setup(method="lora", rank=4, micro_tokens=96, longest=56)).kept
    # Beside the layers: the last norm, and the tables of the positions.
    assert saved == pytest.approx(expected, rel=0.05)


def test_memory_falls_with_fewer_targets_and_smaller_ranks():
    small = planned(rank=4, targets=["o_proj"]).method("lora")
    usual = planned().method("lora")
    assert small.trainable == 32 * 4 * 2 * 3072
    assert small.memory.steady < usual.memory.steady
    dora = planned(dora=True).method("lora")
    assert dora.trainable > usual.trainable
    assert dora.memory.kept > usual.memory.kept


# --- the whole ------------------------------------------------------------------------------------


def test_the_json_face_has_what_the_design_promises():
    raw = json.loads(json.dumps(planned().to_dict()))
    assert [m["method"] for m in raw["methods"]] == ["full", "lora", "qlora"]
    for method in raw["methods"]:
        parts = method["memory_bytes"]
        assert {"weights", "adapter", "gradients", "optimizer", "activations", "peak"} <= parts.keys()
        assert parts["peak"] == parts["forecast"] > parts["weights"]
        assert method["seconds"] > 0
        assert [g["gigabytes"] for g in method["gpus"]] == [16, 24, 40, 48, 80, 141]


def test_the_claim_of_36_gpus_against_2():
    plan = planned(LLAMA_70B, "RTX-4090")
    counts = {m.method: {c.gigabytes: c.count for c in m.gpus} for m in plan.methods}
    full = plan.method("full").memory
    # By weights, gradients and moments alone the claim is right: 12 bytes over cards of 24 GB.
    assert round(12 * plan.architecture.parameters / 24e9) in (34, 35, 36)
    assert full.weights + full.gradients + full.optimizer == 12 * plan.architecture.parameters
    # With the activations and the layer that is gathered on every card it takes more.
    assert 36 < counts["full"][24] < 50
    # Two cards of 24 GB hold the 4-bit weights, but not the optimiser of the adapter beside them.
    weights = plan.method("qlora").memory.weights + plan.method("qlora").memory.quantisation
    assert weights < 2 * 24e9
    assert counts["qlora"][24] == 3
    assert counts["qlora"][48] == 1
    assert counts["lora"][80] == 2


def test_more_gpus_never_need_more_each():
    peaks = [
        footprint(
            architecture.read(LLAMA_70B),
            Setup(method="qlora", checkpointing=True, micro_tokens=512, longest=512, device="cuda", world=n),
        ).peak
        for n in (1, 2, 4, 8, 64)
    ]
    assert peaks == sorted(peaks, reverse=True)


def test_cards_too_small_for_what_each_must_hold_are_told():
    # Embedding, head and adapter are not sharded: 16 GB can never hold this one.
    plan = planned(LLAMA_70B, "T4", rank=128)
    assert next(c for c in plan.method("qlora").gpus if c.gigabytes == 16).count is None


def test_where_memory_is_short_micro_batches_shrink_before_activations_are_computed_twice():
    roomy = planned(gpu="A100-80GB", lengths=[1024] * 400).method("lora")
    short = planned(gpu="RTX-4090", lengths=[1024] * 400).method("lora")
    tight = planned(gpu="T4", lengths=[1024] * 400, micro_tokens=8192).method("lora")
    assert (roomy.setup.checkpointing, roomy.smaller) == (False, False)
    assert (short.setup.checkpointing, short.smaller) == (False, True)
    assert tight.setup.checkpointing
    assert tight.fits
    assert roomy.recipe.batch_tokens == short.recipe.batch_tokens


def test_rows_that_are_too_long_are_left_out_and_none_left_is_an_error():
    assert planned(lengths=[100, 5000], max_length=1024).lengths.values == (100,)
    with pytest.raises(DatasetError, match="no row"):
        planned(lengths=[5000], max_length=1024)


def test_what_cannot_be_trained_is_planned_and_says_why():
    small = planned("microsoft/Phi-3-small-8k-instruct")
    assert not small.method("lora").fits
    assert "own code" in small.method("lora").obstacle
    moe = planned("microsoft/Phi-3.5-MoE-instruct", "H200")
    assert any("experts" in note for note in moe.notes)
    assert moe.method("qlora").memory.weights > 0.9 * moe.method("lora").memory.weights


# --- choice ---------------------------------------------------------------------------------------


def test_lora_is_taken_where_it_fits_and_qlora_where_only_it_does():
    assert choice.choose_method(planned())[0] == "lora"
    method, reason = choice.choose_method(planned("microsoft/phi-4", "RTX-4090"))
    assert method == "qlora"
    assert "LoRA does not" in reason
    with pytest.raises(TrainingError, match="smaller model"):
        choice.choose_method(planned(LLAMA_70B, "T4"))


def test_the_faster_by_measurement_is_taken():
    plan = planned()
    quick, slow = planning.Measured(2**30, 900.0), planning.Measured(2**30, 300.0)
    measured = planning.with_measured(plan, {"lora": slow, "qlora": quick})
    method, reason = choice.choose_method(measured)
    assert method == "qlora"
    assert "measured" in reason
    assert measured.method("lora").seconds == plan.method("lora").tokens / 300
    failed = planning.with_measured(plan, {"lora": planning.Measured(problem="out of memory")})
    assert choice.choose_method(failed)[0] == "qlora"


# --- hardware, lengths ----------------------------------------------------------------------------


def test_gpus_by_name():
    two = hardware.named("2xA100-80GB")
    assert (two.count, two.memory) == (2, 80 * 2**30)
    assert hardware.named("h100").flops > hardware.named("l4").flops
    with pytest.raises(UsageError, match="RTX-4090"):
        hardware.named("RTX-9999")


def test_this_machine_is_known():
    here = hardware.here()
    assert here.memory > 2**28
    assert here.flops > 1e9


@pytest.mark.parametrize(("visible", "count"), [(None, 2), ("1", 1), ("", 0), ("GPU-8f3e", 1)])
def test_gpus_are_those_that_the_driver_lists_and_the_user_allows(visible, count, tmp_path, monkeypatch):
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA H200, 140000'\necho 'NVIDIA H200, 90000'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    here = hardware.here()
    if count:
        assert (here.kind, here.name, here.count) == ("cuda", "NVIDIA H200", count)
        assert here.memory == (140000 if visible == "GPU-8f3e" else 90000) * 2**20
    else:
        assert here.kind == "cpu"


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA H200", "H200"),
        ("Tesla T4", "T4"),
        ("NVIDIA RTX A6000", "A6000"),
    ],
)
def test_the_driver_s_names_are_recognised(name, card):
    assert hardware.card_like(name).name == card


def test_the_largest_micro_batch_is_that_of_the_packing():
    recipe = planned(gpu="T4", lengths=[300] * 50, micro_tokens=1000).method("lora").recipe
    assert largest_micro(Lengths((300,) * 50), recipe) == 900
    assert largest_micro(Lengths((300,) * 49 + (1200,)), recipe) == 1200


def test_lengths_of_examples_are_counted_where_the_tokenizer_is_at_hand(phi3):
    from loresmith.dataset.example import Example
    from loresmith.training.tokens import rows
    from loresmith.types import Message

    said = [
        Message(role="user", content="Which torque for the M8 bolts?"),
        Message(role="assistant", content="The torque is 25 Nm, and the pump stands still."),
    ]
    example = Example(messages=tuple(said), kind="closed")
    exact = of([example], architecture.read(str(phi3)), "a test")
    transformers = pytest.importorskip("transformers")
    [row], _ = rows([example], transformers.AutoTokenizer.from_pretrained(phi3), max_length=999)
    assert abs(exact.values[0] - len(row.ids)) <= 2 * TAGS_A_TURN
    assert exact.learned == pytest.approx(row.loss.mean(), abs=0.15)
    assert not exact.estimated
    guessed = of([example], architecture.read(MINI), "a test")
    assert guessed.estimated
    assert "characters" in guessed.source


def test_random_rows_have_the_lengths_and_the_share():
    rows = random_rows([10, 40], 0.25, 100)
    assert [len(row.ids) for row in rows] == [10, 40]
    assert [int(row.loss.sum()) for row in rows] == [2, 10]


# --- the command ----------------------------------------------------------------------------------


def test_the_command_needs_neither_workspace_nor_weights(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", "--model", MINI, "--gpu", "RTX-4090", "--rows", "100", "--json"]) == 0
    raw = json.loads(capsys.readouterr().out)
    assert raw["parameters"] == 3_821_079_552
    assert raw["data"]["rows"] == 100
    assert raw["method"] == "lora"


def test_the_table_shows_parts_sizes_and_the_reason(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", "--model", "microsoft/phi-4", "--gpu", "RTX-4090"]) == 0
    shown = capsys.readouterr().out
    assert "14,659,507,200 parameters" in shown
    assert "4-bit constants" in shown
    assert "GPUs of 24 GB" in shown
    assert "QLoRA fits" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "no/such"], "not among the published shapes"),
        (["--model", MINI, "--gpu", "RTX-1"], "no GPU of that name"),
        (["--model", MINI, "--gpu", "T4", "--probe"], "Leave one out"),
        (["--model", MINI, "--dataset", "x", "--rows", "3"], "one or the other"),
        (["--model", MINI, "--set", "training.rank=0"], "training.rank"),
        ([], "No workspace"),
    ],
)
def test_wrong_wishes_are_one_message(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", *words]) in (1, 2)
    assert said in capsys.readouterr().err
