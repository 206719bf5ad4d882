"""Is this statement one that may be run? Its words, its size, its names; nothing is taken on trust.

    text -> parsed -> only known parts -> names resolved against the catalog -> `Checked`

Promises: what runs is what was understood: the statement is written anew from the tree that passed, by
a list of what is allowed, never of what is forbidden. `execute` asks the database itself to refuse the
rest, so that a mistake here alone opens nothing.

Things that models write and SQLite silently answers wrongly are put right or refused: a part of a date
compared with a number (strftime gives text), YEAR(…) and EXTRACT, the quotient of two whole figures over
rows, which would be cut to a whole number, and those of `soundness`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loresmith.errors import Unsound
from loresmith.querying import soundness
from loresmith.querying.figures import Figure
from loresmith.querying.scopes import resolve
from loresmith.tables.values import Catalog

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST = 20_000  # characters
_DEEPEST = 40  # brackets within brackets
_MOST_PARTS = 4_000
_MOST_QUERIES = 24
_MOST_TABLES = 16
_MOST_WILDCARDS = 8

_NAMES = (
    "Select Union Intersect Except Subquery From Join Where Group Having Order Ordered Limit Offset With "
    "CTE Table TableAlias Alias Column Identifier Star Literal Null Boolean Paren Tuple Distinct Case If "
    "Cast DataType DataTypeParam And Or Not Is NullSafeEQ NullSafeNEQ In Between Like ILike Escape Exists "
    "EQ NEQ GT GTE LT LTE Add Sub Mul Div Mod Neg DPipe Collate Var Filter Window WindowSpec Count Sum "
    "Avg Min Max GroupConcat Abs Round Ceil Floor Coalesce Nullif Lower Upper Length Trim Substring "
    "StrPosition TimeToStr TsOrDsToTimestamp Least Greatest CurrentDate CurrentTimestamp Date Sqrt Pow "
    "RowNumber Rank DenseRank Ntile Lag Lead FirstValue LastValue Anonymous Extract Year Month Day "
)
_PARTS = frozenset(_NAMES.split())
_FUNCTIONS = frozenset(("total", "julianday", "datetime", "date", "time"))  # that the parser has no class for
_TYPES = frozenset(
    ("INT", "BIGINT", "SMALLINT", "TINYINT", "FLOAT", "DOUBLE", "DECIMAL", "TEXT", "VARCHAR", "CHAR")
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that may be run.

    Attributes:
        sql: as it is run and shown.
        tree: of it, its names resolved (see scopes).
        tables: sql names of the catalog's tables that it reads.
        columns: of the result, in words.  units: "" where there is none.
        figures: what each column of the result is.
    """

    sql: str
    tree: exp.Expression
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    units: tuple[str, ...]
    figures: tuple[Figure, ...] = ()


def check(sql: str, catalog: Catalog) -> Checked:
    """The statement, resolved.

    Raises:
        Unsound: it may not be run; the text says why, so that it can be written again.
    """
    from loresmith.querying.reading import titles

    tree = _parse(sql)
    try:
        _vocabulary(tree)
        tree = _repaired(tree)
        _size(tree)
        outputs = resolve(tree, catalog)
        soundness.compare(tree, catalog)
        soundness.shown(tree, catalog)
        soundness.joined(tree)
        soundness.summed(tree, catalog)
        text = tree.sql(dialect="sqlite", comments=False)
    except RecursionError:
        raise Unsound("The statement is nested too deeply.") from None
    figures = tuple(what for _, what in outputs)
    tables = dict.fromkeys(table for s in _selects(tree) for _, table in s.meta.get("sources", ()) if table)
    return Checked(
        sql=text,
        tree=tree,
        tables=tuple(tables),
        columns=titles(tree, catalog),
        units=tuple("" if f.unit == "julianday" else f.unit for f in figures),
        figures=figures,
    )


def _selects(tree: exp.Expression) -> list[exp.Expression]:
    from sqlglot import exp

    return list(tree.find_all(exp.Select))


# --- reading ----------------------------------------------------------------------------------


