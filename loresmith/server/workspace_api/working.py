"""Jobs: sync, dataset, train and compare, started, watched and stopped. jobs.py does the work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, ValidationError
from starlette.responses import StreamingResponse

from loresmith.errors import UsageError
from loresmith.server import jobs, progress, streams
from loresmith.server.access import Keys
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import (
    ERRORS,
    MOST_STREAMS,
    QUIET_SECONDS,
    Body,
    Here,
    Name,
    PathName,
    Question,
    Text,
    Whole,
    every_label,
    missing,
    slept,
)
from loresmith.types import Arm
from loresmith.workspace import write_atomic

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=ERRORS)

SECONDS = 0.3
"""Between two looks at a job that is being watched."""
_SETTABLE = ("training.", "dataset.", "retrieval.", "answer.", "model.max_tokens", "model.temperature")

Value = bool | int | float | Text | list[Text]


class SyncOptions(Body):
    pass


class DatasetOptions(Body):
    """As `loresmith dataset build`; `access`: only what a reader with these labels may see."""

    access: list[Name] | None = Field(None, max_length=50)
    public: bool = False
    settings: dict[Name, Value] = Field(default_factory=dict, max_length=50)


class TrainOptions(Body):
    """As `loresmith train`; `resume` goes without the others."""

    method: Literal["auto", "lora", "qlora"] | None = None
    effort: Literal["quick", "normal", "thorough"] | None = None
    dataset: Annotated[str, Field(pattern="^[0-9a-f]{4,64}$")] | None = None
    again: bool = False
    resume: bool = False
    settings: dict[Name, Value] = Field(default_factory=dict, max_length=50)


class Asked(Body):
    question: Question
    answer: Text | list[Text] | None = None
    documents: list[Name] = Field(default_factory=list, max_length=100)
    kind: Text = ""


class CompareOptions(Body):
    """As `loresmith compare`; without `questions` what was held out of training. The same again goes on
    where it was stopped, and `resume` is taken for that."""

    questions: Annotated[list[Asked], Field(min_length=1, max_length=5_000)] | None = None
    arms: Annotated[list[Arm], Field(min_length=1, max_length=4)] | None = None
    controls: bool = True
    limit: Annotated[int, Field(ge=1, le=100_000)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    adapter: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")] | None = None
    resume: bool = False


_OPTIONS: dict[jobs.Kind, type[Body]] = {
    "sync": SyncOptions,
    "dataset": DatasetOptions,
    "train": TrainOptions,
    "compare": CompareOptions,
}


class NewJob(Body):
    """`options` as SyncOptions, DatasetOptions, TrainOptions or CompareOptions."""

    kind: jobs.Kind
    options: dict[str, Any] = Field(default_factory=dict)


_open_streams: set[object] = set()


@router.post("", status_code=202, summary="Start work, or queue it behind what it would be in the way of")
def post(body: NewJob, here: Whole) -> dict[str, Any]:
    try:
        options = _OPTIONS[body.kind].model_validate(body.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["options", *(str(part) for part in first["loc"])])
        raise ApiError(422, f"{where}: {first['msg']}.", str(first["type"]), param=where) from error
    arguments = _arguments(here, options)
    said = options.model_dump(exclude_defaults=True)
    try:
        job = jobs.post(
            here.folder, body.kind, said, arguments, here.asker.name, labels=sorted(every_label(here.folder))
        )
    except UsageError as error:
        raise ApiError(429, str(error), "too_many_jobs") from error
    return {"job": job.to_dict()}


@router.get("", summary="Every job, the newest first")
def listing(here: Whole) -> dict[str, Any]:
    found = [job.to_dict() for job in jobs.listing(here.folder) if here.asker.holds(job.labels)]
    return {"jobs": [{k: v for k, v in job.items() if k != "steps"} for job in found]}


@router.get("/{job}", summary="One job, with the steps of a training")
def get(job: PathName, here: Whole) -> dict[str, Any]:
    return {"job": _find(here, job).to_dict()}


@router.delete("/{job}", summary="Stop a job; asked twice, it is killed")
def stop(job: PathName, here: Whole) -> dict[str, Any]:
    """A training makes a checkpoint first; it and a comparison go on where the same is posted with
    `resume`. What has ended stays as it is."""
    _find(here, job)
    return {"job": jobs.stop(here.folder, job).to_dict()}


@router.get(
    "/{job}/events",
    summary="A job as it goes (server-sent events)",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Each event is the job; `steps` only those that are new",
            "content": {"text/event-stream": {"schema": {"type": "object"}}},
        }
    },
)
async def events(job: PathName, request: Request, here: Whole) -> StreamingResponse:
    """An event at every change, the last one when the job has ended; then the stream is closed."""
    await run_in_threadpool(_find, here, job)
    return await streams.stream(request, _watched(request, here, job))


async def _watched(request: Request, here: Here, name: str) -> AsyncGenerator[str, None]:
    keys: Keys = request.app.state.keys
    secret = request.headers.get("authorization", "").partition(" ")[2].strip() or None
    base, offset, said, quiet = jobs.jobs_dir(here.folder) / name, 0, "", 0.0
    if len(_open_streams) >= MOST_STREAMS:
        raise ApiError(429, f"{len(_open_streams)} streams are open already.", "too_many_streams")
    ticket = object()
    _open_streams.add(ticket)
    try:
        while True:
            # The state before the steps: what has ended has written all of them.
            job = await run_in_threadpool(jobs.peek, here.folder, name)
            steps, offset = await run_in_threadpool(progress.read_steps, base, offset)
            now = json.dumps(job.to_dict(), sort_keys=True, default=str)
            quiet += SECONDS
            if steps or now != said:
                said, quiet = now, 0.0
                yield streams.event(job.to_dict() | {"steps": steps})
            elif quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield ": alive\n\n"
            if job.state not in jobs.UNDER_WAY or await slept(SECONDS, here.engine.stopping):
                return
            # A revocation holds at once, also for who is listening already.
            if not await _still(here, keys, secret):
                return
    except KeyError:
        return
    finally:
        _open_streams.discard(ticket)


async def _still(here: Here, keys: Keys, secret: str | None) -> bool:
    try:
        asker = await run_in_threadpool(keys.caller, secret)
    except ApiError:
        return False
    return asker == here.asker


def _find(here: Here, name: str) -> jobs.Job:
    try:
        found = jobs.get(here.folder, name)
    except KeyError:
        raise missing("job", name) from None
    if not here.asker.holds(found.labels):
        raise missing("job", name)
    return found


# --- options as arguments of the command line -------------------------------------------------------


def _arguments(here: Here, options: Body) -> list[str]:
    if isinstance(options, DatasetOptions):
        access = [part for label in options.access or () for part in ("--access", label)]
        public = ["--public"] if options.public or options.access == [] else []
        return ["dataset", "build", *access, *public, *_settings(options.settings)]
    if isinstance(options, TrainOptions):
        return _train(options)
    if isinstance(options, CompareOptions):
        return _compare(here, options)
    return ["sync"]


def _train(options: TrainOptions) -> list[str]:
    if options.resume:
        if options.model_dump(exclude_defaults=True).keys() != {"resume"}:
            raise ApiError(
                422, "resume goes on with a run as it was started.", "resume", param="options.resume"
            )
        return ["train", "--resume"]
    named = {"--method": options.method, "--effort": options.effort, "--dataset": options.dataset}
    told = [part for flag, value in named.items() if value is not None for part in (flag, value)]
    return ["train", *told, *(["--again"] if options.again else []), *_settings(options.settings)]


def _compare(here: Here, options: CompareOptions) -> list[str]:
    told = ["compare", "--yes", "--seed", str(options.seed)]
    if options.questions is not None:
        told += ["--questions", _kept(here, options.questions)]
    if options.arms is not None:
        told += ["--arms", ",".join(dict.fromkeys(options.arms))]
    if options.limit is not None:
        told += ["--limit", str(options.limit)]
    if options.adapter is not None:
        told += ["--adapter", options.adapter]
    return told if options.controls else [*told, "--no-controls"]


def _kept(here: Here, questions: list[Asked]) -> str:
    """The questions as a file, named by its content, so that the same ones are the same comparison."""
    lines = []
    for number, asked in enumerate(questions, 1):
        row = asked.model_dump(exclude_defaults=True) | {"id": f"q{number}"}
        # null says that the documents do not hold it; a field that is not there says nothing.
        if "answer" in asked.model_fields_set:
            row["answer"] = asked.answer
        lines.append(json.dumps(row, ensure_ascii=False))
    content = ("\n".join(lines) + "\n").encode()
    place = jobs.jobs_dir(here.folder)
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"questions-{hashlib.sha256(content).hexdigest()[:12]}.jsonl"
    write_atomic(path, content)
    return str(path)


def _settings(settings: dict[str, Value]) -> list[str]:
    """--set for each; only what is about this work. JSON's values are TOML's."""
    told: list[str] = []
    for key, value in settings.items():
        if not key.startswith(_SETTABLE) or not key.replace(".", "").replace("_", "").isalnum():
            raise ApiError(
                422, f"{key} cannot be set for a job.", "settings", param=f"options.settings.{key}"
            )
        told += ["--set", f"{key}={json.dumps(value)}"]
    return told
