"""Does a model learn to query the house's own tables? Questions that no template words, answered by SQL.

    python benchmarks/queries.py [--model NAME] [--rows N] [--seed N] [--setting KEY=VALUE]...
                                 [--adapter ID --keep DIR] [--keep DIR] [--only ARM]... [--out FILE]

A small pottery with a vocabulary of its own (burns, stokers, slips, cull: written here, seeded) goes into a
store as `sync` would put it. Training rows are derived from its tables alone, as `dataset build` does;
`loresmith train` trains on them as a user would. Then {n} questions, written by hand in wordings that no
template has, are put to each arm; right is who gives the rows of the gold query (as benchmarks/sql.py
judges: columns in any order, `strict` without further ones).

    code         code's plans alone, no model
    rag          the untuned model writes every query, with examples and the whole schema, as it is asked
    rag short    the same with the short prompt that the tuned one gets
    both         the model with the adapter writes every query, with the short prompt
    rag+code, both+code     as shipped: code first, then the judge, which withholds what the question
                 stands too little behind, then the model. The other arms are asked without the judge.

Prints a table, then the same as JSON; CPU seconds are those of the training process.
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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sql import execute, matching

from loresmith.config import DatasetSection, ModelSection
from loresmith.dataset import queries, store
from loresmith.dataset.duplicates import normal
from loresmith.expert import Workspace
from loresmith.models import load_language_model
from loresmith.querying import ask as asking
from loresmith.querying import prompt
from loresmith.tables.store import TableStore, read_catalog
from loresmith.tables.values import Catalog, RawColumn, RawTable
from loresmith.types import LanguageModel

ARMS = ("code", "rag", "rag short", "both", "rag+code", "both+code")
KILNS = (
    # kiln, shed, fuel, volume in litres, built
    ("Old Bess", "Upper shed", "wood", 1400, "1962-05-10"),
    ("Dragon", "Upper shed", "gas", 2200, "1998-09-01"),
    ("Krater", "Lower shed", "electric", 600, "2011-03-21"),
    ("Little Moth", "Lower shed", "electric", 120, "2019-11-05"),
    ("Salt Jack", "Yard", "wood", 950, "1987-07-14"),
    ("Sphinx", "Yard", "gas", 780, "2022-02-28"),
)
STOKERS = (
    ("Edda", "north", "2009-04-01"), ("Ove", "south", "2014-08-15"), ("Ida", "north", "2016-01-11"),
    ("Matteo", "south", "2018-06-01"), ("Runa", "north", "2020-10-05"), ("Pelle", "south", "2023-03-13"),
    ("Wiebke", "north", "2024-05-02"),
)  # fmt: skip
SLIPS = (
    # slip, tone, quarry, price a kilo, stock
    ("Moorgrau", "smoky", "Lindau", 3.4, 120), ("Ochsblut", "red", "Vaals", 11.8, 26),
    ("Kreidling", "chalky", "Lindau", 2.1, 340), ("Seefoam", "green", "Harlan", 7.25, 48),
    ("Rabenschwarz", "smoky", "Vaals", 6.9, 75), ("Milkstone", "chalky", "Harlan", 4.05, 210),
    ("Rost", "red", "Lindau", 5.5, 18), ("Tansy", "green", "Vaals", 8.6, 64),
)  # fmt: skip
WARES = ("beaker", "amphora", "tile", "crock", "bowl")
BUYERS = (
    ("Brauer & Co", "Riga"), ("Halvorsen", "Bergen"), ("Casa Lume", "Trieste"), ("Nordhus", "Bergen"),
    ("Petri", "Riga"), ("Atelier Zwo", "Basel"), ("Fjord Hotel", "Bergen"), ("Mercato", "Trieste"),
)  # fmt: skip

QUESTIONS = (
    ("What did the Dragon lose to cull all told?", "SELECT SUM(cull) FROM burns WHERE kiln = 'Dragon'"),
    ("Say how often a burn was lit in 2023",
     "SELECT COUNT(*) FROM burns WHERE lit_on BETWEEN '2023-01-01' AND '2023-12-31'"),
    ("How hot did it get at the very most in Old Bess?",
     "SELECT MAX(heat) FROM burns WHERE kiln = 'Old Bess'"),
    ("Our kilns that run on gas, please", "SELECT kiln FROM kilns WHERE fuel = 'gas'"),
    ("Who joined us after everybody else among the stokers?",
     "SELECT stoker FROM stokers ORDER BY joined DESC LIMIT 1"),
    ("What's the biggest bill ever, in euros?", "SELECT MAX(total) FROM bills"),
    ("How do the bills split up between towns?", "SELECT town, COUNT(*) FROM bills GROUP BY town"),
    ("Money billed, town by town", "SELECT town, SUM(total) FROM bills GROUP BY town"),
    ("From what quarry do we get Moorgrau?", "SELECT quarry FROM slips WHERE slip = 'Moorgrau'"),
    ("For how many burns was Edda in charge?", "SELECT COUNT(*) FROM burns WHERE stoker = 'Edda'"),
    ("Bills still open over 900 euros, how many might that be?",
     "SELECT COUNT(*) FROM bills WHERE state = 'open' AND total > 900"),
    ("Krater stands in which shed?", "SELECT shed FROM kilns WHERE kiln = 'Krater'"),
    ("The three dearest slips going by price", "SELECT slip FROM slips ORDER BY price DESC LIMIT 3"),
    ("Soak time on average when beakers were made", "SELECT AVG(soak) FROM burns WHERE ware = 'beaker'"),
    ("Whose name stands beside the fewest burns, of the stokers?",
     "SELECT stoker FROM burns GROUP BY stoker ORDER BY COUNT(*) LIMIT 1"),
    ("Every buyer from Riga, each only once", "SELECT DISTINCT buyer FROM bills WHERE town = 'Riga'"),
    ("Pieces made in burns by the north crew, added together",
     "SELECT SUM(pieces) FROM burns JOIN stokers ON burns.stoker = stokers.stoker WHERE crew = 'north'"),
    ("In how many towns do we have buyers?", "SELECT COUNT(DISTINCT town) FROM bills"),
    ("Kilns bigger than 800 litres", "SELECT kiln FROM kilns WHERE volume > 800"),
    ("If you put all bills together, what is the money?", "SELECT SUM(total) FROM bills"),
    ("How many burns went above 1250 degrees?", "SELECT COUNT(*) FROM burns WHERE heat > 1250"),
    ("Slips of which less than 50 kg is left", "SELECT slip FROM slips WHERE stock < 50"),
    ("Is there a kiln that was never lit for any burn?",
     "SELECT kiln FROM kilns WHERE kiln NOT IN (SELECT kiln FROM burns)"),
    ("Burns, counted shed by shed",
     "SELECT shed, COUNT(*) FROM burns JOIN kilns ON burns.kiln = kilns.kiln GROUP BY shed"),
    ("Since when has Ove been with us?", "SELECT joined FROM stokers WHERE stoker = 'Ove'"),
    ("What part of the bills is paid, in percent?",
     "SELECT 100.0 * SUM(CASE WHEN state = 'paid' THEN 1 ELSE 0 END) / COUNT(*) FROM bills"),
    ("A usual bill for an amphora comes to what?", "SELECT AVG(total) FROM bills WHERE ware = 'amphora'"),
    ("Which ware brings in most money?",
     "SELECT ware FROM bills GROUP BY ware ORDER BY SUM(total) DESC LIMIT 1"),
    ("How many people are in the south crew?", "SELECT COUNT(*) FROM stokers WHERE crew = 'south'"),
    ("The very first burn was lit on what day?", "SELECT MIN(lit_on) FROM burns"),
    ("Who is it that we bill most frequently?",
     "SELECT buyer FROM bills GROUP BY buyer ORDER BY COUNT(*) DESC LIMIT 1"),
    ("Kiln after kiln, the cull added up", "SELECT kiln, SUM(cull) FROM burns GROUP BY kiln"),
    ("Numbers of the bills that are overdue", "SELECT bill_no FROM bills WHERE state = 'overdue'"),
    ("Hours of soak altogether in kilns fired with wood",
     "SELECT SUM(soak) FROM burns JOIN kilns ON burns.kiln = kilns.kiln WHERE fuel = 'wood'"),
    ("Heat averaged month by month",
     "SELECT STRFTIME('%Y-%m', lit_on), AVG(heat) FROM burns GROUP BY 1"),
    ("Later than June 2024, how many bills went out?",
     "SELECT COUNT(*) FROM bills WHERE sent > '2024-06-30'"),
    ("What does a kilo of Kreidling cost?", "SELECT price FROM slips WHERE slip = 'Kreidling'"),
    ("From 1100 up to 1200 degrees, how many burns fall in there?",
     "SELECT COUNT(*) FROM burns WHERE heat BETWEEN 1100 AND 1200"),
    ("The kiln that holds least", "SELECT kiln FROM kilns ORDER BY volume LIMIT 1"),
    ("To what towns have we ever sent bills?", "SELECT DISTINCT town FROM bills"),
    ("Stokers who so far were in charge of no burn",
     "SELECT stoker FROM stokers WHERE stoker NOT IN (SELECT stoker FROM burns)"),
    ("Which kiln had more than 30 burns to do?", "SELECT kiln FROM burns GROUP BY kiln HAVING COUNT(*) > 30"),
    ("How many pieces of tile came out in 2024?",
     "SELECT SUM(pieces) FROM burns WHERE ware = 'tile' AND lit_on BETWEEN '2024-01-01' AND '2024-12-31'"),
    ("All the chalky slips together, how much stock is that?",
     "SELECT SUM(stock) FROM slips WHERE tone = 'chalky'"),
    ("Brauer & Co: what have they been billed so far?",
     "SELECT SUM(total) FROM bills WHERE buyer = 'Brauer & Co'"),
    ("How many times has Ida lit the Dragon?",
     "SELECT COUNT(*) FROM burns WHERE stoker = 'Ida' AND kiln = 'Dragon'"),
    ("Ochsblut is of what tone?", "SELECT tone FROM slips WHERE slip = 'Ochsblut'"),
    ("Which burn was soaked longest?", "SELECT burn FROM burns ORDER BY soak DESC LIMIT 1"),
)  # fmt: skip
__doc__ = (__doc__ or "").replace("{n}", str(len(QUESTIONS)))


@dataclass(frozen=True)
class World:
    path: Path
    catalog: Catalog


def world(path: Path, seed: int) -> World:
    """The pottery's tables as five files would give them."""
    rng = random.Random(seed)
    burns, day = [], date(2022, 1, 8)
    for number in range(1, 181):
        kiln = rng.choices(KILNS[:5], (5, 7, 4, 3, 4))[
            0
        ]  # the Sphinx was never lit, nor did Wiebke light any
        stoker = rng.choices(STOKERS[:6], (6, 5, 4, 3, 2, 1))[0]
        pieces = rng.randint(20, 260)
        heat = rng.randint(960, 1320)
        soak = round(rng.uniform(1.5, 14), 1)
        cull = rng.randint(0, pieces // 8)
        burns.append(
            (
                f"B-{number:03}",
                day.isoformat(),
                kiln[0],
                stoker[0],
                rng.choice(WARES),
                heat,
                soak,
                pieces,
                cull,
            )
        )
        day += timedelta(days=rng.randint(2, 9))
    bills, day = [], date(2022, 2, 1)
    for number in range(1, 141):
        buyer, town = rng.choices(BUYERS, (6, 4, 3, 3, 2, 2, 1, 1))[0]
        pieces = rng.randint(4, 120)
        total = round(pieces * rng.uniform(6, 19), 2)
        state = rng.choices(("paid", "open", "overdue"), (7, 2, 1))[0]
        bills.append(
            (f"R{1000 + number}", buyer, town, day.isoformat(), rng.choice(WARES), pieces, total, state)
        )
        day += timedelta(days=rng.randint(1, 14))
    given = {
        "kilns": (("kiln", "shed", "fuel", "volume (l)", "built"), KILNS),
        "stokers": (("stoker", "crew", "joined"), STOKERS),
        "slips": (("slip", "tone", "quarry", "price (€/kg)", "stock (kg)"), SLIPS),
        "burns": (
            ("burn", "lit on", "kiln", "stoker", "ware", "heat (°C)", "soak (h)", "pieces", "cull"),
            burns,
        ),
        "bills": (("bill no.", "buyer", "town", "sent", "ware", "pieces", "total (€)", "state"), bills),
    }
    with TableStore.open(path) as tables:
        for name, (heads, rows) in given.items():
            columns = tuple(_column(head) for head in heads)
            raw = RawTable(name=name, columns=columns, name_hint=name)
            tables.replace(f"{name}.csv", "1", [(raw, list(enumerate(rows, 2)))], title=name)
        tables.link()
    return World(path, read_catalog(path))


def _column(head: str) -> RawColumn:
    name, _, unit = head.partition(" (")
    return RawColumn(name=name, unit=unit.rstrip(")"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--wordings", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--setting", action="append", default=[], help="KEY=VALUE of loresmith.toml, for training"
    )
    parser.add_argument("--keep", type=Path, help="make the workspace here and leave it")
    parser.add_argument("--adapter", help="of --keep, trained before")
    parser.add_argument("--only", action="append", choices=ARMS, help="repeatable; default: all of them")
    parser.add_argument("--out", type=Path, help="write every answer to this file, as JSON lines")
    options = parser.parse_args()
    arms = options.only or list(ARMS)
    place = nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory()
    with place as folder:
        here = Path(folder)
        here.mkdir(parents=True, exist_ok=True)
        made = world(here / "tables.db", 7)
        trained: dict[str, Any] = {"adapter": options.adapter}
        if any(arm.startswith("both") for arm in arms) and not options.adapter:
            trained = train(here / "w", options, made)
        answers = [row for arms_, model in models(here / "w", options.model, trained["adapter"], arms)
                   for arm in arms_ for row in asked(arm, made, model)]  # fmt: skip
    figures = {arm: summary([row for row in answers if row["arm"] == arm]) for arm in arms}
    print("\narm           right  strict  of   answered   s a question")
    for arm, found in figures.items():
        shown = f"{found['right']:>5}  {found['strict']:>6}  {found['of']}   {found['answered']:>8}"
        print(f"{arm:<12}  {shown}   {found['seconds']:>12}")
    if options.out:
        options.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answers))
    print(json.dumps({"model": options.model, "seed": options.seed, "trained": trained, "arms": figures}))


