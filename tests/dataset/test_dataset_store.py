"""A dataset on disk is whole or not there, named by its content, and never silently altered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dataset_rows import closed, facts

from loresmith.dataset import store
from loresmith.dataset.check import check
from loresmith.dataset.split import split
from loresmith.errors import DatasetError


def save(folder: Path, rows, **options):
    checked = check(rows)
    splits = split(checked.accepted)
    return store.save(folder, checked.accepted, splits, checked, notes=splits.notes, **options)


def test_what_was_saved_is_loaded(tmp_path):
    rows = facts(20, 3, 4)
    saved = save(tmp_path, rows, documents={"doc1.pdf": "v1"})
    loaded = store.load(tmp_path)
    assert loaded == saved
    assert sum(map(len, loaded.splits().values())) == len(rows)
    assert loaded.documents["doc1.pdf"] == "v1"
    manifest = json.loads((tmp_path / saved.id / "manifest.json").read_text())
    assert manifest["splits"] == {name: len(found) for name, found in loaded.splits().items()}
    assert (tmp_path / saved.id / "report.html").is_file()


def test_the_same_rows_in_any_order_are_the_same_dataset(tmp_path):
    rows = facts(20, 3, 4)
    one = save(tmp_path, rows)
    other = save(tmp_path / "elsewhere", rows[::-1])
    assert one.id == other.id
    assert save(tmp_path, [*rows, closed("More?", "More.")]).id != one.id


def test_the_last_one_saved_is_current_and_others_are_found_by_their_beginning(tmp_path):
    one = save(tmp_path, facts(20, 3, 4))
    two = save(tmp_path, facts(20, 3, 3))
    assert store.load(tmp_path).id == two.id
    assert store.load(tmp_path, one.id[:6]).id == one.id
    assert [(m["id"], m["current"]) for m in store.listing(tmp_path)] == [(one.id, False), (two.id, True)]


def test_what_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match=r"no dataset yet.*dataset build"):
        store.load(tmp_path / "none")
    saved = save(tmp_path, facts(20, 3, 4))
    with pytest.raises(DatasetError, match=f"zzz is not there.*{saved.id}"):
        store.load(tmp_path, "zzz")


def test_no_row_to_train_on_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(DatasetError, match="No example is left"):
        save(tmp_path / "sets", [])
    assert not (tmp_path / "sets").exists()


def test_altered_rows_are_noticed(tmp_path):
    saved = save(tmp_path, facts(20, 3, 4))
    path = tmp_path / saved.id / "examples.jsonl"
    path.write_text(path.read_text().replace("5 Nm", "6 Nm", 1))
    with pytest.raises(DatasetError, match="was altered since it was checked"):
        store.load(tmp_path)
    save(tmp_path, facts(20, 3, 4))  # made anew, it is whole again
    assert store.load(tmp_path) == saved


def test_without_its_manifest_a_dataset_is_not_there(tmp_path):
    one = save(tmp_path, facts(20, 3, 4))
    two = save(tmp_path, facts(20, 3, 3))
    (tmp_path / one.id / "manifest.json").unlink()
    assert [m["id"] for m in store.listing(tmp_path)] == [two.id]
    save(tmp_path, facts(20, 3, 4))
    assert store.load(tmp_path).id == one.id


PROGRAM = """
import os, signal, sys
sys.path[:0] = [{tests!r}, {own!r}]
from pathlib import Path
from dataset_rows import facts
from loresmith import workspace
from loresmith.dataset import store
from test_dataset_store import save

left, plain = int(sys.argv[2]), workspace.write_atomic
def dying(path, content):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    plain(path, content)
store.write_atomic = dying
save(Path(sys.argv[1]), facts(20, 3, 4))
"""


@pytest.mark.parametrize("writes", range(5))
def test_a_kill_leaves_the_old_dataset_or_the_new(tmp_path, writes):
    old = save(tmp_path, facts(20, 3, 3))
    here = Path(__file__).parent
    program = PROGRAM.format(tests=str(here.parent), own=str(here))
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path), str(writes)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert store.load(tmp_path) == old
    new = save(tmp_path, facts(20, 3, 4))
    assert store.load(tmp_path) == new
    assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] == []
