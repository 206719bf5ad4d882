"""How long a search takes, and how that grows with the number of passages.

    python benchmarks/query.py [--sizes 1000,10000,100000] [--queries 200]

The passages are synthetic: words by Zipf's law, vectors of 384 numbers in clusters (so that neighbours
exist to be found). A query takes words of one passage and a vector near that passage's own. Times are
of `retrieval.search` with default settings on the product's store, one after the other; the embedding of
the query is measured apart, with the packaged embedder. Recall is against the exact nearest
neighbours. Everything is written to a temporary folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from loresmith.config import EmbedderSection
from loresmith.index import Store, open_store
from loresmith.models import load_embedder
from loresmith.retrieval import search
from loresmith.types import Filter, Locator, Passage, SearchMode, Vectors

DIMENSION = 384
VOCABULARY = 50_000
BATCH = 5_000


class Given:
    """An embedder that has one answer, so that only the search is timed."""

    name = fingerprint = "given"
    dimension = DIMENSION
    max_tokens = 256

    def __init__(self) -> None:
        self.vector = np.zeros(DIMENSION, np.float32)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.vector] * len(texts))

    embed_queries = embed_passages

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        pass


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def near(vectors: Vectors, random: np.random.Generator) -> Vectors:
    """Points about 0.7 cosine from `vectors`, as passages on one subject are."""
    noise = random.standard_normal(vectors.shape).astype(np.float32) / np.sqrt(DIMENSION)
    return unit(vectors + noise)


def build(store: Store, size: int, random: np.random.Generator) -> tuple[list[str], Vectors]:
    """Fill the store; the texts and vectors that stand in it."""
    centres = unit(random.standard_normal((max(10, size // 50), DIMENSION)).astype(np.float32))
    frequencies = 1 / np.arange(1, VOCABULARY + 1)
    texts: list[str] = []
    parts: list[Vectors] = []
    for start in range(0, size, BATCH):
        count = min(BATCH, size - start)
        drawn = random.choice(VOCABULARY, (count, 150), p=frequencies / frequencies.sum())
        batch = [" ".join(f"w{word}" for word in row) for row in drawn]
        vectors = near(centres[random.integers(len(centres), size=count)], random)
        passages = [
            Passage(
                id=f"{start + n:08}",
                document=f"d{(start + n) // 10}",
                ordinal=n % 10,
                text=text,
                locator=Locator(start=0, end=len(text), page=1),
                title=f"Document {(start + n) // 10}",
                labels=("rare",) if (start + n) % 100 < 10 else (),
                tokens=200,
            )
            for n, text in enumerate(batch)
        ]
        store.replace(sorted({p.document for p in passages}), passages, vectors, batch)
        texts += batch
        parts.append(vectors)
    store.optimize()
    return texts, np.concatenate(parts)


def timed(call: Callable[[int], object], times: int) -> tuple[float, float]:
    """50th and 95th percentile in milliseconds, after a few calls that do not count."""
    for n in range(min(5, times)):
        call(n)
    spent = []
    for n in range(times):
        begun = time.perf_counter()
        call(n)
        spent.append((time.perf_counter() - begun) * 1000)
    return float(np.percentile(spent, 50)), float(np.percentile(spent, 95))


def measure(size: int, queries: int, table: Table) -> None:
    random = np.random.default_rng(size)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "index", dimension=DIMENSION, metric="cosine", create=True)
        begun = time.perf_counter()
        texts, vectors = build(store, size, random)
        built = time.perf_counter() - begun
        chosen = random.integers(size, size=queries)
        asked = near(vectors[chosen], random)
        words = [" ".join(dict.fromkeys(texts[c].split()[20:60]))[:60].rsplit(" ", 1)[0] for c in chosen]
        embedder = Given()

        def run(mode: SearchMode, where: Filter) -> Callable[[int], object]:
            def one(n: int) -> object:
                embedder.vector = asked[n]
                return search(store, embedder, words[n], mode=mode, where=where, languages=("xx",))

            return one

        found = [[p.id for p, _ in store.search_dense(asked[n], 10, Filter())] for n in range(queries)]
        exact = [np.argsort(-(vectors @ asked[n]))[:10] for n in range(queries)]
        hits = sum(len({int(i) for i in f} & set(e.tolist())) for f, e in zip(found, exact, strict=True))
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        for mode in get_args(SearchMode):
            p50, p95 = timed(run(mode, Filter()), queries)
            table.add_row(f"{size:,}", mode, f"{p50:.1f}", f"{p95:.1f}", "", "")
        p50, p95 = timed(run("hybrid", Filter(access=(), labels=())), queries)
        table.add_row(f"{size:,}", "hybrid, by access", f"{p50:.1f}", f"{p95:.1f}", "", "")
        p50, p95 = timed(run("hybrid", Filter(labels=("rare",))), queries)
        recall = f"{hits / (10 * queries):.3f}"
        made = f"{size / built:,.0f} rows/s, {disk / 1e6:.0f} MB"
        table.add_row(f"{size:,}", "hybrid, a tenth", f"{p50:.1f}", f"{p95:.1f}", recall, made)
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    table = Table("passages", "search", "p50 ms", "p95 ms", "dense recall@10", "index")
    for size in arguments.sizes.split(","):
        measure(int(size), arguments.queries, table)
    embedder = load_embedder(EmbedderSection())
    question = "Which torque do the flange bolts of the P-{} pump take?"
    p50, p95 = timed(lambda n: embedder.embed_queries([question.format(n)]), arguments.queries)
    embedder.close()
    table.add_row("", "embedding the query", f"{p50:.1f}", f"{p95:.1f}", "", "")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
