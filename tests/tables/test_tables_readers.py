"""Files to raw tables: heads, captions, merged names, ragged rows, several tables a sheet, bad files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from parsing.make import cells, xlsx

from loresmith.errors import ParseError
from loresmith.parsing import detect
from loresmith.tables import headers, readers
from loresmith.tables.values import RawTable


def read(path: Path, kind: str) -> list[tuple[RawTable, list[tuple[Any, list[Any]]]]]:
    return [
        (table, [(place, list(row)) for place, row in rows])
        for table, rows in readers.read(path, path.name, kind)
    ]


def csv(
    tmp_path: Path, text: str | bytes, name: str = "log.csv"
) -> tuple[list[str], list[tuple[Any, list[Any]]], RawTable]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ((table, rows),) = read(path, detect.CSV)
    return [column.name for column in table.columns], rows, table


def sheet(tmp_path: Path, rows: dict[int, Sequence[Any]], more: str = "", styles: str = "") -> list[Any]:
    path = tmp_path / "book.xlsx"
    path.write_bytes(xlsx({"Log": cells(rows) + more}, styles=styles))
    return [([c.name for c in table.columns], rows, table) for table, rows in read(path, detect.XLSX)]


# --- CSV --------------------------------------------------------------------------------------


def test_csv_rows_carry_their_record_numbers(tmp_path: Path) -> None:
    names, rows, table = csv(tmp_path, "Pump;Hours\nP-1;1,5\n\nP-2;2\n")
    assert names == ["Pump", "Hours"]
    assert rows == [(2, ["P-1", "1,5"]), (4, ["P-2", "2"])]
    assert (table.name, table.numbered) == ("log", True)


def test_duplicate_and_empty_names(tmp_path: Path) -> None:
    names, rows, _ = csv(tmp_path, "Value,Value,\n1,2,3\n4,5,6\n")
    assert names == ["Value", "Value", "column 3"]
    assert rows[0] == (2, ["1", "2", "3"])


def test_rows_above_the_names_are_the_caption(tmp_path: Path) -> None:
    names, rows, table = csv(
        tmp_path, "Maintenance 2024,,\nas of 1 June,,\nPump,Hours,Kind\nP-1,2,oil\nP-2,3,oil\n"
    )
    assert names == ["Pump", "Hours", "Kind"]
    assert table.caption == "Maintenance 2024; as of 1 June"
    assert [place for place, _ in rows] == [4, 5]


def test_two_rows_of_names_become_one(tmp_path: Path) -> None:
    names, rows, _ = csv(tmp_path, "Bolt,Torque,,Note\n,[Nm],[lb ft],\nM8,25,18,dry\nM10,46,34,dry\n")
    assert names[:3] == ["Bolt", "Torque (Nm)", "Torque (lb ft)"]
    assert [place for place, _ in rows] == [3, 4]


def test_without_names_every_row_is_data(tmp_path: Path) -> None:
    names, rows, _ = csv(tmp_path, "P-100,Basel,5\nP-200,Lyon,7\nP-300,Kiel,9\n")
    assert names == ["column 1", "column 2", "column 3"]
    assert len(rows) == 3


def test_names_over_words_only(tmp_path: Path) -> None:
    names, rows, _ = csv(tmp_path, "name,city\nAnn,Rome\nBob,Oslo\nCid,Rome\n")
    assert names == ["name", "city"]
    assert len(rows) == 3


def test_years_are_names_of_columns(tmp_path: Path) -> None:
    names, rows, _ = csv(tmp_path, "Region,2022,2023\nNorth,5,6\nSouth,7,8\n")
    assert names == ["Region", "2022", "2023"]
    assert len(rows) == 2


def test_ragged_rows_come_as_they_are(tmp_path: Path) -> None:
    _, rows, _ = csv(tmp_path, "a,b,c\n1,2\n1,2,3,4\n5,6,7\n")
    assert [len(row) for _, row in rows] == [2, 4, 3]


def test_quotes_line_breaks_and_delimiters_in_cells(tmp_path: Path) -> None:
    _, rows, _ = csv(tmp_path, 'id,note\n1,"two\nlines, one cell"\n2,"say ""no"""\n')
    assert rows[0] == (2, ["1", "two\nlines, one cell"])
    assert rows[1][1] == ["2", 'say "no"']


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    names, rows, _ = csv(tmp_path, "Größe;Stück\nM8;5\nM10;7\n".encode(encoding))
    assert names == ["Größe", "Stück"]
    assert rows[0] == (2, ["M8", "5"])


