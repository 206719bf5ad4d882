"""PPTX: slide by slide (the slide is the page), titles as headings, tables, speaker notes."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.package import Package, attribute, child, children, local
from loresmith.parsing.tables import Cell, add_table, header_rows


def read_pptx(data: bytes, **_: Any) -> Draft:
    package = Package(data)
    draft = Draft()
    package.core_properties(draft)
    main = next(
        (t for k, t in package.relations("").values() if k == "officeDocument"), "ppt/presentation.xml"
    )
    relations = package.relations(main)
    listed = child(package.xml(main), "sldIdLst")
    hidden = []
    for number, entry in enumerate(listed if listed is not None else (), 1):
        identifier = next((v for k, v in entry.attrib.items() if k.endswith("}id")), "")
        part = relations.get(identifier, ("", ""))[1]
        if part not in package.names:
            draft.warn(f"slide {number} is missing in the file")
            continue
        root = package.xml(part)
        if root.get("show") == "0":
            hidden.append(str(number))
            continue
        tree = child(root, "cSld", "spTree")
        if tree is not None:
            _slide(draft, tree, number)
        notes = next((t for k, t in package.relations(part).values() if k == "notesSlide"), None)
        if notes in package.names:
            _notes(draft, package.xml(str(notes)), number)
    if hidden:
        draft.warn(f"hidden slides were left out: {', '.join(hidden)}")
    return draft


def _slide(draft: Draft, tree: ElementTree.Element, number: int) -> None:
    shapes = list(_shapes(tree))
    titles = [s for s in shapes if _placeholder(s) in ("title", "ctrTitle")]
    for shape in titles:
        draft.add("heading", one_line(" ".join(text for _, text in _paragraphs(shape))), level=1, page=number)
    # Reading order is by position: the order in the file is the order of drawing.
    for shape in sorted((s for s in shapes if s not in titles), key=_position):
        if local(shape.tag) == "graphicFrame":
            _table(draft, shape, number)
        elif _placeholder(shape) not in ("dt", "ftr", "sldNum"):
            bulleted = _placeholder(shape) in ("body", "obj", "")
            paragraphs = _paragraphs(shape)
            for level, text in paragraphs:
                listed = bulleted and len(paragraphs) > 1
                draft.add(
                    "list" if listed else "paragraph",
                    "  " * level * listed + "- " * listed + text,
                    page=number,
                )


def _shapes(tree: ElementTree.Element) -> list[ElementTree.Element]:
    found = []
    for element in tree:
        name = local(element.tag)
        if name == "grpSp":
            found += _shapes(element)
        elif name in ("sp", "graphicFrame") and not _invisible(element):
            found.append(element)
    return found


def _invisible(shape: ElementTree.Element) -> bool:
    return any(attribute(child(part, "cNvPr"), "hidden") in ("1", "true") for part in shape)


def _placeholder(shape: ElementTree.Element) -> str | None:
    """The placeholder's type; "" for one without a type, None for a shape of its own."""
    holder = next((e for e in shape.iter() if local(e.tag) == "ph"), None)
    return None if holder is None else holder.get("type", "")


def _position(shape: ElementTree.Element) -> tuple[int, int]:
    offset = next((e for e in shape.iter() if local(e.tag) == "off"), None)
    if offset is None:
        return (0, 0)
    return (int(offset.get("y", "0")) // 200_000, int(offset.get("x", "0")))


def _paragraphs(shape: ElementTree.Element) -> list[tuple[int, str]]:
    body = child(shape, "txBody")
    found = []
    for paragraph in children(body, "p") if body is not None else ():
        level = attribute(child(paragraph, "pPr"), "lvl") or "0"
        text = _text(paragraph)
        if text.strip():
            found.append((int(level) if level.isdigit() else 0, text.strip()))
    return found


def _text(paragraph: ElementTree.Element) -> str:
    parts = []
    for node in paragraph:
        if local(node.tag) in ("r", "fld"):
            text = child(node, "t")
            parts.append((text.text or "") if text is not None else "")
        elif local(node.tag) == "br":
            parts.append("\n")
    return "".join(parts)


def _table(draft: Draft, frame: ElementTree.Element, number: int) -> None:
    table = child(frame, "graphic", "graphicData", "tbl")
    if table is None:
        return
    rows = []
    for tr in children(table, "tr"):
        cells = []
        for tc in children(tr, "tc"):
            body = child(tc, "txBody")
            texts = [_text(p) for p in children(body, "p")] if body is not None else []
            cells.append(Cell(" ".join(text for text in texts if text.strip())))
        rows.append(cells)
    styled = attribute(child(table, "tblPr"), "firstRow") in ("1", "true")
    headers = header_rows([[cell.text for cell in row] for row in rows], styled=styled)
    add_table(draft, rows, headers=headers, page=number)


def _notes(draft: Draft, root: ElementTree.Element, number: int) -> None:
    tree = child(root, "cSld", "spTree")
    for shape in _shapes(tree) if tree is not None else ():
        if _placeholder(shape) == "body":
            for _, text in _paragraphs(shape):
                draft.add("paragraph", f"Notes: {text}", page=number)
