"""Is a winner named only where there is one? Simulated comparisons on stored scores.

    python benchmarks/judge_equal.py [--comparisons N] [--sizes N...] [--seed N] [--apart] [REPORT_FOLDER...]

Stored scores are what real systems served: `judge_scores.json`, or the folders of comparisons. For each
simulated comparison clusters of questions are drawn from them with replacement, with all answers to
each as they were, and the names of the arms are shuffled for each cluster: the arms are then truly
equal, and still agree and hang together as real ones do.

    four equal      every arm is equal to every other one: any winner is a false one
    two equal       two arms are equal and far ahead of the others: the tie must not be broken
    a true lead     one arm serves 5, 10 or 20 points more: how often is it found

Statistics, verdict and thresholds are the product's own. A false difference: any two truly equal arms
are called significantly different, of all the pairs there are. Beside it: how often the verdict asks for
more questions, and how often the interval of a difference holds the truth.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loresmith.evaluation.comparison import report, tally, verdict
from loresmith.evaluation.comparison.standing import Part
from loresmith.evaluation.comparison.values import CONTENDERS, Score

STORED = Path(__file__).with_name("judge_scores.json")
SIZES = (30, 100, 300)
LEADS = (0.05, 0.1, 0.2)
# Two of four arms are far ahead where the two others serve so much less.
BEHIND = 0.4


@dataclass(frozen=True)
class Outcome:
    """One simulated comparison: what was decided, whether two truly equal arms were called different,
    and whether the interval held the true difference."""

    winner: str | None
    kind: str
    apart: bool
    held: bool


def stored(path: Path = STORED) -> list[np.ndarray]:
    """Clusters of questions, each an array of shape (questions, 4 arms) of successes."""
    clusters: dict[str, list[list[float]]] = defaultdict(list)
    for line in json.loads(path.read_text())["questions"]:
        clusters[line["cluster"]].append(line["served"])
    return [np.array(rows, float) for rows in clusters.values()]


def of_report(folder: Path) -> list[np.ndarray]:
    """The same from a comparison's folder; questions that not all four arms were asked are left out."""
    clusters: dict[str, list[list[float]]] = defaultdict(list)
    for row in report.rows(folder):
        scores = [row["arms"].get(arm, {}).get("score") for arm in CONTENDERS]
        if all(score is not None and score["answerable"] is not None for score in scores):
            clusters[scores[0]["cluster"]].append([float(score["success"]) for score in scores])
    return [np.array(rows) for rows in clusters.values()]


def drawn(
    pool: Sequence[np.ndarray], n: int, random: np.random.Generator, shuffled: Sequence[int]
) -> list[np.ndarray]:
    """Clusters with `n` questions in all; the arms in `shuffled` change places within each."""
    found: list[np.ndarray] = []
    left = n
    while left > 0:
        cluster = pool[random.integers(len(pool))][:left].copy()
        cluster[:, shuffled] = cluster[:, random.permutation(shuffled)]
        found.append(cluster)
        left -= len(cluster)
    return found


def simulate(
    pool: Sequence[np.ndarray],
    n: int,
    comparisons: int,
    seed: int,
    *,
    equal: int = 4,
    lead: float = 0.0,
) -> Iterator[Outcome]:
    """Comparisons of `n` questions.

    Args:
        equal: arms that are equal; the others serve `BEHIND` of the questions less.
        lead: by which the first of the equal arms truly serves more.
    """
    arms = list(CONTENDERS)
    first, second = arms.index("rag"), arms.index("both")
    shuffled = list(range(4)) if equal == 4 else [first, second]
    share = float(np.concatenate(pool)[:, shuffled].mean())
    for number in range(comparisons):
        random = np.random.default_rng([seed, n, equal, round(1000 * lead), number])
        clusters = drawn(pool, n, random, shuffled)
        for cluster in clusters:
            if equal == 2:
                for arm in {0, 1, 2, 3} - {first, second}:
                    cluster[:, arm] *= random.random(len(cluster)) > BEHIND / share
            # A lead comes by whole clusters: who knows a document knows it for all its questions.
            if lead and random.random() < lead / (1 - share):
                cluster[:, first] = 1.0
        part = compared(clusters)
        said = verdict.decide(part)
        pair = part.pair("rag", "both")
        held = pair is not None and pair.difference.low <= lead <= pair.difference.high
        same = {"rag", "both"} if equal == 2 else set(CONTENDERS) - ({"rag"} if lead else set())
        apart = any(p.significant for p in part.pairs if {p.one, p.other} <= same)
        yield Outcome(said.winner, said.kind, apart, held)


