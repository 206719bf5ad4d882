"""Folders and single files on disk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loresmith import addresses
from loresmith.errors import SourceError
from loresmith.types import Failure, SourceItem, SourceSpec
from loresmith.workspace import is_url

# What programs leave beside documents; nobody means to search it.
_SKIPPED_NAMES = frozenset(
    {"Thumbs.db", "desktop.ini", "Icon\r", "__MACOSX", "__pycache__", "node_modules", "lost+found"}
)
_SKIPPED_ENDINGS = (".tmp", ".part", ".crdownload", ".swp", "~", ".lock")


def name_of(uri: str) -> str:
    """The short name of a source: its folder, file or host."""
    if addresses.kind_of(uri) is not None:
        return addresses.name_of(uri)
    return urlsplit(uri).netloc if is_url(uri) else printable(Path(uri).name or "root")


def ids_of(uri: str) -> Iterator[str]:
    """The document ids in a source, without its prefix and without looking into the files."""
    if addresses.kind_of(uri) is not None:
        # Its tables are unknown before it is asked; two databases of one name must not mix.
        yield f"{addresses.name_of(uri)}/"
    elif is_url(uri):
        yield document_id(uri)
    elif Path(uri).is_file():
        yield name_of(uri)
    else:
        for folder, folders, files in os.walk(uri):
            folders[:] = [name for name in folders if not skipped(name)]
            relative = os.path.relpath(folder, uri)
            start = "" if relative == "." else printable(relative) + "/"
            yield from (start + printable(name) for name in files if not skipped(name))


def document_id(url: str) -> str:
    """Host and path of a page, as a document id."""
    parts = urlsplit(url)
    path = unquote(parts.path).strip("/")
    query = f"?{parts.query}" if parts.query else ""
    return re.sub(r"[\x00-\x1f]", "", f"{parts.netloc.rpartition('@')[2]}/{path}{query}".rstrip("/"))


def printable(name: str) -> str:
    """A file name that is not valid UTF-8, made so, no two of them alike: ids are stored and shown."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def scan_path(spec: SourceSpec, prefix: str) -> Iterator[SourceItem | Failure]:
    """Raises SourceError where `spec.uri` is missing or may not be read."""
    root = Path(spec.uri)
    try:
        mode = root.stat().st_mode
    except FileNotFoundError:
        raise SourceError(
            f"{root}: no such file or folder.", f"Bring it back, or: loresmith remove {root}"
        ) from None
    except OSError as error:
        raise SourceError(f"{root}: {error.strerror or error}.", "Check its permissions.") from error
    if stat.S_ISDIR(mode):
        try:
            os.scandir(root).close()
        except OSError as error:
            raise SourceError(f"{root}: {error.strerror or error}.", "Check its permissions.") from error
        yield from _folder(root, "", spec, prefix)
    elif stat.S_ISREG(mode):
        yield _item(root, printable(root.name), spec, prefix)
    else:
        raise SourceError(f"{root}: neither a file nor a folder.", "Choose another source.")


def _folder(folder: Path, relative: str, spec: SourceSpec, prefix: str) -> Iterator[SourceItem | Failure]:
    """Links to files are followed, links to folders are not: they could lead round in a circle."""
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Failure(prefix + relative.rstrip("/"), f"folder cannot be read: {error.strerror or error}.")
        return
    for entry in entries:
        if skipped(entry.name):
            continue
        name = relative + printable(entry.name)
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _folder(Path(entry.path), name + "/", spec, prefix)
                continue
            mode = entry.stat().st_mode
            if stat.S_ISREG(mode):
                yield _item(Path(entry.path), name, spec, prefix)
        except FileNotFoundError:
            broken = entry.is_symlink()
            yield Failure(
                prefix + name,
                "a link that leads nowhere." if broken else "vanished while the folder was being read.",
            )
        except OSError as error:
            yield Failure(prefix + name, f"cannot be read: {error.strerror or error}.")


def skipped(name: str) -> bool:
    """Hidden files, lock files of office programs, leftovers."""
    return name.startswith((".", "~$")) or name in _SKIPPED_NAMES or name.endswith(_SKIPPED_ENDINGS)


def _item(path: Path, name: str, spec: SourceSpec, prefix: str) -> SourceItem:
    status = path.stat()
    return SourceItem(
        id=prefix + name,
        source=spec.uri,
        uri=printable(str(path)),
        path=str(path),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        labels=spec.labels,
    )
