"""What tests of several folders share."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from loresmith.models import download, registry


@pytest.fixture(scope="session")
def model_files() -> Callable[..., list[Path]]:
    """Paths of models by registry name; skips, with the line that fetches it, where one is missing."""

    def paths(*names: str) -> list[Path]:
        rows = [registry.find(name) for name in names]
        for row in rows:
            if not download.present(row):
                pytest.skip(f"{row.name} is not in the cache: loresmith models get {row.name}")
        return [download.path_of(row) for row in rows]

    return paths


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Programs that the tests start can be interrupted, also where the test run itself cannot: a
    shell's background jobs inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
