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
from loresmith.dataset.example import Example
from loresmith.expert import Workspace
from loresmith.types import Arm, Message

SUBJECTS = (
    "Velkar", "Ombrin", "Tasqual", "Drevin", "Hulmet", "Parvex", "Sondral", "Quiber", "Lanthe", "Morvik",
    "Feldan", "Ystra", "Corbel", "Jantor", "Wexley", "Zuvren", "Alkido", "Bremsa", "Nolvar", "Ekthar",
)  # fmt: skip
KINDS = ("pump", "press", "mixer", "dryer", "saw", "lift", "oven", "crane", "valve", "mill")

# Attribute: values are drawn from a range too wide to guess; then the answer, five wordings to
# train (as many as --wordings says) and two to test. {s} is the subject, {v} the value.
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
        ("When is the next service of the {s} due after the last one?", "How long may the {s} run between two services?"),
    ),
    "inspector": (
        "{name}",
        "{v} inspects the {s}.",
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
