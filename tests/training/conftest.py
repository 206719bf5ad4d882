"""Tiny models that several tests of training share; each is made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Threads that spin while they wait take the cores from the tests beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def phi3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from training.tiny import tiny_phi3

    return tiny_phi3(tmp_path_factory.mktemp("tiny") / "phi3")


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from training.tiny import tiny_llama

    return tiny_llama(tmp_path_factory.mktemp("tiny") / "llama")
