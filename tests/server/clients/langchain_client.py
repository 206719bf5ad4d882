"""LangChain's OpenAI classes against a server: run by test_server_clients.py in an environment of their own.

python langchain_client.py URL BUSY KEY     prints what came, as one JSON object
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import APIStatusError
from pydantic import BaseModel

URL, BUSY, KEY = sys.argv[1:]
M8, M10 = "Which torque for the M8 flange bolts of the P-200?", "And for the M10 foot bolts?"


def chat(model: str = "loresmith", url: str = URL, key: str = KEY, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(base_url=url, api_key=key, model=model, max_retries=0, **more)


def refused(call: Callable[[], object]) -> list[object]:
    try:
        return ["answered", str(call())]
    except APIStatusError as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return [kinds, error.status_code, error.code]


class Torque(BaseModel):
    torque: int


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


newer = chat(use_responses_api=True).invoke(M8)
long = [("user", M8), ("assistant", newer.text)] * 60
vectors = OpenAIEmbeddings(
    base_url=URL, api_key=KEY, model="loresmith-embed", check_embedding_ctx_length=False
)
floats = vectors.model_copy(update={"model_kwargs": {"encoding_format": "float"}})
found = {
    "plain": chat().invoke(M8).content,
    "stream": [piece.text for piece in chat().stream(M8)],
    "usage": chat(stream_usage=True).invoke(M8).usage_metadata,
    "responses": newer.text,
    "responses_stream": "".join(piece.text for piece in chat(use_responses_api=True).stream(M8)),
    "citations": [one for block in newer.content_blocks for one in block.get("annotations", ())],
    "again": chat(use_responses_api=True).invoke([("user", M8), newer, ("user", M10)]).text,
    "history": chat().invoke([("system", "Be a pirate."), *long, ("user", M10)]).content,
    "tools": chat().bind_tools([add]).invoke(M8).content,
    "structured": chat("loresmith-base").with_structured_output(Torque).invoke("as JSON").torque,
    "batch": [one.content for one in chat().batch([M8, M8, "Wie groß ist 扭矩 für M8?"])],
    "stop": chat("loresmith-base", stop=["three"]).invoke("Count.").content,
    "n": [
        one.text for one in chat("loresmith-base", n=2).generate([[HumanMessage("Count.")]]).generations[0]
    ],
    "vectors": vectors.embed_documents(["a pump", "ein Flügelrad"]),
    "floats": floats.embed_documents(["a pump", "ein Flügelrad"]),
    "no model": refused(lambda: chat("gpt-4").invoke(M8)),
    "no key": refused(lambda: chat(key="wrong").invoke(M8)),
    "no key, stream": refused(lambda: list(chat(key="wrong").stream(M8))),
    "busy": refused(lambda: chat(url=BUSY).invoke(M8)),
    "must call": refused(lambda: chat().bind_tools([add], tool_choice="required").invoke(M8)),
}
sys.stdout.write(json.dumps(found))
