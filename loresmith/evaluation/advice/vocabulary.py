"""Which words of the documents the base model's tokenizer does not have, and breaks into pieces.

A word that a model was seldom shown is made of many pieces; the further a text's words are from those
a model was raised on, the more it gains from training on them (Gururangan et al. 2020, arXiv
2004.10964, section 3). Words in other languages than the model's count as well: they are just as far
from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from loresmith.models.pieces import Pieces

MANY = 3
"""Pieces from which on a word counts as broken up."""
LETTERS = 5
"""Shorter words are left out: a code of three letters is no vocabulary."""
STRANGE = 0.05
"""Share of running words from which on a vocabulary counts as strange. Measured with the tokenizers of
SmolLM2 and of Qwen2.5: annual reports and licences .00 to .02, pump manuals .02 to .03, biomedical
abstracts .06 to .09, German manuals .44 to .67."""

_WORD = re.compile(rf"[^\W\d_]{{{LETTERS},}}")
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a tokenizer makes of the words of some texts.

    Attributes:
        words: running words that were looked at; `distinct` of them.
        share: of the running words in `MANY` pieces or more.
        examples: (word, its pieces, how often), the most frequent of these first.
    """

    words: int
    distinct: int
    share: float
    examples: tuple[tuple[str, tuple[str, ...], int], ...] = ()


def measure(texts: Iterable[str], pieces: Pieces) -> Vocabulary:
    """Count the words of `texts` that `pieces` breaks up."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(text))
    broken = {word: parts for word in counts if len(parts := _fewest(word, pieces)) >= MANY}
    total = sum(counts.values())
    often = sorted(broken, key=lambda word: (-counts[word], word))
    return Vocabulary(
        words=total,
        distinct=len(counts),
        share=sum(counts[word] for word in broken) / total if total else 0.0,
        examples=tuple((word, broken[word], counts[word]) for word in often[:_SHOWN]),
    )


def _fewest(word: str, pieces: Pieces) -> tuple[str, ...]:
    """As written or in small letters: a heading in capitals is no foreign word."""
    return min((tuple(pieces(form)) for form in dict.fromkeys((word, word.lower()))), key=len)
