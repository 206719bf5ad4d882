"""Questions over report tables with text (TAT-QA): exact match and F1 by its own rules.

    python benchmarks/finance_tables.py --data dev.json [--half test|dev] [--model NAME] [--limit N]
                                        [--arms code,program,plain] [--rows FILE]

Each context becomes a page (its table and its paragraphs, as HTML) that the program reads, cuts and
indexes as any document; a question is put to its own page alone. Arms: code (report tables by code, no
model; nothing else is answered), program (`Expert.ask`: code where it is sure, else the passages, by the
model or, with --model none, by quotation), plain (the same model with table and text in its prompt and
nothing else). dev: the first half of the contexts, on which everything was chosen; test: the second.

The rules, restated from the paper and its evaluator: an answer is a list of strings with a scale
("", thousand, million, billion, percent). Numbers count as they would be written out (the figure, rounded
to two places, times its scale; "%" in the string is a scale of its own), other strings are compared as
lower-case words without articles and punctuation; a list is sorted and joined. Exact match wants the
joined strings equal; F1 is over the sets of words; for arithmetic and counts F1 is the exact match. A
bare number without a scale also counts where the gold figure is that number ("0.22" for 22 percent).
"""

from __future__ import annotations

import argparse
import html
import json
import math
import re
import string
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loresmith.expert import Expert, Workspace
from loresmith.querying import report
from loresmith.querying.solution import Solution
from loresmith.state import State
from loresmith.types import Document, Filter, LanguageModel, Message

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "finance-tables" / "dev.json"
ARMS = ("code", "program", "plain")
SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "percent": 0.01}
_QUIET = "'\"\\$€£¥%(),[]"


def prediction(found: Solution) -> tuple[list[str], str]:
    """A solution as the benchmark's answer and scale."""
    if found.texts:
        scale = found.scale if found.kind == "value" and not any("%" in t for t in found.texts) else ""
        return list(found.texts), scale
    return [str(round(number, 2)) for number in found.numbers], found.scale


def score(answer: Sequence[str], scale: str, gold: dict[str, Any]) -> tuple[float, float]:
    """(exact match, F1) of an answer by TAT-QA's rules."""
    kind, wanted = gold["answer_type"], gold["answer"]
    if not answer:
        return 0.0, 0.0
    if kind == "count":
        wanted = [str(int(wanted))]
    elif not isinstance(wanted, list):
        wanted = [str(wanted)]
    target = _normal(_joined(wanted, gold["scale"]))
    given = [_joined(answer, scale)]
    if len(answer) == 1 and not scale and "%" not in answer[0] and _is_number(answer[0]):
        given.append(f"{_number(answer[0]):.4f}")
    best = max((_pair(_normal(text), target) for text in given), default=(0.0, 0.0))
    return (best[0], best[0]) if kind in ("arithmetic", "count") else best


def _pair(given: str, target: str) -> tuple[float, float]:
    a, b = set(given.split()), set(target.split())
    same = len(a & b)
    precision = same / len(a) if a else 1.0
    recall = same / len(b) if b else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return float(given == target), round(f1, 2)


def _joined(answers: Sequence[str], scale: str) -> str:
    shown = []
    for answer in sorted(str(a) for a in answers):
        if not _is_number(answer):
            shown.append(f"{answer} {scale}" if scale else answer)
        elif "%" in answer:
            shown.append(f"{_number(answer):.4f}")
        else:
            shown.append(f"{round(_number(answer), 2) * SCALES.get(scale, 1.0):.4f}")
    return " ".join(shown)


def _bare(text: str) -> str:
    return "".join(c for c in text if c not in _QUIET)


def _is_number(text: str) -> bool:
    words = [w for w in (_bare(w) for w in text.split()) if w]
    try:
        if not words or math.isnan(float(words[0])):
            return False
    except ValueError:
        return False
    return len(words) < 2 or any(name in words[1].lower() for name in SCALES)


def _number(text: str) -> float:
    found = re.search(r"[+-]?\d+(?:\.\d+)?|[+-]?\.\d+", _bare(text))
    if found is None:
        return 0.0
    value = float(found[0])
    worded = re.search(r"[\d.]+\s?([a-zA-Z]+)", text)
    if worded:
        value *= next((f for name, f in SCALES.items() if name in worded[1].lower()), 1.0)
    if re.search(r"\([\d.\s]+\)", text.strip()):
        value = -value
    if re.search(r"[\d.\s]+%", text.strip()):
        value *= 0.01
    return round(value, 4)


def _normal(text: str) -> str:
    kept = []
    for token in text.split(" "):
        word = token.lower()
        word = (
            str(_number(word))
            if _is_number(word)
            else "".join(c for c in word if c not in string.punctuation)
        )
        word = " ".join(re.sub(r"\b(a|an|the)\b", " ", word).split())
        if word:
            kept.append(word)
    return " ".join(kept)


# --- the arms -----------------------------------------------------------------------------------

Given = tuple[list[str], str]
"""Answers and scale; ([], "") where nothing was answered."""