def _parse(sql: str) -> exp.Expression:
    import sqlglot
    from sqlglot import errors, exp

    text = sql.strip()
    if not text:
        raise Unsound("The statement is empty.")
    if len(text) > LONGEST:
        raise Unsound(f"The statement has {len(text)} characters; {LONGEST} are allowed.")
    if any(ord(c) < 32 and c not in "\t\r\n" for c in text):
        raise Unsound("The statement holds a control character.")
    depth = 0
    for c in text:  # before the parser, whose recursion is Python's own
        depth += (c == "(") - (c == ")")
        if depth > _DEEPEST:
            raise Unsound("The statement is nested too deeply.")
    if len(re.findall(r"\bcase\b", text, re.IGNORECASE)) > _DEEPEST:
        raise Unsound("The statement has too many CASE.")
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it cannot read is refused, not logged
    try:
        read = sqlglot.parse(text, dialect="sqlite")
    except errors.SqlglotError as error:
        first = str(error).splitlines()[0] if str(error) else "it is not SQL"
        raise Unsound(f"The statement cannot be read: {_plain(first)}") from None
    except RecursionError:
        raise Unsound("The statement is nested too deeply.") from None
    # A comment after the last semicolon comes as a statement of its own.
    parsed = [tree for tree in read if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(parsed) != 1:
        raise Unsound(f"One statement is allowed, not {len(parsed)}.")
    tree = parsed[0]
    while isinstance(tree, exp.Subquery) and not any(
        tree.args.get(k) for k in ("order", "limit", "with_", "alias")
    ):
        tree = tree.this
    if not isinstance(tree, exp.Select | exp.SetOperation):
        raise Unsound("Only SELECT is allowed.")
    return tree


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _vocabulary(tree: exp.Expression) -> None:
    """Only parts that are known, with nothing to them that is not."""
    from sqlglot import exp

    count = 0
    for node in tree.walk():
        count += 1
        kind = type(node).__name__
        if kind not in _PARTS:
            raise Unsound(f"{_name(node)} is not allowed in a query.", _advice(node))
        if isinstance(node, exp.Anonymous):
            if not isinstance(node.this, str) or node.this.casefold() not in _FUNCTIONS:
                raise Unsound(f"The function {node.name} is not allowed.", _advice(node))
        elif isinstance(node, exp.Cast):
            if str(node.to.this.value if hasattr(node.to.this, "value") else node.to.this) not in _TYPES:
                raise Unsound(
                    f"CAST to {node.to.sql('sqlite')} is not allowed.", "Dates are text: use DATE(…)."
                )
        elif isinstance(node, exp.Collate):
            if node.expression.name.casefold() not in ("nocase", "binary", "rtrim"):
                raise Unsound(f"COLLATE {node.expression.name} does not exist.")
        elif isinstance(node, exp.Like) and isinstance(node.expression, exp.Literal):
            if str(node.expression.this).count("%") > _MOST_WILDCARDS:
                raise Unsound(f"A pattern has at most {_MOST_WILDCARDS} wildcards.")
        elif isinstance(node, exp.Limit | exp.Offset):
            if not isinstance(node.expression, exp.Literal) or not str(node.expression.this).isdigit():
                raise Unsound("LIMIT and OFFSET take a whole number.")
        elif isinstance(node, exp.TimeToStr) and not isinstance(node.args.get("format"), exp.Literal):
            raise Unsound("The format of STRFTIME is a literal.")
        if isinstance(node, exp.Select) and any(
            node.args.get(k)
            for k in ("into", "laterals", "pivots", "sample", "locks", "match", "connect", "kind", "hint")
        ):
            raise Unsound("The SELECT has words that are not allowed.")
    if count > _MOST_PARTS:
        raise Unsound("The statement is too long.")


def _name(node: exp.Expr) -> str:
    from sqlglot import exp

    if isinstance(node, exp.Func):
        return f"The function {node.sql_name()}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def _advice(node: exp.Expr) -> str:
    from sqlglot import exp

    if isinstance(node, exp.Concat):
        return "Join texts with ||."
    if isinstance(node, exp.Anonymous) or type(node).__name__.startswith(("Date", "Timestamp", "Interval")):
        return "For dates there are DATE, STRFTIME and JULIANDAY; 'YYYY-MM-DD' is a date."
    return ""


def _size(tree: exp.Expression) -> None:
    from sqlglot import exp

    if len(_selects(tree)) > _MOST_QUERIES:
        raise Unsound(f"The statement has more than {_MOST_QUERIES} queries.")
    if sum(1 for _ in tree.find_all(exp.Table)) > _MOST_TABLES:
        raise Unsound(f"The statement names more than {_MOST_TABLES} tables.")


# --- what SQLite would silently answer wrongly ---------------------------------------------------


def _repaired(tree: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    def repair(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Extract):
            part = node.this.name.casefold()
            return _part(part, node.expression)
        if isinstance(node, exp.Year | exp.Month | exp.Day):
            return _part(type(node).__name__.casefold(), node.this)
        if isinstance(node, exp.Div) and _whole(node.this) and _whole(node.expression):
            return exp.Div(
                this=exp.Mul(this=exp.Literal.number("1.0"), expression=node.this.copy()),
                expression=node.expression.copy(),
                typed=node.args.get("typed"),
                safe=node.args.get("safe"),
            )
        return node

    tree = tree.transform(repair, copy=False)
    for node in list(tree.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between)):
        texts = node.this, node.args.get("expression")
        if any(isinstance(side, exp.TimeToStr) for side in texts):
            sides = [node.this, node.args.get("expression"), node.args.get("low"), node.args.get("high")]
            for side in [*sides, *(node.expressions or [])]:
                if isinstance(side, exp.Literal) and not side.is_string:
                    side.replace(exp.Literal.string(str(side.this).zfill(2)))
    return tree


def _part(name: str, value: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    formats = {"year": "%Y", "month": "%m", "day": "%d"}
    if name not in formats:
        raise Unsound(f"{name.upper()} of a date cannot be asked for.", "Use STRFTIME.")
    text = exp.func("STRFTIME", exp.Literal.string(formats[name]), value.copy(), dialect="sqlite")
    return exp.cast(text, "int")


def _whole(node: exp.Expression) -> bool:
    """A count, bare or in brackets: the quotient of two is meant as a fraction."""
    from sqlglot import exp

    while isinstance(node, exp.Paren | exp.Filter | exp.Subquery | exp.Nullif):
        node = node.this
    if isinstance(node, exp.Select):
        return len(node.expressions) == 1 and _whole(node.expressions[0].unalias())
    if isinstance(node, exp.Sum):  # of ones and zeros
        return isinstance(node.this, exp.Case | exp.If) and not any(
            "." in str(x.this) for x in node.find_all(exp.Literal)
        )
    return isinstance(node, exp.Count)
