"""state.db opened: everything but the journal, which is in journal.py."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loresmith.errors import StateDamaged, StorageError
from loresmith.state import tables
from loresmith.state.values import DocumentInfo, FileRow, Generation, ItemRow, LedgerRow, MemoryRow
from loresmith.types import Document, Failure


class State:
    """An open state.db. Close it, or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> State:
        """Open `path`, making it where it is not there.

        Where nothing can be written (a read-only medium, a full disk) it is opened for reading.

        Raises:
            StorageError: it is damaged, of a newer program, or cannot be opened.
        """
        log = path.with_name(f"{path.name}-wal")
        complete = path.is_file() and not (log.exists() and log.stat().st_size)
        with _translated(path):
            try:
                return cls._open(path, str(path))
            except sqlite3.OperationalError:
                # SQLite cannot keep its shared index of the log beside it. Without a log there is
                # nothing to share: the file alone is the whole state.
                if not complete:
                    raise
                return cls._open(path, f"{path.absolute().as_uri()}?immutable=1", writable=False)

    @classmethod
    def _open(cls, path: Path, name: str, *, writable: bool = True) -> State:
        db = sqlite3.connect(
            name, timeout=30, isolation_level=None, check_same_thread=False, uri=not writable
        )
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > tables.SCHEMA_VERSION:
                raise StorageError(
                    f"{path}: written by another version of Loresmith (schema {version}).",
                    "Use that version, or remove the .loresmith folder and sync again.",
                )
            if writable:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA foreign_keys=ON")
                if version < tables.SCHEMA_VERSION:
                    tables.create(db)
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

    def select(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a query of the other modules of this room."""
        with self._lock, _translated(self.path):
            return self._db.execute(sql, values).fetchall()

    # --- documents ----------------------------------------------------------------------------

    def document_ids(self) -> list[str]:
        return [row[0] for row in self.select("SELECT id FROM documents ORDER BY id")]

    def document(self, document_id: str) -> Document:
        """The document with text and blocks.

        Raises:
            StorageError: it is not there, or its stored form is damaged.
        """
        rows = self.select(f"SELECT {tables.DOCUMENT} FROM documents WHERE id = ?", (document_id,))
        if not rows:
            raise StorageError(f"{document_id}: no such document in {self.path}.", "Run `loresmith sync`.")
        try:
            return tables.document(rows[0])
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
            for r in self.select(sql, values)
        ]

    def stats(self) -> dict[str, Any]:
        """Counts for a person: documents, passages, failures, languages, memory."""
        generation = self.current()
        languages = self.select("SELECT language, count(*) FROM documents GROUP BY language ORDER BY 2 DESC")
        return {
            "documents": self.select("SELECT count(*) FROM documents")[0][0],
            "passages": self.passage_count(generation.id) if generation else 0,
            "failures": self.select("SELECT count(*) FROM items WHERE failure IS NOT NULL")[0][0],
            "languages": dict(languages),
            "memory": self.select("SELECT count(*) FROM memory")[0][0],
            "embedder": generation.embedder if generation else None,
        }

    def languages(self) -> list[str]:
        """The languages of the documents, the most frequent first; "" where one is unknown."""
        sql = "SELECT language FROM documents GROUP BY language ORDER BY count(*) DESC, language"
        return [row[0] for row in self.select(sql)]

    # --- items --------------------------------------------------------------------------------

    def items(self) -> dict[str, ItemRow]:
        rows = self.select(
            "SELECT id, source, uri, path, size, mtime_ns, version, labels, fingerprint, failure,"
            " documents FROM items"
        )
        return {r[0]: tables.item(r) for r in rows}

    def put_items(self, items: Sequence[ItemRow]) -> None:
        """Record items that change nothing in the index (touched files, failures)."""
        with self.transaction() as db:
            tables.insert_items(db, "items", items)

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
        rows = self.select("SELECT id, failure FROM items WHERE failure IS NOT NULL ORDER BY id")
        return [Failure(*row) for row in rows]

    # --- generations --------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        sql = (
            "SELECT id, folder, status, embedder, fingerprint, dimension, metric, changed, unsettled,"
            " behind"
            " FROM generations ORDER BY id"
        )
        return [Generation(*row) for row in self.select(sql)]

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

    def abandon(self, generation: int) -> None:
        """Nobody will complete this one: another embedder is wanted now."""
        with self.transaction() as db:
            db.execute("UPDATE generations SET status = 'abandoned' WHERE id = ?", (generation,))

    def drop_generation(self, generation: int) -> None:
        """Forget a generation: its folder must not be used afterwards."""
        with self.transaction() as db:
            for table in ("indexed", "passages", "files"):
                db.execute(f"DELETE FROM {table} WHERE generation = ?", (generation,))
            db.execute("DELETE FROM generations WHERE id = ?", (generation,))

    # --- the ledger ---------------------------------------------------------------------------

    def ledger(self, generation: int, document: str) -> list[LedgerRow]:
        sql = "SELECT id, text, row, vector FROM passages WHERE generation = ? AND document = ?"
        return [LedgerRow(*row) for row in self.select(sql, (generation, document))]

    def ledger_rows(self, generation: int) -> Iterator[tuple[str, LedgerRow]]:
        """(document, row) of the whole generation."""
        sql = "SELECT document, id, text, row, vector FROM passages WHERE generation = ?"
        for document, *rest in self.select(sql, (generation,)):
            yield document, LedgerRow(*rest)

    def indexed(self, generation: int) -> dict[str, tuple[str, int]]:
        """Document id to (recipe, number of passages) as acknowledged for this generation."""
        sql = "SELECT document, recipe, passages FROM indexed WHERE generation = ?"
        return {d: (recipe, n) for d, recipe, n in self.select(sql, (generation,))}

    def passage_count(self, generation: int) -> int:
        sql = "SELECT coalesce(sum(passages), 0) FROM indexed WHERE generation = ?"
        return int(self.select(sql, (generation,))[0][0])

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
        return {r[0]: FileRow(*r) for r in self.select(sql, (generation,))}

    def unsettle(self, generation: int) -> None:
        """Note that the index is about to remove files of its own."""
        with self.transaction() as db:
            db.execute("UPDATE generations SET unsettled = 1 WHERE id = ?", (generation,))

    def settle(self, generation: int, files: Sequence[FileRow], *, optimized: bool = False) -> None:
        """These, and only these, are the files of the index now."""
        with self.transaction() as db:
            db.execute("DELETE FROM files WHERE generation = ?", (generation,))
            tables.insert_files(db, generation, files)
            db.execute(
                "UPDATE generations SET unsettled = 0, behind = behind AND NOT ? WHERE id = ?",
                (optimized, generation),
            )

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
        rows = self.select(
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
            rows = self.select(f"SELECT {tables.DOCUMENT} FROM documents WHERE id = ?", (document_id,))
            try:
                if tables.row_digest(rows[0][:-1]) != rows[0][-1]:
                    yield document_id, "its stored text or description was altered"
                else:
                    tables.document(rows[0])
            except (ValueError, KeyError, TypeError, zlib.error) as error:
                yield document_id, f"its stored text cannot be read ({error})"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or ("I/O error" in text and not shutil.disk_usage(path.parent).free):
            raise StorageError(
                f"{path}: the disk is full.", "Free some space and run the command again; nothing is lost."
            ) from error
        if "no such" in text or "malformed" in text:
            raise StateDamaged(f"{path} is damaged ({text}).", "Run `loresmith verify --repair`.") from error
        if "readonly" in text:
            raise StorageError(
                f"{path}: no permission to write.", "Change its permissions, or use another folder."
            ) from error
        raise StorageError(f"{path}: {text}.", "Check its permissions and the disk.") from error
    except sqlite3.DatabaseError as error:
        raise StateDamaged(f"{path} is damaged ({error}).", "Run `loresmith verify --repair`.") from error
