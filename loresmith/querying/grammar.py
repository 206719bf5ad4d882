"""Grammars for llama.cpp (GBNF) from a schema: what a model may write as a query.

Two ways to let a model write: SQL of which every table and column exists, or the typed plan as JSON.

Promises of the SQL grammar: one SELECT (or two joined by UNION, INTERSECT or EXCEPT), no statement that
writes, no function but those below; a table is one of the catalog's; a column is one of the catalog's,
alone, behind its own table's name or behind a short alias; a result is named by one of a few words.
Which alias stands for which table, and whether a table is in the FROM, no context-free grammar can
say: `check` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from loresmith.tables.values import Catalog

AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")
FUNCTIONS = ("ROUND", "LOWER", "LENGTH", "ABS", "COALESCE", "NULLIF", "STRFTIME", "DATE", "JULIANDAY")

# Everything is bounded: spaces are single, lists short, brackets and calls of one depth, since a small
# model that may repeat itself does ("TRIM(TRIM(TRIM("). A subquery has none within.
_HEAD = r"""
root ::= query ";"?
query ::= select2 (" " ("UNION" | "INTERSECT" | "EXCEPT") " " select2)?
op ::= " " [-+*/%|] "|"? " "
compare ::= " " ("=" | "<>" | "!=" | "<=" | ">=" | "<" | ">") " "
value ::= column | literal
values ::= value (op value){0,2}
aggregate ::= (AGGREGATES) "(" ("*" | "DISTINCT "? (values | case)) ")" (" FILTER(WHERE " flat ")")?
plain ::= (FUNCTIONS) "(" values (", " values){0,2} ")"
cast ::= "CAST(" (aggregate | plain | column) " AS " ("REAL" | "INTEGER") ")"
part ::= column | literal | aggregate | cast
call ::= (FUNCTIONS) "(" part (op part){0,2} (", " literal)? ")"
case ::= "CASE" (" WHEN " flat " THEN " value){1,3} (" ELSE " (value | "NULL"))? " END"
flat ::= test ((" AND " | " OR ") test){0,2}
test ::= (column | plain) (compare value | " LIKE " literal | " IS NULL" | " IS NOT NULL" | " IN (" list ")"
    | " BETWEEN " literal " AND " literal)
group ::= value | plain | cast
list ::= literal (", " literal){0,9}
atom ::= column | literal | name | aggregate | call | plain | cast | case
literal ::= "-"? digits ("." digits)? | "'" ([^'\n] | "''"){0,100} "'"
digits ::= [0-9]{1,10}
"""

# For each depth; what stands in <> depends on it.
_LEVEL = r"""
select# ::= "SELECT " "DISTINCT "? item# (", " item#){0,7} " FROM " from# <joins> (" WHERE " cond#)?
    (" GROUP BY " group (", " group){0,3})? (" HAVING " cond#)?
    (" ORDER BY " order# (", " order#){0,3})? (" LIMIT " digits)?
item# ::= expr# (" AS " name)?
order# ::= expr# (" ASC" | " DESC")?
cond# ::= pred# ((" AND " | " OR ") pred#){0,5}
pred# ::= "NOT "? (expr# tail# | "(" flat ")" <exists>)
tail# ::= compare expr# | " IS NULL" | " IS NOT NULL" | (" NOT")? like#
like# ::= " LIKE " literal | " IN (" (list <query>) ")" | " BETWEEN " value " AND " value
expr# ::= term# (op term#){0,3}
term# ::= atom | "(" atom (op atom){1,3} ")" <bracketed>
from# ::= table <alias> <derived>
"""

# What a query may call its own columns. A free choice would let it name columns that do not exist.
NAMES = ("count", "number", "total", "average", "highest", "lowest", "ratio", "percent", "difference",
         "duration", "result", "period", "year", "month", "day", "first", "last")  # fmt: skip
PREFIXES = ("sum_", "avg_", "min_", "max_", "count_", "count_distinct_")  # as code names its measures


def sql_grammar(catalog: Catalog, *, joins: bool = True) -> str:
    """The grammar of the queries over these tables; the catalog has at least one.

    Args:
        joins: False leaves them to code (`mend`): one table in a FROM, columns of whatever table.
    """
    tables = _choice(table.sql for table in catalog.tables)
    every = dict.fromkeys(column.sql for table in catalog.tables for column in table.columns)
    own = [
        f"{_literal(table.sql + '.')} ({_choice(column.sql for column in table.columns)})"
        for table in catalog.tables
        if table.columns
    ]
    outer, inner = _level(2, joins), _level(1, joins)
    text = _unfolded(_HEAD).replace("AGGREGATES", _choice(AGGREGATES + _lower(AGGREGATES)))
    text = text.replace("FUNCTIONS", _choice(FUNCTIONS + _lower(FUNCTIONS)))
    rules = [text, outer, inner, f"table ::= {tables}", f"any ::= {_choice(every)}"]
    aliased = ['alias "." any'] if joins else []
    rules.append("column ::= " + " | ".join(["any", *own, *aliased]))
    rules.append("alias ::= [a-zA-Z] [a-z0-9]?")
    rules.append(f'name ::= ({_choice(NAMES)} | ({_choice(PREFIXES)}) any) ("_" [2-9]?)?')
    return "\n".join(rules) + "\n"


def _level(depth: int, joins: bool) -> str:
    """The rules of a query at a depth: what stands within it is of the depth below."""
    within = depth > 1
    text = _unfolded(_LEVEL)
    parts = {
        "joins": '((" " | " INNER " | " LEFT ") "JOIN " from# " ON " flat){0,5}' if joins else "",
        "alias": '(" AS " alias)?' if joins else "",
        "exists": '| "EXISTS (" select1 ")"' if within else "",
        "query": "| select1" if within else "",
        "bracketed": '| "(" select1 ")"' if within else "",
        "derived": '| "(" select1 ") AS " alias' if within else "",
    }
    for name, rule in parts.items():
        text = text.replace(f"<{name}>", rule)
    return text.replace("#", str(depth))


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _unfolded(text: str) -> str:
    """One line a rule."""
    return re.sub(r"\n +", " ", text.strip())


def plan_grammar(catalog: Catalog) -> str:
    """The grammar of the typed plans over these tables."""
    from loresmith.models.grammar import of_schema
    from loresmith.querying.plan import schema

    return of_schema(json.dumps(schema(catalog)))


def _choice(names: Iterable[str]) -> str:
    return " | ".join(_literal(name) for name in names)


def _literal(text: str) -> str:
    return json.dumps(text)
