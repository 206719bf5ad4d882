"""A small world of tables for the tests of querying: pumps, their maintenance, parts, technicians.

`maintenance_world(folder)` writes `tables.db` in the store's layout and returns (path, catalog); what
a question must come to is computed by the tests from the rows below, in Python. `write` does the same
for any tables: it takes what a reader has typed already, and profiles it.

    pumps(pump, model, site, installed, power, pressure)          from pumps.csv
    maintenance(date, pump, technician, kind, hours, cost, part)  from maintenance.xlsx, sheet Log
    technicians(id, name, team, hired)                            from the database "staff"
    parts(part_no, description, unit_price, stock, supplier)      from parts.csv
    torques(screw, thread, torque)                                from torques.csv
    salaries(name, salary)                                        label "hr": not for everyone
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from loresmith.tables.values import Catalog, Cell, Column, ColumnType, ForeignKey, Table

PUMPS: list[tuple[Cell, ...]] = [
    # pump, model, site, installed, power (kW), pressure (bar)
    ("P-100", "Aqua 40", "Basel", "2015-03-12", 5.5, 6),
    ("P-101", "Aqua 40", "Basel", "2016-07-01", 5.5, 6),
    ("P-200", "Aqua 80", "Köln", "2018-11-23", 11.0, 10),
    ("P-201", "Aqua 80", "Köln", "2019-02-14", 11.0, 10),
    ("P-202", "Hydro X2", "Lyon", "2020-05-05", 15.0, 16),
    ("P-300", "Hydro X2", "Lyon", "2021-09-30", 15.0, 16),
    ("P-301", "Hydro X5", "Köln", "2023-01-09", 22.5, 25),
    ("P-302", "Hydro X5", "Basel", None, 22.5, None),
]
TECHNICIANS: list[tuple[Cell, ...]] = [
    # id, name, team, hired
    (1, "Ann Lee", "Mechanics", "2012-04-01"),
    (2, "Jürgen Weiß", "Mechanics", "2015-09-15"),
    (3, "Aïcha Benali", "Electrics", "2018-01-08"),
    (4, "Tom O'Neill", "Electrics", "2021-06-21"),
    (5, "Rosa Conti", "Hydraulics", "2023-02-01"),
]
PARTS: list[tuple[Cell, ...]] = [
    # part no., description, unit price (€), stock, supplier
    ("00417", "Seal ring 40 mm", 12.5, 140, "Dichtag"),
    ("00418", "Seal ring 80 mm", 19.9, 60, "Dichtag"),
    ("01200", "Ball bearing 6204", 8.4, 0, "Kugel & Co"),
    ("01201", "Ball bearing 6308", 21.75, 35, "Kugel & Co"),
    ("03001", "Gear oil 5 l", 44.0, 12, "Lubra"),
    ("09000", "Impeller", 310.0, 2, "Aqua"),
]
TORQUES: list[tuple[Cell, ...]] = [
    # screw, thread, torque (Nm)
    ("Housing cover", "M8", 25.0),
    ("Motor flange", "M12", 85.5),
    ("Coupling", "M10", 49.0),
    ("Base plate", "M16", 210.0),
]
SALARIES: list[tuple[Cell, ...]] = [("Ann Lee", 70001), ("Jürgen Weiß", 70002), ("CANARY-7788", 70003)]
_KINDS = ("inspection", "seal replacement", "bearing replacement", "oil change")
_PART_OF = {"seal replacement": "00417", "bearing replacement": "01201", "oil change": "03001"}


def _maintenance() -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    day = date(2022, 1, 10)
    for n in range(60):
        pump = str(PUMPS[(n * 5 + n // 7) % 7][0])  # P-302 was never maintained
        technician = str(TECHNICIANS[(n * 3 + n // 4) % 4][1])  # nor did Rosa Conti do anything
        kind = _KINDS[(n * n + n // 3) % 4]
        hours = (n % 9 + 1) / 2
        cost = None if n == 17 else round(80 * hours + 12.35 * (n % 5), 2)
        rows.append((day.isoformat(), pump, technician, kind, hours, cost, _PART_OF.get(kind)))
        day += timedelta(days=17)
    return rows


MAINTENANCE = _maintenance()  # date, pump, technician, kind, hours (h), cost (€), part


def fold(text: str) -> str:
    """As the store folds: casefolded, without accents and punctuation, spaces single."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


@dataclass(frozen=True)
class Given:
    """A table as a test gives it: columns are (name, sql, type, unit)."""

    sql: str
    document: str
    columns: Sequence[tuple[str, str, ColumnType, str]]
    rows: Sequence[Sequence[Cell]]
    name: str = ""
    keys: tuple[str, ...] = ()
    foreign: tuple[ForeignKey, ...] = ()
    sheet: str | None = None
    labels: tuple[str, ...] = ()
    caption: str = ""
    numbered: bool = True


