"""Language models behind an OpenAI-compatible address: OpenAI, Azure, Ollama, vLLM, llama.cpp.

Promises: text goes to the configured address and nowhere else; retries on 429, 5xx and lost
connections with the server's Retry-After; whatever else the other side does wrong (not there,
wrong key, a web page instead of an answer, an answer that breaks off) is one `EndpointError` that
names the address. An answer that breaks off is never taken for a complete one.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import openai

from loresmith.config import ModelSection
from loresmith.errors import EndpointError, PromptTooLong, UsageError
from loresmith.models import templates
from loresmith.types import Generated, Message

log = logging.getLogger(__name__)

MAX_RETRIES = 3
TOP_LOGPROBS = 20  # the most that OpenAI gives

# What newer or smaller servers refuse, and what is sent instead (None: nothing).
_SUBSTITUTES = {
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "seed": None,
    "stream_options": None,
}


def load(settings: ModelSection) -> Endpoint:
    """The model `settings.name` at `settings.endpoint`; with `api_version` the address is Azure's.

    Nothing is sent before the first question.

    Raises:
        UsageError: the address is not one.
    """
    return Endpoint(settings)


class Endpoint:
    """A model behind an address. See `LanguageModel` for the methods."""

    def __init__(self, settings: ModelSection) -> None:
        self.address = (settings.endpoint or "").rstrip("/")
        if not self.address.startswith(("http://", "https://")):
            raise UsageError(
                f"model.endpoint = {self.address!r} is not an address.",
                "Give one that starts with http:// or https://, such as http://localhost:11434/v1.",
            )
        self.name = settings.name
        self.context_tokens = settings.context_tokens
        self._key_name = settings.api_key_env
        self._client = _client(settings, self.address)
        self._refused: set[str] = set()
        self._warned: set[str] = set()

    @property
    def supports_grammar(self) -> bool:
        return False

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate on the safe side: a token per three bytes of UTF-8, and five a message."""
        return sum(math.ceil(len(m["content"].encode()) / 3) + 5 for m in messages)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        grammar: str | None = None,
    ) -> Iterator[Generated]:
        needed = self.count_tokens(messages)
        if needed + max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"The prompt of about {needed} tokens and {max_tokens} tokens of answer do not fit the "
                f"{self.context_tokens} tokens of {self.name}.",
                "Lower retrieval.context_tokens or model.max_tokens, or raise model.context_tokens.",
            )
        if grammar:
            self._warn(f"{self.address} takes no grammar; the answer is not constrained.")
        request: dict[str, Any] = {
            "messages": templates.guarded(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if stop:
            request["stop"] = list(stop)
        return self._stream(request)

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        """None where the server gives no log-probabilities, or not of every choice."""
        request = {
            "messages": templates.guarded(messages),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
        }
        try:
            with self._clear_errors():
                reply = self._create(request)
        except EndpointError as error:
            if isinstance(error.__cause__, openai.BadRequestError):
                self._warn(f"{self.address} gives no log-probabilities ({error.problem})")
                return None
            raise
        if not getattr(reply, "choices", None):
            raise self._not_the_protocol("an answer without choices")
        given = reply.choices[0].logprobs
        if given is None or not given.content:
            self._warn(f"{self.address} gives no log-probabilities.")
            return None
        known = {entry.token: entry.logprob for entry in given.content[0].top_logprobs}
        found = [_first_token(choice, known) for choice in choices]
        return None if None in found else [value for value in found if value is not None]

    def close(self) -> None:
        self._client.close()

    # --- the address's side -----------------------------------------------------------------------

    def _stream(self, request: dict[str, Any]) -> Iterator[Generated]:
        with self._clear_errors():
            stream = self._create(request)
        try:
            kind = stream.response.headers.get("content-type", "")
            if "text/event-stream" not in kind:
                raise self._not_the_protocol(kind.partition(";")[0] or "an unnamed type")
            tokens, finished = 0, False
            with self._clear_errors():
                for chunk in stream:
                    for choice in chunk.choices or ():
                        finished = finished or choice.finish_reason is not None
                        if text := choice.delta.content if choice.delta else None:
                            tokens += 1
                            yield Generated(text)
                    if chunk.usage and chunk.usage.completion_tokens > tokens:
                        yield Generated("", chunk.usage.completion_tokens - tokens)
            if not finished:
                raise EndpointError(
                    f"{self.address} broke off in the middle of an answer of {self.name}.",
                    "Ask again; if it happens often, look at the server's log.",
                )
        finally:
            stream.close()

    def _create(self, request: dict[str, Any]) -> Any:
        """Send the request; a parameter that the server refuses is replaced, once and for all."""
        while True:
            body: dict[str, Any] = {"model": self.name}
            for key, value in request.items():
                if key not in self._refused:
                    body[key] = value
                elif substitute := _SUBSTITUTES[key]:
                    body[substitute] = value
            try:
                return self._client.chat.completions.create(**body)
            except openai.BadRequestError as error:
                refused = _refused_parameter(error, set(body))
                if refused is None:
                    raise
                log.info("%s refuses %s", self.address, refused)
                self._refused.add(refused)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except openai.AuthenticationError as error:
            there = "is refused" if os.environ.get(self._key_name) else "is not set"
            raise EndpointError(
                f"{self.address}: the key of the environment variable {self._key_name} {there} (401).",
                f"Set {self._key_name} to a valid key, or name another variable in model.api_key_env.",
            ) from error
        except openai.NotFoundError as error:
            raise EndpointError(
                f"{self.address} has no model {self.name}, or is not the address (404{_detail(error)}).",
                "Check model.name, and that model.endpoint ends as the server's manual says (often /v1).",
            ) from error
        except openai.RateLimitError as error:
            raise EndpointError(
                f"{self.address} refuses more requests now (429{_detail(error)}), "
                f"also after {MAX_RETRIES} retries.",
                "Wait, or raise the limit of your account.",
            ) from error
        except openai.APIStatusError as error:
            raise EndpointError(
                f"{self.address} answered with status {error.status_code}{_detail(error)}.",
                "Look at the server's log, or try again later.",
            ) from error
        except openai.APITimeoutError as error:
            raise EndpointError(
                f"{self.address} did not answer in time.", "Raise model.timeout_seconds, or ask again."
            ) from error
        except openai.APIConnectionError as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            raise EndpointError(
                f"{self.address} cannot be reached{cause}.",
                "Start the server, or correct model.endpoint.",
            ) from error
        except openai.APIError as error:
            raise EndpointError(
                f"{self.address} failed: {error.message}.", "Look at the server's log."
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            # The client builds its values without checking, so nonsense surfaces where it is read.
            raise self._not_the_protocol("something that is not its JSON") from error

    def _not_the_protocol(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self.address} does not speak the OpenAI protocol: it sent {what}.",
            "Correct model.endpoint; most servers want the path /v1 at the end.",
        )

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            log.warning("%s", text)


def _client(settings: ModelSection, address: str) -> openai.OpenAI:
    # A server of one's own wants no key, but the client insists on one.
    key = os.environ.get(settings.api_key_env) or "none"
    if settings.api_version:
        return openai.AzureOpenAI(
            azure_endpoint=address,
            azure_deployment=settings.name,
            api_version=settings.api_version,
            api_key=key,
            timeout=settings.timeout_seconds,
            max_retries=MAX_RETRIES,
        )
    return openai.OpenAI(
        base_url=address, api_key=key, timeout=settings.timeout_seconds, max_retries=MAX_RETRIES
    )


def _refused_parameter(error: openai.BadRequestError, sent: set[str]) -> str | None:
    named = error.param or ""
    for key in _SUBSTITUTES:
        if key in sent and (named == key or (not named and f"'{key}'" in str(error.message))):
            return key
    return None


def _detail(error: openai.APIStatusError) -> str:
    """The server's own words, on one short line; nothing where it sent a web page."""
    body = error.body
    text = body.get("message") if isinstance(body, dict) else None
    return f": {' '.join(str(text).split())[:200].rstrip('.')}" if text else ""


def _first_token(choice: str, known: dict[str, float]) -> float | None:
    """The log-probability of the longest known token that `choice` begins with."""
    fitting = [token for token in known if token and choice.startswith(token)]
    return known[max(fitting, key=len)] if fitting else None
