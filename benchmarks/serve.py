"""What `loresmith serve` costs beside llama.cpp's own server with the same model, and what an answer
from documents costs in parts.

    python benchmarks/serve.py --workspace plant [--model FILE.gguf] [--clients 1,4,16] [--rounds 3]

Both servers are processes of their own with the same threads, slots, windows and batches, and are sent
the same requests: the messages of the arm "base" (a system message and one question, each question
different, so that no prompt is cached), greedy, the same number of tokens. They take turns round by
round, so that a busy machine hits both alike. Shown are the tokens per second over all clients, the
time to the first token, and the overhead: the ratio of both, round by round, of the clock and of the
seconds of the processor (of the server's process alone), which other programs disturb less.

Then the workspace is asked from its documents: the seconds of retrieval, generation and verification
as the server tells them, and the same passages a second time with another wording, which reuses the
model's cached prompt.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from loresmith.answering import unaided
from loresmith.models import download, registry

HERE = Path(__file__).resolve()
WINDOW = 2048
SECONDS = 900.0


def question(number: int) -> str:
    parts = ("pump", "valve", "gearbox", "boiler", "conveyor", "press", "lathe")
    return (
        f"Note {number * 7919 % 99991}: write a long story about the {parts[number % len(parts)]} of "
        f"hall {number} and the people who look after it, in many sentences."
    )


@dataclass(frozen=True)
class Server:
    url: str
    process: int


# --- the servers ----------------------------------------------------------------------------------


def llama(model: str, port: int, threads: int, slots: int) -> None:
    """llama.cpp's own server, with the settings of models/llamacpp.py."""
    import xllamacpp

    from loresmith.models.llamacpp import PROMPT_BATCH

    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames, params.port = ["127.0.0.1"], port
    params.verbosity = 0
    params.n_ctx, params.n_parallel, params.kv_unified = WINDOW * slots, slots, False
    params.n_batch = params.n_ubatch = PROMPT_BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.warmup = params.fit_params = params.prefill_assistant = False
    server = xllamacpp.Server(params)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    del server


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_ready(url: str, path: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}{path}", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{url} is not ready after two minutes.")


# --- the clients ----------------------------------------------------------------------------------


