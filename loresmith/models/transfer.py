"""Bytes from an address into a file: resumable, with progress, checked.

Promises: what has arrived stays in `<target>.partial` when the process is killed or the line is
cut, and the next call asks only for the rest (HTTP Range); `target` itself appears only complete.
"""

from __future__ import annotations

import hashlib
import shutil
import ssl
import time
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import certifi
import httpx

from loresmith.errors import ModelError
from loresmith.workspace import translated_os_errors

ATTEMPTS = 4
TIMEOUT = httpx.Timeout(60, connect=15)

Report = Callable[[int, int | None], None]
"""`report(done, total)` in bytes of this file."""


class Unreachable(ModelError):
    """The address does not answer, or refuses; another source may do."""


def client(cert: str | None = None, trusted: Collection[str] = ()) -> Callable[[str], httpx.Client]:
    """A function from URL to the client for its host.

    Args:
        cert: file or folder of root certificates beside the system's.
        trusted: hosts whose certificate is not checked (pip's `trusted-host`; what is fetched
            from them is checked by sha256 all the same).
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if cert:
        where = {"capath": cert} if Path(cert).is_dir() else {"cafile": cert}
        with translated_os_errors(Path(cert)):
            context.load_verify_locations(**where)
    options = {"timeout": TIMEOUT, "follow_redirects": True}
    checked = httpx.Client(verify=context, **options)  # type: ignore[arg-type]
    unchecked = httpx.Client(verify=False, **options) if trusted else checked  # type: ignore[arg-type]
    return lambda url: (
        unchecked if urlsplit(url).netloc in trusted or urlsplit(url).hostname in trusted else checked
    )


def local_path(url: str) -> Path | None:
    """The path that a file: URL or a plain path names; None for other addresses."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(url2pathname(unquote(parts.path)))
    return None if "://" in url else Path(url).expanduser()


def fetch(
    url: str,
    target: Path,
    clients: Callable[[str], httpx.Client],
    *,
    sha256: str | None = None,
    auth: httpx.Auth | tuple[str, str] | None = None,
    report: Report = lambda done, total: None,
) -> None:
    """Download `url` to `target`.

    Raises:
        Unreachable: no answer, a refusal, or bytes whose sha256 is not the expected one.
        StorageError: the disk is full or not writable.
    """
    partial = target.with_name(target.name + ".partial")
    here = local_path(url)
    with translated_os_errors(target):
        if here is not None:
            if not here.is_file():
                raise Unreachable(f"{here}: no such file.", "Check the package index's configuration.")
            shutil.copyfile(here, partial)
            report(partial.stat().st_size, partial.stat().st_size)
        else:
            _get(url, partial, clients(url), auth, report)
        if sha256 is not None and digest(partial) != sha256:
            partial.unlink()
            raise Unreachable(
                f"{shown(url)}: what arrived has another sha256 than announced.",
                "Run the command again; if it repeats, a proxy on the way changes files.",
            )
        partial.replace(target)


def _get(
    url: str,
    partial: Path,
    http: httpx.Client,
    auth: httpx.Auth | tuple[str, str] | None,
    report: Report,
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        have = partial.stat().st_size if partial.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        problem: str
        try:
            with http.stream("GET", url, headers=headers, auth=auth) as response:
                if response.status_code == 416:  # the partial file is complete, or of another file
                    size = response.headers.get("Content-Range", "").rpartition("/")[2]
                    if size == str(have):
                        return
                    partial.unlink()
                    continue
                if response.status_code not in (200, 206):
                    problem = f"HTTP status {response.status_code}"
                    if response.status_code < 500 and response.status_code != 429:
                        raise Unreachable(f"{shown(url)}: {problem}.", "Check the address and its access.")
                else:
                    have = have if response.status_code == 206 else 0
                    length = response.headers.get("Content-Length", "")
                    total = have + int(length) if length.isdigit() else None
                    with open(partial, "ab" if have else "wb") as file:
                        for piece in response.iter_raw():
                            file.write(piece)
                            have += len(piece)
                            report(have, total)
                    if total is None or have == total:
                        return
                    problem = f"the connection ended after {have} of {total} bytes"
        except (httpx.TransportError, ssl.SSLError) as error:
            problem = str(error) or type(error).__name__
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
                raise Unreachable(
                    f"{shown(url)}: cannot be reached ({problem}).", "Check the network."
                ) from error
        if attempt < ATTEMPTS:
            time.sleep(min(2**attempt, 8) / 4)
    raise Unreachable(
        f"{shown(url)}: {problem}, {ATTEMPTS} times.", "Run the command again: it goes on where it stopped."
    )


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shown(url: str) -> str:
    """The address without credentials, for messages."""
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
