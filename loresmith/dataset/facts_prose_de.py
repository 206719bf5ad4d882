"""German sentences -> questions that the sentence answers.

    "Der Vertrag läuft drei Jahre."                 -> "Wie lange läuft der Vertrag?"
    "Für Arbeitsrecht gilt eine Wartezeit von drei Monaten." -> "Welche Wartezeit gilt für Arbeitsrecht?"

The finite verb stands second, so what stands before it moves behind it and the asked part goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from loresmith.dataset.facts import Known

_FINITE = frozenset(
    ["ist", "sind", "war", "waren", "wird", "werden", "wurde", "wurden", "muss", "müssen", "darf", "dürfen", "kann", "können", "soll", "sollen", "sollte", "hat", "haben", "beträgt", "betragen", "betrug", "gilt", "gelten", "beginnt", "beginnen", "dauert", "dauern", "kostet", "kosten", "wiegt", "läuft", "laufen", "endet", "enden", "liegt", "liegen", "reicht", "reichen", "erhält", "erhalten", "bekommt", "bekommen", "benötigt", "benötigen", "braucht", "brauchen", "enthält", "enthalten", "umfasst", "umfassen", "besteht", "bestehen", "entfällt", "entfallen", "erfolgt", "erfolgen", "verlängert", "findet", "finden", "steht", "stehen", "schaltet", "öffnet", "schließt", "misst", "fördert", "liefert", "trägt", "tragen", "nimmt", "nehmen", "bleibt", "bleiben", "bietet", "bieten", "zahlt", "zahlen", "übernimmt", "übernehmen", "leitet", "betreut", "prüft", "prüfen", "stieg", "stiegen", "sank", "sanken", "fiel", "fielen", "startet", "erlischt", "braucht", "verlangt", "erfordert", "verwendet", "verwenden", "zeigt", "zeigen", "meldet", "melden", "gehört", "gehören", "kommt", "kommen", "führt", "führen"]
)
_SMALL = (
    "einen|einem|einer|eine|ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig"
)
_FIGURE = rf"(?:[€$]\s?|EUR )?(?:\d[\d.,]*|(?:{_SMALL})(?=\s))(?:(?:\s?[-–]\s?| bis | und )\d[\d.,]*)?"
_MONTH = "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
_DATE = (
    rf"(?:\d{{1,2}}\. ?(?:{_MONTH})(?: \d{{4}})?|(?:{_MONTH})(?: \d{{4}})?|\d{{1,2}}\.\d{{1,2}}\.\d{{2,4}}"
    rf"|(?:19|20)\d\d(?![\d.,])|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tags?|Mittwochs?)"
)
_CLOCK = r"\d{1,2}(?:[:.]\d\d)? Uhr"
_TIME = (
    r"(?:Sekunden?|Minuten?|Stunden?|Betriebsstunden|Tagen?|Tage|Werktagen?|Arbeitstagen?|Wochen?|Monaten?|Monats?|Monate"
    r"|Quartalen?|Jahren?|Jahres?|Jahre|min|s|h)\b"
)
_MONEY = r"(?:Euro|EUR|€|Franken|CHF|Cent)(?!\w)"
_OTHER = (
    r"(?P<temperatur>°\s?C|Grad)|(?P<druck>bar|mbar|kPa|mmHg)\b|(?P<drehmoment>Nm)\b|(?P<drehzahl>1/min|U/min)"
    r"|(?P<prozent>%|Prozent\b)|(?P<menge>Liter|ml|l|kg|g|mg|µg|Gramm|Kilogramm|Tonnen)\b(?!/)|(?P<wert>mm|cm|km|m|Meter|kW|kWh|V|A|Hz|ml/h|m³/h|l/min)(?!\w)"
)
_CHUNK = re.compile(
    r"(?<![\w.,€-])(?:(?P<prep>innerhalb von|binnen|nach|für|alle|bis zu|bis|ab|seit|vor|am|im|um|zum|bei|auf|mit|über|unter|von|"
    r"spätestens nach|spätestens|mindestens|höchstens|maximal|je|pro|in|zwischen)\s)?"
    r"(?:(?:spätestens|mindestens|höchstens|maximal|etwa|rund|ca\.|den|dem|jeweils|weitere[nr]?|nur|bis zu)\s)?"
    rf"(?:(?P<datum>{_DATE}|{_CLOCK})|(?P<figure>{_FIGURE})(?:\s?(?:Million(?:en)?|Mio\.?|Mrd\.?|Tausend))?\s?"
    rf"(?:(?P<zeit>{_TIME})|(?P<geld>{_MONEY})|{_OTHER}|(?P<anzahl>[A-ZÄÖÜ][a-zäöüß]{{3,}}(?:en|e|er|n|s))\b))(?!\w)"
)
_SUBJECT = re.compile(
    r"^(?:(?:der|die|das|ein|eine|jede[rs]?|alle|beide|neue|[A-ZÄÖÜ][\w-]+)\b)(?:(?! (?:und|oder|dass|wenn|weil)\b)[^,;:()]){0,90}$",
    re.IGNORECASE,
)
_FRONTED = re.compile(
    r"^(?:Für|Bei|Im|In|Nach|Ab|Am|Auf|Mit|Vor|Zum|Zur|Während|Pro|Je|An|Unter|Über|Gegen|Ohne)\s[^,;:]{3,70}$"
)
_PRONOUN = re.compile(
    r"^(?:er|sie|es|dies\w*|das|wir|ich|man|sein\w*|ihr\w*|dabei|dazu|davon|dort|hier|dann|danach|diese\w*|jene\w*|solche\w*"
    r"|beide|andernfalls|sonst|außerdem|zudem|auch|der|die)$",
    re.IGNORECASE,
)
_WENN = re.compile(r"^(?P<wort>Wenn|Falls|Sobald)\s(?P<if>[^,;:]{6,110}),\s(?P<main>.+)$")
_PERSON = re.compile(
    r"^(?!(?:Der|Die|Das|Den|Ein|Eine|Jede[rs]?|Alle|Beide|Für|Bei|Im|In|Am) )(?:(?:Herr|Frau|Dr\.|Prof\.) )*[A-ZÄÖÜ][\wäöüß-]+(?: [A-ZÄÖÜ][\wäöüß-]+){1,2}$"
)
_TIMES = {
    "innerhalb von": "Innerhalb welcher Zeit", "binnen": "Innerhalb welcher Zeit", "nach": "Nach welcher Zeit",
    "alle": "Wie oft", "für": "Für wie lange", "": "Wie lange", "bis zu": "Wie lange", "vor": "Wie lange vorher",
    "spätestens nach": "Spätestens nach welcher Zeit", "mindestens": "Wie lange mindestens", "in": "In welcher Zeit",
    "höchstens": "Wie lange höchstens", "maximal": "Wie lange maximal",
}  # fmt: skip
_DATES = {
    "bis": "Bis wann", "ab": "Ab wann", "seit": "Seit wann", "am": "Wann", "im": "Wann", "um": "Um wie viel Uhr",
    "zum": "Zu wann", "in": "Wann", "vor": "Vor wann", "nach": "Nach wann", "spätestens": "Bis wann",
}  # fmt: skip
_NOUNS = {
    "temperatur": "welcher Temperatur", "druck": "welchem Druck", "drehmoment": "welchem Drehmoment",
    "drehzahl": "welcher Drehzahl", "prozent": "wie viel Prozent", "menge": "welcher Menge", "geld": "welchem Betrag",
}  # fmt: skip
_WEAK = frozenset("beträgt betragen betrug ist sind war waren liegt liegen".split())  # noqa: SIM905
_CUT = re.compile(r"[,;:–(]|\s(?:und|oder|sowie|sondern|aber)\s")


def questions(sentence: str, known: Known) -> list[str]:
    """Questions that `sentence` answers, the most exact first; [] where none is certain."""
    text = re.sub(
        r"^(?:[-•*–▪]\s+)?(?:\[.?\]\s+|\(?\d{1,2}[.)]\s+)?", "", re.sub(r"\s+", " ", sentence).strip()
    )
    if not 16 <= len(text) <= 280 or text.endswith(("?", ":")) or text.count("(") != text.count(")"):
        return []
    text = text.rstrip(".!")
    out: list[str] = []
    wenn = _WENN.match(text)
    if wenn is not None and not re.search(r"\b(?:er|sie|es|dies\w*)\b", wenn["if"][:24]):
        out.append(
            _tidy(
                "Was gilt" if "ist" in wenn["main"].split()[:2] else "Was geschieht",
                f", {wenn['wort'].lower()} {wenn['if']}",
            )
        )
        return out
    for part in re.split(r";\s", text)[:2]:
        out += _of_clause(part, known)
    return list(dict.fromkeys(q for q in out if _fine(q)))[:4]


def _of_clause(text: str, known: Known) -> Iterator[str]:
    words = text.split(" ")
    for position in range(1, min(len(words), 12)):
        if words[position] in _FINITE:
            break
    else:
        return
    first, verb, rest = " ".join(words[:position]), words[position], " ".join(words[position + 1 :])
    if (
        (_PRONOUN.match(first.split()[0])
        and len(first.split()) == 1)
        or (_PRONOUN.match(words[0])
        and words[0][0].islower())
    ):
        return
    if words[0] in (
        "Dies",
        "Diese",
        "Dieser",
        "Dieses",
        "Es",
        "Er",
        "Sie",
        "Wir",
        "Ich",
        "Seine",
        "Ihre",
        "Ihr",
        "Sein",
    ):
        return
    cut = re.search(r"; |, (?=wenn|falls|sofern|weil|der|die|das|wobei|so|dass|und|dessen|bei|für)| (?:und|aber|sondern) (?=\w+ (?:ist|sind|wird|muss|kann))", rest)  # fmt: skip
    clause, tail = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    if _FRONTED.match(first) and not _CHUNK.fullmatch(first.split(" ", 1)[-1]):
        yield from _noun(verb, f"{first[0].lower()}{first[1:]}", clause)
        return
    who = re.match(r"(?:der|die|das|ein|eine) [A-ZÄÖÜ]\w+$|Herr |Frau ", clause)
    if words[0] == "Den" and who is not None and len(first.split()) < 4:
        yield _tidy("Wer", f"{verb} den {first[4:]}")
        return
    if not _SUBJECT.match(first) or first.count(" ") > 9:
        return
    subject = _small(first, known)
    condition = re.match(r", (?:wenn|falls|sofern) ", tail)
    yield from _chunks(verb, subject, clause)
    if condition is not None:
        yield _tidy("Unter welcher Bedingung", f"{verb} {subject} {clause}")
    if tail.startswith(", weil "):
        yield _tidy("Warum", f"{verb} {subject} {clause}")
    if _PERSON.match(first) and known.is_name(first):
        yield _tidy("Wer", f"{verb} {clause}")
    agent = re.match(
        r"(?P<vor>(?:\w+ ){0,3})(?:von|durch) (?:der|dem|den|die|einem|einer|Herrn|Frau) [A-ZÄÖÜ]\w+(?: [A-ZÄÖÜ]\w+)? (?P<nach>.*)$",
        clause,
    )
    if agent is not None and verb in ("wird", "werden", "wurde", "wurden", "muss", "müssen", "darf", "kann"):
        yield _tidy("Von wem", f"{verb} {subject} {agent['vor']}{agent['nach']}")
    yield from _noun(verb, subject, clause)
    if verb in (
        "enthält",
        "umfasst",
        "benötigt",
        "braucht",
        "erfordert",
        "verlangt",
        "zeigt",
        "bedeutet",
        "bietet",
    ) and not _CHUNK.match(clause):
        yield _tidy("Was", f"{verb} {subject}")
    place = re.search(r"\b(?:gelagert|aufbewahrt|statt|liegt|steht|befindet sich)\b", f"{verb} {clause}")
    if (
        place is not None
        and re.search(r"\b(?:im|in der|am|an der|auf dem|unter dem|neben)\s[A-ZÄÖÜ]", clause)
        and not _CHUNK.search(clause)
    ):
        end = clause.split(" ")[-1]
        yield _tidy("Wo", f"{verb} {subject} {end if end in ('gelagert', 'aufbewahrt', 'statt') else ''}")
    if (
        verb in ("muss", "müssen", "darf", "dürfen", "kann", "können", "wird", "werden", "ist", "sind")
        and not tail
    ):
        bare = re.sub(r"\b(?:nicht|nie|nur|niemals|stets|immer) ", "", clause)
        if (
            1 < len(bare.split()) <= 9
            and not _CHUNK.search(bare)
            and not _CUT.search(bare)
            and not re.match(r"(?:ein|eine|der|die|das)\b|[A-ZÄÖÜ]", bare)
        ):
            yield _tidy("", f"{verb} {subject} {bare}")


def _chunks(verb: str, subject: str, clause: str) -> Iterator[str]:
    """Questions for the first figures and dates of a clause."""
    for found in list(_CHUNK.finditer(clause))[:2]:
        before, after = clause[: found.start()].strip(), _kept(clause[found.end() :].strip())
        if _CUT.search(before) or re.search(
            r"\b(?:von|mit|je|pro|über|unter|der|die|das|ein|eine|einen|einer|einem)$", before
        ):
            continue
        if any(c.isdigit() for c in before) and found is not None:
            continue
        wh = _wh(found, verb, before)
        if wh == "Wie hoch":
            yield _tidy(
                wh,
                f"{'sind' if verb in ('betragen', 'sind', 'liegen') else 'ist' if verb not in ('war', 'waren', 'betrug') else 'war'} {subject} {before} {after}",
            )
        elif wh:
            yield _tidy(wh, f"{verb} {subject} {before} {after}")


def _wh(found: re.Match[str], verb: str, before: str) -> str:
    prep = (found["prep"] or "").casefold()
    kind = found.lastgroup or ""
    if found["datum"] is not None:
        if prep == "von" or (not prep and verb not in _WEAK):
            return ""
        return _DATES.get(prep, "Wann" if not prep else "")
    if kind == "zeit":
        if not prep and verb in ("beträgt", "betragen"):
            return "Wie hoch"
        return _TIMES.get(prep, "")
    if kind == "anzahl":
        return (
            f"Wie viele {found['anzahl']}"
            if not prep or prep in ("mindestens", "höchstens", "maximal", "bis zu")
            else ""
        )
    if prep in ("", "mindestens", "höchstens", "maximal", "etwa"):
        if verb in _WEAK and len(before.split()) < 4:
            return "Wie hoch"
        return "Wie viel" if kind in ("geld", "menge", "prozent") else ""
    if prep == "auf":
        return "Auf welchen Wert"
    if prep == "bis zu" or prep == "bis":
        return f"Bis zu {_NOUNS[kind]}" if kind in _NOUNS else ""
    if prep in ("bei", "ab", "unter", "mit", "von", "nach") and kind in _NOUNS and prep != "von":
        return f"{prep.capitalize()} {_NOUNS[kind]}"
    return ""


def _noun(verb: str, place: str, clause: str) -> Iterator[str]:
    """ "gilt eine Wartezeit von drei Monaten" -> "Welche Wartezeit gilt …?" """
    found = re.match(
        r"(?P<article>eine|einen|die|den)\s(?P<noun>(?:[a-zäöüß]+(?:e|en)\s)?[A-ZÄÖÜ][\w-]+)\s(?:von|in Höhe von)\s",
        clause,
    )
    if found is not None and _CHUNK.search(clause[found.end() - 4 :]):
        which = "Welche" if found["article"] in ("eine", "die") else "Welchen"
        end = clause.split(" ")[-1]
        verbal = end if end in ("berechnet", "erhoben", "gewährt", "verlangt", "gezahlt", "erhalten") else ""
        yield _tidy(f"{which} {found['noun']}", f"{verb} {place} {verbal}")


def _kept(after: str) -> str:
    cut = _CUT.search(" " + after)
    if cut is not None:
        after = after[: max(cut.start() - 1, 0)]
    return (
        ""
        if _CHUNK.search(after) or len(after.split()) > 8 or re.match(r"(?:der|des|von)\b", after)
        else after
    )


def _small(first: str, known: Known) -> str:
    """The subject inside of a sentence: only articles and the like lose their capital."""
    word = first.split(" ", 1)[0]
    small = word in (
        "Der",
        "Die",
        "Das",
        "Ein",
        "Eine",
        "Jede",
        "Jeder",
        "Jedes",
        "Alle",
        "Beide",
        "Neue",
    ) or (
        len(word) > 3
        and word.lower() in known.small
        and word[1:].islower()
        and word.endswith(("e", "er", "es", "en"))
    )
    return first[0].lower() + first[1:] if small else first


def _tidy(wh: str, rest: str) -> str:
    text = re.sub(r"\s+", " ", f"{wh} {rest}").strip(" ;:.")
    text = re.sub(r"\s+,", ",", text)
    return text[:1].upper() + text[1:] + "?"


def _fine(question: str) -> bool:
    words = question.rstrip("?").split()
    if not 3 <= len(words) <= 28 or question.count("(") != question.count(")"):
        return False
    if re.search(
        r"\b(?:er|es|diese[rsnm]?|dies|seine[rnsm]?|ihre[rnsm]?|ihr|sein|wir|ihm|ihnen|dessen|deren)\b",
        question,
    ):
        return False
    return words[-1] not in (
        "der",
        "die",
        "das",
        "den",
        "dem",
        "ein",
        "eine",
        "einen",
        "von",
        "und",
        "oder",
        "mit",
        "zu",
        "bis",
        "pro",
        "je",
    )
