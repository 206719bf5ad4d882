"""Cutting: exact offsets, structure kept, bounds kept, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from helpers import document
from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.passages import cut
from loresmith.types import Block, BlockKind, Box, Document, Passage

SENTENCE = "The seal of the pump must be checked each week by trained staff. "


def words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def structured(*parts: tuple[BlockKind, str, dict[str, object]]) -> Document:
    """A document from (kind, text, further fields of the block)."""
    text, blocks = "", []
    for kind, content, fields in parts:
        start = len(text)
        text += content + "\n\n"
        blocks.append(Block(kind=kind, start=start, end=start + len(content), **fields))  # type: ignore[arg-type]
    return Document(
        id="m.pdf",
        source="/docs",
        uri="/docs/m.pdf",
        version="v",
        media_type="application/pdf",
        title="Manual",
        text=text,
        blocks=tuple(blocks),
        labels=("service",),
        modified=7.0,
    )


def check(document: Document, passages: Sequence[Passage], max_tokens: int) -> None:
    covered = set()
    for ordinal, passage in enumerate(passages):
        start, end = passage.locator.start, passage.locator.end
        assert start is not None
        assert end is not None
        assert passage.text == document.text[start:end]
        assert passage.text.strip()
        assert passage.ordinal == ordinal
        assert words(passage.text) + words(passage.context) <= max_tokens
        assert not covered & set(range(start, end))
        covered |= set(range(start, end))
    assert all(c.isspace() for i, c in enumerate(document.text) if i not in covered)
    assert len({p.id for p in passages}) == len(passages)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab .\n1水", max_size=120), max_size=5), st.integers(3, 40))
def test_any_text_is_cut_exactly(parts: list[str], max_tokens: int) -> None:
    made = document("\n\n".join(parts))
    check(made, cut(made, words, max_tokens=max_tokens), max_tokens)


def test_a_document_without_blocks_or_text() -> None:
    assert cut(document("  \n "), words, max_tokens=20) == []


def test_short_paragraphs_of_a_section_stand_together_sections_apart() -> None:
    made = structured(
        ("heading", "Safety", {"level": 1}),
        ("paragraph", "Wear gloves.", {}),
        ("paragraph", "Wear goggles.", {}),
        ("heading", "Start", {"level": 1}),
        ("heading", "Before the start", {"level": 2}),
        ("paragraph", "Open the valve.", {}),
    )
    passages = cut(made, words, max_tokens=100)
    check(made, passages, 100)
    assert [p.heading for p in passages] == [("Safety",), ("Start", "Before the start")]
    assert passages[0].text == "Safety\n\nWear gloves.\n\nWear goggles."
    assert passages[1].text.endswith("Open the valve.")
    assert passages[0].locator.heading == "Safety"
    assert (passages[0].title, passages[0].labels, passages[0].modified) == ("Manual", ("service",), 7.0)


def test_a_long_paragraph_is_cut_at_sentence_ends_into_even_parts() -> None:
    made = document(SENTENCE * 12)
    passages = cut(made, words, max_tokens=60)
    check(made, passages, 60)
    assert all(p.text.endswith("staff.") for p in passages)
    assert min(p.tokens for p in passages) >= 26


def test_a_word_longer_than_a_passage_is_cut_anyway() -> None:
    made = document("x" * 500)
    passages = cut(made, len, max_tokens=40)
    assert "".join(p.text for p in passages) == "x" * 500
    assert max(len(p.text) for p in passages) <= 40


def test_rows_stay_whole_and_keep_their_header() -> None:
    rows = [f"P-{n} | {n} Nm | {n / 10} bar" for n in range(100, 130)]
    made = structured(
        ("caption", "Table 3: Torques", {"page": 4}),
        ("row", "Model | Torque | Pressure", {"table": "t", "header": True, "page": 4}),
        *(("row", row, {"table": "t", "page": 4, "row": n}) for n, row in enumerate(rows)),  # type: ignore[arg-type]
    )
    passages = cut(made, words, max_tokens=80)
    check(made, passages, 80)
    assert len(passages) > 2
    assert passages[0].text.startswith("Table 3: Torques\n\nModel | Torque | Pressure\n\nP-100")
    assert passages[0].context == ""
    assert all(p.context == "Table 3: Torques\nModel | Torque | Pressure" for p in passages[1:])
    assert all("Torque" in p.indexed_text() for p in passages)
    found = [line for p in passages for line in p.text.split("\n\n")]
    assert found[2:] == rows
    assert passages[1].locator.row == found[2:].index(passages[1].text.split("\n\n")[0])


def test_rows_that_name_their_columns_need_no_header() -> None:
    rows = [f"Model: P-{n}; Torque: {n} Nm" for n in range(100, 130)]
    made = structured(
        ("row", "Model | Torque", {"table": "t", "header": True, "sheet": "Log"}),
        *(("row", row, {"table": "t", "sheet": "Log", "row": n}) for n, row in enumerate(rows, 2)),  # type: ignore[arg-type]
    )
    passages = cut(made, words, max_tokens=60)
    assert [p.context for p in passages] == [""] * len(passages)
    assert passages[1].locator.sheet == "Log"
    assert passages[1].locator.row is not None


def test_two_tables_pages_and_sheets_are_not_mixed() -> None:
    made = structured(
        ("row", "A | B", {"table": "1", "header": True, "page": 1}),
        ("row", f"1 | {SENTENCE * 2}", {"table": "1", "page": 1}),
        ("row", "C | D", {"table": "2", "header": True, "page": 1}),
        ("row", f"3 | {SENTENCE * 2}", {"table": "2", "page": 1}),
        ("paragraph", "The text on the next page.", {"page": 2}),
    )
    passages = cut(made, words, max_tokens=50)
    check(made, passages, 50)
    assert [p.text[:1] for p in passages] == ["A", "C", "T"]
    assert [p.locator.page for p in passages] == [1, 1, 2]


def test_the_head_of_a_financial_table_reaches_all_its_parts() -> None:
    rows = [f"Item {n} | {n},000 | {n},500" for n in range(1, 30)]
    made = structured(
        ("row", "| Three Months Ended | Nine Months Ended", {"table": "5", "header": True, "page": 1}),
        ("row", "June 25, | June 26,", {"table": "5", "page": 1}),
        ("row", "2022 | 2021", {"table": "5", "page": 1}),
        ("paragraph", "Net sales:", {"page": 1}),
        *(("row", row, {"table": "6", "page": 1}) for row in rows[:12]),  # type: ignore[arg-type]
        ("paragraph", "Cost of sales:", {"page": 1}),
        *(("row", row, {"table": "7", "page": 1}) for row in rows[12:]),  # type: ignore[arg-type]
        ("paragraph", "See accompanying notes of the statements, which are part of them all.", {"page": 1}),
        ("row", "Other | 1 | 2", {"table": "8", "page": 1}),
    )
    passages = cut(made, words, max_tokens=120)
    check(made, passages, 120)
    head = "| Three Months Ended | Nine Months Ended\nJune 25, | June 26,\n2022 | 2021"
    assert len(passages) > 3
    assert {p.context for p in passages[1:] if "Item" in p.text.split("\n")[0]} == {head}
    assert not any(p.text.endswith("sales:") for p in passages)


def test_a_row_keeps_the_heading_of_its_group() -> None:
    made = structured(
        ("row", "Cost of sales:", {"table": "t"}),
        *(("row", f"Item {n} | {n},000", {"table": "t"}) for n in range(1, 20)),  # type: ignore[arg-type]
        ("row", "Total cost of sales | 99,000", {"table": "t"}),
        *(("row", f"Gross {n} | {n},000", {"table": "t"}) for n in range(1, 20)),  # type: ignore[arg-type]
    )
    passages = cut(made, words, max_tokens=40)
    check(made, passages, 40)
    for passage in passages[1:]:
        assert passage.context == ("Cost of sales:" if passage.text.startswith("Item") else "")


def test_a_heading_at_the_foot_of_a_page_goes_with_its_text() -> None:
    made = structured(
        ("paragraph", SENTENCE, {"page": 1}),
        ("heading", "Bolts", {"level": 2, "page": 1}),
        ("paragraph", "Use M8.", {"page": 2}),
    )
    passages = cut(made, words, max_tokens=100)
    assert passages[-1].text == "Bolts\n\nUse M8."


def test_lines_of_a_column_become_one_box() -> None:
    text = "first line second line"
    lines = ((0, 10, Box(10, 100, 200, 112)), (11, 22, Box(10, 114, 190, 126)))
    made = structured(("paragraph", text, {"page": 1, "lines": lines}))
    (passage,) = cut(made, words, max_tokens=100)
    assert passage.locator.boxes == (Box(10, 100, 200, 126),)


def test_each_passage_of_a_manual_in_several_languages_has_its_own() -> None:
    german = "Die Pumpe darf nicht gestartet werden, bevor das Ventil auf der Saugseite geöffnet ist. " * 3
    made = structured(
        ("heading", "English", {"level": 1}),
        ("paragraph", SENTENCE * 9, {}),
        ("heading", "Deutsch", {"level": 1}),
        ("paragraph", german, {}),
    )
    assert [p.language for p in cut(made, words, max_tokens=200)] == ["en", "de"]


def test_ids_stay_while_text_and_place_stay() -> None:
    one = cut(document(f"Alpha.\n\n{SENTENCE * 5}"), words, max_tokens=40)
    two = cut(document(f"Alpha.\n\n{SENTENCE * 5}Omega."), words, max_tokens=40)
    other = cut(document(f"Alpha.\n\n{SENTENCE * 5}", id="b.txt"), words, max_tokens=40)
    assert one[0].id == two[0].id
    assert not {p.id for p in one} & {p.id for p in other}


@pytest.mark.parametrize("size", [1000, 8000])
def test_counting_is_linear_in_the_text(size: int) -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return words(text)

    made = document(SENTENCE * size)
    cut(made, count, max_tokens=200)
    assert counted < 4 * len(made.text)
