"""The conditions of a question: comparisons, dates, values, what must be missing.

Each function reads its part from the atoms that are not used up, and says whether all that looked like
it could be read: False means that code is not sure of the question.
"""

from __future__ import annotations

from loresmith.querying.frames import Clause, Reader
from loresmith.querying.linking import Atom

_COMPARE = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "=", "ne": "!="}
_DATED = {"before": "<", "after": ">", "since": ">=", "until": "<="}
_NEVER = ("never", "nie", "niemals", "nunca", "mai", "jamais")
_NO = ("no", "kein", "keine", "keinen", "keiner", "ningun", "ninguna", "nessun", "nessuna", "aucun")


def comparisons(r: Reader) -> bool:
    for n in range(len(r.items)):
        if r.says(n, "between") and not _span(r, n, "and"):
            return False
        if r.says(n, "gt", "ge", "lt", "le", "eq", "ne") and not _compared(r, n):
            return False
        if r.says(n, "ge_after", "le_after"):
            op = ">=" if r.says(n, "ge_after") else "<="
            if not r.is_a(n - 1, "number", "date") or not _number(r, n - 1, op, (n,)):
                return False
        if r.says(n, "since", *_DATED) and not _dated_at(r, n):
            return False
    return True


def _span(r: Reader, n: int, middle: str) -> bool:
    a, b = n + 1, n + 3
    if not (r.says(n + 2, middle, "until") or r.glue_before(n + 2)[-1:] in (("to",), ("bis",), ("a",))):
        return False
    if not r.says(n + 2, middle, "until"):
        b = n + 2
    low, high = (r.items[a], r.items[b]) if b < len(r.items) else (None, None)
    if low is None or high is None:
        return False
    if low.date and high.date:
        subject = _date_subject(r, n)
        if subject is None or not _amounts(r, n):
            values = (low.date.value, high.date.until or high.date.value)
            r.add(Clause("date", "between", subject, values=values), *range(n, b + 1))
            return True
    if low.number and high.number:
        subject_at = r.previous(n, "having", "which")
        after = b + 1
        unit = high.number.unit or low.number.unit
        values_ = (low.number.value, high.number.value)
        if subject_at >= 0 and r.names(subject_at) and r.numeric(r.items[subject_at]):
            clause = Clause("number", "between", r.items[subject_at], values=values_, unit=unit)
            r.add(clause, subject_at, *range(n, b + 1))
            return True
        if r.names(after) and r.numeric(r.items[after]):
            clause = Clause("number", "between", r.items[after], values=values_, unit=unit)
            r.add(clause, *range(n, after + 1))
            return True
        if unit:
            r.add(Clause("number", "between", None, values=values_, unit=unit), *range(n, b + 1))
            return True
    return False


def _amounts(r: Reader, n: int) -> bool:
    """Whether what stands before is a number's column rather than a date's."""
    before = r.previous(n, "having", "which")
    return before >= 0 and r.names(before) and r.numeric(r.items[before]) and not r.dated(r.items[before])


def _compared(r: Reader, n: int) -> bool:
    kind = next(k for k in r.items[n].kinds if k in _COMPARE)
    if r.is_a(n + 1, "number", "date") and r.items[n + 1].number:
        return _number(r, n + 1, _COMPARE[kind], (n,))
    words = r.links.words
    end = r.items[n].last
    if (
        kind in ("gt", "lt", "ge")
        and end < len(words)
        and words[end].folded in ("one", "ein", "eine", "una", "un")
    ):
        if r.names(n + 1) and r.numeric(r.items[n + 1]):
            r.add(Clause("number", _COMPARE[kind], r.items[n + 1], values=(1,)), n, n + 1)
            return True
        return _counted(r, n, n + 1, _COMPARE[kind], 1, (n,))
    # Else it is the sign of a value, which is read later.
    return kind in ("eq", "ne") and r.is_a(n + 1, "value")


