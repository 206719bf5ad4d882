"""Hits and answers on a terminal: numbered citations, the quote highlighted in its passage."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from loresmith.commands.common import Call, printable
from loresmith.types import Answer, Citation, Hit, Passage, Sentence, TableResult

AROUND = 90
"""Characters of the passage shown on either side of a quote."""
SHOWN_ROWS = 20
FEW_ROWS = 3


class Citations:
    """Numbers the citations of an answer in the order they are shown; equal ones share a number."""

    def __init__(self) -> None:
        self.numbers: dict[Citation, int] = {}

    def marks(self, sentence: Sentence) -> str:
        """ "[1][2]" for a sentence."""
        marks = (self.numbers.setdefault(c, len(self.numbers) + 1) for c in sentence.citations)
        return "".join(f"[{n}]" for n in dict.fromkeys(marks))


def sentence(call: Call, value: Sentence, citations: Citations) -> None:
    """One verified sentence as soon as it is there."""
    if call.json:
        return
    mark = (citations.marks(value), "cyan")
    call.stdout.print(Text.assemble(_one_line(value.text), " ", mark), end=" ")


def closing(call: Call, answer: Answer, citations: Citations) -> None:
    """What follows the streamed sentences: their sources, or where a person could look instead."""
    if call.json:
        return
    if answer.abstained:
        call.say(answer.answer)
        if answer.reason:
            call.say(f"({answer.reason})", style="dim")
        near = answer.hits[:3]
        if near:
            call.say("Nearest passages:")
            hits(call, near, long=False)
    else:
        call.say("\n")
        if answer.result is not None:
            _result(call, answer.result)
        _sources(call, answer, citations)
        if answer.reason:
            call.say(f"({answer.reason})", style="dim")
    total = sum(answer.seconds.values())
    tuned = f" with {answer.adapter}" if answer.adapter else ""
    call.note(f"{answer.model}{tuned}, {total:.1f} s")


def _result(call: Call, result: TableResult) -> None:
    """The result as a table, what was asked of the tables, and the rows it rests on."""
    if len(result.rows) > 1 or len(result.columns) > 1:
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for column, unit in zip(result.columns, result.units, strict=True):
            figures = all(isinstance(row[len(shown.columns)], int | float | None) for row in result.rows)
            head = f"{column} ({unit})" if unit else column
            shown.add_column(_one_line(head), justify="right" if figures else "left")
        for row in result.rows[:SHOWN_ROWS]:
            shown.add_row(*("" if cell is None else _one_line(str(cell)) for cell in row))
        call.stdout.print(shown)
        more = len(result.rows) - SHOWN_ROWS
        if more > 0 or result.truncated:
            call.say(f"… {f'{more} more' if more > 0 else 'and more'} (--json gives them)", style="dim")
        call.say("")
    call.say_text(Text.assemble(("Asked  ", "dim"), _one_line(result.reading)))
    if result.formula:
        call.say_text(Text.assemble(("Sum    ", "dim"), _one_line(result.formula)))
    if result.sql:
        call.say_text(Text.assemble(("Query  ", "dim"), _one_line(result.sql)))
    for table in result.basis:
        places = ", ".join(row.locator.describe() or str(row.locator.key) for row in table.rows[:3])
        count = f"{table.total or 'no'} row{'s' * (table.total > 1)}"
        tail = ", …" if table.total > 3 else ""
        told = f"{count} of {table.table} ({table.document}){f': {places}{tail}' if places else ''}"
        call.say_text(Text.assemble(("Rests  ", "dim"), _one_line(told)))
    call.say("")


def _sources(call: Call, answer: Answer, citations: Citations) -> None:
    """The numbered list under an answer: document, place, quote within its passage."""
    passages = {hit.passage.id: hit.passage for hit in answer.hits}
    rows = sum(table.total for table in answer.result.basis) if answer.result else 0
    for citation, number in citations.numbers.items():
        where = place(citation.document, citation.locator.describe())
        call.stdout.print(Text.assemble((f"[{number}] ", "cyan"), (where, "bold")))
        if rows <= FEW_ROWS or answer.via == "both":  # of many rows the first ones prove little
            call.stdout.print(Text("    ").append_text(quoted(citation, passages.get(citation.passage))))


def quoted(citation: Citation, passage: Passage | None) -> Text:
    """The quote, highlighted, with a little of what stands around it."""
    before = after = ""
    at = passage.text.find(citation.quote) if passage is not None else -1
    if passage is not None and at >= 0:
        before = passage.text[:at]
        after = passage.text[at + len(citation.quote) :]
        if len(before) > AROUND:
            near = before[-AROUND:]
            before = "… " + (near.partition(" ")[2] or near)
        if len(after) > AROUND:
            near = after[:AROUND]
            after = (near.rpartition(" ")[0] or near) + " …"
    return Text.assemble(
        (_one_line(before), "dim"),
        (f"“{_one_line(citation.quote).strip()}”", "bold black on yellow"),
        (_one_line(after), "dim"),
    )


def hits(call: Call, found: Sequence[Hit], *, long: bool = True) -> None:
    """A list of passages with their places; `long` adds summary and text."""
    for hit in found:
        passage = hit.passage
        where = place(passage.document, passage.locator.describe())
        call.say_text(Text.assemble(f"{hit.rank:>2}. ", (where, "bold"), (f"  {hit.score:.3f}", "dim")))
        if long and passage.summary:
            call.say_text(Text(f"    Summary: {_one_line(passage.summary)}", style="italic"))
        call.say_text(Text(f"    {shortened(passage.text, 400 if long else 160)}"))


def place(document: str, where: str) -> str:
    return _one_line(f"{document}, {where}" if where else document)


def shortened(text: str, limit: int) -> str:
    line = _one_line(text).strip()
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", printable(text))
