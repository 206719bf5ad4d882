"""state.db: what the workspace has acknowledged. The truth that the index is checked against.

SQLite in WAL mode with full synchronisation. It holds the items of the sources (with the reason
where one could not be read), the documents with text and blocks, the passage ledger of each
generation (digest of every row and vector the index must have), the index's files, conversation
memory, and the journal.

The journal makes two databases agree. Before the index commits a batch, everything that will be
true afterwards stands in the staged tables beside the index's version; then the index commits;
then one transaction moves the staged rows in. Whoever opens for writing after a kill calls
`recover`: if the index has moved past the noted version the staged rows are moved in, else they
are dropped. So an acknowledged batch is in both, an unacknowledged one in neither.

Readers may open it beside the writer at any time. One `State` may be shared by threads.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loresmith.errors import StateDamaged, StorageError
from loresmith.state_codec import digest, pack, unpack
from loresmith.types import Document, Failure

SCHEMA_VERSION = 1
_DOCUMENT = (
    "id, item, source, uri, version, media_type, title, language, labels, metadata, modified,"
    " warnings, lined, summary, characters, body, digest"
)
_STAGED = ("items", "documents", "indexed", "passages")
_TABLES = """
CREATE TABLE {p}items (id TEXT PRIMARY KEY, source TEXT NOT NULL, uri TEXT NOT NULL, path TEXT NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, version TEXT NOT NULL, labels TEXT NOT NULL,
  fingerprint TEXT NOT NULL, failure TEXT, documents INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE {p}documents (id TEXT PRIMARY KEY, item TEXT NOT NULL, source TEXT NOT NULL, uri TEXT NOT NULL,
  version TEXT NOT NULL, media_type TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,
  labels TEXT NOT NULL, metadata TEXT NOT NULL, modified REAL, warnings TEXT NOT NULL,
  lined INTEGER NOT NULL, summary TEXT NOT NULL, characters INTEGER NOT NULL, body BLOB NOT NULL,
  digest BLOB NOT NULL);
CREATE TABLE {p}indexed (generation INTEGER NOT NULL, document TEXT NOT NULL, recipe TEXT NOT NULL,
  passages INTEGER NOT NULL, PRIMARY KEY (generation, document)) WITHOUT ROWID;
CREATE TABLE {p}passages (generation INTEGER NOT NULL, document TEXT NOT NULL, id TEXT NOT NULL,
  text BLOB NOT NULL, row BLOB NOT NULL, vector BLOB NOT NULL,
  PRIMARY KEY (generation, document, id)) WITHOUT ROWID;
"""
_SCHEMA = (
    _TABLES.format(p="")
    + _TABLES.format(p="staged_")
    + """
CREATE INDEX documents_item ON documents (item);
CREATE TABLE staged_gone (document TEXT PRIMARY KEY, item TEXT) WITHOUT ROWID;
CREATE TABLE journal (generation INTEGER NOT NULL, store_version INTEGER NOT NULL);
CREATE TABLE generations (id INTEGER PRIMARY KEY AUTOINCREMENT, folder TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL, embedder TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
  metric TEXT NOT NULL, changed REAL NOT NULL, unsettled INTEGER NOT NULL DEFAULT 0,
  behind INTEGER NOT NULL DEFAULT 1);
CREATE TABLE files (generation INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,
  digest BLOB NOT NULL, PRIMARY KEY (generation, path)) WITHOUT ROWID;
CREATE TABLE memory (id TEXT PRIMARY KEY, chat TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL,
  documents TEXT NOT NULL, labels TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE memory_documents (memory TEXT NOT NULL REFERENCES memory (id) ON DELETE CASCADE,
  document TEXT NOT NULL, PRIMARY KEY (document, memory)) WITHOUT ROWID;
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """A source item as it was last read: `failure` is the reason where it could not be,
    `documents` how many it gave."""

    id: str
    source: str
    uri: str
    path: str
    size: int
    mtime_ns: int
    version: str
    labels: tuple[str, ...]
    fingerprint: str
    failure: str | None = None
    documents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    """A document without its text."""

    id: str
    item: str
    source: str
    uri: str
    version: str
    media_type: str
    title: str
    language: str
    labels: tuple[str, ...]
    modified: float | None
    warnings: tuple[str, ...]
    summary: str
    characters: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the index must hold for one passage: digests of its indexed text, row and vector."""

    id: str
    text: bytes
    row: bytes
    vector: bytes


@dataclass(frozen=True, slots=True)
class Generation:
    """One build of the index.

    Attributes:
        status: "building", "current" or "old".  changed: when it became that, in epoch seconds.
        unsettled: the engine may have removed files of its own since they were noted.
        behind: committed to since the engine's indexes were last brought up to date.
    """

    id: int
    folder: str
    status: str
    embedder: str
    fingerprint: str
    dimension: int
    metric: str
    changed: float
    unsettled: bool
    behind: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    path: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    id: str
    chat: str
    question: str
    answer: str
    documents: tuple[str, ...]
    labels: tuple[str, ...]
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What will be true of one generation after a commit of the index.

    Attributes:
        items: source items read, with their outcome.
        documents: (item id, document, summary), new or changed.
        ledger: document id to its recipe and its complete rows in this generation.
        unindexed: documents whose rows leave this generation though the documents stay.
        gone: documents (with the item where that goes too) that leave altogether.
    """

    generation: int
    items: Sequence[ItemRow] = ()
    documents: Sequence[tuple[str, Document, str]] = ()
    ledger: dict[str, tuple[str, Sequence[LedgerRow]]]
    unindexed: Sequence[str] = ()
    gone: Sequence[tuple[str, str | None]] = ()


class State:
    """An open state.db. Close it, or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> State:
        """Open `path`, making it where it is not there.

        Raises:
            StorageError: it is damaged, of a newer program, or cannot be opened.
        """
        with _translated(path):
            db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, SCHEMA_VERSION):
                    raise StorageError(
                        f"{path}: written by another version of Loresmith (schema {version}).",
                        "Use that version, or remove the .loresmith folder and sync again.",
                    )
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA foreign_keys=ON")
                if version == 0:
                    _create(db)
            except BaseException:
                db.close()
                raise
            return cls(path, db)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One atomic, durable change; rolled back whole when it fails."""
        with self._lock, _translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, _translated(self.path):
            return self._db.execute(sql, values).fetchall()

    # --- documents ----------------------------------------------------------------------------

    def document_ids(self) -> list[str]:
        return [row[0] for row in self._all("SELECT id FROM documents ORDER BY id")]

    def document(self, document_id: str) -> Document:
        """The document with text and blocks.

        Raises:
            StorageError: it is not there, or its stored form is damaged.
        """
        rows = self._all(f"SELECT {_DOCUMENT} FROM documents WHERE id = ?", (document_id,))
        if not rows:
            raise StorageError(f"{document_id}: no such document in {self.path}.", "Run `loresmith sync`.")
        try:
            return _document(rows[0])
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise StorageError(
                f"{self.path}: the stored text of {document_id} is damaged ({error}).",
                "Run `loresmith verify --repair`.",
            ) from error

    def info(self, document_id: str) -> DocumentInfo | None:
        return next(iter(self._infos("WHERE id = ?", (document_id,))), None)

    def infos(self) -> list[DocumentInfo]:
        return self._infos("ORDER BY id", ())

    def documents_of(self, item: str) -> list[DocumentInfo]:
        """The documents that came from one source item: the file and its attachments."""
        return self._infos("WHERE item = ? ORDER BY id", (item,))

    def summary(self, document_id: str) -> str:
        info = self.info(document_id)
        return info.summary if info else ""

    def _infos(self, tail: str, values: Sequence[Any]) -> list[DocumentInfo]:
        sql = (
            "SELECT id, item, source, uri, version, media_type, title, language, labels, modified,"
            f" warnings, summary, characters FROM documents {tail}"
        )
        return [
            DocumentInfo(
                id=r[0],
                item=r[1],
                source=r[2],
                uri=r[3],
                version=r[4],
                media_type=r[5],
                title=r[6],
                language=r[7],
                labels=tuple(json.loads(r[8])),
                modified=r[9],
                warnings=tuple(json.loads(r[10])),
                summary=r[11],
                characters=r[12],
            )
            for r in self._all(sql, values)
        ]

    def stats(self) -> dict[str, Any]:
        """Counts for a person: documents, passages, failures, languages, memory."""
        generation = self.current()
        languages = self._all("SELECT language, count(*) FROM documents GROUP BY language ORDER BY 2 DESC")
        return {
            "documents": self._all("SELECT count(*) FROM documents")[0][0],
            "passages": self.passage_count(generation.id) if generation else 0,
            "failures": self._all("SELECT count(*) FROM items WHERE failure IS NOT NULL")[0][0],
            "languages": dict(languages),
            "memory": self._all("SELECT count(*) FROM memory")[0][0],
            "embedder": generation.embedder if generation else None,
        }

    def languages(self) -> list[str]:
        """The languages of the documents, the most frequent first; "" where one is unknown."""
        sql = "SELECT language FROM documents GROUP BY language ORDER BY count(*) DESC, language"
        return [row[0] for row in self._all(sql)]

    # --- items --------------------------------------------------------------------------------

    def items(self) -> dict[str, ItemRow]:
        rows = self._all(
            "SELECT id, source, uri, path, size, mtime_ns, version, labels, fingerprint, failure,"
            " documents FROM items"
        )
        return {r[0]: _item(r) for r in rows}

    def put_items(self, items: Sequence[ItemRow]) -> None:
        """Record items that change nothing in the index (touched files, failures)."""
        with self.transaction() as db:
            _insert_items(db, "items", items)

    def forget_items(self, ids: Sequence[str]) -> None:
        """Drop items without documents: the next sync reads them anew if they are still there."""
        with self.transaction() as db:
            db.executemany("DELETE FROM items WHERE id = ?", [(i,) for i in ids])

    def invalidate_items(self, ids: Sequence[str]) -> None:
        """Have the next sync read these items again, whatever their size and time say."""
        with self.transaction() as db:
            db.executemany("UPDATE items SET fingerprint = '' WHERE id = ?", [(i,) for i in ids])

    def remove_documents(self, ids: Sequence[str]) -> None:
        """Forget documents outside of a batch: for those that hang in the air after damage."""
        with self.transaction() as db:
            db.executemany("DELETE FROM documents WHERE id = ?", [(i,) for i in ids])

    def failures(self) -> list[Failure]:
        rows = self._all("SELECT id, failure FROM items WHERE failure IS NOT NULL ORDER BY id")
        return [Failure(*row) for row in rows]

    # --- generations --------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        sql = (
            "SELECT id, folder, status, embedder, fingerprint, dimension, metric, changed, unsettled,"
            " behind"
            " FROM generations ORDER BY id"
        )
        return [Generation(*row) for row in self._all(sql)]

    def current(self) -> Generation | None:
        """The generation that answers; None before the first sync has finished."""
        return next((g for g in self.generations() if g.status == "current"), None)

    def add_generation(
        self, *, embedder: str, fingerprint: str, dimension: int, metric: str, status: str
    ) -> Generation:
        with self.transaction() as db:
            last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'generations'").fetchone()
            number = (last[0] if last else 0) + 1
            db.execute(
                "INSERT INTO generations (id, folder, status, embedder, fingerprint, dimension, metric,"
                " changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (number, f"g{number:04d}", status, embedder, fingerprint, dimension, metric, time.time()),
            )
        return next(g for g in self.generations() if g.id == number)

    def swap(self, generation: int) -> None:
        """Make `generation` the one that answers; the one that did becomes old."""
        with self.transaction() as db:
            db.execute(
                "UPDATE generations SET status = 'old', changed = ? WHERE status = 'current'", (time.time(),)
            )
            db.execute(
                "UPDATE generations SET status = 'current', changed = ? WHERE id = ?",
                (time.time(), generation),
            )

    def drop_generation(self, generation: int) -> None:
        """Forget a generation: its folder must not be used afterwards."""
        with self.transaction() as db:
            for table in ("indexed", "passages", "files"):
                db.execute(f"DELETE FROM {table} WHERE generation = ?", (generation,))
            db.execute("DELETE FROM generations WHERE id = ?", (generation,))

    # --- the ledger ---------------------------------------------------------------------------

    def ledger(self, generation: int, document: str) -> list[LedgerRow]:
        sql = "SELECT id, text, row, vector FROM passages WHERE generation = ? AND document = ?"
        return [LedgerRow(*row) for row in self._all(sql, (generation, document))]

    def ledger_rows(self, generation: int) -> Iterator[tuple[str, LedgerRow]]:
        """(document, row) of the whole generation."""
        sql = "SELECT document, id, text, row, vector FROM passages WHERE generation = ?"
        for document, *rest in self._all(sql, (generation,)):
            yield document, LedgerRow(*rest)

    def indexed(self, generation: int) -> dict[str, tuple[str, int]]:
        """Document id to (recipe, number of passages) as acknowledged for this generation."""
        sql = "SELECT document, recipe, passages FROM indexed WHERE generation = ?"
        return {d: (recipe, n) for d, recipe, n in self._all(sql, (generation,))}

    def passage_count(self, generation: int) -> int:
        sql = "SELECT coalesce(sum(passages), 0) FROM indexed WHERE generation = ?"
        return int(self._all(sql, (generation,))[0][0])

    def unindex(self, generation: int, documents: Iterable[str]) -> None:
        """Take back the acknowledgement of documents: the next sync indexes them again."""
        with self.transaction() as db:
            for table in ("indexed", "passages"):
                db.executemany(
                    f"DELETE FROM {table} WHERE generation = ? AND document = ?",
                    [(generation, d) for d in documents],
                )

    # --- files of the index -------------------------------------------------------------------

    def files(self, generation: int) -> dict[str, FileRow]:
        sql = "SELECT path, size, digest FROM files WHERE generation = ?"
        return {r[0]: FileRow(*r) for r in self._all(sql, (generation,))}

    def unsettle(self, generation: int) -> None:
        """Note that the index is about to remove files of its own."""
        with self.transaction() as db:
            db.execute("UPDATE generations SET unsettled = 1 WHERE id = ?", (generation,))

    def settle(self, generation: int, files: Sequence[FileRow], *, optimized: bool = False) -> None:
        """These, and only these, are the files of the index now."""
        with self.transaction() as db:
            db.execute("DELETE FROM files WHERE generation = ?", (generation,))
            _insert_files(db, generation, files)
            db.execute(
                "UPDATE generations SET unsettled = 0, behind = behind AND NOT ? WHERE id = ?",
                (optimized, generation),
            )

    # --- the journal --------------------------------------------------------------------------

    def stage(self, batch: Batch, store_version: int) -> None:
        """Write down what will be true once the index has moved past `store_version`."""
        with self.transaction() as db:
            if db.execute("SELECT 1 FROM journal").fetchone():
                raise StorageError(f"{self.path}: an earlier batch is unfinished.", "Run `loresmith sync`.")
            db.execute("INSERT INTO journal VALUES (?, ?)", (batch.generation, store_version))
            _insert_items(db, "staged_items", batch.items)
            marks = ",".join("?" * 17)
            db.executemany(
                f"INSERT INTO staged_documents ({_DOCUMENT}) VALUES ({marks})",
                (_document_row(*entry) for entry in batch.documents),
            )
            db.executemany(
                "INSERT INTO staged_indexed VALUES (?, ?, ?, ?)",
                [(batch.generation, d, recipe, len(rows)) for d, (recipe, rows) in batch.ledger.items()],
            )
            db.executemany(
                "INSERT INTO staged_passages VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (batch.generation, d, r.id, r.text, r.row, r.vector)
                    for d, (_, rows) in batch.ledger.items()
                    for r in rows
                ),
            )
            gone = [*batch.gone, *((d, "") for d in batch.unindexed)]
            db.executemany("INSERT INTO staged_gone VALUES (?, ?)", gone)

    def pending(self) -> tuple[int, int] | None:
        """(generation, store version) of an unfinished batch."""
        rows = self._all("SELECT generation, store_version FROM journal")
        return (rows[0][0], rows[0][1]) if rows else None

    def finish(self, files: Sequence[FileRow] = ()) -> None:
        """Acknowledge the staged batch. `files` are the index's new files, already on disk."""
        with self.transaction() as db:
            generation = db.execute("SELECT generation FROM journal").fetchone()[0]
            _move_in(db, generation)
            _insert_files(db, generation, files)
            db.execute("UPDATE generations SET behind = 1 WHERE id = ?", (generation,))
            _clear_journal(db)

    def drop_pending(self) -> None:
        """Forget a batch the index never committed."""
        with self.transaction() as db:
            _clear_journal(db)

    # --- conversation memory ------------------------------------------------------------------

    def remember(self, entry: MemoryRow) -> None:
        with self.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.id,
                    entry.chat,
                    entry.question,
                    entry.answer,
                    json.dumps(entry.documents),
                    json.dumps(entry.labels),
                    entry.created,
                ),
            )
            db.executemany(
                "INSERT INTO memory_documents VALUES (?, ?)", [(entry.id, d) for d in set(entry.documents)]
            )

    def memory(self, ids: Sequence[str] | None = None, *, chat: str | None = None) -> list[MemoryRow]:
        """Entries, oldest first: those of `ids`, of one chat, or all."""
        rows = self._all(
            "SELECT id, chat, question, answer, documents, labels, created FROM memory"
            " WHERE (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))"
            " AND (?2 IS NULL OR chat = ?2) ORDER BY created, id",
            (None if ids is None else json.dumps(list(ids)), chat),
        )
        return [
            MemoryRow(
                id=r[0],
                chat=r[1],
                question=r[2],
                answer=r[3],
                documents=tuple(json.loads(r[4])),
                labels=tuple(json.loads(r[5])),
                created=r[6],
            )
            for r in rows
        ]

    def forget(self, chat: str | None = None) -> list[str]:
        """Erase the memory of one chat, or of all; returns the ids that are gone."""
        ids = [entry.id for entry in self.memory(chat=chat)]
        with self.transaction() as db:
            db.executemany("DELETE FROM memory WHERE id = ?", [(i,) for i in ids])
        return ids

    # --- health -------------------------------------------------------------------------------

    def integrity(self) -> list[str]:
        """What SQLite itself finds wrong with the file; empty when nothing is."""
        with self._lock:
            try:
                found = [row[0] for row in self._db.execute("PRAGMA integrity_check(20)").fetchall()]
            except sqlite3.DatabaseError as error:
                return [str(error)]
        return [] if found == ["ok"] else found

    def damaged_documents(self) -> Iterator[tuple[str, str]]:
        """(document, reason) of those whose stored form does not hold."""
        for document_id in self.document_ids():
            rows = self._all(f"SELECT {_DOCUMENT} FROM documents WHERE id = ?", (document_id,))
            try:
                if _row_digest(rows[0][:-1]) != rows[0][-1]:
                    yield document_id, "its stored text or description was altered"
                else:
                    _document(rows[0])
            except (ValueError, KeyError, TypeError, zlib.error) as error:
                yield document_id, f"its stored text cannot be read ({error})"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text:
            raise StorageError(
                f"{path}: the disk is full.", "Free some space and run the command again; nothing is lost."
            ) from error
        if "no such" in text or "malformed" in text:
            raise StateDamaged(f"{path} is damaged ({text}).", "Run `loresmith verify --repair`.") from error
        raise StorageError(f"{path}: {text}.", "Check its permissions and the disk.") from error
    except sqlite3.DatabaseError as error:
        raise StateDamaged(f"{path} is damaged ({error}).", "Run `loresmith verify --repair`.") from error


