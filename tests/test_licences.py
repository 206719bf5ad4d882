"""No licence in the run-time closure forbids what Apache-2.0 allows (FACTS: Kreuzberg's moved twice)."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement

FORBIDDEN = re.compile(
    r"AGPL|Affero|SSPL|Server Side Public|Elastic License|Elastic-2|BUSL|Business Source|"
    r"Commons Clause|Non-?Commercial|CC-BY-NC",
    re.IGNORECASE,
)


def closure(root: str) -> set[str]:
    """Names of every distribution that `root` brings, without extras it does not ask for."""
    found: set[str] = set()
    waiting = [(root, frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found and not extras:
            continue
        found.add(key)
        for line in metadata.requires(name) or ():
            need = Requirement(line)
            wanted = need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in (*extras, "")
            )
            if wanted and re.sub(r"[-_.]+", "-", need.name).lower() not in found:
                waiting.append((need.name, frozenset(need.extras)))
    return found


def licence_texts(name: str) -> str:
    """What the distribution says about its licence: fields, classifiers, the heads of its files."""
    distribution = metadata.distribution(name)
    said = distribution.metadata
    parts = [
        said.get("License-Expression") or "",
        (said.get("License") or "")[:300],
        *(c for c in said.get_all("Classifier") or () if c.startswith("License")),
    ]
    for file in distribution.files or ():
        if "dist-info" in str(file) and re.search(r"licen[sc]e|copying", file.name, re.IGNORECASE):
            # The title stands at the top; further down bundled parts are listed.
            parts.append(file.locate().read_text(encoding="utf-8", errors="replace")[:300])
    return "\n".join(part for part in parts if part)


@pytest.mark.parametrize("name", sorted(closure("loresmith") - {"loresmith"}))
def test_the_licence_is_known_and_permits_our_use(name):
    text = licence_texts(name)
    assert text, f"{name} says nothing about its licence"
    assert not FORBIDDEN.search(text), f"{name}: {FORBIDDEN.search(text)}"


def test_kreuzberg_is_the_pinned_mit_release():
    assert metadata.version("kreuzberg") == "4.10.4"
    assert "MIT" in licence_texts("kreuzberg")
