"""DOCX, PPTX, XLSX, HTML, EPUB: structure, places, what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from loresmith.errors import ParseError
from loresmith.locate import locate
from loresmith.parsing.xlsx import show
from loresmith.types import Document
from tests.parsing.conftest import texts
from tests.parsing.make import W, cells, docx, p, package, table, xlsx

Parse = Callable[..., list[Document]]


def test_docx_headings_tables_and_hidden_text(parse: Parse) -> None:
    body = (
        p("Manual", "H1")
        + p("Torques", "H2")
        + p("The M8 bolts get 25 Nm.")
        + p("secret instruction", run="<w:vanish/>")
        + p("white words", run='<w:color w:val="FFFFFF"/>')
        + table([["Bolt", "Torque"], ["M8", "25 Nm"]], header=True)
    )
    document = parse("m.docx", docx(body))[0]
    assert texts(document, "heading") == ["Manual", "Torques"]
    assert texts(document, "row") == ["Bolt | Torque", "Bolt: M8; Torque: 25 Nm"]
    assert "secret" not in document.text
    assert "white" not in document.text
    assert document.warnings == ("hidden text was left out (29 characters)",)
    start = document.text.index("25 Nm")
    assert locate(document, start, start + 5).heading == "Manual › Torques"


def test_docx_pages_follow_the_breaks(parse: Parse) -> None:
    broken = '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
    rendered = "<w:p><w:r><w:lastRenderedPageBreak/><w:t>third</w:t></w:r></w:p>"
    document = parse("m.docx", docx(p("first") + broken + p("second") + rendered))[0]
    assert [(b.page, document.text[b.start : b.end]) for b in document.blocks] == [
        (1, "first"),
        (2, "second"),
        (3, "third"),
    ]


def test_docx_merged_cells_say_their_text_in_each_row(parse: Parse) -> None:
    first = '<w:tc><w:tcPr><w:vMerge w:val="restart"/></w:tcPr>' + p("P-200") + "</w:tc>"
    rest = "<w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>"
    body = f"<w:tbl><w:tr>{first}<w:tc>{p('M8')}</w:tc><w:tc>{p('25')}</w:tc></w:tr>"
    body += f"<w:tr>{rest}<w:tc>{p('M10')}</w:tc><w:tc>{p('46')}</w:tc></w:tr></w:tbl>"
    assert texts(parse("m.docx", docx(body))[0], "row") == ["P-200 | M8 | 25", "P-200 | M10 | 46"]


def test_xlsx_rows_keep_their_numbers_and_hidden_ones_are_reported(parse: Parse) -> None:
    data = xlsx(
        {
            "Log": cells(
                {
                    1: ["Maintenance log"],
                    3: ["Job", "Date", "Work"],
                    4: ["J-1", 45750, "Oil change"],
                    6: ["J-2", 45751, "Seal"],
                    7: ["J-3", 45752, "secret"],
                },
                hidden=[7],
            ),
            "Internal": cells({1: ["a", "b"], 2: ["margin", "40"]}),
        },
        hidden=["Internal"],
    )
    document = parse("log.xlsx", data)[0]
    assert "secret" not in document.text
    assert "margin" not in document.text
    assert set(document.warnings) == {
        "hidden sheet 'Internal' was left out",
        "sheet 'Log': hidden rows were left out: 7",
    }
    # The table goes on after an empty row with the names it has.
    start = document.text.index("Job: J-2")
    place = locate(document, start, start + 8)
    assert (place.sheet, place.row) == ("Log", 6)
    assert document.text[start:].startswith("Job: J-2; Date: 45751; Work: Seal")


@pytest.mark.parametrize(
    ("raw", "code", "shown"),
    [
        ("45750", "dd/mm/yyyy", "2025-04-03"),
        ("45750.75", "m/d/yy h:mm", "2025-04-03 18:00"),
        ("0.5", "h:mm AM/PM", "12:00"),
        ("0.125", "0.0%", "12.5%"),
        ("1234567.891", "#,##0.00", "1,234,567.89"),
        ("-1234.5", "#,##0.00;(#,##0.00)", "(1,234.50)"),
        ("12", '0.00" kg"', "12.00 kg"),
        ("9.99", "[$€-407]#,##0.00", "€9.99"),
        ("0.1", "", "0.1"),
        ("1E-5", "General", "1e-05"),
        ("0.30000000000000004", "", "0.3"),
        ("1.5", "0.##", "1.5"),
        ("25:30", "", "25:30"),
    ],
)
def test_numbers_read_as_the_program_shows_them(raw: str, code: str, shown: str) -> None:
    assert show(raw, code, datetime(1899, 12, 30)) == shown


def test_pptx_slides_are_pages_and_hidden_ones_left_out(parse: Parse) -> None:
    a = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    pml = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    r = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def shape(text: str, kind: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>'
            + "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
            + "</p:txBody></p:sp>"
        )

    def slide(inner: str, more: str = "") -> str:
        return f"<p:sld {a} {pml}{more}><p:cSld><p:spTree>{inner}</p:spTree></p:cSld></p:sld>"

    relations = "".join(
        f'<Relationship Id="r{n}" Type="{base}/slide" Target="slides/slide{n}.xml"/>' for n in (1, 2, 3)
    )
    listed = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n in (2, 1, 3))
    main = f"<p:presentation {pml} {r}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
    data = package(
        {
            "ppt/presentation.xml": main,
            "ppt/_rels/presentation.xml.rels": f"<Relationships>{relations}</Relationships>",
            "ppt/slides/slide1.xml": slide(shape("Markets", "title") + shape("Germany\nItaly", "body")),
            "ppt/slides/slide2.xml": slide(shape("Launch", "ctrTitle")),
            "ppt/slides/slide3.xml": slide(shape("Secret", "title"), ' show="0"'),
        }
    )
    document = parse("s.pptx", data)[0]
    assert [(b.page, document.text[b.start : b.end]) for b in document.blocks] == [
        (1, "Launch"),
        (2, "Markets"),
        (2, "- Germany"),
        (2, "- Italy"),
    ]
    assert document.warnings == ("hidden slides were left out: 3",)


HTML = """<!doctype html><html lang="de-DE"><head><title>Datenblatt</title><style>p{color:red}</style></head>
<body><nav>Start | Produkte</nav><h1>P-200</h1>
<p>Die Pumpe f&ouml;rdert <b>42</b> m&sup3;/h.<p>Zweiter Absatz
<ul><li>eins<li>zwei</ul>
<div style="display:none">hidden words that nobody should ever see</div><script>var x = "<p>no</p>";</script>
<table><tr><th rowspan=2>Supply<th colspan=2>50 Hz<tr><th>Power<th>Current
<tr><td>400 V<td>5.5<td>10.4</table></body></html>"""


def test_html_as_a_reader_sees_it(parse: Parse) -> None:
    document = parse("d.html", HTML.encode())[0]
    assert document.title == "Datenblatt"
    assert document.language == "de"
    assert texts(document, "paragraph") == ["Die Pumpe fördert 42 m³/h.", "Zweiter Absatz"]
    assert texts(document, "list") == ["- eins", "- zwei"]
    assert texts(document, "row") == [
        "Supply | 50 Hz › Power | 50 Hz › Current",
        "Supply: 400 V; 50 Hz › Power: 5.5; 50 Hz › Current: 10.4",
    ]
    for word in ("nobody", "Produkte", "no</p>"):
        assert word not in document.text
    assert "hidden text was left out" in document.warnings[0]


def test_html_in_the_encoding_it_declares(parse: Parse) -> None:
    page = '<html><head><meta charset="iso-8859-1"></head><body><p>Größe</p></body></html>'.encode("latin-1")
    assert texts(parse("d.html", page)[0]) == ["Größe"]


def test_html_nested_without_end_is_read(parse: Parse) -> None:
    assert texts(parse("d.html", b"<html>" + b"<div>" * 20000 + b"deep")[0]) == ["deep"]


def test_epub_chapters_in_the_order_of_the_spine(parse: Parse) -> None:
    opf = """<package><metadata><title>The Pump Book</title><language>en-GB</language></metadata>
    <manifest><item id="a" href="one.xhtml"/><item id="b" href="two.xhtml"/></manifest>
    <spine><itemref idref="b"/><itemref idref="a"/></spine></package>"""
    root = '<container><rootfiles><rootfile full-path="OPS/x.opf"/></rootfiles></container>'
    data = package(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": root,
            "OPS/x.opf": opf,
            "OPS/one.xhtml": "<html><body><h1>Second</h1><p>b</p></body></html>",
            "OPS/two.xhtml": "<html><body><h1>First</h1><p>a</p></body></html>",
        }
    )
    document = parse("b.epub", data)[0]
    assert (document.title, document.language) == ("The Pump Book", "en")
    assert texts(document) == ["First", "a", "Second", "b"]


def test_entities_are_never_expanded(parse: Parse) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    body = f"{bomb}<w:document {W}><w:body>{p('&b;')}</w:body></w:document>"
    data = package({"word/document.xml": body})
    with pytest.raises(ParseError, match="declares XML entities"):
        parse("m.docx", data)
