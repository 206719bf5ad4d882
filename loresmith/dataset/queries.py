"""Questions to tables with the query that answers each: what teaches a model to write queries here.

    catalog + store -> meanings (queries_plans) -> wordings (queries_en, _de) -> plan.to_sql ----\\
    a user's pair, an approved or corrected query -----------------------------------------> `proved` -> row

Promises: every row's query was checked and run on the tables as they are, and gave rows; its messages are
those that `querying.ask` sends to a model with an adapter; a row carries the labels of every table that its
prompt shows, and no prompt shows a table that a reader of those its query needs may not see; a derived
question that code reads otherwise than it was meant is left out.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from loresmith.config import DatasetSection
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example
from loresmith.dataset.queries_proof import Proof, Tables, proved
from loresmith.errors import PlanError, StorageError, Unsound
from loresmith.language import detect
from loresmith.querying import prompt
from loresmith.tables.store import connect
from loresmith.tables.values import Catalog, Table
from loresmith.types import Message, Progress

if TYPE_CHECKING:
    from loresmith.dataset.queries_plans import Meaning
    from loresmith.querying.execute import Rows
    from loresmith.querying.linking import Links

WORDINGS = 3
"""Of one plan at most: other plans teach more than further wordings."""
_VALUE = 80


def pair(question: str, sql: str, *, among: Sequence[str] = (), **more: Any) -> Example:
    """A question with its query, before it is proved: `among` names the tables or the database it is of."""
    messages: tuple[Message, ...] = (
        {"role": "user", "content": question},
        {"role": "assistant", "content": sql},
    )
    more.setdefault("language", detect(question))
    return Example(messages=messages, kind="query", question=question, beside=tuple(among), **more)


def is_query(text: str) -> bool:
    """Whether what a person wrote as an answer is a query rather than a sentence.

    >>> is_query("SELECT COUNT(*) FROM pumps"), is_query("Select the pump from the list.")
    (True, False)
    """
    begins = re.match(r"\s*(?:SELECT|WITH)\s.*\bFROM\b|\s*(?:select|with)\s.*\bfrom\b", text, re.DOTALL)
    return begins is not None and not text.rstrip().endswith((".", "!", "?"))


def is_bare(example: Example) -> bool:
    """Whether a pair still has to be proved against the tables."""
    return example.kind == "query" and len(example.messages) == 2


# --- the tables -------------------------------------------------------------------------------


def derived(
    path: Path,
    catalog: Catalog,
    settings: DatasetSection,
    progress: Progress = lambda stage, done, total: None,
) -> list[Example]:
    """At most `settings.queries` rows, tables and kinds of questions in turn."""
    if not settings.queries or not catalog.tables:
        return []
    found: list[Example] = []
    groups = _readers(catalog)
    left = sum(len(needed) for _, needed in groups)
    with closing(connect(path)) as store:
        for seen, needed in groups:
            # What is left of the rows, shared by what is left of the tables.
            room = (settings.queries - len(found)) * len(needed) // left
            left -= len(needed)
            found += _made(Tables(path, seen, store), needed, room, settings)
            progress("queries", len(found), settings.queries)
    return _one_meaning(found)


def _readers(catalog: Catalog) -> list[tuple[Catalog, frozenset[str]]]:
    """(what a reader sees, tables of which a question must have one): the readers of each set of labels,
    everybody last, so that no prompt shows more than its query needs."""
    from loresmith.dataset.queries_columns import FEWEST_ROWS

    tables = [table for table in catalog.tables if table.rows >= FEWEST_ROWS]
    sets = sorted({table.labels for table in tables}, key=lambda labels: (-len(labels), labels))
    return [
        (catalog.visible(labels), frozenset(t.sql for t in tables if t.labels == labels)) for labels in sets
    ]


def _made(tables: Tables, needed: frozenset[str], room: int, settings: DatasetSection) -> list[Example]:
    from loresmith.dataset.queries_de import German
    from loresmith.dataset.queries_en import English
    from loresmith.dataset.queries_plans import Maker
    from loresmith.dataset.queries_words import Words, language_of

    names = ",".join(sorted(needed))
    rng = Random(hashlib.sha256(f"{settings.seed}\0queries\0{names}".encode()).digest())
    words = Words.of(tables.catalog)
    speakers: dict[str, English | German] = {"en": English(words, rng), "de": German(words, rng)}
    languages = {table.sql: language_of(table) for table in tables.catalog.tables}
    each = min(settings.wordings, WORDINGS)
    found: list[Example] = []
    for meaning in Maker(tables.catalog, tables.store, rng).meanings():
        if len(found) >= room:
            break
        if not _names(meaning) & needed:
            continue
        proof = _derived_proof(meaning, tables)
        if isinstance(proof, str):
            continue
        for asked in speakers[languages[meaning.rows.sql]].wordings(meaning, 2 * each):
            links = _links(asked, tables)
            if _read_otherwise(asked, links, proof, tables):
                continue
            row = _row(asked, links, proof, tables, languages[meaning.rows.sql])
            if row is None:
                continue
            found.append(row)
            if sum(other.fact == row.fact for other in found[-each:]) >= each:
                break
    return found[:room]


def _names(meaning: Meaning) -> set[str]:
    places = [meaning.of, meaning.group, *meaning.show, *(f.place for f in meaning.filters)]
    tables = {meaning.rows.sql, *(p.table.sql for p in places if p)}
    return tables | ({meaning.other.sql} if meaning.other else set())


def _derived_proof(meaning: Meaning, tables: Tables) -> Proof | str:
    from loresmith.querying.plan import to_sql

    try:
        sql = to_sql(meaning.plan, tables.catalog)
    except PlanError as error:
        return error.problem
    proof = proved(sql, tables)
    if isinstance(proof, str):
        return proof
    only = proof.rows.rows[0] if len(proof.rows.rows) == 1 else ()
    # A zero is an answer where the question asks what is missing; else it shows that the values do not meet.
    if only and all(cell in (0, None) for cell in only) and meaning.shape != "count_without":
        return "nothing there"
    return proof


def _one_meaning(rows: Sequence[Example]) -> list[Example]:
    """Without questions that are asked of two queries."""
    asked: dict[str, set[str]] = {}
    for row in rows:
        asked.setdefault(normal(row.question), set()).add(row.answer)
    return list({row.id: row for row in rows if len(asked[normal(row.question)]) == 1}.values())


def _read_otherwise(question: str, links: Links, proof: Proof, tables: Tables) -> bool:
    """Whether code is sure of the question and comes to another figure."""
    from loresmith.querying.plan import to_sql
    from loresmith.querying.understand import plans

    meant = proof.rows.rows
    if len(meant) != 1 or len(meant[0]) != 1:
        return False
    for plan in plans(question, links, tables.catalog):
        try:
            other = proved(to_sql(plan, tables.catalog), tables)
        except PlanError:
            continue
        if isinstance(other, Proof) and len(other.rows.rows) == 1 and len(other.rows.rows[0]) == 1:
            return not _alike(other.rows.rows[0][0], meant[0][0])
    return False


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-6 * max(1.0, abs(one), abs(other))
    return bool(one == other)


# --- a person's pairs -------------------------------------------------------------------------


def same(taught: str, others: Collection[str], tables: Tables | None) -> bool:
    """Whether a taught query is one of these, but for how they are written."""
    if tables is None:
        return taught in others
    forms = [proved(sql, tables) for sql in others]
    return taught in others or any(isinstance(form, Proof) and form.sql == taught for form in forms)


def settle(example: Example, tables: Tables | None) -> Example | str:
    """A pair as a row of the tables as they are, or why it cannot be one."""
    if tables is None:
        return "no table: nothing that can be queried has been synchronised"
    narrowed = _among(example.beside, tables)
    if isinstance(narrowed, str):
        return narrowed
    proof = proved(example.answer, narrowed)
    if isinstance(proof, str):
        return f"query: {proof}"
    labels = tuple({label for name in proof.checked.tables for label in _table(name, tables).labels})
    # What a reader of just these tables sees, so that the prompt shows no more.
    seen = Tables(tables.path, narrowed.catalog.visible(labels), tables.store)
    row = _row(example.question, _links(example.question, seen), proof, seen, example.language)
    if row is None:
        return (
            f"query: nothing in the question leads to {', '.join(proof.checked.tables)}, so the short prompt "
            "of a model with an adapter does not show all that is read: name a column or a value"
        )
    return replace(
        row,
        origin=example.origin,
        fact=example.fact or row.fact,
        labels=tuple(sorted({*row.labels, *example.labels})),
    )


def _among(names: Sequence[str], tables: Tables) -> Tables | str:
    """The tables that a pair names, by table, document or database."""
    if not names:
        return tables
    wanted = {name.casefold() for name in names}

    def called(table: Table) -> set[str]:
        document = table.document.casefold()
        stem = document.rpartition("/")[2].partition(".")[0]
        return {table.sql.casefold(), table.name.casefold(), document, stem, document.partition("/")[0]}

    chosen = [t for t in tables.catalog.tables if called(t) & wanted]
    if not chosen:
        known = sorted({name for t in tables.catalog.tables for name in called(t)})
        near = difflib.get_close_matches(sorted(wanted)[0], known, n=1, cutoff=0.5)
        hint = f"; the nearest is {near[0]}" if near else ""
        return f"no table: nothing here is called {', '.join(names)}{hint}"
    return Tables(tables.path, tables.catalog.only(chosen), tables.store)


# --- rows -------------------------------------------------------------------------------------


def _links(question: str, tables: Tables) -> Links:
    from loresmith.querying.linking import link

    return link(question, tables.catalog, tables.store)


def _row(question: str, links: Links, proof: Proof, tables: Tables, language: str) -> Example | None:
    """The request as `querying.ask` puts it to a model with an adapter, and the query; None where the
    request does not show all that the query reads."""
    from loresmith.querying.check import check

    seen = prompt.shown(tables.catalog, links, prompt.TUNED_BUDGET)
    try:
        check(proof.sql, seen)
    except Unsound:
        return None
    asked = prompt.messages(question, seen, links, budget=prompt.TUNED_BUDGET)
    used = [_table(name, tables) for name in proof.checked.tables]
    documents = tuple(dict.fromkeys(t.document for t in used))
    shown = [_table(t.sql, tables) for t in seen.tables]
    key = f"{','.join(sorted(t.document for t in used))}\0{proof.sql}"
    return Example(
        messages=(*asked, {"role": "assistant", "content": proof.sql}),
        kind="query",
        question=question,
        documents=documents,
        beside=tuple(dict.fromkeys(t.document for t in shown if t.document not in documents)),
        value=_value(proof.rows),
        fact=f"query:{hashlib.sha256(key.encode()).hexdigest()[:16]}",
        origin=f"query:{documents[0]}" if documents else "query:",
        labels=tuple(sorted({label for t in (*used, *shown) for label in t.labels})),
        language=language,
    )


def _table(sql: str, tables: Tables) -> Table:
    table = tables.catalog.table(sql)
    if table is None:
        raise StorageError(f"The table {sql} is gone.", "Run `loresmith sync`.")
    return table


def _value(rows: Rows) -> str:
    """The one value of the result, "" where there are more."""
    if len(rows.rows) != 1 or len(rows.rows[0]) != 1:
        return ""
    cell = rows.rows[0][0]
    text = f"{cell:.10g}" if isinstance(cell, float) else str(cell)
    return text if len(text) <= _VALUE else ""
