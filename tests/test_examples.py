"""The examples hold what their questions say: every file opens, every answer stands where it is said to."""

from __future__ import annotations

import csv
import email
import email.policy
import html
import importlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
import unicodedata
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from loresmith.config import ParsingSection, WebSection
from loresmith.types import Document, Failure, SourceSpec

ROOT = Path(__file__).resolve().parent.parent / "examples"
DOCUMENTS = ROOT / "documents"
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (ROOT / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
FILES = sorted(p.relative_to(DOCUMENTS).as_posix() for p in DOCUMENTS.rglob("*") if p.is_file())
ANSWERABLE = [q for q in QUESTIONS if q["answer"] is not None]
UNANSWERABLE = [q for q in QUESTIONS if q["answer"] is None]


def fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def stands(needle: str, text: str) -> bool:
    """Whether `needle` stands in the folded text as a whole word or number ("10" not in "10.4")."""
    # ASCII, because Chinese is written without spaces.
    pattern = rf"(?<!\w)(?<!\d[.,]){re.escape(fold(needle))}(?!\w)(?![.,]\d)"
    return re.search(pattern, text, re.ASCII) is not None


# --- a reading of the files that shares nothing with the product ------------------------------


def pdf_pages(data: bytes) -> list[str]:
    """The text of each page, in reading order and in layout, one after the other."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    both = []
    for flag in ("-layout", "-raw"):
        done = subprocess.run(["pdftotext", flag, "-", "-"], input=data, capture_output=True, check=True)
        both.append(done.stdout.decode().split("\f")[:-1])
    return [f"{layout}\n{raw}" for layout, raw in zip(*both, strict=True)]


def office_parts(data: Path, pattern: str) -> list[str]:
    """The text of the XML parts that match, in the order of their numbers."""
    with zipfile.ZipFile(data) as package:
        assert package.testzip() is None
        names = [n for n in package.namelist() if re.fullmatch(pattern, n)]
        names.sort(key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
        texts = []
        for name in names:
            xml = package.read(name).decode()
            xml = re.sub(r"</(w:p|a:p|si|c|row)>|<w:tab/>", " ", xml)
            texts.append(html.unescape(re.sub(r"<[^>]+>", "", xml)))
    return texts


def csv_lines(text: str) -> list[str]:
    """The records with their cells apart, so that a comma is no part of a number."""
    delimiter = ";" if ";" in text.splitlines()[0] else ","
    return ["\n".join(" | ".join(row) for row in csv.reader(text.splitlines(), delimiter=delimiter))]


@cache
def pages(name: str) -> tuple[str, ...]:
    """The folded text of a document, page by page where the format has pages."""
    mail, _, attachment = name.partition(".eml/")
    if attachment or name.endswith(".eml"):
        raw = (DOCUMENTS / (f"{mail}.eml" if attachment else name)).read_bytes()
        message = email.message_from_bytes(raw, policy=email.policy.default)
        if not attachment:
            body = message.get_body(("plain",))
            assert body is not None
            return (fold(body.get_content()),)
        part = next(p for p in message.iter_attachments() if p.get_filename() == attachment)
        data = part.get_content()
        content = data if isinstance(data, bytes) else data.encode()
        texts = pdf_pages(content) if attachment.endswith(".pdf") else csv_lines(content.decode())
        return tuple(map(fold, texts))
    path = DOCUMENTS / name
    match path.suffix:
        case ".pdf":
            texts = pdf_pages(path.read_bytes())
        case ".docx":
            texts = office_parts(path, r"word/document\.xml")
        case ".pptx":
            texts = office_parts(path, r"ppt/slides/slide\d+\.xml")
        case ".xlsx":
            texts = office_parts(path, r"xl/(sharedStrings|worksheets/sheet\d+)\.xml")
            # Stored as 77.90000000000001, shown as 77.9.
            texts = [re.sub(r"\d+\.\d{11,}", lambda m: f"{float(m[0]):.11g}", text) for text in texts]
        case ".html":
            texts = [html.unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))]
        case ".csv":
            texts = csv_lines(path.read_text(encoding="utf-8"))
        case _:
            texts = [path.read_text(encoding="utf-8")]
    return tuple(map(fold, texts))


# --- the set of questions ---------------------------------------------------------------------


def test_question_ids_and_questions_are_unique() -> None:
    assert len({q["id"] for q in QUESTIONS}) == len(QUESTIONS) >= 110
    assert len({fold(q["question"]) for q in QUESTIONS}) == len(QUESTIONS)


def test_each_kind_has_enough_questions_in_both_halves() -> None:
    kinds = Counter((q["kind"], q["split"]) for q in QUESTIONS)
    least = {"fact": 15, "table": 20, "paraphrase": 8, "multi": 5, "unanswerable": 15}
    for kind, count in least.items():
        for split in ("dev", "test"):
            assert kinds[kind, split] >= count, (kind, split)
    assert {kind for kind, _ in kinds} == set(least)
    assert {q["language"] for q in QUESTIONS} >= {"en", "de", "it", "es", "zh"}


def test_halves_share_no_document_and_hence_no_fact() -> None:
    halves = {
        split: {name for q in QUESTIONS if q["split"] == split for name in q["documents"]}
        for split in ("dev", "test")
    }
    assert halves["dev"] & halves["test"] == set()


def test_every_document_is_asked_about() -> None:
    asked = {name.split(".eml/")[0] for q in QUESTIONS for name in q["documents"]}
    assert {name for name in FILES if name.removesuffix(".eml") not in asked} <= asked


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda q: q["id"])
def test_the_answer_stands_in_the_document_at_the_page(question: dict[str, Any]) -> None:
    assert question["documents"]
    found = []
    for number, name in enumerate(question["documents"]):
        texts = pages(name)
        # The page belongs to the first document that is named.
        if question["page"] is not None and number == 0:
            texts = texts[question["page"] - 1 : question["page"]]
        found.append(any(stands(answer, text) for answer in question["answer"] for text in texts))
    assert any(found) if question["kind"] == "multi" else all(found)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda q: q["id"])
def test_paged_documents_have_a_page(question: dict[str, Any]) -> None:
    paged = question["documents"][0].endswith((".pdf", ".pptx"))
    assert (question["page"] is not None) == (paged and question["kind"] != "multi")


@pytest.mark.parametrize("question", UNANSWERABLE, ids=lambda q: q["id"])
def test_the_key_facts_of_unanswerable_questions_are_absent(question: dict[str, Any]) -> None:
    assert question["absent"]
    for name in question["near"] or FILES:
        for text in pages(name):
            for fact in question["absent"]:
                assert not stands(fact, text), (name, fact)


# --- the files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_file_opens(name: str) -> None:
    assert sum(len(text) for text in pages(name)) > 200


def test_the_folder_is_small_and_of_many_formats() -> None:
    assert sum((DOCUMENTS / name).stat().st_size for name in FILES) < 2_000_000
    suffixes = {Path(name).suffix for name in FILES}
    assert suffixes >= {".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".html", ".eml", ".md", ".txt", ".jsonl"}
    assert len(FILES) >= 30


def test_the_maintenance_log_has_about_a_hundred_jobs() -> None:
    log = pages("service/maintenance-log-2025.xlsx")
    assert len({job for text in log for job in re.findall(r"j-\d{3}", text)}) >= 100


def test_the_generator_makes_the_committed_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    for package, _, version in (pin.partition("==") for pin in groups["examples"]):
        try:
            installed = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            installed = "no version"
        if installed != version:
            pytest.skip(f"{package} {version} is wanted, {installed} is there (pip install --group examples)")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = importlib.import_module("make_documents").make(tmp_path)
    assert len(made) >= 20
    for path in made:
        assert path.read_bytes() == (DOCUMENTS / path.relative_to(tmp_path)).read_bytes(), path.name


# --- as the product reads them ----------------------------------------------------------------


@pytest.fixture(scope="module")
def parsed() -> dict[str, Document]:
    """Every example document as the product's parsers see it."""
    from loresmith.parsing import ParserPool
    from loresmith.sources import scan

    spec = SourceSpec(str(DOCUMENTS))
    items = list(scan(spec, prefix="", web=WebSection(), web_dir=ROOT))
    assert not [item for item in items if isinstance(item, Failure)]
    documents: dict[str, Document] = {}
    with ParserPool(ParsingSection(workers=1)) as pool:
        for result in pool.parse([item for item in items if not isinstance(item, Failure)]):
            assert result.failure is None, result.failure
            documents |= {document.id: document for document in result.documents}
    return documents


def test_the_product_reads_every_document_and_attachment(parsed: dict[str, Document]) -> None:
    wanted = {name for q in QUESTIONS for name in q["documents"]} | set(FILES)
    assert wanted <= set(parsed)


def test_the_product_finds_every_answer_on_its_page(parsed: dict[str, Document]) -> None:
    lost = []
    for question in ANSWERABLE:
        for number, name in enumerate(question["documents"]):
            document = parsed[name]
            text = document.text
            if question["page"] is not None and number == 0:
                blocks = [b for b in document.blocks if b.page == question["page"]]
                text = "\n".join(document.text[b.start : b.end] for b in blocks)
            if question["kind"] != "multi" and not any(stands(a, fold(text)) for a in question["answer"]):
                lost.append((question["id"], name, question["page"]))
    assert lost == []


def test_the_product_loses_no_word_of_a_page(parsed: dict[str, Document]) -> None:
    lost = {}
    for name in (name for name in FILES if name.endswith(".pdf")):
        if shutil.which("pdftotext") is None:
            pytest.skip("pdftotext (poppler-utils) is not installed")
        done = subprocess.run(["pdftotext", "-raw", DOCUMENTS / name, "-"], capture_output=True, check=True)
        document = parsed[name]
        for number, page in enumerate(done.stdout.decode().split("\f")[:-1], 1):
            lines = [line for line in page.split("\n") if line.strip()]
            # The running head and foot stand for themselves: two lines at either end.
            wanted = Counter(re.findall(r"\w+", " ".join(lines[2:-2])))
            blocks = [b for b in document.blocks if b.page == number]
            wanted -= Counter(re.findall(r"\w+", "\n".join(document.text[b.start : b.end] for b in blocks)))
            if wanted:
                lost[name, number] = dict(wanted)
    assert lost == {}


# A row of a table and what must stand in it, with the heads of its columns.
ROWS = [
    ("manuals/p-200-operating-manual.pdf", ["Bolt: M8", "Flange of seal cover", "Torque in Nm: 25"]),
    ("manuals/d-40-dosing-pump-manual.pdf", ["75 %", "D-60 › at 2 bar: 786"]),
    ("manuals/p-250-operating-manual.pdf", ["Overhaul at the works", "every 40,000 h"]),
    ("manuals/g-80-betriebsanleitung.pdf", ["Pumpe saugt nicht an", "Öl zu zäh", "15 °C erwärmen"]),
    ("manuals/c-7-error-codes.pdf", ["Code: E-10", "Remedy: Check cable at terminals 11 and 12"]),
    ("catalogue/price-list-2026.pdf", ["P-250", "Price of pump › without motor: 2,680"]),
    ("catalogue/price-list-2026.pdf", ["10 to 24 pumps", "7 %"]),
    ("catalogue/price-list-2026.pdf", ["Service technician, Saturday", "Unit: hour", "Price: 147"]),
    ("web/p-200-data-sheet.html", ["3 x 230 V", "60 Hz › Current in A: 19.5"]),
    ("service/wartungsvertrag-lindach.docx", ["Pumpwerk Hafen", "Pauschale pro Jahr: 960 Euro"]),
    ("service/maintenance-log-2025.xlsx", ["Asset: A-340", "Work done: Shaft seal replaced", "Minutes: 130"]),
    ("service/maintenance-log-2025.xlsx", ["Travel", "Second half › Actual: 9075"]),
    ("training/formacion-controlador-c-7.pptx", ["Archivo: TREND.CSV", "Tamaño: 2,1 MB"]),
    ("parts/spare-parts-p-200.csv", ["Order number: 2004-190", "Price EUR: 118.00"]),
]


@pytest.mark.parametrize(("name", "cells"), ROWS)
def test_the_product_keeps_cells_with_their_column_heads(
    parsed: dict[str, Document], name: str, cells: list[str]
) -> None:
    document = parsed[name]
    rows = [fold(document.text[b.start : b.end]) for b in document.blocks if b.kind == "row" and not b.header]
    assert any(all(fold(cell) in row for cell in cells) for row in rows), cells


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("catalogue/price-list-2026.pdf", "1 to 4 pumps: "),
        ("manuals/p-250-operating-manual.pdf", "Look at oil level: "),
        ("manuals/c-7-error-codes.pdf", "1, 2, 3: "),
        ("quality/p-200-test-certificate-200-2417.pdf", "Customer: Order"),
        ("manuals/s-12-submersible-pump-manual.pdf", "Impeller is blocked: "),
        # Two cells of the table of chemicals run together.
        ("manuals/d-40-dosing-pump-manual.pdf", "+ -"),
    ],
)
def test_the_product_makes_no_head_of_a_first_row_and_no_cell_of_two(
    parsed: dict[str, Document], name: str, value: str
) -> None:
    assert value not in parsed[name].text


def test_text_paragraphs_are_whole(parsed: dict[str, Document]) -> None:
    document = parsed["notes/company-profile.txt"]
    assert len(document.blocks) == 5
    assert document.text[document.blocks[0].start : document.blocks[0].end].endswith("a short profile")


def test_titles_are_those_of_the_documents(parsed: dict[str, Document]) -> None:
    assert parsed["manuals/p-200-operating-manual.pdf"].title == "P-200 Operating Manual"
    assert parsed["service/maintenance-log-2025.xlsx"].title == "Maintenance log 2025"
    assert parsed["web/faq.html"].title.startswith("Frequently asked questions")
