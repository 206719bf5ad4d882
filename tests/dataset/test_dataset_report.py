"""The report says what is in a dataset and what was left out, and nothing in it can act."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from dataset_rows import closed, facts

from loresmith.config import DatasetSection
from loresmith.dataset import store
from loresmith.dataset.check import check
from loresmith.dataset.split import split

EVIL = '<script>alert(1)</script><img src=x onerror="x()">'


class Page(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def reports(tmp_path: Path) -> tuple[Page, str]:
    rows = [
        *facts(20, 3, 4),
        closed(f"What is {EVIL} | `this`?", "A *bold* answer.", origin="import:a.csv#2"),
        closed("Which oil?", "ISO VG 68.", origin="import:a.csv#3"),
        closed("which oil", "ISO VG 68", origin="import:a.csv#4"),
        closed("Which grease?", "LGMT.", origin="import:a.csv#5", labels=("workshop",)),
        closed("Which grease?", "Mineral.", origin="import:a.csv#6"),
        closed("Who answers?", "ann.lee@example.com", origin="import:a.csv#7", labels=("workshop",)),
        closed("Where?", "Here.</s>", origin="import:a.csv#8"),
        *(closed(f"Gap {i}?", "", origin=f"import:b.csv#{i}") for i in range(60)),
    ]
    checked = check(rows, settings=DatasetSection())
    splits = split(checked.accepted)
    saved = store.save(tmp_path, checked.accepted, splits, checked, notes=splits.notes)
    folder = tmp_path / saved.id
    return Page((folder / "report.html").read_text()), (folder / "report.md").read_text()


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(reports):
    page, _ = reports
    assert {"script", "img", "link", "iframe"}.isdisjoint(page.tags)
    assert [value for name, value in page.attributes if name in ("src", "href")] == []
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_what_documents_and_files_say_is_shown_and_not_obeyed(tmp_path):
    rows = [
        closed(
            f"{EVIL} {i}?", f"{EVIL} a{i}", origin=f"import:{EVIL}.csv#{i}", documents=(EVIL,), labels=(EVIL,)
        )
        for i in range(6)
    ]
    checked = check([*rows, rows[0]])
    saved = store.save(tmp_path, checked.accepted, split(checked.accepted), checked)
    page = Page((tmp_path / saved.id / "report.html").read_text())
    assert {"script", "img"}.isdisjoint(page.tags)
    assert page.text.count(EVIL) > 12
    assert "<script>" not in (tmp_path / saved.id / "report.md").read_text().replace("\\<", "")


def test_both_say_what_was_left_out_and_why(reports):
    page, text = reports
    for shown in (page.text, text.replace("\\", "")):
        assert "near-duplicate: 1" in shown
        assert "a.csv#4" in shown
        assert "contradiction: 2" in shown
        assert "to the same question a.csv#6 answers “Mineral.”, this one “LGMT.”" in shown
        assert "empty answer: 60" in shown
        assert "and 10 more" in shown
        assert "end mark removed" in shown


def test_warnings_labels_and_splits_are_said(reports):
    page, text = reports
    for shown in (page.text, text.replace("\\", "")):
        assert "Access labels: workshop" in shown
        assert "1 with e-mail address" in shown
        assert "have one more wording in dev" in shown


def test_personal_data_is_masked(reports):
    page, text = reports
    assert "ann.lee" not in page.text + text
    assert "a…@example.com" in page.text


def test_a_dataset_without_faults_says_so(tmp_path):
    checked = check(facts(20, 3, 4))
    splits = split(checked.accepted)
    saved = store.save(tmp_path, checked.accepted, splits, checked)
    page = Page((tmp_path / saved.id / "report.html").read_text())
    assert "Nothing stands against training on this." in page.text
    assert "Rejected rows" not in page.text
