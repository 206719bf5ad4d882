"""Loresmith: a small language model becomes an expert for one industry.

    from loresmith import Workspace
    Workspace.open("plant").ask("Which torque for the M8 flange bolts of the P-200?")

Names are loaded on first use, so that `import loresmith` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Workspace": "loresmith.expert",
    "Expert": "loresmith.expert",
    "Answer": "loresmith.types",
    "Document": "loresmith.types",
    "Filter": "loresmith.types",
    "Hit": "loresmith.types",
    "Passage": "loresmith.types",
    "LoresmithError": "loresmith.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'loresmith' has no attribute {name!r}")
