"""PDF: places, hidden text, tables, columns, running heads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from loresmith.errors import ParseError
from loresmith.locate import locate
from loresmith.parsing import render_page
from loresmith.parsing.ocr import tessdata_folder
from loresmith.types import Document
from tests.parsing.conftest import texts
from tests.parsing.make import PdfPage, encrypted_pdf, pdf

Parse = Callable[..., list[Document]]


def test_a_quote_is_found_on_its_page_and_in_its_box(parse: Parse) -> None:
    pages = [
        PdfPage(texts=[(72, 100 + 20 * n, 12, f"page {n} says something about pumps")]) for n in range(1, 5)
    ]
    document = parse("m.pdf", pdf(pages))[0]
    start = document.text.index("page 3 says")
    place = locate(document, start, start + len("page 3 says"))
    assert place.page == 3
    (box,) = place.boxes
    assert 71 < box.x0 < 73
    assert 148 < box.y0 < 160 < box.y1 < 166
    assert 120 < box.x1 < 145


def test_lines_that_differ_in_their_numbers_are_no_running_heads(parse: Parse) -> None:
    lines = [f"Pump {n * n + 7} has the code {n * 13}." for n in range(1, 8)]
    pages = [PdfPage(texts=[(72, 50, 12, line), (72, 80, 12, "The rest.")]) for line in lines]
    text = parse("m.pdf", pdf(pages))[0].text
    assert all(line in text for line in lines)


def test_hidden_text_is_left_out_and_reported(parse: Parse) -> None:
    page = PdfPage(
        texts=[
            (72, 100, 12, "what everyone can read"),
            (72, 130, 12, "white on white", "F1", "1 1 1"),
            (72, 160, 1, "much too small to be read"),
        ],
        raw="0.1 0.1 0.4 rg 60 580 300 30 re f\n"
        "BT 3 Tr 0 0 0 rg /F1 12 Tf 72 500 Td (invisible mode) Tj ET 0 Tr\n"
        "BT 0 Tr 1 1 1 rg /F1 12 Tf 72 590 Td (white on dark blue) Tj ET\n",
    )
    document = parse("m.pdf", pdf([page]))[0]
    assert "everyone can read" in document.text
    assert "white on dark blue" in document.text
    for hidden in ("white on white", "too small", "invisible mode"):
        assert hidden not in document.text
    assert any("hidden text was left out" in warning and "page 1" in warning for warning in document.warnings)


def test_running_heads_and_feet_do_not_reach_the_text(parse: Parse) -> None:
    pages = [
        PdfPage(
            texts=[
                (72, 30, 9, "ACME manual rev. 3"),
                (72, 200, 12, f"Content of section {'abcdef'[n]} stands here."),
                (300, 770, 9, f"Page {n + 1} of 6"),
            ]
        )
        for n in range(6)
    ]
    document = parse("m.pdf", pdf(pages))[0]
    assert "ACME manual" not in document.text
    assert "Page 2" not in document.text
    assert [b.page for b in document.blocks] == [1, 2, 3, 4, 5, 6]
    assert "ACME manual" in document.metadata["running"]


def ruled(
    rows: list[list[str]], *, x: float = 72, y: float = 100, width: float = 120, bold: bool = True
) -> PdfPage:
    height = 20
    texts = [
        (x + 5 + c * width, y + 14 + r * height, 10, cell, "F2" if bold and r == 0 else "F1")
        for r, row in enumerate(rows)
        for c, cell in enumerate(row)
        if cell
    ]
    right, bottom = x + width * len(rows[0]), y + height * len(rows)
    lines = [(x, y + n * height, right, y + n * height) for n in range(len(rows) + 1)]
    lines += [(x + n * width, y, x + n * width, bottom) for n in range(len(rows[0]) + 1)]
    return PdfPage(texts=texts, lines=lines)


def test_a_ruled_table_names_each_cell_by_its_column(parse: Parse) -> None:
    rows = [["Bolt", "Place", "Torque"], ["M8", "P-200 flange", "25 Nm"], ["M10", "", "46 Nm"]]
    document = parse("m.pdf", pdf([ruled(rows)]))[0]
    assert texts(document, "row") == [
        "Bolt | Place | Torque",
        "Bolt: M8; Place: P-200 flange; Torque: 25 Nm",
        "Bolt: M10; Torque: 46 Nm",
    ]
    assert [b.header for b in document.blocks] == [True, False, False]
    start = document.text.index("25 Nm")
    place = locate(document, start, start + 5)
    assert (place.page, place.table) == (1, "1")
    assert 315 < place.boxes[0].x0 < 320
    assert place.boxes[0].x1 < 350


def test_pairs_have_no_header(parse: Parse) -> None:
    rows = [["Manufacturer", "Brunnholt"], ["Supply", "400 V"], ["Hotline", "+49 751 555"]]
    document = parse("m.pdf", pdf([ruled(rows, bold=False)]))[0]
    assert texts(document, "row") == ["Manufacturer | Brunnholt", "Supply | 400 V", "Hotline | +49 751 555"]


def test_a_borderless_statement_keeps_its_rows_and_joins_its_names(parse: Parse) -> None:
    def number(x: float, y: float, text: str) -> tuple[float, float, int, str]:
        return (x - 5 * len(text), y, 10, text)

    page = PdfPage(
        texts=[
            (200, 80, 10, "(In millions)"),
            (330, 100, 10, "Three Months Ended", "F2"),
            (320, 112, 10, "July 1,", "F2"),
            (400, 112, 10, "June 25,", "F2"),
            (325, 122, 10, "2023", "F2"),
            (405, 122, 10, "2022", "F2"),
            (72, 136, 10, "Net sales:"),
            (80, 148, 10, "Products"),
            (300, 148, 10, "$"),
            number(350, 148, "60,584"),
            (380, 148, 10, "$"),
            number(430, 148, "63,355"),
            (80, 160, 10, "Services, net of taxes and"),
            (80, 171, 10, "allowances"),
            number(350, 171, "21,213"),
            number(430, 171, "-"),
            (90, 184, 10, "Total"),
            number(350, 184, "(81,797)"),
            number(430, 184, "82,959"),
        ]
    )
    document = parse("m.pdf", pdf([page]))[0]
    assert texts(document, "row") == [
        "(In millions) | Three Months Ended › July 1, 2023 | Three Months Ended › June 25, 2022",
        "Net sales:",
        "Products | $60,584 | $63,355",
        "Services, net of taxes and allowances | 21,213 | -",
        "Total | (81,797) | 82,959",
    ]
    assert document.blocks[1].header


def test_two_columns_are_read_one_after_the_other(parse: Parse) -> None:
    left = [f"left column line {n} goes on and on here" for n in range(8)]
    right = [f"right column line {n} runs beside the left" for n in range(8)]
    page = PdfPage(
        texts=[
            (72, 60, 18, "A heading over both columns", "F2"),
            *[(60, 100 + 13 * n, 10, text) for n, text in enumerate(left)],
            *[(320, 104 + 13 * n, 10, text) for n, text in enumerate(right)],
        ]
    )
    document = parse("m.pdf", pdf([page]))[0]
    flat = " ".join(document.text.split())
    assert "line 0 goes on and on here left column line 1" in flat
    assert flat.index("left column line 7") < flat.index("right column line 0")
    assert texts(document, "heading") == ["A heading over both columns"]


def test_headings_have_levels_by_size_and_number(parse: Parse) -> None:
    page = PdfPage(
        texts=[
            (72, 60, 20, "Operating manual", "F2"),
            (72, 100, 14, "1 Safety", "F2"),
            *[(72, 130 + 14 * n, 10, f"Body text that fills line {n} of the paragraph") for n in range(6)],
            (72, 240, 10, "1.1 Residual risks", "F2"),
            (72, 260, 10, "More body text stands here."),
        ]
    )
    document = parse("m.pdf", pdf([page], title="Manual of the P-200"))[0]
    assert document.title == "Manual of the P-200"
    levels = [b.level for b in document.blocks if b.kind == "heading"]
    assert levels[0] < levels[1] < levels[2]
    start = document.text.index("More body")
    assert locate(document, start, start + 4).heading == "Operating manual › 1 Safety › 1.1 Residual risks"


def test_words_broken_at_the_end_of_a_line(parse: Parse) -> None:
    lines = [
        "The impeller must be examined. A credit-",
        "financing arrangement needs no exam-",
        "ined signature.",
    ]
    page = PdfPage(texts=[(72, 100 + 13 * n, 10, text) for n, text in enumerate(lines)])
    text = parse("m.pdf", pdf([page]))[0].text
    assert "no examined signature" in text


def test_a_password_is_named_as_the_reason(parse: Parse) -> None:
    with pytest.raises(ParseError, match="protected by a password"):
        parse("m.pdf", encrypted_pdf())


def scan_of(page: PdfPage, folder: Path) -> bytes:
    """The page as a picture."""
    (folder / "page.pdf").write_bytes(pdf([page]))
    return render_page(str(folder / "page.pdf"), 1, dpi=150)


def test_a_picture_is_read_by_ocr_or_says_what_is_missing(parse: Parse, tmp_path: Path) -> None:
    page = PdfPage(texts=[(72, 100, 14, "Bearing temperature: warning at 85 degrees")])
    png = scan_of(page, tmp_path)
    with pytest.raises(ParseError, match="tessdata for xxx"):
        parse("page.png", png, ocr_languages=["xxx"])
    with pytest.raises(ParseError, match="switched off"):
        parse("page.png", png, ocr=False)
    if tessdata_folder() is None:
        pytest.skip("tessdata is not installed (apt install tesseract-ocr-eng)")
    document = parse("page.png", png)[0]
    assert "Bearing temperature: warning at 85 degrees" in document.text
    assert document.warnings == ("read from a picture (OCR); figures may be misread",)
    box = document.blocks[0].lines[0][2]
    assert 70 < box.x0 < 75
    assert 85 < box.y0 < 102


def test_render_page_names_a_page_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.pdf").write_bytes(pdf([PdfPage(texts=[(72, 90, 12, "x")])]))
    assert render_page(str(tmp_path / "m.pdf"), 1).startswith(b"\x89PNG")
    with pytest.raises(ParseError, match="page 7"):
        render_page(str(tmp_path / "m.pdf"), 7)


def test_a_lone_page_without_text_says_that_it_holds_none(parse: Parse) -> None:
    with pytest.raises(ParseError, match="holds no text"):
        parse("m.pdf", pdf([PdfPage()]))


SHARED = Path(os.environ.get("LORESMITH_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.skipif(not (SHARED / "filings").is_dir(), reason=f"no filings in {SHARED}")
def test_the_statements_of_a_real_filing_are_readable_lines(parse: Parse) -> None:
    document = parse("q.pdf", (SHARED / "filings" / "2023 Q3 AAPL.pdf").read_bytes())[0]
    rows = {(b.page, document.text[b.start : b.end]) for b in document.blocks if b.kind == "row"}
    assert (4, "Total net sales | 81,797 | 82,959 | 293,787 | 304,182") in rows
    assert (4, "Basic | $1.27 | $1.20 | $4.69 | $4.86") in rows
    assert (5, "Total comprehensive income | $19,826 | $16,639 | $73,347 | $69,622") in rows
    assert (6, "Total assets | $335,038 | $352,755") in rows
    assert (10, "Commercial paper | 364 | - | - | 364 | - | 364 | -") in rows
    assert (18, "Europe | 20,205 | 19,287 | 5 % | 71,831 | 72,323 | (1)%") in rows
    assert any(
        page == 4 and "Nine Months Ended › June 25, 2022" in row and row.startswith("(In millions")
        for page, row in rows
    )
    assert "Form 10-Q | 4" not in document.text


def test_a_page_that_lies_on_its_side_is_read_and_its_boxes_lie_too(parse: Parse) -> None:
    lines = "".join(
        f"BT /F1 12 Tf 0 1 -1 0 {100 + 20 * n} 72 Tm (line {n} of a page that lies on its side) Tj ET\n"
        for n in range(4)
    )
    document = parse("m.pdf", pdf([PdfPage(texts=[(72, 90, 12, "upright")]), PdfPage(raw=lines)]))[0]
    flat = " ".join(document.text.split())
    assert "line 0 of a page that lies on its side line 1 of" in flat
    start = document.text.index("line 2")
    place = locate(document, start, start + len("line 2"))
    assert place.page == 2
    box = place.boxes[0]
    assert 125 < box.x0 < box.x1 < 145
    assert 500 < box.y0 < 719 < box.y1 < 722
