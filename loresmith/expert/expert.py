"""`Expert`: questions to answers over one workspace.

Promises: what a reader may not see is filtered inside the store's query and never reaches a prompt; after
a sync of another process the next question sees its result.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loresmith import memory, releases, retrieval
from loresmith.answering import abstain, routing
from loresmith.answering.abstain import Calibration
from loresmith.answering.evidence import parse_question
from loresmith.answering.generate import OnSentence, answer
from loresmith.answering.unaided import unaided
from loresmith.config import ModelSection
from loresmith.errors import ArmMissing, StorageError, WorkspaceLocked
from loresmith.index import Store, open_generation
from loresmith.language import detect
from loresmith.locate import locate
from loresmith.querying.reply import Desk, reply
from loresmith.state import Generation, State
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
)

if TYPE_CHECKING:
    pass

from loresmith.expert.seen import EVERYTHING, visible, wanted

if TYPE_CHECKING:
    from loresmith.expert.workspace import Workspace

log = logging.getLogger(__name__)

CALIBRATION = "calibration.json"


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
            earlier = [turn.question for turn in memory.turns(self._state, chat, where.access)]
            history = self._recall(chat, question, where)
        asked = f"{history[-1][0]} {question}" if history and memory.follows(question) else question
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
        entries = [routing.Entry(info.id, info.title) for info in self._state.infos() if visible(info, where)]
        return routing.find(
            parse_question(question), entries, k or self._config.retrieval.k, where, self._found
        )

    def _catalog(self, where: Filter) -> Catalog:
        """The tables that the reader may and wants to see, as of the last sync."""
        shown = {i.id: i.version for i in self._state.infos() if visible(i, where) and wanted(i, where)}
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
        if mine := memory.turns(self._state, chat, where.access):
            turns[mine[-1].id] = mine[-1]
        return [(e.question, e.answer) for e in sorted(turns.values(), key=lambda e: e.created)]

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
