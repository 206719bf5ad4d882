"""An answer's citations for programs (objects) and for clients that know nothing of them (footnotes).

    The torque is 25 Nm.[^1]

    [^1]: P-200 manual, p. 14: “M8: 25 Nm”

Promises: what stands in a document cannot become an image, a link or HTML of the Markdown; equal
quotes share a number; numbers count from 1 in the order in which they are first cited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loresmith.answering.generate import closed
from loresmith.types import Answer, Citation, Sentence, TableResult

# What makes an image, a link, a footnote or HTML of text.
_LIVE = re.compile(r"!\[|\](?=[(\[:])|\[(?=\^)|<(?=[a-zA-Z/!?])|[`]")
_FOOTNOTE = re.compile(r"^\[\^\d+\]: .*$\n?", re.MULTILINE)
_TABLE = re.compile(r"\n\n\|.*(?:\n\|.*)*(?:\n\n…)?|\n\n(`+) SELECT .* \1(?=\n|$)")
_MARK = re.compile(r"\[\^\d+\](?: \[\^\d+\])*")


class Footnotes:
    """Numbers the citations of one answer, sentence by sentence."""

    def __init__(self, *, marked: bool = True) -> None:
        self._marked = marked
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._cited: list[Citation] = []
        self._sentences = 0

    def sentence(self, sentence: Sentence) -> tuple[str, list[dict[str, Any]]]:
        """The sentence as it is to be shown, and its citations as objects."""
        objects, marks = [], []
        for citation in sentence.citations:
            number = self._number(citation)
            objects.append(_object(citation, number, self._sentences))
            if f"[^{number}]" not in marks:
                marks.append(f"[^{number}]")
        text = closed(sentence.text)
        if self._marked:
            text = plain(text) + " ".join(marks)  # together, 1 and 2 are shown as 12
        if self._sentences:
            text = f" {text}"
        self._sentences += 1
        return text, objects

    def rest(self, titles: Mapping[str, str] = {}) -> str:
        """The footnotes, to stand behind the answer; "" where nothing is cited."""
        if not self._marked or not self._cited:
            return ""
        return "\n\n" + "\n".join(
            f"[^{number}]: {_described(citation, titles)}" for number, citation in enumerate(self._cited, 1)
        )

    def _number(self, citation: Citation) -> int:
        key = (citation.document, citation.passage, citation.quote)
        if key not in self._numbers:
            self._cited.append(citation)
            self._numbers[key] = len(self._cited)
        return self._numbers[key]


def objects(answer: Answer) -> list[dict[str, Any]]:
    """The citations of a whole answer."""
    notes = Footnotes()
    titles = titles_of(answer)
    found = [one for sentence in answer.sentences for one in notes.sentence(sentence)[1]]
    return [{**one, "title": titles.get(one["document"], "")} for one in found]


def titles_of(answer: Answer) -> dict[str, str]:
    return {hit.passage.document: hit.passage.title for hit in answer.hits}


_SHOWN = 30
"""Rows of a result that a text shows; `result` in the answer's object has all of them."""


def table(result: TableResult | None) -> str:
    """What the tables gave, as a Markdown table where it is more than a value, with its query; "" for
    an answer from passages."""
    if result is None:
        return ""
    parts = []
    if len(result.rows) > 1 or len(result.columns) > 1:
        units = (f" ({unit})" if unit else "" for unit in result.units)
        heads = [_cell(f"{name}{unit}") for name, unit in zip(result.columns, units, strict=True)]
        lines = [heads, ["---"] * len(heads), *([_cell(c) for c in row] for row in result.rows[:_SHOWN])]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        if result.truncated or len(result.rows) > _SHOWN:
            parts.append("…")
    if told := result.sql or result.formula:
        fence = "`" * (max((len(run) for run in re.findall("`+", told)), default=0) + 1)
        parts.append(f"{fence} {' '.join(told.split())} {fence}")
    return "".join(f"\n\n{part}" for part in parts)


def _cell(value: int | float | str | None) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return plain(text).replace("|", "\\|")


def plain(text: str) -> str:
    """`text` as Markdown that shows it and does nothing."""
    return _LIVE.sub(lambda found: "".join(f"\\{c}" for c in found.group()), text)


def without(text: str) -> str:
    """A text that we marked, as it comes back with the next question: its sentences alone."""
    return _MARK.sub("", _TABLE.sub("", _FOOTNOTE.sub("", text))).strip()


def _object(citation: Citation, number: int, sentence: int) -> dict[str, Any]:
    return {
        "index": number,
        "sentence": sentence,
        "document": citation.document,
        "passage": citation.passage,
        "locator": citation.locator.to_dict(),
        "place": citation.locator.describe(),
        "quote": citation.quote,
    }


def _described(citation: Citation, titles: Mapping[str, str]) -> str:
    title = titles.get(citation.document) or ""
    name = f"{title} ({citation.document})" if title and title != citation.document else citation.document
    place = citation.locator.describe()
    quote = " ".join(citation.quote.split())
    return plain(" ".join(f"{name}{f', {place}' if place else ''}: “{quote}”".split()))
