"""Values and conditions of a statement in words: the parts that `reading` puts together.

What has no words stays as it is in the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from loresmith.querying.figures import Figure, figure
from loresmith.tables.values import Catalog

if TYPE_CHECKING:
    from sqlglot import exp

_PARTS = {"%Y": "year", "%Y-%m": "month", "%m": "month", "%d": "day", "%Y-%m-%d": "day"}


@dataclass(slots=True)
class Sayer:
    """Says the expressions of one query.

    Attributes:
        said: the words of the language.  asked: says a query that stands within this one.
        main: the table whose columns need no name beside them.
        twice: tables that this query reads under several names.
        outputs: what an alias of this query stands for.
    """

    catalog: Catalog
    said: Mapping[str, str]
    asked: Callable[[exp.Expression], str]
    main: str = ""
    twice: frozenset[str] = frozenset()
    outputs: Mapping[str, exp.Expression] = field(default_factory=dict)

    def say(self, key: str, *parts: str) -> str:
        return self.said[key].format(*parts)

    def title(self, node: exp.Column) -> str:
        """A column as the head of a result."""
        return self._column(node, alone=True)

    def _column(self, node: exp.Column, *, alone: bool = False) -> str:
        what = node.meta.get("figure", Figure())
        table = self.catalog.table(what.table)
        column = table.column(what.column) if table is not None else None
        if not alone and "source" not in node.meta and node.name.casefold() in self.outputs:
            return self.phrase(self.outputs[node.name.casefold()])
        if table is None or column is None or what.aggregate:
            return str(node.name).replace("_", " ")
        if table.sql in self.twice and node.meta.get("source"):
            return self.say("of", column.name, str(node.meta["source"]))
        if alone or not self.main or table.sql == self.main:
            return column.name
        return self.say("of", column.name, table.name)

    def phrase(self, node: exp.Expr) -> str:
        """A value in words."""
        from sqlglot import exp

        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Literal):
            return str(node.this)
        if isinstance(node, exp.Alias | exp.Cast | exp.Ordered):
            return self.phrase(node.this)
        if isinstance(node, exp.Paren):
            inner = self.phrase(node.this)
            return f"({inner})" if isinstance(node.this, exp.Binary) else inner
        if isinstance(node, exp.Nullif):
            return self.phrase(node.this)
        if isinstance(node, exp.Count | exp.Sum | exp.Avg | exp.Min | exp.Max):
            return self._aggregate(node)
        if isinstance(node, exp.GroupConcat):
            inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
            return self.say("list", self.phrase(inner))
        if isinstance(node, exp.Filter):
            return self.say("with", self.phrase(node.this), self.condition(node.expression.this))
        if isinstance(node, exp.TimeToStr):
            return self._part_of_date(node)
        if isinstance(node, exp.Coalesce) and len(node.expressions) == 1:
            return self.say(
                "with", self.phrase(node.this), self.say("else", self.phrase(node.expressions[0]))
            )
        if isinstance(node, exp.Round):
            return self.say("rounded", self.phrase(node.this))
        if isinstance(node, exp.Case | exp.If):
            return self._case(node)
        if isinstance(node, exp.Div | exp.Mul | exp.Add | exp.Sub):
            return self._arithmetic(node)
        if isinstance(node, exp.Neg):
            return f"−{self.phrase(node.this)}"
        if isinstance(node, exp.Subquery):
            return f"({self.asked(node.this)})"
        if isinstance(node, exp.CurrentDate):
            return self.said["today"]
        if isinstance(node, exp.Anonymous | exp.Date):
            return self._date_function(node)
        if isinstance(node, exp.Predicate | exp.Not | exp.Connector):
            return self.condition(node)
        if isinstance(node, exp.Lower | exp.Upper | exp.Trim):
            return self.phrase(node.this)
        return str(node.sql(dialect="sqlite"))

    def _aggregate(self, node: exp.Expression) -> str:
        from sqlglot import exp

        inner = node.this
        if isinstance(node, exp.Count):
            if isinstance(inner, exp.Star | exp.Literal):
                return self.said["rows"]
            if isinstance(inner, exp.Distinct):
                return self.say("different", ", ".join(self.phrase(e) for e in inner.expressions))
            if isinstance(inner, exp.Case) and (test := _counted(inner)) is not None:
                return self.say("with", self.said["rows"], self.condition(test))
            return self.say("count", self.phrase(inner))
        if isinstance(node, exp.Sum) and (test := _counted(inner)) is not None:
            return self.say("with", self.said["rows"], self.condition(test))
        if isinstance(inner, exp.Distinct):
            different = self.say("distinct", self._operand(inner.expressions[0]))
            return self.say(type(node).__name__.casefold(), different)
        key = type(node).__name__.casefold()
        if key in ("min", "max") and figure(inner).type in ("date", "datetime", "time"):
            key = {"min": "first", "max": "last"}[key]
        return self.say(key, self._operand(inner))

    def _part_of_date(self, node: exp.Expr) -> str:
        value = node.this.this if type(node.this).__name__ == "TsOrDsToTimestamp" else node.this
        form = node.args.get("format")
        key = _PARTS.get(str(form.this)) if form is not None else None
        return self.say(key, self.phrase(value)) if key else str(node.sql(dialect="sqlite"))

    def _date_function(self, node: exp.Expression) -> str:
        text = str(node.sql(dialect="sqlite"))
        if re.fullmatch(r"DATE\('now'\)", text, re.IGNORECASE):
            return self.said["today"]
        if re.fullmatch(r"DATE\([\w.]+\)", text, re.IGNORECASE):
            return self.say("day", self.phrase(node.expressions[0] if node.expressions else node.this))
        if re.fullmatch(r"TOTAL\(.*\)", text, re.IGNORECASE):
            return self.say("sum", self.phrase(node.expressions[0]))
        return text

    def _case(self, node: exp.Expression) -> str:
        branches = node.args["ifs"] if node.args.get("ifs") else [node]
        subject = node.this if node.args.get("ifs") else None
        said = []
        for branch in branches:
            test = self.condition(branch.this)
            if subject is not None:
                test = self.say("=", self.phrase(subject), self.phrase(branch.this))
            said.append(self.say("if", self.phrase(branch.args["true"]), test))
        default = node.args.get("default") or (node.args.get("false") if subject is None else None)
        if default is not None:
            said.append(self.say("otherwise", self.phrase(default)))
        return f"({', '.join(said)})"

    def _operand(self, node: exp.Expr) -> str:
        """A side of a calculation: in brackets where it is one itself."""
        from sqlglot import exp

        said = self.phrase(node)
        return (
            f"({said})"
            if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div) and said[:1] != "("
            else said
        )

    def _arithmetic(self, node: exp.Expression) -> str:
        from sqlglot import exp

        left, right = node.this, node.expression
        if isinstance(node, exp.Mul):
            for one, other in ((left, right), (right, left)):
                if isinstance(one, exp.Literal) and not one.is_string and float(one.this) == 1:
                    return self.phrase(other)
            for one, other in ((left, right), (right, left)):
                over = other.this if isinstance(other, exp.Paren) else other
                if _hundred(one) and isinstance(over, exp.Div):
                    return self.say("percent", self._operand(over.this), self._operand(over.expression))
            return f"{self._operand(left)} × {self._operand(right)}"
        if isinstance(node, exp.Div):
            inner = left.this if isinstance(left, exp.Paren) else left
            if isinstance(inner, exp.Mul):
                for one, other in ((inner.this, inner.expression), (inner.expression, inner.this)):
                    if _hundred(one):
                        return self.say("percent", self._operand(other), self._operand(right))
            return self.say("per", self._operand(left), self._operand(right))
        sign = "+" if isinstance(node, exp.Add) else "−"
        return f"{self._operand(left)} {sign} {self._operand(right)}"

    # --- conditions --------------------------------------------------------------------------

    def condition(self, node: exp.Expr) -> str:
        from sqlglot import exp

        if isinstance(node, exp.And | exp.Or):
            if (whole := span(node)) is not None:
                return self.say("within", self.phrase(whole[0]), whole[1])
            word = self.said["and" if isinstance(node, exp.And) else "or"]
            sides = [self.condition(side) for side in (node.left, node.right)]
            if isinstance(node, exp.And):
                sides = [
                    f"({said})" if isinstance(side, exp.Or) else said
                    for said, side in zip(sides, (node.left, node.right), strict=True)
                ]
            return f" {word} ".join(sides)
        if isinstance(node, exp.Paren):
            inner = self.condition(node.this)
            return f"({inner})" if isinstance(node.this, exp.Or) and span(node.this) is None else inner
        if isinstance(node, exp.Not):
            return self._negated(node)
        if isinstance(node, exp.Between):
            low, high = node.args["low"], node.args["high"]
            if year := whole_span(low, high):
                return self.say("within", self.phrase(node.this), year)
            return self.say(
                "between", self.phrase(node.this), *(self.value(v, node.this) for v in (low, high))
            )
        if isinstance(node, exp.In):
            asked = node.args.get("query")
            if asked is not None:
                return self.say("among", self.phrase(node.this), self.asked(asked))
            return self.say(
                "in", self.phrase(node.this), ", ".join(self.value(v, node.this) for v in node.expressions)
            )
        if isinstance(node, exp.Exists):
            return self.say("exists", self.asked(node.this))
        if isinstance(node, exp.Is):
            key = "empty" if isinstance(node.expression, exp.Null) else "="
            return self.say(key, self.phrase(node.this), self.phrase(node.expression))
        if isinstance(node, exp.Like | exp.ILike):
            return self._like(node)
        if isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
            return self._compared(node)
        return self.phrase(node) if not isinstance(node, exp.Predicate) else str(node.sql(dialect="sqlite"))

    def _negated(self, node: exp.Expression) -> str:
        from sqlglot import exp

        inner = node.this.this if isinstance(node.this, exp.Paren) else node.this
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return self.say("filled", self.phrase(inner.this))
        if isinstance(inner, exp.In) and inner.args.get("query") is not None:
            return self.say("not among", self.phrase(inner.this), self.asked(inner.args["query"]))
        if isinstance(inner, exp.EQ):
            return self.say("!=", self.phrase(inner.this), self.value(inner.expression, inner.this))
        return self.say("not", self.condition(inner))

    def _like(self, node: exp.Expression) -> str:
        from sqlglot import exp

        pattern = node.expression.this if isinstance(node.expression, exp.Lower) else node.expression
        text = str(pattern.this) if isinstance(pattern, exp.Literal) else ""
        bare = text.strip("%")
        subject = self.phrase(node.this)
        if not bare or "%" in bare or "_" in bare:
            return self.say("like", subject, text or self.phrase(node.expression))
        left, right = text.startswith("%"), text.endswith("%")
        key = "contains" if left and right else "ends" if left else "begins" if right else "="
        return self.say(key, subject, bare)

    def _compared(self, node: exp.Expression) -> str:
        from sqlglot import exp

        keys: dict[type, str] = {
            exp.EQ: "=",
            exp.NEQ: "!=",
            exp.GT: ">",
            exp.GTE: ">=",
            exp.LT: "<",
            exp.LTE: "<=",
        }
        left, right, key = node.this, node.expression, keys[type(node)]
        if isinstance(left, exp.Literal) and not isinstance(right, exp.Literal):
            left, right = right, left
            key = {">": "<", ">=": "<=", "<": ">", "<=": ">="}.get(key, key)
        if key[0] in "<>" and figure(left).type in ("date", "datetime"):
            key += "date"
        return self.say(key, self.phrase(left), self.value(right, left))

    def value(self, node: exp.Expression, beside: exp.Expression) -> str:
        """A value that something is compared with: with the unit of what it is compared with."""
        from sqlglot import exp

        said, what = self.phrase(node), figure(beside)
        if isinstance(node, exp.Literal) and not node.is_string:
            if what.type == "boolean" and said in ("0", "1"):
                return self.said["yes" if said == "1" else "no"]
            if what.unit and what.unit != "julianday":
                return f"{said} {what.unit}"
        return said


def _counted(node: exp.Expression) -> exp.Expression | None:
    """The test of a sum over ones and zeros."""
    from sqlglot import exp

    if isinstance(node, exp.Case) and len(node.args["ifs"]) == 1 and node.this is None:
        branch, default = node.args["ifs"][0], node.args.get("default")
    elif isinstance(node, exp.If):
        branch, default = node, node.args.get("false")
    else:
        return None
    zero = default is None or (isinstance(default, exp.Literal) and str(default.this) == "0")
    one = isinstance(branch.args["true"], exp.Literal) and str(branch.args["true"].this) == "1"
    test: exp.Expression = branch.this
    return test if one and zero else None


def _hundred(node: exp.Expression) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Literal) and not node.is_string and float(node.this) == 100


def whole_span(low: exp.Expression, high: exp.Expression) -> str:
    """ "2024" or "2024-03" where two dates are its first and last day."""
    from sqlglot import exp

    if not (isinstance(low, exp.Literal) and isinstance(high, exp.Literal)):
        return ""
    try:
        first, last = date.fromisoformat(str(low.this)), date.fromisoformat(str(high.this))
    except ValueError:
        return ""
    if first.day != 1 or last.year == 9999:
        return ""
    after = last + timedelta(days=1)
    if first.month == 1 and (after.month, after.day, after.year) == (1, 1, first.year + 1):
        return str(first.year)
    following = (first.year + first.month // 12, first.month % 12 + 1, 1)
    return f"{first:%Y-%m}" if (after.year, after.month, after.day) == following else ""


def span(node: exp.Expr) -> tuple[exp.Expression, str] | None:
    """`moment >= first AND moment < the day after the last`, as the whole year, month or day."""
    from sqlglot import exp

    if not (isinstance(node, exp.And) and isinstance(node.left, exp.GTE) and isinstance(node.right, exp.LT)):
        return None
    low, high = node.left.expression, node.right.expression
    if (
        node.left.this != node.right.this
        or not isinstance(low, exp.Literal)
        or not isinstance(high, exp.Literal)
    ):
        return None
    try:
        last = date.fromisoformat(str(high.this)) - timedelta(days=1)
        first = date.fromisoformat(str(low.this))
    except (ValueError, OverflowError):
        return None
    said = str(first) if first == last else whole_span(low, exp.Literal.string(str(last)))
    return (node.left.this, said) if said else None
