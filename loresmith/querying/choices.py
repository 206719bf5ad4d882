"""What each part of a question can be in these tables: every column that fits, with how well it fits.

    Frame -> {"target": [Option, …], "clause 0": [Option, …], …}

Which of them are meant together is decided in understand.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from loresmith.querying.frames import Clause, Figure, Frame
from loresmith.querying.linking import Atom
from loresmith.querying.naming import keys, stem
from loresmith.querying.plan import Condition, Func, Measure, Op, Ref
from loresmith.querying.unnamed import Option, Unnamed
from loresmith.querying.view import View
from loresmith.querying.vocabulary import unit_of


class Choices:
    """The parts of a frame, and what the tables have for each."""

    def __init__(self, shape: Frame, view: View) -> None:
        self.frame, self.view, self.catalog = shape, view, view.catalog
        self.unnamed = Unnamed(shape, view)

    def parts(self) -> dict[str, list[Option]] | None:
        f = self.frame
        parts: dict[str, list[Option]] = {}
        for n, clause in enumerate(f.clauses):
            parts[f"clause {n}"] = self._clause(clause)
        for n, figure in enumerate(f.figures):
            parts[f"figure {n}"] = [
                o for o in self._figure(figure) if not f.assumed or self.view.additive(o.refs[0])
            ]
        for n, atom in enumerate(f.groups):
            parts[f"group {n}"] = self._entities(atom)
        if f.period:
            parts["period"] = self.unnamed.dates()
            if f.period_of is not None:
                said = {(c.table, c.column) for c in f.period_of.columns}
                parts["period"] = [o for o in parts["period"] if (o.refs[0].table, o.refs[0].column) in said]
        for n, atom in enumerate(f.shows):
            parts[f"show {n}"] = self._columns(atom)
        if f.target is not None and not f.shows and f.ask == "list" and (own := self._figure_of(f.target)):
            parts["show"] = own
        elif f.target is not None:
            # What has no name is listed with all its columns.
            parts["target"] = self._entities(f.target, unnamed=not f.having and not f.shows)
        if f.who and f.target is None and not f.shows and (f.extreme or not f.figures):
            parts["target"] = self.unnamed.persons()
        if f.where and not f.figures and not f.extreme and not self.unnamed.says_where():
            parts["where"] = self.unnamed.places()
        if f.who and "target" in parts:
            parts["target"] = [o for option in parts["target"] for o in self.unnamed.whose(option)]
        if f.extreme and f.by is not None:
            parts["by"] = self._figure(f.by) if f.by.of else self.unnamed.about(f.hint)
        if f.when:
            parts["when"] = self.unnamed.dates()
        for n, (_, _, atom) in enumerate(f.having):
            parts[f"having {n}"] = [Option(s, t) for t, s in atom.tables]
        for n, (atom_, _) in enumerate(f.order):
            if atom_ is not None:
                parts[f"order {n}"] = self._columns(atom_)
        for n, atom in enumerate(f.without):
            parts[f"without {n}"] = [Option(s, t) for t, s in atom.tables] or [
                Option(c.score, c.table) for c in atom.columns if self.view.identifies(Ref(c.table, c.column))
            ]
        return parts

    def _figure_of(self, atom: Atom) -> list[Option]:
        """ "the torque of the coupling": the column that a table is called after, of a row that is named."""
        tables = {t for t, _ in atom.tables}
        valued = any(c.kind == "value" for c in self.frame.clauses)
        return [
            Option(c.score + self.view.bonus(c.table), c.table, (Ref(c.table, c.column),))
            for c in atom.columns
            if valued and c.table in tables and self.view.amount(c)
        ]

    def _columns(self, atom: Atom) -> list[Option]:
        return [
            Option(c.score + self.view.bonus(c.table), c.table, (Ref(c.table, c.column),))
            for c in atom.columns
        ]

    def _entities(self, atom: Atom, *, unnamed: bool = False) -> list[Option]:
        """What a mention stands for where rows are listed or grouped by it: columns, or a table's label."""
        found = []
        for table_name, score in atom.tables:
            table = self.view.table(table_name)
            if table is not None and ((refs := self.view.label(table)) or unnamed):
                found.append(Option(score + 0.1 + self.view.bonus(table_name), table_name, refs, entity=True))
        own = {t for t, _ in atom.tables}
        strongest = max((s for _, s in atom.tables), default=0.0)
        for c in atom.columns:
            if c.score < strongest:
                continue
            # The column of a table's own name is what its rows are called.
            entity = c.table in own and self.view.identifies(Ref(c.table, c.column))
            score = c.score + (0.12 if entity else 0.0) + self.view.bonus(c.table)
            score -= 0.5 * self.view.empty(c)
            found.append(Option(score, c.table, (Ref(c.table, c.column),), entity=entity))
        return found

    def _figure(self, figure: Figure) -> list[Option]:
        atom = figure.of
        if atom is None and figure.hint:
            summed = figure.func == "sum"
            return [
                replace(o, measure=Measure(_func(figure.func), o.refs[0]))
                for o in self.unnamed.about(figure.hint)
                if not summed or self.view.additive(o.refs[0])
            ]
        if atom is None:
            return [
                replace(o, measure=Measure(_func(figure.func), o.refs[0]))
                for o in self.unnamed.about("date")
                if self.view.column(o.refs[0]).type in ("date", "datetime")
            ]
        if figure.func == "rows":
            return [
                Option(c.score + self.view.bonus(c.table), c.table, measure=Measure("count"))
                for c in atom.columns
            ]
        if figure.func == "events":
            tables = {v.table for v in atom.values}
            having = {t.sql for t in self.catalog.tables for k in t.foreign if k.to_table in tables}
            if not having:
                having = tables
            return [Option(0.9, t, measure=Measure("count")) for t in sorted(having)]
        if figure.func == "count" and atom.kind == "value":
            return [
                Option(0.9, t, measure=Measure("count")) for t in dict.fromkeys(v.table for v in atom.values)
            ]
        if figure.func == "count":
            found = []
            if not self.frame.distinct:
                found = [
                    Option(s + 0.1 + self.view.bonus(t), t, measure=Measure("count"), entity=True)
                    for t, s in atom.tables
                ]
            best = max((s for _, s in atom.tables), default=0.0)
            if not found or best < 0.9:
                for c in atom.columns:
                    ref = Ref(c.table, c.column)
                    found.append(
                        Option(
                            c.score + self.view.bonus(c.table),
                            c.table,
                            (ref,),
                            measure=Measure("count_distinct", ref),
                        )
                    )
            if not found:  # "different pumps" where the table has no column of that name
                found = [Option(s, t, measure=Measure("count"), entity=True) for t, s in atom.tables]
            return found
        dates = figure.func in ("min", "max", "none")
        return [
            Option(
                c.score + self.view.bonus(c.table), c.table, (ref,), measure=Measure(_func(figure.func), ref)
            )
            for c in atom.columns
            if (ref := Ref(c.table, c.column))
            and (
                self.view.amount(c)
                or (dates and (self.view.column(c).type in ("date", "datetime") or self.view.years(c)))
            )
        ]

    # --- conditions --------------------------------------------------------------------------

    def _clause(self, clause: Clause) -> list[Option]:
        if clause.kind == "value":
            return self._valued(clause)
        if clause.kind == "number":
            return self._numbered(clause)
        if clause.kind == "flag":
            return [
                Option(
                    c.score + self.view.bonus(c.table),
                    c.table,
                    (),
                    (Condition(Ref(c.table, c.column), "=", clause.values),),
                )
                for c in (clause.subject.columns if clause.subject else ())
                if self.view.column(c).type == "boolean"
            ]
        if clause.kind == "key":
            return self._keyed(clause)
        if clause.kind == "date":
            return self._dated(clause)
        subject = clause.subject
        return [
            Option(
                c.score + self.view.bonus(c.table),
                c.table,
                (),
                (Condition(Ref(c.table, c.column), "not null" if clause.op == "not null" else "null"),),
            )
            for c in (subject.columns if subject else ())
            if self.view.column(c).nulls
        ]

    def _valued(self, clause: Clause) -> list[Option]:
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
            whole = all(
                v.whole for a in clause.atoms for v in a.values if (v.table, v.column) == (table, column)
            )
            score = (1.0 if whole else 0.85) + self.view.bonus(table) + 0.3 * named.get((table, column), 0.0)
            if clause.near and self._directed(table, clause.near):
                # "from LAX" is of from_airport, though it stand in to_airport alone.
                if clause.near not in column.split("_"):
                    continue
                score += 0.25
            found.append(Option(score, table, (), (Condition(Ref(table, column), op, values),)))
        return found

    def _directed(self, table: str, word: str) -> bool:
        """Whether a preposition is the first word of columns of this table: from_airport, to_airport."""
        found = self.view.table(table)
        return found is not None and any(c.sql.split("_")[0] == word for c in found.columns if "_" in c.sql)

    def _numbered(self, clause: Clause) -> list[Option]:
        if clause.subject is not None:
            columns = [(c.table, c.column, c.score) for c in clause.subject.columns]
        else:
            columns = [(t.sql, c.sql, 0.5) for t in self.catalog.tables for c in t.columns if c.unit]
        found = []
        for table, column_name, score in columns:
            ref = Ref(table, column_name)
            if not self.view.amount(ref) or (clause.near == "measured at" and not self.view.column(ref).key):
                continue
            factor = _factor(clause.unit, self.view.column(ref).unit)
            if factor is None:
                continue
            values = tuple(_scaled(v, factor) for v in clause.values)
            op: Op = clause.op  # type: ignore[assignment]
            found.append(Option(score + self.view.bonus(table), table, (), (Condition(ref, op, values),)))
        return found

    def _keyed(self, clause: Clause) -> list[Option]:
        """ "order 1005": the row of this key."""
        found = []
        for table_name, score in clause.subject.tables if clause.subject else ():
            table = self.view.table(table_name)
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
                found.append(Option(score + self.view.bonus(table_name), table_name, (), (condition,)))
        return found

    def _dated(self, clause: Clause) -> list[Option]:
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
                found.append(Option(score, table, (), (Condition(ref, op, clause.values),)))
            elif bare and self.view.years(ref) and column.type == "integer":
                years = tuple(int(v) for v in clause.values)
                found.append(Option(score, table, (), (Condition(ref, op, years),)))
        return found


def _func(name: str) -> Func:
    return cast(Func, name)


def _factor(given: str, own: str) -> float | None:
    """What a number in the unit given is multiplied by to be in the column's own; None: another thing."""
    if not given or given == own:
        return 1.0
    one = unit_of(given)
    other = unit_of(own)
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
