"""The pool: examples of every origin together, and the dataset that is made of all of them.

    documents (build) + imported files + feedback -> queries proved -> check -> split -> store

Promises: built anew or imported again, an origin's rows are there once; a row whose document is
gone or has changed since is left out and told; nothing a person called wrong is taught.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loresmith.config import Config
from loresmith.dataset import feedback, queries, queries_proof, store
from loresmith.dataset.check import Checked, CountTokens, check, place
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Dataset, Example
from loresmith.dataset.formats import Rejected
from loresmith.dataset.split import Splits, split
from loresmith.state import State, learning
from loresmith.workspace import WorkspaceDir

DOCUMENTS = "documents"
"""The origin of what `build` made of the documents; other origins are paths of imported files."""

_HEAD = re.compile(r'^\[\d+\] (.+)\n"""$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A pool that was checked and split; `dataset` is None where nothing was stored."""

    checked: Checked
    splits: Splits
    dataset: Dataset | None = None


def put_built(state: State, examples: Iterable[Example]) -> int:
    """Replace what was made of the documents; each row notes the versions of all documents whose
    text stands in it, those of distractors too."""
    versions = {info.id: info.version for info in state.infos()}

    def rows() -> Iterable[tuple[str, dict[str, Any]]]:
        for example in examples:
            held = {*example.documents, *example.beside, *_quoted(example, versions)}
            yield example.id, example.to_dict() | {"versions": {d: versions.get(d, "") for d in sorted(held)}}

    return learning.put_examples(state, DOCUMENTS, rows())


def _quoted(example: Example, known: Mapping[str, str]) -> Iterable[str]:
    """Documents whose passages stand in the prompt of a row with passages."""
    if example.kind not in ("grounded", "abstain"):
        return
    for head in _HEAD.findall(example.messages[-2]["content"]):
        parts = head.split(" — ")
        names = (" — ".join(parts[:size]) for size in range(len(parts), 0, -1))
        yield from (name for name in [next((n for n in names if n in known), None)] if name)


def put_imported(state: State, path: Path, examples: Iterable[Example]) -> int:
    """Replace what an earlier import of the same file brought; copies are kept, for the check to tell."""
    return learning.put_examples(state, str(path.absolute()), ((e.origin, e.to_dict()) for e in examples))


def collect(state: State, tables: Path | None = None) -> tuple[list[Example], list[Rejected]]:
    """Every example of the pool and of feedback, and those that are out of date with the reason.

    Args:
        tables: the workspace's tables, on which questions with queries are proved; without it they are
            left out.
    """
    infos = {info.id: info for info in state.infos()}
    lessons = feedback.lessons(state)
    found = list(lessons.examples)
    left_out = list(lessons.unused)
    for _, payload in learning.examples(state):
        example = Example.from_dict(payload)
        versions: Mapping[str, str] = payload.get("versions", {})
        reason = ""
        for document, version in versions.items():
            if document not in infos:
                reason = f"document gone: {document}"
            elif infos[document].version != version:
                reason = f"document changed: {document}; run `loresmith dataset build`"
        if not reason and (normal(example.question), normal(example.answer)) in lessons.wrong:
            reason = "called wrong by a person"
        if reason:
            left_out.append(Rejected(place(example), reason, example, example.origin))
            continue
        labels = {*example.labels, *(label for d in versions for label in infos[d].labels)}
        found.append(replace(example, labels=tuple(sorted(labels))))
    kept, refused = settle(found, state, tables, lessons.refused)
    return kept, [*left_out, *refused]


def settle(
    examples: Sequence[Example],
    state: State,
    path: Path | None,
    refused: Mapping[str, Collection[str]] | None = None,
) -> tuple[list[Example], list[Rejected]]:
    """Questions with queries as rows of the tables as they are; those that cannot be, with the reason.

    Args:
        refused: question (its normal form) -> queries that a person called wrong.
    """
    refused = refused or {}
    if not any(example.kind == "query" for example in examples):
        return list(examples), []
    tables = queries_proof.opened(path, state) if path is not None else None
    kept: list[Example] = []
    left_out: list[Rejected] = []
    try:
        for example in examples:
            made = queries.settle(example, tables) if queries.is_bare(example) else example
            wrong = refused.get(normal(example.question)) if example.kind == "query" else None
            if wrong and not isinstance(made, str) and queries.same(made.answer, wrong, tables):
                made = "called wrong by a person"
            if isinstance(made, str):
                left_out.append(Rejected(place(example), made, example, example.origin))
            else:
                kept.append(made)
    finally:
        if tables is not None:
            tables.store.close()
    return kept, left_out


def examine(
    examples: Iterable[Example],
    config: Config,
    *,
    left_out: Sequence[Rejected] = (),
    count_tokens: CountTokens | None = None,
    access: Sequence[str] | None = None,
) -> Made:
    """Check and split; nothing is stored.

    Args:
        left_out: rows that are told as rejected beside those that the check rejects.
        access: only rows that a reader with these labels may see; None: all.
    """
    rows = list(examples)
    if access is not None:
        held = set(access)
        hidden = [e for e in rows if not set(e.labels) <= held]
        rows = [e for e in rows if set(e.labels) <= held]
        left_out = [
            *left_out,
            *(
                Rejected(place(e), f"access: needs the label {', '.join(e.labels)}", e, e.origin)
                for e in hidden
            ),
        ]
    checked = check(
        rows, count_tokens=count_tokens, max_length=config.training.max_length, settings=config.dataset
    )
    splits = split(checked.accepted, config.dataset)
    kept = tuple(e for e in checked.accepted if e.id in splits)
    rejected = (*left_out, *checked.rejected, *splits.leaks)
    return Made(checked=replace(checked, accepted=kept, rejected=rejected), splits=splits)


def publish(workspace: WorkspaceDir, made: Made) -> Made:
    """Store what `examine` found as the current dataset.

    Raises:
        DatasetError: nothing is left to train on.  StorageError: full disk, missing permission.
    """
    with State.open(workspace.state_path) as state:
        versions = {info.id: info.version for info in state.infos()}
    dataset = store.save(
        workspace.datasets_dir,
        made.checked.accepted,
        made.splits,
        made.checked,
        documents=versions,
        settings=workspace.config.dataset.model_dump(),
        notes=made.splits.notes,
    )
    return replace(made, dataset=dataset)
