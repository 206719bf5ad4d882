"""A bundle: one file that makes another machine's workspace answer as this one does.

    manifest.json            what is in it, with size and sha256 of every file
    README.md                the card
    settings.json            what shapes answers: never an address, a key or a path
    calibration.json         where `loresmith calibrate` fitted one
    adapter/…                weights, configuration, card, record, curves
    dataset/manifest.json    what it was trained on; the rows only where they are asked for
    documents/<n>-<name>/…   the sources' files, where they are asked for
    model/…                  the base model, where it is asked for; else it is named

Promises: who packs says which access labels the receiver holds (none, if nothing is said); an
adapter or a dataset made from others is refused, documents with others stay out, and the report
counts them; no path of this machine is in it; the file appears by one rename. `unpack.py` reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from loresmith import __version__, addresses, sources
from loresmith.config import Config
from loresmith.dataset import store
from loresmith.errors import DatasetError, LoresmithError, TrainingError, UsageError
from loresmith.models import fingerprint, registry
from loresmith.sources.files import name_of
from loresmith.state import State
from loresmith.training import adapters
from loresmith.training.adapters import Adapter
from loresmith.training.exporting import card
from loresmith.training.exporting.exported import Exported, refuse_existing
from loresmith.types import Failure, Progress
from loresmith.workspace import WorkspaceDir, fsync_dir, is_url, translated_os_errors

FORMAT = 1
SUFFIX = ".loresmith"
MANIFEST, SETTINGS, CALIBRATION = "manifest.json", "settings.json", "calibration.json"

# Keys that another machine may take over: they shape answers and reach nothing outside.
SAFE_KEYS = {
    "model": ("context_tokens", "max_tokens", "temperature"),
    "embedder": ("name", "query_prefix", "passage_prefix"),
    "passages": ("tokens", "summaries"),
    "index": ("metric",),
    "retrieval": (
        "mode", "k", "candidates", "fusion", "dense_weight", "diversity", "duplicates", "context_tokens",
    ),
    "answer": ("abstain_below", "max_sentences", "memory"),
}  # fmt: skip
ADAPTER_FILES = (adapters.WEIGHTS, adapters.CONFIG, adapters.CARD, "record.json", "curves.png")
MODEL_FILES = (".gguf", ".json", ".safetensors", ".model", ".jinja", ".txt", ".md")
_PACKED_ALREADY = {
    ".safetensors",
    ".gguf",
    ".png",
    ".jpg",
    ".jpeg",
    ".docx",
    ".xlsx",
    ".pptx",
    ".zip",
    ".epub",
}


@dataclass
class _Bundle:
    """A bundle while it is written."""

    archive: zipfile.ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, path: Path) -> None:
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as content, self.archive.open(_entry(name), "w", force_zip64=True) as out:
            while block := content.read(1 << 20):
                digest.update(block)
                size += len(block)
                out.write(block)
        self.files.append({"path": name, "size": size, "sha256": digest.hexdigest()})

    def write(self, name: str, content: bytes) -> None:
        self.archive.writestr(_entry(name), content)
        self.files.append({"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})


def pack(
    workspace: WorkspaceDir,
    adapter: Adapter,
    out: Path,
    *,
    parts: Collection[str] = (),
    labels: Collection[str] = (),
    progress: Progress | None = None,
) -> Exported:
    """Write a bundle of `adapter`, and of what else `parts` name.

    Args:
        parts: "documents", "dataset" (its rows), "model" (the base model's files).
        labels: access labels that the receiver holds.

    Raises:
        UsageError: `out` is there already.
        TrainingError, DatasetError: the receiver may not see the adapter or the rows.
        StorageError: full disk.
    """
    refuse_existing(out)
    making = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    with translated_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(making, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
                bundle = _Bundle(archive)
                manifest = _fill(bundle, workspace, adapter, parts, set(labels), progress)
                archive.writestr(_entry(MANIFEST), _json(manifest))
            with making.open("rb") as written:
                os.fsync(written.fileno())
            refuse_existing(out)
            os.replace(making, out)
        finally:
            making.unlink(missing_ok=True)
        fsync_dir(out.parent)
    return Exported(
        form="bundle",
        path=out,
        adapter=adapter.id,
        bytes=out.stat().st_size,
        notes=tuple(bundle.notes),
        extra={"documents": manifest["documents"], "model_included": manifest["base"]["included"]},
    )


def _fill(
    bundle: _Bundle,
    workspace: WorkspaceDir,
    adapter: Adapter,
    parts: Collection[str],
    labels: set[str],
    progress: Progress | None,
) -> dict[str, Any]:
    for name in ADAPTER_FILES:
        if (adapter.folder / name).is_file():
            _add_adapter_file(bundle, adapter, name)
    settings, left = _settings(workspace.config)
    bundle.notes += left
    bundle.write(SETTINGS, _json(settings))
    calibration = workspace.data / CALIBRATION
    if calibration.is_file():
        bundle.add(CALIBRATION, calibration)
    dataset = _add_dataset(bundle, workspace, adapter, "dataset" in parts, labels)
    listed, documents = [], 0
    if "documents" in parts:
        for number, (entry, count) in enumerate(_add_sources(bundle, workspace, labels, progress), 1):
            listed.append(entry)
            documents += count
            if progress:
                progress("packing sources", number, None)
    included = _add_model(bundle, adapter, progress) if "model" in parts else None
    form = "A bundle: bring it in with `loresmith import`."
    use = f"```\nloresmith import {adapter.id}{SUFFIX}\n```"
    bundle.write(card.NAME, card.readme(adapter, form=form, use=use).encode())
    return {
        "format": FORMAT,
        "loresmith": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": workspace.config.name,
        "adapter": adapter.id,
        "labels": sorted(labels),
        "base": {
            "name": card.public_name(adapter.base_model),
            "fingerprint": adapter.base_fingerprint,
            "licence": card.licence_of(adapter.base_model),
            "included": included,
        },
        "dataset": dataset,
        "sources": listed,
        "documents": documents,
        "files": bundle.files,
    }


def _add_adapter_file(bundle: _Bundle, adapter: Adapter, name: str) -> None:
    path = adapter.folder / name
    if not name.endswith(".json"):
        bundle.add(f"adapter/{name}", path)
        return
    raw = json.loads(path.read_text(encoding="utf-8"))
    bundle.write(f"adapter/{name}", _json(card.without_place(raw, adapter)))


def _settings(config: Config) -> tuple[dict[str, Any], list[str]]:
    """The safe keys that are not at their default, and what was left out."""
    changed = config.model_dump(exclude_defaults=True)
    kept: dict[str, Any] = {}
    for section, keys in SAFE_KEYS.items():
        found = {key: changed[section][key] for key in keys if key in changed.get(section, {})}
        kept |= {f"{section}.{key}": value for key, value in found.items()}
    notes = []
    name = str(kept.get("embedder.name", ""))
    if config.embedder.provider != "local" or (name and registry.looks_like_place(name)):
        kept.pop("embedder.name", None)
        notes.append("The embedder is not in the bundle: the receiver's own default embeds the documents.")
    return kept, notes


def _add_dataset(
    bundle: _Bundle, workspace: WorkspaceDir, adapter: Adapter, rows: bool, labels: set[str]
) -> dict[str, Any] | None:
    data = adapter.card.get("dataset", {})
    name = data.get("id") if isinstance(data, dict) else data
    try:
        manifest = store.manifest(workspace.datasets_dir, str(name))
    except LoresmithError as error:
        if rows:
            raise
        bundle.notes.append(f"The dataset's manifest is not in the bundle: {error.problem}")
        return None
    bundle.write(f"dataset/{store.MANIFEST}", _json(manifest))
    if rows:
        others = sorted(set(manifest["labels"]) - labels)
        if others:
            raise DatasetError(
                f"The dataset {manifest['id']} holds rows with the labels {', '.join(others)}.",
                "Leave it out, or say that the receiver holds them: --label LABEL",
            )
        bundle.add(f"dataset/{store.EXAMPLES}", workspace.datasets_dir / manifest["id"] / store.EXAMPLES)
    return {"id": manifest["id"], "rows": rows}


def _add_sources(
    bundle: _Bundle, workspace: WorkspaceDir, labels: set[str], progress: Progress | None
) -> Iterator[tuple[dict[str, Any], int]]:
    """(entry of loresmith.toml, number of files) of each source that has something for the receiver."""
    of_item: dict[str, set[str]] = {}
    with State.open(workspace.state_path) as state:
        for info in state.infos():
            of_item.setdefault(info.item, set()).update(info.labels)
    specs = workspace.source_specs()
    prefixes = sources.prefixes([spec for spec in specs if not is_url(spec.uri)])
    withheld = 0
    for number, spec in enumerate(specs, 1):
        if addresses.kind_of(spec.uri) is not None:
            if set(spec.labels) <= labels:
                name = name_of(spec.uri)
                bundle.notes.append(f"The database {name} is not packed: whoever has access to it adds it.")
            continue
        if is_url(spec.uri):
            if set(spec.labels) <= labels:
                bundle.notes.append(f"{spec.uri} is named, not packed: the receiver's machine fetches it.")
                yield {"uri": spec.uri, "labels": list(spec.labels)}, 0
            continue
        single = Path(spec.uri).is_file()
        folder = f"documents/{number}-{_plain(name_of(spec.uri))}"
        count = 0
        web_dir, web = workspace.web_dir, workspace.config.web
        for item in sources.scan(spec, prefix=prefixes[spec.uri], web=web, web_dir=web_dir):
            if isinstance(item, Failure):
                bundle.notes.append(f"not packed: {item.source}: {item.reason}")
                continue
            if not (set(spec.labels) | of_item.get(item.id, set())) <= labels:
                withheld += 1
                continue
            relative = Path(item.path).name if single else os.path.relpath(item.path, spec.uri)
            name = f"{folder}/{PurePosixPath(relative)}"
            if not is_safe(name):
                bundle.notes.append(f"not packed: {item.id}: its name cannot be in a bundle.")
                continue
            bundle.add(name, Path(item.path))
            count += 1
            if progress:
                progress("packing documents", count, None)
        if count:
            uri = f"{folder}/{Path(spec.uri).name}" if single else folder
            yield {"uri": uri, "labels": list(spec.labels)}, count
    if withheld:
        bundle.notes.append(
            f"Documents that stayed out, since the receiver does not hold their labels: {withheld}."
        )


def _add_model(bundle: _Bundle, adapter: Adapter, progress: Progress | None) -> str:
    """The path in the bundle of what an engine opens: a GGUF file or a folder."""
    place = fingerprint.place(adapter.base_model)
    if place is None or (
        adapter.base_fingerprint and fingerprint.fingerprint(place) != adapter.base_fingerprint
    ):
        raise TrainingError(
            f"The base model {adapter.base_model} is not here as it was trained on.",
            "Bring it back, or leave it out of the bundle.",
        )
    if progress:
        progress("packing the model", 0, None)
    if place.is_file():
        bundle.add(f"model/{_plain(place.name)}", place)
        return f"model/{_plain(place.name)}"
    folder = f"model/{_plain(place.name)}"
    for path in sorted(place.iterdir()):
        if path.is_file() and path.suffix in MODEL_FILES:
            bundle.add(f"{folder}/{_plain(path.name)}", path)
    return folder


# --- names ------------------------------------------------------------------------------------


def is_safe(name: str) -> bool:
    """Whether a path in a bundle stays inside the folder it is unpacked into, on every system."""
    parts = name.split("/")
    return (
        len(name.encode("utf-8", "replace")) < 1024
        and "\\" not in name
        and name.isprintable()
        and all(
            part not in ("", ".", "..") and ":" not in part and not part.endswith((" ", "."))
            for part in parts
        )
    )


def _plain(name: str) -> str:
    """A file name of letters, digits and "._-"."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name).strip(".") or "_"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100644 << 16
    packed = PurePosixPath(name).suffix.lower() in _PACKED_ALREADY
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    return entry


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def check_labels(adapter: Adapter, labels: Collection[str]) -> None:
    """
    Raises:
        UsageError: the adapter was trained on what the receiver may not see.
    """
    others = sorted(set(adapter.labels) - set(labels))
    if others:
        raise UsageError(
            f"The adapter {adapter.id} was trained on documents with the labels {', '.join(others)}; "
            "whoever gets it can make it tell them.",
            "Say that the receiver holds them all: " + " ".join(f"--label {label}" for label in others),
        )
