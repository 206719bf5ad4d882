"""Search terms: stemming by language, codes whole and in parts, scripts without spaces."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.index.analysis import query_terms, terms


def matches(query: str, text: str, language: str, languages: tuple[str, ...] = ()) -> bool:
    """Whether every term of the query is among the text's."""
    wanted = query_terms(query, languages or (language,)).split()
    return bool(wanted) and set(wanted) <= set(terms(text, language).split())


@pytest.mark.parametrize(
    ("query", "text", "language"),
    [
        ("tightening bolts", "Tighten the bolt.", "en"),
        ("Schraube anziehen", "Die Schrauben sind anzuziehen: Schraube anziehen.", "de"),
        ("bombas hidráulicas", "la bomba hidráulica", "es"),
        ("BOMBA HIDRAULICA", "la bomba hidráulica", "es"),
        ("pompe", "le pompe centrifughe", "it"),
        ("supape", "supapele de siguranță", "ro"),
        ("最大压力", "水泵的最大压力是十巴", "zh"),
        ("ポンプ", "水中ポンプの保守", "ja"),
        ("펌프", "수중펌프의 점검", "ko"),
        ("насосы", "Насос нельзя включать", "ru"),
        ("l'huile", "changer l’huile", "fr"),
        ("pump's seal", "pump seals", "en"),
        ("Straße", "STRASSE", ""),
    ],
)
def test_words_meet_their_other_forms(query: str, text: str, language: str) -> None:
    assert matches(query, text, language)


@pytest.mark.parametrize("query", ["P-200", "P200", "p‑200", "200"])
@pytest.mark.parametrize("text", ["Pump P-200.", "pump p200,", "(P‐200)"])
def test_a_code_is_found_however_it_is_hyphenated(query: str, text: str) -> None:
    assert matches(query, text, "en")


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("M8", "bolt M8 x 40", True),
        ("M8", "bolt M10", False),
        ("E-14", "error E-14: dry run", True),
        ("E-14", "error E-41", False),
        ("10.5", "pressure 10.5 bar", True),
        ("10,5", "pressure 10.5 bar", True),
        ("1,234", "serial 1234", True),
        ("P-200", "P-2000", False),
        ("6204-2RS1", "bearing 6204-2RS1", True),
        ("FKM/PTFE", "seal FKM/PTFE", True),
    ],
)
def test_codes_and_numbers(query: str, text: str, found: bool) -> None:
    assert matches(query, text, "en") is found


def test_stop_words_are_left_out_of_a_query_unless_nothing_else_is_left() -> None:
    assert query_terms("What is the torque of the bolt?", ("en",)) == "torqu bolt"
    assert query_terms("to be or not to be", ("en",)).split()[:2] == ["to", "be"]


def test_a_query_is_stemmed_for_every_language_of_the_documents() -> None:
    languages = ("de", "en", "es")
    assert matches_any("bombas", "las bombas", "es", languages)
    assert matches_any("Pumpen", "die Pumpen", "de", languages)


def matches_any(query: str, text: str, language: str, languages: tuple[str, ...]) -> bool:
    return bool(set(query_terms(query, languages).split()) & set(terms(text, language).split()))


def test_an_unknown_language_is_folded_only() -> None:
    assert terms("Étanchéité BOLTS", "xx") == "etancheite bolts"


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(["", "en", "de", "zh", "ro", "xx"]))
def test_terms_are_stable_words(text: str, language: str) -> None:
    found = terms(text, language)
    assert found == " ".join(found.split())
    assert found == terms(text, language)
    assert found or not any(c.isalnum() for c in text)


def test_threads_do_not_disturb_each_other() -> None:
    text = "tightening connections generalised hydraulically " * 20
    expected = terms(text, "en")
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(terms(text, "en"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8
