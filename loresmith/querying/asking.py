"""What a question asks for: figures, the highest of something, a list; and what is left of its words.

`frame` reads all parts of a question in the order in which they can be told apart.
"""

from __future__ import annotations

from dataclasses import replace

from loresmith.querying import clauses, groupings
from loresmith.querying.extremes import as_figure, asked_before, counted_first, extremes
from loresmith.querying.frames import Figure, Frame, Reader
from loresmith.querying.linking import Links
from loresmith.querying.view import View
from loresmith.querying.vocabulary import glue

_WHEN = frozenset(("when", "wann", "cuando", "quando", "quand"))
_WHO = ("who", "wer", "quien", "chi", "qui")
_WHERE = ("where", "wo", "donde", "dove", "ou est")
_ON_AVERAGE = ("on average", "im durchschnitt", "im mittel", "durchschnittlich", "en promedio", "in media",
               "en moyenne", "de media")  # fmt: skip
_NOTHING = frozenset(("which", "list", "having", "and"))
"""Operators that may be left: the words around what they ask for were read."""


def frame(links: Links, view: View) -> Frame | None:
    """The question's shape, or None where code is not sure of it.

    Args:
        view: what the tables say of an atom.
    """
    if links.unexplained:
        return None
    reader = Reader(links, view)
    # Comparisons before values before groups: "by" is a group only where no value follows.
    steps = (
        groupings.turned, groupings.about, clauses.comparisons, clauses.dates, clauses.values,
        clauses.absences, clauses.flags, groupings.orders, groupings.groups, groupings.share,
        groupings.several, extremes, figures, rest,
    )  # fmt: skip
    return reader.frame if all(step(reader) for step in steps) else None


def figures(r: Reader) -> bool:
    f = r.frame
    averaged = [n for n in range(len(r.items)) if r.says(n, "avg") and r.items[n].text in _ON_AVERAGE]
    averaged = averaged if len(averaged) == 1 and not r.names(averaged[0] + 1) else []
    for n in range(len(r.items) - 1):
        if r.says(n, "much:length", "much:mass") and r.says(n + 1, "avg") and not averaged:
            averaged = [n + 1]  # "how long is the average rental"
    for n in range(len(r.items)):
        if r.says(n, *_HOW_MUCH) and (found := _hinted(r, n, averaged)) is not None:
            f.figures.append(found)
            continue
        if r.says(n, "sum", "avg", "count", "much"):
            kind = next(k for k in r.items[n].kinds if k in ("sum", "avg", "count", "much"))
            at = n + 1
            while at < len(r.items) and r.in_flags(at):
                at += 1  # "how many active employees"
            while r.says(at, "distinct", "sum", "count", "which", "list") and not r.names(at):
                if r.says(at, "count"):
                    kind = "count" if kind != "avg" else "avg count"
                f.distinct = f.distinct or r.says(at, "distinct")
                r.use(at)
                at += 1
            if kind == "sum" and not r.names(at) and (f.figures or _ends(r, n)):
                r.use(n)  # "in total"
                continue
            flagged = [k for k in range(n + 1, at) if r.in_flags(k)]
            if kind == "count" and len(flagged) == 1 and not r.names(at):
                f.figures.append(Figure("rows", r.items[flagged[0]]))  # "how many members do we have"
                r.use(n)
                continue
            if kind == "count" and at < len(r.items) and r.counts_value(at) and _in_stock(r, at):
                f.figures.append(Figure("sum", r.items[at + 1]))
                r.use(n, at + 1)
                continue
            if kind == "count" and at < len(r.items) and r.counts_value(at):
                f.figures.append(Figure("events" if _happened(r, n) else "count", r.items[at]))
                r.use(n)
                continue
            if kind == "much" and not (r.names(at) and r.numeric(r.items[at])):
                # "how much did the maintenance of P-300 cost"
                later = [k for k in range(at, len(r.items)) if r.names(k) and r.numeric(r.items[k])]
                at = later[-1] if later else at
            if not r.names(at):
                return False
            atom = r.items[at]
            numeric = r.numeric(atom)
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
            r.use(n, at)
            while (
                r.says(at + 1, "and") and r.names(at + 2) and r.numeric(r.items[at + 2]) and kind != "count"
            ):
                f.figures.append(Figure(func, r.items[at + 2]))
                r.use(at + 1, at + 2)
                at += 2
    return len(f.figures) <= 3


_HOW_MUCH = ("much", "much:length", "much:mass")


def _hinted(r: Reader, n: int, averaged: list[int]) -> Figure | None:
    """ "How long does a job take on average?", "how much did we spend?": of a column that is not named."""
    spent = [k for k in range(n, len(r.items)) if r.says(k, "spent", "takes")]
    hint = next(k for k in r.items[n].kinds if k in _HOW_MUCH).partition(":")[2] or (
        "money" if any(r.says(k, "spent") for k in spent) else ""
    )
    if not hint:
        return None
    named = [k for k in range(n, len(r.items)) if r.names(k) and r.numeric(r.items[k])]
    if len(named) > 1:
        return None
    summed = hint == "money"
    if not named and not summed and not averaged:
        return None  # how long one thing takes is a look-up, which needs its column
    r.use(n, *spent, *averaged, *named)
    func = "avg" if averaged else "sum" if summed else "none"
    return Figure(func, r.items[named[0]] if named else None, "" if named else hint)


