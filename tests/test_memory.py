"""Conversation memory: found again in its chat, gone when it must be gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import HashEmbedder

from loresmith.index import Store, open_store
from loresmith.memory import forget, recall, remember, rests_on
from loresmith.state import State
from loresmith.types import Answer, BasisTable, Citation, Locator, Sentence, TableResult

EMBEDDER = HashEmbedder(64)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "index", dimension=64, metric="cosine", create=True)
    yield opened
    opened.close()


def answer(question: str, text: str, *, document: str = "a.pdf", abstained: bool = False) -> Answer:
    citation = Citation(document=document, passage="p", locator=Locator(), quote=text)
    return Answer(
        question=question,
        answer=text,
        abstained=abstained,
        sentences=(Sentence(text=text, citations=(citation,)),),
        hits=(),
        model="m",
    )


TORQUE = "What torque for the flange bolts?"


def keep(state: State, store: Store, chat: str, question: str, text: str, **more: object) -> None:
    remember(state, store, EMBEDDER, chat, question, answer(question, text), **more)  # type: ignore[arg-type]


def test_what_matters_is_found_again_in_its_own_chat(state: State, store: Store) -> None:
    keep(state, store, "one", TORQUE, "The flange bolts take 25 Nm torque.")
    keep(state, store, "one", "Who makes oil?", "Acme delivers every oil.")
    found = recall(state, store, EMBEDDER, "one", "torque of the flange bolts", k=1)
    assert [r.entry.answer for r in found] == ["The flange bolts take 25 Nm torque."]
    assert found[0].entry.documents == ("a.pdf",)
    assert recall(state, store, EMBEDDER, "two", "torque of the flange bolts") == []
    assert recall(state, store, EMBEDDER, "one", "completely different matter") == []


def test_an_abstention_is_not_kept(state: State, store: Store) -> None:
    assert remember(state, store, EMBEDDER, "one", "q", answer("q", "no", abstained=True)) is None
    assert recall(state, store, EMBEDDER, "one", "q") == []


def test_forgetting_erases_words_and_vectors(state: State, store: Store) -> None:
    keep(state, store, "one", TORQUE, "25 Nm torque for the flange bolts.")
    keep(state, store, "two", TORQUE, "30 Nm torque for the flange bolts.")
    assert forget(state, store, "one") == 1
    assert recall(state, store, EMBEDDER, "one", TORQUE) == []
    assert [r.entry.chat for r in recall(state, store, EMBEDDER, "two", TORQUE)] == ["two"]
    assert forget(state, store) == 1
    vectors = open_store(store.path, dimension=64, metric="cosine", table="memory")
    assert vectors.count() == 0
    vectors.close()


def test_labels_of_the_cited_documents_are_needed(state: State, store: Store) -> None:
    keep(state, store, "one", TORQUE, "25 Nm torque for the flange bolts.", labels=("board",))
    assert recall(state, store, EMBEDDER, "one", TORQUE, access=()) == []
    assert recall(state, store, EMBEDDER, "one", TORQUE, access=("staff",)) == []
    assert len(recall(state, store, EMBEDDER, "one", TORQUE, access=("board",))) == 1
    assert len(recall(state, store, EMBEDDER, "one", TORQUE)) == 1


def test_a_table_that_was_counted_is_rested_on_without_a_citation(state: State, store: Store) -> None:
    """So that its label counts, and its change ends the memory."""
    basis = tuple(
        BasisTable(document=name, table=name, columns=(), rows=(), total=1) for name in ("a.pdf", "pay.csv")
    )
    result = TableResult(sql="", reading="", columns=(), units=(), rows=(), basis=basis)
    counted = replace(answer(TORQUE, "Seven."), result=result)
    assert rests_on(counted) == ["a.pdf", "pay.csv"]
    kept = remember(state, store, EMBEDDER, "one", TORQUE, counted)
    assert kept is not None
    assert kept.documents == ("a.pdf", "pay.csv")


def test_an_entry_that_left_the_state_is_gone_whatever_the_vectors_say(state: State, store: Store) -> None:
    keep(state, store, "one", TORQUE, "25 Nm torque for the flange bolts.")
    state.forget("one")
    assert recall(state, store, EMBEDDER, "one", TORQUE) == []


def test_a_new_generation_of_the_index_loses_no_memory(state: State, store: Store, tmp_path: Path) -> None:
    keep(state, store, "one", TORQUE, "25 Nm torque for the flange bolts.")
    other = HashEmbedder(16, "other")
    fresh = open_store(tmp_path / "next", dimension=16, metric="cosine", create=True)
    assert len(recall(state, fresh, other, "one", TORQUE)) == 1
    remember(state, fresh, other, "one", "q", answer("q", "something else"))
    vectors = open_store(fresh.path, dimension=16, metric="cosine", table="memory")
    assert vectors.count() == 2
    vectors.close()
    fresh.close()


def test_remembering_leaves_the_passages_alone(state: State, store: Store) -> None:
    before = store.version()
    keep(state, store, "one", TORQUE, "25 Nm.")
    assert store.count() == 0
    assert store.version() == before
