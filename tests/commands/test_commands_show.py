"""What a person sees: numbered citations, the quote in its passage, nothing a document could abuse."""

from __future__ import annotations

from loresmith.commands import show
from loresmith.commands.common import Call
from loresmith.types import Answer, Citation, Hit, Locator, Passage, Sentence

TEXT = "Before assembly clean all faces. Tighten the M8 bolts to 25 Nm. Check again after ten hours."
QUOTE = "Tighten the M8 bolts to 25 Nm."


def passage(text: str = TEXT) -> Passage:
    return Passage(id="p", document="manual.pdf", ordinal=0, text=text, locator=Locator(page=14))


def citation(quote: str = QUOTE, document: str = "manual.pdf") -> Citation:
    return Citation(document=document, passage="p", locator=Locator(page=14), quote=quote)


def test_equal_citations_share_a_number():
    citations = show.Citations()
    first = Sentence(text="25 Nm.", citations=(citation(),))
    other = Sentence(text="Ten hours.", citations=(citation("Check again after ten hours."), citation()))
    assert citations.marks(first) == "[1]"
    assert citations.marks(other) == "[2][1]"


def test_the_quote_stands_in_its_passage():
    shown = show.quoted(citation(), passage())
    assert shown.plain == (
        "Before assembly clean all faces. “Tighten the M8 bolts to 25 Nm.” Check again after ten hours."
    )
    (span,) = [span for span in shown.spans if "yellow" in str(span.style)]
    assert shown.plain[span.start : span.end] == f"“{QUOTE}”"


def test_long_surroundings_are_cut_between_words():
    shown = show.quoted(citation(), passage("word " * 100 + TEXT + " word" * 100)).plain
    assert shown.startswith("… word")
    assert shown.endswith("word …")
    assert len(shown) < len(QUOTE) + 2 * show.AROUND + 10


def test_a_quote_whose_passage_was_not_kept_is_shown_alone():
    assert show.quoted(citation(), None).plain == f"“{QUOTE}”"


def test_an_answer_shows_its_sources_and_an_abstention_its_nearest(capsys):
    hit = Hit(passage=passage(), rank=1, score=0.5)
    sentence = Sentence(text="It is 25 Nm.", citations=(citation(),))
    citations = show.Citations()
    show.sentence(Call(), sentence, citations)
    common = {"question": "?", "hits": (hit,), "model": "m"}
    answer = Answer(answer="It is 25 Nm.", abstained=False, sentences=(sentence,), **common)
    show.closing(Call(), answer, citations)
    said = capsys.readouterr().out
    assert "It is 25 Nm. [1]" in said
    assert "[1] manual.pdf, p. 14" in said
    show.closing(Call(), Answer(answer="Not said.", abstained=True, sentences=(), **common), show.Citations())
    said = capsys.readouterr().out
    assert said.startswith("Not said.")
    assert " 1. manual.pdf, p. 14" in said


def test_escape_sequences_of_a_document_do_not_reach_the_terminal(capsys):
    evil = "\x1b]0;owned\x07 25 Nm \x1b[31m"
    sentence = Sentence(text=evil, citations=(citation(evil, document="a\x1b[2J.pdf"),))
    citations = show.Citations()
    show.sentence(Call(), sentence, citations)
    hit = Hit(passage=passage(evil), rank=1, score=0.5)
    answer = Answer(question="?", answer=evil, abstained=False, sentences=(sentence,), hits=(hit,), model="m")
    show.closing(Call(), answer, citations)
    show.hits(Call(), [hit])
    assert "\x1b" not in capsys.readouterr().out
