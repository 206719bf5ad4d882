"""Fits and checks the score of abstention (answerable or not, from question and passages alone) and
that of quoting (whether the piece that would be quoted without a model is right).

    python benchmarks/abstention.py [--write] [--questions N]

Sets: xquad (English, and Spanish and Romanian against English), product-docs, finance-tables (its
questions that need no arithmetic; each context a page), and the dev half of examples/. Each question
counts twice: with what retrieval finds, and with the gold paragraph or document taken away (its
neighbours stay: hard negatives). The test half of examples/ is never used.
Writes loresmith/answering/weights.json with --write.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from loresmith.answering import quoting
from loresmith.answering.abstain import FOREIGN, QUOTE, Calibration
from loresmith.config import EmbedderSection, RetrievalSection
from loresmith.evaluation import calibration
from loresmith.evaluation.calibration import Row
from loresmith.evaluation.metrics import named
from loresmith.expert import Workspace
from loresmith.index import open_store
from loresmith.index.analysis import terms
from loresmith.models import load_embedder
from loresmith.passages import cut
from loresmith.retrieval import search
from loresmith.types import Block, Document, Embedder, Hit

HERE = Path(__file__).resolve().parent.parent
SHARED = HERE.parent / "shared" / "data"
FEWEST = 60  # smaller sets say little, and would hold back the larger ones
ENOUGH = 0.48  # a quote is shown from this probability on: one wrong counts about as one right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    parser.add_argument("--questions", type=int, default=250, help="at most so many of each set")
    options = parser.parse_args()
    embedder = load_embedder(EmbedderSection())
    random.seed(0)  # the same questions every time
    sets: dict[str, list[Row]] = {}
    quotes: dict[str, list[Row]] = {}
    for documents, asked in (xquad(), product_docs()):
        few = {n: random.sample(q, min(options.questions, len(q))) for n, q in asked.items()}
        rows(documents, few, embedder, sets, quotes)
    from_files("finance-tables", *finance_tables(options.questions), sets, quotes)
    lines = calibration.read_questions(HERE / "examples" / "questions.jsonl")
    dev = [q for q in lines if q.get("split") == "dev"]
    from_files("examples dev", HERE / "examples" / "documents", dev, sets, quotes)
    found = {}
    for key, foreign, refused in (("", False, calibration.FALSE_REFUSALS), (FOREIGN, True, 0.08)):
        kept = {n: [r for r in rows if r.foreign is foreign] for n, rows in sets.items()}
        kept = {n: rows for n, rows in kept.items() if len(rows) >= FEWEST}
        title = "question in another language than the passages" if foreign else "question in their language"
        found[key] = report(title, kept, partial(fit_answerable, refused))
    kept = {n: [r for r in rows if not r.foreign] for n, rows in quotes.items()}
    found[QUOTE] = report("quotes", {n: rows for n, rows in kept.items() if len(rows) >= FEWEST}, fit_quotes)
    print(json.dumps(found))
    if options.write:
        path = HERE / "loresmith" / "answering" / "weights.json"
        known = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(known | found, indent=1) + "\n", encoding="utf-8")


def fit_answerable(refused: float, found: list[Row]) -> Calibration:
    return calibration.fit(found, false_refusals=refused)[0]


def fit_quotes(found: list[Row]) -> Calibration:
    fitted, _ = calibration.fit(found, names=quoting.FEATURES, penalty=1.0, even=False)
    return replace(fitted, threshold=ENOUGH)


def report(title: str, sets: dict[str, list[Row]], fit: Callable[[list[Row]], Calibration]) -> dict[str, Any]:
    """Fit to all sets, print how good it is on each, and on each when it is left out of the fit."""
    print(title)
    fitted = fit(balanced(sets))
    for name, found in sets.items():
        lines = {name: calibration.quality(fitted, found)}
        others = balanced({n: r for n, r in sets.items() if n != name})
        if others:
            lines[f"{name}, left out of the fit"] = calibration.quality(fit(others), found)
        for label, figures in lines.items():
            print(f"  {label:36}", *(f"{key} {value:.3f}" for key, value in figures.items()))
    return {"weights": dict(fitted.weights), "bias": fitted.bias, "threshold": fitted.threshold}


def balanced(sets: dict[str, list[Row]]) -> list[Row]:
    """Sets count about alike, whatever their size, so that the largest does not decide."""
    most = 2 * min((len(r) for r in sets.values()), default=0)
    return [row for r in sets.values() for row in random.sample(r, min(len(r), most))]


Questions = dict[str, list[tuple[str, set[str], list[str]]]]
"""Set name to (question, documents that answer it, accepted answers)."""


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
                asked += [
                    (q["question"], {name}, [a["text"] for a in q["answers"]]) for q in paragraph["qas"]
                ]
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
    asked = [(q["question"], set(q["correct_chunks"]), [q["correct_answer"]]) for q in questions]
    return documents, {"product-docs": asked}


def finance_tables(most: int) -> tuple[Path, list[dict[str, Any]]]:
    """A temporary folder with a page for each of some contexts, and their questions with one answer
    that stands there as it is."""
    folder = Path(tempfile.mkdtemp())
    asked: list[dict[str, Any]] = []
    path = SHARED / "finance-tables" / "dev.json"
    if not path.is_file():
        return folder, asked
    for number, context in enumerate(random.sample(json.loads(path.read_text(encoding="utf-8")), 60)):
        paragraphs = [html.escape(p["text"]) for p in sorted(context["paragraphs"], key=lambda p: p["order"])]
        table = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in context["table"]["table"]
        )
        name = f"note-{number:02}.html"
        parts = [
            f"<p>{paragraphs[0]}</p>",
            f"<table>{table}</table>",
            *(f"<p>{p}</p>" for p in paragraphs[1:]),
        ]
        (folder / name).write_text(f"<html><body>{''.join(parts)}</body></html>", encoding="utf-8")
        asked += [
            {"question": q["question"], "answer": [str(a) for a in q["answer"]], "documents": [name]}
            for q in context["questions"]
            if q["answer_type"] == "span" and not q["derivation"] and len(q["answer"]) == 1
        ]
    return folder, random.sample(asked, min(most, len(asked)))


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


def rows(
    documents: list[Document],
    asked: Questions,
    embedder: Embedder,
    sets: dict[str, list[Row]],
    quotes: dict[str, list[Row]],
) -> None:
    settings = RetrievalSection()
    if not documents:
        return
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), dimension=embedder.dimension, metric="cosine", create=True)
        passages = [p for d in documents for p in cut(d, embedder.count_tokens, max_tokens=200)]
        vectors = embedder.embed_passages([p.indexed_text() for p in passages])
        texts = [terms(p.indexed_text(), "en") for p in passages]
        store.replace([d.id for d in documents], passages, vectors, texts)
        store.optimize()
        for name, questions in asked.items():
            for question, gold, answers in questions:
                wide = search(
                    store, embedder, question, k=4 * settings.k, settings=settings, languages=("en",)
                )
                add(name, question, wide, settings.k, gold, answers, sets, quotes)
        store.close()


def add(
    name: str,
    question: str,
    wide: list[Hit],
    k: int,
    gold: set[str],
    answers: list[str] | None,
    sets: dict[str, list[Row]],
    quotes: dict[str, list[Row]],
) -> None:
    """Rows of one question: as found, and without what answers it. Fewer of the latter for quotes:
    nothing is easier to refuse."""
    found = wide[:k]
    into = sets.setdefault(name, [])
    held = answers is not None and any(named(h.passage.document, sorted(gold)) for h in found)
    into.append(calibration.row(question, found, held))
    quoted = [calibration.quote_row(question, found, answers)]
    without = ranked([h for h in wide if not named(h.passage.document, sorted(gold))][:k])
    if answers is not None and without:
        into.append(calibration.row(question, without, answerable=False))
        if len(into) % 5 < 2:
            quoted.append(calibration.quote_row(question, without, None))
    quotes.setdefault(name, []).extend(row for row in quoted if row is not None)


def ranked(hits: list[Hit]) -> list[Hit]:
    return [Hit(passage=h.passage, rank=i, score=h.score, scores=h.scores) for i, h in enumerate(hits, 1)]


def from_files(
    name: str,
    documents: Path,
    lines: list[dict[str, Any]],
    sets: dict[str, list[Row]],
    quotes: dict[str, list[Row]],
) -> None:
    """Rows of questions about files, read and found as a user's are."""
    if not lines:
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        Workspace.create(Path(folder) / "w", {"model.name": "none"}) as workspace,
    ):
        workspace.add(str(documents))
        workspace.sync()
        k = workspace.folder.config.retrieval.k
        expert = workspace.expert()
        for line in lines:
            wide, _ = expert.find(line["question"], 4 * k)
            answer = line.get("answer")
            answers = [answer] if isinstance(answer, str) else answer
            add(name, line["question"], wide, k, set(line.get("documents") or ()), answers, sets, quotes)


if __name__ == "__main__":
    main()
