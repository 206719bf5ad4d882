"""The server as whoever runs it sees it: queue, cancellation, limits, figures, log, start and stop."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from serving import LOCAL, QUESTION, Serve, engine_of

from loresmith import workspace as folders
from loresmith.models.fake import FakeModel
from loresmith.server import engine as engines
from loresmith.server import jobs, operation, running
from loresmith.server.access import OWNER, Caller
from loresmith.server.engine import Engine, Finished
from loresmith.server.faults import ApiError
from loresmith.server.turns import Gate, Turns
from loresmith.state import State
from loresmith.types import Generated

CHAT = {"model": "loresmith-base", "messages": [{"role": "user", "content": QUESTION}]}


class Held(FakeModel):
    """Says one word, then waits to be let go, saying nothing more than that it is still there."""

    def __init__(self) -> None:
        super().__init__("one two three")
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.left = threading.Semaphore(0)

    def _speak(self, words: Sequence[str]) -> Iterator[Generated]:
        try:
            yield Generated(words[0], 1, -0.1)
            self.begun.release()
            while not self.go.wait(0.01):
                yield Generated("", 0, 0.0)
            for word in words[1:]:
                yield Generated(word, 1, -0.1)
        finally:
            self.left.release()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# --- turns --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_turns_go_round_among_callers() -> None:
    turns = Turns(limit=1, queue=10)
    order: list[str] = []

    async def take(who: str) -> None:
        async with turns.turn(who):
            order.append(who)
            await asyncio.sleep(0)

    async with turns.turn("anna"):
        asked = [asyncio.create_task(take(who)) for who in ("anna", "anna", "anna", "ben", "cleo")]
        await asyncio.sleep(0)
        assert turns.waiting == 5
    await asyncio.gather(*asked)
    assert order == ["anna", "ben", "cleo", "anna", "anna"]
    assert (turns.running, turns.waiting) == (0, 0)


@pytest.mark.anyio
async def test_a_full_queue_refuses_and_who_waits_most_gives_way() -> None:
    turns = Turns(limit=1, queue=3)
    outcome: list[str] = []

    async def take(who: str) -> None:
        try:
            async with turns.turn(who):
                outcome.append(who)
        except ApiError as error:
            outcome.append(f"{who} {error.status}")

    async with turns.turn("anna"):
        asked = [asyncio.create_task(take("anna")) for _ in range(4)]
        await asyncio.sleep(0)
        assert outcome == ["anna 429"]
        asked.append(asyncio.create_task(take("ben")))
        await asyncio.sleep(0.01)
        assert outcome == ["anna 429", "anna 429"]
    await asyncio.gather(*asked)
    assert sorted(outcome) == ["anna", "anna", "anna 429", "anna 429", "ben"]


@pytest.mark.anyio
async def test_who_leaves_the_queue_leaves_no_trace() -> None:
    turns = Turns(limit=1, queue=3)

    async def take() -> None:
        async with turns.turn("ben"):
            raise AssertionError("left before")

    async with turns.turn("anna"):
        task = asyncio.create_task(take())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert turns.waiting == 0
    await asyncio.wait_for(turns.idle(), 1)


@pytest.mark.anyio
async def test_the_gate_lets_one_alone_before_newcomers() -> None:
    gate = Gate()
    order: list[str] = []

    async def together(name: str) -> None:
        async with gate.together():
            order.append(name)
            await asyncio.sleep(0.01)

    async def alone() -> None:
        async with gate.alone():
            order.append("alone")

    first = asyncio.create_task(together("first"))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(alone()), asyncio.create_task(together("late"))]
    await asyncio.gather(first, *rest)
    assert order == ["first", "alone", "late"]


# --- answers under way --------------------------------------------------------------------------


def test_beyond_the_queue_is_429_with_a_time_to_come_back(serve: Serve) -> None:
    model = Held()
    live = serve.live(model, overrides={"server.parallel": 1, "server.queue": 1})
    found: list[int] = []
    with httpx.Client(base_url=live.url, timeout=30) as client:

        def ask() -> None:
            found.append(client.post("/v1/chat/completions", json=CHAT).status_code)

        waiting = [in_background(ask)]
        assert model.begun.acquire(timeout=20)
        waiting.append(in_background(ask))
        while live.engine.turns.waiting < 1:
            time.sleep(0.005)
        refused = client.post("/v1/chat/completions", json=CHAT)
        streamed = client.post("/v1/chat/completions", json={**CHAT, "stream": True})
        model.go.set()
        for thread in waiting:
            thread.join()
    for answer in (refused, streamed):
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "queue_full"
        assert int(answer.headers["retry-after"]) > 0
    assert found == [200, 200]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_model(serve: Serve, stream: bool) -> None:
    model = Held()
    live = serve.live(model)
    with socket.create_connection(live.url.removeprefix("http://").split(":")) as connection:
        body = json.dumps({**CHAT, "stream": stream}).encode()
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert model.begun.acquire(timeout=20)
    assert model.left.acquire(timeout=20)
    assert model.spoken == 0  # it never came to its further words
    while live.engine.turns.running:
        time.sleep(0.005)
    text = httpx.get(f"{live.url}/metrics").text
    assert 'loresmith_answers_total{arm="base",outcome="cancelled"} 1.0' in text


def test_who_waits_and_leaves_is_never_answered(serve: Serve) -> None:
    async def run(engine: Engine, model: Held) -> None:
        first = engine.ask("one?", caller=OWNER, arm="base")
        answer = asyncio.ensure_future(anext(first))
        await asyncio.to_thread(model.begun.acquire)
        second = engine.ask("two?", caller=OWNER, arm="base")
        waits = asyncio.ensure_future(anext(second))
        while not engine.turns.waiting:
            await asyncio.sleep(0)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        while engine.turns.waiting:
            await asyncio.sleep(0)
        model.go.set()
        await answer
        await first.aclose()
        await engine.close()

    model = Held()
    client = serve(model, overrides={"server.parallel": 1})
    engine = engine_of(client)
    client.portal.call(run, engine, model)  # type: ignore[union-attr]
    assert len(model.prompts) == 1


def test_the_figures_tell_who_was_refused_from_who_left(serve: Serve) -> None:
    model = Held()
    live = serve.live(model, overrides={"server.parallel": 1, "server.queue": 1})
    body = json.dumps(CHAT).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    asked = in_background(lambda: httpx.post(f"{live.url}/v1/chat/completions", json=CHAT, timeout=30))
    assert model.begun.acquire(timeout=20)
    with socket.create_connection(live.url.removeprefix("http://").split(":")) as waits:
        waits.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        while not live.engine.turns.waiting:
            time.sleep(0.005)
        assert httpx.post(f"{live.url}/v1/chat/completions", json=CHAT).status_code == 429
    while live.engine.turns.waiting:
        time.sleep(0.005)
    model.go.set()
    asked.join()
    text = httpx.get(f"{live.url}/metrics").text
    for outcome in ("answered", "refused", "cancelled"):
        assert f'loresmith_answers_total{{arm="base",outcome="{outcome}"}} 1.0' in text
    assert 'loresmith_stage_seconds_count{stage="first"} 1.0' in text
    assert "process_open_fds" in text
    assert "_created" not in text


def test_a_changed_configuration_counts_at_once(serve: Serve) -> None:
    client = serve(FakeModel("It is 25 Nm."))
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "loresmith"}).status_code == 200
    file = serve.root / "loresmith.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "\n[answer]\nabstain_below = 1.0\n", encoding="utf-8")
    found = client.post("/v1/chat/completions", json={**CHAT, "model": "loresmith"}).json()
    assert found["choices"][0]["loresmith"]["abstained"]
    file.write_text(text + "\n[answer]\nabstain_belo = 1.0\n", encoding="utf-8")
    wrong = client.post("/v1/chat/completions", json=CHAT)
    assert wrong.status_code == 503
    assert "abstain_below" in wrong.json()["error"]["message"]
    file.write_text(text, encoding="utf-8")
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "loresmith"}).status_code == 200


def test_answers_are_kept_for_the_feedback_of_who_asked(serve: Serve) -> None:
    engine = engine_of(client := serve(FakeModel("It is 25 Nm.")))
    anna = Caller("anna", "reader", (), "k1")

    async def ask() -> Finished:
        return await engine.answer(QUESTION, caller=anna)

    made = client.portal.call(ask)  # type: ignore[union-attr]
    assert engine.find(made.id, anna) == made.answer
    assert engine.find(made.id, Caller("ben", "reader", (), "k2")) is None
    assert engine.find("no such", anna) is None


def test_chats_belong_to_who_had_them_and_are_remembered_side_by_side(serve: Serve) -> None:
    engine = engine_of(client := serve(FakeModel("It is 25 Nm.")))
    anna, ben = Caller("anna", "reader", (), "k1"), Caller("ben", "reader", (), "k2")

    async def ask() -> None:
        await asyncio.gather(
            *(engine.answer(QUESTION, caller=caller, chat="shop") for caller in (anna, ben) for _ in "ab")
        )

    client.portal.call(ask)  # type: ignore[union-attr]
    with State.open(engine.workspace.folder.state_path) as state:
        assert sorted(entry.chat for entry in state.memory()) == ["k1/shop"] * 2 + ["k2/shop"] * 2


# --- what is refused before a route sees it -----------------------------------------------------


def test_headers_that_never_end_are_hung_up_on(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "HEADER_SECONDS", 0.2)
    live = serve.live()
    address = live.url.removeprefix("http://").split(":")
    with socket.create_connection(address) as silent, socket.create_connection(address) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /healthz HTTP/1.1\r\nHo")
        for connection in (silent, slow):
            connection.settimeout(20)
            while connection.recv(4096):
                pass
    assert httpx.get(f"{live.url}/healthz").status_code == 200


def test_more_requests_than_allowed_are_told_so(serve: Serve) -> None:
    model = Held()
    live = serve.live(model, overrides={"server.connections": 1})
    asked = in_background(lambda: httpx.post(f"{live.url}/v1/chat/completions", json=CHAT, timeout=30))
    assert model.begun.acquire(timeout=20)
    refused = httpx.get(f"{live.url}/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert httpx.get(f"{live.url}/healthz").status_code == 200
    model.go.set()
    asked.join()
    assert httpx.get(f"{live.url}/v1/models").status_code == 200


def test_bodies_that_are_too_large(serve: Serve) -> None:
    client = serve(overrides={"server.request_mb": 1})
    large = b'{"model": "' + b"x" * 1_100_000 + b'"}'
    told = client.post("/v1/chat/completions", content=large)
    untold = client.post("/v1/chat/completions", content=iter([large[:500_000], large[500_000:]]))
    for answer in (told, untold):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"


def test_a_body_that_never_ends_is_hung_up_on(serve: Serve) -> None:
    live = serve.live(overrides={"server.body_seconds": 0.2})
    with socket.create_connection(live.url.removeprefix("http://").split(":")) as connection:
        connection.settimeout(20)
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b'Content-Length: 50\r\n\r\n{"model"'
        )
        said = b""
        while piece := connection.recv(4096):
            said += piece
    assert said.startswith(b"HTTP/1.1 408")
    assert b"body_too_slow" in said
    assert httpx.get(f"{live.url}/healthz").json() == {"status": "alive"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"model": 1}'])
def test_bodies_that_are_no_request(serve: Serve, content: bytes) -> None:
    client = serve()
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        answer = client.post("/v1/chat/completions", content=content, headers={"Content-Type": kind})
        assert answer.status_code in (400, 415, 422)
        assert set(answer.json()["error"]) == {"message", "type", "code", "param"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": LOCAL}, 200),
        ({"Host": "localhost:1234", "Origin": "http://localhost:1234"}, 200),
        ({"Host": "[::1]:8321"}, 200),
        ({"Host": "plant.example"}, 200),
    ],
)
def test_no_page_of_elsewhere_reaches_a_server_without_keys(
    serve: Serve, headers: dict[str, str], status: int
) -> None:
    client = serve(overrides={"server.hosts": ["plant.example"]})
    assert client.get("/v1/models", headers=headers).status_code == status


def test_every_answer_carries_strict_headers(serve: Serve) -> None:
    client = serve()
    for path in ("/healthz", "/v1/models", "/nowhere", "/"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert client.get("/v1/models").headers["cache-control"] == "no-store"


def test_unknown_routes_and_methods_have_the_same_shape(serve: Serve) -> None:
    client = serve()
    assert client.post("/v1/nowhere", json={}).status_code in (404, 405)
    refused = client.delete("/v1/models")
    assert refused.status_code == 405
    assert refused.json()["error"]["code"] == "method_not_allowed"


# --- figures and log ----------------------------------------------------------------------------


def test_metrics_hold_stages_tokens_and_outcomes_and_no_words(serve: Serve) -> None:
    client = serve(FakeModel("It is 25 Nm."))
    client.post("/v1/chat/completions", json={**CHAT, "model": "loresmith"})
    unknown = {"model": "loresmith", "messages": [{"role": "user", "content": "Who is Zarathustra?"}]}
    client.post("/v1/chat/completions", json=unknown)
    client.get("/api/source/flange")
    text = client.get("/metrics").text
    for line in (
        'loresmith_answers_total{arm="rag",outcome="answered"} 1.0',
        'loresmith_answers_total{arm="rag",outcome="abstained"} 1.0',
        'loresmith_requests_total{route="/v1/chat/completions",status="200"} 2.0',
        'loresmith_requests_total{route="/api/source/{passage}",status="404"} 1.0',
        'loresmith_stage_seconds_count{stage="verification"} 2.0',
        'loresmith_tokens_total{kind="answer"} 4.0',
        "loresmith_queue_waiting 0.0",
    ):
        assert line in text, line
    assert "Zarathustra" not in text
    assert "flange" not in text


def test_the_log_is_json_without_a_word_of_question_or_document(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(FakeModel("It is 25 Nm."))
    with caplog.at_level(logging.DEBUG):
        client.post("/v1/chat/completions", json={**CHAT, "model": "loresmith"})
        client.get("/v1/models?q=flange-secret")
        client.get("/v1/models/flange-secret")
    form = operation.JsonLines()
    lines = [form.format(record) for record in caplog.records if record.name.startswith("loresmith")]
    asked = [json.loads(line) for line in lines if "/v1/chat/completions" in line]
    assert asked[0]["status"] == 200
    assert asked[0]["caller"] == "owner"
    assert asked[0]["ms"] > 0
    for line in lines:
        assert "flange" not in line
        assert "25 Nm" not in line


def test_a_fault_is_told_without_what_it_says(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> str:
        raise ValueError("the salary of Erna Frost")

    live = serve.live(FakeModel(broken))
    answer = httpx.post(f"{live.url}/v1/chat/completions", json=CHAT, timeout=30)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    form = operation.JsonLines()
    assert "Frost" not in answer.text + "".join(form.format(record) for record in caplog.records)
    assert any("test_server_operation" in record.getMessage() for record in caplog.records)


def test_health_and_readiness(serve: Serve) -> None:
    live = serve.live()
    assert httpx.get(f"{live.url}/healthz").status_code == 200
    while (answer := httpx.get(f"{live.url}/readyz")).json()["reason"] == "loading":
        time.sleep(0.01)
    assert answer.status_code == 200
    live.engine.stop()
    answer = httpx.get(f"{live.url}/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "stopping")
    late = httpx.post(f"{live.url}/v1/chat/completions", json={**CHAT, "model": "loresmith"})
    assert late.status_code == 503


def test_ready_again_once_the_model_can_be_loaded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "TRIED_AGAIN", 0.05)
    file = serve.root / "loresmith.toml"
    right = file.read_text(encoding="utf-8")
    file.write_text(right.replace('name = "none"', 'name = "missing.gguf"'), encoding="utf-8")
    live = serve.live()
    while (answer := httpx.get(f"{live.url}/readyz")).json()["reason"] == "loading":
        time.sleep(0.01)
    assert (answer.status_code, answer.json()["reason"]) == (503, "a model cannot be loaded")
    file.write_text(right, encoding="utf-8")
    deadline = time.monotonic() + 20
    while httpx.get(f"{live.url}/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_upload_that_finds_no_room_for_its_parts_is_told_so(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    live = serve.live()
    file = {"files": ("large.md", b"# Large\n\n" + b"word " * 600_000)}
    refused = httpx.post(f"{live.url}/api/documents", files=file)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_error")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert httpx.post(f"{live.url}/api/documents", files=file).status_code == 201


def test_a_damaged_index_is_not_ready_until_it_is_mended(serve: Serve) -> None:
    client = serve()
    rows = list((serve.root / ".loresmith" / "index").rglob("data/*.lance"))
    whole = [path.read_bytes() for path in rows]
    for path in rows:
        path.write_bytes(b"\0" * 100)
    while (answer := client.get("/readyz")).json()["reason"] == "loading":
        time.sleep(0.01)
    assert (answer.status_code, answer.json()["reason"]) == (503, "the workspace cannot be read")
    for path, content in zip(rows, whole, strict=True):
        path.write_bytes(content)
    assert client.get("/readyz").status_code == 200


def test_a_sync_that_was_cut_off_is_started_again_once(serve: Serve) -> None:
    folder = folders.open_dir(serve.root)
    place = jobs.jobs_dir(folder)
    place.mkdir()
    with (place / "index.queue").open("a") as turn:  # as if another held the index
        fcntl.flock(turn, fcntl.LOCK_EX)
        first = jobs.post(folder, "sync", {}, ["sync"], "anna")
        _kill(place, first.id)
        assert jobs.get(folder, first.id).state == "interrupted"
        serve()
        newest = jobs.listing(folder)[0]
        assert (newest.kind, newest.by, newest.state) == ("sync", "anna", "queued")
        _kill(place, newest.id)
        serve()
        assert len(jobs.listing(folder)) == 2


def _kill(place: Path, job: str) -> None:
    """As the end of a container does."""
    os.killpg(int((place / f"{job}.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while jobs.get(folders.open_dir(place.parent.parent), job).state in jobs.UNDER_WAY:
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- the process --------------------------------------------------------------------------------


def test_the_command_serves_stops_when_asked_and_finishes_what_runs(serve: Serve) -> None:
    command = [sys.executable, "-m", "loresmith", "serve", "-w", str(serve.root), "--port", "0"]
    options = ["--json", "--log", "json", "--set", "retrieval.mode=text"]
    environment = {**os.environ, "LORESMITH_SERVER__WARM": "false"}
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with httpx.Client(base_url=told["url"], timeout=60) as client:
            assert client.get("/healthz").status_code == 200
            found = client.post("/v1/chat/completions", json={**CHAT, "model": "loresmith"}).json()
            assert "25 Nm" in found["choices"][0]["message"]["content"]
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert all("flange" not in json.dumps(json.loads(line)) for line in log.splitlines())


def test_a_stop_lets_what_runs_finish_and_refuses_what_waits(serve: Serve) -> None:
    model = Held()
    live = serve.live(model, overrides={"server.parallel": 1})
    found: dict[str, int] = {}

    def ask(name: str) -> None:
        answer = httpx.post(f"{live.url}/v1/chat/completions", json=CHAT, timeout=30)
        found[name] = answer.status_code
        if name == "runs":
            assert answer.json()["choices"][0]["message"]["content"] == "one two three"

    threads = [in_background(lambda: ask("runs"))]
    assert model.begun.acquire(timeout=20)
    threads.append(in_background(lambda: ask("waits")))
    while not live.engine.turns.waiting:
        time.sleep(0.005)
    live.stop()
    threads[1].join()
    model.go.set()
    threads[0].join()
    assert found == {"runs": 200, "waits": 503}


def test_it_refuses_other_machines_without_keys(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    from loresmith import cli

    assert cli.run(["serve", "-w", str(serve.root), "--host", "0.0.0.0"]) == 2
    assert "there are no keys" in capsys.readouterr().err
