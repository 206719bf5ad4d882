"""answer(): from hits to an answer in which every sentence is proved, or to an abstention.

    hits -> pieces -> confidence -> (below the threshold: abstain) -> model -> sentence -> verify
         -> shown at once, or dropped -> nothing left: quote the best piece, or abstain

A sentence reaches `on_sentence` only after verification. What a passage says never changes these
steps: it is compared with, not obeyed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache

from loresmith.answering import abstain, prompt, quoting
from loresmith.answering.abstain import Calibration
from loresmith.answering.agreement import names_what_is_asked, near_miss
from loresmith.answering.evidence import (
    Piece,
    Question,
    Weights,
    covered,
    gather,
    parse_question,
    rank,
    readable,
    weigh,
)
from loresmith.answering.quoting import permitted
from loresmith.answering.sentences import Stream
from loresmith.answering.text import fold, terms
from loresmith.answering.verify import DocumentText, LocateQuote, Support, holds, is_refusal, verify
from loresmith.config import AnswerSection, ModelSection
from loresmith.types import Answer, Arm, Citation, Dropped, Hit, LanguageModel, Sentence

OnSentence = Callable[[Sentence], None]

_ABSTENTION = {
    "en": "The documents do not say.",
    "de": "Das steht nicht in den Dokumenten.",
    "fr": "Les documents ne le disent pas.",
    "es": "Los documentos no lo dicen.",
    "it": "I documenti non lo dicono.",
    "nl": "Dat staat niet in de documenten.",
    "pt": "Os documentos não o dizem.",
    "ro": "Documentele nu spun acest lucru.",
    "zh": "文档中没有说明。",
    "ja": "文書には記載がありません。",
}

# A quotation by code must hold at least this share of the question's content words.
_QUOTABLE = 0.5
# After so many sentences that failed in a row, more text of the model is not worth the time.
_PATIENCE = 3
# A quote needs so much more confidence where a model read the same passages and failed.
_DOUBT = 0.15
# From here on a quote is nearly always right (dev half of the examples: 28 of 28, test half: 27 of 30),
# more often than a small trained model that names another figure.
_SURE = 0.8
# What stands in a prompt beside the passages: system message, request, question.
_OVERHEAD = 200


@dataclass
class _Draft:
    """The answer as it grows, and what its sentences are checked against."""

    question: Question
    found: Sequence[Piece]
    locate_quote: LocateQuote
    document_text: DocumentText
    on_sentence: OnSentence | None
    limit: int
    supports: list[Support] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    refused: bool = False
    failures: int = 0
    sure: str = ""  # a quote that the first sentence may not contradict

    @property
    def full(self) -> bool:
        return len(self.supports) >= self.limit or self.failures >= _PATIENCE

    def add(self, support: Support) -> None:
        said = {fold(s.sentence.text) for s in self.supports}
        if fold(support.sentence.text) in said or len(self.supports) >= self.limit:
            return
        self.failures = 0
        self.supports.append(support)
        if self.on_sentence is not None:
            self.on_sentence(support.sentence)

    def drop(self, text: str, reason: str) -> None:
        self.failures += 1
        self.dropped.append(Dropped(text=text, reason=reason))


def answer(
    question: str,
    hits: Sequence[Hit],
    model: LanguageModel | None,
    *,
    settings: AnswerSection,
    model_settings: ModelSection,
    locate_quote: LocateQuote,
    on_sentence: OnSentence | None = None,
    history: Sequence[tuple[str, str]] = (),
    document_text: DocumentText = lambda _: "",
    context_tokens: int = 600,
    language: str = "",
    several: bool = False,
    calibration: Calibration | None = None,
    arm: Arm = "rag",
    adapter: str | None = None,
) -> Answer:
    """Answer `question` from `hits`.

    Args:
        model: None quotes only.
        on_sentence: called with each sentence once it is verified, in order.
        history: earlier (question, answer) pairs of the conversation.
        document_text: the whole text of a document, to see whether it speaks of a name at all.
        context_tokens: budget of passages in the prompt; doubled where `several` are wanted.
        language: of the question, ISO 639-1; the answer is asked for in it.
        calibration: instead of the one that ships, for questions in the passages' language.
        several: the question wants figures of several documents beside each other.
        arm, adapter: what answers; with "both" the model was trained to abstain by itself.

    Raises:
        ModelError: the model cannot answer.  EndpointError: its endpoint failed.
    """
    asked = parse_question(question, language=language)
    foreign = abstain.foreign(asked, hits)
    # Words tell a good quote from a bad one only within a language; several documents want several.
    single = not foreign and not several
    quotes = model is None and single and calibration is None
    if calibration is None or foreign:
        calibration = abstain.calibration_for(model.name if model else None, foreign=foreign)
    threshold = calibration.threshold
    seconds = {"retrieval": 0.0, "generation": 0.0, "verification": 0.0}
    tokens = {"prompt": 0, "answer": 0}
    clock = time.perf_counter()
    found = gather(hits)
    ranked = rank(asked, found, several=several)
    seconds["verification"] += time.perf_counter() - clock

    clock = time.perf_counter()
    built: prompt.Prompt | None = None
    stated = 0.0
    if model is not None and hits:
        built = prompt.build(
            question,
            hits if several else _to_read(asked, hits, ranked),
            model,
            max_tokens=model_settings.max_tokens,
            budget=(2 if several else 1) * context_tokens + _OVERHEAD,
            request=prompt.ASK_MANY if several else prompt.ASK,
            language=language,
            history=history,
        )
        if calibration.asks_model:
            ask = prompt.messages(question, built.hits, request=prompt.ASK_STATED, history=history)
            stated = abstain.stated_logit(model, ask)
    seconds["generation"] += time.perf_counter() - clock
    retrieved = abstain.features(asked, hits, ranked, stated, several=several)
    confidence = calibration.probability(retrieved)
    quoted = abstain.shipped()[abstain.QUOTE]
    quote = quoting.best(asked, ranked, document_text, retrieved) if single else None
    quote_confidence = quoted.probability(quote.features) if quote else 0.0
    enough = quoted.threshold
    if quotes:
        confidence, threshold = quote_confidence, enough
    if settings.abstain_below is not None:
        threshold = settings.abstain_below
        enough = threshold if quotes else enough
    if model is not None:
        enough += _DOUBT  # what the model made of the passages did not hold
    draft = _Draft(asked, found, locate_quote, document_text, on_sentence, settings.max_sentences)
    if quote and arm == "both" and not asked.polar and quote_confidence >= _SURE:
        draft.sure = readable(quote.piece, asked)
    reason = ""
    if not hits:
        reason = "nothing was found"
    elif confidence < threshold:
        reason = (
            f"the passages found do not seem to answer it (confidence {confidence:.2f} < {threshold:.2f})"
        )
    else:
        if model is not None and built is not None:
            tokens["prompt"] = built.tokens
            _generate(draft, model, built, model_settings, seconds, tokens)
        clock = time.perf_counter()
        if not single:
            _quote_widely(draft, ranked, several)
        # A model that says it cannot tell is right more often than the best piece; one that was trained
        # to say so does it too readily (measured: on 41 % of the answerable, 22 % of the others).
        elif (
            quote
            and not draft.supports
            and (arm == "both" or not draft.refused)
            and quote_confidence >= enough
        ):
            _quote(draft, quote.piece)
        seconds["verification"] += time.perf_counter() - clock
        if not draft.supports:
            reason = draft.dropped[0].reason if draft.dropped else "no sentence of the passages answers it"
    sentences = tuple(s.sentence for s in draft.supports)
    return Answer(
        question=question,
        answer=" ".join(closed(s.text) for s in sentences) if sentences else abstention(language),
        abstained=not sentences,
        sentences=sentences,
        hits=tuple(hits),
        model=model.name if model is not None else "none",
        adapter=adapter,
        arm=arm,
        confidence=round(confidence, 4),
        reason=reason,
        dropped=tuple(draft.dropped),
        seconds={k: round(v, 4) for k, v in seconds.items()},
        tokens=tokens,
    )


def abstention(language: str) -> str:
    """The words of an abstention in the question's language, English where it is not known."""
    return _ABSTENTION.get(language, _ABSTENTION["en"])


