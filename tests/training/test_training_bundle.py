"""Bundles: what goes in by access labels, and what a stranger's file may not do coming out."""

from __future__ import annotations

import hashlib
import json
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from loresmith import workspace as folders
from loresmith.dataset import store
from loresmith.dataset.example import Example
from loresmith.errors import DatasetError, TrainingError, UsageError
from loresmith.models.fingerprint import fingerprint
from loresmith.training import adapters
from loresmith.training.exporting import bundle, unpack
from loresmith.types import Message


@pytest.fixture
def plant(tmp_path):
    """A workspace with open and confidential documents, a dataset, a base model and an adapter."""
    for name, text in (("open", "The pump is blue."), ("secret", "The margin is 41 %.")):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / f"{name}.txt").write_text(text)
    (tmp_path / "single.md").write_text("# Seals\n\nChange them every year.")
    root = tmp_path / "plant"
    made = folders.create(
        root, {"retrieval.k": 5, "model.endpoint": "http://10.0.0.1:9/v1", "model.name": "m"}
    )
    made = folders.add_sources(made, [str(tmp_path / "open"), str(tmp_path / "single.md")])
    made = folders.add_sources(made, [str(tmp_path / "secret")], labels=["board"])
    base = tmp_path / "base-model"
    base.mkdir()
    save_file({"w": np.arange(64, dtype=np.float32)}, base / "model.safetensors")
    (base / "config.json").write_text('{"model_type": "llama"}')
    (base / "pytorch_model.bin").write_bytes(b"a pickle")
    dataset = store.save(
        made.datasets_dir, [row("a", ()), row("b", ())], {row(n, ()).id: "train" for n in "ab"}
    )
    write_adapter(made.adapters_dir / "lora-1", base, dataset.id)
    adapters.use(made.adapters_dir, "lora-1")
    return folders.open_dir(root)


def row(text, labels):
    return Example(
        kind="closed",
        messages=(Message(role="user", content=text), Message(role="assistant", content="x")),
        labels=tuple(labels),
    )


def write_adapter(folder: Path, base: Path, dataset: str, labels=(), value=1.0, **config) -> Path:
    folder.mkdir(parents=True)
    weights = {
        f"base_model.model.model.layers.0.self_attn.q_proj.lora_{half}.weight": np.full(
            (4, 4), value, np.float32
        )
        for half in "AB"
    }
    save_file(weights, folder / "adapter_model.safetensors")
    peft = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(peft))
    card = {
        "id": folder.name, "base_model": str(base), "base_fingerprint": fingerprint(base), "method": "lora",
        "labels": list(labels), "dataset": {"id": dataset}, "recipe": {"model": str(base)},
        "created": "2026-11-20T00:00:00+00:00",
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "record.json").write_text(json.dumps({"model": {"name": str(base)}}))
    return folder


def pack(plant, out, **options):
    adapter = adapters.find(plant.adapters_dir, "auto")
    return bundle.pack(plant, adapter, out, **options)


def names(path):
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def text_of(path):
    with zipfile.ZipFile(path) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist())


# --- what goes in -----------------------------------------------------------------------------


def test_a_bundle_of_the_adapter_alone_is_small_and_names_no_place(plant, tmp_path):
    done = pack(plant, tmp_path / "b.loresmith")
    assert names(done.path) == {
        "manifest.json", "README.md", "settings.json", "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json", "adapter/card.json", "adapter/record.json", "dataset/manifest.json",
    }  # fmt: skip
    content = text_of(done.path)
    assert str(tmp_path).encode() not in content
    assert b"10.0.0.1" not in content
    assert b'"retrieval.k": 5' in content


def test_documents_with_labels_stay_out_until_the_receiver_is_said_to_hold_them(plant, tmp_path):
    some = pack(plant, tmp_path / "some.loresmith", parts=["documents"])
    assert {n for n in names(some.path) if n.startswith("documents/")} == {
        "documents/1-open/deep/open.txt",
        "documents/2-single.md/single.md",
    }
    assert b"41 %" not in text_of(some.path)
    assert any("do not hold their labels: 1" in n or "not hold their labels: 1" in n for n in some.notes)
    every = pack(plant, tmp_path / "all.loresmith", parts=["documents"], labels=["board", "other"])
    assert "documents/3-secret/deep/secret.txt" in names(every.path)


