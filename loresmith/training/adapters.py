"""The adapters of a workspace: which are there, which one is in use. Reads no weights, needs no torch.

    adapters/<id>/card.json     written last: its existence means that the adapter is whole
    adapters/<id>/checkpoint/   only while a run is unfinished; run.json says what it was about
    adapters/current.json       {"adapter": id}: the one that the arms tuned and both answer with

Promises: a folder without a card is never taken for an adapter; "in use" never points to one that
is not whole; what is removed is out of use before its files go.
"""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from loresmith.errors import StorageError, TrainingError
from loresmith.training.values import Method
from loresmith.workspace import fsync_dir, translated_os_errors, write_atomic

CARD = "card.json"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
CURRENT = "current.json"
CHECKPOINT = "checkpoint"
RUN = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A whole adapter as its card describes it.

    Attributes:
        base_model: the name by which the base was asked for (registry name, GGUF file, folder, hub id).
        base_fingerprint: of the base's weights; an adapter answers only with the very base it was
            trained on.
        labels: access labels of everything it was trained on; a reader needs every one of them.
        card: all of card.json.
    """

    id: str
    folder: Path
    base_model: str
    base_fingerprint: str
    method: Method
    labels: tuple[str, ...]
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that was interrupted, as its run.json tells: recipe, dataset, model, status."""

    id: str
    folder: Path
    run: Mapping[str, Any]


def card(folder: Path) -> dict[str, Any]:
    """card.json of the adapter in `folder`.

    Raises:
        TrainingError: there is no whole adapter, or its card cannot be read.
    """
    missing = [name for name in (CARD, CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        unfinished = (folder / CHECKPOINT / RUN).is_file()
        raise TrainingError(
            f"{folder} holds no whole adapter: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} "
            "missing.",
            "Finish it with `loresmith train --resume`." if unfinished else "See `loresmith adapters list`.",
        )
    try:
        raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or not all(
            isinstance(raw.get(key), str) for key in ("id", "base_model", "method")
        ):
            raise ValueError("not the card of an adapter")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder / CARD} cannot be read: {error}.", "Remove the adapter and train it again."
        ) from error
    return raw


def read(folder: Path) -> Adapter:
    """The adapter in `folder`.

    Raises:
        TrainingError: there is no whole one.
    """
    raw = card(folder)
    return Adapter(
        id=raw["id"],
        folder=folder,
        base_model=raw["base_model"],
        base_fingerprint=str(raw.get("base_fingerprint", "")),
        method=cast("Method", raw["method"]),
        labels=tuple(raw.get("labels", ())),
        card=raw,
    )


def listing(adapters_dir: Path) -> list[Adapter]:
    """Every whole adapter, the newest first."""
    if not adapters_dir.is_dir():
        return []
    # A name with a dot is one that is being brought in or taken away.
    whole = [read(path.parent) for path in adapters_dir.glob(f"[!.]*/{CARD}")]
    return sorted(whole, key=lambda adapter: (str(adapter.card.get("created", "")), adapter.id), reverse=True)


def unfinished(adapters_dir: Path) -> list[Unfinished]:
    """Runs that can be resumed, the one that was active last first."""
    found = []
    for path in adapters_dir.glob(f"*/{CHECKPOINT}/{RUN}"):
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TrainingError(
                f"{path} cannot be read: {error}.", f"Remove {path.parent} and train again."
            ) from error
        found.append(
            (path.stat().st_mtime_ns, Unfinished(id=path.parts[-3], folder=path.parents[1], run=raw))
        )
    return [run for _, run in sorted(found, key=lambda pair: (-pair[0], pair[1].id))]


def current(adapters_dir: Path) -> Adapter | None:
    """The adapter in use, or None where none was ever trained.

    Raises:
        TrainingError: the one that is named is not whole.
        StorageError: current.json is damaged.
    """
    name = _named(adapters_dir)
    return read(adapters_dir / name) if name else None


def _named(adapters_dir: Path) -> str | None:
    path = adapters_dir / CURRENT
    if not path.is_file():
        return None
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["adapter"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.", "Choose one: loresmith adapters use ID"
        ) from error


def find(adapters_dir: Path, name: str) -> Adapter:
    """The adapter that `name` means: "auto" (the one in use), an id or its beginning, or a folder.

    Raises:
        TrainingError: there is none; the message lists what is there.
    """
    if name == "auto":
        in_use = current(adapters_dir)
        if in_use is None:
            raise TrainingError(
                "No adapter is in use here.",
                "Choose one: loresmith adapters use ID"
                if listing(adapters_dir)
                else "Train one: loresmith train",
            )
        return in_use
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        return read(Path(name).expanduser())
    if name and name not in (".", "..") and (adapters_dir / name).is_dir():
        return read(adapters_dir / name)
    known = [adapter.id for adapter in listing(adapters_dir)]
    meant = [other for other in known if name and other.startswith(name)]
    if len(meant) == 1:
        return read(adapters_dir / meant[0])
    if meant:
        raise TrainingError(f"{name} is the beginning of several adapters: {', '.join(meant)}.", "Name one.")
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise TrainingError(
        f"{name}: no adapter of that name here.",
        f"{hint}Here: {', '.join(known)}." if known else "Train one: loresmith train",
    )


def use(adapters_dir: Path, name: str) -> Adapter:
    """Answer with this adapter from now on. To be called under the writer's lock.

    Raises:
        TrainingError: no such adapter, or it lies outside this workspace.
    """
    found = find(adapters_dir, name)
    if found.folder.resolve().parent != adapters_dir.resolve():
        raise TrainingError(
            f"{found.folder} lies outside this workspace.",
            "Set model.adapter to that folder, or bring it in with `loresmith import`.",
        )
    write_atomic(adapters_dir / CURRENT, json.dumps({"adapter": found.folder.name}).encode())
    return found


def remove(adapters_dir: Path, name: str) -> str:
    """Delete an adapter, or what an unfinished run has left; returns its id. Under the writer's lock.

    Raises:
        TrainingError: there is none of that name.
    """
    # Taken from what is there and never made from what was typed: `..` is no adapter.
    own = {path.name: path for path in adapters_dir.iterdir()} if adapters_dir.is_dir() else {}
    folder = own.get(name) or find(adapters_dir, name).folder
    if folder not in own.values() or not folder.is_dir():
        raise TrainingError(f"{folder} is no adapter of this workspace.", "See `loresmith adapters list`.")
    with translated_os_errors(folder):
        if _named(adapters_dir) == folder.name:
            (adapters_dir / CURRENT).unlink()
            fsync_dir(adapters_dir)
        # Without its card it is no adapter any more, however far the deletion comes.
        (folder / CARD).unlink(missing_ok=True)
        fsync_dir(folder)
        shutil.rmtree(folder)
        fsync_dir(adapters_dir)
    return folder.name
