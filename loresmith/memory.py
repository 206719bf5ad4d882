"""Conversation memory: earlier questions and answers, found again when they matter.

The words of an entry stand in state.db only; beside the passages, in the table "memory" of the
same database folder, stands its vector with the entry's id. So an entry that is gone from state.db
(a chat was forgotten, a document it cites was deleted or changed) is gone, whatever the vectors
say, and the vectors can always be made again from state.db.

Promises: an answer is recalled only in its own chat, and only to a reader who holds every label of
the documents it comes from. `remember` and `forget` need the workspace's lock, `recall` writes nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from loresmith.errors import IndexDamaged
from loresmith.index import open_store
from loresmith.index.store import Store
from loresmith.state import MemoryRow, State
from loresmith.types import Answer, Embedder, Filter, Locator, Passage, Vectors

_TABLE = "memory"


@dataclass(frozen=True, slots=True)
class Recalled:
    """An earlier exchange of the chat and how near its meaning is to what is asked now."""

    entry: MemoryRow
    score: float


def remember(
    state: State,
    store: Store,
    embedder: Embedder,
    chat: str,
    question: str,
    answer: Answer,
    *,
    labels: Sequence[str] = (),
) -> MemoryRow | None:
    """Keep a question and its answer; an abstention is not worth remembering (None).

    Args:
        labels: of all documents the answer `rests_on`; who lacks one will not recall it.
    """
    if answer.abstained:
        return None
    entry = MemoryRow(
        id=uuid.uuid4().hex,
        chat=chat,
        question=question,
        answer=answer.answer,
        documents=tuple(rests_on(answer)),
        labels=tuple(sorted(set(labels))),
        created=time.time(),
    )
    # The words first: what has words but no vector gets one here or at the next call.
    state.remember(entry)
    with closing(_open(store)) as vectors:
        known = set(vectors.ids())
        entries = [e for e in state.memory() if e.id not in known]
        rows = [_row(e) for e in entries]
        vectors.replace([e.id for e in entries], rows, _embed(embedder, entries), [""] * len(rows))
    return entry


def rests_on(answer: Answer) -> list[str]:
    """Ids of the documents that an answer comes from: those it cites, and all tables that were counted."""
    cited = [c.document for s in answer.sentences for c in s.citations]
    tables = [table.document for table in answer.result.basis] if answer.result else []
    return list(dict.fromkeys([*cited, *tables]))


def recall(
    state: State,
    store: Store,
    embedder: Embedder,
    chat: str,
    question: str,
    *,
    k: int = 3,
    at_least: float = 0.45,
    access: Sequence[str] | None = None,
) -> list[Recalled]:
    """Earlier exchanges of `chat` that are about what `question` asks, the nearest first.

    Args:
        at_least: cosine similarity below which an exchange does not matter.
        access: the labels the reader holds; None means the owner.
    """
    entries = {e.id: e for e in state.memory(chat=chat) if access is None or set(e.labels) <= set(access)}
    if not entries:
        return []
    asked = np.asarray(embedder.embed_queries([question])[0], np.float32)
    where = Filter(access=None if access is None else tuple(access), sources=(chat,))
    scores: dict[str, float] = {}
    try:
        with closing(_open(store, create=False)) as vectors:
            known = set(vectors.ids())
            scores = {p.id: score for p, score in vectors.search_dense(asked, 4 * k, where)}
    except IndexDamaged:
        # The table is made by the first `remember` of a generation; a reader must not make it.
        known = set()
    missing = [e for e in entries.values() if e.id not in known]
    if missing:
        scores |= dict(
            zip((e.id for e in missing), map(float, _embed(embedder, missing) @ asked), strict=True)
        )
    found = [Recalled(entries[i], s) for i, s in scores.items() if i in entries and s >= at_least]
    return sorted(found, key=lambda r: (-r.score, r.entry.id))[:k]


def turns(state: State, chat: str, access: Sequence[str] | None = None) -> list[MemoryRow]:
    """The turns of a conversation that a reader of these labels may see, oldest first."""
    held = None if access is None else set(access)
    mine = [e for e in state.memory(chat=chat) if held is None or set(e.labels) <= held]
    return sorted(mine, key=lambda e: e.created)


def follows(question: str) -> bool:
    """Whether a question leans on the one before it ("And for the P-300?")."""
    words = question.casefold().split()
    opening = " ".join(words[:2]).strip("?.,")
    return len(words) <= 3 or opening.startswith(
        ("and ", "what about", "how about", "und ", "wie ist", "et ", "y ", "e ", "那")
    )


def forget(state: State, store: Store | None, chat: str | None = None) -> int:
    """Erase one chat's memory, or all; returns how many entries are gone."""
    gone = state.forget(chat)
    if store is not None:
        with closing(_open(store)) as vectors:
            kept = {entry.id for entry in state.memory()}
            vectors.delete([i for i in vectors.ids() if i not in kept])
    return len(gone)


def _open(store: Store, *, create: bool = True) -> Store:
    return open_store(store.path, dimension=store.dimension, metric="cosine", create=create, table=_TABLE)


def _embed(embedder: Embedder, entries: Sequence[MemoryRow]) -> Vectors:
    texts = [f"{entry.question}\n{entry.answer}" for entry in entries]
    return np.asarray(embedder.embed_passages(texts), np.float32)


def _row(entry: MemoryRow) -> Passage:
    """Where the vector stands; the chat in `source`, so that the store's own filter parts the chats."""
    return Passage(
        id=entry.id,
        document=entry.id,
        ordinal=0,
        text="",
        locator=Locator(),
        source=entry.chat,
        labels=entry.labels,
        modified=entry.created,
    )
