"""LlamaIndex's OpenAI classes against a server: run by test_server_clients.py in an environment of their own.

python llama_index_client.py URL BUSY KEY     prints what came, as one JSON object
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike
from openai import APIStatusError

URL, BUSY, KEY = sys.argv[1:]
M8, M10 = "Which torque for the M8 flange bolts of the P-200?", "And for the M10 foot bolts?"


def model(name: str = "loresmith", url: str = URL, key: str = KEY, **more: Any) -> OpenAILike:
    return OpenAILike(api_base=url, api_key=key, model=name, is_chat_model=True, max_retries=0, **more)


def said(role: str, text: str) -> ChatMessage:
    return ChatMessage(role=role, content=text)


def refused(call: Callable[[], object]) -> list[object]:
    try:
        return ["answered", str(call())]
    except APIStatusError as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return [kinds, error.status_code, error.code]


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


vectors = OpenAIEmbedding(api_base=URL, api_key=KEY, model_name="loresmith-embed")
whole = model().chat([said("user", M8)])
pieces = list(model().stream_chat([said("user", M8)]))
streamed = [one for p in pieces for c in p.raw.choices for one in getattr(c.delta, "citations", None) or ()]
long = [said("user", M8), said("assistant", whole.message.content)] * 60
callable_tools = model(is_function_calling_model=True)
found = {
    "plain": whole.message.content,
    "stream": [piece.delta or "" for piece in pieces],
    "citations": whole.raw.choices[0].message.citations,
    "citations_stream": streamed,
    "complete": model().complete(M8).text,
    "history": model().chat([said("system", "Be a pirate."), *long, said("user", M10)]).message.content,
    "tools": callable_tools.chat_with_tools([FunctionTool.from_defaults(add)], M8).message.content,
    "stop": model("loresmith-base", additional_kwargs={"stop": ["three"]}).complete("Count.").text,
    "vectors": vectors.get_text_embedding_batch(["a pump", "ein Flügelrad"]),
    "no model": refused(lambda: model("gpt-4").complete(M8)),
    "no key": refused(lambda: model(key="wrong").complete(M8)),
    "no key, stream": refused(lambda: list(model(key="wrong").stream_complete(M8))),
    "busy": refused(lambda: model(url=BUSY).complete(M8)),
}
sys.stdout.write(json.dumps(found))
