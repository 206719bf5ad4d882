"""Every row is accepted, mended or rejected with its reason; what the reasons are."""

from __future__ import annotations

import random
import time

import pytest
from dataset_rows import chat, closed, facts, grounded

from loresmith.config import DatasetSection
from loresmith.dataset import personal
from loresmith.dataset.check import Checked, check
from loresmith.dataset.duplicates import copies, disagree, normal
from loresmith.dataset.figures import reason_kind
from loresmith.types import Message


def reasons(checked: Checked) -> list[str]:
    return [reason_kind(r.reason) for r in checked.rejected]


# --- the same thing twice ---------------------------------------------------------------------


def test_copies_are_rejected_and_named():
    row = closed("Which torque for the M8 bolts?", "25 Nm.", origin="import:a.csv#2")
    same = closed("which torque for M8 bolt", "25 nm", origin="import:a.csv#9")
    found = check([row, row, same])
    assert found.accepted[0].messages == row.messages
    assert len(found.accepted) == 1
    assert reasons(found) == ["duplicate", "near-duplicate"]
    assert found.rejected[1].row == 9
    assert "a.csv#2" in found.rejected[1].reason


def test_other_wordings_and_other_numbers_are_no_copies():
    rows = [
        closed("Which torque for the M8 bolts?", "25 Nm."),
        closed("How tight do the M8 bolts have to be?", "25 Nm."),
        closed("Which torque for the M10 bolts?", "49 Nm."),
        closed("When is the oil changed?", "In May."),
        closed("Where is the oil changed?", "In May."),
        grounded("Which torque?", "25 Nm", "The M8 bolts: 25 Nm."),
        grounded("Which torque?", "25 Nm", "The flange bolts are tightened to 25 Nm."),
    ]
    assert len(check(rows).accepted) == len(rows)


def test_long_texts_with_a_changed_word_are_copies_but_not_with_a_changed_number():
    words = [f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200)]
    text = " ".join(words)
    changed = " ".join([*words[:50], "other", *words[51:]])
    assert copies([text, changed]) == {1: 0}
    assert copies([text + " 25", changed + " 26"]) == {}
    assert copies([text, " ".join(reversed(words))]) == {}


def test_near_copies_of_one_long_text_all_point_to_the_first():
    random.seed(3)
    words = [f"w{i}" for i in range(300)]
    texts = []
    for _ in range(20):
        copy = [w.replace("w", "x") for w in words]
        copy[random.randrange(300)] = "changed"
        texts.append(" ".join(copy))
    # Words with digits must agree, so write them without.
    plain = [t.translate(str.maketrans("0123456789", "abcdefghij")) for t in texts]
    assert set(copies(plain).values()) == {0}
    assert len(copies(plain)) == 19


def test_wordings_of_a_question_with_a_long_answer_are_kept():
    answer = " ".join(f"step{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(80))
    rows = [
        closed("How can I send a pump back?", answer),
        closed("A pump has to go back: what do I do?", answer),
        closed("How can I send a pump back?", answer.replace("stepab", "other")),
    ]
    found = check(rows)
    assert [e.question for e in found.accepted] == [rows[0].question, rows[1].question]
    assert reasons(found) == ["near-duplicate"]


# --- contradictions ---------------------------------------------------------------------------


def test_both_sides_of_a_contradiction_go_and_each_names_the_other():
    one = closed("Which torque for M8?", "The torque is 25 Nm.", origin="import:a.csv#2")
    other = closed("Which torque for the M8?", "30 Nm", origin="import:a.csv#3")
    found = check([one, other, closed("Which oil?", "ISO VG 68.")])
    assert [e.question for e in found.accepted] == ["Which oil?"]
    assert reasons(found) == ["contradiction", "contradiction"]
    assert "a.csv#3 answers “30 Nm”" in found.rejected[0].reason
    assert any("contradict" in w for w in found.warnings)


def test_what_a_person_said_stands_against_a_document():
    right = closed("Which torque for M8?", "25 Nm", origin="feedback:1")
    wrong = closed("Which torque for M8?", "30 Nm")
    found = check([wrong, right])
    assert [e.answer for e in found.accepted] == ["25 Nm"]
    assert found.rejected[0].example == wrong


def test_rows_with_passages_may_answer_one_question_differently():
    rows = [
        grounded("Which torque?", "25 Nm", "M8: 25 Nm", "a.pdf"),
        grounded("Which torque?", "30 Nm", "M8: 30 Nm", "b.pdf"),
    ]
    assert len(check(rows).accepted) == 2


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("25 Nm", "The torque is 25 Nm.", False),
        ("25 Nm", "30 Nm", True),
        ("Yes.", "No.", True),
        ("Every year, by the fitter.", "By the fitter every year", False),
        ("It may run dry.", "It may not run dry.", True),
        ("Grease LGMT", "Mineral oil", True),
        ("Between 5 and 10 bar", "5 bar", False),
    ],
)
def test_when_two_answers_disagree(one, other, clash):
    assert disagree(normal("What is it?"), normal(one), normal(other)) is clash


