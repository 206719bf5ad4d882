"""comparison/findings.py: accepted answers to look at again, and documents that are missing."""

from __future__ import annotations

from evaluation.made_folders import question, said, silence

from loresmith.evaluation.comparison import findings
from loresmith.evaluation.comparison.values import Record


def answers(**by_arm):
    return {
        "q0007": {arm: Record(question="q0007", arm=arm, answer=a, seconds=1.0) for arm, a in by_arm.items()}
    }


ASKED = question(7)  # What is the torque of bolt 7? 107 Nm
PASSAGE = "The torque of bolt 7 is 25 Nm, with oiled threads."


def quoting(text: str = "The torque is 25 Nm.", passage: str = PASSAGE):
    return said(text, "25 Nm", passage)


def test_two_arms_that_quote_otherwise_point_to_the_accepted_answer():
    found = findings.suspect_gold(
        [ASKED], answers(rag=quoting(), oracle=quoting("It is 25 Nm."), base=said("7")), []
    )
    assert [(e["id"], e["gold"], e["arms"]) for e in found] == [("q0007", ["107 Nm"], ["rag", "oracle"])]
    assert (found[0]["document"], found[0]["quote"], found[0]["said"]) == (
        "manual.pdf",
        "25 Nm",
        "It is 25 Nm.",
    )
    assert found[0]["why"] == "two arms quote otherwise"


def test_one_arm_alone_is_not_enough():
    assert findings.suspect_gold([ASKED], answers(rag=quoting(), oracle=silence()), []) == []
    assert (
        findings.suspect_gold([ASKED], answers(rag=quoting(), tuned=said("The torque is 90 Nm.")), []) == []
    )


def test_without_a_quote_agreement_is_not_enough():
    invented = said("The torque is 25 Nm.")
    assert findings.suspect_gold([ASKED], answers(base=invented, tuned=invented), []) == []
    assert findings.suspect_gold([ASKED], answers(rag=invented, oracle=invented), []) == []


def test_a_passage_that_holds_the_accepted_answer_too_speaks_for_it():
    both = quoting(passage="Bolt 7: 107 Nm. Bolt 8: 25 Nm.")
    assert findings.suspect_gold([ASKED], answers(rag=both, oracle=both), []) == []


def test_a_right_answer_is_no_reason_to_doubt():
    right = said("The torque is 107 Nm.", "107 Nm")
    assert findings.suspect_gold([ASKED], answers(rag=right, oracle=right), []) == []


def test_one_may_say_more_than_the_other_but_not_something_else():
    passage = "Above 100 °C the bolt takes 25 Nm."
    longer = said("Above 100 °C it takes 25 Nm.", passage, passage)
    found = findings.suspect_gold([ASKED], answers(rag=quoting(), both=longer), [])
    assert found[0]["arms"] == ["rag", "both"]
    for other in ("It takes 26 Nm.", "It is bolted."):
        assert findings.suspect_gold([ASKED], answers(rag=quoting(), both=said(other)), []) == []


def test_words_count_where_there_are_no_figures():
    asked = question(7, question="What is the seal made of?", answer=("Viton",))
    quoted = said("The seal is made of EPDM.", "made of EPDM", "The seal is made of EPDM rubber.")
    found = findings.suspect_gold([asked], answers(rag=quoted, both=quoted), [])
    assert found[0]["arms"] == ["rag", "both"]
    other = said("The seal is made of steel.", "made of steel", "A cover made of steel.")
    assert findings.suspect_gold([asked], answers(rag=quoted, both=other), []) == []


def test_an_answer_that_stands_nowhere_is_pointed_to_and_both_reasons_come_first():
    asked = [question(1), question(2), question(3, answer=None)]
    quoted = {
        "q0002": {
            arm: Record(question="q0002", arm=arm, answer=quoting(), seconds=1.0) for arm in ("rag", "both")
        }
    }
    found = findings.suspect_gold(asked, quoted, ["q0001", "q0002", "q0003"])
    assert [entry["id"] for entry in found] == ["q0002", "q0001"]
    assert found[0]["why"] == "two arms quote otherwise and it stands nowhere in its documents"
    assert (found[1]["said"], found[1]["arms"]) == ("", [])


def test_documents_outside_the_index_are_missing():
    found = findings.documents_missing([question(1), question(2)], {}, {"q0001": ["old.pdf"]})
    assert [(e["id"], e["documents"], e["why"]) for e in found] == [
        ("q0001", ["old.pdf"], "not in the index")
    ]


def test_where_nobody_knows_the_document_silence_of_all_who_search_counts():
    asked = question(7, "other", documents=())
    hit = {"document": "a.pdf", "text": "The torque of bolt 8 is 25 Nm."}
    found = findings.documents_missing(
        [asked], answers(rag=silence([hit]), both=silence([hit]), base=said("9 Nm")), {}
    )
    assert [e["why"] for e in found] == ["nothing was found"]
    # One that answers, or a passage that holds the answer, means that something was there.
    assert findings.documents_missing([asked], answers(rag=silence(), both=quoting()), {}) == []
    held = {"document": "a.pdf", "text": "Bolt 7: 107 Nm."}
    assert findings.documents_missing([asked], answers(rag=silence([held]), both=silence()), {}) == []


def test_silence_is_no_missing_document_where_it_is_right_or_nobody_searched():
    asked = question(7, "unanswerable", answer=None, documents=())
    assert findings.documents_missing([asked], answers(rag=silence()), {}) == []
    assert findings.documents_missing([question(7, "other", documents=())], answers(base=silence()), {}) == []
