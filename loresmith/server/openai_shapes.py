"""The requests of OpenAI's API, as far as they mean something here.

Promises: what must make another kind of answer and is not done (a tool that has to be called, log
probabilities) is refused by name, with 400; tools that may be called are not, since chat programs and
agents send theirs with every question; hints for sampling beyond temperature and seed, and fields that
are not known, are passed over, as clients send ever new ones.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loresmith.server import citing
from loresmith.server.faults import ApiError

MOST_ANSWERS = 8
MOST_TEXTS = 2048

# How Open WebUI hands a model a conversation, to have its title, tags or next questions written.
_TASK = re.compile(r"<chat_history>.*</chat_history>", re.DOTALL)


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class Request(Shape):
    """A whole body."""

    @model_validator(mode="before")
    @classmethod
    def _text(cls, body: Any) -> Any:
        """JSON can hold halves of characters, and nothing behind here can."""
        try:
            json.dumps(body, ensure_ascii=False, default=repr).encode()  # of another type it is bytes
        except UnicodeEncodeError:
            raise ValueError("not Unicode text (half a character)") from None
        return body


class Part(Shape):
    """A piece of a message; only text is read."""

    type: str = "text"
    text: str | None = None


class Turn(Shape):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    def words(self) -> str:
        """The text of the message.

        Raises:
            ApiError: 400, it holds something else.
        """
        if isinstance(self.content, list):
            other = next((part.type for part in self.content if part.text is None), None)
            if other is not None:
                raise ApiError(
                    400, f"Only text is read here, not {other}.", "unsupported_content", param="messages"
                )
            return "\n".join(part.text or "" for part in self.content)
        return self.content or ""


class ResponseFormat(Shape):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = None


class StreamOptions(Shape):
    include_usage: bool = False


class Asked(Request):
    """What chat completions and responses have in common."""

    model: str
    stream: bool | None = False
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    user: str | None = None
    tool_choice: str | dict[str, Any] | None = Field(None, description='"none" or "auto": text answers')
    footnotes: bool = Field(True, description="citations as Markdown footnotes in the text (ours)")
    k: Annotated[int, Field(ge=1, le=100)] | None = Field(None, description="passages to rest on (ours)")

    def check(self) -> None:
        """Refuse what would change the answer and is not done here."""
        _no_tool(self.tool_choice, "tool_choice")


class ChatRequest(Asked):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=1000)]
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None = 1
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    stream_options: StreamOptions | None = None
    function_call: str | dict[str, Any] | None = None
    logprobs: bool | None = False

    def check(self) -> None:
        super().check()
        _no_tool(self.function_call, "function_call")
        if self.logprobs:
            raise ApiError(400, "logprobs is not done here.", "unsupported_parameter", param="logprobs")

    def stops(self) -> tuple[str, ...]:
        found = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in found if text)


class EmbeddingRequest(Request):
    """POST /v1/embeddings."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None
    input_type: Literal["passage", "query"] = Field("passage", description="what is embedded (ours)")

    def texts(self) -> list[str]:
        """
        Raises:
            ApiError: 400, tokens of some other tokenizer, an empty text, or too many.
        """
        found = [self.input] if isinstance(self.input, str) else self.input
        if any(not isinstance(text, str) for text in found):
            raise ApiError(
                400,
                "Texts are embedded, not tokens of another model's tokenizer "
                "(LangChain: check_embedding_ctx_length=False).",
                "unsupported_input",
                param="input",
            )
        if not found or any(not str(text).strip() for text in found):
            raise ApiError(400, "There is an empty text.", "empty_input", param="input")
        if len(found) > MOST_TEXTS:
            raise ApiError(400, f"At most {MOST_TEXTS:,} texts at once.", "too_many_inputs", param="input")
        return [str(text) for text in found]


def conversation(turns: list[Turn], param: str = "messages") -> tuple[str, list[tuple[str, str]]]:
    """The last question, and the earlier ones with their answers, without our footnotes.

    Raises:
        ApiError: 400, nothing is asked.
    """
    last = next((i for i in range(len(turns) - 1, -1, -1) if turns[i].role == "user"), None)
    question = turns[last].words().strip() if last is not None else ""
    if last is None or not question:
        raise ApiError(
            400, "There is no question: the last user message is empty.", "no_question", param=param
        )
    history: list[tuple[str, str]] = []
    asked = ""
    for turn in turns[:last]:
        if turn.role == "user":
            asked = turn.words().strip()
        # One that only calls a tool says nothing; the answer comes after the tool's.
        elif turn.role == "assistant" and asked and (said := citing.without(turn.words())):
            history.append((asked, said))
            asked = ""
    return question, history


def is_task(question: str) -> bool:
    """Whether a chat program asks this for itself, about the conversation: nothing for documents."""
    return _TASK.search(question) is not None


def _no_tool(choice: str | dict[str, Any] | None, param: str) -> None:
    if choice not in (None, "none", "auto"):
        raise ApiError(
            400,
            f"No tool can be called here: {param} may be none or auto, and the answer is text.",
            "unsupported_parameter",
            param=param,
        )