# --- turns, text, length, language -----------------------------------------------------------


def test_turns_are_put_in_order_and_what_was_done_is_told():
    row = chat(
        ("assistant", "Hello!"),
        ("user", "one"),
        ("user", "two"),
        ("assistant", "answer</s>"),
        ("system", "Be short."),
        ("user", "unanswered"),
    )
    found = check([row])
    assert [(m["role"], m["content"]) for m in found.accepted[0].messages] == [
        ("system", "Be short."),
        ("user", "one\n\ntwo"),
        ("assistant", "answer"),
    ]
    assert set(found.repaired[0].done) == {
        "end mark removed",
        "greeting before the first question left out",
        "question without an answer left out",
        "neighbouring turns of one speaker joined",
        "system texts moved to the front",
    }


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([("user", "q")], "wrong role order"),
        ([("assistant", "a")], "wrong role order"),
        ([("assistant", "a"), ("user", "q")], "wrong role order"),
        ([("user", " "), ("assistant", "a")], "empty question"),
        ([("user", "q"), ("assistant", "\u200b")], "empty answer"),
        ([("user", "q"), ("assistant", "#N/A")], "empty answer"),
        ([("user", "q"), ("assistant", "-")], "empty answer"),
    ],
)
def test_what_cannot_be_put_in_order(turns, reason):
    found = check([chat(*turns)])
    assert reasons(found) == [reason]
    assert found.accepted == ()


def test_text_of_files_is_mended_and_that_of_documents_is_left_alone():
    broken = "GrÃ¶ÃŸe\u200b\x00 5\r\nmm"
    mended = check([closed("Maß?", broken, origin="import:a.csv#1")]).accepted[0]
    assert mended.answer == "Größe 5\nmm"
    verbatim = "soft\u00adhyphen A\u030a"
    assert check([closed("q?", verbatim)]).accepted[0].answer == verbatim
    assert check([closed("q?", "a \ud800 b")]).accepted[0].answer == "a  b"


def test_too_long_is_rejected_by_the_given_counter_and_chats_lose_their_last_turns():
    def count(messages: list[Message]) -> int:
        return sum(len(m["content"].split()) for m in messages)

    talk = chat(("user", "a b"), ("assistant", "c d"), ("user", "e f"), ("assistant", "g " * 50))
    found = check([closed("q", "w " * 100), talk], count_tokens=count, max_length=20)
    assert [m["content"] for m in found.accepted[0].messages] == ["a b", "c d"]
    assert found.rejected[0].reason == "too long: 110 tokens, at most 20"
    assert "last turns left out: 2 more than fit 20 tokens" in found.repaired[0].done


