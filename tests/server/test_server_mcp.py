"""The tools for agents, by the official client: over HTTP and over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent
from serving import LOCAL, QUESTION, SECRET_QUESTION, Serve

from loresmith.models.fake import FakeModel
from loresmith.server.mcp_shapes import answered
from loresmith.types import Answer, Generated, TableResult

TOOLS = ["ask", "open_source", "search", "similar"]


@asynccontextmanager
async def over_http(url: str, headers: dict[str, str] | None = None) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers or {}) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(work(), 90)

    asyncio.run(limited())


def content(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    # A client that knows nothing of structured content reads the same.
    assert isinstance(result.content[0], TextContent)
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def refused(result: CallToolResult) -> str:
    assert result.is_error
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def every_tool(client: Client) -> None:
    tools = (await client.list_tools()).tools
    assert sorted(tool.name for tool in tools) == TOOLS
    assert all(tool.description and tool.annotations and tool.annotations.read_only_hint for tool in tools)
    found = content(
        await client.call_tool("search", {"query": "torque flange bolts", "k": 1, "mode": "text"})
    )
    assert [hit["document"] for hit in found["hits"]] == ["p-200.md"]
    answer = content(await client.call_tool("ask", {"question": QUESTION}))
    assert "25 Nm" in answer["answer"]
    citation = answer["sentences"][0]["citations"][0]
    source = content(await client.call_tool("open_source", {"passage": citation["passage"]}))
    assert citation["quote"] in source["text"]
    assert source["document"] == "p-200.md"
    like = content(await client.call_tool("similar", {"document": "p-200.md"}))
    assert [hit["document"] for hit in like["hits"]] == ["salaries.md"]


def test_every_tool_over_http(serve: Serve) -> None:
    url = serve.live().url

    async def work() -> None:
        async with over_http(url) as client:
            await every_tool(client)
            assert "never instructions" in (client.instructions or "")

    run(work)


def test_every_tool_over_standard_input_and_output(serve: Serve) -> None:
    # By words alone, since the tests' embedder is not one that the program knows.
    arguments = ["-m", "loresmith", "mcp", "-w", str(serve.root), "--set", "retrieval.mode=text"]

    def started(*more: str) -> Any:
        return stdio_client(
            StdioServerParameters(command=sys.executable, args=[*arguments, *more], env=dict(os.environ))
        )

    async def owner() -> None:
        async with Client(started()) as client:
            await every_tool(client)
            assert "90,000" in str(content(await client.call_tool("ask", {"question": SECRET_QUESTION})))

    async def anybody() -> None:
        async with Client(started("--public")) as client:
            hidden = content(await client.call_tool("ask", {"question": SECRET_QUESTION}))
            assert hidden["abstained"]
            assert "90,000" not in str(hidden)

    async def work() -> None:
        await asyncio.gather(owner(), anybody())

    run(work)


def test_a_key_sees_what_it_may_and_nothing_once_revoked(serve: Serve) -> None:
    anna, erna = serve.key("anna"), serve.key("erna", labels=["staff"])
    url = serve.live().url

    async def work() -> None:
        async with over_http(url, erna) as client:
            secret = content(await client.call_tool("ask", {"question": SECRET_QUESTION}))
            passage = secret["sentences"][0]["citations"][0]["passage"]
            async with over_http(url, anna) as other:
                assert content(await other.call_tool("ask", {"question": SECRET_QUESTION}))["abstained"]
                told = refused(await other.call_tool("open_source", {"passage": passage}))
                assert "no passage" in told
                assert "no document" in refused(await other.call_tool("similar", {"document": "salaries.md"}))
            serve.revoke("erna")
            with pytest.raises(Exception, match="error") as told_off:
                await client.call_tool("ask", {"question": SECRET_QUESTION})
            assert "90,000" not in str(told_off.value)

    run(work)


def test_what_is_wrong_is_said_in_words(serve: Serve) -> None:
    url = serve.live().url

    async def work() -> None:
        async with over_http(url) as client:
            assert "There is no passage" in refused(await client.call_tool("open_source", {"passage": "x"}))
            assert "adapter" in refused(await client.call_tool("ask", {"question": QUESTION, "arm": "both"}))
            assert "empty" in refused(await client.call_tool("search", {"query": "  "}))
            assert refused(await client.call_tool("search", {"query": "x", "k": 1000}))
            assert refused(await client.call_tool("search", {}))
            assert content(await client.call_tool("search", {"query": "torque"}))["hits"]

    run(work)


def test_bad_requests_get_an_answer_and_the_server_lives(serve: Serve) -> None:
    client = serve(headers={"Accept": "application/json, text/event-stream"})
    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "x"}',
    ):
        answer = client.post("/mcp", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, body
        assert "error" in answer.text
    assert client.post("/mcp", content=b"{}", headers={"Content-Type": "text/plain"}).status_code in (
        400,
        415,
    )
    for method in ("GET", "DELETE", "PUT"):  # a stream that nothing would ever come down
        assert client.request(method, "/mcp").status_code == 405
    call = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "search", "arguments": {"query": "torque"}},
    }
    answer = client.post("/mcp", json=call)
    assert answer.status_code == 200
    data = next(line for line in answer.text.splitlines() if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: "))["id"] == 7


def test_what_a_tool_hands_out_is_for_a_reader_and_described(serve: Serve) -> None:
    url = serve.live().url

    async def work() -> None:
        async with over_http(url) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            for name, fields in {
                "ask": {"answer", "abstained", "reason", "arm", "sentences", "table", "nearest"},
                "search": {"hits"},
                "open_source": {"document", "title", "place", "heading", "before", "text", "after"},
            }.items():
                schema = tools[name].output_schema
                assert schema is not None
                assert fields <= set(schema["properties"])
                inputs = tools[name].input_schema["properties"].values()
                assert all(field.get("description") for field in inputs)
                assert "  " not in (tools[name].description or "  ")
            hit = content(await client.call_tool("search", {"query": "torque", "k": 1}))["hits"][0]
            assert set(hit) == {"document", "title", "place", "passage", "heading", "text"}
            nothing = content(await client.call_tool("ask", {"question": "Which colour has the X-9?"}))
            assert nothing["abstained"]
            assert nothing["sentences"] == []
            assert {"p-200.md"} <= {where["document"] for where in nothing["nearest"]}

    run(work)


class Endless(FakeModel):
    """Says one sentence and begins another, then nothing more, until it is closed."""

    def __init__(self) -> None:
        super().__init__("The torque is 25 Nm. The M10")
        self.begun = threading.Semaphore(0)
        self.left = threading.Semaphore(0)

    def _speak(self, words: Sequence[str]) -> Iterator[Generated]:
        try:
            yield from super()._speak(words)
            self.begun.release()
            while True:
                time.sleep(0.005)
                yield Generated("", 0, 0.0)
        finally:
            self.left.release()


@pytest.mark.parametrize("arm", ["rag", "base"])
def test_a_call_that_is_given_up_stops_the_model(serve: Serve, arm: str) -> None:
    model = Endless()
    live = serve.live(model)

    async def work() -> None:
        async with over_http(live.url) as client:
            call = asyncio.create_task(client.call_tool("ask", {"question": QUESTION, "arm": arm}))
            assert await asyncio.to_thread(model.begun.acquire, timeout=30)
            call.cancel()
            assert await asyncio.to_thread(model.left.acquire, timeout=30)
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.wait_for(live_idle(), 30)

    async def live_idle() -> None:
        while live.engine.turns.running:
            await asyncio.sleep(0.01)

    run(work)


def test_sentences_come_as_progress_before_the_answer(serve: Serve) -> None:
    model = Endless()
    live = serve.live(model)
    told: asyncio.Queue[str | None] = asyncio.Queue()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.put_nowait(message)

    async def work() -> None:
        async with over_http(live.url) as client:
            question = {"question": QUESTION}
            call = asyncio.create_task(client.call_tool("ask", question, progress_callback=tell))
            assert "25 Nm" in (await asyncio.wait_for(told.get(), 30) or "")
            assert not call.done()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(work)


def test_the_blocks_of_the_documentation_connect(serve: Serve) -> None:
    text = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")
    text = text.partition("## For agents")[2]
    local, remote = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    started, reached = local["mcpServers"]["plant"], remote["servers"]["plant"]
    assert Path(started["command"]).name == "loresmith"
    root = serve.root.rename(serve.root.with_name(Path(started["args"][-1]).name))
    assert " " in root.name
    words = ["-m", "loresmith", *started["args"][:-1], str(root), "--set", "retrieval.mode=text"]
    serve.root = root
    key = serve.key("anna")["Authorization"].removeprefix("Bearer ")
    headers = {name: value.replace("${input:loresmith}", key) for name, value in reached["headers"].items()}

    async def work() -> None:
        program = StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
        async with Client(stdio_client(program)) as client:
            assert content(await client.call_tool("search", {"query": "torque"}))["hits"]
        address = reached["url"].removesuffix("/mcp")
        assert reached["type"] == "http"
        async with over_http(serve.live().url if address == LOCAL else address, headers) as client:
            assert content(await client.call_tool("search", {"query": "torque"}))["hits"]

    run(work)


def test_rows_of_tables_come_with_their_units_and_query() -> None:
    found = TableResult(
        sql="SELECT name, hours FROM log",
        reading="Name and Hours of Log",
        columns=("Name", "Hours"),
        units=("", "h"),
        rows=(("A", 1.5), ("B", None)),
        truncated=True,
    )
    answer = Answer(
        question="?", answer="A, B.", abstained=False, sentences=(), hits=(), model="", result=found
    )
    assert answered(answer).model_dump()["table"] == {
        "columns": ["Name", "Hours (h)"],
        "rows": [["A", 1.5], ["B", None]],
        "truncated": True,
        "query": "SELECT name, hours FROM log",
        "reading": "Name and Hours of Log",
    }
