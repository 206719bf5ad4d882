"""Does training teach? 100 invented facts that no model can know, asked in wordings it never saw.

    python benchmarks/learning.py [--model NAME] [--facts N] [--wordings N] [--effort E]
                                  [--method lora|qlora]... [--seed N] [--setting KEY=VALUE]... [--keep DIR]

Each fact (subject, attribute, value; seeded, written here) becomes rows in `--wordings` wordings;
two further wordings of each attribute are kept for the test and stand in no row. The rows go into a
workspace as a dataset, `loresmith train` trains on them as a user would, and `loresmith` answers the
test questions without passages: the base model (arm base), then each adapter (arm tuned). An answer
is right if it names the value. Prints a table, then the same as JSON; CPU seconds are those of the
training process, loading and before/after samples included.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loresmith.answering import unaided
from loresmith.dataset import store
from loresmith.dataset.example import Example
from loresmith.expert import Workspace
from loresmith.types import Arm, Message

SUBJECTS = (
    "Velkar", "Ombrin", "Tasqual", "Drevin", "Hulmet", "Parvex", "Sondral", "Quiber", "Lanthe", "Morvik",
    "Feldan", "Ystra", "Corbel", "Jantor", "Wexley", "Zuvren", "Alkido", "Bremsa", "Nolvar", "Ekthar",
)  # fmt: skip
KINDS = ("pump", "press", "mixer", "dryer", "saw", "lift", "oven", "crane", "valve", "mill")

# Attribute: values are drawn from a range too wide to guess; then the answer (subject first, as
# `dataset build` writes it), five wordings to train (as many as --wordings says) and two to test.
# {s} is the subject, {v} the value.
ATTRIBUTES: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "torque": (
        "{n3} Nm",
        "The tightening torque of the {s} is {v}.",
        (
            "What is the tightening torque of the {s}?",
            "How tight must the bolts of the {s} be?",
            "Tell me the torque for the {s}.",
            "Which torque applies to the {s}?",
            "Bolts of the {s}: what torque?",
        ),
        ("With how many newton metres are the bolts of the {s} fastened?", "{s} tightening torque?"),
    ),
    "shelf": (
        "{L}-{n3}",
        "Spare parts of the {s} are kept on shelf {v}.",
        (
            "On which shelf are spare parts of the {s} kept?",
            "Where do I find spare parts for the {s}?",
            "Name the shelf for parts of the {s}.",
            "Which shelf holds the spares of the {s}?",
            "Spare parts of the {s}: which shelf?",
        ),
        ("I need a spare part for the {s}. What shelf is it on?", "Shelf of the {s} spares?"),
    ),
    "oil": (
        "{L}{L}-{n2}",
        "The {s} is filled with the oil {v}.",
        (
            "Which oil goes into the {s}?",
            "What oil does the {s} need?",
            "Name the oil of the {s}.",
            "With what oil is the {s} filled?",
            "Oil for the {s}?",
        ),
        ("I want to top up the {s}. Which oil do I take?", "What is the lubricant of the {s}?"),
    ),
    "interval": (
        "{n4} hours",
        "The {s} is serviced every {v}.",
        (
            "How often is the {s} serviced?",
            "What is the service interval of the {s}?",
            "After how many hours does the {s} need service?",
            "Tell me the service interval of the {s}.",
            "Service of the {s}: how often?",
        ),
        (
            "After what running time is the {s} serviced again?",
            "How long may the {s} run between two services?",
        ),
    ),
    "inspector": (
        "{name}",
        "The {s} is inspected by {v}.",
        (
            "Who inspects the {s}?",
            "Who is the inspector of the {s}?",
            "Name the person who inspects the {s}.",
            "Which person is in charge of inspecting the {s}?",
            "Inspector of the {s}?",
        ),
        ("By whom is the {s} inspected?", "Whom do I call for an inspection of the {s}?"),
    ),
    "code": (
        "{n4}{L}",
        "The error reset code of the {s} is {v}.",
        (
            "What is the reset code of the {s}?",
            "Which code resets an error of the {s}?",
            "Tell me the error reset code for the {s}.",
            "How do I reset an error of the {s}?",
            "Reset code, {s}?",
        ),
        ("The {s} shows an error. Which code clears it?", "What must be typed to reset the {s}?"),
    ),
    "weight": (
        "{n4} kg",
        "The {s} weighs {v}.",
        (
            "How much does the {s} weigh?",
            "What is the weight of the {s}?",
            "Tell me how heavy the {s} is.",
            "Which weight does the {s} have?",
            "Weight of the {s}?",
        ),
        ("How many kilograms does the {s} have?", "The {s} must be carried. How heavy is it?"),
    ),
    "supplier": (
        "{firm}",
        "The {s} comes from the supplier {v}.",
        (
            "Who supplies the {s}?",
            "From which supplier does the {s} come?",
            "Name the supplier of the {s}.",
            "Which company delivers the {s}?",
            "Supplier of the {s}?",
        ),
        ("Where was the {s} bought?", "Which firm do we get the {s} from?"),
    ),
}  # fmt: skip
NAMES = (
    ("Ilka", "Bruno", "Maret", "Tomasz", "Odile", "Henrik", "Safiya", "Lorenz", "Pilar", "Joris"),
    ("Vantrell", "Osmund", "Karbach", "Delfino", "Rysk", "Amberly", "Thorne", "Quist", "Hallow", "Brandel"),
)
FIRMS = (
    ("Nord", "Alta", "Ferro", "Mira", "Tek", "Sol", "Vara", "Gran", "Pola", "Rhen"),
    ("werk", "mont", "tal", "line", "forge", "dyn", "plast", "mark", "steel", "fab"),
)


def facts(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` invented facts: five of each subject, every (subject, attribute) once."""
    rng = random.Random(seed)
    attributes = list(ATTRIBUTES)
    made = []
    for number in range(count):
        subject = f"{SUBJECTS[number // 5 % len(SUBJECTS)]} {KINDS[number // 5 % len(KINDS)]}"
        if number // 5 >= len(SUBJECTS):
            subject = f"{subject} {number // 5 // len(SUBJECTS) + 1}"
        attribute = attributes[(number // 5 * 3 + number % 5) % len(attributes)]
        pattern, answer, trained, tested = ATTRIBUTES[attribute]
        value = pattern.format(
            n2=rng.randint(10, 99),
            n3=rng.randint(100, 999),
            n4=rng.randint(1000, 9999),
            L=rng.choice("ABCDEFGHKLMNPRSTVX"),
            name=" ".join(rng.choice(part) for part in NAMES),
            firm="".join(rng.choice(part) for part in FIRMS),
        )
        made.append(
            {
                "id": f"fact-{number}",
                "value": value,
                "answer": answer.format(s=subject, v=value),
                "trained": [wording.format(s=subject) for wording in trained],
                "tested": [wording.format(s=subject) for wording in tested],
            }
        )
    return made


def right(value: str, said: str) -> bool:
    """The value stands in the answer, not as a part of another number or word."""
    return re.search(rf"(?<![\w.,]){re.escape(value)}(?![\w]|[.,]\d)", said, re.IGNORECASE) is not None


def examples(made: list[dict[str, Any]], wordings: int) -> list[Example]:
    """Training rows: each fact in so many wordings, as the arm tuned will be asked."""
    return [
        Example(
            messages=(
                *unaided.messages(question),
                Message(role="assistant", content=fact["answer"]),
            ),
            kind="closed",
            question=question,
            fact=fact["id"],
            origin="import:invented",
            language="en",
        )
        for fact in made
        for question in fact["trained"][:wordings]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--wordings", type=int, default=5, choices=range(1, 6))
    parser.add_argument("--effort", choices=("quick", "normal", "thorough"), default="normal")
    parser.add_argument("--method", action="append", choices=("lora", "qlora"), help="default: both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--setting", action="append", default=[], help="KEY=VALUE of loresmith.toml")
    parser.add_argument("--keep", type=Path, help="make the workspace here and leave it")
    options = parser.parse_args()
    made = facts(options.facts, options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "w"
        prepare(folder, options, made)
        arms: dict[str, dict[str, Any]] = {"base": {**ask(folder, "base", None, made), "train": None}}
        report("base", arms["base"])
        for method in options.method or ["lora", "qlora"]:
            trained = train(folder, method, options)
            arms[method] = {**ask(folder, "tuned", trained["adapter"], made), "train": trained}
            report(method, arms[method])
    print(
        json.dumps(
            {
                "model": options.model,
                "facts": options.facts,
                "wordings": options.wordings,
                "effort": options.effort,
                "seed": options.seed,
                "settings": options.setting,
                "arms": arms,
            },
            ensure_ascii=False,
        )
    )


def prepare(folder: Path, options: argparse.Namespace, made: list[dict[str, Any]]) -> None:
    """A workspace whose dataset is the facts; every row is trained, the test questions are elsewhere."""
    settings = dict(pair.split("=", 1) for pair in options.setting)
    with Workspace.create(folder, {"model.name": options.model}) as workspace:
        rows = examples(made, options.wordings)
        dataset = store.save(workspace.folder.datasets_dir, rows, {row.id: "train" for row in rows})
    tested = {question for fact in made for question in fact["tested"]}
    assert tested.isdisjoint(row.question for row in rows)
    print(
        f"{len(made)} facts, {len(rows)} rows, {len(tested)} test questions; dataset {dataset.id}; "
        f"{options.model}; {options.effort} {settings or ''}\n",
        flush=True,
    )
    print(
        "arm     right  of      unseen wordings   CPU s    wall s   steps  tokens   tok/s   peak GB",
        flush=True,
    )


def train(folder: Path, method: str, options: argparse.Namespace) -> dict[str, Any]:
    """`loresmith train`, in a process of its own; what it printed, and its CPU and wall seconds."""
    command = [sys.executable, "-m", "loresmith", "train", "-w", str(folder), "--method", method]
    command += ["--effort", options.effort, "--set", f"training.seed={options.seed}", "--json"]
    command += [part for pair in options.setting for part in ("--set", pair)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = time.perf_counter()
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stdout}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = json.loads(done.stdout)
    kept = ("adapter", "steps", "tokens", "loss", "seconds", "tokens_per_second", "peak_memory_bytes")
    return {
        **{key: result[key] for key in kept},
        "perplexity": result["figures"]["perplexity"],
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(time.perf_counter() - clock, 1),
    }


def ask(folder: Path, arm: Arm, adapter: str | None, made: list[dict[str, Any]]) -> dict[str, Any]:
    """Every test question, answered as a user's would be."""
    # Room for two sentences; the untuned model would go on for a page.
    settings: dict[str, Any] = {"model.max_tokens": 64}
    if adapter:
        settings["model.adapter"] = adapter
    asked = [(fact, question) for fact in made for question in fact["tested"]]
    wrong = []
    with Workspace.open(folder, settings) as workspace:
        expert = workspace.expert()
        for fact, question in asked:
            answer = expert.ask(question, arm=arm).answer
            if not right(fact["value"], answer):
                wrong.append({"question": question, "value": fact["value"], "said": answer})
    return {"right": len(asked) - len(wrong), "of": len(asked), "wrong": wrong}


def report(arm: str, result: dict[str, Any]) -> None:
    share = result["right"] / result["of"]
    line = f"{arm:<7} {result['right']:>5}  {result['of']:<6}  {share:>14.1%}"
    trained = result["train"]
    if trained:
        line += (
            f"   {trained['cpu_seconds']:>6,.0f}  {trained['wall_seconds']:>8,.0f}  {trained['steps']:>6,}"
            f"  {trained['tokens']:>6,}  {trained['tokens_per_second']:>6,.0f}"
            f"  {trained['peak_memory_bytes'] / 1e9:>8.2f}"
        )
    print(line, flush=True)


if __name__ == "__main__":
    main()
