"""How a subject and an attribute are said inside a question: articles, gender, small letters."""

# ruff: noqa: E501  (patterns are easier to read on one line)

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from loresmith.answering import facts as checked
from loresmith.dataset.facts import Fact, Known, codes_of, lowered
from loresmith.dataset.facts_tables import CROSS, PERIOD

_PRODUCTS = re.compile(
    r"^(?:model|product|type|pump|machine|device|unit|size|variant|article|equipment|vehicle|aircraft|tool|system)s?$",
    re.I,
)
_PARTS = re.compile(r"^(?:part|component|item|article|tool|bolt|material|spare part|fluid|check)s?$", re.I)
_GENERIC = re.compile(
    r"^(?:name|item|no|nr|number|id|description|designation|entry|key|title|label|topic|subject|value|what|check)\.?$",
    re.I,
)
_SMALL_CLASS = re.compile(r"^[^\W\d_]+(?:[ -][^\W\d_]+){0,2}$")
_ODD = re.compile(
    r"\b\w{3,}ed$|\b(?:from|to|until|since|by|at|in|on|for|per)$|^(?:present|absent|anwesend|abwesend)$|^(?:since|from|to|until|by|per|at|in|on|for|with|without|valid|due|after|before|includes?|covers?|yes|no"
    r"|seit|ab|bis|von|für|nach|bei|gültig|desde|hasta|depuis|jusqu|dal|fino)\b|\?|^\W*\d+\W*$|\b(?:is|are|was|ist|sind)\b",
    re.I,
)
_QUOTES = {"de": "„{}“", "es": "«{}»", "fr": "« {} »", "it": "«{}»", "nl": "‘{}’"}

_GERMAN = (
    ("die", r"(?:ung|heit|keit|ion|tät|schaft|zahl|zeit|größe|leistung|dauer|stärke|höhe|länge|breite|tiefe|temperatur|nummer"
            r"|menge|frist|gebühr|pauschale|stelle|masse|drehzahl|adresse|garantie|rate|summe|prämie|spannung|frequenz|laufzeit"
            r"|grenze|klasse|art|farbe|ursache|maßnahme|abhilfe|meldung|bedeutung|lagerung|dosis|fläche|kosten)$"),
    ("der", r"(?:preis|druck|wert|betrag|ort|typ|strom|durchmesser|abstand|inhalt|satz|bestand|höchstbestand|zuschlag|rabatt"
            r"|beitrag|termin|name|leiter|hersteller|anschluss|faktor|grund|zustand|umfang|verbrauch|pegel|bereich|stand|raum)$"),
    ("das", r"(?:gewicht|moment|drehmoment|datum|volumen|jahr|intervall|maß|material|modell|produkt|gerät|limit|öl|ziel|alter"
            r"|gehalt|ergebnis|mittel|format)$"),
)  # fmt: skip
_ROMANCE = {
    "es": (
        r"(?:ción|sión|dad|tad|tud|umbre|ez|[^m]a|anza|encia)$",
        r"(?:o|or|aje|[^aeiouóéí]e|ón|ma|al|il|n)$",
    ),
    "it": (r"(?:zione|sione|tà|ezza|anza|enza|a|ice)$", r"(?:o|ore|ale|ile|ma)$"),
    "pt": (r"(?:ção|são|dade|tude|agem|[^m]a|ência)$", r"(?:o|or|ma|al|el|ume)$"),
    "fr": (
        r"(?:tion|sion|té|ure|ée|ance|ence|ie|esse|ette|ade|ude|gueur|geur|teur de|aison)$",
        r"(?:age|ment|isme|oir|al|eau|ix|ût|ds|lai|nom|if|ant|cle|eur|t)$",
    ),
}
_ARTICLES = {
    "es": ({"el": "la", "El": "La"}, {"el": "el", "El": "El"}),
    "it": ({"il": "la", "Il": "La"}, {"il": "il", "Il": "Il"}),
    "pt": ({"o": "a", "O": "A"}, {"o": "o", "O": "O"}),
    "fr": ({"le": "la", "Le": "La", "Quel": "Quelle"}, {"le": "le", "Le": "Le", "Quel": "Quel"}),
}


def fill(form: str, names: Mapping[str, str]) -> str:
    """`form` with its {names} filled in; what is filled in is not looked at again."""
    return re.sub(r"\{([^{}]+)\}", lambda m: names.get(m[1], ""), form)


def attribute_phrase(attribute: str, language: str, known: Known) -> str:
    """An attribute as it stands inside a sentence."""
    bare = attribute.strip(" :*")
    return bare if language in ("de", "zh") else lowered(bare, known)


def quoted(text: str, language: str) -> str:
    return _QUOTES.get(language, "“{}”").format(text)


