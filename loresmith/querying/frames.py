"""The shape of a question: what is asked, of what, under which conditions; no table is chosen yet.

    Links -> Frame (or None, where a word has no part in it)

The atoms of the question are read once for every part of the shape; what was read is used up. A frame
exists only where every operator, name, value, number and date has found its part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from loresmith.querying.linking import Atom, Links

Ask = Literal["list", "count", "figure", "extreme", "share", "ratio"]
_COMPARE = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "=", "ne": "!="}
_DATED = {"before": "<", "after": ">", "since": ">=", "until": "<="}
_WHEN = frozenset(("when", "wann", "cuando", "quando", "quand"))
_TOP = ("top", "best", "first", "last", "worst", "bottom")
_SHARES = ("share", "anteil", "quota", "part")
_MOST = frozenset(
    ("most", "fewest", "least", "meisten", "wenigsten", "am meisten", "mas", "plus", "piu", "meiste")
)
_NOTHING = frozenset(("which", "list", "having", "and"))
"""Operators that may be left: the words around what they ask for were read."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition. `subject` names the column where the question does; `near` is the word before.

    Values of kind "value" are atoms with hits; of "number" and "date" the literals themselves."""

    kind: Literal["value", "number", "date", "null", "key"]
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
    extreme: str = ""
    hint: str = ""
    by: Figure | None = None
    limit: int | None = None
    having: list[tuple[str, int | float, Atom]] = field(default_factory=list)
    order: list[tuple[Atom | None, bool]] = field(default_factory=list)
    alphabetical: bool = False
    distinct: bool = False
    when: bool = False
    who: bool = False
    split: int = 0  # the word at which the second part of a ratio begins
    whole: bool = False  # the second part is all that the first is a part of
    per: bool = False  # the group is said by "per", which of an average can mean two things
    without: list[Atom] = field(default_factory=list)
    context: list[Atom] = field(default_factory=list)


def frame(links: Links, numeric: Callable[[Atom], bool], dated: Callable[[Atom], bool]) -> Frame | None:
    """The question's shape, or None where code is not sure of it.

    Args:
        numeric: whether an atom can name a column of numbers that can be computed with.
        dated: whether an atom can name a column of dates (or of years).
    """
    if links.unexplained:
        return None
    reader = _Reader(links, numeric, dated)
    return reader.read()


class _Reader:
    """The atoms of one question, and which of them are used up."""

    def __init__(self, links: Links, numeric: Callable[[Atom], bool], dated: Callable[[Atom], bool]) -> None:
        self.links = links
        self.items = [a for a in links.atoms if a.kind not in ("glue", "unknown")]
        self.used = [False] * len(self.items)
        self.numeric, self.dated = numeric, dated
        self.frame = Frame()
        self.extreme_at = -1
        self.listed_for = False  # "for each pump" of a list

    # --- helpers -----------------------------------------------------------------------------

    def _is(self, n: int, *kinds: str) -> bool:
        return 0 <= n < len(self.items) and not self.used[n] and any(k in self.items[n].kinds for k in kinds)

    def _names(self, n: int) -> bool:
        """An unused mention of a table or column."""
        return (
            0 <= n < len(self.items)
            and not self.used[n]
            and self.items[n].kind in ("name", "table", "column")
        )

    def _kind(self, n: int, *kinds: str) -> bool:
        return 0 <= n < len(self.items) and not self.used[n] and self.items[n].kind in kinds

    def _glue_before(self, n: int) -> tuple[str, ...]:
        """The glue words between an item and the one before it."""
        first = self.items[n - 1].last if n else 0
        return tuple(w.folded for w in self.links.words[first : self.items[n].first])

    def _word_before(self, n: int) -> str:
        """The word before an item, articles left out."""
        for k in range(self.items[n].first - 1, -1, -1):
            word = self.links.words[k].folded
            if word not in (
                "the",
                "a",
                "an",
                "der",
                "die",
                "das",
                "dem",
                "el",
                "la",
                "los",
                "il",
                "le",
                "les",
            ):
                return word
        return ""

    def _between(self, a: int, b: int) -> str:
        """The text between two items."""
        first, second = self.items[a], self.items[b]
        return self.links.question[
            self.links.words[first.last - 1].end : self.links.words[second.first].start
        ]

    def _use(self, *numbers: int) -> None:
        for n in numbers:
            self.used[n] = True

    def _previous(self, n: int, *skip: str) -> int:
        """The item before, operators of these kinds skipped; -1 where it is used or none."""
        n -= 1
        while n >= 0 and (self.used[n] is False and any(k in self.items[n].kinds for k in skip)):
            n -= 1
        return n if n >= 0 and not self.used[n] else -1

    # --- the parts ---------------------------------------------------------------------------

    def read(self) -> Frame | None:
        # Comparisons before values before groups: "by" is a group only where no value follows.
        steps = (
            self._comparisons, self._dates, self._values, self._absences, self._orders, self._groups,
            self._share, self._several, self._extremes, self._figures, self._rest,
        )  # fmt: skip
        if not all(step() for step in steps):
            return None
        return self.frame

    def _comparisons(self) -> bool:
        for n in range(len(self.items)):
            if self._is(n, "between") and not self._span(n, "and"):
                return False
            if self._is(n, "gt", "ge", "lt", "le", "eq", "ne") and not self._compared(n):
                return False
            if self._is(n, "ge_after", "le_after"):
                op = ">=" if self._is(n, "ge_after") else "<="
                if not self._kind(n - 1, "number", "date") or not self._number(n - 1, op, (n,)):
                    return False
            if self._is(n, "since", *_DATED) and not self._dated_at(n):
                return False
        return True

    def _span(self, n: int, middle: str) -> bool:
        a, b = n + 1, n + 3
        if not (
            self._is(n + 2, middle, "until") or self._glue_before(n + 2)[-1:] in (("to",), ("bis",), ("a",))
        ):
            return False
        if not self._is(n + 2, middle, "until"):
            b = n + 2
        low, high = (self.items[a], self.items[b]) if b < len(self.items) else (None, None)
        if low is None or high is None:
            return False
        if low.date and high.date:
            subject = self._date_subject(n)
            if subject is None or not self._amounts(n):
                values = (low.date.value, high.date.until or high.date.value)
                self._add(Clause("date", "between", subject, values=values), *range(n, b + 1))
                return True
        if low.number and high.number:
            subject_at = self._previous(n, "having", "which")
            after = b + 1
            unit = high.number.unit or low.number.unit
            values_ = (low.number.value, high.number.value)
            if subject_at >= 0 and self._names(subject_at) and self.numeric(self.items[subject_at]):
                clause = Clause("number", "between", self.items[subject_at], values=values_, unit=unit)
                self._add(clause, subject_at, *range(n, b + 1))
                return True
            if self._names(after) and self.numeric(self.items[after]):
                clause = Clause("number", "between", self.items[after], values=values_, unit=unit)
                self._add(clause, *range(n, after + 1))
                return True
            if unit:
                self._add(Clause("number", "between", None, values=values_, unit=unit), *range(n, b + 1))
                return True
        return False

    def _amounts(self, n: int) -> bool:
        """Whether what stands before is a number's column rather than a date's."""
        before = self._previous(n, "having", "which")
        return (
            before >= 0
            and self._names(before)
            and self.numeric(self.items[before])
            and not self.dated(self.items[before])
        )

    def _compared(self, n: int) -> bool:
        kind = next(k for k in self.items[n].kinds if k in _COMPARE)
        if self._kind(n + 1, "number", "date") and self.items[n + 1].number:
            return self._number(n + 1, _COMPARE[kind], (n,))
        words = self.links.words
        end = self.items[n].last
        if (
            kind in ("gt", "lt", "ge")
            and end < len(words)
            and words[end].folded in ("one", "ein", "eine", "una", "un")
        ):
            if self._names(n + 1) and self.numeric(self.items[n + 1]):
                self._add(Clause("number", _COMPARE[kind], self.items[n + 1], values=(1,)), n, n + 1)
                return True
            return self._counted(n, n + 1, _COMPARE[kind], 1, (n,))
        # Else it is the sign of a value, which is read later.
        return kind in ("eq", "ne") and self._kind(n + 1, "value")

    def _number(self, at: int, op: str, used: tuple[int, ...]) -> bool:
        """`op number`: the column before it, or after it, or of its unit; or a count of rows."""
        number = self.items[at].number
        if number is None:
            return False
        first = min(at, *used)
        before = self._previous(first, "having", "which")
        after = max(at, *used) + 1
        clause = ("number", op)
        if before >= 0 and self._names(before) and self.numeric(self.items[before]):
            counted = self._is(before - 1, "count")
            if not counted:
                made = Clause("number", op, self.items[before], values=(number.value,), unit=number.unit)
                self._add(made, before, at, *used)
                return True
        if self._names(after) and self.numeric(self.items[after]) and not number.unit:
            made = Clause("number", op, self.items[after], values=(number.value,))
            self._add(made, at, after, *used)
            return True
        if before >= 1 and self._names(before) and self._is(before - 1, "count"):
            self.frame.having.append((op, number.value, self.items[before]))
            self._use(before, before - 1, at, *used)
            return True
        if self._names(after) and not number.unit:
            return self._counted(at, after, op, number.value, used)
        if number.unit:
            self._add(Clause(clause[0], op, None, values=(number.value,), unit=number.unit), at, *used)  # type: ignore[arg-type]
            return True
        return False

    def _counted(self, at: int, after: int, op: str, number: int | float, used: tuple[int, ...]) -> bool:
        """ "more than 5 flights": of the groups, those with so many rows."""
        if not self._names(after) or not self.items[after].tables:
            return False
        self.frame.having.append((op, number, self.items[after]))
        self._use(after, *used)
        if self.items[at].number is not None:
            self._use(at)
        return True

    def _dated_at(self, n: int) -> bool:
        kind = next((k for k in self.items[n].kinds if k in _DATED), "")
        if not kind:
            return True
        if not self._kind(n + 1, "date", "number") or self.items[n + 1].date is None:
            if "since" in self.items[n].kinds or "until" in self.items[n].kinds:
                self._use(n)  # "from" and "to" of a place
                return True
            return False
        if kind == "since" and n + 2 < len(self.items):
            glue = self._glue_before(n + 2)
            if self.items[n + 2].date and (
                glue[-1:] in (("to",), ("bis",), ("a",), ("al",)) or "until" in self.items[n + 2].kinds
            ):
                return self._span(n, "until")
            if "until" in self.items[n + 2].kinds and self._kind(n + 3, "date"):
                return self._span(n, "until")
        date = self.items[n + 1].date
        assert date is not None
        subject = self._date_subject(n)
        value = date.until if date.until and kind in ("after", "until") else date.value
        self._add(Clause("date", _DATED[kind], subject, values=(value,), near=self._said(n)), n, n + 1)
        return True

    def _amount_before(self, n: int) -> bool:
        before = self._names(n - 1) and self.numeric(self.items[n - 1])
        return before and set(self._glue_before(n)) <= {"of", "is", "von", "ist", "de", "di", "es"}

    def _said(self, n: int) -> str:
        """The last word of the item before: "shipped" of "shipped in 2023"."""
        return self.links.words[self.items[n - 1].last - 1].folded if n else ""

    def _date_subject(self, n: int) -> Atom | None:
        """The column of dates that stands just before, used up."""
        before = self._previous(n, "having", "which")
        if before >= 0 and self._names(before) and self.dated(self.items[before]):
            grouped = self._is(before - 1, "group")
            if not grouped and (self.items[before].kind == "column" or not self.items[before].tables):
                self._use(before)
            return self.items[before]
        if before >= 0 and self._period(before) and not self._is(before - 1, "group"):
            self._use(before)
        return None

    def _dates(self) -> bool:
        for n in range(1, len(self.items)):
            number = self.items[n].number
            if (
                self._kind(n, "number", "date")
                and number is not None
                and not number.unit
                and self.items[n - 1].kind in ("name", "table")
                and not self.numeric(self.items[n - 1])
                and not self.used[n - 1]
                and not self._glue_before(n)
            ):
                clause = Clause("key", "=", self.items[n - 1], values=(number.value,))
                self._add(clause, n, n - 1)  # "order 1005"
            elif self._kind(n, "number") and number is not None and not self._amount_before(n):
                after = n + 1
                limits = self._is(n - 1, "max", "min")
                if number.unit or limits or not self._names(after) or not self.numeric(self.items[after]):
                    continue
                if self._is(after + 1, "max", "min") or self._glue_before(after):
                    continue
                clause = Clause("number", "=", self.items[after], values=(number.value,))
                self._add(clause, n, after)  # "0 stops"
            elif self._kind(n, "number") and number is not None:
                clause = Clause("number", "=", self.items[n - 1], values=(number.value,), unit=number.unit)
                self._add(clause, n, n - 1)  # "a stock of 0"
        for n in range(len(self.items)):
            if self._kind(n, "date"):
                date = self.items[n].date
                assert date is not None
                subject = self._date_subject(n)
                op, values = ("between", (date.value, date.until)) if date.until else ("=", (date.value,))
                self._add(Clause("date", op, subject, values=values, near=self._said(n)), n)
        return True

    def _add(self, clause: Clause, *used: int) -> None:
        self.frame.clauses.append(replace(clause, at=min(self.items[n].first for n in used)))
        self._use(*used)

    # --- values ------------------------------------------------------------------------------

    def _values(self) -> bool:
        n = 0
        while n < len(self.items):
            if not self._kind(n, "value"):
                n += 1
                continue
            if self._kind(n + 1, "value") and self._between(n, n + 1) == " (":
                self._use(n)  # "Los Angeles (LAX)": said twice
                n += 1
                continue
            run, joined = self._run(n)
            columns = set.intersection(*({(v.table, v.column) for v in self.items[k].values} for k in run))
            subject, used = self._value_subject(run, columns)
            op, negation = "=", self._negation(run[0], used)
            if negation:
                op = "!="
                used.append(negation[0])
            sign = run[0] - 1
            if self._is(sign, "eq", "ne"):
                op = "!=" if self._is(sign, "ne") else "="
                used.append(sign)
                before = self._previous(sign, "having", "which")
                if subject is None and before >= 0 and self._names(before):
                    subject = self.items[before]
                    used.append(before)
            atoms = tuple(self.items[k] for k in run)
            near = self._word_before(min([*run, *used]) if subject else run[0])
            self._add(Clause("value", op, subject, atoms=atoms, near=near, joined=joined), *run, *used)
            n = run[-1] + 1
        return not any(self._kind(n, "quote") for n in range(len(self.items)))

    def _run(self, n: int) -> tuple[list[int], str]:
        """Values of one column that follow one another: "Köln, Basel or Lyon"."""
        run, joined = [n], ""
        while True:
            last = run[-1]
            step = 2 if self._is(last + 1, "and", "or") else 1
            if not self._kind(last + step, "value") or self._glue_before(last + step):
                return run, joined
            if step == 1 and self._between(last, last + 1).strip() != ",":
                return run, joined
            columns = set.intersection(*({(v.table, v.column) for v in self.items[k].values} for k in run))
            if not columns & {(v.table, v.column) for v in self.items[last + step].values}:
                return run, joined
            if step == 2:
                joined = "or" if self._is(last + 1, "or") else "and"
                self._use(last + 1)
            run.append(last + step)

    def _value_subject(self, run: list[int], columns: set[tuple[str, str]]) -> tuple[Atom | None, list[int]]:
        """The mention beside values that names their column: "technician Ann Lee", "Italian food"."""
        after, before = run[-1] + 1, run[0] - 1
        if self._names(after) and self._fits(after, columns, whole=False) and not self._glue_before(after):
            return self.items[after], [after]
        if (
            self._names(before)
            and not self._is(before - 1, "count", "group")
            and self._fits(before, columns, whole=True)
        ):
            return self.items[before], [before]
        return None, []

    def _fits(self, n: int, columns: set[tuple[str, str]], *, whole: bool) -> bool:
        atom = self.items[n]
        fitting = [c for c in atom.columns if (c.table, c.column) in columns]
        # A table's mention says the column only where the column is what names its rows.
        if any(c.score >= (0.8 if whole and atom.tables else 0.5) for c in fitting):
            return True
        return not self.numeric(atom) and any(
            (table, column) in columns and column in ("name", "title")
            for table, _ in atom.tables
            for column in ("name", "title")
        )

    def _negation(self, n: int, used: list[int]) -> tuple[int, ...]:
        first = min([n, *used])
        return (first - 1,) if self._is(first - 1, "not") else ()

    def _absences(self) -> bool:
        for n in range(len(self.items)):
            if self._is(n, "without"):
                if not self._names(n + 1):
                    return False
                atom = self.items[n + 1]
                if atom.kind == "column" or not atom.tables:
                    self._add(Clause("null", "null", atom), n, n + 1)
                else:
                    self.frame.without.append(atom)
                    self._use(n, n + 1)
        return True

    # --- order, groups -----------------------------------------------------------------------

    def _orders(self) -> bool:
        order = self.frame.order
        for n in range(len(self.items)):
            if self._is(n, "alphabetical"):
                self.frame.alphabetical = True
                self._use(n)
                if self._is(n - 1, "order"):
                    self._use(n - 1)
            elif self._is(n, "order") and not self._is(n + 1, "alphabetical"):
                at = n + 1
                if self._is(at, "desc", "asc"):
                    order.append((None, self._is(at, "desc")))
                    self._use(n, at)
                    continue
                if self._names(at) and self._is(at + 1, "order"):
                    self._use(at)  # "order the results by"
                    n, at = at + 1, at + 2
                self._use(*(k for k in range(len(self.items)) if k < at and self._is(k, "order")))
                if self._is(at, "group"):
                    self._use(at)  # "sorted by ..." whose "by" stands alone
                    at += 1
                figure = any(self._is(at, k) for k in ("count", "sum", "avg"))
                while self._is(at, "count", "sum", "avg"):
                    self._use(at)
                    at += 1
                if not self._names(at):
                    return False
                atom = self.items[at]
                self._use(at)
                down = self._is(at + 1, "desc")
                if self._is(at + 1, "desc", "asc"):
                    self._use(at + 1)
                order.append((None if figure else atom, down))
        for n in range(len(self.items)):
            if self._is(n, "desc", "asc"):
                down = self._is(n, "desc")
                self._use(n)
                order.append((None, down))
        return len(order) <= 2

    def _groups(self) -> bool:
        for n in range(len(self.items)):
            if not self._is(n, "group"):
                continue
            at = n + 1
            if self._agent(n):
                self._use(n)
                continue
            while self._is(at, "which", "distinct", "list"):
                at += 1
            if self._is(at, "avg", "sum", "count") and self._names(at + 1) and self._tops():
                kind = next(k for k in self.items[at].kinds if k in ("avg", "sum", "count"))
                if kind == "count" and self.numeric(self.items[at + 1]):
                    kind = "sum"
                self.frame.by = Figure(kind, self.items[at + 1])
                self._use(n, at, at + 1)  # "top 3 sites by average power"
                continue
            if at < len(self.items) and self._in_values(at):
                self._use(n)  # "written by Ann Lee"
                continue
            if not self._group_at(at):
                return False
            self.frame.per = self.frame.per or self.items[n].text in ("per", "pro", "je", "por", "par")
            self.listed_for = self.items[n].text in (
                "for all",
                "for each",
                "for every",
                "of each",
                "of every",
            )
            self._use(*range(n, at))
            while (
                self._is(at + 1, "and")
                and (self._names(at + 2) or self._period(at + 2))
                and not self._glue_before(at + 2)
            ):
                self._use(at + 1)
                at += 2
                if not self._group_at(at):
                    return False
        return True

    def _tops(self) -> bool:
        return self.frame.by is None and any(
            self._is(k, "max", "min") and self.items[k].text in _TOP for k in range(len(self.items))
        )

    def _agent(self, n: int) -> bool:
        """ "received by publications": who did it, no group."""
        item = self.items[n]
        before = self.links.words[item.first - 1].folded if item.first else ""
        return item.text in ("by", "par", "por") and before.endswith(("ed", "en")) and len(before) > 4

    def _in_values(self, n: int) -> bool:
        """Whether an item was read as a value or as the column of one."""
        item = self.items[n]
        return any(item in c.atoms or item is c.subject for c in self.frame.clauses if c.kind == "value")

    def _period(self, n: int) -> str:
        if not 0 <= n < len(self.items) or self.used[n]:
            return ""
        return next((k.removeprefix("period:") for k in self.items[n].kinds if k.startswith("period:")), "")

    def _group_at(self, n: int) -> bool:
        if self._names(n):
            self.frame.groups.append(self.items[n])
        elif period := self._period(n):
            if self.frame.period:
                return False
            self.frame.period = period
        else:
            return False
        self._use(n)
        return True

    # --- figures -----------------------------------------------------------------------------

    def _share(self) -> bool:
        """ "the share of pumps in Köln", "the ratio of A to B", "A out of all B"."""
        f = self.frame
        at = [n for n in range(len(self.items)) if self._is(n, "percent", "share", "ratio")]
        outof = [n for n in range(len(self.items)) if self._is(n, "outof")]
        if not at:
            return not outof
        if len(at) > 1 or len(outof) > 1:
            return False
        f.hint = "percent" if self._is(at[0], "percent") or self.items[at[0]].text.startswith(_SHARES) else ""
        f.ask = "ratio" if outof or self._is(at[0], "ratio") else "share"
        self._use(at[0])
        first = self._part(at[0] + 1)
        if first < 0:
            return False
        if f.ask == "share":
            return True
        if outof:
            self._use(outof[0])
            f.split, f.whole = self.items[outof[0]].first, True
            return self._part(outof[0] + 1) > 0
        for n in range(first + 1, len(self.items)):
            if "to" in self._glue_before(n) or "zu" in self._glue_before(n):
                f.split = self.items[n].first
                return self._part(n) > 0
        return False

    def _part(self, n: int) -> int:
        """What a share or ratio is of, from here; -1 where it is nothing that counts."""
        while n < len(self.items) and (self.used[n] or self._is(n, "sum", "count")):
            if self._counts_value(n):
                self.frame.figures.append(Figure("count", self.items[n]))
                return n
            self._use(n)
            n += 1
        if not self._names(n):
            return -1
        func = "sum" if self.numeric(self.items[n]) else "count"
        self.frame.figures.append(Figure(func, self.items[n]))
        self._use(n)
        return n

    def _several(self) -> bool:
        """ "minimum, maximum and average price": figures of one column."""
        for n in range(len(self.items)):
            run = []
            at = n
            while self._is(at, "min", "max", "avg", "sum"):
                run.append(at)
                if self._is(at + 1, "and"):
                    at += 2
                elif at + 1 < len(self.items) and "," in self._between(at, at + 1):
                    at += 1
                else:
                    at += 1
                    break
            if len(run) > 1 and self._names(at) and self.numeric(self.items[at]):
                if len({self.items[k].kinds[0] for k in run} & {"min", "max"}) == 0:
                    continue  # "total average" is no pair
                for k in run:
                    func = next(kind for kind in self.items[k].kinds if kind in ("min", "max", "avg", "sum"))
                    self.frame.figures.append(Figure(func, self.items[at]))
                self._use(*range(n, at + 1))
        return True

    def _extremes(self) -> bool:
        """ "highest", "most", "top 5", "latest": an order with a limit, or the figure itself."""
        f = self.frame
        for n in range(len(self.items)):
            kinds = [
                k
                for k in (self.items[n].kinds if not self.used[n] else ())
                if k.split(":")[0] in ("max", "min")
            ]
            if not kinds:
                continue
            func, _, hint = kinds[0].partition(":")
            at, number = n + 1, None
            if self._kind(at, "number", "date") and self.items[at].number and not self.items[at].number.unit:  # type: ignore[union-attr]
                number, at = self.items[at].number, at + 1
                self._use(at - 1)
            elif self._kind(n - 1, "number") and not self.items[n - 1].number.unit:  # type: ignore[union-attr]
                number = self.items[n - 1].number
                self._use(n - 1)
            if number is not None:
                if not isinstance(number.value, int) or f.limit is not None or not 1 <= number.value <= 1000:
                    return False
                f.limit = number.value
            self._use(n)
            self.extreme_at = n
            top = self.items[n].text in _TOP and not (
                self.numeric(self.items[at]) if self._names(at) else False
            )
            if not self._extreme_of(n, at, func, "" if number and hint == "date" else hint, top):
                return False
        return True

    def _extreme_of(self, n: int, at: int, func: str, hint: str, top: bool) -> bool:
        f = self.frame
        inner = "none"
        while self._is(at, "sum", "avg", "count"):
            inner = next(k for k in self.items[at].kinds if k in ("sum", "avg", "count"))
            self._use(at)
            at += 1
        if hint in ("length", "money") and self._names(at) and self.numeric(self.items[at]):
            hint = ""
        if hint:
            if f.by is not None:
                return False
            f.extreme, f.hint, f.by = func, hint, Figure("none", None)
            if self._names(at) and self.items[at].tables and f.target is None:
                f.target = self.items[at]
                self._use(at)
            return True
        most = self.items[n].text in _MOST
        if most and at < len(self.items) and self._counts_value(at) and f.by is None:
            f.extreme, f.by = f.extreme or func, Figure("count", self.items[at])
            return True
        if not self._names(at):
            return False
        atom = self.items[at]
        numeric = self.numeric(atom)
        if top and not numeric and f.target is None:
            f.extreme = f.extreme or func  # what it is ordered by comes later
            if atom.tables:
                f.target = atom
                self._use(at)
            return self._top_by()
        if f.by is not None:
            return False
        if numeric and inner in ("none", "count", "sum", "avg"):
            func_ = "avg" if inner == "avg" else "sum" if inner == "sum" or most else "none"
            f.by = Figure(func_, atom)
        elif atom.tables or inner == "count" or most:
            f.by = Figure("count", atom)
        elif self.dated(atom):
            f.by = Figure("none", atom)
        else:
            return False
        f.extreme = f.extreme or func
        self._use(at)
        follows = at + 1
        if numeric and f.target is None and self._names(follows) and not self._glue_before(follows):
            if not self.items[follows].tables:
                return False
            f.target = self.items[follows]  # "the best rated restaurant"
            self._use(follows)
        return True

    def _top_by(self) -> bool:
        """ "top 5 pumps by power": the group that was read is the order."""
        f = self.frame
        if len(f.groups) == 1 and self.numeric(f.groups[0]) and f.by is None:
            f.by = Figure("sum", f.groups.pop())
        return True

    def _figures(self) -> bool:
        f = self.frame
        for n in range(len(self.items)):
            if self._is(n, "sum", "avg", "count", "much"):
                kind = next(k for k in self.items[n].kinds if k in ("sum", "avg", "count", "much"))
                at = n + 1
                while self._is(at, "distinct", "sum", "count", "which", "list") and not self._names(at):
                    if self._is(at, "count"):
                        kind = "count" if kind != "avg" else "avg count"
                    f.distinct = f.distinct or self._is(at, "distinct")
                    self._use(at)
                    at += 1
                if kind == "sum" and not self._names(at) and (f.figures or self._ends(n)):
                    self._use(n)  # "in total"
                    continue
                if kind == "count" and at < len(self.items) and self._counts_value(at):
                    f.figures.append(Figure("count", self.items[at]))
                    self._use(n)
                    continue
                if kind == "much" and not (self._names(at) and self.numeric(self.items[at])):
                    # "how much did the maintenance of P-300 cost"
                    later = [
                        k
                        for k in range(at, len(self.items))
                        if self._names(k) and self.numeric(self.items[k])
                    ]
                    at = later[-1] if later else at
                if not self._names(at):
                    return False
                atom = self.items[at]
                numeric = self.numeric(atom)
                if kind == "avg count" and not numeric:
                    return False  # an average of counts
                if kind in ("sum", "avg", "much", "avg count") and not numeric:
                    return False
                func = {
                    "much": "sum",
                    "avg count": "avg",
                    "count": "sum" if numeric and not f.distinct else "count",
                }.get(kind, kind)
                f.figures.append(Figure(func, atom))
                self._use(n, at)
                while (
                    self._is(at + 1, "and")
                    and self._names(at + 2)
                    and self.numeric(self.items[at + 2])
                    and kind != "count"
                ):
                    f.figures.append(Figure(func, self.items[at + 2]))
                    self._use(at + 1, at + 2)
                    at += 2
        return len(f.figures) <= 3

    def _counts_value(self, at: int) -> bool:
        """ "how many inspections": the rows of which the value is said."""
        item = self.items[at]
        return any(
            item is c.atoms[0] and len(c.atoms) == 1 and c.subject is None
            for c in self.frame.clauses
            if c.atoms
        )

    def _ends(self, n: int) -> bool:
        return n == len(self.items) - 1

    def _rest(self) -> bool:
        """What is left: the target, columns to show, and words around what was read."""
        f = self.frame
        if f.groups and not f.figures and not f.extreme and self.listed_for and f.target is None:
            f.target = f.groups.pop(0)
        asked = next((n for n in range(len(self.items)) if self._is(n, "which")), -1)
        when = asked >= 0 and self.items[asked].text in _WHEN
        if when and f.extreme and f.hint == "date" and f.limit is None:
            if f.target is not None:
                f.context.append(f.target)
            f.figures.append(Figure(f.extreme, None))
            f.target, f.extreme, f.by, f.hint = None, "", None, ""
            self._use(asked)
        if f.extreme and f.by and f.target is None and not self._asked_before():
            self._as_figure()
        for n in range(len(self.items)):
            if self.used[n]:
                continue
            atom = self.items[n]
            if atom.kind == "operator":
                if "distinct" in atom.kinds:
                    f.distinct = True
                elif "which" in atom.kinds and atom.text in _WHEN:
                    f.when = True
                elif not _NOTHING & set(atom.kinds):
                    return False
                elif atom.text in ("who", "wer", "quien", "chi", "qui"):
                    f.who = True
            elif self._names(n):
                if not self._mention(n):
                    return False
            else:
                return False
        if f.ask in ("share", "ratio"):
            return len(f.figures) == (2 if f.ask == "ratio" else 1) and not f.extreme
        if f.extreme:
            f.ask = "extreme"
            return f.by is not None
        f.ask = "figure" if f.figures else "list"
        if f.figures and len(f.figures) == 1 and f.figures[0].func == "count":
            f.ask = "count"
        return bool(f.figures or f.target or f.shows)

    def _asked_before(self) -> bool:
        """Whether something is asked for that has the extreme: "which pump has the highest power"."""
        return any(self._names(n) for n in range(self.extreme_at))

    def _as_figure(self) -> None:
        """ "What is the highest cost of inspections?": a figure over rows."""
        f = self.frame
        if f.by is not None and f.by.func == "none" and f.by.of is not None and f.limit is None:
            f.figures.append(Figure(f.extreme, f.by.of))
            f.extreme, f.by, f.hint = "", None, ""

    def _mention(self, n: int) -> bool:
        f, atom = self.frame, self.items[n]
        self._use(n)
        asked = f.figures or f.ask in ("share", "ratio")
        if self.numeric(atom) and not asked and f.target is None:
            f.shows.append(atom)
        elif atom.tables and (atom.kind == "table" or not asked or f.target is None):
            if f.target is None and not asked:
                f.target = atom
            else:
                f.context.append(atom)
        elif asked and not f.extreme:
            # A column that nothing is asked of says where, if only by one of its words.
            if self.numeric(atom) or max(c.score for c in atom.columns) > 0.7:
                return False
            f.context.append(atom)
        else:
            f.shows.append(atom)
        return True
