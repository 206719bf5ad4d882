"""English sentences -> questions that the sentence answers.

    "The quotation is valid until 31 October 2025."   -> "Until when is the quotation valid?"
    "Orders below 150 euro carry a surcharge of 25 euro." -> "What surcharge do orders below 150 euro carry?"
    "If the pump whistles, open the vent."              -> "What should I do if the pump whistles?"

Subject and verb change places, the part that is asked for goes. Only sentences whose subject and
verb are recognised give a question: none is better than one that nobody would ask.
"""

# ruff: noqa: E501  (patterns are easier to read on one line)

from __future__ import annotations

import re
from collections.abc import Iterator

from loresmith.dataset.facts import Known, lowered
from loresmith.dataset.facts_prose_en_figures import Clause, of_chunks, tidy
from loresmith.dataset.facts_prose_en_words import (
    AUX,
    BAD_SUBJECT,
    BREAK,
    CHUNK,
    IMPERATIVE,
    IRREGULAR,
    LEAD,
    NO_DEFINITION,
    NOUNISH,
    OBJECT_VERBS,
    ORDERS,
    PERSON,
    VAGUE,
    VERBS,
)


def questions(sentence: str, known: Known) -> list[str]:
    """Questions that `sentence` answers, the most exact first; [] where none is certain.

    Args:
        known: how the document writes its words, to tell names from nouns at a sentence's start.
    """
    text = re.sub(
        r"^(?:[-•*–▪]\s+)?(?:\[.?\]\s+|\(?\d{1,2}[.)]\s+)?", "", re.sub(r"\s+", " ", sentence).strip()
    )
    if not 18 <= len(text) <= 300 or text.endswith(("?", ":")) or text.count("(") != text.count(")"):
        return []
    text = text.rstrip(".!")
    out = list(_conditions(text, known))
    for part in re.split(r";\s", text)[:2]:
        if (imperative := _order(part)) is not None:
            out += of_chunks(imperative)
        elif (clause := _clause(part, known)) is not None:
            out += _of_clause(clause, part, known)
    return list(dict.fromkeys(q for q in out if _fine(q)))[:4]


def _clause(text: str, known: Known) -> Clause | None:
    lead = ""
    found = LEAD.match(text)
    if found is not None:
        lead, text = lowered(found["lead"], known), found["main"]
        if re.match(r"(?:if|when)\b", lead) and _order(text) is not None:
            return None
    words = text.split(" ")
    if BAD_SUBJECT.match(text) or words[0].endswith((",", ":")):
        return None
    for position in range(1, min(len(words), 16)):
        word = words[position]
        bare = word.strip(",;:()")
        if word != bare and word.rstrip(",;:") == bare:
            return None  # a clause mark before the verb: an apposition, a list
        before = words[position - 1].casefold()
        if before in (
            "the",
            "a",
            "an",
            "to",
            "of",
            "for",
            "and",
            "or",
            "with",
            "by",
            "in",
            "that",
            "which",
            "who",
        ):
            continue
        if bare not in AUX and position + 1 < len(words) and words[position + 1].strip(",;") in AUX:
            continue  # "preserved pumps can": the noun that looks like a verb
        subject = " ".join(words[:position])
        rest = " ".join(words[position + 1 :])
        if bare in AUX:
            if bare == "cannot":
                bare = "can"
            if bare in ("has", "have", "had") and not re.match(
                r"(?:\w+ly |not |already )?(?:been|to|\w+ed)\b", rest
            ):
                return _made(
                    subject, {"has": "does", "have": "do", "had": "did"}[bare], "have", rest, lead, known
                )
            return _made(subject, bare, "", rest, lead, known)
        do_base = _verb(bare, plural=_plural(words[:position]))
        if do_base is None or _participle(bare, words[position + 1] if position + 1 < len(words) else ""):
            continue
        if bare in NOUNISH and any(w.strip(",;") in AUX for w in words[position + 1 : position + 7]):
            continue
        return _made(subject, *do_base, rest, lead, known)
    return None


