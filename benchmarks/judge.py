"""Can the judge be trusted? Worlds in which the truth is known, run through the whole machine.

    python benchmarks/judge.py [--world NAME]... [--seed N]... [--model NAME] [--folder DIR]
                               [--controls] [--no-equal]

The worlds are made by `judge_worlds.py`. Each one goes through the program as a user would take it:
init, sync, dataset import and build, train, files changed, sync, compare. Its verdict is held
against the truth, planted leaks against what was removed, planted wrong answers of the key against
what the report points to. Then two arms that are truly equal, hundreds of times on stored scores:
`judge_equal.py`. Prints what came out of each world, the share of right verdicts, and the same as
JSON. With `--folder` what was trained and answered is kept, and the same call continues.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from judge_worlds import WORLDS, World

from loresmith.dataset import grounded
from loresmith.expert import Workspace
from loresmith.types import Message

_GATE = 3  # exit status: abstained, or a gate not passed; the JSON is there all the same


@dataclass(frozen=True)
class Check:
    """One thing that must hold, whether it did, and what was seen."""

    name: str
    held: bool
    seen: str


@dataclass
class Outcome:
    """What came out of one world."""

    world: str
    seed: int
    truth: str
    verdict: dict[str, Any]
    arms: dict[str, Any]
    strata: dict[str, Any]
    checks: list[Check]
    planted: dict[str, dict[str, Any]]
    figures: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        return all(check.held for check in self.checks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", action="append", choices=tuple(WORLDS), help="default: all of them")
    parser.add_argument("--seed", action="append", type=int, help="default: 0")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--folder", type=Path, help="keep the workspaces here, and continue there")
    parser.add_argument("--controls", action="store_true", help="ask the controls oracle and format too")
    parser.add_argument("--no-equal", action="store_true", help="without the simulation of equal arms")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        outcomes = []
        for seed in options.seed or [0]:
            for name in options.world or list(WORLDS):
                world = WORLDS[name](seed)
                place = folder / f"{name}-{seed}"
                place.mkdir(parents=True, exist_ok=True)
                outcomes.append(judge(world, seed, place, options.model, controls=options.controls))
                show(outcomes[-1])
    summarise(outcomes)
    if not options.no_equal:
        import judge_equal

        judge_equal.main([])
    print(json.dumps([asdict(outcome) | {"right": outcome.right} for outcome in outcomes]))


def judge(world: World, seed: int, place: Path, model: str, *, controls: bool) -> Outcome:
    """Run one world and hold what came out against what is true."""
    done = Done(place / "done.json")
    workspace = place / "w"
    documents = place / "documents"
    if "prepared" not in done:
        write(documents, world.documents)
        if not (workspace / "loresmith.toml").exists():
            with Workspace.create(workspace, {**world.settings, "model.name": model}) as made:
                made.add(str(documents))
        done["prepared"] = loresmith(workspace, "sync")
    if world.steps and "trained" not in done:
        done["dataset"] = dataset(world, workspace, place)
        steps = f"training.max_steps={world.steps}"
        done["trained"] = loresmith(workspace, "train", "--method", "lora", "--set", steps)
    if (world.changed or world.gone) and "changed" not in done:
        write(documents, world.changed)
        for name in world.gone:
            (documents / name).unlink()
        done["changed"] = loresmith(workspace, "sync")
    questions = place / "questions.jsonl"
    questions.write_text("".join(json.dumps(q) + "\n" for q in world.questions))
    flags = [] if controls else ["--no-controls"]
    compared = loresmith(workspace, "compare", "--questions", str(questions), "--yes", *flags)
    if "compared" not in done:
        done["compared"] = compared
    report = json.loads((Path(compared["report"]).parent / "report.json").read_text())
    rows = [
        json.loads(line)
        for line in (Path(compared["report"]).parent / "answers.jsonl").read_text().splitlines()
    ]
    return Outcome(
        world=world.name,
        seed=seed,
        truth=world.truth,
        verdict=report["verdict"],
        arms={arm: found["correct"] for arm, found in report["arms"].items()},
        strata={
            name: {"questions": found["questions"], "arms": {a: v["value"] for a, v in found["arms"].items()}}
            for name, found in report["strata"].items()
        },
        checks=EXPECTED[world.name](report),
        planted=planted(world, report),
        figures=stale(world, rows),
        cost={
            "train_cpu_seconds": done.get("trained", {}).get("cpu_seconds"),
            "train_tokens": done.get("trained", {}).get("tokens"),
            "train_loss": done.get("trained", {}).get("loss"),
            "compare_cpu_seconds": done.get("compared", compared)["cpu_seconds"],
            "compare_wall_seconds": done.get("compared", compared)["wall_seconds"],
            "answers": len(rows),
        },
    )


class Done:
    """What was done already, one name a step, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def __contains__(self, step: str) -> bool:
        return step in self.steps

    def __setitem__(self, step: str, result: dict[str, Any]) -> None:
        self.steps[step] = result
        self.path.write_text(json.dumps(self.steps))

    def get(self, step: str, default: dict[str, Any]) -> dict[str, Any]:
        return dict(self.steps.get(step, default))


