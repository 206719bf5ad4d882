"""doctor: what is installed, what is missing, and the line that brings it.

Looks only; loads no model and asks nothing of the network unless `--network` is given.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from loresmith import __version__
from loresmith.commands.common import DONE, FAILED, Call, command

OPTIONAL = {
    "torch": "transformers",
    "transformers": "transformers",
    "accelerate": "transformers",
    "sentence-transformers": "transformers",
    "kreuzberg": "rtf",
}
"""Package -> the extra of this distribution that brings it."""

HOSTS = ("https://pypi.org/simple/pip/", "https://huggingface.co/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination. `remedy` is what to type where `state` is not "ok"."""

    subject: str
    state: Literal["ok", "missing", "optional"]
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    command(app, in_workspace=False)(doctor)


def doctor(
    call: Call,
    network: Annotated[
        bool, typer.Option("--network", help="Also try the package index and the hub.")
    ] = False,
) -> int:
    """Say what is installed, what is missing and how to get it."""
    findings = [*interpreter(), *packages(), *text_recognition(), *models(), *machine()]
    if network:
        findings += list(reach())
    ok = all(finding.state != "missing" for finding in findings)
    if call.json:
        call.emit({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    marks = {"ok": "✓", "missing": "✗", "optional": "–"}
    for finding in findings:
        call.say(f"{marks[finding.state]} {finding.subject:<22} {finding.found}")
        if finding.remedy:
            call.say(f"  {'':<22} → {finding.remedy}")
    call.say("Everything needed is here." if ok else "Something needed is missing: see the lines with ✗.")
    return DONE if ok else FAILED


def interpreter() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Finding("loresmith", "ok", __version__)


def packages() -> Iterator[Finding]:
    for name in runtime_packages():
        yield _package(name, "missing", "pip install --upgrade loresmith")
    for name, extra in OPTIONAL.items():
        yield _package(name, "optional", f'pip install "loresmith[{extra}]"')


def _package(name: str, otherwise: Literal["missing", "optional"], remedy: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, otherwise, "not installed", remedy)


def runtime_packages() -> list[str]:
    """Names of what this distribution declares as needed, without its extras."""
    try:
        required = metadata.requires("loresmith") or []
    except metadata.PackageNotFoundError:
        return []
    names = (line.split(";")[0] for line in required if "extra ==" not in line)
    return sorted("".join(c if c.isalnum() or c in "-_." else " " for c in n).split()[0] for n in names)


def text_recognition() -> Iterator[Finding]:
    """Text recognition for scans: the parser brings the engine, Debian the language data."""
    from loresmith.parsing.ocr import tessdata_folder

    folder = tessdata_folder()
    if folder is None:
        yield Finding(
            "tessdata",
            "optional",
            "not found: scanned pages and images are reported as unreadable",
            "apt-get install tesseract-ocr tesseract-ocr-deu   (one package a language)",
        )
        return
    languages = sorted(p.stem for p in folder.glob("*.traineddata") if p.stem != "osd")
    yield Finding("tessdata", "ok", f"{folder}: {', '.join(languages)}")


def models() -> Iterator[Finding]:
    from loresmith.models import download, registry

    for row in registry.ROWS:
        if download.present(row):
            yield Finding(f"model {row.name}", "ok", str(download.path_of(row)))
        else:
            yield Finding(
                f"model {row.name}", "optional", "not in the cache", f"loresmith models get {row.name}"
            )


def machine() -> Iterator[Finding]:
    yield Finding("cores", "ok", str(len(os.sched_getaffinity(0))))
    yield Finding("memory", "ok", _memory())
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding("disk free here", "ok", f"{free / 2**30:.1f} GiB")
    yield Finding("gpu", "ok", _gpu())


def _memory() -> str:
    values = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, rest = line.partition(":")
        values[key] = int(rest.split()[0]) / 2**20
    return f"{values['MemTotal']:.1f} GiB, {values['MemAvailable']:.1f} GiB free"


def _gpu() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none (not needed)"
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (subprocess.SubprocessError, OSError) as error:
        return f"nvidia-smi fails: {error}"
    return "; ".join(listed.strip().splitlines()) or "none (not needed)"


def reach() -> Iterator[Finding]:
    import httpx

    for address in HOSTS:
        try:
            status = httpx.head(address, timeout=5, follow_redirects=True).status_code
        except httpx.HTTPError as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield Finding(address, "optional", f"cannot be reached: {reason}")
        else:
            yield Finding(address, "ok", f"answers {status}")