def models(folder: Path, name: str, adapter: str | None, arms: Sequence[str]) -> Any:
    """(arms that it answers, model): none for code, the untuned, the tuned; each closed before the next."""
    yield [arm for arm in arms if arm == "code"], None
    groups = [("rag", None)] + ([("both", folder / ".loresmith" / "adapters" / adapter)] if adapter else [])
    for prefix, place in groups:
        mine = [arm for arm in arms if arm.startswith(prefix)]
        if mine:
            settings = ModelSection(name=name, threads=1, context_tokens=4096)
            with closing(load_language_model(settings, adapter=place)) as model:
                yield mine, model


def train(folder: Path, options: argparse.Namespace, made: World) -> dict[str, Any]:
    """`loresmith train` on the derived rows, in a process of its own."""
    rows = queries.derived(
        made.path,
        made.catalog,
        DatasetSection(queries=options.rows, wordings=options.wordings, seed=options.seed),
    )
    taken = {normal(row.question) for row in rows}
    assert taken.isdisjoint(normal(question) for question, _ in QUESTIONS)
    with Workspace.create(folder, {"model.name": options.model}) as workspace:
        dataset = store.save(workspace.folder.datasets_dir, rows, {row.id: "train" for row in rows})
    print(f"{len(rows)} rows of {len({row.fact for row in rows})} queries; dataset {dataset.id}", flush=True)
    command = [sys.executable, "-m", "loresmith", "train", "-w", str(folder), "--method", "lora", "--json"]
    command += [part for pair in options.setting for part in ("--set", pair)]
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stdout}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(done.stdout)
    kept = {
        key: result[key]
        for key in ("adapter", "steps", "tokens", "loss", "tokens_per_second", "peak_memory_bytes")
    }
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - clock
    print(
        f"trained: {result['steps']} steps, {result['tokens']:,} tokens, {cpu:.0f} CPU s, {wall:.0f} s",
        flush=True,
    )
    return {**kept, "rows": len(rows), "cpu_seconds": round(cpu), "wall_seconds": round(wall)}