def test_an_adapter_and_rows_with_labels_are_refused(plant, tmp_path):
    labelled = adapters.read(write_adapter(tmp_path / "l-1", tmp_path / "base-model", "x", ("board",)))
    with pytest.raises(UsageError, match=r"labels board; .* --label board"):
        bundle.check_labels(labelled, ["staff"])
    bundle.check_labels(labelled, ["staff", "board"])
    secret = store.save(plant.datasets_dir, [row("c", ["board"])], {row("c", ["board"]).id: "train"})
    adapter = adapters.read(write_adapter(tmp_path / "l-2", tmp_path / "base-model", secret.id))
    with pytest.raises(DatasetError, match="rows with the labels board"):
        bundle.pack(plant, adapter, tmp_path / "b.loresmith", parts=["dataset"])
    assert not list(tmp_path.glob("*.loresmith"))


def test_a_model_goes_along_without_its_pickles(plant, tmp_path):
    done = pack(plant, tmp_path / "b.loresmith", parts=["model"])
    packed = {name for name in names(done.path) if name.startswith("model/")}
    assert packed == {"model/base-model/model.safetensors", "model/base-model/config.json"}


def test_a_model_that_has_changed_since_is_not_packed(plant, tmp_path):
    save_file({"w": np.zeros(64, np.float32)}, tmp_path / "base-model" / "model.safetensors")
    with pytest.raises(TrainingError, match="not here as it was trained on"):
        pack(plant, tmp_path / "b.loresmith", parts=["model"])
    assert not list(tmp_path.glob("*b.loresmith*"))


def test_a_bundle_never_overwrites(plant, tmp_path):
    (tmp_path / "b.loresmith").write_text("mine")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        pack(plant, tmp_path / "b.loresmith")
    assert (tmp_path / "b.loresmith").read_text() == "mine"


# --- what comes out ---------------------------------------------------------------------------


def test_a_bundle_becomes_a_workspace(plant, tmp_path):
    (plant.data / "calibration.json").write_text('{"weights": {"x": 1.0}, "bias": 0.1, "threshold": 0.5}')
    done = pack(plant, tmp_path / "b.loresmith", parts=["documents", "dataset", "model"])
    found = unpack.unpack(done.path, tmp_path / "new")
    assert (found.new_workspace, found.base_here, found.documents) == (True, True, 2)
    new = folders.open_dir(tmp_path / "new")
    assert new.config.retrieval.k == 5
    assert new.config.model.endpoint is None
    assert [Path(spec.uri).relative_to(new.root).as_posix() for spec in new.source_specs()] == [
        "documents/1-open",
        "documents/2-single.md/single.md",
    ]
    assert all(Path(spec.uri).exists() for spec in new.source_specs())
    adapter = adapters.current(new.adapters_dir)
    assert adapter.id == "lora-1"
    assert adapter.base_model == str(new.root / "models" / "base-model")
    assert fingerprint(Path(adapter.base_model)) == adapter.base_fingerprint
    assert store.load(new.datasets_dir, found.dataset).train
    assert (new.data / "calibration.json").is_file()
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


def test_an_adapter_comes_into_a_workspace_that_is_there(plant, tmp_path):
    done = pack(plant, tmp_path / "b.loresmith", parts=["documents"])
    mine = folders.create(tmp_path / "mine", {"model.name": "none"})
    before = (mine.root / "loresmith.toml").read_bytes()
    found = unpack.unpack(done.path, mine.root)
    assert (found.new_workspace, found.documents) == (False, 0)
    assert any("documents were left out" in note for note in found.notes)
    assert adapters.current(mine.adapters_dir).id == "lora-1"
    assert (mine.root / "loresmith.toml").read_bytes() == before
    with pytest.raises(UsageError, match="with the same weights"):
        unpack.unpack(done.path, mine.root)


def test_another_adapter_of_the_same_name_is_never_overwritten(plant, tmp_path):
    done = pack(plant, tmp_path / "b.loresmith")
    mine = folders.create(tmp_path / "mine")
    own = write_adapter(mine.adapters_dir / "lora-1", tmp_path / "base-model", "x", value=2.0)
    before = (own / "adapter_model.safetensors").read_bytes()
    with pytest.raises(UsageError, match="with other weights; nothing is overwritten"):
        unpack.unpack(done.path, mine.root)
    assert (own / "adapter_model.safetensors").read_bytes() == before
    other = write_adapter(mine.adapters_dir / "lora-2", tmp_path / "base-model", "x")
    adapters.remove(mine.adapters_dir, "lora-1")
    adapters.use(mine.adapters_dir, other.name)
    found = unpack.unpack(done.path, mine.root)
    assert adapters.current(mine.adapters_dir).id == "lora-2"
    assert any("lora-2" in n or "stays in use" in n for n in found.notes)


