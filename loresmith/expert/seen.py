"""Which documents a filter lets a reader see; the store of passages applies the same inside its query."""

from __future__ import annotations

from loresmith.state import DocumentInfo
from loresmith.types import Filter

EVERYTHING = Filter()


def visible(info: DocumentInfo, where: Filter) -> bool:
    """Whether the reader may see it, and names it where documents are named."""
    if where.access is not None and not set(info.labels) <= set(where.access):
        return False
    return not where.documents or info.id in where.documents


def wanted(info: DocumentInfo, where: Filter) -> bool:
    """The rest of a filter, as the store of passages applies it."""
    moment = info.modified
    return (
        (not where.sources or info.source in where.sources)
        and (not where.labels or bool(set(info.labels) & set(where.labels)))
        and (where.since is None or (moment is not None and moment >= where.since))
        and (where.until is None or (moment is not None and moment < where.until))
    )
