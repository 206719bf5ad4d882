"""Embedders behind an address: OpenAI text-embedding-3, Jina, Azure OpenAI, any compatible server.

Promises: text goes to the configured address and nowhere else; what comes back is checked (count,
order, dimension, finite numbers) before it is believed; 429, 5xx and lost connections are tried
again after the server's Retry-After; tokens and cost are counted as they are spent.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import openai

from loresmith.config import EmbedderSection
from loresmith.errors import EndpointError, UsageError
from loresmith.types import Vectors

log = logging.getLogger(__name__)

MAX_RETRIES = 4
MAX_TOKENS = 8000
"""What the hosted models take is 8,191 and more; the rest is room for the estimate's error."""
PARALLEL = 4


@dataclass(frozen=True, slots=True)
class Provider:
    endpoint: str | None
    key_env: str


PROVIDERS = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "jina": Provider("https://api.jina.ai/v1", "JINA_API_KEY"),
    "azure": Provider(None, "AZURE_OPENAI_API_KEY"),
}


@dataclass(frozen=True, slots=True)
class Known:
    """A hosted model: its full dimension, and list price in dollars per million tokens."""

    dimension: int
    price: float | None


MODELS = {
    "text-embedding-3-small": Known(1536, 0.02),
    "text-embedding-3-large": Known(3072, 0.13),
    "text-embedding-ada-002": Known(1536, 0.10),
    "jina-embeddings-v3": Known(1024, None),
    "jina-embeddings-v4": Known(2048, None),
}


def load(settings: EmbedderSection) -> EndpointEmbedder:
    """The embedder `settings.name` of `settings.provider`, at its own address or `settings.endpoint`.

    Where neither `dimensions` nor the model's name tells the dimension, one word is sent to learn it.

    Raises:
        UsageError: no address, or no key where the provider wants one.
        EndpointError: the address does not answer as it should.
    """
    return EndpointEmbedder(settings)


