"""Files that come by HTTP: into a folder of the workspace that is one of its sources.

    <workspace>/uploads/               what everybody may see
    <workspace>/uploads-<labels>/      what carries labels: a source with them

Promises: a file is stored only under the name it came with, in that folder and nowhere else, or
refused with the reason; what is said to be stored is on the disk; the source carries its labels
before its first file is there, so nothing is ever indexed without them.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from loresmith import workspace as folders
from loresmith.errors import ParseError, UsageError
from loresmith.parsing import detect
from loresmith.parsing.read import kinds
from loresmith.parsing.textual import read_text
from loresmith.sources.files import skipped
from loresmith.workspace import WorkspaceDir, fsync_dir, translated_os_errors

FOLDER = "uploads"
LONGEST = 200
"""Bytes of a name: file systems take 255, and a document's id may get a prefix."""
_HEAD = 1 << 20
_SAMPLE = 1 << 16
# Paths, control characters, and what is not seen or turns the rest around; not what joins letters.
_STRANGE = re.compile(
    r"[\x00-\x1f\x7f-\x9f/\\\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What became of one file: stored, or why not. `code`: name, type, size, empty."""

    name: str
    stored: bool
    size: int = 0
    replaced: bool = False
    reason: str = ""
    code: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def place(workspace: WorkspaceDir, labels: Sequence[str] = ()) -> Path:
    """The folder for files with these labels; no two sets of labels share one."""
    if not labels:
        return workspace.root / FOLDER
    key = "\0".join(sorted(set(labels)))
    readable = re.sub(r"[^a-z0-9]+", "-", "-".join(sorted(set(labels))).lower()).strip("-")[:40]
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return workspace.root / f"{FOLDER}-{readable}-{digest}"


def is_place(workspace: WorkspaceDir, path: Path) -> bool:
    """Whether `path` is one of the folders that hold uploads."""
    return path.parent == workspace.root and (path.name == FOLDER or path.name.startswith(f"{FOLDER}-"))


def prepare(workspace: WorkspaceDir, labels: Sequence[str]) -> Path:
    """The folder for these labels, listed as a source with them. To be called while loresmith.toml is
    held (`shared.toml_edited`)."""
    target = place(workspace, labels)
    with translated_os_errors(target):
        target.mkdir(exist_ok=True)
    if str(target) not in {spec.uri for spec in workspace.source_specs()}:
        folders.add_sources(workspace, [str(target)], labels)
    return target


def wrong_name(name: str) -> str:
    """Why a file may not be called so; "" where it may."""
    if not name or name in (".", ".."):
        return "The file has no name."
    if _STRANGE.search(name):
        return "The name holds a path or control characters."
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "The name is not Unicode text."
    if len(encoded) > LONGEST:
        return f"The name is longer than {LONGEST} bytes."
    if skipped(name) or name != name.strip():
        return "Files of this name are never read (hidden, temporary, or with spaces around it)."
    return ""


def store(folder: Path, name: str, content: BinaryIO, *, largest: int) -> Upload:
    """Keep one file.

    Args:
        content: from its beginning; read twice, so it must be seekable.
        largest: bytes.

    Raises:
        StorageError: full disk, missing permission.
    """
    shown = _STRANGE.sub("\N{REPLACEMENT CHARACTER}", name)[:LONGEST]
    problem, code = wrong_name(name), "name"
    size = content.seek(0, os.SEEK_END)
    if not problem:
        problem, code = _unfit(name, content, size, largest)
    if problem:
        return Upload(name=shown, stored=False, size=size, reason=problem, code=code)
    target = folder / name
    with translated_os_errors(target):
        replaced = target.is_file() and not target.is_symlink()
        if target.exists() and not replaced:
            return Upload(name=shown, stored=False, reason="Something else has this name.", code="name")
        # A leading dot: a sync that comes by leaves it alone.
        temporary = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            with open(temporary, "xb") as file:
                content.seek(0)
                shutil.copyfileobj(content, file, _HEAD)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(folder)
    return Upload(name=name, stored=True, size=size, replaced=replaced)


def _unfit(name: str, content: BinaryIO, size: int, largest: int) -> tuple[str, str]:
    """(reason, code) by what the bytes are, whatever the name says; ("", "") where they can be read."""
    if size == 0:
        return "The file is empty.", "empty"
    if size > largest:
        return f"The file is larger than {largest / 1e6:g} MB.", "size"
    content.seek(0)
    head = content.read(_HEAD)
    if not head.strip(b"\x00"):
        return "The file holds only zero bytes.", "empty"
    # What a package holds is written at its end.
    kind = detect.media_type(head + content.read() if head.startswith(b"PK") else head, name)
    if kind not in kinds():
        return f"Files of this kind are not read ({kind}).", "type"
    if kind == detect.TEXT:  # which is what everything is taken for that nobody knows
        try:
            read_text(head[:_SAMPLE])
        except ParseError as error:
            return f"The file cannot be read: {error}", "type"
    return "", ""


def remove(workspace: WorkspaceDir, path: Path) -> None:
    """Delete an uploaded file.

    Raises:
        UsageError: it does not lie in a folder of uploads.
    """
    if not any(is_place(workspace, parent) for parent in path.parents):
        raise UsageError(f"{path} was not uploaded.", "Delete it where it lies, or remove its source.")
    with translated_os_errors(path):
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            fsync_dir(path.parent)
