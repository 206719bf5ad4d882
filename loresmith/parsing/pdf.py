"""PDF by LiteParse's words and our own layout: headings, paragraphs, tables, each with page and boxes.

Promises: the page is the index in the file from 1; text that a reader cannot see is left out and
reported; what repeats at the head or foot of pages is left out; pages that are pictures are read by
OCR where tessdata is installed, else reported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.flow import Page, write_pages
from loresmith.parsing.ocr import tessdata
from loresmith.parsing.ruled import Shade, ruled_tables
from loresmith.parsing.words import Segment, Word, segments_of
from loresmith.types import Box

BATCH = 20
TINY = 2.0


def read_pdf(data: bytes, *, settings: ParsingSection, **_: Any) -> Draft:
    draft = Draft()
    draft.title = _info_title(data)
    # Readers accept some bytes before the header; offsets count from it.
    data = data[max(0, data.find(b"%PDF-")) :]
    first = _read_pages(data, draft)
    pages = {page.number: page for page in first.pages}
    if first.sideways:
        angles = list(first.sideways.items())
        again = _read_pages(
            data, draft, page_orientation_corrections=angles, target_pages=_listed(first.sideways)
        )
        pages |= {p.number: replace(p, angle=first.sideways[p.number]) for p in again.pages}
    if first.pictures:
        folder, languages, missing = tessdata(settings)
        if folder and languages:
            pages |= {p.number: p for p in _ocr(data, draft, folder, languages, first.pictures)}
            draft.warn(f"{_numbered(first.pictures)}: read from a picture (OCR); figures may be misread")
        else:
            draft.warn(f"{_numbered(first.pictures)} hold only pictures and were not read: {missing}")
    write_pages(draft, list(pages.values()))
    return draft


def read_pictured(data: bytes, folder: str, languages: str) -> Draft:
    """A picture file as a page of its own."""
    draft = Draft()
    pages = _ocr(data, draft, folder, languages, [1])
    draft.warn("read from a picture (OCR); figures may be misread")
    write_pages(draft, pages)
    return draft


def _ocr(data: bytes, draft: Draft, folder: str, languages: str, pages: list[int]) -> list[Page]:
    draft.metadata["ocr"] = languages
    read = _read_pages(
        data,
        draft,
        ocr_enabled=True,
        tessdata_path=folder,
        ocr_language=languages,
        ocr_failure_fatal=False,
        target_pages=_listed(pages),
    )
    if read.unsure:
        draft.warn(
            f"{_numbered(read.unsure)}: hardly legible; are parsing.ocr_languages ({languages}) right?"
        )
    return read.pages


def _listed(pages: Iterable[int]) -> str:
    return ",".join(map(str, pages))


def _open(data: bytes, **options: Any) -> Any:
    from liteparse import LiteParse
    from liteparse import ParseError as EngineError

    parser = LiteParse(
        quiet=True,
        num_workers=1,
        emit_word_boxes=True,
        extract_text_metadata=True,
        extract_vector_graphics=True,
        extract_document_metadata=True,
        include_complexity=True,
        continue_on_page_error=True,
        preserve_very_small_text=True,
        extract_links=False,
        **options,
    )
    try:
        if "target_pages" in options:
            return [parser.parse(data)]
        return (batch.result for batch in parser.parse_batches(data, BATCH))
    except EngineError as error:
        raise _translated(error) from error


def _translated(error: Exception) -> ParseError:
    text = " ".join(str(error).split())
    if "password" in text.lower():
        return ParseError("protected by a password.", "Remove the protection, or add an open copy.")
    return ParseError(f"damaged PDF: {text[:160]}.", "Save it again.")


@dataclass(slots=True)
class _Read:
    """What one pass over the file found.

    Attributes:
        pictures: numbers of pages that show a scan.
        sideways: pages whose text is turned, and by how many degrees clockwise.
        unsure: pages on which OCR trusts itself little.
    """

    pages: list[Page] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    sideways: dict[int, int] = field(default_factory=dict)
    unsure: list[int] = field(default_factory=list)


def _read_pages(data: bytes, draft: Draft, **options: Any) -> _Read:
    """Raises ParseError where the file cannot be read at all; single pages are warnings."""
    from liteparse import ParseError as EngineError

    found = _Read()
    hidden: dict[int, int] = {}
    try:
        for result in _open(data, **({"ocr_enabled": False} | options)):
            if result.doc_meta is not None and not options:
                _metadata(draft, result.doc_meta)
            for error in result.page_errors:
                draft.warn(
                    f"page {error.page_num} is damaged and was left out: {one_line(error.message)[:100]}"
                )
            for page in result.pages:
                made, unseen = _page(page)
                found.pages.append(made)
                if unseen:
                    hidden[page.page_num] = unseen
                if page.complexity and page.complexity.needs_ocr and _is_picture(page, made):
                    found.pictures.append(page.page_num)
                if angle := _angle(page):
                    found.sideways[page.page_num] = angle
                trust = [
                    (item.confidence, len(item.text))
                    for item in page.text_items
                    if item.confidence is not None
                ]
                if trust and sum(c * n for c, n in trust) < 0.65 * sum(n for _, n in trust):
                    found.unsure.append(page.page_num)
    except EngineError as error:
        raise _translated(error) from error
    if hidden:
        count = sum(hidden.values())
        draft.warn(f"hidden text was left out ({count} words on {_numbered(sorted(hidden))})")
    return found


def _angle(page: Any) -> int:
    """How far most of the page's text is turned clockwise: 0, 90, 180 or 270."""
    turned: Counter[int] = Counter()
    for item in page.text_items:
        turned[round(item.rotation / 90) % 4 * 90] += len(item.text.strip())
    if not turned:
        return 0
    angle, letters = turned.most_common(1)[0]
    return angle if letters > 0.6 * turned.total() else 0


