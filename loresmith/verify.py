"""Does everything the workspace acknowledged stand where it should, unaltered? And mending it.

    state.db       SQLite's own check; every stored document unpacks to its digest
    files          every file of the index has the SHA-256 it had when it was committed
    rows           every passage of the ledger stands in the index once, its text, payload and
                   vector as noted; nothing else does
    postings       no index of the engine is missing or behind, and a sample of passages is found
                   by its own words
    tables         the store of tables is whole and has those of every document in its version
    documents      every item has its documents, every document is indexed, every row has its
                   document

Repair takes the narrowest mend that is sure: postings are built again, a document whose rows do
not hold is taken out and indexed again, a document whose stored text does not hold is read again,
an index that cannot be read is built again beside, a state.db that cannot be read is set aside and
everything is read again (conversation memory, imported examples and feedback are carried over as
far as they can be read).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from loresmith import faults
from loresmith.errors import StateDamaged, StorageError
from loresmith.index import Store, StoredRow, files, open_generation
from loresmith.state import DocumentInfo, Generation, LedgerRow, State, learning
from loresmith.sync import run
from loresmith.sync.generations import discard, recover, sweep
from loresmith.sync.ledger import row_digest, text_digest, vector_digest
from loresmith.tables import importing
from loresmith.tables import store as table_store
from loresmith.types import Embedder, Filter, Passage, Progress
from loresmith.workspace import WorkspaceDir, fsync_dir

T = TypeVar("T")

_SAMPLE = 20
_ENOUGH = 1000
_REPAIR = "Run `loresmith verify --repair`."


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold.

    Attributes:
        kind: "state", "document", "file", "index", "missing row", "doubled row", "altered row",
            "altered vector", "unknown row", "unindexed document", "tables" or "postings".
        where: the document, passage, file or index.
        document, item: what is to be made or read again, where it is one.
    """

    kind: str
    where: str
    remedy: str = _REPAIR
    document: str | None = None
    item: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was checked and found. `ok`: nothing is wrong (any more)."""

    ok: bool
    problems: tuple[Problem, ...]
    repaired: bool
    documents: int
    passages: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith verify --json` prints."""
        return {
            "ok": self.ok,
            "problems": [{"kind": p.kind, "where": p.where, "remedy": p.remedy} for p in self.problems],
            "repaired": self.repaired,
            "documents": self.documents,
            "passages": self.passages,
            "seconds": round(self.seconds, 3),
        }


def verify(
    workspace: WorkspaceDir,
    *,
    embedder: Embedder | None = None,
    repair: bool = False,
    progress: Progress | None = None,
) -> VerifyReport:
    """Check the workspace; with `repair`, mend what is found and check again.

    With `repair` the report lists what was found; `ok` says how it is afterwards.

    Raises:
        WorkspaceLocked: another process is writing.
        ValueError: `repair` without an embedder.
        SourceError: damaged knowledge cannot be read again.
    """
    if repair and embedder is None:
        raise ValueError("repair needs the workspace's embedder")
    started = time.monotonic()
    with workspace.writing():
        problems = _check_all(workspace)
        left = problems
        if repair and embedder is not None and problems:
            _repair(workspace, embedder, problems, progress or (lambda *_: None))
            left = _check_all(workspace)
        documents = passages = 0
        if not any(p.kind == "state" for p in left):
            with State.open(workspace.state_path) as state:
                documents, passages = state.stats()["documents"], state.stats()["passages"]
    fresh = [p for p in left if p not in problems]
    return VerifyReport(
        ok=not left,
        problems=tuple(problems + fresh),
        repaired=bool(problems) and not left,
        documents=documents,
        passages=passages,
        seconds=time.monotonic() - started,
    )


# --- finding ----------------------------------------------------------------------------------


def _check_all(workspace: WorkspaceDir) -> list[Problem]:
    path = workspace.state_path
    if not path.exists():
        return [Problem("state", f"{path}: is missing")] if _has_index(workspace) else []
    try:
        with State.open(path) as state:
            found = state.integrity()
            if found:
                return [Problem("state", f"{path}: {reason}") for reason in found[:5]]
            if not state.generations() and not state.document_ids() and _has_index(workspace):
                return [Problem("state", f"{path}: is empty, though there is an index")]
            recover(workspace, state)
            return list(_check(workspace, state))
    except StateDamaged as error:
        return [Problem("state", error.problem.rstrip("."))]