def refuses(text: str) -> bool:
    """Whether a sentence of a model says that it cannot tell, in the words that training teaches or
    in others."""
    return is_refusal(text) or fold(text).strip(" .。") in _abstentions()


@cache
def _abstentions() -> frozenset[str]:
    return frozenset(fold(words).strip(" .。") for words in _ABSTENTION.values())


def closed(text: str) -> str:
    """A sentence with a mark at its end."""
    return text if text[-1:] in ".!?。！？:;" else f"{text}."


def _to_read(question: Question, hits: Sequence[Hit], ranked: Sequence[tuple[float, Piece]]) -> list[Hit]:
    """The hits for the prompt, in the order in which code would quote them, without near misses
    (all of them where there is nothing else)."""
    place: dict[str, int] = {}
    for position, (_, piece) in enumerate(ranked):
        place.setdefault(piece.passage.id, position)
    ordered = sorted(hits, key=lambda h: place.get(h.passage.id, len(ranked)))
    return [h for h in ordered if not near_miss(question, h.passage)] or ordered


def _generate(
    draft: _Draft,
    model: LanguageModel,
    built: prompt.Prompt,
    settings: ModelSection,
    seconds: dict[str, float],
    tokens: dict[str, int],
) -> None:
    """Let the model write; verify each sentence when it is complete; stop when enough."""
    clock = time.perf_counter()
    for text in _written(model, built, settings, tokens):
        seconds["generation"] += time.perf_counter() - clock
        clock = time.perf_counter()
        if refuses(text):
            draft.refused = True
        outcome = verify(text, draft.question, draft.found, draft.locate_quote, draft.document_text)
        other = (
            quoting.another_figure(text, draft.sure, draft.question.text)
            if draft.sure and not draft.supports
            else ""
        )
        if other and not isinstance(outcome, str):
            outcome = f"the passages seem to give another figure: {other}"
        if isinstance(outcome, str):
            draft.drop(text, outcome)
        else:
            draft.add(outcome)
        seconds["verification"] += time.perf_counter() - clock
        clock = time.perf_counter()
        if draft.full:
            break
    seconds["generation"] += time.perf_counter() - clock


