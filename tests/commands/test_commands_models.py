"""models and doctor: what is here, what is missing, and the line that brings it."""

from __future__ import annotations

import pytest

from loresmith.commands import doctor
from loresmith.models import registry
from loresmith.parsing import ocr


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LORESMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LORESMITH_OFFLINE", "1")
    return tmp_path / "cache"


def test_list_has_licence_and_checksum_of_every_row(loresmith, empty_cache):
    rows = loresmith("models", "list", "--json").json["models"]
    assert [row["name"] for row in rows] == [row.name for row in registry.ROWS]
    for row in rows:
        assert row["licence"]
        assert len(row["sha256"]) == 64
        assert row["cached"] is False
    assert "not fetched" in loresmith("models", "list").out


def test_path_of_what_is_not_here_says_how_to_get_it(loresmith, empty_cache):
    ran = loresmith("models", "path", "smollm2-135m")
    assert ran.status == 1
    assert "loresmith models get smollm2-135m" in ran.err


def test_get_without_a_network_says_how_to_bring_it(loresmith, empty_cache):
    ran = loresmith("models", "get", "smollm2-135m")
    assert ran.status == 1
    assert "--from" in ran.err


@pytest.mark.parametrize("action", ["get", "path"])
def test_an_unknown_name_gets_the_nearest(loresmith, action):
    ran = loresmith("models", action, "smollm2-135")
    assert ran.status == 1
    assert "Did you mean smollm2-135m?" in ran.err


def test_get_from_a_wrong_file_keeps_the_cache_clean(loresmith, empty_cache, tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF of another world")
    ran = loresmith("models", "get", "smollm2-135m", "--from", "model.gguf")
    assert ran.status == 1
    assert "smollm2" in ran.err.lower()
    assert not list(empty_cache.rglob("*.gguf"))


def test_doctor_names_what_is_missing_and_how_to_get_it(loresmith, empty_cache):
    ran = loresmith("doctor", "--json")
    findings = {finding["subject"]: finding for finding in ran.json["findings"]}
    assert findings["python"]["state"] == "ok"
    assert findings["lancedb"]["state"] == "ok"
    assert findings["model all-MiniLM-L6-v2"]["remedy"] == "loresmith models get all-MiniLM-L6-v2"
    assert {"cores", "memory", "gpu", "tessdata"} <= set(findings)
    assert "https://pypi.org/simple/pip/" not in findings
    assert ran.status == 0


def test_doctor_fails_where_a_needed_package_is_missing(loresmith, monkeypatch):
    monkeypatch.setattr(doctor, "runtime_packages", lambda: ["loresmith-no-such-package"])
    ran = loresmith("doctor")
    assert ran.status == 1
    assert "✗ loresmith-no-such-package" in ran.out
    assert "pip install --upgrade loresmith" in ran.out


def test_doctor_finds_tessdata_by_its_variable(tmp_path, monkeypatch):
    (tmp_path / "deu.traineddata").write_bytes(b"")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    (finding,) = doctor.text_recognition()
    assert finding.found == f"{tmp_path}: deu"


def test_doctor_says_which_line_brings_text_recognition(tmp_path, monkeypatch):
    monkeypatch.setattr(ocr, "_PLACES", ())
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)
    (finding,) = doctor.text_recognition()
    assert finding.state == "optional"
    assert "apt-get install tesseract-ocr" in finding.remedy