class EndpointEmbedder:
    """Text to vectors over HTTP.

    Attributes:
        tokens_used: as the server counted them since loading.
        cost: in dollars, None where the price is unknown (`price_per_million_tokens` sets it).
    """

    def __init__(self, settings: EmbedderSection) -> None:
        provider = PROVIDERS[settings.provider]
        self.name, self.max_tokens = settings.name, MAX_TOKENS
        self.address = (settings.endpoint or provider.endpoint or "").rstrip("/")
        self._settings = settings
        self._key_env = settings.api_key_env or provider.key_env
        if not self.address.startswith(("http://", "https://")):
            raise UsageError(
                f"embedder.endpoint = {self.address!r} is not an address.",
                f"Give the {settings.provider} endpoint, starting with https://.",
            )
        key = os.environ.get(self._key_env)
        if not key and settings.endpoint is None:
            raise UsageError(
                f"The embedder {self.name} needs a key, and {self._key_env} is not set.",
                f"Set {self._key_env}, or name another variable in embedder.api_key_env.",
            )
        self._client = _client(settings, self.address, key or "none")
        known = MODELS.get(self.name)
        self._price = settings.price_per_million_tokens
        if self._price is None and known is not None:
            self._price = known.price
        self.tokens_used = 0
        self._lock = threading.Lock()
        self._expected = settings.dimensions or (known.dimension if known else None)
        self.dimension = self._expected or self._embed(["dimension"], self._task("passage")).shape[1]
        self._expected = self.dimension
        parts = (settings.task, settings.query_prefix, settings.passage_prefix)
        extra = "".join(f":{part}" for part in parts if part)
        self.fingerprint = f"{settings.provider}:{self.name}:{self.dimension}{extra}"

    @property
    def cost(self) -> float | None:
        return None if self._price is None else self.tokens_used * self._price / 1e6

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self._settings.passage_prefix + t for t in texts], self._task("passage"))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self._settings.query_prefix + t for t in texts], self._task("query"))

    def count_tokens(self, text: str) -> int:
        """An estimate: a token per four characters of Latin script, one per character elsewhere."""
        wide = sum(1 for character in text if character > "\u2e7f")
        return math.ceil((len(text) - wide) / 4) + wide

    def close(self) -> None:
        self._client.close()

    def _task(self, side: str) -> str | None:
        """Jina's `task`: its retrieval tasks have a side each, the others none."""
        task = self._settings.task
        if task is None and self._settings.provider == "jina":
            task = "retrieval"
        return f"{task}.{side}" if task in ("retrieval", "code") else task

    def _embed(self, texts: Sequence[str], task: str | None) -> Vectors:
        size = self._settings.batch_size
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        if len(batches) < 2:
            found = [self._request(batch, task) for batch in batches]
        else:
            with ThreadPoolExecutor(min(PARALLEL, len(batches))) as pool:
                found = list(pool.map(lambda batch: self._request(batch, task), batches))
            log.info("%s: %d tokens so far, cost %s", self.name, self.tokens_used, self.cost)
        return np.concatenate(found) if found else np.empty((0, self.dimension), np.float32)

    def _request(self, texts: Sequence[str], task: str | None) -> Vectors:
        # Empty input is refused by most servers; a blank stands for it.
        request: dict[str, Any] = {"input": [text[: MAX_TOKENS * 3] or " " for text in texts]}
        if self._settings.dimensions:
            request["dimensions"] = self._settings.dimensions
        if task:
            request["extra_body"] = {"task": task}
        with self._clear_errors():
            raw = self._client.embeddings.with_raw_response.create(
                model=self.name, encoding_format="float", **request
            )
            body = json.loads(raw.http_response.content)
            rows = {entry["index"]: entry["embedding"] for entry in body["data"]}
            spent = int((body.get("usage") or {}).get("total_tokens") or 0)
            if sorted(rows) != list(range(len(texts))) or len(body["data"]) != len(texts):
                raise self._wrong(f"{len(body['data'])} vectors for {len(texts)} texts")
            lengths = {len(row) for row in rows.values()}
            if len(lengths) > 1 or self._expected not in (None, *lengths):
                shown = ", ".join(map(str, sorted(lengths)))
                raise self._wrong(f"vectors of dimension {shown} where {self._expected} was expected")
            vectors = np.array([rows[position] for position in range(len(texts))], np.float32)
        with self._lock:
            self.tokens_used += spent
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(vectors).all() or not norms.all():
            raise self._wrong("vectors that are not numbers (NaN, infinity or all zero)")
        unit: Vectors = vectors / norms
        return unit

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except openai.AuthenticationError as error:
            there = "is refused" if os.environ.get(self._key_env) else "is not set"
            raise EndpointError(
                f"{self.address}: the key of the environment variable {self._key_env} {there} (401).",
                f"Set {self._key_env} to a valid key, or name another variable in embedder.api_key_env.",
            ) from error
        except openai.APIStatusError as error:
            words = error.body.get("message") if isinstance(error.body, dict) else None
            detail = f": {' '.join(str(words).split())[:200]}" if words else ""
            raise EndpointError(
                f"{self.address} answered with status {error.status_code}{detail}.",
                "Check embedder.name and embedder.endpoint (most servers want /v1 at the end)."
                if error.status_code < 429
                else "Try again later: what is embedded so far is kept.",
            ) from error
        except openai.APITimeoutError as error:
            raise EndpointError(
                f"{self.address} did not answer within {self._settings.timeout_seconds:g} s.",
                "Raise embedder.timeout_seconds, or lower embedder.batch_size.",
            ) from error
        except openai.APIConnectionError as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            raise EndpointError(
                f"{self.address} cannot be reached{cause}.",
                "Start the server, or correct embedder.endpoint.",
            ) from error
        except (openai.APIError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._wrong("something that is not its JSON") from error

    def _wrong(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self.address} answered wrongly for {self.name}: it sent {what}.",
            "Nothing of it was used. Check embedder.name, embedder.dimensions and embedder.endpoint.",
        )


def _client(settings: EmbedderSection, address: str, key: str) -> openai.OpenAI:
    if settings.provider == "azure":
        return openai.AzureOpenAI(
            azure_endpoint=address,
            azure_deployment=settings.name,
            api_version=settings.api_version or "2024-10-21",
            api_key=key,
            timeout=settings.timeout_seconds,
            max_retries=MAX_RETRIES,
        )
    return openai.OpenAI(
        base_url=address, api_key=key, timeout=settings.timeout_seconds, max_retries=MAX_RETRIES
    )
