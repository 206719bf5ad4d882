"""Which rows train, which tell when to stop (dev), which tell the truth at the end (test).

Rows go by their documents, and a document by the hash of its id: the same one is held out again
when others come or go. What has no document goes by its fact, else by its question.

    rows with passages   follow their documents
    queries              follow their tables' documents; unseen wordings as of closed rows
    closed rows          train with their documents, since nobody recalls what was never taught; of
                         facts in three wordings and more, some give one unseen wording to dev, others
                         one to test. Those of held-out documents are for test: facts the model was
                         not taught.
    imported facts       in three wordings and more are all taught; dev and test get unseen wordings
    feedback             always trains

Promises: no row of a held-out document trains; no held-out question (of its kind, in its normal
form) trains, and an unseen wording for test not in any kind; train is never empty while there are
rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from loresmith.config import DatasetSection
from loresmith.dataset.check import place
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example, Split
from loresmith.dataset.formats import Rejected

_FEWEST_GROUPS = 5
_FEWEST_ROWS = 20
# So many rows tell a point's difference; more only cost time, and are better taught.
_ENOUGH = 1000
# So many unseen wordings for test tell recall to 7 points; each is one that is not taught.
_ENOUGH_WORDINGS = 200
_WORDINGS = 3
_WORDED = ("closed", "query")
"""Kinds that teach a fact in several wordings."""
_STRICTEST: tuple[Split, ...] = ("test", "dev", "train")


class Splits(dict[str, Split]):
    """Example id -> split.

    Attributes:
        leaks: rows that were taken out because the same question is held out.
        notes: what a person should know about these splits.
        figures: documents by split, unseen wordings, imported questions that are not taught.
    """

    def __init__(self) -> None:
        super().__init__()
        self.leaks: list[Rejected] = []
        self.notes: list[str] = []
        self.figures: dict[str, int] = {}


def split(examples: Iterable[Example], settings: DatasetSection | None = None) -> Splits:
    """Split checked rows; those of `leaks` have no split."""
    settings = settings or DatasetSection()
    rows = list(examples)
    found = Splits()
    wordings = Counter(row.fact for row in rows if row.kind in _WORDED and row.fact)
    taught = {fact for fact, count in wordings.items() if count >= _WORDINGS}
    homes = _homes(rows, taught, settings, found.notes)
    for row in rows:
        if row.origin.startswith("feedback:"):
            found[row.id] = "train"
        elif row.kind == "closed" and row.documents:
            found[row.id] = "train" if _home(row, homes) == "train" else "test"
        else:
            found[row.id] = _home(row, homes)
    _unseen_wordings(rows, found, settings)
    _without_leaks(rows, found)
    if rows and "train" not in found.values():
        found.update(dict.fromkeys(found, "train"))
        found.notes.append("Nothing is held out: there would be nothing left to train on.")
    held = Counter(home for group, home in homes.items() if group.startswith("document:"))
    found.figures |= {f"{name}_documents": held[name] for name in _STRICTEST}
    found.figures["questions_not_taught"] = sum(
        found.get(row.id, "train") != "train" and not row.documents and row.fact not in taught for row in rows
    )
    _say(found)
    return found


def _groups(row: Example) -> list[str]:
    """What must not be divided: the row's documents, its fact, or its question."""
    if row.documents:
        return [f"document:{d}" for d in row.documents]
    if row.fact:
        return [f"fact:{row.fact}"]
    return [f"question:{normal(row.question)}"]


def _home(row: Example, homes: Mapping[str, Split]) -> Split:
    """A row that rests on a held-out document is held out, whatever else it rests on."""
    held = {homes[group] for group in _groups(row)}
    return next(name for name in _STRICTEST if name in held)


def _homes(
    rows: Sequence[Example], taught: set[str], settings: DatasetSection, notes: list[str]
) -> dict[str, Split]:
    """The split of each group; `taught` facts are held out only with their documents."""
    sizes = Counter(g for row in rows if not row.origin.startswith("feedback:") for g in _groups(row))
    documents = {g: n for g, n in sizes.items() if g.startswith("document:")}
    others = {g: n for g, n in sizes.items() if g not in documents and g.partition(":")[2] not in taught}
    homes = _shares(documents, settings, 1.0) | _shares(
        others, settings, _ENOUGH / max(1, sum(others.values()))
    )
    homes |= {g: "train" for row in rows for g in _groups(row) if g not in homes}
    if documents and {homes[g] for g in documents} == {"train"} and settings.test_share:
        notes.append(
            f"{len(documents)} document{'s' * (len(documents) > 1)} with rows: too few to hold one out, "
            "so nothing tells how the model does on documents it never saw."
        )
    return homes


