"""/v1 as other people's programs call it: LangChain, LlamaIndex and OpenAI's client for JavaScript, each a
program of its own (clients/) against a live server. OpenAI's client for Python: test_server_openai.py.

They live beside the tests' environment and not in it, since LlamaIndex holds `openai` back:

    python3 -m venv .venv/clients
    .venv/clients/bin/pip install langchain-openai llama-index-llms-openai-like llama-index-embeddings-openai
    mkdir -p .venv/clients/node_modules/openai
    curl -fsSL https://registry.npmjs.org/openai/-/openai-6.49.0.tgz |
      tar xz -C .venv/clients/node_modules/openai --strip-components 1
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from serving import QUESTION, Live, Serve

from loresmith.models.fake import FakeModel
from loresmith.types import Generated, Message

HERE = Path(__file__).parent / "clients"
CLIENTS = Path(sys.prefix) / "clients"
QUOTE = "The torque for the M8 flange bolts of the P-200 is 25 Nm."
PLACE = "P-200 service manual (p-200.md), line 5, “P-200 service manual › Torques”"
CITED = f"It is 25 Nm.[^1]\n\n[^1]: {PLACE}: “{QUOTE}”"


class Talker(FakeModel):
    """Answers what the clients ask; "Go on for ever." it does, until it is closed."""

    def __init__(self) -> None:
        super().__init__(self._said)
        self.begun = threading.Semaphore(0)
        self.left = threading.Semaphore(0)

    def _said(self, messages: Sequence[Message]) -> str:
        last = messages[-1]["content"]
        said = {
            "for ever": "For ever",
            "JSON": '{"torque": 25}',
            "Count": "One two three four five.",
            "M10": "It is 49 Nm.",
        }
        return next((text for piece, text in said.items() if piece in last.splitlines()[-1]), "It is 25 Nm.")

    def _speak(self, words: Sequence[str]) -> Iterator[Generated]:
        yield from super()._speak(words)
        if words[0] == "For":
            self.begun.release()
            try:
                while True:
                    time.sleep(0.005)
                    yield Generated(" and ever", 0, 0.0)
            finally:
                self.left.release()


@pytest.fixture
def served(serve: Serve) -> Iterator[tuple[Live, Live, str]]:
    """A server, another one with no place left, and a key."""
    key = serve.key("anna", "editor")["Authorization"].split()[1]
    talker = Talker()
    busy = serve.live(talker, overrides={"server.parallel": 1, "server.queue": 0})
    with (
        openai.OpenAI(base_url=f"{busy.url}/v1", api_key=key, max_retries=0) as client,
        client.chat.completions.create(
            model="loresmith-base", messages=[{"role": "user", "content": "Go on for ever."}], stream=True
        ) as stream,
    ):
        next(stream)
        yield serve.live(Talker()), busy, key


def run(command: list[str], served: tuple[Live, Live, str], *more: str) -> dict[str, Any]:
    live, busy, key = served
    done = subprocess.run(
        [*command, f"{live.url}/v1", f"{busy.url}/v1", key, *more],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        env=os.environ | {"LANGSMITH_TRACING": "false", "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def python_with(package: str) -> str:
    for python in (CLIENTS / "bin" / "python", Path(sys.executable)):
        code = f"import importlib.util as u; raise SystemExit(u.find_spec({package!r}) is None)"
        if python.exists() and subprocess.run([python, "-c", code], check=False).returncode == 0:
            return str(python)
    pytest.skip(f"{package} is not installed in {CLIENTS}")


def check_what_all_have(found: dict[str, Any]) -> None:
    assert found["plain"] == CITED
    assert "49 Nm.[^1]" in found["history"]
    assert found["tools"] == CITED
    assert found["stop"].strip() == "One two"
    assert len(found["vectors"]) == 2
    for vector in found["vectors"]:
        assert sum(x * x for x in vector) == pytest.approx(1, abs=1e-5)
    for name, kind, status, code in (
        ("no model", "NotFoundError", 404, "model_not_found"),
        ("no key", "AuthenticationError", 401, None),
        ("no key, stream", "AuthenticationError", 401, None),
        ("busy", "RateLimitError", 429, "queue_full"),
    ):
        error = found[name]
        assert kind in error[0], name
        assert error[1] == status
        assert code is None or error[2] == code


def check_citations(citations: list[dict[str, Any]]) -> None:
    (cited,) = citations
    assert (cited["document"], cited["quote"]) == ("p-200.md", QUOTE)


def test_langchain(served: tuple[Live, Live, str]) -> None:
    found = run([python_with("langchain_openai"), str(HERE / "langchain_client.py")], served)
    check_what_all_have(found)
    assert "".join(found["stream"]) == CITED
    assert found["responses"] == found["responses_stream"] == CITED
    assert found["usage"]["output_tokens"] == 4
    (cited,) = found["citations"]
    assert (cited["type"], cited["title"]) == ("citation", "p-200.md")
    assert QUOTE in json.dumps(cited)
    assert "49 Nm.[^1]" in found["again"]
    assert found["structured"] == 25
    assert found["batch"] == [CITED] * 3
    assert [text.strip() for text in found["n"]] == ["One two three four five."] * 2
    for one, other in zip(found["vectors"], found["floats"], strict=True):
        assert one == pytest.approx(other)
    assert found["must call"][1:] == [400, "unsupported_parameter"]


def test_llama_index(served: tuple[Live, Live, str]) -> None:
    found = run([python_with("llama_index.llms.openai_like"), str(HERE / "llama_index_client.py")], served)
    check_what_all_have(found)
    assert "".join(found["stream"]) == found["complete"] == CITED
    check_citations(found["citations"])
    check_citations(found["citations_stream"])


def node() -> str:
    import playwright

    brought = Path(playwright.__file__).parent / "driver" / "node"
    found = shutil.which("node") or (str(brought) if brought.exists() else None)
    return found or pytest.skip("there is no node")


def test_openais_client_for_javascript(served: tuple[Live, Live, str]) -> None:
    package = CLIENTS / "node_modules" / "openai"
    if not package.is_dir():
        pytest.skip(f"the package openai of npm is not in {package.parent}")
    found = run([node(), str(HERE / "npm_client.mjs")], served, str(package))
    check_what_all_have(found)
    check_citations(found["citations"])
    stream = found["stream"]
    assert len(stream["texts"]) == 2
    assert "".join(stream["texts"]) == found["helper"] == CITED
    check_citations(stream["citations"])
    assert stream["usage"] == found["usage"]
    assert found["responses"] == found["responses_stream"] == CITED
    assert found["annotations"][0]["quote"] == QUOTE
    assert found["kinds"][0] == "response.created"
    assert found["kinds"][-1] == "response.completed"
    assert found["parsed"] == {"torque": 25}
    assert found["json"]["sentences"][0]["citations"][0]["quote"] == QUOTE
    assert found["n"] == [["One two", "length"]] * 2
    assert found["models"] == ["loresmith", "loresmith-base", "loresmith-rag", "loresmith-embed"]
    assert found["model"] == "loresmith-rag"
    for one, other in zip(found["vectors"], found["floats"], strict=True):
        assert one == pytest.approx(other)
    assert found["given_up"]
    assert found["busy, stream"] == ["RateLimitError", 429, "queue_full"]


@pytest.mark.parametrize("face", ["chat", "stream", "responses"])
def test_a_task_that_is_cancelled_stops_the_model(serve: Serve, face: str) -> None:
    model = Talker()
    live = serve.live(model)
    asked = "Go on for ever."

    async def work() -> None:
        async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:

            async def ask() -> None:
                if face == "responses":
                    await client.responses.create(model="loresmith-base", input=asked)
                    return
                found: Any = await client.chat.completions.create(
                    model="loresmith-base",
                    messages=[{"role": "user", "content": asked}],
                    stream=face == "stream",  # type: ignore[call-overload]
                )
                async for _ in found:
                    pass

            task = asyncio.create_task(ask())
            assert await asyncio.to_thread(model.begun.acquire, timeout=30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(model.left.acquire, timeout=30)
            while live.engine.turns.running:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(work(), 90))


def test_a_question_in_any_script_comes_back_whole(serve: Serve) -> None:
    strange = "Größe 扭矩 \U0001f529 عزم \u202e e\u0301 “" + QUESTION
    model = FakeModel(lambda messages: messages[-1]["content"])
    with openai.OpenAI(base_url=f"{serve.live(model).url}/v1", api_key="none") as client:
        found = client.chat.completions.create(
            model="loresmith-base", messages=[{"role": "user", "content": strange}], stream=True
        )
        assert "".join(c.choices[0].delta.content or "" for c in found) == strange
