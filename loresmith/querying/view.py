"""What the tables say of a question's atoms: which columns are amounts, dates, names of rows.

A column's type does not tell whether it can be summed or what a row is called: ids, years and codes are
integers too, and a price that happens to differ in every row identifies none.
"""

from __future__ import annotations

import re
from functools import lru_cache

from loresmith.querying.linking import Atom, ColumnLink, Links
from loresmith.querying.naming import BIRTH, keys, stem
from loresmith.querying.plan import Ref
from loresmith.querying.quantities import intensive, reading
from loresmith.querying.vocabulary import LABELS, PERSONS, PLACES
from loresmith.tables.names import fold
from loresmith.tables.values import Catalog, Column, Table


class View:
    """What the tables say of a question's atoms."""

    def __init__(self, links: Links, catalog: Catalog) -> None:
        self.links, self.catalog = links, catalog
        self._tables = {t.sql: t for t in catalog.tables}
        self._columns = {(t.sql, c.sql): c for t in catalog.tables for c in t.columns}
        self.mentioned = {t for a in links.atoms for t, score in a.tables if score >= 0.8}
        self.foreign = {(t.sql, f.column) for t in catalog.tables for f in t.foreign}
        self.referred = {(f.to_table, f.to_column) for t in catalog.tables for f in t.foreign}

    def table(self, sql: str) -> Table | None:
        return self._tables.get(sql)

    def column(self, ref: Ref | ColumnLink) -> Column:
        return self._columns[ref.table, ref.column]

    def bonus(self, table: str) -> float:
        return 0.15 if table in self.mentioned else 0.0

    def amount(self, link: ColumnLink | Ref) -> bool:
        """A column of numbers that can be computed with: no key, no reference, no year."""
        column = self.column(link)
        if not column.numeric or (link.table, link.column) in self.foreign:
            return False
        table = self.table(link.table)
        words = {w for name in (column.name, column.sql) for w in re.split(r"[\W_]+", name.casefold())}
        coded = bool(_CODED & words) or (table is not None and link.column in table.keys)
        coded = coded or (link.table, link.column) in self.referred or bool(_ID.fullmatch(column.sql))
        return (not coded or bool(column.unit)) and not self.years(link)

    def additive(self, ref: Ref) -> bool:
        """An amount of which "by team" can only mean the sum: hours, costs; no prices, rates, readings."""
        column = self.column(ref)
        said = {
            form
            for word in map(fold, _words(column))
            for form in (stem(word, self.links.language), stem(word, "en"))
        }
        table = self.table(ref.table)
        if intensive(column) or (table is not None and reading(column, table)):
            return False
        return self.amount(ref) and bool(said & _summed(self.links.language)) and not said & _RATES

    def intensive(self, ref: Ref) -> bool:
        """An amount of which several make no greater one: temperatures, shares, rates, readings."""
        column, table = self.column(ref), self.table(ref.table)
        state = intensive(column) or (table is not None and reading(column, table))
        return state or column.unit == "%" or bool({stem(w, "en") for w in _words(column)} & _RATES)

    def identifies(self, ref: Ref) -> bool:
        """A column that says which row it is; an amount of which no two happen to be alike does not."""
        column = self.column(ref)
        return column.key and column.type in ("text", "integer") and not self.amount(ref)

    def years(self, link: ColumnLink | Ref) -> bool:
        """An integer column that holds years."""
        column = self.column(link)
        words = {*keys(column.name, "en"), *keys(column.name, self.links.language)}
        named = bool(words & {"year", "jahr", "ano", "anno", "anne", "baujahr"})
        named = named or (bool(_words_set(column) & _SINCE) and _recent(column))
        low, high = column.low, column.high
        fits = isinstance(low, int) and isinstance(high, int) and 1000 <= low <= high <= 2200
        return column.type == "integer" and named and fits

    def general(self, ref: Ref) -> bool:
        """A column of dates (or years) that says when the row was, and nothing more of it."""
        column = self.column(ref)
        table = self.table(ref.table)
        own = set(keys(table.name, "en")) | set(keys(table.sql, "en")) if table else set()
        for name in (column.name, column.sql):
            words = {w for w in re.split(r"[\W_]+", name.casefold()) if w and stem(w, "en") not in own}
            if words and words <= (_WHEN if column.type != "integer" else _YEAR):
                return True
        if table is None or column.type == "integer":
            return False
        dates = [c for c in table.columns if c.type in ("date", "datetime")]
        if len(dates) == 1:
            return False
        begun = [c for c in dates if _BEGUN & set(keys(c.name, "en")) | _BEGUN & set(keys(c.sql, "en"))]
        plain = any(self._when(c, own) for c in dates)
        return not plain and begun == [column]  # "rentals in July" are those that began then

    @staticmethod
    def _when(column: Column, own: set[str]) -> bool:
        words = {w for w in re.split(r"[\W_]+", column.name.casefold()) if w and stem(w, "en") not in own}
        return bool(words) and words <= _WHEN

    def numeric(self, atom: Atom) -> bool:
        strongest = max((score for _, score in atom.tables), default=0.0)
        return any(self.amount(c) and c.score >= strongest for c in atom.columns)

    def flag(self, atom: Atom) -> bool:
        """Said of rows: a column of yes and no by its name, and by nothing else."""
        there = [c for c in atom.columns if c.score >= 0.7]
        return not atom.tables and bool(there) and all(self.column(c).type == "boolean" for c in there)

    def dated(self, atom: Atom) -> bool:
        return any(self.column(c).type in ("date", "datetime") or self.years(c) for c in atom.columns)

    def gaps(self, atom: Atom) -> bool:
        """A column, by its own name, in which cells are empty."""
        return any(c.score >= 0.9 and self.column(c).nulls for c in atom.columns)

    def empty(self, link: ColumnLink) -> float:
        """The share of a column's cells that are empty."""
        table = self.table(link.table)
        return self.column(link).nulls / table.rows if table and table.rows else 0.0

    def entity(self, atom: Atom) -> bool:
        """A column by which a table's rows are told apart, and so a word for these rows."""
        return not atom.tables and any(
            c.score >= 0.9 and self.identifies(Ref(c.table, c.column)) for c in atom.columns
        )

    def label(self, table: Table) -> tuple[Ref, ...]:
        """The columns that say which row of a table it is: its name, or its key, or, where there is but a
        description, both."""
        names = sorted(
            (c for c in table.columns if c.type == "text" and self._names_rows(c)),
            key=lambda c: (_described(c), not c.key, len(keys(c.name, "en"))),
        )
        if not names:  # "part" of the table of parts
            own = set(keys(table.name, "en")) | set(keys(table.sql, "en"))
            names = [c for c in table.columns if c.type == "text" and c.key and not self._coded(c)]
            names = [c for c in names if set(keys(c.name, "en")) <= own]
        persons = [c for c in table.columns if c.type == "text" and set(_words(c)) & _FIRST]
        persons += [c for c in table.columns if c.type == "text" and set(_words(c)) & _FAMILY]
        if len(persons) == 2:
            return tuple(Ref(table.sql, c.sql) for c in persons)
        code = self.key(table)
        chosen = [Ref(table.sql, c.sql) for c in names[:1]]
        told = bool(chosen) and not (_described(names[0]) and code and self.column(code).type == "text")
        if code is not None and code not in chosen and not told:
            chosen.insert(0, code)
        return tuple(chosen)

    def names_persons(self, ref: Ref) -> bool:
        """A column of names that are nobody's product or company, as far as the column's own name tells."""
        words = set(_words(self.column(ref)))
        return bool(words & (_FIRST | _FAMILY | {"name", "nom", "nome", "nombre"}))

    def birth(self, column: Column) -> bool:
        """A column that says how old something is, rather than when something happened to it."""
        return bool(BIRTH & {*keys(column.name, "en"), *keys(column.sql, "en")})

    def person(self, column: Column) -> bool:
        """A column of texts that says who."""
        own = {form for w in _words(column) for form in (stem(fold(w), "en"), fold(w))}
        return column.type == "text" and bool(own & PERSONS)

    def place(self, column: Column) -> bool:
        """A column of texts that says where."""
        return column.type == "text" and bool({fold(w) for w in _words(column)} & PLACES)

    def key(self, table: Table) -> Ref | None:
        """The column that no two rows have alike and that is meant to be so."""
        codes = [c for c in table.columns if c.key and c.type in ("text", "integer")]
        codes = [c for c in codes if not self.amount(Ref(table.sql, c.sql))]
        codes.sort(
            key=lambda c: (not self._coded(c), c.sql not in table.keys, c.type != "text", c.low is None)
        )
        return Ref(table.sql, codes[0].sql) if codes else None

    def _names_rows(self, column: Column) -> bool:
        words = (keys(column.name, "en")[-1:], keys(column.name, self.links.language)[-1:])
        return any(word and word[0] in _LABELS for word in words)

    def _coded(self, column: Column) -> bool:
        return bool(_CODED & set(_words(column))) or bool(_ID.fullmatch(column.sql))


