"""Who trains, who tells when to stop, who tells the truth at the end; and that nothing leaks."""

from __future__ import annotations

from collections import Counter

from dataset_rows import chat, closed, facts, grounded

from loresmith.config import DatasetSection
from loresmith.dataset.split import split


def reading(documents: int, each: int) -> list:
    return [
        grounded(f"Which torque has bolt M{i} of P-{d}?", f"{i} Nm", f"P-{d}, M{i}: {i} Nm", f"doc{d}.pdf")
        for d in range(documents)
        for i in range(each)
    ]


def documents_of(rows, found, kind=None):
    out = {"train": set(), "dev": set(), "test": set()}
    for row in rows:
        if row.id in found and (kind is None or row.kind == kind):
            out[found[row.id]].update(row.documents)
    return out


def test_rows_with_passages_follow_their_documents():
    rows = reading(40, 5)
    found = split(rows)
    held = documents_of(rows, found)
    assert all(held.values())
    assert not held["train"] & (held["dev"] | held["test"])
    assert not held["dev"] & held["test"]
    assert 20 <= len(held["train"]) <= 38


def test_a_document_keeps_its_split_when_others_come():
    before, rows = split(reading(40, 5)), reading(60, 5)
    after = split(rows)
    moved = [row.id for row in rows if row.id in before and before[row.id] != after[row.id]]
    assert len(moved) <= 5  # one document at most, where a share overflows
    assert split(rows) == after
    assert split(rows, DatasetSection(seed=1)) != after


def test_facts_that_train_give_some_unseen_wordings_to_dev_and_test_and_keep_the_others():
    rows = facts(40, 5, 4)
    found = split(rows)
    held = documents_of(rows, found)
    train_facts = Counter(r.fact for r in rows if found[r.id] == "train")
    dev = [r for r in rows if found[r.id] == "dev"]
    assert len({r.fact for r in dev}) == len(dev) == found.figures["dev_unseen_wordings"]
    assert all(train_facts[r.fact] == 3 for r in dev)
    assert 0.07 < len(dev) / (len(dev) + train_facts.total()) < 0.13
    unseen = [r for r in rows if found[r.id] == "test" and train_facts[r.fact]]
    assert len({r.fact for r in unseen}) == len(unseen) == found.figures["test_unseen_wordings"] > 30
    assert all(train_facts[r.fact] == 3 for r in unseen)
    assert not {r.fact for r in unseen} & {r.fact for r in dev}
    # Facts of held-out documents are not taught at all.
    untaught = held["test"] - {d for r in unseen for d in r.documents}
    assert untaught
    assert not untaught & (held["train"] | held["dev"])
    assert any("not taught" in note for note in found.notes)


def test_an_unseen_wording_for_test_is_not_read_with_passages_either():
    told = facts(40, 5, 4)
    read = [
        grounded(r.question, r.answer, r.answer + " So says the manual.", r.documents[0], fact=r.fact)
        for r in told
    ]
    found = split([*told, *read])
    trained = {r.question for r in read if found.get(r.id) == "train"}
    facts_taught = {r.fact for r in told if found[r.id] == "train"}
    unseen = {r.question for r in told if found[r.id] == "test" and r.fact in facts_taught}
    assert len(unseen) > 30
    assert not unseen & trained


def test_with_few_documents_none_is_held_out_and_that_is_said():
    rows = reading(2, 30) + facts(2, 5, 4)
    found = split(rows)
    assert documents_of(rows, found, "grounded")["test"] == set()
    assert "train" in found.values()
    assert any("2 documents with rows: too few" in note for note in found.notes)


def test_one_document_with_most_rows_is_never_held_out():
    big = [grounded(f"Bolt M{i}?", f"{i} Nm", f"M{i}: {i}", "big.pdf") for i in range(300)]
    for seed in range(10):
        found = split(big + reading(12, 3), DatasetSection(seed=seed))
        assert {found[row.id] for row in big} == {"train"}


def test_imported_facts_in_several_wordings_are_all_taught():
    rows = [
        closed(question, f"{i} Nm", fact=f"f{i}", origin=f"import:a.csv#{i}{w}")
        for i in range(60)
        for w, question in enumerate(
            (f"Torque of bolt {i}?", f"How tight is bolt {i}?", f"Bolt {i}, how tight?")
        )
    ]
    found = split(rows)
    taught = {r.fact for r in rows if found[r.id] == "train"}
    assert len(taught) == 60
    counts = Counter(found.values())
    assert counts["dev"] == counts["test"] == 18
    assert found.figures["questions_not_taught"] == 0


def test_imported_questions_without_wordings_are_held_out_and_that_is_said():
    rows = [
        closed(f"Question number {i}?", f"Answer {i}", fact=f"f{i}", origin=f"import:a#{i}")
        for i in range(300)
    ]
    found = split(rows)
    counts = Counter(found.values())
    assert 15 <= counts["test"] <= 45
    assert 15 <= counts["dev"] <= 45
    assert any(f"{counts['test'] + counts['dev']} imported questions are held out" in n for n in found.notes)
    whole = split(rows, DatasetSection(dev_share=0, test_share=0))
    assert set(whole.values()) == {"train"}


def test_a_handful_of_rows_all_train():
    rows = [closed(f"Q{i}?", f"A{i}", origin=f"import:a#{i}") for i in range(8)]
    found = split(rows)
    assert set(found.values()) == {"train"}
    assert any("no dev split" in note for note in found.notes)


def test_a_held_out_question_does_not_train_under_another_document():
    rows = facts(40, 5, 2)
    first = split(rows)
    held = next(row for row in rows if first[row.id] == "test")
    trained = next(d for d, name in ((f"doc{i}.pdf", i) for i in range(40))
                   if any(first[r.id] == "train" for r in rows if d in r.documents))  # fmt: skip
    copy = closed(f"please, {held.question.lower()}", "Another 7 Nm.", documents=(trained,), fact="x")
    found = split([*rows, copy])
    assert copy.id not in found
    assert [leak.example for leak in found.leaks] == [copy]
    assert found.leaks[0].reason.startswith("leak: the same question is held out for test")


def test_the_same_question_about_another_passage_is_no_leak():
    rows = [
        grounded("Which torque is it?", f"{d} Nm", f"Of P-{d} it is {d} Nm.", f"doc{d}.pdf")
        for d in range(40)
    ]
    found = split(rows)
    assert found.leaks == []
    assert Counter(found.values())["test"] > 0


def test_feedback_always_trains_and_takes_its_question_out_of_test():
    rows = facts(40, 5, 4)
    first = split(rows)
    held = next(row for row in rows if first[row.id] == "test")
    said = closed(held.question, "What a person says.", origin="feedback:1", documents=held.documents)
    found = split([*rows, said])
    assert found[said.id] == "train"
    assert held.id not in found
    assert [leak.example for leak in found.leaks] == [held]


def test_chats_that_begin_alike_do_not_leak():
    rows = [
        chat(
            ("user", "Hello"),
            ("assistant", "Hi"),
            ("user", f"Ask {i}"),
            ("assistant", f"Say {i}"),
            fact=f"c{i}",
        )
        for i in range(200)
    ]
    found = split(rows)
    assert found.leaks == []
    assert Counter(found.values())["test"] > 5


def test_a_row_on_two_documents_is_held_out_with_either():
    rows = reading(40, 5)
    first = split(rows)
    train = next(r.documents[0] for r in rows if first[r.id] == "train")
    test = next(r.documents[0] for r in rows if first[r.id] == "test")
    both = grounded("Compare them.", "They differ.", "text", train, documents=(train, test))
    assert split([*rows, both])[both.id] == "test"
