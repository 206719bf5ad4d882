"""compare(): the same questions asked of every arm, everything else held constant, each answer stored.

    questions x arms -> (a probe of each arm: the estimate) -> arm by arm -> answers.jsonl

Held constant: the weights (an adapter brings its own base), temperature 0, the cap of an answer, the
system prompts, one frozen index. Promises: stopped at any point (Ctrl-C, kill -9) the same call goes on
where it was; the same comparison done again asks nothing; a question that fails is recorded with its
error and the next one is asked; a model is loaded once for all of its arms.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loresmith.config import ModelSection
from loresmith.dataset.example import Example
from loresmith.errors import LoresmithError, ModelError, StorageError, UsageError
from loresmith.evaluation.comparison import controls, costs, store
from loresmith.evaluation.comparison.questions import Prepared
from loresmith.evaluation.comparison.values import CONTENDERS, ArmName, Question, Record
from loresmith.expert import Expert, Workspace
from loresmith.models import base_of, fingerprint
from loresmith.state import DocumentInfo, State
from loresmith.training import record as training_record
from loresmith.training.adapters import Adapter
from loresmith.types import Answer, Progress
from loresmith.workspace import WorkspaceDir

PROBE = 2
"""Questions asked of each arm before the estimate; their answers are kept."""

PATIENCE = 10
"""The same failure so often in a row is no question's fault."""

RESAMPLES, LEVEL, ALPHA = 2000, 0.95, 0.05

