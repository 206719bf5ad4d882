"""Mixed load on `loresmith serve`, killed with -9 again and again: is anything acknowledged lost?

    python benchmarks/soak.py [--minutes 60] [--life 240] [--calm 0.25] [--pace 1] [--model smollm2-135m]

A server of its own over a fresh workspace is used by seven clients at once: two that ask (one by
/api/ask, who then says what was right, one by /v1/chat/completions), one that searches and opens
sources, one that looks at lists, status and metrics, one that uploads documents and one that deletes
some of them again, each followed by `sync` as a job, and one that sends what it should not (half a body,
unknown models, odd names). Every --life seconds on average the server is killed with SIGKILL and
started again; in the last part of the time (--calm) it is left alone, so that what it holds can be
watched: memory, threads, open files. --pace 4: the clients pause a quarter as long.

In the end everything that was acknowledged with 201 or 200 must be there: each verdict once, each
uploaded document searchable by a sentence that only it holds, no deleted one, `verify` clean. What
failed while the server was down is counted, and is no loss. Prints the counts, the losses (0 wanted),
every answer of the 5xx kind from a living server, and what the server held over its last life.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent.parent
QUESTIONS = (
    "Which torque for the M8 flange bolts of the P-200?",
    "How long may the P-200 run dry at most?",
    "Which torque do the M20 bolts of the P-200 need?",
    "Which oil does the gearbox need?",
    "When is the bearing of the P-300 greased?",
    "What must be worn when the pump is opened?",
)


class Load:
    """What the clients share: where the server is, what it acknowledged, what went wrong."""

    def __init__(self, folder: Path, model: str, seed: int) -> None:
        self.workspace, self.model = folder / "plant", model
        self.random = random.Random(seed)
        self.url, self.process = "", None
        self.up, self.over = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.trouble: Counter[str] = Counter()
        self.verdicts: dict[str, str] = {}
        self.uploaded: dict[str, str] = {}
        self.deleted: dict[str, str] = {}
        self.unsure: set[str] = set()
        self.held: list[tuple[float, float, int, int, int]] = []

    def start(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "loresmith", "serve", "-w", str(self.workspace), "--port", str(port)]
        with (self.workspace.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    self.up.set()
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.3)
        raise SystemExit("The server is not ready after three minutes.")

    def kill(self) -> None:
        assert self.process is not None
        self.up.clear()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.counts["kills"] += 1

    def call(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer; None where the server was killed meanwhile."""
        self.up.wait()
        process = self.process
        try:
            told = httpx.request(method, self.url + path, timeout=300, **more)
        except httpx.HTTPError as error:
            if process is self.process and self.up.is_set() and process.poll() is None:
                self.trouble[f"{method} {path.split('?')[0]}: {type(error).__name__}"] += 1
            else:
                self.counts["cut off by a kill"] += 1
            return None
        self.counts["requests"] += 1
        if told.status_code >= 500 and process is self.process and self.up.is_set():
            self.trouble[f"{method} {path.split('?')[0]}: {told.status_code} {told.text[:200]}"] += 1
        return told

    def holds(self) -> tuple[float, int, int]:
        """The server's memory in MB, its threads, its open files."""
        assert self.process is not None
        process = Path(f"/proc/{self.process.pid}")
        lines = (line.split() for line in (process / "status").read_text().splitlines())
        found = {line[0]: line[1] for line in lines if len(line) > 1}
        return int(found["VmRSS:"]) / 1024, int(found["Threads:"]), len(list((process / "fd").iterdir()))


def asking(load: Load, number: int) -> None:
    question = QUESTIONS[number % len(QUESTIONS)]
    told = load.call("POST", "/api/ask", json={"question": question})
    if told is None or told.status_code != 200 or "event: answer" not in told.text:
        return
    load.counts["asked"] += 1
    found = json.loads(told.text.rpartition("data: ")[2])
    answer, words = found["answer"], f"Said by the soak, number {number}."
    body = {
        "question": question,
        "answer": found["id"],
        "text": answer["answer"],
        "passages": [hit["passage"] for hit in answer["hits"]],
        "verdict": "corrected",
        "correction": words,
    }
    told = load.call("POST", "/api/feedback", json=body)
    if told is not None and told.status_code == 201:
        load.verdicts[told.json()["feedback"]] = words


