"""Answers over real filings and the examples, for each language model at hand.

    python benchmarks/answers.py [--model NAME]... [--limit N] [--questions FILE --documents FOLDER]
                                 [--split dev|test] [--rows FILE] [--arm ARM]... [--train [EFFORT]]

Prints one table for each set: answered, right (numbers by value with .5 % tolerance, else token
F1), citation precision, page right, false answers, false refusals; then the same as JSON. "none" is
the model that only quotes. With --train a dataset is built from the set's own documents (never from
its questions) and an adapter trained on it, then the arms rag and both answer the same questions.
Without --questions: examples/ (its test half) and, where the folder is
there, ../shared/data/filings. Everything is indexed in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loresmith.evaluation import metrics
from loresmith.evaluation.calibration import read_questions
from loresmith.expert import Workspace
from loresmith.types import Arm

HERE = Path(__file__).resolve().parent.parent
FILINGS = HERE.parent / "shared" / "data" / "filings"
COLUMNS = (
    "questions", "answered", "right", "right_of_answered", "token_f1", "figures", "citation_precision",
    "page_right", "quotes_verbatim", "false_answers", "false_refusals", "seconds_p50",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a model's name; repeatable (default: none, auto)")
    parser.add_argument("--limit", type=int, help="at most so many questions of each set, evenly spread")
    parser.add_argument("--questions", type=Path, help="a question file instead of the two sets")
    parser.add_argument("--documents", type=Path, help="the documents of --questions")
    parser.add_argument("--split", choices=("dev", "test", "all"), default="test")
    parser.add_argument("--set", choices=("examples", "filings"), dest="only")
    parser.add_argument("--setting", action="append", default=[], help="KEY=VALUE of loresmith.toml")
    parser.add_argument("--arm", action="append", choices=("base", "rag", "tuned", "both"))
    parser.add_argument(
        "--train", nargs="?", const="normal", choices=("quick", "normal", "thorough"), help="effort"
    )
    parser.add_argument("--adapter", type=Path, help="an adapter's folder for the arms tuned and both")
    parser.add_argument("--rows", type=Path, help="write every answer with its judgement to this file")
    options = parser.parse_args()
    settings = dict(pair.split("=", 1) for pair in options.setting)
    if options.adapter:
        settings["model.adapter"] = str(options.adapter.resolve())
    arms = options.arm or (("rag", "both") if options.train or options.adapter else ("rag",))
    result: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for name, documents, questions in sets(options):
        if options.limit and len(questions) > options.limit:
            step = len(questions) / options.limit
            questions = [questions[int(i * step)] for i in range(options.limit)]
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace.create(Path(folder) / "w")
            # Files one by one: the question file beside the filings must not be indexed.
            workspace.add(*(str(p) for p in listed(documents)))
            workspace.sync()
            workspace.close()
            if options.train:
                loresmith(Path(folder) / "w", options.setting, "dataset", "build")
            for model in options.model or ("none", "auto"):
                if options.train:
                    train = ("train", "--model", model, "--effort", options.train)
                    loresmith(Path(folder) / "w", options.setting, *train)
                for arm in arms:
                    chosen = {**settings, "model.name": model}
                    judged = run(Path(folder) / "w", chosen, questions, rows, name, arm)
                    result.setdefault(name, {})[model if arm == "rag" else f"{model} {arm}"] = {
                        "all": metrics.summary(judged),
                        "kinds": metrics.by_kind(judged),
                    }
        show(name, result[name])
    if options.rows:
        options.rows.write_text(
            "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8"
        )
    print(json.dumps(result))


def loresmith(workspace: Path, settings: list[str], *arguments: str) -> None:
    """One command in a process of its own, so that its memory is given back."""
    flags = [part for pair in settings for part in ("--set", pair)]
    command = [sys.executable, "-m", "loresmith", *arguments, "-w", str(workspace), *flags, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(" ".join(arguments), done.stdout.strip(), flush=True)
    if done.returncode:
        sys.exit(f"loresmith {' '.join(arguments)} failed.")


def sets(options: argparse.Namespace) -> Iterator[tuple[str, Path, list[dict[str, Any]]]]:
    if options.questions:
        if not options.documents:
            sys.exit("--questions needs --documents FOLDER.")
        yield options.questions.stem, options.documents, read_questions(options.questions)
        return
    if options.only != "filings":
        lines = read_questions(HERE / "examples" / "questions.jsonl")
        kept = [q for q in lines if options.split in ("all", q.get("split"))]
        yield "examples", HERE / "examples" / "documents", kept
    if options.only != "examples" and FILINGS.is_dir():
        lines = read_questions(FILINGS / "questions.jsonl")
        yield "filings", FILINGS, [{"id": f"f{n}", **q} for n, q in enumerate(lines, start=1)]
    elif options.only == "filings":
        sys.exit(f"{FILINGS} is not there.")


def listed(documents: Path) -> list[Path]:
    return sorted(documents.glob("*.pdf")) if documents == FILINGS else [documents]


def run(
    folder: Path,
    settings: dict[str, Any],
    questions: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    name: str,
    arm: Arm,
) -> list[metrics.Judged]:
    judged = []
    with Workspace.open(folder, settings) as workspace:
        expert = workspace.expert()
        for number, question in enumerate(questions, start=1):
            clock = time.perf_counter()
            answer = expert.ask(question["question"], arm=arm)
            judged.append(metrics.judge(question, answer))
            rows.append(
                {
                    "set": name,
                    "model": settings["model.name"],
                    "arm": arm,
                    "gold": question.get("answer"),
                    "gold_documents": question.get("documents"),
                    "gold_page": question.get("page"),
                    **metrics.to_rows(judged[-1:])[0],
                    **{k: v for k, v in answer.to_dict().items() if k != "hits"},
                    "found": [(h.passage.document, h.passage.locator.page) for h in answer.hits],
                }
            )
            if sys.stderr.isatty():
                print(
                    f"\r{name} {number}/{len(questions)} {time.perf_counter() - clock:5.1f} s",
                    end="",
                    file=sys.stderr,
                )
    return judged


def show(name: str, models: dict[str, Any]) -> None:
    print(f"\n{name}")
    print("model / kind".ljust(34), *(c[:12].rjust(13) for c in COLUMNS))
    for model, result in models.items():
        for kind, figures in {"all": result["all"], **result["kinds"]}.items():
            label = model if kind == "all" else f"  {kind}"
            cells = ("–" if figures[c] is None else f"{figures[c]:.3g}" for c in COLUMNS)
            print(label[:34].ljust(34), *(cell.rjust(13) for cell in cells))
    print(flush=True)


if __name__ == "__main__":
    main()
