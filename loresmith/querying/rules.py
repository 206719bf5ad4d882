"""A document's rule with a table's figures: "which pumps are past the service interval the manual gives?"

    question -> Wanted (what must be looked up, beyond or below)
             -> the rule in the documents, for each subject of the table or for all
             -> the rows that the rule catches, by a query

The rule is looked up as any question is: cited, verified, or not there. A row counts only against the
rule of its own subject (the pump's own model); where a subject has none, its rows are left out and that
is said. Nothing is converted: the rule's unit must be the unit of a column, of one column only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loresmith.answering import facts
from loresmith.answering.text import fold, terms
from loresmith.tables.values import Catalog, Column, Table
from loresmith.types import Answer, Sentence

LookUp = Callable[[str, str], Answer]
"""A question to the documents, all but one: the table whose rows are judged proves no rule."""

# Values of a column that are looked up one by one, and of all columns of a table together.
MOST_SUBJECTS = 40
MOST_LOOKED_UP = 80
_DECIMAL_COMMA = ("de", "fr", "es", "it", "nl", "pt", "ro")

_BEYOND = (
    r"past|beyond|over(?:due)?|above|exceed(?:s|ed|ing)?|more than|longer than|higher than|greater than"
    r"|in excess of|outside(?: of)?|überschreite(?:n|t)|übersteig(?:en|t)|länger als|mehr als|höher als|über"
)
_BELOW = (
    r"below|under|less than|short of|within|shorter than|lower than|not yet (?:past|over|at)"
    r"|unterschreite(?:n|t)|weniger als|kürzer als|niedriger als|unter|innerhalb"
)
_DOCUMENT = (
    r"manuals?|documents?|documentation|data ?sheets?|instructions?|contracts?|standards?|polic(?:y|ies)"
    r"|guidelines?|handbooks?|warrant(?:y|ies)|specifications?|regulations?|manufacturer|maker|supplier"
    r"|handbuch|handbücher|anleitung(?:en)?|betriebsanleitung(?:en)?|datenblatt|datenblätter|vertrag|norm"
    r"|vorschrift(?:en)?|hersteller"
)
_SAYS = (
    r"gives?|says?|states?|allows?|permits?|requires?|prescribes?|specif(?:y|ies)|recommends?|sets?|names?"
    r"|demands?|calls for|nennt|nennen|vorschreibt|vorschreiben|angibt|angeben|erlaubt|erlauben|verlangt"
)
_GIVEN = (
    r"given|stated|specified|recommended|prescribed|allowed|permitted|required|set|named"
    r"|angegebene[nr]?|genannte[nr]?|vorgeschriebene[nr]?|erlaubte[nr]?|empfohlene[nr]?"
)
_LIMIT = (
    r"maximum|minimum|maximal|minimal|permitted|permissible|allowed|allowable|recommended|specified|prescribed"
    r"|required|rated|zulässige[nrs]?|maximale[nrs]?|minimale[nrs]?|empfohlene[nrs]?|vorgeschriebene[nrs]?"
)
_BY_DOCUMENT = (
    r"(?:,? ?(?:that|which|the one|das|den|die|der|welche[sn]?) )?"
    r"(?:in |by |of |from |per |according to |im |in der |vom |laut |nach )?"
    rf"(?:(?:is|are|was|were) )?(?:(?:{_GIVEN}) )?(?:in |by |of )?"
    rf"(?:the |our |its |their |das |dem |die |der |den )?(?:\w+ )?(?:{_DOCUMENT})(?: (?:{_SAYS}))?"
    r"(?: for (?:it|them))?"
)
_ASKED = re.compile(
    rf"\b(?P<way>(?P<beyond>{_BEYOND})|(?P<below>{_BELOW}))\s+"
    r"(?:the |its |their |das |dem |die |der |den |ihr(?:e[nms]?)? |sein(?:e[nms]?)? )?"
    rf"(?P<limit>(?:(?:im|in der|in den|laut|vom) (?:{_DOCUMENT}) )?(?:{_LIMIT}|{_GIVEN}) )?"
    r"(?P<noun>[^\W\d][\w\-/]*(?: [^\W\d][\w\-/]*){0,7}?)"
    rf"(?P<source> ?{_BY_DOCUMENT})?\s*(?:[?.!]|$)",
    re.IGNORECASE,
)
_SOURCE = re.compile(rf"\b(?:im|in der|in den|laut|vom) (?:{_DOCUMENT}) |\b(?:{_GIVEN}) ", re.IGNORECASE)
_QUESTIONS = {
    "": ("What is the {noun}?", "What is the {noun} of the {subject}?"),
    "de": ("Was ist als {noun} angegeben?", "Was ist als {noun} für {subject} angegeben?"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question wants to be looked up. `rest`: the question without it."""

    noun: str
    beyond: bool
    rest: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A figure that the documents give, for rows whose `subject` is this ("": for all of them)."""

    subject: str
    value: float
    unit: str
    sentence: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The query that applies the rules.

    without: subjects for which the documents give no rule, or none that can be told.
    """

    sql: str
    table: Table
    column: Column
    rules: tuple[Rule, ...]
    without: tuple[str, ...] = field(default=())