def page(context: dict[str, Any]) -> str:
    """A context as a web page: its table, then its paragraphs in their order."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in context["table"]["table"]
    )
    texts = "".join(
        f"<p>{html.escape(p['text'])}</p>" for p in sorted(context["paragraphs"], key=lambda p: p["order"])
    )
    return f"<html><body><table>{rows}</table>{texts}</body></html>"


class Arms:
    """A workspace of all contexts, and the ways to answer from it."""

    def __init__(
        self, folder: Path, contexts: Mapping[int, dict[str, Any]], model: str, threads: int
    ) -> None:
        source = folder / "pages"
        source.mkdir()
        for number, context in contexts.items():
            (source / f"{number:04}.html").write_text(page(context), encoding="utf-8")
        settings = {"model.name": model, "model.threads": threads}
        self.workspace = Workspace.create(folder / "work", settings)
        self.workspace.add(str(source))
        self.workspace.sync()
        self.expert: Expert = self.workspace.expert()
        self.model: LanguageModel | None = self.workspace.model()
        self._documents: dict[str, Document] = {}

    def document(self, name: str) -> Document:
        if name not in self._documents:
            with State.open(self.workspace.folder.state_path) as state:
                self._documents[name] = state.document(name)
        return self._documents[name]

    def code(self, number: int, question: str, context: dict[str, Any]) -> Given:
        hits, _ = self.expert.find(question, where=Filter(documents=(f"{number:04}.html",)))
        found = report.ask(question, hits, self.document)
        return prediction(found.solution) if found is not None else ([], "")

    def program(self, number: int, question: str, context: dict[str, Any]) -> Given:
        given = self.expert.ask(question, where=Filter(documents=(f"{number:04}.html",)), arm="rag")
        if given.abstained:
            return [], ""
        if given.result is not None and not given.result.sql:
            return self.code(number, question, context)
        return [given.answer], ""

    def plain(self, number: int, question: str, context: dict[str, Any]) -> Given:
        assert self.model is not None
        table = "\n".join(" | ".join(row) for row in context["table"]["table"])
        texts = "\n".join(p["text"] for p in sorted(context["paragraphs"], key=lambda p: p["order"]))
        room = 2 * self.model.context_tokens
        messages: list[Message] = [
            {"role": "system", "content": PLAIN},
            {"role": "user", "content": f"{table}\n\n{texts[:room]}\n\nQuestion: {question}"},
        ]
        written = "".join(piece.text for piece in self.model.generate(messages, max_tokens=64))
        return parsed(written)


PLAIN = (
    "Answer the question from the table and the text. First line: only the answer, as a number or the exact "
    "words; several answers divided by ' ; '. Second line: 'Scale: ' and one of thousand, million, billion, "
    "percent, none."
)


def parsed(written: str) -> Given:
    """What the model wrote: its first line, and the scale where it names one."""
    lines = [line.strip() for line in written.strip().splitlines() if line.strip()]
    if not lines:
        return [], ""
    first = re.sub(r"^(?:the )?answers?(?: is)?\s*:?\s*", "", lines[0], flags=re.IGNORECASE)
    named = re.search(r"scale\s*:?\s*(thousand|million|billion|percent)", written, re.IGNORECASE)
    first = re.sub(r"\s*[,;]?\s*scale\s*:.*$", "", first, flags=re.IGNORECASE)
    return [part.strip().rstrip(".") for part in first.split(" ; ")], named[1].lower() if named else ""


# --- the run ------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--half", choices=("dev", "test"), default="test")
    parser.add_argument("--model", default="none")
    parser.add_argument("--arms", default="", help="some of code,program,plain; all that the model allows")
    parser.add_argument("--limit", type=int, default=0, help="so many questions, spread evenly")
    parser.add_argument("--rows", type=Path, help="write one JSON line a question and arm")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    contexts = json.loads(options.data.read_text(encoding="utf-8"))
    middle = len(contexts) // 2
    contexts = contexts[:middle] if options.half == "dev" else contexts[middle:]
    questions = [(n, q) for n, context in enumerate(contexts) for q in context["questions"]]
    if options.limit:
        step = len(questions) / options.limit
        questions = [questions[int(i * step)] for i in range(min(options.limit, len(questions)))]
    wanted = options.arms.split(",") if options.arms else list(ARMS if options.model != "none" else ARMS[:2])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        asked = {number: contexts[number] for number, _ in questions}
        arms = Arms(Path(folder), asked, options.model, options.threads)
        try:
            for name in wanted:
                rows += run(name, getattr(arms, name), questions, contexts)
                show(name, [row for row in rows if row["arm"] == name])
        finally:
            arms.workspace.close()
    if options.rows:
        options.rows.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(
    name: str,
    ask: Callable[[int, str, dict[str, Any]], Given],
    questions: Sequence[tuple[int, dict[str, Any]]],
    contexts: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    rows = []
    for number, gold in questions:
        clock = time.perf_counter()
        answer, scale = ask(number, gold["question"], contexts[number])
        seconds = time.perf_counter() - clock
        exact, f1 = score(answer, scale, gold)
        row = {key: gold[key] for key in ("question", "answer", "scale", "answer_from", "answer_type")}
        given = {"arm": name, "given": answer, "given_scale": scale, "exact": exact, "f1": f1}
        rows.append(row | given | {"seconds": round(seconds, 4)})
    return rows


def show(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Exact match and F1 of all, by where the answer stands, and by its kind."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        for key in ("all", row["answer_from"], row["answer_type"]):
            groups[key].append(row)
    print(f"{name}: {sum(r['seconds'] for r in rows) / max(1, len(rows)):.3f} s a question")
    for key in ("all", "table", "table-text", "text", "arithmetic", "count", "span", "multi-span"):
        held = groups.get(key, [])
        if not held:
            continue
        answered = [r for r in held if r["given"]]
        exact, f1 = (100 * sum(r[k] for r in held) / len(held) for k in ("exact", "f1"))
        right = 100 * sum(r["exact"] for r in answered) / len(answered) if answered else 0.0
        print(
            f"  {key:<11} {len(held):>4} questions  EM {exact:5.1f}  F1 {f1:5.1f}"
            f"  answered {len(answered):>4}, of these exactly right {right:5.1f} %"
        )


if __name__ == "__main__":
    main()