def _number(r: Reader, at: int, op: str, used: tuple[int, ...]) -> bool:
    """`op number`: the column before it, or after it, or of its unit; or a count of rows."""
    number = r.items[at].number
    if number is None:
        return False
    first = min(at, *used)
    before = r.previous(first, "having", "which")
    after = max(at, *used) + 1
    clause = ("number", op)
    if before >= 0 and r.names(before) and r.numeric(r.items[before]):
        counted = r.says(before - 1, "count")
        if not counted:
            made = Clause("number", op, r.items[before], values=(number.value,), unit=number.unit)
            r.add(made, before, at, *used)
            return True
    if r.names(after) and r.numeric(r.items[after]) and not number.unit:
        made = Clause("number", op, r.items[after], values=(number.value,))
        r.add(made, at, after, *used)
        return True
    if before >= 1 and r.names(before) and r.says(before - 1, "count"):
        if r.names(after) and r.items[after].tables and not number.unit:
            return False  # "how many authors have more than 2 papers": a count of groups
        r.frame.having.append((op, number.value, r.items[before]))
        r.use(before, before - 1, at, *used)
        return True
    if r.names(after) and not number.unit:
        return _counted(r, at, after, op, number.value, used)
    if number.unit:
        r.add(Clause(clause[0], op, None, values=(number.value,), unit=number.unit), at, *used)  # type: ignore[arg-type]
        return True
    return False


def _counted(r: Reader, at: int, after: int, op: str, number: int | float, used: tuple[int, ...]) -> bool:
    """ "more than 5 flights": of the groups, those with so many rows."""
    if not r.names(after) or not r.items[after].tables:
        return False
    r.frame.having.append((op, number, r.items[after]))
    r.use(after, *used)
    if r.items[at].number is not None:
        r.use(at)
    return True


def _dated_at(r: Reader, n: int) -> bool:
    kind = next((k for k in r.items[n].kinds if k in _DATED), "")
    if not kind:
        return True
    if not r.is_a(n + 1, "date", "number") or r.items[n + 1].date is None:
        if "group" in r.items[n].kinds:
            return True  # "nach Standort"
        if "since" in r.items[n].kinds or "until" in r.items[n].kinds:
            r.use(n)  # "from" and "to" of a place
            return True
        number = r.items[n + 1].number if r.is_a(n + 1, "number") else None
        if kind == "after" and number is not None and r.names(n + 2) and r.numeric(r.items[n + 2]):
            # "the temperature after 1000 hours": of the row that was measured then.
            clause = Clause("number", "=", r.items[n + 2], values=(number.value,), near="measured at")
            r.add(clause, n, n + 1, n + 2)
            return True
        return False
    if kind == "since" and n + 2 < len(r.items):
        glue = r.glue_before(n + 2)
        if r.items[n + 2].date and (
            glue[-1:] in (("to",), ("bis",), ("a",), ("al",)) or "until" in r.items[n + 2].kinds
        ):
            return _span(r, n, "until")
        if "until" in r.items[n + 2].kinds and r.is_a(n + 3, "date"):
            return _span(r, n, "until")
    date = r.items[n + 1].date
    assert date is not None
    subject = _date_subject(r, n)
    value = date.until if date.until and kind in ("after", "until") else date.value
    r.add(Clause("date", _DATED[kind], subject, values=(value,), near=_said(r, n)), n, n + 1)
    return True


def _amount_before(r: Reader, n: int) -> bool:
    before = r.names(n - 1) and r.numeric(r.items[n - 1])
    return before and set(r.glue_before(n)) <= {"of", "is", "von", "ist", "de", "di", "es"}


def _said(r: Reader, n: int) -> str:
    """The last word of the item before: "shipped" of "shipped in 2023"."""
    return r.links.words[r.items[n - 1].last - 1].folded if n else ""


def _date_subject(r: Reader, n: int) -> Atom | None:
    """The column of dates that stands just before, used up."""
    before = r.previous(n, "having", "which")
    if before >= 0 and r.names(before) and r.dated(r.items[before]):
        grouped = r.says(before - 1, "group")
        if not grouped and (r.items[before].kind == "column" or not r.items[before].tables):
            r.use(before)
        return r.items[before]
    if before >= 0 and r.period(before) and not r.says(before - 1, "group"):
        r.use(before)
    return None


