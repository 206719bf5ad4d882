"""The usual rules for choosing between the four arms, each with its reason and its source.

    Facts -> rules that fire -> Advice

A rule speaks for documents at answering time (rag), for a trained adapter (tuned), for the two together
(both), for the model alone (base), or against training. Promises: the recommendation follows from the
rules that fired and from nothing else; every rule names the fact that made it fire; what would change
the recommendation is found by trying, fact by fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from loresmith.evaluation.advice import sources
from loresmith.evaluation.advice.facts import Facts
from loresmith.evaluation.advice.sources import Source
from loresmith.evaluation.advice.vocabulary import STRANGE
from loresmith.types import Arm

Side = Literal["base", "rag", "tuned", "both", "no training"]

FEW_ROWS = 100
"""Below so many rows nothing is trained: 50 to 100 are where training begins to show."""
FORM_ROWS = 1000
"""Rows that taught form and tone in LIMA."""
LONG = 24 * 3600.0
KNOWS, UNKNOWING = 0.8, 0.3
SMALL = 4_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        name: stable, for scripts.
        side: what it speaks for.
        fires: the fact in words where the rule applies, else "".
        because: why it speaks so.
        test: (stratum or "", better arm, worse arm): the measurement that would confirm it.
        decides: False: it is told, but does not turn the recommendation by itself.
    """

    name: str
    side: Side
    fires: Callable[[Facts], str]
    because: str
    sources: tuple[Source, ...] = ()
    test: tuple[str, Arm, Arm] | None = None
    decides: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A rule that applies, with the fact that makes it apply and where that is known from."""

    rule: str
    side: Side
    fact: str
    known_from: str
    because: str
    sources: tuple[Source, ...]
    decides: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the rules say.

    Attributes:
        changes: what would make it another recommendation: (in words, the arm it would be).
        unknown: facts that nobody told and that would have counted.
    """

    recommended: Arm
    headline: str
    fired: tuple[Fired, ...]
    changes: tuple[tuple[str, Arm], ...]
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "recommended": self.recommended,
            "headline": self.headline,
            "rules": [asdict(fired) for fired in self.fired],
            "would_change": [{"if": words, "recommended": arm} for words, arm in self.changes],
            "unknown": list(self.unknown),
        }


def _changing(f: Facts) -> str:
    often = {"monthly": "within two months", "weekly": "within two weeks", "daily": "within days"}
    return f"a tenth of the documents changes {often[f.changes]}" if f.changes in often else ""


def _little(f: Facts) -> str:
    return f"{f.rows:,} training rows are at hand" if f.rows is not None and f.rows < FEW_ROWS else ""


def _form_only(f: Facts) -> str:
    if f.rows is None or not FEW_ROWS <= f.rows < FORM_ROWS or f.style:
        return ""
    return f"{f.rows:,} training rows are at hand, and no form of answer is asked for"


def _machine(f: Facts) -> str:
    if f.obstacle:
        return f"nothing can be trained here: {f.obstacle}"
    if f.training is not None and f.training > LONG:
        return f"an adapter would take about {f.training / 3600:.0f} hours here"
    return ""


