"""A dataset in numbers, and what follows from them before anything is trained."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from loresmith.dataset.example import Example

FEW_ROWS, FEW_PASSAGES = 50, 100
_BORDERS = (32, 64, 128, 256, 512, 1024, 2048, 4096)


def count(
    accepted: Sequence[Example],
    tokens: Sequence[int],
    *,
    reasons: Sequence[str],
    repairs: Sequence[str],
    personal: Mapping[str, Sequence[tuple[str, str]]],
) -> dict[str, Any]:
    """Counts of what was accepted (with its tokens), rejected, mended, and looks personal (by kind,
    as (row, masked text))."""
    lengths = sorted(tokens)
    facts = Counter(e.fact for e in accepted if e.kind == "closed" and e.fact)
    return {
        "rows": len(accepted) + len(reasons),
        "kinds": dict(Counter(e.kind for e in accepted).most_common()),
        "origins": dict(Counter(e.origin.partition(":")[0] or "unknown" for e in accepted).most_common()),
        "languages": dict(Counter(e.language or "unknown" for e in accepted).most_common()),
        "tokens": {
            "median": round(median(lengths)) if lengths else 0,
            "p95": lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0,
            "max": lengths[-1] if lengths else 0,
            "total": sum(lengths),
        },
        "lengths": _histogram(lengths),
        "facts": len(facts),
        "wordings_per_fact": round(sum(facts.values()) / len(facts), 2) if facts else 0.0,
        "facts_in_three_wordings": sum(n >= 3 for n in facts.values()),
        "reasons": dict(Counter(map(reason_kind, reasons)).most_common()),
        "repairs": dict(Counter(done.partition(":")[0] for done in repairs).most_common()),
        "personal": {
            kind: {"rows": len(seen), "samples": [f"{row}: {text}" for row, text in seen[:5]]}
            for kind, seen in personal.items()
        },
    }


def reason_kind(reason: str) -> str:
    """What a reason is about, to count by: what stands before its details.

    >>> reason_kind("too long: 2,311 tokens, at most 1,024")
    'too long'
    """
    return re.split(r"[:(“]", reason)[0].strip()


def _histogram(tokens: Sequence[int]) -> dict[str, int]:
    counts = Counter(next((b for b in _BORDERS if n <= b), 0) for n in tokens)
    names = {b: f"≤ {b:,}" for b in _BORDERS} | {0: f"> {_BORDERS[-1]:,}"}
    return {names[b]: counts[b] for b in (*_BORDERS, 0) if counts[b]}


def warnings(figures: Mapping[str, Any], *, rejects_personal: bool) -> Iterator[str]:
    """What a person should know before training on what `count` counted."""
    kinds: Mapping[str, int] = figures["kinds"]
    rows = sum(kinds.values())
    facts, wordings = figures["facts"], figures["wordings_per_fact"]
    if 0 < rows < FEW_ROWS:
        yield (
            f"Too little data to matter: {rows} rows. From so few a model learns a tone, not a trade; "
            "a few hundred are wanted (100 facts in 4 wordings each are 400)."
        )
    if facts >= 5 and wordings < 2:
        yield (
            f"{facts:,} answers are asked for in {wordings:.1f} wordings each. Where they are facts to be "
            "recalled: what is trained in one wording is hardly recalled in another; 4 are wanted."
        )
    abstain = kinds.get("abstain", 0)
    reading = kinds.get("grounded", 0) + abstain
    if rows >= FEW_ROWS and 0 < reading < FEW_PASSAGES:
        yield (
            f"Too little to teach the arm both to read: {reading} rows with passages; "
            "some hundreds are wanted."
        )
    if reading >= 20 and abstain < 0.05 * reading:
        yield (
            f"{abstain} of {reading} rows with passages abstain: a model that is never shown when to say "
            "nothing will always say something (dataset.abstain)."
        )
    if reading >= 20 and abstain > 0.6 * reading:
        yield f"{abstain} of {reading} rows with passages abstain: the model may learn to refuse."
    if personal := figures["personal_rows"]:
        parts = ", ".join(f"{seen['rows']:,} with {kind}" for kind, seen in figures["personal"].items())
        done = (
            "were rejected" if rejects_personal else 'are kept (dataset.personal_data = "reject" would not)'
        )
        yield f"{personal:,} rows look as if they held personal data ({parts}); they {done}."
    if sides := figures["reasons"].get("contradiction", 0):
        yield f"{sides:,} rows contradict each other and were left out: the report shows both sides."
    rejected = figures["rows"] - rows
    if rejected > figures["rows"] / 2:
        yield f"{rejected:,} of {figures['rows']:,} rows were rejected: look at the reasons before you train."
