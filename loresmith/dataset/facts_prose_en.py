"""English sentences -> questions that the sentence answers.

    "The quotation is valid until 31 October 2025."   -> "Until when is the quotation valid?"
    "Orders below 150 euro carry a surcharge of 25 euro." -> "What surcharge do orders below 150 euro carry?"
    "If the pump whistles, open the vent."              -> "What should I do if the pump whistles?"

Subject and verb change places, the part that is asked for goes. Only sentences whose subject and
verb are recognised give a question: none is better than one that nobody would ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from loresmith.dataset.facts import Known, lowered

_AUX = "is are was were must may can should shall will could has have had might cannot".split()  # noqa: SIM905
_VERBS = frozenset(
    ["accept", "add", "affect", "allow", "apply", "approve", "arrive", "assign", "attach", "award", "base", "begin", "belong", "block", "book", "borrow", "bring", "buy", "calculate", "call", "carry", "cause", "change", "charge", "check", "clean", "close", "collect", "combine", "come", "complete", "comprise", "confirm", "connect", "consist", "contain", "continue", "control", "convert", "coordinate", "correspond", "cost", "cover", "create", "cut", "decide", "deliver", "demand", "depend", "describe", "detect", "determine", "display", "divide", "drive", "earn", "employ", "enable", "end", "ensure", "enter", "exceed", "exclude", "expect", "expire", "explain", "extend", "fall", "feed", "fill", "find", "fit", "flow", "follow", "form", "fund", "get", "give", "go", "grow", "guarantee", "handle", "happen", "heat", "help", "hold", "include", "increase", "indicate", "inform", "inspect", "install", "keep", "last", "lead", "leave", "lie", "limit", "list", "live", "lock", "look", "lose", "maintain", "make", "manage", "manufacture", "mark", "mean", "measure", "meet", "mix", "monitor", "move", "need", "notify", "number", "occur", "offer", "open", "operate", "order", "own", "pay", "perform", "permit", "place", "plan", "prevent", "process", "produce", "prohibit", "protect", "provide", "publish", "pump", "purchase", "range", "reach", "receive", "recommend", "record", "reduce", "refer", "regulate", "reject", "release", "rely", "remain", "remove", "rent", "repair", "replace", "reply", "report", "represent", "request", "require", "reset", "resist", "rest", "result", "retain", "return", "rise", "rotate", "run", "save", "saw", "sell", "send", "serve", "set", "share", "ship", "show", "shut", "sign", "sit", "speak", "specify", "stand", "start", "stay", "stop", "store", "submit", "suffer", "suit", "supply", "support", "switch", "take", "teach", "tell", "terminate", "test", "trade", "train", "transfer", "travel", "treat", "turn", "use", "vary", "verify", "visit", "wait", "warn", "wash", "weigh", "withstand", "work", "write"]
)
_NOUNISH = frozenset(
    ["limits", "reports", "tests", "charges", "orders", "needs", "changes", "starts", "stops", "contacts", "ends", "works", "runs", "shows", "ranges", "offers", "measures", "displays", "costs", "covers", "uses", "lists", "records", "calls", "cuts", "falls", "fits", "forms", "heats", "leads", "locks", "looks", "marks", "numbers", "plans", "places", "processes", "results", "rests", "shares", "supplies", "supports", "switches", "trains", "transfers", "visits", "turns", "books", "checks", "controls", "demands", "feeds", "fills", "flows", "holds", "increases", "moves", "mixes", "repairs", "requests", "returns", "rents", "ships", "signs", "stores", "travels", "works", "cover", "cost", "use", "test", "report", "limit", "order", "change", "charge", "plan", "place", "process", "result", "rest", "share", "supply", "support", "switch", "train", "transfer", "visit", "turn", "book", "check", "control", "demand", "feed", "flow", "increase", "move", "request", "return", "rent", "sign", "store", "travel", "work", "record", "release", "number", "contact", "need", "range", "offer", "measure", "display"]
)
_IRREGULAR = {
    "began": "begin", "bought": "buy", "brought": "bring", "came": "come", "fell": "fall", "found": "find",
    "gave": "give", "got": "get", "grew": "grow", "held": "hold", "kept": "keep", "led": "lead", "left": "leave",
    "lost": "lose", "made": "make", "met": "meet", "paid": "pay", "rose": "rise", "ran": "run", "sold": "sell",
    "sent": "send", "spoke": "speak", "stood": "stand", "took": "take", "told": "tell", "wrote": "write",
    "went": "go", "became": "become", "lay": "lie", "drove": "drive",
}  # fmt: skip
_SMALL = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty"
)
_FIGURE = (
    rf"(?:[€$£]\s?|EUR |USD |CHF |NOK |GBP |SEK |DKK )?(?:\d[\d.,]*(?:\s\d{{3}})*|(?:{_SMALL})(?=[\s-]))"
)
_TO = r"(?:\s?[-–]\s?|\s(?:to|and|or)\s)"
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAYS = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_DATE = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)? (?:{_MONTH})(?: \d{{4}})?|(?:{_MONTH})(?: \d{{1,2}},?)?(?: \d{{4}})?"
    rf"|\d{{4}}-\d\d-\d\d|(?:19|20)\d\d(?![\d.,]*\s?[^\s\d.,;)]{{0,3}}\d)|{_DAYS}|(?:fiscal|the year) \d{{4}}|week \d+"
    rf"|the end of (?:the )?\w+(?: \d{{4}})?)"
)
_CLOCK = r"\d{1,2}(?:[:.]\d\d)?\s?(?:a\.?m\.?|p\.?m\.?|o'clock|h(?=\s|$|,))|\d{1,2}:\d\d"
_DIMENSIONS = (
    ("time", r"(?:(?:working|business|calendar|consecutive|operating|full|more|further) )?"
             r"(?:milli)?(?:seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|s|min|h)\b"),
    ("money", r"(?:euros?|EUR|€|dollars?|USD|pounds?|GBP|CHF|NOK|SEK|DKK|francs?|kroner|cents?)(?!\w)"),
    ("percentage", r"(?:%|per ?cent\b|percentage points?)"),
    ("temperature", r"(?:°\s?[CF]\b|degrees\b)"),
    ("pressure", r"(?:bar|mbar|kPa|MPa|Pa|psi|mmHg|hPa)\b"),
    ("torque", r"(?:Nm|N·m)\b"),
    ("speed", r"(?:rpm|1/min|km/h|m/s|mm/s|kn|knots)\b"),
    ("distance", r"(?:millimet(?:re|er)s?|centimet(?:re|er)s?|kilomet(?:re|er)s?|met(?:re|er)s?|mm|cm|km|m|feet|nm)\b(?!/)"),
    ("weight", r"(?:kilograms?|kg|grams?|g|tonnes?|tons?|t|mg|µg)\b(?!/)"),
    ("amount", r"(?:lit(?:re|er)s?|ml|l|m³|mg/l|µg/l|ml/h|m³/h|l/min|l/h)(?!\w)"),
    ("voltage", r"(?:kV|V|volts?)\b"),
    ("current", r"(?:mA|A|amps?|amperes?)\b"),
    ("power", r"(?:kW|MW|W|kVA|kWh|MWh|GWh)\b"),
    ("frequency", r"(?:Hz|kHz|MHz)\b"),
)  # fmt: skip
_NAMED = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _DIMENSIONS)
_ABOUT = (
    r"(?:(?:about|approximately|around|roughly|at least|at most|up to|no more than|not more than|a maximum of|"
    r"a minimum of|more than|less than|only|over|under|nearly|almost|exactly)\s)?"
)
_PREPOSITION = (
    r"(?:(?P<prep>for(?: up to)?|within|after|before|until|till|by|every|from|since|up to|at|to|above|below|over|under|"
    r"between|with|in|on|per|of|during|beyond|exceeding|than|as of|with effect from|no later than|not later than)\s)?"
)
_CHUNK = re.compile(
    rf"(?<![\w.,€$£-]){_PREPOSITION}(?P<about>{_ABOUT})"
    rf"(?:(?P<date>(?:{_DATE}|{_CLOCK})(?:{_TO}(?:{_DATE}|{_CLOCK}))?)"
    rf"|(?P<figure>{_FIGURE}(?:{_TO}{_FIGURE})?)(?:\s?(?:million|thousand|billion)\b)?[\s-]?(?:{_NAMED}|(?P<count>[a-z][a-z-]{{3,}}(?: [a-z-]{{4,}})??s)\b)?)"
    rf"(?![\w])"
)
_LEAD = re.compile(
    r"^(?P<lead>(?:If|When|In|On|At|For|After|Before|Within|During|From|Since|Until|Under|With|Without|Once|As soon as"
    r"|Away from|Outside|Above|Below|Between|As long as|While|Unless|Where)\s[^,;:]{3,110}),\s(?P<main>.+)$"
)
_BAD_SUBJECT = re.compile(
    r"^(?:it|they|this|these|those|that|he|she|there|here|we|you|i|its|their|his|her|such|both|which|what|who|how|why"
    r"|when|where|and|but|or|so|then|also|if|in|on|at|for|after|before|to|as|by|with|note|please|see|yes|no|not|never"
    r"|our|your|my|another|others?|otherwise|however|therefore|thus|hence|because|although|while|until|since|once"
    r"|unless|during|from|under|above|below|between|within|without|the (?:former|latter|following|same|above|other)|let|do|does|only)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"^(?:(?:Mr|Mrs|Ms|Dr|Prof)\.? )?(?:[A-ZÀ-Ý][\w'’-]+)(?: (?:van |von |de |di |la )?[A-ZÀ-Ý][\w'’-]+){1,2}$"
)
_IMPERATIVE = re.compile(r"^(?:Always |Never |Do not |Please )?(?P<verb>[A-Z]?[a-z]+)\b")
_OBJECT_VERBS = frozenset(
    ["cover", "contain", "include", "require", "mean", "comprise", "show", "display", "provide", "offer", "exclude", "cause", "indicate", "ensure", "prevent", "measure", "control", "protect", "record", "need", "represent", "produce", "recommend", "demand", "supply"]
)
_BREAK = re.compile(
    r"[,;:–—(]|\s(?:and|or|but|which|who|that|so that|because|unless|provided|while|where|as|in order)\s"
)
_TIMED = frozenset(["last", "take", "run", "stay", "remain", "continue", "keep", "wait", "be", "extend", "live", "work"])


@dataclass(frozen=True, slots=True)
class _Clause:
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
        return _tidy(" ".join(p.strip() for p in parts if p.strip()))


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
            out += _of_chunks(imperative)
        elif (clause := _clause(part, known)) is not None:
            out += _of_clause(clause, part, known)
    return list(dict.fromkeys(q for q in out if _fine(q)))[:4]


def _clause(text: str, known: Known) -> _Clause | None:
    lead = ""
    found = _LEAD.match(text)
    if found is not None:
        lead, text = lowered(found["lead"], known), found["main"]
        if re.match(r"(?:if|when)\b", lead) and _order(text) is not None:
            return None
    if _BAD_SUBJECT.match(text):
        return None
    words = text.split(" ")
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
        if bare not in _AUX and position + 1 < len(words) and words[position + 1].strip(",;") in _AUX:
            continue  # "preserved pumps can": the noun that looks like a verb
        subject = " ".join(words[:position])
        rest = " ".join(words[position + 1 :])
        if bare in _AUX:
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
        if bare in _NOUNISH and any(w.strip(",;") in _AUX for w in words[position + 1 : position + 7]):
            continue
        return _made(subject, *do_base, rest, lead, known)
    return None


def _made(subject: str, do: str, base: str, rest: str, lead: str, known: Known) -> _Clause | None:
    if len(subject.split()) > 14 or not rest or re.search(r"[;:?!{}|]|\bwh(?:ich|o|at)\b", subject):
        return None
    return _Clause(lowered(subject, known), do, base, _simple(rest), lead, rest)


def _simple(rest: str) -> str:
    """`rest` up to where a second verb or a relative clause begins."""
    for found in re.finditer(
        r",? (?:and|or|but) |, (?=of whom|of which|who|which|whichever|where|so|as|the|at)", rest
    ):
        after = re.findall(r"[\w'-]+", rest[found.end() :])[:7]
        if "," in found.group() and "and" not in found.group() and "or" not in found.group():
            return rest[: found.start()]
        finite = any(w in _AUX for w in after) or any(
            w in _VERBS or _verb(w, plural=False) for w in after[:1]
        )
        if finite or any(_verb(w, plural=False) is not None and w not in _NOUNISH for w in after[1:5]):
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
        (head.endswith("s")
        and not head.endswith(("ss", "us", "is")))
        or head in ("people", "staff", "children")
    )


def _verb(word: str, *, plural: bool) -> tuple[str, str] | None:
    """(auxiliary of the question, base form) of a finite verb of the list."""
    if word in _IRREGULAR and _IRREGULAR[word] not in ("find", "lie"):
        return "did", _IRREGULAR[word]
    if word in _VERBS:
        return ("do", word) if plural else None
    for ending, swap in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending) and word[: -len(ending)] + swap in _VERBS:
            return None if plural else ("does", word[: -len(ending)] + swap)
    for ending, swap in (("ied", "y"), ("ed", ""), ("ed", "e"), ("d", "")):
        if word.endswith(ending) and word[: -len(ending)] + swap in _VERBS:
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


def _order(text: str) -> _Clause | None:
    """An instruction as the clause "you must …"; None for another sentence."""
    found = _IMPERATIVE.match(text)
    if (
        found is None
        or found["verb"].casefold() not in _VERBS | _ORDERS
        or text.startswith(("Never", "Do not"))
    ):
        return None
    rest = text[found.end() :].strip()
    if not re.match(
        r"(?:the|a|an|all|any|each|every|only|your|both|with|off|on|out|in|at|to|up|down|[A-Z0-9])\b", rest
    ):
        return None
    return _Clause("you", "must", found["verb"].lower(), rest)


_ORDERS = frozenset(
    ["tighten", "loosen", "warm", "cool", "drain", "rinse", "press", "pull", "push", "undo", "lift", "lower", "wet", "note", "grease", "lubricate", "refill", "adjust", "select", "insert", "unplug", "plug", "unscrew", "screw", "mount", "dismantle", "disassemble", "assemble", "secure", "wear", "avoid", "isolate", "disconnect", "shake", "dissolve", "inject", "rotate", "attach", "align", "vent", "bleed", "prime", "flush", "wipe", "dry", "dispose", "put", "let", "compare", "enter", "confirm", "tap", "click", "hold", "count", "weigh", "ask"]
)


def _of_clause(clause: _Clause, text: str, known: Known) -> Iterator[str]:
    yield from _of_chunks(clause)
    name = text[: len(clause.subject)]
    if not clause.lead and _PERSON.match(name) and not name.startswith("The ") and known.is_name(name):
        yield _tidy(f"Who {text[len(clause.subject) :].strip()}")
    for marker, wh in (("only if", "Under what condition"), ("because", "Why"), ("due to", "Why")):
        found = re.search(rf"(?:^|,?\s){marker}\s", clause.whole)
        if found is not None and found.start() <= len(clause.rest):
            yield clause.ask(wh, clause.whole[: found.start()])
    by = re.search(r"^(?P<done>(?:not |always |only |be |been )*\w+(?:ed|en|wn|lt|ught|ne|de|ld|ept|ut|id))(?P<more>(?: \w+){0,4})? by "
                   r"(?:the |an? |our |Mr |Mrs |Ms |Dr )[A-Za-z]", clause.rest)  # fmt: skip
    if by is not None and clause.do in ("is", "are", "was", "were", "must", "may", "can", "will", "should"):
        yield clause.ask("By whom", by["done"] + (by["more"] or ""))
    where = re.search(r"\b(?:located|stored|kept|held|situated|place|placed|found|installed|stands?|takes? place)\s(?:in|at|on|under|behind|next to)\s(?:the |a )?[A-Za-z]", clause.rest)  # fmt: skip
    if where is not None and not _CHUNK.search(clause.rest[: where.end() + 12]):
        upto = re.match(r"\w+", clause.rest[where.start() :])
        yield clause.ask("Where", clause.rest[: where.start() + (upto.end() if upto else 0)])
    to = re.search(r"\b(?:reported|sent|submitted|returned|addressed|handed over|delivered)\sto\s(?:the |a |an )?[A-Za-z]", clause.rest)  # fmt: skip
    if to is not None and clause.do in _AUX:
        upto = re.match(r"[\w ]+?(?= to )", clause.rest[to.start() :])
        yield clause.ask("To whom", clause.rest[: to.start() + (upto.end() if upto else 0)])
    if clause.base in _OBJECT_VERBS and re.match(
        r"(?:the|a|an|all|any|only|both|[A-Z\d]|\w+s\b)", clause.rest
    ):
        if not _CHUNK.match(clause.rest):
            yield clause.ask("What", "")
    if clause.do in ("is", "are") and not clause.base and re.match(r"(?:an?|the) [a-z]", clause.rest):
        if (
            not re.match(
                r"(?:an?|the) (?:first|most|best|main|same|result|case|part|way|reason|few|lot|number)\b",
                clause.rest,
            )
            and not clause.lead
        ):
            yield clause.ask("What", "")
    if clause.do in _AUX and not clause.base:
        yield from _polar(clause)


def _polar(clause: _Clause) -> Iterator[str]:
    """ "Bicycles are covered …" -> "Are bicycles covered?" """
    rest = re.sub(r"\b(?:not|never|only|also|always|no longer)\s", "", clause.rest)
    cut = _BREAK.search(rest)
    rest = re.sub(r"\s(?:only|unless|if)\b.*$", "", rest[: cut.start()] if cut else rest).strip()
    if 2 <= len(rest.split()) <= 9 and not re.match(r"an? |the |[A-Z\d]", rest) and not _CHUNK.search(rest):
        yield clause.ask("", rest)


def _of_chunks(clause: _Clause) -> Iterator[str]:
    """Questions for the figures and dates of a clause."""
    asked = 0
    for found in _CHUNK.finditer(clause.rest):
        if found["date"] is None and found.lastgroup in ("figure", "about", "prep"):
            # A bare number is asked for only right behind "is": the rest names something.
            if clause.do not in ("is", "are", "was", "were") or clause.base or found.start() > 0:
                continue
        question = _for_chunk(clause, found)
        if question:
            if not asked or not any(c.isdigit() for c in clause.rest[: found.start()]):
                yield question
            asked += 1
        if asked == 2:
            return


def _for_chunk(clause: _Clause, found: re.Match[str]) -> str:
    before, after = clause.rest[: found.start()].strip(), clause.rest[found.end() :].strip()
    cut = _BREAK.search(" " + before)
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
    cut = _BREAK.search(" " + after)
    if cut is not None:
        after = after[: max(cut.start() - 1, 0)]
    if len(after.split()) > 9 or _CHUNK.search(after):
        return ""
    return (
        after
        if re.match(
            r"(?:in|on|at|for|from|with|without|if|when|per|after|before|by|to|each|against|on|under|above|below|outside|inside|during|long|high|wide|deep|old)\b",
            after,
        )
        else ""
    )


def _of_noun(clause: _Clause, before: str, after: str) -> str:
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


def _wh(found: re.Match[str], preposition: str, clause: _Clause) -> str:
    kind = found.lastgroup or ""
    if found["date"] is not None:
        clock = re.fullmatch(rf"(?:{_CLOCK})(?:{_TO}(?:{_CLOCK}))?", found["date"]) is not None
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
            clause.base in _TIMED or (not clause.base and clause.do not in ("has", "have"))
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
    return f"{preposition[0].upper()}{preposition[1:]} what {dimension}" if dimension in _ALL else ""


_ALL = frozenset({"amount", *(name for name, _ in _DIMENSIONS)})


def _conditions(text: str, known: Known) -> Iterator[str]:
    """What is to be done, or what happens, if something is so."""
    found = re.match(
        r"^(?P<word>If|When|As soon as|Once|In case)\s(?P<if>[^,;:]{6,110}),\s(?:then )?(?P<main>.+)$", text
    )
    if found is not None and not re.search(r"\b(?:it|they|this|these)\b", found["if"][:20].casefold()):
        word = found["word"].lower()
        if _order(found["main"]) is not None or re.match(r"(?:do not|never|please)\b", found["main"]):
            yield _tidy(f"What should I do {word} {found['if']}")
        else:
            yield _tidy(f"What happens {word} {found['if']}")
        return
    tail = re.match(r"^(?P<main>[A-Z].{8,140}?),? (?P<word>if|when|as soon as) (?P<if>[^,;:]{8,110})$", text)
    if tail is not None and _order(tail["main"]) is not None:
        if not re.search(
            r"\b(?:it|they|this|these|necessary|required|possible|needed)\b", tail["if"].casefold()
        ):
            yield _tidy(f"What should I do {tail['word']} {tail['if']}")


def _tidy(question: str) -> str:
    text = re.sub(r"\s+", " ", question).strip(" ,;:.")
    text = re.sub(r"\s+([,;])", r"\1", text)
    return text[:1].upper() + text[1:] + "?"


def _fine(question: str) -> bool:
    """Whether a question stands on its own: no dangling word, nothing it only points at."""
    words = question.rstrip("?").split()
    if not 4 <= len(words) <= 32 or question.count('"') % 2 or question.count("(") != question.count(")"):
        return False
    last = words[-1].casefold()
    dangling = "the a an and or of than from between about only at least most up by not no be more less their its his her this these as that which approximately".split()  # noqa: SIM905,E501
    if last in dangling or re.search(
        r"\b(?:its|their|his|her|this|these|those|it|they|them|he|she)\b", question.casefold()
    ):
        return False
    return not re.search(
        r"\b(?:is|are|was|were|does|do|did|can|must|may) (?:is|are|was|were|does|do|did)\b",
        question.casefold(),
    )
