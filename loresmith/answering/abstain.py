"""How likely the passages answer the question, and the threshold below which nothing is said.

A logistic score over a few features of question and passages. Its weights are fitted on questions
with and without their gold document (evaluation/calibration.py) and ship as weights.json: one set
without a language model's opinion, one for questions in another language than the passages, one for
quoting without a model (features of quoting.py), and one for each model whose "Is it stated? Yes or No" was
measured to help (FACTS: area under the curve 1.00 for the 1.5B, .57, useless, for the 0.5B).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from loresmith.answering import facts
from loresmith.answering.agreement import agreement
from loresmith.answering.evidence import Piece, Question, covered, weigh
from loresmith.answering.text import fold, terms
from loresmith.types import Hit, LanguageModel, Message

FEATURES = ("dense", "text", "piece", "passage", "entities", "figure", "agrees", "stated")
FOREIGN = "foreign"
QUOTE = "quote"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the logistic score and the threshold that was best on the calibration set."""

    weights: Mapping[str, float]
    bias: float
    threshold: float

    def probability(self, features: Mapping[str, float]) -> float:
        value = self.bias + sum(w * features.get(name, 0.0) for name, w in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))

    @property
    def asks_model(self) -> bool:
        return bool(self.weights.get("stated"))


@cache
def shipped() -> Mapping[str, Calibration]:
    """The calibrations of weights.json by model name; "" is the one without a model's opinion."""
    raw = json.loads(files("loresmith.answering").joinpath("weights.json").read_text(encoding="utf-8"))
    return {name: Calibration(v["weights"], v["bias"], v["threshold"]) for name, v in raw.items()}


def calibration_for(model: str | None, *, foreign: bool = False) -> Calibration:
    """The calibration measured with `model`, else the one that needs no model.

    Args:
        foreign: question and passages are in different languages: words then say little.
    """
    known = shipped()
    if foreign:
        return known[FOREIGN]
    name = (model or "").casefold()
    return next((c for key, c in known.items() if key not in ("", FOREIGN, QUOTE) and key in name), known[""])


def features(
    question: Question,
    hits: Sequence[Hit],
    ranked: Sequence[tuple[float, Piece]],
    stated: float = 0.0,
    *,
    several: bool = False,
) -> dict[str, float]:
    """Features in about [0, 1].

    Args:
        ranked: the pieces by `evidence.rank`.
        several: the question compares documents (see `evidence.weigh`).
        stated: log P(Yes) - log P(No) of the model, 0 where it was not asked.
    """
    if not hits:
        return dict.fromkeys(FEATURES, 0.0)
    top = [piece for _, piece in ranked[:3]]
    weights = weigh(question, [piece for _, piece in ranked], several=several)
    bm25 = max((h.scores.get("text", 0.0) for h in hits), default=0.0)
    everything = [fold(h.passage.indexed_text() + "\n" + h.passage.document) for h in hits]
    wanted = [fold(n) for n in question.names]
    held = facts.codes("\n".join(h.passage.indexed_text() + "\n" + h.passage.document for h in hits))
    entities = [c in held for c in question.codes] + [any(n in t for t in everything) for n in wanted]
    return {
        "dense": max(0.0, max((h.scores.get("dense", 0.0) for h in hits), default=0.0)),
        "text": min(1.0, bm25 / (5.0 * max(1, len(question.terms)))),
        "piece": max((covered(weights, p.terms, terms(p.around)) for p in top), default=0.0),
        "passage": max(covered(weights, terms(h.passage.indexed_text())) for h in hits),
        "entities": sum(entities) / len(entities) if entities else 1.0,
        "figure": float(not question.wants_number or any(p.numbers for p in top)),
        "agrees": float(any(not agreement(question, p) for p in top)),
        "stated": max(-1.0, min(1.0, stated / 8)),
    }


def foreign(question: Question, hits: Sequence[Hit]) -> bool:
    """Whether the question's language is another than that of the best passages.

    A best passage of no known language, a table of names and figures, is in nobody's.
    """
    languages = [h.passage.language for h in hits[:3]]
    return bool(question.language and languages and languages[0]) and question.language not in languages


def stated_logit(model: LanguageModel, messages: Sequence[Message]) -> float:
    """log P(Yes) - log P(No) for "Is it stated?"; 0 where the engine cannot say."""
    found = model.choice_logprobs(messages, ("Yes", "No"))
    return 0.0 if found is None else found[0] - found[1]
