"""Wheels from the package index that the user's pip or uv is configured for, or its mirror.

The index is read here (PEP 503 pages), because an environment made by uv holds no pip, and so
that parts arrive side by side and resume in the middle. pip itself is the second way, where it is
installed: it knows keyrings and client certificates. Nothing fetched is installed or imported.
"""

from __future__ import annotations

import configparser
import html
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import httpx

from loresmith.errors import ModelError
from loresmith.models import transfer
from loresmith.models.transfer import Report, Unreachable
from loresmith.workspace import translated_os_errors

DEFAULT_INDEX = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where packages come from; the fields are named as pip's options."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    cert: str | None = None
    trusted_hosts: tuple[str, ...] = ()


def configured(environment: Mapping[str, str] = os.environ) -> IndexSettings:
    """Read the environment and configuration files as pip does, uv's variables beside them.

    https://pip.pypa.io/en/stable/topics/configuration/ ; an environment variable wins over a file.
    """
    values: dict[str, str] = {}
    for path in _config_files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: not readable as pip's configuration.", "Mend that file.") from error
        for section in ("global", "download"):
            if parser.has_section(section):
                values |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            values[name[4:].lower().replace("_", "-")] = value
    indexes = [
        environment.get("UV_DEFAULT_INDEX")
        or environment.get("UV_INDEX_URL")
        or values.get("index-url", DEFAULT_INDEX),
        *values.get("extra-index-url", "").split(),
        *environment.get("UV_EXTRA_INDEX_URL", "").split(),
        *(
            part.rpartition("=")[2] if "=" in part.split("://")[0] else part
            for part in environment.get("UV_INDEX", "").split()
        ),
    ]
    if values.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    return IndexSettings(
        tuple(dict.fromkeys(url.rstrip("/") for url in indexes)),
        tuple(values.get("find-links", "").split()),
        values.get("cert"),
        tuple(values.get("trusted-host", "").split()),
    )


def _config_files(environment: Mapping[str, str]) -> list[Path]:
    """Least to most important."""
    home = Path.home()
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        config / "pip/pip.conf",
    ]
    files += [home / "Library/Application Support/pip/pip.conf"] if sys.platform == "darwin" else []
    files.append(Path(sys.prefix) / "pip.conf")
    return files + ([Path(named)] if named else [])


class PackageIndex:
    """A reader of the configured index; keeps its HTTP connections for many parts."""

    def __init__(self, settings: IndexSettings) -> None:
        self.settings = settings
        self._clients: Callable[[str], httpx.Client] = transfer.client(settings.cert, settings.trusted_hosts)

    def fetch_wheel(self, package: str, version: str, folder: Path, report: Report) -> Path:
        """Download the wheel of `package` into `folder` (resuming what lies there).

        Raises:
            Unreachable: no index has it or answers, by itself and through pip.
        """
        try:
            url, sha256, auth = self._find(package, version)
            target = folder / unquote(Path(urlsplit(url).path).name)
            transfer.fetch(url, target, self._clients, sha256=sha256, auth=auth, report=report)
            return target
        except Unreachable as error:
            if importlib.util.find_spec("pip") is None:
                raise
            return _by_pip(package, version, folder, error)

    def _find(
        self, package: str, version: str
    ) -> tuple[str, str | None, tuple[str, str] | httpx.Auth | None]:
        """Address, sha256 and credentials of the wheel."""
        wanted = f"{_normal(package).replace('-', '_')}-{version}-".lower()
        problems = []
        for page in [
            *self.settings.find_links,
            *(f"{url}/{_normal(package)}/" for url in self.settings.indexes),
        ]:
            auth = _credentials(page)
            try:
                for link in self._links(page, auth):
                    address, fragment = urldefrag(link)
                    name = unquote(Path(urlsplit(address).path).name).lower()
                    if name.startswith(wanted) and name.endswith("-none-any.whl"):
                        same_host = urlsplit(address).hostname == urlsplit(page).hostname
                        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
                        return address, sha256, auth if same_host else None
            except Unreachable as error:
                problems.append(error.problem.rstrip("."))
        asked = [transfer.shown(url) for url in (*self.settings.find_links, *self.settings.indexes)]
        tried = ", ".join(asked) or "any index (no-index is set)"
        why = f" ({problems[-1]})" if problems else ""
        raise Unreachable(
            f"The package {package}=={version} was not found in {tried}{why}.",
            "Check the network or pip's index-url.",
        )

    def _links(self, page: str, auth: tuple[str, str] | httpx.Auth | None) -> Iterator[str]:
        here = transfer.local_path(page)
        if here is None:
            try:
                response = self._clients(page).get(page, auth=auth, headers={"Accept": "text/html"})
            except httpx.TransportError as error:
                raise Unreachable(f"{transfer.shown(page)}: {str(error) or type(error).__name__}.") from error
            if response.status_code == 404:
                return
            if response.status_code != 200:
                raise Unreachable(f"{transfer.shown(page)}: HTTP status {response.status_code}.")
            text, base = response.text, str(response.url)
        else:
            if here.is_dir() and not (here / "index.html").is_file():
                yield from (path.absolute().as_uri() for path in sorted(here.glob("*.whl")))
                return
            here = here / "index.html" if here.is_dir() else here
            if not here.is_file():
                return
            text, base = here.read_text(encoding="utf-8", errors="replace"), here.absolute().as_uri()
        for match in re.finditer(r"""<a\s[^>]*?href\s*=\s*["']([^"']+)["']""", text, re.IGNORECASE):
            yield urljoin(base, html.unescape(match[1]))


def _credentials(url: str) -> tuple[str, str] | httpx.Auth | None:
    parts = urlsplit(url)
    if parts.username is not None:
        return unquote(parts.username), unquote(parts.password or "")
    netrc = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    return httpx.NetRCAuth(str(netrc)) if parts.scheme == "https" and netrc.is_file() else None


def _normal(package: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _by_pip(package: str, version: str, folder: Path, before: Unreachable) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), f"{package}=={version}"]
    with translated_os_errors(folder):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wheels = list(folder.glob(f"{_normal(package).replace('-', '_')}-{version}-*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    raise Unreachable(
        before.problem,
        f"{before.remedy} `pip download` could not fetch it either{': ' + said[-1] if said else '.'}",
    ) from before