def test_a_folder_with_something_in_it_is_left_alone(plant, tmp_path):
    done = pack(plant, tmp_path / "b.loresmith")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        unpack.unpack(done.path, tmp_path / "busy")
    assert [path.name for path in (tmp_path / "busy").iterdir()] == ["mine.txt"]


def test_a_base_that_is_not_here_is_said(plant, tmp_path):
    found = unpack.unpack(pack(plant, tmp_path / "b.loresmith").path, tmp_path / "new")
    assert not found.base_here
    assert any("base-model is not on this machine" in note for note in found.notes)
    assert adapters.current(folders.open_dir(tmp_path / "new").adapters_dir).base_model == "base-model"


# --- strangers' files -------------------------------------------------------------------------


def altered(path: Path, out: Path, change) -> Path:
    """The bundle with `change(entries, manifest)` applied; hashes are kept right unless it breaks them."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
        manifest = json.loads(archive.read("manifest.json"))
    modes: dict[str, int] = {}
    change(entries, manifest, modes)
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = modes.get(name, 0o100644) << 16
            archive.writestr(info, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return out


def listed(manifest, name, content):
    line = {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"] = [*(f for f in manifest["files"] if f["path"] != name), line]


def put(name, content, mode=0o100644):
    def change(entries, manifest, modes):
        entries[name] = content
        modes[name] = mode
        listed(manifest, name, content)

    return change


def test_no_database_is_packed_or_named(plant, tmp_path):
    """An address with ${NAME} in it would send a variable of the receiver's to a host of the sender's."""
    folders.add_sources(plant, ["postgresql://reader:${STOCK_PASSWORD}@db.internal/stock"])
    done = pack(folders.open_dir(plant.root), tmp_path / "b.loresmith", parts=["documents"])
    assert "The database stock is not packed: whoever has access to it adds it." in done.notes
    with zipfile.ZipFile(done.path) as archive:
        assert all(b"db.internal" not in archive.read(name) for name in archive.namelist())


ATTACKS = {
    "out of the folder": put("documents/../../evil.txt", b"x"),
    "absolute": put("/tmp/evil.txt", b"x"),
    "by a backslash": put("documents\\..\\evil.txt", b"x"),
    "by a drive": put("documents/C:/evil.txt", b"x"),
    "hidden in a blank": put("documents/x /evil.txt", b"x"),
    "a link": put("documents/link", b"/etc/passwd", stat.S_IFLNK | 0o777),
    "a device": put("documents/device", b"", stat.S_IFCHR | 0o600),
    "into the workspace's own files": put("loresmith.toml", b"name = 'x'"),
    "into another room": put("index/x", b"x"),
    "in two cases": put("ADAPTER/card.json", b"{}"),
    "unlisted": lambda entries, manifest, modes: entries.update({"documents/more.txt": b"x"}),
    "missing": lambda entries, manifest, modes: entries.pop("adapter/record.json"),
    "altered": lambda entries, manifest, modes: entries.update(
        {"adapter/record.json": entries["adapter/record.json"].replace(b"model", b"nodel")}
    ),
    "larger than listed": lambda entries, manifest, modes: entries.update({"README.md": b"x" * 10_000_000}),
    "an adapter of another name": lambda entries, manifest, modes: manifest.update(adapter="lora-2"),
    "an adapter that climbs": lambda entries, manifest, modes: manifest.update(adapter="../../lora-1"),
    "no weights": put("adapter/adapter_model.safetensors", b"not safetensors"),
    "a pickle for weights": put("adapter/adapter_model.bin", b"x"),
    "a pickle in the model": put("model/base-model/pytorch_model.bin", b"x"),
    "a manifest of another kind": lambda entries, manifest, modes: manifest.pop("base"),
    "not LoRA": put("adapter/adapter_config.json", b'{"peft_type": "PROMPT_TUNING"}'),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bundle_that_is_not_what_it_says_brings_nothing_in(attack, plant, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    good = pack(plant, tmp_path / "b.loresmith").path
    bad = altered(good, inside / "bad.loresmith", ATTACKS[attack])
    with pytest.raises(TrainingError, match="damaged or was altered") as told:
        unpack.unpack(bad, inside / "new")
    assert "Nothing was brought in" in told.value.remedy
    assert [path.name for path in inside.iterdir()] == ["bad.loresmith"]
    assert not (tmp_path / "evil.txt").exists()


def test_keys_that_make_peft_import_or_fetch_are_dropped(plant, tmp_path):
    config = {
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"],
        "megatron_core": "evil.module", "megatron_config": {"x": 1}, "auto_mapping": {"library": "evil"},
    }  # fmt: skip
    good = pack(plant, tmp_path / "b.loresmith").path
    bad = altered(good, tmp_path / "c", put("adapter/adapter_config.json", json.dumps(config).encode()))
    unpack.unpack(bad, tmp_path / "new")
    kept = json.loads((tmp_path / "new/.loresmith/adapters/lora-1/adapter_config.json").read_text())
    assert kept == {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}


def test_settings_and_sources_that_reach_out_are_not_taken_over(plant, tmp_path):
    settings = {
        "model.endpoint": "http://evil",
        "embedder.name": "/etc",
        "retrieval.k": 3,
        "web.allow_private": True,
    }

    def change(entries, manifest, modes):
        put("settings.json", json.dumps(settings).encode())(entries, manifest, modes)
        manifest["sources"] = [
            {"uri": "http://169.254.169.254/", "labels": []},
            {"uri": "/etc", "labels": []},
            {"uri": "documents/../../..", "labels": []},
        ]

    bad = altered(pack(plant, tmp_path / "b.loresmith").path, tmp_path / "c", change)
    found = unpack.unpack(bad, tmp_path / "new")
    new = folders.open_dir(tmp_path / "new")
    assert new.config.model.endpoint is None
    assert new.config.retrieval.k == 3
    assert new.config.embedder.name == "all-MiniLM-L6-v2"
    assert new.source_specs() == []
    assert any("model.endpoint" in note for note in found.notes)


def test_a_model_that_is_not_the_adapters_own_is_refused(plant, tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"w": np.ones(64, np.float32)}, other)
    good = pack(plant, tmp_path / "b.loresmith", parts=["model"]).path
    bad = altered(good, tmp_path / "c", put("model/base-model/model.safetensors", other.read_bytes()))
    with pytest.raises(TrainingError, match="not the one that its adapter was trained on"):
        unpack.unpack(bad, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"x" * 1000])
def test_what_is_no_bundle_is_told(content, tmp_path):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(TrainingError, match="damaged or was altered"):
        unpack.unpack(tmp_path / "b", tmp_path / "new")


def test_a_zip_of_something_else_and_a_missing_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(TrainingError, match="is no bundle"):
        unpack.unpack(tmp_path / "z.zip", tmp_path / "new")
    with pytest.raises(UsageError, match="no such file"):
        unpack.unpack(tmp_path / "nowhere", tmp_path / "new")


def test_a_bundle_of_a_newer_program_says_so(plant, tmp_path):
    good = pack(plant, tmp_path / "b.loresmith").path
    newer = altered(good, tmp_path / "c", lambda entries, manifest, modes: manifest.update(format=99))
    with pytest.raises(TrainingError, match="newer Loresmith"):
        unpack.unpack(newer, tmp_path / "new")


def test_a_bundle_cut_off_in_the_middle(plant, tmp_path):
    good = pack(plant, tmp_path / "b.loresmith", parts=["documents", "model"]).path
    content = good.read_bytes()
    (tmp_path / "c").write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainingError, match="damaged or was altered"):
        unpack.unpack(tmp_path / "c", tmp_path / "new")
    flipped = bytearray(content)
    flipped[content.index((tmp_path / "base-model" / "model.safetensors").read_bytes()) + 100] ^= 1
    (tmp_path / "d").write_bytes(flipped)
    with pytest.raises(TrainingError, match="damaged or was altered"):
        unpack.unpack(tmp_path / "d", tmp_path / "new")
    assert not (tmp_path / "new").exists()


# --- kill -9 ----------------------------------------------------------------------------------

IMPORTER = """
import os, sys
from pathlib import Path
from loresmith.training.exporting import unpack
calls = 0
real = os.replace
def replace(a, b):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
    return real(a, b)
os.replace = replace
unpack.unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("into", ["new", "mine"])
def test_killed_at_any_rename_an_import_is_whole_or_not_there(into, plant, tmp_path):
    packed = pack(plant, tmp_path / "b.loresmith", parts=["documents", "dataset", "model"]).path
    place = tmp_path / into
    if into == "mine":
        folders.create(place)
    for moment in range(1, 30):
        ran = subprocess.run([sys.executable, "-c", IMPORTER, packed, place, str(moment)], check=False)
        whole = [] if not place.exists() else adapters.listing(folders.open_dir(place).adapters_dir)
        if whole:
            break
        assert ran.returncode == -signal.SIGKILL
        assert into == "mine" or not place.exists()
    assert moment >= 3
    assert [adapter.id for adapter in whole] == ["lora-1"]
    assert fingerprint(Path(whole[0].base_model)) == whole[0].base_fingerprint
    if into == "new":
        assert adapters.current(folders.open_dir(place).adapters_dir).id == "lora-1"
        assert list(tmp_path.glob(".*.tmp")) == []
