"""Documents to tables: a file is read in a limited process, its rows stream into the store.

    worker (readers.py) -> messages -> RawTable, rows -> TableStore.replace -> profile -> Document

Promises: a file that crashes its reader, takes too long or needs too much memory gets one line of
warning, its text stays a document, the rest goes on; at most one message is in memory at a time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

from loresmith import mirrors
from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.language import detect as detect_language
from loresmith.parsing import detect, limited, wire
from loresmith.state import DocumentInfo
from loresmith.tables import mirror
from loresmith.tables.profile import described
from loresmith.tables.store import TableStore
from loresmith.tables.values import ColumnType, RawColumn, RawRow, RawTable
from loresmith.types import Document

TABULAR = frozenset(
    (
        detect.CSV,
        detect.JSON,
        detect.JSONL,
        detect.XLSX,
        detect.PARQUET,
        detect.SQLITE,
        mirrors.MEDIA_TYPE,
    )
)
_WARNINGS = 20
_MAX_FILES = 2000
_SAMPLE = 20_000
_LARGEST = 256 * 2**20


def missing(store: TableStore, infos: Iterable[DocumentInfo], settings: ParsingSection) -> set[str]:
    """The items whose documents' tables are not in the store, or of another version."""
    there = store.documents(limits_of(settings))
    return {info.item for info in infos if is_tabular(info) and there.get(info.id) != info.version}


def is_tabular(info: DocumentInfo) -> bool:
    """Whether a document is one whose tables are looked for: a file of its own, no attachment."""
    return info.media_type in TABULAR and info.id == info.item


def limits_of(settings: ParsingSection) -> str:
    """What decided whether a file could be read, beside its bytes."""
    return f"{settings.memory_mb} {settings.seconds:g}"


class Importer:
    """A context manager around the reading process, which starts with the first file and is started
    anew where a file ended it."""

    def __init__(self, store: TableStore, settings: ParsingSection) -> None:
        self.store, self.settings = store, settings
        self._process: subprocess.Popen[bytes] | None = None
        self._files = 0

    def __enter__(self) -> Importer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            limited.end(process)

    def bring_in(self, document: Document, path: str) -> Document:
        """Put a document's tables into the store, and what they hold into its text.

        Args:
            path: of the file whose content the document is.

        Raises:
            StorageError: the store cannot be written.
        """
        try:
            with self._reading(Path(path), document) as tables:
                made, warnings = self.store.replace(
                    document.id,
                    document.version,
                    tables,
                    title=document.title,
                    labels=document.labels,
                    modified=document.modified,
                    language=document.language or detect_language(document.text[:_SAMPLE]),
                )
        except ParseError as error:
            self.store.skip(document.id, document.version, limits_of(self.settings))
            return described(document, (), [f"its tables are not in the data: {error}"])
        if len(warnings) > _WARNINGS:
            warnings = [*warnings[:_WARNINGS], f"{len(warnings) - _WARNINGS} more notes on its columns"]
        return described(document, made, warnings)

    @contextlib.contextmanager
    def _reading(
        self, path: Path, document: Document
    ) -> Iterator[Iterator[tuple[RawTable, Iterator[RawRow]]]]:
        if document.media_type == mirrors.MEDIA_TYPE:
            # The workspace's own file: nobody else wrote it.
            yield _mirrored(path)
            return
        if self._process is None or self._files >= _MAX_FILES:
            self.close()
            limits = (str(self.settings.memory_mb), str(self.settings.seconds))
            self._process, self._files = limited.start("loresmith.tables.worker", *limits), 0
        self._files += 1
        process, done = self._process, False
        task = {"path": str(path), "name": document.id, "media_type": document.media_type}
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(wire.frame(task))  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        messages = _Messages(process, self.settings)
        try:
            yield _tables(messages, document.version)
            done = messages.over
        except ParseError:
            done = messages.over
            raise
        finally:
            if not done:
                # It is in the middle of something that nobody wants any more.
                self.close()


