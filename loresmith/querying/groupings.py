"""Orders, groups, shares and ratios of a question.

As in clauses.py: False means that something looked like one and could not be read.
"""

from __future__ import annotations

from loresmith.querying.frames import Clause, Figure, Reader
from loresmith.querying.naming import ABOUT

TOP = ("top", "best", "first", "last", "worst", "bottom")
"""Words of an extreme that say how many rather than of what."""
_ARTICLES = {"le", "la", "les", "el", "los", "las", "il", "lo", "i", "gli"}
_OF_FIGURES = frozenset(("sum", "avg", "max", "min", "much", "count"))
_ROMANCE = ("es", "it", "fr")
_SHARES = ("share", "anteil", "quota", "part")


def orders(r: Reader) -> bool:
    order = r.frame.order
    for n in range(len(r.items)):
        if r.says(n, "alphabetical"):
            r.frame.alphabetical = True
            r.use(n)
            if r.says(n - 1, "order"):
                r.use(n - 1)
        elif r.says(n, "order") and r.says(n - 1, "desc", "asc") and not r.names(n + 1):
            order.append((None, r.says(n - 1, "desc")))
            r.use(n - 1, n)  # "absteigend sortiert"
        elif r.says(n, "order") and not r.says(n + 1, "alphabetical"):
            at = n + 1
            if r.says(at, "desc", "asc"):
                order.append((None, r.says(at, "desc")))
                r.use(n, at)
                continue
            if r.names(at) and r.says(at + 1, "order"):
                r.use(at)  # "order the results by"
                n, at = at + 1, at + 2
            r.use(*(k for k in range(len(r.items)) if k < at and r.says(k, "order")))
            if r.says(at, "group"):
                r.use(at)  # "sorted by ..." whose "by" stands alone
                at += 1
            figure = any(r.says(at, k) for k in ("count", "sum", "avg"))
            while r.says(at, "count", "sum", "avg"):
                r.use(at)
                at += 1
            if not r.names(at):
                return False
            atom = r.items[at]
            r.use(at)
            down = r.says(at + 1, "desc")
            if r.says(at + 1, "desc", "asc"):
                r.use(at + 1)
            order.append((None if figure else atom, down))
    for n in range(len(r.items)):
        if r.says(n, "desc", "asc"):
            down = r.says(n, "desc")
            r.use(n)
            order.append((None, down))
    return len(order) <= 2


def groups(r: Reader) -> bool:
    for n in range(len(r.items)):
        if not r.says(n, "group"):
            continue
        at = n + 1
        if _agent(r, n):
            r.use(n)
            continue
        while r.says(at, "which", "distinct", "list"):
            at += 1
        if r.says(at, "avg", "sum", "count") and r.names(at + 1) and _tops(r):
            kind = next(k for k in r.items[at].kinds if k in ("avg", "sum", "count"))
            if kind == "count" and r.numeric(r.items[at + 1]):
                kind = "sum"
            r.frame.by = Figure(kind, r.items[at + 1])
            r.use(n, at, at + 1)  # "top 3 sites by average power"
            continue
        if at < len(r.items) and r.in_values(at):
            r.use(n)  # "written by Ann Lee"
            continue
        dated = not r.frame.period and r.period(at) and r.names(n - 1) and r.dated(r.items[n - 1])
        if not _group_at(r, at):
            return False
        if dated and r.items[n - 1].kind == "column":
            r.frame.period_of = r.items[n - 1]  # "pumps installed per year"
            r.use(n - 1)
        r.frame.per = r.frame.per or r.items[n].text in ("per", "pro", "je", "por", "par")
        r.listed_for = r.items[n].text in (
            "for all",
            "for each",
            "for every",
            "of each",
            "of every",
        )
        r.use(*range(n, at))
        while r.says(at + 1, "and") and (r.names(at + 2) or r.period(at + 2)) and not r.glue_before(at + 2):
            r.use(at + 1)
            at += 2
            if not _group_at(r, at):
                return False
    return True


def _tops(r: Reader) -> bool:
    return r.frame.by is None and any(
        r.says(k, "max", "min") and r.items[k].text in TOP for k in range(len(r.items))
    )


def _agent(r: Reader, n: int) -> bool:
    """ "received by publications": who did it, no group."""
    item = r.items[n]
    before = r.links.words[item.first - 1].folded if item.first else ""
    return item.text == "by" and before.endswith(("ed", "en")) and len(before) > 4


def _group_at(r: Reader, n: int) -> bool:
    if r.names(n):
        r.frame.groups.append(r.items[n])
    elif period := r.period(n):
        if r.frame.period:
            return False
        r.frame.period = period
    else:
        return False
    r.use(n)
    return True


