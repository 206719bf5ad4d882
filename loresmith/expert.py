"""What answers: `Workspace`, the facade over a folder, and `Expert`, which keeps models loaded.

    workspace = Workspace.open("plant")
    workspace.sync()
    answer = workspace.expert().ask("Which torque for the M8 flange bolts of the P-200?")

Promises: what a reader may not see is filtered inside the store's query and never reaches a
prompt; after a sync of another process the next question sees its result.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from loresmith import memory, releases, retrieval
from loresmith import workspace as folders
from loresmith.answering import abstain, routing
from loresmith.answering.abstain import Calibration
from loresmith.answering.evidence import parse_question
from loresmith.answering.generate import OnSentence, answer
from loresmith.answering.unaided import unaided
from loresmith.config import ModelSection
from loresmith.errors import ArmMissing, ModelError, StorageError, WorkspaceLocked
from loresmith.index import Store, open_generation
from loresmith.language import detect
from loresmith.locate import locate
from loresmith.models import base_of, load_embedder, load_language_model
from loresmith.querying.reply import Desk, reply
from loresmith.state import DocumentInfo, Generation, MemoryRow, State
from loresmith.tables.profile import written_here
from loresmith.tables.store import read_catalog
from loresmith.tables.values import Catalog
from loresmith.training import access, adapters
from loresmith.training.adapters import Adapter
from loresmith.types import (
    Answer,
    Arm,
    Document,
    Embedder,
    Filter,
    Hit,
    LanguageModel,
    Locator,
    Passage,
    Progress,
    SearchMode,
    TunedModel,
)
from loresmith.workspace import WorkspaceDir

if TYPE_CHECKING:
    from loresmith.dataset.feedback import Verdict
    from loresmith.sync import SyncReport
    from loresmith.verify import VerifyReport

log = logging.getLogger(__name__)

CALIBRATION = "calibration.json"
EVERYTHING = Filter()


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


class Expert:
    """Answers questions over one workspace. The language model is loaded with the first question."""

    def __init__(self, workspace: Workspace, progress: Progress | None = None) -> None:
        self._workspace = workspace
        self._config = workspace.folder.config
        self._progress = progress
        self._state = State.open(workspace.folder.state_path)
        self._opened: tuple[Generation, Store] | None = None
        self._calibration: Calibration | None = None
        self._warned: set[str] = set()

    # --- finding ------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        k: int | None = None,
        mode: SearchMode | None = None,
        where: Filter = EVERYTHING,
    ) -> list[Hit]:
        """The best passages, best first."""
        settings = self._config.retrieval
        store = self._store()
        return retrieval.search(
            store,
            None if (mode or settings.mode) == "text" else self._embedder(),
            query,
            k=k,
            mode=mode,
            where=where,
            settings=settings,
            languages=self._state.languages(),
            rerank=self._rerank if settings.rerank == "model" else None,
        )

    def similar(self, document: str, k: int | None = None, where: Filter = EVERYTHING) -> list[Hit]:
        """Other documents like this one, one hit each."""
        return retrieval.similar(self._store(), document, k=k or self._config.retrieval.k, where=where)

    # --- answering ----------------------------------------------------------------------------

    def ask(
        self,
        question: str,
        *,
        arm: Arm | None = None,
        where: Filter = EVERYTHING,
        k: int | None = None,
        on_sentence: OnSentence | None = None,
        chat: str | None = None,
        hits: Sequence[Hit] | None = None,
        shots: Sequence[tuple[str, str]] = (),
        history: Sequence[tuple[str, str]] = (),
        tables: bool = True,
        model_settings: ModelSection | None = None,
    ) -> Answer:
        """Answer from the documents, or abstain.

        Args:
            arm: "base" asks the model alone, without documents and so without citations; "tuned" the
                same with the adapter; "both" answers from the documents as "rag" does, with it. None:
                what is released, arm and adapter (`loresmith promote`), else "rag".
            where: what the reader may and wants to see.
            on_sentence: called with each verified sentence as soon as it stands.
            chat: name of a conversation whose earlier turns count and which remembers this one.
            hits: answer from these instead of searching (rag and both).
            shots: questions with their answers, shown as earlier turns (base and tuned).
            history: earlier turns that the asker brings along, instead of those of `chat` (rag and both).
            tables: False: from passages alone, whatever `answer.tables` says.
            model_settings: instead of the configured ones; only how is written counts, not the model.

        Raises:
            ModelError: the model or the adapter is missing, or the adapter is not for the model.
            TrainingError: the adapter is not whole, or what it was trained on is not for this reader.
            StorageError: nothing has been synchronised yet.
        """
        released = None
        if arm is None:
            arm, released = self.released()
        adapter = self.adapter(where, released) if arm in ("tuned", "both") else None
        name = adapter.id if adapter else None
        language = detect(question)
        settings = model_settings or self._config.model
        if arm in ("base", "tuned"):
            model = self._workspace.tuned(adapter, self._progress) if adapter else self._language_model()
            return unaided(
                question, model, settings, language, on_sentence, arm=arm, adapter=name, shots=shots
            )
        clock = time.perf_counter()
        earlier = [asked for asked, _ in history]
        if chat and not history:
            earlier = [turn.question for turn in self._turns(chat, where)]
            history = self._recall(chat, question, where)
        asked = f"{history[-1][0]} {question}" if history and follows(question) else question
        hits, several = self.find(asked, k, where) if hits is None else (hits, False)
        seconds = time.perf_counter() - clock
        texts: dict[str, Document] = {}

        def by_passages(
            question: str,
            hits: Sequence[Hit],
            reader: LanguageModel | None,
            tell: OnSentence | None,
            several: bool,
        ) -> Answer:
            return answer(
                question,
                [hit for hit in hits if not written_here(hit.passage)],
                reader,
                settings=self._config.answer,
                model_settings=settings,
                locate_quote=lambda passage, start, end: self._place(texts, passage, start, end),
                on_sentence=tell,
                history=history,
                document_text=lambda document: self._document(texts, document).text,
                context_tokens=self._config.retrieval.context_tokens,
                language=language,
                several=several,
                calibration=self._own_calibration(),
                arm=arm,
                adapter=name,
            )

        def read(hits: Sequence[Hit]) -> Answer:
            return by_passages(question, hits, self._reader(adapter) if hits else None, on_sentence, several)

        def look_up(other: str, left_out: str) -> Answer:
            found, many = self.find(other, k, where)
            rest = [h for h in found if h.passage.document != left_out]
            return by_passages(other, rest, None, None, many)

        if tables and self._config.answer.tables:
            desk = Desk(
                path=self._workspace.folder.tables_path,
                catalog=self._catalog(where),
                settings=self._config.answer,
                model_settings=settings,
                model=lambda: self._reader(adapter),
                document=lambda document: self._document(texts, document),
                passages_of=self._store().of_document,
                look_up=look_up,
                earlier=earlier,
                language=language,
                arm=arm,
                adapter=name,
                on_sentence=on_sentence,
            )
            found = reply(question, hits, desk, read)
        else:
            found = read(hits)
        found = replace(found, seconds={**found.seconds, "retrieval": round(seconds, 4)})
        if chat and self._config.answer.memory and not found.abstained:
            self._remember(chat, question, found)
        return found

    def released(self) -> tuple[Arm, str | None]:
        """What answers where no arm is named: arm and adapter of the release, else "rag".

        Read anew each time, so that a promotion or a rollback by another process counts at once.
        """
        folder = self._workspace.folder
        release = releases.current(folder)
        if release is None or self._config.model.name == "none":  # which can only quote
            return releases.DEFAULT, None
        if release.id not in self._warned:
            self._warned.add(release.id)
            for stranger in releases.other_model(folder, release.model, release.fingerprint):
                log.warning("The release %s: %s. Compare again.", release.id, stranger)
        return release.arm, release.adapter

    def adapter(self, where: Filter = EVERYTHING, released: str | None = None) -> Adapter:
        """The adapter of the arms tuned and both: as model.adapter names it, else the released one,
        else the one in use.

        Raises:
            ModelError: there is none.
            TrainingError: it is not whole, or what it was trained on is not for this reader.
        """
        folder, name = self._workspace.folder.adapters_dir, self._config.model.adapter
        if name == "auto" and released is not None:
            name = released
        found = adapters.current(folder) if name == "auto" else adapters.find(folder, name)
        if found is None:
            raise ArmMissing(
                "This needs an adapter, and none is in use here.",
                "Train one (`loresmith train`), choose one (`loresmith adapters use ID`), or ask with "
                "--arm rag.",
            )
        infos = self._state.infos()
        access.check(found, infos, where.access)
        old = access.outdated(found, infos)
        if old and found.id not in self._warned:
            self._warned.add(found.id)
            log.warning(
                "Documents that the adapter %s was trained on are gone or changed since (%d, as %s): train "
                "anew, or its answers may be of before.",
                *(found.id, len(old), old[0]),
            )
        return found

    def find(self, question: str, k: int | None = None, where: Filter = EVERYTHING) -> tuple[list[Hit], bool]:
        """The hits that `ask` answers from, and whether several documents are wanted."""
        entries = [
            routing.Entry(info.id, info.title) for info in self._state.infos() if _visible(info, where)
        ]
        return routing.find(
            parse_question(question), entries, k or self._config.retrieval.k, where, self._found
        )

    def _catalog(self, where: Filter) -> Catalog:
        """The tables that the reader may and wants to see, as of the last sync."""
        shown = {i.id: i.version for i in self._state.infos() if _visible(i, where) and _wanted(i, where)}
        return read_catalog(self._workspace.folder.tables_path, shown).visible(where.access)

    @property
    def k(self) -> int:
        """How many passages an answer rests on."""
        return self._config.retrieval.k

    def passages(self, ids: Sequence[str]) -> list[Passage]:
        """The passages of these ids that are in the index, in this order."""
        return self._store().get(ids) if ids else []

    def passages_of(self, document: str) -> list[Passage]:
        """The passages of a document, in its order."""
        return self._store().of_document(document)

    def _found(self, query: str, k: int, where: Filter) -> list[Hit]:
        return self.search(query, k, where=where)

    def close(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None
        self._state.close()

    # --- the parts of ask ---------------------------------------------------------------------

    def _embedder(self) -> Embedder:
        """The embedder, if the index was built with it: vectors of two embedders never mix."""
        embedder = self._workspace.embedder(self._progress)
        generation = self._state.current()
        if generation is not None and generation.fingerprint != embedder.fingerprint:
            raise StorageError(
                f"The index was built with the embedder {generation.embedder}, not with {embedder.name}.",
                "Run `loresmith sync` to build it anew, or name that embedder (embedder.name).",
            )
        return embedder

    def _store(self) -> Store:
        generation = self._state.current()
        if generation is None:
            raise StorageError(
                f"{self._workspace.folder.root}: nothing is indexed yet.", "Run `loresmith sync`."
            )
        opened = self._opened
        if opened is None or opened[0].id != generation.id:
            # The one before is not closed: another thread may be searching in it.
            opened = self._opened = (generation, open_generation(self._workspace.folder, generation))
        return opened[1]

    def _language_model(self) -> LanguageModel:
        """The model, for what needs one."""
        model = self._workspace.model(self._progress)
        if model is None:
            raise ArmMissing('This needs a language model, and model.name is "none".', "Use --model auto.")
        return model

    def _reader(self, adapter: Adapter | None) -> LanguageModel | None:
        """What reads the passages; None only quotes."""
        if adapter is not None:
            return self._workspace.tuned(adapter, self._progress)
        return self._workspace.model(self._progress)

    def _own_calibration(self) -> Calibration | None:
        """What `loresmith calibrate` fitted to this workspace, if it did."""
        if self._calibration is None:
            path = self._workspace.folder.data / CALIBRATION
            if not path.is_file():
                return None
            own: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self._calibration = Calibration(own["weights"], own["bias"], own["threshold"])
        return self._calibration

    def _document(self, texts: dict[str, Document], document: str) -> Document:
        if document not in texts:
            texts[document] = self._state.document(document)
        return texts[document]

    def _place(self, texts: dict[str, Document], passage: Passage, start: int, end: int) -> Locator:
        """The exact place of a quote; the passage's own where the document has changed since."""
        first = passage.locator.start or 0
        document = self._document(texts, passage.document)
        if document.text[first + start : first + end] != passage.text[start:end]:
            return replace(passage.locator, start=first + start, end=first + end)
        return locate(document, first + start, first + end)

    def _rerank(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """log-odds of "the answer is stated here", by the language model, passage by passage."""
        from loresmith.answering import prompt

        model = self._language_model()
        scores = []
        for passage in passages:
            hit = Hit(passage=passage, rank=1, score=0.0)
            built = prompt.build(query, [hit], model, max_tokens=1, request=prompt.ASK_STATED)
            scores.append(abstain.stated_logit(model, built.messages))
        return scores

    def _recall(self, chat: str, question: str, where: Filter) -> list[tuple[str, str]]:
        """Turns of this conversation that matter now: those about the same, and the last one."""
        if self._state.current() is None:
            return []
        found = memory.recall(
            self._state,
            self._store(),
            self._embedder(),
            chat,
            question,
            access=where.access,
        )
        turns = {r.entry.id: r.entry for r in found}
        if mine := self._turns(chat, where):
            turns[mine[-1].id] = mine[-1]
        return [(e.question, e.answer) for e in sorted(turns.values(), key=lambda e: e.created)]

    def _turns(self, chat: str, where: Filter) -> list[MemoryRow]:
        """The turns of a conversation that this reader may see, oldest first."""
        held = None if where.access is None else set(where.access)
        mine = [e for e in self._state.memory(chat=chat) if held is None or set(e.labels) <= held]
        return sorted(mine, key=lambda e: e.created)

    def _remember(self, chat: str, question: str, found: Answer) -> None:
        used = memory.rests_on(found)
        labels = {label for info in self._state.infos() if info.id in used for label in info.labels}
        try:
            with self._workspace.folder.writing():
                memory.remember(
                    self._state,
                    self._store(),
                    self._embedder(),
                    chat,
                    question,
                    found,
                    labels=sorted(labels),
                )
        except (WorkspaceLocked, StorageError) as error:
            # A sync is running, or nothing can be written here: the answer is worth more.
            log.warning("This turn of %r is not remembered: %s", chat, error)


def follows(question: str) -> bool:
    """Whether a question leans on the one before it ("And for the P-300?")."""
    words = question.casefold().split()
    opening = " ".join(words[:2]).strip("?.,")
    return len(words) <= 3 or opening.startswith(
        ("and ", "what about", "how about", "und ", "wie ist", "et ", "y ", "e ", "那")
    )


def _visible(info: DocumentInfo, where: Filter) -> bool:
    if where.access is not None and not set(info.labels) <= set(where.access):
        return False
    return not where.documents or info.id in where.documents


def _wanted(info: DocumentInfo, where: Filter) -> bool:
    """The rest of a filter, as the store of passages applies it."""
    moment = info.modified
    return (
        (not where.sources or info.source in where.sources)
        and (not where.labels or bool(set(info.labels) & set(where.labels)))
        and (where.since is None or (moment is not None and moment >= where.since))
        and (where.until is None or (moment is not None and moment < where.until))
    )
