"""The four arms on real data, whatever comes out: filings, product documentation, tables with text.

    python benchmarks/compare.py [--set filings|product-docs|finance-tables|examples]... [--model NAME]
                                 [--limit N] [--effort E] [--setting KEY=VALUE]... [--keep DIR]

Each set goes the way a user's documents would, by the program's own commands: `init`, `sync`,
`dataset build` (from the documents alone, never from the questions), `train --method lora`, `compare`.
Prints the figures of each arm and the verdict; with --keep the workspace and its report.html stay.
Of finance-tables 60 contexts are taken, and their questions with a single span as answer.
The folder ../shared/data must be there, but for `examples`.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
SHARED = HERE.parent / "shared" / "data"
Questions = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", action="append", choices=tuple(SETS), dest="sets")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, help="at most so many questions of each set")
    parser.add_argument("--effort", choices=("quick", "normal", "thorough"), default="quick")
    parser.add_argument("--setting", action="append", default=[], help="KEY=VALUE of loresmith.toml")
    parser.add_argument("--keep", type=Path, help="make the workspaces here and leave them")
    options = parser.parse_args()
    for name in options.sets or ("filings", "product-docs", "finance-tables"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.keep or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            run(name, folder, options)


def run(name: str, folder: Path, options: argparse.Namespace) -> None:
    documents, questions = folder / "documents", folder / "questions.jsonl"
    if not documents.is_dir():
        documents.mkdir()
        asked = SETS[name](documents)
        questions.write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in asked), "utf-8")
    workspace = folder / "workspace"
    if not (workspace / "loresmith.toml").is_file():
        loresmith("init", str(workspace), "--from", str(documents), "--model", options.model)
    at = ("-w", str(workspace), *(f for pair in options.setting for f in ("--set", pair)))
    synced = loresmith("sync", *at)
    built = loresmith("dataset", "build", *at)
    trained = loresmith("train", "--method", "lora", "--effort", options.effort, *at)
    limit = ("--limit", str(options.limit)) if options.limit else ()
    found = loresmith("compare", "--questions", str(questions), "--yes", *limit, *at)
    show(name, synced, built, trained, found)
    figures = ("adapter", "steps", "tokens", "seconds", "loss")
    print(json.dumps({"set": name, "train": {k: trained.get(k) for k in figures}, **found}), flush=True)


def loresmith(*arguments: str) -> dict[str, Any]:
    """One command, as a user would give it; its JSON."""
    command = [sys.executable, "-m", "loresmith", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stdout}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def show(
    name: str, synced: dict[str, Any], built: dict[str, Any], trained: dict[str, Any], found: dict[str, Any]
) -> None:
    print(
        f"\n{name}: {synced['passages']} passages; {built['splits']} rows; {trained['steps']} steps, "
        f"{trained['tokens']} tokens, {trained['seconds']:.0f} s of training\n"
    )
    print("arm     served  between        false answers  false refusals  cited right  p50 s")
    for arm, said in found["arms"].items():
        correct = said["correct"]
        abstained, cited = said["abstention"], said["citations"]["precision"]
        print(
            f"{arm:<7} {share(correct['value']):>6}  {share(correct['low'])} to {share(correct['high']):<7} "
            f"{abstained['false_answers']:>13}  {abstained['false_refusals']:>14}"
            f"  {share(cited):>11}  {said['latency']['p50'] or 0:>5.1f}"
        )
    print(f"\n{found['verdict']['headline']}")
    for reason in found["verdict"]["reasons"]:
        print(f"- {reason}")
    print(f"report: {found['report']}\n", flush=True)


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


# --- the sets: documents into a folder, questions back --------------------------------------------


def filings(into: Path) -> Questions:
    for path in sorted((SHARED / "filings").glob("*.pdf")):
        shutil.copy(path, into)
    lines = (SHARED / "filings" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [{"id": f"f{n}", **json.loads(line)} for n, line in enumerate(lines, start=1) if line.strip()]


def product_docs(into: Path) -> Questions:
    folder = SHARED / "product-docs"
    names: dict[str, str] = {}
    for number, section in enumerate(json.loads((folder / "sections.json").read_text(encoding="utf-8"))):
        if section["text"].strip():
            slug = re.sub(r"\W+", "-", section["chunk_heading"]).strip("-").lower()[:40]
            names[section["chunk_link"]] = f"{number:03}-{slug}.md"
            text = f"# {section['chunk_heading']}\n\n{section['text']}\n"
            (into / names[section["chunk_link"]]).write_text(text, encoding="utf-8")
    return [
        {
            "id": q["id"],
            "question": q["question"],
            "answer": q["correct_answer"],
            "documents": [names[c] for c in q["correct_chunks"] if c in names],
        }
        for q in json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    ]


def finance_tables(into: Path) -> Questions:
    contexts = json.loads((SHARED / "finance-tables" / "dev.json").read_text(encoding="utf-8"))
    asked = []
    for number, context in enumerate(random.Random(0).sample(contexts, 60)):
        paragraphs = [html.escape(p["text"]) for p in sorted(context["paragraphs"], key=lambda p: p["order"])]
        table = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in context["table"]["table"]
        )
        name = f"note-{number:02}.html"
        body = f"<p>{paragraphs[0]}</p><table>{table}</table>" + "".join(
            f"<p>{p}</p>" for p in paragraphs[1:]
        )
        (into / name).write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
        asked += [
            {
                "id": q["uid"][:8],
                "question": q["question"],
                "answer": str(q["answer"][0]),
                "documents": [name],
            }
            for q in context["questions"]
            if q["answer_type"] == "span" and not q["derivation"] and len(q["answer"]) == 1
        ]
    return asked


def examples(into: Path) -> Questions:
    shutil.copytree(HERE / "examples" / "documents", into, dirs_exist_ok=True)
    lines = (HERE / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [q for q in map(json.loads, lines) if q["split"] == "test"]


SETS: dict[str, Callable[[Path], Questions]] = {
    "filings": filings,
    "product-docs": product_docs,
    "finance-tables": finance_tables,
    "examples": examples,
}


if __name__ == "__main__":
    main()
