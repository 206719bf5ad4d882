"""Training on a GPU at the shapes of Phi-3-mini: beside TRL, LoRA beside QLoRA, forecast, and how large.

    python benchmarks/gpu_training.py --trl-python trl/bin/python     (see training.py; CUDA builds)
    python benchmarks/gpu_training.py --largest                       the largest model on this card

The weights are random: speed and memory do not depend on what they say. Steps in turns, equal rows,
rates and adapters as in training.py; the clock counts here. Printed beside each peak is what
`loresmith plan` forecasts for it. For --largest every model is made layer by layer in nf4 on the
card, so that 70B needs neither disk nor memory for its 140 GB, and takes real steps of QLoRA.

`--device cpu --layers 2 --hidden 64` runs all of it in small, to see that the program works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import training as side_by_side

from loresmith.config import TrainingSection
from loresmith.training.values import Row

HERE = Path(__file__).resolve()

MODEL = "microsoft/Phi-3-mini-4k-instruct"
LARGEST = (
    "microsoft/Phi-3-medium-4k-instruct",
    "meta-llama/Llama-2-70b-hf",
    "meta-llama/Llama-3.1-70B-Instruct",
    "Qwen/Qwen2.5-72B-Instruct",
)
GOAL = 1.05
"""QLoRA's step over LoRA's."""


def configuration(name: str, wishes: argparse.Namespace) -> Any:
    """transformers' configuration of a published shape, cut down where asked."""
    import transformers

    from loresmith.training.planning import architecture

    [raw] = [model["config"] for model in architecture.published() if model["name"] == name]
    config = transformers.AutoConfig.for_model(**raw)
    config.pad_token_id = None
    if wishes.layers:
        config.num_hidden_layers = wishes.layers
    if wishes.hidden:
        config.hidden_size, config.intermediate_size, config.vocab_size = (
            wishes.hidden,
            2 * wishes.hidden,
            512,
        )
        config.num_attention_heads = config.num_key_value_heads = 4
    return config


