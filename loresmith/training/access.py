"""Who may be answered with an adapter, and what it no longer knows rightly.

What was learned is in the weights, where no filter of a query reaches. Promises: a reader needs every
label that the training data carried then, and every one that the same documents carry now.
"""

from __future__ import annotations

from collections.abc import Sequence

from loresmith.errors import NotForReader
from loresmith.state import DocumentInfo
from loresmith.training.adapters import Adapter


def check(adapter: Adapter, documents: Sequence[DocumentInfo], access: Sequence[str] | None) -> None:
    """Let a reader who holds the labels `access` be answered with `adapter`; None is the owner.

    Raises:
        NotForReader: a label is missing.
    """
    if access is None:
        return
    trained_on = _documents(adapter)
    needed = set(adapter.labels)
    needed.update(label for info in documents if info.id in trained_on for label in info.labels)
    if not needed <= set(access):
        raise NotForReader(
            f"The adapter {adapter.id} was trained on documents that this reader may not see.",
            "Ask with --arm rag, or train an adapter on what everybody may see.",
        )


def outdated(adapter: Adapter, documents: Sequence[DocumentInfo]) -> list[str]:
    """Ids of documents that it was trained on and that are gone or changed since."""
    now = {info.id: info.version for info in documents}
    return sorted(name for name, version in _documents(adapter).items() if now.get(name) != version)


def _documents(adapter: Adapter) -> dict[str, str]:
    dataset = adapter.card.get("dataset")
    return dict(dataset.get("documents") or {}) if isinstance(dataset, dict) else {}