def subject_phrases(fact: Fact, known: Known) -> list[str]:
    """Ways to say what a fact is about, the plainest first."""
    subject, language = fact.subject.strip(), fact.language
    if fact.kind in ("definition", "procedure", "step"):
        plain = subject if language in ("de", "zh") or fact.kind != "definition" else lowered(subject, known)
        return [plain]
    if not subject:
        topic = fact.topic
        if codes_of(topic) == (topic,):
            return [f"the {topic}", topic] if language == "en" else [topic]
        return [quoted(topic, language)]
    if fact.key == PERIOD:
        spelled = re.search(r"\b(?:months?|weeks?|quarter|year) ended", subject, re.I) is not None
        return [f"the {lowered(subject)}"] if spelled and language == "en" else [subject]
    if fact.key == CROSS:
        row, _, column = subject.rpartition(", ")
        if language in ("de", "zh"):
            return [f"{row}, {column}", f"{column}, {row}"]
        row, column = (
            lowered(t, known) if t.split()[0].casefold() in known.small else t for t in (row, column)
        )
        return [f"{row}, {column}", f"{column}, {row}", f"{row} ({column})"]
    key = lowered(fact.key, known) if language not in ("de", "zh") else fact.key
    usable = bool(_SMALL_CLASS.match(key)) and not _GENERIC.match(key) and not key.endswith("ed")
    if codes_of(subject) == (subject,) or subject[0].isdigit() or len(subject) < 3:
        return _of_code(subject, key if usable else "", language)
    if language != "en":
        long = len(subject.split()) > 5 or "," in subject
        return (
            [quoted(subject, language)]
            if long and language != "zh"
            else [subject, subject, quoted(subject, language)]
        )
    if known.is_name(subject):
        return [subject, subject, f"{key} {subject}"] if usable and len(key.split()) == 1 else [subject]
    if "," in subject or len(subject.split()) > 6:
        return [quoted(subject, language)]
    small = lowered(subject, known)
    if codes_of(subject) or small == subject:
        return [subject, f"the {subject}"] if _PRODUCTS.match(fact.key) else [subject]
    if re.match(r"(?:the|an?|all|every|each|no|other|any|up|over|under|above|below)\b", small):
        return [small]
    if len(small.split()) == 1 and not _PARTS.match(fact.key):
        # "Huber" and "East" may be names, "motor" a line of business: no article.
        ordinary = subject.casefold() in known.small
        return [small, small, quoted(subject, language)] if ordinary else [subject]
    return [f"the {small}", f"the {small}", small, quoted(subject, language)]


def _of_code(subject: str, key: str, language: str) -> list[str]:
    if language != "en":
        return (
            [f"{key} {subject}", subject] if key and language != "zh" and len(key.split()) < 3 else [subject]
        )
    if key and _PRODUCTS.match(key) and subject[0].isalpha():
        return [f"the {subject}", subject, f"{key} {subject}"]
    if key and is_plural(key) and subject[0].isdigit():
        return [f"{subject} {key}"]
    if key:
        return (
            [f"{key} {subject}", f"{key} {subject}", subject]
            if subject[0].isalpha()
            else [f"{key} {subject}"]
        )
    return [subject]


@lru_cache(maxsize=4096)
def is_plural(attribute: str) -> bool:
    """Whether an English attribute is a plural: "Seats", "Operating hours"."""
    head = re.split(r"\s(?:of|in|for|per|with|to|from|at|on)\s|[(,/]", attribute)[0].split()
    if not head:
        return False
    last = head[-1].casefold()
    return (
        len(last) > 3
        and last.endswith("s")
        and not last.endswith(("ss", "us", "is", "ous"))
        and last not in ("status", "address", "gas", "bus", "lens", "always", "sales", "news", "class")
    )


@lru_cache(maxsize=4096)
def is_odd(attribute: str, language: str) -> bool:
    """Whether an attribute is no noun that one could ask for: "Delivered", "Since", "valid until"."""
    if language == "zh":
        return False
    return _ODD.search(attribute) is not None or len(attribute.split()) > 7 or checked.is_code(attribute)


@lru_cache(maxsize=4096)
def _gender(attribute: str, language: str) -> int | None:
    """0 feminine, 1 masculine, 2 neuter; None where the ending does not tell."""
    if language == "de":
        head = re.split(r"\s(?:pro|je|für|von|in|mit|bei|nach|der|des|ab|bis|ohne)\s|[(,/]", attribute)[
            0
        ].split()
        if not head or len(head) > 1 or attribute.endswith(("en", "gen")):
            return None
        for number, (_, endings) in enumerate(_GERMAN):
            if re.search(endings, head[-1], re.I):
                return number if not head[-1].endswith("kosten") else None
        return None
    patterns = _ROMANCE.get(language)
    first = attribute.split()[0].strip(",;:") if attribute.split() else ""
    if (
        patterns is None
        or len(first) < 3
        or (first.endswith("s") and language != "fr")
        or first[:1].casefold() in "aeiouhéèàíìó"
    ):
        return None
    if re.search(patterns[0], first, re.I):
        return 0
    return 1 if re.search(patterns[1], first, re.I) else None


def gender(attribute: str, language: str) -> dict[str, str]:
    """The articles of an attribute as templates name them; {} where its gender is not known."""
    number = _gender(attribute, language)
    if number is None:
        return {}
    if language == "de":
        article, which = (("die", "Welche"), ("der", "Welcher"), ("das", "Welches"))[number]
        return {"der": article, "Der": article.capitalize(), "Welcher": which}
    return _ARTICLES[language][number]