def tokenizer() -> Any:
    """Of bytes; TRL wants one, though the rows are tokens already."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="</s>")


def random_rows(count: int, vocabulary: int, longest: int, seed: int = 0) -> list[Row]:
    """Lengths as conversations have them (log-normal), the last fifth learned."""
    chance = np.random.default_rng(seed)
    lengths = np.clip(chance.lognormal(np.log(longest / 4), 0.7, count), 16, longest).astype(int)
    rows = []
    for length in lengths:
        loss = np.zeros(length, bool)
        loss[-max(2, length // 5) :] = True
        rows.append(Row(chance.integers(0, vocabulary, length).astype(np.int32), loss))
    return rows


def prepare(wishes: argparse.Namespace, folder: Path) -> list[Row]:
    """Random weights, rows and the adapter that every system starts from, as files."""
    import torch
    import transformers

    from loresmith.training import adapter, base, recipe

    config = configuration(MODEL, wishes)
    torch.manual_seed(0)
    with torch.device(wishes.device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder / "model")
    tokenizer().save_pretrained(folder / "model")
    del model
    loaded = base.load(str(folder / "model"), method="lora", precision="bf16", device="cpu")
    rows = random_rows(wishes.rows, config.vocab_size, wishes.longest)
    (folder / "rows.json").write_text(
        json.dumps([{"ids": r.ids.tolist(), "loss": r.loss.tolist()} for r in rows])
    )
    settings = TrainingSection(**side_by_side.SETTINGS)
    tuned = adapter.attach(loaded, recipe.resolve(settings, loaded, rows))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    tuned.save_pretrained(folder / "adapter")
    return rows


def forecasts(folder: Path, rows: list[Row], wishes: argparse.Namespace) -> dict[str, int]:
    """Peak bytes by method, as `loresmith plan` says them for these rows."""
    from loresmith.training.planning import architecture, hardware
    from loresmith.training.planning.plan import plan

    settings = TrainingSection(
        **side_by_side.SETTINGS, max_length=max(16, wishes.longest), micro_tokens=wishes.micro_tokens,
        checkpointing="off",
    )  # fmt: skip
    forecast = plan(
        architecture.read(str(folder / "model")), [len(r.ids) for r in rows], settings, hardware.here()
    )
    return {method.method: method.peak for method in forecast.methods}


def compare(wishes: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="loresmith-gpu-", dir=wishes.scratch) as temporary:
        folder = Path(temporary)
        rows = prepare(wishes, folder)
        lengths = [len(row.ids) for row in rows]
        print(
            f"shapes of {MODEL}, {len(rows)} rows of {min(lengths)} to {max(lengths)} tokens, "
            f"{sum(lengths)} in all\n"
        )
        wanted: dict[str, list[str]] = {}
        ours = ["--micro-tokens", str(wishes.micro_tokens)]
        for name in ("LoRA", "QLoRA"):
            wanted[f"Loresmith {name}"] = ["ours", "--method", name.lower(), *ours]
        if wishes.trl_python:
            on = ["--device", wishes.device, "--attention", wishes.attention]
            for name in ("LoRA", "QLoRA"):
                nf4 = ["--nf4"] if name == "QLoRA" else []
                packed = side_by_side.trl_packings(lengths, wishes.packing, *on, *nf4)
                wanted |= {k.replace("TRL", f"TRL {name}"): v for k, v in packed.items()}
                wanted[f"TRL {name}, defaults"] = ["trl", "--checkpointing", *on, *nf4]
        systems = side_by_side.run(wanted, wishes, folder)
        figures = side_by_side.table(systems, sum(lengths), "Loresmith LoRA", None, by="wall")
        by_name = {row["system"]: row for row in figures}
        slower = by_name["Loresmith LoRA"]["ratio"] / by_name["Loresmith QLoRA"]["ratio"]
        print(f"\nA step of QLoRA takes {slower:.3f} times one of LoRA (goal: {GOAL} at most).")
        expected = forecasts(folder, rows, wishes)
        for name in ("LoRA", "QLoRA"):
            peak = by_name[f"Loresmith {name}"]["peak_memory_bytes"]
            print(
                f"{name}: peak {peak / 2**30:.2f} GiB, forecast {expected[name.lower()] / 2**30:.2f} GiB "
                f"({expected[name.lower()] / peak - 1:+.1%}; the forecast counts what CUDA itself takes)"
            )
        return {"systems": figures, "qlora_over_lora": slower, "forecast": expected}


# --- how large ----------------------------------------------------------------------------------


def nf4_model(config: Any, device: str) -> Any:
    """A random model on `device`, its linear layers in nf4, one layer in 16 bits at a time."""
    import torch
    import transformers

    from loresmith.training import nf4

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)

    def filled(parameter: Any) -> Any:
        return torch.nn.Parameter(
            torch.randn(parameter.shape, dtype=torch.bfloat16, device=device) * 0.02, requires_grad=False
        )

    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear and child is not head:
                child.weight = filled(child.weight)
                if child.bias is not None:
                    child.bias = filled(child.bias)
                setattr(parent, name, nf4.linear4bit(child, device, compute=torch.bfloat16))
                child.weight = None
    for parent in model.modules():
        for name, parameter in list(parent.named_parameters(recurse=False)):
            if parameter.is_meta:
                setattr(parent, name, filled(parameter))
        if hasattr(parent, "inv_freq"):
            # Its tables are computed from the configuration, not read.
            for name, buffer in type(parent)(config).named_buffers():
                parent.register_buffer(name, buffer.to(device), persistent=False)
    model.tie_weights()
    model.is_loaded_in_4bit = True
    return model.requires_grad_(False)


def one_large(name: str, wishes: argparse.Namespace) -> dict[str, Any]:
    """Steps of QLoRA on one model; its peak and speed."""
    import torch

    from loresmith.training import base, recipe

    config = configuration(name, wishes)
    model = nf4_model(config, wishes.device)
    parameters = sum(
        p.numel() * (2 if p.dtype == torch.uint8 else 1) for p in model.parameters()
    )  # two weights to a byte
    loaded = base.Base(model, None, name, HERE, "", "qlora", "bf16", wishes.device)
    rows = [random_rows(1, config.vocab_size, wishes.longest, seed)[0] for seed in range(2)]
    whole = np.resize(rows[0].ids, wishes.longest).astype(np.int32)
    rows = [Row(whole, np.arange(wishes.longest) > wishes.longest * 0.8)] * 2
    settings = TrainingSection(
        **side_by_side.SETTINGS, max_steps=3, micro_tokens=wishes.longest, checkpointing="on"
    )
    took: list[float] = []
    with tempfile.TemporaryDirectory(dir=wishes.scratch) as out:
        done = recipe.train(
            loaded,
            rows,
            [],
            recipe.resolve(settings, loaded, rows),
            out=Path(out),
            on_step=lambda step: took.append(step.seconds),
        )
    losses = [step.loss for step in done.history if step.loss is not None]
    assert all(np.isfinite(loss) for loss in losses), losses
    return {
        "model": name,
        "parameters": parameters,
        "peak_memory_bytes": done.peak_memory_bytes,
        "tokens_per_second": 2 * wishes.longest / min(took[1:]),
        "losses": losses,
    }


def largest(wishes: argparse.Namespace) -> list[dict[str, Any]]:
    """Each model in a process of its own, from the smallest on."""
    print(
        f"QLoRA, rank 16 on every linear layer, rows of {wishes.longest} tokens\n\n"
        "| | parameters | peak GiB | tokens/s |"
    )
    print("| --- | --- | --- | --- |")
    found = []
    for name in wishes.models:
        command = [sys.executable, str(HERE), "--one", name, "--device", wishes.device]
        command += ["--longest", str(wishes.longest), "--layers", str(wishes.layers or 0)]
        command += ["--hidden", str(wishes.hidden or 0)]
        began = time.monotonic()
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            why = next(
                (line for line in reversed(ran.stderr.splitlines()) if line.strip()), "no reason given"
            )
            print(f"| {name} | does not train here: {why[:200]} | | |", flush=True)
            found.append({"model": name, "failed": why})
            continue
        one = json.loads(ran.stdout.splitlines()[-1])
        found.append({**one, "seconds": time.monotonic() - began})
        print(
            f"| {name} | {one['parameters'] / 1e9:.2f} B | {one['peak_memory_bytes'] / 2**30:.1f} | "
            f"{one['tokens_per_second']:.0f} |",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trl-python", help="interpreter of an environment with trl; unset: ours alone")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--longest", type=int, default=2048, help="tokens of the longest row")
    parser.add_argument("--micro-tokens", type=int, default=8192, help="of our forward pass")
    parser.add_argument("--packing", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--attention", default="sdpa", help="TRL's: sdpa, or flash_attention_2 where it is")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--largest", action="store_true", help="the largest model on this card")
    parser.add_argument("--models", nargs="+", default=list(LARGEST))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--layers", type=int, default=0, help="cut the models down to so many layers")
    parser.add_argument("--hidden", type=int, default=0, help="and to this width")
    parser.add_argument("--scratch", type=Path, help="folder for 16 GB of files; unset: the usual one")
    parser.add_argument("--json", type=Path, help="write every figure there too")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    wishes = parser.parse_args()
    if wishes.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SystemExit(
                "No CUDA device here. To see the program work: --device cpu --layers 2 --hidden 64"
            )
    if wishes.one:
        print(json.dumps(one_large(wishes.one, wishes)))
        return
    figures: Any = largest(wishes) if wishes.largest else compare(wishes)
    if wishes.json:
        wishes.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
