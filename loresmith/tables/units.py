"""Units in column names and beside numbers: "Torque (Nm)", "Weight in kg", "net_weight_kg", "12,5 %".

A unit stands as it was written; nothing is converted. What is in brackets and no unit ("Price (net)")
stays part of the name.
"""

from __future__ import annotations

import re

_ATOMS = frozenset(
    """
    % ‰ ppm ppb ° °C °F K C F rad deg
    m mm cm dm km µm um nm in inch ft yd mi Zoll
    m2 m² mm² mm2 cm² cm2 km² ha qm sqm ft² sqft m3 m³ cm³ mm³ ccm l L ml hl cl gal Liter litres liters
    g mg kg t to lb lbs oz kt Mt ct Tonnen tonnes tons
    s ms µs ns min h hr hrs d sec secs Std Sek Min wk mo yr a hour hours day days week weeks month months
    year years minute minutes second seconds minuti mesi settimane anni horas minutos semanas meses heures
    jours semaines mois Stunden Tage Wochen Monate Jahre Minuten Sekunden ore giorni
    N kN MN Nm kNm Nmm mNm Pa kPa MPa hPa bar mbar psi atm J kJ MJ W kW MW GW Wh kWh MWh GWh VA kVA MVA
    var kvar V mV kV A mA kA Ah mAh Ω kΩ MΩ Ohm ohm F µF nF pF H mH Hz kHz MHz GHz rpm U/min 1/min
    dB dBA dB(A)
    mol mmol cal kcal lx lm cd Bq Sv mSv S mS µS pH IU HP hp PS kp cSt cP
    B kB KB MB GB TB PB MiB GiB TiB bit Mbit Gbit bps kbps Mbps Gbps px dpi fps
    € $ £ ¥ ₹ CHF EUR USD GBP JPY CNY SEK NOK DKK PLN CZK HUF INR AUD CAD BRL RMB
    pcs pc pieces Stk Stück Stück. St. Stk. ea units unit pz pz. uds
    t€ T€ k€ k$ kEUR TEUR mEUR M€ m€ Mio Mio. Mrd Mrd. Tsd Tsd. million millions billion billions thousand
    thousands bn mn
    """.split()  # noqa: SIM905
)
_FOLDED = {atom.casefold() for atom in _ATOMS if len(atom) > 2}
_SCALES = re.compile(
    r"^(?:in\s+)?(?:(?P<scale>k|T|m|Mio\.?|Mrd\.?|Tsd\.?|millions?|billions?|thousands?|bn|mn)\s*(?:of\s+)?)"
    r"(?P<money>€|\$|£|¥|EUR|USD|GBP|CHF|euros?|dollars?)$",
    re.IGNORECASE,
)
_BRACKETS = re.compile(
    r"^(?P<name>.*\S)\s*[(\[{<](?P<unit>[^()\[\]{}<>]{1,20}(?:\([^()]{1,3}\))?)[)\]}>]\s*$"
)
_IN = re.compile(r"^(?P<name>.*\S)\s+in\s+(?P<unit>\S{1,10}(?:\s\S{1,8})?)$", re.IGNORECASE)
_COMMA = re.compile(r"^(?P<name>.*[^\s,/])\s*(?:,|\s/)\s*(?P<unit>\S{1,10})$")
_BARE = re.compile(r"^(?P<name>.*\w)\s+(?P<unit>\S{1,10})$")
_LETTERS = frozenset("mhgltVWs")
"""Units of one letter that may stand behind a name without brackets: "Depth m", but not "Class A"."""
_WORDS = {
    "hours": "h", "minutes": "min", "seconds": "s", "days": "days", "weeks": "weeks", "months": "months",
    "years": "years", "stunden": "h", "betriebsstunden": "h", "arbeitsstunden": "h", "minuten": "min",
    "sekunden": "s", "tage": "Tage", "wochen": "Wochen", "monate": "Monate", "jahre": "Jahre", "heures": "h",
    "jours": "jours", "horas": "h", "días": "días", "giorni": "giorni", "ore": "h",
}  # fmt: skip
"""Names that say their unit and keep it: "Operating hours"."""
# In the names that programs give: a unit of two letters or more, surely none of the words of the name.
_TAIL = re.compile(
    r"^(?P<name>\w*[a-z0-9])_(?P<unit>kg|mm|cm|km|kwh|kw|mw|mwh|eur|usd|gbp|chf|pct|percent|nm|bar|mbar|psi"
    r"|rpm|celsius|hours|hrs|minutes|mins|seconds|secs|days|weeks|months|years"
    r"|stunden|minuten|tage|wochen|monate|jahre|ore|minuti|giorni|settimane|mesi|anni|horas|minutos|dias|semanas"
    r"|meses|heures|jours|semaines|mois|ml|mb|gb|kb|hz|ms|m2|m3|sqm|sqft|lbs)$",
    re.IGNORECASE,
)
_LASTING = re.compile(
    r"^(?P<name>\w*(?:duration|length|time|labou?r|work|effort|dauer|zeit|arbeit|aufwand|durata|tempo|lavoro"
    r"|duracion|tiempo|trabajo|duree|temps|travail))_(?P<unit>min|h|s)$",
    re.IGNORECASE,
)
_TAILS = {
    "kwh": "kWh", "kw": "kW", "mw": "MW", "mwh": "MWh", "eur": "EUR", "usd": "USD", "gbp": "GBP",
    "chf": "CHF", "pct": "%", "percent": "%", "nm": "Nm", "celsius": "°C", "hours": "h", "hrs": "h",
    "minutes": "min",
    "mins": "min", "seconds": "s", "secs": "s",
    "mb": "MB", "gb": "GB", "kb": "kB", "hz": "Hz", "m2": "m²",
    "m3": "m³", "sqm": "m²", "sqft": "ft²", "lbs": "lb",
}  # fmt: skip