def chatting(load: Load, number: int) -> None:
    stream = number % 2 == 0
    body = {
        "model": ("loresmith", "loresmith-base")[number % 3 == 0],
        "messages": [{"role": "user", "content": QUESTIONS[(number * 5 + 1) % len(QUESTIONS)]}],
        "max_tokens": 48,
        "stream": stream,
    }
    told = load.call("POST", "/v1/chat/completions", json=body)
    load.counts["chats"] += told is not None and told.status_code == 200


def searching(load: Load, number: int) -> None:
    told = load.call("GET", "/api/search", params={"q": QUESTIONS[number % len(QUESTIONS)], "k": 5})
    if told is not None and told.status_code == 200 and told.json()["hits"]:
        load.call("GET", f"/api/source/{told.json()['hits'][0]['passage']}")


def looking(load: Load, number: int) -> None:
    paths = ("/api/status", "/api/documents", "/metrics", "/api/jobs", "/api/settings", "/", "/v1/models")
    load.call("GET", paths[number % len(paths)])


def uploading(load: Load, number: int) -> None:
    name, canary = f"note-{number:05}.md", f"The soak note {number} names the wombat {number * 7919 % 99991}."
    load.unsure.add(name)
    told = load.call("POST", "/api/documents", files={"files": (name, f"# Note {number}\n\n{canary}\n")})
    if told is None:
        return
    if told.status_code == 201 and "stored" in told.json()["files"][0]:
        load.unsure.discard(name)
        load.uploaded[name] = canary
        load.call("POST", "/api/jobs", json={"kind": "sync", "options": {}})


def deleting(load: Load, number: int) -> None:
    told = load.call("GET", "/api/documents")
    if told is None or told.status_code != 200:
        return
    mine = [
        d
        for d in told.json()["documents"]
        if d["id"].rpartition("/")[2] in load.uploaded and d["state"] == "indexed"
    ]
    if len(mine) < 5:
        return
    one = load.random.choice(mine)
    name = one["id"].rpartition("/")[2]
    canary = load.uploaded.pop(name)
    load.unsure.add(name)  # until the answer comes, it may be there or not
    told = load.call("DELETE", f"/api/documents/{one['id']}")
    if told is not None and told.status_code in (200, 204):
        load.unsure.discard(name)
        load.deleted[name] = canary


def misbehaving(load: Load, number: int) -> None:
    kind = number % 4
    if kind == 0:
        load.call("POST", "/v1/chat/completions", content=b'{"model": "lores')
    elif kind == 1:
        body = {"model": "nobody", "messages": [{"role": "user", "content": "?"}]}
        load.call("POST", "/v1/chat/completions", json=body)
    elif kind == 2:
        load.call("POST", "/api/documents", files={"files": ("../../escape.md", b"x")})
    else:
        load.up.wait()
        host, port = load.url.removeprefix("http://").split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=5) as half:
                half.sendall(b"POST /api/ask HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{")
        except OSError:
            pass


CLIENTS: tuple[tuple[Callable[[Load, int], None], float], ...] = (
    (asking, 6.0),
    (chatting, 9.0),
    (searching, 1.0),
    (looking, 1.5),
    (uploading, 12.0),
    (deleting, 31.0),
    (misbehaving, 5.0),
)


def client(load: Load, work: Callable[[Load, int], None], pause: float, seed: int) -> None:
    chance, number = random.Random(seed), 0
    while not load.over.wait(chance.uniform(0.3, 1.7) * pause):
        number += 1
        work(load, number)


