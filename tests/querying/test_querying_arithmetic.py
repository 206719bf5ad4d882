"""Questions about report tables answered by code, and not answered where that is not sure."""

from __future__ import annotations

import math
import re
import time

import pytest
from report_pages import document

from loresmith.querying import arithmetic, grids, operations, report
from loresmith.querying.report_words import WORDS
from loresmith.querying.solution import Solution
from loresmith.types import Citation, Document, Hit, Locator, Passage

SALES = document(
    ["", "Years ended September 30,", "", ""],
    ["", "2019", "2018", "2017"],
    ["Fixed price", "$ 1,452.4", "$ 1,146.2", "$ 1,036.9"],
    ["Other", "44.1", "56.7", "70.8"],
    ["Services under contract", "10.0", "–", "5.0"],
    ["Total sales", "$ 1,496.5", "$ 1,202.9", "$ 1,107.7"],
    ["Gross margin (%)", "40.2", "38.2", "35.0"],
    ["Voyage expenses", "(200.0)", "(150.0)", "(100.0)"],
    before="The table shows net sales by type of contract (in millions).",
)
BALANCE = document(
    ["", "Fair value", "Cost"],
    ["Government bonds", "120", "100"],
    ["Corporate bonds", "80", "90"],
    ["Total", "200", "190"],
    caption="Securities held (in thousands)",
)
TWICE = document(
    ["(€m)", "2019", "2018"],
    ["Continuing operations", "", ""],
    ["Gross profit", "50", "40"],
    ["Discontinued operations", "", ""],
    ["Gross profit", "5", "4"],
)


def solve(question: str, *pages: Document, texts: tuple[str, ...] = ()) -> Solution | None:
    found = [grid for page in pages or (SALES,) if (grid := grids.of(page, "1")) is not None]
    return arithmetic.solve(question, found, texts)


def said(question: str, *pages: Document, language: str = "") -> str:
    found = solve(question, *pages)
    assert found is not None
    return report.sentences(found, language)[0].text


@pytest.mark.parametrize(
    ("question", "numbers", "scale"),
    [
        ("What were total sales in 2019?", [1496.5], "million"),
        ("What was the amount of Other in 2018 and 2017 respectively?", [56.7, 70.8], "million"),
        ("What is the change in Other in 2019 from 2018?", [-12.6], "million"),
        ("What is the percentage change in Other from 2018 to 2019?", [-22.2222], "percent"),
        ("How much did total sales increase in 2018?", [95.2], "million"),
        ("What was the average of Other from 2017 to 2019?", [57.2], "million"),
        ("What is the sum of fixed price and other in 2019?", [1496.5], "million"),
        ("What is the ratio of fixed price to other in 2018?", [20.2152], ""),
        ("What percentage of total sales was other in 2017?", [6.3916], "percent"),
        ("Fixed price as a percentage of total sales in 2019?", [97.0531], "percent"),
        ("What is the difference between fixed price and other in 2019?", [1408.3], "million"),
        ("What was the change in gross margin between 2018 and 2019?", [2.0], "percent"),
        ("How many years did total sales exceed $1,200 million?", [2], ""),
        ("What is the change in services under contract from 2018 to 2019?", [10.0], "million"),
        # An expense in brackets is an expense: it rose.
        ("What is the increase in voyage expenses from 2018 to 2019?", [50.0], "million"),
    ],
)
def test_figures(question: str, numbers: list[float], scale: str) -> None:
    found = solve(question)
    assert found is not None
    assert len(found.numbers) == len(numbers)
    assert all(math.isclose(a, b, abs_tol=1e-3) for a, b in zip(found.numbers, numbers, strict=True))
    assert found.scale == scale


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("In which year were total sales the largest?", ("2019",)),
        ("In which year was Other the lowest?", ("2019",)),
        ("Which years had total sales greater than 1,150 million?", ("2019", "2018")),
        ("In which years were total sales reported?", ("2019", "2018", "2017")),
    ],
)
def test_years(question: str, texts: tuple[str, ...]) -> None:
    found = solve(question)
    assert found is not None
    assert found.texts == texts


def test_rows_are_compared_and_counted_without_their_total() -> None:
    top = solve("Which security has the highest fair value?", BALANCE)
    assert top is not None
    assert (top.texts, top.numbers) == (("Government bonds",), (120.0,))
    low = solve("Which security had the lowest cost?", BALANCE)
    assert low is not None
    assert low.texts == ("Corporate bonds",)
    count = solve("How many securities have a fair value above 100 thousand?", BALANCE)
    assert count is not None
    assert count.texts == ("1",)


