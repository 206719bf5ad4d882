"""What is malformed, too large, too slow or too much is refused in words, and the server lives."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from helpers import HashEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import LOCAL, MANUAL, QUESTION, Live, Serve
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.expert import Workspace
from loresmith.server import jobs, running
from loresmith.server.app import create_app
from loresmith.server.models import Served
from loresmith.server.workspace_api import working

JSON = {"Content-Type": "application/json"}

POSTS = {
    "/api/ask": {"question": QUESTION},
    "/api/feedback": {"answer": "0" * 24, "verdict": "approved"},
    "/api/sources": {"uri": "nowhere"},
    "/api/jobs": {"kind": "no such"},
    "/api/datasets/rows": {"id": "0" * 16, "verdict": "accept"},
    "/api/adapters/use": {"id": "none"},
    "/api/releases": {"report": "none"},
    "/api/settings": {"no.such": 1},
}
"""Each route with a body that does no harm."""

BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"NaN",
    b'{"question": NaN}',
    b'{"question": "\\ud800", "answer": "\\udfff", "uri": "\\ud800", "id": "\\ud800"}',
    b"\xff\xfe{}",
    b'{"question": {"$ne": null}, "answer": [], "uri": {}, "id": {}, "kind": {}}',
    b'{"question": 1e400}',
    b"[" * 100_000,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    json.dumps({"question": "x" * 200_000, "id": "x" * 200_000, "uri": "x" * 200_000}).encode(),
    b"9" * 10_000,
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    (root / "docs").mkdir()
    (root / "docs" / "p-200.md").write_text(MANUAL)
    with Workspace(folders.create(root / "plant", {"model.name": "none"}), embedder=HashEmbedder()) as made:
        made.add(str(root / "docs"))
        made.sync()
    return root / "plant"


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with ExitStack() as stack:
        yield Serve(root, stack)()


def alive(client: TestClient) -> None:
    assert client.get("/api/status").json()["documents"] == 1
    assert "25 Nm" in client.post("/api/ask", json={"question": QUESTION}).text


def complaint(answer: httpx.Response) -> dict[str, Any]:
    told = answer.json()
    assert set(told) == {"error"}
    assert set(told["error"]) == {"message", "type", "code", "param"}
    assert told["error"]["message"]
    error: dict[str, Any] = told["error"]
    return error


def test_malformed_bodies_are_refused_in_one_shape(client: TestClient) -> None:
    for path in POSTS:
        for body in BODIES:
            answer = client.post(path, content=body, headers=JSON)
            assert 400 <= answer.status_code < 500, (path, body[:40], answer.status_code)
            complaint(answer)
    alive(client)


HALF = "\ud800"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": HALF}]}),
        ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": HALF}]}]}),
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "stop": [HALF]}),
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "model": HALF}),
        ("responses", {"input": HALF}),
        ("responses", {"input": [{"role": "user", "content": HALF}]}),
        ("embeddings", {"input": HALF, "model": "loresmith-embed"}),
        ("embeddings", {"input": ["x", HALF], "model": "loresmith-embed"}),
    ],
)
def test_halves_of_characters_are_refused(client: TestClient, path: str, body: dict[str, Any]) -> None:
    content = json.dumps({"model": "loresmith", **body}).encode()
    answer = client.post(f"/v1/{path}", content=content, headers=JSON)
    assert answer.status_code == 422
    assert "Unicode" in complaint(answer)["message"]


def test_other_kinds_of_bodies_are_refused(client: TestClient) -> None:
    for path, body in POSTS.items():
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            answer = client.post(path, content=json.dumps(body), headers={"Content-Type": kind})
            # Also what keeps a form of another page from writing here.
            assert answer.status_code in (400, 415, 422), (path, kind)
            complaint(answer)


def test_unknown_fields_are_named(client: TestClient) -> None:
    answer = client.post("/api/ask", json={"question": QUESTION, "labels": ["staff"]})
    assert (answer.status_code, complaint(answer)["param"]) == (422, "labels")
    answer = client.post("/api/ask", json={"question": QUESTION, "where": {"access": None}})
    assert (answer.status_code, complaint(answer)["param"]) == (422, "where")


def test_paths_that_play_tricks_find_nothing(client: TestClient, root: Path) -> None:
    before = sorted(path for path in root.rglob("*") if path.is_file())
    for trick in (
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//....//etc/passwd",
        "%00",
        "a%00.png",
        "%ff%fe",
        "x" * 3_000,
        ".loresmith%2fkeys.json",
        "~root",
        "C:%5cwindows",
    ):
        for method, path in (
            ("GET", f"/api/source/{trick}"),
            ("GET", f"/api/page/{trick}/1.png"),
            ("GET", f"/api/adapters/{trick}"),
            ("GET", f"/api/reports/{trick}"),
            ("GET", f"/api/reports/{trick}/report.html"),
            ("GET", f"/api/jobs/{trick}"),
            ("DELETE", f"/api/jobs/{trick}"),
            ("DELETE", f"/api/documents/{trick}"),
            ("GET", f"/{trick}"),
        ):
            answer = client.request(method, path)
            assert answer.status_code in (404, 405, 422), (method, path, answer.status_code)
            assert "root:" not in answer.text
    assert sorted(path for path in root.rglob("*") if path.is_file()) == before


def test_the_description_tells_how_refusals_look(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    for path, methods in described.items():
        for method, told in methods.items():
            refusals = {s: r for s, r in told["responses"].items() if int(s) >= 400}
            kinds = {kind for r in refusals.values() for kind in r.get("content", {})}
            assert kinds <= {"application/json"}, (method, path)
            assert path in ("/healthz", "/readyz") or {"401", "403", "503"} <= set(refusals), path
    answer = client.request("PUT", "/api/documents")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert complaint(answer)["code"] == "method_not_allowed"


MULTIPART = [
    b"",
    b"--x",
    b"--x--\r\n",
    b"--x\r\n\r\n--x--\r\n",
    b"--y\r\nContent-Disposition: form-data; name=files; filename=a.txt\r\n\r\nabc\r\n--y--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nnever ended',
    b"--x\r\nContent-Disposition: attachment\r\n\r\nabc\r\n--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="' + b"n" * 100_000 + b'"\r\n\r\nabc\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="labels"\r\n\r\n' + b"l" * 100_000 + b"\r\n--x--\r\n",
    b"\x00" * 1_000,
]


# The parser of forms leaves a part that never ended to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_forms_that_are_broken_store_nothing(client: TestClient, root: Path) -> None:
    for body in MULTIPART:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post("/api/documents", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (body[:60], answer.status_code)
        complaint(answer)
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "text/html", ""):
        answer = client.post("/api/documents", content=b"abc", headers={"Content-Type": kind})
        assert answer.status_code in (400, 415, 422), kind
        complaint(answer)
    assert not list(root.glob("uploads*/*"))
    alive(client)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    question=st.text(max_size=200),
    chat=st.one_of(st.none(), st.text(max_size=50)),
    arm=st.one_of(st.none(), st.sampled_from(["rag", "base", "magic"])),
)
def test_any_text_is_a_question_or_is_refused(
    client: TestClient, question: str, chat: str | None, arm: str | None
) -> None:
    body = {key: v for key, v in (("question", question), ("chat", chat), ("arm", arm)) if v is not None}
    answer = client.post("/api/ask", content=json.dumps(body).encode(), headers=JSON)
    assert answer.status_code in (200, 422, 404), answer.text
    assert answer.status_code != 404 or arm == "base"
    search = client.get("/api/search", params={"q": question.encode("utf-8", "replace")})
    assert search.status_code in (200, 422), search.text


# --- over a socket ----------------------------------------------------------------------------------


def sent(url: str, head: str, body: bytes = b"") -> bytes:
    """What comes back to bytes that no client library would send; the client hangs up after them."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as wire:
        lines = [head, f"Host: {parts.netloc}", "Connection: close", "", ""]
        wire.sendall("\r\n".join(lines).encode() + body)
        with contextlib.suppress(OSError):  # it may have been hung up on already
            wire.shutdown(socket.SHUT_WR)
        found = b""
        while chunk := wire.recv(65536):
            found += chunk
    return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_half_sent_bodies_and_broken_heads(root: Path) -> None:
    with ExitStack() as stack:
        live = Serve(root, stack).live(overrides={"server.body_seconds": 0.3, "server.upload_mb": 1})
        form = "POST /api/documents HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x"
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="half.txt"\r\n\r\nhalf of it'
        sent(live.url, f"{form}\r\nContent-Length: 100000", part)
        sent(
            live.url, "POST /api/ask HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 500", b"{"
        )
        assert b" 413 " in sent(live.url, f"{form}\r\nContent-Length: 99999999999", part)
        assert b" 400 " in sent(live.url, "GET /api/status HTTP/9.9\r\nX: \x00")
        assert b" 400 " in sent(live.url, f"{form}\r\nContent-Length: -5", part)
        parts = urlsplit(live.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as wire:
            # It promises a body, sends a little, and then says nothing for longer than is allowed.
            wire.sendall(f"{form}\r\nHost: {parts.netloc}\r\nContent-Length: 5000\r\n\r\n".encode() + part)
            assert b" 408 " in wire.recv(65536)
        assert not list(root.glob("uploads*/*"))
        with httpx.Client(base_url=live.url, timeout=20) as client:
            assert client.get("/api/status").status_code == 200
            # Refused while it is still being sent: the client hears it, or that nobody listens any more.
            with contextlib.suppress(httpx.ReadError, httpx.WriteError):
                huge = client.post("/api/documents", files={"files": ("a.txt", b"a word " * 300_000)})
                assert huge.status_code == 413
            assert client.get("/api/status").status_code == 200


def test_many_texts_are_embedded_a_few_at_a_time(root: Path) -> None:
    """Each few in a turn of their own: whoever sends thousands keeps nobody waiting."""
    sizes: list[int] = []

    class Counted(HashEmbedder):
        def embed_passages(self, texts: Any) -> Any:
            sizes.append(len(texts))
            return super().embed_passages(texts)

    texts = [f"the bolt number {number}" for number in range(50)]
    with TestClient(create_app(root, models=Served(Counted())), base_url=LOCAL) as client:
        answer = client.post("/v1/embeddings", json={"model": "loresmith-embed", "input": texts})
    assert len(sizes) > 2
    assert max(sizes) <= 16
    assert [one["index"] for one in answer.json()["data"]] == list(range(50))
    got = [one["embedding"] for one in answer.json()["data"]]
    assert got == [[float(n) for n in row] for row in HashEmbedder().embed_passages(texts)]


def told(answer: bytes) -> tuple[int, dict[str, Any]]:
    """Status and error of the one response that came."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body.count(b"HTTP/1.1 ") == 0, answer
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return int(head.split()[1]), error


HIDDEN = b"0\r\n\r\nGET /api/documents HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LENGTHS = [
    f"Content-Length: {len(HIDDEN)}\r\nTransfer-Encoding: chunked",
    f"Transfer-Encoding: chunked\r\nContent-Length: {len(HIDDEN)}",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: +5",
    "Content-Length: 0x5",
    "Content-Length : 5",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: chunked, identity",
    "Host: elsewhere",
    "X: a\rb",
]


def test_a_request_of_two_lengths_is_no_request(root: Path) -> None:
    """What a proxy and this server read apart would be two requests for one of them."""
    with ExitStack() as stack:
        live = Serve(root, stack).live()
        for lengths in LENGTHS:
            head = f"POST /api/ask HTTP/1.1\r\nContent-Type: application/json\r\n{lengths}"
            status, error = told(sent(live.url, head, HIDDEN))
            assert (status, error["code"] in ("two_lengths", "invalid_http")) == (400, True), lengths
        for noise in ("\x16\x03\x01\x02\x00\x01", "PRI * HTTP/2.0", "GET / HTTP/1.1\r\nno colon"):
            assert told(sent(live.url, noise))[0] in (400, 404)
        assert httpx.get(f"{live.url}/api/status").status_code == 200


def test_bodies_that_are_packed_stay_packed(client: TestClient) -> None:
    bomb = gzip.compress(b'{"question": "' + b"a" * 30_000_000 + b'"}')
    for kind in ("gzip", "deflate", "br"):
        answer = client.post("/api/ask", content=bomb, headers=JSON | {"Content-Encoding": kind})
        assert answer.status_code == 400
        complaint(answer)


def test_a_body_that_drips_is_cut_off(root: Path) -> None:
    """Each piece comes in time, and the whole would never."""
    with ExitStack() as stack:
        live = Serve(root, stack).live(overrides={"server.body_seconds": 0.4})
        parts = urlsplit(live.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=0.1) as wire:
            kind = "Content-Type: application/json\r\nContent-Length: 1000"
            wire.sendall(f"POST /api/ask HTTP/1.1\r\nHost: {parts.netloc}\r\n{kind}\r\n\r\n".encode())
            for _ in range(100):
                wire.sendall(b" ")
                with contextlib.suppress(TimeoutError):
                    found = wire.recv(65536)
                    break
            else:
                pytest.fail("it may drip for ever")
            wire.settimeout(20)
            found += b"".join(iter(lambda: wire.recv(65536), b""))
        assert told(found)[1]["code"] == "body_too_slow"


def test_who_does_not_take_the_answer_is_hung_up_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "READ_SECONDS", 0.3)
    with ExitStack() as stack:
        large = Served(HashEmbedder(dimension=2048))  # some 20 MB of numbers
        live = stack.enter_context(Live(create_app(root, overrides={"server.connections": 1}, models=large)))
        parts = urlsplit(live.url)
        body = json.dumps({"model": "loresmith-embed", "input": ["a word"] * 500}).encode()
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(20)
            wire.connect((parts.hostname, parts.port))
            kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
            head = f"POST /v1/embeddings HTTP/1.1\r\nHost: {parts.netloc}\r\n{kind}\r\n\r\n"
            wire.sendall(head.encode() + body)
            deadline = time.monotonic() + 20
            for lies in (True, False):  # first it does, then no longer
                while bool(live.unread()) is not lies:
                    assert time.monotonic() < deadline
                    assert httpx.get(f"{live.url}/healthz").status_code == 200
            got = sum(map(len, iter(lambda: wire.recv(65536), b"")))
            assert got < 15_000_000


def test_more_streams_than_there_is_room_for_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "MOST_STREAMS", 3)
    folder = folders.open_dir(root)
    jobs.jobs_dir(folder).mkdir(exist_ok=True)
    with ExitStack() as stack:
        live = Serve(root, stack).live()
        turn = stack.enter_context((jobs.jobs_dir(folder) / "compare.queue").open("a"))
        fcntl.flock(turn, fcntl.LOCK_EX)
        job = jobs.post(folder, "compare", {}, ["releases"], "anna")
        with httpx.Client(base_url=live.url, timeout=20) as client:
            path = f"/api/jobs/{job.id}/events"
            with ExitStack() as streams:
                held = []  # an iterator that is let go of closes its stream
                for _ in range(3):
                    opened = streams.enter_context(client.stream("GET", path))
                    held.append(opened.iter_lines())
                    assert next(held[-1]).startswith("data: ")
                refused = client.get(path)
                assert (refused.status_code, complaint(refused)["code"]) == (429, "too_many_streams")
            # Those that went away have left their places.
            for _ in range(200):
                with client.stream("GET", path) as opened:
                    if opened.status_code == 200:
                        break
            else:
                pytest.fail("a stream that was closed still counts")
            client.delete(f"/api/jobs/{job.id}")
            assert client.get(path).text.rstrip().rpartition("data: ")[2].count('"state": "stopped"') == 1
