"""Fits and checks the score of abstention: answerable or not, from question and passages alone.

    python benchmarks/abstention.py [--write] [--questions N]

Sets: xquad (English, and Spanish and Romanian against English), product-docs, and the dev half of
examples/. Each question counts twice: with what retrieval finds, and with the gold paragraph or
document taken away (its neighbours stay: hard negatives). The test half of examples/ is never used.
Writes loresmith/answering/weights.json with --write.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from loresmith.answering.abstain import FOREIGN
from loresmith.config import EmbedderSection, RetrievalSection
from loresmith.evaluation import calibration
from loresmith.evaluation.calibration import Row
from loresmith.expert import Workspace
from loresmith.index import open_store
from loresmith.index.analysis import terms
from loresmith.models import load_embedder
from loresmith.passages import cut
from loresmith.retrieval import search
from loresmith.types import Block, Document, Embedder, Hit

HERE = Path(__file__).resolve().parent.parent
SHARED = HERE.parent / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    parser.add_argument("--questions", type=int, default=250, help="at most so many of each set")
    options = parser.parse_args()
    embedder = load_embedder(EmbedderSection())
    random.seed(0)  # the same questions every time
    sets: dict[str, list[Row]] = {}
    for documents, asked in (xquad(), product_docs()):
        few = {n: random.sample(q, min(options.questions, len(q))) for n, q in asked.items()}
        sets |= rows(documents, few, embedder)
    sets["examples dev"] = examples()
    found = {}
    for key, foreign in (("", False), (FOREIGN, True)):
        kept = {n: [r for r in rows if r.foreign is foreign] for n, rows in sets.items()}
        kept = {n: rows for n, rows in kept.items() if len(rows) >= 30}
        found[key] = report(foreign, kept)
    print(json.dumps(found))
    if options.write:
        path = HERE / "loresmith" / "answering" / "weights.json"
        known = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(known | found, indent=1) + "\n", encoding="utf-8")


def report(foreign: bool, sets: dict[str, list[Row]]) -> dict[str, Any]:
    """Fit to all sets, print how good it is on each, and on each when it is left out of the fit."""
    print(
        "question in another language than the passages" if foreign else "question in the passages' language"
    )
    fitted, _ = calibration.fit(balanced(sets))
    for name, rows in sets.items():
        lines = {name: calibration.quality(fitted, rows)}
        others = balanced({n: r for n, r in sets.items() if n != name})
        if others:
            lines[f"{name}, left out of the fit"] = calibration.quality(calibration.fit(others)[0], rows)
        for label, figures in lines.items():
            print(f"  {label:36}", *(f"{key} {value:.3f}" for key, value in figures.items()))
    return {"weights": dict(fitted.weights), "bias": fitted.bias, "threshold": fitted.threshold}


def balanced(sets: dict[str, list[Row]]) -> list[Row]:
    """Sets count about alike, whatever their size, so that the largest does not decide."""
    most = 2 * min((len(r) for r in sets.values()), default=0)
    return [row for r in sets.values() for row in random.sample(r, min(len(r), most))]


Questions = dict[str, list[tuple[str, set[str]]]]
"""Set name to (question, documents that answer it)."""


def xquad() -> tuple[list[Document], Questions]:
    """English paragraphs asked in English, Spanish, Romanian."""
    english: list[Document] = []
    questions: Questions = {}
    if not (SHARED / "xquad").is_dir():
        return english, questions
    for language in ("en", "es", "ro"):
        raw = json.loads((SHARED / "xquad" / f"{language}.json").read_text(encoding="utf-8"))
        asked = questions.setdefault(f"xquad {language}", [])
        for a, article in enumerate(raw["data"]):
            for p, paragraph in enumerate(article["paragraphs"]):
                name = f"a{a}p{p}"
                if language == "en":
                    english.append(document(name, article.get("title", ""), paragraph["context"]))
                asked += [(q["question"], {name}) for q in paragraph["qas"]]
    return english, questions


def product_docs() -> tuple[list[Document], Questions]:
    folder = SHARED / "product-docs"
    if not folder.is_dir():
        return [], {}
    sections = json.loads((folder / "sections.json").read_text(encoding="utf-8"))
    questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    documents = [
        document(s["chunk_link"], s["chunk_heading"], s["text"]) for s in sections if s["text"].strip()
    ]
    return documents, {"product-docs": [(q["question"], set(q["correct_chunks"])) for q in questions]}


def document(name: str, title: str, text: str) -> Document:
    blocks = []
    start = 0
    for part in text.split("\n\n"):
        if part.strip():
            blocks.append(Block(kind="paragraph", start=start, end=start + len(part)))
        start += len(part) + 2
    return Document(
        id=name, source="", uri=name, version="", media_type="text/plain", title=title, text=text,
        blocks=tuple(blocks), language="en",
    )  # fmt: skip


def rows(documents: list[Document], asked: Questions, embedder: Embedder) -> dict[str, list[Row]]:
    settings = RetrievalSection()
    out: dict[str, list[Row]] = {}
    if not documents:
        return out
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), dimension=embedder.dimension, metric="cosine", create=True)
        passages = [p for d in documents for p in cut(d, embedder.count_tokens, max_tokens=200)]
        vectors = embedder.embed_passages([p.indexed_text() for p in passages])
        texts = [terms(p.indexed_text(), "en") for p in passages]
        store.replace([d.id for d in documents], passages, vectors, texts)
        store.optimize()
        for name, questions in asked.items():
            into = out.setdefault(name, [])
            for question, gold in questions:
                wide = search(
                    store, embedder, question, k=4 * settings.k, settings=settings, languages=("en",)
                )
                found = wide[: settings.k]
                without = [h for h in wide if h.passage.document not in gold][: settings.k]
                into.append(calibration.row(question, found, any(h.passage.document in gold for h in found)))
                into.append(calibration.row(question, ranked(without), answerable=False))
        store.close()
    return out


def ranked(hits: list[Hit]) -> list[Hit]:
    return [Hit(passage=h.passage, rank=i, score=h.score, scores=h.scores) for i, h in enumerate(hits, 1)]


def examples() -> list[Row]:
    lines = calibration.read_questions(HERE / "examples" / "questions.jsonl")
    with (
        tempfile.TemporaryDirectory() as folder,
        Workspace.create(Path(folder) / "w", {"model.name": "none"}) as workspace,
    ):
        workspace.add(str(HERE / "examples" / "documents"))
        workspace.sync()
        return calibration.rows_of(workspace, [q for q in lines if q.get("split") == "dev"])


if __name__ == "__main__":
    main()
