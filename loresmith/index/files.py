"""The files of a generation: made durable before a commit counts, and checked byte by byte later.

The engine writes a file once and never changes it (a hint that it rewrites is left out), but calls
no fsync and keeps no checksum. So after a commit `record` makes the new files durable and notes
their SHA-256; `damaged` says later which of the noted files are no longer what they were.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from loresmith.state import FileRow
from loresmith.workspace import fsync_dir, translated_os_errors

TABLE = "passages.lance"
_REWRITTEN = {"latest_version_hint.json"}


def record(folder: Path, known: Container[str] = ()) -> list[FileRow]:
    """Make the files of `folder` that are not `known` durable; returns them with their digests."""
    rows = []
    touched: set[Path] = set()
    with translated_os_errors(folder):
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            if name in known:
                continue
            try:
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                    digest = hashlib.file_digest(file, "sha256").digest()
                    rows.append(FileRow(name, file.tell(), digest))
            except FileNotFoundError:
                continue  # a temporary file of the engine that it has removed meanwhile
            touched.update(p for p in path.parents if p.is_relative_to(folder))
        for directory in sorted(touched, reverse=True):
            fsync_dir(directory)
    return rows


def damaged(folder: Path, known: Mapping[str, FileRow]) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of the noted files that are not what they were."""
    for name, row in sorted(known.items()):
        try:
            with open(folder / name, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
                size = file.tell()
        except FileNotFoundError:
            yield name, "is missing"
        except OSError as error:
            yield name, f"cannot be read ({error.strerror})"
        else:
            if size != row.size:
                yield name, f"has {size} bytes instead of {row.size}"
            elif digest != row.digest:
                yield name, "was altered"


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted((folder / TABLE).rglob("*")):
        if path.is_file() and path.name not in _REWRITTEN:
            yield path