@contextmanager
def unjudged(alone: bool) -> Iterator[None]:
    """No question is withheld from the model."""
    judge = asking.judge.hopeless
    if alone:
        asking.judge.hopeless = lambda *_, **__: ""
    try:
        yield
    finally:
        asking.judge.hopeless = judge


def asked(arm: str, made: World, model: LanguageModel | None) -> list[dict[str, Any]]:
    """Every question, as `ask` answers it."""
    rows = []
    alone = arm in ("rag", "rag short", "both")
    for question, gold in QUESTIONS:
        clock = time.perf_counter()
        with unjudged(alone):
            outcome = asking.ask(
                question,
                made.path,
                made.catalog,
                None if arm == "code" else model,
                ModelSection(name=model.name if model else "none"),
                limit=1000,
                code=not alone,
                threshold=0.0 if alone else None,
                budget=prompt.TUNED_BUDGET if arm.startswith("both") or arm == "rag short" else prompt.BUDGET,
            )
        seconds = time.perf_counter() - clock
        found, wanted = outcome.result, execute(made.path, gold)
        given = list(found.rows) if found else None
        right = given is not None and matching(wanted, given) is not None
        strict = right and (not given or len(given[0]) == len(wanted[0]))
        row = {"arm": arm, "question": question, "gold": gold, "sql": found.sql if found else ""}
        row |= {"right": right, "strict": strict, "answered": found is not None}
        row |= {"by": found.by if found else "", "reason": outcome.reason, "tried": list(outcome.tried)}
        rows.append({**row, "seconds": round(seconds, 3)})
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "right": sum(row["right"] for row in rows),
        "strict": sum(row["strict"] for row in rows),
        "of": len(rows),
        "answered": sum(row["answered"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows) / max(len(rows), 1), 2),
    }


if __name__ == "__main__":
    main()
