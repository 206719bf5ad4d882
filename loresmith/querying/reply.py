"""Who answers a question, the tables or the passages, and the answer that comes of it.

    question -> a document's rule with a table's figures (rules.py)?      -> via both
             -> code's query over the tables, every word accounted for?   -> via tables
             -> code's computation in a report's table that was found?    -> via tables
             -> does it sound like a question to the tables? the model's query
             -> the passages                                              -> via passages
             -> they do not say, and the tables may: the model's query, else the abstention

What code is sure of comes first, since it is exact and costs milliseconds; the passages decide what is
neither. Promises: a reader's tables alone exist here; the answer says from which it is; a table's
sentences are verified as any other, their figures against the result.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loresmith.answering.generate import OnSentence, closed
from loresmith.config import AnswerSection, ModelSection
from loresmith.errors import QueryFailed, Unsound
from loresmith.locate import row_at
from loresmith.querying import rules
from loresmith.tables.values import Catalog, Column, Table
from loresmith.types import (
    Answer,
    Arm,
    Block,
    Citation,
    Document,
    Dropped,
    Hit,
    LanguageModel,
    Locator,
    Passage,
    Sentence,
)

if TYPE_CHECKING:
    from loresmith.querying.ask import Outcome

log = logging.getLogger(__name__)

# From here on the model writes a query before the passages are read; where they do not say, from there.
_TABLES_FIRST = 0.6
_TABLES_AFTER = 0.3
# From here on a question of many rows is not answered by quoting one of them.
_TABLES_MEANT = 0.5
# Figures that code computed in a report's table are given from this share of right ones on.
_REPORT_SURE = 0.6

_LEANING = "the tables were not asked: what the question takes from the turn before is not certain"
_MANY = ("count", "sum", "avg", "max", "min", "percent", "share", "ratio", "group", "order", "desc", "asc",
         "gt", "ge", "lt", "le", "between", "before", "after", "without", "not")  # fmt: skip
"""Operators of questions that no single row answers."""
_PERIOD = re.compile(r"\b(?:19|20)\d\d\b")

Via = Literal["passages", "tables", "both"]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a question is answered with.

    Attributes:
        path, catalog: of the tables that the reader may see.
        settings, model_settings: as configured.
        model: what writes queries and reads passages, loaded when it is first called; None only quotes.
        document: a document by its id.  passages_of: its passages in the index.
        look_up: another question to the passages alone.
        earlier: the questions of the turns before, oldest first.
    """

    path: Path
    catalog: Catalog
    settings: AnswerSection
    model_settings: ModelSection
    model: Callable[[], LanguageModel | None]
    document: Callable[[str], Document]
    passages_of: Callable[[str], Sequence[Passage]]
    look_up: rules.LookUp
    earlier: Sequence[str] = ()
    language: str = ""
    arm: Arm = "rag"
    adapter: str | None = None
    on_sentence: OnSentence | None = None


def reply(
    question: str, hits: Sequence[Hit], desk: Desk, by_passages: Callable[[Sequence[Hit]], Answer]
) -> Answer:
    """The answer to `question` from tables, passages or both.

    Args:
        hits: what was found for it.
        by_passages: answers from these passages, or abstains.
    """
    if not desk.catalog.tables:
        return _by_report(question, hits, desk) or by_passages(hits)
    if not desk.earlier:
        return _replied(question, hits, desk, by_passages)
    from loresmith.querying.following import whole
    from loresmith.tables.store import connect

    with closing(connect(desk.path)) as connection:
        put = whole(question, desk.earlier, desk.catalog, connection)
    if put is None:  # of the tables it would ask something else
        found = by_passages(hits)
        return replace(found, reason=_LEANING) if found.abstained else found
    found = _replied(put, hits, desk, by_passages)
    asked = replace(found.result, asked=put) if found.result and put != question else found.result
    return replace(found, question=question, result=asked)


