"""Columns that a question means without naming them: who, where, when, how long, what is dearest.

Frame -> Unnamed -> [Option, …]
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from loresmith.querying.frames import Frame
from loresmith.querying.naming import keys
from loresmith.querying.plan import Condition, Measure, Ref
from loresmith.querying.view import View
from loresmith.querying.vocabulary import MONEY, unit_of


@dataclass(frozen=True, slots=True)
class Option:
    """One way to read a part of the question.

    refs: the columns it stands for (several: what names a row of a table).  table: whose rows."""

    score: float
    table: str
    refs: tuple[Ref, ...] = ()
    conditions: tuple[Condition, ...] = ()
    measure: Measure | None = None
    entity: bool = False


JOIN = 0.35
"""What it costs to reach another table."""
_LASTING = frozenset(keys("duration length hours hour minutes minute seconds time days day", "en"))
"""A column of nothing but these says how long a row took; "operating hours" is a state."""


class Unnamed:
    """What the tables have for the parts of a frame that no word names."""

    def __init__(self, shape: Frame, view: View) -> None:
        self.frame, self.view, self.catalog = shape, view, view.catalog

    def whose(self, option: Option) -> list[Option]:
        """Who is asked for is told by a name, never by a number."""
        if any(self.view.names_persons(r) or self.view.person(self.view.column(r)) for r in option.refs):
            return [option]
        table = self.view.table(option.table)
        persons = [Ref(table.sql, c.sql) for c in table.columns if self.view.person(c)] if table else []
        persons = [r for r in persons if (r.table, r.column) not in self.view.foreign]
        found = [replace(option, refs=(r,), entity=self.view.identifies(r)) for r in persons]
        for key in table.foreign if table else ():
            other = self.view.table(key.to_table)
            refs = self.view.label(other) if other else ()
            if any(map(self.view.names_persons, refs)):
                # A trip has a customer, and a driver: as likely, though a join away.
                near = option.score + JOIN
                found.append(replace(option, score=near, table=key.to_table, refs=refs, entity=True))
        return found

    def persons(self) -> list[Option]:
        """Who is asked for: the rows of the tables that are spoken of, or of those that they refer to, where
        they have a name."""
        f = self.frame
        said = [f.by.of] if f.by and f.by.of else []
        said += [a for c in f.clauses for a in (c.subject, *c.atoms) if a is not None]
        tables = {c.table for a in said for c in a.columns} | {v.table for a in said for v in a.values}
        referred = {k.to_table for t in self.catalog.tables if t.sql in tables for k in t.foreign}
        found = []
        for table in self.catalog.tables:
            if table.sql not in tables | referred:
                continue
            refs = self.view.label(table)
            if table.sql in tables or any(map(self.view.names_persons, refs)):
                found += self.whose(Option(0.6, table.sql, refs, entity=True))
        return found

    def places(self) -> list[Option]:
        return [
            Option(0.6 + self.view.bonus(t.sql), t.sql, (Ref(t.sql, c.sql),))
            for t in self.catalog.tables
            for c in t.columns
            if self.view.place(c)
        ]

    def says_where(self) -> bool:
        return any(self.view.place(self.view.column(c)) for a in self.frame.shows for c in a.columns)

    def about(self, hint: str) -> list[Option]:
        """The columns that "most expensive", "latest", "longest" are said of."""
        found = []
        for table in self.catalog.tables:
            for column in table.columns:
                ref = Ref(table.sql, column.sql)
                dimension = (unit_of(column.unit) or ("",))[0]
                words = set(keys(column.name, "en"))
                if hint in ("date", "age"):
                    fits = column.type in ("date", "datetime") or self.view.years(ref)
                elif hint == "money":
                    fits = self.view.amount(ref) and (dimension in MONEY or bool(words & {"price", "cost"}))
                elif hint == "mass":
                    fits = self.view.amount(ref) and (dimension == "mass" or bool(words & {"mass", "weight"}))
                else:
                    named = bool(words & {"length", "durat", "distanc", "lang", "dauer"})
                    fits = self.view.amount(ref) and (named or dimension in ("time", "length"))
                if fits:
                    plain = 0.15 * (words <= _LASTING)
                    if hint in ("date", "age"):
                        plain = 0.3 if hint == "age" and self.view.birth(column) else self._plain(ref)
                    found.append(
                        Option(
                            0.6 + plain + self.view.bonus(table.sql),
                            table.sql,
                            (ref,),
                            measure=Measure("none", ref),
                        )
                    )
        return found

    def dates(self) -> list[Option]:
        return [
            Option(0.6 + self._plain(ref) + self.view.bonus(t.sql), t.sql, (ref,))
            for t in self.catalog.tables
            for c in t.columns
            if c.type in ("date", "datetime") and (ref := Ref(t.sql, c.sql))
        ]

    def _plain(self, ref: Ref) -> float:
        """The date of a row is meant sooner than a date of something about it."""
        return 0.2 if self.view.general(ref) else 0.0
