"""The same adapter in llama.cpp and in transformers: do they say the same at temperature 0?

    python benchmarks/engines.py WORKSPACE [--adapter ID] [--limit N]

WORKSPACE holds an adapter on a GGUF base (as `benchmarks/learning.py --keep DIR` leaves one). The
questions of its dataset's rows are asked in both engines without passages, with the adapter and
without it. Prints how many answers are the same to the last character, in how many words they agree
before the first difference, and how many hold the expected answer word for word.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import store
from loresmith.models import load_language_model
from loresmith.training import adapters

ENGINES = ("llama.cpp", "transformers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--adapter", default="auto")
    parser.add_argument("--limit", type=int, default=60, help="so many questions, evenly spread")
    parser.add_argument("--tokens", type=int, default=40, help="upper bound of an answer")
    options = parser.parse_args()
    plant = folders.open_dir(options.workspace)
    adapter = adapters.find(plant.adapters_dir, options.adapter)
    dataset = store.load(plant.datasets_dir, adapter.card["dataset"]["id"])
    rows = [e for e in itertools.chain(*dataset.splits().values()) if e.kind == "closed"]
    rows = rows[:: max(1, len(rows) // options.limit)]
    said: dict[str, dict[str, list[str]]] = {}
    for engine in ENGINES:
        clock = time.perf_counter()
        settings = plant.config.model.model_copy(update={"name": adapter.base_model, "engine": engine})
        model = load_language_model(settings, adapter=adapter.folder)
        loaded = time.perf_counter() - clock
        said[engine] = {
            name: [_answer(which, row.question, options.tokens) for row in rows]
            for name, which in (("tuned", model), ("base", model.base))
        }
        model.close()
        print(f"{engine}: loaded in {loaded:.0f} s, answered in {time.perf_counter() - clock - loaded:.0f} s")
    result: dict[str, Any] = {"adapter": adapter.id, "base": adapter.base_model, "questions": len(rows)}
    for name in ("tuned", "base"):
        one, other = (said[engine][name] for engine in ENGINES)
        pairs = [(a.split(), b.split()) for a, b in zip(one, other, strict=True)]
        result[name] = {
            "same": sum(a == b for a, b in zip(one, other, strict=True)),
            "words": sum(max(len(a), len(b)) for a, b in pairs),
            "words agreeing": sum(_agreeing(a, b) for a, b in pairs),
            **{f"right, {e}": _right(said[e][name], [r.answer for r in rows]) for e in ENGINES},
        }
        print(name, result[name])
    print(json.dumps(result))


def _answer(model: Any, question: str, tokens: int) -> str:
    return "".join(p.text for p in model.generate(unaided.messages(question), max_tokens=tokens))


def _agreeing(one: list[str], other: list[str]) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _right(answers: list[str], expected: list[str]) -> int:
    return sum(a.strip() == e.strip() for a, e in zip(answers, expected, strict=True))


if __name__ == "__main__":
    main()
