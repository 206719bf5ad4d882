"""GGUF models in this process, by llama.cpp (the package xllamacpp).

Promises: the model's own chat template and stop tokens; text never becomes a control token; a
prompt that does not fit is refused before anything is computed; closing an iterator stops the
computation at the next token or prompt batch, and so does `asking.left`; any number of threads may
call at once (llama.cpp computes `model.parallel` answers together and lets the others wait); nothing
is reachable over the network.

An adapter is loaded beside the weights and weighs in by a factor that each request names: 1 for the
model, 0 for its `base`, which is the same object without the adapter.

llama.cpp's server object generates in process, but tokenises and applies templates only over its
HTTP face. That face is bound to a Unix socket in a private folder, never to a port.
"""

from __future__ import annotations

import copy
import logging
import os
import queue
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from loresmith.config import ModelSection
from loresmith.errors import MissingExtra, ModelError, PromptTooLong
from loresmith.models import asking, cpu, download, gguf, lora, registry, templates
from loresmith.models.fingerprint import fingerprint
from loresmith.types import Generated, Message, Progress

log = logging.getLogger(__name__)

# Measured on 2 cores with Qwen2.5-Coder-0.5B: batches of 256 read a prompt as fast as 512 and
# 2,048 do (157, 147, 168 tokens/s, within noise), and a closed iterator is noticed sooner.
PROMPT_BATCH = 256

# Prompts whose tokens are known: those of the answers that may be under way.
PROMPTS_KEPT = 16

# OpenMP threads that wait spin for milliseconds by default. On a busy machine that is ruinous:
# 4 tokens/s with one core taken, 19 with this bound, and no loss on idle cores (46).
_SPIN_COUNT = "2000"


def load(
    settings: ModelSection, progress: Progress | None = None, *, adapter: Path | None = None
) -> LlamaCpp:
    """Load `settings.name`: a GGUF file, or a registry name, which is fetched first.

    Args:
        adapter: folder of the LoRA adapter to answer with.

    Raises:
        ModelError: the name is unknown; the file is missing, not GGUF, cut off, or of an
            architecture that the installed llama.cpp does not know; the adapter is not for it.
    """
    path = Path(settings.name).expanduser()
    if path.suffix.lower() == ".gguf" or registry.looks_like_place(settings.name):
        name, head = path.stem, gguf.read(path)
    else:
        row = registry.find(settings.name, "language")
        name, head = row.name, gguf.read(download.ensure(row, progress))
    if adapter is None:
        return LlamaCpp(head, settings, name)
    worn = lora.read(adapter)
    lora.check_base(worn, head.path, name)
    return LlamaCpp(_rounded(worn, head, progress) if worn.quantised else head, settings, name, worn)


