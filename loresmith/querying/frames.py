"""The shape of a question: what is asked, of what, under which conditions; no table is chosen yet.

    Links -> Reader -> (clauses, then groupings, then asking) -> Frame

The atoms of the question are read once for every part of the shape; what was read is used up. A frame
exists only where every operator, name, value, number and date has found its part.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from loresmith.querying.linking import Atom, Links
from loresmith.querying.view import View

_ARTICLES = frozenset(("the", "a", "an", "der", "die", "das", "dem", "el", "la", "los", "il", "le", "les"))
Ask = Literal["list", "count", "figure", "extreme", "share", "ratio"]


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition. `subject` names the column where the question does; `near` is the word before.

    Values of kind "value" are atoms with hits; of "number" and "date" the literals themselves."""

    kind: Literal["value", "number", "date", "null", "key", "flag"]
    op: str
    subject: Atom | None = None
    atoms: tuple[Atom, ...] = ()
    values: tuple[int | float | str, ...] = ()
    unit: str = ""
    near: str = ""
    at: int = 0  # its first word
    joined: str = ""  # "and" or "or" between several values


@dataclass(frozen=True, slots=True)
class Figure:
    """A function of a column, or a count of what an atom names."""

    func: str
    of: Atom | None
    hint: str = ""  # what the column is about, where nothing names it: "money", "length", "mass"


@dataclass(slots=True)
class Frame:
    """The parts of a question.

    Attributes:
        target: what is listed.  shows: columns asked for.  figures: what is computed.
        extreme: ("max" or "min", hint) of `by`, and how many.  total: over groups, not rows.
        having: (operator, number, what is counted).  order: (by what, descending); None: the figure.
        without: what must have no rows.  context: mentions that only say where.
    """

    ask: Ask = "list"
    target: Atom | None = None
    shows: list[Atom] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    clauses: list[Clause] = field(default_factory=list)
    groups: list[Atom] = field(default_factory=list)
    period: str = ""
    period_of: Atom | None = None
    extreme: str = ""
    hint: str = ""
    by: Figure | None = None
    limit: int | None = None
    having: list[tuple[str, int | float, Atom]] = field(default_factory=list)
    order: list[tuple[Atom | None, bool]] = field(default_factory=list)
    alphabetical: bool = False
    assumed: bool = False  # "hours by team" does not say that they are summed
    distinct: bool = False
    when: bool = False
    who: bool = False
    where: bool = False
    compare: bool = False
    split: int = 0  # the word at which the second part of a ratio begins
    whole: bool = False  # the second part is all that the first is a part of
    per: bool = False  # the group is said by "per", which of an average can mean two things
    without: list[Atom] = field(default_factory=list)
    context: list[Atom] = field(default_factory=list)


class Reader:
    """The atoms of one question, and which of them are used up.

    numeric, dated, flag, gaps, entity: whether an atom can name a column of numbers that can be computed
    with; of dates (or of years); of yes and no; with cells that are empty; that says which row it is."""

    def __init__(self, links: Links, view: View) -> None:
        self.links = links
        self.items = [a for a in links.atoms if a.kind not in ("glue", "unknown")]
        self.used = [False] * len(self.items)
        self.numeric, self.dated, self.flag = view.numeric, view.dated, view.flag
        self.gaps, self.entity = view.gaps, view.entity
        self.frame = Frame()
        self.extreme_at = -1
        self.listed_for = False  # "for each pump" of a list

    def says(self, n: int, *kinds: str) -> bool:
        return 0 <= n < len(self.items) and not self.used[n] and any(k in self.items[n].kinds for k in kinds)

    def names(self, n: int) -> bool:
        """An unused mention of a table or column."""
        return (
            0 <= n < len(self.items)
            and not self.used[n]
            and self.items[n].kind in ("name", "table", "column")
        )

    def is_a(self, n: int, *kinds: str) -> bool:
        return 0 <= n < len(self.items) and not self.used[n] and self.items[n].kind in kinds

    def glue_before(self, n: int) -> tuple[str, ...]:
        """The glue words between an item and the one before it."""
        if not 0 <= n < len(self.items):
            return ()
        first = self.items[n - 1].last if n else 0
        return tuple(w.folded for w in self.links.words[first : self.items[n].first])

    def word_before(self, n: int) -> str:
        """The word before an item, articles left out."""
        for k in range(self.items[n].first - 1, -1, -1):
            word = self.links.words[k].folded
            if word not in _ARTICLES:
                return word
        return ""

    def between(self, a: int, b: int) -> str:
        """The text between two items."""
        first, second = self.items[a], self.items[b]
        return self.links.question[
            self.links.words[first.last - 1].end : self.links.words[second.first].start
        ]

    def use(self, *numbers: int) -> None:
        for n in numbers:
            self.used[n] = True

    def previous(self, n: int, *skip: str) -> int:
        """The item before, operators of these kinds skipped; -1 where it is used or none."""
        n -= 1
        while n >= 0 and (self.used[n] is False and any(k in self.items[n].kinds for k in skip)):
            n -= 1
        return n if n >= 0 and not self.used[n] else -1

    def add(self, clause: Clause, *used: int) -> None:
        self.frame.clauses.append(replace(clause, at=min(self.items[n].first for n in used)))
        self.use(*used)

    def in_flags(self, n: int) -> bool:
        item = self.items[n]
        return any(item is c.subject for c in self.frame.clauses if c.kind == "flag")

    def period(self, n: int) -> str:
        if not 0 <= n < len(self.items) or self.used[n]:
            return ""
        return next((k.removeprefix("period:") for k in self.items[n].kinds if k.startswith("period:")), "")

    def in_values(self, n: int) -> bool:
        """Whether an item was read as a value or as the column of one."""
        item = self.items[n]
        return any(item in c.atoms or item is c.subject for c in self.frame.clauses if c.kind == "value")

    def counts_value(self, at: int) -> bool:
        """ "how many inspections": the rows of which the value is said."""
        item = self.items[at]
        return any(
            item is c.atoms[0] and len(c.atoms) == 1 and c.subject is None
            for c in self.frame.clauses
            if c.atoms
        )
