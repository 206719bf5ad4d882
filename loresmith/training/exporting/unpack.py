"""A bundle into a workspace: `loresmith import`.

    bundle -> checked (bundle_read.py) -> unpacked beside the target -> renamed into place

Promises: no setting is taken over that names an address, a key or a place; what is there is never
overwritten; a kill leaves a workspace that has the adapter whole or not at all. Torch-free.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loresmith import workspace as folders
from loresmith.config import FILE_NAME
from loresmith.dataset import store
from loresmith.errors import LoresmithError, TrainingError, UsageError
from loresmith.models import fingerprint, registry
from loresmith.training import adapters
from loresmith.training.exporting import bundle
from loresmith.training.exporting import bundle_read as reading
from loresmith.training.exporting.exported import folder_beside, refuse_existing
from loresmith.types import Progress
from loresmith.workspace import WorkspaceDir, fsync_dir, translated_os_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came in.

    Attributes:
        base_here: whether the base model's weights are on this machine.
        documents: files of sources that came along; `sync` makes them searchable.
    """

    workspace: Path
    adapter: str
    base_model: str
    base_here: bool
    documents: int
    dataset: str | None
    new_workspace: bool
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith import --json` prints."""
        return {
            "workspace": str(self.workspace),
            "new_workspace": self.new_workspace,
            "adapter": self.adapter,
            "base_model": self.base_model,
            "base_here": self.base_here,
            "documents": self.documents,
            "dataset": self.dataset,
            "notes": list(self.notes),
        }


def unpack(path: Path, into: Path | None = None, *, progress: Progress | None = None) -> Imported:
    """Bring a bundle in: as a new workspace, or its adapter into one that is there.

    Args:
        into: a workspace, or a folder that becomes one; without it, one of the bundle's name.

    Raises:
        TrainingError: it is no bundle, damaged, altered, or of a newer program.
        UsageError: what it would write is there already.
        StorageError: full disk; nothing is left behind.
    """
    with reading.opened(path) as archive:
        manifest = reading.read_manifest(path, archive)
        entries = reading.entries_of(path, archive, manifest)
        target = (into or Path(_name(manifest, path))).expanduser().absolute()
        existing = (target / FILE_NAME).is_file()
        if not existing:
            refuse_existing(target)
        beside = target / ".loresmith" if existing else target.parent
        making = folder_beside(beside, f"{target.name}.import")
        try:
            reading.check_room(making, entries)
            reading.extract(path, archive, entries, making, progress)
            reading.check_adapter(path, making, manifest)
            if existing:
                return _add(making, folders.open_dir(target), manifest)
            return _create(making, target, manifest)
        finally:
            shutil.rmtree(making, ignore_errors=True)


# --- into place -------------------------------------------------------------------------------


def _create(making: Path, target: Path, manifest: Mapping[str, Any]) -> Imported:
    """A new workspace, made whole beside its place and renamed."""
    root = making / "workspace"
    settings, notes = _settings(making)
    made = folders.create(root, {"name": str(manifest.get("name") or target.name), **settings})
    _sources(root, manifest)
    _move_in(making / "documents", root / "documents")
    model = _move_model(making, root, target, manifest)
    calibration = making / bundle.CALIBRATION
    if calibration.is_file() and _is_calibration(calibration):
        os.replace(calibration, made.data / bundle.CALIBRATION)
    name, here, more = _base(manifest, model)
    _finish_card(making, name)
    made.adapters_dir.mkdir()
    os.replace(making / "adapter", made.adapters_dir / manifest["adapter"])
    adapters.use(made.adapters_dir, manifest["adapter"])
    dataset = _move_dataset(making, made, manifest)
    with translated_os_errors(target):
        if target.exists():
            target.rmdir()
        os.replace(root, target)
        fsync_dir(target.parent)
    return Imported(
        workspace=target, adapter=manifest["adapter"], base_model=name, base_here=here,
        documents=manifest["documents"], dataset=dataset, new_workspace=True, notes=(*notes, *more),
    )  # fmt: skip


def _add(making: Path, workspace: WorkspaceDir, manifest: Mapping[str, Any]) -> Imported:
    """The adapter, its model and dataset into a workspace that is there."""
    notes = []
    with workspace.writing():
        place = workspace.adapters_dir / manifest["adapter"]
        if place.exists():
            weights = place / adapters.WEIGHTS
            brought = making / "adapter" / adapters.WEIGHTS
            same = weights.is_file() and filecmp.cmp(weights, brought, shallow=False)
            raise UsageError(
                f"{place} is there already"
                + (", with the same weights." if same else ", with other weights; nothing is overwritten."),
                f"Use it: loresmith adapters use {manifest['adapter']}"
                if same
                else "Remove it first, or use --into.",
            )
        model = _move_model(making, workspace.root, workspace.root, manifest)
        name, here, more = _base(manifest, model)
        _finish_card(making, name)
        dataset = _move_dataset(making, workspace, manifest)
        with translated_os_errors(place):
            workspace.adapters_dir.mkdir(exist_ok=True)
            os.replace(making / "adapter", place)
            fsync_dir(workspace.adapters_dir)
        if adapters.current(workspace.adapters_dir) is None:
            adapters.use(workspace.adapters_dir, manifest["adapter"])
        else:
            notes.append(f"Another adapter stays in use: loresmith adapters use {manifest['adapter']}")
    if manifest["documents"]:
        notes.append("The bundle's documents were left out: they come with a new workspace only.")
    return Imported(
        workspace=workspace.root, adapter=manifest["adapter"], base_model=name, base_here=here,
        documents=0, dataset=dataset, new_workspace=False, notes=(*notes, *more),
    )  # fmt: skip


def _settings(making: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings that are safe to take over, whatever the file says."""
    path = making / bundle.SETTINGS
    raw = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    safe = {f"{section}.{key}" for section, keys in bundle.SAFE_KEYS.items() for key in keys}
    given = raw if isinstance(raw, dict) else {}
    kept = {
        key: value
        for key, value in given.items()
        if key in safe and not (key == "embedder.name" and ("/" in str(value) or "\\" in str(value)))
    }
    left = sorted(set(given) - set(kept))
    return kept, [f"Settings that were not taken over: {', '.join(left)}."] if left else []


def _sources(root: Path, manifest: Mapping[str, Any]) -> None:
    """The [[sources]] of the new workspace: packed folders, and addresses that were only named."""
    import tomlkit

    listed = tomlkit.aot()
    for source in manifest["sources"]:
        packed = bundle.is_safe(source["uri"]) and source["uri"].startswith("documents/")
        # An address is never taken over: the next sync would call it.
        if not packed:
            continue
        entry = tomlkit.table()
        entry["uri"] = source["uri"]
        if source["labels"]:
            entry["labels"] = sorted(source["labels"])
        listed.append(entry)
    if listed:
        path = root / FILE_NAME
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        document["sources"] = listed
        folders.write_atomic(path, tomlkit.dumps(document).encode())


def _move_in(packed: Path, place: Path) -> None:
    if packed.is_dir():
        with translated_os_errors(place):
            os.replace(packed, place)


def _move_model(making: Path, root: Path, final: Path, manifest: Mapping[str, Any]) -> Path | None:
    """Where the included model will lie; None where there is none."""
    included: str | None = manifest["base"]["included"]
    if included is None:
        return None
    parts = included.split("/")
    if not bundle.is_safe(included) or parts[0] != "model" or len(parts) != 2:
        raise TrainingError(f"The bundle's model has the odd place {included!r}.", "Fetch the bundle again.")
    found = fingerprint.fingerprint(making / included)
    if found != manifest["base"]["fingerprint"]:
        raise TrainingError(
            "The model in the bundle is not the one that its adapter was trained on.",
            "Fetch the bundle again.",
        )
    place = root / "models" / parts[1]
    if place.exists():
        if fingerprint.fingerprint(place) != found:
            raise UsageError(f"{place} is there already; nothing is overwritten.", "Move it away.")
    else:
        with translated_os_errors(place):
            place.parent.mkdir(exist_ok=True)
            os.replace(making / included, place)
    return Path(final, "models", parts[1])


def _move_dataset(making: Path, workspace: WorkspaceDir, manifest: Mapping[str, Any]) -> str | None:
    """The dataset with its rows becomes one of the workspace; a manifest alone stays with the adapter."""
    packed = making / "dataset"
    if manifest["dataset"] is None or not (packed / store.EXAMPLES).is_file():
        return None
    name = str(manifest["dataset"]["id"])
    content = (packed / store.EXAMPLES).read_bytes()
    if hashlib.sha256(content).hexdigest()[: len(name)] != name:
        raise TrainingError(f"The dataset {name} in the bundle has other rows than its name says.", "")
    place = workspace.datasets_dir / name
    if not place.exists():
        with translated_os_errors(place):
            workspace.datasets_dir.mkdir(exist_ok=True)
            os.replace(packed, place)
            fsync_dir(workspace.datasets_dir)
    return name


def _base(manifest: Mapping[str, Any], model: Path | None) -> tuple[str, bool, list[str]]:
    """(name of the base on this machine, whether it is here, what to do where it is not)."""
    if model is not None:
        return str(model), True, []
    name = manifest["base"]["name"]
    try:
        place = fingerprint.place(name)
    except LoresmithError:
        place = None
    wanted: str = manifest["base"]["fingerprint"]
    if place is None:
        return name, False, [f"The base model {name} is not on this machine. {_way_to(name)}"]
    if wanted and fingerprint.fingerprint(place) != wanted:
        return name, False, [f"{place} is called {name}, but it is not what the adapter was trained on."]
    return name, True, []


def _way_to(name: str) -> str:
    if not registry.looks_like_place(name):
        known = any(row.name == name for row in registry.ROWS)
        return (
            f"Fetch it: loresmith models get {name}"
            if known
            else "Bring it, and set model.name to its place."
        )
    return "It is fetched from the hub when it is first asked." if name.count("/") == 1 else "Bring it."


def _finish_card(making: Path, base_model: str) -> None:
    path = making / "adapter" / adapters.CARD
    raw = {**json.loads(path.read_text(encoding="utf-8")), "base_model": base_model}
    path.write_text(json.dumps(raw, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _is_calibration(path: Path) -> bool:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        numbers = [raw["bias"], raw["threshold"], *raw["weights"].values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all(isinstance(number, int | float) for number in numbers)


def _name(manifest: Mapping[str, Any], path: Path) -> str:
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in str(manifest.get("name") or path.stem))
    return name.strip(".-")[:80] or "workspace"