def _written(
    model: LanguageModel, built: prompt.Prompt, settings: ModelSection, tokens: dict[str, int]
) -> Iterator[str]:
    stream = Stream()
    parts = model.generate(
        built.messages, max_tokens=settings.max_tokens, temperature=settings.temperature, stop=(prompt.FENCE,)
    )
    with closing(parts) as pieces:  # type: ignore[type-var]  # leaving early stops the engine
        for piece in pieces:
            tokens["answer"] += piece.tokens
            yield from stream.feed(piece.text)
        # What was cut off by the limit of tokens is no sentence; a short answer without a point is.
        rest = stream.finish()
        if tokens["answer"] < settings.max_tokens:
            yield from rest


def _quote(draft: _Draft, piece: Piece) -> None:
    citation = Citation(
        document=piece.passage.document,
        passage=piece.passage.id,
        locator=draft.locate_quote(piece.passage, piece.start, piece.end),
        quote=piece.text,
    )
    if holds(citation, piece.passage):
        draft.add(
            Support(Sentence(text=readable(piece, draft.question), citations=(citation,)), (piece,), 1.0)
        )


def _quote_widely(draft: _Draft, ranked: Sequence[tuple[float, Piece]], several: bool) -> None:
    """For a question about several documents, quote the best piece of each that no sentence cites
    yet; for one in another language than the passages, the best where nothing was said."""
    if not several and (draft.supports or draft.refused):
        return
    weights = weigh(draft.question, draft.found, several=several)
    cited = {c.document for s in draft.supports for c in s.sentence.citations}
    for _, piece in ranked[:60]:
        if len(draft.supports) >= draft.limit or (draft.supports and not several):
            return
        if piece.passage.document in cited or not _quotable(draft, piece, weights):
            continue
        cited.add(piece.passage.document)
        _quote(draft, piece)


def _quotable(draft: _Draft, piece: Piece, weights: Weights) -> bool:
    question = draft.question
    near = covered(weights, piece.terms, terms(piece.around))
    if near < _QUOTABLE or covered(weights, piece.terms) < _QUOTABLE / 2:
        return False
    if not names_what_is_asked(question, piece, strictly=True):
        return False
    return permitted(question, piece, draft.found, draft.document_text(piece.passage.document))
