"""Which piece of the passages may stand as an answer without a language model, and how likely it does.

Hard demands first (a figure where one is asked for, the right year, code, row); of what passes them
the best piece is taken, and a logistic score says how likely it answers. Its weights are fitted on
questions whose answers are known (benchmarks/abstention.py) and ship in weights.json.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loresmith.answering import facts
from loresmith.answering.agreement import agreement, loses_to_sibling, names_what_is_asked
from loresmith.answering.evidence import Piece, Question, covered, has_unit, weigh
from loresmith.answering.text import terms

FEATURES = ("dense", "text", "near", "here", "head", "score", "gap", "row")
# How many of the ranked pieces are looked at.
_DEEP = 60
# A second-best piece this far behind is no rival.
_CLEAR = 0.5


@dataclass(frozen=True, slots=True)
class Quote:
    """A piece that may be quoted, with what tells how well it answers.

    Features: `near` and `here`, how much of the question stands around and in it; `head`, whether it
    names the kind of thing that is asked for; `score` and `gap`, its rank score and the lead over
    the next piece; `row`; `dense` and `text`, retrieval's best scores (see abstain.features).
    """

    piece: Piece
    features: dict[str, float]


def permitted(question: Question, piece: Piece, found: Sequence[Piece], document: str) -> bool:
    """Whether nothing that code can check speaks against a piece as the answer."""
    if piece.header or piece.text.rstrip().endswith(("?", ":")):
        return False
    if question.wants_number and not (facts.has_quantity(piece.text) and has_unit(question, piece)):
        return False
    if question.wants_name and not facts.names(piece.text):
        return False
    return not agreement(question, piece, document) and not loses_to_sibling(question, piece, found)


def best(
    question: Question,
    ranked: Sequence[tuple[float, Piece]],
    document_text: Callable[[str], str],
    retrieval: dict[str, float],
) -> Quote | None:
    """The best permitted piece of `ranked` (by `evidence.rank`), None where there is none.

    Args:
        retrieval: `abstain.features`, of which `dense` and `text` are used.
    """
    found = [piece for _, piece in ranked]
    passed = (
        (score, piece)
        for score, piece in ranked[:_DEEP]
        if permitted(question, piece, found, document_text(piece.passage.document))
    )
    first = next(passed, None)
    if first is None:
        return None
    score, piece = first
    rival = next((value for value, other in passed if other.text != piece.text), score - _CLEAR)
    weights = weigh(question, found)
    return Quote(
        piece,
        {
            "dense": retrieval.get("dense", 0.0),
            "text": retrieval.get("text", 0.0),
            "near": covered(weights, piece.terms, terms(piece.around)),
            "here": covered(weights, piece.terms),
            "head": float(names_what_is_asked(question, piece, strictly=True)),
            "score": score,
            "gap": score - rival,
            "row": float(piece.row),
        },
    )


def another_figure(sentence: str, quoted: str, question: str) -> str:
    """The figure or code that `quoted` (a piece made readable) answers `question` with, where
    `sentence` names others and not that one; else ""."""
    # Of a row that was made readable the asked cell comes first, the others stand in brackets.
    wanted = _figures(quoted.partition(" (")[0], question)
    said = _figures(sentence, question)
    return min(wanted.values()) if wanted and said and not wanted.keys() & said.keys() else ""


def _figures(text: str, question: str) -> dict[frozenset[float] | str, str]:
    """Figures and codes of `text` beyond those of the question: what they stand for, as written."""
    asked = {n.values for n in facts.numbers(question)}
    codes = facts.codes(text) - facts.codes(question)
    return {n.values: n.text for n in facts.numbers(text) if n.values not in asked} | {c: c for c in codes}