def _size(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"


RULES: tuple[Rule, ...] = (
    Rule(
        name="external",
        side="rag",
        fires=lambda f: f"{f.documents:,} documents hold the answers" if f.documents else "",
        because="What stands in documents is read better than it is learnt.",
        sources=(sources.OVADIA, sources.SOUDANI),
        test=("trained", "rag", "tuned"),
    ),
    Rule(
        name="changing",
        side="rag",
        fires=_changing,
        because="A changed document is in the answers after the next sync; an adapter must be trained anew.",
        sources=(sources.OVADIA,),
        test=("changed", "rag", "tuned"),
    ),
    Rule(
        name="sources",
        side="rag",
        fires=lambda f: "readers need to see where an answer stands" if f.sources else "",
        because="Only an answer from passages can be cited and checked; weights quote nothing.",
        sources=(sources.ALCE, sources.LEWIS),
        test=("unanswerable", "rag", "tuned"),
    ),
    Rule(
        name="synthesis",
        side="rag",
        fires=lambda f: "answers put several documents together" if f.synthesis else "",
        because="Several passages side by side can be joined and cited one by one.",
        sources=(sources.LEWIS, sources.AGRICULTURE),
        test=("", "rag", "tuned"),
    ),
    Rule(
        name="readers",
        side="rag",
        fires=lambda f: "not every reader may see every document" if f.readers else "",
        because="Passages are filtered for each reader; what an adapter learnt answers only those who may "
        "see all of it.",
        sources=(sources.HOUSE,),
    ),
    Rule(
        name="rare",
        side="rag",
        fires=lambda f: (
            f"the base model alone answers {f.known:.0%} of questions on the documents"
            if f.known is not None and f.known < UNKNOWING
            else ""
        ),
        because="The rarer a fact, the more reading it beats learning it.",
        sources=(sources.SOUDANI,),
        test=("trained", "rag", "tuned"),
    ),
    Rule(
        name="style",
        side="tuned",
        fires=lambda f: "answers need the house's own form or exact vocabulary" if f.style else "",
        because="Form, tone and fixed vocabulary are learnt from few examples and kept; they stand in no "
        "passage.",
        sources=(sources.LIMA, sources.GEKHMAN),
        test=("style", "tuned", "base"),
    ),
    Rule(
        name="vocabulary",
        side="tuned",
        fires=lambda f: (
            f"{f.vocabulary:.0%} of the words are broken into pieces by the base model"
            if f.vocabulary is not None and f.vocabulary >= STRANGE
            else ""
        ),
        because="The further a field's words are from those a model was raised on, the more training on "
        "them brings.",
        sources=(sources.GURURANGAN,),
        test=("style", "tuned", "base"),
        decides=False,
    ),
    Rule(
        name="flow",
        side="both",
        fires=lambda f: "a program works on with the answers" if f.flow else "",
        because="It needs the facts of the documents and a form that never varies.",
        sources=(sources.RAFT, sources.AGRICULTURE),
        test=("", "both", "rag"),
    ),
    Rule(
        name="small model",
        side="both",
        fires=lambda f: (
            f"the base model has {_size(f.parameters)} parameters"
            if f.parameters is not None and f.parameters < SMALL and f.documents
            else ""
        ),
        because="A small model gains more than a large one from being trained to use what it reads.",
        sources=(sources.SOUDANI, sources.RAFT),
        test=("", "both", "rag"),
        decides=False,
    ),
    Rule(
        name="known",
        side="base",
        fires=lambda f: (
            f"the base model alone answers {f.known:.0%} of questions on the documents"
            if f.known is not None and f.known >= KNOWS
            else ""
        ),
        because="What the model knows anyway need be neither read nor learnt.",
        sources=(sources.OVADIA,),
        test=("", "base", "rag"),
    ),
    Rule(
        name="little data",
        side="no training",
        fires=_little,
        because=f"Training begins to show at 50 to {FEW_ROWS} good examples; new facts need many wordings.",
        sources=(sources.OPENAI, sources.OVADIA, sources.GEKHMAN),
        test=("", "base", "tuned"),
    ),
    Rule(
        name="facts need wordings",
        side="no training",
        fires=_form_only,
        because="So few rows teach a form but hardly facts: those are learnt slowly, and what is half learnt "
        "is made up.",
        sources=(sources.LIMA, sources.GEKHMAN, sources.OVADIA),
        test=("trained", "base", "tuned"),
        decides=False,
    ),
    Rule(
        name="machine",
        side="no training",
        fires=_machine,
        because="An adapter that cannot be trained anew in time is soon out of date.",
        sources=(sources.HOUSE,),
    ),
)


def advise(facts: Facts) -> Advice:
    """What the rules recommend for these facts, and why."""
    fired = [(rule, fact) for rule in RULES if (fact := rule.fires(facts))]
    arm = _arm(facts)
    return Advice(
        recommended=arm,
        headline=_headline(arm, facts),
        fired=tuple(
            Fired(
                rule=rule.name,
                side=rule.side,
                fact=fact,
                known_from=_known_from(rule.name, facts),
                because=rule.because,
                sources=rule.sources,
                decides=rule.decides,
            )
            for rule, fact in fired
        ),
        changes=tuple(_changes(facts, arm)),
        unknown=tuple(_unknown(facts)),
    )


def sides(facts: Facts) -> set[Side]:
    """What the deciding rules that apply speak for."""
    return {rule.side for rule in RULES if rule.decides and rule.fires(facts)}


def _arm(facts: Facts) -> Arm:
    found = sides(facts)
    trainable = "no training" not in found
    # Documents that the model knows by heart still need reading where sources or freshness count.
    knows = "base" in found and not (facts.sources or facts.readers or _changing(facts) or facts.synthesis)
    read = "rag" in found and not knows
    learn = "tuned" in found
    if trainable and ("both" in found or (read and learn)):
        return "both" if facts.documents != 0 else "tuned"
    if read or ("both" in found and facts.documents != 0):
        return "rag"
    if learn and trainable:
        return "tuned"
    return "base" if knows or facts.documents == 0 else "rag"


_WORDS: dict[Arm, str] = {
    "base": "ask the model alone: neither documents nor training would bring anything",
    "rag": "answer from the documents, and train nothing",
    "tuned": "train an adapter, and ask it without documents",
    "both": "answer from the documents with a trained adapter",
}


def _headline(arm: Arm, facts: Facts) -> str:
    found = sides(facts)
    said = f"{arm}: {_WORDS[arm]}."
    if arm in ("base", "rag") and found & {"tuned", "both"} and "no training" in found:
        return f"{said} Form or flow would ask for an adapter as well, but not under these conditions."
    if not found:
        return f"{said} No rule decides: this is the cheapest that can be checked."
    return said


_TRIED: Sequence[tuple[str, str, Callable[[Facts], Any]]] = (
    ("sources", "readers needed no sources", lambda f: False),
    ("sources", "readers needed to see where an answer stands", lambda f: True),
    ("changes", "the documents never changed", lambda f: "never"),
    ("changes", "the documents changed weekly", lambda f: "weekly"),
    ("synthesis", "each answer stood in one document", lambda f: False),
    ("synthesis", "answers put several documents together", lambda f: True),
    ("readers", "every reader might see everything", lambda f: False),
    ("readers", "readers might see different documents", lambda f: True),
    ("style", "no form or vocabulary of the house were needed", lambda f: False),
    ("style", "answers needed the house's own form or vocabulary", lambda f: True),
    ("flow", "a person read every answer", lambda f: False),
    ("flow", "a program worked on with the answers", lambda f: True),
    ("rows", f"there were {FEW_ROWS} training rows or more", lambda f: max(f.rows or 0, FORM_ROWS)),
    ("rows", f"there were fewer than {FEW_ROWS} training rows", lambda f: 0),
    ("documents", "there were no documents", lambda f: 0),
    ("documents", "there were documents that hold the answers", lambda f: 1),
    ("known", "the base model knew the answers already", lambda f: 1.0),
    ("training", "an adapter could be trained here within a day", lambda f: 0.0),
)


def _changes(facts: Facts, arm: Arm) -> Iterator[tuple[str, Arm]]:
    for name, words, value in _TRIED:
        tried = value(facts)
        if getattr(facts, name) == tried:
            continue
        said: dict[str, Any] = {name: tried, **({"obstacle": ""} if name == "training" else {})}
        other = replace(facts, **said)
        if (then := _arm(other)) != arm:
            yield words, then


def _unknown(facts: Facts) -> Iterator[str]:
    """Facts that nobody told and whose telling could change the recommendation or a rule."""
    for name in dict.fromkeys(name for name, _, _ in _TRIED):
        if getattr(facts, name) is None and not (name == "training" and facts.obstacle):
            yield name


_FACT_OF = {
    "external": "documents", "changing": "changes", "rare": "known", "small model": "parameters",
    "little data": "rows", "facts need wordings": "rows", "machine": "training",
}  # fmt: skip


def _known_from(rule: str, facts: Facts) -> str:
    return facts.origins.get(_FACT_OF.get(rule, rule), "")
