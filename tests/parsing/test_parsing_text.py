"""Text, Markdown, CSV, JSON, mail: lines, records, encodings, attachments."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from email.message import EmailMessage

import pytest

from loresmith.errors import ParseError
from loresmith.locate import locate
from loresmith.types import Document
from tests.parsing.conftest import texts
from tests.parsing.make import PdfPage, pdf

Parse = Callable[..., list[Document]]


def test_text_keeps_the_lines_of_the_file(parse: Parse) -> None:
    document = parse("a.txt", b"first\r\nstill first\r\n\r\n\r\nsecond paragraph\r\n")[0]
    assert texts(document) == ["first\nstill first", "second paragraph"]
    start = document.text.index("second")
    assert locate(document, start, start + 6).line == 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_text_in_the_usual_encodings(parse: Parse, encoding: str) -> None:
    text = "Größe der Pumpe: 25 Nm – fünf Schrauben à 3 €"
    assert texts(parse("a.txt", text.encode(encoding))[0]) == [text]


@pytest.mark.parametrize(
    ("encoding", "text"), [("gb18030", "泵的安装和维修说明"), ("shift_jis", "ポンプの取扱説明書です")]
)
def test_text_in_east_asian_encodings(parse: Parse, encoding: str, text: str) -> None:
    assert texts(parse("a.txt", text.encode(encoding))[0]) == [text]


def test_what_is_no_text_is_refused(parse: Parse) -> None:
    with pytest.raises(ParseError, match="no known document format"):
        parse("a.xyz", bytes(range(256)) * 40)


MARKDOWN = """---
title: Release notes
---
# C-7 **firmware**

