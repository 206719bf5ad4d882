"""When two texts say the same: a normal form for short ones, MinHash for long ones.

Short texts (questions, answers) are compared by their words in order, folded and stemmed, without
articles and politeness. Numbers and codes stay whole, so "M8" and "M10" never are the same, and a
question in other words stays another wording. Long texts, where a typing error or a changed
sentence shall not hide a copy, are compared by shingles of three words: one-permutation MinHash
(Li, Owen and Zhang, NIPS 2012) with rotation for empty bins (Shrivastava and Li, ICML 2014), banded, and
every candidate pair is verified exactly.

Promises: time grows linearly with the number of texts (within a bucket each text is compared with
a few others only).
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from loresmith.answering.text import stem, words

LONG = 40
"""Words from which on a text is compared by shingles."""

_SAME = 0.9  # Jaccard of the shingles above which two long texts are copies
_BANDS, _ROWS = 16, 8  # finds .9 with probability 1 - (1 - .9^8)^16 > .999, .5 with .06
_BINS = _BANDS * _ROWS
_CHUNK = 4_000_000  # shingles hashed at a time
_COMPARED = 8
_EMPTY = np.uint64(2**64 - 1)
_SAID = {
    "articles": """a an the der die das den dem des ein eine einen einem einer eines le la les l un une el los
        las una il lo gli i uno de het een o os as um uma please bitte svp""",
    "negations": """not no never without nicht kein keine keinen nie ohne ne pas jamais sans nunca sin non mai
        senza niet geen nooit zonder não sem 不 没有""",
}
_ARTICLES = frozenset(_SAID["articles"].split())
_NEGATIONS = frozenset(map(stem, _SAID["negations"].split()))

Grid = npt.NDArray[np.uint64]


@lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    return stem(word)


def normal(text: str) -> str:
    """The words of `text` as they are compared: folded, stemmed, in order, without articles.

    >>> normal("What is the torque of the M8 bolts?") == normal("what is torque of M8 bolt")
    True
    """
    found = [word for word in words(text) if word not in _ARTICLES]
    return " ".join(map(_stem, found)) or " ".join(text.split())


def copies(
    texts: Sequence[str], same: Callable[[int, int], bool] = lambda one, other: True
) -> dict[int, int]:
    """Position of each text that is a near copy of an earlier one -> position of that one.

    Args:
        texts: normal forms; those shorter than `LONG` words are left alone.
        same: what else must hold of two positions.
    """
    long = [i for i, text in enumerate(texts) if text.count(" ") >= LONG - 1]
    if len(long) < 2:
        return {}
    shingles = [_shingles(texts[i]) for i in long]
    signatures = _signatures(shingles)
    steady = [_steady(texts[i]) for i in long]
    found: dict[int, int] = {}
    for band in range(_BANDS):
        buckets: dict[tuple[bytes, str], list[int]] = defaultdict(list)
        for place, row in enumerate(signatures[:, band * _ROWS : (band + 1) * _ROWS]):
            # What must be equal anyway keeps the rows of one template out of one bucket.
            bucket = buckets[row.tobytes(), steady[place]]
            if place in found:
                continue
            for other in bucket:
                if _jaccard(shingles[place], shingles[other]) >= _SAME and same(long[place], long[other]):
                    found[place] = other
                    break
            else:
                if len(bucket) < _COMPARED:
                    bucket.append(place)
    return {long[place]: long[_first(found, place)] for place in sorted(found)}


def alike(one: str, other: str) -> bool:
    """Whether two normal forms are the same, or long and nearly so."""
    if one == other:
        return True
    if min(one.count(" "), other.count(" ")) < LONG - 1 or _steady(one) != _steady(other):
        return False
    return _jaccard(_shingles(one), _shingles(other)) >= _SAME


def _first(found: dict[int, int], place: int) -> int:
    while place in found:
        place = found[place]
    return place


def _steady(text: str) -> str:
    """What a copy must share whatever else differs: numbers, codes, negations."""
    return " ".join(sorted(w for w in text.split() if w in _NEGATIONS or any(map(str.isdigit, w))))


def _shingles(text: str) -> Grid:
    """Hashes of each run of three words, sorted, each once."""
    codes = np.array([_code(word) for word in text.split()], np.uint64)
    with np.errstate(over="ignore"):
        mixed = codes[:-2] * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= codes[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed ^= codes[2:] * np.uint64(0x165667B19E3779F9)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)


@lru_cache(maxsize=200_000)
def _code(word: str) -> int:
    raw = word.encode("utf-8", "surrogatepass")
    return zlib.crc32(raw) | zlib.adler32(raw) << 32


def _jaccard(one: Grid, other: Grid) -> float:
    if min(len(one), len(other)) < _SAME * max(len(one), len(other)):
        return 0.0
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _signatures(shingles: Sequence[Grid]) -> Grid:
    """Shape (texts, bins): the least hash in each bin; an empty bin takes its neighbour's."""
    out = np.full((len(shingles), _BINS), _EMPTY, np.uint64)
    start = 0
    while start < len(shingles):
        stop, held = start, 0
        while stop < len(shingles) and (held == 0 or held + len(shingles[stop]) <= _CHUNK):
            held += len(shingles[stop])
            stop += 1
        owners = np.repeat(np.arange(stop - start), [len(s) for s in shingles[start:stop]])
        hashed = np.concatenate(shingles[start:stop])
        bins = (hashed >> np.uint64(57)).astype(np.int64)  # the top 7 bits: 128 bins
        np.minimum.at(out[start:stop].reshape(-1), owners * _BINS + bins, hashed)
        start = stop
    for step in range(1, _BINS):
        empty = out == _EMPTY
        if not empty.any():
            break
        with np.errstate(over="ignore"):
            moved = np.roll(out, -1, axis=1) + np.uint64(step)
        rolled = np.roll(out, -1, axis=1)
        out = np.where(empty & (rolled != _EMPTY), moved, out)
    return out


def disagree(question: str, one: str, other: str) -> bool:
    """Whether two answers (normal forms) to one question say different things.

    "25 nm" and "torque is 25 nm" agree; "25 nm" and "30 nm" do not; "yes" and "no" do not.
    """
    if one == other:
        return False
    asked = set(question.split())
    first, second = (set(text.split()) for text in (one, other))
    figures = [{w for w in s - asked if re.search(r"\d", w)} for s in (first, second)]
    if figures[0] and figures[1]:
        return not (figures[0] <= figures[1] or figures[1] <= figures[0])
    own = [s - asked or s for s in (first, second)]
    shared = len(own[0] & own[1]) / min(len(own[0]), len(own[1]))
    denied = bool(first & _NEGATIONS) != bool(second & _NEGATIONS)
    return shared < 0.5 or (denied and min(len(first), len(second)) < LONG)
