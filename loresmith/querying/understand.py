"""Plans by code: exact where the question's words leave no doubt, and nothing where they do.

    Links -> Frame -> every choice of columns that fits -> the best -> [Plan]

Promises: every content word of the question has its part in a plan; a plan can be written as a statement
(`to_sql` does not refuse it); where two choices are equally good, all of them are given, for whoever runs
them to see whether they come to the same; `[]` where that would be more than three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import cast

from loresmith.errors import PlanError
from loresmith.querying.asking import frame
from loresmith.querying.frames import Clause, Figure, Frame
from loresmith.querying.joins import Step, steps, tree
from loresmith.querying.linking import Atom, ColumnLink, Links
from loresmith.querying.naming import keys, stem
from loresmith.querying.plan import Condition, Func, Having, Measure, Op, Order, Period, Plan, Ref, to_sql
from loresmith.querying.routing import signals, tabular
from loresmith.querying.vocabulary import LABELS, MONEY, UNITS
from loresmith.tables.values import Catalog, Column, Table

__all__ = ["plans", "signals", "tabular"]

_CLOSE = 0.06
"""Two choices whose scores differ by less are equally good."""
_MOST = 3
_JOIN = 0.35
_OPTIONS = 8
_CHOICES = 4000


def plans(question: str, links: Links, catalog: Catalog) -> list[Plan]:
    """The plans that a question means, best first; [] where code is not sure."""
    view = _View(links, catalog)
    shape = frame(links, view.numeric, view.dated)
    if shape is None or not catalog.tables:
        return []
    found = _Solver(shape, view).solve()
    best = [(score, plan) for score, plan in found if score > found[0][0] - _CLOSE]
    return [plan for _, plan in best] if len(best) <= _MOST else []


@dataclass(frozen=True, slots=True)
class _Option:
    """One way to read a part of the question.

    refs: the columns it stands for (several: what names a row of a table).  table: whose rows."""

    score: float
    table: str
    refs: tuple[Ref, ...] = ()
    conditions: tuple[Condition, ...] = ()
    measure: Measure | None = None
    entity: bool = False


class _View:
    """What the tables say of a question's atoms."""

    def __init__(self, links: Links, catalog: Catalog) -> None:
        self.links, self.catalog = links, catalog
        self.mentioned = {t for a in links.atoms for t, score in a.tables if score >= 0.8}
        self.foreign = {(t.sql, f.column) for t in catalog.tables for f in t.foreign}
        self.referred = {(f.to_table, f.to_column) for t in catalog.tables for f in t.foreign}

    def column(self, ref: Ref | ColumnLink) -> Column:
        table = self.catalog.table(ref.table)
        column = table.column(ref.column) if table else None
        if column is None:
            raise KeyError(f"{ref.table}.{ref.column}")
        return column

    def bonus(self, table: str) -> float:
        return 0.15 if table in self.mentioned else 0.0

    def amount(self, link: ColumnLink | Ref) -> bool:
        """A column of numbers that can be computed with: no key, no reference, no year."""
        column = self.column(link)
        if not column.numeric or (link.table, link.column) in self.foreign:
            return False
        table = self.catalog.table(link.table)
        words = {w for name in (column.name, column.sql) for w in re.split(r"[\W_]+", name.casefold())}
        coded = bool(_CODED & words) or (table is not None and link.column in table.keys)
        coded = coded or (link.table, link.column) in self.referred or bool(_ID.fullmatch(column.sql))
        return (not coded or bool(column.unit)) and not self.years(link)

    def identifies(self, ref: Ref) -> bool:
        """A column that says which row it is; an amount of which no two happen to be alike does not."""
        column = self.column(ref)
        return column.key and column.type in ("text", "integer") and not self.amount(ref)

    def years(self, link: ColumnLink | Ref) -> bool:
        """An integer column that holds years."""
        column = self.column(link)
        words = {*keys(column.name, "en"), *keys(column.name, self.links.language)}
        named = bool(words & {"year", "jahr", "ano", "anno", "anne", "baujahr"})
        low, high = column.low, column.high
        fits = isinstance(low, int) and isinstance(high, int) and 1000 <= low <= high <= 2200
        return column.type == "integer" and named and fits

    def general(self, ref: Ref) -> bool:
        """A column of dates (or years) that says when the row was, and nothing more of it."""
        column = self.column(ref)
        table = self.catalog.table(ref.table)
        own = set(keys(table.name, "en")) | set(keys(table.sql, "en")) if table else set()
        for name in (column.name, column.sql):
            words = {w for w in re.split(r"[\W_]+", name.casefold()) if w and stem(w, "en") not in own}
            if words and words <= (_WHEN if column.type != "integer" else _YEAR):
                return True
        return False

    def numeric(self, atom: Atom) -> bool:
        strongest = max((score for _, score in atom.tables), default=0.0)
        return any(self.amount(c) and c.score >= strongest for c in atom.columns)

    def dated(self, atom: Atom) -> bool:
        return any(self.column(c).type in ("date", "datetime") or self.years(c) for c in atom.columns)

    def label(self, table: Table) -> tuple[Ref, ...]:
        """The columns that say which row of a table it is: its name, or its key, or, where there is but a
        description, both."""
        names = sorted(
            (c for c in table.columns if c.type == "text" and self._names_rows(c)),
            key=lambda c: (_described(c), not c.key, len(keys(c.name, "en"))),
        )
        code = self.key(table)
        chosen = [Ref(table.sql, c.sql) for c in names[:1]]
        told = bool(chosen) and not (_described(names[0]) and code and self.column(code).type == "text")
        if code is not None and code not in chosen and not told:
            chosen.insert(0, code)
        return tuple(chosen)

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
        words = set(re.split(r"[\W_]+", f"{column.name} {column.sql}".casefold()))
        return bool(_CODED & words) or bool(_ID.fullmatch(column.sql))


