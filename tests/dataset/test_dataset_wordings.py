"""Facts of tables, lists and sentences, and how they are asked."""

from __future__ import annotations

from random import Random

import pytest

from loresmith.dataset import facts_prose_de, facts_prose_en
from loresmith.dataset.facts import Fact, Known, lowered, topic_of
from loresmith.dataset.facts_columns import scale_of, split_unit
from loresmith.dataset.templates import LANGUAGES, absent_attributes
from loresmith.dataset.unanswerable import Subjects
from loresmith.dataset.unanswerable import question as unanswerable
from loresmith.dataset.wordings import answer_of, wordings

KNOWN = Known.of("The mechanical seal is old. It stands in Bergen, and a seal ring is in Bergen.")


def cell(**given: str) -> Fact:
    base = {
        "subject": "P-200",
        "key": "Model",
        "attribute": "Delivery time",
        "value": "3 weeks",
        "topic": "Price list",
    }
    return Fact(kind="cell", document="a.pdf", language="en", start=0, end=1, quote="x", **{**base, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("The quotation is valid until 31 October 2025.", "Until when is the quotation valid?"),
        (
            "Orders below 150 euro carry a surcharge of 25 euro.",
            "What surcharge do orders below 150 euro carry?",
        ),
        ("Replace the diaphragm every 5,000 operating hours.", "How often must you replace the diaphragm?"),
        (
            "Water damage must be reported within 3 working days.",
            "Within what time must water damage be reported?",
        ),
        ("The company trains 31 apprentices.", "How many apprentices does the company train?"),
        ("The update takes 4 minutes.", "How long does the update take?"),
        ("If the pump whistles, open the vent.", "What should I do if the pump whistles?"),
        ("Claims can be settled by the broker.", "By whom can claims be settled?"),
        ("The working space is 1.20 m deep.", "How deep is the working space?"),
        ("If the policyholder moves abroad, cover ends.", "What happens if the policyholder moves abroad?"),
    ],
)
def test_english_sentences_are_asked(sentence: str, question: str) -> None:
    assert question in facts_prose_en.questions(sentence, KNOWN)


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("Der Selbstbehalt beträgt 250 Euro je Fall.", "Wie hoch ist der Selbstbehalt je Fall?"),
        ("Der Vertrag beginnt am 1. Februar 2025.", "Wann beginnt der Vertrag?"),
        ("Für Arbeitsrecht gilt eine Wartezeit von drei Monaten.", "Welche Wartezeit gilt für Arbeitsrecht?"),
        ("Der Akku wird nach drei Jahren ersetzt.", "Nach welcher Zeit wird der Akku ersetzt?"),
        ("Die Kontrolle erfolgt alle 24 Monate.", "Wie oft erfolgt die Kontrolle?"),
        ("Den Schlüssel trägt die Schichtleitung.", "Wer trägt den Schlüssel?"),
    ],
)
def test_german_sentences_are_asked(sentence: str, question: str) -> None:
    assert question in facts_prose_de.questions(sentence, KNOWN)


@pytest.mark.parametrize(
    "sentence",
    [
        "It must be replaced every 3 years.",  # what must?
        "This applies until 31 March.",
        "However, they are kept for 5 days.",
        "Is it open on Monday?",
        "See table 3.",
    ],
)
def test_a_sentence_that_leans_on_another_is_not_asked(sentence: str) -> None:
    assert facts_prose_en.questions(sentence, KNOWN) == []


def test_wordings_are_unlike_each_other_and_keep_the_value() -> None:
    made = wordings(cell(), KNOWN, Random(1), 8)
    assert len({w.question.casefold() for w in made}) == 8
    assert {w.answer for w in made} == {"The delivery time of the P-200 is 3 weeks."}
    assert all("P-200" in w.question for w in made)
    everyday = [w for w in made if "delivery time" not in w.question.casefold()]
    assert everyday, "no wording uses other words than the document"
    assert any(not w.question.endswith("?") for w in made)