def soak(load: Load, minutes: float, life: float, share: float, pace: float) -> None:
    load.start()
    threads = [
        threading.Thread(target=client, args=(load, work, pause / pace, at))
        for at, (work, pause) in enumerate(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    calm = began + 60 * (1 - share) * minutes
    while (now := time.monotonic()) < calm:
        time.sleep(min(load.random.uniform(0.4, 1.6) * life, max(0.1, calm - now)))
        if time.monotonic() < calm:
            load.kill()
            load.start()
            print(f"{(time.monotonic() - began) / 60:5.1f} min: {dict(load.counts)}", flush=True)
    load.kill()
    load.start()
    while time.monotonic() < began + 60 * minutes:
        load.held.append(((time.monotonic() - calm) / 60, *load.holds(), load.counts["requests"]))
        time.sleep(15)
    load.over.set()
    for thread in threads:
        thread.join()


def judge(load: Load) -> int:
    """What was acknowledged and is not there."""
    for _ in range(600):
        jobs = httpx.get(f"{load.url}/api/jobs", timeout=60).json()["jobs"]
        if not any(job["state"] in ("running", "waiting", "queued") for job in jobs):
            break
        time.sleep(1)
    assert load.process is not None
    load.process.terminate()
    load.process.wait()
    run("sync", "-w", str(load.workspace))
    verified = run("verify", "-w", str(load.workspace))
    lost = 0 if verified["ok"] else 1
    print(f"verify: {'clean' if verified['ok'] else verified['problems'][:5]}")
    from loresmith.state import State, learning

    with State.open(load.workspace / ".loresmith" / "state.db") as state:
        kept = Counter(str(row.payload.get("correction", "")) for row in learning.feedback(state))
    for words in load.verdicts.values():
        if kept[words] != 1:
            lost += 1
            print(f"feedback {words!r} is there {kept[words]} times")
    from loresmith.expert import Workspace

    with Workspace.open(load.workspace) as workspace:
        there = {info.id.rpartition("/")[2] for info in workspace.documents()}
        for name, canary in load.uploaded.items():
            found = workspace.search(canary, 1, "text")
            if name not in there or not found or canary not in found[0].passage.text:
                lost += 1
                print(f"document {name} was acknowledged and is not found")
        for name, canary in load.deleted.items():
            found = workspace.search(canary, 1, "text")
            if name in there or (found and canary in found[0].passage.text):
                lost += 1
                print(f"document {name} was deleted and is still found")
    return lost


def run(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "loresmith", *words, "--json"], capture_output=True, text=True
    )
    told: dict[str, Any] = json.loads(done.stdout or "{}")
    if done.returncode:
        print(f"loresmith {words[0]}: {done.returncode} {done.stderr[-500:]}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--life", type=float, default=240.0, help="seconds between kills, on average")
    parser.add_argument(
        "--calm", type=float, default=0.25, help="share of the time without kills, at the end"
    )
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as busy the clients are")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), options.model, options.seed)
        source = HERE / "examples" / "documents"
        run("init", str(load.workspace), "--from", str(source), "--model", options.model)
        run("sync", "-w", str(load.workspace))
        try:
            soak(load, options.minutes, options.life, options.calm, options.pace)
            lost = judge(load)
        finally:
            load.over.set()
            if load.process is not None and load.process.poll() is None:
                load.process.kill()
        print(f"\n{dict(load.counts)}")
        print(
            f"acknowledged: {len(load.verdicts)} verdicts, {len(load.uploaded) + len(load.deleted)} uploads, "
            f"{len(load.deleted)} deletions; lost: {lost}"
        )
        for what, times in load.trouble.most_common():
            print(f"trouble, {times} ×: {what}")
        print("the last life (minutes, MB, threads, open files, requests so far):")
        for minute, mb, tasks, files, requests in load.held[:: max(1, len(load.held) // 24)]:
            print(f"  {minute:5.1f} {mb:7.1f} {tasks:4} {files:5} {requests:7}")
        sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
