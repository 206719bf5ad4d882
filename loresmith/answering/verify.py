"""The promise: no sentence leaves with a citation that does not hold.

`verify` takes a sentence a model wrote and the pieces of the passages, and either returns the
sentence with citations or says why not:

1. every number, with its unit and scale, stands in the cited pieces or in what their passages
   inherit (title, headings, table header, file name);
2. every code and, outside German, every name does so too;
3. the cited place speaks of what the question asks about (its codes, years, names), and no other
   row of the same table fits the question better;
4. enough of the sentence's words stand there; a negation is not turned round;
5. the quote is cut out of the passage by offset, so it is verbatim; `holds` checks it again.

No step asks a language model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loresmith.answering import facts
from loresmith.answering.agreement import (
    about,
    agreement,
    loses_to_sibling,
    names_what_is_asked,
    siblings,
    wrong_column,
)
from loresmith.answering.evidence import Piece, Question, has_unit, looks_german
from loresmith.answering.facts import Number
from loresmith.answering.text import coverage, fold, matches, terms, words
from loresmith.answering.vocabulary import ATTRIBUTE, CURRENCIES, FILLER, MARKER, NEGATION, OPENERS, REFUSAL
from loresmith.types import Citation, Locator, Passage, Sentence

LocateQuote = Callable[[Passage, int, int], Locator]
"""(passage, start, end in `passage.text`) -> the exact place of that quote."""

DocumentText = Callable[[str], str]
"""document id -> its whole text, "" where it is not at hand."""

_EMPTY = re.compile(r"^\W*(?:yes|no|ja|nein|oui|non|sí|si|no|sì|是|否)?\W*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Support:
    """A sentence that passed: the pieces cited, and how well they hold its words (0 to 1)."""

    sentence: Sentence
    pieces: tuple[Piece, ...]
    words: float


def clean(sentence: str) -> str:
    """A model's sentence without its own passage numbers, mark-up and "based on the passages,"."""
    text = re.sub(r"\*\*|__|^#+\s*|^>\s*", "", sentence.strip())
    text = FILLER.sub("", MARKER.sub("", text)).strip().strip('"“”').strip()
    return text[:1].upper() + text[1:] if text[:1].islower() and not re.match(r"\w+[A-Z]", text) else text


def is_refusal(sentence: str) -> bool:
    """Whether the model says that it cannot tell. Such a sentence has no place to cite."""
    return REFUSAL.search(sentence) is not None


def verify(
    text: str,
    question: Question,
    found: Sequence[Piece],
    locate_quote: LocateQuote,
    document_text: DocumentText = lambda _: "",
) -> Support | str:
    """Find the pieces that prove `text`, or say in a few words what is not proved."""
    text = clean(text)
    if _EMPTY.match(text):
        return "it says nothing"
    if is_refusal(text):
        return "the model says that the passages do not tell"
    if text.endswith("?"):
        return "it is a question"
    claim = _Claim.of(text, question)
    if question.wants_number and not question.polar and not facts.has_quantity(text):
        return "the question asks for a figure"
    reasons: list[str] = []
    for first in sorted(found, key=lambda p: -claim.fit(p, question))[:12]:
        outcome = _prove(claim, question, first, found, document_text)
        if isinstance(outcome, str):
            reasons.append(outcome)
            continue
        chosen, share = outcome
        citations = tuple(_cite(piece, locate_quote) for piece in chosen)
        if all(holds(c, p.passage) for c, p in zip(citations, chosen, strict=True)):
            return Support(Sentence(text=text, citations=citations), tuple(chosen), share)
        reasons.append("the quote is not verbatim")
    return reasons[0] if reasons else "no passage was found"


def holds(citation: Citation, passage: Passage) -> bool:
    """Whether the quote stands verbatim in the passage, after folding of case and white space."""
    return bool(citation.quote.strip()) and fold(citation.quote) in fold(passage.text)