def _create(db: sqlite3.Connection) -> None:
    # In one transaction, and checked again inside it: two readers may be the first together.
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _move_in(db: sqlite3.Connection, generation: int) -> None:
    # Memory that rests on a document which went or changed must not answer any more.
    db.execute(
        "DELETE FROM memory WHERE id IN (SELECT memory FROM memory_documents WHERE document IN ("
        " SELECT document FROM staged_gone WHERE item IS NOT '' UNION"
        " SELECT s.id FROM staged_documents s JOIN documents d ON d.id = s.id"
        "  WHERE d.version != s.version OR d.labels != s.labels))"
    )
    for table in ("indexed", "passages"):
        # What leaves the workspace leaves every generation's ledger; what is re-indexed, this one's.
        db.execute(
            f"DELETE FROM {table} WHERE document IN (SELECT document FROM staged_gone WHERE item IS NOT '')"
        )
        db.execute(
            f"DELETE FROM {table} WHERE generation = ? AND document IN"
            " (SELECT document FROM staged_gone UNION SELECT document FROM staged_indexed)",
            (generation,),
        )
    db.execute("DELETE FROM documents WHERE id IN (SELECT document FROM staged_gone WHERE item IS NOT '')")
    db.execute("DELETE FROM items WHERE id IN (SELECT item FROM staged_gone)")
    for table in _STAGED:
        db.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM staged_{table}")


