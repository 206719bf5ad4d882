"""An answer from a report table, as every face shows it: result, reading, and sentences with citations.

Promises: a figure in a sentence is one of the solution's, rounded as shown; each sentence cites the rows
that it rests on, word for word.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loresmith.querying import grids, operations, periods
from loresmith.querying.arithmetic import solve
from loresmith.querying.grids import Row
from loresmith.querying.report_words import WORDS
from loresmith.querying.scales import Scale
from loresmith.querying.solution import Solution
from loresmith.types import (
    BasisRow,
    BasisTable,
    Citation,
    Document,
    Hit,
    Locator,
    Sentence,
    TableResult,
)

Quote = Callable[[str, Locator], Citation | None]
"""(document, place) -> the passage's words there, None where no passage holds them."""

_CITED = 5
# Tables around the hits that are looked at.
_TABLES = 8
# Where none of them answers: the other tables of so many documents, if they are not too many.
_DOCUMENTS, _EVERY = 4, 240
_NAMED = 1.05
_KEPT = 512


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report table answers: `confidence` is the share of such answers that were right."""

    solution: Solution
    result: TableResult
    sentences: tuple[Sentence, ...]
    confidence: float


def ask(
    question: str,
    hits: Sequence[Hit],
    document_of: Callable[[str], Document],
    *,
    language: str = "",
    quote: Quote = lambda document, locator: None,
    limit: int = 100,
) -> Reported | None:
    """The answer that the tables around the hits give by code; None where that is not sure.

    Args:
        document_of: a document by its id, whole.
    """
    asked = operations.read(question)
    if asked is None:
        return None
    found: dict[tuple[str, str], grids.Grid | None] = {}
    texts = []
    documents: dict[str, Document] = {}
    for hit in hits:
        document, place = document_of(hit.passage.document), hit.passage.locator
        documents[document.id] = document
        near = grids.near(document, place.start or 0, place.end or 0)
        if not near:
            texts.append(hit.passage.text)
        for table in near:
            key = (document.id, table)
            if key not in found and len(found) < _TABLES:
                found[key] = _grid(document, table)
    solution = solve(question, _there(found.values()), texts, language)
    # Nearly every question could be one for a value; one without a year is not worth all tables.
    if solution is None and (asked.periods or asked.kind != "value"):
        solution = _elsewhere(question, list(documents.values())[:_DOCUMENTS], texts, language)
    if solution is None:
        return None
    return Reported(
        solution,
        result(solution, limit=limit, language=language),
        tuple(sentences(solution, language, quote)),
        solution.confidence,
    )


def _elsewhere(
    question: str, documents: Sequence[Document], texts: Sequence[str], language: str
) -> Solution | None:
    """The answer of another table of the documents that were found, where one names the row as it stands."""
    every = [(document, table) for document in documents for table in grids.tables(document)]
    if len(every) > _EVERY:
        return None
    made = {(document.id, table): _grid(document, table) for document, table in every}
    solution = solve(question, _there(made.values()), texts, language)
    return solution if solution is not None and solution.score >= _NAMED else None


def _there(found: Iterable[grids.Grid | None]) -> list[grids.Grid]:
    return [grid for grid in found if grid is not None]


_made: OrderedDict[tuple[str, str, str], grids.Grid | None] = OrderedDict()


def _grid(document: Document, table: str) -> grids.Grid | None:
    """The grid of a table; the last ones are kept, for the next question asks the same documents."""
    key = (document.id, document.version, table)
    if key in _made:
        return _made.get(key)
    grid = _made[key] = grids.of(document, table)
    if len(_made) > _KEPT:
        _made.popitem(last=False)
    return grid


def result(found: Solution, *, limit: int = 100, language: str = "") -> TableResult:
    """The solution as a result: figures with their unit, formula, reading, the rows it rests on."""
    unit = _unit(found, language)
    columns: tuple[str, ...]
    rows: list[tuple[int | float | str | None, ...]]
    named = found.kind in ("extreme", "filter", "periods", "top row")
    if named or len(found.labels) > 1:
        numbers = [*found.numbers, *[None] * len(found.labels)]
        shown = found.texts if named else found.labels
        with_numbers = found.kind != "periods"
        columns = ("", found.name) if with_numbers else ("",)
        pairs = zip(shown, numbers, strict=False)
        rows = [(label, _plain(n)) if with_numbers else (label,) for label, n in pairs]
        units = ("", unit) if with_numbers else ("",)
    else:
        columns, units = (_title(found, language),), (unit,)
        rows = [(_plain(round(n, _places(found))),) for n in found.numbers]
    return TableResult(
        sql="",
        formula=found.formula,
        reading=reading(found, language),
        columns=columns,
        units=units,
        rows=tuple(rows[:limit]),
        truncated=len(rows) > limit,
        basis=(_basis(found),),
        by="code",
    )


def reading(found: Solution, language: str = "") -> str:
    """What was done, in words, without the value."""
    return f"{_title(found, language)} ({found.grid.name})"


def sentences(
    found: Solution, language: str = "", quote: Quote = lambda document, locator: None
) -> list[Sentence]:
    """The answer as a sentence that cites its rows.

    quote: finds the row among the passages; where it does not, the row's own text is the quote.
    """
    words = WORDS.get(language, WORDS["en"])
    text = _filled(found, language, words[_key(found)])
    if found.formula:
        text += f" ({found.formula})"
    citations = []
    for row in _rows(found)[:_CITED]:
        told = quote(found.grid.document, row.locator)
        citations.append(
            told or Citation(document=found.grid.document, passage="", locator=row.locator, quote=row.text)
        )
    text += "" if text.endswith(".") else "."  # "Mio."
    return [Sentence(text=text, citations=tuple(citations))]


# --- words --------------------------------------------------------------------------------------


def _key(found: Solution) -> str:
    if found.kind in ("extreme", "top row"):
        which = "highest" if found.largest else "lowest"
        return which if found.kind == "extreme" else f"top {which}"
    sign = found.limit.sign if found.limit else ">"
    return {"filter": sign, "count": f"count{sign}", "count rows": f"rows{sign}"}.get(found.kind, found.kind)


def _filled(found: Solution, language: str, pattern: str) -> str:
    limit = found.limit
    bound = ""
    if limit is not None:
        scale = limit.scale if limit.scale is not None else found.cells[0][1].scale
        bound = _with_scale(_figure(limit.number, _decimals(limit.number), language), scale, language)
    names = [_upper(name) for name in found.names]
    filled = pattern.format(
        x=_upper(found.name),
        y=names[1] if len(names) > 1 else "",
        p=_when(found),
        v=_shown(found, language),
        t=", ".join(found.texts),
        l=bound,
        n=len(found.cells),
    )
    # "iPhone" keeps its letter.
    return filled if filled[1:2].isupper() else filled[:1].upper() + filled[1:]


def _title(found: Solution, language: str) -> str:
    pattern = WORDS.get(language, WORDS["en"])[_key(found)]
    return _filled(found, language, pattern.removesuffix(": {v}").removesuffix(", {v}"))


def _upper(name: str) -> str:
    return " ".join(name.split())


def _when(found: Solution) -> str:
    """ ", 2019", ", 2018 → 2019", ", 2017, 2018, 2019"."""
    said = list(dict.fromkeys(_short(found, p) for p, _ in found.cells if p))
    if not said or len(found.labels) > 1:
        return ""
    arrow = found.kind in ("change", "percent") and len(said) == 2
    return f", {' → '.join(said) if arrow else ', '.join(said)}"


def _short(found: Solution, period: periods.Period) -> str:
    year = periods.year_of(period)
    several = len({p for p, _ in found.cells if periods.year_of(p) == year}) > 1
    return str(year) if year is not None and not several and len(period) <= 3 else periods.said(period)


def _shown(found: Solution, language: str) -> str:
    """The figure or figures with their scale."""
    if found.kind == "value" and found.texts:
        scale = "" if found.scale == "percent" and all("%" in t for t in found.texts) else found.scale
        values = [_with_scale(t, scale, language) for t in found.texts]
        if len(found.labels) > 1:
            return "; ".join(f"{label} {value}" for label, value in zip(found.labels, values, strict=True))
        return ", ".join(values)
    points = found.kind in ("change", "difference") and found.scale == "percent"
    places = _places(found)
    currency = (
        _currency(found) if found.kind not in ("ratio", "share", "percent", "count", "count rows") else ""
    )
    values = []
    for number in found.numbers:
        text = currency + _figure(abs(number), places, language)
        text = f"−{text}" if number < 0 else text
        if points:
            values.append(f"{text} {WORDS.get(language, WORDS['en'])['points']}")
        else:
            values.append(_with_scale(text, found.scale, language))
    return ", ".join(values)


def _with_scale(text: str, scale: Scale, language: str) -> str:
    if scale == "percent":
        return text if "%" in text else f"{text} %"
    return f"{text} {WORDS.get(language, WORDS['en'])[scale]}" if scale else text


def _figure(number: float, places: int, language: str) -> str:
    text = f"{number:,.{places}f}"
    if language in ("de", "es", "it"):
        return text.translate(str.maketrans(",.", ".,"))
    return text.replace(",", "\u202f").replace(".", ",") if language == "fr" else text


def _decimals(number: float) -> int:
    return len(f"{number:.6f}".rstrip("0").partition(".")[2])


def _places(found: Solution) -> int:
    """How many places after the point: a sum keeps its cells', a mean or a ratio has two more at most."""
    if found.kind in ("count", "count rows"):
        return 0
    own = max((c.decimals for _, c in found.cells), default=0)
    if found.kind in ("percent", "share", "ratio"):
        return 2
    if found.kind != "average" and not found.formula.endswith("/ 2"):
        return own
    return max(own, *(_decimals(round(n, own + 2)) for n in found.numbers))


