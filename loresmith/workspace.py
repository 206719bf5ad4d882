"""A workspace on disk: paths, atomic writes, the writer's lock, the list of sources.

    plant/loresmith.toml            the user's; edited here only through tomlkit, comments kept
    plant/.loresmith/state.db       what was acknowledged (see state/)
    plant/.loresmith/index/<gen>/   vectors and postings of one generation
    plant/.loresmith/sources/       copies of the tables of databases (see mirrors.py)
    plant/.loresmith/tables.db      tables as data (see tables/)
    plant/.loresmith/datasets/<id>/ examples, checked and split (see dataset/)
    plant/.loresmith/adapters/<id>/ LoRA weights with card and record (see training/)
    plant/.loresmith/reports/<id>/  comparisons (see evaluation/comparison/)
    plant/.loresmith/lock           flock of the one writer; the kernel drops it when it dies
    plant/.loresmith/training.lock  the same for the one training, which writes only at its end
    plant/.loresmith/releases.json  which expert answers by default (see releases.py)
    plant/.loresmith/releases.lock  the same for it, so that going back waits for no sync
    plant/.loresmith/keys.json      who may use the server (see server/access.py); keys.lock for it

Promises: a file is written to a temporary name, fsynced and renamed, so a kill leaves the old or
the new; there is one writer at a time, readers always work.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from loresmith import addresses
from loresmith import config as configuration
from loresmith.config import FILE_NAME, Config
from loresmith.errors import StorageError, UsageError, WorkspaceLocked, WorkspaceNotFound
from loresmith.types import SourceSpec

TEMPLATE = """\
# A Loresmith workspace: one folder makes one expert.
# Every key and its default: `loresmith config`, or docs/configuration.md.
name = {name}
"""


@dataclass(frozen=True, slots=True)
class WorkspaceDir:
    """An open workspace folder. `config` is what held when it was opened."""

    root: Path
    config: Config

    @property
    def data(self) -> Path:
        return self.root / ".loresmith"

    @property
    def state_path(self) -> Path:
        return self.data / "state.db"

    @property
    def index_dir(self) -> Path:
        return self.data / "index"

    @property
    def tables_path(self) -> Path:
        return self.data / "tables.db"

    @property
    def datasets_dir(self) -> Path:
        return self.data / "datasets"

    @property
    def adapters_dir(self) -> Path:
        return self.data / "adapters"

    @property
    def reports_dir(self) -> Path:
        return self.data / "reports"

    @property
    def releases_path(self) -> Path:
        return self.data / "releases.json"

    @property
    def keys_path(self) -> Path:
        return self.data / "keys.json"

    @property
    def mirrors_dir(self) -> Path:
        return self.data / "sources"

    @property
    def web_dir(self) -> Path:
        return self.data / "web"

    def source_specs(self) -> list[SourceSpec]:
        """The sources of loresmith.toml, paths made absolute."""
        return [
            SourceSpec(
                resolve_uri(s.uri, self.root),
                tuple(sorted(set(s.labels))),
                tuple(s.tables),
                tuple(sorted(s.since.items())),
            )
            for s in self.config.sources
        ]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock.

        Raises:
            WorkspaceLocked: another process holds it; the message gives its process id.
        """
        with self._locked("lock", "is writing to"):
            yield

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the lock of the one training that runs here; nobody else is kept waiting by it.

        Raises:
            WorkspaceLocked: another process is training here; the message gives its process id.
        """
        with self._locked("training.lock", "is training in"):
            yield

    @contextmanager
    def releasing(self) -> Iterator[None]:
        """Hold the lock of releases.json; nobody who synchronises or trains is kept waiting by it.

        Raises:
            WorkspaceLocked: another process is promoting or rolling back here.
        """
        with self._locked("releases.lock", "is releasing in"):
            yield

    @contextmanager
    def granting(self) -> Iterator[None]:
        """Hold the lock of keys.json.

        Raises:
            WorkspaceLocked: another process is making or revoking a key here.
        """
        with self._locked("keys.lock", "is changing the keys of"):
            yield

    @contextmanager
    def _locked(self, name: str, doing: str) -> Iterator[None]:
        self.data.mkdir(exist_ok=True)
        with translated_os_errors(self.data):
            handle = os.open(self.data / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise WorkspaceLocked(
                    f"{self.root}: process {owner} {doing} this workspace.",
                    "Wait until it has finished, or stop it.",
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)


def create(root: Path, settings: dict[str, Any] | None = None) -> WorkspaceDir:
    """Make a new workspace folder. `settings` are dotted keys for loresmith.toml.

    Raises:
        UsageError: `root` already holds a workspace or is a file.
    """
    root = root.expanduser().absolute()
    if (root / FILE_NAME).exists():
        raise UsageError(
            f"{root} already is a workspace.",
            "Add sources with `loresmith add`, or choose another folder.",
        )
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder.", "Choose another name.")
    document = tomlkit.parse(TEMPLATE.format(name=tomlkit.item(root.name).as_string()))
    for key, value in (settings or {}).items():
        configuration.put(document, key, value)
    # Checked before anything is written, so that a wrong flag leaves no folder behind.
    checked = configuration.validate(document.unwrap(), {"": "the new workspace"})
    with translated_os_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        (root / ".loresmith").mkdir(exist_ok=True)
        write_atomic(root / FILE_NAME, tomlkit.dumps(document).encode())
    return WorkspaceDir(root, checked)


def open_dir(path: Path | None = None, overrides: dict[str, Any] | None = None) -> WorkspaceDir:
    """Open the workspace at `path`, or the one at or above the current folder.

    Raises:
        WorkspaceNotFound: there is none.  ConfigError: its loresmith.toml is wrong.
    """
    if path is not None:
        root = path.expanduser().absolute()
        if not (root / FILE_NAME).is_file():
            raise WorkspaceNotFound(
                f"{root} is not a workspace (it has no {FILE_NAME}).",
                f"Make one with: loresmith init {path}",
            )
    else:
        here = Path.cwd()
        found = next((p for p in (here, *here.parents) if (p / FILE_NAME).is_file()), None)
        if found is None:
            raise WorkspaceNotFound(
                f"No workspace in {here} or above (no {FILE_NAME}).",
                "Make one with `loresmith init NAME --from FOLDER`, then `cd NAME`.",
            )
        root = found
    return WorkspaceDir(root, configuration.load(root / FILE_NAME, overrides))


def check_source(uri: str) -> str:
    """`uri` as typed, made absolute against the current folder.

    Raises:
        UsageError: the path does not exist, or an address holds a password in plain.
    """
    addresses.check(uri)
    absolute = resolve_uri(uri, Path.cwd())
    local = addresses.sqlite_path(absolute) if addresses.kind_of(absolute) == "sqlite" else absolute
    if not is_url(local) and not Path(local).exists():
        raise UsageError(f"{uri}: no such file or folder.", "Check the path.")
    if any("\udc80" <= character <= "\udcff" for character in absolute):
        raise UsageError(f"{uri!r}: a path that is not UTF-8 cannot stand in {FILE_NAME}.", "Rename it.")
    return absolute


def add_sources(
    workspace: WorkspaceDir,
    uris: Sequence[str],
    labels: Sequence[str] = (),
    *,
    tables: Sequence[str] = (),
    since: Mapping[str, str] | None = None,
) -> WorkspaceDir:
    """Append to the list of sources (labels, tables and since of one already listed are replaced).

    `uris` are as typed: paths are relative to the current folder and are stored relative to the
    workspace where the result stays short, absolute otherwise. `tables` and `since` are of databases.

    Raises:
        UsageError: a path does not exist, or an address holds a password in plain.
    """
    path = workspace.root / FILE_NAME
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    listed = document.setdefault("sources", tomlkit.aot())
    known = {resolve_uri(str(entry["uri"]), workspace.root): entry for entry in listed}
    for uri in uris:
        absolute = check_source(uri)
        if (tables or since) and addresses.kind_of(absolute) is None:
            raise UsageError(
                f"{uri} is no database: --table and --since are of databases.",
                "Add it in a command of its own.",
            )
        entry = known.get(absolute)
        if entry is None:
            entry = tomlkit.table()
            entry["uri"] = _stored_uri(absolute, workspace.root)
            listed.append(entry)
            known[absolute] = entry
        if labels:
            entry["labels"] = sorted(set(labels))
        if tables:
            entry["tables"] = list(dict.fromkeys(tables))
        if since:
            columns = tomlkit.inline_table()
            columns.update(dict(since))
            entry["since"] = columns
    checked = configuration.validate(document.unwrap(), {"": str(path)})
    write_atomic(path, tomlkit.dumps(document).encode())
    return WorkspaceDir(workspace.root, workspace.config.model_copy(update={"sources": checked.sources}))


def remove_source(workspace: WorkspaceDir, uri: str) -> WorkspaceDir:
    """Take one source off the list; its documents go with the next sync.

    Raises:
        UsageError: it is not listed; the message lists what is.
    """
    path = workspace.root / FILE_NAME
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    listed = document.get("sources", [])
    absolute = [resolve_uri(str(entry["uri"]), workspace.root) for entry in listed]
    del listed[absolute.index(find_source(workspace, uri))]
    if not listed:
        del document["sources"]
    checked = configuration.validate(document.unwrap(), {"": str(path)})
    write_atomic(path, tomlkit.dumps(document).encode())
    return WorkspaceDir(workspace.root, workspace.config.model_copy(update={"sources": checked.sources}))


def find_source(workspace: WorkspaceDir, uri: str) -> str:
    """The source that is meant: as loresmith.toml lists it, or as a path from the current folder.

    Raises:
        UsageError: it is not listed; the message lists what is.
    """
    known = {spec.uri for spec in workspace.source_specs()}
    for meant in (uri, resolve_uri(uri, workspace.root), resolve_uri(uri, Path.cwd())):
        if meant in known:
            return meant
    names = ", ".join(source.uri for source in workspace.config.sources) or "none"
    raise UsageError(f"{addresses.masked(uri)} is not a source of this workspace.", f"Its sources: {names}.")


def is_url(uri: str) -> bool:
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", uri) is not None


def resolve_uri(uri: str, base: Path) -> str:
    """`uri` with a path made absolute against `base`, also the one of sqlite:///; a URL unchanged."""
    if addresses.kind_of(uri) == "sqlite":
        return addresses.sqlite_uri(resolve_uri(addresses.sqlite_path(uri), base))
    if is_url(uri):
        return uri
    return os.path.normpath(base / Path(uri).expanduser())


def is_web(uri: str) -> bool:
    """Whether `uri` is the address of a page, which a reader may open; a database's is the owner's."""
    return uri.lower().startswith(("http://", "https://"))


def _stored_uri(absolute: str, root: Path) -> str:
    if addresses.kind_of(absolute) == "sqlite":
        return addresses.sqlite_uri(_stored_uri(addresses.sqlite_path(absolute), root))
    if is_url(absolute):
        return absolute
    relative = os.path.relpath(absolute, root)
    return absolute if relative.startswith("../../..") else relative


def write_atomic(path: Path, content: bytes) -> None:
    """Write `path` so that a kill leaves the old content or the new."""
    with translated_os_errors(path):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(path.parent)


def fsync_dir(path: Path) -> None:
    """Make a rename in `path` survive power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def translated_os_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about `path` into a StorageError with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"{path}: the disk is full.", "Free some space and run the command again; nothing is lost."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"{path}: no permission to write.", "Change its permissions, or use another folder."
            ) from error
        raise StorageError(f"{path}: {error.strerror or error}.", "Check the path.") from error
