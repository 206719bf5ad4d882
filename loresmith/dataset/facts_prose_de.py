"""German sentences -> questions that the sentence answers.

    "Der Vertrag läuft drei Jahre."                 -> "Wie lange läuft der Vertrag?"
    "Für Arbeitsrecht gilt eine Wartezeit von drei Monaten." -> "Welche Wartezeit gilt für Arbeitsrecht?"

The finite verb stands second, so what stands before it moves behind it and the asked part goes.
"""

# ruff: noqa: E501  (patterns are easier to read on one line)

from __future__ import annotations

import re
from collections.abc import Iterator

from loresmith.dataset.facts import Known
from loresmith.dataset.facts_prose_de_words import (
    CHUNK,
    CUT,
    DATES,
    FINITE,
    FRONTED,
    NOUNS,
    PERSON,
    PRONOUN,
    SUBJECT,
    TIMES,
    WEAK,
    WENN,
)


def questions(sentence: str, known: Known) -> list[str]:
    """Questions that `sentence` answers, the most exact first; [] where none is certain."""
    text = re.sub(
        r"^(?:[-•*–▪]\s+)?(?:\[.?\]\s+|\(?\d{1,2}[.)]\s+)?", "", re.sub(r"\s+", " ", sentence).strip()
    )
    if not 16 <= len(text) <= 280 or text.endswith(("?", ":")) or text.count("(") != text.count(")"):
        return []
    text = text.rstrip(".!")
    out: list[str] = []
    wenn = WENN.match(text)
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
        if words[position] in FINITE:
            break
    else:
        return
    first, verb, rest = " ".join(words[:position]), words[position], " ".join(words[position + 1 :])
    if (PRONOUN.match(first.split()[0]) and len(first.split()) == 1) or (
        PRONOUN.match(words[0]) and words[0][0].islower()
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
    if FRONTED.match(first) and not CHUNK.fullmatch(first.split(" ", 1)[-1]):
        yield from _noun(verb, f"{first[0].lower()}{first[1:]}", clause)
        return
    who = re.match(r"(?:der|die|das|ein|eine) [A-ZÄÖÜ]\w+$|Herr |Frau ", clause)
    if words[0] == "Den" and who is not None and len(first.split()) < 4:
        yield _tidy("Wer", f"{verb} den {first[4:]}")
        return
    if not SUBJECT.match(first) or first.count(" ") > 9:
        return
    subject = _small(first, known)
    condition = re.match(r", (?:wenn|falls|sofern) ", tail)
    yield from _chunks(verb, subject, clause)
    if condition is not None:
        yield _tidy("Unter welcher Bedingung", f"{verb} {subject} {clause}")
    if tail.startswith(", weil "):
        yield _tidy("Warum", f"{verb} {subject} {clause}")
    if PERSON.match(first) and known.is_name(first):
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
    ) and not CHUNK.match(clause):
        yield _tidy("Was", f"{verb} {subject}")
    place = re.search(r"\b(?:gelagert|aufbewahrt|statt|liegt|steht|befindet sich)\b", f"{verb} {clause}")
    if (
        place is not None
        and re.search(r"\b(?:im|in der|am|an der|auf dem|unter dem|neben)\s[A-ZÄÖÜ]", clause)
        and not CHUNK.search(clause)
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
            and not CHUNK.search(bare)
            and not CUT.search(bare)
            and not re.match(r"(?:ein|eine|der|die|das)\b|[A-ZÄÖÜ]", bare)
        ):
            yield _tidy("", f"{verb} {subject} {bare}")


def _chunks(verb: str, subject: str, clause: str) -> Iterator[str]:
    """Questions for the first figures and dates of a clause."""
    for found in list(CHUNK.finditer(clause))[:2]:
        before, after = clause[: found.start()].strip(), _kept(clause[found.end() :].strip())
        if CUT.search(before) or re.search(
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
        if prep == "von" or (not prep and verb not in WEAK):
            return ""
        return DATES.get(prep, "Wann" if not prep else "")
    if kind == "zeit":
        if not prep and verb in ("beträgt", "betragen"):
            return "Wie hoch"
        return TIMES.get(prep, "")
    if kind == "anzahl":
        return (
            f"Wie viele {found['anzahl']}"
            if not prep or prep in ("mindestens", "höchstens", "maximal", "bis zu")
            else ""
        )
    if prep in ("", "mindestens", "höchstens", "maximal", "etwa"):
        if verb in WEAK and len(before.split()) < 4:
            return "Wie hoch"
        return "Wie viel" if kind in ("geld", "menge", "prozent") else ""
    if prep == "auf":
        return "Auf welchen Wert"
    if prep == "bis zu" or prep == "bis":
        return f"Bis zu {NOUNS[kind]}" if kind in NOUNS else ""
    if prep in ("bei", "ab", "unter", "mit", "von", "nach") and kind in NOUNS and prep != "von":
        return f"{prep.capitalize()} {NOUNS[kind]}"
    return ""


def _noun(verb: str, place: str, clause: str) -> Iterator[str]:
    """ "gilt eine Wartezeit von drei Monaten" -> "Welche Wartezeit gilt …?" """
    found = re.match(
        r"(?P<article>eine|einen|die|den)\s(?P<noun>(?:[a-zäöüß]+(?:e|en)\s)?[A-ZÄÖÜ][\w-]+)\s(?:von|in Höhe von)\s",
        clause,
    )
    if found is not None and CHUNK.search(clause[found.end() - 4 :]):
        which = "Welche" if found["article"] in ("eine", "die") else "Welchen"
        end = clause.split(" ")[-1]
        verbal = end if end in ("berechnet", "erhoben", "gewährt", "verlangt", "gezahlt", "erhalten") else ""
        yield _tidy(f"{which} {found['noun']}", f"{verb} {place} {verbal}")


def _kept(after: str) -> str:
    cut = CUT.search(" " + after)
    if cut is not None:
        after = after[: max(cut.start() - 1, 0)]
    return (
        ""
        if CHUNK.search(after) or len(after.split()) > 8 or re.match(r"(?:der|des|von)\b", after)
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
