"""What every store promises (loresmith/index/store.py). A further store joins `STORES`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers import HashEmbedder, passage

from loresmith.errors import IndexDamaged
from loresmith.index import Store, open_store
from loresmith.types import Filter, Passage

EMBEDDER = HashEmbedder(16)
OpenStore = Callable[[str], Store]
STORES = ["lance"]


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    return lambda metric: open_store(tmp_path / metric, dimension=16, metric=metric, create=True)


@pytest.fixture
def store(opened: OpenStore) -> Iterator[Store]:
    store = opened("cosine")
    yield store
    store.close()


def put(store: Store, passages: Sequence[Passage], documents: Sequence[str] | None = None) -> None:
    names = documents if documents is not None else sorted({p.document for p in passages})
    vectors = EMBEDDER.embed_queries([p.text for p in passages])
    store.replace(names, passages, vectors, [p.text.lower() for p in passages])


def texts(found: list[tuple[Passage, float]]) -> list[str]:
    return [p.text for p, _ in found]


def query(text: str) -> np.ndarray:
    return EMBEDDER.embed_queries([text])[0]


def test_a_passage_comes_back_as_it_went_in(store: Store) -> None:
    given = passage("Ein 'Zitat' — 25 Nm\n\ttab", labels=("b", "a'"), modified=12.5)
    put(store, [given])
    (back,) = store.get([given.id])
    assert back.labels == ("a'", "b")
    assert (back.text, back.locator, back.heading, back.modified) == (
        given.text,
        given.locator,
        given.heading,
        12.5,
    )


def test_replacing_a_document_leaves_exactly_the_new_rows(store: Store) -> None:
    put(store, [passage("alpha pump", start=0), passage("beta pump", start=50)])
    put(store, [passage("gamma valve", document="b.txt")])
    put(store, [passage("beta pump", start=50), passage("delta pump", start=90)])
    assert sorted(p.text for p in store.get(store.ids())) == ["beta pump", "delta pump", "gamma valve"]
    assert store.count() == 3


def test_replacing_with_nothing_removes_the_document(store: Store) -> None:
    put(store, [passage("alpha")])
    put(store, [], documents=["a.txt"])
    assert store.count() == 0


def test_the_same_replacement_twice_doubles_nothing(store: Store) -> None:
    rows = [passage(f"text {n}", start=n * 10) for n in range(20)]
    put(store, rows)
    store.optimize()
    put(store, rows)
    assert sorted(store.ids()) == sorted(p.id for p in rows)


def test_replace_refuses_rows_of_documents_it_does_not_replace(store: Store) -> None:
    with pytest.raises(ValueError, match=r"b\.txt"):
        put(store, [passage("x", document="b.txt")], documents=["a.txt"])


def test_replace_refuses_vectors_that_are_not_numbers(store: Store) -> None:
    with pytest.raises(ValueError, match="finite"):
        store.replace(["a.txt"], [passage("x")], np.full((1, 16), np.nan, np.float32), ["x"])
    assert store.count() == 0


def test_version_grows_with_each_commit(store: Store) -> None:
    before = store.version()
    put(store, [passage("alpha")])
    between = store.version()
    store.delete(["a.txt"])
    assert before < between < store.version()


def test_delete_touches_only_its_documents(store: Store) -> None:
    put(store, [passage("alpha", document=d) for d in ("it's.txt", "b.txt", "c.txt")])
    store.delete(["it's.txt", "c.txt"])
    assert [p.document for p in store.get(store.ids())] == ["b.txt"]


def test_another_handle_sees_a_commit_at_once(opened: OpenStore) -> None:
    writer, reader = opened("cosine"), opened("cosine")
    put(writer, [passage("alpha")])
    assert reader.count() == 1
    assert texts(reader.search_text("alpha", 5, Filter())) == ["alpha"]


@pytest.mark.parametrize("optimised", [False, True])
def test_text_search_ranks_by_bm25(store: Store, optimised: bool) -> None:
    put(
        store,
        [
            passage("p-200 torque 25 nm", start=0),
            passage("p-100 torque 12 nm", start=100),
            passage("cleaning agents", start=200),
        ],
    )
    if optimised:
        store.optimize()
    found = store.search_text("p-200 torque", 5, Filter())
    assert texts(found) == ["p-200 torque 25 nm", "p-100 torque 12 nm"]
    assert found[0][1] > found[1][1] > 0


def test_text_search_finds_long_terms_and_stop_words(store: Store) -> None:
    long = "x" * 90
    put(store, [passage(long), passage("the of and", start=100)])
    store.optimize()
    assert texts(store.search_text(long, 5, Filter())) == [long]
    assert texts(store.search_text("the", 5, Filter())) == ["the of and"]


def test_text_search_without_terms_finds_nothing(store: Store) -> None:
    put(store, [passage("alpha")])
    assert store.search_text("  ", 5, Filter()) == []


@pytest.mark.parametrize(
    ("metric", "expected"), [("cosine", lambda q, v: q @ v), ("dot", lambda q, v: q @ v),
                             ("l2", lambda q, v: -np.linalg.norm(q - v))],
)  # fmt: skip
def test_dense_scores_are_those_of_the_metric(
    opened: OpenStore, metric: str, expected: Callable[..., float]
) -> None:
    store = opened(metric)
    rows = [passage(f"word{n} pump", start=n * 50) for n in range(30)]
    put(store, rows)
    q = query("word7 pump")
    found = store.search_dense(q, 30, Filter())
    by_hand = {p.id: expected(q, v) for p, v in zip(rows, store.vectors([r.id for r in rows]), strict=True)}
    assert [p.id for p, _ in found] == sorted(by_hand, key=lambda i: -by_hand[i])
    assert [s for _, s in found] == pytest.approx([by_hand[p.id] for p, _ in found], abs=1e-5)
    assert found[0][0].text == "word7 pump"


def test_filters_choose_inside_the_query(store: Store) -> None:
    near = [passage("pump torque", document=f"n{n}.txt", source="/other", modified=5.0) for n in range(40)]
    far = passage("unrelated words", document="far's.txt", source="/it's here", modified=10.0)
    put(store, [*near, far])
    for where in (
        Filter(sources=("/it's here",)),
        Filter(documents=("far's.txt",)),
        Filter(since=10.0, until=10.5),
    ):
        assert texts(store.search_dense(query("pump torque"), 3, where)) == ["unrelated words"]
        assert texts(store.search_text("pump unrelated", 3, where)) == ["unrelated words"]
    assert store.search_dense(query("pump"), 3, Filter(until=5.0)) == []


def test_documents_without_a_date_are_outside_every_span(store: Store) -> None:
    put(store, [passage("alpha", modified=None)])
    assert store.search_text("alpha", 3, Filter(since=0.0)) == []


def test_a_reader_needs_every_label(store: Store) -> None:
    put(
        store,
        [
            passage("open pump", document="open"),
            passage("hr pump", document="hr", labels=("hr",)),
            passage("both pump", document="both", labels=("hr", "board")),
        ],
    )
    store.optimize()

    def seen(*access: str) -> list[str]:
        dense = store.search_dense(query("pump"), 9, Filter(access=access))
        text = store.search_text("pump", 9, Filter(access=access))
        assert {p.id for p, _ in dense} == {p.id for p, _ in text}
        return sorted(p.document for p, _ in dense)

    assert seen() == ["open"]
    assert seen("hr") == ["hr", "open"]
    assert seen("board", "hr", "more") == ["both", "hr", "open"]
    assert seen("HR", '["hr"]', "h", "%") == ["open"]
    assert sorted(texts(store.search_text("pump", 9, Filter()))) == ["both pump", "hr pump", "open pump"]
    assert texts(store.search_text("pump", 9, Filter(labels=("board",)))) == ["both pump"]
    assert store.search_text("pump", 9, Filter(labels=("board",), access=("board",))) == []


def test_a_label_set_that_arrives_later_is_filtered_too(store: Store) -> None:
    put(store, [passage("open pump", document="open")])
    assert len(store.search_text("pump", 9, Filter(access=()))) == 1
    put(store, [passage("secret pump", document="s", labels=("s",))])
    assert texts(store.search_text("pump", 9, Filter(access=()))) == ["open pump"]
    assert len(store.search_text("pump", 9, Filter(access=("s",)))) == 2


def test_vectors_come_in_the_order_asked_and_a_missing_one_is_an_error(store: Store) -> None:
    rows = [passage(f"word{n}", start=n * 10) for n in range(5)]
    put(store, rows)
    ids = [rows[3].id, rows[0].id, rows[3].id]
    expected = EMBEDDER.embed_queries(["word3", "word0", "word3"])
    np.testing.assert_array_equal(store.vectors(ids), expected)
    with pytest.raises(KeyError):
        store.vectors(["nowhere"])
    assert store.vectors([]).shape == (0, 16)
    assert store.get(["nowhere", rows[1].id]) == [rows[1]]


def test_of_document_is_in_reading_order(store: Store) -> None:
    rows = [passage(f"word{n}", start=n * 10, ordinal=n) for n in (2, 0, 1)]
    put(store, rows)
    assert [p.text for p in store.of_document("a.txt")] == ["word0", "word1", "word2"]
    assert store.of_document("nothing") == []


def test_rows_streams_everything(store: Store) -> None:
    rows = [passage(f"word{n}", start=n * 10) for n in range(2500)]
    put(store, rows)
    seen = {r.passage.id: r for r in store.rows()}
    assert len(seen) == 2500
    one = seen[rows[1234].id]
    assert one.terms == "word1234"
    np.testing.assert_array_equal(one.vector, query("word1234"))


def test_an_index_that_is_behind_or_missing_is_named_and_rebuilt(store: Store) -> None:
    put(store, [passage(f"word{n}", start=n * 10) for n in range(50)])
    assert any("behind by 50" in p for p in store.index_problems())
    store.optimize()
    assert store.index_problems() == []
    store.rebuild_indexes()
    assert store.index_problems() == []
    assert texts(store.search_text("word7", 3, Filter())) == ["word7"]


def test_a_missing_store_and_a_wrong_dimension_are_named(tmp_path: Path) -> None:
    with pytest.raises(IndexDamaged, match="missing"):
        open_store(tmp_path / "none", dimension=16, metric="cosine")
    open_store(tmp_path / "s", dimension=16, metric="cosine", create=True)
    with pytest.raises(IndexDamaged, match="16 numbers, 8 were expected"):
        open_store(tmp_path / "s", dimension=8, metric="cosine")


def test_the_vector_index_keeps_recall_and_filters(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loresmith.index.lance.EXACT_BELOW", 500)
    rows = [
        passage(f"word{n} pump{n % 97} valve{n % 13}", start=n * 100, document=f"d{n % 50}")
        for n in range(1500)
    ]
    put(store, rows)
    store.optimize()
    assert store.index_problems() == []
    matrix = store.vectors([r.id for r in rows])
    right = 0
    for n in range(0, 1500, 75):
        q = query(rows[n].text)
        exact = {rows[i].id for i in np.argsort(-(matrix @ q))[:10]}
        found = store.search_dense(q, 10, Filter())
        assert found[0][1] == pytest.approx(1.0, abs=1e-4)
        right += len(exact & {p.id for p, _ in found})
    assert right >= 196  # of 200
    only = store.search_dense(query("pump3 valve3"), 5, Filter(documents=("d3",)))
    assert len(only) == 5
    assert {p.document for p, _ in only} == {"d3"}
    assert len(store.search_dense(query("pump3 valve3"), 300, Filter())) == 300


def test_labels_are_kept_as_one_canonical_string(store: Store) -> None:
    put(store, [passage("x", labels=("b", "a", "b"))])
    assert store.get(store.ids())[0].labels == tuple(json.loads('["a", "b"]'))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed by Linux")
def test_a_reader_that_lives_through_many_syncs_keeps_few_files_open(
    store: Store, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loresmith.index.lance.RENEWED_AFTER", 3)
    # So many words that the engine keeps the file of their postings open.
    words = [" ".join(f"w{n * number % 997}" for number in range(80)) for n in range(30)]
    put(store, [passage(f"pump {n} {words[n]}", document=f"old {n}.txt") for n in range(30)])
    store.optimize()
    reader = opened("cosine")
    most = 0
    for number in range(20):
        writer = opened("cosine")  # another process, each time
        put(writer, [passage(f"pump {number}", document=f"{number}.txt")])
        writer.optimize()
        writer.close()
        assert len(reader.search_text("pump", 100, Filter())) == 30 + number + 1
        most = max(most, sum("_indices" in path for path in files_held()))
    reader.close()
    assert most < 15


def files_held() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one with which the folder was just listed
            yield os.readlink(f"/proc/self/fd/{name}")
