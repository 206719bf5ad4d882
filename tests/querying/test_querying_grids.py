"""Tables of documents read back as grids: labels, heads, numbers, scales."""

from __future__ import annotations

import pytest
from report_pages import document

from loresmith.querying import grids, periods
from loresmith.querying.scales import in_prose, named, number, uses_comma


def grid(*rows: list[str], **around: str) -> grids.Grid:
    page = document(*rows, **around)
    found = grids.of(page, grids.tables(page)[0])
    assert found is not None
    return found


def numbers(found: grids.Grid) -> list[list[float | None]]:
    return [[cell.number if cell else None for cell in row.cells] for row in found.rows]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5),
        ("$  1,452.4", 1452.4),
        ("(97)", -97.0),
        ("$(55)", -55.0),
        ("−298", -298.0),
        ("-8.7", -8.7),
        ("4.00%", 4.0),
        ("(2.4) %", -2.4),
        ("€ 12", 12.0),
        ("NT$ 1,000", 1000.0),
        ("1 234 567", 1234567.0),
        ("2,465 (1)", 2465.0),
        (".5", 0.5),
        ("—", 0.0),
        ("$ –", 0.0),
    ],
)
def test_a_cell_that_is_a_number(text: str, value: float) -> None:
    read = number(text)
    assert read is not None
    assert read.value == value


@pytest.mark.parametrize("text", ["", "n/a", "3-5", "P-200", "25 pumps and more", "see note 3", "12/31/2019"])
def test_a_cell_that_is_no_number(text: str) -> None:
    assert number(text) is None


def test_a_dash_is_nil_and_says_so() -> None:
    dash, zero = number("–"), number("0")
    assert dash is not None
    assert zero is not None
    assert (dash.value, dash.nil, zero.nil) == (0.0, True, False)


def test_comma_or_point_is_decided_by_the_cells_that_leave_no_doubt() -> None:
    assert uses_comma(["1.234,56", "12.345"])
    assert not uses_comma(["1,234.56", "12,345"])
    assert not uses_comma(["12.345", "12,345"])
    german = grid(["", "2023", "2022"], ["Umsatz (T€)", "1.234,5", "1.100"], ["Ergebnis (T€)", "12,25", "8"])
    assert numbers(german) == [[1234.5, 1100.0], [12.25, 8.0]]
    assert {c.scale for row in german.rows for c in row.cells if c} == {"thousand"}


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("(in millions, except per share data)", "million"),
        ("€m", "million"),
        ("USDm", "million"),
        ("$'000", "thousand"),
        ("All figures in USD ‘000", "thousand"),
        ("in Tsd. €", "thousand"),
        ("Mio. EUR", "million"),
        ("Gross margin (%)", "percent"),
        ("Basic earnings per share (cents)", ""),
        ("(000's omitted)", "thousand"),
        ("£'m", "million"),
        ("SEK m", "million"),
        ("Millions of yen", "million"),
        ("Total assets", None),
    ],
)
def test_the_scale_a_head_or_label_names(text: str, scale: str | None) -> None:
    assert named(text) == scale


def test_the_scale_that_prose_gives_and_amounts_that_are_none() -> None:
    assert in_prose("The components were as follows (in thousands):") == "thousand"
    assert in_prose("Amounts are stated in millions of euros.") == "million"
    assert in_prose("The amounts below are in US$ millions.") == "million"
    assert in_prose("Figures in € million.") == "million"
    assert in_prose("The loss was in the tens of millions.") == ""
    assert in_prose("We recorded a gain of $60 million in 2018.") == ""
    assert in_prose("A charge ($60 million) was recorded.") == ""


def test_heads_over_two_rows_sections_and_footnote_marks() -> None:
    found = grid(
        ["", "Fiscal year", "", "Change"],
        ["(in millions)", "2019", "2018 (1)", "%"],
        ["Cost of revenue:", "", "", ""],
        ["Services (2)", "$ 40", "$ 20", "100%"],
        ["", "$ 40", "$ 20", "100%"],
    )
    assert [periods.period(head) for head in found.heads[:2]] == [{("y", 2019)}, {("y", 2018)}]
    assert [(row.label, row.section) for row in found.rows] == [
        ("Services", "Cost of revenue"),
        ("", "Cost of revenue"),
    ]
    assert [c.scale for c in found.rows[0].cells if c] == ["million", "million", "percent"]