class LlamaCpp:
    """A GGUF model, loaded. See `LanguageModel` for the methods."""

    def __init__(
        self, head: gguf.GGUF, settings: ModelSection, name: str, adapter: lora.Lora | None = None
    ) -> None:
        self.name = name
        self.head = head
        self.adapter = adapter.id if adapter else None
        weights = _adapter_file(adapter, head) if adapter else None
        window = head.context_length or settings.context_tokens
        self.context_tokens = min(settings.context_tokens, window)
        self.threads = settings.threads or cpu.free()
        self._folder = _socket_folder()
        size = (self.context_tokens, settings.parallel)
        try:
            server = _start(head, size, self.threads, self._folder / "s.sock", weights)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        # What a request says about the adapter: nothing where there is none.
        self._weighed: dict[str, Any] = {"lora": [{"id": 0, "scale": 1.0}]} if adapter else {}
        # One for the model and its base; empty once either was closed.
        self._servers: list[Any] = [server]
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._folder / "s.sock")),
            base_url="http://llama.cpp",
            timeout=httpx.Timeout(settings.timeout_seconds),
            trust_env=False,
        )
        self._running: set[_Generation] = set()
        # A base keeps the model that it is the base of from being collected.
        self._owner: LlamaCpp | None = None
        self._prompts: OrderedDict[tuple[tuple[str, str], ...], list[int]] = OrderedDict()
        self._prompts_lock = threading.Lock()
        # Also at interpreter exit: the socket's folder must not stay behind, and a thread that comes
        # back from the engine into a dying interpreter would abort the process.
        self._cleanup = weakref.finalize(self, _clean_up, self._running, self._http, self._folder)
        self._stop = self._turn_marks()
        self._letter = self._tokenize("a", special=False)[-1]

    @property
    def base(self) -> LlamaCpp:
        """The same weights in the same memory without the adapter; closing either closes both."""
        if self.adapter is None:
            return self
        plain = copy.copy(self)
        plain.adapter = None
        plain._weighed = {"lora": [{"id": 0, "scale": 0.0}]}
        plain._owner = self
        return plain

    @property
    def supports_grammar(self) -> bool:
        return True

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._prompt(messages))

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
        prompt = self._fitting(messages, max_tokens)
        request: dict[str, Any] = {
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stop": [*stop, *self._stop],
            "stream": True,
            "return_progress": True,
        }
        if grammar:
            request["grammar"] = grammar
        if asking.probabilities.get():
            request["n_probs"] = 1
        return self._stream(request)

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        """Exact: read from the softmax over the whole vocabulary, before any sampling.

        Two choices with the same first token get the same value.
        """
        prompt = self._fitting(messages, 1)
        wanted = [self._tokenize(choice, special=False)[:1] for choice in choices]
        if not all(wanted):
            raise ModelError(
                f"One of the choices {list(choices)} is empty.", "Give at least one character each."
            )
        known: dict[int, float] = {}
        # All 150,000 entries take seconds as JSON; the likely choices stand among the first.
        for entries in (256, 8192, self.head.vocabulary):
            known = self.next_logprobs(prompt, entries)
            if all(ids[0] in known for ids in wanted):
                break
        return [float(known[ids[0]]) for ids in wanted]

    def next_logprobs(self, tokens: Sequence[int], entries: int) -> dict[int, float]:
        """Token id to log probability of the `entries` most likely tokens behind `tokens`, by the
        softmax over the whole vocabulary."""
        reply = self._complete(
            {
                "prompt": list(tokens),
                "max_tokens": 1,
                "temperature": 0,
                "n_probs": entries,
                # The token that is sampled does not matter, but half a character or the end of the
                # answer would come without probabilities. These are of before any bias.
                "logit_bias": [[self._letter, 1000]],
            }
        )
        first = reply["choices"][0]["logprobs"]["content"][0]
        return {entry["id"]: entry["logprob"] for entry in first["top_logprobs"]}

    def close(self) -> None:
        """Stop what runs and free the model's memory. Safe to call twice."""
        self._servers.clear()
        self._cleanup()

    # --- the engine's side ------------------------------------------------------------------------

    def _fitting(self, messages: Sequence[Message], max_tokens: int) -> list[int]:
        prompt = self._prompt(messages)
        if len(prompt) + max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"The prompt of {len(prompt)} tokens and {max_tokens} tokens of answer do not fit the "
                f"{self.context_tokens} tokens that {self.name} takes.",
                "Lower retrieval.context_tokens or model.max_tokens, or raise model.context_tokens.",
            )
        return prompt

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        # What is generated for was counted just before, and is counted again for the record.
        key = tuple((message["role"], message["content"]) for message in messages)
        with self._prompts_lock:
            known = self._prompts.get(key)
        if known is None:
            known = self._tokenize(self.render(messages), special=True)
            with self._prompts_lock:
                self._prompts[key] = known
                while len(self._prompts) > PROMPTS_KEPT:
                    self._prompts.popitem(last=False)
        return known

    def render(self, messages: Sequence[Message], *, answer_follows: bool = True) -> str:
        """The prompt as text, by the model's own template, contents neutralised."""
        guarded = templates.guarded(messages, self.head.special_tokens)
        if not self.head.chat_template:
            return templates.plain(guarded)

        def apply(shown: list[Message]) -> str:
            request = {"messages": shown, "add_generation_prompt": answer_follows}
            return str(_checked(self._post("/apply-template", request), self.name)["prompt"])

        return templates.render(guarded, apply, ModelError)

    def _turn_marks(self) -> list[str]:
        """Stop texts beyond the end tokens that the file names."""
        if not self.head.chat_template:
            return list(templates.PLAIN_STOP)
        conversation = [
            Message(role="user", content="Hello"),
            Message(role="assistant", content=templates.END_MARK),
        ]
        rendered = self.render(conversation, answer_follows=False)
        mark = templates.end_of_turn(rendered, self.head.special_tokens)
        return [mark] if mark else []

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        request = {"content": text, "add_special": special, "parse_special": special}
        return list(_checked(self._post("/tokenize", request), self.name)["tokens"])

    def _post(self, path: str, request: dict[str, Any]) -> httpx.Response:
        self._engine()
        try:
            return self._http.post(path, json=request)
        except httpx.HTTPError as error:
            raise ModelError(
                f"llama.cpp stopped answering for {self.name}: {error}.", "Load the model again."
            ) from error

    def _engine(self) -> Any:
        if not self._servers:
            raise ModelError(f"The model {self.name} is closed.", "Load it again.")
        return self._servers[0]

    def _complete(self, request: dict[str, Any]) -> dict[str, Any]:
        reply = self._engine().handle_completions({**request, **self._weighed})
        _raise_if_error(reply, self.name)
        return dict(reply)

    def _stream(self, request: dict[str, Any]) -> Iterator[Generated]:
        generation = _Generation(self._engine(), {**request, **self._weighed})
        self._running.add(generation)
        generation.start()
        told = 0
        try:
            for event in generation.events():
                _raise_if_error(event, self.name)
                if piece := _piece(event, told):
                    told += piece.tokens
                    yield piece
        finally:
            generation.cancelled.set()
            self._running.discard(generation)


