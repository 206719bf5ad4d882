"""Questions that the documents do not answer although they sound as if they did.

Three kinds: the right subject with an attribute nobody tells of it; the right attribute with a
sibling that does not exist ("P-270"); the right sentence with another's name in it.

Promises: no passage of the workspace holds the words of the subject together with those of the
attribute, the invented code, or the exchanged name with most of the other words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from loresmith.answering.evidence import around
from loresmith.answering.facts import normal_code
from loresmith.answering.text import matches, terms
from loresmith.dataset.facts import Fact, Known, codes_of
from loresmith.dataset.phrases import is_odd
from loresmith.dataset.templates import absent_attributes
from loresmith.dataset.wordings import wordings
from loresmith.types import Passage

_GENERIC = re.compile(
    r"^(?:name|value|unit|description|item|remark|note|comment|type|wert|einheit|beschreibung|bemerkung|nr)\W*$",
    re.I,
)
_PLACED_NAME = re.compile(  # a name behind a preposition or a title
    r"(?:\b(?:in|at|from|near|to|Mr|Mrs|Ms|Dr\.?|Herr[n]?|Frau|en|de|à|da|di|bei|aus|nach)\s)"
    r"([A-ZÀ-Ý][a-zß-ÿ]{3,})(?=[\s,.;)?]|$)(?! [A-Z])"
)
_TRIES = 6


@dataclass(frozen=True)
class Subjects:
    """What the workspace speaks of.

    Attributes:
        holding: term to the numbers of the passages that hold it in text, title or headings.
        attributes: (attribute, value, unit) of the tables, by language.
        names: names of persons, places and firms, by language.
    """

    holding: dict[str, set[int]]
    codes: frozenset[str]
    attributes: dict[str, list[tuple[str, str, str]]]
    names: dict[str, list[str]]
    passages: int

    @classmethod
    def of(cls, facts: Sequence[Fact], passages: Sequence[Passage]) -> Subjects:
        holding: dict[str, set[int]] = defaultdict(set)
        codes: set[str] = set()
        names: dict[str, set[str]] = defaultdict(set)
        for number, passage in enumerate(passages):
            text = f"{around(passage)}\n{passage.text}"
            for term in terms(text):
                holding[term].add(number)
            codes.update(map(normal_code, codes_of(text)))
            if passage.language in ("en", "es", "fr", "it", "pt", "nl"):
                names[passage.language].update(m[1] for m in _PLACED_NAME.finditer(passage.text))
        attributes: dict[str, dict[str, tuple[str, str, str]]] = defaultdict(dict)
        for fact in facts:
            usable = fact.kind in ("cell", "field") and not is_odd(fact.attribute, fact.language)
            if usable and not _GENERIC.match(fact.attribute) and not fact.key.startswith("\0"):
                attributes[fact.language].setdefault(
                    fact.attribute.casefold(), (fact.attribute, fact.value, fact.unit)
                )
        return cls(
            holding,
            frozenset(codes),
            {language: sorted(several.values()) for language, several in attributes.items()},
            {language: sorted(several) for language, several in names.items()},
            len(passages),
        )

    def with_all(self, wanted: frozenset[str]) -> set[int]:
        """Passages that hold every one of the terms."""
        out: set[int] | None = None
        for term in wanted:
            here = self._holding(term)
            out = here if out is None else out & here
            if not out:
                return set()
        return out if out is not None else set(range(self.passages))

    def most(self, wanted: frozenset[str], among: set[int]) -> float:
        """The largest share of `wanted` that one passage of `among` holds."""
        counts: dict[int, int] = defaultdict(int)
        for term in wanted:
            for number in self._holding(term) & among:
                counts[number] += 1
        return max(counts.values(), default=0) / max(1, len(wanted))

    def _holding(self, term: str) -> set[int]:
        exact = self.holding.get(term)
        if exact is not None:
            return exact
        return {
            n for other, several in self.holding.items() if matches(term, frozenset({other})) for n in several
        }


def question(fact: Fact, subjects: Subjects, known: Known, rng: Random) -> str | None:
    """A question near `fact` that no passage answers; None where none was found."""
    makers = [_missing_attribute, _invented_sibling, _another_name]
    rng.shuffle(makers)
    for make in makers:
        asked = make(fact, subjects, known, rng)
        if asked is not None:
            return asked
    return None


def _missing_attribute(fact: Fact, subjects: Subjects, known: Known, rng: Random) -> str | None:
    """ "Which warranty does the M8 flange bolt have?" """
    subject = fact.subject if fact.kind in ("cell", "reverse") and not fact.key.startswith("\0") else ""
    if not subject and codes_of(fact.topic) != (fact.topic,):
        return None
    wanted = terms(subject or fact.topic)
    own = subjects.attributes.get(fact.language, [])
    common = absent_attributes(fact.language)
    if not wanted:
        return None
    for _ in range(_TRIES):
        pool = common if not own or rng.random() < 0.4 else own
        if not pool:
            return None
        attribute, value, unit = rng.choice(pool)
        told = terms(attribute) - wanted
        if not told or subjects.with_all(wanted | told) or _same(attribute, fact.attribute):
            continue
        asked = replace(
            fact,
            kind="cell" if subject else "field",
            subject=subject,
            attribute=attribute,
            value=value,
            unit=unit,
            asked=(),
            answer="",
        )
        made = wordings(asked, known, rng, 3)
        if made:
            return rng.choice(made).question
    return None


def _invented_sibling(fact: Fact, subjects: Subjects, known: Known, rng: Random) -> str | None:
    """ "What does the P-270 weigh?", where there are a P-200 and a P-250."""
    for wording in wordings(fact, known, rng, 3):
        for code in (c for c in codes_of(wording.question) if len(c) > 2):
            other = _near_code(code, subjects.codes, rng)
            if other is not None:
                return wording.question.replace(code, other)
    return None


def _near_code(code: str, known: frozenset[str], rng: Random) -> str | None:
    places = [i for i, c in enumerate(code) if c.isdigit()]
    for _ in range(_TRIES):
        place = rng.choice(places[-2:]) if places else -1
        if place < 0:
            return None
        digit = rng.choice([d for d in "123456789" if d != code[place]])
        other = f"{code[:place]}{digit}{code[place + 1 :]}"
        if normal_code(other) not in known and any(c.isalpha() for c in code):
            return other
    return None


def _another_name(fact: Fact, subjects: Subjects, known: Known, rng: Random) -> str | None:
    """ "When will the staff at Bergen strike?", asked of another airport."""
    pool = subjects.names.get(fact.language, [])
    if len(pool) < 4:
        return None
    for wording in wordings(fact, known, rng, 3, placed=0.0):
        inside = [m[1] for m in _PLACED_NAME.finditer(wording.question) if m[1] in known.names]
        for name in inside[:1]:
            other = rng.choice([n for n in pool if n != name])
            asked = re.sub(rf"\b{re.escape(name)}\b", other, wording.question)
            rest = terms(asked) - terms(other)
            if len(rest) >= 2 and subjects.most(rest, subjects.with_all(terms(other))) < 0.6:
                return asked
    return None


def _same(one: str, other: str) -> bool:
    return bool(terms(one) & terms(other))
