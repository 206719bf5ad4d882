"""What an export is, and how its files come to lie where they belong. Torch-free."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loresmith.errors import UsageError
from loresmith.workspace import fsync_dir, translated_os_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written. `proof` is None where nothing was computed (peft, bundle)."""

    form: str
    path: Path
    adapter: str
    bytes: int
    proof: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `loresmith export --json` prints."""
        return {
            "adapter": self.adapter,
            "to": self.form,
            "path": str(self.path),
            "bytes": self.bytes,
            "proof": self.proof,
            "notes": list(self.notes),
            **self.extra,
        }


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes `out` when all of it is written, and vanishes otherwise.

    Raises:
        UsageError: `out` is there already.
    """
    refuse_existing(out)
    making = folder_beside(out.parent, out.name)
    try:
        yield making
        with translated_os_errors(out):
            for path in making.rglob("*"):
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            refuse_existing(out)
            os.replace(making, out)
            fsync_dir(out.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def folder_beside(parent: Path, name: str) -> Path:
    """A folder in `parent` to write in until all is there; what killed processes left of it goes."""
    with translated_os_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob(f".{glob.escape(name)}.*.tmp"):
            process = left.name.split(".")[-2]
            if process.isdigit() and not Path(f"/proc/{process}").exists():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        making = parent / f".{name}.{os.getpid()}.tmp"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
    return making


def refuse_existing(out: Path) -> None:
    """
    Raises:
        UsageError: something is there already (an empty folder is nothing).
    """
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UsageError(f"{out} is there already; nothing is overwritten.", "Choose another name.")


def size_of(folder: Path) -> int:
    """Bytes of all files beneath."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