_DOING = """did do done performed made carried happened took sold gemacht durchgefuhrt ausgefuhrt verkauft
    fatto fatti fatte eseguito eseguiti hecho hechos hicimos fait faits"""
_DONE = frozenset(_DOING.split())


def _happened(r: Reader, n: int) -> bool:
    """ "How many root canals did we do?": how often, not how many kinds there are."""
    return bool(_DONE & {w.folded for w in r.links.words[r.items[n].last :]})


def _in_stock(r: Reader, at: int) -> bool:
    """ "How many wear rings are in stock?": the amount that the row holds, not how many rows."""
    return (
        r.names(at + 1)
        and r.numeric(r.items[at + 1])
        and r.glue_before(at + 1)[-1:] in (("in",), ("on",), ("auf",), ("im",))
        and _ends(r, at + 1)
    )


def _ends(r: Reader, n: int) -> bool:
    return n == len(r.items) - 1


def rest(r: Reader) -> bool:
    """What is left: the target, columns to show, and words around what was read."""
    f = r.frame
    if (
        f.groups
        and not f.figures
        and not f.extreme
        and r.listed_for
        and f.target is None
        and not _amounts_left(r)
    ):
        f.target = f.groups.pop(0)
    asked = next((n for n in range(len(r.items)) if r.says(n, "which")), -1)
    when = asked >= 0 and r.items[asked].text in _WHEN
    if when and f.extreme and f.hint in ("date", "age") and f.limit is None:
        if f.target is not None:
            f.context.append(f.target)
        f.figures.append(Figure(f.extreme, None))
        f.target, f.extreme, f.by, f.hint = None, "", None, ""
        r.use(asked)
    f.who = any(r.says(n, "which") and r.items[n].text in _WHO for n in range(len(r.items)))
    f.where = any(r.says(n, "which") and r.items[n].text in _WHERE for n in range(len(r.items)))
    if f.extreme and f.by and f.target is None and not f.shows:
        counted_first(r)
    if f.extreme and f.by and f.target is None and not f.who and not asked_before(r):
        as_figure(r)
    for n in range(len(r.items)):
        if r.used[n]:
            continue
        atom = r.items[n]
        if atom.kind == "operator":
            if "distinct" in atom.kinds:
                f.distinct = True
            elif "which" in atom.kinds and atom.text in _WHEN:
                f.when = True
            elif "compare" in atom.kinds:
                f.compare = True
            elif not _NOTHING & set(atom.kinds) and not set(atom.text.split()) <= glue(r.links.language):
                return False
        elif r.names(n):
            if not _mention(r, n):
                return False
        else:
            return False
    if f.ask in ("share", "ratio"):
        return len(f.figures) == (2 if f.ask == "ratio" else 1) and not f.extreme
    if f.extreme:
        f.ask = "extreme"
        return f.by is not None
    _same_column(f)
    spans = bool(f.groups or f.period) and not f.figures
    if spans and f.per and f.target is not None and not f.shows and not f.extreme:
        f.figures, f.target = [Figure("count", f.target)], None  # "lessons per month"
    if spans and len(f.shows) == 1 and f.target is None and r.numeric(f.shows[0]):
        f.figures, f.assumed = [Figure("sum", f.shows.pop())], True
    f.ask = "figure" if f.figures else "list"
    if f.figures and len(f.figures) == 1 and f.figures[0].func == "count":
        f.ask = "count"
    return bool(f.figures or f.target or f.shows or ((f.who or f.where) and f.clauses))


def _same_column(f: Frame) -> None:
    """ "planned … in the second half": two parts of one column's name, apart from each other."""
    if len(f.shows) == 2 and all(a.columns and not a.tables for a in f.shows):
        first, second = ({(c.table, c.column): c for c in a.columns} for a in f.shows)
        both = first.keys() & second.keys()
        best = max(c.score for c in (*first.values(), *second.values()))
        if len(both) == 1 and best < 1.0:
            f.shows[:] = [replace(f.shows[0], columns=(first[both.pop()],))]


def _mention(r: Reader, n: int) -> bool:
    f, atom = r.frame, r.items[n]
    r.use(n)
    asked = f.figures or f.ask in ("share", "ratio")
    if f.where and r.dated(atom) and not r.numeric(atom):
        f.context.append(atom)  # "where is it installed": the verb, not the year
    elif asked and r.entity(atom):
        f.context.append(atom)
    elif r.numeric(atom) and not asked and f.target is None:
        f.shows.append(atom)
    elif atom.tables and (atom.kind == "table" or not asked or f.target is None):
        if f.target is None and not asked:
            f.target = atom
        else:
            f.context.append(atom)
    elif asked and not f.extreme:
        # A column that nothing is asked of says where, if only by one of its words.
        if r.numeric(atom) or max(c.score for c in atom.columns) > 0.7:
            return False
        f.context.append(atom)
    else:
        f.shows.append(atom)
    return True


def _amounts_left(r: Reader) -> bool:
    return any(r.names(n) and r.numeric(r.items[n]) for n in range(len(r.items)))
