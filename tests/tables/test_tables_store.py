"""The store: what goes in comes out typed and counted, in one transaction, for readers who only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loresmith.errors import StorageError
from loresmith.tables.store import MAX_COLUMNS, TableStore, connect, damage, lookup, read_catalog
from loresmith.tables.values import Catalog, ForeignKey, RawColumn, RawRow, RawTable, Table


def raw(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], **more: Any
) -> tuple[RawTable, list[RawRow]]:
    table = RawTable(name=name, columns=tuple(RawColumn(name=c) for c in columns), **more)
    return table, [(n, row) for n, row in enumerate(rows, 2)]


PUMPS = raw(
    "pumps",
    ["Pump", "Site", "Power (kW)"],
    [["P-1", "Köln", "5,5"], ["P-2", "Rome", "11"], ["P-3", "Rome", "7"]],
)
LOG = raw(
    "log",
    ["Date", "Pump", "Hours (h)", "Done"],
    [
        ["01.02.2024", "P-1", "1,5", "ja"],
        ["31.12.2024", "P-2", "2,25", "nein"],
        ["31.12.2024", "P-2", "", "ja"],
    ],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tables.db"


@pytest.fixture
def store(path: Path) -> Iterator[TableStore]:
    with TableStore.open(path) as opened:
        yield opened


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(connect(path)) as db:
        return db.execute(sql).fetchall()


def test_rows_are_typed_and_their_columns_described(store: TableStore, path: Path) -> None:
    (table,), warnings = store.replace(
        "docs/log.csv", "v1", [LOG], title="Log", labels=["b", "a", "a"], modified=5.0
    )
    assert warnings == []
    assert (table.sql, table.document, table.version, table.rows) == ("log", "docs/log.csv", "v1", 3)
    assert (table.labels, table.title, table.modified) == (("a", "b"), "Log", 5.0)
    date, pump, hours, done = table.columns
    assert (date.type, date.low, date.high, date.distinct) == ("date", "2024-02-01", "2024-12-31", 2)
    assert (pump.frequent, pump.nulls, pump.key) == (("P-2", "P-1"), 0, False)
    assert (hours.name, hours.sql, hours.unit, hours.type) == ("Hours", "hours", "h", "real")
    assert (hours.low, hours.high, hours.nulls, hours.decimals) == (1.5, 2.25, 1, 2)
    assert done.type == "boolean"
    assert read_catalog(path).tables == (table,)
    assert ask(path, "SELECT _row, _place, date, hours, done FROM log") == [
        (1, 2, "2024-02-01", 1.5, 1),
        (2, 3, "2024-12-31", 2.25, 0),
        (3, 4, "2024-12-31", None, 1),
    ]


def test_a_document_is_replaced_whole_and_other_versions_do_not_count(store: TableStore, path: Path) -> None:
    store.replace("a.csv", "v1", [LOG, PUMPS])
    store.replace("b.csv", "v1", [PUMPS])
    assert [t.sql for t in read_catalog(path).tables] == ["log", "pumps", "pumps_2"]
    store.replace("a.csv", "v2", [PUMPS])
    assert [(t.sql, t.version) for t in read_catalog(path).tables] == [("pumps", "v2"), ("pumps_2", "v1")]
    assert [t.sql for t in read_catalog(path, {"a.csv": "v1", "b.csv": "v1"}).tables] == ["pumps_2"]
    assert {name for (name,) in ask(path, "SELECT DISTINCT table_name FROM _values")} == {"pumps", "pumps_2"}
    store.forget("a.csv")
    assert [t.sql for t in read_catalog(path).tables] == ["pumps_2"]
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ask(path, "SELECT * FROM pumps")


def test_an_error_while_rows_come_changes_nothing(store: TableStore, path: Path) -> None:
    store.replace("a.csv", "v1", [LOG])

    def breaks() -> Iterator[RawRow]:
        yield 2, ["01.02.2024", "P-1", "1", "ja"]
        raise ValueError("the reader died")

    with pytest.raises(ValueError, match="died"):
        store.replace("a.csv", "v2", [(LOG[0], breaks())])
    assert [(t.version, t.rows) for t in read_catalog(path).tables] == [("v1", 3)]
    assert ask(path, "SELECT COUNT(*) FROM log") == [(3,)]


def test_names_are_unique_and_never_quoted(store: TableStore, path: Path) -> None:
    odd = raw(
        'order"; DROP TABLE _catalog; --',
        ["Value", "Value", "Torque (Nm)", "Torque (lb ft)", "select", "", "_row", "2024", "日期"],
        [["1", "2", "3", "4", "5", "6", "7", "8", "9"]],
    )
    (table,), _ = store.replace("x.csv", "v1", [odd])
    assert table.sql == "order_drop_table_catalog"
    assert [c.sql for c in table.columns] == [
        *("value", "value_2", "torque_nm", "torque_lb_ft", "select_", "column_6", "row", "y2024", "日期"),
    ]
    assert ask(path, f"SELECT {', '.join(c.sql for c in table.columns)} FROM {table.sql}") == [
        tuple(range(1, 10))
    ]


def test_values_are_found_folded_and_only_in_the_catalog(store: TableStore, path: Path) -> None:
    store.replace("a.csv", "v1", [PUMPS], labels=["hr"])
    store.replace("b.csv", "v1", [raw("cities", ["City", "n"], [["KÖLN", "1"], ["Oslo", "2"]])])
    catalog = read_catalog(path)
    with closing(connect(path)) as db:
        hits = lookup(db, ["koln", "rome", "nowhere"], catalog)
        assert [(h.table, h.column, h.value, h.count) for h in hits] == [
            ("cities", "city", "KÖLN", 1),
            ("pumps", "site", "Köln", 1),
            ("pumps", "site", "Rome", 2),
        ]
        assert [h.table for h in lookup(db, ["koln"], catalog.visible([]))] == ["cities"]
        assert lookup(db, ["koln"], Catalog()) == []


def test_many_different_values_are_counted_without_holding_them(
    store: TableStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loresmith.tables.loading._COUNTED", 100)
    rows = [[f"C-{n % 7000}", n % 3000, "x" * (100 if n % 2 else 3)] for n in range(9000)]
    (table,), _ = store.replace("big.csv", "v1", [raw("big", ["code", "n", "note"], rows)])
    code, n, note = table.columns
    assert (code.distinct, code.low, code.high, code.nulls) == (7000, "C-0", "C-999", 0)
    assert (n.distinct, n.low, n.high) == (3000, 0, 2999)
    assert code.frequent[:2] == ("C-0", "C-1")
    assert (note.distinct, note.low, note.frequent) == (2, None, ("xxx",))
    assert ask(path, "SELECT COUNT(*), SUM(count) FROM _values WHERE column_name = 'code'") == [(7000, 9000)]


def test_keys_declared_and_found(store: TableStore, path: Path) -> None:
    staff = raw("technicians", ["id", "name"], [[1, "Ann"], [2, "Bob"], [3, "Cid"], [4, "Dee"]])
    jobs = raw(
        "jobs",
        ["job", "technician_id", "pump", "n"],
        [["J1", 1, "P-1", 1], ["J2", 3, "P-2", 2], ["J3", None, None, 3]],
    )
    other = raw("other", ["technician_id", "pump"], [[1, "P-1"], [9, "P-9"]])
    declared = raw(
        "orders", ["no", "job"], [["1", "J1"], ["2", "J9"]], key=("no",), foreign=(("job", "jobs", "job"),)
    )
    store.replace("a.csv", "v1", [staff])
    store.replace("b.csv", "v1", [jobs, declared])
    store.replace("c.csv", "v1", [PUMPS, other])
    store.link()
    found = {t.sql: t for t in read_catalog(path).tables}
    assert found["technicians"].keys == ("id",)
    assert found["orders"].keys == ("no",)
    assert found["jobs"].foreign == (
        ForeignKey(column="technician_id", to_table="technicians", to_column="id"),
        ForeignKey(column="pump", to_table="pumps", to_column="pump"),
    )
    assert found["orders"].foreign == (
        ForeignKey(column="job", to_table="jobs", to_column="job", declared=True),
    )
    assert found["other"].foreign == ()  # a technician and a pump that nobody knows
    store.forget("a.csv")
    store.link()
    assert [f.to_table for t in read_catalog(path).tables if t.sql == "jobs" for f in t.foreign] == ["pumps"]


def test_labels_decide_what_is_seen(store: TableStore, path: Path) -> None:
    store.replace("a.csv", "v1", [LOG], labels=["hr"])
    store.replace("b.csv", "v1", [PUMPS])
    store.link()
    seen = read_catalog(path).visible(["sales"])
    assert [t.sql for t in seen.tables] == ["pumps"]
    store.relabel("a.csv", [])
    assert len(read_catalog(path).visible([]).tables) == 2


def test_a_reader_cannot_write_and_sees_what_was_committed(store: TableStore, path: Path) -> None:
    store.replace("a.csv", "v1", [LOG])
    with closing(connect(path)) as db:
        for statement in ("DELETE FROM log", "DROP TABLE log", "CREATE TABLE x (a)", "PRAGMA user_version=9"):
            with pytest.raises(sqlite3.OperationalError, match=r"readonly|attempt to write"):
                db.execute(statement)
        db.execute("BEGIN")
        assert db.execute("SELECT COUNT(*) FROM log").fetchone() == (3,)
        store.replace("a.csv", "v2", [(LOG[0], LOG[1][:1])])  # no reader keeps the writer waiting
        assert db.execute("SELECT COUNT(*) FROM log").fetchone() == (3,)
        db.execute("COMMIT")
        assert db.execute("SELECT COUNT(*) FROM log").fetchone() == (1,)


def test_two_thousand_columns_and_empty_tables(store: TableStore, path: Path) -> None:
    wide = raw("wide", [f"c{n}" for n in range(2000)], [[str(n) for n in range(2000)]] * 3)
    empty = raw("empty", ["a", "b"], [])
    tables, warnings = store.replace("w.csv", "v1", [wide, empty])
    assert [len(t.columns) for t in tables] == [MAX_COLUMNS, 2]
    assert warnings == [
        "table 'wide': has 2000 columns; the first 1998 can be asked about, the rest was left out"
    ]
    assert ask(path, "SELECT SUM(c1997) FROM wide") == [(3 * 1997,)]
    assert (tables[1].rows, [c.type for c in tables[1].columns]) == (0, ["text", "text"])
    assert ask(path, "SELECT * FROM empty") == []


def test_a_column_without_name_and_values_is_none(store: TableStore, path: Path) -> None:
    table = raw("t", ["a", "column 2", "b", "column 4"], [["1", "", "x", "5"], ["2", None, "y", ""]])
    (made,), _ = store.replace("a.csv", "v1", [table])
    assert [c.sql for c in made.columns] == ["a", "b", "column_4"]
    assert ask(path, "SELECT a, b, column_4 FROM t") == [(1, "x", 5), (2, "y", None)]


def test_warnings_name_the_table(store: TableStore) -> None:
    _, warnings = store.replace("a.csv", "v1", [raw("t", ["a", "b"], [["1", "2", "3"], ["4"]])])
    assert warnings == ["table 't': 1 rows have more cells than columns (first: row 2); the rest was cut"]


def test_what_is_damaged_or_of_another_layout_is_made_anew(path: Path) -> None:
    with TableStore.open(path) as store:
        store.replace("a.csv", "v1", [LOG])
        assert store.documents() == {"a.csv": "v1"}
    assert damage(path) == ""
    data = bytearray(path.read_bytes())
    path.write_bytes(b"not a database at all" + data[21:])
    assert "file is not a database" in damage(path)
    with pytest.raises(StorageError, match="Remove it and run"):
        read_catalog(path)
    with TableStore.open(path) as store:
        assert store.documents() == {}
        store.replace("a.csv", "v1", [LOG])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    assert read_catalog(path) == Catalog()
    with TableStore.open(path) as store:
        assert store.documents() == {}


def test_no_store_is_an_empty_catalog(path: Path) -> None:
    assert read_catalog(path) == Catalog()
    with pytest.raises(StorageError, match="there are no tables yet"):
        connect(path)


def test_a_read_only_folder_can_be_read(path: Path) -> None:
    with TableStore.open(path) as store:
        store.replace("a.csv", "v1", [LOG])
    path.parent.chmod(0o555)
    path.chmod(0o444)
    try:
        assert [t.sql for t in read_catalog(path).tables] == ["log"]
    finally:
        path.parent.chmod(0o755)
        path.chmod(0o644)


def test_the_names_of_rows_become_places(store: TableStore, path: Path) -> None:
    table = RawTable(name="parts", columns=(RawColumn(name="no"),), key=("no",), numbered=False)
    (made,), _ = store.replace("stock/parts", "v1", [(table, [("007", ["007"]), ("008", ["008"])])])
    assert made.locator("007").key == "007"
    assert ask(path, "SELECT _place FROM parts") == [("007",), ("008",)]
    (numbered,), _ = store.replace("log.csv", "v1", [LOG])
    assert numbered.locator(3).row == 3


def test_sweeping_takes_what_the_state_does_not_know(store: TableStore, path: Path) -> None:
    for document in ("a.csv", "b.csv", "c.csv"):
        store.replace(document, "v1", [PUMPS])
    assert store.sweep({"a.csv": "v1", "b.csv": "v2"}) == ["b.csv", "c.csv"]
    assert {t.document for t in read_catalog(path).tables} == {"a.csv"}


def test_tables_survive_their_json(store: TableStore, path: Path) -> None:
    (table,), _ = store.replace("a.csv", "v1", [LOG])
    again = read_catalog(path).tables[0]
    assert isinstance(again, Table)
    assert again == table
