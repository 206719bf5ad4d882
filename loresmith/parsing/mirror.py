"""A table of a database as a document: its names, and where it holds words its rows, each with its key.

The store of tables takes the same mirror by `tables.mirror.read_table`.
"""

from __future__ import annotations

from pathlib import Path

from loresmith import mirrors
from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft
from loresmith.parsing.tables import Cell, named_row, plain_row


def read_mirror(data: bytes, path: Path, settings: ParsingSection) -> Draft:
    """`data` is the card, `path` its place."""
    try:
        card = mirrors.Card.from_bytes(data)
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError("its copy in the workspace is damaged.", "Remove .loresmith/sources.") from error
    draft = Draft(title=card.table)
    draft.metadata["database"] = card.database
    draft.add("heading", card.table, level=1)
    if card.comment:
        draft.add("paragraph", card.comment)
    names = [column.name for column in card.columns]
    draft.add("row", plain_row([Cell(name) for name in names]), header=True, table=card.table)
    for note in card.notes:
        draft.warn(note)
    if not card.rows:
        draft.warn("the table is empty")
    if card.textual:
        _add_rows(draft, card, names, path, settings.rows)
    return draft


def _add_rows(draft: Draft, card: mirrors.Card, names: list[str], path: Path, limit: int) -> None:
    kinds = [column.type for column in card.columns]
    for number, place, cells in mirrors.rows(path, limit):
        texts = [Cell(mirrors.shown(cell, kind)) for cell, kind in zip(cells, kinds, strict=True)]
        where = {"row": number} if place is None else {"key": place}
        draft.add("row", named_row(names, texts), table=card.table, **where)
    if card.rows > limit:
        draft.warn(
            f"only the first {limit:,} of {card.rows:,} rows can be found by their words (parsing.rows); "
            "questions about the table count all of them"
        )
