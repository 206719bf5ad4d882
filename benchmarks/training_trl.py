"""The other side of benchmarks/training.py and gpu_training.py: TRL's SFTTrainer with PEFT.

Runs in an environment of its own (see training.py) and does what the line on its standard input
says: "step" does one optimiser step and answers with its cost, "end" reports and leaves. Nothing
of Loresmith is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from datasets import Dataset
from trl import SFTConfig, SFTTrainer, pack_dataset

# What TRL, transformers and the progress bars say goes to standard error; the answers go here.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(**said: Any) -> None:
    print(json.dumps(said), file=ANSWERS, flush=True)


def cost() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), used.ru_utime + used.ru_stime


class Rounds(transformers.TrainerCallback):
    """Waits for each "step" and tells what it took; keeps the first step's gradients."""

    def __init__(self, gradients: Path) -> None:
        self.gradients = gradients
        self.began = (0.0, 0.0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        answer(ready=True)
        self.wait(control)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        if state.global_step == 0:
            found = {
                name.replace(".default", ""): p.grad.float().cpu().numpy()
                for name, p in model.named_parameters()
                if p.requires_grad
            }
            np.savez(self.gradients, **found)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        wall, cpu = cost()
        answer(wall=wall - self.began[0], cpu=cpu - self.began[1])
        self.wait(control)

    def wait(self, control: Any) -> None:
        if sys.stdin.readline().strip() != "step":
            control.should_training_stop = True
        self.began = cost()


def load(wishes: argparse.Namespace) -> Any:
    quantised = (
        transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        if wishes.nf4
        else None
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(
        wishes.model,
        dtype=torch.bfloat16,
        quantization_config=quantised,
        device_map=wishes.device if wishes.device != "cpu" else None,
        attn_implementation=wishes.attention,
    )
    # TRL does not call peft.prepare_model_for_kbit_training any more, which costs memory and time.
    return peft.PeftModel.from_pretrained(model, wishes.adapter, is_trainable=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--rows", type=Path, required=True, help='JSON: [{"ids": [...], "loss": [...]}]')
    parser.add_argument("--out", type=Path, required=True, help="folder for gradients and scratch")
    parser.add_argument("--packing", type=int, default=0, help="tokens of a block; 0: padded")
    parser.add_argument("--micro", type=int, default=8, help="rows (or blocks) of one forward pass")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--nf4", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--threads", type=int, default=1)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    rows = json.loads(wishes.rows.read_text())
    wishes.out.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "output_dir": str(wishes.out / "scratch"),
        "per_device_train_batch_size": wishes.micro,
        "max_length": wishes.packing or max(len(row["ids"]) for row in rows),
        "packing": bool(wishes.packing),
        "gradient_checkpointing": wishes.checkpointing,
        "completion_only_loss": True,
        "bf16": True,
        "use_cpu": wishes.device == "cpu",
        "learning_rate": wishes.rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "weight_decay": 0.0,
        "max_steps": 100_000,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    model = load(wishes)
    tokenizer = transformers.AutoTokenizer.from_pretrained(wishes.model)
    data = Dataset.from_dict(
        {
            "input_ids": [row["ids"] for row in rows],
            "completion_mask": [[int(target) for target in row["loss"]] for row in rows],
        }
    )

    # One optimiser step is every row once, whatever number of forward passes that takes.
    blocks = len(pack_dataset(data, wishes.packing, "bfd")) if wishes.packing else len(data)
    passes = -(-blocks // wishes.micro)
    config = SFTConfig(gradient_accumulation_steps=passes, **settings)
    running = SFTTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
    running.add_callback(Rounds(wishes.out / "gradients.npz"))
    running.train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if wishes.device != "cpu":
        peak = torch.cuda.max_memory_allocated()
    answer(
        losses=[log["loss"] for log in running.state.log_history if "loss" in log],
        peak=peak,
        passes=passes,
        adapter=str(next(p.dtype for p in model.parameters() if p.requires_grad)),
    )


if __name__ == "__main__":
    main()
