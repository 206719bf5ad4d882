"""Which of a table's first rows are captions, which are column names, and what the columns are called.

    Maintenance 2024            caption: stands alone
            Torque      Torque  upper names, spread over the columns they stand above
    Bolt    [Nm]        [lb ft] names
    M8      25          18      data

Where no row surely holds names, the columns are numbered and every row is data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loresmith.parsing.draft import one_line
from loresmith.parsing.tables import is_number, is_year
from loresmith.tables import dates, units

LOOKED_AT = 200
"""Rows that are enough to know the head."""
_CELLS = 20_000
_LONGEST_NAME = 80
_CAPTION_ROWS = 12
_JOIN = " › "


@dataclass(frozen=True, slots=True)
class Head:
    """Attributes:
    names: of all columns, as they stand (may be empty or repeated).
    start: rows before the data begins.  caption: text above the names.
    """

    names: tuple[str, ...]
    start: int
    caption: str = ""


def find(rows: Sequence[Sequence[str]], *, bold: Sequence[bool] = (), merged: bool = False) -> Head:
    """The head of a table that begins with `rows` (the first of them, none empty).

    Args:
        bold: which rows are set off by the format.
        merged: the first row of names has cells that span several columns.
    """
    width = max((len(row) for row in rows), default=0)
    filled = [_filled(row) for row in rows]
    usual = _usual(filled)
    top = 0
    while top < min(len(rows) - 1, _CAPTION_ROWS) and usual > 1 and _is_caption(rows, filled, top, usual):
        top += 1
    caption = "; ".join(" ".join(one_line(c) for c in row if c.strip()) for row in rows[:top])
    styled = bool(bold) and bold[top] and not all(bold[top:])
    if not _is_head(rows, top, usual, styled):
        return Head(_padded((), width), top, caption)
    last = top + 1
    upper = [one_line(cell) for cell in rows[top]] + [""] * (width - len(rows[top]))
    levels = [upper]
    while last < min(len(rows) - 1, top + 3) and _is_second(rows, last, upper, bold, merged):
        levels.append([one_line(cell) for cell in rows[last]] + [""] * (width - len(rows[last])))
        last += 1
    names = _joined(levels, gaps=not merged) if len(levels) > 1 else upper
    return Head(_padded(names, width), last, caption)


def _padded(names: Sequence[str], width: int) -> tuple[str, ...]:
    return (*names, *([""] * (width - len(names))))


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _usual(filled: Sequence[int]) -> int:
    """How many cells a row of the table usually has: of the fuller half, the middle one."""
    if not filled:
        return 0
    ranked = sorted(filled)
    return ranked[(3 * len(ranked)) // 4]


def _is_caption(rows: Sequence[Sequence[str]], filled: Sequence[int], at: int, usual: int) -> bool:
    """A row with far fewer cells than usual, above one with as many as usual."""
    if filled[at] == 0:
        return True
    few = filled[at] == 1 if usual > 2 else filled[at] == 1 and len(rows[at][0].strip()) > 0 and usual == 2
    few = few or (filled[at] <= 2 and usual >= 5)
    if not few or not any(n >= max(2, usual - 1) for n in filled[at + 1 : at + _CAPTION_ROWS]):
        return False
    # A lone cell that is a number belongs to the data; upper names that span columns are no caption.
    alone = [cell for cell in rows[at] if cell.strip()]
    return not is_number(alone[0])


def _is_value(cell: str) -> bool:
    text = cell.strip()
    return (is_number(text) and not is_year(text)) or dates.read(text) is not None


def _is_head(rows: Sequence[Sequence[str]], at: int, usual: int, styled: bool) -> bool:
    """Whether row `at` holds column names: words (or years) over cells, for most columns."""
    if at >= len(rows):
        return False
    row = [cell.strip() for cell in rows[at]]
    named = [cell for cell in row if cell]
    if not named or len(named) * 2 < usual or any(len(cell) > _LONGEST_NAME for cell in named):
        return False
    if any(_is_value(cell) for cell in named):
        return False
    if len(rows) == at + 1:
        # Names over nothing: an empty table; a lone row of words could be anything.
        return len(named) > 1
    if styled:
        return True
    body = rows[at + 1 : at + 1 + max(10, min(LOOKED_AT, _CELLS // max(1, len(row))))]
    if all(is_year(cell) for cell in named):
        return False
    below = votes = 0
    for column, name in enumerate(row):
        cells = [r[column].strip() for r in body if column < len(r) and r[column].strip()]
        if not name or not cells:
            continue
        values = sum(_is_value(cell) for cell in cells)
        if values * 2 > len(cells):
            votes += 1  # words over numbers
        elif name in cells and len(named) > 1:
            below += 1  # it stands among the data, as data does
        elif _alike(name, cells):
            below += 1
    if votes or below:
        return votes > below
    # Nothing but words: names are short and differ.
    longest = max((len(cell) for r in body for cell in r), default=0)
    return len(set(named)) == len(named) and (len(named) > 1 or max(map(len, named)) < longest)


def _alike(name: str, cells: Sequence[str]) -> bool:
    """A first record looks like the others: "P-100" over "P-200"."""
    if not any(c.isdecimal() for c in name) or is_year(name):
        return False
    pattern = _pattern(name)
    return sum(_pattern(cell) == pattern for cell in cells) * 2 > len(cells)


def _pattern(text: str) -> str:
    marks = ("9" if c.isdecimal() else "a" if c.isalpha() else c for c in text)
    out: list[str] = []
    for mark in marks:
        if not out or out[-1] != mark:
            out.append(mark)
    return "".join(out)


def _is_second(
    rows: Sequence[Sequence[str]], at: int, upper: Sequence[str], bold: Sequence[bool], merged: bool
) -> bool:
    """Whether row `at`, below names, is another level of names: units, or names below spanning ones."""
    row = [cell.strip() for cell in rows[at]]
    named = [cell for cell in row if cell]
    if len(named) < 2 or any(_is_value(cell) or len(cell) > 40 for cell in named):
        return False
    if all(units.is_unit(cell.strip("()[]")) or cell in "-–" for cell in named):
        return True
    gaps = not all(upper[: len(row)]) or len({name for name in upper if name}) < len([n for n in upper if n])
    set_off = bool(bold) and bold[at] and not all(bold)
    if not (gaps or merged) and not set_off:
        return False
    if not (merged or set_off):
        # Without help from the format: below it there must be values where it has words.
        body = rows[at + 1 : at + 20]
        under = [r[c] for r in body for c in range(len(row)) if row[c] and c < len(r) and r[c].strip()]
        if not under or sum(_is_value(cell) for cell in under) * 2 < len(under):
            return False
        gap = [c for c, name in enumerate(upper) if not name]
        return any(c < len(row) and row[c] for c in gap)
    return True


def _joined(levels: Sequence[Sequence[str]], *, gaps: bool) -> list[str]:
    """One name a column. `gaps`: an upper name spans the gap to its right where a lower one stands."""
    spread = []
    for number, level in enumerate(levels[:-1]):
        out, last = list(level), ""
        for column, name in enumerate(out):
            if name:
                last = name
            elif (
                gaps and last and any(column < len(lower) and lower[column] for lower in levels[number + 1 :])
            ):
                out[column] = last
        spread.append(out)
    spread.append(list(levels[-1]))
    names = []
    for column in range(len(spread[0])):
        parts = list(dict.fromkeys(level[column].rstrip(":") for level in spread if level[column]))
        unit = parts[-1].strip("()[]") if len(parts) > 1 else ""
        if unit and units.is_unit(unit):
            names.append(f"{_JOIN.join(parts[:-1])} ({unit})")
        else:
            names.append(_JOIN.join(parts))
    return names
