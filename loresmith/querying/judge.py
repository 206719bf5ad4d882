"""How likely a result answers the question, and when the tables cannot answer it at all.

Small models never say that they cannot: they write a query for any question, leaving out what the
tables do not hold ("how many publications with a DOI" becomes how many publications). So code says it:
where a word of the question stands for nothing in the tables, no query is asked for; and what was
written is believed the less, the more values and numbers of the question it leaves out, and the less
sure the model was.

Weights and thresholds are of the questions to three databases (benchmarks/sql.py, split dev): small
numbers, so that the confidence is a rank rather than a probability for other models.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from loresmith.querying import vocabulary
from loresmith.querying.routing import tabular
from loresmith.tables.names import fold

if TYPE_CHECKING:
    from loresmith.querying.ask import Attempt, Sound
    from loresmith.querying.linking import Links
    from loresmith.tables.values import Catalog, Table

THRESHOLD = 0.5
# Below this the question is not for tables (routing.py): of 80 that are, none scored so low on dev.
_TABULAR = 0.3

# Words about the form of an answer rather than about what is in the tables.
_FORM = """
    answer answers amount amounts absolute calculate case change changes compare convert corresponding
    datetime differ differs difference different exact format how id ids identifier identifiers include
    integer integers insensitive insensitively letter letters list match minus name names pair pairs part
    parts plus relevant respective result results return returned round rounded same separate separately
    sensitive show value values vary varies well wildcard overall entire entirely first last
    unix hh mm ss yyyy appear appears belong belongs carries carry contain contains exist exists hold holds
    lie lies operate operates own owns related run runs stand stands
    actually again ago all almost alone already also altogether always any anything apart approximately around
    available away back become became begin began bring brought buy buys bought came come comes cost costs
    currently did do does done each earn earned earns either else ended enough ever every everything far
    finally find found get gets give given gives go
    goes going gone got had happen happened happens have having
    here involve involved involves just keep keeps kept kind kinds kindly later least leave left let like live
    lives long made make makes making many may mean merely might money month months more most much must near
    need needed needs never next normally nothing now occur occurred off often once one ones only other others
    out over paid pay pays people perform performed
    person persons place places please possess put quite rather
    ready really receive received receives register registered row rows record records entry entries remain
    remains sell sells sold set shall should since so some something sort sorts spend spends spent start
    started still take taken takes tell thing things time times today together took turn turned type types
    under until up upon us usually want we went were will with within without work worked working works would
    year years yet you your
    aktuell aktuelle aktuellen alle allen arbeitet ausgegeben bereits bezahlt bisher derzeit eintrag einträge
    es fand fanden gab geben geld gemacht gerade getan gibt ging haben hat heute immer insgesamt jahr jahre
    jemals jetzt kam kosten kostet machen macht mal mehr
    monat monate noch nur oft person personen sache sachen
    schon sind stattgefunden stehen tun verdient verkauft war waren wird wurde wurden zeile zeilen zurzeit
    antwort angeben anzeigen berechne betrag buchstabe buchstaben ergebnis gehören gehört gleich gleiche
    gleichen name namen paar runde teil unterschied vergleiche wert werte
    calcula diferencia letra mismo misma nombre parte respuesta resultado valor valores
    calcola differenza lettera nome risposta risultato stesso stessa valore valori
    calcule différence lettre même nom partie réponse résultat valeur valeurs
"""
_FREE = frozenset(_FORM.split())
_PREFIX = 5  # letters that "depart" and "departure_time" share

# Fitted on 42 statements of Qwen2.5-Coder 0.5B on dev, of which 33 were right: 32 of them and 3 of the
# 9 wrong ones stand above the threshold. How sure the model was of its own words says most by far.
_BIAS = -15.0
_WEIGHTS: Mapping[str, float] = {
    "tabular": 0.7,
    "values": 1.2,
    "numbers": 0.3,
    "sure": 16.0,
    "first": 0.3,
    "rows": 0.5,
}
# A plan of code accounts for every word: 91 % of those on dev were right.
_BY_CODE = 0.91


def strangers(links: Links, catalog: Catalog, facts: Sequence[str] = ()) -> list[str]:
    """The words of a question that stand for nothing in these tables, nor in what documents say."""
    told = [(t.sql, t.name, t.title, t.caption, *_names(t)) for t in catalog.tables]
    names = [part for table in told for name in table for part in _parts(name)]
    whole = {fold(name).replace(" ", "") for t in catalog.tables for name in (t.sql, *_names(t))}
    names += [part for fact in facts for part in _parts(fact)]
    asking = {word for phrase in vocabulary.operators(links.language) for word in phrase}
    found = []
    for word in links.unexplained:
        plain = fold(word)
        if plain in asking or plain in _FREE or word.casefold() in _FREE or plain.isdigit() or not plain:
            continue
        if plain in whole or plain.removesuffix("s") in whole:  # "payload" is the column pay_load
            continue
        if plain in names or any(_alike(plain, name) for name in names):
            continue
        found.append(word)
    return list(dict.fromkeys(found))


def _names(table: Table) -> list[str]:
    return [text for column in table.columns for text in (column.sql, column.name)]


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[\s_]+", fold(name)) if part]


def _alike(word: str, name: str) -> bool:
    same = min(len(word), len(name))
    return same >= _PREFIX and word[:_PREFIX] == name[:_PREFIX] and word[: same - 2] == name[: same - 2]


def hopeless(question: str, links: Links, catalog: Catalog, facts: Sequence[str] = ()) -> str:
    """Why the tables cannot answer the question; "" where they may."""
    if not links.tables or tabular(question, links) < _TABULAR:
        return "the tables do not seem to hold what the question is about"
    if missing := strangers(links, catalog, facts):
        return f"the tables hold nothing called {', '.join(missing)}"
    return ""


def features(attempt: Attempt, found: Sound) -> dict[str, float]:
    """Features in [0, 1] of a model's statement.

    tabular: of the question (routing.py).  values, numbers: share of those in the question that the
    statement uses.  sure: the mean probability of the model's tokens.  first: it needed no repair.
    rows: something came out.
    """
    links = attempt.links
    folded = f" {fold(found.checked.sql)} "
    spans = {(v.first, v.last): False for v in links.values}
    for value in links.values:
        if f" {fold(value.value)} " in folded:
            spans[value.first, value.last] = True
    numbers = [f" {fold(str(n.value))} " in folded for n in links.numbers if n.value != 1]
    empty = not found.rows.rows or all(cell is None for row in found.rows.rows for cell in row)
    return {
        "tabular": tabular(attempt.question, links),
        "values": sum(spans.values()) / len(spans) if spans else 1.0,
        "numbers": sum(numbers) / len(numbers) if numbers else 1.0,
        "sure": math.exp(attempt.logprob) if attempt.logprob is not None else 0.9,
        "first": float(not attempt.tried),
        "rows": float(not empty),
    }


def confidence(attempt: Attempt, found: Sound) -> float:
    """Estimated probability in [0, 1] that the result answers the question."""
    if found.by == "code":
        return _BY_CODE
    given = features(attempt, found)
    value = _BIAS + sum(weight * given[name] for name, weight in _WEIGHTS.items())
    return round(1 / (1 + math.exp(-value)), 4)
