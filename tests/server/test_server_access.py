"""Keys, roles and labels: who is let in, and when no longer."""

from __future__ import annotations

import json
import threading

import pytest
from serving import QUESTION, SECRET_QUESTION, Serve

from loresmith import cli
from loresmith import workspace as folders
from loresmith.errors import StorageError, UsageError
from loresmith.server import access
from loresmith.server.access import Caller
from loresmith.types import Filter


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
