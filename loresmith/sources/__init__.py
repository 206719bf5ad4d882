"""Where documents come from: folders, single files, web pages, databases. `scan` names what is there.

Nothing is parsed here: a `SourceItem` says where the bytes are and how to see cheaply that they
did not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loresmith import addresses
from loresmith.config import WebSection
from loresmith.errors import SourceError
from loresmith.sources.files import ids_of, name_of, scan_path
from loresmith.types import Failure, SourceItem, SourceSpec
from loresmith.workspace import is_url

__all__ = ["prefixes", "scan", "sweep"]


def scan(
    spec: SourceSpec, *, prefix: str, web: WebSection, web_dir: Path, mirrors_dir: Path | None = None
) -> Iterator[SourceItem | Failure]:
    """The items of a source, sorted; what is there and cannot be listed comes as a Failure.

    Args:
        prefix: put before every document id (see `prefixes`).
        web_dir: where copies of web pages are kept.  mirrors_dir: of the tables of databases.

    Raises:
        SourceError: the source itself is missing or of an unknown kind.
    """
    if not is_url(spec.uri):
        yield from scan_path(spec, prefix)
        return
    scheme = spec.uri.split(":", 1)[0].lower()
    if scheme in ("http", "https"):
        from loresmith.sources.web import scan_url

        yield from scan_url(spec, prefix, web, web_dir)
        return
    if addresses.kind_of(spec.uri) is not None and mirrors_dir is not None:
        from loresmith.sources.sql import scan_database

        yield from scan_database(spec, prefix, mirrors_dir)
        return
    raise SourceError(
        f"{addresses.masked(spec.uri)}: sources of the kind {scheme}:// are not read.",
        "Use a folder, a file, an http(s) address, or postgresql://, mysql:// or sqlite:///.",
    )


def sweep(specs: Sequence[SourceSpec], mirrors_dir: Path) -> None:
    """Remove what was kept of sources that are not on the list any more."""
    if mirrors_dir.is_dir():
        from loresmith.sources.sql import sweep_mirrors

        sweep_mirrors(specs, mirrors_dir)


def prefixes(specs: Sequence[SourceSpec]) -> dict[str, str]:
    """`spec.uri` -> what stands before its document ids.

    Ids are relative to their source, so two sources may hold the same one. Then the later source of
    the list gets "<its name>/" (or "<its name>-2/", …); sources that meet no earlier one get "".
    """
    given: dict[str, str] = {}
    taken: set[str] = set()
    for spec in specs:
        if spec.uri in given:
            continue
        ids = set(ids_of(spec.uri))
        name = addresses.host_of(spec.uri) if addresses.kind_of(spec.uri) else name_of(spec.uri)
        prefix, number = "", 1
        while not taken.isdisjoint(prefix + own for own in ids):
            prefix = f"{name}/" if number == 1 else f"{name}-{number}/"
            number += 1
        given[spec.uri] = prefix
        taken.update(prefix + own for own in ids)
    return given
