"""Whether a question is for the tables: the routing score, fitted and measured.

    python benchmarks/routing.py [--data FOLDER] [--fit]

Questions that the databases answer, against: questions of no database (unanswerable.csv), questions that
sound like the database and that it cannot answer (of these, its third kind), questions about documents
(product documentation, filings), and questions about a manual beside tables of the same machines (below).
Fitted on academic, atis, restaurants, half of the documents' questions and the small world of the tests;
reported also on geography, scholar and the other half. --fit prints the weights of
`loresmith.querying.routing`. Beside the score: how many questions of each kind code plans a query for, those
about documents against every database.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import sql  # noqa: E402
from querying.worlds import maintenance_world  # noqa: E402

from loresmith.querying import routing  # noqa: E402
from loresmith.querying.linking import link  # noqa: E402
from loresmith.querying.understand import plans  # noqa: E402
from loresmith.tables.store import connect  # noqa: E402

OF_TABLES = """How many pumps are there?
How many hours did Ann Lee work on P-200 in 2023?
What is the average cost of a seal replacement per site?
Which pumps are in Köln and have a power above 10 kW?
Total hours per technician in March 2023
Price of Gear oil 5 l
Which pump has the highest max. pressure?
List parts with a stock below 20
What is the tightening torque of the motor flange?
Which technician did the most inspections?
What is the most expensive part?
When was the last inspection of P-100?
How much did the maintenance of P-300 cost in 2024?
Who repaired P-202 most often?
What share of the hours was spent on inspections?
Which pumps had no maintenance in 2024?
Wie viele Pumpen stehen in Köln?
Welche Pumpe hat die höchste Leistung?
Wie hoch ist der Preis von Gear oil 5 l?
Combien de pompes y a-t-il ?""".splitlines()
OF_MANUALS = """How do I replace the seal ring of a pump?
Why does the pump vibrate?
What is the maximum permissible temperature of the oil?
Which oil does the manual recommend for the gear?
How often must a pump be inspected?
What are the steps of an oil change?
What should be checked during an inspection?
Who wrote the maintenance manual?
What safety equipment is required for maintenance work?
When must the bearing be replaced?
What does error E-14 mean?
How is the Hydro X2 installed?
What is the warranty period of the Aqua 80?
Is the pump suitable for hot water?
What is the function of the impeller?
What must be done before the pump is started?
Which standard applies to the seal?
Can the Aqua 40 run dry?
How should parts be stored?
What does the technician have to wear?
Explain how the coupling is aligned.
Wie wird die Pumpe entlüftet?
Was bedeutet der Fehler E-14?
Warum muss die Dichtung gewechselt werden?
Comment remplacer le joint de la pompe ?""".splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=sql.DATA.parent)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    asked = {split: rows(options.data, split) for split in ("dev", "test")}
    if options.fit:
        fit(asked["dev"])
    print(json.dumps({split: report(found) for split, found in asked.items()}, indent=1))


Row = tuple[str, dict[str, float], bool, str, list[bool]]


def rows(data: Path, split: str) -> list[Row]:
    """(kind, signals, whether tables answer it, question, whether code plans a query: by database)."""
    found = []
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        worlds = {}
        for name in sql.SPLITS[split]:
            database = sql.load(data / "sql" / f"{name}.sql", Path(folder))
            worlds[name] = (database.catalog, stack.enter_context(closing(connect(database.path))))
        names = list(worlds)

        def add(kind: str, question: str, world: str, of_tables: bool) -> None:
            catalog, connection = worlds[world]
            links = link(question, catalog, connection)
            planned = [bool(plans(question, links, catalog))]
            if kind == "documents":
                others = [worlds[name] for name in names if name != world]
                planned += [bool(plans(question, link(question, c, at), c)) for c, at in others]
            found.append((kind, dict(routing.signals(question, links)), of_tables, question, planned))

        for q in sql.read(data / "sql" / "questions.csv", names):
            add("answerable", q.text, q.database, True)
        with open(data / "sql" / "unanswerable.csv", encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file)):
                own = row["db_name"] in names
                if row["query_category"] != "cat_c":
                    add(
                        "elsewhere",
                        row["question"],
                        row["db_name"] if own else names[number % len(names)],
                        False,
                    )
                elif own:
                    add("missing", row["question"], row["db_name"], False)
        documents = [
            r["question"] for r in json.loads((data / "product-docs" / "questions.json").read_text())
        ]
        with open(data / "filings" / "questions.jsonl", encoding="utf-8") as file:
            documents += [json.loads(line)["question"] for line in file]
        random.Random(1).shuffle(documents)
        half = len(documents) // 2
        for number, question in enumerate(documents[:half] if split == "dev" else documents[half:]):
            add("documents", question, names[number % len(names)], False)
        if split == "dev":
            path, catalog = maintenance_world(Path(folder))
            worlds["maintenance"] = (catalog, stack.enter_context(closing(connect(path))))
            for question in OF_TABLES:
                add("beside a manual", question, "maintenance", True)
            for question in OF_MANUALS:
                add("manual", question, "maintenance", False)
    return found


def fit(found: list[Row]) -> None:
    from sklearn.linear_model import LogisticRegression

    names = list(found[0][1])
    model = LogisticRegression(C=3, class_weight="balanced").fit(
        [[s[n] for n in names] for _, s, *_ in found], [of_tables for _, _, of_tables, *_ in found]
    )
    weights = {name: round(float(w), 2) for name, w in zip(names, model.coef_[0], strict=True)}
    print("WEIGHTS =", json.dumps(weights), "BIAS =", round(float(model.intercept_[0]), 2))
    routing.WEIGHTS, routing.BIAS = weights, round(float(model.intercept_[0]), 2)


def report(found: list[Row]) -> dict[str, object]:
    scored = [(routing.score(s), of_tables, kind, q) for kind, s, of_tables, q, _ in found]
    of = [p for p, yes, _, _ in scored if yes]
    others = [p for p, yes, _, _ in scored if not yes]
    auc = sum((a > b) + (a == b) / 2 for a in of for b in others) / (len(of) * len(others))
    kinds = list(dict.fromkeys(kind for _, _, kind, _ in scored))
    taken = {
        str(limit): {
            k: round(_share([p >= limit for p, _, kind, _ in scored if kind == k]), 3) for k in kinds
        }
        for limit in (0.3, 0.5, 0.7)
    }
    worst = sorted(((round(p, 2), q) for p, yes, _, q in scored if not yes), reverse=True)[:8]
    missed = sorted((round(p, 2), q) for p, yes, _, q in scored if yes)[:8]
    asked = {k: [p for kind, *_, planned in found if kind == k for p in planned] for k in kinds}
    return {
        "auc": round(auc, 3),
        "questions": len(scored),
        "taken": taken,
        "planned by code": {k: f"{sum(planned)} of {len(planned)}" for k, planned in asked.items()},
        "planned documents": [q for kind, _, _, q, planned in found if kind == "documents" and any(planned)],
        "worst": worst,
        "missed": missed,
    }


def _share(found: list[bool]) -> float:
    return sum(found) / len(found) if found else math.nan


if __name__ == "__main__":
    main()
