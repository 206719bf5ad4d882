"""Questions that lean on the one before: "and in Lyon?", "how many of them?", "und 2024?".

    earlier questions + question -> the whole question, as it would have been asked at first

Only where code is certain: a value, date or number in place of the one of the same column; one that is
added; another figure, group or column; "of them" for what was listed or counted. Promises: a question
that stands for itself stays as it is; where one leans on another and nobody can say how, there is none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from loresmith.querying.asking import frame
from loresmith.querying.frames import Frame
from loresmith.querying.leaning import BEING, END, OF, OF_IT, THEIRS, led, pointing
from loresmith.querying.linking import Atom, Links, link
from loresmith.querying.parts import Part, alike, of_value, parts
from loresmith.querying.plan import Plan
from loresmith.querying.routing import tabular
from loresmith.querying.understand import plans
from loresmith.querying.view import View
from loresmith.tables.values import Catalog

TURNS = 8
"""Earlier turns that are looked at."""
_LONGEST = 400
_FIGURES = ("sum", "avg", "max", "min")
_ASKING = frozenset((*_FIGURES, "count", "which", "list", "much", "percent", "share", "ratio"))
_NAMES = ("name", "table", "column")
_OTHER = frozenset(
    (
        "when",
        "who",
        "where",
        "wann",
        "wer",
        "wo",
        "cuando",
        "quien",
        "donde",
        "quando",
        "chi",
        "dove",
        "quand",
    )
)
"""Words that ask for something else of the same rows."""


def whole(
    question: str, earlier: Sequence[str], catalog: Catalog, connection: sqlite3.Connection
) -> str | None:
    """The question as it would have been asked without the turns before; None where it leans on them
    and code cannot say how.

    Args:
        earlier: the questions before it, oldest first.
    """
    before: str | None = None
    for asked in [*earlier[-TURNS:], question]:
        before = _Turn(asked, before, catalog, connection).whole()
    return before


Edit = tuple[int, int, str]
"""From here to there another text."""


class _Turn:
    """A question beside the whole of the one before it (None: there is none that could be meant)."""

    def __init__(
        self, question: str, before: str | None, catalog: Catalog, connection: sqlite3.Connection
    ) -> None:
        self.question, self.before = question, before
        self.catalog, self.connection = catalog, connection

    def link(self, text: str) -> Links:
        return link(text, self.catalog, self.connection)

    def whole(self) -> str | None:
        rest, tied = led(self.question)
        if len(self.question) > _LONGEST or (self.before is None and not tied):
            return self.question
        links = self.link(rest)
        names = [a for a in links.atoms if a.kind in _NAMES]
        asks = [a for a in links.atoms if _asks(a)]
        if (pointed := pointing(links)) is not None:
            return self._of_them(rest, links, *pointed)
        if names and asks and not _only_group(links):
            return self.question  # it says itself what it asks of what
        if not tied and not self._bare(links, asks):
            return self.question
        if self.before is None:
            return None
        made = self._changed(self.before, rest, links, asks, names)
        return self.question if made is None and not tied and asks else made

    @staticmethod
    def _bare(links: Links, asks: Sequence[Atom]) -> bool:
        """Conditions alone ("In Lyon?"), or with nothing that they are asked of ("How many in Lyon?")."""
        content = [a for a in links.atoms if a.kind != "glue"]
        if not content or any(a.kind in (*_NAMES, "unknown", "quote") for a in content):
            return False
        if not asks:
            return True
        follows = asks[0].last
        plain = follows < len(links.words) and any(
            a.kind == "glue" and a.first == follows for a in links.atoms
        )
        return len(asks) == 1 and (plain or follows == len(links.words))

    # --- what it changes -------------------------------------------------------------------------

    def _changed(
        self, before: str, rest: str, links: Links, asks: Sequence[Atom], names: Sequence[Atom]
    ) -> str | None:
        known = self.link(before)
        if any(a.kind in ("unknown", "quote") or a.first == a.last for a in links.atoms):
            return None
        if _only_group(links):
            return self._regrouped(before, known, rest)
        new, old = parts(links), parts(known)
        if new is None or old is None:
            return None
        edits = self._asked_of(known, links, asks, names, new)
        if edits is None:
            return None
        added = []
        for part in new:
            same = alike(part, old)
            if len(same) > 1:
                return None
            if same:
                edits.append(_exchanged(known, same[0], links, part))
            else:
                added.append(_text(links, _with_preposition(links, part), part.last))
        if not edits and not added:
            return None
        made = before
        for start, end, text in sorted(edits, reverse=True):
            made = made[:start] + text + made[end:]
        made = " ".join([made.strip(END), *added]) + "?"
        return made if not added or self._can_add(before, known, made, new) else None

    def _asked_of(
        self, known: Links, links: Links, asks: Sequence[Atom], names: Sequence[Atom], new: Sequence[Part]
    ) -> list[Edit] | None:
        """What changes of the words that ask and of what they ask; None where nobody can say."""
        said = {n for p in new for n in range(p.first, p.last)}
        left = [a for a in links.atoms if a.kind != "glue" and not set(range(a.first, a.last)) & said]
        if any(a not in names and a not in asks and "having" not in a.kinds for a in left):
            return None
        edits = _asked(known, links, asks)
        other = [a for a in left if a in names and not _in(a, known) and not of_value(a, new)]
        if not other or edits is None:
            return edits
        edit = self._renamed(known, links, other[0]) if not (new or asks) and len(other) == 1 else None
        return None if edit is None else [edit]

    def _can_add(self, before: str, known: Links, made: str, new: Sequence[Part]) -> bool:
        """Whether the question is one to tables, and what it gains is said of the rows it asked of."""
        theirs = plans(before, known, self.catalog)
        if not theirs:
            return tabular(before, known) >= 0.6
        if all(p.kind == "value" for p in new):
            return True
        mine = plans(made, self.link(made), self.catalog)
        tables = {t for plan in theirs for t in _tables(plan)}
        return bool(mine) and all(_tables(plan) <= tables for plan in mine)

    def _regrouped(self, before: str, known: Links, rest: str) -> str | None:
        """ "by site" in place of "by technician", or added to a figure."""
        view = View(known, self.catalog)
        shape = frame(known, view)
        if shape is None or shape.extreme or not shape.figures:
            return None
        content = [a for a in known.atoms if a.kind != "glue"]
        groups = [n for n, a in enumerate(content[:-1]) if "group" in a.kinds and _grouped(content[n + 1])]
        if len(groups) > 1 or len(shape.groups) + bool(shape.period) != len(groups):
            return None
        if not groups:
            return f"{before.strip(END)} {rest}?"
        start, end = content[groups[0]].first, content[groups[0] + 1].last
        return f"{before[: known.words[start].start]}{rest}{before[known.words[end - 1].end :]}"

    def _renamed(self, known: Links, links: Links, mine: Atom) -> Edit | None:
        """Another column of numbers in place of the one that is asked for; another table where nothing is
        said of the rows."""
        view = View(known, self.catalog)
        theirs = [a for a in known.atoms if a.kind in _NAMES]
        own = View(links, self.catalog)
        if own.numeric(mine):
            theirs = [a for a in theirs if view.numeric(a)]
        elif mine.tables and not parts(known):
            theirs = [a for a in theirs if a.tables]
        else:
            return None
        if len(theirs) != 1:
            return None
        start, end = known.words[theirs[0].first].start, known.words[theirs[0].last - 1].end
        return start, end, _text(links, mine.first, mine.last)

    # --- "of them" -------------------------------------------------------------------------------

    def _of_them(self, rest: str, links: Links, first: int, last: int) -> str | None:
        """What was listed or counted, with its conditions, in place of the word for it."""
        theirs = links.words[first].folded in THEIRS
        noun = next((a for a in links.atoms if a.first == last and a.tables and not theirs), None)
        if noun is None and any(a.tables and a.first < first for a in links.atoms if a.kind in _NAMES):
            return self.question  # it says itself who "they" are
        if self.before is None:
            return None
        known = self.link(self.before)
        view = View(known, self.catalog)
        target = _spoken_of(frame(known, view))
        if target is None:
            return None
        if noun is not None:  # "of these pumps"
            if not {t for t, _ in noun.tables} & {t for t, _ in target.tables}:
                return self.question
            last = noun.last
        asked = {n for a in known.atoms if _asks(a) or "and" in a.kinds[:1] for n in range(a.first, a.last)}
        if any(n > target.last for n in asked) or any(a.first == a.last for a in known.atoms):
            return None
        kept = [n for n, w in enumerate(known.words) if n >= target.first and w.folded not in BEING]
        them = _verbatim(self.before, known, [n for n in kept if n not in asked])
        of = OF.get(links.language, "of")
        start, end = links.words[first].start, links.words[last - 1].end
        if theirs:
            return f"{rest[:start]}{rest[end:].lstrip()} {of} {them}?"
        joined = f"{of} " if last - first > 1 or links.words[first].folded in OF_IT else ""
        return f"{rest[:start]}{joined}{them}{rest[end:]}?"


def _spoken_of(shape: Frame | None) -> Atom | None:
    """The rows that a question listed, counted or computed with: what "they" are after it."""
    if shape is None or shape.ask not in ("list", "count", "figure") or shape.groups or shape.period:
        return None
    if shape.extreme or shape.having or shape.shows or shape.limit or shape.distinct:
        return None
    if len(shape.figures) > 1 or (shape.ask == "figure" and len(shape.context) != 1):
        return None
    if shape.ask == "figure":
        figure, target = shape.figures[0].of, shape.context[0]
        return target if target.tables and figure is not None and target.first > figure.first else None
    found = shape.figures[0].of if shape.figures else shape.target
    return found if found is not None and found.tables else None


def _verbatim(text: str, links: Links, kept: Sequence[int]) -> str:
    """The words of these numbers as they are written, with what stands between neighbours."""
    made = ""
    for before, n in zip((None, *kept), kept, strict=False):
        word = links.words[n]
        if before is not None:
            made += text[links.words[before].end : word.start] if before == n - 1 else " "
        made += text[word.start : word.end]
    return made


def _tables(plan: Plan) -> set[str]:
    return {plan.table, *(c.ref.table for c in plan.where), *(r.table for r in (*plan.show, *plan.group))}


def _asks(atom: Atom) -> bool:
    return atom.kind == "operator" and not _ASKING.isdisjoint(k.split(":")[0] for k in atom.kinds)


def _only_group(links: Links) -> bool:
    """ "by site", "per month"."""
    content = [a for a in links.atoms if a.kind != "glue"]
    return len(content) == 2 and "group" in content[0].kinds and _grouped(content[1])


def _period(atom: Atom) -> bool:
    return any(k.startswith("period:") for k in atom.kinds)


def _grouped(atom: Atom) -> bool:
    return atom.kind in _NAMES or _period(atom)


def _asked(known: Links, links: Links, asks: Sequence[Atom]) -> list[Edit] | None:
    """What changes of the words that ask; None where nobody can say."""
    if not asks:
        return []
    if len(asks) > 1 or asks[0].text in _OTHER:
        return None
    mine = asks[0].kinds[0]
    theirs = [a for a in known.atoms if _asks(a)]
    figures = [a for a in theirs if not {"which", "list"} & set(a.kinds)]
    kinds = [a.kinds[0] for a in figures]
    if mine in kinds or (mine in ("which", "list") and not figures):
        return []
    listed = mine in ("which", "list") and kinds == ["count"]
    figure = len(kinds) == 1 and {mine.split(":")[0], kinds[0].split(":")[0]} <= set(_FIGURES)
    if not figures and mine == "count" and len(theirs) == 1:
        old = theirs[0]
    elif listed or figure:
        old = figures[0]
    else:
        return None
    start, end = known.words[old.first].start, known.words[old.last - 1].end
    return [(start, end, _text(links, asks[0].first, asks[0].last))]


def _exchanged(known: Links, old: Part, links: Links, new: Part) -> Edit:
    """One condition in place of the other: without a sign of its own it takes the other's."""
    signed = new.core > new.first
    start, first = (old.first, new.first) if signed else (old.core, new.core)
    last = old.last
    if new.kind == "number" and not new.unit and old.unit:
        last = old.core + 1  # "over 10 kW", "and over 20?"
    return known.words[start].start, known.words[last - 1].end, _text(links, first, new.last)


def _in(atom: Atom, links: Links) -> bool:
    """Whether a name of one question is one of the other's."""
    mine = {t for t, _ in atom.tables} | {(c.table, c.column) for c in atom.columns}
    return any(
        mine & ({t for t, _ in other.tables} | {(c.table, c.column) for c in other.columns})
        for other in links.atoms
        if other.kind in _NAMES
    )


def _with_preposition(links: Links, part: Part) -> int:
    """Where the words before a part begin that belong to nothing else ("with", "in")."""
    ends = {a.last for a in links.atoms if a.kind not in ("glue", "operator") and a.last <= part.first}
    return max(ends, default=0)


def _text(links: Links, first: int, last: int) -> str:
    return links.question[links.words[first].start : links.words[last - 1].end]
