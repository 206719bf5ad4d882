"""Fact -> questions in several wordings, and the sentence that answers.

The templates are data, one file a language (languages/*.toml). A fact is asked with its own words,
with everyday words for its attribute ("How heavy is …?"), as a request, in key words, with and
without the document it stands in. Where the fact's subject has namesakes (`Fact.sure` is false),
every wording names the document.

Promises: deterministic for a seed; no two wordings of a fact are the same; an answer holds the
value as the document writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from loresmith.answering.text import fold
from loresmith.dataset.facts import Fact, Known, codes_of, lowered, raised, sentence
from loresmith.dataset.facts_tables import PERIOD
from loresmith.dataset.phrases import attribute_phrase, fill, gender, is_odd, is_plural, subject_phrases
from loresmith.dataset.templates import Everyday, everyday, templates
from loresmith.language import STOP_WORDS

_FIGURE = re.compile(r"^[^\w\d]*(?:[A-Z]{3}\s)?[€$£]?\s?[-+−±]?\d")
_TIME_UNIT = re.compile(
    r"\d\s?(?:s|min|h|sec\w*|minut\w*|hour\w*|day\w*|week\w*|month\w*|year\w*|sekunde\w*|stunde\w*|tag\w*|woche\w*"
    r"|monat\w*|jahr\w*|segundo\w*|hora\w*|d[ií]a\w*|semana\w*|mes(?:es)?|años?|jours?|semaines?|mois|ans?|heures?|ore"
    r"|giorn\w*|settiman\w*|mes[ei]|ann[oi]|uur|dag\w*|we[ek]\w*|maand\w*|ja[ra]\w*|anos?)\b",
    re.I,
)
_DATE = re.compile(
    r"\d{4}-\d\d|\d{1,2}\.\s?\d{1,2}\.|\d{1,2} [A-Za-zä]{3,}|[A-Z][a-z]{2,} \d{1,2}|^(?:19|20)\d\d$"
)
_YEARLY = re.compile(r"^\D*(?:19|20)\d\d$|ended|^Q\d|\bFY\b", re.I)
_ASKING = frozenset(
    [
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "why",
        "how",
        "is",
        "are",
        "was",
        "were",
        "do",
        "does",
        "did",
        "must",
        "may",
        "can",
        "should",
        "could",
        "would",
        "will",
        "has",
        "have",
        "i",
        "you",
        "me",
        "my",
        "it",
        "there",
        "to",
        "of",
        "the",
        "happens",
        "wie",
        "was",
        "wer",
        "wo",
        "wann",
        "warum",
        "welche",
        "welcher",
        "welches",
        "welchen",
        "wird",
        "werden",
        "ist",
        "sind",
        "qué",
        "cuál",
        "cuánto",
        "cuántos",
        "cuántas",
        "cuándo",
        "quel",
        "quelle",
        "que",
        "quale",
        "quanto",
        "hoe",
        "wat",
    ]
)


@dataclass(frozen=True, slots=True)
class Wording:
    """A question and its answer. `placed`: the question names the document or what it is about."""

    question: str
    answer: str
    placed: bool = False


def wordings(fact: Fact, known: Known, rng: Random, most: int, *, placed: float = 0.4) -> list[Wording]:
    """Up to `most` wordings of `fact`, as unlike each other as the templates allow.

    Args:
        known: how the fact's document writes its words.
        placed: share of the questions that name the document, where it may be left out.
    """
    answer = answer_of(fact, known)
    if not answer:
        return []
    out: dict[str, Wording] = {}
    for question, again in _spread(list(_plain(fact, known, rng)), rng, 3 * most):
        named = _names_topic(question, fact)
        if not named and (not fact.sure or rng.random() < placed):
            question, named = _placed(question, fact, rng), True
        elif again or rng.random() < 0.05:
            question = _varied(question, fact, rng)
        question = " ".join(question.split())
        if fold(question) not in out:
            out[fold(question)] = Wording(question, answer, named)
        if len(out) == most:
            break
    return list(out.values())


def answer_of(fact: Fact, known: Known) -> str:
    """The sentence that answers every wording of `fact`."""
    if fact.answer:
        return sentence(raised(fact.answer)) if fact.kind != "procedure" else fact.answer
    words = templates(fact.language)
    names = _fillings(fact, known)
    bare = fact.kind == "field" and not fact.subject and codes_of(fact.topic) != (fact.topic,)
    if fact.kind in ("definition", "reverse") or bare:
        return sentence(raised(fill(words[fact.kind]["answer"], names)))
    cell = words["cell"]
    if fact.key == PERIOD:
        form = cell["answer_period"]
    elif is_odd(fact.attribute, fact.language):
        form = cell["answer_odd"]
    elif fact.language == "en" and is_plural(fact.attribute):
        count = _is_count(fact) and "answer_count" in cell
        form = cell["answer_count"] if count else cell["answer_plural"]
    elif gender(fact.attribute, fact.language) and "answer_gendered" in cell:
        figure = _FIGURE.match(fact.value) is not None
        form = (
            cell["answer_gendered"] if figure else cell.get("answer_gendered_text", cell["answer_gendered"])
        )
    else:
        form = cell["answer_value"]
    return sentence(raised(fill(form, names)))


def _fillings(fact: Fact, known: Known, subject: str = "") -> dict[str, str]:
    subject = subject or subject_phrases(fact, known)[0]
    attribute = attribute_phrase(fact.attribute, fact.language, known)
    return {
        "s": subject,
        "S": raised(subject.strip("“”«»„‘’ ")),
        "a": attribute,
        "A": fact.attribute,
        "v": f"{fact.value} {fact.unit}".strip().rstrip(" ;,"),
        "k": lowered(fact.key, known) if fact.key and fact.key != PERIOD else "entry",
        "t": _topic(fact),
        "b": sentence(fact.attribute) if fact.attribute else "",
        "n": fact.key,
        "verb": lowered(fact.subject, known),
        "in": "on" if re.search(r"\d", fact.subject) and not _YEARLY.search(fact.subject) else "in",
        "was": "were" if is_plural(fact.attribute) else "was",
        **gender(fact.attribute, fact.language),
    }


def _topic(fact: Fact) -> str:
    if codes_of(fact.topic) == (fact.topic,):
        return f"the {fact.topic}" if fact.language == "en" else fact.topic
    return {"de": f"„{fact.topic}“", "en": f"“{fact.topic}”"}.get(fact.language, fact.topic)


def _plain(fact: Fact, known: Known, rng: Random) -> Iterator[Sequence[str]]:
    """Groups of questions, each group of one style; the most exact style first."""
    if fact.asked:
        yield from _said(fact, rng)
        return
    words = templates(fact.language)
    subjects = subject_phrases(fact, known)
    groups: list[Sequence[str]] = []
    if fact.kind == "cell":
        groups = _cell_groups(fact, words)
    elif fact.kind == "reverse":
        groups = [[t for t in words["reverse"]["ask"] if "{k}" not in t or fact.key]]
    elif fact.kind == "definition":
        reverse = words["definition_reverse"]["ask"] if len(fact.value) < 160 and not fact.answer else []
        groups = [words["definition"]["ask"], reverse]
        if fact.answer:
            groups = [words["definition"]["ask"]]
    elif fact.kind == "field":
        field = words["field"]
        if is_odd(fact.attribute, fact.language):
            groups = [field["odd"], field["keyword"]]
        else:
            if not fact.subject and codes_of(fact.topic) != (fact.topic,):
                return (yield from _bare(field, fact, known))
            own = [c.ask for c in _fitting(fact) if fact.subject]
            known_gender = field.get("gendered", []) if gender(fact.attribute, fact.language) else []
            groups = [*own, [*known_gender, *field["ask"]], field["keyword"]]
    elif fact.kind == "procedure":
        groups = _procedure_groups(fact, words)
    elif fact.kind == "step":
        groups = _step_groups(fact, words)
    elif fact.kind == "section":
        yield from _section_groups(fact, words, known)
        return
    for group in groups:
        filled = [fill(t, _fillings(fact, known, _said_as(t, fact, subjects, rng))) for t in group]
        if filled:
            yield [raised(q) if not q[:1].isdigit() else q for q in filled]


def _bare(field: dict[str, Any], fact: Fact, known: Known) -> Iterator[Sequence[str]]:
    """Of a document that is about no product: "What is the charging time?", then in which document."""
    names = _fillings(fact, known)
    yield [raised(fill(t, names)) for t in field["bare"]]
    yield [raised(fill("{a}", names))]


def _said_as(form: str, fact: Fact, subjects: Sequence[str], rng: Random) -> str:
    """The subject for one template: key words take it as it is written, without article."""
    bare = re.sub(r"\{[sa]\}|[\s,:?？¿]", "", form)
    return rng.choice(subjects) if bare or not fact.subject or fact.key == PERIOD else fact.subject


def _cell_groups(fact: Fact, words: dict[str, Any]) -> list[Sequence[str]]:
    cell = words["cell"]
    if fact.key == PERIOD:
        return [cell["period"]]
    if is_odd(fact.attribute, fact.language):
        own = [c.ask for c in _fitting(fact)]
        return [*own, cell["odd"], cell["keyword"]]
    figure = _FIGURE.match(fact.value) is not None
    main = list(cell["value"] if figure else cell["text"])
    if fact.language == "en" and is_plural(fact.attribute):
        main = list(cell["plural"] if _is_count(fact) else cell["list"])
    if gender(fact.attribute, fact.language):
        main = [*(cell.get("gendered_text", cell["gendered"]) if not figure else cell["gendered"]), *main[:1]]
    request = cell["request"] if not is_plural(fact.attribute) or fact.language != "en" else []
    return [*(c.ask for c in _fitting(fact)), main, request, cell["keyword"]]


def _is_count(fact: Fact) -> bool:
    return not fact.unit and re.fullmatch(r"\d[\d.,]*", fact.value) is not None


def _fitting(fact: Fact) -> list[Everyday]:
    """The attribute's everyday questions, where the value is of their kind."""
    out = []
    for form in everyday(fact.language):
        if not form.attribute.search(fact.attribute):
            continue
        value = f"{fact.value} {fact.unit}"
        fits = {
            "": True,
            "figure": _FIGURE.match(fact.value) is not None,
            "time": _TIME_UNIT.search(value) is not None,
            "date": _DATE.search(value) is not None,
            "text": not any(c.isdigit() for c in value) or fact.value[:1].isalpha(),
        }[form.value]
        # "How much does it cost?" would not tell the price with motor from the price without.
        bare = not form.bare or len(fact.attribute.split()) <= 2
        if fits and bare and "(" not in fact.attribute.split(" ", 1)[0]:
            out.append(form)
    return out[:1]