def ask(url: str, request: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds to the first text, seconds in all, tokens."""
    began, first, tokens = time.perf_counter(), 0.0, 0
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=request, timeout=SECONDS) as answer:
        if answer.status_code != 200:
            raise SystemExit(f"{answer.status_code}: {answer.read().decode()}")
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if any(choice["delta"].get("content") for choice in chunk["choices"]):
                first = first or time.perf_counter() - began
            if chunk.get("usage"):
                tokens = chunk["usage"]["completion_tokens"]
    return first, time.perf_counter() - began, tokens


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def together(server: Server, base: dict[str, Any], clients: int, each: int, start: int) -> dict[str, float]:
    """`clients` threads with `each` questions one after the other."""
    url, spent = server.url, processor_seconds(server.process)
    outcomes: list[tuple[float, float, int]] = []

    def work(client: int) -> None:
        for turn in range(each):
            text = question(start + client * each + turn)
            outcomes.append(
                ask(url, {**base, "messages": [*base["messages"], {"role": "user", "content": text}]})
            )

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if len(outcomes) != clients * each:
        raise SystemExit("a client failed")
    return {
        "seconds": seconds,
        "processor": processor_seconds(server.process) - spent,
        "first": statistics.median(one[0] for one in outcomes),
        "tokens": sum(one[2] for one in outcomes),
        "rate": sum(one[2] for one in outcomes) / seconds,
    }


def beside(urls: dict[str, Server], options: argparse.Namespace) -> list[dict[str, Any]]:
    system = unaided.messages("")[0]
    base = {
        "max_tokens": options.tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [system],
    }
    names = {"loresmith": "loresmith-base", "llama.cpp": "any"}
    rows: list[dict[str, Any]] = []
    start = 1000
    for name, server in urls.items():  # the first request of each is not counted
        together(server, {**base, "model": names[name], "max_tokens": 8}, 1, 1, 1)
    for clients in options.clients:
        each = max(1, options.questions // clients)
        for turn in range(options.rounds):
            order = list(urls) if turn % 2 == 0 else list(reversed(urls))
            for name in order:
                found = together(urls[name], {**base, "model": names[name]}, clients, each, start)
                rows.append({"clients": clients, "round": turn, "server": name, **found})
                print(json.dumps(rows[-1]), flush=True)
            start += clients * each
    return rows


def report(rows: list[dict[str, Any]]) -> None:
    print("\n| clients | server | tokens/s | first token, s | overhead, processor | overhead, clock |")
    print("| --- | --- | --- | --- | --- | --- |")
    for clients in dict.fromkeys(row["clients"] for row in rows):
        mine = [row for row in rows if row["clients"] == clients]
        for name in ("llama.cpp", "loresmith"):
            found = [row for row in mine if row["server"] == name]
            rate = statistics.median(row["rate"] for row in found)
            first = statistics.median(row["first"] for row in found)
            over = [ratio(mine, of) if name == "loresmith" else "" for of in ("processor", "seconds")]
            print(f"| {clients} | {name} | {rate:.1f} | {first:.2f} | {over[0]} | {over[1]} |")


def ratio(rows: list[dict[str, Any]], of: str) -> str:
    """Ours over theirs, per token, round by round: the median and the ends."""
    rounds: dict[int, dict[str, float]] = {}
    for row in rows:
        rounds.setdefault(row["round"], {})[row["server"]] = row[of] / row["tokens"]
    found = sorted(pair["loresmith"] / pair["llama.cpp"] - 1 for pair in rounds.values())
    return f"{statistics.median(found):+.1%} ({found[0]:+.1%} … {found[-1]:+.1%})"


def from_documents(url: str, questions: list[str]) -> None:
    """The parts of an answer, and the same passages again."""
    parts: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {"first text": [], "generation": []}
    for text in questions:
        once, twice = (answered(url, wording) for wording in (text, f"Please tell me: {text}"))
        for name, value in once.items():
            parts.setdefault(name, []).append(value)
        for name, ratios in again.items():
            ratios.append(once[name] / twice[name] if twice[name] else 0.0)
    whole = parts.pop("whole")
    print("\n| part | median s | share of the time |\n| --- | --- | --- |")
    for name, values in parts.items():
        share = f"{sum(values) / sum(whole):.1%}" if name != "first text" else ""
        print(f"| {name} | {statistics.median(values):.3f} | {share} |")
    print(f"| whole | {statistics.median(whole):.3f} | |")
    for name, ratios in again.items():
        print(f"\nThe same passages again: {name} {statistics.median(ratios):.1f} times as fast (median).")


def answered(url: str, text: str) -> dict[str, float]:
    """Seconds of the parts of one answer, as the server tells them, to the first text (a verified sentence
    or the refusal to make one), and in all."""
    request = {"model": "loresmith-rag", "stream": True, "messages": [{"role": "user", "content": text}]}
    began, first, said = time.perf_counter(), 0.0, {}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=request, timeout=SECONDS) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                choice = json.loads(line.removeprefix("data: "))["choices"][0]
                first = first or (time.perf_counter() - began if choice["delta"].get("content") else 0.0)
                said = choice.get("loresmith", {}).get("seconds", said)
    return {**said, "first text": first, "whole": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workspace", type=Path, required=False)
    parser.add_argument("--model", default="smollm2-135m", help="a registry name or a GGUF file")
    parser.add_argument("--clients", default="1,4,16", type=lambda t: [int(n) for n in t.split(",")])
    parser.add_argument("--questions", type=int, default=16, help="of one round, over all clients")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--ask", nargs="*", default=[], help="questions to the documents, for the parts")
    parser.add_argument("--llama", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.llama:
        llama(options.model, options.llama, options.threads, options.slots)
        return
    path = Path(options.model)
    model = str(path.resolve() if path.suffix == ".gguf" else download.ensure(registry.find(options.model)))
    port, own = free_port(), free_port()
    numbers = ["--threads", str(options.threads), "--slots", str(options.slots)]
    theirs = [sys.executable, str(HERE), "--llama", str(port), "--model", model, *numbers]
    sets = {
        "model.name": model, "model.threads": options.threads, "model.context_tokens": WINDOW,
        "server.parallel": options.slots,
    }  # fmt: skip
    ours = [
        *(sys.executable, "-m", "loresmith", "serve", "-w", str(options.workspace), "--port", str(own)),
        *(word for key, value in sets.items() for word in ("--set", f"{key}={value}")),
    ]
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{platform.machine()}, {load}, {Path(model).name}, {options.threads} threads,")
    print(f"{options.slots} slots, {options.tokens} tokens each, {options.rounds} rounds")
    with running(theirs) as their_process, running(ours) as own_process:
        urls = {
            "loresmith": Server(f"http://127.0.0.1:{own}", own_process.pid),
            "llama.cpp": Server(f"http://127.0.0.1:{port}", their_process.pid),
        }
        wait_until_ready(urls["llama.cpp"].url, "/health")
        wait_until_ready(urls["loresmith"].url, "/readyz")
        rows = beside(urls, options)
        report(rows)
        if options.ask:
            from_documents(urls["loresmith"].url, options.ask)


if __name__ == "__main__":
    main()
