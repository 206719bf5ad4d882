"""The workers: limits hold, one reason a file, the rest goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loresmith.config import ParsingSection, WebSection
from loresmith.parsing import ParseResult, ParserPool
from loresmith.parsing.draft import Draft
from loresmith.sources import scan
from loresmith.types import SourceItem, SourceSpec
from tests.parsing.make import PdfPage, pdf, pdf_bomb


def items(folder: Path) -> list[SourceItem]:
    found = list(scan(SourceSpec(str(folder)), prefix="", web=WebSection(), web_dir=folder))
    assert all(isinstance(one, SourceItem) for one in found)
    return found  # type: ignore[return-value]


def run(folder: Path, **settings: float) -> dict[str, ParseResult]:
    with ParserPool(ParsingSection(workers=1, **settings)) as pool:  # type: ignore[arg-type]
        return {result.item.id: result for result in pool.parse(items(folder))}


def test_bad_files_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the first")
    (tmp_path / "b.pdf").write_bytes(pdf_bomb(150))
    (tmp_path / "c.pdf").write_bytes(b"")
    (tmp_path / "d.pdf").write_bytes(pdf([PdfPage(texts=[(72, 90, 12, "still read")])]))
    results = run(tmp_path, memory_mb=256, seconds=30)
    assert len(results) == 4
    assert results["a.txt"].documents[0].text == "the first"
    assert results["d.pdf"].documents[0].text == "still read"
    reasons = {name: r.failure.reason for name, r in results.items() if r.failure}
    assert set(reasons) == {"b.pdf", "c.pdf"}
    assert "256 MB of memory" in reasons["b.pdf"]
    assert reasons["c.pdf"].startswith("empty file")
    # The bytes of a bomb are known by their hash, so that the next run need not read it again.
    assert len(results["b.pdf"].version) == 64


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    (tmp_path / "slow.md").write_text("x")
    (tmp_path / "z.txt").write_text("fine")
    os.remove(tmp_path / "slow.md")
    os.mkfifo(tmp_path / "pipe")
    # Reading a regular expression's worst case would be flaky; a page of a million cells is not.
    (tmp_path / "slow.html").write_text("<table>" + "<tr>" + "<td>x" * 400 * 2500)
    results = run(tmp_path, seconds=0.2)
    assert results["slow.html"].failure is not None
    assert "longer than 0.2 s" in results["slow.html"].failure.reason
    assert "pipe" not in results


def test_a_file_that_vanishes_or_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("soon gone")
    (tmp_path / "large.txt").write_bytes(b"x" * (2 * 2**20))
    (tmp_path / "here.txt").write_text("here")
    listed = items(tmp_path)
    (tmp_path / "gone.txt").unlink()
    with ParserPool(ParsingSection(workers=1, max_file_mb=1)) as pool:
        results = {r.item.id: r for r in pool.parse(listed)}
    assert "vanished" in results["gone.txt"].failure.reason  # type: ignore[union-attr]
    assert "larger than 1 MB" in results["large.txt"].failure.reason  # type: ignore[union-attr]
    assert results["gone.txt"].version == ""
    assert results["here.txt"].documents[0].text == "here"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.txt").chmod(0)
    assert "permission" in run(tmp_path)["a.txt"].failure.reason  # type: ignore[union-attr]


def test_the_pool_streams_and_can_be_left_early(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.txt").write_text(f"text {number}")
    taken = []

    def counted() -> object:
        for one in items(tmp_path):
            taken.append(one.id)
            yield one

    with ParserPool(ParsingSection(workers=1)) as pool:
        results = pool.parse(counted())  # type: ignore[arg-type]
        first = next(results)
        assert first.documents[0].text == "text 0"
        assert len(taken) <= 2, "it must not run ahead of its consumer"
        results.close()  # type: ignore[attr-defined]
        again = list(pool.parse(items(tmp_path)))
    assert len(again) == 50


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"gr\xfc\xdfe.txt"), "w") as file:
        file.write("readable")
    results = run(tmp_path)
    assert [r.documents[0].text for r in results.values()] == ["readable"]
    next(iter(results)).encode("utf-8")


def test_a_draft_joins_rows_of_a_table_tightly() -> None:
    draft = Draft()
    draft.add("row", "a", table="1")
    draft.add("row", "b", table="1")
    draft.add("paragraph", "  c  ")
    draft.add("paragraph", " \n ")
    document = draft.document("d", version="v", media_type="text/plain", source="s", uri="u")
    assert document.text == "a\nb\n\nc"