@pytest.mark.parametrize(
    "question",
    [
        "What were total sales in 2016?",  # no such year
        "What were total assets in 2019?",  # no such row
        "What was the inventory turnover of pumps in 2019?",
        "What were total sales?",  # which year?
        "What is the percentage change in services under contract from 2018 to 2019?",  # from nothing
        "Why did total sales increase in 2019?",
        "What does fixed price consist of?",
        "In which year were total sales the second highest?",
    ],
)
def test_what_is_not_sure_is_not_answered(question: str) -> None:
    assert solve(question) is None


def test_two_rows_that_fit_equally_well_are_told_apart_by_their_section_or_not_at_all() -> None:
    assert solve("What was the gross profit in 2019?", TWICE) is None
    found = solve("What was the gross profit from discontinued operations in 2019?", TWICE)
    assert found is not None
    assert found.numbers == (5.0,)


def test_the_same_figure_in_two_tables_is_one_answer_and_another_figure_none() -> None:
    restated = document(["(in millions)", "2019", "2018"], ["Total sales", "1,500", "1,202.9"])
    assert solve("What were total sales in 2018?", SALES, restated) is not None
    assert solve("What were total sales in 2019?", SALES, restated) is None


def test_the_change_that_the_table_gives_itself_is_taken_from_it() -> None:
    page = document(["($ million)", "2019", "2018", "Change (%)"], ["Sales", "1,671", "1,612", "3.7%"])
    found = solve("What was the percentage change in sales between 2018 and 2019?", page)
    assert found is not None
    assert found.texts == ("3.7%",)
    wrong = document(["($ million)", "2019", "2018", "Change (%)"], ["Sales", "1,671", "1,612", "9.9%"])
    found = solve("What was the percentage change in sales between 2018 and 2019?", wrong)
    assert found is not None
    assert round(found.numbers[0], 2) == 3.66


def test_quarters_and_years_over_the_rows() -> None:
    page = document(
        ["", "Low", "High"],
        ["Fiscal 2019", "", ""],
        ["First quarter", "$ 5.99", "$ 8.40"],
        ["Second quarter", "$ 4.79", "$ 6.48"],
        caption="Price of our common stock",
    )
    found = solve("What was the high price in the second quarter of 2019?", page)
    assert found is not None
    assert found.texts == ("$ 6.48",)


def test_sentences_say_the_figure_its_unit_and_how_it_came_about() -> None:
    assert said("What were total sales in 2019?") == "Total sales, 2019: $ 1,496.5 million."
    assert (
        said("What is the percentage change in Other from 2018 to 2019?")
        == "Percentage change in Other, 2018 → 2019: −22.22 % ((44.1 − 56.7) / 56.7)."
    )
    assert (
        said("What was the change in gross margin between 2018 and 2019?")
        == "Change in Gross margin (%), 2018 → 2019: 2.0 percentage points (40.2 % − 38.2 %)."
    )
    assert said("In which year were total sales the largest?").startswith("Total sales: highest in 2019")
    assert "1.408,3 Mio." in said(
        "What is the difference between fixed price and other in 2019?", language="de"
    )


def test_each_sentence_cites_the_rows_it_rests_on_word_for_word() -> None:
    found = solve("What is the ratio of fixed price to other in 2018?")
    assert found is not None
    sentence = report.sentences(found)[0]
    assert [c.quote.split(" | ")[0] for c in sentence.citations] == ["Fixed price", "Other"]
    for citation in sentence.citations:
        assert citation.quote == SALES.text[citation.locator.start : citation.locator.end]


def test_the_result_has_formula_units_and_the_rows_of_the_table() -> None:
    found = solve("What is the percentage change in Other from 2018 to 2019?")
    assert found is not None
    result = report.result(found)
    assert (result.sql, result.formula, result.units) == ("", "(44.1 − 56.7) / 56.7", ("%",))
    assert result.rows == ((-22.22,),)
    assert result.basis[0].rows[0].cells == ("Other", "44.1", "56.7", "70.8")
    assert result.basis[0].rows[0].locator.table == "1"
    several = solve("What was the amount of Other in 2018 and 2017 respectively?")
    assert several is not None
    shown = report.result(several)
    assert shown.rows == (("2018", 56.7), ("2017", 70.8))
    assert report.result(several, limit=1).truncated


def test_an_answer_from_the_hits_of_a_search() -> None:
    row = grids.of(SALES, "1")
    assert row is not None
    place = row.rows[1].locator
    passage = Passage(id="p", document=SALES.id, ordinal=0, text=row.rows[1].text, locator=place)

    def quote(document: str, locator: Locator) -> Citation | None:
        return Citation(document=document, passage="p", locator=locator, quote="found")

    hits = [Hit(passage=passage, rank=1, score=1.0)]
    found = report.ask("What were total sales in 2019?", hits, lambda _: SALES, quote=quote)
    assert found is not None
    assert found.sentences[0].citations[0].passage == "p"
    assert 0.5 < found.confidence < 1
    assert report.ask("What were total assets in 2019?", hits, lambda _: SALES) is None


