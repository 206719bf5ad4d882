"""Words as they are compared: folding, content words, stems by prefix.

Everything that decides whether two pieces of text say the same goes through `fold` and `terms`,
so that a difference of typography (a non-breaking space, a long dash, a full-width digit, an
accent written in two code points) never decides it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from loresmith.answering.vocabulary import ELISION, GLOSSARY, STOP

_SAME = str.maketrans(
    {
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
        "‘": "'", "’": "'", "‚": "'", "´": "'", "`": "'",
        "\u00ad": None, "\u200b": None, "\u200c": None, "\u200d": None, "\ufeff": None, "\u2060": None,
    }
)  # fmt: skip

CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_CJK_RUN = re.compile(f"[{CJK}]+")
_WORD = re.compile(rf"\d+(?:[.,]\d+)+|(?:(?![{CJK}])\w)+(?:[&'.\-/](?:(?![{CJK}])\w)+)*|[{CJK}]+")


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Compatibility form, one kind of dash and quote, lower case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_SAME).casefold().split())


def _bare(word: str) -> str:
    """`word` without accents: "Überdruck" typed as "Uberdruck" still matches."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """Folded words in order; codes such as "p-200" and "r&d" stay whole."""
    found = _WORD.findall(fold(text))
    return [ELISION.sub("", w) if "'" in w or "-" in w else w for w in found]


def stem(word: str) -> str:
    """A cheap stem for every language: endings differ, beginnings rarely do.

    Codes and numbers stay whole; a long word keeps about two thirds, at least five characters.
    """
    if any(c.isdigit() for c in word):
        return word
    bare = _bare(word.removesuffix("'s"))
    if len(bare) >= 7 and bare.startswith("ge") and bare.endswith("t"):  # gelagert, Lagerung
        bare = bare[2:]
    if len(bare) <= 4:
        return bare.removesuffix("s") if len(bare) == 4 else bare
    return bare[: max(5, (2 * len(bare) + 2) // 3)] if len(bare) > 5 else bare.removesuffix("s")[:5]


@cache
def _same() -> dict[str, str]:
    """Stem of a word of the glossary to the stem of its line's first word."""
    lines = [[stem(w) for w in words(line)] for line in GLOSSARY.splitlines()]
    return {other: line[0] for line in lines for other in line[1:]}


@cache
def _parts() -> tuple[tuple[str, str], ...]:
    """Words of the glossary that are long enough to be found inside a compound."""
    listed = [words(line) for line in GLOSSARY.splitlines()]
    return tuple((word, stem(line[0])) for line in listed for word in line if len(word) >= 5)


@lru_cache(maxsize=4096)
def terms(text: str) -> frozenset[str]:
    """Stems of the content words of `text`; runs of Chinese, Japanese or Korean as bigrams."""
    out: set[str] = set()
    for word in words(text):
        if _CJK_RUN.fullmatch(word):
            out.update(_same().get(word[i : i + 2], word[i : i + 2]) for i in range(len(word) - 1))
            if len(word) == 1:
                out.add(word)
            continue
        if word in STOP or (len(word) < 2 and not word.isdigit()):
            continue
        if any(c.isdigit() for c in word) and any(c.isalpha() for c in word):
            out.add(re.sub(r"[-./]", "", word))  # a code, in one spelling
            continue
        if len(word) >= 10:  # German writes "Laufraddurchmesser" for the diameter of the impeller
            out.update(meaning for part, meaning in _parts() if part in word)
        plain = stem(word)
        out.add(_same().get(plain, plain))
        if "-" in word or "/" in word:
            parts = [stem(p) for p in re.split(r"[-/]", word) if len(p) > 2 and p not in STOP]
            out.update(_same().get(p, p) for p in parts)
    return frozenset(out)


def matches(term: str, others: frozenset[str]) -> bool:
    """Whether `term` is among `others`, allowing for stems of different length and, for long
    words, for compounds ("flange" in "flanschschraube" no, "pump" in "pumpe" yes)."""
    if term in others:
        return True
    if len(term) < 4 or any(c.isdigit() for c in term):
        return False
    return any(
        len(other) >= 4
        and (other.startswith(term) or (term.startswith(other) and len(term) - len(other) < 4))
        for other in others
    )


def coverage(wanted: frozenset[str], found: frozenset[str]) -> float:
    """Share of `wanted` that `found` holds; 1.0 where nothing is wanted."""
    if not wanted:
        return 1.0
    return sum(matches(term, found) for term in wanted) / len(wanted)
