"""How likely a result answers the question, and when the tables cannot answer it at all.

Small models never say that they cannot: they write a query for any question. So code says it: where
too little of the question's words is found in the tables nothing is asked, and what was asked is
believed the less, the more words nothing accounts for, the more values and numbers of the question the
statement leaves out, and the less sure the model was of what it wrote.

The weights are fitted on the questions to three databases (benchmarks/sql.py, split dev).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from loresmith.tables.names import fold

if TYPE_CHECKING:
    from loresmith.querying.ask import Attempt, Sound
    from loresmith.querying.linking import Links

THRESHOLD = 0.5
# Below this share of the words that say something, no query is worth the time.
HOPELESS = 0.34

_BIAS = -1.5
_WEIGHTS: Mapping[str, float] = {
    "explained": 3.0,
    "values": 1.0,
    "numbers": 0.5,
    "sure": 1.0,
    "first": 0.7,
    "rows": 0.5,
}
# A plan of code accounts for every word.
_BY_CODE = 0.95


def explained(links: Links) -> float:
    """Share of the question's words that say something which the tables account for."""
    known = sum(
        a.last - a.first for a in links.atoms if a.kind in ("table", "column", "name", "value", "date")
    )
    unknown = sum(a.last - a.first for a in links.atoms if a.kind in ("unknown", "quote"))
    return known / (known + unknown) if known + unknown else 0.0


def hopeless(links: Links) -> str:
    """Why the tables cannot answer the question; "" where they may."""
    if not links.tables:
        return "the tables hold nothing of what the question names"
    if explained(links) < HOPELESS:
        words = ", ".join(dict.fromkeys(links.unexplained))
        return f"the tables do not seem to hold it (not found in them: {words})"
    return ""


def features(attempt: Attempt, found: Sound) -> dict[str, float]:
    """Features in [0, 1] of a model's statement."""
    sql = found.checked.sql
    links = attempt.links
    spans = {(v.first, v.last): False for v in links.values}
    folded = f" {fold(sql)} "
    for value in links.values:
        if f" {fold(value.value)} " in folded:
            spans[value.first, value.last] = True
    numbers = [f" {fold(str(n.value))} " in folded for n in links.numbers]
    empty = not found.rows.rows or all(cell is None for row in found.rows.rows for cell in row)
    return {
        "explained": explained(links),
        "values": sum(spans.values()) / len(spans) if spans else 1.0,
        "numbers": sum(numbers) / len(numbers) if numbers else 1.0,
        "sure": math.exp(attempt.logprob) if attempt.logprob is not None else 0.9,
        "first": float(not attempt.tried),
        "rows": float(not empty),
    }


def confidence(attempt: Attempt, found: Sound) -> float:
    """Estimated probability in [0, 1] that the result answers the question."""
    if found.by == "code":
        return _BY_CODE
    given = features(attempt, found)
    value = _BIAS + sum(weight * given[name] for name, weight in _WEIGHTS.items())
    return round(1 / (1 + math.exp(-value)), 4)
