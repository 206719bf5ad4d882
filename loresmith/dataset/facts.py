"""Fact: one thing a document says, with the place that proves it; and what is told about a subject.

    Document -> facts_tables, facts_text, facts_prose -> Fact -> wordings

Promises: `quote` is `document.text[start:end]` and `value` stands in it or in the heading above it;
nothing here asks a model, and the same document gives the same facts in the same order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from loresmith.answering import facts as checked
from loresmith.answering.text import fold
from loresmith.types import Block, Document

FactKind = Literal[
    "cell", "reverse", "field", "definition", "procedure", "step", "section", "statement", "taught"
]

ORIGIN: dict[FactKind, str] = {
    "cell": "table",
    "reverse": "table",
    "field": "field",
    "definition": "glossary",
    "procedure": "procedure",
    "step": "procedure",
    "section": "section",
    "statement": "text",
    "taught": "teacher",
}
"""Kind of a fact to the first part of `Example.origin`."""

_TOKEN = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")
_SITE = re.compile(r"\s+[|–—]\s+[^|–—]{2,30}$")
_STATE = re.compile(
    r",\s(?:valid|version|issue|edition|rev|as of|effective|stand|gültig|ausgabe|válid|valable)[oa]?\b.*$",
    re.IGNORECASE,
)
_UNREADABLE = re.compile(
    r"\\n|[{}=]|\":\s|</?\w+>|[a-z]\$\d|[a-z]{3}\d+ [a-z]+\$"
    r"|[a-zß-ÿ]{3}[A-ZÀ-Þ][a-zß-ÿ]{2}.*[a-zß-ÿ\d]{3}[A-ZÀ-Þ][a-zß-ÿ]{2}\S*[A-ZÀ-Þ]"
)
_DATED = re.compile(r"\d{4}-\d\d|^Q\d")
_OPENING = frozenset(
    """The A An All Each Every Any No Both If When In On At For After Before With Without During From Under
    Der Die Das Ein Eine El La Los Las Un Una Le Les Il Lo Gli Os As Um Uma De Het Een""".split()  # noqa: SIM905
)
_NUMBERED = re.compile(
    r"^\s*(?:(?:chapter|section|kapitel|abschnitt|capítulo|capitolo|chapitre)\s+)?"
    r"(?:\d{1,2}(?:\.\d{1,2})*|[A-Z])[.):]?\s+(?=\S)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something a document states.

    Attributes:
        subject: what it is about, as written: a row's key, a term, a heading; "" for the topic.
        key: name of the column that `subject` stands in, "" where it has none.
        attribute: what of it is told: the column's name, the field's name.
        value: verbatim.  unit: that the column's name gives to it.
        topic: what the document is about, to tell this subject from its namesakes.
        asked: ready questions of this fact, for what no template words.
        answer: the sentence that answers, where no template words it.
        start, end: the quote in `document.text`.
        sure: the topic may be left out of a question; set by `build` once all facts are known.
    """

    kind: FactKind
    document: str
    language: str
    start: int
    end: int
    quote: str
    subject: str = ""
    key: str = ""
    attribute: str = ""
    value: str = ""
    unit: str = ""
    topic: str = ""
    asked: tuple[str, ...] = ()
    answer: str = ""
    sure: bool = True

    @property
    def id(self) -> str:
        """The same statement in the same document, whatever its wording."""
        parts = (self.document, self.kind, self.subject, self.attribute, self.value, self.answer)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    @property
    def origin(self) -> str:
        return f"{ORIGIN[self.kind]}:{self.key if self.kind == 'taught' else self.document}"


@lru_cache(maxsize=4096)
def codes_of(text: str) -> tuple[str, ...]:
    """The codes of `text` as written: "P-200", "WV-2025-014"."""
    found = (m.group() for m in _TOKEN.finditer(text))
    return tuple(dict.fromkeys(t for t in found if checked.is_code(t) and len(t) > 1))


