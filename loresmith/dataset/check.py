"""Every row is accepted, mended or rejected, with the reason, before anything is trained on it.

    mend (repair.py) -> language, length, personal data -> duplicates -> contradictions -> figures

Promises: the reason of each rejected row is told with the row it clashes with; what a person
approved or corrected (feedback) is never rejected for what a file or a document says; 100,000 rows
take less than a minute.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loresmith.config import DatasetSection
from loresmith.dataset import duplicates, figures, personal
from loresmith.dataset.duplicates import alike, disagree, normal
from loresmith.dataset.example import Example
from loresmith.dataset.formats import Rejected
from loresmith.dataset.lengths import estimate
from loresmith.dataset.queries import is_bare
from loresmith.dataset.repair import mend
from loresmith.language import detect
from loresmith.types import Message

CountTokens = Callable[[Sequence[Message]], int]

_TRANSLATES = re.compile(
    r"transl|übersetz|tradu|vertaal|翻译|翻訳|\bin (?:english|german|french|spanish|italian)\b", re.I
)
_SURE = 6  # words from which on a text's language is believed
_KIN = 0.25  # share of words two questions with one answer must share to be wordings of a fact


@dataclass(frozen=True, slots=True)
class Repaired:
    """A row that was mended, and how."""

    row: int | str
    done: tuple[str, ...]
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the check found.

    Attributes:
        accepted: the rows to use, the mended ones among them, feedback first.
        warnings: what a person should know before training on them.
        figures: counts, for the report.
    """

    accepted: tuple[Example, ...]
    repaired: tuple[Repaired, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    warnings: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Row:
    """An example with what it is compared by."""

    example: Example
    question: str
    answer: str
    beside: str = ""
    """Hash of everything else a model reads: passages, system text, earlier turns."""
    tokens: int = 0

    @property
    def trusted(self) -> bool:
        return self.example.origin.startswith("feedback:")


def check(
    examples: Iterable[Example],
    *,
    count_tokens: CountTokens | None = None,
    max_length: int = 1024,
    settings: DatasetSection | None = None,
) -> Checked:
    """Check rows together.

    Args:
        count_tokens: tokens of a conversation with the model's template; None: estimated.
        max_length: rows with more tokens are rejected; long chats lose their last turns instead.
    """
    settings = settings or DatasetSection()
    found = _Found(settings, count_tokens, max_length)
    # What a person said comes first, so that it is what others are compared with.
    ordered = sorted(examples, key=lambda e: not e.origin.startswith("feedback:"))
    rows = [row for example in ordered if (row := found.row(example)) is not None]
    rows = _without_copies(found, rows)
    rows = _without_contradictions(found, rows)
    rows = _with_facts(rows)
    accepted = tuple(row.example for row in rows)
    counted = figures.count(
        accepted,
        [row.tokens for row in rows],
        reasons=[r.reason for r in found.rejected],
        repairs=[done for r in found.repaired for done in r.done],
        personal=found.personal,
    ) | {"tokens_exact": count_tokens is not None, "personal_rows": found.personal_rows}
    return Checked(
        accepted=accepted,
        repaired=tuple(found.repaired),
        rejected=tuple(found.rejected),
        warnings=tuple(figures.warnings(counted, rejects_personal=settings.personal_data == "reject")),
        figures=counted,
    )


def place(example: Example) -> int | str:
    """The row as a person finds it: its number in the imported file, else its id."""
    row = example.origin.rpartition("#")[2] if example.origin.startswith("import:") else example.id
    return int(row) if row.isdigit() and example.origin.startswith("import:") else row


@dataclass(slots=True)
class _Found:
    """Single rows looked at, and what became of them."""

    settings: DatasetSection
    count_tokens: CountTokens | None
    max_length: int
    repaired: list[Repaired] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    personal: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    personal_rows: int = 0

    def reject(self, example: Example, reason: str) -> None:
        self.rejected.append(Rejected(place(example), reason, example, example.origin))

    def row(self, example: Example) -> _Row | None:
        if is_bare(example):
            self.reject(example, "query: not proved on any tables")
            return None
        own = example.kind == "query" or not example.origin.startswith(("import:", "feedback:"))
        outcome = mend(example, verbatim=own)
        if isinstance(outcome, str):
            self.reject(example, outcome)
            return None
        example, done = outcome
        example, tokens, cut = self._fitting(example)
        reason = self._wrong_language(example)
        if not reason and tokens > self.max_length:
            about = "" if self.count_tokens else "about "
            reason = f"too long: {about}{tokens:,} tokens, at most {self.max_length:,}"
        kinds = [] if reason else self._personal(example)
        if kinds and self.settings.personal_data == "reject":
            reason = f"personal data: {', '.join(kinds)}"
        if reason:
            self.reject(example, reason)
            return None
        if cut:
            done.append(f"last turns left out: {cut} more than fit {self.max_length:,} tokens")
        if done:
            self.repaired.append(Repaired(place(example), tuple(done), example.origin))
        question = normal(example.question)
        # Of a query every sign counts.
        answer = example.answer if example.kind == "query" else normal(example.answer)
        return _Row(example, question, answer, _beside(example), tokens)

    def _wrong_language(self, example: Example) -> str:
        wanted = self.settings.languages
        language = example.language or detect(f"{example.question} {example.answer}")
        if wanted and language and language not in wanted:
            return f"wrong language: {language}, wanted {', '.join(wanted)}"
        # What code or a person made is in the language it was made in; a quote may be in another.
        if not example.origin.startswith(("import:", "teacher:")) or example.kind in ("abstain", "query"):
            return ""
        question, answer = example.question, example.answer
        if min(question.count(" "), answer.count(" ")) < _SURE and question.isascii() and answer.isascii():
            return ""
        asked, told = detect(question), detect(answer)
        if asked and told and asked != told and not _TRANSLATES.search(example.messages[-2]["content"]):
            return f"wrong language: the answer is in {told}, the question in {asked}"
        return ""

    def _fitting(self, example: Example) -> tuple[Example, int, int]:
        """The example without the last turns that do not fit, its tokens, and the turns left out."""
        tokens, cut = self._tokens(example.messages), 0
        while tokens > self.max_length and example.kind == "chat":
            shorter = example.messages[:-2]
            if not any(m["role"] == "assistant" for m in shorter):
                break
            example, cut = replace(example, messages=shorter), cut + 2
            tokens = self._tokens(example.messages)
        return example, tokens, cut

    def _tokens(self, messages: Sequence[Message]) -> int:
        if self.count_tokens is not None:
            return self.count_tokens(messages)
        return estimate(messages)

    def _personal(self, example: Example) -> list[str]:
        kinds: dict[str, None] = {}
        for message in example.messages:
            for kind, text in personal.find(message["content"]):
                if kind not in kinds:
                    self.personal[kind].append((str(place(example)), personal.masked(text)))
                kinds[kind] = None
        self.personal_rows += bool(kinds)
        return list(kinds)


def _beside(example: Example) -> str:
    if example.kind == "closed":
        return ""
    parts = [m["content"] for m in example.messages[:-1]]
    raw = (
        "\0".join(parts).replace(example.question, "")
        if example.kind != "chat"
        else "\0".join(map(normal, parts))
    )
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _without_copies(found: _Found, rows: list[_Row]) -> list[_Row]:
    exact: dict[str, _Row] = {}
    near: dict[tuple[str, str, str, str], _Row] = {}
    kept: list[_Row] = []
    for row in rows:
        key = (row.example.kind, row.beside, row.question, row.answer)
        if (same := exact.get(row.example.id)) is not None:
            found.reject(row.example, f"duplicate: the same as {_named(same)}")
        elif (same := near.get(key)) is not None:
            found.reject(row.example, f"near-duplicate: but for spelling the same as {_named(same)}")
        else:
            exact[row.example.id] = near[key] = row
            kept.append(row)
    texts = [f"{row.question} {row.answer}" if _alone(row) else _whole(row) for row in kept]
    # A question in other words is another wording, however long the answer that both have.
    copies = duplicates.copies(texts, lambda i, j: alike(kept[i].question, kept[j].question))
    for position, first in copies.items():
        found.reject(kept[position].example, f"near-duplicate: nearly the same as {_named(kept[first])}")
    return [row for position, row in enumerate(kept) if position not in copies]


def _alone(row: _Row) -> bool:
    return row.example.kind == "closed"


def _whole(row: _Row) -> str:
    """A chat is compared as a whole; rows with passages are never copies of each other but by their
    question and answer, since the passages are what differs."""
    if row.example.kind == "chat":
        return " ".join(normal(m["content"]) for m in row.example.messages)
    return ""


def _without_contradictions(found: _Found, rows: list[_Row]) -> list[_Row]:
    asked: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        if row.example.kind in ("closed", "query"):
            asked[row.example.kind, row.question].append(position)
    gone: set[int] = set()
    for positions in asked.values():
        if len(positions) < 2:
            continue
        # A person's latest word decides; else nobody knows which side is right. Of queries the user's own
        # stand against derived ones.
        judge = next((p for p in positions if rows[p].trusted), None)
        given = [p for p in positions if rows[p].example.origin.startswith("import:")]
        if judge is None and rows[positions[0]].example.kind == "query" and len(given) == 1:
            judge = given[0]
        for position in positions:
            others = [judge] if judge is not None else positions
            against = next(
                (o for o in others if o != position and _disagree(rows[o], rows[position])),
                None,
            )
            if against is not None and position != judge:
                other = rows[against]
                found.reject(
                    rows[position].example,
                    f"contradiction: to the same question {_named(other)} answers "
                    f"“{_short(other.example.answer)}”, this one “{_short(rows[position].example.answer)}”",
                )
                gone.add(position)
    return [row for position, row in enumerate(rows) if position not in gone]


def _disagree(one: _Row, other: _Row) -> bool:
    if one.example.kind != "query":
        return disagree(one.question, one.answer, other.answer)
    # Of two queries of the same tables that come to the same, nobody need choose.
    apart = one.example.value != other.example.value or not one.example.value
    there = set(one.example.documents) & set(other.example.documents)
    return bool(one.answer != other.answer and apart and there)


def _with_facts(rows: list[_Row]) -> list[_Row]:
    """Closed rows that nobody has put together: those with one answer and kindred questions."""
    loose: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.example.kind == "closed" and not row.example.fact:
            loose[row.answer].append(row)
    for answer, members in loose.items():
        firsts: list[tuple[set[str], str]] = []
        for row in members:
            terms = set(row.question.split())
            name = next((n for t, n in firsts if len(t & terms) >= _KIN * len(t | terms)), "")
            if not name:
                name = "same:" + hashlib.sha256(f"{answer}\0{row.question}".encode()).hexdigest()[:12]
                if len(firsts) < 8:
                    firsts.append((terms, name))
            row.example = replace(row.example, fact=name)
    return rows


def _named(row: _Row) -> str:
    where = row.example.origin
    return (
        where.partition(":")[2]
        if where.startswith("import:")
        else f"row {row.example.id} ({where or 'unknown'})"
    )


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 80 else f"{flat[:79]}…"
