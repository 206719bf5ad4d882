"""Which weights these are: one short name for the files of a model, wherever they lie.

An adapter fits the very weights it was trained on; its card keeps their fingerprint. Promises: the
same files have the same fingerprint under every name and in every folder; it is quick also for a
file of many gigabytes, since only blocks spread evenly over it are read (any other training or
quantisation changes weights everywhere; a hand that alters one block is not what this guards
against). Imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from loresmith.errors import ModelError
from loresmith.models import download, registry

_BLOCKS, _BLOCK = 256, 16_384


def fingerprint(path: Path) -> str:
    """16 hex digits for a GGUF file, or for the safetensors of a folder.

    Raises:
        ModelError: there is no such file, or the folder holds no safetensors.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise ModelError(f"{path}: there are no weights.", "Name a GGUF file or a folder with safetensors.")
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{size};".encode())
        with file.open("rb") as content:
            # The head holds names and shapes; the blocks overlap where the file is small.
            for number in range(_BLOCKS):
                content.seek(number * max(0, size - _BLOCK) // (_BLOCKS - 1))
                digest.update(content.read(_BLOCK))
                if size <= _BLOCK:
                    break
    return digest.hexdigest()[:16]


def place(name: str) -> Path | None:
    """Where the weights of a model lie: registry name, GGUF file, folder or hub id; None where they
    are not on this machine."""
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" or path.exists():
        return path if path.exists() else None
    if registry.looks_like_place(name):
        return download.hub_snapshot(name)
    row = registry.find(name, "language")
    return download.path_of(row) if download.present(row) else None