def wanted(question: str, language: str = "") -> Wanted | None:
    """What must be looked up in the documents; None where the question gives its own figure, or does
    not say that there is a rule."""
    found = _ASKED.search(" ".join(question.split()))
    if found is None or not (found["source"] or found["limit"]):
        return None
    limit = _SOURCE.sub("", found["limit"] or "")
    noun = f"{limit}{found['noun']}".strip()
    if facts.numbers(noun):
        return None
    return Wanted(noun, found["beyond"] is not None, found.string[: found.start()].strip(), language)


def combine(
    asked: Wanted,
    catalog: Catalog,
    ranked: Sequence[str],
    distinct: Callable[[Table, Column], Sequence[str]],
    look_up: LookUp,
) -> Combined | None:
    """The rules and the query; None where no table, no column or no rule fits for sure.

    Args:
        ranked: tables (sql names) that the question may mean, the likeliest first.
        distinct: the different values of a column.
    """
    for name in ranked:
        table = catalog.table(name)
        if table is None or not any(column.numeric and column.unit for column in table.columns):
            continue
        found = _by_subject(asked, table, distinct, look_up) or _for_all(asked, table, look_up)
        if found is not None:
            return found
    return None


def _by_subject(
    asked: Wanted, table: Table, distinct: Callable[[Table, Column], Sequence[str]], look_up: LookUp
) -> Combined | None:
    best: tuple[list[Rule], list[str], Column] | None = None
    left = MOST_LOOKED_UP
    kinds = [c for c in table.columns if c.type == "text" and 1 <= c.distinct <= MOST_SUBJECTS]
    for column in sorted(kinds, key=lambda c: c.distinct):
        if best is not None and len(best[0]) >= len(best[1]):
            break
        # A rule is for a kind of thing; what is named with figures or capitals is one, "open" is none.
        values = [v for v in distinct(table, column) if v and (any(c.isdigit() or c.isupper() for c in v))]
        rules, without = [], []
        left -= len(values)
        if left < 0:
            break
        for value in values:
            rule = _rule(asked, value, table, look_up)
            if rule is None:
                without.append(value)
            else:
                rules.append(rule)
        if rules and (best is None or len(rules) > len(best[0])):
            best = (rules, without, column)
    if best is None:
        return None
    rules, without, subject = best
    measured = _measured(asked, table, rules)
    if measured is None:
        return None
    fitting = [rule for rule in rules if _unit(measured) == rule.unit]
    without += [rule.subject for rule in rules if rule not in fitting]
    op = ">" if asked.beyond else "<"
    where = " OR ".join(
        f"({subject.sql} = {_quoted(rule.subject)} AND {measured.sql} {op} {rule.value:g})"
        for rule in fitting
    )
    return _combined(table, subject, measured, where, fitting, without)


