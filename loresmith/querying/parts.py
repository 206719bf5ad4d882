"""The conditions of a question as they are said: which words, of which columns, so that one can be
exchanged for that of another question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.querying.linking import Atom, Links
from loresmith.querying.vocabulary import unit_of

_COMPARED = frozenset(("gt", "ge", "lt", "le", "eq", "between", "since", "until", "before", "after"))
_AFTER = frozenset(("ge_after", "le_after"))


@dataclass(frozen=True, slots=True)
class Part:
    """A condition: words [first, last), the sign before it ("over", "since", "not") among them.

    core: where what is compared begins.  places: columns that hold a value.  unit: of a number."""

    kind: str
    first: int
    last: int
    core: int
    places: frozenset[tuple[str, str]] = frozenset()
    unit: str = ""


def parts(links: Links) -> list[Part] | None:
    """The conditions of a question, in its order; None where one is too tangled to be exchanged."""
    atoms = [a for a in links.atoms if a.kind != "glue"]
    found: list[Part] = []
    n = 0
    while n < len(atoms):
        part, n = _part(atoms, n)
        if part is None:
            return None
        if part.kind:
            found.append(part)
    return found


_NOTHING = Part("", 0, 0, 0)


def _part(atoms: Sequence[Atom], n: int) -> tuple[Part | None, int]:
    """The part that begins here (None: tangled), and where the next can begin."""
    atom, sign = atoms[n], atoms[n - 1] if n else None
    signs = set(sign.kinds) if sign is not None and sign.kind == "operator" else set()
    if atom.kind == "value":
        first = sign.first if sign is not None and "not" in signs else atom.first
        last, places = _run(atoms, n)
        return Part("value", first, atoms[last].last, atom.first, places), last + 1
    if atom.kind not in ("date", "number"):
        return _NOTHING, n + 1
    if sign is not None and signs and sign.first == sign.last:
        return None, n  # "> 5": a sign that is no word
    last = n
    if "between" in signs:
        last = n + 2
        if last >= len(atoms) or atoms[last].kind not in ("date", "number"):
            return None, n
    elif atom.kind == "number" and n + 1 < len(atoms) and _AFTER & set(atoms[n + 1].kinds):
        last = n + 1
    first = sign.first if sign is not None and _COMPARED & signs else atom.first
    unit = atom.number.unit if atom.number and atom.kind == "number" else ""
    return Part(atom.kind, first, atoms[last].last, atom.first, unit=unit), last + 1


def _run(atoms: Sequence[Atom], n: int) -> tuple[int, frozenset[tuple[str, str]]]:
    """The last of the values of one column that follow one another, and their columns."""
    last, places = n, _places(atoms[n])
    while last + 1 < len(atoms):
        step = 2 if {"and", "or"} & set(atoms[last + 1].kinds) else 1
        after = atoms[last + step] if last + step < len(atoms) else None
        if after is None or after.kind != "value" or not places & _places(after):
            break
        last, places = last + step, places & _places(after)
    return last, places


def _places(atom: Atom) -> frozenset[tuple[str, str]]:
    return frozenset((v.table, v.column) for v in atom.values)


def alike(part: Part, others: Sequence[Part]) -> list[Part]:
    """Those that a condition can take the place of: of the same column, as far as words tell."""
    if part.kind == "value":
        return [p for p in others if p.kind == "value" and p.places & part.places]
    return [p for p in others if p.kind == part.kind and _comparable(p.unit, part.unit)]


def _comparable(one: str, other: str) -> bool:
    return not one or not other or (unit_of(one) or (one,))[0] == (unit_of(other) or (other,))[0]


def of_value(atom: Atom, found: Sequence[Part]) -> bool:
    """ "site Lyon": the name of a value's own column."""
    return any((c.table, c.column) in p.places for p in found for c in atom.columns)
