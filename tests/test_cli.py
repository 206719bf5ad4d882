"""The program as a whole: help without heavy modules, usage errors, one message for a failure."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
import typer

from loresmith import cli
from loresmith.commands import common
from loresmith.errors import EndpointError

HEAVY = {
    "torch", "transformers", "lancedb", "pyarrow", "liteparse", "kreuzberg", "onnxruntime", "onnx",
    "tokenizers", "xllamacpp", "openai", "httpx", "sqlite3", "semantic_text_splitter", "Stemmer",
    "fastapi", "starlette", "uvicorn", "mcp", "prometheus_client",
}  # fmt: skip

LEAVES = [
    [*prefix, name]
    for prefix, group in (
        ([], typer.main.get_command(cli.app)),
        (["models"], typer.main.get_command(cli.app).commands["models"]),
    )
    for name, leaf in group.commands.items()
    if not hasattr(leaf, "commands")
]


def test_help_loads_no_heavy_module():
    program = (
        "import sys; from loresmith import cli; cli.run(['--help']); cli.run(['ask', '--help']);"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Answers from your documents" in ran.stdout
    assert HEAVY & set(ran.stdout.splitlines()[-1].split()) == set()


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("loresmith ")


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_the_common_options_and_a_help_text(words, capsys):
    assert cli.run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "--debug" in shown
    assert len(shown.split("\n\n")[1].strip()) > 10


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_answers_a_wrong_option_with_one_message(words, capsys):
    assert cli.run([*words, "--no-such-option"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "--no-such-option" in captured.err
    assert f"Help: loresmith {' '.join(words)} --help" in captured.err


def test_a_mistyped_command_is_guessed(capsys):
    assert cli.run(["asq", "x"]) == 2
    assert "Did you mean 'ask'?" in capsys.readouterr().err


def test_a_usage_error_is_json_where_json_was_asked_for(capsys):
    assert cli.run(["search", "--k", "0", "x", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "UsageError"


@pytest.mark.parametrize("words", [[], ["models"]])
def test_no_command_shows_the_help(words, capsys):
    assert cli.run(words) == 2
    assert "Commands:" in capsys.readouterr().err


def failing(error):
    def function(call):
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (EndpointError("http://x refuses.", "Start it."), 1, "Error: http://x refuses. Start it."),
        (OSError(errno.ENOSPC, "No space left on device", "/mnt/x"), 1, "/mnt/x: the disk is full"),
        (RuntimeError("lance error: No space left on device (os error 28)"), 1, "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 1, "/root/x: Permission denied"),
        (MemoryError(), 1, "Out of memory"),
        (ZeroDivisionError("division by zero"), 1, "report it"),
        (KeyboardInterrupt(), 130, "Stopped."),
    ],
)
def test_a_failure_is_one_message_without_a_traceback(error, status, said, capsys):
    assert common.execute(failing(error), common.Call(json=True)) == status
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert json.loads(captured.out)["error"]["problem"]


def test_debug_shows_the_traceback(capsys):
    common.execute(failing(EndpointError("http://x refuses.")), common.Call(debug=True))
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupted_program_exits_130_without_a_traceback(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from loresmith import cli\n"
        "from loresmith.commands import doctor\n"
        "doctor.packages = lambda: os.kill(os.getpid(), signal.SIGINT) or []\n"
        "sys.argv = ['loresmith', 'doctor']\n"
        "cli.main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 128 + signal.SIGINT
    assert ran.stderr.startswith("Stopped.")
    assert "Traceback" not in ran.stderr


def test_a_reader_that_goes_away_is_told_nothing(tmp_path):
    assert cli.run(["init", str(tmp_path / "plant")]) == 0
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "loresmith", "config", "-w", str(tmp_path / "plant")],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert ran.stderr == ""
    assert ran.returncode == 1