@lru_cache(maxsize=8)
def _summed(language: str) -> frozenset[str]:
    return frozenset(s for word in _SUMMED.split() for s in (stem(word, language), stem(word, "en"), word))


_SUMMED = """fee fees income revenues earnings deposits minutes kilometres kilometers km miles litres liters
    bottles tons tonnes units einnahmen ausgaben erlos erlose gebuhren kilometer liter minuten tonnen strecke
    incasso importi litri bottiglie quintali spesa spese gastos ingresos litros gasto
    hours cost costs amount quantity revenue sales turnover expenses spending spent stunden kosten
    umsatz menge betrag anzahl importe cantidad ventas coste horas importo quantita ricavi ore costi vendite
    montant quantite couts heures ventes pieces visits"""
_RATES = frozenset(
    [
        "price",
        "rate",
        "unit",
        "per",
        "averag",
        "avg",
        "mean",
        "maximum",
        "minimum",
        "max",
        "min",
        "preis",
        "satz",
    ]
)


def _words(column: Column) -> list[str]:
    return re.split(r"[\W_]+", f"{column.name} {column.sql}".casefold())


def _words_set(column: Column) -> frozenset[str]:
    return frozenset(_words(column))


def _recent(column: Column) -> bool:
    low, high = column.low, column.high
    return not column.unit and isinstance(low, int) and isinstance(high, int) and 1850 <= low <= high <= 2100


