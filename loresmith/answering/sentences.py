"""Where sentences begin and end: in what a model writes, and in passages.

`split` cuts prose; `Stream` does the same while text is still arriving; `pieces` cuts a passage
into what can be quoted: sentences, table rows, list items, with exact offsets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-zÄÖÜ]|e\.g|i\.e|z\.B|d\.h|u\.a|p\.ej|etc|vs|cf|approx|ca|bzw|ggf|max|Nr|No|Fig|Abb|Tab|"
    r"Dr|Mr|Mrs|Ms|Prof|Inc|Ltd|Corp|Co|St|Sr|Jr|Art|Abs|Kap|Sec|Eq|Vol|pp|p|pag|pág|núm|Sra|inkl|evtl|usw|Std|Mio|Mrd|U\.S)\.$|(?<![\d\s])\smin\.$|^min\.$",
    re.IGNORECASE,
)
_DAY = re.compile(
    r"(?:^|\n)\s*\d{1,2}\.$|\b(?:am|vom|zum|der|den|dem|bis|step|Schritt)\s\d{1,2}\.$", re.IGNORECASE
)
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[”’」』]*")
_BULLET = re.compile(r"\s*(?:[-*•‣◦▪–]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+")
# Cells in order, "Column: value; Column: value", or a label before them; the last no running text.
_ROW = re.compile(
    r".+ \| |[^\s;:][^;:]{0,80}: [^;]*; [^;:]{1,80}: "
    r"|(?!.*[.!?]\s+[A-ZÄÖÜ])[^\s;][^;]{0,160}; [^;:]{1,80}: (?=\S)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text: `whole[start:end]`. `row`: it is a row of a table."""

    start: int
    end: int
    row: bool = False


def _sentence_ends(text: str, start: int, end: int) -> Iterator[int]:
    for found in _END.finditer(text, start, end):
        stop = found.end()
        if found.group()[0] == "." and found.group() == ".":
            before = text[max(start, stop - 12) : stop]
            after = text[stop:end].lstrip()[:1]
            if _ABBREVIATION.search(before) or after.islower():
                continue
            # "2. Remove the cover", "am 3. Mai": a number with its point
            if _DAY.search(before):
                continue
        yield stop


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def spans(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Sentences of running text, offsets exact, white space trimmed."""
    stop = len(text) if end is None else end
    begin = start
    for cut in [*_sentence_ends(text, start, stop), stop]:
        a, b = _trim(text, begin, cut)
        if a < b:
            yield Span(a, b)
        begin = cut


def split(text: str) -> list[str]:
    """Sentences of what a model wrote; each line and each list item stands alone."""
    out: list[str] = []
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        body = line[bullet.end() :] if bullet else line
        out += [body[s.start : s.end] for s in spans(body)]
    return out


class Stream:
    """Sentences out of text that arrives in pieces.

    `feed` returns what is complete; `finish` the rest. A sentence is complete only when
    something follows its end, since "2." may become "2.5".
    """

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, piece: str) -> list[str]:
        self._rest += piece
        done = 0
        for cut in _sentence_ends(self._rest, 0, len(self._rest)):
            if self._rest[cut:].strip():
                done = cut
        done = max(done, self._rest.rfind("\n") + 1)
        complete, self._rest = self._rest[:done], self._rest[done:]
        return split(complete)

    def finish(self) -> list[str]:
        complete, self._rest = self._rest, ""
        return split(complete)


def pieces(text: str, longest: int = 500) -> list[Span]:
    """What can be quoted from a passage: rows and list items whole, prose by sentence.

    Lines of wrapped prose are joined; a line that is a row, a list item, or short and followed by
    a capital or a digit stands alone.
    """
    out: list[Span] = []
    block: tuple[int, int] | None = None

    def close() -> None:
        nonlocal block
        if block is not None:
            out.extend(spans(text, *block))
        block = None

    position = 0
    for line in text.splitlines(keepends=True):
        start, end = _trim(text, position, position + len(line))
        position += len(line)
        if start == end:
            close()
        elif _ROW.match(text, start, end):
            close()
            out.append(Span(start, end, row=True))
        else:
            alone = block is not None and _breaks(text, block, start)
            if alone or _BULLET.match(text, start, end):
                close()
            block = (block[0] if block else start, end)
    close()
    return [part for piece in out for part in _shortened(text, piece, longest)]


def _breaks(text: str, block: tuple[int, int], start: int) -> bool:
    last = text[text.rfind("\n", block[0], block[1]) + 1 : block[1]].strip()
    first = text[start]
    return len(last) < 38 and not last.endswith(",") and (first.isupper() or first.isdigit())


def _shortened(text: str, piece: Span, longest: int) -> Iterator[Span]:
    """A piece cut at clause marks where it is longer than a reader wants to read as a quote."""
    if piece.row or piece.end - piece.start <= longest:
        yield piece
        return
    start = piece.start
    while piece.end - start > longest:
        cut = max(
            text.rfind(mark, start + longest // 2, start + longest) for mark in ("; ", ": ", ", ", "；", "，")
        )
        if cut < 0:
            cut = max(text.rfind(" ", start + longest // 2, start + longest), start + longest - 1)
        a, b = _trim(text, start, cut + 1)
        yield Span(a, b)
        start = cut + 1
    a, b = _trim(text, start, piece.end)
    if a < b:
        yield Span(a, b)
