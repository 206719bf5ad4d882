"""Which words of the documents the base model's tokenizer does not have, and breaks into pieces.

A word that a model was seldom shown is made of many pieces; the further a text's words are from those
a model was raised on, the more it gains from training on them (Gururangan et al. 2020, arXiv
2004.10964, section 3). Only the tokenizer is read, from the head of the GGUF file or from
tokenizer.json; no model is loaded. Words in other scripts and languages than the model's count as
well: they are just as far from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from loresmith.models import fingerprint, gguf

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

Pieces = Callable[[str], list[str]]


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


def tokenizer(model: str) -> Pieces | None:
    """How the tokenizer of a model (registry name, GGUF file, folder) breaks a word that follows a
    blank; None where it is not on this machine.

    Raises:
        ModelError: the file is damaged.
    """
    place = fingerprint.place(model)
    if place is None:
        return None
    if place.is_dir():
        return _of_folder(place / "tokenizer.json")
    return _of_gguf(place)


def _of_folder(path: Path) -> Pieces | None:
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(path))
    return lambda word: list(found.encode(f" {word}", add_special_tokens=False).tokens)


def _of_gguf(path: Path) -> Pieces | None:
    """Byte-pair encoding by the file's merges (GPT-2's kind), or by its scores (SentencePiece's)."""
    found = gguf.arrays(path, "tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.scores")
    tokens = found.get("tokenizer.ggml.tokens", [])
    if found.get("tokenizer.ggml.merges"):
        order: dict[Any, float] = {}
        for rank, merge in enumerate(found["tokenizer.ggml.merges"]):
            left, _, right = merge.partition(" ")
            order.setdefault((left, right), rank)
        letters = _byte_letters()
        return lambda word: _readable(_merged([letters[b] for b in f" {word}".encode()], order.get))
    if found.get("tokenizer.ggml.scores") and tokens:
        scores = dict(zip(tokens, found["tokenizer.ggml.scores"], strict=False))

        def order_of(pair: tuple[str, str]) -> float | None:
            score = scores.get("".join(pair))
            return None if score is None else -score

        return lambda word: _merged(list(f"▁{word}"), order_of)
    return None


def _merged(parts: list[str], order: Callable[[tuple[str, str]], float | None]) -> list[str]:
    """Join neighbours, the pair that comes first in `order` first, until none is left."""
    while len(parts) > 1:
        ranked = [
            (rank, i) for i in range(len(parts) - 1) if (rank := order((parts[i], parts[i + 1]))) is not None
        ]
        if not ranked:
            break
        at = min(ranked)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _readable(parts: list[str]) -> list[str]:
    bytes_of = {letter: byte for byte, letter in _byte_letters().items()}
    return [bytes(bytes_of[letter] for letter in part).decode(errors="replace").lstrip() for part in parts]


@cache
def _byte_letters() -> dict[int, str]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others from U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (b for b in range(256) if b not in plain)
    return {b: chr(b) for b in plain} | {b: chr(256 + n) for n, b in enumerate(others)}
