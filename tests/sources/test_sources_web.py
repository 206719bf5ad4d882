"""Web pages against a real server on loopback: redirects, limits, unchanged pages, private addresses."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from loresmith.config import WebSection
from loresmith.errors import SourceError
from loresmith.sources import scan
from loresmith.sources.web import is_public
from loresmith.types import Failure, SourceItem, SourceSpec

PAGE = b"<html><body><p>pump</p></body></html>"


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str | None]]] = []
    down: ClassVar[bool] = False

    def do_GET(self) -> None:
        Handler.asked.append((self.path, self.headers.get("If-None-Match")))
        host = f"127.0.0.1:{self.server.server_address[1]}"
        if Handler.down:
            self.answer(503)
        elif self.path == "/page":
            fresh = self.headers.get("If-None-Match") != '"v1"'
            self.answer(200 if fresh else 304, PAGE if fresh else b"", ETag='"v1"')
        elif self.path == "/moved":
            self.answer(302, Location="/page")
        elif self.path == "/round":
            self.answer(302, Location="/round")
        elif self.path == "/inside":
            self.answer(302, Location=f"http://{host}/page")
        elif self.path == "/file":
            self.answer(302, Location="file:///etc/passwd")
        elif self.path == "/large":
            self.answer(200, b"x" * (2 * 2**20))
        else:
            self.answer(404)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        return


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked.clear()
    Handler.down = False
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def fetch(url: str, folder: Path, **settings: object) -> list[SourceItem | Failure]:
    web = WebSection.model_validate({"allow_private": True, "timeout_seconds": 5} | settings)
    return list(scan(SourceSpec(url, ("web",)), prefix="", web=web, web_dir=folder / "web"))


def test_a_page_is_kept_and_not_fetched_again_while_unchanged(server: str, tmp_path: Path) -> None:
    (item,) = fetch(f"{server}/page", tmp_path)
    assert isinstance(item, SourceItem)
    assert item.id == server.removeprefix("http://") + "/page"
    assert Path(item.path).read_bytes() == PAGE
    assert item.version == hashlib.sha256(PAGE).hexdigest()
    assert item.media_type == "text/html"
    (again,) = fetch(f"{server}/page", tmp_path)
    assert Handler.asked == [("/page", None), ("/page", '"v1"')]
    assert isinstance(again, SourceItem)
    assert (again.version, again.mtime_ns) == (item.version, item.mtime_ns)


def test_redirects_are_followed_and_counted(server: str, tmp_path: Path) -> None:
    (item,) = fetch(f"{server}/moved", tmp_path)
    assert isinstance(item, SourceItem)
    assert Path(item.path).read_bytes() == PAGE
    with pytest.raises(SourceError, match="redirected more than 5 times"):
        fetch(f"{server}/round", tmp_path)
    with pytest.raises(SourceError, match="not an http"):
        fetch(f"{server}/file", tmp_path)


def test_private_addresses_are_refused_unless_allowed(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="private address") as caught:
        fetch(f"{server}/page", tmp_path, allow_private=False)
    assert "web.allow_private" in str(caught.value)
    assert Handler.asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1",
     "fc00::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "100.64.0.1", "224.0.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_addresses_that_are_not_the_open_internet(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


def test_limits_and_errors_name_the_address(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="larger than 1 MB"):
        fetch(f"{server}/large", tmp_path, max_mb=1)
    with pytest.raises(SourceError, match="/none: the server answered 404"):
        fetch(f"{server}/none", tmp_path)
    with pytest.raises(SourceError, match="unknown host"):
        fetch("http://nowhere.invalid/", tmp_path)


def test_the_last_copy_serves_while_the_site_is_down(server: str, tmp_path: Path) -> None:
    fetch(f"{server}/page", tmp_path)
    Handler.down = True
    failure, item = fetch(f"{server}/page", tmp_path)
    assert isinstance(failure, Failure)
    assert "503" in failure.reason
    assert "copy" in failure.reason
    assert isinstance(item, SourceItem)
    assert Path(item.path).read_bytes() == PAGE