def _replied(
    question: str, hits: Sequence[Hit], desk: Desk, by_passages: Callable[[Sequence[Hit]], Answer]
) -> Answer:
    """The answer to a question that stands for itself."""
    from loresmith.querying.linking import link
    from loresmith.querying.routing import tabular
    from loresmith.querying.vocabulary import LANGUAGES
    from loresmith.tables.store import connect

    ranked = _ranked(hits, desk.catalog)
    with closing(connect(desk.path)) as connection:
        links = link(question, desk.catalog, connection, ranked_tables=ranked)
    if desk.language in ("", *LANGUAGES):  # in short questions the words of querying tell it best
        desk = replace(desk, language=links.language)
    asked = rules.wanted(question, desk.language)
    if asked is not None and (found := _by_rule(question, asked, hits, desk, [t for t, _ in links.tables])):
        return found
    first = _ask(question, desk, None, ranked)
    if first.result is not None:
        return _answer(question, hits, desk, first)
    if found := _by_report(question, hits, desk):
        return found
    score = tabular(question, links)
    tried, why = first.tried, first.reason
    second: Outcome | None = None
    if score >= _TABLES_FIRST:
        second = _ask(question, desk, desk.model(), ranked)
        if second.result is not None:
            return _answer(question, hits, desk, second)
        tried, why = second.tried, second.reason
    many = any(kind.split(":")[0] in _MANY for operator in links.operators for kind in operator.kinds[:1])
    # One row says nothing of how many there are, which is highest, or which are over a limit.
    rows = {t.document for t in desk.catalog.tables} if many and score >= _TABLES_MEANT else set()
    passages = by_passages([h for h in hits if h.passage.document not in rows])
    if passages.abstained and second is None and score >= _TABLES_AFTER:
        second = _ask(question, desk, desk.model(), ranked)
        if second.result is not None:
            return _answer(question, hits, desk, second)
        tried, why = second.tried, second.reason
    if second is not None:
        passages = _with_cost(passages, second)
    if not passages.abstained:
        return passages
    refused = tuple(Dropped(text=sql, reason=fault) for sql, fault in tried if sql)
    reason = f"no query for the tables: {why}" if rows else passages.reason
    return replace(passages, hits=tuple(hits), reason=reason, dropped=(*passages.dropped, *refused))


def _ask(question: str, desk: Desk, model: LanguageModel | None, ranked: Sequence[str]) -> Outcome:
    from loresmith.querying import prompt
    from loresmith.querying.ask import ask

    return ask(
        question,
        desk.path,
        desk.catalog,
        model,
        desk.model_settings,
        language=desk.language,
        quote=_quoting(desk),
        ranked_tables=ranked,
        limit=desk.settings.rows,
        code=model is None,
        budget=prompt.TUNED_BUDGET if desk.adapter else prompt.BUDGET,
    )


def _ranked(hits: Sequence[Hit], catalog: Catalog) -> list[str]:
    """The tables of the documents that were found, best first; those that were found themselves lead."""
    found: dict[str, None] = {}
    for hit in hits:
        mine = [t for t in catalog.tables if t.document == hit.passage.document]
        place = hit.passage.locator
        mine.sort(key=lambda t: (t.sheet != place.sheet if place.sheet else False, t.name != place.table))
        found.update(dict.fromkeys(t.sql for t in mine))
    return list(found)


# --- the answer ---------------------------------------------------------------------------------


def _answer(
    question: str,
    hits: Sequence[Hit],
    desk: Desk,
    outcome: Outcome,
    *,
    before: Sequence[Sentence] = (),
    via: Via = "tables",
) -> Answer:
    result = outcome.result
    sentences = (*before, *outcome.sentences)
    if desk.on_sentence is not None:
        for sentence in sentences:
            desk.on_sentence(sentence)
    by_model = result is not None and result.by == "model"
    model = desk.model() if by_model else None
    return Answer(
        question=question,
        answer=" ".join(closed(s.text) for s in sentences),
        abstained=False,
        sentences=sentences,
        hits=tuple(hits),
        model=model.name if model is not None else "none",
        adapter=desk.adapter if by_model else None,
        arm=desk.arm,
        confidence=round(outcome.confidence, 4),
        dropped=tuple(Dropped(text=sql, reason=why) for sql, why in outcome.tried if sql),
        seconds={"retrieval": 0.0, "generation": outcome.seconds, "verification": 0.0},
        tokens={"prompt": 0, "answer": 0, **_cost(outcome)},
        via=via,
        result=result,
    )


def _cost(outcome: Outcome) -> dict[str, int]:
    """The tokens of queries: not of the answer, whose own may not be more than the asker allows."""
    return {"query_prompt": outcome.read, "query": outcome.tokens} if outcome.read else {}


def _with_cost(answer: Answer, refused: Outcome) -> Answer:
    """The passages' answer with what the query before it took that came to nothing."""
    spent = round(answer.seconds.get("generation", 0.0) + refused.seconds, 4)
    tokens = {**answer.tokens, **_cost(refused)}
    return replace(answer, tokens=tokens, seconds={**answer.seconds, "generation": spent})


