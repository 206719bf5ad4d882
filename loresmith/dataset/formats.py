"""Training files as others write them -> examples: recognised by content, told row by row.

    Alpaca                instruction, input, output (and history); Dolly's context
    ShareGPT              conversations: [{from, value}]
    messages              [{role, content}], as OpenAI and most tools write it; prompt and completion
                          may be such lists too
    prompt/completion     and question/answer under the names of nine languages, with or without context
    question/SQL          question with sql, or with query where nothing else is the question; of one of
                          several databases where one is named
    Loresmith             our own examples.jsonl

A single pair becomes kind "closed", asked exactly as the arm "tuned" will be; with a context it
becomes "grounded", asked as the arm "both" will be, and "abstain" where the answer is null. A question with
its query becomes "query" once it is proved on the workspace's tables (queries.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loresmith.dataset import rows as files
from loresmith.dataset.example import Example
from loresmith.dataset.rows import Fault
from loresmith.dataset.shapes import ROLES, Reader, columns_of, example, listed
from loresmith.errors import DatasetError, UsageError

_PREVIEW = 3


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not used. `row` is its number in the file, or the example's id.

    Attributes:
        where: the example's origin, where it has one.
    """

    row: int | str
    reason: str
    example: Example | None = None
    where: str = ""

    def to_dict(self) -> dict[str, Any]:
        raw: dict[str, Any] = {"row": self.row, "reason": self.reason}
        return {**raw, "where": self.where} if self.where else raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file holds.

    Attributes:
        format: the shape of most rows and the kind of file, such as "Alpaca, JSON lines".
        columns: what each part was read from; unused: columns that were not.
        preview: the first rows as {"row", "kind", "question", "answer"}.
    """

    rows: list[Example]
    rejected: list[Rejected]
    format: str
    columns: dict[str, str]
    preview: list[dict[str, Any]]
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read(path: Path, *, mapping: Mapping[str, str] | None = None, labels: Sequence[str] = ()) -> Imported:
    """The examples of a training file.

    Args:
        mapping: what the parts are called here, such as {"question": "Frage", "answer": "Lösung"};
            numbers ("1", "2") for a table without a header.
        labels: access labels for every row.

    Raises:
        DatasetError: the file cannot be read, or no row has a shape that is known.
        UsageError: `mapping` names a part or a column that there is not.
    """
    mapping = dict(mapping or {})
    for part in mapping:
        if part not in ROLES:
            near = difflib.get_close_matches(part, ROLES, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Parts: {', '.join(ROLES)}."
            raise UsageError(f"A column cannot be mapped to {part!r}.", hint)
    headless = bool(mapping) and all(name.isdigit() for name in mapping.values())
    opened = files.read(path, lambda names: len(columns_of(names, mapping)), headless=headless)
    reader = Reader(path.name, mapping, tuple(sorted(set(labels))))
    rows: list[Example] = []
    rejected: list[Rejected] = []
    preview: list[dict[str, Any]] = []
    unknown = 0
    for row, record in opened.records:
        if isinstance(record, Mapping) and not reader.columns(record):
            unknown += 1
        made = record if isinstance(record, Fault) else example(reader, row, record)
        if isinstance(made, Fault):
            rejected.append(Rejected(row, made.reason, where=f"import:{path.name}#{row}"))
            continue
        rows.append(made)
        if len(preview) < _PREVIEW:
            preview.append({"row": row, "kind": made.kind, "question": made.question, "answer": made.answer})
    _check_mapping(path, mapping, reader)
    table = not opened.kind.startswith("JSON")
    if not rows and unknown and (table or unknown >= len(rejected) / 2):
        raise DatasetError(
            f"{path}: its columns are not known as a question and an answer ({listed(reader.seen)}).",
            "Name them: --map question=COLUMN --map answer=COLUMN"
            + (" (numbers, 1 and 2, where the first row is no header)." if table else "."),
        )
    if not rows and not rejected:
        raise DatasetError(f"{path} holds no rows.", "Choose another file.")
    notes = []
    if reader.dropped_systems:
        notes.append(
            f"System texts that say nothing (“You are a helpful assistant”) were left out: "
            f"{reader.dropped_systems:,}; those rows are asked as `ask --arm tuned` asks."
        )
    shape = reader.shapes.most_common(1)[0][0] if reader.shapes else "unknown"
    return Imported(
        rows=rows,
        rejected=rejected,
        format=f"{shape}, {opened.kind}",
        columns={role: reader.used[role] for role in ROLES if role in reader.used},
        preview=preview,
        unused=tuple(name for name, used in reader.seen.items() if not used),
        notes=tuple(notes),
    )


def _check_mapping(path: Path, mapping: Mapping[str, str], reader: Reader) -> None:
    for part, name in mapping.items():
        if reader.seen and name not in reader.seen:
            near = difflib.get_close_matches(name, list(reader.seen), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Columns: {listed(reader.seen)}."
            raise UsageError(f"{path} has no column {name!r} (--map {part}={name}).", hint)
