"""Questions to a table of a million rows: right, how long, how much memory; beside DuckDB.

Part of benchmarks/tables.py, which makes the table. Each question is a plan that goes the whole way: to
SQL, checked, run, its result told with the rows it rests on. DuckDB gets the same statement, where need
be in its own words, on its own import of the same file, one thread, in the same run.
"""

from __future__ import annotations

import resource
import time
from contextlib import closing
from pathlib import Path
from typing import Any

SITES = ("Basel", "Köln", "Lyon", "Porto", "Turin")
PUMPS = 2000


def site(pump: int) -> str:
    return SITES[pump * 7 % 11 % len(SITES)]


def plans() -> dict[str, tuple[Any, str]]:
    """Name -> plan and DuckDB's statement (None: the same)."""
    from loresmith.querying.plan import Condition, Having, Measure, Order, Plan, Ref

    def r(column: str) -> Any:
        return Ref("log", column)

    at = Ref("pumps", "site")
    count, hours, cost = Measure("count"), Measure("sum", r("hours")), Measure("sum", r("cost"))
    in_2020 = Condition(r("date"), "=", ("2020",))
    done = Measure("count", None, (Condition(r("done"), "=", ("yes",)),))
    yes = "CASE WHEN done THEN 1 ELSE 0 END"
    return {
        "count": (Plan("log", measures=(count,)), "SELECT count(*) FROM log"),
        "sum by group": (
            Plan("log", measures=(hours,), group=(r("kind"),), order=(Order(r("kind")),)),
            "SELECT kind, sum(hours) FROM log GROUP BY kind ORDER BY kind",
        ),
        "distinct": (
            Plan("log", measures=(Measure("count_distinct", r("pump")),)),
            "SELECT count(DISTINCT pump) FROM log",
        ),
        "filter by date": (
            Plan("log", measures=(cost, count), where=(in_2020,)),
            "SELECT sum(cost), count(*) FROM log WHERE date BETWEEN '2020-01-01' AND '2020-12-31'",
        ),
        "join to a small table": (
            Plan("log", measures=(hours,), group=(at,), order=(Order(at),)),
            "SELECT site, sum(hours) FROM log JOIN pumps USING (pump) GROUP BY site ORDER BY site",
        ),
        "top 10 rows": (
            Plan("log", show=(r("job"), r("cost")), order=(Order(r("cost"), True), Order(r("job"))),
                 limit=10),
            "SELECT job, cost FROM log ORDER BY cost DESC, job LIMIT 10",
        ),
        "top 10 groups": (
            Plan("log", measures=(cost,), group=(r("pump"),), order=(Order(cost, True),), limit=10),
            "SELECT pump, sum(cost) FROM log GROUP BY pump ORDER BY 2 DESC LIMIT 10",
        ),
        "average by year": (
            Plan("log", measures=(Measure("avg", r("hours")),), group=(r("date"),), period="year"),
            "SELECT year(date), avg(hours) FROM log GROUP BY 1 ORDER BY 1",
        ),
        "share": (
            Plan("log", measures=(done, count), ratio=True, percent=True),
            f"SELECT 100.0 * sum({yes}) / count(*) FROM log",
        ),
        "one row": (
            Plan("log", show=(r("technician"),), where=(Condition(r("job"), "=", ("J-0000777",)),)),
            "SELECT technician FROM log WHERE job = 'J-0000777'",
        ),
        "groups above a figure": (
            Plan("log", show=(r("technician"),), measures=(count,), group=(r("technician"),),
                 having=(Having(count, ">", 1000),), order=(Order(r("technician")),)),
            "SELECT technician, count(*) FROM log GROUP BY 1 HAVING count(*) > 1000 ORDER BY 1",
        ),
        "highest": (
            Plan("log", measures=(Measure("max", r("cost")),), where=(in_2020,)),
            "SELECT max(cost) FROM log WHERE date BETWEEN '2020-01-01' AND '2020-12-31'",
        ),
        "rows of another table with": (
            Plan("pumps", measures=(count,), where=(Condition(r("cost"), ">", (8999,)),)),
            "SELECT count(*) FROM pumps WHERE pump IN (SELECT pump FROM log WHERE cost > 8999)",
        ),
    }  # fmt: skip


