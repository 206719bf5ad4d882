"""How a model's tokenizer breaks a word, without loading the model: from the head of the GGUF file, or
from tokenizer.json.

Promises: the same pieces as the model's own tokenizer gives a word of letters that follows a blank.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from loresmith.models import fingerprint, gguf

Pieces = Callable[[str], list[str]]


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
