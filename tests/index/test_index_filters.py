"""Filters: no string breaks out of its quotes, no label set is seen that should not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import HashEmbedder, passage
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loresmith.index import Store, open_store
from loresmith.index.filters import access_key, condition, literal
from loresmith.types import Filter

# What UTF-8 can carry: a lone surrogate cannot come from a file name or a label of loresmith.toml.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
label_sets = st.frozensets(st.text(st.sampled_from("ab',\"\\[]% "), max_size=4), max_size=4)
NASTY = ["it's", "' OR 1=1 --", "\\' OR true --", "''", '"', "a\\", "x\0y", "%", "_", "\n", "’", "); DROP"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path: Path = tmp_path_factory.mktemp("filters")
    store = open_store(path, dimension=8, metric="cosine", create=True)
    rows = [passage("pump", document=name, source="s" + name) for name in NASTY]
    vectors = HashEmbedder(8).embed_queries([p.text for p in rows])
    store.replace([p.document for p in rows], rows, vectors, [p.text for p in rows])
    return store


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_name_finds_itself_and_nothing_else(store: Store, name: str) -> None:
    for where in (Filter(documents=(name,)), Filter(sources=("s" + name,))):
        assert [p.document for p, _ in store.search_text("pump", 50, where)] == [name]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words.filter(lambda w: w not in NASTY))
@example("nothing' OR document LIKE '%")
def test_an_unknown_name_finds_nothing(store: Store, name: str) -> None:
    assert store.search_text("pump", 50, Filter(documents=(name,))) == []


@given(words)
def test_a_literal_reads_back_as_its_text(text: str) -> None:
    quoted = literal(text)
    assert quoted[0] == quoted[-1] == "'"
    assert quoted[1:-1].replace("''", "'") == text
    assert "'" not in quoted[1:-1].replace("''", "")


@given(label_sets, label_sets)
def test_the_canonical_string_is_equal_only_for_equal_sets(
    one: frozenset[str], other: frozenset[str]
) -> None:
    assert (access_key(one) == access_key(other)) == (one == other)


@given(st.lists(label_sets, max_size=6), label_sets)
def test_access_lists_exactly_the_sets_within_what_is_held(
    stored: list[frozenset[str]], held: frozenset[str]
) -> None:
    keys = sorted({access_key(labels) for labels in stored})
    clause = condition(Filter(access=tuple(held)), keys)
    assert clause is not None
    visible = {access_key(labels) for labels in stored if labels <= held}
    if not visible:
        assert clause == "false"
    else:
        listed = ", ".join(literal(key) for key in keys if key in visible)
        assert clause == f"access IN ({listed})"


@pytest.mark.parametrize("damaged", ["", "null", "7", "hr", '["a"', "{}x", '""', "{}", "[1]", '["a","a"]'])
def test_a_damaged_label_set_is_seen_by_no_reader(damaged: str) -> None:
    assert condition(Filter(access=("a", "hr", "")), [damaged]) == "false"


def test_the_owner_without_wishes_has_no_condition() -> None:
    assert condition(Filter(), []) is None
