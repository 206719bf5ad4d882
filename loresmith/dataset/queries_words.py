"""What people call tables and columns: "cust_no" is a customer number, an `hours` column is time.

Promises: another word for a column is used only where nothing else in the catalog is called that; what
stands in quotes in no name is never made up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from loresmith.language import detect
from loresmith.querying.vocabulary import ABBREVIATIONS, UNITS
from loresmith.tables.names import fold
from loresmith.tables.values import Catalog, Column, Table

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BARE_NAMES = re.compile(r"(?:sheet|table|tabelle|blatt|data|daten|export|log|list|liste|main)\W*\d*", re.I)

_SYNONYMS = {
    "en": {
        "cost": ("expenses", "spending"), "price": ("cost",), "amount": ("value", "sum of money"),
        "quantity": ("amount", "number of units"), "customer": ("client", "buyer"), "client": ("customer",),
        "supplier": ("vendor",), "vendor": ("supplier",), "employee": ("worker",), "salary": ("pay", "wage"),
        "city": ("town",), "country": ("nation",), "duration": ("time", "length"), "hours": ("time",),
        "weight": ("mass",), "revenue": ("sales", "turnover"), "status": ("state",), "state": ("status",),
        "kind": ("type", "sort"), "type": ("kind",), "category": ("class",), "stock": ("inventory",),
        "pieces": ("units", "items"), "site": ("location", "plant"), "location": ("site", "place"),
        "department": ("division",), "team": ("crew", "group"), "supervisor": ("boss",), "fee": ("charge",),
        "temperature": ("heat",), "speed": ("pace",), "area": ("surface",), "title": ("name",),
        "operator": ("person",), "reason": ("cause",), "loss": ("waste",), "distance": ("length",),
        "capacity": ("size",), "volume": ("size", "capacity"), "colour": ("color",), "color": ("colour",),
        "birthdate": ("birthday",), "vehicle": ("car",), "driver": ("person driving",),
    },
    "de": {
        "kosten": ("Ausgaben",), "preis": ("Kosten",), "kunde": ("Auftraggeber",), "ort": ("Stadt",),
        "lieferant": ("Zulieferer",), "menge": ("Stückzahl",), "dauer": ("Zeit",), "stunden": ("Zeit",),
        "umsatz": ("Erlös",), "bestand": ("Vorrat",), "standort": ("Ort", "Werk"), "art": ("Typ", "Sorte"),
        "typ": ("Art",), "abteilung": ("Bereich",), "gewicht": ("Masse",), "betrag": ("Summe",),
        "mitarbeiter": ("Beschäftigte",), "zustand": ("Status",), "status": ("Zustand",), "stadt": ("Ort",),
    },
}  # fmt: skip
_LONG_UNITS = {
    "en": {
        "h": "hours", "min": "minutes", "s": "seconds", "d": "days", "kg": "kilograms", "g": "grams",
        "t": "tonnes", "€": "euros", "$": "dollars", "£": "pounds", "kW": "kilowatts", "%": "percent",
        "mm": "millimetres", "cm": "centimetres", "m": "metres", "km": "kilometres", "l": "litres",
        "°C": "degrees",
    },
    "de": {
        "h": "Stunden", "min": "Minuten", "s": "Sekunden", "d": "Tage", "kg": "Kilogramm", "g": "Gramm",
        "t": "Tonnen", "€": "Euro", "$": "Dollar", "kW": "Kilowatt", "%": "Prozent", "mm": "Millimeter",
        "cm": "Zentimeter", "m": "Meter", "km": "Kilometer", "l": "Liter", "°C": "Grad",
    },
}  # fmt: skip
_UNCOUNTED = frozenset(
    """maintenance staff equipment inventory stock log history data personnel work production traffic
    downtime training payroll software hardware feedback sales energy weather glossary endurance leakage
    schedule register directory overview summary ledger roster timetable archive diary calendar""".split()  # noqa: SIM905
)
_IRREGULAR = {"person": "people", "man": "men", "woman": "women", "child": "children", "staff": "staff"}
_GERMAN = frozenset(
    """kunde kunden auftrag auftrage datum betrag menge preis ort stadt land lieferant artikel bestand
    bestellung bestellungen rechnung rechnungen abteilung mitarbeiter techniker maschine maschinen wartung
    stunden kosten standort bezeichnung nummer lager beginn ende dauer umsatz gewicht anlage anlagen werk
    strasse eingestellt gebaut geliefert zustand grund""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a catalog: what its names are made of decides which other words are free."""

    catalog: Catalog
    taken: frozenset[str]

    @classmethod
    def of(cls, catalog: Catalog) -> Words:
        names = [t.sql for t in catalog.tables] + [t.name for t in catalog.tables]
        names += [c.name for t in catalog.tables for c in t.columns]
        return cls(catalog, frozenset(singular(w) for name in names for w in fold(split(name)).split()))

    def column(self, table: Table, column: Column, language: str) -> list[str]:
        """What a column is called, its own name first."""
        name = split(column.name)
        plain = " ".join(w if _short(w) else w.lower() if language != "de" else w for w in name.split())
        found = [plain]
        words = plain.split()
        long = " ".join(ABBREVIATIONS.get(fold(w), w) for w in words)
        if long.casefold() != plain.casefold() and language == "en":
            found.append(long)
        own = {singular(w) for w in fold(split(table.sql)).split()}
        core = [w for w in words if singular(fold(w)) not in own]
        if core and len(core) < len(words):
            found.append(" ".join(core))
        last = singular(fold(words[-1])) if words else ""
        for key in dict.fromkeys((last, fold(words[-1]) if words else "")):
            for other in _SYNONYMS.get(language, {}).get(key, ()):
                if not {singular(w) for w in fold(other).split()} & self.taken:
                    found.append(" ".join([*words[:-1], other]))
        return list(dict.fromkeys(f for f in found if f.strip()))

    def rows(self, table: Table, language: str) -> list[tuple[str, str]]:
        """What a row is called, as (one, several)."""
        names = [split(table.sql)]
        if not _BARE_NAMES.fullmatch(table.name) and fold(table.name) != fold(names[0]):
            names.append(split(re.sub(r"\.\w{1,8}$", "", table.name)))
        # "spare-parts-p-200": what its code says of it nobody says of its rows.
        names = [" ".join(w for w in n.split() if len(w) > 1 and not w.isdigit()) or n for n in names]
        found = []
        for name in dict.fromkeys(names):
            if language == "de":
                named = name if any(c.isupper() for c in name) else name[:1].upper() + name[1:]
                found += [(named, named), (f"Eintrag in {named}", f"Einträge in {named}")]
                continue
            words = name.lower().split()
            if words[-1] in _UNCOUNTED:
                stem = " ".join(words)
                found += [(f"{stem} {one}", f"{stem} {plural(one)}") for one in ("entry", "record", "job")]
            else:
                one = " ".join([*words[:-1], singular(words[-1])])
                found.append((one, " ".join([*words[:-1], plural(singular(words[-1]))])))
        return list(dict.fromkeys(found))


def language_of(table: Table) -> str:
    """In which people will ask for it: that of its names, of the two that are spoken here."""
    words = {w for c in table.columns for w in fold(split(c.name)).split()}
    text = " ".join(
        [*(split(c.name) for c in table.columns), *(v for c in table.columns for v in c.frequent)]
    )
    return "de" if len(words & _GERMAN) >= 2 or detect(text) == "de" else "en"


def unit(column: Column, language: str) -> str:
    """The unit in words, "" where there is none or none is known."""
    known = UNITS.get(column.unit)
    return _LONG_UNITS.get(language, {}).get(known[2] if known else column.unit, "")


def split(name: str) -> str:
    """The words of a name: "cust_no", "custNo" and "Cust. no." are two."""
    return " ".join(re.sub(r"[\W_]+", " ", _CAMEL.sub(" ", name)).split()) or name


def _short(word: str) -> bool:
    """An abbreviation in capitals, which keeps them: "ID", "VAT"."""
    return word.isupper() and 1 < len(word) <= 5


@lru_cache(maxsize=4096)
def singular(word: str) -> str:
    """
    >>> [singular(w) for w in ("pumps", "batches", "cities", "glass", "status")]
    ['pump', 'batch', 'city', 'glass', 'status']
    """
    back = {many: one for one, many in _IRREGULAR.items()}
    if word in back:
        return back[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if re.search(r"(?:s|x|z|ch|sh)es$", word):
        return word[:-2]
    return word[:-1]


def plural(word: str) -> str:
    """
    >>> [plural(w) for w in ("pump", "batch", "city", "day", "glass")]
    ['pumps', 'batches', 'cities', 'days', 'glasses']
    """
    last = word.split()[-1] if word.split() else word
    if last in _IRREGULAR:
        return word.removesuffix(last) + _IRREGULAR[last]
    if re.search(r"(?:s|x|z|ch|sh)$", last):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", last):
        return f"{word[:-1]}ies"
    return f"{word}s"


def listed(words: Sequence[str], last: str) -> str:
    """
    >>> listed(["a", "b", "c"], "and")
    'a, b and c'
    """
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)