_VERBS = re.compile(
    r"^(?:add|adjust|apply|assemble|attach|book|build|calculate|change|check|choose|clean|close|configure|connect|copy"
    r"|create|define|delete|deploy|disable|download|drain|edit|enable|evaluate|export|fill|fit|get|import|install|insert"
    r"|load|lock|log|make|mount|move|open|order|pay|prepare|print|register|remove|renew|repair|replace|report|request"
    r"|reset|restart|restore|return|run|save|send|set|sign|start|stop|submit|switch|test|unlock|update|upgrade|upload"
    r"|use|verify|write)\b",
    re.I,
)


def _procedure_groups(fact: Fact, words: dict[str, Any]) -> list[Sequence[str]]:
    procedure = words["procedure"]
    if fact.language == "en" and _VERBS.match(fact.subject) and len(fact.subject.split()) > 1:
        return [[t.replace("{s}", "{verb}") for t in procedure["verb"]], procedure["ask"]]
    if fact.language == "en" and re.match(r"^\w+ing\b", fact.subject) and len(fact.subject.split()) > 1:
        return [[t.replace("{s}", "{verb}") for t in procedure["gerund"]], procedure["ask"]]
    return [procedure["ask"]]


def _step_groups(fact: Fact, words: dict[str, Any]) -> list[Sequence[str]]:
    step = words["step"]
    groups: list[Sequence[str]] = []
    if fact.key == "1":
        groups.append(step["first"])
    elif fact.key == "last":
        groups.append(step["last"])
    if fact.attribute:
        groups.append(step["after"])
    if fact.key.isdigit() and int(fact.key) > 1:
        groups.append(step["number"])
    return groups


