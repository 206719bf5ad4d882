"""A comparison as it comes out, made up from a seed: report.json's object and the rows beside it.

`report(...)` and `rows(...)` agree with each other: shares are counted from the same answers.
"""

from __future__ import annotations

import math
import random
from typing import Any

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
KEYS = ("one_only", "other_only")


def rows(count: int = 120, seed: int = 0, *, poison: str = "") -> list[dict[str, Any]]:
    """`count` questions with the answers of every arm. `poison` is put into every text there is."""
    chance = random.Random(seed)
    strata = [s for s in SERVED for _ in range(4 if s == "indexed" else 2)]
    return [_row(i, strata[i % len(strata)], chance, poison) for i in range(count)]


def _row(i: int, stratum: str, chance: random.Random, poison: str) -> dict[str, Any]:
    part, place = chance.choice(PARTS), chance.choice(PLACES)
    torque, page = chance.randint(8, 240), chance.randint(1, 60)
    gold = None if stratum == "unanswerable" else [f"{torque} Nm"]
    question = f"Which torque for the {part}s of the {place}, position {i}?{poison}"
    raw = {
        "id": f"q{i:04d}{poison}", "question": question, "answer": gold, "stratum": stratum,
        "documents": [f"manuals/{place.lower()}-operating-manual.pdf{poison}"], "pages": [page],
        "cluster": f"c{i // 2}", "origin": f"file:questions.jsonl#{i + 1}{poison}",
    }  # fmt: skip
    if stratum == "general":
        raw |= {
            "question": f"What is {i} + {i}?{poison}",
            "answer": [str(2 * i)],
            "documents": [],
            "pages": [],
        }
    if stratum == "style":
        raw |= {"terms": ["Nm", "crosswise"], "pattern": r"^Tighten .* to \d+ Nm"}
    answers = {arm: _answer(raw, arm, stratum, chance, torque, poison) for arm in SERVED[stratum]}
    flags = [
        flag for flag, share in (("suspect_gold", 0.02), ("nothing_found", 0.03)) if chance.random() < share
    ]
    return {"question": raw, "arms": answers, "flags": flags}


def _answer(
    raw: dict[str, Any], arm: str, stratum: str, chance: random.Random, torque: int, poison: str
) -> dict[str, Any]:
    served = chance.random() < SERVED[stratum][arm]
    answerable = raw["answer"] is not None
    abstained = served if not answerable else (not served and chance.random() < 0.4)
    said = torque if served else torque + chance.randint(1, 30)
    if abstained:
        text = "The documents do not answer this question."
    elif stratum == "general":
        text = f"{raw['answer'][0] if served else 7}{poison}"
    elif stratum == "style" and served:
        text = f"Tighten the bolts crosswise to {said} Nm.{poison}"
    else:
        text = f"The bolts are tightened crosswise to {said} Nm, with the oil film of table 3.{poison}"
    hits, sentences = [], [{"text": text, "citations": []}]
    if arm in ("rag", "both", "oracle"):
        hits = [_hit(raw, rank, said, poison) for rank in range(1, 6)]
        quote = f"tightened to {said} Nm"
        at = hits[0]["locator"]["start"] + hits[0]["text"].index(quote)
        sentences[0]["citations"] = [{
            "document": hits[0]["document"], "passage": "p0", "quote": quote,
            "locator": {"start": at, "end": at + len(quote), "page": hits[0]["locator"]["page"]},
        }]  # fmt: skip
    seconds = chance.lognormvariate(0, 0.3) * (1.4 if hits else 0.6)
    right = None if not answerable else served
    score = {
        "question": raw["id"], "arm": arm, "stratum": stratum, "cluster": raw["cluster"],
        "success": float(served), "answered": not abstained, "answerable": answerable, "right": right,
        "form": served if stratum == "style" else None, "f1": 0.5 if answerable and not abstained else None,
        "citation_precision": 1.0 if hits and not abstained else None, "quotes": 1.0 if hits else None,
        "seconds": seconds, "tokens": 30, "error": "",
    }  # fmt: skip
    answer = {
        "question": raw["question"], "answer": text, "abstained": abstained,
        "reason": "the best passage is too far from the question" if abstained else "",
        "confidence": 0.83, "sentences": [] if abstained else sentences, "hits": hits, "arm": arm,
        "dropped": [{"text": f"It is painted blue.{poison}", "reason": f"no passage says so{poison}"}]
        if hits and chance.random() < 0.15 else [],
        "model": "qwen2.5-coder-0.5b", "adapter": None,
        "seconds": {"retrieval": 0.05, "generation": seconds, "verification": 0.01},
        "tokens": {"prompt": 700, "answer": 30},
    }  # fmt: skip
    return {"score": score, "answer": answer}


