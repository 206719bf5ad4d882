"""A real HTTP server on loopback that speaks the OpenAI protocol, and speaks it wrongly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loresmith.config import ModelSection
from loresmith.errors import EndpointError, ModelError, UsageError
from loresmith.models import endpoint
from loresmith.types import LanguageModel, Message

QUESTION = [Message(role="user", content="Which torque? <|im_end|>")]


@dataclass
class Server:
    """`behaviours` are used up one a request; the last one stays."""

    behaviours: list[Callable[[Any], None]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    address: str = ""


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            size = int(self.headers["content-length"])
            state.requests.append(json.loads(self.rfile.read(size)))
            state.headers.append({k.lower(): v for k, v in self.headers.items()})
            state.paths.append(self.path)
            behaviour = state.behaviours.pop(0) if len(state.behaviours) > 1 else state.behaviours[0]
            behaviour(self)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.state = state
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def model(server, monkeypatch):
    monkeypatch.setenv("LORESMITH_TEST_KEY", "sk-secret")
    made = endpoint.load(settings(server))
    yield made
    made.close()


def settings(server, **values):
    return ModelSection(
        **{
            "name": "m1",
            "endpoint": server.address,
            "api_key_env": "LORESMITH_TEST_KEY",
            "timeout_seconds": 5,
            **values,
        }
    )


def reply(status: int, body: str, kind: str = "application/json", **headers: str):
    def behave(handler):
        data = body.encode()
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(data)))
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return behave


def chunk(text=None, finish=None, **extra):
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "choices": [choice], **extra}


USAGE = {"completion_tokens": 5, "prompt_tokens": 9, "total_tokens": 14}


def stream(*events, done=True):
    lines = [f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for e in events]
    return reply(200, "".join(lines) + ("data: [DONE]\n\n" if done else ""), "text/event-stream")


GOOD = stream(
    chunk(""),
    chunk("The torque"),
    chunk(" is 25 Nm."),
    chunk(finish="stop"),
    {"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
)


def error(status, message, param=None, **headers):
    return reply(status, json.dumps({"error": {"message": message, "param": param}}), **headers)


def ask(model, **options):
    return list(model.generate(QUESTION, **{"max_tokens": 32, **options}))


def text(pieces):
    return "".join(p.text for p in pieces)


def test_an_answer_is_streamed_and_counted(server, model):
    server.behaviours = [GOOD]
    assert isinstance(model, LanguageModel)
    pieces = ask(model, stop=["\n\n"], seed=7)
    assert [p.text for p in pieces] == ["The torque", " is 25 Nm.", ""]
    assert sum(p.tokens for p in pieces) == USAGE["completion_tokens"]
    sent = server.requests[0]
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["seed"]) == ("m1", 32, 0, 7)
    assert sent["stop"] == ["\n\n"]
    assert server.headers[0]["authorization"] == "Bearer sk-secret"
    assert server.paths == ["/v1/chat/completions"]


def test_control_tokens_in_text_do_not_reach_the_server(server, model):
    server.behaviours = [GOOD]
    ask(model)
    assert "<|im_end|>" not in server.requests[0]["messages"][0]["content"]


def test_azure(server, monkeypatch):
    monkeypatch.setenv("LORESMITH_TEST_KEY", "sk-secret")
    server.behaviours = [GOOD]
    made = endpoint.load(settings(server, endpoint=server.address[:-3], api_version="2024-10-21"))
    assert text(ask(made)) == "The torque is 25 Nm."
    made.close()
    assert server.paths == ["/openai/deployments/m1/chat/completions?api-version=2024-10-21"]
    assert server.headers[0]["api-key"] == "sk-secret"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, model, status):
    server.behaviours = [error(status, "busy", retry_after_ms="1"), GOOD]
    assert text(ask(model)) == "The torque is 25 Nm."
    assert len(server.requests) == 2


def test_a_server_that_stays_busy(server, model):
    server.behaviours = [error(429, "Rate limit of 3 requests", retry_after_ms="1")]
    with pytest.raises(EndpointError, match=r"429: Rate limit of 3 requests.*after 3 retries"):
        ask(model)
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [500, 502])
def test_a_web_page_with_an_error_status_is_not_printed(server, model, status):
    page = reply(status, "<html><body>Bad gateway</body></html>", "text/html", retry_after_ms="1")
    server.behaviours = [page]
    with pytest.raises(EndpointError) as caught:
        ask(model)
    assert f"status {status}." in str(caught.value)
    assert "<html" not in str(caught.value)


def test_a_wrong_key_names_the_variable_and_not_the_key(server, model):
    server.behaviours = [error(401, "Incorrect API key provided: sk-secret")]
    with pytest.raises(EndpointError, match="LORESMITH_TEST_KEY is refused") as caught:
        ask(model)
    assert "sk-secret" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_missing_key(server, monkeypatch):
    monkeypatch.delenv("LORESMITH_TEST_KEY", raising=False)
    server.behaviours = [error(401, "no key")]
    made = endpoint.load(settings(server))
    with pytest.raises(EndpointError, match="LORESMITH_TEST_KEY is not set"):
        ask(made)
    made.close()


def test_an_unknown_model(server, model):
    server.behaviours = [error(404, "The model m1 does not exist")]
    with pytest.raises(EndpointError, match=r"no model m1.*The model m1 does not exist"):
        ask(model)


@pytest.mark.parametrize(
    "behaviour",
    [
        reply(200, "<html>Welcome</html>", "text/html"),
        reply(200, "hello", "text/plain"),
        reply(200, "{}", "application/json"),
        stream("this is not JSON"),
        stream('"a string"'),
        stream("[1, 2]"),
        stream({"choices": [{"delta": "x"}]}),
        stream({"choices": "none"}),
        stream({"choices": [None]}),
    ],
)
def test_what_is_not_the_protocol_is_said(server, model, behaviour):
    server.behaviours = [behaviour]
    with pytest.raises(EndpointError, match="does not speak the OpenAI protocol"):
        ask(model)


@pytest.mark.parametrize(
    "behaviour",
    [
        stream(chunk("The torque is 2"), done=False),
        stream(chunk("The torque is 2")),
        stream(),
    ],
)
def test_an_answer_that_breaks_off_is_an_error(server, model, behaviour):
    server.behaviours = [behaviour]
    with pytest.raises(EndpointError, match="broke off in the middle"):
        ask(model)


def test_a_connection_lost_in_the_middle(server, model):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("content-length", "100000")
        handler.end_headers()
        handler.wfile.write(f"data: {json.dumps(chunk('The'))}\n\n".encode())
        handler.close_connection = True

    server.behaviours = [cut]
    got: list[str] = []
    with pytest.raises(EndpointError, match=r"cannot be reached|broke off"):
        got.extend(piece.text for piece in model.generate(QUESTION, max_tokens=32))


def test_an_error_inside_the_stream(server, model):
    server.behaviours = [stream(chunk("The"), {"error": {"message": "out of memory"}})]
    with pytest.raises(EndpointError, match="out of memory"):
        ask(model)


def test_nobody_there():
    made = endpoint.load(ModelSection(name="m", endpoint="http://127.0.0.1:9/v1", timeout_seconds=2))
    made._client.max_retries = 0
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1 cannot be reached"):
        ask(made)
    made.close()


def test_a_server_that_never_answers(server, monkeypatch):
    release = threading.Event()
    server.behaviours = [lambda handler: release.wait(5)]
    made = endpoint.load(settings(server, timeout_seconds=0.1))
    made._client.max_retries = 0
    with pytest.raises(EndpointError, match=r"did not answer in time.*timeout_seconds"):
        ask(made)
    release.set()
    made.close()


def test_closing_the_iterator_hangs_up(server, model):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(f"data: {json.dumps(chunk('word '))}\n\n".encode())
        except OSError:
            handler.server.state.gone.set()

    server.behaviours = [endless]
    answer = model.generate(QUESTION, max_tokens=32)
    next(answer)
    answer.close()
    assert server.gone.wait(10)


def test_parameters_that_a_server_refuses_are_replaced_once(server, model):
    server.behaviours = [
        error(400, "Use 'max_completion_tokens' instead.", "max_tokens"),
        error(400, "Only the default is supported.", "temperature"),
        GOOD,
        GOOD,
    ]
    assert text(ask(model)) == "The torque is 25 Nm."
    ask(model)
    assert len(server.requests) == 4
    assert server.requests[3]["max_completion_tokens"] == 32
    assert not {"max_tokens", "temperature"} & set(server.requests[3])


def test_another_bad_request_is_not_repeated(server, model):
    server.behaviours = [error(400, "This model takes 512 tokens")]
    with pytest.raises(EndpointError, match="400: This model takes 512 tokens"):
        ask(model)
    assert len(server.requests) == 1


def test_a_prompt_that_does_not_fit_is_not_sent(server, monkeypatch):
    made = endpoint.load(settings(server, context_tokens=256))
    with pytest.raises(ModelError, match="256 tokens of m1"):
        made.generate([Message(role="user", content="word " * 400)], max_tokens=32)
    made.close()
    assert server.requests == []


def test_an_address_that_is_none():
    with pytest.raises(UsageError, match="localhost:11434"):
        endpoint.load(ModelSection(name="m", endpoint="localhost:11434"))


def choices(*entries, **extra):
    content = [{"token": entries[0][0], "logprob": entries[0][1], "bytes": None, "top_logprobs": []}]
    content[0]["top_logprobs"] = [{"token": t, "logprob": p, "bytes": None} for t, p in entries]
    message = {"role": "assistant", "content": entries[0][0]}
    choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": {"content": content}}
    return reply(200, json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], **extra}))


def test_choices_by_the_servers_logprobs(server, model):
    server.behaviours = [choices(("Yes", -0.1), ("No", -2.5), ("Y", -7.0))]
    assert model.choice_logprobs(QUESTION, ["Yes", "No"]) == [-0.1, -2.5]
    assert server.requests[0]["max_tokens"] == 1
    assert server.requests[0]["logprobs"] is True


def test_choices_that_the_server_does_not_tell(server, model, caplog):
    server.behaviours = [choices(("Yes", -0.1), ("Maybe", -2.5))]
    assert model.choice_logprobs(QUESTION, ["Yes", "No"]) is None
    server.behaviours = [error(400, "logprobs are not supported", "logprobs")]
    assert model.choice_logprobs(QUESTION, ["Yes", "No"]) is None
    assert "gives no log-probabilities" in caplog.text
    server.behaviours = [reply(200, '{"choices": []}')]
    with pytest.raises(EndpointError, match="without choices"):
        model.choice_logprobs(QUESTION, ["Yes", "No"])


def test_a_grammar_is_ignored_with_one_warning(server, model, caplog):
    server.behaviours = [GOOD]
    assert not model.supports_grammar
    ask(model, grammar='root ::= "Yes"')
    ask(model, grammar='root ::= "Yes"')
    assert caplog.text.count("takes no grammar") == 1
