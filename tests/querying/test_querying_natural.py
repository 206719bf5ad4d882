"""Questions as employees type them, over a shop's files that were really read: the right rows, or nothing."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.config import ModelSection
from loresmith.querying.ask import ask
from loresmith.querying.linking import link
from loresmith.querying.plan import to_sql
from loresmith.querying.understand import plans
from loresmith.state import State
from loresmith.sync import sync
from loresmith.tables.store import connect, read_catalog
from loresmith.tables.values import Catalog

World = tuple[Catalog, sqlite3.Connection]

BIKES = [(f"B-{n:03}", ("City", "Cargo", "E-bike")[n % 3], 400 + 35 * n, n % 5 != 0) for n in range(1, 13)]
PEOPLE = [
    (1001, "Ann", "Vos", "1961-04-02", "2020-05-01", "Leiden", "ann@vos.example", "06-1"),
    (1002, "Bert", "de Wit", "1988-11-20", "2018-02-11", "Haarlem", "", "06-2"),
    (1003, "Cora", "Smit", "1955-01-30", "2023-08-09", "Leiden", "cora@smit.example", ""),
    (1004, "Daan", "Bos", "2001-07-07", "2021-01-15", "Gouda", "", "06-4"),
]
MECHANICS = ("Sanne Kok", "Willem Prins")


def _rentals() -> list[tuple[object, ...]]:
    chance, found = random.Random(5), []
    for n in range(80):
        start = date(2025, 1, 3) + timedelta(days=4 * n)
        status = ("done", "done", "done", "cancelled", "booked")[n % 5]
        back = "" if n % 9 == 0 else str(start + timedelta(days=1 + n % 6))
        price = round(12.5 * (1 + n % 6) + chance.random(), 2)
        bike, person = BIKES[(n * 7) % 11][0], PEOPLE[n % 4][0]
        found.append(
            (f"R{n:03}", bike, person, str(start), 1 + n % 6, price, back, status, "no" if n % 4 else "yes")
        )
    return found  # fmt: skip


RENTALS = _rentals()
WORKSHOP = [
    (f"J{n:02}", BIKES[n % 6][0], str(date(2025, 1, 20) + timedelta(days=9 * n)), MECHANICS[n % 3 == 0],
     ("Brakes", "Tyre", "Chain", "Brakes")[n % 4], 20.0 + n, 15 + 5 * (n % 7))
    for n in range(30)
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    docs = tmp_path_factory.mktemp("docs")

    def write(name: str, head: str, rows: list[tuple[object, ...]]) -> None:
        (docs / name).write_text(
            "\n".join([head, *(";".join(map(str, row)) for row in rows)]), encoding="utf-8"
        )

    service = [(*row[:3], "yes" if row[3] else "no") for row in BIKES]
    write("bikes.csv", "bike_id;type;purchase_price_eur;in_service", service)
    write("customers.csv", "customer_no;first_name;last_name;dob;joined;town;e-mail;phone", list(PEOPLE))
    head = "rental_no;bike_id;customer_no;start_date;days;price_eur;returned_on;status;paid"
    write("rentals.csv", head, RENTALS)
    write("workshop.csv", "job;bike_id;date;mechanic;work;parts_eur;duration_min", list(WORKSHOP))
    folder = folders.create(tmp_path_factory.mktemp("shop") / "plant", {"parsing.workers": 1})
    folder = folders.add_sources(folder, [str(docs)])
    report = sync(folder, HashEmbedder())
    assert not report.failed
    with State.open(folder.state_path) as state:
        catalog = read_catalog(folder.tables_path, {i.id: i.version for i in state.infos()})
    with closing(connect(folder.tables_path)) as connection:
        yield catalog, connection


def asked(question: str, shop: World) -> list[tuple[object, ...]] | None:
    """The rows of what a question means; None where code is not sure of it, or reads it in two ways."""
    catalog, connection = shop
    found = [
        connection.execute(to_sql(plan, catalog)).fetchall()
        for plan in plans(question, link(question, catalog, connection), catalog)
    ]
    return found[0] if found and all(rows == found[0] for rows in found) else None


def in_month(month: str) -> list[tuple[object, ...]]:
    return [r for r in RENTALS if str(r[3]).startswith(month)]


def total(rows: list[tuple[object, ...]], column: int) -> float:
    return sum(float(str(row[column])) for row in rows)


def test_figures(shop: World) -> None:
    july = in_month("2025-07")
    spring = [r for r in RENTALS if "2025-04" <= str(r[3]) < "2025-07"]
    expected: dict[str, float] = {
        "How many rentals in July 2025?": len(july),
        "Total price of rentals in July 2025": total(july, 5),
        "What was the highest rental price?": max(float(str(r[5])) for r in RENTALS),
        "How many rentals are done?": sum(r[7] == "done" for r in RENTALS),
        "How many rentals were cancelled?": sum(r[7] == "cancelled" for r in RENTALS),
        "how many bikes do we own": len(BIKES),
        "How long does a job take on average?": total(WORKSHOP, 6) / len(WORKSHOP),
        "How many rentals in the second quarter of 2025?": len(spring),
        "How many customers were born before 1970?": 2,
        "How many jobs did Sanne Kok do?": sum(j[3] == "Sanne Kok" for j in WORKSHOP),
        "How many rentals did Bert de Wit have?": sum(r[2] == 1002 for r in RENTALS),
    }
    for question, wanted in expected.items():
        found = asked(question, shop)
        assert found is not None, question
        assert found[0][0] == pytest.approx(wanted), question


def test_rows(shop: World) -> None:
    def first(question: str) -> set[object]:
        found = asked(question, shop)
        assert found is not None, question
        return {row[0] for row in found}

    assert first("Which customers have no email address?") == {"Bert", "Daan"}
    assert first("Who is the youngest customer?") == {"Daan"}  # by birth, not by when he joined
    assert first("Which customer has the earliest DOB?") == {"Cora"}
    assert first("Which rentals are done but not paid yet?") == {
        r[0] for r in RENTALS if r[7] == "done" and r[8] == "no"
    }
    assert first("rentals without returned on") == {r[0] for r in RENTALS if not r[6]}
    assert first("Which job took longest?") <= {j[0] for j in WORKSHOP if j[6] == 45}
    assert first("What is the most common work?") == {"Brakes"}
    busy = Counter(str(r[3])[:7] for r in RENTALS).most_common(1)[0][1]
    ((_, most),) = asked("In which month were most rentals?", shop) or [(None, None)]
    assert most == busy
    assert dict(asked("rentals per month in 2025", shop) or ()) == Counter(str(r[3])[:7] for r in RENTALS)
    costs = Counter[object]()
    for rental in RENTALS:
        costs[rental[1]] += float(str(rental[5]))
    best = max(costs, key=lambda bike: costs[bike])
    assert first("Which bike had the highest total rental price?") == {best}


def test_every_result_is_said_with_its_figures(shop: World) -> None:
    catalog, connection = shop
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    for question in ("average duration per mechanic", "average price per bike", "average parts by work"):
        found = ask(question, path, catalog, None, ModelSection())
        assert found.result is not None, question
        (sentence,) = found.sentences
        told = [float(n) for n in re.findall(r": (\d+(?:\.\d+)?) ", sentence.text)]
        shown = found.result.rows[: len(told)]
        assert told
        assert told == pytest.approx([row[-1] for row in shown], abs=0.01), sentence.text
        assert sentence.citations


@pytest.mark.parametrize(
    "question",
    [
        "What is Sanne Kok's phone number?",  # nobody knows it; the customers' is another
        "Which bikes were stolen in 2025?",
        "Who complained most?",
        "How many bikes are currently rented?",  # now, or ever
        "What is the margin of the rentals?",
        "How many rentals were late?",
    ],
)
def test_what_is_not_in_the_tables_is_not_made_up(question: str, shop: World) -> None:
    assert asked(question, shop) is None
