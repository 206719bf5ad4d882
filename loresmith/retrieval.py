"""Finding passages: candidates by meaning and by words, fused, cleaned, cut to a budget.

    query -> dense and text candidates -> fusion, with the section's summary -> (rerank)
          -> without near-duplicates -> (diversity) -> hits

Promises: the filter goes into the store's own query, so nothing a reader may not see is ever a
candidate; the same index and query give the same hits in the same order; a hit says by which scores
it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from loresmith.config import RetrievalSection
from loresmith.errors import UsageError
from loresmith.index.analysis import query_terms, terms
from loresmith.index.store import Scored, Store
from loresmith.models import load_reranker
from loresmith.types import Embedder, Filter, Hit, Passage, SearchMode, Vectors

Rerank = Callable[[str, Sequence[Passage]], Sequence[float]]
"""`rerank(query, passages)` gives one score per passage, higher is better."""

RRF_K = 60
"""Cormack, Clarke, Buettcher 2009."""

_RERANKED = 30
_SUMMARY_WEIGHT = 0.05
_SIMILAR_PASSAGES = 16


def search(
    store: Store,
    embedder: Embedder | None,
    query: str,
    *,
    k: int | None = None,
    mode: SearchMode | None = None,
    where: Filter | None = None,
    settings: RetrievalSection | None = None,
    languages: Sequence[str] = (),
    rerank: Rerank | None = None,
) -> list[Hit]:
    """The `k` best passages for `query`, best first.

    Args:
        embedder: may be None in mode "text".
        k, mode: as `settings` has them where not given.
        languages: of the documents (`State.languages()`); the query's words are stemmed for each.
        rerank: orders the best candidates anew; the others stay behind them. Where it is not given,
            the cross-encoder that `settings` names does.

    Raises:
        UsageError: an empty query, k below 1.  ModelError: the cross-encoder cannot be loaded.
    """
    settings = settings or RetrievalSection()
    where = where or Filter()
    k = settings.k if k is None else k
    mode = mode or settings.mode
    if not query.strip():
        raise UsageError("The query is empty.", "Ask for something.")
    if k < 1:
        raise UsageError(f"k = {k}: must be at least 1.", "Ask for one passage or more.")
    if mode != "text" and embedder is None:
        raise UsageError(f"Mode {mode} needs an embedder.", "Use mode text.")
    candidates = max(settings.candidates, 2 * k)
    dense: Scored = []
    text: Scored = []
    if mode != "text" and embedder is not None:
        dense = store.search_dense(embedder.embed_queries([query])[0], candidates, where)
    asked = query_terms(query, languages)
    if mode != "dense":
        text = store.search_text(asked, candidates, where)
    hits = _fuse(dense, text, settings)
    if mode == "hybrid" and settings.fusion == "weighted":
        hits = _with_summaries(hits, asked)
    if rerank is None and settings.rerank not in (None, "", "model"):
        rerank = _cross_encoder(settings.rerank)
    if rerank is not None and hits:
        hits = _reranked(query, hits, rerank)
    hits = _without_duplicates(hits, query, settings.duplicates, k if not settings.diversity else 4 * k)
    if settings.diversity and len(hits) > 1:
        hits = _diverse(hits, store.vectors([h.passage.id for h in hits]), settings.diversity, k)
    return _ranked(hits[:k])


# --- fusion -----------------------------------------------------------------------------------


def _fuse(dense: Scored, text: Scored, settings: RetrievalSection) -> list[Hit]:
    passages = {p.id: p for p, _ in (*dense, *text)}
    parts = {"dense": {p.id: s for p, s in dense}, "text": {p.id: s for p, s in text}}
    used = {name: scores for name, scores in parts.items() if scores}
    if len(used) <= 1:
        fused = dict(next(iter(used.values()), {}))
    elif settings.fusion == "rrf":
        fused = reciprocal_rank(list(used.values()))
    else:
        fused = weighted(parts["dense"], parts["text"], settings.dense_weight)
    return [
        Hit(
            passage=passages[i],
            rank=0,
            score=fused[i],
            scores={name: scores[i] for name, scores in used.items() if i in scores},
        )
        for i in sorted(fused, key=lambda i: (-fused[i], i))
    ]


def reciprocal_rank(lists: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sum of 1 / (60 + rank) over the lists (Cormack, Clarke, Buettcher 2009)."""
    fused: dict[str, float] = {}
    for scores in lists:
        for rank, i in enumerate(sorted(scores, key=lambda i: (-scores[i], i)), 1):
            fused[i] = fused.get(i, 0.0) + 1 / (RRF_K + rank)
    return fused