def _hit(raw: dict[str, Any], rank: int, said: int, poison: str) -> dict[str, Any]:
    start = 1000 * rank
    text = (
        f"3.{rank} Tightening torques {raw['id']} 🔧\n\nThe bolts of this row are lightly oiled. They are "
        f"tightened to {said if rank == 1 else said + rank} Nm in two passes, crosswise, first with half the "
        f"torque.{poison}\n\nPlace | Number | Torque in Nm\nFlange | 4 | {said}\nCover | 8 | {said + 3}"
    )
    return {
        "rank": rank, "score": 1 / rank, "text": text, "title": "Operating manual", "summary": "",
        "document": raw["documents"][0] if rank == 1 and raw["documents"] else f"notes/shift-{rank}.md{poison}",
        "locator": {"start": start, "end": start + len(text), "page": 3 + rank,
                    "heading": f"3 Installation › 3.{rank} Tightening torques{poison}"},
        "heading": ["3 Installation", f"3.{rank} Tightening torques"], "scores": {"dense": 0.7, "text": 12.0},
    }  # fmt: skip


def report(made: list[dict[str, Any]], *, poison: str = "", adapter: bool = True) -> dict[str, Any]:
    """report.json's object of these rows, with a verdict for RAG."""
    arms = [a for a in ARMS if adapter or a not in ("tuned", "both", "format")]
    contenders = [a for a in arms if a not in ("oracle", "format")]
    asked = [r for r in made if r["question"]["stratum"] != "general"]
    strata = dict.fromkeys(r["question"]["stratum"] for r in made)
    pairs = _pairs(asked, contenders)
    ahead = next(p for p in pairs if p["one"] == "rag" or p["other"] == "rag")
    reasons = [
        f"RAG served {percent(asked, 'rag')} of {len(asked)} questions, the base model {percent(asked, 'base')}.",
        f"For facts changed after training RAG leads: the index knows them, the adapter does not.{poison}",
        "Oracle is 10 points above RAG: what is lacking is retrieval, not knowledge.",
    ]
    return {
        "schema": 1, "id": "4c1d0b7a93ef", "created": "2026-11-20T19:02:11Z", "workspace": f"plant{poison}",
        "model": {"name": f"qwen2.5-coder-0.5b{poison}", "fingerprint": "9f" * 16, "engine": "llama.cpp",
                  "context_tokens": 4096},
        "adapter": {"id": "lora-87e233ff", "method": "lora", "dataset": "4cb96e073c615b38",
                    "created": "2026-11-18T08:00:00Z", "base_model": "qwen2.5-coder-0.5b"} if adapter else None,
        "index": {"generation": "g0004", "documents": 214, "passages": 6120, "embedder": "all-minilm-l6-v2"},
        "settings": {"seed": 7, "seeds": 1, "alpha": 0.05, "resamples": 2000, "level": 0.95, "temperature": 0.0,
                     "max_tokens": 200, "context_tokens": 3000, "k": 8},
        "versions": {"loresmith": "0.1.0", "python": "3.11.2", "xllamacpp": "2026.1.0"},
        "questions": {
            "asked": len(made), "source": f"questions.jsonl{poison}",
            "by_stratum": {s: sum(r["question"]["stratum"] == s for r in made) for s in strata},
            "removed": [{"id": "q9001", "question": f"What torque do the flange bolts of the P-200 take?{poison}",
                         "reason": "near-duplicate of a training row, with the same figures",
                         "beside": f"Which torque for the flange bolts of the P-200?{poison}"}],
            "warnings": [f"The index is from before the last change of 3 documents.{poison}"],
        },
        "arms": {arm: _arm(made, asked, arm) for arm in arms},
        "strata": {s: _stratum([r for r in made if r["question"]["stratum"] == s], arms, contenders) for s in strata},
        "pairs": pairs,
        "forgetting": {"base": 0.74, "tuned": 0.66, "difference": {"value": -0.08, "low": -0.16, "high": 0.01,
                                                                   "n": 60}, "p": 0.18} if adapter else None,
        "verdict": {
            "kind": "winner", "winner": "rag", "recommended": "rag", "findings": ["documents_missing"],
            "headline": f"RAG serves this workplace best: {percent(asked, 'rag')} of the questions.{poison}",
            "reasons": reasons, "needed": None, "worse": ["style"] if adapter else [],
        },
        "findings": {
            "documents_missing": [{"id": r["question"]["id"], "question": r["question"]["question"]}
                                  for r in made if "nothing_found" in r["flags"]],
            "suspect_gold": [{"id": r["question"]["id"], "question": r["question"]["question"],
                              "gold": ["80 Nm"], "said": f"110 Nm{poison}", "arms": ["rag", "both"],
                              "document": f"manuals/p-200.pdf{poison}", "quote": f"tightened to 110 Nm{poison}"}
                             for r in made if "suspect_gold" in r["flags"]],
        },
        "judgements": [
            {"rater": f"Anna{poison}", "kind": "person", "rated": 60, "agreement": 0.93,
             "kappa": {"value": 0.84, "low": 0.7, "high": 0.95, "n": 60}, "n": 60},
            {"rater": "qwen2.5-coder-3b", "kind": "model", "rated": 480, "agreement": 0.81,
             "kappa": {"value": 0.6, "low": 0.53, "high": 0.67, "n": 480}, "n": 480},
        ],
        "literature": [
            {"source": "Ovadia et al. 2023, table 2", "setting": "Mistral-7B, current events", "base": 0.481,
             "rag": 0.875, "tuned": 0.504, "both": 0.81},
            {"source": "Soudani et al. 2024", "setting": "StableLM2-1.6B, PopQA", "base": 0.17, "rag": 0.76,
             "tuned": 0.22, "both": 0.82},
        ],
        "ahead": ahead["difference"],
    }  # fmt: skip


