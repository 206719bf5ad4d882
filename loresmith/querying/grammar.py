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
FUNCTIONS = ("ROUND", "LOWER", "UPPER", "LENGTH", "ABS", "SUBSTR", "COALESCE", "NULLIF", "STRFTIME", "DATE",
             "JULIANDAY", "DATETIME", "IFNULL", "TRIM", "INSTR", "REPLACE")  # fmt: skip

# Spaces are single: a model that may write any number of them sometimes writes nothing else. A string is
# bounded for the same reason.
_SQL = r"""
root ::= query ";"?
query ::= select (s ("UNION" | "INTERSECT" | "EXCEPT") s select)?
select ::= "SELECT " "DISTINCT "? item ("," s item)* s "FROM " from (s join)* (s "WHERE " cond)?
    (s "GROUP BY " expr ("," s expr)*)? (s "HAVING " cond)?
    (s "ORDER BY " order ("," s order)*)? (s "LIMIT " digits)?
item ::= expr (" AS " name)?
from ::= table (" AS " alias)? | "(" query ") AS " alias
join ::= ("INNER " | "LEFT ")? "JOIN " from " ON " cond
cond ::= pred (s ("AND " | "OR ") pred)*
pred ::= "NOT "? (expr tail | "(" cond ")" | "EXISTS (" query ")")
tail ::= " "? compare " "? expr | " NOT"? " LIKE " expr | " NOT"? " BETWEEN " expr " AND " expr
    | " NOT"? " IN (" (query | literal ("," " "? literal)*) ")" | " IS NULL" | " IS NOT NULL"
compare ::= "=" | "<>" | "!=" | "<=" | ">=" | "<" | ">"
order ::= expr (" ASC" | " DESC")?
expr ::= term (" "? [-+*/%] " "? term | " || " term)*
term ::= column | literal | name | "COUNT(*)" | "(" expr ")" | "(" query ")" | aggregate | call | cast | case
aggregate ::= (AGGREGATES) "(" "DISTINCT "? expr ")"
call ::= (FUNCTIONS) "(" expr ("," " "? expr)* ")"
cast ::= "CAST(" expr " AS " ("REAL" | "INTEGER" | "FLOAT" | "TEXT") ")"
case ::= "CASE" (s "WHEN " cond " THEN " expr)+ (s "ELSE " (expr | "NULL"))? s "END"
literal ::= "-"? digits ("." digits)? | "'" ([^'\n] | "''"){0,100} "'"
digits ::= [0-9]{1,12}
s ::= " " | "\n"
alias ::= [a-zA-Z] [a-z0-9]?
"""

# What a query may call its own columns. A free choice would let it name columns that do not exist.
NAMES = ("number", "total", "average", "highest", "lowest", "ratio", "percentage", "difference", "duration",
         "result", "period", "first", "last")  # fmt: skip


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
    text = re.sub(r"\n +", " ", _SQL.strip())
    text = text.replace("AGGREGATES", _choice(AGGREGATES)).replace("FUNCTIONS", _choice(FUNCTIONS))
    aliased = 'alias "." any'
    if not joins:
        text = text.replace(" (s join)*", "").replace('from ::= table (" AS " alias)?', "from ::= table")
        text = re.sub(r"^join ::= .*\n", "", text, flags=re.MULTILINE)
    rules = [text, f"table ::= {tables}", f"any ::= {_choice(every)}"]
    rules.append("column ::= any | " + " | ".join([*own, *([aliased] if joins else [])]))
    rules.append(f"name ::= {_choice(NAMES)}")
    return "\n".join(rules) + "\n"


def plan_grammar(catalog: Catalog) -> str:
    """The grammar of the typed plans over these tables."""
    from loresmith.models.grammar import of_schema
    from loresmith.querying.plan import schema

    return of_schema(json.dumps(schema(catalog)))


def _choice(names: Iterable[str]) -> str:
    return " | ".join(_literal(name) for name in names)


def _literal(text: str) -> str:
    return json.dumps(text)