_TUNED: tuple[ArmName, ...] = ("tuned", "both")
_PLAIN: tuple[ArmName, ...] = ("base", "format", "rag", "oracle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is still to be done after the probe.

    Attributes:
        answers: still to be asked for.  kept: already stored.
        seconds: that they will take, by the mean of each arm so far.
        by_arm: the same by arm.
    """

    answers: int
    kept: int
    seconds: float
    by_arm: Mapping[str, float]


OnEstimate = Callable[[Estimate], bool]
"""Told after the probe; says whether to go on."""


def hold(folder: WorkspaceDir, adapter: Adapter | None) -> WorkspaceDir:
    """The workspace with what must be equal for all arms: temperature 0, the adapter and its base."""
    model = folder.config.model
    changes: dict[str, Any] = {"temperature": 0.0}
    if adapter is not None:
        changes["adapter"] = str(adapter.folder)
        if model.name == "auto" and not model.endpoint:
            changes["name"] = adapter.base_model
    config = folder.config.model_copy(update={"model": model.model_copy(update=changes)})
    return replace(folder, config=config)


def possible(
    folder: WorkspaceDir,
    adapter: Adapter | None,
    train: Sequence[Example] | None,
    wanted: Sequence[ArmName] = CONTENDERS,
    *,
    with_controls: bool = True,
) -> tuple[list[ArmName], dict[str, str]]:
    """The arms that can be asked here, and why each of the others cannot.

    Raises:
        UsageError: none of them can.
    """
    model = folder.config.model
    asked: list[ArmName] = [arm for arm in CONTENDERS if arm in wanted]
    if with_controls:
        asked += [c for c, arm in (("oracle", "rag"), ("format", "base")) if arm in asked]  # type: ignore[misc]
    skipped: dict[str, str] = {}
    with State.open(folder.state_path) as state:
        indexed = state.current() is not None
    for arm in asked:
        reason = ""
        if model.name == "none" and arm not in ("rag", "oracle"):
            reason = 'there is no language model (model.name is "none")'
        elif arm in (*_TUNED, "format") and adapter is None:
            reason = "there is no adapter; train one with `loresmith train`"
        elif arm in _TUNED and adapter is not None:
            reason = _unfit(model, adapter)
        elif arm == "format" and not train:
            reason = "the training rows of the adapter are not here"
        if arm in costs.SEARCHING and not indexed:
            reason = "nothing is indexed; run `loresmith sync`"
        if reason:
            skipped[arm] = reason
    arms = [arm for arm in asked if arm not in skipped]
    if not set(arms) & set(CONTENDERS):
        why = "; ".join(f"{arm}: {reason}" for arm, reason in skipped.items())
        raise UsageError(f"No arm can be asked here ({why}).", "Mend one of these.")
    return arms, skipped


def _unfit(model: ModelSection, adapter: Adapter) -> str:
    if model.endpoint:
        return "an endpoint cannot be given an adapter of this machine"
    own = _fingerprint(model.name)
    if own and adapter.base_fingerprint and own != adapter.base_fingerprint:
        return f"the adapter {adapter.id} was trained on {adapter.base_model}, not on {model.name}"
    return ""


def compare(
    workspace: Workspace,
    prepared: Prepared,
    *,
    arms: Sequence[ArmName],
    skipped: Mapping[str, str] | None = None,
    adapter: Adapter | None = None,
    train: Sequence[Example] = (),
    seed: int = 0,
    progress: Progress = lambda stage, done, total: None,
    on_estimate: OnEstimate = lambda estimate: True,
) -> Path:
    """Ask every question of every arm; returns the report's folder.

    Args:
        workspace: opened with `hold`.
        arms, skipped: of `possible`.
        train: the adapter's training rows, from which the control `format` is shown examples.
        seed: of samples and statistics.
        on_estimate: called once after the probe; when it returns False nothing more is asked.

    Raises:
        ModelError: a model cannot be loaded, or the same failure came ten times in a row.
        StorageError: the documents changed while they were asked about.
    """
    manifest = describe(
        workspace.folder, prepared, arms=arms, skipped=skipped or {}, adapter=adapter, seed=seed
    )
    folder = store.create(workspace.folder.reports_dir, manifest, prepared.questions)
    asking = _Asking(
        workspace, folder, store.manifest(folder), prepared.questions, adapter, train, seed, progress
    )
    if not asking.left():
        return folder
    groups = [g for g in (_of(_TUNED, arms), _of(_PLAIN, arms)) if g and any(asking.missing(a) for a in g)]
    for group in groups:
        asking.load(group)
        for arm in group:
            asking.ask(arm, asking.probe(arm), "first answers")
    if not on_estimate(asking.estimate()):
        return folder
    # The group that was loaded last is asked first.
    for group in reversed(groups):
        asking.load(group)
        for arm in group:
            asking.ask(arm, asking.missing(arm), f"asking {arm}")
    return folder


def _of(group: Sequence[ArmName], arms: Sequence[ArmName]) -> list[ArmName]:
    return [arm for arm in group if arm in arms]


def describe(
    folder: WorkspaceDir,
    prepared: Prepared,
    *,
    arms: Sequence[ArmName],
    skipped: Mapping[str, str],
    adapter: Adapter | None,
    seed: int,
) -> dict[str, Any]:
    """The manifest; its id is the hash of what determines the answers."""
    config = folder.config
    model = config.model
    name = "none" if model.name == "none" else model.name if model.endpoint else base_of(model)
    settings = {
        "seed": seed,
        "seeds": 1,
        "alpha": ALPHA,
        "resamples": RESAMPLES,
        "level": LEVEL,
        "temperature": model.temperature,
        "max_tokens": model.max_tokens,
        "context_tokens": config.retrieval.context_tokens,
        "k": config.retrieval.k,
        "max_sentences": config.answer.max_sentences,
        "abstain_below": config.answer.abstain_below,
        "retrieval": config.retrieval.mode,
        "rerank": config.retrieval.rerank,
    }
    said = {
        "model": {
            "name": name,
            "fingerprint": _fingerprint(name),
            "engine": "endpoint" if model.endpoint else model.engine,
            "context_tokens": model.context_tokens,
        },
        "adapter": _adapter(adapter) if adapter else None,
        "index": _index(folder),
        "settings": settings,
        "arms": list(arms),
    }
    content = [said, [q.to_dict() for q in prepared.questions], training_record.versions()["loresmith"]]
    raw = json.dumps(content, ensure_ascii=False, sort_keys=True)
    asked = sum(len(store.wanted(said, q)) for q in prepared.questions)
    return {
        "schema": store.SCHEMA,
        "id": hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        "created": training_record.now(),
        "workspace": config.name or folder.root.name,
        **said,
        "labels": _labels(folder, adapter),
        "versions": training_record.versions(),
        "hardware": training_record.hardware("cpu"),
        "source": prepared.source,
        "asked": asked,
        "removed": [
            {"id": r.id, "question": r.question, "reason": r.reason, "beside": r.beside}
            for r in prepared.removed
        ],
        "warnings": [*prepared.warnings, *(f"{arm} is not compared: {why}." for arm, why in skipped.items())],
        "checks": {**prepared.checks, "skipped": dict(skipped)},
        "known": costs.known(folder, arms, adapter, name),
    }


def _adapter(adapter: Adapter) -> dict[str, Any]:
    return {
        "id": adapter.id,
        "method": adapter.method,
        "dataset": str((adapter.card.get("dataset") or {}).get("id", "")),
        "created": str(adapter.card.get("created", "")),
        "base_model": adapter.base_model,
        "labels": list(adapter.labels),
    }


def _index(folder: WorkspaceDir) -> dict[str, Any] | None:
    """The index as it is now; "digest" changes with any document."""
    with State.open(folder.state_path) as state:
        generation = state.current()
        if generation is None:
            return None
        infos = state.infos()
        return {
            "generation": generation.folder,
            "documents": len(infos),
            "passages": state.passage_count(generation.id),
            "embedder": generation.embedder,
            "digest": digest(infos),
        }


def _labels(folder: WorkspaceDir, adapter: Adapter | None) -> list[str]:
    """Of all that answers may hold: whoever reads them, also when the documents are gone, needs these."""
    with State.open(folder.state_path) as state:
        found = {label for info in state.infos() for label in info.labels}
    return sorted(found.union(adapter.labels if adapter else ()))


def digest(infos: Sequence[DocumentInfo]) -> str:
    """Changes with any document of the index."""
    raw = json.dumps(sorted((info.id, info.version) for info in infos))
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _fingerprint(name: str) -> str:
    """Of the model's weights; "" where they are not files of this machine (yet)."""
    try:
        place = fingerprint.place(name)
        return fingerprint.fingerprint(place) if place else ""
    except ModelError:
        return ""


class _Asking:
    """A comparison under way: what is stored already, and what is loaded."""

    def __init__(
        self,
        workspace: Workspace,
        folder: Path,
        manifest: Mapping[str, Any],
        questions: Sequence[Question],
        adapter: Adapter | None,
        train: Sequence[Example],
        seed: int,
        progress: Progress,
    ) -> None:
        self._workspace = workspace
        self._folder = folder
        self._manifest = manifest
        self._questions = questions
        self._adapter = adapter
        self._progress = progress
        self._shots = controls.shots(train, questions, seed)
        self._memory = costs.Memory()
        self._documents = {info.id: info for info in workspace.documents()}
        self._done: dict[tuple[str, str], float] = {
            (r.arm, r.question): r.seconds for r in store.records(folder) if not r.error
        }
        self._failed = ("", 0)
        self._tried: set[tuple[str, str]] = set()
        self._loaded: list[ArmName] = []

    def missing(self, arm: ArmName) -> list[Question]:
        """The questions that this arm has no answer to yet, but for those that failed just now."""
        return [
            q
            for q in self._questions
            if arm in store.wanted(self._manifest, q)
            and (arm, q.id) not in self._done
            and (arm, q.id) not in self._tried
        ]

    def left(self) -> int:
        return sum(len(self.missing(arm)) for arm in self._manifest["arms"])

    def probe(self, arm: ArmName) -> list[Question]:
        """As many questions as the probe still lacks, from all over the list."""
        missing = self.missing(arm)
        lacking = PROBE - sum(arm == other for other, _ in self._done)
        if lacking <= 0 or not missing:
            return []
        step = max(1, len(missing) // lacking)
        return missing[::step][:lacking]

    def estimate(self) -> Estimate:
        by_arm: dict[str, float] = {}
        for arm in self._manifest["arms"]:
            told = [seconds for (other, _), seconds in self._done.items() if other == arm]
            mean = sum(told) / len(told) if told else 0.0
            by_arm[arm] = mean * len(self.missing(arm))
        return Estimate(
            answers=self.left(), kept=len(self._done), seconds=sum(by_arm.values()), by_arm=by_arm
        )

    def load(self, group: Sequence[ArmName]) -> None:
        """Load what these arms answer with, so that no question pays for it."""
        if list(group) == self._loaded:
            return
        self._loaded = list(group)
        # Its rounded base is not the one that answers without it: both would fill the memory.
        if self._adapter is not None and self._adapter.method != "lora":
            self._workspace.close_models()
        self._progress("loading the model", 0, 1)
        started = time.perf_counter()
        if group[0] in _TUNED and self._adapter is not None:
            self._workspace.tuned(self._adapter, self._progress)
        else:
            self._workspace.model(self._progress)
        if set(group) & set(costs.SEARCHING):
            self._expert().find(self._questions[0].question)
        self._keep("load_seconds", group, round(time.perf_counter() - started, 3))
        self._progress("loading the model", 1, 1)

    def ask(self, arm: ArmName, questions: Sequence[Question], stage: str) -> None:
        """Ask `arm` these questions and store what it says."""
        if not questions:
            return
        self._check_documents()
        self._memory.reset()
        try:
            with store.appending(self._folder) as append:
                for number, question in enumerate(questions, 1):
                    record = self._record(arm, question)
                    append(record)
                    self._tried.add((arm, question.id))
                    if not record.error:
                        self._done[arm, question.id] = record.seconds
                    self._progress(stage, number, len(questions))
                    self._count(record)
        finally:
            self._keep("peak_memory_bytes", [arm], self._memory.peak())

    def _record(self, arm: ArmName, question: Question) -> Record:
        started = time.perf_counter()
        try:
            said = self._answer(arm, question)
        except (LoresmithError, OSError, RuntimeError, ValueError) as error:
            seconds = round(time.perf_counter() - started, 4)
            why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            return Record(question=question.id, arm=arm, answer={}, seconds=seconds, error=why)
        return Record(
            question=question.id,
            arm=arm,
            answer=said.to_dict(),
            seconds=round(time.perf_counter() - started, 4),
            tokens=dict(said.tokens),
        )

    def _answer(self, arm: ArmName, question: Question) -> Answer:
        expert = self._expert()
        if arm == "oracle":
            hits = controls.gold_hits(expert, question, self._documents)
            return expert.ask(question.question, arm="rag", hits=hits, tables=False)
        if arm == "format":
            return expert.ask(question.question, arm="base", shots=self._shots)
        return expert.ask(question.question, arm=arm)

    def _expert(self) -> Expert:
        return self._workspace.expert(self._progress)

    def _count(self, record: Record) -> None:
        """Stop when it is not the question that is at fault."""
        last, times = self._failed
        if not record.error:
            self._failed = ("", 0)
            return
        self._failed = (record.error, times + 1 if record.error == last else 1)
        if self._failed[1] >= PATIENCE:
            raise ModelError(
                f"{PATIENCE} questions in a row failed in the arm {record.arm} with the same reason: "
                f"{record.error}",
                "Mend that and run the command again: what was answered is kept.",
            )

    def _check_documents(self) -> None:
        index = self._manifest["index"]
        if index is not None and digest(self._workspace.documents()) != index["digest"]:
            raise StorageError(
                "The documents were synchronised while they were being asked about.",
                "Run the command again: it compares over the new index.",
            )

    def _keep(self, name: str, arms: Sequence[ArmName], value: float) -> None:
        """Keep a measure of these arms, the largest where it was measured before."""
        content = store.costs(self._folder)
        held = content.setdefault(name, {})
        for arm in arms:
            held[arm] = max(value, held.get(arm, 0))
        if name == "peak_memory_bytes":
            content["memory_is_exact"] = self._memory.exact
        store.put_costs(self._folder, content)
