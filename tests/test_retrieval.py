"""Search on a real store: fusion, duplicates, diversity, reranking, recommendations, budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import HashEmbedder, passage
from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.config import RetrievalSection
from loresmith.errors import UsageError
from loresmith.index import Store, open_store
from loresmith.index.analysis import terms
from loresmith.retrieval import fit, reciprocal_rank, search, similar, weighted
from loresmith.types import Filter, Hit, Passage

EMBEDDER = HashEmbedder(64)
TEXTS = {
    "bolts.txt": "The flange bolts M8 of the pump P-200 are tightened with 25 Nm.",
    "oil.txt": "Change the oil of the gearbox every 4000 hours.",
    "seal.txt": "The mechanical seal must never run dry.",
    "start.txt": "Open the suction valve, then start the pump.",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "index", dimension=64, metric="cosine", create=True)
    put(opened, [passage(text, document=name) for name, text in TEXTS.items()])
    yield opened
    opened.close()


def put(store: Store, passages: Sequence[Passage]) -> None:
    store.replace(
        sorted({p.document for p in passages}),
        passages,
        EMBEDDER.embed_queries([p.text for p in passages]),
        [terms(p.indexed_text(), p.language) for p in passages],
    )


def documents(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.document for hit in hits]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "text"])
def test_the_right_passage_comes_first(store: Store, mode: str) -> None:
    hits = search(store, EMBEDDER, "flange bolts of the P-200", k=2, mode=mode)  # type: ignore[arg-type]
    assert documents(hits)[0] == "bolts.txt"
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert set(hits[0].scores) == {"hybrid": {"dense", "text"}, "dense": {"dense"}, "text": {"text"}}[mode]


def test_full_text_needs_no_embedder(store: Store) -> None:
    assert documents(search(store, None, "gearbox", mode="text")) == ["oil.txt"]


def test_a_query_without_a_known_word_still_finds_by_meaning(store: Store) -> None:
    assert len(search(store, EMBEDDER, "xyzzy", k=4)) == 4
    assert search(store, EMBEDDER, "xyzzy", mode="text") == []


@pytest.mark.parametrize(
    ("query", "k", "embedder"), [("  ", 3, EMBEDDER), ("oil", 0, EMBEDDER), ("oil", 3, None)]
)
def test_wrong_use_is_said(store: Store, query: str, k: int, embedder: HashEmbedder | None) -> None:
    with pytest.raises(UsageError):
        search(store, embedder, query, k=k)


def test_settings_decide_where_nothing_is_given(store: Store) -> None:
    settings = RetrievalSection(k=1, mode="text")
    hits = search(store, EMBEDDER, "pump", settings=settings)
    assert len(hits) == 1
    assert set(hits[0].scores) == {"text"}


def test_a_filter_holds_in_both_searches(store: Store) -> None:
    put(
        store, [replace(passage("Secret flange bolts M8 of the P-200.", document="x.txt"), labels=("board",))]
    )
    for mode in ("hybrid", "dense", "text"):
        hits = search(store, EMBEDDER, "secret flange bolts", mode=mode, where=Filter(access=()))  # type: ignore[arg-type]
        assert "x.txt" not in documents(hits)
        hits = search(store, EMBEDDER, "secret flange bolts", mode=mode, where=Filter(access=("board",)))  # type: ignore[arg-type]
        assert documents(hits)[0] == "x.txt"


def test_copies_are_shown_once_but_other_models_are_kept(store: Store) -> None:
    text = TEXTS["bolts.txt"]
    put(
        store,
        [
            passage(text, document="copy.txt"),
            passage(text.replace("P-200", "P-210").replace("25 Nm", "35 Nm"), document="p210.txt"),
        ],
    )
    hits = search(store, EMBEDDER, "flange bolts torque", k=6)
    assert len({"bolts.txt", "copy.txt"} & set(documents(hits))) == 1
    assert "p210.txt" in documents(hits)


def test_the_same_text_under_the_title_that_was_asked_for_is_kept(store: Store) -> None:
    for name in ("Falco", "Aquila"):
        put(
            store, [replace(passage("Grease the bearing each month.", document=name), title=f"{name} manual")]
        )
    hits = search(store, EMBEDDER, "How often is the bearing of the Aquila greased?", k=6)
    assert "Aquila" in documents(hits)
    assert documents(hits).index("Aquila") == 0


def test_the_summary_of_its_section_speaks_for_a_passage(store: Store) -> None:
    about = {"one.txt": "Winter storage of the boiler.", "two.txt": "Summer cleaning of the boiler."}
    for name, summary in about.items():
        put(store, [replace(passage(f"Drain {name[0]} the circuit first.", document=name), summary=summary)])
    for season, name in (("winter", "one.txt"), ("summer", "two.txt")):
        hits = search(store, EMBEDDER, f"circuit boiler {season}", k=2)
        assert documents(hits)[0] == name
        assert hits[0].scores["summary"] > 0


def test_diversity_brings_something_else_forward(store: Store) -> None:
    near = [f"The seal of the pump runs {word} hot water." for word in ("in", "under", "with", "on")]
    put(store, [passage(text, document=f"near{n}.txt") for n, text in enumerate(near)])
    plain = search(store, EMBEDDER, "seal of the pump hot water", k=4)
    diverse = search(
        store, EMBEDDER, "seal of the pump hot water", k=4, settings=RetrievalSection(diversity=0.7)
    )
    assert sum(d.startswith("near") for d in documents(plain)) == 4
    assert sum(d.startswith("near") for d in documents(diverse)) < 4
    assert documents(diverse)[0] == documents(plain)[0]


def test_a_reranker_decides_and_is_checked(store: Store) -> None:
    def longest(query: str, passages: Sequence[Passage]) -> list[float]:
        return [float(len(p.text)) for p in passages]

    hits = search(store, EMBEDDER, "oil", k=4, rerank=longest)
    assert documents(hits)[0] == "bolts.txt"
    assert hits[0].scores["rerank"] == hits[0].score
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    with pytest.raises(ValueError, match="reranker"):
        search(store, EMBEDDER, "oil", rerank=lambda query, passages: [1.0])


@pytest.mark.parametrize("fusion", ["weighted", "rrf"])
@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_fusion_works_with_every_metric(tmp_path: Path, fusion: str, metric: str) -> None:
    store = open_store(tmp_path / metric, dimension=64, metric=metric, create=True)
    put(store, [passage(text, document=name) for name, text in TEXTS.items()])
    settings = RetrievalSection(fusion=fusion)  # type: ignore[arg-type]
    hits = search(store, EMBEDDER, "oil of the gearbox", k=4, settings=settings)
    assert documents(hits)[0] == "oil.txt"
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    store.close()


SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-2, 2), min_size=1)


@settings(deadline=None)
@given(SCORES, st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 40), min_size=1), st.floats(0, 1))
def test_weighted_fusion_keeps_every_candidate_and_agreed_orders(
    dense: dict[str, float], text: dict[str, float], weight: float
) -> None:
    fused = weighted(dense, text, weight)
    assert set(fused) == set(dense) | set(text)
    for a in set(dense) & set(text):
        for b in set(dense) & set(text):
            if dense[a] >= dense[b] and text[a] >= text[b]:
                assert fused[a] >= fused[b] - 1e-9


def test_reciprocal_rank_prefers_what_both_lists_hold() -> None:
    fused = reciprocal_rank([{"a": 3.0, "b": 2.0}, {"b": 9.0, "c": 8.0}])
    assert max(fused, key=lambda i: fused[i]) == "b"


def test_similar_recommends_other_documents_once(store: Store) -> None:
    more = [
        passage("Tighten the flange bolts M8 with 25 Nm.", document="guide.txt"),
        passage("The flange bolts are of steel.", document="guide.txt", ordinal=1, start=50),
    ]
    put(store, more)
    hits = similar(store, "bolts.txt", k=3)
    assert documents(hits)[0] == "guide.txt"
    assert len(set(documents(hits))) == len(hits) == 3
    assert "bolts.txt" not in documents(hits)


def test_similar_neither_shows_nor_starts_from_what_may_not_be_seen(store: Store) -> None:
    put(store, [replace(passage("Flange bolts M8.", document="x.txt"), labels=("board",))])
    assert "x.txt" not in documents(similar(store, "bolts.txt", where=Filter(access=())))
    for name in ("x.txt", "nothing.txt"):
        with pytest.raises(UsageError, match="no such document"):
            similar(store, name, where=Filter(access=()))


def test_similar_to_the_only_document(tmp_path: Path) -> None:
    store = open_store(tmp_path / "one", dimension=64, metric="cosine", create=True)
    put(store, [passage("Alone.", document="a.txt")])
    assert similar(store, "a.txt") == []
    store.close()


def test_a_budget_is_filled_with_whole_passages() -> None:
    hits = [Hit(passage=passage("word " * n), rank=r, score=1.0) for r, n in enumerate((50, 80, 10), 1)]

    def count(text: str) -> int:
        return len(text.split())

    kept = fit(hits, count, 80)
    assert [h.rank for h in kept] == [1, 3]
    assert sum(count(h.passage.indexed_text()) for h in kept) <= 80
    assert fit(hits, count, 5) == []
