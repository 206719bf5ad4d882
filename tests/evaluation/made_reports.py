"""A comparison made up from a seed, in its folder as `compare` leaves it: what reports are made of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loresmith.evaluation.comparison import store
from loresmith.evaluation.comparison.values import Question, Rating, Record
from loresmith.evaluation.reporting import rating

ARMS = ("base", "rag", "tuned", "both", "oracle", "format")
SERVED = {
    "trained": {"base": 0.05, "rag": 0.84, "tuned": 0.47, "both": 0.86, "oracle": 0.95, "format": 0.07},
    "indexed": {"base": 0.04, "rag": 0.81, "tuned": 0.09, "both": 0.76, "oracle": 0.93, "format": 0.06},
    "changed": {"base": 0.02, "rag": 0.88, "tuned": 0.03, "both": 0.62, "oracle": 0.94, "format": 0.03},
    "unanswerable": {"base": 0.21, "rag": 0.86, "tuned": 0.35, "both": 0.9, "oracle": 0.9, "format": 0.1},
    "style": {"base": 0.02, "rag": 0.34, "tuned": 0.71, "both": 0.78, "oracle": 0.4, "format": 0.5},
    "general": {"base": 0.74, "tuned": 0.66},
}
PARTS = ("flange bolt", "casing cover", "seal cover", "bearing bracket", "coupling guard", "base plate")
PLACES = ("P-200", "P-250", "K-12", "HX 40", "VG220", "C-7")


def stored(
    reports_dir: Path, count: int = 120, *, poison: str = "", arms: Sequence[str] = ARMS, seed: int = 0
) -> Path:
    """The folder of a comparison of `count` questions, and of one rater.

    Args:
        poison: put into every text that comes from documents, models and people.
    """
    chance = random.Random(seed)
    strata = [s for s in SERVED for _ in range(4 if s == "indexed" else 2)]
    asked = [_question(i, strata[i % len(strata)], chance, poison) for i in range(count)]
    folder = store.create(reports_dir, _manifest(asked, arms, poison), [Question.from_dict(q) for q in asked])
    ratings = []
    with store.appending(folder) as append:
        for question in asked:
            for arm in (a for a in arms if a in SERVED[question["stratum"]]):
                served = chance.random() < SERVED[question["stratum"]][arm]
                answer = _answer(question, arm, served, chance, poison)
                append(
                    Record(
                        question=question["id"],
                        arm=arm,
                        answer=answer,
                        seconds=answer["seconds"]["generation"],
                        tokens=answer["tokens"],
                    )
                )
                accepted = served if chance.random() < 0.95 else not served
                ratings.append(
                    Rating(
                        rater=f"Anna{poison}",
                        kind="person",
                        question=question["id"],
                        arm=arm,
                        accepted=accepted,
                    )
                )
    rating.append(folder, ratings)
    return folder


def _manifest(asked: Sequence[dict[str, Any]], arms: Sequence[str], poison: str) -> dict[str, Any]:
    return {
        "id": "4c1d0b7a93ef", "created": "2026-11-20T19:02:11Z", "workspace": f"plant{poison}",
        "model": {"name": f"qwen2.5-coder-0.5b{poison}", "fingerprint": "9f" * 16, "engine": "llama.cpp"},
        "adapter": {"id": "lora-87e233ff", "method": "lora", "dataset": "4cb96e073c615b38"},
        "index": {"generation": "g0004", "documents": 214, "passages": 6120, "embedder": "all-minilm-l6-v2"},
        "settings": {"seed": 7, "temperature": 0.0, "max_tokens": 200, "k": 8},
        "versions": {"loresmith": "0.1.0", "xllamacpp": "2026.1.0"}, "source": f"questions.jsonl{poison}",
        "arms": list(arms), "known": {arm: _known(arm) for arm in arms},
        "warnings": [f"The index is from before the last change of 3 documents.{poison}"],
        "removed": [{"id": "q9001", "question": f"What torque do the flange bolts take?{poison}",
                     "reason": f"nearly a training row, with the same figures{poison}",
                     "beside": f"Which torque for the flange bolts?{poison}"}],
        "checks": {"absent": {asked[1]["id"]: [f"manuals/lost.pdf{poison}"]},
                   "gold_unseen": [asked[0]["id"]]},
    }  # fmt: skip


def _known(arm: str) -> dict[str, Any]:
    reads, learned = arm in ("rag", "both", "oracle"), arm in ("tuned", "both")
    return {
        "prepare_seconds": 41.0 if learned else 0.0,
        "index_seconds": 19.0 if reads else 0.0,
        "train_seconds": 1460.0 if learned else 0.0,
        "disk_bytes": 540_000_000 if learned else 490_000_000,
        "change_one_fact_seconds": 0.8 if arm == "rag" else 1501.0 if learned else None,
    }


def _question(i: int, stratum: str, chance: random.Random, poison: str) -> dict[str, Any]:
    part, place = chance.choice(PARTS), chance.choice(PLACES)
    torque = chance.randint(8, 240)
    raw = {
        "id": f"q{i:04d}{poison}", "stratum": stratum, "cluster": f"c{i // 2}",
        "question": f"Which torque for the {part}s of the {place}, position {i}?{poison}",
        "answer": None if stratum == "unanswerable" else [f"{torque} Nm"],
        "documents": [f"manuals/{place.lower()}-operating-manual.pdf{poison}"], "pages": [4],
        "origin": f"file:questions.jsonl#{i + 1}{poison}",
    }  # fmt: skip
    if stratum == "general":
        alone = {"question": f"What is {i} + {i}?{poison}", "answer": [str(2 * i)]}
        return {k: v for k, v in raw.items() if k not in ("documents", "pages")} | alone
    if stratum == "style":
        raw |= {"terms": ["Nm", "crosswise"], "pattern": r"^Tighten .* to \d+ Nm"}
    return raw


def _answer(
    question: dict[str, Any], arm: str, served: bool, chance: random.Random, poison: str
) -> dict[str, Any]:
    stratum, gold = question["stratum"], question["answer"]
    abstained = served if gold is None else (not served and chance.random() < 0.4)
    known = int(gold[0].split()[0]) if gold else 50
    said = known if served else known + chance.randint(1, 30)
    if abstained:
        text = "The documents do not answer this question."
    elif stratum == "general":
        text = f"{said}{poison}"
    elif stratum == "style" and served:
        text = f"Tighten the bolts crosswise to {said} Nm.{poison}"
    else:
        text = f"The bolts are tightened to {said} Nm, lightly oiled.{poison}"
    hits, citations = [], []
    if arm in ("rag", "both", "oracle"):
        hits = [_hit(question, rank, said, poison) for rank in range(1, 6)]
        quote = f"tightened to {said} Nm"
        at = hits[0]["locator"]["start"] + hits[0]["text"].index(quote)
        citations = [{
            "document": hits[0]["document"], "passage": "p0", "quote": quote,
            "locator": {"start": at, "end": at + len(quote), "page": hits[0]["locator"]["page"]},
        }]  # fmt: skip
    seconds = chance.lognormvariate(0, 0.3) * (1.4 if hits else 0.6)
    return {
        "question": question["question"], "answer": text, "abstained": abstained, "confidence": 0.83,
        "reason": f"the best passage is too far from the question{poison}" if abstained else "",
        "sentences": [] if abstained else [{"text": text, "citations": citations}], "hits": hits, "arm": arm,
        "dropped": [{"text": f"It is painted blue.{poison}", "reason": f"no passage says so{poison}"}]
        if hits and chance.random() < 0.15 else [],
        "model": "qwen2.5-coder-0.5b", "adapter": None, "tokens": {"prompt": 700, "answer": 30},
        "seconds": {"retrieval": 0.05, "generation": seconds, "verification": 0.01},
    }  # fmt: skip


def _hit(question: dict[str, Any], rank: int, said: int, poison: str) -> dict[str, Any]:
    start = 1000 * rank
    # A character beyond the basic plane: browsers count it twice, Python once.
    text = (
        f"3.{rank} Tightening torques 🔧{poison}\n\nThe bolts of this row are lightly oiled. "
        f"They are tightened to {said if rank == 1 else said + rank} Nm in two passes, crosswise, "
        "first with half the torque.\n\n"
        f"Place | Number | Torque in Nm\nFlange | 4 | {said}\nCover | 8 | {said + 3}"
    )
    documents = question.get("documents", ())
    return {
        "rank": rank, "score": 1 / rank, "text": text, "title": "Operating manual", "summary": "",
        "document": documents[0] if rank == 1 and documents else f"notes/shift-{rank}.md{poison}",
        "locator": {"start": start, "end": start + len(text), "page": 3 + rank},
        "heading": ["3 Installation", f"3.{rank} Tightening torques{poison}"], "scores": {"dense": 0.7},
    }  # fmt: skip
