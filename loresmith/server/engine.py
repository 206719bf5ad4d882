"""One engine a process: the workspace, its expert, and the order in which questions are answered.

    question -> turn (or 429) -> model loaded -> a thread answers -> sentences, then the answer

Promises: at most `server.parallel` answers at a time and `server.queue` waiting; who asks much waits
for those who ask little (turns go round among callers); a question whose client has gone gives its
turn back and stops its model; a changed loresmith.toml counts from the next question on; after `stop`
nothing new is taken and what runs is finished.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from loresmith import releases
from loresmith import workspace as folders
from loresmith.config import FILE_NAME
from loresmith.errors import LoresmithError, NotForReader, StorageError
from loresmith.expert import Expert
from loresmith.server.access import Caller
from loresmith.server.faults import ApiError
from loresmith.server.meters import Meters
from loresmith.server.models import Cancelled, NotLoaded, Request, Served, ServedWorkspace, answering
from loresmith.server.turns import Gate, Turns
from loresmith.types import Answer, Arm, Filter, Sentence

log = logging.getLogger("loresmith.server")

T = TypeVar("T")

# Answers that feedback can still be given on by their id.
KEPT = 200
# Seconds until a model that could not be loaded is tried again.
TRIED_AGAIN = 15.0
NO_MODEL, UNREADABLE = "a model cannot be loaded", "the workspace cannot be read"


@dataclass(frozen=True, slots=True)
class Writing:
    """How an answer is to be written; None leaves it to the configuration.

    Attributes:
        grammar: GBNF for what the model writes (base and tuned).
        words: the model's own words are wanted as they come (base and tuned), as `Words`.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    words: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of what the model says without documents, as it comes; nothing is promised of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer, and the id under which feedback may be given on it. `cut`: the model was stopped by
    the limit of tokens."""

    id: str
    answer: Answer
    cut: bool = False


Event = Words | Sentence | Finished


@dataclass(slots=True, kw_only=True)
class _Asking:
    """A question under way. `has_turn`: a thread may be computing it."""

    question: str
    who: str
    caller: Caller
    arm: Arm | None
    where: Filter
    history: tuple[tuple[str, str], ...]
    chat: str | None
    k: int | None
    how: Writing
    has_turn: bool = False
    request: Request = field(init=False)
    events: asyncio.Queue[Event | BaseException] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.request = Request(seed=self.how.seed, stop=self.how.stop)


class Engine:
    """Answers for one workspace. `start` it in the event loop that it is to live in."""

    def __init__(
        self, path: Path, *, overrides: dict[str, Any] | None = None, models: Served | None = None
    ) -> None:
        self._path = path
        self._overrides = dict(overrides or {})
        folder = folders.open_dir(path, self._overrides)
        self.workspace = ServedWorkspace.serving(folder, models or Served())
        self.root = folder.root
        self.overrides = self._overrides
        settings = folder.config.server
        self.meters = Meters()
        self.turns = Turns(settings.parallel, settings.queue)
        self.meters.watch(lambda: self.turns.waiting, lambda: self.turns.running)
        self._pool = ThreadPoolExecutor(settings.parallel, thread_name_prefix="answer")
        self._gate = Gate()
        self._works: set[asyncio.Task[None]] = set()
        self._answers: OrderedDict[str, tuple[str, Answer]] = OrderedDict()
        self._answers_lock = threading.Lock()
        self._seen = self._stamp()
        self.stopping = asyncio.Event()
        self.trouble = ""
        self.hindrance = ""
        """The same in words that tell nothing of the workspace."""
        self.warm = False
        self.doubted = settings.warm
        """Whether the index is to be tried before it is called ready."""

    # --- what the routes use ------------------------------------------------------------------

    @property
    def expert(self) -> Expert:
        """For what needs no turn: search, similar. Safe in any thread."""
        return self.workspace.expert()

    @property
    def has_model(self) -> bool:
        """Whether anything can write; else answers are quotes."""
        return self.workspace.writes

    def released(self, caller: Caller) -> tuple[Arm, str | None]:
        """What answers this caller where no arm is named. Blocks. One who may not have the released
        adapter is answered from the documents by the model without it."""
        arm, adapter = self.expert.released()
        if arm in ("tuned", "both"):
            try:
                self.expert.adapter(caller.where(), adapter)
            except NotForReader:
                return "rag", None
        return arm, adapter

    async def ask(
        self,
        question: str,
        *,
        caller: Caller,
        arm: Arm | None = None,
        where: Filter | None = None,
        history: Sequence[tuple[str, str]] = (),
        chat: str | None = None,
        k: int | None = None,
        writing: Writing | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Answer as `Expert.ask` does: each sentence as soon as it stands, then `Finished`.

        Close the iterator (or cancel the task that reads it) to stop; the model stops with it.

        Args:
            where: further wishes; the caller's labels are put into it here, whatever it says.
            chat: a conversation of this caller; nobody else's has the same name.

        Raises:
            ApiError: 429, too many are waiting; 503, the server is stopping.
            LoresmithError: as `Expert.ask`.
        """
        how = writing or Writing()
        asking = _Asking(
            question=question,
            who=caller.key or caller.name,
            caller=caller,
            arm=arm,
            where=replace(where or Filter(), access=caller.labels),
            history=tuple(history),
            chat=f"{caller.key or caller.name}/{chat}" if chat else None,
            k=k,
            how=how,
        )
        work = asyncio.create_task(self._work(asking))
        self._works.add(work)
        work.add_done_callback(self._works.discard)
        try:
            while True:
                event = await asking.events.get()
                if isinstance(event, BaseException):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            # Whoever computes holds the turn until its thread has noticed; whoever waits just goes.
            asking.request.cancelled.set()
            if not asking.has_turn:
                work.cancel()

    async def answer(self, question: str, **options: Any) -> Finished:
        """`ask` without the sentences on the way."""
        events = self.ask(question, **options)
        try:
            async for event in events:
                if isinstance(event, Finished):
                    return event
        finally:
            await events.aclose()
        raise AssertionError("an answer without an end")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what blocks (search, embedding, reading of files) in a thread, while no model is being
        changed and with loresmith.toml as it stands now."""
        await self._refreshed()
        async with self._gate.together():
            return await asyncio.to_thread(function, *arguments)

    def find(self, answer_id: str, caller: Caller) -> Answer | None:
        """An answer that this caller was given, for feedback; None where it is none of theirs, or
        too many came after it."""
        with self._answers_lock:
            owner, answer = self._answers.get(answer_id, ("", None))
        return answer if owner == (caller.key or caller.name) else None

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what the first question needs, where `server.warm` says so. A model that cannot be
        loaded is told by /readyz, and tried again now and then; the server lives on."""
        while self.workspace.folder.config.server.warm:
            try:
                await self._refreshed()
                async with self._gate.alone():
                    await asyncio.to_thread(self._warm)
                break
            except LoresmithError as error:
                if str(error) != self.trouble:
                    log.warning("not warm: %s", error)
                self.trouble = str(error)
                self.hindrance = UNREADABLE if isinstance(error, StorageError) else NO_MODEL
            self.warm = True
            await asyncio.sleep(TRIED_AGAIN)
        self.trouble = self.hindrance = ""
        self.warm = True

    def stop(self) -> None:
        """Take nothing new. Call it in the event loop."""
        self.stopping.set()
        self.turns.close()

    async def close(self) -> None:
        """Finish what runs, and free the models."""
        self.stop()
        await self.turns.idle()
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self.workspace.close)

    # --- the parts ----------------------------------------------------------------------------

    def _warm(self) -> None:
        arm, adapter = self.expert.released()
        wanted = self.expert.adapter(released=adapter) if arm in ("tuned", "both") else None
        self.workspace.load(wanted)
        if self.workspace.folder.config.retrieval.mode != "text":
            self.workspace.embedder().embed_queries(["warm"])

    async def _work(self, asking: _Asking) -> None:
        """One question from the queue to its end, in a task that outlives the client's: the turn is
        given on only when the thread is done."""
        came = time.perf_counter()
        arm = asking.arm or "released"
        try:
            async with self.turns.turn(asking.who):
                asking.has_turn = True
                self.meters.stage("queue", time.perf_counter() - came)
                found = await self._answered(asking)
            self.meters.answered(found)
            cut = found.tokens.get("answer", 0) >= self._settings(asking.how).max_tokens
            asking.events.put_nowait(Finished(self._keep(found, asking.who), found, cut))
        except Cancelled:
            self.meters.unanswered(arm, "cancelled")
        except (LoresmithError, ApiError) as error:
            self.doubted = self.doubted or isinstance(error, StorageError)
            self.meters.unanswered(arm, "failed" if asking.has_turn else "refused")
            asking.events.put_nowait(error)
        except BaseException as error:
            left = isinstance(error, asyncio.CancelledError)
            self.meters.unanswered(arm, "cancelled" if left else "failed")
            asking.events.put_nowait(error)  # whatever it is, the route that waits must hear of it
            if left:
                raise

    async def _answered(self, asking: _Asking) -> Answer:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        told = False

        def tell(event: Event) -> None:
            nonlocal told
            if not told:
                told = True
                self.meters.stage("first", time.perf_counter() - began)
            loop.call_soon_threadsafe(asking.events.put_nowait, event)

        def sentence(event: Sentence) -> None:
            asking.request.check()
            tell(event)

        def answer() -> Answer:
            arm = asking.arm
            # Left open where the release is this caller's: its adapter may not be the one in use.
            if arm is None and asking.where.access is not None:
                own, _ = self.released(asking.caller)
                arm = own if own == releases.DEFAULT else None
            unaided = (arm or self.expert.released()[0]) in releases.UNAIDED.values()
            asking.request.grammar = asking.how.grammar if unaided else None
            if asking.how.words and unaided:
                asking.request.on_text = lambda text: tell(Words(text))
            with answering(asking.request):
                return self.expert.ask(
                    asking.question,
                    arm=arm,
                    where=asking.where,
                    k=asking.k,
                    on_sentence=sentence,
                    chat=asking.chat,
                    shots=asking.history,
                    history=asking.history,
                    model_settings=self._settings(asking.how),
                )

        while True:
            await self._refreshed()
            try:
                async with self._gate.together():
                    return await self._in_pool(answer)
            except NotLoaded as missing:
                async with self._gate.alone():
                    await asyncio.to_thread(self.workspace.load, missing.adapter)

    async def _in_pool(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()

        def guarded() -> tuple[T | None, BaseException | None]:
            # Futures treat StopIteration and BaseException in ways of their own.
            try:
                return context.run(function), None
            except BaseException as error:  # noqa: BLE001 - raised again below
                return None, error

        found, error = await loop.run_in_executor(self._pool, guarded)
        if error is not None:
            raise error
        return found  # type: ignore[return-value]

    async def _refreshed(self) -> None:
        """Take on loresmith.toml where it has changed; a wrong one is refused and changes nothing."""
        if self._stamp() == self._seen:
            return
        async with self._gate.alone():
            seen = self._stamp()
            if seen != self._seen:
                folder = await asyncio.to_thread(folders.open_dir, self.root, self._overrides)
                await asyncio.to_thread(self.workspace.reconfigure, folder)
                self._seen = seen

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self.root / FILE_NAME).stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)

    def _settings(self, how: Writing) -> Any:
        settings = self.workspace.folder.config.model
        changes: dict[str, Any] = {}
        if how.max_tokens is not None:
            changes["max_tokens"] = how.max_tokens
        if how.temperature is not None:
            changes["temperature"] = how.temperature
        return settings.model_copy(update=changes) if changes else settings

    def _keep(self, answer: Answer, who: str) -> str:
        made = secrets.token_hex(12)
        with self._answers_lock:
            self._answers[made] = (who, answer)
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return made
