"""How fast ways of running all-MiniLM-L6-v2 on this CPU are, and how near to sentence-transformers.

    python benchmarks/embedders.py [--texts 400] [--rounds 3] [--torch-python PYTHON]

Texts are abstracts of SciFact (../shared/data/scifact), whole and cut to one sentence. Each way runs in
a process of its own, all in turn, several rounds; the best round counts, so that a busy machine hurts
less, and CPU-seconds stand beside wall time. `--torch-python` names an interpreter in which
sentence-transformers is installed (default: this one); without it that row is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LORESMITH_SHARED_DATA", ROOT.parent / "shared/data")) / "scifact/corpus.jsonl"
WAYS = {
    "loresmith": "Loresmith, as shipped",
    "fp32": "Loresmith's graph in 32 bits",
    "torch": "sentence-transformers, fp32",
    "torch-bf16": "sentence-transformers, bf16",
}


def texts(count: int) -> list[str]:
    """Abstracts and first sentences in turn: long and short ones mixed, as documents have them."""
    if not DATA.exists():
        sys.exit(f"{DATA} is missing: set LORESMITH_SHARED_DATA to the folder of the data sets.")
    with open(DATA, encoding="utf-8") as lines:
        documents = [json.loads(line) for line, _ in zip(lines, range(count), strict=False)]
    return [d["text"] if n % 2 else d["text"].partition(". ")[0] for n, d in enumerate(documents)]


def loaded(way: str, folder: Path) -> Callable[[Sequence[str]], np.ndarray]:
    """The embedding function of one way, imported only in the process that measures it."""
    if way.startswith("torch"):
        from sentence_transformers import SentenceTransformer

        options = {"torch_dtype": "bfloat16"} if way == "torch-bf16" else {}
        model = SentenceTransformer(str(folder), device="cpu", model_kwargs=options)
        return lambda batch: model.encode(list(batch), normalize_embeddings=True, convert_to_numpy=True)
    sys.path.insert(0, str(ROOT))
    from loresmith.config import EmbedderSection
    from loresmith.models import embedders

    if way == "fp32":
        embedders._multiplies_bytes = lambda: False
    embedder = embedders.load(EmbedderSection(name=str(folder)))
    return embedder.embed_passages


def work(way: str, folder: Path, count: int, target: Path) -> None:
    embed = loaded(way, folder)
    batch = texts(count)
    embed(batch[:16])
    start, used = time.perf_counter(), cpu_seconds()
    vectors = embed(batch)
    spent = {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - used}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.save(target, np.asarray(vectors, np.float32))
    print(json.dumps(spent | {"memory_mb": memory}))


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        way, folder, target = args.work
        return work(way, Path(folder), args.texts, Path(target))

    sys.path.insert(0, str(ROOT))
    from loresmith.models import download, registry

    folder = download.ensure(registry.find("all-MiniLM-L6-v2"))
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for _ in range(args.rounds):
            for way in WAYS:
                python = args.torch_python if way.startswith("torch") else sys.executable
                target = Path(temporary) / f"{way}.npy"
                command = [
                    python,
                    __file__,
                    "--texts",
                    str(args.texts),
                    "--work",
                    way,
                    str(folder),
                    str(target),
                ]
                quiet = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
                if done.returncode:
                    print(f"{WAYS[way]}: left out ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
                    continue
                found = json.loads(done.stdout.splitlines()[-1])
                known = best.setdefault(way, found)
                best[way] = {key: min(value, found[key]) for key, value in known.items()}
        vectors = {way: np.load(Path(temporary) / f"{way}.npy") for way in best}
    reference = vectors.get("torch", vectors["fp32"])
    print("| way | texts/s | CPU-s per 1,000 texts | memory MB | cosine mean | least |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way, found in best.items():
        unit = vectors[way] / np.linalg.norm(vectors[way], axis=1, keepdims=True)
        cosine = (unit * reference).sum(axis=1)
        print(
            f"| {WAYS[way]} | {args.texts / found['seconds']:.1f} | {1000 * found['cpu'] / args.texts:.1f} "
            f"| {found['memory_mb']:.0f} | {cosine.mean():.5f} | {cosine.min():.5f} |"
        )
    return None


if __name__ == "__main__":
    main()
