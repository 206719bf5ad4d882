"""Text to search terms: what the full-text index stores and what a query asks for.

Words are folded (Unicode NFKC, case, accents) and stemmed in their language; Chinese, Japanese,
Korean and Thai become character bigrams (as Lucene's CJK analyser); codes such as "P-200", "M8",
"E-14" and numbers stay searchable whole, however they are hyphenated, and in their parts.

Promises: documents and queries go through the same code, so that the same text gives the same
terms; terms are separated by one space and hold none.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Sequence

from loresmith.language import detect, stop_words

ANALYSIS_VERSION = "1"
"""Part of what an index records: terms of two versions must not be mixed."""

STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""ISO 639-1 code to Snowball algorithm."""

# Kana, Han, Hangul, Thai.
_UNSPACED = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\u1100-\u11ff\u0e00-\u0e7f"
# Vowel signs of Hebrew, Arabic and the Indic scripts are marks, which \\w leaves out.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0dff"
_LETTER = rf"(?:(?![{_UNSPACED}_])\w[{_MARKS}]*)"
_TOKEN = re.compile(rf"[{_UNSPACED}]+|\d+(?:[.,]\d+)+(?!\w)|{_LETTER}+(?:[-‐‑/.+]{_LETTER}+)*")
_PART = re.compile(rf"\d+|(?:[^\W\d_][{_MARKS}]*)+")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_POSSESSIVE = re.compile(r"(?<=\w)['’](?:s|S)\b")
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|dell|nell|sull|all|dall|un)['’](?=\w)", re.IGNORECASE)
_CACHE_LIMIT = 200_000


def terms(text: str, language: str) -> str:
    """The index terms of a passage, in the order of the text."""
    return " ".join(_terms(text, language))


def query_terms(text: str, languages: Sequence[str] = ()) -> str:
    """The terms of a query: every word as each of `languages` would have stemmed it ("": not at all,
    as in the documents whose language is unknown).

    Stop words are left out unless nothing else is left. Without `languages` the query's own
    language and English are assumed, since a short question often does not show its language.
    """
    own = [code for code in (detect(text),) if code]
    codes = tuple(dict.fromkeys(languages)) or (*own, "en")
    ignored = stop_words(tuple(sorted({*codes, *own})))
    tokens = _tokens(text)
    kept = [token for token in tokens if token not in ignored] or tokens
    found = dict.fromkeys(term for token in kept for code in codes for term in _analyse(token, code))
    return " ".join(found)


def _terms(text: str, language: str) -> list[str]:
    return [term for token in _tokens(text) for term in _analyse(token, language)]


def _tokens(text: str) -> list[str]:
    """Folded tokens: words, codes with their hyphens, numbers, runs of unspaced script."""
    folded = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text)).lower()
    if "'" in folded or "’" in folded:
        folded = _ELISION.sub("", folded)
    return [match.group() for match in _TOKEN.finditer(folded)]


class _Cache(threading.local):
    """A PyStemmer object must not be used by two threads at once, so each thread has its own."""

    def __init__(self) -> None:
        self.stem: dict[str, object] = {}
        self.terms: dict[tuple[str, str], tuple[str, ...]] = {}


_CACHE = _Cache()


def _analyse(token: str, language: str) -> tuple[str, ...]:
    key = (token, language)
    known = _CACHE.terms.get(key)
    if known is None:
        if len(_CACHE.terms) >= _CACHE_LIMIT:
            _CACHE.terms.clear()
        known = _CACHE.terms[key] = _analyse_new(token, language)
    return known


def _analyse_new(token: str, language: str) -> tuple[str, ...]:
    if re.match(rf"[{_UNSPACED}]", token):
        return tuple(token[i : i + 2] for i in range(len(token) - 1)) or (token,)
    parts = _PART.findall(token)
    if token[0].isdigit() and re.fullmatch(r"\d+(?:[.,]\d+)+", token):
        if _THOUSANDS.fullmatch(token):
            return (token.replace(",", ""),)
        return tuple(dict.fromkeys((token.replace(",", "."), *(p for p in parts if len(p) > 1))))
    if any(part.isdigit() for part in parts):
        # A code: whole without its separators ("P-200" = "P200"), and in parts. One-letter parts
        # are left out, they would only be noise.
        whole = _unaccented("".join(parts))
        pieces = [_stem(p, language) for p in parts if p.isdigit() or len(p) > 1]
        return tuple(dict.fromkeys((whole, *pieces)))
    return tuple(_stem(part, language) for part in parts)


def _stem(word: str, language: str) -> str:
    algorithm = STEMMERS.get(language)
    if algorithm is None or word.isdigit():
        return _unaccented(word)
    stemmer = _CACHE.stem.get(algorithm)
    if stemmer is None:
        import Stemmer

        stemmer = _CACHE.stem[algorithm] = Stemmer.Stemmer(algorithm)
    stem: str = stemmer.stemWord(word)  # type: ignore[attr-defined]
    # Accents go after stemming: the stemmers of French or Romanian need them.
    return _unaccented(stem) or word


def _unaccented(word: str) -> str:
    if word.isascii():
        return word
    plain = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", plain).replace("ß", "ss")
