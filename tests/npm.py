"""A package of npm, unpacked into a folder of modules: where there is no npm, as on most machines of CI.

python -m tests.npm openai 6.49.0 FOLDER
"""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

REGISTRY = "https://registry.npmjs.org"


def unpack(name: str, version: str, folder: Path) -> None:
    """Put `name` into `folder`, in place of another version.

    Raises:
        OSError: it cannot be fetched.
    """
    with urllib.request.urlopen(f"{REGISTRY}/{name}/-/{name}-{version}.tgz", timeout=60) as answer:
        packed = io.BytesIO(answer.read())
    with tempfile.TemporaryDirectory(dir=folder) as made, tarfile.open(fileobj=packed) as archive:
        archive.extractall(made, filter="data")
        shutil.rmtree(folder / name, ignore_errors=True)
        (Path(made) / "package").rename(folder / name)


if __name__ == "__main__":
    try:
        unpack(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except (OSError, tarfile.TarError) as error:
        sys.exit(f"{sys.argv[1]} {sys.argv[2]} could not be had: {error}")