def compared(clusters: Sequence[np.ndarray]) -> Part:
    """The product's own counting and tests."""
    scores = [
        Score(
            question=f"{c}.{q}",
            arm=arm,
            stratum="other",
            cluster=str(c),
            success=float(served),
            answered=True,
            answerable=True,
            right=bool(served),
        )
        for c, cluster in enumerate(clusters)
        for q, row in enumerate(cluster)
        for arm, served in zip(CONTENDERS, row, strict=True)
    ]
    return tally.Board(scores).part(tally.Test(seed=0))


def table(
    pool: Sequence[np.ndarray], *, sizes: Sequence[int] = SIZES, comparisons: int = 200, seed: int = 0
) -> list[dict[str, float | int | str]]:
    """A row for each world and size."""
    worlds = [("four equal", 4, 0.0), ("two equal", 2, 0.0)]
    worlds += [(f"a lead of {100 * lead:.0f} points", 4, lead) for lead in LEADS]
    rows: list[dict[str, float | int | str]] = []
    for name, equal, lead in worlds:
        for n in sizes:
            outcomes = list(simulate(pool, n, comparisons, seed, equal=equal, lead=lead))
            named = [o for o in outcomes if o.winner]
            true = [o for o in named if lead and o.winner == "rag"]
            rows.append(
                {
                    "world": name,
                    "questions": n,
                    "comparisons": comparisons,
                    "false_winner": (len(named) - len(true)) / comparisons,
                    "false_difference": sum(o.apart for o in outcomes) / comparisons,
                    "true_winner": len(true) / comparisons,
                    "more_questions": sum(o.kind == "more_questions" for o in outcomes) / comparisons,
                    "interval_held": sum(o.held for o in outcomes) / comparisons,
                }
            )
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", nargs="*", type=Path, help="folders of comparisons of all four arms")
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--apart", action="store_true", help="each question a cluster of its own")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    pool = [c for folder in given.reports for c in of_report(folder)] if given.reports else stored()
    if given.apart:
        pool = [row[None, :] for cluster in pool for row in cluster]
    started = time.perf_counter()
    rows = table(pool, sizes=given.sizes, comparisons=given.comparisons, seed=given.seed)
    if given.json:
        print(json.dumps(rows, indent=1))
        return
    questions = np.concatenate(pool)
    shares = ", ".join(f"{share:.2f}" for share in questions.mean(0))
    print(f"{len(questions)} stored questions in {len(pool)} clusters; served: {shares}\n")
    print("| world | questions | false winner | false difference | true winner | more asked | held |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        shown = ("false_winner", "false_difference", "true_winner", "more_questions", "interval_held")
        cells = [f"{100 * float(row[key]):.1f} %" for key in shown]
        cells[2] = cells[2] if str(row["world"]).startswith("a lead") else ""
        print(f"| {row['world']} | {row['questions']} | {' | '.join(cells)} |")
    equal = [float(row["false_winner"]) for row in rows if not str(row["world"]).startswith("a lead")]
    total = given.comparisons * len(equal)
    rate = sum(equal) / len(equal)
    error = 1.96 * math.sqrt(max(rate * (1 - rate), 1 / total) / total)
    seconds = time.perf_counter() - started
    print(f"\nFalse winners among equal arms: {100 * rate:.1f} % ± {100 * error:.1f} of {total} comparisons;")
    print(f"stated: at most 5 %. {seconds:.0f} s.")


if __name__ == "__main__":
    main()
