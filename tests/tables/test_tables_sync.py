"""Sync brings tables into the store and takes them out again; killed at any point, the next one heals."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.config import ParsingSection
from loresmith.faults import VARIABLE
from loresmith.parsing import limited, wire
from loresmith.state import State
from loresmith.sync import SyncReport, sync
from loresmith.tables import importing, profile
from loresmith.tables.importing import Importer
from loresmith.tables.store import TableStore, connect, read_catalog
from loresmith.tables.values import Catalog
from loresmith.types import Document
from loresmith.verify import verify
from loresmith.workspace import WorkspaceDir

SYNCING = Path(__file__).parents[1] / "syncing.py"
LOG = "Date;Pump;Hours (h);Cost (€)\n" + "".join(
    f"{n % 28 + 1:02}.03.2024;P-{n % 4};{n},5;1.{n:03},00\n" for n in range(60)
)


VERSION = "V" * 64
TABLE = {
    "name": "t", "columns": [{"name": "a"}], "sheet": None, "caption": "", "key": [], "foreign": [],
    "numbered": True, "name_hint": "",
}  # fmt: skip


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "log.csv").write_text(LOG)
    (folder / "pumps.csv").write_text("Pump,Site\nP-0,Rome\nP-1,Oslo\nP-2,Rome\nP-3,Kiel\n")
    (folder / "note.md").write_text("# Note\n\nThe P-1 pump needs oil every 500 hours.\n")
    return folder


@pytest.fixture
def plant(tmp_path: Path, docs: Path) -> WorkspaceDir:
    return folders.add_sources(folders.create(tmp_path / "plant", {"parsing.workers": 1}), [str(docs)])


def catalog(plant: WorkspaceDir) -> Catalog:
    with State.open(plant.state_path) as state:
        return read_catalog(plant.tables_path, {i.id: i.version for i in state.infos()})


def ask(plant: WorkspaceDir, sql: str) -> Any:
    with closing(connect(plant.tables_path)) as db:
        return db.execute(sql).fetchone()


def counts(report: SyncReport) -> tuple[int, ...]:
    return report.added, report.changed, report.removed, report.unchanged


def text_of(plant: WorkspaceDir, document: str) -> str:
    with State.open(plant.state_path) as state:
        return state.document(document).text


def test_tables_are_there_after_sync_and_follow_their_files(plant: WorkspaceDir, docs: Path) -> None:
    sync(plant, HashEmbedder())
    found = {t.sql: t for t in catalog(plant).tables}
    assert found.keys() == {"log", "pumps"}
    assert [(c.name, c.unit, c.type) for c in found["log"].columns] == [
        ("Date", "", "date"),
        ("Pump", "", "text"),
        ("Hours", "h", "real"),
        ("Cost", "€", "real"),
    ]
    assert [f.to_table for f in found["log"].foreign] == ["pumps"]
    assert ask(plant, "SELECT COUNT(*), SUM(hours), MAX(cost) FROM log") == (60, 1800.0, 1059.0)
    text = text_of(plant, "log.csv")
    assert profile.HEADING in text
    assert "Hours (h), number from 0.5 to 59.5" in text

    assert counts(sync(plant, HashEmbedder())) == (0, 0, 0, 3)
    (docs / "log.csv").write_text(LOG + "01.04.2024;P-1;100,5;2,00\n")
    assert counts(sync(plant, HashEmbedder())) == (0, 1, 0, 2)
    assert ask(plant, "SELECT COUNT(*), SUM(hours) FROM log") == (61, 1900.5)
    (docs / "pumps.csv").unlink()
    sync(plant, HashEmbedder())
    assert [(t.sql, t.foreign) for t in catalog(plant).tables] == [("log", ())]
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ask(plant, "SELECT * FROM pumps")


def test_labels_follow_the_source(plant: WorkspaceDir, docs: Path) -> None:
    sync(plant, HashEmbedder())
    assert len(catalog(plant).visible([]).tables) == 2
    labelled = folders.add_sources(plant, [str(docs)], ["hr"])
    sync(labelled, HashEmbedder())
    assert catalog(plant).visible([]).tables == ()
    assert len(catalog(plant).visible(["hr"]).tables) == 2


def test_a_lost_or_damaged_store_is_noticed_and_made_again(plant: WorkspaceDir) -> None:
    embedder = HashEmbedder()
    sync(plant, embedder)
    assert verify(plant).ok
    with TableStore.open(plant.tables_path) as store:
        store.forget("log.csv")
    problems = verify(plant).problems
    assert [(p.kind, p.where) for p in problems] == [("tables", "log.csv: its tables are missing")]
    assert verify(plant, embedder=embedder, repair=True).ok
    assert ask(plant, "SELECT COUNT(*) FROM log") == (60,)

    plant.tables_path.write_bytes(b"nothing of a database" * 1000)
    assert [p.kind for p in verify(plant).problems] == ["tables"]
    assert verify(plant, embedder=embedder, repair=True).ok
    assert {t.sql for t in catalog(plant).tables} == {"log", "pumps"}

    plant.tables_path.unlink()
    sync(plant, embedder)  # an ordinary sync mends it too
    assert {t.sql for t in catalog(plant).tables} == {"log", "pumps"}


@pytest.mark.parametrize("point", ["tabled:2", "stored"])
def test_killed_at_any_point_the_next_sync_has_every_table(
    plant: WorkspaceDir, docs: Path, point: str
) -> None:
    embedder = HashEmbedder()
    sync(plant, embedder)
    (docs / "log.csv").write_text(LOG + "01.04.2024;P-9;100,5;2,00\n")
    (docs / "parts.csv").write_text("Part;Price\nSeal;1,5\nGear;44,0\n")
    (docs / "pumps.csv").unlink()
    arguments = [sys.executable, str(SYNCING), str(plant.root), embedder.name, str(embedder.dimension), "0"]
    killed = subprocess.run(
        arguments, check=False, stdout=subprocess.DEVNULL, env=os.environ | {VARIABLE: point}
    )
    assert killed.returncode == -signal.SIGKILL
    # Whatever a reader sees now belongs to the state: never a table of a version it does not know.
    with State.open(plant.state_path) as state:
        versions = {i.id: i.version for i in state.infos()}
    assert all(versions[t.document] == t.version for t in catalog(plant).tables)
    sync(plant, embedder)
    assert {t.sql: t.rows for t in catalog(plant).tables} == {"log": 61, "parts": 2}
    assert {t.sql for t in read_catalog(plant.tables_path).tables} == {"log", "parts"}
    assert verify(plant).ok


def test_the_first_rows_of_a_large_table_are_text_and_all_of_them_data(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "big.csv").write_text("id,kind\n" + "".join(f"{n},k{n % 3}\n" for n in range(500)))
    settings = {"parsing.workers": 1, "parsing.rows": 20}
    plant = folders.add_sources(folders.create(tmp_path / "plant", settings), [str(docs)])
    report = sync(plant, HashEmbedder())
    assert [w.reason for w in report.warnings] == [
        "only the first 20 of 500 rows can be found by their words (parsing.rows); questions about the table "
        "count all of them"
    ]
    text = text_of(plant, "big.csv")
    assert "\n19 | k1" in text
    assert "20 | k2" not in text
    assert ask(plant, "SELECT COUNT(*), SUM(id) FROM big") == (500, 124750)


def test_sqlite_and_parquet_files_are_documents_and_tables(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    with closing(sqlite3.connect(docs / "stock.db")) as db, db:
        db.execute("CREATE TABLE parts (no TEXT PRIMARY KEY, name TEXT, price REAL)")
        db.execute("CREATE TABLE moves (part TEXT REFERENCES parts(no), n INTEGER)")
        db.executemany(
            "INSERT INTO parts VALUES (?, ?, ?)", [("007", "Seal ring", 1.5), ("008", "Gear", None)]
        )
        db.executemany("INSERT INTO moves VALUES (?, ?)", [("007", 5), ("007", 6)])
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table({"city": ["Rome", "Oslo"], "n": [1, 2]}), docs / "cities.parquet")
    plant = folders.add_sources(folders.create(tmp_path / "plant", {"parsing.workers": 1}), [str(docs)])
    report = sync(plant, HashEmbedder())
    assert report.failed == ()
    found = {t.sql: t for t in catalog(plant).tables}
    assert found.keys() == {"cities", "parts", "moves"}
    assert found["parts"].keys == ("no",)
    assert [(f.to_table, f.declared) for f in found["moves"].foreign] == [("parts", True)]
    assert found["parts"].locator("007").key == "007"
    assert "no: 007; name: Seal ring; price: 1.5" in text_of(plant, "stock.db")
    assert "city: Oslo; n: 2" in text_of(plant, "cities.parquet")


# --- files that harm their reader -------------------------------------------------------------


def described(path: Path, kind: str) -> Document:
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    return Document(
        id=path.name, source="", uri="", version=version, media_type=kind, title="", text="text", blocks=()
    )


def test_a_file_that_needs_too_much_leaves_a_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.json"
    bomb.write_text("[" + ",".join('{"a":%d,"b":[]}' % n for n in range(400_000)) + "]")  # noqa: UP031
    good = tmp_path / "good.csv"
    good.write_text("a,b\n1,2\n")
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    with TableStore.open(tmp_path / "tables.db") as store:
        with Importer(store, ParsingSection(seconds=0.01)) as importer:
            made = importer.bring_in(described(bomb, "application/json"), str(bomb))
            assert "took longer than 0.01 s" in made.warnings[0]
        settings = ParsingSection()
        with Importer(store, settings) as importer:
            made = importer.bring_in(described(bad, "application/vnd.sqlite3"), str(bad))
            assert "damaged SQLite database" in made.warnings[0]
            assert made.text == "text"
            assert profile.HEADING in importer.bring_in(described(good, "text/csv"), str(good)).text
        # What failed is not tried again within the same limits, and is within others.
        assert store.documents(importing.limits_of(settings)).keys() == {"bad.db", "good.csv"}
    assert [t.sql for t in read_catalog(tmp_path / "tables.db").tables] == ["good"]


def test_a_file_that_changes_meanwhile_is_not_taken_for_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    document = described(path, "text/csv")
    path.write_text("a,b\n1,3\n")
    with TableStore.open(tmp_path / "tables.db") as store, Importer(store, ParsingSection()) as importer:
        made = importer.bring_in(document, str(path))
    assert "changed while it was being read" in made.warnings[0]
    assert read_catalog(tmp_path / "tables.db").tables == ()


def test_a_reader_that_dies_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    start: Callable[..., subprocess.Popen[bytes]] = limited.start
    started: list[subprocess.Popen[bytes]] = []

    def watched(*command: str) -> subprocess.Popen[bytes]:
        started.append(start(*command))
        if len(started) == 1:
            started[0].kill()
            started[0].wait()
        return started[-1]

    monkeypatch.setattr(limited, "start", watched)
    with TableStore.open(tmp_path / "tables.db") as store, Importer(store, ParsingSection()) as importer:
        first = importer.bring_in(described(path, "text/csv"), str(path))
        assert "its tables are not in the data" in first.warnings[0]
        second = importer.bring_in(described(path, "text/csv"), str(path))
        third = importer.bring_in(described(path, "text/csv"), str(path))
    assert second.warnings == third.warnings == ()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


@pytest.mark.parametrize(
    "said",
    [
        b"\x05\x00\x00\x00{nope",
        wire.frame({"version": VERSION}) + wire.frame({"table": {"name": 5, "columns": [{"name": 7}]}}),
        wire.frame({"version": VERSION}) + wire.frame({"table": {"name": "t", "columns": [], "evil": 1}}),
        wire.frame({"version": VERSION}) + wire.frame({"table": TABLE}) + wire.frame({"rows": [[1, "x"]]}),
        wire.frame({"version": VERSION})
        + wire.frame({"table": TABLE})
        + wire.frame({"rows": [[2**70, ["x"]]]}),
        wire.frame({"version": VERSION})
        + wire.frame({"table": TABLE | {"columns": [{"name": "a", "type": "x); --"}]}}),
        wire.frame({"version": VERSION}) + wire.frame({"table": TABLE}),
        wire.frame({"version": "another"}),
    ],
)
def test_whatever_a_reader_that_was_taken_over_says_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    document = described(path, "text/csv")
    answer = tmp_path / "answer"
    answer.write_bytes(said.replace(b"V" * 64, document.version.encode()))

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["cat", str(answer)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr(limited, "start", start)
    with TableStore.open(tmp_path / "tables.db") as store, Importer(store, ParsingSection()) as importer:
        made = importer.bring_in(document, str(path))
    assert made.text == document.text
    assert len(made.warnings) == 1
    assert made.warnings[0].startswith("its tables are not in the data: ")
    assert read_catalog(tmp_path / "tables.db").tables == ()