def test_wrong_languages():
    german = closed(
        "Which oil does the gearbox of the pump need?",
        "Das Getriebe der Pumpe ist mit dem Öl zu befüllen, das auf dem Schild steht.",
        origin="import:a.csv#1",
    )
    english = closed("Which oil is used in the gearbox?", "The gearbox is filled with the oil on the plate.")
    assert reasons(check([german, english])) == ["wrong language"]
    asked = closed("Translate into German: the gearbox of the pump has to be filled with oil.",
                   "Das Getriebe der Pumpe ist mit Öl zu füllen.", origin="import:a.csv#1")  # fmt: skip
    assert reasons(check([asked])) == []
    only = check([english], settings=DatasetSection(languages=["de"]))
    assert only.rejected[0].reason == "wrong language: en, wanted de"


# --- personal data ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to ann.lee+x@mail.example.com now", "e-mail address"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN"),
        ("IBAN GB29NWBK60161331926819.", "IBAN"),
        ("card 4111 1111 1111 1111", "payment card"),
        ("amex 378282246310005", "payment card"),
        ("call +49 30 901820 now", "telephone number"),
        ("Tel.: 030 / 90 18 20 00", "telephone number"),
        ("(030) 901820-15", "telephone number"),
        ("555-867-5309", "telephone number"),
        ("SSN 536-22-1234", "social security number"),
    ],
)
def test_what_looks_personal(text, kind):
    assert [k for k, _ in personal.find(text)] == [kind]
    assert personal.hidden(text) != text


@pytest.mark.parametrize(
    "text",
    [
        "IBAN DE89 3704 0044 0532 0130 01",
        "card 4111 1111 1111 1112",
        "Part 4711-0815-2024, 12 345 678 hours, 0.5 – 10 bar, 2025-06-30",
        "Order 1000000000000000 of 12.05.2024 10:30",
        "ISO 9001:2015, DIN EN 10088-3, 6205-2RS1, article 300 400 5000",
        "tel quel, fax machine 3 kW",
    ],
)
def test_what_does_not(text):
    assert list(personal.find(text)) == []


def test_personal_data_is_counted_or_rejected_and_never_shown_whole():
    row = closed("Whom do I write to?", "To ann.lee@example.com.")
    kept = check([row, closed("Which oil?", "ISO VG 68.")])
    assert len(kept.accepted) == 2
    assert kept.figures["personal"]["e-mail address"]["samples"] == [f"{row.id}: a…@example.com"]
    assert any("1 with e-mail address" in w for w in kept.warnings)
    gone = check([row], settings=DatasetSection(personal_data="reject"))
    assert gone.rejected[0].reason == "personal data: e-mail address"


# --- figures ----------------------------------------------------------------------------------


def test_too_little_data_is_said_with_numbers():
    found = check(facts(2, 5, 1))
    assert any("Too little data to matter: 10 rows" in w for w in found.warnings)
    assert any("10 answers are asked for in 1.0 wordings" in w for w in found.warnings)
    enough = check(facts(10, 10, 4))
    assert enough.warnings == ()
    assert (enough.figures["facts"], enough.figures["wordings_per_fact"]) == (100, 4.0)


def test_a_mix_that_never_abstains_is_warned_of():
    rows = [grounded(f"Which torque has bolt M{i}?", f"{i} Nm", f"M{i}: {i} Nm") for i in range(120)]
    assert any("dataset.abstain" in w for w in check(rows).warnings)


def test_questions_with_one_answer_are_wordings_of_one_fact():
    rows = [
        closed("Which torque do the M8 bolts need?", "25 Nm", origin="import:a.csv#1"),
        closed("The M8 bolts need what torque?", "25 Nm", origin="import:a.csv#2"),
        closed("How hot may the motor winding get?", "25 Nm", origin="import:a.csv#3"),
    ]
    names = [e.fact for e in check(rows).accepted]
    assert names[0] == names[1] != names[2]


def test_many_rows_of_one_template_take_linear_time():
    def rows(count: int) -> list:
        return [
            closed(
                f"What is the torque of bolt {i} of the pump?",
                f"It is {i % 90 + 5} Nm.",
                origin=f"import:a#{i}",
            )
            for i in range(count)
        ]

    few, many = rows(1000), rows(10_000)
    check(few)
    start = time.process_time()
    assert len(check(many).accepted) == 10_000
    assert time.process_time() - start < 12  # a hundred thousand in less than two minutes on a slow machine
