"""JSON and JSON lines: each record a section, its title a heading, its text a paragraph, its id the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft, one_line
from loresmith.parsing.textual import decode

_TITLES = ("title", "heading", "chunk_heading", "name", "subject", "headline", "question")
_TEXTS = ("text", "body", "content", "abstract", "description", "answer", "paragraph", "message", "summary")
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


def _record(draft: Draft, record: Any, number: int | None, *, level: int) -> None:
    if not isinstance(record, dict):
        draft.add("paragraph", "; ".join(_leaves(record, "")), row=number)
        return
    by_lower = {str(name).lower(): name for name in record}
    key = next((str(record[by_lower[k]]) for k in _KEYS if _scalar(record, by_lower.get(k))), None)
    place = {"row": number, "key": key}
    title = next((by_lower[t] for t in _TITLES if _text(record, by_lower.get(t))), None)
    if title is not None:
        draft.add("heading", one_line(str(record[title])), level=level, **place)
    texts = [by_lower[t] for t in _TEXTS if _text(record, by_lower.get(t))]
    others = [name for name in record if name != title and name not in texts]
    fields = [leaf for name in others for leaf in _leaves(record[name], str(name))]
    for name in texts:
        value = record[name]
        joined = " ".join(value) if isinstance(value, list) else str(value)
        for part in joined.split("\n\n"):
            draft.add("paragraph", part, **place)
    if fields:
        # An identifier alone is no content where there is other content; it stays as the key.
        alone = len(fields) == 1 and key is not None and fields[0].endswith(f": {key}")
        if not (alone and (texts or title is not None)):
            draft.add("paragraph", "; ".join(fields), **place)


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
