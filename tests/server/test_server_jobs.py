"""/api/jobs: long work in processes of its own, which outlive the server. Nothing here is pretended: a
job runs the command line; where a test needs one that lasts, it reads from a pipe that nobody writes to."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from serving import Serve
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import store
from loresmith.dataset.example import Example
from loresmith.server import jobs, progress
from loresmith.workspace import WorkspaceDir

SECONDS = 90.0


def folder_of(serve: Serve) -> WorkspaceDir:
    return folders.open_dir(serve.root)


def waited(folder: WorkspaceDir, name: str, until: Callable[[jobs.Job], bool]) -> jobs.Job:
    """The job once `until` is true of it. Looks, since what it waits for is another process."""
    ends = time.monotonic() + SECONDS
    looked = threading.Event()
    while not until(job := jobs.get(folder, name)):
        assert time.monotonic() < ends, job
        looked.wait(0.02)
    return job


def ended(job: jobs.Job) -> bool:
    return job.state not in jobs.UNDER_WAY


@pytest.fixture(autouse=True)
def nothing_lasts(tmp_path: Path) -> Iterator[None]:
    """Jobs outlive the server: also a test that fails leaves none behind."""
    yield
    for written in tmp_path.rglob("jobs/*.pid"):
        process = written.read_text().strip()
        command = Path(f"/proc/{process}/cmdline")
        if process and command.exists() and str(tmp_path).encode() in command.read_bytes():
            with suppress(ProcessLookupError):
                os.killpg(int(process), signal.SIGKILL)


def lasting(folder: WorkspaceDir, tmp_path: Path) -> jobs.Job:
    """A job that is at work until somebody ends it."""
    pipe = tmp_path / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    job = jobs.post(folder, "train", {}, ["feedback", "--file", str(pipe)], "anna")
    return waited(folder, job.id, lambda found: found.state == "running")


@contextmanager
def occupied(folder: WorkspaceDir, queue: str) -> Iterator[None]:
    """As if another job of this queue were working."""
    jobs.jobs_dir(folder).mkdir(exist_ok=True)
    with (jobs.jobs_dir(folder) / f"{queue}.queue").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def events(client: TestClient, name: str) -> list[dict[str, Any]]:
    told = client.get(f"/api/jobs/{name}/events")
    assert told.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: ")]


def test_a_job_from_its_post_to_its_result(serve: Serve) -> None:
    """A whole sync, as the page starts it: it fails here, since the index was built by the tests' own
    embedder and `embedder.name` is unknown, and says so."""
    client = serve()
    posted = client.post("/api/settings", json={"embedder.name": "no-such-embedder"})
    assert posted.status_code == 200
    answer = client.post("/api/jobs", json={"kind": "sync"})
    assert answer.status_code == 202
    name = answer.json()["job"]["id"]
    told = events(client, name)
    assert told[0]["state"] in jobs.UNDER_WAY
    assert told[-1]["state"] == "failed"
    assert "no-such-embedder" in told[-1]["error"]["problem"]
    found = client.get(f"/api/jobs/{name}").json()["job"]
    assert (found["state"], found["by"], found["kind"]) == ("failed", "owner", "sync")
    assert client.get("/api/jobs").json()["jobs"][0]["id"] == name


@pytest.mark.models
def test_a_sync_makes_what_was_uploaded_findable(
    serve: Serve, model_files: Callable[..., list[Path]]
) -> None:
    model_files("all-MiniLM-L6-v2")
    client = serve()
    note = b"The hall crane of bay seven lifts 12 tonnes.\n"
    client.post("/api/documents", files={"files": ("crane.txt", note)})
    name = client.post("/api/jobs", json={"kind": "sync"}).json()["job"]["id"]
    told = events(client, name)
    assert told[-1]["state"] == "done", told[-1]
    assert told[-1]["result"]["documents"]["added"] == 1
    assert {event["stage"] for event in told} - {""} <= {"scanning", "reading", "embedding", "indexing"}
    assert told[-1]["stage"] == "indexing"
    hits = client.get("/api/search", params={"q": "crane", "mode": "text"}).json()["hits"]
    assert hits[0]["document"] == "crane.txt"


def test_jobs_of_one_queue_wait_for_each_other(serve: Serve) -> None:
    client, folder = serve(), folder_of(serve)
    with occupied(folder, "index"):
        first = client.post("/api/jobs", json={"kind": "sync"}).json()["job"]
        assert first["state"] == "queued"
        same = client.post("/api/jobs", json={"kind": "sync"}).json()["job"]
        assert same["id"] == first["id"]  # one waiting sync does for all
        other = client.post("/api/jobs", json={"kind": "dataset"}).json()["job"]
        assert other["id"] != first["id"]
        for name in (first["id"], other["id"]):
            client.delete(f"/api/jobs/{name}")
            assert waited(folder, name, ended).state == "stopped"


def test_too_many_waiting_jobs_are_refused(serve: Serve) -> None:
    client, folder = serve(), folder_of(serve)
    with occupied(folder, "compare"):
        answers = [
            client.post("/api/jobs", json={"kind": "compare", "options": {"seed": n}})
            for n in range(jobs.MOST_WAITING + 1)
        ]
        assert [a.status_code for a in answers] == [202] * jobs.MOST_WAITING + [429]
        for answer in answers[:-1]:
            client.delete(f"/api/jobs/{answer.json()['job']['id']}")
        for answer in answers[:-1]:
            waited(folder, answer.json()["job"]["id"], ended)


def test_a_job_outlives_the_server_and_is_found_again(serve: Serve, tmp_path: Path) -> None:
    folder = folder_of(serve)
    with ExitStack() as one_server:
        client = Serve(serve.root, one_server)()
        job = lasting(folder, tmp_path)
        assert client.get(f"/api/jobs/{job.id}").json()["job"]["state"] == "running"
    again = serve()
    assert again.get(f"/api/jobs/{job.id}").json()["job"]["state"] == "running"
    assert again.delete(f"/api/jobs/{job.id}").json()["job"]["id"] == job.id
    assert waited(folder, job.id, ended).state == "stopped"
    assert again.get("/api/jobs").json()["jobs"][0]["state"] == "stopped"


def test_what_was_killed_is_called_interrupted(serve: Serve, tmp_path: Path) -> None:
    folder = folder_of(serve)
    job = lasting(folder, tmp_path)
    os.killpg(int((jobs.jobs_dir(folder) / f"{job.id}.pid").read_text()), signal.SIGKILL)
    assert waited(folder, job.id, ended).state == "interrupted"
    # Its turn is free again, and one that was asked to stop before and did not listen is killed.
    after = lasting(folder, tmp_path)
    (jobs.jobs_dir(folder) / f"{after.id}.stop").touch()
    jobs.stop(folder, after.id)
    assert waited(folder, after.id, ended).state == "stopped"
    assert not (jobs.jobs_dir(folder) / f"{after.id}.end").exists()


def test_what_was_killed_beneath_its_job_is_interrupted_too(serve: Serve, tmp_path: Path) -> None:
    """As where memory runs out: the command dies, the process that watches it does not."""
    folder = folder_of(serve)
    job = lasting(folder, tmp_path)
    watcher = (jobs.jobs_dir(folder) / f"{job.id}.pid").read_text()
    children = Path(f"/proc/{watcher}/task/{watcher}/children")
    if not children.exists():
        pytest.skip("no /proc here that names children")
    waited(folder, job.id, lambda _: bool(children.read_text()))
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    found = waited(folder, job.id, ended)
    assert found.state == "interrupted"
    assert found.error is not None
    assert "ended from outside (signal 9)" in found.error["problem"]


def test_a_wish_to_stop_is_seen_by_whoever_looks(serve: Serve, tmp_path: Path) -> None:
    folder = folder_of(serve)
    job = lasting(folder, tmp_path)
    assert not jobs.get(folder, job.id).stopping
    (jobs.jobs_dir(folder) / f"{job.id}.stop").touch()
    assert serve().get(f"/api/jobs/{job.id}").json()["job"]["stopping"]
    jobs.stop(folder, job.id)
    found = waited(folder, job.id, ended)
    assert (found.state, found.stopping) == ("stopped", False)


def test_the_time_left_is_that_of_the_steps_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    tell = progress.recorder(tmp_path / "job")

    def left() -> float | None:
        return progress.read(tmp_path / "job")["left"]  # type: ignore[no-any-return]

    tell("proving", 40, 100)  # 40 were done before
    assert left() is None
    now = 101.0
    tell("proving", 50, 100)
    assert left() is None  # too early to say
    now = 110.0
    tell("proving", 60, 100)
    assert left() == 20.0  # 20 in 10 seconds, 40 to go
    now = 111.0
    tell("rows", 1, 10)
    assert left() is None
    tell("training", 3, 9, 12.34)
    assert left() == 12.3


def test_a_training_tells_its_steps_and_goes_on_with_all_of_them(tmp_path: Path) -> None:
    """A real training of a tiny model, stopped and resumed through the API."""
    pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
    pytest.importorskip("peft", reason="pip install loresmith[train]")
    from training.tiny import tiny_phi3

    folder = folders.create(tmp_path / "w", {"model.name": str(tiny_phi3(tmp_path / "model"))})
    rows = []
    for n in range(8):
        question = f"Torque of pump {n}?"
        said = {"role": "assistant", "content": f"It is {n + 20} Nm."}
        messages = (*unaided.messages(question), said)
        rows.append(Example(messages=messages, kind="closed", question=question, fact=f"f{n}", origin="t"))  # type: ignore[arg-type]
    store.save(
        folder.datasets_dir, rows, {row.id: "dev" if n == 0 else "train" for n, row in enumerate(rows)}
    )
    settings = {"training.max_steps": 4000, "training.epochs": 4000, "training.rank": 2}
    with ExitStack() as stack:
        client = Serve(folder.root, stack)()
        asked = {"kind": "train", "options": {"method": "lora", "settings": settings}}
        first = client.post("/api/jobs", json=asked).json()["job"]["id"]
        going = waited(folder, first, lambda job: ended(job) or (job.stage == "training" and job.done >= 3))
        assert going.state == "running", going
        assert (going.total or 0) > 3
        waited(folder, first, lambda job: ended(job) or job.left is not None)
        client.delete(f"/api/jobs/{first}")
        stopped = waited(folder, first, ended)
        assert stopped.state == "stopped", stopped
        assert stopped.result is not None
        assert stopped.result["stopped"] == "interrupted"
        done = stopped.result["steps"]
        (run,) = client.get("/api/adapters").json()["unfinished"]
        assert run["adapter"] == stopped.result["adapter"]

        second = client.post("/api/jobs", json={"kind": "train", "options": {"resume": True}}).json()["job"]
        again = waited(folder, second["id"], lambda job: ended(job) or len(job.steps) > len(stopped.steps))
        assert again.steps[: len(stopped.steps)] == stopped.steps  # the curves are whole
        assert again.done >= done
        client.delete(f"/api/jobs/{second['id']}")
        waited(folder, second["id"], ended)

        name = run["adapter"]
        assert client.delete("/api/adapters/lora-none").status_code == 404
        assert client.delete(f"/api/adapters/{name}").json() == {"removed": name}
        assert client.get("/api/adapters").json()["unfinished"] == []


def test_stages_and_steps_come_while_they_are_made(serve: Serve) -> None:
    folder = folder_of(serve)
    with occupied(folder, "train"):
        job = jobs.post(folder, "train", {}, ["releases"], "anna")
        base = jobs.jobs_dir(folder) / job.id
        progress.recorder(base)("training", 3, 10)
        record = progress.step_recorder(base)
        record({"step": 1, "loss": 2.5})
        with base.with_name(f"{job.id}.steps").open("a") as file:
            file.write('{"step": 2, "lo')  # as a reader may find it
        found = jobs.get(folder, job.id)
        assert (found.stage, found.done, found.total) == ("training", 3, 10)
        assert found.steps == [{"step": 1, "loss": 2.5}]
        steps, offset = progress.read_steps(base)
        assert len(steps) == 1
        assert progress.read_steps(base, offset) == ([], offset)
    told = events(serve(), job.id)
    assert [step for event in told for step in event["steps"]] == [{"step": 1, "loss": 2.5}]
    assert told[-1]["state"] == "done"
    assert told[-1]["result"] == {"current": None, "releases": []}  # as the command printed it
    assert told[-1]["created"] <= told[-1]["started"] <= told[-1]["finished"]


@pytest.mark.parametrize(
    ("kind", "options", "param"),
    [
        ("paint", {}, "kind"),
        ("sync", {"fast": True}, "options.fast"),
        ("train", {"method": "magic"}, "options.method"),
        ("train", {"resume": True, "method": "lora"}, "options.resume"),
        ("train", {"dataset": "../../x"}, "options.dataset"),
        ("train", {"settings": {"model.endpoint": "http://x"}}, "options.settings.model.endpoint"),
        ("train", {"settings": {"training.rank --debug": 1}}, "options.settings.training.rank --debug"),
        ("compare", {"questions": []}, "options.questions"),
        ("compare", {"questions": "/etc/passwd"}, "options.questions"),
        ("compare", {"adapter": "--judge"}, "options.adapter"),
        ("compare", {"arms": ["rag", "all"]}, "options.arms.1"),
    ],
)
def test_options_that_make_no_sense_start_nothing(
    quiet: TestClient, kind: str, options: dict[str, Any], param: str
) -> None:
    answer = quiet.post("/api/jobs", json={"kind": kind, "options": options})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert quiet.get("/api/jobs").json() == {"jobs": []}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("quiet") / "plant"
    folders.create(root, {"model.name": "none"})
    with ExitStack() as stack:
        yield Serve(root, stack)()


def test_options_become_the_command_line(serve: Serve) -> None:
    client, folder = serve(), folder_of(serve)
    wanted = {
        "train": (
            {"method": "lora", "effort": "quick", "settings": {"training.max_steps": 3}},
            ["train", "--method", "lora", "--effort", "quick", "--set", "training.max_steps=3"],
        ),
        "dataset": ({"access": ["staff"]}, ["dataset", "build", "--access", "staff"]),
        "compare": (
            {"arms": ["rag", "both"], "limit": 5, "controls": False, "seed": 2},
            ["compare", "--yes", "--seed", "2", "--arms", "rag,both", "--limit", "5", "--no-controls"],
        ),
    }
    for kind, (options, arguments) in wanted.items():
        with occupied(folder, jobs.QUEUES[kind]):  # type: ignore[index]
            job = client.post("/api/jobs", json={"kind": kind, "options": options}).json()["job"]
            asked = json.loads((jobs.jobs_dir(folder) / f"{job['id']}.json").read_text())
            assert asked["arguments"] == [*arguments, "--workspace", str(serve.root), "--json"]
            client.delete(f"/api/jobs/{job['id']}")
            waited(folder, job["id"], ended)


def test_a_job_of_no_such_name(quiet: TestClient) -> None:
    for name in ("x", "..", "%2e%2e%2fkeys", "20260101-000000-0000000"):
        for method in ("GET", "DELETE"):
            assert quiet.request(method, f"/api/jobs/{name}").status_code in (404, 405)
    assert quiet.get("/api/jobs/x/events").status_code == 404


def test_old_jobs_are_forgotten_and_waiting_ones_are_not(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KEPT", 1)
    folder = folder_of(serve)
    jobs.jobs_dir(folder).mkdir()
    for n in range(3):
        asked = {"id": f"20200101-00000{n}-0", "kind": "sync", "options": {}, "created": float(n)}
        (jobs.jobs_dir(folder) / f"{asked['id']}.json").write_text(json.dumps(asked))
        (jobs.jobs_dir(folder) / f"{asked['id']}.log").write_text("words\n")
    with occupied(folder, "compare"):
        first = jobs.post(folder, "compare", {"seed": 1}, ["releases"], "anna")
        second = jobs.post(folder, "compare", {"seed": 2}, ["releases"], "anna")
        left = {job.id: job.state for job in jobs.listing(folder)}
        assert left == {second.id: "queued", first.id: "queued", "20200101-000002-0": "interrupted"}
        files = {path.name.split(".")[0] for path in jobs.jobs_dir(folder).glob("2*")}
        assert files == set(left)
        for job in (first, second):
            jobs.stop(folder, job.id)
            waited(folder, job.id, ended)