def test_a_large_file_that_is_not_utf_8_is_found_out_late(tmp_path: Path) -> None:
    body = b"id,name\n" + b"1,plain\n" * 600_000 + "2,Größe\n".encode("cp1252") * 50
    path = tmp_path / "large.csv"
    path.write_bytes(body)
    assert readers.encoding_of(path) == "cp1252"
    path.write_bytes(body.decode("cp1252").encode())
    assert readers.encoding_of(path) == "utf-8"


def test_an_empty_table_keeps_its_names(tmp_path: Path) -> None:
    names, rows, _ = csv(tmp_path, "id,name,city\n")
    assert names == ["id", "name", "city"]
    assert rows == []


def test_lines_of_text_with_the_ending_csv_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("just a line\nand another\n")
    assert read(path, detect.CSV) == []


# --- XLSX -------------------------------------------------------------------------------------


def test_xlsx_values_are_stored_ones_and_units_come_from_formats(tmp_path: Path) -> None:
    styles = (
        '<numFmts><numFmt numFmtId="200" formatCode="#,##0.00\\ &quot;€&quot;"/></numFmts><cellXfs>'
        '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="200"/><xf numFmtId="10"/><xf numFmtId="2"/>'
        "</cellXfs>"
    )
    row = (
        '<row r="{n}"><c r="A{n}" s="1"><v>{day}</v></c><c r="B{n}" s="2"><v>{cost}</v></c>'
        '<c r="C{n}" s="3"><v>{share}</v></c><c r="D{n}" s="4"><v>{x}</v></c>'
        '<c r="E{n}" t="b"><v>1</v></c></row>'
    )
    head = "".join(
        f'<c r="{c}1" t="inlineStr"><is><t>{t}</t></is></c>'
        for c, t in zip("ABCDE", ["Day", "Cost", "Share", "x", "ok"], strict=True)
    )
    body = row.format(n=2, day=45750, cost=1234.5, share=0.125, x=0.30000000000000004)
    body += row.format(n=3, day=45751, cost=7, share=0.5, x=1.23456)
    path = tmp_path / "book.xlsx"
    path.write_bytes(xlsx({"Log": f'<sheetData><row r="1">{head}</row>{body}</sheetData>'}, styles=styles))
    ((table, rows),) = read(path, detect.XLSX)
    assert [(c.name, c.unit) for c in table.columns] == [
        ("Day", ""),
        ("Cost", "€"),
        ("Share", "%"),
        ("x", ""),
        ("ok", ""),
    ]
    assert rows == [(2, ["2025-04-03", 1234.5, 12.5, 0.3, True]), (3, ["2025-04-04", 7, 50, 1.23456, True])]
    assert (table.name, table.sheet) == ("Log", "Log")


def test_several_tables_a_sheet_and_one_that_goes_on(tmp_path: Path) -> None:
    tables = sheet(
        tmp_path,
        {
            1: ["Pumps in service"],
            2: ["Pump", "Hours", "Site"],
            3: ["P-1", 5, "Rome"],
            5: ["P-2", 6, "Oslo"],
            8: ["Part", "Price"],
            9: ["Seal", 12.5],
            10: ["Gear", 44],
            12: ["written by Ann"],
        },
    )
    assert [(names, [place for place, _ in rows]) for names, rows, _ in tables] == [
        (["Pump", "Hours", "Site"], [3, 5]),
        (["Part", "Price"], [9, 10]),
    ]
    assert tables[0][2].caption == "Pumps in service"


def test_merged_names_span_their_columns_and_merged_cells_their_rows(tmp_path: Path) -> None:
    merged = '<mergeCells count="2"><mergeCell ref="B1:C1"/><mergeCell ref="A3:A4"/></mergeCells>'
    ((names, rows, _),) = sheet(
        tmp_path,
        {
            1: ["Model", "First half", None, "Note"],
            2: [None, "Plan", "Actual", "text"],
            3: ["P-1", 1, 2, "x"],
            4: [None, 3, 4, "y"],
            5: ["P-2", 5, 6, "z"],
        },
        merged,
    )
    assert names == ["Model", "First half › Plan", "First half › Actual", "Note › text"]
    assert rows[1] == (4, ["P-1", 3, 4, "y"])


def test_a_sheet_without_names_and_one_with_a_gap_in_them(tmp_path: Path) -> None:
    ((names, rows, _),) = sheet(tmp_path, {n: [f"S{n}", f"K-44{n}", n] for n in (1, 2, 3)})
    assert (names, len(rows)) == (["column 1", "column 2", "column 3"], 3)
    ((names, _, _),) = sheet(
        tmp_path, {1: ["Pump", "Hours", None, "Site"], 2: ["P-1", 2, 3, "x"], 3: ["P-2", 4, 5, "y"]}
    )
    assert names == ["Pump", "Hours", "column 3", "Site"]