def _is_picture(page: Any, made: Page) -> bool:
    """Whether the page must be read by OCR: it shows a scan, or letters that no font names."""
    complexity = page.complexity
    text = "".join(s.text for s in made.segments)
    # Private and replacement characters stand for glyphs of which the font does not say what they are.
    unknown = sum(ch == "\ufffd" or "\ue000" <= ch <= "\uf8ff" for ch in text)
    if unknown > 0.3 * len(text):
        return True
    if complexity.full_page_image:
        return len(text) < 40 or "invisible-text-layer" in complexity.reasons
    return len(text) < 40 and bool(complexity.image_coverage > 0.4 or complexity.has_substantial_images)


def _numbered(pages: list[int]) -> str:
    shown = ", ".join(map(str, pages[:8])) + (f" and {len(pages) - 8} more" if len(pages) > 8 else "")
    return f"page {shown}" if len(pages) == 1 else f"pages {shown}"


def _metadata(draft: Draft, meta: Any) -> None:
    for name, value in (("created", meta.creation_date), ("modified", meta.mod_date)):
        # D:20230804060209-04'00'
        match = re.match(
            r"D:(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?(?:([+\-])(\d\d)'?(\d\d))?", value or ""
        )
        if match:
            year, month, day, hour, minute, second, sign, zone_h, zone_m = match.groups()
            clock = f"T{hour}:{minute}:{second}" if hour else ""
            zone = f"{sign}{zone_h}:{zone_m}" if sign and clock else ("+00:00" if clock else "")
            draft.metadata[name] = f"{year}-{month}-{day}{clock}{zone}"
    if meta.xmp:
        title = re.search(r"<dc:title>.*?<rdf:li[^>]*>(.*?)</rdf:li>", meta.xmp, re.DOTALL)
        if title:
            import html

            draft.title = one_line(html.unescape(title[1]))


def _info_title(data: bytes) -> str:
    """/Title of the information dictionary, which the engine does not tell; "" where it is packed."""
    match = re.search(rb"/Title\s*\(((?:\\.|[^\\()])*)\)", data)
    if b"/Encrypt" in data or not match:
        return ""
    raw = re.sub(rb"\\([0-7]{1,3})", lambda m: bytes([int(m[1], 8) & 255]), match[1])
    raw = re.sub(rb"\\(.)", rb"\1", raw, flags=re.DOTALL)
    marked = raw.startswith((b"\xfe\xff", b"\xff\xfe"))
    return one_line(raw.decode("utf-16" if marked else "cp1252", errors="replace"))


