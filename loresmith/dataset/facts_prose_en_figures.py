"""English clauses -> questions for the figures and dates in them.

"The contract runs for one year."              -> "For how long does the contract run?"
"Orders carry a surcharge of 25 euro."         -> "What surcharge do orders carry?"
"""

# ruff: noqa: E501  (patterns are easier to read on one line)

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from loresmith.dataset.facts_prose_en_words import (
    ALL,
    BREAK,
    CHUNK,
    CLOCK,
    TIMED,
    TO,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """`subject verb rest`; `do` is the auxiliary of its question, `base` the verb then.

    `rest` ends where another clause begins, `whole` does not.
    """

    subject: str
    do: str
    base: str
    rest: str
    lead: str = ""
    whole: str = ""

    def ask(self, wh: str, rest: str) -> str:
        """A question: the wh-phrase, auxiliary, subject, verb, what is left of the rest."""
        parts = (wh, self.do, self.subject, self.base, rest, self.lead)
        return tidy(" ".join(p.strip() for p in parts if p.strip()))


def of_chunks(clause: Clause) -> Iterator[str]:
    """Questions for the figures and dates of a clause."""
    asked = 0
    for found in CHUNK.finditer(clause.rest):
        bare = found["date"] is None and found.lastgroup in ("figure", "about", "prep")
        if bare and (clause.do not in ("is", "are", "was", "were") or clause.base or found.start() > 0):
            continue  # a bare number is asked for only right behind "is": the rest names something
        question = _for_chunk(clause, found)
        if question:
            if not asked or not any(c.isdigit() for c in clause.rest[: found.start()]):
                yield question
            asked += 1
        if asked == 2:
            return


def _for_chunk(clause: Clause, found: re.Match[str]) -> str:
    before, after = clause.rest[: found.start()].strip(), clause.rest[found.end() :].strip()
    cut = BREAK.search(" " + before)
    if cut is not None and len(before.split()) > 3 and not re.search(r"\b(?:and|or)\b", cut.group()):
        return ""
    after = _kept(after)
    preposition = (found["prep"] or "").casefold()
    adjective = re.match(r"(?:long|high|wide|deep|thick|tall|old)\b", after)
    if adjective is not None and not clause.base and not preposition:
        return clause.ask(f"How {adjective.group()}", before)
    behind = clause.rest[found.end() :].strip()
    if (
        found.lastgroup == "time"
        and not preposition
        and (rel := re.match(r"(?:before|after|in advance of)\s(?:the )?[\w-]+", behind))
    ):
        return clause.ask(f"How long {rel.group()}", before)
    rate = re.match(
        r"(?:discount|surcharge|reduction|pay|interest|deposit|off|load|humidity|speed)\b", behind
    )
    if (
        rate is not None
        and found.lastgroup in ("percentage", "money")
        and preposition in ("at", "with", "", "by")
    ):
        return (
            clause.ask(
                f"{preposition.capitalize()} what {rate.group()}".strip().replace(
                    "what off", "what discount"
                ),
                before,
            )
            if preposition
            else ""
        )
    about = found["about"].strip()
    if preposition == "of":
        return _of_noun(clause, before, after)
    wh = _wh(found, preposition, clause)
    if not wh:
        return ""
    if not preposition and wh == "What" and (clause.base or len(before.split()) > 1):
        return ""
    if before.endswith((" than", " from", " to", " between")) or before in ("from", "between"):
        return ""
    if about and before.endswith(" of"):
        return _of_noun(clause, before.removesuffix(" of"), after)
    if re.search(r"\b(?:an?|the|its|their)$", before):
        return ""
    return clause.ask(wh, f"{before} {after}")


def _kept(after: str) -> str:
    """What may stay of the words behind the asked part: one short phrase, no second clause."""
    if re.match(r"(?:of|in advance of)\s", after):
        return ""
    cut = BREAK.search(" " + after)
    if cut is not None:
        after = after[: max(cut.start() - 1, 0)]
    if len(after.split()) > 9 or CHUNK.search(after):
        return ""
    return (
        after
        if re.match(
            r"(?:in|on|at|for|from|with|without|if|when|per|after|before|by|to|each|against|on|under|above|below|outside|inside|during|long|high|wide|deep|old)\b",
            after,
        )
        else ""
    )


def _of_noun(clause: Clause, before: str, after: str) -> str:
    """ "carries a surcharge of 25 euro" -> "What surcharge does … carry?" """
    found = re.search(r"(?:^|\s)(?:an?|the)\s(?P<noun>(?:[a-z-]+\s){0,3}[a-z-]+)$", before)
    if found is None:
        return ""
    noun = found["noun"]
    if noun.split()[-1] in (
        "maximum",
        "minimum",
        "total",
        "number",
        "period",
        "rate",
        "term",
        "end",
        "beginning",
        "distance",
    ):
        noun = noun if len(noun.split()) > 1 or noun in ("rate", "distance", "term") else ""
    left = before[: found.start()].strip()
    moved = re.search(r"(?:^|\s)(after|before|within|with|for|at|by|from|to)$", left)
    if noun and moved is not None:
        return clause.ask(f"{moved[1].capitalize()} what {noun}", f"{left[: moved.start()]} {after}")
    return clause.ask(f"What {noun}", f"{left} {after}") if noun else ""


def _wh(found: re.Match[str], preposition: str, clause: Clause) -> str:
    kind = found.lastgroup or ""
    if found["date"] is not None:
        clock = re.fullmatch(rf"(?:{CLOCK})(?:{TO}(?:{CLOCK}))?", found["date"]) is not None
        named = {"until": "Until when", "till": "Until when", "by": "By when", "since": "Since when", "before": "Before when",
                 "no later than": "By when", "not later than": "By when", "after": "After when"}  # fmt: skip
        if preposition in (
            "of",
            "per",
            "with",
            "above",
            "below",
            "over",
            "under",
            "to",
            "than",
            "exceeding",
            "every",
        ):
            return ""
        if clock and preposition == "at":
            return "At what time"
        if not preposition and not re.match(r"(?:19|20)\d\d$", found["date"]):
            return (
                "When"
                if clause.do in ("is", "are", "was", "were")
                or clause.base in ("open", "begin", "start", "end", "close")
                else ""
            )
        return named.get(preposition, "When") if preposition else ""
    if kind == "time":
        named = {"for": "For how long", "for up to": "For how long", "within": "Within what time", "after": "After what time",
                 "every": "How often", "before": "How long before", "in": "In what time", "over": "For more than how long",
                 "up to": "How long", "": "How long"}  # fmt: skip
        wh = named.get(preposition, "")
        if wh == "How long" and not (
            clause.base in TIMED or (not clause.base and clause.do not in ("has", "have"))
        ):
            unit = re.search(r"[a-z]+$", found["time"])
            plural = unit is not None and unit.group().endswith("s") and len(unit.group()) > 2
            return f"How many {found['time']}" if plural and not preposition else ""
        return wh
    if kind == "count":
        noun = found["count"]
        if noun.split()[0] in ("is", "was", "has", "does", "this", "as", "its"):
            return ""
        head = {"": "How many", "with": "With how many", "for": "For how many", "after": "After how many", "up to": "Up to how many",
                "by": "By how many", "to": "To how many", "from": "From how many", "in": "In how many", "every": "Every how many",
                "at": "At how many", "on": "On how many"}.get(preposition, "")  # fmt: skip
        return f"{head} {noun}" if head else ""
    dimension = {"money": "amount"}.get(kind, kind)
    if not preposition:
        if kind in ("money", "percentage", "weight", "amount", "current", "power") and clause.base:
            return "How much"
        return "What" if not clause.base and clause.do in ("is", "are", "was", "were") else ""
    if preposition in (
        "of",
        "per",
        "than",
        "on",
        "for",
        "during",
        "over",
        "in",
        "as of",
        "for up to",
        "since",
        "until",
        "every",
        "before",
    ):
        return ""
    if preposition == "by" and kind in ("percentage", "money", "amount"):
        return "By how much"
    if preposition in ("with", "to", "from") and kind == "amount":
        return f"{preposition.capitalize()} how much"
    if preposition == "between":
        return f"Between which {dimension}s"
    return f"{preposition[0].upper()}{preposition[1:]} what {dimension}" if dimension in ALL else ""


def tidy(question: str) -> str:
    text = re.sub(r"\s+", " ", question).strip(" ,;:.")
    text = re.sub(r"\s+([,;])", r"\1", text)
    return text[:1].upper() + text[1:] + "?"
