"""The registry: names, sizes, places."""

from __future__ import annotations

import re

import pytest

from loresmith.errors import ModelError
from loresmith.models import registry
from loresmith.models.registry import ROWS, Packages


def test_rows_are_complete_and_unique():
    names = [row.name.lower() for row in ROWS]
    assert len(set(names)) == len(names)
    for row in ROWS:
        assert row.licence in {"Apache-2.0", "MIT"}
        assert row.parameters > 0
        assert row.sources
        for file in row.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size > 0
            assert not file.path.startswith(("/", ".."))
        if row.kind == "language":
            assert [file.path.endswith(".gguf") for file in row.files] == [True]


def test_packages_are_pinned_to_one_version():
    for row in ROWS:
        for source in row.sources:
            if isinstance(source, Packages):
                assert source.version
                assert source.member.format(part=1, path=row.files[0].path)


def test_find_does_not_mind_case():
    assert registry.find("ALL-minilm-l6-V2").name == "all-MiniLM-L6-v2"


@pytest.mark.parametrize(
    ("name", "kind", "near"),
    [
        ("qwen2.5-coder-1.5", None, "qwen2.5-coder-1.5b"),
        ("all-MiniLM", "embedder", "all-MiniLM-L6-v2"),
        ("smollm", "language", "smollm2-135m"),
    ],
)
def test_an_unknown_name_gets_the_nearest(name, kind, near):
    with pytest.raises(ModelError, match=re.escape(f"Did you mean {near}?")):
        registry.find(name, kind)


def test_kinds_do_not_mix():
    with pytest.raises(ModelError, match=r"no embedder of that name.*all-MiniLM-L6-v2"):
        registry.find("smollm2-135m", "embedder")


def test_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert registry.looks_like_place("microsoft/Phi-3-mini-4k-instruct")
    assert registry.looks_like_place("./model")
    assert not registry.looks_like_place("smollm2-135m")
