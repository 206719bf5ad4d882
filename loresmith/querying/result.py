"""From rows to an answer: values with units, what they rest on, and sentences that say no more.

Promises: every figure of a sentence stands in the result, read back from the sentence's own text in its
language; a sentence where one does not is left out. Citations are rows of the basis: verbatim from the
document where it has them as text, else their cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from loresmith.querying.basis import basis
from loresmith.querying.check import Checked, check
from loresmith.querying.execute import Limits, Rows, limit_of
from loresmith.querying.figures import Figure, rounded, tidy
from loresmith.querying.phrases import words
from loresmith.querying.reading import reading, sayer_of, titles
from loresmith.querying.telling import Telling, tell
from loresmith.tables.values import Catalog, Cell, Table
from loresmith.types import BasisTable, Citation, Locator, Sentence, TableResult

Quote = Callable[[str, Locator], Citation | None]
"""Where a row of a document stands as text: its citation, or None."""

_LISTED = 10
_FIRST = 5
_CITED = 5
_LONGEST_CELL = 200
_LONGEST_LIST = 4  # columns of a row that a sentence can hold
_LIMITS = Limits()


def result(
    path: Path,
    checked: Checked,
    rows: Rows,
    catalog: Catalog,
    *,
    by: Literal["code", "model", "user"],
    limit: int,
    language: str = "en",
    limits: Limits = _LIMITS,
) -> TableResult:
    """The result as an answer carries it; at most `limit` rows.

    Raises:
        StorageError: the store is missing or damaged.
    """
    figures = checked.figures
    shown = tuple(
        tuple(tidy(cell, figures[n]) for n, cell in enumerate(row)) for row in rows.rows[: max(limit, 0)]
    )
    return TableResult(
        sql=checked.sql,
        reading=reading(checked.tree, catalog, language),
        columns=titles(checked.tree, catalog, language),
        units=checked.units,
        rows=shown,
        truncated=rows.truncated or len(rows.rows) > len(shown),
        basis=basis(path, checked, catalog, rows, limits=limits),
        by=by,
    )


def sentences(
    question: str,
    result: TableResult,
    catalog: Catalog,
    language: str,
    quote: Quote | None = None,
) -> list[Sentence]:
    """What the result says, in one sentence; where a figure of it could not be found in the result, how many
    rows there are, or of a single row nothing.

    A result without rows is said too ("No row of parts matches: …"); it rests on the tables that were looked
    through, so these are cited: the row of their names where the document has it, else the names.
    """
    said = words(language)
    figures: Sequence[Figure] = [Figure(unit=unit, amount=bool(unit)) for unit in result.units]
    heads, read, cut = result.columns, result.reading, None
    if result.sql:
        checked = check(result.sql, catalog)
        figures = checked.figures
        cut = limit_of(checked.tree)
        heads, read = titles(checked.tree, catalog, language), reading(checked.tree, catalog, language)
    # Under the statement's own LIMIT, more rows can only mean that the last place is shared.
    shared = result.truncated and cut is not None and len(result.rows) == cut
    more = result.truncated and not shared
    subject = read[:1].upper() + read[1:] if read else question.strip().rstrip("?")
    looked = _looked_through(result, catalog)
    cited = tuple(_cited(result.basis, looked, quote))
    natural = _natural(result, catalog, language, figures)
    if not result.rows:
        text = natural.text if natural else f"{said['nothing']}: {read or subject}"
        return [Sentence(text=f"{text}.", citations=cited)]
    several = len(result.rows) > 1
    most = _LISTED if len(heads) <= 2 else _FIRST
    first = result.rows if len(result.rows) <= most and not more else result.rows[:_FIRST]
    lines = [_line(row, heads, figures, result.units, language, named=not several) for row in first]
    tail = rows = (", " if len(heads) == 1 else "; ").join(lines)
    if len(first) < len(result.rows) or more:
        key = "more than" if more else "found"
        count = f"{said[key].format(len(result.rows))}, {said['the first'].format(len(first))}: "
        tail = count + tail
    held = holds(tail, result, language, len(first), heads)
    if not held:
        if not several:
            return []
        tail = said["found"].format(len(result.rows))  # the rows themselves are beside it
    text = f"{subject}: {tail}"
    if natural and not more:
        some = f" ({said['the first'].format(len(first))})" if len(first) < len(result.rows) else ""
        text = natural.text + (f"{some}: {rows}" if natural.listed and held else "")
    if shared:
        text += f" ({said['shared']})"
    return [Sentence(text=f"{text}.", citations=cited)]


def _natural(
    result: TableResult, catalog: Catalog, language: str, figures: Sequence[Figure]
) -> Telling | None:
    """The result in the words of a person, where its query is plain."""
    if not result.sql:
        return None
    tree = check(result.sql, catalog).tree

    def shown(row: int, n: int) -> str:
        return _shown(result.rows[row][n], figures[n], result.units[n], language)

    count = number(len(result.rows), language, grouped=True)
    sayer = sayer_of(tree, catalog, language)
    return tell(tree, catalog, language, sayer, result.rows, shown, count)


def _line(
    row: Sequence[Cell],
    heads: Sequence[str],
    figures: Sequence[Figure],
    units: Sequence[str],
    language: str,
    *,
    named: bool,
) -> str:
    """A row in a sentence: "Ann Lee 31.5 h", or with the names of its columns where it is the only one."""
    cells = [_shown(cell, figures[n], units[n], language) for n, cell in enumerate(row)][:_LONGEST_LIST]
    if len(row) == 1:
        return cells[0]
    if named:
        return ", ".join(f"{heads[n]} {cell}" for n, cell in enumerate(cells))
    return f"{cells[0]}: {', '.join(cells[1:])}"


def _shown(cell: Cell, what: Figure, unit: str, language: str) -> str:
    said = words(language)
    if cell is None:
        return said["no value"]
    if what.type == "boolean" and cell in (0, 1):
        return said["yes" if cell else "no"]
    if isinstance(cell, str):
        return short(cell)
    cell = rounded(cell, what)
    assert isinstance(cell, int | float)
    return number(cell, language, grouped=what.amount) + (f" {unit}" if unit else "")


def short(cell: Cell) -> str:
    """A cell where a person reads it: on one line, and no longer than a line or two."""
    text = " ".join(str(cell).split())
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1].rstrip() + "…"


# --- numbers in text and back -------------------------------------------------------------------

_ENDLESS = 3
"""More places than these has only what was divided."""
_SEPARATORS = {"en": (",", "."), "de": (".", ","), "es": (".", ","), "it": (".", ","), "fr": ("\u202f", ",")}


def number(value: float, language: str, *, grouped: bool) -> str:
    """A number as the language writes it, with all its places."""
    thousands, point = _SEPARATORS.get(language, _SEPARATORS["en"])
    text = str(value)
    if "e" in text or "n" in text:
        return text
    whole, _, fraction = text.partition(".")
    if grouped and len(whole.lstrip("-")) > 3:
        whole = f"{int(whole):,}".replace(",", thousands)
    sign = "−" if whole.startswith("-") else ""
    fraction = "" if fraction == "0" else fraction
    return sign + whole.lstrip("-") + (point + fraction if fraction else "")


_NUMBER = re.compile(r"(?<![\w])[−-]?\d[\d.,\u202f]*(?:e[+-]?\d+)?")


def holds(text: str, result: TableResult, language: str, first: int = 0, heads: Sequence[str] = ()) -> bool:
    """Whether every number of a text stands in the result: as a cell, or in the text of one, or as the
    count of its rows; units and names of columns are the result's own."""
    numbers = [float(c) for row in result.rows for c in row if isinstance(c, int | float)]
    numbers += [float(len(result.rows)), float(first)]
    texts = [short(c) for row in result.rows for c in row if isinstance(c, str)]
    texts += [*result.columns, *heads, *result.units]
    left = text
    for known in sorted(set(texts), key=len, reverse=True):
        if known and any(c.isdigit() for c in known):
            left = left.replace(known, " ")
    thousands, point = _SEPARATORS.get(language, _SEPARATORS["en"])
    for found in _NUMBER.findall(left):
        plain = found.rstrip(".,").replace(thousands, "").replace(point, ".").replace("−", "-")
        try:
            value = float(plain)
        except ValueError:
            return False
        if not any(value == n or _told(value, plain, n) for n in numbers):
            return False
    return True