def _currency(found: Solution) -> str:
    """The sign, where the rows that the figure rests on show one and the same."""
    signs = {c.currency for _, c in found.cells if c.currency}
    return signs.pop() if len(signs) == 1 and found.scale != "percent" else ""


def _unit(found: Solution, language: str) -> str:
    if found.kind in ("count", "count rows"):
        return ""
    if found.scale == "percent":
        return "%"
    scale = WORDS.get(language, WORDS["en"])[found.scale] if found.scale else ""
    currency = _currency(found) if found.kind not in ("ratio", "share") else ""
    return f"{currency} {scale}".strip()


def _plain(number: float | None) -> int | float | None:
    if number is None:
        return None
    return int(number) if float(number).is_integer() else round(number, 10)


# --- what it rests on ---------------------------------------------------------------------------


def _rows(found: Solution) -> list[Row]:
    if found.chosen is not None:  # the row that won first
        first = found.chosen[1].row
        rest = [c.row for _, c in found.cells if c.row != first]
        return [found.grid.rows[n] for n in dict.fromkeys([first, *rest])]
    return [found.grid.rows[n] for n in dict.fromkeys(c.row for _, c in found.cells)]


def _basis(found: Solution) -> BasisTable:
    rows = _rows(found)
    return BasisTable(
        document=found.grid.document,
        table=found.grid.caption or found.grid.table,
        columns=("", *found.grid.heads),
        rows=tuple(
            BasisRow(
                locator=row.locator,
                cells=(_label(row), *(cell.text if cell else None for cell in row.cells)),
            )
            for row in rows
        ),
        total=len(rows),
    )


def _label(row: Row) -> str:
    return row.label or row.section
