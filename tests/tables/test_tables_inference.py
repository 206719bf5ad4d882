"""What a column is, from all of its cells: local numbers, dates, codes, units, strays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.tables import dates, numbers, units
from loresmith.tables.loading import Loaded, load
from loresmith.tables.names import fold, identifier
from loresmith.tables.values import RawColumn, RawTable


def typed(
    cells: Sequence[Any], name: str = "value", language: str = "", **column: Any
) -> tuple[Loaded, list[Any]]:
    """One column beside a counting one, so that the last row is never a total."""
    table = RawTable(name="t", columns=(RawColumn(name="n"), RawColumn(name=name, **column)))
    loaded = load(table, ((n, [n, cell]) for n, cell in enumerate(cells, 2)), language, Path())
    with loaded.spool:
        return loaded, [row[2] for row in loaded.rows()]


def column(cells: Sequence[Any], name: str = "value", language: str = "") -> tuple[str, list[Any]]:
    loaded, values = typed(cells, name, language)
    return loaded.readings[1].type, values


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "20", "-3"], "integer", [1, 20, -3]),
        (["2023", "2024"], "integer", [2023, 2024]),
        (["1,234.56", "7.5"], "real", [1234.56, 7.5]),
        (["1.234,56", "7,5"], "real", [1234.56, 7.5]),
        (["1 234,5", "1\u202f000,25"], "real", [1234.5, 1000.25]),
        (["1'234.50", "12'000"], "real", [1234.5, 12000.0]),
        (["1,234,567", "2,000,000"], "integer", [1234567, 2000000]),
        (["12,34,567", "1,000"], "integer", [1234567, 1000]),
        (["(97)", "−5", "–4", "3"], "integer", [-97, -5, -4, 3]),
        (["(1,234.50)", "2.00"], "real", [-1234.5, 2.0]),
        (["12 %", "7.5%"], "real", [12.0, 7.5]),
        (["€ 5", "€ 7"], "integer", [5, 7]),
        (["5,00 €", "1.234,00 €"], "real", [5.0, 1234.0]),
        (["5 Nm", "25 Nm"], "integer", [5, 25]),
        (["1,2 Mio. €", "3,45 Mio. €"], "real", [1.2, 3.45]),
        (["5", "n/a", "-", "7", ""], "integer", [5, None, None, 7, None]),
        (["1.5e-3", "2E+2"], "real", [0.0015, 200.0]),
        (["0.125", "0.250"], "real", [0.125, 0.25]),
        (["007", "12"], "text", ["007", "12"]),
        (["P-200", "P-300"], "text", ["P-200", "P-300"]),
        (["1E5", "2E5", "3A7"], "text", ["1E5", "2E5", "3A7"]),
        (["+49 170 123456", "+49 30 9876"], "text", ["+49 170 123456", "+49 30 9876"]),
        (["12345678901234567890", "1"], "text", ["12345678901234567890", "1"]),
        (["192.168.0.1", "10.0.0.1"], "text", ["192.168.0.1", "10.0.0.1"]),
        (["true", "False", ""], "boolean", [1, 0, None]),
        (["ja", "Nein", "ja"], "boolean", [1, 0, 1]),
        (["yes", "yes"], "text", ["yes", "yes"]),
        (["0", "1"], "integer", [0, 1]),
        (["5 kg", "300 g"], "text", ["5 kg", "300 g"]),
        ([1, 2.0, 3], "integer", [1, 2, 3]),
        ([1, 2.5], "real", [1.0, 2.5]),
        ([True, False, None], "boolean", [1, 0, None]),
        ([True, 1, "x", 1.0], "text", ["true", "1", "x", "1"]),
        ([5, "P-1", 7.0], "text", ["5", "P-1", "7"]),
        (["", None, " "], "text", [None, None, None]),
    ],
)
def test_what_cells_are(cells: list[Any], kind: str, values: list[Any]) -> None:
    assert column(cells) == (kind, values)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["2024-12-31", "2024/01/02"], "date", ["2024-12-31", "2024-01-02"]),
        (["31.12.2024", "01.02.2024"], "date", ["2024-12-31", "2024-02-01"]),
        (["12/31/2024", "01/02/2024"], "date", ["2024-12-31", "2024-01-02"]),
        (["31/12/2024", "01/02/2024"], "date", ["2024-12-31", "2024-02-01"]),
        (["1.2.24", "3.4.99"], "date", ["2024-02-01", "1999-04-03"]),
        (["31. Dezember 2024", "1 mars 2024"], "date", ["2024-12-31", "2024-03-01"]),
        (["Dec 31, 2024", "January 5, 2023"], "date", ["2024-12-31", "2023-01-05"]),
        (["31.12.2024 14:05", "01.02.2024"], "datetime", ["2024-12-31 14:05:00", "2024-02-01 00:00:00"]),
        (["12/31/2024 2:05 PM"] * 2, "datetime", ["2024-12-31 14:05:00"] * 2),
        (["2024-12-31T23:30:00-02:00"] * 2, "datetime", ["2025-01-01 01:30:00"] * 2),
        (["14:05", "7:30:15"], "time", ["14:05:00", "07:30:15"]),
        (["31.02.2024", "30.02.2024"], "text", ["31.02.2024", "30.02.2024"]),
        (["31/12/2024", "12/31/2024"], "text", ["31/12/2024", "12/31/2024"]),
        (["2024-02", "2024-03"], "text", ["2024-02", "2024-03"]),
    ],
)
def test_dates(cells: list[str], kind: str, values: list[str]) -> None:
    assert column(cells) == (kind, values)


def test_what_a_cell_leaves_open_is_decided_by_the_column_the_table_and_the_language() -> None:
    assert column(["1.234", "1,5"]) == ("real", [1234.0, 1.5])
    assert column(["1.234", "1.5"]) == ("real", [1.234, 1.5])
    assert column(["1.234", "2.345"], language="de") == ("integer", [1234, 2345])
    assert column(["1.234", "2.345"], language="en") == ("real", [1.234, 2.345])
    assert column(["1,234", "2,345"], language="en") == ("integer", [1234, 2345])
    assert column(["1,234", "2,345"], language="de") == ("real", [1.234, 2.345])
    table = RawTable(name="t", columns=(RawColumn(name="a"), RawColumn(name="b"), RawColumn(name="d")))
    rows = [(2, ["1.234", "0,5", "03/04/2024"]), (3, ["5.678", "1,25", "01/02/2024"])]
    loaded = load(table, rows, "en", Path())
    with loaded.spool:
        # The other column says that the comma is the decimal mark, whatever the language.
        assert [row[1:3] for row in loaded.rows()] == [(1234, 0.5), (5678, 1.25)]
    assert not any("'a'" in warning for warning in loaded.warnings)


def test_a_decision_for_want_of_a_sign_is_said() -> None:
    loaded, _ = typed(["1.234", "2.345"], "amount", "de")
    assert loaded.warnings == [
        "column 'amount': numbers like 1.234 were read with '.' as grouping thousands, as is usual in this "
        "document's language (de)"
    ]
    loaded, values = typed(["01/02/2024", "03/04/2024"], "day", "en")
    assert values == ["2024-01-02", "2024-03-04"]
    assert loaded.warnings == ["column 'day': dates like 01/02/2024 were read with the month first as in en"]
    loaded, values = typed(["01/02/2024", "03/04/2024"], "day", "fr")
    assert values == ["2024-02-01", "2024-04-03"]
    assert "day first" in loaded.warnings[0]


def test_a_stray_text_among_numbers_is_empty_and_named() -> None:
    loaded, values = typed(["1", "2", "pending", "4", "5"])
    assert values == [1, 2, None, 4, 5]
    assert loaded.tallies[1].mixed == loaded.tallies[1].nulls == 1
    assert loaded.warnings == [
        "column 'value': 1 cells are not numbers and count as empty (row 4: 'pending')"
    ]


def test_many_strays_keep_the_column_as_text() -> None:
    loaded, values = typed(["1", "2", "open", "4", "closed", "6"])
    assert loaded.readings[1].type == "text"
    assert values == ["1", "2", "open", "4", "closed", "6"]
    assert "4 numbers or dates and 2 other texts: read as text (text in row 4, 6)" in loaded.warnings[0]


def test_a_code_by_name_is_never_made_empty() -> None:
    assert column(["100", "200", "300", "400", "A12"], "Part No.") == (
        "text",
        ["100", "200", "300", "400", "A12"],
    )


def test_one_column_never_reads_the_decimal_mark_in_two_ways() -> None:
    loaded, values = typed(["1.5", "2,5", "3.5", "4,5"])
    assert loaded.readings[1].type == "text"
    assert values == ["1.5", "2,5", "3.5", "4,5"]
    assert "decimal mark as point (2 cells) and as comma (2)" in loaded.warnings[0]


def test_units_come_from_the_name_or_from_the_cells() -> None:
    def unit(cells: list[Any], name: str, given: str = "") -> tuple[str, str]:
        loaded, _ = typed(cells, name, unit=given)
        return loaded.columns[1].name, loaded.columns[1].unit

    assert unit(["5", "6"], "Torque (Nm)") == ("Torque", "Nm")
    assert unit(["5", "6"], "Torque [lb ft]") == ("Torque", "lb ft")
    assert unit(["5 Nm", "6 Nm"], "Torque") == ("Torque", "Nm")
    assert unit(["5", "6"], "Weight in kg") == ("Weight", "kg")
    assert unit(["5", "6"], "Revenue (in thousand EUR)") == ("Revenue", "thousand EUR")
    assert unit(["5", "6"], "Price EUR") == ("Price", "EUR")
    assert unit(["5", "6"], "Operating hours") == ("Operating hours", "h")
    assert unit(["5", "6"], "net_weight_kg") == ("net_weight_kg", "kg")
    assert unit(["5", "6"], "Price (net)") == ("Price (net)", "")
    assert unit(["5", "6"], "Year (2024)") == ("Year (2024)", "")
    assert unit(["a", "b"], "Class (m)") == ("Class (m)", "")
    assert unit([5, 6.5], "Cost", "€") == ("Cost", "€")


def test_a_number_in_another_unit_than_its_column_is_not_mixed_in() -> None:
    loaded, values = typed([5, 6.5, "7 $", 8, 9], "Cost", unit="€")
    assert values == [5.0, 6.5, None, 8.0, 9.0]
    assert "row 4: '7 $'" in loaded.warnings[-1]


def test_declared_types_hold_and_dates_kept_as_text_are_dates() -> None:
    assert typed(["1", "2"], type="text")[1] == ["1", "2"]
    assert typed(["2024-01-02", "2024-01-03"], type="text")[0].readings[1].type == "date"
    loaded, values = typed([1.0, 2.5], type="integer")
    assert (loaded.readings[1].type, values) == ("real", [1.0, 2.5])


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        (["Total", "", "6,5"], 2),
        (["Summe:", None, "6,5"], 2),
        (["Gesamt", "", "99"], 2),  # an average or a sum of more than is shown: no record either way
        (["Total", "x", "6,5"], 3),
        (["Totalschaden", "", "6,5"], 3),
        (["Total", "", ""], 3),
    ],
)
def test_a_totals_row_is_left_out_when_it_surely_is_one(last: list[Any], kept: int) -> None:
    table = RawTable(
        name="t", columns=(RawColumn(name="Kind"), RawColumn(name="Note"), RawColumn(name="Hours"))
    )
    rows = [["repair", "a", "2,5"], ["oil", "b", "4,0"], last]
    loaded = load(table, list(enumerate(rows, 2)), "", Path())
    with loaded.spool:
        assert len(list(loaded.rows())) == loaded.count == kept
    said = "row 4 holds the totals and is no record: it was left out of the data"
    assert (said in loaded.warnings) == (kept == 2)


def test_a_totals_row_does_not_spoil_the_type_of_its_label_column() -> None:
    table = RawTable(name="t", columns=(RawColumn(name="Day"), RawColumn(name="Hours")))
    rows = [(2, ["2024-01-01", "2"]), (3, ["2024-01-02", "3"]), (4, ["Total", "5"])]
    loaded = load(table, rows, "", Path())
    with loaded.spool:
        assert [row[1:] for row in loaded.rows()] == [("2024-01-01", 2), ("2024-01-02", 3)]
    table = RawTable(name="t", columns=(RawColumn(name="Kind"), RawColumn(name="Hours")))
    loaded = load(table, [(2, ["a", "2"]), (3, ["b", "3"]), (4, ["Total", "9"])], "", Path())
    with loaded.spool:
        assert len(list(loaded.rows())) == 3
    assert loaded.warnings == ["row 4 is called 'Total' but is not the sum: kept as a record"]


def test_identifiers_need_no_quotes_and_differ() -> None:
    assert identifier("Torque (Nm)") == "torque_nm"
    assert identifier("Größe") == "groesse"
    assert identifier("order") == "order_"
    assert identifier("2023") == "y2023"
    assert identifier("1st half") == "c1st_half"
    assert identifier("%") == "percent"
    assert identifier("_row") == "row"
    assert identifier("日期") == "日期"
    assert identifier("'; DROP TABLE x --") == "drop_table_x"
    assert identifier("value", {"value", "value_2"}) == "value_3"
    assert len(identifier("a very long name " * 20)) <= 40


def test_fold_is_how_values_are_compared() -> None:
    assert fold("Köln-Süd, 2.OG") == "koln sud 2 og"
    assert fold("O'Neill") == "o neill"
    assert fold("STRASSE") == fold("Straße")


def test_shapes_of_odd_cells() -> None:
    assert numbers.read("3D") is None
    assert numbers.read("5 - 6") is None
    assert numbers.read("5/6") is None
    assert numbers.read("(5") is None
    assert dates.read("25:00") is None
    assert dates.read("2024-13-01") is None
    assert dates.read("1.2.3") is None
    assert not units.is_unit("optional")
    assert units.is_unit("kg/m³")


def end(rows: list[list[Any]], **column: Any) -> tuple[list[Any], list[str]]:
    names = ("Kind", "Note", "Hours")
    table = RawTable(name="t", columns=tuple(RawColumn(name=n, **column) for n in names))
    loaded = load(table, list(enumerate(rows, 2)), "", Path())
    with loaded.spool:
        return [row[0] for row in loaded.rows()], loaded.warnings


def test_notes_below_a_table_are_no_records() -> None:
    rows = [["repair", "a", "2"], ["oil", "b", "4"], ["Total", "", "6"]]
    places, warnings = end([*rows, ["* preliminary", None, ""], ["Source: workshop", "", ""]])
    assert places == [2, 3]
    assert warnings == [
        "row 6 is a note and no record ('Source: workshop'): left out of the data",
        "row 5 is a note and no record ('* preliminary'): left out of the data",
        "row 4 holds the totals and is no record: it was left out of the data",
    ]
    assert end([*rows[:2], ["Source pump", "", ""]])[0] == [2, 3, 4]
    assert end([*rows[:2], ["Source: x", "y", ""]])[0] == [2, 3, 4]


def test_a_database_has_neither_totals_nor_notes() -> None:
    rows = [["repair", "a", "2"], ["oil", "b", "4"], ["Total", "", "6"], ["Source: x", "", ""]]
    assert end(rows, type="text")[0] == [2, 3, 4, 5]


def test_every_row_is_seen_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loresmith.tables.loading._BATCH", 7)
    for count in range(30):
        loaded, values = typed([str(n) for n in range(count)])
        assert values == list(range(count))
        assert loaded.count == count
        assert loaded.readings[1].type == ("integer" if count else "text")


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["1.234", "1,5", "31.12.2024", "12/31/2024", "14:05", "ja", "5 €", "n/a", "Total"]),
)


@given(st.lists(st.lists(CELLS, max_size=5), max_size=15), st.sampled_from(["", "de", "en"]))
@settings(max_examples=300, deadline=None)
def test_whatever_the_cells_a_column_has_one_type_and_nothing_is_lost(
    rows: list[list[Any]], language: str
) -> None:
    table = RawTable(name="t", columns=tuple(RawColumn(name=n) for n in ("a", "b", "c")))
    loaded = load(table, list(enumerate(rows, 1)), language, Path())
    with loaded.spool:
        out = list(loaded.rows())
    left_out = sum("left out of the data" in warning for warning in loaded.warnings)
    assert len(out) == loaded.count == len(rows) - left_out
    stored = {"integer": int, "boolean": int, "real": float}
    for n, reading in enumerate(loaded.readings, start=1):
        values = [row[n] for row in out]
        assert all(v is None or type(v) is stored.get(reading.type, str) for v in values)
        assert loaded.tallies[n - 1].nulls == values.count(None)
