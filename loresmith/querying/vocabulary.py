"""The words by which people ask tables, in English, German, Spanish, Italian and French.

`operators` maps phrases to what they ask for; `glue` are words that ask for nothing; everything else in
a question is content, and has to be found in the tables. Phrases are folded (casefolded, no accents, no
punctuation), the longest wins.

Promise: a word that changes what is asked (not, only, or, except) is never glue.
"""

from __future__ import annotations

from functools import lru_cache

from loresmith.querying.operators import BY_LANGUAGE

LANGUAGES = ("en", "de", "es", "it", "fr")

_GLUE = {
    "en": """a an the of in on at to for from as is are was were be been being do does did there this that
        these those it its they them their he she his her i we us you your me my our s so such
        all any some please can could will would shall should may might up out into within
        during while along than then also who which what that whose s re ve t recorded listed
        registered exist exists existing available table tables database data dataset row rows
        record records entry entries file sheet spreadsheet according based following
        corresponding respective respectively given associated done performed made carried
        happened took place spent located situated received serve serves served serving offer
        offers offered offering provide provides provided publish published present presented
        write written wrote belong belongs belonging held get got work works worked feature
        featured include included including live living found called named titled result results
        one ones via through about came comes led leads stored kept own owned dr prof mr mrs ms yet
        already""",
    "de": """gearbeitet arbeitet arbeiten der die das den dem des ein eine einen einem einer eines in im an
        am auf aus bei beim zu zum zur von vom fur um ist sind war waren wird werden wurde
        wurden worden sein es sie er ihr ihre ihrer wir uns ich du mir man da dort dieser diese
        dieses alle aller allen alles gibt gab bitte kann konnen soll als wie so dabei dazu
        davon denn jeweils entsprechenden vorhanden tabelle tabellen datenbank daten datei zeile
        zeilen eintrag eintrage datensatze gemacht durchgefuhrt ausgefuhrt stehen steht stand
        befinden befindet liegen liegt verzeichnet welche dass ob durch es verwalten besitzen
        betreuen herr frau dr prof ging gingen fuhr fuhren gefahren beauftragt""",
    "es": """el la los las un una unos unas de del en a al para con es son fue fueron ha han hay habia hubo
        se su sus lo le les que este esta estos estas todos todas todo toda me nos tabla base
        datos registros fila filas registro ser sido esta estan durante tenemos sr sra dr""",
    "it": """il lo la i gli le un una uno di del della dei delle degli dello dell in nel nella nei nelle a al
        alla ai alle allo agli da dal dalla dai su sul sulla e sono stato stata stati state era
        erano ha hanno ci si suo sua loro questo questa questi queste tutti tutte tutto tutta c ancora gia
        l tabella database dati righe record riga mi durante essere d abbiamo sig signor signora dr""",
    "fr": """le la les l un une des de du d dans en au aux a sur est sont etait etaient ont ete il elle ils
        elles on ce cet cette ces se son sa ses leur leurs nous tous toutes tout toute y t c s
        qu pour chez table base donnees lignes enregistrements moi existe etre
        fut furent pendant avons mme dr""",
}

_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar marz april mai juni juli august september oktober november dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
}
_PERIODS = {
    "en": {
        "year": "year years annual annually yearly",
        "month": "month months monthly",
        "day": "day days daily",
    },
    "de": {"year": "jahr jahre jahren", "month": "monat monate monaten", "day": "tag tage tagen"},
    "es": {"year": "ano anos", "month": "mes meses", "day": "dia dias"},
    "it": {"year": "anno anni", "month": "mese mesi", "day": "giorno giorni"},
    "fr": {"year": "an ans annee annees", "month": "mois", "day": "jour jours"},
}
_NUMBERS = {
    "en": "two three four five six seven eight nine ten eleven twelve",
    "de": "zwei drei vier funf sechs sieben acht neun zehn elf zwolf",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "it": "due tre quattro cinque sei sette otto nove dieci undici dodici",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze",
}