def dates(r: Reader) -> bool:
    for n in range(1, len(r.items)):
        number = r.items[n].number
        if (
            r.is_a(n, "number", "date")
            and number is not None
            and not number.unit
            and r.items[n - 1].kind in ("name", "table")
            and not r.numeric(r.items[n - 1])
            and not r.used[n - 1]
            and not r.glue_before(n)
        ):
            clause = Clause("key", "=", r.items[n - 1], values=(number.value,))
            r.add(clause, n, n - 1)  # "order 1005"
        elif r.is_a(n, "number") and number is not None and not _amount_before(r, n):
            after = n + 1
            limits = r.says(n - 1, "max", "min")
            if number.unit or limits or not r.names(after) or not r.numeric(r.items[after]):
                continue
            if r.says(after + 1, "max", "min") or r.glue_before(after):
                continue
            clause = Clause("number", "=", r.items[after], values=(number.value,))
            r.add(clause, n, after)  # "0 stops"
        elif r.is_a(n, "number") and number is not None:
            clause = Clause("number", "=", r.items[n - 1], values=(number.value,), unit=number.unit)
            r.add(clause, n, n - 1)  # "a stock of 0"
    for n in range(len(r.items)):
        if r.is_a(n, "date"):
            date = r.items[n].date
            assert date is not None
            subject = _date_subject(r, n)
            op, values = ("between", (date.value, date.until)) if date.until else ("=", (date.value,))
            r.add(Clause("date", op, subject, values=values, near=_said(r, n)), n)
    return True


def values(r: Reader) -> bool:
    n = 0
    while n < len(r.items):
        if not r.is_a(n, "value"):
            n += 1
            continue
        if r.is_a(n + 1, "value") and r.between(n, n + 1) == " (":
            r.use(n)  # "Los Angeles (LAX)": said twice
            n += 1
            continue
        run, joined = _run(r, n)
        columns = set.intersection(*({(v.table, v.column) for v in r.items[k].values} for k in run))
        subject, used = _value_subject(r, run, columns)
        op, negation = "=", _negation(r, run[0], used)
        if negation and r.items[negation[0]].text in _NEVER:
            return False  # not in any row, which no row can tell
        if negation:
            op = "!="
            used.append(negation[0])
        linked = run[0] - 2 if r.says(run[0] - 1, "having") else -1
        if subject is None and linked >= 0 and r.names(linked) and _fits(r, linked, columns, whole=True):
            subject = r.items[linked]  # "insured with Guardian"
            used += [linked, linked + 1]
        sign = run[0] - 1
        if r.says(sign, "eq", "ne"):
            op = "!=" if r.says(sign, "ne") else "="
            used.append(sign)
            before = r.previous(sign, "having", "which")
            if subject is None and before >= 0 and r.names(before):
                subject = r.items[before]
                used.append(before)
        atoms = tuple(r.items[k] for k in run)
        near = r.word_before(min([*run, *used]) if subject else run[0])
        r.add(Clause("value", op, subject, atoms=atoms, near=near, joined=joined), *run, *used)
        n = run[-1] + 1
    return not any(r.is_a(n, "quote") for n in range(len(r.items)))


def _run(r: Reader, n: int) -> tuple[list[int], str]:
    """Values of one column that follow one another: "Köln, Basel or Lyon"."""
    run, joined = [n], ""
    while True:
        last = run[-1]
        step = 2 if r.says(last + 1, "and", "or") else 1
        if not r.is_a(last + step, "value") or r.glue_before(last + step):
            return run, joined
        if step == 1 and r.between(last, last + 1).strip() != ",":
            return run, joined
        columns = set.intersection(*({(v.table, v.column) for v in r.items[k].values} for k in run))
        if not columns & {(v.table, v.column) for v in r.items[last + step].values}:
            return run, joined
        if step == 2:
            joined = "or" if r.says(last + 1, "or") else "and"
            r.use(last + 1)
        run.append(last + step)


