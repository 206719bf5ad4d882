"""Sentences of models and pieces of passages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.answering.sentences import Stream, pieces, split


def test_points_that_end_nothing() -> None:
    assert split("Set it to 2.5 bar, e.g. at start. Then wait, max. 5 min. Done.") == [
        "Set it to 2.5 bar, e.g. at start.",
        "Then wait, max. 5 min.",
        "Done.",
    ]
    assert split("Am 3. Mai wurde sie geprüft. Das Öl war neu.") == [
        "Am 3. Mai wurde sie geprüft.",
        "Das Öl war neu.",
    ]
    assert split("每500小时更换润滑油。使用VG 68。") == ["每500小时更换润滑油。", "使用VG 68。"]
    assert split("1. Remove the cover.\n2. Drain it.") == ["Remove the cover.", "Drain it."]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["pump", "2.5", "bar.", "Oil!", "e.g.", "\n", "3.", "Mai"]), max_size=20),
    st.integers(1, 7),
)
def test_stream_loses_no_word(parts: list[str], size: int) -> None:
    stream = Stream()
    text = " ".join(parts)
    out = [s for i in range(0, len(text), size) for s in stream.feed(text[i : i + size])]
    said = "".join(c for c in "".join(out + stream.finish()) if c.isalpha())
    assert said == "".join(c for c in text if c.isalpha())


def test_stream_holds_a_sentence_back_until_something_follows() -> None:
    stream = Stream()
    assert stream.feed("It is 2.") == []
    assert stream.feed("5 bar. It") == ["It is 2.5 bar."]
    assert stream.finish() == ["It"]


@given(st.text(alphabet="aB.; :|\n-25é", max_size=200))
def test_pieces_are_exact_ordered_and_complete(text: str) -> None:
    found = pieces(text)
    end = 0
    for piece in found:
        assert end <= piece.start < piece.end <= len(text)
        assert not text[end : piece.start].strip()
        end = piece.end
    assert not text[end:].strip()


def test_rows_stand_alone_and_wrapped_lines_are_joined() -> None:
    rows = "Fastener: M8; Torque: 25 Nm\nFastener: M6; Torque: 10 Nm"
    text = f"Torques\n{rows}\n\nDo not exceed the pressure of\n16 bar."
    assert [text[p.start : p.end] for p in pieces(text)] == [
        "Torques",
        "Fastener: M8; Torque: 25 Nm",
        "Fastener: M6; Torque: 10 Nm",
        "Do not exceed the pressure of\n16 bar.",
    ]
