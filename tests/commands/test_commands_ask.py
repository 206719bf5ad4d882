"""sync, search, similar, ask, chat, verify at the terminal, over a real embedder."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.models


@pytest.fixture
def synced(loresmith, plant, model_files):
    model_files("all-MiniLM-L6-v2")
    ran = loresmith("sync", "-w", "plant")
    assert ran.status == 0, ran.err
    return plant


def test_sync_says_what_it_did_and_the_second_time_that_nothing_changed(loresmith, plant, model_files):
    model_files("all-MiniLM-L6-v2")
    first = loresmith("sync", "-w", "plant", "--json").json
    assert first["documents"] == {"added": 2, "changed": 0, "removed": 0, "unchanged": 0, "failed": []}
    assert first["passages"] >= 2
    second = loresmith("sync", "-w", "plant")
    assert "0 added, 0 changed, 0 removed, 2 unchanged" in second.out


def test_a_document_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    loresmith, plant, tmp_path, model_files
):
    model_files("all-MiniLM-L6-v2")
    (tmp_path / "documents/broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    (tmp_path / "documents/empty.docx").write_bytes(b"")
    ran = loresmith("sync", "-w", "plant")
    assert ran.status == 0
    assert "2 added" in ran.out
    assert "2 failed" in ran.out
    for name in ("broken.pdf", "empty.docx"):
        assert f"not read: {name}: " in ran.out


def test_ask_cites_the_place(loresmith, synced):
    answer = loresmith("ask", "Which torque for the M8 flange bolts of the P-200?", "-w", "plant", "--json")
    assert answer.status == 0
    citation = answer.json["sentences"][0]["citations"][0]
    assert citation["document"] == "manual.md"
    assert "25 Nm" in citation["quote"]
    assert citation["locator"]["line"] == 5
    assert answer.json["model"]


def test_ask_shows_numbered_citations_and_the_quote(loresmith, synced):
    ran = loresmith("ask", "Which torque for the M8 flange bolts of the P-200?", "-w", "plant")
    assert "[1]" in ran.out
    assert "manual.md" in ran.out
    assert "25 Nm" in ran.out


def test_ask_what_the_documents_do_not_say(loresmith, synced):
    ran = loresmith("ask", "Who won the football world cup in 1974?", "-w", "plant")
    assert ran.status == 3
    assert "Nearest passages:" in ran.out
    as_json = loresmith("ask", "Who won the football world cup in 1974?", "-w", "plant", "--json")
    assert as_json.status == 3
    assert as_json.json["abstained"] is True
    assert as_json.json["sentences"] == []


def test_search_in_each_mode(loresmith, synced):
    for mode in ("hybrid", "dense", "text"):
        hits = loresmith("search", "mechanical seal", "--mode", mode, "--k", "2", "-w", "plant", "--json")
        assert hits.status == 0, hits.err
        assert hits.json["hits"][0]["document"] == "manual.md"
        assert [hit["rank"] for hit in hits.json["hits"]] == [1, 2][: len(hits.json["hits"])]


def test_search_filters_by_document_and_date(loresmith, synced):
    only = loresmith("search", "seal", "--document", "storage.txt", "-w", "plant", "--json").json["hits"]
    assert {hit["document"] for hit in only} == {"storage.txt"}
    assert loresmith("search", "seal", "--until", "1990-01-01", "-w", "plant").out == "Nothing found.\n"


def test_a_reader_without_the_label_does_not_see_it(loresmith, synced, tmp_path):
    (tmp_path / "salaries.txt").write_text("The salary of the fitter of the P-200 is 4,000 euros.\n")
    loresmith("add", "salaries.txt", "--label", "hr", "-w", "plant")
    loresmith("sync", "-w", "plant")
    owner = loresmith("search", "salary of the fitter", "-w", "plant", "--json").json["hits"]
    assert owner[0]["document"] == "salaries.txt"
    reader = loresmith("search", "salary of the fitter", "--access", "service", "-w", "plant", "--json")
    assert "salaries.txt" not in {hit["document"] for hit in reader.json["hits"]}
    answer = loresmith("ask", "What is the salary of the fitter?", "--access", "service", "-w", "plant")
    assert answer.status == 3
    assert "4,000" not in answer.out


def test_similar(loresmith, synced):
    ran = loresmith("similar", "manual.md", "-w", "plant", "--json")
    assert [hit["document"] for hit in ran.json["hits"]] == ["storage.txt"]
    unknown = loresmith("similar", "manual.pdf", "-w", "plant")
    assert unknown.status != 0
    assert "manual.pdf" in unknown.err


def test_a_file_of_questions(loresmith, synced, tmp_path):
    rows = [
        {"id": "a", "question": "Which torque for the M8 flange bolts of the P-200?"},
        {"id": "b", "question": "Who won the football world cup in 1974?"},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = loresmith("ask", "--file", "q.jsonl", "--out", "a.jsonl", "-w", "plant")
    assert ran.status == 0
    answers = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(row["id"], row["abstained"]) for row in answers] == [("a", False), ("b", True)]
    again = loresmith("ask", "--file", "q.jsonl", "--out", "a.jsonl", "-w", "plant", "--json")
    assert (again.json["done"], again.json["kept"]) == (0, 2)
    found = loresmith("search", "--file", "q.jsonl", "-w", "plant")
    assert json.loads(found.out.splitlines()[0])["hits"][0]["document"] == "manual.md"


def test_chat_remembers_and_forgets(loresmith, synced, monkeypatch):
    lines = "Which torque for the M8 flange bolts of the P-200?\n/exit\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    ran = loresmith("chat", "-w", "plant", "--json")
    assert ran.status == 0, ran.err
    assert len(ran.json["turns"]) == 1
    assert loresmith("chat", "--forget", "-w", "plant", "--json").json == {"chat": "chat", "forgotten": 1}
    assert loresmith("chat", "--forget", "-w", "plant", "--json").json["forgotten"] == 0


def test_verify_finds_the_index_gone(loresmith, synced):
    sound = loresmith("verify", "-w", "plant", "--json")
    assert (sound.status, sound.json["ok"], sound.json["problems"]) == (0, True, [])
    shutil.rmtree(synced / ".loresmith/index")
    ran = loresmith("verify", "-w", "plant", "--json")
    assert ran.status == 1
    assert ran.json["problems"]
    ran = loresmith("verify", "--repair", "-w", "plant")
    assert ran.status == 0
    assert "mended: index" in ran.out
    assert loresmith("verify", "-w", "plant").status == 0


# --- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["ask", "x"], ["search", "x"], ["similar", "x"]])
def test_before_the_first_sync(loresmith, plant, command, model_files):
    model_files("all-MiniLM-L6-v2")
    ran = loresmith(*command, "-w", "plant")
    assert ran.status == 1
    assert "loresmith sync" in ran.err


@pytest.mark.parametrize(
    "command",
    ["sync", "verify", "search x", "similar x", "ask x", "chat", "calibrate --questions q"],
)
def test_a_missing_workspace_is_named(loresmith, tmp_path, command):
    ran = loresmith(*command.split(), "-w", "nowhere")
    assert ran.status == 2
    assert f"{tmp_path}/nowhere is not a workspace" in ran.err
    assert "loresmith init nowhere" in ran.err


def test_a_source_that_is_gone_is_named_and_fails_the_sync(loresmith, synced, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/new.txt").write_text("Grease the coupling of the P-200 every year.\n")
    loresmith("add", "more", "-w", "plant")
    (tmp_path / "documents").rename(tmp_path / "elsewhere")
    ran = loresmith("sync", "-w", "plant")
    assert ran.status == 1
    assert f"{tmp_path}/documents: no such file or folder" in ran.err
    assert "1 added" in ran.out


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--model", "./missing.gguf"], "missing.gguf"),
        (["--model", "./text.gguf"], "text.gguf"),
        (["--model", "qwen2.5-coder-0.5"], "Did you mean qwen2.5-coder-0.5b?"),
        (["--model", "m", "--set", "model.endpoint=http://127.0.0.1:9/v1"], "http://127.0.0.1:9/v1"),
        (["--arm", "tuned"], "adapter"),
        (["--embedder", "./nowhere"], "nowhere"),
    ],
)
def test_a_model_that_cannot_answer_is_named(loresmith, synced, tmp_path, flags, named):
    (tmp_path / "text.gguf").write_text("not a model")
    ran = loresmith("ask", "Which torque for the M8 flange bolts of the P-200?", "-w", "plant", *flags)
    assert ran.status == 1, ran.out
    assert named in ran.err
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err


def test_a_full_disk_is_named_and_nothing_is_lost(loresmith, synced, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(synced, mount / "plant")
        (mount / "documents").symlink_to(tmp_path / "documents")
        (mount / "rest").write_bytes(b"x" * (shutil.disk_usage(mount).free - 8192))
        words = " ".join(f"{n * n * 7919:x}" for n in range(2_000))
        (tmp_path / "documents/long.txt").write_text(words)
        ran = loresmith("sync", "-w", mount / "plant")
        assert ran.status == 1
        assert "full" in ran.err
        assert "Traceback" not in ran.err
        (mount / "rest").unlink()
        subprocess.run(["mount", "-o", "remount,size=200m", str(mount)], check=True)
        assert loresmith("sync", "-w", mount / "plant").status == 0
        assert loresmith("verify", "-w", mount / "plant").status == 0
        assert loresmith("search", "mechanical seal", "-w", mount / "plant", "--json").json["hits"]
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_ctrl_c_stops_a_sync_and_the_next_one_finishes(loresmith, plant, tmp_path, model_files):
    model_files("all-MiniLM-L6-v2")
    for number in range(60):
        (tmp_path / f"documents/{number}.txt").write_text(f"Pump {number} is made of steel {number * 7}.")
    running = subprocess.Popen(
        [sys.executable, "-m", "loresmith", "sync", "-w", "plant"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Once state.db is there the work has begun.
    deadline = time.monotonic() + 60
    while not (plant / ".loresmith/state.db").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Stopped." in said
    assert "Traceback" not in said
    report = loresmith("sync", "-w", "plant", "--json").json
    assert sum(report["documents"][kind] for kind in ("added", "changed", "unchanged")) == 62, report
    assert loresmith("verify", "-w", "plant").status == 0


def test_calibrate_needs_enough_questions(loresmith, synced, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"question": "Which torque for the M8 bolts?", "answer": "25 Nm"}\n')
    ran = loresmith("calibrate", "--questions", "q.jsonl", "-w", "plant")
    assert ran.status == 2
    assert "at least 10 of each are needed" in ran.err
    missing = loresmith("calibrate", "--questions", "none.jsonl", "-w", "plant")
    assert missing.status == 2
    assert "none.jsonl" in missing.err


def test_calibrate_keeps_what_it_fitted(loresmith, synced, tmp_path):
    good = [
        {"question": f"Which torque for the M8 flange bolts, case {n}?", "answer": "25 Nm"} for n in range(12)
    ]
    bad = [
        {"question": f"Who won the football world cup in {1950 + 4 * n}?", "answer": None} for n in range(12)
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in good + bad))
    ran = loresmith("calibrate", "--questions", "q.jsonl", "-w", "plant", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["after"]["false_answers"] == 0
    assert os.path.exists(ran.json["file"])
    assert loresmith("ask", "Which torque for the M8 flange bolts?", "-w", "plant").status == 0


def test_a_source_is_named_as_it_is_listed_or_from_here(loresmith, synced, tmp_path):
    for name in ("../documents", "documents", tmp_path / "documents"):
        found = loresmith("search", "torque", "-w", "plant", "--source", name, "--json").json
        assert found["hits"], name
    ran = loresmith("search", "torque", "-w", "plant", "--source", "dokuments")
    assert ran.status == 2
    assert "dokuments is not a source of this workspace. Its sources: ../documents." in ran.err


def test_a_source_that_cannot_be_read_is_told_once(loresmith, plant, model_files):
    model_files("all-MiniLM-L6-v2")
    loresmith("add", "http://127.0.0.1:9/page", "-w", "plant")
    ran = loresmith("sync", "-w", "plant")
    assert ran.status == 1
    assert (ran.out + ran.err).count("private address") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_an_answer_that_goes_to_a_full_disk_is_one_message(synced):
    command = [sys.executable, "-m", "loresmith", "search", "torque", "--json", "-w", str(synced)]
    with open("/dev/full", "w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 1
    assert "the disk is full" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
