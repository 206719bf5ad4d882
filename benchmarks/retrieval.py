"""Retrieval quality, by the product's own cutting, embedder, store and search with default settings.

    python benchmarks/retrieval.py [--data ../shared/data] [--only scifact,product-docs,xquad]

Documents are ranked by their best passage. SciFact (BEIR) has published figures to stand beside:
Anserini's BM25 .679 and all-MiniLM-L6-v2 .645 nDCG@10. Nothing is written but to a temporary folder;
`--vectors FOLDER` keeps the embeddings there between runs, since they take most of the time.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from loresmith.config import EmbedderSection, PassagesSection, RetrievalSection
from loresmith.index import Store, open_store
from loresmith.index.analysis import terms
from loresmith.models import load_embedder
from loresmith.passages import cut
from loresmith.retrieval import search
from loresmith.summaries import summarise
from loresmith.types import Block, Document, Embedder, Passage, SearchMode, Vectors

DEPTH = 50
"""Passages asked for, so that ten different documents are among them."""

PART = 1024

REFERENCES = {
    ("scifact", "text"): ".679 Anserini BM25",
    ("scifact", "dense"): ".645 all-MiniLM-L6-v2",
    ("product-docs", "text"): ".702 BM25, recall@5 .726",
}
GOALS = {("scifact", "text"): 0.67, ("scifact", "dense"): 0.64, ("scifact", "hybrid"): 0.70}


@dataclass(frozen=True)
class Question:
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class Collection:
    name: str
    documents: Sequence[Document]
    questions: Mapping[str, Sequence[Question]]
    """By name of the task: one collection may be asked in several languages."""


# --- the data ---------------------------------------------------------------------------------


def document(name: str, title: str, text: str) -> Document:
    """A plain document, one block per paragraph, as the parser makes it of a text file."""
    blocks = tuple(
        Block(kind="paragraph", start=m.start(), end=m.end())
        for m in re.finditer(r"[^\n]+(?:\n(?!\s*\n)[^\n]+)*", text)
        if m.group().strip()
    )
    return Document(
        id=name, source="", uri="", version="", media_type="text/plain", title=title, text=text, blocks=blocks
    )


def scifact(data: Path) -> Iterator[Collection]:
    folder = data / "scifact"
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    relevant: dict[str, set[str]] = {}
    for row in csv.DictReader((folder / "qrels.tsv").open(), delimiter="\t"):
        if int(row["score"]) > 0:
            relevant.setdefault(row["query-id"], set()).add(row["corpus-id"])
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    asked = [Question(q["text"], frozenset(relevant[q["_id"]])) for q in queries if q["_id"] in relevant]
    documents = [document(row["_id"], row["title"], row["text"]) for row in rows]
    yield Collection("scifact", documents, {"scifact": asked})


def product_docs(data: Path) -> Iterator[Collection]:
    folder = data / "product-docs"
    sections = json.loads((folder / "sections.json").read_text())
    asked = [
        Question(q["question"], frozenset(q["correct_chunks"]))
        for q in json.loads((folder / "questions.json").read_text())
    ]
    documents = [document(s["chunk_link"], s["chunk_heading"], s["text"]) for s in sections]
    yield Collection("product-docs", documents, {"product-docs": asked})


def xquad(data: Path) -> Iterator[Collection]:
    parsed = {lang: _squad(data / "xquad" / f"{lang}.json") for lang in ("en", "es", "ro", "zh")}
    english = {f"xquad {lang} → en": asked for lang, (_, asked) in parsed.items()}
    yield Collection("xquad en", parsed["en"][0], english)
    for lang in ("es", "ro", "zh"):
        documents, asked = parsed[lang]
        yield Collection(f"xquad {lang}", documents, {f"xquad {lang} → {lang}": asked})


def _squad(path: Path) -> tuple[list[Document], list[Question]]:
    """The paragraphs are parallel in all languages, so that their numbers are the same."""
    documents, asked = [], []
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            name = str(len(documents))
            documents.append(document(name, "", paragraph["context"].lstrip("\ufeff")))
            asked += [Question(qa["question"], frozenset([name])) for qa in paragraph["qas"]]
    return documents, asked


COLLECTIONS = {"scifact": scifact, "product-docs": product_docs, "xquad": xquad}


# --- the pipeline -----------------------------------------------------------------------------


class KeptVectors:
    """The embedder, with what it gave before read from a folder."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder, self._folder = embedder, folder
        self.dimension, self.fingerprint = embedder.dimension, embedder.fingerprint
        self.count_tokens, self.max_tokens, self.name = (
            embedder.count_tokens,
            embedder.max_tokens,
            embedder.name,
        )
        self.close = embedder.close
        self._queries: dict[str, Vectors] = {}

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._kept("passages", texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack(
            [self._queries[t] if t in self._queries else self._embedder.embed_queries([t])[0] for t in texts]
        )

    def prepare(self, texts: Sequence[str]) -> None:
        self._queries |= dict(zip(texts, self._kept("queries", texts), strict=True))

    def _kept(self, kind: str, texts: Sequence[str]) -> Vectors:
        """In parts, so that a run that was stopped goes on where it was."""
        parts = [self._part(kind, texts[i : i + PART]) for i in range(0, len(texts), PART)]
        return np.concatenate(parts)

    def _part(self, kind: str, texts: Sequence[str]) -> Vectors:
        digest = hashlib.sha256("\0".join([kind, self.fingerprint, *texts]).encode()).hexdigest()[:16]
        path = self._folder / f"{digest}.npy"
        if path.exists():
            return np.asarray(np.load(path), np.float32)
        embed = self._embedder.embed_passages if kind == "passages" else self._embedder.embed_queries
        vectors = embed(texts)
        self._folder.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
        return vectors


@contextmanager
def indexed(collection: Collection, embedder: Embedder) -> Iterator[tuple[Store, list[Passage]]]:
    tokens = PassagesSection().tokens
    passages: list[Passage] = []
    for each in collection.documents:
        passages += summarise(each, cut(each, embedder.count_tokens, max_tokens=tokens))[1]
    vectors = embedder.embed_passages([p.indexed_text() for p in passages])
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "index", dimension=embedder.dimension, metric="cosine", create=True)
        analysed = [terms(p.indexed_text(), p.language) for p in passages]
        store.replace([d.id for d in collection.documents], passages, vectors, analysed)
        store.optimize()
        try:
            yield store, passages
        finally:
            store.close()


