"""Extractive summaries: the document's own sentences, none where a section is one passage."""

from __future__ import annotations

import pytest
from helpers import document

from loresmith.passages import cut
from loresmith.summaries import extract, summarise, with_model
from loresmith.types import Block, Document

PUMP = (
    "The circulation pump moves water through the heating loop. "
    "Our thanks go to everybody. "
    "The pump must be primed with water before the heating loop is closed. "
    "Weather was fine. "
    "A dry pump is destroyed within a minute of running without water. "
)


def sections(*parts: tuple[str, str]) -> Document:
    text, blocks = "", []
    for heading, body in parts:
        for kind, content in (("heading", heading), ("paragraph", body)):
            start = len(text)
            text += content + "\n\n"
            blocks.append(Block(kind=kind, start=start, end=start + len(content), level=1))  # type: ignore[arg-type]
    plain = document(text)
    return Document(**{f: getattr(plain, f) for f in plain.__slots__ if f != "blocks"}, blocks=tuple(blocks))


def count(text: str) -> int:
    return len(text.split())


def test_the_sentences_that_say_most_in_their_order() -> None:
    summary = extract([PUMP], "en", 2)
    assert "thanks" not in summary
    assert "Weather" not in summary
    assert all(sentence in PUMP for sentence in summary.split(". ")[:1])
    assert summary.startswith("The circulation pump")


def test_a_repeated_sentence_is_told_once() -> None:
    text = "The pump moves hot water. " * 4 + "The valve closes the loop at night."
    assert extract([text], "en", 2).count("moves hot water") == 1


def test_only_sections_of_several_passages_have_a_summary() -> None:
    made = sections(("Pump", PUMP * 3), ("Valve", "The valve is closed."))
    passages = cut(made, count, max_tokens=40)
    whole, filled = summarise(made, passages)
    assert whole
    assert [p.id for p in filled] == [p.id for p in passages]
    assert all(p.summary for p in filled if p.heading == ("Pump",))
    assert [p.summary for p in filled if p.heading == ("Valve",)] == [""]


def test_a_document_without_passages() -> None:
    assert summarise(document(""), []) == ("", [])


@pytest.mark.parametrize(
    "text", ["水泵必须每周检查。阀门必须关闭。水泵的压力很高。", "P-200 | 25 Nm | 10 bar"]
)
def test_other_scripts_and_tables(text: str) -> None:
    assert extract([text], "", 1)


def test_a_model_may_write_them_and_silence_falls_back_on_the_text() -> None:
    made = sections(("Pump", PUMP * 3), ("Valve", "The valve is closed."))
    passages = cut(made, count, max_tokens=40)
    seen: list[str] = []

    def write(text: str) -> str:
        seen.append(text)
        return "  A pump.\n" if len(seen) == 1 else ""

    whole, filled = with_model(made, passages, write)
    assert filled[0].summary == "A pump."
    assert whole in " ".join(made.text.split())[:10_000] or whole.split(". ")[0] in made.text
    assert all(len(text) <= 12_000 for text in seen)