def test_rows_that_say_their_columns_are_read_back_too() -> None:
    # A sure header makes each row read "Column: value"; empty cells are left out of it.
    found = grid(["Region", "2019", "2018"], ["APAC", "5", ""], ["EMEA", "7", "6"])
    assert found.rows[0].text == "Region: APAC; 2019: 5"
    assert numbers(found) == [[5.0, None], [7.0, 6.0]]
    assert [row.label for row in found.rows] == ["APAC", "EMEA"]


def test_the_scale_stands_beside_the_table_or_in_figures_that_the_prose_repeats() -> None:
    rows = (["", "2019", "2018"], ["Net income", "24,193", "20,402"], ["Charges", "47,625", "38,186"])
    assert grid(*rows, before="The following table is in thousands.").scale == "thousand"
    assert grid(*rows, after="Net income of $24.2 million and charges of $47.6 million.").scale == "thousand"
    assert grid(*rows, after="Net income rose.").scale == ""


def test_a_share_price_does_not_take_the_scale_of_the_table() -> None:
    found = grid(
        ["(in thousands, except per share amounts)", "2019", "2018"],
        ["Revenue", "1,200", "1,100"],
        ["Earnings per share", "$2.97", "$0.85"],
        ["Tax rate (%)", "21", "22"],
    )
    assert [row.cells[0].scale for row in found.rows if row.cells[0]] == ["thousand", "", "percent"]


def test_every_row_knows_the_text_that_is_quoted() -> None:
    page = document(["", "2019", "2018"], ["Revenue", "1,200", "1,100"], ["Cost", "800", "700"])
    found = grids.of(page, "1")
    assert found is not None
    for row in found.rows:
        assert page.text[row.locator.start : row.locator.end] == row.text
        assert row.locator.table == "1"


def test_a_table_without_numbers_is_no_grid() -> None:
    page = document(["Term", "Meaning"], ["NPSH", "net positive suction head"], ["ROFE", "return on funds"])
    assert grids.of(page, "1") is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("December 31, 2019", {("y", 2019), ("m", 12), ("d", 31)}),
        ("31. Dezember 2019", {("y", 2019), ("m", 12), ("d", 31)}),
        ("FY19", {("y", 2019)}),
        ("Fiscal 2018", {("y", 2018)}),
        ("Q4 2019", {("y", 2019), ("q", 4)}),
        ("2018/19", {("y", 2018), ("y", 2019)}),
        ("Net sales of 2,019 units", set()),
    ],
)
def test_periods_of_heads(text: str, parts: set[tuple[str, int]]) -> None:
    assert periods.period(text) == parts


def test_periods_of_questions_take_what_they_leave_out_from_their_neighbour() -> None:
    assert periods.asked("sum for Q4 2019 and 2018") == [
        {("q", 4), ("y", 2019)},
        {("q", 4), ("y", 2018)},
    ]
    assert periods.asked("between July 7 and September 29, 2019") == [
        {("m", 7), ("d", 7), ("y", 2019)},
        {("m", 9), ("d", 29), ("y", 2019)},
    ]


def test_a_year_picks_the_column_that_says_more_but_never_another_year() -> None:
    full = frozenset({("y", 2019), ("m", 12), ("d", 31)})
    other = frozenset({("y", 2018), ("m", 12), ("d", 31)})
    year = frozenset({("y", 2019)})
    assert periods.pick(year, [full, other]) == [full]
    assert periods.pick(full, [year]) == [year]
    assert periods.pick(frozenset({("y", 2017)}), [full, other]) == []
    assert periods.pick(frozenset({("y", 2019), ("q", 4)}), [year]) == []
