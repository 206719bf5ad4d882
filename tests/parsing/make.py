"""Small files of every kind, written by hand so that a test says exactly what is in them."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@dataclass
class PdfPage:
    """Texts as (x, y from the top, size, text[, font[, colour]]); lines as (x0, y0, x1, y1)."""

    texts: Sequence[tuple] = ()
    lines: Sequence[tuple[float, float, float, float]] = ()
    raw: str = ""
    height: float = field(default=792.0)


def pdf(pages: Sequence[PdfPage], title: str = "") -> bytes:
    """A PDF with Helvetica (F1) and Helvetica-Bold (F2)."""
    objects: list[bytes] = [b"", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
    kids = []
    for page in pages:
        stream = page.raw
        for x0, y0, x1, y1 in page.lines:
            stream += f"0.5 w {x0} {page.height - y0} m {x1} {page.height - y1} l S\n"
        for x, y, size, text, *more in page.texts:
            font, colour = (more + ["F1", "0 0 0"][len(more) :])[:2]
            escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            stream += f"BT {colour} rg /{font} {size} Tf {x} {page.height - y} Td ({escaped}) Tj ET\n"
        content = stream.encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 %d] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % (page.height, len(objects))
        )
        kids.append(len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (
        b" ".join(b"%d 0 R" % kid for kid in kids),
        len(kids),
    )
    info = b""
    if title:
        objects.append(b"<< /Title (%s) >>" % title.encode("cp1252"))
        info = b" /Info %d 0 R" % len(objects)
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(
        b"trailer << /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, info, start)
    )
    return out.getvalue()


def pdf_bomb(megabytes: int) -> bytes:
    """A page whose content stream unpacks to so many megabytes of drawing."""
    packed = zlib.compress(b"0 0 m 1 1 l S\n" * (megabytes * 2**20 // 14), 9)
    one = pdf([PdfPage(texts=[(72, 72, 12, "x")])])
    start = one.index(b"<< /Length")
    end = one.index(b"endstream", start) + len(b"endstream")
    body = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)
    return one[:start] + body + one[end:]


def package(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{i}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for i, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{inner}</Relationships>'


def docx(body: str, styles: str = "", **parts: str) -> bytes:
    return package(
        {
            "_rels/.rels": _relations({"r1": ("officeDocument", "word/document.xml")}),
            "word/_rels/document.xml.rels": _relations({"r1": ("styles", "styles.xml")}),
            "word/styles.xml": f"<w:styles {W}>{HEADINGS}{styles}</w:styles>",
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            **parts,
        }
    )


HEADINGS = "".join(
    f'<w:style w:type="paragraph" w:styleId="H{n}"><w:name w:val="heading {n}"/></w:style>' for n in (1, 2, 3)
)


def p(text: str, style: str = "", run: str = "") -> str:
    """A paragraph of DOCX."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    inner = f"<w:rPr>{run}</w:rPr>" if run else ""
    return f'<w:p>{properties}<w:r>{inner}<w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def table(rows: Sequence[Sequence[str]], header: bool = False) -> str:
    out = ""
    for number, row in enumerate(rows):
        mark = "<w:trPr><w:tblHeader/></w:trPr>" if header and number == 0 else ""
        out += "<w:tr>" + mark + "".join(f"<w:tc>{p(cell)}</w:tc>" for cell in row) + "</w:tr>"
    return f"<w:tbl>{out}</w:tbl>"


def xlsx(sheets: Mapping[str, str], *, hidden: Sequence[str] = (), styles: str = "") -> bytes:
    """`sheets`: name -> the XML inside <worksheet>."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    targets = {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)}
    state = dict.fromkeys(hidden, ' state="hidden"')
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"{state.get(name, "")}/>'
        for n, name in enumerate(sheets, 1)
    )
    book = f'<workbook xmlns="{main}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
    parts: dict[str, str | bytes] = {
        "_rels/.rels": _relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": _relations(targets | {"s": ("styles", "styles.xml")}),
        "xl/styles.xml": f'<styleSheet xmlns="{main}">{styles}</styleSheet>',
    }
    for n, inner in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{n}.xml"] = f'<worksheet xmlns="{main}">{inner}</worksheet>'
    return package(parts)


def cells(rows: Mapping[int, Sequence[str | float | None]], hidden: Sequence[int] = ()) -> str:
    """Rows of inline strings and numbers, by row number."""
    out = ""
    for number, values in rows.items():
        mark = ' hidden="1"' if number in hidden else ""
        inner = ""
        for column, value in enumerate(values):
            ref = f"{chr(65 + column)}{number}"
            if isinstance(value, str):
                inner += f'<c r="{ref}" t="inlineStr"><is><t>{value}</t></is></c>'
            elif value is not None:
                inner += f'<c r="{ref}"><v>{value}</v></c>'
        out += f'<row r="{number}"{mark}>{inner}</row>'
    return f"<sheetData>{out}</sheetData>"


def encrypted_pdf(password: bytes = b"secret") -> bytes:
    """A PDF that opens only with a password (standard handler, 40-bit RC4: PDF 1.7, 7.6.3)."""
    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (password + padding)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    key = hashlib.md5(padded + owner + (0xFFFFFFFC).to_bytes(4, "little") + b"0" * 16).digest()[:5]
    user = _rc4(key, padding)
    plain = pdf([PdfPage(texts=[(72, 72, 12, "nobody reads this")])])
    handler = b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >>" % (
        owner.hex().encode(),
        user.hex().encode(),
    )
    trailer = b" /Encrypt %s /ID [<%s> <%s>] >>\nstartxref" % (handler, (b"0" * 16).hex().encode(), b"00")
    return plain.replace(b" >>\nstartxref", trailer)


def _rc4(key: bytes, data: bytes) -> bytes:
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) & 255
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) & 255
        j = (j + box[i]) & 255
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) & 255])
    return bytes(out)
