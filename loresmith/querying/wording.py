"""The words by which questions about report tables say what they want (en, de, es, it, fr).

Patterns over folded text; operations.py says in which order they count.
"""

from __future__ import annotations

import re

YEAR = r"(?:19|20)\d\d"


def either(*lines: str) -> str:
    """A group of alternatives, given as lines of words divided by "/"."""
    return "(?:" + "|".join(part.strip() for line in lines for part in line.split("/")) + ")"


_MOVE = either(
    r"increase[ds]? / decrease[ds]? / change[ds]? / growth / grow / grew / decline[ds]? / rise / rose",
    r"drop(?:ped)? / difference / fell / fall / veränderung / änderung / cambio / variación / variazione",
    r"variation / zunahme / abnahme / gestiegen / gesunken / stieg / sank / erhöht / verringert",
    r"aumento / disminución / aumentó / disminuyó / aumentato / diminuito / augmenté / diminué",
    r"augmentation",
)
_PERCENT_WORD = either(
    "percent(?:age)? / per cent / % / prozent(?:uale?)? / porcentual / porcentaje / percentuale / pourcentage"
)
_HOW_MUCH = either("how much", "how many", "wie ?viel", "cuánto", "quanto", "combien")

# Reasons, definitions, lists of names: not for arithmetic.
OTHER = re.compile(
    r"^\W*(?:"
    + either(
        r"why / who / whom / whose / where / when / warum / weshalb / wieso / wo / wann / wer",
        r"por qué / dónde / cuándo / quién / perché / dove / quando / chi / pourquoi / où / quand / qui",
        r"how (?:did|does|do|is|are|was|were|has|have|would|will|can|could)\b(?!.*\b(?:much|many)\b)",
        r"what (?:does|do|did|caused|drove|led|kind|types?|method|happened|would|will|can|could)",
        r"what (?:is|was|are|were) (?:the )?(?:definition|meaning|reasons?|purpose|basis|cause|method)",
        r"which (?:method|standard|section|note)",
    )
    + r")\b|\b"
    + either(
        r"consists? of / consist / comprises? of / comprised",
        r"(?:what|which) (?:are|were) (?:the )?components",
        r"components (?:of|considered|making|factored) / factored / (?:is|are|was|were) [^?]{0,60}defined",
        r"mean by / refers? to / explain / explanation / listed / types of / (?:mainly|primarily) due to",
        r"in accordance to / besteht aus / definiert",
    )
    + r"\b"
)
PERCENT = re.compile(
    rf"\b{_PERCENT_WORD}(?: point)?s? (?:of )?{_MOVE}"
    r"|\b(?:variación|variazione|variation|cambio|aumento) (?:porcentual|percentuale|en pourcentage)\b"
    rf"|\b{_MOVE}\b[^?]*\b(?:in|by|as|en|um)\s(?:a )?{_PERCENT_WORD}(?!\w| (?:of|points|von))"
    rf"|\bchange \(%\)|\bwhat {_PERCENT_WORD} (?:did|has|have) [^?]*\b{_MOVE}\b|\bum wie ?viel prozent"
    + "|"
    + either(
        r"growth rate / year[- ]on[- ]year / year[- ]over[- ]year / by (?:what|how many) percent",
        r"wachstumsrate / tasa de crecimiento / tasso di crescita / taux de croissance",
    )
)
CHANGE = re.compile(
    rf"\b(?:{_MOVE}|differenz|unterschied|diferencia|differenza|différence"
    r"|how much (?:more|less|higher|lower))\b"
)
AVERAGE = re.compile(
    r"\b"
    + either(r"average / mean / durchschnitt\w* / mittelwert / promedio / moyenne / la media / in media")
    + r"\b"
)
SUM = re.compile(
    r"\b"
    + either("total / sum / combined / altogether / summe / insgesamt / suma / somma / somme / totale")
    + r"\b"
)
# "the 2019 average free cash flow"
YEAR_AVERAGE = re.compile(rf"{YEAR}(?:'s)? average\b")
BETWEEN = re.compile(
    rf"\b(?:between|from|zwischen|von|entre|tra|de|dal)\b[^?]*?{YEAR}[^?]*?\b(?:and|to|und|bis|y|e|et|a|à|al)\b"
    rf"|{YEAR} ?(?:-|to|through|until|bis) ?(?:fiscal )?{YEAR}"
)
FROM_YEAR = re.compile(rf"\b(?:between|from|zwischen|von|entre|tra)\W+(?:fiscal |the |years? |fy ?)*{YEAR}")
HIGH = re.compile(
    r"\b"
    + either(
        r"largest / highest / higher / larger / greater / greatest / most / maximum / biggest / bigger",
        r"höchsten? / größten? / höher / größer / mayor / más altos? / maggiore / più alt[oa] / plus élevée?",
    )
    + r"\b"
)
LOW = re.compile(
    r"\b"
    + either(
        r"lowest / lower / smallest / smaller / least / minimum / fewest / niedrigsten? / kleinsten?",
        r"niedriger / kleiner / geringsten? / menor / más bajo / minore / più bass[oa]",
        r"plus basse? / plus faible",
    )
    + r"\b"
)
# "the second highest" is another question than the highest.
NTH = re.compile(
    r"\b(?:second|third|fourth|2nd|3rd|zweit\w*|dritt\w*|segund[oa]|second[oa]|deuxième)[ -](?=\w+)"
)
WHICH_YEAR = re.compile(
    r"\b(?:which|what|welche[msrn]?|en qué|qué|quale|quel(?:le)?)\s+(?:of the )?"
    r"(?:fiscal |financial |reporting )?"
    + either(r"years? / periods? / quarters? / fy / jahr(?:en?)? / quartal / años? / ann[oi] / années?")
    + r"\b"
)
WHICH = re.compile(
    r"^(?:in |for |on )?(?:which|what|welche[msrn]?|qué|quale|quel(?:le)?)\s+(?P<noun>(?!is |was |are |were |"
    r"percent|proportion|share |amount)[\w\-’' ]{3,40}?)\s+"
    r"(?:has|have|had|is|was|were|contributed|generated|recorded|reported|made|showed|shows|with|hat|hatte|tiene)\b"
)
_OVER = either(
    r"more than / greater than / higher than / larger than / above / over / exceed(?:s|ed|ing)? / mehr als",
    r"größer als / höher als / über / más de / mayor que / più di / superiore a / plus de / supérieure? à",
)
_UNDER = either(
    r"less than / lower than / smaller than / below / under / fewer than / weniger als / kleiner als / unter",
    r"menos de / menor que / meno di / inferiore a / moins de / inférieure? à",
)
LIMIT = re.compile(
    rf"\b(?:(?P<more>{_OVER})|(?P<less>{_UNDER}))\s*(?:us)?[$€£]?\s?(?P<number>\d(?:[\d.,]*\d)?)\s?"
    r"(?P<scale>%|percent|thousands?|millions?|billions?|k\b|m\b|bn\b|mio|mrd|tsd)?"
)
HOW_MANY = re.compile(r"\b(?:how many|number of|wie viele|cuántos|cuántas|quanti|quante|combien d)\b")
HOW_MANY_YEARS = re.compile(
    r"\b(?:how many|number of|wie viele|cuántos|quanti)\b[^?]{0,20}?"
    r"\b(?:years|periods|quarters|jahre[n]?|años|anni)\b"
)
RESPECTIVE = re.compile(r"\brespective(?:ly)?\b|\bjeweils\b|\brespectiv|\brispettiv")
# "Which years does the table provide information for?"
GIVEN = re.compile(
    r"\b"
    + either(
        r"calculated / recorded / reported / provided? / provides / shown? / shows / presented / computed",
        r"compared / available / the table / given / disclosed / covered / tabulated / included",
        r"information",
    )
    + r"\b"
)
_PART = either("percentage / percent / proportion / share / % / percentage constitution / fraction")
_TO = either("out of / over / relative to / compared to / to / against / in")
SHARES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<a>.+?),? (?:expressed )?as an? (?P<how>{_PART}|ratio) (?:of|to|over) (?P<b>.+)",
        r"\bratio of (?P<a>.+?) to (?P<b>.+)",
        r"\bverhältnis (?:von|der|des) (?P<a>.+?) zu[rm]? (?P<b>.+)",
        # The last "in the total …" is what it is a part of, whatever stands in between.
        rf"\b(?P<how>{_PART}) of (?P<a>.+?),? (?:{_TO}|within|of|among) "
        r"(?P<b>(?:the )?(?:total|overall|entire|whole|[\w’']+ total).+)",
        rf"\b(?P<how>{_PART}) of (?P<a>.+?),? {_TO} (?P<b>.+)",
        rf"\bwhat (?P<how>{_PART}) of (?P<b>.+?) "
        r"(?:is|was|were|are|does|did|do|comes? from|came from|consists? of|consisted of) (?P<a>.+)",
        r"\b(?P<how>anteil) (?:von|der|des) (?P<a>.+?) a[nm] (?:den |der |dem )?(?P<b>.+)",
        r"\b(?P<how>porcentaje|proporción|percentuale|quota|pourcentage|part) "
        r"(?:de los|de las|de la|del|de|dei|delle|della|di|du|des) (?P<a>.+?) "
        r"(?:sobre|en|sui|sulle|sul|sulla|su|dans|par rapport à|sur) (?P<b>.+)",
    )
)
_AND = "(?:and|und|y|e|et)"
TWO = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:difference|unterschied|differenz|diferencia|differenza|différence)\b(?P<of>.*?)"
        rf"\b(?:between|zwischen|entre|tra) (?P<a>.+?) {_AND} (?P<b>.+)",
        r"\bhow much (?:more|higher|larger|greater) (?:is|was|were|are) (?P<a>.+?) "
        r"(?:than|as compared to|compared to|over) (?P<b>.+)",
        r"\bhow much (?:more|higher|larger|greater) (?P<of>.{3,60}?) "
        r"(?:came|comes|come|was|were|is|are) (?:from|in) (?P<a>.+?) "
        r"(?:than|as compared to|compared to|over) (?:from |in )?(?P<b>.+)",
    )
)
SUM_OF = re.compile(
    r"\b(?:sum|total|summe|suma|somma|somme) (?:amount |value )?(?:of|von|de|di|für) "
    rf"(?P<a>.+?) (?:plus|{_AND}) (?P<b>.+)"
)
PERCENT_KINDS = (
    "percentage", "percent", "%", "share", "anteil", "porcentaje", "percentuale", "quota", "pourcentage",
    "part",
)  # fmt: skip