def is_unit(text: str) -> bool:
    """ "Nm", "l/min", "kg·m²", "€/h", "Mio. €", "% p.a."; not "net", "2024", "optional"."""
    text = text.strip()
    if not text or len(text) > 20:
        return False
    if _SCALES.match(text) or _known(text):
        return True
    parts = [part for part in re.split(r"\s*[/·*⋅×]\s*|\s+(?:per|je|pro)\s+|(?<=\w)\s(?=\w)", text) if part]
    if len(parts) > 1:
        return all(_known(part.strip("()")) for part in parts)
    return re.fullmatch(r"%\s*(?:p\.?\s?a\.?|w/w|v/v|rel\.?|r\.\s?h\.|rF)", text) is not None


def _known(text: str) -> bool:
    bare = re.sub(r"(?:\^?-?[1-3]|[²³⁻¹]+)$", "", text) if len(text) > 1 else text
    return text in _ATOMS or bare in _ATOMS or (len(text) > 2 and text.casefold() in _FOLDED)


def split(name: str) -> tuple[str, str]:
    """(name without its unit, unit) of a column name; the unit "" where there is none."""
    text = name.strip()
    for pattern in (_BRACKETS, _IN, _COMMA, _BARE):
        found = pattern.match(text)
        if found and is_unit(found["unit"]) and (pattern is not _BARE or _stands_bare(found["unit"])):
            unit = re.sub(r"^in\s+", "", found["unit"].strip())
            return found["name"].strip(" ,/›").strip(), unit
    words = re.split(r"[\s_›-]+", text.casefold())
    if words[-1] in _WORDS:
        return text, _WORDS[words[-1]]
    if ("_" in text or text.islower()) and (found := _TAIL.match(text) or _LASTING.match(text)):
        unit = found["unit"].lower()
        # The name stays whole: it is the source's own identifier.
        return text, _TAILS.get(unit, unit)
    return text, ""


def _stands_bare(unit: str) -> bool:
    """Whether a unit behind a name needs no brackets: "Price EUR", "Yield m3/h"; not "Sign in"."""
    if len(unit) == 1:
        return unit in _LETTERS or not unit.isalnum()
    return unit.casefold() not in (
        "in",
        "to",
        "ct",
        "no",
        "pc",
        "ea",
        "wk",
        "mo",
        "yr",
        "min",
        "rad",
        *_WORDS,
    )
