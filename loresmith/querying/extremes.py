"""What is the highest, the most, the latest, the most frequent: the extreme that a question asks for.

As in clauses.py: False means that something looked like one and could not be read.
"""

from __future__ import annotations

from loresmith.querying.frames import Figure, Reader
from loresmith.querying.groupings import TOP

_MOST = frozenset(
    ("most", "fewest", "least", "meisten", "wenigsten", "am meisten", "mas", "plus", "piu", "meiste")
)
_HINTED = tuple(
    f"{func}:{hint}" for func in ("max", "min") for hint in ("money", "date", "age", "length", "mass")
)


def extremes(r: Reader) -> bool:
    """ "highest", "most", "top 5", "latest": an order with a limit, or the figure itr."""
    f = r.frame
    for n in range(len(r.items)):
        kinds = [k for k in (r.items[n].kinds if not r.used[n] else ()) if k.split(":")[0] in ("max", "min")]
        if not kinds:
            continue
        func, _, hint = kinds[0].partition(":")
        at, number = n + 1, None
        if _adverb(r, n, func, hint):
            continue
        if r.is_a(at, "number", "date") and r.items[at].number and not r.items[at].number.unit:  # type: ignore[union-attr]
            number, at = r.items[at].number, at + 1
            r.use(at - 1)
        elif r.is_a(n - 1, "number") and not r.items[n - 1].number.unit:  # type: ignore[union-attr]
            number = r.items[n - 1].number
            r.use(n - 1)
        if number is not None:
            if not isinstance(number.value, int) or f.limit is not None or not 1 <= number.value <= 1000:
                return False
            f.limit = number.value
        r.use(n)
        r.extreme_at = n
        if number is not None and r.items[n].text in TOP and r.says(at, "max", "min", *_HINTED):
            continue  # "top 3 most expensive jobs"
        top = r.items[n].text in TOP and not (r.numeric(r.items[at]) if r.names(at) else False)
        if not _extreme_of(r, n, at, func, "" if number and hint in ("date", "age") else hint, top):
            return False
    return True


def _adverb(r: Reader, n: int, func: str, hint: str) -> bool:
    """ "Which job cost most?", "who has been with us longest?": the extreme of what stands before."""
    f = r.frame
    before = n - 1
    if not r.names(before) or r.names(n + 1) or f.by is not None or f.extreme:
        return False
    atom = r.items[before]
    if hint == "count":  # "which room is used most"
        f.by, f.extreme, r.extreme_at = Figure("rows", atom), func, n
        f.shows.append(atom)
        r.use(before, n)
        return True
    if r.glue_before(n):
        return False
    since = hint == "length" and r.dated(atom) and not r.numeric(atom)
    if not since and not (not hint and r.items[n].text in _MOST and r.numeric(atom)):
        return False
    f.by = Figure("none", atom)
    f.extreme = {"max": "min", "min": "max"}[func] if since else func
    r.extreme_at = n
    r.use(before, n)
    return True


def _extreme_of(r: Reader, n: int, at: int, func: str, hint: str, top: bool) -> bool:
    f = r.frame
    inner = "none"
    while r.says(at, "sum", "avg", "count"):
        inner = next(k for k in r.items[at].kinds if k in ("sum", "avg", "count"))
        r.use(at)
        at += 1
    if hint in ("length", "money") and r.names(at) and r.numeric(r.items[at]):
        hint = ""
    if hint in ("date", "age") and r.names(at) and r.dated(r.items[at]) and not r.items[at].tables:
        hint = ""  # "the earliest date of birth"
    if hint == "count":
        if not r.names(at) or f.by is not None:
            return False
        f.extreme, f.by = func, Figure("rows", r.items[at])  # "the most frequent fault"
        f.shows.append(r.items[at])
        r.use(at)
        return True
    if hint:
        if f.by is not None:
            return False
        if hint == "length" and any(r.names(k) and r.dated(r.items[k]) for k in range(len(r.items))):
            return False  # the longest since a year, or of an amount?
        f.extreme, f.hint, f.by = func, hint, Figure("none", None)
        if r.names(at) and r.items[at].tables and f.target is None:
            f.target = r.items[at]
            r.use(at)
        return True
    most = r.items[n].text in _MOST
    if most and at < len(r.items) and r.counts_value(at) and f.by is None:
        f.extreme, f.by = f.extreme or func, Figure("count", r.items[at])
        return True
    if not r.names(at) or (most and r.glue_before(at)):
        return False  # "worked most on pumps" is not "the most pumps"
    atom = r.items[at]
    numeric = r.numeric(atom)
    if top and not numeric and f.target is None:
        f.extreme = f.extreme or func  # what it is ordered by comes later
        if atom.tables:
            f.target = atom
            r.use(at)
        return _top_by(r)
    if f.by is not None:
        return False
    if numeric and inner in ("none", "count", "sum", "avg"):
        func_ = "avg" if inner == "avg" else "sum" if inner == "sum" or most else "none"
        f.by = Figure(func_, atom)
    elif atom.tables or inner == "count" or most:
        f.by = Figure("count", atom)
    elif r.dated(atom):
        f.by = Figure("none", atom)
    else:
        return False
    f.extreme = f.extreme or func
    r.use(at)
    follows = at + 1
    if numeric and f.target is None and r.names(follows) and not r.glue_before(follows):
        if not r.items[follows].tables:
            return False
        f.target = r.items[follows]  # "the best rated restaurant"
        r.use(follows)
    return True


def _top_by(r: Reader) -> bool:
    """ "top 5 pumps by power": the group that was read is the order."""
    f = r.frame
    if len(f.groups) == 1 and r.numeric(f.groups[0]) and f.by is None:
        f.by = Figure("sum", f.groups.pop())
    return True


def counted_first(r: Reader) -> None:
    """ "Which five assets had …", "in which month were …": how many are asked for, or a span of time."""
    f = r.frame
    for n in range(r.extreme_at):
        number = r.items[n].number
        if r.is_a(n, "number") and number is not None and not number.unit and r.names(n + 1):
            if isinstance(number.value, int) and f.limit is None and 1 <= number.value <= 1000:
                f.limit = number.value
                r.use(n)
        elif r.says(n, "which") and r.period(n + 1) and not f.period:
            f.period = r.period(n + 1)
            r.use(n, n + 1)


def asked_before(r: Reader) -> bool:
    """Whether something is asked for that has the extreme: "which pump has the highest power"."""
    return any(r.names(n) for n in range(r.extreme_at))


def as_figure(r: Reader) -> None:
    """ "What is the highest cost of inspections?": a figure over rows."""
    f = r.frame
    if f.by is not None and f.by.func == "none" and f.by.of is not None and f.limit is None:
        f.figures.append(Figure(f.extreme, f.by.of))
        f.extreme, f.by, f.hint = "", None, ""
