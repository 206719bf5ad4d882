"""Renders the small markup of examples/sources as PDF, DOCX and PPTX.

The same source always gives the same bytes: dates are fixed and the ZIP containers are repacked.
Needs reportlab, python-docx and python-pptx (dependency group `examples`); the product does not.

Markup, one block a line: `# ` and `## ` headings, `- ` bullets, `1. ` steps, `!table ruled|borderless`
followed by rows of cells (`|`; a cell `<` is merged with its left neighbour, `^` with the upper one),
`!figure section|curve`, `!page`, `!columns`, `!column`, `!onecolumn`, `!warning`, `!notes`, everything else a
paragraph. A line of the form "Table 1: …" or "Figure 1: …" is a caption.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

BLUE = "#123f6d"


@dataclass(frozen=True)
class Part:
    """One block of a source: its kind, its text and, for a table, its rows of cells."""

    kind: str
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A parsed source file: the lines `key: value` at its head, then its parts."""

    head: dict[str, str]
    parts: list[Part]

    @property
    def date(self) -> datetime.datetime:
        """When the document was last changed, at eight in the morning."""
        return datetime.datetime.fromisoformat(self.head["date"] + "T08:00:00")


def read(path: Path) -> Source:
    """Parse one source file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head: dict[str, str] = {}
    while lines and (match := re.fullmatch(r"([a-z]+): (.*)", lines[0])):
        head[match[1]] = match[2]
        lines.pop(0)
    parts: list[Part] = []
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        if not line:
            continue
        if line.startswith("!table"):
            rows = []
            while number < len(lines) and " | " in f" {lines[number]} ":
                rows.append([cell.strip() for cell in lines[number].split("|")])
                number += 1
            parts.append(Part("table", line.removeprefix("!table").strip(), rows))
        elif line.startswith("!"):
            kind, _, text = line[1:].partition(" ")
            parts.append(Part(kind, text))
        elif match := re.match(r"(##?) (.*)", line):
            parts.append(Part(f"h{len(match[1])}", match[2]))
        elif match := re.match(r"- (.*)", line):
            parts.append(Part("bullet", match[1]))
        elif match := re.match(r"(\d+\. .*)", line):
            parts.append(Part("step", match[1]))
        elif re.match(r"(Table|Figure|Tabelle|Bild|Tabella|Figura|Tabla) \d+: ", line):
            parts.append(Part("caption", line))
        else:
            parts.append(Part("paragraph", line))
    return Source(head, parts)


def spans(rows: list[list[str]]) -> list[tuple[int, int, int, int]]:
    """The merged rectangles of a table as (top, left, bottom, right), both ends included."""
    found = []
    for top, row in enumerate(rows):
        for left, cell in enumerate(row):
            if cell in {"<", "^"}:
                continue
            right = left
            while right + 1 < len(row) and row[right + 1] == "<":
                right += 1
            bottom = top
            while bottom + 1 < len(rows) and rows[bottom + 1][left : left + 1] == ["^"]:
                bottom += 1
            if (bottom, right) != (top, left):
                found.append((top, left, bottom, right))
    return found


# --- PDF --------------------------------------------------------------------------------------


def pdf(source: Source) -> bytes:
    """A4 pages with running head and foot, ruled and borderless tables, one or two columns."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    def decorate(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor("#555555")
        canvas.drawString(57, 806, source.head["running"])
        canvas.drawRightString(538, 806, "Brunnholt")
        canvas.line(57, 800, 538, 800)
        canvas.line(57, 44, 538, 44)
        canvas.drawString(57, 33, source.head["imprint"])
        canvas.drawRightString(538, 33, str(document.page))
        canvas.restoreState()

    out = io.BytesIO()
    document = BaseDocTemplate(
        out, pagesize=A4, invariant=1, title=source.head["title"], author="Brunnholt Pumpen GmbH"
    )
    wide = Frame(57, 54, 481, 738, id="wide", leftPadding=0, rightPadding=0)
    left = Frame(57, 54, 228, 738, id="left", leftPadding=0, rightPadding=0)
    right = Frame(310, 54, 228, 738, id="right", leftPadding=0, rightPadding=0)
    document.addPageTemplates(
        [
            PageTemplate(id="one", frames=[wide], onPage=decorate),
            PageTemplate(id="two", frames=[left, right], onPage=decorate),
        ]
    )
    document.build(_flow(source.parts))
    # With `invariant` reportlab dates everything 1 January 2000.
    return out.getvalue().replace(b"D:20000101000000", f"D:{source.date:%Y%m%d%H%M%S}".encode())