def _for_all(asked: Wanted, table: Table, look_up: LookUp) -> Combined | None:
    rule = _rule(asked, "", table, look_up)
    measured = _measured(asked, table, [rule]) if rule else None
    if rule is None or measured is None:
        return None
    op = ">" if asked.beyond else "<"
    return _combined(table, None, measured, f"{measured.sql} {op} {rule.value:g}", [rule], [])


def _combined(
    table: Table,
    subject: Column | None,
    measured: Column,
    where: str,
    rules: Sequence[Rule],
    without: Sequence[str],
) -> Combined:
    naming = [c for c in table.columns if c.key or c.sql in table.keys][:1] or list(table.columns[:1])
    shown = dict.fromkeys(c.sql for c in (*naming, *([subject] if subject else []), measured))
    sql = f"SELECT {', '.join(shown)} FROM {table.sql} WHERE {where} ORDER BY {measured.sql} DESC"
    return Combined(
        sql=sql, table=table, column=measured, rules=tuple(rules), without=tuple(dict.fromkeys(without))
    )


def _rule(asked: Wanted, subject: str, table: Table, look_up: LookUp) -> Rule | None:
    """The one figure that the documents give for it; None where they give none, or several."""
    plain, of_one = _QUESTIONS.get(asked.language, _QUESTIONS[""])
    question = (of_one if subject else plain).format(noun=asked.noun, subject=subject)
    answer = look_up(question, table.document)
    if answer.abstained or not answer.sentences or not answer.sentences[0].citations:
        return None
    sentence = answer.sentences[0]
    if subject and facts.codes(subject) - facts.codes(_around(sentence, answer)):
        return None
    language = _language(sentence, answer)
    found = {
        (value, number.unit)
        for number in facts.numbers(sentence.text)
        if number.unit and (value := _value(number, language)) is not None
    }
    if len(found) != 1:
        return None
    value, unit = found.pop()
    return Rule(subject, value, unit, sentence)


def _unit(column: Column) -> str:
    """The column's unit in the spelling in which figures of the documents have theirs."""
    return next((n.unit for n in facts.numbers(f"1 {column.unit}")), "")


def _value(number: facts.Number, language: str) -> float | None:
    """The number as its language writes it: "2,000" is two thousand in English and two in German. Where
    nobody knows the language, three zeros are thousands, and anything else is not told."""
    if len(number.values) == 1:
        return next(iter(number.values))
    if language:
        points = "," in number.text and language in _DECIMAL_COMMA
        points = points or ("." in number.text and language not in _DECIMAL_COMMA)
        return min(number.values) if points else max(number.values)
    return max(number.values) if re.search(r"[.,]000\b", number.text) else None


def _language(sentence: Sentence, answer: Answer) -> str:
    cited = {c.passage for c in sentence.citations}
    return next((h.passage.language for h in answer.hits if h.passage.id in cited), "")


def _around(sentence: Sentence, answer: Answer) -> str:
    """A sentence with its quote, and what says what they are about."""
    cited = {c.passage for c in sentence.citations}
    passages = [hit.passage for hit in answer.hits if hit.passage.id in cited]
    about = [text for p in passages for text in (p.title, p.document, " ".join(p.heading), p.text)]
    return " ".join([sentence.text, *(c.quote for c in sentence.citations), *about])


def _measured(asked: Wanted, table: Table, rules: Sequence[Rule]) -> Column | None:
    """The one numeric column in a unit of the rules that the question can mean."""
    units = {rule.unit for rule in rules}
    fitting = [c for c in table.columns if c.numeric and c.unit and _unit(c) in units]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    said = terms(f"{asked.noun} {asked.rest}")
    scored = sorted(((len(terms(c.name) & said), c) for c in fitting), key=lambda s: s[0], reverse=True)
    return scored[0][1] if scored[0][0] > scored[1][0] else None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def said(combined: Combined, language: str = "") -> str:
    """A remark on what has no rule; "" where everything has one."""
    if not combined.without:
        return ""
    names = ", ".join(combined.without[:8]) + (", …" if len(combined.without) > 8 else "")
    if fold(language) == "de":
        return f"Ohne Vorgabe in den Dokumenten und daher nicht berücksichtigt: {names}"
    return f"The documents give no such figure for these, which were left out: {names}"