def _clear_journal(db: sqlite3.Connection) -> None:
    for table in (*(f"staged_{name}" for name in _STAGED), "staged_gone", "journal"):
        db.execute(f"DELETE FROM {table}")


def _insert_items(db: sqlite3.Connection, table: str, items: Sequence[ItemRow]) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                i.id,
                i.source,
                i.uri,
                i.path,
                i.size,
                i.mtime_ns,
                i.version,
                json.dumps(i.labels),
                i.fingerprint,
                i.failure,
                i.documents,
            )
            for i in items
        ),
    )


def _insert_files(db: sqlite3.Connection, generation: int, files: Sequence[FileRow]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
        [(generation, f.path, f.size, f.digest) for f in files],
    )


def _item(r: Sequence[Any]) -> ItemRow:
    return ItemRow(
        id=r[0],
        source=r[1],
        uri=r[2],
        path=r[3],
        size=r[4],
        mtime_ns=r[5],
        version=r[6],
        labels=tuple(json.loads(r[7])),
        fingerprint=r[8],
        failure=r[9],
        documents=r[10],
    )


def _document_row(item: str, document: Document, summary: str) -> tuple[Any, ...]:
    row = (
        document.id,
        item,
        document.source,
        document.uri,
        document.version,
        document.media_type,
        document.title,
        document.language,
        json.dumps(document.labels),
        json.dumps(dict(document.metadata), sort_keys=True),
        document.modified,
        json.dumps(document.warnings),
        int(document.lined),
        summary,
        len(document.text),
        pack(document.text, document.blocks),
    )
    return (*row, _row_digest(row))


def _row_digest(row: Sequence[Any]) -> bytes:
    return digest(*(part if isinstance(part, bytes) else repr(part) for part in row))


def _document(r: Sequence[Any]) -> Document:
    text, blocks = unpack(r[15])
    return Document(
        id=r[0],
        source=r[2],
        uri=r[3],
        version=r[4],
        media_type=r[5],
        title=r[6],
        text=text,
        blocks=blocks,
        language=r[7],
        labels=tuple(json.loads(r[8])),
        metadata=json.loads(r[9]),
        modified=r[10],
        warnings=tuple(json.loads(r[11])),
        lined=bool(r[12]),
    )
