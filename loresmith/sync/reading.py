"""From the list of sources to the work that is to be done: what is new, changed, or gone.

What has the size and time it had is not opened; what has another time is hashed; only what has
another hash is parsed. What could not be read is reported at every sync, but tried again only
when it, the parser or its limits have changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loresmith import faults
from loresmith.config import ParsingSection
from loresmith.errors import SourceError
from loresmith.parsing import PARSER_VERSION, ParseResult, ParserPool
from loresmith.sources import prefixes, scan, sweep
from loresmith.state import DocumentInfo, ItemRow, State
from loresmith.tables.importing import TABULAR, Importer
from loresmith.tables.store import TableStore
from loresmith.types import Document, Failure, Progress, SourceItem
from loresmith.workspace import WorkspaceDir, is_url

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One item's outcome. Its documents are committed together with it.

    Attributes:
        item: as it will be recorded; None when it goes, or when only the index is behind.
        owner: the item's id.
        documents: new or changed ones, complete.
        gone: documents that the item no longer gives.
    """

    owner: str
    item: ItemRow | None = None
    documents: tuple[Document, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(slots=True)
class Survey:
    """What the sources offer, compared with what is known.

    Attributes:
        fresh: items to parse.  relabelled: known content under other labels or another source.
        touched: same content, new file time.  removed: items that are no longer offered.
        failures: sources and items that could not be listed, and known unreadable items.
        unchanged: ids of items left as they are.
    """

    fresh: list[SourceItem] = field(default_factory=list)
    relabelled: list[ItemRow] = field(default_factory=list)
    touched: list[ItemRow] = field(default_factory=list)
    removed: list[ItemRow] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unchanged: set[str] = field(default_factory=set)


def survey(workspace: WorkspaceDir, state: State, progress: Progress, again: Collection[str] = ()) -> Survey:
    """Look at every source, reading nothing that has not changed.

    Args:
        again: items that are to be read whether they have changed or not.
    """
    known = state.items()
    found = Survey()
    seen: set[str] = set()
    kept_sources: set[str] = set()
    kept: set[str] = set()
    specs = workspace.source_specs()
    given = prefixes(specs)
    for spec in specs:
        try:
            for entry in scan(
                spec,
                prefix=given[spec.uri],
                web=workspace.config.web,
                web_dir=workspace.web_dir,
                mirrors_dir=workspace.mirrors_dir,
            ):
                if isinstance(entry, Failure):
                    found.failures.append(entry)
                    kept.add(entry.source)
                elif entry.id in seen:
                    reason = "another source already gives a document of this name"
                    found.failures.append(Failure(entry.uri, reason))
                else:
                    seen.add(entry.id)
                    row = None if entry.id in again else known.get(entry.id)
                    _sort(entry, row, workspace.config.parsing, found)
                    progress("scanning", len(seen), None)
        except SourceError as error:
            reason = str(error)
            # An address that does not answer or a folder that is not mounted today may be there
            # tomorrow, and `remove` takes a source off the list; a single file that is gone, from a
            # folder that is there, was deleted.
            single = any(row.path == spec.uri for row in known.values())
            if is_url(spec.uri) or Path(spec.uri).exists() or not (single and Path(spec.uri).parent.exists()):
                kept_sources.add(spec.uri)
                if any(row.source == spec.uri for row in known.values()):
                    reason += " What was read from it before stays searchable."
            found.failures.append(Failure(spec.uri, reason))
    sweep(specs, workspace.mirrors_dir)
    for item in known.values():
        if item.id in seen:
            continue
        if item.source in kept_sources or kept & {item.id, item.uri, item.path}:
            found.unchanged.add(item.id)
        else:
            found.removed.append(item)
    return found


def _sort(item: SourceItem, known: ItemRow | None, limits: ParsingSection, found: Survey) -> None:
    if known is None or known.fingerprint != _fingerprint(limits, failed=known.failure is not None):
        found.fresh.append(item)
        return
    row = _row(item, known.version, known.fingerprint, known.failure, known.documents)
    if row != known:
        looks_new = (row.path, row.size, row.mtime_ns) != (known.path, known.size, known.mtime_ns)
        if looks_new and (item.version or _sha256(item.path)) != known.version:
            found.fresh.append(item)
            return
        moved = (row.source, row.uri, row.labels) != (known.source, known.uri, known.labels)
        (found.relabelled if moved else found.touched).append(row)
    found.unchanged.add(item.id)
    if known.failure is not None:
        found.failures.append(Failure(item.id, known.failure))


def read(
    workspace: WorkspaceDir,
    state: State,
    found: Survey,
    taken: dict[str, str],
    progress: Progress,
    tables: TableStore,
) -> Iterator[Work]:
    """The work that the survey found, parsed; what are tables is in the store before it is given.

    Args:
        taken: document id to item id, of every document known; kept up to date.
    """
    for row in found.relabelled:
        documents = [state.document(info.id) for info in state.documents_of(row.id)]
        for document in documents:
            tables.relabel(document.id, row.labels)
        yield Work(owner=row.id, item=row, documents=tuple(_of_item(d, row) for d in documents))
    limits = workspace.config.parsing
    if found.fresh:
        progress("reading", 0, len(found.fresh))
        with ParserPool(limits) as pool, Importer(tables, limits) as importer:
            for done, result in enumerate(pool.parse(found.fresh), start=1):
                yield from _outcome(
                    result, limits, state.documents_of(result.item.id), taken, found, importer
                )
                progress("reading", done, len(found.fresh))


def _outcome(
    result: ParseResult,
    limits: ParsingSection,
    before: Sequence[DocumentInfo],
    taken: dict[str, str],
    found: Survey,
    importer: Importer,
) -> Iterator[Work]:
    item = result.item
    if result.failure is not None:
        found.failures.append(Failure(item.id, result.failure.reason))
        if not result.version and Path(item.path).exists():
            return  # it cannot be opened now: what was read before stays, and it is tried again
    reason = result.failure.reason if result.failure else None
    row = _row(item, result.version, _fingerprint(limits, failed=reason is not None), reason)
    documents = []
    for document in result.documents:
        if taken.setdefault(document.id, item.id) != item.id:
            found.failures.append(Failure(document.id, "another document already has this name"))
        else:
            document = _of_item(document, row)
            if document.id == item.id and document.media_type in TABULAR:
                document = importer.bring_in(document, item.path)
                faults.point("tabled")
            documents.append(document)
    gone = {info.id for info in before} - {d.id for d in documents}
    for document_id in gone:
        taken.pop(document_id, None)
        importer.store.forget(document_id)
    # What has vanished since the listing leaves no record, so that it is news when it comes back.
    yield Work(
        owner=item.id,
        item=replace(row, documents=len(documents)) if result.version else None,
        documents=tuple(documents),
        gone=tuple(sorted(gone)),
    )


def _of_item(document: Document, row: ItemRow) -> Document:
    """The document under its item's labels, in text that UTF-8 can carry."""
    clean = _SURROGATES.sub("�", document.text)
    title = _SURROGATES.sub("�", document.title)
    uri = row.uri if document.id == row.id else document.uri
    return replace(document, text=clean, title=title, labels=row.labels, source=row.source, uri=uri)


def _row(
    item: SourceItem, version: str, fingerprint: str, failure: str | None, documents: int = 0
) -> ItemRow:
    return ItemRow(
        id=item.id,
        source=item.source,
        uri=item.uri,
        path=item.path,
        size=item.size,
        mtime_ns=item.mtime_ns,
        version=version,
        labels=tuple(sorted(set(item.labels))),
        fingerprint=fingerprint,
        failure=failure,
        documents=documents,
    )


def _fingerprint(limits: ParsingSection, *, failed: bool) -> str:
    """What the outcome depended on beside the bytes: for a failure also the limits it ran into."""
    base = f"{PARSER_VERSION} ocr={limits.ocr and ','.join(limits.ocr_languages)}"
    return f"{base} {limits.memory_mb} {limits.seconds} {limits.max_file_mb}" if failed else base


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""  # the parser will say what is wrong with it
