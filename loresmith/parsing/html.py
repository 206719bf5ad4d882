"""HTML (and the chapters of EPUB, and HTML mail): headings, paragraphs, lists, tables in their order.

Scripts, styles, navigation and what is hidden from a reader (`hidden`, `display:none`) are left
out; hidden text of some length is reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.tables import Cell, add_table, header_rows
from loresmith.parsing.textual import decode

MAX_DEPTH = 512
_SILENT = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "head",
        "nav",
        "iframe",
        "object",
        "select",
        "button",
        "canvas",
        "math",
        "form",
    ]
)
_BREAKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "header",
        "footer",
        "aside",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "table",
        "tr",
        "blockquote",
        "pre",
        "figure",
        "figcaption",
        "address",
        "fieldset",
        "center",
        "hr",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "li",
        "details",
        "summary",
        "body",
    ]
)
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "param",
    ]
)
# Elements whose end tag may be left out, and what closes them.
_CLOSES = {
    "p": frozenset({"p"}),
    "li": frozenset({"li", "p"}),
    "dt": frozenset({"dt", "dd", "p"}),
    "dd": frozenset({"dt", "dd", "p"}),
    "tr": frozenset({"tr", "td", "th", "p"}),
    "td": frozenset({"td", "th", "p"}),
    "th": frozenset({"td", "th", "p"}),
    "option": frozenset({"option"}),
}
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|$|!)|"
    r"opacity\s*:\s*0(?:\.0+)?\s*(?:;|$|!)|(?:left|top|text-indent)\s*:\s*-\d{4,}px",
    re.IGNORECASE,
)
_WHITE_TEXT = re.compile(
    r"(?:^|;)\s*color\s*:\s*(?:#fff(?:fff)?\b|white\b|rgb\(\s*255\s*,\s*255\s*,\s*255\s*\))", re.I
)
_BACKGROUND = re.compile(r"background(?:-color)?\s*:", re.I)


_META = {
    "author": "author",
    "description": "description",
    "article:modified_time": "modified",
    "last-modified": "modified",
    "date": "created",
    "article:published_time": "created",
}


@dataclass(slots=True)
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    heads: list[bool] = field(default_factory=list)
    spans: dict[tuple[int, int], str] = field(default_factory=dict)
    caption: str = ""
    cell: list[str] | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    all_head: bool = True
    in_head: bool = False


class _Reader(HTMLParser):
    """One pass over the mark-up; `draft` is what a reader of the page would see."""

    def __init__(self, draft: Draft, page: int | None) -> None:
        super().__init__(convert_charrefs=True)
        self.draft = draft
        self.page = page
        self.text: list[str] = []
        self.open: list[tuple[str, bool]] = []
        self.silent = 0
        self.hidden = 0
        self.kind = "paragraph"
        self.level = 0
        self.pre = False
        self.tables: list[_Table] = []
        self.lists: list[int | None] = []
        self.title: list[str] = []

    # --- tags ---

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "html" and attributes.get("lang"):
            self.draft.language = self.draft.language or attributes["lang"].split("-")[0].lower()
        if tag == "meta":
            self._meta(attributes)
        if tag in _CLOSES:
            self._close_open(_CLOSES[tag], tag)
        if tag in _BREAKS and any(name == "head" for name, _ in self.open):
            self.handle_endtag("head")
        hidden = self._is_hidden(tag, attributes)
        if tag in _VOID:
            if not self.silent:
                self._void(tag, attributes)
            return
        if len(self.open) >= MAX_DEPTH:
            # As browsers do: what is nested deeper is read flat.
            return
        self.open.append((tag, hidden))
        self.silent += hidden
        if self.silent or tag in _SILENT:
            return
        if tag in _BREAKS:
            self.flush()
        self._begin(tag, attributes)

    def _meta(self, attributes: dict[str, str]) -> None:
        name = (attributes.get("name") or attributes.get("property") or "").lower()
        value = attributes.get("content", "").strip()
        if value and name in _META:
            self.draft.metadata.setdefault(_META[name], one_line(value))

    def _is_hidden(self, tag: str, attributes: dict[str, str]) -> bool:
        style = attributes.get("style", "")
        return (
            tag in _SILENT
            or "hidden" in attributes
            or bool(_HIDDEN_STYLE.search(style))
            or bool(_WHITE_TEXT.search(style) and not _BACKGROUND.search(style) and not self.tables)
        )

    def _void(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "br":
            self.text.append("\n")
        elif tag == "hr":
            self.flush()
        elif tag == "img" and len(attributes.get("alt", "")) > 3:
            self.text.append(f" {attributes['alt']} ")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if re.fullmatch(r"h[1-6]", tag):
            self.kind, self.level = "heading", int(tag[1])
        elif tag == "pre":
            self.kind, self.pre = "code", True
        elif tag in ("figcaption", "caption"):
            self.kind = "caption"
        elif tag in ("ul", "ol"):
            self.lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self.kind = "list"
            count = self.lists[-1] if self.lists else None
            if count is not None:
                self.lists[-1] = count + 1
            if not self.tables:
                self.text.append(
                    "  " * max(0, len(self.lists) - 1) + (f"{count + 1}. " if count is not None else "- ")
                )
        elif tag == "table":
            self.tables.append(_Table(attributes=attributes))
        elif self.tables:
            self._begin_in_table(self.tables[-1], tag, attributes)

    def _begin_in_table(self, table: _Table, tag: str, attributes: dict[str, str]) -> None:
        if tag == "thead":
            table.in_head = True
        elif tag == "tr":
            table.rows.append([])
            table.all_head = True
        elif tag in ("td", "th"):
            if not table.rows:
                table.rows.append([])
            table.cell = []
            table.attributes = attributes
            table.all_head = table.all_head and tag == "th"

    def handle_endtag(self, tag: str) -> None:
        inside = [name for name, _ in self.open]
        if tag not in ("table", "html", "body") and "table" in inside:
            # A stray end tag in a cell must not end what stands around the table.
            inside = inside[len(inside) - 1 - inside[::-1].index("table") :]
        if tag not in inside:
            return
        while self.open:
            name, _hidden = self.open[-1]
            self._end(name)
            if name == tag:
                break

    def _end(self, tag: str) -> None:
        _, hidden = self.open.pop()
        self.silent -= hidden
        if self.silent or hidden or tag in _SILENT:
            return
        if tag in _BREAKS or tag in ("td", "th"):
            self.flush()
        if re.fullmatch(r"h[1-6]|pre|figcaption|caption|li", tag):
            self.kind, self.pre = "paragraph", False
        if tag in ("ul", "ol") and self.lists:
            self.lists.pop()
        if self.tables:
            self._end_in_table(self.tables[-1], tag)

    def _end_in_table(self, table: _Table, tag: str) -> None:
        if tag in ("td", "th") and table.cell is not None:
            self._place_cell(table, one_line(" ".join(table.cell)))
            table.cell = None
        elif tag == "tr" and table.rows:
            table.heads.append((table.in_head or table.all_head) and bool(table.rows[-1]))
        elif tag == "thead":
            table.in_head = False
        elif tag == "table":
            self.tables.pop()
            self._finish(table)

    def _place_cell(self, table: _Table, text: str) -> None:
        row = table.rows[-1]
        number = len(table.rows) - 1
        while (number, len(row)) in table.spans:
            row.append(table.spans.pop((number, len(row))))
        across = _span(table.attributes.get("colspan", "1"))
        down = _span(table.attributes.get("rowspan", "1"))
        for offset in range(across):
            for below in range(1, down):
                table.spans[(number + below, len(row))] = text
            # Names spread over their columns, values stand once.
            row.append(text if offset == 0 or table.in_head or table.all_head or number == 0 else "")

    def _close_open(self, closed: frozenset[str], tag: str) -> None:
        """End the elements that `tag` ends by beginning, within the nearest container."""
        stop = (
            {"table"}
            if tag in ("tr", "td", "th")
            else {"ul", "ol", "dl", "table", "td", "th", "div", "section"}
        )
        inside = []
        for name, _ in reversed(self.open):
            if name in stop and name not in closed:
                break
            inside.append(name)
        if any(name in closed for name in inside):
            deepest = max(i for i, name in enumerate(inside) if name in closed)
            for name in inside[: deepest + 1]:
                self._end(name)

    # --- text ---

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "title":
            self.title.append(data)
        if self.silent:
            if self.open and not any(name in _SILENT for name, _ in self.open):
                self.hidden += len(data.strip())
            return
        self.text.append(data if self.pre else re.sub(r"\s+", " ", data))

    def flush(self) -> None:
        """End the block that is being collected."""
        raw = "".join(self.text)
        self.text.clear()
        if not raw.strip():
            return
        if self.tables:
            table = self.tables[-1]
            if table.cell is not None:
                table.cell.append(raw)
            elif self.kind == "caption":
                table.caption = one_line(raw)
            return
        text = raw.strip("\n") if self.pre else "\n".join(one_line(line) for line in raw.split("\n")).strip()
        if self.kind == "heading":
            self.draft.add("heading", one_line(text), level=self.level, page=self.page)
        else:
            self.draft.add(self.kind, text, page=self.page)  # type: ignore[arg-type]

    def _finish(self, table: _Table) -> None:
        marks = [*table.heads, *[False] * len(table.rows)]
        filled = [(row, mark) for row, mark in zip(table.rows, marks, strict=False) if any(row)]
        rows = [row for row, _ in filled]
        heads = [mark for _, mark in filled]
        if not rows:
            return
        if self.tables:
            outer = self.tables[-1]
            if outer.cell is not None:
                outer.cell += ["; ".join(", ".join(cell for cell in row if cell) for row in rows)]
            return
        width = max(len(row) for row in rows)
        rows = [row + [""] * (width - len(row)) for row in rows]
        used = [c for c in range(width) if any(row[c] for row in rows)]
        rows = [[row[c] for c in used] for row in rows]
        if len(used) == 1:
            # A table for layout: its cells are paragraphs.
            for row in rows:
                self.draft.add("paragraph", row[0], page=self.page)
            return
        if table.caption:
            self.draft.add("caption", table.caption, page=self.page)
        marked = next((n for n, head in enumerate(heads) if not head), len(heads))
        headers = marked if 0 < marked < len(rows) else header_rows(rows)
        add_table(self.draft, [[Cell(text) for text in row] for row in rows], headers=headers, page=self.page)


def _span(text: str) -> int:
    digits = re.match(r"\d+", text.strip())
    return max(1, min(int(digits[0]) if digits else 1, 100))


def add_html(draft: Draft, text: str, page: int | None = None) -> str:
    """Append the content of an HTML text to `draft`; returns its title."""
    reader = _Reader(draft, page)
    reader.feed(text)
    reader.close()
    for name, _ in reversed(list(reader.open)):
        reader.handle_endtag(name)
    reader.flush()
    if reader.hidden > 20:
        draft.warn(f"hidden text was left out ({reader.hidden} characters)")
    return one_line(" ".join(reader.title))


def read_html(data: bytes, **_: Any) -> Draft:
    draft = Draft()
    draft.title = add_html(draft, decode_html(data)) or draft.first_heading()
    return draft


def decode_html(data: bytes) -> str:
    """By byte order mark, then as the page declares it, then by its letters."""
    declared = re.search(
        rb"""<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*["']?([\w\-]+)""", data[:4096], re.I
    )
    if declared and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        name = declared[1].decode("ascii")
        try:
            return data.decode("cp1252" if name.lower() == "iso-8859-1" else name)
        except (LookupError, UnicodeDecodeError):
            return decode(data)[0]
    return decode(data)[0]