@dataclass(frozen=True, slots=True)
class _Claim:
    text: str
    terms: frozenset[str]
    numbers: tuple[Number, ...]
    codes: frozenset[str]
    names: tuple[str, ...]
    negated: bool
    asked: Question

    @classmethod
    def of(cls, text: str, question: Question) -> _Claim:
        german = looks_german(text) or (looks_german(question.text) and len(text.split()) < 6)
        return cls(
            text,
            terms(text),
            facts.numbers(text),
            facts.codes(text),
            # That the document knows the names of the question, `agreement` sees to.
            tuple(n for n in _names(text, question) if n not in question.names) if not german else (),
            bool(NEGATION & set(words(text))),
            question,
        )

    def new_in(self, piece: Piece) -> bool:
        """Whether a piece holds something that the claim adds to the question; true where it adds
        only words. The answer itself must stand in the first place cited."""
        figures = [n for n in self.numbers if not any(n.agrees(m) for m in self.asked.numbers)]
        codes = self.codes - self.asked.codes
        names = [n for n in self.names if fold(n) not in fold(self.asked.text)]
        if not (figures or codes or names):
            return True
        text = fold(piece.text)
        return (
            any(n.agrees(m) for n in figures for m in piece.numbers)
            or bool(codes & piece.codes)
            or any(fold(n) in text for n in names)
        )

    def fit(self, piece: Piece, question: Question) -> float:
        """Which piece most likely proves the claim: its figures first, then words, then question."""
        figures = sum(any(n.agrees(m) for m in piece.numbers) for n in self.numbers)
        own = len(self.codes & piece.codes)
        near = piece.codes | facts.codes(piece.around)
        asked = len(question.codes & near)
        return (
            2.0 * figures
            + 1.0 * own
            + 1.0 * asked
            + 2.0 * coverage(self.terms, piece.terms)
            + 1.0 * coverage(question.terms, piece.terms)
            + 0.3 * coverage(question.terms, terms(piece.around))
            - (0.8 if piece.header else 0.0)
            + 0.1 / piece.hit.rank
        )


def _names(text: str, question: Question) -> tuple[str, ...]:
    return (*facts.names(text), *_openers(text, question))


def _openers(text: str, question: Question) -> tuple[str, ...]:
    """Capitalised words at a start that may be names ("Siemens recommends …"); for English only."""
    if question.language not in ("", "en"):
        return ()
    small = terms(" ".join(w for w in question.text.split() if w.islower()))
    out = []
    for word in re.findall(r"(?<!\w)[A-Z][^\W\d_]{2,}", text):
        # What the question itself writes small is an ordinary word.
        ordinary = fold(word) in OPENERS or terms(word) <= small
        if not ordinary:
            out.append(word)
    return tuple(out)


def _prove(
    claim: _Claim, question: Question, first: Piece, found: Sequence[Piece], document_text: DocumentText
) -> tuple[list[Piece], float] | str:
    why = _refused(claim, question, first, found, document_text)
    if why:
        return why
    if not about(question, first):
        return "it is about something else"
    if not _of_the_kind(claim, question, first) and not names_what_is_asked(question, first):
        return "what is asked for is not named there"
    if question.unit and claim.numbers and not has_unit(question, first, widely=True):
        return f"no figure in {question.unit} stands there"
    if not claim.new_in(first):
        return "what it says new does not stand there"
    chosen = [first]
    while True:
        missing = _missing(claim, chosen)
        if not missing:
            break
        # A second or third place may hold the rest, but it must speak of the same thing.
        helper = (
            _helper(claim, question, chosen, found, document_text, len(missing)) if len(chosen) < 3 else None
        )
        if helper is None:
            return missing[0]
        chosen.append(helper)
    shown = frozenset().union(*(p.terms | terms(p.around) for p in chosen))
    share = coverage(claim.terms, shown)
    figures = bool(claim.numbers or claim.codes - question.codes)
    if not _enough(claim, question, shown, share, figures):
        return "its words do not stand in the passages"
    if not figures and claim.negated != bool(NEGATION & set(words(" ".join(p.text for p in chosen)))):
        return "it turns a negation round"
    return chosen, share


def _of_the_kind(claim: _Claim, question: Question, piece: Piece) -> bool:
    """Whether a claim is of the kind asked for although no word says so: "8 kg" is a weight, and
    which author, which city the passage names without calling it so. Money and shares are anything."""
    measured = [n for n in facts.evidence_numbers(claim.text) if n.unit and n.unit not in CURRENCIES | {"%"}]
    if any(n.unit == m.unit and n.agrees(m) for n in measured for m in piece.numbers):
        return True
    return not question.wants_number and not ATTRIBUTE.match(question.text)