def _told(value: float, text: str, exact: float) -> bool:
    """Whether a figure of a sentence is a quotient's, told with fewer of its places."""
    places = len(text.partition(".")[2])
    own = len(str(exact).partition(".")[2])
    told = own > places and (own > _ENDLESS or places > 1)  # 41.875 is told as 41.88
    return told and places > 0 and value in (round(exact, places), float(f"{exact:.3g}"))


# --- citations ----------------------------------------------------------------------------------


def _looked_through(result: TableResult, catalog: Catalog) -> list[Table]:
    """The tables of a query that rests on no row of any."""
    if not result.sql or any(t.rows for t in result.basis):
        return []
    read = check(result.sql, catalog).tables
    return [t for name in read if (t := catalog.table(name)) is not None]


def _cited(tables: Sequence[BasisTable], looked: Sequence[Table], quote: Quote | None) -> list[Citation]:
    """At most five rows: those of the first table, one of each other; where there are none, the tables."""
    several = [t for t in tables if t.rows]
    found: list[Citation] = []
    for n, table in enumerate(several[:_CITED]):
        most = max(1, _CITED - (len(several) - 1)) if n == 0 else 1
        for row in table.rows[:most]:
            if len(found) == _CITED:
                return found
            cells = "; ".join(
                f"{head}: {short(cell)}"
                for head, cell in zip(table.columns, row.cells, strict=True)
                if cell is not None
            )
            there = quote(table.document, row.locator) if quote is not None else None
            found.append(
                there or Citation(document=table.document, passage="", locator=row.locator, quote=cells)
            )
    for of in looked[:_CITED]:
        place = Locator(sheet=of.sheet, table=of.name)
        names = "; ".join(c.name for c in of.columns)
        there = quote(of.document, place) if quote is not None else None
        found.append(there or Citation(document=of.document, passage="", locator=place, quote=names))
    return found
