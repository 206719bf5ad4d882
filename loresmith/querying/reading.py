"""A statement in plain words, from its resolved tree.

"sum of hours of maintenance where pump is P-200 and year of date is 2024, by technician, highest first".
What has no words stays as it is in the statement: a reading may be stiff, never wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from loresmith.querying.figures import Figure, figure
from loresmith.querying.phrases import words
from loresmith.querying.scopes import meant
from loresmith.tables.values import Catalog

if TYPE_CHECKING:
    from sqlglot import exp

_LONGEST_TITLE = 60
_PARTS = {"%Y": "year", "%Y-%m": "month", "%m": "month", "%d": "day", "%Y-%m-%d": "day"}


def reading(tree: exp.Expression, catalog: Catalog, language: str = "en") -> str:
    """The query in words."""
    return _Reader(catalog, words(language)).query(tree)


def titles(tree: exp.Expression, catalog: Catalog, language: str = "en") -> tuple[str, ...]:
    """A name for each column of the result."""
    from sqlglot import exp

    select = tree
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    reader = _Reader(catalog, words(language))
    reader.enter(select)
    named = [reader.title(projection) for projection in select.expressions]
    again = Counter(named)
    for n, projection in enumerate(select.expressions):
        what = figure(projection.unalias())
        owner = catalog.table(what.table)
        if again[named[n]] > 1 and owner is not None:
            named[n] = f"{named[n]} ({owner.name})"
    seen = Counter[str]()
    for n, name in enumerate(named):
        seen[name] += 1
        named[n] = name if seen[name] == 1 else f"{name} {seen[name]}"
    return tuple(named)


class _Reader:
    def __init__(self, catalog: Catalog, said: Mapping[str, str], main: str = "") -> None:
        self.catalog, self.said, self.main = catalog, said, main
        self.outputs: dict[str, exp.Expression] = {}  # what an alias of this query stands for

    def say(self, key: str, *parts: str) -> str:
        return self.said[key].format(*parts)

    # --- queries -----------------------------------------------------------------------------

    def enter(self, select: exp.Expression) -> None:
        sources = select.meta.get("sources", ())
        self.main = next((table for _, table in sources if table), "")
        self.outputs = {str(p.alias).casefold(): p.unalias() for p in select.expressions if p.args.get("alias")}

    def query(self, tree: exp.Expression) -> str:
        from sqlglot import exp

        if isinstance(tree, exp.Subquery):
            return self.query(tree.this)
        if isinstance(tree, exp.SetOperation):
            key = (
                "without"
                if isinstance(tree, exp.Except)
                else "common"
                if isinstance(tree, exp.Intersect)
                else "together"
            )
            both = [_Reader(self.catalog, self.said).query(side) for side in (tree.this, tree.expression)]
            return ", ".join([self.say(key, *both), *self._cut(tree)])
        inner = _Reader(self.catalog, self.said)
        inner.enter(tree)
        return inner.select(tree)  # type: ignore[arg-type]

    def select(self, tree: exp.Select) -> str:
        from sqlglot import exp

        group = tree.args.get("group")
        grouped = [meant(term, tree) for term in group.expressions] if group else []
        keys = {g.sql() for g in grouped}
        shown = [p.unalias() for p in tree.expressions]
        listed = [self.phrase(p) for p in shown if p.sql() not in keys] or [self.phrase(p) for p in shown]
        subject = self.said["row"] if all(isinstance(p, exp.Literal) for p in shown) else ", ".join(listed)
        if tree.args.get("distinct"):
            subject = self.say("distinct", subject)
        sources = self._sources(tree)
        several = len(tree.meta.get("sources", ())) > 1
        text = self.say("from" if several else "of", subject, sources) if sources else subject
        where = tree.args.get("where")
        if where is not None:
            text = self.say("where", text, self.condition(where.this))
        tail = []
        if grouped:
            tail.append(self.say("by", ", ".join(self.phrase(g) for g in grouped)))
        having = tree.args.get("having")
        if having is not None:
            tail.append(self.say("having", self.condition(having.this)))
        order = tree.args.get("order")
        if order is not None:
            tail += [
                self._ordered(term, tree, len(shown) - len(keys & {p.sql() for p in shown}))
                for term in order.expressions
            ]
        tail += self._cut(tree)
        return ", ".join([text, *tail])

    def _sources(self, tree: exp.Select) -> str:
        from sqlglot import exp

        start = tree.args.get("from_")
        if start is None:
            return ""
        names = []
        for node in (start.this, *(j.this for j in tree.args.get("joins") or ())):
            if isinstance(node, exp.Subquery):
                names.append(f"({self.query(node.this)})")
                continue
            table = self.catalog.table(node.name)
            cte = self._part(tree, node.name)
            names.append(
                table.name
                if table is not None and cte is None
                else f"({self.query(cte)})"
                if cte
                else node.name
            )
        return f" {self.said['and']} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def _part(self, tree: exp.Expression, name: str) -> exp.Expression | None:
        """The query that a WITH gives this name."""
        at: exp.Expression | None = tree
        while at is not None:
            clause = at.args.get("with_")
            for cte in clause.expressions if clause is not None else ():
                if str(cte.alias).casefold() == name.casefold():
                    found: exp.Expression = cte.this
                    return found
            at = at.parent  # type: ignore[assignment]
        return None

    def _ordered(self, term: exp.Expression, tree: exp.Select, figures: int) -> str:
        from sqlglot import exp

        term_is = meant(term.this, tree)
        what, down = figure(term_is), bool(term.args.get("desc"))
        if what.type in ("date", "datetime", "time") or term_is.find(exp.TimeToStr):
            direction = self.said["latest" if down else "earliest"]
        elif what.type == "text" and not what.aggregate:
            direction = self.said["z-a" if down else "a-z"]
        else:
            direction = self.said["highest" if down else "lowest"]
        group = tree.args.get("group")
        keys = [meant(g, tree).sql() for g in group.expressions] if group else []
        if keys == [term_is.sql()]:
            return direction
        alone = len(tree.args["order"].expressions) == 1 and figures == 1
        chosen = term_is.sql() in {p.unalias().sql() for p in tree.expressions} and what.aggregate
        return direction if alone and chosen else self.say("ordered", self.phrase(term_is), direction)

    def _cut(self, tree: exp.Expression) -> list[str]:
        limit, offset = tree.args.get("limit"), tree.args.get("offset")
        said = []
        if limit is not None:
            count = str(limit.expression.this)
            said.append(self.said["only first"] if count == "1" else self.say("first n", count))
        if offset is not None:
            said.append(self.say("after n", str(offset.expression.this)))
        return said

    # --- expressions -------------------------------------------------------------------------

    def title(self, projection: exp.Expression) -> str:
        from sqlglot import exp

        inner = projection.unalias()
        if isinstance(inner, exp.Column):
            return self._column(inner, alone=True)
        said = self.phrase(inner)
        if len(said) > _LONGEST_TITLE and isinstance(projection, exp.Alias):
            return projection.alias.replace("_", " ").strip() or said
        return said

    def _column(self, node: exp.Column, *, alone: bool = False) -> str:
        what = node.meta.get("figure", Figure())
        table = self.catalog.table(what.table)
        column = table.column(what.column) if table is not None else None
        if not alone and "source" not in node.meta and node.name.casefold() in self.outputs:
            return self.phrase(self.outputs[node.name.casefold()])
        if table is None or column is None or what.aggregate:
            return str(node.name).replace("_", " ")
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
            return f"({self.query(node.this)})"
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
            if isinstance(inner, exp.Case) and not inner.args.get("default") and len(inner.args["ifs"]) == 1:
                return self.say("with", self.said["rows"], self.condition(inner.args["ifs"][0].this))
            return self.say("count", self.phrase(inner))
        if isinstance(node, exp.Sum) and (test := _counted(inner)) is not None:
            return self.say("with", self.said["rows"], self.condition(test))
        if isinstance(inner, exp.Distinct):
            inner = inner.expressions[0]
        key = type(node).__name__.casefold()
        if key in ("min", "max") and figure(inner).type in ("date", "datetime", "time"):
            key = {"min": "first", "max": "last"}[key]
        return self.say(key, self.phrase(inner))

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
                    return self.say("percent", self.phrase(over.this), self.phrase(over.expression))
            return f"{self.phrase(left)} × {self.phrase(right)}"
        if isinstance(node, exp.Div):
            inner = left.this if isinstance(left, exp.Paren) else left
            if isinstance(inner, exp.Mul):
                for one, other in ((inner.this, inner.expression), (inner.expression, inner.this)):
                    if _hundred(one):
                        return self.say("percent", self.phrase(other), self.phrase(right))
            return self.say("per", self.phrase(left), self.phrase(right))
        sign = "+" if isinstance(node, exp.Add) else "−"
        return f"{self.phrase(left)} {sign} {self.phrase(right)}"

    # --- conditions --------------------------------------------------------------------------

    def condition(self, node: exp.Expr) -> str:
        from sqlglot import exp

        if isinstance(node, exp.And | exp.Or):
            if (span := _span(node)) is not None:
                return self.say("within", self.phrase(span[0]), span[1])
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
            return f"({inner})" if isinstance(node.this, exp.Or) and _span(node.this) is None else inner
        if isinstance(node, exp.Not):
            return self._negated(node)
        if isinstance(node, exp.Between):
            low, high = node.args["low"], node.args["high"]
            whole = _whole_span(low, high)
            if whole:
                return self.say("within", self.phrase(node.this), whole)
            return self.say(
                "between", self.phrase(node.this), *(self._value(v, node.this) for v in (low, high))
            )
        if isinstance(node, exp.In):
            asked = node.args.get("query")
            if asked is not None:
                return self.say("among", self.phrase(node.this), self.query(asked))
            return self.say(
                "in", self.phrase(node.this), ", ".join(self._value(v, node.this) for v in node.expressions)
            )
        if isinstance(node, exp.Exists):
            return self.say("exists", self.query(node.this))
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
            return self.say("not among", self.phrase(inner.this), self.query(inner.args["query"]))
        if isinstance(inner, exp.EQ):
            return self.say("!=", self.phrase(inner.this), self._value(inner.expression, inner.this))
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
        return self.say(key, self.phrase(left), self._value(right, left))

    def _value(self, node: exp.Expression, beside: exp.Expression) -> str:
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


def _whole_span(low: exp.Expression, high: exp.Expression) -> str:
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


def _span(node: exp.Expr) -> tuple[exp.Expression, str] | None:
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
    said = str(first) if first == last else _whole_span(low, exp.Literal.string(str(last)))
    return (node.left.this, said) if said else None