def _mirrored(path: Path) -> Iterator[tuple[RawTable, Iterator[RawRow]]]:
    try:
        yield mirror.read_table(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParseError("its copy in the workspace is damaged.", "Remove .loresmith/sources.") from error


class _Messages:
    """What the worker says about one file. Its own CPU time is limited; here only its silence is.

    `over`: it has said all that it will say."""

    def __init__(self, process: subprocess.Popen[bytes], settings: ParsingSection) -> None:
        self.process, self.settings = process, settings
        self.buffer = bytearray()
        self.over = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        source = self.process.stdout.fileno()  # type: ignore[union-attr]
        while (message := self._whole()) is None:
            deadline = time.monotonic() + self.settings.seconds
            if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise ParseError(f"took longer than {self.settings.seconds:g} s to read.")
            chunk = os.read(source, 1 << 18)
            if not chunk:
                raise _died(self.process, self.settings)
            self.buffer += chunk
            if len(self.buffer) > _LARGEST:
                raise _wrong("too long a message")
        self.over = "end" in message or "reason" in message
        return message

    def _whole(self) -> dict[str, Any] | None:
        try:
            message = wire.unframe(self.buffer)
        except (ValueError, RecursionError) as error:
            raise _wrong(type(error).__name__) from error
        if message is not None and not isinstance(message, dict):
            raise _wrong("no object")
        return message


def _wrong(what: str) -> ParseError:
    return ParseError(f"its reader answered wrongly ({what}).")


def _died(process: subprocess.Popen[bytes], settings: ParsingSection) -> ParseError:
    status = process.wait()
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return ParseError(f"took longer than {settings.seconds:g} s of CPU time to read.")
    cause = signal.Signals(-status).name if status < 0 else f"status {status}"
    return ParseError(
        f"damaged, or needs more than {settings.memory_mb} MB of memory (reader ended: {cause})."
    )


def _tables(messages: Iterator[dict[str, Any]], version: str) -> Iterator[tuple[RawTable, Iterator[RawRow]]]:
    """The worker's messages as raw tables; the rows of one are taken before the next begins."""
    message = _said(next(messages))
    if message.get("version") != version:
        raise ParseError("changed while it was being read.", "It is read again next time.")
    message = _said(next(messages))
    while "end" not in message:
        table = _raw_table(message)
        rest: list[dict[str, Any]] = []
        yield table, _rows(messages, rest)
        if not rest:
            raise _wrong("a table without an end")
        message = rest[0]


def _rows(messages: Iterator[dict[str, Any]], rest: list[dict[str, Any]]) -> Iterator[RawRow]:
    for message in messages:
        if "rows" not in _said(message):
            rest.append(message)
            return
        for row in message["rows"]:
            if not _is_row(row):
                raise _wrong("no row")
            yield row


def _said(message: dict[str, Any]) -> dict[str, Any]:
    if "reason" in message:
        raise ParseError(str(message["reason"]))
    return message


def _is_row(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], list):
        return False
    return isinstance(row[0], str) or (isinstance(row[0], int) and -(2**63) <= row[0] < 2**63)


def _raw_table(message: dict[str, Any]) -> RawTable:
    """The table that a worker describes; one that a hostile file took over can describe anything."""
    try:
        raw = dict(message["table"])
        raw["columns"] = tuple(RawColumn(**column) for column in raw["columns"])
        raw["key"] = tuple(str(name) for name in raw["key"])
        raw["foreign"] = tuple((str(a), str(b), str(c)) for a, b, c in raw["foreign"])
        table = RawTable(**raw)
    except (KeyError, TypeError, ValueError) as error:
        raise _wrong(type(error).__name__) from error
    texts = [table.name, table.caption, table.name_hint, table.sheet or ""]
    for column in table.columns:
        texts += [column.name, column.unit, column.description]
        if column.type is not None and column.type not in get_args(ColumnType):
            raise _wrong("no type of a column")
    if not table.columns or not all(isinstance(text, str) for text in texts):
        raise _wrong("no table")
    return table