def weighted(dense: Mapping[str, float], text: Mapping[str, float], weight: float) -> dict[str, float]:
    """A convex combination of the two scores, each divided by its best (after Bruch et al. 2023).

    What a list does not hold counts as its worst: 0 for BM25, the last candidate's for a dense score.
    Stretching the dense scores from worst to best instead, as min-max does, makes much of small
    differences, and did harm wherever the embedder does not know the language (docs/benchmarks.md).
    """
    # A negative distance becomes a similarity in (0, 1]; cosines below 0 are no likeness at all.
    distances = max(dense.values()) <= 0
    alike = {i: 1 / (1 - s) if distances else max(s, 0.0) for i, s in dense.items()}
    high = max(alike.values()) or 1.0
    low = min(alike.values())
    best = max(text.values()) or 1.0
    return {
        i: weight * alike.get(i, low) / high + (1 - weight) * text.get(i, 0.0) / best
        for i in {**dense, **text}
    }


def _with_summaries(hits: Sequence[Hit], asked: str) -> list[Hit]:
    """A passage of a section whose summary holds the query's words is likelier to be meant.

    The summary's share of the query's terms is added with a small weight, fit for scores on [0, 1], so
    not for those of reciprocal ranks. (Indexing the summary with
    the passage was measured and was worse: its words drown those of the passage.)
    """
    wanted = set(asked.split())
    shares: dict[tuple[str, str], float] = {}
    raised = []
    for hit in hits:
        key = hit.passage.summary, hit.passage.language
        if key not in shares:
            shares[key] = len(wanted & set(terms(*key).split())) / len(wanted) if wanted else 0.0
        share = shares[key]
        scores = {**hit.scores, "summary": share} if share else hit.scores
        raised.append(replace(hit, score=hit.score + _SUMMARY_WEIGHT * share, scores=scores))
    return sorted(raised, key=lambda h: (-h.score, h.passage.id))


def _cross_encoder(folder: str) -> Rerank:
    score = load_reranker(folder)
    return lambda query, passages: score(query, [p.indexed_text() for p in passages])


def _reranked(query: str, hits: list[Hit], rerank: Rerank) -> list[Hit]:
    head, tail = hits[:_RERANKED], hits[_RERANKED:]
    scores = rerank(query, [h.passage for h in head])
    if len(scores) != len(head):
        raise ValueError(f"the reranker gave {len(scores)} scores for {len(head)} passages")
    head = [
        replace(h, score=float(s), scores={**h.scores, "rerank": float(s)})
        for h, s in zip(head, scores, strict=True)
    ]
    head.sort(key=lambda h: (-h.score, h.passage.id))
    # Scores of two scales must not stand in one list as if they could be compared.
    floor = head[-1].score
    return head + [replace(h, score=min(floor, h.score)) for h in tail]


def _ranked(hits: Sequence[Hit]) -> list[Hit]:
    return [replace(h, rank=rank) for rank, h in enumerate(hits, 1)]


# --- near-duplicates and diversity ------------------------------------------------------------

_WORD = re.compile(r"\w+")


