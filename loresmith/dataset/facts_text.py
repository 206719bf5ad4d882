"""Headings, lists and lines -> facts: definitions, fields, procedures and their steps, sections.

"Wear ring" + "Exchangeable ring that …"  -> definition
"Duration: 6 hours"                         -> field
heading + numbered list                     -> procedure, and each of its steps
"How can I send a pump back?" + text        -> section, asked by its own heading
"""

# ruff: noqa: E501  (patterns are easier to read on one line)

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loresmith.answering.evidence import talks_to_model
from loresmith.answering.sentences import spans
from loresmith.dataset.facts import (
    Fact,
    FactKind,
    paths,
    readable,
    single_spaced,
    text_of,
    topic_of,
    without_number,
)
from loresmith.types import Block, Document

_GLOSSARY = re.compile(
    r"glossa|definition|begriff|abk[üu]rz|abbrev|terminolog|vocabular|definici|definizion|lexi[ck]|术语|词汇",
    re.I,
)
_FIELD = re.compile(r"^(?:[-•*–▪]\s+)?(?P<key>[^:：.!?|]{2,48}?)\s?[:：]\s+(?P<value>\S[^|]{0,200})$")
_DASHED = re.compile(r"^(?:[-•*▪]\s+)?(?P<key>[^:.!?|–—]{2,40}?)\s[–—]\s(?P<value>\S.{8,240})$")
_NOT_A_KEY = re.compile(
    r"^(?:notes?|example|for example|e\.?g|i\.?e|warning|caution|important|tip|hint|attachments?|from|to|cc|bcc|subject"
    r"|date|re|fw|hinweis|achtung|beispiel|zum beispiel|wichtig|von|an|betreff|datum|por ejemplo|nota|ejemplo|attenzione"
    r"|esempio|remarque|exemple|attention|https?|id|and|or|und|oder|note that|see also|however|also)$",
    re.I,
)
_STEP = re.compile(
    r"^\s*(?:step\s+|schritt\s+|paso\s+)?\(?(?P<number>\d{1,2})[.):]\s+(?P<text>\S.*)$", re.I | re.S
)
_BULLET = re.compile(r"^\s*[-•*‣◦▪–]\s+")
_SIGNED = re.compile(r"(?:regards|grüße|grüßen|saludos|saluti|sincerely|cordialement|thanks)[,!]?\s*$", re.I)
_DEFINES = {
    "en": re.compile(
        r"^(?:The |An? )?[“\"‘']?(?P<term>[^“”\"‘’.,;:]{2,50}?)[”\"’']?(?: \((?P<short>[A-Z][\w&-]{1,9})\))? "
        r"(?:means|is defined as|refers to|denotes|stands for|is the term for|is short for) (?P<rest>.{8,300})$"
    ),
    "de": re.compile(
        r"^(?:Der |Die |Das |Ein |Eine )?[„“\"‚']?(?P<term>[^„“”\".,;:]{2,50}?)[“”\"']?"
        r"(?: \((?P<short>[A-Z][\w&-]{1,9})\))? (?:bedeutet|bezeichnet|steht für|heißt) (?P<rest>.{8,300})$"
    ),
    "es": re.compile(
        r"^(?:El |La |Los |Las |Un |Una )?[«“\"]?(?P<term>[^«»“”\".,;:]{2,50}?)[»”\"]?"
        r"(?: \((?P<short>[A-Z][\w&-]{1,9})\))? (?:significa|se define como|designa) (?P<rest>.{8,300})$"
    ),
    "fr": re.compile(
        r"^(?:Le |La |Les |L['’]|Un |Une )?[«“\"]?\s?(?P<term>[^«»“”\".,;:]{2,50}?)\s?[»”\"]?"
        r"(?: \((?P<short>[A-Z][\w&-]{1,9})\))? (?:signifie|désigne) (?P<rest>.{8,300})$"
    ),
    "it": re.compile(
        r"^(?:Il |La |Lo |I |Le |L['’]|Un |Una )?[«“\"]?(?P<term>[^«»“”\".,;:]{2,50}?)[»”\"]?"
        r"(?: \((?P<short>[A-Z][\w&-]{1,9})\))? (?:significa|indica|designa) (?P<rest>.{8,300})$"
    ),
}
_PRONOUN = re.compile(
    r"^(?:this|that|these|those|it|they|he|she|we|you|das|dies|diese[rs]?|es|er|sie|wir)\b", re.I
)
_CAPTION = re.compile(
    r"^(?:table|tab|tabelle|tabla|tableau|tabella|tabel|figure|fig|abb\w*|figura|bild)\.?\s*\d", re.I
)
_GENERIC_HEADING = re.compile(
    r"^(?:steps?|procedures?|instructions?|how to|what to do|process|ablauf|vorgehen|schritte|anleitung|pasos|procedimiento"
    r"|étapes|procédure|procedura|passi|stappen|passos|步骤|流程)$",
    re.I,
)
_LONGEST_STEP = 260
_LONGEST_LIST = 320
_MOST_ITEMS = 6
_LONGEST_ANSWER = 320