def _refused(
    claim: _Claim, question: Question, piece: Piece, found: Sequence[Piece], document_text: DocumentText
) -> str:
    """Why a piece may prove nothing of this claim; "" when it may."""
    why = agreement(question, piece, document_text(piece.passage.document))
    if why:
        return why
    if loses_to_sibling(question, piece, found):
        return "another row of the table fits the question better"
    if wrong_column(question, piece, claim.numbers):
        return "another column of the table fits the question better"
    return ""


def _missing(claim: _Claim, chosen: Sequence[Piece]) -> list[str]:
    """What of the claim's facts stands in none of the pieces, each as a reason."""
    out = [
        f"the number {n.text} {n.unit}".strip() + " does not stand there"
        for n in claim.numbers
        if not _stands(n, chosen)
    ]
    around = [p.text + "\n" + p.around for p in chosen]
    held = frozenset().union(*(facts.codes(text) for text in around))
    out += [f"the code {c.upper()} does not stand there" for c in sorted(claim.codes - held)]
    everything = fold("\n".join(around))
    shown = terms("\n".join(around))
    for name in claim.names:
        bare = fold(name)
        if bare not in everything and not matches(next(iter(terms(name)), bare), shown):
            out.append(f"the name {name} does not stand there")
    return out


def _stands(number: Number, chosen: Sequence[Piece]) -> bool:
    """Whether a number stands in a piece or around it, with its unit and its scale."""
    for piece in chosen:
        # "(in millions)" may stand above the table: in the passage, or in another cited piece.
        beside = [p.text for p in chosen if p.passage.document == piece.passage.document]
        named = frozenset().union(*map(facts.units_in, (*beside, piece.around, piece.passage.text)))
        for other in (*piece.numbers, *facts.evidence_numbers(piece.around)):
            scale = number.scale == other.scale or (not other.scale and number.scale in named)
            if scale and number.agrees(other) and _unit_stands(number, other, piece, named):
                return True
    return False


def _unit_stands(number: Number, other: Number, piece: Piece, named: frozenset[str]) -> bool:
    """A figure of a table has its unit in the column's name or the caption; in prose it follows the
    figure, or a later figure of the same range ("between 12 and 55 m³/h")."""
    if not number.unit or number.unit == other.unit:
        return True
    if other.unit:
        return False
    return number.unit in named if piece.row else any(n.unit == number.unit for n in piece.numbers)


def _helper(
    claim: _Claim,
    question: Question,
    chosen: Sequence[Piece],
    found: Sequence[Piece],
    document_text: DocumentText,
    missing: int,
) -> Piece | None:
    best: tuple[int, float, Piece] | None = None
    told = coverage(question.terms, chosen[0].terms | terms(chosen[0].around))
    for piece in found:
        if piece in chosen:
            continue
        if piece.passage.document != chosen[0].passage.document and not about(question, piece):
            continue
        if len(question.codes) < 2 and any(siblings(piece, other) for other in chosen):
            continue  # the name of one row and the figure of the next prove nothing together
        # Where another place speaks more of the question, the answer should have stood there.
        if coverage(question.terms, piece.terms) > told + 0.1:
            continue
        left = len(_missing(claim, [*chosen, piece]))
        if left >= missing or _refused(claim, question, piece, found, document_text):
            continue
        key = (-left, claim.fit(piece, question))
        if best is None or key > best[:2]:
            best = (*key, piece)
    return best[2] if best else None


def _enough(claim: _Claim, question: Question, shown: frozenset[str], share: float, figures: bool) -> bool:
    """Whether the words of the claim are covered well enough.

    Words of the question count as given. A claim with a figure that stands there needs little
    more; a claim of words alone needs most of its own words in the pieces.
    """
    own = frozenset(t for t in claim.terms if not matches(t, question.terms))
    if figures:
        asked = bool(question.terms) and coverage(question.terms, shown) >= 0.3
        return coverage(own, shown) >= 0.5 or asked or len(own) <= 6
    if not own:  # it only repeats the question
        return share >= 0.6 and len(claim.terms) >= 2
    return coverage(own, shown) >= 0.6 and share >= 0.5


def _cite(piece: Piece, locate_quote: LocateQuote) -> Citation:
    return Citation(
        document=piece.passage.document,
        passage=piece.passage.id,
        locator=locate_quote(piece.passage, piece.start, piece.end),
        quote=piece.text,
    )
