"""No sentence leaves with a number, unit, code or name that its cited passages do not hold."""

from __future__ import annotations

import pytest
from answering_helpers import TORQUES, make_hit, place
from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.answering.evidence import gather, parse_question
from loresmith.answering.facts import numbers
from loresmith.answering.text import fold
from loresmith.answering.verify import Support, verify
from loresmith.types import Hit

QUESTION = "Which torque for the M8 flange bolts of the P-200?"


def check(sentence: str, question: str, hits: list[Hit]) -> Support | str:
    return verify(sentence, parse_question(question), gather(hits), place)


def quotes(outcome: Support | str) -> list[str]:
    assert isinstance(outcome, Support), outcome
    return [c.quote for c in outcome.sentence.citations]


def test_right_row_is_cited_with_its_place(torques: list[Hit]) -> None:
    outcome = check("The torque for the M8 flange bolts of the P-200 is 25 Nm.", QUESTION, torques)
    assert quotes(outcome) == ["Fastener: M8 flange bolt; Torque: 25 Nm"]
    assert isinstance(outcome, Support)
    locator = outcome.sentence.citations[0].locator
    assert locator.page == 3
    assert locator.start == 100 + TORQUES.index("Fastener: M8")


def test_bare_value_is_checked_with_the_entities_of_the_question(torques: list[Hit]) -> None:
    assert quotes(check("25 Nm", QUESTION, torques)) == ["Fastener: M8 flange bolt; Torque: 25 Nm"]
    assert isinstance(check("10 Nm", QUESTION, torques), str)  # the M6 row
    assert isinstance(check("22 Nm", QUESTION, torques), str)  # another pump


@pytest.mark.parametrize(
    "sentence",
    [
        "The torque is 26 Nm.",
        "The torque is 25 bar.",
        "The torque is 25 Nm (18.4 lb-ft).",
        "The torque of the P-300 is 25 Nm.",
        "Tighten them to 25 Nm with Loctite glue.",
        "According to Siemens it is 25 Nm and Bosch agrees.",
        "The passages do not mention the torque.",
        "Is it 25 Nm?",
        "Yes.",
    ],
)
def test_what_the_passages_do_not_hold_is_dropped(sentence: str, torques: list[Hit]) -> None:
    assert isinstance(check(sentence, QUESTION, torques), str)


def test_unit_may_stand_in_the_column_heading() -> None:
    rows = make_hit("M8 | 25 | 12\nM10 | 49 | 20", context="Size | Torque [Nm] | Length [mm]")
    question = "What is the torque for M10?"
    assert quotes(check("The torque for M10 is 49 Nm.", question, [rows])) == ["M10 | 49 | 20"]
    assert isinstance(check("The torque for M10 is 49 bar.", question, [rows]), str)


def test_scale_of_a_table_counts_only_where_it_is_stated() -> None:
    text = "Total net sales | $ 82,959 | $ 81,434"
    question = "What were the total net sales?"
    sentence = "Total net sales were $82,959 million."
    assert isinstance(check(sentence, question, [make_hit(text)]), str)
    stated = make_hit(text, context="(In millions) | June 25, 2022 | June 26, 2021")
    assert quotes(check(sentence, question, [stated])) == [text]
    assert isinstance(check("Total net sales were $82,959 billion.", question, [stated]), str)


def test_german_question_about_an_english_document(torques: list[Hit]) -> None:
    question = "Welches Anzugsmoment gilt für die M8-Schrauben der P-200?"
    outcome = check("Das Anzugsmoment der M8-Schrauben beträgt 25 Nm.", question, torques)
    assert quotes(outcome) == ["Fastener: M8 flange bolt; Torque: 25 Nm"]
    hours = check(
        "Das Öl wird alle 4.000 Stunden gewechselt.", "Wie oft wird das Öl der P-200 gewechselt?", torques
    )
    assert quotes(hours) == ["Change the oil every 4,000 operating hours."]


def test_a_negation_is_not_turned_round(torques: list[Hit]) -> None:
    question = "May I use mineral oil?"
    assert isinstance(check("Use mineral oil.", question, torques), str)


def test_row_without_codes_is_chosen_by_the_words_of_the_question() -> None:
    table = make_hit("Component: Gearbox; Oil: VG 220\nComponent: Bearing; Oil: VG 68")
    question = "Which oil for the gearbox?"
    assert isinstance(check("VG 68", question, [table]), str)
    assert quotes(check("The gearbox needs VG 220 oil.", question, [table])) == [
        "Component: Gearbox; Oil: VG 220"
    ]