@lru_cache(maxsize=4096)
def topic_of(title: str) -> str:
    """What a title says a document is about: its one product code, else the title without the site."""
    # "Nordwind Air … Employee Handbook" is how a parser joins two lines of a cover.
    bare = _STATE.sub("", _SITE.sub("", title.strip()).rpartition("… ")[2]).strip(" ,")
    codes = [c for c in codes_of(bare) if c[0].isalpha() and len(c) > 2 and not _DATED.search(c)]
    if len(codes) != 1 or len(bare.split()) > 9:
        return bare
    return codes[0].upper() if codes[0].islower() else codes[0]


@lru_cache(maxsize=4096)
def without_number(heading: str) -> str:
    """ "4.2 Opening hours" -> "Opening hours"."""
    bare = _NUMBERED.sub("", heading, count=1).strip(" .:–-")
    return bare if len(bare) > 2 else heading.strip()


def text_of(document: Document, block: Block) -> str:
    return document.text[block.start : block.end]


def single_spaced(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True)
class Known:
    """How a document writes its words: small somewhere, or with a capital inside of sentences."""

    small: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Known:
        small = frozenset(re.findall(r"(?<![\w'’-])[a-zà-öø-ÿß][\w'’-]+", text))
        inside = re.findall(r"(?<=[a-zà-öø-ÿß,] )[A-ZÀ-ÖØ-Þ][\w'’-]+", text)
        return cls(small, frozenset(w for w in inside if fold(w) not in small))

    def is_name(self, text: str) -> bool:
        """Whether every long word of `text` has a capital letter that no rule explains."""
        words = re.findall(r"[^\W\d_][\w'’-]*", text)
        if not words or not words[0][0].isupper():
            return False
        long = [w for w in words if len(w) > 3] or words
        if not all(w[0].isupper() for w in long) or words[0] in _OPENING:
            return False
        return len(long) > 1 or (long[0] in self.names and fold(long[0]) not in self.small)


NOTHING_KNOWN = Known(frozenset(), frozenset())


def lowered(text: str, known: Known = NOTHING_KNOWN) -> str:
    """`text` with a small first letter, where its first word is neither code, acronym nor name."""
    first = re.match(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text)
    if first is None or not text[0].isupper():
        return text
    word = first.group()
    if any(c.isupper() for c in word[1:]) or (len(word.split("-")[0]) == 1 and word != "A"):
        return text
    if (
        re.match(r"\d", text[len(word) : len(word) + 2].strip())
        and len(word) <= 3
        and fold(word) not in known.small
    ):
        return text  # "NW 217", "SF 10"
    if text[len(word) : len(word) + 2] == ". ":
        return text  # an abbreviation: "Br. Nord 2"
    following = re.match(r"\s[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿß]", text[len(word) :]) is not None
    name = word in known.names or (following and word not in _OPENING)
    return text if name else text[0].lower() + text[1:]


def raised(text: str) -> str:
    """`text` with a capital first letter, where that changes no code or unit."""
    word = text.split(" ", 1)[0]
    if not text or any(c.isupper() or c.isdigit() for c in word[1:]) or text.startswith("http"):
        return text
    return text[0].upper() + text[1:]


def sentence(text: str) -> str:
    """`text` with a mark at its end."""
    text = text.strip()
    return text if text[-1:] in ".!?。！？…" else text.rstrip(" ,;:") + "."


def paths(document: Document) -> list[tuple[str, ...]]:
    """The heading path of each block."""
    path: list[tuple[int, str]] = []
    out = []
    for block in document.blocks:
        if block.kind == "heading":
            level = block.level or 1
            path = [p for p in path if p[0] < level]
            path.append((level, single_spaced(text_of(document, block))))
        out.append(tuple(h for _, h in path))
    return out


def readable(text: str) -> bool:
    """Whether `text` is language: no program, no table whose cells a web page ran together."""
    return _UNREADABLE.search(text) is None


def distinct(facts: Sequence[Fact]) -> list[Fact]:
    """Without those that say the same with the same name."""
    return list({f.id: f for f in facts}.values())