def test_namesakes_are_asked_with_their_document() -> None:
    unsure = Fact(**{**{f: getattr(cell(), f) for f in Fact.__slots__}, "sure": False})
    assert all(w.placed and "Price list" in w.question for w in wordings(unsure, KNOWN, Random(2), 8))


def test_the_columns_unit_goes_with_the_value() -> None:
    assert split_unit("Packed mass in kg") == ("Packed mass", "kg")
    assert split_unit("Torque (Nm)") == ("Torque", "Nm")
    assert split_unit("Price per kWh") == ("Price per kWh", "")
    assert split_unit("Value min") == ("Value min", "")
    head = "(In millions, except per share amounts)"
    assert scale_of(head, "Net sales") == "million"
    assert scale_of(head, "Dividends declared per share") == ""
    assert (
        answer_of(cell(attribute="Torque", value="25", unit="Nm"), KNOWN)
        == "The torque of the P-200 is 25 Nm."
    )


def test_names_keep_their_capital_and_codes_their_spelling() -> None:
    assert lowered("Mechanical seal", KNOWN) == "mechanical seal"
    assert lowered("Bergen", KNOWN) == "Bergen"
    assert lowered("O-ring 40 x 3", KNOWN) == "O-ring 40 x 3"
    assert lowered("NPSH required", KNOWN) == "NPSH required"
    assert topic_of("P-200 data sheet | Brunnholt") == "P-200"
    assert topic_of("Nordwind … Handbook 2025, valid from May") == "Handbook 2025"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_words_every_kind_of_fact(language: str) -> None:
    common = {"document": "a", "language": language, "start": 0, "end": 1, "quote": "x", "topic": "T-10"}
    facts = [
        Fact(kind="cell", subject="A-1", key="K", attribute="Preis", value="10", **common),  # type: ignore[arg-type]
        Fact(kind="cell", subject="A-1", key="K", attribute="Art", value="rot", **common),  # type: ignore[arg-type]
        Fact(kind="reverse", subject="B", key="K", attribute="N", value="X-7", **common),  # type: ignore[arg-type]
        Fact(kind="definition", subject="Ring", value="Ein Ring.", **common),  # type: ignore[arg-type]
        Fact(kind="field", attribute="Dauer", value="6 h", **common),  # type: ignore[arg-type]
        Fact(kind="field", attribute="Dauer", value="6 h", **{**common, "topic": "Two words"}),  # type: ignore[arg-type]
        Fact(kind="procedure", subject="Start", value="1. A.", answer="1. A.", **common),  # type: ignore[arg-type]
        Fact(kind="step", subject="Start", key="1", value="A", answer="A.", **common),  # type: ignore[arg-type]
        Fact(kind="step", subject="Start", key="2", attribute="A", value="B", answer="B.", **common),  # type: ignore[arg-type]
        Fact(kind="section", subject="Start", value="Das gilt.", answer="Das gilt.", **common),  # type: ignore[arg-type]
        Fact(kind="section", subject="Start", key="list", value="A. B.", answer="A. B.", **common),  # type: ignore[arg-type]
    ]
    for fact in facts:
        made = wordings(fact, KNOWN, Random(0), 4)
        assert len(made) >= 2, fact.kind
        for wording in made:
            assert "{" not in wording.question + wording.answer, wording
            assert "  " not in wording.question
            assert wording.answer.strip(" .。:")
    assert len(absent_attributes(language)) >= 7


def test_an_unanswerable_question_names_what_is_there_and_asks_what_is_not() -> None:
    subjects = Subjects(
        holding={"p200": {0}, "price": {1}, "time": {0}},
        codes=frozenset({"p200"}),
        attributes={"en": [("Voltage", "400 V", "")]},
        names={},
        passages=2,
    )
    asked = [unanswerable(cell(), subjects, KNOWN, Random(n)) for n in range(30)]
    assert all(asked)
    for question in filter(None, asked):
        invented = "P-200" not in question
        assert not invented or any(c in question for c in ("P-2", "P-"))
        assert invented or "delivery time" not in question.casefold()
    assert any("P-200" in q for q in asked if q)
    assert any("P-200" not in q for q in asked if q)
