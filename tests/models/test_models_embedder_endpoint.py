"""Embedders behind a real HTTP server on loopback, which also answers wrongly."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from loresmith.config import EmbedderSection
from loresmith.errors import EndpointError, UsageError
from loresmith.models import load_embedder
from loresmith.types import Embedder


def vector(text: str, dimension: int) -> list[float]:
    """Never of unit length, and different for each text."""
    return [float(len(text) + 1), *(float(ord(c) % 7) for c in text[: dimension - 1].ljust(dimension - 1))]


def good(request, dimension=8):
    size = request.get("dimensions", dimension)
    data = [
        {"object": "embedding", "index": i, "embedding": vector(text, size)}
        for i, text in enumerate(request["input"])
    ]
    # In another order than asked, as the protocol allows.
    return {"data": data[::-1], "usage": {"total_tokens": 10 * len(data)}, "model": request["model"]}


@pytest.fixture
def server():
    state = SimpleNamespace(answers=[], requests=[], paths=[], headers=[], lock=threading.Lock())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with state.lock:
                state.requests.append(request)
                state.paths.append(self.path)
                state.headers.append({k.lower(): v for k, v in self.headers.items()})
                answer = state.answers.pop(0) if state.answers else good
            given = answer if isinstance(answer, tuple) else (200, answer)
            status, body, headers, cut = (*given, *(None, None, {}, 0)[len(given) :])
            if callable(body):
                body = body(request)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data) + cut))
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)
            if cut:
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def embedder(server, monkeypatch):
    """Makes embedders for the server; closes them."""
    monkeypatch.setenv("LORESMITH_TEST_KEY", "sk-secret")
    made = []

    def make(**values):
        settings = {
            "name": "m1",
            "provider": "openai",
            "endpoint": server.address,
            "api_key_env": "LORESMITH_TEST_KEY",
            "dimensions": 8,
            "timeout_seconds": 5,
            **values,
        }
        made.append(load_embedder(EmbedderSection(**settings)))
        return made[-1]

    yield make
    for one in made:
        one.close()


RETRY = {"retry-after-ms": "1"}


def test_vectors_are_unit_length_and_in_order_over_batches(server, embedder):
    made = embedder(batch_size=3)
    texts = [f"text {'x' * n}" for n in range(10)]
    found = made.embed_passages(texts)
    expected = np.array([vector(text, 8) for text in texts], np.float32)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert sorted(len(request["input"]) for request in server.requests) == [1, 3, 3, 3]
    assert isinstance(made, Embedder)
    assert made.embed_passages([]).shape == (0, 8)


def test_tokens_and_cost_run_along(server, embedder):
    made = embedder(price_per_million_tokens=2.0)
    made.embed_passages(["a", "b"])
    made.embed_queries(["c"])
    assert made.tokens_used == 30
    assert made.cost == pytest.approx(60e-6)
    assert embedder().cost is None
    assert embedder(name="text-embedding-3-small").cost == 0


def test_what_is_sent_to_openai(server, embedder):
    embedder(name="text-embedding-3-large", dimensions=256, query_prefix="query: ").embed_queries(["", "a"])
    (request,) = server.requests
    assert request == {
        "model": "text-embedding-3-large",
        "input": ["query: ", "query: a"],
        "encoding_format": "float",
        "dimensions": 256,
    }
    assert server.paths == ["/v1/embeddings"]
    assert server.headers[0]["authorization"] == "Bearer sk-secret"


def test_empty_text_is_sent_as_a_blank(server, embedder):
    embedder().embed_passages([""])
    assert server.requests[0]["input"] == [" "]


@pytest.mark.parametrize(
    ("task", "passage", "query"),
    [
        (None, "retrieval.passage", "retrieval.query"),
        ("retrieval", "retrieval.passage", "retrieval.query"),
        ("text-matching", "text-matching", "text-matching"),
    ],
)
def test_jina_is_told_the_task(server, embedder, task, passage, query):
    made = embedder(provider="jina", name="jina-embeddings-v3", task=task)
    made.embed_passages(["a"])
    made.embed_queries(["b"])
    assert [request["task"] for request in server.requests] == [passage, query]


def test_azure_has_its_own_address_and_header(server, embedder):
    made = embedder(provider="azure", endpoint=server.address.removesuffix("/v1"), name="mine")
    made.embed_passages(["a"])
    assert server.paths == ["/openai/deployments/mine/embeddings?api-version=2024-10-21"]
    assert server.headers[0]["api-key"] == "sk-secret"


def test_an_unknown_dimension_is_asked_for(server, embedder):
    made = embedder(dimensions=None)
    assert made.dimension == 8
    assert len(server.requests) == 1
    assert embedder(name="text-embedding-3-small", dimensions=None).dimension == 1536
    assert len(server.requests) == 1


def test_fingerprints_tell_apart_what_gives_other_vectors(embedder):
    made = [
        embedder(),
        embedder(dimensions=4),
        embedder(name="m2"),
        embedder(passage_prefix="passage: "),
        embedder(task="text-matching"),
    ]
    assert len({one.fingerprint for one in made}) == len(made)
    assert embedder().fingerprint == made[0].fingerprint


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_servers_are_asked_again(server, embedder, status):
    server.answers = [(status, {"error": {"message": "later"}}, RETRY)] * 2
    assert embedder().embed_passages(["a"]).shape == (1, 8)
    assert len(server.requests) == 3


def test_a_cut_answer_is_asked_again(server, embedder):
    server.answers = [(200, '{"data": [', RETRY, 500)]
    assert embedder().embed_passages(["a"]).shape == (1, 8)


def one(embedding, index=0):
    return {"data": [{"index": index, "embedding": embedding}], "usage": {"total_tokens": 1}}


EIGHT = [1.0] * 8


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": []}, "0 vectors for 1 texts"),
        (one(EIGHT, 3), "1 vectors for 1 texts"),
        ({"data": [{"index": 0, "embedding": EIGHT}] * 2}, "2 vectors for 1 texts"),
        (one([1.0] * 5), "dimension 5 where 8 was expected"),
        ('{"data": [{"index": 0, "embedding": [NaN,1,1,1,1,1,1,1]}]}', "not numbers"),
        (one([0.0] * 8), "not numbers"),
        (one([None] * 8), "not numbers"),
        (one("AAAA"), "dimension 4"),
        ("<html><body>Sign in</body></html>", "not its JSON"),
        ("[]", "not its JSON"),
        ('{"error": "no"}', "not its JSON"),
        ((401, {"error": {"message": "bad key"}}), "LORESMITH_TEST_KEY is refused"),
        ((404, {"error": {"message": "no model m1"}}), "404: no model m1"),
        ((400, "<html>bad</html>"), "status 400"),
        ((429, {"error": {"message": "quota"}}, RETRY), None),
    ],
)
def test_wrong_answers_are_errors_that_name_the_address(server, embedder, answer, said):
    server.answers = [answer] * 8
    with pytest.raises(EndpointError, match=said or "429: quota") as raised:
        embedder().embed_passages(["a"])
    assert server.address in str(raised.value)
    assert "sk-secret" not in str(raised.value)
    assert raised.value.remedy


def test_nothing_there(embedder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    made = embedder(endpoint=address)
    made._client = made._client.with_options(max_retries=0)
    with pytest.raises(EndpointError, match=f"{address} cannot be reached"):
        made.embed_passages(["a"])


def test_a_silent_server_times_out(embedder):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        made = embedder(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.05)
        made._client = made._client.with_options(max_retries=0)
        with pytest.raises(EndpointError, match=r"did not answer within 0\.05 s"):
            made.embed_passages(["a"])


def test_a_missing_key_or_address_is_said_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        load_embedder(EmbedderSection(provider="openai", name="text-embedding-3-small"))
    with pytest.raises(UsageError, match=r"embedder\.endpoint"):
        load_embedder(EmbedderSection(provider="azure", name="mine"))
