"""Keys, roles and labels: who is let in, and when no longer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from serving import LOCAL, QUESTION, SECRET_QUESTION, Serve

from loresmith import cli
from loresmith import workspace as folders
from loresmith.errors import StorageError, UsageError
from loresmith.models.fake import FakeModel
from loresmith.server import access
from loresmith.server.access import Caller
from loresmith.types import Filter, Generated


def ask(client, question: str, headers: dict[str, str]):  # type: ignore[no-untyped-def]
    messages = [{"role": "user", "content": question}]
    asked = {"model": "loresmith", "messages": messages}
    return client.post("/v1/chat/completions", json=asked, headers=headers)


def test_without_keys_everyone_on_this_machine_is_the_owner(serve: Serve) -> None:
    found = serve().get("/api/status").json()
    assert found["caller"] == {"name": "owner", "role": "owner", "labels": None}
    assert not found["needs_key"]


def test_elsewhere_nobody_is_without_a_key(serve: Serve) -> None:
    client = serve(overrides={"server.host": "0.0.0.0"})
    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers={"Authorization": "Bearer "}).status_code == 401


def test_with_the_first_key_every_request_needs_one(serve: Serve) -> None:
    client = serve()
    assert client.get("/v1/models").status_code == 200
    anna = serve.key("anna", "owner")
    for headers in ({}, {"Authorization": "Bearer lore_wrong"}, {"Authorization": "Basic YTpi"}):
        refused = client.get("/v1/models", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["error"]["type"] == "authentication_error"
    assert client.get("/v1/models", headers=anna).status_code == 200
    assert client.get("/api/status", headers=anna).json()["caller"]["role"] == "owner"
    assert client.get("/healthz").status_code == 200


def test_a_revoked_key_opens_nothing_from_the_next_request_on(serve: Serve) -> None:
    client = serve()
    anna = serve.key("anna", "reader", ["staff"])
    assert "90,000" in ask(client, SECRET_QUESTION, anna).text
    serve.revoke("anna")
    refused = ask(client, SECRET_QUESTION, anna)
    assert refused.status_code == 401
    assert "90,000" not in refused.text
    # The last key is gone, and the door does not stand open for that.
    assert ask(client, SECRET_QUESTION, {}).status_code == 401
    # The same name again is another key.
    again = serve.key("anna")
    assert ask(client, QUESTION, again).status_code == 200
    assert ask(client, QUESTION, anna).status_code == 401


def test_a_reader_without_the_label_learns_nothing(serve: Serve) -> None:
    client = serve()
    ben = serve.key("ben", "reader", ["sales"])
    answer = ask(client, SECRET_QUESTION, ben)
    assert answer.status_code == 200
    assert "90,000" not in answer.text
    assert "salaries" not in answer.text
    assert "25 Nm" in ask(client, QUESTION, ben).text


@pytest.mark.parametrize(("role", "status"), [("reader", 403), ("editor", 200), ("owner", 200)])
def test_figures_need_an_editor(serve: Serve, role: access.Role, status: int) -> None:
    client = serve()
    answer = client.get("/metrics", headers=serve.key("anna", role))
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "role"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 1}',
        b'{"format": 2, "keys": []}',
        b'{"format": 1, "keys": [{"id": "x"}]}',
        b'{"format": 1, "keys": [{"id": "x", "name": "x", "role": "god", "labels": null, "hash": "", '
        b'"created": ""}]}',
    ],
)
def test_a_damaged_file_lets_nobody_in(serve: Serve, content: bytes) -> None:
    client = serve()
    headers = serve.key("anna", "owner")
    (serve.root / ".loresmith" / "keys.json").write_bytes(content)
    refused = client.get("/v1/models", headers=headers)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "keys"
    with pytest.raises(StorageError):
        access.create(folders.open_dir(serve.root), "ben")


def test_only_a_hash_is_kept(serve: Serve) -> None:
    secret = serve.key("anna")["Authorization"].split()[1]
    assert len(secret) == len(access.PREFIX) + 43  # 256 bits
    for path in (serve.root / ".loresmith").rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_names_are_unique_and_owners_have_no_labels(serve: Serve) -> None:
    folder = folders.open_dir(serve.root)
    access.create(folder, "anna")
    with pytest.raises(UsageError, match="already"):
        access.create(folder, " anna ")
    with pytest.raises(UsageError, match="no name"):
        access.create(folder, "  ")
    with pytest.raises(UsageError, match="sees everything"):
        access.create(folder, "ben", "owner", ["staff"])
    with pytest.raises(UsageError, match="In use: anna"):
        access.revoke(folder, "cleo")


def test_a_key_made_while_requests_run_counts_at_once(serve: Serve) -> None:
    client = serve()
    serve.key("first")
    statuses: list[int] = []

    def work(number: int) -> None:
        for turn in range(10):
            headers = serve.key(f"k{number}-{turn}")
            statuses.append(client.get("/v1/models", headers=headers).status_code)
            serve.revoke(f"k{number}-{turn}")
            statuses.append(client.get("/v1/models", headers=headers).status_code)

    thread = threading.Thread(target=work, args=(0,))
    thread.start()
    thread.join()
    assert statuses == [200, 401] * 10


def test_callers() -> None:
    reader = Caller("anna", "reader", ("a", "b"))
    assert reader.where(documents=("x",)) == Filter(access=("a", "b"), documents=("x",))
    assert reader.holds(["a"])
    assert not reader.holds(["a", "c"])
    assert access.OWNER.holds(["c"])
    assert access.OWNER.where().access is None
    assert [Caller("x", role, ()).may("editor") for role in access.ROLES] == [True, True, False]


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("[::1]", True), ("LocalHost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_which_addresses_are_this_machines_alone(host: str, local: bool) -> None:
    assert access.is_loopback(host) is local


def test_keys_on_the_command_line(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> dict[str, object]:
        assert cli.run(["keys", *words, "-w", str(serve.root), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    assert run("list") == {"keys": []}
    made = run("create", "anna", "--role", "editor", "--label", "staff", "--label", "sales")
    assert (made["role"], made["labels"]) == ("editor", ["sales", "staff"])
    client = serve()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert client.get("/api/status", headers=headers).json()["caller"]["labels"] == ["sales", "staff"]
    listed = run("list")["keys"]
    assert isinstance(listed, list)
    assert "key" not in listed[0]
    assert "hash" not in listed[0]
    assert run("revoke", "anna")["revoked"]
    assert client.get("/api/status", headers=headers).status_code == 401
    assert cli.run(["keys", "list", "-w", str(serve.root)]) == 0
    assert "anna" in capsys.readouterr().out


# --- a key that changes while it is being answered ----------------------------------------------------


class Slow(FakeModel):
    """Says its first word, and the others when it is let."""

    def __init__(self) -> None:
        super().__init__("first wolves howl")
        self.begun, self.go, self.left = threading.Event(), threading.Event(), threading.Event()

    def _speak(self, words: Sequence[str]) -> Iterator[Generated]:
        try:
            yield Generated(words[0], 1, -0.1)
            self.begun.set()
            while not self.go.wait(0.01):
                yield Generated("", 0, 0.0)
            for word in words[1:]:
                yield Generated(word, 1, -0.1)
        finally:
            self.left.set()


def relabelled(serve: Serve) -> None:
    path = folders.open_dir(serve.root).keys_path
    content = json.loads(path.read_text())
    content["keys"][-1]["labels"] = ["sales"]
    folders.write_atomic(path, json.dumps(content).encode())


CHANGES: dict[str, Callable[[Serve], object]] = {
    "revoked": lambda serve: serve.revoke("anna"),
    "other labels": relabelled,
    "damaged": lambda serve: folders.open_dir(serve.root).keys_path.write_bytes(b"{"),
}
ASKED = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": QUESTION}], "model": "loresmith-base"},
    "/v1/responses": {"input": QUESTION, "model": "loresmith-base"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("path", ASKED)
def test_a_stream_ends_for_a_key_that_is_no_longer_what_it_was(serve: Serve, path: str, change: str) -> None:
    model = Slow()
    with ExitStack() as stack:
        live = Serve(serve.root, stack).live(model)
        anna = serve.key("anna", "reader", ["staff"])
        with (
            httpx.Client(base_url=live.url, timeout=20, headers=anna) as client,
            client.stream("POST", path, json=ASKED[path] | {"stream": True}) as answer,
        ):
            assert answer.status_code == 200
            lines = answer.iter_lines()
            seen = next(line for line in lines if "first" in line)
            CHANGES[change](serve)
            model.go.set()
            rest = [seen, *lines]
        assert not any("wolves" in line or "howl" in line for line in rest)
        assert '"error"' in [line for line in rest if line][-1]
        assert model.left.wait(10)  # nor is it computed any longer
        with httpx.Client(base_url=live.url, timeout=20) as client:
            assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_that_is_ready_too_late_is_not_sent(serve: Serve, change: str) -> None:
    model = Slow()
    client = serve(model)
    anna = serve.key("anna", "reader", ["staff"])
    found: list[httpx.Response] = []
    path = "/v1/chat/completions"
    thread = threading.Thread(target=lambda: found.append(client.post(path, json=ASKED[path], headers=anna)))
    thread.start()
    assert model.begun.wait(10)
    CHANGES[change](serve)
    model.go.set()
    thread.join()
    assert found[0].status_code in (401, 503)
    assert set(found[0].json()) == {"error"}
    assert "first" not in found[0].text


def test_without_a_key_nothing_of_a_body_is_read(serve: Serve) -> None:
    with ExitStack() as stack:
        live = Serve(serve.root, stack).live(overrides={"server.connections": 1})
        anna = serve.key("anna")
        where = urlsplit(live.url)
        for path in ("/api/ask", "/v1/chat/completions", "/mcp", "/api/documents", "/api/no-such-route"):
            with socket.create_connection((where.hostname, where.port), timeout=20) as wire:
                head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
                wire.sendall(f"{head}Content-Length: 1000000\r\n\r\n{{".encode())
                assert b" 401 " in wire.recv(65536)
                # Nor does it take a place that others need.
                assert httpx.get(f"{live.url}/api/status", headers=anna).status_code == 200


# --- pages of elsewhere -------------------------------------------------------------------------------


ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},  # what another user of this machine may serve
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://[bad"},
    {"Origin": ""},
    {"Origin": f"{LOCAL}.evil.example"},
    {"Origin": LOCAL.replace("127.0.0.1", "localhost")},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example:8321"},  # a name that was bound to this machine's address
    {"Host": ""},
]
FORM = {"files": [("files", ("note.txt", b"The crane lifts 12 tonnes."))]}


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_without_keys_no_page_of_elsewhere_gets_in(serve: Serve, headers: dict[str, str]) -> None:
    client = serve()
    for method, path, body in (
        ("GET", "/api/documents", {}),
        ("POST", "/api/documents", FORM),  # a form, which a browser sends without asking first
        ("POST", "/api/releases/rollback", {}),
        ("POST", "/mcp", {"content": b"{}"}),
    ):
        answer = client.request(method, path, headers=headers, **body)  # type: ignore[arg-type]
        assert answer.status_code in (403, 421), (method, path, answer.status_code)
        assert answer.json()["error"]["code"] in ("origin", "host")
    assert not (serve.root / "uploads").exists()


def test_the_own_page_and_a_named_proxy_get_in(serve: Serve) -> None:
    client = serve(overrides={"server.hosts": ["Lore.example"]})
    for headers in (
        {"Origin": LOCAL, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://lore.example", "Host": "lore.example"},
        {"Origin": "https://lore.example"},
    ):
        assert client.get("/api/status", headers=headers).status_code == 200, headers


def test_nobody_is_told_that_other_pages_may_read_it(serve: Serve) -> None:
    client = serve(headers={"Origin": "https://evil.example"})
    for headers in (serve.key("anna"), {}):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        answer = client.options("/api/ask", headers=headers | asked)
        assert answer.status_code >= 400
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_key_counts_only_in_its_header(serve: Serve) -> None:
    client = serve()
    secret = serve.key("anna")["Authorization"].split()[1]
    for name in ("key", "api_key", "access_token", "token", "authorization"):
        assert client.get("/api/status", params={name: secret}).status_code == 401
        assert client.get("/api/status", headers={"Cookie": f"{name}={secret}"}).status_code == 401
    assert client.get("/api/status", headers={"X-Api-Key": secret}).status_code == 401
    for wrong in (secret[:-1], secret + "A", secret.upper(), "Bearer", "", "\x00", "é" * 50, "x" * 50_000):
        told = client.get("/api/status", headers={"Authorization": f"Bearer {wrong}".encode()})
        assert told.status_code == 401


# --- what is told of this machine ---------------------------------------------------------------------


def test_a_reader_is_not_told_where_things_lie(serve: Serve) -> None:
    client = serve()
    reader, owner = serve.key("anna", "reader", ["staff"]), serve.key("olga", "owner")
    toml = serve.root / "loresmith.toml"
    toml.write_text(toml.read_text() + "\n[answer]\nrws = 1\n")
    for headers in (reader, owner):
        answer = client.get("/api/documents", headers=headers)
        assert answer.status_code == 503  # it is no fault of the request
        assert "rws" in answer.text
        assert (str(serve.root) in answer.text) is (headers is owner)
    ready = client.get("/readyz")
    assert ready.json() == {"status": "not ready", "reason": "the workspace cannot be read"}
