"""Summaries of documents and sections: extractive by default, by a language model where asked.

Extractive: the sentences whose words are the section's most frequent content words (the centroid;
Radev et al. 2004), early ones preferred, near-repeats passed over; they are the document's own
words, in its order. A section that is one passage has no summary: it would only repeat it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from loresmith.language import sentences as sentence_spans
from loresmith.language import stop_words
from loresmith.types import Document, Passage

_MAX_SENTENCES = 400
_MAX_CHARACTERS = 300
_MODEL_CHARACTERS = 6000
# A short line before one that begins anew is a heading, an address, a row; a long one is wrapped.
_LINE_END = re.compile(r"(?<![^\n]{50})(?<=[^,;\s-])[ \t]*\n\s*(?=[\W\dA-ZÀ-Þ])")
_MAIL_FIELD = re.compile(r"(?:From|To|Cc|Date|Sent|Subject|Von|An|Datum|Betreff|De|Para|A|Da|Fecha|Data): ")


def summarise(
    document: Document, passages: Sequence[Passage], sentences: int = 2
) -> tuple[str, list[Passage]]:
    """The document's summary, and its passages with the summary of their section filled in."""
    return _summarise(passages, lambda texts, language: extract(texts, language, sentences))


def with_model(
    document: Document, passages: Sequence[Passage], write: Callable[[str], str]
) -> tuple[str, list[Passage]]:
    """The same, written by a language model.

    Args:
        write: gets the text of a section or document, returns its summary; what it leaves empty is
            extracted instead.
    """

    def by_model(texts: Sequence[str], language: str) -> str:
        # Of what is longer than the model may read, it sees the sentences that carry most.
        joined = "\n".join(texts)
        if len(joined) > _MODEL_CHARACTERS:
            joined = extract(texts, language, _MODEL_CHARACTERS // 200)
        return " ".join(write(joined).split()) or extract(texts, language, 2)

    return _summarise(passages, by_model)


def _summarise(
    passages: Sequence[Passage], make: Callable[[Sequence[str], str], str]
) -> tuple[str, list[Passage]]:
    if not passages:
        return "", []
    filled: list[Passage] = []
    for _, run in groupby(passages, key=lambda p: (p.heading, p.locator.sheet)):
        section = list(run)
        summary = make([p.text for p in section], section[0].language) if len(section) > 1 else ""
        filled.extend(replace(p, summary=summary) for p in section)
    return make([p.text for p in passages], passages[0].language), filled


def extract(texts: Sequence[str], language: str, count: int) -> str:
    """The `count` sentences that say most of what `texts` say, in their order."""
    pieces = _sentences(texts)
    # A row sums nothing up as long as there is a sentence; of a bare table its head says most.
    pieces = [piece for piece in pieces if not _is_row(piece)] or pieces[:1]
    ignored = stop_words((language or "en", "en"))
    words = [[w for w in _words(piece) if w not in ignored] for piece in pieces]
    frequency = Counter(word for each in words for word in set(each))
    scores = [
        sum(frequency[w] for w in set(each)) / math.sqrt(len(each) + 3) * (1 + 1 / (1 + position))
        if len(each) >= 3
        else 0.0
        for position, each in enumerate(words)
    ]
    chosen: list[int] = []
    for position in sorted(range(len(pieces)), key=lambda i: (-scores[i], i)):
        if len(chosen) == count or scores[position] == 0:
            break
        mine = set(words[position])
        if all(len(mine & set(words[other])) < 0.7 * len(mine) for other in chosen):
            chosen.append(position)
    if not chosen:
        chosen = list(range(min(1, len(pieces))))
    return " ".join(_clipped(pieces[position]) for position in sorted(chosen))


def _sentences(texts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for text in texts:
        for start, end in sentence_spans(text):
            span = text[start:end]
            pieces = span.split("\n") if _is_row(span) else _LINE_END.split(span)
            lines = [" ".join(piece.split()) for piece in pieces]
            found += [line for line in lines if _is_row(line) or not _MAIL_FIELD.match(line)]
        if len(found) >= _MAX_SENTENCES:
            break
    return found[:_MAX_SENTENCES]


def _is_row(text: str) -> bool:
    fields = text.count(": ") >= 2 and text.count("; ") >= 1
    return " | " in text or fields or sum(c.isdigit() for c in text) > 0.3 * len(text)


def _words(text: str) -> list[str]:
    """Words cut to six letters, near enough to a stem to count what a text is about; character
    pairs where a script has no spaces."""
    words: list[str] = []
    for run in re.findall(r"[^\W_]+", text.lower()):
        if "\u3040" <= run[0] <= "\u9fff":
            words += [run[i : i + 2] for i in range(len(run) - 1)]
        elif len(run) > 2:
            words.append(run[:6])
    return words


def _clipped(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
