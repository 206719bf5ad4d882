"""What a statement compares text columns with, and whether that stands there.

A model writes 'machine learning' where the cell says 'Machine Learning', or looks for an airport's code
in the column of its names. The first is put right here, the second is said, with where the text does
stand and what stands nearest to it, so that the query can be written again.

Promises: only a literal that is compared with a text column is changed, and only into a value of that
very column which reads the same without case, accents and punctuation.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loresmith.tables.names import fold
from loresmith.tables.values import Catalog, Column, Table

if TYPE_CHECKING:
    from sqlglot import exp

_NEAR = 3
_FLAGS = frozenset(("yes", "no", "y", "n", "true", "false", "t", "f", "ja", "nein", "si", "oui", "non", "x"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A text that a column is compared with; `like`: as a pattern."""

    table: Table
    column: Column
    text: str
    like: bool
    folded: bool  # both sides are lowered: the spelling does not count


def respelled(tree: exp.Expression, catalog: Catalog, connection: sqlite3.Connection) -> str:
    """The statement with each text as it stands in the column it is compared with."""
    tree = tree.copy()
    for comparison, node in _comparisons(tree, catalog):
        if comparison.like or comparison.folded or _stands(comparison, connection):
            continue
        if (same := _same(comparison, connection)) is not None:
            node.set("this", same)
    return tree.sql(dialect="sqlite")


