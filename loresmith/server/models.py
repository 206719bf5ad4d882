"""The models of a serving process: loaded once, shared by all, told by each request how to write.

A request runs in a thread of its own with a `Request` in a context variable; the language model that
the expert is handed looks there for the seed, for further stop texts, and for whether the client is
still there. Promises: a model is loaded or closed only while nothing answers (`NotLoaded` asks for
that); a request whose client has gone stops at the next token or prompt batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Self

from loresmith.config import Config
from loresmith.expert import Expert, Workspace
from loresmith.models import asking
from loresmith.server.faults import ApiError
from loresmith.training.adapters import Adapter
from loresmith.types import Embedder, Generated, LanguageModel, Message, Progress, TunedModel
from loresmith.workspace import WorkspaceDir


@dataclass(frozen=True, slots=True)
class Served:
    """Models that are loaded already, instead of those that the configuration names."""

    embedder: Embedder | None = None
    model: LanguageModel | None = None
    tuned: TunedModel | None = None


class Cancelled(BaseException):
    """The client has gone. No `Exception`, so that nothing on the way takes it for a failure."""


class NotLoaded(BaseException):
    """A model is wanted that must be loaded first, with nothing else running."""

    def __init__(self, adapter: Adapter | None) -> None:
        super().__init__(adapter)
        self.adapter = adapter


@dataclass(slots=True)
class Request:
    """How one request wants to be written for.

    Attributes:
        on_text: gets the model's own words as they come, unverified (arms without documents only).
    """

    seed: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    on_text: Callable[[str], None] | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled


_request: ContextVar[Request | None] = ContextVar("request", default=None)


@contextmanager
def answering(request: Request) -> Iterator[None]:
    """What is generated in this thread is generated for this request."""
    token = _request.set(request)
    left = asking.left.set(request.cancelled)
    probabilities = asking.probabilities.set(False)
    try:
        yield
    finally:
        asking.probabilities.reset(probabilities)
        asking.left.reset(left)
        _request.reset(token)


class Guarded:
    """A language model that listens to the request it writes for."""

    def __init__(self, inner: LanguageModel) -> None:
        self._inner = inner
        self.name = inner.name
        self.context_tokens = inner.context_tokens

    @property
    def supports_grammar(self) -> bool:
        return self._inner.supports_grammar

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._inner.count_tokens(messages)

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
        request = _request.get() or Request()
        request.check()
        if request.grammar and not self.supports_grammar:
            raise ApiError(
                400,
                f"The engine of {self.name} cannot be held to a form.",
                "unsupported_parameter",
                param="response_format",
            )
        pieces = self._inner.generate(
            messages,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed if request.seed is None else request.seed,
            stop=(*stop, *request.stop),
            grammar=grammar or request.grammar,
        )
        return _listening(pieces, request)

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        if request := _request.get():
            request.check()
        return self._inner.choice_logprobs(messages, choices)

    def close(self) -> None:
        """The models are the engine's to close."""


class GuardedTuned(Guarded):
    def __init__(self, inner: TunedModel) -> None:
        super().__init__(inner)
        self._tuned = inner
        self.adapter = inner.adapter

    @property
    def base(self) -> LanguageModel:
        return Guarded(self._tuned.base)


def _listening(pieces: Iterator[Generated], request: Request) -> Iterator[Generated]:
    with closing(pieces):  # type: ignore[type-var]  # leaving early stops the engine
        for piece in pieces:
            request.check()
            if request.on_text is not None and piece.text:
                request.on_text(piece.text)
            yield piece
        request.check()  # an engine that saw it first has only ended


class OneWriter(WorkspaceDir):
    """A folder whose threads wait for each other with writing: the lock of the file is between
    processes, and a thread that finds it held by another of its own would give up."""

    _writer = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._writer, super().writing():
            yield


class ServedWorkspace(Workspace):
    """The workspace of a serving process.

    `model` and `tuned` hand out what is loaded and raise `NotLoaded` otherwise; `load` is for the
    engine, which calls it while nothing answers.
    """

    @classmethod
    def serving(cls, folder: WorkspaceDir, models: Served) -> Self:
        return cls(
            served_folder(folder), embedder=models.embedder, model=models.model, tuned=models.tuned
        )._guarded()

    def _guarded(self) -> Self:
        self._loading = threading.RLock()
        return self

    def embedder(self, progress: Progress | None = None) -> Embedder:
        with self._loading:
            return super().embedder(progress)

    def expert(self, progress: Progress | None = None) -> Expert:
        with self._loading:
            return super().expert(progress)

    def model(self, progress: Progress | None = None) -> LanguageModel | None:
        if self._model is None and self.folder.config.model.name != "none":
            raise NotLoaded(None)
        return Guarded(self._model) if self._model is not None else None

    def tuned(self, adapter: Adapter, progress: Progress | None = None) -> TunedModel:
        if self._tuned is None or self._tuned.adapter != adapter.id:
            raise NotLoaded(adapter)
        return GuardedTuned(self._tuned)

    @property
    def writes(self) -> bool:
        """Whether there is a model, loaded or named; else answers are quotes."""
        return self._model is not None or self.folder.config.model.name != "none"

    def load(self, adapter: Adapter | None) -> None:
        """Load the model, with an adapter or without; nothing may be answering.

        Raises:
            ModelError: it cannot be loaded.
        """
        if adapter is None:
            super().model()
        else:
            super().tuned(adapter)

    def reconfigure(self, folder: WorkspaceDir) -> None:
        """Take on a changed loresmith.toml; what it changes nothing of stays loaded."""
        before, now = self.folder.config, folder.config
        if self._expert is not None:
            self._expert.close()
            self._expert = None
        if before.model != now.model:
            self.close_models()
        if before.embedder != now.embedder and self._embedder is not None:
            self._embedder.close()
            self._embedder = None
        self.folder = served_folder(folder)


def served_folder(folder: WorkspaceDir) -> WorkspaceDir:
    """The folder for several threads, its model for several answers at once."""
    config: Config = folder.config
    changes: dict[str, Any] = {"parallel": config.server.parallel}
    if config.model.parallel == 1:
        config = config.model_copy(update={"model": config.model.model_copy(update=changes)})
    return OneWriter(folder.root, config)
