"""What a result says, as a person would write it: for the plain shapes of a query, else nothing.

    SELECT COUNT(*) FROM parts WHERE unit_price > 50   ->   106 rows of parts have a Unit price over 50 €.

Promises: every condition of the statement is in the sentence; names of tables and columns are as they
stand there; what has joins, subqueries or "or" is left to its reading, which has words for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loresmith.querying.figures import figure
from loresmith.querying.phrases import LANGUAGES
from loresmith.querying.saying import Sayer, span, whole_span
from loresmith.tables.values import Catalog, Cell

if TYPE_CHECKING:
    from sqlglot import exp

# {0} a column, {1}, {2} values: what rows are said to have.
_WITH: Mapping[str, tuple[str, str, str, str, str]] = {
    # en, de, es, it, fr
    "=": ("{0} {1}", "{0} {1}", "{0} {1}", "{0} {1}", "{0} {1}"),
    "!=": ("a {0} other than {1}", "{0} ungleich {1}", "{0} distinto de {1}", "{0} diverso da {1}",
           "{0} autre que {1}"),
    ">": ("a {0} over {1}", "{0} über {1}", "{0} superior a {1}", "{0} superiore a {1}",
          "{0} supérieur à {1}"),
    ">=": ("a {0} of at least {1}", "{0} von mindestens {1}", "{0} de al menos {1}", "{0} di almeno {1}",
           "{0} d'au moins {1}"),
    "<": ("a {0} under {1}", "{0} unter {1}", "{0} inferior a {1}", "{0} inferiore a {1}",
          "{0} inférieur à {1}"),
    "<=": ("a {0} of at most {1}", "{0} von höchstens {1}", "{0} de como máximo {1}", "{0} di al massimo {1}",
           "{0} d'au plus {1}"),
    ">date": ("{0} after {1}", "{0} nach {1}", "{0} después de {1}", "{0} dopo {1}", "{0} après {1}"),
    ">=date": ("{0} from {1} on", "{0} ab {1}", "{0} desde {1}", "{0} da {1} in poi", "{0} à partir de {1}"),
    "<date": ("{0} before {1}", "{0} vor {1}", "{0} antes de {1}", "{0} prima di {1}", "{0} avant {1}"),
    "<=date": ("{0} up to {1}", "{0} bis {1}", "{0} hasta {1}", "{0} fino a {1}", "{0} jusqu'à {1}"),
    "within": ("{0} in {1}", "{0} in {1}", "{0} en {1}", "{0} nel {1}", "{0} en {1}"),
    "between": ("{0} between {1} and {2}", "{0} zwischen {1} und {2}", "{0} entre {1} y {2}",
                "{0} tra {1} e {2}", "{0} entre {1} et {2}"),
    "or": ("{0} or {1}", "{0} oder {1}", "{0} o {1}", "{0} o {1}", "{0} ou {1}"),
    "and": ("{0} and {1}", "{0} und {1}", "{0} y {1}", "{0} e {1}", "{0} et {1}"),
}  # fmt: skip

# {n} how many, {t} the table, {w} what the rows have, {c} a column, {v} a value, {x} what names a row.
_SAID: Mapping[str, tuple[str, str, str, str, str]] = {
    "none": ("No row of {t} has {w}", "Keine Zeile von {t} hat {w}", "Ninguna fila de {t} tiene {w}",
             "Nessuna riga di {t} ha {w}", "Aucune ligne de {t} n'a {w}"),
    "one": ("1 row of {t} has {w}", "1 Zeile von {t} hat {w}", "1 fila de {t} tiene {w}",
            "1 riga di {t} ha {w}", "1 ligne de {t} a {w}"),
    "rows": ("{n} rows of {t} have {w}", "{n} Zeilen von {t} haben {w}", "{n} filas de {t} tienen {w}",
             "{n} righe di {t} hanno {w}", "{n} lignes de {t} ont {w}"),
    "all one": ("{t} has 1 row", "{t} hat 1 Zeile", "{t} tiene 1 fila", "{t} ha 1 riga", "{t} a 1 ligne"),
    "all": ("{t} has {n} rows", "{t} hat {n} Zeilen", "{t} tiene {n} filas", "{t} ha {n} righe",
            "{t} a {n} lignes"),
    "in": ("in {t}", "in {t}", "en {t}", "in {t}", "dans {t}"),
    "in rows": ("in the rows of {t} with {w}", "in den Zeilen von {t} mit {w}",
                "en las filas de {t} con {w}", "nelle righe di {t} con {w}",
                "dans les lignes de {t} avec {w}"),
    "different": ("There are {n} different values of {c} {in_}",
                  "Es gibt {n} verschiedene Werte von {c} {in_}",
                  "Hay {n} valores distintos de {c} {in_}", "Ci sono {n} valori diversi di {c} {in_}",
                  "Il y a {n} valeurs différentes de {c} {in_}"),
    "sum": ("The sum of {c} {in_} is {v}", "Die Summe von {c} {in_} ist {v}", "La suma de {c} {in_} es {v}",
            "La somma di {c} {in_} è {v}", "La somme de {c} {in_} est {v}"),
    "avg": ("The average {c} {in_} is {v}", "Der Durchschnitt von {c} {in_} ist {v}",
            "El promedio de {c} {in_} es {v}", "La media di {c} {in_} è {v}",
            "La moyenne de {c} {in_} est {v}"),
    "max": ("The highest {c} {in_} is {v}", "Der größte Wert von {c} {in_} ist {v}",
            "El valor máximo de {c} {in_} es {v}", "Il valore massimo di {c} {in_} è {v}",
            "La plus grande valeur de {c} {in_} est {v}"),
    "min": ("The lowest {c} {in_} is {v}", "Der kleinste Wert von {c} {in_} ist {v}",
            "El valor mínimo de {c} {in_} es {v}", "Il valore minimo di {c} {in_} è {v}",
            "La plus petite valeur de {c} {in_} est {v}"),
    "maxdate": ("The latest {c} {in_} is {v}", "Der späteste Wert von {c} {in_} ist {v}",
                "El último valor de {c} {in_} es {v}", "L'ultimo valore di {c} {in_} è {v}",
                "La dernière valeur de {c} {in_} est {v}"),
    "mindate": ("The earliest {c} {in_} is {v}", "Der früheste Wert von {c} {in_} ist {v}",
                "El primer valor de {c} {in_} es {v}", "Il primo valore di {c} {in_} è {v}",
                "La première valeur de {c} {in_} est {v}"),
    "value": ("The {c} in the row of {t} with {w} is {v}", "{c} in der Zeile von {t} mit {w} ist {v}",
              "{c} en la fila de {t} con {w} es {v}", "{c} nella riga di {t} con {w} è {v}",
              "{c} dans la ligne de {t} avec {w} est {v}"),
    "highest": ("{x} has the highest {c} {in_}: {v}", "Bei {x} ist {c} {in_} am größten: {v}",
                "{x} tiene el mayor valor de {c} {in_}: {v}", "{x} ha il valore più alto di {c} {in_}: {v}",
                "{x} a la plus grande valeur de {c} {in_} : {v}"),
    "lowest": ("{x} has the lowest {c} {in_}: {v}", "Bei {x} ist {c} {in_} am kleinsten: {v}",
               "{x} tiene el menor valor de {c} {in_}: {v}", "{x} ha il valore più basso di {c} {in_}: {v}",
               "{x} a la plus petite valeur de {c} {in_} : {v}"),
    "highestdate": ("{x} has the latest {c} {in_}: {v}", "Bei {x} ist {c} {in_} am spätesten: {v}",
                    "{x} tiene el valor más reciente de {c} {in_}: {v}",
                    "{x} ha il valore più recente di {c} {in_}: {v}",
                    "{x} a la valeur la plus récente de {c} {in_} : {v}"),
    "lowestdate": ("{x} has the earliest {c} {in_}: {v}", "Bei {x} ist {c} {in_} am frühesten: {v}",
                   "{x} tiene el valor más antiguo de {c} {in_}: {v}",
                   "{x} ha il valore più vecchio di {c} {in_}: {v}",
                   "{x} a la valeur la plus ancienne de {c} {in_} : {v}"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Telling:
    """A sentence without its end. `listed`: the rows that were found are to follow it."""

    text: str
    listed: bool = False


def tell(
    tree: exp.Expression,
    catalog: Catalog,
    language: str,
    sayer: Sayer,
    rows: Sequence[Sequence[Cell]],
    shown: Callable[[int, int], str],
    count: str,
) -> Telling | None:
    """The sentence of a plain query; None where its reading has to say it.

    Args:
        rows: of the result, all of them.  shown: a cell of them as it is written.
        count: how many rows there are, as it is written.
    """
    from sqlglot import exp

    at = LANGUAGES.index(language) if language in LANGUAGES else 0
    table = _only_table(tree, catalog)
    if table is None or not isinstance(tree, exp.Select):
        return None
    cut = tree.args.get("limit")
    order = tree.args.get("order")
    terms = order.expressions if order is not None else []
    first = terms[0].this if len(terms) == 1 else None
    where = tree.args.get("where")
    had = _have(where.this, sayer, at, first if cut is not None else None) if where is not None else ""
    if had is None:
        return None
    given = {"t": table, "w": had}
    given["in_"] = _SAID["in rows" if had else "in"][at].format(**given)
    group = tree.args.get("group")
    chosen = [p.unalias() for p in tree.expressions]
    if cut is not None:
        if str(cut.expression.this) != "1" or len(rows) != 1 or first is None or len(chosen) < 2:
            return None
        return _extreme(chosen, terms[0], group, sayer, rows, shown, given, at)
    if group is not None or terms:
        return None
    if len(chosen) == 1 and len(rows) == 1 and figure(chosen[0]).aggregate:
        return _figure(chosen[0], sayer, rows[0][0], shown(0, 0), given, at)
    if not all(isinstance(p, exp.Column) for p in chosen) or tree.args.get("distinct"):
        return None
    if not rows:
        return Telling(_SAID["none"][at].format(**given)) if had else None
    if had and len(rows) == len(chosen) == 1 and rows[0][0] is not None and figure(chosen[0]).type != "text":
        return Telling(_SAID["value"][at].format(c=sayer.phrase(chosen[0]), v=shown(0, 0), **given))
    return Telling(_counted(len(rows), count, given, at), listed=True)


def _only_table(tree: exp.Expression, catalog: Catalog) -> str | None:
    """The name of the one table that a query reads; None where it is not as plain as that."""
    from sqlglot import exp

    if any(tree.args.get(part) for part in ("with_", "joins", "having", "offset", "windows")):
        return None
    start = tree.args.get("from_")
    if start is None or not isinstance(start.this, exp.Table) or len(list(tree.find_all(exp.Select))) > 1:
        return None
    table = catalog.table(start.this.name)
    return table.name if table is not None else None


def _counted(number: int, count: str, given: Mapping[str, str], at: int) -> str:
    key = ("none" if not number else "one" if number == 1 else "rows") if given["w"] else "all"
    key = "all one" if key == "all" and number == 1 else key
    return _SAID[key][at].format(n=count, **given)


def _figure(
    node: exp.Expression, sayer: Sayer, value: Cell, shown: str, given: Mapping[str, str], at: int
) -> Telling | None:
    from sqlglot import exp

    inner = node.this
    if isinstance(node, exp.Count):
        if isinstance(inner, exp.Star) and isinstance(value, int):
            return Telling(_counted(value, shown, given, at))
        plain = isinstance(inner, exp.Distinct) and len(inner.expressions) == 1
        if not plain or value in (0, 1) or not isinstance(inner.expressions[0], exp.Column):
            return None
        said = _SAID["different"][at].format(n=shown, c=sayer.phrase(inner.expressions[0]), **given)
        return Telling(said)
    if value is None or not isinstance(node, exp.Sum | exp.Avg | exp.Min | exp.Max):
        return None
    if not isinstance(inner, exp.Column):
        return None
    key = type(node).__name__.casefold()
    if key in ("min", "max") and figure(inner).type in ("date", "datetime"):
        key += "date"
    return Telling(_SAID[key][at].format(c=sayer.phrase(inner), v=shown, **given))


def _extreme(
    chosen: Sequence[exp.Expression],
    term: exp.Expression,
    group: exp.Expression | None,
    sayer: Sayer,
    rows: Sequence[Sequence[Cell]],
    shown: Callable[[int, int], str],
    given: Mapping[str, str],
    at: int,
) -> Telling | None:
    """ "P-301 has the highest Power": what names the row, then what it is ordered by."""
    from sqlglot import exp

    by, names = chosen[-1], chosen[:-1]
    if term.this.sql() != by.sql() or not all(isinstance(p, exp.Column) for p in names):
        return None
    grouped = [g.sql() for g in group.expressions] if group is not None else []
    if grouped and (not figure(by).aggregate or sorted(grouped) != sorted(p.sql() for p in names)):
        return None
    if any(cell is None for cell in rows[0]):
        return None
    key = "highest" if term.args.get("desc") else "lowest"
    if figure(by).type in ("date", "datetime"):
        key += "date"
    named = ", ".join(shown(0, n) for n in range(len(names)))
    said = _SAID[key][at].format(x=named, c=sayer.phrase(by), v=shown(0, len(names)), **given)
    return Telling(said)


# --- what rows have -----------------------------------------------------------------------------


def _have(node: exp.Expr, sayer: Sayer, at: int, ordered: exp.Expression | None) -> str | None:
    """All conditions as what the rows have; None where one has no such words.

    Args:
        ordered: what the result is ordered by and cut: that it is given goes without saying.
    """
    found: list[str] = []
    for part in _parts(node):
        if ordered is not None and _given(part, ordered):
            continue
        said = _has(part, sayer, at)
        if said is None:
            return None
        found.append(said)
    text = ""
    for said in found:
        text = _WITH["and"][at].format(text, said) if text else said
    return text


def _parts(node: exp.Expr) -> list[exp.Expr]:
    from sqlglot import exp

    if isinstance(node, exp.And) and span(node) is None:
        return [*_parts(node.left), *_parts(node.right)]
    return [node]


def _given(node: exp.Expr, what: exp.Expression) -> bool:
    from sqlglot import exp

    return (
        isinstance(node, exp.Not)
        and isinstance(node.this, exp.Is)
        and isinstance(node.this.expression, exp.Null)
        and node.this.this.sql() == what.sql()
    )


def _has(node: exp.Expr, sayer: Sayer, at: int) -> str | None:
    from sqlglot import exp

    def say(key: str, column: exp.Expr, *values: str) -> str | None:
        if not isinstance(column, exp.Column):
            return None
        name = sayer.phrase(column)
        said = _WITH[key][at].format(name, *values)
        if at == 0 and said.startswith("a "):  # "a Unit price", "an Hour", but "Minutes over 200"
            said = said[2:] if name.endswith("s") else f"an {said[2:]}" if name[:1] in "AEIOaeio" else said
        return said

    if isinstance(node, exp.And) and (whole := span(node)) is not None:
        return say("within", whole[0], whole[1])
    if isinstance(node, exp.Between):
        low, high = node.args["low"], node.args["high"]
        if year := whole_span(low, high):
            return say("within", node.this, year)
        return say("between", node.this, *(sayer.value(v, node.this) for v in (low, high)))
    if isinstance(node, exp.In) and node.args.get("query") is None:
        values = [sayer.value(v, node.this) for v in node.expressions]
        listed = ", ".join(values[:-1])
        return say("=", node.this, _WITH["or"][at].format(listed, values[-1]) if listed else values[-1])
    keys: dict[type, str] = {
        exp.EQ: "=", exp.NEQ: "!=", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    }  # fmt: skip
    key = keys.get(type(node))
    if key is None or not isinstance(node.expression, exp.Literal):
        return None
    if key[0] in "<>" and figure(node.this).type in ("date", "datetime"):
        key += "date"
    return say(key, node.this, sayer.value(node.expression, node.this))