def _page(page: Any) -> tuple[Page, int]:
    """One page as segments and ruled tables; and how many of its words nobody can see."""
    dark = _dark_areas(page)
    pictured = bool(
        page.complexity and (page.complexity.full_page_image or page.complexity.has_substantial_images)
    )
    words: list[Word] = []
    turned: list[str] = []
    hidden = 0
    for run, item in enumerate(page.text_items, 1):
        if not item.text.strip():
            continue
        if item.confidence is None and _unseen(item, dark, pictured):
            hidden += len(item.text.split())
        elif 2 < item.rotation % 360 < 358:
            turned.append(item.text)
        else:
            words += _words(item, run)
    if any(item.confidence is not None for item in page.text_items):
        words = _evened(words)
    tables = ruled_tables(_ruling_lines(page), _shades(page), words)
    for table in tables:
        words = [w for w in words if not _inside(w, table)]
    segments = [*segments_of(words), *tables]
    return Page(page.page_num, page.width, page.height, segments, tuple(turned)), hidden


def _words(item: Any, run: int) -> list[Word]:
    bold = (item.font_weight or 0) >= 600 or bool(
        re.search(r"bold|black|heavy|semibold", item.font_name or "", re.IGNORECASE)
    )
    size = item.font_height or item.height or 1.0
    found = []
    for word in item.words or [item]:
        text = word.text.strip()
        if text:
            found.append(
                Word(text, word.x, word.y, word.x + word.width, word.y + word.height, size, bold, run)
            )
    return found


def _evened(words: list[Word]) -> list[Word]:
    """OCR boxes hold the ink, "a" lower than "b": all get the usual height, none is larger type
    unless it is much larger."""
    usual = median(word.y1 - word.y0 for word in words) * 1.25
    found = []
    for word in words:
        height = word.y1 - word.y0
        size = height if height > 1.7 * usual else usual
        middle = (word.y0 + word.y1) / 2
        found.append(replace(word, y0=middle - size / 2, y1=middle + size / 2, size=size, run=0))
    return found


def _inside(word: Word, area: Segment) -> bool:
    x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    return area.x0 - 1 <= x <= area.x1 + 1 and area.y0 - 1 <= y <= area.y1 + 1


# --- hidden text ------------------------------------------------------------------------------


def _light(colour: str | None) -> bool:
    """Nearly white, as ARGB."""
    if not colour or len(colour) != 8:
        return False
    red, green, blue = (int(colour[i : i + 2], 16) for i in (2, 4, 6))
    return min(red, green, blue) >= 245


def _dark_areas(page: Any) -> list[Box]:
    return [s.box for s in _shades(page) if not _light(s.colour) and int(s.colour[:2], 16) > 32]


def _unseen(item: Any, dark: list[Box], pictured: bool) -> bool:
    """Tiny, transparent, or white on nothing."""
    height = item.font_height or item.height
    if (height and height < TINY) or item.height < TINY / 2:
        return True
    colour = item.fill_color
    if colour and len(colour) == 8 and int(colour[:2], 16) < 16:
        return True
    if not _light(colour) or pictured:
        return False
    x, y = item.x + item.width / 2, item.y + item.height / 2
    return not any(b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1 for b in dark)


# --- lines and shades -------------------------------------------------------------------------


def _ruling_lines(page: Any) -> list[Box]:
    """Strokes, and fills thin enough to be lines; the edges of shaded cells are none."""
    if not page.vector_graphics:
        return []
    strokes = [
        Box(min(v.x1, v.x2), min(v.y1, v.y2), max(v.x1, v.x2), max(v.y1, v.y2))
        for v in page.vector_graphics.lines
        if v.stroke
    ]
    fills = [_area(s) for s in page.vector_graphics.shapes if s.fill and not _light(s.fill_color)]
    return strokes + [fill for fill in fills if min(fill.x1 - fill.x0, fill.y1 - fill.y0) <= 1.5]


def _shades(page: Any) -> list[Shade]:
    shapes = page.vector_graphics.shapes if page.vector_graphics else []
    found = [Shade(_area(s), s.fill_color) for s in shapes if s.fill and s.fill_color]
    return [s for s in found if min(s.box.x1 - s.box.x0, s.box.y1 - s.box.y0) > 4]


def _area(shape: Any) -> Box:
    x, y, width, height = shape.bbox
    return Box(x, y, x + width, y + height)


def render(path: str, page: int, dpi: float) -> bytes:
    from liteparse import LiteParse
    from liteparse import ParseError as EngineError

    try:
        shots = LiteParse(quiet=True, dpi=dpi, ocr_enabled=False).screenshot(path, page_numbers=[page])
    except (EngineError, FileNotFoundError) as error:
        raise ParseError(f"{path}: page {page} cannot be drawn: {error}.", "Check the file.") from error
    if not shots:
        raise ParseError(f"{path}: there is no page {page}.", "Check the page number.")
    return bytes(shots[0].image_bytes)
