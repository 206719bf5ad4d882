"""The plans of one choice of columns: what a frame asks, with the columns that were chosen for its parts.

    Frame + {"target": Option, "clause 0": Option, …} -> (extra score, Plan), …

Promise: where what was chosen can be meant in two ways that come to different figures, there is no plan,
or one for each way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loresmith.errors import PlanError
from loresmith.querying.frames import Frame
from loresmith.querying.joins import Step, tree
from loresmith.querying.plan import Condition, Having, Measure, Order, Period, Plan, Ref
from loresmith.querying.unnamed import Option
from loresmith.querying.view import View


class Maker:
    """Plans of choices for one frame.

    ways: how the tables join."""

    def __init__(self, shape: Frame, view: View, ways: list[Step]) -> None:
        self.frame, self.view, self.ways = shape, view, ways

    def plans(self, chosen: dict[str, Option]) -> Iterable[tuple[float, Plan]]:
        """(extra score, plan) of one choice of columns."""
        f = self.frame
        where = tuple(c for name, o in chosen.items() if name.startswith("clause") for c in o.conditions)
        groups = tuple(r for name, o in chosen.items() if name.startswith("group") for r in o.refs)
        if any(self.view.column(r).type == "real" for r in groups):
            return
        averaged = [x for x in (*f.figures, *([f.by] if f.by else [])) if x.func == "avg"]
        if averaged:
            # "cost per job": of the rows, where each is a job.
            base = next((o.table for n, o in chosen.items() if n in ("by", "figure 0")), "")
            groups = tuple(r for r in groups if r.table != base or not self.view.identifies(r))
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

    def _told_apart(self, plan: Plan, entities: Sequence[Option]) -> Plan:
        """Groups of two of the same name are two groups."""
        for option in entities:
            table = self.view.table(option.table)
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
                apart = plan.distinct or any(m.func == "count_distinct" for m in plan.measures)
                if apart or any(r.table != plan.table for r in used):
                    return False  # none of several rows, or each of them: another question
            if clause.kind == "flag" and clause.values == (0,) and plan.distinct:
                return False  # who has not paid one thing, or none at all
        equal = [c.ref for c in plan.where if c.op == "="]
        return len(set(equal)) == len(equal)  # no row is two things

    def _figures(
        self, chosen: dict[str, Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
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
        self, chosen: dict[str, Option], measures: Sequence[Measure], shown: Sequence[Ref]
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
        self, chosen: dict[str, Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        f = self.frame
        if len(f.having) != 1 or f.extreme or f.figures or groups or len(f.shows) > 1:
            return
        target = chosen.get("target") or chosen.get("show 0")
        counted = chosen["having 0"].table
        if target is None or (target.table == counted and target.entity):
            return
        op, number, _ = f.having[0]
        measure = Measure("count")
        having = (Having(measure, op, number),)  # type: ignore[arg-type]
        refs = target.refs
        yield 0.0, Plan(table=counted, show=refs, measures=(measure,), where=where, group=refs, having=having)

    def _ratio(self, chosen: dict[str, Option], groups: tuple[Ref, ...]) -> Iterable[tuple[float, Plan]]:
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
            if all_of and not second:
                return  # "of the USA to that of California": each has a condition of its own
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
        self, chosen: dict[str, Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
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
        self, chosen: dict[str, Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        f = self.frame
        by = chosen["by"]
        if f.figures or by.measure is None or f.alphabetical:
            return
        down = f.extreme == "max"
        if any(d != down for _, d in f.order) or (f.order and f.limit is None):
            return  # "the shortest, in ascending order": one, or all of them?
        limit = f.limit or 1
        if groups:
            yield from self._span_of_time(by, f, groups, where, limit)
            return
        shows = tuple(r for name, o in chosen.items() if name.startswith("show") for r in o.refs)
        target = chosen.get("target")
        refs = self._shown(target, shows)
        if not refs and (target is None or by.measure.func != "none" or by.table != target.table):
            return
        entity = target.table if target and target.entity else refs[0].table
        if by.measure.func in ("count", "count_distinct"):
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
        additive = self.view.amount(column) and not self.view.intensive(column)
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

    def _of_others(self, chosen: dict[str, Option], where: tuple[Condition, ...]) -> bool:
        """ "What is the phone of Ann Lee?": of her, not of those she has to do with."""
        shows = {o.table for name, o in chosen.items() if name.startswith("show")}
        if "target" in chosen or len(shows) != 1 or shows & self.view.mentioned:
            return False
        if any(self.view.identifies(r) for o in chosen.values() for r in o.refs if o.table in shows):
            return False  # they are what is asked for
        (base,) = shows
        said = sorted({c.ref.table for c in where} - {base})
        try:
            return any(step.multiplies for step in tree(base, said, self.ways))
        except PlanError:
            return True

    def _span_of_time(
        self, by: Option, f: Frame, groups: tuple[Ref, ...], where: tuple[Condition, ...], limit: int
    ) -> Iterable[tuple[float, Plan]]:
        """ "In which month were most jobs done?": of the spans of time, those with the most."""
        measure = by.measure
        if not f.period or len(groups) != 1 or f.target or f.shows or measure is None:
            return
        if measure.func == "none":
            if measure.ref is None or not self.view.additive(measure.ref):
                return
            measure = Measure("sum", measure.ref)
        if measure.func == "count_distinct" and measure.ref and self.view.identifies(measure.ref):
            measure = Measure("count")
        order = (Order(measure, f.extreme == "max"),)
        yield 0.0, Plan(by.table, (), (measure,), where, groups, order=order, limit=limit)

    def _shown(self, target: Option | None, shows: tuple[Ref, ...]) -> tuple[Ref, ...]:
        """What is listed: the columns asked for, with what names the row where they do not."""
        if target is None:
            return tuple(dict.fromkeys(shows))
        named = any(self.view.column(r).type == "text" and r.table == target.table for r in shows)
        return tuple(dict.fromkeys(shows if named else (*target.refs, *shows)))

    def _listed(
        self, chosen: dict[str, Option], where: tuple[Condition, ...], groups: tuple[Ref, ...]
    ) -> Iterable[tuple[float, Plan]]:
        f = self.frame
        if groups or self._of_others(chosen, where):
            return
        shows = tuple(r for name, o in chosen.items() if name.startswith("show") for r in o.refs)
        if "when" in chosen:
            shows = (*shows, *chosen["when"].refs)
        if "where" in chosen:
            shows = (*shows, *chosen["where"].refs)
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
        several = [c.ref for c in where if c.op == "in" and c.ref.table == base and c.ref not in refs]
        if f.compare:
            if len(shows) == 1 and amounts and several and self.view.additive(shows[0]):
                yield 0.0, Plan(base, measures=(Measure("sum", shows[0]),), where=where, group=(several[0],))
            return
        if not rows and amounts and not pinned and not several:
            # The cost of a pump that has many: each, or together? Only where both come to the same.
            if len(shows) == 1 and target is None:
                yield 0.0, Plan(base, measures=(Measure("sum", shows[0]),), where=where)
            else:
                return
        # Which of several values a row has is part of the answer.
        if shows and several and not rows:
            refs = (*several[:1], *refs)
        distinct = not rows and not amounts
        yield 0.0, Plan(base, refs, (), where, order=order, distinct=distinct or f.distinct)


def _with(plan: Plan, *, without: tuple[str, ...], period: str | None) -> Plan:
    kept: Period | None = period if plan.group and period in ("year", "month", "day") else None  # type: ignore[assignment]
    return replace(plan, without=without, period=kept)