UNITS: dict[str, tuple[str, float, str]] = {}
"""Folded or written form of a unit -> (dimension, factor to the dimension's own unit, the unit)."""
for _unit, _dimension, _factor, _forms in (
    ("h", "time", 3600.0, "hour hours hrs hr stunde stunden hora horas ora ore heure heures std"),
    ("min", "time", 60.0, "minute minutes mins minuten minuto minutos minuti"),
    ("s", "time", 1.0, "second seconds sec sekunde sekunden segundo segundos secondo secondi secondes"),
    ("d", "time", 86400.0, "day days tag tage tagen dia dias giorno giorni jour jours"),
    ("kW", "power", 1000.0, "kilowatt kilowatts"),
    ("W", "power", 1.0, "watt watts"),
    ("MW", "power", 1e6, "megawatt megawatts"),
    ("bar", "pressure", 1.0, "bars"),
    ("mbar", "pressure", 0.001, "millibar"),
    ("Nm", "torque", 1.0, "newtonmetre newtonmeter newtonmeters"),
    ("mm", "length", 0.001, "millimetre millimetres millimeter millimeters"),
    ("cm", "length", 0.01, "centimetre centimetres centimeter centimeters zentimeter"),
    ("m", "length", 1.0, "metre metres meter meters metern metro metros metri"),
    ("km", "length", 1000.0, "kilometre kilometres kilometer kilometers"),
    ("mi", "length", 1609.344, "mile miles meilen"),
    ("g", "mass", 0.001, "gram grams gramm"),
    ("kg", "mass", 1.0, "kilo kilos kilogram kilograms kilogramm"),
    ("t", "mass", 1000.0, "tonne tonnes tonnen"),
    ("l", "volume", 1.0, "litre litres liter liters litern"),
    ("€", "eur", 1.0, "eur euro euros"),
    ("$", "usd", 1.0, "usd dollar dollars"),
    ("£", "gbp", 1.0, "gbp pound pounds"),
    ("CHF", "chf", 1.0, "franken francs"),
    ("%", "percent", 1.0, "percent prozent per cent pct"),
    ("°C", "celsius", 1.0, "celsius"),
    ("°F", "fahrenheit", 1.0, "fahrenheit"),
    ("V", "voltage", 1.0, "volt volts"),
    ("A", "current", 1.0, "ampere amperes amps"),
    ("rpm", "rotation", 1.0, "u/min U/min 1/min"),
    ("mph", "speed", 1.609344, ""),
    ("km/h", "speed", 1.0, "kmh"),
    ("Hz", "frequency", 1.0, "hertz"),
):
    for _form in (_unit, *_forms.split()):
        UNITS[_form] = (_dimension, _factor, _unit)


def unit_of(written: str) -> tuple[str, float, str] | None:
    """(dimension, factor to the dimension's own unit, the unit) of a unit as it is written."""
    return UNITS.get(written) or UNITS.get(written.casefold())


MONEY = frozenset({"eur", "usd", "gbp", "chf"})
DIMENSIONS = {
    "mass": ("weight", "mass", "weigh", "heavy", "gewicht", "masse", "wiegt", "peso", "pesa", "poids"),
    "time": ("duration", "length", "dauer", "duracion", "durata", "duree"),
}
"""Words by which people speak of a column of this dimension, whatever its name."""
OPPOSITES = {
    "failed": "passed", "fail": "passed", "unpaid": "paid", "inactive": "active", "closed": "open",
    "incomplete": "complete", "unfinished": "finished", "unavailable": "available", "unbezahlt": "bezahlt",
    "inaktiv": "aktiv", "geschlossen": "offen",
}  # fmt: skip
"""Words that are said of rows whose column of yes and no, of the other name, says no."""
_PLACES = """location place site city town address base country region warehouse shelf bin room building plant
    station venue ort standort stadt lager lagerort adresse land halle lugar ubicacion ciudad luogo posizione
    citta sede magazzino lieu ville emplacement pays"""
PLACES = frozenset(_PLACES.split())
"""Words of columns that say where."""
_PERSONS = """person employee customer client tenant patient student pupil teacher technician mechanic driver
    owner member contact guest supplier doctor dentist operator author assignee salesperson manager worker
    kunde mieter fahrer techniker mitarbeiter patientin lehrer schuler besitzer eigentumer mitglied monteur
    lieferant mechaniker cliente inquilino paciente paziente empleado tecnico conductor dipendente autista
    insegnante studente fornitore proveedor locataire employe conducteur technicien fournisseur"""