See [the list](http://x.example/y) of `codes`.

| Code | Meaning |
|------|---------|
| E-14 | Dry *run* |

```
# no heading
```

Under
-----
1. one
2. two
"""


def test_markdown_loses_its_marks_and_keeps_its_lines(parse: Parse) -> None:
    document = parse("a.md", MARKDOWN.encode())[0]
    assert document.title == "Release notes"
    assert texts(document, "heading") == ["C-7 firmware", "Under"]
    assert texts(document, "paragraph") == ["See the list of codes."]
    assert texts(document, "row") == ["Code | Meaning", "Code: E-14; Meaning: Dry run"]
    assert texts(document, "code") == ["# no heading"]
    start = document.text.index("E-14")
    place = locate(document, start, start + 4)
    assert (place.line, place.heading) == (10, "C-7 firmware")


def test_markdown_columns_are_named_by_all_levels_or_not_at_all(parse: Parse) -> None:
    years = "|  | Year ended May 31, |  |\n|---|---|---|\n|  | 2019 | 2018 |\n| Sales | 12 | 11 |\n"
    document = parse("a.md", years.encode())[0]
    assert texts(document, "row") == [
        "| Year ended May 31, › 2019 | Year ended May 31, › 2018",
        "Sales; Year ended May 31, › 2019: 12; Year ended May 31, › 2018: 11",
    ]
    assert locate(document, document.text.index("12;"), document.text.index("12;") + 2).line == 4
    gaps = "| Item | Price |  |\n|---|---|---|\n| Seal | 12 | 11 |\n"
    assert texts(parse("a.md", gaps.encode())[0], "row") == ["Item | Price |", "Seal | 12 | 11"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_of_any_dialect(parse: Parse, delimiter: str) -> None:
    rows = [["Order number", "Part", "Price"], ["2004-117", f'"seal{delimiter} 28 mm"', "96.40"], [""] * 3,
            ["2004-118", '"two\nlines"', "127.90"]]  # fmt: skip
    document = parse("a.csv", "\n".join(delimiter.join(row) for row in rows).encode("utf-8-sig"))[0]
    assert texts(document)[0] == "Order number | Part | Price"
    seal = " ".join(f"seal{delimiter} 28 mm".split())
    assert texts(document)[1] == f"Order number: 2004-117; Part: {seal}; Price: 96.40"
    start = document.text.index("two lines")
    place = locate(document, start, start + 3)
    assert (place.row, place.key) == (4, "2004-118")


def test_csv_without_names(parse: Parse) -> None:
    assert texts(parse("a.csv", b"2004,1.5,x\n2005,1.7,y\n")[0]) == ["2004 | 1.5 | x", "2005 | 1.7 | y"]


def test_jsonl_records_have_their_line_and_key(parse: Parse) -> None:
    lines = [
        {"_id": "4983", "title": "Diffusion", "text": "White matter.", "year": 2001},
        {"id": 7, "text": "Next."},
    ]
    data = "\n\n".join(json.dumps(line) for line in lines) + "\nnot json\n"
    document = parse("c.jsonl", data.encode())[0]
    assert texts(document) == ["Diffusion", "White matter.", "_id: 4983; year: 2001", "Next."]
    start = document.text.index("White")
    place = locate(document, start, start + 5)
    assert (place.key, place.row, place.heading) == ("4983", 1, "Diffusion")
    assert document.warnings == ("1 lines are not valid JSON and were left out (first: line 4)",)


def test_json_says_where_it_is_broken(parse: Parse) -> None:
    with pytest.raises(ParseError, match="in line 2"):
        parse("a.json", b'{"a": 1,\n "b": }')


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Petra <p@a.example>", "Anton <a@b.example>"
    message["Subject"], message["Date"] = "Seal leaks at pump 7", "Wed, 12 Mar 2025 08:30:00 +0100"
    message.set_content("Dear Anton,\n\nreplace the seal 2004-117.\n")
    message.add_alternative("<p>Dear Anton, replace the seal.</p>", subtype="html")
    return message


def test_mail_with_attachments_as_documents_of_their_own(parse: Parse) -> None:
    inner = mail()
    inner.replace_header("Subject", "Inner mail")
    inner.add_attachment("torque;25\n", subtype="csv", filename="list.csv")
    outer = mail()
    outer.add_attachment(
        pdf([PdfPage(texts=[(72, 90, 12, "Quotation 25-0877 for you")])]),
        maintype="application",
        subtype="octet-stream",
        filename="../evil/quo.pdf",
    )
    outer.add_attachment(b"\x00" * 50, maintype="application", subtype="pdf", filename="empty.pdf")
    outer.add_attachment(inner)
    documents = parse("mail/x.eml", outer.as_bytes())
    assert [d.id for d in documents] == [
        "mail/x.eml",
        "mail/x.eml/-evil-quo.pdf",
        "mail/x.eml/Inner mail.eml",
        "mail/x.eml/Inner mail.eml/list.csv",
    ]
    first = documents[0]
    assert first.title == "Seal leaks at pump 7"
    assert first.modified == 1741764600.0
    assert "replace the seal 2004-117." in first.text
    assert first.text.count("Dear Anton") == 1
    assert first.warnings == ("attachment empty.pdf was left out: holds only zero bytes",)
    assert documents[1].blocks[0].page == 1


def test_detection_goes_by_content(parse: Parse) -> None:
    page = pdf([PdfPage(texts=[(72, 90, 12, "A PDF under a false name")])])
    document = parse("report.docx", page)[0]
    assert document.media_type == "application/pdf"
    assert "it is PDF" in document.warnings[0]
    assert (
        parse("page.txt", b"<!DOCTYPE html><html><body><p>x</p></body></html>")[0].media_type == "text/html"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old or password-protected Office file"),
        (b"PK\x03\x04" + b"x" * 90, "damaged Office or ZIP file"),
        (b"\x7fELF" + b"x" * 90, "not read"),
        (b"%PDF-1.4 nothing else", "damaged PDF"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_bad_files_give_one_clear_line(parse: Parse, data: bytes, words: str) -> None:
    with pytest.raises(ParseError, match=words) as caught:
        parse("x.docx", data)
    assert "\n" not in str(caught.value)


def test_rich_text_by_the_extra(parse: Parse) -> None:
    pytest.importorskip("kreuzberg", reason="the extra [rtf] is not installed")
    document = parse("a.rtf", rb"{\rtf1\ansi The \b M8\b0  bolts get 25 Nm.\par Second paragraph.\par}")[0]
    assert "The M8 bolts get 25 Nm." in document.text.replace("**", "")


def test_rich_text_without_the_extra_names_the_install_line(
    parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kreuzberg", None)
    with pytest.raises(ParseError, match=r'pip install "loresmith\[rtf\]"'):
        parse("a.rtf", rb"{\rtf1\ansi text\par}")