def test_a_form_of_labels_and_values_is_no_table(tmp_path: Path) -> None:
    assert sheet(tmp_path, {1: ["Voltage", "400 V"], 2: ["Power", "5 kW"]}) == []


# --- JSON -------------------------------------------------------------------------------------


def test_flat_records_are_a_table(tmp_path: Path) -> None:
    records = [
        {"id": 1, "at": {"city": "Rome"}, "tags": ["a", "b"]},
        {"id": 2, "at": {"city": "Oslo"}, "n": 2.5},
    ]
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"meta": 1, "pumps": records}))
    ((table, rows),) = read(path, detect.JSON)
    assert table.name == "pumps"
    assert [c.name for c in table.columns] == ["id", "at.city", "tags", "n"]
    assert rows == [(1, [1, "Rome", "a, b", None]), (2, [2, "Oslo", None, 2.5])]
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(["", *(json.dumps(r) for r in records), "{broken"]))
    ((table, rows),) = read(path, detect.JSONL)
    assert [place for place, _ in rows] == [2, 3]


@pytest.mark.parametrize(
    "value",
    [
        [{"id": 1}],
        [{"_id": str(n), "title": "t", "text": "word " * 200} for n in range(5)],
        [{"id": n, "children": [{"a": 1, "b": 2}]} for n in range(5)],
        [{f"field {n}": 1, f"other {n}": 2} for n in range(9)],
        {"a": 1},
        [1, 2, 3],
    ],
)
def test_what_is_no_table_is_left_to_the_text(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(value))
    assert read(path, detect.JSON) == []


# --- Parquet, SQLite --------------------------------------------------------------------------


def test_parquet_declares_its_types(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "code": ["1", "2"],
            "price": pyarrow.array([Decimal("1.50"), None], pyarrow.decimal128(10, 2)),
            "day": [date(2024, 12, 31), date(2025, 1, 1)],
            "at": pyarrow.array([datetime(2024, 12, 31, 14, 5), None], pyarrow.timestamp("ns")),
            "ok": [True, False],
            "parts": [[1, 2], []],
        }
    )
    path = tmp_path / "parts.parquet"
    parquet.write_table(table, path)
    ((raw, rows),) = read(path, detect.PARQUET)
    assert [c.type for c in raw.columns] == ["text", "real", "date", "datetime", "boolean", None]
    assert rows[0] == (
        1,
        ["1", Decimal("1.50"), date(2024, 12, 31), datetime(2024, 12, 31, 14, 5), True, [1, 2]],
    )
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ParseError, match="damaged Parquet file"):
        read(path, detect.PARQUET)


def test_sqlite_tables_come_with_their_keys_and_nothing_in_them_runs(tmp_path: Path) -> None:
    path = tmp_path / "stock.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            """PRAGMA journal_mode=WAL;
            CREATE TABLE suppliers (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE "part list" (no TEXT PRIMARY KEY, supplier INTEGER REFERENCES suppliers(id), p REAL);
            CREATE VIEW trap AS SELECT load_extension('x');
            CREATE VIRTUAL TABLE search USING fts5(body);
            INSERT INTO suppliers VALUES (7, 'Lubra'), (9, 'Aqua');
            INSERT INTO "part list" VALUES ('007', 7, 1.5), ('008', 9, NULL);"""
        )
    found = read(path, detect.SQLITE)
    assert [table.name for table, _ in found] == ["part list", "suppliers"]
    parts, rows = found[0]
    assert (parts.key, parts.foreign, parts.numbered) == (("no",), (("supplier", "suppliers", "id"),), False)
    assert rows == [("007", ["007", 7, 1.5]), ("008", ["008", 9, None])]
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096)
    with pytest.raises(ParseError, match="damaged SQLite database"):
        read(path, detect.SQLITE)


# --- heads ------------------------------------------------------------------------------------


def test_a_wide_table_keeps_its_names() -> None:
    head = headers.find([[f"c{n}" for n in range(2000)], *([str(n) for n in range(2000)] for _ in range(3))])
    assert (len(head.names), head.start) == (2000, 1)


def test_a_first_record_is_no_head() -> None:
    assert headers.find([["S1", "K-4471", "5"], ["S2", "K-4498", "6"], ["S3", "K-4502", "7"]]).start == 0
    assert headers.find([["1", "2"], ["3", "4"]]).start == 0