def _made(subject: str, do: str, base: str, rest: str, lead: str, known: Known) -> Clause | None:
    if len(subject.split()) > 14 or not rest or re.search(r"[;:?!{}|]|\bwh(?:ich|o|at)\b", subject):
        return None
    return Clause(lowered(subject, known), do, base, _simple(rest), lead, rest)


def _simple(rest: str) -> str:
    """`rest` up to where a second verb or a relative clause begins."""
    for found in re.finditer(
        r",? (?:and|or|but) |, (?=of whom|of which|who|which|whichever|where|so|as|the|at)", rest
    ):
        after = re.findall(r"[\w'-]+", rest[found.end() :])[:7]
        if "," in found.group() and "and" not in found.group() and "or" not in found.group():
            return rest[: found.start()]
        finite = any(w in AUX for w in after) or any(w in VERBS or _verb(w, plural=False) for w in after[:1])
        if finite or any(_verb(w, plural=False) is not None and w not in NOUNISH for w in after[1:5]):
            return rest[: found.start()]
    return rest


def _plural(words: list[str]) -> bool:
    """Whether a subject is plural: its head, before "of" or a preposition, ends in s."""
    head = words[0]
    for word in words:
        if word in (
            "of",
            "in",
            "for",
            "from",
            "with",
            "on",
            "at",
            "below",
            "above",
            "up",
            "under",
            "over",
            "to",
            "who",
        ):
            break
        head = word
    singular = words[0].casefold() in ("a", "an", "each", "every", "this")
    return not singular and (
        (head.endswith("s") and not head.endswith(("ss", "us", "is")))
        or head in ("people", "staff", "children")
    )


def _verb(word: str, *, plural: bool) -> tuple[str, str] | None:
    """(auxiliary of the question, base form) of a finite verb of the list."""
    if word in IRREGULAR and IRREGULAR[word] not in ("find", "lie"):
        return "did", IRREGULAR[word]
    if word in VERBS:
        return ("do", word) if plural else None
    for ending, swap in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending) and word[: -len(ending)] + swap in VERBS:
            return None if plural else ("does", word[: -len(ending)] + swap)
    for ending, swap in (("ied", "y"), ("ed", ""), ("ed", "e"), ("d", "")):
        if word.endswith(ending) and word[: -len(ending)] + swap in VERBS:
            return "did", word[: -len(ending)] + swap
    return None


def _participle(word: str, following: str) -> bool:
    """ "orders placed before": an -ed that only describes the noun before it."""
    return word.endswith("ed") and following in (
        "before",
        "by",
        "in",
        "on",
        "with",
        "for",
        "at",
        "under",
        "as",
        "during",
    )


def _order(text: str) -> Clause | None:
    """An instruction as the clause "you must …"; None for another sentence."""
    found = IMPERATIVE.match(text)
    if (
        found is None
        or found["verb"].casefold() not in VERBS | ORDERS
        or text.startswith(("Never", "Do not"))
    ):
        return None
    rest = text[found.end() :].strip()
    if not re.match(
        r"(?:the|a|an|all|any|each|every|only|your|both|with|off|on|out|in|at|to|up|down|[A-Z0-9])\b", rest
    ):
        return None
    return Clause("you", "must", found["verb"].lower(), rest)


