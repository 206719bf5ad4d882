"""`Workspace`: the facade over a folder. Its models are loaded when they are first needed, and shared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from loresmith import memory
from loresmith import workspace as folders
from loresmith.errors import ModelError
from loresmith.index import open_generation
from loresmith.models import base_of, load_embedder, load_language_model
from loresmith.state import DocumentInfo, State
from loresmith.training.adapters import Adapter
from loresmith.types import (
    Answer,
    Embedder,
    Filter,
    Hit,
    LanguageModel,
    Progress,
    SearchMode,
    TunedModel,
)
from loresmith.workspace import WorkspaceDir

if TYPE_CHECKING:
    from loresmith.dataset.feedback import Verdict
    from loresmith.sync import SyncReport
    from loresmith.verify import VerifyReport

from loresmith.expert.expert import Expert
from loresmith.expert.seen import EVERYTHING


class Workspace:
    """An open workspace. Models are loaded when they are first needed and shared.

    Args:
        embedder, model, tuned: already loaded ones, instead of those that the configuration names;
            they are closed with the workspace.
    """

    def __init__(
        self,
        folder: WorkspaceDir,
        *,
        embedder: Embedder | None = None,
        model: LanguageModel | None = None,
        tuned: TunedModel | None = None,
    ) -> None:
        self.folder = folder
        self._embedder = embedder
        self._model = model
        self._tuned = tuned
        self._expert: Expert | None = None

    @classmethod
    def open(cls, path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Self:
        """The workspace at `path`, or the one at or above the current folder.

        Args:
            overrides: dotted keys of loresmith.toml, such as {"model.name": "none"}.
        """
        return cls(folders.open_dir(Path(path) if path is not None else None, overrides))

    @classmethod
    def create(cls, path: str | Path, settings: dict[str, Any] | None = None) -> Self:
        return cls(folders.create(Path(path), settings))

    def add(self, *uris: str, labels: Sequence[str] = ()) -> None:
        """Add sources; `sync` reads them."""
        self.folder = folders.add_sources(self.folder, uris, labels)

    def remove(self, uri: str) -> None:
        """Take a source off the list; its documents go with the next `sync`."""
        self.folder = folders.remove_source(self.folder, uri)

    def embedder(self, progress: Progress | None = None) -> Embedder:
        if self._embedder is None:
            self._embedder = load_embedder(self.folder.config.embedder, progress)
        return self._embedder

    def model(self, progress: Progress | None = None) -> LanguageModel | None:
        """The language model; None where the configuration says "none"."""
        settings = self.folder.config.model
        if self._model is None and settings.name != "none":
            self._model = load_language_model(settings, progress)
        return self._model

    def tuned(self, adapter: Adapter, progress: Progress | None = None) -> TunedModel:
        """The language model with an adapter; loaded once, and shared with `model` where that is the
        adapter's base.

        Raises:
            ModelError: the model is none, at an endpoint, or not the base of the adapter.
        """
        if self._tuned is not None and self._tuned.adapter == adapter.id:
            return self._tuned
        settings = self.folder.config.model
        if settings.name == "none":
            raise ModelError(
                f'The adapter {adapter.id} needs its base {adapter.base_model}, and model.name is "none".',
                "Ask with --model auto.",
            )
        plain = self._model.name if self._model else base_of(settings)
        # The base of QLoRA is rounded, so it is not the model that answers without the adapter.
        shared = adapter.method == "lora" and (settings.name != "auto" or plain == adapter.base_model)
        # The same weights stand in the memory once: those that have no place for the adapter go first.
        if shared or self._tuned is not None:
            self.close_models()
        self._tuned = load_language_model(settings, progress, adapter=adapter.folder)
        if shared:
            self._model = self._tuned.base
        return self._tuned

    def sync(self, progress: Progress | None = None) -> SyncReport:
        """Bring the index up to the sources."""
        from loresmith.sync import sync

        return sync(self.folder, self.embedder(progress), progress=progress, summarise=None)

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check that the index is whole; `repair` mends what is found."""
        from loresmith.verify import verify

        return verify(self.folder, embedder=self.embedder() if repair else None, repair=repair)

    def documents(self) -> list[DocumentInfo]:
        with State.open(self.folder.state_path) as state:
            return state.infos()

    def search(
        self,
        query: str,
        k: int | None = None,
        mode: SearchMode | None = None,
        where: Filter = EVERYTHING,
    ) -> list[Hit]:
        return self.expert().search(query, k, mode, where)

    def similar(self, document: str, k: int | None = None, where: Filter = EVERYTHING) -> list[Hit]:
        return self.expert().similar(document, k, where)

    def ask(self, question: str, **options: Any) -> Answer:
        """`Expert.ask` of this workspace's expert."""
        return self.expert().ask(question, **options)

    def feedback(self, answer: Answer, verdict: Verdict, correction: str = "") -> str:
        """Keep what a person says of an answer; the next dataset learns from it. Returns its id.

        Args:
            verdict: "approved", "corrected" (with the right answer) or "rejected".

        Raises:
            UsageError: a correction is missing, or given without the verdict "corrected".
        """
        from loresmith.dataset import feedback

        return feedback.record(
            self.folder,
            (answer.result.asked if answer.result else "") or answer.question,
            answer.answer,
            verdict,
            correction=correction,
            passages=[hit.passage for hit in answer.hits],
            cited=[citation.passage for sentence in answer.sentences for citation in sentence.citations],
            abstained=answer.abstained,
            model=answer.model,
            sql=answer.result.sql if answer.result else "",
        )

    def forget(self, chat: str | None = None) -> int:
        """Erase what a conversation, or every one, has left behind; returns the number of turns."""
        with self.folder.writing(), State.open(self.folder.state_path) as state:
            generation = state.current()
            store = open_generation(self.folder, generation) if generation else None
            try:
                return memory.forget(state, store, chat)
            finally:
                if store is not None:
                    store.close()

    def expert(self, progress: Progress | None = None) -> Expert:
        """The expert of this workspace; the same one at every call."""
        if self._expert is None:
            self._expert = Expert(self, progress)
        return self._expert

    def close(self) -> None:
        if self._expert is not None:
            self._expert.close()
            self._expert = None
        self.close_models()
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None

    def close_models(self) -> None:
        """Free the memory of the language models; the next question loads what it needs."""
        for model in (self._model, self._tuned):
            if model is not None:
                model.close()
        self._model = self._tuned = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
