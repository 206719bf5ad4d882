"""The words and patterns of facts_prose_de: German verbs, figures, dates, units, openings.

Data only. A word that is missing here costs a question, never a wrong one.
"""

# ruff: noqa: E501, SIM905

from __future__ import annotations

import re

FINITE = frozenset(
    """
    ist sind war waren wird werden wurde wurden muss müssen darf dürfen kann können soll sollen sollte hat
    haben beträgt betragen betrug gilt gelten beginnt beginnen dauert dauern kostet kosten wiegt läuft
    laufen endet enden liegt liegen reicht reichen erhält erhalten bekommt bekommen benötigt benötigen
    braucht brauchen enthält enthalten umfasst umfassen besteht bestehen entfällt entfallen erfolgt erfolgen
    verlängert findet finden steht stehen schaltet öffnet schließt misst fördert liefert trägt tragen nimmt
    nehmen bleibt bleiben bietet bieten zahlt zahlen übernimmt übernehmen leitet betreut prüft prüfen stieg
    stiegen sank sanken fiel fielen startet erlischt braucht verlangt erfordert verwendet verwenden zeigt
    zeigen meldet melden gehört gehören kommt kommen führt führen
    """.split()
)
SMALL = "einen|einem|einer|eine|ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig"
FIGURE = rf"(?:[€$]\s?|EUR )?(?:\d[\d.,]*|(?:{SMALL})(?=\s))(?:(?:\s?[-–]\s?| bis | und )\d[\d.,]*)?"
MONTH = "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
DATE = (
    rf"(?:\d{{1,2}}\. ?(?:{MONTH})(?: \d{{4}})?|(?:{MONTH})(?: \d{{4}})?|\d{{1,2}}\.\d{{1,2}}\.\d{{2,4}}"
    rf"|(?:19|20)\d\d(?![\d.,])|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tags?|Mittwochs?)"
)
CLOCK = r"\d{1,2}(?:[:.]\d\d)? Uhr"
TIME = (
    r"(?:Sekunden?|Minuten?|Stunden?|Betriebsstunden|Tagen?|Tage|Werktagen?|Arbeitstagen?|Wochen?|Monaten?|Monats?|Monate"
    r"|Quartalen?|Jahren?|Jahres?|Jahre|min|s|h)\b"
)
MONEY = r"(?:Euro|EUR|€|Franken|CHF|Cent)(?!\w)"
OTHER = (
    r"(?P<temperatur>°\s?C|Grad)|(?P<druck>bar|mbar|kPa|mmHg)\b|(?P<drehmoment>Nm)\b|(?P<drehzahl>1/min|U/min)"
    r"|(?P<prozent>%|Prozent\b)|(?P<menge>Liter|ml|l|kg|g|mg|µg|Gramm|Kilogramm|Tonnen)\b(?!/)|(?P<wert>mm|cm|km|m|Meter|kW|kWh|V|A|Hz|ml/h|m³/h|l/min)(?!\w)"
)
CHUNK = re.compile(
    r"(?<![\w.,€-])(?:(?P<prep>innerhalb von|binnen|nach|für|alle|bis zu|bis|ab|seit|vor|am|im|um|zum|bei|auf|mit|über|unter|von|"
    r"spätestens nach|spätestens|mindestens|höchstens|maximal|je|pro|in|zwischen)\s)?"
    r"(?:(?:spätestens|mindestens|höchstens|maximal|etwa|rund|ca\.|den|dem|jeweils|weitere[nr]?|nur|bis zu)\s)?"
    rf"(?:(?P<datum>{DATE}|{CLOCK})|(?P<figure>{FIGURE})(?:\s?(?:Million(?:en)?|Mio\.?|Mrd\.?|Tausend))?\s?"
    rf"(?:(?P<zeit>{TIME})|(?P<geld>{MONEY})|{OTHER}|(?P<anzahl>[A-ZÄÖÜ][a-zäöüß]{{3,}}(?:en|e|er|n|s))\b))(?!\w)"
)
SUBJECT = re.compile(
    r"^(?:(?:der|die|das|ein|eine|jede[rs]?|alle|beide|neue|[A-ZÄÖÜ][\w-]+)\b)(?:(?! (?:und|oder|dass|wenn|weil)\b)[^,;:()]){0,90}$",
    re.IGNORECASE,
)
FRONTED = re.compile(
    r"^(?:Für|Bei|Im|In|Nach|Ab|Am|Auf|Mit|Vor|Zum|Zur|Während|Pro|Je|An|Unter|Über|Gegen|Ohne)\s[^,;:]{3,70}$"
)
PRONOUN = re.compile(
    r"^(?:er|sie|es|dies\w*|das|wir|ich|man|sein\w*|ihr\w*|dabei|dazu|davon|dort|hier|dann|danach|diese\w*|jene\w*|solche\w*"
    r"|beide|andernfalls|sonst|außerdem|zudem|auch|der|die)$",
    re.IGNORECASE,
)
WENN = re.compile(r"^(?P<wort>Wenn|Falls|Sobald)\s(?P<if>[^,;:]{6,110}),\s(?P<main>.+)$")
PERSON = re.compile(
    r"^(?!(?:Der|Die|Das|Den|Ein|Eine|Jede[rs]?|Alle|Beide|Für|Bei|Im|In|Am) )(?:(?:Herr|Frau|Dr\.|Prof\.) )*[A-ZÄÖÜ][\wäöüß-]+(?: [A-ZÄÖÜ][\wäöüß-]+){1,2}$"
)
TIMES = {
    "innerhalb von": "Innerhalb welcher Zeit", "binnen": "Innerhalb welcher Zeit", "nach": "Nach welcher Zeit",
    "alle": "Wie oft", "für": "Für wie lange", "": "Wie lange", "bis zu": "Wie lange", "vor": "Wie lange vorher",
    "spätestens nach": "Spätestens nach welcher Zeit", "mindestens": "Wie lange mindestens", "in": "In welcher Zeit",
    "höchstens": "Wie lange höchstens", "maximal": "Wie lange maximal",
}  # fmt: skip
DATES = {
    "bis": "Bis wann", "ab": "Ab wann", "seit": "Seit wann", "am": "Wann", "im": "Wann", "um": "Um wie viel Uhr",
    "zum": "Zu wann", "in": "Wann", "vor": "Vor wann", "nach": "Nach wann", "spätestens": "Bis wann",
}  # fmt: skip
NOUNS = {
    "temperatur": "welcher Temperatur", "druck": "welchem Druck", "drehmoment": "welchem Drehmoment",
    "drehzahl": "welcher Drehzahl", "prozent": "wie viel Prozent", "menge": "welcher Menge", "geld": "welchem Betrag",
}  # fmt: skip
WEAK = frozenset("beträgt betragen betrug ist sind war waren liegt liegen".split())
CUT = re.compile(r"[,;:–(]|\s(?:und|oder|sowie|sondern|aber)\s")