def missing(tree: exp.Expression, catalog: Catalog, connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the texts of a statement: a sentence for each that stands nowhere in its column."""
    found = []
    for comparison, _ in _comparisons(tree, catalog):
        if not _stands(comparison, connection):
            found.append(_advice(comparison, catalog, connection))
    return list(dict.fromkeys(found))


def invented(tree: exp.Expression, catalog: Catalog, said: str, numbers: Sequence[float] = ()) -> list[str]:
    """What a statement compares columns with although nobody said it: a sentence for each.

    A small model that cannot express a condition ("with parking") takes another in its place. Yes and no
    need not be said.

    Args:
        said: the question and what documents say.  numbers: those of the question, spelled ones too.
    """
    from sqlglot import exp

    words = fold(said).split()
    found = [
        f"'{comparison.text}' is not in the question."
        for comparison, _ in _comparisons(tree, catalog)
        if fold(comparison.text) not in _FLAGS and not _said(comparison.text, words)
    ]
    known = {*numbers, *(float(n) for n in re.findall(r"\d+(?:\.\d+)?", said))}
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In):
        sides = [node.this, *node.expressions] if isinstance(node, exp.In) else [node.this, node.expression]
        if not isinstance(sides[0], exp.Column):
            continue
        for side in sides[1:]:
            if isinstance(side, exp.Literal) and not side.is_string:
                value = float(side.this)
                if value > 1 and not {value, value - 1, value + 1} & known:
                    found.append(f"{side.this} is not in the question.")
    return list(dict.fromkeys(found))


def _said(text: str, words: Sequence[str]) -> bool:
    """Whether most words of a text stand in the question, in one form or another."""
    parts = fold(text).split()
    near = [
        any(
            part == word
            or (min(len(part), len(word)) >= 3 and (word.startswith(part) or part.startswith(word)))
            or (len(part) > 5 and part[:5] == word[:5])
            for word in words
        )
        for part in parts
    ]
    return 2 * sum(near) >= len(parts)


def _comparisons(tree: exp.Expression, catalog: Catalog) -> Iterator[tuple[Comparison, exp.Literal]]:
    from sqlglot import exp

    for node in list(tree.find_all(exp.EQ, exp.NEQ, exp.Like, exp.ILike, exp.In, exp.Is)):
        if isinstance(node, exp.In):
            sides, others = node.this, list(node.expressions)
        else:
            sides, others = node.this, [node.expression]
            if isinstance(sides, exp.Literal):
                sides, others = node.expression, [node.this]
        column, lowered = _bare(sides)
        if not isinstance(column, exp.Column):
            continue
        known = _column(column, catalog)
        if known is None or known[1].type != "text":
            continue
        for other in others:
            literal, also = _bare(other)
            if isinstance(literal, exp.Literal):  # a number is compared as a text here
                like = isinstance(node, exp.Like | exp.ILike)
                yield Comparison(*known, str(literal.this), like, lowered or also), literal


def _bare(node: exp.Expression) -> tuple[exp.Expression, bool]:
    """What stands in LOWER(…), TRIM(…) and brackets, and whether its spelling is lowered there."""
    from sqlglot import exp

    lowered = False
    while isinstance(node, exp.Lower | exp.Upper | exp.Trim | exp.Paren | exp.Collate):
        lowered |= not isinstance(node, exp.Paren | exp.Trim)
        node = node.this
    return node, lowered


def _column(node: exp.Column, catalog: Catalog) -> tuple[Table, Column] | None:
    """Which column of which table is meant, through aliases, from the innermost query outwards."""
    from sqlglot import exp

    select = node.find_ancestor(exp.Select)
    while select is not None:
        sources = [s for s in _sources(select) if isinstance(s, exp.Table)]
        for source in sources:
            table = catalog.table(source.name)
            if table is None or (node.table and node.table.casefold() != source.alias_or_name.casefold()):
                continue
            if (column := table.column(node.name)) is not None:
                return table, column
        select = select.find_ancestor(exp.Select)
    return None


def _sources(select: exp.Select) -> list[exp.Expression]:
    source = select.args.get("from_") or select.args.get("from")
    first = [source.this] if source is not None else []
    return [*first, *(join.this for join in select.args.get("joins") or ())]


def _stands(comparison: Comparison, connection: sqlite3.Connection) -> bool:
    # The identifiers are the catalog's own, which need no quotes; the text is a parameter.
    table, column = comparison.table.sql, comparison.column.sql
    if comparison.like:
        where = f"{column} LIKE ?"
    elif comparison.folded:
        where = f"{column} = ? COLLATE NOCASE"
    else:
        where = f"{column} = ?"
    found = connection.execute(f"SELECT 1 FROM {table} WHERE {where} LIMIT 1", (comparison.text,))
    return found.fetchone() is not None


def _same(comparison: Comparison, connection: sqlite3.Connection) -> str | None:
    """The value of the column that reads the same, where there is exactly one."""
    found = connection.execute(
        "SELECT value FROM _values WHERE folded = ? AND table_name = ? AND column_name = ? LIMIT 2",
        (fold(comparison.text), comparison.table.sql, comparison.column.sql),
    ).fetchall()
    return str(found[0][0]) if len(found) == 1 else None


def _advice(comparison: Comparison, catalog: Catalog, connection: sqlite3.Connection) -> str:
    bare = comparison.text.strip("%_") if comparison.like else comparison.text
    place = f"{comparison.table.sql}.{comparison.column.sql}"
    says = f"'{bare}' does not stand in {place}"
    there = [
        f"{table}.{column}"
        for table, column in connection.execute(
            "SELECT DISTINCT table_name, column_name FROM _values WHERE folded = ?", (fold(bare),)
        )
        if _seen(catalog, table, column) and f"{table}.{column}" != place
    ]
    if there:
        return f"{says}; it stands in {', '.join(there[:_NEAR])}."
    near = nearest(bare, comparison.table, comparison.column, connection)
    if near:
        return f"{says}; near are {', '.join(repr(value) for value in near)}."
    return f"{says}."


def nearest(text: str, table: Table, column: Column, connection: sqlite3.Connection) -> list[str]:
    """Values of a column that are like a text: those that hold its words first, then alike letters."""
    wanted = fold(text)
    words = [word for word in re.split(r"\s+", wanted) if len(word) > 2]
    holding = []
    if words:
        holding = connection.execute(
            "SELECT value FROM _values WHERE table_name = ? AND column_name = ? AND instr(folded, ?) "
            "ORDER BY count DESC LIMIT ?",
            (table.sql, column.sql, max(words, key=len), _NEAR),
        ).fetchall()
    if holding:
        return [str(value) for (value,) in holding]
    some = connection.execute(
        "SELECT folded, value FROM _values WHERE table_name = ? AND column_name = ? "
        "ORDER BY count DESC LIMIT 2000",
        (table.sql, column.sql),
    ).fetchall()
    spelled = {str(folded): str(value) for folded, value in some}
    return [spelled[found] for found in difflib.get_close_matches(wanted, list(spelled), _NEAR, 0.6)]


def _seen(catalog: Catalog, table: str, column: str) -> bool:
    known = catalog.table(table)
    return known is not None and known.column(column) is not None