def test_two_places_prove_one_sentence() -> None:
    hits = [
        make_hit("The rated flow of the P-200 is 40 m³/h."),
        make_hit("The P-200 weighs 85 kg without motor.", rank=2, page=9),
    ]
    outcome = check(
        "The P-200 has a flow of 40 m³/h and weighs 85 kg.", "What are flow and weight of the P-200?", hits
    )
    assert len(quotes(outcome)) == 2


def test_year_of_the_question_must_agree() -> None:
    hits = [
        make_hit("In 2021 the plant made 300 pumps."),
        make_hit("In 2022 the plant made 420 pumps.", rank=2),
    ]
    question = "How many pumps did the plant make in 2022?"
    assert isinstance(check("The plant made 300 pumps.", question, hits), str)
    assert quotes(check("The plant made 420 pumps.", question, hits)) == ["In 2022 the plant made 420 pumps."]


def test_name_of_the_question_that_no_document_knows(torques: list[Hit]) -> None:
    question = "Which torque does Microsoft want for the M8 flange bolts of the P-200?"
    assert isinstance(check("25 Nm", question, torques), str)


VOCABULARY = """the torque pump is not M8 P-200 P-300 25 Nm 25.5 bar 4,000 hours oil Siemens flange $ 1.200
million °C -20 every bolt Torque: ; | . June 2022 ISO VG 68 percent %"""
words = st.sampled_from(VOCABULARY.split())
prose = st.lists(words, min_size=1, max_size=25).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(sentence=prose, question=prose, texts=st.lists(prose, min_size=1, max_size=4))
def test_whatever_leaves_is_verbatim_and_holds_every_figure(
    sentence: str, question: str, texts: list[str]
) -> None:
    hits = [make_hit(t, rank=i, document=f"d{i}.txt") for i, t in enumerate(texts, start=1)]
    outcome = check(sentence, question, hits)
    if isinstance(outcome, str):
        return
    passages = {h.passage.id: h.passage for h in hits}
    cited = [passages[c.passage] for c in outcome.sentence.citations]
    assert cited
    for citation, passage in zip(outcome.sentence.citations, cited, strict=True):
        assert fold(citation.quote) in fold(passage.text)
        assert citation.quote == passage.text[citation.locator.start - 100 : citation.locator.end - 100]  # type: ignore[operator]
    evidence = fold(" ".join(f"{p.text} {p.document}" for p in cited))
    for number in numbers(outcome.sentence.text):
        assert fold(number.text).lstrip("+-") in evidence
    for code in ("p-200", "p-300", "m8", "siemens"):
        if code in fold(outcome.sentence.text):
            assert code in evidence


def test_with_is_not_without() -> None:
    hits = [make_hit("Mass of the P-200 without motor: 78 kg.")]
    assert isinstance(check("78 kg", "How heavy is the P-200 with motor?", hits), str)
    assert quotes(check("78 kg", "How heavy is the P-200 without motor?", hits))


def test_version_of_the_question_must_agree() -> None:
    hits = [make_hit("Version 3.4.1: trend curves are kept for 30 days.")]
    assert isinstance(check("Trend curves are kept for 30 days.", "What is new in version 3.5.0?", hits), str)
    assert quotes(check("Trend curves are kept for 30 days.", "What is new in version 3.4.1?", hits))


def test_value_comes_from_the_column_that_is_asked_for() -> None:
    row = "Part: Shaft; Standard version: Steel 1.4021; Version for sea water: Steel 1.4462"
    question = "Of which steel is the shaft in the version for sea water?"
    assert isinstance(check("It is steel 1.4021.", question, [make_hit(row)]), str)
    assert quotes(check("It is steel 1.4462.", question, [make_hit(row)])) == [row]


def test_name_of_one_row_and_task_of_the_next_prove_nothing() -> None:
    table = make_hit(
        "Action: Supplier audit; Responsible: Yusuf Aydin\n"
        "Action: New work sheet; Responsible: Tomasz Kowalik"
    )
    question = "Who was responsible for the supplier audit?"
    assert isinstance(check("Tomasz Kowalik was responsible for the supplier audit.", question, [table]), str)
    assert quotes(check("Yusuf Aydin was responsible for it.", question, [table]))


def test_number_without_a_unit_in_prose_takes_none_from_afar() -> None:
    hits = [make_hit("Pump 2 leaks. The minimum flow lies between 12 and 55 m³/h.")]
    question = "What is the minimum flow?"
    assert isinstance(check("The minimum flow is 2 m³/h.", question, hits), str)
    assert quotes(check("The minimum flow is 12 m³/h.", question, hits))