PERSONS = frozenset(_PERSONS.split())
"""Words of columns that say who."""
QUARTERS = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": 4,
    "ersten": 1, "erstes": 1, "zweiten": 2, "zweites": 2, "dritten": 3, "drittes": 3, "vierten": 4,
    "viertes": 4, "primer": 1, "segundo": 2, "tercer": 3, "cuarto": 4, "primo": 1, "secondo": 2, "terzo": 3,
    "quarto": 4, "premier": 1, "deuxieme": 2, "troisieme": 3, "quatrieme": 4,
}  # fmt: skip
SPANS_OF_YEAR = {
    "quarter": 3, "quartal": 3, "trimestre": 3, "half": 6, "halbjahr": 6, "semestre": 6,
}  # fmt: skip
"""Folded word -> its months."""

MAGNITUDES = {
    "hundred": 100, "hundert": 100, "thousand": 1000, "tausend": 1000, "mil": 1000, "mila": 1000,
    "mille": 1000,
    "million": 10**6, "millions": 10**6, "millionen": 10**6, "millones": 10**6, "milioni": 10**6,
    "billion": 10**9, "billions": 10**9, "milliarden": 10**9, "miliardi": 10**9, "milliards": 10**9,
}  # fmt: skip
"""Folded words that a number before them is multiplied by ("billion" as in English)."""

ABBREVIATIONS = {
    "no": "number", "nr": "number", "num": "number", "nbr": "number", "qty": "quantity", "amt": "amount",
    "desc": "description", "descr": "description", "dept": "department", "temp": "temperature",
    "addr": "address", "tel": "telephone", "phone": "telephone", "yr": "year", "max": "maximum",
    "min": "minimum", "avg": "average", "cnt": "count", "cat": "category", "mfr": "manufacturer",
    "org": "organization", "emp": "employee", "cust": "customer", "prod": "product", "inv": "invoice",
    "pct": "percent", "dob": "birthdate", "lang": "language", "loc": "location", "std": "standard",
    "dest": "destination", "dep": "departure", "arr": "arrival", "bez": "bezeichnung", "anz": "anzahl",
    "menge": "menge", "preis": "preis", "price": "price",
}  # fmt: skip
"""Words of column names in short -> in full; applied to both sides."""

_LABELS = """name title label designation bezeichnung nombre nome nom titel titolo titre titulo description
    beschreibung descripcion descrizione"""
LABELS = frozenset(_LABELS.split())
"""Columns that say what a row is, best first by their order in the table."""
CODES = frozenset(
    ("id", "code", "number", "key", "nummer", "codice", "codigo", "numero", "kennung", "identifier")
)
SUFFIXES = CODES | {"name", "value"}
"""What a column's name may end in without meaning anything else by it."""


def _split(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split("|") if phrase.strip()]


@lru_cache(maxsize=8)
def operators(language: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Words of a phrase -> what it may ask for, the likeliest first."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for kind, phrases in BY_LANGUAGE[language].items():
        for phrase in _split(phrases):
            words = tuple(phrase.split())
            found[words] = (*found.get(words, ()), kind)
    return found


@lru_cache(maxsize=8)
def glue(language: str) -> frozenset[str]:
    """Words that ask for nothing."""
    return frozenset(_GLUE[language].split())


@lru_cache(maxsize=8)
def negations(language: str) -> frozenset[str]:
    """Single words that turn a condition around."""
    return frozenset(
        words[0] for words, kinds in operators(language).items() if len(words) == 1 and "not" in kinds
    )


@lru_cache(maxsize=1)
def months() -> dict[str, int]:
    """Folded names of months, and their first three letters in English, -> 1..12."""
    found = {name: n for names in _MONTHS.values() for n, name in enumerate(names.split(), 1)}
    found.update({name[:3]: n for n, name in enumerate(_MONTHS["en"].split(), 1)})
    return found


@lru_cache(maxsize=8)
def periods(language: str) -> dict[str, str]:
    """Folded word -> "year", "month" or "day"."""
    return {word: period for period, words in _PERIODS[language].items() for word in words.split()}


@lru_cache(maxsize=8)
def number_words(language: str) -> dict[str, int]:
    """Folded word -> 2..12 ("one" is left out: "which one")."""
    return {word: n for n, word in enumerate(_NUMBERS[language].split(), 2)}