def _flow(parts: list[Part]) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import CondPageBreak, FrameBreak, NextPageTemplate, PageBreak, Paragraph, Spacer

    body = ParagraphStyle("body", fontName="Helvetica", fontSize=10.5, leading=14, spaceAfter=5)
    styles = {
        "paragraph": body,
        "h1": ParagraphStyle(
            "h1", body, fontName="Helvetica-Bold", fontSize=16, leading=20, spaceAfter=8, textColor=BLUE
        ),
        "h2": ParagraphStyle(
            "h2", body, fontName="Helvetica-Bold", fontSize=11.5, leading=14, spaceBefore=6, textColor=BLUE
        ),
        "bullet": ParagraphStyle("bullet", body, leftIndent=12, bulletIndent=2),
        "step": ParagraphStyle("step", body, leftIndent=14, firstLineIndent=-14),
        "caption": ParagraphStyle("caption", body, fontName="Helvetica-Oblique", fontSize=8.5, spaceBefore=4),
        "warning": ParagraphStyle(
            "warning",
            body,
            borderWidth=0.8,
            borderColor="#b00020",
            borderPadding=5,
            spaceBefore=7,
            spaceAfter=11,
        ),
    }
    flow: list[Any] = []
    for part in parts:
        if part.kind == "page":
            flow.append(PageBreak())
        elif part.kind == "column":
            flow.append(FrameBreak())
        elif part.kind in {"columns", "onecolumn"}:
            flow += [NextPageTemplate("two" if part.kind == "columns" else "one"), PageBreak()]
        elif part.kind == "table":
            flow += [_pdf_table(part, body), Spacer(1, 8)]
        elif part.kind == "figure":
            flow.append(_section() if part.text == "section" else _curve())
        else:
            if part.kind == "h2":
                flow.append(CondPageBreak(60))
            bullet = "•" if part.kind == "bullet" else None
            flow.append(Paragraph(escape(part.text), styles[part.kind], bulletText=bullet))
    return flow


