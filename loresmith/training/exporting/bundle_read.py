"""A bundle is a stranger's file: what it may hold, and how it is taken out of its archive.

    archive -> manifest well formed -> every name, kind and size as listed -> bytes hashed on the way

Promises: no name leaves the folder, nothing that is not listed is unpacked, nothing is unpacked beyond
its listed size, links and devices are refused, and of the adapter's configuration only shapes and
scales are taken over. Torch-free.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors

from loresmith.dataset import store
from loresmith.errors import LoresmithError, StorageError, TrainingError, UsageError
from loresmith.models import lora
from loresmith.training import adapters
from loresmith.training.exporting import bundle, card
from loresmith.types import Progress
from loresmith.workspace import translated_os_errors

LARGEST_MANIFEST = 1 << 26

# What of adapter_config.json is taken over: shapes and scales. PEFT has keys that name modules to
# import or models to fetch.
_CONFIG_KEYS = {
    "alpha_pattern", "base_model_name_or_path", "bias", "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_bias", "lora_dropout",
    "modules_to_save", "peft_type", "peft_version", "r", "rank_pattern", "target_modules",
    "target_parameters", "task_type", "use_dora", "use_rslora",
}  # fmt: skip


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file.", "Check the path.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise damaged(path, str(error)) from error


def read_manifest(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        info = archive.getinfo(bundle.MANIFEST)
        if info.file_size > LARGEST_MANIFEST:
            raise ValueError("the manifest is too large")
        with archive.open(info) as content:
            raw = json.loads(content.read(LARGEST_MANIFEST))
    except KeyError:
        raise TrainingError(
            f"{path} is no bundle: it has no {bundle.MANIFEST}.", "Make one: loresmith export --to bundle"
        ) from None
    except ValueError as error:
        raise damaged(path, f"{bundle.MANIFEST}: {error}") from error
    if isinstance(raw, dict) and isinstance(raw.get("format"), int) and raw["format"] > bundle.FORMAT:
        raise TrainingError(
            f"{path} was made by a newer Loresmith ({raw.get('loresmith')}).",
            "Update: pip install -U loresmith",
        )
    if not _well_formed(raw):
        raise damaged(path, f"{bundle.MANIFEST} is not what a bundle has there")
    return dict(raw)


def _well_formed(raw: Any) -> bool:
    if not isinstance(raw, dict) or not isinstance(raw.get("files"), list):
        return False
    base, dataset = raw.get("base"), raw.get("dataset")
    return (
        isinstance(raw.get("adapter"), str)
        and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", raw["adapter"]) is not None
        and isinstance(base, dict)
        and isinstance(base.get("name"), str)
        and isinstance(base.get("fingerprint"), str)
        and isinstance(base.get("included"), str | None)
        and (dataset is None or (isinstance(dataset, dict) and _hex(dataset.get("id"))))
        and isinstance(raw.get("documents"), int)
        and isinstance(raw.get("sources"), list)
        and all(
            isinstance(s, dict)
            and isinstance(s.get("uri"), str)
            and isinstance(s.get("labels"), list)
            and all(isinstance(label, str) for label in s["labels"])
            for s in raw["sources"]
        )
        and all(
            isinstance(f, dict)
            and isinstance(f.get("path"), str)
            and isinstance(f.get("size"), int)
            and f["size"] >= 0
            and isinstance(f.get("sha256"), str)
            for f in raw["files"]
        )
    )


def _hex(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8,64}", value) is not None


def entries_of(
    path: Path, archive: zipfile.ZipFile, manifest: Mapping[str, Any]
) -> list[tuple[zipfile.ZipInfo, Mapping[str, Any]]]:
    """Every file with its line of the manifest; both sides must agree before a byte is written."""
    listed = {file["path"]: file for file in manifest["files"]}
    infos = [info for info in archive.infolist() if info.filename != bundle.MANIFEST]
    names = [info.filename for info in infos]
    for info in infos:
        # The upper half holds Unix modes: a link or a device is no file.
        kind = (info.external_attr >> 16) & 0o170000
        if not bundle.is_safe(info.filename) or kind not in (0, 0o100000) or info.flag_bits & 1:
            raise damaged(path, f"it holds {info.filename!r}, which a bundle never does")
        if info.filename not in listed or listed[info.filename]["size"] != info.file_size:
            raise damaged(path, f"{info.filename} is not as its manifest says")
    if len({name.casefold() for name in names}) != len(names) or len(listed) != len(names):
        missing = sorted(set(listed) - set(names))
        raise damaged(path, f"{missing[0]} is missing" if missing else "a file is in it twice")
    strange = [name for name in names if not _known(name)]
    if strange:
        raise damaged(path, f"it holds {strange[0]!r}, which a bundle never does")
    return [(info, listed[info.filename]) for info in infos]


def _known(name: str) -> bool:
    """Whether a file of that name has a place in a bundle. A pickle has none."""
    room, _, rest = name.partition("/")
    rooms = {"adapter": bundle.ADAPTER_FILES, "dataset": (store.MANIFEST, store.EXAMPLES)}
    if room in rooms:
        return rest in rooms[room]
    if room == "model":
        return Path(name).suffix in bundle.MODEL_FILES
    return room == "documents" or name in (bundle.SETTINGS, bundle.CALIBRATION, card.NAME)


def check_room(making: Path, entries: list[tuple[zipfile.ZipInfo, Mapping[str, Any]]]) -> None:
    needed = sum(info.file_size for info, _ in entries)
    free = shutil.disk_usage(making).free
    if needed > free:
        raise StorageError(
            f"{making.parent}: the bundle needs {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free.",
            "Free some space, or import into a folder on another disk (--into).",
        )


def extract(
    path: Path,
    archive: zipfile.ZipFile,
    entries: list[tuple[zipfile.ZipInfo, Mapping[str, Any]]],
    making: Path,
    progress: Progress | None,
) -> None:
    total, done = sum(info.file_size for info, _ in entries), 0
    for info, line in entries:
        target = making / info.filename
        with translated_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with archive.open(info) as packed, open(target, "xb") as out:
                while block := packed.read(1 << 20):
                    size += len(block)
                    if size > line["size"]:
                        raise damaged(path, f"{info.filename} is larger than its manifest says")
                    digest.update(block)
                    out.write(block)
                    if progress:
                        progress("unpacking", done + size, total)
                out.flush()
                os.fsync(out.fileno())
        done += size
        if digest.hexdigest() != line["sha256"]:
            raise damaged(path, f"{info.filename} is not the file that was packed (sha256)")


def check_adapter(path: Path, making: Path, manifest: Mapping[str, Any]) -> None:
    """The adapter is what its manifest says, and its configuration holds nothing but LoRA."""
    folder = making / "adapter"
    try:
        raw = adapters.card(folder)
        config = dict(lora.read(folder).config)
        with safetensors.safe_open(str(folder / adapters.WEIGHTS), "numpy") as weights:
            names = list(weights.keys())
    except (LoresmithError, safetensors.SafetensorError) as error:
        raise damaged(path, getattr(error, "problem", str(error))) from error
    if raw["id"] != manifest["adapter"] or not names:
        raise damaged(path, "its adapter is not the one that the manifest names")
    kept = {key: value for key, value in config.items() if key in _CONFIG_KEYS}
    (folder / adapters.CONFIG).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def damaged(path: Path, why: str) -> TrainingError:
    return TrainingError(
        f"{path} is damaged or was altered: {why.rstrip('.')}.", "Nothing was brought in; fetch it again."
    )