def _has_index(workspace: WorkspaceDir) -> bool:
    return bool(list(workspace.index_dir.glob("*/")))


def _check(workspace: WorkspaceDir, state: State) -> Iterator[Problem]:
    for document, reason in state.damaged_documents():
        yield Problem("document", f"{document}: {reason}", document=document)
    infos, items = state.infos(), state.items()
    given = Counter(info.item for info in infos)
    for item in items.values():
        if given[item.id] != item.documents:
            where = f"{item.id}: has {given[item.id]} documents instead of {item.documents}"
            yield Problem("document", where, item=item.id)
    for info in infos:
        if info.item not in items:
            yield Problem("document", f"{info.id}: comes from nowhere", document=info.id)
    yield from _check_tables(workspace, infos)
    indexed: set[str] = set()
    building = any(g.status in ("building", "abandoned") for g in state.generations())
    for generation in _live(state):
        yield from _check_generation(workspace, state, generation)
        indexed |= state.indexed(generation.id).keys()
    for info in infos:
        # While another generation is being built, what changed has left the old one already.
        if info.id not in indexed and not building:
            where = f"{info.id}: has no passages in the index"
            yield Problem("unindexed document", where, document=info.id)


def _check_tables(workspace: WorkspaceDir, infos: Sequence[DocumentInfo]) -> Iterator[Problem]:
    wanted = [info for info in infos if importing.is_tabular(info)]
    path = workspace.tables_path
    if not wanted and not path.exists():
        return
    reason = table_store.damage(path)
    if reason:
        yield Problem("tables", f"{path}: {reason}")
        return
    known = table_store.looked_through(path)
    for info in wanted:
        if known.get(info.id) != info.version:
            yield Problem("tables", f"{info.id}: its tables are missing", item=info.item)


def _live(state: State) -> list[Generation]:
    return [g for g in state.generations() if g.status in ("building", "current")]


def _check_generation(workspace: WorkspaceDir, state: State, generation: Generation) -> Iterator[Problem]:
    folder = workspace.index_dir / generation.folder
    ledger = {row.id: (document, row) for document, row in state.ledger_rows(generation.id)}
    indexed = state.indexed(generation.id)
    if not indexed and not ledger and not (folder / files.TABLE).exists():
        return  # killed between its first line in state.db and its folder
    known = set(state.document_ids())
    counts = Counter(document for document, _ in ledger.values())
    for document in sorted(indexed.keys() | counts.keys()):
        noted = indexed[document][1] if document in indexed else 0
        if document not in known:
            yield Problem("unknown row", f"{document}: indexed, but not a known document", document=document)
        elif counts[document] != noted:
            where = f"{document}: {counts[document]} passages noted instead of {noted}"
            yield Problem("missing row", where, document=document)
    if not (folder / files.TABLE).exists():
        yield Problem("index", f"{folder}: the index is missing")
        return
    for name, reason in files.damaged(folder, state.files(generation.id)):
        yield Problem("file", f"{folder.name}/{name} {reason}")
    kind = "index"
    try:
        with closing(open_generation(workspace, generation)) as store:
            sample: list[StoredRow] = []
            yield from _check_rows(store, ledger, sample)
            kind = "postings"
            yield from _check_postings(store, sample, generation.behind)
    except StorageError as error:
        yield Problem(kind, error.problem.rstrip("."))