@dataclass(frozen=True)
class _Section:
    """A heading, the path to it, and the blocks under it until the next heading."""

    heading: Block | None
    path: tuple[str, ...]
    blocks: tuple[Block, ...]


def facts(document: Document, language: str) -> list[Fact]:
    """The facts of headings, lists and single lines of a document, in its order."""
    out: list[Fact] = []
    for section in _sections(document):
        maker = _Maker(document, language, section)
        out += maker.definitions()
        out += maker.fields()
        out += maker.procedure()
        out += maker.section()
    return [f for f in out if readable(f"{f.subject} {f.attribute} {f.value}")]


def _sections(document: Document) -> Iterator[_Section]:
    heading: Block | None = None
    path: tuple[str, ...] = ()
    body: list[Block] = []
    for block, here in zip(document.blocks, paths(document), strict=True):
        if block.kind == "heading":
            if body or heading is not None:
                yield _Section(heading, path, tuple(body))
            heading, path, body = block, here, []
        elif not talks_to_model(text_of(document, block)):
            body.append(block)
    if body or heading is not None:
        yield _Section(heading, path, tuple(body))


@dataclass(frozen=True)
class _Maker:
    document: Document
    language: str
    part: _Section

    @property
    def heading(self) -> str:
        return without_number(self.part.path[-1]) if self.part.path else ""

    @property
    def topic(self) -> str:
        return topic_of(self.document.title or self.document.id)

    @property
    def is_title(self) -> bool:
        return self.heading == "" or self.heading in (self.document.title, self.topic)

    def make(self, kind: FactKind, start: int, end: int, **given: str | tuple[str, ...]) -> Fact:
        return Fact(
            kind=kind,
            document=self.document.id,
            language=self.language,
            start=start,
            end=end,
            quote=self.document.text[start:end],
            topic=self.topic,
            **given,  # type: ignore[arg-type]
        )

    def lines(self) -> Iterator[tuple[str, int, int]]:
        """(text, start, end) of each line of paragraphs and lists of this section."""
        for block in self.part.blocks:
            if block.kind not in ("paragraph", "list"):
                continue
            position = block.start
            for line in text_of(self.document, block).splitlines(keepends=True):
                bare = line.strip()
                if bare:
                    start = position + line.index(bare[0])
                    yield bare, start, start + len(bare)
                position += len(line)

    # --- definitions --------------------------------------------------------------------------

    def definitions(self) -> list[Fact]:
        out = []
        above = " ".join((self.document.id, self.document.title, *self.part.path[:-1]))
        body = [b for b in self.part.blocks if b.kind == "paragraph"]
        record = self.part.heading is not None and self.part.heading.row is not None
        is_term = bool(self.heading and body) and len(self.heading) < 50 and not self.heading.endswith("?")
        if is_term and (_GLOSSARY.search(above) or (record and _GLOSSARY.search(self.document.id))):
            begin, end = self._first_sentences(body[0], 2)
            if end - begin >= 12:
                value = single_spaced(self.document.text[begin:end])
                out.append(self.make("definition", begin, end, subject=self.heading, value=value))
        listed = _GLOSSARY.search(f"{above} {self.heading}") is not None
        for text, start, end in self.lines():
            found = (_FIELD.match(text) or _DASHED.match(text)) if listed else None
            if found is not None and len(found["value"]) >= 8 and not _NOT_A_KEY.match(found["key"]):
                value = single_spaced(found["value"])
                out.append(
                    self.make("definition", start, end, subject=found["key"].strip('*“”" '), value=value)
                )
        return out + list(self._said())

    def _said(self) -> Iterator[Fact]:
        """ "X means …" in running text."""
        pattern = _DEFINES.get(self.language)
        if pattern is None:
            return
        for block in self.part.blocks:
            if block.kind not in ("paragraph", "list"):
                continue
            for span in spans(self.document.text, block.start, block.end):
                said = single_spaced(self.document.text[span.start : span.end])
                found = pattern.match(_BULLET.sub("", said))
                if found is None or _PRONOUN.match(found["term"]) or len(found["term"].split()) > 5:
                    continue
                yield self.make(
                    "definition", span.start, span.end, subject=found["term"].strip(), value=said, answer=said
                )

    # --- fields -------------------------------------------------------------------------------

    def fields(self) -> list[Fact]:
        found = [(m, s, e) for text, s, e in self.lines() if (m := _FIELD.match(text)) is not None]
        found = [(m, s, e) for m, s, e in found if self._is_field(m["key"], m["value"])]
        under = _GLOSSARY.search(f"{self.heading} {self.document.id}") is not None
        if under:
            return []
        figures = sum(any(c.isdigit() for c in m["value"][:24]) for m, _, _ in found)
        # "Discounts": garage 8 %, second car 10 %: the heading names what each line tells.
        shared = len(found) >= 3 and figures >= 0.8 * len(found) and not self.is_title
        out = []
        for match, start, end in found:
            key, value = match["key"].strip(), single_spaced(match["value"]).rstrip(".;")
            if shared and len(self.heading.split()) <= 4:
                out.append(self.make("cell", start, end, subject=key, attribute=self.heading, value=value))
                continue
            subject = "" if self.is_title else self.heading
            out.append(self.make("field", start, end, subject=subject, attribute=key, value=value))
        return out

    def _is_field(self, key: str, value: str) -> bool:
        wordy = len(key.split()) > 6 or key[:1].islower()
        return not (
            wordy
            or _NOT_A_KEY.match(key.strip())
            or _CAPTION.match(key)
            or "{" in key + value
            or "http" in key
            or "@" in value
            or value.endswith((":", ","))
            or "(" in key
            or key.strip()[:1] in "\"'“<[#"
        )

    # --- procedures ---------------------------------------------------------------------------

    def procedure(self) -> list[Fact]:
        steps = self._steps()
        if len(steps) < 2 or not self.heading:
            return []
        texts = [t for t, _, _ in steps]
        out = []
        whole = " ".join(f"{n}. {_ended(t)}" for n, t in enumerate(texts, 1))
        title = self._procedure_title()
        if len(whole) <= 700:
            out.append(
                self.make("procedure", steps[0][1], steps[-1][2], subject=title, value=whole, answer=whole)
            )
        for number, (text, start, end) in enumerate(steps, 1):
            before = texts[number - 2] if number > 1 else ""
            out.append(
                self.make(
                    "step",
                    start,
                    end,
                    subject=title,
                    attribute=before,
                    key="last" if number == len(steps) else str(number),
                    value=text,
                    answer=_ended(text),
                )
            )
        return out

    def _procedure_title(self) -> str:
        """The heading; with what stands above it where the heading alone names no thing."""
        generic = _GENERIC_HEADING.match(self.heading) is not None
        if generic:
            above = without_number(self.part.path[-2]) if len(self.part.path) > 1 else ""
            return above or self.document.title or self.heading
        if len(self.heading.split()) > 1 or self.is_title or len(self.part.path) < 2:
            return self.heading
        above = without_number(self.part.path[-2])
        return f"{above}: {self.heading}" if len(above) < 60 else self.heading

    def _steps(self) -> list[tuple[str, int, int]]:
        """The longest run of numbered items that starts with 1."""
        runs: list[list[tuple[str, int, int]]] = [[]]
        for block in self.part.blocks:
            if block.kind not in ("list", "paragraph"):
                continue
            raw = text_of(self.document, block)
            found = _STEP.match(raw)
            if found is None or len(found["text"]) > _LONGEST_STEP or "\n\n" in raw:
                continue
            number = int(found["number"])
            if number == 1:
                runs.append([])
            if number == len(runs[-1]) + 1:
                text = single_spaced(found["text"])
                runs[-1].append((text, block.start + found.start("text"), block.end))
        return max(runs, key=len)

    # --- sections -----------------------------------------------------------------------------

    def section(self) -> list[Fact]:
        """What the text under a heading says, or the items it lists."""
        if self.part.heading is None or not self.heading or len(self.heading) > 90 or self.is_title:
            return []
        listed = self._listed()
        if listed is not None:
            return [listed]
        body = [b for b in self.part.blocks if b.kind == "paragraph"]
        if any(b.kind in ("row", "code") for b in self.part.blocks):
            return []  # a table says what the heading promises
        if not body or _GLOSSARY.search(" ".join((self.document.id, *self.part.path[:-1]))):
            return []
        question = self.heading.endswith(("?", "？"))
        begin, end = self._first_sentences(body[0], 3 if question else 2)
        text = single_spaced(self.document.text[begin:end])
        if not 25 <= end - begin <= _LONGEST_ANSWER or text.endswith((":", "：")) or "{" in text:
            return []
        if not question and _PRONOUN.match(text):
            return []
        return [self.make("section", begin, end, subject=self.heading, value=text, answer=text)]

    def _listed(self) -> Fact | None:
        """A short list under a heading, as one sentence."""
        blocks = [b for b in self.part.blocks if b.kind == "list"]
        others = [b for b in self.part.blocks if b.kind in ("row", "code")]
        if len(blocks) < 2 or others or len(blocks) < len(self.part.blocks) - 1:
            return None
        raw = [single_spaced(text_of(self.document, b)) for b in blocks]
        if any(_STEP.match(t) for t in raw):
            return None
        items = [_BULLET.sub("", t).rstrip(" .;,") for t in raw]
        value = " ".join(_ended(item) for item in items)
        if len(value) > _LONGEST_LIST or len(items) > _MOST_ITEMS:
            return None
        return self.make(
            "section",
            blocks[0].start,
            blocks[-1].end,
            subject=self.heading,
            value=value,
            answer=_ended(value),
        )

    def _first_sentences(self, block: Block, most: int) -> tuple[int, int]:
        """Span of the first sentences of a paragraph that together are short."""
        begin, end = block.start, block.start
        for number, span in enumerate(spans(self.document.text, block.start, block.end)):
            if number >= most or (end > begin and span.end - begin > _LONGEST_ANSWER * 0.75):
                break
            end = span.end
        return begin, end


def _ended(text: str) -> str:
    text = text.rstrip(" ;,")
    return text if text.endswith((".", "!", "?", "。")) else f"{text}."


def signed(texts: Sequence[str]) -> bool:
    """Whether a text is the end of a letter."""
    return any(_SIGNED.search(t) for t in texts)
