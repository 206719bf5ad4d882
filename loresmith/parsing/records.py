"""JSON and JSON lines: each record a section, its title a heading, its text a paragraph, its id the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.tables import Cell, add_table, header_rows
from loresmith.parsing.textual import decode

_TITLES = ("title", "heading", "chunk_heading", "name", "subject", "term", "headline", "question")
_TEXTS = (
    "text",
    "context",
    "body",
    "content",
    "abstract",
    "definition",
    "description",
    "answer",
    "paragraph",
    "message",
    "summary",
)
_KEYS = ("_id", "id", "key", "uid", "uuid", "doc_id", "sku", "chunk_link", "url")


def read_json(data: bytes, **_: Any) -> Draft:
    draft = Draft()
    text, _encoding = decode(data)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(
            f"not valid JSON: {error.msg} in line {error.lineno}.",
            "Mend that line, or name it .jsonl or .txt.",
        ) from error
    except RecursionError:
        raise ParseError("JSON nested too deeply.", "Flatten it.") from None
    if isinstance(value, list):
        for number, record in enumerate(value, 1):
            _record(draft, record, number, level=1)
    elif isinstance(value, dict):
        _object(draft, value)
    else:
        draft.add("paragraph", str(value))
    return draft


def read_jsonl(data: bytes, **_: Any) -> Draft:
    draft = Draft()
    text, _encoding = decode(data)
    bad: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            _record(draft, json.loads(line), number, level=1)
        except (json.JSONDecodeError, RecursionError):
            bad.append(number)
    if bad and draft.empty:
        raise ParseError(f"not valid JSON lines: line {bad[0]}.", "Each line must be one JSON value.")
    if bad:
        draft.warn(f"{len(bad)} lines are not valid JSON and were left out (first: line {bad[0]})")
    return draft


def _object(draft: Draft, value: dict[str, Any]) -> None:
    """One object: its lists of records are sections, the rest is one record of its own."""
    lists = {name: v for name, v in value.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    rest = {name: v for name, v in value.items() if name not in lists}
    if rest:
        _record(draft, rest, None, level=1)
    for name, records in lists.items():
        draft.add("heading", name, level=1)
        for number, record in enumerate(records, 1):
            _record(draft, record, number, level=2)


def _record(draft: Draft, record: Any, number: int | None, *, level: int, outer: str | None = None) -> None:
    """`outer` is the key of the record that holds this one."""
    if not isinstance(record, dict):
        draft.add("paragraph", "; ".join(_leaves(record, "")), row=number, key=outer)
        return
    by_lower = {str(name).lower(): name for name in record}
    own = next((str(record[by_lower[k]]) for k in _KEYS if _scalar(record, by_lower.get(k))), None)
    place = {"row": number, "key": own or outer}
    title = next((by_lower[t] for t in _TITLES if _text(record, by_lower.get(t))), None)
    if title is not None:
        draft.add("heading", one_line(str(record[title])), level=min(level, 6), **place)
    texts = [by_lower[t] for t in _TEXTS if _text(record, by_lower.get(t))]
    grids = [name for name, v in record.items() if _is_grid(v)]
    nested = [name for name, v in record.items() if name not in texts and _holds_records(v)]
    others = [name for name in record if name not in (title, *texts, *grids, *nested)]
    for name in texts:
        value = record[name]
        joined = "\n\n".join(value) if isinstance(value, list) else str(value)
        for part in joined.split("\n\n"):
            draft.add("paragraph", part, **place)
    fields = [leaf for name in others for leaf in _leaves(record[name], str(name))]
    # An identifier alone is no content where there is other content; it stays as the key.
    alone = len(fields) == 1 and own is not None and fields[0].endswith(f": {own}")
    if fields and not (alone and (texts or title is not None or grids or nested)):
        draft.add("paragraph", "; ".join(fields), **place)
    for name in grids:
        rows = [[Cell("" if cell is None else str(cell)) for cell in row] for row in record[name]]
        add_table(draft, rows, headers=header_rows([[cell.text for cell in row] for row in rows]))
    for name in nested:
        inner = record[name] if isinstance(record[name], list) else [record[name]]
        for child in inner:
            _record(draft, child, number, level=level + 1, outer=own or outer)


def _is_grid(value: Any) -> bool:
    """A table: at least two lists of the same length, of plain values."""
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(row, list) for row in value):
        return False
    plain = all(not isinstance(cell, dict | list) for row in value for cell in row)
    return plain and len({len(row) for row in value}) == 1 and len(value[0]) > 1


def _holds_records(value: Any) -> bool:
    """Objects with a text, a table or records of their own: read as sections, not as fields."""
    inner = value if isinstance(value, list) else [value]
    if not inner or not all(isinstance(child, dict) for child in inner):
        return False
    first = {str(name).lower(): child for name, child in inner[0].items()}
    return any(isinstance(first.get(t), str) for t in _TEXTS) or any(
        _is_grid(child) or (isinstance(child, list) and child and isinstance(child[0], dict))
        for child in first.values()
    )


def _scalar(record: dict[str, Any], name: str | None) -> bool:
    return name is not None and isinstance(record[name], str | int) and str(record[name]).strip() != ""


def _text(record: dict[str, Any], name: str | None) -> bool:
    if name is None:
        return False
    value = record[name]
    if isinstance(value, list):
        return bool(value) and all(isinstance(part, str) for part in value)
    return isinstance(value, str) and bool(value.strip())


def _leaves(value: Any, name: str) -> Iterator[str]:
    """ "path: value" for every scalar in `value`."""
    if isinstance(value, dict):
        for inner, child in value.items():
            yield from _leaves(child, f"{name}.{inner}" if name else str(inner))
    elif isinstance(value, list) and any(isinstance(child, dict | list) for child in value):
        for child in value:
            yield from _leaves(child, name)
    elif isinstance(value, list):
        joined = ", ".join(str(child) for child in value if child is not None)
        if joined:
            yield f"{name}: {joined}" if name else joined
    elif value is not None and str(value).strip():
        yield f"{name}: {one_line(str(value))}" if name else one_line(str(value))
