"""kill -9 at named points and at random moments, and a disk that is full: nothing acknowledged is
lost or doubled, verify is clean, and the next sync finishes the work."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import HashEmbedder, acknowledged, texts_of

from loresmith import workspace as folders
from loresmith.errors import StorageError
from loresmith.faults import VARIABLE
from loresmith.index import open_current
from loresmith.state import State
from loresmith.sync import sync
from loresmith.verify import verify
from loresmith.workspace import WorkspaceDir

SYNCING = Path(__file__).with_name("syncing.py")


def write(folder: Path, name: str, version: int = 0) -> None:
    sections = "".join(
        f"# Part {n}\n\nPart {n} of {name}, version {version}, takes {n} Nm.\n\n" for n in range(5)
    )
    (folder / f"{name}.md").write_text(sections)


@pytest.fixture
def plant(tmp_path: Path) -> WorkspaceDir:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(16):
        write(docs, f"part{number}")
    return folders.add_sources(folders.create(tmp_path / "plant", {"parsing.workers": 1}), [str(docs)])


def run(
    plant: WorkspaceDir, *, fault: str | None = None, name: str = "hash", what: str = "sync"
) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
    if fault:
        environment[VARIABLE] = fault
    command = [sys.executable, str(SYNCING), str(plant.root), name, "32", "0", what]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def killed_at(plant: WorkspaceDir, fault: str, **how: str) -> None:
    process = run(plant, fault=fault, **how)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors


def assert_sound(plant: WorkspaceDir) -> None:
    report = verify(plant)
    assert report.ok, report.problems


def assert_finished(plant: WorkspaceDir, name: str = "hash") -> None:
    """The next sync brings in all that the files hold, once, and nothing else."""
    sync(plant, HashEmbedder(32, name))
    assert_sound(plant)
    files = {p.name: p.read_text() for p in Path(plant.source_specs()[0].uri).iterdir()}
    now = acknowledged(plant)
    assert now.keys() == files.keys()
    for document, text in files.items():
        sentences = [line for line in text.splitlines() if line.endswith("Nm.")]
        assert [s for p in now[document] for s in p.splitlines() if s.endswith("Nm.")] == sentences
    assert len(texts_of(plant)) == sum(map(len, now.values()))


@pytest.mark.parametrize(
    "fault", ["staged:1", "staged:3", "stored:1", "stored:3", "finished:2", "optimizing", "optimized"]
)
def test_killed_in_a_first_sync(plant: WorkspaceDir, fault: str) -> None:
    killed_at(plant, fault)
    assert_sound(plant)
    expected = {"staged:1": 0, "staged:3": 2, "stored:1": 1, "stored:3": 3, "finished:2": 2}.get(fault)
    if expected is not None:
        # What state.db acknowledged is there to be found, what the kill caught in mid-air is not.
        assert len(acknowledged(plant)) == expected * 4
    assert_finished(plant)


@pytest.mark.parametrize("fault", ["staged:1", "stored:1", "stored:2", "optimized"])
def test_killed_while_replacing_and_removing(plant: WorkspaceDir, tmp_path: Path, fault: str) -> None:
    sync(plant, HashEmbedder())
    before = acknowledged(plant)
    for number in range(0, 8):
        write(tmp_path / "docs", f"part{number}", version=1)
    for number in range(8, 12):
        (tmp_path / "docs" / f"part{number}.md").unlink()
    killed_at(plant, fault)
    assert_sound(plant)
    untouched = {f"part{n}.md" for n in range(12, 16)}
    now = acknowledged(plant)
    assert {d: now[d] for d in untouched} == {d: before[d] for d in untouched}
    for passages in now.values():  # each document is wholly old or wholly new
        assert len({"version 0" in text for text in passages if "version" in text}) == 1
    assert_finished(plant)


@pytest.mark.parametrize("fault", ["staged:2", "stored:3", "optimizing", "swapping", "swapped"])
def test_killed_while_changing_the_embedder(plant: WorkspaceDir, tmp_path: Path, fault: str) -> None:
    sync(plant, HashEmbedder(32, "old"))
    before = acknowledged(plant)
    (tmp_path / "docs" / "part3.md").unlink()
    killed_at(plant, fault, name="new")
    assert_sound(plant)
    with State.open(plant.state_path) as state:
        current = state.current()
        assert current is not None
        assert current.embedder == ("new" if fault == "swapped" else "old")
    now = acknowledged(plant)
    assert set(before) - {"part3.md"} <= set(now) | {"part3.md"}
    rest = HashEmbedder(32, "new")
    sync(plant, rest)
    if fault in ("optimizing", "swapping", "swapped"):
        assert rest.embedded == []  # a half-built generation is continued, not begun again
    assert_finished(plant, "new")


def test_killed_after_the_embedder_was_changed_back(plant: WorkspaceDir, tmp_path: Path) -> None:
    sync(plant, HashEmbedder(32, "old"))
    write(tmp_path / "docs", "part3", version=1)
    write(tmp_path / "docs", "brand-new")
    killed_at(plant, "optimizing", name="new")
    assert_sound(plant)
    killed_at(plant, "staged", name="old")
    assert_sound(plant)
    assert_finished(plant, "old")
    assert len(list(plant.index_dir.iterdir())) == 1


def test_killed_while_repairing(plant: WorkspaceDir) -> None:
    sync(plant, HashEmbedder())
    with State.open(plant.state_path) as state:
        open_current(plant, state).delete(["part3.md"])
    killed_at(plant, "repairing", what="repair")
    assert_finished(plant)


@pytest.mark.slow
def test_killed_at_random_moments(plant: WorkspaceDir, tmp_path: Path) -> None:
    chance = random.Random(7)
    for round_ in range(8):
        for number in chance.sample(range(16), 5):
            path = tmp_path / "docs" / f"part{number}.md"
            if path.exists() and chance.random() < 0.3:
                path.unlink()
            else:
                write(tmp_path / "docs", f"part{number}", version=round_)
        process = run(plant)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.communicate(timeout=chance.uniform(0.0, 3.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert_sound(plant)
    assert_finished(plant)


def mount_small_disk(where: Path, megabytes: int) -> None:
    where.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(where)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")


def test_a_full_disk_is_one_message_and_nothing_is_lost(plant: WorkspaceDir, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    mount_small_disk(disk, 6)
    try:
        small = folders.add_sources(
            folders.create(disk / "plant", {"parsing.workers": 1}), [str(tmp_path / "docs")]
        )
        sync(small, HashEmbedder())
        before = acknowledged(small)
        for number in range(300):
            write(tmp_path / "docs", f"more{number}")
        free = shutil.disk_usage(disk).free
        (disk / "filler").write_bytes(b"\0" * (free - 150_000))
        with pytest.raises(StorageError, match="the disk is full"):
            sync(small, HashEmbedder())
        (disk / "filler").unlink()
        assert_sound(small)
        assert acknowledged(small).items() >= before.items()
        assert sync(small, HashEmbedder()).unchanged >= len(before)
        assert_sound(small)
        assert len(acknowledged(small)) == 316
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
