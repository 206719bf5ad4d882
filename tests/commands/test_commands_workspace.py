"""init, add, remove, config as a user sees them, and what they say to wrong input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def test_init_makes_a_workspace_and_says_what_comes_next(loresmith, tmp_path):
    (tmp_path / "manuals").mkdir()
    ran = loresmith("init", "plant", "--from", "manuals", "--model", "none")
    assert ran.status == 0
    assert "Next: cd plant && loresmith sync" in ran.out
    written = (tmp_path / "plant/loresmith.toml").read_text()
    assert '"../manuals"' in written
    assert 'name = "none"' in written


def test_init_as_json(loresmith, tmp_path):
    (tmp_path / "manuals").mkdir()
    ran = loresmith("init", "plant", "--from", "manuals", "--json")
    assert ran.json == {"workspace": str(tmp_path / "plant"), "sources": [str(tmp_path / "manuals")]}


def test_a_model_file_given_relative_to_the_current_folder_is_stored_absolute(loresmith, tmp_path):
    assert loresmith("init", "plant", "--model", "small.gguf").status == 0
    assert str(tmp_path / "small.gguf") in (tmp_path / "plant/loresmith.toml").read_text()


def test_init_over_a_workspace_is_refused(loresmith, plant):
    ran = loresmith("init", "plant")
    assert ran.status == 2
    assert "already is a workspace" in ran.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["init"], "DIR"),
        (["init", "x", "--from", "nowhere"], "nowhere: no such file or folder"),
        (["init", "x", "--set", "retrieval.kk=3"], "Did you mean retrieval.k?"),
        (["init", "x", "--set", "retrieval.k"], "not KEY=VALUE"),
        (["init", "x", "--set", "retrieval.k=0"], "retrieval.k"),
        (["init", "file.txt"], "is a file"),
    ],
)
def test_a_wrong_init_leaves_nothing_behind(loresmith, tmp_path, arguments, named):
    (tmp_path / "file.txt").write_text("")
    ran = loresmith(*arguments)
    assert ran.status == 2
    assert named in ran.err
    assert ran.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["file.txt"]


def test_add_lists_the_sources_and_labels(loresmith, plant, tmp_path):
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    ran = loresmith("add", "log.csv", "--label", "service", "-w", "plant", "--json")
    assert ran.json["sources"] == [
        {"source": str(tmp_path / "documents"), "labels": []},
        {"source": str(tmp_path / "log.csv"), "labels": ["service"]},
    ]


def test_add_what_is_not_there(loresmith, plant):
    ran = loresmith("add", "missing.pdf", "-w", "plant")
    assert ran.status == 2
    assert "missing.pdf: no such file or folder" in ran.err


def test_remove(loresmith, plant, tmp_path):
    assert loresmith("remove", "documents", "-w", "plant", "--json").json == {"sources": []}
    again = loresmith("remove", "documents", "-w", "plant")
    assert again.status == 2
    assert "documents is not a source of this workspace" in again.err


def test_config_shows_every_key_and_changes_one(loresmith, plant):
    assert "candidates = 100" in loresmith("config", "-w", "plant").out
    assert loresmith("config", "retrieval.k", "12", "-w", "plant", "--json").json == {"retrieval.k": 12}
    assert loresmith("config", "retrieval.k", "-w", "plant").out == "12\n"
    # The comment that `init` wrote is still there.
    assert (plant / "loresmith.toml").read_text().startswith("# A Loresmith workspace")


def test_flags_go_over_environment_over_file(loresmith, plant, monkeypatch):
    loresmith("config", "retrieval.k", "5", "-w", "plant")
    monkeypatch.setenv("LORESMITH_RETRIEVAL__K", "6")
    assert loresmith("config", "retrieval.k", "-w", "plant").out == "6\n"
    assert loresmith("config", "retrieval.k", "-w", "plant", "--set", "retrieval.k=7").out == "7\n"


@pytest.mark.parametrize("key", ["retrieval.kk", "nothing", "retrieval.k.deeper", "name.deeper"])
def test_an_unknown_key_is_named(loresmith, plant, key):
    ran = loresmith("config", key, "-w", "plant")
    assert ran.status == 2
    assert key in ran.err
    written = (plant / "loresmith.toml").read_text()
    assert loresmith("config", key, "1", "-w", "plant").status == 2
    assert (plant / "loresmith.toml").read_text() == written


def test_a_wrong_environment_variable_is_named(loresmith, plant, monkeypatch):
    monkeypatch.setenv("LORESMITH_RETREIVAL__K", "6")
    ran = loresmith("config", "-w", "plant")
    assert ran.status == 2
    assert "environment variable LORESMITH_RETREIVAL__K" in ran.err
    assert "Did you mean retrieval?" in ran.err


def test_an_empty_name_of_a_model_is_no_folder(loresmith, plant):
    ran = loresmith("ask", "What?", "--model", "", "-w", "plant")
    assert ran.status == 2
    assert "empty" in ran.err


def test_a_broken_file_is_named_with_its_line(loresmith, plant):
    (plant / "loresmith.toml").write_text('name = "plant"\n[retrieval\nk = 8\n')
    ran = loresmith("config", "-w", "plant")
    assert ran.status == 2
    assert "loresmith.toml: not valid TOML" in ran.err
    assert "line 2" in ran.err


@pytest.mark.parametrize("command", [["add", "x"], ["remove", "x"], ["config"]])
def test_without_a_workspace(loresmith, tmp_path: Path, command):
    ran = loresmith(*command)
    assert ran.status == 2
    assert f"No workspace in {tmp_path}" in ran.err
    assert "loresmith init" in ran.err
    elsewhere = loresmith(*command, "-w", "nowhere", "--json")
    assert elsewhere.status == 2
    assert elsewhere.json["error"]["kind"] == "WorkspaceNotFound"