def _value_subject(r: Reader, run: list[int], columns: set[tuple[str, str]]) -> tuple[Atom | None, list[int]]:
    """The mention beside values that names their column: "technician Ann Lee", "Italian food"."""
    after, before = run[-1] + 1, run[0] - 1
    if r.names(after) and _fits(r, after, columns, whole=False) and not r.glue_before(after):
        return r.items[after], [after]
    if r.names(before) and not r.says(before - 1, "count", "group") and _fits(r, before, columns, whole=True):
        return r.items[before], [before]
    return None, []


def _fits(r: Reader, n: int, columns: set[tuple[str, str]], *, whole: bool) -> bool:
    atom = r.items[n]
    fitting = [c for c in atom.columns if (c.table, c.column) in columns]
    # A table's mention says the column only where the column is what names its rows.
    if any(c.score >= (0.8 if whole and atom.tables else 0.5) for c in fitting):
        return True
    return not r.numeric(atom) and any(
        (table, column) in columns and column in ("name", "title")
        for table, _ in atom.tables
        for column in ("name", "title")
    )


def _negation(r: Reader, n: int, used: list[int]) -> tuple[int, ...]:
    first = min([n, *used])
    return (first - 1,) if r.says(first - 1, "not") else ()


_SOME = frozenset(("a", "an", "any", "ein", "eine", "einen", "un", "una", "une"))


def absences(r: Reader) -> bool:
    for n in range(len(r.items)):
        some = r.names(n + 1) and set(r.glue_before(n + 1)) & _SOME and r.gaps(r.items[n + 1])
        if r.says(n, "uses", "having") and some and n > 0:
            r.add(Clause("null", "not null", r.items[n + 1]), n, n + 1)  # "jobs that needed a part"
        elif r.says(n, "uses") and r.says(n + 1, "not") and r.names(n + 2) and r.gaps(r.items[n + 2]):
            r.add(Clause("null", "null", r.items[n + 2]), n, n + 1, n + 2)
        elif r.says(n, "not") and r.says(n + 1, "having") and r.names(n + 2) and r.gaps(r.items[n + 2]):
            r.add(Clause("null", "null", r.items[n + 2]), n, n + 1, n + 2)  # "don't have a grade"
        elif r.says(n, "not") and r.items[n].text in _NO and r.names(n + 1) and r.gaps(r.items[n + 1]):
            r.add(Clause("null", "null", r.items[n + 1]), n, n + 1)
        elif r.says(n, "without"):
            if not r.names(n + 1):
                return False
            atom = r.items[n + 1]
            if r.entity(atom) and not r.gaps(atom):
                r.frame.without.append(atom)  # "had no job", where a job is a row of the log
                r.use(n, n + 1)
            elif atom.kind == "column" or not atom.tables:
                r.add(Clause("null", "null", atom), n, n + 1)
            else:
                r.frame.without.append(atom)
                r.use(n, n + 1)
        elif r.says(n, "not") and r.items[n].text in _NO and r.names(n + 1):
            named = bool(r.items[n + 1].tables) and not r.glue_before(n + 1)
            if named:
                r.frame.without.append(r.items[n + 1])  # "hatten 2024 keine Wartung"
                r.use(n, n + 1)
    return True


def flags(r: Reader) -> bool:
    """ "orders that are paid", "not active": a column of yes and no as what is said of the rows."""
    for n in range(len(r.items)):
        if r.names(n) and r.flag(r.items[n]) and not r.says(n - 1, "group", "order", "list"):
            negated = r.says(n - 1, "not") and r.items[n - 1].text not in _NEVER
            holds = negated == ("opposite" in r.items[n].kinds)  # "failed" of a column "passed"
            r.add(Clause("flag", "=", r.items[n], values=(int(holds),)), n, *([n - 1] if negated else []))
    return True
