"""Plans by code: exact where the question's words leave no doubt, and nothing where they do.

    Links -> Frame -> every choice of columns that fits -> the best -> [Plan]

Promises: every content word of the question has its part in a plan; a plan can be written as a statement
(`to_sql` does not refuse it); where two choices are equally good, all of them are given, for whoever runs
them to see whether they come to the same; `[]` where that would be more than three.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from loresmith.errors import PlanError
from loresmith.querying.asking import frame
from loresmith.querying.choices import Choices
from loresmith.querying.frames import Frame
from loresmith.querying.joins import Step, steps, tree
from loresmith.querying.linking import Links
from loresmith.querying.making import Maker
from loresmith.querying.plan import Plan, to_sql
from loresmith.querying.routing import signals, tabular
from loresmith.querying.unnamed import JOIN, Option
from loresmith.querying.view import View
from loresmith.tables.values import Catalog

__all__ = ["plans", "signals", "tabular"]

_CLOSE = 0.06
"""Two choices whose scores differ by less are equally good."""
_MOST = 3
_OPTIONS = 8
_CHOICES = 4000


def plans(question: str, links: Links, catalog: Catalog) -> list[Plan]:
    """The plans that a question means, best first; [] where code is not sure."""
    found = _planned(links, catalog)
    return found or (_planned(links.other, catalog) if links.other else [])


def _planned(links: Links, catalog: Catalog) -> list[Plan]:
    view = View(links, catalog)
    shape = frame(links, view)
    if shape is None or not catalog.tables:
        return []
    found = _Solver(shape, view).solve()
    best = [plan for score, plan in found if score > found[0][0] - _CLOSE]
    best = [plan for plan in best if not any(_tells_less(plan, other) for other in best)]
    return best if len(best) <= _MOST else []


def _tells_less(plan: Plan, other: Plan) -> bool:
    """The same rows with fewer of their columns: by name, where the other has code and name."""
    return set(plan.show) < set(other.show) and replace(plan, show=other.show) == other


class _Solver:
    """Chooses columns for the parts of a frame, all together."""

    def __init__(self, shape: Frame, view: View) -> None:
        self.frame, self.view, self.catalog = shape, view, view.catalog
        self.ways: list[Step] = steps(self.catalog)
        self.maker = Maker(shape, view, self.ways)
        self.costs: dict[tuple[str, frozenset[str]], float | None] = {}

    def solve(self) -> list[tuple[float, Plan]]:
        """(score, plan) of every choice that can be written, best first."""
        parts = Choices(self.frame, self.view).parts()
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
            for extra, plan in self.maker.plans(chosen):
                score = sum(o.score for o in choice) + extra - self._afar(plan)
                cost = self._cost(plan, {o.table for o in choice})
                if cost is not None and self._context(plan, chosen) and not self._strayed(plan, chosen):
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
                self.costs[key] = JOIN * len(tree(plan.table, sorted(key[1]), self.ways))
            except PlanError:
                self.costs[key] = None
        return self.costs[key]

    def _strayed(self, plan: Plan, chosen: dict[str, Option]) -> bool:
        """Whether a date that no column is named for went to a table that nothing else speaks of."""
        f = self.frame
        base = self.view.table(plan.table)
        if base is None or not any(c.type in ("date", "datetime") for c in base.columns):
            return False
        used = {o.table for name, o in chosen.items() if name not in self._unnamed()}
        return (
            any(
                chosen[name].table not in used | {plan.table}
                and chosen[name].table not in self.view.mentioned
                for name in self._unnamed()
            )
            and not f.without
        )

    def _unnamed(self) -> list[str]:
        clauses = enumerate(self.frame.clauses)
        return [f"clause {n}" for n, c in clauses if c.kind == "date" and c.subject is None]

    def _afar(self, plan: Plan) -> float:
        """A date or number whose column the question does not name is of the rows that are asked for."""
        unnamed = [
            n for n, c in enumerate(self.frame.clauses) if c.kind in ("date", "number") and c.subject is None
        ]
        own = sum(
            c.ref.table == plan.table for c in (*plan.where, *(c for m in plan.measures for c in m.where))
        )
        return 0.5 * (len(unnamed) > own)

    def _context(self, plan: Plan, chosen: dict[str, Option]) -> bool:
        """Whether what only says where is among the tables that are used."""
        figures = [f for f in (*self.frame.figures, self.frame.by) if f and f.of and f.func != "events"]
        counted = {f.of for f in figures if f.of and f.of.kind == "value"}
        for n, clause in enumerate(self.frame.clauses):
            if set(clause.atoms) & counted and chosen[f"clause {n}"].table != plan.table:
                return False
        used = {plan.table, *(o.table for o in chosen.values())}
        return all(
            any(t in used for t, _ in atom.tables) or any(c.table in used for c in atom.columns)
            for atom in self.frame.context
        )