def _section_groups(fact: Fact, words: dict[str, Any], known: Known) -> Iterator[Sequence[str]]:
    heading = fact.subject
    if heading.endswith(("?", "？")):
        yield [heading]
        return
    wh = re.match(
        r"(?:What|How|When|Where|Who|Why|Which) (?:is|are|do|does|can|must|to|happens|should)\b", heading
    )
    if wh is not None and fact.language == "en":
        yield [f"{heading.replace('How to ', 'How do I ', 1)}?"]
    listed = fact.key == "list"
    names = {"s": lowered(heading, known), "S": heading, "t": _topic(fact)}
    if fact.language == "de":
        names["s"] = heading
    group = words["section"]["list"] if listed else words["section"]["ask"]
    yield [raised(fill(t, names)) for t in group]


def _said(fact: Fact, rng: Random) -> Iterator[Sequence[str]]:
    """The ready questions of a statement, with other words where the language has some, as key words."""
    synonyms = templates(fact.language)["synonyms"]
    for question in fact.asked:
        yield [question]
        other = question
        for word, swap in synonyms.items():
            other = re.sub(rf"\b{re.escape(word)}\b", swap, other, count=1, flags=re.I)
        if other != question:
            yield [raised(other)]
    stop = STOP_WORDS.get(fact.language, frozenset()) | _ASKING
    first = fact.asked[0].rstrip("?？").lstrip("¿")
    content = [w for w in first.split() if fold(w).strip(',;:()“”"') not in stop]
    if 2 <= len(content) <= 9 and fact.language != "zh":
        yield [" ".join(content)]