def _shares(sizes: Mapping[str, int], settings: DatasetSection, most: float) -> dict[str, Split]:
    """Each group to a split by its hash; one that is too large a part of all stays in train.

    Args:
        most: upper bound of the shares of test and dev.
    """
    total = sum(sizes.values())
    few = len(sizes) < _FEWEST_GROUPS or total < _FEWEST_ROWS
    drawn = sorted((_hash(settings.seed, group), group) for group in sizes)
    out: dict[str, Split] = dict.fromkeys(sizes, "train")
    if few:
        return out
    low = 0.0
    wanted: list[tuple[Split, float]] = [("test", settings.test_share), ("dev", settings.dev_share)]
    for name, asked in wanted:
        share = min(asked, most)
        taken = 0
        # By hash alone, a small number of groups might give this split nothing or far too much.
        inside = [g for u, g in drawn if low <= u < low + share]
        spare = [g for u, g in drawn if u >= low + share] if share else []
        for group in inside or spare[:1]:
            if out[group] == "train" and taken + sizes[group] <= max(1.5 * share * total, 1):
                out[group] = name
                taken += sizes[group]
        low += share
    return out


def _hash(seed: int, text: str) -> float:
    """In [0, 1), the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{text}".encode()).digest()[:8], "big") / 2**64


def _unseen_wordings(rows: Sequence[Example], found: Splits, settings: DatasetSection) -> None:
    """One wording of some facts that train goes to dev, of others to test, as many as the shares ask
    for; what asks the same with passages goes with it, so that the wording is unseen."""
    facts: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        asked = row.kind in _WORDED and row.fact and found[row.id] == "train"
        if asked and not row.origin.startswith("feedback:"):
            facts[row.fact].append(row)
    rich = sorted((_hash(settings.seed, f), f) for f, held in facts.items() if len(held) >= _WORDINGS)
    order = [fact for _, fact in rich]
    imported = [fact for fact in order if not facts[fact][0].documents]
    built = [fact for fact in order if facts[fact][0].documents]
    shares: list[tuple[Split, list[str], float, int]] = [
        ("dev", order, settings.dev_share, _ENOUGH),
        ("test", imported[::-1], settings.test_share, _ENOUGH),
        ("test", built[::-1], settings.test_share, _ENOUGH_WORDINGS),
    ]
    totals = {"dev": sum(map(len, facts.values()))}
    taken: set[str] = set()
    unseen: set[tuple[str, str]] = set()
    found.figures |= {"dev_unseen_wordings": 0, "test_unseen_wordings": 0}
    for name, drawn, share, most in shares:
        total = totals.get(name, sum(len(facts[fact]) for fact in drawn))
        chosen = [fact for fact in drawn if fact not in taken][: min(most, round(share * total))]
        taken.update(chosen)
        for fact in chosen:
            # A whole question is nearer to what people ask than key words.
            row = min(
                facts[fact],
                key=lambda row: (name == "test" and "?" not in row.question, _hash(settings.seed, row.id)),
            )
            found[row.id] = name
            if name == "test":
                unseen.add((fact, normal(row.question)))
        found.figures[f"{name}_unseen_wordings"] += len(chosen)
    for row in rows:
        trains = found[row.id] == "train" and not row.origin.startswith("feedback:")
        if trains and row.kind in ("grounded", "abstain") and (row.fact, normal(row.question)) in unseen:
            found[row.id] = "test"


def _without_leaks(rows: Sequence[Example], found: Splits) -> None:
    """Take a row out of train where the same question is held out. Of rows with passages the answer
    counts too: the same question about another document is another task."""
    held: dict[tuple[str, ...], Example] = {}
    trusted = {_question(row) for row in rows if row.origin.startswith("feedback:")}
    for row in rows:
        if found[row.id] != "train":
            key = _question(row)
            if key in trusted:
                _leak(found, row, "leak: the same question was answered by a person, and trains")
            else:
                held.setdefault(key, row)
    for row in rows:
        if found.get(row.id) != "train" or row.origin.startswith("feedback:"):
            continue
        other = held.get(_question(row))
        if other is not None:
            _leak(found, row, f"leak: the same question is held out for {found[other.id]} ({other.origin})")


def _leak(found: Splits, row: Example, reason: str) -> None:
    del found[row.id]
    found.leaks.append(Rejected(place(row), reason, row, row.origin))


def _question(row: Example) -> tuple[str, ...]:
    if row.kind == "chat":
        return (row.kind, *(normal(m["content"]) for m in row.messages if m["role"] == "user"))
    question = normal(row.question)
    told = row.answer if row.kind == "query" else normal(row.answer)
    return (row.kind, question, told) if row.kind in ("grounded", "query") else (row.kind, question)


def _say(found: Splits) -> None:
    figures = found.figures
    if figures["test_documents"] or figures["dev_documents"]:
        found.notes.append(
            f"Documents: {figures['train_documents']} train, {figures['dev_documents']} dev, "
            f"{figures['test_documents']} test. Closed rows of the held-out ones are in test: facts that "
            "were not taught."
        )
    for name in ("dev", "test"):
        if count := figures[f"{name}_unseen_wordings"]:
            found.notes.append(
                f"{count} facts that are trained have one more wording in {name}: "
                "it shows recall in a wording that was not taught."
            )
    if count := figures["questions_not_taught"]:
        found.notes.append(
            f"{count} imported questions are held out, so they are not taught; for no such loss set "
            "dataset.dev_share and dataset.test_share to 0, or give each fact 3 wordings."
        )
    if found.leaks:
        found.notes.append(f"{len(found.leaks)} rows were taken out, since their question is held out.")
    if "dev" not in found.values():
        found.notes.append("There is no dev split: training cannot stop early by it.")