class _Generation:
    """One request, on a thread of its own: llama.cpp calls back, the caller iterates."""

    def __init__(self, server: Any, request: dict[str, Any]) -> None:
        self.cancelled = threading.Event()
        self._left = asking.left.get() or self.cancelled
        self._queue: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, args=(server, request), name="llama.cpp", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def _run(self, server: Any, request: dict[str, Any]) -> None:
        try:
            server.handle_completions(request, self._on_event)
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that iterates
            self._queue.put(error)
        self._queue.put(None)

    def _on_event(self, event: dict[str, Any]) -> bool:
        self._queue.put(event)
        return self.cancelled.is_set() or self._left.is_set()

    def events(self) -> Iterator[dict[str, Any]]:
        while (event := self._queue.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def stop(self) -> None:
        self.cancelled.set()
        self._thread.join()


def _piece(event: dict[str, Any], told: int) -> Generated | None:
    """What an event brings. Without probabilities it does not say how many tokens it is; the last one
    says how many there were, of which `told` are known."""
    choice = event["choices"][0]
    if choice.get("logprobs"):
        tokens = choice["logprobs"].get("content") or []
        return Generated(choice["text"], len(tokens), sum(token["logprob"] for token in tokens))
    if choice["text"]:
        return Generated(choice["text"], 1)
    rest = (event.get("usage") or {}).get("completion_tokens", 0) - told
    return Generated("", rest) if rest > 0 else None


def _raise_if_error(reply: dict[str, Any], name: str) -> None:
    if error := reply.get("error"):
        raise _engine_error(error, name)


def _checked(response: httpx.Response, name: str) -> dict[str, Any]:
    reply = response.json()
    _raise_if_error(reply, name)
    return dict(reply)


def _engine_error(error: dict[str, Any], name: str) -> ModelError:
    message = str(error.get("message", error)).rstrip(".")
    if "grammar" in message:
        return ModelError(f"llama.cpp cannot read the grammar: {message}.", "Correct the GBNF text.")
    return ModelError(f"{name} cannot answer: {message}.", "See the model's card, or use another model.")


def _rounded(adapter: lora.Lora, head: gguf.GGUF, progress: Progress | None) -> gguf.GGUF:
    """The base as QLoRA saw it, made where it is missing; where it cannot be, as it is."""
    precision = str((adapter.card.get("recipe") or {}).get("precision") or "bf16")
    path = download.cache_dir() / "models" / "rounded" / f"{fingerprint(head.path)}-{precision}.gguf"
    try:
        if not path.is_file():
            from loresmith.models import rounded  # needs what training needs, which answering does not

            rounded.make(head, path, precision, progress)
    except MissingExtra as error:
        log.warning(
            "The adapter %s was trained on a base rounded to 4 bits and answers with the unrounded one, "
            "less exactly: %s",
            *(adapter.id, error),
        )
        return head
    return gguf.read(path)


def _adapter_file(adapter: lora.Lora, head: gguf.GGUF) -> Path:
    if ready := lora.converted(adapter, head):
        return ready
    from loresmith.models import lora_gguf  # needs the package gguf, which answering does not

    return lora_gguf.convert(adapter.folder, head, adapter.folder / lora.CONVERTED)


def _start(head: gguf.GGUF, size: tuple[int, int], threads: int, socket: Path, adapter: Path | None) -> Any:
    """llama.cpp with the model loaded. `size`: the window, and how many answers have one each."""
    os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(
            f"llama.cpp cannot be loaded: {error}.",
            "On Debian: apt install libgomp1; else: pip install --force-reinstall xllamacpp",
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(head.path)
    params.hostnames = [str(socket)]
    params.n_threads_http = 2
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.verbosity = 0
    window, parallel = size
    # A window for each: shared ones fail in the middle of an answer when they are full.
    params.n_ctx = window * parallel
    params.n_parallel = parallel
    params.kv_unified = False
    params.n_batch = params.n_ubatch = PROMPT_BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    # The prompt of the last request stays in its slot; older ones are not kept (8 GB by default).
    params.cache_ram_mib = 0
    params.warmup = params.fit_params = params.prefill_assistant = False
    if adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    log.debug("llama.cpp loads %s with %d threads", head.path, threads)
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelError(
            f"llama.cpp cannot load {head.path} (architecture {head.architecture or 'not named'}).",
            "The installed llama.cpp may not know it: pip install --upgrade xllamacpp, or use another model.",
        ) from error


def _clean_up(running: set[_Generation], http: httpx.Client, folder: Path) -> None:
    for generation in list(running):
        generation.stop()
    http.close()
    shutil.rmtree(folder, ignore_errors=True)


def _socket_folder() -> Path:
    """A private folder whose path leaves room for a socket's name (108 bytes in all)."""
    folder = tempfile.mkdtemp(prefix="loresmith-")
    if len(folder.encode()) > 90:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="loresmith-", dir="/tmp")
    return Path(folder)