def _quoting(desk: Desk) -> Callable[[str, Locator], Citation | None]:
    """The row of a document as it stands there, as a citation; of a table as a whole its row of names."""

    def quote(document: str, place: Locator) -> Citation | None:
        known = desk.document(document)
        whole = place.row is None and place.key is None
        block = _head(known, place, desk.catalog) if whole else row_at(known, place)
        if block is None:
            return None
        for passage in desk.passages_of(document):
            start, end = passage.locator.start, passage.locator.end
            if start is not None and end is not None and start <= block.start and block.end <= end:
                return Citation(
                    document=document,
                    passage=passage.id,
                    locator=replace(place, start=block.start, end=block.end),
                    quote=known.text[block.start : block.end],
                )
        return None

    return quote


def _head(document: Document, place: Locator, catalog: Catalog) -> Block | None:
    """The row of names of the table that is called so: where most of its names stand."""
    tables = [t for t in catalog.tables if t.document == document.id and t.name == place.table]
    names = [c.name.rpartition("›")[2].strip().casefold() for t in tables[:1] for c in t.columns]
    best, most = None, len(names) / 2
    for block in document.blocks:
        if block.kind == "row" and block.header and place.sheet in (None, block.sheet):
            text = document.text[block.start : block.end].casefold()
            if (found := sum(name in text for name in names)) > most:
                best, most = block, found
    return best


def _data(catalog: Catalog) -> set[str]:
    """Documents whose tables are rows of one kind of thing, which queries are for, and no reports (labels
    beside periods)."""
    reports = {t.document for t in catalog.tables if any(_PERIOD.search(c.name) for c in t.columns)}
    return {t.document for t in catalog.tables} - reports


# --- a document's rule ----------------------------------------------------------------------------


def _by_rule(
    question: str, asked: rules.Wanted, hits: Sequence[Hit], desk: Desk, ranked: Sequence[str]
) -> Answer | None:
    from loresmith.querying.ask import Outcome
    from loresmith.querying.check import check
    from loresmith.querying.execute import execute
    from loresmith.querying.result import result, sentences

    names = [*ranked, *(t.sql for t in desk.catalog.tables if t.sql not in ranked)]
    combined = rules.combine(asked, desk.catalog, names[:4], _distinct(desk), desk.look_up)
    if combined is None:
        return None
    try:
        checked = check(combined.sql, desk.catalog)
        rows = execute(desk.path, checked, desk.catalog)
    except (Unsound, QueryFailed) as error:
        log.info("A rule's query was refused: %s", error.problem)
        return None
    made = result(
        *(desk.path, checked, rows, desk.catalog),
        by="code",
        limit=desk.settings.rows,
        language=desk.language,
    )
    said = sentences(question, made, desk.catalog, desk.language, quote=_quoting(desk))
    given = list({rule.sentence.text: rule.sentence for rule in combined.rules}.values())
    found = Outcome(made, tuple(said), confidence=1.0)
    answer = _answer(question, hits, desk, found, before=given, via="both")
    remark = rules.said(combined, desk.language)
    return replace(answer, reason=remark) if remark else answer


def _distinct(desk: Desk) -> Callable[[Table, Column], Sequence[str]]:
    from loresmith.querying.check import check
    from loresmith.querying.execute import execute

    def distinct(table: Table, column: Column) -> Sequence[str]:
        sql = f"SELECT DISTINCT {column.sql} FROM {table.sql} ORDER BY 1"
        rows = execute(desk.path, check(sql, desk.catalog), desk.catalog).rows
        return [str(row[0]) for row in rows if row[0] is not None]

    return distinct


# --- a report's table -----------------------------------------------------------------------------


def _by_report(question: str, hits: Sequence[Hit], desk: Desk) -> Answer | None:
    """A figure of a table in a report, or what comes of such figures."""
    from loresmith.querying import report
    from loresmith.querying.ask import Outcome

    found = report.ask(
        question,
        [h for h in hits if h.passage.document not in _data(desk.catalog)],
        desk.document,
        language=desk.language,
        quote=_quoting(desk),
        limit=desk.settings.rows,
    )
    if found is None or found.confidence < _REPORT_SURE:
        return None
    return _answer(question, hits, desk, Outcome(found.result, found.sentences, found.confidence))