def _pdf_table(part: Part, body: Any) -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, Table, TableStyle

    ruled = part.text == "ruled"
    small = ParagraphStyle("cell", body, fontSize=9.5, leading=11.5, spaceAfter=0)
    bold = ParagraphStyle("head", small, fontName="Helvetica-Bold")
    merged = spans(part.rows)
    heads = 1 + max((bottom for top, _, bottom, _ in merged if top == 0), default=0)
    if any(top == 0 and right > left for top, left, _, right in merged):
        heads = max(heads, 2)
    cells = [
        [
            Paragraph(escape("" if cell in {"<", "^"} else cell), bold if ruled and number < heads else small)
            for cell in row
        ]
        for number, row in enumerate(part.rows)
    ]
    columns = max(len(row) for row in part.rows)
    longest = [max((len(row[c]) for row in part.rows if c < len(row)), default=1) for c in range(columns)]
    weights = [min(max(n, 10), 46) for n in longest]
    widths = [481 * w / sum(weights) for w in weights]
    style: list[Any] = [("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("TOPPADDING", (0, 0), (-1, -1), 2)]
    if ruled:
        style += [
            ("GRID", (0, 0), (-1, -1), 0.5, "#777777"),
            ("BACKGROUND", (0, 0), (-1, heads - 1), "#dfe8f1"),
        ]
    style += [("SPAN", (left, top), (right, bottom)) for top, left, bottom, right in merged]
    return Table(cells, widths, repeatRows=heads if ruled else 0, style=TableStyle(style), hAlign="LEFT")


def _section() -> Any:
    from reportlab.graphics.shapes import Circle, Drawing, Line, Rect, String

    drawing = Drawing(300, 130)
    for x, y, w, h in ((20, 30, 80, 80), (100, 50, 60, 40), (160, 58, 70, 24), (230, 40, 60, 60)):
        drawing.add(Rect(x, y, w, h, fillColor=None, strokeColor=BLUE, strokeWidth=1.2))
    drawing.add(Circle(60, 70, 28, fillColor=None, strokeColor=BLUE))
    drawing.add(Line(10, 70, 295, 70, strokeDashArray=[6, 3], strokeColor="#888888"))
    for x, label in ((50, "1"), (128, "2"), (190, "3"), (258, "4")):
        drawing.add(String(x, 12, label, fontSize=9))
    return drawing


def _curve() -> Any:
    from reportlab.graphics.shapes import Drawing, Line, PolyLine, String

    drawing = Drawing(320, 140)
    drawing.add(Line(30, 20, 300, 20))
    drawing.add(Line(30, 20, 30, 130))
    points = [value for q in range(0, 61, 4) for value in (30 + q * 4.4, 20 + 2.7 * (38 - 0.0034 * q * q))]
    drawing.add(PolyLine(points, strokeColor=BLUE, strokeWidth=1.4))
    for q in range(0, 61, 20):
        drawing.add(String(26 + q * 4.4, 8, str(q), fontSize=7))
    drawing.add(String(250, 28, "Q in m³/h", fontSize=8))
    drawing.add(String(34, 126, "H in m", fontSize=8))
    return drawing


# --- office formats ---------------------------------------------------------------------------


def docx(source: Source) -> bytes:
    """A Word document with styles, real tables with merged cells, head and foot."""
    from docx import Document
    from docx.enum.text import WD_BREAK

    document = Document()
    _stamp(document.core_properties, source)
    document.sections[0].header.paragraphs[0].text = source.head["running"]
    document.sections[0].footer.paragraphs[0].text = source.head["imprint"]
    document.add_paragraph(source.head["title"], style="Title")
    styles = {"h1": "Heading 1", "h2": "Heading 2", "bullet": "List Bullet", "caption": "Caption"}
    for part in source.parts:
        if part.kind == "table":
            columns = max(len(row) for row in part.rows)
            table = document.add_table(len(part.rows), columns)
            table.style = "Table Grid" if part.text == "ruled" else "Normal Table"
            for top, left, bottom, right in spans(part.rows):
                table.cell(top, left).merge(table.cell(bottom, right))
            for number, row in enumerate(part.rows):
                for column, cell in enumerate(row):
                    if cell not in {"<", "^"}:
                        table.cell(number, column).text = cell
            document.add_paragraph()
        elif part.kind == "page":
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        elif part.kind == "warning":
            document.add_paragraph().add_run(part.text).bold = True
        else:
            document.add_paragraph(part.text, style=styles.get(part.kind, "Normal"))
    out = io.BytesIO()
    document.save(out)
    return repack(out.getvalue(), source.date)


def pptx(source: Source) -> bytes:
    """One slide per `# ` heading: bullets, tables, speaker's notes."""
    from pptx import Presentation
    from pptx.util import Cm, Pt

    deck = Presentation()
    _stamp(deck.core_properties, source)
    slide: Any = None
    for part in source.parts:
        if part.kind == "h1":
            slide = deck.slides.add_slide(deck.slide_layouts[1])
            slide.shapes.title.text = part.text
            text = slide.placeholders[1].text_frame
        elif part.kind == "notes":
            slide.notes_slide.notes_text_frame.text = part.text
        elif part.kind == "table":
            columns = max(len(row) for row in part.rows)
            frame = slide.shapes.add_table(len(part.rows), columns, Cm(1.5), Cm(9.5), Cm(22), Cm(1))
            for number, row in enumerate(part.rows):
                for column, cell in enumerate(row):
                    frame.table.cell(number, column).text = cell
                    frame.table.cell(number, column).text_frame.paragraphs[0].font.size = Pt(12)
        elif not text.text:
            text.text = part.text
        else:
            text.add_paragraph().text = part.text
    out = io.BytesIO()
    deck.save(out)
    return repack(out.getvalue(), source.date)


def _stamp(properties: Any, source: Source) -> None:
    properties.title, properties.author = source.head["title"], "Brunnholt Pumpen GmbH"
    properties.created = properties.modified = source.date


def repack(data: bytes, date: datetime.datetime) -> bytes:
    """The same OOXML container with fixed dates, so that equal content is equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                stamp = date.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                content = re.sub(rb">\d{4}-\d\d-\d\dT[\d:]+Z<", b">" + stamp + b"<", content)
            entry = zipfile.ZipInfo(name, date.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, content)
    return out.getvalue()
