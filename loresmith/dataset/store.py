"""Datasets on disk, by content: the same rows in the same splits are the same dataset.

    datasets/<id>/examples.jsonl   one example a line, with its split; <id> is this file's hash
    datasets/<id>/report.md, .html
    datasets/<id>/manifest.json    last: its existence means the dataset is whole
    datasets/current.json          {"dataset": id}

Promises: a kill leaves a dataset whole or not there; what is loaded is what was checked, byte for
byte, or an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from loresmith import __version__
from loresmith.dataset import report
from loresmith.dataset.check import Checked
from loresmith.dataset.example import Dataset, Example, Split
from loresmith.errors import DatasetError
from loresmith.workspace import fsync_dir, translated_os_errors, write_atomic

EXAMPLES, MANIFEST, CURRENT = "examples.jsonl", "manifest.json", "current.json"
_MANIFESTS = f"[0-9a-f]*/{MANIFEST}"
_BUILD = "Run `loresmith dataset build`, or `loresmith dataset import FILE`."


def save(
    datasets_dir: Path,
    examples: Sequence[Example],
    splits: Mapping[str, Split],
    checked: Checked | None = None,
    *,
    documents: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    activate: bool = True,
) -> Dataset:
    """Write the dataset and make it the current one.

    Args:
        splits: example id to split; an example without one is left out.
        checked: what the check found, for the report.
        documents: version hash of each document of the workspace; the manifest keeps all of them as
            "corpus", to tell later which documents there were.
        notes: what a person should know about the splits.

    Raises:
        DatasetError: there is no row to train on.
        StorageError: full disk, missing permission; what was there stays.
    """
    dataset = _dataset(examples, splits, documents or {})
    if not dataset.train:
        raise DatasetError("No example is left to train on.", "See the reasons above, or add data.")
    content = _content(dataset)
    dataset = Dataset(
        id=hashlib.sha256(content).hexdigest()[:16],
        train=dataset.train,
        dev=dataset.dev,
        test=dataset.test,
        labels=dataset.labels,
        documents=dataset.documents,
    )
    manifest = _manifest(dataset, checked, settings or {}, notes) | {"corpus": dict(documents or {})}
    pages = report.pages(dataset, manifest, checked)
    with translated_os_errors(datasets_dir):
        datasets_dir.mkdir(parents=True, exist_ok=True)
        _sweep(datasets_dir)
        folder = datasets_dir / dataset.id
        if not _whole(folder):
            temporary = datasets_dir / f".{dataset.id}.{os.getpid()}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            write_atomic(temporary / EXAMPLES, content)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(temporary, folder)
            fsync_dir(datasets_dir)
        for name, text in pages.items():
            write_atomic(folder / name, text.encode())
        write_atomic(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
        if activate:
            write_atomic(datasets_dir / CURRENT, json.dumps({"dataset": dataset.id}).encode())
    return dataset


def load(datasets_dir: Path, dataset: str | None = None) -> Dataset:
    """The dataset of this id (its beginning is enough), or the current one.

    Raises:
        DatasetError: there is none, or its rows are not those that were checked.
    """
    found = manifest(datasets_dir, dataset)
    folder = datasets_dir / found["id"]
    content = _read(folder / EXAMPLES)
    if hashlib.sha256(content).hexdigest()[:16] != found["id"]:
        raise DatasetError(f"{folder / EXAMPLES} was altered since it was checked.", _BUILD)
    rows: dict[str, list[Example]] = {split: [] for split in get_args(Split)}
    for line in content.decode().split("\n"):
        if line:
            raw = json.loads(line)
            rows[raw["split"]].append(Example.from_dict(raw))
    return Dataset(
        id=found["id"],
        train=tuple(rows["train"]),
        dev=tuple(rows["dev"]),
        test=tuple(rows["test"]),
        labels=tuple(found["labels"]),
        documents=found["documents"],
    )


def manifest(datasets_dir: Path, dataset: str | None = None) -> dict[str, Any]:
    """The manifest of a dataset, or of the current one.

    Raises:
        DatasetError: there is none.
    """
    name = dataset or current(datasets_dir)
    if name is None:
        raise DatasetError("There is no dataset yet.", _BUILD)
    names = sorted(path.parent.name for path in datasets_dir.glob(_MANIFESTS))
    meant = [n for n in names if n.startswith(name)]
    if len(meant) != 1:
        problem = "is not unique" if meant else "is not there"
        raise DatasetError(
            f"The dataset {name} {problem} in {datasets_dir}.",
            f"There are: {', '.join(meant or names)}." if names else _BUILD,
        )
    return _manifest_of(datasets_dir / meant[0])


def current(datasets_dir: Path) -> str | None:
    """Id of the dataset that `train` takes."""
    path = datasets_dir / CURRENT
    if not path.is_file():
        return None
    try:
        return str(json.loads(_read(path))["dataset"])
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is damaged ({error}).", _BUILD) from error


def listing(datasets_dir: Path) -> list[dict[str, Any]]:
    """The manifests of every whole dataset, oldest first, each with "current"."""
    if not datasets_dir.is_dir():
        return []
    chosen = current(datasets_dir)
    found = [_manifest_of(path.parent) for path in datasets_dir.glob(_MANIFESTS)]
    # Of two in the same second the one in use is the newer.
    found.sort(key=lambda m: (m["created"], m["id"] == chosen))
    return [{**m, "current": m["id"] == chosen} for m in found]


def _dataset(
    examples: Sequence[Example], splits: Mapping[str, Split], documents: Mapping[str, str]
) -> Dataset:
    rows: dict[str, dict[str, Example]] = {split: {} for split in get_args(Split)}
    for example in examples:
        if example.id in splits:
            rows[splits[example.id]][example.id] = example
    # Ordered by id, so that the order in which rows were found does not make another dataset.
    ordered = {name: tuple(found[key] for key in sorted(found)) for name, found in rows.items()}
    used = [example for found in ordered.values() for example in found]
    return Dataset(
        id="",
        train=ordered["train"],
        dev=ordered["dev"],
        test=ordered["test"],
        labels=tuple(sorted({label for e in used for label in e.labels})),
        documents={d: documents.get(d, "") for d in sorted({d for e in used for d in e.documents})},
    )


def _content(dataset: Dataset) -> bytes:
    lines = [
        json.dumps({**example.to_dict(), "split": split}, ensure_ascii=False, separators=(",", ":"))
        for split, examples in dataset.splits().items()
        for example in examples
    ]
    return ("\n".join(lines) + "\n").encode()


def _manifest(
    dataset: Dataset, checked: Checked | None, settings: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    splits = dataset.splits()
    rows = [example for examples in splits.values() for example in examples]
    return {
        "id": dataset.id,
        "format": 1,
        "loresmith": __version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": len(rows),
        "splits": {name: len(examples) for name, examples in splits.items()},
        "kinds": {name: dict(Counter(e.kind for e in examples)) for name, examples in splits.items()},
        "origins": dict(Counter(e.origin.partition(":")[0] or "unknown" for e in rows).most_common()),
        "languages": dict(Counter(e.language or "unknown" for e in rows).most_common()),
        "labels": list(dataset.labels),
        "documents": dict(dataset.documents or {}),
        "settings": dict(settings),
        "notes": list(notes),
        "check": {
            "accepted": len(checked.accepted),
            "repaired": len(checked.repaired),
            "rejected": len(checked.rejected),
            "warnings": list(checked.warnings),
            "figures": dict(checked.figures),
        }
        if checked is not None
        else None,
    }


def _manifest_of(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(_read(path))
        if not {"id", "labels", "documents", "created", "splits"} <= found.keys():
            raise ValueError("keys are missing")
    except ValueError as error:
        raise DatasetError(f"{path} is damaged ({error}).", f"Remove {folder}. {_BUILD}") from error
    return found


def _whole(folder: Path) -> bool:
    """Whether the rows are there as their name says; manifest and report are written anew anyway."""
    path = folder / EXAMPLES
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest()[:16] == folder.name


def _sweep(datasets_dir: Path) -> None:
    """Remove what killed processes left behind."""
    for path in datasets_dir.glob(".*.tmp"):
        process = path.name.split(".")[-2]
        if path.is_dir() and process.isdigit() and not Path(f"/proc/{process}").exists():
            shutil.rmtree(path, ignore_errors=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}.", _BUILD) from error