def measure(path: Path, duck: Path) -> dict[str, Any]:
    """Ask everything; run in a child so that its memory is its own.

    Args:
        path: of the store, with the large table.  duck: of DuckDB's database of the same file.
    """
    from loresmith.querying.check import check
    from loresmith.querying.execute import execute
    from loresmith.querying.plan import to_sql
    from loresmith.querying.result import result, sentences
    from loresmith.tables.store import TableStore, read_catalog
    from loresmith.tables.values import RawColumn, RawTable

    with TableStore.open(path) as store:
        raw = RawTable(name="pumps", columns=(RawColumn(name="Pump"), RawColumn(name="Site")), key=("Pump",))
        rows = [(n + 1, [f"P-{n:04}", site(n)]) for n in range(PUMPS)]
        store.replace("pumps.csv", "v", [(raw, rows)])
        store.link()
    catalog = read_catalog(path)
    asked: dict[str, dict[str, Any]] = {}
    warm = check("SELECT 1", catalog)
    execute(path, warm, catalog)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found = {}
    for name, (plan, _) in plans().items():
        clock, cpu = time.perf_counter(), time.process_time()
        checked = check(to_sql(plan, catalog), catalog)
        understood = time.perf_counter() - clock
        got = execute(path, checked, catalog)
        ran, query_cpu = time.perf_counter() - clock, time.process_time() - cpu
        made = result(path, checked, got, catalog, by="code", limit=100)
        said = sentences("", made, catalog, "en")
        found[name] = got.rows
        asked[name] = {
            "check_s": round(understood, 3),
            "query_s": round(ran - understood, 3),
            "query_cpu_s": round(query_cpu, 3),
            "whole_s": round(time.perf_counter() - clock, 3),
            "whole_cpu_s": round(time.process_time() - cpu, 3),
            "rows_it_rests_on": [table.total for table in made.basis],
            "says": said[0].text[:120] if said else "",
        }
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for name, seconds, cpu, rows_there in _beside(duck):
        asked[name]["duckdb_s"], asked[name]["duckdb_cpu_s"] = round(seconds, 3), round(cpu, 3)
        asked[name]["same"] = _same(found[name], rows_there)
    return {"memory_mb": memory, "memory_before_mb": before, "questions": asked}


def _beside(duck: Path) -> list[tuple[str, float, float, list[tuple[Any, ...]]]]:
    import duckdb

    answers = []
    with closing(duckdb.connect(str(duck), config={"threads": 1})) as db:
        columns = [row[0] for row in db.execute("DESCRIBE log").fetchall()]
        names = ("job", "date", "pump", "technician", "kind", "hours", "cost", "done")
        plain = ", ".join(f'"{c}" AS {n}' for c, n in zip(columns, names, strict=True))
        db.execute(f"CREATE TABLE plain AS SELECT {plain} FROM log")
        db.execute("DROP TABLE log")
        db.execute("ALTER TABLE plain RENAME TO log")
        db.execute("CREATE TABLE pumps(pump VARCHAR, site VARCHAR)")
        db.executemany("INSERT INTO pumps VALUES (?, ?)", [(f"P-{n:04}", site(n)) for n in range(PUMPS)])
        for name, (_, sql) in plans().items():
            clock, cpu = time.perf_counter(), time.process_time()
            rows = db.execute(sql).fetchall()
            answers.append((name, time.perf_counter() - clock, time.process_time() - cpu, rows))
    return answers


def _same(ours: Any, theirs: Any) -> bool:
    """The same rows; figures to twelve digits, since sums of floats depend on their order."""

    def plain(cell: Any) -> Any:
        return f"{float(cell):.12g}" if isinstance(cell, int | float) else str(cell)

    return [[plain(c) for c in row] for row in ours] == [[plain(c) for c in row] for row in theirs]