def ranked(
    store: Store,
    embedder: Embedder,
    query: str,
    mode: SearchMode,
    languages: Sequence[str],
    settings: RetrievalSection,
) -> list[str]:
    """Documents by their best passage."""
    hits = search(store, embedder, query, k=DEPTH, mode=mode, languages=languages, settings=settings)
    return list(dict.fromkeys(hit.passage.document for hit in hits))


def ndcg(found: Sequence[str], relevant: frozenset[str], k: int = 10) -> float:
    """Binary relevance, as trec_eval computes it."""
    gain = sum(1 / math.log2(rank + 1) for rank, name in enumerate(found[:k], 1) if name in relevant)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))


def recall(found: Sequence[str], relevant: frozenset[str], k: int) -> float:
    return len(set(found[:k]) & relevant) / len(relevant)


def measure(
    collection: Collection, embedder: Embedder, settings: RetrievalSection, every: int
) -> Iterator[tuple[str, ...]]:
    """Rows of the table: task, mode, nDCG@10, recall@5, time, reference, goal."""
    started = time.perf_counter()
    with indexed(collection, embedder) as (store, passages):
        counted = Counter(p.language for p in passages)
        languages = [language for language, _ in counted.most_common()]
        print(
            f"{collection.name}: {len(collection.documents)} documents, {len(passages)} passages"
            f" ({dict(counted)}), indexed in {time.perf_counter() - started:.0f} s",
            file=sys.stderr,
        )
        for task, asked in collection.questions.items():
            questions = asked[::every]
            if isinstance(embedder, KeptVectors):
                embedder.prepare([q.text for q in questions])
            for mode in get_args(SearchMode):
                begun = time.perf_counter()
                found = [ranked(store, embedder, q.text, mode, languages, settings) for q in questions]
                spent = (time.perf_counter() - begun) / len(questions)
                pairs = list(zip(found, questions, strict=True))
                quality = float(np.mean([ndcg(names, q.relevant) for names, q in pairs]))
                complete = float(np.mean([recall(names, q.relevant, 5) for names, q in pairs]))
                goal = GOALS.get((task, mode))
                verdict = "" if goal is None else f">= {goal:.2f} {'met' if quality >= goal else 'MISSED'}"
                reference = REFERENCES.get((task, mode), "")
                yield (
                    task,
                    mode,
                    f"{quality:.3f}",
                    f"{complete:.3f}",
                    f"{spent * 1000:.1f}",
                    reference,
                    verdict,
                )


def main() -> None:
    arguments = parse()
    settings = RetrievalSection.model_validate(dict(arguments.set))
    embedder: Embedder = load_embedder(EmbedderSection(name=arguments.embedder))
    if arguments.vectors:
        embedder = KeptVectors(embedder, arguments.vectors)
    table = Table("task", "mode", "nDCG@10", "recall@5", "ms/query", "reference", "goal")
    for name in arguments.only.split(","):
        for collection in COLLECTIONS[name](arguments.data):
            for row in measure(collection, embedder, settings, arguments.every):
                table.add_row(*row)
    Console(width=120).print(table)
    embedder.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--only", default=",".join(COLLECTIONS))
    parser.add_argument("--embedder", default=EmbedderSection().name)
    parser.add_argument("--every", type=int, default=1, help="ask only every n-th question")
    parser.add_argument("--vectors", type=Path, help="keep embeddings in this folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=lambda s: tuple(s.split("=", 1)),
        help="a retrieval setting, as fusion=rrf",
    )
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: no such folder; give the evaluation data with --data")
    return arguments


if __name__ == "__main__":
    main()