def _described(column: Column) -> bool:
    return keys(column.sql, "en")[-1:] not in [keys(word, "en") for word in ("name", "title")]


_CODED = frozenset(
    ("id", "ids", "code", "number", "no", "nr", "nummer", "codice", "codigo", "numero", "key", "zip", "plz")
)
_WHEN = frozenset(
    ("date", "datum", "fecha", "data", "day", "tag", "time", "timestamp", "datetime", "month", "when", "on",
     "zeit", "zeitpunkt", "moment", "jour", "created", "giorno")
)  # fmt: skip
_YEAR = frozenset(("year", "jahr", "ano", "año", "anno", "annee", "année"))
_ID = re.compile(r"[a-z]{1,3}id")
_LABELS = frozenset(stem for label in LABELS for stem in keys(label, "en")) | LABELS


class _Solver:
    """Chooses columns for the parts of a frame, all together."""

    def __init__(self, shape: Frame, view: _View) -> None:
        self.frame, self.view, self.catalog = shape, view, view.catalog
        self.ways: list[Step] = steps(self.catalog)
        self.costs: dict[tuple[str, frozenset[str]], float | None] = {}

    def solve(self) -> list[tuple[float, Plan]]:
        """(score, plan) of every choice that can be written, best first."""
        parts = self._parts()
        if parts is None or not all(parts.values()):
            return []
        names = list(parts)
        size = 1
        for name in names:
            parts[name] = sorted(parts[name], key=lambda o: -o.score)[:_OPTIONS]
            size *= len(parts[name])
        if size > _CHOICES:
            parts = {name: options[: max(2, _OPTIONS // 2)] for name, options in parts.items()}
        found: dict[str, tuple[float, Plan]] = {}
        ranked: list[tuple[float, Plan]] = []
        for choice in product(*(parts[name] for name in names)):
            chosen = dict(zip(names, choice, strict=True))
            for extra, plan in self._plans(chosen):
                score = sum(o.score for o in choice) + extra - self._afar(plan)
                cost = self._cost(plan, {o.table for o in choice})
                if cost is not None and self._context(plan, chosen):
                    ranked.append((score - cost, plan))
        ranked.sort(key=lambda item: -item[0])
        for score, plan in ranked[:60]:
            if found and score < next(iter(found.values()))[0] - _CLOSE:
                break
            try:
                sql = to_sql(plan, self.catalog)
            except PlanError:
                continue
            found.setdefault(sql, (score, plan))
        return list(found.values())

    def _cost(self, plan: Plan, tables: set[str]) -> float | None:
        """What the joins cost; None where nothing joins."""
        key = (plan.table, frozenset(tables - set(plan.without)))
        if key not in self.costs:
            try:
                self.costs[key] = _JOIN * len(tree(plan.table, sorted(key[1]), self.ways))
            except PlanError:
                self.costs[key] = None
        return self.costs[key]

    def _afar(self, plan: Plan) -> float:
        """A date or number whose column the question does not name is of the rows that are asked for."""
        unnamed = [
            n for n, c in enumerate(self.frame.clauses) if c.kind in ("date", "number") and c.subject is None
        ]
        own = sum(
            c.ref.table == plan.table for c in (*plan.where, *(c for m in plan.measures for c in m.where))
        )
        return 0.5 * (len(unnamed) > own)

    def _context(self, plan: Plan, chosen: dict[str, _Option]) -> bool:
        """Whether what only says where is among the tables that are used."""
        counted = {f.of for f in (*self.frame.figures, self.frame.by) if f and f.of and f.of.kind == "value"}
        for n, clause in enumerate(self.frame.clauses):
            if set(clause.atoms) & counted and chosen[f"clause {n}"].table != plan.table:
                return False
        used = {plan.table, *(o.table for o in chosen.values())}
        return all(
            any(t in used for t, _ in atom.tables) or any(c.table in used for c in atom.columns)
            for atom in self.frame.context
        )

    # --- what each part can be ---------------------------------------------------------------

    def _parts(self) -> dict[str, list[_Option]] | None:
        f = self.frame
        parts: dict[str, list[_Option]] = {}
        for n, clause in enumerate(f.clauses):
            parts[f"clause {n}"] = self._clause(clause)
        for n, figure in enumerate(f.figures):
            parts[f"figure {n}"] = self._figure(figure)
        for n, atom in enumerate(f.groups):
            parts[f"group {n}"] = self._entities(atom)
        if f.period:
            parts["period"] = self._dates()
        for n, atom in enumerate(f.shows):
            parts[f"show {n}"] = self._columns(atom)
        if f.target is not None and not f.shows and f.ask == "list" and (own := self._figure_of(f.target)):
            parts["show"] = own
        elif f.target is not None:
            # What has no name is listed with all its columns.
            parts["target"] = self._entities(f.target, unnamed=not f.having and not f.shows)
        if f.extreme and f.by is not None:
            parts["by"] = self._figure(f.by) if f.by.of else self._hinted(f.hint)
        if f.when:
            parts["when"] = self._dates()
        for n, (_, _, atom) in enumerate(f.having):
            parts[f"having {n}"] = [_Option(s, t) for t, s in atom.tables]
        for n, (atom_, _) in enumerate(f.order):
            if atom_ is not None:
                parts[f"order {n}"] = self._columns(atom_)
        for n, atom in enumerate(f.without):
            parts[f"without {n}"] = [_Option(s, t) for t, s in atom.tables]
        return parts

    def _figure_of(self, atom: Atom) -> list[_Option]:
        """ "the torque of the coupling": the column that a table is called after, of a row that is named."""
        tables = {t for t, _ in atom.tables}
        valued = any(c.kind == "value" for c in self.frame.clauses)
        return [
            _Option(c.score + self.view.bonus(c.table), c.table, (Ref(c.table, c.column),))
            for c in atom.columns
            if valued and c.table in tables and self.view.amount(c)
        ]

    def _columns(self, atom: Atom) -> list[_Option]:
        return [
            _Option(c.score + self.view.bonus(c.table), c.table, (Ref(c.table, c.column),))
            for c in atom.columns
        ]

    def _entities(self, atom: Atom, *, unnamed: bool = False) -> list[_Option]:
        """What a mention stands for where rows are listed or grouped by it: columns, or a table's label."""
        found = []
        for table_name, score in atom.tables:
            table = self.catalog.table(table_name)
            if table is not None and ((refs := self.view.label(table)) or unnamed):
                found.append(
                    _Option(score + 0.1 + self.view.bonus(table_name), table_name, refs, entity=True)
                )
        own = {t for t, _ in atom.tables}
        strongest = max((s for _, s in atom.tables), default=0.0)
        for c in atom.columns:
            if c.score < strongest:
                continue
            # The column of a table's own name is what its rows are called.
            entity = c.table in own and self.view.identifies(Ref(c.table, c.column))
            score = c.score + (0.12 if entity else 0.0) + self.view.bonus(c.table)
            found.append(_Option(score, c.table, (Ref(c.table, c.column),), entity=entity))
        return found

    def _figure(self, figure: Figure) -> list[_Option]:
        atom = figure.of
        if atom is None:
            return [
                replace(o, measure=Measure(_func(figure.func), o.refs[0]))
                for o in self._hinted("date")
                if self.view.column(o.refs[0]).type in ("date", "datetime")
            ]
        if figure.func == "count" and atom.kind == "value":
            return [
                _Option(0.9, t, measure=Measure("count")) for t in dict.fromkeys(v.table for v in atom.values)
            ]
        if figure.func == "count":
            found = []
            if not self.frame.distinct:
                found = [
                    _Option(s + 0.1 + self.view.bonus(t), t, measure=Measure("count"), entity=True)
                    for t, s in atom.tables
                ]
            best = max((s for _, s in atom.tables), default=0.0)
            if not found or best < 0.9:
                for c in atom.columns:
                    ref = Ref(c.table, c.column)
                    found.append(
                        _Option(
                            c.score + self.view.bonus(c.table),
                            c.table,
                            (ref,),
                            measure=Measure("count_distinct", ref),
                        )
                    )
            if not found:  # "different pumps" where the table has no column of that name
                found = [_Option(s, t, measure=Measure("count"), entity=True) for t, s in atom.tables]
            return found
        dates = figure.func in ("min", "max", "none")
        return [
            _Option(
                c.score + self.view.bonus(c.table), c.table, (ref,), measure=Measure(_func(figure.func), ref)
            )
            for c in atom.columns
            if (ref := Ref(c.table, c.column))
            and (
                self.view.amount(c)
                or (dates and (self.view.column(c).type in ("date", "datetime") or self.view.years(c)))
            )
        ]

    def _hinted(self, hint: str) -> list[_Option]:
        """The columns that "most expensive", "latest", "longest" are said of."""
        found = []
        for table in self.catalog.tables:
            for column in table.columns:
                ref = Ref(table.sql, column.sql)
                dimension = UNITS.get(column.unit, ("", 0.0, ""))[0]
                words = set(keys(column.name, "en"))
                if hint == "date":
                    fits = column.type in ("date", "datetime") or self.view.years(ref)
                elif hint == "money":
                    fits = self.view.amount(ref) and (dimension in MONEY or bool(words & {"price", "cost"}))
                else:
                    named = bool(words & {"length", "durat", "distanc", "lang", "dauer"})
                    fits = self.view.amount(ref) and (named or dimension in ("time", "length"))
                if fits:
                    plain = self._plain(ref) if hint == "date" else 0.0
                    found.append(
                        _Option(
                            0.6 + plain + self.view.bonus(table.sql),
                            table.sql,
                            (ref,),
                            measure=Measure("none", ref),
                        )
                    )
        return found

    def _dates(self) -> list[_Option]:
        return [
            _Option(0.6 + self._plain(ref) + self.view.bonus(t.sql), t.sql, (ref,))
            for t in self.catalog.tables
            for c in t.columns
            if c.type in ("date", "datetime") and (ref := Ref(t.sql, c.sql))
        ]

    def _plain(self, ref: Ref) -> float:
        """The date of a row is meant sooner than a date of something about it."""
        return 0.2 if self.view.general(ref) else 0.0

    # --- conditions --------------------------------------------------------------------------

    def _clause(self, clause: Clause) -> list[_Option]:
        if clause.kind == "value":
            return self._valued(clause)
        if clause.kind == "number":
            return self._numbered(clause)
        if clause.kind == "key":
            return self._keyed(clause)
        if clause.kind == "date":
            return self._dated(clause)
        subject = clause.subject
        return [
            _Option(
                c.score + self.view.bonus(c.table), c.table, (), (Condition(Ref(c.table, c.column), "null"),)
            )
            for c in (subject.columns if subject else ())
            if self.view.column(c).nulls
        ]

    def _valued(self, clause: Clause) -> list[_Option]:
        places = set.intersection(*({(v.table, v.column) for v in a.values} for a in clause.atoms))
        named: dict[tuple[str, str], float] = {}
        if clause.subject is not None:
            named = {(c.table, c.column): c.score for c in clause.subject.columns}
            tables = {t for t, _ in clause.subject.tables}
            named.update({p: 0.9 for p in places if p[0] in tables and p not in named})
            if not places & set(named):
                return []
            places &= set(named)
        found = []
        for table, column in places:
            values = tuple(
                dict.fromkeys(
                    v.value for a in clause.atoms for v in a.values if (v.table, v.column) == (table, column)
                )
            )
            op: Op = "=" if len(values) == 1 else "in"
            if clause.op == "!=":
                op = "!=" if len(values) == 1 else "not in"
            score = 1.0 + self.view.bonus(table) + 0.3 * named.get((table, column), 0.0)
            if clause.near and self._directed(table, clause.near):
                # "from LAX" is of from_airport, though it stand in to_airport alone.
                if clause.near not in column.split("_"):
                    continue
                score += 0.25
            found.append(_Option(score, table, (), (Condition(Ref(table, column), op, values),)))
        return found

    def _directed(self, table: str, word: str) -> bool:
        """Whether a preposition is the first word of columns of this table: from_airport, to_airport."""
        found = self.catalog.table(table)
        return found is not None and any(c.sql.split("_")[0] == word for c in found.columns if "_" in c.sql)

    def _numbered(self, clause: Clause) -> list[_Option]:
        if clause.subject is not None:
            columns = [(c.table, c.column, c.score) for c in clause.subject.columns]
        else:
            columns = [(t.sql, c.sql, 0.5) for t in self.catalog.tables for c in t.columns if c.unit]
        found = []
        for table, column_name, score in columns:
            ref = Ref(table, column_name)
            if not self.view.amount(ref):
                continue
            factor = _factor(clause.unit, self.view.column(ref).unit)
            if factor is None:
                continue
            values = tuple(_scaled(v, factor) for v in clause.values)
            op: Op = clause.op  # type: ignore[assignment]
            found.append(_Option(score + self.view.bonus(table), table, (), (Condition(ref, op, values),)))
        return found

    def _keyed(self, clause: Clause) -> list[_Option]:
        """ "order 1005": the row of this key."""
        found = []
        for table_name, score in clause.subject.tables if clause.subject else ():
            table = self.catalog.table(table_name)
            if table is None or len(table.keys) != 1:
                continue
            column = table.column(table.keys[0])
            low, high = (column.low, column.high) if column else (None, None)
            if (
                column is None
                or column.type != "integer"
                or not isinstance(low, int)
                or not isinstance(high, int)
            ):
                continue
            if all(isinstance(v, int) and low <= v <= high for v in clause.values):
                condition = Condition(Ref(table_name, column.sql), "=", clause.values)
                found.append(_Option(score + self.view.bonus(table_name), table_name, (), (condition,)))
        return found

    def _dated(self, clause: Clause) -> list[_Option]:
        op: Op = clause.op  # type: ignore[assignment]
        bare = all(isinstance(v, str) and len(v) == 4 for v in clause.values)
        if clause.subject is not None:
            columns = [(c.table, c.column, c.score) for c in clause.subject.columns]
        else:
            columns = [(t.sql, c.sql, 0.5) for t in self.catalog.tables for c in t.columns]
        found = []
        for table, column_name, score in columns:
            ref = Ref(table, column_name)
            column = self.view.column(ref)
            if column.type not in ("date", "datetime", "integer"):
                continue
            said = bool(clause.near) and stem(clause.near, self.view.links.language) in keys(
                column.name, self.view.links.language
            )
            if clause.subject is None and not (self.view.general(ref) or said):
                continue  # "in 2023" is not "installed in 2023"
            score += self.view.bonus(table)
            if column.type in ("date", "datetime"):
                found.append(_Option(score, table, (), (Condition(ref, op, clause.values),)))
            elif bare and self.view.years(ref) and column.type == "integer":
                years = tuple(int(v) for v in clause.values)
                found.append(_Option(score, table, (), (Condition(ref, op, years),)))
        return found

    # --- plans of a choice -------------------------------------------------------------------

    def _plans(self, chosen: dict[str, _Option]) -> Iterable[tuple[float, Plan]]:
        """(extra score, plan) of one choice of columns."""
        f = self.frame
        where = tuple(c for name, o in chosen.items() if name.startswith("clause") for c in o.conditions)
        groups = tuple(r for name, o in chosen.items() if name.startswith("group") for r in o.refs)
        if any(self.view.column(r).type == "real" for r in groups):
            return
        if "period" in chosen:
            groups = (*chosen["period"].refs, *groups)
        if f.having:
            made = self._having(chosen, where, groups)
        elif f.ask == "ratio":
            made = self._ratio(chosen, groups)
        elif f.ask == "share":
            made = self._shared(chosen, where, groups)
        elif f.ask == "extreme":
            made = self._extreme(chosen, where, groups)
        elif f.figures:
            made = self._figures(chosen, where, groups)
        else:
            made = self._listed(chosen, where, groups)
        without = tuple(o.table for name, o in chosen.items() if name.startswith("without"))
        entities = [o for name, o in chosen.items() if o.entity and name.startswith(("group", "target"))]
        for extra, plan in made:
            if self._restricted(plan):
                plan = self._told_apart(plan, entities)
                yield extra, _with(plan, without=without, period=f.period or None)

    def _told_apart(self, plan: Plan, entities: Sequence[_Option]) -> Plan:
        """Groups of two of the same name are two groups."""
        for option in entities:
            table = self.catalog.table(option.table)
            if not set(option.refs) & set(plan.group) or table is None:
                continue
            if not any(self.view.column(r).key for r in option.refs) and (key := self.view.key(table)):
                plan = replace(plan, show=plan.show or plan.group, group=(*plan.group, key))
        return plan

    def _restricted(self, plan: Plan) -> bool:
        """Whether the conditions mean what the words say on this plan's rows."""
        for clause in self.frame.clauses:
            both = clause.joined == "and" and clause.op == "="
            if clause.op == "!=" or both:
                columns = {(v.table, v.column) for a in clause.atoms for v in a.values}
                used = [c.ref for c in plan.where if (c.ref.table, c.ref.column) in columns]
                if any(r.table != plan.table for r in used):
                    return False  # none of several rows, or each of them: another question
        equal = [c.ref for c in plan.where if c.op == "="]
        return len(set(equal)) == len(equal)  # no row is two things

    def _figures(
        self, chosen: dict[str, _Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        figures = [o for name, o in chosen.items() if name.startswith("figure")]
        base = figures[0].table
        if any(o.table != base for o in figures):
            return
        if self.frame.shows or "when" in chosen:
            return
        averaged = any(o.measure and o.measure.func == "avg" for o in figures)
        if (
            averaged
            and self.frame.per
            and any(o.entity and o.table != base for name, o in chosen.items() if name.startswith("group"))
        ):
            return  # "average amount per order": of the rows, or of the orders' sums?
        measures = tuple(o.measure for o in figures if o.measure)
        order = self._order(chosen, measures, groups)
        if order is None or (order and not groups):
            return
        yield 0.0, Plan(table=base, measures=measures, where=where, group=groups, order=order)

    def _order(
        self, chosen: dict[str, _Option], measures: Sequence[Measure], shown: Sequence[Ref]
    ) -> tuple[Order, ...] | None:
        made: list[Order] = []
        for n, (atom, down) in enumerate(self.frame.order):
            if atom is None:
                if not measures:
                    return None
                made.append(Order(measures[0], down))
                continue
            ref = chosen[f"order {n}"].refs[0]
            same = [m for m in measures if m.ref == ref]
            if same:
                made.append(Order(same[0], down))
            elif ref in shown or not measures:
                made.append(Order(ref, down))
            else:
                return None
        if self.frame.alphabetical:
            if not shown:
                return None
            made.append(Order(shown[0]))
        return tuple(made)

    def _having(
        self, chosen: dict[str, _Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        f = self.frame
        if len(f.having) != 1 or f.extreme or f.figures or f.shows or groups:
            return
        target = chosen.get("target")
        counted = chosen["having 0"].table
        if target is None or (target.table == counted and target.entity):
            return
        op, number, _ = f.having[0]
        measure = Measure("count")
        having = (Having(measure, op, number),)  # type: ignore[arg-type]
        refs = target.refs
        yield 0.0, Plan(table=counted, show=refs, measures=(measure,), where=where, group=refs, having=having)

    def _ratio(self, chosen: dict[str, _Option], groups: tuple[Ref, ...]) -> Iterable[tuple[float, Plan]]:
        """ "restaurants with a rating above 4 to those below 4", "Italian restaurants out of all in Rome"."""
        f = self.frame
        over = chosen["figure 0"]
        under = chosen.get("figure 1", over)
        if over.measure is None or under.measure != over.measure or under.table != over.table:
            return
        if f.shows or f.order or f.target:
            return
        first, second, all_of = list[Condition](), list[Condition](), list[Condition]()
        for n, clause in enumerate(f.clauses):
            (first if clause.at < f.split else second).extend(chosen[f"clause {n}"].conditions)
        if not f.whole:
            mine = {c.ref for c in first}
            all_of = [c for c in second if c.ref not in mine]
            second = [c for c in second if c.ref in mine]
        else:
            all_of, second = second, []
        if not first:
            return
        measures = tuple(
            Measure(over.measure.func, over.measure.ref, tuple(part)) for part in (first, second)
        )
        percent = f.hint == "percent"
        yield 0.0, Plan(over.table, (), measures, tuple(all_of), groups, ratio=True, percent=percent)

    def _shared(
        self, chosen: dict[str, _Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        figure = chosen["figure 0"]
        if len(self.frame.clauses) != 1 or figure.measure is None or self.frame.shows or self.frame.order:
            return
        part = Measure(figure.measure.func, figure.measure.ref, where)
        yield (
            0.0,
            Plan(
                table=figure.table,
                measures=(part, figure.measure),
                group=groups,
                ratio=True,
                percent=self.frame.hint == "percent",
            ),
        )

    def _extreme(
        self, chosen: dict[str, _Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        f = self.frame
        by = chosen["by"]
        if groups or f.figures or by.measure is None or f.alphabetical:
            return
        down = f.extreme == "max"
        if any(d != down for _, d in f.order) or (f.order and f.limit is None):
            return  # "the shortest, in ascending order": one, or all of them?
        limit = f.limit or 1
        shows = tuple(r for name, o in chosen.items() if name.startswith("show") for r in o.refs)
        target = chosen.get("target")
        refs = self._shown(target, shows)
        if not refs and (target is None or by.measure.func != "none" or by.table != target.table):
            return
        entity = target.table if target and target.entity else refs[0].table
        if by.measure.func == "count":
            if by.table == entity and target is not None and target.entity:
                return
            measure = by.measure
            yield (
                0.0,
                Plan(by.table, refs, (measure,), where, refs, order=(Order(measure, down),), limit=limit),
            )
            return
        column = by.refs[0]
        rows = (target is not None and target.entity) or any(self.view.identifies(r) for r in refs)
        single = by.table == entity and rows
        additive = self.view.column(column).numeric and self.view.amount(column)
        if by.measure.func in ("sum", "avg") and not single:
            measure = by.measure
            yield (
                0.0,
                Plan(by.table, refs, (measure,), where, refs, order=(Order(measure, down),), limit=limit),
            )
            return
        if refs == (column,):
            return  # "who was hired last?" is not answered by the day
        shown = tuple(dict.fromkeys((*refs, column))) if refs else ()
        if single or by.table == entity:
            order = (Order(column, down),)
            yield 0.0, Plan(by.table, shown, (), where, order=order, limit=limit, distinct=not single)
        else:
            measure = Measure("max" if down else "min", column)
            yield (
                0.0,
                Plan(by.table, refs, (measure,), where, refs, order=(Order(measure, down),), limit=limit),
            )
        if not single and additive and not f.hint:
            # "the highest cost" of a technician: of one job, or of all together?
            measure = Measure("sum", column)
            yield (
                0.0,
                Plan(by.table, refs, (measure,), where, refs, order=(Order(measure, down),), limit=limit),
            )

    def _shown(self, target: _Option | None, shows: tuple[Ref, ...]) -> tuple[Ref, ...]:
        """What is listed: the columns asked for, with what names the row where they do not."""
        if target is None:
            return tuple(dict.fromkeys(shows))
        named = any(self.view.column(r).type == "text" and r.table == target.table for r in shows)
        return tuple(dict.fromkeys(shows if named else (*target.refs, *shows)))

    def _listed(
        self, chosen: dict[str, _Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        f = self.frame
        if groups:
            return
        shows = tuple(r for name, o in chosen.items() if name.startswith("show") for r in o.refs)
        if "when" in chosen:
            shows = (*shows, *chosen["when"].refs)
        target = chosen.get("target")
        refs = self._shown(target, shows)
        if not refs and not (target and target.entity):
            return
        base = target.table if target else refs[0].table
        if f.who and refs and not any(self.view.column(r).type == "text" for r in refs):
            return
        order = self._order(chosen, (), refs)
        if order is None:
            return
        rows = bool(target and target.entity) or any(
            self.view.identifies(r) and r.table == base for r in refs
        )
        amounts = [r for r in shows if self.view.amount(r)]
        pinned = any(c.op == "=" and c.ref.table == base and self.view.identifies(c.ref) for c in where)
        if not rows and amounts and not pinned:
            # The cost of a pump that has many: each, or together? Only where both come to the same.
            if len(shows) == 1 and target is None:
                yield 0.0, Plan(base, measures=(Measure("sum", shows[0]),), where=where)
            else:
                return
        # Which of several values a row has is part of the answer.
        several = [c.ref for c in where if c.op == "in" and c.ref.table == base and c.ref not in refs]
        if shows and several and not rows:
            refs = (*several[:1], *refs)
        distinct = not rows and not amounts
        yield 0.0, Plan(base, refs, (), where, order=order, distinct=distinct or f.distinct)


def _with(plan: Plan, *, without: tuple[str, ...], period: str | None) -> Plan:
    kept: Period | None = period if plan.group and period in ("year", "month", "day") else None  # type: ignore[assignment]
    return replace(plan, without=without, period=kept)


def _func(name: str) -> Func:
    return cast(Func, name)


def _factor(given: str, own: str) -> float | None:
    """What a number in the unit given is multiplied by to be in the column's own; None: another thing."""
    if not given or given == own:
        return 1.0
    one = UNITS.get(given)
    other = UNITS.get(own) or UNITS.get(own.casefold())
    if one is None:
        return None
    if not own:
        return 1.0
    if other is None or other[0] != one[0]:
        return None
    return one[1] / other[1]


def _scaled(value: int | float | str, factor: float) -> int | float | str:
    if isinstance(value, str) or factor == 1.0:
        return value
    scaled = round(value * factor, 9)
    return int(scaled) if scaled == int(scaled) else scaled
