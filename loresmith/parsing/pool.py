"""Worker processes that read files, each within limits on memory, CPU and time.

Promises: every item gives exactly one result, in any order; a file that makes its worker crash,
run out of memory or run too long gets one line of reason, a new worker takes the place, the rest
goes on; at most one finished result a worker waits while the consumer is busy.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing import limited, wire
from loresmith.types import Document, Failure, SourceItem


@dataclass(frozen=True, slots=True)
class ParseResult:
    """What became of one file: its documents (itself, then its attachments), or a failure.

    Attributes:
        version: sha256 (hex) of its bytes; "" where they could not be read.
    """

    item: SourceItem
    version: str
    documents: tuple[Document, ...] = ()
    failure: Failure | None = None


@dataclass(slots=True)
class _Worker:
    """One process and the file it has in hand. It is replaced after this many files: the native
    engines keep what they once took."""

    process: subprocess.Popen[bytes]
    buffer: bytearray = field(default_factory=bytearray)
    item: SourceItem | None = None
    version: str = ""
    deadline: float = 0.0
    files: int = 0

    MAX_FILES = 2000


class ParserPool:
    """A context manager around the workers. They start when the first file comes.

    >>> with ParserPool(settings) as pool:            # doctest: +SKIP
    ...     for result in pool.parse(items): ...
    """

    def __init__(self, settings: ParsingSection) -> None:
        self.settings = settings
        self.size = settings.workers or len(os.sched_getaffinity(0))
        self._workers: list[_Worker] = []

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every worker; files in hand are dropped."""
        for worker in self._workers:
            limited.end(worker.process)
        self._workers.clear()

    def parse(self, items: Iterable[SourceItem]) -> Iterator[ParseResult]:
        """Read every item; results come as they are ready."""
        source = iter(items)
        exhausted = False
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
            try:
                while True:
                    while not exhausted and (free := self._free(selector)) is not None:
                        item = next(source, None)
                        if item is None:
                            exhausted = True
                        else:
                            self._give(free, item)
                    busy = [worker for worker in self._workers if worker.item is not None]
                    if not busy:
                        return
                    yield from self._wait(selector, busy)
            finally:
                # A consumer that stops early leaves files in hand whose results nobody will take.
                for worker in [w for w in self._workers if w.item is not None]:
                    self._remove(worker, selector)

    def _free(self, selector: selectors.BaseSelector) -> _Worker | None:
        for worker in list(self._workers):
            if worker.item is None and worker.files >= _Worker.MAX_FILES:
                self._remove(worker, selector)
            elif worker.item is None:
                return worker
        if len(self._workers) >= self.size:
            return None
        worker = _Worker(limited.start("loresmith.parsing.worker", str(self.settings.memory_mb)))
        self._workers.append(worker)
        selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
        return worker

    def _give(self, worker: _Worker, item: SourceItem) -> None:
        worker.item, worker.version = item, ""
        worker.files += 1
        worker.deadline = time.monotonic() + self.settings.seconds
        try:
            worker.process.stdin.write(wire.frame(wire.task(item, self.settings)))  # type: ignore[union-attr]
            worker.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            # It died between two files; reading its pipe says so.
            worker.deadline = time.monotonic() + 1

    def _wait(self, selector: selectors.BaseSelector, busy: list[_Worker]) -> Iterator[ParseResult]:
        timeout = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
        ready = selector.select(timeout)
        heard = set()
        for key, _events in ready:
            worker: _Worker = key.data
            heard.add(id(worker))
            chunk = os.read(key.fd, 1 << 20)
            if not chunk:
                result = self._died(worker, selector)
                if result:
                    yield result
                continue
            worker.buffer += chunk
            while (message := wire.unframe(worker.buffer)) is not None:
                if "version" in message:
                    worker.version = str(message["version"])
                elif worker.item is not None:
                    item, worker.item = worker.item, None
                    yield _result(item, worker.version, message)
            if worker.buffer:
                # A result on its way was in time; the consumer may have kept it waiting.
                worker.deadline = max(worker.deadline, time.monotonic() + 5)
        for worker in busy:
            if worker.item is not None and id(worker) not in heard and time.monotonic() >= worker.deadline:
                item, version = worker.item, worker.version
                self._remove(worker, selector)
                yield _failed(item, version, f"took longer than {self.settings.seconds:g} s to read.")

    def _died(self, worker: _Worker, selector: selectors.BaseSelector) -> ParseResult | None:
        item, version = worker.item, worker.version
        self._remove(worker, selector)
        if item is None:
            return None
        status = worker.process.returncode
        if status == -signal.SIGXCPU:
            return _failed(
                item, version, f"took longer than {self.settings.seconds:g} s of CPU time to read."
            )
        cause = signal.Signals(-status).name if status and status < 0 else f"status {status}"
        return _failed(
            item,
            version,
            f"damaged, or needs more than {self.settings.memory_mb} MB of memory (reader ended: {cause}).",
        )

    def _remove(self, worker: _Worker, selector: selectors.BaseSelector) -> None:
        selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        self._workers.remove(worker)
        limited.end(worker.process)


def _result(item: SourceItem, version: str, message: dict[str, object]) -> ParseResult:
    if "reason" in message:
        return _failed(item, version, str(message["reason"]))
    try:
        documents = tuple(wire.document_from(raw) for raw in message["documents"])  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError) as error:
        return _failed(item, version, f"its reader answered wrongly ({type(error).__name__}).")
    return ParseResult(item, version, documents)


def _failed(item: SourceItem, version: str, reason: str) -> ParseResult:
    return ParseResult(item, version, failure=Failure(item.id, str(ParseError(reason))))
