"""Pages with one table, as the program's own parser reads them."""

from __future__ import annotations

from loresmith.parsing.html import read_html
from loresmith.types import Document


def document(*rows: list[str], before: str = "", after: str = "", caption: str = "") -> Document:
    """A page with one table, read by the program's own parser."""
    table = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    caption = f"<caption>{caption}</caption>" if caption else ""
    page = f"<html><body><p>{before}</p><table>{caption}{table}</table><p>{after}</p></body></html>"
    draft = read_html(page.encode())
    return draft.document("report.html", version="1", media_type="text/html", source="s", uri="u")