def _without_duplicates(hits: list[Hit], query: str, threshold: float, limit: int) -> list[Hit]:
    """The first `limit` hits without those that only repeat a better one.

    Two manuals of one maker may differ in nothing but the model's number and a torque: passages
    whose numbers and codes differ are never duplicates, nor are those whose titles and headings
    answer differently to the query's words.
    """
    asked = set(terms(query, "").split())
    kept: list[tuple[Hit, set[str], set[str], set[str]]] = []
    for hit in hits:
        if len(kept) == limit:
            break
        words = set(_WORD.findall(hit.passage.text.lower()))
        head = set(_WORD.findall(f"{hit.passage.title} {' '.join(hit.passage.heading)}".lower()))
        codes = {w for w in words | head if any(c.isdigit() for c in w)}
        named = asked & head
        if not any(
            codes == other_codes and named == other_named and _overlap(words, other) >= threshold
            for _, other, other_codes, other_named in kept
        ):
            kept.append((hit, words, codes, named))
    return [hit for hit, *_ in kept]


def _overlap(a: set[str], b: set[str]) -> float:
    """Jaccard index of two sets of words."""
    return len(a & b) / len(a | b) if a or b else 1.0


def _diverse(hits: list[Hit], vectors: Vectors, diversity: float, k: int) -> list[Hit]:
    """Maximal marginal relevance (Carbonell, Goldstein 1998), by the passages' own vectors."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1)
    alike = unit @ unit.T
    scores = np.array([h.score for h in hits])
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones(len(hits))
    chosen: list[int] = [0]
    left = list(range(1, len(hits)))
    while left and len(chosen) < k:
        gain = (1 - diversity) * relevance[left] - diversity * alike[np.ix_(left, chosen)].max(axis=1)
        chosen.append(left.pop(int(np.argmax(gain))))
    return [hits[i] for i in chosen]


# --- recommendations --------------------------------------------------------------------------


def similar(store: Store, document_id: str, *, k: int = 8, where: Filter | None = None) -> list[Hit]:
    """Other documents that are like this one, each by its passage nearest to one of this one's.

    The score of a document is the mean, over the passages of `document_id`, of the similarity of
    its nearest passage.

    Raises:
        UsageError: there is no such document, or the reader may not see it.
    """
    where = where or Filter()
    own = [p for p in store.of_document(document_id) if _visible(p, where)]
    if not own:
        raise UsageError(
            f"{document_id}: no such document in the index.", "`loresmith search` shows their names."
        )
    step = -(-len(own) // _SIMILAR_PASSAGES)
    asked = [p.id for p in own[::step]]
    best: dict[str, tuple[float, Passage]] = {}
    nearest: list[dict[str, float]] = []
    for vector in store.vectors(asked):
        found: dict[str, float] = {}
        for passage, score in store.search_dense(vector, 20 * k + len(own), where):
            if passage.document == document_id:
                continue
            found.setdefault(passage.document, score)
            if passage.document not in best or best[passage.document][0] < score:
                best[passage.document] = (score, passage)
        nearest.append(found)
    if not best:
        return []
    # A document that one search did not reach is at most as near as the last that it did.
    floors = [min(found.values()) if found else 0.0 for found in nearest]
    means = {
        d: float(np.mean([found.get(d, low) for found, low in zip(nearest, floors, strict=True)]))
        for d in best
    }
    order = sorted(means, key=lambda d: (-means[d], d))[:k]
    return _ranked(
        [Hit(passage=best[d][1], rank=0, score=means[d], scores={"dense": best[d][0]}) for d in order]
    )


def _visible(passage: Passage, where: Filter) -> bool:
    return where.access is None or set(passage.labels) <= set(where.access)


# --- budget -----------------------------------------------------------------------------------


def fit(hits: Sequence[Hit], count: Callable[[str], int], budget: int) -> list[Hit]:
    """The best hits whose passages together have at most `budget` tokens; passages stay whole.

    A passage that no longer fits is passed over, a shorter one after it may still fit.
    """
    kept: list[Hit] = []
    left = budget
    for hit in hits:
        tokens = count(hit.passage.indexed_text())
        if tokens <= left:
            kept.append(hit)
            left -= tokens
    return kept