def _column(given: tuple[str, str, ColumnType, str], values: Sequence[Cell]) -> Column:
    name, sql, kind, unit = given
    there = [v for v in values if v is not None]
    counts = Counter(str(v) for v in there)
    short = kind != "text" or all(len(str(v)) <= 40 for v in there)
    places = [len(str(v).partition(".")[2].rstrip("0")) for v in there] if kind == "real" else []
    return Column(
        name=name,
        sql=sql,
        type=kind,
        unit=unit,
        nulls=len(values) - len(there),
        distinct=len(counts),
        low=min(there, default=None) if short else None,  # type: ignore[type-var]
        high=max(there, default=None) if short else None,  # type: ignore[type-var]
        frequent=tuple(v for v, _ in counts.most_common(20)) if kind == "text" else (),
        decimals=max(places, default=0),
        key=len(counts) == len(values) and bool(values),
    )


def write(path: Path, tables: Sequence[Given], version: str = "v1") -> Catalog:
    """The store with these tables, profiled."""
    made = []
    declared = {"integer": "INTEGER", "boolean": "INTEGER", "real": "REAL"}
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE _catalog(document TEXT, version TEXT, sql TEXT PRIMARY KEY, json TEXT)")
        db.execute(
            "CREATE TABLE _values(table_name TEXT, column_name TEXT, value TEXT, folded TEXT, count INTEGER)"
        )
        db.execute("CREATE INDEX _values_folded ON _values(folded)")
        for given in tables:
            table = Table(
                sql=given.sql,
                name=given.name or given.sql,
                document=given.document,
                version=version,
                columns=tuple(
                    _column(column, [row[n] for row in given.rows]) for n, column in enumerate(given.columns)
                ),
                rows=len(given.rows),
                title=given.document,
                sheet=given.sheet,
                labels=given.labels,
                keys=given.keys,
                foreign=given.foreign,
                caption=given.caption,
                numbered=given.numbered,
            )
            made.append(table)
            names = ", ".join(f"{c.sql} {declared.get(c.type, 'TEXT')}" for c in table.columns)
            db.execute(f"CREATE TABLE {table.sql}(_row INTEGER PRIMARY KEY, _place, {names})")
            marks = ", ".join("?" * (len(table.columns) + 2))
            for n, row in enumerate(given.rows, 1):
                place = n + 1 if table.numbered else str(row[0])  # the file's first row is the header
                db.execute(f"INSERT INTO {table.sql} VALUES ({marks})", (n, place, *row))
            for n, column in enumerate(table.columns):
                if column.type == "text":
                    counts = Counter(str(row[n]) for row in given.rows if row[n] is not None)
                    db.executemany(
                        "INSERT INTO _values VALUES (?, ?, ?, ?, ?)",
                        [
                            (table.sql, column.sql, v, fold(v), c)
                            for v, c in sorted(counts.items())
                            if len(v) <= 80
                        ],
                    )
            db.execute(
                "INSERT INTO _catalog VALUES (?, ?, ?, ?)",
                (table.document, version, table.sql, json.dumps(asdict(table), ensure_ascii=False)),
            )
    return Catalog(tuple(made))


MAINTENANCE_WORLD = (
    Given(
        "pumps",
        "pumps.csv",
        [
            ("Pump", "pump", "text", ""),
            ("Model", "model", "text", ""),
            ("Site", "site", "text", ""),
            ("Installed", "installed", "date", ""),
            ("Power", "power", "real", "kW"),
            ("Max. pressure", "max_pressure", "integer", "bar"),
        ],
        PUMPS,
        keys=("pump",),
    ),
    Given(
        "maintenance",
        "maintenance.xlsx",
        [
            ("Date", "date", "date", ""),
            ("Pump", "pump", "text", ""),
            ("Technician", "technician", "text", ""),
            ("Kind of work", "kind_of_work", "text", ""),
            ("Hours", "hours", "real", "h"),
            ("Cost", "cost", "real", "€"),
            ("Part", "part", "text", ""),
        ],
        MAINTENANCE,
        name="Log",
        sheet="Log",
        foreign=(
            ForeignKey(column="pump", to_table="pumps", to_column="pump"),
            ForeignKey(column="technician", to_table="technicians", to_column="name"),
            ForeignKey(column="part", to_table="parts", to_column="part_no"),
        ),
    ),
    Given(
        "technicians",
        "staff/technicians",
        [
            ("id", "id", "integer", ""),
            ("name", "name", "text", ""),
            ("team", "team", "text", ""),
            ("hired", "hired", "date", ""),
        ],
        TECHNICIANS,
        keys=("id",),
        numbered=False,
    ),
    Given(
        "parts",
        "parts.csv",
        [
            ("Part no.", "part_no", "text", ""),
            ("Description", "description", "text", ""),
            ("Unit price", "unit_price", "real", "€"),
            ("Stock", "stock", "integer", ""),
            ("Supplier", "supplier", "text", ""),
        ],
        PARTS,
        keys=("part_no",),
    ),
    Given(
        "torques",
        "torques.csv",
        [
            ("Screw", "screw", "text", ""),
            ("Thread", "thread", "text", ""),
            ("Tightening torque", "tightening_torque", "real", "Nm"),
        ],
        TORQUES,
        keys=("screw",),
    ),
    Given(
        "salaries",
        "hr/salaries.csv",
        [("Name", "name", "text", ""), ("Salary", "salary", "integer", "€")],
        SALARIES,
        keys=("name",),
        labels=("hr",),
    ),
)


def maintenance_world(folder: Path) -> tuple[Path, Catalog]:
    path = folder / "tables.db"
    return path, write(path, MAINTENANCE_WORLD)
