"""Tables at size: one million rows from a CSV file into the store, and questions put to them.

    python benchmarks/tables.py [--rows 1000000] [--json FILE]

The file is made here (seeded), so that what every sum must come to is known. Import: the whole way that
`sync` goes (limited process, types decided a column at a time, profile, values index), its rows a second
and the memory of both processes beside that of a file of a tenth of the rows; beside it DuckDB's
`read_csv` of the same file, which does neither.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

KINDS = ("inspection", "repair", "oil change", "replacement", "cleaning")
HEADER = ("Job", "Date", "Pump", "Technician", "Kind", "Hours (h)", "Cost (€)", "Done")
PUMPS, TECHNICIANS = 2000, 40


def make(path: Path, rows: int) -> dict[str, Any]:
    """Write the file; returns what is in it, counted while writing."""
    rng = random.Random(7)
    first = date(2015, 1, 1)
    cents = tenths = done = 0
    by_kind = dict.fromkeys(KINDS, 0)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(HEADER) + "\n")
        for n in range(rows):
            kind = KINDS[rng.randrange(len(KINDS))]
            hour, cost, yes = rng.randrange(5, 400), rng.randrange(100, 900_000), rng.random() < 0.9
            day = first + timedelta(days=rng.randrange(4000))
            file.write(
                f"J-{n:07},{day},P-{rng.randrange(PUMPS):04},Technician {rng.randrange(TECHNICIANS)},{kind},"
                f"{hour / 10},{cost / 100:.2f},{'yes' if yes else 'no'}\n"
            )
            tenths, cents, done = tenths + hour, cents + cost, done + yes
            by_kind[kind] += 1
    return {"rows": rows, "hours": tenths / 10, "cost": cents / 100, "done": done, "kinds": by_kind}


def bring_in(path: Path, store_path: Path) -> dict[str, Any]:
    """Import in this process, as sync does; run in a child so that its memory is its own."""
    from loresmith.config import ParsingSection
    from loresmith.tables.importing import Importer
    from loresmith.tables.store import TableStore
    from loresmith.types import Document

    with open(path, "rb") as file:
        version = hashlib.file_digest(file, "sha256").hexdigest()
    document = Document(
        id=path.name, source="", uri="", version=version, media_type="text/csv", title="", text="", blocks=()
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, cpu = time.perf_counter(), time.process_time()
    with TableStore.open(store_path) as store, Importer(store, ParsingSection()) as importer:
        described = importer.bring_in(document, str(path))
        store.link()
    return {
        "seconds": round(time.perf_counter() - clock, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "memory_before_mb": before // 1024,
        "reader_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "store_mb": store_path.stat().st_size >> 20,
        "warnings": list(described.warnings),
    }


def duck(path: Path) -> dict[str, Any]:
    """DuckDB's own import of the same file."""
    import duckdb

    clock, cpu = time.perf_counter(), time.process_time()
    with closing(duckdb.connect(str(path.with_suffix(".duckdb")), config={"threads": 1})) as db:
        db.execute(f"CREATE TABLE log AS SELECT * FROM read_csv('{path}')")
        count = db.execute("SELECT count(*) FROM log").fetchone()
    return {
        "seconds": round(time.perf_counter() - clock, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "rows": count[0] if count else 0,
    }


def check(store_path: Path, known: dict[str, Any]) -> list[str]:
    """What does not come to what was written."""
    from loresmith.tables.store import connect, read_catalog

    table = read_catalog(store_path).tables[0]
    with closing(connect(store_path)) as db:
        count, hours, cost, done = db.execute(
            f"SELECT COUNT(*), SUM(hours), SUM(cost), SUM(done) FROM {table.sql}"
        ).fetchone()
        kinds = dict(db.execute(f"SELECT kind, COUNT(*) FROM {table.sql} GROUP BY kind").fetchall())
    wrong = []
    for name, is_, must in (
        ("rows", count, known["rows"]),
        ("hours", round(hours, 1), round(known["hours"], 1)),
        ("cost", round(cost, 2), round(known["cost"], 2)),
        ("done", done, known["done"]),
        ("kinds", kinds, known["kinds"]),
    ):
        if is_ != must:
            wrong.append(f"{name}: {is_!r} instead of {must!r}")
    return wrong


def in_a_child(step: str, path: Path, store_path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--step", step, "--file", str(path), "--store", str(store_path)],
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = folder / "small.csv", folder / "log.csv"
        make(small, max(1000, rows // 10))
        known = make(large, rows)
        tenth = in_a_child("import", small, folder / "small.db")
        whole = in_a_child("import", large, folder / "tables.db")
        report: dict[str, Any] = {
            "rows": rows,
            "file_mb": large.stat().st_size >> 20,
            "import": {**whole, "rows_per_second": round(rows / whole["seconds"])},
            "import_of_a_tenth": tenth,
            "wrong": check(folder / "tables.db", known),
            "duckdb_read_csv": in_a_child("duckdb", large, folder / "tables.db"),
            "queries": in_a_child("queries", large, folder / "tables.db"),
        }
        return report


def step(name: str, path: Path, store_path: Path) -> dict[str, Any]:
    if name == "import":
        return bring_in(path, store_path)
    if name == "duckdb":
        return duck(path)
    import table_queries

    return table_queries.measure(store_path, path.with_suffix(".duckdb"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", choices=("import", "duckdb", "queries"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(step(given.step, given.file, given.store)))
        return
    report = measure(given.rows)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
