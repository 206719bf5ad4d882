"""Plain text and Markdown: the file's own lines, so that line numbers mean something.

Markdown loses its marks (#, **, links, table bars) line by line; the number of lines stays.
"""

from __future__ import annotations

import re
from typing import Any

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, clean, one_line
from loresmith.parsing.tables import column_names, is_number, is_year
from loresmith.types import Block, BlockKind

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Multi-byte encodings first: they reject what is not theirs, the single-byte ones take anything.
_EAST_ASIAN = ("gb18030", "shift_jis", "big5", "euc_kr", "euc_jp")


def decode(data: bytes) -> tuple[str, str]:
    """Text and the name of its encoding: by mark, as UTF-8, as UTF-16 without mark, by its letters."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data.decode(name, errors="replace"), name
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        # A file cut off inside its last character still is UTF-8.
        if error.start >= len(data) - 3 and error.start > 0:
            return data[: error.start].decode("utf-8"), "utf-8"
    sample = data[:4096]
    if sample.count(0) > len(sample) // 4:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        name = "utf-16-le" if odd > even else "utf-16-be"
        return data.decode(name, errors="replace"), name
    return _decode_without_mark(data)


def _decode_without_mark(data: bytes) -> tuple[str, str]:
    best: tuple[float, str, str] | None = None
    for name in _EAST_ASIAN:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        high = [ch for ch in text if ord(ch) > 127]
        common = sum(
            "\u3040" <= ch <= "\u30ff" or ch in _COMMON_HAN or "\uac00" <= ch <= "\ud7a3" for ch in high
        )
        score = common / max(1, len(high))
        if score > 0.25 and (best is None or score > best[0]):
            best = (score, text, name)
    if best:
        return best[1], best[2]
    return data.decode("cp1252", errors="replace"), "cp1252"


# The most frequent characters of Chinese and Japanese text; real text holds many of them, and the
# nonsense that a wrong encoding gives holds few.
_COMMON_HAN = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天"
    "而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知样现分将外但身些与高"
    "意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政"
    "海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市使用泵压维修安装检查温度個這國來們時會學對過還"
)


def read_text(data: bytes, **_: Any) -> Draft:
    draft = Draft(lined=True)
    text, encoding = decode(data)
    _reject_binary(text)
    text = clean(text)
    draft.metadata["encoding"] = encoding
    blocks = []
    for match in re.finditer(r"\S.*(?:\n[ \t]*\S.*)*", text):
        end = match.start() + len(match.group().rstrip())
        blocks.append(Block(kind="paragraph", start=match.start(), end=end))
    draft.use_text(text, blocks)
    return draft


def _reject_binary(text: str) -> None:
    sample = text[:20000]
    strange = sum(ch == "\ufffd" or (ord(ch) < 32 and ch not in "\t\n\r\f\x1b") for ch in sample)
    if strange > len(sample) * 0.05:
        raise ParseError("not a text, and no known document format.", "Convert it to PDF or text.")


# --- Markdown ---------------------------------------------------------------------------------

_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)\s*(\w*)")
_ATX = re.compile(r"^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"^(\s*)(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.*)$")
_BAR = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_INLINE = (
    (re.compile(r"<!--.*?-->"), ""),
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\[[^\]]*\]"), r"\1"),
    (re.compile(r"<(https?://[^>]+)>"), r"\1"),
    (re.compile(r"</?(?:b|i|em|strong|br|sub|sup|p|div|span|a|kbd|code|u)\b[^>]*>", re.I), " "),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_]+?)(?<=\S)_(?![\w_])"), r"\1"),
    (re.compile(r"`([^`]+)`"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])"), r"\1"),
)


def read_markdown(data: bytes, **_: Any) -> Draft:
    draft = Draft(lined=True)
    raw, encoding = decode(data)
    _reject_binary(raw)
    draft.metadata["encoding"] = encoding
    lines = clean(raw).split("\n")
    first = _front_matter(lines, draft)
    out: list[str] = [""] * first
    spans: list[tuple[BlockKind, int, int, dict[str, Any]]] = []  # kind, first line, last line, place
    i = first
    while i < len(lines):
        i = _markdown_block(lines, i, out, spans, draft)
    starts, at = [], 0
    for line in out:
        starts.append(at)
        at += len(line) + 1
    text = "\n".join(out)
    blocks = []
    for kind, one, last, place in spans:
        start, end = starts[one], starts[last] + len(out[last])
        start += len(text[start:end]) - len(text[start:end].lstrip())
        end = start + len(text[start:end].rstrip())
        if end > start:
            blocks.append(Block(kind=kind, start=start, end=end, **place))
    draft.use_text(text, blocks)
    draft.title = draft.title or next(
        (text[b.start : b.end] for b in blocks if b.kind == "heading" and b.level == 1), ""
    )
    return draft


def _front_matter(lines: list[str], draft: Draft) -> int:
    if not lines or lines[0].strip() != "---":
        return 0
    for number, line in enumerate(lines[1:60], 1):
        if line.strip() in ("---", "..."):
            return number + 1
        name, colon, value = line.partition(":")
        if colon and value.strip() and not line.startswith((" ", "-")):
            draft.metadata[name.strip().lower()] = value.strip().strip("\"'")
            if name.strip().lower() == "title":
                draft.title = value.strip().strip("\"'")
    draft.metadata.clear()
    return 0


def _markdown_block(
    lines: list[str],
    i: int,
    out: list[str],
    spans: list[tuple[BlockKind, int, int, dict[str, Any]]],
    draft: Draft,
) -> int:
    """Read the block that begins at line `i`; returns the line after it. One output line a line."""
    line = lines[i]
    if fence := _FENCE.match(line):
        last = i + 1
        while last < len(lines) and not lines[last].strip().startswith(fence[1]):
            last += 1
        out.append("")
        out.extend(lines[i + 1 : last])
        if last < len(lines):
            out.append("")
        if last > i + 1:
            spans.append(("code", i + 1, last - 1, {}))
        return last + 1
    if heading := _ATX.match(line):
        out.append(_inline(heading[2]))
        spans.append(("heading", i, i, {"level": len(heading[1])}))
        return i + 1
    following = lines[i + 1] if i + 1 < len(lines) else ""
    if line.strip() and re.match(r"^\s{0,3}(=+|-{2,})\s*$", following) and "|" not in line:
        out += [_inline(line.strip()), ""]
        spans.append(("heading", i, i, {"level": 1 if "=" in following else 2}))
        return i + 2
    if "|" in line and _BAR.match(following):
        return _markdown_table(lines, i, out, spans, draft)
    if not line.strip() or re.match(r"^\s{0,3}([-*_])(\s*\1){2,}\s*$", line):
        out.append("")
        return i + 1
    kind: BlockKind = "list" if _ITEM.match(line) else "paragraph"
    last = i + 1
    while last < len(lines) and lines[last].strip() and not _begins_block(lines, last):
        last += 1
    out.extend(_inline(re.sub(r"^\s{0,3}(?:>\s?)+", "", part)).rstrip() for part in lines[i:last])
    spans.append((kind, i, last - 1, {}))
    return last


def _begins_block(lines: list[str], i: int) -> bool:
    line = lines[i]
    following = lines[i + 1] if i + 1 < len(lines) else ""
    table = "|" in line and _BAR.match(following)
    return bool(_FENCE.match(line) or _ATX.match(line) or _ITEM.match(line) or table)


def _markdown_table(
    lines: list[str],
    i: int,
    out: list[str],
    spans: list[tuple[BlockKind, int, int, dict[str, Any]]],
    draft: Draft,
) -> int:
    last = i + 2
    while last < len(lines) and "|" in lines[last] and lines[last].strip():
        last += 1
    rows = [_cells(line) for line in (lines[i], *lines[i + 2 : last])]
    levels = _header_levels(rows)
    names = column_names(_spread(rows[:levels]))
    body = rows[levels:]
    # A value without a column name would seem to belong to the name before it.
    named = all(n < len(names) and names[n] for row in body for n, cell in enumerate(row) if n and cell)
    table = draft.next_table()
    out += [" | ".join(names).strip(), ""]
    spans.append(("row", i, i, {"header": True, "table": table}))
    out += [""] * (levels - 1)
    for at, cells in enumerate(body, start=i + 1 + levels):
        if named:
            line = "; ".join(
                f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell
            )
        else:
            line = " | ".join(cells).rstrip(" |")
        out.append(line)
        if line:
            spans.append(("row", at, at, {"table": table}))
    return last


def _header_levels(rows: list[list[str]]) -> int:
    """Rows of names: the first, and those below a first one with gaps that stand over values only."""
    levels = 1
    if all(rows[0][1:]):
        return levels
    for row in rows[1:-1]:
        values = [cell for cell in row[1:] if cell]
        if row[0] or not values or any(is_number(v) and not is_year(v) for v in values):
            break
        levels += 1
    return levels


def _spread(rows: list[list[str]]) -> list[list[str]]:
    """A name with gaps at its right spans them, where another level of names stands below."""
    spread = [list(row) for row in rows]
    for row in spread[:-1]:
        for n in range(2, len(row)):
            row[n] = row[n] or row[n - 1]
    return spread


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [one_line(_inline(cell)) for cell in re.split(r"(?<!\\)\|", inner)]


def _inline(text: str) -> str:
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text
