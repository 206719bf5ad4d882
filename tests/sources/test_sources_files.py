"""Folders and files: what is listed, what is skipped, ids that do not collide."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loresmith.config import WebSection
from loresmith.errors import SourceError
from loresmith.sources import prefixes, scan
from loresmith.types import Failure, SourceItem, SourceSpec


def listed(path: Path, prefix: str = "", **spec: tuple[str, ...]) -> list[SourceItem | Failure]:
    return list(scan(SourceSpec(str(path), **spec), prefix=prefix, web=WebSection(), web_dir=path))


def test_a_folder_is_listed_sorted_without_hidden_and_lock_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.pdf", "a/b/c.md", ".hidden", ".git/config", "~$b.docx", "x.tmp", "Thumbs.db"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    items = listed(tmp_path, labels=("plant",))
    assert [item.id for item in items if isinstance(item, SourceItem)] == ["a/b/c.md", "a/z.pdf", "b.txt"]
    first = items[0]
    assert isinstance(first, SourceItem)
    assert (first.labels, first.size) == (("plant",), 1)
    assert first.path == str(tmp_path / "a/b/c.md")
    assert first.mtime_ns == (tmp_path / "a/b/c.md").stat().st_mtime_ns


def test_a_single_file_is_its_name(tmp_path: Path) -> None:
    (tmp_path / "log.xlsx").write_text("x")
    assert [i.id for i in listed(tmp_path / "log.xlsx", "p/") if isinstance(i, SourceItem)] == ["p/log.xlsx"]


def test_links_to_files_are_followed_and_to_folders_not(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.txt").write_text("x")
    (tmp_path / "in/file.txt").symlink_to(tmp_path / "out.txt")
    (tmp_path / "in/round").symlink_to(tmp_path / "in")
    (tmp_path / "in/broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in/pipe")
    assert [(type(i).__name__, getattr(i, "id", "") or i.source) for i in listed(tmp_path / "in")] == [
        ("Failure", "broken"),
        ("SourceItem", "file.txt"),
    ]


def test_what_is_missing_or_of_an_unknown_kind_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder") as caught:
        listed(tmp_path / "gone")
    assert "loresmith remove" in str(caught.value)
    with pytest.raises(SourceError, match="ftp://"):
        list(scan(SourceSpec("ftp://x/y"), prefix="", web=WebSection(), web_dir=tmp_path))


def test_colliding_ids_get_the_name_of_the_later_source(tmp_path: Path) -> None:
    for name in ("one/a.txt", "two/a.txt", "three/b.txt", "x/two/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    specs = [SourceSpec(str(tmp_path / name)) for name in ("one", "two", "three", "x/two", "one/a.txt")]
    assert list(prefixes(specs).values()) == ["", "two/", "", "two-2/", "a.txt/"]
    assert prefixes(specs) == prefixes(specs)
