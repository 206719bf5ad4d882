"""The templates of wordings.py: one file a language, languages/*.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt", "zh")


@dataclass(frozen=True, slots=True)
class Everyday:
    attribute: re.Pattern[str]
    value: str
    ask: tuple[str, ...]
    bare: bool


@cache
def templates(language: str) -> dict[str, Any]:
    """The templates of a language; those of English where there are none of its own."""
    name = language if language in LANGUAGES else "en"
    text = resources.files("loresmith.dataset").joinpath(f"languages/{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def everyday(language: str) -> tuple[Everyday, ...]:
    return tuple(
        Everyday(re.compile(c["attribute"], re.I), c.get("value", ""), tuple(c["ask"]), c.get("bare", False))
        for c in templates(language).get("class", ())
    )


@cache
def absent_attributes(language: str) -> list[tuple[str, str, str]]:
    """(attribute, a value of its kind, "") that people ask for and documents often do not tell."""
    pairs = templates(language).get("unanswerable", {}).get("attributes", ())
    return [(*(p.split("|")[:2]), "") for p in pairs] if language in LANGUAGES else []
