"""What can be asked of tables: typed plans over their own columns and values, as many shapes as people use.

    catalog + store -> columns by what they are good for -> plans, tables and shapes in turn -> `Meaning`

A meaning says what its question is made of (rows, filters, figure, group), so that it can be worded in any
language; the plan says what the answer is. Promises: every value in a plan stands in the store; the same
seed gives the same meanings; nothing here decides whether a statement is sound: who runs it does.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from random import Random
from typing import Literal

from loresmith.dataset.queries_columns import (
    FEWEST_ROWS,
    MOST_COLUMNS,
    Place,
    Profile,
    profile,
    rounded,
    spoken,
    summable,
)
from loresmith.querying.plan import Condition, Func, Having, Measure, Op, Order, Period, Plan
from loresmith.tables.values import Catalog, Table

_LONGEST = 40
_PERIODS: tuple[Period, Period] = ("year", "month")
_ENDS: tuple[Func, Func] = ("max", "min")


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition with the column it is about; `through`: the rows are restricted by those of the
    column's table, to which they belong."""

    condition: Condition
    place: Place
    through: bool = False


Shape = Literal[
    "count", "figure", "figure_by", "count_by", "list", "look_up", "top", "top_group", "newest", "when",
    "distinct", "count_distinct", "having", "share", "without", "count_without", "beside", "with_rows",
    "by_period",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meaning:
    """A question before it has words.

    Attributes:
        rows: what is listed or counted.
        func, of: the figure ("sum" of a column); "count" without a column counts rows.
        group: by what; also what is chosen by the figure ("which group has most").
        show: what is looked up or listed.  filters: which rows.
        most: the highest (else the lowest).  number: of a limit, or of rows that a group must have.
        key: the row that is looked up.  other: what rows are without, or what they have.
    """

    shape: Shape
    plan: Plan
    rows: Table
    func: str = ""
    of: Place | None = None
    group: Place | None = None
    show: tuple[Place, ...] = ()
    filters: tuple[Filter, ...] = ()
    most: bool = True
    number: int = 0
    period: Period | None = None
    key: str = ""
    other: Table | None = None

    @property
    def style(self) -> str:
        """The name of the wordings that it can have."""
        match self.shape:
            case "figure":
                return self.func
            case "top":
                return "top" if self.number == 1 else "top_n"
            case "top_group":
                return "top_group" if self.of else "top_count"
            case "newest" | "when":
                return f"{self.shape} {self.most}"
            case "by_period":
                return "figure_by" if self.of else "count_by"
            case shape:
                return shape


@dataclass
class Maker:
    """Makes the meanings of one catalog.

    Attributes:
        only: tables (sql names) of which each meaning must have one; None: any.
    """

    catalog: Catalog
    store: sqlite3.Connection
    rng: Random
    profiles: dict[str, Profile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in self.catalog.tables:
            if table.rows >= FEWEST_ROWS:
                self.profiles[table.sql] = profile(table)

    def meanings(self) -> Iterator[Meaning]:
        """All of them: tables in turn, in each the shapes in turn."""
        queues = []
        for own in self.profiles.values():
            shelves: dict[str, list[Meaning]] = defaultdict(list)
            for made in self._of(own):
                shelves[f"{made.shape}:{made.func}:{bool(made.filters)}"].append(made)
            mixed = [self.rng.sample(several, len(several)) for _, several in sorted(shelves.items())]
            self.rng.shuffle(mixed)
            queues.append([m for turn in zip_longest(*mixed) for m in turn if m is not None])
        yield from (m for turn in zip_longest(*queues) for m in turn if m is not None)

    def _of(self, own: Profile) -> Iterator[Meaning]:
        yield from self._counts(own)
        yield from self._figures(own)
        yield from self._lists(own)
        yield from self._tops(own)
        yield from self._groups(own)
        yield from self._dated(own)
        yield from self._joined(own)

    # --- values ------------------------------------------------------------------------------

    def _at(self, place: Place, share: float) -> int | float | str | None:
        """The value below which this share of a column lies."""
        there = place.table.rows - place.column.nulls
        row = self.store.execute(
            f"SELECT {place.column.sql} FROM {place.table.sql} WHERE {place.column.sql} IS NOT NULL "
            f"ORDER BY 1 LIMIT 1 OFFSET {min(max(there - 1, 0), int(share * there))}"
        ).fetchone()
        return row[0] if row else None

    def _keys(self, place: Place, count: int) -> list[str]:
        """Some values of a column, spread over its rows."""
        rows = self.store.execute(
            f"SELECT DISTINCT {place.column.sql} FROM {place.table.sql} WHERE {place.column.sql} IS NOT NULL "
            f"AND length({place.column.sql}) <= {_LONGEST} ORDER BY _row LIMIT 500"
        ).fetchall()
        values = [str(row[0]) for row in rows]
        return self.rng.sample(values, min(count, len(values)))

    def _filters(self, own: Profile, *, through: bool = False) -> list[Filter]:
        """Conditions that hold for some rows and not for others."""
        found: list[Filter] = []
        for place in own.categories:
            values = [v for v in place.column.frequent if v.strip() and len(v) <= _LONGEST]
            for value in self.rng.sample(values, min(3, len(values))):
                found.append(Filter(Condition(place.ref, "=", (value,)), place, through))
        for place in own.numbers:
            limits: tuple[tuple[Op, float], ...] = (
                (self.rng.choice((">", ">=")), self.rng.uniform(0.5, 0.85)),
                (self.rng.choice(("<", "<=")), self.rng.uniform(0.2, 0.5)),
            )
            for op, share in limits:
                limit = rounded(self._at(place, share))
                if limit is not None:
                    found.append(Filter(Condition(place.ref, op, (limit,)), place, through))
            low, high = rounded(self._at(place, 0.25)), rounded(self._at(place, 0.7))
            if low is not None and high is not None and low < high:
                found.append(Filter(Condition(place.ref, "between", (low, high)), place, through))
        for place in own.dates:
            found += [Filter(c, place, through) for c in self._spans(place)]
        return found

    def _spans(self, place: Place) -> Iterator[Condition]:
        """Years, months and days around which some rows lie."""
        for share in (0.2, 0.5, 0.8):
            moment = str(self._at(place, share) or "")[:10]
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", moment):
                continue
            yield Condition(place.ref, "=", (moment[:4],))
            yield Condition(place.ref, self.rng.choice((">=", "<")), (moment[:4],))
            yield Condition(place.ref, "=", (moment[:7],))
            yield Condition(place.ref, self.rng.choice((">", "<")), (moment,))

    # --- shapes ------------------------------------------------------------------------------

    def _counts(self, own: Profile) -> Iterator[Meaning]:
        table, count = own.table.sql, Measure("count")
        yield Meaning("count", Plan(table, measures=(count,)), own.table, "count")
        filters = self._filters(own)
        for one in filters:
            plan = Plan(table, measures=(count,), where=(one.condition,))
            yield Meaning("count", plan, own.table, "count", filters=(one,))
            if one.condition.op in ("=", ">", "<") and one.place.column.type not in ("date", "datetime"):
                share = Plan(
                    table,
                    measures=(Measure("count", None, (one.condition,)), count),
                    ratio=True,
                    percent=True,
                )
                yield Meaning("share", share, own.table, "count", filters=(one,))
        for one, other in self._pairs(filters):
            plan = Plan(table, measures=(count,), where=(one.condition, other.condition))
            yield Meaning("count", plan, own.table, "count", filters=(one, other))
        for place in own.categories:
            different = Plan(table, measures=(Measure("count_distinct", place.ref),))
            yield Meaning("count_distinct", different, own.table, "count_distinct", of=place)
            yield Meaning("distinct", Plan(table, show=(place.ref,), distinct=True), own.table, show=(place,))

    def _pairs(self, filters: list[Filter]) -> list[tuple[Filter, Filter]]:
        """A text with something else, of two columns."""
        texts = [f for f in filters if f.condition.op == "=" and f.place.column.type == "text"]
        others = [f for f in filters if f not in texts] + texts
        both = [(a, b) for a in texts for b in others if a.place != b.place]
        return self.rng.sample(both, min(6, len(both)))

    def _figures(self, own: Profile) -> Iterator[Meaning]:
        filters = self._filters(own)
        for place in own.numbers:
            for func in _funcs(place):
                measure = Measure(func, place.ref)
                yield Meaning("figure", Plan(own.table.sql, measures=(measure,)), own.table, func, of=place)
                fitting = [f for f in filters if f.place != place]
                for one in self.rng.sample(fitting, min(4, len(fitting))):
                    plan = Plan(own.table.sql, measures=(measure,), where=(one.condition,))
                    yield Meaning("figure", plan, own.table, func, of=place, filters=(one,))

    def _lists(self, own: Profile) -> Iterator[Meaning]:
        if own.label is None:
            return
        label, table = own.label, own.table.sql
        for one in [*self._filters(own), *(_empty(p) for p in own.gaps)]:
            plan = Plan(table, show=(label.ref,), where=(one.condition,))
            yield Meaning("list", plan, own.table, show=(label,), filters=(one,))
        places = [Place(own.table, c) for c in own.table.columns[:MOST_COLUMNS] if c.sql != label.column.sql]
        attributes = [place for place in places if spoken(place)]
        for place in attributes:
            for key in self._keys(label, 2):
                plan = Plan(table, show=(place.ref,), where=(Condition(label.ref, "=", (key,)),))
                yield Meaning("look_up", plan, own.table, show=(place,), key=key)
        for one in self._filters(own):
            if others := [place for place in attributes if place != one.place]:
                place = self.rng.choice(others)
                plan = Plan(table, show=(label.ref, place.ref), where=(one.condition,))
                yield Meaning("beside", plan, own.table, show=(label, place), filters=(one,))

    def _tops(self, own: Profile) -> Iterator[Meaning]:
        if own.label is None:
            return
        filters = [f for f in self._filters(own) if f.condition.op == "="]
        for place in own.numbers:
            for most in (True, False):
                for number in (1, self.rng.choice((2, 3, 4, 5, 10))):
                    if number >= own.table.rows:
                        continue
                    order = (Order(place.ref, most),)
                    plan = Plan(own.table.sql, show=(own.label.ref,), order=order, limit=number)
                    yield Meaning(
                        "top", plan, own.table, of=place, show=(own.label,), most=most, number=number
                    )
            for one in self.rng.sample(filters, min(2, len(filters))):
                plan = Plan(
                    own.table.sql,
                    show=(own.label.ref,),
                    where=(one.condition,),
                    order=(Order(place.ref, True),),
                    limit=1,
                )
                yield Meaning("top", plan, own.table, of=place, show=(own.label,), filters=(one,), number=1)
        for place in own.dates:
            for most in (True, False):
                plan = Plan(own.table.sql, show=(own.label.ref,), order=(Order(place.ref, most),), limit=1)
                yield Meaning("newest", plan, own.table, of=place, show=(own.label,), most=most, number=1)

    def _groups(self, own: Profile, groups: Iterable[Place] | None = None) -> Iterator[Meaning]:
        """Figures by group; `groups` of other tables that the rows belong to."""
        table = own.table.sql
        filters = self._filters(own)
        measures: list[tuple[Func, Place | None]] = [("count", None)]
        measures += [(func, place) for place in own.numbers for func in _funcs(place)[:2]]
        for group in own.categories if groups is None else groups:
            for func, place in measures:
                measure = Measure(func, place.ref if place else None)
                shape: Shape = "figure_by" if place else "count_by"
                plan = Plan(table, measures=(measure,), group=(group.ref,))
                yield Meaning(shape, plan, own.table, func, place, group)
                fitting = [f for f in filters if f.place not in (group, place)]
                if fitting:
                    one = self.rng.choice(fitting)
                    plan = Plan(table, measures=(measure,), group=(group.ref,), where=(one.condition,))
                    yield Meaning(shape, plan, own.table, func, place, group, filters=(one,))
                for most in (True, False):
                    plan = Plan(table, show=(group.ref,), order=(Order(measure, most),), limit=1)
                    yield Meaning("top_group", plan, own.table, func, place, group, most=most, number=1)
            each = own.table.rows // max(group.column.distinct, 1)
            if groups is None and each > 1:
                having = (Having(Measure("count"), ">", each),)
                yield Meaning(
                    "having",
                    Plan(table, show=(group.ref,), group=(group.ref,), having=having),
                    own.table,
                    "count",
                    group=group,
                    number=each,
                )

    def _dated(self, own: Profile) -> Iterator[Meaning]:
        filters = [f for f in self._filters(own) if f.condition.op == "=" and f.place.column.type == "text"]
        for place in own.dates[:2]:
            for func in _ENDS:
                measure = Measure(func, place.ref)
                for one in self.rng.sample(filters, min(3, len(filters))):
                    plan = Plan(own.table.sql, measures=(measure,), where=(one.condition,))
                    most = func == "max"
                    yield Meaning("when", plan, own.table, func, of=place, filters=(one,), most=most)
            figures: list[tuple[Func, Place | None]] = [("count", None)]
            figures += [("sum", p) for p in own.numbers if summable(p)]
            for func, of in figures:
                for period in _PERIODS:
                    measure = Measure(func, of.ref if of else None)
                    plan = Plan(own.table.sql, measures=(measure,), group=(place.ref,), period=period)
                    yield Meaning("by_period", plan, own.table, func, of, place, period=period)

    def _joined(self, own: Profile) -> Iterator[Meaning]:
        """With the tables that the rows belong to."""
        for name in dict.fromkeys(key.to_table for key in own.table.foreign):
            parent = self.profiles.get(name)
            if parent is None or name == own.table.sql:
                continue
            yield from self._groups(own, parent.categories)
            conditions = [f for f in self._filters(parent, through=True) if f.condition.op != "between"]
            for one in conditions:
                plan = Plan(own.table.sql, measures=(Measure("count"),), where=(one.condition,))
                yield Meaning("count", plan, own.table, "count", filters=(one,))
                for place in own.numbers:
                    func = self.rng.choice(_funcs(place)[:2])
                    plan = Plan(own.table.sql, measures=(Measure(func, place.ref),), where=(one.condition,))
                    yield Meaning("figure", plan, own.table, func, of=place, filters=(one,))
            if parent.label is None:
                continue
            label = parent.label
            without = Plan(name, show=(label.ref,), without=(own.table.sql,))
            yield Meaning("without", without, parent.table, show=(label,), other=own.table)
            counted = Plan(name, measures=(Measure("count"),), without=(own.table.sql,))
            yield Meaning("count_without", counted, parent.table, "count", other=own.table)
            for one in self._filters(own):
                plan = Plan(name, show=(label.ref,), where=(one.condition,))
                yield Meaning("with_rows", plan, parent.table, show=(label,), other=own.table, filters=(one,))


def _funcs(place: Place) -> tuple[Literal["sum", "avg", "max", "min"], ...]:
    return ("sum", "avg", "max", "min") if summable(place) else ("avg", "max", "min")


def _empty(place: Place) -> Filter:
    return Filter(Condition(place.ref, "null"), place)
