"""Training speed and memory beside TRL's SFTTrainer with PEFT, on equal work; LoRA beside QLoRA.

    python3.11 -m venv trl && trl/bin/pip install torch==2.13.0 trl==1.16.0 transformers==5.23.0 \\
        peft==0.21.2 accelerate==1.15.0 datasets==5.2.0 gguf==0.19.0 bitsandbytes==0.50.2
    python benchmarks/training.py --trl-python trl/bin/python [--model smollm2-135m] [--rounds 3]

One optimiser step is every row once, in each system, from the same adapter weights, with the same
rate and no clipping, in bf16. Each system is a process of its own; they take turns step by step, so
that a busy machine hits all alike, and the first step is not counted. Seconds of the processor are
what counts; the clock is shown beside.

Proof of equal work: the loss of every step, and the cosine of the first step's gradient (of all
adapter weights) with one computed in float32, row by row, without any of the systems.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loresmith.answering import unaided
from loresmith.config import TrainingSection
from loresmith.dataset.example import Example

HERE = Path(__file__).resolve()
RATE = 3e-4
SETTINGS: dict[str, Any] = {
    "rank": 16, "epochs": 1e6, "schedule": "constant", "warmup": 0.0, "clip": 1e9, "eval_every": 10**9,
    "learning_rate": RATE, "checkpoint_seconds": 1e9, "batch_tokens": 10**9, "precision": "bf16",
}  # fmt: skip
PARTS = ("seal", "flange", "impeller", "bearing", "shaft", "coupling", "valve", "strainer", "gasket")
FACTS = ("is tightened to {n} Nm", "is replaced after {n} hours", "withstands {n} bar", "weighs {n} kg")


@dataclass
class System:
    """One way to train: its process, and what it said."""

    name: str
    process: Any
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    gradients: Path = Path()

    def ask(self, what: str) -> dict[str, Any]:
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self.process.wait()}; see above.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def examples(count: int, seed: int = 0) -> list[Example]:
    """Questions about invented parts: a third alone, the others with passages to read."""
    chance = random.Random(seed)

    def fact() -> tuple[str, str]:
        name = f"{chance.choice(PARTS)} {chance.choice('ABCDEFG')}-{chance.randrange(100, 999)}"
        return name, f"The {name} {chance.choice(FACTS).format(n=chance.randrange(2, 900))}."

    made = []
    for number in range(count):
        name, said = fact()
        question = f"What must be known about the {name}?"
        passages = [said, *(fact()[1] for _ in range(chance.randrange(4, 28)))]
        chance.shuffle(passages)
        system, user = unaided.messages(question)
        if number % 3:
            user = {"role": "user", "content": f"Passages:\n{' '.join(passages)}\n\n{question}"}
        answer = f"{said} That is all that the documents say about it."
        made.append(Example(messages=(system, user, {"role": "assistant", "content": answer}), kind="chat"))
    return made


# --- the systems, each in a process of its own --------------------------------------------------


def answer(**said: Any) -> None:
    print(json.dumps(said), file=sys.__stdout__, flush=True)


def cost(device: str) -> tuple[float, float]:
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def read_rows(path: Path) -> list[Any]:
    from loresmith.training.values import Row

    return [
        Row(np.array(row["ids"], np.int32), np.array(row["loss"], bool))
        for row in json.loads(path.read_text())
    ]


def prepare(model: str, count: int, out: Path) -> None:
    """The model in 16 bits as a folder, the rows, and the adapter that every system starts from."""
    import torch

    from loresmith.training import adapter, base, recipe, tokens

    loaded = base.load(model, method="lora", precision="bf16", device="cpu")
    rows, problems = tokens.rows(examples(count), loaded.tokenizer, max_length=10**6)
    assert not problems, problems
    (out / "rows.json").write_text(
        json.dumps([{"ids": r.ids.tolist(), "loss": r.loss.tolist()} for r in rows])
    )
    loaded.model.save_pretrained(out / "model")
    loaded.tokenizer.save_pretrained(out / "model")
    tuned = adapter.attach(loaded, recipe.resolve(TrainingSection(**SETTINGS), loaded, rows))
    torch.manual_seed(1)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            # Were it zero, as usual, the gradient of the other half would be zero too.
            torch.nn.init.normal_(parameter, std=0.01)
    tuned.save_pretrained(out / "adapter")


def ours(wishes: argparse.Namespace) -> None:
    import torch
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    from loresmith.training import adapter, base, optimiser, recipe

    torch.set_num_threads(wishes.threads)
    loaded = base.load(str(wishes.folder / "model"), method=wishes.method, precision="bf16")
    rows = read_rows(wishes.folder / "rows.json")
    settings = TrainingSection(
        **SETTINGS, checkpointing="on" if wishes.checkpointing else "off", micro_tokens=wishes.micro_tokens
    )
    attach, step = adapter.attach, optimiser.FlatAdamW.step
    trained: list[Any] = []

    def attach_the_same(*arguments: Any) -> Any:
        model = attach(*arguments)
        set_peft_model_state_dict(model, load_file(wishes.folder / "adapter" / "adapter_model.safetensors"))
        trained[:] = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        return model

    def keep_the_first_gradient(self: Any, **options: Any) -> float:
        if not wishes.gradients.exists():
            flat = self.gradient.float().cpu().split([p.numel() for _, p in trained])
            np.savez(
                wishes.gradients,
                **{
                    n.replace(".default", ""): g.view_as(p).numpy()
                    for (n, p), g in zip(trained, flat, strict=True)
                },
            )
        return float(step(self, **options))

    adapter.attach, optimiser.FlatAdamW.step = attach_the_same, keep_the_first_gradient  # type: ignore[assignment,method-assign]
    losses: list[float] = []
    began = (0.0, 0.0)
    ended = False

    def wait() -> None:
        nonlocal began, ended
        ended = sys.stdin.readline().strip() != "step"
        began = cost(loaded.device)

    def on_step(step: Any) -> None:
        if step.loss is not None:
            wall, cpu = cost(loaded.device)
            losses.append(step.loss)
            answer(wall=wall - began[0], cpu=cpu - began[1])
            wait()

    answer(ready=True)
    wait()
    plan = recipe.resolve(settings, loaded, rows)
    done = recipe.train(
        loaded, rows, [], plan, out=wishes.gradients.parent,
        on_step=on_step, stop=lambda: ended,
    )  # fmt: skip
    held = str(trained[0][1].dtype)
    answer(losses=losses, peak=done.peak_memory_bytes, micro_tokens=plan.micro_tokens, adapter=held)


def reference(wishes: argparse.Namespace) -> None:
    """Loss and gradient in float32, one row at a time, by transformers and PEFT alone."""
    import peft
    import torch
    import transformers

    torch.set_num_threads(wishes.threads)
    bare = transformers.AutoModelForCausalLM.from_pretrained(wishes.folder / "model", dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(bare, wishes.folder / "adapter", is_trainable=True)
    rows = read_rows(wishes.folder / "rows.json")
    targets = sum(int(row.loss[1:].sum()) for row in rows)
    total = 0.0
    for row in rows:
        ids = torch.from_numpy(row.ids.astype(np.int64))
        learned = torch.from_numpy(row.loss[1:])
        logits = model(input_ids=ids[None]).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits[learned], ids[1:][learned], reduction="sum") / targets
        loss.backward()
        total += float(loss.detach())
    found = {
        n.replace(".default", ""): p.grad.numpy() for n, p in model.named_parameters() if p.requires_grad
    }
    np.savez(wishes.gradients, **found)
    answer(losses=[total])


# --- the comparison -----------------------------------------------------------------------------


@contextmanager
def started(name: str, command: Sequence[str], gradients: Path, threads: int) -> Iterator[System]:
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore", "TRL_EXPERIMENTAL_SILENCE": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield System(name, process, gradients=gradients)
    finally:
        process.kill()
        process.wait()


def take_turns(systems: Sequence[System], rounds: int) -> None:
    """A step each, in changing order; the first is not counted."""
    for number in range(rounds + 1):
        for offset in range(len(systems)):
            system = systems[(number + offset) % len(systems)]
            took = system.ask("step")
            if number:
                system.wall.append(took["wall"])
                system.cpu.append(took["cpu"])
            print(f"  step {number} of {rounds}: {system.name}: {took['cpu']:.1f} CPU-s", file=sys.stderr)
    for system in systems:
        system.said = system.ask("end")


def cosine(one: Path, other: Path) -> float:
    """Of two gradients as whole vectors."""
    a, b = np.load(one), np.load(other)
    assert set(a.files) == set(b.files), set(a.files) ^ set(b.files)
    dot, left, right = (
        sum(float(np.vdot(x[n].astype(np.float64), y[n].astype(np.float64))) for n in a.files)
        for x, y in ((a, b), (a, a), (b, b))
    )
    return dot / (left * right) ** 0.5


def table(
    systems: Sequence[System], tokens: int, against: str, true: Path | None, by: str = "cpu"
) -> list[dict[str, Any]]:
    """Prints a row for each system and returns the figures.

    Args:
        against: the system that the ratios are of.  by: "cpu" (processor seconds) or "wall".
    """
    yardstick = next(s for s in systems if s.name == against)
    print("| | tokens/CPU-s | tokens/s | × | peak MB | losses of the steps | gradient cosine |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for s in systems:
        cpu, wall = statistics.median(s.cpu), statistics.median(s.wall)
        alike = cosine(s.gradients, true) if true else None
        row = {
            "system": s.name,
            "tokens_per_cpu_second": tokens / cpu if cpu else None,
            "tokens_per_second": tokens / wall,
            "ratio": statistics.median(getattr(yardstick, by)) / statistics.median(getattr(s, by)),
            "peak_memory_bytes": s.said["peak"],
            "losses": s.said["losses"],
            "gradient_cosine": alike,
            "cpu_seconds": s.cpu,
            "seconds": s.wall,
            "adapter": s.said["adapter"],
        }
        rows.append(row)
        losses = " ".join(f"{loss:.4f}" for loss in s.said["losses"])
        print(
            f"| {s.name} | {tokens / cpu:.0f} | {tokens / wall:.0f} | {row['ratio']:.2f} | "
            f"{s.said['peak'] / 1e6:.0f} | {losses} | {'' if alike is None else f'{alike:.5f}'} |"
        )
    return rows


def run(wanted: Mapping[str, Sequence[str]], wishes: argparse.Namespace, folder: Path) -> list[System]:
    """The systems, name -> ("ours" or "trl", options...), trained in turns."""
    own = [sys.executable, str(HERE), "--worker", "ours", "--folder", str(folder)]
    other = [
        wishes.trl_python, str(HERE.with_name("training_trl.py")), "--model", str(folder / "model"),
        "--adapter", str(folder / "adapter"), "--rows", str(folder / "rows.json"), "--rate", str(RATE),
    ]  # fmt: skip
    with ExitStack() as stack:
        systems = []
        for number, (name, (whose, *options)) in enumerate(wanted.items()):
            place = folder / f"run-{len(wanted)}-{number}"
            place.mkdir()
            gradients = place / "gradients.npz"
            where = ["--gradients", str(gradients)] if whose == "ours" else ["--out", str(place)]
            command = [*(own if whose == "ours" else other), *where, *options]
            command += ["--threads", str(wishes.threads)]
            systems.append(stack.enter_context(started(name, command, gradients, wishes.threads)))
            systems[-1].hear()
        take_turns(systems, wishes.rounds)
        return systems


def trl_packings(lengths: Sequence[int], sizes: Sequence[int], *options: str) -> dict[str, list[str]]:
    """TRL with packing: one block a forward pass, for every size that holds the longest row."""
    fitting = [size for size in sizes if size >= max(lengths)] or [max(lengths)]
    return {f"TRL, packing {n}": ["trl", "--packing", str(n), "--micro", "1", *options] for n in fitting}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trl-python", help="interpreter of an environment with trl; unset: ours alone")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--packing", type=int, nargs="+", default=[512, 1024], help="tokens of TRL's packed blocks"
    )
    parser.add_argument("--json", type=Path, help="write every figure there too")
    for name in ("--worker", "--method"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--folder", "--gradients"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--micro-tokens", type=int, help=argparse.SUPPRESS)
    wishes = parser.parse_args()
    if wishes.worker:
        {"ours": ours, "reference": reference}[wishes.worker](wishes)
        return
    with tempfile.TemporaryDirectory(prefix="loresmith-training-") as temporary:
        folder = Path(temporary)
        prepare(wishes.model, wishes.rows, folder)
        rows = read_rows(folder / "rows.json")
        lengths = [len(row.ids) for row in rows]
        learned = sum(int(row.loss.sum()) for row in rows) / sum(lengths)
        print(
            f"{wishes.model}, {len(rows)} rows of {min(lengths)} to {max(lengths)} tokens, {sum(lengths)} in "
            f"all, {learned:.0%} of them learned; bf16, rank 16 on every linear layer, "
            f"{wishes.threads} thread(s)\n"
        )
        true = folder / "true.npz"
        command = [sys.executable, str(HERE), "--worker", "reference", "--folder", str(folder)]
        command += ["--gradients", str(true), "--threads", str(wishes.threads)]
        with started("float32", command, true, wishes.threads) as exact:
            print(f"float32, row by row: loss {exact.hear()['losses'][0]:.4f}\n")
        figures: dict[str, Any] = {"rows": len(lengths), "tokens": sum(lengths), "model": wishes.model}
        if wishes.trl_python:
            packing = trl_packings(lengths, wishes.packing)
            wanted = {
                "TRL, defaults": ["trl", "--checkpointing"],
                "TRL, activations kept": ["trl"],
                **packing,
                "Loresmith": ["ours", "--method", "lora"],
            }
            systems = run(wanted, wishes, folder)
            figures["systems"] = table(systems, sum(lengths), "TRL, defaults", true)
            by_name = {row["system"]: row for row in figures["systems"]}
            best = max((by_name[name] for name in packing), key=lambda row: row["ratio"])
            figures["of_packing"] = by_name["Loresmith"]["ratio"] / best["ratio"]
            figures["of_defaults"] = by_name["Loresmith"]["ratio"]
            print(
                f"\nLoresmith: {figures['of_packing']:.2f} times {best['system']}, "
                f"{figures['of_defaults']:.2f} times TRL's defaults (processor seconds)\n"
            )
        methods = {
            f"{name}{again}": ["ours", "--method", name.lower(), *(["--checkpointing"] if again else [])]
            for again in ("", " again")
            for name in ("LoRA", "QLoRA")
        }
        systems = run(methods, wishes, folder)
        print('"again": activations computed again instead of kept (gradient checkpointing)\n')
        figures["methods"] = table(systems, sum(lengths), "LoRA", None)
    if wishes.json:
        wishes.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
