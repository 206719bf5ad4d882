"""Kill `sync` with -9 at random moments, while files change, and count what is lost or doubled.

    python benchmarks/faults.py [--kills 50] [--documents 60] [--seed 1]

Every round changes, adds and deletes some files, starts a sync and kills it at a random moment;
every tenth round the embedder changes too, so that a new generation is being built. After each
kill: `verify` must be clean, every document that state.db acknowledges must be in the index once,
whole, in one version; at the end one sync must finish the work. Exit status 1 if anything does
not hold. The embedder is the tests' stand-in, slowed down, so that the kills fall everywhere.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from helpers import HashEmbedder, acknowledged, texts_of  # noqa: E402

from loresmith import workspace as folders  # noqa: E402
from loresmith.state import State, journal  # noqa: E402
from loresmith.sync import sync  # noqa: E402
from loresmith.verify import verify  # noqa: E402
from loresmith.workspace import WorkspaceDir  # noqa: E402

PARTS = 6


def write(folder: Path, number: int, version: int) -> None:
    (folder / f"part{number}.md").write_text(
        "".join(
            f"# Part {n}\n\nPart {n} of {number}, version {version}, takes {n} Nm.\n\n" for n in range(PARTS)
        )
    )


def change(folder: Path, chance: random.Random, documents: int, version: int) -> None:
    for number in chance.sample(range(documents), max(1, documents // 4)):
        path = folder / f"part{number}.md"
        if path.exists() and chance.random() < 0.3:
            path.unlink()
        else:
            write(folder, number, version)


def start(plant: WorkspaceDir, embedder: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(TESTS / "syncing.py"), str(plant.root), embedder, "32", "0.005"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def moment(plant: WorkspaceDir) -> str:
    """Where the kill fell, for the table."""
    if not plant.state_path.exists():
        return "before state.db"
    with State.open(plant.state_path) as state:
        if journal.pending(state):
            return "between stage and finish"
        if any(g.unsettled for g in state.generations()):
            return "while optimising"
        if any(g.status == "building" for g in state.generations()):
            return "while building a generation"
    return "elsewhere"


def faults_of(plant: WorkspaceDir) -> list[str]:
    report = verify(plant)
    found = [f"verify: {p.kind}: {p.where}" for p in report.problems]
    kept = acknowledged(plant)
    for document, passages in kept.items():
        text = "\n".join(passages)
        versions = {
            line.split("version ")[1].split(",")[0] for line in text.splitlines() if "version " in line
        }
        if len(versions) != 1:
            found.append(f"{document}: of versions {sorted(versions)}")
        if text.count("version ") != PARTS:
            found.append(f"{document}: {text.count('version ')} of {PARTS} parts")
    if kept and len(texts_of(plant)) != sum(map(len, kept.values())):
        found.append("passages of no acknowledged document")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    wishes = parser.parse_args()
    chance = random.Random(wishes.seed)
    wrong: list[str] = []
    moments: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="loresmith-faults-") as root:
        docs = Path(root) / "docs"
        docs.mkdir()
        for number in range(wishes.documents):
            write(docs, number, 0)
        plant = folders.create(Path(root) / "plant", {"parsing.workers": 1})
        plant = folders.add_sources(plant, [str(docs)])
        embedder, killed, longest = "one", 0, 4.0
        while killed < wishes.kills:
            process = start(plant, embedder)
            began = time.monotonic()
            try:
                _, errors = process.communicate(timeout=chance.uniform(0.0, longest))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
                moments[moment(plant)] += 1
                found = faults_of(plant)
                wrong += [f"kill {killed}: {line}" for line in found]
                print(
                    f"kill {killed:3} after {time.monotonic() - began:4.1f} s: {found or 'sound'}", flush=True
                )
            else:
                # It was quicker than the kill: aim earlier, and give it new work.
                longest = max(1.0, (time.monotonic() - began) * 1.1)
                if process.returncode:
                    wrong.append(errors.decode(errors="replace"))
                    break
                change(docs, chance, wishes.documents, killed)
            if killed % 2:
                change(docs, chance, wishes.documents, killed)
            if killed and killed % 10 == 0:
                embedder = "two" if embedder == "one" else "one"
        final = sync(plant, HashEmbedder(32, embedder))
        wrong += [f"after the last sync: {line}" for line in faults_of(plant)]
        files = {p.name: p.read_text() for p in docs.iterdir()}
        kept = acknowledged(plant)
        if kept.keys() != files.keys():
            wrong.append(f"documents differ from the files: {sorted(kept.keys() ^ files.keys())}")
        for document, text in files.items():
            lines = [line for line in text.splitlines() if "version" in line]
            if [s for p in kept.get(document, ()) for s in p.splitlines() if "version" in s] != lines:
                wrong.append(f"{document}: not as the file is now")
    print(f"\n{killed} kills: " + ", ".join(f"{n} {where}" for where, n in moments.most_common()))
    print(f"after the last sync: {len(kept)} documents, {final.passages} passages; {len(wrong)} faults")
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
