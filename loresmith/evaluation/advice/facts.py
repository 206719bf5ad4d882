"""What advice rests on: facts about data, questions and machine, each with where it is known from.

    flags, answers of the interview, the workspace -> Facts -> rules

Promises: what nobody said and nothing shows stays None, and no rule fires on it; reading the
workspace loads no model and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from loresmith.evaluation.advice.vocabulary import Vocabulary

Changes = Literal["never", "yearly", "monthly", "weekly", "daily"]
CHANGES: tuple[Changes, ...] = get_args(Changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """None: nobody knows.

    Attributes:
        documents: how many; `tokens` of their text, counted in characters.
        changes: how soon a tenth of them is no longer what it was.
        sources: readers need to see where an answer stands.
        synthesis: answers put together what stands in several documents.
        style: answers need a form, tone or exact vocabulary that is the house's own.
        flow: a program works on with the answers, without a person in between.
        readers: not every reader may see every document.
        rows: training rows at hand; `facts` of them differ, `own` were written by people.
        vocabulary: share of the documents' running words that the base model breaks up.
        known: share of questions on the documents that the base model answers alone.
        parameters: of the base model.
        training: seconds that an adapter would take here; `obstacle` says why none can be trained.
        origins: name of a fact to where it is known from ("flag", "your answer", "the workspace: …").
        words: of `vocabulary`, to show.
    """

    documents: int | None = None
    tokens: int | None = None
    changes: Changes | None = None
    sources: bool | None = None
    synthesis: bool | None = None
    style: bool | None = None
    flow: bool | None = None
    readers: bool | None = None
    rows: int | None = None
    facts: int | None = None
    own: int | None = None
    vocabulary: float | None = None
    known: float | None = None
    parameters: int | None = None
    training: float | None = None
    obstacle: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)
    words: Vocabulary | None = None

    def to_dict(self) -> dict[str, Any]:
        """{"documents": {"value": 24, "from": "the workspace"}, …}; what nobody knows is null."""
        skipped = {"origins", "words"}
        return {
            f.name: {"value": getattr(self, f.name), "from": self.origins.get(f.name)}
            for f in fields(self)
            if f.name not in skipped and (f.name != "obstacle" or self.obstacle)
        }


def over(known: Facts, said: Mapping[str, Any], origin: str) -> Facts:
    """`known` with what was said laid over it; None says nothing."""
    values = {name: value for name, value in said.items() if value is not None}
    return replace(known, **values, origins={**known.origins, **dict.fromkeys(values, origin)})
