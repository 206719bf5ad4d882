"""Single web pages: fetched with care, a copy kept for parsing.

Promises: every address in a chain of redirects is checked before it is asked, and the connection
goes to the very address that was checked (no second look-up in between); private, loopback and
link-local addresses are refused unless allowed; no more than the limit is read; an unchanged page
(ETag, Last-Modified) is not fetched again; when the site is down, the last copy is used.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from loresmith.config import WebSection
from loresmith.errors import SourceError
from loresmith.sources.files import document_id
from loresmith.types import Failure, SourceItem, SourceSpec
from loresmith.workspace import write_atomic

MAX_REDIRECTS = 5
_AGENT = "loresmith/0.1 (document reader)"


def scan_url(spec: SourceSpec, prefix: str, web: WebSection, web_dir: Path) -> Iterator[SourceItem | Failure]:
    """One item: the page. A page that cannot be fetched is the last copy, or a SourceError."""
    web_dir.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(spec.uri.encode()).hexdigest()[:32]
    body, card = web_dir / name, web_dir / f"{name}.json"
    known = _card(card) if body.exists() else {}
    document = prefix + document_id(spec.uri)
    try:
        known = _fetch(spec.uri, web, body, card, known)
    except SourceError as error:
        if not known:
            raise
        yield Failure(document, f"{error.problem} The copy of {known.get('fetched', 'before')} is used.")
    status = body.stat()
    yield SourceItem(
        id=document,
        source=spec.uri,
        uri=spec.uri,
        path=str(body),
        size=status.st_size,
        mtime_ns=int(known.get("modified", 0) * 1e9) or status.st_mtime_ns,
        labels=spec.labels,
        version=known.get("sha256"),
        media_type=known.get("media_type"),
    )


def _card(path: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card


def _fetch(url: str, web: WebSection, body: Path, card: Path, known: dict[str, Any]) -> dict[str, Any]:
    import httpx

    headers = {"User-Agent": _AGENT, "Accept": "text/html,application/xhtml+xml,application/pdf,*/*;q=0.8"}
    if known.get("etag"):
        headers["If-None-Match"] = known["etag"]
    if known.get("last_modified"):
        headers["If-Modified-Since"] = known["last_modified"]
    asked = url
    # trust_env=False: a proxy from the environment would look up the name itself, past our check.
    with httpx.Client(timeout=web.timeout_seconds, follow_redirects=False, trust_env=False) as client:
        for _ in range(MAX_REDIRECTS + 1):
            try:
                with _ask(client, asked, headers, web) as response:
                    if response.is_redirect and response.headers.get("location"):
                        asked = urljoin(asked, response.headers["location"])
                        continue
                    if response.status_code == 304 and known:
                        return known
                    return _keep(url, response, web, body, card)
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
                raise SourceError(
                    f"{url}: cannot be fetched: {why}.", "Check the address and the network."
                ) from error
    raise SourceError(f"{url}: redirected more than {MAX_REDIRECTS} times.", "Give the final address.")


def _ask(client: Any, url: str, headers: dict[str, str], web: WebSection) -> Any:
    """A streaming request to the checked address of `url`'s host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(
            f"{url}: not an http(s) address.", "Give an address that begins with http:// or https://."
        )
    address = checked_address(
        parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), web.allow_private
    )
    host = f"[{address}]" if ":" in address else address
    target = urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host, fragment=""))
    name = parts.hostname if not parts.port else f"{parts.hostname}:{parts.port}"
    return client.stream(
        "GET", target, headers=headers | {"Host": name}, extensions={"sni_hostname": parts.hostname}
    )


def checked_address(host: str, port: int, allow_private: bool) -> str:
    """The address to connect to.

    Raises:
        SourceError: the name is unknown, or any of its addresses is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"{host}: unknown host ({error}).", "Check the address and the network.") from error
    addresses = [str(entry[4][0]).split("%")[0] for entry in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise SourceError(
                f"{host}: a private address ({address}) is not fetched.",
                "Set web.allow_private = true in loresmith.toml if it is yours.",
            )
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address can only be meant for the open internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        # An IPv4 address in IPv6 dress is judged as what it is.
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _keep(url: str, response: Any, web: WebSection, body: Path, card: Path) -> dict[str, Any]:
    if response.status_code != 200:
        raise SourceError(
            f"{url}: the server answered {response.status_code} {response.reason_phrase}.",
            "Check the address.",
        )
    limit = web.max_mb * 2**20
    content = bytearray()
    begun = time.monotonic()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > limit:
            raise SourceError(f"{url}: larger than {web.max_mb} MB.", "Raise web.max_mb, or leave it out.")
        # Each read has its own time limit; a server that drips bytes would never meet it.
        if time.monotonic() - begun > 10 * web.timeout_seconds:
            raise SourceError(
                f"{url}: did not end within {10 * web.timeout_seconds:g} s.", "Try again later."
            )
    modified = response.headers.get("last-modified", "")
    stamp = 0.0
    if modified:
        try:
            stamp = parsedate_to_datetime(modified).timestamp()
        except (ValueError, TypeError):
            stamp = 0.0
    known = {
        "url": url,
        "etag": response.headers.get("etag", ""),
        "last_modified": modified,
        "modified": stamp,
        "media_type": response.headers.get("content-type", "").split(";")[0].strip().lower() or None,
        "sha256": hashlib.sha256(content).hexdigest(),
        "fetched": time.strftime("%Y-%m-%d %H:%M"),
    }
    write_atomic(body, bytes(content))
    write_atomic(card, json.dumps(known).encode())
    return known