_FIRST = frozenset(("first", "given", "vorname", "prenom", "prénom"))
_FAMILY = frozenset(("last", "family", "surname", "nachname", "cognome", "apellido", "apellidos"))


def _described(column: Column) -> bool:
    return keys(column.sql, "en")[-1:] not in [keys(word, "en") for word in ("name", "title")]


_CODED = frozenset(
    ("id", "ids", "code", "number", "no", "nr", "nummer", "codice", "codigo", "numero", "key", "zip", "plz")
)
_WHEN = frozenset(
    ("date", "datum", "fecha", "data", "day", "tag", "time", "timestamp", "datetime", "month", "when", "on",
     "zeit", "zeitpunkt", "moment", "jour", "created", "giorno")
)  # fmt: skip
_BEGUN = frozenset(
    ("start", "begin", "from", "order", "beginn", "mietbeginn", "von", "ab", "inizio", "inicio", "debut")
)
_YEAR = frozenset(("year", "jahr", "ano", "año", "anno", "annee", "année"))
_SINCES = """since installed built founded opened established introduced launched released hired joined born
    died commissioned published acquired purchased manufactured made created started seit gebaut installiert
    gegründet eingeführt desde instalado construido fundado dal installato costruito fondato depuis installé
    construit fondé"""
_SINCE = frozenset(_SINCES.split())
_ID = re.compile(r"[a-z]{1,3}id")
_LABELS = frozenset(stem for label in LABELS for stem in keys(label, "en")) | LABELS
