"""A `Filter` as a condition of the store's own query language (SQL as DataFusion reads it).

Fails closed: a row's labels are kept as one canonical string, and a reader's condition lists the
label sets he may see, so a set that is not listed, damaged or NULL is not seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from loresmith.types import Filter

NOTHING = "false"


def access_key(labels: Iterable[str]) -> str:
    """The canonical string of a label set: equal sets give equal strings, others never."""
    return json.dumps(sorted(set(labels)))


def literal(text: str) -> str:
    """`text` as an SQL string literal. Nothing but the quote is special in DataFusion's dialect."""
    return "'" + text.replace("'", "''") + "'"


def is_in(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(literal(value) for value in values)
    return f"{column} IN ({listed})" if listed else NOTHING


def condition(where: Filter, label_sets: Sequence[str]) -> str | None:
    """The condition for `where`, or None where it lets everything through.

    Args:
        label_sets: every distinct `access_key` in the store.
    """
    parts = []
    if where.access is not None or where.labels:
        visible = [key for key in label_sets if _visible(key, where)]
        parts.append(is_in("access", visible))
    if where.sources:
        parts.append(is_in("source", where.sources))
    if where.documents:
        parts.append(is_in("document", where.documents))
    if where.since is not None:
        parts.append(f"modified >= {float(where.since)!r}")
    if where.until is not None:
        parts.append(f"modified < {float(where.until)!r}")
    if NOTHING in parts:
        return NOTHING
    return " AND ".join(parts) or None


def _visible(key: str, where: Filter) -> bool:
    try:
        labels = {str(label) for label in json.loads(key)}
    except (ValueError, TypeError):
        return False
    if access_key(labels) != key:
        return False
    held = where.access is None or labels <= set(where.access)
    return held and (not where.labels or bool(labels & set(where.labels)))