def test_what_a_sentence_beside_the_table_says_better_is_left_to_it() -> None:
    page = document(["(in thousands)", "2019"], ["Accumulated depreciation", "20,188"])
    question = "What was the depreciation expense of leased equipment in 2019?"
    text = "Depreciation expense of leased equipment was $2.5 million in 2019."
    assert solve(question, page, texts=(text,)) is None


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is the change in percentage of sales between 2018 and 2019?", "change"),
        ("By how many percent did sales grow in 2019?", "percent"),
        ("Wie hoch war die prozentuale Veränderung des Umsatzes von 2018 auf 2019?", "percent"),
        ("In welchem Jahr war der Umsatz am höchsten?", "extreme"),
        ("Wie hoch war der durchschnittliche Umsatz von 2017 bis 2019?", "average"),
        ("How many years did sales exceed 5 million?", "count"),
        ("How much more revenue came from Asia as compared to Europe in 2018?", "difference"),
    ],
)
def test_what_a_question_wants(question: str, kind: str) -> None:
    asked = operations.read(question)
    assert asked is not None
    assert asked.kind == kind


def test_a_limit_is_compared_in_the_scale_of_the_cells() -> None:
    asked = operations.read("In which years were sales more than 1.2 billion?")
    assert asked is not None
    assert asked.limit is not None
    assert operations.in_scale(asked.limit, "million") == 1200.0


@pytest.mark.parametrize(
    "question",
    ["from 2019 " * 4_000, "difference between a " * 2_000, "what percent of " * 3_000, "1" * 100_000],
)
def test_a_question_made_to_take_time_takes_none(question: str) -> None:
    assert operations.read(question) is None


def test_a_cell_made_to_take_time_takes_none() -> None:
    began = time.perf_counter()
    assert grids.bare("a" + " (1)" * 20_000 + "x").endswith("x")
    assert grids.bare("Total assets (1) (2)*") == "Total assets"
    assert time.perf_counter() - began < 5


def test_a_long_table_is_data_and_no_report() -> None:
    rows = [[f"pump {n}", str(n), str(n + 1)] for n in range(grids.MOST_ROWS + 5)]
    assert grids.of(document(["", "2019", "2018"], *rows), "1") is None


GERMAN = document(
    ["in Mio. €", "2023", "2022", "2021"],
    ["Umsatzerlöse", "1.234,5", "1.100,0", "980,2"],
    ["Materialaufwand", "(512,3)", "(498,1)", "(450,0)"],
    ["Ergebnis je Aktie (€)", "1,25", "1,02", "0,10"],
    ["Mitarbeiter (Anzahl)", "4.512", "4.398", "4.301"],
)
ITALIAN = document(["in migliaia di euro", "2023", "2022"], ["Ricavi", "12.500", "11.300"])


@pytest.mark.parametrize(
    ("question", "language", "page", "text"),
    [
        ("Wie hoch waren die Umsatzerlöse 2023?", "de", GERMAN, "Umsatzerlöse, 2023: 1.234,5 Mio."),
        (
            "Wie hoch ist der Anteil des Materialaufwands an den Umsatzerlösen 2023?",
            "de",
            GERMAN,
            "Anteil von Materialaufwand an Umsatzerlöse, 2023: 41,50 % (512,3 / 1.234,5).",
        ),
        (
            "Um wie viel ist der Materialaufwand von 2022 auf 2023 gestiegen?",
            "de",
            GERMAN,
            "Veränderung von Materialaufwand, 2022 → 2023: 14,2 Mio. (512,3 − 498,1).",
        ),
        ("Wie hoch war das Ergebnis je Aktie 2022?", "de", GERMAN, "Ergebnis je Aktie (€), 2022: 1,02."),
        ("Wie viele Mitarbeiter gab es 2021?", "de", GERMAN, "Mitarbeiter (Anzahl), 2021: 4.301."),
        (
            "Qual è la variazione percentuale dei ricavi dal 2022 al 2023?",
            "it",
            ITALIAN,
            "Variazione percentuale di Ricavi, 2022 → 2023: 10,62 % ((12.500 − 11.300) / 11.300).",
        ),
    ],
)
def test_other_languages_and_their_numbers(question: str, language: str, page: Document, text: str) -> None:
    assert said(question, page, language=language) == text


def test_every_language_says_everything() -> None:
    english = WORDS["en"]
    for words in WORDS.values():
        assert words.keys() == english.keys()
        for key, pattern in words.items():
            assert set(re.findall(r"\{(\w)\}", pattern)) == set(re.findall(r"\{(\w)\}", english[key])), key
