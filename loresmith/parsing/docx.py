"""DOCX: headings, paragraphs, lists and tables in their order, with pages where the file marks them.

Text formatted as hidden is left out and reported. Pages are those of the last rendering that Word
stored (or of the page breaks set by hand); a file without either has no pages.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.package import Package, attribute, child, children, local
from loresmith.parsing.tables import Cell, add_table, header_rows

# A list item that was numbered by hand.
_STEP = re.compile(r"\s*(?:\d{1,2}[.)]|[a-z]\)|[•–-])\s+\S")
_OFF = ("0", "false", "off", "none")


class _Reader:
    """The state of one walk through the body: page, styles, what was hidden."""

    def __init__(self, package: Package, main: str) -> None:
        self.package = package
        self.draft = Draft()
        self.page = 1
        self.after_hard_break = False
        self.hidden = 0
        self.levels: dict[str, int] = {}
        self.hidden_styles: set[str] = set()
        self.captions: set[str] = set()
        relations = package.relations(main)
        styles = next((t for k, t in relations.values() if k == "styles"), None)
        if styles in package.names:
            self._styles(package.xml(str(styles)))
        body = child(package.xml(main), "body")
        self.paged = body is not None and any(
            local(e.tag) == "lastRenderedPageBreak"
            or (local(e.tag) == "br" and attribute(e, "type") == "page")
            for e in body.iter()
        )
        if body is not None:
            self.walk(body)
        for kind in ("footnotes", "endnotes"):
            part = next((t for k, t in relations.values() if k == kind), None)
            if part in package.names:
                self._notes(package.xml(str(part)))
        if self.hidden:
            self.draft.warn(f"hidden text was left out ({self.hidden} characters)")

    def place(self) -> dict[str, Any]:
        return {"page": self.page} if self.paged else {}

    def walk(self, parent: ElementTree.Element) -> None:
        for element in parent:
            name = local(element.tag)
            if name == "p":
                self.paragraph(element)
            elif name == "tbl":
                self.table(element)
            elif name == "sdt":
                content = child(element, "sdtContent")
                if content is not None:
                    self.walk(content)
            elif name in ("ins", "customXml", "smartTag"):
                self.walk(element)

    def paragraph(self, element: ElementTree.Element) -> None:
        properties = child(element, "pPr")
        style = attribute(child(properties, "pStyle"), "val") or ""
        if attribute(child(properties, "pageBreakBefore"), "val") not in (*_OFF, None) or (
            child(properties, "pageBreakBefore") is not None
            and attribute(child(properties, "pageBreakBefore"), "val") is None
        ):
            self.paged = True
            self.page += 1 if not self.draft.empty else 0
        start = self.place()
        begun = False
        text = ""
        for part in self.runs(element, style in self.hidden_styles):
            if part.strip() and not begun:
                # A paragraph stands on the page where its first word stands.
                start, begun = self.place(), True
            text += part
        if not text.strip():
            return
        outline = attribute(child(properties, "outlineLvl"), "val")
        level = self.levels.get(style, 0) or (int(outline) + 1 if outline and outline < "9" else 0)
        if level and len(text) < 300:
            self.draft.add("heading", one_line(text), level=level, **start)
        elif _STEP.match(text):
            self.draft.add("list", text, **start)
        elif child(properties, "numPr") is not None or style.lower().startswith("list"):
            self.draft.add("list", "- " + text.strip(), **start)
        elif style in self.captions:
            self.draft.add("caption", text, **start)
        else:
            self.draft.add("paragraph", text, **start)

    def runs(self, element: ElementTree.Element, hidden: bool) -> list[str]:
        """The visible text of a paragraph; counts page breaks on the way."""
        parts: list[str] = []
        for node in element:
            name = local(node.tag)
            if name == "r":
                parts += self._run(node, hidden)
            elif name in (
                "hyperlink",
                "ins",
                "smartTag",
                "fldSimple",
                "sdt",
                "sdtContent",
                "customXml",
                "dir",
                "bdo",
            ):
                parts += self.runs(node, hidden)
            elif name in ("oMath", "oMathPara"):
                parts.append("".join(t.text or "" for t in node.iter() if local(t.tag) == "t"))
        return parts

    def _run(self, run: ElementTree.Element, hidden: bool) -> list[str]:
        properties = child(run, "rPr")
        vanish = child(properties, "vanish")
        if vanish is not None:
            hidden = attribute(vanish, "val") not in _OFF
        colour = (attribute(child(properties, "color"), "val") or "").upper()
        size = attribute(child(properties, "sz"), "val") or "20"
        shaded = child(properties, "shd") is not None or child(properties, "highlight") is not None
        tiny = size.isdigit() and int(size) <= 4
        if tiny or (colour == "FFFFFF" and not shaded and not self.in_shaded_cell):
            hidden = True
        parts: list[str] = []
        for node in run:
            name = local(node.tag)
            if name == "t":
                if hidden:
                    self.hidden += len(node.text or "")
                else:
                    parts.append(node.text or "")
            elif name == "tab":
                parts.append("\t")
            elif name == "noBreakHyphen":
                parts.append("-")
            elif name == "lastRenderedPageBreak":
                # Word writes both marks for one break set by hand.
                self.page += 0 if self.after_hard_break else 1
                self.after_hard_break = False
            elif name == "br" and attribute(node, "type") == "page":
                self.page += 1
                self.after_hard_break = True
                parts.append(" ")
            elif name in ("br", "cr"):
                parts.append("\n")
            elif name in ("drawing", "pict", "AlternateContent") and not hidden:
                parts += self._text_boxes(node)
        if any(part.strip() for part in parts):
            self.after_hard_break = False
        return parts

    in_shaded_cell = False

    def _text_boxes(self, node: ElementTree.Element) -> list[str]:
        """Text of shapes; of an alternative pair (new and old drawing) only the first."""
        if local(node.tag) == "AlternateContent":
            node = child(node, "Choice") or node
        texts = []
        for box in node.iter():
            if local(box.tag) == "txbxContent":
                for paragraph in children(box, "p"):
                    text = "".join(self.runs(paragraph, False)).strip()
                    texts += [" ", text] if text else []
        return texts

    def table(self, element: ElementTree.Element) -> None:
        start = self.place()
        rows: list[list[Cell]] = []
        marked = 0
        styled = False
        above: list[str] = []
        for tr in (e for e in element.iter() if local(e.tag) == "tr" and self._own(e, element)):
            cells: list[str] = []
            shaded = True
            for tc in children(tr, "tc"):
                properties = child(tc, "tcPr")
                span = attribute(child(properties, "gridSpan"), "val") or "1"
                merge = child(properties, "vMerge")
                fill = (attribute(child(properties, "shd"), "fill") or "auto").upper()
                self.in_shaded_cell = fill not in ("AUTO", "FFFFFF")
                text = self._cell(tc)
                self.in_shaded_cell = False
                bold = all(child(r, "rPr", "b") is not None for r in tc.iter() if local(r.tag) == "r")
                shaded = shaded and (fill not in ("AUTO", "FFFFFF") or bold)
                if (
                    merge is not None
                    and attribute(merge, "val") in (None, "continue")
                    and len(above) > len(cells)
                ):
                    text = above[len(cells)]
                cells += [text] * max(1, min(int(span), 63) if span.isdigit() else 1)
            if child(tr, "trPr", "tblHeader") is not None and marked == len(rows):
                marked += 1
            if not rows:
                styled = shaded
            rows.append([Cell(text) for text in cells])
            above = cells
        look = child(element, "tblPr", "tblLook")
        styled = styled or (
            attribute(look, "firstRow") == "1" and child(element, "tblPr", "tblStyle") is not None
        )
        texts = [[cell.text for cell in row] for row in rows]
        headers = marked if 0 < marked < len(rows) else header_rows(texts, styled=styled)
        if len(rows) == 1 and len(rows[0]) == 1:
            # A frame around text, not a table.
            self.draft.add("paragraph", rows[0][0].text, **start)
            return
        add_table(self.draft, [_without_repeats(row) if n >= headers else row for n, row in enumerate(rows)],
                  headers=headers, page=start.get("page"))  # fmt: skip

    @staticmethod
    def _own(row: ElementTree.Element, table: ElementTree.Element) -> bool:
        return any(row is e for e in table) or any(
            row is e for sdt in children(table, "sdt") for e in (child(sdt, "sdtContent") or ())
        )

    def _cell(self, cell: ElementTree.Element) -> str:
        lines = []
        for element in cell:
            name = local(element.tag)
            if name == "p":
                lines.append("".join(self.runs(element, False)).strip())
            elif name == "tbl":
                lines += [
                    ", ".join(filter(None, (self._cell(tc) for tc in children(tr, "tc"))))
                    for tr in children(element, "tr")
                ]
        return " ".join(line for line in lines if line)

    def _styles(self, root: ElementTree.Element) -> None:
        based: dict[str, str] = {}
        for style in children(root, "style"):
            name = (attribute(child(style, "name"), "val") or "").lower()
            own = attribute(style, "styleId") or ""
            based[own] = attribute(child(style, "basedOn"), "val") or ""
            outline = attribute(child(style, "pPr", "outlineLvl"), "val")
            if match := re.match(r"heading (\d)", name):
                self.levels[own] = int(match[1])
            elif name == "title":
                self.levels[own] = 1
            elif outline and outline < "9":
                self.levels[own] = int(outline) + 1
            if child(style, "rPr", "vanish") is not None:
                self.hidden_styles.add(own)
            if name == "caption":
                self.captions.add(own)
        for own, base in based.items():
            for _ in range(5):
                if own not in self.levels and base in self.levels:
                    self.levels[own] = self.levels[base]
                base = based.get(base, "")

    def _notes(self, root: ElementTree.Element) -> None:
        for note in root:
            if attribute(note, "type") in (None, "normal"):
                for paragraph in children(note, "p"):
                    self.draft.add("paragraph", "".join(self.runs(paragraph, False)))


def _without_repeats(row: list[Cell]) -> list[Cell]:
    """A cell merged over several columns says its text once."""
    return [
        cell if n == 0 or cell.text != row[n - 1].text or not cell.text else Cell("")
        for n, cell in enumerate(row)
    ]


def read_docx(data: bytes, **_: Any) -> Draft:
    package = Package(data)
    main = next((t for k, t in package.relations("").values() if k == "officeDocument"), "word/document.xml")
    draft = _Reader(package, main).draft
    package.core_properties(draft)
    return draft