def about(r: Reader) -> bool:
    """ "maintenance cost": what only a file's title speaks of says where to look."""
    for n in range(len(r.items) - 2, -1, -1):
        atom = r.items[n]
        weak = not atom.columns and max((s for _, s in atom.tables), default=1.0) <= ABOUT
        # "highest rental price", "Reparaturkosten": whose figure it is.
        if r.names(n) and r.names(n + 1) and atom.tables and not r.numeric(atom):
            before = n == 0 or any(k.split(":")[0] in _OF_FIGURES for k in r.items[n - 1].kinds)
            weak = weak or (before and r.numeric(r.items[n + 1]) and not r.items[n + 1].tables)
        if r.names(n) and weak and r.names(n + 1) and not r.glue_before(n + 1):
            r.frame.context.append(atom)
            del r.items[n], r.used[n]
    return True


def turned(r: Reader) -> bool:
    """ "importe total", "prix le plus élevé": in Romance languages the figure stands behind."""
    if r.links.language not in _ROMANCE:
        return True
    for n in range(1, len(r.items)):
        kinds = [k for k in ("sum", "avg", "max", "min") if r.says(n, k)]
        before = r.names(n - 1) and r.numeric(r.items[n - 1])
        after = r.names(n + 1) and r.numeric(r.items[n + 1])
        if kinds and before and not after and set(r.glue_before(n)) <= _ARTICLES:
            r.items[n - 1], r.items[n] = r.items[n], r.items[n - 1]
    return True


def share(r: Reader) -> bool:
    """ "the share of pumps in Köln", "the ratio of A to B", "A out of all B"."""
    f = r.frame
    at = [n for n in range(len(r.items)) if r.says(n, "percent", "share", "ratio")]
    outof = [n for n in range(len(r.items)) if r.says(n, "outof")]
    if not at and len(outof) == 1 and _used_up(r, outof[0]):
        return True
    if not at:
        return not outof
    if len(at) > 1 or len(outof) > 1:
        return False
    f.hint = "percent" if r.says(at[0], "percent") or r.items[at[0]].text.startswith(_SHARES) else ""
    f.ask = "ratio" if outof or r.says(at[0], "ratio") else "share"
    r.use(at[0])
    first = _part(r, at[0] + 1)
    if first < 0:
        return False
    if f.ask == "share":
        return True
    if outof:
        r.use(outof[0])
        f.split, f.whole = r.items[outof[0]].first, True
        return _part(r, outof[0] + 1) > 0
    for n in range(first + 1, len(r.items)):
        if "to" in r.glue_before(n) or "zu" in r.glue_before(n):
            f.split = r.items[n].first
            return _part(r, n) > 0
    return False


def _used_up(r: Reader, n: int) -> bool:
    """ "parts that are out of stock": of which there is nothing left."""
    if r.items[n].text != "out of" or not r.names(n + 1) or not r.numeric(r.items[n + 1]):
        return False
    if n == 0 or r.numeric(r.items[n - 1]):
        return False
    r.add(Clause("number", "=", r.items[n + 1], values=(0,)), n, n + 1)
    return True


def _part(r: Reader, n: int) -> int:
    """What a share or ratio is of, from here; -1 where it is nothing that counts."""
    while n < len(r.items) and (r.used[n] or r.says(n, "sum", "count")):
        if r.counts_value(n):
            r.frame.figures.append(Figure("count", r.items[n]))
            return n
        r.use(n)
        n += 1
    if not r.names(n):
        return -1
    func = "sum" if r.numeric(r.items[n]) else "count"
    r.frame.figures.append(Figure(func, r.items[n]))
    r.use(n)
    return n


def several(r: Reader) -> bool:
    """ "minimum, maximum and average price": figures of one column."""
    for n in range(len(r.items)):
        run = []
        at = n
        while r.says(at, "min", "max", "avg", "sum"):
            run.append(at)
            if r.says(at + 1, "and"):
                at += 2
            elif at + 1 < len(r.items) and "," in r.between(at, at + 1):
                at += 1
            else:
                at += 1
                break
        if len(run) > 1 and r.names(at) and r.numeric(r.items[at]):
            if len({r.items[k].kinds[0] for k in run} & {"min", "max"}) == 0:
                continue  # "total average" is no pair
            for k in run:
                func = next(kind for kind in r.items[k].kinds if kind in ("min", "max", "avg", "sum"))
                r.frame.figures.append(Figure(func, r.items[at]))
            r.use(*range(n, at + 1))
    return True