def _of_clause(clause: Clause, text: str, known: Known) -> Iterator[str]:
    yield from of_chunks(clause)
    name = text[: len(clause.subject)]
    if not clause.lead and PERSON.match(name) and not name.startswith("The ") and known.is_name(name):
        yield tidy(f"Who {text[len(clause.subject) :].strip()}")
    for marker, wh in (("only if", "Under what condition"), ("because", "Why"), ("due to", "Why")):
        found = re.search(rf"(?:^|,?\s){marker}\s", clause.whole)
        if found is not None and found.start() <= len(clause.rest):
            yield clause.ask(wh, clause.whole[: found.start()])
    by = re.search(r"^(?P<done>(?:not |always |only |be |been )*\w+(?:ed|en|wn|lt|ught|ne|de|ld|ept|ut|id))(?P<more>(?: \w+){0,4})? by "
                   r"(?:the |an? |our |Mr |Mrs |Ms |Dr )[A-Za-z]", clause.rest)  # fmt: skip
    if by is not None and clause.do in ("is", "are", "was", "were", "must", "may", "can", "will", "should"):
        yield clause.ask("By whom", by["done"] + (by["more"] or ""))
    where = re.search(r"\b(?:located|stored|kept|held|situated|place|placed|found|installed|stands?|takes? place)\s(?:in|at|on|under|behind|next to)\s(?:the |a )?[A-Za-z]", clause.rest)  # fmt: skip
    if where is not None and not CHUNK.search(clause.rest[: where.end() + 12]):
        upto = re.match(r"\w+", clause.rest[where.start() :])
        yield clause.ask("Where", clause.rest[: where.start() + (upto.end() if upto else 0)])
    to = re.search(r"\b(?:reported|sent|submitted|returned|addressed|handed over|delivered)\sto\s(?:the |a |an )?[A-Za-z]", clause.rest)  # fmt: skip
    if to is not None and clause.do in AUX:
        upto = re.match(r"[\w ]+?(?= to )", clause.rest[to.start() :])
        yield clause.ask("To whom", clause.rest[: to.start() + (upto.end() if upto else 0)])
    if clause.base in OBJECT_VERBS and re.match(
        r"(?:the|a|an|all|any|only|both|[A-Z\d]|\w+s\b)", clause.rest
    ):
        yield from () if CHUNK.match(clause.rest) else (clause.ask("What", ""),)
    defined = re.match(r"(?:an?|the) [a-z]", clause.rest) and not NO_DEFINITION.match(clause.rest)
    if clause.do in ("is", "are") and not clause.base and defined and not clause.lead:
        yield clause.ask("What", "")
    if clause.do in AUX and not clause.base:
        yield from _polar(clause)


def _polar(clause: Clause) -> Iterator[str]:
    """ "Bicycles are covered …" -> "Are bicycles covered?" """
    rest = re.sub(r"\b(?:not|never|only|also|always|no longer)\s", "", clause.rest)
    cut = BREAK.search(rest)
    rest = re.sub(r"\s(?:only|unless|if)\b.*$", "", rest[: cut.start()] if cut else rest).strip()
    if 2 <= len(rest.split()) <= 9 and not re.match(r"an? |the |[A-Z\d]", rest) and not CHUNK.search(rest):
        yield clause.ask("", rest)


def _conditions(text: str, known: Known) -> Iterator[str]:
    """What is to be done, or what happens, if something is so."""
    found = re.match(
        r"^(?P<word>If|When|As soon as|Once|In case)\s(?P<if>[^,;:]{6,110}),\s(?:then )?(?P<main>.+)$", text
    )
    told = found is not None and len(found["if"].split()) >= 3
    if (
        found is not None
        and told
        and not re.search(r"\b(?:it|they|this|these)\b", found["if"][:20].casefold())
    ):
        word = found["word"].lower()
        if _order(found["main"]) is not None or re.match(r"(?:do not|never|please)\b", found["main"]):
            yield tidy(f"What should I do {word} {found['if']}")
        else:
            yield tidy(f"What happens {word} {found['if']}")
        return
    tail = re.match(r"^(?P<main>[A-Z].{8,140}?),? (?P<word>if|when|as soon as) (?P<if>[^,;:]{8,110})$", text)
    if tail is None or _order(tail["main"]) is None or VAGUE.search(tail["if"]):
        return
    yield tidy(f"What should I do {tail['word']} {tail['if']}")


def _fine(question: str) -> bool:
    """Whether a question stands on its own: no dangling word, nothing it only points at."""
    words = question.rstrip("?").split()
    if not 4 <= len(words) <= 32 or question.count('"') % 2 or question.count("(") != question.count(")"):
        return False
    last = words[-1].casefold()
    dangling = "the a an and or of than from between about only at least most up by not no be more less their its his her this these as that which approximately".split()  # noqa: SIM905
    if last in dangling or re.search(
        r"\b(?:its|their|his|her|this|these|those|it|they|them|he|she)\b", question.casefold()
    ):
        return False
    return not re.search(
        r"\b(?:is|are|was|were|does|do|did|can|must|may) (?:is|are|was|were|does|do|did)\b",
        question.casefold(),
    )
