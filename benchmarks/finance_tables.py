"""Questions over report tables with text (TAT-QA): exact match and F1 by its own rules.

    python -m benchmarks.finance_tables --data dev.json [--model NAME] [--limit N]

The rules, restated from the paper and its evaluator: an answer is a list of strings with a scale
("", thousand, million, billion, percent). Numbers count as they would be written out (the figure, rounded
to two places, times its scale; "%" in the string is a scale of its own), other strings are compared as
lower-case words without articles and punctuation; a list is sorted and joined. Exact match wants the
joined strings equal; F1 is over the sets of words; for arithmetic and counts F1 is the exact match. A
bare number without a scale also counts where the gold figure is that number ("0.22" for 22 percent).
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from typing import Any

from loresmith.querying.solution import Solution

SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "percent": 0.01}
_QUIET = "'\"\\$€£¥%(),[]"


def prediction(found: Solution) -> tuple[list[str], str]:
    """A solution as the benchmark's answer and scale."""
    if found.texts:
        scale = found.scale if found.kind == "value" and not any("%" in t for t in found.texts) else ""
        return list(found.texts), scale
    return [str(round(number, 2)) for number in found.numbers], found.scale


def score(answer: Sequence[str], scale: str, gold: dict[str, Any]) -> tuple[float, float]:
    """(exact match, F1) of an answer by TAT-QA's rules."""
    kind, wanted = gold["answer_type"], gold["answer"]
    if not answer:
        return 0.0, 0.0
    if kind == "count":
        wanted = [str(int(wanted))]
    elif not isinstance(wanted, list):
        wanted = [str(wanted)]
    target = _normal(_joined(wanted, gold["scale"]))
    given = [_joined(answer, scale)]
    if len(answer) == 1 and not scale and "%" not in answer[0] and _is_number(answer[0]):
        given.append(f"{_number(answer[0]):.4f}")
    best = max((_pair(_normal(text), target) for text in given), default=(0.0, 0.0))
    return (best[0], best[0]) if kind in ("arithmetic", "count") else best


def _pair(given: str, target: str) -> tuple[float, float]:
    a, b = set(given.split()), set(target.split())
    same = len(a & b)
    precision = same / len(a) if a else 1.0
    recall = same / len(b) if b else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return float(given == target), round(f1, 2)


def _joined(answers: Sequence[str], scale: str) -> str:
    shown = []
    for answer in sorted(str(a) for a in answers):
        if not _is_number(answer):
            shown.append(f"{answer} {scale}" if scale else answer)
        elif "%" in answer:
            shown.append(f"{_number(answer):.4f}")
        else:
            shown.append(f"{round(_number(answer), 2) * SCALES.get(scale, 1.0):.4f}")
    return " ".join(shown)


def _bare(text: str) -> str:
    return "".join(c for c in text if c not in _QUIET)


def _is_number(text: str) -> bool:
    words = [w for w in (_bare(w) for w in text.split()) if w]
    try:
        if not words or math.isnan(float(words[0])):
            return False
    except ValueError:
        return False
    return len(words) < 2 or any(name in words[1].lower() for name in SCALES)


def _number(text: str) -> float:
    found = re.search(r"[+-]?\d+(?:\.\d+)?|[+-]?\.\d+", _bare(text))
    if found is None:
        return 0.0
    value = float(found[0])
    worded = re.search(r"[\d.]+\s?([a-zA-Z]+)", text)
    if worded:
        value *= next((f for name, f in SCALES.items() if name in worded[1].lower()), 1.0)
    if re.search(r"\([\d.\s]+\)", text.strip()):
        value = -value
    if re.search(r"[\d.\s]+%", text.strip()):
        value *= 0.01
    return round(value, 4)


def _normal(text: str) -> str:
    kept = []
    for token in text.split(" "):
        word = token.lower()
        word = (
            str(_number(word))
            if _is_number(word)
            else "".join(c for c in word if c not in string.punctuation)
        )
        word = " ".join(re.sub(r"\b(a|an|the)\b", " ", word).split())
        if word:
            kept.append(word)
    return " ".join(kept)