def _check_rows(
    store: Store, ledger: dict[str, tuple[str, LedgerRow]], sample: list[StoredRow]
) -> Iterator[Problem]:
    seen: Counter[str] = Counter()
    every = max(1, store.count() // _SAMPLE)
    for number, stored in enumerate(store.rows()):
        passage = stored.passage
        if number % every == 0:
            sample.append(stored)
        seen[passage.id] += 1
        if passage.id not in ledger:
            where = f"{passage.document}: a passage that was never acknowledged ({_excerpt(passage)})"
            yield Problem("unknown row", where, document=passage.document)
            continue
        document, row = ledger[passage.id]
        where = f"{document}: {_excerpt(passage)}"
        if seen[passage.id] == 2:
            yield Problem("doubled row", where, document=document)
        if text_digest(passage) != row.text or row_digest(passage, stored.terms) != row.row:
            yield Problem("altered row", where, document=document)
        if vector_digest(stored.vector) != row.vector:
            yield Problem("altered vector", where, document=document)
    missing = Counter(document for key, (document, _) in ledger.items() if key not in seen)
    for document, count in sorted(missing.items()):
        yield Problem("missing row", f"{document}: {count} of its passages", document=document)


def _check_postings(store: Store, sample: Sequence[StoredRow], behind: bool) -> Iterator[Problem]:
    for reason in store.index_problems(behind=behind):
        yield Problem("postings", reason)
    for stored in sample:
        passage = stored.passage
        if stored.terms.split():
            found = store.search_text(stored.terms, _ENOUGH, Filter(documents=(passage.document,)))
            if len(found) < _ENOUGH and passage.id not in {p.id for p, _ in found}:
                where = f"{passage.document}: {_excerpt(passage)} is not found by its own words"
                yield Problem("postings", where)


def _excerpt(passage: Passage) -> str:
    words = " ".join(passage.text.split())
    return f"“{words[:40]}…”" if len(words) > 40 else f"“{words}”"


# --- mending ----------------------------------------------------------------------------------


def _repair(workspace: WorkspaceDir, embedder: Embedder, problems: list[Problem], progress: Progress) -> None:
    if any(p.kind == "state" for p in problems):
        _set_state_aside(workspace)
    with State.open(workspace.state_path) as state:
        recover(workspace, state)
        sweep(workspace, state)
        if table_store.damage(workspace.tables_path):
            table_store.remove(workspace.tables_path)
        _read_again(state, [p for p in problems if p.kind == "document"])
        for generation in _live(state):
            if not _mend(workspace, state, generation):
                discard(workspace, state, generation)
        run(workspace, state, embedder, progress)


def _read_again(state: State, problems: list[Problem]) -> None:
    owners = {info.id: info.item for info in state.infos()}
    items = state.items()
    again = {p.item or owners.get(p.document or "", "") for p in problems}
    state.invalidate_items(sorted(again & items.keys()))
    state.remove_documents([p.document for p in problems if p.document and owners[p.document] not in items])


def _mend(workspace: WorkspaceDir, state: State, generation: Generation) -> bool:
    """Take out of the index what does not hold, for `run` to put in again. False: it is beyond that."""
    problems = list(_check_generation(workspace, state, generation))
    if not problems:
        return True
    kinds = {p.kind for p in problems}
    if "index" in kinds:
        return False
    documents = sorted({p.document for p in problems if p.document})
    try:
        with closing(open_generation(workspace, generation)) as store:
            state.unsettle(generation.id)
            # First out of the ledger: killed after that, the next sync indexes them anew.
            state.unindex(generation.id, documents)
            store.delete(documents)
            faults.point("repairing")
            if kinds & {"file", "postings"}:
                store.rebuild_indexes()
    except StorageError:
        return False
    recover(workspace, state)
    return not any(p.kind != "postings" for p in _check_generation(workspace, state, generation))


def _set_state_aside(workspace: WorkspaceDir) -> None:
    """Keep the damaged file for a person; carry over what alone cannot be read again from the
    sources: the memory of conversations, imported examples, feedback."""
    path = workspace.state_path
    memory = list(_salvaged(path, State.memory))
    examples = list(_salvaged(path, learning.examples))
    feedback = list(_salvaged(path, learning.feedback))
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        if (old := Path(f"{path}{suffix}")).exists():
            os.replace(old, f"{aside}{suffix}")
    fsync_dir(path.parent)
    with State.open(path) as state:
        for entry in memory:
            state.remember(entry)
        for origin in dict.fromkeys(origin for origin, _ in examples):
            learning.put_examples(
                state, origin, [(str(n), p) for n, (o, p) in enumerate(examples) if o == origin]
            )
        for row in feedback:
            learning.put_feedback(state, row)


def _salvaged(path: Path, read: Callable[[State], Iterable[T]]) -> Iterator[T]:
    if not path.exists():
        return
    try:
        with State.open(path) as state:
            yield from read(state)
    except StorageError:
        return  # nothing of it can be read: it lies beside, under its new name
