"""A table of a database, from its mirror, as the store of tables takes it (see mirrors.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from loresmith import mirrors
from loresmith.tables.values import ColumnType, RawColumn, RawRow, RawTable


def read_table(path: Path) -> tuple[RawTable, Iterator[RawRow]]:
    """The table of the card at `path` and its rows; values are typed as the database declares them.

    Raises:
        OSError, ValueError: the card cannot be read.
    """
    card = mirrors.Card.from_bytes(path.read_bytes())
    kinds = [column.type for column in card.columns]
    table = RawTable(
        name=card.table,
        columns=tuple(
            RawColumn(
                name=column.name,
                type=cast(ColumnType, column.type) if column.type else None,
                description=column.description,
            )
            for column in card.columns
        ),
        caption=card.comment,
        key=card.key,
        foreign=card.foreign,
        numbered=not card.key,
        name_hint=card.table.replace(".", "_"),
    )

    def rows() -> Iterator[RawRow]:
        for number, place, cells in mirrors.rows(path):
            values = [mirrors.value(cell, kind) for cell, kind in zip(cells, kinds, strict=True)]
            yield (number if place is None else place), values

    return table, rows()