def _spread(groups: Sequence[Sequence[str]], rng: Random, most: int) -> Iterator[tuple[str, bool]]:
    """Questions from the groups in turn, each group in an order of its own; then the same again."""
    left = [rng.sample(list(g), len(g)) for g in groups if g]
    given: list[str] = []
    while any(left) and len(given) < most:
        for group in left:
            if group:
                given.append(group.pop())
                yield given[-1], False
    for number in range(most - len(given)):  # once more, to be asked in another frame
        if given:
            yield given[number % len(given)], True


def _names_topic(question: str, fact: Fact) -> bool:
    return bool(fact.topic) and fold(fact.topic) in fold(question)


def _placed(question: str, fact: Fact, rng: Random) -> str:
    """`question` with what the document is about."""
    place = templates(fact.language)["place"]
    product = codes_of(fact.topic) == (fact.topic,)
    forms = place["product"] if product else place["title"]
    ends = question.endswith("?") and ":" not in question and len(question.split()) < 16
    asks = question.endswith("?") and question.split(" ", 1)[0].casefold() in _ASKING - {"i"}
    form = rng.choice([f for f in forms if (ends or "{q-}" not in f) and (asks or "{q~}" not in f)])
    small = question[:1].lower() + question[1:]
    names = {"q": question, "q-": question.rstrip("? ？"), "q~": small, "t": fact.topic}
    return raised(fill(form, names))


def _varied(question: str, fact: Fact, rng: Random) -> str:
    """`question` as it would be said to a person."""
    forms = templates(fact.language)["wrap"]["ask"]
    return fill(rng.choice(forms), {"q": question}) if question.endswith(("?", "？")) else question
