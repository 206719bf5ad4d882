"""The tables of state.db, and how values become rows and back."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from loresmith.state.codec import digest, pack, unpack
from loresmith.state.values import FileRow, ItemRow
from loresmith.types import Document

SCHEMA_VERSION = 2
"""2 added what training learns from; a file of version 1 gets those tables when it is opened."""
DOCUMENT = (
    "id, item, source, uri, version, media_type, title, language, labels, metadata, modified,"
    " warnings, lined, summary, characters, body, digest"
)
STAGED = ("items", "documents", "indexed", "passages")
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
_LEARNING = """
CREATE TABLE examples (origin TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL,
  PRIMARY KEY (origin, id));
CREATE TABLE feedback (id TEXT PRIMARY KEY, payload TEXT NOT NULL, created REAL NOT NULL);
"""
SCHEMA = (
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
    + _LEARNING
)


def create(db: sqlite3.Connection) -> None:
    # In one transaction, and checked again inside it: two readers may be the first together.
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version < SCHEMA_VERSION:
        for statement in filter(str.strip, (_LEARNING if version else SCHEMA).split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def insert_items(db: sqlite3.Connection, table: str, items: Sequence[ItemRow]) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                i.id,
                i.source,
                i.uri,
                os.fsencode(i.path),
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


def insert_files(db: sqlite3.Connection, generation: int, files: Sequence[FileRow]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
        [(generation, f.path, f.size, f.digest) for f in files],
    )


def item(r: Sequence[Any]) -> ItemRow:
    return ItemRow(
        id=r[0],
        source=r[1],
        uri=r[2],
        path=os.fsdecode(r[3]),  # bytes: a name on disk need not be UTF-8
        size=r[4],
        mtime_ns=r[5],
        version=r[6],
        labels=tuple(json.loads(r[7])),
        fingerprint=r[8],
        failure=r[9],
        documents=r[10],
    )


def document_row(item: str, document: Document, summary: str) -> tuple[Any, ...]:
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
    return (*row, row_digest(row))


def row_digest(row: Sequence[Any]) -> bytes:
    return digest(*(part if isinstance(part, bytes) else repr(part) for part in row))


def document(r: Sequence[Any]) -> Document:
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
