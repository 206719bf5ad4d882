"""Words that tie a question to the one before: "and what about", "of them", "their"; five languages.

Folded, as `tables.names.fold` folds; the longest phrase wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loresmith.querying.linking import Links
from loresmith.tables.names import fold

_WORD = re.compile(r"[^\W_]+")
END = " \t\n?.!¿¡,;"
"""What a question begins or ends with that is none of its words."""


def _phrases(*lines: str) -> tuple[tuple[str, ...], ...]:
    found = [tuple(phrase.split()) for line in lines for phrase in line.split("|")]
    return tuple(sorted(found, key=len, reverse=True))


_LEADS = _phrases(
    "and|and what about|and how about|what about|how about|and what of|what of|and the same for",
    "the same for|and for|but|or|okay and|ok and|so",
    "und|und was ist mit|was ist mit|wie sieht es mit|und wie sieht es mit|wie ist es mit",
    "und wie ist es mit|und wie steht es mit|und bei|und fur",
    "y|y que hay de|que hay de|y que tal|y para",
    "e|ed|e per|che dire di|e che dire di",
    "et|et pour|qu en est il de|et qu en est il de|qu en est il pour",
)
_OF_THEM = _phrases(
    "of them|of those|of these|among them|among those|them|those|these|they",
    "davon|von ihnen|von denen|von diesen|darunter|diese|diesen|dieser",
    "de ellos|de ellas|de esos|de esas|de estos|de estas|ellos|ellas|estos|estas|esos|esas",
    "di loro|di essi|di esse|di questi|di queste|di quelli|di quelle|tra questi|tra queste|questi|queste",
    "d entre eux|d entre elles|parmi eux|parmi elles|de ceux ci|de celles ci|ces|eux",
)
THEIRS = frozenset(("their", "deren", "sus", "su", "loro", "leur", "leurs"))
BEING = frozenset(
    word
    for line in (
        "are is were was be there do does did",
        "sind ist waren war stehen steht gibt es",
        "hay son estan esta fueron sono ci e sont a t il y",
    )
    for word in line.split()
)
"""Words that only say that something is."""
OF = {"en": "of", "de": "von", "es": "de", "it": "di", "fr": "de"}
OF_IT = frozenset(("davon", "darunter"))
"""One word for "of them"."""


def led(question: str) -> tuple[str, bool]:
    """The question without the words that tie it to the one before, and whether there were any."""
    words = list(_WORD.finditer(question))
    folded = tuple(fold(w.group()) for w in words)
    most = _longest(folded, 0, _LEADS)
    after = question[words[most - 1].end() :][:1] if most else ""
    if not most or most >= len(words) or not (after.isspace() or after == ","):
        return question.strip(END), False
    return question[words[most].start() :].strip(END), True


def pointing(links: Links) -> tuple[int, int] | None:
    """Words [first, last) that stand for what was spoken of before."""
    folded = tuple(w.folded for w in links.words)
    told = {n for a in links.atoms if a.kind not in ("glue", "unknown") for n in range(a.first, a.last)}
    for n, word in enumerate(links.words):
        if n in told or word.quoted:
            continue  # "diese Woche"
        if most := _longest(folded, n, _OF_THEM):
            return n, n + most
        if word.folded in THEIRS:
            return n, n + 1
    return None


def _longest(words: tuple[str, ...], at: int, phrases: Iterable[tuple[str, ...]]) -> int:
    return next((len(p) for p in phrases if words[at : at + len(p)] == p), 0)