def write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def loresmith(workspace: Path, command: str, *arguments: str) -> dict[str, Any]:
    """Run the program as a user does; what it printed as JSON, with processor and wall seconds."""
    called = [sys.executable, "-m", "loresmith", *command.split(), *arguments, "-w", str(workspace), "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = time.perf_counter()
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    ended = subprocess.run(called, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if ended.returncode not in (0, _GATE):
        sys.exit(f"{' '.join(called)} failed ({ended.returncode}): {ended.stdout}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        **json.loads(ended.stdout),
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(time.perf_counter() - clock, 1),
    }


def dataset(world: World, workspace: Path, place: Path) -> dict[str, Any]:
    """Import the world's rows, and make further ones of its documents where it says so."""
    rows = [dict(row) for row in world.rows]
    if world.read:
        rows += read_rows(world, workspace)
    result: dict[str, Any] = {}
    if rows:
        path = place / "rows.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        result = loresmith(workspace, "dataset import", str(path))
    if world.built:
        result = loresmith(workspace, "dataset build", "--set", f"dataset.max_rows={world.built}")
    return result


def read_rows(world: World, workspace: Path) -> list[dict[str, Any]]:
    """Questions with the passages that the expert finds for them, answered in the house's form."""
    rng = random.Random(0)
    out: list[dict[str, Any]] = []
    with Workspace.open(workspace) as opened:
        expert = opened.expert()
        for question, document, answer in world.read:
            hits, _ = expert.find(question)
            gold = next((h.passage for h in hits if h.passage.document.endswith(document)), None)
            built = grounded.answered(question, gold, hits, 1, rng) if gold else None
            if built is not None:
                messages = [*built, Message(role="assistant", content=answer)]
                out.append({"kind": "grounded", "question": question, "messages": messages})
    return out


# --- what must come out -----------------------------------------------------------------------


def _named(report: dict[str, Any], arm: str) -> Check:
    verdict = report["verdict"]
    return Check(f"the winner is {arm}", verdict["winner"] == arm, f"{verdict['kind']}, {verdict['winner']}")


def _recommended(report: dict[str, Any], arm: str) -> Check:
    said = report["verdict"]["recommended"]
    return Check(f"{arm} is recommended", said == arm, said)


def _ahead(report: dict[str, Any], stratum: str, one: str, other: str) -> Check:
    """`one` is significantly better than `other` within a stratum."""
    for pair in report["strata"].get(stratum, {}).get("pairs", ()):
        sign = {(one, other): 1, (other, one): -1}.get((pair["one"], pair["other"]))
        if sign:
            difference = sign * pair["difference"]["value"]
            seen = f"{difference:+.2f}, Holm p = {pair['p_holm']:.4f}"
            return Check(
                f"{stratum}: {one} before {other}", bool(pair["significant"]) and difference > 0, seen
            )
    return Check(f"{stratum}: {one} before {other}", False, "no such pair")


def _kind(report: dict[str, Any], *kinds: str) -> Check:
    said = report["verdict"]["kind"]
    return Check(f"the verdict is {' or '.join(kinds)}", said in kinds, said)


def _told(report: dict[str, Any], finding: str) -> Check:
    """As the verdict, or beside it."""
    verdict = report["verdict"]
    said = (verdict["kind"], *verdict["findings"])
    return Check(f"{finding} is said", finding in said, ", ".join(said))


EXPECTED: dict[str, Callable[[dict[str, Any]], list[Check]]] = {
    # rag and both read the same fresh passages: rag wins, or is the cheaper of the two.
    "fresh": lambda r: [
        _recommended(r, "rag"),
        _kind(r, "winner", "do_not_fine_tune"),
        _ahead(r, "changed", "rag", "tuned"),
        _ahead(r, "changed", "rag", "base"),
    ],
    "style": lambda r: [_named(r, "tuned")],
    "form": lambda r: [_named(r, "both")],
    # No arm is better than base; that base is better than the others may be seen too.
    "known": lambda r: [_recommended(r, "base"), _kind(r, "no_difference", "winner")],
    "missing": lambda r: [_told(r, "documents_missing")],
    "few": lambda r: [
        _kind(r, "more_questions"),
        Check("it is said how many", (r["verdict"]["needed"] or 0) > 5, str(r["verdict"]["needed"])),
    ],
}


def planted(world: World, report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was planted beside what was found: caught, missed, and found where nothing was planted."""
    found = {
        "leaks": (world.leaks, [row["id"] for row in report["questions"]["removed"]]),
        "wrong_gold": (world.wrong_gold, [row["id"] for row in report["findings"]["suspect_gold"]]),
        "documents_missing": (
            [q["id"] for q in world.questions if set(q.get("documents", ())) & set(world.gone)],
            [row["id"] for row in report["findings"]["documents_missing"]],
        ),
    }
    return {
        name: {
            "planted": len(wanted),
            "caught": sorted(set(wanted) & set(seen)),
            "missed": sorted(set(wanted) - set(seen)),
            "false": sorted(set(seen) - set(wanted)),
        }
        for name, (wanted, seen) in found.items()
    }


def stale(world: World, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Answers of each arm that still say what was right when the adapter was trained."""
    counts: dict[str, int] = {}
    for row in rows:
        old = world.before.get(row["question"])
        if old is not None and old in str(row["answer"].get("answer", "")):
            counts[row["arm"]] = counts.get(row["arm"], 0) + 1
    return {"answers of before the change": counts, "of": len(world.before)} if world.before else {}


def show(outcome: Outcome) -> None:
    """One world, in lines."""
    print(f"\n{outcome.world} (seed {outcome.seed}): {outcome.truth}")
    for arm, share in outcome.arms.items():
        print(f"  {arm:<7} {share['value']:.2f}  ({share['low']:.2f} to {share['high']:.2f}, n {share['n']})")
    for name, found in outcome.strata.items():
        shares = ", ".join(f"{arm} {value:.2f}" for arm, value in found["arms"].items())
        print(f"  {name} ({found['questions']}): {shares}")
    print(f"  {outcome.verdict['headline']}")
    for check in outcome.checks:
        print(f"  {'yes' if check.held else 'NO '}  {check.name} ({check.seen})")
    for name, found in outcome.planted.items():
        if found["planted"] or found["false"]:
            print(f"  {name}: {len(found['caught'])} of {found['planted']} caught; false: {found['false']}")
    if outcome.figures:
        print(f"  {outcome.figures}")
    print(f"  {outcome.cost}", flush=True)


def summarise(outcomes: list[Outcome]) -> None:
    right = sum(outcome.right for outcome in outcomes)
    print(f"\nRight verdicts: {right} of {len(outcomes)}")
    for name in ("leaks", "wrong_gold", "documents_missing"):
        kinds = [outcome.planted[name] for outcome in outcomes]
        caught, wanted = sum(len(k["caught"]) for k in kinds), sum(k["planted"] for k in kinds)
        print(f"Planted {name}: {caught} of {wanted} caught, {sum(len(k['false']) for k in kinds)} false")


if __name__ == "__main__":
    main()