def percent(made: list[dict[str, Any]], arm: str) -> str:
    return f"{100 * _share(made, arm)['value']:.0f} %"


def _successes(made: list[dict[str, Any]], arm: str) -> list[float]:
    return [r["arms"][arm]["score"]["success"] for r in made if arm in r["arms"]]


def _share(made: list[dict[str, Any]], arm: str) -> dict[str, Any]:
    values = _successes(made, arm)
    if not values:
        return {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}
    mean = sum(values) / len(values)
    half = 1.96 * math.sqrt(max(mean * (1 - mean), 0.01) / len(values))
    return {"value": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half), "n": len(values)}


def _pairs(made: list[dict[str, Any]], arms: list[str]) -> list[dict[str, Any]]:
    found = []
    for i, other in enumerate(arms):
        for one in arms[i + 1 :]:
            both = [(r["arms"][one]["score"]["success"], r["arms"][other]["score"]["success"])
                    for r in made if one in r["arms"] and other in r["arms"]]  # fmt: skip
            differences = [a - b for a, b in both] or [0.0]
            mean, n = sum(differences) / len(differences), len(differences)
            half = 1.96 * math.sqrt(max(sum((d - mean) ** 2 for d in differences), 0.5)) / n
            low, high = max(-1.0, mean - half), min(1.0, mean + half)
            found.append({
                "one": one, "other": other, "difference": {"value": mean, "low": low, "high": high, "n": n},
                "one_only": sum(d > 0 for d in differences), "other_only": sum(d < 0 for d in differences),
                "p": 0.0001 if low > 0 or high < 0 else 0.3, "p_holm": 0.0006 if low > 0 or high < 0 else 0.6,
                "significant": low > 0 or high < 0, "needed": None if mean == 0 else round(4 / mean**2),
            })  # fmt: skip
    return found


def _stratum(made: list[dict[str, Any]], arms: list[str], contenders: list[str]) -> dict[str, Any]:
    here = [a for a in arms if _successes(made, a)]
    pairs = _pairs(made, [a for a in contenders if a in here])
    return {"questions": len(made), "arms": {a: _share(made, a) for a in here}, "pairs": pairs}


def _arm(made: list[dict[str, Any]], asked: list[dict[str, Any]], arm: str) -> dict[str, Any]:
    seconds = sorted(r["arms"][arm]["score"]["seconds"] for r in made if arm in r["arms"]) or [0.0]
    reads, learned = arm in ("rag", "both", "oracle"), arm in ("tuned", "both")
    return {
        "questions": sum(arm in r["arms"] for r in made), "errors": 0,
        "correct": _share(asked, arm), "right": _share(asked, arm),
        "abstention": {"precision": 0.71 if reads else None, "recall": 0.86 if reads else 0.2,
                       "false_answers": 2 if reads else 14, "false_refusals": 9 if reads else 3},
        "citations": {"precision": 0.93 if reads else None, "recall": 0.88 if reads else None,
                      "quotes": 1.0 if reads else None, "page": 0.9 if reads else None},
        "secondary": {"exact": 0.11, "f1": 0.42, "rouge_l": 0.4, "figures": 0.6},
        "retrieval": {"ndcg": 0.81, "recall": 0.9, "mrr": 0.78} if arm in ("rag", "both") else None,
        "latency": {"p50": seconds[len(seconds) // 2], "p95": seconds[int(0.95 * len(seconds))],
                    "mean": sum(seconds) / len(seconds)},
        "cost": {"prepare_seconds": 41.0 if learned else 0.0, "index_seconds": 19.0 if reads else 0.0,
                 "train_seconds": 1460.0 if learned else 0.0, "peak_memory_bytes": 2.1e9 if learned else 1.3e9,
                 "tokens_per_answer": 31.5, "change_one_fact_seconds": 0.8 if arm == "rag" else
                 1501.0 if learned else None, "disk_bytes": 5.4e8 if learned else 4.9e8},
    }  # fmt: skip
