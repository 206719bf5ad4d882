"""What is quoted without a model, and what keeps a piece from being an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from answering_helpers import make_hit, place

from loresmith.answering import abstain, facts
from loresmith.answering.agreement import agreement
from loresmith.answering.evidence import Piece, gather, has_unit, parse_question, rank, readable
from loresmith.answering.quoting import FEATURES, Quote, another_figure, best
from loresmith.answering.text import matches, terms
from loresmith.answering.verify import Support, verify
from loresmith.types import Hit

CASH = (
    "| 2019 | 2018 | 2017\n"
    "Cash (used in) provided by:\n"
    "Operating activities | $(426) | $(2,694) | $14,314\n"
    "Financing activities | 5,798 | 3,624 | 8,420"
)


def quote(question: str, *hits: Hit) -> Quote | None:
    asked = parse_question(question)
    ranked = rank(asked, gather(hits))
    return best(asked, ranked, lambda _: "", abstain.features(asked, hits, ranked))


def pieces_of(text: str) -> list[Piece]:
    return gather([make_hit(text)])


def test_a_row_knows_the_column_names_and_the_heading_of_its_group() -> None:
    found = pieces_of(CASH)
    row = next(p for p in found if p.text.startswith("Financing"))
    assert row.above == "| 2019 | 2018 | 2017\nCash (used in) provided by:"
    assert readable(row) == "Financing activities: 2019: 5,798; 2018: 3,624; 2017: 8,420"
    assert [p.text for p in found if p.header] == ["| 2019 | 2018 | 2017"]


def test_a_row_is_read_out_from_the_cell_that_is_asked_for() -> None:
    row = pieces_of("Bolt: M8; Place: Cover; Number: 4; Torque in Nm: 25")[0]
    asked = parse_question("Which torque for the M8 bolts of the cover?")
    assert readable(row, asked) == "Torque in Nm: 25 (Bolt: M8; Place: Cover; Number: 4)"
    assert readable(row, parse_question("What about the M8?")) == row.text


def test_a_bullet_is_not_read_out() -> None:
    assert readable(pieces_of("• Never run the pump dry.")[0]) == "Never run the pump dry."


def test_rows_that_begin_with_a_label_stand_alone() -> None:
    found = pieces_of("Sales; 2019: 788; 2018: 718\nGross profit; 2019: 315; 2018: 365")
    assert [p.text for p in found] == ["Sales; 2019: 788; 2018: 718", "Gross profit; 2019: 315; 2018: 365"]
    assert all(p.row for p in found)
    prose = pieces_of("The seal is worn; the cause: dry running. The pump must be stopped at once then.")
    assert not any(p.row for p in prose)


def test_the_figure_of_the_right_row_is_quoted_with_its_features() -> None:
    got = quote("How much cash was provided by financing activities in 2019?", make_hit(CASH))
    assert got is not None
    assert got.piece.text.startswith("Financing")
    assert set(got.features) == set(FEATURES)


def test_the_wrong_column_of_a_row_of_cells_proves_nothing() -> None:
    question = parse_question("How many bolts has the cover in the Comfort version?")
    found = pieces_of("Part | Basic | Comfort\nCover | 12 | 15\nFrame | 30 | 35")
    assert isinstance(verify("The cover has 15 bolts.", question, found, place), Support)
    reason = verify("The cover has 12 bolts.", question, found, place)
    assert reason == "another column of the table fits the question better"


@pytest.mark.parametrize(
    ("question", "figure"),
    [
        ("When is the seal replaced?", True),
        ("What happens when the pump runs dry?", False),
        ("When using two pumps, what must be closed?", False),
        ("How quickly must damage be reported?", True),
        ("What does a lost key cost?", True),
    ],
)
def test_what_asks_for_a_figure(question: str, figure: bool) -> None:
    assert parse_question(question).wants_number is figure


@pytest.mark.parametrize(
    "text",
    [
        "The books are checked quarterly.",
        "Die Apotheke prüft halbjährlich.",
        "Le mardi et le jeudi.",
        "每月一次",
    ],
)
def test_how_often_may_be_answered_in_words(text: str) -> None:
    assert facts.has_quantity(text)


@pytest.mark.parametrize(
    ("question", "text", "reason"),
    [
        ("What is the limit inside a safe?", "The limit outside a safe is 10.", "outside"),
        (
            "Which duty period for 6 sectors?",
            "Duty: 13 h for 2 sectors, 12 h for 3 sectors.",
            "6",
        ),
        ("How long for 3 sectors?", "Duty: 13 h for 2 sectors, 12 h for 3 sectors.", ""),
        ("What does it cost on European routes?", "Routes in Europe: 499", ""),
        ("When is the yard open on Sundays?", "Open Tuesday to Friday 9-17, Saturday 8-13.", "day"),
        ("When is the yard open on Wednesday?", "Open Tuesday to Friday 9-17, Saturday 8-13.", ""),
        ("Wann ist sonntags offen?", "Mo-Fr 8-17", "day"),
        ("How many tonnes in September?", "Month: March; Tonnes: 5430", "month"),
        ("How many tonnes in March?", "Month: March; Tonnes: 5430", ""),
        ("How many seats has LN-NWZ?", "LN-NWA has 180 seats.", "LN-NWZ"),
    ],
)
def test_what_speaks_of_something_else(question: str, text: str, reason: str) -> None:
    why = agreement(parse_question(question), pieces_of(text)[0])
    assert reason in why
    assert bool(why) is bool(reason)


def test_any_currency_is_money() -> None:
    asked = parse_question("What does a lost cap cost?")
    assert has_unit(asked, pieces_of("Lost caps are charged with NOK 450.")[0])
    assert not has_unit(asked, pieces_of("The cap is charged with 450 J.")[0])
    assert facts.codes("NOK 450") == frozenset()


def test_words_of_other_languages_meet() -> None:
    assert terms("l'indemnité") == terms("indemnité")
    assert terms("reçoit-il") == terms("reçoit")
    assert any(matches(t, terms("Reinigung")) for t in terms("gereinigt"))


def test_a_table_of_no_language_is_not_foreign() -> None:
    table = make_hit("Well: Br. Au; Nitrate mg/l: 27.5")
    german = make_hit("Der Hof ist offen.", rank=2)
    german = replace(german, passage=replace(german.passage, language="de"))
    asked = parse_question("What is the nitrate value of Br. Au?", language="en")
    assert not abstain.foreign(asked, [table, german])
    assert abstain.foreign(asked, [german, table])


def test_another_figure_is_one_that_the_quote_does_not_name() -> None:
    question = "Which torque for the M8 bolts of the P-200?"
    cell = "Torque in Nm: 22 (Bolt: M8; Place: Casing cover; Number: 8)"
    assert another_figure("They take 8 turns.", cell, question) == "22"
    assert another_figure("They are tightened to 22 Nm, 8 of them.", cell, question) == ""
    assert another_figure("They are tightened crosswise.", cell, question) == ""
    assert another_figure("Use 22 Nm.", "They are tightened crosswise.", question) == ""
    assert another_figure("It is FP-14.", "Order number: FP-12", question) == "fp12"
